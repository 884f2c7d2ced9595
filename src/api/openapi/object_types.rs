//! The types of objects: what is sent and answered of each, and the five operations that each has.

use super::{
    arguments, examples,
    operation::Described,
    unchanged,
    value_types::{self, facts_words, nullable_shape, words},
    vocabulary::{
        AnySchema, BARE_TEXT, JSON, any_of, anything, empty_answer, empty_content, json_answer, list, named, nullable,
        nullable_list, nullable_text, object, simple, text, texts, uuid, uuid_format,
    },
};
use crate::{
    model::{ComplexTypeId, Model, ObjectType, Presence, Reference},
    rules::has_drafts,
};
use actix_web::http::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use utoipa::openapi::{
    Content, ContentBuilder, HeaderBuilder, ObjectBuilder, Required, Response, ResponseBuilder, Type,
    link::LinkBuilder,
    path::{Operation, OperationBuilder},
    request_body::{RequestBody, RequestBodyBuilder},
};

/// A name in the style of schemas: `virtual-network` is `VirtualNetwork`.
pub fn schema_name(dashed: &str) -> String {
    let capital = |part: &str| {
        let mut characters = part.chars();
        characters.next().map(|first| first.to_uppercase().chain(characters).collect::<String>()).unwrap_or_default()
    };
    dashed.split('-').map(capital).collect()
}

/// What all types need, and what each type does.
pub fn schemas(model: &Model) -> Vec<(String, AnySchema)> {
    let mut schemas = vec![
        ("CreatedObject".to_owned(), created()),
        ("UpdatedObject".to_owned(), updated()),
        ("Link".to_owned(), link(None).into()),
        ("ChildLink".to_owned(), child_link()),
        ("Count".to_owned(), count()),
    ];
    let attributes: BTreeSet<_> =
        model.types().iter().flat_map(|kind| &kind.references).filter_map(|reference| reference.attribute).collect();
    let references = || model.types().iter().flat_map(|kind| &kind.references);
    let required = |id| {
        references()
            .any(|reference| reference.attribute_presence == Presence::Required && reference.attribute == Some(id))
    };
    schemas.extend(
        attributes.into_iter().map(|id| (link_name(model, Some(id)), link(Some((model, id, required(id)))).into())),
    );
    for kind in model.types() {
        let name = schema_name(&kind.name);
        schemas.push((format!("{name}Create"), create_schema(model, kind)));
        schemas.push((format!("{name}Update"), update_schema(model, kind)));
        schemas.push((schema_name(&kind.collection), list_schema(kind)));
        schemas.push((envelope_name(kind), wrapped(kind, named(&name)).into()));
        schemas.push((name, read_schema(model, kind)));
    }
    schemas
}

