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
    /// Nobody takes what there is to tell before anything is done.
    #[error("nothing was done: nobody takes what there is to tell: {0}")]
    Io(#[from] std::io::Error),
}

impl MigrationError {
    /// 2 where somebody has to change something before it can work, else 1.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Store(_, StoreError::Earlier) => 2,
            Self::Store(_, error) if error.is_lasting() || error.has_no_database() => 2,
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
    if steps.is_empty() && database.is_current_copy(&model).await.map_err(refused)? {
        return Ok(());
    }
    let begin = Instant::now();
    // Also where there is nothing to do: the views may be of another data model.
    database.migrate(&model).await.map_err(refused)?;
    if !steps.is_empty() {
        tell(&mut output, &format!("{} steps done in {:.1} s", steps.len(), begin.elapsed().as_secs_f64()));
    }
    Ok(())
}

/// What was done was done, whether somebody takes the word of it or not.
fn tell(output: &mut impl Write, text: &str) {
    if let Err(error) = writeln!(output, "{text}") {
        let _ = writeln!(std::io::stderr(), "cirrus: {text}; nobody takes the word of it: {error}");
    }
}

/// Begins another epoch of revisions.
///
/// # Errors
/// When the database is away, or has tables of another release.
pub async fn new_epoch(settings: &NewEpochSettings) -> Result<(), MigrationError> {
    let database = settings.database.database()?;
    let refused = |error| MigrationError::Store(database.place(), error);
    // Tables of another release may mean something else by an epoch.
    database.has_current_tables().await.map_err(refused)?;
    let mut session = database.connect(operation::MARK).await.map_err(refused)?;
    sequence::begin_epoch(&mut session).await.map_err(refused)?;
    let state = sequence::peek(&mut session).await.map_err(refused)?;
    let told = format!("a new epoch of revisions begins after {}-{}", state.epoch, state.last_revision);
    tell(&mut std::io::stdout().lock(), &told);
    Ok(())
}
