//! What clients ask.

use super::{Header, Opcode, Output, ProtocolError, Version, input::Input};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Values of all statements of a batch, at most: what is read of them takes ten times the place that they take in the frame.
const MOST_BATCH_VALUES: usize = 1 << 18;

/// The body of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// What is supported?
    Options,
    /// Who the client is and what it wants: `CQL_VERSION`, `DRIVER_NAME` ...
    Startup(BTreeMap<String, String>),
    /// Credentials, in the form of the authenticator that was named.
    AuthResponse(Option<Bytes>),
    /// Kinds of events that are wanted: `STATUS_CHANGE` ...
    Register(Vec<String>),
    /// A statement.
    Query {
        /// Its text.
        statement: String,
        /// How, and with which values.
        parameters: Parameters,
    },
    /// A statement that will be executed.
    Prepare {
        /// Its text.
        statement: String,
    },
    /// A statement that was prepared.
    Execute {
        /// Of the statement.
        id: PreparedId,
        /// How, and with which values.
        parameters: Parameters,
    },
    /// Several writes.
    Batch(Batch),
}

impl Request {
    /// As metrics call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Options => "options",
            Self::Startup(_) => "startup",
            Self::AuthResponse(_) => "auth-response",
            Self::Register(_) => "register",
            Self::Query { .. } => "query",
            Self::Prepare { .. } => "prepare",
            Self::Execute { .. } => "execute",
            Self::Batch(_) => "batch",
        }
    }
}

/// The name of a prepared statement: at most 65,535 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PreparedId(Bytes);

impl PreparedId {
    /// None if there are too many bytes.
    pub fn new(id: Bytes) -> Option<Self> {
        u16::try_from(id.len()).is_ok().then_some(Self(id))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Appends it as `[short bytes]`.
    pub(super) fn write(&self, output: &mut impl Output) {
        output.short(u16::try_from(self.0.len()).unwrap_or(u16::MAX));
        output.put(&self.0);
    }
}

/// How a statement is to be executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameters {
    /// Any is accepted.
    pub consistency: u16,
    /// In the places of the markers of the statement.
    pub values: Values,
    /// The client knows the columns of the answer.
    pub skip_metadata: bool,
    /// Rows of a page, more than zero. None: all rows in one answer.
    pub page_size: Option<u32>,
    /// Where the page before has ended.
    pub paging_state: Option<Bytes>,
    /// When the write was made, in microseconds since 1970, if the statement does not say it.
    pub timestamp: Option<i64>,
}

/// Values for the markers of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Values {
    /// In the order of the markers.
    Positional(Vec<Bound>),
    /// By the names of the markers.
    Named(BTreeMap<String, Bound>),
}

impl Values {
    /// No values.
    pub const NONE: Self = Self::Positional(Vec::new());

    /// The value of a marker.
    pub fn get(&self, position: usize, name: &str) -> Option<&Bound> {
        match self {
            Self::Positional(values) => values.get(position),
            Self::Named(values) => values.get(name),
        }
    }
}

/// What stands in the place of a marker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bound {
    /// A value, in the form of the type that is wanted there.
    Set(Bytes),
    /// No value: takes out what is there.
    Null,
    /// Nothing: leaves what is there. Only in version 4.
    Unset,
}

/// Several writes that are made together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// What the client expects of it.
    pub kind: BatchKind,
    /// In their order, at most 65,535.
    pub entries: Vec<BatchEntry>,
    /// Any is accepted.
    pub consistency: u16,
    /// When the writes were made, in microseconds since 1970.
    pub timestamp: Option<i64>,
}

/// What is expected of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchKind {
    /// All or nothing.
    Logged,
    /// No more than of single writes.
    Unlogged,
    /// Of counters.
    Counter,
}

/// A write of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchEntry {
    /// What is written.
    pub statement: BatchStatement,
    /// In the places of its markers.
    pub values: Values,
}

