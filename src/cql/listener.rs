//! Where CQL is spoken: connections are let in here. They have threads of their own, with less of a claim on the processors than those
//! that serve REST: ten daemons that read everything at the same time hold up nobody else.

use super::{connection, server::CqlServer, session::Ends};
use crate::{seats::Seats, tls::Tls};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// How many may wait to be let in.
const BACKLOG: i32 = 512;
/// How much less of the processors its threads get.
const NICENESS: i32 = 5;
/// How long the handshake of TLS may take.
const SHAKES_HANDS_WITHIN: Duration = Duration::from_secs(10);
/// After so much silence of a connection the system looks whether there is still somebody, and as often in the distance after it.
const LOOKS_AFTER: Duration = Duration::from_mins(1);
const LOOKS_EVERY: Duration = Duration::from_secs(15);
/// How long to wait where no connection can be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes the address, so that it is told at once where it is not to be had; nobody is let in yet, nor waits.
///
/// # Errors
/// When it is not to be had.
pub fn reserve(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The threads on which CQL is spoken.
///
/// # Errors
/// When there are none to be had.
pub fn threads() -> io::Result<Runtime> {
    let number = std::thread::available_parallelism().map_or(1, |number| number.get().div_ceil(2));
    Builder::new_multi_thread()
        .worker_threads(number)
        .thread_name("cql")
        .on_thread_start(|| {
            // In Linux this is said of a thread, and not of the process.
            if let Err(error) = rustix::process::nice(NICENESS) {
                tracing::debug!(%error, "a thread of CQL has as much of the processors as others");
            }
        })
        .enable_all()
        .build()
}

/// Lets those who come wait to be let in: whoever looks whether the port is open finds that it is.
///
/// # Errors
/// When the address can't be listened on.
pub fn open(socket: Socket) -> io::Result<StdListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets connections in until it is told to stop; those that are there end with it.
///
/// # Errors
/// When the listener is of no use to the runtime.
pub async fn let_all_in(
    listener: StdListener,
    server: Arc<CqlServer>,
    seats: Arc<Seats>,
    tls: Option<Arc<Tls>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    tracing::info!(address = %listener.local_addr()?, tls = tls.is_some(), "listening for CQL");
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No more files, or a client that is gone already.
                tracing::debug!(%error, "CQL: a connection could not be taken");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(seat) = seats.take(Some(peer.ip())) else { continue };
        let (server, tls, stop) = (Arc::clone(&server), tls.clone(), stop.clone());
        tokio::spawn(async move {
            let _seat = seat;
            if let Err(error) = let_in(stream, peer, server, tls, stop).await {
                tracing::debug!(%peer, %error, "CQL: a connection has broken off");
            }
        });
    }
}

async fn let_in(
    stream: TcpStream,
    peer: SocketAddr,
    server: Arc<CqlServer>,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(LOOKS_AFTER).with_interval(LOOKS_EVERY).with_retries(4);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    let ends = Ends { peer, local: stream.local_addr()? };
    match tls {
        None => connection::serve(stream, ends, server, stop).await,
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.current()).accept(stream);
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            let stream = timeout(SHAKES_HANDS_WITHIN, handshake).await.map_err(late)??;
            connection::serve(stream, ends, server, stop).await
        }
    }
}
