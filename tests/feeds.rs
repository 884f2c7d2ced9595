//! The feeds over HTTP, and `cirrus watch`: what clients get, how they go on after a break, and what they are told when
//! they can't.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::events::{Event, Events};
use crate::support::tokens::{Tokens, allow_all_types, make_projects};
use crate::support::{Api, Checks, Process, Server, fresh_directory, wait_until};

/// For what has to come at once.
const SOON: Duration = Duration::from_secs(20);

pub async fn feeds() {
    let server = Server::start_with(&["--watch-keepalive-interval", "1", "--watch-limit", "12"]);
    let other = server.start_another();
    let (api, elsewhere) = (server.api(), other.api());
    let mut checks = Checks::default();
    checks.run("a stream without new arguments is that of contrail-api", as_contrail_api(api.clone())).await;
    checks.run("fields that are asked for", fields(api.clone())).await;
    checks.run("silence is broken by a comment", keepalive(api.clone())).await;
    checks.run("ids, bookmarks and going on", going_on(api.clone(), elsewhere.clone())).await;
    checks.run("both ends of a symmetric reference", symmetric_references(api.clone())).await;
    checks.run("a committed draft has another name", renames(api.clone())).await;
    checks.run("every answer says where it is from", revisions(api.clone(), elsewhere.clone())).await;
    checks.run("the log tells who did what", audit(api.clone())).await;
    checks.run("the log tells which fields an update changed", changed_fields(api.clone(), elsewhere.clone())).await;
    checks.run("the log is read from a moment on", from_a_moment(api.clone())).await;
    checks.run("a long poll ends with the change", long_poll(api.clone(), elsewhere)).await;
    checks.run("bad input is refused with the reason", bad_input(api.clone())).await;
    checks.run("there is a limit to watchers", too_many(api)).await;
    checks.finish();
}

pub async fn feeds_and_restarts() {
    let mut checks = Checks::default();
    checks.run("positions hold over a restart, and watchers do not hold it up", restart()).await;
    checks.run("another history has another epoch", another_history()).await;
    checks.run("cirrus watch", terminal()).await;
    checks.finish();
}

