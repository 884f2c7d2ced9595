//! logical-router (contrail-api R21: LR-*).
//!
//! A gateway is a reference to a network, of the kind `ExternalGateway` or without data; what routes and translates behind
//! it is made by others who follow the configuration (LR-G1).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{
            Decision, Draft, NewLink, Rejection, Rules, Work, create::create_side_object, delete::delete_side_object,
            rule,
        },
        shared::{
            bgpvpn::{self, networks_of_ports},
            vxlan,
        },
        types::route_target,
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules =
    Rules { before_create, after_create, before_update, after_update, before_delete, ..Rules::NONE };

const TYPE: &str = field_name::LOGICAL_ROUTER_TYPE;
const VXLAN: &str = "vxlan-routing";
const IDENTIFIER: &str = field_name::VXLAN_NETWORK_IDENTIFIER;
const TARGETS: &str = field_name::CONFIGURED_ROUTE_TARGET_LIST;
const NETWORKS: &str = field_name::VIRTUAL_NETWORK_REFS;
const PORTS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;
const NETWORK_PROPERTIES: &str = field_name::VIRTUAL_NETWORK_PROPERTIES;

/// LR-C6: the empty text means that there is none; it is not stored.
fn drop_empty_identifier(draft: &mut Draft) {
    if draft.given(IDENTIFIER).and_then(Value::as_str) == Some("") {
        draft.set(IDENTIFIER, Value::Null);
    }
}

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    drop_empty_identifier(draft);
    // LR-C5
    if draft.value(TYPE).is_none() {
        draft.set(TYPE, "snat-routing".into());
    }
    check(work, draft)?;
    if let Some(number) = vxlan_identifier(draft.given(TYPE), draft.given(IDENTIFIER))? {
        vxlan::check_free(work, number).map_err(|refusal| refusal.by(rule::LR_C6).about(IDENTIFIER))?;
    }
    Ok(())
}

/// What holds for new and changed routers (LR-U2).
fn check(work: &Work, draft: &mut Draft) -> Decision<()> {
    check_fabrics(work, draft)?;
    check_gateways(work, draft)?;
    check_ports(work, draft)?;
    // LR-C4
    route_target::check_lists(work, draft, &[TARGETS])?;
    // LR-C7
    bgpvpn::check_router(work, draft)
}

/// LR-C6: the number of a router that routes over VXLAN; some clients send the empty text or `None` for none.
fn vxlan_identifier(kind: Option<&Value>, identifier: Option<&Value>) -> Decision<Option<u64>> {
    let text = identifier.and_then(Value::as_str).filter(|text| !matches!(*text, "" | "None"));
    let Some(text) = text.filter(|_| kind.and_then(Value::as_str) == Some(VXLAN)) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..1 << 24).contains(number));
    let refuse = || {
        Rejection::bad_request(format!("{IDENTIFIER}: '{text}' is not a number from 1 to 16777215"))
            .by(rule::LR_C6)
            .about(IDENTIFIER)
    };
    number.ok_or_else(refuse).map(Some)
}

/// LR-C1, LR-U6: a router that is connected to another data center stays in one fabric.
fn check_fabrics(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(routers) = draft.given_links(field_name::PHYSICAL_ROUTER_REFS).filter(|routers| !routers.is_empty())
    else {
        return Ok(());
    };
    let interconnect = work.type_id(type_name::DATA_CENTER_INTERCONNECT)?;
    if work.graph.referrers(draft.uuid, interconnect).next().is_none() {
        return Ok(());
    }
    let mut fabrics = BTreeSet::new();
    for router in routers.iter().filter_map(|link| work.graph.get(link.target)) {
        let Some(fabric) = work.links(router, field_name::FABRIC_REFS).first() else {
            return Err(Rejection::bad_request("DCI LR can not associate to PRs which are not part of any Fabrics")
                .by(rule::LR_U6)
                .about(field_name::PHYSICAL_ROUTER_REFS)
                .because_of([router.uuid]));
        };
        fabrics.insert(fabric.target);
    }
    if fabrics.len() > 1 {
        let text = "LR can not associate with PRs from different Fabrics, if DCI is enabled";
        return Err(Rejection::bad_request(text).by(rule::LR_U6).about(field_name::PHYSICAL_ROUTER_REFS));
    }
    Ok(())
}

/// LR-C2: no network is on both sides.
fn check_gateways(work: &Work, draft: &Draft) -> Decision<()> {
    if draft.given_links(NETWORKS).is_none() && draft.given_links(PORTS).is_none() {
        return Ok(());
    }
    let inside = networks_of_ports(work, &draft.links(PORTS));
    match draft.links(NETWORKS).iter().find(|link| inside.contains(&link.target)) {
        None => Ok(()),
        Some(gateway) => Err(Rejection::bad_request(format!(
            "Logical router interface and gateway cannot be inVN({})",
            gateway.target
        ))
        .by(rule::LR_C2)
        .about(NETWORKS)
        .because_of([gateway.target])),
    }
}

/// LR-C3, LR-U5: ports of machines are no ports of routers.
fn check_ports(work: &Work, draft: &Draft) -> Decision<()> {
    let ports = draft.given_links(PORTS).unwrap_or_default();
    for port in ports.iter().filter_map(|link| work.graph.get(link.target)) {
        let parent = port.parent.and_then(|parent| work.graph.get(parent));
        let is_machine = parent.is_some_and(|parent| work.type_of(parent).name == type_name::VIRTUAL_MACHINE);
        if is_machine || !work.links(port, field_name::VIRTUAL_MACHINE_REFS).is_empty() {
            let parent = parent.map(|parent| parent.uuid.to_string()).unwrap_or_default();
            let text = format!("Port({}) already in use by virtual-machine({parent})", port.uuid);
            return Err(Rejection::conflict(text).by(rule::LR_C3).about(PORTS).because_of([port.uuid]));
        }
    }
    Ok(())
}

