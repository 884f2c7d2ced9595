//! Values as Python writes them.
//!
//! The error texts of contrail-api hold Python literals, and one of them (the list of links in the
//! answer to a refused delete) is parsed by a client (wire contract 1.5). So texts that print a value
//! print it the same way here.

use serde_json::{Number, Value};
use std::fmt::Write;

/// A value as `repr` shows it: strings quoted, `None`, `True`, `False`.
pub fn value(value: &Value) -> String {
    let mut output = String::new();
    write_value(&mut output, value);
    output
}

/// A value as `str` shows it: a string stands for itself, everything else is as in [`value()`].
pub fn text(value: &Value) -> String {
    match value {
        Value::String(string) => string.clone(),
        other => self::value(other),
    }
}

/// A quoted string: single quotes, unless the string holds a single quote and no double quote.
pub fn string(string: &str) -> String {
    let mut output = String::with_capacity(string.len() + 2);
    write_string(&mut output, string);
    output
}

/// A list of strings.
pub fn list<I>(items: I) -> String
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut output = String::from("[");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            output.push_str(", ");
        }
        write_string(&mut output, item.as_ref());
    }
    output.push(']');
    output
}

fn write_value(output: &mut String, value: &Value) {
    match value {
        Value::Null => output.push_str("None"),
        Value::Bool(true) => output.push_str("True"),
        Value::Bool(false) => output.push_str("False"),
        Value::Number(number) => write_number(output, number),
        Value::String(string) => write_string(output, string),
        Value::Array(items) => {
            output.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    output.push_str(", ");
                }
                write_value(output, item);
            }
            output.push(']');
        }
        Value::Object(fields) => {
            output.push('{');
            for (index, (name, field)) in fields.iter().enumerate() {
                if index > 0 {
                    output.push_str(", ");
                }
                write_string(output, name);
                output.push_str(": ");
                write_value(output, field);
            }
            output.push('}');
        }
    }
}

fn write_number(output: &mut String, number: &Number) {
    match number.as_f64() {
        Some(float) if number.is_f64() => write_float(output, float),
        _ => write_formatted(output, format_args!("{number}")),
    }
}

/// Python uses the shortest digits too, but changes to an exponent below 1e-4 and from 1e16 on.
fn write_float(output: &mut String, float: f64) {
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let scientific = format!("{float:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        write_formatted(output, format_args!("{digits}e{sign}{exponent:0>2}"));
    } else {
        write_formatted(output, format_args!("{float:?}"));
    }
}

fn write_string(output: &mut String, string: &str) {
    let quote = if string.contains('\'') && !string.contains('"') { '"' } else { '\'' };
    output.push(quote);
    for character in string.chars() {
        match character {
            '\\' => output.push_str("\\\\"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            _ if character == quote => {
                output.push('\\');
                output.push(quote);
            }
            _ if is_printable(character) => output.push(character),
            _ => {
                let code = u32::from(character);
                match code {
                    0..=0xff => write_formatted(output, format_args!("\\x{code:02x}")),
                    0x100..=0xffff => write_formatted(output, format_args!("\\u{code:04x}")),
                    _ => write_formatted(output, format_args!("\\U{code:08x}")),
                }
            }
        }
    }
    output.push(quote);
}

/// Whether Python prints the character as it is. Covers control characters, separators, the invisible
/// format characters and private use; characters without any assignment are printed.
fn is_printable(character: char) -> bool {
    !(character.is_control()
        || (character.is_whitespace() && character != ' ')
        || matches!(
            character,
            '\u{ad}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{feff}'
                | '\u{f0000}'..
        ))
}

fn write_formatted(output: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = output.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_print_as_python_prints_them() {
        assert_eq!(
            value(&json!({"a": null, "b": [true, false, 1, -2, 300.5, "x"]})),
            "{'a': None, 'b': [True, False, 1, -2, 300.5, 'x']}"
        );
        assert_eq!(value(&json!([])), "[]");
        assert_eq!(value(&json!({})), "{}");
        assert_eq!(value(&json!(18_446_744_073_709_551_615_u64)), "18446744073709551615");
    }

    #[test]
    fn strings_take_the_quotes_that_python_takes() {
        assert_eq!(string("n1"), "'n1'");
        assert_eq!(string("it's"), "\"it's\"");
        assert_eq!(string("it's \"it\""), "'it\\'s \"it\"'");
        assert_eq!(string("a\\b\n\t\u{0}\u{7f}\u{a0}"), "'a\\\\b\\n\\t\\x00\\x7f\\xa0'");
        assert_eq!(string("ü\u{2028}\u{10fffd}"), "'ü\\u2028\\U0010fffd'");
    }

    #[test]
    fn floats_change_to_an_exponent_where_python_does() {
        for (float, expected) in [
            (1.0, "1.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (-2.5e300, "-2.5e+300"),
            (0.0001, "0.0001"),
        ] {
            assert_eq!(value(&json!(float)), expected);
        }
    }

    #[test]
    fn lists_and_texts() {
        assert_eq!(list(["default-domain", "it's"]), "['default-domain', \"it's\"]");
        assert_eq!(text(&json!("abc")), "abc");
        assert_eq!(text(&json!(["x"])), "['x']");
        assert_eq!(text(&json!(null)), "None");
    }
}
