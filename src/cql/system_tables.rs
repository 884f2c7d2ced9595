//! What drivers ask before they ask anything else: who serves, who else does, and which tables there are (CQL contract 3).

use super::{
    frame::{Value, ValueType},
    schema::{COLUMNS, SYSTEM, Schema, hashed, simple_replication, version},
};
use std::net::{IpAddr, SocketAddr};
use uuid::Uuid;

/// With another one drivers ask for other tables, and for virtual ones.
pub const RELEASE: &str = "3.11.11";
/// What people are told, who ask on a connection on which no driver hears of events: `cqlsh` leaves DESCRIBE to the server from this
/// release on, and without that it does nothing.
pub const RELEASE_FOR_PEOPLE: &str = "4.0.0";
/// How keys would be spread over processes.
pub const PARTITIONER: &str = "org.apache.cassandra.dht.Murmur3Partitioner";
/// The version of the language.
pub const CQL_VERSION: &str = "3.4.4";
const DATA_CENTER: &str = "datacenter1";
const RACK: &str = "rack1";

/// The type of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    Text,
    Int,
    Bigint,
    Double,
    Boolean,
    Blob,
    Uuid,
    Inet,
    Timestamp,
    TextSet,
    TextList,
    TextMap,
    BlobsByText,
    BlobsByUuid,
}

impl Of {
    /// As clients are told.
    pub fn value_type(self) -> ValueType {
        let text = || Box::new(ValueType::Varchar);
        match self {
            Self::Text => ValueType::Varchar,
            Self::Int => ValueType::Int,
            Self::Bigint => ValueType::Bigint,
            Self::Double => ValueType::Double,
            Self::Boolean => ValueType::Boolean,
            Self::Blob => ValueType::Blob,
            Self::Uuid => ValueType::Uuid,
            Self::Inet => ValueType::Inet,
            Self::Timestamp => ValueType::Timestamp,
            Self::TextSet => ValueType::Set(text()),
            Self::TextList => ValueType::List(text()),
            Self::TextMap => ValueType::Map(text(), text()),
            Self::BlobsByText => ValueType::Map(text(), Box::new(ValueType::Blob)),
            Self::BlobsByUuid => ValueType::Map(Box::new(ValueType::Uuid), Box::new(ValueType::Blob)),
        }
    }
}

/// The columns of a table with their types; those of the key first, the others in the order of their names.
type Head = &'static [(&'static str, Of)];

/// A table with all that is in it.
pub struct SystemTable {
    /// Its columns.
    pub head: Head,
    /// A value for each of them.
    pub rows: Vec<Vec<Value>>,
}

/// A process as it is told of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Process {
    /// By which address it is reached.
    pub address: IpAddr,
    /// At which port; the same for all, or drivers don't find the others.
    pub port: u16,
}

impl Process {
    /// Address and port.
    pub fn place(self) -> SocketAddr {
        (self.address, self.port).into()
    }

    /// A uuid that it keeps from one start to the next.
    fn host_id(self) -> Uuid {
        hashed(["process", &self.address.to_string(), &self.port.to_string()])
    }

    /// Where it is in the ring, of which nobody goes by.
    fn token(self) -> String {
        let (_, half) = self.host_id().as_u64_pair();
        half.cast_signed().to_string()
    }
}

/// What there is to tell.
pub struct Told<'a> {
    /// This process, as others tell of it.
    pub this: Process,
    /// Where the client has reached it.
    pub reached_at: SocketAddr,
    /// Which release of Cassandra it is like.
    pub release: &'static str,
    /// The others that answer.
    pub others: &'a [Process],
    /// What is in which keyspace.
    pub schema: &'a Schema,
    /// What the cluster is called.
    pub cluster: &'a str,
}

/// A table by keyspace and name, with all its rows; none where there is no such table.
pub fn system_table(keyspace: &str, table: &str, told: &Told<'_>) -> Option<SystemTable> {
    let no_rows = Vec::new;
    let (head, rows): (Head, Vec<Vec<Value>>) = match (keyspace, table) {
        ("system", "local") => (LOCAL, vec![local(told)]),
        ("system", "peers") => (PEERS, told.others.iter().map(|other| peer(*other, told)).collect()),
        ("system_schema", "keyspaces") => (KEYSPACES, keyspaces(told.schema)),
        ("system_schema", "tables") => (TABLES, tables(told.schema)),
        ("system_schema", "columns") => (COLUMNS_HEAD, columns(told.schema)),
        ("system_schema", "dropped_columns") => (DROPPED_COLUMNS, no_rows()),
        ("system_schema", "types") => (TYPES, no_rows()),
        ("system_schema", "functions") => (FUNCTIONS, no_rows()),
        ("system_schema", "aggregates") => (AGGREGATES, no_rows()),
        ("system_schema", "triggers") => (TRIGGERS, no_rows()),
        ("system_schema", "indexes") => (INDEXES, no_rows()),
        ("system_schema", "views") => (VIEWS, no_rows()),
        ("system", "size_estimates") => (SIZE_ESTIMATES, no_rows()),
        _ => return None,
    };
    Some(SystemTable { head, rows })
}

