//! What watchers cost: how many events they get, how long an event takes from the answer to its write, and their memory.
//! Every watcher checks that it gets every change once and in order.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    load::{Cores, Measured, percentile},
    support::Server,
    table::{self, Against, Goal},
};
use memchr::memmem;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
};

const CLIENTS: u64 = 16;
/// So many at first, and then with a server of its own so many.
const WATCHERS: [usize; 2] = [1000, 100];
/// Watchers that note when each event came.
const TIMED: usize = 10;
/// How many writes a second they watch.
const WRITES: f64 = 2000.0;

/// How long it writes before anybody watches: what is kept of the last changes is full when memory is looked at.
const WARM: Duration = Duration::from_secs(8);
/// Until when all watch, with the start of the server.
pub const UNTIL_WATCHED: Duration = Duration::from_secs(13);

fn revision(position: &str) -> u64 {
    position.trim().rsplit('-').next().unwrap().parse().unwrap()
}

/// Creates policies, as many a second as are wanted if the server can; gives when each was answered, by revision.
fn creates(server: &Arc<Server>, start: &str, rate: f64, duration: Duration) -> HashMap<u64, Instant> {
    let next = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let workers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (server, next, start) = (Arc::clone(server), Arc::clone(&next), start.to_owned());
            thread::spawn(move || {
                let mut connection = server.connect();
                let mut answered = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let due = Duration::from_secs_f64(number as f64 / rate);
                    if due >= duration || begin.elapsed() >= duration {
                        return answered;
                    }
                    thread::sleep(due.saturating_sub(begin.elapsed()));
                    let name = ["default-domain", "default-project", &format!("{start}-{number}")];
                    let body = json!({"network-policy": {"fq_name": name, "parent_type": "project"}});
                    let answer = connection.send("POST", "/network-policys", &body.to_string());
                    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                    answered.push((revision(&answer.revision), Instant::now()));
                }
            })
        })
        .collect();
    workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
}

/// Watches until the end is known and reached; gives the last revision before, and when each event came if it is timed.
async fn watch_all(
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
        while let Some(start) = memmem::find(&rest[read..], b"\nid: ").map(|start| read + start + 5) {
            let Some(length) = rest[start..].iter().position(|byte| *byte == b'\n') else { break };
            let here = revision(std::str::from_utf8(&rest[start..start + length]).unwrap());
            // A bookmark may say again what the last event has said.
            assert!(here == last + 1 || here == last, "{here} after {last}");
            if here > last && timed {
                seen.push((here, now));
            }
            last = here;
            read = start + length;
        }
        // What may be the begin of the next one stays.
        read = read.max(rest.len().saturating_sub(64));
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

/// Starts servers with watchers, and writes at a rate.
pub fn watch(duration: Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for watchers in WATCHERS {
        runtime.block_on(measure(watchers, duration));
    }
}

async fn measure(watchers: usize, duration: Duration) {
    let server = Arc::new(Server::start(&[]));
    let run = async |name: &'static str, rate: f64, duration: Duration| {
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || creates(&server, name, rate, duration)).await.unwrap()
    };
    run("warm", f64::INFINITY, WARM).await;
    let head = server.connect().send("HEAD", "/changes", "");
    let before = server.memory();
    let (end, ended) = watch::channel(None);
    let mut tasks = JoinSet::new();
    for number in 0..watchers {
        let stream = open(&server, &head.revision).await;
        let (since, ended) = (revision(&head.revision), ended.clone());
        tasks.spawn(async move { watch_all(stream, since, ended, number < TIMED).await.unwrap() });
    }
    let idle = (server.memory() - before) / watchers as f64;
    let (begin, before) = (Instant::now(), Cores::seconds(&[&server]));
    let answered = run("watched", WRITES, duration).await;
    let cores = Cores::between(before, Cores::seconds(&[&server]), begin.elapsed());
    let written = begin.elapsed().as_secs_f64();
    end.send_replace(answered.keys().max().copied());
    let seen = tasks.join_all().await;
    let all = begin.elapsed().as_secs_f64();

    let delay = |(revision, at): &(u64, Instant)| Some(at.saturating_duration_since(*answered.get(revision)?));
    let mut delays: Vec<Duration> = seen.iter().flatten().filter_map(delay).collect();
    delays.sort_unstable();
    let rate = answered.len() as f64 / written;
    let (median, p99) = (percentile(&delays, 0.5), percentile(&delays, 0.99));
    let measured = Measured { rate, median, p99, cores };
    table::row(
        &format!("create policy, {watchers} watchers; from answer to event"),
        measured,
        Against::Rate("2,000 wanted", WRITES),
        Goal::AtLeast(0.99),
    );
    table::value("99 % of events, after the answer", p99, "ms", Goal::AtMost(20.0));
    table::value(
        "events that the watchers got, all, in order",
        answered.len() as f64 * watchers as f64 / all,
        "/s",
        Goal::None,
    );
    table::value("memory of a watcher that waits", idle * 1024.0, "KiB", Goal::None);
}
