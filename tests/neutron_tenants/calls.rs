//! Calls that chance chooses: of all resources, on what the tenant has, some of them wrong.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{Listed, TAGS};
use crate::support::neutron::{Plugin, Told};
use crate::support::random::Random;

/// What machines of a tenant are called, beside those that are called by a uuid.
const MACHINES: [&str; 3] = ["machine-0", "machine-1", "machine-2"];

/// A call.
pub struct Call {
    pub resource: &'static str,
    pub operation: &'static str,
    data: Value,
}

impl Call {
    pub async fn send(&self, plugin: &Plugin) -> Told {
        plugin.call(self.operation, self.resource, self.data.clone()).await
    }

    pub fn id(&self) -> Option<&str> {
        self.data["id"].as_str()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.resource, self.operation, self.data)
    }
}

/// What there is to choose from.
pub struct Chooser<'c> {
    pub seen: &'c Listed,
    /// Networks of others.
    pub foreign: &'c [Value],
    pub random: &'c mut Random,
    /// Whose calls these are.
    pub number: usize,
}

type Make = fn(&mut Chooser<'_>) -> Option<Call>;

/// How often each is chosen, compared with the others.
const CALLS: [(usize, Make); 33] = [
    (5, create_network),
    (4, update_network),
    (2, delete_network),
    (9, create_subnet),
    (3, update_subnet),
    (2, delete_subnet),
    (18, create_port),
    (10, update_port),
    (5, delete_port),
    (3, create_router),
    (4, update_router),
    (2, delete_router),
    (8, add_interface),
    (3, remove_interface),
    (8, create_floating_ip),
    (8, update_floating_ip),
    (3, delete_floating_ip),
    (3, create_group),
    (1, update_group),
    (2, delete_group),
    (6, create_rule),
    (3, delete_rule),
    (4, create_trunk),
    (4, change_trunk),
    (1, update_trunk),
    (2, delete_trunk),
    (5, change_tags),
    (2, create_policy),
    (2, create_ipam),
    (2, create_route_table),
    (2, update_whole),
    (2, delete_whole),
    (1, unknown),
];

/// Some call on what there is.
pub fn any(chooser: &mut Chooser<'_>) -> Call {
    let weights: usize = CALLS.iter().map(|(weight, _)| weight).sum();
    loop {
        let mut chance = chooser.random.below(weights);
        let chosen = CALLS.iter().find(|(weight, _)| {
            let is_it = chance < *weight;
            chance = chance.saturating_sub(*weight);
            is_it
        });
        // There may be nothing that it could be about.
        if let Some(call) = chosen.and_then(|(_, make)| make(chooser)) {
            return call;
        }
    }
}

fn create(resource: &'static str, body: &Value) -> Option<Call> {
    Some(Call { resource, operation: "CREATE", data: json!({ "resource": body }) })
}

fn on(resource: &'static str, operation: &'static str, id: &Value, body: &Value) -> Option<Call> {
    Some(Call { resource, operation, data: json!({"id": id, "resource": body}) })
}

impl<'c> Chooser<'c> {
    /// Whether something happens that happens once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.random.below(times) == 0
    }

    fn one_of<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.random.below(list.len())]
    }

    fn all(&self, resource: &str) -> Vec<&'c Value> {
        self.seen[resource].values().collect()
    }

    fn some(&mut self, resource: &str) -> Option<&'c Value> {
        let all = self.all(resource);
        if all.is_empty() { None } else { Some(*self.one_of(&all)) }
    }

    /// A group that is not the tenant's default, which is to stay as it is.
    fn own_group(&mut self) -> Option<&'c Value> {
        let groups: Vec<&Value> =
            self.all("security_group").into_iter().filter(|group| group["name"] != "default").collect();
        if groups.is_empty() { None } else { Some(*self.one_of(&groups)) }
    }

    fn id_of(&mut self, resource: &str) -> Option<Value> {
        Some(self.some(resource)?["id"].clone())
    }

    fn delete(&mut self, resource: &'static str) -> Option<Call> {
        let id = self.id_of(resource)?;
        Some(Call { resource, operation: "DELETE", data: json!({ "id": id }) })
    }

    fn tags(&mut self) -> Value {
        TAGS.iter().filter(|_| self.random.below(3) == 0).copied().collect()
    }

    /// Some of these members.
    fn some_of(&mut self, members: Value) -> Value {
        let Value::Object(members) = members else { return members };
        let kept: Map<String, Value> = members.into_iter().filter(|_| self.random.below(2) == 0).collect();
        kept.into()
    }

    fn prefix(&mut self) -> (String, String, u8) {
        let place = self.random.below(6);
        let tenant = self.number;
        match self.random.below(5) {
            0 => (format!("fd00:{tenant}:{place}::"), format!("fd00:{tenant}:{place}::/64"), 6),
            // Around one that may be there.
            1 => (format!("10.{tenant}.{place}."), format!("10.{tenant}.{place}.0/24"), 4),
            _ => (format!("10.{tenant}.{place}."), format!("10.{tenant}.{place}.0/28"), 4),
        }
    }

    /// A network for a new port, and how ports on it are called: some have no address by intention, some may have none as the
    /// network is another's and may change.
    fn place(&mut self) -> Option<(Value, &'static str)> {
        if self.once_in(4) && !self.foreign.is_empty() {
            let network = self.one_of(self.foreign);
            return Some((network["id"].clone(), "guest"));
        }
        let has_subnets = |network: &&Value| !network["subnets"].as_array().unwrap().is_empty();
        let networks: Vec<&Value> = self.all("network").into_iter().filter(has_subnets).collect();
        if networks.is_empty() { None } else { Some((self.one_of(&networks)["id"].clone(), "port")) }
    }

    /// A subnet of a network that it may know, and an address in it.
    fn fixed_ip(&mut self, network: &Value) -> Option<Value> {
        let subnets: Vec<&Value> =
            self.all("subnet").into_iter().filter(|subnet| subnet["network_id"] == *network).collect();
        if subnets.is_empty() {
            return None;
        }
        let subnet = *self.one_of(&subnets);
        let first = subnet["cidr"].as_str()?.split_once('/')?.0;
        let start = first.strip_suffix(if first.contains(':') { "" } else { "0" })?;
        let address = format!("{start}{}", 1 + self.random.below(8));
        Some(match self.random.below(3) {
            0 => json!({"subnet_id": subnet["id"]}),
            1 => json!({"ip_address": address}),
            _ => json!({"ip_address": address, "subnet_id": subnet["id"]}),
        })
    }

    fn fixed_ips(&mut self, network: &Value) -> Option<Value> {
        let count = 1 + self.random.below(2);
        (0..count).map(|_| self.fixed_ip(network)).collect()
    }

    fn groups(&mut self) -> Value {
        let count = self.random.below(3);
        let groups: Option<Vec<Value>> = (0..count).map(|_| self.id_of("security_group")).collect();
        groups.unwrap_or_default().into()
    }

    fn machine(&mut self) -> Value {
        match self.random.below(MACHINES.len() + 2) {
            0 => "".into(),
            4 => format!("0000000{}-0000-4000-8000-000000000001", self.number).into(),
            place => format!("{}-{}", self.number, MACHINES[place - 1]).into(),
        }
    }

    fn name_of(&mut self, resource: &str) -> Value {
        self.some(resource)
            .map_or_else(|| json!(["default-domain", "nobody", "nothing"]), |item| item["fq_name"].clone())
    }
}

