//! `filters=<property>==<value>,...` of lists (contrail-api R21, wire contract 6.3): naive, and strict about types.

use super::error::{Answered, ApiError};
use crate::{
    graph::Object,
    model::{Collection, ObjectType, PropertyId},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// All that an object must fulfil.
#[derive(Default)]
pub struct Filters {
    /// By property: one of these values. A property of none that the type has: no object matches.
    wanted: BTreeMap<String, (Option<PropertyId>, Vec<Value>)>,
}

impl Filters {
    /// Whether all objects match.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Reads the argument.
    ///
    /// # Errors
    /// 400 for what is not a list of `name==value`.
    pub fn parse(kind: &ObjectType, text: Option<&str>) -> Answered<Self> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::default()) };
        let invalid = || ApiError::bad_request(format!("Invalid filter {text}"));
        let mut wanted: BTreeMap<String, (Option<PropertyId>, Vec<Value>)> = BTreeMap::new();
        for item in text.split(',') {
            let mut parts = item.split("==");
            let (Some(name), Some(value), None) = (parts.next(), parts.next(), parts.next()) else {
                return Err(invalid());
            };
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            if value.is_object() || value.is_array() {
                return Err(invalid());
            }
            let property = kind.property(name).filter(|(_, property)| property.collection == Collection::None);
            let entry = wanted.entry(name.to_owned()).or_default();
            entry.0 = property.map(|(id, _)| id);
            entry.1.push(value);
        }
        if wanted.values().all(|(property, _)| property.is_none())
            && wanted.keys().all(|name| kind.property(name).is_none())
        {
            // No name is known: the filter says nothing about this type.
            wanted.clear();
        }
        Ok(Self { wanted })
    }

    /// Whether an object fulfils them all.
    pub fn match_object(&self, object: &Object) -> bool {
        self.wanted.values().all(|(property, values)| {
            let stored = property.and_then(|id| object.property(id));
            stored.is_some_and(|stored| values.iter().any(|value| matches(&stored, value)))
        })
    }
}

/// As Python compares: by type, but booleans are numbers. For an object the value is a text with the members asked for.
fn matches(stored: &Value, wanted: &Value) -> bool {
    match (stored, wanted) {
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Bool(flag), Value::Number(number)) | (Value::Number(number), Value::Bool(flag)) => {
            number.as_f64() == Some(f64::from(u8::from(*flag)))
        }
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Object(fields), Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Object(members)) => members.iter().all(|(name, value)| fields.get(name) == Some(value)),
            _ => false,
        },
        (stored, wanted) => stored == wanted,
    }
}
