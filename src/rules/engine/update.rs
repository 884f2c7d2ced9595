//! The change of an object: `PUT`, and the actions that change a part of one. All of them end in one place, so that
//! the rules of a type hold whichever way a change comes (GEN-6, GEN-7).

use crate::{
    access::Right,
    graph::Object,
    model::{Model, Reference, ReferenceId, TypeId, field_name},
    python_literal,
    rules::engine::{
        Decision, Document, Draft, GivenLink, NewLink, Purpose, Rejection, Work,
        access::{self, Aspect},
        document::Refused,
        permissions, rule, security_draft, tag_references,
    },
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// All steps of a change, whichever way it came: `PUT`, `ref-update`, `prop-collection-update`, `set-tag`, `chown`, `chmod`. A change
/// that changes nothing is none: rules have nothing to say about it, and the object stays as it is.
///
/// # Errors
/// The refusals of the type's rules.
fn change(work: &mut Work, mut draft: Draft, aspect: Aspect) -> Decision<Arc<Object>> {
    let Some(before) = draft.stored.clone() else { return Err(Rejection::internal("a change of nothing")) };
    // Before it is looked at whether it says anything new, which would tell what is there.
    if !draft.is_empty() {
        access::check_update(work, &before, aspect)?;
    }
    draft.drop_repeated();
    if draft.is_empty() {
        return Ok(before);
    }
    if aspect == Aspect::Permissions {
        return Ok(work.save(&draft));
    }
    access::check_references(work, &draft)?;
    access::check_given_permissions(work, &draft, &before)?;
    security_draft::check_given(work, &draft)?;
    if let Some(pending) = security_draft::divert_update(work, &mut draft)? {
        return Ok(pending);
    }
    let rules = work.rules_of(draft.type_id);
    (rules.before_update)(work, &mut draft)?;
    tag_references::check_references(work, &draft)?;
    let after = work.save(&draft);
    access::check_permissions_after(work, &before, &after)?;
    (rules.after_update)(work, &before, &after)?;
    Ok(after)
}

/// Changes what an object says.
///
/// # Errors
/// The refusals of the type's rules.
pub fn commit(work: &mut Work, draft: Draft) -> Decision<Arc<Object>> {
    change(work, draft, Aspect::Content)
}

/// `PUT`.
#[derive(Clone, Debug)]
pub struct Update {
    /// The type in the path.
    pub type_id: TypeId,
    /// The uuid in the path, as given.
    pub uuid: String,
    /// The checked body; its refusal, with the body, comes after the object's absence.
    pub document: Result<Document, Box<Refused>>,
}

impl Update {
    /// Decides an update on the fork, with the checks in the peer's order (GEN-4). What the body does not name stays,
    /// null removes, and a list of references replaces the stored one (GEN-5).
    ///
    /// # Errors
    /// 404 for an unknown object, then the refusals of the body, then those of the type's rules.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let stored = find(work, self.type_id, &self.uuid)?;
        access::check_visible(&work.identity, &stored)?;
        // An empty body asks for nothing. All else is not even told what would come of it.
        if !self.document.as_ref().is_ok_and(|document| document.body.is_empty()) {
            access::check_right(&work.identity, Right::Write, &stored)?;
        }
        let basis = security_draft::basis(work, &stored);
        let document = match &self.document {
            Ok(document) => document.clone(),
            Err(refused) => {
                let (refusal, body) = &**refused;
                let rest = basis.as_ref().ok().and_then(|basis| without_stored(work, basis, body));
                rest.unwrap_or_else(|| Err(refusal.clone()))?
            }
        };
        let basis = basis?;
        let mut draft = Draft::update(work, &basis);
        for (id, value) in &document.properties {
            draft.set_by_id(*id, value.clone());
        }
        let kind = work.graph.model().object_type(self.type_id);
        for (id, given) in &document.references {
            let links = given.iter().map(|link| resolve(work, self.type_id, *id, link)).collect::<Option<Vec<_>>>();
            let links = links.ok_or_else(|| {
                let field = kind.references.get(usize::from(id.0)).map_or("", |reference| &reference.field);
                let at_fault = document.repeated(field, &work.identity);
                let text = format!("Unknown reference in resource update {} {at_fault}.", kind.field);
                Rejection::bad_request(text).about(field)
            })?;
            draft.set_links_by_id(*id, links);
        }
        match permissions::updated_perms2(work, &draft)? {
            Some(perms2) => draft.set(field_name::PERMS2, perms2),
            None => draft.unset(field_name::PERMS2),
        }
        if draft.given(field_name::ID_PERMS).is_some() {
            draft.set(field_name::ID_PERMS, permissions::updated_id_perms(&draft).unwrap_or_default());
        }
        commit(work, draft)
    }
}

