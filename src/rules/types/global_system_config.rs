//! global-system-config (contrail-api R21: GSC-*): there is exactly one.
//!
//! Rules read it from the graph they decide on, so a new number of the autonomous system holds for the next request on every
//! server (GSC-U7).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Rules, Work, budget, rule, security_draft, update},
        types::route_target::{self, AutonomousSystem},
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
    sync::Arc,
};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, after_update, ..Rules::NONE };

const STATISTICS: &str = field_name::USER_DEFINED_LOG_STATISTICS;
const NUMBER: &str = field_name::AUTONOMOUS_SYSTEM;
const FOUR_BYTES: &str = field_name::ENABLE_4BYTE_AS;
const PORTS: &str = field_name::BGPAAS_PARAMETERS;
const LOOPBACK: &str = field_name::DATA_CENTER_INTERCONNECT_LOOPBACK_NAMESPACE;
/// How many route targets there are numbers for beside an autonomous system of four bytes.
const MOST_ROUTE_TARGETS: usize = 1 << 15;
/// How many bytes a regular expression may take when it is compiled: one of thirty characters may want any number.
const LARGEST_PATTERN: usize = 2 << 20;

/// GSC-C1
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    match work.graph.objects_of(draft.type_id).next() {
        Some(existing) => Err(Rejection::bad_request(format!(
            "Global System Config already exists with name {} ({})",
            existing.fq_name.joined(),
            existing.uuid
        ))
        .by(rule::GSC_C1)
        .because_of([existing.uuid])),
        None => Ok(()),
    }
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_log_patterns(draft)?;
    check_autonomous_system(work, draft)?;
    check_ports(work, draft)
}

/// GSC-U1: patterns are regular expressions.
fn check_log_patterns(draft: &Draft) -> Decision<()> {
    let given = draft.given(STATISTICS);
    let stored = draft.stored_value(STATISTICS);
    let known: HashSet<&str> = statistics(stored.as_ref()).map(|(_, pattern)| pattern).collect();
    let new: Vec<(&str, &str)> = statistics(given).filter(|(_, pattern)| !known.contains(pattern)).collect();
    budget::check(&budget::PATTERNS, new.len())?;
    for (name, pattern) in new {
        if let Err(error) = fancy_regex::RegexBuilder::new(pattern).delegate_size_limit(LARGEST_PATTERN).build() {
            return Err(Rejection::bad_request(format!(
                "Regex error in user-defined-log-statistics at {name}: {pattern} (Error: {error})"
            ))
            .by(rule::GSC_U1)
            .about(STATISTICS));
        }
    }
    Ok(())
}

/// Names and patterns.
fn statistics(value: Option<&Value>) -> impl Iterator<Item = (&str, &str)> {
    let list = value.and_then(|value| value.get("statlist")).and_then(Value::as_array);
    list.into_iter().flatten().map(|statistic| {
        let text = |name: &str| statistic.get(name).and_then(Value::as_str).unwrap_or_default();
        (text("name"), text("pattern"))
    })
}

/// GSC-U2: the number is one that the configuration allows.
fn check_autonomous_system(work: &Work, draft: &Draft) -> Decision<()> {
    if draft.given(NUMBER).is_none() && draft.given(FOUR_BYTES).is_none() {
        return Ok(());
    }
    let old = AutonomousSystem::global(work);
    let number = draft
        .value(NUMBER)
        .as_ref()
        .and_then(Value::as_i64)
        .map_or(old.number, |number| u64::try_from(number).unwrap_or_default());
    let new = AutonomousSystem { number, four_bytes: draft.value(FOUR_BYTES) == Some(Value::Bool(true)) };
    if draft.given(NUMBER).is_some_and(|number| !number.is_null()) {
        new.check_number(number).map_err(|refusal| refusal.by(rule::GSC_U2).about(NUMBER))?;
    }
    if new == old {
        return Ok(());
    }
    check_room(work, old, new)?;
    check_configured_targets(work, new)
}

/// GSC-U3: beside a number of four bytes there is less room for others.
fn check_room(work: &Work, old: AutonomousSystem, new: AutonomousSystem) -> Decision<()> {
    if old.number > 0xffff || new.number <= 0xffff {
        return Ok(());
    }
    let targets = work.graph.objects_of(work.type_id(type_name::ROUTE_TARGET)?);
    if targets.filter(|target| route_target::automatic(old, target.fq_name.name()).is_some()).count()
        > MOST_ROUTE_TARGETS
    {
        return Err(Rejection::bad_request("Not enough space for RTs in 4 bytes ASN").by(rule::GSC_U3).about(NUMBER));
    }
    let id = |cluster: &Arc<Object>| work.property(cluster, field_name::SUB_CLUSTER_ID)?.as_u64();
    if work.graph.objects_of(work.type_id(type_name::SUB_CLUSTER)?).filter_map(id).any(|id| id > 0xffff) {
        let text = "Cannot reduce Sub-Cluster ID to 2 bytes, some IDs are bigger than 2 bytes";
        return Err(Rejection::bad_request(text).by(rule::GSC_U3).about(NUMBER));
    }
    Ok(())
}