fn create_network(chooser: &mut Chooser<'_>) -> Option<Call> {
    let name = *chooser.one_of(&["blue", "red", ""]);
    let rest = json!({
        "description": "about it", "admin_state_up": chooser.once_in(2), "shared": chooser.once_in(3),
        "router:external": chooser.once_in(4), "tags": chooser.tags(), "mtu": 1500,
        "port_security_enabled": !chooser.once_in(4), "policys": [chooser.name_of("policy")],
    });
    let mut body = chooser.some_of(rest);
    body["name"] = name.into();
    create("network", &body)
}

fn update_network(chooser: &mut Chooser<'_>) -> Option<Call> {
    let id = chooser.id_of("network")?;
    let policies: Vec<Value> = (0..chooser.random.below(3)).map(|_| chooser.name_of("policy")).collect();
    let body = json!({
        "name": "renamed", "description": "about it", "shared": chooser.once_in(2), "admin_state_up": chooser.once_in(2),
        "router:external": chooser.once_in(2), "policys": policies, "route_table": chooser.name_of("route_table"),
        "mtu": chooser.one_of(&[json!(1400), json!(null), json!(70000)]), "tags": chooser.tags(),
    });
    on("network", "UPDATE", &id, &chooser.some_of(body))
}

fn delete_network(chooser: &mut Chooser<'_>) -> Option<Call> {
    chooser.delete("network")
}

