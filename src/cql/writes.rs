//! What a statement, or a batch of them, writes into stored tables.

use super::{
    frame::{Error, ErrorKind, Values},
    selection::{Range, column, given},
    server::CqlServer,
    session::Session,
    statement::{Condition, Invalid, Statement, TableName, Term, Using},
};
use crate::{
    store::wide_rows::{TableWrites, Times},
    wide_row::{Cell, Columns, Field, Keys, Place, Write},
};
use bytes::Bytes;

/// Where statements come from, and what belongs to them.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// Who is asked.
    pub server: &'a CqlServer,
    /// On which connection.
    pub session: &'a Session,
    /// For the markers.
    pub values: &'a Values,
    /// When the client has sent them, by its clock.
    pub timestamp: Option<i64>,
    /// The time that their batch says.
    pub given: Option<i64>,
}

/// Writes by table, and by what their times are worth.
#[derive(Default)]
pub struct Writes {
    parts: Vec<Part>,
    /// About how much memory they take, in bytes.
    weight: usize,
}

struct Part {
    keyspace: String,
    table: String,
    times: Times,
    writes: Vec<Write>,
}

fn refused<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(ErrorKind::Invalid.with(text))
}

impl Writes {
    /// As the store takes them.
    pub fn batch(&self) -> Vec<TableWrites<'_>> {
        self.parts
            .iter()
            .map(|part| TableWrites {
                keyspace: &part.keyspace,
                table: &part.table,
                times: part.times,
                writes: &part.writes,
            })
            .collect()
    }

    /// Adds what a statement writes, at the time that it says, or else its batch, or else the request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, origin: &Origin<'_>, statement: &Statement) -> Result<(), Error> {
        let values = origin.values;
        match statement {
            Statement::Insert(insert) => {
                if insert.if_not_exists {
                    return refused("conditions on writes (IF NOT EXISTS) are not served");
                }
                let (mut key, mut column1, mut value) = (None, None, None);
                for (name, term) in &insert.columns {
                    match column(name)?.0 {
                        Field::Key => key = Some(given(term.blob(values, name)?, name)?),
                        Field::Column => column1 = Some(given(term.blob(values, name)?, name)?),
                        _ => value = Some(term.text(values, name)?),
                    }
                }
                let missing =
                    |name: &str| Invalid(format!("Some partition key or clustering parts are missing: {name}"));
                let key = key.ok_or_else(|| missing("key"))?;
                check_key(&key)?;
                let column = column1.ok_or_else(|| missing("column1"))?;
                let value = value
                    .ok_or_else(|| Invalid("Column value is mandatory for this COMPACT STORAGE table".to_owned()))?;
                self.weigh(1, value.as_ref().map_or(0, String::len))?;
                let put = |time| vec![Write::Put(Cell { place: Place { key, column }, value, time })];
                self.push(origin, &insert.table, &insert.using, put)
            }
            Statement::Update(update) => {
                let (keys, columns) = places(&update.conditions, values)?;
                let Columns::These(columns) = columns else {
                    return refused("Some clustering keys are missing: column1");
                };
                let [(name, term)] = update.columns.as_slice() else {
                    return refused("value is the only column that can be set");
                };
                if !matches!(column(name)?.0, Field::Value) {
                    return refused(format!("PRIMARY KEY part {name} found in SET part"));
                }
                let value = term.text(values, name)?;
                self.weigh(keys.len().saturating_mul(columns.len()), value.as_ref().map_or(0, String::len))?;
                let put = |time| {
                    let places =
                        keys.iter().flat_map(|key| columns.iter().map(move |column| (key.clone(), column.clone())));
                    let cell =
                        |(key, column)| Write::Put(Cell { place: Place { key, column }, value: value.clone(), time });
                    places.map(cell).collect()
                };
                self.push(origin, &update.table, &update.using, put)
            }
            Statement::Delete(delete) => {
                for name in &delete.columns {
                    if !matches!(column(name)?.0, Field::Value) {
                        return refused(format!(
                            "Invalid identifier {name} for deletion (should not be a PRIMARY KEY part)"
                        ));
                    }
                }
                let (keys, columns) = places(&delete.conditions, values)?;
                let named = if let Columns::These(columns) = &columns { columns.len() } else { 1 };
                self.weigh(keys.len().saturating_mul(named), 0)?;
                let take_out = |time| {
                    keys.iter().map(|key| Write::Delete { key: key.clone(), columns: columns.clone(), time }).collect()
                };
                self.push(origin, &delete.table, &delete.using, take_out)
            }
            Statement::Batch(batch) => {
                let given = time(batch.using.timestamp.as_ref(), values)?.or(origin.given);
                let origin = Origin { given, ..*origin };
                batch.statements.iter().try_for_each(|statement| self.add(&origin, statement))
            }
            _ => refused("only INSERT, UPDATE and DELETE can stand in a batch"),
        }
    }

    /// Takes into account that so many columns are going to be written, with a value of this length, before they are.
    fn weigh(&mut self, columns: usize, value: usize) -> Result<(), Error> {
        let more = columns.saturating_mul(PLACE.saturating_add(value));
        self.weight = self.weight.saturating_add(more);
        if self.weight > MOST_WEIGHT {
            return refused(
                "one request writes too much: 32 MiB at most, each column with 128 bytes beside its value; use several",
            );
        }
        Ok(())
    }

    fn push(
        &mut self,
        origin: &Origin<'_>,
        table: &TableName,
        using: &Using,
        writes: impl FnOnce(i64) -> Vec<Write>,
    ) -> Result<(), Error> {
        let values = origin.values;
        let found = origin.server.find_to_write(origin.session, table)?;
        let lives = using.ttl.as_ref().map(|term| term.int(values, "TTL")).transpose()?.flatten();
        if lives.is_some_and(|seconds| seconds != 0) {
            return refused("times to live (USING TTL) are not served");
        }
        let given = time(using.timestamp.as_ref(), values)?.or(origin.given);
        let (times, time) = match (given, origin.timestamp) {
            (Some(time), _) => (Times::Given, time),
            (None, Some(time)) => (Times::Client, time),
            (None, None) => (Times::Now, 0),
        };
        self.parts.push(Part { keyspace: found.keyspace, table: found.name, times, writes: writes(time) });
        Ok(())
    }
}

fn time(term: Option<&Term>, values: &Values) -> Result<Option<i64>, Invalid> {
    Ok(term.map(|term| term.bigint(values, "TIMESTAMP")).transpose()?.flatten())
}

fn check_key(key: &Bytes) -> Result<(), Error> {
    if key.is_empty() { refused("Key may not be empty") } else { Ok(()) }
}

/// How much memory may be taken by what one request writes, in bytes: each of so many rows in each of so many columns is a large number
/// soon, and each has its own value.
const MOST_WEIGHT: usize = 32 << 20;
/// What a column weighs beside its value.
const PLACE: usize = 128;

/// Which columns of which rows are written: rows have to be named.
fn places(conditions: &[Condition], values: &Values) -> Result<(Vec<Bytes>, Columns), Error> {
    let Range { keys, columns, value } = Range::of(conditions, values)?;
    if value.is_some() {
        return refused("writes can't go by the value");
    }
    match keys {
        Keys::These(keys) => Ok((keys, columns)),
        Keys::All => refused("Some partition key parts are missing: key"),
    }
}