/// A statement of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BatchStatement {
    /// Its text.
    Text(String),
    /// That was prepared.
    Prepared(PreparedId),
}

impl Request {
    /// Reads the body of a request, all of it.
    pub fn parse(header: &Header, body: Bytes) -> Result<Self, ProtocolError> {
        let mut input = Input(body);
        flags(header, &mut input)?;
        let version = header.version;
        let request = match header.opcode {
            Opcode::Options => Self::Options,
            Opcode::Startup => Self::Startup(string_map(&mut input)?),
            Opcode::AuthResponse => Self::AuthResponse(input.bytes("Token")?.ok()),
            Opcode::Register => Self::Register(string_list(&mut input)?),
            Opcode::Query => {
                Self::Query { statement: statement(&mut input)?, parameters: parameters(&mut input, version)? }
            }
            Opcode::Prepare => Self::Prepare { statement: statement(&mut input)? },
            Opcode::Execute => {
                Self::Execute { id: prepared_id(&mut input)?, parameters: parameters(&mut input, version)? }
            }
            Opcode::Batch => Self::Batch(batch(&mut input, version)?),
        };
        input.end()?;
        Ok(request)
    }
}

/// Judges the flags of the header and passes over what they put before the body.
fn flags(header: &Header, input: &mut Input) -> Result<(), ProtocolError> {
    const COMPRESSION: u8 = 0x01;
    const TRACING: u8 = 0x02;
    const CUSTOM_PAYLOAD: u8 = 0x04;
    const WARNING: u8 = 0x08;
    let known = match header.version {
        Version::V3 => TRACING,
        Version::V4 => TRACING | CUSTOM_PAYLOAD | WARNING,
    };
    let flags = header.flags;
    if flags & COMPRESSION != 0 {
        return Err(ProtocolError("The frame is compressed, but no compression is supported".to_owned()));
    }
    if flags & !known != 0 {
        return Err(ProtocolError(format!("Unknown flags of the frame: 0x{flags:02x}")));
    }
    if flags & CUSTOM_PAYLOAD != 0 {
        for _ in 0..input.short("Number of custom payloads")? {
            input.short_bytes("Name of a custom payload")?;
            let _ = input.bytes("Custom payload")?;
        }
    }
    Ok(())
}

fn statement(input: &mut Input) -> Result<String, ProtocolError> {
    input.long_string("Statement")
}

fn prepared_id(input: &mut Input) -> Result<PreparedId, ProtocolError> {
    input.short_bytes("Id of the prepared statement").map(PreparedId)
}

fn string_map(input: &mut Input) -> Result<BTreeMap<String, String>, ProtocolError> {
    (0..input.short("Number of options")?)
        .map(|_| Ok((input.string("Name of an option")?, input.string("Option")?)))
        .collect()
}

fn string_list(input: &mut Input) -> Result<Vec<String>, ProtocolError> {
    let mut list = Vec::new();
    for _ in 0..input.short("Number of kinds of events")? {
        list.push(input.string("Kind of events")?);
    }
    Ok(list)
}

fn bound(input: &mut Input, version: Version) -> Result<Bound, ProtocolError> {
    match (input.bytes("Value")?, version) {
        (Ok(bytes), _) => Ok(Bound::Set(bytes)),
        (Err(_), Version::V3) | (Err(-1), Version::V4) => Ok(Bound::Null),
        (Err(-2), Version::V4) => Ok(Bound::Unset),
        (Err(length), Version::V4) => Err(ProtocolError(format!("Length of a value is {length}, expected -2 or more"))),
    }
}

fn positional(input: &mut Input, version: Version) -> Result<Vec<Bound>, ProtocolError> {
    let mut values = Vec::new();
    for _ in 0..input.short("Number of values")? {
        values.push(bound(input, version)?);
    }
    Ok(values)
}

fn named(input: &mut Input, version: Version) -> Result<BTreeMap<String, Bound>, ProtocolError> {
    (0..input.short("Number of values")?)
        .map(|_| Ok((input.string("Name of a value")?, bound(input, version)?)))
        .collect()
}

