//! The create of an object: the generic part, in the order of contrail-api's checks (R21, wire contract 2.2).

use super::{
    Decision, Document, Draft, NewLink, Rejection, Work,
    document::canonical_uuid,
    permissions::{self, GivenUuid},
    quota, rules_of, security_draft, tag_references,
};
use crate::{
    graph::{FqName, Object},
    model::{ObjectType, Parent, TypeId},
    python_literal,
};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// A create as it comes from the wire.
#[derive(Clone, Debug)]
pub struct Create {
    /// The type.
    pub type_id: TypeId,
    /// The name asked for, not empty.
    pub fq_name: Vec<String>,
    /// The checked body.
    pub document: Document,
    /// The uuid that the server has chosen for it already, if the body says none.
    pub chosen: Option<Uuid>,
}

/// Characters that XML 1.0 does not allow, or discourages (contrail-api R21, names).
fn is_illegal_in_xml(character: char) -> bool {
    matches!(u32::from(character),
        0..=8 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f..=0x84 | 0x86..=0x9f | 0xfdd0..=0xfddf)
        || u32::from(character) & 0xfffe == 0xfffe
}

/// Checks the last element of a name.
///
/// # Errors
/// 400 for a character that names may not have.
pub fn check_name(kind: &ObjectType, name: &str) -> Decision<()> {
    if name.chars().any(is_illegal_in_xml) {
        return Err(Rejection::bad_request("Bad Request, name has illegal xml characters"));
    }
    if name.contains(':') && kind.name != "route-target" {
        return Err(Rejection::bad_request("Bad Request, name has one of invalid chars {':'}"));
    }
    Ok(())
}

/// Makes an object that belongs to another one, with all that its type does around it.
///
/// # Errors
/// The refusals of its type.
pub fn create_side_object(work: &mut Work, mut draft: Draft) -> Decision<Arc<Object>> {
    let rules = rules_of(&draft.object_type().name);
    (rules.before_create)(work, &mut draft)?;
    let object = work.save(&draft);
    (rules.after_create)(work, &object)?;
    Ok(object)
}

