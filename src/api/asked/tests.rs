use super::super::Proxies;
use super::super::routes::{self, Found};
use super::*;
use actix_web::test::TestRequest;
use serde_json::json;
use std::collections::BTreeSet;

const SOMEBODY: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

fn told(model: &Model, asked: &Questions) -> Vec<String> {
    let name = |subject: Subject| match subject {
        Subject::Action(name) => name.to_owned(),
        Subject::Type(type_id) => model.object_type(type_id).name.clone(),
        Subject::TypeOf(uuid) => format!("the type of {uuid}"),
    };
    let questions = asked.questions().map(|question| {
        let what = format!("{} {}", question.letter.name(), name(question.subject));
        question.fields.iter().fold(what, |told, field| told + " ." + field)
    });
    questions.collect()
}

/// What a request asks: letter, object and fields of each question.
fn asked(method: &str, uri: &str, body: &Value) -> Vec<String> {
    let model = Model::embedded().unwrap();
    let request = TestRequest::default().method(method.parse().unwrap()).uri(uri).to_http_request();
    let call = Call::new(&request, &Proxies::All);
    let Found::Route(route) = routes::find(&model, &call.method, &call.path) else { panic!("{method} {uri}") };
    told(&model, &asked_by(&model, &call, &route, Some(body)))
}

#[test]
fn rbac_6_rbac_7_rbac_9_what_requests_ask() {
    let network = json!({"virtual-network": {"uuid": "u", "fq_name": ["n"], "parent_type": "project", "perms2": {}}});
    let reference = json!({"type": "virtual-network", "uuid": "u", "ref-type": "network-policy", "operation": "ADD"});
    let nothing = json!(null);
    let object = format!("/virtual-network/{SOMEBODY}");
    for (method, path, body, expected) in [
        ("GET", "/", &nothing, &[][..]),
        ("GET", "/documentation/x", &nothing, &[]),
        ("GET", "/openapi.json", &nothing, &[]),
        ("GET", "/virtual-networks", &nothing, &["R virtual-network"]),
        ("HEAD", object.as_str(), &nothing, &["R virtual-network"]),
        ("GET", "/virtual-DNSs", &nothing, &["R virtual-DNS"]),
        ("GET", "/bgp-as-a-services", &nothing, &["R bgp-as-a-service"]),
        ("POST", "/virtual-networks", &network, &["C virtual-network .parent_type .perms2"]),
        // What is sent in another wrapping is refused later.
        ("POST", "/virtual-networks", &json!({"x": {"a": 1}}), &["C virtual-network"]),
        ("POST", "/virtual-networks", &json!([1]), &["C virtual-network"]),
        ("PUT", object.as_str(), &network, &["U virtual-network .parent_type .perms2"]),
        ("DELETE", object.as_str(), &nothing, &["D virtual-network"]),
        ("POST", &format!("{object}/ip-alloc"), &json!({"count": 1}), &["C virtual-network .count"]),
        ("POST", &format!("{object}/subnet-ip-count"), &nothing, &["C virtual-network"]),
        (
            "POST",
            "/list-bulk-collection",
            &json!({"type": "virtual_network"}),
            &["C list-bulk-collection .type", "R virtual-network"],
        ),
        ("POST", "/list-bulk-collection", &json!({"type": "x"}), &["C list-bulk-collection .type"]),
        (
            "POST",
            "/ref-update",
            &reference,
            &["C ref-update .type .ref-type .operation", "U virtual-network .network_policy_refs"],
        ),
        (
            "GET",
            &format!("/prop-collection-get?uuid={SOMEBODY}&fields=x"),
            &nothing,
            &["R prop-collection-get", "R the type of bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"],
        ),
        (
            "POST",
            "/prop-collection-update",
            &json!({"uuid": SOMEBODY, "updates": [{"field": "b"}, {"field": "a"}, {"field": "b"}]}),
            &["C prop-collection-update .updates", "U the type of bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb .a .b"],
        ),
        ("POST", "/set-tag", &json!({"obj_type": "x", "obj_uuid": "y", "Site": null}), &["C set-tag .site"]),
        (
            "POST",
            "/set-tag",
            &json!({"obj_type": "virtual_network", "obj_uuid": SOMEBODY, "site": null}),
            &["C set-tag .site", "U virtual-network .tag_refs"],
        ),
        (
            "POST",
            "/chmod",
            &json!({"uuid": SOMEBODY, "owner_access": 7, "global_access": null}),
            &["C chmod .owner_access .global_access", &format!("U the type of {SOMEBODY} .perms2")],
        ),
        (
            "POST",
            "/chmod",
            // In its other spelling.
            &json!({"uuid": SOMEBODY.replace('-', ""), "global_access": 0}),
            &["C chmod .global_access", &format!("U the type of {SOMEBODY} .perms2 .is_shared")],
        ),
        ("POST", "/chmod", &json!({"uuid": 7}), &["C chmod"]),
        (
            "POST",
            "/chown",
            &json!({"uuid": SOMEBODY, "owner": SOMEBODY}),
            &["C chown .owner", &format!("U the type of {SOMEBODY} .perms2")],
        ),
        (
            "POST",
            "/ref-relax-for-delete",
            &json!({"uuid": SOMEBODY, "ref-uuid": SOMEBODY}),
            &["C ref-relax-for-delete .ref-uuid", &format!("U the type of {SOMEBODY}")],
        ),
        (
            "POST",
            "/security-policy-draft",
            &json!({"scope_uuid": SOMEBODY, "action": "commit"}),
            &["C security-policy-draft .scope_uuid .action", &format!("U the type of {SOMEBODY}")],
        ),
        (
            "GET",
            "/watch?resource_type=project,virtual_network",
            &nothing,
            &["R watch", "R project", "R virtual-network"],
        ),
        ("GET", "/watch?resource_type=*", &nothing, &["R watch"]),
        ("GET", "/changes?resource_type=project", &nothing, &["R watch", "R project"]),
        ("GET", "/changes", &nothing, &["R watch"]),
        ("GET", "/aaa-mode", &nothing, &[]),
        ("PUT", "/aaa-mode", &json!({"aaa-mode": "rbac"}), &["U aaa-mode .aaa-mode"]),
        ("GET", "/obj-perms", &nothing, &["R obj-perms"]),
        ("POST", "/useragent-kv", &nothing, &["C useragent-kv"]),
        ("POST", "/transaction", &nothing, &[]),
        ("GET", "/readyz", &nothing, &[]),
    ] {
        assert_eq!(asked(method, path, body), expected, "{method} {path} {body}");
    }
}

