//! logical-interface (contrail-api R21: LI-*).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        types::physical_interface::{check_display_name, check_mtu, differ, family},
    },
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const TYPE: &str = field_name::LOGICAL_INTERFACE_TYPE;
const VLAN: &str = field_name::LOGICAL_INTERFACE_VLAN_TAG;
const MACHINES: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;
const PARAMETERS: &str = field_name::LOGICAL_INTERFACE_PORT_PARAMS;
/// What QFX devices use themselves.
const OF_QFX: [i64; 3] = [1, 2, 4094];

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_vlan(work, draft)?;
    let Some(parent) = draft.parent.clone() else { return Ok(()) };
    if let Some(router) = router_of(work, &parent)? {
        let physical = work.type_id(type_name::PHYSICAL_INTERFACE)?;
        let below = work.graph.children_of(router.uuid, physical).map(|interface| interface.uuid);
        let all = below.chain([router.uuid]).flat_map(|holder| work.graph.children_of(holder, draft.type_id));
        check_display_name(work, draft, all).map_err(|refusal| refusal.by(rule::LI_C1))?;
    }
    check_device(work, draft)?;
    check_family(work, draft, &parent)?;
    check_mtu(draft.given(PARAMETERS)).map_err(|refusal| refusal.by(rule::LI_C2).within(PARAMETERS))
}

/// The physical router of an interface: its parent, or that of the physical interface which is the parent.
fn router_of<'a>(work: &'a Work, parent: &'a Arc<Object>) -> Decision<Option<&'a Arc<Object>>> {
    if parent.type_id == work.type_id(type_name::PHYSICAL_INTERFACE)? {
        return Ok(parent.parent.and_then(|router| work.graph.get(router)));
    }
    Ok(Some(parent))
}

fn vlan(value: Option<&Value>) -> Option<i64> {
    value.and_then(Value::as_i64)
}

/// LI-C1: a VLAN is had once on an interface.
fn check_vlan(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(tag) = vlan(draft.value(VLAN).as_ref()) else { return Ok(()) };
    if !(0..=4094).contains(&tag) {
        return Err(Rejection::forbidden("Invalid Vlan id").by(rule::LI_C1).about(VLAN));
    }
    let siblings = draft.parent.iter().flat_map(|parent| work.graph.children_of(parent.uuid, draft.type_id));
    let mut siblings = siblings.filter(|other| other.uuid != draft.uuid);
    match siblings.find(|other| vlan(work.property(other, VLAN).as_ref()) == Some(tag)) {
        None => Ok(()),
        Some(other) => {
            let text = format!("Vlan tag  {tag}  already used in another interface : {}", other.uuid);
            Err(Rejection::forbidden(text).by(rule::LI_C1).about(VLAN).because_of([other.uuid]))
        }
    }
}

/// LI-C1, LI-U1: some devices keep VLANs to themselves.
fn check_device(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(parent) = &draft.parent else { return Ok(()) };
    let Some(router) = router_of(work, parent)? else { return Ok(()) };
    let product = work.property(router, field_name::PHYSICAL_ROUTER_PRODUCT_NAME);
    let is_qfx = product.as_ref().and_then(Value::as_str).is_some_and(|name| name.to_lowercase().starts_with("qfx"));
    let is_flat = draft.value(TYPE) == Some(Value::from("l2"));
    if is_qfx && is_flat && vlan(draft.value(VLAN).as_ref()).is_some_and(|tag| OF_QFX.contains(&tag)) {
        let text = "Vlan ids 1, 2, 4094 are not allowed on QFX logical interface type: l2";
        return Err(Rejection::bad_request(text).by(rule::LI_C1).about(VLAN));
    }
    Ok(())
}

/// LI-C2: on all interfaces of an Ethernet segment a VLAN has the same machines. Where it has none yet it says nothing.
fn check_family(work: &Work, draft: &Draft, parent: &Object) -> Decision<()> {
    let Some(segment) = work.property(parent, field_name::ETHERNET_SEGMENT_IDENTIFIER) else { return Ok(()) };
    let own: BTreeSet<Uuid> = draft.links(MACHINES).iter().map(|link| link.target).collect();
    let tag = vlan(draft.value(VLAN).as_ref());
    for other in family(work, &segment, parent.uuid)? {
        let peers = work.graph.children_of(other.uuid, draft.type_id);
        let same_vlan = |peer: &&Arc<Object>| vlan(work.property(peer, VLAN).as_ref()) == tag;
        for peer in peers.filter(same_vlan) {
            let machines: BTreeSet<Uuid> = work.links(peer, MACHINES).iter().map(|link| link.target).collect();
            if differ(&machines, &own) {
                let text = "LI should refer to the same set of VMIs as peer LIs belonging to the same ESI";
                return Err(Rejection::forbidden(text).by(rule::LI_C2).about(MACHINES).because_of([peer.uuid]));
            }
        }
    }
    Ok(())
}

/// LI-U1: a VLAN does not change; one that comes later has to be free, and left to users by the device.
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let changed = |name: &str| draft.given(name).is_some() && draft.value(name) != draft.stored_value(name);
    if changed(field_name::DISPLAY_NAME) {
        return Err(Rejection::forbidden("Cannot change display name !")
            .by(rule::LI_U1)
            .about(field_name::DISPLAY_NAME));
    }
    if changed(VLAN) {
        if draft.stored_value(VLAN).is_some() {
            return Err(Rejection::forbidden("Cannot change Vlan id").by(rule::LI_U1).about(VLAN));
        }
        check_vlan(work, draft)?;
    }
    if changed(VLAN) || changed(TYPE) {
        check_device(work, draft)?;
    }
    check_mtu(draft.given(PARAMETERS)).map_err(|refusal| refusal.by(rule::LI_C2).within(PARAMETERS))
}
