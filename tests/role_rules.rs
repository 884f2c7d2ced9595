//! Rules of roles on a real server with tokens: what members, the read-only role and admins may do, and who writes the rules.

#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use crate::support::tokens::{ALICE_PROJECT, Tokens, make_projects};
use crate::support::{Answer, Api, Server};

const GLOBAL: &str = "default-global-system-config";

/// A rule as tools write it: `virtual-network.display_name admin:U`.
fn rule(text: &str) -> Value {
    let (object, permission) = text.split_once(' ').unwrap();
    let (object, field) = object.split_once('.').unwrap_or((object, ""));
    let (role, letters) = permission.split_once(':').unwrap();
    json!({"rule_object": object, "rule_field": field, "rule_perms": [{"role_name": role, "role_crud": letters}]})
}

fn entries(rules: &[&str]) -> Value {
    json!({"rbac_rule": rules.iter().map(|text| rule(text)).collect::<Vec<_>>()})
}

fn list(parent_type: &str, parent: &[&str], name: &str, rules: &[&str]) -> Value {
    let fq_name = [parent, &[name]].concat();
    json!({"api-access-list": {
        "fq_name": fq_name, "parent_type": parent_type, "api_access_list_entries": entries(rules),
    }})
}

async fn made(api: &Api, body: &Value) -> String {
    let answer = api.post("/api-access-lists", body).await;
    answer.status_is(200).json()["api-access-list"]["uuid"].as_str().unwrap().to_owned()
}

/// Puts other rules into a list.
async fn rewrite(api: &Api, uuid: &str, rules: &[&str]) -> Answer {
    let body = json!({"api-access-list": {"api_access_list_entries": entries(rules)}});
    api.put(&format!("/api-access-list/{uuid}"), &body).await
}

fn network(name: &str) -> Value {
    json!({"virtual-network": {"fq_name": ["default-domain", "alice-proj", name], "parent_type": "project"}})
}

async fn uuid_of_new(api: &Api, name: &str) -> String {
    let answer = api.post("/virtual-networks", &network(name)).await;
    answer.status_is(200).json()["virtual-network"]["uuid"].as_str().unwrap().to_owned()
}

fn denied(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert_eq!(answer.text, format!("Permission Denied for alice as ['member'] to {what} in alice-proj"));
}

struct People {
    admin: Api,
    alice: Api,
    reader: Api,
}

pub async fn what_roles_may_do() {
    let (server, tokens) = Tokens::start("rbac", &[]);
    let people = People {
        admin: tokens.api(&server, "admin"),
        alice: tokens.api(&server, "alice"),
        reader: tokens.api(&server, "reader"),
    };
    make_projects(&people.admin).await;
    rbac_13_defaults_let_members_do_little(&people, &server).await;
    rbac_4_rules_act_at_once_on_every_level(&people).await;
    rbac_10_a_rule_for_a_field(&people).await;
    rbac_7_actions_ask_for_the_types_they_are_about(&people).await;
    rbac_8_who_reads_everything(&people).await;
    rbac_14_rbac_16_who_writes_rules(&people).await;
}

async fn rbac_13_defaults_let_members_do_little(people: &People, server: &Server) {
    let People { admin, alice, .. } = people;
    denied(&alice.get("/virtual-networks").await, "R virtual-network");
    denied(&alice.post("/virtual-networks", &network("n")).await, "C virtual-network");
    // Before anything is said of what is sent, or of what is there.
    denied(&alice.post("/virtual-networks", &json!({"x": 1})).await, "C virtual-network");
    denied(&alice.delete("/virtual-network/no-uuid").await, "D virtual-network");
    denied(&alice.get("/obj-perms").await, "R obj-perms");
    denied(&alice.get("/watch?resource_type=project").await, "R project");
    alice.get("/").await.status_is(200);
    alice.get("/aaa-mode").await.status_is(200);
    server.api().get("/readyz").await.status_is(200);
    let name = json!({"type": "project", "fq_name": ["default-domain", "alice-proj"]});
    alice.post("/fqname-to-id", &name).await.status_is(200);
    let answer = alice.get("/changes?since=oldest").await;
    assert_eq!(answer.status_is(200).json()["changes"], json!([]), "what may not be read is left out");
    let problem = [("Accept", "application/problem+json")];
    let answer = alice.send("GET", "/virtual-networks", &problem, None).await.unwrap();
    assert_eq!(answer.json()["rule"], "RBAC-11");
    admin.get("/virtual-networks").await.status_is(200);
}

