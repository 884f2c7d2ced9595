//! Many clients on two server processes with one database: names and addresses are given once, nothing is lost, and
//! every answer is true on either process as soon as it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Api, Checks, Server, shortened};

const CLIENTS_ON_EACH: usize = 16;
/// Every client tries to create each of them.
const NAMES: usize = 2_000;
/// Each client takes so many addresses: together less than half of the /20.
const ADDRESSES_FOR_EACH: usize = 60;

/// What one client saw.
#[derive(Default)]
struct Seen {
    /// Names that this client got, with the uuid.
    created: BTreeMap<usize, String>,
    /// Names that somebody else has, with the uuid that the refusal tells.
    taken: BTreeMap<usize, String>,
    addresses: BTreeMap<String, Ipv4Addr>,
}

pub async fn two_processes_on_one_database() {
    let first = Server::start();
    let second = first.start_another();
    let (one, other) = (first.api(), second.api());
    let mut checks = Checks::default();

    let apis = (one.clone(), other.clone());
    checks
        .run("concurrency 1, concurrency 2: names and addresses are given once", names_and_addresses(apis.0, apis.1))
        .await;
    let apis = (one.clone(), other.clone());
    checks.run("concurrency 2: one address asked for by many", one_address(apis.0, apis.1)).await;
    let apis = (one.clone(), other.clone());
    checks.run("concurrency 8: references added by many to one object all survive", references(apis.0, apis.1)).await;
    let apis = (one.clone(), other.clone());
    checks
        .run("concurrency 9: a delete and a new reference exclude each other", deletes_and_references(apis.0, apis.1))
        .await;
    checks.run("both processes list the same", same_lists(one, other)).await;
    checks.finish();
}

