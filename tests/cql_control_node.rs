//! A reader with the rules of the control nodes' library (`tests/python/cql_control_node.py`) reads the configuration from two
//! servers over CQL and follows the message bus, while clients create, change and delete, and servers and the broker are killed.
//! In the end it has what REST tells, by write times alone, and nothing that it read was older than what it had been told.
//!
//! `CIRRUS_CONTROL_NODE_SEEDS` is how many times, 2 by itself; `CIRRUS_CONTROL_NODE_FIRST_SEED` where they begin.

use crate::support::postgresql::Cluster;
use crate::support::rabbitmq::{RabbitMq, free_port};
use crate::support::random::Random;
use crate::support::{Answer, Api, Checks, Process, Server, cql, python};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::timeout;

const CLIENTS: usize = 4;
/// How many objects each client looks after.
const OBJECTS: usize = 8;
/// How many operations each client does between one fault and the next.
const OPERATIONS: usize = 30;
/// How many faults there are.
const FAULTS: usize = 4;
/// After a broker was away its messages are held back until queues are bound again, for a minute at most, and drivers come back with
/// longer and longer pauses; on a busy machine one comes after the other. Nothing stays away for longer than this.
const SAYS_WITHIN: Duration = Duration::from_mins(4);
/// No answer of REST stays away for longer.
const HANG: Duration = Duration::from_mins(1);
/// How many names and rows the reader asks for at a time: few, so that there are pages and batches.
const BUNCH: &str = "20";
/// Far more than the network manager's day takes.
const DAY: Duration = Duration::from_mins(10);
const NOT_KNOWN: &str = "it is not known whether the request was stored";

pub async fn a_control_node_has_everything() {
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().expect(name));
    let first: u64 = number("CIRRUS_CONTROL_NODE_FIRST_SEED", 1);
    let seeds = first..first + number("CIRRUS_CONTROL_NODE_SEEDS", 2);
    let mut place = block_in_place(Place::new);
    let mut checks = Checks::default();
    for seed in seeds {
        let found = play(&mut place, seed).await;
        checks.run(&format!("seed {seed}"), async { found.unwrap_or_else(|difference| panic!("{difference}")) }).await;
    }
    checks.finish();
}

/// What a network manager does in its day, with a control node that hears of all of it and reads it.
pub async fn a_day_with_a_control_node() {
    let broker = block_in_place(RabbitMq::start);
    let (server, address) = block_in_place(|| cql::start(&["--amqp-url", &broker.url()]));
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = python::program("cql_control_node.py");
    command.args([&broker.url(), "contrail-control.day", &port, &host]);
    let mut reader = block_in_place(|| Process::spawn(&mut command));
    wait_for(&mut reader, "read").unwrap();
    python::run("network_manager_day.py", &[server.url()], DAY).await;
    make_mark(&server.api(), "contrail-control.day").await;
    let end = wait_for(&mut reader, "equal").unwrap();
    println!("        {end}");
    assert!(end["messages"].as_u64().unwrap() > 500 && end["objects gone"].as_u64().unwrap() > 100, "{end}");
}

/// The database, the broker, and the servers, which daemons reach at two addresses and one port.
struct Place {
    servers: [Option<Server>; 2],
    port: u16,
    broker: RabbitMq,
    cluster: Cluster,
}

impl Place {
    fn new() -> Self {
        let cluster = Cluster::start("primary", &[]);
        cluster.create_database();
        let mut place = Self { servers: [None, None], port: free_port(), broker: RabbitMq::start(), cluster };
        place.start_server(0);
        place.start_server(1);
        place
    }

    fn start_server(&mut self, index: usize) {
        let listen = format!("{}:{}", address(index), self.port);
        let options = ["--cql-listen", &listen, "--amqp-url", &self.broker.url()];
        let server = Server::start_on_with(&self.cluster.url(), &options);
        cql::address(&server);
        self.servers[index] = Some(server);
    }

    fn apis(&self) -> [Api; 2] {
        [0, 1].map(|index: usize| self.servers[index].as_ref().expect("a server").api())
    }

    fn break_something(&mut self, fault: Fault) {
        match fault {
            Fault::Nothing => {}
            Fault::Server(index) => {
                if let Some(mut server) = self.servers[index].take() {
                    server.kill();
                }
            }
            Fault::Broker => self.broker.kill(),
        }
    }

    fn mend(&mut self, fault: Fault) {
        match fault {
            Fault::Nothing => {}
            Fault::Server(index) => self.start_server(index),
            Fault::Broker => self.broker.restart(),
        }
    }

    fn start_reader(&self, seed: u64) -> Process {
        let mut command = python::program("cql_control_node.py");
        command.args([&self.broker.url(), &queue(seed), &self.port.to_string()]);
        command.args([address(0), address(1)]).env("CONFIG_NUM_DB_READ_REQ_TO_BUNCH", BUNCH);
        Process::spawn(&mut command)
    }
}

fn address(index: usize) -> &'static str {
    ["127.0.0.1", "127.0.0.2"][index]
}

