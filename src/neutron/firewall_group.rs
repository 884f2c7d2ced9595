//! `firewall_group`: an application-policy-set with a tag of its own, which the ports of the group have, too (NEU-FW-1).

use super::{
    envelope::uuid_of,
    exception::Exception,
    firewall, firewall_policy, port,
    refused::{Answered, Refused},
    resource::{Answers, List, Resource, Verb, usual},
    turn::Turn,
    view::View,
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::default_firewall,
};
use serde_json::{Map, Value, json};
use std::{collections::HashSet, sync::Arc};
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/firewall_group",
    meaning: "groups of ports behind a firewall",
    needs_fwaas: true,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"name": ["default"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: Some(firewall::FIRST) };

const FIELDS: &[&str] =
    &["id", "name", "description", STATE, "project_id", "tenant_id", "shared", "ports", INGRESS, EGRESS, "status"];

const STATE: &str = "admin_state_up";
const INGRESS: &str = "ingress_firewall_policy_id";
const EGRESS: &str = "egress_firewall_policy_id";
const POLICIES: &str = field_name::FIREWALL_POLICY_REFS;
const TAGS: &str = field_name::TAG_REFS;

/// What of the default group is changed by nobody, and what by admins only.
const FIXED: [&str; 1] = ["name"];
const FOR_ADMINS: [&str; 4] = ["description", STATE, INGRESS, EGRESS];

fn missing(firewall_id: Value) -> Exception {
    Exception::FirewallGroupNotFound { firewall_id }
}

/// The tag of a group; a set that does not refer to it is none.
fn tag<'v>(view: &View<'v>, set: &Object) -> Option<&'v Arc<Object>> {
    let name = view.graph.get(set.parent?)?.fq_name.child(&default_firewall::tag_name(set.uuid));
    let tag = view.graph.find_joined(view.graph.model().find(type_name::TAG)?, name.joined())?;
    view.links(set, TAGS).iter().any(|link| link.target == tag.uuid).then_some(tag)
}

/// A group by its id, with its tag.
///
/// # Errors
/// `FirewallGroupNotFound`, 403
pub fn find<'v>(view: &View<'v>, id: &str) -> Answered<(&'v Arc<Object>, &'v Arc<Object>)> {
    let set = firewall::find(view, type_name::APPLICATION_POLICY_SET, id, missing)?;
    Ok(tag(view, set).map(|tag| (set, tag)).ok_or_else(|| missing(id.into()))?)
}

/// What refers to the tag of a group.
fn tagged(view: &View<'_>, tag: &Object, type_name: &str) -> Answered<Vec<Arc<Object>>> {
    Ok(view.graph.referrers(tag.uuid, view.type_id(type_name)?).cloned().collect())
}

/// A group in an answer; none for a set that is no group.
fn answer(view: &View<'_>, set: &Object) -> Option<Value> {
    let tag = tag(view, set)?;
    let ports = view.graph.referrers(tag.uuid, view.graph.model().find(type_name::VIRTUAL_MACHINE_INTERFACE)?);
    let ports: Vec<Uuid> = ports.map(|port| port.uuid).collect();
    let policy = firewall::ordered(view, set, POLICIES).first().copied();
    let status = match (view.is_enabled(set), ports.is_empty(), policy) {
        (false, ..) => "DOWN",
        (true, false, Some(_)) => "ACTIVE",
        (true, ..) => "INACTIVE",
    };
    let mut answer = firewall::answer(view, set, STATE);
    answer.insert("ports".to_owned(), firewall::readable(view, ports).into());
    for policy in firewall::readable(view, policy) {
        answer.insert(INGRESS.to_owned(), policy.as_str().into());
        answer.insert(EGRESS.to_owned(), policy.into());
    }
    answer.insert("status".to_owned(), status.into());
    Some(answer.into())
}

fn answer_now(turn: &Turn<'_>, set: &Object) -> Answered<Value> {
    let set = turn.now_of(set)?;
    Ok(answer(&turn.view(), &set).ok_or_else(|| missing(set.uuid.to_string().into()))?)
}

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let sets = firewall::visible(view, type_name::APPLICATION_POLICY_SET)?;
    let view = *view;
    Ok(Box::new(sets.filter_map(move |set| answer(&view, set))))
}

fn read(view: &View<'_>) -> Answered<Value> {
    let (set, _) = find(view, view.request.id())?;
    Ok(answer(view, set).unwrap_or_default())
}

/// What a request says of the policy: one, for both directions; none takes it away.
fn wanted_policy(turn: &Turn<'_>) -> Answered<Option<Value>> {
    let request = turn.request;
    if ![INGRESS, EGRESS].iter().any(|name| request.body.contains_key(*name)) {
        return Ok(None);
    }
    let (ingress, egress) = (request.text(INGRESS)?, request.text(EGRESS)?);
    if let (Some(ingress), Some(egress)) = (ingress, egress)
        && ingress != egress
        && (uuid_of(ingress).is_none() || uuid_of(ingress) != uuid_of(egress))
    {
        return Err(request.bad_request(format!(
            "Contrail firewall policies do not distinguish ingress and egress flow: {INGRESS} and {EGRESS} must be the same, or one of \
             them alone be given"
        )));
    }
    let policy = ingress.or(egress).map(|id| firewall_policy::find(&turn.view(), id).map(|policy| policy.uuid));
    Ok(Some(firewall::in_order(policy.transpose()?)))
}

