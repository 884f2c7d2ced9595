//! Shows the others that this server is there, and looks again and again whether it is the only one.

use super::{Replica, clock::now, following::connect};
use crate::store::{
    Failure, Session, StoreError,
    operation::{HEARTBEAT, RESIGNATION},
    sequence,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// How often the server looks whether it is still the only one.
const EVERY: Duration = Duration::from_millis(100);
/// How many heartbeats pass between two attempts to become the only one.
const CLAIM_EVERY: u32 = 10;

impl Replica {
    /// Looks again and again whether this is the only server.
    pub(super) async fn keep_lease(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
            let mut fresh = connect(&self.database, HEARTBEAT).await?;
            sequence::announce(&mut fresh).await?;
            connection.insert(fresh)
        };
        let asked = now();
        let state = self.look(connection).await?;
        self.lease.hear();
        let agreed = self.agreement.holds(connection, state.fence).await?;
        let (known, server) = (self.current().position(), self.lease.server());
        let same_history = known.epoch == state.epoch;
        let caught_up = same_history && known.revision >= state.last_revision;
        // The only server is behind where its own writer has committed and not yet published.
        if !agreed {
            self.lease.end();
        } else if state.sole == Some(server) && same_history && (caught_up || self.lease.is_sole()) {
            self.lease.extend(asked);
        } else if state.sole.is_none()
            && beat.is_multiple_of(CLAIM_EVERY)
            && self.lease.has_to_wait(&state).is_zero()
            && sequence::count_servers(connection).await? == 1
        {
            // The next beat finds the own name.
            if let Err(error) = sequence::claim(connection, server, state.freed).await {
                match error.failure() {
                    // Where nothing can be written, there is no need to.
                    Failure::Refused => tracing::debug!(%error, "this server can't say that it is the only one"),
                    Failure::Connection | Failure::Data => return Err(error),
                }
            }
        }
        if !caught_up {
            self.follow_others();
        }
        Ok(())
    }

    /// Gives up being the only server, at the end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn resign(&self) -> Result<(), StoreError> {
        self.lease.end();
        let mut connection = self.database.connect(RESIGNATION).await?;
        sequence::resign(&mut connection, self.lease.server()).await
    }
}