/// What is killed, and comes back later.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Nothing,
    Server(usize),
    Broker,
}

impl Fault {
    fn any(random: &mut Random) -> Self {
        match random.below(6) {
            0 => Self::Nothing,
            1 => Self::Broker,
            other => Self::Server(other % 2),
        }
    }
}

/// What the clients share.
struct Shared {
    /// Up to which round they go on.
    rounds: watch::Sender<Option<usize>>,
    /// How many operations were done.
    done: watch::Sender<usize>,
    apis: Mutex<[Api; 2]>,
    /// What there is to refer to, whoever looks after it; some of it may be gone by then.
    targets: Mutex<Vec<(Kind, String)>>,
}

async fn play(place: &mut Place, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let shared = Arc::new(Shared {
        rounds: watch::Sender::new(Some(OPERATIONS)),
        done: watch::Sender::new(0),
        apis: Mutex::new(place.apis()),
        targets: Mutex::default(),
    });
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(run_client(Arc::clone(&shared), Random::new(random.next()), seed << 8 | client as u64));
    }
    let mut done = shared.done.subscribe();
    // In the middle of it.
    done.wait_for(|done| *done > CLIENTS * OPERATIONS / 2).await.unwrap();
    let mut reader = block_in_place(|| place.start_reader(seed));
    wait_for(&mut reader, "read")?;
    for round in 0..FAULTS {
        let fault = Fault::any(&mut random);
        println!("        seed {seed}: {fault:?}");
        block_in_place(|| place.break_something(fault));
        // Some of what is done is done meanwhile, and some later.
        shared.rounds.send_replace(Some(OPERATIONS * (round + 2)));
        let before = *done.borrow_and_update();
        done.wait_for(|done| *done > before + CLIENTS * OPERATIONS / 2).await.unwrap();
        block_in_place(|| place.mend(fault));
        *shared.apis.lock().unwrap() = place.apis();
    }
    shared.rounds.send_replace(None);
    let succeeded: usize = clients.join_all().await.into_iter().sum();
    let tried = *done.borrow();
    if succeeded < tried / 2 {
        return Err(format!("only {succeeded} of {tried} operations had an effect"));
    }
    let [api, _] = place.apis();
    make_mark(&api, &queue(seed)).await;
    let end = wait_for(&mut reader, "equal")?;
    println!("        seed {seed}: {succeeded} of {tried} operations, {end}");
    if end["ages checked"].as_u64().unwrap_or_default() < succeeded as u64 / 4 {
        return Err(format!("too little was looked at: {end}"));
    }
    Ok(())
}

/// The next line of the reader that says this.
fn wait_for(reader: &mut Process, what: &str) -> Result<Value, String> {
    loop {
        let line = block_in_place(|| reader.next_line(SAYS_WITHIN));
        let Some(line) = line else {
            let status = block_in_place(|| reader.wait(HANG));
            return Err(format!("the reader has ended, {status:?}: {}", reader.errors()));
        };
        let line: Value = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
        if let Some(fault) = line["fault"].as_str() {
            return Err(fault.to_owned());
        }
        if !line[what].is_null() {
            return Ok(line);
        }
    }
}

fn queue(seed: u64) -> String {
    format!("contrail-control.seed-{seed}")
}

/// What tells the reader that there is nothing more, and with whom to compare what it has.
async fn make_mark(api: &Api, queue: &str) {
    let policy = json!({"fq_name": ["default-domain", "default-project", format!("mark-{queue}")],
        "parent_type": "project", "display_name": api.base()});
    api.post("/network-policys", &json!({"network-policy": policy})).await.ok();
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Network,
    Policy,
    Interface,
    Group,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Network => "virtual-network",
            Self::Policy => "network-policy",
            Self::Interface => "virtual-machine-interface",
            Self::Group => "security-group",
        }
    }

    fn any(random: &mut Random) -> Self {
        [Self::Network, Self::Policy, Self::Interface, Self::Group][random.below(4)]
    }
}

/// An object that one client looks after.
struct Slot {
    kind: Kind,
    uuid: String,
    /// Of the last operation.
    number: u64,
    exists: bool,
}

impl Slot {
    fn new(random: &mut Random) -> Self {
        let (kind, high, low) = (Kind::any(random), random.next(), random.next());
        let uuid = format!("{:08x}-{:04x}-4000-8000-{:012x}", high >> 32, high & 0xffff, low >> 16);
        Self { kind, uuid, number: 0, exists: false }
    }
}

