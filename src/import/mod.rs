//! `cirrus import`: a whole configuration from elsewhere, with all that belongs to it, in one transaction.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `source.rs` | what sources tell, whatever they are |
//! | `dump/` | dumps of `db_json_exim`: read as a stream (`reader.rs`, `unwrapping.rs`), row by row (`rows.rs`) |
//! | `server.rs` | a running contrail-api: its lists, page by page |
//! | `collect.rs` | what is told, object by object |
//! | `build/` | a graph of all that: what the objects say of each other, and what is beside them |
//! | `target.rs` | the database, and what may be in it |
//! | `texts.rs` | what is only stored: key-values, and the keyspaces of daemons |
//! | `findings.rs` | what can be wrong: a table of all kinds, and the report |
//! | `progress.rs` | how far it is |
//! | `zookeeper_commands.rs` | ids of daemons for another `ZooKeeper` |

mod build;
mod collect;
mod dump;
mod findings;
mod progress;
mod server;
mod source;
mod subnet_tags;
mod target;
mod texts;
mod zookeeper_commands;

use crate::{
    private_postgresql::{Mark, MarkError, PrivateError, PrivatePostgres},
    settings::{ImportSettings, Place, SettingsError},
    signals,
    store::{Database, StoreError, operation::MARK, wide_rows::WideRowError},
    timestamp::Timestamp,
};
use build::build;
use collect::Collected;
use dump::Dump;
use findings::{Report, one_line};
use progress::Progress;
use server::Server;
use source::Source;
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};
use target::{Target, Verdict};
use texts::Into;
use tokio::{sync::watch, task::block_in_place};

/// Why nothing is imported.
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
    /// A server that is read from does not answer, or something else than was expected.
    #[error("{server}: {text}")]
    Server {
        /// Its address.
        server: String,
        /// What is the matter, and at which request.
        text: String,
    },
    /// A keyspace or a table can't be called so.
    #[error(
        "{0}: 1 to 48 letters of ASCII, digits and underscores are expected as the name of a keyspace, or of a table"
    )]
    Name(String),
    /// The database does not store it.
    #[error("{0}")]
    Database(#[from] StoreError),
    /// The same, of what is written into tables.
    #[error("{0}")]
    Rows(#[from] WideRowError),
    /// The same, with its name and host.
    #[error("database {0}: {1}")]
    At(String, Box<Self>),
    /// The same, where it is known what that means.
    #[error("{0}; nothing was stored")]
    NotStored(Box<Self>),
    /// Nobody takes what is told.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The same of what was found, before anything was stored.
    #[error("nobody takes what was found: {0}; nothing was stored")]
    Untold(io::Error),
    /// A setting is wrong; the text names it.
    #[error("{0}")]
    Settings(String),
    /// Nothing may be written into the database.
    #[error("{0}: nothing can be imported into it")]
    Unwritable(String),
    /// The private PostgreSQL does not run, or a server runs on it.
    #[error("{0}")]
    Private(#[from] PrivateError),
    /// The mark beside the private database can't be kept.
    #[error("{0}")]
    Mark(#[from] MarkError),
    /// There is a configuration already.
    #[error(
        "the database has a configuration already, which an import would be mixed with: {0}. Nothing was stored; import into a new \
         database"
    )]
    InTheWay(String),
    /// Somebody has written while the source was read.
    #[error("somebody has written into the database meanwhile; nothing was stored, try it again")]
    Overtaken,
    /// There is no object in it.
    #[error("{0}: there are no objects in it; for keyspaces of daemons alone there is --keyspaces-only")]
    Nothing(String),
    /// What is wrong may not be.
    #[error("{0} findings; nothing was stored (--strict)")]
    Strict(u64),
    /// What was made of it does not hold together.
    #[error("what was made of it does not hold together, which is a fault of this program; nothing was stored: {0}")]
    Unsound(String),
    /// It was told to stop.
    #[error("stopped; nothing was stored")]
    Stopped,
}

impl From<SettingsError> for ImportError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error.to_string())
    }
}

impl ImportError {
    /// The same where all was to be stored together.
    fn in_one_transaction(self) -> Self {
        match self {
            // It is not known then.
            Self::Database(StoreError::Unknown { .. }) => self,
            Self::Database(_) | Self::Rows(_) | Self::File(..) | Self::Dump { .. } | Self::Server { .. } => {
                Self::NotStored(Box::new(self))
            }
            _ => self,
        }
    }

