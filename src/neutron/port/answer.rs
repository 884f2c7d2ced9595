//! A port in an answer (NEU-PORT-B2).

use super::{
    GATEWAY_OWNER, NO_RULE,
    addresses::{self, Purpose},
    body::{self, BINDING, members},
    network_of, referrers, target, tenant_of,
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
    neutron::{trunk, view::View},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// What a port is of.
pub enum Device {
    /// Of nothing.
    None,
    /// Of a machine, by its name.
    Machine(String),
    /// Of a router, as one of its interfaces.
    Interface(Uuid),
    /// Of a router, as its gateway: of the machine that translates addresses for it.
    Gateway(Uuid),
}

impl Device {
    /// As Neutron knows it; empty for none.
    pub fn id(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Machine(name) => name.clone(),
            Self::Interface(router) | Self::Gateway(router) => router.to_string(),
        }
    }
}

/// What a port is of.
pub fn device(view: &View<'_>, port: &Object) -> Device {
    if let Some(router) = referrers(view, port.uuid, type_name::LOGICAL_ROUTER).next() {
        return Device::Interface(router.uuid);
    }
    if let Some(router) = gateway_router(view, port) {
        return Device::Gateway(router);
    }
    let machine = target(view, port, field_name::VIRTUAL_MACHINE_REFS);
    machine.map_or(Device::None, |machine| Device::Machine(machine.fq_name.name().to_owned()))
}

fn properties(view: &View<'_>, port: &Object) -> Value {
    view.property(port, field_name::VIRTUAL_MACHINE_INTERFACE_PROPERTIES).unwrap_or_default()
}

fn is_right_interface(view: &View<'_>, port: &Object) -> bool {
    properties(view, port).get(field_name::SERVICE_INTERFACE_TYPE).and_then(Value::as_str) == Some("right")
}

/// The router whose gateway a port is.
pub fn gateway_router(view: &View<'_>, port: &Object) -> Option<Uuid> {
    let machine = target(view, port, field_name::VIRTUAL_MACHINE_REFS).filter(|_| is_right_interface(view, port))?;
    let service = target(view, machine, field_name::SERVICE_INSTANCE_REFS)?;
    let router = referrers(view, service.uuid, type_name::LOGICAL_ROUTER).next()?;
    (gateway_port(view, router)?.uuid == port.uuid).then_some(router.uuid)
}

/// NEU-PORT-L5: the port that is the gateway of a router: of the first of the machines that translate addresses for it.
pub fn gateway_port<'v>(view: &View<'v>, router: &Object) -> Option<&'v Arc<Object>> {
    target(view, router, field_name::VIRTUAL_NETWORK_REFS)?;
    let service = target(view, router, field_name::SERVICE_INSTANCE_REFS)?;
    let by_name = |object: &&Arc<Object>| Arc::clone(object.fq_name.joined());
    let machine = referrers(view, service.uuid, type_name::VIRTUAL_MACHINE).min_by_key(by_name)?;
    let ports = referrers(view, machine.uuid, type_name::VIRTUAL_MACHINE_INTERFACE);
    let has_address = |port: &&Arc<Object>| addresses::of_port(view, port.uuid).next().is_some();
    ports.filter(|port| is_right_interface(view, port)).filter(has_address).min_by_key(by_name)
}

/// The VLAN of a port that is part of another one; none for one that is not.
pub fn vlan_tag(view: &View<'_>, port: &Object) -> Option<i64> {
    properties(view, port).get(field_name::SUB_INTERFACE_VLAN_TAG)?.as_i64().filter(|tag| *tag != 0)
}

/// Whether a port is in use.
fn is_active(view: &View<'_>, port: &Object, device_id: &str) -> bool {
    let of_parent = || {
        vlan_tag(view, port)?;
        let parent = target(view, port, field_name::VIRTUAL_MACHINE_INTERFACE_REFS)?;
        target(view, parent, field_name::VIRTUAL_MACHINE_REFS)
    };
    !device_id.is_empty() || of_parent().is_some()
}

