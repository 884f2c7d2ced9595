//! What this process knows of the configuration, and how it keeps up with what other processes commit.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `lease.rs`, `clock.rs` | until when the process may go by what it knows |
//! | `heartbeat.rs` | that the process is there, and whether it is alone |
//! | `agreement.rs` | whether the process decides by the settings that all have |
//! | `reads.rs` | how fresh a read has to be, and the question that makes it so |
//! | `following.rs` | how the graph follows the log |
//! | `advance.rs` | who may move the graph on |
//! | `recent.rs` | the last changes |
//! | `names.rs` | the names of all objects, for who searches |
//! | `turn.rs` | how somebody writes who is no server |

mod advance;
mod agreement;
mod clock;
mod following;
mod heartbeat;
mod lease;
mod names;
mod reads;
mod recent;
mod turn;

pub use agreement::change_shared_settings;
pub use clock::{micros, now};
pub use following::{follow, recognised};
pub use lease::Lease;
pub use names::{Names, Part, comparable};
pub use reads::{Consistency, Snapshot, Unavailable};
pub use turn::{be_one_of_several, in_turn};

use crate::{
    change_log::LogEntry,
    graph::{Graph, Position},
    model::Model,
    store::{Database, StoreError, load, operation::START, sequence, shared_settings::SharedSettings},
    supervision::Supervision,
};
use agreement::Agreement;
use arc_swap::ArcSwap;
use reads::Readers;
use recent::Recent;
use std::{
    sync::{
        Arc, Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{sleep, timeout},
};

/// How long a request is held up once the server is to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(3);

/// The graph, and its freshness.
pub struct Replica {
    /// Whether it is fresh without a question.
    pub lease: Lease,
    /// Whether the settings are still those that this process decides by.
    pub agreement: Agreement,
    database: Database,
    consistency: Consistency,
    graph: ArcSwap<Graph>,
    /// The changes that led to it.
    recent: StdMutex<Recent>,
    /// Tells who waits for a change.
    moved: watch::Sender<Position>,
    /// Held by whoever moves the graph on.
    advancing: Mutex<()>,
    /// Who waits for what was committed last.
    readers: Readers,
    /// As of the last search, or the last page.
    names: Mutex<Names>,
    names_wanted: Notify,
    weight_of_names: AtomicUsize,
    /// The process of the database that serves the session of the own writer.
    own_writer: AtomicU32,
    stopping: watch::Sender<bool>,
}

impl Replica {
    /// Loads the configuration and starts to keep up.
    ///
    /// # Errors
    /// When the database is away or holds what can't be read.
    pub async fn start(
        database: Database,
        model: Arc<Model>,
        consistency: Consistency,
        shared: SharedSettings,
        supervision: &Arc<Supervision>,
    ) -> Result<Arc<Self>, StoreError> {
        let mut session = following::connect(&database, START).await?;
        let mut state = sequence::peek(&mut session).await?;
        if state.sole.is_some() {
            // Whoever it is, if it still runs, is no longer alone.
            sequence::free(&mut session).await?;
            state = sequence::peek(&mut session).await?;
        }
        let lease = Lease::none();
        lease.observe(&state);
        let graph = load(session, &model).await?;
        lease.hear();
        let replica = Arc::new(Self {
            lease,
            agreement: Agreement::new(shared),
            database,
            consistency,
            moved: watch::Sender::new(graph.position()),
            graph: ArcSwap::from_pointee(graph),
            recent: StdMutex::default(),
            advancing: Mutex::new(()),
            readers: Readers::default(),
            names: Mutex::default(),
            names_wanted: Notify::new(),
            weight_of_names: AtomicUsize::new(0),
            own_writer: AtomicU32::new(0),
            stopping: watch::Sender::new(false),
        });
        // None of them leaves anything half done that the next one needs: a lease runs out, a reader is told that his question
        // was lost, and what was not heard the heartbeat finds.
        let [one, another, third, fourth] = std::array::from_fn(|_| Arc::clone(&replica));
        supervision.keep("questions of reads", move || Arc::clone(&one).answer_readers());
        supervision.keep("heartbeat", move || Arc::clone(&another).keep_lease());
        supervision.keep("listener", move || Arc::clone(&third).listen());
        supervision.keep("names for search", move || Arc::clone(&fourth).keep_names());
        Ok(replica)
    }

    /// Takes note of which process of the database the own writer writes by, so that nobody follows what it says.
    pub fn written_by(&self, process: u32) {
        self.own_writer.store(process, Ordering::Relaxed);
    }

    /// The graph as this process knows it.
    pub fn current(&self) -> Arc<Graph> {
        self.graph.load_full()
    }

    /// To wait for changes with: the position up to which there are some.
    pub fn moves(&self) -> watch::Receiver<Position> {
        self.moved.subscribe()
    }

    /// The changes that follow a revision, as [`Recent::after`] has them.
    pub fn recent_after(&self, revision: u64, limit: usize) -> Option<Vec<Arc<LogEntry>>> {
        self.recent().after(revision, limit)
    }

    /// How much memory the last changes take, in bytes.
    pub fn weight_of_recent(&self) -> usize {
        self.recent().weight()
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        // Nothing in there is ever half done.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
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
}
