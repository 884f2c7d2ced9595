//! HTTP: leads each request to its handler, and maps every outcome to an answer.

mod actions;
mod administrators;
mod administrators_socket;
mod admission;
mod answer;
mod asked;
mod budget;
mod call;
mod changes;
mod conditions;
mod connection;
mod counted;
mod documentation;
mod door;
mod error;
mod filters;
mod gate;
mod headers;
mod home;
mod hosts;
mod idempotency;
mod kept_lists;
mod list;
mod markers;
mod objects;
mod on_demand;
pub mod openapi;
pub mod pages;
mod peer;
mod refusal_log;
mod routes;
mod shares;
mod standing;
mod transport;
mod unknown_fields;
mod watch;

use crate::{
    access::role_rules::KeptRoleRules,
    authentication::Authenticator,
    bus::Bus,
    feed::Feed,
    logs::{self, LogFilter, Served, Trace, Traces},
    metrics::{self, Scrape},
    model::Model,
    replica::Replica,
    rules::NeutronOptions,
    settings::{RequestSettings, WatcherSettings},
    store::{Database, KeyValueStore},
    supervision::Supervision,
    writer::Writer,
};
pub use actions::health::{DATABASE, Finding};
pub use actions::{Access, Scrapes};
use actix_http::ConnectionType;
use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        Method, Version,
        header::{self, HeaderName, HeaderValue},
    },
    web::{Data, Payload},
};
pub use administrators::{Account, Administrators};
pub use administrators_socket::SocketFile;
pub use admission::Admission;
pub use answer::Answer;
use bytes::Bytes;
pub use call::Call;
pub use connection::{Entrance, Listeners, server};
pub use documentation::{Documentation, File};
pub use door::{Door, Proxies};
pub use error::{Answered, ApiError};
pub use hosts::AllowedHosts;
pub use kept_lists::KeptLists;
use list::ListRequest;
use pages::{Asked, Pages};
use routes::{Found, Route};
pub use shares::Shares;
use std::{
    cell::OnceCell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// In every answer: up to where changes are in it, or, if it is the answer to a change, where that one is.
const REVISION: HeaderName = HeaderName::from_static("x-cirrus-revision");

/// What a browser may do with a page of ours: all of it is here.
const OWN_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);
/// The same with a page for people, which has neither scripts nor styles in itself.
const PEOPLES_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);
/// What a browser may do with an answer that is not a page of ours: nothing. Texts and JSON repeat what clients have sent.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// Tells metrics that others know.
pub type ToldAtScrape = Box<dyn Fn(&mut Scrape) + Send + Sync>;

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
    pub key_values: Arc<KeyValueStore>,
    /// For `/log-filter`.
    pub log_filter: Arc<LogFilter>,
    /// Where traces of requests go, if anywhere.
    pub traces: Option<Arc<Traces>>,
    /// For `/watch` and `/changes`.
    pub feed: Arc<Feed>,
    /// For jobs and messages of clients; none without brokers.
    pub bus: Option<Arc<Bus>>,
    /// For `/openapi.json` and `/documentation/`.
    pub documentation: Documentation,
    /// For `/ui/`.
    pub pages: Pages,
    /// What roles may do.
    pub role_rules: Arc<KeptRoleRules>,
    /// How `OpenStack`'s networks are.
    pub neutron: NeutronOptions,
    /// For lists that come again.
    pub kept_lists: Arc<KeptLists>,
    /// What requests may cost.
    pub requests: RequestSettings,
    /// How much is let in at the same time.
    pub admission: Admission,
    /// How watchers are served.
    pub watch: WatcherSettings,
    /// Whose watchers there are.
    pub shares: Arc<Shares>,
    /// By which names it may be asked.
    pub allowed_hosts: AllowedHosts,
    /// Who is believed about others.
    pub proxies: Proxies,
    /// Who is let in by the ways for administrators.
    pub administrators: Administrators,
    /// Whether what somebody may not read is answered as if it was not there.
    pub hides_forbidden: bool,
    /// Who finds out who asks.
    pub authenticator: Arc<Authenticator>,
    /// Tell what is only known elsewhere, at a scrape.
    pub told_at_scrape: Vec<ToldAtScrape>,
    /// Those that are under way.
    pub scrapes: Scrapes,
}

/// A body with what is given back when its last byte has gone, or its client. It may be made only while it goes out, so that lines
/// which are made with it are of the request, too.
struct Held<T> {
    body: BoxBody,
    served: Served,
    _held: T,
}

impl<T: Unpin> MessageBody for Held<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Self { body, served, .. } = self.get_mut();
        served.during(|| Pin::new(body).poll_next(context))
    }
}

/// Answers any request, and says so in one line of the log.
pub async fn handle(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    let mut call = Call::new(&request, &app.proxies);
    call.hides_forbidden = app.hides_forbidden;
    let parent = || headers::text(&request, headers::TRACE_PARENT);
    let trace = app.traces.as_ref().and_then(|_| Trace::begin(parent()));
    let served = Served { id: call.identity.request_id.as_str().into(), trace: trace.map(Arc::new) };
    served.clone().scope(answer(app, request, payload, call, served, started)).await
}

