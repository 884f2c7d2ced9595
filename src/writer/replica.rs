//! The current graph of this process with the last changes, and how both keep up with what other processes commit.

use super::recent::Recent;
use crate::{
    graph::{Graph, Position},
    rules::LogEntry,
    store::{
        Database, StoreError, load, load_log,
        sequence::{self, Sequence},
    },
};
use arc_swap::ArcSwap;
use sqlx::PgConnection;
use std::{
    sync::{
        Arc, Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use uuid::Uuid;

/// How many changes are read at a time.
const PAGE: u32 = 1000;
/// How often the server looks whether it is still the only one.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// How many heartbeats pass between two attempts to become the only one.
const CLAIM_EVERY: u32 = 10;

/// Why a read can't be answered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the database can't be reached, so what was committed last is not known: {0}")]
pub struct Unavailable(pub String);

/// How fresh a read must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Consistency {
    /// Everything that any server has answered before the read came is in the answer.
    Linearizable,
    /// What this server knows; it answers also while the database is away.
    Local,
}

/// A snapshot to answer a read from.
#[derive(Clone)]
pub struct Snapshot {
    /// The configuration.
    pub graph: Arc<Graph>,
    /// Whether something newer may have been committed elsewhere while the database can't be asked.
    pub stale: bool,
}

/// The graph, and its freshness.
pub struct Replica {
    /// This process, to the others.
    pub server: Uuid,
    database: Database,
    consistency: Consistency,
    graph: ArcSwap<Graph>,
    /// The changes that led to it.
    recent: StdMutex<Recent>,
    /// Tells who waits for a change.
    moved: watch::Sender<Position>,
    /// Held by whoever moves the graph on.
    advancing: Mutex<()>,
    started: Instant,
    /// Until when reads need not ask the database, in microseconds after `started`.
    sole_until: AtomicU64,
    /// Whether the last question to the database was answered.
    readers: mpsc::UnboundedSender<oneshot::Sender<Result<(), Unavailable>>>,
}

impl Replica {
    /// Loads the configuration and starts to keep up.
    ///
    /// # Errors
    /// When the database is away or holds what can't be read.
    pub async fn start(
        database: Database,
        model: Arc<crate::model::Model>,
        consistency: Consistency,
    ) -> Result<Arc<Self>, StoreError> {
        let mut connection = connect(&database).await?;
        let server = Uuid::new_v4();
        if sequence::peek(&mut connection).await?.sole.is_some() {
            // Whoever it is, if it still runs, is no longer alone.
            sequence::free(&mut connection).await?;
        }
        let graph = load(&mut connection, &model).await?;
        let (readers, questions) = mpsc::unbounded_channel();
        let replica = Arc::new(Self {
            server,
            database,
            consistency,
            moved: watch::Sender::new(graph.position()),
            graph: ArcSwap::from_pointee(graph),
            recent: StdMutex::default(),
            advancing: Mutex::new(()),
            started: Instant::now(),
            sole_until: AtomicU64::new(0),
            readers,
        });
        tokio::spawn(Arc::clone(&replica).answer_readers(questions));
        tokio::spawn(Arc::clone(&replica).keep_lease());
        tokio::spawn(Arc::clone(&replica).listen());
        Ok(replica)
    }

    /// The graph as this process knows it.
    pub fn current(&self) -> Arc<Graph> {
        self.graph.load_full()
    }

    /// A snapshot with everything that was committed before the call, on any server.
    ///
    /// # Errors
    /// When the database can't be asked; not with [`Consistency::Local`].
    pub async fn snapshot(&self) -> Result<Snapshot, Unavailable> {
        if self.is_sole() {
            return Ok(Snapshot { graph: self.current(), stale: false });
        }
        match (self.catch_up_for_read().await, self.consistency) {
            (Ok(()), _) => Ok(Snapshot { graph: self.current(), stale: false }),
            (Err(_), Consistency::Local) => Ok(Snapshot { graph: self.current(), stale: true }),
            (Err(unavailable), Consistency::Linearizable) => Err(unavailable),
        }
    }

    /// Whether nothing can have been committed that this process has not.
    pub fn is_sole(&self) -> bool {
        self.elapsed(Instant::now()) < self.sole_until.load(Ordering::Acquire)
    }

    fn elapsed(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }

    async fn catch_up_for_read(&self) -> Result<(), Unavailable> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Unavailable("the server stops".to_owned());
        self.readers.send(answer).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// One question to the database for all reads that wait at the moment.
    async fn answer_readers(
        self: Arc<Self>,
        mut questions: mpsc::UnboundedReceiver<oneshot::Sender<Result<(), Unavailable>>>,
    ) {
        let mut connection = None;
        while let Some(first) = questions.recv().await {
            let mut waiting = vec![first];
            while let Ok(next) = questions.try_recv() {
                waiting.push(next);
            }
            let mut answer = self.catch_up(&mut connection).await;
            if answer.is_err() {
                // The connection may have been lost long ago, with nobody to notice; a new one tells.
                connection = None;
                answer = self.catch_up(&mut connection).await;
            }
            if answer.is_err() {
                connection = None;
            }
            let answer = answer.map_err(|error| Unavailable(error.to_string()));
            for reader in waiting {
                // Whoever has gone meanwhile needs no answer.
                let _ = reader.send(answer.clone());
            }
        }
    }

    async fn catch_up(&self, connection: &mut Option<PgConnection>) -> Result<(), StoreError> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(connect(&self.database).await?),
        };
        let wanted = self.ask(connection).await?;
        let is_known = |known: Position| known.epoch == wanted.epoch && known.revision >= wanted.last_revision;
        if is_known(self.current().position()) {
            return Ok(());
        }
        let advance = self.advance().await;
        // The writer may have gone on meanwhile, even beyond that.
        if is_known(self.current().position()) {
            return Ok(());
        }
        match follow(advance.graph(), connection, &wanted).await? {
            Some((graph, entries)) => advance.publish(graph, entries),
            None => advance.reload().await?,
        }
        Ok(())
    }

    /// Asks how far the database is. If it lacks what this process has seen committed, it was put back to an earlier state:
    /// another history begins, and what is in memory is not answered from any more.
    async fn ask(&self, connection: &mut PgConnection) -> Result<Sequence, StoreError> {
        // Before the question: what is published meanwhile need not be in the answer.
        let known = self.current().position();
        let state = sequence::peek(connection).await?;
        if known.epoch != state.epoch || known.revision <= state.last_revision {
            return Ok(state);
        }
        self.sole_until.store(0, Ordering::Release);
        sequence::recognise_loss(connection, known).await?;
        sequence::peek(connection).await
    }

    /// Follows what other servers commit when they say so. A word may get lost; the heartbeat makes up for it.
    async fn listen(self: Arc<Self>) {
        loop {
            let mut listener = match self.database.listen("cirrus_feed").await {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::debug!(%error, "can't listen to other servers");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            while let Ok(Some(_)) = listener.try_recv().await {
                // When the database is away the heartbeat tells.
                let _ = self.catch_up_for_read().await;
            }
        }
    }

    /// To wait for changes with: the position up to which there are some.
    pub fn moves(&self) -> watch::Receiver<Position> {
        self.moved.subscribe()
    }

    /// The changes that follow a revision, as [`Recent::after`] has them.
    pub fn recent_after(&self, revision: u64, limit: usize) -> Option<Vec<Arc<LogEntry>>> {
        self.recent().after(revision, limit)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        // Nothing in there is ever half done.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to move the graph on; nobody else does meanwhile.
    pub async fn advance(&self) -> Advance<'_> {
        Advance { replica: self, _guard: self.advancing.lock().await }
    }

    fn publish(&self, graph: Graph, entries: Vec<Arc<LogEntry>>) {
        let position = graph.position();
        if position.revision > self.graph.load().revision() {
            self.recent().push(entries);
            self.graph.store(Arc::new(graph));
            self.moved.send_replace(position);
        }
    }

    /// Looks again and again whether this is the only server.
    async fn keep_lease(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(HEARTBEAT);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut connection = None;
        for beat in 0_u32.. {
            ticks.tick().await;
            if let Err(error) = self.beat(&mut connection, beat).await {
                tracing::debug!(%error, "the heartbeat misses the database");
                connection = None;
            }
        }
    }

    async fn beat(&self, connection: &mut Option<PgConnection>, beat: u32) -> Result<(), StoreError> {
        let connection = if let Some(connection) = connection {
            connection
        } else {
            let mut fresh = connect(&self.database).await?;
            sequence::announce(&mut fresh).await?;
            connection.insert(fresh)
        };
        let asked = Instant::now();
        let state = self.ask(connection).await?;
        let known = self.current().position();
        let same_history = known.epoch == state.epoch;
        let caught_up = same_history && known.revision >= state.last_revision;
        // The only server is behind where its own writer has committed and not yet published.
        if state.sole == Some(self.server) && same_history && (caught_up || self.is_sole()) {
            let until = self.elapsed(asked + sequence::LEASE);
            self.sole_until.store(until, Ordering::Release);
        } else if state.sole.is_none()
            && beat.is_multiple_of(CLAIM_EVERY)
            && sequence::count_servers(connection).await? == 1
        {
            // The next beat finds the own name, and the graph caught up: a read's question sees to that.
            sequence::claim(connection, self.server).await?;
            self.catch_up_for_read().await.map_err(|error| StoreError::Row(error.to_string()))?;
        } else if !caught_up {
            self.catch_up_for_read().await.map_err(|error| StoreError::Row(error.to_string()))?;
        }
        Ok(())
    }

    /// Gives up being the only server, at the end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn resign(&self) -> Result<(), StoreError> {
        let mut connection = self.database.connect().await?;
        sequence::resign(&mut connection, self.server).await
    }
}

