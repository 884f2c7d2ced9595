//! node (contrail-api R21: NODE-*): a profile says what the ports of a server are for.

use crate::{
    graph::{Link, Object},
    model::{field_name, type_name},
    python_literal,
    rules::engine::{
        Decision, Draft, NewLink, Rejection, Rules, Work, internal,
        tag_references::{REFERENCES, type_of_tag},
        update,
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { after_create: apply_profile, after_update, ..Rules::NONE };

const PROFILES: &str = field_name::NODE_PROFILE_REFS;
const LABEL: &str = "label";

fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    if work.links(before, PROFILES) == work.links(after, PROFILES) { Ok(()) } else { apply_profile(work, after) }
}

/// NODE-C1: the ports get the labels and groups of the interfaces with their names on the cards of the hardware; those
/// of a node without a profile have no labels.
fn apply_profile(work: &mut Work, node: &Arc<Object>) -> Decision<()> {
    let has_profile = !work.links(node, PROFILES).is_empty();
    let interfaces = interfaces(work, node);
    let mut by_name: HashMap<&str, &Value> = HashMap::new();
    for interface in &interfaces {
        by_name.entry(text(interface, "name").unwrap_or_default()).or_insert(interface);
    }
    let port_type = work.type_id(type_name::PORT)?;
    let ports: Vec<Arc<Object>> = work.graph.children_of(node.uuid, port_type).cloned().collect();
    let mut groups: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
    for port in &ports {
        let interface = by_name.get(port.fq_name.name()).copied().filter(|_| !port.fq_name.name().is_empty());
        if interface.is_some() || !has_profile {
            set_labels(work, port, interface)?;
        }
        if let Some(group) = interface.and_then(|interface| text(interface, field_name::PORT_GROUP)) {
            groups.entry(group.to_owned()).or_default().push(port.uuid);
        }
    }
    groups.into_iter().try_for_each(|(group, ports)| assign(work, node, &group, &ports))
}

fn text<'a>(interface: &'a Value, field: &str) -> Option<&'a str> {
    interface.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The interfaces on all cards of the hardware of the profiles of a node.
fn interfaces(work: &Work, node: &Object) -> Vec<Value> {
    let follow = |objects: Vec<Arc<Object>>, field: &str| -> Vec<Arc<Object>> {
        let links = objects.iter().flat_map(|object| work.links(object, field).iter().map(|link: &Link| link.target));
        links.filter_map(|target| work.graph.get(target)).cloned().collect()
    };
    let profiles: Vec<Arc<Object>> =
        work.links(node, PROFILES).iter().filter_map(|link| work.graph.get(link.target)).cloned().collect();
    let cards = follow(follow(profiles, field_name::HARDWARE_REFS), field_name::CARD_REFS);
    let maps = cards.iter().filter_map(|card| work.property(card, field_name::INTERFACE_MAP));
    maps.filter_map(|mut map| Some(map.get_mut(field_name::PORT_INFO)?.as_array_mut()?.split_off(0)))
        .flatten()
        .collect()
}

fn set_labels(work: &mut Work, port: &Arc<Object>, interface: Option<&Value>) -> Decision<()> {
    let labels = interface.and_then(|interface| interface.get("labels")).and_then(Value::as_array);
    let tag_type = work.type_id(type_name::TAG)?;
    let mut draft = Draft::update(work, port);
    let mut links = draft.stored_links(REFERENCES);
    links.retain(|link| work.graph.get(link.target).is_some_and(|tag| type_of_tag(tag) != LABEL));
    for label in labels.into_iter().flatten().filter_map(Value::as_str) {
        let name = [format!("{LABEL}={label}")];
        let tag = work.graph.find(tag_type, &name);
        let missing = || {
            Rejection::not_found(format!("Tag with FQName {} not found", python_literal::list(&name))).about(PROFILES)
        };
        links.push(NewLink { target: tag.ok_or_else(missing)?.uuid, attribute: Value::Null });
    }
    draft.set_links(REFERENCES, links);
    update::commit(work, draft).map(|_| ())
}

/// Makes a group of ports, or changes what is in it.
fn assign(work: &mut Work, node: &Object, name: &str, ports: &[Uuid]) -> Decision<()> {
    let group_type = work.type_id(type_name::PORT_GROUP)?;
    let fq_name = node.fq_name.child(name);
    let group = match work.graph.find_joined(group_type, fq_name.joined()).cloned() {
        Some(group) => group,
        None => internal::create(
            work,
            type_name::PORT_GROUP,
            json!({"fq_name": fq_name.elements(), "parent_type": "node"}),
        )?,
    };
    let mut draft = Draft::update(work, &group);
    let links = ports.iter().map(|port| NewLink { target: *port, attribute: Value::Null });
    draft.set_links(field_name::PORT_REFS, links.collect());
    update::commit(work, draft).map(|_| ())
}
