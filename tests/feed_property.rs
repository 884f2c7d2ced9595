//! Random writes on two processes, of which one is killed again and again, and readers that break off and resume at
//! random: every reader sees every change once and in order, requests whole, and what it makes of them is the server's
//! configuration, at the end and at every revision at which somebody has asked.
//!
//! `CIRRUS_FEED_CASES` is how many random histories are played, 12 by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::events::Events;
use crate::support::{Api, Server, revision, send_signal};

const WRITERS: usize = 4;
/// No history takes a tenth of it; a reader that has lost its end would wait for ever.
const LIMIT: Duration = Duration::from_mins(1);
const NAMES: usize = 6;
const PROJECT: [&str; 2] = ["default-domain", "default-project"];
/// A network brings a routing instance along, in the same request.
const KINDS: [&str; 3] = ["network-policy", "virtual-network", "routing-instance"];

/// What one writer does next; names are few, so that writers get in each other's way.
#[derive(Clone, Debug)]
enum Write {
    CreatePolicy(usize),
    CreateNetwork(usize),
    Rename(usize),
    Refer(usize, usize),
    Leave(usize, usize),
    DeletePolicy(usize),
    DeleteNetwork(usize),
    Reserve(usize),
    Kill,
}

/// What one reader does: which objects it wants, and after how many events it breaks off, again and again.
#[derive(Clone, Debug)]
struct Reading {
    kinds: Vec<&'static str>,
    breaks: Vec<usize>,
}

#[derive(Clone, Debug)]
struct History {
    writes: Vec<Vec<Write>>,
    readings: Vec<Reading>,
    /// Sizes of pages.
    limits: Vec<usize>,
    /// What is left to chance: which process is asked, and what.
    choices: Vec<usize>,
}

fn histories() -> impl Strategy<Value = History> {
    let name = 0..NAMES;
    let write = prop_oneof![
        4 => name.clone().prop_map(Write::CreatePolicy),
        4 => name.clone().prop_map(Write::CreateNetwork),
        4 => name.clone().prop_map(Write::Rename),
        6 => (name.clone(), name.clone()).prop_map(|(network, policy)| Write::Refer(network, policy)),
        3 => (name.clone(), name.clone()).prop_map(|(network, policy)| Write::Leave(network, policy)),
        3 => name.clone().prop_map(Write::DeletePolicy),
        2 => name.clone().prop_map(Write::DeleteNetwork),
        2 => name.prop_map(Write::Reserve),
    ];
    let writer = prop::collection::vec(write, 20..60);
    let kinds =
        prop_oneof![Just(KINDS.to_vec()), Just(vec![KINDS[0]]), Just(vec![KINDS[1]]), Just(KINDS[1..].to_vec())];
    let breaks = prop::collection::vec(0_usize..12, 1..6);
    let reading = (kinds, breaks).prop_map(|(kinds, breaks)| Reading { kinds, breaks });
    let limits = prop::collection::vec(1_usize..5, 1..5);
    let writers = prop::collection::vec(writer, WRITERS);
    let kills = prop::collection::vec((0..WRITERS, 0_usize..20), 0..3);
    let choices = prop::collection::vec(0_usize..16, 1..50);
    (writers, prop::collection::vec(reading, 3..6), limits, kills, choices).prop_map(
        |(mut writes, readings, limits, kills, choices)| {
            for (writer, place) in kills {
                writes[writer].insert(place, Write::Kill);
            }
            History { writes, readings, limits, choices }
        },
    )
}

/// Goes round the choices of a history, for each client from another place.
struct Choices(Vec<usize>, usize);

impl Choices {
    fn new(choices: &[usize], start: usize) -> Self {
        Self(choices.to_vec(), start)
    }

    fn next(&mut self) -> usize {
        self.1 += 1;
        self.0[self.1 % self.0.len()]
    }
}

/// Two processes on one database. The first keeps the database; the second is killed and started again.
pub struct Processes {
    first: Mutex<Server>,
    second: Mutex<Option<Server>>,
    apis: Mutex<[Api; 2]>,
}

impl Processes {
    pub fn start() -> Self {
        let first = Server::start();
        let second = first.start_another();
        let apis = Mutex::new([first.api(), second.api()]);
        Self { first: Mutex::new(first), second: Mutex::new(Some(second)), apis }
    }

    pub fn api(&self, number: usize) -> Api {
        self.apis.lock().unwrap()[number % 2].clone()
    }

    pub fn kill_second(&self) {
        let mut second = self.second.lock().unwrap();
        send_signal("KILL", &[second.as_ref().unwrap().process_id()]);
        // The killed one is collected before the next one is started in its place.
        drop(second.take());
        let next = self.first.lock().unwrap().start_another();
        self.apis.lock().unwrap()[1] = next.api();
        *second = Some(next);
    }
}

