//! Requests in number, and what they took.

use crate::support::Server;
use std::{
    fs,
    process::Command,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A request: method, path, body.
pub type Request = (&'static str, String, String);

/// What a load showed.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Requests a second.
    pub rate: f64,
    /// Half of the requests took less, in milliseconds.
    pub median: f64,
    /// 99 of 100 took less.
    pub p99: f64,
    /// How many cores the server's process kept busy, its database not included.
    pub cores: f64,
}

impl Measured {
    fn of(mut latencies: Vec<Duration>, elapsed: Duration, cpu: f64) -> Self {
        latencies.sort_unstable();
        Self {
            rate: latencies.len() as f64 / elapsed.as_secs_f64(),
            median: percentile(&latencies, 0.5),
            p99: percentile(&latencies, 0.99),
            cores: cpu / elapsed.as_secs_f64(),
        }
    }
}

/// In milliseconds, of times in order.
pub fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let index = (sorted.len().saturating_sub(1) as f64 * part) as usize;
    sorted.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

/// Many clients, each of which sends its next request when it has the answer to the one before. Numbers of requests are
/// shared out among them.
pub fn closed(
    servers: &[&Server],
    clients: usize,
    duration: Duration,
    make: &(impl Fn(u64) -> Request + Sync),
) -> Measured {
    until(servers, clients, make, |_, begin| begin.elapsed() < duration)
}

/// The same, until so many requests were sent.
pub fn counted(servers: &[&Server], clients: usize, count: u64, make: &(impl Fn(u64) -> Request + Sync)) -> Measured {
    until(servers, clients, make, |number, _| number < count)
}

fn until(
    servers: &[&Server],
    clients: usize,
    make: &(impl Fn(u64) -> Request + Sync),
    go_on: impl Fn(u64, Instant) -> bool + Sync,
) -> Measured {
    let next = AtomicU64::new(0);
    let barrier = Barrier::new(clients + 1);
    let cpu = || servers.iter().map(|server| server.cpu_seconds()).sum::<f64>();
    thread::scope(|scope| {
        let (next, barrier, go_on) = (&next, &barrier, &go_on);
        let workers: Vec<_> = (0..clients)
            .map(|client| {
                let server = servers[client % servers.len()];
                scope.spawn(move || {
                    let mut connection = server.connect();
                    let mut latencies = Vec::new();
                    barrier.wait();
                    let begin = Instant::now();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if !go_on(number, begin) {
                            return latencies;
                        }
                        let (method, path, body) = make(number);
                        let sent = Instant::now();
                        let answer = connection.send(method, &path, &body);
                        latencies.push(sent.elapsed());
                        let text = String::from_utf8_lossy(&answer.body);
                        assert_eq!(answer.status, 200, "{method} {path}: {text}");
                    }
                })
            })
            .collect();
        let before = cpu();
        barrier.wait();
        let begin = Instant::now();
        let latencies: Vec<Duration> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        let elapsed = begin.elapsed();
        Measured::of(latencies, elapsed, cpu() - before)
    })
}

/// Requests that come at their own rate, whether the server has answered or not. Times count from the moment at which a
/// request was due, so that waiting for a slow answer does not hide the next one's.
pub fn open(server: &Server, rate: f64, duration: Duration, make: &(impl Fn(u64) -> Request + Sync)) -> Measured {
    const CONNECTIONS: u64 = 128;
    let count = (rate * duration.as_secs_f64()) as u64;
    let before = server.cpu_seconds();
    let begin = Instant::now() + Duration::from_millis(100);
    let next = AtomicU64::new(0);
    let latencies = thread::scope(|scope| {
        let next = &next;
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(move || {
                    let mut connection = server.connect();
                    let mut latencies = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return latencies;
                        }
                        let due = begin + Duration::from_secs_f64(number as f64 / rate);
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        let (method, path, body) = make(number);
                        assert_eq!(connection.send(method, &path, &body).status, 200);
                        latencies.push(due.elapsed());
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    Measured::of(latencies, begin.elapsed(), server.cpu_seconds() - before)
}

/// The same request again and again, by wrk where it is installed: it costs less than the clients here.
pub fn repeated(server: &Server, clients: usize, duration: Duration, request: &Request) -> Measured {
    let (method, path, body) = request;
    let script = server.directory().join("request.lua");
    let lines = format!(
        "wrk.method = \"{method}\"\nwrk.body = {body:?}\nwrk.headers[\"Content-Type\"] = \"application/json\"\n"
    );
    fs::write(&script, lines).unwrap();
    let before = server.cpu_seconds();
    let begin = Instant::now();
    let wrk = Command::new("wrk")
        .args(["--latency", "--threads", "1", "--connections", &clients.to_string()])
        .args(["--duration", &format!("{}s", duration.as_secs())])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{}{path}", server.address))
        .output();
    let Ok(output) = wrk else {
        return closed(&[server], clients, duration, &|_| request.clone());
    };
    let cores = (server.cpu_seconds() - before) / begin.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.contains("Non-2xx"), "{text}");
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {text}")).trim().to_owned()
    };
    Measured {
        rate: value("Requests/sec:").parse().unwrap(),
        median: milliseconds(&value("50%")),
        p99: milliseconds(&value("99%")),
        cores,
    }
}

/// As wrk prints times.
fn milliseconds(text: &str) -> f64 {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor))).unwrap();
    number.parse::<f64>().unwrap() * factor
}
