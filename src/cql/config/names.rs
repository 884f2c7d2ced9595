//! `obj_fq_name_table`: a type is a row, which has a column for each object: its name and its uuid.
//!
//! The graph has the names in their order, and that of the columns is another one: `net1:` with a uuid comes after `net10:`. But only
//! the columns of names that others begin with are out of place, and they wait until those have passed.

use super::{
    Snapshot,
    output::{ColumnName, Flow, Gate, Offer, Output, Text, Value},
    types::Types,
};
use crate::{
    graph::{Column, Graph, Object},
    model::TypeId,
    wide_row::{Columns, Read},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::Arc,
};
use uuid::{Uuid, fmt::Hyphenated};

/// What stands behind the name in a column: a colon and the uuid.
type Ending = [u8; 1 + Hyphenated::LENGTH];

fn ending(uuid: Uuid) -> Ending {
    let mut ending = [b':'; 1 + Hyphenated::LENGTH];
    if let Some((_, text)) = ending.split_first_mut() {
        uuid.hyphenated().encode_lower(text);
    }
    ending
}

fn column_of(object: &Object) -> Vec<u8> {
    [object.fq_name.joined().as_bytes(), &ending(object.uuid)].concat()
}

/// The columns of the table in the order of a question.
pub struct Names {
    snapshot: Arc<Snapshot>,
    types: Types,
    /// Of the type that is next, once it has begun.
    order: Option<Order>,
}

/// The columns of a type in their order, from one on.
struct Order {
    /// The names that come next; none after the last.
    next: Option<Bound<Arc<str>>>,
    /// Columns that wait, of objects with names before the next one: each of these begins with each of theirs.
    waiting: BTreeMap<Vec<u8>, Arc<Object>>,
}

impl Order {
    /// Of the columns of a type that are no smaller than this one.
    fn from(graph: &Graph, type_id: TypeId, column: Option<&[u8]>) -> Self {
        let Some(column) = column else { return Self { next: Some(Bound::Unbounded), waiting: BTreeMap::new() } };
        // A smaller name has no column from there on, but for those that the column begins with.
        let mut waiting = BTreeMap::new();
        let beginning = match std::str::from_utf8(column) {
            Ok(text) => without_last(text),
            Err(error) => column.get(..error.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok()),
        };
        let mut rest = beginning;
        while let Some(text) = rest {
            let Some(object) = graph.last_up_to(type_id, text) else { break };
            let name = object.fq_name.joined();
            // All others that it begins with are names that this one begins with, too.
            let common = common_beginning(text, name);
            rest = if common.len() == name.len() { without_last(common) } else { Some(common) };
            if common.len() == name.len() {
                let own = column_of(object);
                if own.as_slice() >= column {
                    waiting.insert(own, Arc::clone(object));
                }
            }
        }
        Self { next: text_from(column).map(|text| Bound::Included(text.into())), waiting }
    }
}

fn without_last(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next_back().map(|_| characters.as_str())
}

fn common_beginning<'t>(text: &'t str, other: &str) -> &'t str {
    let same = text.chars().zip(other.chars()).take_while(|(one, other)| one == other);
    text.get(..same.map(|(one, _)| one.len_utf8()).sum()).unwrap_or_default()
}

/// The smallest text that is no smaller than these bytes.
fn text_from(bytes: &[u8]) -> Option<String> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Some(text.to_owned()),
        Err(error) => error,
    };
    let (valid, rest) = bytes.split_at_checked(error.valid_up_to())?;
    let mut text = String::from_utf8(valid.to_vec()).ok()?;
    let is_smaller = |character: char| character.encode_utf8(&mut [0; 4]).as_bytes() < rest;
    // Characters are in the order of their bytes, so the first one that is no smaller than the rest can be sought.
    let (mut low, mut high) = (0, u32::from(char::MAX) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        // There are no characters for surrogates; what comes after them stands for them.
        let character = char::from_u32(middle).unwrap_or('\u{e000}');
        if is_smaller(character) { low = middle + 1 } else { high = middle }
    }
    if low <= u32::from(char::MAX) {
        text.push(char::from_u32(low).unwrap_or('\u{e000}'));
        return Some(text);
    }
    // No text that begins like this one is great enough: the next one.
    while let Some(last) = text.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

impl Names {
    /// At the begin of the answer.
    pub fn new(snapshot: &Arc<Snapshot>, read: &Read) -> Self {
        Self { snapshot: Arc::clone(snapshot), types: Types::new(&snapshot.plans, read), order: None }
    }

    /// Offers what comes next until somebody says that it is enough. It ends when nothing more comes.
    pub fn advance<O: Output>(&mut self, read: &Read, gate: &mut Gate<'_, O>) -> Flow {
        let snapshot = Arc::clone(&self.snapshot);
        while let Some(type_id) = self.types.current(&snapshot.plans, read) {
            let key = snapshot.plans.of(type_id).map_or(&b""[..], |plan| &plan.key);
            let row = Row { graph: &snapshot.graph, key, columns: &read.columns, type_id };
            match &read.columns {
                Columns::Slice(from, _) => {
                    let order = self.order.get_or_insert_with(|| {
                        let (Bound::Included(from) | Bound::Excluded(from)) = from else {
                            return Order::from(row.graph, type_id, self.types.floor.as_deref());
                        };
                        let from = self.types.floor.as_ref().map_or(from, |floor| floor.max(from));
                        Order::from(row.graph, type_id, Some(from))
                    });
                    row.slice(order, self.types.floor.as_deref(), gate)?;
                }
                Columns::These(these) => {
                    let from = self.types.floor.clone().map_or(Bound::Unbounded, Bound::Excluded);
                    for column in these.range((from, Bound::Unbounded)) {
                        self.types.floor = Some(column.clone());
                        row.one(column, gate)?;
                    }
                }
            }
            self.types.go_on();
            self.order = None;
            gate.step()?;
        }
        Flow::Continue(())
    }
}

