//! Why a request is refused, as data: what kind of refusal, by which rule, what is wrong and what is in the way. The texts are
//! those of contrail-api: clients show and sometimes parse them. No code does: it asks for the kind, the rule or the field. What
//! contrail-api answers as an internal error because a rule stumbled over a request is a bad request here (GEN-2, GEN-3).

use crate::{
    ipam::{Fault, FaultKind},
    model::TypeId,
    python_literal,
    rules::engine::rule::RuleId,
};
use std::fmt;
use uuid::Uuid;

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
    /// It would take more work than one request may.
    TooMuch,
    /// Not possible now; try again.
    Unavailable,
    /// The server's own fault.
    Internal,
}

/// The whole body of an answer. The rules do not know where the server is reached, so they name objects, and the links to these
/// are made where the answer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Text {
    /// Complete.
    Plain(String),
    /// Ends in a list of links to objects, which clients evaluate as a Python literal.
    WithObjects {
        /// What stands before the list, without the colon.
        before: &'static str,
        /// The objects, each with its type.
        objects: Vec<(TypeId, Uuid)>,
    },
    /// Complete, and JSON: of who has a form of its own for refusals.
    Json(String),
}

impl Text {
    /// The text with the links that `href` makes of a type and a uuid.
    pub fn complete(self, href: impl Fn(TypeId, Uuid) -> String) -> String {
        match self {
            Self::Plain(text) | Self::Json(text) => text,
            Self::WithObjects { before, objects } => {
                let hrefs = objects.into_iter().map(|(type_id, uuid)| href(type_id, uuid));
                format!("{before}: {}", python_literal::list(hrefs))
            }
        }
    }
}

/// For logs: with the uuids of objects instead of links.
impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.clone().complete(|_, uuid| uuid.to_string()))
    }
}

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// Mapped to the status code.
    pub kind: Kind,
    /// The rule of the contract that refuses; none where it is only the form of a request, or a limit.
    pub rule: Option<RuleId>,
    /// The property, reference or member that is at fault, as the client knows it; members of a property after a dot.
    pub field: Option<String>,
    /// The objects that are in the way: who has the name, the number or the address, who refers, who is below.
    pub objects: Vec<Uuid>,
    /// The text that the client gets.
    pub text: Text,
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
                    Self::new(Kind::$kind, text)
                }
            )*
        }
    };
}

constructors! {
    bad_request => BadRequest,
    too_much => TooMuch,
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
    /// A refusal of this kind.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, rule: None, field: None, objects: Vec::new(), text: Text::Plain(text.into()), operation: None }
    }

    /// A refusal of the kind `Conflict` because of objects that its text links to.
    pub fn conflict_with(before: &'static str, objects: Vec<(TypeId, Uuid)>) -> Self {
        let uuids: Vec<Uuid> = objects.iter().map(|(_, uuid)| *uuid).collect();
        Self { text: Text::WithObjects { before, objects }, ..Self::conflict("") }.because_of(uuids)
    }

    /// The rule that refuses, in place of one that was named before: who calls a step knows for which rule it is taken.
    pub fn by(self, rule: RuleId) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// What is at fault, in place of what was named before.
    pub fn about(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// What is at fault, or all of it, is a part of this.
    pub fn within(self, path: &str) -> Self {
        let field = self.field.as_ref().map_or_else(|| path.to_owned(), |field| format!("{path}.{field}"));
        self.about(field)
    }

    /// The objects that are in the way, beside those that were named before.
    pub fn because_of(mut self, objects: impl IntoIterator<Item = Uuid>) -> Self {
        self.objects.extend(objects);
        self
    }

    /// The same as another kind.
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same in other words.
    pub fn in_words(self, text: impl Into<String>) -> Self {
        Self { text: Text::Plain(text.into()), ..self }
    }

    /// The same as JSON, complete.
    pub fn in_json(self, text: impl Into<String>) -> Self {
        Self { text: Text::Json(text.into()), ..self }
    }

    /// Whether the text is JSON.
    pub fn is_json(&self) -> bool {
        matches!(self.text, Text::Json(_))
    }

    /// Whether this is at fault.
    pub fn is_about(&self, field: &str) -> bool {
        self.field.as_deref() == Some(field)
    }

    /// The same with its text complete: `href` makes the links, of a type and a uuid.
    pub fn with_links(self, href: impl Fn(TypeId, Uuid) -> String) -> Self {
        let text = match self.text {
            Text::Json(text) => Text::Json(text),
            text => Text::Plain(text.complete(href)),
        };
        Self { text, ..self }
    }

    /// The same, as that of one operation of several.
    #[must_use]
    pub fn of_operation(self, index: usize) -> Self {
        Self { operation: Some(index), ..self }
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        let kind = match fault.kind {
            FaultKind::Nonsense => Kind::BadRequest,
            FaultKind::Clash => Kind::Conflict,
        };
        Self { field: fault.member.map(str::to_owned), ..Self::new(kind, fault.text) }
    }
}
