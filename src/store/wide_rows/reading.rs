//! What is asked of tables. A page is one statement, and so is a count.

use super::{Page, WideRowError, WideRows, is_name, no_table};
use crate::{
    store::{Session, StoreError, operation::WIDE_READ},
    wide_row::{Cell, Columns, Keys, Place, Read},
};
use bytes::Bytes;
use sqlx::{
    Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use std::{collections::HashSet, ops::Bound};

/// How many columns a page has at most.
const PAGE: usize = 10_000;

/// What is asked of a column. What a question leaves open is null, and then the database plans without it: the statements
/// are planned anew each time ([`Asked::query`]). $4 and $5 are where columns begin and end, $6 those that are named, $7 a value.
macro_rules! columns {
    ($from:literal) => {
        concat!(
            "substring(column1 for 1000) >= substring(",
            $from,
            " for 1000) and column1 >= ",
            $from,
            " and ($5::bytea is null or substring(column1 for 1000) <= substring($5 for 1000) and column1 < $5)
            and ($6::bytea[] is null or substring(column1 for 1000) = any(array(
                select substring(name for 1000) from unnest($6) as name)) and column1 = any($6))
            and ($7::bytea is null or value = $7)"
        )
    };
}

/// All rows of a table, from a place in their order on. The others' arguments are the same, so $3 is told its type.
macro_rules! all_rows {
    () => {
        concat!(
            "wide_row where wide_table = target.id and $3::bytea[] is null and ",
            columns!("$4::bytea"),
            " and ($8::bytea is null or (sha256(key), substring(column1 for 1000), column1)
                > (sha256($8), substring($9::bytea for 1000), $9))"
        )
    };
}

/// Those of some keys, each by itself; of the first one from $9 on.
macro_rules! some_rows {
    ($end:literal) => {
        concat!(
            "unnest($3::bytea[]) with ordinality as asked (wanted, turn) cross join lateral (
                select key, column1, value, written from wide_row
                where wide_table = target.id and sha256(key) = sha256(wanted) and $8::bytea is null and ",
            columns!("case when turn = 1 then $9::bytea else $4::bytea end"),
            $end,
            ") as found"
        )
    };
}

/// A page of these rows in this order. There is always a first row, and none only where there is no table. Of what comes after
/// 8 MiB no value is looked at.
macro_rules! page {
    ($rows:expr, $order:literal) => {
        concat!(
            "select page.* from wide_table as target left join lateral (
                select *, count(*) over () as found,
                    sum(octet_length(key) + octet_length(column1) + octet_length(value) + 64)
                        over (order by place rows between unbounded preceding and 1 preceding) as before
                from (
                    select key, column1, value, written, row_number() over (order by ",
            $order,
            ") as place from ",
            $rows,
            " order by ",
            $order,
            " limit $10
                ) as numbered
            ) as page on true
            where target.keyspace = $1 and target.name = $2 and (before is null or before < 8388608)
            order by place"
        )
    };
}

/// How many there are of these rows.
macro_rules! count {
    ($rows:expr) => {
        concat!(
            "select (select count(*) from ",
            $rows,
            ") from wide_table as target where target.keyspace = $1 and target.name = $2"
        )
    };
}

/// Statements for a question of one kind.
struct Statements {
    page: &'static str,
    count: &'static str,
}

const OF_ALL: Statements = Statements {
    page: page!(all_rows!(), "sha256(key), substring(column1 for 1000), column1"),
    count: count!(all_rows!()),
};
const OF_SOME: Statements = Statements {
    page: page!(
        some_rows!(" order by substring(column1 for 1000), column1 limit $10"),
        "turn, substring(column1 for 1000), column1"
    ),
    count: count!(some_rows!("")),
};

/// A question as statements take it.
struct Asked<'q> {
    statements: &'static Statements,
    /// The keys, each once, from where the last page has ended on.
    keys: Option<Vec<&'q [u8]>>,
    /// Where columns begin, and where those of the first key do.
    from: Vec<u8>,
    first_from: Vec<u8>,
    /// Before which column they end.
    to: Option<Vec<u8>>,
    names: Option<Vec<&'q [u8]>>,
    value: Option<&'q [u8]>,
    /// After which place of all.
    after: Option<&'q Place>,
}

