//! Elements of list and map properties in the order of their columns, to go on with after an interruption.

use crate::{
    graph::{JsonText, Object, elements},
    model::{Collection, Property, PropertyId},
};
use std::{ops::Range, sync::Arc};
use uuid::Uuid;

/// The elements of a property of an object, by the bytes of their positions or keys.
pub struct Elements {
    object: Uuid,
    property: PropertyId,
    text: JsonText,
    /// What stands in the column, the position or key, and where in the text.
    list: Vec<(Arc<str>, Arc<str>, Range<usize>)>,
}

impl Elements {
    /// Of a property that this object has, with this text.
    pub fn of(object: &Object, property: &Property, text: &JsonText, colons: Colons) -> Self {
        let placed = elements(object, property).into_iter().map(|element| {
            let start = element.json.as_ptr().addr() - text.as_ptr().addr();
            let key: Arc<str> = element.key.into();
            (in_column(property, &key, colons), key, start..start + element.json.len())
        });
        let mut list: Vec<_> = placed.collect();
        list.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        Self { object: object.uuid, property: property.id, text: Arc::clone(text), list }
    }

    /// Whether they are of this property of this object, of which there is one state in a snapshot.
    pub fn are_of(&self, object: Uuid, property: PropertyId) -> bool {
        (self.object, self.property) == (object, property)
    }

    /// Those that come after this one, with their texts.
    pub fn after(&self, name: Option<&[u8]>) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &str)> {
        let first = name.map_or(0, |name| self.list.partition_point(|(other, ..)| other.as_bytes() <= name));
        let rest = self.list.get(first..).unwrap_or_default();
        rest.iter().map(|(name, key, range)| (name, key, self.text.get(range.clone()).unwrap_or("null")))
    }
}

/// What becomes of colons in the positions of lists, which clients may choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colons {
    /// `%3A`: Python daemons lose the whole object over one (CQL contract 4.1).
    Hidden,
    /// They stand for themselves, as contrail-api writes and reads them.
    Plain,
}

/// A position or key as it stands in the name of a column. A key of a map may have colons in any case.
fn in_column(property: &Property, key: &Arc<str>, colons: Colons) -> Arc<str> {
    let is_list = matches!(property.collection, Collection::List { .. });
    let is_hidden = colons == Colons::Hidden && is_list && key.contains(':');
    if is_hidden { key.replace(':', "%3A").into() } else { Arc::clone(key) }
}
