//! Tables of wide rows, as clients of Cassandra know them: a row has a key and any number of columns, each with a value and the time
//! at which it was written (CQL contract 4). Here is what can be asked of such a table; who answers is another matter.

use bytes::Bytes;
use std::{collections::BTreeSet, ops::Bound};

/// Which rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Keys {
    /// All, in an order that the table chooses.
    All,
    /// These, in this order, each once.
    These(Vec<Bytes>),
}

/// Which columns of them. They are answered in the order of their bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Columns {
    /// From here to there.
    Slice(Bound<Bytes>, Bound<Bytes>),
    /// These.
    These(BTreeSet<Bytes>),
}

impl Columns {
    /// All of them.
    pub const ALL: Self = Self::Slice(Bound::Unbounded, Bound::Unbounded);

    /// Whether this one is among them.
    pub fn has(&self, column: &[u8]) -> bool {
        match self {
            Self::Slice(from, to) => {
                (match from {
                    Bound::Unbounded => true,
                    Bound::Included(from) => column >= from.as_ref(),
                    Bound::Excluded(from) => column > from.as_ref(),
                }) && (match to {
                    Bound::Unbounded => true,
                    Bound::Included(to) => column <= to.as_ref(),
                    Bound::Excluded(to) => column < to.as_ref(),
                })
            }
            Self::These(columns) => columns.contains(column),
        }
    }
}

/// A question to a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Which rows.
    pub keys: Keys,
    /// Which of their columns.
    pub columns: Columns,
    /// Only those with this value.
    pub value: Option<String>,
    /// Only those that come after this one, in the order of the answer: where a page has ended.
    pub after: Option<Place>,
    /// How many at most.
    pub limit: Option<u64>,
}

/// A column of a row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Of the row.
    pub key: Bytes,
    /// In it.
    pub column: Bytes,
}

/// A column of a row with what is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    /// Where.
    pub place: Place,
    /// None is a null.
    pub value: Option<String>,
    /// When it was written, in microseconds since 1970.
    pub time: i64,
}

/// What is written into a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// A value, in the place of one that was written earlier.
    Put(Cell),
    /// Takes out the columns of a row that were written by then.
    Delete {
        /// Of the row.
        key: Bytes,
        /// Which of them.
        columns: Columns,
        /// When, in microseconds since 1970.
        time: i64,
    },
}

/// What is asked of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The key of the row: bytes, or text.
    Key,
    /// The name of the column: bytes, or text.
    Column,
    /// The value: text.
    Value,
    /// When it was written: a number of 64 bits.
    Time,
    /// Nothing: what is asked of each column and never there, like the time to live.
    Nothing,
}