/// The bytes that come next after these.
fn next(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

/// Where columns begin, and before which they end, if at all.
pub(super) fn range(columns: &Columns) -> (Vec<u8>, Option<Vec<u8>>) {
    let Columns::Slice(from, to) = columns else { return (Vec::new(), None) };
    let from = match from {
        Bound::Unbounded => Vec::new(),
        Bound::Included(from) => from.to_vec(),
        Bound::Excluded(from) => next(from),
    };
    let to = match to {
        Bound::Unbounded => None,
        Bound::Included(to) => Some(next(to)),
        Bound::Excluded(to) => Some(to.to_vec()),
    };
    (from, to)
}

impl<'q> Asked<'q> {
    fn new(read: &'q Read) -> Self {
        let (from, to) = range(&read.columns);
        let names = match &read.columns {
            Columns::These(names) => Some(names.iter().map(Bytes::as_ref).collect()),
            Columns::Slice(..) => None,
        };
        let value = read.value.as_deref().map(str::as_bytes);
        let (after, first_from) = (read.after.as_ref(), from.clone());
        match &read.keys {
            Keys::All => Self { statements: &OF_ALL, keys: None, from, first_from, to, names, value, after },
            Keys::These(keys) => {
                let mut seen = HashSet::new();
                let once = keys.iter().map(Bytes::as_ref).filter(|key| seen.insert(*key));
                let keys = match after {
                    None => once.collect(),
                    // A place that was not asked for has nothing after it.
                    Some(place) => once.skip_while(|key| *key != place.key.as_ref()).collect(),
                };
                let first_from = after.map_or_else(Vec::new, |place| next(&place.column)).max(first_from);
                Self { statements: &OF_SOME, keys: Some(keys), from, first_from, to, names, value, after: None }
            }
        }
    }

    /// One of the statements with all arguments but the last. It is not kept by the database, which plans it for these.
    fn query(&'q self, statement: &'static str, keyspace: &'q str, table: &'q str) -> Query<'q, Postgres, PgArguments> {
        let after_column = self.after.map_or(self.first_from.as_slice(), |place| place.column.as_ref());
        sqlx::query(statement)
            .bind(keyspace)
            .bind(table)
            .bind(self.keys.as_deref())
            .bind(self.from.as_slice())
            .bind(self.to.as_deref())
            .bind(self.names.as_deref())
            .bind(self.value)
            .bind(self.after.map(|place| place.key.as_ref()))
            .bind(after_column)
            .persistent(false)
    }
}

fn cell(row: &PgRow) -> Result<Cell, StoreError> {
    let bytes = |column| Ok::<_, StoreError>(Bytes::from(row.try_get::<Vec<u8>, _>(column)?));
    let place = Place { key: bytes("key")?, column: bytes("column1")? };
    let value = String::from_utf8(row.try_get("value")?).map_err(|_| StoreError::Row("value is no text".to_owned()))?;
    Ok(Cell { place, value: Some(value), time: row.try_get("written")? })
}

/// A page, in a session that is at it; at most so many columns.
async fn read_page(
    session: &mut Session,
    (keyspace, table): (&str, &str),
    read: &Read,
    page: usize,
) -> Result<Page, WideRowError> {
    let asked = Asked::new(read);
    let page = page.clamp(1, PAGE);
    let limit = read.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    // One more than the page has shows whether there is more, unless no more is wanted.
    let needed = limit.min(page + 1);
    let query = asked.query(asked.statements.page, keyspace, table);
    let rows = session.rows(query.bind(i64::try_from(needed).unwrap_or(i64::MAX))).await?;
    let first = rows.first().ok_or_else(|| no_table(keyspace, table))?;
    let Some(found): Option<i64> = first.try_get("found").map_err(StoreError::from)? else {
        return Ok(Page { cells: Vec::new(), more: false });
    };
    let cells: Vec<Cell> = rows.iter().take(page).map(cell).collect::<Result<_, _>>()?;
    let more = usize::try_from(found).is_ok_and(|found| found > cells.len());
    Ok(Page { cells, more })
}

impl WideRows {
    /// What is asked for, at most so many columns of it, and whether there is more; the next page comes after the last place of
    /// this one. A limit is one of this page and all that follow: who asks for the next one takes off what it has.
    ///
    /// # Errors
    /// When there is no such table, or the database is away.
    pub async fn read(&self, keyspace: &str, table: &str, read: &Read, page: usize) -> Result<Page, WideRowError> {
        if !is_name(keyspace) || !is_name(table) {
            return Err(no_table(keyspace, table));
        }
        let mut borrowed = self.sessions.take(WIDE_READ).await?;
        read_page(borrowed.session()?, (keyspace, table), read, page).await
    }

    /// How many columns there are of what is asked for; a limit does not count.
    ///
    /// # Errors
    /// When there is no such table, or the database is away.
    pub async fn count(&self, keyspace: &str, table: &str, read: &Read) -> Result<u64, WideRowError> {
        if !is_name(keyspace) || !is_name(table) {
            return Err(no_table(keyspace, table));
        }
        let asked = Asked::new(read);
        let mut borrowed = self.sessions.take(WIDE_READ).await?;
        let query = asked.query(asked.statements.count, keyspace, table);
        let count: Option<i64> = borrowed.session()?.value_if_any(query).await?;
        let count = count.ok_or_else(|| no_table(keyspace, table))?;
        Ok(u64::try_from(count).map_err(|_| StoreError::Row(format!("a count is {count}")))?)
    }
}
