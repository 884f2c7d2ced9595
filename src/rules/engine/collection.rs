//! `/prop-collection-update`: single elements of list and map properties.

use crate::{
    access::Right,
    graph::{Object, map_key},
    model::{Collection, PropertyId},
    python_literal,
    rules::engine::{Decision, Draft, Rejection, Work, access, budget, security_draft, update},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// One of the updates of a request, as given.
#[derive(Clone, Debug)]
pub struct ElementUpdate {
    /// The property.
    pub field: String,
    /// `add`, `modify`, `set` or `delete`, in any case.
    pub operation: String,
    /// The element.
    pub value: Option<Value>,
    /// Where it stands, or shall stand.
    pub position: Option<String>,
    /// The update, for texts.
    pub given: Value,
}

/// The whole request.
#[derive(Clone, Debug)]
pub struct CollectionUpdate {
    /// The object, of any type.
    pub uuid: String,
    /// To be applied in order, all or none.
    pub updates: Vec<ElementUpdate>,
}

/// A list or map property, taken apart: elements and their positions, in order.
struct Elements {
    wrapper: String,
    key: Option<String>,
    items: Vec<(String, Value)>,
}

/// The elements of a stored collection with their positions: for a map, its keys.
pub fn elements(object: &Object, id: PropertyId, collection: &Collection) -> Vec<(String, Value)> {
    Elements::of(object, id, collection).map(|elements| elements.items).unwrap_or_default()
}

impl Elements {
    fn of(object: &Object, id: PropertyId, collection: &Collection) -> Option<Self> {
        let (wrapper, key) = match collection {
            Collection::None => return None,
            Collection::List { wrapper } => (wrapper, None),
            Collection::Map { wrapper, key } => (wrapper, Some(key)),
        };
        let values = object.property(id).and_then(|mut value| value.get_mut(wrapper).map(Value::take));
        let values = match values {
            Some(Value::Array(values)) => values,
            _ => Vec::new(),
        };
        let chosen = object.positions().get(&id);
        let position = |index: usize, value: &Value| match (key, chosen.and_then(|chosen| chosen.get(index))) {
            (Some(key), _) => map_key(value, key),
            (None, Some(position)) => position.clone(),
            (None, None) => index.to_string(),
        };
        let items = values.into_iter().enumerate().map(|(index, value)| (position(index, &value), value)).collect();
        Some(Self { wrapper: wrapper.clone(), key: key.cloned(), items })
    }

    /// Puts elements at their places and takes others out, one step after the other. Positions sort as texts: a new
    /// element comes before the first that has a greater position; elements whose order a client has given as a whole keep
    /// it.
    fn apply<'s>(&mut self, steps: impl Iterator<Item = &'s Step> + Clone) {
        let positions = self.items.iter().map(|(position, _)| position.clone());
        let mut ranks: Vec<String> = positions.chain(steps.clone().map(|step| step.position().to_owned())).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let mut order = Order::new(ranks, std::mem::take(&mut self.items));
        for step in steps {
            match step {
                Step::Put(position, value) => order.put(position, value.clone()),
                Step::Remove(position) => order.remove(position),
            }
        }
        self.items = order.into_items();
    }

    fn write(self, draft: &mut Draft, id: PropertyId) {
        let (positions, values): (Vec<String>, Vec<Value>) = self.items.into_iter().unzip();
        let value = json!({ self.wrapper: values });
        if self.key.is_some() {
            draft.set_by_id(id, value);
        } else {
            draft.set_positioned(id, value, positions);
        }
    }
}

/// Where an element stands: the number of the first one after it of those that were there at first, then, of those that
/// came before the same one, the rank of its position. Whatever stands between two such has greater positions only.
type Place = (usize, usize);

/// The elements of a collection in their order, of which there may be as many as steps that change them: each takes the
/// logarithm of their number.
struct Order {
    /// All positions that ever occur, in the order of their texts; an element's rank is its index here.
    ranks: Vec<String>,
    items: BTreeMap<Place, (String, Value)>,
    /// A tree of the first places: a node has the lesser of its two children, a leaf the place of the element of a rank.
    first: Vec<Option<Place>>,
    /// How many elements there were at first.
    count: usize,
}

