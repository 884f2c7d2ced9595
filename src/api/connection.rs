//! Connections: how long the head of a request may take, and how long its first line may be. The HTTP library bounds the time
//! of the first head of a connection only, so this stands between it and the socket, and counts what passes.

use super::{
    App,
    door::Door,
    handle,
    peer::Peer,
    transport::{Transport, set_up},
};
use crate::{
    metrics::{self, Limit},
    seats::{Seat, Seats},
    settings::TcpKeepalive,
    tls::Tls,
};
use actix_http::{Extensions, HttpService, error::DispatchError};
use actix_service::{ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::{
    App as WebApp,
    dev::{AppConfig, Server, fn_service},
    rt::net::{TcpStream, UnixStream},
    web::{self, Data},
};
use std::{
    cell::Cell,
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready as ready_or_pending},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy, sink},
    time::{Instant, Sleep, sleep, sleep_until, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How long a connection may rest between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Longer first lines are refused, in bytes (contrail-api R21, wire contract 1.1).
const LINE_LIMIT: usize = 65_535;
/// For how long a client that was refused may go on to send, so that it finds the refusal.
const LINGER: Duration = Duration::from_secs(1);
/// For how long a peer may take nothing of what is sent to it.
const TAKES_NOTHING: Duration = Duration::from_mins(2);

const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 25\r\nconnection: close\r\n\r\nToo many connections here\n";
const TOO_LONG: &[u8] = b"HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Where a server listens.
pub struct Listeners {
    /// For everybody.
    pub public: TcpListener,
    /// What is spoken there, if it is TLS.
    pub tls: Option<Arc<Tls>>,
    /// For administrators.
    pub administrators_socket: Option<UnixListener>,
    /// For administrators with a password.
    pub administrators_port: Option<TcpListener>,
}

/// What connections of a listener are let in with.
#[derive(Clone)]
pub struct Entrance {
    /// How many there may be.
    pub seats: Arc<Seats>,
    /// A head must be whole within this time of its first byte; the first one of a connection within this time of its begin.
    pub head_timeout: Duration,
    /// How it is found out that a client has gone without a word.
    pub keepalive: TcpKeepalive,
}

/// The server on its listeners, until `stop` is ready.
///
/// # Errors
/// When a socket can't be listened on.
pub fn server(
    listeners: Listeners,
    entrance: Entrance,
    app: Data<App>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let Listeners { public, tls, administrators_socket, administrators_port } = listeners;
    // Administrators get in, however many others there are.
    let for_administrators = Entrance { seats: Seats::for_administrators(), ..entrance.clone() };
    // Connections are counted by us, who can tell those that are too many; this only holds if all else fails.
    let most = entrance.seats.most_sockets().saturating_add(for_administrators.seats.most_sockets());
    let builder = Server::build().shutdown_signal(stop).shutdown_timeout(30).max_concurrent_connections(most);
    let stopping = builder.graceful_shutdown_signal();
    let stopping = move || {
        let stopping = stopping.clone();
        async move { stopping.notified().await }
    };
    let mut builder = builder.listen("http", public, {
        let (app, stopping) = (app.clone(), stopping.clone());
        move || {
            let (entrance, tls) = (entrance.clone(), tls.clone());
            served(app.clone(), stopping.clone(), move |stream: TcpStream, stop| {
                let_in(entrance.clone(), tls.clone(), of_network(stream, entrance.keepalive), Door::Public, stop)
            })
        }
    })?;
    if let Some(listener) = administrators_socket {
        let (app, stopping, entrance) = (app.clone(), stopping.clone(), for_administrators.clone());
        builder = builder.listen_uds("administrators' socket", listener, move || {
            let entrance = entrance.clone();
            served(app.clone(), stopping.clone(), move |stream: UnixStream, stop| {
                let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
                let door = Door::AdministratorsSocket { user };
                let_in(entrance.clone(), None, (Transport::Unix(stream), None), door, stop)
            })
        })?;
    }
    if let Some(listener) = administrators_port {
        builder = builder.listen("administrators' port", listener, move || {
            let entrance = for_administrators.clone();
            served(app.clone(), stopping.clone(), move |stream: TcpStream, stop| {
                let_in(entrance.clone(), None, of_network(stream, entrance.keepalive), Door::AdministratorsPort, stop)
            })
        })?;
    }
    Ok(builder.run())
}

/// What a listener does with its connections, once they are let in.
fn served<Stream, Stopping, Stopped, LetIn, Let>(
    app: Data<App>,
    stopping: Stopping,
    let_in: LetIn,
) -> impl ServiceFactory<Stream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    Stream: 'static,
    Stopping: Fn() -> Stopped + Clone + 'static,
    Stopped: Future<Output = ()> + 'static,
    LetIn: Fn(Stream, Stopped) -> Let + Clone + 'static,
    Let: Future<Output = Result<Entered, DispatchError>> + 'static,
{
    let web = WebApp::new().app_data(app).default_service(web::to(handle));
    let stops = stopping.clone();
    let service = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        // That is done here, for all heads.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(LINGER)
        .graceful_shutdown_signal(stopping)
        .on_connect_ext(|connection: &Connection, data: &mut Extensions| {
            data.insert(Rc::clone(&connection.progress));
            Peer::note(&connection.stream, data);
        })
        .h1(map_config(web, |()| AppConfig::default()));
    fn_service(move |stream: Stream| let_in(stream, stops())).and_then(service)
}

/// A connection that was let in, and from where.
type Entered = (Connection, Option<SocketAddr>);

fn of_network(stream: TcpStream, keepalive: TcpKeepalive) -> (Transport, Option<SocketAddr>) {
    set_up(&stream, TAKES_NOTHING, keepalive);
    let peer = stream.peer_addr().ok();
    (Transport::Tcp(stream), peer)
}

/// Lets a connection in, if there is a seat, once it speaks what is spoken there.
async fn let_in(
    entrance: Entrance,
    tls: Option<Arc<Tls>>,
    (mut transport, peer): (Transport, Option<SocketAddr>),
    door: Door,
    stop: impl Future<Output = ()>,
) -> Result<Entered, DispatchError> {
    let begin = Instant::now();
    let Ok(seat) = entrance.seats.take(peer.map(|peer| peer.ip())) else {
        // Before a handshake there is nothing that could be said.
        if tls.is_none()
            && let Some(_place) = entrance.seats.turn_away()
        {
            let _ = timeout(LINGER, transport.write_all(FULL)).await;
            linger(&mut transport).await;
        }
        return Err(DispatchError::Io(io::ErrorKind::ConnectionRefused.into()));
    };
    let transport = match (transport, tls) {
        (Transport::Tcp(stream), Some(tls)) => tokio::select! {
            stream = shake_hands(stream, &tls, begin + entrance.head_timeout) => Transport::Tls(Box::new(stream?)),
            () = stop => return Err(DispatchError::Io(io::ErrorKind::ConnectionAborted.into())),
        },
        (transport, _) => transport,
    };
    Ok((Connection::new(transport, door, seat, begin, entrance.head_timeout), peer))
}

/// The handshake of TLS. What is none, like a request of HTTP, gets an alert, and is closed (TLS-2).
async fn shake_hands(stream: TcpStream, tls: &Tls, deadline: Instant) -> io::Result<TlsStream<TcpStream>> {
    let handshake = TlsAcceptor::from(tls.current()).accept(stream).into_fallible();
    match timeout_at(deadline, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err((error, mut stream))) => {
            tracing::debug!(%error, "TLS: a handshake failed");
            linger(&mut stream).await;
            Err(error)
        }
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Closes a connection so that its client finds what it was told: what is closed with bytes that nobody has read takes that away
/// again.
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let closing = async {
        stream.shutdown().await?;
        copy(stream, &mut sink()).await
    };
    let _ = timeout(LINGER, closing).await;
}

/// What the handlers know of a connection, and tell it.
pub struct Progress {
    /// Its own end.
    pub local_address: Option<SocketAddr>,
    /// By which way it came in.
    pub door: Door,
    /// Whether it is one of TLS.
    pub is_encrypted: bool,
    /// How many requests were begun on it.
    begun: Cell<u64>,
    /// How many of them are not answered to their end.
    in_hand: Cell<u64>,
    /// Whether what comes may be the rest of a body that nobody wants.
    in_body: Cell<bool>,
}

impl Progress {
    /// A request has come. It is answered when what this gives is dropped.
    pub fn begin(self: &Rc<Self>, has_body: bool) -> InHand {
        self.begun.set(self.begun.get() + 1);
        self.in_hand.set(self.in_hand.get() + 1);
        self.in_body.set(has_body);
        InHand(Rc::clone(self))
    }

    /// The body of the request is read to its end.
    pub fn end_of_body(&self) {
        self.in_body.set(false);
    }
}

/// A request that is not answered yet.
pub struct InHand(Rc<Progress>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.set(self.0.in_hand.get().saturating_sub(1));
    }
}

