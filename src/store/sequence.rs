//! The sequence of revisions: one row, whose lock decides who commits next.
//!
//! The row also names the server, if any, that is the only one (`sole`): it answers reads from its memory without asking
//! here. Reads see everything that any server has answered before all the same, because of this:
//!
//! 1. A server may do so for [`LEASE`] from the moment at which it asked a question whose answer had its own name. So when
//!    it goes by its memory, there was a moment within the last [`LEASE`] at which the row that everybody sees had its name.
//! 2. Whoever else wants to commit takes the name away first: `sole` becomes null, and `freed` a new uuid. When a server
//!    has *seen* that uuid, in an answer, the row that everybody sees does not have the name any more, however long the
//!    commit that took it away was under way. By 1 nobody goes by that name [`LEASE`] later.
//! 3. While `freed` is there, nobody commits anything who has not known this very uuid for [`GRACE`], which is longer, by
//!    his own clock, begun when the answer that had it was there. It does not matter who took the name away, and whether he
//!    still lives. Then `freed` is cleared, in the transaction that commits.
//! 4. A name comes into the row only where there is none and nobody has to be waited for any more: `freed` is null, or the
//!    one who claims it has waited himself, as in 3. So where there is a name there is no `freed`, and a server that goes
//!    by another name, taken away before, is none that still answers from its memory.
//! 5. Who gives his own name back ([`resign`]) does not go by it any more, and nobody has to wait for him.
//! 6. All of it is looked at and changed under the lock of the row, or with a condition in the statement that writes.
//!
//! No clock is ever compared with that of another machine: it is enough that none runs [`GRACE`] / [`LEASE`] times as fast
//! as another. A server that is stopped between a look at its lease and an answer answers a read that had begun before what
//! it was stopped for, and may be answered so. Of the two clocks that Linux has for this, the one is used that goes on
//! while the machine sleeps; where a virtual machine is frozen with all its clocks for longer than [`LEASE`], what it answers
//! within the rest of that time after it was thawed may be of before.
//!
//! `fence` makes it definite that a batch was not committed. A statement that was sent may still be on its way when its
//! connection is given up, or wait in a process that is stopped, and be carried out much later. Who asks whether it was
//! changes `fence`, and a statement with another one does nothing.
//!
//! The row tells the history that the revisions are of, too (`epoch`), and what is left of it in the log (`floor`).

use super::{Session, StoreError, row::number};
use crate::graph::Position;
use sqlx::{Row, postgres::PgRow};
use std::time::Duration;
use uuid::Uuid;

/// How long a server counts as the only one after it has seen its name in the row.
pub const LEASE: Duration = Duration::from_millis(400);
/// How long nobody commits after he has seen that a name was taken away.
pub const GRACE: Duration = Duration::from_secs(1);

/// Asks what the row says, in SQL.
macro_rules! select_row {
    () => {
        "select last_rev, epoch, floor, partitioned_until, sole, freed, fence from feed_sequence"
    };
}
pub(super) use select_row;

/// Asks what the row says ...
pub const PEEK: &str = select_row!();
/// ... and keeps it from being changed.
pub const LOCK: &str = concat!(select_row!(), " for update");
/// Asks for the batch that a change was committed with.
pub const COMMITTED: &str = "select 1 from change where rev = $1 and batch = $2";
/// Asks how many servers have announced themselves.
pub const SERVERS: &str = "select count(*) from pg_locks where locktype = 'advisory' and granted
    and database = (select oid from pg_database where datname = current_database())
    and objid = ((hashtext('cirrus server')::bigint & 4294967295))::oid";

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
    /// Set while the name of an only server may still be gone by: nobody commits who has not known it for [`GRACE`].
    pub freed: Option<Uuid>,
    /// What a batch has to name to be written.
    pub fence: Uuid,
}

pub(super) fn read(row: &PgRow) -> Result<Sequence, StoreError> {
    Ok(Sequence {
        last_revision: number(row, "last_rev")?,
        epoch: row.try_get("epoch")?,
        floor: number(row, "floor")?,
        partitioned_until: number(row, "partitioned_until")?,
        sole: row.try_get("sole")?,
        freed: row.try_get("freed")?,
        fence: row.try_get("fence")?,
    })
}

