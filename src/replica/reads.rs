//! How fresh a read has to be, and the one question to the database that serves all reads which wait at the moment.

use super::Replica;
use crate::{
    graph::Graph,
    store::{AWAY, StoreError},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::timeout,
};

/// How long a read is held up at most.
const READ_WITHIN: Duration = Duration::from_secs(9);
/// How long one may be held up that would do with what is known here ...
const LOCAL_READ_WITHIN: Duration = Duration::from_secs(1);
/// ... and not at all when the heartbeat has missed the database for this long.
const HEARTBEAT_MISSED: Duration = Duration::from_secs(1);

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

/// Who waits for the answer to what was committed last.
type Question = oneshot::Sender<Result<(), Unavailable>>;

/// Those who wait.
pub struct Readers {
    ask: mpsc::UnboundedSender<Question>,
    /// Held by the task that answers.
    questions: Mutex<mpsc::UnboundedReceiver<Question>>,
}

impl Default for Readers {
    fn default() -> Self {
        let (ask, questions) = mpsc::unbounded_channel();
        Self { ask, questions: Mutex::new(questions) }
    }
}

impl Replica {
    /// A snapshot with everything that was committed before the call, on any server.
    ///
    /// # Errors
    /// When the database can't be asked; not with [`Consistency::Local`].
    pub async fn snapshot(&self) -> Result<Snapshot, Unavailable> {
        if self.lease.is_sole() {
            return Ok(Snapshot { graph: self.current(), stale: false });
        }
        let fresh = match self.consistency {
            Consistency::Linearizable => self.patiently(READ_WITHIN, self.catch_up_for_read()).await,
            Consistency::Local if self.lease.silence() > HEARTBEAT_MISSED => None,
            Consistency::Local => timeout(LOCAL_READ_WITHIN, self.catch_up_for_read()).await.ok(),
        };
        let fresh = fresh.unwrap_or_else(|| Err(Unavailable::because("no answer from the database in time")));
        match (fresh, self.consistency) {
            (Ok(()), _) => Ok(Snapshot { graph: self.current(), stale: false }),
            (Err(_), Consistency::Local) => Ok(Snapshot { graph: self.current(), stale: true }),
            (Err(unavailable), Consistency::Linearizable) => Err(unavailable),
        }
    }

    pub(super) async fn catch_up_for_read(&self) -> Result<(), Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.readers.ask.send(answer).map_err(|_| Unavailable::because("the server stops"))?;
        answered.await.map_err(|_| Unavailable::because("the question was lost"))?
    }

    /// A question like that of a read, whose answer nobody waits for: the next beat looks again.
    pub(super) fn follow_others(&self) {
        let (answer, _) = oneshot::channel();
        let _ = self.readers.ask.send(answer);
    }

    /// One question to the database for all reads that wait at the moment.
    pub(super) async fn answer_readers(self: Arc<Self>) {
        let mut questions = self.readers.questions.lock().await;
        let mut connection = None;
        while let Some(first) = questions.recv().await {
            let mut waiting = vec![first];
            while let Ok(next) = questions.try_recv() {
                waiting.push(next);
            }
            let mut answer = self.catch_up(&mut connection).await;
            if answer.as_ref().is_err_and(StoreError::is_worth_another_try) {
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
}
