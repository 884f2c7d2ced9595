//! What Neutron has to list for a tenant, made of what REST holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Listed;
use crate::support::Api;

/// The fields that are compared. Of lists whose order says nothing the elements are sorted.
const FIELDS: [(&str, &[&str]); 11] = [
    (
        "network",
        &[
            "name",
            "tenant_id",
            "admin_state_up",
            "shared",
            "router:external",
            "mtu",
            "subnets",
            "port_security_enabled",
            "description",
            "policys",
            "route_table",
            "tags",
        ],
    ),
    (
        "subnet",
        &[
            "name",
            "network_id",
            "cidr",
            "ip_version",
            "gateway_ip",
            "enable_dhcp",
            "dns_nameservers",
            "host_routes",
            "shared",
        ],
    ),
    (
        "port",
        &[
            "name",
            "network_id",
            "mac_address",
            "fixed_ips",
            "security_groups",
            "device_id",
            "device_owner",
            "status",
            "admin_state_up",
            "port_security_enabled",
            "description",
            "tags",
        ],
    ),
    ("router", &["name", "external_gateway_info", "admin_state_up", "description", "tags"]),
    (
        "floatingip",
        &[
            "tenant_id",
            "floating_ip_address",
            "port_id",
            "fixed_ip_address",
            "status",
            "router_id",
            "floating_network_id",
            "description",
            "tags",
        ],
    ),
    ("security_group", &["name", "description", "security_group_rules", "tags"]),
    (
        "security_group_rule",
        &[
            "security_group_id",
            "direction",
            "ethertype",
            "protocol",
            "remote_ip_prefix",
            "remote_group_id",
            "description",
        ],
    ),
    ("trunk", &["name", "port_id", "sub_ports", "description", "admin_state_up", "tags"]),
    ("policy", &["name", "entries", "nets_using", "tags"]),
    ("ipam", &["name", "mgmt"]),
    ("route_table", &["name", "routes"]),
];
const UNORDERED: [&str; 7] =
    ["subnets", "fixed_ips", "security_groups", "tags", "sub_ports", "nets_using", "security_group_rules"];

/// What is compared of an answer: no member is the same as null.
pub fn comparable(resource: &str, item: &Value) -> Value {
    let (_, fields) = FIELDS.iter().find(|(name, _)| *name == resource).unwrap();
    let field = |name: &str| {
        let mut value = item[name].clone();
        if name == "security_group_rules" {
            value = value.as_array().unwrap().iter().map(|rule| rule["id"].clone()).collect();
        }
        if let Value::Array(elements) = &mut value
            && UNORDERED.contains(&name)
        {
            elements.sort_by_key(Value::to_string);
        }
        value
    };
    let fields = fields.iter().map(|name| ((*name).to_owned(), field(name)));
    Value::Object(fields.filter(|(_, value)| !value.is_null() && *value != json!([])).collect())
}

/// Objects of a type, of those that the query is about.
async fn all(api: &Api, kind: &str, query: &str) -> Vec<Value> {
    let listed = api.get(&format!("/{kind}s?detail=true&{query}")).await.ok();
    listed[format!("{kind}s")].as_array().unwrap().iter().map(|item| item[kind].clone()).collect()
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value[name].as_array().into_iter().flatten()
}

/// The ids of what a field refers to.
fn targets(object: &Value, field: &str) -> Vec<String> {
    list(object, field).map(|reference| reference["uuid"].as_str().unwrap().to_owned()).collect()
}

fn tags(object: &Value) -> Value {
    let names = list(object, "tag_refs").map(|reference| reference["to"][0].as_str().unwrap());
    names.map(|name| name.strip_prefix("neutron_tag=").unwrap()).collect()
}

fn or<'v>(value: &'v Value, otherwise: &'v Value) -> &'v Value {
    if value.is_null() { otherwise } else { value }
}

/// Puts the parts together that say what all of them say.
fn common(object: &Value, mut item: Value) -> Value {
    item["id"] = object["uuid"].clone();
    item["name"] = object["display_name"].clone();
    item["description"] = object["id_perms"]["description"].clone();
    item["admin_state_up"] = object["id_perms"]["enable"].clone();
    item["tags"] = tags(object);
    item
}

