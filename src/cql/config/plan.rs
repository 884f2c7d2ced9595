//! What the columns of objects are called, made once for a model: where each stands in the order, and how it begins.

use crate::{
    graph::Object,
    model::{Collection, Model, ObjectType, PropertyId, TypeId},
};

/// The kinds of columns, in the order of their bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Section {
    Latest,
    BackReferences,
    Children,
    Name,
    Parent,
    ParentType,
    Properties,
    Lists,
    Maps,
    References,
    Relaxing,
    Type,
}

impl Section {
    pub const ALL: [Self; 12] = [
        Self::Latest,
        Self::BackReferences,
        Self::Children,
        Self::Name,
        Self::Parent,
        Self::ParentType,
        Self::Properties,
        Self::Lists,
        Self::Maps,
        Self::References,
        Self::Relaxing,
        Self::Type,
    ];

    /// The column; for one that ends with a colon, what all of them begin with.
    pub const fn column(self) -> &'static [u8] {
        match self {
            Self::Latest => b"META:latest_col_ts",
            Self::BackReferences => b"backref:",
            Self::Children => b"children:",
            Self::Name => b"fq_name",
            Self::Parent => b"parent:",
            Self::ParentType => b"parent_type",
            Self::Properties => b"prop:",
            Self::Lists => b"propl:",
            Self::Maps => b"propm:",
            Self::References => b"ref:",
            Self::Relaxing => b"relaxbackref:",
            Self::Type => b"type",
        }
    }

    /// Whether it is one column only.
    pub const fn is_single(self) -> bool {
        matches!(self, Self::Latest | Self::Name | Self::ParentType | Self::Type)
    }
}

/// The columns of a property.
#[derive(Debug)]
pub struct PropertyPlan {
    /// Which kind: for a list or a map, a column for each element.
    pub section: Section,
    /// Its place among the properties of this kind.
    order: u16,
    /// The column, or what the columns of the elements begin with.
    pub column: Box<[u8]>,
}

/// The columns of objects of a type, and those of others that name it.
#[derive(Debug)]
pub struct TypePlan {
    /// Its place among all types where they are part of a column.
    order: u16,
    /// By property.
    properties: Vec<PropertyPlan>,
    /// The types of what is referred to, by reference.
    targets: Vec<TypeId>,
    /// Its name as key of a table.
    pub key: Box<[u8]>,
    /// What its objects have as `type`.
    pub type_value: Box<str>,
    /// What the children of its objects have as `parent_type`.
    pub parent_type_value: Box<str>,
    /// What columns begin with where others name its objects: back references, ...
    pub back_reference: Box<[u8]>,
    /// ... children, ...
    pub child: Box<[u8]>,
    /// ... parents, ...
    pub parent: Box<[u8]>,
    /// ... and references.
    pub reference: Box<[u8]>,
}

impl TypePlan {
    /// The columns of a property.
    pub fn property(&self, id: PropertyId) -> Option<&PropertyPlan> {
        self.properties.get(usize::from(id.0))
    }
}

/// Which columns the objects of each type may have, in their order: made once for a model.
#[derive(Debug)]
pub struct Plans {
    types: Vec<TypePlan>,
    /// All types by the bytes of their keys.
    by_key: Vec<TypeId>,
}

/// Some columns of an object, which are neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The number of the section, then its place among the parts of it.
    order: u32,
    pub section: Section,
    pub of: PartOf,
}

/// What a part is about, where its section does not say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartOf {
    /// The object as a whole.
    Object,
    /// Objects of this type: children, or what refers to this one.
    Type(TypeId),
    /// The property with this index in the object.
    Property(usize),
    /// The links of one reference, to objects of this type: from this index to before that one.
    Links(TypeId, usize, usize),
}

impl Plans {
    /// For the types of this model.
    pub fn new(model: &Model) -> Self {
        let ordered = |keys: Vec<(&[u8], TypeId)>| {
            let mut keys = keys;
            keys.sort_unstable();
            keys.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
        };
        // In a column a colon follows the name.
        let columns: Vec<(String, TypeId)> =
            model.types().iter().map(|kind| (format!("{}:", kind.field), kind.id)).collect();
        let by_column = ordered(columns.iter().map(|(column, id)| (column.as_bytes(), *id)).collect());
        let types = model.types().iter().map(|kind| type_plan(kind, place_in(&by_column, kind.id)));
        Self {
            types: types.collect(),
            by_key: ordered(model.types().iter().map(|kind| (kind.field.as_bytes(), kind.id)).collect()),
        }
    }

