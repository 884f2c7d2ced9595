//! The arguments of requests: in the path, in the query and in headers.

use super::vocabulary::{AnySchema, any_of, simple, uuid};
use crate::{api::idempotency::LONGEST_KEY, neutron::RESOURCES};
use utoipa::openapi::{
    KnownFormat, Ref, Required, SchemaFormat, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

/// Which values an argument takes.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Any text.
    Text,
    /// True if `true` is in it; anything else is false.
    Flag,
    /// A whole number within a range.
    Number(isize, Option<isize>),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// What names a request.
    Key,
}

/// An argument that is there once in the document, and named by operations.
#[derive(Debug)]
pub struct Argument {
    /// Its name in the document.
    pub key: &'static str,
    name: &'static str,
    place: Place,
    form: Form,
    meaning: &'static str,
}

#[derive(Debug)]
enum Place {
    Query,
    Header,
}

impl Argument {
    /// One in the query: its name in the document and in the request, what it takes, and what it means.
    pub const fn query(key: &'static str, name: &'static str, form: Form, meaning: &'static str) -> Self {
        Self { key, name, place: Place::Query, form, meaning }
    }

    /// The same, in a header.
    pub const fn header(key: &'static str, name: &'static str, form: Form, meaning: &'static str) -> Self {
        Self { key, name, place: Place::Header, form, meaning }
    }

    /// As it is in the document.
    pub fn parameter(&self) -> Parameter {
        let place = match self.place {
            Place::Query => ParameterIn::Query,
            Place::Header => ParameterIn::Header,
        };
        let parameter = ParameterBuilder::new().name(self.name).parameter_in(place).required(Required::False);
        parameter.description(Some(self.meaning)).schema(Some(schema(self.form))).build()
    }
}

/// Of what has a body.
pub const STRICT: Argument = Argument::query(
    "Strict",
    "strict",
    Form::Flag,
    "Refuses a body with fields that nothing is known of. Without it they are ignored, and named in the header `Warning`.",
);

/// Of changes of one object.
pub const IF_MATCH: Argument = Argument::header(
    "IfMatch",
    "If-Match",
    Form::Text,
    "Only if the object is in the state of this `Etag`, or of one of a list, each in double quotes; `*` for any state. Else 412, \
     and nothing is changed. Looked at when the request is decided: nobody comes in between.",
);

/// Of what the writer decides.
pub const DRY_RUN: Argument = Argument::query(
    "DryRun",
    "dry_run",
    Form::OneOf(&["true", "false"]),
    "`true`: is decided and answered as if it were done, and nothing is changed.",
);

/// Those of collections, of objects, and of files. Actions have theirs with them.
pub static OF_OBJECTS: [Argument; 23] = [
    Argument::query("ParentId", "parent_id", Form::Text, "Only children of these objects: uuids, joined by commas."),
    Argument::query(
        "ParentFqNameStr",
        "parent_fq_name_str",
        Form::Text,
        "Only children of the object of this name, its elements joined by `:`.",
    ),
    Argument::query("ParentType", "parent_type", Form::Text, "The type of that object, where several are possible."),
    Argument::query(
        "BackRefId",
        "back_ref_id",
        Form::Text,
        "Only objects that refer to one of these: uuids, joined by commas.",
    ),
    Argument::query(
        "ObjUuids",
        "obj_uuids",
        Form::Text,
        "Only these objects: uuids, joined by commas. Those that do not exist are left out.",
    ),
    Argument::query(
        "FqNames",
        "fq_names",
        Form::Text,
        "Only these objects: names, joined by commas, the elements of each by `:`.",
    ),
    Argument::query(
        "Filters",
        "filters",
        Form::Text,
        "Only objects with these values of properties: `name==value`, several joined by commas; values are JSON. Several values of one property: one of them.",
    ),
    Argument::query("Detail", "detail", Form::Flag, "Whole objects, each below the name of its type."),
    Argument::query(
        "Fields",
        "fields",
        Form::Text,
        "These fields beside the name: properties, references, children and back references, joined by commas.",
    ),
    Argument::query("Count", "count", Form::Flag, "Not the objects, only how many they are."),
    Argument::query(
        "Shared",
        "shared",
        Form::Flag,
        "Also what others share with the project in `parent_id`, or with everybody.",
    ),
    Argument::query(
        "ExcludeHrefs",
        "exclude_hrefs",
        Form::Text,
        "Leaves out `href` everywhere. Counts when it is there, whatever its value.",
    ),
    Argument::query(
        "PageMarker",
        "page_marker",
        Form::Text,
        "Pages: `None` for the first one, then the `marker` of the answer before, until that is null.",
    ),
    Argument::query(
        "PageLimit",
        "page_limit",
        Form::Number(1, None),
        "How many objects a page has; 256 if not given, or what the server is told. Counts only with `page_marker`.",
    ),
    Argument::query(
        "ReadFields",
        "fields",
        Form::Text,
        "Only these fields beside the name, `id_perms` and `perms2`: joined by commas.",
    ),
    Argument::query(
        "ExcludeBackRefs",
        "exclude_back_refs",
        Form::Text,
        "Leaves out the objects that refer to this one. Counts when it is there, whatever its value.",
    ),
    Argument::query(
        "ExcludeChildren",
        "exclude_children",
        Form::Text,
        "Leaves out the children. Counts when it is there, whatever its value.",
    ),
    Argument::header(
        "IfNoneMatch",
        "If-None-Match",
        Form::Text,
        "The `Etag` of an answer before: 304 if the object is still the same.",
    ),
    Argument::header("IfNotThere", "If-None-Match", Form::OneOf(&["*"]), "Only if there is no such object; else 412."),
    IF_MATCH,
    DRY_RUN,
    STRICT,
    Argument::header(
        "IdempotencyKey",
        "Idempotency-Key",
        Form::Key,
        "Names the request, so that it can be sent again and is done once: for a day the same request under the same key gets the \
         first answer again, with `Idempotency-Replayed: true`. A UUID for each request is a good choice.",
    ),
];

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
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).required(Required::True);
    parameter.description(Some(meaning)).schema(Some(schema)).build()
}

/// The uuid in a path.
pub fn uuid_in_path() -> Parameter {
    let parameter = ParameterBuilder::new().name("uuid").parameter_in(ParameterIn::Path).required(Required::True);
    parameter.schema(Some(uuid("The object, in lower case and with dashes."))).build()
}

/// The name of a resource of Neutron in a path.
pub fn resource_in_path() -> Parameter {
    let parameter = ParameterBuilder::new().name("resource").parameter_in(ParameterIn::Path).required(Required::True);
    let names = RESOURCES.iter().map(|resource| resource.name());
    parameter.schema(Some(simple(Type::String).enum_values(Some(names)))).build()
}

/// The name of a file in a path.
pub fn file_in_path() -> Parameter {
    let parameter = ParameterBuilder::new().name("file").parameter_in(ParameterIn::Path).required(Required::True);
    parameter.schema(Some(simple(Type::String).examples(["index.html"]))).build()
}
