//! port: a virtual-machine-interface with its addresses, and the machine that it is of (NEU-PORT-*).

pub mod addresses;
mod answer;
mod body;
mod host_routes;
mod list;

pub use answer::{answer, mac_address, vlan_tag};
pub use host_routes::follow_subnet;

use super::{
    envelope::uuid_of,
    exception::Exception,
    network,
    refused::Answered,
    resource::{Does, Resource, Verb},
    security_group::NO_RULE,
    tags,
    turn::Turn,
    view::View,
};
use crate::{
    graph::{InnerKey, Object},
    model::{field_name, type_name},
    rules::Rejection,
};
use addresses::Site;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/port",
    meaning: "ports of networks",
    needs_fwaas: false,
    operations: &[
        (Verb::Create, Does::Writes(create)),
        (Verb::Read, Does::Reads(read)),
        (Verb::Update, Does::Writes(update)),
        (Verb::Delete, Does::Writes(delete)),
        (Verb::ReadAll, Does::Lists(&list::LIST)),
        (Verb::ReadCount, Does::Counts(&list::LIST)),
    ],
    example: (Verb::ReadAll, r#"{"filters": {"fixed_ips": {"ip_address": ["10.0.0.3"]}}, "fields": []}"#),
};

/// Owners of devices that are no machines.
const ROUTER_OWNERS: [&str; 5] = [
    GATEWAY_OWNER,
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
    "network:router_centralized_snat",
];
const GATEWAY_OWNER: &str = "network:router_gateway";

/// That there is no such port (NEU-PORT-U6).
pub fn missing(port_id: Value) -> Exception {
    Exception::PortNotFound { port_id }
}

/// A port by its id.
///
/// # Errors
/// `PortNotFound` if there is none that may be read.
pub fn find<'v>(view: &View<'v>, id: &str) -> Answered<&'v Arc<Object>> {
    view.find(type_name::VIRTUAL_MACHINE_INTERFACE, id, missing)
}

/// The objects of a type that refer to another one.
fn referrers<'v>(view: &View<'v>, target: Uuid, type_name: &str) -> impl Iterator<Item = &'v Arc<Object>> + use<'v> {
    let graph = view.graph;
    graph.model().find(type_name).into_iter().flat_map(move |kind| graph.referrers(target, kind))
}

/// The first object that a reference leads to, whoever may read it: its id and name are in the object that refers to it.
fn target<'v>(view: &View<'v>, object: &Object, field: &str) -> Option<&'v Arc<Object>> {
    view.graph.get(view.links(object, field).first()?.target)
}

/// The network of a port.
pub fn network_of<'v>(view: &View<'v>, port: &Object) -> Option<&'v Arc<Object>> {
    target(view, port, field_name::VIRTUAL_NETWORK_REFS)
}

/// Whose a port is: its project's, or the network's of a port below a machine.
pub fn tenant_of(view: &View<'_>, port: &Object) -> Option<Uuid> {
    let project = view.graph.model().find(type_name::PROJECT)?;
    let is_project = |uuid: &Uuid| view.graph.get_of_type(project, *uuid).is_some();
    port.parent.filter(is_project).or_else(|| network_of(view, port)?.parent)
}

/// Whether a port, or a network, is secured; one that does not say so is.
fn is_secured(view: &View<'_>, object: &Object) -> bool {
    view.property(object, field_name::PORT_SECURITY_ENABLED) != Some(Value::Bool(false))
}

/// References to these.
fn references(targets: impl IntoIterator<Item = Uuid>) -> Value {
    targets.into_iter().map(|target| json!({"uuid": target.to_string()})).collect()
}

fn owned_by(owner: &str) -> Value {
    json!({"owner": owner, "owner_access": 7, "global_access": 0, "share": []})
}

fn read(view: &View<'_>) -> Answered<Value> {
    Ok(answer(view, find(view, view.request.id())?))
}

/// A MAC address as ports have it; none if the text is no MAC address.
fn mac_address_of(text: &str) -> Option<String> {
    let address = text.replace('-', ":");
    let is_byte = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    (address.split(':').count() == 6 && address.split(':').all(is_byte)).then_some(address)
}

/// The MAC address that is asked for, as ports have it.
fn given_mac_address(turn: &Turn<'_>) -> Answered<Option<String>> {
    let Some(given) = turn.request.text("mac_address")?.filter(|given| !given.is_empty()) else { return Ok(None) };
    let refuse = || turn.request.bad_request(format!("mac_address must be one like 02:00:00:00:00:01, not '{given}'"));
    mac_address_of(given).map(Some).ok_or_else(refuse)
}

