//! Drafts of security policy (contrail-api R21: DRF-*): while a scope is in draft mode, what clients ask of its security
//! objects is kept aside, as objects below its draft policy management, until it is committed or discarded.
//!
//! A draft is an object like others, read and listed like others (DRF-9), and below no project, so it does not count
//! until it is committed (DRF-12). What the server makes by itself is never diverted (DRF-11). Requests are decided one
//! after the other, and a commit is one request: nothing comes in between, so no locks are needed (DRF-17, DRF-18).

use crate::{
    access::Right,
    graph::Object,
    model::{ObjectType, field_name, type_name},
    python_literal,
    rules::engine::{
        Decision, Draft, NewLink, Rejection, Work, access,
        delete::{self, delete_side_object},
        permissions, quota, rule, tag_references,
    },
};
use serde_json::Value;
use std::{collections::HashMap, fmt::Write as _, sync::Arc};
use uuid::Uuid;

/// The types concerned, from those that refer to those that are referred to.
pub const DRAFTED_TYPES: [&str; 5] = [
    type_name::APPLICATION_POLICY_SET,
    type_name::FIREWALL_POLICY,
    type_name::FIREWALL_RULE,
    type_name::SERVICE_GROUP,
    type_name::ADDRESS_GROUP,
];
/// The property of a scope that switches the mode.
pub const MODE: &str = field_name::ENABLE_SECURITY_POLICY_DRAFT;
/// The parent of what is in force everywhere.
const DEFAULT_HOLDER: &str = "default-policy-management";
/// The parent of the drafts of a scope.
const HOLDER: &str = "draft-policy-management";
const STATE: &str = field_name::DRAFT_MODE_STATE;
const CREATED: &str = "created";
const UPDATED: &str = "updated";
const DELETED: &str = "deleted";

/// Whether changes of a type may be kept aside as drafts.
pub fn has_drafts(kind: &ObjectType) -> bool {
    DRAFTED_TYPES.contains(&kind.name.as_str())
}

/// The state of a draft; none for what is in force.
fn state(work: &Work, object: &Object) -> Option<String> {
    if !has_drafts(work.type_of(object)) {
        return None;
    }
    work.property(object, STATE)?.as_str().map(str::to_owned)
}

/// Where the drafts of a scope are, while it is in draft mode: of a project, or of the whole system.
fn holder(work: &Work, scope: &Object) -> Option<Arc<Object>> {
    let kind = work.graph.model().find(type_name::POLICY_MANAGEMENT)?;
    let name = match work.type_of(scope).name.as_str() {
        type_name::PROJECT => Arc::clone(scope.fq_name.child(HOLDER).joined()),
        _ => HOLDER.into(),
    };
    work.graph.find_joined(kind, &name).cloned()
}

/// Refuses to members what the server makes: a holder of drafts of their own would be taken for that of a scope.
///
/// # Errors
/// 403
pub fn check_new_holder(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.fq_name.name() != HOLDER || draft.internal || work.identity.is_admin() {
        return Ok(());
    }
    let text = format!("Permission Denied: {HOLDER} is made by the server, where drafts are enabled");
    Err(Rejection::forbidden(text).about("fq_name"))
}

/// The holder of drafts of objects with this parent, if they are to be drafted.
fn holder_for(work: &Work, kind: &ObjectType, parent: Option<&Arc<Object>>) -> Option<Arc<Object>> {
    let parent = parent.filter(|_| has_drafts(kind))?;
    let scope = match work.type_of(parent).name.as_str() {
        type_name::PROJECT => Arc::clone(parent),
        _ if parent.fq_name.joined().as_ref() == DEFAULT_HOLDER => {
            let global = work.graph.model().find(type_name::GLOBAL_SYSTEM_CONFIG)?;
            work.graph.objects_of(global).next().cloned()?
        }
        _ => return None,
    };
    holder(work, &scope).filter(|_| work.property(&scope, MODE) == Some(Value::Bool(true)))
}

/// The draft of an object.
fn draft_of(work: &Work, holder: &Object, object: &Draft) -> Option<Arc<Object>> {
    let name = holder.fq_name.child(object.fq_name.name());
    // What somebody has made there otherwise is no draft.
    work.graph.find_joined(object.type_id, name.joined()).filter(|draft| state(work, draft).is_some()).cloned()
}

