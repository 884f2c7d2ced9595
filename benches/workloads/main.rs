//! What it costs: one table, a row a workload, each held against something that was measured in the same run.
//!
//! `cargo bench --bench workloads [-- SECONDS] [PART..]` starts what it needs: servers (release build) on private databases,
//! handlers that do nothing, and pgbench. Parts are `reads`, `access`, `writes`, `pool`, `processes`, `watchers`, `heavy`, `cql`, `neutron`,
//! `page`, `profiles` and `growth`; all of them if none is named. Requests come from wrk, but for those that have to come at a certain time or in a
//! certain number: they are of this program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod access;
mod cql;
mod growth;
mod heavy;
mod load;
mod neutron;
mod page;
mod profile;
mod references;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod watchers;

use load::{Measured, Request};
use references::{BARE, Pgbench, Rows, bare, haproxy, serve_bare};
use serde_json::{Value, json};
use std::{cell::Cell, path::Path, thread, time::Duration};
use support::Server;
use table::{Against, Goal};

/// How many clients write at the same time.
const WRITERS: usize = 64;
/// How many read.
const READERS: usize = 32;
/// How many networks a list has.
const LISTED: u64 = 10_000;

/// The create of a network, which brings its routing instance along.
fn network(name: &str) -> Request {
    let body =
        json!({"virtual-network": {"fq_name": ["default-domain", "default-project", name], "parent_type": "project"}});
    ("POST", "/virtual-networks".to_owned(), body.to_string())
}

fn get(path: impl Into<String>) -> Request {
    ("GET", path.into(), String::new())
}

