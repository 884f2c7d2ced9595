//! The current graph of this process with the last changes, and how both keep up with what other processes commit.

use super::{agreement::Agreement, grace::Grace, recent::Recent};
use crate::{
    graph::{Graph, Position},
    rules::{LogEntry, Options},
    store::{
        AWAY, Database, Failure, Session, StoreError, load, load_log,
        sequence::{self, Sequence},
    },
    supervision::Supervision,
};
use arc_swap::ArcSwap;
use std::{
    sync::{
        Arc, Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

/// How many changes are read at a time.
const PAGE: u32 = 1000;
/// How often the server looks whether it is still the only one.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// How many heartbeats pass between two attempts to become the only one.
const CLAIM_EVERY: u32 = 10;
/// How long an answer to a small question may take before another session is tried.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
/// How long a read is held up at most.
const READ_WITHIN: Duration = Duration::from_secs(9);
/// How long one may be held up that would do with what is known here ...
const LOCAL_READ_WITHIN: Duration = Duration::from_secs(1);
/// ... and not at all when the heartbeat has missed the database for this long.
const HEARTBEAT_MISSED: Duration = Duration::from_secs(1);
/// How long a request is held up once the server is to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(3);
/// After so much silence a listener looks whether there is still somebody to hear.
const SILENCE: Duration = Duration::from_secs(10);

/// Why a read can't be answered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("what was committed last is not known: {reason}")]
pub struct Unavailable {
    reason: String,
    /// What the client is told.
    pub told: String,
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self { told: error.told(), reason: error.to_string() }
    }
}

impl Unavailable {
    fn because(reason: &str) -> Self {
        Self { reason: reason.to_owned(), told: AWAY.to_owned() }
    }
}

/// Who waits for the answer to what was committed last.
type Question = oneshot::Sender<Result<(), Unavailable>>;

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
    /// Until when reads need not ask the database, in microseconds of [`now`].
    sole_until: AtomicU64,
    /// When the heartbeat had its last answer, in microseconds of [`now`].
    heard_at: AtomicU64,
    /// What is to be waited for before a commit.
    grace: StdMutex<Grace>,
    /// Whether this server has the settings that all have.
    pub agreement: Agreement,
    readers: mpsc::UnboundedSender<Question>,
    questions: Mutex<mpsc::UnboundedReceiver<Question>>,
    stopping: watch::Sender<bool>,
}

/// The time since the machine was started, also while it slept: no lease outlasts that.
pub fn now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

