//! The part of the document that is about one group: its operations, and what they refer to.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Where the document keeps what is referred to.
const COMPONENTS: &str = "#/components/";

/// A document like the whole one, with the operations of this tag only; none if there are none.
pub fn of_tag(document: &Value, tag: &str) -> Option<Value> {
    let has_tag =
        |operation: &Value| operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|has| has == tag));
    let mut paths = Map::new();
    for (path, operations) in document["paths"].as_object()? {
        let operations = operations.as_object()?.iter().filter(|(_, operation)| has_tag(operation));
        let operations: Map<String, Value> = operations.map(|(method, of)| (method.clone(), of.clone())).collect();
        if !operations.is_empty() {
            paths.insert(path.clone(), Value::Object(operations));
        }
    }
    if paths.is_empty() {
        return None;
    }
    let paths = Value::Object(paths);
    let components = referred_to(document, &paths);
    let mut part = document.clone();
    part["tags"].as_array_mut()?.retain(|known| known["name"] == tag);
    let description = part["tags"][0]["description"].take();
    part["info"]["title"] = json!(tag);
    part["info"]["description"] = description;
    part["paths"] = paths;
    part["components"] = components;
    Some(part)
}

/// The components that a value refers to, and those that these refer to.
fn referred_to(document: &Value, value: &Value) -> Value {
    let (mut found, mut left) = (BTreeSet::new(), Vec::new());
    references(value, &mut left);
    while let Some(path) = left.pop() {
        if let Some(component) = document.pointer(&format!("/components/{path}"))
            && found.insert(path)
        {
            references(component, &mut left);
        }
    }
    let mut components = Map::new();
    for path in found {
        let Some((kind, name)) = path.split_once('/') else { continue };
        let of_kind = components.entry(kind).or_insert_with(|| json!({}));
        of_kind[name] = document["components"][kind][name].clone();
    }
    Value::Object(components)
}

/// What a value refers to, without what they all begin with.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(COMPONENTS));
            found.extend(reference.map(str::to_owned));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
