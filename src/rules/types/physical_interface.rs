//! physical-interface (contrail-api R21: PI-*).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule, update},
        shared::aggregate,
        types::virtual_port_group::INTERFACES,
    },
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, before_delete, ..Rules::NONE };

const SEGMENT: &str = field_name::ETHERNET_SEGMENT_IDENTIFIER;
const TYPE: &str = field_name::PHYSICAL_INTERFACE_TYPE;
const ACCESS: &str = "access";

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let siblings = draft.parent.iter().flat_map(|router| work.graph.children_of(router.uuid, draft.type_id));
    check_display_name(work, draft, siblings)?;
    if let Some(router) = &draft.parent {
        aggregate::check_interface(work, draft, router)?;
    }
    check_segment(draft)?;
    check_port(draft)
}

/// PI-C1: names that are shown are had once in a router.
///
/// # Errors
/// 403 that names the other one.
pub fn check_display_name<'a>(
    work: &Work,
    draft: &Draft,
    others: impl Iterator<Item = &'a Arc<Object>>,
) -> Decision<()> {
    let name = draft.value(field_name::DISPLAY_NAME);
    let mut others = others.filter(|other| other.uuid != draft.uuid);
    match others.find(|other| work.property(other, field_name::DISPLAY_NAME) == name) {
        None => Ok(()),
        Some(other) => {
            Err(Rejection::forbidden(format!("Display name already used in another interface: {}", other.uuid))
                .by(rule::PI_C1)
                .about(field_name::DISPLAY_NAME)
                .because_of([other.uuid]))
        }
    }
}

/// PI-C2: ten bytes.
fn check_segment(draft: &Draft) -> Decision<()> {
    let Some(segment) = draft.given(SEGMENT).and_then(Value::as_str) else { return Ok(()) };
    let is_byte = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if segment.split(':').count() == 10 && segment.split(':').all(is_byte) {
        return Ok(());
    }
    Err(Rejection::bad_request("Invalid ESI string format").by(rule::PI_C2).about(SEGMENT))
}

/// PI-C4, LI-C2: the largest frame of a port.
///
/// # Errors
/// 400
pub fn check_mtu(parameters: Option<&Value>) -> Decision<()> {
    let mtu = parameters.and_then(|parameters| parameters.get(field_name::PORT_MTU)).and_then(Value::as_i64);
    if mtu.is_some_and(|mtu| !(256..=9216).contains(&mtu)) {
        return Err(Rejection::bad_request("Port mtu can be only within 256 - 9216")
            .by(rule::PI_C4)
            .about(field_name::PORT_MTU));
    }
    Ok(())
}

/// PI-C4
fn check_port(draft: &Draft) -> Decision<()> {
    let parameters = draft.value(field_name::PHYSICAL_INTERFACE_PORT_PARAMS);
    check_mtu(parameters.as_ref()).map_err(|refusal| refusal.within(field_name::PHYSICAL_INTERFACE_PORT_PARAMS))?;
    let is_access = draft.value(TYPE) == Some(Value::from(ACCESS));
    let has_mtu =
        parameters.as_ref().and_then(|value| value.get(field_name::PORT_MTU)).is_some_and(|mtu| !mtu.is_null());
    let is_set = |name: &str| draft.value(name) == Some(Value::Bool(true));
    if is_access && (has_mtu || is_set(field_name::PHYSICAL_INTERFACE_FLOW_CONTROL)) {
        return Err(Rejection::bad_request("Cannot set mtu or flow_controlon access type interfaces")
            .by(rule::PI_C4)
            .about(TYPE));
    }
    if !is_access && is_set(field_name::PHYSICAL_INTERFACE_LACP_FORCE_UP) {
        let text = "Cannot set LACP Force-Up on an interface that is not of the access type";
        return Err(Rejection::bad_request(text).by(rule::PI_C4).about(field_name::PHYSICAL_INTERFACE_LACP_FORCE_UP));
    }
    Ok(())
}

