//! What it costs to be the Cassandra of daemons: how fast one reads everything, what clients of REST notice of ten of them, and what
//! those cost who write while daemons follow.
//!
//! The daemons are threads of the bench that ask what the C++ library asks (two connections, eight requests under way). They have less
//! of a claim on the processors than others, for in a cloud they are elsewhere.

use crate::{
    WRITERS, get,
    load::{self, Measured, Request},
    middle, network, send,
    support::Server,
    table::{self, Against, Goal},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// How many objects there are: networks, each with a routing instance, and as many machines as interfaces.
const NETWORKS: u64 = 1_000;
const MACHINES: u64 = 49_000;
/// How a daemon reads (CQL contract 2.1).
const CONNECTIONS: usize = 2;
const WORKERS: usize = 8;
const BATCH: usize = 4096;
/// How many daemons read while clients of REST are looked at, and how many follow what is written.
const DAEMONS: usize = 10;
const FOLLOWERS: usize = 3;
/// How many requests come in a second meanwhile.
const PACE: f64 = 500.0;
/// How many pods come and go.
const PODS: u64 = 500;
/// How little of the processors daemons get.
const NICENESS: i32 = 10;

/// A server that speaks CQL, and where.
fn start() -> (Server, String) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    (Server::start(&["--cql-listen", &free]), free)
}

/// Prints the part.
pub fn cql(duration: Duration) {
    let (server, address) = start();
    furnish(&server);
    let types = types(&server);
    full_read(&server, &address, &types);
    beside(&server, &address, &types, duration);
    drop(server);
    follow();
}

fn machine(name: &str) -> Request {
    let body = json!({"virtual-machine": {"fq_name": [name]}});
    ("POST", "/virtual-machines".to_owned(), body.to_string())
}

fn interface(name: &str, network: &str, machine: &str) -> Request {
    let body = json!({"virtual-machine-interface": {
        "fq_name": ["default-domain", "default-project", name], "parent_type": "project",
        "virtual_network_refs": [{"to": ["default-domain", "default-project", network]}],
        "virtual_machine_refs": [{"to": [machine]}],
    }});
    ("POST", "/virtual-machine-interfaces".to_owned(), body.to_string())
}

fn furnish(server: &Server) {
    load::counted(&[server], WRITERS, NETWORKS, &|number| network(&format!("network-{number}")));
    load::counted(&[server], WRITERS, MACHINES, &|number| machine(&format!("machine-{number}")));
    load::counted(&[server], WRITERS, MACHINES, &|number| {
        let network = format!("network-{}", number % NETWORKS);
        interface(&format!("interface-{number}"), &network, &format!("machine-{number}"))
    });
}

/// The names of all types, with the paths of their lists.
fn types(server: &Server) -> Vec<(String, String)> {
    let home = send(server, &get("/"));
    let links = home["links"].as_array().unwrap().iter().map(|link| &link["link"]);
    let collections = links.filter(|link| link["rel"] == "collection");
    let kind = |link: &Value| {
        let path = link["href"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (link["name"].as_str().unwrap().replace('-', "_"), format!("/{path}?detail=true"))
    };
    collections.map(kind).collect()
}

/// What was read.
#[derive(Clone, Copy, Default, Debug)]
struct Taken {
    objects: usize,
    bytes: usize,
}

/// A daemon that reads everything, held against the same objects as lists of REST, both by turns.
fn full_read(server: &Server, address: &str, types: &[(String, String)]) {
    let before = server.memory();
    let mut most = before;
    let rounds = (0..crate::ROUNDS).map(|_| {
        let done = AtomicBool::new(false);
        let (taken, elapsed, highest) = thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut most: f64 = 0.0;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(server.memory());
                    thread::sleep(Duration::from_millis(10));
                }
                most
            });
            let begin = Instant::now();
            let taken = Daemon::new(address).read_all(types);
            let elapsed = begin.elapsed();
            done.store(true, Ordering::Relaxed);
            (taken, elapsed, watch.join().unwrap())
        });
        most = most.max(highest);
        let begin = Instant::now();
        let mut connection = server.connect();
        let listed: usize = types.iter().map(|(_, path)| connection.send("GET", path, "").body.len()).sum();
        (taken, elapsed.as_secs_f64(), listed, begin.elapsed().as_secs_f64())
    });
    let mut rounds: Vec<_> = rounds.collect();
    let rate = |bytes: usize, seconds: f64| bytes as f64 / seconds / 1e6;
    let ratio = |(taken, elapsed, listed, other): &(Taken, f64, usize, f64)| {
        rate(taken.bytes, *elapsed) / rate(*listed, *other)
    };
    rounds.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    let round = &rounds[rounds.len() / 2];
    let (taken, elapsed, listed, other) = round;
    table::value(&format!("CQL, {} objects read by a daemon", taken.objects), *elapsed, "s", Goal::None);
    table::value("  objects a second", taken.objects as f64 / elapsed, "", Goal::None);
    table::value("  bytes a second", rate(taken.bytes, *elapsed), "MB/s", Goal::None);
    table::value("the same objects as lists of REST, detail", rate(*listed, *other), "MB/s", Goal::None);
    table::value("  CQL / REST, bytes a second", ratio(round), "", Goal::AtLeast(0.7));
    table::value("memory before", before, "MiB", Goal::None);
    table::value("  highest while a daemon reads", most, "MiB", Goal::None);
}