impl Order {
    fn new(ranks: Vec<String>, items: Vec<(String, Value)>) -> Self {
        let (first, count) = (vec![None; 2 * ranks.len()], items.len());
        let mut order = Self { ranks, items: BTreeMap::new(), first, count };
        for (index, (position, value)) in items.into_iter().enumerate() {
            if let Some(rank) = order.rank(&position) {
                order.insert((index, usize::MAX), rank, (position, value));
            }
        }
        order
    }

    fn rank(&self, position: &str) -> Option<usize> {
        self.ranks.binary_search_by(|known| known.as_str().cmp(position)).ok()
    }

    fn place(&self, rank: usize) -> Option<Place> {
        self.first.get(self.ranks.len() + rank).copied().flatten()
    }

    fn put(&mut self, position: &str, value: Value) {
        let Some(rank) = self.rank(position) else { return };
        if let Some(slot) = self.place(rank).and_then(|place| self.items.get_mut(&place)) {
            slot.1 = value;
            return;
        }
        let (before, _) = self.first_greater(rank).unwrap_or((self.count, usize::MAX));
        self.insert((before, rank), rank, (position.to_owned(), value));
    }

    fn remove(&mut self, position: &str) {
        let Some(rank) = self.rank(position) else { return };
        if let Some(place) = self.place(rank) {
            self.items.remove(&place);
            self.set(rank, None);
        }
    }

    fn insert(&mut self, place: Place, rank: usize, item: (String, Value)) {
        self.items.insert(place, item);
        self.set(rank, Some(place));
    }

    /// Writes a leaf, and what follows from it.
    fn set(&mut self, rank: usize, place: Option<Place>) {
        let mut node = self.ranks.len() + rank;
        let mut least = place;
        while let Some(slot) = self.first.get_mut(node).filter(|_| node > 0) {
            *slot = least;
            least = lesser(least, self.first.get(node ^ 1).copied().flatten());
            node /= 2;
        }
    }

    /// The first place of an element whose rank is greater.
    fn first_greater(&self, rank: usize) -> Option<Place> {
        let (mut low, mut high) = (self.ranks.len() + rank + 1, 2 * self.ranks.len());
        let node = |node: usize| self.first.get(node).copied().flatten();
        let mut least = None;
        while low < high {
            if low % 2 == 1 {
                least = lesser(least, node(low));
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                least = lesser(least, node(high));
            }
            (low, high) = (low / 2, high / 2);
        }
        least
    }

    fn into_items(self) -> Vec<(String, Value)> {
        self.items.into_values().collect()
    }
}

/// The one that comes first, if any.
fn lesser(one: Option<Place>, other: Option<Place>) -> Option<Place> {
    one.into_iter().chain(other).min()
}

/// An update that has been checked.
enum Step {
    Put(String, Value),
    Remove(String),
}

impl Step {
    fn position(&self) -> &str {
        match self {
            Self::Put(position, _) | Self::Remove(position) => position,
        }
    }
}

impl CollectionUpdate {
    /// Checks all updates, then applies them in order.
    ///
    /// # Errors
    /// 404 for an unknown object, 400 for an update that does not fit its property.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let stored = update::find_any(work, &self.uuid, "Object Not Found: ")?;
        access::check_right(&work.identity, Right::Write, &stored)?;
        budget::check(&budget::UPDATES, self.updates.len())?;
        let steps = self.updates.iter().map(|update| update.check(work, &stored)).collect::<Decision<Vec<_>>>()?;
        if steps.is_empty() {
            return Ok(stored);
        }
        let basis = security_draft::basis(work, &stored)?;
        let mut draft = Draft::update(work, &basis);
        let model = Arc::clone(work.graph.model());
        let kind = model.object_type(stored.type_id);
        for property in &kind.properties {
            let mine = steps.iter().filter(|(id, _)| *id == property.id).map(|(_, step)| step);
            if mine.clone().next().is_none() {
                continue;
            }
            let Some(mut elements) = Elements::of(&basis, property.id, &property.collection) else { continue };
            let before = elements.items.len();
            elements.apply(mine);
            budget::check_growth(&budget::ELEMENTS, before, elements.items.len())?;
            elements.write(&mut draft, property.id);
        }
        update::commit(work, draft)
    }
}