/// Sends one request, which has to succeed.
fn send(server: &Server, request: &Request) -> Value {
    let (method, path, body) = request;
    let answer = server.connect().send(method, path, body);
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn create(server: &Server, path: &str, kind: &str, content: &Value) -> String {
    let created = send(server, &("POST", path.to_owned(), json!({kind: content}).to_string()));
    created[kind]["uuid"].as_str().unwrap().to_owned()
}

fn main() {
    if let Ok(bytes) = std::env::var(BARE) {
        return serve_bare(bytes.parse().unwrap()).unwrap();
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let seconds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let duration = Duration::from_secs(seconds);
    let parts: Vec<&String> = arguments.iter().filter(|argument| argument.parse::<u64>().is_err()).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| *wanted == part);
    table::head();
    if wanted("reads") {
        reads(duration);
    }
    if wanted("access") {
        access::access(duration);
    }
    if wanted("writes") {
        writes(duration);
    }
    if wanted("pool") {
        pool();
    }
    if wanted("processes") {
        processes(duration);
    }
    if wanted("watchers") {
        watchers::watch(duration);
    }
    if wanted("heavy") {
        heavy::heavy();
    }
    if wanted("cql") {
        cql::cql(duration);
    }
    if wanted("neutron") {
        neutron::neutron(duration);
    }
    if wanted("page") {
        page::page(duration);
    }
    if wanted("profiles") {
        profiles();
    }
    if wanted("growth") {
        let plot = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/growth.svg");
        let most = std::env::var("CIRRUS_BENCH_OBJECTS").map_or(1_000_000, |most| most.parse().unwrap());
        growth::grow(duration, most, &plot);
    }
}

/// How often two things are compared.
const ROUNDS: usize = 3;

/// Measures two things in turns, and gives the round whose ratio is the one in the middle: what else a machine does comes and
/// goes.
fn compare(one: impl Fn(usize) -> Measured, other: impl Fn(usize) -> Measured) -> (Measured, Measured) {
    middle((0..ROUNDS).map(|round| (one(round), other(round))).collect())
}

fn middle(mut rounds: Vec<(Measured, Measured)>) -> (Measured, Measured) {
    rounds.sort_by(|one, other| (one.0.rate / one.1.rate).total_cmp(&(other.0.rate / other.1.rate)));
    rounds[ROUNDS / 2]
}

fn reads(duration: Duration) {
    let server = Server::start(&[]);
    load::counted(&[&server], WRITERS, LISTED, &|number| network(&format!("listed-{number}")));
    let name = json!({"type": "virtual-network", "fq_name": ["default-domain", "default-project", "listed-77"]});
    let ask = ("POST", "/fqname-to-id".to_owned(), name.to_string());
    let uuid = send(&server, &ask)["uuid"].as_str().unwrap().to_owned();
    let update = |number: u64| {
        let body = json!({"virtual-network": {"display_name": format!("name {number}")}});
        ("PUT", format!("/virtual-network/{uuid}"), body.to_string())
    };
    let reads = [
        ("GET by id, 32 clients", get(format!("/virtual-network/{uuid}")), READERS, 0.8),
        ("POST fqname-to-id, 32 clients", ask, READERS, 0.8),
        ("GET list of 10,000 networks, 4 clients", get("/virtual-networks"), 4, 0.5),
        ("GET list of 10,000 networks, detail, 4 clients", get("/virtual-networks?detail=true"), 4, 0.5),
    ];
    for (workload, request, clients, goal) in &reads {
        let (method, path, body) = request;
        let bytes = server.connect().send(method, path, body).body.len();
        let nothing = bare(bytes);
        let repeated = |server| load::repeated(server, *clients, duration, request);
        let (measured, nothing) = compare(|_| repeated(&server), |_| repeated(&nothing));
        let against = Against::Rate("bare handler, as many bytes", nothing.rate);
        table::row(&format!("{workload} ({bytes} bytes)"), measured, against, Goal::AtLeast(*goal));
        if *clients == 4 {
            // What was kept of a list is of no use then.
            let changed = thread::scope(|scope| {
                scope.spawn(|| load::closed(&[&server], 1, duration + Duration::from_secs(1), &update));
                repeated(&server)
            });
            table::row("the same, while a network is changed all the time", changed, against, Goal::None);
        }
    }
}

fn writes(duration: Duration) {
    let server = Server::start(&[]);
    let pgbench = Pgbench::new(&server);
    let hold = |workload: &str, requests: &dyn Fn(usize) -> Measured, each: Rows, statement: Rows| {
        let (measured, rows) = compare(requests, |_| pgbench.measure(each, WRITERS, duration));
        let against = Against::Rate("pgbench, a transaction each", rows.rate);
        table::row(&format!("{workload}, 64 clients"), measured, against, Goal::AtLeast(2.5));
        let (measured, rows) = compare(requests, |_| pgbench.measure(statement, WRITERS, duration));
        let against = Against::Rate("pgbench, a statement each", rows.rate);
        table::row(&format!("{workload}, 64 clients"), measured, against, Goal::None);
        measured
    };
    let used = Cell::new(0);
    let many = |clients| {
        // No name comes twice.
        let round = used.replace(used.get() + 1);
        load::sent(&[&server], clients, duration, &|number| network(&format!("many-{round}-{number}")))
    };
    let together = hold("create network", &|_| many(WRITERS), Rows::Create, Rows::CreateInOneStatement);
    let half = load::open(&server, together.rate / 2.0, duration, &|number| network(&format!("due-{number}")));
    table::row("create network, half of that rate, open loop", half, Against::Nothing, Goal::None);
    let (alone, row) = compare(|_| many(1), |_| pgbench.measure(Rows::Create, 1, duration));
    let against_time = Against::Time("pgbench, 1 client", row.median);
    table::row("create network, 1 client", alone, against_time, Goal::AtMost(1.3));

    let policy = json!({"fq_name": ["default-domain", "default-project", "referred"], "parent_type": "project"});
    let policy = create(&server, "/network-policys", "network-policy", &policy);
    let uuids: Vec<String> = (0..2000)
        .map(|number| {
            let name = json!({"fq_name": ["default-domain", "default-project", format!("changed-{number}")], "parent_type": "project"});
            create(&server, "/virtual-networks", "virtual-network", &name)
        })
        .collect();
    let of = |number: u64| &uuids[number as usize % uuids.len()];
    let update = |number: u64| {
        let body = json!({"virtual-network": {"display_name": format!("name {number}")}});
        ("PUT", format!("/virtual-network/{}", of(number)), body.to_string())
    };
    let updates = |_| load::sent(&[&server], WRITERS, duration, &update);
    hold("update network", &updates, Rows::Update, Rows::UpdateInOneStatement);
    let refer = |number: u64| {
        let operation = if (number / uuids.len() as u64).is_multiple_of(2) { "ADD" } else { "DELETE" };
        let attribute = json!({"sequence": {"major": 0, "minor": 0}});
        let body = json!({
            "type": "virtual-network", "uuid": of(number), "ref-type": "network-policy", "ref-uuid": policy,
            "operation": operation, "attr": attribute,
        });
        ("POST", "/ref-update".to_owned(), body.to_string())
    };
    let references = |_| load::sent(&[&server], WRITERS, duration, &refer);
    hold("ref-update of a network", &references, Rows::Reference, Rows::ReferenceInOneStatement);
}

/// Addresses until there are none left: how the last 1 % go, against the second 1 %.
fn pool() {
    let rounds = (0..ROUNDS).map(|_| {
        let server = Server::start(&[]);
        let ipam = json!({
            "to": ["default-domain", "default-project", "default-network-ipam"],
            "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "10.0.0.0", "ip_prefix_len": 16}}]},
        });
        let name = ["default-domain", "default-project", "large"];
        let network = json!({"fq_name": name, "parent_type": "project", "network_ipam_refs": [ipam]});
        create(&server, "/virtual-networks", "virtual-network", &network);
        // Network, broadcast, gateway and name server are not for others.
        let all: u64 = 65_536 - 4;
        let part = all / 100;
        let mut done = 0;
        let mut take = |count: u64| {
            let first = done;
            done += count;
            load::counted(&[&server], WRITERS, count, &|number| {
                let body = json!({"instance-ip": {"fq_name": [format!("address-{}", first + number)], "virtual_network_refs": [{"to": name}]}});
                ("POST", "/instance-ips".to_owned(), body.to_string())
            })
        };
        // The first ones find a server that has done nothing yet.
        take(part);
        let second = take(part);
        take(all - 3 * part);
        (take(part), second)
    });
    let (last, second) = middle(rounds.collect());
    let against = Against::Rate("the second 1 %", second.rate);
    table::row("instance-ip, the last 1 % of a /16, 64 clients", last, against, Goal::AtLeast(0.9));
}

fn processes(duration: Duration) {
    let server = Server::start(&[]);
    let settle = |servers: &[&Server], name: &str| {
        load::closed(servers, WRITERS, Duration::from_secs(2), &|number| network(&format!("settle-{name}-{number}")))
    };
    let (mut twos, mut threes) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let measure = |servers: &[&Server], name: &str| {
            // Until all know how many they are.
            settle(servers, &format!("{name}-{round}"));
            load::sent(servers, WRITERS, duration, &|number| network(&format!("{name}-{round}-{number}")))
        };
        let one = measure(&[&server], "one");
        let other = server.start_another();
        twos.push((measure(&[&server, &other], "two"), one));
        let third = server.start_another();
        threes.push((measure(&[&haproxy([&server, &other, &third])], "three"), one));
    }
    for (workload, rounds, goal) in [("two processes", twos, 0.8), ("three processes behind HAProxy", threes, 0.75)] {
        let (several, one) = middle(rounds);
        let against = Against::Rate("one process", one.rate);
        table::row(&format!("create network, 64 clients, {workload}"), several, against, Goal::AtLeast(goal));
    }
}

