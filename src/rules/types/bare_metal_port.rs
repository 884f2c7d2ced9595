//! Ports of servers that are no virtual machines: what the bindings of a virtual-machine-interface say about cables
//! becomes its virtual port group (contrail-api R21: VMI-C10, VMI-U9, VMI-D4, VPG-M*).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Work, rule, update},
        shared::interface_bindings::{BINDINGS, Bindings},
        types::virtual_port_group::{self, INTERFACES, PORTS},
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use uuid::Uuid;

const PROPERTIES: &str = field_name::VIRTUAL_MACHINE_INTERFACE_PROPERTIES;
const GROUPS: &str = field_name::VIRTUAL_PORT_GROUP_REFS;
const NETWORKS: &str = field_name::VIRTUAL_NETWORK_REFS;
const INTENT_MAPS: &str = field_name::INTENT_MAP_REFS;
const GLOBAL: &str = "default-global-system-config";
const DEFAULT_FABRIC: &str = "default-fabric";
const NATIVE: &str = "tor_port_vlan_id";
const LAST_VLAN: i64 = 4094;

fn is_bare_metal(bindings: &Bindings) -> bool {
    bindings.get("vnic_type") == Some("baremetal")
}

/// VMI-C5, VPG-M1: a port of a server whose cables nobody knows.
pub fn is_unattached(draft: &Draft) -> bool {
    let bindings = Bindings::of(draft.value(BINDINGS).as_ref());
    let has_cables = || Cable::all_of(&bindings).is_ok_and(|cables| !cables.is_empty());
    is_bare_metal(&bindings) && bindings.get("vpg").is_none() && draft.links(GROUPS).is_empty() && !has_cables()
}

/// VMI-U9: what a port in a group may not lose or change.
///
/// # Errors
/// 409 for a reference to another port that is taken away, 400 for another VLAN.
pub fn check_update(work: &Work, draft: &Draft) -> Decision<()> {
    let stored = draft.stored_links(PORTS);
    if stored.is_empty() {
        return Ok(());
    }
    let kept: BTreeSet<Uuid> = draft.links(PORTS).iter().map(|link| link.target).collect();
    let is_lost = |old: &NewLink| !kept.contains(&old.target);
    let groups = draft.stored_links(GROUPS);
    let mut groups = groups.iter().filter_map(|link| work.graph.get(link.target));
    let is_tributary = groups.any(|group| !virtual_port_group::is_trunk_port(work, group, draft.uuid));
    if is_tributary && stored.iter().any(is_lost) {
        return Err(Rejection::conflict("VMI ref delete not allowed during update").by(rule::VMI_U9).about(PORTS));
    }
    let new_bindings = Bindings::of(draft.value(BINDINGS).as_ref());
    let old = Vlan::of(&Bindings::of(draft.stored_value(BINDINGS).as_ref()), draft.stored_value(PROPERTIES).as_ref());
    let new = Vlan::of(&new_bindings, draft.value(PROPERTIES).as_ref());
    if is_bare_metal(&new_bindings) && old != new {
        return Err(Rejection::bad_request("Cannot change VLAN ID").by(rule::VMI_U9));
    }
    Ok(())
}

/// VMI-C10: attaches a new port.
///
/// # Errors
/// The refusals of VPG-M1 and VPG-M3.
pub fn after_create(work: &mut Work, port: &Arc<Object>) -> Decision<()> {
    attach(work, port, true)
}

/// VMI-C10: attaches a changed port anew, and takes it out of the groups that it has left.
///
/// # Errors
/// The refusals of VPG-M1 and VPG-M3.
pub fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    let is_changed = |name: &str| work.property(before, name) != work.property(after, name);
    let is_linked_anew = |field: &str| work.links(before, field) != work.links(after, field);
    let is_bound_anew = is_changed(BINDINGS);
    if is_bound_anew || is_changed(PROPERTIES) || is_linked_anew(GROUPS) || is_linked_anew(NETWORKS) {
        attach(work, after, is_bound_anew)?;
    }
    let groups =
        |port: &Object| -> BTreeSet<Uuid> { work.links(port, GROUPS).iter().map(|link| link.target).collect() };
    let now = work.graph.get(after.uuid).map(|port| groups(port)).unwrap_or_default();
    let left: Vec<Uuid> = groups(before).union(&groups(after)).filter(|group| !now.contains(*group)).copied().collect();
    left.into_iter().try_for_each(|group| detach(work, after, group))
}