fn fq_name(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

async fn create(api: &Api, kind: &str, name: &str) -> String {
    let body = json!({ kind: {"fq_name": fq_name(name), "parent_type": "project"} });
    api.post(&format!("/{kind}s"), &body).await.ok()[kind]["uuid"].as_str().unwrap().to_owned()
}

async fn rename(api: &Api, kind: &str, uuid: &str, name: &str) {
    api.put(&format!("/{kind}/{uuid}"), &json!({ kind: {"display_name": name} })).await.ok();
}

async fn open(api: &Api, query: &str) -> Events {
    Events::open(api, query, None).await.expect("an answer").expect("200")
}

/// The next frame, which has to be an event: its first line, and the JSON of the second.
async fn frame(events: &mut Events) -> (String, Value) {
    let frame = events.next_frame(SOON).await.expect("the stream goes on").expect("a frame in time");
    let lines: Vec<&str> = frame.split('\n').collect();
    assert_eq!(lines.len(), 4, "event, data, and two ends of lines: {frame:?}");
    let data = lines[1].strip_prefix("data: ").expect("data");
    (lines[0].to_owned(), serde_json::from_str(data).unwrap())
}

async fn as_contrail_api(api: Api) {
    let before = create(&api, "virtual-network", "watched-before").await;
    let mut events = open(&api, "resource_type=virtual_network,network_policy").await;
    let (event, data) = frame(&mut events).await;
    assert_eq!(event, "event: init");
    let networks = data["virtual-networks"].as_array().unwrap();
    let found = networks.iter().find(|item| item["virtual-network"]["uuid"] == before.as_str()).unwrap();
    let found = found["virtual-network"].as_object().unwrap();
    assert_eq!(found["parent_type"], "project");
    assert!(found.contains_key("id_perms") && found.contains_key("virtual_network_network_id"));
    for absent in ["href", "name", "routing_instances"] {
        assert!(!found.contains_key(absent), "{absent} is not in the init");
    }
    let (event, data) = frame(&mut events).await;
    assert_eq!((event.as_str(), data), ("event: init", json!({"network-policys": []})));

    let network = create(&api, "virtual-network", "watched").await;
    let (event, data) = frame(&mut events).await;
    let created = &data["virtual-network"];
    assert_eq!((event.as_str(), &created["uuid"]), ("event: create", &json!(network)));
    assert_eq!(created["routing_instances"][0]["to"].as_array().unwrap().len(), 4, "with children");
    assert!(created.get("href").is_none() && created.get("name").is_none());
    rename(&api, "virtual-network", &network, "another").await;
    let (event, data) = frame(&mut events).await;
    assert_eq!((event.as_str(), &data["virtual-network"]["display_name"]), ("event: update", &json!("another")));
    let policy = create(&api, "network-policy", "watched").await;
    assert_eq!(frame(&mut events).await.0, "event: create");
    let body = json!({
        "type": "virtual-network", "uuid": network, "ref-type": "network-policy", "ref-uuid": policy,
        "operation": "ADD", "attr": {"sequence": {"major": 0, "minor": 0}},
    });
    api.post("/ref-update", &body).await.ok();
    let (event, data) = frame(&mut events).await;
    assert_eq!(
        (event.as_str(), &data["virtual-network"]["network_policy_refs"][0]["uuid"]),
        ("event: update", &json!(policy))
    );
    api.delete(&format!("/virtual-network/{network}")).await.status_is(200);
    let (event, data) = frame(&mut events).await;
    assert_eq!((event.as_str(), data), ("event: delete", json!({"virtual-network": {"uuid": network}})));
}

async fn fields(api: Api) {
    let mut events =
        open(&api, "resource_type=network-policy&network-policy_fields=display_name,virtual_network_back_refs").await;
    frame(&mut events).await;
    let policy = create(&api, "network-policy", "fields").await;
    let (_, data) = frame(&mut events).await;
    let project = data["network-policy"]["parent_uuid"].clone();
    let wanted = json!({"network-policy": {
        "uuid": policy, "fq_name": fq_name("fields"), "parent_type": "project", "parent_uuid": project,
        "display_name": "fields",
    }});
    assert_eq!(data, wanted);
}

async fn keepalive(api: Api) {
    let mut events = open(&api, "resource_type=alarm&alarm_fields=x").await;
    frame(&mut events).await;
    assert_eq!(events.next_frame(SOON).await, Some(Some(":\n\n".to_owned())));
}

async fn next(events: &mut Events) -> Event {
    events.next().await.expect("the stream goes on")
}

async fn going_on(api: Api, elsewhere: Api) {
    let query = "resource_type=virtual_network,routing_instance&init=stream&bookmarks=true";
    let mut events = open(&api, query).await;
    let mut initial = Vec::new();
    let bookmark = loop {
        let event = next(&mut events).await;
        if event.name == "bookmark" {
            break event;
        }
        assert_eq!((event.name.as_str(), &event.id), ("create", &None));
        initial.push(event);
    };
    assert!(initial.len() >= 9, "networks and routing instances");
    assert_eq!(bookmark.data["initial"], true);
    assert_eq!(bookmark.id.as_deref(), bookmark.data["revision"].as_str());

    let one = create(&api, "virtual-network", "going-on-1").await;
    let (network, instance) = (next(&mut events).await, next(&mut events).await);
    assert_eq!((&network.data["virtual-network"]["uuid"], &network.id), (&json!(one), &None), "the request goes on");
    assert_eq!(instance.data["routing-instance"]["fq_name"][3], "going-on-1");
    let id = instance.id.expect("the end of the request");
    drop(events);

    let two = create(&elsewhere, "virtual-network", "going-on-2").await;
    // The other process goes on as well; the header counts, not the argument that a client repeats.
    let again = format!("{query}&since={}", bookmark.id.unwrap());
    let mut events = Events::open(&elsewhere, &again, Some(&id)).await.unwrap().unwrap();
    let event = next(&mut events).await;
    assert_eq!((event.name.as_str(), &event.data["virtual-network"]["uuid"]), ("create", &json!(two)), "no start");
    drop(events);
    let mut events = open(&elsewhere, &again).await;
    assert_eq!(next(&mut events).await.data["virtual-network"]["uuid"], one.as_str());
    drop(events);

    // A filter that hides the end of a request: the id stands on what is seen of it, and is the end all the same.
    let since = api.position().await;
    let mut events = open(&api, &format!("resource_type=virtual_network&since={since}")).await;
    create(&api, "virtual-network", "going-on-3").await;
    let event = next(&mut events).await;
    assert_eq!(event.id, Some(api.position().await));

    // All types.
    let mut events = open(&api, &format!("resource_type=*&since={since}&virtual_network_fields=display_name")).await;
    let (network, instance) = (next(&mut events).await, next(&mut events).await);
    assert_eq!(network.data["virtual-network"]["display_name"], "going-on-3");
    assert!(network.data["virtual-network"].get("id_perms").is_none());
    assert!(instance.data["routing-instance"].get("id_perms").is_some());
}

async fn symmetric_references(api: Api) {
    let interface = async |name: &str| {
        let network = json!({"to": fq_name("watched-before")});
        let body = json!({"virtual-machine-interface": {
            "fq_name": fq_name(name), "parent_type": "project", "virtual_network_refs": [network],
        }});
        let made = api.post("/virtual-machine-interfaces", &body).await.ok();
        made["virtual-machine-interface"]["uuid"].as_str().unwrap().to_owned()
    };
    let (one, two) = (interface("one").await, interface("two").await);
    let since = api.position().await;
    let mut events = open(&api, &format!("resource_type=virtual_machine_interface&since={since}")).await;
    let body = json!({
        "type": "virtual-machine-interface", "uuid": one, "ref-type": "virtual-machine-interface", "ref-uuid": two,
        "operation": "ADD",
    });
    api.post("/ref-update", &body).await.ok();
    rename(&api, "virtual-machine-interface", &two, "next").await;
    let (first, second) = (next(&mut events).await, next(&mut events).await);
    assert_eq!(first.data["virtual-machine-interface"]["uuid"], one.as_str());
    assert_eq!(second.data["virtual-machine-interface"]["display_name"], "next", "nothing of the other end before");
    let body = api.get(&format!("/changes?since={since}")).await.ok();
    let mut told: Vec<(&str, &str)> = body["changes"].as_array().unwrap().iter().map(operation_and_uuid).collect();
    told[..2].sort_unstable();
    assert_eq!(told, [("update", one.as_str()), ("update-implicit", two.as_str()), ("update", two.as_str())]);
}

fn operation_and_uuid(change: &Value) -> (&str, &str) {
    (change["operation"].as_str().unwrap(), change["uuid"].as_str().unwrap())
}

async fn renames(api: Api) {
    let project = api.find("project", &json!(["default-domain", "default-project"])).await.unwrap();
    let path = format!("/project/{project}");
    api.put(&path, &json!({"project": {"enable_security_policy_draft": true}})).await.ok();
    let body = json!({"address-group": {"fq_name": fq_name("drafted"), "parent_type": "project"}});
    api.post("/address-groups", &body).await.status_is(202);
    let since = api.position().await;
    let mut events = open(&api, &format!("resource_type=address_group&since={since}")).await;
    api.post("/security-policy-draft", &json!({"scope_uuid": project, "action": "commit"})).await.ok();
    let (first, second) = (next(&mut events).await, next(&mut events).await);
    assert_eq!((first.name.as_str(), second.name.as_str()), ("delete", "create"));
    assert_eq!(first.data["address-group"]["uuid"], second.data["address-group"]["uuid"]);
    assert_eq!(second.data["address-group"]["fq_name"], fq_name("drafted"));
    let body = api.get(&format!("/changes?since={since}&resource_type=address_group")).await.ok();
    let change = &body["changes"][0];
    assert_eq!((&change["operation"], &change["fq_name"]), (&json!("rename"), &fq_name("drafted")));
    assert!(change["former_fq_name"].as_array().unwrap().contains(&json!("draft-policy-management")), "{change}");
    api.put(&path, &json!({"project": {"enable_security_policy_draft": false}})).await.ok();
}

async fn revisions(api: Api, elsewhere: Api) {
    let body = json!({"network-policy": {"fq_name": fq_name("revised"), "parent_type": "project"}});
    let made = api.post("/network-policys", &body).await;
    let at = made.headers["x-cirrus-revision"].clone();
    assert_eq!(at, api.position().await);
    let uuid = made.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned();
    let path = format!("/network-policy/{uuid}");
    let read = elsewhere.get(&path).await;
    let etag = read.headers["etag"].clone();
    let unchanged = api.send("GET", &path, &[("If-None-Match", &etag)], None).await.unwrap();
    for answer in [
        read,
        unchanged.status_is(304).clone(),
        api.get("/network-policys").await,
        api.get("/").await,
        api.get("/no-such-path").await.status_is(404).clone(),
        api.post("/network-policys", &json!({})).await.status_is(400).clone(),
        api.post("/fqname-to-id", &json!({"type": "network-policy", "fq_name": fq_name("revised")})).await,
        api.send("HEAD", "/watch?resource_type=alarm", &[], None).await.unwrap(),
    ] {
        assert_eq!(answer.headers["x-cirrus-revision"], at, "{answer}");
    }
    // What a write says is where it is itself, whatever else happens at the time.
    let writes = (0..20).map(|number| {
        let api = if number % 2 == 0 { api.clone() } else { elsewhere.clone() };
        async move {
            let body =
                json!({"network-policy": {"fq_name": fq_name(&format!("revised-{number}")), "parent_type": "project"}});
            let answer = api.post("/network-policys", &body).await;
            let uuid = answer.ok()["network-policy"]["uuid"].clone();
            (answer.headers["x-cirrus-revision"].clone(), uuid)
        }
    });
    let written = futures_util::future::join_all(writes).await;
    let body = api.get(&format!("/changes?since={at}")).await.ok();
    let changes = body["changes"].as_array().unwrap();
    for (revision, uuid) in written {
        let change = changes.iter().find(|change| change["uuid"] == uuid).unwrap();
        assert_eq!(change["revision"], revision.as_str());
    }
}

async fn audit(api: Api) {
    let since = api.position().await;
    let body = json!({"network-policy": {"fq_name": fq_name("audited"), "parent_type": "project"}}).to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Request-Id", "req-audit"),
        ("X-User", "alice"),
        ("User-Agent", "auditor/1"),
    ];
    let answer = api.send("POST", "/network-policys", &headers, Some(body.into_bytes())).await.unwrap();
    let uuid = answer.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned();
    api.delete(&format!("/network-policy/{uuid}")).await.status_is(200);
    let body = api.get(&format!("/changes?since={since}")).await.ok();
    assert_eq!(body["from"], since);
    assert_eq!(body["to"], api.position().await);
    let changes = body["changes"].as_array().unwrap();
    let told: Vec<(&str, &str)> = changes.iter().map(operation_and_uuid).collect();
    assert_eq!(told, [("create", uuid.as_str()), ("delete", uuid.as_str())]);
    let created = &changes[0];
    assert_eq!((&created["type"], &created["fq_name"]), (&json!("network-policy"), &fq_name("audited")));
    assert_eq!(created["request_id"], "req-audit");
    assert_eq!(created["who"], "alice auditor/1 127.0.0.1");
    assert_eq!(created["caller"], json!({"user": "alice", "address": "127.0.0.1"}));
    let time = created["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() == "2026-11-25T13:13:46.388337Z".len(), "{time}");
    assert_eq!(created["object"]["display_name"], "audited");
    assert_eq!(changes[1]["object"]["display_name"], "audited", "the last state of what is gone");

    // Pages of whole requests, and positions from which each goes on.
    let network = create(&api, "virtual-network", "audited").await;
    api.post(&format!("/virtual-network/{network}/ip-alloc"), &json!({"count": 1})).await;
    let first = api.get(&format!("/changes?since={since}&limit=1")).await.ok();
    assert_eq!(first["changes"].as_array().unwrap().len(), 1);
    let all = api.get(&format!("/changes?since={}&limit=3", first["to"].as_str().unwrap())).await.ok();
    assert_eq!(all["changes"].as_array().unwrap().len(), 3, "a delete, and a network with its routing instance");
    let none = api.get(&format!("/changes?since={since}&resource_type=alarm")).await.ok();
    assert_eq!((&none["changes"], &none["to"]), (&json!([]), &json!(api.position().await)));
}

/// The same from the server that decided, which has it in memory, and from another one, which has it from the database.
async fn changed_fields(api: Api, elsewhere: Api) {
    let (network, policy) =
        (create(&api, "virtual-network", "which-fields").await, create(&api, "network-policy", "which-fields").await);
    let since = api.position().await;
    let path = format!("/virtual-network/{network}");
    let put = |content: Value| json!({ "virtual-network": content });
    let perms = api.get(&path).await.ok()["virtual-network"]["id_perms"].clone();
    api.put(&path, &put(json!({"display_name": "other", "mac_aging_time": 100}))).await.ok();
    api.put(&path, &put(json!({"mac_aging_time": null, "network_policy_refs": [{"to": fq_name("which-fields"), "attr": {"sequence": {"major": 0, "minor": 0}}}]})))
        .await
        .ok();
    let mut disabled = perms.clone();
    disabled["description"] = json!("of a network");
    api.put(&path, &put(json!({ "id_perms": disabled }))).await.ok();
    let reference = json!({"type": "virtual-network", "uuid": network, "ref-type": "network-policy", "ref-uuid": policy,
        "ref-fq-name": fq_name("which-fields"), "operation": "ADD", "attr": {"sequence": {"major": 1, "minor": 0}}});
    api.post("/ref-update", &reference).await.ok();
    api.delete(&path).await.status_is(200);
    for api in [api, elsewhere] {
        let body = api.get(&format!("/changes?since={since}&resource_type=virtual_network")).await.ok();
        let changed: Vec<&Value> =
            body["changes"].as_array().unwrap().iter().map(|change| &change["changed"]).collect();
        let wanted = [
            json!(["mac_aging_time", "display_name"]),
            json!(["mac_aging_time", "network_policy_refs"]),
            json!(["id_perms"]),
            json!(["network_policy_refs"]),
            Value::Null,
        ];
        let sorted = |fields: &Value| {
            let mut fields: Vec<String> =
                fields.as_array().into_iter().flatten().map(|field| field.as_str().unwrap().to_owned()).collect();
            fields.sort();
            fields
        };
        assert_eq!(
            changed.iter().map(|fields| sorted(fields)).collect::<Vec<_>>(),
            wanted.iter().map(sorted).collect::<Vec<_>>()
        );
        assert!(changed[4].is_null(), "nothing is told of what is gone");
    }
}

async fn from_a_moment(api: Api) {
    let all = api.get("/changes?since=oldest").await.ok();
    let all = all["changes"].as_array().unwrap();
    for index in [0, all.len() / 2, all.len() - 1] {
        // Of changes at the same moment, the first one begins.
        let time = all[index]["time"].as_str().unwrap();
        let first = all.iter().position(|change| change["time"].as_str().unwrap() == time).unwrap();
        let found = api.get(&format!("/changes?since={time}&limit=10000")).await.ok();
        assert_eq!(found["changes"], json!(all[first..]), "since {time}");
    }
    for (since, wanted) in [("1d", all.len()), ("365000d", all.len()), ("0s", 0), ("2999-01-01T00:00:00Z", 0)] {
        let found = api.get(&format!("/changes?since={since}&limit=10000")).await.ok();
        assert_eq!(found["changes"].as_array().unwrap().len(), wanted, "since {since}");
    }
}

async fn long_poll(api: Api, elsewhere: Api) {
    let since = api.position().await;
    let path = format!("/changes?since={since}&wait=60&resource_type=network_policy");
    let begin = Instant::now();
    let (answer, made) = tokio::join!(api.get(&path), create(&elsewhere, "network-policy", "polled"));
    assert_eq!(answer.ok()["changes"][0]["uuid"], made.as_str());
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

async fn bad_input(api: Api) {
    let current = api.position().await;
    let (epoch, revision) = current.rsplit_once('-').unwrap();
    let future = format!("{epoch}-{}", revision.parse::<u64>().unwrap() + 1000);
    let elsewhere = "8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10-1";
    let watch = |rest: &str| format!("/watch?resource_type=virtual_network&{rest}");
    for (path, status, text) in [
        ("/watch".to_owned(), 400, "resource_type required in request"),
        ("/watch?resource_type=nope".to_owned(), 404, "Invalid Contrail resource type:'nope'"),
        ("/watch?resource_type=virtual_network,".to_owned(), 404, "Invalid Contrail resource type:''"),
        (watch("since=yesterday"), 400, "since: 'yesterday' is no position: <epoch>-<revision> is expected"),
        (watch("bookmarks=maybe"), 400, "bookmarks must be 'true' or 'false', not 'maybe'"),
        (watch("init=all"), 400, "init must be 'stream', not 'all'"),
        ("/changes?limit=0".to_owned(), 400, "limit must be a whole number from 1 to 10000, not '0'"),
        ("/changes?limit=many".to_owned(), 400, "limit must be a whole number"),
        ("/changes?wait=61".to_owned(), 400, "wait must be a whole number from 0 to 60, not '61'"),
        ("/changes?resource_type=nope".to_owned(), 404, "Invalid Contrail resource type:'nope'"),
        ("/changes?since=%00".to_owned(), 400, "is no position"),
    ] {
        let answer = api.get(&path).await;
        assert!(answer.status_is(status).text.contains(text), "{answer}: should say '{text}'");
    }
    let header = api.send("GET", &watch(""), &[("Last-Event-ID", "7")], None).await.unwrap();
    assert!(header.status_is(400).text.contains("Last-Event-ID: '7' is no position"), "{header}");
    for (since, reason) in [(elsewhere, "compacted"), (future.as_str(), "future")] {
        for path in [watch(&format!("since={since}")), format!("/changes?since={since}")] {
            let answer = api.get(&path).await;
            let body = answer.status_is(410).json();
            assert_eq!(answer.headers["content-type"], "application/json");
            assert_eq!((&body["error"], &body["current"]), (&json!(reason), &json!(current)), "{answer}");
            assert_eq!(body["oldest"], format!("{epoch}-0"));
        }
    }
    api.post("/changes", &json!({})).await.status_is(405);
}

pub async fn no_project_has_all_watchers() {
    let (server, tokens) = Tokens::start("rbac", &["--watch-keepalive-interval", "1", "--watch-limit", "8"]);
    let [admin, alice, bob] = ["admin", "alice", "bob"].map(|name| tokens.api(&server, name));
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    let watch = "resource_type=alarm";
    let first = open(&alice, watch).await;
    let second = open(&alice, watch).await;
    let text =
        "This project has 2 of 8 watchers already; no more are served to one project (a quarter of --watch-limit)";
    // Who waits is one of them, and who does not is none.
    for path in ["/watch?resource_type=alarm", "/changes?wait=60"] {
        assert_eq!(alice.get(path).await.status_is(503).text, text, "{path}");
    }
    alice.get("/changes").await.status_is(200);
    let others = [open(&bob, watch).await, open(&bob, watch).await];
    bob.get("/watch?resource_type=alarm").await.status_is(503);
    let administrators = [open(&admin, watch).await, open(&admin, watch).await, open(&admin, watch).await];
    drop(first);
    let begin = Instant::now();
    let third = loop {
        if let Ok(events) = Events::open(&alice, watch, None).await.unwrap() {
            break events;
        }
        assert!(begin.elapsed() < SOON, "watchers that have left are still counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    alice.get("/watch?resource_type=alarm").await.status_is(503);
    drop((second, third, others, administrators));
}

async fn too_many(api: Api) {
    // Those of the checks before may still be about to end.
    let mut watchers = Vec::new();
    let refused = loop {
        match Events::open(&api, "resource_type=alarm", None).await.unwrap() {
            Ok(events) => watchers.push(events),
            Err(status) if watchers.len() == 12 => break status,
            Err(status) => {
                assert_eq!(status, 503);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(watchers.len() <= 12);
    };
    assert_eq!(refused, 503);
    let text = api.get("/watch?resource_type=alarm").await;
    assert!(text.status_is(503).text.contains("12 watchers already"), "{text}");
    drop(watchers);
    // A watcher that has left is noticed with the next sign of life at the latest.
    let begin = Instant::now();
    while Events::open(&api, "resource_type=alarm", None).await.unwrap().is_err() {
        assert!(begin.elapsed() < SOON, "watchers that have left are still counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn restart() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let mut server = Server::start_in(&data);
    let api = server.api();
    let since = api.position().await;
    create(&api, "network-policy", "before").await;
    let mut events = open(&api, "resource_type=network_policy").await;
    frame(&mut events).await;
    let begin = Instant::now();
    assert!(server.terminate().success());
    assert!(begin.elapsed() < SOON, "a watcher holds up the stop: {:?}", begin.elapsed());
    assert_eq!(events.next_frame(SOON).await, None, "the stream ends");
    drop(server);
    let server = Server::start_in(&data);
    let mut events = open(&server.api(), &format!("resource_type=network_policy&since={since}")).await;
    assert_eq!(next(&mut events).await.data["network-policy"]["display_name"], "before");
    create(&server.api(), "network-policy", "after").await;
    assert_eq!(next(&mut events).await.data["network-policy"]["display_name"], "after");
}

async fn another_history() {
    let server = Server::start();
    let api = server.api();
    let since = api.position().await;
    let mut events = open(&api, &format!("resource_type=network_policy&since={since}")).await;
    create(&api, "network-policy", "of-this-history").await;
    assert_eq!(next(&mut events).await.name, "create");
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    // As if the database were a copy of it on another machine, of an earlier time.
    let restore = "update feed_sequence set cluster = 'elsewhere', last_rev = last_rev - 1;
        delete from change where rev > (select last_rev from feed_sequence);
        delete from object where fq_name[3] = 'of-this-history'";
    sqlx::raw_sql(restore).execute(&mut database).await.unwrap();
    server.kill_database();
    let event = next(&mut events).await;
    assert_eq!(event.name, "gone", "{event:?}");
    assert_eq!(events.next().await, None);
    assert_ne!(event.data["current"], since);
    api.get(&format!("/changes?since={since}")).await.status_is(410);
    // The server knows what there is now, and goes on from there.
    assert_eq!(api.get("/network-policys").await.ok(), json!({"network-policys": []}));
    create(&api, "network-policy", "of-another-history").await;
    let (old, new) = (since.rsplit_once('-').unwrap().0, api.position().await);
    assert_ne!(new.rsplit_once('-').unwrap().0, old);
}

async fn terminal() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let mut server = Server::start_in(&data);
    let api = server.api();
    let port = server.address().port().to_string();
    let (lines, as_json) = (["watch", "-s", "127.0.0.1", "-p", &port], ["--type", "network-policy", "--json"]);
    let mut people = Process::start(&[&lines[..], &["--since", "oldest", "--type", "network_policy"]].concat());
    let mut programs = Process::start(&[&lines[..], &as_json, &["--since", "oldest"]].concat());
    let uuid = create(&api, "network-policy", "blue").await;
    let line = people.next_line(SOON).unwrap();
    assert!(line.contains(&format!(" create network-policy default-domain:default-project:blue {uuid}")), "{line}");
    let change: Value = serde_json::from_str(&programs.next_line(SOON).unwrap()).unwrap();
    assert_eq!(change["object"]["display_name"], "blue");
    rename(&api, "network-policy", &uuid, "sky").await;
    let line = people.next_line(SOON).unwrap();
    assert!(line.contains(&format!(" {uuid} changed: display_name (")), "{line}");
    assert!(line.split(' ').next().unwrap().ends_with('Z'), "{line}");
    // From some time ago on, by a tool that says who it is.
    let mut later = Process::start(&[&lines[..], &["--since", "2h", "--type", "network_policy"]].concat());
    assert!(later.next_line(SOON).unwrap().contains(" create network-policy "));
    assert_eq!(later.next_line(SOON).unwrap(), line);
    later.signal("TERM");
    later.wait(SOON);

    // The server is away for a time; what happened before it went and after it came is there, once.
    assert!(server.terminate().success());
    drop(server);
    wait_until("the connection is missed", SOON, || people.errors().contains("trying again until it is back"));
    let address = format!("127.0.0.1:{port}");
    let server = Process::start(&["serve", "--listen", &address, "--data-dir", data.to_str().unwrap()]);
    assert!(server.next_line(Duration::from_mins(1)).unwrap().contains(&address));
    // Through a connection of its own: those of before ended with the server.
    let api = Api::new(&format!("http://{address}"));
    create(&api, "network-policy", "green").await;
    let line = people.next_line(SOON).unwrap();
    assert!(line.contains(" create network-policy default-domain:default-project:green "), "{line}");
    wait_until("the return is told", SOON, || people.errors().contains("nothing was missed"));
    for process in [&mut people, &mut programs] {
        process.signal("TERM");
        process.wait(SOON);
    }

    let refused = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_cirrus")).args([&lines[..], arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().count(), 1, "one line: {text}");
        text
    };
    assert!(refused(&["--type", "nope"]).contains("answers 404: Invalid Contrail resource type:'nope'"));
    assert!(refused(&["--since", "yesterday"]).contains("'yesterday' is no position"));
    assert!(refused(&["--since", "8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10-1"]).contains("are not to be had"));
    drop(server);
    assert!(refused(&[]).contains("can't be reached"));
}
