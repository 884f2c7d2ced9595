//! Values, and markers in their places.

use crate::cql::statement::{
    Marker, MarkerPlace, Term,
    lexer::Kind,
    parser::{MOST_MARKERS, Parser, Result},
};
use bytes::Bytes;
use uuid::Uuid;

impl Parser<'_> {
    pub(super) fn column_value(&mut self, column: &str) -> Result<Term> {
        self.term(&marker(column, MarkerPlace::Column(column.to_owned())))
    }

    /// A value; `place` says what a marker in it would be.
    pub(super) fn term(&mut self, place: &Marker) -> Result<Term> {
        match self.token.kind {
            Kind::Text => Ok(Term::Text(unquoted(self.take()?.text, '\''))),
            Kind::DollarText => {
                let text = self.take()?.text;
                Ok(Term::Text(
                    text.strip_prefix("$$").and_then(|text| text.strip_suffix("$$")).unwrap_or(text).to_owned(),
                ))
            }
            Kind::Blob => Ok(Term::Blob(blob(self.take()?.text))),
            Kind::Integer => match self.token.text.parse() {
                Ok(number) => self.take().map(|_| Term::Integer(number)),
                Err(_) => Err(self.expected("a number of 64 bits")),
            },
            Kind::Float => match self.token.text.parse() {
                Ok(number) => self.take().map(|_| Term::Float(number)),
                Err(_) => Err(self.expected("a number")),
            },
            Kind::Uuid => match Uuid::parse_str(self.token.text) {
                Ok(uuid) => self.take().map(|_| Term::Uuid(uuid)),
                Err(_) => Err(self.expected("a UUID")),
            },
            Kind::Word => self.word_term(place),
            Kind::Symbol => self.symbol_term(place),
            Kind::QuotedName | Kind::End | Kind::Bad(_) => Err(self.expected("a value")),
        }
    }

    fn word_term(&mut self, place: &Marker) -> Result<Term> {
        let term = match self.token.text.to_ascii_lowercase().as_str() {
            "null" => Term::Null,
            "true" => Term::Boolean(true),
            "false" => Term::Boolean(false),
            _ if self.next.is("(") => return self.deeper(|parser| parser.function(place)),
            _ => return Err(self.expected("a value")),
        };
        self.take()?;
        Ok(term)
    }

    pub(super) fn function(&mut self, place: &Marker) -> Result<Term> {
        let name = self.take()?.text.to_ascii_lowercase();
        let argument = match name.as_str() {
            "textasblob" => marker("arg0(system.textasblob)", MarkerPlace::Text),
            "blobastext" => marker("arg0(system.blobastext)", MarkerPlace::Blob),
            _ => part(place),
        };
        self.symbol("(")?;
        let arguments = self.list(")", |parser| parser.term(&argument))?;
        Ok(Term::Function { name, arguments })
    }

    fn symbol_term(&mut self, place: &Marker) -> Result<Term> {
        match self.token.text {
            "?" => {
                self.take()?;
                self.marker(place.clone())
            }
            ":" => {
                self.take()?;
                let name = self.name("the name of a marker")?;
                self.marker(Marker { name, place: place.place.clone() })
            }
            "[" => self.deeper(|parser| parser.items("]", place)).map(Term::List),
            "(" => self.deeper(|parser| parser.items(")", place)).map(Term::Tuple),
            "{" => self.deeper(|parser| parser.set_or_map(place)),
            _ => Err(self.expected("a value")),
        }
    }

    pub(super) fn marker(&mut self, marker: Marker) -> Result<Term> {
        let position = self.markers.len();
        if position == MOST_MARKERS {
            return Err(self.problem(format!("there are more markers, expected at most {MOST_MARKERS}")));
        }
        let name = marker.name.clone();
        self.markers.push(marker);
        Ok(Term::Marker { position, name })
    }

    /// Values, after the symbol that is next.
    pub(super) fn items(&mut self, end: &str, place: &Marker) -> Result<Vec<Term>> {
        self.take()?;
        // A tuple of one column stands for the column.
        let place = if end == ")" { place.clone() } else { part(place) };
        self.list(end, |parser| parser.term(&place))
    }

    fn set_or_map(&mut self, place: &Marker) -> Result<Term> {
        self.take()?;
        let place = part(place);
        if self.eat("}")? {
            return Ok(Term::Map(Vec::new()));
        }
        let first = self.term(&place)?;
        if self.eat(":")? {
            let mut items = vec![(first, self.term(&place)?)];
            while !self.eat("}")? {
                self.symbol(",")?;
                let key = self.term(&place)?;
                self.symbol(":")?;
                items.push((key, self.term(&place)?));
            }
            return Ok(Term::Map(items));
        }
        let mut items = vec![first];
        while !self.eat("}")? {
            self.symbol(",")?;
            items.push(self.term(&place)?);
        }
        Ok(Term::Set(items))
    }
}

pub(super) fn marker(name: &str, place: MarkerPlace) -> Marker {
    Marker { name: name.to_owned(), place }
}

/// What a marker would be in a value of this place.
fn part(place: &Marker) -> Marker {
    let part = match &place.place {
        MarkerPlace::Column(column) | MarkerPlace::In(column) | MarkerPlace::Part(column) => {
            MarkerPlace::Part(column.clone())
        }
        other => other.clone(),
    };
    Marker { name: place.name.clone(), place: part }
}

/// What stands between quotes.
pub(super) fn unquoted(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).unwrap_or(text);
    let mut double = String::with_capacity(2);
    double.push(quote);
    double.push(quote);
    inner.replace(&double, double.strip_prefix(quote).unwrap_or_default())
}

/// The bytes of pairs of hexadecimal digits, after `0x`.
fn blob(text: &str) -> Bytes {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte - b'A' + 10,
    };
    let (pairs, _) = text.as_bytes().get(2..).unwrap_or_default().as_chunks();
    pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
}
