//! Requests in number, and what they took.

use crate::support::{Server, request_text};
use std::{
    fs,
    process::{Command, Output, Stdio},
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
    /// How many cores the server kept busy.
    pub cores: Cores,
}

/// How many cores were busy, or for how many seconds they were.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// With the processes of the servers.
    pub server: f64,
    /// With their database.
    pub database: f64,
}

impl Cores {
    /// The seconds until now.
    pub fn seconds(servers: &[&Server]) -> Self {
        Self {
            server: servers.iter().map(|server| server.cpu_seconds()).sum(),
            // All are on the same one.
            database: servers.first().map_or(f64::NAN, |server| server.database_cpu_seconds()),
        }
    }

    /// The cores that were busy between two moments that are so far apart.
    pub fn between(before: Self, after: Self, elapsed: Duration) -> Self {
        let busy = |before: f64, after: f64| (after - before) / elapsed.as_secs_f64();
        Self { server: busy(before.server, after.server), database: busy(before.database, after.database) }
    }
}

impl Measured {
    fn of(mut latencies: Vec<Duration>, elapsed: Duration, cores: Cores) -> Self {
        latencies.sort_unstable();
        Self {
            rate: latencies.len() as f64 / elapsed.as_secs_f64(),
            median: percentile(&latencies, 0.5),
            p99: percentile(&latencies, 0.99),
            cores,
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
        let before = Cores::seconds(servers);
        barrier.wait();
        let begin = Instant::now();
        let latencies: Vec<Duration> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        let elapsed = begin.elapsed();
        Measured::of(latencies, elapsed, Cores::between(before, Cores::seconds(servers), elapsed))
    })
}

/// Requests that come at their own rate, whether the server has answered or not. Times count from the moment at which a
/// request was due, so that waiting for a slow answer does not hide the next one's.
pub fn open(server: &Server, rate: f64, duration: Duration, make: &(impl Fn(u64) -> Request + Sync)) -> Measured {
    const CONNECTIONS: u64 = 128;
    let count = (rate * duration.as_secs_f64()) as u64;
    let before = Cores::seconds(&[server]);
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
    let elapsed = begin.elapsed();
    Measured::of(latencies, elapsed, Cores::between(before, Cores::seconds(&[server]), elapsed))
}

/// The most requests that a server gets in a second, each of another number.
const MOST: u64 = 30_000;

/// What wrk does: it reads requests, one after the other.
const REPLAY: &str = "
local requests, last = {}, 0
local file = io.open('FILE', 'rb')
for request in file:read('*a'):gmatch('[^\\1]+') do table.insert(requests, request) end
file:close()
function request()
    last = last % #requests + 1
    return requests[last]
end
";

/// The same as `closed`, but the requests are made before and sent by wrk, which costs less than the clients here. Of two servers
/// each gets every other request.
pub fn sent(servers: &[&Server], clients: usize, duration: Duration, make: &impl Fn(u64) -> Request) -> Measured {
    let count = servers.len() as u64;
    let most = MOST * duration.as_secs() / count;
    let scripts = servers.iter().zip(0..).map(|(server, index)| {
        let requests = (0..most).map(|number| {
            let (method, path, body) = make(number * count + index);
            request_text(&server.address, server.token.as_deref(), method, &path, &body)
        });
        let file = server.directory().join(format!("requests-{index}"));
        fs::write(&file, requests.collect::<Vec<_>>().join("\x01")).unwrap();
        Script { server, path: String::new(), lines: REPLAY.replace("FILE", file.to_str().unwrap()) }
    });
    wrk(&scripts.collect::<Vec<_>>(), clients / servers.len(), duration)
}

/// The same request again and again, by wrk.
pub fn repeated(server: &Server, clients: usize, duration: Duration, request: &Request) -> Measured {
    let (method, path, body) = request;
    let token = server.token.as_deref().map(|token| format!("wrk.headers[\"X-Auth-Token\"] = \"{token}\"\n"));
    let token = token.unwrap_or_default();
    let lines = format!(
        "wrk.method = \"{method}\"\nwrk.body = {body:?}\nwrk.headers[\"Content-Type\"] = \"application/json\"\n{token}"
    );
    wrk(&[Script { server, path: path.clone(), lines }], clients, duration)
}

/// What one wrk does.
struct Script<'s> {
    server: &'s Server,
    path: String,
    lines: String,
}

/// Runs a wrk for each server at the same time.
fn wrk(scripts: &[Script<'_>], clients: usize, duration: Duration) -> Measured {
    let servers: Vec<&Server> = scripts.iter().map(|script| script.server).collect();
    let before = Cores::seconds(&servers);
    let begin = Instant::now();
    let start = |(index, script): (usize, &Script<'_>)| {
        let file = script.server.directory().join(format!("load-{index}.lua"));
        fs::write(&file, &script.lines).unwrap();
        Command::new("wrk")
            .args(["--latency", "--threads", "1", "--connections", &clients.to_string()])
            .args(["--duration", &format!("{}s", duration.as_secs())])
            .arg("--script")
            .arg(&file)
            .arg(format!("http://{}{}", script.server.address, script.path))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("wrk is needed; ./bench installs it")
    };
    let running: Vec<_> = scripts.iter().enumerate().map(start).collect();
    let outputs: Vec<_> = running.into_iter().map(|process| process.wait_with_output().unwrap()).collect();
    let cores = Cores::between(before, Cores::seconds(&servers), begin.elapsed());
    let each: Vec<Measured> = outputs.iter().map(|output| printed(output, cores)).collect();
    Measured {
        rate: each.iter().map(|measured| measured.rate).sum(),
        // Of two servers what the slower one shows.
        median: each.iter().map(|measured| measured.median).fold(0.0, f64::max),
        p99: each.iter().map(|measured| measured.p99).fold(0.0, f64::max),
        cores,
    }
}

/// What wrk prints.
fn printed(output: &Output, cores: Cores) -> Measured {
    let text = String::from_utf8_lossy(&output.stdout);
    // It goes on with requests of its own when the script has a fault.
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && faults.is_empty() && !text.contains("Non-2xx"), "{text}{faults}");
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
