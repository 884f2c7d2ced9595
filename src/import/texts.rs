//! What is stored as it is: key-values, and what daemons have in keyspaces of their own. It goes from the source into the database in
//! pieces.

use super::{
    ImportError,
    findings::Report,
    source::{Cell, Document, Fact, Taker},
    zookeeper_commands::{Commands, can_be_told, id_of_daemon},
};
use crate::{
    neutron::follows_from_networks,
    store::{
        Session,
        whole::put_key_values,
        wide_rows::{REPLICATION, TableWrites, Times, WideRows, create_within, is_name, write_within},
    },
    wide_row::{self, Place, Write},
};
use std::{fs::File, io::BufWriter, path::Path};
use tokio::runtime::Handle;

/// How many cells or texts are written together, or how many bytes.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 2 << 20;

/// Where it goes.
pub enum Into<'s> {
    /// Into a transaction that does more.
    Transaction(&'s mut Session),
    /// Table by table, piece by piece: what was written later stays.
    Tables(&'s WideRows),
    /// Nowhere: it is there.
    Nowhere,
}

/// Writes what a source tells.
pub struct Texts<'s> {
    into: Into<'s>,
    runtime: Handle,
    /// What stands before the names of keyspaces.
    prefix: String,
    keys: Vec<String>,
    values: Vec<String>,
    /// The table that is told at the moment, and what is to be written into it: with times, and without.
    table: (String, String),
    timed: Vec<Write>,
    untimed: Vec<Write>,
    bytes: usize,
    /// Commands for the ids of daemons, and the file that they go to.
    commands: Option<(String, Commands<BufWriter<File>>)>,
}

impl<'s> Texts<'s> {
    /// Nothing written yet.
    ///
    /// # Errors
    /// When there can't be a file for the commands for `ZooKeeper`.
    pub fn new(into: Into<'s>, cluster_id: Option<&str>, zookeeper_out: Option<&Path>) -> Result<Self, ImportError> {
        let create = |path: &Path| {
            let name = path.display().to_string();
            match File::create(path) {
                Ok(file) => Ok((name, Commands::new(BufWriter::new(file)))),
                Err(error) => Err(ImportError::File(name, error)),
            }
        };
        Ok(Self {
            commands: zookeeper_out.map(create).transpose()?,
            into,
            runtime: Handle::current(),
            prefix: prefix(cluster_id),
            keys: Vec::new(),
            values: Vec::new(),
            table: Default::default(),
            timed: Vec::new(),
            untimed: Vec::new(),
            bytes: 0,
        })
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        if !self.keys.is_empty() {
            if let Into::Transaction(session) = &mut self.into {
                self.runtime.block_on(put_key_values(session, &self.keys, &self.values))?;
            }
            self.keys.clear();
            self.values.clear();
        }
        if !(self.timed.is_empty() && self.untimed.is_empty()) {
            let (keyspace, table) = (self.table.0.as_str(), self.table.1.as_str());
            let parts = [(Times::Given, &self.timed), (Times::Now, &self.untimed)];
            let parts = parts.map(|(times, writes)| TableWrites { keyspace, table, times, writes });
            match &mut self.into {
                Into::Transaction(session) => self.runtime.block_on(write_within(session, &parts))?,
                Into::Tables(rows) => self.runtime.block_on(rows.write(&parts))?,
                Into::Nowhere => {}
            }
            self.timed.clear();
            self.untimed.clear();
        }
        self.bytes = 0;
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When it can't be stored.
    pub fn finish(mut self) -> Result<(), ImportError> {
        self.flush()?;
        match self.commands.take() {
            Some((name, commands)) => commands.finish().map_err(|error| ImportError::File(name, error)),
            None => Ok(()),
        }
    }

    fn flush_if_full(&mut self) -> Result<(), ImportError> {
        let count = self.timed.len() + self.untimed.len() + self.keys.len();
        if count >= BATCH || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }
}

/// What stands before the names of keyspaces of a cluster.
fn prefix(cluster_id: Option<&str>) -> String {
    cluster_id.map(|id| format!("{id}_")).unwrap_or_default()
}

/// Whether a table can be called so.
///
/// # Errors
/// Names the one that can't.
pub fn check_names(cluster_id: Option<&str>, keyspace: &str, table: &str) -> Result<(), ImportError> {
    let keyspace = format!("{}{keyspace}", prefix(cluster_id));
    [keyspace.as_str(), table]
        .into_iter()
        .find(|name| !is_name(name))
        .map_or(Ok(()), |name| Err(ImportError::Name(name.to_owned())))
}

impl Taker for Texts<'_> {
    fn object(&mut self, _: Document, _: &mut Report) -> Result<(), ImportError> {
        Ok(())
    }

    fn fact(&mut self, fact: Fact) -> Result<(), ImportError> {
        let Fact::Node { path, value } = fact else { return Ok(()) };
        let Some(path) = id_of_daemon(&path).filter(|path| can_be_told(path, value.as_deref())) else { return Ok(()) };
        let Some((name, commands)) = &mut self.commands else { return Ok(()) };
        let written = commands.create(&path, value.as_deref().unwrap_or_default());
        written.map_err(|error| ImportError::File(name.clone(), error))
    }

    fn key_value(&mut self, key: &str, value: &str) -> Result<(), ImportError> {
        if follows_from_networks(key, value) {
            return Ok(());
        }
        self.bytes += key.len() + value.len();
        self.keys.push(key.to_owned());
        self.values.push(value.to_owned());
        self.flush_if_full()
    }

    fn table(&mut self, keyspace: &str, table: &str) -> Result<(), ImportError> {
        self.flush()?;
        self.table = (format!("{}{keyspace}", self.prefix), table.to_owned());
        let (keyspace, table) = (&self.table.0, &self.table.1);
        match &mut self.into {
            Into::Transaction(session) => self.runtime.block_on(create_within(session, keyspace, table))?,
            Into::Tables(rows) => {
                self.runtime.block_on(rows.create_keyspace(keyspace, REPLICATION))?;
                self.runtime.block_on(rows.create_table(keyspace, table))?;
            }
            Into::Nowhere => {}
        }
        Ok(())
    }

    fn cell(&mut self, Cell { key, column, value, time }: Cell<'_>) -> Result<(), ImportError> {
        self.bytes += key.len() + column.len() + value.len() + 100;
        let place = Place { key: key.to_owned().into(), column: column.to_owned().into() };
        let write = |time| Write::Put(wide_row::Cell { place, value: Some(value.to_owned()), time });
        match time {
            Some(time) => self.timed.push(write(time)),
            None => self.untimed.push(write(0)),
        }
        self.flush_if_full()
    }
}
