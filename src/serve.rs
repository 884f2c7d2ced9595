//! The life of a server process: from its settings to its last answer.

use crate::{
    access::Identity,
    api::{Admission, AllowedHosts, App, Documentation, server},
    bus::Bus,
    feed::{Feed, send_to_amqp},
    graph::Graph,
    model::{Model, SchemaError},
    rules::{Operation, Options, Request},
    settings::ServeSettings,
    store::{Database, KeyValueStore, Mark, MarkError, PrivateError, PrivatePostgres, StoreError, check},
    supervision::Supervision,
    writer::{Replica, Writer},
};
use actix_web::web::Data;
use std::{io::Write, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
    time::{Instant, timeout},
};

/// How long after the signal to stop everything that waits for the database has to be at its end.
const STOPS_WITHIN: Duration = Duration::from_secs(8);
/// How long the last changes may take to be sent.
const SENDS_WITHIN: Duration = Duration::from_secs(5);

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings contradict each other or the machine.
    #[error("{0}")]
    Settings(String),
    /// The data model has a mistake.
    #[error("data model: {0}")]
    Schema(#[from] SchemaError),
    /// The private PostgreSQL does not run.
    #[error("{0}")]
    Private(#[from] PrivateError),
    /// The mark beside the private database can't be kept.
    #[error("{0}")]
    Mark(#[from] MarkError),
    /// The database can't be used.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The first objects can't be made.
    #[error("first objects: {0}")]
    FirstObjects(String),
    /// The address can't be listened on.
    #[error("can't listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The end shows that something went wrong before.
    #[error("{} findings; the first: {first}", count)]
    Unsound {
        /// How many.
        count: usize,
        /// The first.
        first: String,
    },
    /// The server broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A part of it has a fault and can't begin anew by itself.
    #[error(
        "the {0} has broken off, without which the server is of no use; what was answered is stored, start it again"
    )]
    Broken(&'static str),
}

/// Serves until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub async fn serve(settings: ServeSettings) -> Result<(), StartError> {
    let model = Arc::new(Model::read(settings.schema_dir.as_deref())?);
    settings.quota.check(&model).map_err(StartError::Settings)?;
    // Before the database is started, so that a port that is taken is told at once.
    let listener =
        std::net::TcpListener::bind(settings.listen).map_err(|error| StartError::Listen(settings.listen, error))?;
    if let Some(url) = &settings.database_url {
        return serve_on(url, None, &settings, model, listener).await;
    }
    let directory = settings.data_directory().map_err(StartError::Settings)?;
    let private = PrivatePostgres::start(&directory).await?;
    let mark = Mark::beside(&directory);
    let url = private.database_url();
    let served = serve_on(&url, Some(&mark), &settings, model, listener).await;
    if served.is_ok()
        && let Err(error) = mark.renew_on(&Database::new(&url)?).await
    {
        tracing::warn!(%error, "the mark of the database could not be renewed");
    }
    private.stop().await?;
    served
}

