//! One request, as the handlers see it: who, what, and the body as far as it may be read.

use super::{
    admission::{Admission, Place},
    connection::{InHand, Progress},
    door::{Door, Proxies},
    error::{Answered, ApiError, PROBLEM},
    headers::{
        self, CLUSTER_ID, CONTRAIL_USERAGENT, FETCH_DESTINATION, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO,
        LAST_EVENT_ID, REQUEST_ID, REQUESTOR_IP, first,
    },
    idempotency::KeyHeader,
    pages,
    peer::Peer,
    standing::Standing,
};
use crate::{
    access::{Caller, Identity, Level, kept, role_rules::Questions},
    authentication::Known,
    graph::Position,
    metrics::{self, Limit, Subject},
    python_literal,
    store::idempotency::Keyed,
};
use actix_web::{
    HttpRequest,
    http::{
        Method, StatusCode,
        header::{self, Header, Quality},
    },
    web::Payload,
};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// Bodies with more bytes are parsed beside the workers, which have others to serve.
const PARSED_ASIDE: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Bodies up to this size, in bytes, arrive whenever they want: there are no more of them than connections.
const SMALL_BODY: usize = 64 << 10;
/// Over how long it is counted how much of a body comes.
const RATE_OVER: Duration = Duration::from_secs(10);

/// A body, until it is looked into.
#[derive(Default)]
enum Body {
    /// There is none (any more).
    #[default]
    None,
    Read(Vec<u8>),
    Parsed(Answered<Value>),
}

/// A request without its connection.
#[allow(clippy::struct_excessive_bools)] // They are what heads say.
pub struct Call {
    /// The method; HEAD counts as GET.
    pub method: Method,
    /// The path as sent.
    pub path: String,
    /// The query, the last one of a repeated key but for `fields`.
    pub query: HashMap<String, String>,
    /// Who asks.
    pub identity: Identity,
    /// What is known of the token that it came with, if it needed one.
    pub known: Option<Arc<Known>>,
    /// For what is told for long: whether that token is still good.
    pub standing: Option<Standing>,
    /// Scheme and host, for hrefs.
    pub base: String,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `If-Match`.
    pub if_match: Option<String>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// `X-Cluster-ID`: of which cluster the client speaks.
    pub cluster_id: Option<String>,
    /// From where the request came, by the last proxy that is believed.
    pub from: Option<IpAddr>,
    /// By which way it came in.
    pub door: Door,
    /// Whether what may not be read is answered as if it was not there.
    pub hides_forbidden: bool,
    /// The connection of who asks.
    pub peer: Option<Peer>,
    /// Whether HTML is asked for by name before JSON, as browsers do.
    pub prefers_html: bool,
    /// Whether refusals are asked for as problems (RFC 9457), by name, and before text.
    pub takes_problems: bool,
    /// Whether metrics are asked for as OpenMetrics, by name, and before text.
    pub takes_open_metrics: bool,
    /// Whether an answer may be compressed with gzip.
    pub takes_gzip: bool,
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// From where the answer is, once that is known: `X-Cirrus-Revision`.
    pub answered_at: Cell<Option<Position>>,
    /// For how long the client wanted to wait for something to happen.
    pub waited: Cell<Duration>,
    /// What it is about, for who counts.
    pub subject: Cell<Subject>,
    /// What the answer says beside itself: `Warning`.
    pub warning: RefCell<Option<String>>,
    /// `Idempotency-Key`
    pub key: Option<KeyHeader>,
    /// Whether the answer is that of before: `Idempotency-Replayed`.
    pub is_repeated: Cell<bool>,
    /// What roles have to allow for it.
    pub asked: RefCell<Questions>,
    /// Of which state they have been asked.
    pub asked_at: Cell<Option<Position>>,
    /// Whether the body says that it is JSON.
    is_json: bool,
    /// Whether it says that it is a form.
    is_form: bool,
    /// How many bytes the body has, if the client says so.
    announced: Option<usize>,
    body: Cell<Body>,
    /// What is taken for the body, until the request is answered.
    room: Vec<Place>,
    /// Among the requests that are served at the same time, until the answer has gone out.
    pub place: Cell<Option<Place>>,
    connection: Option<Rc<Progress>>,
    /// `Cookie`, if it is a request for a page.
    cookies: String,
}

