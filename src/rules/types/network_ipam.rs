//! network-ipam (contrail-api R21: IPAM-*, address management ADM-S7): the subnets of a flat ipam are its own.
//!
//! Networks, instance-ips and virtual-routers that refer to an ipam stop its delete, as all references do; with it go
//! the addresses that `ip-alloc` has taken of it (IPAM-D1).

use crate::{
    ipam::{self, AddressRanges},
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, budget, rule},
        shared::subnets::{self, Sharing},
    },
};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const METHOD: &str = field_name::IPAM_SUBNET_METHOD;
const SUBNETS: &str = field_name::IPAM_SUBNETS;
const MANAGEMENT: &str = field_name::NETWORK_IPAM_MGMT;
const SUBNETTING: &str = field_name::IPAM_SUBNETTING;

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    complete(work, draft)
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // IPAM-U2, OSD-21: null does not ask for another method.
    if draft.given(METHOD) == Some(&Value::Null) {
        draft.unset(METHOD);
    }
    if method(draft.value(METHOD)) != method(draft.stored_value(METHOD)) {
        return Err(Rejection::bad_request("ipam_subnet_method can not be changed").by(rule::IPAM_U2).about(METHOD));
    }
    // IPAM-U3
    if is_true(draft.value(SUBNETTING).as_ref()) != is_true(draft.stored_value(SUBNETTING).as_ref()) {
        return Err(Rejection::bad_request("ipam_subnetting can not be changed").by(rule::IPAM_U3).about(SUBNETTING));
    }
    check_dns_method(work, draft)?;
    complete(work, draft)
}

/// IPAM-U1: machines that run have been told where names are resolved.
fn check_dns_method(work: &Work, draft: &Draft) -> Decision<()> {
    let given = draft.given(MANAGEMENT).filter(|management| !management.is_null());
    let Some((new, old)) = given.zip(draft.stored_value(MANAGEMENT)) else { return Ok(()) };
    let method =
        |management: &Value| management.get(field_name::IPAM_DNS_METHOD).and_then(Value::as_str).map(str::to_owned);
    let (old, new) = (method(&old), method(new));
    let is_refused = match (old.as_deref(), new.as_deref()) {
        (old, new) if old == new => false,
        (None | Some("tenant-dns-server"), _) => true,
        (Some("default-dns-server" | "virtual-dns-server"), new) => {
            matches!(new, None | Some("tenant-dns-server" | "none"))
        }
        _ => false,
    };
    if !is_refused {
        return Ok(());
    }
    let (network_type, interface_type) =
        (work.type_id(type_name::VIRTUAL_NETWORK)?, work.type_id(type_name::VIRTUAL_MACHINE_INTERFACE)?);
    let mut networks = work.graph.referrers(draft.uuid, network_type);
    if networks.any(|network| work.graph.referrers(network.uuid, interface_type).next().is_some()) {
        let text = "Cannot change DNS Method  with active VMs referring to the IPAM";
        return Err(Rejection::bad_request(text).by(rule::IPAM_U1).about("network_ipam_mgmt.ipam_dns_method"));
    }
    Ok(())
}

/// The method of an ipam. OSD-20: OpenSDN stores the default, contrail-api shows none; both are the same one.
fn method(value: Option<Value>) -> Value {
    value.unwrap_or_else(|| "user-defined-subnet".into())
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

/// IPAM-C1, IPAM-C2, IPAM-C3, IPAM-U3, IPAM-U4, IPAM-U5.
fn complete(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let flat = method(draft.value(METHOD)) == "flat-subnet";
    let given = draft.given(field_name::IPAM_SUBNETS).cloned();
    let has_subnets = given.as_ref().and_then(|value| value.get("subnets")).is_some_and(|list| !list.is_null());
    if has_subnets && !flat {
        return Err(Rejection::bad_request("ipam-subnets are allowed only with flat-subnet")
            .by(rule::IPAM_C1)
            .about(SUBNETS));
    }
    let subnetting = is_true(draft.value(SUBNETTING).as_ref());
    if subnetting && !flat {
        return Err(Rejection::bad_request("subnetting is allowed only with flat-subnet")
            .by(rule::IPAM_C2)
            .about(SUBNETTING));
    }
    let Some(mut value) = given else { return Ok(()) };
    let entries = value.get_mut("subnets").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    budget::check_growth(&budget::SUBNETS, work.graph.pools().count_of_subnets(draft.uuid), entries.len())?;
    let mut prefixes = Vec::new();
    for entry in &entries {
        ipam::check_entry(entry).map_err(|fault| about_subnets(fault.into()))?;
        let missing = || Rejection::bad_request("ipam_subnets: an entry lacks subnet").by(rule::IPAM_C3).about(SUBNETS);
        prefixes.push(ipam::parse_prefix(entry).ok_or_else(missing)?);
    }
    ipam::check_overlap(&prefixes).map_err(|fault| about_subnets(fault.into()))?;
    check_users(work, draft, &prefixes)?;
    let sharing = Sharing::of(work, draft.uuid, &prefixes);
    subnets::check_removed_of_ipam(work, draft.uuid, &prefixes, &sharing)?;
    let stored = draft.stored_value(field_name::IPAM_SUBNETS);
    let stored = stored.as_ref().and_then(|value| value.get("subnets")).and_then(Value::as_array);
    let by_prefix = |entry| Some((ipam::parse_prefix(entry)?, entry.as_object()?));
    let known: HashMap<IpNetwork, _> = stored.into_iter().flatten().filter_map(by_prefix).collect();
    let mut completed = Vec::new();
    for (mut entry, prefix) in entries.into_iter().zip(&prefixes) {
        if let Some(fields) = entry.as_object_mut() {
            subnets::complete_entry(work, draft, &sharing, fields, known.get(prefix).copied(), !subnetting)
                .map_err(about_subnets)?;
        }
        completed.push(entry);
    }
    draft.set(field_name::IPAM_SUBNETS, json!({ "subnets": completed }));
    Ok(())
}

/// A refusal of what an ipam says of its subnets; by IPAM-C3 where no other rule refuses it.
fn about_subnets(refusal: Rejection) -> Rejection {
    let rule = refusal.rule.unwrap_or(rule::IPAM_C3);
    refusal.by(rule).within(SUBNETS)
}

/// IPAM-U4: no overlap with what the networks that use this ipam have beside it.
fn check_users(work: &Work, draft: &Draft, prefixes: &[IpNetwork]) -> Decision<()> {
    let network_type = work.type_id(type_name::VIRTUAL_NETWORK)?;
    let pools = work.graph.pools();
    let ranges = AddressRanges::of(prefixes);
    for network in work.graph.referrers(draft.uuid, network_type) {
        let others = work.links(network, field_name::NETWORK_IPAM_REFS).iter().map(|link| link.target);
        let scopes = others.filter(|ipam| *ipam != draft.uuid).chain([network.uuid]);
        let others: Vec<IpNetwork> =
            scopes.flat_map(|scope| pools.subnets(scope)).map(|subnet| subnet.prefix).collect();
        // Neither those of the ipam nor the others overlap each other: they were checked when they came.
        if others.iter().any(|prefix| ranges.overlaps(*prefix)) {
            let overlap = ipam::check_overlap(&[prefixes, &others].concat());
            overlap.map_err(|fault| about_subnets(fault.into()).by(rule::IPAM_U4).because_of([network.uuid]))?;
        }
    }
    Ok(())
}
