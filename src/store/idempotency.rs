//! Requests that have a key, and what they were answered: for a day the same request under the same key gets it again.
//!
//! A row is written by the statement that writes what the request did (`append.rs`), so both are there or neither is, and only
//! under the lock of the row of the sequence, so keys are given out one batch after the other. The primary key refuses a second
//! answer, whoever has decided it; what is older than a day counts as gone, by the clock of the database, whether its row is
//! still there or not.

use super::{Session, StoreError, row::number};
use crate::graph::Position;
use indexmap::IndexMap;
use sqlx::Row;
use std::sync::Arc;
use uuid::Uuid;

/// How many rows are deleted at a time.
const FORGOTTEN_AT_A_TIME: i64 = 10_000;

/// For how long an answer is kept, in SQL.
macro_rules! kept_for {
    () => {
        "interval '1 day'"
    };
}
pub(super) use kept_for;

/// SHA-256 of all that has to be the same.
pub type Fingerprint = [u8; 32];

/// A key: whose it is, and its text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// Who has chosen it.
    pub who: String,
    /// 1 to 255 characters of visible ASCII.
    pub text: String,
}

/// What is said of a request that is to be done once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keyed {
    /// Under which key.
    pub key: Key,
    /// What it is.
    pub fingerprint: Fingerprint,
}

/// What was answered to the first request under a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// What that was.
    pub fingerprint: Vec<u8>,
    /// The last change that was committed when it was done.
    pub revision: u64,
    /// What the rules said, as JSON.
    pub outcome: String,
}

/// By key.
pub type KeptAnswers = IndexMap<Key, Arc<Kept>>;

/// What is known of some keys.
pub struct Found {
    /// The answers of those that had one.
    pub answers: KeptAnswers,
    /// Up to where everything was committed at that moment ...
    pub position: Position,
    /// ... and who was the only server.
    pub sole: Option<Uuid>,
}

/// What is known of keys.
pub const LOOK_UP: &str = concat!(
    "select last_rev, epoch, sole, who, key, fingerprint, revision, outcome
     from feed_sequence left join (
         select kept.*
         from unnest($1::text[], $2::text[]) as asked (who, key),
              -- By key: how many are not old changes all the time.
              lateral (select who, key, fingerprint, revision, outcome::text, at from idempotency_key as kept
                       where kept.who = asked.who and kept.key = asked.key offset 0) as kept
         where kept.at > now() - ",
    kept_for!(),
    ") as kept on true"
);
/// Whether a batch has written the answer to a key.
pub const WRITTEN: &str = "select 1 from idempotency_key where who = $1 and key = $2 and batch = $3";

/// Asks for keys. What is answered is of one moment.
///
/// # Errors
/// When the database is away.
pub async fn look_up(connection: &mut Session, asked: &[&Key]) -> Result<Found, StoreError> {
    let (who, texts): (Vec<&str>, Vec<&str>) = asked.iter().map(|key| (key.who.as_str(), key.text.as_str())).unzip();
    let rows = connection.rows(sqlx::query(LOOK_UP).bind(who).bind(texts)).await?;
    let sequence = rows.first().ok_or_else(|| StoreError::Row("no sequence".to_owned()))?;
    let position = Position { epoch: sequence.try_get("epoch")?, revision: number(sequence, "last_rev")? };
    let mut found = Found { answers: KeptAnswers::default(), position, sole: sequence.try_get("sole")? };
    for row in &rows {
        let Some(who) = row.try_get("who")? else { continue };
        let kept = Kept {
            fingerprint: row.try_get("fingerprint")?,
            revision: number(row, "revision")?,
            outcome: row.try_get("outcome")?,
        };
        found.answers.insert(Key { who, text: row.try_get("key")? }, Arc::new(kept));
    }
    Ok(found)
}

/// Whether a batch has written the answer to this key.
///
/// # Errors
/// When the database is away.
pub async fn is_written(connection: &mut Session, key: &Key, batch: Uuid) -> Result<bool, StoreError> {
    let query = sqlx::query(WRITTEN);
    Ok(connection.row_if_any(query.bind(&key.who).bind(&key.text).bind(batch)).await?.is_some())
}

/// Deletes what is older than a day, some at a time. Several servers may do so; none waits for another, or for a batch.
///
/// # Errors
/// When the database is away; then the rest is done the next time.
pub async fn forget_old(connection: &mut Session) -> Result<(), StoreError> {
    let query = concat!(
        "delete from idempotency_key where ctid = any(array(
             select ctid from idempotency_key where at <= now() - ",
        kept_for!(),
        " order by at limit $1 for update skip locked))"
    );
    loop {
        let deleted = connection.execute(sqlx::query(query).bind(FORGOTTEN_AT_A_TIME)).await?;
        if deleted < FORGOTTEN_AT_A_TIME.unsigned_abs() {
            return Ok(());
        }
    }
}