/// PI-U1
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given(field_name::DISPLAY_NAME).is_some()
        && draft.value(field_name::DISPLAY_NAME) != draft.stored_value(field_name::DISPLAY_NAME)
    {
        return Err(Rejection::forbidden("Cannot change display name !")
            .by(rule::PI_U1)
            .about(field_name::DISPLAY_NAME));
    }
    let (old, new) = (draft.stored_value(TYPE), draft.value(TYPE));
    if let (Some(old), Some(new)) = (old.as_ref().and_then(Value::as_str), new.as_ref().and_then(Value::as_str))
        && old != new
    {
        let text = format!("Cannot set physical interface type: {new} on already existing {old} type interface ");
        return Err(Rejection::bad_request(text).by(rule::PI_U1).about(TYPE));
    }
    check_segment(draft)?;
    check_family(work, draft)?;
    check_port(draft)
}

/// VPG-M2: an interface that a port's profile put into a group leaves it, which numbers the others anew.
fn before_delete(work: &mut Work, interface: &Arc<Object>) -> Decision<()> {
    let groups: Vec<Arc<Object>> =
        work.graph.referrers(interface.uuid, work.type_id(type_name::VIRTUAL_PORT_GROUP)?).cloned().collect();
    for group in groups {
        let mut draft = Draft::update(work, &group);
        let mut links = draft.stored_links(INTERFACES);
        links.retain(|link| link.target != interface.uuid);
        draft.set_links(INTERFACES, links);
        update::commit(work, draft)?;
    }
    Ok(())
}

/// The logical interfaces of a physical one: which machines' interfaces are on which VLAN.
fn machines_by_vlan(work: &Work, interface: Uuid) -> Decision<BTreeMap<i64, BTreeSet<Uuid>>> {
    let mut machines: BTreeMap<i64, BTreeSet<Uuid>> = BTreeMap::new();
    for logical in work.graph.children_of(interface, work.type_id(type_name::LOGICAL_INTERFACE)?) {
        let vlan = work
            .property(logical, field_name::LOGICAL_INTERFACE_VLAN_TAG)
            .as_ref()
            .and_then(Value::as_i64)
            .unwrap_or(0);
        let targets = work.links(logical, field_name::VIRTUAL_MACHINE_INTERFACE_REFS).iter().map(|link| link.target);
        machines.entry(vlan).or_default().extend(targets);
    }
    Ok(machines)
}

/// Whether machines' interfaces on two ends of an Ethernet segment are not the same, where both ends have some.
pub fn differ(one: &BTreeSet<Uuid>, other: &BTreeSet<Uuid>) -> bool {
    one != other && !one.is_empty() && !other.is_empty()
}

/// The other interfaces of an Ethernet segment.
pub fn family<'a>(work: &'a Work, segment: &'a Value, but: Uuid) -> Decision<impl Iterator<Item = &'a Arc<Object>>> {
    let all = work.graph.objects_of(work.type_id(type_name::PHYSICAL_INTERFACE)?);
    Ok(all.filter(move |other| other.uuid != but && work.property(other, SEGMENT).as_ref() == Some(segment)))
}

/// PI-U1: all interfaces of an Ethernet segment carry the same on a VLAN that several of them have.
fn check_family(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(segment) = draft.given(SEGMENT).filter(|segment| !segment.is_null()) else { return Ok(()) };
    let own = machines_by_vlan(work, draft.uuid)?;
    for other in family(work, segment, draft.uuid)? {
        let others = machines_by_vlan(work, other.uuid)?;
        if own.iter().any(|(vlan, own)| others.get(vlan).is_some_and(|machines| differ(machines, own))) {
            return Err(Rejection::forbidden(
                "LI associated with the PI should have the same VMIs as LIs (associated with the PIs) of the same ESI family",
            ).by(rule::PI_U1).about(SEGMENT).because_of([other.uuid]));
        }
    }
    Ok(())
}

/// Gives an interface a type, or takes it away, because of what it is used for.
pub fn set_type(work: &mut Work, interface: Uuid, value: Value) {
    let Some(interface) = work.graph.get(interface).cloned() else { return };
    let mut draft = Draft::update(work, &interface);
    if draft.stored_value(TYPE).unwrap_or_default() != value {
        draft.set(TYPE, value);
        work.save(&draft);
    }
}
