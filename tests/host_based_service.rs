//! How a host based service gets to Kubernetes.

use serde_json::{Value, json};

use crate::support::{Api, Server};

async fn project(api: &Api, name: &str, annotations: Value) -> Value {
    let fq_name = json!(["default-domain", name]);
    let body = json!({"project": {
        "fq_name": fq_name, "parent_type": "domain", "quota": {"host_based_service": 1},
        "annotations": {"key_value_pair": annotations},
    }});
    api.post("/projects", &body).await.status_is(200);
    let service = json!(["default-domain", name, "Guard_1"]);
    let body = json!({"host-based-service": {"fq_name": service, "parent_type": "project"}});
    api.post("/host-based-services", &body).await.ok()["host-based-service"].clone()
}

pub async fn hbs_x1_a_host_based_service_as_manifests() {
    let server = Server::start();
    let api = server.api();
    let plain = project(&api, "plain", json!([])).await;
    let refused = api.post("/hbs-get", &json!({"hbs_uuid": plain["uuid"]})).await;
    let text = "Project default-domain:plain is not k8s project, namespace is not present";
    assert_eq!((refused.status, refused.text.as_str()), (404, text));
    let refused = api.post("/hbs-get", &json!({"hbs_uuid": server.url()})).await;
    assert_eq!((refused.status, refused.text), (404, format!("Unknown id: {}", server.url())));

    let annotations = json!([{"key": "namespace", "value": "web"}, {"key": "cluster", "value": "k8s"}]);
    let service = project(&api, "k8s-web", annotations).await;
    let by_name = api.post("/hbs-get", &json!({"hbs_fq_name": service["fq_name"]})).await.ok();
    assert_eq!(api.post("/hbs-get", &json!({"hbs_uuid": service["uuid"]})).await.ok(), by_name);
    let [left, right, daemon_set] = by_name["hbs"].as_array().unwrap().as_slice() else { panic!("{by_name}") };
    for (manifest, side) in [(left, "left"), (right, "right")] {
        assert_eq!(
            (&manifest["apiVersion"], &manifest["kind"]),
            (&json!("k8s.cni.cncf.io/v1"), &json!("NetworkAttachmentDefinition"))
        );
        let metadata = &manifest["metadata"];
        assert_eq!((&metadata["name"], &metadata["namespace"]), (&json!(format!("hbf-{side}")), &json!("web")));
        assert_eq!(metadata["annotations"]["opencontrail.org/cluster"], "k8s");
        let network = text_as_json(&metadata["annotations"]["opencontrail.org/network"]);
        let name = format!("__Guard_1-hbf-{side}__");
        assert_eq!(network, json!({"domain": "default-domain", "project": "k8s-web", "name": name}));
        let found = api.find("virtual-network", &json!([network["domain"], network["project"], network["name"]])).await;
        assert!(found.is_some(), "{network}");
        assert_eq!(text_as_json(&manifest["spec"]["config"])["type"], "contrail-k8s-cni");
    }
    assert_eq!((&daemon_set["apiVersion"], &daemon_set["kind"]), (&json!("apps/v1"), &json!("DaemonSet")));
    assert_eq!(daemon_set["metadata"]["namespace"], "web");
    let pod = &daemon_set["spec"]["template"];
    assert_eq!(daemon_set["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
    let networks = text_as_json(&pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"]);
    let wanted = json!([{"name": "hbf-left", "namespace": "web"}, {"name": "hbf-right", "namespace": "web"}]);
    assert_eq!(networks, wanted);
    assert!(pod["spec"]["containers"][0]["image"].is_string());
}

fn text_as_json(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}