/// Which object it is, and where it belongs.
fn identity() -> [(&'static str, AnySchema); 7] {
    [
        ("uuid", uuid("")),
        ("name", text("The last element of `fq_name`.")),
        ("fq_name", texts("The names of the objects above it, from the top, then its own.")),
        ("href", text("")),
        ("parent_type", text("")),
        ("parent_uuid", uuid("")),
        ("parent_href", text("")),
    ]
}

/// What a create answers.
fn created() -> AnySchema {
    object(&["uuid", "name", "fq_name", "href"], identity()).into()
}

fn updated() -> AnySchema {
    object(&["uuid", "href"], [("uuid", uuid("")), ("href", text(""))]).into()
}

/// The name of the schema of links with this data.
fn link_name(model: &Model, attribute: Option<ComplexTypeId>) -> String {
    attribute.map_or_else(|| "Link".to_owned(), |id| format!("{}Link", model.complex_type(id).name))
}

/// A link to an object, as it is sent and answered: with the type of its data, and whether something has to be said of it.
fn link(attribute: Option<(&Model, ComplexTypeId, bool)>) -> ObjectBuilder {
    let either = "The name of the object that is referred to. One of `to` and `uuid` has to be given; where both are, the name \
                  decides in a create, the uuid in an update.";
    let members = [
        ("to", nullable_list(simple(Type::String).into()).description(Some(either)).into()),
        ("uuid", nullable_text("Its uuid.")),
        ("href", nullable_text("Its address; only answered.")),
    ];
    match attribute {
        None => object(&[], members)
            .property("attr", anything("No data: null in answers, unless the reference says that there may be some.")),
        Some((model, id, required)) => {
            let data = crate::model::Shape::Complex(id);
            object(if required { &["attr"] } else { &[] }, members)
                .property("attr", nullable_shape(model, data, Some("The data of the reference.".to_owned())))
        }
    }
}

fn child_link() -> AnySchema {
    object(&["to", "uuid"], [("to", texts("")), ("uuid", uuid("")), ("href", text(""))]).into()
}

fn count() -> AnySchema {
    object(&["count"], [("count", simple(Type::Integer).minimum(Some(0)).into())]).into()
}

/// What a create takes.
fn create_schema(model: &Model, kind: &ObjectType) -> AnySchema {
    let fq_name = "The names of the objects above it, from the top, then its own. Those above say where it belongs.";
    let name = list(simple(Type::String).into()).min_items(Some(1)).description(Some(fq_name));
    let own = "One of its own choice, in lower case and with dashes; a new one if not given.";
    let builder = object(&["fq_name"], [("fq_name", name.into())])
        .property("uuid", nullable(Type::String).format(Some(uuid_format())).description(Some(own)));
    let builder = match parent_type(model, kind) {
        Some(schema) => builder.property("parent_type", schema),
        None => builder,
    };
    let builder = with_own_fields(builder, model, kind);
    kind.properties
        .iter()
        .filter(|property| property.enforced)
        .fold(builder, |builder, property| builder.required(&property.name))
        .into()
}

/// Which types the parent may be of; none if there is none.
fn parent_type(model: &Model, kind: &ObjectType) -> Option<ObjectBuilder> {
    let names = model.parent_names(kind);
    let meaning = match names.as_slice() {
        [] => return None,
        [_] => "The type of the object above it; may be left out.",
        _ => "The type of the object above it.",
    };
    Some(simple(Type::String).enum_values(Some(names)).description(Some(meaning)))
}

/// What an update takes.
fn update_schema(model: &Model, kind: &ObjectType) -> AnySchema {
    let builder = simple(Type::Object).description(Some(
        "What is named is replaced: null takes a property away, and a list of references replaces all that there are.",
    ));
    with_own_fields(builder, model, kind).into()
}

/// What a read answers.
fn read_schema(model: &Model, kind: &ObjectType) -> AnySchema {
    let builder = object(&["uuid", "fq_name"], identity()).title(Some(kind.title.as_str()));
    let mut builder = with_own_fields(builder, model, kind);
    for property in kind.properties.iter().filter(|property| property.facts.presence == Presence::SystemOnly) {
        if let Some(schema) = value_types::unrestricted(model, property.shape, facts_words(&property.facts)) {
            builder = builder.property(&property.name, schema);
        }
    }
    for child in &kind.children {
        let links = list(named("ChildLink"));
        let title = &model.object_type(child.child).title;
        let meaning =
            words(&[Some(format!("Children: {title}.")), derived_words(child.derived), facts_words(&child.facts)]);
        builder = builder.property(&child.field, links.description(meaning));
    }
    for back in &kind.back_references {
        let source = model.object_type(back.source);
        let attribute = source.references.get(usize::from(back.reference.0)).and_then(|reference| reference.attribute);
        let meaning = words(&[Some(format!("Refer to it: {}.", source.title)), derived_words(back.derived)]);
        builder = builder.property(&back.field, list(named(&link_name(model, attribute))).description(meaning));
    }
    builder.into()
}

fn derived_words(derived: bool) -> Option<String> {
    derived.then(|| "Made by the system; does not keep from being deleted.".to_owned())
}

/// Properties and references.
fn with_own_fields(mut builder: ObjectBuilder, model: &Model, kind: &ObjectType) -> ObjectBuilder {
    for property in &kind.properties {
        builder = builder.property(&property.name, nullable_shape(model, property.shape, facts_words(&property.facts)));
    }
    for reference in &kind.references {
        builder = builder.property(&reference.field, references(model, reference));
    }
    builder
}

fn references(model: &Model, reference: &Reference) -> AnySchema {
    let title = &model.object_type(reference.target).title;
    let symmetric = reference.symmetric.then(|| "Both ends have it.".to_owned());
    let untyped = reference.untyped_attribute.then(|| "There may be data of any type in `attr`.".to_owned());
    let meaning = words(&[Some(format!("Refers to: {title}.")), symmetric, untyped, facts_words(&reference.facts)]);
    nullable_list(named(&link_name(model, reference.attribute))).description(meaning).into()
}

/// What a list answers.
fn list_schema(kind: &ObjectType) -> AnySchema {
    let name = schema_name(&kind.name);
    let items = any_of([named(&name), named(&envelope_name(kind))], "With `detail`, below the name of the type.");
    let content = any_of([list(items).into(), named("Count")], "The objects; with `count`, how many they are.");
    let marker = nullable_text("For the next page; null after the last one. Only if the request had a `page_marker`.");
    object(&[&kind.collection], [(kind.collection.as_str(), content), ("marker", marker)]).into()
}

/// The name of the schema of an object below the name of its type.
fn envelope_name(kind: &ObjectType) -> String {
    format!("{}Envelope", schema_name(&kind.name))
}

/// The arguments of a list.
const LIST: [&str; 14] = [
    "ParentId",
    "ParentFqNameStr",
    "ParentType",
    "BackRefId",
    "ObjUuids",
    "FqNames",
    "Filters",
    "Detail",
    "Fields",
    "Count",
    "Shared",
    "ExcludeHrefs",
    "PageMarker",
    "PageLimit",
];
/// The arguments of a read.
const READ: [&str; 5] = ["ReadFields", "ExcludeHrefs", "ExcludeBackRefs", "ExcludeChildren", "IfNoneMatch"];

/// An operation on `/<type>s`.
pub fn on_collection(model: &Model, kind: &ObjectType, method: &Method) -> Operation {
    if *method == Method::POST { create(model, kind) } else { list_all(kind) }
}

/// An operation on `/<type>/<uuid>`.
pub fn on_object(kind: &ObjectType, method: &Method) -> Operation {
    match *method {
        Method::PUT => update(kind),
        Method::DELETE => delete(kind),
        _ => read(kind),
    }
}

fn list_all(kind: &ObjectType) -> Operation {
    let operation = operation(kind, &format!("{}s_list", kind.field), "list");
    let operation = LIST.iter().fold(operation, |list, argument| list.parameter_ref(arguments::named(argument)));
    let answer = json_answer("Those that match.", named(&schema_name(&kind.collection)));
    refused(operation.response("200", answer), &[400, 404, 503])
}

fn create(model: &Model, kind: &ObjectType) -> Operation {
    let answer = json_answer("It is there.", wrapped(kind, named("CreatedObject")));
    let operation = operation(kind, &operation_id(kind, "create"), "create")
        .parameter_ref(arguments::named("IfNotThere"))
        .parameter_ref(arguments::named("DryRun"))
        .parameter_ref(arguments::named("Strict"))
        .request_body(Some(body(kind, "Create", Required::True, examples::create(model, kind))))
        .response("200", with_links(kind, answer));
    let operation = if has_drafts(kind) { operation.response("202", draft(kind, "CreatedObject")) } else { operation };
    refused_once(operation, &[400, 403, 404, 408, 409, 412, 413, 503])
}

fn read(kind: &ObjectType) -> Operation {
    let operation = operation(kind, &operation_id(kind, "read"), "read").parameter(arguments::uuid_in_path());
    let operation = READ.iter().fold(operation, |read, argument| read.parameter_ref(arguments::named(argument)));
    let etag = HeaderBuilder::new()
        .schema(Some(simple(Type::String)))
        .description(Some("For `If-Match` and `If-None-Match`."))
        .build();
    let answer = json_answer("The object.", named(&envelope_name(kind))).header("Etag", etag);
    refused(operation.response("200", answer).response("304", unchanged()), &[404, 503])
}

fn update(kind: &ObjectType) -> Operation {
    let answer = json_answer("It is changed.", wrapped(kind, named("UpdatedObject")));
    let operation = operation(kind, &operation_id(kind, "update"), "update")
        .parameter(arguments::uuid_in_path())
        .parameter_ref(arguments::named("IfMatch"))
        .parameter_ref(arguments::named("DryRun"))
        .parameter_ref(arguments::named("Strict"))
        .request_body(Some(body(kind, "Update", Required::False, examples::update(kind))))
        // Without anything to change there is nothing to say.
        .response("200", answer.content(BARE_TEXT, empty_content()));
    let operation = if has_drafts(kind) { operation.response("202", draft(kind, "UpdatedObject")) } else { operation };
    refused_once(operation, &[400, 403, 404, 408, 409, 412, 413, 503])
}

fn delete(kind: &ObjectType) -> Operation {
    let operation = operation(kind, &operation_id(kind, "delete"), "delete")
        .parameter(arguments::uuid_in_path())
        .parameter_ref(arguments::named("IfMatch"))
        .parameter_ref(arguments::named("DryRun"))
        .response("200", empty_answer("It is gone."));
    let operation = if has_drafts(kind) { operation.response("202", pending()) } else { operation };
    refused_once(operation, &[400, 403, 404, 409, 412, 503])
}

fn operation(kind: &ObjectType, id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(&kind.name).operation_id(Some(id)).summary(Some(format!("{}: {summary}", kind.title)))
}

/// As the methods of the Python client library are called.
fn operation_id(kind: &ObjectType, verb: &str) -> String {
    format!("{}_{verb}", kind.field)
}

/// Below the name of the type, as every object goes over the wire.
fn wrapped(kind: &ObjectType, content: AnySchema) -> ObjectBuilder {
    object(&[&kind.name], [(kind.name.as_str(), content)])
}

fn body(kind: &ObjectType, purpose: &str, required: Required, example: Value) -> RequestBody {
    let content = named(&format!("{}{purpose}", schema_name(&kind.name)));
    // Nothing at all is an update, too.
    let schema =
        if required == Required::True { wrapped(kind, content) } else { object(&[], [(kind.name.as_str(), content)]) };
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(example));
    RequestBodyBuilder::new().required(Some(required)).content(JSON, content.build()).build()
}

