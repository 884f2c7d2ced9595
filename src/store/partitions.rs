//! The partitions of the change log: made before revisions come that need one, dropped when nobody needs theirs.

use super::{Session, StoreError, feed_position, operation::PARTITIONS, row::number, sequence};
use crate::finding::{Finding, Findings, Kind, Place};
use sqlx::{AssertSqlSafe, Row, postgres::PgRow};
use std::time::Duration;

/// How long the removal of a partition waits for anything. A removal that waits would make others wait for it, and readers
/// may take hours; so it is tried again later.
const REMOVAL_WAITS: &str = "200ms";

/// Makes partitions up to a revision, in a transaction of its own. Gives the last revision that has one.
///
/// Nothing of a batch may be under way on the connection: whoever holds the row of the sequence would hold up all servers while
/// this waits. It waits for others who change the partitions, or look at all of them (`analyze change`), never for readers.
///
/// # Errors
/// When the database is away, or it has to wait for longer than this for a lock; then nothing was made.
pub async fn make_until(
    connection: &mut Session,
    revision: u64,
    size: u64,
    patience: Duration,
) -> Result<u64, StoreError> {
    connection.turn_to(PARTITIONS);
    let mut transaction = connection.begin().await?;
    let limit = format!("set local lock_timeout = {}", patience.as_millis().max(1));
    transaction.execute(sqlx::query(AssertSqlSafe(limit))).await?;
    // One server at a time, without the row, which is locked last and for no longer than a commit takes.
    transaction.execute(sqlx::query("select pg_advisory_xact_lock(hashtext('cirrus partitions'))")).await?;
    let mut until = sequence::peek(&mut transaction).await?.partitioned_until;
    if revision <= until {
        // Another server has made them. A transaction without an end would take the session with it.
        transaction.roll_back().await?;
        return Ok(until);
    }
    while until < revision {
        make(&mut transaction, until + 1, size).await?;
        until += size;
    }
    let last = i64::try_from(until).unwrap_or(i64::MAX);
    transaction.execute(sqlx::query("update feed_sequence set partitioned_until = $1").bind(last)).await?;
    transaction.commit().await?;
    Ok(until)
}

/// Makes the partition that begins with this revision.
async fn make(session: &mut Session, first: u64, size: u64) -> Result<(), StoreError> {
    // Attached, not made as a partition: that asks for a lock which reads and inserts do not notice.
    let make = format!(
        "create table change_{first} (like change including all);
         alter table change attach partition change_{first} for values from ({first}) to ({});",
        first + size
    );
    session.execute(sqlx::raw_sql(AssertSqlSafe(make))).await?;
    Ok(())
}

/// How many revisions the partition has that a log begins with.
const FIRST_SIZE: u64 = 100_000;

/// Has the log begin after this revision, inside of a transaction that is to replace everything. Gives the last revision that has a
/// partition.
///
/// # Errors
/// When the database is away, or somebody reads in the log and does not let go.
pub async fn begin_after(session: &mut Session, revision: u64) -> Result<u64, StoreError> {
    session.execute(sqlx::query("select pg_advisory_xact_lock(hashtext('cirrus partitions'))")).await?;
    for table in tables(session).await? {
        let drop = format!("drop table change_{}", table.first);
        session.execute(sqlx::query(AssertSqlSafe(drop))).await?;
    }
    make(session, revision + 1, FIRST_SIZE).await?;
    Ok(revision + FIRST_SIZE)
}

/// What has to stay in the log.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// At least so many changes ...
    pub changes: u64,
    /// ... and those that are not older than this,
    pub age: Duration,
    /// and what somebody still has to read; but of all that, not more than so many changes.
    pub at_most: u64,
}

impl Retention {
    /// How many revisions a partition has: trimming goes in steps of a tenth of what is kept.
    pub fn partition_size(&self) -> u64 {
        (self.changes / 10).clamp(100, 100_000)
    }
}

/// Drops the partitions that need not stay; tells the number of the last change trimmed; only one server does so at
/// a time.
///
/// # Errors
/// When the database is away, or a statement takes too long: then the rest is done the next time.
pub async fn trim(connection: &mut Session, retention: Retention) -> Result<u64, StoreError> {
    let mine: bool = connection.value(sqlx::query("select pg_try_advisory_lock(hashtext('cirrus trim'))")).await?;
    if !mine {
        return Ok(sequence::peek(connection).await?.floor);
    }
    let trimmed = trim_alone(connection, retention).await;
    connection.execute(sqlx::query("select pg_advisory_unlock(hashtext('cirrus trim'))")).await?;
    trimmed
}

