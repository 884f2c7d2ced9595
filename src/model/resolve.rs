//! Turns the parsed files into the model: resolves names, derives what the files do not repeat and
//! refuses what makes no sense.

use super::loader::{Files, ObjectTypeFile, Parsed, PropertyEntry, ReferenceEntry, SchemaError, SourceFile, Table};
use super::object_type::{
    BackReference, Child, Collection, Facts, FieldKind, ObjectType, Parent, Presence, Property, PropertyId, Reference,
    ReferenceId, TypeId,
};
use super::resolve_values::{ValueTypes, default_of_shape, find_shape, resolve_value_types};
use super::value_type::{ComplexTypeId, Field, JsonKind, Shape};
use super::{CONFIG_ROOT, Model};
use rustc_hash::FxHashMap;
use std::ops::Range;
use toml::Spanned;

/// Fields that every object has beside what the schema names (wire contract 0.2).
const RESERVED_FIELDS: [&str; 7] = ["uuid", "name", "fq_name", "href", "parent_type", "parent_uuid", "parent_href"];

/// Builds the model.
pub(super) fn resolve(files: &Files<'_>) -> Result<Model, SchemaError> {
    let value_types = resolve_value_types(files)?;
    let mut types = new_types(files)?;
    let names = names(&types, |object_type| vec![object_type.name.clone(), object_type.field.clone()]);
    let collections = names_of_collections(&types);
    resolve_parents(files, &names, &mut types)?;
    for (index, parsed) in files.object_types.iter().enumerate() {
        let properties = resolve_properties(files, parsed, &value_types)?;
        let references = resolve_references(files, parsed, TypeId(narrow(index)), &names, &value_types)?;
        types[index].properties = properties;
        types[index].references = references;
    }
    derive_back_references(&mut types);
    for (object_type, parsed) in types.iter_mut().zip(&files.object_types) {
        index_fields(object_type, parsed)?;
    }
    Ok(Model { types, names, collections, simple_types: value_types.simple, complex_types: value_types.complex })
}

/// Indexes fit: `limit` has been called with the number of items.
pub(super) fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

pub(super) fn limit(file: &SourceFile, place: Range<usize>, count: usize) -> Result<(), SchemaError> {
    if count >= usize::from(u16::MAX) {
        return Err(file.error(place, "the schema has too many items of one kind"));
    }
    Ok(())
}

/// The types with what follows from their names alone.
fn new_types(files: &Files<'_>) -> Result<Vec<ObjectType>, SchemaError> {
    let mut types: Vec<ObjectType> = Vec::new();
    for parsed in &files.object_types {
        let name = &parsed.content.name;
        limit(parsed.file, name.span(), types.len())?;
        let valid = |character: char| character.is_ascii_alphanumeric() || character == '-';
        if name.get_ref().is_empty() || !name.get_ref().chars().all(valid) {
            return Err(parsed.file.error(name.span(), "the name of an object type has letters, digits and dashes"));
        }
        let field = name.get_ref().replace('-', "_");
        types.push(ObjectType {
            id: TypeId(narrow(types.len())),
            title: title(name.get_ref()),
            collection: format!("{}s", name.get_ref()),
            path: format!("/{}/", name.get_ref()),
            name: name.get_ref().clone(),
            field,
            example: parsed.content.example.clone(),
            parents: Vec::new(),
            properties: Vec::new(),
            references: Vec::new(),
            children: Vec::new(),
            back_references: Vec::new(),
            fields: FxHashMap::default(),
            reference_by_target: FxHashMap::default(),
            child_by_type: FxHashMap::default(),
        });
    }
    Ok(types)
}

fn title(name: &str) -> String {
    let words: Vec<String> = name
        .split('-')
        .map(|word| {
            let mut characters = word.chars();
            let first = characters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(characters).collect()
        })
        .collect();
    words.join(" ")
}

