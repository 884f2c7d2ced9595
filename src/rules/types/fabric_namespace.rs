//! fabric-namespace (contrail-api R21: FABN-*): the addresses of a fabric's overlay loopbacks are those of a network.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, NewLink, Rules, Work, internal},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The rules of the type.
pub const RULES: Rules = Rules { after_create: provide_network, after_update, ..Rules::NONE };

const LOOPBACK_SUBNETS: &str = "overlay-loopback-subnets";
const PROJECT: [&str; 2] = ["default-domain", "default-project"];

fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    if subnets(work, before) == subnets(work, after) { Ok(()) } else { provide_network(work, after) }
}

/// FABN-C1: a flat ipam with the subnets, a network on it, and a reference from the fabric to the network.
fn provide_network(work: &mut Work, namespace: &Arc<Object>) -> Decision<()> {
    if namespace.fq_name.name() != LOOPBACK_SUBNETS {
        return Ok(());
    }
    let Some(fabric) = namespace.parent.and_then(|uuid| work.graph.get(uuid)).cloned() else { return Ok(()) };
    let stem = format!("{}-overlay-loopback", fabric.fq_name.name());
    let subnets = json!({"ipam_subnets": {"subnets": subnets(work, namespace)}});
    let ipam_name = [PROJECT[0], PROJECT[1], &format!("{stem}-network-ipam")];
    let ipam_type = work.type_id(type_name::NETWORK_IPAM)?;
    if let Some(ipam) = work.graph.find(ipam_type, &ipam_name).cloned() {
        internal::update(work, &ipam, subnets)?;
    } else {
        let mut body = json!({"fq_name": ipam_name, "parent_type": "project", "ipam_subnet_method": "flat-subnet"});
        body[field_name::IPAM_SUBNETS] = subnets[field_name::IPAM_SUBNETS].clone();
        internal::create(work, type_name::NETWORK_IPAM, body)?;
    }
    let network_name = [PROJECT[0], PROJECT[1], &format!("{stem}-network")];
    let network_type = work.type_id(type_name::VIRTUAL_NETWORK)?;
    let network = if let Some(network) = work.graph.find(network_type, &network_name).cloned() {
        network
    } else {
        let body = json!({
            "fq_name": network_name, "parent_type": "project", "virtual_network_category": "routed",
            "address_allocation_mode": "flat-subnet-only", "perms2": {"global_access": 7},
            "virtual_network_properties": {"forwarding_mode": "l3"},
            "network_ipam_refs": [{"to": ipam_name, "attr": {"ipam_subnets": []}}]
        });
        internal::create(work, type_name::VIRTUAL_NETWORK, body)?
    };
    let mut draft = Draft::update(work, &fabric);
    let mut links = draft.stored_links(field_name::VIRTUAL_NETWORK_REFS);
    if !links.iter().any(|link| link.target == network.uuid) {
        links.push(NewLink { target: network.uuid, attribute: json!({"network_type": "overlay-loopback"}) });
        draft.set_links(field_name::VIRTUAL_NETWORK_REFS, links);
        work.save(&draft);
    }
    Ok(())
}

fn subnets(work: &Work, namespace: &Object) -> Vec<Value> {
    let value = work.property(namespace, field_name::FABRIC_NAMESPACE_VALUE);
    let subnets = value.as_ref().and_then(|value| value.get(field_name::IPV4_CIDR)?.get("subnet")?.as_array());
    subnets.into_iter().flatten().map(|subnet| json!({"subnet": subnet})).collect()
}
