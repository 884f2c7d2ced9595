//! The life of a server process: from its settings to its last answer.

mod service_manager;
mod speaks_cql;

use crate::{
    access::{
        AaaMode, Identity,
        role_rules::{KeptRoleRules, Questions},
    },
    api::{
        Account, Administrators, Admission, AllowedHosts, App, Documentation, Entrance, Listeners, Proxies, Scrapes,
        SocketFile, ToldAtScrape, server,
    },
    authentication::{
        Authenticator, Callers, Failures, Source, SpecialRoles, TokenFile, https_client, jwt::Jwt, keystone::Keystone,
    },
    bus::{AmqpServers, Bus},
    feed::{Feed, send_to_amqp},
    graph::Graph,
    introspect::Introspect,
    logs::{Logs, Traces},
    metrics::{self, table},
    model::Model,
    private_postgresql::{Mark, MarkError, PrivateError, PrivatePostgres},
    replica::{Replica, change_shared_settings},
    rules::{NeutronOptions, Operation, Options, Request, rulebook},
    seats::{self, Seats, files_for},
    settings::{AdminPassword, AdminPort, Faults, ServeSettings, TlsFiles},
    signals::{self, stopped},
    store::{Database, KeyValueStore, Retention, StoreError, check, operation, shared_settings},
    supervision::Supervision,
    tls::{Tls, UnusableFile},
    web::PAGES,
    writer::Writer,
};
use actix_web::web::Data;
use speaks_cql::{CqlDoor, SpeaksCql, cql_tls, open_cql};
use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{ErrorKind, Write},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use uuid::Uuid;

/// How long after the signal to stop everything that waits for the database has to be at its end.
const STOPS_WITHIN: Duration = Duration::from_secs(8);
/// A database that has answered the heartbeat within this time can be asked at the end.
const DATABASE_IS_HEARD: Duration = Duration::from_secs(1);
/// The option that names the Unix socket for administrators.
const ADMIN_SOCKET: &str = "--admin-socket";
/// How long the last changes may take to be sent.
const SENDS_WITHIN: Duration = Duration::from_secs(5);

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong; the text names it, and where it came from.
    #[error("{0}")]
    Settings(String),
    /// A setting is not the one that all servers on the database have.
    #[error("{0}")]
    NotShared(String),
    /// Somebody has changed such a setting while this server ran.
    #[error("{0}")]
    Overtaken(String),
    /// The private PostgreSQL does not run.
    #[error("{0}")]
    Private(#[from] PrivateError),
    /// The mark beside the private database can't be kept.
    #[error("{0}")]
    Mark(#[from] MarkError),
    /// The database, and why it can't be used.
    #[error("database {0}: {1}")]
    Store(String, Box<StoreError>),
    /// The first objects can't be made.
    #[error("first objects: {0}")]
    FirstObjects(String),
    /// The address can't be listened on.
    #[error("{place}: can't listen there: {error}{hint}", hint = listen_hint(option, error))]
    Listen {
        /// The setting with its value.
        place: String,
        /// The option.
        option: &'static str,
        /// Why not.
        error: std::io::Error,
    },
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

impl StartError {
    /// The exit status: 2 where somebody has to change something before it can work, so that nobody tries for ever; 1 for
    /// what may pass by itself.
    pub fn exit_status(&self) -> u8 {
        let is_lasting = match self {
            Self::Settings(_) | Self::NotShared(_) => true,
            Self::Private(error) => error.is_lasting(),
            Self::Store(_, error) => error.is_lasting(),
            Self::Listen { error, .. } => error.kind() == ErrorKind::PermissionDenied,
            // One that was overtaken takes what there is when it is started again, unless it is told otherwise.
            Self::Overtaken(_)
            | Self::FirstObjects(_)
            | Self::Mark(_)
            | Self::Unsound { .. }
            | Self::Io(_)
            | Self::Broken(_) => false,
        };
        if is_lasting { 2 } else { 1 }
    }
}

/// What the system's text leaves out.
fn listen_hint(option: &str, error: &std::io::Error) -> String {
    let is_port = option != ADMIN_SOCKET;
    match error.kind() {
        ErrorKind::AddrInUse if is_port => {
            format!(". Another program does already; stop it, or choose another port with {option}")
        }
        ErrorKind::AddrInUse => format!(". Stop it, or choose another file with {option}"),
        ErrorKind::PermissionDenied if is_port => ". Ports below 1024 are for root".to_owned(),
        ErrorKind::AddrNotAvailable => ". It is no address of this machine".to_owned(),
        _ => String::new(),
    }
}

/// Memory comes in pages of the usual size. The system fills one of 2 MiB with zeros while a request waits for its first byte, and where
/// memory is in pieces puts them together before that, for milliseconds. The graph is hardly faster with them (docs/scale.md). A private
/// `PostgreSQL`, which is a child, does without them, too.
fn without_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "transparent huge pages can't be switched off");
    }
}