/// Its first MAC address.
pub fn mac_address(view: &View<'_>, port: &Object) -> String {
    let stored = view.property(port, field_name::VIRTUAL_MACHINE_INTERFACE_MAC_ADDRESSES).unwrap_or_default();
    members(&stored, field_name::MAC_ADDRESS).next().and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether it is one of a server that is no virtual machine.
pub fn is_bare_metal(view: &View<'_>, port: &Object) -> bool {
    let bindings = view.property(port, field_name::VIRTUAL_MACHINE_INTERFACE_BINDINGS);
    body::pairs(bindings.as_ref()).iter().any(|(key, value)| key == "vnic_type" && value == "baremetal")
}

/// The groups of a port, but for the one without rules.
pub fn groups<'o>(view: &View<'_>, port: &'o Object) -> impl Iterator<Item = Uuid> + use<'o> {
    let kind = view.graph.model().find(type_name::SECURITY_GROUP);
    let no_rule = kind.and_then(|kind| view.graph.find(kind, &NO_RULE)).map(|group| group.uuid);
    let links = view.links(port, field_name::SECURITY_GROUP_REFS).iter().map(|link| link.target);
    links.filter(move |group| Some(*group) != no_rule)
}

fn pair(pair: &Value) -> Value {
    let prefix = pair.get("ip").cloned().unwrap_or_default();
    let address = prefix.get(field_name::IP_PREFIX).and_then(Value::as_str).unwrap_or_default();
    let longest = if address.contains(':') { 128 } else { 32 };
    let length = prefix.get(field_name::IP_PREFIX_LEN).and_then(Value::as_u64).unwrap_or(longest);
    let shown = if length == longest { address.to_owned() } else { format!("{address}/{length}") };
    json!({"ip_address": shown, "mac_address": pair.get(field_name::MAC)})
}

fn dhcp_option(option: &Value) -> Value {
    let member = |name: &str| option.get(name).filter(|value| !value.is_null() && **value != "");
    let value = member(field_name::DHCP_OPTION_VALUE_BYTES).or_else(|| member(field_name::DHCP_OPTION_VALUE));
    json!({"opt_name": option.get(field_name::DHCP_OPTION_NAME), "opt_value": value})
}

/// What a binding says: a JSON text its value, anything else itself. Names of hosts are never read as numbers.
fn binding(key: &str, text: &str) -> Value {
    let value = serde_json::from_str(text).ok().filter(|value: &Value| key != "host_id" || value.is_null());
    value.unwrap_or_else(|| text.into())
}

/// NEU-PORT-B2
fn add_bindings(view: &View<'_>, port: &Object, answer: &mut Map<String, Value>) {
    let stored = view.property(port, field_name::VIRTUAL_MACHINE_INTERFACE_BINDINGS);
    for (key, text) in body::pairs(stored.as_ref()) {
        answer.insert(format!("{BINDING}{key}"), binding(&key, &text));
    }
    for (name, value) in [
        ("binding:vif_details", json!({"port_filter": true})),
        ("binding:vif_type", "vrouter".into()),
        ("binding:vnic_type", "normal".into()),
    ] {
        answer.entry(name).or_insert(value);
    }
    let host = answer.get("binding:host_id").filter(|host| !host.is_null() && **host != "");
    if host.is_none() {
        answer.insert("binding:host_id".to_owned(), Value::Null);
        answer.insert("binding:vif_type".to_owned(), "unbound".into());
    }
}

/// The addresses that Neutron knows nothing of.
const MORE_ADDRESSES: [(Purpose, &str); 3] = [
    (Purpose::Secondary, "secondary_ips"),
    (Purpose::HealthCheck, "service_health_check_ips"),
    (Purpose::ServiceInstance, "service_instance_ips"),
];

fn add_extensions(port: &Object, all: &[(Purpose, Value)], answer: &mut Map<String, Value>) {
    answer.insert("fq_name".to_owned(), port.fq_name.elements().into());
    for (purpose, name) in MORE_ADDRESSES {
        let addresses: Vec<Value> = of(all, purpose).collect();
        if !addresses.is_empty() {
            answer.insert(name.to_owned(), addresses.into());
        }
    }
}

fn of(all: &[(Purpose, Value)], wanted: Purpose) -> impl Iterator<Item = Value> {
    all.iter().filter(move |(purpose, _)| *purpose == wanted).map(|(_, address)| address.clone())
}

/// A port in an answer.
pub fn answer(view: &View<'_>, port: &Object) -> Value {
    let property = |name: &str| view.property(port, name).unwrap_or_default();
    let device = device(view, port);
    let device_id = device.id();
    let all = addresses::of_port(view, port.uuid);
    let all: Vec<(Purpose, Value)> = all.map(|(purpose, address)| (purpose, addresses::shown(view, address))).collect();
    let pairs = property(field_name::VIRTUAL_MACHINE_INTERFACE_ALLOWED_ADDRESS_PAIRS);
    let stored_owner = property(field_name::VIRTUAL_MACHINE_INTERFACE_DEVICE_OWNER);
    let (tenant, owner) = if let Device::Gateway(_) = device {
        (String::new(), GATEWAY_OWNER)
    } else {
        let tenant = tenant_of(view, port).map(|tenant| tenant.simple().to_string());
        (tenant.unwrap_or_default(), stored_owner.as_str().unwrap_or_default())
    };
    let mut answer = Map::from_iter(
        [
            ("id", port.uuid.to_string().into()),
            ("name", view.shown_name(port).into()),
            ("tenant_id", tenant.into()),
            ("network_id", network_of(view, port).map(|network| network.uuid.to_string()).into()),
            ("mac_address", mac_address(view, port).into()),
            ("fixed_ips", of(&all, Purpose::Fixed).collect()),
            ("security_groups", groups(view, port).map(|group| group.to_string()).collect()),
            ("allowed_address_pairs", members(&pairs, field_name::ALLOWED_ADDRESS_PAIR).map(pair).collect()),
            ("admin_state_up", view.is_enabled(port).into()),
            ("status", if is_active(view, port, &device_id) { "ACTIVE" } else { "DOWN" }.into()),
            ("device_id", device_id.into()),
            ("device_owner", owner.into()),
            ("port_security_enabled", super::is_secured(view, port).into()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    );
    let options = property(field_name::VIRTUAL_MACHINE_INTERFACE_DHCP_OPTION_LIST);
    let options: Vec<Value> = members(&options, field_name::DHCP_OPTION).map(dhcp_option).collect();
    if !options.is_empty() {
        answer.insert("extra_dhcp_opts".to_owned(), options.into());
    }
    add_bindings(view, port, &mut answer);
    if let Some(details) = trunk::details(view, port) {
        answer.insert("trunk_details".to_owned(), details);
    }
    view.add_common(&mut answer, port);
    if view.options.contrail_extensions {
        add_extensions(port, &all, &mut answer);
    }
    answer.into()
}
