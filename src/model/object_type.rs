//! The types of objects, with their properties and links.

use super::value_type::{ComplexTypeId, Shape};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Index of an object type in [`Model::types`](super::Model::types).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TypeId(pub u16);

/// Index of a property in [`ObjectType::properties`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PropertyId(pub u16);

/// Index of a reference in [`ObjectType::references`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReferenceId(pub u16);

/// Whether a value or a link has to be given. Not checked, except for [`Property::enforced`]
/// (wire contract 2.6, MISC-1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It may be absent.
    #[default]
    Optional,
    /// A client is meant to give it.
    Required,
    /// The server or another component sets it.
    SystemOnly,
    /// An administrator sets it.
    AdminOnly,
    /// One of the fields with this mark is meant to be given.
    Exclusive,
}

/// What the schema says about an item beside its type. Nothing of it is enforced.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    /// Whether it has to be given.
    pub presence: Presence,
    /// The operations that are meant to touch it, letters of `CRUD` in this order.
    pub operations: String,
    /// The value that a client library fills in; the server does in what it makes by itself.
    pub default: Option<Value>,
    /// Whether it should no longer be used.
    pub deprecated: bool,
    /// Whether it is meant for the components of the system only.
    pub internal: bool,
    /// False if no component acts on it.
    pub implemented: bool,
    /// The schema in which it appeared, if not in the first one.
    pub since: Option<String>,
}

/// A kind of object, such as `virtual-network`.
#[derive(Debug)]
pub struct ObjectType {
    /// Index in the model.
    pub id: TypeId,
    /// Name with dashes: in paths, envelopes and `parent_type`.
    pub name: String,
    /// Name with underscores: in names of fields.
    pub field: String,
    /// Path of the collection, `virtual-networks`; always the name and `s`.
    pub collection: String,
    /// What hrefs of its objects have between the host and the uuid, `/virtual-network/`.
    pub path: String,
    /// Name in words, `Virtual Network`.
    pub title: String,
    /// What the body of a create may look like, beside the name and the parent.
    pub example: Map<String, Value>,
    /// The accepted parents, in the order of the schema.
    pub parents: Vec<Parent>,
    /// Own properties in the order of the schema, then the common ones.
    pub properties: Vec<Property>,
    /// Own references in the order of the schema, then the common ones.
    pub references: Vec<Reference>,
    /// The types that accept this one as parent, by name.
    pub children: Vec<Child>,
    /// The references of other types to this one, by the name of the type.
    pub back_references: Vec<BackReference>,
    pub(super) fields: FxHashMap<String, FieldKind>,
    pub(super) reference_by_target: FxHashMap<TypeId, ReferenceId>,
    pub(super) child_by_type: FxHashMap<TypeId, usize>,
}

/// What a field of an object is, with its index where it is its own. Names are unique over all of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FieldKind {
    Property(PropertyId),
    Reference(ReferenceId),
    Child,
    BackReference,
}

impl ObjectType {
    /// The property with this name.
    pub fn property(&self, name: &str) -> Option<(PropertyId, &Property)> {
        match self.fields.get(name)? {
            FieldKind::Property(id) => Some((*id, self.properties.get(usize::from(id.0))?)),
            _ => None,
        }
    }

    /// What the server fills in where it makes an object of this type by itself. Defaults of later schemas are left out:
    /// older clients know nothing of them.
    pub fn defaults(&self) -> impl Iterator<Item = (PropertyId, &Value)> {
        let old = self.properties.iter().filter(|property| property.facts.since.is_none());
        old.filter_map(|property| Some((property.id, property.facts.default.as_ref()?)))
    }

    /// The reference with this field name, such as `network_ipam_refs`.
    pub fn reference(&self, field: &str) -> Option<(ReferenceId, &Reference)> {
        match self.fields.get(field)? {
            FieldKind::Reference(id) => Some((*id, self.references.get(usize::from(id.0))?)),
            _ => None,
        }
    }

