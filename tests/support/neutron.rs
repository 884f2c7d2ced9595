//! What neutron-server's plug-in sends, and what it makes of the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{Answer, Api};

/// The classes of Neutron, each with the names of its arguments.
const CLASSES: &str = include_str!("../data/neutron-classes.txt");

/// The plug-in, at work for a tenant.
#[derive(Clone)]
pub struct Plugin {
    pub api: Api,
    pub tenant: String,
    pub is_admin: bool,
}

/// What has become of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It was done, with this answer; null for an empty one.
    Done(Value),
    /// A class of Neutron, with its arguments.
    Refused(Value),
}

impl Told {
    /// # Panics
    /// For what was refused.
    #[track_caller]
    pub fn done(self) -> Value {
        match self {
            Self::Done(answer) => answer,
            Self::Refused(exception) => panic!("refused: {exception}"),
        }
    }

    /// The class of a refusal; none of what was done.
    pub fn class(&self) -> Option<&str> {
        match self {
            Self::Done(_) => None,
            Self::Refused(exception) => exception["exception"].as_str(),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(answer) => write!(formatter, "done {answer}"),
            Self::Refused(exception) => write!(formatter, "refused {exception}"),
        }
    }
}

impl Plugin {
    /// For a user of the tenant.
    pub fn member(api: &Api, tenant: &str) -> Self {
        Self { api: api.clone(), tenant: tenant.to_owned(), is_admin: false }
    }

    /// For an administrator, in that tenant.
    pub fn admin(api: &Api, tenant: &str) -> Self {
        Self { is_admin: true, ..Self::member(api, tenant) }
    }

    /// The tenant, as Neutron writes it.
    pub fn hex(&self) -> String {
        self.tenant.replace('-', "")
    }

    /// What stands around a call. A new object is the tenant's, and no member is there that says nothing.
    pub fn envelope(&self, operation: &str, resource: &str, data: Value) -> Value {
        let mut data = data;
        for absent in ["filters", "fields"] {
            data.as_object_mut().unwrap().entry(absent).or_insert(Value::Null);
        }
        if operation == "CREATE" && resource != "tags" && data["resource"].is_object() {
            for member in ["tenant_id", "project_id"] {
                data["resource"].as_object_mut().unwrap().entry(member).or_insert(self.hex().into());
            }
        }
        let context = json!({
            "user_id": "someone", "is_admin": self.is_admin, "operation": operation, "type": resource,
            "tenant_id": self.hex(), "request_id": "req-of-a-test", "roles": ["member"],
        });
        json!({"context": context, "data": data})
    }

    pub async fn send(&self, operation: &str, resource: &str, data: Value) -> Answer {
        let envelope = self.envelope(operation, resource, data);
        self.api.post(&format!("/neutron/{resource}"), &envelope).await
    }

    /// # Panics
    /// For an answer that the plug-in makes nothing of.
    pub async fn call(&self, operation: &str, resource: &str, data: Value) -> Told {
        told(&self.send(operation, resource, data).await)
    }

    pub async fn create(&self, resource: &str, body: Value) -> Told {
        self.call("CREATE", resource, json!({ "resource": body })).await
    }

    pub async fn update(&self, resource: &str, id: &Value, body: Value) -> Told {
        self.call("UPDATE", resource, json!({"id": id, "resource": body})).await
    }

    pub async fn delete(&self, resource: &str, id: &Value) -> Told {
        self.call("DELETE", resource, json!({ "id": id })).await
    }

    pub async fn list(&self, resource: &str, filters: Value) -> Vec<Value> {
        let listed = self.call("READALL", resource, json!({"filters": filters, "fields": []})).await.done();
        listed.as_array().unwrap_or_else(|| panic!("no list of {resource}: {listed}")).clone()
    }
}

/// What an answer tells the plug-in.
///
/// # Panics
/// For one that it makes nothing of: another status, no class of Neutron, other arguments.
pub fn told(answer: &Answer) -> Told {
    match answer.status {
        200 if answer.text.is_empty() => Told::Done(Value::Null),
        200 => Told::Done(answer.json()),
        400 => {
            let exception = answer.json();
            check_class(&exception).unwrap_or_else(|why| panic!("{answer}: {why}"));
            Told::Refused(exception)
        }
        _ => panic!("the plug-in makes nothing of {answer}"),
    }
}

