//! Keyspaces and their tables.

use super::{Change, WideRowError, WideRows, is_name, no_table};
use crate::store::{
    Session, StoreError,
    operation::{WIDE_DROP, WIDE_READ, WIDE_SCHEMA},
    session::Transaction,
};
use sqlx::{Postgres, Row, postgres::PgArguments, query::Query};
use std::collections::{BTreeMap, BTreeSet};

/// A keyspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keyspace {
    /// How it is said to be replicated, as its maker wrote it.
    pub replication: String,
    /// The names of its tables.
    pub tables: BTreeSet<String>,
}

/// What keyspaces are said to be like whose maker did not say.
pub const REPLICATION: &str = "{ 'class': 'SimpleStrategy', 'replication_factor': '1' }";

/// All keyspaces, a row for each.
const SCHEMA: &str = "select name, replication,
        array(select name from wide_table where keyspace = wide_keyspace.name) as tables
    from wide_keyspace";
/// Makes a keyspace.
const CREATE_KEYSPACE: &str = "insert into wide_keyspace (name, replication) values ($1, $2) on conflict do nothing";
/// Changes one.
const ALTER_KEYSPACE: &str = "update wide_keyspace set replication = $2 where name = $1";
/// Makes a table.
const CREATE_TABLE: &str = "insert into wide_table (keyspace, name) values ($1, $2) on conflict do nothing";
/// A keyspace that goes: nobody makes a table in it any more.
const LOCK_KEYSPACE: &str = "select from wide_keyspace where name = $1 for update";
/// Its tables: nobody writes into them any more, and who does has ended. In the order in which writers lock them.
const LOCK_TABLES: &str = "select from wide_table where keyspace = $1 order by id for update";
/// A table that goes, or is emptied, in the same manner.
const LOCK_TABLE: &str = "select id from wide_table where keyspace = $1 and name = $2 for update";

/// Makes a keyspace and a table in it within a transaction that does more, where they are not there.
///
/// # Errors
/// When the database is away, or refuses.
pub async fn create_within(transaction: &mut Session, keyspace: &str, table: &str) -> Result<(), StoreError> {
    transaction.execute(sqlx::query(CREATE_KEYSPACE).bind(keyspace).bind(REPLICATION)).await?;
    transaction.execute(sqlx::query(CREATE_TABLE).bind(keyspace).bind(table)).await?;
    Ok(())
}