async fn rbac_4_rules_act_at_once_on_every_level(people: &People) {
    let People { admin, alice, .. } = people;
    for (parent_type, parent) in [
        ("project", &["default-domain", "alice-proj"][..]),
        ("domain", &["default-domain"]),
        ("global-system-config", &[GLOBAL]),
    ] {
        let uuid = made(admin, &list(parent_type, parent, "mine", &["virtual-network member:CR"])).await;
        alice.get("/virtual-networks").await.status_is(200);
        let network = uuid_of_new(alice, parent_type).await;
        let path = format!("/virtual-network/{network}");
        alice.get(&path).await.status_is(200);
        denied(&alice.delete(&path).await, "D virtual-network");
        rewrite(admin, &uuid, &["virtual-network member:D"]).await.status_is(200);
        denied(&alice.get(&path).await, "R virtual-network");
        alice.delete(&path).await.status_is(200);
        admin.delete(&format!("/api-access-list/{uuid}")).await.status_is(200);
        denied(&alice.get("/virtual-networks").await, "R virtual-network");
    }
}

async fn rbac_10_a_rule_for_a_field(people: &People) {
    let People { admin, alice, .. } = people;
    let rules = ["* member:CRUD", "virtual-network.display_name admin:U"];
    let uuid = made(admin, &list("domain", &["default-domain"], "fields", &rules)).await;
    let path = format!("/virtual-network/{}", uuid_of_new(alice, "fields").await);
    let rename = json!({"virtual-network": {"display_name": "x"}});
    denied(&alice.put(&path, &rename).await, "U virtual-network");
    alice.put(&path, &json!({"virtual-network": {"mac_learning_enabled": true}})).await.status_is(200);
    let both = json!({"virtual-network": {"mac_learning_enabled": false, "display_name": "x"}});
    denied(&alice.put(&path, &both).await, "U virtual-network");
    admin.put(&path, &rename).await.status_is(200);
    // The rest of an operation of a transaction is as that of a request.
    let operation =
        json!({"update": "virtual-network", "uuid": path.rsplit('/').next(), "body": {"display_name": "y"}});
    let create = json!({"create": "network-policy", "as": "p", "body": {
        "fq_name": ["default-domain", "alice-proj", "fields"], "parent_type": "project",
    }});
    let answer = alice.post("/transaction", &json!({"operations": [create, operation]})).await;
    let told = "Permission Denied for alice as ['member'] to U virtual-network in alice-proj";
    assert_eq!((answer.status, answer.json()), (403, json!({"operation": 1, "error": told})));
    alice.delete(&path).await.status_is(200);
    admin.delete(&format!("/api-access-list/{uuid}")).await.status_is(200);
}

