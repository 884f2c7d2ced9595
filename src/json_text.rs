//! JSON as the wire wants it: pure ASCII, so that clients that guess the character set can't guess wrong.

use serde::Serialize;
use serde_json::{Value, ser::Formatter};
use std::io::{self, Write};

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

/// A value as JSON text.
pub fn text(value: &Value) -> Box<str> {
    let mut output = Vec::new();
    write(&mut output, value);
    String::from_utf8(output).unwrap_or_default().into_boxed_str()
}

/// JSON text from elsewhere, with what is not ASCII escaped; such characters stand in strings only.
pub fn ascii(json: &str) -> Box<str> {
    if json.is_ascii() {
        return json.into();
    }
    let mut output = Vec::with_capacity(json.len() * 2);
    let _ = write_ascii(&mut output, json);
    String::from_utf8(output).unwrap_or_default().into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn escapes_beyond_ascii() {
        assert_eq!(&*text(&json!({"ü": "𝄞\n"})), r#"{"\u00fc":"\ud834\udd1e\n"}"#);
        assert_eq!(&*ascii(r#"{"ü":1}"#), r#"{"\u00fc":1}"#);
    }
}