/// Serves until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub async fn serve(settings: ServeSettings, logs: &Logs) -> Result<(), StartError> {
    let stop = signals::listen()?;
    without_huge_pages();
    metrics::begin();
    signals::change_filter(&logs.filter)?;
    for note in settings.notes() {
        if note.warns {
            tracing::warn!("{}", note.text);
        } else {
            tracing::info!("{}", note.text);
        }
    }
    // What can be wrong with the settings is told before anything is made.
    let Parts { model, retention, authenticator, directory, doors, brokers } =
        parts(&settings).map_err(|faults| StartError::Settings(faults.to_string()))?;
    if settings.is_open() {
        tracing::warn!("whoever reaches {} may read, change and delete everything (--open)", settings.listen);
    }
    let opened = open(&settings, doors)?;
    let prepared = Prepared { retention, model, authenticator, brokers, opened, logs };
    let Some(directory) = directory else {
        let url = settings.database_url.clone().unwrap_or_default();
        return serve_on(&url, None, &settings, prepared, stop).await;
    };
    let private = match PrivatePostgres::start(&directory, stop.clone()).await {
        Err(PrivateError::Stopped) => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
        started => started?,
    };
    let mark = Mark::beside(&directory);
    let url = private.database_url();
    let served = serve_on(&url, Some(&mark), &settings, prepared, stop).await;
    if let Ok(database) = Database::new(&url)
        && served.is_ok()
        && let Err(error) = mark.renew_on(&database).await
    {
        tracing::warn!(%error, "the mark of the database could not be renewed");
    }
    private.stop().await?;
    served
}

/// What is made of settings alone.
struct Parts {
    model: Arc<Model>,
    retention: Retention,
    authenticator: Authenticator,
    /// Of the private PostgreSQL, if there is to be one.
    directory: Option<PathBuf>,
    doors: Doors,
    brokers: Option<AmqpServers>,
}

/// What ways in are made of.
struct Doors {
    tls: Option<Arc<Tls>>,
    cql_tls: Option<Arc<Tls>>,
    /// Where administrators may come with a password, and with which one.
    admin_port: Option<(SocketAddr, Account)>,
}

/// All that is wrong with settings, as far as it can be seen without listening or asking anybody.
pub fn faults(settings: &ServeSettings) -> Faults {
    parts(settings).err().unwrap_or_default()
}

