//! `firewall_rule`: a firewall-rule between two ends (NEU-FW-3).

use super::{
    exception::Exception,
    firewall, firewall_group,
    refused::Answered,
    resource::{Answers, List, Resource, Verb, usual},
    turn::Turn,
    view::View,
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{Kind, default_firewall},
};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/firewall_rule",
    meaning: "rules of firewalls",
    needs_fwaas: true,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"action": ["allow"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: Some(firewall::FIRST) };

const FIELDS: &[&str] = &[
    "id",
    "name",
    "description",
    STATE,
    "project_id",
    "tenant_id",
    "shared",
    "firewall_policy_id",
    "protocol",
    "source_port",
    "destination_port",
    "ip_version",
    "source_ip_address",
    "source_firewall_group_id",
    "destination_ip_address",
    "destination_firewall_group_id",
    "action",
];

const STATE: &str = "enabled";
/// Any protocol.
const ANY: &str = "any";
/// ICMP, as each version of IP calls it.
const ICMP: [(u64, &str); 2] = [(4, "icmp"), (6, "ipv6-icmp")];
/// What rules do, as Neutron calls it and as they do.
const ACTIONS: [(&str, &str); 2] = [("allow", "pass"), ("deny", "deny")];

/// An end of a rule: what Neutron calls what is said of it, and where that is.
struct Side {
    address: &'static str,
    group: &'static str,
    port: &'static str,
    endpoint: &'static str,
    ports: &'static str,
}

const SIDES: [Side; 2] = [
    Side {
        address: "source_ip_address",
        group: "source_firewall_group_id",
        port: "source_port",
        endpoint: field_name::ENDPOINT_1,
        ports: field_name::SRC_PORTS,
    },
    Side {
        address: "destination_ip_address",
        group: "destination_firewall_group_id",
        port: "destination_port",
        endpoint: field_name::ENDPOINT_2,
        ports: field_name::DST_PORTS,
    },
];

/// That there is no such rule.
pub fn missing(firewall_rule_id: Value) -> Exception {
    Exception::FirewallRuleNotFound { firewall_rule_id }
}

/// A rule by its id.
///
/// # Errors
/// `FirewallRuleNotFound`, 403
pub fn find<'v>(view: &View<'v>, id: &str) -> Answered<&'v Arc<Object>> {
    firewall::find(view, type_name::FIREWALL_RULE, id, missing)
}

/// The prefix of an end, as it is stored.
fn prefix(endpoint: &Value) -> Option<IpNetwork> {
    let subnet = endpoint.get(field_name::SUBNET)?;
    let address = subnet.get(field_name::IP_PREFIX)?.as_str()?.parse().ok()?;
    IpNetwork::new(address, u8::try_from(subnet.get(field_name::IP_PREFIX_LEN)?.as_u64()?).ok()?).ok()
}

/// The group of an end: the first of its tags that says one.
fn group(endpoint: &Value) -> Option<Uuid> {
    let tags = endpoint.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut groups = tags.filter_map(|tag| {
        let (kind, group) = tag.split_once('=')?;
        Uuid::try_parse(group).ok().filter(|_| kind == default_firewall::TAG_TYPE)
    });
    groups.next()
}

fn version(prefix: IpNetwork) -> u64 {
    if prefix.is_ipv4() { 4 } else { 6 }
}

/// Ports as Neutron writes them.
fn shown_ports(ports: Option<&Value>) -> Value {
    let end = |name: &str| ports.and_then(|ports| ports.get(name)).and_then(Value::as_i64);
    match (end(field_name::START_PORT), end(field_name::END_PORT)) {
        (Some(first), Some(last)) if first == last => first.to_string().into(),
        (Some(first), Some(last)) => format!("{first}:{last}").into(),
        _ => Value::Null,
    }
}

