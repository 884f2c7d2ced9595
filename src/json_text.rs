//! JSON as the wire wants it: pure ASCII, so that clients that guess the character set can't guess wrong.

use serde::Serialize;
use serde_json::{Value, ser::Formatter};
use std::{
    collections::HashMap,
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_ascii(writer, fragment)
    }
}

fn write_ascii<W: ?Sized + Write>(writer: &mut W, text: &str) -> io::Result<()> {
    if text.is_ascii() {
        return writer.write_all(text.as_bytes());
    }
    for character in text.chars() {
        if character.is_ascii() {
            writer.write_all(&[character as u8])?;
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}

/// Appends a value as JSON.
pub fn write<T: Serialize + ?Sized>(output: &mut Vec<u8>, value: &T) {
    let mut serializer = serde_json::Serializer::with_formatter(output, AsciiFormatter);
    // Writing to memory and keys that are strings can't fail.
    let _ = value.serialize(&mut serializer);
}

/// Whether a text stands for itself in JSON.
pub fn is_plain(text: &str) -> bool {
    let needs_care = |byte: u8| !matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    // To the end in any case: so it is done for many bytes at a time.
    !text.bytes().fold(false, |found, byte| found | needs_care(byte))
}

/// A value as JSON text.
pub fn text(value: &Value) -> Box<str> {
    let mut output = Vec::new();
    write(&mut output, value);
    String::from_utf8(output).unwrap_or_default().into_boxed_str()
}

/// JSON text from elsewhere as it would be written here: what is not ASCII escaped, and without blanks between the values.
pub fn normal(json: &str) -> String {
    let mut output = Vec::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut begin = 0;
    for (index, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b' ' if !in_string => {
                output.extend_from_slice(json.as_bytes().get(begin..index).unwrap_or_default());
                begin = index + 1;
            }
            _ => {}
        }
    }
    output.extend_from_slice(json.as_bytes().get(begin..).unwrap_or_default());
    let compact = String::from_utf8(output).unwrap_or_default();
    if compact.is_ascii() {
        return compact;
    }
    let mut output = Vec::with_capacity(compact.len() * 2);
    let _ = write_ascii(&mut output, &compact);
    String::from_utf8(output).unwrap_or_default()
}

/// What is made of texts that many objects have, each in memory once. It forgets all of it when it has come to know too much.
pub struct Known<T: ?Sized> {
    known: LazyLock<Mutex<HashMap<Arc<str>, Arc<T>>>>,
    longest: usize,
}

/// How many texts are known at a time.
const KNOWN: usize = 4096;

impl<T: ?Sized> Known<T> {
    /// Of texts up to this length, in bytes.
    pub const fn up_to(longest: usize) -> Self {
        Self { known: LazyLock::new(Mutex::default), longest }
    }

    /// What was made of the text, or else is made now.
    pub fn of(&self, text: &str, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        if text.len() > self.longest {
            return make();
        }
        // Nothing in there is ever half done.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(text) {
            return Arc::clone(found);
        }
        let new = make();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(text.into(), Arc::clone(&new));
        new
    }
}

/// What stands at the reference of each port to its routing instance has 174 bytes.
static SHARED: Known<str> = Known::up_to(256);

/// A text to keep. Short ones are the same for many objects (flags, rights, empty lists), and are in memory once.
pub fn shared(text: &str) -> Arc<str> {
    SHARED.of(text, || text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn escapes_beyond_ascii() {
        assert_eq!(&*text(&json!({"ü": "𝄞\n"})), r#"{"\u00fc":"\ud834\udd1e\n"}"#);
        assert_eq!(normal(r#"{"ü":1}"#), r#"{"\u00fc":1}"#);
    }

    #[test]
    fn is_brought_to_one_form() {
        for value in [json!({"a b": [1, " ", {"\\": "\\\" \" "}], "ü ü": null}), json!("a \"b"), json!([])] {
            // As PostgreSQL prints it.
            let spaced = serde_json::to_string_pretty(&value).unwrap().replace('\n', " ");
            assert_eq!(normal(&spaced), &*text(&value));
        }
    }

    #[test]
    fn is_kept_once() {
        assert!(Arc::ptr_eq(&shared("false"), &shared("false")));
        let long = "x".repeat(SHARED.longest + 1);
        assert_eq!(&*shared(&long), long);
        assert!(!Arc::ptr_eq(&shared(&long), &shared(&long)));
    }
}
