//! network-ipam (contrail-api R21: IPAM-*): the subnets of a flat ipam are its own.

use super::{Decision, Draft, Rejection, Rules, Work, subnets};
use crate::ipam;
use ipnetwork::IpNetwork;
use serde_json::{Value, json};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    complete(work, draft)
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    for name in ["ipam_subnet_method", "ipam_subnetting"] {
        if draft.given(name).is_some() && draft.value(name) != draft.stored_value(name) {
            return Err(Rejection::bad_request(format!("{name} can not be changed")));
        }
    }
    complete(work, draft)
}

/// IPAM-C1 to C3, IPAM-U3 to U5.
fn complete(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let flat = draft.value("ipam_subnet_method") == Some(Value::from("flat-subnet"));
    let given = draft.given("ipam_subnets").cloned();
    let has_subnets = given.as_ref().and_then(|value| value.get("subnets")).is_some_and(|list| !list.is_null());
    if has_subnets && !flat {
        return Err(Rejection::bad_request("ipam-subnets are allowed only with flat-subnet"));
    }
    let subnetting = draft.value("ipam_subnetting") == Some(Value::Bool(true));
    if subnetting && !flat {
        return Err(Rejection::bad_request("subnetting is allowed only with flat-subnet"));
    }
    let Some(mut value) = given else { return Ok(()) };
    let entries = value.get_mut("subnets").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    let mut prefixes = Vec::new();
    for entry in &entries {
        ipam::check_entry(entry)?;
        let missing = || Rejection::bad_request("ipam_subnets: an entry lacks subnet");
        prefixes.push(ipam::parse_prefix(entry).ok_or_else(missing)?);
    }
    ipam::check_overlap(&prefixes)?;
    check_users(work, draft, &prefixes)?;
    let stored = draft.stored_value("ipam_subnets");
    let stored = stored.as_ref().and_then(|value| value.get("subnets")).and_then(Value::as_array);
    let removed: Vec<IpNetwork> = work
        .graph
        .pools()
        .subnets(draft.uuid)
        .map(|subnet| subnet.prefix)
        .filter(|prefix| !prefixes.contains(prefix))
        .collect();
    for prefix in removed {
        subnets::check_prefix_unused(work, draft.uuid, prefix)?;
    }
    let mut completed = Vec::new();
    for (mut entry, prefix) in entries.into_iter().zip(&prefixes) {
        let known = stored.into_iter().flatten().find(|entry| ipam::parse_prefix(entry) == Some(*prefix));
        if let Some(fields) = entry.as_object_mut() {
            let known = known.and_then(Value::as_object);
            let owner = draft.fq_name.joined().clone();
            subnets::complete_entry(work, draft.uuid, &owner, fields, known, !subnetting)?;
        }
        completed.push(entry);
    }
    draft.set("ipam_subnets", json!({ "subnets": completed }));
    Ok(())
}

/// IPAM-U4: no overlap with what the networks that use this ipam have beside it.
fn check_users(work: &Work, draft: &Draft, prefixes: &[IpNetwork]) -> Decision<()> {
    let network_type = work.type_id("virtual-network")?;
    let pools = work.graph.pools();
    for network in work.graph.referrers(draft.uuid, network_type) {
        let mut all = prefixes.to_vec();
        let others = work.links(network, "network_ipam_refs").iter().map(|link| link.target);
        for scope in others.filter(|ipam| *ipam != draft.uuid).chain([network.uuid]) {
            all.extend(pools.subnets(scope).map(|subnet| subnet.prefix));
        }
        ipam::check_overlap(&all)?;
    }
    Ok(())
}
