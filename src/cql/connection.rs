//! A connection: frames in, frames out. Requests run beside each other, as many as clients have under way; answers go out in the order
//! in which they are ready, each whole. Who takes nothing holds up nobody else, and no more than what is counted here.

use super::{
    answer::Answer,
    frame::{EVENT_STREAM, Error, ErrorKind, Event, HEADER_LENGTH, Header, HeaderError, Request, Response, Version},
    server::CqlServer,
    session::{Ends, Session},
    statement::Statement,
};
use crate::{
    metrics::{self, Limit},
    pace::Pace,
};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use std::{collections::BTreeMap, io, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

/// How long a connection may take until it is known who it is.
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// How long a frame may take from its first byte on.
const FRAME_WITHIN: Duration = Duration::from_secs(30);
/// For how long a client may take nothing of what is sent to it.
const TAKES_NOTHING: Duration = Duration::from_mins(2);
/// How long it may take the last word.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);
/// How large frames of clients may be (CQL contract 11) ...
const MOST_BYTES: u32 = 16 << 20;
/// ... and those of whom nobody knows yet who they are.
const MOST_BYTES_AT_START: u32 = 64 << 10;
/// How many requests of one connection may be under way.
const MOST_REQUESTS: usize = 1024;
/// How much of a frame, and of an answer, is in hand at a time.
const PIECE: usize = 64 << 10;

/// Of what there is to hear.
const EVENTS: [&str; 3] = ["STATUS_CHANGE", "TOPOLOGY_CHANGE", "SCHEMA_CHANGE"];
/// How much of a connection's requests may be under way, in bytes: one that is as large as may be, and others beside it.
const MOST_OF_ONE: usize = 20 << 20;

/// What is to be sent.
struct Outgoing {
    version: Version,
    stream: i16,
    answer: Answer,
    /// A place among those under way, until it is sent.
    _place: Option<OwnedSemaphorePermit>,
}

/// Serves a connection until its client goes, breaks the rules, or the server stops.
///
/// # Errors
/// When it breaks off.
pub async fn serve(
    stream: impl AsyncRead + AsyncWrite,
    ends: Ends,
    server: Arc<CqlServer>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let (reading, writing) = split(stream);
    let (outgoing, queue) = mpsc::channel(MOST_REQUESTS + 8);
    let session = Arc::new(Session::new(ends));
    let mut reading = Reading {
        stream: pin!(reading),
        places: Arc::new(Semaphore::new(MOST_REQUESTS)),
        share: Arc::new(Semaphore::new(MOST_OF_ONE)),
        begin: Instant::now(),
        is_ready: false,
        waits_for_password: false,
        wanted: Vec::new(),
        events: None,
        outgoing,
        session,
        server,
        running: JoinSet::new(),
    };
    let mut writing = pin!(write(writing, queue));
    let ended = tokio::select! {
        ended = reading.read() => ended,
        ended = &mut writing => return ended,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    // What was said last is to arrive.
    drop(reading);
    let _ = timeout(LAST_WORD_WITHIN, writing).await;
    ended
}

/// The half that frames come from.
struct Reading<'s, S> {
    stream: std::pin::Pin<&'s mut S>,
    places: Arc<Semaphore>,
    /// What it may have of the memory for all of them.
    share: Arc<Semaphore>,
    begin: Instant,
    /// Whether it is known who it is.
    is_ready: bool,
    waits_for_password: bool,
    /// Of which kinds of events it wants to be told ...
    wanted: Vec<&'static str>,
    /// ... and where they come from.
    events: Option<broadcast::Receiver<Event>>,
    outgoing: mpsc::Sender<Outgoing>,
    session: Arc<Session>,
    server: Arc<CqlServer>,
    running: JoinSet<()>,
}

impl<S: AsyncRead> Reading<'_, S> {
    /// Takes frame by frame, until there are no more.
    async fn read(&mut self) -> io::Result<()> {
        loop {
            let Some(bytes) = self.header().await? else { return Ok(()) };
            let most = if self.is_ready { MOST_BYTES } else { MOST_BYTES_AT_START };
            let error = match Header::parse(&bytes, most) {
                Ok(header) => {
                    let Some(body) = self.body(header.length).await? else {
                        metrics::limit(Limit::CqlRequests);
                        let error = ErrorKind::Overloaded.with("too much is under way; try again later");
                        return self.refuse(header.version, header.stream, error).await;
                    };
                    if !self.take(header, body).await? {
                        return Ok(());
                    }
                    continue;
                }
                Err(error) => error,
            };
            self.refuse(Version::NEWEST, error.stream(), error.answer()).await?;
            // The client closes it, and begins anew with a version that it was told (CQL contract 1.1).
            let is_over = !matches!(error, HeaderError::UnsupportedVersion { .. } | HeaderError::UnknownOpcode { .. });
            match error.body().filter(|length| *length <= MOST_BYTES_AT_START && !is_over) {
                Some(length) => self.skip(length).await?,
                None => return Ok(()),
            }
        }
    }

    /// The head of the next frame; none when the client has gone.
    async fn header(&mut self) -> io::Result<Option<[u8; HEADER_LENGTH]>> {
        let mut bytes = [0; HEADER_LENGTH];
        let first = loop {
            let deadline = self.begin + STARTS_WITHIN;
            let heard = async {
                match &mut self.events {
                    Some(events) => events.recv().await,
                    None => std::future::pending().await,
                }
            };
            let (is_ready, stream) = (self.is_ready, &mut self.stream);
            let read = async {
                // Drivers say something every 30 seconds, but need not; where a host is gone the system notices.
                let first = stream.read(bytes.get_mut(..1).unwrap_or_default());
                if is_ready { Ok(first.await) } else { timeout_at(deadline, first).await }
            };
            tokio::select! {
                biased;
                read = read => break read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
                event = heard => match event {
                    Ok(event) if self.wanted.contains(&event.kind()) => {
                        self.say(self.session.version(), EVENT_STREAM, Response::Event(event).into()).await?;
                    }
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => self.events = None,
                },
            }
        };
        if first == 0 {
            return Ok(None);
        }
        let rest = bytes.get_mut(1..).unwrap_or_default();
        timeout(FRAME_WITHIN, self.stream.read_exact(rest))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Some(bytes))
    }

    /// The body of a frame, in as much memory as has come of it; none where all have more under way than there is memory for.
    async fn body(&mut self, length: u32) -> io::Result<Option<Body>> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        // Not a part of the time that the client has: it waits for its own requests.
        let Ok(share) = Arc::clone(&self.share).acquire_many_owned(length).await else { return Ok(None) };
        let deadline = Instant::now() + FRAME_WITHIN;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut body = Memory { _share: share, of_all: None };
        let mut bytes = BytesMut::new();
        while bytes.len() < length {
            let piece = PIECE.min(length - bytes.len());
            // Small ones are let through, however many large ones there are.
            let taken = timeout_at(deadline, self.server.memory_of_requests(piece, length <= PIECE)).await;
            let Ok(Ok(taken)) = taken else { return Ok(None) };
            match &mut body.of_all {
                Some(memory) => memory.merge(taken),
                None => body.of_all = Some(taken),
            }
            let from = bytes.len();
            bytes.resize(from + piece, 0);
            let into = bytes.get_mut(from..).unwrap_or_default();
            timeout_at(deadline, self.stream.read_exact(into)).await.map_err(late)??;
        }
        Ok(Some(Body { bytes: bytes.freeze(), memory: body }))
    }

    /// Passes over what can't be read.
    async fn skip(&mut self, length: u32) -> io::Result<()> {
        let mut body = (&mut self.stream).take(u64::from(length));
        let skipped = timeout(FRAME_WITHIN, tokio::io::copy(&mut body, &mut tokio::io::sink())).await;
        skipped.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(())
    }

    async fn refuse(&self, version: Version, stream: i16, error: Error) -> io::Result<()> {
        self.say(version, stream, error.into()).await
    }

    async fn say(&self, version: Version, stream: i16, answer: Answer) -> io::Result<()> {
        let outgoing = Outgoing { version, stream, answer, _place: None };
        self.outgoing.send(outgoing).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Takes a request; false where the connection is to end.
    async fn take(&mut self, header: Header, Body { bytes, memory }: Body) -> io::Result<bool> {
        let (version, stream) = (header.version, header.stream);
        if self.session.version_or(version) != version {
            let error = ErrorKind::Protocol.with("the version of the protocol changes in the middle of a connection");
            self.refuse(version, stream, error).await?;
            return Ok(false);
        }
        let request = match Request::parse(&header, bytes) {
            Ok(request) => request,
            Err(error) => {
                self.refuse(version, stream, ErrorKind::Protocol.with(error.to_string())).await?;
                return Ok(true);
            }
        };
        let answer = match request {
            Request::Options => Ok(Response::Supported),
            Request::Startup(options) => self.start(&options),
            Request::AuthResponse(token) => self.let_in(token.as_deref().unwrap_or_default()).await,
            _ if !self.is_ready => {
                Err(ErrorKind::Protocol.with("STARTUP has to come first, and a good password where one is asked for"))
            }
            Request::Register(kinds) => {
                self.wanted = EVENTS.into_iter().filter(|known| kinds.iter().any(|kind| kind == known)).collect();
                self.events = Some(self.server.events());
                self.session.hear_events();
                Ok(Response::Ready)
            }
            request => {
                self.run(version, stream, request, memory).await;
                return Ok(true);
            }
        };
        let is_let_in = answer.is_ok();
        self.say(version, stream, answer.map_or_else(Answer::from, Answer::from)).await?;
        Ok(is_let_in)
    }

    fn start(&mut self, options: &BTreeMap<String, String>) -> Result<Response, Error> {
        let option = |name: &str| options.get(name).map(String::as_str);
        if let Some(compression) = option("COMPRESSION").filter(|text| !text.is_empty()) {
            return Err(ErrorKind::Protocol.with(format!("compression {compression} is not spoken here")));
        }
        // Control connections come first, and say the same as the others.
        let (driver, release) = (option("DRIVER_NAME").unwrap_or("?"), option("DRIVER_VERSION").unwrap_or("?"));
        self.server.note_client(self.session.ends.peer.ip(), driver, release);
        if self.server.users.are_asked() && !self.is_ready {
            self.waits_for_password = true;
            return Ok(Response::Authenticate);
        }
        self.is_ready = true;
        Ok(Response::Ready)
    }

    async fn let_in(&mut self, token: &[u8]) -> Result<Response, Error> {
        if !std::mem::take(&mut self.waits_for_password) {
            return Err(ErrorKind::Protocol.with("nobody has asked for a password"));
        }
        let let_in = self.server.users.let_in(token).await;
        metrics::authentication("cql-users", if let_in.is_ok() { "known" } else { "unknown" });
        let_in.map_err(|text| ErrorKind::BadCredentials.with(text))?;
        self.is_ready = true;
        Ok(Response::AuthSuccess)
    }

    /// Begins with a request. Its answer is ready some time later, but what it says of what comes after it holds at once.
    async fn run(&mut self, version: Version, stream: i16, request: Request, memory: Memory) {
        while self.running.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
        let (server, session, outgoing) = (Arc::clone(&self.server), Arc::clone(&self.session), self.outgoing.clone());
        if let Request::Query { statement, .. } = &request
            && begins_with_use(statement)
            && let Ok(parsed) = Statement::parse(statement)
            && let Statement::Use(keyspace) = &parsed.statement
        {
            let answer = server.use_keyspace(&session, keyspace).await.unwrap_or_else(Answer::from);
            let _ = outgoing.send(Outgoing { version, stream, answer, _place: Some(place) }).await;
            return;
        }
        self.running.spawn(async move {
            // Who asks is told, whatever goes wrong: it would wait for long.
            let answered = AssertUnwindSafe(server.answer(&session, request)).catch_unwind().await;
            let fault = |_| Err(ErrorKind::Server.with("the server has a fault; its log says more"));
            let answer = answered.unwrap_or_else(fault).unwrap_or_else(|error| {
                metrics::cql_refusal();
                Answer::from(error)
            });
            drop(memory);
            let _ = outgoing.send(Outgoing { version, stream, answer, _place: Some(place) }).await;
        });
    }
}

