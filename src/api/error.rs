//! Refusals and faults, mapped to HTTP in this one place.

use crate::{
    feed::{Gone, OpenError},
    metrics,
    replica::Unavailable,
    rules::{Kind, Rejection, rule::RuleId},
    store::StoreError,
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

/// The media type of refusals as JSON (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// Why something is refused, as data, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// The id of the rule that refuses, like `VN-C8`.
    pub rule: Option<&'static str>,
    /// The field of the request that is at fault.
    pub field: Option<String>,
    /// The objects that are in the way.
    pub objects: Vec<Uuid>,
}

/// What a client gets instead of an answer: a status and a bare text (contrail-api R21, wire contract 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The status code.
    pub status: StatusCode,
    /// The whole body.
    pub text: String,
    /// The methods that a path has, for a 405.
    pub allow: Option<String>,
    /// Whether the body is JSON, as of interfaces that contrail-api does not have.
    pub json: bool,
    /// Whether the body is text for people, and not of the type that clients know of other refusals.
    pub plain: bool,
    /// After how many seconds the same request may succeed: `Retry-After`.
    pub again_after: Option<u64>,
    /// How to say who one is: `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// What is known beside the text.
    pub reason: Option<Box<Reason>>,
}

/// What handlers give.
pub type Answered<T> = Result<T, ApiError>;

impl ApiError {
    /// With this status and text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            allow: None,
            json: false,
            plain: false,
            again_after: None,
            challenge: None,
            reason: None,
        }
    }

    /// 400
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 404
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// 503, for a moment.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self { again_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// The same, to be tried again after this time: in whole seconds, and not too early.
    #[must_use]
    pub fn again_after(self, pause: Duration) -> Self {
        Self { again_after: Some(pause.as_secs() + 1), ..self }
    }

    /// 405 with the methods that there are.
    pub fn method_not_allowed(allow: String) -> Self {
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.") }
    }

    /// As clients expect it: bare text, of a type that begins with `text/`; or, for who asks for it, as a problem (RFC 9457).
    pub fn response(&self, as_problem: bool) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.content_type(match self {
            _ if as_problem => PROBLEM,
            Self { json: true, .. } => "application/json",
            Self { plain: true, .. } => "text/plain; charset=UTF-8",
            _ => "text/html; charset=UTF-8",
        });
        if let Some(allow) = &self.allow {
            response.insert_header(("Allow", allow.as_str()));
        }
        if let Some(seconds) = self.again_after {
            response.insert_header(("Retry-After", seconds.to_string()));
        }
        if let Some(challenge) = &self.challenge {
            response.insert_header((header::WWW_AUTHENTICATE, challenge.as_str()));
        }
        if as_problem {
            response.insert_header((header::VARY, "Accept"));
            return response.body(self.problem().to_string());
        }
        response.body(self.text.clone())
    }

    /// The refusal as an object: what RFC 9457 names, and what is known beside it.
    fn problem(&self) -> Value {
        let Reason { rule, field, objects } = self.reason.as_deref().cloned().unwrap_or_default();
        let phrase = self.status.canonical_reason().unwrap_or_default();
        // What is JSON anyway has its reason as a member.
        let members = self.json.then(|| serde_json::from_str(&self.text));
        let mut more: Map<String, Value> = members.and_then(Result::ok).unwrap_or_default();
        let detail = more.shift_remove("error").unwrap_or_else(|| json!(self.text));
        let detail = detail.get("message").cloned().unwrap_or(detail);
        let mut problem = json!({
            "type": rule.as_ref().map_or_else(|| "about:blank".to_owned(), |rule| format!("urn:cirrus:rule:{rule}")),
            "title": rule.as_ref().map_or_else(|| phrase.to_owned(), |rule| format!("Refused by rule {rule}")),
            "status": self.status.as_u16(),
            "detail": detail,
        });
        if let Value::Object(members) = &mut problem {
            members.extend(rule.iter().map(|rule| ("rule".to_owned(), json!(rule))));
            members.extend(field.iter().map(|field| ("field".to_owned(), json!(field))));
            if !objects.is_empty() {
                members.insert("objects".to_owned(), json!(objects));
            }
            members.extend(more);
        }
        problem
    }
}

