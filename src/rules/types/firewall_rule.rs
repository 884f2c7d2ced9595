//! firewall-rule (contrail-api R21: FR-*).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    python_literal,
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Rules, Work, access, rule, rulebook::Tags, security_draft},
        shared::firewall_scope,
        types::{service_group::number_protocol, tag, tag_type},
    },
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: complete, before_update: complete, tags: Tags::Any, ..Rules::NONE };

const SERVICE: &str = "service";
const SERVICE_GROUPS: &str = field_name::SERVICE_GROUP_REFS;
const ENDPOINTS: [&str; 2] = [field_name::ENDPOINT_1, field_name::ENDPOINT_2];
/// What an endpoint may be, one of these.
const ENDPOINT_KINDS: [&str; 5] = ["tags", field_name::ADDRESS_GROUP, field_name::VIRTUAL_NETWORK, "subnet", "any"];
const MATCH_TAGS: &str = field_name::MATCH_TAGS;
const TAGS: &str = field_name::TAG_REFS;
const ADDRESS_GROUPS: &str = field_name::ADDRESS_GROUP_REFS;

/// FR-U1: what the request does not name is as it is stored; references follow from the endpoints.
fn complete(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_given_references(draft)?;
    firewall_scope::check(work, draft)?;
    complete_service(draft)?;
    complete_match_tags(work, draft)?;
    complete_endpoints(work, draft)?;
    // They are references as well as if they were given as such.
    if !draft.internal {
        access::check_references(work, draft)?;
    }
    check_action(work, draft)
}

/// FR-C5, FR-C6: these references are the server's to make.
fn check_given_references(draft: &Draft) -> Decision<()> {
    if draft.internal {
        return Ok(());
    }
    let derived = [
        (TAGS, "Tags", "tags", rule::FR_C5),
        (ADDRESS_GROUPS, "Address Group", field_name::ADDRESS_GROUP, rule::FR_C6),
    ];
    for (field, title, endpoint, rule) in derived {
        if draft.given_links(field).is_some() {
            return Err(Rejection::bad_request(format!(
                "Cannot directly define {title} reference from a Firewall Rule. Use '{endpoint}' endpoints property in the Firewall Rule"
            )).by(rule).about(field));
        }
    }
    Ok(())
}

/// FR-C1, FR-C2: a service of its own, or groups of services.
fn complete_service(draft: &mut Draft) -> Decision<()> {
    if draft.stored.is_some() && draft.given(SERVICE).is_none() && draft.given_links(SERVICE_GROUPS).is_none() {
        return Ok(());
    }
    let service = draft.value(SERVICE);
    let has_groups = !draft.links(SERVICE_GROUPS).is_empty();
    let Some(mut service) = service.and_then(members) else {
        if has_groups {
            return Ok(());
        }
        let text = "Firewall Rule requires at least 'service' property or Service Group references(s)";
        return Err(Rejection::bad_request(text).by(rule::FR_C1).about(SERVICE));
    };
    if has_groups {
        let text = "Firewall Rule cannot have both defined 'service' property and Service Group reference(s)";
        return Err(Rejection::bad_request(text).by(rule::FR_C1).about(SERVICE));
    }
    number_protocol(&mut service).map_err(|refusal| refusal.within(SERVICE))?;
    draft.set(SERVICE, Value::Object(service));
    Ok(())
}

/// What a value says, unless that is nothing.
fn members(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) if !members.is_empty() => Some(members),
        _ => None,
    }
}

/// FR-C7: the types of tags that both ends must have in common, as numbers; that of applications where nothing is said.
fn complete_match_tags(work: &Work, draft: &mut Draft) -> Decision<()> {
    const APPLICATION: u64 = 1;
    if draft.stored.is_some() && draft.given(MATCH_TAGS).is_none() {
        return Ok(());
    }
    let given = draft.value(MATCH_TAGS);
    let names = given.as_ref().and_then(|value| value.get(field_name::TAG_LIST)).and_then(Value::as_array);
    let numbers = match names {
        None => vec![APPLICATION],
        Some(names) => {
            let names = names.iter().filter_map(Value::as_str);
            names.map(|name| match_tag_type(work, &name.to_lowercase())).collect::<Decision<_>>()?
        }
    };
    draft.set(field_name::MATCH_TAG_TYPES, json!({ "tag_type": numbers }));
    Ok(())
}

