//! What goes wrong with the private PostgreSQL, and what to do then.

use crate::store::StoreError;
use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

/// What can go wrong with the private PostgreSQL; the texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// It was time to stop before PostgreSQL was ready; nothing of it is left running.
    #[error("stopped before PostgreSQL was ready")]
    Stopped,
    /// A file or directory cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server holds the lock.
    #[error(
        "the data directory {} is in use by another server{holder}: stop that one, or give this one a data directory of \
         its own", directory.display()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The other's process, if it is known.
        holder: String,
    },
    /// No PostgreSQL anywhere.
    #[error(
        "PostgreSQL is not installed. Install it with: {command}\n(it need not be running: the server starts its own. \
         CIRRUS_POSTGRESQL_BIN names the directory of its programs if they are in an unusual place; a database URL \
         makes the server use a PostgreSQL that runs already)"
    )]
    NotInstalled {
        /// The command that installs it.
        command: String,
    },
    /// Only versions that are too old.
    #[error("the installed PostgreSQL is too old ({found}; needed is {oldest} or newer). Install one with: {command}")]
    TooOld {
        /// The versions that were found.
        found: String,
        /// The oldest that will do.
        oldest: u32,
        /// The command that installs one.
        command: String,
    },
    /// The cluster wants another version.
    #[error(
        "the database in {} was made by PostgreSQL {wanted}, which is not installed (found: {found}). Install it with: \
         {command}\n(or convert the database with pg_upgrade)", cluster.display()
    )]
    WrongVersion {
        /// The cluster.
        cluster: PathBuf,
        /// The version that it wants.
        wanted: u32,
        /// The versions that were found.
        found: String,
        /// The command that installs it.
        command: String,
    },
    /// `CIRRUS_POSTGRESQL_BIN` names a wrong directory.
    #[error(
        "CIRRUS_POSTGRESQL_BIN is {}, but postgres, initdb and pg_ctl are not all there: name the directory they are \
         in, or unset it", directory.display()
    )]
    NotThere {
        /// What it names.
        directory: PathBuf,
    },
    /// We are root, and there is nobody else.
    #[error(
        "PostgreSQL refuses to run as root, and /etc/passwd has neither a user postgres nor a user nobody: run the \
         server as an ordinary user, or make one with: useradd --system postgres"
    )]
    NoUnprivilegedUser,
    /// The unprivileged user cannot get to the data directory.
    #[error(
        "PostgreSQL refuses to run as root, so it runs as the user {user}, who may not enter {}: choose a data directory \
         outside of it instead of {}, or allow it with: chmod o+x {}",
        blocked.display(), directory.display(), blocked.display()
    )]
    NotTraversable {
        /// The user.
        user: String,
        /// The data directory.
        directory: PathBuf,
        /// The directory on the way to it that is closed.
        blocked: PathBuf,
    },
    /// The cluster is somebody else's.
    #[error(
        "{} belongs to {owner}: run the server as that user (or as root), or choose another data directory",
        directory.display()
    )]
    WrongOwner {
        /// The cluster.
        directory: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// Something is in the place of the cluster.
    #[error(
        "{} is not a PostgreSQL cluster (it has no readable PG_VERSION): move it away, or choose another data directory",
        directory.display()
    )]
    NotACluster {
        /// The directory.
        directory: PathBuf,
    },
    /// Something is in the place of the socket directory.
    #[error("{} is not a directory of the user {user}: remove it, or choose another data directory", directory.display())]
    ForeignSocketDirectory {
        /// The socket directory.
        directory: PathBuf,
        /// Who should own it.
        user: String,
    },
    /// A program cannot be run.
    #[error("cannot run {}: {source}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{} failed ({status}):\n{}", program.display(), output.trim())]
    ProgramFailed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// PostgreSQL ended while it was starting.
    #[error("PostgreSQL ended by itself ({status}). The end of {}:\n{lines}", log.display())]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        lines: String,
    },
    /// PostgreSQL does not accept connections.
    #[error("PostgreSQL accepts no connections after {seconds} s. The end of {}:\n{lines}", log.display())]
    TooSlow {
        /// How long we have waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        lines: String,
    },
    /// PostgreSQL refuses us.
    #[error("the private PostgreSQL refuses the connection: {0}")]
    Connection(#[source] StoreError),
    /// Nothing ends a process.
    #[error("process {process} of PostgreSQL does not end, not even when it is killed: look what it waits for")]
    NotStopped {
        /// The process.
        process: u32,
    },
    /// The operating system does not tell us about our child.
    #[error("cannot wait for PostgreSQL: {0}")]
    Wait(#[source] io::Error),
    /// The task that watches PostgreSQL broke.
    #[error("the supervision of PostgreSQL broke off: {0}")]
    Supervision(#[source] tokio::task::JoinError),
}

impl PrivateError {
    pub(super) fn directory(path: &Path, source: io::Error) -> PrivateError {
        PrivateError::Directory { path: path.to_owned(), source }
    }

    pub(super) fn program(program: &Path, source: io::Error) -> PrivateError {
        PrivateError::Program { program: program.to_owned(), source }
    }

    /// Whether somebody has to install, move or allow something before it can work.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::NotInstalled { .. }
            | Self::TooOld { .. }
            | Self::WrongVersion { .. }
            | Self::NotThere { .. }
            | Self::NoUnprivilegedUser
            | Self::NotTraversable { .. }
            | Self::WrongOwner { .. }
            | Self::NotACluster { .. }
            | Self::ForeignSocketDirectory { .. } => true,
            Self::Directory { source, .. } => {
                matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory)
            }
            _ => false,
        }
    }

    /// Whether PostgreSQL says that an earlier one still is at work here, which passes.
    pub(super) fn is_in_use(&self) -> bool {
        matches!(self, PrivateError::Exited { lines, .. }
            if lines.contains("still in use") || lines.contains("already exists"))
    }
}
