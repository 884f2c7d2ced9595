//! floating-ip (contrail-api R21: FIP-*, address management ADM-S10).
//!
//! The other properties are the clients' business (FIP-C5). The address is free with the object that holds it (FIP-D1).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, Kind, NewLink, Rejection, Rules, Work, rule},
        shared::addresses::{self, Found, Version, Wish, parse_wish},
        types::floating_ip_pool,
    },
};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const ADDRESS: &str = field_name::FLOATING_IP_ADDRESS;

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // FIP-C1: below an instance-ip the address is what the client sends.
    let Some(pool) = pool_of(work, draft, type_name::FLOATING_IP_POOL) else { return Ok(()) };
    fill_project(work, draft)?;
    let subnets = floating_ip_pool::subnets_of(work, &pool);
    let found = take_from_pool(work, draft, &pool, ADDRESS, &subnets, &[family(draft)])?;
    draft.set(ADDRESS, found.address.to_string().into());
    draft.hold = found.hold;
    Ok(())
}

/// OSD-23: open, unless the client names one: the first subnet with room decides.
fn family(draft: &Draft) -> Option<Version> {
    Version::of(draft.given(field_name::FLOATING_IP_ADDRESS_FAMILY))
}

/// The pool that a draft is below.
pub fn pool_of(work: &Work, draft: &Draft, type_name: &str) -> Option<Arc<Object>> {
    draft.parent.clone().filter(|parent| work.type_of(parent).name == type_name)
}

/// Seeks an address in the network of a pool: in each of these subnets in turn, else in any; of the first version
/// that has one.
///
/// # Errors
/// 409 for an address in use or when there is none left.
pub fn take_from_pool(
    work: &Work,
    draft: &Draft,
    pool: &Object,
    property: &str,
    subnets: &[Option<Uuid>],
    versions: &[Option<Version>],
) -> Decision<Found> {
    let network = pool.parent.and_then(|uuid| work.graph.get(uuid)).cloned();
    let network = network.ok_or_else(|| Rejection::internal("a pool without a network"))?;
    let address = parse_wish(property, draft.given(property))?;
    let ask = |subnet: Option<Uuid>, version: Option<Version>| {
        let wish = Wish { address, subnet, version, ..Wish::default() };
        addresses::find(work, &network, &wish)
    };
    let refused = |refusal: Rejection| refusal.of_kind(Kind::Conflict).by(rule::FIP_C4);
    if address.is_some() {
        // FIP-C3: an address in use is one, whichever of the network's subnets it is of.
        ask(None, None).map_err(|refusal| refused(refusal).by(rule::FIP_C3).about(property))?;
    }
    // FIP-C4: one address only, of the first subnet that has one; the others are not touched.
    let any = [None];
    let subnets = if subnets.is_empty() { &any[..] } else { subnets };
    // OSD-23: an address asked for is of its own version.
    let versions = if address.is_some() { &[None][..] } else { versions };
    let mut refusal = None;
    for version in versions {
        for subnet in subnets {
            match ask(*subnet, *version) {
                Ok(found) => return Ok(found),
                Err(other) => refusal = refusal.or(Some(other)),
            }
        }
    }
    Err(refused(refusal.unwrap_or_else(|| Rejection::conflict(""))))
}

/// FIP-C2: the project of the pool, unless the client names one.
fn fill_project(work: &Work, draft: &mut Draft) -> Decision<()> {
    if !draft.links(field_name::PROJECT_REFS).is_empty() {
        return Ok(());
    }
    let kind = work.type_id(type_name::PROJECT)?;
    let name: Vec<&str> = draft.fq_name.elements().into_iter().take(2).collect();
    if let Some(project) = work.graph.find(kind, &name) {
        let link = NewLink { target: project.uuid, attribute: Value::Null };
        draft.set_links(field_name::PROJECT_REFS, vec![link]);
    }
    Ok(())
}

/// Another address may be asked for (the Kubernetes network manager does when a service changes): then that one is
/// taken, or refused, as in a create, and the old one is free again. The peer leaks it (FIP-U1).
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(pool) = pool_of(work, draft, type_name::FLOATING_IP_POOL) else { return Ok(()) };
    let subnets = floating_ip_pool::subnets_of(work, &pool);
    exchange_address(work, draft, &pool, ADDRESS, &subnets)
}

/// Takes the address that an update asks for, if it asks for another one than that which is held.
///
/// # Errors
/// 400 for none, 409 for an address in use.
pub fn exchange_address(
    work: &Work,
    draft: &mut Draft,
    pool: &Object,
    property: &str,
    subnets: &[Option<Uuid>],
) -> Decision<()> {
    if draft.given(property).is_none() || draft.value(property) == draft.stored_value(property) {
        return Ok(());
    }
    let wanted = parse_wish(property, draft.given(property))?;
    if wanted.is_none() {
        return Err(Rejection::bad_request(format!("{property} can not be removed: delete the object to free it"))
            .about(property));
    }
    if wanted != draft.hold.map(|hold| hold.address) {
        let found = take_from_pool(work, draft, pool, property, subnets, &[None])?;
        draft.hold = found.hold;
    }
    draft.set(property, wanted.map(|address| address.to_string()).into());
    Ok(())
}
