//! floating-ip (contrail-api R21: FIP-*, address management 6).

use super::{
    Decision, Draft, NewLink, Rejection, Rules, Work,
    addresses::{self, Found, Version, Wish, parse_wish},
    floating_ip_pool,
};
use crate::graph::Object;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const ADDRESS: &str = "floating_ip_address";

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // FIP-C1: below an instance-ip the address is what the client sends.
    let Some(pool) = pool_of(work, draft, "floating-ip-pool") else { return Ok(()) };
    fill_project(work, draft)?;
    let subnets = work.property(&pool, "floating_ip_pool_subnets");
    let subnets: Vec<Option<Uuid>> =
        floating_ip_pool::subnets(subnets.as_ref()).iter().map(|uuid| Uuid::try_parse(uuid).ok()).collect();
    let found = take_from_pool(work, draft, &pool, ADDRESS, &subnets)?;
    draft.set(ADDRESS, found.address.to_string().into());
    draft.hold = found.hold;
    Ok(())
}

/// The pool that a draft is below.
pub fn pool_of(work: &Work, draft: &Draft, type_name: &str) -> Option<Arc<Object>> {
    draft.parent.clone().filter(|parent| work.type_of(parent).name == type_name)
}

/// Seeks an address in the network of a pool: in each of these subnets in turn, else in any.
///
/// # Errors
/// 409 for an address in use or when there is none left.
pub fn take_from_pool(
    work: &Work,
    draft: &Draft,
    pool: &Object,
    property: &str,
    subnets: &[Option<Uuid>],
) -> Decision<Found> {
    let network = pool.parent.and_then(|uuid| work.graph.get(uuid)).cloned();
    let network = network.ok_or_else(|| Rejection::internal("a pool without a network"))?;
    let address = parse_wish(property, draft.given(property))?;
    let family = Version::of(draft.given("floating_ip_address_family"));
    let ask = |subnet: Option<Uuid>, version: Option<Version>| {
        let wish = Wish { address, subnet, version, may_share_gateway: false };
        addresses::find(work, &network, wish)
    };
    // IPv4 unless asked otherwise; what has no IPv4 gives IPv6.
    let versions = match (address, family) {
        (Some(_), _) => vec![None],
        (None, Some(family)) => vec![Some(family)],
        (None, None) => vec![Some(Version::Four), Some(Version::Six)],
    };
    let any = [None];
    let subnets = if subnets.is_empty() { &any[..] } else { subnets };
    let mut refusal = None;
    for version in versions {
        for subnet in subnets {
            match ask(*subnet, version) {
                Ok(found) => return Ok(found),
                Err(other) if refusal.is_none() => refusal = Some(other),
                Err(_) => {}
            }
        }
    }
    let text = refusal.map_or_else(String::new, |refusal| refusal.text);
    Err(Rejection::conflict(text))
}

/// FIP-C2: the project of the pool, unless the client names one.
fn fill_project(work: &Work, draft: &mut Draft) -> Decision<()> {
    if !draft.links("project_refs").is_empty() {
        return Ok(());
    }
    let kind = work.type_id("project")?;
    let name: Vec<&str> = draft.fq_name.elements().into_iter().take(2).collect();
    if let Some(project) = work.graph.find(kind, &name) {
        let link = NewLink { target: project.uuid, attribute: Value::Null };
        draft.set_links("project_refs", vec![link]);
    }
    Ok(())
}

/// The address of a pool is not exchanged for another one: that would leave the first one held.
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    refuse_new_address(work, draft, "floating-ip-pool", ADDRESS, "Floating IP Address can not be changed")
}

/// Refuses to exchange an address that came out of a pool.
///
/// # Errors
/// 400
pub fn refuse_new_address(work: &Work, draft: &Draft, pool: &str, property: &str, text: &str) -> Decision<()> {
    let changed = draft.given(property).is_some() && draft.value(property) != draft.stored_value(property);
    if changed && pool_of(work, draft, pool).is_some() {
        return Err(Rejection::bad_request(text));
    }
    Ok(())
}