/// A refused body without the values that are stored just so: what is stored already may be what was allowed once, or came
/// from elsewhere, and does not stand in the way of the rest. Nothing, if there are no such values.
fn without_stored(work: &Work, stored: &Object, body: &Map<String, Value>) -> Option<Decision<Document>> {
    let model = Arc::clone(work.graph.model());
    let kind = model.object_type(stored.type_id);
    let mut rest = body.clone();
    let mut repeated = Vec::new();
    for property in &kind.properties {
        let value = stored.property(property.id);
        if value.is_some() && value.as_ref() == body.get(&property.name) {
            rest.remove(&property.name);
            repeated.extend(value.map(|value| (property.id, value)));
        }
    }
    for reference in &kind.references {
        let links = stored.links_of(reference.id);
        let is_stored = |item: &Value| {
            let target =
                item.get("uuid").and_then(Value::as_str).and_then(crate::rules::engine::document::canonical_uuid);
            let link = links.iter().find(|link| Some(link.target) == target);
            let data = link.and_then(|link| link.attribute.as_deref()).unwrap_or("null");
            link.is_some() && serde_json::from_str::<Value>(data).ok().as_ref() == item.get("attr")
        };
        let items = body.get(&reference.field).and_then(Value::as_array);
        if items.is_some_and(|items| items.len() == links.len() && items.iter().all(is_stored)) {
            rest.remove(&reference.field);
        }
    }
    if rest.len() == body.len() {
        return None;
    }
    let document = Document::read(&model, kind, rest, Purpose::Update);
    Some(document.map(|mut document| {
        document.properties.extend(repeated);
        document
    }))
}

/// The object of a path.
///
/// # Errors
/// 404 if there is none, or of another type.
pub fn find(work: &Work, type_id: TypeId, given: &str) -> Decision<Arc<Object>> {
    let uuid = crate::rules::engine::document::canonical_uuid(given);
    let object = uuid.and_then(|uuid| work.graph.get_of_type(type_id, uuid)).cloned();
    object.ok_or_else(|| Rejection::not_found(format!("Unknown id: {given}")).by(rule::GEN_4))
}

/// The object of any type with this uuid.
///
/// # Errors
/// 404 with this text before the id.
pub fn find_any(work: &Work, given: &str, text: &str) -> Decision<Arc<Object>> {
    let object = crate::rules::engine::document::canonical_uuid(given).and_then(|uuid| work.graph.get(uuid)).cloned();
    object.ok_or_else(|| Rejection::not_found(format!("{text}{given}")).about("uuid"))
}

/// In an update the uuid decides where both are given.
fn resolve(work: &Work, type_id: TypeId, reference: ReferenceId, link: &GivenLink) -> Option<NewLink> {
    let kind = work.graph.model().object_type(type_id);
    let target_type = kind.references.get(usize::from(reference.0))?.target;
    let target = match (link.uuid, &link.to) {
        (Some(uuid), _) => work.graph.get_of_type(target_type, uuid),
        (None, Some(to)) => work.graph.find(target_type, to),
        (None, None) => None,
    }?;
    Some(NewLink { target: target.uuid, attribute: link.attribute.clone() })
}

/// `/ref-update`.
#[derive(Clone, Debug)]
pub struct ReferenceUpdate {
    /// The type of the holder.
    pub type_id: TypeId,
    /// The holder.
    pub uuid: String,
    /// Which of its references.
    pub reference: ReferenceId,
    /// The target's uuid, as given; wins over the name.
    pub target_uuid: Option<String>,
    /// The target's name.
    pub target_name: Option<Vec<String>>,
    /// `ADD`, else `DELETE`.
    pub add: bool,
    /// The data of the link, as given.
    pub attribute: Value,
    /// Whether the target may go in spite of this reference.
    pub relax: bool,
}

