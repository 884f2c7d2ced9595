//! A session of the database, in which no answer is waited for longer than it may take. Everything that is asked in one
//! goes through [`Executor`] here, so no question can be asked without a deadline.
//!
//! A host that is gone, a link that is down and a process that is stopped say nothing; keepalives and timeouts of TCP see
//! only some of that, and late. After an answer that did not come a session is of no use any more: what comes next might
//! be that answer. It is dropped without a word; in particular nothing is cancelled, because a commit that is cancelled
//! while it waits for a standby is done, and visible, without it.

use super::{Database, StoreError};
use futures_util::{
    FutureExt, StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Connection, Describe, Either, Execute, Executor, PgConnection, Postgres, SqlStr,
    postgres::{PgDatabaseError, PgQueryResult, PgRow, PgSeverity, PgStatement, PgTypeInfo},
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
    answer_within: Duration,
    /// Whether nothing can be asked any more.
    is_lost: bool,
}

impl Session {
    /// On a connection, with the time that an answer may take.
    pub fn new(connection: PgConnection, answer_within: Duration) -> Self {
        Self { connection, answer_within, is_lost: false }
    }

    /// The same session with another deadline.
    #[must_use]
    pub fn with_answers_within(mut self, answer_within: Duration) -> Self {
        self.set_answers_within(answer_within);
        self
    }

    /// From now on with another deadline.
    pub fn set_answers_within(&mut self, answer_within: Duration) {
        self.answer_within = answer_within;
    }

    /// Begins a transaction. The session is lost when it is dropped without an end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        sqlx::raw_sql("begin").execute(&mut *self).await?;
        Ok(Transaction { session: self, has_ended: false })
    }

    /// Says goodbye, so that the database has one session less when this returns.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn close(self) -> Result<(), StoreError> {
        within(self.answer_within, self.connection.close()).await.map_err(StoreError::from)
    }

    async fn answers(&mut self) -> bool {
        !self.is_lost && within(PING_WITHIN, self.connection.ping()).await.is_ok()
    }
}

/// An answer in time.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(limit, answer).await.unwrap_or_else(|_| Err(no_answer(limit)))
}

fn no_answer(limit: Duration) -> sqlx::Error {
    let text = format!("no answer from the database within {} s", limit.as_secs_f64());
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}

fn lost() -> sqlx::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the session with the database was lost").into()
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

impl<'c> Executor<'c> for &'c mut Session {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Session { connection, answer_within, is_lost } = self;
        if *is_lost {
            return stream::once(async { Err(lost()) }).boxed();
        }
        let limit = *answer_within;
        let answer = (connection.fetch_many(query), is_lost);
        stream::try_unfold(answer, move |(mut items, is_lost)| async move {
            match within(limit, items.try_next()).await {
                Ok(item) => Ok(item.map(|item| (item, (items, is_lost)))),
                Err(error) => {
                    *is_lost = ends_session(&error);
                    Err(error)
                }
            }
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        async move {
            if self.is_lost {
                return Err(lost());
            }
            let answer = within(self.answer_within, self.connection.fetch_optional(query)).await;
            self.is_lost = answer.as_ref().is_err_and(ends_session);
            answer
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        async move {
            if self.is_lost {
                return Err(lost());
            }
            let answer = within(self.answer_within, self.connection.prepare_with(sql, parameters)).await;
            self.is_lost = answer.as_ref().is_err_and(ends_session);
            answer
        }
        .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move {
            if self.is_lost {
                return Err(lost());
            }
            let answer = within(self.answer_within, self.connection.describe(sql)).await;
            self.is_lost = answer.as_ref().is_err_and(ends_session);
            answer
        }
        .boxed()
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
        sqlx::raw_sql(how).execute(&mut *self.session).await?;
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
    pub async fn take(&self) -> Result<Borrowed<'_>, StoreError> {
        let permit = timeout(FREE_WITHIN, self.free.acquire()).await.ok().and_then(Result::ok);
        let permit = permit.ok_or(sqlx::Error::PoolTimedOut)?;
        let idle = self.idle().pop();
        let session = match idle {
            Some(mut session) => session.answers().await.then_some(session),
            None => None,
        };
        let session = if let Some(session) = session {
            session
        } else {
            // What happened to one has happened to all.
            self.idle().clear();
            self.database.connect().await?
        };
        Ok(Borrowed { session: Some(session), sessions: self, _permit: permit })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that goes back to the others, unless it is lost.
pub struct Borrowed<'s> {
    session: Option<Session>,
    sessions: &'s Sessions,
    _permit: tokio::sync::SemaphorePermit<'s>,
}

impl Borrowed<'_> {
    /// To ask with.
    ///
    /// # Errors
    /// Never, as long as it is borrowed.
    pub fn session(&mut self) -> Result<&mut Session, StoreError> {
        self.session.as_mut().ok_or_else(|| lost().into())
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        match self.session.take() {
            Some(session) if !session.is_lost => self.sessions.idle().push(session),
            _ => self.sessions.idle().clear(),
        }
    }
}
