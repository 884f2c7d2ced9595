//! Whether who asks may do it: a step of each create, update and delete, decided in the same state of the graph as all else. What
//! rules do by themselves beside a request is not asked for (ROLE-8). Refusals name no object that who asks may not read.

use crate::{
    access::{Identity, Right},
    graph::Object,
    model::{TypeId, field_name},
    python_literal,
    rules::engine::{Decision, Draft, Rejection, Work, rejection::Text, rule, rulebook::Owner},
};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// Which side of an object a change is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aspect {
    /// What the object says: the rules of its type speak of it, and a draft may keep it aside.
    Content,
    /// Who may do what with it. It holds at once, and no type has a rule about it.
    Permissions,
}

/// Whether this may be done with an object; one that is hidden is not there for anybody but cloud admins (access contract 5.9).
///
/// # Errors
/// 404 for a hidden one, 403 without the right (PERM-4).
pub fn check_right(identity: &Identity, right: Right, object: &Object) -> Decision<()> {
    check_visible(identity, object)?;
    if identity.may(right, object) {
        return Ok(());
    }
    Err(Rejection::forbidden(identity.refusal(right)).by(rule::PERM_4))
}

/// Whether an object is there for who asks.
///
/// # Errors
/// 404 for a hidden one.
pub fn check_visible(identity: &Identity, object: &Object) -> Decision<()> {
    if object.hidden && !identity.is_admin() {
        return Err(Rejection::not_found(format!("This object is not visible by users: {}", object.uuid)));
    }
    Ok(())
}

/// Whether an object of this type may be made, below this parent: without one nothing is asked for. Each parent wants to be written
/// to, but for those that are only referred to by what is below them (access contract 5.3).
///
/// # Errors
/// 403, 404
pub fn check_create(work: &Work, type_id: TypeId, parent: Option<&Arc<Object>>) -> Decision<()> {
    if let Some(parent) = parent {
        return check_right(&work.identity, work.rules_of(parent.type_id).right_to_create_below, parent);
    }
    if work.rules_of(type_id).is_for_all && !work.identity.is_admin() {
        let kind = &work.graph.model().object_type(type_id).name;
        let text = format!(
            "Permission Denied: a {kind} without a parent holds for all projects, and is made by cloud admins only"
        );
        return Err(Rejection::forbidden(text).by(rule::PERM_4));
    }
    Ok(())
}

/// Whether a new object may be what it says of itself: hidden, whose it is, and what it refers to. With `chosen` its uuid is one that
/// the client has chosen: a project that is its own owner is made so by its members alone, or it would be somebody else's.
///
/// # Errors
/// 400 for one that is hidden, 403 for one that is to be another project's (W12), or refers to what may not be referred to.
pub fn check_new(work: &Work, draft: &Draft, inherited_owner: &str, chosen: bool) -> Decision<()> {
    if work.identity.is_admin() {
        return Ok(());
    }
    if draft.is_hidden() {
        return Err(Rejection::bad_request("This object is not visible by users").about("id_perms.user_visible"));
    }
    let project = work.identity.caller.project_uuid();
    let owns_itself = work.rules_of(draft.type_id).owner == Owner::Itself;
    if owns_itself && chosen && project != Some(draft.uuid) {
        let kind = &draft.object_type().name;
        let text =
            format!("Permission Denied: only its own members and cloud admins create a {kind} with a given uuid");
        return Err(Rejection::forbidden(text).about("uuid"));
    }
    let owner = draft.given(field_name::PERMS2).and_then(|perms2| perms2.get("owner")?.as_str()).unwrap_or_default();
    let uuid = Uuid::try_parse(owner).ok();
    let is_own = uuid.is_some() && uuid == project;
    if !is_own && owner != inherited_owner {
        let text = "Permission Denied: only cloud admins create objects that belong to another project";
        return Err(Rejection::forbidden(text).about("perms2.owner"));
    }
    check_references(work, draft)
}

/// Whether what a draft newly refers to may be referred to. What it refers to already stays, whatever has become of the shares, and
/// can be taken away (W16).
///
/// # Errors
/// 403, 404
pub fn check_references(work: &Work, draft: &Draft) -> Decision<()> {
    if work.identity.is_admin() {
        return Ok(());
    }
    for id in draft.given_reference_ids() {
        let Some(reference) = draft.object_type().references.get(usize::from(id.0)) else { continue };
        for link in draft.given_links(&reference.field).unwrap_or_default() {
            let is_stored = draft.stored.as_ref().is_some_and(|stored| stored.link(id, link.target).is_some());
            if let Some(target) = work.graph.get(link.target).filter(|_| !is_stored) {
                check_right(&work.identity, Right::Link, target).map_err(|refusal| refusal.about(&reference.field))?;
            }
        }
    }
    Ok(())
}

/// Whether this object may be changed. Who may do what with it is said by its owner, and by nobody who may only write to it (W10); an
/// owner that has taken the right to write from itself is no exception (PERM-13).
///
/// # Errors
/// 403, 404
pub fn check_update(work: &Work, object: &Arc<Object>, aspect: Aspect) -> Decision<()> {
    match aspect {
        Aspect::Content => check_right(&work.identity, Right::Write, object),
        Aspect::Permissions => {
            check_visible(&work.identity, object)?;
            let may = |right| work.identity.may(right, object);
            if may(Right::Read) && may(Right::Write) && work.identity.owns(&object.permissions) {
                return Ok(());
            }
            // As clients know it, with its leading blank.
            Err(Rejection::forbidden(" Permission denied").by(rule::PERM_12))
        }
    }
}