/// What is held for a tenant, in the form of [`comparable`]. Where several are right, as with the router of a floating ip, what was
/// listed is taken if it is one of them.
pub async fn held(api: &Api, tenant: &str, listed: &Listed) -> BTreeMap<&'static str, BTreeMap<String, Value>> {
    let below = format!("parent_id={tenant}");
    let networks = all(api, "virtual-network", &below).await;
    let ports = all(api, "virtual-machine-interface", &below).await;
    let routers = all(api, "logical-router", &below).await;
    let groups = all(api, "security-group", &below).await;
    let names: Vec<&str> = ports.iter().map(|port| port["uuid"].as_str().unwrap()).collect();
    let addresses = if names.is_empty() {
        Vec::new()
    } else {
        all(api, "instance-ip", &format!("back_ref_id={}", names.join(","))).await
    };
    let floating_ips = all(api, "floating-ip", &format!("back_ref_id={tenant}")).await;
    let subnets: Vec<Value> = networks.iter().flat_map(subnets).collect();
    check_key_values(api, &subnets).await;
    let shown_ports: Vec<Value> = ports.iter().map(|port| show_port(port, &ports, &addresses, &routers)).collect();
    let items = [
        ("network", networks.iter().map(|network| show_network(network, tenant)).collect::<Vec<Value>>()),
        ("subnet", subnets),
        ("router", routers.iter().map(show_router).collect()),
        (
            "floatingip",
            floating_ips
                .iter()
                .map(|floating_ip| show_floating_ip(floating_ip, tenant, &ports, &routers, listed))
                .collect(),
        ),
        ("security_group_rule", groups.iter().flat_map(|group| rules(group, &groups)).collect()),
        ("security_group", groups.iter().map(|group| show_group(group, &groups)).collect()),
        ("trunk", all(api, "virtual-port-group", &below).await.iter().map(|trunk| show_trunk(trunk, &ports)).collect()),
        ("policy", wholes(api, "network-policy", &below, ("entries", "network_policy_entries"), &networks).await),
        ("ipam", wholes(api, "network-ipam", &below, ("mgmt", "network_ipam_mgmt"), &[]).await),
        ("route_table", wholes(api, "route-table", &below, ("routes", "routes"), &[]).await),
        ("port", shown_ports),
    ];
    let by_id = |(resource, items): (&'static str, Vec<Value>)| {
        let of = |item: &Value| (item["id"].as_str().unwrap().to_owned(), comparable(resource, item));
        (resource, items.iter().map(of).collect())
    };
    items.into_iter().map(by_id).collect()
}

fn show_network(network: &Value, tenant: &str) -> Value {
    let mut policies: Vec<&Value> = list(network, "network_policy_refs").collect();
    policies.sort_by_key(|policy| policy["attr"]["sequence"]["major"].as_i64());
    let names =
        |references: Vec<&Value>| references.into_iter().map(|reference| reference["to"].clone()).collect::<Value>();
    let subnets = subnets(network).iter().map(|subnet| subnet["id"].clone()).collect::<Value>();
    common(
        network,
        json!({
            "tenant_id": tenant.replace('-', ""), "shared": or(&network["is_shared"], &json!(false)),
            "router:external": network["router_external"] == true, "mtu": network["mtu"], "subnets": subnets,
            "port_security_enabled": network["port_security_enabled"] != false, "policys": names(policies),
            "route_table": names(list(network, "route_table_refs").collect()),
        }),
    )
}

fn subnets(network: &Value) -> Vec<Value> {
    let entries = list(network, "network_ipam_refs").flat_map(|ipam| list(&ipam["attr"], "ipam_subnets"));
    let shown = entries.map(|entry| {
        let prefix = entry["subnet"]["ip_prefix"].as_str().unwrap();
        let gateway = &entry["default_gateway"];
        let gateway = if *gateway == "0.0.0.0" || *gateway == "::" { &Value::Null } else { gateway };
        let options = list(&entry["dhcp_option_list"], "dhcp_option");
        let servers = options.filter(|option| option["dhcp_option_name"] == "6");
        let servers = servers.flat_map(|option| option["dhcp_option_value"].as_str().unwrap().split(' '));
        let routes = list(&entry["host_routes"], "route");
        let route = |route: &Value| json!({"destination": route["prefix"], "nexthop": route["next_hop"]});
        json!({
            "id": entry["subnet_uuid"], "name": entry["subnet_name"], "network_id": network["uuid"],
            "cidr": format!("{prefix}/{}", entry["subnet"]["ip_prefix_len"]), "gateway_ip": gateway,
            "ip_version": if prefix.contains(':') { 6 } else { 4 }, "enable_dhcp": entry["enable_dhcp"],
            "dns_nameservers": servers.collect::<Vec<_>>(), "host_routes": routes.map(route).collect::<Vec<_>>(),
            "shared": network["is_shared"] == true,
        })
    });
    shown.collect()
}

