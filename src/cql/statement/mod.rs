//! Statements of CQL, as far as they are served: a text becomes a [`Statement`].

mod lexer;
mod parser;
mod term;
#[cfg(test)]
mod tests;

pub use term::{Invalid, Term};

use super::frame::{BatchKind, Values};

/// A text that is not a statement: an error of kind [`super::frame::ErrorKind::Syntax`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}:{column} {problem}")]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// Characters before it in its line.
    pub column: usize,
    /// What is there, and what was expected.
    pub problem: String,
}

/// A statement with the markers in it.
#[derive(Clone, PartialEq, Debug)]
pub struct Parsed {
    /// What it asks for.
    pub statement: Statement,
    /// In the order of the text; a name that stands twice is there twice. At most 65,535.
    pub markers: Vec<Marker>,
}

/// A place for a value that comes with the request: `?` or `:name`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marker {
    /// Its own, or as Cassandra names it after its place: `column1`, `in(key)`, `[limit]`.
    pub name: String,
    /// Where it is.
    pub place: MarkerPlace,
}

/// What is wanted of the value of a marker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MarkerPlace {
    /// A value of this column.
    Column(String),
    /// A list of values of this column.
    In(String),
    /// A part of a value of this column: of a list, a set, a map, or a tuple.
    Part(String),
    /// A text, of which a function makes bytes.
    Text,
    /// Bytes, of which a function makes text.
    Blob,
    /// A token of a key: a bigint.
    Token,
    /// A number of rows, or of seconds (time to live): an int.
    Int,
    /// A time of writing: a bigint.
    Timestamp,
}

/// A statement.
#[derive(Clone, PartialEq, Debug)]
pub enum Statement {
    /// `USE keyspace`.
    Use(String),
    /// `SELECT`.
    Select(Select),
    /// `INSERT`.
    Insert(Insert),
    /// `UPDATE`.
    Update(Update),
    /// `DELETE`.
    Delete(Delete),
    /// `TRUNCATE table`.
    Truncate(TableName),
    /// `BEGIN BATCH`, with INSERT, UPDATE, and DELETE.
    Batch(BatchText),
    /// `CREATE KEYSPACE`.
    CreateKeyspace {
        /// What it shall be called.
        name: String,
        /// Nothing is wrong if it is there.
        if_not_exists: bool,
        /// Of it: `replication`, `durable_writes`.
        options: Vec<(String, Term)>,
    },
    /// `ALTER KEYSPACE`.
    AlterKeyspace {
        /// Of the keyspace.
        name: String,
        /// Of it.
        options: Vec<(String, Term)>,
    },
    /// `DROP KEYSPACE`.
    DropKeyspace {
        /// Of the keyspace.
        name: String,
        /// Nothing is wrong if it isn't there.
        if_exists: bool,
    },
    /// `CREATE TABLE`.
    CreateTable(CreateTable),
    /// `ALTER TABLE ... WITH`.
    AlterTable {
        /// Of the table.
        table: TableName,
        /// Of it.
        options: TableOptions,
    },
    /// `DROP TABLE`.
    DropTable {
        /// Of the table.
        table: TableName,
        /// Nothing is wrong if it isn't there.
        if_exists: bool,
    },
    /// `DESCRIBE`.
    Describe(Described),
    /// A statement of CQL that is not served, as far as it was read: `CREATE INDEX`, `GRANT` ...
    Unsupported(String),
}

/// What is to be described.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Described {
    /// What the cluster is.
    Cluster,
    /// Which keyspaces there are.
    Keyspaces,
    /// Which tables there are, in the keyspace of the connection, if it has one.
    Tables,
    /// All keyspaces, so that they could be made.
    Schema,
    /// A keyspace, or that of the connection, so that it could be made.
    Keyspace(Option<String>),
    /// A table, so that it could be made.
    Table(TableName),
    /// A keyspace or a table of this name.
    Named(TableName),
    /// Things of which there are none: types, functions, aggregates.
    Nothing,
}

/// A table, maybe of the keyspace of the connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableName {
    /// None: that of the connection.
    pub keyspace: Option<String>,
    /// The table.
    pub name: String,
}

/// `SELECT`.
#[derive(Clone, PartialEq, Debug)]
pub struct Select {
    /// Each key once.
    pub distinct: bool,
    /// What is asked of each row; None is `*`.
    pub selected: Option<Vec<Selected>>,
    /// Of which table.
    pub from: TableName,
    /// All of them are to be met.
    pub conditions: Vec<Condition>,
    /// Columns by which the rows are sorted.
    pub order: Vec<(String, Direction)>,
    /// Rows of each key, at most.
    pub per_partition_limit: Option<Term>,
    /// Rows, at most.
    pub limit: Option<Term>,
    /// All rows may be looked through.
    pub allow_filtering: bool,
}

/// What is asked of each row, and under which name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selected {
    /// What is asked.
    pub selector: Selector,
    /// `AS alias`.
    pub alias: Option<String>,
}

/// What is asked of each row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selector {
    /// A column as it is.
    Column(String),
    /// The text of a column of bytes.
    BlobAsText(String),
    /// The bytes of a column of text.
    TextAsBlob(String),
    /// When a column was written.
    WriteTime(String),
    /// How many seconds a column has to live.
    Ttl(String),
    /// How many rows there are: `COUNT(*)`, `COUNT(1)`.
    Count,
    /// The token of the key.
    Token(Vec<String>),
    /// Any other function.
    Function {
        /// Its name.
        name: String,
        /// Of columns.
        columns: Vec<String>,
    },
}