/// GSC-U4: no route target that users list comes into the automatic range.
fn check_configured_targets(work: &Work, new: AutonomousSystem) -> Decision<()> {
    const USERS: [(&str, &str, &[&str]); 2] = [
        (
            type_name::VIRTUAL_NETWORK,
            "Virtual network",
            &[
                field_name::ROUTE_TARGET_LIST,
                field_name::IMPORT_ROUTE_TARGET_LIST,
                field_name::EXPORT_ROUTE_TARGET_LIST,
            ],
        ),
        (type_name::LOGICAL_ROUTER, "Logical router", &[field_name::CONFIGURED_ROUTE_TARGET_LIST]),
    ];
    for (kind, title, fields) in USERS {
        let (mut found, mut in_the_way) = (String::new(), BTreeSet::new());
        for object in work.graph.objects_of(work.type_id(kind)?) {
            for field in fields {
                let value = work.property(object, field).unwrap_or_default();
                let targets = value.get(field_name::ROUTE_TARGET).and_then(Value::as_array).into_iter().flatten();
                for target in targets.filter_map(Value::as_str).filter_map(|text| route_target::automatic(new, text)) {
                    let (name, uuid) = (object.fq_name.joined(), object.uuid);
                    in_the_way.insert(uuid);
                    // Writing to a text does not fail.
                    let _ = writeln!(found, "\t- {name} ({uuid}) have route target {target} configured in {field}");
                }
            }
        }
        if !found.is_empty() {
            let number = new.number;
            return Err(Rejection::bad_request(format!(
                "{title}s are configured with a route target with this ASN {number} and route target value in the same range as used by automatically allocated route targets:\n{found}"
            )).by(rule::GSC_U4).about(NUMBER).because_of(in_the_way));
        }
    }
    Ok(())
}

/// GSC-U5: ports of bgp-as-a-service; as long as there is one, no port is taken away.
fn check_ports(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(given) = draft.given(PORTS).filter(|value| !value.is_null()) else { return Ok(()) };
    let range = |value: Option<&Value>| {
        let port = |name: &str, default: u64| value.and_then(|value| value.get(name)?.as_u64()).unwrap_or(default);
        (port(field_name::PORT_START, 50000), port(field_name::PORT_END, 50512))
    };
    let (start, end) = range(Some(given));
    if start > end {
        return Err(Rejection::bad_request("Invalid Port range specified").by(rule::GSC_U5).about(PORTS));
    }
    let (old_start, old_end) = range(draft.stored_value(PORTS).as_ref());
    let in_use = work.graph.objects_of(work.type_id(type_name::BGP_AS_A_SERVICE)?).next().is_some();
    if in_use && (start > old_start || end < old_end) {
        return Err(Rejection::bad_request("BGP Port range cannot be shrunk").by(rule::GSC_U5).about(PORTS));
    }
    Ok(())
}

/// GSC-U6: drafts of the whole system.
fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    security_draft::follow_mode(work, after)?;
    follow_loopbacks(work, before, after)
}

/// GSC-U8: the loopback addresses of connected data centers are subnets of one network.
fn follow_loopbacks(work: &mut Work, before: &Object, after: &Object) -> Decision<()> {
    let namespace = work.property(after, LOOPBACK);
    if namespace == work.property(before, LOOPBACK) {
        return Ok(());
    }
    let value = namespace.unwrap_or_default();
    let prefixes = value.get("subnet").and_then(Value::as_array).cloned().unwrap_or_default();
    let subnets: Vec<Value> = prefixes.into_iter().map(|prefix| json!({"subnet": prefix})).collect();
    let (ipam_type, network_type) = (work.type_id(type_name::NETWORK_IPAM)?, work.type_id(type_name::VIRTUAL_NETWORK)?);
    let named = |name: &str| ["default-domain".to_owned(), "default-project".to_owned(), name.to_owned()];
    let Some(network) = work.graph.find(network_type, &named("dci-network")).cloned() else { return Ok(()) };
    let ipam = work.graph.find(ipam_type, &named("default-dci-lo0-network-ipam")).cloned();
    let ipam = if let Some(ipam) = ipam {
        ipam
    } else {
        let Some(project) = network.parent.and_then(|parent| work.graph.get(parent)).cloned() else { return Ok(()) };
        let draft = Draft::child(work, &project, type_name::NETWORK_IPAM, "default-dci-lo0-network-ipam")?;
        work.save(&draft)
    };
    let mut draft = Draft::update(work, &network);
    let mut links = draft.stored_links(field_name::NETWORK_IPAM_REFS);
    links.retain(|link| link.target != ipam.uuid);
    links.push(NewLink { target: ipam.uuid, attribute: json!({ "ipam_subnets": subnets }) });
    draft.set_links(field_name::NETWORK_IPAM_REFS, links);
    update::commit(work, draft).map(|_| ())
}
