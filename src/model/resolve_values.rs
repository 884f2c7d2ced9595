//! Resolves the value types of the schema: the part of `resolve` that comes first.

use super::check;
use super::loader::{FieldEntry, Files, SchemaError, SimpleEntry, SourceFile};
use super::resolve::{limit, narrow};
use super::value_type::{
    BUILT_IN, ComplexType, ComplexTypeId, Field, JsonKind, Shape, SimpleType, SimpleTypeId, SpecialObject,
    SpecialString,
};
use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;
use toml::Spanned;

/// The value types, and the way from their names to them.
#[derive(Default)]
pub(super) struct ValueTypes {
    pub(super) simple: Vec<SimpleType>,
    pub(super) complex: Vec<ComplexType>,
    pub(super) shapes: FxHashMap<String, Shape>,
}

pub(super) fn resolve_value_types(files: &Files<'_>) -> Result<ValueTypes, SchemaError> {
    let mut types = ValueTypes::default();
    for (name, json) in BUILT_IN {
        let id = SimpleTypeId(narrow(types.simple.len()));
        types.shapes.insert(name.to_owned(), Shape::Simple(id));
        types.simple.push(SimpleType {
            name: name.to_owned(),
            base: name.to_owned(),
            json,
            values: Vec::new(),
            range: None,
            pattern: None,
            union: Vec::new(),
            union_patterns: Vec::new(),
            default: None,
            since: None,
            value_set: FxHashSet::default(),
            special: None,
        });
    }
    let mut complex_count = 0;
    for parsed in &files.value_types {
        for (name, entry) in &parsed.content.simple {
            limit(parsed.file, name.span(), types.simple.len())?;
            let id = SimpleTypeId(narrow(types.simple.len()));
            declare(&mut types, parsed.file, name, Shape::Simple(id))?;
            let simple = resolve_simple(parsed.file, name, entry)?;
            types.simple.push(simple);
        }
        for name in parsed.content.complex.keys() {
            limit(parsed.file, name.span(), complex_count)?;
            let id = ComplexTypeId(narrow(complex_count));
            declare(&mut types, parsed.file, name, Shape::Complex(id))?;
            complex_count += 1;
        }
    }
    for parsed in &files.value_types {
        for (name, entries) in &parsed.content.complex {
            let mut fields = IndexMap::default();
            for (field_name, entry) in entries {
                let field = resolve_field(parsed.file, field_name, entry, &types)?;
                fields.insert(field_name.get_ref().clone(), field);
            }
            let special = SpecialObject::of_type(name.get_ref());
            types.complex.push(ComplexType { name: name.get_ref().clone(), fields, special });
        }
    }
    refuse_endless_types(files, &types)?;
    Ok(types)
}

fn declare(types: &mut ValueTypes, file: &SourceFile, name: &Spanned<String>, shape: Shape) -> Result<(), SchemaError> {
    if types.shapes.insert(name.get_ref().clone(), shape).is_some() {
        return Err(file.error(name.span(), format!("value type {:?} exists already", name.get_ref())));
    }
    Ok(())
}

fn resolve_simple(file: &SourceFile, name: &Spanned<String>, entry: &SimpleEntry) -> Result<SimpleType, SchemaError> {
    let base = entry.base.get_ref();
    let Some((_, json)) = BUILT_IN.into_iter().find(|(built_in, _)| built_in == base) else {
        return Err(file.error(entry.base.span(), format!("unknown built-in type {base:?}")));
    };
    let mut value_set = FxHashSet::default();
    for value in &entry.values {
        if json != JsonKind::String {
            return Err(file.error(value.span(), "only strings can have a list of values"));
        }
        if !value_set.insert(value.get_ref().clone()) {
            return Err(file.error(value.span(), format!("value {:?} is listed twice", value.get_ref())));
        }
    }
    let range = match (&entry.minimum, &entry.maximum) {
        (None, None) => None,
        (Some(minimum), Some(maximum)) => {
            if json != JsonKind::Integer {
                return Err(file.error(minimum.span(), "only integers can have a range"));
            }
            if minimum.get_ref() > maximum.get_ref() {
                return Err(file.error(minimum.span(), "minimum is larger than maximum"));
            }
            Some((*minimum.get_ref(), *maximum.get_ref()))
        }
        (Some(bound), None) | (None, Some(bound)) => {
            return Err(file.error(bound.span(), "a range needs both minimum and maximum, they are printed together"));
        }
    };
    let mut simple = SimpleType {
        name: name.get_ref().clone(),
        base: base.clone(),
        json,
        values: entry.values.iter().map(|value| value.get_ref().clone()).collect(),
        range,
        pattern: entry.pattern.clone(),
        union: entry.union.clone(),
        union_patterns: entry.patterns.clone(),
        default: None,
        since: entry.since.clone(),
        value_set,
        special: SpecialString::of_type(name.get_ref()),
    };
    simple.default = default_value(file, entry.default.as_ref(), &simple)?;
    Ok(simple)
}

