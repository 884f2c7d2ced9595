//! Checks of documents against the model (wire contract 2.6, 2.7 and 7.6).
//!
//! Values that Python takes for false (`null`, `false`, `0`, `""`, `[]`, `{}`) are never checked, on any
//! level: clients rely on clearing a value this way. Elements of list and map properties are an
//! exception, because they are stored one by one, and so are elements of lists that have to be of a form
//! beside the schema (types, section 16).

use super::Model;
use super::object_type::{Collection, Presence, Property, Reference};
use super::special;
use super::value_type::{ComplexType, Field, JsonKind, Shape, SimpleType, SpecialObject, SpecialString};
use crate::python_literal;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde_json::{Map, Value};

const NUL_REFUSED: &str = "NUL characters are not allowed";

impl Model {
    /// Checks the value of a property and brings it to the form in which it is stored.
    ///
    /// The value of a list or map property comes back as an object with the wrapper and an array, which
    /// may be empty, or as null; a map has each key once, with the last element given for it. Other
    /// values keep their form; integers become JSON integers.
    ///
    /// The error is the text that follows `Bad property in create: `.
    pub fn check_property(&self, property: &Property, mut value: Value) -> Result<Value, String> {
        let name = &property.name;
        if holds_nul(&value) {
            return Err(format!("Error validating property {name}: {NUL_REFUSED}"));
        }
        let complex = match property.shape {
            Shape::Simple(id) => {
                check_simple(self.simple_type(id), name, &mut value)
                    .map_err(|reason| format!("Error validating property {reason}"))?;
                return Ok(value);
            }
            Shape::Complex(id) => self.complex_type(id),
        };
        if is_false(&value) {
            return Ok(match property.collection.wrapper() {
                None => value,
                Some(wrapper) if value.is_object() => wrap(wrapper, Vec::new()),
                Some(_) => Value::Null,
            });
        }
        let Value::Object(mut fields) = value else {
            return Err(format!(
                "Error in property {name} type {} value of {} ",
                complex.class(),
                python_literal::text(&value)
            ));
        };
        let checked = if property.collection == Collection::None {
            self.check_fields(complex, &mut fields)
        } else {
            self.check_collection(property, complex, &mut fields)
        };
        let value = Value::Object(fields);
        match checked {
            Ok(()) => Ok(value),
            Err(reason) => {
                Err(format!("Error validating property {name} value {} {reason}", python_literal::value(&value)))
            }
        }
    }

    /// Checks the data of a reference and brings it to the form in which it is stored; null if the
    /// reference has none.
    ///
    /// `entry` is the whole reference. Where the key `attr` is missing the data is null, but for references that make no
    /// sense without: there it has to be said. Data of a reference that can have none is dropped, and data of any type is
    /// kept.
    ///
    /// The error is the text that follows `Bad reference in create: `.
    pub fn check_attribute(&self, reference: &Reference, entry: &Value) -> Result<Value, String> {
        let name = &reference.field;
        let Value::Object(entry_fields) = entry else {
            return Err(format!("Error in reference {name} value of {} ", python_literal::text(entry)));
        };
        let Some(id) = reference.attribute else {
            return match entry_fields.get("attr").filter(|_| reference.untyped_attribute) {
                Some(attribute) if holds_nul(attribute) => {
                    Err(format!("Error validating reference {name}: {NUL_REFUSED}"))
                }
                Some(attribute) if attribute.is_object() || !is_false(attribute) => Ok(attribute.clone()),
                _ => Ok(Value::Null),
            };
        };
        let failure = |reason: String| {
            let printed = python_literal::value(entry);
            format!("Error validating reference {name} value {printed} {reason}")
        };
        let attribute = match entry_fields.get("attr") {
            None if reference.attribute_presence == Presence::Required => return Err(failure("'attr'".to_owned())),
            None => return Ok(Value::Null),
            Some(attribute) => attribute,
        };
        if holds_nul(attribute) {
            return Err(format!("Error validating reference {name}: {NUL_REFUSED}"));
        }
        let complex = self.complex_type(id);
        match attribute {
            Value::Object(fields) => {
                let mut fields = fields.clone();
                self.check_fields(complex, &mut fields).map_err(failure)?;
                Ok(Value::Object(fields))
            }
            other if is_false(other) => Ok(Value::Null),
            other => Err(format!(
                "Error in reference {name} type {} value of {} ",
                complex.class(),
                python_literal::text(other)
            )),
        }
    }

