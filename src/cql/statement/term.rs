//! Values in a statement, and what they are for a column.

use crate::cql::frame::{Bound, ValueType, Values};
use bytes::{Buf, Bytes};
use std::net::IpAddr;
use uuid::Uuid;

/// Values of a list that comes in the place of a marker.
const MOST_ITEMS: usize = 1 << 18;

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
    /// The value in the form of this type, which is no list, set, or map: `what` names its place in errors, like `key`.
    pub fn evaluate(&self, wanted: &ValueType, values: &Values, what: &str) -> Result<Bound, Invalid> {
        let found = match (self, wanted) {
            (Self::Null, _) => return Ok(Bound::Null),
            (Self::Marker { position, name }, _) => {
                let bound = values
                    .get(*position, name)
                    .ok_or_else(|| Invalid(format!("There is no value for the marker of {what}")))?;
                if let Bound::Set(bytes) = bound
                    && !suits(bytes, wanted)
                {
                    return Err(mismatch(what, wanted, "a value of another form"));
                }
                return Ok(bound.clone());
            }
            (Self::Function { name, arguments }, _) => return function(name, arguments, wanted, values, what),
            (Self::Text(text), ValueType::Varchar) => Bytes::from(text.clone()),
            (Self::Text(text), ValueType::Inet) => match text.parse() {
                Ok(IpAddr::V4(address)) => Bytes::copy_from_slice(&address.octets()),
                Ok(IpAddr::V6(address)) => Bytes::copy_from_slice(&address.octets()),
                Err(_) => return Err(mismatch(what, wanted, "another text")),
            },
            (Self::Blob(blob), ValueType::Blob) => blob.clone(),
            (Self::Integer(number), ValueType::Bigint | ValueType::Timestamp) => bytes(number.to_be_bytes()),
            (Self::Integer(number), ValueType::Int) => match i32::try_from(*number) {
                Ok(number) => bytes(number.to_be_bytes()),
                Err(_) => return Err(mismatch(what, wanted, "a number of more than 32 bits")),
            },
            #[expect(clippy::cast_precision_loss, reason = "as near as a double can be")]
            (Self::Integer(number), ValueType::Double) => bytes((*number as f64).to_be_bytes()),
            (Self::Float(number), ValueType::Double) => bytes(number.to_be_bytes()),
            (Self::Boolean(boolean), ValueType::Boolean) => bytes([u8::from(*boolean)]),
            (Self::Uuid(uuid), ValueType::Uuid) => bytes(uuid.into_bytes()),
            _ => return Err(mismatch(what, wanted, self.kind())),
        };
        Ok(Bound::Set(found))
    }

    /// What it is, for errors.
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Blob(_) => "a blob",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::Null => "null",
            Self::Uuid(_) => "a UUID",
            Self::Function { .. } => "a function",
            Self::Marker { .. } => "a marker",
            Self::List(_) => "a list",
            Self::Set(_) => "a set",
            Self::Map(_) => "a map",
            Self::Tuple(_) => "a tuple",
        }
    }

    /// As [`Term::evaluate`], with None for a null. It has to be set.
    fn value(&self, wanted: &ValueType, values: &Values, what: &str) -> Result<Option<Bytes>, Invalid> {
        match self.evaluate(wanted, values, what)? {
            Bound::Set(bytes) => Ok(Some(bytes)),
            Bound::Null => Ok(None),
            Bound::Unset => {
                Err(Invalid(format!("The value of {what} is unset, expected one of type {}", wanted.name())))
            }
        }
    }

    fn fixed<const N: usize>(
        &self,
        wanted: &ValueType,
        values: &Values,
        what: &str,
    ) -> Result<Option<[u8; N]>, Invalid> {
        // That the length is right was seen by then.
        Ok(self.value(wanted, values, what)?.and_then(|bytes| bytes.first_chunk().copied()))
    }

    /// Bytes, or None for a null.
    pub fn blob(&self, values: &Values, what: &str) -> Result<Option<Bytes>, Invalid> {
        self.value(&ValueType::Blob, values, what)
    }

    /// A text, or None for a null.
    pub fn text(&self, values: &Values, what: &str) -> Result<Option<String>, Invalid> {
        let bytes = self.value(&ValueType::Varchar, values, what)?;
        let text = bytes.map(|bytes| String::from_utf8(bytes.into())).transpose();
        text.map_err(|_| mismatch(what, &ValueType::Varchar, "what is not UTF-8"))
    }

    /// A number of 64 bits, or None for a null.
    pub fn bigint(&self, values: &Values, what: &str) -> Result<Option<i64>, Invalid> {
        Ok(self.fixed(&ValueType::Bigint, values, what)?.map(i64::from_be_bytes))
    }

    /// A number of 32 bits, or None for a null.
    pub fn int(&self, values: &Values, what: &str) -> Result<Option<i32>, Invalid> {
        Ok(self.fixed(&ValueType::Int, values, what)?.map(i32::from_be_bytes))
    }

    /// The values of a list of this type, like that of `IN ?`.
    pub fn list(&self, item: &ValueType, values: &Values, what: &str) -> Result<Vec<Bytes>, Invalid> {
        let wanted = ValueType::List(Box::new(item.clone()));
        let mut bytes = self
            .value(&wanted, values, what)?
            .ok_or_else(|| Invalid(format!("The value of {what} is null, expected a list")))?;
        let bad = || mismatch(what, &wanted, "a value of another form");
        let count = bytes.try_get_i32().ok().and_then(|count| usize::try_from(count).ok()).ok_or_else(bad)?;
        if count > MOST_ITEMS {
            return Err(Invalid(format!("The list of {what} has {count} values, expected at most {MOST_ITEMS}")));
        }
        let mut items = Vec::new();
        for _ in 0..count {
            let length = bytes.try_get_i32().ok().and_then(|length| usize::try_from(length).ok()).ok_or_else(bad)?;
            if length > bytes.len() {
                return Err(bad());
            }
            let value = bytes.split_to(length);
            if !suits(&value, item) {
                return Err(bad());
            }
            items.push(value);
        }
        if bytes.is_empty() { Ok(items) } else { Err(bad()) }
    }
}

