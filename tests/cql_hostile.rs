//! Clients of CQL that are broken or mean: whatever they send, the server stays, holds little for them, and serves others.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::timeout;

use crate::support::cql::{Answer, Client, ERROR, Frame, QUERY, STARTUP, V4, query, text_map};
use crate::support::random::Random;
use crate::support::{Api, Checks, Server, cql};

/// What has to be there within this time is not told as late by a client that waits for a minute.
const SOON: Duration = Duration::from_secs(20);
/// Nothing comes any more when nothing has come for so long.
const SILENCE: Duration = Duration::from_secs(1);
/// As many as there are of the client's and of the server's end in the files that a process may open.
const HALF_OPEN: usize = 10_000;
const SEATS: usize = 9_000;
/// Random bodies for each opcode.
const BODIES: usize = 2000;
const REQUESTS: i32 = 20_000;
/// Of the one that takes its answers in the end.
const PATIENT: i32 = 3000;
const MIB: f64 = 1024.0;

pub async fn broken_and_mean_clients() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let (server, address) =
        block_in_place(|| cql::start(&["--log", "info", "--cql-max-connections", &SEATS.to_string()]));
    let server = Arc::new(server);
    let (api, process) = (server.api(), server.process_id());
    let beside = Beside::start(server.api());
    let mut checks = Checks::default();
    checks.run("random bodies", random_bodies(address)).await;
    checks.run("random headers", random_headers(address)).await;
    checks.run("statements with a fault in them", broken_statements(address)).await;
    checks.run("frames that end too early", truncated(address)).await;
    checks.run("lengths that are none", lengths(address, process)).await;
    checks.run("what is no CQL", other_protocols(address)).await;
    checks.run("long and deep statements", long_statements(address, process)).await;
    checks.run("a client that takes no answers", no_answers_taken(api, address, process)).await;
    checks.run("connections on which nothing comes", half_open(Arc::clone(&server), address, maximum)).await;
    let requests = beside.stop().await;
    checks.run("REST was served meanwhile", async move { assert!(requests > 20, "{requests} requests") }).await;
    checks.finish();
    still_works(address).await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// A client of REST that asks all the time.
struct Beside {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<usize>,
}

impl Beside {
    fn start(api: Api) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut served = 0;
            while !until.load(Ordering::Relaxed) {
                timeout(SOON, api.get("/projects")).await.expect("REST is served").ok();
                served += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            served
        });
        Self { stop, task }
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("REST was served")
    }
}

/// A line of `/proc/.../status`, in MiB.
fn memory(process: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>().unwrap() / MIB
}

async fn still_works(address: SocketAddr) {
    let mut client = Client::start(address).await;
    let answer = client.query("SELECT key FROM system.local WHERE key='local'").await.rows();
    assert_eq!(answer.rows, [[Some(b"local".to_vec())]]);
}

/// Sends all of it and takes what comes, until that is enough, or the server ends the connection.
async fn send_all(client: &mut Client, frames: &[Vec<u8>]) -> usize {
    let all = frames.concat();
    let mut answers = 0;
    let (mut reader, mut writer) = client.socket.split();
    let write = async {
        // A server that has ended the connection takes no more.
        writer.write_all(&all).await.ok();
    };
    let read = async {
        while answers < frames.len() {
            let mut head = [0; 9];
            if reader.read_exact(&mut head).await.is_err() {
                return;
            }
            let [.., a, b, c, d] = head;
            let mut body = vec![0; usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap()];
            reader.read_exact(&mut body).await.expect("frames are whole");
            answers += 1;
        }
    };
    timeout(SOON, async { tokio::join!(write, read) }).await.expect("each is answered, or the connection ends");
    answers
}

fn random_byte(random: &mut Random, below: usize) -> u8 {
    u8::try_from(random.below(below)).expect("a byte")
}

fn random_bytes(random: &mut Random, most: usize) -> Vec<u8> {
    let length = random.below(most);
    // Small numbers are more likely to mean something.
    let mut byte = || {
        let below = [8, 256][random.below(2)];
        random_byte(random, below)
    };
    (0..length).map(|_| byte()).collect()
}

