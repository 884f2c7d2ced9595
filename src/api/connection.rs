//! Connections: how long the head of a request may take, and how long its first line may be. The HTTP library bounds the time
//! of the first head of a connection only, so this stands between it and the socket, and counts what passes.

use super::{App, handle, peer::Peer};
use actix_http::{Extensions, HttpService};
use actix_service::{ServiceFactoryExt, map_config};
use actix_web::{
    App as WebApp,
    dev::{AppConfig, Server, fn_service},
    rt::net::TcpStream,
    web::{self, Data},
};
use socket2::SockRef;
use std::{
    cell::Cell,
    future::ready,
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready as ready_or_pending},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// A head must be whole within this time of its first byte; the first one of a connection within this time of its begin.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may rest between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Longer first lines are refused, in bytes (contrail-api R21, wire contract 1.1).
const LINE_LIMIT: usize = 65_535;
/// For how long a client that was refused may go on to send, so that it finds the refusal.
const LINGER: Duration = Duration::from_secs(1);
/// For how long a peer may take nothing of what is sent to it.
const TAKES_NOTHING: Duration = Duration::from_mins(2);

const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const TOO_LONG: &[u8] = b"HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The server on a socket, until `stop` is ready.
///
/// # Errors
/// When the socket can't be listened on.
pub fn server(
    listener: TcpListener,
    app: Data<App>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let builder = Server::build().shutdown_signal(stop).shutdown_timeout(30);
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("http", listener, move || {
        let (app, stopping) = (app.clone(), stopping.clone());
        let web = WebApp::new().app_data(app).default_service(web::to(handle));
        let service = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            // That is done here, for all heads.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|connection: &Connection, data: &mut Extensions| {
                data.insert(Rc::clone(&connection.progress));
                Peer::note(&connection.stream, data);
            })
            .h1(map_config(web, |()| AppConfig::default()));
        fn_service(|stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            ready(Ok((Connection::new(stream), peer)))
        })
        .and_then(service)
    })?;
    Ok(builder.run())
}

/// What the handlers know of a connection, and tell it.
pub struct Progress {
    /// Its own end.
    pub local_address: Option<SocketAddr>,
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
    stream: TcpStream,
    progress: Rc<Progress>,
    /// How many requests were begun when the place was last looked at.
    begun: u64,
    place: Place,
    /// Whether some of an answer may not have been taken by the socket yet.
    unsent: bool,
    /// Wakes the connection; set when there is something to wait for, and left alone by requests that are fast.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        // Small pieces go out at once. Who takes nothing for a time is gone, or as good as gone; a watcher may come back and
        // go on where it was.
        let set =
            stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_user_timeout(Some(TAKES_NOTHING)));
        if let Err(error) = set {
            tracing::debug!(%error, "a connection could not be set up");
        }
        let progress = Progress {
            local_address: stream.local_addr().ok(),
            begun: Cell::new(0),
            in_hand: Cell::new(0),
            in_body: Cell::new(false),
        };
        let place = Place::Head { since: Instant::now(), line: Some(0) };
        Self { stream, progress: Rc::new(progress), begun: 0, place, unsent: false, alarm: None }
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
    fn refuse(&mut self, answer: &[u8]) {
        if !self.progress.in_body.get() {
            // It is a few bytes, and nothing is waiting to be sent. Whoever does not take them, goes without.
            let _ = self.stream.try_write(answer);
        }
        let _ = SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
        self.place = Place::Refused { until: Instant::now() + LINGER };
    }

    /// When the client has to have come further.
    fn deadline(&self) -> Option<Instant> {
        match self.place {
            Place::Head { since, .. } => Some(since + HEAD_TIMEOUT),
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
                this.refuse(LATE);
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
                this.refuse(TOO_LONG);
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
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    /// Asked for when all is written.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready_or_pending!(Pin::new(&mut this.stream).poll_flush(context))?;
        this.unsent = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
