//! Servers that show the configuration over CQL, and a client that sends them what it likes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Server, wait_until};

/// No answer takes longer, also on a machine that is busy with something else.
pub const LIMIT: Duration = Duration::from_mins(1);

// What requests and answers are (contract 1).
pub const ERROR: u8 = 0x00;
pub const STARTUP: u8 = 0x01;
pub const READY: u8 = 0x02;
pub const OPTIONS: u8 = 0x05;
pub const SUPPORTED: u8 = 0x06;
pub const QUERY: u8 = 0x07;
pub const RESULT: u8 = 0x08;
pub const REGISTER: u8 = 0x0b;
pub const BATCH: u8 = 0x0d;

/// The version that every driver comes down to.
pub const V4: u8 = 4;
/// Set in the version of what a server sends.
pub const ANSWER: u8 = 0x80;
const QUORUM: u16 = 4;

/// Where a server says that it listens for CQL.
pub fn address(server: &Server) -> SocketAddr {
    let said = |log: &str| {
        let (_, rest) = log.split_once("listening for CQL")?;
        let (_, address) = rest.split_once("address=")?;
        address.split(|letter: char| letter.is_whitespace() || letter == ',').next()?.parse().ok()
    };
    let mut found = None;
    wait_until("the server listens for CQL", LIMIT, || {
        found = said(&server.log());
        found.is_some()
    });
    found.expect("an address")
}

/// A server with a database of its own that shows it over CQL.
pub fn start(options: &[&str]) -> (Server, SocketAddr) {
    let server = Server::start_with(&[&["--cql-listen", "127.0.0.1:0"], options].concat());
    let address = address(&server);
    (server, address)
}

/// What goes over the connection, in either direction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    pub version: u8,
    pub flags: u8,
    pub stream: i16,
    pub opcode: u8,
    pub body: Vec<u8>,
}

impl Frame {
    pub fn request(stream: i16, opcode: u8, body: Vec<u8>) -> Self {
        Self { version: V4, flags: 0, stream, opcode, body }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.body.len()).unwrap();
        let mut bytes = vec![self.version, self.flags];
        bytes.extend(self.stream.to_be_bytes());
        bytes.push(self.opcode);
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.body);
        bytes
    }

    /// The code and the text of an error.
    pub fn error(&self) -> (u32, String) {
        assert_eq!(self.opcode, ERROR, "an error: {self:?}");
        let mut body = Body(&self.body);
        (body.int(), body.text())
    }

    /// What an answer says.
    pub fn answer(&self) -> Answer {
        if self.opcode == ERROR {
            let (code, text) = self.error();
            return Answer::Error(code, text);
        }
        if self.opcode != RESULT {
            return Answer::Other(self.opcode);
        }
        let mut body = Body(&self.body);
        match body.int() {
            1 => Answer::Void,
            2 => Answer::Rows(body.rows()),
            3 => Answer::Keyspace(body.text()),
            5 => Answer::Change(body.text()),
            kind => panic!("a result of kind {kind}"),
        }
    }
}

/// What a request was answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Error(u32, String),
    Void,
    Rows(Rows),
    Keyspace(String),
    /// A change of the schema: what was done.
    Change(String),
    /// No result: what it is.
    Other(u8),
}

impl Answer {
    pub fn rows(self) -> Rows {
        match self {
            Self::Rows(rows) => rows,
            other => panic!("rows are expected, not {other:?}"),
        }
    }
}

/// A table that was asked for, or a page of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rows {
    /// Names, and the numbers of their types.
    pub columns: Vec<(String, u16)>,
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// Where the next page begins.
    pub more: Option<Vec<u8>>,
}

/// Reads what is in a frame. It panics where something is missing.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn take(&mut self, length: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn int(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.short());
        String::from_utf8(self.take(length).to_vec()).expect("UTF-8")
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.int().cast_signed()).ok()?;
        Some(self.take(length).to_vec())
    }

    /// A type, of which what it consists of is of no interest here.
    fn kind(&mut self) -> u16 {
        let kind = self.short();
        match kind {
            // A list or a set, and a map.
            0x20 | 0x22 => _ = self.kind(),
            0x21 => (_, _) = (self.kind(), self.kind()),
            _ => {}
        }
        kind
    }

    fn rows(&mut self) -> Rows {
        let flags = self.int();
        let width = self.int();
        let more = (flags & 2 != 0).then(|| self.bytes().expect("a paging state"));
        assert!(flags & 1 != 0, "all columns are of one table");
        let _ = (self.text(), self.text());
        let columns = (0..width).map(|_| (self.text(), self.kind())).collect();
        let number = self.int();
        let rows = (0..number).map(|_| (0..width).map(|_| self.bytes()).collect()).collect();
        assert!(self.0.is_empty(), "{} bytes follow the last row", self.0.len());
        Rows { columns, rows, more }
    }
}

/// The body of a query, as drivers send it: with consistency QUORUM and no more.
pub fn query(text: &str) -> Vec<u8> {
    let mut body = long_text(text);
    body.extend(QUORUM.to_be_bytes());
    body.push(0);
    body
}

pub fn long_text(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

pub fn short_text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// Names with their values, as a start has them.
pub fn text_map<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let entries: Vec<_> = entries.into_iter().collect();
    let mut bytes = u16::try_from(entries.len()).unwrap().to_be_bytes().to_vec();
    for (name, value) in entries {
        bytes.extend(short_text(name));
        bytes.extend(short_text(value));
    }
    bytes
}

/// A connection.
pub struct Client {
    pub socket: TcpStream,
}

impl Client {
    /// One on which nothing has been said yet.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = timeout(LIMIT, TcpStream::connect(address)).await.expect("in time").expect("a connection");
        socket.set_nodelay(true).unwrap();
        Self { socket }
    }

    /// One that is ready for queries.
    pub async fn start(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        let answer = client.ask(STARTUP, text_map([("CQL_VERSION", "3.4.4")])).await;
        assert_eq!(answer.opcode, READY, "{answer:?}");
        client
    }

    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        timeout(LIMIT, self.socket.write_all(bytes)).await.expect("the server takes what is sent")
    }

    /// The next frame; nothing when the server has closed the connection.
    pub async fn receive(&mut self) -> Option<Frame> {
        timeout(LIMIT, self.next()).await.expect("an answer in time")
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head).await.ok()?;
        let [version, flags, stream_high, stream_low, opcode, length @ ..] = head;
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.socket.read_exact(&mut body).await.ok()?;
        Some(Frame { version, flags, stream: i16::from_be_bytes([stream_high, stream_low]), opcode, body })
    }

    /// Sends a request, the only one at that time, and gives its answer.
    pub async fn ask(&mut self, opcode: u8, body: Vec<u8>) -> Frame {
        self.send(&Frame::request(1, opcode, body).bytes()).await.expect("the server takes it");
        let answer = self.receive().await.expect("an answer");
        assert_eq!((answer.version, answer.flags, answer.stream), (ANSWER | V4, 0, 1), "{answer:?}");
        answer
    }

    pub async fn query(&mut self, text: &str) -> Answer {
        self.ask(QUERY, query(text)).await.answer()
    }
}