/// Where in a request a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Nothing of it has come.
    Before,
    /// In its head, since a moment; with the bytes of the first line, until that is at its end.
    Head { since: Instant, line: Option<usize> },
    /// It was refused; until a moment what it sends is thrown away.
    Refused { until: Instant },
}

/// A socket with a clock.
pub struct Connection {
    stream: Transport,
    progress: Rc<Progress>,
    /// Within which time a head has to be there.
    head_timeout: Duration,
    /// How many requests were begun when the place was last looked at.
    begun: u64,
    place: Place,
    /// Whether some of an answer may not have been taken by the socket yet.
    unsent: bool,
    /// Wakes the connection; set when there is something to wait for, and left alone by requests that are fast.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Rings for who takes nothing, where the system does not look after that.
    stalled: Option<Pin<Box<Sleep>>>,
    _seat: Seat,
}

impl Connection {
    fn new(stream: Transport, door: Door, seat: Seat, begin: Instant, head_timeout: Duration) -> Self {
        let progress = Progress {
            local_address: stream.local_address(),
            door,
            is_encrypted: matches!(stream, Transport::Tls(_)),
            begun: Cell::new(0),
            in_hand: Cell::new(0),
            in_body: Cell::new(false),
        };
        Self {
            stream,
            progress: Rc::new(progress),
            head_timeout,
            begun: 0,
            place: Place::Head { since: begin, line: Some(0) },
            unsent: false,
            alarm: None,
            stalled: None,
            _seat: seat,
        }
    }

