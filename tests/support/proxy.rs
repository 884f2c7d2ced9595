//! A TCP proxy between a server and its `PostgreSQL`, whose connections can be made to behave as those to a host that is
//! gone: they stay open, and nothing comes through.
//!
//!     let Behind { server, proxy, .. } = Behind::start();
//!     proxy.swallow(Flow::Nothing);            // the connections that are there
//!     proxy.new_connections(NewOnes::Refused); // those that come
//!     proxy.let_go();                          // all of them work, and what was held back arrives
//!
//! What is swallowed is held back and not read, so it waits in the buffers of the system as it does when a link is down.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::block_in_place;

use super::Server;
use super::postgresql::Cluster;

/// What comes through a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Everything, both ways.
    Everything,
    /// What the server sends arrives at the database, whose answers do not come back.
    Questions,
    /// Nothing, in neither direction; not even that the other side has closed.
    Nothing,
}

/// What becomes of a connection that is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewOnes {
    /// It leads to the database.
    Work,
    /// It is reset at once, as by a host on which nobody listens.
    Refused,
    /// It is taken, and nothing comes through.
    Swallowed,
}

/// A server whose database is behind a proxy, in the order in which they have to end.
pub struct Behind {
    pub server: Server,
    pub proxy: Proxy,
    pub cluster: Cluster,
}

impl Behind {
    /// On a new database.
    pub fn start() -> Self {
        block_in_place(|| {
            let cluster = Cluster::start("database", &[]);
            cluster.create_database();
            let proxy = Proxy::start(&cluster.socket());
            Self { server: Server::start_on(&proxy.database_url()), proxy, cluster }
        })
    }

    /// Past the proxy.
    pub async fn database(&mut self) -> PgConnection {
        PgConnection::connect(&self.cluster.url()).await.unwrap()
    }
}

/// A running proxy. Its connections end with this value.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
    /// Its own, since a server under test may stop while the test waits for that.
    runtime: Option<Runtime>,
}

struct State {
    target: PathBuf,
    new_ones: NewOnes,
    /// One for each connection that is there; `None` breaks it.
    connections: Vec<watch::Sender<Option<Flow>>>,
}

impl Proxy {
    /// A proxy on a free port, to the database behind a Unix socket. Everything comes through at first.
    pub fn start(socket: &Path) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listen = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = runtime.block_on(listen).expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let state = State { target: socket.to_owned(), new_ones: NewOnes::Work, connections: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        runtime.spawn(accept(listener, Arc::clone(&state)));
        Self { port, state, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a [`Cluster`]'s database behind this proxy.
    pub fn database_url(&self) -> String {
        Cluster::url_through(self.port)
    }

    /// What comes through the connections that are there, from now on. New ones are another matter.
    pub fn swallow(&self, flow: Flow) {
        for connection in &locked(&self.state).connections {
            connection.send_replace(Some(flow));
        }
    }

    /// What becomes of connections from now on.
    pub fn new_connections(&self, new_ones: NewOnes) {
        locked(&self.state).new_ones = new_ones;
    }

    /// Everything comes through again, on connections that are there and on new ones; what was held back arrives.
    pub fn let_go(&self) {
        self.new_connections(NewOnes::Work);
        self.swallow(Flow::Everything);
    }

    /// Breaks the connections that are there.
    pub fn cut(&self) {
        for connection in locked(&self.state).connections.drain(..) {
            connection.send_replace(None);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_ones(state: &mut State) -> &mut Vec<watch::Sender<Option<Flow>>> {
    state.connections.retain(|connection| !connection.is_closed());
    &mut state.connections
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of file descriptors, for a moment.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let mut state = locked(&state);
        let flow = match state.new_ones {
            NewOnes::Work => Flow::Everything,
            NewOnes::Swallowed => Flow::Nothing,
            NewOnes::Refused => {
                // Closed with a reset, not as one that was served to its end.
                client.set_zero_linger().ok();
                continue;
            }
        };
        let (sender, receiver) = watch::channel(Some(flow));
        open_ones(&mut state).push(sender);
        tokio::spawn(serve(client, state.target.clone(), receiver));
    }
}

/// Serves a connection until both sides have closed, or it is broken.
async fn serve(mut client: TcpStream, target: PathBuf, mut flow: watch::Receiver<Option<Flow>>) {
    client.set_nodelay(true).ok();
    // One that is swallowed from its beginning never reaches the database, unless it is let go.
    if flow.wait_for(|flow| *flow != Some(Flow::Nothing)).await.is_err() {
        return;
    }
    // Nobody there: the client finds its connection closed.
    let Ok(mut database) = UnixStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_database, mut to_database) = database.split();
    let questions = carry(&mut from_client, &mut to_database, flow.clone(), |flow| flow != Flow::Nothing);
    let answers = carry(&mut from_database, &mut to_client, flow.clone(), |flow| flow == Flow::Everything);
    tokio::select! {
        _ = async { tokio::join!(questions, answers) } => {}
        _ = flow.wait_for(Option::is_none) => {}
    }
}

/// One direction of a connection: what may come through, and its end.
async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut flow: watch::Receiver<Option<Flow>>,
    may_pass: impl Fn(Flow) -> bool,
) {
    let may_pass = |flow: &Option<Flow>| flow.is_some_and(&may_pass);
    let mut piece = vec![0; 1 << 16];
    loop {
        if flow.wait_for(may_pass).await.is_err() {
            return;
        }
        let read = from.read(&mut piece).await;
        // It may have been told meanwhile that nothing comes through any more.
        if flow.wait_for(may_pass).await.is_err() {
            return;
        }
        match read {
            Ok(length @ 1..) if to.write_all(&piece[..length]).await.is_ok() => {}
            _ => break,
        }
    }
    to.shutdown().await.ok();
}