fn create_subnet(chooser: &mut Chooser<'_>) -> Option<Call> {
    let network = chooser.id_of("network")?;
    let (start, cidr, version) = chooser.prefix();
    let gateway = *chooser.one_of(&["1", "9", "none"]);
    let gateway = match (gateway, version) {
        ("none", 4) => "0.0.0.0".to_owned(),
        ("none", _) => "::".to_owned(),
        (last, _) => format!("{start}{last}"),
    };
    let rest = json!({
        "name": "subnet", "gateway_ip": gateway, "enable_dhcp": chooser.once_in(2), "tags": chooser.tags(),
        "allocation_pools": [{"start": format!("{start}4"), "end": format!("{start}8")}],
        "dns_nameservers": ["192.0.2.1", "192.0.2.2"], "ipam_fq_name": chooser.name_of("ipam"),
        "host_routes": [{"destination": "192.0.2.0/24", "nexthop": format!("{start}3")}],
    });
    let mut body = chooser.some_of(rest);
    if chooser.seen["ipam"].is_empty() {
        body.as_object_mut().unwrap().shift_remove("ipam_fq_name");
    }
    body["network_id"] = network;
    body["cidr"] = cidr.into();
    body["ip_version"] = if chooser.once_in(20) { 5 } else { version }.into();
    create("subnet", &body)
}

fn update_subnet(chooser: &mut Chooser<'_>) -> Option<Call> {
    let subnet = chooser.some("subnet")?;
    let gateway = if chooser.once_in(3) { "10.0.0.77".into() } else { subnet["gateway_ip"].clone() };
    let start = subnet["cidr"].as_str()?.split_once("0/").map(|(start, _)| start.to_owned())?;
    let body = json!({
        "name": "renamed", "gateway_ip": gateway, "enable_dhcp": chooser.once_in(2), "tags": chooser.tags(),
        "dns_nameservers": chooser.one_of(&[json!([]), json!(["192.0.2.3"])]),
        "allocation_pools": [{"start": format!("{start}2"), "end": format!("{start}6")}], "host_routes": [],
    });
    on("subnet", "UPDATE", &subnet["id"].clone(), &chooser.some_of(body))
}

fn delete_subnet(chooser: &mut Chooser<'_>) -> Option<Call> {
    chooser.delete("subnet")
}

fn create_port(chooser: &mut Chooser<'_>) -> Option<Call> {
    let (network, name) = chooser.place()?;
    let rest = json!({
        "description": "about it", "admin_state_up": chooser.once_in(2), "security_groups": chooser.groups(),
        "device_id": chooser.machine(), "device_owner": "compute:nova", "binding:host_id": "host-1",
        "allowed_address_pairs": [{"ip_address": "192.0.2.7", "mac_address": "02:00:00:00:00:07"}],
        "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}], "tags": chooser.tags(),
        "port_security_enabled": !chooser.once_in(5),
        "mac_address": format!("02:00:00:00:00:0{}", chooser.random.below(4)),
    });
    let mut body = chooser.some_of(rest);
    body["network_id"] = network.clone();
    body["name"] = name.into();
    match chooser.random.below(6) {
        0 => {
            body["fixed_ips"] = json!([]);
            body["name"] = "bare".into();
        }
        1..4 => {
            if let Some(fixed_ips) = chooser.fixed_ips(&network) {
                body["fixed_ips"] = fixed_ips;
            }
        }
        _ => {}
    }
    create("port", &body)
}

