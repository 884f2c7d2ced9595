//! Requests that were decided together, and the graph that they lead to.

use super::Committed;
use crate::{
    change_log::{LogEntry, Origin},
    graph::{Graph, Position},
    rules::{Decision, Rejection, Request, Rulebook, Work},
    store::Rows,
    timestamp::Timestamp,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use uuid::Uuid;

/// A batch on its way: nothing of it is seen by anybody before it is committed.
pub struct Batch {
    /// To find out later whether it was committed.
    pub id: Uuid,
    /// When it was decided.
    pub now: Timestamp,
    /// What the first request was decided on.
    pub base: Position,
    /// The graph with all changes.
    pub fork: Graph,
    /// What its changes make of the tables.
    pub rows: Rows,
    /// Its changes, as they are logged.
    pub entries: Vec<Arc<LogEntry>>,
    /// One for each request.
    pub answers: Vec<Decision<Committed>>,
}

impl Batch {
    /// An empty one.
    pub fn on(graph: Graph) -> Self {
        Self {
            id: Uuid::new_v4(),
            now: Timestamp::now(),
            base: graph.position(),
            rows: Rows::new(graph.clone()),
            fork: graph,
            entries: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Decides one more request, which sees what the ones before it did. Of one that is only tried the answer stays.
    pub fn decide(&mut self, request: &Request, rulebook: &Arc<Rulebook>) {
        if self.answers.is_empty() {
            self.now = Timestamp::now();
        }
        let mut work = Work::new(self.fork.clone(), request, rulebook, self.now, Uuid::new_v4);
        // A fault in a rule must not stop the writer; its fork is dropped like that of a refused request.
        let answer = catch_unwind(AssertUnwindSafe(|| request.decide(&mut work)))
            .unwrap_or_else(|_| Err(Rejection::internal("Internal Server Error")));
        if answer.is_ok() && !request.dry_run {
            let (fork, changes) = work.finish();
            if !changes.is_empty() {
                let who = request.identity.who().map(Arc::from);
                let request_id = Some(request.identity.request_id.as_str().into());
                let origin = Origin { at: self.now, request_id, who };
                for change in &changes {
                    let entry = LogEntry::new(change, &self.fork, &fork, &origin);
                    self.rows.add(change, &entry);
                    self.entries.push(Arc::new(entry));
                }
                self.fork = fork;
            }
        }
        self.answers.push(answer.map(|outcome| Committed { outcome, position: self.fork.position() }));
    }
}
