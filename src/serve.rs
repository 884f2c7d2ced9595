//! The life of a server process: from its settings to its last answer.

use crate::{
    access::Identity,
    api::{App, Documentation, handle},
    feed::{Feed, send_to_amqp},
    model::Model,
    rules::{Operation, Options, Request},
    settings::ServeSettings,
    signals::{self, stopped},
    store::{Database, KeyValueStore, PrivateError, PrivatePostgres, Retention, StoreError},
    writer::{Replica, Writer},
};
use actix_web::{
    App as WebApp, HttpServer,
    rt::net::TcpStream,
    web::{self, Data},
};
use socket2::SockRef;
use std::{any::Any, io::Write, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// For how long a peer may take nothing of what is sent to it.
const TAKES_NOTHING: Duration = Duration::from_mins(2);

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong; the text names it, and where it came from.
    #[error("{0}")]
    Settings(String),
    /// The private PostgreSQL does not run.
    #[error("{0}")]
    Private(#[from] PrivateError),
    /// The database, and why it can't be used.
    #[error("database {0}: {1}")]
    Store(String, StoreError),
    /// The first objects can't be made.
    #[error("first objects: {0}")]
    FirstObjects(String),
    /// The address can't be listened on.
    #[error("{0}: can't listen there: {1}{hint}", hint = listen_hint(.1))]
    Listen(String, std::io::Error),
    /// The server broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl StartError {
    /// The exit status: 2 where somebody has to change something before it can work, so that nobody tries for ever; 1 for
    /// what may pass by itself.
    pub fn exit_status(&self) -> u8 {
        let is_lasting = match self {
            Self::Settings(_) => true,
            Self::Private(error) => error.is_lasting(),
            Self::Store(_, error) => error.is_lasting(),
            Self::Listen(_, error) => error.kind() == std::io::ErrorKind::PermissionDenied,
            Self::FirstObjects(_) | Self::Io(_) => false,
        };
        if is_lasting { 2 } else { 1 }
    }
}

/// What the system's text leaves out.
fn listen_hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            ". Another program does already; stop it, or choose another port with --listen"
        }
        std::io::ErrorKind::PermissionDenied => ". Ports below 1024 are for root",
        std::io::ErrorKind::AddrNotAvailable => ". It is no address of this machine",
        _ => "",
    }
}

/// Serves until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub async fn serve(settings: ServeSettings) -> Result<(), StartError> {
    let stop = signals::listen()?;
    // What can be wrong with the settings is told before anything is made.
    let model = settings.read_model().map(Arc::new).map_err(StartError::Settings)?;
    let retention = settings.check(&model).map_err(StartError::Settings)?;
    let directory = match settings.database_url {
        Some(_) => None,
        None => Some(settings.data_directory().map_err(StartError::Settings)?),
    };
    // Before the database is started, so that a port that is taken is told at once.
    let listener = std::net::TcpListener::bind(settings.listen)
        .map_err(|error| StartError::Listen(settings.told("listen", settings.listen), error))?;
    let Some(directory) = directory else {
        let url = settings.database_url.clone().unwrap_or_default();
        return serve_on(&url, &settings, retention, model, listener, stop).await;
    };
    let private = match PrivatePostgres::start(&directory, stop.clone()).await {
        Err(PrivateError::Stopped) => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
        started => started?,
    };
    let served = serve_on(&private.database_url(), &settings, retention, model, listener, stop).await;
    private.stop().await?;
    served
}

/// What a server consists of when it can begin to answer.
struct Started {
    replica: Arc<Replica>,
    writer: Writer,
    writing: JoinHandle<()>,
}

