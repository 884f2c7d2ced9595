//! `/prop-collection-update`: single elements of list and map properties.

use super::{Decision, Draft, Rejection, Work, document::map_key, security_draft, update};
use crate::{
    graph::Object,
    model::{Collection, PropertyId},
    python_literal,
};
use serde_json::{Value, json};
use std::sync::Arc;

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
        let chosen = object.positions.get(&id);
        let position = |index: usize, value: &Value| match (key, chosen.and_then(|chosen| chosen.get(index))) {
            (Some(key), _) => map_key(value, key),
            (None, Some(position)) => position.clone(),
            (None, None) => index.to_string(),
        };
        let items = values.into_iter().enumerate().map(|(index, value)| (position(index, &value), value)).collect();
        Some(Self { wrapper: wrapper.clone(), key: key.cloned(), items })
    }

    /// Puts an element at its place. Positions sort as texts; elements whose order a client has given as a whole
    /// keep it.
    fn put(&mut self, position: String, value: Value) {
        if let Some(slot) = self.items.iter_mut().find(|(existing, _)| *existing == position) {
            slot.1 = value;
            return;
        }
        let index = self.items.iter().position(|(existing, _)| *existing > position).unwrap_or(self.items.len());
        self.items.insert(index, (position, value));
    }

    fn remove(&mut self, position: &str) {
        self.items.retain(|(existing, _)| existing != position);
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

/// An update that has been checked.
enum Step {
    Put(String, Value),
    Remove(String),
}

impl CollectionUpdate {
    /// Checks all updates, then applies them in order.
    ///
    /// # Errors
    /// 404 for an unknown object, 400 for an update that does not fit its property.
    pub fn decide(&self, work: &mut Work) -> Decision<Arc<Object>> {
        let stored = update::find_any(work, &self.uuid, "Object Not Found: ")?;
        let steps = self.updates.iter().map(|update| update.check(work, &stored)).collect::<Decision<Vec<_>>>()?;
        if steps.is_empty() {
            return Ok(stored);
        }
        let basis = security_draft::basis(work, &stored)?;
        let mut draft = Draft::update(work, &basis);
        let model = Arc::clone(work.graph.model());
        let kind = model.object_type(stored.type_id);
        for property in &kind.properties {
            let mut mine = steps.iter().filter(|(id, _)| *id == property.id).peekable();
            if mine.peek().is_none() {
                continue;
            }
            let Some(mut elements) = Elements::of(&basis, property.id, &property.collection) else { continue };
            for (_, step) in mine {
                match step {
                    Step::Put(position, value) => elements.put(position.clone(), value.clone()),
                    Step::Remove(position) => elements.remove(position),
                }
            }
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
        let refuse = |text: &str| Rejection::bad_request(format!("{text} {}", python_literal::value(&self.given)));
        let checked = |value: &Option<Value>, text: &str| {
            let value = value.clone().filter(|value| !value.is_null()).ok_or_else(|| refuse(text))?;
            work.graph.model().check_item(property, value).map_err(Rejection::bad_request)
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
    Rejection::bad_request(format!("{field} neither \"ListProperty\" nor \"MapProperty\""))
}