async fn random_bodies(address: SocketAddr) {
    let mut random = Random::new(1);
    let mut answered = 0;
    for opcode in 0..=0x12 {
        let mut left = BODIES;
        while left > 0 {
            let mut client = match random.below(4) {
                0 => Client::connect(address).await,
                _ => Client::start(address).await,
            };
            let number = left.min(250);
            let frames: Vec<Vec<u8>> = (0..i16::try_from(number).expect("a small number"))
                .map(|stream| {
                    let body = random_bytes(&mut random, 64);
                    Frame { version: 3 + u8::from(stream % 2 == 0), ..Frame::request(stream, opcode, body) }.bytes()
                })
                .collect();
            answered += send_all(&mut client, &frames).await;
            left -= number;
        }
    }
    println!("        {answered} answers");
    assert!(answered > BODIES, "{answered} answers");
    still_works(address).await;
}

async fn random_headers(address: SocketAddr) {
    let mut random = Random::new(2);
    for _ in 0..500 {
        let mut client = Client::connect(address).await;
        let mut bytes = random_bytes(&mut random, 40);
        if random.below(2) == 0 {
            // A version that is served.
            bytes.splice(0..0, [4, 0]);
        }
        client.send(&bytes).await.ok();
        client.socket.shutdown().await.ok();
        let mut rest = Vec::new();
        timeout(SOON, client.socket.read_to_end(&mut rest)).await.expect("the connection ends").ok();
    }
    still_works(address).await;
}

