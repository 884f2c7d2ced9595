//! PostgreSQL: the durable copy of the configuration, and the log of its changes.

mod append;
mod check;
pub mod feed_position;
pub mod idempotency;
mod key_value;
mod load;
mod mark;
mod partitions;
mod private;
mod record;
pub mod refusal;
pub mod sequence;
mod session;
mod views;

pub use append::{Rows, Turn, append};
pub use check::check;
pub use key_value::KeyValueStore;
#[cfg(test)]
pub use load::load_snapshot;
pub use load::{PAGE_WEIGHT, last_before, load, load_log};
pub use mark::{Mark, MarkError};
pub use partitions::{Retention, make_until, trim};
pub use private::{PrivateError, PrivatePostgres};
pub use refusal::{AWAY, UNKNOWN};
pub use session::{Session, Sessions};

use crate::model::Model;
use refusal::Refusal;
use sqlx::{
    ConnectOptions, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use std::{
    str::FromStr,
    time::{Duration, Instant},
};
use tokio::time::timeout;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// What goes wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refuses, or can't be reached.
    #[error("{}", told(.0))]
    Database(#[from] sqlx::Error),
    /// The tables can't be brought up to date.
    #[error("migration: {}", told_migration(.0))]
    Migration(#[from] MigrateError),
    /// The answer to a statement that writes did not come.
    #[error("it is not known whether it was written: {0}")]
    Unknown(sqlx::Error),
    /// A row does not say what this release expects.
    #[error("unexpected row in the database: {0}")]
    Row(String),
    /// The tables are those of a later release.
    #[error(
        "it was used by a newer release of Cirrus: its tables have step {found}, and this release knows steps up to \
         {known}. Start that release again, or a newer one"
    )]
    Newer {
        /// A step that this release does not know.
        found: i64,
        /// The last step that this release knows.
        known: i64,
    },
    /// Not every name can be stored.
    #[error(
        "it is in the encoding {0}, which can't hold every name: UTF8 is needed. Make one with: create database NAME \
         encoding 'UTF8' locale 'C' template template0"
    )]
    Encoding(String),
}

/// What an error says, without the line of PostgreSQL's own source.
fn told(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Configuration(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => "no answer in time".to_owned(),
        error => error.to_string(),
    }
}

fn told_migration(error: &MigrateError) -> String {
    match error {
        MigrateError::Execute(error) => told(error),
        MigrateError::ExecuteMigration(error, step) => format!("step {step}: {}", told(error)),
        error => error.to_string(),
    }
}

/// How long a new connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How long an answer may take. The database gives up a moment earlier, with [`SESSION_LIMITS`], and then it is known that
/// nothing was done.
const ANSWER_WITHIN: Duration = Duration::from_millis(4500);
/// How long an answer may take where large parts of the log are moved about; the database gives up earlier, too.
const UPKEEP_WITHIN: Duration = Duration::from_secs(21);
/// How long an idle session that listens may take to show that it is still there.
const LISTENER_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// What the database is told about each session.
const SESSION_LIMITS: [(&str, &str); 3] = [
    // A server that hangs while it holds the sequence loses it, and the others go on.
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "3s"),
    ("statement_timeout", "4s"),
];

/// How the database takes a failed statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The session is gone, or the answer did not come: a statement that was sent may have been carried out.
    Connection,
    /// What was sent is refused, and nothing was done; the same will be refused again.
    Data,
    /// The database does nothing at the moment, and has done nothing; it says why.
    Refused,
}

