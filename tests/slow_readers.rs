//! Readers that take their time: they cost a place in the log, and no memory; what they have not read is kept for them up
//! to a limit; beyond it they are told.
//!
//! `CIRRUS_STOP_SECONDS` is for how long a reader stops under load, 5 by itself.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use crate::support::events::{Event, Events};
use crate::support::{Api, Checks, Server, revision};

const LIMIT: Duration = Duration::from_mins(1);
const CLIENTS: usize = 16;
/// In bytes: some hundreds of changes of this size fill what the server keeps in memory.
const LARGE: usize = 100_000;

pub async fn slow_readers() {
    let mut checks = Checks::default();
    checks.run("a reader that stops under load goes on without loss, and costs no memory", stopped()).await;
    checks.run("what an attached reader has not read is kept", kept()).await;
    checks.run("a reader behind what is kept is told", told()).await;
    checks.finish();
}

async fn policy(api: &Api, name: &str) -> String {
    let fq_name = json!(["default-domain", "default-project", name]);
    let body = json!({"network-policy": {"fq_name": fq_name, "parent_type": "project"}});
    api.post("/network-policys", &body).await.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned()
}

/// The memory of a process that is its own, in MiB.
pub fn memory(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Changes a policy of its own until it is told to stop; how often.
async fn keep_changing(api: Api, uuid: String, size: usize, stop: Arc<AtomicBool>) -> (String, u64) {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        change(&api, &uuid, size, count).await;
    }
    (uuid, count)
}

async fn change(api: &Api, uuid: &str, size: usize, number: u64) {
    let pair = json!({"key": "number", "value": format!("{number} {}", "x".repeat(size))});
    let body = json!({"network-policy": {"annotations": {"key_value_pair": [pair]}}});
    api.put(&format!("/network-policy/{uuid}"), &body).await.ok();
}

/// The number that a change carries.
fn number(event: &Event) -> (String, u64) {
    let object = &event.data["network-policy"];
    let value = object["annotations"]["key_value_pair"][0]["value"].as_str().unwrap();
    (object["uuid"].as_str().unwrap().to_owned(), value.split(' ').next().unwrap().parse().unwrap())
}

async fn stopped() {
    let seconds = std::env::var("CIRRUS_STOP_SECONDS").map_or(5, |text| text.parse().expect("CIRRUS_STOP_SECONDS"));
    let server = Server::start_with(&["--log", "warn"]);
    let api = server.api();
    let mut uuids = Vec::new();
    for client in 0..CLIENTS {
        uuids.push(policy(&api, &format!("stopped-{client}")).await);
    }
    let run = async |duration: Duration| {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for uuid in &uuids {
            clients.spawn(keep_changing(api.clone(), uuid.clone(), LARGE / 5, Arc::clone(&stop)));
        }
        tokio::time::sleep(duration).await;
        stop.store(true, Ordering::Relaxed);
        clients.join_all().await.into_iter().collect::<BTreeMap<String, u64>>()
    };
    // What is kept of the last changes is full before memory is looked at.
    run(Duration::from_secs(5)).await;
    let since = api.position().await;
    let query = format!("resource_type=network_policy&network_policy_fields=annotations&since={since}");
    let mut events = Events::open(&api, &query, None).await.unwrap().unwrap();
    let before = memory(server.process_id());
    let written = run(Duration::from_secs(seconds)).await;
    let after = memory(server.process_id());
    let total: u64 = written.values().sum();
    let sent = total * LARGE as u64 / 5 / (1 << 20);
    println!(
        "{total} changes of {sent} MiB in {seconds} s, and a reader that reads nothing: {before:.0} -> {after:.0} MiB"
    );
    assert!(after < before + 48.0, "memory grows from {before:.0} to {after:.0} MiB");

    let end = api.position().await;
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut last = revision(&since);
    while last < revision(&end) {
        let event = events.next().await.expect("the stream goes on");
        let (uuid, number) = number(&event);
        // Writers count from 1, each for itself.
        assert_eq!(number, seen.insert(uuid, number).unwrap_or_default() + 1);
        let here = revision(event.id.as_ref().unwrap());
        assert_eq!(here, last + 1, "every change");
        last = here;
    }
    assert_eq!(seen, written);
}

