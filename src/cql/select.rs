//! How a `SELECT` is answered, by who has the table.

use super::{
    answer::{Answer, RowsAnswer, Source},
    config::{ConfigTable, Measured, Reading, Snapshot},
    execution::{Found, Table},
    frame::{
        Column, Columns, Error, ErrorKind, Output, Parameters, Response, Rows, RowsMetadata, TableColumns, Value, shown,
    },
    paging::PagingState,
    selection::{Selection, given, question},
    server::CqlServer,
    session::Session,
    statement::{Comparison, Condition, Invalid, Relation, Select, Selected, Selector, Subject, Term},
    system_tables::SystemTable,
};
use crate::wide_row::{Cell, Field, Keys, Place, Read};
use bytes::Bytes;
use std::{collections::HashSet, sync::Arc};
use tokio::sync::OwnedSemaphorePermit;

/// How long an answer may be (CQL contract 11).
const MOST_BYTES: u64 = 256 << 20;
/// The same of one that is made before it is sent.
const MOST_BYTES_STORED: usize = 32 << 20;
/// How many rows are read at a time where nobody has said how many are wanted.
const ROWS_AT_A_TIME: usize = 5000;
/// The only column of a row of the texts by key.
const VALUE: &[u8] = b"value";

fn too_long() -> Error {
    ErrorKind::Invalid.with("the answer is too long for one frame; ask for pages, or for less")
}

impl CqlServer {
    pub(super) async fn select(
        &self,
        session: &Session,
        select: &Select,
        parameters: &Parameters,
    ) -> Result<Answer, Error> {
        let Found { keyspace, name, table } = self.find(session, &select.from).await?;
        if let Table::System(rows) = table {
            return Ok(Response::Rows(system_rows(rows, select, parameters, (keyspace, name))?).into());
        }
        let selection = Selection::of(select)?;
        let mut read = question(select, parameters)?;
        let state = match &parameters.paging_state {
            None => None,
            Some(bytes) => {
                let wrong = || ErrorKind::Protocol.with("Invalid value for the paging state");
                Some(PagingState::read(bytes.clone()).ok_or_else(wrong)?)
            }
        };
        let head = TableColumns { keyspace: keyspace.clone(), table: name.clone(), columns: selection.columns.clone() };
        let mut asked =
            Asked { selection, head, page: parameters.page_size, read_before: 0, skips_head: parameters.skip_metadata };
        if let Some(state) = &state {
            read.after = Some(state.last.clone());
            asked.read_before = state.read;
            read.limit = read.limit.map(|limit| limit.saturating_sub(state.read));
        }
        match table {
            Table::Config(table) => self.select_config(table, read, state.as_ref(), asked).await,
            Table::KeyValues => self.select_key_values(read, asked).await,
            Table::Stored => self.select_stored((&keyspace, &name), read, asked).await,
            // Answered above.
            Table::System(_) => Err(ErrorKind::Server.with("a table of the system")),
        }
    }

    /// What a page was of is read on, if it is still kept; otherwise what there is, with all that was committed before.
    async fn snapshot(&self, state: Option<&PagingState>) -> Result<Arc<Snapshot>, Error> {
        if let Some(kept) = state.and_then(|state| self.snapshots.find(state.position?)) {
            return Ok(kept);
        }
        let snapshot = self.replica.snapshot().await?;
        if snapshot.stale {
            // Daemons take what they read for what was announced to them.
            return Err(ErrorKind::UNAVAILABLE.with("the database can't be asked whether there is something newer"));
        }
        let position = snapshot.graph.position();
        let kept = self.snapshots.find(position);
        Ok(kept.unwrap_or_else(|| Arc::new(Snapshot::new(snapshot.graph, Arc::clone(&self.plans)))))
    }

    async fn select_config(
        &self,
        table: ConfigTable,
        read: Read,
        state: Option<&PagingState>,
        asked: Asked,
    ) -> Result<Answer, Error> {
        let snapshot = self.snapshot(state).await?;
        let page = asked.page.filter(|_| !asked.selection.counts()).map(u64::from);
        let mut reading = Reading::new(Arc::clone(&snapshot), table, read, asked.selection.fields.clone(), page);
        let Measured { rows, bytes, more } = reading.measure().await;
        if asked.selection.counts() {
            return Ok(asked.count(rows));
        }
        let more = more.map(|last| {
            self.snapshots.keep(&snapshot);
            let position = Some(snapshot.graph().position());
            PagingState { position, last, read: asked.read_before.saturating_add(rows) }
        });
        let rows = u32::try_from(rows).ok().filter(|_| bytes <= MOST_BYTES).ok_or_else(too_long)?;
        Ok(asked.rows(more.as_ref(), rows, bytes, Source::Config(Box::new(reading))))
    }

