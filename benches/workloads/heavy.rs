//! What one large request does to the others: how long it takes, or that it is refused, and how long reads take meanwhile.
//! While it is decided all writes wait.

use crate::{
    create,
    load::{self, Request, percentile},
    network, send,
    support::Server,
    table::{self, Goal},
};
use serde_json::{Value, json};
use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

const CLIENTS: usize = 64;
/// How many networks lists have.
const LISTED: u64 = 10_000;
/// How many addresses, subnets, elements and references there are. Of two numbers the first is the limit of one request, and
/// the second is refused.
const ADDRESSES: [u32; 2] = [65_536, 1 << 20];
const SUBNETS: u32 = 10_000;
const ELEMENTS: usize = 30_000;
const UPDATES: usize = 9_000;
const REFERENCES: usize = 6_000;
/// How many of one thing a list is asked for.
const FIELDS: [usize; 2] = [1_000, 90_000];
const FILTERS: [usize; 2] = [10_000, 45_000];
const PARENTS: usize = 1_500;
/// What is to be reached, in milliseconds.
const LONGEST: f64 = 1000.0;
const LONGEST_READ: f64 = 50.0;

/// A request, and what it is called.
type Row = (String, Request);

/// Prints the part.
pub fn heavy() {
    let server = Server::start(&[]);
    let read = small_network(&server);
    let parts: [fn(&Server) -> Vec<Row>; 5] = [addresses, subnets, elements, references, lists];
    for part in parts {
        for (workload, request) in part(&server) {
            beside(&server, &read, &workload, &request);
        }
    }
}

/// Sends the request while a client reads.
fn beside(server: &Server, read: &str, workload: &str, request: &Request) {
    let done = AtomicBool::new(false);
    let (status, elapsed, mut latencies) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut connection = server.connect();
            let mut latencies: Vec<Duration> = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let sent = Instant::now();
                assert_eq!(connection.send("GET", read, "").status, 200);
                latencies.push(sent.elapsed());
            }
            latencies
        });
        let mut connection = server.connect();
        let (method, path, body) = request;
        let sent = Instant::now();
        let status = connection.send(method, path, body).status;
        let elapsed = sent.elapsed();
        done.store(true, Ordering::Relaxed);
        (status, elapsed, reader.join().unwrap())
    });
    latencies.sort_unstable();
    let time = elapsed.as_secs_f64() * 1000.0;
    if status == 200 {
        table::value(workload, time, "ms", Goal::AtMost(LONGEST));
    } else {
        table::value(workload, time, &format!("ms, refused with {status}"), Goal::None);
    }
    table::value("  99 % of reads meanwhile", percentile(&latencies, 0.99), "ms", Goal::AtMost(LONGEST_READ));
}

fn small_network(server: &Server) -> String {
    let (_, path, body) = network("read");
    let created = send(server, &("POST", path, body));
    format!("/virtual-network/{}", created["virtual-network"]["uuid"].as_str().unwrap())
}

fn name(of: &str) -> Value {
    json!(["default-domain", "default-project", of])
}

fn network_with(server: &Server, of: &str, subnets: &[Value]) -> String {
    let ipam = json!({"to": name("default-network-ipam"), "attr": {"ipam_subnets": subnets}});
    let body = json!({"fq_name": name(of), "parent_type": "project", "network_ipam_refs": [ipam]});
    create(server, "/virtual-networks", "virtual-network", &body)
}

fn addresses(server: &Server) -> Vec<Row> {
    let uuid = network_with(server, "addresses", &[json!({"subnet": {"ip_prefix": "11.0.0.0", "ip_prefix_len": 8}})]);
    let row = |count| {
        let request = ("POST", format!("/virtual-network/{uuid}/ip-alloc"), json!({"count": count}).to_string());
        (format!("ip-alloc of {count} addresses"), request)
    };
    ADDRESSES.map(row).to_vec()
}