pub fn every_reader_has_every_change_once_and_in_order() {
    let cases = std::env::var("CIRRUS_FEED_CASES").map_or(12, |text| text.parse().expect("CIRRUS_FEED_CASES"));
    let processes = Arc::new(Processes::start());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // A failing history is made smaller by playing others; that many are enough to see what it is about.
    let config = Config { cases, max_shrink_iters: 30, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&histories(), |history| {
        let played = runtime.block_on(async {
            let play = timeout(LIMIT, play(Arc::clone(&processes), history));
            tokio::spawn(async { play.await.expect("every reader comes to the end in time") }).await
        });
        played.map_err(|error| TestCaseError::fail(format!("{:?}", panic_text(error))))
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

pub fn panic_text(error: tokio::task::JoinError) -> String {
    let panic = error.into_panic();
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}

fn fq_name(name: &str) -> Value {
    json!([PROJECT[0], PROJECT[1], name])
}

async fn play(processes: Arc<Processes>, history: History) {
    let start = processes.api(0).position().await;
    let case = start.rsplit('-').next().unwrap().to_owned();
    let mut readers = JoinSet::new();
    for (number, reading) in history.readings.iter().enumerate() {
        readers.spawn(watch(
            Arc::clone(&processes),
            reading.clone(),
            Choices::new(&history.choices, number),
            case.clone(),
        ));
    }
    let pages = tokio::spawn(read_pages(Arc::clone(&processes), history.limits.clone(), start.clone(), case.clone()));
    let mut writers = JoinSet::new();
    for (number, writes) in history.writes.iter().enumerate() {
        writers.spawn(write(Arc::clone(&processes), number, writes.clone(), Choices::new(&history.choices, number)));
    }
    let lists: Vec<List> = writers.join_all().await.into_iter().flatten().collect();
    for kind in &KINDS[..2] {
        let body = json!({ *kind: {"fq_name": fq_name(&format!("last-{case}")), "parent_type": "project"} });
        processes.api(0).post(&format!("/{kind}s"), &body).await.ok();
    }
    let log = pages.await.unwrap();
    let end = log.states.keys().next_back().copied().unwrap();
    for reader in readers.join_all().await {
        let wanted: State =
            log.states[&end].iter().filter(|(_, (kind, _))| reader.kinds.contains(&kind.as_str())).map(clone).collect();
        assert_eq!(reader.state, wanted, "what a watcher of {:?} knows in the end", reader.kinds);
    }
    for list in lists {
        let known = log.states.range(..=list.revision).next_back().map(|(_, state)| state).unwrap();
        let wanted: State = known.iter().filter(|(_, (kind, _))| *kind == list.kind).map(clone).collect();
        assert_eq!(list.state, wanted, "the list of {} at {}", list.kind, list.revision);
    }
    for kind in KINDS {
        let list = list(&processes.api(1), kind).await.expect("no process is killed now");
        let wanted: State = log.states[&end].iter().filter(|(_, (known, _))| known == kind).map(clone).collect();
        assert_eq!(list.state, wanted, "all {kind} in the end");
    }
}

fn clone<'a>((uuid, state): (&'a String, &'a (String, Value))) -> (String, (String, Value)) {
    (uuid.clone(), state.clone())
}

/// Objects by uuid: type, and own fields.
type State = BTreeMap<String, (String, Value)>;

/// The own fields of an object as some answer shows it.
fn own_fields(object: &Value) -> Value {
    let foreign = |name: &str| name.ends_with("_back_refs") || ["routing_instances", "href", "name"].contains(&name);
    let fields = object.as_object().unwrap().iter().filter(|(name, _)| !foreign(name));
    let mut own: serde_json::Map<String, Value> =
        fields.map(|(name, value)| (name.clone(), without_hrefs(value))).collect();
    own.sort_keys();
    Value::Object(own)
}

fn without_hrefs(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_hrefs).collect(),
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| *name != "href");
            Value::Object(kept.map(|(name, value)| (name.clone(), without_hrefs(value))).collect())
        }
        other => other.clone(),
    }
}

/// What somebody got who asked for a list.
struct List {
    kind: String,
    revision: u64,
    state: State,
}

async fn list(api: &Api, kind: &str) -> Option<List> {
    let answer = api.send("GET", &format!("/{kind}s?detail=true"), &[], None).await.ok()?;
    if answer.status != 200 {
        return None;
    }
    let body = answer.json();
    let objects = body[format!("{kind}s")].as_array().unwrap().iter().map(|item| &item[kind]);
    let state =
        objects.map(|object| (object["uuid"].as_str().unwrap().to_owned(), (kind.to_owned(), own_fields(object))));
    Some(List {
        kind: kind.to_owned(),
        revision: revision(&answer.headers["x-cirrus-revision"]),
        state: state.collect(),
    })
}

