//! What clients on both servers are told who want the same thing at the same time: one gets it, all others are told why not, with the
//! class of Neutron and its arguments (NEU-GEN-11).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::neutron::{Plugin, Told};
use crate::support::{Api, Checks};

/// So many ask at once, every other one on the other server.
const CLIENTS: usize = 6;
/// How often each contest is held.
const ROUNDS: usize = 3;

/// A tenant, by both servers.
#[derive(Clone)]
struct Both([Plugin; 2]);

/// What is asked for: operation, resource, data.
type Asked = (&'static str, &'static str, Value);

pub async fn run(apis: [Api; 2], checks: &mut Checks) {
    let tenant = async |name: &str| {
        let project = super::project(&apis[0], name).await;
        Both(apis.clone().map(|api| Plugin::member(&api, &project)))
    };
    macro_rules! contest {
        ($name:literal, $contest:ident) => {
            let both = tenant(stringify!($contest)).await;
            checks
                .run(concat!("NEU-GEN-11: ", $name), async move {
                    for round in 0..ROUNDS {
                        $contest(&both, round).await;
                    }
                })
                .await;
        };
    }
    contest!("one fixed address", fixed_address);
    contest!("one MAC address, and one id", mac_address);
    contest!("rules of one group", rules);
    contest!("floating ips for one port, and one address for floating ips", floating_ips);
    contest!("subnets that overlap", subnets);
    contest!("interfaces of routers", interfaces);
    contest!("trunks of one port, and one VLAN", trunks);
    contest!("what goes and is used", deletes);
    let project = json!({
        "fq_name": ["default-domain", "quota"], "parent_type": "domain", "quota": {"virtual_machine_interface": CLIENTS / 2},
    });
    let project = apis[0].post("/projects", &json!({"project": project})).await.ok()["project"]["uuid"].clone();
    let both = Both(apis.clone().map(|api| Plugin::member(&api, project.as_str().unwrap())));
    checks.run("NEU-GEN-11: the quota, and the default group", quota(both)).await;
}

impl Both {
    async fn at_once(&self, asked: Vec<Asked>) -> Vec<Told> {
        let mut clients = JoinSet::new();
        for (client, (operation, resource, data)) in asked.into_iter().enumerate() {
            let plugin = self.0[client % 2].clone();
            clients.spawn(async move { (client, plugin.call(operation, resource, data).await) });
        }
        let mut told = clients.join_all().await;
        told.sort_by_key(|(client, _)| *client);
        told.into_iter().map(|(_, told)| told).collect()
    }

    async fn make(&self, resource: &str, body: Value) -> Value {
        self.0[0].create(resource, body).await.done()
    }

    /// A network with a subnet.
    async fn network(&self, cidr: &str) -> (Value, Value) {
        let network = self.make("network", json!({"name": "network"})).await["id"].clone();
        let subnet = json!({"network_id": network, "cidr": cidr, "ip_version": 4});
        let subnet = self.make("subnet", subnet).await["id"].clone();
        (network, subnet)
    }

    async fn port(&self, network: &Value) -> Value {
        self.make("port", json!({ "network_id": network })).await
    }
}

/// The same, asked for by all.
fn by_all(operation: &'static str, resource: &'static str, data: &Value) -> Vec<Asked> {
    vec![(operation, resource, data.clone()); CLIENTS]
}

/// One gets it, which is told; the others are refused with what `expected` makes of the answer of the winner, for each of them.
/// Of `msg` a part is enough.
#[track_caller]
fn one_wins(told: &[Told], expected: impl Fn(usize, &Value) -> Value) -> Value {
    let winners: Vec<&Value> =
        told.iter().filter_map(|told| if let Told::Done(it) = told { Some(it) } else { None }).collect();
    let [winner] = winners.as_slice() else { panic!("{} have it: {told:?}", winners.len()) };
    for (client, refused) in told.iter().enumerate() {
        let Told::Refused(refused) = refused else { continue };
        let mut expected = expected(client, winner);
        let msg = refused["msg"].as_str().unwrap_or_default();
        if expected["msg"].as_str().is_some_and(|part| msg.contains(part)) {
            expected["msg"] = msg.into();
        }
        assert_eq!(*refused, expected);
    }
    (*winner).clone()
}