/// The draft of an object in force, if there is one.
pub fn pending(work: &Work, object: &Arc<Object>) -> Option<Arc<Object>> {
    let object = Draft::update(work, object);
    let holder = holder_for(work, object.object_type(), object.parent.as_ref())?;
    draft_of(work, &holder, &object)
}

/// What a change of an object starts from (DRF-5): its draft, while there is one, so that no change before is lost.
///
/// # Errors
/// 400 for an object that is about to go (DRF-7).
pub fn basis(work: &Work, object: &Arc<Object>) -> Decision<Arc<Object>> {
    let Some(pending) = pending(work, object) else { return Ok(Arc::clone(object)) };
    if state(work, &pending).as_deref() == Some(DELETED) {
        return Err(Rejection::bad_request(format!(
            "{} {} is in pending delete, cannot be updated",
            work.type_of(object).title,
            pending.fq_name.joined()
        ))
        .by(rule::DRF_7)
        .because_of([pending.uuid]));
    }
    Ok(pending)
}

/// DRF-10: the state is not the client's to set.
///
/// # Errors
/// 400
pub fn check_given(work: &Work, draft: &Draft) -> Decision<()> {
    if draft.internal {
        return Ok(());
    }
    let given = draft.given(STATE).filter(|state| !state.is_null());
    if given.is_some() && given != draft.stored_value(STATE).as_ref() {
        return Err(Rejection::bad_request("Security resource property 'draft_mode_state' is only readable")
            .by(rule::DRF_10)
            .about(STATE));
    }
    check_references(work, draft)
}

/// DRF-7: what is about to go is not referred to.
///
/// # Errors
/// 400
pub fn check_references(work: &Work, draft: &Draft) -> Decision<()> {
    if draft.internal {
        return Ok(());
    }
    let references = draft.given_reference_ids();
    let model = Arc::clone(work.graph.model());
    for reference in draft.object_type().references.iter().filter(|reference| references.contains(&reference.id)) {
        let target_kind = model.object_type(reference.target);
        if !has_drafts(target_kind) {
            continue;
        }
        for target in draft.links(&reference.field).iter().filter_map(|link| work.graph.get(link.target)) {
            let parent = target.parent.and_then(|parent| work.graph.get(parent));
            let Some(holder) = holder_for(work, target_kind, parent) else { continue };
            let pending = work.graph.find_joined(target.type_id, holder.fq_name.child(target.fq_name.name()).joined());
            if pending.is_some_and(|pending| state(work, pending).as_deref() == Some(DELETED)) {
                return Err(Rejection::bad_request(format!(
                    "Referenced {} resource '{}' ({}) is in pending delete state, it cannot be referenced",
                    target_kind.title,
                    target.fq_name.joined(),
                    target.uuid
                ))
                .by(rule::DRF_7)
                .about(&reference.field)
                .because_of([target.uuid]));
            }
        }
    }
    Ok(())
}

/// DRF-4: keeps a create aside; gives it back when it is to be done.
///
/// # Errors
/// 400 for a name that is drafted already, and the refusals of the type.
pub fn divert_create(work: &mut Work, draft: &mut Draft) -> Decision<Option<Arc<Object>>> {
    let Some(holder) = holder_for(work, draft.object_type(), draft.parent.as_ref()) else { return Ok(None) };
    if let Some(pending) = draft_of(work, &holder, draft) {
        return Err(Rejection::bad_request(format!(
            "{} named {} was already created and it is pending to be committed or discarded. You cannot create it again",
            draft.object_type().title,
            draft.fq_name.joined()
        )).by(rule::DRF_4).about("fq_name").because_of([pending.uuid]));
    }
    draft.fq_name = holder.fq_name.child(draft.fq_name.name());
    draft.parent = Some(holder);
    let rules = work.rules_of(draft.type_id);
    (rules.before_create)(work, draft)?;
    draft.set_server_permissions(work);
    draft.set(STATE, CREATED.into());
    work.pending = true;
    Ok(Some(work.save(draft)))
}

/// DRF-5: keeps the first update of an object aside; nothing when it is to be done, as one of a draft is.
///
/// # Errors
/// The refusals of the type.
pub fn divert_update(work: &mut Work, draft: &mut Draft) -> Decision<Option<Arc<Object>>> {
    let Some(stored) = draft.stored.clone().filter(|_| !draft.internal) else { return Ok(None) };
    let Some(holder) = holder_for(work, draft.object_type(), draft.parent.as_ref()) else { return Ok(None) };
    if draft_of(work, &holder, draft).is_some() {
        return Err(Rejection::internal("a change passes by the draft of its object"));
    }
    // What the client may not say is refused here; the copy is the server's.
    let rules = work.rules_of(draft.type_id);
    (rules.before_update)(work, draft)?;
    tag_references::check_references(work, draft)?;
    let mut copy = Draft::copy(work, &draft.build(0), &holder);
    (rules.before_create)(work, &mut copy)?;
    copy.set(STATE, UPDATED.into());
    work.save(&copy);
    work.pending = true;
    Ok(Some(stored))
}

