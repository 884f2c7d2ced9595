//! Why a request is refused. The texts are those of contrail-api: clients show and sometimes parse them. What it answers
//! as an internal error because a rule stumbled over a request is a bad request here (GEN-2, GEN-3).

use crate::ipam::Fault;

/// What kind of refusal; `api` maps it to a status code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request is wrong in itself.
    BadRequest,
    /// It asks for what nobody may do.
    Forbidden,
    /// Something it names does not exist.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// A quota is used up.
    OverQuota,
    /// Its key was given to another request.
    Unprocessable,
    /// What the client has made a condition does not hold.
    Unmet,
    /// Not possible now; try again.
    Unavailable,
    /// The server's own fault.
    Internal,
}

/// A refusal: its kind, and the text that the client gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// Mapped to the status code.
    pub kind: Kind,
    /// The whole body of the answer.
    pub text: String,
    /// Which operation of a transaction it is of, counted from 0.
    pub operation: Option<usize>,
}

/// What decides a request gives an answer or a refusal.
pub type Decision<T> = Result<T, Rejection>;

macro_rules! constructors {
    ($($name:ident => $kind:ident),*) => {
        impl Rejection {
            $(
                #[doc = concat!("A refusal of the kind `", stringify!($kind), "`.")]
                pub fn $name(text: impl Into<String>) -> Self {
                    Self { kind: Kind::$kind, text: text.into(), operation: None }
                }
            )*
        }
    };
}

constructors! {
    bad_request => BadRequest,
    forbidden => Forbidden,
    not_found => NotFound,
    conflict => Conflict,
    over_quota => OverQuota,
    unprocessable => Unprocessable,
    unmet => Unmet,
    unavailable => Unavailable,
    internal => Internal
}

impl Rejection {
    /// The same, as that of one operation of several.
    #[must_use]
    pub fn of_operation(self, index: usize) -> Self {
        Self { operation: Some(index), ..self }
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        let kind = match fault.status {
            403 => Kind::Forbidden,
            404 => Kind::NotFound,
            409 => Kind::Conflict,
            412 => Kind::OverQuota,
            _ => Kind::BadRequest,
        };
        Self { kind, text: fault.text, operation: None }
    }
}
