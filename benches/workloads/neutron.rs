//! What `OpenStack`'s plug-in waits for, held against this server's own REST doing the same by hand.

use crate::{
    ROUNDS, WRITERS, compare, create,
    load::{self, Cores, Measured, Request, percentile},
    middle,
    references::bare,
    send,
    support::{Connection, Server},
    table::{self, Against, Goal},
};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// How many networks new ports are spread over, of which each has a /16.
const NETWORKS: u64 = 16;
/// How many ports others have when the ports of one tenant are listed, and how many that has.
const OTHERS: u64 = 100_000;
const OWN: u64 = 100;
/// How many tenants have a day at the same time, and what each makes in it.
const TENANTS: usize = 16;
const PORTS: usize = 50;
const FLOATING: usize = 10;

/// A tenant with the group that its ports are in.
struct Tenant {
    name: String,
    project: String,
    group: String,
}

fn project(server: &Server, name: &str) -> Tenant {
    let body = json!({"fq_name": ["default-domain", name], "parent_type": "domain"});
    let project = create(server, "/projects", "project", &body);
    // A project has its default group as soon as it is asked for.
    let groups =
        send(server, &asked(&project, "security_group", "READALL", &json!({"filters": {"tenant_id": [project]}})));
    Tenant { name: name.to_owned(), project, group: groups[0]["id"].as_str().unwrap().to_owned() }
}

/// What the plug-in sends.
fn asked(tenant: &str, resource: &str, operation: &str, data: &Value) -> Request {
    let context = json!({
        "user_id": "", "is_admin": true, "operation": operation, "type": resource, "tenant_id": tenant, "request_id": "req-bench",
        "roles": ["admin"],
    });
    ("POST", format!("/neutron/{resource}"), json!({"context": context, "data": data}).to_string())
}

fn make(tenant: &str, resource: &str, mut body: Value) -> Request {
    body["tenant_id"] = tenant.replace('-', "").into();
    asked(tenant, resource, "CREATE", &json!({"resource": body}))
}

fn id(created: &Value) -> String {
    created["id"].as_str().unwrap().to_owned()
}

/// A network with a subnet.
fn network(server: &Server, tenant: &str, name: &str, cidr: &str, is_external: bool) -> String {
    let network = id(&send(server, &make(tenant, "network", json!({"name": name, "router:external": is_external}))));
    send(server, &make(tenant, "subnet", json!({"network_id": network, "cidr": cidr, "ip_version": 4})));
    network
}

/// Networks with room for many ports.
fn networks(server: &Server, tenant: &Tenant) -> Vec<String> {
    let new = |number| {
        let (name, cidr) = (format!("network-{number}"), format!("10.{number}.0.0/16"));
        network(server, &tenant.project, &name, &cidr, false)
    };
    (0..NETWORKS).map(new).collect()
}

/// The transaction that a new port amounts to.
fn by_hand(tenant: &Tenant, network: &str, name: &str) -> Request {
    let owned = json!({"owner": tenant.project, "owner_access": 7, "global_access": 0, "share": []});
    let port = json!({
        "fq_name": ["default-domain", tenant.name, name], "parent_type": "project", "display_name": name, "perms2": owned,
        "port_security_enabled": true, "virtual_network_refs": [{"uuid": network}],
        "security_group_refs": [{"uuid": tenant.group}],
    });
    let address = json!({
        "fq_name": [format!("address-{name}")], "virtual_network_refs": [{"uuid": network}],
        "virtual_machine_interface_refs": [{"uuid": "$port"}], "instance_ip_family": "v4", "perms2": owned,
    });
    let operations = json!([
        {"create": "virtual-machine-interface", "as": "port", "body": port},
        {"create": "instance-ip", "body": address},
    ]);
    ("POST", "/transaction".to_owned(), json!({"operations": operations}).to_string())
}

pub fn neutron(duration: Duration) {
    ports(duration);
    lists(duration);
    days();
}

/// New ports, each with its network's next address and its tenant's group.
fn ports(duration: Duration) {
    let server = Server::start(&[]);
    let tenant = project(&server, "tenant");
    let networks = networks(&server, &tenant);
    let of = |number: u64| &networks[(number % NETWORKS) as usize];
    let used = Cell::new(0);
    // No name comes twice.
    let next = || used.replace(used.get() + 1);
    let (measured, transaction) = compare(
        |_| {
            let round = next();
            load::sent(&[&server], WRITERS, duration, &|number| {
                make(
                    &tenant.project,
                    "port",
                    json!({"name": format!("port-{round}-{number}"), "network_id": of(number)}),
                )
            })
        },
        |_| {
            let round = next();
            load::sent(&[&server], WRITERS, duration, &|number| {
                by_hand(&tenant, of(number), &format!("port-{round}-{number}"))
            })
        },
    );
    let against = Against::Rate("the transaction by hand", transaction.rate);
    table::row("Neutron: create port, 64 clients", measured, against, Goal::AtLeast(0.6));
}