async fn rbac_7_actions_ask_for_the_types_they_are_about(people: &People) {
    let People { admin, alice, .. } = people;
    let list_of = |rules: &[&str]| list("domain", &["default-domain"], "actions", rules);
    let uuid = made(admin, &list_of(&["* member:CRUD"])).await;
    let network = uuid_of_new(alice, "actions").await;
    let body = json!({"network-policy": {"fq_name": ["default-domain", "alice-proj", "a"], "parent_type": "project"}});
    let policy = alice.post("/network-policys", &body).await;
    let policy = policy.status_is(200).json()["network-policy"]["uuid"].as_str().unwrap().to_owned();
    let reference = json!({
        "type": "virtual-network", "uuid": network, "ref-type": "network-policy", "ref-uuid": policy, "operation": "ADD",
        "attr": {"sequence": {"major": 0, "minor": 0}},
    });
    let listing = json!({"type": "virtual-network"});
    let elements = json!({"uuid": ALICE_PROJECT, "updates": [
        {"field": "annotations", "operation": "set", "value": {"key": "a", "value": "b"}},
    ]});
    let part = format!("/prop-collection-get?uuid={ALICE_PROJECT}&fields=annotations");
    // With all rules all of it is done; without those of the types the rules of the actions are not enough.
    alice.post("/ref-update", &reference).await.status_is(200);
    alice.post("/list-bulk-collection", &listing).await.status_is(200);
    alice.post("/prop-collection-update", &elements).await.status_is(200);
    alice.get(&part).await.status_is(200);
    let of_actions = ["ref-update", "list-bulk-collection", "prop-collection-update", "prop-collection-get"];
    let of_actions = of_actions.map(|action| format!("{action} member:CRUD"));
    rewrite(admin, &uuid, &of_actions.each_ref().map(String::as_str)).await.status_is(200);
    denied(&alice.post("/ref-update", &reference).await, "U virtual-network");
    denied(&alice.post("/list-bulk-collection", &listing).await, "R virtual-network");
    denied(&alice.post("/prop-collection-update", &elements).await, "U project");
    denied(&alice.get(&part).await, "R project");
    // Neither is there a way around them by what changes permissions, tags and links.
    let others = ["chmod", "chown", "set-tag", "ref-relax-for-delete", "security-policy-draft"];
    let of_others = others.map(|action| format!("{action} member:C"));
    let change = json!({"uuid": network, "owner_access": 7, "global_access": 0, "owner": ALICE_PROJECT});
    let tag = json!({"obj_type": "virtual-network", "obj_uuid": network, "label": null});
    let relax = json!({"uuid": network, "ref-uuid": policy});
    let scope = json!({"scope_uuid": ALICE_PROJECT, "action": "commit"});
    let around = [
        ("/chmod", &change, "U virtual-network"),
        ("/chown", &change, "U virtual-network"),
        ("/set-tag", &tag, "U virtual-network"),
        ("/ref-relax-for-delete", &relax, "U virtual-network"),
        ("/security-policy-draft", &scope, "U project"),
    ];
    let mut rules: Vec<&str> = of_others.iter().map(String::as_str).collect();
    rewrite(admin, &uuid, &rules).await.status_is(200);
    for (path, body, what) in around {
        denied(&alice.post(path, body).await, what);
    }
    rules.extend(["virtual-network member:U", "virtual-network.perms2 admin:U", "virtual-network.tag_refs admin:U"]);
    rewrite(admin, &uuid, &rules).await.status_is(200);
    for (path, body, what) in &around[..3] {
        denied(&alice.post(path, body).await, what);
    }
    alice.post("/ref-relax-for-delete", &relax).await.status_is(200);
    rules.truncate(rules.len() - 2);
    rules.push("virtual-network.is_shared admin:U");
    rewrite(admin, &uuid, &rules).await.status_is(200);
    denied(&alice.post("/chmod", &change).await, "U virtual-network");
    for path in ["/chown", "/set-tag"] {
        let body = if path == "/chown" { &change } else { &tag };
        alice.post(path, body).await.status_is(200);
    }
    alice.post("/chmod", &json!({"uuid": network, "owner_access": 7})).await.status_is(200);
    rewrite(admin, &uuid, &of_actions.each_ref().map(String::as_str)).await.status_is(200);
    // What is not there is not there.
    let unknown = "/prop-collection-get?uuid=bbbbbbbb-0000-4000-8000-000000000000&fields=annotations";
    alice.get(unknown).await.status_is(404);
    // Feeds leave out what may not be read.
    rewrite(admin, &uuid, &["network-policy member:R"]).await.status_is(200);
    let answer = alice.get("/changes?since=oldest").await;
    let changes = answer.status_is(200).json()["changes"].as_array().unwrap().clone();
    assert!(!changes.is_empty() && changes.iter().all(|change| change["type"] == "network-policy"), "{changes:?}");
    denied(&alice.get("/changes?resource_type=network-policy,project").await, "R project");
    for path in [format!("/virtual-network/{network}"), format!("/network-policy/{policy}")] {
        admin.delete(&path).await.status_is(200);
    }
    admin.delete(&format!("/api-access-list/{uuid}")).await.status_is(200);
}