fn bytes<const N: usize>(bytes: [u8; N]) -> Bytes {
    Bytes::copy_from_slice(&bytes)
}

fn mismatch(what: &str, wanted: &ValueType, found: &str) -> Invalid {
    Invalid(format!("Invalid value for {what}: found {found}, expected type {}", wanted.name()))
}

/// Whether bytes have the form of a type. Parts of lists, sets, and maps are not looked at.
fn suits(bytes: &[u8], wanted: &ValueType) -> bool {
    match wanted {
        ValueType::Varchar => std::str::from_utf8(bytes).is_ok(),
        ValueType::Bigint | ValueType::Timestamp | ValueType::Double => bytes.len() == 8,
        ValueType::Int => bytes.len() == 4,
        ValueType::Boolean => bytes.len() == 1,
        ValueType::Uuid => bytes.len() == 16,
        ValueType::Inet => matches!(bytes.len(), 4 | 16),
        ValueType::Blob | ValueType::List(_) | ValueType::Map(..) | ValueType::Set(_) => true,
    }
}

fn function(name: &str, arguments: &[Term], wanted: &ValueType, values: &Values, what: &str) -> Result<Bound, Invalid> {
    let (argument_type, result_type) = match name {
        "textasblob" => (ValueType::Varchar, ValueType::Blob),
        "blobastext" => (ValueType::Blob, ValueType::Varchar),
        _ => return Err(Invalid(format!("Unknown function {name}, expected textAsBlob or blobAsText"))),
    };
    let [argument] = arguments else {
        return Err(Invalid(format!("{name} has {} arguments, expected one", arguments.len())));
    };
    if *wanted != result_type {
        return Err(mismatch(what, wanted, &format!("what {name} makes")));
    }
    let value = argument.evaluate(&argument_type, values, what)?;
    match &value {
        Bound::Set(bytes) if !suits(bytes, &result_type) => Err(mismatch(what, wanted, "what is not UTF-8")),
        _ => Ok(value),
    }
}
