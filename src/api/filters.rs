//! `filters=<property>==<value>,...` of lists (contrail-api R21, wire contract 6.3): naive, and strict about types.

use super::{
    budget::Named,
    error::{Answered, ApiError},
};
use crate::{
    graph::Object,
    model::{Collection, ObjectType, PropertyId},
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// All that an object must fulfil.
#[derive(Default)]
pub struct Filters {
    /// By property: one of these values. A property of none that the type has: no object matches.
    wanted: BTreeMap<String, (Option<PropertyId>, Wanted)>,
}

impl Filters {
    /// Whether all objects match.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Reads the argument.
    ///
    /// # Errors
    /// 400 for what is not a list of `name==value`, and for too many of them.
    pub fn parse(kind: &ObjectType, text: Option<&str>) -> Answered<Self> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::default()) };
        let invalid = || ApiError::bad_request(format!("Invalid filter {text}"));
        let mut wanted: BTreeMap<String, (Option<PropertyId>, Wanted)> = BTreeMap::new();
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
            entry.1.insert(&value);
        }
        Named::Filters.check(wanted.values().map(|(_, values)| values.len()).sum())?;
        Named::SeveralMembers.check(wanted.values().map(|(_, values)| values.several.len()).sum())?;
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
            stored.is_some_and(|stored| values.contain(&stored))
        })
    }
}

/// Values, one of which a property is to have. As Python compares: by type, but booleans are numbers. Null is no value.
/// However many there are, a look at a property costs the same.
#[derive(Default)]
struct Wanted {
    texts: BTreeSet<String>,
    /// The bits of numbers.
    numbers: BTreeSet<u64>,
    /// For an object the value is a text with the members asked for; as a rule one, since a comma ends the text. By name, the
    /// values as JSON, each of which is the only way to write it.
    members: BTreeMap<String, BTreeSet<String>>,
    /// Those with a comma all the same, by way of an escape.
    several: Vec<Map<String, Value>>,
    /// Whether any object will do: no member of it is asked for.
    any_object: bool,
}

impl Wanted {
    fn len(&self) -> usize {
        self.texts.len() + self.numbers.len()
    }

    fn insert(&mut self, value: &Value) {
        if let Some(number) = number_bits(value) {
            self.numbers.insert(number);
        }
        let Value::String(text) = value else { return };
        if !self.texts.insert(text.clone()) {
            return;
        }
        let Ok(Value::Object(members)) = serde_json::from_str(text) else { return };
        self.any_object |= members.is_empty();
        if text.contains(',') {
            return self.several.push(members);
        }
        for (name, value) in members {
            self.members.entry(name).or_default().insert(value.to_string());
        }
    }

    fn contain(&self, stored: &Value) -> bool {
        match stored {
            Value::Null | Value::Array(_) => false,
            Value::Bool(_) | Value::Number(_) => number_bits(stored).is_some_and(|bits| self.numbers.contains(&bits)),
            Value::String(text) => self.texts.contains(text),
            Value::Object(fields) => {
                let has = |(name, values): (&String, &BTreeSet<String>)| {
                    fields.get(name).is_some_and(|value| values.contains(&value.to_string()))
                };
                let has_all =
                    |members: &Map<String, Value>| members.iter().all(|(name, value)| fields.get(name) == Some(value));
                // Of names whichever are fewer.
                self.any_object
                    || self.several.iter().any(has_all)
                    || if self.members.len() <= fields.len() {
                        self.members.iter().any(has)
                    } else {
                        fields.keys().filter_map(|name| self.members.get_key_value(name)).any(has)
                    }
            }
        }
    }
}

/// A number, or a boolean as one, so that equal ones are the same.
fn number_bits(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => number.as_f64()?,
        _ => return None,
    };
    // There are two zeros.
    Some((number + 0.0).to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted(values: &[Value]) -> Wanted {
        let mut wanted = Wanted::default();
        for value in values {
            wanted.insert(value);
        }
        wanted
    }

    #[test]
    fn values_are_compared_as_python_does() {
        let cases = [
            (json!(1), json!(true), true),
            (json!(true), json!(1), true),
            (json!(1.0), json!(1), true),
            (json!(-0.0), json!(0), true),
            (json!("1"), json!(1), false),
            (json!("true"), json!(true), false),
            (json!(null), json!(null), false),
            (json!("a"), json!("a"), true),
            (json!("[]"), json!([]), false),
            (json!("{}"), json!({"a": 1}), true),
            (json!("{\"a\": 1}"), json!({"a": 1, "b": 2}), true),
            (json!("{\"a\": 1.0}"), json!({"a": 1}), false),
            (json!("{\"a\": {\"b\": null}}"), json!({"a": {"b": null}}), true),
            (json!("{\"a\": {\"b\": null}}"), json!({"a": {"b": null, "c": 1}}), false),
            (json!("{\"b\": 1}"), json!({"a": 1}), false),
            (json!("{\"b\": 1, \"a\": [1, 2]}"), json!({"a": [1, 2], "b": 1}), true),
            (json!("{\"b\": 1, \"a\": [1, 2]}"), json!({"a": [1, 2]}), false),
        ];
        for (asked, stored, matches) in cases {
            assert_eq!(wanted(std::slice::from_ref(&asked)).contain(&stored), matches, "{asked} for {stored}");
            // Among many others it is found as well.
            let mut many: Vec<Value> = (10..20).map(|number| json!(format!("{{\"{number}\": {number}}}"))).collect();
            many.push(asked.clone());
            assert_eq!(wanted(&many).contain(&stored), matches, "{asked} among others for {stored}");
        }
    }

    #[test]
    fn repeats_are_dropped_and_too_many_are_refused() {
        let model = crate::model::Model::read(None).unwrap();
        let kind = model.find("virtual-network").map(|id| model.object_type(id)).unwrap();
        let text = |numbers: std::ops::Range<u32>, of: u32| {
            numbers.map(|number| format!("display_name==n{}", number % of)).collect::<Vec<_>>().join(",")
        };
        assert!(Filters::parse(kind, Some(&text(0..30_000, 10_000))).is_ok());
        let refused = Filters::parse(kind, Some(&text(0..10_001, 10_001))).err().unwrap();
        assert!(refused.text.contains("filters names 10001 different things: the limit is 10000"), "{}", refused.text);
    }
}
