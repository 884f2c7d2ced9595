//! An object on its way into the graph: what a request asks for, completed by the rules.

use crate::{
    graph::{FqName, Hold, JsonText, Link, Object},
    json_text,
    model::{Collection, Model, ObjectType, Property, PropertyId, Reference, ReferenceId, TypeId, field_name},
    rules::engine::{
        Decision, Work,
        document::normal_collection,
        permissions::{self, GivenUuid, PlainIdPerms},
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
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
    /// `id_perms`, while nothing is said of them.
    plain_id_perms: Option<(PropertyId, PlainIdPerms)>,
    /// Properties that the request gives as they are stored: no part of the change.
    repeated: BTreeSet<PropertyId>,
    /// Positions of the elements of list properties that are given.
    positions: BTreeMap<PropertyId, Vec<String>>,
    /// References given or filled in: each the whole list of its kind.
    links: BTreeMap<ReferenceId, Vec<NewLink>>,
    /// Targets that the references of this object do not protect, also references that are yet to come.
    relaxed: Vec<Uuid>,
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
            plain_id_perms: None,
            repeated: BTreeSet::new(),
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
        draft.relaxed = stored.relaxed().to_vec();
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
        draft.set(field_name::DISPLAY_NAME, name.into());
        draft.set_server_permissions(work);
        Ok(draft)
    }

    /// What the server makes by itself has the defaults of the model where nothing else is said (contrail-api R21, wire
    /// contract 8); what clients make has what they send.
    fn fill_defaults(&mut self) {
        let model = Arc::clone(&self.model);
        let has_already = self.plain_id_perms.as_ref().map(|(id, _)| *id);
        for (id, default) in model.object_type(self.type_id).defaults().filter(|(id, _)| Some(*id) != has_already) {
            self.properties.entry(id).or_insert_with(|| default.clone());
        }
    }

    /// The same for the fields of one property.
    pub fn fill_defaults_in(&mut self, name: &str) {
        let model = Arc::clone(&self.model);
        let Some((id, property)) = model.object_type(self.type_id).property(name) else { return };
        let Some(Value::Object(fields)) = self.properties.get_mut(&id) else { return };
        for (field, default) in model.field_defaults(property) {
            fields.entry(field).or_insert_with(|| default.clone());
        }
    }

    /// Of a new object that has its `id_perms`. What the server makes because of a request belongs to the server; what it makes at
    /// the first start belongs to the administrator of the cloud.
    pub fn set_server_permissions(&mut self, work: &Work) {
        self.internal = true;
        if work.provisioning {
            return;
        }
        if let Some((_, plain)) = &mut self.plain_id_perms {
            *plain = PlainIdPerms::of_server();
            return;
        }
        let id_perms = self.property_id(field_name::ID_PERMS).and_then(|id| self.properties.get_mut(&id));
        if let Some(permissions) = id_perms.and_then(|id_perms| id_perms.get_mut("permissions")?.as_object_mut()) {
            permissions.insert("owner".to_owned(), "contrail-api".into());
            permissions.insert("group".to_owned(), "admin".into());
        }
    }

    /// A new object as the server makes it at first start: without a display name, and with the defaults of the model.
    ///
    /// # Errors
    /// Internal, if the model lacks the type.
    pub fn first_object(work: &Work, parent: Option<&Arc<Object>>, type_name: &str, name: &str) -> Decision<Self> {
        let mut draft = Self::bare_object(work, parent, type_name, name)?;
        draft.fill_defaults();
        Ok(draft)
    }

    /// The same with nothing but a name and permissions.
    ///
    /// # Errors
    /// Internal, if the model lacks the type.
    pub fn bare_object(work: &Work, parent: Option<&Arc<Object>>, type_name: &str, name: &str) -> Decision<Self> {
        let fq_name = parent.map_or_else(|| FqName::new(&[name]), |parent| parent.fq_name.child(name));
        let model = Arc::clone(work.graph.model());
        let mut draft = Self::create(model, work.type_id(type_name)?, work.new_uuid(), fq_name, parent.cloned());
        permissions::set_new_id_perms(work, &mut draft);
        let owner = permissions::inherited_owner(work, &draft, GivenUuid::Absent);
        draft.set(field_name::PERMS2, permissions::new_perms2(work, &draft, GivenUuid::Absent, &owner));
        Ok(draft)
    }

    /// A new object with the contents of another, but for what `id_perms` says of who made it and when.
    pub fn copy(work: &Work, from: &Object, parent: &Arc<Object>) -> Self {
        let model = Arc::clone(work.graph.model());
        let fq_name = parent.fq_name.child(from.fq_name.name());
        let mut draft = Self::create(model, from.type_id, work.new_uuid(), fq_name, Some(Arc::clone(parent)));
        draft.internal = true;
        for (id, text) in &from.properties {
            draft.set_by_id(*id, serde_json::from_str(&text.text()).unwrap_or_default());
        }
        let mut references: Vec<ReferenceId> = from.links.iter().map(|link| link.reference).collect();
        references.dedup();
        for reference in references {
            draft.set_links_by_id(reference, new_links(from.links_of(reference)));
        }
        permissions::set_new_id_perms(work, &mut draft);
        draft.set_server_permissions(work);
        draft
    }

    /// Makes a new object one that users do not see.
    pub fn hide(&mut self) {
        let mut id_perms = self.value(field_name::ID_PERMS).unwrap_or_default();
        if let Some(fields) = id_perms.as_object_mut() {
            fields.insert(field_name::USER_VISIBLE.to_owned(), false.into());
        }
        self.set(field_name::ID_PERMS, id_perms);
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
        let id = self.property_id(name)?;
        let plain = || self.plain_id_perms.as_ref().filter(|(id_perms, _)| *id_perms == id);
        self.properties.get(&id).or_else(|| plain().map(|(_, plain)| plain.value(self.uuid)))
    }

    /// Whether users do not see what it will be.
    pub fn is_hidden(&self) -> bool {
        let says_so = |id_perms: Value| id_perms.get(field_name::USER_VISIBLE) == Some(&Value::Bool(false));
        self.plain_id_perms.is_none() && self.value(field_name::ID_PERMS).is_some_and(says_so)
    }

    /// The same, and what the request says as it is stored, too: for rules about fields that must agree with each other.
    pub fn sent(&self, name: &str) -> Option<Value> {
        let id = self.property_id(name)?;
        let repeated = || self.stored.as_ref().filter(|_| self.repeated.contains(&id))?.property(id);
        self.given(name).cloned().or_else(repeated)
    }

    /// Takes out of a change what is as it is stored. Clients write back what they have read, all of it, and mean the part
    /// that they changed: about the rest there is nothing to decide, so no rule speaks of it.
    pub fn drop_repeated(&mut self) {
        let Some(stored) = self.stored.clone() else { return };
        let model = Arc::clone(&self.model);
        let kind = model.object_type(self.type_id);
        let Self { properties, repeated, positions, links, .. } = self;
        properties.retain(|id, value| {
            let property = kind.properties.get(usize::from(id.0));
            let is_stored = property.is_some_and(|property| value_is_stored(&model, property, &stored, value))
                && positions.get(id).is_none_or(|given| positions_are_stored(&stored, *id, given));
            if is_stored {
                repeated.insert(*id);
                positions.remove(id);
            }
            !is_stored
        });
        links.retain(|id, given| {
            let new = stored_links(*id, given);
            let old = stored.links_of(*id);
            // What names a target twice may mean both.
            let reference = kind.references.get(usize::from(id.0));
            let is_same = |(new, old): (&Link, &Link)| {
                reference.is_some_and(|reference| link_is_stored(&model, reference, old, new))
            };
            given.len() != old.len() || new.len() != old.len() || !new.iter().zip(old).all(is_same)
        });
    }

    /// Whether nothing is left to be changed.
    pub fn is_empty(&self) -> bool {
        let stored = self.stored.as_ref();
        self.properties.is_empty()
            && self.links.is_empty()
            && stored.is_some_and(|stored| stored.relaxed() == self.relaxed && stored.hold == self.hold)
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

    /// Sets the `id_perms` of a new object.
    pub fn set_plain_id_perms(&mut self, plain: PlainIdPerms) {
        self.plain_id_perms = self.property_id(field_name::ID_PERMS).map(|id| (id, plain));
    }

    /// Sets a property; null removes it.
    pub fn set_by_id(&mut self, id: PropertyId, value: Value) {
        self.plain_id_perms.take_if(|(id_perms, _)| *id_perms == id);
        self.positions.remove(&id);
        self.properties.insert(id, value);
    }

    /// Takes back what the request says about a property.
    pub fn unset(&mut self, name: &str) {
        if let Some(id) = self.property_id(name) {
            self.plain_id_perms.take_if(|(id_perms, _)| *id_perms == id);
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

    /// Marks a target: references of this object do not stop its delete (GEN-10). The mark counts for all of them, and
    /// stays when they go, until the target goes.
    pub fn relax(&mut self, target: Uuid) {
        if !self.relaxed.contains(&target) {
            self.relaxed.push(target);
        }
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
            let property = kind.properties.get(usize::from(id.0));
            let collection = property.map(|property| &property.collection);
            object.set_positions(*id, self.positions.get(id).cloned());
            if value.is_null() || collection.is_some_and(|collection| is_empty_collection(collection, value)) {
                object.set_property(*id, None);
                object.set_positions(*id, None);
                continue;
            }
            let text = match collection {
                // Whoever completed it: its elements stand in the order of their keys.
                Some(collection @ Collection::Map { .. }) => {
                    json_text::text(&normal_collection(collection, value.clone()))
                }
                _ => json_text::text(value),
            };
            // Each object has another one, which is in memory for a moment only.
            let is_its_own = property.is_some_and(|property| property.name == field_name::ID_PERMS);
            let text = if is_its_own { JsonText::from(text) } else { json_text::shared(&text) };
            object.set_property(*id, Some(text.into()));
        }
        if let Some((id, plain)) = &self.plain_id_perms {
            object.set_property(*id, Some(plain.kept(self.uuid)));
        }
        for (id, links) in &self.links {
            object.set_links(*id, stored_links(*id, links));
        }
        object.set_relaxed(self.relaxed.clone());
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

/// Whether a property is stored with this checked value; null and an empty collection are not stored. What is stored may
/// have another form than the check gives it.
fn value_is_stored(model: &Model, property: &Property, stored: &Object, value: &Value) -> bool {
    if value.is_null() || is_empty_collection(&property.collection, value) {
        return stored.property_text(property.id).is_none();
    }
    let normal = |value: Value| normal_collection(&property.collection, value);
    let given = normal(value.clone());
    let Some(stored) = stored.property(property.id).map(normal) else { return false };
    stored == given || model.check_property(property, stored).is_ok_and(|stored| normal(stored) == given)
}

/// Whether the elements of a list stand at these positions.
fn positions_are_stored(stored: &Object, id: PropertyId, given: &[String]) -> bool {
    match stored.positions().get(&id) {
        Some(known) => known == given,
        None => given.iter().enumerate().all(|(index, position)| *position == index.to_string()),
    }
}

/// Whether a link with checked data is stored, in whatever form.
fn link_is_stored(model: &Model, reference: &Reference, stored: &Link, link: &Link) -> bool {
    let data = |link: &Link| link.attribute.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let checked = || model.check_attribute(reference, &json!({ "attr": data(stored) })).unwrap_or_default();
    link.target == stored.target
        && (link.attribute == stored.attribute
            || data(link) == data(stored)
            || data(link).unwrap_or_default() == checked())
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
