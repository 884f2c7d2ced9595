//! What all connections of CQL have in common.

use super::{
    config::{ConfigTable, Plans},
    frame::{Error, ErrorKind, Event},
    schema::{CONFIG, Keyspace, Schema, USERAGENT, USERAGENT_TABLE, simple_replication},
    snapshots::Snapshots,
    system_tables::Process,
    users::Users,
};
use crate::{
    metrics::{self, Limit, Scrape, table},
    replica::Replica,
    store::{Database, KeyValueStore, StoreError, wide_rows::WideRows},
};
use arc_swap::ArcSwap;
use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::timeout;
use uuid::Uuid;

/// How much memory bodies of requests may take together, in bytes.
const MOST_OF_REQUESTS: usize = 128 << 20;
/// The same of answers that are made before they are sent.
const MOST_OF_ANSWERS: usize = 128 << 20;
/// The database is asked what tables there are when what is known is so old, ...
const SCHEMA_IS_OLD_AFTER: Duration = Duration::from_millis(200);
/// ... has so long for an answer, ...
const SCHEMA_WITHIN: Duration = Duration::from_millis(500);
/// ... but is not asked while it has been silent for so long.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// How many events a connection may be behind, which then misses some.
const EVENTS: usize = 64;
/// Of how many clients it is remembered that they were told of.
const MOST_NOTED: usize = 1024;
/// How often refused writes are told.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// What is known of the tables, and since when.
struct KnownSchema {
    schema: Arc<Schema>,
    since: Instant,
}

/// What all connections have in common.
pub struct CqlServer {
    /// This process, as the others tell of it.
    pub this: Process,
    /// Who may come.
    pub users: Users,
    /// The configuration.
    pub replica: Arc<Replica>,
    /// What daemons keep for themselves.
    pub stored: WideRows,
    /// Texts by key.
    pub key_values: Arc<KeyValueStore>,
    /// How rows of the configuration are made.
    pub plans: Arc<Plans>,
    /// Those that somebody reads in pages.
    pub snapshots: Snapshots,
    cluster_id: Option<String>,
    database: Database,
    schema: ArcSwap<KnownSchema>,
    others: ArcSwap<Vec<Process>>,
    events: broadcast::Sender<Event>,
    /// Whether this process is about to go.
    pub(super) leaving: watch::Sender<bool>,
    of_requests: Arc<Semaphore>,
    of_small_requests: Arc<Semaphore>,
    of_answers: Arc<Semaphore>,
    noted: Mutex<HashSet<(IpAddr, String)>>,
    told_of_refusal: Mutex<Option<Instant>>,
}

