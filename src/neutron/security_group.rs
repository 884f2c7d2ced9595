//! `security_group`: a security-group (NEU-SG-*).

use super::{
    exception::Exception,
    refused::Answered,
    resource::{Answers, First, List, Resource, Verb, usual},
    security_group_rule as rule, tags,
    turn::Turn,
    view::{View, tenant_of},
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{Kind, default_group},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/security_group",
    meaning: "security groups",
    needs_fwaas: false,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"name": ["default"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: Some(First { is_missing, make }) };

const FIELDS: &[&str] = &["id", "name", "tenant_id", "description", "tags", "fq_name"];

/// The group of ports that are to have none: it is no group for users.
pub const NO_RULE: [&str; 3] = ["default-domain", "default-project", "__no_rule__"];

/// NEU-SG-R1: that there is no such group.
pub fn missing(id: Value) -> Exception {
    Exception::SecurityGroupNotFound { id }
}

fn is_default(group: &Object) -> bool {
    group.fq_name.name() == default_group::NAME
}

/// A group in an answer.
pub fn answer(view: &View<'_>, group: &Object) -> Value {
    let mut answer = Map::from_iter(
        [
            ("id", group.uuid.to_string().into()),
            ("name", view.shown_name(group).into()),
            ("tenant_id", tenant_of(group).into()),
            ("security_group_rules", rule::of_group(view, group).collect()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    );
    view.add_common(&mut answer, group);
    answer.entry("description").or_insert("".into());
    if view.options.contrail_extensions {
        answer.insert("fq_name".to_owned(), group.fq_name.elements().into());
    }
    answer.into()
}

/// NEU-SG-L1: the groups that a list looks at.
///
/// # Errors
/// `BadRequest` for a tenant that is no uuid, 403 where roles may not read groups.
pub fn listed<'v>(view: &View<'v>) -> Answered<impl Iterator<Item = &'v Arc<Object>> + use<'v>> {
    let groups = view.own(type_name::SECURITY_GROUP)?;
    Ok(groups.filter(|group| group.fq_name.elements() != NO_RULE))
}

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let groups = listed(view)?;
    let view = *view;
    Ok(Box::new(groups.map(move |group| answer(&view, group))))
}

/// NEU-SG-G1: whether the tenant of the context has no group `default` yet. A tenant that is no project needs none.
fn is_missing(view: &View<'_>) -> bool {
    let project = view.request.tenant().and_then(|tenant| view.project(tenant));
    let kind = view.type_id(type_name::SECURITY_GROUP);
    let (Ok(project), Ok(kind)) = (project, kind) else { return false };
    view.graph.find_joined(kind, project.fq_name.child(default_group::NAME).joined()).is_none()
}

fn make(turn: &mut Turn<'_>) -> Answered<Value> {
    let project = Arc::clone(turn.view().project(turn.request.tenant()?)?);
    turn.default_group(&project).map(|_| Value::Null)
}

fn read(view: &View<'_>) -> Answered<Value> {
    let group = view.find(type_name::SECURITY_GROUP, view.request.id(), missing)?;
    Ok(answer(view, group))
}

/// NEU-SG-C1
fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let project = Arc::clone(turn.view().project(request.tenant_of_body()?)?);
    let name = request.required("name", request.text("name")?)?;
    if name == default_group::NAME {
        return Err(Exception::SecurityGroupDefaultAlreadyExists {}.into());
    }
    let everything = ["IPv4", "IPv6"].map(|ethertype| rule::outwards(turn, ethertype));
    let mut body = json!({ (field_name::SECURITY_GROUP_ENTRIES): {(field_name::POLICY_RULE): everything} });
    if let Some(id_perms) = turn.id_perms()? {
        body[field_name::ID_PERMS] = id_perms;
    }
    let group = turn.create_named(type_name::SECURITY_GROUP, &project, body)?;
    let group = tags::add_given(turn, &group)?;
    Ok(answer(&turn.view(), &group))
}

/// NEU-SG-U1
fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let group = Arc::clone(turn.view().find(type_name::SECURITY_GROUP, turn.request.id(), missing)?);
    if is_default(&group) {
        return Err(Exception::SecurityGroupCannotUpdateDefault {}.into());
    }
    let group = turn.update(&group, turn.common_changes()?.into())?;
    let group = tags::add_given(turn, &group)?;
    Ok(answer(&turn.view(), &group))
}

/// NEU-SG-D1. Ports keep it: without it they would let everything in.
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let found = turn.view().find_if_there(type_name::SECURITY_GROUP, turn.request.id())?.cloned();
    let Some(group) = found else { return Ok(Value::Null) };
    // NEU-SG-D2
    if is_default(&group) && group.parent == turn.request.tenant().ok() {
        return Err(Exception::SecurityGroupCannotRemoveDefault {}.into());
    }
    let in_use = |_: &_| Exception::SecurityGroupInUse { id: group.uuid.to_string().into() };
    turn.delete(&group).map_err(|refused| refused.or_if(Kind::Conflict, in_use))?;
    Ok(Value::Null)
}
