//! Requests that were decided together, and the graph that they lead to.

use super::Committed;
use crate::{
    change_log::{LogEntry, LoggedCaller, Origin},
    graph::{Graph, Position},
    metrics,
    rules::{Decision, Outcome, Rejection, Request, Rulebook, Work},
    store::{
        Rows,
        idempotency::{Kept, KeptAnswers, Keyed},
    },
    timestamp::Timestamp,
};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
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
    /// Answers that were given before, by key, as far as a request of this batch may ask for them.
    known: KeptAnswers,
    /// The batch on its way that some of them are from, if any: they hold only if it is committed.
    pub relies_on: Option<Uuid>,
    /// Whether the fork is with a request: then what the first one was decided on is in its place.
    is_lent: bool,
    /// Whether a request was refused when it had changed the fork: from then on each works on one of its own.
    is_careful: bool,
}

/// What is said of a key that is used a second time, for something else.
const REUSED: &str = "Idempotency-Key: this key was used for another request within the last day, with another method, path, \
                      query or body. Choose a new key for a new request, and repeat one as it was";

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
            known: KeptAnswers::default(),
            relies_on: None,
            is_lent: false,
            is_careful: false,
        }
    }

    /// An empty one on what a batch leads to that is on its way.
    pub fn after(batch: &Self) -> Self {
        let known = batch.rows.answers().clone();
        let relies_on = (!known.is_empty()).then_some(batch.id);
        Self { known, relies_on, ..Self::on(batch.fork.clone()) }
    }

    /// Takes note of what was answered before to keys of its requests. To be told before these are decided.
    pub fn learn(&mut self, answers: KeptAnswers) {
        self.known.extend(answers);
    }

    /// Decides one more request that may have a key: then once, and what was answered is told again.
    pub fn decide_once(&mut self, request: &Request, keyed: Option<&Keyed>, rulebook: &Arc<Rulebook>) {
        let Some(keyed) = keyed else { return self.decide(request, rulebook) };
        if let Some(kept) = self.known.get(&keyed.key).map(Arc::clone) {
            let answer = self.told_again(&kept, keyed);
            self.answers.push(answer);
            return;
        }
        self.decide(request, rulebook);
        // A refusal is not kept: nothing was done, and the next time something may be.
        if let Some(Ok(committed)) = self.answers.last() {
            let kept = Arc::new(Kept {
                fingerprint: keyed.fingerprint.to_vec(),
                revision: committed.position.revision,
                outcome: committed.outcome.to_json(self.fork.model()).to_string(),
            });
            self.known.insert(keyed.key.clone(), Arc::clone(&kept));
            self.rows.keep(keyed.key.clone(), kept);
        }
    }

    fn told_again(&self, kept: &Kept, keyed: &Keyed) -> Decision<Committed> {
        if kept.fingerprint != keyed.fingerprint {
            return Err(Rejection::unprocessable(REUSED));
        }
        let outcome = serde_json::from_str(&kept.outcome).ok();
        let outcome = outcome.and_then(|kept| Outcome::from_json(self.fork.model(), &kept)).ok_or_else(|| {
            // Of a release that knows more types.
            tracing::error!(outcome = kept.outcome, "what was kept under a key can't be read");
            Rejection::internal("Idempotency-Key: what was answered to this request can't be read by this release")
        })?;
        // It is in the database that everything here is read from, whatever its history was called at that time.
        let position = Position { revision: kept.revision, ..self.fork.position() };
        Ok(Committed { outcome, position, is_repeated: true })
    }

    /// Decides one more request, which sees what the ones before it did. Of one that is only tried the answer stays.
    pub fn decide(&mut self, request: &Request, rulebook: &Arc<Rulebook>) {
        if self.answers.is_empty() {
            self.now = Timestamp::now();
        }
        let begin = Instant::now();
        let graph = self.lend(request.dry_run);
        let mut work = Work::new(graph, request.identity.clone(), rulebook, self.now, Uuid::new_v4);
        // A fault in a rule must not stop the writer.
        let answer = if let Ok(answer) = catch_unwind(AssertUnwindSafe(|| request.decide(&mut work))) {
            if answer.is_ok() && !request.dry_run {
                self.take_in(work, request);
            } else {
                self.take_back((!work.has_touched()).then_some(work.graph));
            }
            answer
        } else {
            self.take_back(None);
            Err(Rejection::internal("Internal Server Error"))
        };
        metrics::decision(begin.elapsed());
        let position = self.fork.position();
        self.answers.push(answer.map(|outcome| Committed { outcome, position, is_repeated: false }));
    }

    /// The graph for a request to work on: the fork itself, whose trees are then copied once for the whole batch and not for each
    /// request, if nothing speaks against it.
    fn lend(&mut self, is_dry_run: bool) -> Graph {
        self.is_lent = !is_dry_run && !self.is_careful;
        if self.is_lent { mem::replace(&mut self.fork, self.rows.base().clone()) } else { self.fork.clone() }
    }

    /// Goes on without what a request did. Where the graph that it was lent is another one now, the fork is made anew; so that this
    /// happens once, the requests that follow get forks of their own.
    fn take_back(&mut self, untouched: Option<Graph>) {
        if !mem::take(&mut self.is_lent) {
            return;
        }
        if let Some(graph) = untouched {
            self.fork = graph;
            return;
        }
        self.is_careful = true;
        for entry in &self.entries {
            entry.apply(&mut self.fork);
        }
    }

    /// Goes on with what a request did.
    fn take_in(&mut self, work: Work, request: &Request) {
        let has_touched = work.has_touched();
        let (graph, changes) = work.finish();
        if changes.is_empty() {
            return self.take_back((!has_touched).then_some(graph));
        }
        let caller = request.identity.for_log();
        let project = request.identity.caller.project_uuid();
        let origin = Origin {
            at: self.now,
            request_id: Some(request.identity.request_id.as_str().into()),
            who: request.identity.who().map(Arc::from),
            caller: caller.map(|json| LoggedCaller { json: json.into(), project }),
        };
        for (change, entry) in changes.iter().zip(LogEntry::of_request(&changes, &graph, &origin)) {
            self.rows.add(change, &entry);
            self.entries.push(Arc::new(entry));
        }
        self.fork = graph;
        self.is_lent = false;
    }

    /// It is committed, by this server.
    pub fn count(&self) {
        metrics::batch(self.answers.len());
        for entry in &self.entries {
            metrics::change(entry.type_id.0, entry.operation.name());
        }
    }
}