/// Brings the database up to date, and the graph into memory.
async fn start_on(
    database: &Database,
    settings: &ServeSettings,
    retention: Retention,
    model: &Arc<Model>,
) -> Result<Started, StartError> {
    let refused = |error| StartError::Store(database.place(), error);
    database.wait_until_there(Duration::from_secs(settings.database_wait)).await.map_err(refused)?;
    database.migrate(model).await.map_err(refused)?;
    let replica =
        Replica::start(database.clone(), Arc::clone(model), settings.read_consistency).await.map_err(refused)?;
    let options = Options { quota: settings.quota.clone(), tag_id_digits: settings.tag_id_digits };
    let (writer, writing) = Writer::start(
        database.clone(),
        Arc::clone(&replica),
        settings.batch_limit,
        retention.partition_size(),
        options,
    );
    provision(&writer).await?;
    tracing::info!(objects = replica.current().len(), revision = replica.current().revision(), "loaded");
    Ok(Started { replica, writer, writing })
}

async fn serve_on(
    url: &str,
    settings: &ServeSettings,
    retention: Retention,
    model: Arc<Model>,
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StartError> {
    let database = Database::new(url).map_err(|error| StartError::Settings(error.to_string()))?;
    let started = tokio::select! {
        biased;
        () = stopped(&mut stop) => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
        started = start_on(&database, settings, retention, &model) => started?,
    };
    let Started { replica, writer, writing } = started;
    let key_values = KeyValueStore::new(database.pool());
    let address = listener.local_addr()?;
    let feed = Feed::start(database.clone(), Arc::clone(&model), Arc::clone(&replica), retention);
    let finish = watch::Sender::new(false);
    let sending = settings
        .amqp_url
        .clone()
        .map(|servers| tokio::spawn(send_to_amqp(Arc::clone(&feed), servers, finish.subscribe())));
    let watch = settings.watch;
    let app = Data::new(App {
        documentation: Documentation::new(Arc::clone(&model)),
        model,
        replica: Arc::clone(&replica),
        writer,
        database,
        key_values,
        feed: Arc::clone(&feed),
        kept_lists: Arc::default(),
        watch,
    });
    let server = {
        let app = app.clone();
        HttpServer::new(move || WebApp::new().app_data(app.clone()).default_service(web::to(handle)))
    };
    let server = server
        .on_connect(|connection, _| prepare_connection(connection))
        .shutdown_signal(send_watchers_away(stop, feed))
        .client_request_timeout(Duration::from_secs(30))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(30)
        .listen(listener)?
        .run();
    announce(address);
    server.await?;
    // The last handle of the writer goes with the application; then it finishes what it has and ends.
    drop(app);
    if tokio::time::timeout(Duration::from_secs(30), writing).await.is_err() {
        tracing::warn!("the writer did not end in time");
    }
    finish.send_replace(true);
    if let Some(sending) = sending
        && tokio::time::timeout(Duration::from_secs(5), sending).await.is_err()
    {
        tracing::warn!("AMQP: not all changes were sent; the next server goes on with them");
    }
    if let Err(error) = replica.resign().await {
        tracing::debug!(%error, "could not resign");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Sends small pieces at once, and gives up on a peer that takes nothing for a time: it is gone, or as good as gone. A
/// watcher may come back and go on where it was.
fn prepare_connection(connection: &dyn Any) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_user_timeout(Some(TAKES_NOTHING)));
    if let Err(error) = set {
        tracing::debug!(%error, "a connection could not be set up");
    }
}

/// Waits until it is time to stop; watchers would stay for ever, so they are sent away.
async fn send_watchers_away(mut stop: watch::Receiver<bool>, feed: Arc<Feed>) {
    stopped(&mut stop).await;
    feed.stop();
}

/// The one line on standard output.
fn announce(address: SocketAddr) {
    let mut output = std::io::stdout().lock();
    // Nobody may be listening; that is no reason not to serve.
    let _ = writeln!(output, "cirrus is ready at http://{address}");
    let _ = output.flush();
}

/// Makes the first objects; which of several servers does is decided by whose turn comes first.
async fn provision(writer: &Writer) -> Result<(), StartError> {
    let identity = Identity::server("first-objects");
    let request = Request { operation: Operation::Provision, identity, base: String::new() };
    let refused = |refusal: crate::rules::Rejection| StartError::FirstObjects(refusal.text);
    writer.submit(request).await.map(|_| ()).map_err(refused)
}
