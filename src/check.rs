//! `cirrus check`: whether a database is sound, and what is done about what is not.

mod report;

use crate::{
    finding::Findings,
    graph::Graph,
    model::{Model, SchemaError},
    replica::in_turn,
    settings::CheckSettings,
    store::{
        Checked, Database, StoreError, check, operation,
        repair::{Repaired, is_writable, make_room, plan, repair_in},
    },
};
use indicatif::ProgressBar;
use report::Report;
use std::{
    io::{IsTerminal, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// Why a database was not found sound.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The data model has a mistake.
    #[error("{place}data model: {error}")]
    Schema {
        /// The setting that says where it is.
        place: String,
        /// The mistake.
        error: SchemaError,
    },
    /// Nobody said where the database is.
    #[error("--database-url: the database is needed, as postgresql://user:password@host/name")]
    NoDatabase,
    /// The database can't be looked at.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// It can't be repaired.
    #[error("the database is read-only, or a standby: nothing can be repaired in it. Name the primary")]
    ReadOnly,
    /// It is not sound.
    #[error("{0} findings")]
    Unsound(usize),
    /// What was to be repaired is as it was.
    #[error("nothing was repaired: {0}")]
    Refused(String),
    /// Nobody takes what was found.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl CheckError {
    /// 1 where something was found, 2 where it could not be looked for, or not be told of.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Unsound(_) | Self::Refused(_) => 1,
            Self::Schema { .. } | Self::NoDatabase | Self::Store(_) | Self::ReadOnly | Self::Io(_) => 2,
        }
    }
}

/// Prints what was looked at, and a line for each thing that is not as it should be; with `--repair`, what would be done about it, and
/// with `--apply`, after it was done, what is left.
///
/// # Errors
/// When there is such a thing, or the database can't be looked at.
pub async fn run(settings: &CheckSettings) -> Result<(), CheckError> {
    let mut output = std::io::stdout().lock();
    if settings.list {
        output.write_all(report::kinds().as_bytes())?;
        return Ok(());
    }
    let model = read_model(settings.schema_dir.as_deref())?;
    let database = Database::new(settings.database_url.as_deref().ok_or(CheckError::NoDatabase)?)?;
    database.has_current_tables().await?;
    let report = Report { json: settings.json, lines: settings.lines, repair: settings.repair };
    let looking = Looking::new();
    let mut session = database.connect(operation::CHECK).await?;
    let checked = check(&mut session, Graph::new(Arc::clone(&model)), &|what| looking.at(what)).await?;
    let planned = plan(&checked.findings);
    let objects = planned.iter().filter(|(finding, _)| finding.place.object().is_some()).count();
    if !settings.apply || planned.is_empty() {
        looking.end();
        report.print(&mut output, &checked)?;
        return sound(&checked.findings);
    }
    if !is_writable(&mut session).await? {
        return Err(CheckError::ReadOnly);
    }
    // What the tables were then may be another thing now: it is looked for again, in turn.
    drop(checked);
    make_room(&mut session, objects).await?;
    session.close().await?;
    let repaired = in_turn(&database, operation::REPAIR, async |mut transaction| {
        let repaired = repair_in(&mut transaction, &model, &|what| looking.at(what)).await?;
        if repaired.refused.is_some() {
            transaction.roll_back().await?;
        } else {
            transaction.commit().await?;
        }
        Ok(repaired)
    })
    .await?;
    looking.end();
    let Repaired { before, after, statements, refused } = repaired;
    if let Some(text) = refused {
        report.print(&mut output, &before)?;
        return Err(CheckError::Refused(text));
    }
    report.print_repaired(&mut output, &before, statements, &after)?;
    sound(&after.findings)
}

fn read_model(directory: Option<&Path>) -> Result<Arc<Model>, CheckError> {
    let refused = |error| {
        let place = directory.map(|directory| format!("--schema-dir {}: ", directory.display())).unwrap_or_default();
        CheckError::Schema { place, error }
    };
    Model::read(directory).map(Arc::new).map_err(refused)
}

fn sound(findings: &Findings) -> Result<(), CheckError> {
    match findings.faults() {
        0 => Ok(()),
        faults => Err(CheckError::Unsound(faults)),
    }
}

/// What is looked at now, for somebody at a terminal.
struct Looking(ProgressBar);

impl Looking {
    fn new() -> Self {
        // It draws nothing where nobody is at the other end.
        let bar = ProgressBar::new_spinner();
        if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self(bar)
    }

    fn at(&self, what: &'static str) {
        self.0.set_message(what);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