#[test]
fn rbac_7_operations_of_a_transaction_ask_what_requests_of_their_own_ask() {
    let model = Model::embedded().unwrap();
    let uuid = Uuid::from_u128(7);
    let find = |text: &str| if text == "$new" { Some(uuid) } else { None };
    let body = json!({"fq_name": ["a"], "display_name": "b"});
    let reference = json!({"type": "virtual-network", "ref-type": "network-policy"});
    let elements = json!({"uuid": "$new", "updates": [{"field": "a"}]});
    let of_elements = format!("U the type of {uuid} .a");
    for (kind, about, expected) in [
        ("create", json!("virtual-network"), &["C virtual-network .display_name"][..]),
        ("update", json!("virtual_network"), &["U virtual-network .display_name"]),
        ("delete", json!("virtual-network"), &["D virtual-network"]),
        ("condition", json!("project"), &["R project"]),
        ("create", json!("x"), &[]),
        ("create", json!(7), &[]),
        ("ref-update", reference, &["C ref-update .type .ref-type", "U virtual-network .network_policy_refs"]),
        ("prop-collection-update", elements, &["C prop-collection-update .updates", &of_elements]),
    ] {
        assert_eq!(
            told(&model, &asked_by_operation(&model, kind, &about, Some(&body), find)),
            expected,
            "{kind} {about}"
        );
    }
}

/// A new route is asked about, unless it stands here: whoever adds one says what operators are to expect of it.
#[test]
fn rbac_3_what_no_rule_is_asked_about() {
    let model = Model::embedded().unwrap();
    let mut open = BTreeSet::new();
    for (method, path, route) in routes::all(&model) {
        let request =
            TestRequest::default().method(method.clone()).uri(&path.replace(['{', '}'], "")).to_http_request();
        if asked_by(&model, &Call::new(&request, &Proxies::All), &route, None).questions().count() == 0 {
            open.insert(format!("{method} {path}"));
        }
    }
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    assert_eq!(
        open,
        [
            "GET /",
            "GET /aaa-mode",
            "GET /documentation",
            "GET /documentation/",
            "GET /documentation/{file}",
            "GET /healthz",
            "GET /openapi.json",
            "GET /readyz",
            "POST /transaction",
        ]
    );
}

/// ROLE-2: what only reads, though it is sent by POST.
#[test]
fn rbac_8_what_the_read_only_role_may_do() {
    let model = Model::embedded().unwrap();
    let mut reads = BTreeSet::new();
    for (method, path, route) in routes::all(&model).into_iter().filter(|(method, ..)| *method != Method::GET) {
        let request = TestRequest::default().method(method).uri(&path.replace(['{', '}'], "")).to_http_request();
        let asked = asked_by(&model, &Call::new(&request, &Proxies::All), &route, None);
        if asked.questions().next().is_some_and(|question| question.reads) {
            reads.insert(path);
        }
    }
    let reads: Vec<&str> = reads.iter().map(String::as_str).collect();
    let expected = [
        "/fqname-to-id",
        "/hbs-get",
        "/id-to-fqname",
        "/list-bulk-collection",
        "/virtual-network/{uuid}/subnet-ip-count",
    ];
    assert_eq!(reads, expected);
}
