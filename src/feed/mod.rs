//! The change feeds: readers of one log, each a place in it that moves on, none a queue. What is recent comes from memory,
//! what is older from the database; what was trimmed is told to whoever still wanted it, and never passed over.

mod amqp;
mod reader;
mod rendered;
mod sight;

pub use amqp::{EXCHANGE as CHANGES_EXCHANGE, Sending, send as send_to_amqp};
pub use reader::{Ended, Gone, OpenError, Reader};
pub use rendered::Rendered;
pub use sight::Sight;

use crate::{
    change_log::LogEntry,
    graph::Position,
    model::Model,
    replica::Replica,
    store::{
        Database, Retention, Session, Sessions, StoreError, feed_position, idempotency, last_before, load_history,
        load_log,
        operation::{FORGETTING, OLDER, READERS, TRIM},
        sequence, trim,
    },
    supervision::Supervision,
    timestamp::Timestamp,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use uuid::Uuid;

/// How many changes a reader takes at a time: what a slow one may cost.
const PAGE: usize = 100;
/// How many readers may ask the database at the same time.
const MOST_QUESTIONS: usize = 4;
/// How long a question may take, with the time that it has to wait for others.
const TOLD_WITHIN: Duration = Duration::from_secs(9);
/// How often the positions of readers are renewed in the database.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// Every how many of these rounds the log is trimmed, even if it is not too long.
const TRIM_EVERY: u32 = 12;

/// Waits for a signal.
async fn raised(signal: &mut watch::Receiver<bool>) {
    // Whoever could raise it may be gone; then the end has come, too.
    let _ = signal.wait_for(|raised| *raised).await;
}

/// The log, for those who read along.
pub struct Feed {
    /// The current graph, and the last changes.
    pub replica: Arc<Replica>,
    /// Events that watchers got.
    pub rendered: Rendered,
    /// How changes get to the message bus.
    pub sending: watch::Sender<Sending>,
    model: Arc<Model>,
    database: Database,
    sessions: Sessions,
    retention: Retention,
    questions: Semaphore,
    /// The positions of all readers, by number.
    readers: Mutex<BTreeMap<u64, Arc<AtomicU64>>>,
    next_reader: AtomicU64,
    stopped: watch::Sender<bool>,
}

impl Feed {
    /// Starts to look after the log.
    pub fn start(
        database: Database,
        model: Arc<Model>,
        replica: Arc<Replica>,
        retention: Retention,
        supervision: &Arc<Supervision>,
    ) -> Arc<Self> {
        let feed = Arc::new(Self {
            replica,
            rendered: Rendered::default(),
            sending: watch::Sender::default(),
            model,
            sessions: database.sessions(),
            database,
            retention,
            questions: Semaphore::new(MOST_QUESTIONS),
            readers: Mutex::default(),
            next_reader: AtomicU64::new(0),
            stopped: watch::Sender::new(false),
        });
        let kept = Arc::clone(&feed);
        // What was not done in one round is done in the next.
        supervision.keep("upkeep of the log", move || Arc::clone(&kept).keep_house());
        feed
    }

    /// Ends all readers.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Whether readers are ended: the server stops.
    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// How many readers there are.
    pub fn reader_count(&self) -> usize {
        self.readers().len()
    }

    /// How many revisions the slowest reader is behind; none is without readers.
    pub fn lag(&self) -> u64 {
        let current = self.replica.current().revision();
        let lowest = self.readers().values().map(|position| position.load(Ordering::Relaxed)).min();
        lowest.map_or(0, |lowest| current.saturating_sub(lowest))
    }

    /// What has to stay in the log.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    fn readers(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<AtomicU64>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes that are not in memory any more; none, where they are not in the database either.
    async fn older(&self, after: u64, limit: usize) -> Result<Vec<Arc<LogEntry>>, StoreError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.in_time(async |session| load_log(session, &self.model, after, limit).await).await
    }

    /// Asks the database, one of a few at the same time; all that wait together have an answer in time.
    async fn in_time<T>(
        &self,
        question: impl AsyncFnOnce(&mut Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let asked = async {
            // The semaphore is never closed.
            let _permit = self.questions.acquire().await;
            question(self.sessions.take(OLDER).await?.session()?).await
        };
        timeout(TOLD_WITHIN, asked).await.unwrap_or_else(|_| Err(StoreError::late(OLDER, TOLD_WITHIN)))
    }

    /// From where on the log can be read.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn oldest(&self) -> Result<Position, StoreError> {
        let sequence = self.in_time(async |session| sequence::peek(session).await).await?;
        Ok(Position { epoch: sequence.epoch, revision: sequence.floor })
    }

    /// From where on the changes since a moment can be read.
    ///
    /// # Errors
    /// When some of them may have been trimmed, or the database is away.
    pub async fn since(&self, moment: Timestamp) -> Result<Position, OpenError> {
        let found = self.in_time(async |session| last_before(session, moment).await).await;
        let (sequence, revision) = found.map_err(OpenError::Away)?;
        let position = Position { epoch: sequence.epoch, revision };
        // Nothing before it is there any more that would show when that was.
        if revision == sequence.floor && revision > 0 {
            return Err(OpenError::Gone(Gone { oldest: position, current: self.replica.current().position() }));
        }
        Ok(position)
    }

    /// What happened to an object after one revision and before another one, the last first, as far as the log has it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn history(&self, uuid: Uuid, between: (u64, u64), limit: u32) -> Result<Vec<LogEntry>, StoreError> {
        self.in_time(async |session| load_history(session, &self.model, uuid, between, limit).await).await
    }

    /// Keeps what is still to be read, and trims the rest.
    async fn keep_house(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(HOUSEKEEPING);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut connection = None;
        let mut floor = 0;
        for round in 0_u32.. {
            ticks.tick().await;
            match self.housekeeping(&mut connection, round, floor).await {
                Ok(trimmed) => floor = trimmed,
                Err(error) => {
                    tracing::debug!(%error, "the log could not be looked after");
                    connection = None;
                }
            }
        }
    }

    async fn housekeeping(&self, connection: &mut Option<Session>, round: u32, floor: u64) -> Result<u64, StoreError> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.database.connect(READERS).await?),
        };
        let current = self.replica.current().position();
        let readers: Vec<u64> = self.readers().values().map(|position| position.load(Ordering::Relaxed)).collect();
        let name = format!("readers of {}", self.replica.lease.server());
        match behind_all(&readers, current) {
            Some(position) => feed_position::write(connection, &name, position, self.replica.lease.server()).await?,
            None => feed_position::forget(connection, &name).await?,
        }
        let long = self.retention.changes + self.retention.partition_size();
        if round.is_multiple_of(TRIM_EVERY) || current.revision.saturating_sub(floor) > long {
            feed_position::forget_stale_readers(connection).await?;
            let mut session = self.database.connect_patiently(TRIM).await?;
            let trimmed = trim(&mut session, self.retention).await;
            session.turn_to(FORGETTING);
            idempotency::forget_old(&mut session).await?;
            return trimmed;
        }
        Ok(floor)
    }
}

/// From where on the log is needed, if anybody reads it. One who has just come may say any position, which is looked at only when nothing
/// of the log can go any more, so what is said may be still to come.
fn behind_all(readers: &[u64], current: Position) -> Option<Position> {
    let lowest = *readers.iter().min()?;
    Some(Position { revision: lowest.min(current.revision), ..current })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn nobody_is_told_to_have_read_what_is_still_to_come() {
        let current = Position { epoch: Uuid::from_u128(1), revision: 94 };
        let behind = |readers: &[u64]| behind_all(readers, current).map(|position| position.revision);
        assert_eq!(behind(&[]), None);
        assert_eq!(behind(&[90, 1094, 93]), Some(90));
        assert_eq!(behind(&[1094]), Some(94));
    }
}
