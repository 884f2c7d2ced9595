//! virtual-router (contrail-api R21: VR-*): a compute node, and the pools of flat ipams that are its own. What refers to it
//! or is below it keeps it (VR-D1).

use crate::{
    ipam::{self, AddressRanges},
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Rules, Work, rule},
        shared::addresses::is_flat,
    },
};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: check_pools, before_update, ..Rules::NONE };

const IPAMS: &str = field_name::NETWORK_IPAM_REFS;

/// The first and the last address of a pool, with the texts for refusals.
struct Pool {
    ends: (IpAddr, IpAddr),
    text: String,
}

impl Pool {
    fn of(value: &Value) -> Option<Self> {
        let end = |name: &str| value.get(name).and_then(Value::as_str);
        let (start, end) = (end("start")?, end("end")?);
        let ends = (ipam::parse_address(start)?, ipam::parse_address(end)?);
        Some(Self { ends, text: format!("start:{start}, end:{end}") })
    }
}

fn pools(attribute: &Value) -> Vec<Pool> {
    let pools = attribute.get(field_name::ALLOCATION_POOLS).and_then(Value::as_array);
    pools.into_iter().flatten().filter_map(Pool::of).collect()
}

/// VR-C1, VR-U2: pools are set aside for routers in the ipam, and had by one of them.
fn check_pools(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(mut links) = draft.given_links(IPAMS).map(<[NewLink]>::to_vec) else { return Ok(()) };
    for link in &mut links {
        let Some(ipam) = work.graph.get(link.target) else { continue };
        if !is_flat(work, ipam) {
            return Err(Rejection::bad_request("Only flat-subnet ipam can be attached to vrouter")
                .by(rule::VR_C1)
                .about(IPAMS)
                .because_of([ipam.uuid]));
        }
        let given = link.attribute.get_mut(field_name::ALLOCATION_POOLS).and_then(Value::as_array_mut);
        let Some(given) = given.filter(|given| !given.is_empty()) else {
            return Err(Rejection::bad_request("No allocation-pools for this vrouter").by(rule::VR_C1).about(IPAMS));
        };
        let subnets = work.property(ipam, field_name::IPAM_SUBNETS).unwrap_or_default();
        let own: HashSet<(IpAddr, IpAddr)> = pools_for_routers(&subnets).into_iter().map(|pool| pool.ends).collect();
        let taken = pools_of_others(work, draft, link.target);
        for value in given {
            let pool = Pool::of(value).ok_or_else(|| no_pool(value))?;
            if !own.contains(&pool.ends) {
                return Err(Rejection::bad_request(format!("vrouter allocation-pool {} not in ipam", pool.text))
                    .by(rule::VR_C1)
                    .about(IPAMS));
            }
            if let Some(other) = taken.get(&pool.text) {
                let text = format!("vrouter allocation-pool {} is used in other vrouter:{other}", pool.text);
                return Err(Rejection::bad_request(text).by(rule::VR_C1).about(IPAMS).because_of([*other]));
            }
            if let Some(fields) = value.as_object_mut() {
                fields.remove(field_name::VROUTER_SPECIFIC_POOL);
                fields.values_mut().for_each(ipam::write_usual_notation);
            }
        }
    }
    draft.set_links(IPAMS, links);
    Ok(())
}

fn no_pool(value: &Value) -> Rejection {
    let end = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let why = ["start", "end"].map(|name| ipam::why_refused(end(name))).concat();
    Rejection::bad_request(format!("allocation_pools: a pool is {{start, end}}, two addresses{why}"))
        .by(rule::VR_C1)
        .about(IPAMS)
}

/// The pools of an ipam that are set aside for virtual routers.
fn pools_for_routers(subnets: &Value) -> Vec<Pool> {
    let subnets = subnets.get("subnets").and_then(Value::as_array);
    let pools = subnets.into_iter().flatten().filter_map(|subnet| subnet.get(field_name::ALLOCATION_POOLS)?.as_array());
    let own = pools.flatten().filter(|pool| pool.get(field_name::VROUTER_SPECIFIC_POOL) == Some(&Value::Bool(true)));
    own.filter_map(Pool::of).collect()
}

/// The pools of an ipam that other virtual routers have, by their texts, with the router.
fn pools_of_others(work: &Work, draft: &Draft, ipam: Uuid) -> HashMap<String, Uuid> {
    let mut taken = HashMap::new();
    for other in work.graph.referrers(ipam, draft.type_id).filter(|other| other.uuid != draft.uuid) {
        let links = work.links(other, IPAMS).iter().filter(|link| link.target == ipam);
        let attributes = links.filter_map(|link| serde_json::from_str::<Value>(link.attribute.as_deref()?).ok());
        for pool in attributes.flat_map(|attribute| pools(&attribute)) {
            taken.entry(pool.text).or_insert(other.uuid);
        }
    }
    taken
}

/// VR-U1: no pool goes under an address in use.
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if let Some(given) = draft.given_links(IPAMS) {
        let mut kept = AddressRanges::default();
        for pool in given.iter().flat_map(|link| pools(&link.attribute)) {
            kept.insert(pool.ends.0, pool.ends.1);
        }
        let addresses = work.graph.referrers(draft.uuid, work.type_id(type_name::INSTANCE_IP)?);
        let held = addresses.filter_map(|object| Some((object.uuid, object.hold?.address)));
        for (holder, address) in held {
            if given.is_empty() {
                return Err(Rejection::bad_request("Cannot Delete allocation pool, IP address in use")
                    .by(rule::VR_U1)
                    .about(IPAMS)
                    .because_of([holder]));
            }
            if !kept.contains(address) {
                return Err(Rejection::bad_request(format!("Cannot Delete allocation pool, {address} in use"))
                    .by(rule::VR_U1)
                    .about(IPAMS)
                    .because_of([holder]));
            }
        }
    }
    check_pools(work, draft)
}