async fn trim_alone(connection: &mut Session, retention: Retention) -> Result<u64, StoreError> {
    let sequence = sequence::peek(connection).await?;
    let needed = feed_position::lowest(connection, sequence.epoch).await?.unwrap_or(u64::MAX);
    let wanted = sequence.last_revision.saturating_sub(retention.changes).min(needed);
    let forced = sequence.last_revision.saturating_sub(retention.at_most);
    let mut floor = sequence.floor;
    let tables = tables(connection).await?;
    let firsts: Vec<u64> = tables.iter().filter(|table| table.first > floor).map(|table| table.first).collect();
    // Where one ends, the next begins. The last one is being filled and stays.
    for end in firsts.iter().skip(1).map(|next| next - 1).take_while(|end| *end < sequence.last_revision) {
        if !(end <= forced || (end <= wanted && is_older(connection, end, retention.age).await?)) {
            break;
        }
        floor = end;
    }
    if floor > sequence.floor {
        // First, so that whoever finds nothing there is told why.
        sequence::raise_floor(connection, floor).await?;
    }
    let limit = format!("set lock_timeout = '{REMOVAL_WAITS}'");
    connection.execute(sqlx::query(AssertSqlSafe(limit))).await?;
    for table in tables.iter().filter(|table| table.first <= floor) {
        match drop_table(connection, table).await {
            Ok(()) => {}
            Err(error) if error.is_waiting_for_others() => {
                tracing::debug!(%error, first = table.first, "somebody reads in a part of the log that is to go");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    connection.execute(sqlx::query("reset lock_timeout")).await?;
    Ok(floor)
}

async fn is_older(connection: &mut Session, revision: u64, age: Duration) -> Result<bool, StoreError> {
    let query = "select at < now() - make_interval(secs => $2) from change where rev = $1";
    let older: Option<bool> = connection
        .value_if_any(sqlx::query(query).bind(i64::try_from(revision).unwrap_or(i64::MAX)).bind(age.as_secs_f64()))
        .await?;
    Ok(older.unwrap_or_default())
}

/// The changes that the log should have and that no partition is for.
///
/// # Errors
/// When the database is away.
pub async fn uncovered(connection: &mut Session, findings: &mut Findings) -> Result<(), StoreError> {
    let sequence = sequence::peek(connection).await?;
    let query = r"select (regexp_match(bound, 'FROM \(''(\d+)''\)'))[1]::bigint as first,
               (regexp_match(bound, 'TO \(''(\d+)''\)'))[1]::bigint - 1 as last
        from pg_inherits join pg_class on pg_class.oid = inhrelid, lateral pg_get_expr(relpartbound, inhrelid) as bound
        where inhparent = 'change'::regclass and not inhdetachpending order by first";
    let mut next = sequence.floor + 1;
    for row in connection.rows(sqlx::query(query)).await? {
        let (first, last) = (number(&row, "first")?, number(&row, "last")?);
        if first > next {
            let text = format!("the log has no partition for the changes from {next} to {}", first - 1);
            findings.push(Finding::new(Kind::LogPartition, Place::Change(next), text));
        }
        next = next.max(last + 1);
    }
    if next != sequence.partitioned_until.max(sequence.floor) + 1 {
        let (there, said) = (next - 1, sequence.partitioned_until);
        let text = format!("the log has partitions up to {there}, and is said to have them up to {said}");
        let repair = format!("update feed_sequence set partitioned_until = {there} where partitioned_until = {said}");
        let finding = Finding::new(Kind::PartitionedUntil, Place::Table("feed_sequence"), text);
        findings.push(finding.repaired_by(repair));
    }
    Ok(())
}

/// A table with a part of the log.
struct Table {
    /// The number of the first change that it is for.
    first: u64,
    state: State,
}

/// How far its removal has come. A server may die at any point of it; the next one goes on there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Partition,
    Detaching,
    Detached,
}

/// All of them, the oldest first.
async fn tables(connection: &mut Session) -> Result<Vec<Table>, StoreError> {
    let query = "select substr(relname, 8)::bigint as first, inhdetachpending as detaching
         from pg_class left join pg_inherits on inhrelid = pg_class.oid and inhparent = 'change'::regclass
         where relkind = 'r' and relname ~ '^change_[0-9]+$' and pg_table_is_visible(pg_class.oid)
         order by first";
    let rows = connection.rows(sqlx::query(query)).await?;
    let table = |row: &PgRow| {
        let state = match row.try_get::<Option<bool>, _>("detaching")? {
            Some(false) => State::Partition,
            Some(true) => State::Detaching,
            None => State::Detached,
        };
        Ok(Table { first: number(row, "first")?, state })
    };
    rows.iter().map(table).collect()
}

/// Takes a table out of the log without a lock that reads or writes would notice, and drops it. Where somebody has read in the
/// log for long, the detaching is left half done, and is finished later.
async fn drop_table(connection: &mut Session, table: &Table) -> Result<(), StoreError> {
    let name = format!("change_{}", table.first);
    let detach = match table.state {
        State::Partition => Some("concurrently"),
        State::Detaching => Some("finalize"),
        State::Detached => None,
    };
    if let Some(how) = detach {
        let detach = format!("alter table change detach partition {name} {how}");
        connection.execute(sqlx::query(AssertSqlSafe(detach))).await?;
    }
    connection.execute(sqlx::query(AssertSqlSafe(format!("drop table {name}")))).await?;
    Ok(())
}
