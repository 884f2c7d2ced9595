//! What it costs: creates and reads per second over HTTP, each against something measured in the same run.
//!
//! `cargo bench --bench throughput [-- SECONDS]` starts a server (release build) on a fresh private database for each
//! variant and loads it from this process with keep-alive connections. Reads go through `wrk` where it is installed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_precision_loss)]

mod support;

use std::{
    process::Command,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use support::Server;

const CLIENTS: u64 = 64;

/// Creates virtual networks, each with its routing instance, from many clients at once; gives creates per second.
fn creates(server: &Arc<Server>, clients: u64, duration: Duration) -> f64 {
    let next = Arc::new(AtomicU64::new(0));
    let barrier = Arc::new(Barrier::new(usize::try_from(clients).unwrap()));
    let workers: Vec<_> = (0..clients)
        .map(|_| {
            let (server, next, barrier) = (Arc::clone(server), Arc::clone(&next), Arc::clone(&barrier));
            thread::spawn(move || {
                let mut connection = server.connect();
                barrier.wait();
                let start = Instant::now();
                let mut done = 0_u64;
                while start.elapsed() < duration {
                    let name = next.fetch_add(1, Ordering::Relaxed);
                    let body = format!(
                        "{{\"virtual-network\":{{\"fq_name\":[\"default-domain\",\"default-project\",\"bench-{name}\"],\"parent_type\":\"project\"}}}}"
                    );
                    let (status, _, answer) = connection.send("POST", "/virtual-networks", &body);
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
                    done += 1;
                }
                done as f64 / start.elapsed().as_secs_f64()
            })
        })
        .collect();
    workers.into_iter().map(|worker| worker.join().unwrap()).sum()
}

/// Reads one object by id; gives reads per second.
fn reads(server: &Arc<Server>, duration: Duration) -> (f64, &'static str) {
    let mut connection = server.connect();
    let ask = "{\"type\":\"virtual-network\",\"fq_name\":[\"default-domain\",\"default-project\",\"bench-0\"]}";
    let (_, _, answer) = connection.send("POST", "/fqname-to-id", ask);
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let path = format!("/virtual-network/{}", answer["uuid"].as_str().unwrap());
    let seconds = format!("{}s", duration.as_secs());
    let url = format!("http://{}{path}", server.address);
    if let Ok(output) = Command::new("wrk").args(["-t1", "-c32", "-d", &seconds, &url]).output() {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).expect("wrk prints a rate");
        assert!(!text.contains("Non-2xx"), "{text}");
        return (rate.trim().parse().unwrap(), "wrk -t1 -c32");
    }
    let workers: Vec<_> = (0..32)
        .map(|_| {
            let (server, path) = (Arc::clone(server), path.clone());
            thread::spawn(move || {
                let mut connection = server.connect();
                let start = Instant::now();
                let mut done = 0_u64;
                while start.elapsed() < duration {
                    assert_eq!(connection.send("GET", &path, "").0, 200);
                    done += 1;
                }
                done as f64 / start.elapsed().as_secs_f64()
            })
        })
        .collect();
    (workers.into_iter().map(|worker| worker.join().unwrap()).sum(), "32 threads of this program; wrk is not installed")
}

fn main() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let duration = Duration::from_secs(seconds);
    let single = Arc::new(Server::start(&["--batch-limit", "1"]));
    let one_each = creates(&single, CLIENTS, duration);
    drop(single);
    let batched = Arc::new(Server::start(&[]));
    let together = creates(&batched, CLIENTS, duration);
    let alone = creates_alone(&batched, duration);
    let (gets, with) = reads(&batched, duration);
    println!("create network and routing instance, {CLIENTS} clients, one transaction each: {one_each:8.0}/s");
    println!("create network and routing instance, {CLIENTS} clients, batched:             {together:8.0}/s");
    println!("batched / one transaction each:                                    {:8.2}", together / one_each);
    println!("create network and routing instance, 1 client:                     {alone:8.0}/s");
    println!("GET by id, {with}: {gets:8.0}/s");
}

/// The same from one client, on names of its own.
fn creates_alone(server: &Arc<Server>, duration: Duration) -> f64 {
    let mut connection = server.connect();
    let start = Instant::now();
    let mut done = 0_u64;
    while start.elapsed() < duration {
        let body = format!(
            "{{\"virtual-network\":{{\"fq_name\":[\"default-domain\",\"default-project\",\"alone-{done}\"],\"parent_type\":\"project\"}}}}"
        );
        assert_eq!(connection.send("POST", "/virtual-networks", &body).0, 200);
        done += 1;
    }
    done as f64 / start.elapsed().as_secs_f64()
}