impl Call {
    /// A request that this one stands for: of the same caller, by the same way. `target` is a path with its query.
    pub fn within(&self, method: Method, target: &str, body: Option<Value>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method,
            path: path.to_owned(),
            query: read_query(query),
            identity: self.identity.clone(),
            known: self.known.clone(),
            standing: self.standing.clone(),
            base: self.base.clone(),
            if_none_match: None,
            if_match: None,
            last_event_id: None,
            cluster_id: None,
            from: self.from,
            door: self.door,
            hides_forbidden: self.hides_forbidden,
            peer: self.peer,
            prefers_html: false,
            takes_problems: false,
            takes_open_metrics: false,
            takes_gzip: false,
            head_only: self.head_only,
            answered_at: Cell::new(None),
            waited: Cell::default(),
            subject: Cell::default(),
            warning: RefCell::new(None),
            key: None,
            is_repeated: Cell::default(),
            asked: RefCell::default(),
            asked_at: Cell::default(),
            is_json: true,
            is_form: false,
            announced: None,
            body: Cell::new(body.map_or(Body::None, |value| Body::Parsed(Ok(value)))),
            room: Vec::new(),
            place: Cell::default(),
            connection: self.connection.clone(),
            cookies: String::new(),
        }
    }

    /// Whether the client has come by TLS, as far as is known here.
    pub fn is_encrypted(&self) -> bool {
        self.base.starts_with("https://")
    }

    /// The value of a cookie; of several with the name the first, which is that of the longest path.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let pairs = self.cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    /// Whether it is somebody's browser that wants to show something, and not a script of a page.
    pub fn is_for_page(&self, request: &HttpRequest) -> bool {
        let is_navigation =
            request.headers().get(FETCH_DESTINATION).is_none_or(|destination| destination.as_bytes() == b"document");
        self.door == Door::Public && pages::is_below(&self.path) && self.prefers_html && is_navigation
    }

    /// The body as fields of a form, once; in their order.
    ///
    /// # Errors
    /// 400 for what is no form.
    pub fn form(&self) -> Answered<Vec<(String, String)>> {
        match self.body.take() {
            Body::Read(bytes) if self.is_form => Ok(form_urlencoded::parse(&bytes).into_owned().collect()),
            Body::None => Ok(Vec::new()),
            _ => Err(ApiError::bad_request("Bad Request, a form is expected (application/x-www-form-urlencoded)")),
        }
    }

    /// Takes what it needs from a request; what proxies say of it only where they are believed (TLS-6).
    pub fn new(request: &HttpRequest, proxies: &Proxies) -> Self {
        let text = |name| headers::text(request, name);
        let owned = |name| text(name).map(str::to_owned);
        let peer = request.peer_addr().map(|address| address.ip());
        let connection = request.conn_data::<Rc<Progress>>().cloned();
        let door = connection.as_ref().map_or(Door::Public, |connection| connection.door);
        let is_believed = door == Door::Public && proxies.believe(peer);
        let told = |name| if is_believed { first(request, name) } else { None };
        let client = if is_believed { text(FORWARDED_FOR) } else { None };
        let client = client.and_then(|clients| proxies.client(clients).map(|client| kept(client.to_owned())));
        let from = client.as_ref().and_then(|client| client.parse().ok()).or(peer);
        let identity = Identity {
            // Until it is found out who it is (`gate`).
            caller: Arc::new(Caller::of_level(Level::Nobody)),
            default_domain: None,
            request_id: owned(REQUEST_ID)
                .filter(|id| !id.trim().is_empty())
                .map_or_else(|| format!("req-{}", Uuid::new_v4()), kept),
            user_agent: owned(CONTRAIL_USERAGENT).or_else(|| owned(header::USER_AGENT)).map(kept),
            address: told(REQUESTOR_IP).or(client).or_else(|| door.origin(peer)),
        };
        let is_encrypted = connection.as_ref().is_some_and(|connection| connection.is_encrypted);
        let own = if is_encrypted { "https" } else { "http" };
        // Both stand in each href of an answer (TLS-4).
        let scheme = told(FORWARDED_PROTO).unwrap_or_else(|| own.to_owned());
        let host = told(FORWARDED_HOST).or_else(|| owned(header::HOST).map(kept));
        let own = || connection.as_ref().and_then(|connection| connection.local_address);
        let host = host.or_else(|| own().map(|address| address.to_string())).unwrap_or_else(|| "localhost".to_owned());
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
        Self {
            method,
            path: request.path().to_owned(),
            query: read_query(request.query_string()),
            identity,
            known: None,
            hides_forbidden: false,
            from,
            door,
            standing: None,
            base: format!("{scheme}://{host}"),
            if_none_match: owned(header::IF_NONE_MATCH),
            if_match: owned(header::IF_MATCH),
            last_event_id: owned(LAST_EVENT_ID),
            cluster_id: owned(CLUSTER_ID),
            peer: Peer::of(request),
            prefers_html: prefers_html(request),
            takes_problems: takes_problems(request),
            takes_open_metrics: takes_open_metrics(request),
            takes_gzip: takes_gzip(request),
            head_only: request.method() == Method::HEAD,
            answered_at: Cell::new(None),
            waited: Cell::default(),
            subject: Cell::default(),
            warning: RefCell::new(None),
            key: KeyHeader::of(request),
            is_repeated: Cell::default(),
            asked: RefCell::default(),
            asked_at: Cell::default(),
            is_json: media_type.is_empty() || media_type.eq_ignore_ascii_case("application/json"),
            is_form: media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded"),
            announced: text(header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok()),
            body: Cell::default(),
            room: Vec::new(),
            place: Cell::default(),
            connection,
            cookies: if pages::is_below(request.path()) { all_cookies(request) } else { String::new() },
        }
    }

    /// Tells the connection that a request has come on it; it is answered when what this gives is dropped.
    pub fn begin(&self, request: &HttpRequest) -> Option<InHand> {
        let has_body = self.announced.is_some_and(|length| length > 0)
            || request.headers().contains_key(header::TRANSFER_ENCODING);
        self.connection.as_ref().map(|connection| connection.begin(has_body))
    }

    /// Reads the body, within limits of size and time, and takes the room that it needs.
    ///
    /// # Errors
    /// 413, 408, 400 for a body that breaks off, or 503 when there is no room.
    pub async fn read_body(&mut self, mut payload: Payload, admission: &Admission) -> Answered<()> {
        let limit = admission.max_request_size();
        let too_large = || {
            metrics::limit(Limit::BodySize);
            let text = format!("Request to large: the limit is {limit} bytes");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
        };
        let late = || {
            metrics::limit(Limit::BodyTime);
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time")
        };
        let announced = self.announced.unwrap_or(limit).min(limit);
        let mut deadline = Instant::now() + admission.body_timeout();
        let (mut counted_from, mut counted) = (Instant::now(), 0);
        let mut body = Vec::new();
        loop {
            let next = timeout_at(deadline.min(counted_from + RATE_OVER), payload.next()).await;
            let now = Instant::now();
            if now >= deadline {
                return Err(late());
            }
            if now >= counted_from + RATE_OVER {
                if body.len() - counted < admission.least_of_body(RATE_OVER) && !matches!(next, Ok(None)) {
                    metrics::limit(Limit::BodyRate);
                    let least = admission.least_of_body(Duration::from_secs(1));
                    let text = format!("The body did not arrive in time: {least} bytes a second are expected");
                    return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, text));
                }
                (counted_from, counted) = (now, body.len());
            }
            let chunk = match next {
                Err(_) => continue,
                Ok(None) => break,
                Ok(Some(chunk)) => chunk,
            };
            let chunk = chunk.map_err(|error| ApiError::bad_request(format!("Body can't be read: {error}")))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            // Room is for those that do send a lot, not for those that only say so.
            if body.len() + chunk.len() > SMALL_BODY && self.room.is_empty() {
                let begin = Instant::now();
                self.room.push(admission.arrival(announced.max(body.len() + chunk.len())).await?);
                // That time was not the client's.
                deadline += begin.elapsed();
                counted_from += begin.elapsed();
            }
            if let Some(key) = &mut self.key {
                key.read(&chunk);
            }
            body.extend_from_slice(&chunk);
        }
        if let Some(connection) = &self.connection {
            connection.end_of_body();
        }
        // Some editors and languages write a mark of the byte order before UTF-8.
        if body.starts_with(BYTE_ORDER_MARK) {
            body.drain(..BYTE_ORDER_MARK.len());
        }
        if body.is_empty() {
            return Ok(());
        }
        self.room.push(admission.body(&body).await?);
        if body.len() <= PARSED_ASIDE || !self.is_json {
            self.body.set(Body::Read(body));
            return Ok(());
        }
        let parsed = tokio::task::spawn_blocking(move || parse(&body)).await;
        self.body.set(Body::Parsed(parsed.map_err(|_| ApiError::unavailable("The server stops"))?));
        Ok(())
    }

    /// Under which key the request is to be done once, if any.
    ///
    /// # Errors
    /// 400 for what is no key.
    pub fn keyed(&self) -> Answered<Option<Keyed>> {
        self.key.as_ref().map(|key| key.keyed(&self.identity)).transpose()
    }

    /// The body as JSON, once; none if there is no body.
    ///
    /// # Errors
    /// 400 for what is not JSON, or does not say that it is.
    pub fn json(&self) -> Answered<Option<Value>> {
        match self.body.take() {
            Body::None => Ok(None),
            Body::Read(_) if !self.is_json => {
                Err(ApiError::bad_request("Bad Request, Content-Type must be application/json"))
            }
            Body::Read(bytes) => parse(&bytes).map(Some),
            Body::Parsed(parsed) => parsed.map(Some),
        }
    }

    /// Looks at the body without taking it; at nothing, where there is none, or one that can't be read.
    pub fn look_at_body<T>(&self, look: impl FnOnce(Option<&Value>) -> T) -> T {
        let body = match self.body.take() {
            Body::Read(bytes) if self.is_json => Body::Parsed(parse(&bytes)),
            body => body,
        };
        let seen = look(if let Body::Parsed(Ok(value)) = &body { Some(value) } else { None });
        self.body.set(body);
        seen
    }

    /// The body as a JSON object; empty if there is no body.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn object(&self) -> Answered<Map<String, Value>> {
        match self.json()? {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(ApiError::bad_request("Bad Request, body must be a JSON object")),
        }
    }

    /// Whether the client says that it has what this tag is of. `*` is none of the tags, as in contrail-api.
    pub fn has_already(&self, etag: &str) -> bool {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        let given = self.if_none_match.as_deref().unwrap_or_default();
        given.split(',').any(|tag| bare(tag) == bare(etag))
    }

    /// Whether a query argument is there, with any value.
    pub fn has(&self, name: &str) -> bool {
        self.query.contains_key(name)
    }
}