/// The ports of one tenant among many.
fn lists(duration: Duration) {
    let server = Server::start(&[]);
    let other = project(&server, "others");
    let networks = networks(&server, &other);
    load::counted(&[&server], WRITERS, OTHERS, &|number| {
        let network = &networks[(number % NETWORKS) as usize];
        make(&other.project, "port", json!({"name": format!("port-{number}"), "network_id": network}))
    });
    let tenant = project(&server, "tenant");
    let own = network(&server, &tenant.project, "network", "10.200.0.0/24", false);
    load::counted(&[&server], WRITERS, OWN, &|number| {
        make(&tenant.project, "port", json!({"name": format!("port-{number}"), "network_id": own}))
    });
    for (workload, filters) in [
        ("Neutron: list of a tenant's 100 ports of 100,100", json!({"tenant_id": [tenant.project.replace('-', "")]})),
        ("Neutron: list of a network's 100 ports of 100,100", json!({"network_id": [own]})),
    ] {
        let list = asked(&tenant.project, "port", "READALL", &json!({"filters": filters, "fields": []}));
        let listed = send(&server, &list);
        assert_eq!(listed.as_array().unwrap().len() as u64, OWN, "{workload}");
        let nothing = bare(listed.to_string().len());
        let (measured, nothing) =
            compare(|_| load::repeated(&server, 1, duration, &list), |_| load::repeated(&nothing, 1, duration, &list));
        let against = Against::Time("bare handler, as many bytes", nothing.median);
        table::row(&format!("{workload}, 1 client"), measured, against, Goal::None);
        table::value("99 % of these", measured.p99, "ms", Goal::AtMost(5.0));
    }
}

/// How somebody spends a day: by Neutron, or by hand.
type Day = fn(&mut Connection, &Tenant, &str, usize);

/// Days of tenants: a network with a subnet and a router, ports, floating ips, and all is deleted.
fn days() {
    let server = Server::start(&[]);
    let operator = project(&server, "operator");
    let outside = network(&server, &operator.project, "outside", "198.18.0.0/16", true);
    let tenants: Vec<Tenant> = (0..TENANTS).map(|number| project(&server, &format!("tenant-{number}"))).collect();
    let all_at_once = |day: Day| -> Measured {
        let barrier = Barrier::new(TENANTS);
        let before = Cores::seconds(&[&server]);
        let begin = Instant::now();
        let mut took: Vec<Duration> = thread::scope(|scope| {
            let (server, barrier, outside) = (&server, &barrier, outside.as_str());
            let start = |(number, tenant)| {
                scope.spawn(move || {
                    let mut connection = server.connect();
                    barrier.wait();
                    let begin = Instant::now();
                    day(&mut connection, tenant, outside, number);
                    begin.elapsed()
                })
            };
            let running: Vec<_> = tenants.iter().enumerate().map(|(number, tenant)| start((number, tenant))).collect();
            running.into_iter().map(|day| day.join().unwrap()).collect()
        });
        let elapsed = begin.elapsed();
        took.sort_unstable();
        Measured {
            rate: TENANTS as f64 / elapsed.as_secs_f64(),
            median: percentile(&took, 0.5),
            p99: percentile(&took, 0.99),
            cores: Cores::between(before, Cores::seconds(&[&server]), elapsed),
        }
    };
    let (measured, by_hand) = middle((0..ROUNDS).map(|_| (all_at_once(by_neutron), all_at_once(by_rest))).collect());
    let against = Against::Rate("the same by REST", by_hand.rate);
    table::row("Neutron: a tenant's day, 16 tenants", measured, against, Goal::AtLeast(0.6));
}