impl ReferenceUpdate {
    /// Decides the change of one reference; all others stay as they are. The checks are in the peer's order: whether
    /// the target is there, the holder, and then what the target is, of which the peer takes no notice.
    ///
    /// # Errors
    /// 404 for an unknown target (but not of a removal by uuid) or holder, 400 for the link's data.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let model = Arc::clone(work.graph.model());
        let reference = model.object_type(self.type_id).references.get(usize::from(self.reference.0));
        let reference = reference.ok_or_else(|| Rejection::internal("unknown reference"))?;
        let target = self.find_target(work, reference.target)?;
        let stored = find(work, self.type_id, &self.uuid)?;
        access::check_right(&work.identity, Right::Write, &stored)?;
        let basis = security_draft::basis(work, &stored)?;
        let target = target.filter(|target| target.type_id == reference.target);
        if target.is_none() && self.add {
            return Err(Rejection::not_found(format!(
                "Unknown id: {}",
                self.target_uuid.as_deref().unwrap_or_default()
            ))
            .about("ref-uuid"));
        }
        let mut draft = Draft::update(work, &basis);
        let mut links = draft.stored_links(&reference.field);
        if let Some(target) = target {
            links.retain(|link| link.target != target.uuid);
            if self.add {
                let attribute = self.check_attribute(&model, reference, &target)?;
                links.push(NewLink { target: target.uuid, attribute });
                if self.relax {
                    draft.relax(target.uuid);
                }
            }
        }
        draft.set_links(&reference.field, links);
        commit(work, draft)
    }

    /// The object of any type with the uuid, or of this type with the name. None for a removal by a uuid that nobody
    /// has.
    fn find_target(&self, work: &Work, type_id: TypeId) -> Decision<Option<Arc<Object>>> {
        match (&self.target_uuid, &self.target_name) {
            (Some(given), _) if self.add => {
                find_any(work, given, "Unknown id: ").map(Some).map_err(|refusal| refusal.about("ref-uuid"))
            }
            (Some(given), _) => Ok(find_any(work, given, "").ok()),
            (None, Some(name)) => {
                let missing = || {
                    Rejection::not_found(format!("Name {} not found", python_literal::list(name))).about("ref-fq-name")
                };
                work.graph.find(type_id, name).cloned().map(Some).ok_or_else(missing)
            }
            (None, None) => Ok(None),
        }
    }

    /// The data of the link in the form in which it is stored. Texts print the reference as it would be read.
    fn check_attribute(&self, model: &Model, reference: &Reference, target: &Object) -> Decision<Value> {
        let entry = json!({"to": target.fq_name.elements(), "uuid": target.uuid, "attr": self.attribute});
        GivenLink::read(model, reference, &entry, "ref-update").map(|link| link.attribute)
    }
}

/// `/ref-relax-for-delete`.
#[derive(Clone, Debug)]
pub struct RelaxReference {
    /// The holder of the reference.
    pub uuid: String,
    /// Its target.
    pub target: String,
}

impl RelaxReference {
    /// Marks a target, so that references of the holder do not stop its delete: those that there are, and those that
    /// come later (GEN-10).
    ///
    /// # Errors
    /// 404 for an unknown holder.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let unknown = || Rejection::not_found(format!("uuid {} not found", self.uuid)).about("uuid");
        let holder = find_any(work, &self.uuid, "uuid ").map_err(|_| unknown())?;
        access::check_right(&work.identity, Right::Write, &holder)?;
        let target = crate::rules::engine::document::canonical_uuid(&self.target);
        let Some(target) = target.filter(|target| !holder.relaxed().contains(target)) else { return Ok(holder) };
        let mut draft = Draft::update(work, &holder);
        draft.relax(target);
        Ok(work.save(&draft))
    }
}

/// `/chown` and `/chmod`: what of `perms2` is replaced.
#[derive(Clone, Debug)]
pub struct PermissionChange {
    /// The object.
    pub uuid: String,
    /// The members to replace.
    pub members: Map<String, Value>,
}

impl PermissionChange {
    /// Changes `perms2` alone, and `is_shared` with the global access where the type has it.
    ///
    /// # Errors
    /// 404 for an unknown object.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let stored = find_any(work, &self.uuid, "Unknown id: ")?;
        // It holds at once, and a commit of the draft does not take it back.
        if let Some(pending) = security_draft::pending(work, &stored) {
            self.apply(work, &pending)?;
        }
        self.apply(work, &stored)
    }

    fn apply(&self, work: &mut Work, stored: &Arc<Object>) -> Decision<Arc<Object>> {
        let mut draft = Draft::update(work, stored);
        let mut perms2 = draft.stored_value(field_name::PERMS2).unwrap_or_else(|| serde_json::json!({}));
        if let Some(perms2) = perms2.as_object_mut() {
            perms2.extend(self.members.clone());
        }
        draft.set(field_name::PERMS2, perms2);
        if let Some(access) = self.members.get(field_name::GLOBAL_ACCESS) {
            draft.set(field_name::IS_SHARED, Value::Bool(access.as_u64() != Some(0)));
        }
        change(work, draft, Aspect::Permissions)
    }
}