/// NEU-PORT-C1: in a network each MAC address is there once.
fn check_mac_address(view: &View<'_>, network: &Object, address: &str) -> Answered<()> {
    let mut others = view.graph.with_inner_key(InnerKey::MacAddress, address);
    let is_there = |port: &Arc<Object>| {
        view.links(port, field_name::VIRTUAL_NETWORK_REFS).iter().any(|link| link.target == network.uuid)
    };
    if others.any(is_there) {
        return Err(Exception::MacAddressInUse { net_id: network.uuid.to_string().into(), mac: address.into() }.into());
    }
    Ok(())
}

fn mac_addresses(address: &str) -> Value {
    json!({ (field_name::MAC_ADDRESS): [address] })
}

/// The groups with these ids, as references; of none the group without rules.
fn groups(view: &View<'_>, ids: &[&str]) -> Answered<Value> {
    if ids.is_empty() {
        let kind = view.type_id(type_name::SECURITY_GROUP)?;
        let group = view.graph.find(kind, &NO_RULE).map(|group| group.uuid);
        let group = group.ok_or_else(|| Rejection::internal("there is no security group __no_rule__"))?;
        return Ok(references([group]));
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let missing = |id: Value| Exception::SecurityGroupNotFound { id };
        found.push(view.find(type_name::SECURITY_GROUP, id, missing)?.uuid);
    }
    found.sort_unstable();
    found.dedup();
    Ok(references(found))
}

/// NEU-PORT-C6: the groups of a new port.
fn groups_of_new(turn: &mut Turn<'_>, project: &Arc<Object>, is_secured: bool) -> Answered<Value> {
    let request = turn.request;
    let ids = request.texts("security_groups")?.unwrap_or_default();
    if !is_secured {
        if ids.is_empty() {
            return Ok(json!([]));
        }
        let port_id = request.given("id").cloned().unwrap_or_default();
        return Err(Exception::PortSecurityPortHasSecurityGroup { port_id }.into());
    }
    if !request.body.contains_key("security_groups") {
        return Ok(references([turn.default_group(project)?.uuid]));
    }
    groups(&turn.view(), &ids)
}

/// NEU-PORT-U3: the groups that a port gets; none if it keeps its own.
fn groups_of_changed(turn: &Turn<'_>, port: &Object, will_be_secured: bool) -> Answered<Option<Value>> {
    let (request, view) = (turn.request, turn.view());
    let port_id = || Value::from(port.uuid.to_string());
    match request.texts("security_groups")? {
        Some(ids) if will_be_secured => groups(&view, &ids).map(Some),
        Some(ids) if ids.is_empty() => Ok(Some(json!([]))),
        Some(_) => Err(Exception::PortSecurityAndIPRequiredForSecurityGroups { port_id: port_id() }.into()),
        None => {
            let is_switched_off = !will_be_secured && is_secured(&view, port);
            if is_switched_off && answer::groups(&view, port).next().is_some() {
                return Err(Exception::PortSecurityPortHasSecurityGroup { port_id: port_id() }.into());
            }
            Ok(None)
        }
    }
}

/// NEU-PORT-C8: pairs need port security.
fn check_pairs(view: &View<'_>, port: Option<&Object>, body: &Map<String, Value>, is_secured: bool) -> Answered<()> {
    const PAIRS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_ALLOWED_ADDRESS_PAIRS;
    let pairs = body.get(PAIRS).cloned().or_else(|| view.property(port?, PAIRS)).unwrap_or_default();
    let has_pairs = body::members(&pairs, field_name::ALLOWED_ADDRESS_PAIR).next().is_some();
    if has_pairs && !is_secured {
        return Err(Exception::AddressPairAndPortSecurityRequired {}.into());
    }
    Ok(())
}

/// NEU-PORT-C7: the machine that a device is, which is made if it is missing.
fn machine(turn: &mut Turn<'_>, device_id: &str, tenant: Option<Uuid>) -> Answered<Uuid> {
    let view = turn.view();
    let kind = view.type_id(type_name::VIRTUAL_MACHINE)?;
    let chosen = uuid_of(device_id);
    let known = chosen.and_then(|uuid| view.graph.get_of_type(kind, uuid));
    if let Some(known) = known.or_else(|| view.graph.find_joined(kind, device_id)) {
        return Ok(known.uuid);
    }
    let is_bare_metal = turn.request.given("binding:vnic_type").and_then(Value::as_str) == Some("baremetal");
    let mut body = json!({
        "fq_name": [device_id],
        (field_name::SERVER_TYPE): if is_bare_metal { "baremetal-server" } else { "virtual-server" },
    });
    if let Some(tenant) = tenant {
        body[field_name::PERMS2] = owned_by(&tenant.to_string());
    }
    if let Some(uuid) = chosen {
        body["uuid"] = uuid.to_string().into();
    }
    turn.create(type_name::VIRTUAL_MACHINE, body, chosen).map(|machine| machine.uuid)
}

