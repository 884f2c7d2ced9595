//! Pages for people at `/ui/`, as far as requests are led to them. The room that makes them hands in a table; nothing is known of
//! them here. A page asks for what it shows with requests of its own (`Asked::send`), which are answered as those of any client.

pub use super::admission::Gathered;
use super::{
    App,
    actions::Access,
    answer::Answer,
    call::Call,
    door::Door,
    error::{Answered, ApiError},
    gate::denied,
    headers::{FETCH_SITE, text},
    routes::{self, Found, Route},
};
use crate::{graph::Graph, model::TypeId, replica::Snapshot};
use actix_web::{
    HttpRequest,
    body::MessageBody,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::{cell::OnceCell, future::poll_fn, pin::pin};
use tokio::sync::Mutex;

/// Where they are.
pub const ROOT: &str = "/ui";
/// An answer to a page is not longer than this, in bytes.
const LONGEST_ANSWER: usize = 16 << 20;
/// The cookie with the token of who has signed in: by way of TLS, and without it. Only with the first name it is sure that nobody
/// else of the same site has set it (RFC 6265bis); `__Host-` would need the path `/`, and the token would go along everywhere.
const SESSION: [&str; 2] = ["__Secure-cirrus-session", "cirrus-session"];

/// A page, or what belongs to one.
#[derive(Debug)]
pub struct Page {
    /// From `/ui` on; `{...}` stands for one segment that may be anything.
    pub path: &'static str,
    /// GET or POST.
    pub method: Method,
    /// Who may see it; what it shows is another matter.
    pub access: Access,
    /// Whether it counts among the requests that are served at the same time.
    pub takes_a_place: bool,
    /// What answers it.
    pub handler: PageHandler,
}

/// Makes a page.
pub type PageHandler = for<'a> fn(Asked<'a>) -> LocalBoxFuture<'a, Answered<Answer>>;

/// No two have the same path and method.
impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.method == other.method
    }
}

impl Eq for Page {}

/// What the room of pages hands in.
#[derive(Clone, Copy)]
pub struct Pages {
    /// All of them; of several that a path leads to the first counts.
    pub all: &'static [Page],
    /// What is shown instead of one that is refused.
    pub refused: fn(&App, &Call, &ApiError) -> Answer,
}

/// A page that somebody asks for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What it is made with.
    pub app: &'a App,
    /// The request.
    pub call: &'a Call,
    /// What stands for `{...}` in its path.
    pub parts: &'a [String],
    /// A secret for its forms, where who asks has none yet.
    pub fresh: &'a OnceCell<String>,
    /// What it has in memory of answers to its own requests.
    pub gathered: &'a Mutex<Gathered>,
}

/// What was answered to a request of a page.
pub struct Reply {
    /// The body, null without one.
    pub value: Value,
    /// The tag of a single object.
    pub etag: Option<String>,
}

