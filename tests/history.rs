//! Clients of two servers on one database create, change, read and delete a few objects while the database stalls, refuses,
//! hangs, and servers are killed. What they were told has to be explained by one order of all operations, and the log has to tell
//! the same.
//!
//! `CIRRUS_HISTORY_SEEDS` is how many histories are made, 20 by itself; `CIRRUS_HISTORY_FIRST_SEED` where they begin.

mod faults;
mod linearizable;
mod log;

use crate::support::postgresql::Cluster;
use crate::support::proxy::Proxy;
use crate::support::{Answer, Api, Checks, Server, random::Random, revision};
use faults::Fault;
use linearizable::{Action, Operation, Outcome, State};
use log::ObjectLog;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, timeout};

const CLIENTS: usize = 6;
const OBJECTS: usize = 4;
/// How many operations each client does while nothing is broken, and again while something is, at least.
const OPERATIONS: usize = 12;
/// How many faults a history has.
const FAULTS: usize = 2;
/// No answer stays away for longer, whatever happens to the database.
const HANG: Duration = Duration::from_secs(30);
/// What a write is refused with whose end is not known.
const NOT_KNOWN: &str = "it is not known whether the request was stored";

pub async fn histories_are_explained() {
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().expect(name));
    let first: u64 = number("CIRRUS_HISTORY_FIRST_SEED", 1);
    let seeds = first..first + number("CIRRUS_HISTORY_SEEDS", 20);
    let mut place = block_in_place(Place::new);
    let mut checks = Checks::default();
    for seed in seeds {
        // Not a task of its own, as the place is only one; what it finds is told as a text.
        let found = play(&mut place, seed).await;
        checks
            .run(&format!("history {seed}"), async { found.unwrap_or_else(|difference| panic!("{difference}")) })
            .await;
    }
    checks.finish();
}

/// The database, the ways to it, and the servers.
struct Place {
    cluster: Cluster,
    proxies: [Proxy; 2],
    servers: [Option<Server>; 2],
}

impl Place {
    fn new() -> Self {
        let cluster = Cluster::start("primary", &[]);
        cluster.create_database();
        let proxies = [Proxy::start(&cluster.socket()), Proxy::start(&cluster.socket())];
        let servers = [0, 1].map(|index: usize| Some(Server::start_on(&proxies[index].database_url())));
        faults::prepare(&cluster);
        Self { cluster, proxies, servers }
    }

    fn apis(&self) -> [Api; 2] {
        [0, 1].map(|index: usize| self.servers[index].as_ref().expect("a server").api())
    }

    /// A server that is killed at once, and another one in its place.
    fn replace_server(&mut self, index: usize) {
        if let Some(mut server) = self.servers[index].take() {
            server.kill();
        }
        self.servers[index] = Some(Server::start_on(&self.proxies[index].database_url()));
    }
}

/// A clock whose moments are all different and in the order of time.
#[derive(Default)]
struct Clock(AtomicU64);