/// A rule in an answer.
fn answer(view: &View<'_>, rule: &Object) -> Value {
    let mut answer = firewall::answer(view, rule, STATE);
    let kind = view.graph.model().find(type_name::FIREWALL_POLICY);
    let policies = kind.into_iter().flat_map(|kind| view.graph.referrers(rule.uuid, kind));
    let policies = policies.filter(|policy| firewall::is_in_force(view, policy)).map(|policy| policy.uuid);
    let policies = firewall::readable(view, policies);
    let service = view.property(rule, field_name::SERVICE).unwrap_or_default();
    let protocol = service.get("protocol").and_then(Value::as_str);
    let mut set = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    set("firewall_policy_id", policies.into());
    let of_icmp = ICMP.iter().find(|(_, name)| Some(*name) == protocol);
    set("protocol", if of_icmp.is_some() { Some("icmp") } else { protocol }.into());
    let mut ip_version = of_icmp.map_or(4, |(version, _)| *version);
    for side in &SIDES {
        let endpoint = view.property(rule, side.endpoint).unwrap_or_default();
        let prefix = prefix(&endpoint);
        ip_version = prefix.map_or(ip_version, version);
        set(side.address, prefix.map(|prefix| prefix.to_string()).into());
        set(side.group, group(&endpoint).map(|group| group.to_string()).into());
        set(side.port, shown_ports(service.get(side.ports)));
    }
    set("ip_version", ip_version.into());
    let action = view.property(rule, field_name::ACTION_LIST).unwrap_or_default();
    let action = action.get(field_name::SIMPLE_ACTION).and_then(Value::as_str);
    let shown = ACTIONS.iter().find(|(_, stored)| Some(*stored) == action).map(|(shown, _)| *shown);
    set("action", shown.or(action).into());
    answer.into()
}

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let rules = firewall::visible(view, type_name::FIREWALL_RULE)?;
    let view = *view;
    Ok(Box::new(rules.map(move |rule| answer(&view, rule))))
}

fn read(view: &View<'_>) -> Answered<Value> {
    Ok(answer(view, find(view, view.request.id())?))
}

/// Only the server makes rules of these names.
fn check_name(turn: &Turn<'_>) -> Answered<()> {
    if turn.request.text("name")?.is_some_and(default_firewall::is_name_of_rule) {
        let text = "Default firewall rule already exists. 'default' is the reserved name for firewall rule.";
        return Err(turn.request.bad_request(text));
    }
    Ok(())
}

/// A text of a request that says something.
fn said<'r>(turn: &Turn<'r>, name: &str) -> Answered<Option<&'r str>> {
    Ok(turn.request.text(name)?.filter(|text| !text.is_empty()))
}

/// Whether a request names a member, if only as null.
fn names(turn: &Turn<'_>, name: &str) -> bool {
    turn.request.body.contains_key(name)
}

/// What a request makes of an end of a rule; none if it stays. What it says nothing else of than that it is not what it is not, stays, too.
fn endpoint(turn: &Turn<'_>, side: &Side, project: Option<Uuid>, stored: Option<&Value>) -> Answered<Option<Value>> {
    let request = turn.request;
    match (said(turn, side.address)?, said(turn, side.group)?) {
        (Some(_), Some(_)) => {
            Err(request.bad_request(format!("{} and {} cannot both be given", side.address, side.group)))
        }
        (Some(given), None) => {
            let refuse =
                || request.bad_request(format!("'{given}' is neither a valid IP address, nor is it a valid IP subnet"));
            let prefix: IpNetwork = given.parse().map_err(|_| refuse())?;
            let network = prefix.network().to_string();
            Ok(Some(default_firewall::endpoint(Some((&network, prefix.prefix())), &[])))
        }
        (None, Some(id)) => {
            let view = turn.view();
            let (group, tag) = firewall_group::find(&view, id)?;
            // Tags are looked up in the project of the rule.
            if group.parent != project {
                let text =
                    format!("{} must be a firewall group of the project of the rule, and {id} is not", side.group);
                return Err(request.bad_request(text));
            }
            Ok(Some(default_firewall::endpoint(None, &[tag.fq_name.name().to_owned()])))
        }
        (None, None) => {
            let is_taken_away = |stored: &Value| {
                prefix(stored).is_some() && names(turn, side.address)
                    || group(stored).is_some() && names(turn, side.group)
            };
            let is_any = stored.is_none_or(is_taken_away);
            Ok(is_any.then(|| default_firewall::endpoint(None, &[])))
        }
    }
}

/// Ports of a request: one, or the first and the last; none says all.
fn ports(turn: &Turn<'_>, name: &str) -> Answered<Value> {
    let Some(given) = said(turn, name)? else { return Ok(Value::Null) };
    let (first, last) = given.split_once(':').unwrap_or((given, given));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) if first <= last => {
            Ok(json!({ (field_name::START_PORT): first, (field_name::END_PORT): last }))
        }
        _ => Err(Exception::FirewallRuleInvalidPortValue { port: given.into() }.into()),
    }
}

