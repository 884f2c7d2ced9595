//! An object on its way into the graph: what a request asks for, completed by the rules.

use super::{
    Decision, Work,
    permissions::{self, GivenUuid},
};
use crate::{
    graph::{FqName, Hold, Link, Object},
    json_text,
    model::{Collection, Model, ObjectType, PropertyId, ReferenceId, TypeId},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

/// A reference asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewLink {
    /// The object to refer to; it exists.
    pub target: Uuid,
    /// The data of the link, or null.
    pub attribute: Value,
}

/// A new object, or the change of a stored one.
pub struct Draft {
    model: Arc<Model>,
    /// Its type.
    pub type_id: TypeId,
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub fq_name: FqName,
    /// Its parent.
    pub parent: Option<Arc<Object>>,
    /// The state that is changed; none in a create.
    pub stored: Option<Arc<Object>>,
    /// Properties given or filled in; null removes.
    properties: BTreeMap<PropertyId, Value>,
    /// Positions of the elements of list properties that are given.
    positions: BTreeMap<PropertyId, Vec<String>>,
    /// References given or filled in: each the whole list of its kind.
    links: BTreeMap<ReferenceId, Vec<NewLink>>,
    /// References whose target this object's existence shall not protect.
    pub relaxed: Vec<Uuid>,
    /// The address taken.
    pub hold: Option<Hold>,
    /// Made by the server because of something else: what clients may not set is set (GEN-12).
    pub internal: bool,
}

impl Draft {
    /// A new object.
    pub fn create(
        model: Arc<Model>,
        type_id: TypeId,
        uuid: Uuid,
        fq_name: FqName,
        parent: Option<Arc<Object>>,
    ) -> Self {
        Self {
            model,
            type_id,
            uuid,
            fq_name,
            parent,
            stored: None,
            properties: BTreeMap::new(),
            positions: BTreeMap::new(),
            links: BTreeMap::new(),
            relaxed: Vec::new(),
            hold: None,
            internal: false,
        }
    }

    /// The change of a stored object.
    pub fn update(work: &Work, stored: &Arc<Object>) -> Self {
        let parent = stored.parent.and_then(|uuid| work.graph.get(uuid)).cloned();
        let model = Arc::clone(work.graph.model());
        let mut draft = Self::create(model, stored.type_id, stored.uuid, stored.fq_name.clone(), parent);
        draft.relaxed.clone_from(&stored.relaxed);
        draft.hold = stored.hold;
        draft.stored = Some(Arc::clone(stored));
        draft
    }

    /// A new object that the server makes because of another one: owned by the server, as the peer's are. It goes into
    /// the graph without the checks that clients' requests meet (GEN-12).
    ///
    /// # Errors
    /// Internal, if the model lacks the type.
    pub fn child(work: &Work, parent: &Arc<Object>, type_name: &str, name: &str) -> Decision<Self> {
        let mut draft = Self::first_object(work, Some(parent), type_name, name)?;
        draft.set("display_name", name.into());
        draft.set_server_permissions(work);
        Ok(draft)
    }

    /// What the server makes because of a request belongs to the server.
    pub fn set_server_permissions(&mut self, work: &Work) {
        self.internal = true;
        let mut id_perms = permissions::new_id_perms(work, self);
        if let Some(permissions) = id_perms.get_mut("permissions").and_then(Value::as_object_mut) {
            permissions.insert("owner".to_owned(), "contrail-api".into());
            permissions.insert("group".to_owned(), "admin".into());
        }
        self.set("id_perms", id_perms);
    }

    /// A new object as the server makes it at first start: without a display name.
    ///
    /// # Errors
    /// Internal, if the model lacks the type.
    pub fn first_object(work: &Work, parent: Option<&Arc<Object>>, type_name: &str, name: &str) -> Decision<Self> {
        let fq_name = parent.map_or_else(|| FqName::new(&[name]), |parent| parent.fq_name.child(name));
        let model = Arc::clone(work.graph.model());
        let mut draft = Self::create(model, work.type_id(type_name)?, work.new_uuid(), fq_name, parent.cloned());
        draft.set("id_perms", permissions::new_id_perms(work, &draft));
        draft.set("perms2", permissions::new_perms2(work, &draft, GivenUuid::Absent));
        Ok(draft)
    }

    /// A new object with the contents of another, but for its permissions.
    pub fn copy(work: &Work, from: &Object, parent: &Arc<Object>) -> Self {
        let model = Arc::clone(work.graph.model());
        let fq_name = parent.fq_name.child(from.fq_name.name());
        let mut draft = Self::create(model, from.type_id, work.new_uuid(), fq_name, Some(Arc::clone(parent)));
        draft.internal = true;
        for (id, text) in &from.properties {
            draft.set_by_id(*id, serde_json::from_str(text).unwrap_or_default());
        }
        let mut references: Vec<ReferenceId> = from.links.iter().map(|link| link.reference).collect();
        references.dedup();
        for reference in references {
            draft.set_links_by_id(reference, new_links(from.links_of(reference)));
        }
        draft.unset("id_perms");
        draft.set_server_permissions(work);
        draft
    }

    /// The same changes, to another object of the type.
    pub fn redirect(&self, work: &Work, stored: &Arc<Object>) -> Self {
        let mut draft = Self::update(work, stored);
        draft.properties.clone_from(&self.properties);
        draft.positions.clone_from(&self.positions);
        draft.links.clone_from(&self.links);
        draft.unset("id_perms");
        draft
    }

