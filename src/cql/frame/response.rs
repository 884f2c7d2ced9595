//! What clients are answered.

use super::{Answer, Error, Length, Output, PreparedId, Value, ValueType, Version};
use bytes::Bytes;
use std::net::SocketAddr;

/// Kinds of results.
mod kind {
    pub const VOID: i32 = 1;
    pub const ROWS: i32 = 2;
    pub const SET_KEYSPACE: i32 = 3;
    pub const PREPARED: i32 = 4;
    pub const SCHEMA_CHANGE: i32 = 5;
}

/// A whole answer. Rows that are many are not collected in one: see [`RowsMetadata`].
#[derive(Clone, PartialEq, Debug)]
pub enum Response {
    /// Statements can be sent.
    Ready,
    /// Credentials are wanted, a user and a password.
    Authenticate,
    /// Credentials were good.
    AuthSuccess,
    /// What is supported: one version of CQL, no compression.
    Supported,
    /// What went wrong.
    Error(Error),
    /// Done.
    Void,
    /// The keyspace of the connection is now this.
    SetKeyspace(String),
    /// Done, and it has changed the schema.
    SchemaChange(SchemaChange),
    /// A few rows.
    Rows(Rows),
    /// A prepared statement.
    Prepared(Prepared),
    /// Something has happened; on [`EVENT_STREAM`].
    Event(Event),
}

/// What has changed of a schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchemaChange {
    /// How.
    pub change: Change,
    /// What.
    pub changed: Changed,
}

/// How something has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It was made.
    Created,
    /// It is another now.
    Updated,
    /// It is no more.
    Dropped,
}

/// What has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Changed {
    /// A keyspace.
    Keyspace(String),
    /// A table.
    Table {
        /// Of the table.
        keyspace: String,
        /// Its name.
        table: String,
    },
}

/// What clients are told if they have registered for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A server is there, or no longer.
    StatusChange {
        /// Whether it is there.
        up: bool,
        /// Where it is.
        address: SocketAddr,
    },
}

impl Event {
    /// The name under which clients register for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StatusChange { .. } => "STATUS_CHANGE",
        }
    }
}

/// A column of an answer, or a marker of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// As the client finds it.
    pub name: String,
    /// Of its values.
    pub value_type: ValueType,
}

/// Columns of one table.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TableColumns {
    /// Of the table.
    pub keyspace: String,
    /// Its name.
    pub table: String,
    /// In the order of the values.
    pub columns: Vec<Column>,
}

/// Which columns the rows of an answer have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Columns {
    /// These.
    Said(TableColumns),
    /// So many, which the client knows from preparing the statement. Never an answer to QUERY.
    Known(usize),
}

/// What comes before rows. A large answer is written in pieces: the header with the length of all, this with [`RowsMetadata::begin`],
/// then the rows, each column by [`Output::value`] and its like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowsMetadata {
    /// Of each row.
    pub columns: Columns,
    /// There are more rows: what the client sends to have them.
    pub paging_state: Option<Bytes>,
}

/// Few rows.
#[derive(Clone, PartialEq, Debug)]
pub struct Rows {
    /// What comes before them.
    pub metadata: RowsMetadata,
    /// Each with as many values as there are columns.
    pub rows: Vec<Vec<Value>>,
}

/// A prepared statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// What the client sends to execute it.
    pub id: PreparedId,
    /// Its markers.
    pub markers: TableColumns,
    /// Which markers make the key of a row, in the order of the key's columns; empty if they don't.
    pub key_markers: Vec<u16>,
    /// Columns of its answer; none if it has no rows.
    pub columns: Option<TableColumns>,
}

impl TableColumns {
    /// The flag that says that there is one table for all columns.
    fn flags(&self) -> i32 {
        i32::from(!self.columns.is_empty())
    }

    /// The table, and its columns.
    fn write(&self, output: &mut impl Output) {
        if self.columns.is_empty() {
            return;
        }
        output.string(&self.keyspace);
        output.string(&self.table);
        for column in &self.columns {
            output.string(&column.name);
            column.value_type.write(output);
        }
    }
}

impl RowsMetadata {
    /// Flags of it.
    const MORE_PAGES: i32 = 2;
    const NO_METADATA: i32 = 4;

