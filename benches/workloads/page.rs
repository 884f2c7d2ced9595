//! What the page at `/ui/` costs, with 100,000 objects: to search while somebody types, and to see the networks of one project.

use crate::{
    WRITERS, compare, create, get,
    load::{self, Measured},
    network,
    references::bare,
    send,
    support::Server,
    table::{self, Against, Goal},
};
use serde_json::json;
use std::time::{Duration, Instant};

/// How many networks there are of others; each brings its routing instance along.
const OTHERS: u64 = 50_000;
/// How many networks the project has that is looked at, in groups that may talk to each other.
const OWN: usize = 50;
const GROUP: usize = 5;
/// How many ports each of them has.
const PORTS: usize = 4;
const PROJECT: &str = "seen";

/// Makes a project of some size: networks with a subnet, ports with addresses, and a policy for each group.
fn furnish(server: &Server) {
    let place = ["default-domain", PROJECT];
    create(server, "/projects", "project", &json!({"fq_name": place, "parent_type": "domain"}));
    let below = |name: &str| json!([place[0], place[1], name]);
    for group in 0..OWN / GROUP {
        let policy = format!("policy-{group}");
        let all = json!([{"start_port": -1, "end_port": -1}]);
        let end = json!([{"virtual_network": "any"}]);
        let rule = json!({
            "direction": "<>", "protocol": "tcp", "action_list": {"simple_action": "pass"}, "src_addresses": end, "src_ports": all,
            "dst_addresses": end, "dst_ports": [{"start_port": 443, "end_port": 443}],
        });
        let content = json!({
            "fq_name": below(&policy), "parent_type": "project", "network_policy_entries": {"policy_rule": [rule]},
        });
        create(server, "/network-policys", "network-policy", &content);
        for member in 0..GROUP {
            let number = group * GROUP + member;
            let name = format!("network-{number}");
            let subnet = json!({"subnet": {"ip_prefix": format!("10.1.{number}.0"), "ip_prefix_len": 24}});
            let ipam = ["default-domain", "default-project", "default-network-ipam"];
            let content = json!({
                "fq_name": below(&name), "parent_type": "project",
                "network_ipam_refs": [{"to": ipam, "attr": {"ipam_subnets": [subnet]}}],
                "network_policy_refs": [{"to": below(&policy), "attr": {"sequence": {"major": 0, "minor": 0}}}],
            });
            create(server, "/virtual-networks", "virtual-network", &content);
            let own = json!([{"to": below(&name)}]);
            for port in 0..PORTS {
                let port = format!("port-{number}-{port}");
                let content = json!({"fq_name": below(&port), "parent_type": "project", "virtual_network_refs": own});
                create(server, "/virtual-machine-interfaces", "virtual-machine-interface", &content);
                let content = json!({
                    "fq_name": [port], "virtual_network_refs": own,
                    "virtual_machine_interface_refs": [{"to": below(&port)}],
                });
                create(server, "/instance-ips", "instance-ip", &content);
            }
        }
    }
}

pub fn page(duration: Duration) {
    let server = Server::start(&[]);
    load::counted(&[&server], WRITERS, OTHERS, &|number| network(&format!("of-others-{number}")));
    furnish(&server);
    let search = |text: &str| format!("/ui/search/found?q={text}");
    let begin = Instant::now();
    let networks = format!("/ui/networks?project=default-domain:{PROJECT}");
    server.connect().send("GET", &networks, "");
    table::value("the first view of a project of 50 networks", milliseconds(begin), "ms", Goal::AtMost(200.0));
    // The page has had the names brought together, beside what it was asked for.
    let begin = Instant::now();
    send(&server, &get(search("others-4999")));
    table::value("the first search after it, 100,000 objects", milliseconds(begin), "ms", Goal::None);
    let workloads = [
        ("search for a part of a name", search("others-4999"), 20.0),
        ("search for what is nowhere", search("not-to-be-found"), 20.0),
        ("search for an address", search("10.1.7.252"), 20.0),
        ("networks of a project of 50", networks, 200.0),
    ];
    for (workload, path, most) in workloads {
        let answer = server.connect().send("GET", &path, "");
        assert_eq!(answer.status, 200, "{path}");
        let bytes = answer.body.len();
        let nothing = bare(bytes);
        let repeated = |server: &Server| -> Measured { load::repeated(server, 1, duration, &get(path.clone())) };
        let (measured, nothing) = compare(|_| repeated(&server), |_| repeated(&nothing));
        let against = Against::Time("bare handler, as many bytes", nothing.median);
        table::row(&format!("{workload}, 1 client ({bytes} bytes)"), measured, against, Goal::None);
        table::value("99 % of these", measured.p99, "ms", Goal::AtMost(most));
    }
}

fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}
