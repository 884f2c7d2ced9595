//! How far the readers of the change log have come: what is needed to keep for them, and where a sink goes on.

use super::{Session, StoreError, row::number};
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
    connection.execute(query).await?;
    Ok(())
}

/// Makes this session the one that moves a position, until it ends; false if another one is.
///
/// # Errors
/// When the database is away.
pub async fn take_turn(connection: &mut Session, name: &str) -> Result<bool, StoreError> {
    let query = "select pg_try_advisory_lock(hashtext('cirrus sink ' || $1))";
    connection.value(sqlx::query(query).bind(name)).await
}

/// How far a reader has come.
///
/// # Errors
/// When the database is away.
pub async fn read(connection: &mut Session, name: &str) -> Result<Option<Position>, StoreError> {
    let query = sqlx::query("select rev, epoch from feed_position where name = $1").bind(name);
    let Some(row) = connection.row_if_any(query).await? else { return Ok(None) };
    Ok(Some(Position { epoch: row.try_get("epoch")?, revision: number(&row, "rev")? }))
}

/// The lowest position that somebody renews.
///
/// # Errors
/// When the database is away.
pub async fn lowest(connection: &mut Session, epoch: Uuid) -> Result<Option<u64>, StoreError> {
    let query = "select min(rev) from feed_position
        where epoch = $1 and at > clock_timestamp() - make_interval(secs => $2)";
    let lowest: Option<i64> = connection.value(sqlx::query(query).bind(epoch).bind(RENEW_WITHIN.as_secs_f64())).await?;
    let told = |revision| u64::try_from(revision).map_err(|_| StoreError::Row(format!("a position is {revision}")));
    lowest.map(told).transpose()
}

/// Forgets a reader.
///
/// # Errors
/// When the database is away.
pub async fn forget(connection: &mut Session, name: &str) -> Result<(), StoreError> {
    connection.execute(sqlx::query("delete from feed_position where name = $1").bind(name)).await?;
    Ok(())
}

/// Forgets the readers of servers that run no more. A sink is another matter: it goes on where it was.
///
/// # Errors
/// When the database is away.
pub async fn forget_stale_readers(connection: &mut Session) -> Result<(), StoreError> {
    let query = "delete from feed_position
        where name like 'readers of %' and at < clock_timestamp() - make_interval(secs => $1)";
    connection.execute(sqlx::query(query).bind(RENEW_WITHIN.as_secs_f64())).await?;
    Ok(())
}
