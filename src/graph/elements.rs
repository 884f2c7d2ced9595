//! The elements of list and map properties, one by one, as those see them who read the configuration by columns.

use super::Object;
use crate::model::{Collection, Property};
use serde_json::{Value, value::RawValue};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

/// An element of a list or map property.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Element<'o> {
    /// Its position, or its key as text.
    pub key: String,
    /// The element as it stands in the text of the property.
    pub json: &'o str,
}

/// The elements of a stored property in their order; none of a property that is not made of any, or is not set. Of several with
/// one key the last one counts. It costs what the text is long.
pub fn elements<'o>(object: &'o Object, property: &Property) -> Vec<Element<'o>> {
    let Some(wrapper) = property.collection.wrapper() else { return Vec::new() };
    let text = object.plain_text(property.id).map(|text| &**text).unwrap_or_default();
    let Ok(mut fields) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) else { return Vec::new() };
    let items = fields.remove(wrapper).map(|items| serde_json::from_str::<Vec<&RawValue>>(items.get()));
    let chosen = object.positions().get(&property.id);
    let element = |(index, item): (usize, &'o RawValue)| {
        let json = item.get();
        let key = match &property.collection {
            Collection::Map { key, .. } => {
                serde_json::from_str(json).map_or_else(|_| String::new(), |item| map_key(&item, key))
            }
            _ => chosen.and_then(|chosen| chosen.get(index)).cloned().unwrap_or_else(|| index.to_string()),
        };
        Element { key, json }
    };
    let all: Vec<Element<'o>> =
        items.and_then(Result::ok).unwrap_or_default().into_iter().enumerate().map(element).collect();
    last_of_each_key(all)
}

fn last_of_each_key(mut elements: Vec<Element<'_>>) -> Vec<Element<'_>> {
    let mut seen = HashSet::new();
    let is_last: Vec<bool> = elements.iter().rev().map(|element| seen.insert(element.key.as_str())).collect();
    let mut is_last = is_last.into_iter().rev();
    elements.retain(|_| is_last.next().unwrap_or_default());
    elements
}

/// The key of a map's element, as the text that positions use.
pub fn map_key(item: &Value, key: &str) -> String {
    match item.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::FqName,
        model::{Model, PropertyId},
    };
    use uuid::Uuid;

    fn with(kind: &str, property: &str, text: &str) -> (Model, Object, PropertyId) {
        let model = Model::embedded().unwrap();
        let type_id = model.find(kind).unwrap();
        let id = model.object_type(type_id).property(property).unwrap().0;
        let mut object = Object::new(Uuid::nil(), type_id, FqName::new(&["it"]), 1);
        object.set_property(id, Some(text.into()));
        (model, object, id)
    }

    fn told((model, object, id): &(Model, Object, PropertyId)) -> Vec<(String, String)> {
        let property = &model.object_type(object.type_id).properties[usize::from(id.0)];
        elements(object, property).into_iter().map(|element| (element.key, element.json.to_owned())).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, json)| ((*key).to_owned(), (*json).to_owned())).collect()
    }

    #[test]
    fn of_a_map_go_by_their_keys_and_of_one_key_the_last_counts() {
        let text =
            r#"{"key_value_pair":[{"key":"a:b","value":"\u00fc"},{"value":"1","key":"c"},{"key":"a:b","value":2},{}]}"#;
        let annotations = with("virtual-network", "annotations", text);
        let expected = [("c", r#"{"value":"1","key":"c"}"#), ("a:b", r#"{"key":"a:b","value":2}"#), ("", "{}")];
        assert_eq!(told(&annotations), pairs(&expected));
    }

    #[test]
    fn of_a_list_go_by_chosen_positions_or_count() {
        let text = r#"{"fat_flow_protocol":[{"port":1},{"port":2},{"port":3}]}"#;
        let mut ports = with("virtual-machine-interface", "virtual_machine_interface_fat_flow_protocols", text);
        let [one, two, three] = [r#"{"port":1}"#, r#"{"port":2}"#, r#"{"port":3}"#];
        assert_eq!(told(&ports), pairs(&[("0", one), ("1", two), ("2", three)]));
        ports.1.set_positions(ports.2, Some(vec!["z".to_owned(), "b".to_owned()]));
        assert_eq!(told(&ports), pairs(&[("z", one), ("b", two), ("2", three)]));
    }

    #[test]
    fn are_none_where_there_is_nothing_to_take_apart() {
        for text in ["null", "{}", r#"{"key_value_pair":null}"#, "[1]"] {
            assert_eq!(told(&with("virtual-network", "annotations", text)), pairs(&[]), "{text}");
        }
        assert_eq!(told(&with("virtual-network", "display_name", r#""it""#)), pairs(&[]));
    }
}