/// The device that a request says a port is to be of, if that is to be a machine: an empty text stands for none. Ports of routers
/// have none, whatever is said.
fn wanted_machine<'r>(turn: &Turn<'r>, port: Option<&Object>) -> Answered<Option<&'r str>> {
    let request = turn.request;
    let view = turn.view();
    let stored = port.and_then(|port| view.property(port, field_name::VIRTUAL_MACHINE_INTERFACE_DEVICE_OWNER));
    let owner = request.text("device_owner")?.or_else(|| stored.as_ref()?.as_str()).unwrap_or_default();
    let is_of_router = ROUTER_OWNERS.contains(&owner);
    Ok(request.text("device_id")?.filter(|_| !is_of_router))
}

/// A machine goes with its last port.
fn remove_unused(turn: &mut Turn<'_>, machine: Option<Uuid>) -> Answered<()> {
    let graph = turn.view().graph;
    let machine = machine.and_then(|machine| graph.get(machine)).cloned();
    let is_used = |machine: &Arc<Object>| {
        graph.all_referrers(machine.uuid).next().is_some() || graph.all_children(machine.uuid).next().is_some()
    };
    match machine.filter(|machine| !is_used(machine)) {
        Some(machine) => turn.delete(&machine),
        None => Ok(()),
    }
}

/// NEU-PORT-C1 to NEU-PORT-C9
fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let network_id = request.required("network_id", request.text("network_id")?)?;
    let network = Arc::clone(turn.view().find(type_name::VIRTUAL_NETWORK, network_id, network::missing)?);
    let tenant = request.tenant_of_body()?;
    // NEU-GEN-5
    if !request.context.is_admin && request.tenant()? != tenant {
        let reason = "Cannot create resource for another tenant".into();
        return Err(Exception::AdminRequired { reason }.into());
    }
    let project = Arc::clone(turn.view().project(tenant)?);
    let mut body = body::read(turn, None)?;
    if let Some(address) = given_mac_address(turn)? {
        check_mac_address(&turn.view(), &network, &address)?;
        body.insert(field_name::VIRTUAL_MACHINE_INTERFACE_MAC_ADDRESSES.to_owned(), mac_addresses(&address));
    }
    let secured = request.flag("port_security_enabled")?.unwrap_or_else(|| is_secured(&turn.view(), &network));
    check_pairs(&turn.view(), None, &body, secured)?;
    let groups = groups_of_new(turn, &project, secured)?;
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set(field_name::PORT_SECURITY_ENABLED, secured.into());
    set(field_name::SECURITY_GROUP_REFS, groups);
    set(field_name::VIRTUAL_NETWORK_REFS, references([network.uuid]));
    // NEU-PORT-C2
    set(field_name::PERMS2, owned_by(&tenant.simple().to_string()));
    if let Some(device) = wanted_machine(turn, None)?.filter(|device| !device.is_empty()) {
        let machine = machine(turn, device, Some(tenant))?;
        body.insert(field_name::VIRTUAL_MACHINE_REFS.to_owned(), references([machine]));
    }
    let port = turn.create_named(type_name::VIRTUAL_MACHINE_INTERFACE, &project, body.into())?;
    addresses::give_new(turn, &Site { port: port.uuid, network, tenant: Some(tenant) })?;
    host_routes::follow(turn, &port)?;
    let port = tags::add_given(turn, &port)?;
    answer_now(turn, &port)
}

fn answer_now(turn: &Turn<'_>, port: &Object) -> Answered<Value> {
    let port = turn.now_of(port)?;
    Ok(answer(&turn.view(), &port))
}

/// NEU-PORT-U5: another MAC address, of a port that is plugged into no machine.
fn change_mac_address(turn: &Turn<'_>, port: &Object, body: &mut Map<String, Value>) -> Answered<()> {
    let Some(address) = given_mac_address(turn)? else { return Ok(()) };
    let view = turn.view();
    if mac_address(&view, port).eq_ignore_ascii_case(&address) {
        return Ok(());
    }
    let network = network_of(&view, port);
    if let Some(network) = network {
        check_mac_address(&view, network, &address)?;
    }
    let device = answer::device(&view, port);
    if !device.id().is_empty() && !answer::is_bare_metal(&view, port) {
        let net_id = network.map(|network| network.uuid.to_string()).into();
        let (port_id, device_id) = (port.uuid.to_string().into(), device.id().into());
        return Err(Exception::PortInUse { port_id, net_id, device_id }.into());
    }
    body.insert(field_name::VIRTUAL_MACHINE_INTERFACE_MAC_ADDRESSES.to_owned(), mac_addresses(&address));
    Ok(())
}

