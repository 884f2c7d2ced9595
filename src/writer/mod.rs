//! The one who commits: takes all requests that wait, decides them one after the other on a fork of the graph,
//! commits what they change in one transaction, publishes the fork, and answers.
//!
//! While one batch is on its way into the database the next is decided, on the fork of the one before. If that one is not
//! committed, both are decided anew.

mod batch;
mod commit;
mod keys;
mod partitions;
mod progress;
#[cfg(test)]
mod tests;
mod ticket;

pub use progress::Progress;

use crate::{
    graph::{Graph, Position},
    logs::{Served, Trace},
    metrics,
    replica::Replica,
    rules::{Decision, Outcome, Rejection, Request, Rulebook},
    store::{Database, UNKNOWN, idempotency::Keyed},
    supervision::Supervision,
};
use batch::Batch;
use commit::{Answers, Beginning, Committer, LATE, Span, take_back};
use futures_util::future::maybe_done;
use keys::Keys;
use std::{
    future::poll_fn,
    num::NonZeroUsize,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use ticket::Ticket;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// How many requests may wait.
const MAX_WAITING: usize = 16_384;
/// How many requests are decided before the writer looks whether the batch on its way has arrived.
const AT_A_TIME: usize = 8;
/// How long a request is held up at most.
const WRITE_WITHIN: Duration = Duration::from_millis(9500);

/// What became of a request that was not refused.
#[derive(Debug)]
pub struct Committed {
    /// What the rules say.
    pub outcome: Outcome,
    /// From where on it is in every snapshot.
    pub position: Position,
    /// Whether it was done before, under the same key.
    pub is_repeated: bool,
}

struct Job {
    request: Request,
    /// Under which key it is to be done once, if any.
    keyed: Option<Keyed>,
    /// What it is a part of, for lines and traces.
    served: Option<Served>,
    ticket: Arc<Ticket>,
    answer: oneshot::Sender<Decision<Committed>>,
}

impl Job {
    /// What is noted of the request that it is a part of, if anything is.
    fn trace(&self) -> Option<&Trace> {
        self.served.as_ref()?.trace.as_deref()
    }

    /// Decides it as the next one of a batch.
    fn decide(&self, batch: &mut Batch, rulebook: &Arc<Rulebook>) {
        let mut decide = || {
            batch.decide_once(&self.request, self.keyed.as_ref(), rulebook);
            tracing::debug!(batch = %batch.id, is_refused = batch.answers.last().is_some_and(Result::is_err), "decided");
        };
        match &self.served {
            Some(served) => served.during(decide),
            None => decide(),
        }
        if let Some(trace) = self.trace() {
            trace.decided(batch.id);
        }
    }
}

/// Where requests are handed in.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
    replica: Arc<Replica>,
    progress: Arc<Progress>,
}

impl Writer {
    /// Starts the writer of this process. It ends when the last handle is dropped and the queue is empty. It is not started
    /// again when it breaks: there may be a batch on its way of which nobody knows any more.
    pub fn start(
        database: Database,
        replica: Arc<Replica>,
        batch_limit: NonZeroUsize,
        partition_size: u64,
        rulebook: Rulebook,
        supervision: &Arc<Supervision>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(MAX_WAITING);
        let rulebook = Arc::new(rulebook);
        let progress = Arc::new(Progress::default());
        let keys = Keys::new(database.clone(), Arc::clone(&replica));
        let committer = Committer::new(
            database,
            Arc::clone(&replica),
            Arc::clone(&rulebook),
            partition_size,
            Arc::clone(&progress),
            supervision,
        );
        let task = Task { jobs, replica: Arc::clone(&replica), rulebook, batch_limit: batch_limit.get(), keys };
        (Self { queue, replica, progress }, supervision.need("writer", task.run(committer)))
    }

    /// Whether batches get into the database.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many requests wait to be decided.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    /// Decides and commits a request; one with a key once, however often it comes within a day.
    ///
    /// # Errors
    /// The refusal that the client gets; 503 while the database is away.
    pub async fn submit(&self, request: Request, keyed: Option<Keyed>) -> Decision<Committed> {
        let (answer, answered) = oneshot::channel();
        let ticket = Arc::new(Ticket::default());
        let served = Served::current();
        let trace = served.as_ref().and_then(|served| served.trace.clone());
        let job = Job { request, keyed, served, ticket: Arc::clone(&ticket), answer };
        if let Some(trace) = &trace {
            trace.begin_write();
        }
        let decided = async {
            self.queue.send(job).await.ok()?;
            answered.await.ok()
        };
        let decided = self.replica.patiently(WRITE_WITHIN, decided).await;
        if let Some(trace) = &trace {
            trace.end_write();
        }
        match decided {
            Some(Some(decision)) => decision,
            late => {
                if late.is_none() {
                    metrics::limit(metrics::Limit::WriteTime);
                }
                Err(Rejection::unavailable(match (ticket.give_up(), late) {
                    (true, Some(_)) => "The server stops",
                    (true, None) => LATE,
                    (false, _) => UNKNOWN,
                }))
            }
        }
    }
}

/// A batch with those who wait for its answers.
struct Pending {
    jobs: Vec<Job>,
    batch: Batch,
}

impl Pending {
    /// None yet.
    fn in_batch(batch: Batch) -> Self {
        Self { jobs: Vec::new(), batch }
    }

