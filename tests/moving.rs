//! In and out: what is exported and imported is exported again byte by byte, and what a running server tells over REST is imported from
//! there; and servers that stop half-way, answer nonsense, or nothing at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::block_in_place;

use crate::export::{done, export, make_everything};
use crate::support::{Api, Checks, Server, cirrus_program, fresh_directory, postgresql::Cluster};

/// As the server that everything is made on: its samples have ids of tags with twelve digits.
const OPTIONS: [&str; 2] = ["--tag-id-digits", "12"];

pub async fn out_and_in_is_the_same() {
    let server = block_in_place(|| Server::start_with(&OPTIONS));
    make_everything(&server.api(), &server.database_url()).await;
    let directory = fresh_directory();
    let cluster = block_in_place(|| Cluster::start("moving", &[]));
    let databases = ["thrift", "cql", "rest"].map(|name| block_in_place(|| cluster.create_database_called(name)));
    let [thrift, cql, rest] = &databases;
    let mut checks = Checks::default();
    let file = directory.path().to_owned();
    checks
        .run("both forms come back as they were", {
            let (url, api, into) = (server.database_url(), server.api(), [thrift.clone(), cql.clone()]);
            forms(file.clone(), url, api, into)
        })
        .await;
    checks.run("from a running server", running(server.url().to_owned(), server.api(), rest.clone())).await;
    checks.finish();
}

fn import(source: &str, url: &str, more: &[&str]) -> Output {
    let mut command = cirrus_program();
    command.args(["import", "--database-url", url]).args(more).arg(source);
    block_in_place(|| command.output().unwrap())
}

fn same(one: &Path, other: &Path) {
    let [left, right] = [one, other].map(|file| fs::read_to_string(file).unwrap());
    let different = left.lines().zip(right.lines()).filter(|(left, right)| left != right);
    let different: Vec<_> = different.take(3).map(|(left, right)| first_difference(left, right)).collect();
    assert!(left == right, "{} and {}: {different:#?}", one.display(), other.display());
}

/// Two lines from where they begin to differ.
fn first_difference(left: &str, right: &str) -> (String, String) {
    let begin = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count().saturating_sub(150);
    let part = |text: &str| text.chars().skip(begin).take(400).collect();
    (part(left), part(right))
}

async fn forms(directory: PathBuf, url: String, api: Api, into: [String; 2]) {
    let file = |name: &str| directory.join(name);
    let write = |url: &str, name: &str| {
        done(&export(url, &file(&format!("{name}-a.json")), &["--format", "thrift"]));
        done(&export(url, &file(&format!("{name}-b.json")), &["--format", "cql"]));
    };
    write(&url, "before");
    for (into, format, name) in [(&into[0], "a", "through-a"), (&into[1], "b", "through-b")] {
        let told = done(&import(file(&format!("before-{format}.json")).to_str().unwrap(), into, &[]));
        println!("{told}");
        write(into, name);
        for format in ["a", "b"] {
            same(&file(&format!("before-{format}.json")), &file(&format!("{name}-{format}.json")));
        }
    }
    let other = block_in_place(|| Server::start_on_with(&into[1], &OPTIONS));
    compare(&api, &other.api(), is_fat_flow).await;
}

/// Everything that REST says of each object, by type and uuid.
async fn told(api: &Api) -> BTreeMap<String, Value> {
    let home = api.get("/").await.ok();
    let links = home["links"].as_array().unwrap().iter().map(|link| &link["link"]);
    let mut told = BTreeMap::new();
    for kind in links.filter(|link| link["rel"] == "collection").map(|link| link["name"].as_str().unwrap()) {
        let list = api.get(&format!("/{kind}s")).await.ok();
        for listed in list[format!("{kind}s")].as_array().unwrap() {
            let path = format!("/{kind}/{}", listed["uuid"].as_str().unwrap());
            told.insert(path.clone(), api.get(&format!("{path}?exclude_hrefs=true")).await.ok());
        }
    }
    let pairs = api.post("/useragent-kv", &json!({"operation": "RETRIEVE", "key": null})).await.ok();
    told.insert("/useragent-kv".to_owned(), pairs);
    told
}

