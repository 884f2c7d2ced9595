//! What policy rules have in common, in security groups and network policies (contrail-api R21: POL-C1, POL-C2, POL-C3;
//! OpenSDN 2026: OSD-24, OSD-25).

use crate::{
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Work, rule},
        shared::protocol,
    },
};
use serde_json::{Map, Value};
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

/// What does not make two rules different.
const NOT_COMPARED: [&str; 3] = [field_name::RULE_UUID, "created", field_name::LAST_MODIFIED];

/// Checks and completes the rules of a property, with what a type wants beside.
///
/// # Errors
/// 409 for a rule given twice, 400 for an unknown protocol or one of the other version, and what `check` refuses.
pub fn complete(
    work: &Work,
    draft: &mut Draft,
    property: &str,
    check: fn(&Map<String, Value>) -> Decision<()>,
) -> Decision<()> {
    let Some(mut value) = draft.given(property).cloned() else { return Ok(()) };
    let Some(rules) = value.get_mut(field_name::POLICY_RULE).and_then(Value::as_array_mut) else { return Ok(()) };
    let about = |refusal: Rejection| refusal.about(property);
    check_distinct(rules).map_err(about)?;
    let mut stored: Option<HashSet<String>> = None;
    for rule in &*rules {
        if let Err(refusal) = check_version(rule)
            && !stored.get_or_insert_with(|| stored_essences(draft, property)).contains(&essence(rule))
        {
            return Err(about(refusal));
        }
    }
    for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
        if rule.get(field_name::RULE_UUID).and_then(Value::as_str).is_none_or(str::is_empty) {
            // POL-C2
            rule.insert(field_name::RULE_UUID.to_owned(), work.new_uuid().to_string().into());
        }
        check_protocol(rule).and_then(|()| check(rule)).map_err(about)?;
    }
    draft.set(property, value);
    Ok(())
}

/// The rules that are there: they stay, whatever is wrong with them.
fn stored_essences(draft: &Draft, property: &str) -> HashSet<String> {
    let stored = draft.stored_value(property);
    let stored = stored.as_ref().and_then(|value| value.get(field_name::POLICY_RULE)).and_then(Value::as_array);
    stored.into_iter().flatten().map(essence).collect()
}

/// What makes a rule the rule that it is, as a text.
fn essence(rule: &Value) -> String {
    let mut fields = rule.as_object().cloned().unwrap_or_default();
    fields.retain(|name, value| !NOT_COMPARED.contains(&name.as_str()) && !value.is_null());
    let mut essence = Value::Object(fields);
    essence.sort_all_objects();
    essence.to_string()
}

/// POL-C1
fn check_distinct(rules: &[Value]) -> Decision<()> {
    let mut seen: HashMap<String, Option<&str>> = HashMap::new();
    for rule in rules {
        let uuid = rule.get(field_name::RULE_UUID).and_then(Value::as_str);
        if let Some(first) = seen.insert(essence(rule), uuid) {
            return Err(
                Rejection::conflict(format!("Rule already exists : {}", first.unwrap_or("None"))).by(rule::POL_C1)
            );
        }
    }
    Ok(())
}

/// POL-C3
fn check_protocol(rule: &Map<String, Value>) -> Decision<()> {
    let protocol = match rule.get("protocol") {
        Some(Value::String(text)) => text.to_lowercase(),
        _ => {
            return Err(Rejection::bad_request("Rule without protocol: a number from 0 to 255 or a name is expected")
                .by(rule::POL_C3));
        }
    };
    if protocol::number(&protocol).is_some() {
        Ok(())
    } else {
        Err(Rejection::bad_request(format!("Rule with invalid protocol : {protocol}")).by(rule::POL_C3))
    }
}

/// OSD-25: an IPv4 rule for a protocol of IPv6 would never match.
fn check_version(rule: &Value) -> Decision<()> {
    let text = |name: &str| rule.get(name).and_then(Value::as_str);
    let (Some("IPv4"), Some(protocol)) = (text("ethertype"), text("protocol")) else { return Ok(()) };
    if protocol::is_of_ipv6(&protocol.to_lowercase()) {
        return Err(Rejection::bad_request(format!("IPv4 rule with IPv6 protocol : {protocol}")).by(rule::OSD_25));
    }
    Ok(())
}

/// The addresses of one side of a rule, or of both.
pub fn addresses<'a>(rule: &'a Map<String, Value>, sides: &[&str]) -> Vec<&'a Map<String, Value>> {
    let lists = sides.iter().filter_map(|side| rule.get(*side)?.as_array());
    lists.flatten().filter_map(Value::as_object).collect()
}

/// The prefix of an address, with its version.
pub fn subnet(address: &Map<String, Value>) -> Option<(String, IpAddr)> {
    let subnet = address.get("subnet")?;
    let prefix = subnet.get(field_name::IP_PREFIX)?.as_str()?;
    let length = subnet.get(field_name::IP_PREFIX_LEN)?;
    Some((format!("{prefix}/{length}"), prefix.parse().ok()?))
}
