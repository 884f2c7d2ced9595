//! Which bgpvpns networks and logical routers may be associated with (contrail-api R21: BVPN-*). A bgpvpn itself has no
//! rules.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, NewLink, Rejection, Work, rule},
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

const BGPVPNS: &str = field_name::BGPVPN_REFS;
const INTERFACES: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;
const NETWORKS: &str = field_name::VIRTUAL_NETWORK_REFS;

fn kind(work: &Work, bgpvpn: &Object) -> String {
    let kind = work.property(bgpvpn, field_name::BGPVPN_TYPE);
    kind.as_ref().and_then(Value::as_str).unwrap_or("l3").to_owned()
}

fn objects(work: &Work, links: &[NewLink]) -> Vec<Arc<Object>> {
    links.iter().filter_map(|link| work.graph.get(link.target).cloned()).collect()
}

fn lines(text: String, entries: &[String]) -> Rejection {
    Rejection::bad_request(entries.iter().fold(text, |text, entry| text + "\n- " + entry)).about(BGPVPNS)
}

/// BVPN-G1, BVPN-G2: of the mode of the network, and none if a router of the network has one.
///
/// # Errors
/// 400 that names the bgpvpn.
pub fn check_network(work: &Work, draft: &Draft) -> Decision<()> {
    let given = draft.given_links(BGPVPNS).is_some();
    if !given && draft.given(field_name::VIRTUAL_NETWORK_PROPERTIES).is_none() {
        return Ok(());
    }
    let bgpvpns = objects(work, &draft.links(BGPVPNS));
    let properties = draft.value(field_name::VIRTUAL_NETWORK_PROPERTIES);
    let mode =
        properties.as_ref().and_then(|value| value.get(field_name::FORWARDING_MODE)?.as_str()).unwrap_or("l2_l3");
    let kinds: BTreeSet<String> = bgpvpns.iter().map(|bgpvpn| kind(work, bgpvpn)).collect();
    if mode != "l2_l3" {
        if kinds.len() > 1 {
            let printed: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
            return Err(Rejection::bad_request(format!(
                "Cannot associate different bgpvpn types '{{{}}}' on a virtual network with a forwarding mode different to'l2_l3'",
                printed.join(", ")
            )).by(rule::BVPN_G1).about(BGPVPNS));
        }
        if let Some(kind) = kinds.iter().find(|kind| *kind != mode) {
            return Err(Rejection::bad_request(format!(
                "Cannot associate bgpvpn type '{kind}' with a virtual network in forwarding mode '{mode}'"
            ))
            .by(rule::BVPN_G1)
            .about(BGPVPNS));
        }
    }
    if !given || bgpvpns.is_empty() {
        return Ok(());
    }
    let (interface_type, router_type) =
        (work.type_id(type_name::VIRTUAL_MACHINE_INTERFACE)?, work.type_id(type_name::LOGICAL_ROUTER)?);
    let mut associated = BTreeSet::new();
    for interface in work.graph.referrers(draft.uuid, interface_type) {
        for router in work.graph.referrers(interface.uuid, router_type) {
            associated.extend(associations(work, router, "router"));
        }
    }
    if associated.is_empty() {
        return Ok(());
    }
    let text = format!(
        "Network {} ({}) is linked to a logical router which is associated to bgpvpn(s):",
        draft.fq_name.name(),
        draft.uuid
    );
    Err(lines(text, &associated.into_iter().collect::<Vec<_>>()).by(rule::BVPN_G2))
}

/// BVPN-G3, BVPN-G4: only bgpvpns of layer 3, and none if a network of the router's ports has one.
///
/// # Errors
/// 400 that names the bgpvpn.
pub fn check_router(work: &Work, draft: &Draft) -> Decision<()> {
    if draft.given_links(BGPVPNS).is_none() && draft.given_links(INTERFACES).is_none() {
        return Ok(());
    }
    let bgpvpns = objects(work, &draft.links(BGPVPNS));
    let others: Vec<String> = bgpvpns
        .iter()
        .filter(|bgpvpn| kind(work, bgpvpn) != "l3")
        .map(|bgpvpn| format!("bgpvpn {}({}) type is {}\n", bgpvpn.fq_name.name(), bgpvpn.uuid, kind(work, bgpvpn)))
        .collect();
    if !others.is_empty() {
        let text = "Only bgpvpn type 'l3' can be associated to a logical router:".to_owned();
        return Err(lines(text, &others).by(rule::BVPN_G3));
    }
    if bgpvpns.is_empty() {
        return Ok(());
    }
    let mut associated = BTreeSet::new();
    for network in networks_of_ports(work, &draft.links(INTERFACES)).iter().filter_map(|uuid| work.graph.get(*uuid)) {
        associated.extend(associations(work, network, "network"));
    }
    if associated.is_empty() {
        return Ok(());
    }
    let text = format!(
        "Router {} ({}) is linked to virtual network(s) which is/are associated to bgpvpn(s):",
        draft.fq_name.name(),
        draft.uuid
    );
    Err(lines(text, &associated.into_iter().collect::<Vec<_>>()).by(rule::BVPN_G4))
}

/// The networks of ports, each once.
pub fn networks_of_ports(work: &Work, ports: &[NewLink]) -> BTreeSet<Uuid> {
    let ports = objects(work, ports);
    ports
        .iter()
        .flat_map(|port| work.links(port, NETWORKS).iter().map(|link| link.target).collect::<Vec<_>>())
        .collect()
}

fn associations(work: &Work, holder: &Object, what: &str) -> Vec<String> {
    let bgpvpns = work.links(holder, BGPVPNS).iter().filter_map(|link| work.graph.get(link.target));
    let entry = |bgpvpn: &Arc<Object>| {
        format!(
            "bgpvpn {} ({}) associated to {what} {} ({})",
            bgpvpn.fq_name.name(),
            bgpvpn.uuid,
            holder.fq_name.name(),
            holder.uuid
        )
    };
    bgpvpns.map(entry).collect()
}