async fn serve_on(
    url: &str,
    mark: Option<&Mark>,
    settings: &ServeSettings,
    model: Arc<Model>,
    listener: std::net::TcpListener,
) -> Result<(), StartError> {
    let retention = settings.log_retention.retention().map_err(StartError::Settings)?;
    let database = Database::new(url)?;
    database.wait_until_there(Duration::from_secs(settings.database_wait)).await?;
    database.migrate(&model).await?;
    if let Some(mark) = mark {
        mark.recognise(&mut database.connect().await?).await?;
    }
    let supervision = Arc::new(Supervision::default());
    let replica = Replica::start(database.clone(), Arc::clone(&model), settings.read_consistency, &supervision).await?;
    let options = Options { quota: settings.quota.clone(), tag_id_digits: settings.tag_id_digits };
    let partition_size = retention.partition_size();
    let (writer, writing) = Writer::start(
        database.clone(),
        Arc::clone(&replica),
        settings.batch_limit,
        partition_size,
        options,
        &supervision,
    );
    provision(&writer).await?;
    tracing::info!(objects = replica.current().len(), revision = replica.current().revision(), "loaded");

    let key_values = Arc::new(KeyValueStore::new(database.sessions()));
    let address = listener.local_addr()?;
    let feed = Feed::start(database.clone(), Arc::clone(&model), Arc::clone(&replica), retention, &supervision);
    let (finish, finished) = watch::channel(false);
    let sending = settings.amqp_url.clone().map(|servers| {
        let feed = Arc::clone(&feed);
        // The next one goes on where the position was written, as after a kill.
        supervision.keep("message bus", move || send_to_amqp(Arc::clone(&feed), servers.clone(), finished.clone()))
    });
    let bus = settings.amqp_url.clone().map(|servers| Arc::new(Bus::new(servers)));
    let watch = settings.watch;
    let check_database = database.clone();
    let app = Data::new(App {
        documentation: Documentation::new(Arc::clone(&model)),
        model,
        replica: Arc::clone(&replica),
        writer,
        database,
        supervision: Arc::clone(&supervision),
        key_values,
        feed: Arc::clone(&feed),
        kept_lists: Arc::default(),
        bus: bus.clone(),
        requests: settings.requests,
        admission: Admission::new(settings.requests),
        watch,
        allowed_hosts: AllowedHosts::new(&settings.allowed_hosts),
    });
    let (tell, signalled) = oneshot::channel();
    let stopping = (feed, Arc::clone(&replica), bus);
    let stop = async move {
        stop_signal().await;
        // Watchers would stay for ever, and who waits for a reply for long, so they are sent away; and nobody is held up for long
        // any more.
        let (feed, replica, bus) = stopping;
        feed.stop();
        replica.stop();
        if let Some(bus) = bus {
            bus.stop();
        }
        let _ = tell.send(Instant::now());
    };
    let server = server(listener, app.clone(), stop)?;
    announce(address);
    tokio::select! {
        ended = server => ended?,
        name = supervision.broke() => {
            resign(&replica, Duration::from_secs(1)).await;
            return Err(StartError::Broken(name));
        }
    }
    let signalled = signalled.await.unwrap_or_else(|_| Instant::now());
    let left = |least: u64| STOPS_WITHIN.saturating_sub(signalled.elapsed()).max(Duration::from_secs(least));
    // The last handle of the writer goes with the application; then it finishes what it has and ends.
    drop(app);
    if timeout(left(1), writing).await.is_err() {
        tracing::warn!("the writer did not end in time");
    }
    finish.send_replace(true);
    if let Some(sending) = sending
        && timeout(left(1).min(SENDS_WITHIN), sending).await.is_err()
    {
        tracing::warn!("AMQP: not all changes were sent; the next server goes on with them");
    }
    resign(&replica, left(1)).await;
    let sound = if settings.check_at_end { check_at_end(&replica, &check_database).await } else { Ok(()) };
    tracing::info!("stopped");
    sound
}

/// Whether what this process knows is what the next one would load.
async fn check_at_end(replica: &Replica, database: &Database) -> Result<(), StartError> {
    let known = Graph::clone(&replica.current());
    let mut connection = database.connect().await?;
    let mut findings = check(&mut connection, known).await?.findings.into_iter();
    let Some(first) = findings.next() else {
        tracing::info!("checked: the database says what is in memory");
        return Ok(());
    };
    let others: Vec<String> = findings.collect();
    for finding in &others {
        tracing::error!(finding);
    }
    Err(StartError::Unsound { count: others.len() + 1, first })
}

async fn resign(replica: &Replica, limit: Duration) {
    match timeout(limit, replica.resign()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "could not resign"),
        Err(_) => tracing::debug!("could not resign in time"),
    }
}

/// Waits for the signal to stop.
async fn stop_signal() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
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