    async fn select_stored(
        &self,
        (keyspace, table): (&str, &str),
        mut read: Read,
        asked: Asked,
    ) -> Result<Answer, Error> {
        if asked.selection.counts() {
            return Ok(asked.count(self.stored.count(keyspace, table, &read).await?));
        }
        let wanted = asked.page.map_or(usize::MAX, |page| usize::try_from(page).unwrap_or(usize::MAX));
        let mut made = Made::new(self, &asked)?;
        while made.rows < wanted {
            let page = self.stored.read(keyspace, table, &read, ROWS_AT_A_TIME.min(wanted - made.rows)).await?;
            made.add(&page.cells, &mut read)?;
            if !page.more {
                return made.answer(None);
            }
        }
        made.answer(read.after)
    }

    /// Nobody knows when they were written.
    async fn select_key_values(&self, mut read: Read, asked: Asked) -> Result<Answer, Error> {
        let mut keys: Vec<String> = match &read.keys {
            Keys::All => self.key_values.keys().await?.into_iter().map(|(key, _)| key).collect(),
            Keys::These(keys) => keys.iter().filter_map(|key| String::from_utf8(key.to_vec()).ok()).collect(),
        };
        // In an order that goes on where a page has ended, also when its last key is gone; no key has a NUL.
        keys.retain(|key| !key.contains('\0'));
        keys.sort_unstable();
        let after = read.after.take().map(|place| place.key);
        let begin = after.map_or(0, |after| keys.partition_point(|key| key.as_bytes() <= after.as_ref()));
        let page = asked.page.filter(|_| !asked.selection.counts());
        let page = page.map_or(usize::MAX, |page| usize::try_from(page).unwrap_or(usize::MAX));
        let limit = read.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let wanted = page.min(limit);
        let mut made = Made::new(self, &asked)?;
        let has_column = read.columns.has(VALUE);
        let mut rest = if has_column { keys.get(begin..).unwrap_or_default() } else { &[] };
        while !rest.is_empty() && made.rows < wanted {
            let number = rest.len().min(wanted - made.rows).min(ROWS_AT_A_TIME / 10);
            let (now, later) = rest.split_at(number);
            rest = later;
            let pairs = self.key_values.retrieve(now).await?;
            let place = |key: String| Place { key: key.into_bytes().into(), column: Bytes::from_static(VALUE) };
            let cells = pairs.into_iter().map(|(key, value)| Cell { place: place(key), value: Some(value), time: 1 });
            let is_wanted = |cell: &Cell| read.value.is_none() || read.value == cell.value;
            let cells: Vec<Cell> = cells.filter(is_wanted).collect();
            made.add(&cells, &mut read)?;
        }
        if asked.selection.counts() {
            return Ok(asked.count(made.rows as u64));
        }
        let more = read.after.filter(|_| !rest.is_empty() && read.limit != Some(0));
        made.answer(more)
    }
}

/// What is wanted of an answer beside the rows.
struct Asked {
    selection: Selection,
    head: TableColumns,
    page: Option<u32>,
    /// How many rows were on the pages before.
    read_before: u64,
    /// Whether the client knows the columns.
    skips_head: bool,
}

impl Asked {
    fn count(&self, rows: u64) -> Answer {
        let count = Value::Bigint(i64::try_from(rows).unwrap_or(i64::MAX));
        let metadata = RowsMetadata { columns: Columns::Said(self.head.clone()), paging_state: None };
        Response::Rows(Rows { metadata, rows: vec![vec![count]] }).into()
    }

    fn metadata(&self, more: Option<&PagingState>) -> RowsMetadata {
        let known = self.head.columns.len();
        let columns = if self.skips_head { Columns::Known(known) } else { Columns::Said(self.head.clone()) };
        RowsMetadata { columns, paging_state: more.map(PagingState::encoded) }
    }

    fn rows(&self, more: Option<&PagingState>, rows: u32, bytes: u64, source: Source) -> Answer {
        let metadata = self.metadata(more);
        Answer::Rows(Box::new(RowsAnswer { metadata, rows, bytes, source, turn: None }))
    }
}

/// An answer that is made before it is sent.
struct Made<'a> {
    server: &'a CqlServer,
    asked: &'a Asked,
    rows: usize,
    bytes: Vec<u8>,
    memory: OwnedSemaphorePermit,
}

impl<'a> Made<'a> {
    fn new(server: &'a CqlServer, asked: &'a Asked) -> Result<Self, Error> {
        Ok(Self { server, asked, rows: 0, bytes: Vec::new(), memory: server.memory_of_answers(0)? })
    }

    /// Adds rows, and lets the question go on after them.
    fn add(&mut self, cells: &[Cell], read: &mut Read) -> Result<(), Error> {
        let before = self.bytes.len();
        for Cell { place, value, time } in cells {
            for field in &self.asked.selection.fields {
                match field {
                    Field::Key => self.bytes.value(&place.key),
                    Field::Column => self.bytes.value(&place.column),
                    Field::Value => self.bytes.optional(value.as_ref().map(String::as_bytes)),
                    Field::Time => self.bytes.bigint(*time),
                    Field::Nothing => self.bytes.null(),
                }
            }
        }
        self.rows += cells.len();
        read.limit = read.limit.map(|limit| limit.saturating_sub(cells.len() as u64));
        if let Some(last) = cells.last() {
            read.after = Some(last.place.clone());
        }
        if self.bytes.len() > MOST_BYTES_STORED {
            return Err(too_long());
        }
        self.memory.merge(self.server.memory_of_answers(self.bytes.len() - before)?);
        Ok(())
    }