/// A server that trims early, with a reader that stops, and more changes than are in memory.
async fn behind(at_most: &str) -> (Server, Events, String) {
    let limits =
        ["--keep-changes", "200", "--keep-changes-hours", "0", "--keep-changes-at-most", at_most, "--log", "warn"];
    let server = Server::start_with(&limits);
    let api = server.api();
    let uuid = policy(&api, "behind").await;
    // More than a partition that nobody has to read.
    for count in 1..=150 {
        change(&api, &uuid, 1, count).await;
    }
    let since = api.position().await;
    let query = format!("resource_type=network_policy&network_policy_fields=annotations&since={since}");
    let events = Events::open(&api, &query, None).await.unwrap().unwrap();
    for count in 1..=900 {
        change(&api, &uuid, LARGE, count).await;
    }
    (server, events, since)
}

/// From where on the log can be read, as the database knows it.
async fn floor(database: &mut PgConnection) -> u64 {
    let floor: i64 = sqlx::query_scalar("select floor from feed_sequence").fetch_one(database).await.unwrap();
    u64::try_from(floor).unwrap()
}

/// How many tables there are with what can't be read any more.
async fn trimmed_tables(database: &mut PgConnection) -> i64 {
    let query = "select count(*) from pg_class where relkind = 'r' and relname ~ '^change_[0-9]+$'
                 and substr(relname, 8)::bigint <= (select floor from feed_sequence)";
    sqlx::query_scalar(query).fetch_one(database).await.unwrap()
}

async fn kept() {
    let (server, mut events, since) = behind("100000").await;
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let begin = Instant::now();
    // What was before it may go, and what it has been sent, read or not; the rest may not.
    while floor(&mut database).await == 0 {
        assert!(begin.elapsed() < LIMIT, "nothing is trimmed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let floor = floor(&mut database).await;
    assert!(floor < revision(&since) + 500, "{floor} changes are gone, and the reader has not read them");
    for count in 1..=900 {
        let event = events.next().await.expect("the stream goes on");
        assert_eq!(number(&event).1, count);
    }
}

async fn told() {
    let (server, mut events, since) = behind("400").await;
    let api = server.api();
    let mut plain = Events::open(&api, "resource_type=network_policy&network_policy_fields=display_name", None)
        .await
        .unwrap()
        .unwrap();
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let begin = Instant::now();
    while floor(&mut database).await < revision(&since) + 400 {
        assert!(begin.elapsed() < LIMIT, "{} is the oldest change", floor(&mut database).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while trimmed_tables(&mut database).await > 0 {
        assert!(begin.elapsed() < LIMIT, "what is trimmed goes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut last = revision(&since);
    let gone = loop {
        let event = events.next().await.expect("it is told before the end");
        if event.name == "gone" {
            break event;
        }
        assert_eq!(revision(event.id.as_ref().unwrap()), last + 1, "nothing is skipped");
        last += 1;
    };
    assert_eq!(events.next().await, None, "the end");
    assert!(last < revision(gone.data["oldest"].as_str().unwrap()), "{last}: {gone:?}");
    assert_eq!(gone.data["current"], api.position().await);
    let epoch = since.rsplit_once('-').unwrap().0;
    let answer = api.get(&format!("/changes?since={epoch}-{last}")).await;
    assert_eq!(answer.status_is(410).json()["error"], "compacted");
    let oldest = answer.json()["oldest"].as_str().unwrap().to_owned();
    let body = api.get(&format!("/changes?since={oldest}&limit=1")).await.ok();
    assert_eq!(body["changes"][0]["revision"], format!("{epoch}-{}", revision(&oldest) + 1));
    let refused = Events::open(&api, "resource_type=alarm", Some(&since)).await.unwrap().err();
    assert_eq!(refused, Some(410));
    // Who keeps up does not notice.
    assert_eq!(plain.next().await.unwrap().name, "init");
    policy(&api, "after").await;
    let event = plain.next().await.unwrap();
    assert_eq!((event.name.as_str(), &event.data["network-policy"]["display_name"]), ("create", &Value::from("after")));
}
