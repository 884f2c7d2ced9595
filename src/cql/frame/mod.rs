//! The frames of CQL's native protocol, versions 3 and 4: nine bytes of header, and a body.
//!
//! Requests are read with every length checked against what is there; answers are written through [`Output`], into a buffer or, to
//! learn how long they will be, into a [`Length`].

mod error;
mod header;
mod input;
mod output;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod value;

pub use error::{Error, ErrorKind, shown};
pub use header::{Answer, EVENT_STREAM, HEADER_LENGTH, Header, HeaderError, Opcode, Version};
pub use input::ProtocolError;
pub use output::{Length, Output};
pub use request::{Batch, BatchKind, BatchStatement, Bound, Parameters, PreparedId, Request, Values};
pub use response::{
    Change, Changed, Column, Columns, Event, Prepared, Response, Rows, RowsMetadata, SchemaChange, TableColumns,
};
pub use value::{Value, ValueType};
