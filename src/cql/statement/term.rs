//! Values in a statement, and what they are for a column.

use crate::cql::frame::{Bound, ValueType, Values};
use bytes::Bytes;
use uuid::Uuid;

/// A statement that does not suit what is there: an error of kind [`crate::cql::frame::ErrorKind::Invalid`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// A value in a statement.
#[derive(Clone, PartialEq, Debug)]
pub enum Term {
    /// `'it''s'`, or `$$it's$$`
    Text(String),
    /// `0x64`
    Blob(Bytes),
    /// `12`
    Integer(i64),
    /// `1.5`
    Float(f64),
    /// `true`
    Boolean(bool),
    /// `null`
    Null,
    /// `6a5c38df-617d-4730-90f8-dcb16507ca6b`
    Uuid(Uuid),
    /// `textAsBlob('key')`
    Function {
        /// In small letters.
        name: String,
        /// Its arguments.
        arguments: Vec<Self>,
    },
    /// `?`, or `:name`
    Marker {
        /// Among the markers of the statement, from 0.
        position: usize,
        /// As [`super::Marker::name`].
        name: String,
    },
    /// `[1, 2]`
    List(Vec<Self>),
    /// `{1, 2}`
    Set(Vec<Self>),
    /// `{1: 2}`; so is `{}`.
    Map(Vec<(Self, Self)>),
    /// `(1, 2)`
    Tuple(Vec<Self>),
}

impl Term {
    /// The value in the form of this type: `what` names its place in errors, like `key`.
    pub fn evaluate(&self, wanted: &ValueType, values: &Values, what: &str) -> Result<Bound, Invalid> {
        let _ = (wanted, values);
        Err(Invalid(format!("{what}: not yet")))
    }

    /// Bytes, or None for a null.
    pub fn blob(&self, values: &Values, what: &str) -> Result<Option<Bytes>, Invalid> {
        let _ = (values, Bytes::new());
        Err(Invalid(format!("{what}: not yet")))
    }

    /// A text, or None for a null.
    pub fn text(&self, values: &Values, what: &str) -> Result<Option<String>, Invalid> {
        let _ = values;
        Err(Invalid(format!("{what}: not yet")))
    }

    /// A number of 64 bits, or None for a null.
    pub fn bigint(&self, values: &Values, what: &str) -> Result<Option<i64>, Invalid> {
        let _ = values;
        Err(Invalid(format!("{what}: not yet")))
    }

    /// A number of 32 bits, or None for a null.
    pub fn int(&self, values: &Values, what: &str) -> Result<Option<i32>, Invalid> {
        let _ = values;
        Err(Invalid(format!("{what}: not yet")))
    }

    /// The values of a list of this type, like that of `IN ?`.
    pub fn list(&self, item: &ValueType, values: &Values, what: &str) -> Result<Vec<Bytes>, Invalid> {
        let _ = (item, values);
        Err(Invalid(format!("{what}: not yet")))
    }
}