async fn answer(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
    mut call: Call,
    served: Served,
    started: Instant,
) -> HttpResponse {
    let in_hand = call.begin(&request);
    let answered = match app.allowed_hosts.check(&request) {
        Ok(()) => app.dispatch(&mut call, &request, payload).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &answered {
        metrics::refusal(error.reason.as_ref().and_then(|reason| reason.rule), error.status.as_u16());
        refusal_log::tell(&call, &request, error);
    }
    // People get to read why.
    let answered = match answered {
        Err(error) if call.is_for_page(&request) => Ok((app.pages.refused)(&app, &call, &error)),
        answered => answered,
    };
    let policy = match &answered {
        Ok(Answer::Page { .. }) => PEOPLES_PAGE,
        Ok(Answer::File { .. }) => OWN_PAGE,
        _ => NO_PAGE,
    };
    let mut response = match answered {
        Ok(answer) => answer.response(),
        Err(error) => error.response(call.takes_problems),
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(call.identity.request_id.as_str()) {
        headers.insert(headers::REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if request.version() < Version::HTTP_11 && response.body().size() == BodySize::Stream {
        // Who does not know of pieces reads to the end of the connection.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let position = call.answered_at.get().unwrap_or_else(|| app.replica.current().position());
    if let Ok(value) = HeaderValue::try_from(position.to_string()) {
        response.headers_mut().insert(REVISION, value);
    }
    if call.is_repeated.get() {
        response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(value) = call.warning.take().and_then(|warning| HeaderValue::try_from(warning).ok()) {
        response.headers_mut().insert(header::WARNING, value);
    }
    // What a client waits for on purpose does not make a request slow.
    let waited = call.waited.get();
    let took = started.elapsed().saturating_sub(waited);
    metrics::request(call.subject.get(), response.status().as_u16(), took);
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        method = %request.method(),
        path = %call.path,
        status = response.status().as_u16(),
        microseconds = micros(took),
        waited_microseconds = (!waited.is_zero()).then(|| micros(waited)),
        "request"
    );
    if let Some(traces) = &app.traces {
        traces.end(&served, response.status().as_u16());
    }
    response.map_body(|_, body| Held { body, served, _held: (in_hand, call.place.take()) }).map_into_boxed_body()
}

impl App {
    async fn dispatch(&self, call: &mut Call, request: &HttpRequest, payload: Payload) -> Answered<Answer> {
        let found = self.where_to(call);
        let subject = counted::subject(&found, &call.method);
        call.subject.set(subject);
        let trace = logs::trace();
        if let Some(trace) = &trace {
            let (kind, operation) = counted::kind_and_operation(subject, &self.model, &call.method);
            trace.is_for(kind, operation);
        }
        self.admit(call, request, &found).await?;
        let route = match found {
            Found::Route(route) => route,
            Found::OtherMethods(allow) => return Err(ApiError::method_not_allowed(allow)),
            Found::Nothing => return Err(ApiError::not_found(format!("Not found: '{}'", call.path))),
        };
        if matches!(route, Route::Page(..)) {
            pages::check_site(call, request)?;
        }
        conditions::check_route(call, &route)?;
        // The bodies of GET and DELETE mean nothing.
        if call.method == Method::POST || call.method == Method::PUT {
            call.read_body(payload, &self.admission).await?;
        }
        // Only now: whoever takes long to send its body takes nobody's place.
        if takes_a_place(&route) {
            let begin = Instant::now();
            let place = self.admission.request().await;
            if let Some(trace) = &trace {
                trace.part("wait", begin);
            }
            call.place.set(Some(place?));
        }
        self.check_role_rules(call, &route).await?;
        self.serve(route, call).await
    }

    /// Answers a request that has been let in.
    async fn serve(&self, route: Route, call: &Call) -> Answered<Answer> {
        match route {
            Route::Home if call.prefers_html && call.door == Door::Public => Ok(Answer::SeeOther("ui/".to_owned())),
            Route::Home if call.prefers_html => Ok(Answer::SeeOther("documentation/".to_owned())),
            Route::Home => Ok(Answer::json(&home::page(&self.model, &call.base))),
            Route::OpenApi => Ok(self.documentation.document(call)),
            Route::Documentation(path) => self.documentation.file(call, path.as_deref()),
            Route::Collection(type_id) if call.method == Method::POST => self.create(type_id, call).await,
            Route::Collection(type_id) => {
                let request = ListRequest::from_query(&self.model, type_id, call, self.requests.paginate_count)?;
                self.list(request, call).await
            }
            Route::Object(type_id, uuid) => match call.method {
                Method::PUT => self.update(type_id, &uuid, call).await,
                Method::DELETE => self.delete(type_id, &uuid, call).await,
                _ => self.read(type_id, &uuid, call).await,
            },
            Route::Action(action, uuid) => (action.handler)(self, call, &uuid).await,
            Route::Page(page, parts) => {
                let (fresh, gathered) = (OnceCell::new(), Mutex::default());
                (page.handler)(Asked { app: self, call, parts: &parts, fresh: &fresh, gathered: &gathered }).await
            }
        }
    }
}

/// Whether it counts among the requests that are served at the same time. What is the same for everybody costs nothing.
fn takes_a_place(route: &Route) -> bool {
    match route {
        Route::Home | Route::OpenApi | Route::Documentation(_) => false,
        Route::Action(action, _) => action.takes_a_place,
        Route::Page(page, _) => page.takes_a_place,
        Route::Collection(_) | Route::Object(..) => true,
    }
}