fn routes_vxlan(work: &Work, router: &Object) -> bool {
    work.property(router, TYPE) == Some(Value::from(VXLAN))
}

/// LR-C8: what a router connects over VXLAN meets in a network of its own, hidden from users.
fn after_create(work: &mut Work, router: &Arc<Object>) -> Decision<()> {
    let Some(project) = router.parent.and_then(|parent| work.graph.get(parent)).cloned() else { return Ok(()) };
    if !routes_vxlan(work, router) {
        return Ok(());
    }
    let mut network = Draft::child(work, &project, type_name::VIRTUAL_NETWORK, &internal_name(router.uuid))?;
    network.set(field_name::DISPLAY_NAME, format!("LR::{}", router.fq_name.name()).into());
    network.hide();
    let mut properties = json!({"forwarding_mode": "l3"});
    if let Some(number) = identifier(work, router)? {
        properties[field_name::VXLAN_NETWORK_IDENTIFIER] = number.into();
    }
    network.set(NETWORK_PROPERTIES, properties);
    network.fill_defaults_in(NETWORK_PROPERTIES);
    if let Some(targets) = work.property(router, TARGETS) {
        network.set(field_name::ROUTE_TARGET_LIST, targets);
    }
    let network = create_side_object(work, network)?;
    let mut draft = Draft::update(work, router);
    let mut links = draft.stored_links(NETWORKS);
    let attribute = json!({"logical_router_virtual_network_type": "InternalVirtualNetwork"});
    links.push(NewLink { target: network.uuid, attribute });
    draft.set_links(NETWORKS, links);
    work.save(&draft);
    Ok(())
}

fn internal_name(router: Uuid) -> String {
    format!("__contrail_lr_internal_vn_{router}__")
}

fn internal_network(work: &Work, router: &Object) -> Option<Arc<Object>> {
    let name = internal_name(router.uuid);
    let networks = work.links(router, NETWORKS).iter().filter_map(|link| work.graph.get(link.target));
    networks.into_iter().find(|network| network.fq_name.name() == name).cloned()
}

fn identifier(work: &Work, router: &Object) -> Decision<Option<u64>> {
    vxlan_identifier(work.property(router, TYPE).as_ref(), work.property(router, IDENTIFIER).as_ref())
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    drop_empty_identifier(draft);
    // LR-U1
    if draft.given(TYPE).is_some() && draft.value(TYPE) != draft.stored_value(TYPE) {
        return Err(Rejection::bad_request("Cannot update logical_router_type for a Logical Router")
            .by(rule::LR_U1)
            .about(TYPE));
    }
    check(work, draft)?;
    keep_internal_network(work, draft);
    // LR-U3
    let kind = draft.value(TYPE);
    let old = vxlan_identifier(kind.as_ref(), draft.stored_value(IDENTIFIER).as_ref()).unwrap_or_default();
    let new = vxlan_identifier(kind.as_ref(), draft.value(IDENTIFIER).as_ref())?;
    if new != old {
        let stored = draft.stored.clone();
        if stored.and_then(|router| internal_network(work, &router)).is_none() {
            return Err(Rejection::bad_request("Internal FQ name not found").by(rule::LR_U3).about(IDENTIFIER));
        }
        if let Some(number) = new {
            vxlan::check_free(work, number).map_err(|refusal| refusal.by(rule::LR_U3).about(IDENTIFIER))?;
        }
    }
    Ok(())
}

/// A list of networks that a client sends does not take the internal one away.
fn keep_internal_network(work: &Work, draft: &mut Draft) {
    let Some(given) = draft.given_links(NETWORKS) else { return };
    let internal = draft.stored.as_ref().and_then(|router| internal_network(work, router));
    let Some(internal) = internal.filter(|network| given.iter().all(|link| link.target != network.uuid)) else {
        return;
    };
    let stored = draft.stored_links(NETWORKS).into_iter().find(|link| link.target == internal.uuid);
    let links = given.iter().cloned().chain(stored).collect();
    draft.set_links(NETWORKS, links);
}

/// LR-U4: what has changed is copied to the internal network.
fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    let Some(network) = internal_network(work, after) else { return Ok(()) };
    let mut draft = Draft::update(work, &network);
    let (old, new) = (identifier(work, before).unwrap_or_default(), identifier(work, after)?);
    if old != new {
        let mut properties = draft.stored_value(NETWORK_PROPERTIES).unwrap_or_else(|| json!({}));
        properties[field_name::VXLAN_NETWORK_IDENTIFIER] = new.map_or(Value::Null, Value::from);
        draft.set(NETWORK_PROPERTIES, properties);
    }
    let (old_targets, new_targets) = (work.property(before, TARGETS), work.property(after, TARGETS));
    if let Some(targets) = new_targets.clone().filter(|_| old_targets != new_targets) {
        draft.set(field_name::ROUTE_TARGET_LIST, targets);
    } else if old == new {
        return Ok(());
    }
    work.save(&draft);
    Ok(())
}

/// LR-D1: the internal network goes first, and with it its number.
fn before_delete(work: &mut Work, router: &Arc<Object>) -> Decision<()> {
    let Some(network) = internal_network(work, router) else { return Ok(()) };
    let mut draft = Draft::update(work, router);
    let mut links = draft.stored_links(NETWORKS);
    links.retain(|link| link.target != network.uuid);
    draft.set_links(NETWORKS, links);
    work.save(&draft);
    delete_side_object(work, &network)
}
