//! One request, as the handlers see it: who, what, and the body as far as it may be read.

use super::{
    error::{Answered, ApiError},
    peer::Peer,
};
use crate::{access::Identity, graph::Position, python_literal};
use actix_web::{
    HttpRequest,
    http::{
        Method, StatusCode,
        header::{self, Header},
    },
    web::Payload,
};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use std::{cell::Cell, collections::HashMap, time::Duration};
use uuid::Uuid;

/// Larger bodies are refused (contrail-api R21, `max_request_size`).
const BODY_LIMIT: usize = 1_024_000;
/// A body must be there within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A request without its connection.
pub struct Call {
    /// The method; HEAD counts as GET.
    pub method: Method,
    /// The path as sent.
    pub path: String,
    /// The query, the last one of a repeated key but for `fields`.
    pub query: HashMap<String, String>,
    /// Who asks.
    pub identity: Identity,
    /// Scheme and host, for hrefs.
    pub base: String,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// `X-Cluster-ID`: of which cluster the client speaks.
    pub cluster_id: Option<String>,
    /// The connection of who asks.
    pub peer: Option<Peer>,
    /// Whether HTML is asked for by name before JSON, as browsers do.
    pub prefers_html: bool,
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// From where the answer is, once that is known: `X-Cirrus-Revision`.
    pub answered_at: Cell<Option<Position>>,
    /// Whether the body says that it is JSON.
    is_json: bool,
    body: Vec<u8>,
}

impl Call {
    /// Takes what it needs from a request.
    pub fn new(request: &HttpRequest) -> Self {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let first = |name: &str| {
            let value = text(name)?;
            let first = value.split(',').next().unwrap_or_default().trim();
            (!first.is_empty()).then(|| first.to_owned())
        };
        let identity = Identity {
            user: first("X-User"),
            role: first("X-Role"),
            project: first("X-Project-Id"),
            request_id: text("X-Request-Id").unwrap_or_else(|| format!("req-{}", Uuid::new_v4())),
            user_agent: text("X-Contrail-Useragent").or_else(|| text("User-Agent")),
            address: first("X-Requestor-IP")
                .or_else(|| first("X-Forwarded-For"))
                .or_else(|| request.peer_addr().map(|address| address.ip().to_string())),
        };
        let scheme = first("X-Forwarded-Proto").unwrap_or_else(|| "http".to_owned());
        let host = first("X-Forwarded-Host").or_else(|| text("Host"));
        let host = host.unwrap_or_else(|| request.app_config().host().to_owned());
        let content_type = text(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
        Self {
            method,
            path: request.path().to_owned(),
            query: read_query(request.query_string()),
            identity,
            base: format!("{scheme}://{host}"),
            if_none_match: text(header::IF_NONE_MATCH.as_str()),
            last_event_id: text("Last-Event-ID"),
            cluster_id: text("X-Cluster-ID"),
            peer: Peer::of(request),
            prefers_html: prefers_html(request),
            head_only: request.method() == Method::HEAD,
            answered_at: Cell::new(None),
            is_json: media_type.is_empty() || media_type.eq_ignore_ascii_case("application/json"),
            body: Vec::new(),
        }
    }

    /// Reads the body, within limits of size and time.
    ///
    /// # Errors
    /// 413, 408, or 400 for a body that breaks off.
    pub async fn read_body(&mut self, mut payload: Payload) -> Answered<()> {
        let read = async {
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|error| ApiError::bad_request(format!("Body can't be read: {error}")))?;
                if self.body.len() + chunk.len() > BODY_LIMIT {
                    let text = format!("Request to large: the limit is {BODY_LIMIT} bytes");
                    return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text));
                }
                self.body.extend_from_slice(&chunk);
            }
            Ok(())
        };
        let late = |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time");
        tokio::time::timeout(BODY_TIMEOUT, read).await.map_err(late)?
    }

    /// The body as JSON; none if there is no body.
    ///
    /// # Errors
    /// 400 for what is not JSON, or does not say that it is.
    pub fn json(&self) -> Answered<Option<Value>> {
        if self.body.is_empty() {
            return Ok(None);
        }
        if !self.is_json {
            return Err(ApiError::bad_request("Bad Request, Content-Type must be application/json"));
        }
        let value: Value = serde_json::from_slice(&self.body)
            .map_err(|error| ApiError::bad_request(format!("Bad Request, body is not JSON: {error}")))?;
        if let Some(path) = find_nul(&value, String::new()) {
            let text = format!("Bad Request, NUL characters are not allowed: {path}");
            return Err(ApiError::bad_request(text));
        }
        Ok(Some(value))
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

/// A value as texts print it: a text as it is, anything else as Python would.
pub fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => python_literal::value(other),
        None => "None".to_owned(),
    }
}

/// Where a text of a value holds a NUL character, which the database can't store.
fn find_nul(value: &Value, path: String) -> Option<String> {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::String(text) if text.contains('\0') => Some(path),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find_nul(item, join(&index.to_string())))
        }
        Value::Object(fields) => {
            fields.iter().find_map(
                |(name, item)| {
                    if name.contains('\0') { Some(join("a key")) } else { find_nul(item, join(name)) }
                },
            )
        }
        _ => None,
    }
}

fn prefers_html(request: &HttpRequest) -> bool {
    let Ok(accept) = header::Accept::parse(request) else { return false };
    let named = accept
        .ranked()
        .into_iter()
        .find(|range| range.type_() == "text" && range.subtype() == "html" || range.subtype() == "json");
    named.is_some_and(|range| range.subtype() == "html")
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
