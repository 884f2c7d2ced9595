//! What was answered survives a crash, and what was not answered is wholly there or not at all.
//!
//! `CIRRUS_CRASH_ROUNDS` is how many times everything is killed, 5 by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, block_in_place};

use crate::support::{Answer, Api, Checks, Server, fresh_directory};

const CLIENTS: usize = 32;
/// No request may hang for longer than this, whatever happens to the database.
const HANG: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Network,
    InstanceIp,
}

/// One create that a client sent, and the uuid if there was an answer 200.
#[derive(Clone, Debug)]
struct Create {
    kind: Kind,
    name: String,
    answered: Option<String>,
}

/// Counts answers, and tells when there are enough of them.
struct Progress {
    answered: AtomicUsize,
    enough: usize,
    reached: Semaphore,
}

impl Progress {
    fn until(enough: usize) -> Arc<Self> {
        Arc::new(Self { answered: AtomicUsize::new(0), enough, reached: Semaphore::new(0) })
    }

    fn count(&self) {
        if self.answered.fetch_add(1, Ordering::Relaxed) + 1 == self.enough {
            self.reached.add_permits(1);
        }
    }

    async fn wait(&self) {
        let waiting = tokio::time::timeout(Duration::from_mins(2), self.reached.acquire()).await;
        drop(waiting.unwrap_or_else(|_| {
            panic!("{} of {} answers in two minutes", self.answered.load(Ordering::Relaxed), self.enough)
        }));
    }
}

pub async fn nothing_answered_is_lost() {
    let rounds = std::env::var("CIRRUS_CRASH_ROUNDS").map_or(5, |text| text.parse().expect("CIRRUS_CRASH_ROUNDS"));
    let mut checks = Checks::default();
    checks.run("everything is killed in the middle of creates", everything_is_killed(rounds)).await;
    checks.run("osd_31 only PostgreSQL is killed", only_postgresql_is_killed(false)).await;
    checks.run("only one connection of PostgreSQL is killed", only_postgresql_is_killed(true)).await;
    checks.finish();
}

fn network_name(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

fn network_body(name: &str) -> Value {
    let subnets = json!({"ipam_subnets": [{"subnet": {"ip_prefix": "10.48.0.0", "ip_prefix_len": 16}}]});
    let ipam = json!({"to": ["default-domain", "default-project", "default-network-ipam"], "attr": subnets});
    json!({"virtual-network": {
        "fq_name": network_name(name), "parent_type": "project", "network_ipam_refs": [ipam],
    }})
}

fn instance_ip_body(name: &str, network: &str) -> Value {
    json!({"instance-ip": {"fq_name": [name], "virtual_network_refs": [{"to": network_name(network)}]}})
}

fn uuid_in(answer: &Answer, kind: &str) -> String {
    answer.json()[kind]["uuid"].as_str().unwrap().to_owned()
}

/// Sends one create and writes down what came of it. `Err` is the answer of a server that is not well, or none.
async fn create(
    api: &Api,
    kind: Kind,
    name: String,
    body: &Value,
    log: &mut Vec<Create>,
) -> Result<(), Option<Answer>> {
    let (path, key) = match kind {
        Kind::Network => ("/virtual-networks", "virtual-network"),
        Kind::InstanceIp => ("/instance-ips", "instance-ip"),
    };
    let outcome = match api.try_json("POST", path, body).await {
        Ok(answer) if answer.status == 200 => Ok(uuid_in(&answer, key)),
        Ok(answer) => Err(Some(answer)),
        Err(_) => Err(None),
    };
    let answered = outcome.as_ref().ok().cloned();
    log.push(Create { kind, name, answered });
    outcome.map(|_| ())
}

/// The n-th network of a client, with one address in it and one in the network that all share.
async fn create_three(
    api: &Api,
    prefix: &str,
    number: usize,
    log: &mut Vec<Create>,
    progress: &Progress,
) -> Result<(), Option<Answer>> {
    let network = format!("{prefix}-{number}");
    create(api, Kind::Network, network.clone(), &network_body(&network), log).await?;
    progress.count();
    for (name, network) in
        [(format!("{prefix}-{number}-own"), network.as_str()), (format!("{prefix}-{number}-shared"), "shared")]
    {
        create(api, Kind::InstanceIp, name.clone(), &instance_ip_body(&name, network), log).await?;
        progress.count();
    }
    Ok(())
}

async fn everything_is_killed(rounds: usize) {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let mut server = Server::start_in(&data);
    server.api().post("/virtual-networks", &network_body("shared")).await.ok();
    let mut present = BTreeSet::new();

    for round in 0..rounds {
        // Each time after another number of answers, so that it hits other moments; the first time very early.
        let progress = Progress::until(5 + 150 * (round % 7) + 13 * round);
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (api, progress) = (server.api(), Arc::clone(&progress));
            clients.spawn(async move {
                let mut log = Vec::new();
                let prefix = format!("crash-{round}-{client}");
                for number in 0.. {
                    match create_three(&api, &prefix, number, &mut log, &progress).await {
                        Ok(()) => {}
                        Err(None) => break,
                        // PostgreSQL may be gone a moment before the server is.
                        Err(Some(answer)) => {
                            answer.status_is(503);
                        }
                    }
                }
                log
            });
        }
        progress.wait().await;
        block_in_place(|| server.kill_with_database());
        drop(server);
        let log = clients.join_all().await.concat();
        let answered = log.iter().filter(|create| create.answered.is_some()).count();

        let begin = Instant::now();
        server = block_in_place(|| Server::start_in(&data));
        let started = begin.elapsed();
        let there = verify(&server.api(), &log).await;
        println!(
            "round {round}: {answered} answered, {} not, of which {} are there; started again in {:.1} s",
            log.len() - answered,
            there.len() - answered,
            started.as_secs_f64()
        );
        present.extend(there);
        verify_all(&server.api(), &present, "crash-").await;
    }
    assert_eq!(block_in_place(|| server.terminate()).code(), Some(0));
}

