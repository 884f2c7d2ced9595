//! Dumps of `db_json_exim` as a source: the tables of the configuration become documents, all others are told as they are.

mod members;
mod reader;
mod rows;
mod unwrapping;

use super::{
    ImportError,
    findings::{self, Report},
    progress::Progress,
    source::{Cell, Fact, Source, Taker},
};
use crate::{model::Model, store::wide_rows::is_name};
use members::Members;
use reader::{Column, Contents};
use rows::ObjectRow;
use std::{
    collections::HashSet,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Read at once.
const BUFFER: usize = 256 << 10;
/// How the files of gzip begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The keyspaces that are not a daemon's.
const CONFIGURATION: &str = "config_db_uuid";
const KEY_VALUES: &str = "useragent";
/// How long names may be that clients of Cassandra send, in bytes.
const LONGEST_NAME: usize = 65_535;

/// A dump in a file.
pub struct Dump {
    file: PathBuf,
    model: Arc<Model>,
    progress: Progress,
    /// Whether the configuration is read, or only what daemons have.
    keyspaces_only: bool,
}

impl Dump {
    /// Not opened yet.
    ///
    /// # Errors
    /// When it is something that can't be read twice. That would be opened in vain: whoever opens a pipe waits for who writes into it.
    pub fn new(
        file: PathBuf,
        model: Arc<Model>,
        progress: Progress,
        keyspaces_only: bool,
    ) -> Result<Self, ImportError> {
        let name = file.display().to_string();
        let refuse = |what: &str| {
            ImportError::Settings(format!(
                "{name}: {what}, and a dump is read twice: write it into a file, and name that"
            ))
        };
        if file == Path::new("-") {
            return Err(refuse("standard input can be read only once"));
        }
        // What is not there is told when it is opened.
        if fs::metadata(&file).is_ok_and(|found| !found.is_file()) {
            return Err(refuse("that is no file"));
        }
        Ok(Self { file, model, progress, keyspaces_only })
    }

    /// Reads the file from its beginning to its end.
    fn go_through(&self, contents: &mut impl Contents) -> Result<(), ImportError> {
        let name = self.name();
        let failed = |error| ImportError::File(name.clone(), error);
        let file = File::open(&self.file).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut file = BufReader::with_capacity(BUFFER, self.progress.reader(file, length));
        let result = if file.fill_buf().map_err(failed)?.starts_with(&GZIP) {
            reader::read(&name, BufReader::with_capacity(BUFFER, Members::new(file)), contents)
        } else {
            reader::read(&name, file, contents)
        };
        // Whatever the parser made of it.
        self.progress.check()?;
        result
    }
}

impl Source for Dump {
    fn name(&self) -> String {
        self.file.display().to_string()
    }

    fn read(&mut self, taker: &mut dyn Taker, report: &mut Report) -> Result<(), ImportError> {
        let wanted = if self.keyspaces_only { Wanted::Daemons } else { Wanted::All };
        self.go_through(&mut Told::new(&self.model, taker, Some(report), wanted))
    }

    fn read_texts(&mut self, taker: &mut dyn Taker) -> Result<(), ImportError> {
        let wanted = if self.keyspaces_only { Wanted::Daemons } else { Wanted::Texts };
        self.go_through(&mut Told::new(&self.model, taker, None, wanted))
    }
}

/// What is told of a dump.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    /// All but the objects.
    Texts,
    Daemons,
}

/// Which table is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Objects,
    Names,
    Shares,
    KeyValues,
    Daemon,
    /// One of which nothing is told.
    Other,
}

/// Tells a taker what is in a dump.
struct Told<'t, 'o> {
    model: &'t Model,
    taker: &'t mut dyn Taker,
    /// None where everything was told before.
    report: Option<&'t mut Report<'o>>,
    wanted: Wanted,
    at: Table,
    row: Option<ObjectRow>,
    key: String,
    /// Which table it is, for findings.
    name: String,
    /// The keys of its rows so far, where nobody else sees to it that each comes once, ...
    keys: HashSet<String>,
    /// ... and the columns of its row.
    columns: HashSet<String>,
    /// Whether this row was there before.
    is_again: bool,
}

impl<'t, 'o> Told<'t, 'o> {
    fn new(model: &'t Model, taker: &'t mut dyn Taker, report: Option<&'t mut Report<'o>>, wanted: Wanted) -> Self {
        Self {
            model,
            taker,
            report,
            wanted,
            at: Table::Other,
            row: None,
            key: String::new(),
            name: String::new(),
            keys: HashSet::new(),
            columns: HashSet::new(),
            is_again: false,
        }
    }

    fn found(&mut self, kind: findings::Kind, whom: impl std::fmt::Display, what: impl std::fmt::Display) {
        if let Some(report) = &mut self.report {
            report.add(kind, whom, what);
        }
    }

    /// A column of the table of names: `<name>:<uuid>`.
    fn name(&mut self, kind: &str, column: &str) -> Result<(), ImportError> {
        let (joined, uuid) = column.rsplit_once(':').unwrap_or((column, ""));
        let uuid = rows::uuid(uuid);
        let fact = Fact::Name { kind: kind.to_owned(), joined: joined.to_owned(), uuid, text: column.to_owned() };
        self.taker.fact(fact)
    }

