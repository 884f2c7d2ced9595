//! `security_group_rule`: an element of what a security-group says (NEU-SGR-*).

use super::{
    envelope::uuid_of,
    exception::Exception,
    refused::{Answered, Refused},
    resource::{Answers, Does, List, Resource, Verb},
    security_group,
    turn::Turn,
    view::{View, tenant_of},
};
use crate::{
    access::role_rules::Letter,
    graph::{InnerKey, Object},
    model::{field_name, type_name},
    rules::{Kind, Rejection, protocol},
};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};
use std::sync::Arc;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/security_group_rule",
    meaning: "rules of security groups",
    needs_fwaas: false,
    operations: &[
        (Verb::Create, Does::Writes(create)),
        (Verb::Read, Does::Reads(read)),
        (Verb::Delete, Does::Writes(delete)),
        (Verb::ReadAll, Does::Lists(&LIST)),
        (Verb::ReadCount, Does::Counts(&LIST)),
    ],
    example: (Verb::ReadAll, r#"{"filters": {"direction": ["ingress"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

const FIELDS: &[&str] = &[
    "id",
    "tenant_id",
    "security_group_id",
    "ethertype",
    "direction",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "description",
];

/// The side of a rule that is the port itself.
const LOCAL: &str = "local";
/// What a group names that may be anywhere.
const ANY: &str = "any";
const FIRST_PORT: i64 = 0;
const LAST_PORT: i64 = 65535;
/// Types and codes of ICMP end here.
const LAST_ICMP_VALUE: i64 = 255;

/// NEU-SGR-R3: that there is no such rule.
fn missing(id: &str) -> Refused {
    Exception::SecurityGroupRuleNotFound { id: id.into() }.into()
}

fn text<'e>(entry: &'e Value, name: &str) -> Option<&'e str> {
    entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The rules of a group, as it has them.
fn entries(view: &View<'_>, group: &Object) -> Vec<Value> {
    let mut stored = view.property(group, field_name::SECURITY_GROUP_ENTRIES).unwrap_or_default();
    match stored.get_mut(field_name::POLICY_RULE).map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    }
}

/// The rules of a group in answers; one that names a group that is gone is none (NEU-SGR-R2).
pub fn of_group<'v>(view: &View<'v>, group: &'v Object) -> impl Iterator<Item = Value> + use<'v> {
    let view = *view;
    entries(&view, group).into_iter().filter_map(move |entry| answer(&view, group, &entry))
}

/// The other side of a rule: a prefix, or a group by its name.
struct Remote<'e> {
    direction: &'static str,
    prefix: Option<String>,
    group: Option<&'e str>,
}

impl<'e> Remote<'e> {
    /// None where neither side is the port, which the rules of the type forbid.
    fn of(entry: &'e Value) -> Option<Self> {
        let side = |name: &str| entry.get(name).and_then(|side| side.get(0));
        let (source, destination) = (side(field_name::SRC_ADDRESSES)?, side(field_name::DST_ADDRESSES)?);
        let is_local = |address: &Value| text(address, field_name::SECURITY_GROUP) == Some(LOCAL);
        let (direction, address) = match (is_local(source), is_local(destination)) {
            (true, _) => ("egress", destination),
            (false, true) => ("ingress", source),
            (false, false) => return None,
        };
        let prefix = address.get(field_name::SUBNET).and_then(|subnet| {
            let length = subnet.get(field_name::IP_PREFIX_LEN)?;
            Some(format!("{}/{length}", text(subnet, field_name::IP_PREFIX)?))
        });
        let group = text(address, field_name::SECURITY_GROUP).filter(|group| ![LOCAL, ANY].contains(group));
        Some(Self { direction, prefix, group })
    }
}

/// Whether a protocol is ICMP, of either version, by name or number.
fn is_icmp(protocol: &str) -> bool {
    matches!(protocol::number(protocol), Some(1 | 58))
}

/// NEU-SGR-C3: an ICMP rule for all types is stored with all ports, which all agents understand, and shown without.
fn shown_ports(entry: &Value) -> (Value, Value) {
    let ports = entry.get(field_name::DST_PORTS).and_then(|ports| ports.get(0));
    let port = |name: &str, otherwise: i64| {
        ports.map_or_else(|| otherwise.into(), |ports| ports.get(name).cloned().unwrap_or_default())
    };
    let (start, end) = (port(field_name::START_PORT, FIRST_PORT), port(field_name::END_PORT, LAST_PORT));
    if text(entry, field_name::PROTOCOL).is_some_and(is_icmp) && start == FIRST_PORT && end == LAST_PORT {
        return (Value::Null, Value::Null);
    }
    (start, end)
}

