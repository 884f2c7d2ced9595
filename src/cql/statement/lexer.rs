//! The words of a text.

/// What a word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `select`, `column1`
    Word,
    /// `"Column"`, with its quotes.
    QuotedName,
    /// `'it''s'`, with its quotes.
    Text,
    /// `$$it's$$`, with what is around it.
    DollarText,
    /// `0x64`
    Blob,
    /// `-12`
    Integer,
    /// `1.5e3`
    Float,
    /// `6a5c38df-617d-4730-90f8-dcb16507ca6b`
    Uuid,
    /// `(`, `>=` ...
    Symbol,
    /// The text is over.
    End,
    /// What no word begins with, or what does not end.
    Bad(&'static str),
}

/// A word of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it stands there.
    pub text: &'a str,
    /// Bytes of the text before it.
    pub offset: usize,
}

impl Token<'_> {
    /// Whether it is this key word, in large or small letters.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is this symbol.
    pub fn is(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }
}

/// Takes word for word from a text.
pub struct Lexer<'a> {
    rest: &'a str,
    offset: usize,
}

impl<'a> Lexer<'a> {
    /// At the begin of a text.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, offset: 0 }
    }

    /// The next word; at the end [`Kind::End`], again and again.
    pub fn next(&mut self) -> Token<'a> {
        if let Err(problem) = self.skip() {
            return self.token(Kind::Bad(problem), self.rest.len());
        }
        let bytes = self.rest.as_bytes();
        let Some(first) = bytes.first().copied() else {
            return self.token(Kind::End, 0);
        };
        match first {
            b'\'' => self.quoted(b'\'', Kind::Text, "a text without its closing quote"),
            b'"' => self.quoted(b'"', Kind::QuotedName, "a name without its closing quote"),
            b'$' if bytes.starts_with(b"$$") => self.dollars(),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.word(),
            b'-' if bytes.get(1).is_some_and(u8::is_ascii_digit) => self.number(1),
            b'<' | b'>' | b'!' if bytes.get(1) == Some(&b'=') => self.token(Kind::Symbol, 2),
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b';' | b'.' | b':' | b'=' | b'<' | b'>' | b'+' | b'-'
            | b'*' | b'?' => self.token(Kind::Symbol, 1),
            _ => {
                let length = self.rest.chars().next().map_or(1, char::len_utf8);
                self.token(Kind::Bad("a character that no word begins with"), length)
            }
        }
    }

    /// Takes so many bytes away.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.offset += taken.len();
        taken
    }

    fn token(&mut self, kind: Kind, length: usize) -> Token<'a> {
        let offset = self.offset;
        Token { kind, text: self.take(length), offset }
    }

    /// Passes over white space and comments.
    fn skip(&mut self) -> Result<(), &'static str> {
        loop {
            let length = self.rest.len() - self.rest.trim_ascii_start().len();
            self.take(length);
            if self.rest.starts_with("--") || self.rest.starts_with("//") {
                let end = memchr::memchr(b'\n', self.rest.as_bytes());
                self.take(end.unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let end = self.rest.get(2..).and_then(|rest| memchr::memmem::find(rest.as_bytes(), b"*/"));
                self.take(end.ok_or("a comment without its end")? + 4);
            } else {
                return Ok(());
            }
        }
    }

    /// What stands between two quotes; two of them are one in it.
    fn quoted(&mut self, quote: u8, kind: Kind, problem: &'static str) -> Token<'a> {
        let bytes = self.rest.as_bytes();
        let mut end = 1;
        loop {
            let found = bytes.get(end..).and_then(|rest| memchr::memchr(quote, rest));
            let Some(found) = found else {
                return self.token(Kind::Bad(problem), self.rest.len());
            };
            end += found + 1;
            if bytes.get(end) != Some(&quote) {
                return self.token(kind, end);
            }
            end += 1;
        }
    }

    fn dollars(&mut self) -> Token<'a> {
        match self.rest.get(2..).and_then(|rest| memchr::memmem::find(rest.as_bytes(), b"$$")) {
            Some(end) => self.token(Kind::DollarText, end + 4),
            None => self.token(Kind::Bad("a text without its closing $$"), self.rest.len()),
        }
    }

    /// What begins with a letter or a digit.
    fn word(&mut self) -> Token<'a> {
        if is_uuid(self.rest.as_bytes()) {
            return self.token(Kind::Uuid, UUID_LENGTH);
        }
        let bytes = self.rest.as_bytes();
        let length = run(bytes, is_word_byte);
        match bytes {
            [b'0', b'x' | b'X', digits @ ..] => {
                let digits = digits.get(..length.saturating_sub(2)).unwrap_or_default();
                let kind = match (digits.iter().all(u8::is_ascii_hexdigit), digits.len() % 2) {
                    (true, 0) => Kind::Blob,
                    (true, _) => Kind::Bad("a blob with an odd number of digits"),
                    (false, _) => Kind::Bad("a blob with other than hexadecimal digits"),
                };
                self.token(kind, length)
            }
            [b'0'..=b'9', ..] => self.number(0),
            _ => self.token(Kind::Word, length),
        }
    }

    /// Digits, after so many bytes of a sign.
    fn number(&mut self, sign: usize) -> Token<'a> {
        let bytes = self.rest.as_bytes();
        let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
        let digits = |from: usize| run(bytes.get(from..).unwrap_or_default(), |byte| byte.is_ascii_digit());
        let mut end = sign + digits(sign);
        let mut kind = Kind::Integer;
        if at(end) == b'.' && at(end + 1).is_ascii_digit() {
            kind = Kind::Float;
            end += 1 + digits(end + 1);
        }
        if matches!(at(end), b'e' | b'E') {
            let exponent = end + 1 + usize::from(matches!(at(end + 1), b'+' | b'-'));
            if digits(exponent) > 0 {
                kind = Kind::Float;
                end = exponent + digits(exponent);
            }
        }
        let tail = run(bytes.get(end..).unwrap_or_default(), is_word_byte);
        self.token(if tail == 0 { kind } else { Kind::Bad("a number with letters") }, end + tail)
    }
}

const UUID_LENGTH: usize = 36;

/// Whether a UUID is next, and nothing that makes it longer.
fn is_uuid(bytes: &[u8]) -> bool {
    bytes.get(UUID_LENGTH).is_none_or(|next| !is_word_byte(*next))
        && bytes.first_chunk::<UUID_LENGTH>().is_some_and(|bytes| {
            bytes.iter().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        })
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes in a row are so.
fn run(bytes: &[u8], is_so: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !is_so(*byte)).unwrap_or(bytes.len())
}
