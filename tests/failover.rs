//! The database fails over under a running server: its primary is gone at once, a standby is promoted, and the address
//! leads there. What was answered is there, the server goes on, and whoever follows the changes is told that the history
//! may be another one. Where the standby lacks something, that is not hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::timeout;

use crate::support::events::Events;
use crate::support::postgresql::Cluster;
use crate::support::{Answer, Api, Checks, Server, revision, wait_until};

const CLIENTS: usize = 8;
/// How many creates are answered before the primary is killed, and after the address leads to the other one.
const ENOUGH: usize = 200;
/// No request may hang for longer than this, whatever happens to the database.
const HANG: Duration = Duration::from_secs(30);
/// A commit is answered when the standby has it, too.
const SYNCHRONOUS: [&str; 1] = ["synchronous_standby_names=standby"];
/// What a request is refused with whose end is not known; of all others it is known that nothing was stored.
const NOT_KNOWN: &str = "it is not known whether the request was stored";

pub async fn the_database_fails_over() {
    let mut checks = Checks::default();
    checks.run("nothing answered is lost with a synchronous standby", nothing_answered_is_lost()).await;
    checks.run("nothing is answered that only the old primary has", nothing_is_answered_too_early()).await;
    checks.run("what an asynchronous standby lacks is not hidden", what_is_lost_is_told()).await;
    checks.finish();
}

/// What an installation has as a proxy or an address that moves: connections to it are led to one of the clusters.
struct Forwarder {
    port: u16,
    target: watch::Sender<PathBuf>,
    /// Its own, since the server stops with the help of its database while the test waits for that.
    runtime: Option<Runtime>,
}

impl Forwarder {
    fn start(to: PathBuf) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = watch::Sender::new(to);
        let targets = target.subscribe();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, targets.clone()));
            }
        });
        Self { port, target, runtime: Some(runtime) }
    }

    /// Leads to another cluster from now on, and breaks what still leads to the one before.
    fn switch(&self, to: PathBuf) {
        self.target.send_replace(to);
    }

    fn database_url(&self) -> String {
        Cluster::url_through(self.port)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn forward(mut client: TcpStream, mut target: watch::Receiver<PathBuf>) {
    let socket = target.borrow_and_update().clone();
    // Nobody there: the client finds its connection closed.
    let Ok(mut database) = UnixStream::connect(socket).await else { return };
    client.set_nodelay(true).ok();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut database) => {}
        _ = target.changed() => {}
    }
}

/// A primary and its synchronous standby, with the database in both.
fn start_clusters() -> (Cluster, Cluster) {
    let primary = Cluster::start("primary", &SYNCHRONOUS);
    let standby = primary.start_standby("standby", &[]);
    primary.create_database();
    (primary, standby)
}