async fn network(api: &Api, name: &str, prefix: &str, length: u8) -> String {
    let subnets = json!({"ipam_subnets": [{"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}}]});
    let ipam = json!({"to": ["default-domain", "default-project", "default-network-ipam"], "attr": subnets});
    let fq_name = json!(["default-domain", "default-project", name]);
    let body = json!({"virtual-network": {"fq_name": fq_name, "parent_type": "project", "network_ipam_refs": [ipam]}});
    api.post("/virtual-networks", &body).await.ok()["virtual-network"]["uuid"].as_str().unwrap().to_owned()
}

fn instance_ip(name: &str, network: &str) -> Value {
    let to = json!(["default-domain", "default-project", network]);
    json!({"instance-ip": {"fq_name": [name], "virtual_network_refs": [{"to": to}]}})
}

fn policy(name: &str) -> Value {
    json!({"network-policy": {"fq_name": ["default-domain", "default-project", name], "parent_type": "project"}})
}

async fn names_and_addresses(one: Api, other: Api) {
    network(&one, "shared", "10.32.0.0", 20).await;
    let mut clients = JoinSet::new();
    for client in 0..2 * CLIENTS_ON_EACH {
        // The first half works on one process and checks on the other, the second half the other way round.
        let (own, elsewhere) = if client < CLIENTS_ON_EACH { (&one, &other) } else { (&other, &one) };
        clients.spawn(take_names_and_addresses(client, own.clone(), elsewhere.clone()));
    }
    let all = clients.join_all().await;

    let mut owners: BTreeMap<usize, &String> = BTreeMap::new();
    for (name, uuid) in all.iter().flat_map(|seen| &seen.created) {
        assert!(owners.insert(*name, uuid).is_none(), "name-{name} was created twice");
    }
    assert_eq!(owners.len(), NAMES, "each name was created by somebody");
    for (name, uuid) in all.iter().flat_map(|seen| &seen.taken) {
        assert_eq!(owners[name], uuid, "the refusal of name-{name} tells who has it");
    }

    let given: Vec<&Ipv4Addr> = all.iter().flat_map(|seen| seen.addresses.values()).collect();
    let different: BTreeSet<&Ipv4Addr> = given.iter().copied().collect();
    assert_eq!(given.len(), 2 * CLIENTS_ON_EACH * ADDRESSES_FOR_EACH);
    assert_eq!(given.len(), different.len(), "each address is given once");
    // From the end of 10.32.0.0/20 on: 10.32.15.254 is the gateway and .253 the service address.
    let top = u32::from(Ipv4Addr::new(10, 32, 15, 252));
    let lowest = top - u32::try_from(given.len()).unwrap() + 1;
    let wanted: BTreeSet<Ipv4Addr> = (lowest..=top).map(Ipv4Addr::from).collect();
    let gaps: Vec<_> = wanted.iter().filter(|address| !different.contains(address)).collect();
    assert!(gaps.is_empty(), "the addresses in use have no gap, but these are missing: {gaps:?}");
}

async fn take_names_and_addresses(client: usize, own: Api, elsewhere: Api) -> Seen {
    let mut seen = Seen::default();
    for name in 0..NAMES {
        let answer = own.post("/network-policys", &policy(&format!("name-{name}"))).await;
        match answer.status {
            200 => {
                let uuid = answer.json()["network-policy"]["uuid"].as_str().unwrap().to_owned();
                let read = elsewhere.get(&format!("/network-policy/{uuid}?fields=display_name")).await.ok();
                assert_eq!(read["network-policy"]["name"], format!("name-{name}"), "read on the other process");
                seen.created.insert(name, uuid);
            }
            409 => {
                let uuid = answer.text.rsplit(' ').next().unwrap_or_default().to_owned();
                assert_eq!(uuid.len(), 36, "{answer}: should end with the uuid of the one that exists");
                if name % 50 == client % 50 {
                    // The one that is in the way is there, on both processes.
                    for api in [&own, &elsewhere] {
                        api.get(&format!("/network-policy/{uuid}?fields=display_name")).await.ok();
                    }
                }
                seen.taken.insert(name, uuid);
            }
            _ => panic!("{answer}: should be 200 or 409"),
        }
        if name % (NAMES / ADDRESSES_FOR_EACH) == 0 && seen.addresses.len() < ADDRESSES_FOR_EACH {
            let body = instance_ip(&format!("address-{client}-{name}"), "shared");
            let uuid = own.post("/instance-ips", &body).await.ok()["instance-ip"]["uuid"].as_str().unwrap().to_owned();
            let read = elsewhere.get(&format!("/instance-ip/{uuid}")).await.ok();
            let address = read["instance-ip"]["instance_ip_address"].as_str().unwrap().parse().unwrap();
            seen.addresses.insert(uuid, address);
        }
    }
    seen
}

async fn one_address(one: Api, other: Api) {
    network(&one, "contended", "10.33.0.0", 24).await;
    let mut clients = JoinSet::new();
    for client in 0..2 * CLIENTS_ON_EACH {
        let api = if client % 2 == 0 { one.clone() } else { other.clone() };
        clients.spawn(async move {
            let mut body = instance_ip(&format!("contended-{client}"), "contended");
            body["instance-ip"]["instance_ip_address"] = "10.33.0.77".into();
            api.post("/instance-ips", &body).await
        });
    }
    let answers = clients.join_all().await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(409)), (1, answers.len() - 1), "one gets it, all others are told that it is taken");
}

async fn references(one: Api, other: Api) {
    let network = network(&one, "referring", "10.34.0.0", 24).await;
    let mut clients = JoinSet::new();
    for client in 0..2 * CLIENTS_ON_EACH {
        let (own, elsewhere) = if client % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let (own, elsewhere, network) = (own.clone(), elsewhere.clone(), network.clone());
        clients.spawn(async move {
            let made = own.post("/network-policys", &policy(&format!("referred-{client}"))).await.ok();
            let uuid = made["network-policy"]["uuid"].as_str().unwrap().to_owned();
            // The reference is added on the process that did not make its target.
            let body = json!({
                "type": "virtual-network", "uuid": network, "ref-type": "network-policy", "ref-uuid": uuid,
                "operation": "ADD", "attr": {"sequence": {"major": client, "minor": 0}},
            });
            elsewhere.post("/ref-update", &body).await.ok();
            uuid
        });
    }
    let added: BTreeSet<String> = clients.join_all().await.into_iter().collect();
    for api in [&one, &other] {
        let read = api.get(&format!("/virtual-network/{network}")).await.ok();
        let references = read["virtual-network"]["network_policy_refs"].as_array().unwrap();
        let found: BTreeSet<String> =
            references.iter().map(|reference| reference["uuid"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, added);
    }
}

async fn deletes_and_references(one: Api, other: Api) {
    let network = network(&one, "undecided", "10.35.0.0", 24).await;
    for round in 0..40 {
        let made = one.post("/network-policys", &policy(&format!("undecided-{round}"))).await.ok();
        let uuid = made["network-policy"]["uuid"].as_str().unwrap();
        let body = json!({
            "type": "virtual-network", "uuid": network, "ref-type": "network-policy", "ref-uuid": uuid,
            "operation": "ADD", "attr": {"sequence": {"major": round, "minor": 0}},
        });
        let path = format!("/network-policy/{uuid}");
        let (deleted, referred) = tokio::join!(one.delete(&path), other.post("/ref-update", &body));
        match (deleted.status, referred.status) {
            (200, 404 | 400) => {
                other.get(&path).await.status_is(404);
            }
            (409, 200) => {
                assert!(deleted.text.starts_with("Delete when resource still referred: ["), "{deleted}");
                other.get(&path).await.ok();
            }
            _ => panic!("only one of them can succeed: {deleted}; {referred}"),
        }
    }
}

async fn same_lists(one: Api, other: Api) {
    for path in [
        "/network-policys",
        "/network-policys?detail=true",
        "/instance-ips?detail=true",
        "/virtual-networks?detail=true&fields=routing_instances",
        "/routing-instances?detail=true",
    ] {
        let (first, second) = tokio::join!(one.get(path), other.get(path));
        let (first, second) = (first.ok(), second.ok());
        // Links name the process that was asked.
        let second: Value = serde_json::from_str(&second.to_string().replace(other.base(), one.base())).unwrap();
        if first != second {
            let texts = (first.to_string(), second.to_string());
            let same = texts.0.bytes().zip(texts.1.bytes()).take_while(|(one, other)| one == other).count();
            let from = same.saturating_sub(100);
            let rest = |text: &str| shortened(&String::from_utf8_lossy(&text.as_bytes()[from..]));
            panic!("{path} differs: ... {}\nand ... {}", rest(&texts.0), rest(&texts.1));
        }
    }
    let answer = one.get("/network-policys?count=true").await.ok();
    let count = answer["network-policys"]["count"].as_u64().unwrap();
    assert!(count >= NAMES as u64, "{count} policies");
}