/// The row of a type.
struct Row<'r> {
    graph: &'r Graph,
    key: &'r [u8],
    columns: &'r Columns,
    type_id: TypeId,
}

impl Row<'_> {
    fn offer<O: Output>(&self, object: &Object, gate: &mut Gate<'_, O>) -> Flow {
        let ending = ending(object.uuid);
        let column = ColumnName(object.fq_name.joined().as_bytes(), Text::Bytes(&ending));
        let written = || self.graph.write_time(object.written_at(&Column::Name));
        gate.offer(&Offer { key: Text::Bytes(self.key), column, value: Value::NULL }, written)
    }

    /// Whether a column is asked for: some, of those that are no smaller than the first.
    fn is_wanted(&self, object: &Object, floor: Option<&[u8]>) -> Wanted {
        let (from, to) = match self.columns {
            Columns::Slice(from, to) => (from, to),
            Columns::These(_) => return Wanted::Yes,
        };
        if floor.is_none() && !matches!(from, Bound::Excluded(_)) && *to == Bound::Unbounded {
            return Wanted::Yes;
        }
        let column = column_of(object);
        if floor.is_some_and(|floor| column.as_slice() <= floor) {
            return Wanted::No;
        }
        match self.columns.has(&column) {
            true => Wanted::Yes,
            false if matches!(to, Bound::Included(to) | Bound::Excluded(to) if column.as_slice() >= to.as_ref()) => {
                Wanted::Beyond
            }
            false => Wanted::No,
        }
    }

    fn slice<O: Output>(&self, order: &mut Order, floor: Option<&[u8]>, gate: &mut Gate<'_, O>) -> Flow {
        let Some(next) = order.next.clone() else {
            return self.let_go(&mut order.waiting, None, floor, gate).map_continue(drop);
        };
        let mut last = None;
        let flow = self.pass(&next, &mut last, &mut order.waiting, floor, gate);
        if let Some(last) = last {
            order.next = Some(Bound::Excluded(Arc::clone(last)));
        }
        flow
    }

    /// Goes through the names.
    fn pass<'g, O: Output>(
        &'g self,
        next: &Bound<Arc<str>>,
        last: &mut Option<&'g Arc<str>>,
        waiting: &mut BTreeMap<Vec<u8>, Arc<Object>>,
        floor: Option<&[u8]>,
        gate: &mut Gate<'_, O>,
    ) -> Flow {
        let mut objects = self.graph.objects_in(self.type_id, next).peekable();
        loop {
            let name = objects.peek().map(|object| &**object.fq_name.joined());
            if self.let_go(waiting, name, floor, gate)? == Wanted::Beyond {
                return Flow::Continue(());
            }
            let Some(object) = objects.next() else { return Flow::Continue(()) };
            let name = object.fq_name.joined();
            *last = Some(name);
            let rest = objects.peek().and_then(|following| following.fq_name.joined().strip_prefix(&**name));
            if !waiting.is_empty() || rest.is_some_and(|rest| rest.as_bytes() < ending(object.uuid).as_slice()) {
                waiting.insert(column_of(object), Arc::clone(object));
                continue;
            }
            match self.is_wanted(object, floor) {
                Wanted::Yes => self.offer(object, gate)?,
                Wanted::No => gate.step()?,
                Wanted::Beyond => return Flow::Continue(()),
            }
        }
    }

    /// Offers the columns that wait for no other one any more: all that come have names from this one on.
    fn let_go<O: Output>(
        &self,
        waiting: &mut BTreeMap<Vec<u8>, Arc<Object>>,
        name: Option<&str>,
        floor: Option<&[u8]>,
        gate: &mut Gate<'_, O>,
    ) -> ControlFlow<super::output::Stop, Wanted> {
        while let Some(first) = waiting.first_entry() {
            if name.is_some_and(|name| first.key().as_slice() > name.as_bytes()) {
                break;
            }
            let object = first.remove();
            match self.is_wanted(&object, floor) {
                Wanted::Yes => self.offer(&object, gate)?,
                Wanted::No => gate.step()?,
                Wanted::Beyond => return ControlFlow::Continue(Wanted::Beyond),
            }
        }
        ControlFlow::Continue(Wanted::Yes)
    }

    /// Offers the object that has this column, if there is one.
    fn one<O: Output>(&self, column: &Bytes, gate: &mut Gate<'_, O>) -> Flow {
        let split = column.len().checked_sub(size_of::<Ending>()).and_then(|middle| column.split_at_checked(middle));
        let found = split.and_then(|(name, own_ending)| {
            let object = self.graph.find_joined(self.type_id, std::str::from_utf8(name).ok()?)?;
            (ending(object.uuid).as_slice() == own_ending).then_some(object)
        });
        match found {
            Some(object) => self.offer(object, gate),
            None => gate.step(),
        }
    }
}

/// Whether a column is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Yes,
    No,
    /// Nor is any that comes after it.
    Beyond,
}