fn match_tag_type(work: &Work, name: &str) -> Decision<u64> {
    if name == "label" {
        return Err(Rejection::bad_request("labels not allowed as match-tags").by(rule::FR_C7).about(MATCH_TAGS));
    }
    let tag_type = work.graph.find(work.type_id(type_name::TAG_TYPE)?, &[name]);
    let number = tag_type.and_then(|tag_type| tag_type::number(work, tag_type));
    number.ok_or_else(|| Rejection::not_found(format!("Unknown id: tag_type {name}")).by(rule::FR_C7).about(MATCH_TAGS))
}

/// FR-C3, FR-C4, FR-C6: endpoints name tags and address groups by text; numbers and references are made of that.
fn complete_endpoints(work: &Work, draft: &mut Draft) -> Decision<()> {
    if draft.stored.is_some() && ENDPOINTS.iter().all(|name| draft.given(name).is_none()) {
        return Ok(());
    }
    let scope = firewall_scope::project(work, draft.parent.as_ref());
    let (mut tags, mut groups) = (Vec::new(), Vec::new());
    for name in ENDPOINTS {
        let Some(Value::Object(mut endpoint)) = draft.value(name) else { continue };
        let about = |refusal: Rejection| refusal.about(name);
        check_endpoint(&endpoint).map_err(about)?;
        let mut numbers = Vec::new();
        let names = endpoint.get("tags").and_then(Value::as_array).into_iter().flatten().map(python_literal::text);
        for text in names {
            let found = find_tag(work, scope.as_ref(), &text).map_err(about)?;
            numbers.push(tag::number(work, &found));
            tags.push(found.uuid);
        }
        if let Some(group) = endpoint.get(field_name::ADDRESS_GROUP).and_then(Value::as_str) {
            groups.push(find_address_group(work, group).map_err(about)?.uuid);
        }
        endpoint.insert(field_name::TAG_IDS.to_owned(), json!(numbers));
        draft.set(name, Value::Object(endpoint));
    }
    for (field, targets) in [(TAGS, tags), (ADDRESS_GROUPS, groups)] {
        draft.set_links(field, links(targets));
    }
    security_draft::check_references(work, draft)
}

fn links(mut targets: Vec<Uuid>) -> Vec<NewLink> {
    targets.sort_unstable();
    targets.dedup();
    targets.into_iter().map(|target| NewLink { target, attribute: Value::Null }).collect()
}

fn check_endpoint(endpoint: &Map<String, Value>) -> Decision<()> {
    let is_given = |kind: &&&str| match endpoint.get(**kind) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    };
    if ENDPOINT_KINDS.iter().filter(is_given).count() > 1 {
        return Err(Rejection::bad_request("Endpoint is limited to only one endpoint type at a time").by(rule::FR_C3));
    }
    Ok(())
}

/// A tag of the rule's own scope, or a global one where the text says so.
fn find_tag(work: &Work, scope: Option<&Arc<Object>>, text: &str) -> Decision<Arc<Object>> {
    if !text.contains('=') {
        return Err(Rejection::not_found(format!("Invalid tag name '{text}'")).by(rule::FR_C4));
    }
    let (name, scope) = text.strip_prefix("global:").map_or((text, scope), |name| (name, None));
    let joined = scope.map_or_else(|| name.into(), |scope| Arc::clone(scope.fq_name.child(name).joined()));
    let found = work.graph.find_joined(work.type_id(type_name::TAG)?, &joined).cloned();
    found.ok_or_else(|| Rejection::not_found(format!("Unknown id: tag {joined}")).by(rule::FR_C4))
}