/// Makes what can be made of settings alone. Whatever is wrong is told at once.
fn parts(settings: &ServeSettings) -> Result<Parts, Faults> {
    let mut faults = settings.faults();
    let model = faults.take(&["schema_dir"], settings.read_model()).map(Arc::new);
    if let Some(model) = &model {
        faults.take(&["quota"], settings.check_quota(model));
    }
    let retention = faults.take(&["keep_changes", "keep_changes_at_most"], settings.retention());
    let who_asks = ["aaa_mode", "listen", "open", "token_file", "keystone_url", "jwt_issuer"];
    faults.take(&who_asks, settings.check_access());
    let of_cql = ["cql_listen", "cql_users_file", "cql_advertise", "cql_cluster_id", "cql_tls", "aaa_mode", "open"];
    faults.take(&of_cql, settings.check_cql());
    settings.check_listeners(&mut faults);
    let authenticator = authenticator(settings, &mut faults);
    let directory = match settings.database_url {
        Some(_) => None,
        None => faults.take(&["database_url", "data_dir"], settings.data_directory()),
    };
    let brokers = faults.take(&["amqp_url"], settings.brokers()).flatten();
    let doors = doors(settings, &mut faults);
    match (model, retention, authenticator) {
        (Some(model), Some(retention), Some(authenticator)) if faults.is_empty() => {
            Ok(Parts { model, retention, authenticator, directory, doors, brokers })
        }
        _ => Err(faults),
    }
}

fn doors(settings: &ServeSettings, faults: &mut Faults) -> Doors {
    let read = |files: TlsFiles| Tls::read(files).map(Arc::new).map_err(|error| unusable(settings, &error));
    let of_tls = ["tls_certificate", "tls_key", "tls_client_ca", "tls_client_certificates"];
    let files = faults.take(&of_tls, settings.tls_files()).flatten();
    let cql_tls = cql_tls(settings, files.as_ref(), faults);
    let tls = files.and_then(|files| faults.take(&of_tls, read(files)));
    let of_port = ["admin_listen", "admin_user", "admin_password_file", "admin_password"];
    let port = faults.take(&of_port, settings.admin_port()).flatten();
    // ADMIN-1: everybody is as good as an administrator otherwise.
    let port = port.filter(|_| settings.access.aaa_mode != AaaMode::NoAuth);
    let admin_port = port.and_then(|AdminPort { listen, user, password }| {
        let account = match password {
            AdminPassword::Given(password) => Ok(Account::new(&user, password.as_bytes())),
            AdminPassword::File(file) => Account::read(&user, &file)
                .map_err(|error| settings.told("admin_password_file", format!("{}: {error}", file.display()))),
        };
        Some((listen, faults.take(&of_port, account)?))
    });
    Doors { tls, cql_tls, admin_port }
}

/// What is there before the database is asked for anything.
struct Prepared<'a> {
    retention: Retention,
    model: Arc<Model>,
    authenticator: Authenticator,
    brokers: Option<AmqpServers>,
    opened: Opened,
    logs: &'a Logs,
}

/// The ways in.
struct Opened {
    listeners: Listeners,
    cql: Option<CqlDoor>,
    introspect: Option<Introspect>,
    administrators: Administrators,
    /// Held to be taken away at the end.
    socket_file: Option<SocketFile>,
}

fn unusable(settings: &ServeSettings, UnusableFile { field, file, text }: &UnusableFile) -> String {
    format!("{}: {text}", settings.told(field, file.display()))
}

/// Opens the ways in. Before the database is started, so that a port that is taken is told at once.
fn open(settings: &ServeSettings, doors: Doors) -> Result<Opened, StartError> {
    let Doors { tls, cql_tls, admin_port } = doors;
    let cql = open_cql(settings, cql_tls)?;
    let bind = |field: &str, option: &'static str, address: SocketAddr| {
        let told = |error| StartError::Listen { place: settings.told(field, address), option, error };
        TcpListener::bind(address).map_err(told)
    };
    let public = bind("listen", "--listen", settings.listen)?;
    let introspect = match settings.logs.introspect_listen {
        None => None,
        Some(address) => Some(Introspect::start(bind("introspect_listen", "--introspect-listen", address)?)?),
    };
    let failures = Failures::limited_to(settings.access.failed_authentications);
    let mut listeners = Listeners { public, tls, administrators_socket: None, administrators_port: None };
    // ADMIN-1: everybody is as good as an administrator otherwise.
    if settings.access.aaa_mode == AaaMode::NoAuth {
        let has_socket = settings.doors.admin_socket.as_ref().is_some_and(|path| path.as_os_str() != "none");
        if settings.doors.admin_listen.is_some() || has_socket {
            tracing::warn!(
                "there are no ways in for administrators, as everybody may do everything (--aaa-mode no-auth)"
            );
        }
        let administrators = Administrators::new(None, failures);
        return Ok(Opened { listeners, cql, introspect, administrators, socket_file: None });
    }
    let mut account = None;
    if let Some((listen, of_port)) = admin_port {
        account = Some(of_port);
        let listener = bind("admin_listen", "--admin-listen", listen)?;
        tracing::info!(address = %listener.local_addr()?, "administrators may come with a password");
        listeners.administrators_port = Some(listener);
    }
    let socket_file = administrators_socket(settings, &mut listeners)?;
    let administrators = Administrators::new(account, failures);
    Ok(Opened { listeners, cql, introspect, administrators, socket_file })
}

