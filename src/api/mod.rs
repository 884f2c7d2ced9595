//! HTTP: leads each request to its handler, and maps every outcome to an answer.

mod actions;
mod answer;
mod call;
mod changes;
mod documentation;
mod error;
mod filters;
mod health;
mod home;
mod hosts;
mod kept_lists;
mod list;
mod objects;
pub mod openapi;
mod routes;
mod unknown_fields;
mod watch;

use crate::{
    feed::Feed,
    model::Model,
    settings::WatcherSettings,
    store::{Database, KeyValueStore},
    supervision::Supervision,
    writer::{Replica, Writer},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
    web::{Data, Payload},
};
use answer::Answer;
use call::Call;
pub use documentation::Documentation;
use error::{Answered, ApiError};
pub use hosts::AllowedHosts;
pub use kept_lists::KeptLists;
use list::ListRequest;
use routes::{Found, Route};
use std::{sync::Arc, time::Instant};

/// In every answer: up to where changes are in it, or, if it is the answer to a change, where that one is.
const REVISION: HeaderName = HeaderName::from_static("x-cirrus-revision");

/// What a browser may do with a page of ours: all of it is here.
const OWN_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);
/// What a browser may do with an answer that is not a page of ours: nothing. Texts and JSON repeat what clients have sent.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// What handlers work with.
pub struct App {
    /// The data model.
    pub model: Arc<Model>,
    /// For reads.
    pub replica: Arc<Replica>,
    /// For writes.
    pub writer: Writer,
    /// For `/readyz`.
    pub database: Database,
    /// For `/readyz`, too.
    pub supervision: Arc<Supervision>,
    /// For `/useragent-kv`.
    pub key_values: KeyValueStore,
    /// For `/watch` and `/changes`.
    pub feed: Arc<Feed>,
    /// For `/openapi.json` and `/documentation/`.
    pub documentation: Documentation,
    /// For lists that come again.
    pub kept_lists: Arc<KeptLists>,
    /// How watchers are served.
    pub watch: WatcherSettings,
    /// By which names it may be asked.
    pub allowed_hosts: AllowedHosts,
}

/// Answers any request, and says so in one line of the log.
pub async fn handle(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    let mut call = Call::new(&request);
    let answered = match app.allowed_hosts.check(&request) {
        Ok(()) => app.dispatch(&mut call, payload).await,
        Err(error) => Err(error),
    };
    let is_page = matches!(answered, Ok(Answer::File { .. }));
    let mut response = match answered {
        Ok(answer) => answer.response(),
        Err(error) => error.response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, if is_page { OWN_PAGE } else { NO_PAGE });
    let position = call.answered_at.get().unwrap_or_else(|| app.replica.current().position());
    if let Ok(value) = HeaderValue::try_from(position.to_string()) {
        response.headers_mut().insert(REVISION, value);
    }
    if let Some(value) = call.warning.take().and_then(|warning| HeaderValue::try_from(warning).ok()) {
        response.headers_mut().insert(header::WARNING, value);
    }
    tracing::info!(
        id = %call.identity.request_id,
        method = %request.method(),
        path = %call.path,
        status = response.status().as_u16(),
        microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    response
}

impl App {
    async fn dispatch(&self, call: &mut Call, payload: Payload) -> Answered<Answer> {
        let route = match routes::find(&self.model, &call.method, &call.path) {
            Found::Route(route) => route,
            Found::OtherMethods(allow) => return Err(ApiError::method_not_allowed(allow)),
            Found::Nothing => return Err(ApiError::not_found(format!("Not found: '{}'", call.path))),
        };
        // The bodies of GET and DELETE mean nothing.
        if call.method == Method::POST || call.method == Method::PUT {
            call.read_body(payload).await?;
        }
        match route {
            Route::Home if call.prefers_html => Ok(Answer::SeeOther("documentation/".to_owned())),
            Route::Home => Ok(Answer::json(&home::page(&self.model, &call.base))),
            Route::OpenApi => Ok(self.documentation.document(call)),
            Route::Documentation(path) => self.documentation.file(call, path.as_deref()),
            Route::Collection(type_id) if call.method == Method::POST => self.create(type_id, call).await,
            Route::Collection(type_id) => {
                let request = ListRequest::from_query(&self.model, type_id, call)?;
                self.list(request, call).await
            }
            Route::Object(type_id, uuid) => match call.method {
                Method::PUT => self.update(type_id, &uuid, call).await,
                Method::DELETE => self.delete(type_id, &uuid, call).await,
                _ => self.read(type_id, &uuid, call).await,
            },
            Route::Action(action) => self.act(action, call).await,
            Route::Network(action, uuid) => self.act_on_network(action, &uuid, call).await,
        }
    }
}
