//! The one who commits: takes all requests that wait, decides them one after the other on a fork of the graph,
//! commits what they change in one transaction, publishes the fork, and answers.

mod replica;

pub use replica::{Consistency, Replica, Unavailable};

use crate::{
    graph::Graph,
    rules::{Decision, Options, Outcome, Rejection, Request, Work},
    store::{Database, Decided, Failure, StoreError, append, sequence},
    timestamp::Timestamp,
};
use replica::follow;
use sqlx::{Connection, PgConnection};
use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

/// How many requests may wait.
const MAX_WAITING: usize = 16_384;
/// How long to find out whether a batch was committed when the connection broke around the commit.
const FIND_OUT: Duration = Duration::from_mins(1);

struct Job {
    request: Request,
    answer: oneshot::Sender<Decision<Outcome>>,
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
        options: Options,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(MAX_WAITING);
        let options = Arc::new(options);
        let task = Task { database, replica, batch_limit: batch_limit.get(), options, connection: None };
        (Self { queue }, tokio::spawn(task.run(jobs)))
    }

    /// Decides and commits a request.
    ///
    /// # Errors
    /// The refusal that the client gets; 503 while the database is away.
    pub async fn submit(&self, request: Request) -> Decision<Outcome> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Rejection::unavailable("The server stops");
        self.queue.send(Job { request, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// What became of a batch.
enum Attempt {
    /// Every request has its answer.
    Answered(Vec<Decision<Outcome>>),
    /// Nothing was committed, and it has to wait for another server first.
    Wait(Duration),
}

/// Why a batch was not committed.
enum Trouble {
    /// Nothing was committed.
    NotCommitted(StoreError),
    /// The connection broke around the commit of this batch, which ends with this revision.
    Unknown { batch: Uuid, fork: Box<Graph>, answers: Vec<Decision<Outcome>> },
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
    async fn commit(&mut self, requests: &[Request]) -> Vec<Decision<Outcome>> {
        let mut retried = false;
        loop {
            match self.attempt(requests).await {
                Ok(Attempt::Answered(answers)) => return answers,
                Ok(Attempt::Wait(wait)) => tokio::time::sleep(wait).await,
                Err(Trouble::Unknown { batch, fork, answers }) => {
                    self.connection = None;
                    match self.find_out(batch, &fork).await {
                        Some(true) => {
                            self.replica.advance().await.publish(*fork);
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
                        let text = "The database can't be reached. Not able to perform requested action";
                        return refuse_all(requests, &Rejection::unavailable(text));
                    }
                    retried = true;
                }
            }
        }
    }

    async fn attempt(&mut self, requests: &[Request]) -> Result<Attempt, Trouble> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(self.database.connect().await?),
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
        let graph = follow(advance.graph(), &mut transaction, state.last_revision).await?;
        if graph.revision() > state.last_revision {
            let text = format!("last revision {} after {}: another database?", state.last_revision, graph.revision());
            return Err(StoreError::Row(text).into());
        }
        let now = Timestamp::now();
        let (fork, answers, decided) = decide(graph.clone(), requests, &self.options, now);
        if decided.is_empty() {
            transaction.rollback().await?;
            advance.publish(graph);
            return Ok(Attempt::Answered(answers));
        }
        let batch = Uuid::new_v4();
        append(&mut transaction, &fork, &decided, batch, now).await?;
        if let Err(error) = transaction.commit().await {
            tracing::warn!(%error, "the connection broke around a commit");
            return Err(Trouble::Unknown { batch, fork: Box::new(fork), answers });
        }
        advance.publish(fork);
        Ok(Attempt::Answered(answers))
    }

    /// Whether a batch was committed; none if the database does not come back in time.
    async fn find_out(&self, batch: Uuid, fork: &Graph) -> Option<bool> {
        let deadline = Instant::now() + FIND_OUT;
        while Instant::now() < deadline {
            match self.ask(batch, fork.revision()).await {
                Ok(committed) => return Some(committed),
                Err(error) => tracing::debug!(%error, "still not known whether a batch was committed"),
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
        transaction.rollback().await?;
        Ok(committed)
    }
}

fn refuse_all(requests: &[Request], refusal: &Rejection) -> Vec<Decision<Outcome>> {
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
) -> (Graph, Vec<Decision<Outcome>>, Vec<Decided>) {
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
                graph = fork;
                let (trace, who) = (request.identity.request_id.clone(), request.identity.who());
                decided.push(Decided { changes, trace, who });
            }
        }
        answers.push(answer);
    }
    (graph, answers, decided)
}