impl Create {
    /// Decides a create on the fork.
    ///
    /// # Errors
    /// The contract's refusals; then the fork must be dropped.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let kind = &work.graph.model().object_type(self.type_id).name;
        match rules_of(kind).before_name {
            None => self.decide_named(work),
            Some(name) => name(work, self)?.decide_named(work),
        }
    }

    /// The object that has the name already, or the uuid.
    pub fn in_the_way(&self, work: &Work) -> Option<Arc<Object>> {
        let kind = &work.graph.model().object_type(self.type_id).name;
        let named = rules_of(kind).before_name.and_then(|name| name(work, self).ok());
        let fq_name = named.as_ref().map_or(&self.fq_name, |named| &named.fq_name);
        let by_uuid = || work.graph.get(canonical_uuid(self.document.body.get("uuid")?.as_str()?)?);
        work.graph.find(self.type_id, fq_name).or_else(by_uuid).cloned()
    }

    fn decide_named(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let model = Arc::clone(work.graph.model());
        let kind = model.object_type(self.type_id);
        if let Some(existing) = work.graph.find(self.type_id, &self.fq_name) {
            let name = python_literal::list(&self.fq_name);
            return Err(Rejection::conflict(format!("{name} already exists with uuid: {}", existing.uuid)));
        }
        let parent_type = self.parent_type(work, kind)?;
        let parent = parent_type.map(|parent| self.parent(work, kind, parent)).transpose()?;
        let (uuid, uuid_given) = self.uuid(work)?;
        let fq_name = FqName::new(&self.fq_name);
        let mut draft = Draft::create(Arc::clone(&model), self.type_id, uuid, fq_name, parent);
        for (id, value) in self.document.properties.iter().filter(|(_, value)| !value.is_null()) {
            draft.set_by_id(*id, value.clone());
        }
        permissions::check_share(draft.given("perms2").and_then(|perms2| perms2.get("share")))?;
        draft.set("id_perms", permissions::new_id_perms(work, &draft));
        draft.set("perms2", permissions::new_perms2(work, &draft, uuid_given));
        if draft.given("display_name").is_none() {
            draft.set("display_name", self.fq_name.last().cloned().unwrap_or_default().into());
        }
        for (id, given) in &self.document.references {
            let Some(reference) = kind.references.get(usize::from(id.0)) else { continue };
            let links = given.iter().map(|link| {
                let by_name = link.to.as_ref().and_then(|to| work.graph.find(reference.target, to));
                // In a create the name decides where both are given.
                let by_uuid = || link.uuid.and_then(|uuid| work.graph.get_of_type(reference.target, uuid));
                let target = if link.to.is_some() { by_name } else { by_uuid() };
                let target = target.ok_or_else(|| {
                    let text = format!("Unknown reference in resource create {}.", self.document.literal());
                    Rejection::bad_request(text)
                })?;
                Ok(NewLink { target: target.uuid, attribute: link.attribute.clone() })
            });
            let links = links.collect::<Decision<Vec<_>>>()?;
            if !links.is_empty() {
                draft.set_links_by_id(*id, links);
            }
        }
        security_draft::check_given(work, &draft)?;
        if let Some(pending) = security_draft::divert_create(work, &mut draft)? {
            return Ok(pending);
        }
        let rules = rules_of(&kind.name);
        (rules.before_create)(work, &mut draft)?;
        tag_references::check_references(work, &draft)?;
        quota::check_create(work, &draft)?;
        let object = work.save(&draft);
        (rules.after_create)(work, &object)?;
        Ok(object)
    }

    /// Which type the parent is of; none at the top level.
    fn parent_type(&self, work: &Work, kind: &ObjectType) -> Decision<Option<TypeId>> {
        let names = || python_literal::list(work.graph.model().parent_names(kind));
        let given = match self.document.body.get("parent_type") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.as_str()),
            Some(other) => {
                let text = format!("Invalid parent type: {}. Allowed types: {}", python_literal::value(other), names());
                return Err(Rejection::bad_request(text));
            }
        };
        let top = kind.parents.contains(&Parent::ConfigRoot);
        let project = if kind.name == "virtual-machine" { self.project_above(work) } else { None };
        let parent = match (given, kind.parents.as_slice()) {
            (Some("config-root"), _) if top => None,
            (Some("project"), _) if project.is_some() => project,
            (Some(given), parents) => {
                let wanted = work.graph.model().find(given).map(Parent::Type);
                let Some(Parent::Type(id)) = wanted.filter(|wanted| parents.contains(wanted)) else {
                    let text = format!("Invalid parent type: {given}. Allowed types: {}", names());
                    return Err(Rejection::bad_request(text));
                };
                Some(id)
            }
            // The only one possible is what every client means that names none (GEN-16).
            (None, [Parent::Type(only)]) => Some(*only),
            (None, _) if top => None,
            (None, _) => {
                let text = format!("Missing parent type: None. Allowed types: {}", names());
                return Err(Rejection::bad_request(text));
            }
        };
        let printed = || python_literal::list(&self.fq_name);
        match parent {
            None if self.fq_name.len() > 1 => {
                let text = format!("Invalid fq-name of an object with no parent: {}", printed());
                Err(Rejection::bad_request(text))
            }
            Some(parent) if self.fq_name.len() < 2 => {
                let parent = &work.graph.model().object_type(parent).name;
                let text = format!("Invalid fq-name for object with parent_type {parent}: {}", printed());
                Err(Rejection::bad_request(text))
            }
            parent => Ok(parent),
        }
    }

    /// The type project, if the name says a project as parent. Release 1.2 of the Kubernetes network manager creates
    /// virtual machines below projects, as contrail-api allowed before R3.2, and does not survive a refusal.
    fn project_above(&self, work: &Work) -> Option<TypeId> {
        let project = work.graph.model().find("project")?;
        let (_, above) = self.fq_name.split_last()?;
        work.graph.find(project, above).map(|_| project)
    }

    /// The parent: the object that the name says, whatever `parent_uuid` is.
    fn parent(&self, work: &Work, kind: &ObjectType, parent_type: TypeId) -> Decision<Arc<Object>> {
        let parent_kind = work.graph.model().object_type(parent_type);
        let body = &self.document.body;
        let is_domain = parent_kind.name == "domain";
        let has_owner = body.get("perms2").and_then(|perms2| perms2.get("owner")).is_some_and(|owner| !owner.is_null());
        let owner_is_known = is_domain || has_owner || kind.name == "project" && body.contains_key("uuid");
        if let Some(given) = body.get("parent_uuid").and_then(Value::as_str).filter(|_| !owner_is_known) {
            let found = canonical_uuid(given).and_then(|uuid| work.graph.get_of_type(parent_type, uuid));
            if found.is_none() {
                let text = format!("Parent {} cannot be found: Unknown id: {given}", parent_kind.name);
                return Err(Rejection::not_found(text));
            }
        }
        let name = self.fq_name.split_last().map_or(&[][..], |(_, rest)| rest);
        work.graph.find(parent_type, name).cloned().ok_or_else(|| {
            let printed = python_literal::list(name);
            // Two answers, as the peer gives them: it misses the parent where it looks for the owner, or later.
            if owner_is_known {
                Rejection::bad_request(format!("Parent {printed} type {} does not exist", parent_kind.name))
            } else {
                Rejection::not_found(format!("Name{printed} not found"))
            }
        })
    }

    /// The uuid asked for, or a new one, and which of them it is.
    fn uuid(&self, work: &Work) -> Decision<(Uuid, GivenUuid)> {
        let new = || self.chosen.unwrap_or_else(|| work.new_uuid());
        let given = match self.document.body.get("uuid") {
            None => return Ok((new(), GivenUuid::Absent)),
            Some(Value::Null) => return Ok((new(), GivenUuid::Null)),
            Some(Value::String(text)) if text.is_empty() => return Ok((new(), GivenUuid::Absent)),
            Some(Value::String(text)) => text.clone(),
            Some(other) => python_literal::value(other),
        };
        let uuid = canonical_uuid(&given);
        let uuid = uuid.ok_or_else(|| Rejection::bad_request(format!("Invalid UUID format: {given}")))?;
        if let Some(existing) = work.graph.get(uuid) {
            let name = python_literal::list(existing.fq_name.elements());
            return Err(Rejection::conflict(format!("{uuid} already exists with fq_name: {name}")));
        }
        Ok((uuid, GivenUuid::Given))
    }
}
