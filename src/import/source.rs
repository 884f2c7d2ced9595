//! Where a configuration comes from: a dump of Cassandra, or a running contrail-api. Whatever it is, it tells the same things.

use super::{ImportError, findings::Report};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// Something that a configuration is read from.
pub trait Source {
    /// What it is, for people: the file, or the address.
    fn name(&self) -> String;

    /// Tells all that there is, in any order. What can't be told is a finding, or an error where nothing can be made of the whole.
    ///
    /// # Errors
    /// When it can't be read, breaks off, or is none; or what its taker says.
    fn read(&mut self, taker: &mut dyn Taker, report: &mut Report) -> Result<(), ImportError>;

    /// Tells once more what is stored as it is: key-values, and what daemons have in keyspaces of their own. There is more of that than
    /// should be in memory, so it goes from here into the database.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn read_texts(&mut self, taker: &mut dyn Taker) -> Result<(), ImportError>;
}

/// Who takes what a source tells.
pub trait Taker {
    /// An object.
    ///
    /// # Errors
    /// When it can't go on.
    fn object(&mut self, document: Document, report: &mut Report) -> Result<(), ImportError>;

    /// Something that is said beside the objects and follows from them, or should.
    ///
    /// # Errors
    /// When it can't go on.
    fn fact(&mut self, fact: Fact) -> Result<(), ImportError>;

    /// A text of `/useragent-kv`.
    ///
    /// # Errors
    /// When it can't be stored.
    fn key_value(&mut self, key: &str, value: &str) -> Result<(), ImportError>;

    /// A table of a daemon; cells of it follow.
    ///
    /// # Errors
    /// When it can't be made.
    fn table(&mut self, keyspace: &str, table: &str) -> Result<(), ImportError>;

    /// A cell of that table.
    ///
    /// # Errors
    /// When it can't be stored.
    fn cell(&mut self, cell: Cell<'_>) -> Result<(), ImportError>;
}

/// An object as a source has it. Nothing of it is checked but its uuid.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The name of its type, with dashes or underscores.
    pub kind: String,
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name, root first.
    pub fq_name: Vec<String>,
    /// The type of its parent, with dashes or underscores, if that is said.
    pub parent_type: Option<String>,
    /// Its parent; none at the top, and where the source does not say it.
    pub parent: Option<Uuid>,
    /// Properties by name, and references (`network_ipam_refs`) as lists of `{"uuid", "attr"}`, as in the body of a REST answer.
    /// `to` and `href` of references count for nothing, and neither do back references and children, which need not be in here.
    pub body: Map<String, Value>,
    /// Positions of the elements of list properties, by property, in the order of the elements, where they are not 0, 1, 2 ...
    pub positions: BTreeMap<String, Vec<String>>,
    /// When columns were written, in microseconds since 1970: `type` (when the object was made), `fq_name`, `parent`, `prop:NAME`,
    /// `propl:NAME:POSITION`, `propm:NAME:KEY`, `ref:UUID`. What is not in here was written when the object was made, and if that is not
    /// in here, as its `id_perms` say.
    pub written: Vec<(String, i64)>,
}

/// As findings name it.
impl fmt::Display for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, uuid, fq_name, .. } = self;
        match kind.as_str() {
            "" => write!(formatter, "row {uuid}"),
            kind => write!(formatter, "{} {uuid} ({})", kind.replace('_', "-"), fq_name.join(":")),
        }
    }
}

/// What a source says twice: as a part of an object, and beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The table of names has this name, joined by colons, for an object.
    Name {
        /// The name of its type.
        kind: String,
        /// Its name.
        joined: String,
        /// Its uuid, if it is one.
        uuid: Option<Uuid>,
        /// What stands there, for people.
        text: String,
    },
    /// The row of an object says that another one refers to it.
    BackReference {
        /// Whose row it is.
        target: Uuid,
        /// Who is said to refer to it.
        source: Uuid,
    },
    /// The row of an object says that another one is its child.
    Child {
        /// Whose row it is.
        parent: Uuid,
        /// The child.
        child: Uuid,
    },
    /// The row of an object says that references of another one do not stop its delete.
    Relaxed {
        /// Whose row it is.
        target: Uuid,
        /// Whose references these are.
        by: Uuid,
    },
    /// The table of shares has a row for an object.
    Share {
        /// With whom, as that table writes it: `tenant:UUID`, `domain:UUID`, `global:`.
        with: String,
        /// Which object.
        uuid: Uuid,
        /// What they may do.
        access: String,
    },
    /// A leaf of `ZooKeeper`.
    Node {
        /// Its path.
        path: String,
        /// Its value.
        value: Option<String>,
    },
}

/// What a daemon has stored.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'c> {
    /// The key of the row.
    pub key: &'c str,
    /// The column.
    pub column: &'c str,
    /// The text.
    pub value: &'c str,
    /// When it was written, in microseconds since 1970, if that is known.
    pub time: Option<i64>,
}
