//! Where the rows of an answer go: they are counted first, then written.

use crate::{
    graph::FqName,
    wide_row::{Field, Place},
};
use std::ops::ControlFlow;
use uuid::{Uuid, fmt::Hyphenated};

/// Why no further row is wanted for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// It goes on after the last column that was offered.
    Pause,
    /// There are enough.
    End,
}

/// Whether the next row is wanted.
pub type Flow = ControlFlow<Stop>;

/// The value of a column. None is ever null in the sense of CQL: readers rely on it (CQL contract 2.4).
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// As it stands.
    Text(&'a str),
    /// The elements of a name.
    Name(&'a FqName),
    /// A link, with its data as JSON.
    Link(&'a str),
}

/// What is in a link beside its data. Readers insist on an object with `attr` (CQL contract 4.1).
const LINK: (&str, &str) = ("{\"attr\":", ",\"is_weakref\":false}");

impl<'a> Value<'a> {
    /// JSON's null, as the text that it is.
    pub const NULL: Self = Self::Text("null");

    /// A link with this data.
    pub fn link(data: Option<&'a str>) -> Self {
        Self::Link(data.unwrap_or("null"))
    }

    fn len(self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Name(name) => name.json_len(),
            Self::Link(data) => LINK.0.len() + data.len() + LINK.1.len(),
        }
    }

    /// Appends it.
    pub fn write(self, output: &mut Vec<u8>) {
        match self {
            Self::Text(text) => output.extend_from_slice(text.as_bytes()),
            Self::Name(name) => name.write_json(output),
            Self::Link(data) => {
                output.extend_from_slice(LINK.0.as_bytes());
                output.extend_from_slice(data.as_bytes());
                output.extend_from_slice(LINK.1.as_bytes());
            }
        }
    }

    fn is(self, text: &str) -> bool {
        if let Self::Text(own) = self {
            return own == text;
        }
        let mut own = Vec::new();
        self.write(&mut own);
        own == text.as_bytes()
    }
}

/// A text, or one that is only made where it is written.
#[derive(Clone, Copy)]
pub enum Text<'a> {
    /// It is there.
    Bytes(&'a [u8]),
    /// Of a uuid.
    Uuid(Uuid),
}

impl Text<'_> {
    fn len(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Uuid(_) => Hyphenated::LENGTH,
        }
    }

    /// Appends it.
    pub fn write(self, output: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => output.extend_from_slice(bytes),
            Self::Uuid(uuid) => {
                let mut text = [0; Hyphenated::LENGTH];
                uuid.hyphenated().encode_lower(&mut text);
                output.extend_from_slice(&text);
            }
        }
    }
}

/// The name of a column: how it and maybe others begin, and the rest.
#[derive(Clone, Copy)]
pub struct ColumnName<'a>(pub &'a [u8], pub Text<'a>);

impl<'a> ColumnName<'a> {
    /// One that is there as a whole.
    pub fn whole(name: &'a [u8]) -> Self {
        Self(name, Text::Bytes(b""))
    }

    fn len(self) -> usize {
        self.0.len() + self.1.len()
    }

    /// Appends it.
    pub fn write(self, output: &mut Vec<u8>) {
        output.extend_from_slice(self.0);
        self.1.write(output);
    }

    /// Its bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.write(&mut bytes);
        bytes
    }
}

/// A column of a row, for an output.
pub struct Offer<'a> {
    /// The key of the row.
    pub key: Text<'a>,
    /// The name of the column.
    pub column: ColumnName<'a>,
    /// What is in it.
    pub value: Value<'a>,
}

/// Something that rows go to.
pub trait Output {
    /// Whether it looks at times.
    fn wants_time(&self) -> bool;

    /// Takes a row.
    fn take(&mut self, offer: &Offer<'_>, time: impl FnOnce() -> i64) -> Flow;
}

/// In front of an output: lets through what has the value that is asked for, and says when it was enough work for once.
pub struct Gate<'r, O> {
    /// Behind it.
    pub output: O,
    value: Option<&'r str>,
    steps: usize,
}

impl<'r, O: Output> Gate<'r, O> {
    /// For rows with this value, if one is given, and about so much work: a column, or an object, is a step.
    pub fn new(output: O, value: Option<&'r str>, steps: usize) -> Self {
        Self { output, value, steps }
    }

    /// Says that something was looked at.
    pub fn step(&mut self) -> Flow {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 { Flow::Break(Stop::Pause) } else { Flow::Continue(()) }
    }