/// Writes what the history says, on either process; whatever the answers are, the log has to agree with the lists.
async fn write(processes: Arc<Processes>, number: usize, writes: Vec<Write>, mut choices: Choices) -> Vec<List> {
    let mut lists = Vec::new();
    for write in writes {
        let api = processes.api(choices.next());
        apply(&processes, &api, number, &write).await;
        if choices.next().is_multiple_of(4) {
            let kind = KINDS[choices.next() % 3];
            lists.extend(list(&processes.api(choices.next()), kind).await);
        }
    }
    lists
}

async fn apply(processes: &Arc<Processes>, api: &Api, writer: usize, write: &Write) {
    let policy = |number: &usize| fq_name(&format!("policy-{number}"));
    let network = |number: &usize| fq_name(&format!("network-{number}"));
    let send = async |method: &str, path: String, body: Value| {
        // A process that was killed meanwhile does not answer.
        api.try_json(method, &path, &body).await.ok().filter(|answer| answer.status == 200)
    };
    let find = async |kind: &str, name: Value| {
        let answer = send("POST", "/fqname-to-id".to_owned(), json!({"type": kind, "fq_name": name})).await?;
        Some(answer.json()["uuid"].as_str().unwrap().to_owned())
    };
    let refer = async |operation: &str, one: &usize, other: &usize| {
        let (source, target) = (find(KINDS[1], network(one)).await?, find(KINDS[0], policy(other)).await?);
        let body = json!({
            "type": KINDS[1], "uuid": source, "ref-type": KINDS[0], "ref-uuid": target, "operation": operation,
            "attr": {"sequence": {"major": writer, "minor": other}},
        });
        send("POST", "/ref-update".to_owned(), body).await
    };
    let delete = async |kind: &str, name: Value| {
        let uuid = find(kind, name).await?;
        send("DELETE", format!("/{kind}/{uuid}"), Value::Null).await
    };
    match write {
        Write::CreatePolicy(number) => {
            let body = json!({"network-policy": {"fq_name": policy(number), "parent_type": "project"}});
            send("POST", "/network-policys".to_owned(), body).await;
        }
        Write::CreateNetwork(number) => {
            let subnets =
                json!({"ipam_subnets": [{"subnet": {"ip_prefix": format!("10.{number}.0.0"), "ip_prefix_len": 24}}]});
            let ipam = json!({"to": [PROJECT[0], PROJECT[1], "default-network-ipam"], "attr": subnets});
            let body = json!({"virtual-network": {
                "fq_name": network(number), "parent_type": "project", "network_ipam_refs": [ipam],
            }});
            send("POST", "/virtual-networks".to_owned(), body).await;
        }
        Write::Rename(number) => {
            let Some(uuid) = find(KINDS[0], policy(number)).await else { return };
            let body = json!({"network-policy": {"display_name": format!("by {writer}, \u{fc}")}});
            send("PUT", format!("/network-policy/{uuid}"), body).await;
        }
        Write::Refer(one, other) => drop(refer("ADD", one, other).await),
        Write::Leave(one, other) => drop(refer("DELETE", one, other).await),
        Write::DeletePolicy(number) => drop(delete(KINDS[0], policy(number)).await),
        Write::DeleteNetwork(number) => drop(delete(KINDS[1], network(number)).await),
        Write::Reserve(number) => {
            let Some(uuid) = find(KINDS[1], network(number)).await else { return };
            send("POST", format!("/virtual-network/{uuid}/ip-alloc"), json!({"count": 2})).await;
        }
        Write::Kill => {
            let processes = Arc::clone(processes);
            tokio::task::spawn_blocking(move || processes.kill_second()).await.unwrap();
        }
    }
}

/// What the whole log says: the state after each request.
struct Log {
    states: BTreeMap<u64, State>,
}