/// What a request makes of the protocol and the ports of a rule; none if they stay.
fn service(turn: &Turn<'_>, ip_version: Option<u64>, stored: Option<&Value>) -> Answered<Option<Value>> {
    let before = stored.cloned().unwrap_or_else(
        || json!({"protocol": ANY, "protocol_id": null, (field_name::SRC_PORTS): null, (field_name::DST_PORTS): null}),
    );
    let mut service = before.clone();
    if names(turn, "protocol") {
        service["protocol"] = said(turn, "protocol")?.unwrap_or(ANY).into();
    }
    let is_icmp = |(_, name): &&(u64, &str)| service.get("protocol").and_then(Value::as_str) == Some(*name);
    let its_version = ICMP.iter().find(is_icmp).map(|(version, _)| *version);
    let wanted = ip_version.or(its_version).filter(|_| its_version.is_some());
    if let Some((_, name)) = ICMP.iter().find(|(version, _)| Some(*version) == wanted) {
        service["protocol"] = (*name).into();
    }
    for side in SIDES.iter().filter(|side| names(turn, side.port)) {
        service[side.ports] = ports(turn, side.port)?;
    }
    Ok((service != before || stored.is_none()).then_some(service))
}

/// What a request makes of the action of a rule; none if it stays.
fn action(turn: &Turn<'_>, stored: Option<Value>) -> Answered<Option<Value>> {
    let Some(given) = turn.request.text("action")? else {
        return Ok(stored.is_none().then(|| default_firewall::action("deny")));
    };
    // What rules themselves call it is understood, too.
    let known = ACTIONS.iter().find(|(shown, stored)| [*shown, *stored].contains(&given));
    let (_, simple) = known.ok_or_else(|| {
        let values = ACTIONS.map(|(shown, _)| shown).join(", ").into();
        Exception::FirewallRuleInvalidAction { action: given.into(), values }
    })?;
    let mut action = stored.unwrap_or_else(|| default_firewall::action(simple));
    action[field_name::SIMPLE_ACTION] = (*simple).into();
    Ok(Some(action))
}

/// What a request makes of what a rule does, and of a new one all of that.
fn content(turn: &Turn<'_>, project: Option<Uuid>, rule: Option<&Object>) -> Answered<Map<String, Value>> {
    let request = turn.request;
    let stored = |name: &str| rule.map(|rule| turn.view().property(rule, name).unwrap_or_default());
    let mut body = Map::new();
    let mut versions = Vec::new();
    for side in &SIDES {
        let before = stored(side.endpoint);
        let after = endpoint(turn, side, project, before.as_ref())?;
        versions.extend(after.as_ref().or(before.as_ref()).and_then(prefix).map(version));
        if let Some(after) = after {
            body.insert(side.endpoint.to_owned(), after);
        }
    }
    let given = request.integer("ip_version")?.map(|given| u64::try_from(given).unwrap_or_default());
    if given.is_some_and(|given| ICMP.iter().all(|(version, _)| *version != given)) {
        return Err(request.bad_request("ip_version must be 4 or 6"));
    }
    versions.extend(given);
    if versions.iter().any(|version| Some(version) != versions.first()) {
        return Err(Exception::FirewallIpAddressConflict {}.into());
    }
    let before = stored(field_name::SERVICE).filter(|service| !service.is_null() || rule.is_none());
    // A rule with groups of services has no service, and gets none but by a request that names one.
    let is_named = ["protocol", "source_port", "destination_port"].iter().any(|name| names(turn, name));
    if (rule.is_none() || before.is_some() || is_named)
        && let Some(service) = service(turn, versions.first().copied(), before.as_ref())?
    {
        body.insert(field_name::SERVICE.to_owned(), service);
    }
    if let Some(action) = action(turn, stored(field_name::ACTION_LIST).filter(|action| !action.is_null()))? {
        body.insert(field_name::ACTION_LIST.to_owned(), action);
    }
    Ok(body)
}

fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let tenant = turn.request.tenant_of_body()?;
    let project = Arc::clone(turn.view().project(tenant)?);
    check_name(turn)?;
    let mut body = firewall::new(turn, tenant, (STATE, true))?;
    body.extend(content(turn, Some(project.uuid), None)?);
    body.insert(field_name::DIRECTION.to_owned(), ">".into());
    let rule = turn.create_named(type_name::FIREWALL_RULE, &project, body.into())?;
    Ok(answer(&turn.view(), &rule))
}

fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let rule = Arc::clone(find(&turn.view(), turn.request.id())?);
    check_name(turn)?;
    let mut body = firewall::changes(turn, &rule, STATE)?;
    body.extend(content(turn, rule.parent, Some(&rule))?);
    let rule = turn.update(&rule, body.into())?;
    turn.withdraw_audits(&rule)?;
    Ok(answer(&turn.view(), &rule))
}

/// NEU-FW-4
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let rule = Arc::clone(find(&turn.view(), turn.request.id())?);
    let in_use = |_: &_| Exception::FirewallRuleInUse { firewall_rule_id: rule.uuid.to_string().into() };
    turn.delete(&rule).map_err(|refused| refused.or_if(Kind::Conflict, in_use))?;
    Ok(Value::Null)
}
