//! The keyspaces that daemons keep for themselves: tables of wide rows, last write wins by its time (CQL contract 4.5).
//!
//! A delete takes out what was written by its time and leaves nothing behind, so a write that comes later with an earlier time
//! is not held off by it: each of these keyspaces has one writer at a time.

mod reading;
mod schema;
mod writing;

use super::{Sessions, StoreError};
use crate::wide_row::Cell;
pub use schema::{Keyspace, REPLICATION, create_within};
pub use writing::{TableWrites, Times, write_within};

/// What can't be done with a table of wide rows.
#[derive(Debug, thiserror::Error)]
pub enum WideRowError {
    /// There is no such table.
    #[error("there is no table {table} in keyspace {keyspace}")]
    NoTable {
        /// In which it is not.
        keyspace: String,
        /// Its name.
        table: String,
    },
    /// The database is away, or it is not known whether something was written, which may be written again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a change of the schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is done.
    Done,
    /// What was to be made is there already, and stays as it is.
    AlreadyThere,
    /// What was to be changed, or its keyspace, is not there.
    Missing,
    /// The name is none: 1 to 48 letters of ASCII, digits and underscores.
    NoName,
}

/// A part of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// In the order of the answer.
    pub cells: Vec<Cell>,
    /// Whether something comes after them that was asked for. There may be fewer cells than were asked for, and more to come:
    /// those of a page have a few megabytes at most, or it is one.
    pub more: bool,
}

/// All that is stored in this manner.
pub struct WideRows {
    sessions: Sessions,
}

impl WideRows {
    /// In these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

/// Whether a keyspace or a table can be called so: 1 to 48 letters of ASCII, digits and underscores.
pub fn is_name(name: &str) -> bool {
    (1..=48).contains(&name.len()) && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

/// There is no such table.
fn no_table(keyspace: &str, table: &str) -> WideRowError {
    WideRowError::NoTable { keyspace: keyspace.to_owned(), table: table.to_owned() }
}
