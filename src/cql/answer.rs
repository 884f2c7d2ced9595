//! What a request is answered: at once, or, where it may be long, row by row as the client takes it.

use super::{
    config::Reading,
    frame::{self, Error, Output, Response, RowsMetadata, Version},
};
use std::io;
use tokio::sync::OwnedSemaphorePermit;

/// An answer.
pub enum Answer {
    /// A short one.
    Response(Response),
    /// Rows, which may be many.
    Rows(Box<RowsAnswer>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

impl Answer {
    /// The same, which holds a turn to read until it is sent, if it is one of rows.
    pub fn holding(mut self, turn: Option<OwnedSemaphorePermit>) -> Self {
        if let Self::Rows(rows) = &mut self {
            rows.turn = turn;
        }
        self
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Self::Response(Response::Error(error))
    }
}

/// Where rows come from.
pub enum Source {
    /// They are made while they are sent.
    Config(Box<Reading>),
    /// They are there, in memory that is counted.
    Made {
        /// All of them.
        rows: Vec<u8>,
        /// How many bytes were sent.
        sent: usize,
        /// What they hold of it.
        _memory: OwnedSemaphorePermit,
    },
}

/// Rows, whose number and length are known.
pub struct RowsAnswer {
    /// What comes before them.
    pub metadata: RowsMetadata,
    /// How many.
    pub rows: u32,
    /// How long they are together.
    pub bytes: u64,
    /// They themselves.
    pub source: Source,
    /// Held until they are sent.
    pub turn: Option<OwnedSemaphorePermit>,
}

impl RowsAnswer {
    /// Appends what comes before the rows.
    pub fn write_head(&self, version: Version, stream: i16, output: &mut impl Output) {
        let length = u32::try_from(self.metadata.begin_length() + self.bytes).unwrap_or(u32::MAX);
        frame::Answer::Result.write_header(output, version, stream, length);
        self.metadata.begin(output, self.rows);
    }

    /// Appends the next rows, until about so many bytes are there; false when there are no more.
    ///
    /// # Errors
    /// The rows are not as long as they were measured. Nothing can be said any more then, but by closing the connection.
    pub fn write_piece(&mut self, output: &mut Vec<u8>, about: usize) -> io::Result<bool> {
        let before = output.len();
        let has_more = match &mut self.source {
            Source::Config(reading) => reading.write_piece(output, about),
            Source::Made { rows, sent, .. } => {
                let end = rows.len().min(*sent + about.max(1));
                output.put(rows.get(*sent..end).unwrap_or_default());
                *sent = end;
                end < rows.len()
            }
        };
        let written = (output.len() - before) as u64;
        let left = self.bytes.checked_sub(written).filter(|left| has_more || *left == 0);
        self.bytes =
            left.ok_or_else(|| io::Error::other("the rows of an answer are not as long as they were measured"))?;
        Ok(has_more)
    }
}
