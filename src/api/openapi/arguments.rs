//! The arguments of requests: in the path, in the query and in headers.

use super::vocabulary::{AnySchema, any_of, simple, uuid};
use crate::api::idempotency::LONGEST_KEY;
use utoipa::openapi::{
    KnownFormat, Ref, Required, SchemaFormat, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

/// Which values an argument takes.
#[derive(Clone, Copy)]
enum Form {
    Text,
    /// True if `true` is in it; anything else is false.
    Flag,
    /// A whole number within a range.
    Number(isize, Option<isize>),
    OneOf(&'static [&'static str]),
    /// What names a request.
    Key,
}

/// The name in the document, the name in the request, where, what it takes, what it means.
type Argument = (&'static str, &'static str, ParameterIn, Form, &'static str);

const QUERY: ParameterIn = ParameterIn::Query;
const HEADER: ParameterIn = ParameterIn::Header;

/// Those that are named by operations, each once.
const ARGUMENTS: [Argument; 33] = [
    ("ParentId", "parent_id", QUERY, Form::Text, "Only children of these objects: uuids, joined by commas."),
    (
        "ParentFqNameStr",
        "parent_fq_name_str",
        QUERY,
        Form::Text,
        "Only children of the object of this name, its elements joined by `:`.",
    ),
    ("ParentType", "parent_type", QUERY, Form::Text, "The type of that object, where several are possible."),
    (
        "BackRefId",
        "back_ref_id",
        QUERY,
        Form::Text,
        "Only objects that refer to one of these: uuids, joined by commas.",
    ),
    (
        "ObjUuids",
        "obj_uuids",
        QUERY,
        Form::Text,
        "Only these objects: uuids, joined by commas. Those that do not exist are left out.",
    ),
    (
        "FqNames",
        "fq_names",
        QUERY,
        Form::Text,
        "Only these objects: names, joined by commas, the elements of each by `:`.",
    ),
    (
        "Filters",
        "filters",
        QUERY,
        Form::Text,
        "Only objects with these values of properties: `name==value`, several joined by commas; values are JSON. Several values of one property: one of them.",
    ),
    ("Detail", "detail", QUERY, Form::Flag, "Whole objects, each below the name of its type."),
    (
        "Fields",
        "fields",
        QUERY,
        Form::Text,
        "These fields beside the name: properties, references, children and back references, joined by commas.",
    ),
    ("Count", "count", QUERY, Form::Flag, "Not the objects, only how many they are."),
    (
        "Shared",
        "shared",
        QUERY,
        Form::Flag,
        "Also what others share with the project in `parent_id`, or with everybody.",
    ),
    (
        "ExcludeHrefs",
        "exclude_hrefs",
        QUERY,
        Form::Text,
        "Leaves out `href` everywhere. Counts when it is there, whatever its value.",
    ),
    (
        "PageMarker",
        "page_marker",
        QUERY,
        Form::Text,
        "Pages: `None` for the first one, then the `marker` of the answer before, until that is null.",
    ),
    (
        "PageLimit",
        "page_limit",
        QUERY,
        Form::Number(1, None),
        "How many objects a page has; 256 if not given, or what the server is told. Counts only with `page_marker`.",
    ),
    (
        "ReadFields",
        "fields",
        QUERY,
        Form::Text,
        "Only these fields beside the name, `id_perms` and `perms2`: joined by commas.",
    ),
    (
        "ExcludeBackRefs",
        "exclude_back_refs",
        QUERY,
        Form::Text,
        "Leaves out the objects that refer to this one. Counts when it is there, whatever its value.",
    ),
    (
        "ExcludeChildren",
        "exclude_children",
        QUERY,
        Form::Text,
        "Leaves out the children. Counts when it is there, whatever its value.",
    ),
    (
        "IfNoneMatch",
        "If-None-Match",
        HEADER,
        Form::Text,
        "The `Etag` of an answer before: 304 if the object is still the same.",
    ),
    (
        "IfMatch",
        "If-Match",
        HEADER,
        Form::Text,
        "Only if the object is in the state of this `Etag`, or of one of a list, each in double quotes; `*` for any state. Else 412, \
         and nothing is changed. Looked at when the request is decided: nobody comes in between.",
    ),
    ("IfNotThere", "If-None-Match", HEADER, Form::OneOf(&["*"]), "Only if there is no such object; else 412."),
    (
        "DryRun",
        "dry_run",
        QUERY,
        Form::OneOf(&["true", "false"]),
        "`true`: is decided and answered as if it were done, and nothing is changed.",
    ),
    (
        "Strict",
        "strict",
        QUERY,
        Form::Flag,
        "Refuses a body with fields that nothing is known of. Without it they are ignored, and named in the header `Warning`.",
    ),
    (
        "IdempotencyKey",
        "Idempotency-Key",
        HEADER,
        Form::Key,
        "Names the request, so that it can be sent again and is done once: for a day the same request under the same key gets the \
         first answer again, with `Idempotency-Replayed: true`. A UUID for each request is a good choice.",
    ),
    ("Position", "position", QUERY, Form::Text, "Only the element at this position; in a map, with this key."),
    ("Since", "since", QUERY, Form::Text, "A position, `<epoch>-<revision>`: what came after it, and no start."),
    (
        "ChangesSince",
        "since",
        QUERY,
        Form::Text,
        "A position, `<epoch>-<revision>`; a time with a zone, or how long ago, as `2h`; `oldest` for all that is kept, `now` (if \
         not given) for what comes.",
    ),
    ("LastEventId", "Last-Event-ID", HEADER, Form::Text, "The same; browsers send it when they come back."),
    (
        "Init",
        "init",
        QUERY,
        Form::OneOf(&["stream"]),
        "The state at the start as an event for each object, then a bookmark, instead of all objects of a type in one event.",
    ),
    (
        "Bookmarks",
        "bookmarks",
        QUERY,
        Form::OneOf(&["true", "false"]),
        "An event with the position at least every 15 seconds, when something else has happened.",
    ),
    (
        "Limit",
        "limit",
        QUERY,
        Form::Number(1, Some(10_000)),
        "How many changes, about: a request is never split. 1000 if not given.",
    ),
    (
        "ChangedTypes",
        "resource_type",
        QUERY,
        Form::Text,
        "Only these types of objects, joined by commas, as `virtual_network`.",
    ),
    (
        "Verbose",
        "verbose",
        QUERY,
        Form::Text,
        "A line for each thing that was looked at. Counts when it is there, whatever its value.",
    ),
    (
        "Wait",
        "wait",
        QUERY,
        Form::Number(0, Some(60)),
        "How many seconds to wait for a change when there is none; 0 if not given.",
    ),
];

/// All of them, by their names in the document.
pub fn parameters() -> impl Iterator<Item = (&'static str, Parameter)> {
    ARGUMENTS.iter().map(|(key, name, place, form, meaning)| {
        let parameter = ParameterBuilder::new().name(*name).parameter_in(place.clone()).required(Required::False);
        (*key, parameter.description(Some(*meaning)).schema(Some(schema(*form))).build())
    })
}

fn schema(form: Form) -> AnySchema {
    match form {
        Form::Text => simple(Type::String).into(),
        Form::Flag => any_of([simple(Type::Boolean).into(), simple(Type::String).into()], ""),
        Form::Number(least, most) => {
            let number = simple(Type::Integer).minimum(Some(least)).maximum(most);
            number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).into()
        }
        Form::Key => {
            let text = simple(Type::String).pattern(Some("^[!-~]+$"));
            text.min_length(Some(1)).max_length(Some(LONGEST_KEY)).into()
        }
        Form::OneOf(values) => simple(Type::String).enum_values(Some(values.iter().copied())).into(),
    }
}

/// Where the argument of this name in the document is.
pub fn named(key: &str) -> Ref {
    Ref::new(format!("#/components/parameters/{key}"))
}

/// An argument that has to be given.
pub fn required(name: &str, meaning: &str) -> Parameter {
    let schema = simple(Type::String).min_length(Some(1));
    let parameter = ParameterBuilder::new().name(name).parameter_in(QUERY).required(Required::True);
    parameter.description(Some(meaning)).schema(Some(schema)).build()
}

/// The uuid in a path.
pub fn uuid_in_path() -> Parameter {
    let parameter = ParameterBuilder::new().name("uuid").parameter_in(ParameterIn::Path).required(Required::True);
    parameter.schema(Some(uuid("The object, in lower case and with dashes."))).build()
}

/// The name of a file in a path.
pub fn file_in_path() -> Parameter {
    let parameter = ParameterBuilder::new().name("file").parameter_in(ParameterIn::Path).required(Required::True);
    parameter.schema(Some(simple(Type::String).examples(["index.html"]))).build()
}
