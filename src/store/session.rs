//! A session of the database, in which no answer is waited for longer than it may take. All that is asked in one is asked
//! for an [`Operation`], which has a name and a deadline, so no question can be asked without them.
//!
//! A host that is gone, a link that is down and a process that is stopped say nothing; keepalives and timeouts of TCP see
//! only some of that, and late. After an answer that did not come a session is of no use any more: what comes next might
//! be that answer. It is dropped without a word; in particular nothing is cancelled, because a commit that is cancelled
//! while it waits for a standby is done, and visible, without it.

use super::{Database, Operation, StoreError, error::no_answer, primary::Term};
use crate::metrics::Asking;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use sqlx::{
    Connection, Decode, Either, Execute, Executor, PgConnection, Postgres, Row, Type,
    postgres::{PgDatabaseError, PgQueryResult, PgRow, PgSeverity},
};
use std::{
    io,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

/// How long an idle session may take to show that it is still there.
const PING_WITHIN: Duration = Duration::from_secs(1);
/// How long to wait for one of a few sessions that are all in use.
const FREE_WITHIN: Duration = Duration::from_secs(4);
/// How many sessions there are for what needs one now and then.
const A_FEW: usize = 8;

/// A connection with a deadline for each answer, and for each row after the first.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    /// What is asked at the moment.
    operation: Operation,
    /// Whether nothing can be asked any more.
    is_lost: bool,
    /// Until when the server at the other end is the one to ask.
    term: Term,
}

impl Session {
    /// On a connection.
    pub fn new(connection: PgConnection, operation: Operation, term: Term) -> Self {
        Self { connection, operation, is_lost: false, term }
    }

    /// What is asked from now on is for this.
    pub fn turn_to(&mut self, operation: Operation) {
        self.operation = operation;
    }

    /// Begins a transaction. The session is lost when it is dropped without an end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        self.execute(sqlx::raw_sql("begin")).await?;
        Ok(Transaction { session: self, has_ended: false })
    }

    /// Says goodbye, so that the database has one session less when this returns.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn close(self) -> Result<(), StoreError> {
        let closed = within(self.operation.answer_within, self.connection.close()).await;
        closed.map_err(|error| StoreError::of(self.operation, error))
    }

    fn is_lost(&self) -> bool {
        self.is_lost || self.term.is_over()
    }

    async fn answers(&mut self) -> bool {
        !self.is_lost() && within(PING_WITHIN, self.connection.ping()).await.is_ok()
    }

    fn items<'e, 'q: 'e>(
        &'e mut self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, StoreError>> {
        if self.is_lost() {
            let error = lost(self.operation);
            return stream::once(async move { Err(error) }).boxed();
        }
        let Session { connection, operation, is_lost, .. } = self;
        let operation = *operation;
        let answer = (connection.fetch_many(query), is_lost, Asking::begin(operation.name));
        stream::try_unfold(answer, move |(mut items, is_lost, mut asking)| async move {
            match within(operation.answer_within, items.try_next()).await {
                Ok(item) => Ok(item.map(|item| (item, (items, is_lost, asking)))),
                Err(error) => {
                    asking.fail();
                    *is_lost = ends_session(&error);
                    Err(StoreError::of(operation, error))
                }
            }
        })
        .boxed()
    }

    /// Asks for nothing but that something is done, to the end of the answer; gives the number of rows that it was done to.
    ///
    /// # Errors
    /// When the database refuses, or does not answer in time.
    pub async fn execute<'q>(&mut self, query: impl Execute<'q, Postgres> + 'q) -> Result<u64, StoreError> {
        let mut items = self.items(query);
        let mut rows = 0;
        while let Some(item) = items.try_next().await? {
            rows += item.left().as_ref().map_or(0, PgQueryResult::rows_affected);
        }
        Ok(rows)
    }

    /// The rows of an answer, one after the other.
    pub fn stream<'e, 'q: 'e>(
        &'e mut self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> BoxStream<'e, Result<PgRow, StoreError>> {
        self.items(query).try_filter_map(async |item| Ok(item.right())).boxed()
    }

    /// All of them.
    ///
    /// # Errors
    /// When the database refuses, or does not answer in time.
    pub async fn rows<'q>(&mut self, query: impl Execute<'q, Postgres> + 'q) -> Result<Vec<PgRow>, StoreError> {
        self.stream(query).try_collect().await
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    /// When the database refuses, or does not answer in time.
    pub async fn row_if_any<'q>(
        &mut self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<Option<PgRow>, StoreError> {
        if self.is_lost() {
            return Err(lost(self.operation));
        }
        let mut asking = Asking::begin(self.operation.name);
        let answer = within(self.operation.answer_within, self.connection.fetch_optional(query)).await;
        self.is_lost = answer.as_ref().is_err_and(ends_session);
        if answer.is_err() {
            asking.fail();
        }
        answer.map_err(|error| StoreError::of(self.operation, error))
    }

    /// The only row.
    ///
    /// # Errors
    /// When there is none, or the database refuses, or does not answer in time.
    pub async fn row<'q>(&mut self, query: impl Execute<'q, Postgres> + 'q) -> Result<PgRow, StoreError> {
        let operation = self.operation;
        let row = self.row_if_any(query).await?;
        row.ok_or_else(|| StoreError::Row(format!("none where there has to be one: {}", operation.name)))
    }

    /// The first value of the only row.
    ///
    /// # Errors
    /// As [`Session::row`], and when it is of another type.
    pub async fn value<'q, T>(&mut self, query: impl Execute<'q, Postgres> + 'q) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(self.row(query).await?.try_get(0)?)
    }

    /// The first value of the only row, if there is one.
    ///
    /// # Errors
    /// As [`Session::row_if_any`], and when it is of another type.
    pub async fn value_if_any<'q, T>(&mut self, query: impl Execute<'q, Postgres> + 'q) -> Result<Option<T>, StoreError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let row = self.row_if_any(query).await?;
        row.map(|row| row.try_get(0).map_err(StoreError::from)).transpose()
    }

    /// The first values of all rows.
    ///
    /// # Errors
    /// As [`Session::rows`], and when one is of another type.
    pub async fn values<'q, T>(&mut self, query: impl Execute<'q, Postgres> + 'q) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let rows = self.rows(query).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// An answer in time.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(limit, answer).await.unwrap_or_else(|_| Err(no_answer(limit)))
}