const LOCAL: Head = &[
    ("key", Of::Text),
    ("bootstrapped", Of::Text),
    ("broadcast_address", Of::Inet),
    ("cluster_name", Of::Text),
    ("cql_version", Of::Text),
    ("data_center", Of::Text),
    ("gossip_generation", Of::Int),
    ("host_id", Of::Uuid),
    ("listen_address", Of::Inet),
    ("native_protocol_version", Of::Text),
    ("partitioner", Of::Text),
    ("rack", Of::Text),
    ("release_version", Of::Text),
    ("rpc_address", Of::Inet),
    ("schema_version", Of::Uuid),
    ("thrift_version", Of::Text),
    ("tokens", Of::TextSet),
    ("truncated_at", Of::BlobsByUuid),
];

/// The addresses are those that the client has used: what it asked is what it goes on to ask (3.2).
fn local(told: &Told<'_>) -> Vec<Value> {
    let reached_at = Value::Inet(told.reached_at.ip().to_canonical());
    vec![
        text("local"),
        text("COMPLETED"),
        reached_at.clone(),
        text(told.cluster),
        text(CQL_VERSION),
        text(DATA_CENTER),
        Value::Int(1),
        Value::Uuid(told.this.host_id()),
        reached_at.clone(),
        text("4"),
        text(PARTITIONER),
        text(RACK),
        text(told.release),
        reached_at,
        Value::Uuid(version(told.schema)),
        text("20.1.0"),
        Value::List(vec![text(&told.this.token())]),
        Value::Null,
    ]
}

const PEERS: Head = &[
    ("peer", Of::Inet),
    ("data_center", Of::Text),
    ("host_id", Of::Uuid),
    ("preferred_ip", Of::Inet),
    ("rack", Of::Text),
    ("release_version", Of::Text),
    ("rpc_address", Of::Inet),
    ("schema_version", Of::Uuid),
    ("tokens", Of::TextSet),
];

/// All processes read their tables from the same database, so they have the same version.
fn peer(other: Process, told: &Told<'_>) -> Vec<Value> {
    vec![
        Value::Inet(other.address),
        text(DATA_CENTER),
        Value::Uuid(other.host_id()),
        Value::Null,
        text(RACK),
        text(RELEASE),
        Value::Inet(other.address),
        Value::Uuid(version(told.schema)),
        Value::List(vec![text(&other.token())]),
    ]
}

const KEYSPACES: Head = &[("keyspace_name", Of::Text), ("durable_writes", Of::Boolean), ("replication", Of::TextMap)];

fn keyspaces(schema: &Schema) -> Vec<Vec<Value>> {
    let row = |name: &str, replication: Vec<(String, String)>| {
        let pairs = replication.into_iter().map(|(name, value)| (Value::Text(name), Value::Text(value)));
        vec![text(name), Value::Boolean(true), Value::Map(pairs.collect())]
    };
    let local = ("class".to_owned(), "org.apache.cassandra.locator.LocalStrategy".to_owned());
    let system = SYSTEM.into_iter().map(|name| row(name, vec![local.clone()]));
    let others = schema.iter().map(|(name, keyspace)| {
        let simple = if keyspace.replication.is_empty() { simple_replication() } else { keyspace.replication.clone() };
        row(name, simple.into_iter().collect())
    });
    others.chain(system).collect()
}

const TABLES: Head = &[
    ("keyspace_name", Of::Text),
    ("table_name", Of::Text),
    ("bloom_filter_fp_chance", Of::Double),
    ("caching", Of::TextMap),
    ("cdc", Of::Boolean),
    ("comment", Of::Text),
    ("compaction", Of::TextMap),
    ("compression", Of::TextMap),
    ("crc_check_chance", Of::Double),
    ("dclocal_read_repair_chance", Of::Double),
    ("default_time_to_live", Of::Int),
    ("extensions", Of::BlobsByText),
    ("flags", Of::TextSet),
    ("gc_grace_seconds", Of::Int),
    ("id", Of::Uuid),
    ("max_index_interval", Of::Int),
    ("memtable_flush_period_in_ms", Of::Int),
    ("min_index_interval", Of::Int),
    ("read_repair_chance", Of::Double),
    ("speculative_retry", Of::Text),
];