/// Opens the Unix socket for administrators, where there is to be one.
fn administrators_socket(
    settings: &ServeSettings,
    listeners: &mut Listeners,
) -> Result<Option<SocketFile>, StartError> {
    let is_given = settings.doors.admin_socket.is_some();
    let Some(path) = settings.admin_socket(listeners.public.local_addr()?.port()) else {
        if !is_given {
            tracing::warn!(
                "there is no Unix socket for administrators: neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR says where; \
                 --admin-socket FILE does, or none"
            );
        }
        return Ok(None);
    };
    if let Some(directory) = path.parent().filter(|_| !is_given) {
        // Where it can't be made there is none, which is told below.
        let _ = std::fs::create_dir_all(directory);
    }
    match SocketFile::open(&path) {
        Ok((listener, file)) => {
            tracing::info!(path = %path.display(), "administrators may come by a Unix socket");
            listeners.administrators_socket = Some(listener);
            Ok(Some(file))
        }
        // It may end.
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let place = settings.told("admin_socket", path.display());
            Err(StartError::Listen { place, option: ADMIN_SOCKET, error })
        }
        // Where nobody said so there may be no such place.
        Err(error) if !is_given => {
            tracing::warn!(path = %path.display(), %error, "there is no Unix socket for administrators (--admin-socket)");
            Ok(None)
        }
        Err(error) => {
            let path = settings.told("admin_socket", path.display());
            Err(StartError::Settings(format!("{path}: can't listen there: {error}")))
        }
    }
}

/// How connections are let in.
fn entrance(settings: &ServeSettings) -> Entrance {
    let limits = settings.doors.connections;
    let [most, most_of_one] = [files_for(limits.max_connections), limits.max_connections_per_address]
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    let seats = Seats::new(most, most_of_one, &seats::PUBLIC, settings.doors.trusted_proxies.clone());
    Entrance { seats, head_timeout: limits.head_timeout(), keepalive: settings.doors.tcp_keepalive }
}

/// Who finds out who asks; the sources in the order in which they are asked.
fn authenticator(settings: &ServeSettings, faults: &mut Faults) -> Option<Authenticator> {
    let access = &settings.access;
    // A role without a name is none (ROLE-7).
    let global_read_only = access.global_read_only_role.clone().filter(|role| !role.trim().is_empty());
    let roles = SpecialRoles { cloud_admin: access.cloud_admin_role.clone(), global_read_only };
    let callers = Arc::new(Callers { roles, default_domain_id: access.default_domain_id.clone() });
    let told = |field: &str, value: &dyn Display| settings.told(field, value);
    let file = access.token_file.as_ref().map(|path| {
        let told = |error| format!("{}: {error}", settings.told("token_file", path.display()));
        TokenFile::read(path, Arc::clone(&callers)).map(Arc::new).map_err(told)
    });
    let file = faults.take(&["token_file"], file.transpose());
    let of_issuer = [
        "jwt_issuer",
        "jwt_audience",
        "jwt_key_set_url",
        "jwt_ca_file",
        "jwt_allow_http",
        "oidc_client_id",
        "oidc_client_secret_file",
    ];
    let issuer = faults.take(&of_issuer, Jwt::new(&settings.jwt, Arc::clone(&callers), told));
    let of_keystone = ["keystone_url", "keystone_user", "keystone_password", "keystone_password_file"];
    let keystone = faults.take(&of_keystone, Keystone::new(&settings.keystone, Arc::clone(&callers), told));
    let (file, issuer, keystone) = (file?, issuer?, keystone?);
    let keystone_uri = keystone.as_ref().map(|keystone| keystone.url().to_owned());
    let sources = [file.map(Source::File), issuer.map(Source::Jwt), keystone.map(Source::Keystone)];
    let sources = sources.into_iter().flatten().collect();
    let failures = Failures::limited_to(access.failed_authentications);
    Some(Authenticator::new(access.aaa_mode, callers, sources, failures, keystone_uri.as_deref()))
}

