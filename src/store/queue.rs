//! The queue of those servers that want to write, where there are several: who is at its head may commit several batches, one
//! after the other, and the others do not get in between. It stays there until another one waits.
//!
//! The queue decides nothing. What may be committed is up to the row of the sequence ([`sequence`]), each time anew: the statement
//! that writes a batch does nothing if anybody has committed what the batch was not decided on. So whoever writes without having
//! waited here (a command, or a server that could not get a turn) harms nobody, and a lock that is lost with its session costs a
//! batch that is decided anew.
//!
//! It is a lock of the session, for it has to outlast commits; those who wait have it in the order in which they came. A server that
//! hangs while it has it is not in a transaction then, so it is the time that its session may be idle which ends it.

use super::{
    Session, StoreError,
    sequence::{self, Sequence},
};

/// The lock, in SQL.
macro_rules! turn {
    () => {
        "hashtext('cirrus turn')"
    };
}

/// Waits for its place, and asks what the row says when it has it. The one may take longer than the other: both on one way.
const ENTER: &str = concat!(
    "select set_config('idle_session_timeout', '5s', false), pg_advisory_lock(",
    turn!(),
    ");",
    sequence::select_row!()
);
const LEAVE: &str = concat!("select pg_advisory_unlock(", turn!(), "), set_config('idle_session_timeout', '0', false)");
/// Which locks of the database are the turn, in SQL, among those that somebody has or waits for.
macro_rules! is_turn {
    () => {
        concat!(
            "locktype = 'advisory' and objid = ((",
            turn!(),
            "::bigint & 4294967295))::oid
                and database = (select oid from pg_database where datname = current_database())"
        )
    };
}

/// Asks whether somebody waits.
pub const AWAITED: &str = concat!("select exists (select from pg_locks where not granted and ", is_turn!(), ")");
/// Asks who holds up everybody.
const HOLDERS: &str = concat!(
    "select string_agg(distinct pid::text, ', ') from pg_locks join pg_stat_activity using (pid)
        where (relation = 'feed_sequence'::regclass and mode in ('RowShareLock', 'RowExclusiveLock')
               and database = (select oid from pg_database where datname = current_database()) or ",
    is_turn!(),
    ")
              and granted and pid <> pg_backend_pid() and wait_event_type is distinct from 'Lock'"
);

/// Waits for the turn, which the session has until it leaves, or ends. What the row says is of a moment after that.
///
/// # Errors
/// When the database is away, or the turn is not to be had.
pub async fn enter(session: &mut Session) -> Result<Sequence, StoreError> {
    let rows = session.rows(sqlx::raw_sql(ENTER)).await?;
    sequence::read(rows.last().ok_or_else(|| StoreError::Row("no sequence".to_owned()))?)
}

/// Lets the next one have it.
///
/// # Errors
/// When the database is away; then the turn ends with the session.
pub async fn leave(session: &mut Session) -> Result<(), StoreError> {
    session.execute(sqlx::raw_sql(LEAVE)).await?;
    Ok(())
}

/// Whether another server waits for the turn that this session has.
///
/// # Errors
/// When the database is away.
pub async fn is_awaited(session: &mut Session) -> Result<bool, StoreError> {
    session.value(sqlx::query(AWAITED)).await
}

/// The processes of the database that have the turn, or hold the row of the sequence, or have it next.
///
/// # Errors
/// When the database is away.
pub async fn holders(session: &mut Session) -> Result<Option<String>, StoreError> {
    session.value(sqlx::query(HOLDERS)).await
}
