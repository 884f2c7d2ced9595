//! `cirrus import-keyspaces`: what daemons have stored in their own keyspaces of a Cassandra, from a dump of it.
//!
//! The dump is read twice: first as a whole, so that nothing is stored of one that is broken. What is stored already stays where
//! it was written later, so an import that was cut off may be repeated.

mod dump;
mod unwrapping;
mod zookeeper;

use crate::{
    settings::ImportSettings,
    store::{
        Database, StoreError,
        wide_rows::{TableWrites, Times, WideRowError, WideRows, is_name},
    },
    wide_row::{Cell, Place, Write},
};
use dump::{Column, Contents};
use flate2::read::MultiGzDecoder;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write as _},
    path::Path,
};
use tokio::{runtime::Handle, task::block_in_place};
use zookeeper::Commands;

/// How many columns are written together, or how many bytes.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 2 << 20;
/// Read at once.
const BUFFER: usize = 256 << 10;
/// How the files of gzip begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What is not stored: it is configuration, which moves by other ways.
const ELSEWHERE: [&str; 2] = ["config_db_uuid", "useragent"];
/// What new keyspaces are said to be like.
const REPLICATION: &str = "{ 'class': 'SimpleStrategy', 'replication_factor': '1' }";

/// Why a dump is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file can't be read or written.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// The dump is none, or is damaged.
    #[error("{file}: {text}, at byte {byte}{place}")]
    Dump {
        /// Which one.
        file: String,
        /// What is the matter.
        text: String,
        /// Where, in the text of the dump as it is unpacked.
        byte: u64,
        /// And what is there, if that is known.
        place: String,
    },
    /// A keyspace or a table can't be called so.
    #[error(
        "{0}: 1 to 48 letters of ASCII, digits and underscores are expected as the name of a keyspace, or of a table"
    )]
    Name(String),
    /// The tables are those of another release.
    #[error("the tables are of an earlier release: start a server of this one first, which brings them up to date")]
    NotMigrated,
    /// The database does not store it.
    #[error("database: {0}")]
    Database(#[from] StoreError),
    /// The same, of what is written into tables.
    #[error("database: {0}")]
    Rows(#[from] WideRowError),
    /// Nobody takes what is told.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Imports, and prints a line for each table.
///
/// # Errors
/// When the dump can't be read, or the database does not store it. Nothing is stored of a dump that is broken.
pub async fn run(settings: &ImportSettings) -> Result<(), ImportError> {
    let told = match &settings.database_url {
        Some(url) if !settings.dry_run => {
            let database = Database::new(url)?;
            if !database.pending_steps().await?.is_empty() {
                return Err(ImportError::NotMigrated);
            }
            let told = block_in_place(|| read(settings, Import::new(settings, None)))?;
            let rows = WideRows::new(database.sessions());
            let store = Store { rows: &rows, runtime: Handle::current() };
            block_in_place(|| read(settings, Import::new(settings, Some(store))))?;
            told
        }
        _ => block_in_place(|| read(settings, Import::new(settings, None)))?,
    };
    told.print(settings)
}

/// Reads the dump from its beginning to its end.
fn read(settings: &ImportSettings, mut import: Import<'_>) -> Result<Told, ImportError> {
    let name = settings.file.display().to_string();
    let failed = |error| ImportError::File(name.clone(), error);
    let mut file = BufReader::with_capacity(BUFFER, File::open(&settings.file).map_err(failed)?);
    if file.fill_buf().map_err(failed)?.starts_with(&GZIP) {
        dump::read(&name, BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file)), &mut import)?;
    } else {
        dump::read(&name, file, &mut import)?;
    }
    import.finish()
}

/// Where it is stored.
struct Store<'s> {
    rows: &'s WideRows,
    runtime: Handle,
}

/// What is told of a dump in the end.
#[derive(Default)]
struct Told {
    /// By keyspace and table: rows and columns.
    tables: BTreeMap<(String, String), (u64, u64)>,
    /// Keyspaces that are not imported.
    elsewhere: BTreeSet<String>,
    /// How many ids of `ZooKeeper` its client can be told, and which not.
    ids: u64,
    unspeakable: Vec<String>,
}

impl Told {
    fn print(&self, settings: &ImportSettings) -> Result<(), ImportError> {
        let mut output = io::stdout().lock();
        let how = if settings.dry_run { "would be stored" } else { "stored" };
        for ((keyspace, table), (rows, columns)) in &self.tables {
            writeln!(output, "{keyspace}.{table}: {rows} rows with {columns} columns {how}")?;
        }
        for keyspace in &self.elsewhere {
            writeln!(output, "{keyspace}: left out; it is configuration, which moves by other ways")?;
        }
        let ids = self.ids;
        let what = match &settings.zookeeper_out {
            Some(file) if !settings.dry_run => format!("commands for {ids} ids in {}", file.display()),
            _ => format!("{ids} ids of daemons, for which --zookeeper-out FILE writes the commands"),
        };
        writeln!(output, "ZooKeeper: {what}")?;
        for path in &self.unspeakable {
            writeln!(output, "ZooKeeper: {path}: its client can't be told that; left out")?;
        }
        Ok(())
    }
}

