//! What is done for a request.

use super::{
    answer::Answer,
    config::ConfigTable,
    frame::{
        Batch, BatchStatement, Column, Error, ErrorKind, Parameters, Prepared, PreparedId, Request, Response,
        SchemaChange, TableColumns, ValueType, shown,
    },
    frame::{Change as Changing, Changed},
    schema::{SYSTEM, Schema, USERAGENT_TABLE},
    selection::{Selection, column},
    server::CqlServer,
    session::Session,
    statement::{CreateTable, Invalid, Marker, MarkerPlace, Parsed, Select, Statement, SyntaxError, TableName, Term},
    system_tables::{RELEASE, RELEASE_FOR_PEOPLE, SystemTable, Told, system_table},
    writes::Writes,
};
use crate::{
    replica::Unavailable,
    store::{
        Failure, StoreError,
        wide_rows::{Change, WideRowError},
    },
};
use bytes::Bytes;
use std::collections::BTreeMap;
use tokio::sync::OwnedSemaphorePermit;

/// QUORUM, where nothing else is known.
const QUORUM: u16 = 4;

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
        ErrorKind::Unavailable { consistency: QUORUM, required: 1, alive: 0 }.with(unavailable.told)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        ErrorKind::Unavailable { consistency: QUORUM, required: 1, alive: 0 }.with(error.told())
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
                writes.add(self, session, writing, &parameters.values, parameters.timestamp)?;
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
        } else if keyspace.starts_with("system") {
            let schema: std::sync::Arc<Schema> = self.schema().await;
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
    fn check_changeable(&self, session: &Session, keyspace: &str, table: &str) -> Result<(), Error> {
        let text = if self.is_config(keyspace) {
            self.note_refused_write(session.ends.peer.ip(), table);
            format!("{keyspace} shows the configuration, and can only be read over CQL: change it over REST")
        } else if self.is_useragent(keyspace) {
            format!("{keyspace} can only be read over CQL: it is written with POST /useragent-kv")
        } else if keyspace.starts_with("system") {
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
            writes.add(self, session, &parsed.statement, &entry.values, batch.timestamp)?;
        }
        self.write(writes).await
    }

    async fn write(&self, writes: Writes) -> Result<Answer, Error> {
        self.stored.write(&writes.batch()).await.map_err(|error| match error {
            WideRowError::Store(error) if error.failure() == Failure::Connection => {
                ErrorKind::WriteTimeout { consistency: QUORUM, received: 0, required: 1, write_type: "SIMPLE" }
                    .with(error.told())
            }
            error => error.into(),
        })?;
        Ok(Response::Void.into())
    }

    /// The id of a prepared statement is its text: then nothing is kept, and each process knows it.
    async fn prepare(&self, session: &Session, text: String) -> Result<Answer, Error> {
        let Parsed { statement, markers } = Statement::parse(&text)?;
        let table = match &statement {
            Statement::Select(Select { from: table, .. }) => Some(table),
            Statement::Insert(insert) => Some(&insert.table),
            Statement::Update(update) => Some(&update.table),
            Statement::Delete(delete) => Some(&delete.table),
            _ => None,
        };
        let (keyspace, name) = match table {
            Some(table) => Self::names(session, table)?,
            None => Default::default(),
        };
        let columns = match &statement {
            Statement::Select(select) => {
                let found = self.find(session, &select.from).await?;
                let columns = match &found.table {
                    Table::System(table) => super::select::system_columns(table, select)?.1,
                    _ => Selection::of(select)?.columns,
                };
                Some(TableColumns { keyspace: keyspace.clone(), table: name.clone(), columns })
            }
            _ => None,
        };
        let too_long = || ErrorKind::Invalid.with("a statement that is prepared has 65,535 bytes at most");
        // With the keyspace that it was prepared in, whatever that of the connection is later on.
        let id = PreparedId::new(Bytes::from(qualified(&keyspace, &text))).ok_or_else(too_long)?;
        let of_key = |marker: &Marker| matches!(&marker.place, MarkerPlace::Column(column) if column == "key");
        let key_marker = markers.iter().position(of_key).and_then(|position| u16::try_from(position).ok());
        let markers = markers.iter().map(marker_column).collect::<Result<_, _>>()?;
        Ok(Response::Prepared(Prepared {
            id,
            markers: TableColumns { keyspace, table: name, columns: markers },
            key_markers: key_marker.into_iter().collect(),
            columns,
        })
        .into())
    }
}

