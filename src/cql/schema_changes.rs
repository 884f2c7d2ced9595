//! Making, changing and dropping of keyspaces and tables. What is made of something else is there, whoever makes it, and stays as it is
//! (CQL contract 2.2).

use super::{
    config::ConfigTable,
    execution::{no_keyspace, unconfigured},
    frame::{Change as Changing, Changed, Error, ErrorKind, Response, SchemaChange, shown},
    schema::{SYSTEM, USERAGENT_TABLE, is_system},
    server::CqlServer,
    session::Session,
    statement::{CreateTable, TableName, Term},
};
use crate::store::wide_rows::Change;
use std::collections::BTreeMap;

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

impl CqlServer {
    pub(super) async fn create_keyspace(
        &self,
        name: &str,
        if_not_exists: bool,
        options: &[(String, Term)],
    ) -> Result<Response, Error> {
        let replication = replication(options)?;
        let is_there = self.is_config(name) || self.is_useragent(name) || SYSTEM.contains(&name);
        if !is_there && is_system(name) {
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

    pub(super) async fn alter_keyspace(&self, name: &str, options: &[(String, Term)]) -> Result<Response, Error> {
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

    pub(super) async fn drop_keyspace(&self, name: &str, if_exists: bool) -> Result<Response, Error> {
        if self.is_config(name) || self.is_useragent(name) || is_system(name) {
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

    pub(super) async fn create_table(&self, session: &Session, create: &CreateTable) -> Result<Response, Error> {
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
    pub(super) async fn alter_table(&self, session: &Session, table: &TableName) -> Result<Response, Error> {
        let (keyspace, name) = Self::names(session, table)?;
        let is_there = self.schema().await.get(&keyspace).is_some_and(|known| known.tables.contains(&name));
        if is_there { Ok(table_change(Changing::Updated, &keyspace, &name)) } else { Err(unconfigured(&name)) }
    }

    pub(super) async fn drop_table(
        &self,
        session: &Session,
        table: &TableName,
        if_exists: bool,
    ) -> Result<Response, Error> {
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