    fn write(&self, output: &mut impl Output) {
        let (flags, count) = match &self.columns {
            Columns::Said(columns) => (columns.flags(), columns.columns.len()),
            Columns::Known(count) => (Self::NO_METADATA, *count),
        };
        output.int(flags | if self.paging_state.is_some() { Self::MORE_PAGES } else { 0 });
        output.count(count);
        if let Some(state) = &self.paging_state {
            output.value(state);
        }
        if let Columns::Said(columns) = &self.columns {
            columns.write(output);
        }
    }

    /// Writes the begin of the body of a result of so many rows.
    pub fn begin(&self, output: &mut impl Output, rows: u32) {
        output.int(kind::ROWS);
        self.write(output);
        output.put(&rows.to_be_bytes());
    }

    /// Bytes that [`RowsMetadata::begin`] writes.
    pub fn begin_length(&self) -> u64 {
        let mut length = Length::default();
        self.begin(&mut length, 0);
        length.0
    }
}

impl Prepared {
    fn write(&self, output: &mut impl Output, version: Version) {
        output.int(kind::PREPARED);
        self.id.write(output);
        output.int(self.markers.flags());
        output.count(self.markers.columns.len());
        if version >= Version::V4 {
            output.count(self.key_markers.len());
            for marker in &self.key_markers {
                output.short(*marker);
            }
        }
        self.markers.write(output);
        let columns = match &self.columns {
            Some(columns) => Columns::Said(columns.clone()),
            None => Columns::Known(0),
        };
        RowsMetadata { columns, paging_state: None }.write(output);
    }
}

impl SchemaChange {
    fn write(&self, output: &mut impl Output) {
        output.string(match self.change {
            Change::Created => "CREATED",
            Change::Updated => "UPDATED",
            Change::Dropped => "DROPPED",
        });
        match &self.changed {
            Changed::Keyspace(keyspace) => {
                output.string("KEYSPACE");
                output.string(keyspace);
            }
            Changed::Table { keyspace, table } => {
                output.string("TABLE");
                output.string(keyspace);
                output.string(table);
            }
        }
    }
}

impl Event {
    fn write(&self, output: &mut impl Output) {
        output.string(self.kind());
        match self {
            Self::StatusChange { up, address } => {
                output.string(if *up { "UP" } else { "DOWN" });
                output.inet(*address);
            }
        }
    }
}

impl Response {
    fn answer(&self) -> Answer {
        match self {
            Self::Ready => Answer::Ready,
            Self::Authenticate => Answer::Authenticate,
            Self::AuthSuccess => Answer::AuthSuccess,
            Self::Supported => Answer::Supported,
            Self::Error(_) => Answer::Error,
            Self::Event(_) => Answer::Event,
            Self::Void | Self::SetKeyspace(_) | Self::SchemaChange(_) | Self::Rows(_) | Self::Prepared(_) => {
                Answer::Result
            }
        }
    }

    fn write(&self, output: &mut impl Output, version: Version) {
        match self {
            Self::Ready => {}
            Self::Authenticate => output.string("org.apache.cassandra.auth.PasswordAuthenticator"),
            Self::AuthSuccess => output.null(),
            Self::Supported => {
                output.short(2);
                output.string("CQL_VERSION");
                output.short(1);
                output.string("3.4.4");
                output.string("COMPRESSION");
                output.short(0);
            }
            Self::Error(error) => error.write(output),
            Self::Void => output.int(kind::VOID),
            Self::SetKeyspace(keyspace) => {
                output.int(kind::SET_KEYSPACE);
                output.string(keyspace);
            }
            Self::SchemaChange(change) => {
                output.int(kind::SCHEMA_CHANGE);
                change.write(output);
            }
            Self::Rows(rows) => {
                rows.metadata.begin(output, u32::try_from(rows.rows.len()).unwrap_or(u32::MAX));
                for value in rows.rows.iter().flatten() {
                    value.write(output);
                }
            }
            Self::Prepared(prepared) => prepared.write(output, version),
            Self::Event(event) => event.write(output),
        }
    }

    /// Appends the whole frame.
    pub fn write_frame(&self, output: &mut impl Output, version: Version, stream: i16) {
        let mut length = Length::default();
        self.write(&mut length, version);
        self.answer().write_header(output, version, stream, u32::try_from(length.0).unwrap_or(u32::MAX));
        self.write(output, version);
    }
}