    /// Makes a new object one that users do not see.
    pub fn hide(&mut self) {
        let mut id_perms = self.value("id_perms").unwrap_or_default();
        if let Some(fields) = id_perms.as_object_mut() {
            fields.insert("user_visible".to_owned(), false.into());
        }
        self.set("id_perms", id_perms);
    }

    /// The type of the object.
    pub fn object_type(&self) -> &ObjectType {
        self.model.object_type(self.type_id)
    }

    fn property_id(&self, name: &str) -> Option<PropertyId> {
        self.object_type().property(name).map(|(id, _)| id)
    }

    fn reference_id(&self, field: &str) -> Option<ReferenceId> {
        self.object_type().reference(field).map(|(id, _)| id)
    }

    /// What the request says about a property: nothing, null, or a value.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.properties.get(&self.property_id(name)?)
    }

    /// What is stored now.
    pub fn stored_value(&self, name: &str) -> Option<Value> {
        self.stored.as_ref()?.property(self.property_id(name)?)
    }

    /// The value that the property will have.
    pub fn value(&self, name: &str) -> Option<Value> {
        match self.given(name) {
            Some(value) => Some(value.clone()).filter(|value| !value.is_null()),
            None => self.stored_value(name),
        }
    }

    /// Sets a property; null removes it.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Some(id) = self.property_id(name) {
            self.set_by_id(id, value);
        }
    }

    /// Sets a property; null removes it.
    pub fn set_by_id(&mut self, id: PropertyId, value: Value) {
        self.positions.remove(&id);
        self.properties.insert(id, value);
    }

    /// Takes back what the request says about a property.
    pub fn unset(&mut self, name: &str) {
        if let Some(id) = self.property_id(name) {
            self.properties.remove(&id);
        }
    }

    /// Sets a list property with the positions of its elements.
    pub fn set_positioned(&mut self, id: PropertyId, value: Value, positions: Vec<String>) {
        self.properties.insert(id, value);
        self.positions.insert(id, positions);
    }

    /// The references of one kind in the request; none if it says nothing of them.
    pub fn given_links(&self, field: &str) -> Option<&[NewLink]> {
        self.links.get(&self.reference_id(field)?).map(Vec::as_slice)
    }

    /// The references of one kind that are stored now.
    pub fn stored_links(&self, field: &str) -> Vec<NewLink> {
        let Some(id) = self.reference_id(field) else { return Vec::new() };
        self.stored.as_ref().map(|stored| new_links(stored.links_of(id))).unwrap_or_default()
    }

    /// The references of one kind that the object will have.
    pub fn links(&self, field: &str) -> Vec<NewLink> {
        self.given_links(field).map_or_else(|| self.stored_links(field), <[NewLink]>::to_vec)
    }

    /// Replaces the references of one kind.
    pub fn set_links(&mut self, field: &str, links: Vec<NewLink>) {
        if let Some(id) = self.reference_id(field) {
            self.set_links_by_id(id, links);
        }
    }

    /// Replaces the references of one kind.
    pub fn set_links_by_id(&mut self, id: ReferenceId, links: Vec<NewLink>) {
        self.links.insert(id, links);
    }

    /// The kinds of references that are given.
    pub fn given_reference_ids(&self) -> Vec<ReferenceId> {
        self.links.keys().copied().collect()
    }

    /// The object as it shall be, but for `id_perms` and `modified`.
    pub fn build(&self, created: u64) -> Object {
        let mut object = self.stored.as_deref().cloned().unwrap_or_else(|| Object {
            parent: self.parent.as_ref().map(|parent| parent.uuid),
            ..Object::new(self.uuid, self.type_id, self.fq_name.clone(), created)
        });
        let kind = self.object_type();
        for (id, value) in &self.properties {
            let collection = kind.properties.get(usize::from(id.0)).map(|property| &property.collection);
            object.positions.remove(id);
            if value.is_null() || collection.is_some_and(|collection| is_empty_collection(collection, value)) {
                object.set_property(*id, None);
                continue;
            }
            object.set_property(*id, Some(json_text::shared(&json_text::text(value))));
            if let Some(positions) = self.positions.get(id) {
                object.positions.insert(*id, positions.clone());
            }
        }
        for (id, links) in &self.links {
            object.set_links(*id, stored_links(*id, links));
        }
        object.relaxed.clone_from(&self.relaxed);
        if !object.relaxed.is_empty() {
            let targets: HashSet<Uuid> = object.links.iter().map(|link| link.target).collect();
            object.relaxed.retain(|uuid| targets.contains(uuid));
        }
        object.hold = self.hold;
        // There are many objects, and what is spare is spare in each.
        object.properties.shrink_to_fit();
        object
    }
}

fn is_empty_collection(collection: &Collection, value: &Value) -> bool {
    let wrapper = match collection {
        Collection::None => return false,
        Collection::List { wrapper } | Collection::Map { wrapper, .. } => wrapper,
    };
    value.get(wrapper).is_none_or(|items| items.as_array().is_none_or(Vec::is_empty))
}

fn new_links(links: &[Link]) -> Vec<NewLink> {
    let parse = |link: &Link| NewLink {
        target: link.target,
        attribute: link.attribute.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null),
    };
    links.iter().map(parse).collect()
}

/// The links to store: the last one wins where a target is named twice.
fn stored_links(reference: ReferenceId, links: &[NewLink]) -> Vec<Link> {
    let by_target: BTreeMap<Uuid, &NewLink> = links.iter().map(|link| (link.target, link)).collect();
    let store = |link: &NewLink| Link {
        reference,
        target: link.target,
        attribute: (!link.attribute.is_null()).then(|| json_text::shared(&json_text::text(&link.attribute))),
    };
    by_target.into_values().map(store).collect()
}
