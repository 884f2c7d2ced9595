//! Clients that keep connections and send nothing, or slowly: they cost others nothing, memory is bounded, and what is too much
//! is told so. The figures are printed.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Api, Checks, Process, Server};

/// What has to be there within this time is not told as late by a client that waits for a minute.
const SOON: Duration = Duration::from_secs(20);
const IDLE: usize = 2000;
const SLOW_BODIES: usize = 500;
/// Of clients that say that they send the most that may be sent.
const LARGE_BODIES: usize = 100;
const MOST: usize = 20;

pub async fn many_connections() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let server = Server::start_with(&[
        "--log",
        "warn",
        "--max-requests",
        "32",
        "--body-timeout",
        "300",
        "--least-body-rate",
        "0",
    ]);
    let another = |options: &[&str]| server.start_another_with(&[&["--log", "warn"], options].concat());
    let few = another(&["--max-connections", "20", "--body-timeout", "2"]);
    let behind = another(&["--trusted-proxies", "127.0.0.0/8,::1"]);
    let alone = another(&["--trusted-proxies", "192.0.2.7"]);
    let mut checks = Checks::default();
    let (api, address, process) = (server.api(), server.address(), server.process_id());
    checks.run("idle ones, and slow bodies", idle_and_slow(api, address, process)).await;
    checks.run("bodies that come too slowly", slow_bodies(behind.address(), few.address())).await;
    checks.run("heads that are too large", large_heads(address)).await;
    checks.run("more connections than there may be", too_many(few.address())).await;
    checks.run("who is believed about others (tls_6)", forwarded(behind.api(), alone.api())).await;
    checks.run("fewer open files than connections", few_files(server.database_url())).await;
    checks.finish();
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// A line of `/proc/.../status`, in MiB.
fn memory(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|status| status.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(text.as_bytes()).await.unwrap();
    connection
}

/// What comes until the server closes the connection.
async fn to_the_end(mut connection: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = async { while let Ok(1..) = connection.read_buf(&mut answer).await {} };
    timeout(SOON, read).await.expect("the connection is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn head_of(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(timeout(SOON, connection.read_buf(&mut answer)).await.unwrap().unwrap() > 0);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(length: usize, begin: &str) -> String {
    format!(
        "POST /fqname-to-id HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{begin}"
    )
}

async fn served(api: &Api, name: &str) {
    for number in 0..50 {
        let fq_name = ["default-domain", "default-project", &format!("{name}-{number}")];
        let body = json!({"network-policy": {"fq_name": fq_name, "parent_type": "project"}});
        let answer = timeout(SOON, api.post("/network-policys", &body)).await;
        answer.unwrap_or_else(|_| panic!("{name}: a create is not done within {SOON:?}")).ok();
        let answer = timeout(SOON, api.get("/network-policys")).await;
        answer.unwrap_or_else(|_| panic!("{name}: a list is not there within {SOON:?}")).ok();
    }
}

async fn timed(what: &str, work: impl Future<Output = ()>) {
    let begin = Instant::now();
    work.await;
    println!("{:>8.3} s  50 creates and lists {what}", begin.elapsed().as_secs_f64());
}

async fn idle_and_slow(api: Api, address: SocketAddr, process: u32) {
    timed("before", served(&api, "before")).await;
    let before = memory(process);
    let mut connections = Vec::new();
    for number in 0..IDLE {
        let mut connection = TcpStream::connect(address).await.unwrap();
        // Every other one has asked for something before.
        if number % 2 == 0 {
            connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            assert!(head_of(&mut connection).await.starts_with("HTTP/1.1 200"));
        }
        connections.push(connection);
    }
    let idle = memory(process);
    timed("beside idle connections", served(&api, "idle")).await;
    for _ in 0..SLOW_BODIES {
        connections.push(send(address, &post(60_000, &" ".repeat(30_000))).await);
    }
    for _ in 0..LARGE_BODIES {
        connections.push(send(address, &post(1_000_000, "{")).await);
    }
    timed("beside slow bodies, too", served(&api, "slow")).await;
    // There is room for a large one that comes whole.
    let mut body = br#"{"type": "virtual-network", "fq_name": ["none"]}"#.to_vec();
    body.resize(900_000, b' ');
    let large = api.send("POST", "/fqname-to-id", &[("Content-Type", "application/json")], Some(body));
    timeout(SOON, large).await.expect("a large body is not held up").unwrap().status_is(404);
    let slow = memory(process);
    println!(
        "{IDLE} idle connections: {before:.0} -> {idle:.0} MiB; with {SLOW_BODIES} slow bodies and {LARGE_BODIES} large ones: {slow:.0} MiB"
    );
    assert!(idle < before + 200.0, "memory grows from {before:.0} to {idle:.0} MiB");
    assert!(slow < idle + 200.0, "memory grows from {idle:.0} to {slow:.0} MiB");
}

async fn slow_bodies(patient: SocketAddr, hasty: SocketAddr) {
    // As a whole.
    let late = send(hasty, &post(60_000, "{")).await;
    let answer = to_the_end(late).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("The body did not arrive in time"), "{answer}");
    // By its rate, and one that is as fast as it has to be.
    let (mut slow, mut fast) =
        (send(patient, &post(1_000_000, "{")).await, send(patient, &post(100_000, "{\"type\": ")).await);
    let (mut trickled, mut answer) = (0, Vec::new());
    let answer = loop {
        tokio::select! {
            read = timeout(Duration::from_millis(500), slow.read_buf(&mut answer)) => match read {
                Ok(Ok(1..)) => {}
                Ok(_) => break String::from_utf8_lossy(&answer).into_owned(),
                Err(_) => {
                    slow.write_all(b"   ").await.ok();
                    if trickled < 90_000 {
                        fast.write_all(&[b' '; 3000]).await.unwrap();
                        trickled += 3000;
                    }
                }
            },
        }
    };
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("1024 bytes a second"), "{answer}");
    let rest = 100_000 - trickled - "{\"type\": ".len();
    fast.write_all(format!("{:rest$}", "\"domain\", \"fq_name\": [\"none\"]}").as_bytes()).await.unwrap();
    let head = head_of(&mut fast).await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

