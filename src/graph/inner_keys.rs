//! Objects by what stands in their values: ports by the MAC addresses that they have, security groups by the uuids of their rules.

use super::Object;
use crate::model::{Model, PropertyId, TypeId, field_name, type_name};
use imbl::OrdSet;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum InnerKey {
    /// A MAC address of a virtual-machine-interface, in whatever case.
    MacAddress,
    /// The uuid of a rule of a security-group.
    Rule,
}

/// The keys in the value of a property.
type Read = fn(&Value) -> Vec<&str>;

/// Where keys of one kind are, and how they are read from the value of the property.
#[derive(Clone, Copy)]
struct Place {
    key: InnerKey,
    type_id: TypeId,
    property: PropertyId,
    read: Read,
}

/// Where they are, by names: a list within the property, and what of its elements is the key.
const PLACES: [(InnerKey, &str, &str, Read); 2] = [
    (
        InnerKey::MacAddress,
        type_name::VIRTUAL_MACHINE_INTERFACE,
        field_name::VIRTUAL_MACHINE_INTERFACE_MAC_ADDRESSES,
        |value| list(value, field_name::MAC_ADDRESS).filter_map(Value::as_str).collect(),
    ),
    (InnerKey::Rule, type_name::SECURITY_GROUP, field_name::SECURITY_GROUP_ENTRIES, |value| {
        list(value, field_name::POLICY_RULE).filter_map(|rule| rule.get(field_name::RULE_UUID)?.as_str()).collect()
    }),
];

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// As keys are compared.
fn normal(key: &str) -> Arc<str> {
    key.to_ascii_lowercase().into()
}

/// Which object has which key; it follows from the objects.
#[derive(Clone)]
pub struct InnerKeys {
    places: Arc<[Place]>,
    found: OrdSet<(InnerKey, Arc<str>, Uuid)>,
}

impl InnerKeys {
    /// None.
    pub fn new(model: &Model) -> Self {
        let place = |(key, type_name, property, read): &(InnerKey, &str, &str, Read)| {
            let type_id = model.find(type_name)?;
            let (property, _) = model.object_type(type_id).property(property)?;
            Some(Place { key: *key, type_id, property, read: *read })
        };
        Self { places: PLACES.iter().filter_map(place).collect(), found: OrdSet::new() }
    }

    /// Follows the change of an object.
    pub fn replace(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(type_id) = after.or(before).map(|object| object.type_id) else { return };
        let places = Arc::clone(&self.places);
        for place in places.iter().filter(|place| place.type_id == type_id) {
            let text = |object: Option<&Object>| object.and_then(|object| object.plain_text(place.property)).cloned();
            if before.is_some() && after.is_some() && text(before) == text(after) {
                continue;
            }
            for (object, is_there) in [(before, false), (after, true)] {
                let value = object.and_then(|object| object.property(place.property)).unwrap_or_default();
                let keys = (place.read)(&value).into_iter().map(normal);
                for entry in keys.filter_map(|key| Some((place.key, key, object?.uuid))) {
                    if is_there {
                        self.found.insert(entry);
                    } else {
                        self.found.remove(&entry);
                    }
                }
            }
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &(InnerKey, Arc<str>, Uuid)> {
        self.found.iter()
    }

    /// The objects that have a key, by uuid.
    pub fn find(&self, key: InnerKey, text: &str) -> impl Iterator<Item = Uuid> + use<'_> {
        let text = normal(text);
        self.found.range((key, Arc::clone(&text), Uuid::nil())..=(key, text, Uuid::max())).map(|(_, _, uuid)| *uuid)
    }
}