/// Looks at each create of a log: an answered one has to be there, any other one wholly or not at all. Gives the
/// names of those that are there.
async fn verify(api: &Api, log: &[Create]) -> BTreeSet<(Kind, String)> {
    let mut tasks = JoinSet::new();
    for part in log.chunks(log.len().div_ceil(8).max(1)) {
        let (api, part) = (api.clone(), part.to_vec());
        tasks.spawn(async move {
            let mut there = BTreeSet::new();
            for create in part {
                let found = match create.kind {
                    Kind::Network => network_is_whole(&api, &create).await,
                    Kind::InstanceIp => instance_ip_is_whole(&api, &create).await,
                };
                if found {
                    there.insert((create.kind, create.name));
                }
            }
            there
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

async fn find(api: &Api, kind: &str, name: &Value, create: &Create) -> Option<String> {
    let found = api.find(kind, name).await;
    if let Some(answered) = &create.answered {
        assert_eq!(found.as_ref(), Some(answered), "{create:?} was answered, and its name leads there");
    }
    found
}

async fn network_is_whole(api: &Api, create: &Create) -> bool {
    let instance = json!(["default-domain", "default-project", create.name, create.name]);
    let Some(uuid) = find(api, "virtual-network", &network_name(&create.name), create).await else {
        let left = api.find("routing-instance", &instance).await;
        assert_eq!(left, None, "{create:?} is not there, but its routing instance is");
        return false;
    };
    let answer = api.get(&format!("/virtual-network/{uuid}")).await;
    let read = answer.ok();
    let network = &read["virtual-network"];
    assert_eq!(network["fq_name"], network_name(&create.name), "{answer}");
    assert!(network["virtual_network_network_id"].is_u64(), "{answer}: has a number");
    let subnet = &network["network_ipam_refs"][0]["attr"]["ipam_subnets"][0];
    assert_eq!(subnet["default_gateway"], "10.48.255.254", "{answer}: has its subnet");
    let instances = network["routing_instances"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(instances.len(), 1, "{answer}: has one routing instance");
    let path = format!("/routing-instance/{}", instances[0]["uuid"].as_str().unwrap());
    let read = api.get(&path).await.ok();
    assert_eq!(read["routing-instance"]["fq_name"], instance, "{create:?}: its routing instance");
    assert_eq!(read["routing-instance"]["parent_uuid"], uuid.as_str(), "{create:?}: its routing instance");
    true
}

async fn instance_ip_is_whole(api: &Api, create: &Create) -> bool {
    let Some(uuid) = find(api, "instance-ip", &json!([create.name]), create).await else { return false };
    let answer = api.get(&format!("/instance-ip/{uuid}")).await;
    let read = answer.ok();
    let address = read["instance-ip"]["instance_ip_address"].as_str().unwrap_or_default();
    assert!(address.starts_with("10.48."), "{answer}: has an address");
    let networks = read["instance-ip"]["virtual_network_refs"].as_array().map_or(0, Vec::len);
    assert_eq!(networks, 1, "{answer}: has its network");
    true
}

/// Looks at everything at once: the same objects as were found one by one, no number and no address twice.
async fn verify_all(api: &Api, present: &BTreeSet<(Kind, String)>, prefix: &str) {
    let mut listed = BTreeSet::new();
    let networks = api.get("/virtual-networks?fields=virtual_network_network_id").await.ok();
    let mut numbers: BTreeMap<u64, &Value> = BTreeMap::new();
    for network in networks["virtual-networks"].as_array().unwrap() {
        let number = network["virtual_network_network_id"].as_u64().expect("a network has a number");
        let other = numbers.insert(number, &network["fq_name"]);
        assert!(other.is_none(), "the number {number} belongs to {} and to {}", network["fq_name"], other.unwrap());
        let name = network["fq_name"][2].as_str().unwrap();
        if name.starts_with(prefix) {
            listed.insert((Kind::Network, name.to_owned()));
        }
    }
    let addresses = api.get("/instance-ips?fields=instance_ip_address,virtual_network_refs").await.ok();
    let mut holders: BTreeMap<(String, String), &Value> = BTreeMap::new();
    for address in addresses["instance-ips"].as_array().unwrap() {
        let network = address["virtual_network_refs"][0]["uuid"].to_string();
        let other = holders.insert((network, address["instance_ip_address"].to_string()), &address["fq_name"]);
        assert!(other.is_none(), "{} and {} have one address", address["fq_name"], other.unwrap());
        let name = address["fq_name"][0].as_str().unwrap();
        if name.starts_with(prefix) {
            listed.insert((Kind::InstanceIp, name.to_owned()));
        }
    }
    let missing: Vec<_> = present.difference(&listed).collect();
    let surplus: Vec<_> = listed.difference(present).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "not in the lists: {missing:?}; only in the lists: {surplus:?}");
}

/// The server goes on: 503 while there is no database, and then it recovers by itself.
async fn only_postgresql_is_killed(only_one_connection: bool) {
    let server = Server::start();
    server.api().post("/virtual-networks", &network_body("shared")).await.ok();
    let (before, after) = (Progress::until(200), Progress::until(200));
    let (killed, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (api, before, after) = (server.api(), Arc::clone(&before), Arc::clone(&after));
        let (killed, done) = (Arc::clone(&killed), Arc::clone(&done));
        clients.spawn(async move {
            let mut log = Vec::new();
            let prefix = format!("away-{client}");
            for number in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let progress = if killed.load(Ordering::Relaxed) { &after } else { &before };
                let begin = Instant::now();
                let outcome = create_three(&api, &prefix, number, &mut log, progress).await;
                assert!(begin.elapsed() < HANG, "three creates took {:?}", begin.elapsed());
                match outcome {
                    Ok(()) => {}
                    Err(Some(answer)) => {
                        answer.status_is(503);
                        // As clients do; nothing is synchronised by it.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Err(None) => panic!("{prefix}-{number}: the server did not answer"),
                }
            }
            log
        });
    }
    let reader = {
        let (api, done) = (server.api(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let answer = api.get("/virtual-networks?count=true").await;
                assert!(matches!(answer.status, 200 | 503), "{answer}: a read gets 200 or 503");
                assert!(begin.elapsed() < HANG, "a read took {:?}", begin.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };

    before.wait().await;
    block_in_place(|| if only_one_connection { server.kill_one_database_connection() } else { server.kill_database() });
    killed.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    after.wait().await;
    let recovered = begin.elapsed();
    done.store(true, Ordering::Relaxed);
    let log = clients.join_all().await.concat();
    reader.await.unwrap();

    let there = verify(&server.api(), &log).await;
    verify_all(&server.api(), &there, "away-").await;
    let answered = log.iter().filter(|create| create.answered.is_some()).count();
    println!(
        "{answered} answered, {} not, of which {} are there; 200 creates {:.1} s after the end of PostgreSQL",
        log.len() - answered,
        there.len() - answered,
        recovered.as_secs_f64()
    );
    assert!(recovered < HANG, "creates work again after {recovered:?}");
}