    /// Checks one element of a list or map property, for `prop-collection-update`.
    ///
    /// The error has no prefix (wire contract 7.6).
    pub fn check_item(&self, property: &Property, mut value: Value) -> Result<Value, String> {
        if holds_nul(&value) {
            return Err(format!("{}: {NUL_REFUSED}", property.name));
        }
        self.check_element(property, &mut value)?;
        Ok(value)
    }

    /// Checks a list or map property below its wrapper.
    fn check_collection(
        &self,
        property: &Property,
        complex: &ComplexType,
        fields: &mut Map<String, Value>,
    ) -> Result<(), String> {
        let Some(wrapper) = property.collection.wrapper() else {
            return Ok(());
        };
        refuse_unknown_fields(complex, fields)?;
        let value = fields.entry(wrapper).or_insert(Value::Null);
        if is_false(value) {
            *value = Value::Array(Vec::new());
        }
        let Value::Array(items) = value else {
            return Err(not_a_list(wrapper, value));
        };
        for item in items.iter_mut() {
            self.check_element(property, item)?;
        }
        if matches!(property.collection, Collection::Map { .. }) {
            keep_last_of_each_key(property, items);
        }
        Ok(())
    }

    fn check_element(&self, property: &Property, item: &mut Value) -> Result<(), String> {
        let id = match property.item() {
            None => return Ok(()),
            Some(Shape::Simple(id)) => {
                let simple = self.simple_type(id);
                return check_simple_strictly(simple, &property.name, item);
            }
            Some(Shape::Complex(id)) => id,
        };
        let complex = self.complex_type(id);
        let Value::Object(fields) = item else {
            return Err(format!(
                "{}: {} expected instead of {}",
                property.name,
                complex.class(),
                python_literal::text(item)
            ));
        };
        self.check_fields(complex, fields)?;
        let Collection::Map { key, .. } = &property.collection else {
            return Ok(());
        };
        match fields.get_mut(key) {
            None | Some(Value::Null) => {
                return Err(format!("class {} needs field {key}", complex.class()));
            }
            // Two spellings of one key would be two elements.
            Some(value @ Value::Bool(true)) => *value = Value::from(1),
            Some(Value::String(_) | Value::Number(_)) => {}
            Some(other) => {
                let printed = python_literal::text(other);
                return Err(format!("{key}: key value expected instead of {printed}"));
            }
        }
        Ok(())
    }

    /// Checks the fields of a complex value. Fields that are absent stay absent: the server applies no
    /// defaults.
    fn check_fields(&self, complex: &ComplexType, fields: &mut Map<String, Value>) -> Result<(), String> {
        match complex.special {
            // An empty subnet is a false value, which is not checked.
            Some(SpecialObject::Subnet) if fields.is_empty() => return Ok(()),
            Some(SpecialObject::Subnet) => {
                refuse_unknown_fields(complex, fields)?;
                return special::normalise_subnet(fields);
            }
            Some(SpecialObject::AllowedAddressPair) => special::check_allowed_address_pair(fields)?,
            None => {}
        }
        for (name, value) in fields.iter_mut() {
            let Some(field) = complex.fields.get(name) else {
                return Err(unknown_field(complex, name));
            };
            if is_false(value) {
                continue;
            }
            if !field.list {
                self.check_field(field, value)?;
            } else if let Value::Array(items) = value {
                for item in items {
                    self.check_list_item(field, item)?;
                }
            } else {
                return Err(not_a_list(name, value));
            }
        }
        Ok(())
    }

    /// Checks an element of a list. One that has to be of a form is checked also where it is empty.
    fn check_list_item(&self, field: &Field, item: &mut Value) -> Result<(), String> {
        match field.shape {
            Shape::Simple(id) if self.simple_type(id).special.is_some() => match item {
                Value::Null => check_form(self.simple_type(id), &python_literal::text(item)),
                _ => check_simple_strictly(self.simple_type(id), &field.name, item),
            },
            _ => self.check_field(field, item),
        }
    }