/// Two servers say the same of everything, but that a list without elements is no column (CQL contract 4.1), and so is not there.
/// What is in no order there is not compared in one.
async fn compare(one: &Api, other: &Api, no_order: fn(&Value) -> bool) {
    let (mut before, mut after) = (told(one).await, told(other).await);
    for value in before.values_mut().chain(after.values_mut()) {
        sort(value, no_order);
    }
    let is_empty = |value: &Value| {
        let only = value.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.values().next());
        only.and_then(Value::as_array).is_some_and(Vec::is_empty)
    };
    for object in before.values_mut().filter_map(|object| object.as_object_mut()?.values_mut().next()?.as_object_mut())
    {
        object.retain(|name, value| !(value.is_null() || is_empty(value) && is_of_elements(name)));
    }
    assert!(before.keys().eq(after.keys()), "{:?}", before.keys().find(|path| !after.contains_key(*path)));
    let mut different = Vec::new();
    for (path, object) in &before {
        if *object != after[path] {
            different.push((path, members_that_differ(object, &after[path])));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {}: {:#?}",
        different.len(),
        before.len(),
        &different[..different.len().min(4)]
    );
}

/// What two answers about an object have that the other one does not.
fn members_that_differ(one: &Value, other: &Value) -> Vec<(String, Value, Value)> {
    let members = |value: &Value| {
        value.as_object().and_then(|value| value.values().next()?.as_object().cloned()).unwrap_or_default()
    };
    let (one, other) = (members(one), members(other));
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    let of = |members: &serde_json::Map<String, Value>, name: &String| members.get(name).cloned().unwrap_or_default();
    let both = names.map(|name| (name.clone(), of(&one, name), of(&other, name)));
    both.filter(|(_, one, other)| one != other).collect()
}

/// Sorts all lists of this sort.
fn sort(value: &mut Value, is_meant: fn(&Value) -> bool) {
    match value {
        Value::Array(items) => {
            if items.iter().all(is_meant) {
                items.sort_by_key(|item| (item["uuid"].to_string(), item["port"].to_string()));
            }
            for item in items {
                sort(item, is_meant);
            }
        }
        Value::Object(members) => {
            for member in members.values_mut() {
                sort(member, is_meant);
            }
        }
        _ => {}
    }
}

/// An element of a list of more than ten: positions are sorted as texts, `10` before `2`.
fn is_fat_flow(value: &Value) -> bool {
    value["protocol"].is_string() && value["port"].is_number()
}

/// A child, which may have been made at the same time as another one: nobody tells which was first.
fn is_link(value: &Value) -> bool {
    value["to"].is_array() && value["uuid"].is_string()
}

fn is_of_elements(property: &str) -> bool {
    ["bindings", "fat_flow_protocols", "annotations", "port_mappings"].iter().any(|end| property.ends_with(end))
}

async fn running(source: String, api: Api, into: String) {
    let output = import(&source, &into, &["--dry-run"]);
    assert!(done(&output).contains("would be stored"));
    assert_eq!(tables(&into).await, 0);
    println!("{}", done(&import(&source, &into, &[])));
    let other = block_in_place(|| Server::start_on_with(&into, &OPTIONS));
    compare(&api, &other.api(), is_link).await;
}

/// How many tables a database has.
async fn tables(url: &str) -> i64 {
    let mut database = PgConnection::connect(url).await.unwrap();
    let query = "select count(*) from information_schema.tables where table_schema = 'public'";
    sqlx::query_scalar(query).fetch_one(&mut database).await.unwrap()
}

/// What a server does with a request.
enum Reply {
    Json(Value),
    Status(&'static str, &'static str),
    /// It goes without an answer.
    Close,
    /// It says nothing.
    Hang,
    /// It does not stop.
    Flood,
}

/// A server that answers requests by their first lines, until the process ends. Gives its address.
fn stand_in(mut reply: impl FnMut(&str) -> Reply + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(first)) = lines.next() else { continue };
            let _ = lines.by_ref().map_while(Result::ok).find(String::is_empty);
            let (status, body) = match reply(&first) {
                Reply::Json(value) => ("200 OK", value.to_string()),
                Reply::Status(status, text) => (status, text.to_owned()),
                Reply::Close => continue,
                Reply::Flood => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[");
                    let piece = vec![b' '; 1 << 16];
                    while stream.write_all(&piece).is_ok() {}
                    continue;
                }
                Reply::Hang => {
                    held.push(stream);
                    continue;
                }
            };
            let first_lines =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{first_lines}{body}").as_bytes());
        }
    });
    address
}