    /// A column of the table of shares: `<with>:<whom>:<uuid>`.
    fn share(&mut self, kind: &str, Column { name, value, .. }: Column) -> Result<(), ImportError> {
        if let Some((with, uuid)) = name.rsplit_once(':').and_then(|(with, uuid)| Some((with, rows::uuid(uuid)?))) {
            return self.taker.fact(Fact::Share { with: with.to_owned(), uuid, access: value });
        }
        self.found(findings::BAD_UUID, format_args!("obj_shared_table {kind}"), name);
        Ok(())
    }

    fn key_value(&mut self, key: &str, column: &Column) -> Result<(), ImportError> {
        if column.name != "value" {
            self.found(findings::UNKNOWN_COLUMN, format_args!("useragent_keyval_table {key}"), &column.name);
            return Ok(());
        }
        if key.contains('\0') || column.value.contains('\0') {
            self.found(findings::BAD_KEY_VALUE, format_args!("useragent_keyval_table {key}"), "it has a character NUL");
            return Ok(());
        }
        self.taker.key_value(key, &column.value)
    }
}

impl Contents for Told<'_, '_> {
    fn is_wanted(&mut self, keyspace: &str) -> bool {
        match (keyspace, self.wanted) {
            (CONFIGURATION, wanted) => wanted == Wanted::All,
            (KEY_VALUES, wanted) => wanted != Wanted::Daemons,
            _ => !keyspace.starts_with("system"),
        }
    }

    fn table(&mut self, keyspace: &str, table: &str) -> Result<(), ImportError> {
        self.at = match (keyspace, table) {
            (CONFIGURATION, "obj_uuid_table") => Table::Objects,
            (CONFIGURATION, "obj_fq_name_table") => Table::Names,
            (CONFIGURATION, "obj_shared_table") => Table::Shares,
            (KEY_VALUES, "useragent_keyval_table") => Table::KeyValues,
            (CONFIGURATION | KEY_VALUES, _) => {
                self.found(
                    findings::UNKNOWN_TABLE,
                    format_args!("{keyspace}.{table}"),
                    "it is none of the configuration",
                );
                Table::Other
            }
            _ if is_name(keyspace) && is_name(table) => Table::Daemon,
            _ => {
                let what = "1 to 48 letters of ASCII, digits and underscores are expected as the name of each";
                self.found(findings::BAD_TABLE_NAME, format_args!("{keyspace}.{table}"), what);
                Table::Other
            }
        };
        self.name = format!("{keyspace}.{table}");
        self.keys.clear();
        if self.at == Table::Daemon { self.taker.table(keyspace, table) } else { Ok(()) }
    }

    fn twice(&mut self, place: &str) -> Result<(), ImportError> {
        self.found(findings::PART_TWICE, place, "it was there before");
        Ok(())
    }

    fn row(&mut self, key: &str) -> Result<(), ImportError> {
        self.columns.clear();
        // Of objects that come twice somebody else tells.
        self.is_again = matches!(self.at, Table::KeyValues | Table::Daemon) && !self.keys.insert(key.to_owned());
        if self.is_again {
            self.found(findings::COLUMN_TWICE, format_args!("{} {key}", self.name.clone()), "the row was there before");
        }
        if self.at != Table::Objects {
            return Ok(());
        }
        key.clone_into(&mut self.key);
        self.row = rows::uuid(key).map(ObjectRow::new);
        if self.row.is_none() {
            self.found(findings::BAD_UUID, format_args!("row {key}"), "a row has an object's uuid as its key");
        }
        Ok(())
    }

    fn column(&mut self, key: &str, column: Column) -> Result<(), ImportError> {
        if self.is_again {
            return Ok(());
        }
        // The others are of one column only, or are compared each by itself.
        let has_names = matches!(self.at, Table::Objects | Table::KeyValues | Table::Daemon);
        if has_names && !self.columns.insert(column.name.clone()) {
            let whom = format!("{} {key}", self.name);
            self.found(findings::COLUMN_TWICE, whom, format_args!("{} was there before", column.name));
            return Ok(());
        }
        match self.at {
            Table::Objects => {
                if let (Some(row), Some(report)) = (&mut self.row, &mut self.report) {
                    row.add(column, report);
                }
                Ok(())
            }
            Table::Names => self.name(key, &column.name),
            Table::Shares => self.share(key, column),
            Table::KeyValues => self.key_value(key, &column),
            Table::Daemon => {
                let Column { name, value, time } = &column;
                if key.is_empty() || key.len() > LONGEST_NAME || name.len() > LONGEST_NAME {
                    let what = format!("a key of {} bytes, and a column with a name of {}", key.len(), name.len());
                    self.found(findings::BAD_CELL, self.name.clone(), what);
                    return Ok(());
                }
                self.taker.cell(Cell { key, column: name, value, time: *time })
            }
            Table::Other => Ok(()),
        }
    }

    fn end_row(&mut self) -> Result<(), ImportError> {
        let (Some(row), Some(report)) = (self.row.take(), &mut self.report) else { return Ok(()) };
        let (document, facts) = row.finish(self.model, report);
        let Some(document) = document else { return report.check() };
        self.taker.object(document, report)?;
        for fact in facts {
            self.taker.fact(fact)?;
        }
        report.check()
    }

    fn node(&mut self, path: &str, value: Option<&str>) -> Result<(), ImportError> {
        self.taker.fact(Fact::Node { path: path.to_owned(), value: value.map(str::to_owned) })
    }
}