/// Follows `/changes` in pages of changing sizes, each from either process.
async fn read_pages(processes: Arc<Processes>, limits: Vec<usize>, start: String, case: String) -> Log {
    let mut state = State::new();
    for kind in KINDS {
        // Nobody writes yet, or not much: what is in here twice is the same.
        state.extend(at_start(&processes.api(0), kind, &start).await);
    }
    let mut states = BTreeMap::from([(revision(&start), state.clone())]);
    let (mut since, mut last_request) = (start, String::new());
    for turn in 0.. {
        let api = processes.api(turn);
        let path = format!("/changes?since={since}&limit={}&wait=1", limits[turn % limits.len()]);
        let Ok(answer) = api.send("GET", &path, &[], None).await else {
            tokio::task::yield_now().await;
            continue;
        };
        if answer.status == 503 {
            continue;
        }
        let body = answer.ok();
        assert_eq!(body["from"], since);
        assert_eq!(answer.headers["x-cirrus-revision"], body["to"].as_str().unwrap());
        let changes = body["changes"].as_array().unwrap();
        let wanted: Vec<u64> = (revision(&since) + 1..=revision(body["to"].as_str().unwrap())).collect();
        let seen: Vec<u64> = changes.iter().map(|change| revision(change["revision"].as_str().unwrap())).collect();
        assert_eq!(seen, wanted, "every revision once and in order");
        for request in changes.chunk_by(|one, other| one["request_id"] == other["request_id"]) {
            let id = request[0]["request_id"].as_str().unwrap();
            assert_ne!(id, last_request, "a request is not split");
            id.clone_into(&mut last_request);
            for change in request {
                apply_change(&mut state, change);
            }
            let end = revision(request.last().unwrap()["revision"].as_str().unwrap());
            states.insert(end, state.clone());
        }
        body["to"].as_str().unwrap().clone_into(&mut since);
        let finished = |kind: &str| {
            let name = format!("last-{case}");
            state.values().any(|(known, object)| known == kind && object["fq_name"][2] == name.as_str())
        };
        if KINDS.iter().all(|kind| finished(kind)) {
            return Log { states };
        }
    }
    unreachable!()
}

/// The objects of a type at a position that may be past.
async fn at_start(api: &Api, kind: &str, position: &str) -> State {
    let body = api.get(&format!("/changes?since=oldest&limit=10000&resource_type={kind}")).await.ok();
    let mut state = State::new();
    for change in body["changes"].as_array().unwrap() {
        if revision(change["revision"].as_str().unwrap()) <= revision(position) {
            apply_change(&mut state, change);
        }
    }
    state
}

fn apply_change(state: &mut State, change: &Value) {
    match change["operation"].as_str().unwrap() {
        "reserve-addresses" => assert_eq!(change["addresses"].as_array().unwrap().len(), 2),
        // With a network goes all that was reserved in it, and the log says so.
        "free-addresses" => assert_eq!(change["addresses"].as_array().unwrap().len() % 2, 0),
        operation => happen(state, operation, change["type"].as_str().unwrap(), &change["object"]),
    }
}

/// What happened to an object, which has to fit what is known of it.
fn happen(state: &mut State, operation: &str, kind: &str, object: &Value) {
    if !KINDS.contains(&kind) {
        return;
    }
    let uuid = object["uuid"].as_str().unwrap().to_owned();
    let known = state.contains_key(&uuid);
    assert_eq!(known, operation != "create", "{operation} of {object}");
    match operation {
        "create" | "update" => drop(state.insert(uuid, (kind.to_owned(), own_fields(object)))),
        "delete" => drop(state.remove(&uuid)),
        other => panic!("{other} of {object}"),
    }
}

/// What a watcher knows in the end.
struct Watched {
    kinds: Vec<&'static str>,
    state: State,
}

/// Watches, breaks off after as many events as it is told, and goes on from the last id, on either process.
async fn watch(processes: Arc<Processes>, reading: Reading, mut choices: Choices, case: String) -> Watched {
    let mut state = State::new();
    let mut id: Option<String> = None;
    let query = format!("resource_type={}&init=stream&bookmarks=true", reading.kinds.join(","));
    for turn in 0.. {
        let api = processes.api(choices.next());
        let mut events = match Events::open(&api, &query, id.as_deref()).await {
            Ok(Ok(events)) => events,
            Ok(Err(503)) | Err(_) => {
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Err(status)) => panic!("{status} for a watcher that goes on from {id:?}"),
        };
        // Half of the breaks come from the other side: a process is killed.
        let mut left = reading.breaks.get(turn).copied();
        // Events count when their request is complete: that is where an id stands.
        let mut request = Vec::new();
        while let Some(event) = events.next().await {
            let event_id = event.id.clone();
            request.push(event);
            let Some(event_id) = event_id else { continue };
            if let Some(known) = &id {
                assert!(revision(&event_id) >= revision(known), "{event_id} after {known}");
            }
            for event in request.drain(..) {
                apply_event(&mut state, &event.name, &event.data);
            }
            id = Some(event_id);
            let finished = |kind: &&str| {
                let name = format!("last-{case}");
                state.values().any(|(known, object)| known == kind && object["fq_name"][2] == name.as_str())
            };
            if reading.kinds.iter().all(finished) {
                return Watched { kinds: reading.kinds, state };
            }
            if let Some(left) = &mut left {
                if *left == 0 {
                    break;
                }
                *left -= 1;
            }
        }
    }
    unreachable!()
}

fn apply_event(state: &mut State, name: &str, data: &Value) {
    if name != "bookmark" {
        let (kind, object) = data.as_object().unwrap().iter().next().unwrap();
        happen(state, name, kind, object);
    }
}
