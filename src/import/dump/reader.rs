//! Dumps of `db_json_exim` (feeds contract 4.3): read as a stream, a column at a time.

use super::unwrapping::{Handle, Unwrapping};
use crate::import::{ImportError, findings::one_line};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt,
    io::BufRead,
};

/// Tables that may stand where keyspaces do, and whose they are: dumps of one form have no keyspaces.
const WITHOUT_KEYSPACE: [(&str, &str); 16] = [
    ("obj_uuid_table", "config_db_uuid"),
    ("obj_fq_name_table", "config_db_uuid"),
    ("obj_shared_table", "config_db_uuid"),
    ("useragent_keyval_table", "useragent"),
    ("route_target_table", "to_bgp_keyspace"),
    ("service_chain_table", "to_bgp_keyspace"),
    ("service_chain_ip_address_table", "to_bgp_keyspace"),
    ("service_chain_uuid_table", "to_bgp_keyspace"),
    ("service_instance_table", "svc_monitor_keyspace"),
    ("pool_table", "svc_monitor_keyspace"),
    ("loadbalancer_table", "svc_monitor_keyspace"),
    ("healthmonitor_table", "svc_monitor_keyspace"),
    ("dm_pr_vn_ip_table", "dm_keyspace"),
    ("dm_pr_asn_table", "dm_keyspace"),
    ("dm_ni_ipv6_ll_table", "dm_keyspace"),
    ("dm_pnf_resource_table", "dm_keyspace"),
];

/// A column of a row.
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its text.
    pub value: String,
    /// When it was written, in microseconds since 1970, if the dump says so.
    pub time: Option<i64>,
}

/// Who takes what is in a dump, in its order.
pub trait Contents {
    /// Whether a keyspace is wanted; nothing is told of what is in others.
    fn is_wanted(&mut self, keyspace: &str) -> bool;
    /// A part of the dump, a keyspace or a table, begins once more.
    fn twice(&mut self, place: &str) -> Result<(), ImportError>;
    /// A table begins.
    fn table(&mut self, keyspace: &str, table: &str) -> Result<(), ImportError>;
    /// A row of it begins, with this key.
    fn row(&mut self, key: &str) -> Result<(), ImportError>;
    /// A column of that row, which is called so.
    fn column(&mut self, key: &str, column: Column) -> Result<(), ImportError>;
    /// That row has no more columns.
    fn end_row(&mut self) -> Result<(), ImportError>;
    /// A leaf of `ZooKeeper`.
    fn node(&mut self, path: &str, value: Option<&str>) -> Result<(), ImportError>;
}

/// Reads a dump to its end.
///
/// # Errors
/// When it is none, with the place; or what its taker says.
pub fn read(file: &str, input: impl BufRead, contents: &mut impl Contents) -> Result<(), ImportError> {
    let (reader, handle) = Unwrapping::new(input);
    let reading = Reading {
        contents: RefCell::new(contents),
        handle,
        place: RefCell::default(),
        failure: RefCell::default(),
        has_cassandra: Cell::new(false),
        parts: RefCell::default(),
    };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let result = Object(Top(&reading)).deserialize(&mut json).and_then(|()| json.end());
    if let Some(failure) = reading.failure.take() {
        return Err(failure);
    }
    result.map_err(|error| {
        let text = error.to_string();
        // The parser counts what it has seen, which is less than what is in the file.
        let text = text.rfind(" at line ").map_or(text.as_str(), |end| text.get(..end).unwrap_or_default());
        let place = reading.place.take();
        let place = if place.is_empty() { place } else { format!(", in {}", one_line(&place)) };
        ImportError::Dump { file: file.to_owned(), text: text.to_owned(), byte: reading.handle.position(), place }
    })
}

/// What all parts of a dump know while it is read.
struct Reading<'r, C> {
    contents: RefCell<&'r mut C>,
    handle: Handle,
    /// What is read, for people.
    place: RefCell<String>,
    /// What the taker says that ends it.
    failure: RefCell<Option<ImportError>>,
    /// Whether it has what a dump has.
    has_cassandra: Cell<bool>,
    /// The parts that were there.
    parts: RefCell<HashSet<String>>,
}

