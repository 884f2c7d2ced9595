//! `cirrus interface-route` against the real server, and beside a script on the Python client library.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::tokens::{Tokens, allow_all_types, make_projects};
use crate::support::{Api, Checks, Server, python};

/// What a run of the tool printed, or the one line that it complained with.
pub fn answer(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() {
        assert_eq!(text(&output.stderr), "");
        return Ok(text(&output.stdout));
    }
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let complaint = text(&output.stderr);
    assert_eq!((complaint.lines().count(), text(&output.stdout).as_str()), (1, ""), "{complaint}");
    Err(complaint.trim().strip_prefix("cirrus: ").unwrap().to_owned())
}

fn tool(port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cirrus"));
    command.arg("interface-route").args(arguments).args(["-s", "127.0.0.1", "-p", &port.to_string()]);
    for name in ["OS_USERNAME", "OS_TOKEN", "OS_CACERT", "OS_INSECURE", "CIRRUS_TOKEN", "http_proxy", "HTTP_PROXY"] {
        command.env_remove(name);
    }
    command
}

fn run(port: u16, arguments: &[&str]) -> Result<String, String> {
    answer(&tool(port, arguments).output().unwrap())
}

pub async fn static_routes_of_an_interface() {
    let server = Server::start();
    let port = server.address().port();
    let api = server.api();
    network(&api).await;
    let mut checks = Checks::default();
    checks.run("routes come, are shown and go", routes_come_and_go(api.clone(), port)).await;
    checks.run("mistakes are told in one line", mistakes(api.clone(), port)).await;
    checks.run("an interrupted run is finished by the next", interrupted(api.clone(), port)).await;
    checks.run("a script on the Python library makes the same objects", same_as_python(api, port)).await;
    checks.finish();
}

