//! Types of values, and values of small answers.

use super::{Length, Output};
use bytes::Bytes;
use std::net::IpAddr;
use uuid::Uuid;

/// The type of a column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ValueType {
    /// 64 bits.
    Bigint,
    /// Bytes.
    Blob,
    /// True or false.
    Boolean,
    /// A floating number of 64 bits.
    Double,
    /// 32 bits.
    Int,
    /// Milliseconds since 1970.
    Timestamp,
    /// A UUID.
    Uuid,
    /// Text.
    Varchar,
    /// An address.
    Inet,
    /// In an order that has a meaning.
    List(Box<Self>),
    /// Keys and values.
    Map(Box<Self>, Box<Self>),
    /// Each once.
    Set(Box<Self>),
}

impl ValueType {
    /// As statements write it: `map<text, blob>`.
    pub fn name(&self) -> String {
        match self {
            Self::Bigint => "bigint".to_owned(),
            Self::Blob => "blob".to_owned(),
            Self::Boolean => "boolean".to_owned(),
            Self::Double => "double".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Timestamp => "timestamp".to_owned(),
            Self::Uuid => "uuid".to_owned(),
            Self::Varchar => "text".to_owned(),
            Self::Inet => "inet".to_owned(),
            Self::List(item) => format!("list<{}>", item.name()),
            Self::Map(key, value) => format!("map<{}, {}>", key.name(), value.name()),
            Self::Set(item) => format!("set<{}>", item.name()),
        }
    }

    /// Appends an `[option]`.
    pub(super) fn write(&self, output: &mut impl Output) {
        match self {
            Self::Bigint => output.short(0x02),
            Self::Blob => output.short(0x03),
            Self::Boolean => output.short(0x04),
            Self::Double => output.short(0x07),
            Self::Int => output.short(0x09),
            Self::Timestamp => output.short(0x0B),
            Self::Uuid => output.short(0x0C),
            Self::Varchar => output.short(0x0D),
            Self::Inet => output.short(0x10),
            Self::List(item) => {
                output.short(0x20);
                item.write(output);
            }
            Self::Map(key, value) => {
                output.short(0x21);
                key.write(output);
                value.write(output);
            }
            Self::Set(item) => {
                output.short(0x22);
                item.write(output);
            }
        }
    }
}

/// A value of a small answer, like those of the system tables. Its form does not depend on the version.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// No value.
    Null,
    /// Of a varchar.
    Text(String),
    /// Of a blob.
    Blob(Bytes),
    /// Of a bigint.
    Bigint(i64),
    /// Of an int.
    Int(i32),
    /// Of a boolean.
    Boolean(bool),
    /// Of a double.
    Double(f64),
    /// Of a uuid.
    Uuid(Uuid),
    /// Of an inet.
    Inet(IpAddr),
    /// Of a list, or of a set.
    List(Vec<Self>),
    /// Of a map.
    Map(Vec<(Self, Self)>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Appends it as `[bytes]`.
    pub fn write(&self, output: &mut impl Output) {
        match self {
            Self::Null => output.null(),
            Self::Text(text) => output.value(text.as_bytes()),
            Self::Blob(blob) => output.value(blob),
            Self::Bigint(number) => output.bigint(*number),
            Self::Int(number) => output.value(&number.to_be_bytes()),
            Self::Boolean(boolean) => output.value(&[u8::from(*boolean)]),
            Self::Double(number) => output.value(&number.to_be_bytes()),
            Self::Uuid(uuid) => output.value(uuid.as_bytes()),
            Self::Inet(IpAddr::V4(address)) => output.value(&address.octets()),
            Self::Inet(IpAddr::V6(address)) => output.value(&address.octets()),
            Self::List(_) | Self::Map(_) => {
                let mut length = Length::default();
                self.write_items(&mut length);
                output.int(i32::try_from(length.0).unwrap_or(i32::MAX));
                self.write_items(output);
            }
        }
    }

    fn write_items(&self, output: &mut impl Output) {
        match self {
            Self::List(items) => {
                output.count(items.len());
                for item in items {
                    item.write(output);
                }
            }
            Self::Map(items) => {
                output.count(items.len());
                for (key, value) in items {
                    key.write(output);
                    value.write(output);
                }
            }
            _ => {}
        }
    }
}
