//! `cirrus check`: whether a database is sound.

use crate::{
    graph::Graph,
    model::{Model, SchemaError},
    settings::CheckSettings,
    store::{Database, StoreError, check, operation},
};
use std::{io::Write, sync::Arc};

/// Why a database was not found sound.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The data model has a mistake.
    #[error("data model: {0}")]
    Schema(#[from] SchemaError),
    /// The database can't be looked at.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// Its tables are those of another release.
    #[error("the tables are of an earlier release: start a server of this one first, which brings them up to date")]
    NotMigrated,
    /// It is not sound.
    #[error("{0} findings")]
    Unsound(usize),
    /// Nobody takes what was found.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Prints what was looked at, and a line for each thing that is not as it should be.
///
/// # Errors
/// When there is such a thing, or the database can't be looked at.
pub async fn run(settings: &CheckSettings) -> Result<(), CheckError> {
    let model = Arc::new(Model::read(settings.schema_dir.as_deref())?);
    let database = Database::new(&settings.database_url)?;
    if !database.pending_steps().await?.is_empty() {
        return Err(CheckError::NotMigrated);
    }
    let checked = check(&mut database.connect(operation::CHECK).await?, Graph::new(model)).await?;
    let mut output = std::io::stdout().lock();
    for finding in &checked.findings {
        writeln!(output, "{finding}")?;
    }
    let (graph, addresses) = (&checked.graph, checked.graph.pools().all_held().count());
    let position = graph.position();
    writeln!(output, "{} objects, {addresses} addresses, {} changes, up to {position}", graph.len(), checked.changes)?;
    match checked.findings.len() {
        0 => Ok(()),
        findings => Err(CheckError::Unsound(findings)),
    }
}
