//! What groups, policies and rules of firewalls have in common (NEU-FW-*).

use super::{
    exception::Exception,
    refused::Answered,
    resource::First,
    turn::Turn,
    view::{View, is_shared_with},
};
use crate::{
    graph::{Grantee, Object},
    model::{field_name, type_name},
    rules::default_firewall,
};
use serde_json::{Map, Value, json};
use std::{cmp::Ordering, sync::Arc};
use uuid::Uuid;

/// What a list makes first: the default firewall of the tenant (NEU-FW-5).
pub const FIRST: First = First { is_missing, make };

/// What everybody may do with what is shared.
const SHARED_ACCESS: u8 = 7;

/// Whose firewall a list names: that of who asks, and of an admin the one tenant that it names.
fn named_tenant(view: &View<'_>) -> Option<Uuid> {
    if !view.is_admin() {
        return view.request.tenant().ok();
    }
    let filters = &view.request.filters;
    match filters.uuids("tenant_id").or_else(|| filters.uuids("project_id"))?.as_slice() {
        [tenant] => Some(*tenant),
        _ => None,
    }
}

/// A tenant that is no project needs none.
fn is_missing(view: &View<'_>) -> bool {
    let project = named_tenant(view).and_then(|tenant| view.project(tenant).ok());
    let kind = view.type_id(type_name::APPLICATION_POLICY_SET);
    let (Some(project), Ok(kind)) = (project, kind) else { return false };
    view.graph.find_joined(kind, project.fq_name.child(default_firewall::NAME).joined()).is_none()
}

fn make(turn: &mut Turn<'_>) -> Answered<Value> {
    if let Some(tenant) = named_tenant(&turn.view()) {
        let project = Arc::clone(turn.view().project(tenant)?);
        turn.default_firewall(&project)?;
    }
    Ok(Value::Null)
}

/// Whether it is in force: drafts of REST are none of Neutron's.
pub fn is_in_force(view: &View<'_>, object: &Object) -> bool {
    view.property(object, field_name::DRAFT_MODE_STATE).is_none()
}

/// The object of a type with an id.
///
/// # Errors
/// `missing` if there is none; 403 if it may not be read.
pub fn find<'v>(
    view: &View<'v>,
    type_name: &str,
    id: &str,
    missing: fn(Value) -> Exception,
) -> Answered<&'v Arc<Object>> {
    let object = view.find(type_name, id, missing)?;
    if is_in_force(view, object) { Ok(object) } else { Err(missing(id.into()).into()) }
}

/// Whether everybody has it, or the tenant of the context.
fn is_shared(view: &View<'_>, object: &Object) -> bool {
    object.permissions.readers().any(|grantee| grantee == Grantee::Everybody)
        || view.request.tenant().is_ok_and(|tenant| is_shared_with(object, tenant))
}

/// What lists look at: of a member its own and what is shared with it, of an admin those of the tenants named, or all. With the filter
/// `id` only these of them.
///
/// # Errors
/// `BadRequest` for a tenant that is no uuid, 403 where roles may not read the type.
pub fn visible<'v>(view: &View<'v>, type_name: &str) -> Answered<Box<dyn Iterator<Item = &'v Arc<Object>> + 'v>> {
    let view = *view;
    let tenant = if view.is_admin() { None } else { Some(view.request.tenant()?) };
    let objects: Box<dyn Iterator<Item = &'v Arc<Object>> + 'v> = match (view.of_ids(type_name)?, tenant) {
        (Some(named), _) => Box::new(named.into_iter()),
        (None, None) => view.of_tenants(type_name)?,
        (None, Some(tenant)) => {
            let shared = view.shared_with(view.type_id(type_name)?, tenant);
            Box::new(View::each_once(view.of_tenants(type_name)?.chain(shared)))
        }
    };
    let is_visible = move |object: &&Arc<Object>| {
        is_in_force(&view, object) && (tenant.is_none() || object.parent == tenant || is_shared(&view, object))
    };
    Ok(Box::new(objects.filter(is_visible)))
}

/// Whose it is; nobody's what holds for all projects.
fn tenant(view: &View<'_>, object: &Object) -> String {
    let project = object.parent.filter(|parent| view.project(*parent).is_ok());
    project.map(|project| project.simple().to_string()).unwrap_or_default()
}

