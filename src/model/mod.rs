//! The data model: which types of objects exist, what they hold and how they are linked.
//!
//! The model is data. It is read at start from the TOML files in `schema/`, which are compiled in, or
//! from a directory. A file says only what cannot be derived: names of fields, collections, children
//! and back references follow from the names of the types. Documents are checked against the model
//! before anything else looks at them. Properties that only OpenSDN 2026 has are properties like others (OSD-26).

mod check;
mod loader;
mod names;
mod object_type;
mod resolve;
mod resolve_values;
mod special;
mod value_type;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod schema_tests;

pub use loader::SchemaError;
pub use names::{field_name, type_name};
pub use object_type::{
    Collection, Facts, ObjectType, Parent, Presence, Property, PropertyId, Reference, ReferenceId, TypeId,
};
pub use value_type::{ComplexType, ComplexTypeId, Field, JsonKind, Shape, SimpleType, SimpleTypeId};

use include_dir::{Dir, include_dir};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::path::Path;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schema");

/// The name that stands for the root of all objects in `parent_type`.
pub const CONFIG_ROOT: &str = "config-root";

/// All types of objects and values.
#[derive(Debug)]
pub struct Model {
    types: Vec<ObjectType>,
    names: FxHashMap<String, TypeId>,
    collections: FxHashMap<String, TypeId>,
    simple_types: Vec<SimpleType>,
    complex_types: Vec<ComplexType>,
}

impl Model {
    /// Reads the schema that is compiled in.
    pub fn embedded() -> Result<Self, SchemaError> {
        Self::from_files(&loader::embedded_files(&EMBEDDED)?)
    }

    /// Reads a schema from a directory with the layout of `schema/`.
    pub fn from_directory(path: &Path) -> Result<Self, SchemaError> {
        Self::from_files(&loader::directory_files(path)?)
    }

    /// Reads the schema of this directory, or else the one that is compiled in.
    pub fn read(directory: Option<&Path>) -> Result<Self, SchemaError> {
        directory.map_or_else(Self::embedded, Self::from_directory)
    }

    fn from_files(files: &[loader::SourceFile]) -> Result<Self, SchemaError> {
        resolve::resolve(&loader::parse(files)?)
    }

    /// All types of objects, sorted by name.
    pub fn types(&self) -> &[ObjectType] {
        &self.types
    }

    /// The type with this index.
    ///
    /// An index belongs to the model that gave it out and must not be used with another one.
    pub fn object_type(&self, id: TypeId) -> &ObjectType {
        &self.types[usize::from(id.0)]
    }

    /// Finds a type by its name, with dashes or with underscores. The types with capitals in their name
    /// are found in lower case too, which is how Go and Java clients write them (wire contract 0).
    pub fn find(&self, name: &str) -> Option<TypeId> {
        self.names.get(name).copied()
    }

    /// Finds a type by the path of its collection, `virtual-networks`; lower case as in [`Self::find`].
    pub fn find_collection(&self, path: &str) -> Option<TypeId> {
        self.collections.get(path).copied()
    }

    /// The values that `parent_type` of an object of this type may have, in the order of the schema.
    pub fn parent_names<'model>(&'model self, object_type: &ObjectType) -> Vec<&'model str> {
        object_type
            .parents
            .iter()
            .map(|parent| match parent {
                Parent::ConfigRoot => CONFIG_ROOT,
                Parent::Type(id) => self.object_type(*id).name.as_str(),
            })
            .collect()
    }

    /// The fields of a property of a complex type that have a default, with it.
    pub fn field_defaults(&self, property: &Property) -> impl Iterator<Item = (&str, &Value)> {
        let complex = match property.shape {
            Shape::Complex(id) => Some(self.complex_type(id)),
            Shape::Simple(_) => None,
        };
        let fields = complex.into_iter().flat_map(|complex| complex.fields.values());
        let old = fields.filter(|field| field.facts.since.is_none());
        old.filter_map(|field| Some((field.name.as_str(), field.facts.default.as_ref()?)))
    }

    /// A value with all members that its type knows, as client libraries write it: what is missing has its default, is null, or an
    /// empty list.
    pub fn completed(&self, shape: Shape, value: Value) -> Value {
        let (id, mut members) = match (shape, value) {
            (Shape::Complex(id), Value::Object(members)) => (id, members),
            (_, value) => return value,
        };
        for field in self.complex_type(id).fields.values().filter(|field| field.facts.since.is_none()) {
            let value = match members.shift_remove(&field.name) {
                None if field.list => Value::Array(Vec::new()),
                None => field.facts.default.clone().unwrap_or_default(),
                Some(Value::Array(items)) if field.list => {
                    items.into_iter().map(|item| self.completed(field.shape, item)).collect()
                }
                Some(value) => self.completed(field.shape, value),
            };
            members.insert(field.name.clone(), value);
        }
        members.into()
    }

    /// All simple types: the built-in ones, then those of the schema.
    pub fn simple_types(&self) -> &[SimpleType] {
        &self.simple_types
    }

    /// The simple type with this index, of this model.
    pub fn simple_type(&self, id: SimpleTypeId) -> &SimpleType {
        &self.simple_types[usize::from(id.0)]
    }

    /// All complex types.
    pub fn complex_types(&self) -> &[ComplexType] {
        &self.complex_types
    }

    /// The complex type with this index, of this model.
    pub fn complex_type(&self, id: ComplexTypeId) -> &ComplexType {
        &self.complex_types[usize::from(id.0)]
    }
}