/// Tables are where members may make them, and what is there for whoever asks goes on being used.
pub async fn static_routes_of_members() {
    let (server, tokens) = Tokens::start("rbac", &[]);
    let [admin, alice] = ["admin", "alice"].map(|name| tokens.api(&server, name));
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    let port = server.address().port();
    let run = |who: &str, arguments: &[&str]| {
        answer(&tool(port, arguments).env("CIRRUS_TOKEN", Tokens::of(who)).output().unwrap())
    };
    let create = async |api: &Api, kind: &str, mut body: Value, fq_name: &[&str]| {
        body["fq_name"] = json!(fq_name);
        body["parent_type"] = "project".into();
        let created = api.post(&format!("/{kind}s"), &json!({ kind: body })).await.ok();
        created[kind]["uuid"].as_str().unwrap().to_owned()
    };
    let blue = ["default-domain", "alice-proj", "blue"];
    create(&alice, "virtual-network", json!({}), &blue).await;
    let refs = json!({"virtual_network_refs": [{"to": blue}]});
    let uuid = create(&alice, "virtual-machine-interface", refs, &["default-domain", "alice-proj", "port"]).await;
    let tables = async |of: &Api| {
        let stored = of.get(&format!("/virtual-machine-interface/{uuid}")).await.ok();
        let refs = stored["virtual-machine-interface"]["interface_route_table_refs"].as_array().cloned();
        let names = refs.unwrap_or_default().into_iter().map(|reference| reference["to"].clone());
        names.collect::<Vec<_>>()
    };
    let here = json!(["default-domain", "alice-proj", uuid]);
    let there = json!(["default-domain", "default-project", uuid]);

    // By a member, from the first to the last.
    assert_eq!(run("alice", &["show", &uuid]), Ok("no static routes\n".to_owned()));
    assert_eq!(run("alice", &["add", &uuid, "10.1.0.0/16"]), Ok(String::new()));
    assert_eq!(tables(&alice).await, std::slice::from_ref(&here));
    assert_eq!(run("alice", &["add", "default-domain:alice-proj:port", "10.2.0.0/16"]), Ok(String::new()));
    assert_eq!(run("admin", &["show", &uuid]), run("alice", &["show", &uuid]));
    assert!(run("alice", &["show", &uuid]).unwrap().contains("10.2.0.0/16"));
    assert_eq!(run("admin", &["delete", &uuid, "10.1.0.0/16"]), Ok(String::new()));
    let refused = run("bob", &["delete", &uuid]).unwrap_err();
    assert!(refused.starts_with(&format!("http://127.0.0.1:{port} answers 403: Permission Denied for ")), "{refused}");
    assert!(refused.ends_with(&format!(" (GET /virtual-machine-interface/{uuid})")), "{refused}");
    assert_eq!(run("alice", &["delete", &uuid]), Ok(String::new()));
    assert_eq!(tables(&admin).await, Vec::<Value>::new());
    assert_eq!(admin.get("/interface-route-tables").await.ok(), json!({"interface-route-tables": []}));

    // A run that was interrupted.
    let routes = json!({"interface_route_table_routes": {"route": [{"prefix": "10.1.0.0/16"}]}});
    let table = create(&alice, "interface-route-table", routes.clone(), &["default-domain", "alice-proj", &uuid]).await;
    assert_eq!(run("alice", &["add", &uuid, "10.1.0.0/16"]), Ok(String::new()));
    assert_eq!(tables(&admin).await, std::slice::from_ref(&here));
    assert!(run("admin", &["delete", &uuid]).is_ok());
    admin.get(&format!("/interface-route-table/{table}")).await.status_is(404);

    // Where earlier releases made it. Members don't see it, and are not kept from having one.
    create(&admin, "interface-route-table", routes, &["default-domain", "default-project", &uuid]).await;
    assert_eq!(run("admin", &["add", &uuid, "10.3.0.0/16"]), Ok(String::new()));
    assert_eq!(tables(&admin).await, std::slice::from_ref(&there));
    assert_eq!(run("alice", &["show", &uuid]), Ok("no static routes\n".to_owned()));
    assert_eq!(run("alice", &["add", &uuid, "10.1.0.0/16"]), Ok(String::new()));
    assert_eq!(tables(&alice).await, [here]);
    assert_eq!(tables(&admin).await.len(), 2);
    assert_eq!(run("alice", &["delete", &uuid]), Ok(String::new()));
    // A table by another name is of several interfaces: the tool leaves it alone.
    let shared = ["default-domain", "alice-proj", "shared"];
    let other = create(&alice, "interface-route-table", json!({}), &shared).await;
    let reference = json!({"type": "virtual-machine-interface", "uuid": uuid, "ref-type": "interface-route-table",
        "ref-uuid": other, "operation": "ADD", "attr": null});
    alice.post("/ref-update", &reference).await.status_is(200);
    assert_eq!(run("alice", &["delete", &uuid]), Err("the interface has no static routes".to_owned()));
    assert_eq!(run("admin", &["delete", &uuid]), Ok(String::new()));
    assert_eq!(tables(&admin).await, [json!(shared)]);
}

async fn network(api: &Api) {
    let body = json!({"virtual-network": {"fq_name": ["default-domain", "default-project", "blue"], "parent_type": "project"}});
    api.post("/virtual-networks", &body).await.ok();
}

async fn interface(api: &Api, name: &str) -> String {
    let refs = json!([{"to": ["default-domain", "default-project", "blue"]}]);
    let fq_name = json!(["default-domain", "default-project", name]);
    let body = json!({"fq_name": fq_name, "parent_type": "project", "virtual_network_refs": refs});
    let created = api.post("/virtual-machine-interfaces", &json!({"virtual-machine-interface": body})).await.ok();
    created["virtual-machine-interface"]["uuid"].as_str().unwrap().to_owned()
}

/// The tables to which an interface refers, without what differs from object to object.
async fn tables(api: &Api, interface: &str) -> Vec<Value> {
    let stored = api.get(&format!("/virtual-machine-interface/{interface}")).await.ok();
    let references = stored["virtual-machine-interface"]["interface_route_table_refs"].as_array().cloned();
    let mut tables = Vec::new();
    for reference in references.unwrap_or_default() {
        let uuid = reference["uuid"].as_str().unwrap();
        let text = api.get(&format!("/interface-route-table/{uuid}")).await.ok().to_string();
        let text = text.replace("\"ours\"", "\"NAME\"").replace("\"theirs\"", "\"NAME\"");
        let mut table: Value =
            serde_json::from_str(&text.replace(interface, "INTERFACE").replace(uuid, "TABLE")).unwrap();
        let id_perms = table["interface-route-table"]["id_perms"].as_object_mut().unwrap();
        id_perms.retain(|name, _| !matches!(name.as_str(), "created" | "last_modified" | "uuid"));
        let mut reference = reference.clone();
        reference.as_object_mut().unwrap().retain(|name, _| matches!(name.as_str(), "attr"));
        tables.push(json!([table, reference]));
    }
    tables
}