impl WideRows {
    /// All keyspaces by their names.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn schema(&self) -> Result<BTreeMap<String, Keyspace>, StoreError> {
        let rows = self.sessions.take(WIDE_READ).await?.session()?.rows(sqlx::query(SCHEMA)).await?;
        let mut schema = BTreeMap::new();
        for row in &rows {
            let tables: Vec<String> = row.try_get("tables")?;
            let keyspace = Keyspace { replication: row.try_get("replication")?, tables: tables.into_iter().collect() };
            schema.insert(row.try_get("name")?, keyspace);
        }
        Ok(schema)
    }

    /// Makes a keyspace. Which names are kept for other purposes is for its caller to say.
    ///
    /// # Errors
    /// When the database is away, or it is not known whether it was done.
    pub async fn create_keyspace(&self, name: &str, replication: &str) -> Result<Change, StoreError> {
        if !is_name(name) {
            return Ok(Change::NoName);
        }
        let query = sqlx::query(CREATE_KEYSPACE).bind(name).bind(without_nul(replication));
        Ok(if self.change(query).await? { Change::Done } else { Change::AlreadyThere })
    }

    /// Says how it is replicated.
    ///
    /// # Errors
    /// As [`WideRows::create_keyspace`].
    pub async fn alter_keyspace(&self, name: &str, replication: &str) -> Result<Change, StoreError> {
        if !is_name(name) {
            return Ok(Change::Missing);
        }
        let query = sqlx::query(ALTER_KEYSPACE).bind(name).bind(without_nul(replication));
        Ok(if self.change(query).await? { Change::Done } else { Change::Missing })
    }

    /// Takes a keyspace away with all that is in it.
    ///
    /// # Errors
    /// As [`WideRows::create_keyspace`].
    pub async fn drop_keyspace(&self, name: &str) -> Result<Change, StoreError> {
        if !is_name(name) {
            return Ok(Change::Missing);
        }
        let mut borrowed = self.sessions.take(WIDE_DROP).await?;
        let mut transaction = begin_patiently(borrowed.session()?).await?;
        transaction.rows(sqlx::query(LOCK_KEYSPACE).bind(name)).await?;
        transaction.rows(sqlx::query(LOCK_TABLES).bind(name)).await?;
        let query = sqlx::query("delete from wide_keyspace where name = $1").bind(name);
        let gone = transaction.execute(query).await? > 0;
        transaction.commit().await.map_err(StoreError::of_write)?;
        Ok(if gone { Change::Done } else { Change::Missing })
    }

    /// Makes a table.
    ///
    /// # Errors
    /// As [`WideRows::create_keyspace`].
    pub async fn create_table(&self, keyspace: &str, name: &str) -> Result<Change, StoreError> {
        if !is_name(name) {
            return Ok(Change::NoName);
        }
        if !is_name(keyspace) {
            return Ok(Change::Missing);
        }
        match self.change(sqlx::query(CREATE_TABLE).bind(keyspace).bind(name)).await {
            Ok(true) => Ok(Change::Done),
            Ok(false) => Ok(Change::AlreadyThere),
            Err(error) if error.constraint() == Some("wide_table_keyspace") => Ok(Change::Missing),
            Err(error) => Err(error),
        }
    }

    /// Takes a table away with all that is in it.
    ///
    /// # Errors
    /// As [`WideRows::create_keyspace`].
    pub async fn drop_table(&self, keyspace: &str, name: &str) -> Result<Change, StoreError> {
        self.empty(keyspace, name, "delete from wide_table where id = $1").await
    }

    /// Takes out all that is in a table.
    ///
    /// # Errors
    /// When there is no such table, and as [`WideRows::create_keyspace`].
    pub async fn truncate_table(&self, keyspace: &str, name: &str) -> Result<(), WideRowError> {
        match self.empty(keyspace, name, "delete from wide_row where wide_table = $1").await? {
            Change::Missing => Err(no_table(keyspace, name)),
            Change::Done | Change::AlreadyThere | Change::NoName => Ok(()),
        }
    }

    /// Does this with a table in which nobody writes meanwhile.
    async fn empty(&self, keyspace: &str, name: &str, statement: &'static str) -> Result<Change, StoreError> {
        if !is_name(keyspace) || !is_name(name) {
            return Ok(Change::Missing);
        }
        let mut borrowed = self.sessions.take(WIDE_DROP).await?;
        let mut transaction = begin_patiently(borrowed.session()?).await?;
        let id: Option<i64> = transaction.value_if_any(sqlx::query(LOCK_TABLE).bind(keyspace).bind(name)).await?;
        let Some(id) = id else {
            transaction.roll_back().await?;
            return Ok(Change::Missing);
        };
        transaction.execute(sqlx::query(statement).bind(id)).await?;
        transaction.commit().await.map_err(StoreError::of_write)?;
        Ok(Change::Done)
    }

    /// Whether a statement has done something.
    async fn change(&self, query: Query<'_, Postgres, PgArguments>) -> Result<bool, StoreError> {
        let mut borrowed = self.sessions.take(WIDE_SCHEMA).await?;
        Ok(borrowed.session()?.execute(query).await.map_err(StoreError::of_write)? > 0)
    }
}

/// A transaction whose statements have as much time as the answers of [`WIDE_DROP`], less the second that it takes to say so.
async fn begin_patiently(session: &mut Session) -> Result<Transaction<'_>, StoreError> {
    let mut transaction = session.begin().await?;
    transaction.execute(sqlx::query("set local statement_timeout = '20s'")).await?;
    Ok(transaction)
}

/// Texts of the database hold no NUL, and what replication is said to be says nothing.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}
