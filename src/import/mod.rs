//! `cirrus import`: a whole configuration from elsewhere, with all that belongs to it, in one transaction.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `source.rs` | what sources tell, whatever they are |
//! | `dump/` | dumps of `db_json_exim`: read as a stream (`reader.rs`, `unwrapping.rs`), row by row (`rows.rs`) |
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
mod source;
mod zookeeper_commands;

use crate::store::{StoreError, wide_rows::WideRowError};
use std::io;

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
    /// What was made of it does not hold together.
    #[error("what was made of it does not hold together, which is a fault of this program; nothing was stored: {0}")]
    Unsound(String),
    /// It was told to stop.
    #[error("stopped; nothing was stored")]
    Stopped,
}

impl ImportError {
    /// The exit status: 2 where a setting has to be changed, 3 where it is too strict; 1 for all else.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::File(..) => 1,
            _ => 1,
        }
    }
}

/// Imports.
///
/// # Errors
/// When nothing is imported, and why.
pub async fn run(settings: &crate::settings::ImportSettings) -> Result<(), ImportError> {
    let model =
        std::sync::Arc::new(settings.read_model().map_err(|text| ImportError::Server { server: String::new(), text })?);
    let stop = crate::signals::listen()?;
    let progress = progress::Progress::new(stop);
    let mut report = findings::Report::new(io::stdout());
    let mut source =
        dump::Dump::new(settings.source.clone().into(), model.clone(), progress.clone(), settings.keyspaces_only);
    let mut collected = collect::Collected::new(model.clone(), crate::timestamp::Timestamp::now());
    source::Source::read(&mut source, &mut collected, &mut report)?;
    build::build(&model, collected, &progress, &mut report)?;
    Ok(())
}