/// The members that all answers have; `state` is what the resource calls its state.
pub fn answer(view: &View<'_>, object: &Object, state: &str) -> Map<String, Value> {
    let id_perms = view.property(object, field_name::ID_PERMS).unwrap_or_default();
    let tenant = tenant(view, object);
    Map::from_iter(
        [
            ("id", object.uuid.to_string().into()),
            ("name", view.shown_name(object).into()),
            ("description", id_perms.get("description").cloned().unwrap_or_default()),
            (state, view.is_enabled(object).into()),
            ("project_id", tenant.as_str().into()),
            ("tenant_id", tenant.as_str().into()),
            ("shared", is_shared(view, object).into()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    )
}

/// What a request says of a new object, which belongs to its tenant; `state` is what it is where the request says nothing.
///
/// # Errors
/// `BadRequest` for what is neither a text nor a flag.
pub fn new(turn: &Turn<'_>, tenant: Uuid, state: (&str, bool)) -> Answered<Map<String, Value>> {
    let request = turn.request;
    let mut id_perms = request.id_perms_with(state.0)?;
    id_perms.entry("enable").or_insert(state.1.into());
    let global_access = if request.flag("shared")? == Some(true) { SHARED_ACCESS } else { 0 };
    let perms2 = json!({"owner": tenant.to_string(), "owner_access": 7, "global_access": global_access, "share": []});
    Ok(Map::from_iter([(field_name::ID_PERMS.to_owned(), id_perms.into()), (field_name::PERMS2.to_owned(), perms2)]))
}

/// What it says of one that is there; what it does not name stays.
///
/// # Errors
/// As of a new one.
pub fn changes(turn: &Turn<'_>, object: &Object, state: &str) -> Answered<Map<String, Value>> {
    let request = turn.request;
    let mut body = Map::new();
    // NEU-GEN-2, NEU-GEN-3
    if let Some(name) = request.text("name")?.filter(|name| !name.is_empty()) {
        body.insert(field_name::DISPLAY_NAME.to_owned(), name.into());
    }
    let id_perms = request.id_perms_with(state)?;
    if !id_perms.is_empty() {
        body.insert(field_name::ID_PERMS.to_owned(), id_perms.into());
    }
    let is_shared = object.permissions.readers().any(|grantee| grantee == Grantee::Everybody);
    if let Some(shared) = request.flag("shared")?.filter(|shared| *shared != is_shared) {
        let mut perms2 = turn.view().property(object, field_name::PERMS2).unwrap_or_default();
        perms2[field_name::GLOBAL_ACCESS] = if shared { SHARED_ACCESS } else { 0 }.into();
        body.insert(field_name::PERMS2.to_owned(), perms2);
    }
    Ok(body)
}

/// References to these, in this order.
pub fn in_order(targets: impl IntoIterator<Item = Uuid>) -> Value {
    let reference = |(position, target): (usize, Uuid)| json!({"uuid": target.to_string(), "attr": default_firewall::sequence(position)});
    targets.into_iter().enumerate().map(reference).collect()
}

/// Where these references lead, in their order: numbers, written as texts by anybody.
pub fn ordered(view: &View<'_>, object: &Object, field: &str) -> Vec<Uuid> {
    let number = |attribute: Option<&str>| {
        let attribute: Value = attribute.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        attribute.get(field_name::SEQUENCE).and_then(Value::as_str)?.parse::<f64>().ok()
    };
    let links = view.links(object, field).iter();
    let mut ordered: Vec<(Option<f64>, Uuid)> =
        links.map(|link| (number(link.attribute.as_deref()), link.target)).collect();
    // What has no number stands last.
    ordered.sort_by(|(one, _), (other, _)| match (one, other) {
        (Some(one), Some(other)) => one.total_cmp(other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
    ordered.into_iter().map(|(_, target)| target).collect()
}

/// The ids of those of these that may be read.
pub fn readable(view: &View<'_>, uuids: impl IntoIterator<Item = Uuid>) -> Vec<String> {
    let may_read = |uuid: &Uuid| view.graph.get(*uuid).is_some_and(|object| view.identity.may_read(object));
    uuids.into_iter().filter(may_read).map(|uuid| uuid.to_string()).collect()
}
