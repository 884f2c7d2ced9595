//! Short words for the schemas and answers of which the document is full.

use utoipa::openapi::{
    ArrayBuilder, Content, Object, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, SchemaFormat, Type,
    schema::{AnyOfBuilder, SchemaType},
};

/// A schema, or where it is.
pub type AnySchema = RefOr<Schema>;

/// The media type of refusals, and of answers without a body, as clients of contrail-api know them.
pub const BARE_TEXT: &str = "text/html";
/// The media type of everything else.
pub const JSON: &str = "application/json";

/// A schema of the components.
pub fn named(name: &str) -> AnySchema {
    Ref::from_schema_name(name).into()
}

/// Some things go without saying.
fn said(meaning: &str) -> Option<&str> {
    Some(meaning).filter(|meaning| !meaning.is_empty())
}

/// A text, a number or a flag.
pub fn simple(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

/// The same, or null.
pub fn nullable(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

/// A text with what it means.
pub fn text(meaning: &str) -> AnySchema {
    simple(Type::String).description(said(meaning)).into()
}

/// A text, or null, with what it means.
pub fn nullable_text(meaning: &str) -> AnySchema {
    nullable(Type::String).description(said(meaning)).into()
}

/// A uuid with what it means.
pub fn uuid(meaning: &str) -> AnySchema {
    simple(Type::String).format(Some(uuid_format())).description(said(meaning)).into()
}

/// The format of uuids.
pub fn uuid_format() -> SchemaFormat {
    SchemaFormat::Custom("uuid".to_owned())
}

/// Anything at all.
pub fn anything(meaning: &str) -> AnySchema {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(said(meaning)).into()
}

/// One of several.
pub fn any_of(choices: impl IntoIterator<Item = AnySchema>, meaning: &str) -> AnySchema {
    let builder = choices.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    // Otherwise it would be said to be an object, too.
    RefOr::T(builder.schema_type(SchemaType::AnyValue).description(said(meaning)).build().into())
}

/// A schema of the components, or null.
pub fn named_or_null(name: &str, meaning: &str) -> AnySchema {
    any_of([named(name), Object::with_type(Type::Null).into()], meaning)
}

/// A list.
pub fn list(items: AnySchema) -> ArrayBuilder {
    ArrayBuilder::new().items(items)
}

/// A list, or null.
pub fn nullable_list(items: AnySchema) -> ArrayBuilder {
    list(items).schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
}

/// A list of texts.
pub fn texts(meaning: &str) -> AnySchema {
    list(simple(Type::String).into()).description(said(meaning)).into()
}

/// A JSON object with these members, of which those in `required` have to be there. Others are ignored.
pub fn object<'n>(required: &[&str], members: impl IntoIterator<Item = (&'n str, AnySchema)>) -> ObjectBuilder {
    let builder =
        members.into_iter().fold(simple(Type::Object), |builder, (name, schema)| builder.property(name, schema));
    required.iter().fold(builder, |builder, name| builder.required(*name))
}

/// An answer of JSON.
pub fn json_answer(meaning: &str, schema: impl Into<AnySchema>) -> ResponseBuilder {
    ResponseBuilder::new().description(meaning).content(JSON, Content::new(Some(schema.into())))
}

/// An answer without a body. It has a type all the same.
pub fn empty_answer(meaning: &str) -> Response {
    ResponseBuilder::new().description(meaning).content(BARE_TEXT, empty_content()).build()
}

/// What is in an answer without a body.
pub fn empty_content() -> Content {
    Content::new(Some(simple(Type::String).max_length(Some(0))))
}