/// DRF-6: keeps a delete aside; false when it is to be done.
///
/// # Errors
/// 409 while something will still refer to it (DRF-8), and the refusals of the type.
pub fn divert_delete(work: &mut Work, object: &Arc<Object>) -> Decision<bool> {
    let as_draft = Draft::update(work, object);
    let Some(holder) = holder_for(work, as_draft.object_type(), as_draft.parent.as_ref()) else { return Ok(false) };
    let rules = work.rules_of(object.type_id);
    let in_the_way = work.graph.all_referrers(object.uuid).filter(|referrer| !goes_or_changes(work, referrer));
    delete::refuse_referred(in_the_way, rule::DRF_8)?;
    (rules.before_delete)(work, object)?;
    let mut copy = match draft_of(work, &holder, &as_draft) {
        Some(pending) => Draft::update(work, &pending),
        None => Draft::copy(work, object, &holder),
    };
    copy.set(STATE, DELETED.into());
    work.save(&copy);
    work.pending = true;
    Ok(true)
}

/// Whether a referrer will not be in the way of a commit: a draft that goes, or what has a draft in its place, which
/// then counts by itself.
fn goes_or_changes(work: &Work, referrer: &Object) -> bool {
    match state(work, referrer).as_deref() {
        Some(DELETED) => true,
        Some(_) => false,
        None => {
            let parent = referrer.parent.and_then(|parent| work.graph.get(parent));
            let holder = holder_for(work, work.type_of(referrer), parent);
            holder.is_some_and(|holder| {
                let name = holder.fq_name.child(referrer.fq_name.name());
                work.graph.find_joined(referrer.type_id, name.joined()).is_some()
            })
        }
    }
}

/// DRF-1, DRF-2, DRF-3: a scope gets its holder of drafts when the mode is switched on, and loses it when it is switched
/// off. Commit and discard leave the mode as it is (DRF-16).
///
/// # Errors
/// 409 while there are drafts.
pub fn follow_mode(work: &mut Work, scope: &Arc<Object>) -> Decision<()> {
    let on = work.property(scope, MODE) == Some(Value::Bool(true));
    match (on, holder(work, scope)) {
        (true, None) => {
            let is_project = work.type_of(scope).name == type_name::PROJECT;
            let mut draft =
                Draft::first_object(work, Some(scope).filter(|_| is_project), type_name::POLICY_MANAGEMENT, HOLDER)?;
            draft.set(field_name::DISPLAY_NAME, HOLDER.into());
            draft.set_server_permissions(work);
            work.save(&draft);
            Ok(())
        }
        (false, Some(holder)) => {
            check_nothing_pending(work, scope, &holder)?;
            delete_side_object(work, &holder)
        }
        _ => Ok(()),
    }
}

fn check_nothing_pending(work: &Work, scope: &Object, holder: &Object) -> Decision<()> {
    let (mut pending, mut in_the_way) = (String::new(), Vec::new());
    for name in DRAFTED_TYPES {
        let kind = work.type_id(name)?;
        in_the_way.extend(work.graph.children_of(holder.uuid, kind).map(|draft| draft.uuid));
        let drafts: Vec<String> = work
            .graph
            .children_of(holder.uuid, kind)
            .map(|draft| format!("{} ({})", draft.fq_name.joined(), draft.uuid))
            .collect();
        if !drafts.is_empty() {
            let title = &work.graph.model().object_type(kind).title;
            // Writing to a text does not fail.
            let _ = write!(pending, "\n\t- {title}s: {}", drafts.join(", "));
        }
    }
    if pending.is_empty() {
        return Ok(());
    }
    let whose = match work.type_of(scope).name.as_str() {
        type_name::PROJECT => format!("scope {} ({})", scope.fq_name.joined(), scope.uuid),
        _ => "global scope".to_owned(),
    };
    Err(Rejection::conflict(format!(
        "Cannot disable security draft mode on {whose} as some pending security resource(s) need to be reviewed:{pending}"
    )).by(rule::DRF_2).about(MODE).because_of(in_the_way))
}