    /// The same, with the name and the host of the database where it is about that.
    fn of(self, database: &Database) -> Self {
        let is_about_it = |error: &Self| matches!(error, Self::Database(_) | Self::Rows(_) | Self::Unwritable(_));
        match &self {
            Self::NotStored(error) if is_about_it(error) => Self::At(database.place(), Box::new(self)),
            error if is_about_it(error) => Self::At(database.place(), Box::new(self)),
            _ => self,
        }
    }

    /// The exit status: 2 where a setting has to be changed, 3 where --strict refuses; 1 for all else.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::NotStored(error) | Self::At(_, error) => error.exit_status(),
            Self::Settings(_) => 2,
            Self::Private(error) if error.is_lasting() => 2,
            Self::Database(error) if error.is_lasting() || error.has_no_database() => 2,
            Self::Strict(_) => 3,
            _ => 1,
        }
    }
}

/// How long a database may take to be there.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// Imports, and prints what was found and what was done.
///
/// # Errors
/// When nothing was stored, and why.
pub async fn run(settings: &ImportSettings) -> Result<(), ImportError> {
    let stop = signals::listen()?;
    let progress = Progress::new(stop.clone());
    let result = import(settings, stop, &progress).await;
    progress.end();
    result
}

async fn import(
    settings: &ImportSettings,
    stop: watch::Receiver<bool>,
    progress: &Progress,
) -> Result<(), ImportError> {
    let model = Arc::new(settings.database.read_model(settings.schema_dir.as_deref())?);
    let place = settings.database.database_or_directory()?;
    let mut source = open(settings, &model, progress)?;
    // A source may take an hour.
    if let Place::Database(database) = &place
        && !(settings.dry_run && settings.keyspaces_only)
    {
        target::look_ahead(database, settings).await.map_err(|error| error.of(database))?;
    }
    let mut report = Report::new(Findings { progress: progress.clone(), line: Vec::new() });
    let mut collected = Collected::new(Arc::clone(&model), Timestamp::now(), settings.cluster_id.clone());
    block_in_place(|| source.read(&mut collected, &mut report))?;
    collected.tag_subnets();
    let mut told = Told { key_values: collected.key_values, ..Told::default() };
    for table in &collected.tables {
        let (rows, cells) = told.tables.entry(table.name.clone()).or_default();
        *rows += table.rows;
        *cells += table.cells;
    }
    told.ids = collected.ids;
    told.unspeakable.append(&mut collected.unspeakable);
    told.commands =
        settings.zookeeper_out.as_ref().filter(|_| !settings.dry_run).map(|file| file.display().to_string());
    if settings.keyspaces_only {
        if !settings.dry_run {
            let place = Where::open(place, stop).await?;
            let stored = target::store_keyspaces(&place.database, &mut *source, settings).await;
            place.close(stored).await?;
        }
        progress.end();
        told.print(if settings.dry_run { "would be stored" } else { "stored" }, &report);
        return Ok(());
    }
    if collected.objects.is_empty() {
        return Err(ImportError::Nothing(source.name()));
    }
    let built = block_in_place(|| build(&model, collected, progress, &mut report))?;
    told.objects = Some((built.graph.len(), built.reservations));
    if settings.strict && report.total() > 0 {
        progress.end();
        told.print("would be stored without --strict", &report);
        return Err(ImportError::Strict(report.total()));
    }
    let outcome = if settings.dry_run && matches!(place, Place::Private(_)) {
        "would be stored"
    } else {
        let place = Where::open(place, stop).await?;
        let outcome = place_in(settings, &place, &model, &built, &mut *source, progress).await;
        place.close(outcome).await?
    };
    progress.end();
    told.print(outcome, &report);
    Ok(())
}

/// Stores it, where it may be.
async fn place_in(
    settings: &ImportSettings,
    place: &Where,
    model: &Arc<crate::model::Model>,
    built: &build::Built,
    source: &mut dyn Source,
    progress: &Progress,
) -> Result<&'static str, ImportError> {
    let target = Target::look(place.database.clone(), model).await?;
    match target.judge(&built.graph)? {
        Verdict::TheSame => {
            if settings.zookeeper_out.is_some() && !settings.dry_run {
                target::store_texts(source, Into::Nowhere, settings)?;
            }
            Ok("there already, all as it would be imported; nothing was stored")
        }
        Verdict::Free if settings.dry_run => Ok("would be stored"),
        Verdict::Free => {
            target.store(model, built, source, settings, progress).await.map_err(ImportError::in_one_transaction)?;
            Ok("stored")
        }
    }
}