/// A refusal that is to have links has them already (`Rejection::with_links`).
impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let json = rejection.is_json();
        let Rejection { kind, rule, field, objects, text, operation: _ } = rejection;
        if kind == Kind::TooMuch {
            metrics::limit(metrics::Limit::OneRequest);
        }
        let status = match kind {
            Kind::BadRequest | Kind::TooMuch => StatusCode::BAD_REQUEST,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::OverQuota | Kind::Unmet => StatusCode::PRECONDITION_FAILED,
            Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let reason = Reason { rule: rule.map(RuleId::id), field, objects };
        let reason = (reason != Reason::default()).then(|| Box::new(reason));
        Self { json, reason, ..Self::new(status, text.to_string()) }
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> Self {
        tracing::warn!(%unavailable, "a read can't be answered");
        Self::unavailable(unavailable.told)
    }
}

/// What is said to a reader of the log whose position is of no use.
pub fn gone_json(reason: &str, gone: &Gone) -> String {
    json!({"error": reason, "oldest": gone.oldest.to_string(), "current": gone.current.to_string()}).to_string()
}

impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> Self {
        let text = match error {
            OpenError::Gone(gone) => gone_json("compacted", &gone),
            OpenError::Future(gone) => gone_json("future", &gone),
            OpenError::Away(error) => return error.into(),
        };
        Self { json: true, ..Self::new(StatusCode::GONE, text) }
    }
}

/// Whatever is wrong with the database is told as that, and never taken for "there is none" (OSD-31).
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the database does not do what a request needs");
        Self::unavailable(error.told())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;

    #[test]
    fn qta_9_a_quota_is_refused_in_plain_words_like_everything() {
        let refused = Rejection::over_quota("quota limit (2) exceeded for resource virtual_network");
        let response = ApiError::from(refused).response(false);
        assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
        let body = response.into_body().try_into_bytes().unwrap();
        assert_eq!(body, "quota limit (2) exceeded for resource virtual_network".as_bytes());
    }

    fn problem(error: &ApiError) -> Value {
        let response = error.response(true);
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), PROBLEM);
        serde_json::from_slice(&response.into_body().try_into_bytes().unwrap()).unwrap()
    }

    #[test]
    fn a_problem_has_the_members_that_are_known() {
        let mut error = ApiError::from(Rejection::conflict("it is in use"));
        let mut expected = json!({"type": "about:blank", "title": "Conflict", "status": 409, "detail": "it is in use"});
        assert_eq!(problem(&error), expected);
        let field = Some("virtual_network_refs".to_owned());
        let why = Reason { rule: None, field, objects: vec![Uuid::nil()] };
        error.reason = Some(Box::new(why.clone()));
        expected["field"] = json!("virtual_network_refs");
        expected["objects"] = json!(["00000000-0000-0000-0000-000000000000"]);
        assert_eq!(problem(&error), expected);
        error.reason = Some(Box::new(Reason { rule: Some("VN-C8"), ..why }));
        expected["rule"] = json!("VN-C8");
        expected["type"] = json!("urn:cirrus:rule:VN-C8");
        expected["title"] = json!("Refused by rule VN-C8");
        assert_eq!(problem(&error), expected);
    }

    #[test]
    fn what_is_json_anyway_becomes_members() {
        let text = json!({"error": "future", "oldest": "1-2", "current": "1-5"}).to_string();
        let gone = ApiError { json: true, ..ApiError::new(StatusCode::GONE, text) };
        let expected = json!({
            "type": "about:blank", "title": "Gone", "status": 410, "detail": "future", "oldest": "1-2", "current": "1-5",
        });
        assert_eq!(problem(&gone), expected);
    }
}