/// PRJ-D1, DRF-19: the holder goes with its project, unless there are drafts.
///
/// # Errors
/// 409 while there are drafts.
pub fn delete_holder(work: &mut Work, scope: &Object) -> Decision<()> {
    holder(work, scope).map_or(Ok(()), |holder| delete_side_object(work, &holder))
}

/// `/security-policy-draft`: what to do with the drafts of a scope.
#[derive(Clone, Debug)]
pub struct ReviewDrafts {
    /// A project, or the global system configuration.
    pub scope: String,
    /// Whether to commit them, or to discard them; none for anything else that was asked for.
    pub commit: Option<bool>,
}

impl ReviewDrafts {
    /// Commits or discards all drafts of a scope (DRF-13, DRF-14, DRF-15).
    ///
    /// # Errors
    /// 404 for an unknown scope, 400 for one without drafts, 412 where committed objects are over a quota.
    pub fn decide(&self, work: &mut Work) -> Decision<()> {
        let scope = crate::rules::engine::update::find_any(work, &self.scope, "Unknown id: ")?;
        access::check_right(&work.identity, Right::Write, &scope)?;
        let holder = holder(work, &scope).filter(|_| work.property(&scope, MODE) == Some(Value::Bool(true)));
        let Some(holder) = holder else {
            let (title, name) = (&work.type_of(&scope).title, python_literal::list(scope.fq_name.elements()));
            let text = format!("Security draft mode is not enabled on the {title} {name} ({})", scope.uuid);
            return Err(Rejection::bad_request(text).by(rule::DRF_13).about("scope_uuid"));
        };
        let Some(commits) = self.commit else {
            return Err(Rejection::bad_request("Only 'commit' or 'discard' actions are supported")
                .by(rule::DRF_13)
                .about("action"));
        };
        let mut drafts: Vec<Arc<Object>> = Vec::new();
        for name in DRAFTED_TYPES {
            drafts.extend(work.graph.children_of(holder.uuid, work.type_id(name)?).cloned());
        }
        if commits {
            return commit(work, &scope, &drafts);
        }
        for draft in drafts {
            work.remove(&draft);
        }
        Ok(())
    }
}

/// DRF-15: what is referred to first, deletes last and the other way round.
fn commit(work: &mut Work, scope: &Arc<Object>, drafts: &[Arc<Object>]) -> Decision<()> {
    let parent = if work.type_of(scope).name == type_name::PROJECT {
        Arc::clone(scope)
    } else {
        let kind = work.type_id(type_name::POLICY_MANAGEMENT)?;
        let parent = work.graph.find_joined(kind, DEFAULT_HOLDER).cloned();
        parent.ok_or_else(|| Rejection::internal("there is no default-policy-management"))?
    };
    let in_state = |work: &Work, wanted: &str| -> Vec<Arc<Object>> {
        drafts.iter().filter(|draft| state(work, draft).as_deref() == Some(wanted)).cloned().collect()
    };
    let (created, updated, deleted) = (in_state(work, CREATED), in_state(work, UPDATED), in_state(work, DELETED));
    let mut originals: HashMap<Uuid, Uuid> = HashMap::new();
    let mut names: HashMap<String, String> = HashMap::new();
    for draft in drafts {
        let name = parent.fq_name.child(draft.fq_name.name());
        names.insert(draft.fq_name.joined().to_string(), name.joined().to_string());
        if let Some(original) = work.graph.find_joined(draft.type_id, name.joined()) {
            originals.insert(draft.uuid, original.uuid);
        }
    }
    for draft in created.iter().rev() {
        enforce_created(work, &parent, draft, &names)?;
    }
    for draft in updated.iter().rev() {
        enforce_updated(work, draft, &originals, &names)?;
    }
    rename_in_other_rules(work, drafts, &names)?;
    for draft in updated {
        if let Some(draft) = work.graph.get(draft.uuid).cloned() {
            move_references(work, &draft, &originals);
            work.remove(&draft);
        }
    }
    for draft in deleted {
        let original = originals.get(&draft.uuid).and_then(|uuid| work.graph.get(*uuid)).cloned();
        for object in original.into_iter().chain(work.graph.get(draft.uuid).cloned()) {
            work.remove(&object);
        }
    }
    Ok(())
}

