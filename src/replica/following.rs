//! How the graph follows the log: what was committed is read, and applied change by change.

use super::Replica;
use crate::{
    change_log::LogEntry,
    graph::{Graph, Position},
    store::{
        Database, Operation, Session, StoreError, load_log,
        operation::FRESHNESS,
        sequence::{self, Sequence},
    },
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::sleep;

/// How many changes are read at a time.
const PAGE: u32 = 1000;
/// After so much silence a listener looks whether there is still somebody to hear.
const SILENCE: Duration = Duration::from_secs(10);

/// How long what others commit is let come together before it is looked at again, if no read asks for it: a look for each of their
/// batches takes more from who writes than it brings here (docs/scale.md).
const PAUSE: Duration = Duration::from_millis(10);

impl Replica {
    /// Makes the graph one with everything that was committed before the question.
    ///
    /// # Errors
    /// When the database is away, or holds what this release can't read.
    pub(super) async fn catch_up(&self, connection: &mut Option<Session>) -> Result<(), StoreError> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(connect(&self.database, FRESHNESS).await?),
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
    pub(super) async fn look(&self, session: &mut Session) -> Result<Sequence, StoreError> {
        // Before the question: what is published meanwhile need not be in the answer.
        let known = self.current().position();
        let mut state = sequence::peek(session).await?;
        if known.epoch == state.epoch && known.revision > state.last_revision {
            self.lease.end();
            sequence::recognise_loss(session, known).await?;
            state = sequence::peek(session).await?;
        }
        self.lease.observe(&state);
        Ok(state)
    }

    /// Follows what other servers commit when they say so. A word may get lost; the heartbeat makes up for it.
    pub(super) async fn listen(self: Arc<Self>) {
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
                    Ok(said) => {
                        // What this server has committed it knows.
                        if said.iter().any(|process| *process != self.own_writer.load(Ordering::Relaxed)) {
                            // When the database is away the heartbeat tells.
                            drop(self.catch_up_for_read().await);
                        }
                        if !said.is_empty() {
                            sleep(PAUSE).await;
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "other servers are not heard");
                        break;
                    }
                }
            }
        }
    }
}

/// A session in which the sequence may be asked: of a database whose history is known.
///
/// # Errors
/// When the database is away.
pub(super) async fn connect(database: &Database, operation: Operation) -> Result<Session, StoreError> {
    recognised(database.connect(operation).await?).await
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
        let known = graph.revision();
        for entry in &page {
            entry.apply(&mut graph);
        }
        if graph.revision() == known {
            // A request without an end.
            return Ok(None);
        }
        entries.extend(page);
    }
    Ok(Some((graph, entries)))
}
