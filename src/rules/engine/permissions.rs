//! `id_perms` and `perms2`: what every object says about its own history and owner.

use crate::{
    access::CLOUD_ADMIN,
    graph::{Graph, IdPerms, Object, Permissions, PropertyText},
    json_text::{self, Known},
    model::{Model, field_name},
    python_literal,
    rules::engine::{
        Decision, Draft, Rejection, Work, rule,
        rulebook::{DomainAccess, Owner},
    },
    timestamp::Timestamp,
};
use serde_json::{Map, Value, json};
use std::{cell::OnceCell, sync::Arc};
use uuid::Uuid;

/// What a client may say about `id_perms` when it creates an object (contrail-api R21, GEN-17).
const GIVEN_AT_CREATE: [&str; 4] = ["enable", "description", field_name::USER_VISIBLE, "creator"];
/// And when it updates one.
const GIVEN_AT_UPDATE: [&str; 2] = ["enable", "description"];

/// A uuid as two unsigned halves.
fn halves(uuid: Uuid) -> Value {
    let (high, low) = uuid.as_u64_pair();
    json!({"uuid_mslong": high, "uuid_lslong": low})
}

/// The `id_perms` of a new object of which nothing else is said than who makes it. Those of one maker differ in nothing but the uuid and
/// the times, so they are put together once, and not for each object.
pub struct PlainIdPerms {
    owner: String,
    group: String,
    value: OnceCell<Value>,
}

/// Those of some object, by who makes it; none where they are too long to be kept as `IdPerms`.
static KEPT: Known<Option<IdPerms>> = Known::up_to(512);

impl PlainIdPerms {
    /// What is made because of this request.
    pub fn new(work: &Work, has_parent: bool) -> Self {
        let caller = &work.identity.caller;
        let owner = caller.user.as_deref().filter(|_| has_parent).unwrap_or(CLOUD_ADMIN);
        let group = caller.roles.first().map(String::as_str).filter(|_| has_parent).unwrap_or("cloud-admin-group");
        Self::of(owner, group)
    }

    /// What belongs to the server.
    pub fn of_server() -> Self {
        Self::of("contrail-api", "admin")
    }

    fn of(owner: &str, group: &str) -> Self {
        Self { owner: owner.to_owned(), group: group.to_owned(), value: OnceCell::new() }
    }

    /// As a value; `created` and `last_modified` follow when the object is put into the graph.
    pub fn value(&self, uuid: Uuid) -> &Value {
        self.value.get_or_init(|| self.make(uuid))
    }

    fn make(&self, uuid: Uuid) -> Value {
        let Self { owner, group, .. } = self;
        json!({
            "enable": true, "description": null, "user_visible": true, "creator": null,
            "permissions": {"owner": owner, "owner_access": 7, "group": group, "group_access": 7, "other_access": 7},
            "uuid": halves(uuid)
        })
    }

    /// As it is kept; the times follow.
    pub fn kept(&self, uuid: Uuid) -> PropertyText {
        let kept = KEPT.of(&format!("{}\0{}", self.owner, self.group), || {
            Arc::new(IdPerms::of_new(&json_text::text(&self.make(uuid)), Timestamp::default()))
        });
        match &*kept {
            Some(of_another) => PropertyText::IdPerms(Box::new(of_another.of_object(uuid))),
            None => json_text::text(self.value(uuid)).into(),
        }
    }
}

/// Gives a new object its `id_perms`, with what the request says of them.
pub fn set_new_id_perms(work: &Work, draft: &mut Draft) {
    let plain = PlainIdPerms::new(work, draft.parent.is_some());
    let Some(given) = draft.given(field_name::ID_PERMS).cloned() else { return draft.set_plain_id_perms(plain) };
    let mut id_perms = plain.make(draft.uuid);
    copy(Some(&given), &mut id_perms, &GIVEN_AT_CREATE);
    draft.set(field_name::ID_PERMS, id_perms);
}

/// The `id_perms` of an update: the stored ones, with what a client may change.
pub fn updated_id_perms(draft: &Draft) -> Option<Value> {
    let mut id_perms = draft.stored_value(field_name::ID_PERMS)?;
    copy(draft.given(field_name::ID_PERMS), &mut id_perms, &GIVEN_AT_UPDATE);
    Some(id_perms)
}