/// Waits for its turn and reads the row. The lock lasts until the end of the transaction.
///
/// # Errors
/// When the database is away or the lock is not to be had.
pub async fn lock(connection: &mut Session) -> Result<Sequence, StoreError> {
    read(&connection.row(sqlx::query(LOCK)).await?)
}

/// Reads the row without waiting.
///
/// # Errors
/// When the database is away.
pub async fn peek(connection: &mut Session) -> Result<Sequence, StoreError> {
    read(&connection.row(sqlx::query(PEEK)).await?)
}

/// Which cluster, timeline and database a session leads to, in SQL.
macro_rules! here {
    () => {
        "(select concat_ws('/', (select system_identifier from pg_control_system()),
            ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
            (select oid from pg_database where datname = current_database())))"
    };
}

/// Which table it is, in SQL: one that was restored from a dump is another one.
macro_rules! table {
    () => {
        "concat_ws('/', 'feed_sequence'::regclass::oid, pg_relation_filenode('feed_sequence'))"
    };
}

/// Asks whether this is the database that the present epoch began on.
pub const RECOGNISE: &str =
    concat!("select (cluster, relation) is distinct from (", here!(), ", ", table!(), ") from feed_sequence");

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
pub async fn recognise(connection: &mut Session) -> Result<(), StoreError> {
    // Asked first, because a database that is read-only can still be read.
    let is_other: bool = connection.value(sqlx::query(RECOGNISE)).await?;
    if !is_other {
        return Ok(());
    }
    let query = concat!(
        "update feed_sequence set epoch = gen_random_uuid(), cluster = ",
        here!(),
        ", relation = ",
        table!(),
        " where (cluster, relation) is distinct from (",
        here!(),
        ", ",
        table!(),
        ")"
    );
    if connection.execute(sqlx::query(query)).await? > 0 {
        tracing::info!("a new epoch of revisions begins on this database");
    }
    Ok(())
}

/// Begins another epoch if the database has lost changes that were committed up to this position: it was put back to an
/// earlier state, and later changes would get numbers that others had. Of several servers that know so, one does it.
///
/// # Errors
/// When the database is away.
pub async fn recognise_loss(connection: &mut Session, known: Position) -> Result<(), StoreError> {
    let query = "update feed_sequence set epoch = gen_random_uuid() where epoch = $1 and last_rev < $2";
    let revision = i64::try_from(known.revision).unwrap_or(i64::MAX);
    if connection.execute(sqlx::query(query).bind(known.epoch).bind(revision)).await? > 0 {
        tracing::warn!(%known, "the database has lost changes that were there: a new epoch of revisions begins");
    }
    Ok(())
}

/// Begins another epoch, whatever the row says.
///
/// # Errors
/// When the database is away.
pub async fn begin_epoch(connection: &mut Session) -> Result<(), StoreError> {
    connection.execute(sqlx::query("update feed_sequence set epoch = gen_random_uuid()")).await?;
    Ok(())
}

/// What the row says of the file beside a private cluster.
///
/// # Errors
/// When the database is away.
pub async fn mark(connection: &mut Session) -> Result<Option<String>, StoreError> {
    connection.value(sqlx::query("select mark from feed_sequence")).await
}

/// Writes what there is to say of that file.
///
/// # Errors
/// When the database is away.
pub async fn set_mark(connection: &mut Session, mark: &str) -> Result<(), StoreError> {
    connection.execute(sqlx::query("update feed_sequence set mark = $1").bind(mark)).await?;
    Ok(())
}

/// Declares that the log has lost all changes up to this one.
///
/// # Errors
/// When the database is away.
pub async fn raise_floor(connection: &mut Session, floor: u64) -> Result<(), StoreError> {
    let floor = i64::try_from(floor).unwrap_or(i64::MAX);
    connection.execute(sqlx::query("update feed_sequence set floor = $1 where floor < $1").bind(floor)).await?;
    Ok(())
}

/// Takes the name of the only server away, whoever it is. Nobody commits before he has waited for it.
///
/// # Errors
/// When the database is away.
pub async fn free(connection: &mut Session) -> Result<(), StoreError> {
    let query = "update feed_sequence set sole = null, freed = gen_random_uuid() where sole is not null";
    connection.execute(sqlx::query(query)).await?;
    Ok(())
}

/// Tells everybody that nobody has to wait any more: who calls it has waited. To be done under the lock.
///
/// # Errors
/// When the database is away.
pub async fn settle(connection: &mut Session) -> Result<(), StoreError> {
    connection.execute(sqlx::query("update feed_sequence set freed = null")).await?;
    Ok(())
}

