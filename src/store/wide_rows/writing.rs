//! What is written into tables: all of a batch, or nothing.

use super::{WideRowError, WideRows, is_name, no_table, reading::range};
use crate::{
    store::{Session, StoreError, operation::WIDE_WRITE},
    wide_row::{Cell, Columns, Place, Write},
};
use sha2::{Digest, Sha256};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// What the times of writes are worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Times {
    /// They are of a client's clock: one that is more than a minute off the database's clock would hide what others write for as
    /// long, so that of the database counts in its place.
    Client,
    /// They were given on purpose, and count as they are.
    Given,
    /// They are nothing: the clock of the database counts.
    Now,
}

impl Times {
    /// As `wide_row_time` knows it.
    fn source(self) -> &'static str {
        match self {
            Self::Client => "c",
            Self::Given => "g",
            Self::Now => "n",
        }
    }
}

/// The part of a batch that is for one table.
#[derive(Clone, Copy, Debug)]
pub struct TableWrites<'b> {
    /// The keyspace of the table.
    pub keyspace: &'b str,
    /// Its name.
    pub table: &'b str,
    /// What their times are worth.
    pub times: Times,
    /// What is written. A put of a null takes the column out.
    pub writes: &'b [Write],
}

/// A put that is alone: all in one statement, which is a transaction by itself. It tells whether there is a table.
const PUT_ONE: &str = "
    with target as materialized (select id from wide_table where keyspace = $1 and name = $2 for key share),
    put as (
        insert into wide_row as stored (wide_table, key, column1, value, written)
        select id, $3, $4, $5, wide_row_time($6, $7) from target
        on conflict (wide_table, sha256(key), substring(column1 for 1000), sha256(column1)) do update
            set value = excluded.value, written = excluded.written
            where (stored.written, stored.value) < (excluded.written, excluded.value))
    select exists (select from target)";
/// Keeps others from writing into the same rows. What comes of them is locked in the order of the list.
const LOCK_ROWS: &str =
    "select pg_advisory_xact_lock(hashtext('cirrus wide rows'), share) from unnest($1::int[]) as share";
/// Keeps tables from being dropped, and gives their numbers with their places in the lists.
const LOCK_TABLES: &str = "
    select id, place::int - 1 as place
    from unnest($1::text[], $2::text[]) with ordinality as named (keyspace, name, place)
    join wide_table using (keyspace, name)
    order by id for key share of wide_table";
/// Several puts; of those for one place the one that wins.
const PUT: &str = "
    insert into wide_row as stored (wide_table, key, column1, value, written)
    select distinct on (id, key, column1) id, key, column1, value, wide_row_time(source, told)
    from unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[])
        as given (id, source, key, column1, told, value)
    order by id, key, column1, wide_row_time(source, told) desc, value desc
    on conflict (wide_table, sha256(key), substring(column1 for 1000), sha256(column1)) do update
        set value = excluded.value, written = excluded.written
        where (stored.written, stored.value) < (excluded.written, excluded.value)";
/// Takes out columns by their names.
const DELETE: &str = "
    delete from wide_row using unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[], $5::bigint[])
        as given (id, source, key, column1, told)
    where wide_row.wide_table = given.id and sha256(wide_row.key) = sha256(given.key)
        and substring(wide_row.column1 for 1000) = substring(given.column1 for 1000)
        and sha256(wide_row.column1) = sha256(given.column1)
        and wide_row.written <= wide_row_time(given.source, given.told)";
/// Takes out columns from here to there.
const DELETE_SLICES: &str = "
    delete from wide_row using unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[])
        as given (id, source, key, column_from, told, column_to)
    where wide_row.wide_table = given.id and sha256(wide_row.key) = sha256(given.key)
        and substring(wide_row.column1 for 1000) >= substring(given.column_from for 1000)
        and wide_row.column1 >= given.column_from
        and (given.column_to is null or wide_row.column1 < given.column_to)
        and wide_row.written <= wide_row_time(given.source, given.told)";

/// What one of these statements does, a list for each of its arguments.
#[derive(Default)]
struct Lists<'b> {
    tables: Vec<i64>,
    sources: Vec<&'static str>,
    keys: Vec<&'b [u8]>,
    columns: Vec<Vec<u8>>,
    times: Vec<i64>,
    /// Values, or where slices end; not for all.
    last: Vec<Option<Vec<u8>>>,
}

impl<'b> Lists<'b> {
    fn add(&mut self, (table, times): (i64, Times), key: &'b [u8], column: Vec<u8>, time: i64, last: Option<Vec<u8>>) {
        self.tables.push(table);
        self.sources.push(times.source());
        self.keys.push(key);
        self.columns.push(column);
        self.times.push(time);
        self.last.push(last);
    }

    /// Does it, if there is anything to be done.
    async fn carry_out(
        &self,
        session: &mut Session,
        statement: &'static str,
        has_last: bool,
    ) -> Result<(), StoreError> {
        if self.tables.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(statement).bind(&self.tables).bind(&self.sources).bind(&self.keys);
        let query = query.bind(&self.columns).bind(&self.times);
        let query = if has_last { query.bind(&self.last) } else { query };
        // Planned for as many as there are.
        session.execute(query.persistent(false)).await?;
        Ok(())
    }
}

/// A batch, sorted by what is done. What is put is put first: of a put and a delete of the same time the delete wins.
#[derive(Default)]
struct Work<'b> {
    puts: Lists<'b>,
    deletes: Lists<'b>,
    slices: Lists<'b>,
}