/// NEU-PORT-U1 to NEU-PORT-U6
fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let port = Arc::clone(find(&turn.view(), request.id())?);
    let tenant = tenant_of(&turn.view(), &port);
    let mut body = body::read(turn, Some(&port))?;
    // NEU-GEN-2, NEU-GEN-3
    if let Some(name) = request.text("name")?.filter(|name| !name.is_empty()) {
        body.insert(field_name::DISPLAY_NAME.to_owned(), name.into());
    }
    let given = request.flag("port_security_enabled")?;
    let secured = given.unwrap_or_else(|| is_secured(&turn.view(), &port));
    check_pairs(&turn.view(), Some(&port), &body, secured)?;
    if let Some(groups) = groups_of_changed(turn, &port, secured)? {
        body.insert(field_name::SECURITY_GROUP_REFS.to_owned(), groups);
    }
    if let Some(given) = given {
        body.insert(field_name::PORT_SECURITY_ENABLED.to_owned(), given.into());
    }
    change_mac_address(turn, &port, &mut body)?;
    // NEU-PORT-U2
    let old = target(&turn.view(), &port, field_name::VIRTUAL_MACHINE_REFS).cloned();
    let device = wanted_machine(turn, Some(&port))?;
    let device = device.filter(|device| old.as_ref().map_or("", |old| old.fq_name.name()) != *device);
    if let Some(device) = device {
        let machine = if device.is_empty() { None } else { Some(machine(turn, device, tenant)?) };
        body.insert(field_name::VIRTUAL_MACHINE_REFS.to_owned(), references(machine));
    }
    let port = turn.update(&port, body.into())?;
    if device.is_some() {
        remove_unused(turn, old.map(|old| old.uuid))?;
    }
    if let Some(wanted) = request.list("fixed_ips")? {
        let network = network_of(&turn.view(), &port).cloned();
        let network = network.ok_or_else(|| request.bad_request("the port is in no network"))?;
        addresses::agree(turn, &Site { port: port.uuid, network, tenant }, wanted)?;
        host_routes::follow(turn, &port)?;
    }
    let port = tags::add_given(turn, &port)?;
    answer_now(turn, &port)
}

/// Sets the floating ips of a port free.
fn free_floating_ips(turn: &mut Turn<'_>, port: Uuid) -> Answered<()> {
    let floating_ips: Vec<Arc<Object>> = referrers(&turn.view(), port, type_name::FLOATING_IP).cloned().collect();
    for floating_ip in floating_ips {
        let view = turn.view();
        let links = view.links(&floating_ip, field_name::VIRTUAL_MACHINE_INTERFACE_REFS).iter();
        let others: Vec<Uuid> = links.map(|link| link.target).filter(|target| *target != port).collect();
        let mut body = Map::new();
        if others.is_empty() {
            body.insert(field_name::FLOATING_IP_FIXED_IP_ADDRESS.to_owned(), Value::Null);
        }
        body.insert(field_name::VIRTUAL_MACHINE_INTERFACE_REFS.to_owned(), references(others));
        turn.update(&floating_ip, body.into())?;
    }
    Ok(())
}

/// NEU-PORT-D1, NEU-PORT-D2: what else refers to it is in the way.
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let view = turn.view();
    let port = Arc::clone(find(&view, turn.request.id())?);
    if let Some(router) = referrers(&view, port.uuid, type_name::LOGICAL_ROUTER).next() {
        let net_id = network_of(&view, &port).map(|network| network.uuid.to_string()).into();
        let (port_id, device_id) = (port.uuid.to_string().into(), router.uuid.to_string().into());
        return Err(Exception::PortInUse { port_id, net_id, device_id }.into());
    }
    remove(turn, &port)?;
    Ok(Value::Null)
}

/// Takes a port away, with what is there only for it (NEU-PORT-D1).
///
/// # Errors
/// The refusals of the rules: what else refers to it is in the way.
pub fn remove(turn: &mut Turn<'_>, port: &Object) -> Answered<()> {
    let view = turn.view();
    let machine = target(&view, port, field_name::VIRTUAL_MACHINE_REFS).map(|machine| machine.uuid);
    let tables = host_routes::tables(&view, port);
    addresses::release_all(turn, port)?;
    free_floating_ips(turn, port.uuid)?;
    turn.delete(port)?;
    for table in tables {
        turn.delete(&table)?;
    }
    remove_unused(turn, machine)
}