/// Statements that daemons send, with bytes that are others, gone or too many.
async fn broken_statements(address: SocketAddr) {
    let statements: Vec<String> = include_str!("data/cql/statements.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|statement| Some(statement.as_str()?.to_owned()))
        // Those that make something would leave it behind.
        .filter(|statement| statement.trim_start().starts_with("SELECT"))
        .collect();
    assert!(statements.len() > 20);
    let mut random = Random::new(3);
    let mut answered = 0;
    let number = 200;
    for _ in 0..40 {
        let mut client = Client::start(address).await;
        let frames: Vec<Vec<u8>> = (0..number)
            .map(|stream| {
                let mut text = statements[random.below(statements.len())].clone().into_bytes();
                for _ in 0..=random.below(3) {
                    let place = random.below(text.len());
                    match random.below(3) {
                        0 => text[place] = random_byte(&mut random, 256),
                        1 => _ = text.remove(place),
                        _ => text.insert(place, b"()'\",;0x*"[random.below(9)]),
                    }
                }
                let mut body = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
                body.extend(text);
                body.extend([0, 4, 0]);
                Frame::request(stream, QUERY, body).bytes()
            })
            .collect();
        let taken = send_all(&mut client, &frames).await;
        assert_eq!(taken, frames.len(), "a statement with a fault in it is no reason to end a connection");
        answered += taken;
    }
    println!("        {answered} answers");
    still_works(address).await;
}

/// Each beginning of a frame, and then the end.
async fn truncated(address: SocketAddr) {
    let start = Frame::request(1, STARTUP, text_map([("CQL_VERSION", "3.4.4")])).bytes();
    let whole = Frame::request(1, QUERY, query("SELECT * FROM system.local")).bytes();
    for (before, frame) in [(&[][..], &start), (&start[..], &whole)] {
        for length in 0..frame.len() {
            let mut client = Client::connect(address).await;
            client.send(&[before, &frame[..length]].concat()).await.unwrap();
            client.socket.shutdown().await.unwrap();
            let mut rest = Vec::new();
            timeout(SOON, client.socket.read_to_end(&mut rest)).await.expect("the connection ends").ok();
            assert!(rest.len() < 300, "{length} bytes of a frame are answered: {rest:?}");
        }
    }
    // In pieces it is a frame like others.
    let mut client = Client::connect(address).await;
    for byte in [start, whole].concat() {
        client.send(&[byte]).await.unwrap();
    }
    assert_eq!(client.receive().await.unwrap().opcode, cql::READY);
    assert!(matches!(client.receive().await.unwrap().answer(), Answer::Rows(_)));
}

/// Too long, and below zero: said at the head, and nobody waits for what would follow. What may be sent and is not costs little.
async fn lengths(address: SocketAddr, process: u32) {
    let head = |length: i32| [&[V4, 0, 0, 1, QUERY][..], &length.to_be_bytes()].concat();
    for length in [256 << 20, (256 << 20) - 1, i32::MAX, -1, i32::MIN, -2, 17 << 20] {
        let mut client = Client::start(address).await;
        client.send(&head(length)).await.unwrap();
        let mut answer = Vec::new();
        timeout(SOON, client.socket.read_to_end(&mut answer)).await.expect("the connection ends").ok();
        assert!(answer.is_empty() || answer[4] == ERROR, "{length}: {answer:?}");
    }
    let before = memory(process, "VmRSS");
    let mut waiting = Vec::new();
    for _ in 0..300 {
        let mut client = Client::start(address).await;
        client.send(&[&head(15 << 20)[..], &[0; 1000]].concat()).await.unwrap();
        waiting.push(client);
    }
    // These are looked at after the others.
    still_works(address).await;
    let after = memory(process, "VmRSS");
    println!("        300 clients that announce 15 MiB: {before:.0} -> {after:.0} MiB");
    assert!(after < before + 100.0, "memory grows from {before:.0} to {after:.0} MiB");
    // One that does send it, and means nothing.
    let mut client = Client::start(address).await;
    let body = vec![b'x'; 15 << 20];
    client.send(&Frame::request(1, QUERY, body).bytes()).await.ok();
    let answer = client.receive().await;
    assert!(answer.is_none_or(|answer| answer.opcode == ERROR));
    // Texts that are longer than the frame.
    for length in [0x7fff_ffff_u32, 0xffff_ffff, 0x8000_0000, 1000] {
        let body = [&length.to_be_bytes()[..], b"SELECT"].concat();
        let mut client = Client::start(address).await;
        let answer = client.ask(QUERY, body).await;
        assert_eq!(answer.error().0, 0x0a, "a text that is longer than the frame");
    }
}

async fn other_protocols(address: SocketAddr) {
    let hello = [&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3][..], &[7; 194]].concat();
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    let amqp = b"AMQP\0\0\x09\x01".to_vec();
    let thrift = [&[0, 0, 0, 30, 0x80, 1, 0, 1, 0, 0, 0, 12][..], b"set_keyspace"].concat();
    for (name, bytes) in [("TLS", hello), ("HTTP", http), ("AMQP", amqp), ("Thrift", thrift)] {
        let mut client = Client::connect(address).await;
        client.send(&bytes).await.unwrap();
        client.socket.shutdown().await.ok();
        let mut answer = Vec::new();
        timeout(SOON, client.socket.read_to_end(&mut answer)).await.unwrap_or_else(|_| panic!("{name} ends")).ok();
        assert!(answer.len() < 1000, "{name}: {answer:?}");
    }
    // Answers, and requests before a start.
    let mut client = Client::connect(address).await;
    let answer = client.ask(QUERY, query("SELECT * FROM system.local")).await;
    assert_eq!(answer.error().0, 0x0a, "nothing was started");
    still_works(address).await;
}

