//! What policy rules have in common, in security groups and network policies (contrail-api R21: POL-C1 to C3).

use super::{Decision, Draft, Rejection, Work};
use serde_json::{Map, Value};
use std::{collections::HashMap, net::IpAddr};

/// Protocols that have a name.
const PROTOCOLS: [&str; 26] = [
    "ah",
    "any",
    "dccp",
    "egp",
    "esp",
    "gre",
    "hopopt",
    "icmp",
    "icmp6",
    "igmp",
    "ip",
    "ipip",
    "ipv6-encap",
    "ipv6-frag",
    "ipv6-icmp",
    "ipv6-nonxt",
    "ipv6-opts",
    "ipv6-route",
    "ospf",
    "pgm",
    "rsvp",
    "sctp",
    "tcp",
    "udp",
    "udplite",
    "vrrp",
];
/// What does not make two rules different.
const NOT_COMPARED: [&str; 3] = ["rule_uuid", "created", "last_modified"];

/// Checks and completes the rules of a property, with what a type wants beside.
///
/// # Errors
/// 409 for a rule given twice, 400 for an unknown protocol, and what `check` refuses.
pub fn complete(
    work: &Work,
    draft: &mut Draft,
    property: &str,
    check: fn(&Map<String, Value>) -> Decision<()>,
) -> Decision<()> {
    let Some(mut value) = draft.given(property).cloned() else { return Ok(()) };
    let Some(rules) = value.get_mut("policy_rule").and_then(Value::as_array_mut) else { return Ok(()) };
    check_distinct(rules)?;
    for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
        if rule.get("rule_uuid").and_then(Value::as_str).is_none_or(str::is_empty) {
            rule.insert("rule_uuid".to_owned(), work.new_uuid().to_string().into());
        }
        check_protocol(rule)?;
        check(rule)?;
    }
    draft.set(property, value);
    Ok(())
}

/// POL-C1
fn check_distinct(rules: &[Value]) -> Decision<()> {
    let essence = |rule: &Value| {
        let mut fields = rule.as_object().cloned().unwrap_or_default();
        fields.retain(|name, value| !NOT_COMPARED.contains(&name.as_str()) && !value.is_null());
        fields.sort_keys();
        fields
    };
    let mut seen: HashMap<String, Option<&str>> = HashMap::new();
    for rule in rules {
        let mut essence = Value::Object(essence(rule));
        essence.sort_all_objects();
        let uuid = rule.get("rule_uuid").and_then(Value::as_str);
        if let Some(first) = seen.insert(essence.to_string(), uuid) {
            return Err(Rejection::conflict(format!("Rule already exists : {}", first.unwrap_or("None"))));
        }
    }
    Ok(())
}

/// POL-C3
fn check_protocol(rule: &Map<String, Value>) -> Decision<()> {
    let protocol = match rule.get("protocol") {
        Some(Value::String(text)) => text.to_lowercase(),
        _ => return Err(Rejection::bad_request("Rule without protocol: a number from 0 to 255 or a name is expected")),
    };
    if PROTOCOLS.contains(&protocol.as_str()) || protocol.parse::<u8>().is_ok() {
        Ok(())
    } else {
        Err(Rejection::bad_request(format!("Rule with invalid protocol : {protocol}")))
    }
}

/// The addresses of one side of a rule, or of both.
pub fn addresses<'a>(rule: &'a Map<String, Value>, sides: &[&str]) -> Vec<&'a Map<String, Value>> {
    let lists = sides.iter().filter_map(|side| rule.get(*side)?.as_array());
    lists.flatten().filter_map(Value::as_object).collect()
}

/// The prefix of an address, with its version.
pub fn subnet(address: &Map<String, Value>) -> Option<(String, IpAddr)> {
    let subnet = address.get("subnet")?;
    let prefix = subnet.get("ip_prefix")?.as_str()?;
    let length = subnet.get("ip_prefix_len")?;
    Some((format!("{prefix}/{length}"), prefix.parse().ok()?))
}