fn update_port(chooser: &mut Chooser<'_>) -> Option<Call> {
    let port = chooser.some("port")?;
    let of_router = port["device_owner"] == "network:router_interface";
    let rest = json!({
        "admin_state_up": chooser.once_in(2), "security_groups": chooser.groups(),
        "device_id": chooser.machine(), "device_owner": "compute:nova", "binding:host_id": "host-2",
        "allowed_address_pairs": [], "extra_dhcp_opts": null, "tags": chooser.tags(),
        "port_security_enabled": !chooser.once_in(3),
        "mac_address": format!("02:00:00:00:00:0{}", chooser.random.below(4)),
    });
    let mut body = chooser.some_of(rest);
    // Who looks has to know that its groups may not be those of a new port any more.
    body["description"] = "another".into();
    if of_router {
        // It would not look like one any more, as Neutron has it.
        body.as_object_mut().unwrap().shift_remove("device_owner");
    } else if chooser.once_in(2)
        && let Some(fixed_ips) = chooser.fixed_ips(&port["network_id"])
    {
        body["fixed_ips"] = fixed_ips;
        if chooser.once_in(2) {
            let kept = port["fixed_ips"].as_array()?.clone();
            body["fixed_ips"].as_array_mut()?.extend(kept);
        }
    }
    on("port", "UPDATE", &port["id"], &body)
}

fn delete_port(chooser: &mut Chooser<'_>) -> Option<Call> {
    chooser.delete("port")
}

/// A network to go out through: often that of the operator, sometimes one that does not serve.
fn outside(chooser: &mut Chooser<'_>) -> Option<Value> {
    let is_outside = |network: &&Value| network["router:external"] == true && network["name"] == "outside";
    let foreign = chooser.foreign.iter().find(is_outside)?["id"].clone();
    if chooser.once_in(4) { chooser.id_of("network") } else { Some(foreign) }
}

fn create_router(chooser: &mut Chooser<'_>) -> Option<Call> {
    let gateway = json!({"network_id": outside(chooser)?, "enable_snat": true});
    let body =
        json!({"name": "edge", "external_gateway_info": gateway, "tags": chooser.tags(), "description": "about it"});
    create("router", &chooser.some_of(body))
}

fn update_router(chooser: &mut Chooser<'_>) -> Option<Call> {
    let id = chooser.id_of("router")?;
    let gateway = if chooser.once_in(3) { Value::Null } else { json!({"network_id": outside(chooser)?}) };
    let body = json!({
        "name": "renamed", "external_gateway_info": gateway, "tags": chooser.tags(), "admin_state_up": chooser.once_in(2),
    });
    on("router", "UPDATE", &id, &chooser.some_of(body))
}

fn delete_router(chooser: &mut Chooser<'_>) -> Option<Call> {
    chooser.delete("router")
}

fn add_interface(chooser: &mut Chooser<'_>) -> Option<Call> {
    let router = chooser.id_of("router")?;
    let body = if chooser.once_in(3) {
        json!({"port_id": chooser.id_of("port")?})
    } else {
        json!({"subnet_id": chooser.id_of("subnet")?})
    };
    on("router", "ADDINTERFACE", &router, &body)
}

fn remove_interface(chooser: &mut Chooser<'_>) -> Option<Call> {
    let interfaces: Vec<&Value> =
        chooser.all("port").into_iter().filter(|port| port["device_owner"] == "network:router_interface").collect();
    if interfaces.is_empty() {
        return None;
    }
    let port = *chooser.one_of(&interfaces);
    let by_subnet = json!({"subnet_id": port["fixed_ips"][0]["subnet_id"]});
    let body = if chooser.once_in(2) { by_subnet } else { json!({"port_id": port["id"]}) };
    let router = if chooser.once_in(6) { chooser.id_of("router")? } else { port["device_id"].clone() };
    on("router", "DELINTERFACE", &router, &body)
}

