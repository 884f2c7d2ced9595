//! The types of values: simple ones (strings, integers and booleans, some with a restriction) and
//! complex ones (JSON objects with known fields).

use super::object_type::Facts;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashSet};

/// Index of a simple type in the model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SimpleTypeId(pub u16);

/// Index of a complex type in the model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ComplexTypeId(pub u16);

/// What a property, a field or an element of a list holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shape {
    /// A string, an integer or a boolean.
    Simple(SimpleTypeId),
    /// A JSON object.
    Complex(ComplexTypeId),
}

/// How a simple value looks in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JsonKind {
    /// A JSON string; times and hexadecimal numbers are strings too.
    String,
    /// A JSON number without fraction.
    Integer,
    /// `true` or `false`.
    Boolean,
}

/// The types that need no declaration, and their form in JSON.
pub(super) const BUILT_IN: [(&str, JsonKind); 6] = [
    ("string", JsonKind::String),
    ("integer", JsonKind::Integer),
    ("boolean", JsonKind::Boolean),
    ("unsignedLong", JsonKind::Integer),
    ("dateTime", JsonKind::String),
    ("time", JsonKind::String),
];

/// A type of strings, integers or booleans.
#[derive(Debug)]
pub struct SimpleType {
    /// Name of the type.
    pub name: String,
    /// The built-in type that is restricted, or the name itself for a built-in type.
    pub base: String,
    /// Form in JSON.
    pub json: JsonKind,
    /// The allowed values, in the order of the schema; empty if any value is allowed.
    pub values: Vec<String>,
    /// The smallest and the largest allowed integer.
    pub range: Option<(i64, i64)>,
    /// A regular expression for the whole value. A fact only: contrail-api does not check it.
    pub pattern: Option<String>,
    /// Alternatives of a union: names of built-in types. A fact only.
    pub union: Vec<String>,
    /// Alternatives of a union: regular expressions. A fact only.
    pub union_patterns: Vec<String>,
    /// The value that a client library fills in. The server does not (wire contract 13, number 14).
    pub default: Option<serde_json::Value>,
    /// The schema in which the type appeared, if not in the first one.
    pub since: Option<String>,
    pub(super) value_set: FxHashSet<String>,
    pub(super) special: Option<SpecialString>,
}

/// Strings that are checked by more than their type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SpecialString {
    Community,
    ServiceInterface,
}

impl SimpleType {
    /// A regular expression of what the checks beside the schema allow.
    pub fn enforced_pattern(&self) -> Option<&'static str> {
        self.special.map(|special| match special {
            SpecialString::Community => {
                "^(no-export|accept-own|no-advertise|no-export-subconfed|no-reoriginate|[0-9]+:[0-9]+)$"
            }
            SpecialString::ServiceInterface => "^(management|left|right|other[0-9]*)$",
        })
    }
}

impl SpecialString {
    pub(super) fn of_type(name: &str) -> Option<Self> {
        match name {
            "CommunityAttribute" => Some(Self::Community),
            "ServiceInterfaceType" => Some(Self::ServiceInterface),
            _ => None,
        }
    }
}

/// A type of JSON objects.
#[derive(Debug)]
pub struct ComplexType {
    /// Name of the type.
    pub name: String,
    /// The fields by name, in the order of the schema.
    pub fields: IndexMap<String, Field, FxBuildHasher>,
    pub(super) special: Option<SpecialObject>,
}

impl ComplexType {
    /// The field that holds the elements, if that is all the type has.
    pub fn single_list_field(&self) -> Option<&Field> {
        match self.fields.values().collect::<Vec<_>>().as_slice() {
            [field] if field.list => Some(field),
            _ => None,
        }
    }

    /// Whether a value is looked at as one prefix.
    pub fn is_subnet(&self) -> bool {
        self.special == Some(SpecialObject::Subnet)
    }

    /// The name as contrail-api prints it in error texts.
    pub fn class(&self) -> String {
        format!("<class '{}'>", self.name)
    }
}

/// Objects that are checked by more than the types of their fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SpecialObject {
    Subnet,
    AllowedAddressPair,
}

impl SpecialObject {
    pub(super) fn of_type(name: &str) -> Option<Self> {
        match name {
            "SubnetType" => Some(Self::Subnet),
            "AllowedAddressPair" => Some(Self::AllowedAddressPair),
            _ => None,
        }
    }
}

/// A field of a complex type.
#[derive(Debug)]
pub struct Field {
    /// Name in JSON.
    pub name: String,
    /// Type of the value, or of one element.
    pub shape: Shape,
    /// Whether the value is a JSON array.
    pub list: bool,
    /// How many elements the schema allows; not checked, as in contrail-api.
    pub max_items: Option<u32>,
    /// Whether only one of the fields with this mark is meant to be given.
    pub alternative: bool,
    /// What else the schema says.
    pub facts: Facts,
}