    fn answer(self, more: Option<Place>) -> Result<Answer, Error> {
        let Self { asked, rows, bytes, memory, .. } = self;
        let read = asked.read_before.saturating_add(rows as u64);
        let more = more.map(|last| PagingState { position: None, last, read });
        let (number, length) = (u32::try_from(rows).map_err(|_| too_long())?, bytes.len() as u64);
        let metadata = asked.metadata(more.as_ref());
        let source = Source::Made { rows: bytes, sent: 0, _memory: memory };
        Ok(Answer::Rows(Box::new(RowsAnswer { metadata, rows: number, bytes: length, source, turn: None })))
    }
}

/// Where the columns of a statement are in a table of the system, and how the answer calls them; none of the first, if rows are counted.
pub(super) fn system_columns(
    table: &SystemTable,
    select: &Select,
) -> Result<(Option<Vec<usize>>, Vec<Column>), Invalid> {
    let column = |index: usize, name: String| {
        let value_type = table.head.get(index).map(|(_, of)| of.value_type());
        value_type.map(|value_type| Column { name, value_type })
    };
    let Some(selected) = &select.selected else {
        let all = table.head.iter().enumerate().filter_map(|(index, (name, _))| column(index, (*name).to_owned()));
        return Ok((Some((0..table.head.len()).collect()), all.collect()));
    };
    if let [count @ Selected { selector: Selector::Count, .. }] = selected.as_slice() {
        let value_type = super::frame::ValueType::Bigint;
        return Ok((None, vec![Column { name: count.name(), value_type }]));
    }
    let mut places = Vec::new();
    let mut columns = Vec::new();
    for one in selected {
        let Selector::Column(name) = &one.selector else {
            return Err(Invalid(format!(
                "{} is not served of tables of the system, but columns are",
                shown(&one.name())
            )));
        };
        let index = place_of(table, name)?;
        places.push(index);
        columns.extend(column(index, one.name()));
    }
    Ok((Some(places), columns))
}

fn place_of(table: &SystemTable, name: &str) -> Result<usize, Invalid> {
    let found = table.head.iter().position(|(known, _)| *known == name);
    found.ok_or_else(|| Invalid(format!("Undefined column name {}", shown(name))))
}

fn system_rows(
    mut table: SystemTable,
    select: &Select,
    parameters: &Parameters,
    (keyspace, name): (String, String),
) -> Result<Rows, Error> {
    for condition in &select.conditions {
        restrict(&mut table, condition, parameters)?;
    }
    if let Some(limit) = &select.limit {
        let limit = given(limit.int(&parameters.values, "LIMIT")?, "LIMIT")?;
        table.rows.truncate(usize::try_from(limit).unwrap_or_default());
    }
    let (places, columns) = system_columns(&table, select)?;
    let rows = match places {
        None => vec![vec![Value::Bigint(i64::try_from(table.rows.len()).unwrap_or(i64::MAX))]],
        Some(places) => {
            let chosen =
                |row: &Vec<Value>| places.iter().map(|index| row.get(*index).cloned().unwrap_or(Value::Null)).collect();
            table.rows.iter().map(chosen).collect()
        }
    };
    let head = TableColumns { keyspace, table: name, columns };
    Ok(Rows { metadata: RowsMetadata { columns: Columns::Said(head), paging_state: None }, rows })
}

/// Leaves the rows that meet a condition.
fn restrict(table: &mut SystemTable, condition: &Condition, parameters: &Parameters) -> Result<(), Error> {
    let refused = || ErrorKind::Invalid.with("tables of the system can be asked with = and IN for their columns");
    let Subject::Column(name) = &condition.subject else { return Err(refused()) };
    let index = place_of(table, name)?;
    let Some((_, of)) = table.head.get(index) else { return Err(refused()) };
    let wanted = of.value_type();
    let encoded = |term: &Term| {
        let bound = term.evaluate(&wanted, &parameters.values, name)?;
        match bound {
            super::frame::Bound::Set(bytes) => Ok(bytes),
            _ => Err(Invalid(format!("Invalid null value for {name}"))),
        }
    };
    let values: HashSet<Bytes> = match &condition.relation {
        Relation::Compare(Comparison::Equal, term) => [encoded(term)?].into(),
        Relation::In(terms) => terms.iter().map(encoded).collect::<Result<_, Invalid>>()?,
        Relation::InList(term) => term.list(&wanted, &parameters.values, name)?.into_iter().collect(),
        Relation::Compare(..) => return Err(refused()),
    };
    table.rows.retain(|row| {
        let mut bytes = Vec::new();
        row.get(index).unwrap_or(&Value::Null).write(&mut bytes);
        bytes.get(4..).is_some_and(|value| values.contains(value))
    });
    Ok(())
}
