//! What a client is told when something went wrong.

use super::{Output, PreparedId};
use std::borrow::Cow;

/// An answer of opcode ERROR.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// What programs act on.
    pub kind: ErrorKind,
    /// What people read.
    pub text: String,
}

/// Kinds of errors, with what belongs to them besides a text (CQL contract 1.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// Of the server itself.
    Server,
    /// The frame is not what the protocol wants.
    Protocol,
    /// Nobody is known by these credentials.
    BadCredentials,
    /// Too few replicas are alive.
    Unavailable {
        /// As asked for.
        consistency: u16,
        /// Replicas that are needed.
        required: i32,
        /// Replicas that are alive.
        alive: i32,
    },
    /// Too much is asked at once.
    Overloaded,
    /// It is not known whether the write was done.
    WriteTimeout {
        /// As asked for.
        consistency: u16,
        /// Replicas that have answered.
        received: i32,
        /// Replicas that are needed.
        required: i32,
        /// `SIMPLE`, `UNLOGGED_BATCH`, `BATCH` ...
        write_type: &'static str,
    },
    /// The text is not a statement.
    Syntax,
    /// The caller may not do this.
    Unauthorized,
    /// The statement does not suit what is there.
    Invalid,
    /// The statement is refused for how the server is set up.
    Configuration,
    /// What shall be created is there.
    AlreadyExists {
        /// The keyspace, or that of the table.
        keyspace: String,
        /// Empty if it is about a keyspace.
        table: String,
    },
    /// The statement of this id is not known: the client prepares it again.
    Unprepared(PreparedId),
}

/// What daemons ask with.
const QUORUM: u16 = 4;
/// How much of a name that a client has sent is shown again.
const MOST_SHOWN: usize = 100;

/// A name of a client's for a text: who has sent it knows the rest.
pub fn shown(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}...", name.get(..end).unwrap_or_default()).into(),
        None => name.into(),
    }
}

impl ErrorKind {
    /// Nothing can be read or written at the moment; drivers ask another process then.
    pub const UNAVAILABLE: Self = Self::Unavailable { consistency: QUORUM, required: 1, alive: 0 };
    /// It is not known whether a write was done; it may be made again.
    pub const OUTCOME_UNKNOWN: Self =
        Self::WriteTimeout { consistency: QUORUM, received: 0, required: 1, write_type: "SIMPLE" };

    /// The number that stands for it.
    pub fn code(&self) -> u32 {
        match self {
            Self::Server => 0x0000,
            Self::Protocol => 0x000A,
            Self::BadCredentials => 0x0100,
            Self::Unavailable { .. } => 0x1000,
            Self::Overloaded => 0x1001,
            Self::WriteTimeout { .. } => 0x1100,
            Self::Syntax => 0x2000,
            Self::Unauthorized => 0x2100,
            Self::Invalid => 0x2200,
            Self::Configuration => 0x2300,
            Self::AlreadyExists { .. } => 0x2400,
            Self::Unprepared(_) => 0x2500,
        }
    }

    /// An error of this kind.
    pub fn with(self, text: impl Into<String>) -> Error {
        Error { kind: self, text: text.into() }
    }
}

impl Error {
    /// Writes the body of the answer.
    pub(super) fn write(&self, output: &mut impl Output) {
        output.put(&self.kind.code().to_be_bytes());
        output.string(&self.text);
        match &self.kind {
            ErrorKind::Unavailable { consistency, required, alive } => {
                output.short(*consistency);
                output.int(*required);
                output.int(*alive);
            }
            ErrorKind::WriteTimeout { consistency, received, required, write_type } => {
                output.short(*consistency);
                output.int(*received);
                output.int(*required);
                output.string(write_type);
            }
            ErrorKind::AlreadyExists { keyspace, table } => {
                output.string(keyspace);
                output.string(table);
            }
            ErrorKind::Unprepared(id) => id.write(output),
            ErrorKind::Server
            | ErrorKind::Protocol
            | ErrorKind::BadCredentials
            | ErrorKind::Overloaded
            | ErrorKind::Syntax
            | ErrorKind::Unauthorized
            | ErrorKind::Invalid
            | ErrorKind::Configuration => {}
        }
    }
}