/// VMI-D4: a group that the server has made goes with its last port.
///
/// # Errors
/// None.
pub fn after_delete(work: &mut Work, port: &Arc<Object>) -> Decision<()> {
    let groups: Vec<Uuid> = work.links(port, GROUPS).iter().map(|link| link.target).collect();
    groups.into_iter().try_for_each(|group| virtual_port_group::remove_if_unused(work, group, port.type_id))
}

fn detach(work: &mut Work, port: &Object, group: Uuid) -> Decision<()> {
    if let Some(group) = work.graph.get(group).cloned() {
        let mut draft = Draft::update(work, &group);
        let mut links = draft.stored_links(PORTS);
        links.retain(|link| link.target != port.uuid);
        draft.set_links(PORTS, links);
        work.save(&draft);
    }
    virtual_port_group::remove_if_unused(work, group, port.type_id)
}

/// A cable between the server and a switch.
struct Cable {
    fabric: String,
    router: String,
    interface: String,
}

impl Cable {
    /// VPG-M1: the cables in a profile.
    fn all_of(bindings: &Bindings) -> Decision<Vec<Self>> {
        let Some(profile) = bindings.get("profile") else {
            return Ok(Vec::new());
        };
        let refuse = |fault: &str| {
            Rejection::bad_request(format!("{BINDINGS}: profile {fault}")).by(rule::VPG_M1).about(BINDINGS)
        };
        let profile: Value = serde_json::from_str(profile).map_err(|_| refuse("must be JSON"))?;
        let cables = match profile.get("local_link_information") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(cables)) => cables,
            Some(_) => return Err(refuse("local_link_information must be a list")),
        };
        let read = |cable: &Value| {
            let text = |field: &str| cable.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
            let needed = |field: &str| text(field).ok_or_else(|| refuse(&format!("needs {field} of each link")));
            Ok(Self {
                fabric: text("fabric").unwrap_or(DEFAULT_FABRIC).to_owned(),
                router: needed(field_name::SWITCH_INFO)?.to_owned(),
                interface: needed(field_name::PORT_ID)?.to_owned(),
            })
        };
        cables.iter().map(read).collect()
    }

    fn find(&self, work: &Work, group: &str) -> Decision<Arc<Object>> {
        let kind = work.type_id(type_name::PHYSICAL_INTERFACE)?;
        let name = interface_name(&self.interface);
        let found = work.graph.find(kind, &[GLOBAL, &self.router, &name]).cloned();
        found.ok_or_else(|| {
            let text = format!(
                "Unable to attach Physical interface to Virtual Port Group ({group}). No such Physical Interface \
                 object ({}) exists",
                self.interface
            );
            Rejection::not_found(text).by(rule::VPG_M1).about(BINDINGS)
        })
    }
}

/// The name of the object for what a switch calls an interface: names have no colons.
pub fn interface_name(port: &str) -> String {
    port.replace(':', "_")
}

/// How the packets of a port are marked on the cable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Vlan {
    id: i64,
    /// Not marked at all.
    is_native: bool,
}