fn lost(operation: Operation) -> StoreError {
    let error = io::Error::new(io::ErrorKind::NotConnected, "the session with the database was lost");
    StoreError::of(operation, error.into())
}

/// Whether an error of a statement is also the end of its session.
pub fn ends_session(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<PgDatabaseError>()
            .is_none_or(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)),
        sqlx::Error::RowNotFound
        | sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. } => false,
        _ => true,
    }
}

/// A transaction. Dropped without an end it takes the session with it, and the database rolls it back.
pub struct Transaction<'s> {
    session: &'s mut Session,
    has_ended: bool,
}

impl Transaction<'_> {
    /// Makes it last.
    ///
    /// # Errors
    /// When the database refuses, or when it is not known whether it did.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.end("commit").await
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the database is away; then it does so by itself.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        self.end("rollback").await
    }

    async fn end(mut self, how: &'static str) -> Result<(), StoreError> {
        self.session.execute(sqlx::raw_sql(how)).await?;
        self.has_ended = true;
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        self.session
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.session.is_lost |= !self.has_ended;
    }
}

/// A few sessions for what needs one now and then. They are kept; when one is lost, the idle ones are let go, too.
pub struct Sessions {
    database: Database,
    idle: Mutex<Vec<Session>>,
    free: Semaphore,
}

impl Sessions {
    /// None yet.
    pub fn new(database: Database) -> Self {
        Self { database, idle: Mutex::default(), free: Semaphore::new(A_FEW) }
    }

    /// One that nobody else uses meanwhile.
    ///
    /// # Errors
    /// When there is none to be had in time.
    pub async fn take(&self, operation: Operation) -> Result<Borrowed<'_>, StoreError> {
        let permit = timeout(FREE_WITHIN, self.free.acquire()).await.ok().and_then(Result::ok);
        let permit = permit.ok_or_else(|| StoreError::late(operation, FREE_WITHIN))?;
        let idle = self.idle().pop();
        let session = match idle {
            Some(mut session) => session.answers().await.then_some(session),
            None => None,
        };
        let session = if let Some(mut session) = session {
            session.turn_to(operation);
            session
        } else {
            // What happened to one has happened to all.
            self.idle().clear();
            self.database.connect(operation).await?
        };
        Ok(Borrowed { session: Some(session), operation, sessions: self, _permit: permit })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that goes back to the others, unless it is lost.
pub struct Borrowed<'s> {
    session: Option<Session>,
    operation: Operation,
    sessions: &'s Sessions,
    _permit: tokio::sync::SemaphorePermit<'s>,
}

impl Borrowed<'_> {
    /// To ask with.
    ///
    /// # Errors
    /// Never, as long as it is borrowed.
    pub fn session(&mut self) -> Result<&mut Session, StoreError> {
        self.session.as_mut().ok_or_else(|| lost(self.operation))
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        match self.session.take() {
            Some(session) if !session.is_lost() => self.sessions.idle().push(session),
            _ => self.sessions.idle().clear(),
        }
    }
}