impl CqlServer {
    /// On a database, as this process, for these users.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn start(
        database: Database,
        replica: Arc<Replica>,
        key_values: Arc<KeyValueStore>,
        users: Users,
        this: Process,
        cluster_id: Option<String>,
    ) -> Result<Self, StoreError> {
        let server = Self {
            this,
            users,
            stored: WideRows::new(database.sessions()),
            key_values,
            plans: Arc::new(Plans::new(replica.current().model())),
            snapshots: Snapshots::default(),
            replica,
            cluster_id,
            database,
            schema: ArcSwap::from_pointee(KnownSchema { schema: Arc::default(), since: Instant::now() }),
            others: ArcSwap::default(),
            events: broadcast::channel(EVENTS).0,
            leaving: watch::Sender::new(false),
            of_requests: Arc::new(Semaphore::new(MOST_OF_REQUESTS)),
            of_small_requests: Arc::new(Semaphore::new(MOST_OF_REQUESTS)),
            of_answers: Arc::new(Semaphore::new(MOST_OF_ANSWERS)),
            noted: Mutex::default(),
            told_of_refusal: Mutex::default(),
        };
        server.make_prefixed().await?;
        server.refresh_schema().await?;
        Ok(server)
    }

    /// Daemons with a cluster id look for their keyspaces under names that begin with it; if these are there from the beginning,
    /// none is made under a lock (CQL contract 2.2).
    async fn make_prefixed(&self) -> Result<(), StoreError> {
        let Some(id) = &self.cluster_id else { return Ok(()) };
        let known = self.stored.schema().await?;
        let prefix = format!("{id}_");
        for (name, keyspace) in known.iter().filter(|(name, _)| PREDEFINED.contains(&name.as_str())) {
            let prefixed = format!("{prefix}{name}");
            self.stored.create_keyspace(&prefixed, &keyspace.replication).await?;
            for table in &keyspace.tables {
                self.stored.create_table(&prefixed, table).await?;
            }
        }
        Ok(())
    }

    /// What the cluster is called.
    pub fn cluster(&self) -> &str {
        self.cluster_id.as_deref().unwrap_or("cirrus")
    }

    /// Whether this is a name of the keyspace of the configuration.
    pub fn is_config(&self, keyspace: &str) -> bool {
        self.without_cluster_id(keyspace) == CONFIG
    }

    /// Whether this is a name of the keyspace of texts by key.
    pub fn is_useragent(&self, keyspace: &str) -> bool {
        self.without_cluster_id(keyspace) == USERAGENT
    }

    fn without_cluster_id<'k>(&self, keyspace: &'k str) -> &'k str {
        let prefix = self.cluster_id.as_deref();
        let rest = prefix.and_then(|id| keyspace.strip_prefix(id)?.strip_prefix('_'));
        rest.filter(|rest| [CONFIG, USERAGENT].contains(rest)).unwrap_or(keyspace)
    }

    /// Which tables there are: as the database says, or, while that is silent, as it has said last. Drivers take a table that they
    /// don't find for one that was dropped, and control nodes end then.
    pub async fn schema(&self) -> Arc<Schema> {
        let known = self.schema.load_full();
        if known.since.elapsed() > SCHEMA_IS_OLD_AFTER && self.replica.lease.silence() < SILENT_AFTER {
            // Drivers wait for two seconds.
            match timeout(SCHEMA_WITHIN, self.refresh_schema()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "CQL: which tables there are is told as it was known before"),
                Err(_) => tracing::debug!("CQL: which tables there are is told as it was known before"),
            }
        }
        Arc::clone(&self.schema.load().schema)
    }

    /// Asks the database which tables there are.
    ///
    /// # Errors
    /// When it is away.
    pub async fn refresh_schema(&self) -> Result<(), StoreError> {
        let stored = self.stored.schema().await?;
        let of_stored = |(name, keyspace): (String, crate::store::wide_rows::Keyspace)| {
            (name, Keyspace { replication: replication(&keyspace.replication), tables: keyspace.tables })
        };
        let mut schema: Schema = stored.into_iter().map(of_stored).collect();
        let prefixed = self.cluster_id.iter().map(|id| format!("{id}_"));
        for prefix in prefixed.chain([String::new()]) {
            let names = ConfigTable::ALL.map(ConfigTable::name).map(str::to_owned);
            let keyspace = |tables| Keyspace { replication: simple_replication(), tables };
            schema.insert(format!("{prefix}{CONFIG}"), keyspace(names.into()));
            schema.insert(format!("{prefix}{USERAGENT}"), keyspace([USERAGENT_TABLE.to_owned()].into()));
        }
        self.schema.store(Arc::new(KnownSchema { schema: Arc::new(schema), since: Instant::now() }));
        Ok(())
    }

    /// Which process this is, on the database.
    pub fn id(&self) -> Uuid {
        self.replica.lease.server()
    }

    /// Where the database is.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The other processes that answer.
    pub fn others(&self) -> Arc<Vec<Process>> {
        self.others.load_full()
    }

    pub(super) fn set_others(&self, others: Vec<Process>) {
        self.others.store(Arc::new(others));
    }

    /// To hear of what happens.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(super) fn tell(&self, event: Event) {
        // There may be nobody who wants to know.
        let _ = self.events.send(event);
    }

    /// Memory for so much of a request; waits until it is there. Small ones have their own.
    ///
    /// # Errors
    /// Never.
    pub async fn memory_of_requests(&self, bytes: usize, is_small: bool) -> Result<OwnedSemaphorePermit, AcquireError> {
        let memory = if is_small { &self.of_small_requests } else { &self.of_requests };
        Arc::clone(memory).acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX)).await
    }

    /// Memory for so much of an answer, if there is any left.
    ///
    /// # Errors
    /// Others have all of it.
    pub fn memory_of_answers(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let number = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.of_answers).try_acquire_many_owned(number).map_err(|_| {
            metrics::limit(Limit::CqlAnswers);
            ErrorKind::Overloaded.with("too many large answers are under way; ask for smaller pages")
        })
    }

    /// This process is about to go.
    pub fn leave(&self) {
        self.leaving.send_replace(true);
    }

    /// Tells what is kept here, and how much of the memory is taken.
    pub fn put_metrics(&self, scrape: &mut Scrape) {
        let current = self.replica.current().revision();
        let (number, oldest, weight) = self.snapshots.size();
        scrape.number(&table::CQL_SNAPSHOTS, &[], number);
        scrape.number(&table::CQL_LAG, &[], oldest.map_or(0, |oldest| current.saturating_sub(oldest)));
        let held = |memory: &Semaphore, most: usize| most.saturating_sub(memory.available_permits());
        let requests = held(&self.of_requests, MOST_OF_REQUESTS) + held(&self.of_small_requests, MOST_OF_REQUESTS);
        let answers = held(&self.of_answers, MOST_OF_ANSWERS);
        for (holder, bytes) in [("cql-snapshots", weight), ("cql-requests", requests), ("cql-answers", answers)] {
            scrape.number(&table::MEMORY, &[holder], bytes);
        }
    }

    /// Lets go of what nobody needs any more.
    pub(super) fn tidy(&self) {
        self.snapshots.tidy(self.replica.current().position());
    }

    /// Tells of a client once.
    pub fn note_client(&self, address: IpAddr, driver: &str, release: &str) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let client: String =
            format!("{driver} {release}").chars().filter(|letter| !letter.is_control()).take(128).collect();
        if noted.len() < MOST_NOTED && noted.insert((address, client.clone())) {
            tracing::info!(%address, client, "CQL: a client");
        }
    }

    /// Tells of a write into the configuration, now and then.
    pub fn note_refused_write(&self, address: IpAddr, table: &str) {
        let mut told = self.told_of_refusal.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(%address, table, "CQL: a write into the configuration was refused, which is changed over REST");
        }
    }
}

/// What is said of how a keyspace is replicated, from what was stored: of those that were always there nothing else is known.
fn replication(text: &str) -> BTreeMap<String, String> {
    let mut replication: BTreeMap<String, String> = serde_json::from_str(text).unwrap_or_else(|_| simple_replication());
    if let Some(class) = replication.get_mut("class").filter(|class| !class.contains('.')) {
        class.insert_str(0, "org.apache.cassandra.locator.");
    }
    replication
}

/// The keyspaces of the daemons.
const PREDEFINED: [&str; 3] = ["dm_keyspace", "svc_monitor_keyspace", "to_bgp_keyspace"];

/// By which address this process is reached, where nobody has said so and it listens everywhere: by the one that the database sees.
///
/// # Errors
/// When the database is away.
pub async fn own_address(database: &Database) -> Result<Option<IpAddr>, StoreError> {
    use crate::store::{cql_servers, operation};
    let mut session = database.connect(operation::CQL_SERVERS).await?;
    let address = cql_servers::client_address(&mut session).await?;
    session.close().await?;
    Ok(address)
}