/// Whether a statement may be one that what comes after it depends on; nearly all are not.
fn begins_with_use(statement: &str) -> bool {
    statement.trim_start().get(..3).is_some_and(|word| word.eq_ignore_ascii_case("use"))
}

/// The body of a frame.
struct Body {
    bytes: Bytes,
    memory: Memory,
}

/// What a request holds of the memory for requests.
struct Memory {
    /// Of that of its connection.
    _share: OwnedSemaphorePermit,
    /// Of that of all.
    of_all: Option<OwnedSemaphorePermit>,
}

/// Sends what there is to be sent.
async fn write(mut stream: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Outgoing>) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(Outgoing { version, stream: id, answer, _place }) = queue.recv().await {
        match answer {
            Answer::Rows(mut rows) => {
                rows.write_head(version, id, &mut buffer);
                let mut pace = Pace::behind_others();
                while rows.write_piece(&mut buffer, PIECE)? {
                    send(&mut stream, &mut buffer).await?;
                    pace.step().await;
                    // A piece is as much work as others should wait for.
                    std::thread::yield_now();
                }
            }
            Answer::Response(response) => response.write_frame(&mut buffer, version, id),
        }
        // Small ones that are ready go together.
        if buffer.len() >= PIECE || queue.is_empty() {
            send(&mut stream, &mut buffer).await?;
        }
    }
    send(&mut stream, &mut buffer).await?;
    stream.shutdown().await
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = buffer.as_slice();
    while !rest.is_empty() {
        let sent = timeout(TAKES_NOTHING, stream.write(rest)).await;
        let sent = sent.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = rest.get(sent..).unwrap_or_default();
    }
    buffer.clear();
    buffer.shrink_to(2 * PIECE);
    timeout(TAKES_NOTHING, stream.flush()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
