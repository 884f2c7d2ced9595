//! Who may move the graph on: one at a time, the writer or whoever follows other servers.

use super::{Replica, following::connect};
use crate::{
    change_log::LogEntry,
    graph::Graph,
    store::{StoreError, load, operation::LOAD},
};
use std::sync::Arc;
use tokio::sync::MutexGuard;

/// The right to move the graph on.
pub struct Advance<'a> {
    replica: &'a Replica,
    _guard: MutexGuard<'a, ()>,
}

impl Replica {
    /// The right to move the graph on; nobody else does meanwhile.
    pub async fn advance(&self) -> Advance<'_> {
        Advance { replica: self, _guard: self.advancing.lock().await }
    }
}

impl Advance<'_> {
    /// The graph to start from.
    pub fn graph(&self) -> Graph {
        Graph::clone(&self.replica.current())
    }

    /// Makes a later graph the current one, with the changes that led there.
    pub fn publish(&self, graph: Graph, entries: Vec<Arc<LogEntry>>) {
        let (replica, position) = (self.replica, graph.position());
        if position.revision > replica.graph.load().revision() {
            replica.recent().push(entries);
            replica.graph.store(Arc::new(graph));
            replica.moved.send_replace(position);
        }
    }

    /// Reads the whole configuration anew: this process has fallen behind the log, or it is that of another history.
    ///
    /// # Errors
    /// When the database is away, or holds what this release can't read.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let replica = self.replica;
        let session = connect(&replica.database, LOAD).await?;
        let graph = load(session, self.graph().model()).await?;
        let (position, known) = (graph.position(), replica.current().position());
        tracing::warn!(%position, %known, "the log does not lead from what is known to what there is: loaded anew");
        replica.recent().clear();
        replica.graph.store(Arc::new(graph));
        replica.moved.send_replace(position);
        Ok(())
    }
}