/// What a server consists of when it can begin to answer.
struct Started {
    replica: Arc<Replica>,
    writer: Writer,
    writing: JoinHandle<()>,
    neutron: NeutronOptions,
}

/// Brings the database up to date, and the graph into memory.
async fn start_on(
    database: &Database,
    mark: Option<&Mark>,
    settings: &ServeSettings,
    retention: Retention,
    model: &Arc<Model>,
    supervision: &Arc<Supervision>,
) -> Result<Started, StartError> {
    let refused = |error| StartError::Store(database.place(), Box::new(error));
    database.wait_until_there(Duration::from_secs(settings.database_wait)).await.map_err(refused)?;
    database.migrate(model).await.map_err(refused)?;
    if let Some(mark) = mark {
        mark.recognise(&mut database.connect(operation::MARK).await.map_err(refused)?).await?;
    }
    let options = agree(database, settings).await?;
    let (consistency, shared) = (settings.read_consistency, options.shared());
    let replica = Replica::start(database.clone(), Arc::clone(model), consistency, shared, supervision);
    let replica = replica.await.map_err(refused)?;
    let neutron = options.neutron.clone();
    let rulebook = rulebook(model, options);
    let (writer, writing) = Writer::start(
        database.clone(),
        Arc::clone(&replica),
        settings.batch_limit,
        retention.partition_size(),
        rulebook,
        supervision,
    );
    let role_rules = settings.access.aaa_mode == AaaMode::Rbac;
    provision(&writer, role_rules)
        .await
        .map_err(|error| replica.agreement.overtaken().map_or(error, StartError::Overtaken))?;
    tracing::info!(objects = replica.current().len(), revision = replica.current().revision(), "loaded");
    Ok(Started { replica, writer, writing, neutron })
}

/// The settings that all servers on the database share: what it has, or what this one gives it, as the first, or to change it.
async fn agree(database: &Database, settings: &ServeSettings) -> Result<Options, StartError> {
    let refused = |error| StartError::Store(database.place(), Box::new(error));
    let mut session = database.connect(operation::SETTINGS).await.map_err(refused)?;
    let stored = shared_settings::keep(&mut session, &settings.options().shared()).await.map_err(refused)?;
    session.close().await.map_err(refused)?;
    let options = settings.options_on(&stored).map_err(StartError::NotShared)?;
    // Only these, for somebody else may change another one at the same time.
    let changed: BTreeMap<_, _> =
        options.shared().into_iter().filter(|(name, text)| stored.get(name) != Some(text)).collect();
    if !changed.is_empty() {
        change_shared_settings(database, &changed).await.map_err(refused)?;
        let before: Vec<String> =
            changed.keys().map(|name| format!("{name}={}", stored.get(name).map_or("", String::as_str))).collect();
        let now: Vec<String> = changed.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let (before, now) = (before.join(", "), now.join(", "));
        tracing::warn!(before, now, "settings were changed for all servers on the database; those that run stop");
    }
    Ok(options)
}

