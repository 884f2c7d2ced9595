//! The sequence of revisions: one row, whose lock decides who commits next.
//!
//! The row also names the server, if any, that is the only one: it answers reads from its memory without asking
//! here. It may do so for [`LEASE`] after it has seen its own name. Whoever else wants to commit first takes the name
//! away and then waits for [`GRACE`], by when that permission has run out.
//!
//! The row tells the history that the revisions are of, too (`epoch`), and what is left of it in the log (`floor`).

use super::StoreError;
use crate::graph::Position;
use sqlx::{PgConnection, Row};
use std::time::Duration;
use uuid::Uuid;

/// How long a server counts as the only one after it has seen its name in the row.
pub const LEASE: Duration = Duration::from_millis(400);
/// How long nobody commits after a name was taken away: the lease, and the time that the taking may take.
pub const GRACE: &str = "1 second";

/// What the row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The number of the last change.
    pub last_revision: u64,
    /// Which history it is of.
    pub epoch: Uuid,
    /// The number of the last change that was trimmed: the log has those after it.
    pub floor: u64,
    /// The number of the last change that the log has a partition for.
    pub partitioned_until: u64,
    /// The only server.
    pub sole: Option<Uuid>,
    /// How long to wait before a commit.
    pub wait: Duration,
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Sequence, StoreError> {
    let number = |column: &str| {
        let number: i64 = row.try_get(column)?;
        u64::try_from(number).map_err(|_| StoreError::Row(format!("{column} {number}")))
    };
    let wait: f64 = row.try_get("wait")?;
    let wait = Duration::try_from_secs_f64(wait.max(0.0)).unwrap_or_default();
    Ok(Sequence {
        last_revision: number("last_rev")?,
        epoch: row.try_get("epoch")?,
        floor: number("floor")?,
        partitioned_until: number("partitioned_until")?,
        sole: row.try_get("sole")?,
        wait,
    })
}

/// Waits for its turn and reads the row. The lock lasts until the end of the transaction.
///
/// # Errors
/// When the database is away or the lock is not to be had.
pub async fn lock(connection: &mut PgConnection) -> Result<Sequence, StoreError> {
    let query = "select last_rev, epoch, floor, partitioned_until, sole,
        coalesce(extract(epoch from freed_at + $1::text::interval - clock_timestamp()), 0)::float8 as wait
        from feed_sequence for update";
    read(&sqlx::query(query).bind(GRACE).fetch_one(connection).await?)
}

/// Reads the row without waiting.
///
/// # Errors
/// When the database is away.
pub async fn peek(connection: &mut PgConnection) -> Result<Sequence, StoreError> {
    let query = "select last_rev, epoch, floor, partitioned_until, sole, 0::float8 as wait from feed_sequence";
    read(&sqlx::query(query).fetch_one(connection).await?)
}

/// Begins another epoch if this is not the database that the present one began on: after a restore, or on a standby that
/// took over and may lack what was committed last. Nothing is known to be lost, but it can't be ruled out either.
///
/// A dump that is restored into the database that it is of is known by the table, which is a new one then (or has a new file,
/// if it was only emptied and filled). That `vacuum full` makes a new file, too, costs the readers a new start.
///
/// The timeline is that of the log that is being written: what the control file says is of the last checkpoint, and a
/// standby that takes over writes for minutes before its first.
///
/// # Errors
/// When the database is away.
pub async fn recognise(connection: &mut PgConnection) -> Result<(), StoreError> {
    let query = "with here as (
            select concat_ws('/', (select system_identifier from pg_control_system()),
                ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
                (select oid from pg_database where datname = current_database())) as cluster,
                concat_ws('/', 'feed_sequence'::regclass::oid, pg_relation_filenode('feed_sequence')) as relation
        )
        update feed_sequence set epoch = gen_random_uuid(), cluster = here.cluster, relation = here.relation
        from here where (feed_sequence.cluster, feed_sequence.relation) is distinct from (here.cluster, here.relation)";
    if sqlx::query(query).execute(connection).await?.rows_affected() > 0 {
        tracing::info!("a new epoch of revisions begins on this database");
    }
    Ok(())
}