impl ElementUpdate {
    fn check(&self, work: &Work, stored: &Object) -> Decision<(PropertyId, Step)> {
        let kind = work.type_of(stored);
        let property = kind.property(&self.field).map(|(_, property)| property);
        let property = property.filter(|property| !matches!(property.collection, Collection::None));
        let property = property.ok_or_else(|| not_a_collection(&self.field))?;
        let refuse = |text: &str| {
            Rejection::bad_request(format!("{text} {}", python_literal::value(&self.given))).about(&self.field)
        };
        let checked = |value: &Option<Value>, text: &str| {
            let value = value.clone().filter(|value| !value.is_null()).ok_or_else(|| refuse(text))?;
            work.graph
                .model()
                .check_item(property, value)
                .map_err(|text| Rejection::bad_request(text).about(&self.field))
        };
        let needed = |text: &str| self.position.clone().ok_or_else(|| refuse(text));
        // OSD-34: manuals write them in capitals.
        let operation = self.operation.to_lowercase();
        let step = match (&property.collection, operation.as_str()) {
            (Collection::List { .. }, "add") => {
                let value = checked(&self.value, "Add needs field value in request")?;
                Step::Put(self.position.clone().unwrap_or_else(|| work.new_uuid().to_string()), value)
            }
            (Collection::List { .. }, "modify") => {
                let text = "Modify needs field value and position in request";
                Step::Put(needed(text)?, checked(&self.value, text)?)
            }
            (Collection::Map { key, .. }, "set") => {
                let value = checked(&self.value, "Set needs field value in request")?;
                Step::Put(map_key(&value, key), value)
            }
            (_, "delete") => Step::Remove(needed("Delete needs field position in request")?),
            _ => return Err(refuse(&format!("Unsupported operation {} in request", self.operation))),
        };
        Ok((property.id, step))
    }
}

/// The refusal of an element operation on a property that has no elements.
pub fn not_a_collection(field: &str) -> Rejection {
    Rejection::bad_request(format!("{field} neither \"ListProperty\" nor \"MapProperty\"")).about(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, one element after the other.
    fn apply_slowly(items: &mut Vec<(String, Value)>, step: &Step) {
        match step {
            Step::Remove(position) => items.retain(|(existing, _)| existing != position),
            Step::Put(position, value) => {
                if let Some(slot) = items.iter_mut().find(|(existing, _)| existing == position) {
                    slot.1 = value.clone();
                    return;
                }
                let index = items.iter().position(|(existing, _)| existing > position).unwrap_or(items.len());
                items.insert(index, (position.clone(), value.clone()));
            }
        }
    }

    proptest! {
        /// Whatever order the elements have at first: positions that clients do not choose are not in that of their texts.
        #[test]
        fn elements_come_before_the_first_with_a_greater_position(
            first in prop::collection::vec(0_u32..25, 0..20),
            steps in prop::collection::vec((0_u32..30, prop::option::of(any::<u8>())), 0..40),
        ) {
            let mut items: Vec<(String, Value)> = Vec::new();
            for position in first.into_iter().map(|position| position.to_string()) {
                if items.iter().all(|(known, _)| *known != position) {
                    items.push((position, Value::Null));
                }
            }
            let steps: Vec<Step> = steps
                .into_iter()
                .map(|(position, value)| match value {
                    Some(value) => Step::Put(position.to_string(), value.into()),
                    None => Step::Remove(position.to_string()),
                })
                .collect();
            let mut elements = Elements { wrapper: String::new(), key: None, items: items.clone() };
            elements.apply(steps.iter());
            for step in &steps {
                apply_slowly(&mut items, step);
            }
            prop_assert_eq!(elements.items, items);
        }
    }
}
