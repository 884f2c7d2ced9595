//! `POST /hbs-get`: how a host based service is deployed on Kubernetes (contrail-api R21: HBS-X1). The answer is manifests for
//! `kubectl`: a network attachment for each side, and the daemon set whose pods have both.

use super::{Access, Action, Body, Effect, given};
use crate::{
    access::Identity,
    api::{
        App,
        answer::Answer,
        call::{Call, text_of},
        error::{Answered, ApiError},
        objects::check_readable,
        openapi::{
            operation::{Described, JOBS, about, names_or_null},
            vocabulary::{anything, list, nullable_text, object},
        },
    },
    graph::{Graph, Link, Object},
    model::Model,
    python_literal,
    rules::{canonical_uuid, string_list, value_of_key},
};
use actix_web::http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::openapi::{Required, path::OperationBuilder};

/// How services are deployed.
pub static ACTIONS: &[Action] = &[Action {
    link: Some("hbs-get"),
    path: "/hbs-get",
    method: Method::POST,
    access: Access::Reader,
    effect: Effect::Reads,
    takes_a_place: true,
    handler: |app, call, _| Box::pin(app.host_based_service(call)),
    arguments: &[],
    description: describe_get,
}];

/// The interfaces of the service, in the order of its pods.
const SIDES: [&str; 2] = ["left", "right"];
/// What its objects are called. There is one service in a project, and its name need not be one for Kubernetes.
const NAME: &str = "hbf";
/// Stands for the image, which the server does not know. It can't be the name of one, so nothing else is started by mistake.
const IMAGE: &str = "FIREWALL_IMAGE";

impl App {
    /// `POST /hbs-get`
    ///
    /// # Errors
    /// 404 for an unknown service, one without its networks, and one whose project is no namespace.
    async fn host_based_service(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let snapshot = self.snapshot(call).await?;
        let service = self.find_service(&snapshot.graph, call, body)?;
        let manifests = manifests(&snapshot.graph, &call.identity, &service)?;
        Ok(Answer::json(&json!({ "hbs": manifests })))
    }

    fn find_service(&self, graph: &Graph, call: &Call, body: &Body) -> Answered<Arc<Object>> {
        let kind = self.model.find("host-based-service");
        if let Some(name) = given(body, "hbs_fq_name") {
            let name =
                string_list(name).ok_or_else(|| ApiError::bad_request("hbs_fq_name must be a list of strings"))?;
            let found = kind.and_then(|kind| graph.find(kind, &name)).cloned();
            readable(call, found, || ApiError::not_found(format!("Name {} not found", python_literal::list(&name))))
        } else if let Some(uuid) = given(body, "hbs_uuid") {
            let found = uuid.as_str().and_then(canonical_uuid).zip(kind);
            let found = found.and_then(|(uuid, kind)| graph.get_of_type(kind, uuid)).cloned();
            readable(call, found, || ApiError::not_found(format!("Unknown id: {}", text_of(Some(uuid)))))
        } else {
            let text = "HBS fqname or uuid (hbs_fqname/hbs_uuid) required for hbs daemonset get";
            Err(ApiError::bad_request(text))
        }
    }
}

fn readable(call: &Call, found: Option<Arc<Object>>, unknown: impl Fn() -> ApiError) -> Answered<Arc<Object>> {
    let found = found.ok_or_else(&unknown)?;
    check_readable(call, &found, unknown)?;
    Ok(found)
}

/// HBS-X1: left network, right network, daemon set.
fn manifests(graph: &Graph, identity: &Identity, service: &Object) -> Answered<Vec<Value>> {
    let project = service.parent.and_then(|parent| graph.get(parent));
    let annotation = |key: &str| annotation(graph.model(), project?, key);
    let Some(namespace) = annotation("namespace") else {
        let name = project.map(|project| project.fq_name.joined().to_owned()).unwrap_or_default();
        let text = format!("Project {name} is not k8s project, namespace is not present");
        return Err(ApiError::not_found(text));
    };
    let mut metadata = json!({"name": NAME, "namespace": namespace});
    if let Some(cluster) = annotation("cluster") {
        metadata["annotations"] = json!({"opencontrail.org/cluster": cluster});
    }
    let mut manifests = Vec::new();
    for side in SIDES {
        let network = network(graph, service, side)
            .filter(|network| identity.may_read(network))
            .ok_or_else(|| not_enabled(service))?;
        manifests.push(attachment(&metadata, side, network));
    }
    manifests.push(daemon_set(&metadata, &namespace));
    Ok(manifests)
}

fn annotation(model: &Model, object: &Object, key: &str) -> Option<String> {
    let (id, _) = model.object_type(object.type_id).property("annotations")?;
    let annotations = object.property(id)?;
    value_of_key(&annotations, key).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The network on one side of a service.
fn network<'a>(graph: &'a Graph, service: &Object, side: &str) -> Option<&'a Object> {
    let (id, _) = graph.model().object_type(service.type_id).reference("virtual_network_refs")?;
    let is_on_side = |link: &&Link| {
        let attribute = link.attribute.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        attribute.is_some_and(|attribute| attribute["virtual_network_type"] == side)
    };
    let link = service.links_of(id).iter().find(is_on_side)?;
    graph.get(link.target).map(AsRef::as_ref)
}

fn not_enabled(service: &Object) -> ApiError {
    ApiError::not_found(format!(
        "Host based service {}({}) needs at least one reference to left and right virtual network to be considered as enable",
        service.fq_name.joined(),
        service.uuid
    ))
}

fn side_name(side: &str) -> String {
    format!("{NAME}-{side}")
}

/// A network of the configuration, for pods: the network manager finds it by the annotation.
fn attachment(metadata: &Value, side: &str, network: &Object) -> Value {
    let mut elements = network.fq_name.elements().into_iter();
    let mut metadata = metadata.clone();
    metadata["name"] = side_name(side).into();
    let network = json!({"domain": elements.next(), "project": elements.next(), "name": network.fq_name.name()});
    metadata["annotations"]["opencontrail.org/network"] = network.to_string().into();
    json!({
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": metadata,
        "spec": {"config": json!({"cniVersion": "0.3.1", "type": "contrail-k8s-cni"}).to_string()},
    })
}

fn daemon_set(metadata: &Value, namespace: &str) -> Value {
    let networks: Vec<Value> =
        SIDES.iter().map(|side| json!({"name": side_name(side), "namespace": namespace})).collect();
    let labels = json!({"app": NAME});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"k8s.v1.cni.cncf.io/networks": Value::Array(networks).to_string()},
                },
                "spec": {
                    "containers": [{
                        "name": NAME,
                        "image": IMAGE,
                        "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
                    }],
                },
            },
        },
    })
}

fn describe_get() -> OperationBuilder {
    about(JOBS, "hbs_get", "How a host based service is deployed")
        .says(
            "Manifests for Kubernetes: network attachments for its left and right network, and a daemon set. Put the \
             image in place of `FIREWALL_IMAGE`.",
        )
        .takes(
            Required::True,
            object(&[], [("hbs_fq_name", names_or_null("Its name.")), ("hbs_uuid", nullable_text("Or its uuid."))]),
        )
        .answers("The manifests.", object(&["hbs"], [("hbs", list(anything("A manifest.")).into())]))
        .or(&[404, 503])
}
