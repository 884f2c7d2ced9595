//! `cirrus check`: whether a database is sound, and what is done about what is not.

mod report;

use crate::{
    finding::Findings,
    graph::Graph,
    model::Model,
    replica::in_turn,
    settings::{CheckSettings, SettingsError},
    store::{
        Checked, Database, StoreError, check, operation,
        repair::{Repaired, is_writable, make_room, plan, repair_in},
    },
};
use indicatif::ProgressBar;
use report::Report;
use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

/// Why a database was not found sound.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A setting is wrong, or nobody said where the database is.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The database can't be looked at.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The same, with its name and host.
    #[error("database {0}: {1}")]
    Database(String, Box<StoreError>),
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
    Io(#[from] io::Error),
}

impl CheckError {
    /// 1 where something was found, 2 where it could not be looked for, or not be told of.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Unsound(_) | Self::Refused(_) => 1,
            Self::Settings(_) | Self::Store(_) | Self::Database(..) | Self::ReadOnly | Self::Io(_) => 2,
        }
    }

    /// The same, with the name and the host of the database where it is about that.
    fn of(self, database: &Database) -> Self {
        match self {
            Self::Store(error) => Self::Database(database.place(), Box::new(error)),
            other => other,
        }
    }
}

/// Prints what was looked at, and a line for each thing that is not as it should be; with `--repair`, what would be done about it, and
/// with `--apply`, after it was done, what is left.
///
/// # Errors
/// When there is such a thing, or the database can't be looked at.
pub async fn run(settings: &CheckSettings) -> Result<(), CheckError> {
    if settings.list {
        io::stdout().lock().write_all(report::kinds().as_bytes())?;
        return Ok(());
    }
    let model = Arc::new(settings.database.read_model(settings.schema_dir.as_deref())?);
    let database = settings.database.database()?;
    look(settings, &model, &database).await.map_err(|error| error.of(&database))
}

async fn look(settings: &CheckSettings, model: &Arc<Model>, database: &Database) -> Result<(), CheckError> {
    let mut output = io::stdout().lock();
    database.has_current_tables().await?;
    let report = Report { json: settings.json, lines: settings.lines, repair: settings.repair };
    let looking = Looking::new();
    let mut session = database.connect(operation::CHECK).await?;
    let checked = check(&mut session, Graph::new(Arc::clone(model)), &|what| looking.at(what)).await?;
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
    let repaired = in_turn(database, operation::REPAIR, async |mut transaction| {
        let repaired = repair_in(&mut transaction, model, &|what| looking.at(what)).await?;
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
    report.print_repaired(&mut output, &before, statements, &after).map_err(|error| {
        io::Error::new(error.kind(), format!("{statements} repaired; nobody takes what else there is to tell: {error}"))
    })?;
    sound(&after.findings)
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
        if io::stderr().is_terminal() {
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
