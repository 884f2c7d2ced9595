//! Clients that ask for a lot, or take nothing of what they asked for: they get what is theirs, or a clear refusal, and the
//! others do not notice. The figures are printed.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Answer, Api, Checks, Server};

/// What has to be there within this time is not told as late by a client that waits for a minute.
const SOON: Duration = Duration::from_secs(10);
const NETWORKS: usize = 1500;
/// Detailed 16 MiB.
const POLICIES: usize = 160;
const DISPLAY_NAME: usize = 100_000;
const READERS: usize = 50;
const BODIES: usize = 40;
/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

pub async fn clients_that_ask_for_a_lot() {
    let server = Server::start_with(&["--log", "warn"]);
    let api = server.api();
    create_policies(&api).await;
    let uuids = create_networks(&api).await;
    let mut checks = Checks::default();
    checks.run("long lists of arguments", long_arguments(api.clone(), uuids)).await;
    checks.run("what looks at everything leaves room for others", long_work(api.clone())).await;
    checks.run("texts by key", texts_by_key(api.clone())).await;
    checks.finish();
}

pub async fn clients_that_take_nothing() {
    let server = Server::start_with(&["--log", "warn"]);
    let (api, address, process) = (server.api(), server.address(), server.process_id());
    create_policies(&api).await;
    let mut checks = Checks::default();
    checks.run("readers that stop in a large list", stopped_readers(api.clone(), address, process)).await;
    checks.run("readers that stop in everything there is", stopped_dumps(api.clone(), address, process)).await;
    checks.run("large bodies at the same time", large_bodies(api.clone(), process)).await;
    checks.finish();
}