/// Maps names to types; a name in lower case is added where it is free.
fn names(types: &[ObjectType], names_of: impl Fn(&ObjectType) -> Vec<String>) -> FxHashMap<String, TypeId> {
    let exact: FxHashMap<String, TypeId> = types
        .iter()
        .flat_map(|object_type| {
            let names = names_of(object_type).into_iter();
            names.map(|name| (name, object_type.id))
        })
        .collect();
    let mut all = exact.clone();
    for (name, id) in exact {
        all.entry(name.to_ascii_lowercase()).or_insert(id);
    }
    all
}

fn names_of_collections(types: &[ObjectType]) -> FxHashMap<String, TypeId> {
    names(types, |object_type| vec![object_type.collection.clone()])
}

/// Finds a type that a file names. The name has to be written exactly, with dashes.
fn find_type(
    file: &SourceFile,
    name: &Spanned<String>,
    names: &FxHashMap<String, TypeId>,
    types: &[Parsed<'_, ObjectTypeFile>],
) -> Result<TypeId, SchemaError> {
    let exact = |id: &TypeId| types[usize::from(id.0)].content.name.get_ref() == name.get_ref();
    names
        .get(name.get_ref())
        .copied()
        .filter(exact)
        .ok_or_else(|| file.error(name.span(), format!("unknown object type {:?}", name.get_ref())))
}

/// Reads the parents and derives the children from them.
fn resolve_parents(
    files: &Files<'_>,
    names: &FxHashMap<String, TypeId>,
    types: &mut [ObjectType],
) -> Result<(), SchemaError> {
    for (index, parsed) in files.object_types.iter().enumerate() {
        let file = parsed.file;
        let Some(parents) = &parsed.content.parents else {
            if let Some(link) = parsed.content.parent_links.keys().next() {
                return Err(file.error(link.span(), "parent_links without parents"));
            }
            types[index].parents.push(Parent::ConfigRoot);
            continue;
        };
        if parents.is_empty() {
            return Err(file.error(parsed.content.name.span(), "leave parents out for an object type without parent"));
        }
        for parent in parents {
            let id = find_type(file, parent, names, &files.object_types)?;
            let value = if parent.get_ref() == CONFIG_ROOT { Parent::ConfigRoot } else { Parent::Type(id) };
            if types[index].parents.contains(&value) {
                return Err(file.error(parent.span(), format!("parent {:?} is listed twice", parent.get_ref())));
            }
            types[index].parents.push(value);
            let link = parsed.content.parent_links.get(parent);
            let child = Child {
                field: format!("{}s", types[index].field),
                child: types[index].id,
                derived: link.is_some_and(|link| link.derived),
                facts: link.map_or_else(|| Ok(ordinary_facts()), |link| link.facts(file))?,
            };
            types[usize::from(id.0)].children.push(child);
        }
        for link in parsed.content.parent_links.keys() {
            if !parents.contains(link) {
                return Err(file.error(link.span(), format!("{:?} is not in parents", link.get_ref())));
            }
        }
    }
    refuse_unreachable_types(files, types)
}

fn ordinary_facts() -> Facts {
    Facts {
        presence: Presence::Optional,
        operations: "CRUD".to_owned(),
        default: None,
        deprecated: false,
        internal: false,
        implemented: true,
        since: None,
    }
}

/// A type whose parents lead to each other only could never have an object.
fn refuse_unreachable_types(files: &Files<'_>, types: &[ObjectType]) -> Result<(), SchemaError> {
    let mut reachable = vec![false; types.len()];
    loop {
        let mut grown = false;
        for (index, object_type) in types.iter().enumerate() {
            if !reachable[index] {
                reachable[index] = object_type.parents.iter().any(|parent| match parent {
                    Parent::ConfigRoot => true,
                    Parent::Type(id) => reachable[usize::from(id.0)],
                });
                grown |= reachable[index];
            }
        }
        if !grown {
            break;
        }
    }
    match reachable.iter().position(|reached| !reached) {
        None => Ok(()),
        Some(index) => {
            let parsed = &files.object_types[index];
            Err(parsed.file.error(
                parsed.content.name.span(),
                format!("the parents of {:?} never lead to an object without parent", types[index].name),
            ))
        }
    }
}

/// The own items and then the common ones, each with its file.
fn own_and_common<'files, T>(
    own: (&'files SourceFile, &'files Table<T>),
    common: (&'files SourceFile, &'files Table<T>),
) -> impl Iterator<Item = (&'files SourceFile, &'files Spanned<String>, &'files T)> {
    let entries = |(file, table): (&'files SourceFile, &'files Table<T>)| {
        table.iter().map(move |(name, entry)| (file, name, entry))
    };
    entries(own).chain(entries(common))
}

