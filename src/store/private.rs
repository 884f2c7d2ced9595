//! What a private cluster needs before it has tables: the database, and the role for people.

use super::{Database, Session, StoreError, operation::PRIVATE};

/// The role for people, who may read everything and change nothing: a change of the tables would be one that no server
/// knows of.
pub const READER: &str = "cirrus_reader";
/// Makes that role, in one step, where it is not there yet.
const MAKE_READER: &str = "do $$ begin
    if not exists (select from pg_roles where rolname = 'cirrus_reader') then
        create role cirrus_reader login;
        grant pg_read_all_data to cirrus_reader;
        alter role cirrus_reader set default_transaction_read_only = on;
        -- Up to PostgreSQL 14 everybody may make tables.
        revoke create on schema public from public;
    end if;
end $$";

async fn connect(database: &Database) -> Result<Session, StoreError> {
    database.connect_patiently(PRIVATE).await
}

/// Sees to it that there is the database; where there is none, it is made in a session with another one. That one is asked, as
/// PostgreSQL writes into the log who wants a database that is not there, and nobody is to take that for a fault.
///
/// # Errors
/// When the cluster takes no connections, or refuses.
pub async fn make_database(other: &Database) -> Result<(), StoreError> {
    let mut session = connect(other).await?;
    let is_there = "select exists (select from pg_database where datname = 'cirrus')";
    // A new cluster has none, and one whose making was cut short.
    if !session.value::<bool>(sqlx::query(is_there)).await? {
        session.execute(sqlx::raw_sql("create database cirrus")).await?;
    }
    session.close().await
}

/// Sees to it that there is the role for people.
///
/// # Errors
/// When the database is away, or refuses.
pub async fn make_reader(database: &Database) -> Result<(), StoreError> {
    let mut session = connect(database).await?;
    session.execute(sqlx::raw_sql(MAKE_READER)).await?;
    session.close().await
}