impl<'b> Work<'b> {
    fn add(&mut self, table: (i64, Times), write: &'b Write) {
        match write {
            Write::Put(Cell { place: Place { key, column }, value, time }) => match value {
                Some(value) => self.puts.add(table, key, column.to_vec(), *time, Some(value.clone().into_bytes())),
                None => self.deletes.add(table, key, column.to_vec(), *time, None),
            },
            Write::Delete { key, columns: Columns::These(names), time } => {
                for name in names {
                    self.deletes.add(table, key, name.to_vec(), *time, None);
                }
            }
            Write::Delete { key, columns, time } => {
                let (from, to) = range(columns);
                self.slices.add(table, key, from, *time, to);
            }
        }
    }
}

/// The key of a write.
fn key(write: &Write) -> &[u8] {
    match write {
        Write::Put(cell) => &cell.place.key,
        Write::Delete { key, .. } => key,
    }
}

/// One of 256 shares of all rows, the same on every server.
fn share(batch: &TableWrites<'_>, write: &Write) -> i32 {
    let mut digest = Sha256::new();
    for part in [batch.keyspace.as_bytes(), b".", batch.table.as_bytes(), b".", key(write)] {
        digest.update(part);
    }
    digest.finalize().first().copied().map_or(0, i32::from)
}

/// Locks the tables of a batch, and gives their numbers by their names.
async fn lock_tables<'b>(
    transaction: &mut Session,
    batch: &[TableWrites<'b>],
) -> Result<BTreeMap<(&'b str, &'b str), i64>, StoreError> {
    let names: Vec<(&str, &str)> =
        batch.iter().map(|part| (part.keyspace, part.table)).collect::<BTreeSet<_>>().into_iter().collect();
    let (keyspaces, tables): (Vec<&str>, Vec<&str>) = names.iter().copied().unzip();
    let rows = transaction.rows(sqlx::query(LOCK_TABLES).bind(keyspaces).bind(tables)).await?;
    let mut numbers = BTreeMap::new();
    for row in &rows {
        let place: i32 = row.try_get("place")?;
        if let Some(name) = usize::try_from(place).ok().and_then(|place| names.get(place)) {
            numbers.insert(*name, row.try_get("id")?);
        }
    }
    Ok(numbers)
}

impl WideRows {
    /// Writes all of this, or nothing: what was written later stays, of what was written at the same time the greater value, and a
    /// delete takes out what was written by its time, also in the same batch.
    ///
    /// # Errors
    /// When one of the tables is not there, or the database is away. When it is not known whether it was written
    /// ([`StoreError::Unknown`]) it may be written again.
    pub async fn write(&self, batch: &[TableWrites<'_>]) -> Result<(), WideRowError> {
        if let Some(part) = batch.iter().find(|part| !is_name(part.keyspace) || !is_name(part.table)) {
            return Err(no_table(part.keyspace, part.table));
        }
        let mut borrowed = self.sessions.take(WIDE_WRITE).await?;
        let session = borrowed.session()?;
        match batch {
            [] => Ok(()),
            [part] if let [Write::Put(Cell { place, value: Some(value), time })] = part.writes => {
                put_one(session, part, place, value, *time).await
            }
            _ => write_all(session, batch).await,
        }
    }
}

/// Without locks: who holds one row only is in nobody's way.
async fn put_one(
    session: &mut Session,
    part: &TableWrites<'_>,
    Place { key, column }: &Place,
    value: &str,
    time: i64,
) -> Result<(), WideRowError> {
    let query = sqlx::query(PUT_ONE).bind(part.keyspace).bind(part.table).bind(key.as_ref()).bind(column.as_ref());
    let query = query.bind(value.as_bytes()).bind(part.times.source()).bind(time);
    let is_there: bool = session.value(query).await.map_err(StoreError::of_write)?;
    if is_there { Ok(()) } else { Err(no_table(part.keyspace, part.table)) }
}

/// Batches that write into the same rows take turns, so that none waits for one that waits for it.
async fn write_all(session: &mut Session, batch: &[TableWrites<'_>]) -> Result<(), WideRowError> {
    let mut transaction = session.begin().await?;
    match write_within(&mut transaction, batch).await {
        Ok(()) => Ok(transaction.commit().await.map_err(StoreError::of_write)?),
        Err(error @ WideRowError::NoTable { .. }) => {
            transaction.roll_back().await?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// The same within a transaction that does more.
///
/// # Errors
/// When one of the tables is not there, or the database is away.
pub async fn write_within(transaction: &mut Session, batch: &[TableWrites<'_>]) -> Result<(), WideRowError> {
    let shares: BTreeSet<i32> =
        batch.iter().flat_map(|part| part.writes.iter().map(|write| share(part, write))).collect();
    let numbers = lock_tables(transaction, batch).await?;
    if let Some(part) = batch.iter().find(|part| !numbers.contains_key(&(part.keyspace, part.table))) {
        return Err(no_table(part.keyspace, part.table));
    }
    let shares: Vec<i32> = shares.into_iter().collect();
    transaction.rows(sqlx::query(LOCK_ROWS).bind(shares)).await?;
    let mut work = Work::default();
    for part in batch {
        let Some(number) = numbers.get(&(part.keyspace, part.table)) else { continue };
        for write in part.writes {
            work.add((*number, part.times), write);
        }
    }
    work.puts.carry_out(transaction, PUT, true).await?;
    work.deletes.carry_out(transaction, DELETE, false).await?;
    work.slices.carry_out(transaction, DELETE_SLICES, true).await?;
    Ok(())
}