/// Where the time goes where a goal is far.
fn profiles() {
    let server = Server::start(&[]);
    let name = |name: &'static str| move |number| network(&format!("{name}-{number}"));
    profile::profile("create", "Creates of networks by 64 clients, from wrk.", Duration::from_secs(3), || {
        load::sent(&[&server], WRITERS, profile::LOAD, &name("profiled"));
    });
    let update = {
        let uuid = create(
            &server,
            "/virtual-networks",
            "virtual-network",
            &json!({"fq_name": ["default-domain", "default-project", "changed"], "parent_type": "project"}),
        );
        move |number| {
            let body = json!({"virtual-network": {"display_name": format!("name {number}")}});
            ("PUT", format!("/virtual-network/{uuid}"), body.to_string())
        }
    };
    profile::profile("update", "Updates of a network by 64 clients, from wrk.", Duration::from_secs(3), || {
        load::sent(&[&server], WRITERS, profile::LOAD, &update);
    });
    let lists = Server::start(&[]);
    load::counted(&[&lists], WRITERS, LISTED, &name("listed"));
    profile::profile("list", "Lists of 10,000 networks to 4 clients, to wrk.", Duration::from_secs(3), || {
        load::repeated(&lists, 4, profile::LOAD, &get("/virtual-networks"));
    });
    let other = server.start_another();
    profile::profile(
        "two-processes",
        "Creates of networks by 64 clients at two processes, from two wrk.",
        Duration::from_secs(3),
        || {
            load::sent(&[&server, &other], WRITERS, profile::LOAD, &name("shared"));
        },
    );
    profile::profile(
        "watchers",
        "Creates of policies, watched by 1,000, which are threads of the bench.",
        watchers::UNTIL_WATCHED,
        || {
            watchers::watch(profile::LOAD);
        },
    );
}