fn parse(body: &[u8]) -> Answered<Value> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("Bad Request, body is not JSON: {error}")))?;
    match find_nul(&value) {
        None => Ok(value),
        Some(path) => {
            let path = path.into_iter().rev().collect::<Vec<_>>().join(".");
            Err(ApiError::bad_request(format!("Bad Request, NUL characters are not allowed: {path}")))
        }
    }
}

/// A value as texts print it: a text as it is, anything else as Python would.
pub fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => python_literal::value(other),
        None => "None".to_owned(),
    }
}

/// Where a text of a value holds a NUL character, which the database can't store; from the inside out.
fn find_nul(value: &Value) -> Option<Vec<String>> {
    let inside = |item: &Value, name: &dyn Fn() -> String| {
        let mut path = find_nul(item)?;
        path.push(name());
        Some(path)
    };
    match value {
        Value::String(text) if text.contains('\0') => Some(Vec::new()),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| inside(item, &|| index.to_string())),
        Value::Object(fields) => fields.iter().find_map(|(name, item)| {
            if name.contains('\0') {
                return Some(vec!["a key".to_owned()]);
            }
            inside(item, &|| name.clone())
        }),
        _ => None,
    }
}

/// HTTP/2 may have several headers of them.
fn all_cookies(request: &HttpRequest) -> String {
    let all = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    all.collect::<Vec<_>>().join("; ")
}