    /// Checks the value of a field, or one of its elements.
    fn check_field(&self, field: &Field, value: &mut Value) -> Result<(), String> {
        match (field.shape, &mut *value) {
            (Shape::Simple(id), _) => check_simple(self.simple_type(id), &field.name, value),
            (Shape::Complex(id), Value::Object(fields)) => self.check_fields(self.complex_type(id), fields),
            (Shape::Complex(_), other) if is_false(other) => Ok(()),
            (Shape::Complex(id), other) => Err(format!(
                "{}: {} expected instead of {}",
                field.name,
                self.complex_type(id).class(),
                python_literal::text(other)
            )),
        }
    }
}

/// Checks a simple value, unless it is false. The error begins with the name of the field.
pub(super) fn check_simple(simple: &SimpleType, name: &str, value: &mut Value) -> Result<(), String> {
    if is_false(value) {
        return Ok(());
    }
    check_simple_strictly(simple, name, value)
}

fn check_simple_strictly(simple: &SimpleType, name: &str, value: &mut Value) -> Result<(), String> {
    match simple.json {
        JsonKind::Integer => check_integer(simple, name, value),
        JsonKind::Boolean if value.is_boolean() => Ok(()),
        JsonKind::Boolean => Err(format!("{name}: true/false expected instead of {}", python_literal::text(value))),
        JsonKind::String => match value {
            Value::String(string) => check_string(simple, name, string),
            other => Err(format!("{name}: string value expected instead of {}", python_literal::text(other))),
        },
    }
}

fn check_integer(simple: &SimpleType, name: &str, value: &mut Value) -> Result<(), String> {
    let Some(integer) = special::to_integer(value) else {
        return Err(format!("{name}: integer value expected instead of {}", python_literal::text(value)));
    };
    if let Some((minimum, maximum)) = simple.range
        && !(i128::from(minimum)..=i128::from(maximum)).contains(&integer)
    {
        return Err(format!("{name}: value must be between {minimum} and {maximum}"));
    }
    // contrail-api keeps `true` as it is: in Python it is an integer.
    if !value.is_boolean() {
        *value = match (i64::try_from(integer), u64::try_from(integer)) {
            (Ok(integer), _) => Value::from(integer),
            (Err(_), Ok(integer)) => Value::from(integer),
            (Err(_), Err(_)) => Value::Null,
        };
    }
    Ok(())
}

fn check_string(simple: &SimpleType, name: &str, string: &str) -> Result<(), String> {
    if !simple.value_set.is_empty() && !simple.value_set.contains(string) {
        return Err(format!("{name}: value must be one of {}", python_literal::list(&simple.values)));
    }
    check_form(simple, string)
}

/// Checks what goes beyond the type of a string.
fn check_form(simple: &SimpleType, string: &str) -> Result<(), String> {
    match simple.special {
        None => Ok(()),
        Some(SpecialString::Community) => special::check_community(string),
        Some(SpecialString::ServiceInterface) => special::check_service_interface(string),
    }
}

/// Whether Python takes the value for false.
fn is_false(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(boolean) => !boolean,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(string) => string.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// `PostgreSQL` cannot store the character NUL in a text.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(string) => string.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, field)| name.contains('\0') || holds_nul(field)),
    }
}

/// A map property stores one element for each key; the last one stays.
fn keep_last_of_each_key(property: &Property, items: &mut Vec<Value>) {
    let mut by_key: IndexMap<Option<String>, Value, FxBuildHasher> = IndexMap::default();
    for item in std::mem::take(items) {
        by_key.insert(property.item_key(&item), item);
    }
    items.extend(by_key.into_values());
}

fn refuse_unknown_fields(complex: &ComplexType, fields: &Map<String, Value>) -> Result<(), String> {
    match fields.keys().find(|name| !complex.fields.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(unknown_field(complex, name)),
    }
}

fn unknown_field(complex: &ComplexType, name: &str) -> String {
    format!("class {} does not have field {name}", complex.class())
}

fn not_a_list(name: &str, value: &Value) -> String {
    format!("Field {name} must be a list. Received value: {}", python_literal::text(value))
}

fn wrap(wrapper: &str, items: Vec<Value>) -> Value {
    Value::Object(Map::from_iter([(wrapper.to_owned(), Value::Array(items))]))
}
