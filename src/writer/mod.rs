//! The one who commits: takes all requests that wait, decides them one after the other on a fork of the graph,
//! commits what they change in one transaction, publishes the fork, and answers.

mod recent;
mod replica;

pub use replica::{Consistency, Replica, Snapshot, Unavailable};

use crate::{
    graph::{Graph, Position},
    rules::{Decision, LogEntry, Options, Origin, Outcome, Rejection, Request, Work},
    store::{Batch, Database, Decided, Failure, StoreError, append, make_until, sequence},
    timestamp::Timestamp,
};
use replica::{connect, follow};
use sqlx::{Connection, PgConnection};
use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use uuid::Uuid;

/// How many requests may wait.
const MAX_WAITING: usize = 16_384;
/// What is answered while the database is away.
const AWAY: &str = "The database can't be reached. Not able to perform requested action";
/// How long to find out whether a batch was committed when the connection broke around the commit.
const FIND_OUT: Duration = Duration::from_mins(1);

/// What became of a request that was not refused.
#[derive(Debug)]
pub struct Committed {
    /// What the rules say.
    pub outcome: Outcome,
    /// From where on it is in every snapshot.
    pub position: Position,
}

struct Job {
    request: Request,
    answer: oneshot::Sender<Decision<Committed>>,
}