/// What clients of REST notice of daemons.
fn beside(server: &Server, address: &str, types: &[(String, String)], duration: Duration) {
    let name = json!({"type": "virtual-network", "fq_name": ["default-domain", "default-project", "network-77"]});
    let found = send(server, &("POST", "/fqname-to-id".to_owned(), name.to_string()));
    let path = format!("/virtual-network/{}", found["uuid"].as_str().unwrap());
    let paced = || load::open(server, PACE, duration, &|_| get(path.clone()));
    let alone = paced();
    table::row("GET by id, 500 a second, open loop", alone, Against::Nothing, Goal::None);
    let done = AtomicBool::new(false);
    let read = AtomicUsize::new(0);
    let busy = thread::scope(|scope| {
        for _ in 0..DAEMONS {
            scope.spawn(|| {
                give_way();
                let daemon = Daemon::new(address);
                while !done.load(Ordering::Relaxed) {
                    read.fetch_add(daemon.read_all_until(types, &done).objects, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs(1));
        let busy = paced();
        done.store(true, Ordering::Relaxed);
        busy
    });
    assert!(read.into_inner() > 0, "no daemon has read anything");
    table::row(&format!("the same, while {DAEMONS} daemons read everything"), busy, Against::Nothing, Goal::None);
    table::value("  99 % of GETs, with daemons / alone", busy.p99 / alone.p99, "", Goal::AtMost(3.0));
}

/// Pods that come and go, as the network manager does it, with and without daemons that follow.
fn follow() {
    let rounds = (0..crate::ROUNDS).map(|round| {
        let plain = Server::start(&[]);
        let without = day(&plain, round, &[]);
        drop(plain);
        let (server, address) = start();
        let types = types(&server);
        let with = thread::scope(|scope| {
            let followers: Vec<Sender<String>> = (0..FOLLOWERS)
                .map(|_| {
                    let (tell, told) = mpsc::channel();
                    let (address, types) = (&address, &types);
                    scope.spawn(move || {
                        give_way();
                        let daemon = Daemon::new(address);
                        daemon.read_all(types);
                        for uuid in told {
                            daemon.read_rows(0, &[uuid]);
                        }
                    });
                    tell
                })
                .collect();
            day(&server, round, &followers)
        });
        (with, without)
    });
    let (with, without) = middle(rounds.collect());
    let against = Against::Time("without CQL", without.median);
    let what = format!("pods come and go, {FOLLOWERS} daemons follow (ms a pod)");
    table::row(&what, with, against, Goal::AtMost(1.1));
}

/// A client that makes, reads, changes and deletes pods one after the other, and says which objects have changed.
fn day(server: &Server, round: usize, followers: &[Sender<String>]) -> Measured {
    let tell = |uuid: &str| followers.iter().for_each(|follower| follower.send(uuid.to_owned()).unwrap());
    send(server, &network("pods"));
    let mut connection = server.connect();
    let mut ask = |method: &str, path: &str, body: &str| -> Value {
        let answer = connection.send(method, path, body);
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap_or_default()
    };
    let before = load::Cores::seconds(&[server]);
    let begin = Instant::now();
    for number in 0..PODS {
        let name = format!("pod-{round}-{number}");
        let (method, path, body) = machine(&name);
        let machine = ask(method, &path, &body)["virtual-machine"]["uuid"].as_str().unwrap().to_owned();
        tell(&machine);
        let (method, path, body) = interface(&name, "pods", &name);
        let interface = ask(method, &path, &body)["virtual-machine-interface"]["uuid"].as_str().unwrap().to_owned();
        tell(&interface);
        let path = format!("/virtual-machine-interface/{interface}");
        ask("GET", &path, "");
        ask("PUT", &path, &json!({"virtual-machine-interface": {"display_name": "a pod"}}).to_string());
        tell(&interface);
        ask("DELETE", &path, "");
        tell(&interface);
        ask("DELETE", &format!("/virtual-machine/{machine}"), "");
        tell(&machine);
    }
    let elapsed = begin.elapsed();
    let cores = load::Cores::between(before, load::Cores::seconds(&[server]), elapsed);
    let each = elapsed.as_secs_f64() * 1000.0 / PODS as f64;
    Measured { rate: 1000.0 / each, median: each, p99: f64::NAN, cores }
}

/// Takes less of the processors from here on, which in Linux is said of a thread.
fn give_way() {
    rustix::process::nice(NICENESS).unwrap();
}

/// A daemon, as the server knows it.
struct Daemon {
    connections: Vec<Connection>,
}

impl Daemon {
    fn new(address: &str) -> Self {
        Self { connections: (0..CONNECTIONS).map(|_| Connection::new(address)).collect() }
    }

    fn read_all(&self, types: &[(String, String)]) -> Taken {
        self.read_all_until(types, &AtomicBool::new(false))
    }

    /// Names of all types, then rows; some of them, if it is told to stop.
    fn read_all_until(&self, types: &[(String, String)], done: &AtomicBool) -> Taken {
        let mut bytes = 0;
        let mut uuids: Vec<Vec<String>> = vec![Vec::new(); WORKERS];
        for (kind, _) in types {
            let mut last = None::<Vec<u8>>;
            loop {
                let after = last.map(|last| format!(" AND (column1) > (0x{})", hexadecimal(&last))).unwrap_or_default();
                let key = hexadecimal(kind.as_bytes());
                let names = self.connections[0].ask(
                    0,
                    &format!("SELECT key,column1 FROM obj_fq_name_table WHERE key=0x{key}{after} LIMIT {BATCH}"),
                );
                bytes += names.len();
                let names = Rows::of(&names).cells.collect::<Vec<_>>();
                for name in &names {
                    let uuid = std::str::from_utf8(&name[1][name[1].len() - 36..]).unwrap();
                    // As it falls to workers there.
                    let worker = uuid.bytes().map(usize::from).sum::<usize>() % WORKERS;
                    uuids[worker].push(uuid.to_owned());
                }
                if names.len() < BATCH || done.load(Ordering::Relaxed) {
                    break;
                }
                last = names.last().map(|name| name[1].to_vec());
            }
        }
        let taken = thread::scope(|scope| {
            let workers: Vec<_> = uuids
                .iter()
                .enumerate()
                .map(|(worker, uuids)| {
                    scope.spawn(move || {
                        give_way();
                        let batches = uuids.chunks(BATCH).take_while(|_| !done.load(Ordering::Relaxed));
                        batches.map(|uuids| self.read_rows(worker, uuids)).collect::<Vec<_>>()
                    })
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
        });
        let objects = taken.iter().map(|taken| taken.objects).sum();
        Taken { objects, bytes: bytes + taken.iter().map(|taken| taken.bytes).sum::<usize>() }
    }

    /// The rows of these objects.
    fn read_rows(&self, worker: usize, uuids: &[String]) -> Taken {
        let mut keys = String::new();
        for uuid in uuids {
            write!(keys, "{}0x{}", if keys.is_empty() { "" } else { "," }, hexadecimal(uuid.as_bytes())).unwrap();
        }
        let keys = if uuids.len() == 1 { format!("={keys}") } else { format!(" IN ({keys})") };
        let statement = format!(
            "SELECT key,column1,value,WRITETIME(value) FROM obj_uuid_table WHERE key{keys} AND (column1) >= (0x64)"
        );
        let connection = &self.connections[worker % self.connections.len()];
        let answer = connection.ask(worker, &statement);
        let (mut objects, mut last) = (0, &[][..]);
        for cells in Rows::of(&answer).cells {
            objects += usize::from(cells[0] != last);
            last = cells[0];
        }
        Taken { objects, bytes: answer.len() }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// A connection in version 4 of the protocol, on which several wait for answers at the same time.
struct Connection {
    stream: Mutex<TcpStream>,
    waiting: std::sync::Arc<Mutex<HashMap<usize, Sender<Vec<u8>>>>>,
}

impl Connection {
    fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let waiting = std::sync::Arc::new(Mutex::new(HashMap::<usize, Sender<Vec<u8>>>::new()));
        let (mut reading, takers) = (stream.try_clone().unwrap(), std::sync::Arc::clone(&waiting));
        thread::spawn(move || {
            give_way();
            let mut head = [0; 9];
            // The end of it is the end of the connection.
            while reading.read_exact(&mut head).is_ok() {
                let mut body = vec![0; u32::from_be_bytes(head[5..].try_into().unwrap()) as usize];
                if reading.read_exact(&mut body).is_err() {
                    return;
                }
                assert_ne!(head[4], 0, "refused: {}", String::from_utf8_lossy(&body));
                let id = usize::from(u16::from_be_bytes([head[2], head[3]]));
                takers.lock().unwrap().remove(&id).unwrap().send(body).unwrap();
            }
        });
        let connection = Self { stream: Mutex::new(stream), waiting };
        connection.send(0, 1, b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0");
        connection.ask(0, "USE config_db_uuid");
        connection
    }

    /// Sends a frame and waits for the body of the answer.
    fn send(&self, id: usize, opcode: u8, body: &[u8]) -> Vec<u8> {
        let (give, take): (_, Receiver<Vec<u8>>) = mpsc::channel();
        self.waiting.lock().unwrap().insert(id, give);
        let mut frame = vec![4, 0, 0, u8::try_from(id).unwrap(), opcode];
        frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend(body);
        self.stream.lock().unwrap().write_all(&frame).unwrap();
        take.recv().unwrap()
    }

    fn ask(&self, id: usize, statement: &str) -> Vec<u8> {
        let mut body = u32::try_from(statement.len()).unwrap().to_be_bytes().to_vec();
        body.extend(statement.as_bytes());
        // QUORUM, nothing else.
        body.extend([0, 4, 0]);
        self.send(id, 7, &body)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stream.lock().unwrap().shutdown(std::net::Shutdown::Both).ok();
    }
}

/// The rows of an answer.
struct Rows<I> {
    cells: I,
}

impl Rows<()> {
    fn of(answer: &[u8]) -> Rows<impl Iterator<Item = Vec<&[u8]>>> {
        let mut rest = answer;
        assert_eq!(int(&mut rest), 2, "no rows");
        let flags = int(&mut rest);
        assert_eq!(flags, 1, "one table, and all of the rows");
        let columns = int(&mut rest);
        for _ in 0..2 {
            text(&mut rest);
        }
        for _ in 0..columns {
            text(&mut rest);
            take(&mut rest, 2);
        }
        let rows = int(&mut rest);
        let cells = (0..rows).map(move |_| {
            let cell = |_| {
                let length = int(&mut rest);
                take(&mut rest, length)
            };
            (0..columns).map(cell).collect::<Vec<_>>()
        });
        Rows { cells }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

fn int(rest: &mut &[u8]) -> usize {
    u32::from_be_bytes(take(rest, 4).try_into().unwrap()) as usize
}

fn text<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::from(u16::from_be_bytes(take(rest, 2).try_into().unwrap()));
    take(rest, length)
}