/// Whether what a change has made of the permissions of an object was allowed, however it came about: by `perms2`, or by a property
/// that goes with it, like `is_shared`.
///
/// # Errors
/// 403
pub fn check_permissions_after(work: &Work, before: &Object, after: &Object) -> Decision<()> {
    if before.permissions == after.permissions || work.identity.owns(&before.permissions) {
        return Ok(());
    }
    Err(not_its_owner())
}

/// The same of a change that may be kept aside as a draft, before it is: what it says of permissions would come into force with
/// the others.
///
/// # Errors
/// 403
pub fn check_given_permissions(work: &Work, draft: &Draft, before: &Object) -> Decision<()> {
    if draft.given(field_name::PERMS2).is_none() || work.identity.owns(&before.permissions) {
        return Ok(());
    }
    Err(not_its_owner())
}

fn not_its_owner() -> Rejection {
    let text = "Permission Denied: only its owner and cloud admins change who may do what with an object";
    Rejection::forbidden(text).by(rule::PERM_12).about("perms2")
}

/// Whether this object may be deleted: by who may write to it and owns it (W8).
///
/// # Errors
/// 403, 404
pub fn check_delete(work: &Work, object: &Arc<Object>) -> Decision<()> {
    check_right(&work.identity, Right::Write, object)?;
    if work.identity.owns(&object.permissions) {
        return Ok(());
    }
    Err(Rejection::forbidden(work.identity.refusal(Right::Write)).by(rule::PERM_4))
}

/// What stands in a text for an object that who asks may not read.
const SOMETHING: &str = "(not yours to see)";
/// How many objects are taken out of a text by name. Of one that names more the rest is left out: to look for each of thousands
/// would hold up everybody.
const MOST_NAMED: usize = 8;

/// A refusal as who asks may read it: without the uuids and names of objects that are not for it (W17), but for what the request
/// says itself.
pub fn seen(work: &Work, mut refusal: Rejection, request: impl FnOnce() -> String) -> Rejection {
    if work.identity.sees_everything() {
        return refusal;
    }
    // What went with the request is not told either.
    let may_read = |uuid: Uuid| work.graph.get(uuid).is_some_and(|object| work.identity.may_read(object));
    let objects = std::mem::take(&mut refusal.objects);
    match &mut refusal.text {
        Text::WithObjects { objects, .. } => objects.retain(|(_, uuid)| may_read(*uuid)),
        Text::Plain(text) | Text::Json(text) => {
            let named = uuids_in(text).into_iter().map(|(_, uuid)| uuid).filter(|uuid| work.graph.get(*uuid).is_some());
            let hidden: BTreeSet<Uuid> = named.chain(objects.iter().copied()).filter(|uuid| !may_read(*uuid)).collect();
            if !hidden.is_empty() {
                *text = without(work, text, &hidden, &request());
            }
        }
    }
    refusal.objects = objects.into_iter().filter(|uuid| may_read(*uuid)).collect();
    refusal
}

/// A text without the uuids and names of these objects, as far as the request does not say them.
fn without(work: &Work, text: &str, hidden: &BTreeSet<Uuid>, request: &str) -> String {
    let said: BTreeSet<Uuid> = uuids_in(request).into_iter().map(|(_, uuid)| uuid).collect();
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    let places = uuids_in(text).into_iter().filter(|(_, uuid)| hidden.contains(uuid) && !said.contains(uuid));
    for (place, _) in places {
        let (before, from) = rest.split_at_checked(place - (text.len() - rest.len())).unwrap_or((rest, ""));
        told.push_str(before);
        told.push_str(SOMETHING);
        rest = from.get(UUID_LENGTH..).unwrap_or_default();
    }
    told.push_str(rest);
    if hidden.len() > MOST_NAMED {
        // Their names may be anywhere in it.
        return told.split(['\'', '(', '[', ':']).next().unwrap_or_default().trim_end().to_owned() + " " + SOMETHING;
    }
    for object in hidden.iter().filter_map(|uuid| work.graph.get(*uuid)) {
        let name = &object.fq_name;
        if name.elements().into_iter().all(|element| request.contains(element)) {
            continue;
        }
        for whole in [python_literal::list(name.elements()), name.joined().to_string()] {
            told = told.replace(&whole, SOMETHING);
        }
        told = without_word(&told, name.name());
    }
    told
}

/// A text without a name that stands alone in it.
fn without_word(text: &str, name: &str) -> String {
    let is_part = |character: Option<char>| {
        character.is_some_and(|character| character.is_alphanumeric() || matches!(character, '-' | '_' | '.'))
    };
    let (mut told, mut copied) = (String::with_capacity(text.len()), 0);
    for (place, _) in text.match_indices(name).filter(|_| !name.is_empty()) {
        let (before, after) =
            (text.get(..place).unwrap_or_default(), text.get(place + name.len()..).unwrap_or_default());
        if !is_part(before.chars().next_back()) && !is_part(after.chars().next()) {
            told.push_str(text.get(copied..place).unwrap_or_default());
            told.push_str(SOMETHING);
            copied = place + name.len();
        }
    }
    told.push_str(text.get(copied..).unwrap_or_default());
    told
}

/// With dashes.
const UUID_LENGTH: usize = 36;

/// The uuids that a text names, with dashes, and where each begins.
fn uuids_in(text: &str) -> Vec<(usize, Uuid)> {
    let mut found: Vec<(usize, Uuid)> = Vec::new();
    for (dash, _) in text.match_indices('-') {
        let Some(start) =
            dash.checked_sub(8).filter(|start| found.last().is_none_or(|(last, _)| *start >= last + UUID_LENGTH))
        else {
            continue;
        };
        let uuid = text.get(start..start + UUID_LENGTH).and_then(|text| Uuid::try_parse(text).ok());
        found.extend(uuid.map(|uuid| (start, uuid)));
    }
    found
}
