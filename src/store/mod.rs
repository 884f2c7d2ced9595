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
    migrate::{MigrateError, Migrator},
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
    #[error("{}", told(.0))]
    Database(#[from] sqlx::Error),
    /// The tables can't be brought up to date.
    #[error("migration: {}", told_migration(.0))]
    Migration(#[from] MigrateError),
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
            Self::Migration(_) | Self::Row(_) | Self::Newer { .. } | Self::Encoding(_) => false,
        }
    }

    /// Whether somebody has to change something before it can work: the address, the password (class 28), or the database.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Configuration(_)) | Self::Newer { .. } | Self::Encoding(_) => true,
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| code.starts_with("28")),
            Self::Database(_) | Self::Migration(_) | Self::Row(_) => false,
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
            Self::Database(_) | Self::Migration(_) | Self::Newer { .. } | Self::Encoding(_) => Failure::Connection,
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
            // A server that hangs while it holds the sequence loses it, and the others go on.
            .options([
                ("idle_in_transaction_session_timeout", "10s"),
                ("lock_timeout", "30s"),
                ("statement_timeout", "60s"),
            ])
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
        let mut connection = self.connect().await?;
        let applied: Vec<i64> =
            sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(MIGRATIONS.iter().filter(|step| !applied.contains(&step.version)).count())
    }

    /// Brings the tables up to date. Several servers may do so at the same time: a lock makes them take turns.
    ///
    /// # Errors
    /// When a step fails; it is then not done. When the database is one that this release can't work with.
    pub async fn migrate(&self, model: &Model) -> Result<(), StoreError> {
        // Waiting for another server's migration may take longer than any statement of ours.
        let options = self.options.clone().options([("statement_timeout", "0"), ("lock_timeout", "0")]);
        let mut connection = options.connect().await?;
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