fn copy(from: Option<&Value>, to: &mut Value, keys: &[&str]) {
    let (Some(from), Some(to)) = (from.and_then(Value::as_object), to.as_object_mut()) else { return };
    for key in keys {
        if let Some(value) = from.get(*key) {
            // What is null is not given, where null is no value of the field.
            if !(value.is_null() && matches!(*key, "enable" | field_name::USER_VISIBLE)) {
                to.insert((*key).to_owned(), value.clone());
            }
        }
    }
}

/// What a create says about the uuid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GivenUuid {
    /// Nothing.
    Absent,
    /// Null: the Python client does. The peer takes the printed null for the owner of a project, and all that is
    /// below it inherits that; recorded so, and kept.
    Null,
    /// A uuid.
    Given,
}

/// The `perms2` of a new object (contrail-api R21, wire contract 2.5).
pub fn new_perms2(work: &Work, draft: &Draft, uuid: GivenUuid, inherited_owner: &str) -> Value {
    let mut perms2 = json!({
        "owner": inherited_owner, "owner_access": 7, "global_access": 0, "share": []
    });
    let owner = work.rules_of(draft.type_id).owner;
    let is_owner_fixed = uuid == GivenUuid::Given && owner == Owner::Itself;
    overlay(&mut perms2, draft.given(field_name::PERMS2), is_owner_fixed);
    if let Some((domain, access)) = domain_share(work, draft)
        && let Some(share) = perms2.get_mut("share").and_then(Value::as_array_mut)
    {
        share.push(json!({"tenant": format!("domain:{domain}"), "tenant_access": access}));
    }
    perms2
}

/// What a domain may do with an object: with itself (DOM-C1), and with what is for all its projects (PERM-7: ST-C1,
/// VDNS-C1). Nothing else about domains is special, the default one included (DOM-U1).
fn domain_share(work: &Work, draft: &Draft) -> Option<(Uuid, u8)> {
    let DomainAccess { itself, access } = work.rules_of(draft.type_id).domain_access?;
    Some((if itself { draft.uuid } else { draft.parent.as_ref()?.uuid }, access))
}

/// Whom a new object belongs to, if it does not say so itself (access contract 5.4).
pub fn inherited_owner(work: &Work, draft: &Draft, uuid: GivenUuid) -> String {
    let project = work.identity.caller.project.as_ref();
    let callers = || project.map_or_else(|| CLOUD_ADMIN.to_owned(), |project| project.id.clone());
    let owner = work.rules_of(draft.type_id).owner;
    match (owner, uuid) {
        (Owner::Itself, GivenUuid::Given) => return draft.uuid.simple().to_string(),
        // Who is known by a token would have made something that it can't use.
        (Owner::Itself, GivenUuid::Null) if work.identity.is_admin() => return "None".to_owned(),
        _ => {}
    }
    let is_owner = |parent: &&Arc<Object>| {
        let is_named = matches!(owner, Owner::CallerBelow(name) if name == work.type_of(parent).name);
        work.rules_of(parent.type_id).is_owner_of_children && !is_named
    };
    let Some(parent) = draft.parent.as_ref().filter(is_owner) else { return callers() };
    let perms2 = work.property(parent, field_name::PERMS2);
    let owner = perms2.as_ref().and_then(|perms2| perms2.get("owner")).and_then(Value::as_str);
    owner.unwrap_or(CLOUD_ADMIN).to_owned()
}

/// Lays what is given over what is there; null counts as not given.
fn overlay(perms2: &mut Value, given: Option<&Value>, keep_owner: bool) {
    let (Some(given), Some(perms2)) = (given.and_then(Value::as_object), perms2.as_object_mut()) else { return };
    for (key, value) in given {
        // PERM-6: what is null, or an owner that is empty, is not said.
        if !(value.is_null() || key == "owner" && *value == "" || keep_owner && key == "owner") {
            perms2.insert(key.clone(), value.clone());
        }
    }
}

/// The `perms2` of an update, if it is given: laid over the stored one, so that no member is ever lost.
///
/// # Errors
/// 400 without an owner.
pub fn updated_perms2(work: &Work, draft: &Draft) -> Decision<Option<Value>> {
    let Some(given) = draft.given(field_name::PERMS2).filter(|given| !given.is_null()) else { return Ok(None) };
    if given.get("owner").is_none_or(Value::is_null) {
        return Err(Rejection::bad_request("owner in perms2 must be present").about("perms2.owner"));
    }
    let stored = draft.stored_value(field_name::PERMS2).unwrap_or_else(|| Value::Object(Map::new()));
    let mut perms2 = stored.clone();
    overlay(&mut perms2, Some(given), false);
    if perms2.get("owner") != stored.get("owner") {
        check_owner(work, perms2.get("owner"))?;
    }
    // What is stored already may be odd, and must stay editable.
    if perms2.get("share") != stored.get("share") {
        check_share(perms2.get("share"))?;
    }
    Ok(Some(perms2))
}