/// Whether a refusal is a class of Neutron with exactly its arguments.
pub fn check_class(exception: &Value) -> Result<(), String> {
    let classes: BTreeMap<&str, BTreeSet<&str>> = CLASSES.lines().filter_map(class_of).collect();
    let members = exception.as_object().ok_or("it is no object")?;
    let name = members.get("exception").and_then(Value::as_str).ok_or("it names no class")?;
    let expected = classes.get(name).ok_or_else(|| format!("Neutron has no class {name}"))?;
    let given: BTreeSet<&str> = members.keys().map(String::as_str).filter(|member| *member != "exception").collect();
    if given == *expected { Ok(()) } else { Err(format!("{name} has the arguments {expected:?}, not {given:?}")) }
}

fn class_of(line: &str) -> Option<(&str, BTreeSet<&str>)> {
    let mut words = line.split_whitespace();
    Some((words.next()?, words.collect()))
}

/// The operations of each resource, as the document tells them.
pub fn operations() -> &'static [(String, Vec<String>)] {
    static OPERATIONS: LazyLock<Vec<(String, Vec<String>)>> = LazyLock::new(|| {
        let document: Value = serde_json::from_str(include_str!("../../openapi/cirrus.json")).unwrap();
        let told = document["paths"]["/neutron/{resource}"]["post"]["description"].as_str().unwrap();
        let of_line = |line: &str| {
            let (name, rest) = line.strip_prefix("- `")?.split_once('`')?;
            let (_, verbs) = rest.split_once("): ")?;
            Some((name.to_owned(), verbs.split(", ").map(str::to_owned).collect()))
        };
        told.lines().filter_map(of_line).collect()
    });
    &OPERATIONS
}

/// One of each resource, of one tenant, and what is needed for more of them.
pub struct Stage {
    pub plugin: Plugin,
    /// By the names of the resources; a tag is that of the network.
    pub made: BTreeMap<&'static str, Value>,
    /// An external network of the operator.
    pub outside: Value,
    /// A port that is in use by nothing.
    pub free_port: Value,
    /// A subnet that is on no router.
    pub free_subnet: Value,
    /// The port by which the router is on its subnet.
    pub interface: Value,
    /// A network that is shared with everybody, with a subnet.
    pub shared: Value,
    /// A rule of firewalls that is in no policy.
    pub free_rule: Value,
}

impl Stage {
    /// Makes all of it, as the tenant's plug-in does; what only operators make is made by this one.
    pub async fn build(plugin: Plugin, operator: &Plugin) -> Self {
        let template = json!({"fq_name": ["default-domain", "nat-template"], "parent_type": "domain"});
        operator.api.post("/service-templates", &json!({ "service-template": template })).await.status_is(200);
        let host = json!({"fq_name": ["default-global-system-config", "host"], "parent_type": "global-system-config",
            "virtual_router_ip_address": "192.0.2.1"});
        operator.api.post("/virtual-routers", &json!({ "virtual-router": host })).await.status_is(200);
        let outside = operator.create("network", json!({"name": "outside", "router:external": true})).await.done();
        let subnet = json!({"network_id": outside["id"], "cidr": "198.18.0.0/24", "ip_version": 4});
        operator.create("subnet", subnet).await.done();
        let mut made = BTreeMap::new();
        let one = async |resource: &str, body: Value| plugin.create(resource, body).await.done();
        let network = one("network", json!({"name": "stage", "tags": ["red"]})).await;
        let subnet = |cidr: &str| json!({"name": "stage", "network_id": network["id"], "cidr": cidr, "ip_version": 4});
        made.insert("subnet", one("subnet", subnet("10.64.0.0/22")).await);
        let free_subnet = one("subnet", subnet("10.65.0.0/24")).await;
        let port = || json!({"name": "stage", "network_id": network["id"], "device_id": ""});
        let carrier = one("port", port()).await;
        made.insert("port", one("port", port()).await);
        let free_port = one("port", port()).await;
        made.insert("router", one("router", json!({"name": "stage"})).await);
        let data = json!({"id": made["router"]["id"], "resource": {"subnet_id": made["subnet"]["id"]}});
        let interface = plugin.call("ADDINTERFACE", "router", data).await.done();
        made.insert("security_group", one("security_group", json!({"name": "stage"})).await);
        let rule = json!({"security_group_id": made["security_group"]["id"], "direction": "ingress", "protocol": "tcp",
            "ethertype": "IPv4", "port_range_min": 80, "port_range_max": 80});
        made.insert("security_group_rule", one("security_group_rule", rule).await);
        made.insert("floatingip", one("floatingip", json!({"floating_network_id": outside["id"]})).await);
        let sub_port = one("port", port()).await;
        let sub_port = json!({"port_id": sub_port["id"], "segmentation_id": 7, "segmentation_type": "vlan"});
        let trunk = json!({"name": "stage", "port_id": carrier["id"], "sub_ports": [sub_port]});
        made.insert("trunk", one("trunk", trunk).await);
        for resource in ["policy", "ipam", "route_table"] {
            made.insert(resource, one(resource, json!({"name": "stage"})).await);
        }
        made.insert("nat_instance", one("nat_instance", json!({"name": "stage", "external_net": outside["id"]})).await);
        let rule = || json!({"name": "stage", "protocol": "tcp", "destination_port": "80", "action": "allow"});
        made.insert("firewall_rule", one("firewall_rule", rule()).await);
        let free_rule = one("firewall_rule", rule()).await;
        let policy = json!({"name": "stage", "firewall_rules": [made["firewall_rule"]["id"]]});
        made.insert("firewall_policy", one("firewall_policy", policy).await);
        let group = json!({"name": "stage", "ingress_firewall_policy_id": made["firewall_policy"]["id"]});
        made.insert("firewall_group", one("firewall_group", group).await);
        let shared = one("network", json!({"name": "shared", "shared": true})).await;
        one("subnet", json!({"network_id": shared["id"], "cidr": "10.67.0.0/24", "ip_version": 4})).await;
        made.insert("network", network);
        Self {
            plugin,
            made,
            outside,
            free_port,
            free_subnet,
            interface: interface["port_id"].clone(),
            shared,
            free_rule,
        }
    }