pub async fn connections() {
    let server = Server::start_with(&["--log", "warn"]);
    let (api, address) = (server.api(), server.address());
    create(&api, "network-policy", "large", &"x".repeat(DISPLAY_NAME)).await;
    for number in 0..3 {
        create(&api, "network-policy", &format!("larger-{number}"), &"x".repeat(DISPLAY_NAME)).await;
    }
    let mut checks = Checks::default();
    // This one waits most of the time.
    let slow_heads = tokio::spawn(heads_that_never_end(address));
    checks.run("HTTP/1.0 knows of no pieces", http_1_0(address)).await;
    checks.run("first lines that are too long", long_lines(address)).await;
    checks.run("heads that never end", async { slow_heads.await.unwrap() }).await;
    checks.finish();
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

async fn create(api: &Api, kind: &str, name: &str, display_name: &str) -> String {
    let fq_name = ["default-domain", "default-project", name];
    let body = json!({kind: {"fq_name": fq_name, "parent_type": "project", "display_name": display_name}});
    api.post(&format!("/{kind}s"), &body).await.ok()[kind]["uuid"].as_str().unwrap().to_owned()
}

async fn create_policies(api: &Api) {
    let policies = (0..POLICIES).map(|number| async move {
        create(api, "network-policy", &format!("large-{number}"), &"x".repeat(DISPLAY_NAME)).await
    });
    stream::iter(policies).buffered(16).collect::<Vec<_>>().await;
}

async fn create_networks(api: &Api) -> Vec<String> {
    let networks = (0..NETWORKS).map(|number| async move {
        let name = format!("network-{number}");
        create(api, "virtual-network", &name, &name).await
    });
    stream::iter(networks).buffered(16).collect().await
}

async fn in_time<T>(what: &str, answer: impl Future<Output = T>) -> T {
    let begin = Instant::now();
    let answer = timeout(SOON, answer).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"));
    println!("{:>8.3} s  {what}", begin.elapsed().as_secs_f64());
    answer
}

async fn bulk(api: &Api, what: &str, arguments: Value) -> Answer {
    let mut body = json!({"type": "virtual-network", "exclude_hrefs": true});
    body.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    in_time(what, api.post("/list-bulk-collection", &body)).await
}

fn items(answer: &Answer) -> usize {
    answer.ok()["virtual-networks"].as_array().unwrap().len()
}

fn refused(answer: &Answer, text: &str) {
    assert_eq!(answer.status_is(400).text, text);
}

fn joined(numbers: impl Iterator<Item = usize>, name: impl Fn(usize) -> String) -> String {
    numbers.map(name).collect::<Vec<_>>().join(",")
}

async fn long_arguments(api: Api, uuids: Vec<String>) {
    let all = api.get("/virtual-networks?count=true").await.ok()["virtual-networks"]["count"].as_u64().unwrap();
    let all = usize::try_from(all).unwrap();

    let fields = |of: usize| joined(0..90_000, |number| format!("f{:05}", number % of));
    let answer = bulk(&api, "90,000 fields, all the same 900", json!({"fields": fields(900)})).await;
    assert_eq!(items(&answer), all);
    let answer = bulk(&api, "90,000 different fields", json!({"fields": fields(90_000)})).await;
    refused(&answer, "Bad Request, fields names 90000 different things: the limit is 1000 in one request");

    let filters = |count: usize, of: usize| joined(0..count, |number| format!("display_name==network-{}", number % of));
    let answer = bulk(&api, "10,000 different filters", json!({"filters": filters(10_000, 10_000)})).await;
    assert_eq!(items(&answer), NETWORKS);
    let answer = bulk(&api, "33,000 filters, all the same 7", json!({"filters": filters(33_000, 7)})).await;
    assert_eq!(items(&answer), 7);
    let answer = bulk(&api, "33,000 different filters", json!({"filters": filters(33_000, 33_000)})).await;
    refused(&answer, "Bad Request, filters names 33000 different things: the limit is 10000 in one request");

    let project = api.find("project", &json!(["default-domain", "default-project"])).await.unwrap();
    let parents = vec![project.as_str(); 1500].join(",");
    let path = format!("/virtual-networks?count=true&parent_id={parents}");
    let answer = in_time("the same parent 1,500 times", api.get(&path)).await;
    let once = api.get(&format!("/virtual-networks?count=true&parent_id={project}")).await.ok();
    assert_eq!(answer.ok(), once);
    assert!(once["virtual-networks"]["count"].as_u64().unwrap() >= NETWORKS as u64);
    // A back reference is a set, too, and so is what is looked for below a parent.
    let many = joined(0..25_000, |_| Uuid::new_v4().to_string());
    let answer = bulk(&api, "25,000 back references", json!({"parent_id": project, "back_ref_id": many})).await;
    assert_eq!(items(&answer), 0);

    // What clients do send: a bulk list by uuid, in which each comes once, in the order asked for.
    let mut asked: Vec<String> = (0..8500).map(|_| Uuid::new_v4().to_string()).collect();
    asked.extend(uuids.iter().chain(&uuids).cloned());
    let answer = bulk(&api, "11,500 uuids", json!({"obj_uuids": asked.join(",")})).await;
    let listed = answer.ok()["virtual-networks"].clone();
    let listed: Vec<&str> = listed.as_array().unwrap().iter().map(|item| item["uuid"].as_str().unwrap()).collect();
    assert_eq!(listed, uuids);

    // A deep path to a text that is refused.
    let body = json!({"virtual-network": {"y".repeat(400_000): vec![0; 100_000], "z": "\0"}});
    let answer = in_time("a long name over many values", api.post("/virtual-networks", &body)).await;
    assert_eq!(answer.status_is(400).text, "Bad Request, NUL characters are not allowed: virtual-network.z");
}

/// Lists that nothing passes, each of which looks at all objects, in the largest number that is served.
async fn long_work(api: Api) {
    let filters = joined(0..9000, |number| format!("display_name==none-{number}"));
    let body = json!({"type": "network-policy", "filters": filters});
    let mut lists = JoinSet::new();
    for _ in 0..32 {
        let (api, body) = (api.clone(), body.clone());
        lists.spawn(async move { api.post("/list-bulk-collection", &body).await.ok() });
    }
    while lists.len() > 4 {
        in_time("a read beside them", api.get("/network-ipams")).await.ok();
        lists.join_next().await.unwrap().unwrap();
    }
    lists.join_all().await;
}

/// A line of `/proc/.../status`, in MiB.
fn memory(process: u32, line: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|status| status.strip_prefix(line)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Sends a request and reads so many bytes of the answer.
async fn read_a_part(address: SocketAddr, request: String, bytes: usize) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; bytes];
    if bytes > 0 {
        connection.read_exact(&mut buffer).await.unwrap();
    }
    connection
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

async fn stopped_readers(api: Api, address: SocketAddr, process: u32) {
    let policies = api.get("/network-policys?detail=true").await.ok();
    assert!(policies.to_string().len() > 15 << 20);
    let before = memory(process, "VmRSS");
    let mut readers = Vec::new();
    for number in 0..READERS {
        // The connection holds up to 10 MB more, and not the rest.
        readers.push(read_a_part(address, get("/network-policys?detail=true"), 2 << 20).await);
        if number % 2 == 0 {
            // The next one reads another list.
            create(&api, "network-policy", &format!("between-{number}"), "").await;
        }
    }
    let after = memory(process, "VmRSS");
    println!("{READERS} readers stop in a list of 16 MiB: {before:.0} -> {after:.0} MiB");
    assert!(after < before + 100.0, "memory grows from {before:.0} to {after:.0} MiB");
    // They find the rest when they go on.
    let mut rest = Vec::new();
    let mut reader = readers.pop().unwrap();
    while !rest.ends_with(b"\r\n0\r\n\r\n") {
        assert!(timeout(SOON, reader.read_buf(&mut rest)).await.unwrap().unwrap() > 0);
    }
    assert!(rest.len() > 3 << 20);
}

async fn stopped_dumps(api: Api, address: SocketAddr, process: u32) {
    let before = memory(process, "VmRSS");
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let post = |path: &str, body: &str| {
            let length = body.len();
            format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        readers.push(read_a_part(address, post("/fetch-records", ""), 1000).await);
        readers.push(read_a_part(address, post("/obj-cache", r#"{"count": 1000000}"#), 1000).await);
        readers.push(read_a_part(address, get("/watch?resource_type=network_policy"), 1000).await);
        readers.push(read_a_part(address, get("/watch?resource_type=*&init=stream"), 1000).await);
        readers.push(read_a_part(address, get("/openapi.json"), 1000).await);
    }
    let after = memory(process, "VmRSS");
    println!("{} readers stop in dumps of 17 MiB: {before:.0} -> {after:.0} MiB", readers.len());
    assert!(after < before + 300.0, "memory grows from {before:.0} to {after:.0} MiB");
    drop(readers);
    // Both are whole when they are read.
    let records = api.post("/fetch-records", &json!({})).await.ok();
    let by_type = records["results"].as_array().unwrap();
    let all: usize = by_type.iter().map(|objects| objects.as_array().unwrap().len()).sum();
    let cached = api.post("/obj-cache", &json!({"count": 1_000_000})).await.ok();
    assert_eq!(cached.as_object().unwrap().len(), all);
    assert_eq!(api.post("/obj-cache", &json!({"count": 0})).await.ok(), json!({}));
    let uuid = cached["1"]["obj_dict"]["uuid"].clone();
    let cached = api.post("/obj-cache", &json!({"uuids": [uuid, uuid, "none"]})).await.ok();
    assert_eq!((cached.as_object().unwrap().len(), &cached["1"]["obj_dict"]["uuid"]), (1, &uuid));
    let policies = by_type.iter().find(|objects| objects[0]["type"] == "network_policy").unwrap();
    assert!(policies.as_array().unwrap().len() >= POLICIES);
}

async fn large_bodies(api: Api, process: u32) {
    let before = memory(process, "VmRSS");
    // Short to write, and large to hold.
    let values = vec!["{\"\":0}"; 123_000].join(",");
    let mut clients = JoinSet::new();
    for number in 0..BODIES {
        let name = format!("[\"default-domain\", \"default-project\", \"body-{number}\"]");
        let body = format!(
            "{{\"network-policy\": {{\"fq_name\": {name}, \"parent_type\": \"project\", \"unknown\": [{values}]}}}}"
        );
        let api = api.clone();
        clients.spawn(async move {
            let json = [("Content-Type", "application/json")];
            let answer = api.send("POST", "/network-policys", &json, Some(body.into_bytes())).await.unwrap();
            (answer.status, answer.headers.get("retry-after").cloned())
        });
    }
    // Small ones do not wait for them.
    for number in 0..20 {
        let name = format!("beside-{number}");
        in_time("a create beside large bodies", create(&api, "network-policy", &name, "")).await;
    }
    let mut stored = 0;
    for (status, again) in clients.join_all().await {
        assert!(status == 200 || status == 503 && again.is_some(), "{status}");
        stored += usize::from(status == 200);
    }
    let peak = memory(process, "VmHWM");
    println!("{BODIES} bodies of 864 KB, {stored} of which were taken: {before:.0} -> at most {peak:.0} MiB");
    assert!(stored >= BODIES / 4, "{stored}");
    assert!(peak < before + 700.0, "memory grows from {before:.0} to {peak:.0} MiB");
}

async fn texts_by_key(api: Api) {
    let store = async |key: &str, value: &str| {
        let body = json!({"operation": "STORE", "key": key, "value": value});
        api.post("/useragent-kv", &body).await.status_is(200);
    };
    let retrieve = async |key: Value| {
        let body = json!({"operation": "RETRIEVE", "key": key});
        api.post("/useragent-kv", &body).await.ok()["value"].clone()
    };
    assert_eq!(retrieve(Value::Null).await, json!([]));
    let large = "v".repeat(90_000);
    let keys: Vec<String> = (0..30).map(|number| format!("key-{number:02}")).collect();
    for key in &keys {
        store(key, &large).await;
    }
    let pairs: Vec<Value> = keys.iter().map(|key| json!({"key": key, "value": large})).collect();
    assert_eq!(retrieve(Value::Null).await, json!(pairs));
    let repeated = vec!["key-07"; 50_000];
    assert_eq!(in_time("a key 50,000 times", retrieve(json!(repeated))).await, json!([large]));
}

/// What comes until the server closes the connection.
async fn to_the_end(mut connection: TcpStream, within: Duration) -> String {
    let mut answer = Vec::new();
    let read = async { while let Ok(1..) = connection.read_buf(&mut answer).await {} };
    timeout(within, read).await.unwrap_or_else(|_| panic!("the connection is still open after {within:?}"));
    String::from_utf8_lossy(&answer).into_owned()
}

async fn http_1_0(address: SocketAddr) {
    let request = "GET /network-policys?detail=true HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned();
    let answer = to_the_end(read_a_part(address, request, 0).await, SOON).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert!(!head.to_lowercase().contains("keep-alive"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(body["network-policys"].as_array().unwrap().len() >= 4);
    // Without a name of the host hrefs begin with the address.
    let answer = to_the_end(read_a_part(address, "GET / HTTP/1.0\r\n\r\n".to_owned(), 0).await, SOON).await;
    assert!(answer.contains(&format!("{{\"href\":\"http://{address}\",")), "{answer}");
    let watch = "GET /watch?resource_type=alarm HTTP/1.0\r\n\r\n".to_owned();
    let mut connection = read_a_part(address, watch, 0).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"]}\n\n") {
        assert!(timeout(SOON, connection.read_buf(&mut answer)).await.unwrap().unwrap() > 0);
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert!(body.starts_with("event: init\ndata: {"), "{body}");
}

async fn long_lines(address: SocketAddr) {
    let line = |length: usize| {
        let rest = "GET /virtual-networks?count=true&x= HTTP/1.1".len();
        format!("GET /virtual-networks?count=true&x={} HTTP/1.1", "y".repeat(length - rest))
    };
    let head = |length: usize| format!("{}\r\nHost: localhost\r\n\r\n", line(length));
    // Also where it is not the first request of the connection.
    for before in ["", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        for (length, status) in [(65_535, "200"), (65_536, "414"), (200_000, "414")] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            let mut answer = Vec::new();
            if !before.is_empty() {
                connection.write_all(before.as_bytes()).await.unwrap();
                while !answer.ends_with(b"ok\n") {
                    assert!(timeout(SOON, connection.read_buf(&mut answer)).await.unwrap().unwrap() > 0);
                }
                answer.clear();
            }
            connection.write_all(head(length).as_bytes()).await.unwrap();
            while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
                assert!(timeout(SOON, connection.read_buf(&mut answer)).await.unwrap().unwrap() > 0, "{length}");
            }
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{length} after {before:?}: {answer}");
            if status == "414" {
                to_the_end(connection, SOON).await;
            }
        }
    }
    // The body of a request is not a line, and may be refused before it is read.
    let body = "y".repeat(5 << 20);
    let request = format!("POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut connection = TcpStream::connect(address).await.unwrap();
    // The server may have closed it before all is sent.
    connection.write_all(request.as_bytes()).await.ok();
    let answer = to_the_end(connection, SOON).await;
    assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("HTTP/1.1 414"), "{answer}");
}

/// Connections whose next head stops, or goes on so slowly that it never ends: all of them are closed.
async fn heads_that_never_end(address: SocketAddr) {
    let begin = Instant::now();
    let mut connections = JoinSet::new();
    for number in 0..200 {
        connections.spawn(async move {
            let mut connection = TcpStream::connect(address).await.unwrap();
            if number % 4 != 0 {
                let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
                let mut answer = Vec::new();
                connection.write_all(request.as_bytes()).await.unwrap();
                while !answer.ends_with(b"ok\n") {
                    assert!(connection.read_buf(&mut answer).await.unwrap() > 0);
                }
            }
            connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.unwrap();
            let (mut reader, mut writer) = connection.into_split();
            let trickle = async {
                while number % 2 == 0 && writer.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                std::future::pending::<()>().await;
            };
            let mut answer = String::new();
            let limit = HEAD_TIMEOUT + Duration::from_mins(1);
            tokio::select! {
                read = timeout(limit, reader.read_to_string(&mut answer)) => {
                    assert!(read.is_ok(), "connection {number} is open after {limit:?}");
                }
                () = trickle => {}
            }
            answer
        });
    }
    for answer in connections.join_all().await {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    println!("200 connections with heads that never end: closed after {:.0} s", begin.elapsed().as_secs_f64());
    assert!(begin.elapsed() >= HEAD_TIMEOUT, "they have some time");
}

pub async fn limits_that_are_set() {
    let limits = ["--paginate-count", "3", "--max-request-size", "2000", "--max-requests", "2", "--log", "warn"];
    let server = Server::start_with(&limits);
    let (api, address) = (server.api(), server.address());
    pages(&api).await;

    let body = |size: usize| {
        let mut body = br#"{"type": "virtual-network", "fq_name": []}"#.to_vec();
        body.resize(size, b' ');
        Some(body)
    };
    let json = [("Content-Type", "application/json")];
    let answer = api.send("POST", "/fqname-to-id", &json, body(2000)).await.unwrap();
    answer.status_is(404);
    let answer = api.send("POST", "/fqname-to-id", &json, body(2001)).await.unwrap();
    assert_eq!(answer.status_is(413).text, "Request to large: the limit is 2000 bytes");

    // Two readers that take nothing of more than the connection holds. Others are none of these: who asks how the server is, who
    // watches, and who waits for a change.
    let dumps = "POST /fetch-records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".repeat(500);
    let mut readers = Vec::new();
    for _ in 0..2 {
        readers.push(read_a_part(address, dumps.clone(), 1000).await);
    }
    let watch = read_a_part(address, get("/watch?resource_type=alarm"), 100).await;
    let poll = read_a_part(address, get("/changes?wait=60"), 0).await;
    let begin = Instant::now();
    let answer = loop {
        let answer = in_time("a third request", api.get("/virtual-networks")).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(begin.elapsed() < 3 * SOON, "both are still served");
    };
    assert_eq!(answer.status_is(503).text, "2 requests are served already (--max-requests)");
    assert_eq!(answer.headers["retry-after"], "1");
    for path in ["/healthz", "/readyz", "/", "/openapi.json", "/aaa-mode"] {
        api.get(path).await.status_is(200);
    }
    // One that waits for its turn gets it when they go.
    let (answer, ()) = tokio::join!(in_time("one that waits", api.get("/virtual-networks")), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(readers);
    });
    answer.ok();
    let polls: Vec<TcpStream> =
        stream::iter(0..5).then(|_| read_a_part(address, get("/changes?wait=60"), 0)).collect().await;
    in_time("one beside those that wait", api.get("/virtual-networks")).await.ok();
    drop((watch, poll, polls));
}

/// Pages of three, of all objects of a type and below a parent, forwards to the end.
async fn pages(api: &Api) {
    // `net` stands behind `net-1`, as `net:...` does behind `net-1:...`.
    let names = ["net", "net-1", "net-2", "net.1", "neta", "netz", "n"];
    for name in names {
        create(api, "network-policy", name, "").await;
    }
    let project = api.find("project", &json!(["default-domain", "default-project"])).await.unwrap();
    let marker = |item: &Value, by_uuid: bool| {
        let uuid = item["uuid"].as_str().unwrap().to_owned();
        let name: Vec<&str> = item["fq_name"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        if by_uuid { uuid } else { format!("{}:{uuid}", name.join(":")) }
    };
    for (arguments, by_uuid) in [(String::new(), false), (format!("parent_id={project}&"), true)] {
        let all = api.get(&format!("/network-policys?{arguments}")).await.ok();
        let mut all: Vec<String> =
            all["network-policys"].as_array().unwrap().iter().map(|item| marker(item, by_uuid)).collect();
        all.sort();
        let (mut paged, mut next) = (Vec::new(), Some("None".to_owned()));
        while let Some(from) = next {
            let page = api.get(&format!("/network-policys?{arguments}page_marker={from}")).await.ok();
            let items = page["network-policys"].as_array().unwrap();
            paged.extend(items.iter().map(|item| marker(item, by_uuid)));
            next = page["marker"].as_str().map(str::to_owned);
            assert_eq!(next.is_some(), items.len() == 3, "{page}");
            assert!(next.is_none() || next.as_ref() == paged.last());
        }
        assert_eq!(paged, all, "{arguments}");
    }
    // As asked for.
    let mut asked = Vec::new();
    for name in names {
        asked.push(api.find("network-policy", &json!(["default-domain", "default-project", name])).await.unwrap());
    }
    let (mut paged, mut next) = (Vec::new(), Some(Value::from("None")));
    while let Some(from) = next {
        let body = json!({"type": "network-policy", "obj_uuids": asked.join(","), "page_marker": from});
        let page = api.post("/list-bulk-collection", &body).await.ok();
        let items = page["network-policys"].as_array().unwrap();
        paged.extend(items.iter().map(|item| item["uuid"].as_str().unwrap().to_owned()));
        next = Some(page["marker"].clone()).filter(|marker| !marker.is_null());
    }
    assert_eq!(paged, asked);
}