/// Gives how many operations had an effect.
async fn run_client(shared: Arc<Shared>, mut random: Random, client: u64) -> usize {
    let mut rounds = shared.rounds.subscribe();
    let mut slots: Vec<Slot> = (0..OBJECTS).map(|_| Slot::new(&mut random)).collect();
    let mut succeeded = 0;
    for round in 0.. {
        let more = rounds.wait_for(|until| until.is_none_or(|until| round < until)).await;
        if more.expect("it goes on").is_none() {
            return succeeded;
        }
        let slot = &mut slots[random.below(OBJECTS)];
        slot.number += 1;
        let (method, path, body) = operation(slot, &shared, &mut random);
        let first = random.below(2);
        // As clients do: where nobody listens, the other one is asked.
        let mut answer = None;
        for server in [first, 1 - first] {
            let api = shared.apis.lock().unwrap()[server].clone();
            let id = format!("req-{}-{}", slot.uuid, slot.number);
            let headers = [("Content-Type", "application/json"), ("X-Request-Id", &*id)];
            let content = body.as_ref().map(|body| body.to_string().into_bytes());
            let sent = timeout(HANG, api.send(method, &path, &headers, content)).await;
            match sent.unwrap_or_else(|_| panic!("client {client}: {method} {path} has no answer within {HANG:?}")) {
                Err(error) if error.is_connect() => {}
                other => {
                    answer = Some(other);
                    break;
                }
            }
        }
        match answer {
            Some(Ok(answer)) if answer.status == 200 => {
                slot.exists = method != "DELETE";
                let mut targets = shared.targets.lock().unwrap();
                targets.retain(|(_, uuid)| *uuid != slot.uuid);
                if slot.exists {
                    targets.push((slot.kind, slot.uuid.clone()));
                }
                succeeded += 1;
            }
            Some(Ok(answer)) if has_no_effect(&answer) => {}
            None => {}
            // It may be done at any time from now on, so nobody may do more with this object.
            Some(_) => {
                shared.targets.lock().unwrap().retain(|(_, uuid)| *uuid != slot.uuid);
                *slot = Slot::new(&mut random);
            }
        }
        shared.done.send_modify(|done| *done += 1);
    }
    succeeded
}

/// A refusal: of who is not there, or refers to nobody, or is in use; or the database is away.
fn has_no_effect(answer: &Answer) -> bool {
    match answer.status {
        400..=499 => true,
        503 => !answer.text.contains(NOT_KNOWN),
        _ => false,
    }
}

/// What to do next with an object: method, path, body.
fn operation(slot: &Slot, shared: &Shared, random: &mut Random) -> (&'static str, String, Option<Value>) {
    let name = slot.kind.name();
    let one = format!("/{name}/{}", slot.uuid);
    if slot.exists && random.below(6) == 0 {
        return ("DELETE", one, None);
    }
    let mut object = json!({"display_name": slot.number.to_string()});
    change(&mut object, slot.kind, shared, random);
    if slot.exists {
        return ("PUT", one, Some(json!({ name: object })));
    }
    object["uuid"] = json!(slot.uuid);
    object["fq_name"] = json!(["default-domain", "default-project", slot.uuid]);
    object["parent_type"] = json!("project");
    if slot.kind == Kind::Interface {
        object["virtual_network_refs"] = references(Kind::Network, 1, &Value::Null, shared, random);
    }
    ("POST", format!("/{name}s"), Some(json!({ name: object })))
}

/// Changes some fields.
fn change(object: &mut Value, kind: Kind, shared: &Shared, random: &mut Random) {
    if random.below(2) == 0 {
        let keys = ["a", "b:c", "d e", "\u{fc}", "f::", "g"].into_iter().filter(|_| random.next() & 1 == 0);
        let keys: Vec<&str> = keys.collect();
        let elements: Vec<Value> =
            keys.into_iter().map(|key| json!({"key": key, "value": random.below(3).to_string()})).collect();
        object["annotations"] = json!({"key_value_pair": elements});
    }
    if matches!(kind, Kind::Network | Kind::Interface) && random.below(2) == 0 {
        let number = random.below(14);
        let ports: Vec<Value> = (0..number).map(|_| json!({"protocol": "tcp", "port": 1 + random.below(3)})).collect();
        object[format!("{}_fat_flow_protocols", kind.name().replace('-', "_"))] = json!({ "fat_flow_protocol": ports });
    }
    match kind {
        Kind::Network if random.below(2) == 0 => {
            let attribute = json!({"sequence": {"major": random.below(3), "minor": 0}});
            let number = random.below(4);
            object["network_policy_refs"] = references(Kind::Policy, number, &attribute, shared, random);
        }
        Kind::Interface if random.below(2) == 0 => {
            let number = random.below(3);
            object["security_group_refs"] = references(Kind::Group, number, &Value::Null, shared, random);
        }
        Kind::Group if random.below(2) == 0 => object["configured_security_group_id"] = json!(random.below(3)),
        _ => {}
    }
}

/// Some objects of a kind, each once.
fn references(kind: Kind, number: usize, attribute: &Value, shared: &Shared, random: &mut Random) -> Value {
    let targets = shared.targets.lock().unwrap();
    let mut uuids: Vec<&String> = targets.iter().filter(|(other, _)| *other == kind).map(|(_, uuid)| uuid).collect();
    let mut chosen = Vec::new();
    while chosen.len() < number && !uuids.is_empty() {
        chosen.push(json!({"uuid": uuids.swap_remove(random.below(uuids.len())), "attr": attribute}));
    }
    json!(chosen)
}