fn prefers_html(request: &HttpRequest) -> bool {
    let Ok(accept) = header::Accept::parse(request) else { return false };
    let named = accept
        .ranked()
        .into_iter()
        .find(|range| range.type_() == "text" && range.subtype() == "html" || range.subtype() == "json");
    named.is_some_and(|range| range.subtype() == "html")
}

fn takes_problems(request: &HttpRequest) -> bool {
    let Ok(header::Accept(mut ranges)) = header::Accept::parse(request) else { return false };
    ranges.retain(|range| range.quality != Quality::ZERO);
    let ranked = header::Accept(ranges).ranked();
    let named = ranked.iter().find(|range| [PROBLEM, "text/html", "text/*"].contains(&range.essence_str()));
    named.is_some_and(|range| range.essence_str() == PROBLEM)
}

fn takes_open_metrics(request: &HttpRequest) -> bool {
    const TYPE: &str = "application/openmetrics-text";
    // Nearly nobody does, and the rest takes long.
    let given = request.headers().get_all(header::ACCEPT);
    if !given.into_iter().any(|value| memchr::memmem::find(value.as_bytes(), TYPE.as_bytes()).is_some()) {
        return false;
    }
    let Ok(header::Accept(mut ranges)) = header::Accept::parse(request) else { return false };
    ranges.retain(|range| range.quality != Quality::ZERO);
    let ranked = header::Accept(ranges).ranked();
    ranked
        .iter()
        .find(|range| [TYPE, "text/plain"].contains(&range.essence_str()))
        .is_some_and(|range| range.essence_str() == TYPE)
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let gzip = header::Encoding::gzip();
    header::AcceptEncoding::parse(request)
        .is_ok_and(|accepted| accepted.negotiate([gzip.clone()].iter()).is_some_and(|chosen| chosen == gzip))
}

