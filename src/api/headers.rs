//! Headers of our own and of those in front of us, by name, and what a request says in them. The names are made when this is compiled:
//! one that is given as a text is read anew each time that it is looked for, and each request is asked for more than a dozen.

use crate::access::kept;
use actix_web::{HttpRequest, http::header::HeaderName};

/// Who came to whoever stands in front of the server.
pub const USER: HeaderName = HeaderName::from_static("x-user");
/// In which roles, the first of which counts.
pub const ROLE: HeaderName = HeaderName::from_static("x-role");
/// For which project.
pub const PROJECT_ID: HeaderName = HeaderName::from_static("x-project-id");
/// Whose request it is.
pub const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// The same, of old clients.
pub const STORAGE_TOKEN: HeaderName = HeaderName::from_static("x-storage-token");
/// Which service has passed it on.
pub const SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");
/// Under which id it is in the log, and in every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Which program of Contrail asks.
pub const CONTRAIL_USERAGENT: HeaderName = HeaderName::from_static("x-contrail-useragent");
/// From where the client of a proxy asks, as Contrail's have it.
pub const REQUESTOR_IP: HeaderName = HeaderName::from_static("x-requestor-ip");
/// The same, as others have it: each proxy adds whom it heard it from.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// By which scheme.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// By which name.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Up to where a watcher knows what happened.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Which cluster is meant.
pub const CLUSTER_ID: HeaderName = HeaderName::from_static("x-cluster-id");
/// From which site a browser sends it.
pub const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What a browser wants it for.
pub const FETCH_DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// Of which trace of its client it is a part (W3C Trace Context).
pub const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a header says; nothing where that is no text.
pub fn text(request: &HttpRequest, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

/// The first of several that a header names, as far as it is kept.
pub fn first(request: &HttpRequest, name: HeaderName) -> Option<String> {
    let first = text(request, name)?.split(',').next().unwrap_or_default().trim();
    (!first.is_empty()).then(|| kept(first.to_owned()))
}