fn home() -> Value {
    let link =
        |kind: &str| json!({"link": {"rel": "collection", "name": kind, "href": format!("http://old:8082/{kind}s")}});
    json!({"href": "http://old:8082", "links": [link("domain"), link("project")]})
}

fn domain(number: u32, modified: &str) -> Value {
    json!({"domain": {"uuid": format!("00000000-0000-4000-8000-{number:012}"), "fq_name": [format!("domain-{number}")],
        "id_perms": id_perms(modified)}})
}

fn id_perms(modified: &str) -> Value {
    json!({"enable": true, "created": "2020-01-01T00:00:00.000000", "last_modified": modified})
}

const NOW: &str = "2020-01-02T00:00:00.000000";

/// What a server says that is sound: a type with one object, and one without.
fn sound(request: &str) -> Reply {
    let path = request.split(' ').nth(1).unwrap();
    let (path, arguments) = path.split_once('?').unwrap_or((path, ""));
    Reply::Json(match path {
        "/" => home(),
        "/obj-perms" => json!({"token_info": null, "is_cloud_admin_role": false, "is_global_read_only_role": false}),
        "/domains" if arguments.contains("detail=true") => json!({"domains": [domain(1, NOW)], "marker": null}),
        "/domains" => json!({"domains": [domain(1, NOW)["domain"]], "marker": null}),
        "/projects" => json!({"projects": [], "marker": null}),
        "/useragent-kv" => json!({"value": [{"key": "k", "value": "v"}]}),
        _ => return Reply::Status("404 Not Found", "no"),
    })
}

