//! Which keyspaces and tables there are. All tables have one shape (CQL contract 4).

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use uuid::{Builder, Uuid};

/// The keyspace of the configuration.
pub const CONFIG: &str = "config_db_uuid";
/// The keyspace of texts by key.
pub const USERAGENT: &str = "useragent";
/// Its only table.
pub const USERAGENT_TABLE: &str = "useragent_keyval_table";
/// What each table consists of: name, kind in `system_schema`, order, place and type.
pub const COLUMNS: [(&str, &str, &str, i32, &str); 3] = [
    ("column1", "clustering", "asc", 0, "blob"),
    ("key", "partition_key", "none", 0, "blob"),
    ("value", "regular", "none", -1, "text"),
];
/// The keyspaces that a server of this kind has for itself, whose tables nobody looks for.
pub const SYSTEM: [&str; 2] = ["system", "system_schema"];

/// Whether the name of a keyspace is one of those that a server of this kind keeps for itself.
pub fn is_system(keyspace: &str) -> bool {
    keyspace.starts_with("system")
}

/// A keyspace.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Keyspace {
    /// Class, number of copies and the like, as it was given.
    pub replication: BTreeMap<String, String>,
    /// By name.
    pub tables: BTreeSet<String>,
}

/// All keyspaces by name, but those of [`SYSTEM`].
pub type Schema = BTreeMap<String, Keyspace>;

/// What is said of a keyspace where nothing else was.
pub fn simple_replication() -> BTreeMap<String, String> {
    let class = ("class".to_owned(), "org.apache.cassandra.locator.SimpleStrategy".to_owned());
    [class, ("replication_factor".to_owned(), "1".to_owned())].into()
}

/// A uuid that is the same wherever the same is hashed.
pub fn hashed(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.finalize()).for_each(|(byte, hashed)| *byte = hashed);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// The version of a schema: the same on all processes that have the same tables.
pub fn version(schema: &Schema) -> Uuid {
    hashed(schema.iter().flat_map(|(name, keyspace)| {
        let replication = keyspace.replication.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let tables = keyspace.tables.iter().map(String::as_str);
        [name.as_str(), "("].into_iter().chain(replication).chain([")", "("]).chain(tables).chain([")"])
    }))
}
