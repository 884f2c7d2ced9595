//! routing-policy (contrail-api R21: RPOL-*): terms for virtual routers, or for devices.

use crate::{
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Rules, Work, canonical_uuid, rule},
        types::route_target::AutonomousSystem,
    },
};
use ipnetwork::IpNetwork;
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const ENTRIES: &str = field_name::ROUTING_POLICY_ENTRIES;
const TERM_TYPE: &str = field_name::TERM_TYPE;
/// What a policy without a type is for.
const VROUTER: &str = "vrouter";
const DEVICE: &str = "network-device";
const TABLES: &str = field_name::INTERFACE_ROUTE_TABLE_REFS;
/// What devices tell routes by.
const DEVICE_PROTOCOLS: [&str; 8] = ["bgp", "static", "aggregate", "pim", "direct", "evpn", "ospf", "ospf3"];
/// The paths of autonomous systems that an action for devices adds.
const PATHS: [&str; 2] = [field_name::AS_PATH_EXPAND, field_name::AS_PATH_PREPEND];

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_own_number(work, draft)?;
    check(work, draft)
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // RPOL-U1
    let old = term_type(draft.stored_value(TERM_TYPE).as_ref());
    if term_type(draft.value(TERM_TYPE).as_ref()) != old {
        return Err(Rejection::forbidden(format!(
            "Cannot change term_type of routing policy! Please specify '{old}' as a term_type in routing_policy_entries."
        )).by(rule::RPOL_U1).about(TERM_TYPE));
    }
    check(work, draft)
}

fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if let Some(entries) = draft.given(ENTRIES).cloned() {
        if term_type(draft.value(TERM_TYPE).as_ref()) == DEVICE {
            terms(&entries).iter().try_for_each(check_device_term)?;
        }
        refer_to_tables(work, draft, &entries);
    }
    Ok(())
}

fn term_type(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).unwrap_or(VROUTER).to_owned()
}

fn terms(entries: &Value) -> &[Value] {
    items(entries, "/term")
}

/// The elements of a list inside of a value; none if there is no list.
fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A number, also one that is a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// RPOL-C1: a path is not made longer with the own number. contrail-api looks at the first term alone, unless it is for devices.
fn check_own_number(work: &Work, draft: &Draft) -> Decision<()> {
    let entries = draft.value(ENTRIES).unwrap_or_default();
    let is_for_devices = term_type(draft.value(TERM_TYPE).as_ref()) == DEVICE;
    let looked_at = if is_for_devices { terms(&entries).len() } else { 1 };
    let own = AutonomousSystem::global(work).number;
    let mut numbers = terms(&entries)
        .iter()
        .take(looked_at)
        .flat_map(|term| items(term, "/term_action_list/update/as_path/expand/asn_list"));
    if numbers.any(|listed| number(listed) == Some(own)) {
        return Err(Rejection::bad_request("ASN can't be same as global system config asn")
            .by(rule::RPOL_C1)
            .about(ENTRIES));
    }
    Ok(())
}

/// RPOL-C2: the policy refers to the route tables that its terms name by their uuids; unknown ones are passed over. References
/// that are there for another reason stay.
fn refer_to_tables(work: &Work, draft: &mut Draft, entries: &Value) {
    let named = tables(entries);
    let before = draft.stored_value(ENTRIES).map(|stored| tables(&stored)).unwrap_or_default();
    let is_given = draft.given_links(TABLES).is_some();
    let links = draft.links(TABLES);
    let mut wanted = links.clone();
    wanted.retain(|link| is_given || named.contains(&link.target) || !before.contains(&link.target));
    let kind = work.graph.model().find(type_name::INTERFACE_ROUTE_TABLE);
    let exists = |uuid: &Uuid| kind.is_some_and(|kind| work.graph.get_of_type(kind, *uuid).is_some());
    let known: BTreeSet<Uuid> = wanted.iter().map(|link| link.target).collect();
    let missing = named.difference(&known).copied().filter(exists);
    wanted.extend(missing.map(|target| NewLink { target, attribute: Value::Null }));
    if wanted != links {
        draft.set_links(TABLES, wanted);
    }
}

fn tables(entries: &Value) -> BTreeSet<Uuid> {
    let lists = terms(entries).iter().flat_map(|term| items(term, "/term_match_condition/prefix_list"));
    let uuids = lists.flat_map(|list| items(list, "/interface_route_table_uuid"));
    uuids.filter_map(|uuid| uuid.as_str().and_then(canonical_uuid)).collect()
}

/// RPOL-C3
fn check_device_term(term: &Value) -> Decision<()> {
    for protocol in items(term, "/term_match_condition/protocol").iter().filter_map(Value::as_str) {
        if !DEVICE_PROTOCOLS.contains(&protocol) {
            return refuse(format!("{protocol} protocol value is not valid value for network-device term"));
        }
    }
    for kind in items(term, "/term_match_condition/nlri_route_type").iter().filter_map(number) {
        if !(1..=10).contains(&kind) {
            return refuse(format!("{kind} nlri-route-type is not valid value, value should be in range of 1 to 10"));
        }
    }
    items(term, "/term_match_condition/route_filter/route_filter_properties").iter().try_for_each(check_filter)?;
    for field in PATHS {
        let path = term.pointer("/term_action_list").and_then(|actions| actions.get(field)?.as_str());
        let is_number = |part: &str| part.parse::<u32>().is_ok();
        if let Some(path) = path.filter(|path| !path.is_empty())
            && (path.trim().is_empty() || !path.split_whitespace().all(is_number))
        {
            return refuse(format!(
                "{field} has invalid value {path}. valid format is AS number(s) seperated by spaces"
            ));
        }
    }
    Ok(())
}

fn refuse(text: String) -> Decision<()> {
    Err(Rejection::bad_request(text).by(rule::RPOL_C3).about(ENTRIES))
}

fn check_filter(filter: &Value) -> Decision<()> {
    let text = |field: &str| filter.get(field).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if text("route").is_empty() {
        return refuse("route_filter must have non-empty route value for network-device term".to_owned());
    }
    let kind = text(field_name::ROUTE_TYPE);
    if kind.is_empty() {
        return refuse("route_filter must have valid route_type for network-device term".to_owned());
    }
    let value = text(field_name::ROUTE_TYPE_VALUE);
    let length = |text: &str| text.strip_prefix('/').and_then(|digits| digits.parse::<u8>().ok()).is_some();
    let (is_good, form) = match kind {
        "prefix-length-range" => (
            value.split_once('-').is_some_and(|(least, most)| length(least) && length(most)),
            "prefix-length-range should be in format '/minlength-/maxlength'",
        ),
        "upto" => (length(value), "upto should be in format '/length'"),
        "through" => {
            (value.contains('/') && value.parse::<IpNetwork>().is_ok(), "through should be in format 'prefix/length'")
        }
        _ => return Ok(()),
    };
    if is_good { Ok(()) } else { refuse(format!("route-filter value {value} invalid. {form}")) }
}