fn tables(schema: &Schema) -> Vec<Vec<Value>> {
    let map =
        |pairs: &[(&str, &str)]| Value::Map(pairs.iter().map(|(name, value)| (text(name), text(value))).collect());
    let row = |keyspace: &str, table: &str, flag: &str| {
        vec![
            text(keyspace),
            text(table),
            Value::Double(0.01),
            map(&[("keys", "ALL"), ("rows_per_partition", "NONE")]),
            Value::Null,
            text(""),
            map(&[("class", "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy")]),
            map(&[]),
            Value::Double(1.0),
            Value::Double(0.1),
            Value::Int(0),
            Value::Null,
            Value::List(vec![text(flag)]),
            Value::Int(864_000),
            Value::Uuid(hashed(["table", keyspace, table])),
            Value::Int(2048),
            Value::Int(0),
            Value::Int(128),
            Value::Double(0.0),
            text("99PERCENTILE"),
        ]
    };
    let own = OWN.into_iter().map(|(table, _)| row("system", table, "compound"));
    every_table(schema).map(|(keyspace, table)| row(keyspace, table, "dense")).chain(own).collect()
}

/// The tables of this server itself that people look at: `cqlsh` shows none that it has not heard of before.
const OWN: [(&str, Head); 2] = [("local", LOCAL), ("peers", PEERS)];

fn every_table(schema: &Schema) -> impl Iterator<Item = (&str, &str)> {
    schema.iter().flat_map(|(name, keyspace)| keyspace.tables.iter().map(|table| (name.as_str(), table.as_str())))
}

const COLUMNS_HEAD: Head = &[
    ("keyspace_name", Of::Text),
    ("table_name", Of::Text),
    ("column_name", Of::Text),
    ("clustering_order", Of::Text),
    ("column_name_bytes", Of::Blob),
    ("kind", Of::Text),
    ("position", Of::Int),
    ("type", Of::Text),
];

fn columns(schema: &Schema) -> Vec<Vec<Value>> {
    let of_table = |(keyspace, table)| {
        COLUMNS.into_iter().map(move |(name, kind, order, position, of_type)| {
            vec![
                text(keyspace),
                text(table),
                text(name),
                text(order),
                Value::Blob(name.as_bytes().to_vec().into()),
                text(kind),
                Value::Int(position),
                text(of_type),
            ]
        })
    };
    let of_own = OWN.into_iter().flat_map(|(table, head)| {
        head.iter().enumerate().map(move |(index, (name, of))| {
            let (kind, position) = if index == 0 { ("partition_key", 0) } else { ("regular", -1) };
            vec![
                text("system"),
                text(table),
                text(name),
                text("none"),
                Value::Blob(name.as_bytes().to_vec().into()),
                text(kind),
                Value::Int(position),
                Value::Text(of.value_type().name()),
            ]
        })
    });
    every_table(schema).flat_map(of_table).chain(of_own).collect()
}

const DROPPED_COLUMNS: Head = &[
    ("keyspace_name", Of::Text),
    ("table_name", Of::Text),
    ("column_name", Of::Text),
    ("dropped_time", Of::Timestamp),
    ("type", Of::Text),
];

const TYPES: Head = &[
    ("keyspace_name", Of::Text),
    ("type_name", Of::Text),
    ("field_names", Of::TextList),
    ("field_types", Of::TextList),
];

const FUNCTIONS: Head = &[
    ("keyspace_name", Of::Text),
    ("function_name", Of::Text),
    ("argument_types", Of::TextList),
    ("argument_names", Of::TextList),
    ("body", Of::Text),
    ("called_on_null_input", Of::Boolean),
    ("language", Of::Text),
    ("return_type", Of::Text),
];

const AGGREGATES: Head = &[
    ("keyspace_name", Of::Text),
    ("aggregate_name", Of::Text),
    ("argument_types", Of::TextList),
    ("final_func", Of::Text),
    ("initcond", Of::Text),
    ("return_type", Of::Text),
    ("state_func", Of::Text),
    ("state_type", Of::Text),
];

const TRIGGERS: Head =
    &[("keyspace_name", Of::Text), ("table_name", Of::Text), ("trigger_name", Of::Text), ("options", Of::TextMap)];

const INDEXES: Head = &[
    ("keyspace_name", Of::Text),
    ("table_name", Of::Text),
    ("index_name", Of::Text),
    ("kind", Of::Text),
    ("options", Of::TextMap),
];

const VIEWS: Head = &[
    ("keyspace_name", Of::Text),
    ("view_name", Of::Text),
    ("base_table_id", Of::Uuid),
    ("base_table_name", Of::Text),
    ("id", Of::Uuid),
    ("include_all_columns", Of::Boolean),
    ("where_clause", Of::Text),
];

const SIZE_ESTIMATES: Head = &[
    ("keyspace_name", Of::Text),
    ("table_name", Of::Text),
    ("range_start", Of::Text),
    ("range_end", Of::Text),
    ("mean_partition_size", Of::Bigint),
    ("partitions_count", Of::Bigint),
];

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