/// A created object keeps its uuid, so all references to it stay; it gets the name that was asked for.
fn enforce_created(
    work: &mut Work,
    parent: &Arc<Object>,
    draft: &Object,
    names: &HashMap<String, String>,
) -> Decision<()> {
    let fq_name = parent.fq_name.child(draft.fq_name.name());
    let model = Arc::clone(work.graph.model());
    let mut counted =
        Draft::create(Arc::clone(&model), draft.type_id, draft.uuid, fq_name.clone(), Some(Arc::clone(parent)));
    counted.set(field_name::ID_PERMS, work.property(draft, field_name::ID_PERMS).unwrap_or_default());
    quota::check_create(work, &counted)?;
    let mut object = Object::clone(draft);
    object.fq_name = fq_name;
    object.parent = Some(parent.uuid);
    if let Some((state, _)) = model.object_type(draft.type_id).property(STATE) {
        object.set_property(state, None);
    }
    let object = work.put(object, false);
    let mut renamed = Draft::update(work, &object);
    if rename_endpoints(&mut renamed, names) {
        work.save(&renamed);
    }
    Ok(())
}

/// An updated object gets all that its draft has, and loses what its draft lacks.
fn enforce_updated(
    work: &mut Work,
    draft: &Arc<Object>,
    originals: &HashMap<Uuid, Uuid>,
    names: &HashMap<String, String>,
) -> Decision<()> {
    let original = originals.get(&draft.uuid).and_then(|uuid| work.graph.get(*uuid)).cloned();
    let Some(original) = original else { return Err(Rejection::internal("a draft has lost its original")) };
    let model = Arc::clone(work.graph.model());
    let kind = model.object_type(draft.type_id);
    let mut change = Draft::update(work, &original);
    change.internal = true;
    for property in kind.properties.iter().filter(|property| property.name != STATE) {
        change.set(&property.name, work.property(draft, &property.name).unwrap_or_default());
    }
    for reference in &kind.references {
        let links = draft.links_of(reference.id).iter().map(|link| NewLink {
            target: originals.get(&link.target).copied().unwrap_or(link.target),
            attribute: link.attribute.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
        });
        change.set_links(&reference.field, links.collect());
    }
    change.set(field_name::ID_PERMS, permissions::updated_id_perms(&change).unwrap_or_default());
    rename_endpoints(&mut change, names);
    work.save(&change);
    Ok(())
}

/// Rules of other scopes may name the drafts of address groups, too.
fn rename_in_other_rules(work: &mut Work, drafts: &[Arc<Object>], names: &HashMap<String, String>) -> Decision<()> {
    let rule_type = work.type_id(type_name::FIREWALL_RULE)?;
    for draft in drafts {
        let rules: Vec<Arc<Object>> = work.graph.referrers(draft.uuid, rule_type).cloned().collect();
        for rule in rules {
            let mut renamed = Draft::update(work, &rule);
            if rename_endpoints(&mut renamed, names) {
                work.save(&renamed);
            }
        }
    }
    Ok(())
}

/// Endpoints name address groups by text: drafts by the names of drafts.
fn rename_endpoints(draft: &mut Draft, names: &HashMap<String, String>) -> bool {
    let mut renamed = false;
    for name in [field_name::ENDPOINT_1, field_name::ENDPOINT_2] {
        let Some(mut endpoint) = draft.value(name) else { continue };
        let group =
            endpoint.get(field_name::ADDRESS_GROUP).and_then(Value::as_str).and_then(|group| names.get(group)).cloned();
        if let Some(group) = group {
            endpoint[field_name::ADDRESS_GROUP] = group.into();
            draft.set(name, endpoint);
            renamed = true;
        }
    }
    renamed
}

/// What refers to the draft of a changed object refers to the object.
fn move_references(work: &mut Work, draft: &Object, originals: &HashMap<Uuid, Uuid>) {
    let Some(original) = originals.get(&draft.uuid).copied() else { return };
    let referrers: Vec<Arc<Object>> = work.graph.all_referrers(draft.uuid).cloned().collect();
    for referrer in referrers {
        let mut referrer = Object::clone(&referrer);
        let kept = referrer.links.iter().any(|link| link.target == original);
        for link in &mut referrer.links {
            if link.target == draft.uuid && !kept {
                link.target = original;
            }
        }
        referrer.links.retain(|link| link.target != draft.uuid);
        referrer.links.sort_by_key(|link| (link.reference, link.target));
        work.put(referrer, false);
    }
}