/// 202, with what the answer would have been.
fn draft(kind: &ObjectType, answer: &str) -> Response {
    let content = wrapped(kind, named(answer));
    json_answer(PENDING, content).content(BARE_TEXT, empty_content()).build()
}

/// 202, without a body.
pub fn pending() -> Response {
    ResponseBuilder::new()
        .description(PENDING)
        .content(JSON, Content::new(Some(anything("Null."))))
        .content(BARE_TEXT, empty_content())
        .build()
}

const PENDING: &str =
    "Kept aside as a draft, because the scope drafts its security policy: `security-policy-draft` puts it in force.";

/// What can be done next with what was made.
fn with_links(kind: &ObjectType, answer: ResponseBuilder) -> ResponseBuilder {
    ["read", "update", "delete"].iter().fold(answer, |answer, verb| {
        let uuid = format!("$response.body#/{}/uuid", kind.name);
        let link = LinkBuilder::new().operation_id(operation_id(kind, verb)).parameter("uuid", uuid).build();
        answer.link(*verb, link)
    })
}

/// With refusals of these status codes.
pub fn refused(operation: OperationBuilder, statuses: &[u16]) -> Operation {
    operation.or(statuses).build()
}

/// The same, of a write that may have a key.
pub fn refused_once(operation: OperationBuilder, statuses: &[u16]) -> Operation {
    refused(operation.parameter_ref(arguments::named("IdempotencyKey")), &[statuses, &[422]].concat())
}