fn network_name(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

/// Asks for a network; an answer has to come, and to be good or to say that the database is away.
async fn ask_for_network(api: &Api, name: &str) -> Answer {
    let body = json!({"virtual-network": {"fq_name": network_name(name), "parent_type": "project"}});
    let answer = timeout(HANG, api.post("/virtual-networks", &body)).await;
    let answer = answer.unwrap_or_else(|_| panic!("the create of {name} hangs for {HANG:?}"));
    assert!(matches!(answer.status, 200 | 503), "{answer}: a create gets 200 or 503");
    answer
}

fn uuid_in(answer: &Answer) -> String {
    answer.json()["virtual-network"]["uuid"].as_str().unwrap().to_owned()
}

fn position_in(answer: &Answer) -> String {
    answer.headers["x-cirrus-revision"].clone()
}

fn epoch(position: &str) -> &str {
    position.rsplit_once('-').unwrap().0
}

/// One create that a client sent.
#[derive(Debug)]
struct Create {
    name: String,
    outcome: Outcome,
    ended: Instant,
}

#[derive(Debug)]
enum Outcome {
    Answered { uuid: String, position: String },
    Refused(String),
}

impl Create {
    fn answered(&self) -> Option<(&str, &str)> {
        match &self.outcome {
            Outcome::Answered { uuid, position } => Some((uuid, position)),
            Outcome::Refused(_) => None,
        }
    }
}

/// What the clients and the test tell each other.
#[derive(Default)]
struct Load {
    answered: watch::Sender<usize>,
    last: Mutex<Option<String>>,
    done: AtomicBool,
}

impl Load {
    async fn wait_for(&self, count: usize) {
        let mut answered = self.answered.subscribe();
        let waiting = timeout(Duration::from_mins(1), answered.wait_for(|answered| *answered >= count)).await;
        assert!(waiting.is_ok(), "{} of {count} creates are answered in a minute", *self.answered.borrow());
    }

    fn count(&self) -> usize {
        *self.answered.borrow()
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}

/// A client that creates networks until it is told to end. Each has another name, so that it can be seen of every single
/// request what it left.
async fn create_networks(api: Api, load: Arc<Load>, client: usize) -> Vec<Create> {
    let mut log = Vec::new();
    while !load.is_done() {
        let name = format!("failover-{client}-{}", log.len());
        let answer = ask_for_network(&api, &name).await;
        let outcome = if answer.status == 200 {
            let (uuid, position) = (uuid_in(&answer), position_in(&answer));
            *load.last.lock().unwrap() = Some(uuid.clone());
            load.answered.send_modify(|count| *count += 1);
            Outcome::Answered { uuid, position }
        } else {
            // As clients do; nothing is synchronised by it.
            tokio::time::sleep(Duration::from_millis(20)).await;
            Outcome::Refused(answer.text)
        };
        log.push(Create { name, outcome, ended: Instant::now() });
    }
    log
}

/// A client that reads what was answered last: it is never told that it is not there.
async fn read_networks(api: Api, load: Arc<Load>) {
    while !load.is_done() {
        let last = load.last.lock().unwrap().clone();
        if let Some(uuid) = last {
            let answer = timeout(HANG, api.get(&format!("/virtual-network/{uuid}"))).await.expect("a read hangs");
            assert!(matches!(answer.status, 200 | 503), "{answer}: a read gets 200 or 503");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A watcher: the networks that it is told of until it is sent away, and the position that it is given then.
async fn watch_networks(mut events: Events) -> (BTreeSet<String>, String) {
    let mut told = BTreeSet::new();
    loop {
        let event = events.next().await.expect("a watcher is told why it has to go");
        if event.name == "gone" {
            assert_eq!(events.next().await, None, "and then the stream ends");
            return (told, event.data["current"].as_str().unwrap().to_owned());
        }
        let uuid = event.data["virtual-network"]["uuid"].as_str().unwrap().to_owned();
        assert!(told.insert(uuid), "{event:?}: is told twice");
    }
}

async fn nothing_answered_is_lost() {
    let (mut primary, standby) = block_in_place(start_clusters);
    let forwarder = Forwarder::start(primary.socket());
    let server = block_in_place(|| Server::start_on(&forwarder.database_url()));
    let api = server.api();
    let start = api.position().await;
    let events = Events::open(&api, &format!("resource_type=virtual_network&since={start}"), None).await;
    let watcher = tokio::spawn(watch_networks(events.unwrap().unwrap()));

    let load = Arc::new(Load::default());
    let reader = tokio::spawn(read_networks(api.clone(), Arc::clone(&load)));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(create_networks(api.clone(), Arc::clone(&load), client));
    }
    load.wait_for(ENOUGH).await;
    block_in_place(|| primary.kill());
    let killed = Instant::now();
    block_in_place(|| standby.promote());
    let promoted = killed.elapsed();
    forwarder.switch(standby.socket());
    load.wait_for(load.count() + ENOUGH).await;
    load.done.store(true, Ordering::Relaxed);
    let log = clients.join_all().await;
    reader.await.unwrap();

    let creates = || log.iter().flatten();
    let last_before =
        creates().filter(|create| create.answered().is_some() && create.ended < killed).map(|it| it.ended);
    let first_after = creates().filter(|create| create.answered().is_some() && create.ended > killed + promoted);
    let refused = first_after.map(|it| it.ended).min().unwrap() - last_before.max().unwrap();
    println!(
        "{} creates answered, {} refused; no answer for {:.2} s, of which the promotion took {:.2} s",
        creates().filter(|create| create.answered().is_some()).count(),
        creates().filter(|create| create.answered().is_none()).count(),
        refused.as_secs_f64(),
        promoted.as_secs_f64()
    );

    let another = block_in_place(|| Server::start_on(&forwarder.database_url()));
    let present = verify(&api, &log).await;
    assert_eq!(verify(&another.api(), &log).await, present, "a new server finds the same");
    let stored = stored_networks(&standby.url()).await;
    assert_eq!(stored, present.iter().map(|uuid| (uuid.clone(), 1)).collect(), "with a routing instance each");
    verify_positions(&log, &start);

    let sent_away = timeout(HANG, watcher).await.expect("the watcher is not told of another history");
    let (told, current) = sent_away.unwrap();
    assert!(told.is_subset(&present), "the watcher was told of what is not there");
    assert_ne!(epoch(&current), epoch(&start), "the watcher is told of another history");
    for api in [&api, &another.api()] {
        verify_feed(api, &log, &start, &present).await;
    }
}

/// Looks at each create: an answered one has to be there, a refused one only if it was said that this is not known, and
/// then wholly. Gives the uuids of those that are there.
async fn verify(api: &Api, log: &[Vec<Create>]) -> BTreeSet<String> {
    let of_client = async |creates: &Vec<Create>| {
        let mut there = Vec::new();
        for create in creates {
            let found = api.find("virtual-network", &network_name(&create.name)).await;
            match &create.outcome {
                Outcome::Answered { uuid, .. } => assert_eq!(found.as_ref(), Some(uuid), "{create:?} was answered"),
                Outcome::Refused(text) => {
                    assert!(found.is_none() || text.contains(NOT_KNOWN), "{create:?} was refused and is there");
                }
            }
            let instance = json!(["default-domain", "default-project", create.name, create.name]);
            let Some(uuid) = found else {
                assert_eq!(api.find("routing-instance", &instance).await, None, "{create:?} is there by half");
                continue;
            };
            let answer = api.get(&format!("/virtual-network/{uuid}")).await;
            let network = &answer.ok()["virtual-network"];
            assert_eq!(network["fq_name"], network_name(&create.name), "{answer}");
            let instances = network["routing_instances"].as_array().map_or(&[][..], Vec::as_slice);
            assert_eq!(instances.len(), 1, "{answer}: has one routing instance");
            assert_eq!(instances[0]["to"], instance, "{answer}: its routing instance");
            there.push(uuid);
        }
        there
    };
    let there = futures_util::future::join_all(log.iter().map(of_client)).await.concat();
    let unique: BTreeSet<String> = there.iter().cloned().collect();
    assert_eq!(unique.len(), there.len(), "each has a uuid of its own");
    unique
}

/// The networks of the clients in a database, and how many routing instances each has.
async fn stored_networks(database_url: &str) -> BTreeMap<String, i64> {
    let query = "select network.uuid::text, count(instance.uuid) from object network
        left join object instance on instance.parent = network.uuid and instance.type = 'routing-instance'
        where network.type = 'virtual-network' and network.fq_name[3] like 'failover-%' group by network.uuid";
    let mut connection = PgConnection::connect(database_url).await.unwrap();
    let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(&mut connection).await.unwrap();
    rows.into_iter().collect()
}

/// No position was given twice, and for a client they only went on; the epoch changed once at most.
fn verify_positions(log: &[Vec<Create>], start: &str) {
    let mut revisions = BTreeSet::new();
    for creates in log {
        let positions: Vec<&str> = creates.iter().filter_map(|create| Some(create.answered()?.1)).collect();
        assert!(positions.is_sorted_by_key(|position| revision(position)), "{positions:?}");
        let mut epochs: Vec<&str> = positions.iter().map(|position| epoch(position)).collect();
        epochs.dedup();
        assert!(epochs.len() <= 2 && epochs[0] == epoch(start), "{epochs:?} after {start}");
        assert!(
            positions.iter().all(|position| revisions.insert(revision(position))),
            "{positions:?}: one is of another"
        );
    }
}

/// A server tells readers with positions of before that these are no good, and has every network once in its log.
async fn verify_feed(api: &Api, log: &[Vec<Create>], start: &str, present: &BTreeSet<String>) {
    // The port tells two servers apart.
    let answer = ask_for_network(api, &format!("after on {}", api.base().rsplit(':').next().unwrap())).await;
    let current = position_in(answer.status_is(200));
    assert_ne!(epoch(&current), epoch(start), "a write is of another history");
    assert_eq!(api.position().await, current);

    let positions = log.iter().flatten().filter_map(|create| Some(create.answered()?.1));
    let (old, new): (Vec<&str>, Vec<&str>) = positions.partition(|position| epoch(position) == epoch(start));
    let last = old.iter().max_by_key(|position| revision(position)).expect("an answer before the end of the primary");
    for since in [start, last] {
        let answer = api.get(&format!("/changes?since={since}")).await;
        let body = answer.status_is(410).json();
        assert_eq!(body["current"], current, "{answer}");
        assert_eq!(epoch(body["oldest"].as_str().unwrap()), epoch(&current), "{answer}");
    }
    let first = new.iter().min_by_key(|position| revision(position)).expect("an answer of the new primary");
    api.get(&format!("/changes?since={first}")).await.status_is(200);

    let mut since = "oldest".to_owned();
    let mut created = Vec::new();
    while since != current {
        let page = api.get(&format!("/changes?resource_type=virtual_network&since={since}")).await.ok();
        let changes = page["changes"].as_array().unwrap().iter().filter(|change| change["operation"] == "create");
        let uuids = changes.map(|change| change["uuid"].as_str().unwrap().to_owned());
        created.extend(uuids.filter(|uuid| present.contains(uuid)));
        page["to"].as_str().unwrap().clone_into(&mut since);
    }
    created.sort_unstable();
    assert_eq!(created, present.iter().cloned().collect::<Vec<_>>(), "the log has each once");
}

/// Creates a network, again and again while the database is away.
async fn create_in_the_end(api: &Api, name: &str) -> (String, String) {
    let begin = Instant::now();
    loop {
        let answer = ask_for_network(api, name).await;
        if answer.status == 200 {
            return (uuid_in(&answer), position_in(&answer));
        }
        assert!(!answer.text.contains(NOT_KNOWN), "{answer}: nothing was under way");
        assert!(begin.elapsed() < HANG, "{answer}: still after {:?}", begin.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The primary crashes with a commit that the standby does not have, starts again without a standby, and is lost then. What
/// it showed in between must not have been taken for an answer.
async fn nothing_is_answered_too_early() {
    let (mut primary, mut standby) = block_in_place(start_clusters);
    let forwarder = Forwarder::start(primary.socket());
    let server = block_in_place(|| Server::start_on(&forwarder.database_url()));
    let api = server.api();
    create_in_the_end(&api, "before").await;

    block_in_place(|| {
        // Until then it is the server's own word that could wait for the standby, and the create for that.
        wait_until("the server is the only one", HANG, || primary.has_only_server());
        standby.kill();
    });
    let waiting = {
        let api = api.clone();
        tokio::spawn(async move { ask_for_network(&api, "waiting").await })
    };
    block_in_place(|| {
        wait_until("the commit waits for the standby", HANG, || primary.commits_in_waiting() > 0);
        primary.kill();
        primary.restart(&SYNCHRONOUS);
        wait_until("the server has found its commit", HANG, || {
            primary.commits_in_waiting() > 0 || waiting.is_finished()
        });
        primary.kill();
        standby.restart(&[]);
        standby.promote();
    });
    forwarder.switch(standby.socket());

    let answer = waiting.await.unwrap();
    let found = api.find("virtual-network", &network_name("waiting")).await;
    if answer.status == 200 {
        assert_eq!(found, Some(uuid_in(&answer)), "{answer}: was answered");
    } else {
        assert_eq!(found, None, "{answer}: was refused, and the new primary never had it");
    }
    create_in_the_end(&api, "after").await;
}

/// The primary goes on without its standby, which then takes over as it is.
async fn what_is_lost_is_told() {
    let (mut primary, mut standby) = block_in_place(start_clusters);
    let forwarder = Forwarder::start(primary.socket());
    let server = block_in_place(|| Server::start_on(&forwarder.database_url()));
    let api = server.api();
    let (kept, first) = create_in_the_end(&api, "kept").await;
    block_in_place(|| {
        standby.kill();
        primary.kill();
        primary.restart(&[]);
    });
    let (lost, second) = create_in_the_end(&api, "lost").await;
    assert_eq!(epoch(&first), epoch(&second), "a restart is no other history");

    block_in_place(|| {
        primary.kill();
        standby.restart(&[]);
        standby.promote();
    });
    forwarder.switch(standby.socket());
    let (_, new) = create_in_the_end(&api, "new").await;
    assert_eq!(revision(&new), revision(&second), "the number means something else now");
    assert_ne!(epoch(&new), epoch(&second));
    let another = block_in_place(|| Server::start_on(&forwarder.database_url()));
    for api in [&api, &another.api()] {
        api.get(&format!("/virtual-network/{kept}")).await.status_is(200);
        api.get(&format!("/virtual-network/{lost}")).await.status_is(404);
        assert_eq!(api.find("virtual-network", &network_name("lost")).await, None);
        for since in [&first, &second] {
            api.get(&format!("/changes?since={since}")).await.status_is(410);
        }
    }
    create_in_the_end(&api, "lost").await;
}