/// What becomes of the contents of a dump. Without a store they are only counted.
struct Import<'s> {
    /// What stands before the names of keyspaces.
    prefix: String,
    store: Option<Store<'s>>,
    /// Where commands for `ZooKeeper` go.
    commands: Option<(String, Commands<BufWriter<File>>)>,
    /// Where they would go, not made before it is needed.
    zookeeper_out: Option<&'s Path>,
    told: Told,
    /// The table that is read at the moment, and what is to be written into it: with times, and without.
    table: (String, String),
    timed: Vec<Write>,
    untimed: Vec<Write>,
    bytes: usize,
}

impl<'s> Import<'s> {
    fn new(settings: &'s ImportSettings, store: Option<Store<'s>>) -> Self {
        Self {
            prefix: settings.cluster_id.as_ref().map(|id| format!("{id}_")).unwrap_or_default(),
            zookeeper_out: settings.zookeeper_out.as_deref().filter(|_| store.is_some()),
            store,
            commands: None,
            told: Told::default(),
            table: Default::default(),
            timed: Vec::new(),
            untimed: Vec::new(),
            bytes: 0,
        }
    }

    /// Writes what has come together.
    fn flush(&mut self) -> Result<(), ImportError> {
        let (keyspace, table) = (self.table.0.as_str(), self.table.1.as_str());
        let parts = [(Times::Given, &self.timed), (Times::Now, &self.untimed)];
        let parts = parts.map(|(times, writes)| TableWrites { keyspace, table, times, writes });
        if let Some(store) = &self.store
            && self.bytes > 0
        {
            store.runtime.block_on(store.rows.write(&parts))?;
        }
        self.timed.clear();
        self.untimed.clear();
        self.bytes = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Told, ImportError> {
        self.flush()?;
        if let Some((name, commands)) = self.commands {
            commands.finish().map_err(|error| ImportError::File(name, error))?;
        }
        Ok(self.told)
    }

    /// The counts of the table that is read.
    fn counts(&mut self) -> &mut (u64, u64) {
        self.told.tables.entry(self.table.clone()).or_default()
    }
}

impl Contents for Import<'_> {
    fn is_wanted(&mut self, keyspace: &str) -> bool {
        let is_wanted = !ELSEWHERE.contains(&keyspace) && !keyspace.starts_with("system");
        if !is_wanted {
            self.told.elsewhere.insert(keyspace.to_owned());
        }
        is_wanted
    }

    fn table(&mut self, keyspace: &str, table: &str) -> Result<(), ImportError> {
        self.flush()?;
        self.table = (format!("{}{keyspace}", self.prefix), table.to_owned());
        self.counts();
        let (keyspace, table) = (&self.table.0, &self.table.1);
        if let Some(name) = [keyspace, table].into_iter().find(|name| !is_name(name)) {
            return Err(ImportError::Name(name.clone()));
        }
        if let Some(Store { rows, runtime }) = &self.store {
            runtime.block_on(rows.create_keyspace(keyspace, REPLICATION))?;
            runtime.block_on(rows.create_table(keyspace, table))?;
        }
        Ok(())
    }

    fn row(&mut self) {
        self.counts().0 += 1;
    }

    fn column(&mut self, key: &str, Column { name, value, time }: Column) -> Result<(), ImportError> {
        self.counts().1 += 1;
        self.bytes += key.len() + name.len() + value.len() + 100;
        let place = Place { key: key.to_owned().into(), column: name.into() };
        let write = |time| Write::Put(Cell { place, value: Some(value), time });
        match time {
            Some(time) => self.timed.push(write(time)),
            None => self.untimed.push(write(0)),
        }
        if self.timed.len() + self.untimed.len() >= BATCH || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn node(&mut self, path: &str, value: Option<&str>) -> Result<(), ImportError> {
        let Some(path) = zookeeper::id_of_daemon(path) else { return Ok(()) };
        if !zookeeper::can_be_told(&path, value) {
            self.told.unspeakable.push(path);
            return Ok(());
        }
        self.told.ids += 1;
        let Some(file) = self.zookeeper_out else { return Ok(()) };
        let name = file.display().to_string();
        let failed = |error| ImportError::File(name.clone(), error);
        if self.commands.is_none() {
            let output = BufWriter::new(File::create(file).map_err(failed)?);
            self.commands = Some((name.clone(), Commands::new(output)));
        }
        if let Some((_, commands)) = &mut self.commands {
            commands.create(&path, value.unwrap_or_default()).map_err(failed)?;
        }
        Ok(())
    }
}