impl Clock {
    fn now(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What the clients of a history share.
struct Shared {
    seed: u64,
    clock: Clock,
    values: AtomicU32,
    /// Up to which round clients go on.
    rounds: tokio::sync::watch::Sender<Option<usize>>,
    apis: Mutex<[Api; 2]>,
}

/// Makes a history, and looks whether it is explained.
async fn play(place: &mut Place, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let [_, api] = place.apis();
    let start = api.position().await;
    let shared = Arc::new(Shared {
        seed,
        clock: Clock::default(),
        values: AtomicU32::new(1),
        rounds: tokio::sync::watch::Sender::new(Some(OPERATIONS)),
        apis: Mutex::new(place.apis()),
    });
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(run_client(Arc::clone(&shared), random.next()));
    }
    for round in 0..FAULTS {
        let fault = Fault::any(&mut random);
        println!("        history {seed}: {fault:?}");
        block_in_place(|| faults::inject(place, fault));
        *shared.apis.lock().unwrap() = place.apis();
        shared.rounds.send_replace(Some(OPERATIONS * (round + 2)));
        tokio::time::sleep(fault.lasts()).await;
        block_in_place(|| faults::mend(place, fault));
    }
    shared.rounds.send_replace(None);
    let mut operations: Vec<Vec<Operation>> = vec![Vec::new(); OBJECTS];
    while let Some(done) = clients.join_next().await {
        for (object, operation) in done.map_err(|error| error.to_string())? {
            operations[object].push(operation);
        }
    }
    let log = read_log(&place.apis()[1], &start, seed).await;
    for (object, operations) in operations.iter().enumerate() {
        let explained = linearizable::check(operations);
        let explained = explained.and_then(|()| log::check(operations, &log[object]));
        explained.map_err(|difference| format!("seed {seed}, object {object}: {difference}"))?;
    }
    Ok(())
}

fn uuid_of(seed: u64, object: usize) -> String {
    format!("00000000-0000-4000-8000-{:012x}", seed << 8 | object as u64)
}

async fn run_client(shared: Arc<Shared>, seed: u64) -> Vec<(usize, Operation)> {
    let mut random = Random::new(seed);
    let mut rounds = shared.rounds.subscribe();
    let mut done = Vec::new();
    for round in 0.. {
        let more = rounds.wait_for(|until| until.is_none_or(|until| round < until)).await;
        if more.expect("the history goes on").is_none() {
            return done;
        }
        let object = random.below(OBJECTS);
        let server = random.below(2);
        let value = shared.values.fetch_add(1, Ordering::Relaxed);
        let action = match random.below(8) {
            0 | 1 => Action::Create(value),
            2 | 3 => Action::Update(value),
            4 => Action::Delete,
            _ => Action::Read,
        };
        let api = shared.apis.lock().unwrap()[server].clone();
        let called = shared.clock.now();
        let answer = timeout(HANG, ask(&api, shared.seed, object, action)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{action:?} has no answer within {HANG:?}"));
        let answered = shared.clock.now();
        if let Some((outcome, revision)) = outcome(action, answer) {
            done.push((object, Operation { called, answered, action, outcome, revision }));
        } else {
            // As clients do; nothing is synchronised by it.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    done
}

async fn ask(api: &Api, seed: u64, object: usize, action: Action) -> Result<Answer, reqwest::Error> {
    let uuid = uuid_of(seed, object);
    let path = format!("/network-policy/{uuid}");
    match action {
        Action::Create(value) => {
            let name = json!(["default-domain", "default-project", uuid]);
            let policy =
                json!({"fq_name": name, "parent_type": "project", "uuid": uuid, "display_name": value.to_string()});
            api.try_json("POST", "/network-policys", &json!({"network-policy": policy})).await
        }
        Action::Update(value) => {
            let policy = json!({"network-policy": {"display_name": value.to_string()}});
            api.try_json("PUT", &path, &policy).await
        }
        Action::Delete => api.send("DELETE", &path, &[], None).await,
        Action::Read => api.send("GET", &path, &[], None).await,
    }
}

/// What an answer says, and where it is true; nothing when the operation had no effect.
fn outcome(action: Action, answer: Result<Answer, reqwest::Error>) -> Option<(Outcome, Option<u64>)> {
    // A connection that can't be made has not carried the request anywhere.
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return None,
        Err(_) => return Some((Outcome::Unknown, None)),
    };
    let at = Some(revision(&answer.headers["x-cirrus-revision"]));
    let outcome = match (answer.status, action) {
        (200, Action::Read) => Outcome::Found(value_in(&answer.json()["network-policy"])),
        (200, _) => Outcome::Done,
        (404, _) => Outcome::Absent,
        (409, Action::Create(_)) => Outcome::Present,
        (503, _) if answer.text.contains(NOT_KNOWN) => Outcome::Unknown,
        (503, _) => return None,
        _ => panic!("{answer}: not expected of {action:?}"),
    };
    Some((outcome, at))
}

fn value_in(object: &Value) -> u32 {
    object["display_name"].as_str().expect("a value").parse().expect("a number")
}

/// What the log has of each object since a position.
async fn read_log(api: &Api, start: &str, seed: u64) -> Vec<ObjectLog> {
    let mut log: Vec<ObjectLog> = vec![BTreeMap::new(); OBJECTS];
    let begin = Instant::now();
    let mut since = start.to_owned();
    let mut last = revision(start);
    loop {
        let answer = api.get(&format!("/changes?since={since}&limit=7")).await;
        if answer.status == 503 && begin.elapsed() < HANG {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let page = answer.ok();
        for change in page["changes"].as_array().expect("changes") {
            let at = revision(change["revision"].as_str().expect("a revision"));
            assert!(at == last + 1, "{at} follows {last} in the log");
            last = at;
            let state: State = match change["operation"].as_str() {
                Some("delete") => None,
                _ => Some(&change["object"]).filter(|object| object["display_name"].is_string()).map(value_in),
            };
            if let Some(object) = (0..OBJECTS).find(|object| change["uuid"] == uuid_of(seed, *object)) {
                assert!(log[object].insert(at, state).is_none(), "{at} is told twice");
            }
        }
        let to = page["to"].as_str().expect("a position").to_owned();
        if to == since {
            return log;
        }
        since = to;
    }
}

/// What is wrong with a history that was good.
type Change = fn(&mut Vec<Operation>, &mut ObjectLog);

/// Proves that a history with a fault in it is not explained: each of these is a good one but for one thing.
pub fn faults_in_histories_are_found() {
    let operation = |called, answered, action, outcome, revision| Operation {
        called,
        answered,
        action,
        outcome,
        revision: Some(revision),
    };
    let good = vec![
        operation(0, 1, Action::Read, Outcome::Absent, 10),
        operation(2, 5, Action::Create(1), Outcome::Done, 11),
        operation(3, 6, Action::Create(2), Outcome::Present, 11),
        operation(7, 9, Action::Update(3), Outcome::Done, 12),
        operation(8, 10, Action::Read, Outcome::Found(1), 11),
        operation(11, 12, Action::Read, Outcome::Found(3), 12),
        operation(13, 20, Action::Update(4), Outcome::Unknown, 12),
        operation(21, 22, Action::Read, Outcome::Found(3), 12),
        operation(23, 24, Action::Read, Outcome::Found(4), 13),
        operation(25, 26, Action::Delete, Outcome::Done, 14),
        operation(27, 28, Action::Update(5), Outcome::Absent, 14),
    ];
    let good_log = ObjectLog::from([(11, Some(1)), (12, Some(3)), (13, Some(4)), (14, None)]);
    linearizable::check(&good).unwrap();
    log::check(&good, &good_log).unwrap();

    // A change to one operation, or to the log, and who has to find it: the order, the log.
    let planted: [(&str, Change, bool, bool); 10] = [
        ("a stale read", |history, _| history[5].outcome = Outcome::Found(1), true, true),
        (
            "a stale read that says so",
            |history, _| (history[5].outcome, history[5].revision) = (Outcome::Found(1), Some(11)),
            true,
            true,
        ),
        ("a read of what nobody wrote", |history, _| history[7].outcome = Outcome::Found(9), true, true),
        (
            "a read that goes back",
            |history, _| history.push(Operation { called: 25, answered: 26, ..history[7].clone() }),
            true,
            true,
        ),
        ("two creates of one object", |history, _| history[2].outcome = Outcome::Done, true, true),
        ("a write that is lost", |_, log| _ = log.remove(&12), false, true),
        (
            "a write that is answered and lost",
            |history, log| {
                history.retain(|operation| operation.outcome != Outcome::Found(3));
                log.remove(&12);
            },
            false,
            true,
        ),
        ("a write that was refused and stored", |_, log| _ = log.insert(15, Some(5)), false, true),
        ("a write that is stored twice", |_, log| _ = log.insert(15, Some(4)), false, true),
        ("a delete without effect", |history, _| history[10].outcome = Outcome::Done, true, true),
    ];
    for (name, change, by_order, by_log) in planted {
        let (mut history, mut log) = (good.clone(), good_log.clone());
        change(&mut history, &mut log);
        assert_eq!(linearizable::check(&history).is_err(), by_order, "{name}: by order");
        assert_eq!(log::check(&history, &log).is_err(), by_log, "{name}: by the log");
    }
}