/// NEU-SGR-R1
fn answer(view: &View<'_>, group: &Object, entry: &Value) -> Option<Value> {
    let member = |name: &str| entry.get(name).cloned().unwrap_or_default();
    let remote = Remote::of(entry)?;
    let remote_group = match remote.group {
        None => None,
        Some(name) => Some(view.graph.find_joined(group.type_id, name)?.uuid.to_string()),
    };
    let (first_port, last_port) = shown_ports(entry);
    Some(json!({
        "id": member(field_name::RULE_UUID),
        "tenant_id": tenant_of(group),
        "security_group_id": group.uuid.to_string(),
        "ethertype": member(field_name::ETHERTYPE),
        "direction": remote.direction,
        "protocol": member(field_name::PROTOCOL),
        "port_range_min": first_port,
        "port_range_max": last_port,
        "remote_ip_prefix": remote.prefix,
        "remote_group_id": remote_group,
        "created_at": member(field_name::CREATED),
        "updated_at": member(field_name::LAST_MODIFIED),
        "description": member(field_name::DESCRIPTION),
    }))
}

/// The groups that have a rule of this id, and may be read.
fn groups_of<'v>(view: &View<'v>, id: &str) -> impl Iterator<Item = &'v Arc<Object>> + use<'v> {
    // As the server writes them; a client of REST may have written another one.
    let id = uuid_of(id).map_or_else(|| id.to_owned(), |uuid| uuid.to_string());
    let view = *view;
    view.graph.with_inner_key(InnerKey::Rule, &id).filter(move |group| view.identity.may_read(group))
}

fn is_rule(entry: &Value, id: &str) -> bool {
    text(entry, field_name::RULE_UUID)
        .is_some_and(|known| known == id || uuid_of(known).is_some_and(|known| Some(known) == uuid_of(id)))
}

/// NEU-SGR-R3: the group of the rule that is meant, of a member one of its own.
fn find<'v>(view: &View<'v>) -> Answered<&'v Arc<Object>> {
    let id = view.request.id();
    view.ask(view.type_id(type_name::SECURITY_GROUP)?, Letter::Read, Vec::new())?;
    let tenant = if view.is_admin() { None } else { Some(view.request.tenant()?) };
    let mut groups = groups_of(view, id).filter(|group| tenant.is_none() || group.parent == tenant);
    groups.next().ok_or_else(|| missing(id))
}

fn read(view: &View<'_>) -> Answered<Value> {
    let (group, id) = (find(view)?, view.request.id());
    let entry = entries(view, group).into_iter().find(|entry| is_rule(entry, id));
    entry.and_then(|entry| answer(view, group, &entry)).ok_or_else(|| missing(id))
}

/// NEU-SGR-L1
fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let filters = &view.request.filters;
    let kind = view.type_id(type_name::SECURITY_GROUP)?;
    view.ask(kind, Letter::Read, Vec::new())?;
    let tenant = if view.is_admin() { None } else { Some(view.request.tenant()?) };
    let named: Option<Vec<&'v Arc<Object>>> = match (filters.texts("id"), filters.uuids("security_group_id")) {
        (Some(rules), _) => Some(rules.into_iter().flat_map(|rule| groups_of(view, rule)).collect()),
        (None, Some(groups)) => Some(groups.into_iter().filter_map(|group| view.readable(kind, group)).collect()),
        (None, None) => None,
    };
    let groups: Box<dyn Iterator<Item = &'v Arc<Object>> + 'v> = match named {
        Some(named) => {
            let own = named.into_iter().filter(move |group| tenant.is_none() || group.parent == tenant);
            Box::new(View::each_once(own))
        }
        None => Box::new(security_group::listed(view)?),
    };
    let view = *view;
    Ok(Box::new(groups.flat_map(move |group| of_group(&view, group))))
}

/// One side of a rule.
fn address(prefix: Option<(&str, u8)>, group: Option<&str>) -> Value {
    json!([{
        (field_name::SUBNET): prefix.map(|(address, length)| json!({(field_name::IP_PREFIX): address, (field_name::IP_PREFIX_LEN): length})),
        (field_name::VIRTUAL_NETWORK): null,
        (field_name::SECURITY_GROUP): group,
        (field_name::NETWORK_POLICY): null,
        (field_name::SUBNET_LIST): [],
    }])
}

