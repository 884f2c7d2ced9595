//! What goes wrong with the database, and what that means for whoever asked.

use super::{
    operation::{ARRIVAL, Again, Operation},
    refusal::{self, AWAY, NO_PRIMARY, Refusal, UNKNOWN, UNREADABLE},
    session::ends_session,
};
use sqlx::{error::DatabaseError, migrate::MigrateError};
use std::{io, time::Duration};

/// What goes wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refuses, or can't be reached.
    #[error("{}", described(*.operation, .error))]
    Database {
        /// What was asked.
        operation: Operation,
        /// What came instead of an answer.
        error: sqlx::Error,
    },
    /// Of several hosts none is the one to ask.
    #[error("none of the hosts is a primary that takes writes: {hosts}")]
    NoPrimary {
        /// What is the matter with each.
        hosts: String,
        /// Whether somebody has to change something at one of them.
        is_lasting: bool,
    },
    /// It is not known where the database is.
    #[error("{0}")]
    Address(String),
    /// The tables can't be brought up to date.
    #[error("migration: {}", told_migration(.0))]
    Migration(#[from] MigrateError),
    /// The answer to a statement that writes did not come.
    #[error("it is not known whether it was written: {error}: {}", .operation.name)]
    Unknown {
        /// What was asked.
        operation: Operation,
        /// What came instead of an answer.
        error: sqlx::Error,
    },
    /// What is stored can't be read: it is damaged, or of a release that this one does not know.
    #[error("unexpected row in the database: {0}")]
    Row(String),
    /// The tables are those of a later release.
    #[error(
        "it was used by a newer release of Cirrus: its tables have step {found}, and this release knows steps up to \
         {known}. Start that release again, or a newer one"
    )]
    Newer {
        /// A step that this release does not know.
        found: i64,
        /// The last step that this release knows.
        known: i64,
    },
    /// The tables are those of an earlier release, or there are none.
    #[error(
        "its tables are of an earlier release, or there are none: `cirrus migrate`, or a server that is started on it, makes them"
    )]
    Earlier,
    /// Not every name can be stored.
    #[error(
        "it is in the encoding {0}, which can't hold every name: UTF8 is needed. Make one with: create database NAME \
         encoding 'UTF8' locale 'C' template template0"
    )]
    Encoding(String),
}

/// What an error says, without the line of PostgreSQL's own source.
pub fn told(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Configuration(error) => error.to_string(),
        // What a session says of itself ([`no_answer`]) needs no introduction.
        sqlx::Error::Io(error)
            if error.get_ref().is_some()
                && matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::NotConnected) =>
        {
            error.to_string()
        }
        error => error.to_string(),
    }
}

/// What an error says, after words for what usually is the matter with a database, or on the way to it.
pub fn worded(error: &sqlx::Error) -> String {
    let words = match error {
        sqlx::Error::Database(error) => error.code().and_then(|code| refusal::words(&code)),
        sqlx::Error::Io(error) => on_the_way(error),
        _ => None,
    };
    // The library's own introduction says no more than these words.
    let said = match error {
        sqlx::Error::Io(error) if words.is_some() => error.to_string(),
        error => told(error),
    };
    words.map_or(said.clone(), |words| format!("{words}: {said}"))
}

/// The same, with what was asked, where that says something: not whether there is a database.
fn described(operation: Operation, error: &sqlx::Error) -> String {
    let is_way = matches!(error, sqlx::Error::Io(error) if on_the_way(error).is_some());
    let is_known = matches!(error, sqlx::Error::Database(error)
        if error.code().is_some_and(|code| refusal::is_at_the_door(&code)));
    let worded = worded(error);
    if is_way || is_known || operation == ARRIVAL { worded } else { format!("{worded}: {}", operation.name) }
}

/// Why nobody was reached, in words.
fn on_the_way(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("no PostgreSQL listens there"),
        io::ErrorKind::NotFound => Some("there is no socket of a PostgreSQL there"),
        io::ErrorKind::PermissionDenied => Some("its socket may not be used"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some("its host can't be reached"),
        // The standard library has no kind for it.
        _ if error.to_string().contains("failed to lookup address") => Some("its host is not known"),
        _ => None,
    }
}

fn told_migration(error: &MigrateError) -> String {
    match error {
        MigrateError::Execute(error) => worded(error),
        MigrateError::ExecuteMigration(error, step) => format!("step {step}: {}", worded(error)),
        error => error.to_string(),
    }
}

/// A value of a row that is not what the table should have.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Row(error.to_string())
    }
}

/// How the database takes a failed statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The session is gone, or the answer did not come: a statement that was sent may have been carried out.
    Connection,
    /// What was sent is refused, and nothing was done; the same will be refused again.
    Data,
    /// The database does nothing at the moment, and has done nothing; it says why.
    Refused,
}

impl StoreError {
    /// What a question ends with.
    pub(super) fn of(operation: Operation, error: sqlx::Error) -> Self {
        Self::Database { operation, error }
    }

    /// There was no answer in time.
    pub fn late(operation: Operation, limit: Duration) -> Self {
        Self::of(operation, no_answer(limit))
    }

    /// The same where it was a statement that writes by itself.
    pub fn of_write(self) -> Self {
        match self {
            Self::Database { operation, error } if ends_session(&error) => Self::Unknown { operation, error },
            other => other,
        }
    }

    /// The same with the place of what can't be read.
    pub(super) fn at(self, place: impl FnOnce() -> String) -> Self {
        match self {
            Self::Row(text) => Self::Row(format!("{}: {text}", place())),
            other => other,
        }
    }

