//! Several operations as one request, requests that are only tried, and requests on a condition; at the end random lists of
//! operations on two processes, of which one is killed again and again.
//!
//! `CIRRUS_TRANSACTION_CASES` is how many random histories are played, 6 by itself.

#![allow(clippy::needless_pass_by_value)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::feed_property::{Processes, panic_text};
use crate::support::{Answer, Api, Server, revision};

fn fq_name(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

/// Below the default project.
fn body(name: &str, members: Value) -> Value {
    let mut body = json!({"fq_name": fq_name(name), "parent_type": "project"});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

async fn transact(api: &Api, operations: Value) -> Answer {
    api.post("/transaction", &json!({ "operations": operations })).await
}

async fn send_with(api: &Api, method: &str, path: &str, header: (&str, &str), body: &Value) -> Answer {
    let headers = [("Content-Type", "application/json"), header];
    api.send(method, path, &headers, Some(serde_json::to_vec(body).unwrap())).await.unwrap()
}

async fn etag_of(api: &Api, path: &str) -> String {
    api.get(path).await.status_is(200).headers["etag"].clone()
}

pub async fn several_things_as_one() {
    let server = Server::start();
    let api = server.api();
    an_application_is_made_at_once(&api).await;
    a_refusal_names_its_operation_and_leaves_nothing(&api).await;
    operations_that_are_none(&api).await;
    conditions_hold_or_nothing_happens(&api).await;
    unknown_fields_are_named_with_their_operation(&api).await;
    of_two_writers_with_one_tag_one_wins(&api).await;
    tags_are_looked_at_by_every_change_of_one_object(&api).await;
    what_is_to_be_new(&api).await;
    what_is_tried_is_answered_and_not_done(&api).await;
    what_can_not_be_tried_is_refused(&api).await;
}

async fn an_application_is_made_at_once(api: &Api) {
    let before = revision(&api.position().await);
    let subnets = json!([{"to": fq_name("default-network-ipam"),
        "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "10.7.0.0", "ip_prefix_len": 24}}]}}]);
    let policy = json!({"type": "virtual-network", "uuid": "$front", "ref-type": "network-policy", "ref-uuid": "$allow",
        "operation": "ADD", "attr": {"sequence": {"major": 0, "minor": 0}}});
    let annotation = json!({"field": "annotations", "operation": "set", "value": {"key": "app", "value": "shop"}});
    let answer = transact(
        api,
        json!([
            {"condition": "project", "fq_name": ["default-domain", "default-project"]},
            {"create": "virtual-network", "as": "front", "body": body("front", json!({"network_ipam_refs": subnets}))},
            {"create": "network-policy", "as": "allow", "body": body("allow", json!({}))},
            {"ref-update": policy},
            {"create": "virtual-machine-interface", "as": "port",
                "body": body("port", json!({"virtual_network_refs": [{"uuid": "$front"}]}))},
            {"create": "instance-ip", "body": {"fq_name": ["app-ip"], "virtual_network_refs": [{"uuid": "$front"}],
                "virtual_machine_interface_refs": [{"uuid": "$port"}]}},
            {"create": "floating-ip-pool", "body": {"fq_name": ["default-domain", "default-project", "front", "pool"],
                "parent_type": "virtual-network", "parent_uuid": "$front"}},
            {"update": "virtual-network", "uuid": "$front", "body": {"display_name": "Front"}},
            {"update": "virtual-network", "uuid": "$front", "body": {}},
            {"prop-collection-update": {"uuid": "$port", "updates": [annotation]}},
            {"create": "network-policy", "as": "short", "body": body("short", json!({}))},
            {"delete": "network-policy", "uuid": "$short"},
        ]),
    )
    .await;
    let results = answer.ok()["results"].as_array().unwrap().clone();
    assert!(results.iter().all(|result| result["status"] == 200), "{answer}");
    assert_eq!(results.len(), 12);
    for silent in [0, 8, 9, 11] {
        assert_eq!(results[silent]["body"], Value::Null, "{answer}");
    }
    let network = &results[1]["body"]["virtual-network"];
    let uuid = network["uuid"].as_str().unwrap();
    assert_eq!(network["href"], format!("{}/virtual-network/{uuid}", api.base()));
    assert_eq!(network["parent_type"], "project");
    assert_eq!(results[3]["body"], json!({ "uuid": uuid }));
    assert_eq!(results[7]["body"], json!({"virtual-network": {"uuid": uuid, "href": network["href"]}}));
    let read = api.get(&format!("/virtual-network/{uuid}")).await.ok();
    let read = &read["virtual-network"];
    assert_eq!(read["display_name"], "Front");
    assert_eq!(read["network_policy_refs"][0]["to"], fq_name("allow"));
    assert_eq!(read["virtual_machine_interface_back_refs"][0]["to"], fq_name("port"));
    assert_eq!(read["floating_ip_pools"].as_array().unwrap().len(), 1);
    assert_eq!(api.find("network-policy", &fq_name("short")).await, None);
    // A uuid that the server has chosen is not one that the client has given.
    let port = results[4]["body"]["virtual-machine-interface"]["uuid"].as_str().unwrap();
    let port = api.get(&format!("/virtual-machine-interface/{port}")).await.ok();
    assert_eq!(port["virtual-machine-interface"]["annotations"]["key_value_pair"][0]["value"], "shop");
    let log = api.get("/changes?since=oldest&limit=10000").await.ok();
    let changes = log["changes"].as_array().unwrap().iter();
    let changes: Vec<&Value> =
        changes.filter(|change| revision(change["revision"].as_str().unwrap()) > before).collect();
    let requests: BTreeSet<&str> = changes.iter().map(|change| change["request_id"].as_str().unwrap()).collect();
    assert_eq!(requests.len(), 1, "one request: {changes:?}");
    assert!(changes.iter().all(|change| change["fq_name"] != fq_name("short")), "{changes:?}");
}

async fn a_refusal_names_its_operation_and_leaves_nothing(api: &Api) {
    let position = api.position().await;
    let alone = api.post("/network-policys", &json!({"network-policy": body("allow", json!({}))})).await;
    let answer = transact(
        api,
        json!([
            {"create": "virtual-network", "as": "left", "body": body("left", json!({}))},
            {"create": "network-policy", "as": "again", "body": body("allow", json!({}))},
        ]),
    )
    .await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let wanted = json!({"operation": 1, "as": "again", "error": alone.status_is(409).text});
    assert_eq!(answer.status_is(409).json(), wanted);
    assert_eq!(api.find("virtual-network", &fq_name("left")).await, None);
    let missing = json!([{"delete": "virtual-network", "uuid": "2ee1f8f0-9c2e-4f3a-8f0e-5d1d1c3a7b11"}]);
    let refused = transact(api, missing).await.status_is(404).json();
    let wanted = json!({"operation": 0, "error": "ID 2ee1f8f0-9c2e-4f3a-8f0e-5d1d1c3a7b11 does not exist"});
    assert_eq!(refused, wanted);
    assert_eq!(api.position().await, position, "nothing is done");
    transact(api, json!([])).await.ok();
    assert_eq!(api.position().await, position, "nothing is nothing");
}

/// What is wrong with a list of operations as a whole, or before anything is decided: index, and a part of the text.
async fn operations_that_are_none(api: &Api) {
    let position = api.position().await;
    let policy = |name: &str| json!({"create": "network-policy", "body": body(name, json!({}))});
    let named = |name: &Value| json!({"create": "network-policy", "as": name, "body": body("n", json!({}))});
    let refs = |uuid: &str| json!({"network_policy_refs": [{"uuid": uuid, "attr": null}]});
    for (operation, status, text) in [
        (json!(1), 400, "an operation must be an object, not 1"),
        (
            json!({}),
            400,
            "an operation must have one of create, update, delete, ref-update, prop-collection-update, condition",
        ),
        (json!({"create": "tag", "delete": "tag"}), 400, "an operation must have one of create"),
        (
            json!({"create": "tag", "boddy": {}}),
            400,
            "a create has no member 'boddy'; beside 'create' it may have as, body",
        ),
        (json!({"create": "network-policy"}), 400, "an operation of this kind needs a body"),
        (json!({"create": "network-policy", "body": 1}), 400, "body must be an object, not 1"),
        (json!({"create": "network-policy", "body": {}}), 400, "Bad Request, no fq_name in POST body"),
        (
            json!({"create": "network-policy", "body": {"network-policy": {}}}),
            400,
            "body must be what is below 'network-policy', without 'network-policy'",
        ),
        (json!({"create": "network-netwerk", "body": {}}), 404, "Resource type 'network-netwerk' not found"),
        (json!({"update": "network-policy", "body": {}}), 400, "uuid must be a text, not None"),
        (
            json!({"delete": "network-policy", "uuid": "$none"}),
            400,
            "uuid: no create before this operation has the local name 'none'",
        ),
        (
            json!({"delete": "network-policy", "uuid": "x", "if_match": "x"}),
            400,
            "If-Match must be * or a list of ETags",
        ),
        (json!({"delete": "network-policy", "uuid": "x", "if_match": 1}), 400, "if_match must be a text, not 1"),
        (
            json!({"create": "virtual-network", "body": body("n", refs("$none"))}),
            400,
            "network_policy_refs: no create before this operation has the local name 'none'",
        ),
        (
            json!({"create": "virtual-network", "body": body("n", json!({"parent_uuid": "$none"}))}),
            400,
            "parent_uuid: no create",
        ),
        (json!({"ref-update": {"uuid": "$none"}}), 400, "uuid: no create"),
        (json!({"ref-update": {"ref-uuid": "$none"}}), 400, "ref-uuid: no create"),
        (json!({"ref-update": {}}), 400, "Bad Request: type/uuid/ref-type/operation is null: None, None, None, None."),
        (json!({"ref-update": []}), 400, "ref-update must be the body of such a request, not []"),
        (json!({"prop-collection-update": {}}), 400, "Error: prop_collection_update needs obj_uuid"),
        (json!({"condition": "tag"}), 400, "a condition must have one of uuid, fq_name"),
        (json!({"condition": "tag", "fq_name": "x"}), 400, "fq_name must be a list of strings, not 'x'"),
        (json!({"condition": "tag", "uuid": "x", "exists": 1}), 400, "exists must be true or false, not 1"),
        (json!({"condition": "tag", "uuid": "x", "exists": false, "if_match": "*"}), 400, "has no ETag"),
        (named(&json!("")), 400, "as must be a name, which does not begin with $, not ''"),
        (named(&json!("$a")), 400, "as must be a name, which does not begin with $, not '$a'"),
        (named(&json!(1)), 400, "as must be a name, which does not begin with $, not 1"),
        (named(&json!("twice")), 400, "the local name 'twice' is given twice"),
    ] {
        let mut first = policy("first");
        first["as"] = json!("twice");
        let answer = transact(api, json!([first, operation])).await;
        let refused = answer.status_is(status).json();
        assert_eq!(refused["operation"], 1, "{answer}");
        assert!(refused["error"].as_str().unwrap().contains(text), "{answer}: should say {text}");
    }
    for (body, text) in [
        (json!({}), "Bad Request, operations must be a list of operations"),
        (json!({"operations": {}}), "Bad Request, operations must be a list of operations"),
        (json!({"operations": [], "strict": true}), "a transaction has operations, and no member 'strict'"),
        (json!({"operations": vec![0; 501]}), "too much for one request: 501 operations, the limit is 500"),
    ] {
        let answer = api.post("/transaction", &body).await;
        assert!(answer.status_is(400).text.contains(text), "{answer}: should say {text}");
    }
    assert_eq!(api.position().await, position, "nothing is done");
    let many: Vec<Value> = (0..500).map(|number| policy(&format!("many-{number}"))).collect();
    assert_eq!(transact(api, many.into()).await.ok()["results"].as_array().unwrap().len(), 500);
}

async fn conditions_hold_or_nothing_happens(api: &Api) {
    let uuid = api.find("network-policy", &fq_name("allow")).await.unwrap();
    let tag = etag_of(api, &format!("/network-policy/{uuid}")).await;
    let create = |name: &str| json!({"create": "network-policy", "body": body(name, json!({}))});
    for (number, (condition, holds)) in [
        (json!({"uuid": uuid}), true),
        (json!({"uuid": uuid, "if_match": tag}), true),
        (json!({"uuid": uuid, "if_match": "\"2020-01-01T00:00:00.000000\""}), false),
        (json!({"uuid": uuid, "exists": false}), false),
        (json!({"fq_name": fq_name("allow"), "exists": true}), true),
        (json!({"fq_name": fq_name("nobody"), "exists": true}), false),
        (json!({"fq_name": fq_name("nobody"), "exists": false}), true),
        (json!({"fq_name": fq_name("nobody"), "if_match": "*"}), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut condition = condition;
        condition["condition"] = json!("network-policy");
        let name = format!("conditional-{number}");
        let answer = transact(api, json!([create(&name), condition])).await;
        assert_eq!(answer.status, if holds { 200 } else { 412 }, "{answer}");
        assert_eq!(api.find("network-policy", &fq_name(&name)).await.is_some(), holds, "{answer}");
    }
    let stale =
        json!([{"update": "network-policy", "uuid": uuid, "body": {"display_name": "x"}, "if_match": "\"old\""}]);
    let refused = transact(api, stale).await.status_is(412).json();
    assert_eq!(refused["error"], format!("If-Match: network-policy {uuid} has the ETag {tag} now"));
}

async fn unknown_fields_are_named_with_their_operation(api: &Api) {
    let operations = |name: &str| {
        json!({"operations": [
            {"create": "network-policy", "as": "a", "body": body(name, json!({"display_nmae": "x"}))},
            {"prop-collection-update": {"uuid": "$a", "udpates": []}},
        ]})
    };
    let named = "operations[0].body.display_nmae, operations[1].prop-collection-update.udpates";
    let answer = api.post("/transaction", &operations("unknown")).await;
    let warning = format!("299 cirrus \"Unknown fields of transaction are ignored: {named}\"");
    assert_eq!(answer.status_is(200).headers["warning"], warning);
    let refused = api.post("/transaction?strict=true", &operations("strict")).await;
    assert_eq!(refused.status_is(400).text, format!("Bad Request, unknown fields of transaction: {named}"));
    assert_eq!(api.find("network-policy", &fq_name("strict")).await, None);
}

async fn of_two_writers_with_one_tag_one_wins(api: &Api) {
    let created = api.post("/network-policys", &json!({"network-policy": body("contested", json!({}))})).await.ok();
    let path = format!("/network-policy/{}", created["network-policy"]["uuid"].as_str().unwrap());
    for round in 0..10 {
        let tag = etag_of(api, &path).await;
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let (api, path, tag) = (api.clone(), path.clone(), tag.clone());
            let name = format!("{round} by {writer}");
            writers.spawn(async move {
                let body = json!({"network-policy": {"display_name": name}});
                (send_with(&api, "PUT", &path, ("If-Match", &tag), &body).await, name)
            });
        }
        let answers = writers.join_all().await;
        let won: Vec<&String> =
            answers.iter().filter(|(answer, _)| answer.status == 200).map(|(_, name)| name).collect();
        let lost = answers.iter().filter(|(answer, _)| answer.status == 412).count();
        assert_eq!((won.len(), lost), (1, 3), "{answers:?}");
        assert_eq!(&api.get(&path).await.ok()["network-policy"]["display_name"], won[0]);
    }
}

async fn tags_are_looked_at_by_every_change_of_one_object(api: &Api) {
    let create = async |kind: &str, name: &str| {
        let created = api.post(&format!("/{kind}s"), &json!({ kind: body(name, json!({})) })).await.ok();
        created[kind]["uuid"].as_str().unwrap().to_owned()
    };
    let (uuid, policy) = (create("virtual-network", "tagged").await, create("network-policy", "target").await);
    api.post("/tags", &json!({"tag": {"fq_name": ["x"], "tag_type_name": "tier", "tag_value": "web"}})).await.ok();
    let path = format!("/virtual-network/{uuid}");
    let update = json!({"virtual-network": {"display_name": "x"}});
    let reference = json!({"type": "virtual-network", "uuid": uuid, "ref-type": "network-policy", "ref-uuid": policy,
        "operation": "ADD", "attr": {"sequence": {"major": 0, "minor": 0}}});
    let element = json!({"field": "annotations", "operation": "set", "value": {"key": "a", "value": "b"}});
    let elements = json!({"uuid": uuid, "updates": [element]});
    let tags = json!({"obj_type": "virtual-network", "obj_uuid": uuid, "tier": {"value": "web", "is_global": true}});
    let owner = json!({"uuid": uuid, "owner": policy});
    let mode = json!({"uuid": uuid, "owner_access": 5});
    for (method, action, body) in [
        ("PUT", path.as_str(), &update),
        ("PUT", path.as_str(), &json!({})),
        ("POST", "/ref-update", &reference),
        ("POST", "/prop-collection-update", &elements),
        ("POST", "/set-tag", &tags),
        ("POST", "/chown", &owner),
        ("POST", "/chmod", &mode),
        ("DELETE", path.as_str(), &Value::Null),
    ] {
        let tag = etag_of(api, &path).await;
        let stale = send_with(api, method, action, ("If-Match", "\"2020-01-01T00:00:00.000000\""), body).await;
        let text = format!("If-Match: virtual-network {uuid} has the ETag {tag} now");
        assert_eq!(stale.status_is(412).text, text);
        let weak = format!("W/{tag}");
        send_with(api, method, action, ("If-Match", &weak), body).await.status_is(412);
        let malformed = send_with(api, method, action, ("If-Match", "x"), body).await;
        let text = "Bad Request, If-Match must be * or a list of ETags in double quotes, not x";
        assert_eq!(malformed.status_is(400).text, text);
        assert_eq!(etag_of(api, &path).await, tag, "nothing is done");
        let list = format!("\"other\", {tag}");
        send_with(api, method, action, ("If-Match", &list), body).await.status_is(200);
        if method != "DELETE" && *body != json!({}) {
            assert_ne!(etag_of(api, &path).await, tag, "{action}");
        }
    }
    let gone = send_with(api, "PUT", &path, ("If-Match", "*"), &update).await;
    assert_eq!(gone.status_is(404).text, format!("Unknown id: {uuid}"));
    let body = json!({"network-policy": body("m", json!({}))});
    let refused = send_with(api, "POST", "/network-policys", ("If-Match", "*"), &body).await;
    let text = "Bad Request, If-Match: POST /network-policys is not about one object that is there already";
    assert_eq!(refused.status_is(400).text, text);
    let store = json!({"operation": "STORE", "key": "a", "value": "b"});
    send_with(api, "POST", "/useragent-kv", ("If-Match", "*"), &store).await.status_is(400);
}

async fn what_is_to_be_new(api: &Api) {
    let only = ("If-None-Match", "*");
    let body = json!({"network-policy": body("new", json!({}))});
    let created = send_with(api, "POST", "/network-policys", only, &body).await.ok();
    let uuid = created["network-policy"]["uuid"].as_str().unwrap();
    let path = format!("/network-policy/{uuid}");
    let tag = etag_of(api, &path).await;
    let refused = send_with(api, "POST", "/network-policys", only, &body).await;
    let name = "['default-domain', 'default-project', 'new']";
    let text = format!("If-None-Match: network-policy {name} exists with uuid {uuid} and the ETag {tag}");
    assert_eq!(refused.status_is(412).text, text);
    let update = json!({"network-policy": {"display_name": "x"}});
    send_with(api, "PUT", &path, only, &update).await.status_is(412);
    assert_eq!(etag_of(api, &path).await, tag);
    let other = send_with(api, "PUT", &path, ("If-None-Match", &tag), &update).await;
    assert_eq!(other.status_is(400).text, format!("Bad Request, If-None-Match of a write must be *, not {tag}"));
}

/// Each write is tried, and done: the same status, and nothing in between.
async fn what_is_tried_is_answered_and_not_done(api: &Api) {
    let uuid = api.find("virtual-network", &fq_name("front")).await.unwrap();
    let policy = api.find("network-policy", &fq_name("allow")).await.unwrap();
    let short = json!([{"create": "network-policy", "body": body("tried-too", json!({}))}]);
    let element = json!({"field": "annotations", "operation": "set", "value": {"key": "t", "value": "b"}});
    let network = format!("/virtual-network/{uuid}");
    let global = api.find("global-system-config", &json!(["default-global-system-config"])).await.unwrap();
    let writes = [
        ("POST", "/network-policys".to_owned(), json!({"network-policy": body("tried", json!({}))}), 200),
        ("POST", "/network-policys".to_owned(), json!({"network-policy": body("tried", json!({}))}), 409),
        ("PUT", network.clone(), json!({"virtual-network": {"display_name": "tried"}}), 200),
        ("PUT", network.clone(), json!({"virtual-network": {"no_such_refs": 1, "mtu": "x"}}), 400),
        (
            "POST",
            "/ref-update".to_owned(),
            json!({"type": "virtual-network", "uuid": uuid, "ref-type": "network-policy",
            "ref-uuid": policy, "operation": "DELETE"}),
            200,
        ),
        ("POST", "/ref-relax-for-delete".to_owned(), json!({"uuid": uuid, "ref-uuid": policy}), 200),
        ("POST", "/prop-collection-update".to_owned(), json!({"uuid": uuid, "updates": [element]}), 200),
        (
            "POST",
            "/set-tag".to_owned(),
            json!({"obj_type": "virtual-network", "obj_uuid": uuid,
            "tier": {"value": "web", "is_global": true}}),
            200,
        ),
        ("POST", "/chown".to_owned(), json!({"uuid": uuid, "owner": policy}), 200),
        ("POST", "/chmod".to_owned(), json!({"uuid": uuid, "owner_access": 5}), 200),
        ("POST", format!("{network}/ip-alloc"), json!({"count": 2}), 200),
        ("POST", format!("{network}/ip-free"), json!({"ip_addr": ["10.7.0.4", "10.7.0.5"]}), 200),
        ("POST", "/transaction".to_owned(), json!({"operations": short}), 200),
        ("POST", "/transaction".to_owned(), json!({"operations": short}), 409),
        ("DELETE", format!("/network-policy/{policy}"), Value::Null, 200),
        ("DELETE", format!("/network-policy/{policy}"), Value::Null, 404),
        ("DELETE", network.clone(), Value::Null, 409),
        (
            "PUT",
            format!("/global-system-config/{global}"),
            json!({"global-system-config": {"enable_security_policy_draft": true}}),
            200,
        ),
        (
            "POST",
            "/address-groups".to_owned(),
            json!({"address-group": {"fq_name": ["default-policy-management", "g"],
            "parent_type": "policy-management"}}),
            202,
        ),
        ("POST", "/security-policy-draft".to_owned(), json!({"scope_uuid": global, "action": "discard"}), 200),
    ];
    for (method, path, body, status) in writes {
        let position = api.position().await;
        let tried = send_with(api, method, &format!("{path}?dry_run=true"), ("X-User", "u"), &body).await;
        assert_eq!(tried.status_is(status).headers["x-cirrus-revision"], position, "{tried}");
        assert_eq!(api.position().await, position, "{tried}");
        let done = send_with(api, method, &format!("{path}?dry_run=false"), ("X-User", "u"), &body).await;
        done.status_is(status);
        if status == 200 && path != "/network-policys" && path != "/transaction" || status == 409 {
            assert_eq!(tried.text, done.text, "{tried}");
        }
        if status < 300 && !path.ends_with("ip-free") {
            assert_ne!(api.position().await, position, "{done}");
        }
    }
    let stale = send_with(api, "PUT", &format!("{network}?dry_run=true"), ("If-Match", "\"old\""), &json!({})).await;
    stale.status_is(412);
}

async fn what_can_not_be_tried_is_refused(api: &Api) {
    for (method, path) in [
        ("POST", "/useragent-kv"),
        ("POST", "/execute-job"),
        ("POST", "/abort-job"),
        ("POST", "/amqp-publish"),
        ("POST", "/amqp-request"),
        ("POST", "/start-profile"),
        ("PUT", "/aaa-mode"),
    ] {
        let refused = send_with(api, method, &format!("{path}?dry_run=true"), ("X-User", "u"), &json!({})).await;
        let text = format!("Bad Request, dry_run: {path} can't be tried without doing it");
        assert_eq!(refused.status_is(400).text, text);
    }
    let position = api.position().await;
    for value in ["", "True", "1", "yes"] {
        let path = format!("/network-policys?dry_run={value}");
        let refused = api.post(&path, &json!({"network-policy": body("unsaid", json!({}))})).await;
        assert_eq!(refused.status_is(400).text, format!("Bad Request, dry_run must be true or false, not '{value}'"));
    }
    assert_eq!(api.position().await, position);
}

const NAMES: usize = 6;
const WRITERS: usize = 3;
/// No history takes a tenth of it.
const LIMIT: Duration = Duration::from_mins(1);

/// What a transaction does with one of a few policies, each of which has a uuid of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Do {
    Create,
    Rename,
    Delete,
}

/// Each of the policies comes once in a transaction, so what its changes have to be is plain; a network that refers to one of
/// them, if there is one, gets others in the way.
#[derive(Clone, Debug)]
struct Whole {
    policies: Vec<(usize, Do)>,
    referred: Option<usize>,
    /// Which process is asked.
    process: usize,
    /// Whether the other process is killed meanwhile.
    kill: bool,
}

fn whole() -> impl Strategy<Value = Whole> {
    let what = prop_oneof![3 => Just(Do::Create), 3 => Just(Do::Rename), 2 => Just(Do::Delete)];
    let names = prop::sample::subsequence((0..NAMES).collect::<Vec<_>>(), 1..=4).prop_shuffle();
    let policies =
        (names, prop::collection::vec(what, 4)).prop_map(|(names, what)| names.into_iter().zip(what).collect());
    (policies, prop::option::weighted(0.1, 0..NAMES), 0..2_usize, prop::bool::weighted(0.04))
        .prop_map(|(policies, referred, process, kill)| Whole { policies, referred, process, kill })
}

pub fn a_transaction_is_whole_on_every_server() {
    let cases =
        std::env::var("CIRRUS_TRANSACTION_CASES").map_or(6, |text| text.parse().expect("CIRRUS_TRANSACTION_CASES"));
    let processes = Arc::new(Processes::start());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases, max_shrink_iters: 30, failure_persistence: None, ..Config::default() };
    let histories = prop::collection::vec(prop::collection::vec(whole(), 15..30), WRITERS);
    let answered = RefCell::new(BTreeMap::new());
    let outcome = TestRunner::new(config).run(&histories, |history| {
        let played = runtime.block_on(async {
            let play = timeout(LIMIT, play(Arc::clone(&processes), history));
            tokio::spawn(async { play.await.expect("all come to the end in time") }).await
        });
        let statuses = played.map_err(|error| TestCaseError::fail(panic_text(error)))?;
        for status in statuses {
            *answered.borrow_mut().entry(status).or_insert(0) += 1;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let answered = answered.into_inner();
    println!("        transactions by status: {answered:?}");
    // In one history alone that may not be so: all that could be done was for a process that was killed.
    assert!(answered.contains_key(&Some(200)), "some are done");
}

/// A transaction that was sent: by its id, what it was, and what was answered, if anything was.
struct Sent {
    id: String,
    whole: Whole,
    status: Option<u16>,
}

/// Policies by uuid, with what they are called.
type State = BTreeMap<String, String>;

/// What somebody got who asked for a list, and when.
struct Seen {
    revision: u64,
    state: State,
}

fn uuid_of(case: u64, number: usize) -> String {
    uuid::Uuid::from_u128(0x8f14_e45f_ceea_467f_0000_0000_0000_0000 + (u128::from(case) << 8) + number as u128)
        .to_string()
}

/// Gives the statuses of all transactions.
async fn play(processes: Arc<Processes>, history: Vec<Vec<Whole>>) -> Vec<Option<u16>> {
    let start = processes.api(0).position().await;
    let case = revision(&start);
    let mut writers = JoinSet::new();
    for (number, wholes) in history.into_iter().enumerate() {
        writers.spawn(write(Arc::clone(&processes), case, number, wholes));
    }
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    for (of_writer, lists) in writers.join_all().await {
        sent.extend(of_writer);
        seen.extend(lists);
    }
    for number in 0..2 {
        let api = processes.api(number);
        let log = read_log(&api, &start).await;
        for sent in &sent {
            check_sent(case, sent, &log);
        }
        let states = states(case, &log);
        let end = Seen { revision: u64::MAX, state: list(&api, case).await.unwrap().state };
        for seen in seen.iter().chain([&end]) {
            let (known, state) = states.range(..=seen.revision).next_back().unwrap();
            assert_eq!(&seen.state, state, "the list at {}, after the request that ended at {known}", seen.revision);
        }
    }
    sent.iter().map(|sent| sent.status).collect()
}

async fn write(processes: Arc<Processes>, case: u64, writer: usize, wholes: Vec<Whole>) -> (Vec<Sent>, Vec<Seen>) {
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    for (number, whole) in wholes.into_iter().enumerate() {
        let id = format!("t-{case}-{writer}-{number}");
        let killing = whole.kill.then(|| {
            let processes = Arc::clone(&processes);
            tokio::task::spawn_blocking(move || processes.kill_second())
        });
        let api = processes.api(whole.process);
        let body = serde_json::to_vec(&json!({"operations": operations(case, &id, &whole)})).unwrap();
        let headers = [("Content-Type", "application/json"), ("X-Request-Id", id.as_str())];
        // A process that was killed meanwhile does not answer.
        let answer = api.send("POST", "/transaction", &headers, Some(body)).await.ok();
        if let Some(killing) = killing {
            killing.await.unwrap();
        }
        sent.push(Sent { id, whole, status: answer.map(|answer| answer.status) });
        seen.extend(list(&processes.api(number), case).await);
    }
    (sent, seen)
}

fn operations(case: u64, id: &str, whole: &Whole) -> Value {
    let local = |number: usize| format!("p{number}");
    let mut operations = Vec::new();
    for (number, what) in &whole.policies {
        let uuid = uuid_of(case, *number);
        let name = format!("{case}-{number}");
        operations.push(match what {
            Do::Create => json!({"create": "network-policy", "as": local(*number),
                "body": body(&name, json!({"uuid": uuid, "display_name": id}))}),
            Do::Rename => json!({"update": "network-policy", "uuid": uuid, "body": {"display_name": id}}),
            Do::Delete => json!({"delete": "network-policy", "uuid": uuid}),
        });
    }
    if let Some(number) = whole.referred {
        let is_local = whole.policies.contains(&(number, Do::Create));
        let uuid = if is_local { format!("${}", local(number)) } else { uuid_of(case, number) };
        let refs = json!([{"uuid": uuid, "attr": {"sequence": {"major": 0, "minor": 0}}}]);
        operations.push(json!({"create": "virtual-network", "body": body(id, json!({"network_policy_refs": refs}))}));
    }
    operations.into()
}

/// The policies of a case; none if nobody answers.
async fn list(api: &Api, case: u64) -> Option<Seen> {
    let answer = api.send("GET", "/network-policys?detail=true", &[], None).await.ok()?;
    if answer.status != 200 {
        return None;
    }
    let ours: Vec<String> = (0..NAMES).map(|number| uuid_of(case, number)).collect();
    let body = answer.json();
    let policies = body["network-policys"].as_array().unwrap().iter().map(|item| &item["network-policy"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let policies = policies.map(|policy| (text(&policy["uuid"]), text(&policy["display_name"])));
    let state = policies.filter(|(uuid, _)| ours.contains(uuid)).collect();
    Some(Seen { revision: revision(&answer.headers["x-cirrus-revision"]), state })
}

/// All changes after a position, as one process tells them.
async fn read_log(api: &Api, start: &str) -> Vec<Value> {
    let (mut since, mut log) = (start.to_owned(), Vec::new());
    loop {
        let page = api.get(&format!("/changes?since={since}&limit=100")).await.ok();
        let changes = page["changes"].as_array().unwrap();
        if changes.is_empty() {
            return log;
        }
        log.extend(changes.clone());
        page["to"].as_str().unwrap().clone_into(&mut since);
    }
}

/// What was answered has to be in the log as a whole, what was refused not at all; of what was not answered either.
fn check_sent(case: u64, sent: &Sent, log: &[Value]) {
    let Sent { id, whole, status } = sent;
    let changes: Vec<&Value> = log.iter().filter(|change| change["request_id"] == id.as_str()).collect();
    match status {
        Some(200) => assert!(!changes.is_empty(), "{id} was answered with 200, and is not in the log"),
        // What refers to nothing is a bad request.
        Some(400) if whole.referred.is_none() => panic!("400 for {id}"),
        Some(400 | 404 | 409) => assert!(changes.is_empty(), "{id} was refused, and is in the log: {changes:?}"),
        Some(503) | None => {}
        Some(other) => panic!("{other} for {id}"),
    }
    let Some(first) = changes.first() else { return };
    let number = |change: &Value| revision(change["revision"].as_str().unwrap());
    let first = number(first);
    let numbers: Vec<u64> = changes.iter().map(|change| number(change)).collect();
    assert_eq!(numbers, (first..first + changes.len() as u64).collect::<Vec<_>>(), "{id} is told without a break");
    let told = |kind: &str| changes.iter().filter(|change| change["type"] == kind).count();
    assert_eq!(told("network-policy"), whole.policies.len(), "{id}: {changes:?}");
    assert_eq!(told("virtual-network"), usize::from(whole.referred.is_some()), "{id}: {changes:?}");
    for (number, what) in &whole.policies {
        let operation = match what {
            Do::Create => "create",
            Do::Rename => "update",
            Do::Delete => "delete",
        };
        let uuid = uuid_of(case, *number);
        let change = changes.iter().find(|change| change["uuid"] == uuid.as_str()).unwrap();
        assert_eq!(change["operation"], operation, "{id}: {change}");
        assert!(*what == Do::Delete || change["object"]["display_name"] == id.as_str(), "{id}: {change}");
    }
}

/// The policies after each request: what is between two of them nobody may see.
fn states(case: u64, log: &[Value]) -> BTreeMap<u64, State> {
    let ours: Vec<String> = (0..NAMES).map(|number| uuid_of(case, number)).collect();
    let mut states = BTreeMap::from([(0, State::new())]);
    let mut state = State::new();
    for request in log.chunk_by(|one, other| one["request_id"] == other["request_id"]) {
        for change in request {
            let uuid = change["uuid"].as_str().unwrap().to_owned();
            if !ours.contains(&uuid) {
                continue;
            }
            match change["operation"].as_str().unwrap() {
                "delete" => drop(state.remove(&uuid)),
                _ => drop(state.insert(uuid, change["object"]["display_name"].as_str().unwrap().to_owned())),
            }
        }
        states.insert(revision(request.last().unwrap()["revision"].as_str().unwrap()), state.clone());
    }
    states
}
