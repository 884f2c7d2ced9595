//! Who may do what: every operation of the document, for each sort of caller, as a table (`tests/data/access-matrix.txt`). An
//! operation that is not in the table fails, and so does a status that is another one. `CIRRUS_WRITE_ACCESS_MATRIX=1` writes
//! the table anew; what the access contract says in its section 8 is held against it beside that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::samples::Samples;
use crate::support::tokens::{ALICE_PROJECT, BOB_PROJECT, PEOPLE, Tokens, make_projects};
use crate::support::{Api, Server};

/// Who asks, whose token that is, and what the object that it is about is shared with that project for.
const CALLERS: [(&str, &str, u8); 10] = [
    ("none", "", 0),
    ("bad", "nobody-knows-this", 0),
    ("other", "bob", 0),
    ("R", "bob", 4),
    ("RX", "bob", 5),
    ("RWX", "bob", 7),
    ("owner", "alice", 0),
    ("reader", "reader", 0),
    ("domain", "dora", 0),
    ("admin", "admin", 0),
];
/// Somebody who speaks for the domain, and for no project.
const DORA: (&str, &str) = ("dora", r#"roles = ["domain-admin"]"#);
const TABLE: &str = "tests/data/access-matrix.txt";

/// What the contract says, for the callers in their order: section 8 with what is mended in it.
const CONTRACT: [(&str, [u16; 10]); 27] = [
    ("GET /", [200; 10]),
    ("GET /no-such", [401, 401, 404, 404, 404, 404, 404, 404, 404, 404]),
    ("GET /aaa-mode", [401, 401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("PUT /aaa-mode", [401, 401, 403, 403, 403, 403, 403, 403, 403, 200]),
    ("GET /virtual-networks", [401, 401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET /virtual-network/{uuid}", [401, 401, 403, 200, 200, 200, 200, 200, 403, 200]),
    ("HEAD /virtual-network/{uuid}", [401, 401, 403, 200, 200, 200, 200, 200, 403, 200]),
    ("PUT /virtual-network/{uuid}", [401, 401, 403, 403, 403, 200, 200, 403, 403, 200]),
    ("PUT /virtual-network/{uuid} with nothing", [401, 401, 200, 200, 200, 200, 200, 403, 200, 200]),
    // To write is not to own.
    ("DELETE /virtual-network/{uuid}", [401, 401, 403, 403, 403, 403, 200, 403, 403, 200]),
    ("DELETE /virtual-machine/{uuid}", [401, 401, 403, 403, 403, 403, 200, 403, 403, 200]),
    ("a port of one's own on /virtual-network/{uuid}", [401, 401, 403, 403, 200, 200, 200, 403, 403, 200]),
    ("POST /ref-update", [401, 401, 403, 403, 403, 200, 200, 403, 403, 200]),
    ("GET /prop-collection-get", [401, 401, 403, 200, 200, 200, 200, 200, 403, 200]),
    ("POST /prop-collection-update", [401, 401, 403, 403, 403, 200, 200, 403, 403, 200]),
    ("POST /fqname-to-id", [401, 401, 403, 200, 200, 200, 200, 200, 403, 200]),
    ("POST /id-to-fqname", [401, 401, 403, 200, 200, 200, 200, 200, 403, 200]),
    // The read-only role reads by it (ROLE-2).
    ("POST /list-bulk-collection", [401, 401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST /chown", [401, 401, 403, 403, 403, 403, 200, 403, 403, 200]),
    ("POST /chmod", [401, 401, 403, 403, 403, 403, 200, 403, 403, 200]),
    ("GET /obj-perms", [401, 401, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST /set-tag", [401, 401, 403, 403, 403, 200, 200, 403, 403, 200]),
    ("POST /ref-relax-for-delete", [401, 401, 403, 403, 403, 200, 200, 403, 403, 200]),
    ("POST /virtual-network/{uuid}/ip-alloc", [401, 401, 403, 403, 403, 200, 200, 403, 403, 200]),
    ("POST /fetch-records", [401, 401, 403, 403, 403, 403, 403, 403, 403, 200]),
    ("GET an unknown /virtual-network/{uuid}", [401, 401, 404, 404, 404, 404, 404, 404, 404, 404]),
    // Who may not create there is told so first.
    ("a hidden /virtual-network", [401, 401, 400, 400, 400, 400, 400, 403, 403, 200]),
];

/// A request.
struct Ask {
    method: &'static str,
    path: String,
    body: Option<Value>,
}

impl Ask {
    fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None }
    }

    fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: "POST", path: path.into(), body: Some(body) }
    }

    async fn send(&self, api: &Api) -> u16 {
        let headers = [("Content-Type", "application/json")];
        let body = self.body.as_ref().map(|body| serde_json::to_vec(body).unwrap());
        if self.path.starts_with("/watch") {
            // It has no end: the head says all.
            return api.send("HEAD", &self.path, &[], None).await.unwrap().status;
        }
        api.send(self.method, &self.path, &headers, body).await.unwrap().status
    }
}

struct Matrix {
    apis: Vec<Api>,
    admin: Api,
    rows: BTreeMap<String, Vec<u16>>,
}

impl Matrix {
    /// Gives an object to alice, shared with bob as the caller wants it.
    async fn give(&self, uuid: &str, caller: usize) {
        let share = json!([{"tenant": format!("tenant:{BOB_PROJECT}"), "tenant_access": CALLERS[caller].2}]);
        let body = json!({"uuid": uuid, "owner": ALICE_PROJECT, "owner_access": 7, "global_access": 0, "share": share});
        self.admin.post("/chmod", &body).await.status_is(200);
    }

    fn note(&mut self, row: &str, status: u16) {
        self.rows.entry(row.to_owned()).or_default().push(status);
    }

    /// The five operations of a type.
    async fn of_type(&mut self, sample: &Value) {
        let kind = sample["type"].as_str().unwrap().to_owned();
        let collection = sample["path"].as_str().unwrap().to_owned();
        let (body, before) = (&sample["bodies"]["minimal"]["body"], &sample["bodies"]["minimal"]["create_first"]);
        let mut samples = Samples::load();
        let needed = samples.ensure_listed(&self.admin, before).await.unwrap();
        // What it refers to may be referred to by everybody; it is about the object.
        for uuid in &needed {
            self.admin.post("/chmod", &json!({"uuid": uuid, "global_access": 1})).await.status_is(200);
        }
        let name = body[&kind]["fq_name"].as_array().unwrap();
        let parent = match body[&kind]["parent_type"].as_str() {
            Some(parent) => self.admin.find(parent, &json!(name[..name.len() - 1])).await,
            None => None,
        };
        let is_made_once = kind == "global-system-config";
        let key = format!("{kind}/minimal");
        for (caller, (called, _, _)) in CALLERS.iter().enumerate() {
            let api = self.apis[caller].clone();
            if let Some(parent) = &parent {
                self.give(parent, caller).await;
            }
            let found = self.admin.find(&kind, &body[&kind]["fq_name"]).await;
            if let Some(uuid) = found.filter(|_| !is_made_once) {
                self.admin.delete(&format!("/{kind}/{uuid}")).await.status_is(200);
            }
            let status = Ask::post(&collection, body.clone()).send(&api).await;
            self.note(&format!("POST {collection}"), status);
            samples.forget(&key);
            let uuid = samples.ensure(&self.admin, &[&key]).await.unwrap().remove(0);
            self.give(&uuid, caller).await;
            let status = Ask::get(&collection).send(&api).await;
            self.note(&format!("GET {collection}"), status);
            let path = format!("/{kind}/{uuid}");
            let row = format!("/{kind}/{{uuid}}");
            let status = Ask::get(&path).send(&api).await;
            self.note(&format!("GET {row}"), status);
            let change = Some(json!({ &kind: {"display_name": called} }));
            let status = Ask { method: "PUT", path: path.clone(), body: change }.send(&api).await;
            self.note(&format!("PUT {row}"), status);
            if kind == "virtual-network" {
                self.of_a_network(&path, caller).await;
            }
            let status = Ask { method: "DELETE", path, body: None }.send(&api).await;
            self.note(&format!("DELETE {row}"), status);
        }
        samples.clear(&self.admin).await;
    }

    /// What the contract says beside the operations of the document.
    async fn of_a_network(&mut self, path: &str, caller: usize) {
        let api = self.apis[caller].clone();
        let status = Ask { method: "HEAD", path: path.to_owned(), body: None }.send(&api).await;
        self.note("HEAD /virtual-network/{uuid}", status);
        let nothing = Some(json!({"virtual-network": {}}));
        let status = Ask { method: "PUT", path: path.to_owned(), body: nothing }.send(&api).await;
        self.note("PUT /virtual-network/{uuid} with nothing", status);
        let own = match CALLERS[caller].1 {
            "bob" => "bob-proj",
            _ => "alice-proj",
        };
        let uuid = path.rsplit('/').next().unwrap();
        let body = json!({"virtual-machine-interface": {"fq_name": ["default-domain", own, "port"], "parent_type": "project",
            "virtual_network_refs": [{"uuid": uuid}]}});
        let status = Ask::post("/virtual-machine-interfaces", body).send(&api).await;
        self.note("a port of one's own on /virtual-network/{uuid}", status);
        if let Some(port) = self.admin.find("virtual-machine-interface", &json!(["default-domain", own, "port"])).await
        {
            self.admin.delete(&format!("/virtual-machine-interface/{port}")).await.status_is(200);
        }
        let name = json!(["default-domain", own, "hidden"]);
        let body = json!({"virtual-network": {"fq_name": name, "parent_type": "project",
            "id_perms": {"enable": true, "user_visible": false}}});
        let status = Ask::post("/virtual-networks", body).send(&api).await;
        self.note("a hidden /virtual-network", status);
        if let Some(hidden) = self.admin.find("virtual-network", &name).await {
            self.admin.delete(&format!("/virtual-network/{hidden}")).await.status_is(200);
        }
        let unknown = "/virtual-network/00000000-0000-4000-8000-00000000dead";
        let status = Ask::get(unknown).send(&api).await;
        self.note("GET an unknown /virtual-network/{uuid}", status);
        let status = Ask::get("/no-such").send(&api).await;
        self.note("GET /no-such", status);
    }

    /// All that is neither about a collection nor about an object as a whole, on things of alice.
    async fn of_actions(&mut self, operations: &[String]) {
        let stage = Stage::build(&self.admin).await;
        for (caller, api) in self.apis.clone().iter().enumerate() {
            for operation in operations {
                stage.restore(&self.admin).await;
                for uuid in [&stage.network, &stage.service] {
                    self.give(uuid, caller).await;
                }
                let Some(ask) = stage.ask(operation) else { panic!("{operation} has no request here") };
                let status = ask.send(api).await;
                self.note(operation, status);
            }
        }
    }
}

/// What actions are about.
struct Stage {
    network: String,
    policy: String,
    service: String,
}

impl Stage {
    async fn build(admin: &Api) -> Self {
        let created = |answer: &Value, kind: &str| answer[kind]["uuid"].as_str().unwrap().to_owned();
        let name = |name: &str| json!(["default-domain", "alice-proj", name]);
        let ipam = json!([{"to": ["default-domain", "default-project", "default-network-ipam"],
            "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "10.9.0.0", "ip_prefix_len": 20}}]}}]);
        let body =
            json!({"virtual-network": {"fq_name": name("stage"), "parent_type": "project", "network_ipam_refs": ipam}});
        let network = created(&admin.post("/virtual-networks", &body).await.ok(), "virtual-network");
        let body = json!({"network-policy": {"fq_name": name("stage"), "parent_type": "project",
            "perms2": {"owner": ALICE_PROJECT, "global_access": 7}}});
        let policy = created(&admin.post("/network-policys", &body).await.ok(), "network-policy");
        let tag = json!({"tag": {"fq_name": ["label=stage"], "tag_type_name": "label", "tag_value": "stage",
            "perms2": {"owner": "cloud-admin", "global_access": 7}}});
        admin.post("/tags", &tag).await.status_is(200);
        let quota = json!({"project": {"quota": {"host_based_service": 1}}});
        admin.put(&format!("/project/{ALICE_PROJECT}"), &quota).await.status_is(200);
        let body = json!({"host-based-service": {"fq_name": name("stage"), "parent_type": "project"}});
        let service = created(&admin.post("/host-based-services", &body).await.ok(), "host-based-service");
        Self { network, policy, service }
    }

    /// Takes back what the last request may have done.
    async fn restore(&self, admin: &Api) {
        let path = format!("/virtual-network/{}", self.network);
        let body = json!({"virtual-network": {"network_policy_refs": [], "tag_refs": []}});
        admin.put(&path, &body).await.status_is(200);
        let gone = json!({"operation": "DELETE", "key": "stage"});
        admin.post("/useragent-kv", &gone).await.status_is(200);
    }

    fn ask(&self, operation: &str) -> Option<Ask> {
        let network = &self.network;
        let name = json!(["default-domain", "alice-proj", "stage"]);
        let (_, path) = operation.split_once(' ')?;
        let path = path.replace("{uuid}", network).replace("{resource}", "network");
        let body = match operation {
            "GET /"
            | "GET /documentation"
            | "GET /documentation/"
            | "GET /openapi.json"
            | "GET /aaa-mode"
            | "GET /healthz"
            | "GET /metrics"
            | "GET /readyz"
            | "GET /changes"
            | "GET /log-filter"
            | "GET /obj-cache" => return Some(Ask::get(path)),
            "GET /documentation/{file}" => return Some(Ask::get("/documentation/index.html")),
            "GET /watch" => return Some(Ask::get("/watch?resource_type=virtual_network")),
            "GET /obj-perms" => return Some(Ask::get(format!("/obj-perms?uuid={network}"))),
            "GET /prop-collection-get" => {
                return Some(Ask::get(format!("/prop-collection-get?uuid={network}&fields=annotations")));
            }
            "PUT /aaa-mode" => {
                return Some(Ask { method: "PUT", path, body: Some(json!({"aaa-mode": "rbac"})) });
            }
            "PUT /log-filter" => {
                return Some(Ask { method: "PUT", path, body: Some(json!({"log-filter": null})) });
            }
            "POST /chmod" => json!({"uuid": network, "owner_access": 7}),
            "POST /chown" => json!({"uuid": network, "owner": ALICE_PROJECT}),
            "POST /fqname-to-id" => json!({"type": "virtual-network", "fq_name": name}),
            "POST /id-to-fqname" => json!({ "uuid": network }),
            "POST /hbs-get" => json!({"hbs_uuid": self.service}),
            "POST /list-bulk-collection" => json!({"type": "virtual-network"}),
            "POST /prop-collection-update" => json!({"uuid": network, "updates": [{"field": "annotations",
                "operation": "set", "value": {"key": "a", "value": "b"}}]}),
            "POST /ref-relax-for-delete" => json!({"uuid": network, "ref-uuid": self.policy}),
            "POST /ref-update" => json!({"type": "virtual-network", "uuid": network, "ref-type": "network-policy",
                "ref-uuid": self.policy, "operation": "ADD", "attr": {"sequence": {"major": 0, "minor": 0}}}),
            "POST /security-policy-draft" => json!({"scope_uuid": ALICE_PROJECT, "action": "commit"}),
            "POST /set-tag" => json!({"obj_type": "virtual-network", "obj_uuid": network,
                "label": {"add_values": ["stage"], "is_global": true}}),
            "POST /transaction" => json!({"operations": [{"update": "virtual-network", "uuid": network,
                "body": {"display_name": "t"}}]}),
            "POST /useragent-kv" => json!({"operation": "STORE", "key": "stage", "value": "v"}),
            "POST /neutron/{resource}" => json!({"context": {"operation": "UPDATE", "tenant_id": ALICE_PROJECT},
                "data": {"id": network, "resource": {"description": "d"}}}),
            "POST /virtual-network/{uuid}/ip-alloc" => json!({"count": 1}),
            "POST /virtual-network/{uuid}/ip-free" => json!({"ip_addr": []}),
            "POST /virtual-network/{uuid}/subnet-ip-count" => json!({"subnet_list": []}),
            "POST /abort-job"
            | "POST /amqp-publish"
            | "POST /amqp-request"
            | "POST /db-check"
            | "POST /execute-job"
            | "POST /fetch-records"
            | "POST /obj-cache"
            | "POST /start-profile"
            | "POST /stop-profile" => json!({}),
            _ => return None,
        };
        Some(Ask::post(path, body))
    }
}

/// A rule that lets members do what objects let them do; who only reads has none.
async fn allow_members(admin: &Api) {
    let perms = ["member", "domain-admin"].map(|role| json!({"role_name": role, "role_crud": "CRUD"}));
    let rule = json!({"rule_object": "*", "rule_field": "*", "rule_perms": perms});
    let list = json!({"fq_name": ["default-global-system-config", "members"], "parent_type": "global-system-config",
        "api_access_list_entries": {"rbac_rule": [rule]}});
    admin.post("/api-access-lists", &json!({ "api-access-list": list })).await.status_is(200);
}

fn table(rows: &BTreeMap<String, Vec<u16>>) -> String {
    let width = rows.keys().map(String::len).max().unwrap_or(0);
    let mut text = String::from(
        "# The status of each operation by who asks: nobody, a bad token, another project without and with a share of R, RX and RWX,\n\
         # the owner's project, the role that reads everything, somebody of the domain alone, the cloud admin.\n\
         # Made by tests/access_matrix.rs, which fails where it is another one.\n",
    );
    write!(text, "{:width$}", "").unwrap();
    for (caller, _, _) in CALLERS {
        write!(text, " {caller:>6}").unwrap();
    }
    text.push('\n');
    for (row, statuses) in rows {
        write!(text, "{row:width$}").unwrap();
        for status in statuses {
            write!(text, " {status:>6}").unwrap();
        }
        text.push('\n');
    }
    text
}

pub async fn every_operation_asks_who_may() {
    let tokens = Tokens::new();
    tokens.write(&Tokens::lines(&[PEOPLE, &[DORA]].concat()));
    let options =
        [&tokens.options("rbac")[..], &["--tag-id-digits", "12", "--failed-authentications", "1000000"]].concat();
    let server = Server::start_with(&options);
    let admin = tokens.api(&server, "admin");
    make_projects(&admin).await;
    allow_members(&admin).await;
    let apis =
        CALLERS.iter().map(|(_, name, _)| if name.is_empty() { server.api() } else { tokens.api(&server, name) });
    let mut matrix = Matrix { apis: apis.collect(), admin: admin.clone(), rows: BTreeMap::new() };
    let samples = Samples::load();
    for sample in &samples.all {
        matrix.of_type(sample).await;
    }
    let document = admin.get("/openapi.json").await.ok();
    let mut operations: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "delete"].iter().filter(|method| methods.get(**method).is_some()) {
            operations.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    let actions: Vec<String> =
        operations.iter().filter(|operation| !matrix.rows.contains_key(*operation)).cloned().collect();
    matrix.of_actions(&actions).await;
    let written = table(&matrix.rows);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os("CIRRUS_WRITE_ACCESS_MATRIX").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let contract =
        CONTRACT.iter().filter(|(row, expected)| matrix.rows.get(*row).is_none_or(|found| found != expected));
    let differences: Vec<String> = contract
        .map(|(row, expected)| format!("{row}:\n  contract {expected:?}\n  answered {:?}", matrix.rows.get(*row)))
        .collect();
    assert!(differences.is_empty(), "not as the contract says:\n{}", differences.join("\n"));
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let known: Vec<&str> = committed.lines().collect();
    let new: Vec<&str> = written.lines().filter(|line| !known.contains(line)).collect();
    let gone = known.iter().filter(|line| !written.lines().any(|new| new == **line)).count();
    assert!(
        new.is_empty() && gone == 0,
        "{} lines of {TABLE} are others now, like\n{}",
        new.len().max(gone),
        new.join("\n")
    );
}