pub async fn servers_that_can_not_be_moved_from() {
    let cluster = block_in_place(|| Cluster::start("moving-from", &[]));
    let url = block_in_place(|| cluster.create_database_called("moving"));
    let refused = async |what: &str, address: String, status: i32, texts: &[&str]| {
        let output = import(&address, &url, &["--answer-within", "1"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{what}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{what}: {errors}");
        for text in texts {
            assert!(errors.contains(text), "{what}: '{text}' is expected in {errors}");
        }
        assert_eq!(tables(&url).await, 0, "{what}");
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refused("nobody there", format!("http://{nobody}"), 1, &["can't be reached", "nothing was stored"]).await;
    refused("no name", "http://a b".to_owned(), 2, &["is not the name of a host"]).await;
    let page = stand_in(|_| Reply::Status("200 OK", "<html>hello</html>"));
    refused("a page", page, 1, &["no JSON", "nothing was stored"]).await;
    let other = stand_in(|_| Reply::Json(json!({"links": 7})));
    refused("another server", other, 1, &["no home page of a contrail-api"]).await;
    let empty = stand_in(|_| Reply::Json(json!({"links": []})));
    refused("no types", empty, 1, &["lists no types"]).await;
    let stops = stand_in(|request| if request.contains("/projects") { Reply::Close } else { sound(request) });
    refused("stops half-way", stops, 1, &["/projects?", "nothing was stored"]).await;
    let fails = stand_in(|request| {
        if request.contains("/projects") {
            Reply::Status("503 Service Unavailable", "No connection to zookeeper.")
        } else {
            sound(request)
        }
    });
    refused("fails half-way", fails, 1, &["/projects?", "503: No connection to zookeeper."]).await;
    let hangs = stand_in(|request| if request.contains("/useragent-kv") { Reply::Hang } else { sound(request) });
    refused("hangs", hangs, 1, &["/useragent-kv: ", "timeout"]).await;
    for (what, list, text) in [
        ("no list", json!({"domains": 7}), "no list 'domains'"),
        ("no object", json!({"domains": [7]}), "not in a 'domain'"),
        ("an empty page", json!({"domains": [], "marker": "a:b"}), "no object on this page"),
        ("the same page", json!({"domains": [domain(1, NOW)], "marker": "None"}), "is one that was read before"),
        ("a marker that is none", json!({"domains": [domain(1, NOW)], "marker": 7}), "its marker is no text"),
    ] {
        let reply =
            move |request: &str| if request.contains("/domains") { Reply::Json(list.clone()) } else { sound(request) };
        refused(what, stand_in(reply), 1, &[text]).await;
    }
    // Pages without end: markers that alternate, and ones that are always new.
    let mut turn = 0;
    let alternates = stand_in(move |request| {
        if !request.contains("/domains") {
            return sound(request);
        }
        turn += 1;
        let marker = if turn % 2 == 0 { "a" } else { "b" };
        Reply::Json(json!({"domains": [domain(turn, NOW)], "marker": marker}))
    });
    refused("alternates", alternates, 1, &["/domains?", "is one that was read before", "nothing was stored"]).await;
    let mut turn = 0;
    let goes_on = stand_in(move |request| {
        turn += 1;
        let is_meant = request.contains("/domains");
        if is_meant {
            Reply::Json(json!({"domains": [domain(1, NOW)], "marker": format!("m:{turn}")}))
        } else {
            sound(request)
        }
    });
    refused("goes on", goes_on, 1, &["00000000-0000-4000-8000-000000000001 was on a page before this one"]).await;
    let floods = stand_in(|request| if request.contains("/domains") { Reply::Flood } else { sound(request) });
    let output = import(&floods, &url, &[]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && errors.contains("an answer of more than 128 MiB"), "{errors}");
    let changes = stand_in(|request| {
        if request.contains("fields=id_perms") && request.contains("/domains") {
            Reply::Json(
                json!({"domains": [domain(1, "2020-01-03T00:00:00.000000")["domain"], domain(2, NOW)["domain"]]}),
            )
        } else {
            sound(request)
        }
    });
    refused("changes", changes, 1, &["2 objects have come, gone or changed", "00000000-0000-4000-8000-000000000001"])
        .await;
    let member = stand_in(|request| {
        if request.contains("/obj-perms") {
            Reply::Json(json!({"token_info": {"token": {}}, "is_cloud_admin_role": false}))
        } else {
            sound(request)
        }
    });
    refused("a member", member, 2, &["no cloud admin"]).await;
    let asks = stand_in(|request| {
        if request.contains("GET / ") {
            sound(request)
        } else {
            Reply::Status("401 Unauthorized", "Authentication required")
        }
    });
    refused("asks who", asks, 2, &["wants to know who asks"]).await;

    // One that fails twice, and one that knows no pages, are read.
    let failures = Mutex::new(2);
    let pages = stand_in(move |request| {
        let mut failures = failures.lock().unwrap();
        if request.contains("/projects") && *failures > 0 {
            *failures -= 1;
            return Reply::Status("503 Service Unavailable", "a moment");
        }
        let detail = request.contains("detail=true");
        let list = |numbers: std::ops::Range<u32>| -> Vec<Value> {
            numbers
                .map(|number| domain(number, NOW))
                .map(|item| if detail { item } else { item["domain"].clone() })
                .collect()
        };
        match request {
            _ if !request.contains("/domains") => sound(request),
            _ if request.contains("page_marker=None") => {
                Reply::Json(json!({"domains": list(0..500), "marker": "d:\u{fc}"}))
            }
            _ if request.contains("page_marker=d%3A%C3%BC") => {
                Reply::Json(json!({"domains": list(500..501), "marker": null}))
            }
            _ => Reply::Status("400 Bad Request", "marker"),
        }
    });
    let told = done(&import(&pages, &url, &["--dry-run"]));
    assert!(told.contains("501 objects") && told.contains("1 key-value"), "{told}");
    assert_eq!(tables(&url).await, 0);
}
