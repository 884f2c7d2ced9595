//! Elements of list and map properties in the order of their columns, to go on with after an interruption.

use crate::{
    graph::{JsonText, Object, elements},
    model::{Property, PropertyId},
};
use std::{ops::Range, sync::Arc};
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
    /// Of a property that this object has, with this text.
    pub fn of(object: &Object, property: &Property, text: &JsonText) -> Self {
        let placed = elements(object, property).into_iter().map(|element| {
            let start = element.json.as_ptr().addr() - text.as_ptr().addr();
            (element.key.into(), start..start + element.json.len())
        });
        let mut list: Vec<(Arc<str>, Range<usize>)> = placed.collect();
        list.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
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
