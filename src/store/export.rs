//! Everything that is stored, as of one moment, for whoever writes it down.

use super::{Session, StoreError, load::load_snapshot, operation::EXPORT, session::Transaction};
use crate::{graph::Graph, model::Model};
use bytes::Bytes;
use futures_util::TryStreamExt;
use sqlx::Row;
use std::sync::Arc;

/// A table of wide rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredTable {
    id: i64,
    /// The keyspace that it is in.
    pub keyspace: String,
    /// Its name.
    pub name: String,
}

/// A column of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredColumn {
    /// Of the row.
    pub key: Bytes,
    /// In it.
    pub column: Bytes,
    /// What is in it: a text in UTF-8.
    pub value: Bytes,
    /// When it was written, in microseconds since 1970.
    pub time: i64,
}

/// The database at one moment; others may go on writing.
pub struct Moment<'s> {
    transaction: Transaction<'s>,
}

impl<'s> Moment<'s> {
    /// Now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin(session: &'s mut Session) -> Result<Self, StoreError> {
        session.turn_to(EXPORT);
        let mut transaction = session.begin().await?;
        transaction.execute(sqlx::query("set transaction isolation level repeatable read read only")).await?;
        transaction.execute(sqlx::query("set local statement_timeout = 0")).await?;
        // What is read is written between the questions, to a disk or a pipe that may be slow.
        transaction.execute(sqlx::query("set local idle_in_transaction_session_timeout = 0")).await?;
        Ok(Self { transaction })
    }

    /// The configuration.
    ///
    /// # Errors
    /// When the database is away, or holds what this release can't read.
    pub async fn graph(&mut self, model: &Arc<Model>) -> Result<Graph, StoreError> {
        load_snapshot(&mut self.transaction, model).await
    }

    /// Gives the texts of `/useragent-kv` to somebody, by their keys.
    ///
    /// # Errors
    /// When the database is away, or what the taker says.
    pub async fn key_values<E: From<StoreError>>(
        &mut self,
        mut take: impl FnMut(&str, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let query = "select key, value from key_value order by key collate \"C\"";
        let mut rows = self.transaction.stream(sqlx::query(query));
        while let Some(row) = rows.try_next().await? {
            let text = |column| row.try_get::<&str, _>(column).map_err(StoreError::from);
            take(text("key")?, text("value")?)?;
        }
        Ok(())
    }

    /// The names of all keyspaces that are stored.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn keyspaces(&mut self) -> Result<Vec<String>, StoreError> {
        let query = "select name from wide_keyspace order by name collate \"C\"";
        self.transaction.values(sqlx::query(query)).await
    }

    /// The tables of one, by their names.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn tables(&mut self, keyspace: &str) -> Result<Vec<StoredTable>, StoreError> {
        let query = sqlx::query("select id, name from wide_table where keyspace = $1 order by name collate \"C\"");
        let rows = self.transaction.rows(query.bind(keyspace)).await?;
        let table = |row: &sqlx::postgres::PgRow| {
            let keyspace = keyspace.to_owned();
            Ok(StoredTable { id: row.try_get("id")?, keyspace, name: row.try_get("name")? })
        };
        rows.iter().map(table).collect()
    }

    /// Gives the columns of a table to somebody, row by row, always in the same order.
    ///
    /// # Errors
    /// When the database is away, or what the taker says.
    pub async fn columns<E: From<StoreError>>(
        &mut self,
        table: &StoredTable,
        mut take: impl FnMut(StoredColumn) -> Result<(), E>,
    ) -> Result<(), E> {
        // The order of the index: much is not sorted before the first row comes.
        let query = "select key, column1, value, written from wide_row where wide_table = $1
            order by sha256(key), substring(column1 for 1000), column1";
        let mut rows = self.transaction.stream(sqlx::query(query).bind(table.id));
        while let Some(row) = rows.try_next().await? {
            let bytes = |column| row.try_get::<Vec<u8>, _>(column).map(Bytes::from).map_err(StoreError::from);
            let time = row.try_get("written").map_err(StoreError::from)?;
            take(StoredColumn { key: bytes("key")?, column: bytes("column1")?, value: bytes("value")?, time })?;
        }
        Ok(())
    }

    /// Lets go of it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end(self) -> Result<(), StoreError> {
        self.transaction.commit().await
    }
}
