//! The header of a frame.

use super::{Error, ErrorKind, Output};

/// Bytes of a header.
pub const HEADER_LENGTH: usize = 9;
/// The stream of events, which nobody has asked for one by one.
pub const EVENT_STREAM: i16 = -1;
/// Set in the version of what a server sends.
const RESPONSE: u8 = 0x80;

/// A version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// Of Cassandra 2.1.
    V3 = 3,
    /// Of Cassandra 2.2 and later.
    V4 = 4,
}

impl Version {
    /// What it is answered in when a version is asked for that is not served.
    pub const NEWEST: Self = Self::V4;
}

/// What a client asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    /// The first request of a connection.
    Startup = 0x01,
    /// What is supported; also sent to hear whether the server still lives.
    Options = 0x05,
    /// A statement.
    Query = 0x07,
    /// A statement to be executed later.
    Prepare = 0x09,
    /// A prepared statement.
    Execute = 0x0A,
    /// Events that are wanted.
    Register = 0x0B,
    /// Several writes.
    Batch = 0x0D,
    /// Credentials.
    AuthResponse = 0x0F,
}

impl Opcode {
    const ALL: [Self; 8] = [
        Self::Startup,
        Self::Options,
        Self::Query,
        Self::Prepare,
        Self::Execute,
        Self::Register,
        Self::Batch,
        Self::AuthResponse,
    ];
}

/// What a server answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// What went wrong.
    Error = 0x00,
    /// Statements can be sent.
    Ready = 0x02,
    /// Credentials are wanted.
    Authenticate = 0x03,
    /// What is supported.
    Supported = 0x06,
    /// Of a statement.
    Result = 0x08,
    /// Something has changed.
    Event = 0x0C,
    /// Credentials were good.
    AuthSuccess = 0x10,
}

/// The header of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// In which the body is written, and the answer is wanted.
    pub version: Version,
    /// As they came; [`super::Request::parse`] judges them.
    pub flags: u8,
    /// Chosen by the client, and to be given back in the answer.
    pub stream: i16,
    /// What is asked.
    pub opcode: Opcode,
    /// Bytes of the body.
    pub length: u32,
}

/// Why a header is not served. The answer is [`HeaderError::answer`], on [`HeaderError::stream`], in [`Version::NEWEST`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// The connection can stay open: the client comes with another version, on this connection or on a new one. If it does, the
    /// body comes first.
    #[error("Invalid or unsupported protocol version ({version}); supported versions are (3/v3, 4/v4)")]
    UnsupportedVersion {
        /// As asked for.
        version: u8,
        /// To answer on.
        stream: i16,
        /// Bytes of the body, or None if there are too many.
        length: Option<u32>,
    },
    /// What only servers send.
    #[error("Expected a request, but the direction bit says that this is a response")]
    NotARequest {
        /// To answer on.
        stream: i16,
    },
    /// After this header it is not known where the next one is.
    #[error("Length of the frame is {length}, expected 0 to {limit}")]
    BadLength {
        /// To answer on.
        stream: i16,
        /// As it came.
        length: i32,
        /// What is served.
        limit: u32,
    },
    /// The connection can stay open if the body is passed over.
    #[error("Unknown opcode {opcode}")]
    UnknownOpcode {
        /// To answer on.
        stream: i16,
        /// As it came.
        opcode: u8,
        /// Bytes of the body.
        length: u32,
    },
}

impl HeaderError {
    /// The stream of the request.
    pub fn stream(&self) -> i16 {
        match self {
            Self::UnsupportedVersion { stream, .. }
            | Self::NotARequest { stream }
            | Self::BadLength { stream, .. }
            | Self::UnknownOpcode { stream, .. } => *stream,
        }
    }

    /// How many bytes come before the next header, if that can be known.
    pub fn body(&self) -> Option<u32> {
        match self {
            Self::UnsupportedVersion { length, .. } => *length,
            Self::UnknownOpcode { length, .. } => Some(*length),
            Self::NotARequest { .. } | Self::BadLength { .. } => None,
        }
    }

    /// What the client is told.
    pub fn answer(&self) -> Error {
        Error { kind: ErrorKind::Protocol, text: self.to_string() }
    }
}

impl Header {
    /// Reads the header of a request whose body may have so many bytes.
    pub fn parse(bytes: &[u8; HEADER_LENGTH], limit: u32) -> Result<Self, HeaderError> {
        let [version, flags, stream_high, stream_low, opcode, length @ ..] = *bytes;
        let stream = i16::from_be_bytes([stream_high, stream_low]);
        let claimed = i32::from_be_bytes(length);
        let length = u32::try_from(claimed).ok().filter(|length| *length <= limit);
        if version & RESPONSE != 0 {
            return Err(HeaderError::NotARequest { stream });
        }
        let version = match version {
            3 => Version::V3,
            4 => Version::V4,
            version => return Err(HeaderError::UnsupportedVersion { version, stream, length }),
        };
        let Some(length) = length else {
            return Err(HeaderError::BadLength { stream, length: claimed, limit });
        };
        match Opcode::ALL.into_iter().find(|known| *known as u8 == opcode) {
            Some(opcode) => Ok(Self { version, flags, stream, opcode, length }),
            None => Err(HeaderError::UnknownOpcode { stream, opcode, length }),
        }
    }
}

impl Answer {
    /// Writes the header of an answer whose body has so many bytes.
    pub fn write_header(self, output: &mut impl Output, version: Version, stream: i16, length: u32) {
        output.byte(version as u8 | RESPONSE);
        output.byte(0);
        output.put(&stream.to_be_bytes());
        output.byte(self as u8);
        output.put(&length.to_be_bytes());
    }
}