    /// Offers a row.
    pub fn offer(&mut self, offer: &Offer<'_>, time: impl FnOnce() -> i64) -> Flow {
        if self.value.is_none_or(|value| offer.value.is(value)) {
            self.output.take(offer, time)?;
        }
        self.step()
    }
}

/// How often each kind of field is in a row.
#[derive(Clone, Copy, Default)]
struct Tally {
    all: usize,
    keys: usize,
    columns: usize,
    values: usize,
    times: usize,
}

/// Counts rows and bytes, and notices where a page ends.
pub struct Counter {
    tally: Tally,
    page: Option<u64>,
    limit: Option<u64>,
    /// How many rows there were.
    pub rows: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// The last one of a full page.
    last: Option<Place>,
    /// Whether there is another one after it.
    more: bool,
}

impl Counter {
    /// For rows of these fields.
    pub fn new(fields: &[Field], page: Option<u64>, limit: Option<u64>) -> Self {
        let mut tally = Tally { all: fields.len(), ..Tally::default() };
        for field in fields {
            match field {
                Field::Key => tally.keys += 1,
                Field::Column => tally.columns += 1,
                Field::Value => tally.values += 1,
                Field::Time => tally.times += 1,
                Field::Nothing => {}
            }
        }
        Self { tally, page, limit, rows: 0, bytes: 0, last: None, more: false }
    }

    /// Whether no row is wanted at all.
    pub fn is_full(&self) -> bool {
        self.limit == Some(0)
    }

    /// The last place of a page that others follow.
    pub fn into_more(self) -> Option<Place> {
        self.last.filter(|_| self.more)
    }
}

impl Output for &mut Counter {
    fn wants_time(&self) -> bool {
        false
    }

    fn take(&mut self, offer: &Offer<'_>, _time: impl FnOnce() -> i64) -> Flow {
        if self.page == Some(self.rows) {
            self.more = true;
            return Flow::Break(Stop::End);
        }
        let Tally { all, keys, columns, values, times } = self.tally;
        let mut bytes = 4 * all + keys * offer.key.len() + times * size_of::<i64>();
        bytes += columns * offer.column.len();
        if values > 0 {
            bytes += values * offer.value.len();
        }
        self.bytes += bytes as u64;
        self.rows += 1;
        if self.limit == Some(self.rows) {
            return Flow::Break(Stop::End);
        }
        if self.page == Some(self.rows) {
            let key = ColumnName(b"", offer.key).to_bytes().into();
            self.last = Some(Place { key, column: offer.column.to_bytes().into() });
        }
        Flow::Continue(())
    }
}

/// Writes rows in the form of CQL's results.
pub struct Writer<'r> {
    /// Of each row.
    pub fields: &'r [Field],
    /// How many are still to be written.
    pub left: &'r mut u64,
    /// Where they go.
    pub output: &'r mut Vec<u8>,
    /// How long that is when it pauses.
    pub about: usize,
}

/// The length of a field; one that does not fit was found out before, when all was measured.
fn put_length(output: &mut Vec<u8>, length: usize) {
    output.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
}

impl Output for Writer<'_> {
    fn wants_time(&self) -> bool {
        self.fields.contains(&Field::Time)
    }

    fn take(&mut self, offer: &Offer<'_>, time: impl FnOnce() -> i64) -> Flow {
        // A field may be asked for twice, and a time costs a look-up.
        let mut time = Some(time);
        let mut known = 0;
        for field in self.fields {
            match field {
                Field::Key => {
                    put_length(self.output, offer.key.len());
                    offer.key.write(self.output);
                }
                Field::Column => {
                    put_length(self.output, offer.column.len());
                    offer.column.write(self.output);
                }
                Field::Value => {
                    put_length(self.output, offer.value.len());
                    offer.value.write(self.output);
                }
                Field::Time => {
                    known = time.take().map_or(known, |time| time());
                    put_length(self.output, size_of::<i64>());
                    self.output.extend_from_slice(&known.to_be_bytes());
                }
                Field::Nothing => self.output.extend_from_slice(&(-1i32).to_be_bytes()),
            }
        }
        *self.left = self.left.saturating_sub(1);
        match *self.left {
            0 => Flow::Break(Stop::End),
            _ if self.output.len() >= self.about => Flow::Break(Stop::Pause),
            _ => Flow::Continue(()),
        }
    }
}
