//! What is done for a request.

use super::{
    answer::Answer,
    config::ConfigTable,
    frame::{Batch, BatchStatement, Error, ErrorKind, Parameters, Request, Response, shown},
    prepared::prepared,
    schema::{SYSTEM, USERAGENT_TABLE, is_system},
    server::CqlServer,
    session::Session,
    statement::{Invalid, Parsed, Statement, SyntaxError, TableName},
    system_tables::{RELEASE, RELEASE_FOR_PEOPLE, SystemTable, Told, system_table},
    writes::{Origin, Writes},
};
use crate::{
    metrics,
    replica::Unavailable,
    store::{Failure, StoreError, wide_rows::WideRowError},
};
use tokio::sync::OwnedSemaphorePermit;

impl From<SyntaxError> for Error {
    fn from(error: SyntaxError) -> Self {
        ErrorKind::Syntax.with(error.to_string())
    }
}

impl From<Invalid> for Error {
    fn from(Invalid(text): Invalid) -> Self {
        ErrorKind::Invalid.with(text)
    }
}

/// Drivers ask another process then, or the daemon some time later.
impl From<Unavailable> for Error {
    fn from(unavailable: Unavailable) -> Self {
        ErrorKind::UNAVAILABLE.with(unavailable.told)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        ErrorKind::UNAVAILABLE.with(error.told())
    }
}

impl From<WideRowError> for Error {
    fn from(error: WideRowError) -> Self {
        match error {
            WideRowError::NoTable { table, .. } => unconfigured(&table),
            WideRowError::Store(error) => error.into(),
        }
    }
}

pub(super) fn unconfigured(table: &str) -> Error {
    ErrorKind::Invalid.with(format!("unconfigured table {}", shown(table)))
}

pub(super) fn no_keyspace(keyspace: &str) -> Error {
    ErrorKind::Invalid.with(format!("Keyspace '{}' does not exist", shown(keyspace)))
}

/// A table, by who has it.
pub(super) enum Table {
    /// Rendered from the graph.
    Config(ConfigTable),
    /// The texts by key.
    KeyValues,
    /// What this server says of itself.
    System(SystemTable),
    /// In the database.
    Stored,
}

/// A table with its names.
pub(super) struct Found {
    pub keyspace: String,
    pub name: String,
    pub table: Table,
}

impl CqlServer {
    /// Answers a request, once it is known who asks.
    ///
    /// # Errors
    /// What the client is told.
    pub async fn answer(&self, session: &Session, request: Request) -> Result<Answer, Error> {
        metrics::cql_request(request.kind());
        match request {
            Request::Query { statement, mut parameters } => {
                // Only of a prepared statement does the client know the columns (CQL contract 1.3).
                parameters.skip_metadata = false;
                // What is read of a long text takes a multiple of it, so it waits for its turn before.
                let turn = turn_for(session, &statement).await;
                let parsed = Statement::parse(&statement)?;
                drop(statement);
                Ok(self.execute(session, &parsed, &parameters).await?.holding(turn))
            }
            Request::Prepare { statement } => self.prepare(session, statement).await,
            Request::Execute { id, parameters } => {
                let turn = session.turn_to_read().await.ok();
                let parsed = prepared(&id)?;
                Ok(self.execute(session, &parsed, &parameters).await?.holding(turn))
            }
            Request::Batch(batch) => self.batch(session, &batch).await,
            Request::Options | Request::Startup(_) | Request::AuthResponse(_) | Request::Register(_) => {
                Err(ErrorKind::Protocol.with("this request belongs to the begin of a connection"))
            }
        }
    }

    async fn execute(&self, session: &Session, parsed: &Parsed, parameters: &Parameters) -> Result<Answer, Error> {
        parsed.check(&parameters.values)?;
        let done = |answer: Result<Response, Error>| answer.map(Answer::from);
        match &parsed.statement {
            Statement::Use(keyspace) => self.use_keyspace(session, keyspace).await,
            Statement::Select(select) => self.select(session, select, parameters).await,
            writing @ (Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Batch(_)) => {
                let mut writes = Writes::default();
                let (values, timestamp) = (&parameters.values, parameters.timestamp);
                writes.add(&Origin { server: self, session, values, timestamp, given: None }, writing)?;
                self.write(writes).await
            }
            Statement::Truncate(table) => {
                let found = self.find_to_write(session, table)?;
                self.stored.truncate_table(&found.keyspace, &found.name).await?;
                Ok(Response::Void.into())
            }
            Statement::CreateKeyspace { name, if_not_exists, options } => {
                done(self.create_keyspace(name, *if_not_exists, options).await)
            }
            Statement::AlterKeyspace { name, options } => done(self.alter_keyspace(name, options).await),
            Statement::DropKeyspace { name, if_exists } => done(self.drop_keyspace(name, *if_exists).await),
            Statement::CreateTable(create) => done(self.create_table(session, create).await),
            Statement::AlterTable { table, .. } => done(self.alter_table(session, table).await),
            Statement::DropTable { table, if_exists } => done(self.drop_table(session, table, *if_exists).await),
            Statement::Describe(described) => Ok(Response::Rows(self.describe(session, described).await?).into()),
            Statement::Unsupported(what) => Err(ErrorKind::Invalid
                .with(format!("{what} is not served: this is a configuration server, with tables of one shape"))),
        }
    }