async fn long_statements(address: SocketAddr, process: u32) {
    let mut client = Client::start(address).await;
    client.query("USE config_db_uuid").await;
    let before = memory(process, "VmHWM");
    let deep = |open: &str, number| format!("SELECT {}", open.repeat(number));
    let columns = vec!["column1"; 100_000].join(",");
    let conditions = vec!["(column1) >= (0x64)"; 50_000].join(" AND ");
    let many: Vec<String> = (0..1500).map(|number| format!("0x{number:04x}")).collect();
    let many = many.join(",");
    let table = "to_bgp_keyspace.route_target_table";
    let millions = format!("UPDATE {table} SET value = 'x' WHERE key IN ({many}) AND column1 IN ({many})");
    for (name, statement) in [
        ("parentheses", deep("(", 1_000_000)),
        ("functions", deep("blobAsText(", 90_000)),
        ("brackets", deep("[{", 400_000)),
        ("tuples", format!("SELECT key FROM obj_uuid_table WHERE key = {}", "(".repeat(900_000))),
        ("a map of maps", format!("CREATE KEYSPACE x WITH replication = {}", "{'a':".repeat(200_000))),
        ("an endless text", format!("SELECT '{}", "''".repeat(500_000))),
        ("an endless number", format!("SELECT key FROM obj_uuid_table LIMIT {}", "9".repeat(1_000_000))),
        ("an endless name", format!("SELECT {} FROM obj_uuid_table", "a".repeat(1_000_000))),
        ("many columns", format!("SELECT {columns} FROM obj_uuid_table WHERE key = 0x00")),
        ("many conditions", format!("SELECT key FROM obj_uuid_table WHERE key = 0x00 AND {conditions}")),
        ("a comment", format!("SELECT /*{}", "/*".repeat(500_000))),
        ("millions of columns", millions),
    ] {
        let answer = timeout(SOON, client.query(&statement)).await.unwrap_or_else(|_| panic!("{name} are answered"));
        let Answer::Error(code, text) = answer else {
            // What is right is answered, however long it is.
            assert!(name.starts_with("many"), "{name}: {answer:?}");
            continue;
        };
        assert!(matches!(code, 0x2000 | 0x2200), "{name}: {code:x} {text}");
        assert!(text.len() < 1000, "{name}: the text of {} bytes does not repeat what was sent", text.len());
    }
    // A place to go on from that nobody has made, after more rows than there are numbers.
    let mut forged = query("SELECT key FROM obj_fq_name_table");
    *forged.last_mut().unwrap() = 0x0c;
    forged.extend(10_u32.to_be_bytes());
    let state = [&0x6369_7231_u32.to_be_bytes()[..], &[0xff; 8], &[0; 16], &[0xff; 8], &[0; 4]].concat();
    forged.extend(u32::try_from(state.len()).unwrap().to_be_bytes());
    forged.extend(state);
    assert_eq!(client.ask(QUERY, forged).await.answer().rows().rows.len(), 10);
    // More than a megabyte that means something: 9,000 keys, some of which come twice and one of which is there.
    let fq_names = client.query("SELECT key, column1 FROM obj_fq_name_table LIMIT 1").await.rows().rows;
    let column = String::from_utf8(fq_names[0][1].clone().unwrap()).unwrap();
    let there = column.rsplit(':').next().unwrap();
    let digits = |text: &str| {
        text.bytes().fold(String::new(), |mut digits, byte| {
            write!(digits, "{byte:02x}").unwrap();
            digits
        })
    };
    let keys: Vec<String> = (0..14_000)
        .map(|number| format!("0x{}", digits(&format!("{:08x}-0000-4000-8000-000000000000", number % 9000))))
        .collect();
    let statement = format!(
        "SELECT key,column1,value,WRITETIME(value) FROM obj_uuid_table WHERE key IN ({},0x{}) AND (column1) >= (0x64)",
        keys.join(","),
        digits(there)
    );
    assert!(statement.len() > 1_000_000);
    let rows = client.query(&statement).await.rows().rows;
    assert!(
        rows.len() > 3 && rows.iter().all(|row| row[0].as_deref() == Some(there.as_bytes())),
        "{} columns",
        rows.len()
    );
    let after = memory(process, "VmHWM");
    println!("        statements of a megabyte: {before:.0} -> {after:.0} MiB");
    assert!(after < before + 300.0, "memory grows from {before:.0} to {after:.0} MiB");
}