fn find_address_group(work: &Work, joined: &str) -> Decision<Arc<Object>> {
    let found = work.graph.find_joined(work.type_id(type_name::ADDRESS_GROUP)?, joined).cloned();
    found.ok_or_else(|| Rejection::not_found(format!("No Address Group object found for {joined}")).by(rule::FR_C6))
}

/// FR-C8: a host-based service inspects traffic in projects that have one, with both its networks.
fn check_action(work: &Work, draft: &Draft) -> Decision<()> {
    let action = draft.given(field_name::ACTION_LIST).and_then(|action| action.get(field_name::HOST_BASED_SERVICE));
    if action != Some(&Value::Bool(true)) {
        return Ok(());
    }
    let Some(project) = firewall_scope::project(work, draft.parent.as_ref()) else {
        let text = "host-based-service rule action can only be use in a project scope";
        return Err(Rejection::bad_request(text).by(rule::FR_C8).about("action_list.host_based_service"));
    };
    let refuse = |reason: String| {
        Err(Rejection::bad_request(format!("Cannot use Host Based Service firewall rule action: {reason}"))
            .by(rule::FR_C8)
            .about("action_list.host_based_service"))
    };
    let services: Vec<&Arc<Object>> =
        work.graph.children_of(project.uuid, work.type_id(type_name::HOST_BASED_SERVICE)?).collect();
    let whose = format!("Project {}({})", project.fq_name.joined(), project.uuid);
    let service = match services.as_slice() {
        [] => return refuse(format!("{whose} have no host based service instantiated")),
        [service] => service,
        _ => return refuse(format!("{whose} have more than one host based service")),
    };
    let has_side = |side: &str| {
        work.links(service, field_name::VIRTUAL_NETWORK_REFS).iter().any(|link| {
            let attribute: Option<Value> = link.attribute.as_deref().and_then(|text| serde_json::from_str(text).ok());
            attribute
                .is_some_and(|attribute| attribute.get(field_name::VIRTUAL_NETWORK_TYPE) == Some(&Value::from(side)))
        })
    };
    if has_side("left") && has_side("right") {
        return Ok(());
    }
    let name = service.fq_name.joined();
    refuse(format!(
        "Host based service {name}({}) needs at least one reference to left and right virtual network to be considered as enable",
        service.uuid
    ))
}

/// Writes the numbers of tags into the rules that name them, after they have changed.
///
/// # Errors
/// Internal, if the model lacks a type.
pub fn renumber(work: &mut Work, tag: Uuid) -> Decision<()> {
    let rules: Vec<Arc<Object>> = work.graph.referrers(tag, work.type_id(type_name::FIREWALL_RULE)?).cloned().collect();
    for rule in rules {
        let mut draft = Draft::update(work, &rule);
        for name in ENDPOINTS {
            if let Some(endpoint) = draft.stored_value(name) {
                draft.set(name, endpoint);
            }
        }
        complete_endpoints(work, &mut draft)?;
        work.save(&draft);
    }
    Ok(())
}

/// Writes the number of a tag type into the rules that match tags of it, after it has changed.
///
/// # Errors
/// Internal, if the model lacks a type.
pub fn renumber_match_tags(work: &mut Work, name: &str) -> Decision<()> {
    let rules: Vec<Arc<Object>> = work.graph.objects_of(work.type_id(type_name::FIREWALL_RULE)?).cloned().collect();
    for rule in rules {
        let given = work.property(&rule, MATCH_TAGS).unwrap_or_default();
        let names =
            given.get(field_name::TAG_LIST).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        if names.map(str::to_lowercase).any(|other| other == name) {
            let mut draft = Draft::update(work, &rule);
            draft.set(MATCH_TAGS, given);
            complete_match_tags(work, &mut draft)?;
            work.save(&draft);
        }
    }
    Ok(())
}