async fn routes_come_and_go(api: Api, port: u16) {
    let uuid = interface(&api, "one").await;
    assert_eq!(run(port, &["show", &uuid]), Ok("no static routes\n".to_owned()));
    assert_eq!(run(port, &["show", &uuid, "--json"]), Ok("[]\n".to_owned()));
    assert_eq!(run(port, &["add", &uuid, "10.1.0.0/16"]), Ok(String::new()));
    assert_eq!(run(port, &["add", &uuid, "2001:DB8::/32"]), Ok(String::new()));
    let shown = run(port, &["show", &uuid]).unwrap();
    assert_eq!(
        shown,
        "Prefix         Next hop  Next hop type\n10.1.0.0/16    -         -\n2001:db8::/32  -         -\n"
    );
    let shown: Value = serde_json::from_str(&run(port, &["show", &uuid, "--json"]).unwrap()).unwrap();
    let prefixes: Vec<&Value> = shown.as_array().unwrap().iter().map(|route| &route["prefix"]).collect();
    assert_eq!(prefixes, ["10.1.0.0/16", "2001:db8::/32"]);
    assert_eq!(tables(&api, &uuid).await.len(), 1);
    assert_eq!(run(port, &["delete", &uuid, "10.1.0.0/16"]), Ok(String::new()));
    assert_eq!(tables(&api, &uuid).await.len(), 1);
    assert_eq!(run(port, &["delete", &uuid, "2001:db8:0::/32"]), Ok(String::new()));
    assert!(tables(&api, &uuid).await.is_empty());
    let listed = api.get("/interface-route-tables").await.ok();
    assert_eq!(listed, json!({"interface-route-tables": []}));
    for prefix in ["10.1.0.0/16", "10.2.0.0/16"] {
        run(port, &["add", &uuid, prefix]).unwrap();
    }
    assert_eq!(run(port, &["delete", &uuid]), Ok(String::new()), "all at once");
    assert!(tables(&api, &uuid).await.is_empty());

    // By its name, and as whom: that is in the log.
    let name = "default-domain:default-project:one";
    let since = api.position().await;
    let mut add = tool(port, &["add", name, "10.1.0.0/16"]);
    assert_eq!(answer(&add.env("USER", "alice").output().unwrap()), Ok(String::new()));
    let changes = api.get(&format!("/changes?since={since}")).await.ok()["changes"].clone();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let who = format!("cirrus-interface-route/{} alice@{} 127.0.0.1", env!("CARGO_PKG_VERSION"), host.trim());
    for change in changes.as_array().unwrap() {
        assert_eq!(change["who"], who, "{change}");
    }
    assert_eq!(run(port, &["show", name]), run(port, &["show", &uuid]));
    assert!(run(port, &["show", name]).unwrap().contains("10.1.0.0/16"));
    assert_eq!(run(port, &["delete", name]), Ok(String::new()));
    assert!(tables(&api, &uuid).await.is_empty());
}