/// Begins another epoch if the database has lost changes that were committed up to this position: it was put back to an
/// earlier state, and later changes would get numbers that others had. Of several servers that know so, one does it.
///
/// # Errors
/// When the database is away.
pub async fn recognise_loss(connection: &mut PgConnection, known: Position) -> Result<(), StoreError> {
    let query = "update feed_sequence set epoch = gen_random_uuid() where epoch = $1 and last_rev < $2";
    let revision = i64::try_from(known.revision).unwrap_or(i64::MAX);
    if sqlx::query(query).bind(known.epoch).bind(revision).execute(connection).await?.rows_affected() > 0 {
        tracing::warn!(%known, "the database has lost changes that were there: a new epoch of revisions begins");
    }
    Ok(())
}

/// Begins another epoch, whatever the row says.
///
/// # Errors
/// When the database is away.
pub async fn begin_epoch(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("update feed_sequence set epoch = gen_random_uuid()").execute(connection).await?;
    Ok(())
}

/// What the row says of the file beside a private cluster.
///
/// # Errors
/// When the database is away.
pub async fn mark(connection: &mut PgConnection) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("select mark from feed_sequence").fetch_one(connection).await?)
}

/// Writes what there is to say of that file.
///
/// # Errors
/// When the database is away.
pub async fn set_mark(connection: &mut PgConnection, mark: &str) -> Result<(), StoreError> {
    sqlx::query("update feed_sequence set mark = $1").bind(mark).execute(connection).await?;
    Ok(())
}

/// Declares that the log has lost all changes up to this one.
///
/// # Errors
/// When the database is away.
pub async fn raise_floor(connection: &mut PgConnection, floor: u64) -> Result<(), StoreError> {
    let floor = i64::try_from(floor).unwrap_or(i64::MAX);
    sqlx::query("update feed_sequence set floor = $1 where floor < $1").bind(floor).execute(connection).await?;
    Ok(())
}

/// Takes the name of the only server away, whoever it is.
///
/// # Errors
/// When the database is away.
pub async fn free(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("update feed_sequence set sole = null, freed_at = clock_timestamp()").execute(connection).await?;
    Ok(())
}

/// Gives the own name back: who did so answers no reads any more, and nobody has to wait.
///
/// # Errors
/// When the database is away.
pub async fn resign(connection: &mut PgConnection, server: Uuid) -> Result<(), StoreError> {
    sqlx::query("update feed_sequence set sole = null where sole = $1").bind(server).execute(connection).await?;
    Ok(())
}

/// Writes the own name, if none is there, and gives the revision from which on it holds.
///
/// # Errors
/// When the database is away.
pub async fn claim(connection: &mut PgConnection, server: Uuid) -> Result<Option<u64>, StoreError> {
    let query = "update feed_sequence set sole = $1 where sole is null returning last_rev";
    let row = sqlx::query(query).bind(server).fetch_optional(connection).await?;
    row.map(|row| Ok(u64::try_from(row.try_get::<i64, _>("last_rev")?).unwrap_or_default())).transpose()
}

/// Marks the session as that of a running server, until it ends.
///
/// # Errors
/// When the database is away.
pub async fn announce(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_lock_shared(hashtext('cirrus server'))").execute(connection).await?;
    Ok(())
}

/// How many servers run on this database.
///
/// # Errors
/// When the database is away.
pub async fn count_servers(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let query = "select count(*) from pg_locks where locktype = 'advisory' and granted
        and database = (select oid from pg_database where datname = current_database())
        and objid = ((hashtext('cirrus server')::bigint & 4294967295))::oid";
    Ok(sqlx::query_scalar(query).fetch_one(connection).await?)
}

/// Whether the batch with this id, which ends with this revision, was committed. To be asked under the lock: then a
/// commit that was under way when a connection broke has been decided.
///
/// # Errors
/// When the database is away.
pub async fn is_committed(connection: &mut PgConnection, batch: Uuid, last_revision: u64) -> Result<bool, StoreError> {
    let query = sqlx::query("select 1 from change where rev = $1 and batch = $2");
    let revision = i64::try_from(last_revision).unwrap_or(i64::MAX);
    Ok(query.bind(revision).bind(batch).fetch_optional(connection).await?.is_some())
}