async fn fixed_address(both: &Both, _: usize) {
    let (network, _) = both.network("10.1.0.0/24").await;
    let address = json!([{"ip_address": "10.1.0.77"}]);
    let port = json!({"resource": {"network_id": network, "fixed_ips": address}});
    let told = both.at_once(by_all("CREATE", "port", &port)).await;
    let in_use = json!({"exception": "IpAddressInUse", "net_id": network, "ip_address": "10.1.0.77"});
    let winner = one_wins(&told, |_, _| in_use.clone());
    // Nothing is left of those that lost.
    let ports = both.0[1].list("port", json!({"network_id": [network]})).await;
    assert_eq!(ports.iter().map(|port| &port["id"]).collect::<Vec<_>>(), [&winner["id"]]);
    // It is given back and taken at the same time: somebody has it in the end.
    let other = both.port(&network).await;
    let told = both
        .at_once(vec![
            ("UPDATE", "port", json!({"id": winner["id"], "resource": {"fixed_ips": []}})),
            ("UPDATE", "port", json!({"id": other["id"], "resource": {"fixed_ips": address}})),
        ])
        .await;
    assert!(told[0].class().is_none() && [None, Some("IpAddressInUse")].contains(&told[1].class()), "{told:?}");
}

async fn mac_address(both: &Both, round: usize) {
    let (network, _) = both.network("10.1.0.0/24").await;
    let mac = "02:00:00:00:00:01";
    let port = json!({"resource": {"network_id": network, "mac_address": mac}});
    let told = both.at_once(by_all("CREATE", "port", &port)).await;
    one_wins(&told, |_, _| json!({"exception": "MacAddressInUse", "net_id": network, "mac": mac}));
    let id = format!("00000000-0000-4000-8000-0000000000{round:02}");
    let told = both.at_once(by_all("CREATE", "network", &json!({"resource": {"name": "chosen", "id": id}}))).await;
    one_wins(&told, |_, _| json!({"exception": "Conflict", "msg": id}));
}

async fn rules(both: &Both, _: usize) {
    let group = both.make("security_group", json!({"name": "web"})).await["id"].clone();
    let rule = |port: usize| {
        json!({"resource": {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "ethertype": "IPv4",
            "port_range_min": port, "port_range_max": port}})
    };
    let told = both.at_once(by_all("CREATE", "security_group_rule", &rule(80))).await;
    one_wins(&told, |_, winner| {
        let id = &winner["id"];
        json!({"exception": "SecurityGroupRuleExists", "rule_id": id, "id": id, "resource": "security_group_rule"})
    });
    let others = (1..=CLIENTS).map(|client| ("CREATE", "security_group_rule", rule(1000 + client))).collect();
    let told = both.at_once(others).await;
    let made: Vec<Value> = told.into_iter().map(|told| told.done()["id"].clone()).collect();
    let listed = both.0[1].list("security_group_rule", json!({"security_group_id": [group]})).await;
    assert_eq!(listed.len(), 2 + 1 + CLIENTS, "no rule is lost");
    let is_there = |id: &Value| listed.iter().any(|rule| rule["id"] == *id);
    assert!(made.iter().all(is_there), "{made:?} are in {listed:?}");
    // Each deletes another one.
    let deletes = listed.iter().map(|rule| ("DELETE", "security_group_rule", json!({"id": rule["id"]}))).collect();
    both.at_once(deletes).await.into_iter().for_each(|told| drop(told.done()));
    assert_eq!(both.0[0].list("security_group_rule", json!({"security_group_id": [group]})).await, [] as [Value; 0]);
}

async fn floating_ips(both: &Both, round: usize) {
    let outside = both.make("network", json!({"name": "outside", "router:external": true})).await["id"].clone();
    let subnet = json!({"network_id": outside, "cidr": format!("198.18.{round}.0/24"), "ip_version": 4});
    both.make("subnet", subnet).await;
    let (network, _) = both.network("10.1.0.0/24").await;
    let port = both.port(&network).await;
    let mut floating = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        floating.push(both.make("floatingip", json!({"floating_network_id": outside})).await);
    }
    let associate = |floating: &Value| json!({"id": floating["id"], "resource": {"port_id": port["id"]}});
    let told = both.at_once(floating.iter().map(|one| ("UPDATE", "floatingip", associate(one))).collect()).await;
    one_wins(&told, |client, _| {
        json!({
            "exception": "FloatingIPPortAlreadyAssociated", "port_id": port["id"], "net_id": outside,
            "fip_id": floating[client]["id"], "floating_ip_address": floating[client]["floating_ip_address"],
            "fixed_ip": port["fixed_ips"][0]["ip_address"],
        })
    });
    let address = format!("198.18.{round}.77");
    let wanted = json!({"resource": {"floating_network_id": outside, "floating_ip_address": address}});
    let told = both.at_once(by_all("CREATE", "floatingip", &wanted)).await;
    one_wins(&told, |_, _| json!({"exception": "IpAddressGenerationFailure", "net_id": outside}));
}