    /// The id of what there is of a resource.
    pub fn id(&self, resource: &str) -> &Value {
        &self.made[resource]["id"]
    }

    /// A body with which one more is made, with all members that say something; those that can be changed are the same.
    pub fn body(&self, resource: &str) -> Value {
        let network = self.id("network");
        match resource {
            "network" => json!({
                "name": "one", "admin_state_up": true, "shared": false, "router:external": false, "mtu": 1500,
                "port_security_enabled": true, "description": "about it", "provider:physical_network": "physical",
                "provider:segmentation_id": 100, "policys": [self.made["policy"]["fq_name"]],
                "route_table": self.made["route_table"]["fq_name"], "tags": ["red"],
            }),
            "subnet" => json!({
                "name": "one", "network_id": network, "cidr": "10.66.0.0/24", "ip_version": 4, "gateway_ip": "10.66.0.1",
                "allocation_pools": [{"start": "10.66.0.8", "end": "10.66.0.9"}], "enable_dhcp": true,
                "dns_nameservers": ["192.0.2.1"], "ipam_fq_name": self.made["ipam"]["fq_name"], "tags": ["red"],
                "host_routes": [{"destination": "192.0.2.0/24", "nexthop": "10.66.0.7"}],
            }),
            "port" => json!({
                "name": "one", "network_id": network, "mac_address": "02:00:00:00:00:aa", "device_id": "",
                "fixed_ips": [{"ip_address": "10.64.1.7", "subnet_id": self.id("subnet")}], "device_owner": "compute:nova",
                "security_groups": [self.id("security_group")], "port_security_enabled": true, "admin_state_up": true,
                "allowed_address_pairs": [{"ip_address": "192.0.2.1", "mac_address": "02:00:00:00:00:bb"}],
                "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}], "binding:host_id": "host",
                "description": "about it", "tags": ["red"],
            }),
            "router" => json!({
                "name": "one", "admin_state_up": true, "description": "about it", "tags": ["red"],
                "external_gateway_info": {"network_id": self.outside["id"]},
            }),
            "floatingip" => json!({
                "floating_network_id": self.outside["id"], "floating_ip_address": "198.18.0.77", "port_id": self.id("port"),
                "fixed_ip_address": self.made["port"]["fixed_ips"][0]["ip_address"], "description": "about it",
                "tags": ["red"],
            }),
            "security_group" => json!({"name": "one", "description": "about it", "tags": ["red"]}),
            "security_group_rule" => json!({
                "security_group_id": self.id("security_group"), "direction": "ingress", "ethertype": "IPv4",
                "protocol": "tcp", "port_range_min": 81, "port_range_max": 82, "remote_ip_prefix": "192.0.2.0/24",
                "description": "about it",
            }),
            "trunk" => json!({
                "name": "one", "port_id": self.id("port"), "admin_state_up": true, "description": "about it", "tags": ["red"],
                "sub_ports": [{"port_id": self.free_port["id"], "segmentation_id": 8, "segmentation_type": "vlan"}],
            }),
            "policy" => json!({"name": "one", "entries": {"policy_rule": []}, "tags": ["red"]}),
            "ipam" => json!({"name": "one", "mgmt": {"ipam_method": "dhcp"}, "tags": ["red"]}),
            "route_table" => json!({"name": "one", "tags": ["red"], "routes": {"route": [
                {"prefix": "192.0.2.0/24", "next_hop": "10.64.0.1", "next_hop_type": "ip-address"}]}}),
            "nat_instance" => json!({"name": "one", "external_net": self.outside["id"], "internal_net": network}),
            "firewall_rule" => json!({
                "name": "one", "description": "about it", "enabled": true, "shared": false, "protocol": "tcp",
                "ip_version": 4, "source_ip_address": "192.0.2.0/24", "destination_ip_address": "198.51.100.7",
                "source_port": "1024:65535", "destination_port": "443", "action": "allow",
            }),
            "firewall_policy" => json!({
                "name": "one", "description": "about it", "audited": true, "shared": false,
                "firewall_rules": [self.id("firewall_rule")],
            }),
            "firewall_group" => json!({
                "name": "one", "description": "about it", "admin_state_up": true, "shared": false,
                "ports": [self.id("port")], "ingress_firewall_policy_id": self.id("firewall_policy"),
            }),
            "tags" => json!({"resource": {"parent_id": network, "tags": ["red"]}}),
            other => panic!("no body of {other}"),
        }
    }

