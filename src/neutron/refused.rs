//! Why a request is not done, on its way out.

use super::exception::Exception;
use crate::rules::{Kind, Rejection};
use serde_json::{Value, json};

/// What decides a part of a request gives it, or why not.
pub type Answered<T> = Result<T, Refused>;

/// Why not.
#[derive(Debug)]
pub enum Refused {
    /// A class of Neutron.
    Exception(Box<Exception>),
    /// An operation was refused, or what was to be read; it becomes a class by its kind (NEU-ERR-3).
    Rules(Box<Rejection>),
}

impl From<Exception> for Refused {
    fn from(exception: Exception) -> Self {
        Self::Exception(Box::new(exception))
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Rules(Box::new(rejection))
    }
}

/// The request is wrong in what it says of a resource.
pub fn bad_request(resource: &str, msg: impl Into<String>) -> Refused {
    Exception::BadRequest { resource: resource.into(), msg: Value::from(msg.into()) }.into()
}

impl Refused {
    /// Another refusal in the place of those of the rules that are of this kind.
    #[must_use]
    pub fn or_if(self, kind: Kind, exception: impl FnOnce(&Rejection) -> Exception) -> Self {
        match self {
            Self::Rules(rejection) if rejection.kind == kind => exception(&rejection).into(),
            other => other,
        }
    }

    /// NEU-ERR-3: what the rules refuse, by its kind; `resource` is what the request is about. What is nobody's fault, or is not to
    /// be known now, stays what it is: no class would say that it may be tried again.
    pub fn into_rejection(self, resource: &str) -> Rejection {
        match self {
            Self::Exception(exception) => Rejection::bad_request("").in_json(exception.into_json().to_string()),
            Self::Rules(rejection) => {
                let msg = || Value::from(rejection.text.to_string());
                let exception = match rejection.kind {
                    Kind::BadRequest | Kind::TooMuch | Kind::Unprocessable => {
                        Exception::BadRequest { resource: resource.into(), msg: msg() }
                    }
                    Kind::Forbidden => Exception::NotAuthorized { msg: msg() },
                    Kind::NotFound => Exception::NotFound { msg: msg() },
                    Kind::Conflict => Exception::Conflict { msg: msg() },
                    // NEU-ERR-5
                    Kind::OverQuota => Exception::OverQuota { overs: json!([resource]), msg: msg() },
                    Kind::Unmet | Kind::Unavailable | Kind::Internal => return *rejection,
                };
                // The rule, the field and the objects are told as they were.
                let kind = if rejection.kind == Kind::TooMuch { Kind::TooMuch } else { Kind::BadRequest };
                rejection.of_kind(kind).in_json(exception.into_json().to_string())
            }
        }
    }
}