impl StoreError {
    /// Whether the same may work in a moment: nobody listens yet, or the database is starting, or has no connection left.
    fn is_passing(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(_)) => self.refusal().is_some_and(|refusal| refusal.passes),
            Self::Database(error) => matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut),
            Self::Migration(_) | Self::Unknown(_) | Self::Row(_) | Self::Newer { .. } | Self::Encoding(_) => false,
        }
    }

    /// Whether somebody has to change something before it can work: the address, the password (class 28), or the database.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Configuration(_)) | Self::Newer { .. } | Self::Encoding(_) => true,
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| code.starts_with("28")),
            Self::Database(_) | Self::Migration(_) | Self::Unknown(_) | Self::Row(_) => false,
        }
    }

    /// Whether a lock was not to be had in time (`lock_not_available`).
    fn is_waiting_for_others(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03"))
    }

    /// What a statement that writes by itself fails with.
    fn of_write(error: sqlx::Error) -> Self {
        if session::ends_session(&error) { Self::Unknown(error) } else { Self::Database(error) }
    }

    /// What kind of failure of a statement it is.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Database(sqlx::Error::Encode(_)) | Self::Row(_) => Failure::Data,
            Self::Database(error) if session::ends_session(error) => Failure::Connection,
            // Classes 22 (data exception) and 23 (integrity constraint) speak of the rows; all others of the database.
            Self::Database(sqlx::Error::Database(error)) => match error.code() {
                Some(code) if code.starts_with("22") || code.starts_with("23") => Failure::Data,
                _ => Failure::Refused,
            },
            Self::Database(_) => Failure::Refused,
            Self::Migration(_) | Self::Unknown(_) | Self::Newer { .. } | Self::Encoding(_) => Failure::Connection,
        }
    }

    /// What the database says for itself, if it is something that is known here.
    pub fn refusal(&self) -> Option<&'static Refusal> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => Refusal::of(&error.code()?),
            _ => None,
        }
    }

    /// What is told to a client whose request was not performed because of it.
    pub fn told(&self) -> String {
        match (self.refusal(), self) {
            (Some(refusal), _) => refusal.text(),
            (None, Self::Database(sqlx::Error::Database(error))) => refusal::other(error.message()),
            (None, Self::Unknown(_)) => UNKNOWN.to_owned(),
            (None, _) => AWAY.to_owned(),
        }
    }
}

/// How to reach the database, with the limits that every session gets.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
}