/// Where requests are handed in.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the writer of this process. It ends when the last handle is dropped and the queue is empty.
    pub fn start(
        database: Database,
        replica: Arc<Replica>,
        batch_limit: NonZeroUsize,
        partition_size: u64,
        options: Options,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(MAX_WAITING);
        let options = Arc::new(options);
        let task =
            Task { database, replica, batch_limit: batch_limit.get(), partition_size, options, connection: None };
        (Self { queue }, tokio::spawn(task.run(jobs)))
    }

    /// Decides and commits a request.
    ///
    /// # Errors
    /// The refusal that the client gets; 503 while the database is away.
    pub async fn submit(&self, request: Request) -> Decision<Committed> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Rejection::unavailable("The server stops");
        self.queue.send(Job { request, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// What became of a batch.
enum Attempt {
    /// Every request has its answer.
    Answered(Vec<Decision<Committed>>),
    /// Nothing was committed, and it has to wait for another server first.
    Wait(Duration),
    /// Nothing was committed, and what this process knows has to be read anew first.
    Reload,
}

/// Why a batch was not committed.
enum Trouble {
    /// Nothing was committed.
    NotCommitted(StoreError),
    /// The connection broke around the commit of this batch, which ends with this revision.
    Unknown { batch: Uuid, fork: Box<Graph>, entries: Vec<Arc<LogEntry>>, answers: Vec<Decision<Committed>> },
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::NotCommitted(error)
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::NotCommitted(error.into())
    }
}

struct Task {
    database: Database,
    replica: Arc<Replica>,
    batch_limit: usize,
    /// How many revisions a partition of the log has.
    partition_size: u64,
    options: Arc<Options>,
    connection: Option<PgConnection>,
}

impl Task {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while jobs.recv_many(&mut batch, self.batch_limit).await > 0 {
            let (requests, askers): (Vec<_>, Vec<_>) = batch.drain(..).map(|job| (job.request, job.answer)).unzip();
            let answers = self.commit(&requests).await;
            for (asker, answer) in askers.into_iter().zip(answers) {
                // Whoever has gone meanwhile will find out by reading.
                let _ = asker.send(answer);
            }
        }
    }

    /// Commits a batch and gives an answer for each of its requests.
    async fn commit(&mut self, requests: &[Request]) -> Vec<Decision<Committed>> {
        let mut retried = false;
        loop {
            match self.attempt(requests).await {
                Ok(Attempt::Answered(answers)) => return answers,
                Ok(Attempt::Wait(wait)) => tokio::time::sleep(wait).await,
                Ok(Attempt::Reload) => {
                    if let Err(error) = self.replica.advance().await.reload().await {
                        tracing::warn!(%error, "the configuration can't be loaded");
                        return refuse_all(requests, &Rejection::unavailable(AWAY));
                    }
                }
                Err(Trouble::Unknown { batch, fork, entries, answers }) => {
                    self.connection = None;
                    match self.find_out(batch, &fork).await {
                        Some(true) => {
                            self.replica.advance().await.publish(*fork, entries);
                            return answers;
                        }
                        Some(false) => {}
                        None => {
                            let text = "The database went away; it is not known whether the request was stored";
                            return refuse_all(requests, &Rejection::unavailable(text));
                        }
                    }
                }
                Err(Trouble::NotCommitted(error)) if error.failure() == Failure::Data => {
                    self.connection = None;
                    if let [_] = requests {
                        tracing::error!(%error, "the database refuses what the rules allow");
                        return refuse_all(requests, &refused_by_database(&error));
                    }
                    // One of them is at fault; the others shall not suffer.
                    let mut answers = Vec::with_capacity(requests.len());
                    for request in requests {
                        answers.extend(Box::pin(self.commit(std::slice::from_ref(request))).await);
                    }
                    return answers;
                }
                Err(Trouble::NotCommitted(error)) => {
                    self.connection = None;
                    if retried {
                        tracing::warn!(%error, requests = requests.len(), "the database is away");
                        return refuse_all(requests, &Rejection::unavailable(AWAY));
                    }
                    retried = true;
                }
            }
        }
    }

    async fn attempt(&mut self, requests: &[Request]) -> Result<Attempt, Trouble> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(connect(&self.database).await?),
        };
        let advance = self.replica.advance().await;
        let mut transaction = connection.begin().await?;
        let state = sequence::lock(&mut transaction).await?;
        if state.sole.is_some_and(|sole| sole != self.replica.server) {
            sequence::free(&mut transaction).await?;
            transaction.commit().await?;
            return Ok(Attempt::Wait(Duration::ZERO));
        }
        if !state.wait.is_zero() {
            transaction.rollback().await?;
            return Ok(Attempt::Wait(state.wait));
        }
        let Some((graph, mut entries)) = follow(advance.graph(), &mut transaction, &state).await? else {
            transaction.rollback().await?;
            return Ok(Attempt::Reload);
        };
        let now = Timestamp::now();
        let (fork, answers, decided) = decide(graph.clone(), requests, &self.options, now);
        if decided.is_empty() {
            transaction.rollback().await?;
            advance.publish(graph, entries);
            return Ok(Attempt::Answered(answers));
        }
        make_until(&mut transaction, &state, fork.revision(), self.partition_size).await?;
        let wake_others = state.sole.is_none();
        let batch = Batch { id: Uuid::new_v4(), now, wake_others };
        append(&mut transaction, &fork, &decided, batch).await?;
        entries.extend(decided.into_iter().flat_map(|request| request.entries));
        if let Err(error) = transaction.commit().await {
            tracing::warn!(%error, "the connection broke around a commit");
            return Err(Trouble::Unknown { batch: batch.id, fork: Box::new(fork), entries, answers });
        }
        advance.publish(fork, entries);
        Ok(Attempt::Answered(answers))
    }

    /// Whether a batch was committed; none if the database does not come back in time.
    async fn find_out(&self, batch: Uuid, fork: &Graph) -> Option<bool> {
        let deadline = Instant::now() + FIND_OUT;
        while Instant::now() < deadline {
            match timeout_at(deadline, self.ask(batch, fork.revision())).await {
                Ok(Ok(committed)) => return Some(committed),
                Ok(Err(error)) => tracing::debug!(%error, "still not known whether a batch was committed"),
                Err(_) => break,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    async fn ask(&self, batch: Uuid, revision: u64) -> Result<bool, StoreError> {
        let mut connection = self.database.connect().await?;
        let mut transaction = connection.begin().await?;
        sequence::lock(&mut transaction).await?;
        let committed = sequence::is_committed(&mut transaction, batch, revision).await?;
        // Not rolled back: a database that crashed shows commits that its synchronous standby may not have, and this one is
        // done when the standby has all before it, too. The lock makes it one that is waited for.
        transaction.commit().await?;
        Ok(committed)
    }
}

fn refuse_all(requests: &[Request], refusal: &Rejection) -> Vec<Decision<Committed>> {
    requests.iter().map(|_| Err(refusal.clone())).collect()
}

/// The constraints are a second net under the rules; what is caught there is answered as the rule would.
fn refused_by_database(error: &StoreError) -> Rejection {
    let constraint = match error {
        StoreError::Database(sqlx::Error::Database(error)) => error.constraint().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    match constraint.as_str() {
        "address_hold_once" => Rejection::conflict("IP address already in use"),
        "object_pkey" | "object_fq_name" | "object_network_id" => {
            Rejection::conflict(format!("already exists ({constraint})"))
        }
        "reference_target" | "object_parent" => Rejection::conflict(format!("still in use ({constraint})")),
        _ => Rejection::internal("Internal Server Error"),
    }
}

/// Decides requests one after the other: each sees what the ones before it did.
fn decide(
    mut graph: Graph,
    requests: &[Request],
    options: &Arc<Options>,
    now: Timestamp,
) -> (Graph, Vec<Decision<Committed>>, Vec<Decided>) {
    let mut answers = Vec::with_capacity(requests.len());
    let mut decided = Vec::new();
    for request in requests {
        let mut work = Work::new(graph.clone(), request, options, now, Uuid::new_v4);
        // A fault in a rule must not stop the writer; its fork is dropped like that of a refused request.
        let answer = catch_unwind(AssertUnwindSafe(|| request.decide(&mut work)))
            .unwrap_or_else(|_| Err(Rejection::internal("Internal Server Error")));
        if answer.is_ok() {
            let (fork, changes) = work.finish();
            if !changes.is_empty() {
                let who = request.identity.who().map(Arc::from);
                let origin = Origin { at: now, request_id: Some(request.identity.request_id.as_str().into()), who };
                let entry = |change| Arc::new(LogEntry::new(change, &graph, &fork, &origin));
                let entries = changes.iter().map(entry).collect();
                decided.push(Decided { changes, entries });
                graph = fork;
            }
        }
        answers.push(answer.map(|outcome| Committed { outcome, position: graph.position() }));
    }
    (graph, answers, decided)
}