/// NEU-HOOK-3: the store of texts says where each subnet is.
async fn check_key_values(api: &Api, subnets: &[Value]) {
    if subnets.is_empty() {
        return;
    }
    let keys: Vec<&Value> = subnets.iter().map(|subnet| &subnet["id"]).collect();
    let told = api.post("/useragent-kv", &json!({"operation": "RETRIEVE", "key": keys})).await.ok();
    let told: BTreeSet<String> = list(&told, "value").map(|text| text.as_str().unwrap().to_owned()).collect();
    let place =
        |subnet: &Value| format!("{} {}", subnet["network_id"].as_str().unwrap(), subnet["cidr"].as_str().unwrap());
    assert_eq!(told, subnets.iter().map(place).collect(), "what the store of texts says of subnets");
}

fn show_port(port: &Value, ports: &[Value], addresses: &[Value], routers: &[Value]) -> Value {
    let uuid = port["uuid"].as_str().unwrap();
    let refers = |object: &Value| targets(object, "virtual_machine_interface_refs").iter().any(|target| target == uuid);
    let fixed = addresses.iter().filter(|address| refers(address));
    let fixed =
        fixed.map(|address| json!({"ip_address": address["instance_ip_address"], "subnet_id": address["subnet_uuid"]}));
    let groups = list(port, "security_group_refs").filter(|group| group["to"][2] != "__no_rule__");
    let machine = list(port, "virtual_machine_refs").next().map_or(json!(""), |machine| machine["to"][0].clone());
    let device = routers.iter().find(|router| refers(router)).map_or(machine, |router| router["uuid"].clone());
    // One that is part of another one is in use if that has a machine.
    let tag = &port["virtual_machine_interface_properties"]["sub_interface_vlan_tag"];
    let carrier = targets(port, "virtual_machine_interface_refs").into_iter().next().filter(|_| tag.is_i64());
    let carrier = carrier.and_then(|carrier| ports.iter().find(|port| port["uuid"] == carrier.as_str()));
    let is_carried = carrier.is_some_and(|carrier| !targets(carrier, "virtual_machine_refs").is_empty());
    common(
        port,
        json!({
            "network_id": port["virtual_network_refs"][0]["uuid"],
            "mac_address": port["virtual_machine_interface_mac_addresses"]["mac_address"][0],
            "fixed_ips": fixed.collect::<Vec<_>>(),
            "security_groups": groups.map(|group| group["uuid"].clone()).collect::<Vec<_>>(),
            "device_owner": or(&port["virtual_machine_interface_device_owner"], &json!("")),
            "port_security_enabled": port["port_security_enabled"] != false,
            "status": if device != "" || is_carried { "ACTIVE" } else { "DOWN" },
            "device_id": device,
        }),
    )
}

fn show_router(router: &Value) -> Value {
    let gateway = list(router, "virtual_network_refs").next();
    let gateway = gateway.map(|network| json!({"network_id": network["uuid"], "enable_snat": true}));
    common(router, json!({ "external_gateway_info": gateway }))
}

fn show_floating_ip(floating_ip: &Value, tenant: &str, ports: &[Value], routers: &[Value], listed: &Listed) -> Value {
    let id = floating_ip["uuid"].as_str().unwrap();
    let port_id = targets(floating_ip, "virtual_machine_interface_refs").pop();
    let network_of = |port: &str| {
        let port = ports.iter().find(|known| known["uuid"] == port)?;
        targets(port, "virtual_network_refs").pop()
    };
    let network = port_id.as_deref().and_then(network_of);
    let is_on_it = |router: &&Value| {
        let networks = targets(router, "virtual_machine_interface_refs");
        network.is_some() && networks.iter().any(|port| network_of(port) == network)
    };
    let serving: Vec<&Value> = routers.iter().filter(is_on_it).map(|router| &router["uuid"]).collect();
    let shown = listed["floatingip"].get(id).map_or(&Value::Null, |shown| &shown["router_id"]);
    let router = if serving.contains(&shown) { shown } else { serving.first().copied().unwrap_or(&Value::Null) };
    common(
        floating_ip,
        json!({
            "tenant_id": tenant.replace('-', ""), "floating_ip_address": floating_ip["floating_ip_address"],
            "status": if port_id.is_some() { "ACTIVE" } else { "DOWN" }, "port_id": port_id,
            "fixed_ip_address": floating_ip["floating_ip_fixed_ip_address"], "router_id": router,
            // The pool has the name of its network, and one name more.
            "floating_network_id": listed_network(listed, id, floating_ip),
        }),
    )
}