/// PERM-10: whose an object is, where that is said: a project's, or nobody's in particular. What is empty is not said. Cloud admins may
/// write any text there, as contrail-api lets everybody: whom it means is nobody.
///
/// # Errors
/// 400
pub fn check_owner(work: &Work, owner: Option<&Value>) -> Decision<()> {
    let owner = owner.filter(|owner| !work.identity.is_admin() && !owner.is_null() && **owner != "");
    let Some(owner) = owner else { return Ok(()) };
    let is_owner = |owner: &str| owner == CLOUD_ADMIN || Uuid::try_parse(owner).is_ok();
    if owner.as_str().is_some_and(is_owner) {
        return Ok(());
    }
    let text = format!(
        "Bad Request, owner in perms2 must be the uuid of a project or '{CLOUD_ADMIN}', not {}",
        python_literal::value(owner)
    );
    Err(Rejection::bad_request(text).by(rule::PERM_10).about("perms2.owner"))
}

/// PERM-10: whom an object is shared with. An entry that says nobody, or not how far, would be in the way of every list.
///
/// # Errors
/// 400
pub fn check_share(share: Option<&Value>) -> Decision<()> {
    let Some(share) = share.filter(|share| !share.is_null()) else { return Ok(()) };
    if share.as_array().is_some_and(|entries| entries.iter().all(is_share)) {
        return Ok(());
    }
    Err(Rejection::bad_request("Bad Request, invalid share list").by(rule::PERM_10).about("perms2.share"))
}

/// Whether this shares an object with a project (a uuid, as it is or after `tenant:`) or a domain, with an access of 0 to 7.
pub fn is_share(entry: &Value) -> bool {
    let tenant = entry.get("tenant").and_then(Value::as_str).unwrap_or_default();
    let id = tenant.strip_prefix("tenant:").or_else(|| tenant.strip_prefix("domain:")).unwrap_or(tenant);
    let access = entry.get(field_name::TENANT_ACCESS).and_then(Value::as_u64);
    Uuid::try_parse(id).is_ok() && access.is_some_and(|access| access <= 7)
}

/// Writes the time of the change into `id_perms`, and reads from there what the graph keeps beside it.
pub fn stamp(model: &Model, object: &mut Object, before: Option<&Object>, now: Timestamp) {
    let modified = before.map_or(now, |before| Graph::change_time(now, before));
    object.modified = modified;
    let perms2 = model.object_type(object.type_id).property(field_name::PERMS2);
    let perms2_of = |object: &Object| perms2.and_then(|(id, _)| object.plain_text(id).cloned());
    let text = perms2_of(object);
    object.permissions = match before {
        Some(before) if perms2_of(before) == text => Arc::clone(&before.permissions),
        _ => Permissions::shared(text.as_deref()),
    };
    let Some((id, _)) = model.object_type(object.type_id).property(field_name::ID_PERMS) else { return };
    // Nearly always only the times are missing, or only one is another, and nothing need be parsed.
    let text = object.property_text(id);
    let stamped = match (before, text) {
        (Some(before), Some(PropertyText::IdPerms(id_perms))) if before.property_text(id) == text => {
            id_perms.modified(modified)
        }
        (None, Some(PropertyText::Plain(text))) => IdPerms::of_new(text, modified),
        (None, Some(PropertyText::IdPerms(id_perms))) => id_perms.made(modified),
        _ => None,
    };
    if let Some(id_perms) = stamped {
        object.hidden = id_perms.is_hidden();
        object.set_property(id, Some(PropertyText::IdPerms(Box::new(id_perms))));
        return;
    }
    let mut id_perms = object.property(id).unwrap_or_else(|| json!({"enable": true, "uuid": halves(object.uuid)}));
    if let Some(fields) = id_perms.as_object_mut() {
        let created = match before {
            None => Some(Value::from(modified.to_string())),
            Some(before) => before.property(id).and_then(|stored| stored.get("created").cloned()),
        };
        if let Some(created) = created {
            fields.insert("created".to_owned(), created);
        }
        fields.insert(field_name::LAST_MODIFIED.to_owned(), modified.to_string().into());
        object.hidden = fields.get(field_name::USER_VISIBLE) == Some(&Value::Bool(false));
    }
    object.set_property(id, Some(PropertyText::of_id_perms(&json_text::text(&id_perms))));
}