async fn serve_on(
    url: &str,
    mark: Option<&Mark>,
    settings: &ServeSettings,
    prepared: Prepared<'_>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StartError> {
    let Prepared { retention, model, authenticator, brokers, opened, logs } = prepared;
    let Opened { listeners, cql, introspect, administrators, socket_file } = opened;
    let database = Database::new(url).map_err(|error| StartError::Settings(error.to_string()))?;
    let supervision = Arc::new(Supervision::default());
    let started = tokio::select! {
        biased;
        () = stopped(&mut stop) => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
        started = start_on(&database, mark, settings, retention, &model, &supervision) => started?,
    };
    let Started { replica, writer, writing, neutron } = started;
    authenticator.follow(&supervision);
    let traces = traces(settings, replica.lease.server(), &supervision)?;
    let key_values = Arc::new(KeyValueStore::new(database.sessions()));
    let address = listeners.public.local_addr()?;
    let scheme = if listeners.tls.is_some() { "https" } else { "http" };
    if let Some(tls) = listeners.tls.clone() {
        supervision.keep("files of TLS", move || Arc::clone(&tls).follow());
    }
    let mut told_at_scrape = vec![told_of_start(mark.is_some(), &listeners)];
    let mut cql = match cql {
        None => None,
        Some(door) => Some(SpeaksCql::start(door, settings, &database, &replica, &key_values, &supervision).await?),
    };
    told_at_scrape.extend(cql.as_ref().map(SpeaksCql::told_at_scrape));
    let feed = Feed::start(database.clone(), Arc::clone(&model), Arc::clone(&replica), retention, &supervision);
    let (finish, finished) = watch::channel(false);
    let sending = brokers.clone().map(|servers| {
        let feed = Arc::clone(&feed);
        // The next one goes on where the position was written, as after a kill.
        supervision.keep("message bus", move || send_to_amqp(Arc::clone(&feed), servers.clone(), finished.clone()))
    });
    let bus = brokers.map(|servers| Arc::new(Bus::new(servers, settings.broker.patience())));
    let watch = settings.watch;
    let check_database = database.clone();
    let app = Data::new(App {
        documentation: Documentation::new(Arc::clone(&model)),
        pages: PAGES,
        model,
        replica: Arc::clone(&replica),
        writer,
        database,
        supervision: Arc::clone(&supervision),
        key_values,
        log_filter: Arc::clone(&logs.filter),
        traces: traces.clone(),
        feed: Arc::clone(&feed),
        role_rules: Arc::new(KeptRoleRules::new(replica.current().model())),
        neutron,
        kept_lists: Arc::default(),
        bus: bus.clone(),
        requests: settings.requests,
        admission: Admission::new(settings.requests, settings.doors.connections),
        watch,
        shares: Arc::default(),
        allowed_hosts: AllowedHosts::new(&settings.allowed_hosts),
        proxies: match settings.doors.trusted_proxies.as_slice() {
            [] if settings.access.aaa_mode == AaaMode::NoAuth => Proxies::All,
            proxies => Proxies::These(proxies.to_vec()),
        },
        administrators,
        hides_forbidden: settings.access.hide_forbidden,
        authenticator: Arc::new(authenticator),
        told_at_scrape,
        scrapes: Scrapes::default(),
    });
    if let Some(introspect) = &introspect {
        introspect.show(&app);
    }
    let (tell, signalled) = oneshot::channel();
    let stopping = (feed, Arc::clone(&replica), bus);
    let stop = async move {
        let (feed, replica, bus) = stopping;
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = replica.agreement.ends() => {}
        }
        // Watchers would stay for ever, and who waits for a reply for long, so they are sent away; and nobody is held up for long
        // any more.
        feed.stop();
        replica.stop();
        if let Some(bus) = bus {
            bus.stop();
        }
        let _ = tell.send(Instant::now());
    };
    let server = server(listeners, entrance(settings), app.clone(), stop)?;
    // What was done until now is told before it.
    logs.flush();
    announce(scheme, address);
    service_manager::ready();
    tokio::select! {
        ended = server => ended?,
        name = supervision.broke() => {
            drop(cql);
            resign(&replica, Duration::from_secs(1)).await;
            return Err(StartError::Broken(name));
        }
    }
    drop(socket_file);
    if let Some(introspect) = introspect {
        introspect.stop().await;
    }
    if let Some(cql) = cql.take() {
        cql.stop().await;
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
    // Nobody waits for a database that says nothing.
    let is_heard = replica.lease.silence() < DATABASE_IS_HEARD;
    let sound = match settings.check_at_end {
        true if is_heard => check_at_end(&replica, &check_database).await,
        true => {
            tracing::warn!("not checked at the end: the database says nothing");
            Ok(())
        }
        false => Ok(()),
    };
    if let Some(traces) = traces {
        traces.stop().await;
    }
    tracing::info!("stopped");
    match replica.agreement.overtaken() {
        Some(text) => sound.and(Err(StartError::Overtaken(text))),
        None => sound,
    }
}