impl<C> Reading<'_, C> {
    fn is_at(&self, place: &[&str]) {
        let mut text = self.place.borrow_mut();
        text.clear();
        for (number, part) in place.iter().enumerate() {
            text.push_str(if number == 0 { "" } else { "/" });
            text.push_str(part);
        }
    }

    /// Takes note of a part, and tells if it was there before.
    fn part<E: Error>(&self, place: &[&str]) -> Result<(), E>
    where
        C: Contents,
    {
        let place = place.join("/");
        if self.parts.borrow().contains(&place) {
            return self.give(|contents| contents.twice(&place));
        }
        self.parts.borrow_mut().insert(place);
        Ok(())
    }

    /// Gives something to the taker.
    fn give<E: Error>(&self, give: impl FnOnce(&mut C) -> Result<(), ImportError>) -> Result<(), E> {
        give(&mut self.contents.borrow_mut()).map_err(|error| {
            self.failure.replace(Some(error));
            E::custom("given up")
        })
    }
}

/// What is done with the members of an object.
trait Members {
    /// What the object is, for errors.
    const EXPECTED: &'static str;
    /// Reads the value of one.
    fn member<'de, A: MapAccess<'de>>(&self, name: String, values: &mut A) -> Result<(), A::Error>;
    /// Tells if one comes twice, where there are few of them.
    fn is_again<E: Error>(&self, _name: &str) -> Result<(), E> {
        Ok(())
    }
    /// What is done at the end.
    fn end<E: Error>(&self) -> Result<(), E> {
        Ok(())
    }
}

/// An object of this kind, or null where there is none.
struct Object<M>(M);

impl<'de, M: Members> DeserializeSeed<'de> for Object<M> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, M: Members> Visitor<'de> for Object<M> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(M::EXPECTED)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.end()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(name) = values.next_key::<String>()? {
            self.0.is_again(&name)?;
            self.0.member(name, &mut values)?;
        }
        self.0.end()
    }
}

/// What is expected of a dump.
const DUMP: &str = "a dump of db_json_exim, an object with \"cassandra\" and \"zookeeper\"";

/// The dump.
struct Top<'r, 'c, C>(&'r Reading<'c, C>);

impl<C: Contents> Members for Top<'_, '_, C> {
    const EXPECTED: &'static str = DUMP;

    fn is_again<E: Error>(&self, name: &str) -> Result<(), E> {
        self.0.part(&[name])
    }

    fn end<E: Error>(&self) -> Result<(), E> {
        if self.0.has_cassandra.get() {
            Ok(())
        } else {
            Err(E::custom(format!("no \"cassandra\" in it; expected {DUMP}")))
        }
    }

    fn member<'de, A: MapAccess<'de>>(&self, name: String, values: &mut A) -> Result<(), A::Error> {
        self.0.is_at(&[&name]);
        match name.as_str() {
            "cassandra" => {
                self.0.has_cassandra.set(true);
                values.next_value_seed(Object(Cassandra(self.0)))
            }
            "zookeeper" => {
                self.0.handle.unwrap_next();
                values.next_value_seed(Nodes(self.0))
            }
            _ => values.next_value::<IgnoredAny>().map(|_| ()),
        }
    }
}

/// Keyspaces, or tables of them.
struct Cassandra<'r, 'c, C>(&'r Reading<'c, C>);

impl<C: Contents> Members for Cassandra<'_, '_, C> {
    const EXPECTED: &'static str = "an object of keyspaces";

    fn is_again<E: Error>(&self, name: &str) -> Result<(), E> {
        self.0.part(&["cassandra", name])
    }

    fn member<'de, A: MapAccess<'de>>(&self, name: String, values: &mut A) -> Result<(), A::Error> {
        let reading = self.0;
        reading.is_at(&["cassandra", &name]);
        let without = WITHOUT_KEYSPACE.iter().find(|(table, _)| *table == name);
        let keyspace = without.map_or(name.as_str(), |(_, keyspace)| keyspace);
        let is_wanted = reading.contents.borrow_mut().is_wanted(keyspace);
        match without {
            _ if !is_wanted => values.next_value::<IgnoredAny>().map(|_| ()),
            Some((table, keyspace)) => Tables { reading, keyspace }.read(table, values),
            None => values.next_value_seed(Object(Tables { reading, keyspace })),
        }
    }
}

