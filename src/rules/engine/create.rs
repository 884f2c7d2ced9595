//! The create of an object: the generic part, in the order of contrail-api's checks (R21, wire contract 2.2).

use crate::{
    graph::{FqName, Object},
    model::{ObjectType, Parent, Reference, TypeId, field_name, type_name},
    python_literal,
    rules::engine::{
        Decision, Document, Draft, GivenLink, NewLink, Rejection, Rules, Work, access,
        document::canonical_uuid,
        permissions::{self, GivenUuid},
        quota, rule,
        rulebook::Owner,
        security_draft, tag_references,
    },
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
pub fn check_name(rules: &Rules, name: &str) -> Decision<()> {
    if name.chars().any(is_illegal_in_xml) {
        return Err(Rejection::bad_request("Bad Request, name has illegal xml characters").about("fq_name"));
    }
    if name.contains(':') && !rules.colons_in_names {
        return Err(Rejection::bad_request("Bad Request, name has one of invalid chars {':'}").about("fq_name"));
    }
    Ok(())
}

/// Makes an object that belongs to another one, with all that its type does around it.
///
/// # Errors
/// The refusals of its type.
pub fn create_side_object(work: &mut Work, mut draft: Draft) -> Decision<Arc<Object>> {
    let rules = work.rules_of(draft.type_id);
    (rules.before_create)(work, &mut draft)?;
    let object = work.save(&draft);
    (rules.after_create)(work, &object)?;
    Ok(object)
}

impl Create {
    /// Decides a create on the fork: all its steps, in the order of contrail-api's checks.
    ///
    /// # Errors
    /// The contract's refusals; then the fork must be dropped.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let rules = work.rules_of(self.type_id);
        match rules.before_name {
            None => self.decide_named(work, rules),
            Some(name) => name(work, self)?.decide_named(work, rules),
        }
    }

    /// The object that has the name already, or the uuid.
    pub fn in_the_way(&self, work: &Work) -> Option<Arc<Object>> {
        let named = work.rules_of(self.type_id).before_name.and_then(|name| name(work, self).ok());
        let fq_name = named.as_ref().map_or(&self.fq_name, |named| &named.fq_name);
        let by_uuid = || work.graph.get(canonical_uuid(self.document.body.get("uuid")?.as_str()?)?);
        work.graph.find(self.type_id, fq_name).or_else(by_uuid).cloned()
    }

    fn decide_named(&self, work: &mut Work, rules: &Rules) -> Decision<Arc<Object>> {
        // Who may not create there is not told which names are taken (W17, PERM-5).
        let parent = self.parent(work, rules);
        if let Ok(parent) = &parent {
            access::check_create(work, self.type_id, parent.as_ref())?;
        }
        self.check_name_is_free(work)?;
        let parent = parent?;
        let mut draft = self.draft(work, parent)?;
        security_draft::check_given(work, &draft)?;
        if let Some(pending) = security_draft::divert_create(work, &mut draft)? {
            return Ok(pending);
        }
        (rules.before_create)(work, &mut draft)?;
        tag_references::check_references(work, &draft)?;
        quota::check_create(work, &draft)?;
        let object = work.save(&draft);
        (rules.after_create)(work, &object)?;
        Ok(object)
    }

    fn check_name_is_free(&self, work: &Work) -> Decision<()> {
        let Some(existing) = work.graph.find(self.type_id, &self.fq_name) else { return Ok(()) };
        let name = python_literal::list(&self.fq_name);
        Err(Rejection::conflict(format!("{name} already exists with uuid: {}", existing.uuid))
            .about("fq_name")
            .because_of([existing.uuid]))
    }

    /// What is asked for, with what the server adds to each object.
    fn draft(&self, work: &Work, parent: Option<Arc<Object>>) -> Decision<Draft> {
        let model = Arc::clone(work.graph.model());
        let kind = model.object_type(self.type_id);
        let (uuid, uuid_given) = self.uuid(work)?;
        let fq_name = FqName::new(&self.fq_name);
        let mut draft = Draft::create(Arc::clone(&model), self.type_id, uuid, fq_name, parent);
        for (id, value) in self.document.properties.iter().filter(|(_, value)| !value.is_null()) {
            draft.set_by_id(*id, value.clone());
        }
        let perms2 = draft.given(field_name::PERMS2);
        permissions::check_owner(work, perms2.and_then(|perms2| perms2.get("owner")))?;
        permissions::check_share(perms2.and_then(|perms2| perms2.get("share")))?;
        permissions::set_new_id_perms(work, &mut draft);
        let owner = permissions::inherited_owner(work, &draft, uuid_given);
        draft.set(field_name::PERMS2, permissions::new_perms2(work, &draft, uuid_given, &owner));
        if draft.given(field_name::DISPLAY_NAME).is_none() {
            draft.set(field_name::DISPLAY_NAME, self.fq_name.last().cloned().unwrap_or_default().into());
        }
        for (id, given) in &self.document.references {
            let Some(reference) = kind.references.get(usize::from(id.0)) else { continue };
            let links = given.iter().map(|link| self.resolve(work, reference, link)).collect::<Decision<Vec<_>>>()?;
            if !links.is_empty() {
                draft.set_links_by_id(*id, links);
            }
        }
        access::check_new(work, &draft, &owner, uuid_given == GivenUuid::Given)?;
        Ok(draft)
    }

    /// In a create the name decides where both are given.
    fn resolve(&self, work: &Work, reference: &Reference, link: &GivenLink) -> Decision<NewLink> {
        let target = match &link.to {
            Some(to) => work.graph.find(reference.target, to),
            None => link.uuid.and_then(|uuid| work.graph.get_of_type(reference.target, uuid)),
        };
        let target = target.ok_or_else(|| {
            let at_fault = self.document.repeated(&reference.field, &work.identity);
            let text = format!("Unknown reference in resource create {at_fault}.");
            Rejection::bad_request(text).about(&reference.field)
        })?;
        Ok(NewLink { target: target.uuid, attribute: link.attribute.clone() })
    }

    /// Which type the parent is of; none at the top level.
    fn parent_type(&self, work: &Work, kind: &ObjectType, rules: &Rules) -> Decision<Option<TypeId>> {
        let names = || python_literal::list(work.graph.model().parent_names(kind));
        let given = match self.document.body.get("parent_type") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.as_str()),
            Some(other) => {
                let text = format!("Invalid parent type: {}. Allowed types: {}", python_literal::value(other), names());
                return Err(Rejection::bad_request(text).about("parent_type"));
            }
        };
        let top = kind.parents.contains(&Parent::ConfigRoot);
        let former = rules.former_parent.and_then(|name| Some((name, self.former_parent(work, name)?)));
        let parent = match (given, kind.parents.as_slice()) {
            (Some(type_name::CONFIG_ROOT), _) if top => None,
            (Some(given), _) if former.is_some_and(|(name, _)| name == given) => former.map(|(_, id)| id),
            (Some(given), parents) => {
                let wanted = work.graph.model().find(given).map(Parent::Type);
                let Some(Parent::Type(id)) = wanted.filter(|wanted| parents.contains(wanted)) else {
                    let text = format!("Invalid parent type: {given}. Allowed types: {}", names());
                    return Err(Rejection::bad_request(text).about("parent_type"));
                };
                Some(id)
            }
            // The only one possible is what every client means that names none (GEN-16).
            (None, [Parent::Type(only)]) => Some(*only),
            (None, _) if top => None,
            (None, _) => {
                let text = format!("Missing parent type: None. Allowed types: {}", names());
                return Err(Rejection::bad_request(text).by(rule::GEN_16).about("parent_type"));
            }
        };
        let printed = || python_literal::list(&self.fq_name);
        match parent {
            None if self.fq_name.len() > 1 => {
                let text = format!("Invalid fq-name of an object with no parent: {}", printed());
                Err(Rejection::bad_request(text).about("fq_name"))
            }
            Some(parent) if self.fq_name.len() < 2 => {
                let parent = &work.graph.model().object_type(parent).name;
                let text = format!("Invalid fq-name for object with parent_type {parent}: {}", printed());
                Err(Rejection::bad_request(text).about("fq_name"))
            }
            parent => Ok(parent),
        }
    }

    /// The type of parent that was allowed once, if the name says such an object as parent.
    fn former_parent(&self, work: &Work, type_name: &str) -> Option<TypeId> {
        let former = work.graph.model().find(type_name)?;
        let (_, above) = self.fq_name.split_last()?;
        work.graph.find(former, above).map(|_| former)
    }

    /// The parent: the object that the name says, whatever `parent_uuid` is; none at the top level.
    fn parent(&self, work: &Work, rules: &Rules) -> Decision<Option<Arc<Object>>> {
        let kind = work.graph.model().object_type(self.type_id);
        let Some(parent_type) = self.parent_type(work, kind, rules)? else { return Ok(None) };
        let parent_kind = work.graph.model().object_type(parent_type);
        let body = &self.document.body;
        let has_owner = body.get("perms2").and_then(|perms2| perms2.get("owner")).is_some_and(|owner| !owner.is_null());
        let owner_is_known = !work.rules_of(parent_type).is_owner_of_children
            || has_owner
            || rules.owner == Owner::Itself && body.contains_key("uuid");
        if let Some(given) = body.get("parent_uuid").and_then(Value::as_str).filter(|_| !owner_is_known) {
            let found = canonical_uuid(given).and_then(|uuid| work.graph.get_of_type(parent_type, uuid));
            if found.is_none() {
                let text = format!("Parent {} cannot be found: Unknown id: {given}", parent_kind.name);
                return Err(Rejection::not_found(text).about("parent_uuid"));
            }
        }
        let name = self.fq_name.split_last().map_or(&[][..], |(_, rest)| rest);
        work.graph.find(parent_type, name).cloned().map(Some).ok_or_else(|| {
            let printed = python_literal::list(name);
            // Two answers, as the peer gives them: it misses the parent where it looks for the owner, or later.
            if owner_is_known {
                Rejection::bad_request(format!("Parent {printed} type {} does not exist", parent_kind.name))
                    .about("fq_name")
            } else {
                Rejection::not_found(format!("Name{printed} not found")).about("fq_name")
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
        let uuid = uuid.ok_or_else(|| Rejection::bad_request(format!("Invalid UUID format: {given}")).about("uuid"))?;
        if let Some(existing) = work.graph.get(uuid) {
            let name = python_literal::list(existing.fq_name.elements());
            return Err(Rejection::conflict(format!("{uuid} already exists with fq_name: {name}"))
                .about("uuid")
                .because_of([existing.uuid]));
        }
        Ok((uuid, GivenUuid::Given))
    }
}
