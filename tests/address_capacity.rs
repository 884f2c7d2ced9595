//! Whole pools: every address of a large network can be had, each one once, and again when it is free.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, Api, Checks, Server};

/// A /18 without network, broadcast, gateway and service address.
const IN_AN_EIGHTEEN: usize = 16_380;
const CLIENTS: usize = 64;

pub async fn whole_pools() {
    let server = Server::start_with(&["--log", "warn"]);
    let mut checks = Checks::default();
    checks.run("a /18 to its last address", a_whole_eighteen(server.api())).await;
    checks.run("10,000 addresses of an IPv6 /64", many_of_a_sixty_four(server.api())).await;
    checks.finish();
}

async fn network(api: &Api, name: &str, prefix: &str, length: u8) {
    let subnets = json!({"ipam_subnets": [{"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}}]});
    let ipam = json!({"to": ["default-domain", "default-project", "default-network-ipam"], "attr": subnets});
    let fq_name = json!(["default-domain", "default-project", name]);
    let body = json!({"virtual-network": {"fq_name": fq_name, "parent_type": "project", "network_ipam_refs": [ipam]}});
    api.post("/virtual-networks", &body).await.ok();
}

/// Asks for an address of a network.
async fn ask(api: &Api, name: &str, network: &str) -> Answer {
    let to = json!(["default-domain", "default-project", network]);
    api.post("/instance-ips", &json!({"instance-ip": {"fq_name": [name], "virtual_network_refs": [{"to": to}]}})).await
}

/// Creates addresses with these numbers in their names, by many clients, and says how many were created a second.
async fn create(api: &Api, network: &'static str, numbers: std::ops::Range<usize>) -> f64 {
    let begin = Instant::now();
    let count = numbers.len();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (api, mine) = (api.clone(), numbers.clone().skip(client).step_by(CLIENTS));
        clients.spawn(async move {
            for number in mine {
                ask(&api, &format!("{network}-{number}"), network).await.status_is(200);
            }
        });
    }
    clients.join_all().await;
    f64::from(u32::try_from(count).unwrap()) / begin.elapsed().as_secs_f64()
}

/// All addresses of a network, with the uuids of the objects that hold them, in the order of the addresses.
async fn addresses(api: &Api, network: &str) -> Vec<(IpAddr, String)> {
    let listed = api.get("/instance-ips?detail=true&fields=instance_ip_address,virtual_network_refs").await.ok();
    let items = listed["instance-ips"].as_array().unwrap().iter().map(|item| &item["instance-ip"]);
    let own = items.filter(|item| item["virtual_network_refs"][0]["to"][2] == network);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<(IpAddr, String)> =
        own.map(|item| (text(&item["instance_ip_address"]).parse().unwrap(), text(&item["uuid"]))).collect();
    all.sort();
    all
}

async fn a_whole_eighteen(api: Api) {
    network(&api, "eighteen", "10.64.0.0", 18).await;
    let rate = create(&api, "eighteen", 0..IN_AN_EIGHTEEN).await;
    println!("a /18: {rate:.0} addresses/s");
    let exhausted = "Virtual-Network(['default-domain', 'default-project', 'eighteen']) has exhausted subnet([])";
    let one_more = ask(&api, "one-more", "eighteen").await;
    assert_eq!((one_more.status, one_more.text.as_str()), (400, exhausted));
    let all = addresses(&api, "eighteen").await;
    let different: BTreeSet<IpAddr> = all.iter().map(|(address, _)| *address).collect();
    assert_eq!((all.len(), different.len()), (IN_AN_EIGHTEEN, IN_AN_EIGHTEEN));

    // Each one alone: freed, it is the one that comes next. From everywhere in the pool, its ends among them.
    for index in (0..IN_AN_EIGHTEEN).step_by(251).chain([IN_AN_EIGHTEEN - 1]) {
        let (address, uuid) = &all[index];
        api.delete(&format!("/instance-ip/{uuid}")).await.status_is(200);
        let again = ask(&api, &format!("again-{index}"), "eighteen").await.ok();
        let uuid = again["instance-ip"]["uuid"].as_str().unwrap();
        let read = api.get(&format!("/instance-ip/{uuid}?fields=instance_ip_address")).await.ok();
        assert_eq!(read["instance-ip"]["instance_ip_address"], address.to_string());
    }
    // And many at once: whoever asks next has exactly those.
    let all = addresses(&api, "eighteen").await;
    let freed: Vec<String> = all.iter().step_by(13).map(|(_, uuid)| uuid.clone()).collect();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let mine: Vec<String> = freed.iter().skip(client).step_by(CLIENTS).cloned().collect();
        let api = api.clone();
        clients.spawn(async move {
            for uuid in mine {
                api.delete(&format!("/instance-ip/{uuid}")).await.status_is(200);
            }
        });
    }
    clients.join_all().await;
    create(&api, "eighteen", IN_AN_EIGHTEEN..IN_AN_EIGHTEEN + freed.len()).await;
    let again: BTreeSet<IpAddr> = addresses(&api, "eighteen").await.into_iter().map(|(address, _)| address).collect();
    assert_eq!(again, different);
    ask(&api, "one-more", "eighteen").await.status_is(400);
}

async fn many_of_a_sixty_four(api: Api) {
    network(&api, "sixty-four", "fd00:64::", 64).await;
    let mut rates = Vec::new();
    for part in 0..10 {
        rates.push(create(&api, "sixty-four", part * 1000..(part + 1) * 1000).await);
    }
    println!("an IPv6 /64: {:.0} addresses/s among the first 1,000, {:.0}/s among the last", rates[0], rates[9]);
    let all = addresses(&api, "sixty-four").await;
    let different: BTreeSet<IpAddr> = all.iter().map(|(address, _)| *address).collect();
    assert_eq!(different.len(), 10_000);
    let last: IpAddr = "fd00:64::ffff:ffff:ffff:fffc".parse().unwrap();
    let first: IpAddr = "fd00:64::ffff:ffff:ffff:d8ed".parse().unwrap();
    assert_eq!((different.first(), different.last()), (Some(&first), Some(&last)), "no gap, from the end on");
}