pub fn micros(moment: Duration) -> u64 {
    u64::try_from(moment.as_micros()).unwrap_or(u64::MAX)
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
        options: &Options,
        supervision: &Arc<Supervision>,
    ) -> Result<Arc<Self>, StoreError> {
        let mut session = connect(&database).await?;
        let mut state = sequence::peek(&mut session).await?;
        if state.sole.is_some() {
            // Whoever it is, if it still runs, is no longer alone.
            sequence::free(&mut session).await?;
            state = sequence::peek(&mut session).await?;
        }
        let mut grace = Grace::default();
        grace.observe(&state);
        let (readers, questions) = mpsc::unbounded_channel();
        let graph = load(session, &model).await?;
        let replica = Arc::new(Self {
            server: Uuid::new_v4(),
            database,
            consistency,
            moved: watch::Sender::new(graph.position()),
            graph: ArcSwap::from_pointee(graph),
            recent: StdMutex::default(),
            advancing: Mutex::new(()),
            sole_until: AtomicU64::new(0),
            heard_at: AtomicU64::new(micros(now())),
            grace: StdMutex::new(grace),
            agreement: Agreement::new(options),
            readers,
            questions: Mutex::new(questions),
            stopping: watch::Sender::new(false),
        });
        // None of them leaves anything half done that the next one needs: a lease runs out, a reader is told that his question
        // was lost, and what was not heard the heartbeat finds.
        let (one, another, third) = (Arc::clone(&replica), Arc::clone(&replica), Arc::clone(&replica));
        supervision.keep("questions of reads", move || Arc::clone(&one).answer_readers());
        supervision.keep("heartbeat", move || Arc::clone(&another).keep_lease());
        supervision.keep("listener", move || Arc::clone(&third).listen());
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
        let fresh = match self.consistency {
            Consistency::Linearizable => self.patiently(READ_WITHIN, self.catch_up_for_read()).await,
            Consistency::Local if self.silence() > HEARTBEAT_MISSED => None,
            Consistency::Local => timeout(LOCAL_READ_WITHIN, self.catch_up_for_read()).await.ok(),
        };
        let fresh = fresh.unwrap_or_else(|| Err(Unavailable::because("no answer from the database in time")));
        match (fresh, self.consistency) {
            (Ok(()), _) => Ok(Snapshot { graph: self.current(), stale: false }),
            (Err(_), Consistency::Local) => Ok(Snapshot { graph: self.current(), stale: true }),
            (Err(unavailable), Consistency::Linearizable) => Err(unavailable),
        }
    }

    /// Whether nothing can have been committed that this process has not.
    pub fn is_sole(&self) -> bool {
        micros(now()) < self.sole_until.load(Ordering::Acquire)
    }

    /// For how long the heartbeat has had no answer from the database.
    pub fn silence(&self) -> Duration {
        now().saturating_sub(Duration::from_micros(self.heard_at.load(Ordering::Relaxed)))
    }

    /// Reads have to ask the database again, until it has said anew that this is the only server.
    pub fn end_lease(&self) {
        self.sole_until.store(0, Ordering::Release);
    }

    /// Takes note of what the row of the sequence says: the lease is over when the own name is gone, and the time to wait for
    /// another one begins when it is first seen that it was taken away. To be told of the row whenever it was read.
    pub fn observe(&self, state: &Sequence) {
        if state.sole != Some(self.server) {
            self.end_lease();
        }
        self.grace.lock().unwrap_or_else(PoisonError::into_inner).observe(state);
    }

    /// How long to wait before something may be committed on a row that says this, and was observed.
    pub fn has_to_wait(&self, state: &Sequence) -> Duration {
        self.grace.lock().unwrap_or_else(PoisonError::into_inner).left(state)
    }

    /// What comes within this time, or soon after the server was told to stop.
    pub async fn patiently<T>(&self, limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = std::pin::pin!(answer);
        if let Ok(answer) = timeout(STOPS_WITHIN.min(limit), &mut answer).await {
            return Some(answer);
        }
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            answer = &mut answer => Some(answer),
            () = sleep(limit.saturating_sub(STOPS_WITHIN)) => None,
            _ = stopping.wait_for(|stopping| *stopping) => None,
        }
    }

    /// Requests are not held up for long any more.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    async fn catch_up_for_read(&self) -> Result<(), Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.readers.send(answer).map_err(|_| Unavailable::because("the server stops"))?;
        answered.await.map_err(|_| Unavailable::because("the question was lost"))?
    }

    /// One question to the database for all reads that wait at the moment.
    async fn answer_readers(self: Arc<Self>) {
        let mut questions = self.questions.lock().await;
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
            let answer = answer.map_err(Unavailable::from);
            for reader in waiting {
                // Whoever has gone meanwhile needs no answer.
                let _ = reader.send(answer.clone());
            }
        }
    }

    async fn catch_up(&self, connection: &mut Option<Session>) -> Result<(), StoreError> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(connect(&self.database).await?),
        };
        let wanted = self.look(connection).await?;
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

    /// Reads the row of the sequence, and takes note of it. If the database lacks what this process has seen committed, it was put
    /// back to an earlier state: another history begins, and what is in memory is not answered from any more.
    async fn look(&self, session: &mut Session) -> Result<Sequence, StoreError> {
        // Before the question: what is published meanwhile need not be in the answer.
        let known = self.current().position();
        let mut state = sequence::peek(session).await?;
        if known.epoch == state.epoch && known.revision > state.last_revision {
            self.end_lease();
            sequence::recognise_loss(session, known).await?;
            state = sequence::peek(session).await?;
        }
        self.observe(&state);
        Ok(state)
    }

    /// Follows what other servers commit when they say so. A word may get lost; the heartbeat makes up for it.
    async fn listen(self: Arc<Self>) {
        loop {
            let mut listener = match self.database.listen("cirrus_feed").await {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::debug!(%error, "can't listen to other servers");
                    sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            loop {
                match listener.hears(SILENCE).await {
                    // When the database is away the heartbeat tells.
                    Ok(true) => drop(self.catch_up_for_read().await),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::debug!(%error, "other servers are not heard");
                        break;
                    }
                }
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

    async fn beat(&self, connection: &mut Option<Session>, beat: u32) -> Result<(), StoreError> {
        let connection = if let Some(connection) = connection {
            connection
        } else {
            let mut fresh = connect(&self.database).await?;
            sequence::announce(&mut fresh).await?;
            connection.insert(fresh)
        };
        let asked = now();
        let state = self.look(connection).await?;
        self.heard_at.store(micros(now()), Ordering::Relaxed);
        let agreed = self.agreement.holds(connection, state.fence).await?;
        let known = self.current().position();
        let same_history = known.epoch == state.epoch;
        let caught_up = same_history && known.revision >= state.last_revision;
        // The only server is behind where its own writer has committed and not yet published.
        if !agreed {
            self.end_lease();
        } else if state.sole == Some(self.server) && same_history && (caught_up || self.is_sole()) {
            self.sole_until.store(micros(asked + sequence::LEASE), Ordering::Release);
        } else if state.sole.is_none()
            && beat.is_multiple_of(CLAIM_EVERY)
            && self.has_to_wait(&state).is_zero()
            && sequence::count_servers(connection).await? == 1
        {
            // The next beat finds the own name.
            match sequence::claim(connection, self.server, state.freed).await {
                // Where nothing can be written, there is no need to.
                Err(error) if error.failure() == Failure::Refused => {
                    tracing::debug!(%error, "this server can't say that it is the only one");
                }
                claimed => claimed?,
            }
        }
        if !caught_up {
            self.follow_others();
        }
        Ok(())
    }

    /// A question like that of a read, whose answer nobody waits for: the next beat looks again.
    fn follow_others(&self) {
        let (answer, _) = oneshot::channel();
        let _ = self.readers.send(answer);
    }

    /// Gives up being the only server, at the end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn resign(&self) -> Result<(), StoreError> {
        self.end_lease();
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
        let session = connect(&self.replica.database).await?;
        let graph = load(session, self.graph().model()).await?;
        let (position, known) = (graph.position(), self.replica.current().position());
        tracing::warn!(%position, %known, "the log does not lead from what is known to what there is: loaded anew");
        self.replica.recent().clear();
        self.replica.graph.store(Arc::new(graph));
        self.replica.moved.send_replace(position);
        Ok(())
    }
}

/// A session in which the sequence may be asked: of a database whose history is known.
///
/// # Errors
/// When the database is away.
pub async fn connect(database: &Database) -> Result<Session, StoreError> {
    recognised(database.connect().await?.with_answers_within(LOOK_WITHIN)).await
}

/// The session, when it is known to which history it leads.
///
/// # Errors
/// When the database is away.
pub async fn recognised(mut session: Session) -> Result<Session, StoreError> {
    sequence::recognise(&mut session).await?;
    Ok(session)
}

/// Applies what was committed until now. Gives the graph with the changes that led there; nothing, if the log does not
/// lead there: it was trimmed, or the database is not the same any more.
///
/// # Errors
/// When the database is away, or holds what this release can't read.
pub async fn follow(
    mut graph: Graph,
    connection: &mut Session,
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