/// The network that is shown, if the floating ip is below a pool of one of that name.
fn listed_network(listed: &Listed, id: &str, floating_ip: &Value) -> Value {
    let shown = listed["floatingip"].get(id).map_or(Value::Null, |shown| shown["floating_network_id"].clone());
    let own = shown.as_str().and_then(|network| listed["network"].get(network));
    let name = own.map(|network| network["fq_name"].as_array().unwrap().clone());
    let of = floating_ip["fq_name"].as_array().unwrap().get(..3).map(<[Value]>::to_vec);
    if name.is_some() && name != of { json!(of) } else { shown }
}

/// A rule names groups by names.
fn rules(group: &Value, groups: &[Value]) -> Vec<Value> {
    let is_local = |side: &Value| side[0]["security_group"] == "local";
    let rules = list(&group["security_group_entries"], "policy_rule").filter_map(|rule| {
        let (direction, remote) = if is_local(&rule["src_addresses"]) {
            ("egress", &rule["dst_addresses"][0])
        } else {
            ("ingress", &rule["src_addresses"][0])
        };
        let prefix = &remote["subnet"]["ip_prefix"];
        let prefix = prefix.as_str().map(|prefix| format!("{prefix}/{}", remote["subnet"]["ip_prefix_len"]));
        let named = remote["security_group"].as_str();
        let joined = |group: &Value| {
            group["fq_name"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(":")
        };
        let remote_group = named.map(|named| groups.iter().find(|group| joined(group) == named));
        // A rule that names a group which is gone is none.
        let remote_group = match remote_group {
            Some(None) => return None,
            Some(Some(group)) => group["uuid"].clone(),
            None => Value::Null,
        };
        Some(json!({
            "id": rule["rule_uuid"], "security_group_id": group["uuid"], "direction": direction,
            "ethertype": rule["ethertype"], "protocol": rule["protocol"], "remote_ip_prefix": prefix,
            "remote_group_id": remote_group, "description": rule["description"],
        }))
    });
    rules.collect()
}

fn show_group(group: &Value, groups: &[Value]) -> Value {
    let mut shown = common(group, json!({ "security_group_rules": rules(group, groups) }));
    shown["description"] = or(&group["id_perms"]["description"], &json!("")).clone();
    shown
}

fn show_trunk(trunk: &Value, ports: &[Value]) -> Value {
    let parent = &trunk["virtual_port_group_trunk_port_id"];
    let carried = targets(trunk, "virtual_machine_interface_refs").into_iter().filter(|port| parent != port);
    let sub_port = |id: String| {
        let port = ports.iter().find(|port| port["uuid"] == id.as_str()).unwrap();
        let vlan = &port["virtual_machine_interface_properties"]["sub_interface_vlan_tag"];
        json!({"port_id": id, "segmentation_id": vlan, "segmentation_type": "vlan"})
    };
    common(trunk, json!({"port_id": parent, "sub_ports": carried.map(sub_port).collect::<Vec<_>>()}))
}

/// Those that Neutron shows as they are, with one property under another name.
async fn wholes(api: &Api, kind: &str, below: &str, content: (&str, &str), networks: &[Value]) -> Vec<Value> {
    let field = format!("{}_refs", kind.replace('-', "_"));
    let objects = all(api, kind, below).await;
    let shown = objects.iter().map(|object| {
        let uses = |network: &&Value| targets(network, &field).iter().any(|target| object["uuid"] == target.as_str());
        let mut shown = common(object, json!({ (content.0): object[content.1] }));
        shown["name"] = object["name"].clone();
        shown["nets_using"] = networks.iter().filter(uses).map(|network| network["fq_name"].clone()).collect();
        shown
    });
    shown.collect()
}
