//! Messages, as consumers on the library of contrail's daemons (kombu) expect them.

use lapin::{
    BasicProperties, ExchangeKind,
    types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString},
};
use serde_json::{Map, Value};

/// The media type of JSON.
pub const JSON: &str = "application/json";
/// The media type of a bare text.
pub const TEXT: &str = "text/plain";

/// Where messages go through.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its name.
    pub name: ShortString,
    /// What it is made as when it is not there yet; one that is there is used as it is.
    pub kind: ExchangeKind,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// Through where.
    pub exchange: Exchange,
    /// To whom.
    pub routing_key: ShortString,
    /// Beside the content.
    pub headers: FieldTable,
    /// The media type of the content.
    pub content_type: &'static str,
    /// The content.
    pub content: Vec<u8>,
}

/// Those of a message: consumers in Python get an object, and not bytes, only with type and encoding.
pub fn properties(content_type: &str, headers: FieldTable) -> BasicProperties {
    BasicProperties::default()
        .with_content_type(content_type.into())
        .with_content_encoding("utf-8".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(0)
}

/// A name or key; none if it is longer than the protocol allows (255 bytes).
pub fn short(text: &str) -> Option<ShortString> {
    ShortString::try_new(text).ok()
}

/// The kind of exchange of this name. A broker ends the connection over one that it does not know, so only these are tried.
pub fn exchange_kind(name: &str) -> Option<ExchangeKind> {
    match name {
        "direct" => Some(ExchangeKind::Direct),
        "fanout" => Some(ExchangeKind::Fanout),
        "topic" => Some(ExchangeKind::Topic),
        "headers" => Some(ExchangeKind::Headers),
        _ => None,
    }
}

/// How large headers may be together, in bytes: brokers want them in one frame, whose usual limit is twice that.
const MOST_HEADERS: usize = 64 << 10;

/// Headers of a message. The error names the one that can't be sent.
///
/// # Errors
/// For names of more than 255 bytes, integers of more than 64 bits with sign, and too much of all.
pub fn headers(fields: &Map<String, Value>) -> Result<FieldTable, String> {
    let size = size_of_fields(fields);
    if size > MOST_HEADERS {
        return Err(format!("the headers have {size} bytes, and {MOST_HEADERS} at most can be sent"));
    }
    table(fields)
}

/// As many bytes as the protocol makes of them.
fn size_of_fields(fields: &Map<String, Value>) -> usize {
    4 + fields.iter().map(|(name, value)| 1 + name.len() + size_of(value)).sum::<usize>()
}

fn size_of(value: &Value) -> usize {
    1 + match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 8,
        Value::String(text) => 4 + text.len(),
        Value::Array(items) => 4 + items.iter().map(size_of).sum::<usize>(),
        Value::Object(fields) => size_of_fields(fields),
    }
}

fn table(fields: &Map<String, Value>) -> Result<FieldTable, String> {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        let key = short(name).ok_or_else(|| format!("the name of a header has more than 255 bytes: {name}"))?;
        let value = header(value).ok_or_else(|| format!("header {name} has a value that a message can't hold"))?;
        table.insert(key, value);
    }
    Ok(table)
}

fn header(value: &Value) -> Option<AMQPValue> {
    Some(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::Number(number) if number.is_f64() => AMQPValue::Double(number.as_f64()?),
        Value::Number(number) => AMQPValue::LongLongInt(number.as_i64()?),
        Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        Value::Array(items) => {
            AMQPValue::FieldArray(FieldArray::from(items.iter().map(header).collect::<Option<Vec<_>>>()?))
        }
        Value::Object(fields) => AMQPValue::FieldTable(table(fields).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<FieldTable, String> {
        headers(value.as_object().unwrap())
    }

    #[test]
    fn headers_keep_their_types() {
        let table =
            read(&json!({"text": "a", "number": -1, "part": 0.5, "flag": true, "none": null, "all": [1, {"in": "b"}]}));
        let table = table.unwrap();
        let inner = table.inner();
        assert_eq!(inner["text"], AMQPValue::LongString("a".into()));
        assert_eq!(inner["number"], AMQPValue::LongLongInt(-1));
        assert_eq!(inner["part"], AMQPValue::Double(0.5));
        assert_eq!(inner["flag"], AMQPValue::Boolean(true));
        assert_eq!(inner["none"], AMQPValue::Void);
        let AMQPValue::FieldArray(items) = &inner["all"] else { panic!("{inner:?}") };
        assert_eq!(items.as_slice().len(), 2);
    }

    #[test]
    fn headers_that_do_not_fit_are_named() {
        assert!(read(&json!({"big": 18_446_744_073_709_551_615_u64})).unwrap_err().contains("header big"));
        let long = "x".repeat(256);
        assert!(read(&json!({ &long: 1 })).unwrap_err().contains("more than 255 bytes"));
        assert!(read(&json!({ "a": { &long: 1 } })).unwrap_err().contains("header a"));
        let many: Vec<u8> = vec![1; 10_000];
        assert!(read(&json!({ "a": many })).unwrap_err().contains("at most can be sent"));
        assert!(short(&long[1..]).is_some() && short(&long).is_none());
    }
}