fn read_query(text: &str) -> HashMap<String, String> {
    let mut query: HashMap<String, String> = HashMap::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        match query.get_mut(name.as_ref()) {
            // The Go client repeats it.
            Some(known) if name == "fields" => {
                known.push(',');
                known.push_str(&value);
            }
            _ => {
                query.insert(name.into_owned(), value.into_owned());
            }
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn open_metrics_are_for_who_wants_them_more_than_text() {
        let of_prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                             text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (of_prometheus, true),
            ("application/openmetrics-text", true),
            ("text/plain, application/openmetrics-text;q=0.5", false),
            ("application/openmetrics-text;q=0", false),
            ("text/plain;version=0.0.4", false),
            ("*/*", false),
        ] {
            let request = TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request();
            assert_eq!(takes_open_metrics(&request), expected, "{accept}");
        }
    }

    #[test]
    fn problems_are_for_who_names_them_before_text() {
        for (accept, expected) in [
            ("application/problem+json", true),
            ("application/json, Application/Problem+JSON;q=0.5", true),
            ("application/problem+json, text/html;q=0.9, */*;q=0.1", true),
            ("text/plain, application/problem+json;charset=utf-8", true),
            ("text/html, application/problem+json;q=0.9", false),
            ("application/problem+json;q=0", false),
            ("application/*", false),
            ("*/*", false),
            ("application/json", false),
            ("application/problem+xml", false),
            ("", false),
            ("no media type", false),
        ] {
            let request = TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request();
            assert_eq!(takes_problems(&request), expected, "{accept}");
        }
        assert!(!takes_problems(&TestRequest::default().to_http_request()));
    }
}