/// What is imported.
fn open(
    settings: &ImportSettings,
    model: &Arc<crate::model::Model>,
    progress: &Progress,
) -> Result<Box<dyn Source>, ImportError> {
    if ["http://", "https://"].iter().any(|scheme| settings.source.starts_with(scheme)) {
        return Ok(Box::new(Server::new(settings, progress.clone())?));
    }
    let dump = Dump::new((&settings.source).into(), Arc::clone(model), progress.clone(), settings.keyspaces_only)?;
    Ok(Box::new(dump))
}

/// The database, and the private PostgreSQL that was started for it.
struct Where {
    database: Database,
    private: Option<(PrivatePostgres, Mark)>,
}

impl Where {
    async fn open(place: Place, stop: watch::Receiver<bool>) -> Result<Self, ImportError> {
        let directory = match place {
            Place::Database(database) => {
                let is_there = database.wait_until_there(ARRIVES_WITHIN).await;
                is_there.map_err(|error| ImportError::from(error).of(&database))?;
                return Ok(Self { database, private: None });
            }
            Place::Private(directory) => directory,
        };
        let private = match PrivatePostgres::start(&directory, stop).await {
            Err(PrivateError::Stopped) => return Err(ImportError::Stopped),
            started => started?,
        };
        let database = Database::new(&private.database_url())?;
        let place = Self { database, private: Some((private, Mark::beside(&directory))) };
        match place.recognise().await {
            Ok(()) => Ok(place),
            Err(error) => place.close(Err(error)).await,
        }
    }

    /// Whether the files of the private database are those that the last server has left.
    async fn recognise(&self) -> Result<(), ImportError> {
        match &self.private {
            Some((_, mark)) if !self.database.is_empty().await? && self.database.pending_steps().await?.is_empty() => {
                mark.recognise(&mut self.database.connect(MARK).await?).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Stops what was started, whatever came of it.
    async fn close<T>(self, outcome: Result<T, ImportError>) -> Result<T, ImportError> {
        let outcome = outcome.map_err(|error| error.of(&self.database));
        let Some((private, mark)) = self.private else { return outcome };
        let marked = match &outcome {
            Ok(_) => mark.renew_on(&self.database).await,
            Err(_) => Ok(()),
        };
        private.stop().await?;
        let outcome = outcome?;
        marked?;
        Ok(outcome)
    }
}

/// Where findings go: standard output, beside the bar if there is one.
struct Findings {
    progress: Progress,
    line: Vec<u8>,
}

impl Write for Findings {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if self.line.ends_with(b"\n") {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let write = || io::stdout().lock().write_all(&line);
        if io::stdout().is_terminal() { self.progress.aside(write) } else { write() }
    }
}

/// What is told in the end.
#[derive(Default)]
struct Told {
    /// Objects, and reservations.
    objects: Option<(usize, usize)>,
    key_values: u64,
    /// By keyspace and table: rows and columns.
    tables: BTreeMap<(String, String), (u64, u64)>,
    /// How many ids of `ZooKeeper` its client can be told, and where that is written.
    ids: u64,
    commands: Option<String>,
    /// The paths of those that it can't be told.
    unspeakable: Vec<String>,
}

impl Told {
    /// Prints it. What was done was done, whether somebody takes this or not.
    fn print(&self, outcome: &str, report: &Report) {
        if let Err(error) = self.write(outcome, report) {
            let _ = writeln!(io::stderr(), "cirrus: {outcome}; nobody takes what there is to tell of it: {error}");
        }
    }

    fn write(&self, outcome: &str, report: &Report) -> io::Result<()> {
        let mut output = io::stdout().lock();
        for (kind, count) in report.counts() {
            writeln!(output, "{count} of {}: {}; {}", kind.name, kind.meaning, kind.remedy)?;
        }
        writeln!(output, "{} findings", report.total())?;
        for ((keyspace, table), (rows, cells)) in &self.tables {
            writeln!(output, "{keyspace}.{table}: {rows} rows with {cells} columns {outcome}")?;
        }
        let ids = self.ids;
        match &self.commands {
            Some(file) => writeln!(output, "ZooKeeper: commands for {ids} ids of daemons in {file}")?,
            None if ids > 0 => {
                writeln!(
                    output,
                    "ZooKeeper: {ids} ids of daemons, for which --zookeeper-out FILE writes the commands"
                )?;
            }
            None => {}
        }
        for path in &self.unspeakable {
            let path = one_line(path);
            writeln!(output, "ZooKeeper: {path}: its client can't be told that; left out")?;
        }
        if let Some((objects, reservations)) = self.objects {
            let key_values = self.key_values;
            writeln!(
                output,
                "{objects} objects, {reservations} reserved addresses, {key_values} key-values {outcome}"
            )?;
        }
        Ok(())
    }
}