/// What a rule says.
struct Content<'r> {
    uuid: String,
    is_inwards: bool,
    ethertype: &'r str,
    protocol: &'r str,
    remote: Value,
    ports: (i64, i64),
    description: Value,
}

/// A rule as a group has it. Whoever reads values by their types finds all members.
fn entry(turn: &Turn<'_>, content: Content<'_>) -> Value {
    let local = address(None, Some(LOCAL));
    let (source, destination) = if content.is_inwards { (content.remote, local) } else { (local, content.remote) };
    let ports = |(first, last): (i64, i64)| json!([{(field_name::START_PORT): first, (field_name::END_PORT): last}]);
    let now = turn.now().to_string();
    json!({
        (field_name::RULE_SEQUENCE): null,
        (field_name::RULE_UUID): content.uuid,
        (field_name::DIRECTION): ">",
        (field_name::PROTOCOL): content.protocol,
        (field_name::SRC_ADDRESSES): source,
        (field_name::SRC_PORTS): ports((FIRST_PORT, LAST_PORT)),
        (field_name::APPLICATION): [],
        (field_name::DST_ADDRESSES): destination,
        (field_name::DST_PORTS): ports(content.ports),
        (field_name::ACTION_LIST): null,
        (field_name::ETHERTYPE): content.ethertype,
        (field_name::CREATED): now,
        (field_name::LAST_MODIFIED): now,
        (field_name::DESCRIPTION): content.description,
    })
}

/// Everywhere, in one version.
fn everywhere(ethertype: &str) -> Value {
    address(Some((if ethertype == "IPv6" { "::" } else { "0.0.0.0" }, 0)), None)
}

/// The rule of a new group that lets everything of one version out (NEU-SG-C1).
pub fn outwards(turn: &Turn<'_>, ethertype: &str) -> Value {
    let content = Content {
        uuid: turn.new_uuid().to_string(),
        is_inwards: false,
        ethertype,
        protocol: ANY,
        remote: everywhere(ethertype),
        ports: (FIRST_PORT, LAST_PORT),
        description: "".into(),
    };
    entry(turn, content)
}

/// NEU-SGR-C1, NEU-SGR-C2: which ports a rule of a protocol may name, and as what they are stored.
fn ports(protocol: Option<&str>, first: Option<i64>, last: Option<i64>) -> Answered<(i64, i64)> {
    let stored = (first.unwrap_or(FIRST_PORT), last.unwrap_or(LAST_PORT));
    if first.is_none() && last.is_none() {
        return Ok(stored);
    }
    let Some(protocol) = protocol else { return Err(Exception::SecurityGroupProtocolRequiredWithPorts {}.into()) };
    if ["tcp", "udp", "6", "17"].contains(&protocol) {
        let is_range = first.zip(last).is_some_and(|(first, last)| first <= last);
        return if is_range { Ok(stored) } else { Err(Exception::SecurityGroupInvalidPortRange {}.into()) };
    }
    if is_icmp(protocol) {
        for (value, attribute, field) in [(first, "port_range_min", "type"), (last, "port_range_max", "code")] {
            if let Some(value) = value.filter(|value| !(0..=LAST_ICMP_VALUE).contains(value)) {
                let (field, attr, value) = (field.into(), attribute.into(), value.into());
                return Err(Exception::SecurityGroupInvalidIcmpValue { field, attr, value }.into());
            }
        }
        if let (None, Some(code)) = (first, last) {
            return Err(Exception::SecurityGroupMissingIcmpType { value: code.into() }.into());
        }
    }
    Ok(stored)
}

/// That ports are ports.
fn check_bounds(turn: &Turn<'_>) -> Answered<()> {
    for name in ["port_range_min", "port_range_max"] {
        if let Some(wrong) = turn.request.integer(name)?.filter(|port| !(FIRST_PORT..=LAST_PORT).contains(port)) {
            let text = format!("{name} must be from {FIRST_PORT} to {LAST_PORT}, not {wrong}");
            return Err(turn.request.bad_request(text));
        }
    }
    Ok(())
}

