//! Words for what an action takes and answers.

use super::{
    refusals,
    vocabulary::{AnySchema, JSON, json_answer, nullable_list, simple, text},
};
use serde_json::Value;
use utoipa::openapi::{
    Content, ContentBuilder, ObjectBuilder, Required, Response, ResponseBuilder, Type, example::ExampleBuilder,
    path::OperationBuilder, request_body::RequestBodyBuilder,
};

/// A group of actions, which has a page in the documentation: its name, and what it is about.
pub type Group = (&'static str, &'static str);

/// Where to look for an object without an address.
pub const NAMES: Group = ("names and lists", "Names, uuids, and lists of any type.");
/// What a `PUT` would be too much for.
pub const PARTS: Group = ("parts of objects", "Changes of a part of an object, and of what belongs to several.");
/// What networks have to give.
pub const ADDRESSES: Group = ("addresses", "Addresses of networks that no object holds.");
/// What `OpenStack` asks for.
pub const NEUTRON: Group = ("neutron", "OpenStack's networks, as neutron-server's plug-in asks for them.");
/// For those who follow what happens.
pub const FEEDS: Group = ("feeds", "What changes, in order and without gaps.");
/// For those who run it.
pub const SERVER: Group = ("server", "The server itself.");
/// What others do.
pub const JOBS: Group = ("jobs", "Jobs and the message bus.");

/// All of them, in the order of the pages.
pub const GROUPS: [Group; 7] = [NAMES, PARTS, ADDRESSES, NEUTRON, FEEDS, SERVER, JOBS];

/// The media type of texts for people.
pub const PLAIN_TEXT: &str = "text/plain";

/// What every action with a body may refuse.
const BODY: [u16; 4] = [400, 408, 413, 503];
/// The same, where nobody looks what the body is.
pub const UNREAD_BODY: [u16; 3] = [408, 413, 503];

/// The answer to requests that succeed and have nothing to say.
pub fn nothing() -> ObjectBuilder {
    simple(Type::Object)
}

/// An operation of a group, with the name that generated clients give it.
pub fn about(group: Group, id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(group.0).operation_id(Some(id)).summary(Some(summary))
}

/// What is said of an operation, in the order in which it is told.
pub trait Described {
    /// A longer word.
    fn says(self, description: &str) -> Self;
    /// A body of JSON.
    fn takes(self, needed: Required, body: ObjectBuilder) -> Self;
    /// The same, with an example that can be sent as it is.
    fn takes_like(self, needed: Required, body: ObjectBuilder, example: Value) -> Self;
    /// The same with several, each with its name.
    fn takes_like_these(
        self,
        needed: Required,
        body: ObjectBuilder,
        examples: impl IntoIterator<Item = (String, Value)>,
    ) -> Self;
    /// 200 with JSON.
    fn answers(self, meaning: &str, schema: impl Into<AnySchema>) -> Self;
    /// Refusals of these status codes.
    fn or(self, statuses: &[u16]) -> Self;
}

impl Described for OperationBuilder {
    fn says(self, description: &str) -> Self {
        self.description(Some(description))
    }

    fn takes(self, needed: Required, body: ObjectBuilder) -> Self {
        with_body(self, needed, Content::new(Some(body)))
    }

    fn takes_like(self, needed: Required, body: ObjectBuilder, example: Value) -> Self {
        with_body(self, needed, ContentBuilder::new().schema(Some(body)).example(Some(example)).build())
    }

    fn takes_like_these(
        self,
        needed: Required,
        body: ObjectBuilder,
        examples: impl IntoIterator<Item = (String, Value)>,
    ) -> Self {
        let examples =
            examples.into_iter().map(|(name, value)| (name, ExampleBuilder::new().value(Some(value)).build()));
        with_body(self, needed, ContentBuilder::new().schema(Some(body)).examples_from_iter(examples).build())
    }

    fn answers(self, meaning: &str, schema: impl Into<AnySchema>) -> Self {
        self.response("200", json_answer(meaning, schema))
    }

    fn or(self, statuses: &[u16]) -> Self {
        refusals::of(statuses).fold(self, |operation, (status, refusal)| operation.response(status, refusal))
    }
}

fn with_body(operation: OperationBuilder, needed: Required, content: Content) -> OperationBuilder {
    let body = RequestBodyBuilder::new().required(Some(needed)).content(JSON, content).build();
    operation.request_body(Some(body)).or(&BODY)
}

/// The name of a type.
pub fn type_name() -> AnySchema {
    text("The type, as `virtual-network`.")
}

/// A list of texts, or null.
pub fn names_or_null(meaning: &str) -> AnySchema {
    nullable_list(simple(Type::String).into()).description(Some(meaning)).into()
}

/// An answer of text for people.
pub fn plain_answer(meaning: &str) -> Response {
    ResponseBuilder::new().description(meaning).content(PLAIN_TEXT, Content::new(Some(simple(Type::String)))).build()
}
