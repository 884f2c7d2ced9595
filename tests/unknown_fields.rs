//! Bodies with something in them that the server does not know, or before them.

use serde_json::{Value, json};

use crate::support::{Answer, Api, Server};

pub async fn misspelt_fields_are_named() {
    let server = Server::start();
    let api = server.api();
    in_a_create_and_an_update(&api).await;
    in_references_and_elements(&api).await;
    many_and_long_and_strange_names_fit_into_a_header(&api).await;
    a_mark_of_the_byte_order_is_no_part_of_a_body(&api).await;
}

fn network(name: &str, members: &Value) -> Value {
    let mut body = json!({"fq_name": ["default-domain", "default-project", name], "parent_type": "project"});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({ "virtual-network": body })
}

fn warning(answer: &Answer) -> Option<&str> {
    answer.headers.get("warning").map(String::as_str)
}

async fn in_a_create_and_an_update(api: &Api) {
    let misspelt = network("n", &json!({"display_nmae": "x", "name": "n", "parent_href": null}));
    let refused = api.post("/virtual-networks?strict=true", &misspelt).await;
    assert_eq!(refused.status_is(400).text, "Bad Request, unknown fields of virtual-network: display_nmae");
    let created = api.post("/virtual-networks", &misspelt).await;
    let expected = r#"299 cirrus "Unknown fields of virtual-network are ignored: display_nmae""#;
    assert_eq!(warning(&created), Some(expected));
    let uuid = created.ok()["virtual-network"]["uuid"].as_str().unwrap().to_owned();
    let path = format!("/virtual-network/{uuid}");
    let update = json!({"virtual-network": {"mtu": 1400, "mtv": 1500, "uuid": uuid}});
    let refused = api.put(&format!("{path}?strict=True"), &update).await;
    assert_eq!(refused.status_is(400).text, "Bad Request, unknown fields of virtual-network: mtv");
    assert_eq!(api.get(&path).await.ok()["virtual-network"].get("mtu"), None, "nothing of it is done");
    let answer = api.put(&path, &update).await;
    assert!(warning(&answer).unwrap().ends_with("are ignored: mtv\""), "{answer}");
    answer.ok();
    let right = json!({"virtual-network": {"mtu": 1300, "routing_instances": [], "floating_ip_pools": [], "logical_router_back_refs": []}});
    let answer = api.put(&format!("{path}?strict=true"), &right).await;
    assert_eq!(warning(&answer), None);
    answer.ok();
    assert_eq!(warning(&api.get(&path).await), None);
}

async fn in_references_and_elements(api: &Api) {
    let ipam = json!(["default-domain", "default-project", "default-network-ipam"]);
    let reference = json!([{"to": ipam, "atrr": 1, "attr": {"ipam_subnets": []}}]);
    let body = network("r", &json!({ "network_ipam_refs": reference }));
    let refused = api.post("/virtual-networks?strict=true", &body).await;
    assert!(refused.status_is(400).text.ends_with("network_ipam_refs[0].atrr"), "{refused}");
    let created = api.post("/virtual-networks", &body).await;
    assert!(warning(&created).unwrap().contains("network_ipam_refs[0].atrr"), "{created}");
    let uuid = created.ok()["virtual-network"]["uuid"].as_str().unwrap().to_owned();
    let policy =
        json!({"network-policy": {"fq_name": ["default-domain", "default-project", "p"], "parent_type": "project"}});
    let policy = api.post("/network-policys", &policy).await.ok()["network-policy"]["uuid"].clone();
    let update = json!({"type": "virtual-network", "uuid": uuid, "ref-type": "network-policy", "ref-uuid": policy,
        "operation": "ADD", "att": {}});
    assert_eq!(api.post("/ref-update?strict=true", &update).await.status, 400);
    assert!(warning(&api.post("/ref-update", &update).await).unwrap().ends_with("are ignored: att\""));
    let element =
        json!({"field": "annotations", "operation": "set", "value": {"key": "a", "value": "b"}, "positon": "a"});
    let update = json!({"uuid": uuid, "updates": [element]});
    assert_eq!(api.post("/prop-collection-update?strict=true", &update).await.status, 400);
    assert!(warning(&api.post("/prop-collection-update", &update).await).unwrap().ends_with("are ignored: positon\""));
}

async fn many_and_long_and_strange_names_fit_into_a_header(api: &Api) {
    let mut members = json!({"a\r\nSet-Cookie: x": 1, "\"\\\u{fc}": 2});
    for number in 0..5000 {
        members[format!("{number}{}", "x".repeat(100))] = json!(0);
    }
    let answer = api.post("/virtual-networks", &network("many", &members)).await;
    let warning = warning(answer.status_is(200)).unwrap();
    assert!(warning.len() < 900 && warning.contains(" and ") && warning.ends_with(" more\""), "{warning}");
    assert!(warning.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{warning}");
    assert_eq!(answer.headers.get("set-cookie"), None);
}

async fn a_mark_of_the_byte_order_is_no_part_of_a_body(api: &Api) {
    let body = [b"\xEF\xBB\xBF".as_slice(), &serde_json::to_vec(&network("marked", &json!({}))).unwrap()].concat();
    let json = [("Content-Type", "application/json")];
    api.send("POST", "/virtual-networks", &json, Some(body)).await.unwrap().ok();
    let twice = b"\xEF\xBB\xBF\xEF\xBB\xBF{}".to_vec();
    assert_eq!(api.send("POST", "/virtual-networks", &json, Some(twice)).await.unwrap().status, 400);
}