async fn large_heads(address: SocketAddr) {
    for (lines, status) in [(60, "200"), (80, "431")] {
        let fields: Vec<String> = (0..lines).map(|number| format!("X-{number}: {}\r\n", "y".repeat(2000))).collect();
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{}\r\n", fields.concat());
        // The server may have closed it before all is sent.
        connection.write_all(head.as_bytes()).await.ok();
        let answer = head_of(&mut connection).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{lines}: {answer}");
    }
}

async fn too_many(address: SocketAddr) {
    let healthy = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut connections = Vec::new();
    for _ in 0..MOST {
        let mut connection = send(address, healthy).await;
        assert!(head_of(&mut connection).await.starts_with("HTTP/1.1 200"));
        connections.push(connection);
    }
    for _ in 0..MOST {
        let answer = to_the_end(send(address, healthy).await).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(
            answer.contains("\r\nretry-after: 1\r\n") && answer.ends_with("\r\n\r\nToo many connections here\n"),
            "{answer}"
        );
    }
    // Those that are there are served, and one that goes leaves its seat.
    let mut last = connections.pop().unwrap();
    last.write_all(healthy.as_bytes()).await.unwrap();
    assert!(head_of(&mut last).await.starts_with("HTTP/1.1 200"));
    drop(last);
    let begin = Instant::now();
    loop {
        let mut connection = send(address, healthy).await;
        if head_of(&mut connection).await.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(begin.elapsed() < SOON, "the seat is free again");
    }
}

async fn forwarded(behind: Api, alone: Api) {
    let headers = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "api.example")];
    let href = async |api: &Api| {
        let home: Value = api.send("GET", "/", &headers, None).await.unwrap().ok();
        home["href"].as_str().unwrap().to_owned()
    };
    assert_eq!(href(&behind).await, "https://api.example");
    assert_eq!(href(&alone).await, alone.base());
}

async fn few_files(database_url: String) {
    let program = env!("CARGO_BIN_EXE_cirrus");
    let line = format!("ulimit -n 700; exec {program} serve --listen 127.0.0.1:0 --database-url '{database_url}'");
    let process = Process::spawn(Command::new("sh").env("CIRRUS_SETTINGS_FILE", "none").args(["-c", &line]));
    let ready = process.next_line(Duration::from_mins(2)).unwrap_or_else(|| panic!("{}", process.errors()));
    let url = ready.strip_prefix("cirrus is ready at ").unwrap().to_owned();
    assert!(process.errors().contains("fewer open files than --max-connections 10000 needs"), "{}", process.errors());
    // They are told so, where it would otherwise be short of files.
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut connections = Vec::new();
    let answer = loop {
        let mut connection = send(address, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let answer = head_of(&mut connection).await;
        connections.push(connection);
        if !answer.starts_with("HTTP/1.1 200") {
            break answer;
        }
        assert!(connections.len() < 700);
    };
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(process);
    println!("{} connections with 700 open files", connections.len() - 1);
    drop(connections);
    // And one with a soft limit raises it.
    let line = format!(
        "ulimit -S -n 300; exec {program} serve --listen 127.0.0.1:0 --database-url '{database_url}' --max-connections 1000"
    );
    let process = Process::spawn(Command::new("sh").env("CIRRUS_SETTINGS_FILE", "none").args(["-c", &line]));
    process.next_line(Duration::from_mins(2)).unwrap_or_else(|| panic!("{}", process.errors()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id)).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let files: u64 = files.split_whitespace().next().unwrap().parse().unwrap();
    assert!(files >= 1640, "{files}");
}