fn subnets(server: &Server) -> Vec<Row> {
    let prefix = |number: u32| Ipv4Addr::from(u32::from_be_bytes([10, 0, 0, 0]) + 16 * number).to_string();
    let subnet = |number| json!({"subnet": {"ip_prefix": prefix(number), "ip_prefix_len": 28}});
    let subnets: Vec<Value> = (0..SUBNETS).map(subnet).collect();
    let path = format!("/virtual-network/{}", network_with(server, "subnets", &subnets));
    let ipam = json!({"to": name("default-network-ipam"), "attr": {"ipam_subnets": subnets}});
    let body = json!({"virtual-network": {"network_ipam_refs": [ipam]}});
    vec![(format!("PUT of the same {SUBNETS} subnets"), ("PUT", path, body.to_string()))]
}

fn elements(server: &Server) -> Vec<Row> {
    let pair = |number: usize| json!({"key": format!("key-{number:06}"), "value": "x"});
    let uuid = network_with(server, "elements", &[]);
    // A body has no room for all.
    let parts: Vec<Value> = (0..ELEMENTS).map(pair).collect();
    for part in parts.chunks(UPDATES) {
        send(server, &update_elements(&uuid, part));
    }
    let changed: Vec<Value> = (0..UPDATES).map(|number| pair(ELEMENTS - UPDATES / 2 + number)).collect();
    vec![(format!("{UPDATES} elements set, of {ELEMENTS}"), update_elements(&uuid, &changed))]
}

fn update_elements(uuid: &str, pairs: &[Value]) -> Request {
    let update = |pair| json!({"field": "annotations", "operation": "set", "value": pair});
    let body = json!({"uuid": uuid, "updates": pairs.iter().map(update).collect::<Vec<_>>()});
    ("POST", "/prop-collection-update".to_owned(), body.to_string())
}

fn references(server: &Server) -> Vec<Row> {
    load::counted(&[server], CLIENTS, REFERENCES as u64, &|number| {
        let body = json!({"network-policy": {"fq_name": name(&format!("policy-{number}")), "parent_type": "project"}});
        ("POST", "/network-policys".to_owned(), body.to_string())
    });
    let refer =
        |number| json!({"to": name(&format!("policy-{number}")), "attr": {"sequence": {"major": 0, "minor": 0}}});
    let path = format!("/virtual-network/{}", network_with(server, "references", &[]));
    let put = |references: Vec<Value>| {
        let body = json!({"virtual-network": {"network_policy_refs": references}});
        ("PUT", path.clone(), body.to_string())
    };
    vec![
        (format!("{REFERENCES} references added"), put((0..REFERENCES).map(refer).collect())),
        (format!("{REFERENCES} references removed"), put(Vec::new())),
    ]
}

fn lists(server: &Server) -> Vec<Row> {
    load::counted(&[server], CLIENTS, LISTED, &|number| network(&format!("listed-{number}")));
    let project = json!({"type": "project", "fq_name": ["default-domain", "default-project"]});
    let project = send(server, &("POST", "/fqname-to-id".to_owned(), project.to_string()));
    let bulk = |mut members: Value| {
        members["type"] = "virtual-network".into();
        ("POST", "/list-bulk-collection".to_owned(), members.to_string())
    };
    let fields = |count: usize| {
        let fields: Vec<String> = (0..count).map(|number| format!("f{number}")).collect();
        (format!("bulk list with {count} fields"), bulk(json!({ "fields": fields })))
    };
    let filters = |count: usize| {
        let filters: Vec<String> = (0..count).map(|number| format!("display_name=={number}")).collect();
        (format!("bulk list with {count} filters"), bulk(json!({"filters": filters.join(",")})))
    };
    let children = bulk(json!({"count": true, "parent_id": vec![&project["uuid"]; PARENTS]}));
    let children = (format!("count of the children of {PARENTS} times one"), children);
    FIELDS.map(fields).into_iter().chain(FILTERS.map(filters)).chain([children]).collect()
}