/// Puts a group around the ports that the request names, and no others. They are of its project: the tag of the group says nothing
/// elsewhere.
fn set_ports(turn: &mut Turn<'_>, set: &Object, tag: &Object) -> Answered<()> {
    let request = turn.request;
    let Some(ids) = request.texts("ports")? else { return Ok(()) };
    let mut wanted = HashSet::with_capacity(ids.len());
    let mut new = Vec::new();
    for id in ids {
        let view = turn.view();
        let port = port::find(&view, id)?;
        if port::tenant_of(&view, port) != set.parent {
            return Err(foreign(turn, id));
        }
        let is_in = view.links(port, TAGS).iter().any(|link| link.target == tag.uuid);
        if wanted.insert(port.uuid) && !is_in {
            new.push(Arc::clone(port));
        }
    }
    for port in tagged(&turn.view(), tag, type_name::VIRTUAL_MACHINE_INTERFACE)? {
        if !wanted.contains(&port.uuid) {
            turn.change_reference(&port, TAGS, tag.uuid, None)?;
        }
    }
    for port in new {
        turn.change_reference(&port, TAGS, tag.uuid, Some(Value::Null))?;
    }
    Ok(())
}

/// A port of another project: a member is not told that there is one.
fn foreign(turn: &Turn<'_>, id: &str) -> Refused {
    if turn.view().is_admin() {
        turn.request.bad_request(format!("ports must be of the project of the firewall group, and {id} is not"))
    } else {
        port::missing(id.into()).into()
    }
}

/// Only the server makes a group of this name.
fn check_name(turn: &Turn<'_>) -> Answered<()> {
    if turn.request.text("name")? == Some(default_firewall::NAME) {
        return Err(Exception::FirewallGroupDefaultAlreadyExists {}.into());
    }
    Ok(())
}

fn is_default(set: &Object) -> bool {
    set.fq_name.name() == default_firewall::NAME
}

fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let tenant = turn.request.tenant_of_body()?;
    let project = Arc::clone(turn.view().project(tenant)?);
    check_name(turn)?;
    let mut body = firewall::new(turn, tenant, (STATE, true))?;
    if let Some(policies) = wanted_policy(turn)? {
        body.insert(POLICIES.to_owned(), policies);
    }
    let set = turn.create_named(type_name::APPLICATION_POLICY_SET, &project, body.into())?;
    let tag = json!({
        "fq_name": project.fq_name.child(&default_firewall::tag_name(set.uuid)).elements(),
        "parent_type": type_name::PROJECT,
        (field_name::TAG_TYPE_NAME): default_firewall::TAG_TYPE,
        (field_name::TAG_VALUE): set.uuid.to_string(),
    });
    let tag = turn.create(type_name::TAG, tag, None)?;
    turn.change_reference(&set, TAGS, tag.uuid, Some(Value::Null))?;
    set_ports(turn, &set, &tag)?;
    answer_now(turn, &set)
}

fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let view = turn.view();
    let (set, tag) = find(&view, view.request.id()).map(|(set, tag)| (Arc::clone(set), Arc::clone(tag)))?;
    if is_default(&set) {
        let for_admins: &[&str] = if view.is_admin() { &[] } else { &FOR_ADMINS };
        if FIXED.iter().chain(for_admins).any(|name| turn.request.body.contains_key(*name)) {
            return Err(Exception::FirewallGroupCannotUpdateDefault {}.into());
        }
    }
    check_name(turn)?;
    let mut body: Map<String, Value> = firewall::changes(turn, &set, STATE)?;
    if let Some(policies) = wanted_policy(turn)? {
        body.insert(POLICIES.to_owned(), policies);
    }
    let set = turn.update(&set, body.into())?;
    set_ports(turn, &set, &tag)?;
    answer_now(turn, &set)
}

/// Takes a group out of a rule that names it (NEU-FW-4).
fn forget(turn: &mut Turn<'_>, rule: &Object, tag_name: &str) -> Answered<()> {
    let mut body = Map::new();
    for end in [field_name::ENDPOINT_1, field_name::ENDPOINT_2] {
        let Some(mut endpoint) = turn.view().property(rule, end) else { continue };
        let Some(tags) = endpoint.get_mut("tags").and_then(Value::as_array_mut) else { continue };
        let before = tags.len();
        tags.retain(|tag| tag != tag_name);
        if tags.len() < before {
            body.insert(end.to_owned(), endpoint);
        }
    }
    turn.update(rule, body.into())?;
    turn.withdraw_audits(rule)
}

/// NEU-FW-4: its ports are in it no more, and no rule names it.
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let view = turn.view();
    let (set, tag) = find(&view, view.request.id()).map(|(set, tag)| (Arc::clone(set), Arc::clone(tag)))?;
    if is_default(&set) && !view.is_admin() {
        return Err(Exception::FirewallGroupCannotRemoveDefault {}.into());
    }
    for port in tagged(&turn.view(), &tag, type_name::VIRTUAL_MACHINE_INTERFACE)? {
        turn.change_reference(&port, TAGS, tag.uuid, None)?;
    }
    for rule in tagged(&turn.view(), &tag, type_name::FIREWALL_RULE)? {
        forget(turn, &rule, tag.fq_name.name())?;
    }
    turn.delete(&set)?;
    turn.delete(&tag)?;
    Ok(Value::Null)
}