/// Sends and takes nothing. What it is to get waits where it is small.
async fn no_answers_taken(api: Api, address: SocketAddr, process: u32) {
    // An answer has some megabytes, as of each of these nothing is changed.
    for number in 0..40 {
        let elements: Vec<_> =
            (0..500).map(|key| json!({"key": format!("{key:05}"), "value": "v".repeat(100)})).collect();
        let policy = json!({"fq_name": ["default-domain", "default-project", format!("much-{number}")],
            "parent_type": "project", "annotations": {"key_value_pair": elements}});
        api.post("/network-policys", &json!({"network-policy": policy})).await.ok();
    }
    let before = memory(process, "VmRSS");
    let large = Frame::request(0, QUERY, query("SELECT * FROM config_db_uuid.obj_uuid_table")).bytes();
    let small = Frame::request(0, QUERY, query("SELECT * FROM system.local")).bytes();
    let mut clients = JoinSet::new();
    for (frame, requests) in [(&large, 200), (&large, REQUESTS), (&small, REQUESTS), (&small, PATIENT)] {
        let frame = frame.clone();
        clients.spawn(async move {
            let mut client = Client::start(address).await;
            let mut all = Vec::new();
            for number in 0..requests {
                let mut frame = frame.clone();
                let stream = i16::try_from(number % 30_000).unwrap();
                frame[2..4].copy_from_slice(&stream.to_be_bytes());
                all.extend(frame);
            }
            let mut sent = 0;
            // As far as the server takes it.
            while sent < all.len() {
                match timeout(SILENCE, client.socket.write(&all[sent..])).await {
                    Ok(written) => sent += written.expect("the connection stays"),
                    Err(_) => break,
                }
            }
            (client, all, sent, requests)
        });
    }
    let mut clients = clients.join_all().await;
    let after = memory(process, "VmRSS");
    println!("        {} clients that take no answers: {before:.0} -> {after:.0} MiB", clients.len());
    assert!(after < before + 150.0, "memory grows from {before:.0} to {after:.0} MiB");
    still_works(address).await;
    // One that goes on has all of them, each once.
    let place = clients.iter().position(|(.., requests)| *requests == PATIENT).unwrap();
    let (mut client, all, sent, _) = clients.swap_remove(place);
    let mut times = vec![0; usize::try_from(PATIENT).unwrap()];
    let (mut reader, mut writer) = client.socket.split();
    let write = async { writer.write_all(&all[sent..]).await.unwrap() };
    let read = async {
        for _ in 0..PATIENT {
            let mut head = [0; 9];
            timeout(SOON, reader.read_exact(&mut head)).await.expect("it goes on").unwrap();
            let [_, _, high, low, opcode, a, b, c, d] = head;
            assert_eq!(opcode, cql::RESULT);
            let mut body = vec![0; usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap()];
            reader.read_exact(&mut body).await.unwrap();
            times[usize::from(u16::from_be_bytes([high, low]))] += 1;
        }
    };
    tokio::join!(write, read);
    assert!(times.iter().all(|times| *times == 1), "each is answered once");
}

/// More than there may be. Others find room when these are gone.
async fn half_open(server: Arc<Server>, address: SocketAddr, files: Option<u64>) {
    let possible = usize::try_from(files.unwrap_or(u64::MAX)).unwrap_or(usize::MAX).saturating_sub(1000);
    let number = HALF_OPEN.min(possible);
    let process = server.process_id();
    let before = memory(process, "VmRSS");
    let mut connections = Vec::with_capacity(number);
    let mut refused = 0;
    for place in 0..number {
        match timeout(SOON, TcpStream::connect(address)).await {
            Ok(Ok(mut connection)) => {
                // Some have said something.
                if place % 3 == 0 {
                    connection.write_all(&[4, 0, 0]).await.ok();
                }
                connections.push(connection);
            }
            _ => refused += 1,
        }
    }
    let after = memory(process, "VmRSS");
    println!("        {number} connections, {refused} refused: {before:.0} -> {after:.0} MiB");
    assert!(after < before + 250.0, "memory grows from {before:.0} to {after:.0} MiB");
    server.api().get("/projects").await.ok();
    drop(connections);
    let begin = std::time::Instant::now();
    // The server hears of each end by itself.
    while timeout(SILENCE, is_let_in(address)).await != Ok(true) {
        assert!(begin.elapsed() < SOON, "nobody is let in after they are gone");
    }
}

async fn is_let_in(address: SocketAddr) -> bool {
    let Ok(socket) = TcpStream::connect(address).await else { return false };
    let mut client = Client { socket };
    let start = Frame::request(1, STARTUP, text_map([("CQL_VERSION", "3.4.4")])).bytes();
    client.send(&start).await.is_ok() && client.receive().await.is_some_and(|answer| answer.opcode == cql::READY)
}
