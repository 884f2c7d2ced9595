//! How batches come into the database: at once while this server is the only one, else by taking turns with the others.

use super::{
    Committed,
    batch::Batch,
    partitions::Partitions,
    replica::{Replica, follow, recognised},
};
use crate::{
    rules::{Decision, LogEntry, Options, Rejection, Request},
    store::{Database, Failure, StoreError, Turn, append, sequence},
};
use sqlx::{Connection, PgConnection};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// What is answered while the database is away.
const AWAY: &str = "The database can't be reached. Not able to perform requested action";
/// What is answered when it went away around a commit, and did not come back in time.
const UNKNOWN: &str = "The database went away; it is not known whether the request was stored";
/// How long to find out whether a batch was committed when the connection broke around the commit.
const FIND_OUT: Duration = Duration::from_mins(1);

/// An answer for each request of a batch.
pub type Answers = Vec<Decision<Committed>>;

/// What became of a batch that had its turn.
enum Attempt {
    /// Every request has its answer.
    Answered(Answers),
    /// Nothing was committed, and it has to wait for another server first.
    Wait(Duration),
    /// Nothing was committed, and what this process knows has to be read anew first.
    Reload,
}

/// Why a batch was not committed.
enum Trouble {
    /// Nothing was committed.
    NotCommitted(StoreError),
    /// The connection broke around the commit of this batch. With it go the changes of others that came before it.
    Unknown { batch: Box<Batch>, followed: Vec<Arc<LogEntry>> },
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

/// Who writes into the database.
pub struct Committer {
    pub database: Database,
    pub replica: Arc<Replica>,
    pub options: Arc<Options>,
    partitions: Partitions,
    connection: Option<PgConnection>,
}

impl Committer {
    pub fn new(database: Database, replica: Arc<Replica>, options: Arc<Options>, partition_size: u64) -> Self {
        let partitions = Partitions::start(database.clone(), partition_size, replica.current().revision());
        Self { database, replica, options, partitions, connection: None }
    }

    /// Commits a batch that was decided on what this process knows, if it is the only server and knows everything. Gives the
    /// answers; none if the batch was not committed and has to be decided anew, in turn with others.
    pub async fn commit_alone(&mut self, batch: Batch) -> Option<Answers> {
        let replica = Arc::clone(&self.replica);
        let advance = replica.advance().await;
        if !replica.is_sole() || replica.current().position() != batch.base {
            return None;
        }
        if batch.rows.is_empty() {
            // As fresh as a read.
            return Some(batch.answers);
        }
        let connection = self.connection.as_mut()?;
        if batch.fork.revision() > self.partitions.until() {
            return None;
        }
        let turn = turn(&batch, Some(replica.server));
        match append(connection, &batch.fork, &batch.rows, turn).await {
            Ok(true) => {
                self.partitions.used(batch.fork.revision());
                advance.publish(batch.fork, batch.entries);
                Some(batch.answers)
            }
            Ok(false) => None,
            Err(error) => {
                drop(advance);
                self.connection = None;
                if error.failure() == Failure::Data {
                    // Who is at fault is found one by one.
                    return None;
                }
                tracing::warn!(%error, "the connection broke around a commit");
                self.settle(batch, Vec::new()).await
            }
        }
    }

    /// Decides and commits requests in turn with other servers, and gives an answer for each.
    pub async fn commit_in_turn(&mut self, requests: &[&Request]) -> Answers {
        let mut retried = false;
        loop {
            match self.attempt(requests).await {
                Ok(Attempt::Answered(answers)) => return answers,
                Ok(Attempt::Wait(wait)) => tokio::time::sleep(wait).await,
                Ok(Attempt::Reload) => {
                    if let Err(error) = self.replica.advance().await.reload().await {
                        tracing::warn!(%error, "the configuration can't be loaded");
                        return refuse_all(requests.len(), &Rejection::unavailable(AWAY));
                    }
                }
                Err(Trouble::Unknown { batch, followed }) => {
                    self.connection = None;
                    if let Some(answers) = self.settle(*batch, followed).await {
                        return answers;
                    }
                }
                Err(Trouble::NotCommitted(error)) if error.failure() == Failure::Data => {
                    self.connection = None;
                    if let [_] = requests {
                        tracing::error!(%error, "the database refuses what the rules allow");
                        return refuse_all(requests.len(), &refused_by_database(&error));
                    }
                    // One of them is at fault; the others shall not suffer.
                    let mut answers = Vec::with_capacity(requests.len());
                    for request in requests {
                        answers.extend(Box::pin(self.commit_in_turn(&[*request])).await);
                    }
                    return answers;
                }
                Err(Trouble::NotCommitted(error)) => {
                    self.connection = None;
                    if retried {
                        tracing::warn!(%error, requests = requests.len(), "the database is away");
                        return refuse_all(requests.len(), &Rejection::unavailable(AWAY));
                    }
                    retried = true;
                }
            }
        }
    }

