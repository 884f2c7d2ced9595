//! Elements of list and map properties, each with its text as it stands in the text of the property.

use crate::{
    graph::{JsonText, Object},
    model::{Collection, Property, PropertyId},
};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{fmt, ops::Range, sync::Arc};
use uuid::Uuid;

/// The elements of a property of an object, by the bytes of their positions or keys.
pub struct Elements {
    object: Uuid,
    property: PropertyId,
    text: JsonText,
    /// Position or key, and where in the text.
    list: Vec<(Arc<str>, Range<usize>)>,
}

impl Elements {
    /// Of a property of this object that is set to this text.
    pub fn of(object: &Object, property: &Property, text: &JsonText) -> Self {
        let (wrapper, key) = match &property.collection {
            Collection::None => ("", None),
            Collection::List { wrapper } => (wrapper.as_str(), None),
            Collection::Map { wrapper, key } => (wrapper.as_str(), Some(key)),
        };
        let array = member(text, wrapper);
        // What is no array has no elements.
        let elements = array.and_then(|array| serde_json::from_str::<Vec<&RawValue>>(array.get()).ok());
        let positions = object.positions.get(&property.id);
        let named = elements.into_iter().flatten().enumerate().map(|(index, element)| {
            let name = match (key, positions.and_then(|positions| positions.get(index))) {
                (Some(key), _) => member(element.get(), key).map_or_else(|| "".into(), text_of),
                (None, Some(position)) => position.as_str().into(),
                (None, None) => index.to_string().into(),
            };
            let start = element.get().as_ptr().addr() - text.as_ptr().addr();
            (name, start..start + element.get().len())
        });
        let mut list: Vec<(Arc<str>, Range<usize>)> = named.collect();
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        // A column is there once: what was written last.
        list.reverse();
        list.dedup_by(|(one, _), (other, _)| one == other);
        list.reverse();
        Self { object: object.uuid, property: property.id, text: Arc::clone(text), list }
    }

    /// Whether they are of this property of this object, of which there is one state in a snapshot.
    pub fn are_of(&self, object: Uuid, property: PropertyId) -> bool {
        (self.object, self.property) == (object, property)
    }

    /// Those that come after this one, with their texts.
    pub fn after(&self, name: Option<&[u8]>) -> impl Iterator<Item = (&Arc<str>, &str)> {
        let first = name.map_or(0, |name| self.list.partition_point(|(other, _)| other.as_bytes() <= name));
        let rest = self.list.get(first..).unwrap_or_default();
        rest.iter().map(|(name, range)| (name, self.text.get(range.clone()).unwrap_or("null")))
    }
}

/// A text, or what else it is, as text.
fn text_of(value: &RawValue) -> Arc<str> {
    serde_json::from_str::<String>(value.get()).map_or_else(|_| value.get().into(), Into::into)
}

/// A member of a JSON object.
fn member<'a>(object: &'a str, name: &str) -> Option<&'a RawValue> {
    Member(name).deserialize(&mut serde_json::Deserializer::from_str(object)).ok().flatten()
}

struct Member<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = members.next_key_seed(Is(self.0))? {
            if is_it {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a text is this one.
struct Is<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(text == self.0)
    }
}