fn resolve_properties(
    files: &Files<'_>,
    parsed: &Parsed<'_, ObjectTypeFile>,
    types: &ValueTypes,
) -> Result<Vec<Property>, SchemaError> {
    let mut properties: Vec<Property> = Vec::new();
    let own = (parsed.file, &parsed.content.properties);
    let common = (files.common.file, &files.common.content.properties);
    for (file, name, entry) in own_and_common(own, common) {
        limit(file, name.span(), properties.len())?;
        let id = PropertyId(narrow(properties.len()));
        properties.push(resolve_property(file, name, entry, id, types)?);
    }
    Ok(properties)
}

fn resolve_property(
    file: &SourceFile,
    name: &Spanned<String>,
    entry: &PropertyEntry,
    id: PropertyId,
    types: &ValueTypes,
) -> Result<Property, SchemaError> {
    let ((Some(type_name), None, None) | (None, Some(type_name), None) | (None, None, Some(type_name))) =
        (&entry.plain, &entry.list, &entry.map)
    else {
        return Err(file.error(name.span(), "a property has one of type, list and map"));
    };
    if let (Some(key), None) = (&entry.key, &entry.map) {
        return Err(file.error(key.span(), "only a map property has a key"));
    }
    let shape = find_shape(file, type_name, types)?;
    let mut collection = Collection::None;
    let mut item = None;
    if entry.plain.is_none() {
        let wrapper = wrapper_field(shape, types).ok_or_else(|| {
            file.error(
                type_name.span(),
                format!(
                    "{:?} is no wrapper: the type of a list or map property has one field, a list",
                    type_name.get_ref()
                ),
            )
        })?;
        collection = Collection::List { wrapper: wrapper.name.clone() };
        item = Some(wrapper.shape);
        if entry.map.is_some() {
            let key = entry.key.as_ref().ok_or_else(|| file.error(name.span(), "a map property needs a key"))?;
            if !is_map_key(wrapper.shape, key.get_ref(), types) {
                return Err(
                    file.error(key.span(), format!("the elements have no string or integer field {:?}", key.get_ref()))
                );
            }
            collection = Collection::Map { wrapper: wrapper.name.clone(), key: key.get_ref().clone() };
        }
    }
    let mut facts = entry.facts(file)?;
    facts.default = default_of_shape(file, entry.default.as_ref(), shape, &types.simple)?;
    let json_key = format!("\"{}\":", name.get_ref());
    Ok(Property {
        id,
        name: name.get_ref().clone(),
        json_key,
        shape,
        collection,
        enforced: entry.enforced,
        facts,
        item,
    })
}

fn wrapper_field(shape: Shape, types: &ValueTypes) -> Option<&Field> {
    match shape {
        Shape::Complex(id) => types.complex.get(usize::from(id.0))?.single_list_field(),
        Shape::Simple(_) => None,
    }
}

fn is_map_key(item: Shape, key: &str, types: &ValueTypes) -> bool {
    let Shape::Complex(id) = item else {
        return false;
    };
    match types.complex[usize::from(id.0)].fields.get(key) {
        Some(field) if !field.list => match field.shape {
            Shape::Simple(id) => types.simple[usize::from(id.0)].json != JsonKind::Boolean,
            Shape::Complex(_) => false,
        },
        _ => false,
    }
}

