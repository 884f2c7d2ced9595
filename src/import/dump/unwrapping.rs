//! A dump has a JSON text inside of a JSON text, as a string that may be of any length. This is a reader that takes such a
//! string out of its quotes while it is read, so that it is never in memory as a whole.

use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    rc::Rc,
};

/// What both ends of a reader know.
#[derive(Clone, Default)]
pub struct Handle {
    /// Whether the next value is taken out of its quotes, if it is a string.
    wanted: Rc<Cell<bool>>,
    /// How many bytes were read.
    read: Rc<Cell<u64>>,
}

impl Handle {
    /// From now on: the next value, which has not begun, is what the string says.
    pub fn unwrap_next(&self) {
        self.wanted.set(true);
    }

    /// How many bytes were read of the file.
    pub fn position(&self) -> u64 {
        self.read.get()
    }
}

/// Reads a byte at a time, as the parser does, which therefore has never read more than it knows of.
pub struct Unwrapping<R> {
    input: R,
    handle: Handle,
    /// Whether what is read is inside of the string.
    inside: bool,
    /// What a character is made of, not yet taken: the bytes, and how many are taken.
    made: ([u8; 4], usize, usize),
}

impl<R: BufRead> Unwrapping<R> {
    /// A reader, and what is to be known of it.
    pub fn new(input: R) -> (Self, Handle) {
        let handle = Handle::default();
        (Self { input, handle: handle.clone(), inside: false, made: ([0; 4], 0, 0) }, handle)
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.input.fill_buf()?.first().copied();
        if byte.is_some() {
            self.input.consume(1);
            self.handle.read.set(self.handle.read.get() + 1);
        }
        Ok(byte)
    }

    /// A byte of a string, which has to be there.
    fn inner_byte(&mut self) -> io::Result<u8> {
        self.byte()?.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the dump ends in a string"))
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> io::Result<u32> {
        (0..4).try_fold(0, |unit, _| {
            let digit = char::from(self.inner_byte()?).to_digit(16).ok_or_else(invalid)?;
            Ok(unit << 4 | digit)
        })
    }

    /// What stands after a backslash.
    fn escaped(&mut self) -> io::Result<char> {
        Ok(match self.inner_byte()? {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => match self.unit()? {
                high @ 0xd800..0xdc00 => {
                    let has_low = self.inner_byte()? == b'\\' && self.inner_byte()? == b'u';
                    let low = if has_low { self.unit()? } else { 0 };
                    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or_else(invalid)?;
                    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low).ok_or_else(invalid)?
                }
                unit => char::from_u32(unit).ok_or_else(invalid)?,
            },
            _ => return Err(invalid()),
        })
    }

    /// The next byte of what the parser sees.
    fn next(&mut self) -> io::Result<Option<u8>> {
        let (bytes, length, taken) = &mut self.made;
        if *taken < *length {
            *taken += 1;
            return Ok(bytes.get(*taken - 1).copied());
        }
        if self.inside {
            return Ok(Some(match self.inner_byte()? {
                b'"' => {
                    self.inside = false;
                    b' '
                }
                b'\\' => {
                    let mut bytes = [0; 4];
                    let length = self.escaped()?.encode_utf8(&mut bytes).len();
                    self.made = (bytes, length, 1);
                    bytes[0]
                }
                byte => byte,
            }));
        }
        let byte = self.byte()?;
        match byte {
            Some(b':' | b' ' | b'\t' | b'\r' | b'\n') | None => Ok(byte),
            Some(byte) => {
                self.inside = self.handle.wanted.take() && byte == b'"';
                Ok(Some(if self.inside { b' ' } else { byte }))
            }
        }
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "invalid escape")
}

impl<R: BufRead> Read for Unwrapping<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(first) = buffer.first_mut() else { return Ok(0) };
        let Some(byte) = self.next()? else { return Ok(0) };
        *first = byte;
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unwrapped(text: &str) -> io::Result<String> {
        let (mut reader, handle) = Unwrapping::new(text.as_bytes());
        handle.unwrap_next();
        let mut found = String::new();
        reader.read_to_string(&mut found)?;
        Ok(found)
    }

    proptest! {
        #[test]
        fn a_string_is_taken_out_of_its_quotes(text: String) {
            for quoted in [serde_json::to_string(&text).unwrap(), escaped(&text)] {
                prop_assert_eq!(unwrapped(&format!(": {quoted}}}")).unwrap(), format!(":  {text} }}"));
            }
        }
    }

    /// As Python writes strings: all in ASCII.
    fn escaped(text: &str) -> String {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        format!("\"{}\"", units.collect::<String>())
    }

    #[test]
    fn others_stay_as_they_are() {
        for text in [": [\"a\"]", ": null", ": {\"a\": \"\\n\"}"] {
            assert_eq!(unwrapped(text).unwrap(), text);
        }
        for text in
            [": \"a", ": \"\\", ": \"\\x\"", ": \"\\ud800\"", ": \"\\udc00\"", ": \"\\ud800\\u0020\"", ": \"\\u00g0\""]
        {
            assert!(unwrapped(text).is_err(), "{text}");
        }
    }
}
