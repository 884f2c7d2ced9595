//! What has to hold for something to be done: `If-Match`, `If-None-Match: *`, and the conditions of a transaction. They are
//! looked at on the fork, right before what they are for is decided, so nobody comes in between.

use crate::{
    access::Right,
    graph::Object,
    model::{ObjectType, TypeId},
    python_literal,
    rules::engine::{Decision, Rejection, Work, access, update},
};
use std::sync::Arc;

/// The tag of an object's state, with its quotes: the time of its last change, which grows with every change of its own fields
/// (`Graph::change_time`). What is below an object and what refers to it are changes of these, and no part of it.
///
/// A uuid that is used anew begins with the time of its create, which is later than that of the old object: no tag is known to
/// anybody before its batch is committed, and the next batch has a later time. A clock that is set back could make two objects
/// of one uuid share a tag only by hitting the same microsecond.
pub fn etag(object: &Object) -> String {
    format!("\"{}\"", object.modified)
}

/// What must be true of the object that an operation is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// `If-Match`: it is in a state with one of these tags.
    Matches(Tags),
    /// `If-None-Match: *`: it does not exist.
    IsAbsent,
}

/// The tags of `If-Match`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tags {
    /// `*`: whatever state it is in.
    Any,
    /// These, with their quotes.
    Of(Vec<String>),
}

impl Precondition {
    /// Looks at the object that an operation is about. Where there is none, the operation itself says so, or makes it.
    ///
    /// # Errors
    /// 412, with the present tag.
    pub fn check(&self, work: &Work, object: Option<&Object>) -> Decision<()> {
        let Some(object) = object else { return Ok(()) };
        let (kind, present) = (&work.type_of(object).name, etag(object));
        match self {
            Self::Matches(Tags::Of(tags)) if !tags.contains(&present) => {
                let text = format!("If-Match: {kind} {} has the ETag {present} now", object.uuid);
                Err(Rejection::unmet(text))
            }
            Self::Matches(_) => Ok(()),
            Self::IsAbsent => {
                let name = python_literal::list(object.fq_name.elements());
                let text =
                    format!("If-None-Match: {kind} {name} exists with uuid {} and the ETag {present}", object.uuid);
                Err(Rejection::unmet(text))
            }
        }
    }
}

/// How an object is asked for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// By uuid, as given.
    Uuid(String),
    /// By name.
    Name(Vec<String>),
}

/// An operation of a transaction that changes nothing: the others are done only if an object exists, or does not.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The type.
    pub type_id: TypeId,
    /// Which object.
    pub asked: Asked,
    /// Whether it is to exist.
    pub exists: bool,
}

impl Condition {
    /// The object, if it exists.
    pub fn object(&self, work: &Work) -> Option<Arc<Object>> {
        match &self.asked {
            Asked::Uuid(uuid) => update::find(work, self.type_id, uuid).ok(),
            Asked::Name(name) => work.graph.find(self.type_id, name).cloned(),
        }
    }

    /// Decides it.
    ///
    /// # Errors
    /// 412 if it does not hold.
    pub fn decide(&self, work: &Work) -> Decision<()> {
        let kind: &ObjectType = work.graph.model().object_type(self.type_id);
        let asked = match &self.asked {
            Asked::Uuid(uuid) => uuid.clone(),
            Asked::Name(name) => python_literal::list(name),
        };
        let object = self.object(work);
        if let Some(object) = &object {
            access::check_right(&work.identity, Right::Read, object)?;
        }
        match (object, self.exists) {
            (None, true) => Err(Rejection::unmet(format!("{} {asked} does not exist", kind.name))),
            (Some(object), false) => {
                Err(Rejection::unmet(format!("{} {asked} exists with uuid {}", kind.name, object.uuid)))
            }
            _ => Ok(()),
        }
    }
}
