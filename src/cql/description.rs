//! `DESCRIBE`: which keyspaces and tables there are, and how they would be made. Since release 4.0 of Cassandra the server is asked
//! for it, and no longer the client.

use super::{
    execution::{no_keyspace, unconfigured},
    frame::{Column, Columns, Error, ErrorKind, Rows, RowsMetadata, TableColumns, Value, ValueType},
    schema::{SYSTEM, Schema, simple_replication},
    server::CqlServer,
    session::Session,
    statement::{Described, TableName},
    system_tables::PARTITIONER,
};
use std::collections::BTreeMap;

/// A thing with its keyspace, kind, name and the statement that would make it.
type Line = [String; 4];

const NAMES: [&str; 4] = ["keyspace_name", "type", "name", "create_statement"];

impl CqlServer {
    /// Describes something.
    ///
    /// # Errors
    /// There is no such thing.
    pub(super) async fn describe(&self, session: &Session, described: &Described) -> Result<Rows, Error> {
        let schema = self.schema().await;
        let current = session.keyspace();
        let current = current.as_deref();
        let listed = |lines: Vec<Line>| Ok(rows(&NAMES[..3], &lines));
        let made = |lines: Vec<Line>| Ok(rows(&NAMES, &lines));
        match described {
            Described::Cluster => {
                let line =
                    [self.cluster().to_owned(), PARTITIONER.to_owned(), "SimpleSnitch".to_owned(), String::new()];
                Ok(rows(&["cluster", "partitioner", "snitch"], &[line]))
            }
            Described::Nothing => listed(Vec::new()),
            Described::Keyspaces => {
                let names = schema.keys().map(String::as_str).chain(SYSTEM);
                listed(names.map(|name| [name, "keyspace", name, ""].map(str::to_owned)).collect())
            }
            Described::Tables => {
                let of = schema.iter().filter(|(name, _)| current.is_none_or(|current| current == name.as_str()));
                let lines = of.flat_map(|(name, keyspace)| {
                    keyspace.tables.iter().map(|table| [name, "table", table, ""].map(str::to_owned))
                });
                listed(lines.collect())
            }
            Described::Schema => {
                made(schema.keys().flat_map(|name| keyspace(&schema, name).unwrap_or_default()).collect())
            }
            Described::Keyspace(name) => {
                let name = name.as_deref().or(current).ok_or_else(|| ErrorKind::Invalid.with("Not in any keyspace"))?;
                made(keyspace(&schema, name).ok_or_else(|| no_keyspace(name))?)
            }
            Described::Table(name) => made(vec![table(&schema, session, name)?]),
            Described::Named(name) => match keyspace(&schema, &name.name).filter(|_| name.keyspace.is_none()) {
                Some(lines) => made(lines),
                None => made(vec![table(&schema, session, name)?]),
            },
        }
    }
}

/// A keyspace with its tables.
fn keyspace(schema: &Schema, name: &str) -> Option<Vec<Line>> {
    let known = schema.get(name)?;
    let replication = if known.replication.is_empty() { simple_replication() } else { known.replication.clone() };
    let statement =
        format!("CREATE KEYSPACE {} WITH replication = {} AND durable_writes = true;", quoted(name), map(&replication));
    let first = [name.to_owned(), "keyspace".to_owned(), name.to_owned(), statement];
    let tables =
        known.tables.iter().map(|table| [name.to_owned(), "table".to_owned(), table.clone(), create(name, table)]);
    Some([first].into_iter().chain(tables).collect())
}

fn table(schema: &Schema, session: &Session, table: &TableName) -> Result<Line, Error> {
    let (keyspace, name) = CqlServer::names(session, table)?;
    let known = schema.get(&keyspace).ok_or_else(|| no_keyspace(&keyspace))?;
    if !known.tables.contains(&name) {
        return Err(unconfigured(&name));
    }
    let statement = create(&keyspace, &name);
    Ok([keyspace, "table".to_owned(), name, statement])
}

/// As all tables would be made.
fn create(keyspace: &str, table: &str) -> String {
    format!(
        "CREATE TABLE {}.{} (\n    key blob,\n    column1 blob,\n    value text,\n    PRIMARY KEY (key, column1)\n) \
         WITH COMPACT STORAGE\n    AND CLUSTERING ORDER BY (column1 ASC);",
        quoted(keyspace),
        quoted(table)
    )
}

fn map(pairs: &BTreeMap<String, String>) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A name as it stands in a statement.
fn quoted(name: &str) -> String {
    let is_plain = |(index, letter): (usize, char)| {
        letter == '_' || letter.is_ascii_lowercase() || (index > 0 && letter.is_ascii_digit())
    };
    if name.chars().enumerate().all(is_plain) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn rows(names: &[&str], lines: &[Line]) -> Rows {
    let columns = names.iter().map(|name| Column { name: (*name).to_owned(), value_type: ValueType::Varchar });
    let head = TableColumns { keyspace: "system".to_owned(), table: "describe".to_owned(), columns: columns.collect() };
    let row = |line: &Line| line.iter().take(names.len()).map(Value::text).collect();
    Rows {
        metadata: RowsMetadata { columns: Columns::Said(head), paging_state: None },
        rows: lines.iter().map(row).collect(),
    }
}
