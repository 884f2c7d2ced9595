//! How batches come into the database: one after the other while this server is the only one, or has its turn; else, and where there is
//! more to it, one at a time under the lock of the row of the sequence.

use super::{Committed, Job, batch::Batch, partitions::Partitions, progress::Progress, ticket};
use crate::{
    change_log::LogEntry,
    graph::Position,
    metrics,
    replica::{Replica, follow, recognised},
    rules::{Decision, Rejection, Rulebook, rule},
    store::{
        Database, Failure, Session, StoreError, Turn, UNKNOWN, append,
        idempotency::{self, Key},
        operation, queue,
        sequence::{self, Process, Sequence},
    },
    supervision::Supervision,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

/// What is answered when it was not the turn of a request for too long.
pub const LATE: &str = "The database did not answer in time. Not able to perform requested action; nothing was stored";
/// For how long a server keeps its turn where another one waits: long enough that what comes with each turn is little beside what is
/// written in it, and short enough for whoever waits.
const TURN: Duration = Duration::from_millis(20);
/// What is left of a turn when it is asked whether another server waits for its own: enough for the batch that is written meanwhile.
const NEARLY_OVER: Duration = Duration::from_millis(10);
/// A session that died while nothing was written says so at once. What failed after this has been tried.
const TRIED_AFTER: Duration = Duration::from_secs(1);
/// How long to find out whether a batch was committed when the connection broke around the commit.
const FIND_OUT: Duration = Duration::from_secs(5);

/// An answer for each request of a batch.
pub type Answers = Vec<Decision<Committed>>;

/// For how long batches may be committed one after the other, so that each is decided while the one before is on its way.
#[derive(Clone, Copy)]
pub enum Span {
    /// As long as this is the only server, which is looked at with each batch.
    Alone,
    /// Until the turn has to be given to the next server.
    Turn(Instant),
}

impl Span {
    /// Whether nothing more is to be decided in it.
    pub fn is_over(self) -> bool {
        match self {
            Self::Alone => false,
            Self::Turn(until) => Instant::now() >= until,
        }
    }
}

/// How requests are to be committed.
pub enum Beginning {
    /// One batch after the other.
    Ahead(Span),
    /// Under the lock, and whether that was tried before in vain.
    UnderLock { is_retry: bool },
}

/// What became of a batch that had its turn.
enum Attempt {
    /// Every request has its answer.
    Answered(Answers),
    /// Nothing was committed, and it has to wait for another server first.
    Wait(Duration),
    /// Nothing was committed, and what this process knows has to be read anew first.
    Reload,
    /// Nothing was committed, because somebody does not wait any more for what was decided.
    DecideAnew,
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

/// Who writes into the database.
pub struct Committer {
    pub database: Database,
    pub replica: Arc<Replica>,
    pub rulebook: Arc<Rulebook>,
    partitions: Partitions,
    session: Option<Session>,
    /// What the row of the sequence said in this session when the settings were those of this server, for batches that do not
    /// read it first.
    fence: Uuid,
    /// The database's process for it.
    process: Process,
    /// Whether it is at the head of the queue of those that want to write.
    has_turn: bool,
    /// Whether another server was seen to wait behind it.
    is_awaited: bool,
    /// That of a session which was given up and may not be at its end.
    left_behind: Option<Process>,
    progress: Arc<Progress>,
    /// The last batch that was committed alone.
    last: Option<Uuid>,
}

impl Committer {
    pub fn new(
        database: Database,
        replica: Arc<Replica>,
        rulebook: Arc<Rulebook>,
        partition_size: u64,
        progress: Arc<Progress>,
        supervision: &Arc<Supervision>,
    ) -> Self {
        let partitions = Partitions::start(database.clone(), partition_size, replica.current().revision(), supervision);
        Self {
            database,
            replica,
            rulebook,
            partitions,
            session: None,
            fence: Uuid::nil(),
            process: Process::default(),
            has_turn: false,
            is_awaited: false,
            left_behind: None,
            progress,
            last: None,
        }
    }

    /// Begins to commit: at once where this is the only server, else when it has its turn and knows everything. Where there is more
    /// to do before anything may be committed, or no turn is to be had, [`Self::commit_under_lock`] does it, or says so.
    pub async fn begin(&mut self) -> Beginning {
        if self.replica.lease.is_sole() {
            return Beginning::Ahead(Span::Alone);
        }
        self.progress.begin();
        let begun = Instant::now();
        match self.begin_turn().await {
            Ok(true) => Beginning::Ahead(Span::Turn(Instant::now() + TURN)),
            Ok(false) => {
                self.leave_queue().await;
                Beginning::UnderLock { is_retry: false }
            }
            Err(error) => {
                tracing::debug!(%error, "no turn to write");
                self.give_up_session();
                Beginning::UnderLock { is_retry: begun.elapsed() > TRIED_AFTER }
            }
        }
    }

    /// Waits for the turn and follows what others have committed. False where that does not do: others may go by what they have in
    /// memory alone, or have to be waited for, or the log does not lead from what is known here to what there is.
    async fn begin_turn(&mut self) -> Result<bool, StoreError> {
        let state = self.enter_queue().await?;
        let Some(session) = &mut self.session else { return Ok(false) };
        self.replica.lease.observe(&state);
        if state.sole.is_some() || state.freed.is_some() || !self.replica.agreement.holds(session, state.fence).await? {
            return Ok(false);
        }
        // Others wait: whoever has it for longer reads everything anew.
        let Ok(advance) = timeout(TURN, self.replica.advance()).await else { return Ok(false) };
        let Some((graph, followed)) = follow(advance.graph(), session, &state).await? else { return Ok(false) };
        advance.publish(graph, followed);
        self.partitions.learn(state.partitioned_until);
        self.fence = state.fence;
        Ok(true)
    }

    async fn enter_queue(&mut self) -> Result<Sequence, StoreError> {
        let session = self.connected().await?;
        session.turn_to(operation::TURN);
        match queue::enter(session).await {
            Ok(state) => {
                (self.has_turn, self.is_awaited) = (true, false);
                Ok(state)
            }
            Err(error) => {
                if error.failure() == Failure::Refused {
                    let holders = queue::holders(session).await.ok().flatten();
                    tracing::warn!(%error, holders, "the turn to write is not to be had");
                }
                Err(error)
            }
        }
    }

    /// A turn that is nearly over goes on where nobody else waits for it: to give it back and to take it anew would be for nothing, and
    /// nothing is written meanwhile.
    pub async fn prolong(&mut self, span: Span) -> Span {
        let Span::Turn(until) = span else { return span };
        let Some(session) = self.session.as_mut().filter(|_| self.has_turn && !self.is_awaited) else { return span };
        // The only server needs no turn any more.
        if self.replica.lease.is_sole() || until.saturating_duration_since(Instant::now()) > NEARLY_OVER {
            return span;
        }
        session.turn_to(operation::TURN);
        self.progress.begin();
        match queue::is_awaited(session).await {
            Ok(false) => Span::Turn(Instant::now() + TURN),
            Ok(true) => {
                self.is_awaited = true;
                span
            }
            Err(error) => {
                tracing::debug!(%error, "the turn to write ends with its session");
                self.give_up_session();
                span
            }
        }
    }

    /// Ends the turn, when all is answered.
    pub async fn end_turn(&mut self) {
        self.leave_queue().await;
        self.progress.rest();
    }

    /// Lets the next server have its turn, if this one has it.
    async fn leave_queue(&mut self) {
        if std::mem::take(&mut self.has_turn)
            && let Some(session) = &mut self.session
            && let Err(error) = queue::leave(session).await
        {
            tracing::debug!(%error, "the turn to write ends with its session");
            self.give_up_session();
        }
    }

    /// Commits a batch that was decided on what this process knows, if it is the only server or has its turn, and knows everything.
    /// Gives the answers; none if the batch was not committed and has to be decided anew.
    pub async fn commit_ahead(&mut self, batch: Batch) -> Option<Answers> {
        let replica = Arc::clone(&self.replica);
        let advance = replica.advance().await;
        let sole = replica.lease.is_sole().then(|| replica.lease.server());
        if !self.has_turn && sole.is_none() || replica.current().position() != batch.base {
            return None;
        }
        // The one before may have had nothing but answers to be kept, which moves no revision.
        if batch.relies_on.is_some_and(|before| self.last != Some(before)) {
            return None;
        }
        if batch.rows.is_empty() {
            // As fresh as a read: who has the turn may have been passed by somebody who did not wait for it.
            if sole.is_none() && !self.is_known(&batch).await {
                return None;
            }
            return Some(batch.answers);
        }
        let session = self.session.as_mut()?;
        if batch.fork.revision() > self.partitions.until() {
            return None;
        }
        let turn = turn(&batch, sole, self.fence);
        session.turn_to(operation::COMMIT);
        self.progress.begin();
        match append(session, &batch.fork, &batch.rows, turn).await {
            Ok(true) => {
                self.progress.end(true);
                self.partitions.used(batch.fork.revision());
                self.last = Some(batch.id);
                batch.count();
                let Batch { fork, entries, answers, rows, .. } = batch;
                advance.publish(fork, entries);
                // With the graph that was there before. The database shall not wait for it.
                tokio::spawn(async move { drop(rows) });
                Some(answers)
            }
            Ok(false) => None,
            Err(error) => {
                drop(advance);
                self.give_up_session();
                match error.failure() {
                    // Who is at fault is found one by one.
                    Failure::Data => None,
                    Failure::Refused if error.refusal().is_some_and(|refusal| refusal.is_worth_another_try) => None,
                    Failure::Refused => Some(self.refuse(batch.answers.len(), &error)),
                    Failure::Connection => {
                        tracing::warn!(%error, "the connection broke around a commit");
                        self.settle(batch, Vec::new()).await
                    }
                }
            }
        }
    }

    /// Whether nothing was committed since what a batch was decided on.
    async fn is_known(&mut self, batch: &Batch) -> bool {
        let Some(session) = &mut self.session else { return false };
        session.turn_to(operation::TURN);
        self.progress.begin();
        let Ok(state) = sequence::peek(session).await else { return false };
        self.progress.rest();
        self.replica.lease.observe(&state);
        let position = Position { epoch: state.epoch, revision: state.last_revision };
        position == batch.base && state.fence == self.fence
    }

    /// Decides and commits requests under the lock of the row of the sequence, and gives an answer for each. What the database refuses for
    /// the moment is tried once more, unless this is that.
    pub async fn commit_under_lock(&mut self, jobs: &[Job], mut is_retry: bool) -> Answers {
        self.progress.begin();
        loop {
            match self.attempt(jobs).await {
                Ok(Attempt::Answered(answers)) => {
                    self.progress.end(true);
                    return answers;
                }
                Ok(Attempt::Wait(wait)) => {
                    metrics::retry("another server");
                    if !wait.is_zero() {
                        self.leave_queue().await;
                    }
                    tokio::time::sleep(wait).await;
                }
                Ok(Attempt::DecideAnew) => metrics::retry("decided anew"),
                Ok(Attempt::Reload) => {
                    metrics::retry("loaded anew");
                    // It may take long.
                    self.leave_queue().await;
                    if let Err(error) = self.replica.advance().await.reload().await {
                        tracing::warn!(%error, "the configuration can't be loaded");
                        return self.refuse(jobs.len(), &error);
                    }
                }
                Err(Trouble::Unknown { batch, followed }) => {
                    self.give_up_session();
                    if let Some(answers) = self.settle(*batch, followed).await {
                        return answers;
                    }
                    metrics::retry("not committed");
                    take_back(jobs);
                }
                Err(Trouble::NotCommitted(error)) => {
                    self.give_up_session();
                    match error.failure() {
                        Failure::Data => return self.find_fault(jobs, &error).await,
                        Failure::Connection | Failure::Refused if !is_retry && error.is_worth_another_try() => {
                            metrics::retry("database");
                            is_retry = true;
                        }
                        Failure::Connection | Failure::Refused => return self.refuse(jobs.len(), &error),
                    }
                }
            }
        }
    }

    /// The answers to requests of which the database refuses one: the others shall not suffer.
    async fn find_fault(&mut self, jobs: &[Job], error: &StoreError) -> Answers {
        if let [job] = jobs {
            let tell = || tracing::error!(%error, "the database refuses what the rules allow");
            job.served.as_ref().map_or_else(tell, |served| served.during(tell));
            self.progress.end(true);
            return refuse_all(jobs.len(), &refused_by_database(error));
        }
        metrics::retry("one by one");
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.extend(Box::pin(self.commit_under_lock(std::slice::from_ref(job), false)).await);
        }
        answers
    }

    /// The session of batches is of no use any more. The database may not know that.
    fn give_up_session(&mut self) {
        self.has_turn = false;
        if self.session.take().is_some() {
            self.left_behind = Some(self.process);
        }
    }

    /// An answer for each of so many requests that the database does not take: nothing was stored.
    fn refuse(&self, requests: usize, error: &StoreError) -> Answers {
        tracing::warn!(%error, requests, "the database does not take a batch");
        self.progress.end(false);
        refuse_all(requests, &Rejection::unavailable(error.told()))
    }

    /// Lets go of the turn that a session may have which was given up.
    async fn end_left_behind(&self, session: &mut Session) {
        if let Some(process) = self.left_behind
            && let Err(error) = sequence::end_session(session, process).await
        {
            tracing::debug!(%error, process = process.id, "a session that was given up can't be ended");
        }
    }

    /// A session for batches: the one that there is, or a new one.
    async fn connected(&mut self) -> Result<&mut Session, StoreError> {
        let session = if let Some(session) = self.session.take() {
            session
        } else {
            let mut session = recognised(self.database.connect_to_write().await?).await?;
            self.process = sequence::process(&mut session).await?;
            self.replica.written_by(self.process.id.unsigned_abs());
            self.end_left_behind(&mut session).await;
            self.left_behind = None;
            self.has_turn = false;
            session
        };
        Ok(self.session.insert(session))
    }

    async fn attempt(&mut self, jobs: &[Job]) -> Result<Attempt, Trouble> {
        // First what may take long, then what others wait for.
        let replica = Arc::clone(&self.replica);
        let advance = replica.advance().await;
        if !self.has_turn {
            self.enter_queue().await?;
        }
        let Some(session) = &mut self.session else { return Ok(Attempt::DecideAnew) };
        session.turn_to(operation::TURN);
        let mut transaction = session.begin().await?;
        let state = match sequence::lock(&mut transaction).await {
            Ok(state) => state,
            Err(error) => {
                match error.failure() {
                    Failure::Refused if transaction.roll_back().await.is_ok() => {
                        let holders = queue::holders(session).await.ok().flatten();
                        tracing::warn!(%error, holders, "the turn to write is not to be had");
                    }
                    Failure::Refused | Failure::Connection | Failure::Data => {}
                }
                return Err(error.into());
            }
        };
        self.replica.lease.observe(&state);
        if !self.replica.agreement.holds(&mut transaction, state.fence).await? {
            transaction.roll_back().await?;
            return Ok(Attempt::Answered(refuse_all(
                jobs.len(),
                &Rejection::unavailable(self.replica.agreement.refusal()),
            )));
        }
        self.fence = state.fence;
        if state.sole.is_some_and(|sole| sole != self.replica.lease.server()) {
            sequence::free(&mut transaction).await?;
            transaction.commit().await?;
            return Ok(Attempt::Wait(Duration::ZERO));
        }
        let wait = self.replica.lease.has_to_wait(&state);
        if !wait.is_zero() {
            transaction.roll_back().await?;
            return Ok(Attempt::Wait(wait));
        }
        let Some((graph, followed)) = follow(advance.graph(), &mut transaction, &state).await? else {
            sequence::recognise_loss(&mut transaction, advance.graph().position()).await?;
            transaction.commit().await?;
            return Ok(Attempt::Reload);
        };
        let mut batch = Batch::on(graph.clone());
        let keys: Vec<&Key> = jobs.iter().filter_map(|job| Some(&job.keyed.as_ref()?.key)).collect();
        if !keys.is_empty() {
            // Under the lock, which whoever writes one has until it is committed: nobody writes one meanwhile.
            batch.learn(idempotency::look_up(&mut transaction, &keys).await?.answers);
        }
        for job in jobs {
            if job.ticket.is_given_up() {
                batch.answers.push(Err(Rejection::unavailable(LATE)));
            } else {
                job.decide(&mut batch, &self.rulebook);
            }
        }
        if batch.rows.is_empty() {
            transaction.roll_back().await?;
            advance.publish(graph, followed);
            return Ok(Attempt::Answered(batch.answers));
        }
        self.partitions.learn(state.partitioned_until);
        if batch.fork.revision() > state.partitioned_until {
            transaction.roll_back().await?;
            drop(advance);
            self.partitions.make_now(session, batch.fork.revision()).await?;
            return Ok(Attempt::DecideAnew);
        }
        if state.freed.is_some() {
            sequence::settle(&mut transaction).await?;
        }
        transaction.turn_to(operation::BATCH);
        if !append(&mut transaction, &batch.fork, &batch.rows, turn(&batch, state.sole, state.fence)).await? {
            return Err(StoreError::Row("the sequence is not what it was when it was locked".to_owned()).into());
        }
        let decided = jobs.iter().zip(&batch.answers).filter(|(_, answer)| answer.is_ok()).map(|(job, _)| &*job.ticket);
        if !ticket::send(decided) {
            transaction.roll_back().await?;
            return Ok(Attempt::DecideAnew);
        }
        transaction.turn_to(operation::COMMIT);
        if let Err(error) = transaction.commit().await {
            return Err(match error.failure() {
                Failure::Data | Failure::Refused => {
                    take_back(jobs);
                    error.into()
                }
                Failure::Connection => {
                    tracing::warn!(%error, "the connection broke around a commit");
                    Trouble::Unknown { batch: Box::new(batch), followed }
                }
            });
        }
        self.partitions.used(batch.fork.revision());
        batch.count();
        let entries = [followed, batch.entries].concat();
        advance.publish(batch.fork, entries);
        Ok(Attempt::Answered(batch.answers))
    }

    /// Gives the answers to a batch around whose commit the connection broke; none if it was not committed.
    async fn settle(&mut self, batch: Batch, followed: Vec<Arc<LogEntry>>) -> Option<Answers> {
        match self.find_out(&batch).await {
            Some(true) => {
                self.progress.end(true);
                self.last = Some(batch.id);
                batch.count();
                let entries = [followed, batch.entries].concat();
                self.replica.advance().await.publish(batch.fork, entries);
                Some(batch.answers)
            }
            Some(false) => None,
            None => {
                // What this process knows may be of before that batch, and nobody tells.
                self.replica.lease.end();
                self.progress.end(false);
                Some(refuse_all(batch.answers.len(), &Rejection::unavailable(UNKNOWN)))
            }
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
        let mut session = self.database.connect(operation::FATE).await?;
        // Nothing has to be written for that, which may not be possible at the moment.
        if let Some(process) = self.left_behind
            && sequence::is_gone(&mut session, process).await?
            && !is_committed(&mut session, batch).await?
        {
            return Ok(false);
        }
        self.end_left_behind(&mut session).await;
        let mut transaction = session.begin().await?;
        self.replica.lease.observe(&sequence::lock(&mut transaction).await?);
        // A commit that was under way has been decided by now.
        sequence::fence_off(&mut transaction).await?;
        let committed = is_committed(&mut transaction, batch).await?;
        // A database that crashed shows commits that its synchronous standby may not have, and this one is done when the
        // standby has all before it, too.
        transaction.commit().await?;
        Ok(committed)
    }
}

/// Whether a batch is committed: the log has it, or, where nothing has changed, one of the answers that are kept is of it. It may
/// be on its way, unless it was fenced off, or the process that it was sent to is gone.
async fn is_committed(session: &mut Session, batch: &Batch) -> Result<bool, StoreError> {
    match batch.rows.answers().first() {
        Some((key, _)) if !batch.rows.has_changes() => idempotency::is_written(session, key, batch.id).await,
        _ => sequence::is_committed(session, batch.id, batch.fork.revision()).await,
    }
}

/// Nothing of what was sent is stored.
pub fn take_back(jobs: &[Job]) {
    for job in jobs {
        job.ticket.take_back();
    }
}

fn turn(batch: &Batch, sole: Option<Uuid>, fence: Uuid) -> Turn {
    Turn { batch: batch.id, now: batch.now, after: batch.base, sole, fence }
}

fn refuse_all(requests: usize, refusal: &Rejection) -> Answers {
    std::iter::repeat_with(|| Err(refusal.clone())).take(requests).collect()
}

/// The constraints are a second net under the rules; what is caught there is answered as the rule would.
fn refused_by_database(error: &StoreError) -> Rejection {
    let constraint = error.constraint().unwrap_or_default();
    match constraint {
        "address_hold_once" => Rejection::conflict("IP address already in use").by(rule::IIP_C5),
        "object_pkey" | "object_fq_name" | "object_network_id" => {
            Rejection::conflict(format!("already exists ({constraint})"))
        }
        // Only where the clock of the database goes back by as much as a key is too old.
        "idempotency_key_pkey" => {
            Rejection::unavailable("Idempotency-Key: this key is kept already; repeat the request")
        }
        "reference_target" | "object_parent" => Rejection::conflict(format!("still in use ({constraint})")),
        _ => Rejection::internal("Internal Server Error"),
    }
}
