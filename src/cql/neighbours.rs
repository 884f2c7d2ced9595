//! The other processes that speak CQL on the same database. Drivers ask for them once, and are told when one comes or goes (CQL contract
//! 3.5): without it they would know none but the one that they have asked, and be lost with it.

use super::{frame::Event, server::CqlServer, system_tables::Process};
use crate::store::{Session, StoreError, cql_servers, operation};
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// How often this process says that it is there, and asks who else is.
const EVERY: Duration = Duration::from_secs(1);

impl CqlServer {
    /// Says again and again that this process is there, until it is about to go, and then that it is gone, so that the others tell it at
    /// once. A process that the database does not hear says nothing of the others either: they may be as well as before.
    pub async fn keep_in_touch(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut session = None;
        let mut leaving = self.leaving.subscribe();
        loop {
            tokio::select! {
                biased;
                _ = leaving.wait_for(|leaving| *leaving) => break,
                _ = ticks.tick() => {}
            }
            self.tidy();
            match self.look_around(&mut session).await {
                Ok(others) => self.take_note_of(others),
                Err(error) => {
                    tracing::debug!(%error, "CQL: the other processes are not known");
                    session = None;
                }
            }
        }
        if let Err(error) = self.withdraw().await {
            tracing::debug!(%error, "CQL: the others notice later that this process has gone");
        }
    }

    /// Says for the first time that this process is there, before anybody can reach it: another one that has not heard of it would tell
    /// that nobody is there any more, of one that was killed at the same address.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn announce(&self) -> Result<(), StoreError> {
        let others = self.look_around(&mut None).await?;
        self.take_note_of(others);
        Ok(())
    }

    async fn look_around(&self, session: &mut Option<Session>) -> Result<Vec<Process>, StoreError> {
        let session = match session {
            Some(session) => session,
            None => session.insert(self.database().connect(operation::CQL_SERVERS).await?),
        };
        let Process { address, port } = self.this;
        let known = cql_servers::announce(session, self.id(), address, port).await?;
        let mut others: Vec<Process> = known
            .into_iter()
            .filter(|peer| peer.server != self.id())
            .map(|peer| Process { address: peer.address, port: peer.port })
            // One that was killed, and is there again, has left its last word.
            .filter(|process| *process != self.this)
            .collect();
        others.sort_unstable();
        others.dedup();
        Ok(others)
    }

    /// Tells those who want to know it who has come and who has gone.
    fn take_note_of(&self, others: Vec<Process>) {
        let before = self.others();
        for gone in before.iter().filter(|process| !others.contains(process)) {
            tracing::info!(process = %gone.address, "CQL: another process has gone");
            self.tell(Event::StatusChange { up: false, address: gone.place() });
        }
        let come: Vec<Process> = others.iter().filter(|process| !before.contains(process)).copied().collect();
        // Who is told of one asks at once for all.
        self.set_others(others);
        for process in come {
            tracing::info!(process = %process.address, "CQL: another process is there");
            if process.port != self.this.port {
                tracing::warn!(
                    port = process.port,
                    own = self.this.port,
                    "CQL: another process has another port, and drivers look for it at this one's (--cql-listen)"
                );
            }
            self.tell(Event::StatusChange { up: true, address: process.place() });
        }
    }

    async fn withdraw(&self) -> Result<(), StoreError> {
        let mut session = self.database().connect(operation::CQL_SERVERS).await?;
        cql_servers::withdraw(&mut session, self.id()).await
    }
}
