//! `cirrus migrate`, which brings the tables of a database up to date, and `cirrus new-epoch`, which tells the readers of its log that
//! it was put back.

use crate::{
    settings::{MigrateSettings, NewEpochSettings, SettingsError},
    store::{StoreError, operation, sequence},
};
use std::{io::Write, time::Instant};

/// Why the tables are not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A setting is wrong, or nobody said where the database is.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The database, and what is the matter with it.
    #[error("database {0}: {1}")]
    Store(String, StoreError),
    /// Nobody takes what there is to tell.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl MigrationError {
    /// 2 where somebody has to change something before it can work, else 1.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Store(_, error) if error.is_lasting() => 2,
            Self::Store(..) | Self::Io(_) => 1,
        }
    }
}

/// Tells of each step that there is to do, and does them, unless it is only asked which there are.
///
/// # Errors
/// When a step fails; those before it are done, and it is not.
pub async fn migrate(settings: &MigrateSettings) -> Result<(), MigrationError> {
    let model = settings.database.read_model(settings.schema_dir.as_deref())?;
    let database = settings.database.database()?;
    let refused = |error| MigrationError::Store(database.place(), error);
    let steps = database.pending_steps().await.map_err(refused)?;
    let mut output = std::io::stdout().lock();
    for step in &steps {
        writeln!(output, "step {} ({}): {}", step.version, step.description, step.takes)?;
    }
    if steps.is_empty() {
        writeln!(output, "the tables are up to date")?;
    }
    if settings.dry_run {
        return Ok(());
    }
    output.flush()?;
    let begin = Instant::now();
    // Also where there is nothing to do: the views may be of another data model.
    database.migrate(&model).await.map_err(refused)?;
    if !steps.is_empty() {
        writeln!(output, "{} steps done in {:.1} s", steps.len(), begin.elapsed().as_secs_f64())?;
    }
    Ok(())
}

/// Begins another epoch of revisions.
///
/// # Errors
/// When the database is away, or has tables of another release.
pub async fn new_epoch(settings: &NewEpochSettings) -> Result<(), MigrationError> {
    let database = settings.database.database()?;
    let refused = |error| MigrationError::Store(database.place(), error);
    let mut session = database.connect(operation::MARK).await.map_err(refused)?;
    sequence::begin_epoch(&mut session).await.map_err(refused)?;
    let state = sequence::peek(&mut session).await.map_err(refused)?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "a new epoch of revisions begins after {}-{}", state.epoch, state.last_revision)?;
    Ok(())
}