/// The right to move the graph on.
pub struct Advance<'a> {
    replica: &'a Replica,
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

impl Advance<'_> {
    /// The graph to start from.
    pub fn graph(&self) -> Graph {
        Graph::clone(&self.replica.current())
    }

    /// Makes a later graph the current one, with the changes that led there.
    pub fn publish(&self, graph: Graph, entries: Vec<Arc<LogEntry>>) {
        self.replica.publish(graph, entries);
    }

    /// Reads the whole configuration anew: this process has fallen behind the log, or it is that of another history.
    ///
    /// # Errors
    /// When the database is away, or holds what this release can't read.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let mut connection = connect(&self.replica.database).await?;
        let graph = load(&mut connection, self.graph().model()).await?;
        let (position, known) = (graph.position(), self.replica.current().position());
        tracing::warn!(%position, %known, "the log does not lead from what is known to what there is: loaded anew");
        self.replica.recent().clear();
        self.replica.graph.store(Arc::new(graph));
        self.replica.moved.send_replace(position);
        Ok(())
    }
}

/// A connection on which the sequence may be asked: to a database whose history is known.
///
/// # Errors
/// When the database is away.
pub async fn connect(database: &Database) -> Result<PgConnection, StoreError> {
    recognised(database.connect().await?).await
}

/// The connection, when it is known to which history it leads.
///
/// # Errors
/// When the database is away.
pub async fn recognised(mut connection: PgConnection) -> Result<PgConnection, StoreError> {
    sequence::recognise(&mut connection).await?;
    Ok(connection)
}

/// Applies what was committed until now. Gives the graph with the changes that led there; nothing, if the log does not
/// lead there: it was trimmed, or the database is not the same any more.
///
/// # Errors
/// When the database is away, or holds what this release can't read.
pub async fn follow(
    mut graph: Graph,
    connection: &mut PgConnection,
    wanted: &Sequence,
) -> Result<Option<(Graph, Vec<Arc<LogEntry>>)>, StoreError> {
    let mut entries = Vec::new();
    if graph.position().epoch != wanted.epoch || graph.revision() > wanted.last_revision {
        return Ok(None);
    }
    while graph.revision() < wanted.last_revision {
        let page = load_log(connection, graph.model(), graph.revision(), PAGE).await?;
        if page.is_empty() {
            return Ok(None);
        }
        for entry in &page {
            entry.apply(&mut graph);
        }
        entries.extend(page);
    }
    Ok(Some((graph, entries)))
}
