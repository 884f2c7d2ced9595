//! `/set-tag`: tags of an object, one request for all of them (contrail-api R21: TGS-*).

use crate::{
    access::Right,
    graph::Object,
    model::{TypeId, field_name, type_name},
    python_literal,
    rules::engine::{
        Decision, Draft, NewLink, Rejection, Work, access,
        document::canonical_uuid,
        rule, security_draft,
        tag_references::{MANY, REFERENCES, check_label, type_of_tag},
        update,
    },
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// The request.
#[derive(Clone, Debug)]
pub struct SetTag {
    /// The type of the object.
    pub type_id: TypeId,
    /// The object.
    pub uuid: String,
    /// By tag type: null, or what to set, add and delete.
    pub changes: Map<String, Value>,
}

impl SetTag {
    /// Decides the request (TGS-1, for what the caller has found missing in it). When nothing changes, the object is not
    /// written (TGS-7); else it is an update like others, with the rules of the type (TGS-8).
    ///
    /// # Errors
    /// 404 for an unknown object or tag, 400 for what can't be set.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let object = canonical_uuid(&self.uuid).and_then(|uuid| work.graph.get_of_type(self.type_id, uuid)).cloned();
        let object =
            object.ok_or_else(|| Rejection::not_found(format!("Unknown id: {}", self.uuid)).about("obj_uuid"))?;
        access::check_right(&work.identity, Right::Write, &object)?;
        let basis = security_draft::basis(work, &object)?;
        let mut draft = Draft::update(work, &basis);
        let before = by_type(work, draft.stored_links(REFERENCES));
        let mut tags = before.clone();
        for (name, change) in &self.changes {
            let tag_type = name.to_lowercase();
            check_label(work, &draft, &tag_type).map_err(|refusal| refusal.about(name))?;
            let mut links = tags.remove(&tag_type).unwrap_or_default();
            apply(work, &object, &tag_type, change, &mut links)?;
            if !links.is_empty() {
                tags.insert(tag_type, links);
            }
        }
        if tags == before {
            return Ok(object);
        }
        let links = tags.into_values().flatten().map(|(target, attribute)| NewLink { target, attribute });
        draft.set_links(REFERENCES, links.collect());
        update::commit(work, draft)
    }
}

/// The tags that an object has, or will have, with the data of the links.
type Links = BTreeMap<Uuid, Value>;

/// Links by the type of the tag, as there may be as many as changes.
fn by_type(work: &Work, links: Vec<NewLink>) -> BTreeMap<String, Links> {
    let mut tags: BTreeMap<String, Links> = BTreeMap::new();
    for link in links {
        let tag_type = work.graph.get(link.target).map(|tag| type_of_tag(tag).to_owned()).unwrap_or_default();
        tags.entry(tag_type).or_default().insert(link.target, link.attribute);
    }
    tags
}

/// TGS-2, TGS-3, TGS-4: changes the links of one tag type.
fn apply(work: &Work, object: &Object, tag_type: &str, change: &Value, links: &mut Links) -> Decision<()> {
    let no_value = || {
        Rejection::bad_request(format!("No valid value provided for tag type {tag_type}"))
            .by(rule::TGS_3)
            .about(tag_type)
    };
    let change = match change {
        Value::Null => {
            links.clear();
            return Ok(());
        }
        Value::Object(change) => change,
        _ => return Err(no_value()),
    };
    let is_global = change.get("is_global") == Some(&Value::Bool(true));
    let find = |value: &Value| -> Decision<Uuid> {
        let value = value.as_str().filter(|value| !value.is_empty()).ok_or_else(no_value)?;
        let found = find_tag(work, object, &format!("{tag_type}={value}"), is_global);
        found.map(|tag| tag.uuid).map_err(|refusal| refusal.about(tag_type))
    };
    let value = change.get("value").filter(|value| !value.is_null());
    let list = |name: &str| match change.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => Ok(Some(values.as_slice())),
        Some(_) => Err(no_value()),
    };
    let (added, deleted) = (list("add_values")?, list("delete_values")?);
    if !MANY.contains(&tag_type) {
        if added.is_some() || deleted.is_some() {
            let text = format!("Tag type {tag_type} cannot be set multiple times on a same object.");
            return Err(Rejection::bad_request(text).by(rule::TGS_3).about(tag_type));
        }
        let tag = find(value.ok_or_else(no_value)?)?;
        links.retain(|target, _| *target == tag);
        links.insert(tag, Value::Null);
        return Ok(());
    }
    for value in value.into_iter().chain(added.unwrap_or_default()) {
        links.insert(find(value)?, Value::Null);
    }
    for value in deleted.unwrap_or_default() {
        links.remove(&find(value)?);
    }
    Ok(())
}

/// TGS-5, TGS-6: a global tag, or that of the object's project; never one for the other.
fn find_tag(work: &Work, object: &Object, name: &str, is_global: bool) -> Decision<Arc<Object>> {
    let mut fq_name: Vec<String> = Vec::new();
    if !is_global {
        let project = scope(work, object, name)?;
        fq_name.extend(project.fq_name.elements().into_iter().map(str::to_owned));
    }
    fq_name.push(name.to_owned());
    let kind = work.type_id(type_name::TAG)?;
    work.graph.find(kind, &fq_name).cloned().ok_or_else(|| {
        Rejection::not_found(format!("Tag with FQName {} not found", python_literal::list(&fq_name))).by(rule::TGS_6)
    })
}

/// The project whose tags an object has: itself, its parent, or its owner.
fn scope(work: &Work, object: &Object, name: &str) -> Decision<Arc<Object>> {
    let project = work.type_id(type_name::PROJECT)?;
    let find = |uuid: Uuid| work.graph.get_of_type(project, uuid).cloned();
    if let Some(found) = [Some(object.uuid), object.parent].into_iter().flatten().find_map(find) {
        return Ok(found);
    }
    let owner = work.property(object, field_name::PERMS2);
    let owner = owner.as_ref().and_then(|perms2| perms2.get("owner")?.as_str());
    let Some(owner) = owner.and_then(|text| Uuid::try_parse(text).ok()) else {
        return Err(
            Rejection::not_found(format!("Not able to determine the scope of the tag '{name}'")).by(rule::TGS_5)
        );
    };
    let (kind, uuid) = (&work.type_of(object).name, object.uuid);
    find(owner).ok_or_else(|| Rejection::not_found(format!("Cannot find {kind} {uuid} owner")).by(rule::TGS_5))
}