async fn subnets(both: &Both, _: usize) {
    let network = both.make("network", json!({"name": "network"})).await["id"].clone();
    let cidrs = ["10.1.0.0/24", "10.1.0.0/24", "10.1.0.128/25", "10.1.0.0/23", "10.1.0.0/26", "10.1.0.64/26"];
    let create =
        |cidr: &str| ("CREATE", "subnet", json!({"resource": {"network_id": network, "cidr": cidr, "ip_version": 4}}));
    let told = both.at_once(cidrs.map(create).to_vec()).await;
    let made: Vec<Value> = told
        .iter()
        .filter_map(|told| if let Told::Done(made) = told { Some(made["cidr"].clone()) } else { None })
        .collect();
    let listed = both.0[1].list("subnet", json!({"network_id": [network]})).await;
    let mut listed: Vec<Value> = listed.into_iter().map(|subnet| subnet["cidr"].clone()).collect();
    listed.sort_by_key(Value::to_string);
    let mut sorted = made.clone();
    sorted.sort_by_key(Value::to_string);
    assert_eq!(listed, sorted, "those that were made are there");
    let prefixes: Vec<ipnetwork::IpNetwork> = made.iter().map(|cidr| cidr.as_str().unwrap().parse().unwrap()).collect();
    for (place, one) in prefixes.iter().enumerate() {
        let overlaps = |other: &&ipnetwork::IpNetwork| one.contains(other.network()) || other.contains(one.network());
        assert_eq!(prefixes[place + 1..].iter().find(overlaps), None, "of {one}");
    }
    for refused in told.iter().filter(|told| told.class().is_some()) {
        let Told::Refused(refused) = refused else { unreachable!() };
        assert_eq!(refused["exception"], "BadRequest");
        let msg = refused["msg"].as_str().unwrap().to_lowercase();
        assert!(msg.contains("overlap"), "{refused}");
    }
}

async fn interfaces(both: &Both, _: usize) {
    let (network, subnet) = both.network("10.1.0.0/24").await;
    let router = || both.make("router", json!({"name": "router"}));
    let by = |router: &Value, member: &str, id: &Value| {
        ("ADDINTERFACE", "router", json!({"id": router["id"], "resource": {(member): id}}))
    };
    // One router, one subnet.
    let edge = router().await;
    let told = both.at_once(vec![by(&edge, "subnet_id", &subnet); CLIENTS]).await;
    one_wins(&told, |_, _| {
        let msg = format!("Router {} already has a port on subnet {}", edge["id"], subnet).replace('"', "");
        json!({"exception": "BadRequest", "resource": "router", "msg": msg})
    });
    let ports = both.0[1].list("port", json!({"network_id": [network]})).await;
    assert_eq!(ports.len(), 1, "nothing is left of those that lost");
    // Several routers, one subnet: its gateway is there once.
    let (network, subnet) = both.network("10.2.0.0/24").await;
    let routers = [router().await, router().await, router().await];
    let told = both.at_once(routers.iter().map(|router| by(router, "subnet_id", &subnet)).collect()).await;
    one_wins(&told, |_, _| json!({"exception": "IpAddressInUse", "net_id": network, "ip_address": "10.2.0.1"}));
    // Several routers, one port.
    let port = both.port(&network).await;
    let routers = [router().await, router().await, router().await];
    let told = both.at_once(routers.iter().map(|router| by(router, "port_id", &port["id"])).collect()).await;
    one_wins(
        &told,
        |_, winner| json!({"exception": "PortInUse", "net_id": network, "port_id": port["id"], "device_id": winner["id"]}),
    );
    // One router, networks of the same addresses.
    let edge = router().await;
    let (one, other) = (both.network("10.3.0.0/24").await.1, both.network("10.3.0.0/25").await.1);
    let told = both.at_once(vec![by(&edge, "subnet_id", &one), by(&edge, "subnet_id", &other)]).await;
    let winner =
        one_wins(&told, |_, _| json!({"exception": "BadRequest", "resource": "router", "msg": "overlaps with cidr"}));
    // It goes twice.
    let gone = json!({"id": edge["id"], "resource": {"port_id": winner["port_id"]}});
    let told = both.at_once(by_all("DELINTERFACE", "router", &gone)).await;
    one_wins(
        &told,
        |_, _| json!({"exception": "RouterInterfaceNotFound", "router_id": edge["id"], "port_id": winner["port_id"]}),
    );
}