    fn decide(&mut self, jobs: &mut Vec<Job>, rulebook: &Arc<Rulebook>) {
        for job in jobs.drain(..).filter(|job| !job.ticket.is_given_up()) {
            job.decide(&mut self.batch, rulebook);
            self.jobs.push(job);
        }
    }
}

struct Task {
    jobs: mpsc::Receiver<Job>,
    replica: Arc<Replica>,
    rulebook: Arc<Rulebook>,
    batch_limit: usize,
    keys: Keys,
}

impl Task {
    async fn run(mut self, mut committer: Committer) {
        let mut jobs = Vec::new();
        while self.jobs.recv_many(&mut jobs, self.batch_limit).await > 0 {
            let is_retry = match committer.begin().await {
                Beginning::Ahead(span) => {
                    let Some(rest) = self.run_ahead(committer, jobs, span).await else { return };
                    (committer, jobs) = rest;
                    false
                }
                Beginning::UnderLock { is_retry } => is_retry,
            };
            if !jobs.is_empty() {
                let answers = committer.commit_under_lock(&jobs, is_retry).await;
                answer(std::mem::take(&mut jobs), answers);
            }
            committer.end_turn().await;
        }
    }

    /// Decides requests, those that have a key when it is known what was answered to it before. Where that is not to be known
    /// here they stay, to be decided under the lock.
    async fn decide(&mut self, next: &mut Pending, jobs: &mut Vec<Job>, span: Span) {
        let mut keyed: Vec<Job> = jobs.extract_if(.., |job| job.keyed.is_some()).collect();
        next.decide(jobs, &self.rulebook);
        if keyed.is_empty() {
            return;
        }
        match self.keys.look_up(&keyed, span).await {
            Some(answers) => {
                next.batch.learn(answers);
                next.decide(&mut keyed, &self.rulebook);
            }
            None => jobs.append(&mut keyed),
        }
    }

    /// Commits batch after batch, until none waits, or the turn is over, or one was not committed: then its requests and those that were decided
    /// after them are given back, and so are those that can't be decided here. Nothing is given back when the task is at its end.
    async fn run_ahead(
        &mut self,
        mut committer: Committer,
        mut jobs: Vec<Job>,
        mut span: Span,
    ) -> Option<(Committer, Vec<Job>)> {
        let mut next = Pending::in_batch(Batch::on(Graph::clone(&self.replica.current())));
        self.decide(&mut next, &mut jobs, span).await;
        // A batch whose requests have no answer yet.
        let mut unanswered: Option<(Vec<Job>, Answers)> = None;
        while !next.jobs.is_empty() {
            let Pending { jobs: mut waiting, batch } = next;
            if !ticket::send(waiting.iter().map(|job| &*job.ticket)) {
                // Somebody has gone with the word that nothing was stored: decided anew, without him.
                if let Some((jobs, answers)) = unanswered {
                    answer(jobs, answers);
                }
                waiting.append(&mut jobs);
                return Some((committer, waiting));
            }
            next = Pending::in_batch(Batch::after(&batch));
            let mut committing = pin!(maybe_done(Box::pin(commit_ahead(committer, batch, span))));
            // It is sent before anything else is done, and no other thread has to be woken for that.
            begin(committing.as_mut()).await;
            if let Some((jobs, answers)) = unanswered.take() {
                answer(jobs, answers);
            }
            let (back, answers, left) = loop {
                let room = room(self.batch_limit, waiting.len(), next.jobs.len(), self.jobs.len());
                tokio::select! {
                    biased;
                    () = &mut committing => break committing.take_output()?,
                    _ = self.jobs.recv_many(&mut jobs, room), if room > 0 && jobs.is_empty() && !self.jobs.is_closed() && !span.is_over() => {
                        let mut deciding = pin!(self.decide(&mut next, &mut jobs, span));
                        tokio::select! {
                            biased;
                            () = &mut deciding => {}
                            // What was answered to keys is being asked for.
                            () = &mut committing => deciding.await,
                        }
                    }
                }
            };
            (committer, span) = (back, left);
            let Some(answers) = answers else {
                let mut refused = waiting;
                take_back(&refused);
                refused.append(&mut next.jobs);
                refused.append(&mut jobs);
                return Some((committer, refused));
            };
            if next.jobs.is_empty() {
                answer(waiting, answers);
            } else {
                unanswered = Some((waiting, answers));
            }
        }
        Some((committer, jobs))
    }
}

/// How many more requests are decided for the next batch, which has so many, while one of so many is on its way and so many wait: up
/// to half of them all. Then the database has one half while the other one is answered, asks again, and is decided. Of clients that wait
/// for their answers nearly all would else be in every second batch, again and again. A few are taken in any case: more may come
/// before this is looked at again.
fn room(batch_limit: usize, on_its_way: usize, decided: usize, waiting: usize) -> usize {
    let half = (on_its_way + decided + waiting).div_ceil(2).max(AT_A_TIME);
    batch_limit.min(half).saturating_sub(decided).min(AT_A_TIME)
}

/// Does what can be done of it without waiting.
async fn begin(mut future: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

async fn commit_ahead(mut committer: Committer, batch: Batch, span: Span) -> (Committer, Option<Answers>, Span) {
    // Before the batch, and not before the answers to it.
    let span = committer.prolong(span).await;
    let answers = committer.commit_ahead(batch).await;
    (committer, answers, span)
}

fn answer(jobs: Vec<Job>, answers: Answers) {
    for (job, answer) in jobs.into_iter().zip(answers) {
        // Whoever has gone meanwhile will find out by reading.
        let _ = job.answer.send(answer);
    }
}
