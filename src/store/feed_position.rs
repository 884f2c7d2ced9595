//! How far the readers of the change log have come: what is needed to keep for them, and where a sink goes on.

use super::{Session, StoreError};
use crate::graph::Position;
use sqlx::Row;
use std::time::Duration;
use uuid::Uuid;

/// A position has to be renewed within this time, or it holds nothing any more.
pub const RENEW_WITHIN: Duration = Duration::from_secs(30);

fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

/// Writes how far a reader has come.
///
/// # Errors
/// When the database is away.
pub async fn write(connection: &mut Session, name: &str, position: Position, holder: Uuid) -> Result<(), StoreError> {
    let query = "insert into feed_position (name, rev, epoch, holder, at) values ($1, $2, $3, $4, clock_timestamp())
        on conflict (name) do update
        set rev = excluded.rev, epoch = excluded.epoch, holder = excluded.holder, at = excluded.at";
    let query = sqlx::query(query).bind(name).bind(signed(position.revision)).bind(position.epoch).bind(holder);
    query.execute(connection).await?;
    Ok(())
}

/// Makes this session the one that moves a position, until it ends; false if another one is.
///
/// # Errors
/// When the database is away.
pub async fn take_turn(connection: &mut Session, name: &str) -> Result<bool, StoreError> {
    let query = "select pg_try_advisory_lock(hashtext('cirrus sink ' || $1))";
    Ok(sqlx::query_scalar(query).bind(name).fetch_one(connection).await?)
}

/// How far a reader has come.
///
/// # Errors
/// When the database is away.
pub async fn read(connection: &mut Session, name: &str) -> Result<Option<Position>, StoreError> {
    let query = sqlx::query("select rev, epoch from feed_position where name = $1").bind(name);
    let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
    let revision = u64::try_from(row.try_get::<i64, _>("rev")?).unwrap_or_default();
    Ok(Some(Position { epoch: row.try_get("epoch")?, revision }))
}

/// The lowest position that somebody renews.
///
/// # Errors
/// When the database is away.
pub async fn lowest(connection: &mut Session, epoch: Uuid) -> Result<Option<u64>, StoreError> {
    let query = "select min(rev) from feed_position
        where epoch = $1 and at > clock_timestamp() - make_interval(secs => $2)";
    let lowest: Option<i64> =
        sqlx::query_scalar(query).bind(epoch).bind(RENEW_WITHIN.as_secs_f64()).fetch_one(connection).await?;
    Ok(lowest.map(|revision| u64::try_from(revision).unwrap_or_default()))
}

/// Forgets a reader.
///
/// # Errors
/// When the database is away.
pub async fn forget(connection: &mut Session, name: &str) -> Result<(), StoreError> {
    sqlx::query("delete from feed_position where name = $1").bind(name).execute(connection).await?;
    Ok(())
}

/// Forgets the readers of servers that run no more. A sink is another matter: it goes on where it was.
///
/// # Errors
/// When the database is away.
pub async fn forget_stale_readers(connection: &mut Session) -> Result<(), StoreError> {
    let query = "delete from feed_position
        where name like 'readers of %' and at < clock_timestamp() - make_interval(secs => $1)";
    sqlx::query(query).bind(RENEW_WITHIN.as_secs_f64()).execute(connection).await?;
    Ok(())
}
