//! What Neutron tells whom: every operation of every resource, for each sort of caller, as a table
//! (`tests/data/neutron-access-matrix.txt`). An operation that is not in the table fails, and so does another answer.
//! `CIRRUS_WRITE_ACCESS_MATRIX=1` writes the table anew. Nothing of it is done: what writes is only tried.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::neutron::{Plugin, Stage, check_class, operations};
use crate::support::tokens::{ADMIN_PROJECT, ALICE_PROJECT, BOB_PROJECT, Tokens, make_projects};
use crate::support::{Answer, Api};

const TABLE: &str = "tests/data/neutron-access-matrix.txt";

/// Who asks: whose token that is, in which tenant, and whether the context says that it is an admin. The word of the context is
/// that of neutron-server, and nobody gets more by it (NEU-ENV-4).
const CALLERS: [(&str, &str, &str, bool); 6] = [
    ("nobody", "", ALICE_PROJECT, true),
    ("member", "alice", ALICE_PROJECT, false),
    ("other", "bob", BOB_PROJECT, false),
    ("pretends", "bob", ALICE_PROJECT, true),
    ("reader", "reader", ADMIN_PROJECT, true),
    ("admin", "admin", ADMIN_PROJECT, true),
];

/// Members may do what objects let them do.
async fn allow_members(admin: &Api) {
    let rule =
        json!({"rule_object": "*", "rule_field": "*", "rule_perms": [{"role_name": "member", "role_crud": "CRUD"}]});
    let list = json!({"fq_name": ["default-global-system-config", "members"], "parent_type": "global-system-config",
        "api_access_list_entries": {"rbac_rule": [rule]}});
    admin.post("/api-access-lists", &json!({ "api-access-list": list })).await.status_is(200);
}

/// What an answer says, shortly: of a list how many of it are the member's.
fn shortly(answer: &Answer, operation: &str) -> String {
    match answer.status {
        200 if operation == "READALL" => {
            let listed = answer.json();
            let own = ALICE_PROJECT.replace('-', "");
            let is_own = |item: &&Value| item.is_string() || item["tenant_id"] == own.as_str();
            format!("{} of its", listed.as_array().unwrap().iter().filter(is_own).count())
        }
        200 if operation == "READCOUNT" => format!("counts {}", answer.json()["count"]),
        200 => "done".to_owned(),
        400 => {
            let exception = answer.json();
            check_class(&exception).unwrap_or_else(|why| panic!("{answer}: {why}"));
            exception["exception"].as_str().unwrap().to_owned()
        }
        status => status.to_string(),
    }
}

fn table(rows: &[(String, Vec<String>)]) -> String {
    let name_width = rows.iter().map(|(name, _)| name.len()).max().unwrap();
    let width = rows.iter().flat_map(|(_, cells)| cells.iter().map(String::len)).max().unwrap();
    let mut text = String::from(
        "# What Neutron answers about things of a member, by who asks: nobody, the member, a member of another tenant, the same who\n\
         # pretends to be the first and an admin in what neutron-server says of it, the role that reads everything, the cloud admin.\n\
         # Lists and counts are of all that there is. Made by tests/neutron_access.rs, which fails where it is another one.\n",
    );
    let mut line = |name: &str, cells: &[String]| {
        write!(text, "{name:name_width$}").unwrap();
        for cell in cells {
            write!(text, "  {cell:width$}").unwrap();
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    line("", &CALLERS.map(|(caller, ..)| caller.to_owned()));
    for (name, cells) in rows {
        line(name, cells);
    }
    text
}

/// What callers make of one in their own tenants, where they need nothing of the member for it.
fn own_body(stage: &Stage, resource: &str) -> Value {
    match resource {
        "network" | "firewall_group" | "firewall_policy" => json!({"name": "own"}),
        "floatingip" => json!({"floating_network_id": stage.outside["id"]}),
        "nat_instance" => json!({"name": "own", "external_net": stage.outside["id"]}),
        _ => stage.body(resource),
    }
}

/// The same on a network that the member shares with everybody.
fn of_shared(stage: &Stage, resource: &str, verb: &str) -> Option<(String, Value)> {
    let (shared, id) = (&stage.shared, &stage.shared["id"]);
    let data = match (resource, verb) {
        ("network", "READ" | "DELETE") => json!({ "id": id }),
        ("network", "UPDATE") => json!({"id": id, "resource": {"name": "another"}}),
        ("subnet", "CREATE") => json!({"resource": {"network_id": id, "cidr": "10.68.0.0/24", "ip_version": 4}}),
        ("subnet", "READALL") => json!({"filters": {"network_id": [id]}}),
        ("port", "CREATE") => json!({"resource": {"network_id": id}}),
        _ => return None,
    };
    Some((format!("{resource} {verb} of the {} network", shared["name"].as_str().unwrap()), data))
}

pub async fn every_operation_of_neutron_asks_who_may() {
    let (server, tokens) = Tokens::start("rbac", &["--failed-authentications", "1000000", "--neutron-fwaas", "true"]);
    let admin = tokens.api(&server, "admin");
    make_projects(&admin).await;
    allow_members(&admin).await;
    let own = json!({"fq_name": ["default-domain", "admin"], "parent_type": "domain", "uuid": ADMIN_PROJECT});
    admin.post("/projects", &json!({ "project": own })).await.status_is(200);
    let plugins = CALLERS.map(|(_, token, tenant, is_admin)| {
        let api = if token.is_empty() { server.api() } else { tokens.api(&server, token) };
        Plugin { is_admin, ..Plugin::member(&api, tenant) }
    });
    let [_, member, _, _, _, operator] = &plugins;
    let stage = Stage::build(member.clone(), operator).await;
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for (resource, verbs) in operations() {
        for verb in verbs {
            let mut asked = vec![(format!("{resource} {verb}"), stage.data(resource, verb))];
            if verb == "CREATE" && !["tags", "security_group_rule"].contains(&resource.as_str()) {
                asked[0].1["resource"]["tenant_id"] = ALICE_PROJECT.replace('-', "").into();
                let own = json!({ "resource": own_body(&stage, resource) });
                asked.push((format!("{resource} {verb} in a tenant of one's own"), own));
            }
            asked.extend(of_shared(&stage, resource, verb));
            for (name, data) in asked {
                let mut cells = Vec::new();
                for plugin in &plugins {
                    let envelope = plugin.envelope(verb, resource, data.clone());
                    let answer = plugin.api.post(&format!("/neutron/{resource}?dry_run=true"), &envelope).await;
                    cells.push(shortly(&answer, verb));
                }
                rows.push((name, cells));
            }
        }
    }
    let written = table(&rows);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os("CIRRUS_WRITE_ACCESS_MATRIX").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let others: Vec<&str> = written.lines().filter(|line| !committed.lines().any(|known| known == *line)).collect();
    assert!(committed == written, "{} lines of {TABLE} are others now, like\n{}", others.len(), others.join("\n"));
}
