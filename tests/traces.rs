//! Traces: what a collector gets to know of requests, and that nobody waits for one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use serde_json::json;

use crate::support::{Api, Checks, Server, wait_until};

const LIMIT: Duration = Duration::from_mins(1);

pub async fn requests_are_traced() {
    let mut checks = Checks::default();
    checks.run("a collector gets each request with its parts", told()).await;
    checks.run("nobody waits for a collector that says nothing", swallowed()).await;
    checks.run("what is dropped is told once, and that it is taken again", refused()).await;
    checks.finish();
}

/// A collector over HTTP, and what it has got.
#[derive(Clone, Default)]
struct Collector {
    got: Arc<Mutex<Vec<ResourceSpans>>>,
    bytes: Arc<Mutex<Vec<u8>>>,
    refuses: Arc<Mutex<bool>>,
}

impl Collector {
    /// Starts it; gives its address, too.
    fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let own = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                thread::spawn(move || own.serve(&stream));
            }
        });
        (collector, address)
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).ok()? == 0 {
                    return None;
                }
            }
            assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
            let head = head.to_lowercase();
            assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).ok()?;
            if *self.refuses.lock().unwrap() {
                writer.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").ok()?;
                continue;
            }
            let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
            self.got.lock().unwrap().extend(request.resource_spans);
            self.bytes.lock().unwrap().extend(body);
            writer
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
                .ok()?;
        }
    }

    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().unwrap();
        got.iter().flat_map(|of| &of.scope_spans).flat_map(|of| of.spans.clone()).collect()
    }

    /// The spans of a request, with the request itself, when they have come.
    fn of_request(&self, id: &str) -> (Span, Vec<Span>) {
        let is_it =
            |span: &Span| attributes(&span.attributes).get("cirrus.request_id").is_some_and(|found| found == id);
        wait_until("its spans come", LIMIT, || self.spans().iter().any(is_it));
        let spans = self.spans();
        let whole = spans.iter().find(|span| is_it(span)).unwrap().clone();
        let parts = spans.into_iter().filter(|span| span.parent_span_id == whole.span_id).collect();
        (whole, parts)
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    of.iter().map(|value| (value.key.clone(), text(value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

const SECRETS: [&str; 4] = ["a-name-of-mine", "a-token-of-mine", "a-query-of-mine", "a-path-of-mine"];

async fn told() {
    let (collector, address) = Collector::start();
    let server = Server::start_with(&["--otlp-endpoint", &address, "--log-format", "json"]);
    let api = Api::with_headers(server.url(), &[("X-Auth-Token", SECRETS[1])]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let body = json!({"domain": {"fq_name": [SECRETS[0]]}}).to_string().into_bytes();
    let headers = [("Content-Type", "application/json"), ("X-Request-Id", "write"), ("traceparent", parent.as_str())];
    let made = api.send("POST", "/domains", &headers, Some(body.clone())).await.unwrap();
    let uuid = made.ok()["domain"]["uuid"].as_str().unwrap().to_owned();
    let again = [("Content-Type", "application/json"), ("X-Request-Id", "refused")];
    api.send("POST", "/domains", &again, Some(body)).await.unwrap().status_is(409);
    api.send("GET", &format!("/domain/{uuid}?{}=1", SECRETS[2]), &[("X-Request-Id", "read")], None).await.unwrap().ok();
    api.send("GET", &format!("/{}", SECRETS[3]), &[("X-Request-Id", "nowhere")], None).await.unwrap().status_is(404);
    let unwanted =
        [("X-Request-Id", "unwanted"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")];
    api.send("GET", "/domains", &unwanted, None).await.unwrap().ok();
    api.send("GET", "/readyz", &[("X-Request-Id", "ready"), ("traceparent", "nonsense")], None).await.unwrap();

    let (write, parts) = collector.of_request("write");
    assert_eq!((hex(&write.trace_id).as_str(), hex(&write.parent_span_id).as_str()), (trace, "b7ad6b7169203331"));
    assert_eq!((write.name.as_str(), write.kind), ("create domain", 2));
    let expected = [
        ("cirrus.operation", "create"),
        ("cirrus.request_id", "write"),
        ("cirrus.type", "domain"),
        ("http.response.status_code", "200"),
    ];
    let expected: BTreeMap<String, String> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(attributes(&write.attributes), expected);
    let mut names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["commit", "decide", "wait"]);
    for part in &parts {
        assert_eq!(part.trace_id, write.trace_id);
        assert!(
            write.start_time_unix_nano <= part.start_time_unix_nano
                && part.end_time_unix_nano <= write.end_time_unix_nano
        );
    }
    let batches: Vec<String> =
        parts.iter().filter_map(|part| attributes(&part.attributes).remove("cirrus.batch")).collect();
    assert!(batches.len() == 2 && batches[0] == batches[1], "{batches:?}");

    let (read, parts) = collector.of_request("read");
    assert_eq!((read.name.as_str(), parts.len(), read.parent_span_id.len()), ("read domain", 1, 0));
    assert_ne!(read.trace_id, write.trace_id);
    assert_eq!(collector.of_request("refused").0.name, "create domain");
    assert_eq!(collector.of_request("nowhere").0.name, "unknown");
    assert_eq!(collector.of_request("ready").0.name, "GET /readyz");
    assert!(
        !collector.spans().iter().any(|span| attributes(&span.attributes).values().any(|value| value == "unwanted"))
    );

    // The log says under which id it is there.
    let of_write = |line: &&str| line.contains(r#""request_id":"write""#);
    server.tells(r#""request_id":"write""#);
    let log = server.log();
    let line = log.lines().find(of_write).unwrap();
    assert!(line.contains(&format!(r#""trace_id":"{trace}""#)), "{line}");
    let resource = collector.got.lock().unwrap()[0].resource.clone().unwrap();
    assert!(resource.attributes.iter().any(|value| value.key == "service.name"), "{resource:?}");
    // What it knows at the end is sent before it ends.
    let last = [("X-Request-Id", "last")];
    api.send("GET", "/domains", &last, None).await.unwrap().ok();
    drop(server);
    collector.of_request("last");
    let bytes = String::from_utf8_lossy(&collector.bytes.lock().unwrap()).into_owned();
    for secret in SECRETS.iter().chain([&uuid.as_str()]) {
        assert!(!bytes.contains(secret), "{secret}");
    }
}

async fn swallowed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // Taken by the system, and never looked at.
    let mut server = Server::start_with(&["--otlp-endpoint", &address, "--log", "warn"]);
    let api = server.api();
    let begin = Instant::now();
    // More than may wait.
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let api = api.clone();
        all.spawn(async move {
            for _ in 0..800 {
                api.get("/healthz").await.status_is(200);
            }
        });
    }
    all.join_all().await;
    println!("6400 requests beside a collector that hangs: {:?}", begin.elapsed());
    wait_until("it is told", LIMIT, || server.log().contains("the collector does not take them"));
    assert_eq!(server.terminate().code(), Some(0));
    let (_, log) = server.end();
    assert_eq!(log.matches("the collector does not take them").count(), 1, "{log}");
    assert!(log.contains("so many spans were dropped in all"), "{log}");
}

async fn refused() {
    let (collector, address) = Collector::start();
    *collector.refuses.lock().unwrap() = true;
    let server = Server::start_with(&["--otlp-endpoint", &format!("{address}/")]);
    let api = server.api();
    let told = || server.log().matches("the collector does not take them").count();
    api.get("/domains").await.ok();
    wait_until("it is told", LIMIT, || told() == 1);
    api.get("/domains").await.ok();
    *collector.refuses.lock().unwrap() = false;
    // What comes after that is taken.
    wait_until("it is taken again", LIMIT, || {
        let asked = Api::with_headers(server.url(), &[("X-Request-Id", "after")]);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asked.get("/domains"))).ok();
        server.log().contains("the collector takes them again")
    });
    assert_eq!(told(), 1);
    collector.of_request("after");
}
