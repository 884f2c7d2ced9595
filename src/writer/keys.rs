//! What was answered before to keys of requests, as a server asks for it that decides ahead: the only one, or one that has its turn.
//!
//! A request that has a key is decided when it is known what was answered to that key, and nothing can be missed:
//!
//! 1. What this server has committed is found in the database: the question is asked when all batches before the one on its
//!    way have been. What that one has to keep is known here, and so is what the next one is about to (`batch.rs`).
//! 2. Nobody else has committed anything by the moment that the answer is of: it says that this server was the only one, or that
//!    nobody was in the turn of this one, and the history is that which is known here. Nor does anybody until the batch is committed: its
//!    statement does nothing unless the row of the sequence still says what the batch was decided on, and who is the only server.
//! 3. Unless the name was taken away in between, and has come back, or somebody did not wait for his turn: then others may have
//!    committed batches that have nothing but answers to keep, which move no revision. The primary key refuses a second answer to
//!    a key, so the statement does nothing, and all is decided anew, under the lock.
//!
//! There the question is asked under the lock of that row, which whoever writes an answer holds until it is committed.

use super::{Job, commit::Span};
use crate::{
    replica::Replica,
    store::{
        Database, Session, StoreError,
        idempotency::{Found, KeptAnswers, Key, look_up},
        operation::KEYS,
    },
};
use std::sync::Arc;
use tokio::time::timeout;

/// Who asks.
pub struct Keys {
    database: Database,
    replica: Arc<Replica>,
    session: Option<Session>,
}

impl Keys {
    /// In a session of its own: that of the batches is in use meanwhile.
    pub fn new(database: Database, replica: Arc<Replica>) -> Self {
        Self { database, replica, session: None }
    }

    /// What was answered to those requests that were answered before; none if it is not to be known here.
    pub async fn look_up(&mut self, jobs: &[Job], span: Span) -> Option<KeptAnswers> {
        let keys: Vec<&Key> = jobs.iter().filter_map(|job| Some(&job.keyed.as_ref()?.key)).collect();
        // Before the question: what is published meanwhile need not be in the answer.
        let known = self.replica.current().position();
        // Requests without a key, and the answers to a batch that has arrived, wait for it, too.
        let found = match timeout(KEYS.answer_within, self.ask(&keys)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::debug!(%error, "keys can't be looked up");
                return None;
            }
            // With the session: what comes next in it might be that answer.
            Err(_) => return None,
        };
        let sole = match span {
            Span::Alone => Some(self.replica.lease.server()),
            Span::Turn(_) => None,
        };
        let is_known = found.position.epoch == known.epoch && found.position.revision >= known.revision;
        (found.sole == sole && is_known).then_some(found.answers)
    }

    /// Asks in the session that there is. It may have been lost long ago, with nobody to notice; a new one tells.
    async fn ask(&mut self, keys: &[&Key]) -> Result<Found, StoreError> {
        if let Some(mut session) = self.session.take()
            && let Ok(found) = look_up(&mut session, keys).await
        {
            self.session = Some(session);
            return Ok(found);
        }
        let mut session = self.database.connect_to_write().await?;
        session.turn_to(KEYS);
        let found = look_up(&mut session, keys).await?;
        self.session = Some(session);
        Ok(found)
    }
}
