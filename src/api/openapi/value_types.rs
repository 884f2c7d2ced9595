//! The types of values, as schemas. What contrail-api writes down and nobody checks is told in words, so that a schema refuses
//! only what the server refuses.

use super::vocabulary::{AnySchema, named, named_or_null, nullable, nullable_list, simple};
use crate::model::{ComplexType, Facts, Field, JsonKind, Model, Presence, Shape, SimpleType};
use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type, schema::AdditionalProperties};

/// All that have a name of their own, with their schemas.
pub fn schemas(model: &Model) -> impl Iterator<Item = (String, AnySchema)> {
    let simple = model.simple_types().iter().filter(|simple| !is_built_in(simple));
    let simple = simple.map(|simple| (simple.name.clone(), restricted(simple)));
    let complex = model.complex_types().iter().map(|complex| (complex.name.clone(), complex_schema(model, complex)));
    simple.chain(complex)
}

fn is_built_in(simple: &SimpleType) -> bool {
    simple.name == simple.base
}

fn json_type(simple: &SimpleType) -> Type {
    match simple.json {
        JsonKind::String => Type::String,
        JsonKind::Integer => Type::Integer,
        JsonKind::Boolean => Type::Boolean,
    }
}

/// The format of a built-in type.
fn format(simple: &SimpleType) -> Option<SchemaFormat> {
    (simple.json == JsonKind::Integer && simple.range.is_none())
        .then_some(SchemaFormat::KnownFormat(KnownFormat::Int64))
}

fn restricted(simple: &SimpleType) -> AnySchema {
    let mut builder = self::simple(json_type(simple)).format(format(simple)).pattern(simple.enforced_pattern());
    if !simple.values.is_empty() {
        builder = builder.enum_values(Some(simple.values.iter().map(String::as_str)));
    }
    if let Some((minimum, maximum)) = simple.range {
        builder = builder.minimum(Some(number(minimum))).maximum(Some(number(maximum)));
    }
    builder
        .description(words(&[
            simple.pattern.as_ref().map(|pattern| format!("Meant to match `{pattern}`.")),
            some_of(&simple.union, "Meant to be one of"),
            some_of(&simple.union_patterns, "Meant to match one of"),
            default_words(simple.default.as_ref()),
            since_words(simple.since.as_ref()),
        ]))
        .into()
}

fn number(limit: i64) -> isize {
    isize::try_from(limit).unwrap_or(if limit < 0 { isize::MIN } else { isize::MAX })
}

fn complex_schema(model: &Model, complex: &ComplexType) -> AnySchema {
    // Fields that the type does not have are refused, unlike those of objects.
    let builder = simple(Type::Object).additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let fields = complex.fields.values();
    let builder = fields.fold(builder, |builder, field| builder.property(&field.name, field_schema(model, field)));
    if complex.is_subnet() { required_prefix(builder).into() } else { builder.into() }
}

/// A prefix is looked at as a whole, and without a part of it there is none.
fn required_prefix(subnet: ObjectBuilder) -> ObjectBuilder {
    let length = simple(Type::Integer).minimum(Some(0)).maximum(Some(128)).description(Some("Its length in bits."));
    let address =
        simple(Type::String).description(Some("An IPv4 or IPv6 address; bits beyond the length are cleared."));
    subnet
        .property("ip_prefix", address)
        .property("ip_prefix_len", length)
        .required("ip_prefix")
        .required("ip_prefix_len")
}

fn field_schema(model: &Model, field: &Field) -> AnySchema {
    let limit = field.max_items.map(|limit| format!("Meant to have at most {limit} elements."));
    let alternative = field.alternative.then(|| "One of several, of which one is meant to be given.".to_owned());
    let meaning = words(&[limit, alternative, facts_words(&field.facts)]);
    if field.list {
        nullable_list(shape_schema(model, field.shape)).description(meaning).into()
    } else {
        nullable_shape(model, field.shape, meaning)
    }
}

/// What a property, a field or an element holds.
fn shape_schema(model: &Model, shape: Shape) -> AnySchema {
    match shape {
        Shape::Complex(id) => named(&model.complex_type(id).name),
        Shape::Simple(id) => {
            let simple = model.simple_type(id);
            if is_built_in(simple) {
                self::simple(json_type(simple)).format(format(simple)).into()
            } else {
                named(&simple.name)
            }
        }
    }
}

/// The same, or null, with what it means.
pub fn nullable_shape(model: &Model, shape: Shape, meaning: Option<String>) -> AnySchema {
    let name = match shape {
        Shape::Complex(id) => &model.complex_type(id).name,
        Shape::Simple(id) => {
            let simple = model.simple_type(id);
            if is_built_in(simple) {
                return nullable(json_type(simple)).format(format(simple)).description(meaning).into();
            }
            &simple.name
        }
    };
    named_or_null(name, &meaning.unwrap_or_default())
}

/// A number without its range: what the system sets may be beyond it, as the id of a security group that was chosen by hand.
pub fn unrestricted(model: &Model, shape: Shape, meaning: Option<String>) -> Option<AnySchema> {
    let Shape::Simple(id) = shape else { return None };
    let simple = model.simple_type(id);
    simple.range.map(|_| nullable(json_type(simple)).description(meaning).into())
}

/// What the schema of contrail says about an item beside its type, in words. Nothing of it is checked.
pub fn facts_words(facts: &Facts) -> Option<String> {
    let presence = match facts.presence {
        Presence::Optional => None,
        Presence::Required => Some("Meant to be given."),
        Presence::SystemOnly => Some("Set by the system."),
        Presence::AdminOnly => Some("Set by administrators."),
        Presence::Exclusive => Some("One of several, of which one is meant to be given."),
    };
    words(&[
        facts.deprecated.then(|| "Deprecated.".to_owned()),
        presence.map(str::to_owned),
        operations_words(&facts.operations),
        default_words(facts.default.as_ref()),
        facts.internal.then(|| "For the components of the system.".to_owned()),
        (!facts.implemented).then(|| "No component acts on it.".to_owned()),
        since_words(facts.since.as_ref()),
    ])
}

fn operations_words(operations: &str) -> Option<String> {
    if operations == "CRUD" {
        return None;
    }
    let word = |letter| match letter {
        'C' => Some("create"),
        'R' => Some("read"),
        'U' => Some("update"),
        'D' => Some("delete"),
        _ => None,
    };
    let words: Vec<&str> = operations.chars().filter_map(word).collect();
    Some(format!("Meant for {}.", words.join(", ")))
}

fn default_words(default: Option<&serde_json::Value>) -> Option<String> {
    default.map(|value| format!("Client libraries fill in `{value}`; the server does not."))
}

fn since_words(since: Option<&String>) -> Option<String> {
    since.map(|since| format!("Since {since}."))
}

fn some_of(choices: &[String], begin: &str) -> Option<String> {
    (!choices.is_empty()).then(|| format!("{begin} `{}`.", choices.join("`, `")))
}

/// Sentences that are there, joined.
pub fn words(sentences: &[Option<String>]) -> Option<String> {
    let sentences: Vec<&str> = sentences.iter().flatten().map(String::as_str).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}