fn create_floating_ip(chooser: &mut Chooser<'_>) -> Option<Call> {
    let network = outside(chooser)?;
    let mut body = json!({"floating_network_id": network, "tags": chooser.tags()});
    if chooser.once_in(3) {
        body["floating_ip_address"] = format!("198.18.0.{}", 1 + chooser.random.below(32)).into();
    }
    if let Some(port) = chooser.id_of("port").filter(|_| chooser.once_in(2)) {
        body["port_id"] = port;
    }
    create("floatingip", &body)
}

fn update_floating_ip(chooser: &mut Chooser<'_>) -> Option<Call> {
    let id = chooser.id_of("floatingip")?;
    let port = chooser.some("port")?;
    let address = port["fixed_ips"][0]["ip_address"].clone();
    let body = match chooser.random.below(6) {
        0 => json!({"port_id": null}),
        1 => json!({"description": "another"}),
        2 => json!({"port_id": port["id"], "fixed_ip_address": "192.0.2.1"}),
        3 => json!({"port_id": port["id"]}),
        _ => json!({"port_id": port["id"], "fixed_ip_address": address}),
    };
    on("floatingip", "UPDATE", &id, &body)
}

fn delete_floating_ip(chooser: &mut Chooser<'_>) -> Option<Call> {
    chooser.delete("floatingip")
}

fn create_group(chooser: &mut Chooser<'_>) -> Option<Call> {
    let name = *chooser.one_of(&["web", "data", "default"]);
    create("security_group", &json!({"name": name, "description": "about it", "tags": chooser.tags()}))
}

fn update_group(chooser: &mut Chooser<'_>) -> Option<Call> {
    let id = chooser.id_of("security_group")?;
    on("security_group", "UPDATE", &id, &json!({"name": "renamed", "tags": chooser.tags()}))
}

fn delete_group(chooser: &mut Chooser<'_>) -> Option<Call> {
    chooser.delete("security_group")
}

fn create_rule(chooser: &mut Chooser<'_>) -> Option<Call> {
    let first = 80 + chooser.random.below(3);
    let rest = json!({
        "remote_ip_prefix": chooser.one_of(&["192.0.2.0/24", "192.0.2.9/24", "2001:db8::/32"]),
        "remote_group_id": chooser.id_of("security_group")?, "description": "about it",
        "port_range_min": first, "port_range_max": first + chooser.random.below(2),
    });
    let mut body = chooser.some_of(rest);
    body["security_group_id"] = chooser.own_group()?["id"].clone();
    body["direction"] = (*chooser.one_of(&["ingress", "egress"])).into();
    body["ethertype"] = (*chooser.one_of(&["IPv4", "IPv4", "IPv6"])).into();
    body["protocol"] = chooser.one_of(&[json!("tcp"), json!("udp"), json!("icmp"), json!(6), json!(null)]).clone();
    create("security_group_rule", &body)
}

fn delete_rule(chooser: &mut Chooser<'_>) -> Option<Call> {
    let rules = chooser.own_group()?["security_group_rules"].as_array()?;
    let rule = rules.get(chooser.random.below(rules.len() + 1))?;
    Some(Call { resource: "security_group_rule", operation: "DELETE", data: json!({"id": rule["id"]}) })
}

fn sub_ports(chooser: &mut Chooser<'_>) -> Option<Value> {
    let count = 1 + chooser.random.below(2);
    let sub_port = |chooser: &mut Chooser<'_>| {
        let vlan = 10 + chooser.random.below(4);
        Some(json!({"port_id": chooser.id_of("port")?, "segmentation_id": vlan, "segmentation_type": "vlan"}))
    };
    (0..count).map(|_| sub_port(chooser)).collect()
}

fn create_trunk(chooser: &mut Chooser<'_>) -> Option<Call> {
    let body = json!({
        "name": "trunk", "port_id": chooser.id_of("port")?, "sub_ports": sub_ports(chooser)?, "description": "about it",
    });
    create("trunk", &body)
}