    /// Whether a request is in hand: what comes may be anything then, and nothing is waited for.
    fn is_busy(&self) -> bool {
        self.unsent || self.progress.in_hand.get() > 0
    }

    /// Takes note of bytes that came while no request was in hand. False, if they are too many for a first line.
    fn take(&mut self, bytes: &[u8]) -> bool {
        if self.place == Place::Before {
            let line = (!self.progress.in_body.get()).then_some(0);
            self.place = Place::Head { since: Instant::now(), line };
        }
        let Place::Head { line, .. } = &mut self.place else { return true };
        let Some(before) = *line else { return true };
        let end = memchr::memchr(b'\n', bytes);
        let length = before + end.unwrap_or(bytes.len());
        *line = end.is_none().then_some(length);
        // With the carriage return, where there is one.
        length <= LINE_LIMIT + 1
    }

    /// Says why there is no more to be had from this connection. What is sent after it is thrown away for a while: a client
    /// whose bytes nobody takes would not get to see it.
    fn refuse(&mut self, answer: &[u8], context: &mut Context<'_>) {
        let mut stream = Pin::new(&mut self.stream);
        if !self.progress.in_body.get() {
            // It is a few bytes, and nothing is waiting to be sent. Whoever does not take them, goes without.
            let _ = stream.as_mut().poll_write(context, answer);
        }
        let _ = stream.poll_shutdown(context);
        self.place = Place::Refused { until: Instant::now() + LINGER };
    }

    /// When the client has to have come further.
    fn deadline(&self) -> Option<Instant> {
        match self.place {
            Place::Head { since, .. } => Some(since + self.head_timeout),
            Place::Refused { until } => Some(until),
            Place::Before => None,
        }
    }

    /// Whether that moment has come; wakes the task when it does.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline() else { return false };
        loop {
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            // An alarm that is set too early is only looked at when it rings: most requests are over long before.
            if alarm.as_mut().poll(context).is_pending() {
                if alarm.deadline() > deadline {
                    alarm.as_mut().reset(deadline);
                    continue;
                }
                return false;
            }
            self.alarm = None;
            if Instant::now() >= deadline {
                return true;
            }
        }
    }
}

impl Connection {
    /// What became of sending, or its end when the client has taken nothing for long. Of TCP the system knows better.
    fn taken_in_time<T>(&mut self, sent: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if sent.is_ready() || !matches!(self.stream, Transport::Unix(_)) {
            self.stalled = None;
            return sent;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(TAKES_NOTHING)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.begun != this.progress.begun.get() && !matches!(this.place, Place::Refused { .. }) {
            this.begun = this.progress.begun.get();
            this.place = Place::Before;
        }
        loop {
            let before = buffer.filled().len();
            if Pin::new(&mut this.stream).poll_read(context, buffer)?.is_pending() {
                if this.is_busy() || !this.is_late(context) {
                    return Poll::Pending;
                }
                if matches!(this.place, Place::Refused { .. }) {
                    // As if the client had closed it.
                    return Poll::Ready(Ok(()));
                }
                metrics::limit(Limit::HeadTime);
                this.refuse(LATE, context);
                continue;
            }
            let bytes = buffer.filled().get(before..).unwrap_or_default();
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let refused = matches!(this.place, Place::Refused { .. });
            if !refused && (this.is_busy() || this.take(bytes)) {
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(before);
            if !refused {
                metrics::limit(Limit::FirstLine);
                this.refuse(TOO_LONG, context);
            } else if this.deadline().is_some_and(|deadline| Instant::now() >= deadline) {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.unsent = true;
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.taken_in_time(written, context)
    }

    /// Asked for when all is written.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        ready_or_pending!(this.taken_in_time(flushed, context))?;
        this.unsent = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