/// The tables of a keyspace.
struct Tables<'r, 'c, C> {
    reading: &'r Reading<'c, C>,
    keyspace: &'r str,
}

impl<C: Contents> Tables<'_, '_, C> {
    fn read<'de, A: MapAccess<'de>>(&self, table: &str, values: &mut A) -> Result<(), A::Error> {
        let Self { reading, keyspace } = self;
        reading.is_at(&["cassandra", keyspace, table]);
        reading.give(|contents| contents.table(keyspace, table))?;
        values.next_value_seed(Object(Rows { reading, keyspace, table }))
    }
}

impl<C: Contents> Members for Tables<'_, '_, C> {
    const EXPECTED: &'static str = "an object of tables";

    fn is_again<E: Error>(&self, name: &str) -> Result<(), E> {
        self.reading.part(&["cassandra", self.keyspace, name])
    }

    fn member<'de, A: MapAccess<'de>>(&self, name: String, values: &mut A) -> Result<(), A::Error> {
        self.read(&name, values)
    }
}

/// The rows of a table.
struct Rows<'r, 'c, C> {
    reading: &'r Reading<'c, C>,
    keyspace: &'r str,
    table: &'r str,
}

impl<C: Contents> Members for Rows<'_, '_, C> {
    const EXPECTED: &'static str = "an object of rows";

    fn member<'de, A: MapAccess<'de>>(&self, name: String, values: &mut A) -> Result<(), A::Error> {
        let Self { reading, keyspace, table } = self;
        reading.is_at(&["cassandra", keyspace, table, &name]);
        reading.give(|contents| contents.row(&name))?;
        values.next_value_seed(Row { reading, key: &name })?;
        reading.give(Contents::end_row)
    }
}

/// A row: an object of columns, or a list of them.
struct Row<'r, 'c, C> {
    reading: &'r Reading<'c, C>,
    key: &'r str,
}

impl<C: Contents> Row<'_, '_, C> {
    /// A column; one without a value is none.
    fn give<E: Error>(&self, name: String, value: Option<String>, time: Option<i64>) -> Result<(), E> {
        let Some(value) = value else { return Ok(()) };
        self.reading.give(|contents| contents.column(self.key, Column { name, value, time }))
    }
}

impl<'de, C: Contents> DeserializeSeed<'de> for Row<'_, '_, C> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What an object of columns has for each.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Value(Option<String>),
    AtSomeTime((Option<String>,)),
    At((Option<String>, Option<i64>)),
}

impl<'de, C: Contents> Visitor<'de> for Row<'_, '_, C> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a row: an object of columns, each [value, time], or a list of [column, value, time]")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(name) = values.next_key::<String>()? {
            match values.next_value::<Written>()? {
                Written::Value(value) | Written::AtSomeTime((value,)) => self.give(name, value, None)?,
                Written::At((value, time)) => self.give(name, value, time)?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut columns: A) -> Result<(), A::Error> {
        while let Some((name, value, time)) = columns.next_element::<(String, Option<String>, Option<i64>)>()? {
            self.give(name, value, time)?;
        }
        Ok(())
    }
}

/// The leaves of `ZooKeeper`, a list of [path, [value, ..]].
struct Nodes<'r, 'c, C>(&'r Reading<'c, C>);

impl<'de, C: Contents> DeserializeSeed<'de> for Nodes<'_, '_, C> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, C: Contents> Visitor<'de> for Nodes<'_, '_, C> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what is in ZooKeeper: a list of [path, [value, stat]], as a string of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut nodes: A) -> Result<(), A::Error> {
        while let Some((path, Node(value))) = nodes.next_element::<(String, Node)>()? {
            self.0.give(|contents| contents.node(&path, value.as_deref()))?;
        }
        Ok(())
    }
}

/// The value of a node, without what else is said of it.
struct Node(Option<String>);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = Node;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("[value, stat]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Node, A::Error> {
                let value = parts.next_element::<Option<String>>()?.flatten();
                while parts.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Node(value))
            }
        }
        deserializer.deserialize_seq(First)
    }
}
