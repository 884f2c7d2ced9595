//! The current graph of this process, and how it keeps up with what other processes commit.

use crate::{
    graph::Graph,
    store::{Database, StoreError, load, load_changes, sequence},
};
use arc_swap::ArcSwap;
use sqlx::PgConnection;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, mpsc, oneshot};
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
        let mut connection = database.connect().await?;
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
            graph: ArcSwap::from_pointee(graph),
            advancing: Mutex::new(()),
            started: Instant::now(),
            sole_until: AtomicU64::new(0),
            readers,
        });
        tokio::spawn(Arc::clone(&replica).answer_readers(questions));
        tokio::spawn(Arc::clone(&replica).keep_lease());
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

    fn is_sole(&self) -> bool {
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
            None => connection.insert(self.database.connect().await?),
        };
        let wanted = sequence::peek(connection).await?.last_revision;
        if self.current().revision() >= wanted {
            return Ok(());
        }
        let guard = self.advancing.lock().await;
        let graph = follow(Graph::clone(&self.current()), connection, wanted).await?;
        self.publish(graph);
        drop(guard);
        Ok(())
    }

    /// The right to move the graph on; nobody else does meanwhile.
    pub async fn advance(&self) -> Advance<'_> {
        Advance { replica: self, _guard: self.advancing.lock().await }
    }

    fn publish(&self, graph: Graph) {
        if graph.revision() > self.graph.load().revision() {
            self.graph.store(Arc::new(graph));
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
            let mut fresh = self.database.connect().await?;
            sequence::announce(&mut fresh).await?;
            connection.insert(fresh)
        };
        let asked = Instant::now();
        let state = sequence::peek(connection).await?;
        let caught_up = self.current().revision() >= state.last_revision;
        if state.sole == Some(self.server) && (caught_up || self.is_sole()) {
            let until = self.elapsed(asked + sequence::LEASE);
            self.sole_until.store(until, Ordering::Release);
        } else if state.sole.is_none()
            && beat.is_multiple_of(CLAIM_EVERY)
            && sequence::count_servers(connection).await? == 1
        {
            // The next beat finds the own name, and the graph caught up: a read's question sees to that.
            sequence::claim(connection, self.server).await?;
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

    /// Makes a later graph the current one.
    pub fn publish(&self, graph: Graph) {
        self.replica.publish(graph);
    }
}

/// Applies what was committed up to a revision.
///
/// # Errors
/// When the database is away, or lacks changes that this process has seen: then it is not the same database any more.
pub async fn follow(mut graph: Graph, connection: &mut PgConnection, wanted: u64) -> Result<Graph, StoreError> {
    while graph.revision() < wanted {
        let changes = load_changes(connection, &graph, PAGE).await?;
        if changes.is_empty() {
            return Err(StoreError::Row(format!("changes after {} up to {wanted} are missing", graph.revision())));
        }
        for change in &changes {
            change.apply(&mut graph);
        }
    }
    Ok(graph)
}