    /// Makes a keyspace that of the connection.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn use_keyspace(&self, session: &Session, keyspace: &str) -> Result<Answer, Error> {
        if !SYSTEM.contains(&keyspace) && !self.schema().await.contains_key(keyspace) {
            return Err(no_keyspace(keyspace));
        }
        session.set_keyspace(keyspace);
        Ok(Response::SetKeyspace(keyspace.to_owned()).into())
    }

    /// The names of a table, those of the connection's keyspace included.
    pub(super) fn names(session: &Session, table: &TableName) -> Result<(String, String), Error> {
        let keyspace = table.keyspace.clone().or_else(|| session.keyspace().map(|keyspace| keyspace.to_string()));
        let keyspace = keyspace.ok_or_else(|| {
            ErrorKind::Invalid
                .with("No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename")
        })?;
        Ok((keyspace, table.name.clone()))
    }

    pub(super) async fn find(&self, session: &Session, table: &TableName) -> Result<Found, Error> {
        let (keyspace, name) = Self::names(session, table)?;
        let table = if self.is_config(&keyspace) {
            Table::Config(ConfigTable::named(&name).ok_or_else(|| unconfigured(&name))?)
        } else if self.is_useragent(&keyspace) {
            if name != USERAGENT_TABLE {
                return Err(unconfigured(&name));
            }
            Table::KeyValues
        } else if is_system(&keyspace) {
            let schema = self.schema().await;
            let others = self.others();
            let told = Told {
                this: self.this,
                reached_at: session.ends.local,
                release: if session.hears_events() { RELEASE } else { RELEASE_FOR_PEOPLE },
                others: &others,
                schema: &schema,
                cluster: self.cluster(),
            };
            Table::System(system_table(&keyspace, &name, &told).ok_or_else(|| unconfigured(&name))?)
        } else {
            Table::Stored
        };
        Ok(Found { keyspace, name, table })
    }

    /// A table that may be written.
    pub(super) fn find_to_write(&self, session: &Session, table: &TableName) -> Result<Found, Error> {
        let (keyspace, name) = Self::names(session, table)?;
        self.check_changeable(session, &keyspace, &name)?;
        Ok(Found { keyspace, name, table: Table::Stored })
    }

    /// Nobody changes over CQL what is made of something else.
    pub(super) fn check_changeable(&self, session: &Session, keyspace: &str, table: &str) -> Result<(), Error> {
        let text = if self.is_config(keyspace) {
            self.note_refused_write(session.ends.peer.ip(), table);
            format!("{keyspace} shows the configuration, and can only be read over CQL: change it over REST")
        } else if self.is_useragent(keyspace) {
            format!("{keyspace} can only be read over CQL: it is written with POST /useragent-kv")
        } else if is_system(keyspace) {
            format!("{} can only be read", shown(keyspace))
        } else {
            return Ok(());
        };
        // Of all errors the one that makes no daemon begin anew (CQL contract 1.4).
        Err(ErrorKind::Unauthorized.with(text))
    }

    async fn batch(&self, session: &Session, batch: &Batch) -> Result<Answer, Error> {
        let mut writes = Writes::default();
        for entry in &batch.entries {
            let parsed = match &entry.statement {
                BatchStatement::Text(text) => Statement::parse(text)?,
                BatchStatement::Prepared(id) => prepared(id)?,
            };
            parsed.check(&entry.values)?;
            let (values, timestamp) = (&entry.values, batch.timestamp);
            writes.add(&Origin { server: self, session, values, timestamp, given: None }, &parsed.statement)?;
        }
        self.write(writes).await
    }

    async fn write(&self, writes: Writes) -> Result<Answer, Error> {
        self.stored.write(&writes.batch()).await.map_err(|error| match error {
            WideRowError::Store(error) if error.failure() == Failure::Connection => {
                ErrorKind::OUTCOME_UNKNOWN.with(error.told())
            }
            error => error.into(),
        })?;
        Ok(Response::Void.into())
    }
}

/// A turn for what is going to be read.
async fn turn_for(session: &Session, statement: &str) -> Option<OwnedSemaphorePermit> {
    const LONG: usize = 64 << 10;
    let first = statement.trim_start().get(..6);
    let reads = first.is_some_and(|word| word.eq_ignore_ascii_case("select"));
    if reads || statement.len() > LONG { session.turn_to_read().await.ok() } else { None }
}