/// A turn for what is going to be read.
async fn turn_for(session: &Session, statement: &str) -> Option<OwnedSemaphorePermit> {
    const LONG: usize = 64 << 10;
    let first = statement.trim_start().get(..6);
    let reads = first.is_some_and(|word| word.eq_ignore_ascii_case("select"));
    if reads || statement.len() > LONG { session.turn_to_read().await.ok() } else { None }
}

/// What stands between the keyspace and the text in an id: it is in no name.
const AFTER_KEYSPACE: char = '\n';

fn qualified(keyspace: &str, text: &str) -> String {
    format!("{keyspace}{AFTER_KEYSPACE}{text}")
}

/// The statement of an id, in the keyspace in which it was prepared.
fn prepared(id: &PreparedId) -> Result<Parsed, Error> {
    let unknown = || ErrorKind::Unprepared(id.clone()).with("no server like this one has prepared that");
    let text = std::str::from_utf8(id.bytes()).map_err(|_| unknown())?;
    let (keyspace, text) = text.split_once(AFTER_KEYSPACE).ok_or_else(unknown)?;
    let mut parsed = Statement::parse(text).map_err(|_| unknown())?;
    let table = match &mut parsed.statement {
        Statement::Select(select) => Some(&mut select.from),
        Statement::Insert(insert) => Some(&mut insert.table),
        Statement::Update(update) => Some(&mut update.table),
        Statement::Delete(delete) => Some(&mut delete.table),
        _ => None,
    };
    if let Some(table) = table {
        table.keyspace.get_or_insert_with(|| keyspace.to_owned());
    }
    Ok(parsed)
}

/// What a client is told of a marker.
fn marker_column(marker: &Marker) -> Result<Column, Error> {
    let of = |name: &str| column(name).map(|(_, value_type)| value_type);
    let value_type = match &marker.place {
        MarkerPlace::Column(name) | MarkerPlace::Part(name) => of(name)?,
        MarkerPlace::In(name) => ValueType::List(Box::new(of(name)?)),
        MarkerPlace::Text => ValueType::Varchar,
        MarkerPlace::Blob => ValueType::Blob,
        MarkerPlace::Token | MarkerPlace::Timestamp => ValueType::Bigint,
        MarkerPlace::Int => ValueType::Int,
    };
    Ok(Column { name: marker.name.clone(), value_type })
}

fn keyspace_change(change: Changing, name: &str) -> Response {
    Response::SchemaChange(SchemaChange { change, changed: Changed::Keyspace(name.to_owned()) })
}

fn table_change(change: Changing, keyspace: &str, table: &str) -> Response {
    let changed = Changed::Table { keyspace: keyspace.to_owned(), table: table.to_owned() };
    Response::SchemaChange(SchemaChange { change, changed })
}

fn no_name(name: &str) -> Error {
    ErrorKind::Invalid
        .with(format!("'{}' is no name: 1 to 48 letters of ASCII, digits and _ are expected", shown(name)))
}

/// The replication of a keyspace, as JSON; nothing comes of it.
fn replication(options: &[(String, Term)]) -> Result<String, Error> {
    let wrong = || ErrorKind::Invalid.with("replication = { 'class': '...', ... } is expected");
    let given = options.iter().find(|(name, _)| name == "replication").map(|(_, term)| term);
    let Some(Term::Map(pairs)) = given else { return Err(wrong()) };
    let text = |term: &Term| match term {
        Term::Text(text) => Ok(text.clone()),
        Term::Integer(number) => Ok(number.to_string()),
        _ => Err(wrong()),
    };
    let pairs = pairs.iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
    let pairs: BTreeMap<String, String> = pairs.collect::<Result<_, Error>>()?;
    if !pairs.contains_key("class") {
        return Err(wrong());
    }
    serde_json::to_string(&pairs).map_err(|_| wrong())
}

/// The schema. What is made of something else is there, whoever makes it, and stays as it is (CQL contract 2.2).
impl CqlServer {
    async fn create_keyspace(
        &self,
        name: &str,
        if_not_exists: bool,
        options: &[(String, Term)],
    ) -> Result<Response, Error> {
        let replication = replication(options)?;
        let is_there = self.is_config(name) || self.is_useragent(name) || SYSTEM.contains(&name);
        if !is_there && name.starts_with("system") {
            let text = format!("{}: names that begin with system are the server's", shown(name));
            return Err(ErrorKind::Unauthorized.with(text));
        }
        let change =
            if is_there { Change::AlreadyThere } else { self.stored.create_keyspace(name, &replication).await? };
        self.refresh_schema().await?;
        match change {
            Change::Done => Ok(keyspace_change(Changing::Created, name)),
            Change::NoName => Err(no_name(name)),
            _ if if_not_exists => Ok(Response::Void),
            _ => Err(ErrorKind::AlreadyExists { keyspace: name.to_owned(), table: String::new() }
                .with(format!("Cannot add existing keyspace \"{}\"", shown(name)))),
        }
    }

