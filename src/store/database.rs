//! Where the database is, and what each session with it begins with.

use super::{
    Listener, Session, Sessions, StoreError,
    error::told,
    hosts,
    operation::{self, Operation},
    primary::{Hosts, place},
    queue,
    repair::is_writable,
    sequence,
    steps::{self, MIGRATIONS, Step},
    views,
};
use crate::model::Model;
use sqlx::{
    ConnectOptions, Row,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::{
    path::Path,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a new connection may take.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How much earlier than the deadline the database gives up a statement that has more time than others.
const GIVES_UP_EARLIER: Duration = Duration::from_secs(1);
/// What the database is told about each session.
pub(super) const SESSION_LIMITS: [(&str, &str); 6] = [
    // A server that hangs while it holds the sequence loses it, and the others go on.
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "3s"),
    ("statement_timeout", "4s"),
    // A host that is gone keeps neither its place among the servers nor the turn of the message bus for hours. On this side
    // deadlines do what keepalives would.
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

/// How to reach the database, with the limits that every session gets.
#[derive(Clone)]
pub struct Database {
    hosts: Arc<Hosts>,
}

impl Database {
    /// From a URL: `postgresql://user@host/name`, or with several hosts, of which the one is wanted that takes writes.
    ///
    /// # Errors
    /// For a URL that can't be read.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let hosts::UrlHosts { urls, wanted } = hosts::UrlHosts::of(url).map_err(StoreError::Address)?;
        let refuse =
            |error| StoreError::Address(format!("{}; postgresql://user:password@host/name is expected", told(&error)));
        let read = |url: &String| PgConnectOptions::from_str(url).map(with_limits).map_err(refuse);
        let options: Vec<_> = urls.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { hosts: Arc::new(Hosts::new(options, wanted)) })
    }

    /// Behind a Unix socket in a directory, where no password is asked for.
    pub fn on_socket(directory: &Path, port: u16, role: &str, name: &str) -> Self {
        let options = PgConnectOptions::new_without_pgpass().socket(directory).port(port).username(role).database(name);
        let options = with_limits(options.ssl_mode(PgSslMode::Disable));
        Self { hosts: Arc::new(Hosts::new(vec![options], hosts::Wanted::Any)) }
    }

    /// Where it is, without what is secret: name, and host with port or directory of its socket, of each.
    pub fn place(&self) -> String {
        let options = self.hosts.options();
        let name = options.first().map(|options| options.get_database().unwrap_or_else(|| options.get_username()));
        let places: Vec<String> = options.iter().map(place).collect();
        format!("{} at {}", name.unwrap_or_default(), places.join(", "))
    }

    async fn connect_with(&self, operation: Operation, settings: &[(&str, &str)]) -> Result<Session, StoreError> {
        let (connection, term) = self.hosts.connect(operation, settings, CONNECT_WITHIN).await?;
        Ok(Session::new(connection, operation, term))
    }

    /// A session of its own.
    ///
    /// # Errors
    /// When there is none to be had in time.
    pub async fn connect(&self, operation: Operation) -> Result<Session, StoreError> {
        self.connect_with(operation, &[]).await
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
        self.connect_with(operation::TURN, &options).await
    }

    /// A session for what may take its time and hinders nobody: the database gives it as much as the operation has.
    ///
    /// # Errors
    /// When there is none to be had in time.
    pub async fn connect_patiently(&self, operation: Operation) -> Result<Session, StoreError> {
        let limit = operation.answer_within.saturating_sub(GIVES_UP_EARLIER).as_millis().to_string();
        self.connect_with(operation, &[("statement_timeout", &limit)]).await
    }

    /// A connection that hears what is said on a channel.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn listen(&self, channel: &str) -> Result<Listener, StoreError> {
        // Whichever host it is, as it stands.
        self.connect(operation::LISTENING).await?.close().await?;
        Listener::on(self.hosts.last(), channel).await
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
            let Err(error) = self.connect(operation::ARRIVAL).await else { return Ok(()) };
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

    /// The steps of this release that are not applied to the tables, as a new connection finds them; all, where there are no tables.
    ///
    /// # Errors
    /// When the database is away, has a step that this release does not know, or is none that this release can work with.
    pub async fn pending_steps(&self) -> Result<Vec<Step>, StoreError> {
        let mut session = self.connect(operation::STEPS).await?;
        let row = session.row(sqlx::query("select getdatabaseencoding(), to_regclass('_sqlx_migrations') is not null"));
        let row = row.await?;
        let (encoding, has_tables): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        if encoding != "UTF8" {
            return Err(StoreError::Encoding(encoding));
        }
        let mut applied = Vec::new();
        if has_tables {
            applied = session.values(sqlx::query("select version from _sqlx_migrations where success")).await?;
        }
        session.close().await?;
        steps::pending(&applied)
    }

    /// Whether the tables are those of this release; servers make them so, other commands do not.
    ///
    /// # Errors
    /// When they are not, or the database is away.
    pub async fn has_current_tables(&self) -> Result<(), StoreError> {
        if self.pending_steps().await?.is_empty() { Ok(()) } else { Err(StoreError::Earlier) }
    }

    /// Whether there is nothing in it that a release of Cirrus has made.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        let mut session = self.connect(operation::STEPS).await?;
        let is_empty = session.value(sqlx::query("select to_regclass('_sqlx_migrations') is null")).await?;
        session.close().await?;
        Ok(is_empty)
    }

    /// Whether somebody could write now: the turn is to be had, and the database lets it be taken.
    ///
    /// # Errors
    /// When it is not.
    pub async fn takes_writes(&self) -> Result<(), StoreError> {
        let mut session = self.connect(operation::TRIAL).await?;
        // It goes with the session.
        queue::enter(&mut session).await?;
        let mut transaction = session.begin().await?;
        sequence::lock(&mut transaction).await?;
        transaction.roll_back().await?;
        session.close().await
    }

    /// Whether there is nothing that [`Database::migrate`] would do, and it could not be tried: nothing can be written.
    ///
    /// # Errors
    /// When the database is away, or has no tables.
    pub async fn is_current_copy(&self, model: &Model) -> Result<bool, StoreError> {
        let mut session = self.connect(operation::STEPS).await?;
        let is_current = !is_writable(&mut session).await? && views::are_of(&mut session, model).await?;
        session.close().await?;
        Ok(is_current)
    }

    /// Brings the tables up to date. Several servers may do so at the same time: a lock makes them take turns.
    ///
    /// # Errors
    /// When a step fails; it is then not done. When the database is one that this release can't work with.
    pub async fn migrate(&self, model: &Model) -> Result<(), StoreError> {
        // Waiting for another server's migration may take longer than any statement of ours, and so may a step. There is
        // nobody yet who waits for an answer of this server.
        let settings = [("statement_timeout", "0"), ("lock_timeout", "0")];
        let failed = |error| StoreError::of(operation::MIGRATION, error);
        let (mut connection, _) = self.hosts.connect(operation::MIGRATION, &settings, CONNECT_WITHIN).await?;
        let encoding: String =
            sqlx::query_scalar("show server_encoding").fetch_one(&mut connection).await.map_err(failed)?;
        if encoding != "UTF8" {
            return Err(StoreError::Encoding(encoding));
        }
        MIGRATIONS.run(&mut connection).await.map_err(|error| match error {
            MigrateError::VersionMissing(found) => steps::newer(found),
            error => error.into(),
        })?;
        views::refresh(&mut connection, model).await.map_err(failed)
    }
}

fn with_limits(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("cirrus").options(SESSION_LIMITS).disable_statement_logging()
}
