//! The firewall that Neutron gives a project by itself (NEU-FW-5): a group `default` that no port is in yet, with a policy that lets out
//! what its ports send. Also what the server does to the firewalls of Neutron beside a request, whoever asks.

use super::default_object;
use crate::{
    graph::{Graph, Object},
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, Kind, NewLink, Work, create},
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// What its group is called, and its policy.
pub const NAME: &str = "default";
/// What its rules are called, and where each of them lets packets go.
const RULES: [(&str, &str, &str); 2] = [("default ipv4", "0.0.0.0", "IPv4"), ("default ipv6", "::", "IPv6")];
/// The type of the tags that say of sets and ports which group they are, or are in.
pub const TAG_TYPE: &str = "neutron_fwaas";

/// Whether only rules that the server makes are called so.
pub fn is_name_of_rule(name: &str) -> bool {
    RULES.iter().any(|(known, ..)| *known == name)
}

/// What the tag of a group is called.
pub fn tag_name(group: Uuid) -> String {
    format!("{TAG_TYPE}={group}")
}

/// An end of a rule. Whoever reads values by their types finds all members.
pub fn endpoint(subnet: Option<(&str, u8)>, tags: &[String]) -> Value {
    let any = (subnet.is_none() && tags.is_empty()).then_some(true);
    let subnet = subnet.map(|(prefix, length)| json!({"ip_prefix": prefix, "ip_prefix_len": length}));
    json!({
        "subnet": subnet, "virtual_network": null, "address_group": null, "tags": tags, "tag_ids": [], "any": any,
    })
}

/// What a rule does, likewise.
pub fn action(simple: &str) -> Value {
    json!({
        "simple_action": simple, "gateway_name": null, "apply_service": [], "service_properties": null, "mirror_to": null,
        "assign_routing_instance": null, "log": false, "alert": false, "qos_action": null, "host_based_service": false,
    })
}

/// Where something stands in an order of references.
pub fn sequence(position: usize) -> Value {
    json!({"sequence": format!("{position}.0")})
}

/// What belongs to the firewall of a project and has this name, if it is there.
fn named(graph: &Graph, project: &Object, type_name: &str, name: &str) -> Option<Arc<Object>> {
    let kind = graph.model().find(type_name)?;
    graph.find_joined(kind, project.fq_name.child(name).joined()).cloned()
}

/// What there is of it, in the order in which it can be deleted. A set without its tag is somebody's own.
pub fn of_project(graph: &Graph, project: &Object) -> Vec<Arc<Object>> {
    let set = named(graph, project, type_name::APPLICATION_POLICY_SET, NAME);
    let tag = set.as_ref().and_then(|set| named(graph, project, type_name::TAG, &tag_name(set.uuid)));
    let policy = named(graph, project, type_name::FIREWALL_POLICY, NAME);
    let rules = RULES.iter().filter_map(|(name, ..)| named(graph, project, type_name::FIREWALL_RULE, name));
    let set = set.filter(|_| tag.is_some());
    set.into_iter().chain(policy).chain(rules).chain(tag).collect()
}

/// A part of it, to be made, or to be made anew where it is left from before. It belongs to the project, whoever asks.
fn part(work: &Work, project: &Arc<Object>, type_name: &str, name: &str, description: Option<&str>) -> Decision<Draft> {
    if let Some(present) = named(&work.graph, project, type_name, name) {
        let mut draft = Draft::update(work, &present);
        draft.internal = true;
        return Ok(draft);
    }
    default_object::draft(work, project, type_name, name, description)
}

/// Puts it where it is to be.
fn save(work: &mut Work, mut draft: Draft) -> Decision<Arc<Object>> {
    let Some(before) = draft.stored.clone() else { return create::create_side_object(work, draft) };
    let rules = work.rules_of(draft.type_id);
    (rules.before_update)(work, &mut draft)?;
    let after = work.save(&draft);
    (rules.after_update)(work, &before, &after)?;
    Ok(after)
}

/// References in this order.
fn in_order(targets: &[Arc<Object>]) -> Vec<NewLink> {
    let link =
        |(position, target): (usize, &Arc<Object>)| NewLink { target: target.uuid, attribute: sequence(position) };
    targets.iter().enumerate().map(link).collect()
}

/// Makes it, unless the project has a set of that name.
///
/// # Errors
/// Internal, if the model lacks a type; what is in the way of an object that is left from before.
pub fn ensure(work: &mut Work, project: &Arc<Object>) -> Decision<()> {
    if named(&work.graph, project, type_name::APPLICATION_POLICY_SET, NAME).is_some() {
        return Ok(());
    }
    let mut set = part(work, project, type_name::APPLICATION_POLICY_SET, NAME, Some("Default firewall group"))?;
    let tag_name = tag_name(set.uuid);
    let mut tag = part(work, project, type_name::TAG, &tag_name, None)?;
    tag.set(field_name::TAG_TYPE_NAME, TAG_TYPE.into());
    tag.set(field_name::TAG_VALUE, set.uuid.to_string().into());
    let tag = match create::create_side_object(work, tag) {
        Ok(tag) => tag,
        // In ids of eight digits there are fewer numbers than there may be projects. A project without a group is better than none.
        Err(refusal) if refusal.kind == Kind::BadRequest => return Ok(()),
        Err(refusal) => return Err(refusal),
    };
    let mut rules = Vec::new();
    for (name, prefix, version) in RULES {
        let description = format!("Default firewall rule for {version}");
        let mut rule = part(work, project, type_name::FIREWALL_RULE, name, Some(&description))?;
        let service = json!({"protocol": "any", "protocol_id": null, "src_ports": null, "dst_ports": null});
        rule.set(field_name::SERVICE, service);
        rule.set(field_name::DIRECTION, ">".into());
        rule.set(field_name::ENDPOINT_1, endpoint(None, std::slice::from_ref(&tag_name)));
        rule.set(field_name::ENDPOINT_2, endpoint(Some((prefix, 0)), &[]));
        rule.set(field_name::ACTION_LIST, action("pass"));
        rules.push(save(work, rule)?);
    }
    let mut policy = part(work, project, type_name::FIREWALL_POLICY, NAME, Some("Default firewall policy"))?;
    policy.set_links(field_name::FIREWALL_RULE_REFS, in_order(&rules));
    let policy = save(work, policy)?;
    set.set_links(field_name::FIREWALL_POLICY_REFS, in_order(&[policy]));
    set.set_links(field_name::TAG_REFS, vec![NewLink { target: tag.uuid, attribute: Value::Null }]);
    save(work, set).map(|_| ())
}

/// Takes the mark of an audit from the policies that have a rule, whosever they are: it is another rule now (NEU-FW-2).
///
/// # Errors
/// Internal, if the model lacks the type.
pub fn withdraw_audits(work: &mut Work, rule: &Object) -> Decision<()> {
    let kind = work.type_id(type_name::FIREWALL_POLICY)?;
    let policies: Vec<Arc<Object>> = work.graph.referrers(rule.uuid, kind).cloned().collect();
    for policy in policies {
        let mut id_perms = work.property(&policy, field_name::ID_PERMS).unwrap_or_default();
        if id_perms.get("enable") == Some(&Value::Bool(true)) {
            id_perms["enable"] = false.into();
            let mut draft = Draft::update(work, &policy);
            draft.internal = true;
            draft.set(field_name::ID_PERMS, id_perms);
            work.save(&draft);
        }
    }
    Ok(())
}