    async fn alter_keyspace(&self, name: &str, options: &[(String, Term)]) -> Result<Response, Error> {
        let replication = replication(options)?;
        let change = if self.is_config(name) || self.is_useragent(name) {
            Change::Done
        } else {
            self.stored.alter_keyspace(name, &replication).await?
        };
        self.refresh_schema().await?;
        match change {
            Change::Done | Change::AlreadyThere => Ok(keyspace_change(Changing::Updated, name)),
            Change::Missing | Change::NoName => Err(no_keyspace(name)),
        }
    }

    async fn drop_keyspace(&self, name: &str, if_exists: bool) -> Result<Response, Error> {
        if self.is_config(name) || self.is_useragent(name) || name.starts_with("system") {
            return Err(ErrorKind::Unauthorized
                .with(format!("{} can't be dropped: it is made of the configuration", shown(name))));
        }
        let change = self.stored.drop_keyspace(name).await?;
        self.refresh_schema().await?;
        match change {
            Change::Done | Change::AlreadyThere => Ok(keyspace_change(Changing::Dropped, name)),
            Change::Missing | Change::NoName if if_exists => Ok(Response::Void),
            Change::Missing | Change::NoName => {
                Err(ErrorKind::Configuration.with(format!("Cannot drop non existing keyspace '{}'.", shown(name))))
            }
        }
    }

    async fn create_table(&self, session: &Session, create: &CreateTable) -> Result<Response, Error> {
        let (keyspace, name) = Self::names(session, &create.table)?;
        let exists = || {
            if create.if_not_exists {
                return Ok(Response::Void);
            }
            let text = format!("Cannot add already existing table \"{name}\" to keyspace \"{keyspace}\"");
            Err(ErrorKind::AlreadyExists { keyspace: keyspace.clone(), table: name.clone() }.with(text))
        };
        let is_made_of_other = (self.is_config(&keyspace) && ConfigTable::named(&name).is_some())
            || (self.is_useragent(&keyspace) && name == USERAGENT_TABLE);
        if is_made_of_other {
            return exists();
        }
        self.check_changeable(session, &keyspace, &name)?;
        let mut columns: Vec<(&str, &str)> =
            create.columns.iter().map(|column| (column.name.as_str(), column.value_type.as_str())).collect();
        columns.sort_unstable();
        let is_usual = |value_type: &str| ["text", "varchar"].contains(&value_type);
        let has_shape = matches!(columns.as_slice(), [("column1", "blob"), ("key", "blob"), ("value", of)] if is_usual(of))
            && create.partition_key == ["key"]
            && create.clustering == ["column1"]
            && create.columns.iter().all(|column| !column.is_static);
        if !has_shape {
            return Err(ErrorKind::Invalid
                .with("tables have one shape here: (key blob, column1 blob, value text, PRIMARY KEY (key, column1))"));
        }
        let change = self.stored.create_table(&keyspace, &name).await?;
        self.refresh_schema().await?;
        match change {
            Change::Done => Ok(table_change(Changing::Created, &keyspace, &name)),
            Change::AlreadyThere => exists(),
            Change::Missing => Err(no_keyspace(&keyspace)),
            Change::NoName => Err(no_name(&name)),
        }
    }

    /// Nothing of it counts here: done, if there is such a table.
    async fn alter_table(&self, session: &Session, table: &TableName) -> Result<Response, Error> {
        let (keyspace, name) = Self::names(session, table)?;
        let is_there = self.schema().await.get(&keyspace).is_some_and(|known| known.tables.contains(&name));
        if is_there { Ok(table_change(Changing::Updated, &keyspace, &name)) } else { Err(unconfigured(&name)) }
    }

    async fn drop_table(&self, session: &Session, table: &TableName, if_exists: bool) -> Result<Response, Error> {
        let (keyspace, name) = Self::names(session, table)?;
        self.check_changeable(session, &keyspace, &name)?;
        let change = self.stored.drop_table(&keyspace, &name).await?;
        self.refresh_schema().await?;
        match change {
            Change::Done | Change::AlreadyThere => Ok(table_change(Changing::Dropped, &keyspace, &name)),
            Change::Missing | Change::NoName if if_exists => Ok(Response::Void),
            Change::Missing | Change::NoName => Err(unconfigured(&name)),
        }
    }
}