fn resolve_field(
    file: &SourceFile,
    name: &Spanned<String>,
    entry: &FieldEntry,
    types: &ValueTypes,
) -> Result<Field, SchemaError> {
    let (type_name, list) = match (&entry.plain, &entry.list) {
        (Some(type_name), None) => (type_name, false),
        (None, Some(type_name)) => (type_name, true),
        _ => return Err(file.error(name.span(), "a field has either type or list")),
    };
    let shape = find_shape(file, type_name, types)?;
    let mut facts = entry.facts(file)?;
    facts.default = default_of_shape(file, entry.default.as_ref(), shape, &types.simple)?;
    Ok(Field {
        name: name.get_ref().clone(),
        shape,
        list,
        max_items: entry.max_items,
        alternative: entry.alternative,
        facts,
    })
}

pub(super) fn find_shape(file: &SourceFile, name: &Spanned<String>, types: &ValueTypes) -> Result<Shape, SchemaError> {
    types
        .shapes
        .get(name.get_ref())
        .copied()
        .ok_or_else(|| file.error(name.span(), format!("unknown value type {:?}", name.get_ref())))
}

pub(super) fn default_of_shape(
    file: &SourceFile,
    default: Option<&Spanned<toml::Value>>,
    shape: Shape,
    simple_types: &[SimpleType],
) -> Result<Option<Value>, SchemaError> {
    match (default, shape) {
        (None, _) => Ok(None),
        (Some(_), Shape::Simple(id)) => default_value(file, default, &simple_types[usize::from(id.0)]),
        (Some(default), Shape::Complex(_)) => Err(file.error(default.span(), "only a simple value can have a default")),
    }
}

/// A default has to be a value of its type. Zero and the empty string pass, as they do in a document.
fn default_value(
    file: &SourceFile,
    default: Option<&Spanned<toml::Value>>,
    simple: &SimpleType,
) -> Result<Option<Value>, SchemaError> {
    let Some(default) = default else {
        return Ok(None);
    };
    let mut value = match default.get_ref() {
        toml::Value::String(string) => Value::from(string.as_str()),
        toml::Value::Integer(integer) => Value::from(*integer),
        toml::Value::Boolean(boolean) => Value::from(*boolean),
        _ => {
            return Err(file.error(default.span(), "a default is a string, an integer or a boolean"));
        }
    };
    check::check_simple(simple, "default", &mut value).map_err(|reason| file.error(default.span(), reason))?;
    Ok(Some(value))
}

/// A complex type that holds itself could not be bounded by the schema any more, and the check of
/// documents recurses along the types.
fn refuse_endless_types(files: &Files<'_>, types: &ValueTypes) -> Result<(), SchemaError> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    fn visit(types: &ValueTypes, index: usize, marks: &mut [Mark]) -> bool {
        match marks[index] {
            Mark::Done => return true,
            Mark::Open => return false,
            Mark::New => marks[index] = Mark::Open,
        }
        let finite = types.complex[index].fields.values().all(|field| match field.shape {
            Shape::Complex(id) => visit(types, usize::from(id.0), marks),
            Shape::Simple(_) => true,
        });
        marks[index] = Mark::Done;
        finite
    }
    let mut marks = vec![Mark::New; types.complex.len()];
    let places = files.value_types.iter().flat_map(|parsed| {
        let names = parsed.content.complex.keys();
        names.map(move |name| (parsed.file, name))
    });
    for (index, (file, name)) in places.enumerate() {
        if !visit(types, index, &mut marks) {
            return Err(file.error(name.span(), format!("a value of type {:?} would hold itself", name.get_ref())));
        }
    }
    Ok(())
}