/// Flags of the parameters of a statement, and of a batch.
mod flag {
    pub const VALUES: u8 = 0x01;
    pub const SKIP_METADATA: u8 = 0x02;
    pub const PAGE_SIZE: u8 = 0x04;
    pub const PAGING_STATE: u8 = 0x08;
    pub const SERIAL_CONSISTENCY: u8 = 0x10;
    pub const TIMESTAMP: u8 = 0x20;
    pub const NAMES: u8 = 0x40;
    /// Those of a statement.
    pub const STATEMENT: u8 = 0x7F;
    /// Those of a batch. Names of values are in the protocol's text, but come where nobody can read them.
    pub const BATCH: u8 = SERIAL_CONSISTENCY | TIMESTAMP;
}

fn parameter_flags(input: &mut Input, known: u8) -> Result<u8, ProtocolError> {
    let flags = input.byte("Flags of the parameters")?;
    match flags & !known {
        0 => Ok(flags),
        _ => Err(ProtocolError(format!("Unknown flags of the parameters: 0x{flags:02x}"))),
    }
}

fn timestamp(input: &mut Input, flags: u8) -> Result<Option<i64>, ProtocolError> {
    if flags & flag::SERIAL_CONSISTENCY != 0 {
        input.short("Serial consistency")?;
    }
    if flags & flag::TIMESTAMP == 0 {
        return Ok(None);
    }
    input.long("Timestamp").map(Some)
}

fn parameters(input: &mut Input, version: Version) -> Result<Parameters, ProtocolError> {
    let consistency = input.short("Consistency")?;
    let flags = parameter_flags(input, flag::STATEMENT)?;
    let has = |flag: u8| flags & flag != 0;
    let values = match (has(flag::VALUES), has(flag::NAMES)) {
        (false, _) => Values::NONE,
        (true, false) => Values::Positional(positional(input, version)?),
        (true, true) => Values::Named(named(input, version)?),
    };
    let page_size = if has(flag::PAGE_SIZE) { u32::try_from(input.int("Page size")?).ok() } else { None };
    let paging_state = if has(flag::PAGING_STATE) { input.bytes("Paging state")?.ok() } else { None };
    let timestamp = timestamp(input, flags)?;
    Ok(Parameters {
        consistency,
        values,
        skip_metadata: has(flag::SKIP_METADATA),
        page_size: page_size.filter(|size| *size > 0),
        paging_state,
        timestamp,
    })
}

fn batch(input: &mut Input, version: Version) -> Result<Batch, ProtocolError> {
    let kind = match input.byte("Kind of the batch")? {
        0 => BatchKind::Logged,
        1 => BatchKind::Unlogged,
        2 => BatchKind::Counter,
        kind => return Err(ProtocolError(format!("Kind of the batch is {kind}, expected 0, 1 or 2"))),
    };
    let mut entries = Vec::new();
    let mut values_left = MOST_BATCH_VALUES;
    for _ in 0..input.short("Number of statements")? {
        let statement = match input.byte("Kind of a statement")? {
            0 => BatchStatement::Text(statement(input)?),
            1 => BatchStatement::Prepared(prepared_id(input)?),
            kind => return Err(ProtocolError(format!("Kind of a statement is {kind}, expected 0 or 1"))),
        };
        let values = positional(input, version)?;
        values_left = values_left.checked_sub(values.len()).ok_or_else(|| {
            ProtocolError(format!("The batch has more than {MOST_BATCH_VALUES} values, expected fewer"))
        })?;
        entries.push(BatchEntry { statement, values: Values::Positional(values) });
    }
    let consistency = input.short("Consistency")?;
    let flags = parameter_flags(input, flag::BATCH)?;
    let timestamp = timestamp(input, flags)?;
    Ok(Batch { kind, entries, consistency, timestamp })
}