    /// The columns of a type.
    pub fn of(&self, type_id: TypeId) -> Option<&TypePlan> {
        self.types.get(usize::from(type_id.0))
    }

    /// The types, by the bytes of their keys.
    pub fn by_key(&self) -> &[TypeId] {
        &self.by_key
    }

    /// The type with this key.
    pub fn with_key(&self, key: &[u8]) -> Option<TypeId> {
        let key_of = |id: &TypeId| self.of(*id).map(|plan| &*plan.key);
        let index = self.by_key.binary_search_by(|id| key_of(id).cmp(&Some(key))).ok()?;
        self.by_key.get(index).copied()
    }

    /// The place of a part that is about objects of this type.
    pub fn about(&self, section: Section, type_id: TypeId) -> Part {
        let order = self.of(type_id).map_or(u16::MAX, |plan| plan.order);
        Part::new(section, order, PartOf::Type(type_id))
    }

    /// Appends the parts that are made of the properties and the links of an object, in no order.
    pub fn own_parts(&self, object: &Object, parts: &mut Vec<Part>) {
        let Some(plan) = self.of(object.type_id) else { return };
        for (index, (id, _)) in object.properties.iter().enumerate() {
            if let Some(property) = plan.property(*id) {
                parts.push(Part::new(property.section, property.order, PartOf::Property(index)));
            }
        }
        let mut end = 0;
        for links in object.links.chunk_by(|one, other| one.reference == other.reference) {
            let start = end;
            end += links.len();
            let reference = links.first().map(|link| usize::from(link.reference.0));
            let Some(target) = reference.and_then(|reference| plan.targets.get(reference)) else { continue };
            let order = self.of(*target).map_or(u16::MAX, |target| target.order);
            parts.push(Part::new(Section::References, order, PartOf::Links(*target, start, end)));
        }
    }
}

impl Part {
    /// What is there once.
    pub const fn whole(section: Section) -> Self {
        Self::new(section, 0, PartOf::Object)
    }

    const fn new(section: Section, order: u16, of: PartOf) -> Self {
        Self { order: ((section as u32) << 16) | order as u32, section, of }
    }

    /// What parts are sorted by.
    pub const fn order(&self) -> u32 {
        self.order
    }
}

fn place_in(order: &[TypeId], id: TypeId) -> u16 {
    // There are no more types than there are ids.
    order.iter().position(|other| *other == id).and_then(|index| u16::try_from(index).ok()).unwrap_or(u16::MAX)
}

fn type_plan(kind: &ObjectType, order: u16) -> TypePlan {
    let named = |section: Section| [section.column(), kind.field.as_bytes(), b":"].concat().into_boxed_slice();
    let mut properties: Vec<PropertyPlan> = kind
        .properties
        .iter()
        .map(|property| {
            let (section, end) = match property.collection {
                Collection::None => (Section::Properties, ""),
                Collection::List { .. } => (Section::Lists, ":"),
                Collection::Map { .. } => (Section::Maps, ":"),
            };
            let column = [section.column(), property.name.as_bytes(), end.as_bytes()].concat();
            PropertyPlan { section, order: 0, column: column.into_boxed_slice() }
        })
        .collect();
    let mut sorted: Vec<&mut PropertyPlan> = properties.iter_mut().collect();
    sorted.sort_unstable_by(|one, other| one.column.cmp(&other.column));
    for (order, property) in (0..).zip(sorted) {
        property.order = order;
    }
    TypePlan {
        order,
        properties,
        targets: kind.references.iter().map(|reference| reference.target).collect(),
        key: kind.field.as_bytes().into(),
        type_value: format!("\"{}\"", kind.field).into(),
        parent_type_value: format!("\"{}\"", kind.name).into(),
        back_reference: named(Section::BackReferences),
        child: named(Section::Children),
        parent: named(Section::Parent),
        reference: named(Section::References),
    }
}
