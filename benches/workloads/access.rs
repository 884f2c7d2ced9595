//! What it costs to ask who asks: reads of a member of a project, held against the same ones where everybody may do everything.

use crate::{
    READERS, Request, WRITERS, compare, get,
    load::{self, Measured},
    network, send,
    support::Server,
    table::{self, Against, Goal},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt, time::Duration};

/// How many networks there are of others, of the member, shared with it, and for everybody.
const OTHERS: u64 = 10_000;
const OWN: u64 = 100;
const SHARED: u64 = 20;
const GLOBAL: u64 = 5;

const PROJECT: &str = "cccccccc-cccc-4ccc-8ccc-cccccccccccc";

fn token(name: &str) -> String {
    format!("a-token-of-{name}-as-long-as-others-are-that-are-made-by-the-tool")
}

fn line(name: &str, rest: &str) -> String {
    let mut digest = String::new();
    for byte in Sha256::digest(token(name)) {
        write!(digest, "{byte:02x}").unwrap();
    }
    format!("sha256-{digest} = {{ user = \"{name}\", {rest} }}\n")
}

/// A network of the member's project.
fn own(name: &str) -> Request {
    let body = json!({"virtual-network": {"fq_name": ["default-domain", "member", name], "parent_type": "project"}});
    ("POST", "/virtual-networks".to_owned(), body.to_string())
}

/// Makes the member's project, what it has, and what others let it see.
fn furnish(server: &Server) -> String {
    let project =
        json!({"project": {"fq_name": ["default-domain", "member"], "parent_type": "domain", "uuid": PROJECT}});
    send(server, &("POST", "/projects".to_owned(), project.to_string()));
    let uuids: Vec<String> = (0..OWN)
        .map(|number| {
            let created = send(server, &own(&format!("own-{number}")));
            created["virtual-network"]["uuid"].as_str().unwrap().to_owned()
        })
        .collect();
    for number in 0..SHARED + GLOBAL {
        let created = send(server, &network(&format!("others-{number}")));
        let uuid = &created["virtual-network"]["uuid"];
        let rights = if number < SHARED {
            json!({"uuid": uuid, "share": [{"tenant": format!("tenant:{PROJECT}"), "tenant_access": 4}]})
        } else {
            json!({"uuid": uuid, "global_access": 4})
        };
        send(server, &("POST", "/chmod".to_owned(), rights.to_string()));
    }
    uuids[0].clone()
}

pub fn access(duration: Duration) {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = directory.path().join("tokens.toml");
    let member = format!("project = \"{PROJECT}\", project_name = \"member\", roles = [\"member\"]");
    fs::write(&file, [line("admin", "roles = [\"admin\"]"), line("member", &member)].concat()).unwrap();
    let mut asking = Server::start(&["--aaa-mode", "rbac", "--token-file", file.to_str().unwrap()]);
    asking.token = Some(token("admin"));
    let rule =
        json!({"rule_object": "*", "rule_field": "", "rule_perms": [{"role_name": "member", "role_crud": "CRUD"}]});
    let list = json!({"api-access-list": {"fq_name": ["default-global-system-config", "members"],
        "parent_type": "global-system-config", "api_access_list_entries": {"rbac_rule": [rule]}}});
    send(&asking, &("POST", "/api-access-lists".to_owned(), list.to_string()));
    load::counted(&[&asking], WRITERS, OTHERS, &|number| network(&format!("listed-{number}")));
    let own = furnish(&asking);
    asking.token = Some(token("member"));

    // All that the member may see, and nothing else, where nobody is asked.
    let open = Server::start(&[]);
    let same = furnish(&open);
    let row = |workload: &str, clients: usize, paths: [&str; 2], goal: f64| {
        let repeated =
            |server: &Server, path: &str| -> Measured { load::repeated(server, clients, duration, &get(path)) };
        let (measured, others) = compare(|_| repeated(&asking, paths[0]), |_| repeated(&open, paths[1]));
        let against = Against::Rate("without authentication", others.rate);
        table::row(workload, measured, against, Goal::AtLeast(goal));
    };
    let paths = [format!("/virtual-network/{own}"), format!("/virtual-network/{same}")];
    row("GET by id, a member, 32 clients", READERS, [&paths[0], &paths[1]], 0.9);
    let seen = OWN + SHARED + GLOBAL;
    let list = "/virtual-networks";
    row(&format!("GET list, a member sees {seen} of {OTHERS}, 4 clients"), 4, [list, list], 0.5);
    let detail = "/virtual-networks?detail=true";
    row("the same, detail", 4, [detail, detail], 0.5);
}