/// What is known here alone, for a scrape: whether the database is a private one, and when the certificate ends.
fn told_of_start(is_private: bool, listeners: &Listeners) -> ToldAtScrape {
    let tls = listeners.tls.clone();
    Box::new(move |scrape| {
        scrape.number(&table::PRIVATE_POSTGRESQL, &[], u64::from(is_private));
        if let Some(end) = tls.as_ref().and_then(|tls| tls.end()) {
            scrape.number(&table::CERTIFICATE_END, &["public"], end);
        }
    })
}

/// Where traces of requests are sent, if anywhere.
fn traces(
    settings: &ServeSettings,
    server: Uuid,
    supervision: &Arc<Supervision>,
) -> Result<Option<Arc<Traces>>, StartError> {
    let Some(endpoint) = &settings.logs.otlp_endpoint else { return Ok(None) };
    let started = https_client(None, false).and_then(|client| Traces::start(endpoint, client, server, supervision));
    let told = |error| StartError::Settings(format!("{}: {error}", settings.told("otlp_endpoint", endpoint)));
    started.map(Some).map_err(told)
}

/// Whether what this process knows is what the next one would load.
async fn check_at_end(replica: &Replica, database: &Database) -> Result<(), StartError> {
    let known = Graph::clone(&replica.current());
    let refused = |error| StartError::Store(database.place(), Box::new(error));
    let mut connection = database.connect(operation::CHECK).await.map_err(refused)?;
    let findings = check(&mut connection, known, &|_| {}).await.map_err(refused)?.findings;
    let mut faults = findings.kept_faults().map(ToString::to_string);
    let Some(first) = faults.next() else {
        tracing::info!("checked: the database says what is in memory");
        return Ok(());
    };
    for finding in faults {
        tracing::error!(finding);
    }
    Err(StartError::Unsound { count: findings.faults(), first })
}

async fn resign(replica: &Replica, limit: Duration) {
    match timeout(limit, replica.resign()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "could not resign"),
        Err(_) => tracing::debug!("could not resign in time"),
    }
}

/// The one line on standard output. Nobody may be listening, or take it; that is no reason not to serve.
fn announce(scheme: &str, address: SocketAddr) {
    let tell = move |scheme: String| {
        let mut output = std::io::stdout().lock();
        let _ = writeln!(output, "cirrus is ready at {scheme}://{address}");
        let _ = output.flush();
    };
    let scheme = scheme.to_owned();
    if let Err(error) = thread::Builder::new().name("ready".to_owned()).spawn(move || tell(scheme)) {
        tracing::warn!(%error, "that the server is ready can't be told on standard output");
    }
}

/// Makes the first objects; which of several servers does is decided by whose turn comes first.
async fn provision(writer: &Writer, role_rules: bool) -> Result<(), StartError> {
    let identity = Identity::server("first-objects");
    let request = Request {
        operation: Operation::Provision { role_rules },
        precondition: None,
        dry_run: false,
        identity,
        asked: Questions::default(),
    };
    let refused = |refusal: crate::rules::Rejection| StartError::FirstObjects(refusal.text.to_string());
    writer.submit(request, None).await.map(|_| ()).map_err(refused)
}
