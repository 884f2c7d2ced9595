//! Refusals and faults, mapped to HTTP in this one place.

use crate::{
    feed::{Gone, OpenError},
    replica::Unavailable,
    rules::{Kind, Rejection},
    store::StoreError,
};
use actix_web::{HttpResponse, http::StatusCode};
use serde_json::json;

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
    /// Whether the same request may succeed in a moment: `Retry-After`.
    pub again: bool,
}

/// What handlers give.
pub type Answered<T> = Result<T, ApiError>;

impl ApiError {
    /// With this status and text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), allow: None, json: false, again: false }
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
        Self { again: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// 405 with the methods that there are.
    pub fn method_not_allowed(allow: String) -> Self {
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.") }
    }

    /// As clients expect it: bare text, of a type that begins with `text/`.
    pub fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.content_type(if self.json { "application/json" } else { "text/html; charset=UTF-8" });
        if let Some(allow) = &self.allow {
            response.insert_header(("Allow", allow.as_str()));
        }
        if self.again {
            response.insert_header(("Retry-After", "1"));
        }
        response.body(self.text.clone())
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let status = match rejection.kind {
            Kind::BadRequest => StatusCode::BAD_REQUEST,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::OverQuota | Kind::Unmet => StatusCode::PRECONDITION_FAILED,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, rejection.text)
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
        let response = ApiError::from(refused).response();
        assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
        let body = response.into_body().try_into_bytes().unwrap();
        assert_eq!(body, "quota limit (2) exceeded for resource virtual_network".as_bytes());
    }
}