async fn trunks(both: &Both, _: usize) {
    let (network, _) = both.network("10.1.0.0/24").await;
    let parent = both.port(&network).await["id"].clone();
    let trunk = json!({"resource": {"name": "trunk", "port_id": parent}});
    let told = both.at_once(by_all("CREATE", "trunk", &trunk)).await;
    let trunk = one_wins(&told, |_, _| json!({"exception": "TrunkPortInUse", "port_id": parent}))["id"].clone();
    let mut adds = Vec::new();
    for _ in 0..3 {
        let sub_port =
            json!([{"port_id": both.port(&network).await["id"], "segmentation_id": 7, "segmentation_type": "vlan"}]);
        adds.push(("ADD_SUBPORTS", "trunk", json!({"id": trunk, "resource": {"sub_ports": sub_port}})));
    }
    let told = both.at_once(adds).await;
    one_wins(
        &told,
        |_, _| json!({"exception": "DuplicateSubPort", "segmentation_type": "vlan", "segmentation_id": 7, "trunk_id": trunk}),
    );
}

async fn deletes(both: &Both, _: usize) {
    // A network goes, and gets a port.
    let (network, subnet) = both.network("10.1.0.0/24").await;
    let told = both
        .at_once(vec![
            ("DELETE", "network", json!({ "id": network })),
            ("CREATE", "port", json!({"resource": {"network_id": network}})),
        ])
        .await;
    match (&told[0], &told[1]) {
        (Told::Done(_), Told::Refused(refused)) => {
            assert_eq!(*refused, json!({"exception": "NetworkNotFound", "net_id": network}));
            let missing = both.0[1].call("READ", "subnet", json!({ "id": subnet })).await;
            assert_eq!(missing, Told::Refused(json!({"exception": "SubnetNotFound", "subnet_id": subnet})));
        }
        (Told::Refused(refused), Told::Done(_)) => {
            assert_eq!(*refused, json!({"exception": "NetworkInUse", "net_id": network}));
        }
        _ => panic!("only one of them can succeed: {told:?}"),
    }
    // A port goes, and becomes an interface.
    let (network, _) = both.network("10.2.0.0/24").await;
    let (port, router) =
        (both.port(&network).await["id"].clone(), both.make("router", json!({"name": "router"})).await);
    let told = both
        .at_once(vec![
            ("DELETE", "port", json!({ "id": port })),
            ("ADDINTERFACE", "router", json!({"id": router["id"], "resource": {"port_id": port}})),
        ])
        .await;
    match (&told[0], &told[1]) {
        (Told::Done(_), Told::Refused(refused)) => {
            assert_eq!(*refused, json!({"exception": "PortNotFound", "port_id": port}));
        }
        (Told::Refused(refused), Told::Done(_)) => {
            let in_use =
                json!({"exception": "PortInUse", "port_id": port, "net_id": network, "device_id": router["id"]});
            assert_eq!(*refused, in_use);
        }
        _ => panic!("only one of them can succeed: {told:?}"),
    }
    // A group goes, and a port gets it.
    let group = both.make("security_group", json!({"name": "group"})).await["id"].clone();
    let told = both
        .at_once(vec![
            ("DELETE", "security_group", json!({ "id": group })),
            ("CREATE", "port", json!({"resource": {"network_id": network, "security_groups": [group]}})),
        ])
        .await;
    match (&told[0], &told[1]) {
        (Told::Done(_), Told::Refused(refused)) => {
            assert_eq!(*refused, json!({"exception": "SecurityGroupNotFound", "id": group}));
        }
        (Told::Refused(refused), Told::Done(_)) => {
            assert_eq!(*refused, json!({"exception": "SecurityGroupInUse", "id": group}));
        }
        _ => panic!("only one of them can succeed: {told:?}"),
    }
}

async fn quota(both: Both) {
    let (network, _) = both.network("10.1.0.0/24").await;
    // Without the group that the project came with, all make it.
    let admin = Plugin::admin(&both.0[0].api, "00000000-0000-4000-8000-000000000000");
    for group in both.0[0].list("security_group", json!({})).await {
        admin.delete("security_group", &group["id"]).await.done();
    }
    let told = both.at_once(by_all("CREATE", "port", &json!({"resource": {"network_id": network}}))).await;
    let made: Vec<&Value> =
        told.iter().filter_map(|told| if let Told::Done(made) = told { Some(made) } else { None }).collect();
    assert_eq!(made.len(), CLIENTS / 2, "not one more than the quota: {told:?}");
    for refused in told.iter().filter(|told| told.class().is_some()) {
        let Told::Refused(refused) = refused else { unreachable!() };
        assert_eq!((&refused["exception"], &refused["overs"]), (&json!("OverQuota"), &json!(["port"])));
    }
    let addresses: BTreeSet<String> = made.iter().map(|port| port["fixed_ips"][0]["ip_address"].to_string()).collect();
    assert_eq!(addresses.len(), made.len(), "each has an address of its own");
    let groups: BTreeSet<String> = made.iter().map(|port| port["security_groups"].to_string()).collect();
    assert_eq!(groups.len(), 1, "the default group was made once");
}