impl Database {
    /// From a URL: `postgresql://user@host/name`.
    ///
    /// # Errors
    /// For a URL that can't be read.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let expected = "postgresql://user:password@host/name is expected";
        // The library takes any scheme, and then nobody answers there.
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(sqlx::Error::Configuration(expected.into()).into());
        }
        let refuse = |error| sqlx::Error::Configuration(format!("{}; {expected}", told(&error)).into());
        let options = PgConnectOptions::from_str(url)
            .map_err(refuse)?
            .application_name("cirrus")
            .options(SESSION_LIMITS)
            .disable_statement_logging();
        Ok(Self { options })
    }

    /// Where it is, without what is secret: host or directory of its socket, port, and name.
    pub fn place(&self) -> String {
        let options = &self.options;
        let name = options.get_database().unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(directory) => format!("{name} at {}", directory.display()),
            None => format!("{name} at {}:{}", options.get_host(), options.get_port()),
        }
    }

    async fn connect_with(&self, options: &[(&str, &str)], answer_within: Duration) -> Result<Session, StoreError> {
        let connection = connect(&self.options.clone().options(options.iter().copied())).await?;
        Ok(Session::new(connection, answer_within))
    }

    /// A session of its own.
    ///
    /// # Errors
    /// When there is none to be had in time.
    pub async fn connect(&self) -> Result<Session, StoreError> {
        self.connect_with(&[], ANSWER_WITHIN).await
    }

    /// A session for batches. Its statements get the plans of a large database, by index, from the first on: a plan that is
    /// made while the tables are small would be kept while they grow.
    ///
    /// # Errors
    /// When there is none to be had in time.
    pub async fn connect_to_write(&self) -> Result<Session, StoreError> {
        let options = [
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            // What that costs on paper would call for it.
            ("jit", "off"),
        ];
        self.connect_with(&options, ANSWER_WITHIN).await
    }

    /// A session for what may take its time and hinders nobody.
    ///
    /// # Errors
    /// When there is none to be had in time.
    pub async fn connect_for_upkeep(&self) -> Result<Session, StoreError> {
        self.connect_with(&[("statement_timeout", "20s")], UPKEEP_WITHIN).await
    }

    /// A connection that hears what is said on a channel.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn listen(&self, channel: &str) -> Result<Listener, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_WITHIN);
        let connect = async {
            let mut listener = PgListener::connect_with(&pool.connect_lazy_with(self.options.clone())).await?;
            listener.listen(channel).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        let listener = timeout(CONNECT_WITHIN, connect).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(Listener { listener })
    }

    /// Sessions for what needs one now and then.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.clone())
    }

    /// Waits until the database takes connections: it may be about to start.
    ///
    /// # Errors
    /// When it does not in time, or refuses for good: a wrong password does not get better.
    pub async fn wait_until_there(&self, limit: Duration) -> Result<(), StoreError> {
        let deadline = Instant::now() + limit;
        let mut told = false;
        loop {
            let Err(error) = self.connect().await else { return Ok(()) };
            if !error.is_passing() || Instant::now() >= deadline {
                return Err(error);
            }
            if !told {
                let (database, seconds) = (self.place(), limit.as_secs());
                tracing::warn!(%error, database, seconds, "the database is not there yet; tried again every second");
                told = true;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// How many steps of this release are not applied to the tables, as a new connection finds them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pending_migrations(&self) -> Result<usize, StoreError> {
        let mut session = self.connect().await?;
        let applied: Vec<i64> =
            sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(&mut session).await?;
        session.close().await?;
        Ok(MIGRATIONS.iter().filter(|step| !applied.contains(&step.version)).count())
    }

    /// Whether somebody could write now: the turn is to be had, and the database lets it be taken.
    ///
    /// # Errors
    /// When it is not.
    pub async fn takes_writes(&self) -> Result<(), StoreError> {
        let mut session = self.connect().await?;
        let mut transaction = session.begin().await?;
        sequence::lock(&mut transaction).await?;
        transaction.roll_back().await?;
        session.close().await
    }

    /// Brings the tables up to date. Several servers may do so at the same time: a lock makes them take turns.
    ///
    /// # Errors
    /// When a step fails; it is then not done. When the database is one that this release can't work with.
    pub async fn migrate(&self, model: &Model) -> Result<(), StoreError> {
        // Waiting for another server's migration may take longer than any statement of ours, and so may a step. There is
        // nobody yet who waits for an answer of this server.
        let options = self.options.clone().options([("statement_timeout", "0"), ("lock_timeout", "0")]);
        let mut connection = connect(&options).await?;
        let encoding: String = sqlx::query_scalar("show server_encoding").fetch_one(&mut connection).await?;
        if encoding != "UTF8" {
            return Err(StoreError::Encoding(encoding));
        }
        MIGRATIONS.run(&mut connection).await.map_err(|error| match error {
            MigrateError::VersionMissing(found) => {
                let known = MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default();
                StoreError::Newer { found, known }
            }
            error => error.into(),
        })?;
        views::refresh(&mut connection, model).await
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connected = timeout(CONNECT_WITHIN, options.connect()).await;
    Ok(connected.map_err(|_| sqlx::Error::PoolTimedOut)??)
}

/// Who hears what is said on a channel.
pub struct Listener {
    listener: PgListener,
}

impl Listener {
    /// Waits until something is said, for this long at most; then it is seen to that the database is still there to say it.
    ///
    /// # Errors
    /// When the connection is lost, and with it perhaps what was said meanwhile.
    pub async fn hears(&mut self, limit: Duration) -> Result<bool, StoreError> {
        match timeout(limit, self.listener.try_recv()).await {
            Ok(Ok(Some(_))) => Ok(true),
            Ok(Ok(None)) => Err(sqlx::Error::PoolClosed.into()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                let asked = timeout(LISTENER_ANSWERS_WITHIN, sqlx::raw_sql("select").execute(&mut self.listener)).await;
                asked.map_err(|_| sqlx::Error::PoolTimedOut)??;
                Ok(false)
            }
        }
    }
}