fn done(connection: &mut Connection, (method, path, body): &Request) -> Value {
    let answer = connection.send(method, path, body);
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn by_neutron(connection: &mut Connection, tenant: &Tenant, outside: &str, number: usize) {
    let tenant = tenant.project.as_str();
    let mut new = |resource: &str, body: Value| id(&done(connection, &make(tenant, resource, body)));
    let network = new("network", json!({"name": "front"}));
    let subnet = new("subnet", json!({"network_id": network, "cidr": format!("10.{number}.0.0/24"), "ip_version": 4}));
    let router = new("router", json!({"name": "way-out", "external_gateway_info": {"network_id": outside}}));
    let ports: Vec<String> =
        (0..PORTS).map(|port| new("port", json!({"name": format!("port-{port}"), "network_id": network}))).collect();
    let floating: Vec<String> = ports
        .iter()
        .take(FLOATING)
        .map(|port| new("floatingip", json!({"floating_network_id": outside, "port_id": port})))
        .collect();
    let mut ask = |resource: &str, operation: &str, data: Value| {
        done(connection, &asked(tenant, resource, operation, &data));
    };
    let interface = json!({"id": router, "resource": {"subnet_id": subnet}});
    ask("router", "ADDINTERFACE", interface.clone());
    let delete = |resource: &'static str, ids: Vec<String>| ids.into_iter().map(move |id| (resource, id));
    for (resource, id) in delete("floatingip", floating).chain(delete("port", ports)) {
        ask(resource, "DELETE", json!({"id": id}));
    }
    ask("router", "DELINTERFACE", interface);
    for (resource, id) in [("router", router), ("subnet", subnet), ("network", network)] {
        ask(resource, "DELETE", json!({"id": id}));
    }
}

/// The same objects, a request each, as a program would make them that knows them.
fn by_rest(connection: &mut Connection, tenant: &Tenant, outside: &str, number: usize) {
    let below = |name: &str| json!(["default-domain", tenant.name, name]);
    let mut new = |path: &str, kind: &str, mut content: Value| {
        content["perms2"] = json!({"owner": tenant.project, "owner_access": 7, "global_access": 0, "share": []});
        let created = done(connection, &("POST", path.to_owned(), json!({kind: content}).to_string()));
        created[kind]["uuid"].as_str().unwrap().to_owned()
    };
    let mut made: Vec<(&str, String)> = Vec::new();
    let mut keep = |kind: &'static str, path: &str, content: Value| {
        let uuid = new(path, kind, content);
        made.push((kind, uuid.clone()));
        uuid
    };
    let subnet = json!({"subnet": {"ip_prefix": format!("10.{number}.0.0"), "ip_prefix_len": 24}});
    let ipam = json!({
        "to": ["default-domain", "default-project", "default-network-ipam"], "attr": {"ipam_subnets": [subnet]},
    });
    let network = keep(
        "virtual-network",
        "/virtual-networks",
        json!({
            "fq_name": below("front"), "parent_type": "project", "network_ipam_refs": [ipam],
        }),
    );
    let port = |keep: &mut dyn FnMut(&'static str, &str, Value) -> String, name: &str, more: Value| {
        let mut content = json!({
            "fq_name": below(name), "parent_type": "project", "virtual_network_refs": [{"uuid": network}],
            "port_security_enabled": true,
        });
        content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let port = keep("virtual-machine-interface", "/virtual-machine-interfaces", content);
        keep(
            "instance-ip",
            "/instance-ips",
            json!({
                "fq_name": [format!("{}-{name}", tenant.name)], "virtual_network_refs": [{"uuid": network}],
                "virtual_machine_interface_refs": [{"uuid": port}],
            }),
        );
        port
    };
    let grouped = json!({"security_group_refs": [{"uuid": tenant.group}]});
    let ports: Vec<String> =
        (0..PORTS).map(|number| port(&mut keep, &format!("port-{number}"), grouped.clone())).collect();
    let owner = json!({"virtual_machine_interface_device_owner": "network:router_interface"});
    let interface = port(&mut keep, "of-router", owner);
    keep(
        "logical-router",
        "/logical-routers",
        json!({
            "fq_name": below("way-out"), "parent_type": "project", "virtual_network_refs": [{"uuid": outside}],
            "virtual_machine_interface_refs": [{"uuid": interface}],
        }),
    );
    for (number, port) in ports.iter().take(FLOATING).enumerate() {
        keep(
            "floating-ip",
            "/floating-ips",
            json!({
                "fq_name": ["default-domain", "operator", "outside", "floating-ip-pool", format!("{}-{number}", tenant.name)],
                "parent_type": "floating-ip-pool", "project_refs": [{"uuid": tenant.project}],
                "virtual_machine_interface_refs": [{"uuid": port}],
            }),
        );
    }
    // What refers to others was made after them.
    for (kind, uuid) in made.iter().rev() {
        done(connection, &("DELETE", format!("/{kind}/{uuid}"), String::new()));
    }
}