fn change_trunk(chooser: &mut Chooser<'_>) -> Option<Call> {
    let trunk = chooser.some("trunk")?;
    if chooser.once_in(2) {
        return on("trunk", "ADD_SUBPORTS", &trunk["id"], &json!({"sub_ports": sub_ports(chooser)?}));
    }
    let carried = trunk["sub_ports"].as_array()?;
    let gone: Vec<Value> = carried.iter().take(1).map(|port| json!({"port_id": port["port_id"]})).collect();
    on("trunk", "REMOVE_SUBPORTS", &trunk["id"], &json!({"sub_ports": gone}))
}

fn update_trunk(chooser: &mut Chooser<'_>) -> Option<Call> {
    let id = chooser.id_of("trunk")?;
    on("trunk", "UPDATE", &id, &json!({"trunk": {"name": "renamed", "admin_state_up": chooser.once_in(2)}}))
}

fn delete_trunk(chooser: &mut Chooser<'_>) -> Option<Call> {
    chooser.delete("trunk")
}

fn change_tags(chooser: &mut Chooser<'_>) -> Option<Call> {
    let resource =
        *chooser.one_of(&["network", "subnet", "port", "router", "floatingip", "security_group", "policy", "trunk"]);
    let parent = match resource {
        "security_group" => chooser.own_group()?["id"].clone(),
        _ => chooser.id_of(resource)?,
    };
    let (operation, body) = match chooser.random.below(4) {
        0 => ("DELETEALL", json!({ "parent_id": parent })),
        1 => ("DELETE", json!({"parent_id": parent, "tag": chooser.one_of(&TAGS)})),
        _ => ("CREATE", json!({"resource": {"parent_id": parent, "tags": chooser.tags()}})),
    };
    Some(Call { resource: "tags", operation, data: json!({ "resource": body }) })
}

fn entries(chooser: &mut Chooser<'_>) -> Value {
    let rule = json!({
        "direction": "<>", "protocol": "tcp", "src_addresses": [{"virtual_network": "any"}], "simple_action": null,
        "dst_addresses": [{"virtual_network": "any"}], "src_ports": [{"start_port": -1, "end_port": -1}],
        "dst_ports": [{"start_port": 80, "end_port": 80 + chooser.random.below(9)}], "action_list": {"simple_action": "pass"},
    });
    chooser.one_of(&[json!({ "policy_rule": [rule] }), json!(null), json!("wrong")]).clone()
}

fn create_policy(chooser: &mut Chooser<'_>) -> Option<Call> {
    create("policy", &json!({"name": "policy", "entries": entries(chooser)}))
}

fn create_ipam(chooser: &mut Chooser<'_>) -> Option<Call> {
    let mgmt = chooser.one_of(&[json!(null), json!({"ipam_method": "dhcp"})]).clone();
    create("ipam", &json!({"name": "ipam", "mgmt": mgmt}))
}

fn routes(chooser: &mut Chooser<'_>) -> Value {
    let route = json!({"prefix": format!("192.0.2.{}/32", chooser.random.below(9)), "next_hop": "10.0.0.1", "next_hop_type": "ip-address"});
    json!({ "route": [route] })
}

fn create_route_table(chooser: &mut Chooser<'_>) -> Option<Call> {
    create("route_table", &json!({"name": "table", "routes": routes(chooser)}))
}

fn update_whole(chooser: &mut Chooser<'_>) -> Option<Call> {
    let resource = *chooser.one_of(&["policy", "ipam", "route_table"]);
    let id = chooser.id_of(resource)?;
    let body = match resource {
        "policy" => json!({"entries": entries(chooser)}),
        "ipam" => json!({"mgmt": {"ipam_method": "fixed"}}),
        _ => json!({"routes": routes(chooser)}),
    };
    on(resource, "UPDATE", &id, &body)
}

fn delete_whole(chooser: &mut Chooser<'_>) -> Option<Call> {
    let resource = *chooser.one_of(&["policy", "ipam", "route_table"]);
    chooser.delete(resource)
}

/// Something that is not there.
fn unknown(chooser: &mut Chooser<'_>) -> Option<Call> {
    let resource =
        *chooser.one_of(&["subnet", "port", "router", "floatingip", "trunk", "security_group_rule", "route_table"]);
    Some(Call { resource, operation: "DELETE", data: json!({"id": "00000000-0000-4000-8000-0000000000ff"}) })
}
