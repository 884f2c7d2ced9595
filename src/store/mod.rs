//! PostgreSQL: the durable copy of the configuration, and the log of its changes.

mod append;
pub mod feed_position;
mod key_value;
mod load;
mod partitions;
mod private;
mod record;
pub mod sequence;
mod views;

pub use append::{Rows, Turn, append};
pub use key_value::KeyValueStore;
pub use load::{PAGE_WEIGHT, last_before, load, load_log};
pub use partitions::{Retention, make_until, trim};
pub use private::{PrivateError, PrivatePostgres};

use crate::model::Model;
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use std::{
    str::FromStr,
    time::{Duration, Instant},
};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// What goes wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refuses, or can't be reached.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// The tables can't be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row does not say what this release expects.
    #[error("unexpected row in the database: {0}")]
    Row(String),
}

/// How the database takes a failed statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The connection, or the server behind it, is gone; the same again may work.
    Connection,
    /// What was sent is refused; the same again will be refused, too.
    Data,
}

impl StoreError {
    /// Whether the same may work in a moment: nobody listens yet, or the database is starting (`cannot_connect_now`), or has
    /// no connection left.
    fn is_passing(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| matches!(code.as_ref(), "57P03" | "53300"))
            }
            Self::Database(error) => matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut),
            Self::Migration(_) | Self::Row(_) => false,
        }
    }

    /// What kind of failure it is.
    pub fn failure(&self) -> Failure {
        match self {
            // Classes 22 (data exception) and 23 (integrity constraint) speak of the rows; all others of the server.
            Self::Database(sqlx::Error::Database(error)) => match error.code() {
                Some(code) if code.starts_with("22") || code.starts_with("23") => Failure::Data,
                _ => Failure::Connection,
            },
            Self::Database(sqlx::Error::Encode(_)) | Self::Row(_) => Failure::Data,
            Self::Database(_) | Self::Migration(_) => Failure::Connection,
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
        // The library takes any scheme, and then nobody answers there.
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            let text = "postgresql://user:password@host/name is expected as its address";
            return Err(sqlx::Error::Configuration(text.into()).into());
        }
        let options = PgConnectOptions::from_str(url)?
            .application_name("cirrus")
            // A server that hangs while it holds the sequence loses it, and the others go on.
            .options([
                ("idle_in_transaction_session_timeout", "10s"),
                ("lock_timeout", "30s"),
                ("statement_timeout", "60s"),
            ])
            .disable_statement_logging();
        Ok(Self { options })
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// When there is none to be had within ten seconds.
    pub async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connect = tokio::time::timeout(Duration::from_secs(10), self.options.connect()).await;
        Ok(connect.map_err(|_| sqlx::Error::PoolTimedOut)??)
    }

    /// A connection for batches. Their statements get the plans of a large database, by index, from the first on: a plan that is
    /// made while the tables are small would be kept while they grow.
    ///
    /// # Errors
    /// When there is none to be had within ten seconds.
    pub async fn connect_to_write(&self) -> Result<PgConnection, StoreError> {
        let options = self.options.clone().options([
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            // What that costs on paper would call for it.
            ("jit", "off"),
        ]);
        Self { options }.connect().await
    }

    /// A connection that hears what is said on a channel.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn listen(&self, channel: &str) -> Result<PgListener, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
        let mut listener = PgListener::connect_with(&pool.connect_lazy_with(self.options.clone())).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// Connections for what needs one now and then.
    pub fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(self.options.clone())
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
                tracing::warn!(%error, seconds = limit.as_secs(), "the database is not there yet; tried again every second");
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
        let mut connection = self.connect().await?;
        let applied: Vec<i64> =
            sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(MIGRATIONS.iter().filter(|step| !applied.contains(&step.version)).count())
    }

    /// Brings the tables up to date. Several servers may do so at the same time: a lock makes them take turns.
    ///
    /// # Errors
    /// When a step fails; it is then not done.
    pub async fn migrate(&self, model: &Model) -> Result<(), StoreError> {
        // Waiting for another server's migration may take longer than any statement of ours.
        let options = self.options.clone().options([("statement_timeout", "0"), ("lock_timeout", "0")]);
        let mut connection = options.connect().await?;
        MIGRATIONS.run(&mut connection).await?;
        views::refresh(&mut connection, model).await
    }
}
