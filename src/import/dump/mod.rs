//! Dumps of `db_json_exim` as a source: the tables of the configuration become documents, all others are told as they are.

mod reader;
mod rows;
mod unwrapping;

use super::{
    ImportError,
    findings::{self, Report},
    progress::Progress,
    source::{Cell, Fact, Source, Taker},
};
use crate::model::Model;
use flate2::read::MultiGzDecoder;
use reader::{Column, Contents};
use rows::ObjectRow;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
    sync::Arc,
};

/// Read at once.
const BUFFER: usize = 256 << 10;
/// How the files of gzip begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The keyspaces that are not a daemon's.
const CONFIGURATION: &str = "config_db_uuid";
const KEY_VALUES: &str = "useragent";

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
    pub fn new(file: PathBuf, model: Arc<Model>, progress: Progress, keyspaces_only: bool) -> Self {
        Self { file, model, progress, keyspaces_only }
    }

    /// Reads the file from its beginning to its end.
    fn go_through(&self, contents: &mut impl Contents) -> Result<(), ImportError> {
        let name = self.name();
        let failed = |error| ImportError::File(name.clone(), error);
        let file = File::open(&self.file).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut file = BufReader::with_capacity(BUFFER, self.progress.reader(file, length));
        let result = if file.fill_buf().map_err(failed)?.starts_with(&GZIP) {
            reader::read(&name, BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file)), contents)
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
        let mut told = Told {
            model: &self.model,
            taker,
            report: Some(report),
            wanted,
            at: Table::Other,
            row: None,
            key: String::new(),
        };
        self.go_through(&mut told)
    }

    fn read_texts(&mut self, taker: &mut dyn Taker) -> Result<(), ImportError> {
        let wanted = if self.keyspaces_only { Wanted::Daemons } else { Wanted::Texts };
        let mut told =
            Told { model: &self.model, taker, report: None, wanted, at: Table::Other, row: None, key: String::new() };
        self.go_through(&mut told)
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
}

impl Told<'_, '_> {
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
            _ => Table::Daemon,
        };
        if self.at == Table::Daemon { self.taker.table(keyspace, table) } else { Ok(()) }
    }

    fn row(&mut self, key: &str) -> Result<(), ImportError> {
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