    /// Whether objects of this type have a field of this name: a property, or links of some kind.
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// The reference to this type. A type has at most one reference to another type.
    pub fn reference_to(&self, target: TypeId) -> Option<(ReferenceId, &Reference)> {
        let id = *self.reference_by_target.get(&target)?;
        Some((id, self.references.get(usize::from(id.0))?))
    }

    /// The children of this type.
    pub fn child_of_type(&self, child: TypeId) -> Option<&Child> {
        self.children.get(*self.child_by_type.get(&child)?)
    }
}

/// What an object of a type may be a child of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Parent {
    /// The root of all objects, which is not an object itself (wire contract 0).
    ConfigRoot,
    /// An object of this type.
    Type(TypeId),
}

/// A typed value of an object.
#[derive(Debug)]
pub struct Property {
    /// Index in the properties of the object type.
    pub id: PropertyId,
    /// Name in JSON.
    pub name: String,
    /// The same as it is written before the value, `"name":`.
    pub json_key: String,
    /// Type of the value. For a list or map property: the wrapper.
    pub shape: Shape,
    /// Whether the elements can be changed one by one.
    pub collection: Collection,
    /// Whether an object without this property is refused on create, with the text
    /// `NAME property is missing` (wire contract 2.6).
    pub enforced: bool,
    /// What else the schema says.
    pub facts: Facts,
    pub(super) item: Option<Shape>,
}

impl Property {
    /// Type of one element of a list or map property.
    pub fn item(&self) -> Option<Shape> {
        self.item
    }

    /// The key of an element of a map property as text: the position of the element in
    /// `prop-collection-get` and `prop-collection-update` (wire contract 7.5). None for other
    /// properties, and for an element without key.
    pub fn item_key(&self, item: &Value) -> Option<String> {
        let Collection::Map { key, .. } = &self.collection else {
            return None;
        };
        match item.get(key)? {
            Value::String(string) => Some(string.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Whether the elements of a property can be changed one by one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Collection {
    /// They cannot; the property is replaced as a whole.
    None,
    /// Elements with a position.
    List {
        /// The field of the value that holds the array.
        wrapper: String,
    },
    /// Elements with a key, one for each key.
    Map {
        /// The field of the value that holds the array.
        wrapper: String,
        /// The field of an element that holds its key.
        key: String,
    },
}

impl Collection {
    /// The field of the value that holds the array.
    pub fn wrapper(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::List { wrapper } | Self::Map { wrapper, .. } => Some(wrapper),
        }
    }
}

/// A kind of link from an object to another one.
#[derive(Debug)]
pub struct Reference {
    /// Index in the references of the object type.
    pub id: ReferenceId,
    /// Name in JSON, `network_ipam_refs`.
    pub field: String,
    /// The same as it is written before the links, `"network_ipam_refs":`.
    pub json_key: String,
    /// Type of the object that is referred to.
    pub target: TypeId,
    /// Type of the data of the link, if it has any.
    pub attribute: Option<ComplexTypeId>,
    /// Whether the link may have data of any type, which nobody checks.
    pub untyped_attribute: bool,
    /// Whether a client has to say something of the data, if only that it is null.
    pub attribute_presence: Presence,
    /// Whether the system makes the link; it does not keep the target from being deleted.
    pub derived: bool,
    /// Whether the target is of the same type; such a link is stored on both ends
    /// (wire contract 0.1).
    pub symmetric: bool,
    /// What else the schema says.
    pub facts: Facts,
}

/// A kind of child of an object.
#[derive(Debug)]
pub struct Child {
    /// Name in JSON, `network_policys`.
    pub field: String,
    /// Type of the child.
    pub child: TypeId,
    /// Whether the system makes the child; it does not keep the parent from being deleted.
    pub derived: bool,
    /// What else the schema says.
    pub facts: Facts,
}

/// The other end of a reference that is not symmetric.
#[derive(Debug)]
pub struct BackReference {
    /// Name in JSON, `virtual_network_back_refs`.
    pub field: String,
    /// Type of the object that refers.
    pub source: TypeId,
    /// The reference in that type.
    pub reference: ReferenceId,
    /// Whether the system makes the link; it does not keep the target from being deleted.
    pub derived: bool,
}