/// Where a rule lets in from, or out to.
fn remote(turn: &Turn<'_>, ethertype: &str) -> Answered<Value> {
    let request = turn.request;
    let prefix = request.text("remote_ip_prefix")?.filter(|prefix| !prefix.is_empty());
    let group = request.text("remote_group_id")?.filter(|group| !group.is_empty());
    match (prefix, group) {
        (Some(_), Some(_)) => Err(Exception::SecurityGroupRemoteGroupAndRemoteIpPrefix {}.into()),
        (None, None) => Ok(everywhere(ethertype)),
        (Some(given), None) => {
            let refuse =
                || request.bad_request(format!("remote_ip_prefix must be a prefix like 10.0.0.0/24, not '{given}'"));
            let prefix: IpNetwork = given.parse().map_err(|_| refuse())?;
            if prefix.is_ipv4() != (ethertype == "IPv4") {
                let conflict =
                    Exception::SecurityGroupRuleParameterConflict { ethertype: ethertype.into(), cidr: given.into() };
                return Err(conflict.into());
            }
            Ok(address(Some((&prefix.ip().to_string(), prefix.prefix())), None))
        }
        (None, Some(id)) => {
            let view = turn.view();
            let group = view.find(type_name::SECURITY_GROUP, id, security_group::missing)?;
            Ok(address(None, Some(group.fq_name.joined())))
        }
    }
}

/// What is refused of a group that gets a rule: that it has the same already.
fn refused(refused: Refused) -> Refused {
    refused.or_if(Kind::Conflict, |rejection: &Rejection| {
        let text = rejection.text.to_string();
        let id = text.rsplit(' ').next().unwrap_or_default();
        Exception::SecurityGroupRuleExists { rule_id: id.into(), id: id.into(), resource: RESOURCE.name().into() }
    })
}

/// One of the words that a member may be.
fn one_of<'r>(turn: &Turn<'r>, name: &str, given: &'r str, words: [&str; 2]) -> Answered<&'r str> {
    let refuse = || turn.request.bad_request(format!("{name} must be {} or {}, not '{given}'", words[0], words[1]));
    if words.contains(&given) { Ok(given) } else { Err(refuse()) }
}

/// NEU-SGR-C1
fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let group_id = request.required("security_group_id", request.text("security_group_id")?)?;
    let direction = request.required("direction", request.text("direction")?)?;
    let direction = one_of(turn, "direction", direction, ["ingress", "egress"])?;
    let ethertype = one_of(turn, "ethertype", request.text("ethertype")?.unwrap_or("IPv4"), ["IPv4", "IPv6"])?;
    // A number is as good as its digits.
    let number = request.given("protocol").and_then(Value::as_i64).map(|number| number.to_string());
    let protocol = match &number {
        Some(number) => Some(number.as_str()),
        None => request.text("protocol")?.filter(|protocol| !protocol.is_empty()),
    };
    let ports = ports(protocol, request.integer("port_range_min")?, request.integer("port_range_max")?)?;
    check_bounds(turn)?;
    let remote = remote(turn, ethertype)?;
    let protocol = protocol.unwrap_or(ANY);
    if protocol::number(protocol).is_none() {
        let values = protocol::names().collect();
        return Err(Exception::SecurityGroupRuleInvalidProtocol { protocol: protocol.into(), values }.into());
    }
    let group = Arc::clone(turn.view().find(type_name::SECURITY_GROUP, group_id, security_group::missing)?);
    let uuid = request.uuid("id")?.unwrap_or_else(|| turn.new_uuid()).to_string();
    if turn.view().graph.with_inner_key(InnerKey::Rule, &uuid).next().is_some() {
        return Err(Exception::Conflict { msg: format!("There is a rule {uuid}").into() }.into());
    }
    let content = Content {
        uuid: uuid.clone(),
        is_inwards: direction == "ingress",
        ethertype,
        protocol,
        remote,
        ports,
        description: request.text("description")?.into(),
    };
    let mut rules = entries(&turn.view(), &group);
    rules.push(entry(turn, content));
    let group = write(turn, &group, &rules).map_err(refused)?;
    // As it is stored: the type cuts the bits of a host off.
    let view = turn.view();
    let stored = entries(&view, &group).into_iter().find(|entry| is_rule(entry, &uuid));
    stored
        .and_then(|entry| answer(&view, &group, &entry))
        .ok_or_else(|| Rejection::internal("a rule has gone within its request").into())
}

fn write(turn: &mut Turn<'_>, group: &Object, entries: &[Value]) -> Answered<Arc<Object>> {
    turn.update(group, json!({ (field_name::SECURITY_GROUP_ENTRIES): {(field_name::POLICY_RULE): entries} }))
}

fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let group = Arc::clone(find(&turn.view())?);
    let mut entries = entries(&turn.view(), &group);
    entries.retain(|entry| !is_rule(entry, turn.request.id()));
    write(turn, &group, &entries)?;
    Ok(Value::Null)
}