/// Gives the own name back: who did so answers no reads any more, and nobody has to wait.
///
/// # Errors
/// When the database is away.
pub async fn resign(connection: &mut Session, server: Uuid) -> Result<(), StoreError> {
    connection.execute(sqlx::query("update feed_sequence set sole = null where sole = $1").bind(server)).await?;
    Ok(())
}

/// Writes the own name, if none is there, and nothing that others have to wait for but what the caller has waited for.
///
/// # Errors
/// When the database is away.
pub async fn claim(connection: &mut Session, server: Uuid, waited_for: Option<Uuid>) -> Result<(), StoreError> {
    let query = "update feed_sequence set sole = $1, freed = null
        where sole is null and (freed is null or freed = $2)";
    connection.execute(sqlx::query(query).bind(server).bind(waited_for)).await?;
    Ok(())
}

/// Marks the session as that of a running server, until it ends.
///
/// # Errors
/// When the database is away.
pub async fn announce(connection: &mut Session) -> Result<(), StoreError> {
    connection.execute(sqlx::query("select pg_advisory_lock_shared(hashtext('cirrus server'))")).await?;
    Ok(())
}

/// How many servers run on this database.
///
/// # Errors
/// When the database is away.
pub async fn count_servers(connection: &mut Session) -> Result<i64, StoreError> {
    connection.value(sqlx::query(SERVERS)).await
}

/// Sees to it that no batch is committed any more that was sent before. To be done under the lock.
///
/// # Errors
/// When the database is away.
pub async fn fence_off(connection: &mut Session) -> Result<(), StoreError> {
    connection.execute(sqlx::query("update feed_sequence set fence = gen_random_uuid()")).await?;
    Ok(())
}

/// Whether the batch with this id, which ends with this revision, is committed. It may be on its way, unless it was fenced
/// off, or the process that it was sent to is gone.
///
/// # Errors
/// When the database is away.
pub async fn is_committed(connection: &mut Session, batch: Uuid, last_revision: u64) -> Result<bool, StoreError> {
    let query = sqlx::query(COMMITTED);
    let revision = i64::try_from(last_revision).unwrap_or(i64::MAX);
    Ok(connection.row_if_any(query.bind(revision).bind(batch)).await?.is_some())
}

/// A process of the database. Its id may be that of another one when it has come to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// As the system counts them.
    pub id: i32,
    /// When it was started, in microseconds of the database's clock.
    started: i64,
}

/// Whether it is the process with this id, `$1`, that was started then, `$2`, in SQL.
macro_rules! is_process {
    () => {
        "pid = $1 and (extract(epoch from backend_start) * 1000000)::bigint = $2"
    };
}

/// Whether a process of the database has come to its end, and with it all that was sent to it.
///
/// # Errors
/// When the database is away.
pub async fn is_gone(connection: &mut Session, process: Process) -> Result<bool, StoreError> {
    let query = concat!("select not exists (select from pg_stat_activity where ", is_process!(), ")");
    connection.value(sqlx::query(query).bind(process.id).bind(process.started)).await
}

/// Which process of the database serves this session.
///
/// # Errors
/// When the database is away.
pub async fn process(connection: &mut Session) -> Result<Process, StoreError> {
    let query = "select pid, (extract(epoch from backend_start) * 1000000)::bigint as started
        from pg_stat_activity where pid = pg_backend_pid()";
    let row = connection.row(sqlx::query(query)).await?;
    Ok(Process { id: row.try_get("pid")?, started: row.try_get("started")? })
}

/// Ends a session that this server has given up, where it holds or awaits the lock, or may have the turn: the database may not know for
/// long that nobody is there any more. One that commits is left alone: it may wait for a standby, which it would not do any more.
///
/// # Errors
/// When the database is away, or the session is of another role.
pub async fn end_session(connection: &mut Session, process: Process) -> Result<(), StoreError> {
    let query = concat!(
        "select pg_terminate_backend(pid) from pg_stat_activity where ",
        is_process!(),
        " and datname = current_database() and application_name = 'cirrus'
              and (state in ('idle', 'idle in transaction') or wait_event_type = 'Lock')"
    );
    connection.execute(sqlx::query(query).bind(process.id).bind(process.started)).await?;
    Ok(())
}