async fn mistakes(api: Api, port: u16) {
    let uuid = interface(&api, "two").await;
    run(port, &["add", &uuid, "10.1.0.0/16"]).unwrap();
    let unknown = "11111111-1111-4111-8111-111111111111";
    let no_interface = format!("there is no virtual-machine-interface {unknown}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (port, arguments, complaint) in [
        (port, vec!["add", &uuid, "10.1.0.0/16"], "the interface has a static route 10.1.0.0/16 already"),
        (port, vec!["delete", &uuid, "10.2.0.0/16"], "the interface has no static route 10.2.0.0/16"),
        (
            port,
            vec!["add", &uuid, "10.1.0.0"],
            "'10.1.0.0' is not a prefix: an address and a length are expected, like 10.1.0.0/16",
        ),
        (
            port,
            vec!["add", &uuid, "10.1.0.1/16"],
            "'10.1.0.1/16' is not a prefix: bits are set beyond its length; 10.1.0.0/16 has none",
        ),
        (
            port,
            vec!["delete", &uuid, "nonsense"],
            "'nonsense' is not a prefix: an address and a length are expected, like 10.1.0.0/16",
        ),
        (port, vec!["add", unknown, "10.1.0.0/16"], no_interface.as_str()),
        (port, vec!["delete", unknown], no_interface.as_str()),
        (port, vec!["show", unknown], no_interface.as_str()),
        (
            port,
            vec!["show", "eth0"],
            "'eth0' is neither the uuid of an interface nor its whole name, like default-domain:default-project:port",
        ),
        (
            port,
            vec!["show", "default-domain:default-project:none"],
            "there is no virtual-machine-interface default-domain:default-project:none",
        ),
    ] {
        assert_eq!(run(port, &arguments), Err(complaint.to_owned()), "{arguments:?}");
    }
    let away = run(closed, &["show", &uuid]).unwrap_err();
    assert!(away.starts_with(&format!("127.0.0.1:{closed} can't be reached: ")), "{away}");
    run(port, &["delete", &uuid]).unwrap();
    assert_eq!(run(port, &["delete", &uuid]), Err("the interface has no static routes".to_owned()));
    let usage = tool(port, &["add", &uuid]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2), "a missing argument is a mistake of usage");
}

/// The table is there and the reference is not: the run ended in between.
async fn interrupted(api: Api, port: u16) {
    let uuid = interface(&api, "three").await;
    let table = async || {
        let fq_name = json!(["default-domain", "default-project", uuid]);
        let routes = json!({"route": [{"prefix": "10.1.0.0/16"}]});
        let body = json!({"fq_name": fq_name, "parent_type": "project", "interface_route_table_routes": routes});
        api.post("/interface-route-tables", &json!({"interface-route-table": body})).await.ok();
    };
    table().await;
    assert_eq!(run(port, &["show", &uuid]), Ok("no static routes\n".to_owned()), "of no effect yet");
    assert_eq!(run(port, &["add", &uuid, "10.1.0.0/16"]), Ok(String::new()));
    assert_eq!(tables(&api, &uuid).await.len(), 1);
    run(port, &["delete", &uuid]).unwrap();
    table().await;
    assert_eq!(run(port, &["delete", &uuid, "10.1.0.0/16"]), Ok(String::new()));
    assert_eq!(api.get("/interface-route-tables").await.ok(), json!({"interface-route-tables": []}));
}

async fn same_as_python(api: Api, port: u16) {
    let url = api.base().to_owned();
    let url = url.as_str();
    let (ours, theirs) = (interface(&api, "ours").await, interface(&api, "theirs").await);
    let steps = [
        ("add", "10.1.0.0/16"),
        ("add", "10.2.0.0/16"),
        ("add", "fd00::/8"),
        ("delete", "10.2.0.0/16"),
        ("delete", "10.1.0.0/16"),
        ("delete", "fd00::/8"),
    ];
    for (action, prefix) in steps {
        run(port, &[action, &ours, prefix]).unwrap();
        python::run("static_routes.py", &[url, &theirs, action, prefix], Duration::from_mins(1)).await;
        assert_eq!(tables(&api, &ours).await, tables(&api, &theirs).await, "after {action} {prefix}");
    }
    assert!(tables(&api, &ours).await.is_empty());
    // Each goes on where the other has stopped.
    run(port, &["add", &theirs, "10.3.0.0/16"]).unwrap();
    python::run("static_routes.py", &[url, &theirs, "add", "10.4.0.0/16"], Duration::from_mins(1)).await;
    run(port, &["delete", &theirs, "10.3.0.0/16"]).unwrap();
    python::run("static_routes.py", &[url, &theirs, "delete", "10.4.0.0/16"], Duration::from_mins(1)).await;
    assert_eq!(api.get("/interface-route-tables").await.ok(), json!({"interface-route-tables": []}));
}