async fn rbac_8_who_reads_everything(people: &People) {
    let reader = &people.reader;
    reader.get("/virtual-networks").await.status_is(200);
    let project = format!("/project/{ALICE_PROJECT}");
    reader.get(&project).await.status_is(200);
    reader.post("/list-bulk-collection", &json!({"type": "project"})).await.status_is(200);
    reader.post("/id-to-fqname", &json!({"uuid": ALICE_PROJECT})).await.status_is(200);
    for answer in [
        reader.post("/virtual-networks", &network("n")).await,
        reader.put(&project, &json!({"project": {"display_name": "x"}})).await,
        reader.delete(&project).await,
        reader.post("/chmod", &json!({"uuid": ALICE_PROJECT, "global_access": 7})).await,
    ] {
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
}

async fn rbac_14_rbac_16_who_writes_rules(people: &People) {
    let People { admin, alice, .. } = people;
    let uuid = made(admin, &list("domain", &["default-domain"], "all", &["* member:CRUD"])).await;
    for (parent_type, parent) in [
        ("domain", &["default-domain"][..]),
        ("project", &["default-domain", "alice-proj"]),
        ("global-system-config", &[GLOBAL]),
    ] {
        let answer = alice.post("/api-access-lists", &list(parent_type, parent, "hers", &[])).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
    assert_eq!(rewrite(alice, &uuid, &[]).await.status, 403);
    assert_eq!(alice.delete(&format!("/api-access-list/{uuid}")).await.status, 403);
    // Of her domain she may use what is there, and change nothing.
    let name = json!({"type": "domain", "fq_name": ["default-domain"]});
    let domain = alice.post("/fqname-to-id", &name).await.json()["uuid"].as_str().unwrap().to_owned();
    let path = format!("/domain/{domain}");
    alice.get(&path).await.status_is(200);
    let answer = alice.put(&path, &json!({"domain": {"display_name": "hers"}})).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.text, "Permission Denied: a domain is changed by cloud admins only");
    // Letters are told where they are wrong.
    let answer = rewrite(admin, &uuid, &["* member:crud"]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("rbac_rule[0].rule_perms[0].role_crud must be letters of C, R, U and D"));
    admin.delete(&format!("/api-access-list/{uuid}")).await.status_is(200);
}

pub async fn rbac_12_default_rules_that_were_narrowed_stay_so() {
    let tokens = Tokens::new();
    let server = Server::start_with(&tokens.options("rbac"));
    let find = async |api: &Api| {
        let body = json!({"type": "api-access-list", "fq_name": [GLOBAL, "default-api-access-list"]});
        api.post("/fqname-to-id", &body).await.status_is(200).json()["uuid"].as_str().unwrap().to_owned()
    };
    let admin = tokens.api(&server, "admin");
    let uuid = find(&admin).await;
    let rules = admin.get(&format!("/api-access-list/{uuid}")).await.json();
    let rules = rules["api-access-list"]["api_access_list_entries"]["rbac_rule"].as_array().unwrap().clone();
    assert_eq!((rules.len(), &rules[0]["rule_object"]), (7, &json!("fqname-to-id")));
    rewrite(&admin, &uuid, &["fqname-to-id member:C"]).await.status_is(200);
    let again = server.start_another_with(&tokens.options("rbac"));
    let admin = tokens.api(&again, "admin");
    assert_eq!(find(&admin).await, uuid);
    let rules = admin.get(&format!("/api-access-list/{uuid}")).await.json();
    assert_eq!(rules["api-access-list"]["api_access_list_entries"], entries(&["fqname-to-id member:C"]));
    let nobody = tokens.api(&again, "nobody");
    let name = json!({"type": "domain", "fq_name": ["default-domain"]});
    assert_eq!(nobody.post("/fqname-to-id", &name).await.status, 403);
}