fn resolve_references(
    files: &Files<'_>,
    parsed: &Parsed<'_, ObjectTypeFile>,
    own_type: TypeId,
    names: &FxHashMap<String, TypeId>,
    types: &ValueTypes,
) -> Result<Vec<Reference>, SchemaError> {
    let mut references: Vec<Reference> = Vec::new();
    let own = (parsed.file, &parsed.content.references);
    let common = (files.common.file, &files.common.content.references);
    for (file, name, entry) in own_and_common(own, common) {
        limit(file, name.span(), references.len())?;
        let target = find_type(file, name, names, &files.object_types)?;
        let field = format!("{}_refs", name.get_ref().replace('-', "_"));
        references.push(Reference {
            id: ReferenceId(narrow(references.len())),
            json_key: format!("\"{field}\":"),
            field,
            target,
            attribute: resolve_attribute(file, entry, types)?,
            untyped_attribute: entry.attribute.as_ref().is_some_and(|name| name.get_ref() == ANY_ATTRIBUTE),
            attribute_presence: entry.attribute_presence,
            derived: entry.derived,
            symmetric: target == own_type,
            facts: entry.facts(file)?,
        });
    }
    Ok(references)
}

/// What stands for the type of data that is not checked.
const ANY_ATTRIBUTE: &str = "any";

fn resolve_attribute(
    file: &SourceFile,
    entry: &ReferenceEntry,
    types: &ValueTypes,
) -> Result<Option<ComplexTypeId>, SchemaError> {
    let Some(name) = entry.attribute.as_ref().filter(|name| name.get_ref() != ANY_ATTRIBUTE) else {
        return Ok(None);
    };
    match find_shape(file, name, types)? {
        Shape::Complex(id) => Ok(Some(id)),
        Shape::Simple(_) => Err(file.error(name.span(), "the attribute of a reference is of a complex type")),
    }
}

/// A reference to the own type has no other end of its own: it is stored on both objects.
fn derive_back_references(types: &mut [ObjectType]) {
    for index in 0..types.len() {
        let source = types[index].id;
        let back_references: Vec<(TypeId, BackReference)> = types[index]
            .references
            .iter()
            .filter(|reference| !reference.symmetric)
            .map(|reference| {
                let back_reference = BackReference {
                    field: format!("{}_back_refs", types[index].field),
                    source,
                    reference: reference.id,
                    derived: reference.derived,
                };
                (reference.target, back_reference)
            })
            .collect();
        for (target, back_reference) in back_references {
            types[usize::from(target.0)].back_references.push(back_reference);
        }
    }
}

/// Makes the lookups by name, and refuses a type in which a name means two things.
fn index_fields(object_type: &mut ObjectType, parsed: &Parsed<'_, ObjectTypeFile>) -> Result<(), SchemaError> {
    let properties = object_type.properties.iter().map(|property| (&property.name, FieldKind::Property(property.id)));
    let references =
        object_type.references.iter().map(|reference| (&reference.field, FieldKind::Reference(reference.id)));
    let children = object_type.children.iter().map(|child| (&child.field, FieldKind::Child));
    let back_references = object_type.back_references.iter().map(|back| (&back.field, FieldKind::BackReference));
    let mut fields = FxHashMap::default();
    let all = properties.chain(references).chain(children);
    for (name, kind) in all.chain(back_references) {
        if RESERVED_FIELDS.contains(&name.as_str()) || fields.insert(name.clone(), kind).is_some() {
            return Err(field_clash(parsed, name));
        }
    }
    object_type.reference_by_target =
        object_type.references.iter().map(|reference| (reference.target, reference.id)).collect();
    object_type.child_by_type =
        object_type.children.iter().enumerate().map(|(index, child)| (child.child, index)).collect();
    object_type.fields = fields;
    Ok(())
}

/// Points at the property or reference with the name, if the own file has one.
fn field_clash(parsed: &Parsed<'_, ObjectTypeFile>, name: &str) -> SchemaError {
    let content = &parsed.content;
    let property = content.properties.keys().find(|property| property.get_ref() == name);
    let reference =
        content.references.keys().find(|target| format!("{}_refs", target.get_ref().replace('-', "_")) == name);
    let place = property.or(reference).map_or_else(|| content.name.span(), Spanned::span);
    parsed.file.error(place, format!("field {name:?} exists already in objects of this type"))
}