    async fn attempt(&mut self, requests: &[&Request]) -> Result<Attempt, Trouble> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(recognised(self.database.connect_to_write().await?).await?),
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
        let Some((graph, followed)) = follow(advance.graph(), &mut transaction, &state).await? else {
            sequence::recognise_loss(&mut transaction, advance.graph().position()).await?;
            transaction.commit().await?;
            return Ok(Attempt::Reload);
        };
        let mut batch = Batch::on(graph.clone());
        for request in requests {
            batch.decide(request, &self.options);
        }
        if batch.rows.is_empty() {
            transaction.rollback().await?;
            advance.publish(graph, followed);
            return Ok(Attempt::Answered(batch.answers));
        }
        self.partitions.learn(state.partitioned_until);
        if batch.fork.revision() > state.partitioned_until {
            transaction.rollback().await?;
            drop(advance);
            self.partitions.make_now(connection, batch.fork.revision()).await?;
            return Ok(Attempt::Wait(Duration::ZERO));
        }
        if !append(&mut transaction, &batch.fork, &batch.rows, turn(&batch, state.sole)).await? {
            return Err(StoreError::Row("the sequence is not what it was when it was locked".to_owned()).into());
        }
        if let Err(error) = transaction.commit().await {
            tracing::warn!(%error, "the connection broke around a commit");
            return Err(Trouble::Unknown { batch: Box::new(batch), followed });
        }
        self.partitions.used(batch.fork.revision());
        let entries = [followed, batch.entries].concat();
        advance.publish(batch.fork, entries);
        Ok(Attempt::Answered(batch.answers))
    }

    /// Gives the answers to a batch around whose commit the connection broke; none if it was not committed.
    async fn settle(&self, batch: Batch, followed: Vec<Arc<LogEntry>>) -> Option<Answers> {
        match self.find_out(&batch).await {
            Some(true) => {
                let entries = [followed, batch.entries].concat();
                self.replica.advance().await.publish(batch.fork, entries);
                Some(batch.answers)
            }
            Some(false) => None,
            None => Some(refuse_all(batch.answers.len(), &Rejection::unavailable(UNKNOWN))),
        }
    }

    /// Whether a batch was committed; none if the database does not come back in time.
    async fn find_out(&self, batch: &Batch) -> Option<bool> {
        let deadline = Instant::now() + FIND_OUT;
        while Instant::now() < deadline {
            match timeout_at(deadline, self.ask(batch)).await {
                Ok(Ok(committed)) => return Some(committed),
                Ok(Err(error)) => tracing::debug!(%error, "still not known whether a batch was committed"),
                Err(_) => break,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    async fn ask(&self, batch: &Batch) -> Result<bool, StoreError> {
        let mut connection = self.database.connect().await?;
        let mut transaction = connection.begin().await?;
        sequence::lock(&mut transaction).await?;
        let committed = sequence::is_committed(&mut transaction, batch.id, batch.fork.revision()).await?;
        // Not rolled back: a database that crashed shows commits that its synchronous standby may not have, and this one is
        // done when the standby has all before it, too. The lock makes it one that is waited for.
        transaction.commit().await?;
        Ok(committed)
    }
}

fn turn(batch: &Batch, sole: Option<Uuid>) -> Turn {
    Turn { batch: batch.id, now: batch.now, after: batch.base, sole }
}

fn refuse_all(requests: usize, refusal: &Rejection) -> Answers {
    std::iter::repeat_with(|| Err(refusal.clone())).take(requests).collect()
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