/// What a row has to meet.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    /// What is looked at.
    pub subject: Subject,
    /// How it has to be.
    pub relation: Relation,
}

/// What is looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A column. `(column1) > (0x64)` is the same as `column1 > 0x64`, and becomes it.
    Column(String),
    /// Several columns, against tuples.
    Columns(Vec<String>),
    /// The token of the key.
    Token(Vec<String>),
}

/// How something has to be.
#[derive(Clone, PartialEq, Debug)]
pub enum Relation {
    /// Against one value.
    Compare(Comparison, Term),
    /// One of these.
    In(Vec<Term>),
    /// One of those of a list: `IN ?`.
    InList(Term),
}

/// Against a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Of a sorting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// `ASC`
    Ascending,
    /// `DESC`
    Descending,
}

/// `USING` of a write.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Using {
    /// When, in microseconds since 1970.
    pub timestamp: Option<Term>,
    /// For how many seconds.
    pub ttl: Option<Term>,
}

/// `INSERT`.
#[derive(Clone, PartialEq, Debug)]
pub struct Insert {
    /// Into which.
    pub table: TableName,
    /// With their values.
    pub columns: Vec<(String, Term)>,
    /// Only if there is no such row.
    pub if_not_exists: bool,
    /// When, and for how long.
    pub using: Using,
}

/// `UPDATE`.
#[derive(Clone, PartialEq, Debug)]
pub struct Update {
    /// Of which.
    pub table: TableName,
    /// When, and for how long.
    pub using: Using,
    /// With their new values.
    pub columns: Vec<(String, Term)>,
    /// Which rows.
    pub conditions: Vec<Condition>,
}

/// `DELETE`.
#[derive(Clone, PartialEq, Debug)]
pub struct Delete {
    /// Empty: the whole row.
    pub columns: Vec<String>,
    /// From which.
    pub table: TableName,
    /// When.
    pub using: Using,
    /// Which rows.
    pub conditions: Vec<Condition>,
}

/// `BEGIN BATCH`.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchText {
    /// `UNLOGGED`, or `COUNTER`.
    pub kind: BatchKind,
    /// When, for all that don't say it themselves.
    pub using: Using,
    /// [`Statement::Insert`], [`Statement::Update`], and [`Statement::Delete`].
    pub statements: Vec<Statement>,
}

/// `CREATE TABLE`.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateTable {
    /// What it shall be called.
    pub table: TableName,
    /// Nothing is wrong if it is there.
    pub if_not_exists: bool,
    /// Of it, in their order.
    pub columns: Vec<ColumnDefinition>,
    /// Columns that make the key of a partition.
    pub partition_key: Vec<String>,
    /// Columns that sort a partition.
    pub clustering: Vec<String>,
    /// Of it.
    pub options: TableOptions,
}

/// A column of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// As Cassandra writes it: `text`, `map<text, blob>`.
    pub value_type: String,
    /// Once for each partition.
    pub is_static: bool,
}

/// `WITH` of a table.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct TableOptions {
    /// `COMPACT STORAGE`.
    pub compact_storage: bool,
    /// `CLUSTERING ORDER BY`.
    pub clustering_order: Vec<(String, Direction)>,
    /// All others, by their names: `gc_grace_seconds`.
    pub others: Vec<(String, Term)>,
}

impl Selected {
    /// The name of its column in the answer, as Cassandra makes it.
    pub fn name(&self) -> String {
        match (&self.alias, &self.selector) {
            (Some(alias), _) => alias.clone(),
            (None, Selector::Column(column)) => column.clone(),
            (None, Selector::BlobAsText(column)) => format!("system.blobastext({column})"),
            (None, Selector::TextAsBlob(column)) => format!("system.textasblob({column})"),
            (None, Selector::WriteTime(column)) => format!("writetime({column})"),
            (None, Selector::Ttl(column)) => format!("ttl({column})"),
            (None, Selector::Count) => "count".to_owned(),
            (None, Selector::Token(columns)) => format!("system.token({})", columns.join(", ")),
            (None, Selector::Function { name, columns }) => format!("system.{name}({})", columns.join(", ")),
        }
    }
}

impl Parsed {
    /// Whether there are as many values as markers. Values by name are looked for when they are needed.
    pub fn check(&self, values: &Values) -> Result<(), Invalid> {
        let expected = self.markers.len();
        match values {
            Values::Positional(values) if values.len() != expected => {
                Err(Invalid(format!("There are {} values, expected {expected}: one for each marker", values.len())))
            }
            Values::Positional(_) | Values::Named(_) => Ok(()),
        }
    }
}

impl Statement {
    /// The table that it reads or writes, if it does so with one.
    pub fn table(&self) -> Option<&TableName> {
        match self {
            Self::Select(Select { from: table, .. })
            | Self::Insert(Insert { table, .. })
            | Self::Update(Update { table, .. })
            | Self::Delete(Delete { table, .. }) => Some(table),
            _ => None,
        }
    }

    /// The same, to complete its name.
    pub fn table_mut(&mut self) -> Option<&mut TableName> {
        match self {
            Self::Select(Select { from: table, .. })
            | Self::Insert(Insert { table, .. })
            | Self::Update(Update { table, .. })
            | Self::Delete(Delete { table, .. }) => Some(table),
            _ => None,
        }
    }

    /// Reads a text. It takes time and memory in proportion to its length.
    pub fn parse(text: &str) -> Result<Parsed, SyntaxError> {
        parser::parse(text)
    }
}