/// A VLAN as clients write it: a number, or a text in the list of bindings, which only has texts.
fn vlan_id(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

impl Vlan {
    /// VPG-M1: from bindings if they have one, else the tag of the properties.
    fn of(bindings: &Bindings, properties: Option<&Value>) -> Self {
        let native = bindings.get(NATIVE).and_then(|text| text.parse().ok()).filter(|id| *id != 0);
        let tag = properties
            .and_then(|properties| properties.get(field_name::SUB_INTERFACE_VLAN_TAG))
            .and_then(Value::as_i64);
        Self { id: native.or(tag).unwrap_or(0), is_native: native.is_some() }
    }

    /// From the reference of a port to a group.
    fn of_attribute(attribute: Option<&str>) -> Self {
        let value: Value = attribute.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let number = |field: &str| value.get(field).and_then(vlan_id);
        let native = number(field_name::NATIVE_VLAN_TAG);
        Self { id: native.or_else(|| number(field_name::VLAN_TAG)).unwrap_or(0), is_native: native.is_some() }
    }

    /// For the reference of a port to a group: that of the bindings as it stands there, a text.
    fn attribute(self, bindings: &Bindings) -> Value {
        if self.is_native { json!({"native_vlan_tag": bindings.get(NATIVE)}) } else { json!({"vlan_tag": self.id}) }
    }
}

/// VPG-M1, VPG-M2: finds or makes the group, and ties group, interfaces and port together.
fn attach(work: &mut Work, port: &Arc<Object>, with_interfaces: bool) -> Decision<()> {
    let bindings = Bindings::of(work.property(port, BINDINGS).as_ref());
    if !is_bare_metal(&bindings) {
        return Ok(());
    }
    let cables = Cable::all_of(&bindings)?;
    let referred = work.links(port, GROUPS).first().and_then(|link| work.graph.get(link.target)).cloned();
    let named = bindings.get("vpg");
    if cables.is_empty() && named.is_none() && referred.is_none() {
        return Ok(());
    }
    check_native_vlan(&bindings)?;
    let name = named.map(str::to_owned).or_else(|| referred.as_ref().map(|group| group.fq_name.name().to_owned()));
    let printed_name = name.as_deref().unwrap_or("None");
    let fabric = fabric_of(work, &cables, referred.as_deref())?;
    let interfaces = cables.iter().map(|cable| cable.find(work, printed_name)).collect::<Decision<Vec<_>>>()?;
    let group = match (named, referred) {
        (Some(name), _) => {
            let kind = work.type_id(type_name::VIRTUAL_PORT_GROUP)?;
            work.graph.find_joined(kind, fabric.fq_name.child(name).joined()).cloned()
        }
        (None, referred) => referred,
    };
    check_groups_of(work, &interfaces, group.as_deref())?;
    if let (Some(name), None) = (named, &group) {
        return Err(Rejection::not_found(format!("Vpg object {name} is not found")).by(rule::VPG_M1).about(BINDINGS));
    }
    let vlan = Vlan::of(&bindings, work.property(port, PROPERTIES).as_ref());
    let network = network_of(work, port);
    check_vlan(work, &fabric, group.as_deref(), &Member { port: port.uuid, network, vlan })?;
    let group = match group {
        Some(group) => group,
        None => virtual_port_group::add_internal(work, &fabric)?,
    };
    let interfaces = interfaces.iter().map(|interface| interface.uuid).collect();
    tie_group(work, &group, port.uuid, (with_interfaces && !cables.is_empty()).then_some(interfaces))?;
    let mut draft = Draft::update(work, port);
    draft.set_links(GROUPS, vec![NewLink { target: group.uuid, attribute: vlan.attribute(&bindings) }]);
    work.save(&draft);
    add_intent_map(work, &fabric, network)
}

fn check_native_vlan(bindings: &Bindings) -> Decision<()> {
    let Some(text) = bindings.get(NATIVE) else { return Ok(()) };
    if !text.parse::<i64>().is_ok_and(|id| (0..=LAST_VLAN).contains(&id)) {
        let text = format!("{BINDINGS}: {NATIVE} must be 0 to {LAST_VLAN}, not {text}");
        return Err(Rejection::bad_request(text).by(rule::VPG_M1).about(BINDINGS));
    }
    Ok(())
}

/// VPG-M1: the one fabric of all cables, or of the group that the port is in.
fn fabric_of(work: &Work, cables: &[Cable], referred: Option<&Object>) -> Decision<Arc<Object>> {
    let names: BTreeSet<&str> = cables.iter().map(|cable| cable.fabric.as_str()).collect();
    if names.len() > 1 {
        let text = "Physical interfaces in the same vpg should belong to the same fabric";
        return Err(Rejection::bad_request(text).by(rule::VPG_M1).about(BINDINGS));
    }
    let kind = work.type_id(type_name::FABRIC)?;
    if let Some(name) = names.first() {
        let found = work.graph.find(kind, &[GLOBAL, *name]).cloned();
        return found.ok_or_else(|| {
            Rejection::not_found(format!("Fabric {name} is not found")).by(rule::VPG_M1).about(BINDINGS)
        });
    }
    let parent = referred.and_then(|group| work.graph.get_of_type(kind, group.parent?)).cloned();
    let text = "Unable to retrieve fabric name. No physical interfaces and no vpg refs";
    parent.ok_or_else(|| Rejection::bad_request(text).by(rule::VPG_M1).about(BINDINGS))
}

/// VPG-M1: an interface is in one group.
fn check_groups_of(work: &Work, interfaces: &[Arc<Object>], group: Option<&Object>) -> Decision<()> {
    let kind = work.type_id(type_name::VIRTUAL_PORT_GROUP)?;
    for interface in interfaces {
        let mut others = work.graph.referrers(interface.uuid, kind);
        if let Some(other) = others.find(|other| Some(other.uuid) != group.map(|group| group.uuid)) {
            let (interface, name) = (interface.fq_name.name(), other.fq_name.name());
            let text = format!("Physical interface {interface} already belong to the vpg {name}");
            return Err(Rejection::bad_request(text).by(rule::VPG_M1).about(BINDINGS).because_of([other.uuid]));
        }
    }
    Ok(())
}

/// VPG-M2: the group refers to the port and to the interfaces that are given, without keeping them; the interfaces that
/// it has of its own it keeps.
fn tie_group(work: &mut Work, group: &Arc<Object>, port: Uuid, interfaces: Option<BTreeSet<Uuid>>) -> Decision<()> {
    let mut draft = Draft::update(work, group);
    let mut is_changed = false;
    let mut ports = draft.stored_links(PORTS);
    if !ports.iter().any(|link| link.target == port) {
        ports.push(NewLink { target: port, attribute: Value::Null });
        draft.set_links(PORTS, ports);
        draft.relax(port);
        is_changed = true;
    }
    let stored = draft.stored_links(INTERFACES);
    let is_same = |interfaces: &BTreeSet<Uuid>| *interfaces == stored.iter().map(|link| link.target).collect();
    if let Some(interfaces) = interfaces.filter(|interfaces| !is_same(interfaces)) {
        let known: BTreeMap<Uuid, &NewLink> = stored.iter().map(|link| (link.target, link)).collect();
        let link = |target: Uuid| {
            known.get(&target).map_or(NewLink { target, attribute: Value::Null }, |known| NewLink::clone(known))
        };
        interfaces.iter().filter(|target| !known.contains_key(*target)).for_each(|target| draft.relax(*target));
        draft.set_links(INTERFACES, interfaces.into_iter().map(link).collect());
        is_changed = true;
    }
    if is_changed {
        update::commit(work, draft)?;
    }
    Ok(())
}

/// A port in a group.
struct Member {
    port: Uuid,
    network: Option<Uuid>,
    vlan: Vlan,
}

fn network_of(work: &Work, port: &Object) -> Option<Uuid> {
    work.links(port, NETWORKS).first().map(|link| link.target)
}

/// The ports in a group.
fn members(work: &Work, group: Uuid) -> Vec<Member> {
    let kind = work.graph.model().find(type_name::VIRTUAL_MACHINE_INTERFACE);
    let ports = kind.into_iter().flat_map(|kind| work.graph.referrers(group, kind));
    let member = |port: &Arc<Object>| {
        let link = work.links(port, GROUPS).iter().find(|link| link.target == group);
        let vlan = Vlan::of_attribute(link.and_then(|link| link.attribute.as_deref()));
        Member { port: port.uuid, network: network_of(work, port), vlan }
    };
    ports.map(member).collect()
}

/// VPG-M3: which networks and VLANs may meet on a cable, and in a fabric.
fn check_vlan(work: &Work, fabric: &Object, group: Option<&Object>, wish: &Member) -> Decision<()> {
    let is_on = |name: &str| work.property(fabric, name) == Some(Value::Bool(true));
    if is_on(field_name::DISABLE_VLAN_VN_UNIQUENESS_CHECK) {
        return Ok(());
    }
    let group = group.map(|group| group.uuid).unwrap_or_default();
    let mut others = members(work, group);
    others.retain(|other| other.port != wish.port);
    if is_on(field_name::FABRIC_ENTERPRISE_STYLE) {
        check_enterprise_group(group, &others, wish)?;
        check_fabric(work, fabric, wish)
    } else {
        check_service_provider_group(group, &others, wish)
    }
}

fn printed(network: Option<Uuid>) -> String {
    network.map(|network| network.to_string()).unwrap_or_default()
}

/// VPG-M3: customers choose their VLANs, so one may carry several networks.
fn check_service_provider_group(group: Uuid, others: &[Member], wish: &Member) -> Decision<()> {
    for other in others {
        let port = other.port;
        if wish.vlan.is_native && other.vlan.is_native {
            let text = format!("Virtual machine interface:({port}) already exists for virtual port group:({group})");
            return Err(Rejection::bad_request(text).by(rule::VPG_M3).because_of([port]));
        }
        if other.network == wish.network && other.vlan.id == wish.vlan.id {
            let text = format!(
                "Virtual machine interface:({port}) already exists in virtual network:({}) with vlan({})",
                printed(wish.network),
                wish.vlan.id
            );
            return Err(Rejection::bad_request(text).by(rule::VPG_M3).because_of([port]));
        }
    }
    Ok(())
}

/// VPG-M3: a network and a VLAN are once in a group.
fn check_enterprise_group(group: Uuid, others: &[Member], wish: &Member) -> Decision<()> {
    for other in others {
        let (port, network, vlan) = (other.port, printed(other.network), other.vlan.id);
        if wish.vlan.is_native && other.vlan.is_native {
            let text = format!(
                "Virtual machine interface:({port}) already exists with virtual network:({network}) with vlan({vlan})"
            );
            return Err(Rejection::bad_request(text).by(rule::VPG_M3).because_of([port]));
        }
        if other.network == wish.network || vlan == wish.vlan.id {
            let text = format!(
                "vlan:({vlan}) already exists in virtual port group:({group}) with virtual network:({network})"
            );
            return Err(Rejection::bad_request(text).by(rule::VPG_M3).because_of([port]));
        }
    }
    Ok(())
}

/// VPG-M3: a network has one VLAN in the whole fabric, and a VLAN one network. Looks at every port of the fabric.
fn check_fabric(work: &Work, fabric: &Object, wish: &Member) -> Decision<()> {
    let kind = work.type_id(type_name::VIRTUAL_PORT_GROUP)?;
    for group in work.graph.children_of(fabric.uuid, kind) {
        for other in members(work, group.uuid).into_iter().filter(|other| other.port != wish.port) {
            if (other.network == wish.network) != (other.vlan.id == wish.vlan.id) {
                let text = format!(
                    "Virtual network:({}) with other vlan({}) already exists in fabric:({})",
                    printed(other.network),
                    other.vlan.id,
                    fabric.uuid
                );
                return Err(Rejection::bad_request(text).by(rule::VPG_M3).because_of([other.port]));
            }
        }
    }
    Ok(())
}

/// VPG-M4: a fabric whose switches replicate for others says so to the networks on it.
fn add_intent_map(work: &mut Work, fabric: &Object, network: Option<Uuid>) -> Decision<()> {
    let kind = work.type_id(type_name::INTENT_MAP)?;
    let name = format!("{}-assisted-replicator-intent-map", fabric.fq_name.name());
    let map = work.graph.find(kind, &[GLOBAL, &name]).map(|map| map.uuid);
    let network = network.and_then(|network| work.graph.get(network)).cloned();
    let Some((map, network)) = map.zip(network) else { return Ok(()) };
    let mut draft = Draft::update(work, &network);
    let mut links = draft.stored_links(INTENT_MAPS);
    if !links.iter().any(|link| link.target == map) {
        links.push(NewLink { target: map, attribute: Value::Null });
        draft.set_links(INTENT_MAPS, links);
        draft.relax(map);
        work.save(&draft);
    }
    Ok(())
}
