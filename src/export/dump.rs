//! The text of a dump of `db_json_exim` (feeds contract 4.3), written as a stream.

use crate::json_text;
use crate::settings::DumpFormat;
use std::io::{self, Write};

/// Where in the dump it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    Keyspaces,
    Tables,
    Rows,
    Columns,
    Nodes,
}

/// A dump that is being written: keyspaces, in them tables, in them columns, row by row; after them the nodes of `ZooKeeper`.
pub struct Dump<W> {
    output: W,
    format: DumpFormat,
    place: Place,
    /// Whether nothing came before at this place.
    is_first: bool,
    /// The row that is open.
    key: String,
    /// Memory to be used again.
    text: Vec<u8>,
}

impl<W: Write> Dump<W> {
    /// At its begin.
    ///
    /// # Errors
    /// When it can't be written, as all others.
    pub fn new(mut output: W, format: DumpFormat) -> io::Result<Self> {
        output.write_all(b"{\"cassandra\":{")?;
        let place = Place::Keyspaces;
        Ok(Self { output, format, place, is_first: true, key: String::new(), text: Vec::new() })
    }

    /// Begins a keyspace.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keyspace(&mut self, name: &str) -> io::Result<()> {
        self.close_to(Place::Keyspaces)?;
        self.open(name, Place::Tables)
    }

    /// Begins a table of it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn table(&mut self, name: &str) -> io::Result<()> {
        self.close_to(Place::Tables)?;
        self.open(name, Place::Rows)
    }

    /// A column of a row of it; those of one row come one after the other. The time is in microseconds since 1970.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn column(&mut self, key: &str, column: &str, value: &str, time: i64) -> io::Result<()> {
        if self.place != Place::Columns || self.key != key {
            self.close_to(Place::Rows)?;
            self.open(key, Place::Columns)?;
            key.clone_into(&mut self.key);
        }
        self.separate()?;
        self.text.clear();
        match self.format {
            DumpFormat::Thrift => {
                json_text::write(&mut self.text, column);
                self.text.extend_from_slice(b":[");
            }
            DumpFormat::Cql => {
                self.text.push(b'[');
                json_text::write(&mut self.text, column);
                self.text.push(b',');
            }
        }
        json_text::write(&mut self.text, value);
        write!(self.text, ",{time}]")?;
        self.output.write_all(&self.text)
    }

    /// A leaf of `ZooKeeper`, with the time at which it was made, in milliseconds since 1970.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn node(&mut self, path: &str, value: &str, time: i64) -> io::Result<()> {
        self.begin_nodes()?;
        self.separate()?;
        self.text.clear();
        // As ZooKeeper tells of a node that was made once and has no children; numbers of transactions say nothing elsewhere.
        let stat = [0, 0, time, time, 0, 0, 0, 0, i64::try_from(value.len()).unwrap_or(i64::MAX), 0, 0];
        json_text::write(&mut self.text, &(path, (value, stat)));
        // A JSON text inside of a string, and ASCII already.
        for piece in self.text.split_inclusive(|byte| matches!(byte, b'"' | b'\\')) {
            match piece.split_last() {
                Some((last @ (b'"' | b'\\'), rest)) => {
                    self.output.write_all(rest)?;
                    self.output.write_all(&[b'\\', *last])?;
                }
                _ => self.output.write_all(piece)?,
            }
        }
        Ok(())
    }

    /// The end.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.begin_nodes()?;
        self.output.write_all(b"]\"}\n")?;
        Ok(self.output)
    }

    fn begin_nodes(&mut self) -> io::Result<()> {
        if self.place == Place::Nodes {
            return Ok(());
        }
        self.close_to(Place::Keyspaces)?;
        self.place = Place::Nodes;
        self.is_first = true;
        self.output.write_all(b"},\n\"zookeeper\":\"[")
    }

    /// Begins what is called so.
    fn open(&mut self, name: &str, inside: Place) -> io::Result<()> {
        self.separate()?;
        self.text.clear();
        // A line for each row: so dumps can be compared.
        self.text.push(b'\n');
        json_text::write(&mut self.text, name);
        self.text.push(b':');
        self.text.push(if self.is_list(inside) { b'[' } else { b'{' });
        self.place = inside;
        self.is_first = true;
        self.output.write_all(&self.text)
    }

    fn close_to(&mut self, place: Place) -> io::Result<()> {
        while self.place > place {
            self.output.write_all(if self.is_list(self.place) { b"]" } else { b"}" })?;
            self.is_first = false;
            self.place = match self.place {
                Place::Nodes | Place::Columns => Place::Rows,
                Place::Rows => Place::Tables,
                Place::Tables | Place::Keyspaces => Place::Keyspaces,
            };
        }
        Ok(())
    }

    fn is_list(&self, place: Place) -> bool {
        place == Place::Columns && self.format == DumpFormat::Cql
    }

    fn separate(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.is_first) {
            self.output.write_all(b",")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(format: DumpFormat) -> Value {
        let mut dump = Dump::new(Vec::new(), format).unwrap();
        dump.keyspace("config_db_uuid").unwrap();
        dump.table("obj_uuid_table").unwrap();
        dump.column("a", "type", "\"vn\"", 7).unwrap();
        dump.column("a", "prop:\u{fc}\"", "\u{1f600}\\", 8).unwrap();
        dump.column("b", "type", "\"vn\"", 9).unwrap();
        dump.table("empty").unwrap();
        dump.keyspace("none").unwrap();
        dump.keyspace("last").unwrap();
        dump.table("t").unwrap();
        dump.column("a", "c", "v", 1).unwrap();
        dump.node("/a/", "\u{fc}\"\\", 5).unwrap();
        dump.node("/b/", "", 6).unwrap();
        let text = dump.finish().unwrap();
        assert!(text.is_ascii());
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn is_what_the_tool_reads_in_both_forms() {
        let nodes = json!([
            ["/a/", ["\u{fc}\"\\", [0, 0, 5, 5, 0, 0, 0, 0, 4, 0, 0]]],
            ["/b/", ["", [0, 0, 6, 6, 0, 0, 0, 0, 0, 0, 0]]],
        ]);
        for (format, a, b, c) in [
            (
                DumpFormat::Thrift,
                json!({"type": ["\"vn\"", 7], "prop:\u{fc}\"": ["\u{1f600}\\", 8]}),
                json!({"type": ["\"vn\"", 9]}),
                json!({"c": ["v", 1]}),
            ),
            (
                DumpFormat::Cql,
                json!([["type", "\"vn\"", 7], ["prop:\u{fc}\"", "\u{1f600}\\", 8]]),
                json!([["type", "\"vn\"", 9]]),
                json!([["c", "v", 1]]),
            ),
        ] {
            let dump = written(format);
            let tables = json!({"obj_uuid_table": {"a": a, "b": b}, "empty": {}});
            let wanted = json!({"config_db_uuid": tables, "none": {}, "last": {"t": {"a": c}}});
            assert_eq!(dump["cassandra"], wanted);
            assert_eq!(serde_json::from_str::<Value>(dump["zookeeper"].as_str().unwrap()).unwrap(), nodes);
        }
    }

    #[test]
    fn of_nothing_is_whole_too() {
        let text = Dump::new(Vec::new(), DumpFormat::Cql).unwrap().finish().unwrap();
        let dump: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(dump, json!({"cassandra": {}, "zookeeper": "[]"}));
    }
}
