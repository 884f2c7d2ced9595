//! What the server keeps of changes in memory has a bound, however large the events are that are made of them, and
//! whatever clients say about themselves.

use crate::slow_readers::memory;
use crate::support::{Api, Checks, Server};
use memchr::memmem;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CLIENTS: usize = 8;
/// How many children the changed project has ...
const CHILDREN: usize = 3000;
/// ... how often it is changed ...
const UPDATES: usize = 800;
/// ... and how many bytes an event of it has at least, for each child.
const CHILD: usize = 90;
/// How many requests have long headers, and how long these are.
const REQUESTS: usize = 1500;
const HEADER: usize = 40_000;
/// By how much memory may grow, in MiB: what is kept of changes and of events, and what else a server at work needs.
const GROWTH: f64 = 120.0;

pub async fn what_is_kept_has_a_bound() {
    let mut checks = Checks::default();
    checks.run("events of an object with many children are kept within a bound", large_events()).await;
    checks.run("of long headers the beginning is kept", long_headers()).await;
    checks.finish();
}

/// Sends so many requests, from several clients.
async fn send_all<F>(count: usize, send: impl Fn(usize) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (next, send) = (Arc::clone(&next), send.clone());
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                send(number).await;
            }
        });
    }
    clients.join_all().await;
}

async fn rename_project(api: &Api, uuid: &str, number: usize, headers: &[(&str, &str)]) {
    let body = json!({"project": {"display_name": format!("name {number}")}}).to_string();
    let headers = [headers, &[("Content-Type", "application/json")]].concat();
    let answer = api.send("PUT", &format!("/project/{uuid}"), &headers, Some(body.into_bytes())).await.unwrap();
    answer.status_is(200);
}

async fn project(api: &Api) -> String {
    let body = json!({"project": {"fq_name": ["default-domain", "many"], "parent_type": "domain"}});
    api.post("/projects", &body).await.ok()["project"]["uuid"].as_str().unwrap().to_owned()
}

/// Reads so many events to their ends; how many bytes these are.
async fn read_events(mut stream: TcpStream, count: usize) -> usize {
    let (mut piece, mut rest) = (vec![0; 1 << 20], Vec::new());
    let (mut read, mut seen) = (0, 0);
    while seen < count {
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "the stream ended after {seen} events");
        read += length;
        rest.extend_from_slice(&piece[..length]);
        seen += memmem::find_iter(&rest, b"\nid: ").count();
        // What may be the begin of the next one stays; it is none yet.
        rest.drain(..rest.len().saturating_sub(4));
    }
    read
}

async fn large_events() {
    let server = Server::start_with(&["--log", "warn"]);
    let api = server.api();
    let uuid = project(&api).await;
    let creating = api.clone();
    send_all(CHILDREN, move |number| {
        let api = creating.clone();
        async move {
            let fq_name = json!(["default-domain", "many", format!("child-{number}")]);
            let body = json!({"network-policy": {"fq_name": fq_name, "parent_type": "project"}});
            api.post("/network-policys", &body).await.ok();
        }
    })
    .await;
    let since = api.position().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let path = format!("/watch?resource_type=project&since={since}");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let before = memory(server.process_id());
    let reader = tokio::spawn(read_events(stream, UPDATES));
    send_all(UPDATES, move |number| {
        let (api, uuid) = (api.clone(), uuid.clone());
        async move { rename_project(&api, &uuid, number, &[]).await }
    })
    .await;
    let read = reader.await.unwrap();
    let after = memory(server.process_id());
    println!("{UPDATES} events, {} MiB of them: {before:.0} -> {after:.0} MiB", read >> 20);
    assert!(read > UPDATES * CHILDREN * CHILD, "{read} bytes");
    assert!(after < before + GROWTH, "memory grows from {before:.0} to {after:.0} MiB");
}

async fn long_headers() {
    let server = Server::start_with(&["--log", "warn"]);
    let api = server.api();
    let uuid = project(&api).await;
    let since = api.position().await;
    let before = memory(server.process_id());
    let sending = api.clone();
    send_all(REQUESTS, move |number| {
        let (api, uuid) = (sending.clone(), uuid.clone());
        async move {
            let [id, agent, user] = ["i", "a", "u"].map(|letter| letter.repeat(HEADER));
            let headers = [("X-Request-Id", &*id), ("User-Agent", &*agent), ("X-User", &*user)];
            rename_project(&api, &uuid, number, &headers).await;
        }
    })
    .await;
    let after = memory(server.process_id());
    let sent = (REQUESTS * 3 * HEADER) >> 20;
    println!("{REQUESTS} requests, {sent} MiB of headers: {before:.0} -> {after:.0} MiB");
    assert!(after < before + GROWTH, "memory grows from {before:.0} to {after:.0} MiB");
    let change = &api.get(&format!("/changes?since={since}&limit=1")).await.ok()["changes"][0];
    assert_eq!(change["request_id"], Value::from("i".repeat(256)));
    let who = format!("{} {} 127.0.0.1", "u".repeat(256), "a".repeat(256));
    assert_eq!(change["who"], Value::from(who));
}
