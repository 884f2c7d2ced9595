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
mod host_based_service;
mod jobs;
mod kept_lists;
mod list;
mod objects;
pub mod openapi;
mod peer;
mod routes;
mod watch;

use crate::{
    bus::Bus,
    feed::Feed,
    model::Model,
    settings::WatcherSettings,
    store::{Database, KeyValueStore},
    writer::{Replica, Writer},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    web::{Data, Payload},
};
use answer::Answer;
use call::Call;
pub use documentation::Documentation;
use error::{Answered, ApiError};
pub use kept_lists::KeptLists;
use list::ListRequest;
pub use peer::Peer;
use routes::{Found, Route};
use std::{sync::Arc, time::Instant};

/// In every answer: up to where changes are in it, or, if it is the answer to a change, where that one is.
const REVISION: HeaderName = HeaderName::from_static("x-cirrus-revision");

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
    /// For `/useragent-kv`.
    pub key_values: KeyValueStore,
    /// For `/watch` and `/changes`.
    pub feed: Arc<Feed>,
    /// For jobs and messages of clients; none without brokers.
    pub bus: Option<Arc<Bus>>,
    /// For `/openapi.json` and `/documentation/`.
    pub documentation: Documentation,
    /// For lists that come again.
    pub kept_lists: Arc<KeptLists>,
    /// How watchers are served.
    pub watch: WatcherSettings,
}

/// Answers any request, and says so in one line of the log.
pub async fn handle(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    let mut call = Call::new(&request);
    let mut response = match app.dispatch(&mut call, payload).await {
        Ok(answer) => answer.response(),
        Err(error) => error.response(),
    };
    let position = call.answered_at.get().unwrap_or_else(|| app.replica.current().position());
    if let Ok(value) = HeaderValue::try_from(position.to_string()) {
        response.headers_mut().insert(REVISION, value);
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
            Route::Home if call.prefers_html => Ok(Answer::SeeOther("documentation/")),
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
