//! What watchers cost: creates per second without watchers and with many, the events that these get, how long an event
//! takes from the answer to its write, and the memory of a watcher.
//!
//! `cargo bench --bench feeds [-- SECONDS [WATCHERS]]` starts a server (release build) on a fresh private database; clients
//! and watchers are in this process. Every watcher checks that it gets every change once and in order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_precision_loss)]

mod support;

use std::{
    collections::HashMap,
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use support::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
};

const CLIENTS: u64 = 16;
/// Watchers that note when each event came.
const TIMED: usize = 10;

fn revision(position: &str) -> u64 {
    position.trim().rsplit('-').next().unwrap().parse().unwrap()
}

/// The memory of a process that is its own, in KiB.
fn memory(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Creates policies; gives when each was answered, by revision.
fn creates(server: &Arc<Server>, start: &str, duration: Duration) -> HashMap<u64, Instant> {
    let next = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (server, next, start) = (Arc::clone(server), Arc::clone(&next), start.to_owned());
            thread::spawn(move || {
                let mut connection = server.connect();
                let begin = Instant::now();
                let mut answered = Vec::new();
                while begin.elapsed() < duration {
                    let name = next.fetch_add(1, Ordering::Relaxed);
                    let body = format!(
                        "{{\"network-policy\":{{\"fq_name\":[\"default-domain\",\"default-project\",\"{start}-{name}\"],\"parent_type\":\"project\"}}}}"
                    );
                    let (status, position, answer) = connection.send("POST", "/network-policys", &body);
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
                    answered.push((revision(&position), Instant::now()));
                }
                answered
            })
        })
        .collect();
    workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
}

/// Watches until the end is known and reached; gives the last revision before, and when each event came if it is timed.
async fn watch(
    mut stream: TcpStream,
    since: u64,
    mut end: watch::Receiver<Option<u64>>,
    timed: bool,
) -> io::Result<Vec<(u64, Instant)>> {
    let (mut piece, mut rest) = (vec![0; 64 << 10], Vec::new());
    let (mut last, mut seen) = (since, Vec::new());
    loop {
        if end.borrow().is_some_and(|end| last >= end) {
            return Ok(seen);
        }
        let length = tokio::select! {
            length = stream.read(&mut piece) => length?,
            _ = end.changed() => continue,
        };
        assert!(length > 0, "the stream ended");
        let now = Instant::now();
        rest.extend_from_slice(&piece[..length]);
        let mut read = 0;
        while let Some(line) = rest[read..].iter().position(|byte| *byte == b'\n') {
            let text = &rest[read..read + line];
            if let Some(position) = text.strip_prefix(b"id: ") {
                let here = revision(std::str::from_utf8(position).unwrap());
                // A bookmark may say again what the last event has said.
                assert!(here == last + 1 || here == last, "{here} after {last}");
                if here > last && timed {
                    seen.push((here, now));
                }
                last = here;
            }
            read += line + 1;
        }
        rest.drain(..read);
    }
}

async fn open(server: &Server, since: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let path = format!("/watch?resource_type=network_policy&since={since}");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&head));
    stream
}

fn percentile(sorted: &[Duration], part: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // An index.
    let index = ((sorted.len() - 1) as f64 * part) as usize;
    sorted[index].as_secs_f64() * 1000.0
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let duration = Duration::from_secs(numbers.next().unwrap_or(30));
    let watchers = usize::try_from(numbers.next().unwrap_or(1000)).unwrap();
    let server = Arc::new(Server::start(&["--batch-limit", "512"]));
    let run = async |name: &'static str, duration: Duration| {
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || creates(&server, name, duration)).await.unwrap()
    };
    // What is kept of the last changes is full when memory is looked at.
    run("warm", Duration::from_secs(10)).await;
    let alone = run("alone", duration).await.len() as f64 / duration.as_secs_f64();

    let (_, since, _) = server.connect().send("HEAD", "/changes", "");
    let before = memory(server.id());
    let (end, ended) = watch::channel(None);
    let mut tasks = JoinSet::new();
    for number in 0..watchers {
        let stream = open(&server, &since).await;
        let (since, ended) = (revision(&since), ended.clone());
        tasks.spawn(async move { watch(stream, since, ended, number < TIMED).await.unwrap() });
    }
    let idle = (memory(server.id()) - before) / watchers as f64;
    let begin = Instant::now();
    let answered = run("watched", duration).await;
    let written = begin.elapsed();
    let busy = memory(server.id());
    end.send_replace(answered.keys().max().copied());
    let seen = tasks.join_all().await;
    let after = begin.elapsed().saturating_sub(written);

    let mut delays: Vec<Duration> = seen
        .iter()
        .flatten()
        .filter_map(|(revision, at)| Some(at.saturating_duration_since(*answered.get(revision)?)))
        .collect();
    delays.sort_unstable();
    let with = answered.len() as f64 / written.as_secs_f64();
    let events = answered.len() as f64 * watchers as f64 / (written + after).as_secs_f64();
    println!("create network-policy, {CLIENTS} clients, no watcher:            {alone:10.0}/s");
    println!("create network-policy, {CLIENTS} clients, {watchers} watchers:       {with:10.0}/s");
    println!("events that the watchers got, all of them, in order:    {events:10.0}/s");
    println!("from the answer to the event, median:                   {:10.1} ms", percentile(&delays, 0.5));
    println!("from the answer to the event, 99 %:                     {:10.1} ms", percentile(&delays, 0.99));
    println!("after the last answer, until everybody had everything:  {:10.1} s", after.as_secs_f64());
    println!("memory of a watcher that waits:                         {idle:10.1} KiB");
    println!(
        "memory of the server before and under load:             {:6.0} and {:.0} MiB",
        before / 1024.0,
        busy / 1024.0
    );
}
