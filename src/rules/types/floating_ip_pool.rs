//! floating-ip-pool (contrail-api R21: FIPP-*, address management ADM-S10).
//!
//! A pool needs no external network, and an external network makes no pool: clients do that (FIPP-G1).

use crate::{
    graph::Object,
    model::field_name,
    python_literal,
    rules::engine::{Decision, Draft, Rejection, Rules, Work, rule},
};
use serde_json::Value;
use std::collections::HashSet;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, ..Rules::NONE };

/// The subnets that a stored pool is restricted to. What is no uuid is the uuid of no subnet.
pub fn subnets_of(work: &Work, pool: &Object) -> Vec<Option<Uuid>> {
    let value = work.property(pool, field_name::FLOATING_IP_POOL_SUBNETS);
    let texts = subnets(value.as_ref()).iter().filter_map(Value::as_str);
    texts.map(|uuid| Some(Uuid::try_parse(uuid).unwrap_or_default())).collect()
}

/// The uuids of the subnets that a pool is restricted to.
fn subnets(value: Option<&Value>) -> &[Value] {
    value.and_then(|value| value.get(field_name::SUBNET_UUID)?.as_array()).map_or(&[], Vec::as_slice)
}

/// FIPP-C1
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let wanted: Vec<String> =
        subnets(draft.given(field_name::FLOATING_IP_POOL_SUBNETS)).iter().map(python_literal::text).collect();
    let Some(network) = draft.parent.as_ref().filter(|_| !wanted.is_empty()) else { return Ok(()) };
    let known = subnets_of_network(work, network);
    if work.links(network, field_name::NETWORK_IPAM_REFS).is_empty() {
        return Err(Rejection::bad_request("Incomplete info to create a floating-ip-pool")
            .by(rule::FIPP_C1)
            .about(field_name::FLOATING_IP_POOL_SUBNETS));
    }
    match wanted.iter().find(|uuid| !known.contains(*uuid)) {
        Some(unknown) => {
            Err(Rejection::bad_request(format!("Subnet {unknown} was not found in virtual-network {}", network.uuid))
                .by(rule::FIPP_C1)
                .about(field_name::FLOATING_IP_POOL_SUBNETS))
        }
        None => Ok(()),
    }
}

/// The uuids of all subnets of a network, handles of flat ipams included.
fn subnets_of_network(work: &Work, network: &Object) -> HashSet<String> {
    let links = work.links(network, field_name::NETWORK_IPAM_REFS).iter();
    let attributes = links.filter_map(|link| serde_json::from_str::<Value>(link.attribute.as_deref()?).ok());
    attributes
        .filter_map(|attribute| attribute.get(field_name::IPAM_SUBNETS)?.as_array().cloned())
        .flatten()
        .filter_map(|entry| entry.get(field_name::SUBNET_UUID)?.as_str().map(str::to_owned))
        .collect()
}
