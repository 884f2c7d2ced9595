//! The actions: what is served beside collections and objects (contrail-api R21, wire contract 7). Each is one value, in the
//! file of its family, with all that is known of it; requests are led to it, and the home page and the OpenAPI document are
//! made of it, from the one table here.

mod addresses;
mod caches;
mod drafts;
mod dumps;
mod feeds;
pub mod health;
mod host_based_services;
mod jobs;
mod key_value;
mod lists;
mod logging;
mod metrics;
mod names;
pub mod neutron;
mod parts;
mod permissions;
mod profiles;
mod tags;
mod transactions;

#[cfg(test)]
mod tests;

pub use metrics::Scrapes;

use super::{
    App,
    answer::Answer,
    call::Call,
    error::{Answered, ApiError},
    openapi::arguments::Argument,
};
use crate::python_literal;
use actix_web::http::Method;
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};
use utoipa::openapi::path::OperationBuilder;

/// What stands in a path for the uuid of an object: `/<type>/{uuid}/<action>`.
pub const UUID: &str = "{uuid}";

/// What stands in a path for the name of a resource of Neutron.
pub const RESOURCE: &str = "{resource}";

/// A call that is not about a collection, or an object as a whole.
#[derive(Debug)]
pub struct Action {
    /// The name of its link on the home page; none: no link.
    pub link: Option<&'static str>,
    /// `/<action>`, `/<type>/{uuid}/<action>`, or that of Neutron's resources.
    pub path: &'static str,
    /// One of GET, POST, PUT and DELETE; a path with several has an action for each.
    pub method: Method,
    /// Who may call it.
    pub access: Access,
    /// What it does to the configuration.
    pub effect: Effect,
    /// Whether it counts among the requests that are served at the same time. Not who waits and does nothing, who asks how the
    /// server is, and who gets what is the same for everybody.
    pub takes_a_place: bool,
    /// What answers it.
    pub handler: Handler,
    /// What may be in its query and its headers, and is there once in the document.
    pub arguments: &'static [Argument],
    /// What the document says beside this.
    pub description: fn() -> OperationBuilder,
}

/// Answers a request. The text is what stands for `{uuid}` or `{resource}` in the path; without that it is empty.
pub type Handler = for<'a> fn(&'a App, &'a Call, &'a str) -> LocalBoxFuture<'a, Answered<Answer>>;

/// Who may call an action, where callers have to say who they are (`api/gate.rs`); without authentication everybody may do
/// everything. What somebody may do with an object depends on the object as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Also who does not say who it is.
    Anybody,
    /// Who is known; it reads what the caller may read.
    Reader,
    /// Who is known; it changes what the caller may change.
    Writer,
    /// The administrator of the cloud: it reaches beyond what projects own.
    Administrator,
}

impl Access {
    /// As in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Administrator => "administrator",
        }
    }
}

/// What a request does to the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing.
    Reads,
    /// Something that the writer decides, which can be tried.
    Writes,
    /// Something else, which can't be tried.
    Acts,
}

/// No two have the same path and method.
impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.method == other.method
    }
}

impl Eq for Action {}

/// The families, in the order of the home page.
static FAMILIES: [&[Action]; 19] = [
    parts::ACTIONS,
    names::ACTIONS,
    key_value::ACTIONS,
    dumps::ACTIONS,
    profiles::ACTIONS,
    lists::ACTIONS,
    permissions::ACTIONS,
    caches::ACTIONS,
    jobs::ACTIONS,
    host_based_services::ACTIONS,
    feeds::ACTIONS,
    health::ACTIONS,
    metrics::ACTIONS,
    logging::ACTIONS,
    tags::ACTIONS,
    drafts::ACTIONS,
    transactions::ACTIONS,
    addresses::ACTIONS,
    neutron::ACTIONS,
];

/// All actions.
pub fn all() -> impl Iterator<Item = &'static Action> {
    FAMILIES.iter().copied().flatten()
}

/// The body of an action.
type Body = Map<String, Value>;

/// A member that is given and not null.
fn given<'a>(body: &'a Body, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

/// A member that must be a text, if it is given.
fn text_member(body: &Body, name: &str) -> Answered<Option<String>> {
    match given(body, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            let text = format!("Bad Request, {name} must be a text, not {}", python_literal::value(other));
            Err(ApiError::bad_request(text))
        }
    }
}