/// Whether a path is one of pages.
pub fn is_below(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The token in the cookies of a request, if it is let in by that way: only where pages are.
pub fn session_of(call: &Call) -> Option<String> {
    call.cookie(session_name(call)).map(|value| percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

/// How the cookie with the token is called.
pub fn session_name(call: &Call) -> &'static str {
    let [encrypted, plain] = SESSION;
    if call.is_encrypted() { encrypted } else { plain }
}

/// Refuses what another site has made a browser send. Browsers say from where a request comes (`Sec-Fetch-Site`), or at least, where the
/// connection is not encrypted, from which page (`Origin`).
///
/// # Errors
/// 403
pub fn check_site(call: &Call, request: &HttpRequest) -> Answered<()> {
    if call.method == Method::GET {
        return Ok(());
    }
    let is_own = match (text(request, FETCH_SITE), text(request, header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, origin) => origin.is_some_and(|origin| origin == call.base),
    };
    let text = "This was not sent by a page of this server, so it was not done.";
    if is_own { Ok(()) } else { Err(ApiError::new(StatusCode::FORBIDDEN, text)) }
}

impl Pages {
    /// Where a path at or below `/ui` leads.
    pub fn find(&self, method: &Method, path: &str) -> Found {
        let mut allowed = Vec::new();
        for page in self.all {
            let Some(parts) = parts_of(page.path, path) else { continue };
            if page.method == *method {
                return Found::Route(Route::Page(page, parts));
            }
            if !allowed.contains(&page.method.as_str()) {
                allowed.push(page.method.as_str());
            }
        }
        if allowed.is_empty() { Found::Nothing } else { Found::OtherMethods(allowed.join(",")) }
    }
}

/// What stands for `{...}` in a path, if it is one like this.
fn parts_of(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut given = path.split('/');
    for expected in pattern.split('/') {
        let segment = given.next()?;
        if expected.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            parts.push(percent_decode_str(segment).decode_utf8_lossy().into_owned());
        } else if segment != expected {
            return None;
        }
    }
    given.next().is_none().then_some(parts)
}

impl App {
    /// Where a request leads. There are no pages where administrators come in without saying who they are.
    pub(super) fn where_to(&self, call: &Call) -> Found {
        if call.door == Door::Public && is_below(&call.path) {
            return self.pages.find(&call.method, &call.path);
        }
        routes::find(&self.model, &call.method, &call.path)
    }
}

impl<'a> Asked<'a> {
    /// A part of the path.
    pub fn part(&self, index: usize) -> &'a str {
        self.parts.get(index).map(String::as_str).unwrap_or_default()
    }

    /// An argument of the query that is not empty.
    pub fn argument(&self, name: &str) -> Option<&'a str> {
        self.call.query.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// What `GET` answers, as to any client with the rights of who looks. `target` is a path with its query.
    ///
    /// # Errors
    /// What the request is refused with.
    pub async fn get(&self, target: &str) -> Answered<Value> {
        Ok(self.send(Method::GET, target, None, None).await?.value)
    }

    /// What a request answers, as to any client with the rights of who looks; `if_match` is the tag that the object has to have.
    ///
    /// # Errors
    /// What the request is refused with.
    pub async fn send(
        &self,
        method: Method,
        target: &str,
        body: Option<Value>,
        if_match: Option<String>,
    ) -> Answered<Reply> {
        let mut inner = self.call.within(method, target, body);
        inner.if_match = if_match;
        match self.app.answer_within(self.call, &inner).await? {
            Answer::Json { body, etag, .. } => {
                self.gathered.lock().await.add(&self.app.admission, &body).await?;
                Ok(Reply { value: json(&body)?, etag })
            }
            Answer::Pieces { body, .. } => Ok(Reply { value: json(&self.gather(body).await?)?, etag: None }),
            Answer::Pending(value) => Ok(Reply { value: value.unwrap_or_default(), etag: None }),
            _ => Ok(Reply { value: Value::Null, etag: None }),
        }
    }

    /// A whole answer, counted as it comes.
    async fn gather(&self, body: impl MessageBody) -> Answered<Vec<u8>> {
        let mut body = pin!(body);
        let mut whole = Vec::new();
        while let Some(piece) = poll_fn(|context| body.as_mut().poll_next(context)).await {
            let piece = piece.map_err(|_| ApiError::unavailable("The answer broke off"))?;
            if whole.len() + piece.len() > LONGEST_ANSWER {
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "This is too much for a page."));
            }
            self.gathered.lock().await.add(&self.app.admission, &piece).await?;
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// Whether rules of roles allow a request, without doing it.
    ///
    /// # Errors
    /// 403
    pub async fn may(&self, method: Method, target: &str) -> Answered<()> {
        let inner = self.call.within(method, target, None);
        self.app.route_within(&inner).await.map(|_| ())
    }

    /// The answer to a request as it is, for what a page's scripts ask for.
    ///
    /// # Errors
    /// What the request is refused with.
    pub async fn pass_on(&self, path: &str) -> Answered<Answer> {
        let mut inner = self.call.within(Method::GET, path, None);
        inner.query.clone_from(&self.call.query);
        inner.last_event_id.clone_from(&self.call.last_event_id);
        self.app.answer_within(self.call, &inner).await
    }

    /// The state that is shown, for what no request of the interface tells. Whoever shows something of it asks
    /// [`Self::may_read_type`] and `call.identity.may_read` first.
    ///
    /// # Errors
    /// 503 while the database is away.
    pub async fn snapshot(&self) -> Answered<Snapshot> {
        self.app.snapshot(self.call).await
    }

    /// Whether rules of roles let the caller read objects of a type.
    pub fn may_read_type(&self, graph: &Graph, type_id: TypeId) -> bool {
        self.call.identity.is_admin() || self.app.may_read_type(self.call, graph, type_id)
    }
}

impl App {
    async fn route_within(&self, call: &Call) -> Answered<Route> {
        let Found::Route(route) = routes::find(&self.model, &call.method, &call.path) else {
            return Err(ApiError::not_found(format!("Not found: '{}'", call.path)));
        };
        if super::gate::access(&route, &call.method) == Access::Administrator && !call.identity.is_admin() {
            return Err(denied(call));
        }
        self.check_role_rules(call, &route).await?;
        Ok(route)
    }

    /// Answers a request that a page stands for, as if it had come by itself.
    async fn answer_within(&self, outer: &Call, call: &Call) -> Answered<Answer> {
        let route = self.route_within(call).await?;
        let answered = self.serve(route, call).await;
        if let Some(position) = call.answered_at.get() {
            outer.answered_at.set(Some(position));
        }
        outer.waited.set(outer.waited.get() + call.waited.get());
        answered
    }
}

fn json(bytes: &[u8]) -> Answered<Value> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::unavailable(format!("The answer can't be read: {error}")))
}

/// HTML that goes out.
pub fn html(status: StatusCode, text: String, headers: Vec<(HeaderName, HeaderValue)>) -> Answer {
    Answer::Page { status, text, headers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_parts() {
        let parts = |pattern, path| parts_of(pattern, path);
        let some = |parts: &[&str]| Some(parts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(parts("/ui/", "/ui/"), some(&[]));
        assert_eq!(parts("/ui/", "/ui"), None);
        assert_eq!(parts("/ui/object/{type}/{uuid}", "/ui/object/a/b%20c"), some(&["a", "b c"]));
        for other in ["/ui/object/a", "/ui/object/a/", "/ui/object/a/b/c", "/ui/other/a/b"] {
            assert_eq!(parts("/ui/object/{type}/{uuid}", other), None, "{other}");
        }
        for (path, is) in [("/ui", true), ("/ui/", true), ("/ui/x", true), ("/uix", false), ("/", false)] {
            assert_eq!(is_below(path), is, "{path}");
        }
    }
}