    /// What an operation of a resource is asked with.
    pub fn data(&self, resource: &str, operation: &str) -> Value {
        let network = self.id("network");
        let id = || self.id(resource);
        match (resource, operation) {
            ("virtual_router", _) => json!({"id": ["default-global-system-config", "host"]}),
            ("tags", "READ") => json!({"filters": {"parent_id": network, "tag": "red"}}),
            ("tags", "READALL") => json!({"filters": {"parent_id": network}}),
            ("tags", "DELETE") => json!({"resource": {"parent_id": network, "tag": "red"}}),
            ("tags", "DELETEALL") => json!({"resource": {"parent_id": network}}),
            (_, "CREATE") => json!({"resource": self.body(resource)}),
            (_, "READ" | "DELETE") => json!({ "id": id() }),
            (_, "READALL" | "READCOUNT") => json!({"filters": {}}),
            ("subnet", "UPDATE") => {
                json!({"id": id(), "resource": {"name": "another", "dns_nameservers": ["192.0.2.1"], "host_routes": []}})
            }
            ("policy" | "ipam" | "route_table" | "floatingip" | "port", "UPDATE") => {
                let mut body = self.body(resource);
                // What is as it was needs no look at others.
                for kept in
                    ["name", "network_id", "floating_network_id", "floating_ip_address", "mac_address", "fixed_ips"]
                {
                    body.as_object_mut().unwrap().shift_remove(kept);
                }
                json!({"id": id(), "resource": body})
            }
            ("trunk", "UPDATE") => json!({"id": id(), "resource": {"trunk": {"name": "another"}}}),
            (_, "UPDATE") => json!({"id": id(), "resource": {"name": "another", "description": "another"}}),
            (_, "ADDINTERFACE") => json!({"id": id(), "resource": {"subnet_id": self.free_subnet["id"]}}),
            (_, "DELINTERFACE") => json!({"id": id(), "resource": {"port_id": self.interface}}),
            (_, "INSERT_RULE") => json!({"id": id(), "resource": {"firewall_rule_id": self.free_rule["id"]}}),
            (_, "REMOVE_RULE") => json!({"id": id(), "resource": {"firewall_rule_id": self.id("firewall_rule")}}),
            (_, "ADD_SUBPORTS") => json!({"id": id(), "resource": {"sub_ports": self.body("trunk")["sub_ports"]}}),
            (_, "REMOVE_SUBPORTS") => {
                json!({"id": id(), "resource": {"sub_ports": [{"port_id": self.made["trunk"]["sub_ports"][0]["port_id"]}]}})
            }
            _ => panic!("{resource} {operation} is asked with nothing"),
        }
    }
}

impl Stage {
    /// Whether one of a resource is made without a name.
    pub fn body_has_no_name(&self, resource: &str) -> bool {
        resource == "tags" || self.body(resource)["name"].is_null()
    }
}