    /// The database's own error, if it has answered with one.
    fn answer(&self) -> Option<&dyn DatabaseError> {
        match self {
            Self::Database { error: sqlx::Error::Database(error), .. } => Some(&**error),
            Self::Database { .. }
            | Self::NoPrimary { .. }
            | Self::Address(_)
            | Self::Migration(_)
            | Self::Unknown { .. }
            | Self::Row(_)
            | Self::Newer { .. }
            | Self::Earlier
            | Self::Encoding(_) => None,
        }
    }

    fn has_code(&self, code: &str) -> bool {
        self.answer().and_then(DatabaseError::code).is_some_and(|found| found.starts_with(code))
    }

    /// The constraint that a row breaks, if it is one.
    pub fn constraint(&self) -> Option<&str> {
        self.answer().and_then(DatabaseError::constraint)
    }

    /// Whether nobody listens, or says nothing.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Database { error: sqlx::Error::Io(_), .. })
    }

    /// Whether it is there, but recovering, or still about to end.
    pub fn is_starting(&self) -> bool {
        self.has_code("57P03")
    }

    /// Whether the database in the cluster is not there.
    pub fn has_no_database(&self) -> bool {
        self.has_code("3D000")
    }

    /// Whether the same may work in a moment: nobody listens yet, or the database is starting, or has no connection left.
    pub(super) fn is_passing(&self) -> bool {
        let is_failing_over = matches!(self, Self::NoPrimary { is_lasting: false, .. });
        is_failing_over || self.is_silence() || self.refusal().is_some_and(|refusal| refusal.passes)
    }

    /// Whether somebody has to change something before it can work: the address, the password (class 28), or the database.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Database { error: sqlx::Error::Configuration(_), .. }
            | Self::Address(_)
            | Self::Newer { .. }
            | Self::Encoding(_) => true,
            Self::NoPrimary { is_lasting, .. } => *is_lasting,
            Self::Database { .. } => self.has_code("28"),
            Self::Migration(_) | Self::Earlier | Self::Unknown { .. } | Self::Row(_) => false,
        }
    }

    /// Whether a lock was not to be had in time (`lock_not_available`).
    pub(super) fn is_waiting_for_others(&self) -> bool {
        self.refusal().is_some_and(Refusal::is_lock)
    }

    /// What kind of failure of a statement it is.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Database { error: sqlx::Error::Encode(_), .. } => Failure::Data,
            Self::Database { error, .. } if ends_session(error) => Failure::Connection,
            // Classes 22 (data exception) and 23 (integrity constraint) speak of the rows; all others of the database.
            Self::Database { .. } if self.has_code("22") || self.has_code("23") => Failure::Data,
            // What is stored already and can't be read is not the fault of who asks.
            Self::Database { .. } | Self::Row(_) => Failure::Refused,
            Self::NoPrimary { .. }
            | Self::Address(_)
            | Self::Migration(_)
            | Self::Unknown { .. }
            | Self::Newer { .. }
            | Self::Earlier
            | Self::Encoding(_) => Failure::Connection,
        }
    }

    /// Whether the same may be asked again at once, in a new session: the table of operations says so for what has no answer, and
    /// that of refusals for the others.
    pub fn is_worth_another_try(&self) -> bool {
        match (self.failure(), self) {
            (Failure::Connection, Self::Database { operation, .. }) => operation.again == Again::AtOnce,
            (Failure::Connection | Failure::Data, _) => false,
            (Failure::Refused, _) => self.refusal().is_none_or(|refusal| refusal.is_worth_another_try),
        }
    }

    /// What the database says for itself, if it is something that is known here.
    pub fn refusal(&self) -> Option<&'static Refusal> {
        Refusal::of(&self.answer()?.code()?)
    }

    /// What is told to a client whose request was not performed because of it.
    pub fn told(&self) -> String {
        match self {
            Self::Database { operation, error: sqlx::Error::Database(error) } => match self.refusal() {
                Some(refusal) => refusal.text(operation.held_up),
                None => refusal::other(error.message()),
            },
            Self::Unknown { .. } => UNKNOWN.to_owned(),
            Self::Row(_) => UNREADABLE.to_owned(),
            Self::NoPrimary { .. } => NO_PRIMARY.to_owned(),
            Self::Database { .. }
            | Self::Address(_)
            | Self::Migration(_)
            | Self::Newer { .. }
            | Self::Earlier
            | Self::Encoding(_) => AWAY.to_owned(),
        }
    }
}

/// Nothing came within this time.
pub(super) fn no_answer(limit: Duration) -> sqlx::Error {
    let text = format!("the database did not answer within {} s", limit.as_secs_f64());
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::operation::{CHECK, STEPS};

    fn io_error(error: impl Into<io::Error>, operation: Operation) -> String {
        StoreError::of(operation, sqlx::Error::Io(error.into())).to_string()
    }

    #[test]
    fn who_is_not_reached_is_told_in_words() {
        let refused = io_error(io::ErrorKind::ConnectionRefused, STEPS);
        assert_eq!(refused, "no PostgreSQL listens there: connection refused");
        let unknown =
            io_error(io::Error::other("failed to lookup address information: Name or service not known"), CHECK);
        assert!(unknown.starts_with("its host is not known: failed to lookup"), "{unknown}");
        let late = StoreError::late(ARRIVAL, Duration::from_secs(4)).to_string();
        assert_eq!(late, "the database did not answer within 4 s");
        let late = StoreError::late(CHECK, Duration::from_secs(4)).to_string();
        assert_eq!(late, "the database did not answer within 4 s: check");
    }
}
