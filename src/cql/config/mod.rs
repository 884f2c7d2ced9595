//! The keyspace `config_db_uuid`, rendered straight from the graph (CQL contract 4.1): objects column by column, their names, and
//! with whom they are shared. Nothing of it is stored anywhere.

mod elements;
mod names;
mod objects;
mod output;
mod plan;
mod shares;
mod types;
mod whole;

pub use plan::Plans;
pub use whole::each_column;

use crate::{
    graph::Graph,
    model::TypeId,
    pace::Pace,
    wide_row::{Field, Keys, Place, Read},
};
use elements::Colons;
use names::Names;
use objects::{Children, Objects, Rows, rows_with};
use output::{Counter, Flow, Gate, Output, Stop, Writer};
use shares::Shares;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use uuid::Uuid;

/// A table of the keyspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigTable {
    /// The objects, by uuid.
    Objects,
    /// Their names, by type.
    Names,
    /// With whom they are shared, by type.
    Shares,
}

impl ConfigTable {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Names, Self::Shares, Self::Objects];

    /// What clients call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Objects => "obj_uuid_table",
            Self::Names => "obj_fq_name_table",
            Self::Shares => "obj_shared_table",
        }
    }

    /// The one that clients call this.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// The configuration at one revision, for any number of readings: what one of them had to sort, the others share.
pub struct Snapshot {
    graph: Arc<Graph>,
    plans: Arc<Plans>,
    colons: Colons,
    /// All objects by uuid, once somebody has asked for all.
    sorted: OnceLock<Rows>,
    /// The last long list of children: somebody may read it page by page.
    children: Mutex<Option<(Uuid, TypeId, Children)>>,
}

/// How many children are not sorted anew for each page.
const MANY_CHILDREN: usize = 1024;

impl Snapshot {
    /// Of this graph, whose model the plans are for.
    pub fn new(graph: Arc<Graph>, plans: Arc<Plans>) -> Self {
        Self { graph, plans, colons: Colons::Hidden, sorted: OnceLock::new(), children: Mutex::default() }
    }

    /// The same as contrail-api would have stored it, whoever reads it.
    pub fn as_stored(graph: Arc<Graph>) -> Self {
        let plans = Arc::new(Plans::new(graph.model()));
        Self { colons: Colons::Plain, ..Self::new(graph, plans) }
    }

    /// What it is of.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// About how much memory it holds beside the graph, in bytes; it grows while readings go on.
    pub fn weight(&self) -> usize {
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let sorted = self.sorted.get().map_or(0, |sorted| size_of_val(&**sorted));
        sorted + children.as_ref().map_or(0, |(_, _, children)| size_of_val(&**children))
    }

    /// All objects by uuid.
    async fn sorted(&self) -> Rows {
        if let Some(sorted) = self.sorted.get() {
            return Arc::clone(sorted);
        }
        let mut pace = Pace::behind_others();
        // Sorted in parts by their first bytes, so that others have their turn between these.
        let mut parts = vec![Vec::new(); 1 << 8];
        for (index, object) in self.graph.all().enumerate() {
            let [first, ..] = object.uuid.into_bytes();
            if let Some(part) = parts.get_mut(usize::from(first)) {
                part.push((object.uuid, object));
            }
            if index % STEPS_AT_A_TIME == 0 {
                pace.step().await;
            }
        }
        let mut sorted = Vec::with_capacity(self.graph.len());
        for mut part in parts {
            part.sort_unstable_by_key(|(uuid, _)| *uuid);
            sorted.extend(part.into_iter().map(|(_, object)| Arc::clone(object)));
            pace.step().await;
        }
        Arc::clone(self.sorted.get_or_init(|| sorted.into()))
    }

    /// The children of one type by uuid, each with the order number of its creation.
    fn children(&self, parent: Uuid, child_type: TypeId) -> Children {
        // Nothing in there is ever half done.
        let known = || self.children.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, children)) = known().as_ref().filter(|(uuid, id, _)| (*uuid, *id) == (parent, child_type)) {
            return Arc::clone(children);
        }
        let mut children: Vec<(Uuid, u64)> = self.graph.child_uuids(parent, child_type).collect();
        children.sort_unstable();
        let children: Children = children.into();
        if children.len() >= MANY_CHILDREN {
            *known() = Some((parent, child_type, Arc::clone(&children)));
        }
        children
    }
}

/// How long an answer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes they take: for each field of each row its length in 4 bytes, and the field.
    pub bytes: u64,
    /// The last place of a page, if more rows follow: where the next page goes on.
    pub more: Option<Place>,
}

/// How many columns or objects are looked at before others may have their turn: some 30 microseconds.
const STEPS_AT_A_TIME: usize = 256;
/// How many are for one piece: some milliseconds, if nothing of all that is asked for.
const STEPS_OF_A_PIECE: usize = 16_384;

/// How far the rows were gone through.
enum Walk {
    Objects(Box<Objects>),
    Names(Names),
    Shares(Shares),
}

impl Walk {
    fn advance<O: Output>(&mut self, read: &Read, gate: &mut Gate<'_, O>) -> Flow {
        match self {
            Self::Objects(objects) => objects.advance(read, gate),
            Self::Names(names) => names.advance(read, gate),
            Self::Shares(shares) => shares.advance(read, gate),
        }
    }
}

/// The answer to a question to a table of the keyspace: first it is measured, then written in pieces, both from the same snapshot.
pub struct Reading {
    snapshot: Arc<Snapshot>,
    table: ConfigTable,
    read: Read,
    fields: Vec<Field>,
    page: Option<u64>,
    /// What was measured and is to be written: how many rows, and from where on.
    left: u64,
    walk: Option<Walk>,
}

impl Reading {
    /// Rows of these fields, which may be none (to count): as many as the question has, or a page of so many at most. A limit
    /// of the question ends the answer, a page only interrupts it; a page of none is no page.
    pub fn new(snapshot: Arc<Snapshot>, table: ConfigTable, read: Read, fields: Vec<Field>, page: Option<u64>) -> Self {
        Self { snapshot, table, read, fields, page: page.filter(|page| *page > 0), left: 0, walk: None }
    }

    /// Goes through the rows and says how many they are and how long; lets others have their turn meanwhile.
    pub async fn measure(&mut self) -> Measured {
        let mut counter = Counter::new(&self.fields, self.page, self.read.limit);
        let mut walk = self.walk().await;
        let mut pace = Pace::behind_others();
        while !counter.is_full() {
            let mut gate = Gate::new(&mut counter, self.read.value.as_deref(), STEPS_AT_A_TIME);
            match walk.advance(&self.read, &mut gate) {
                Flow::Break(Stop::Pause) => pace.step().await,
                Flow::Break(Stop::End) | Flow::Continue(()) => break,
            }
        }
        self.left = counter.rows;
        // The same way again, with what was looked up for it.
        self.walk = Some(walk);
        self.walk = Some(self.walk().await);
        Measured { rows: counter.rows, bytes: counter.bytes, more: counter.into_more() }
    }

    /// Before the first row.
    async fn walk(&self) -> Walk {
        match self.table {
            ConfigTable::Objects => {
                let rows = match (&self.walk, &self.read.keys) {
                    (Some(Walk::Objects(before)), _) => before.rows(),
                    (_, Keys::All) => self.snapshot.sorted().await,
                    (_, Keys::These(keys)) => rows_with(&self.snapshot.graph, keys, self.read.after.as_ref()).await,
                };
                Walk::Objects(Box::new(Objects::new(&self.snapshot, &self.read, rows)))
            }
            ConfigTable::Names => Walk::Names(Names::new(&self.snapshot, &self.read)),
            ConfigTable::Shares => Walk::Shares(Shares::new(&self.snapshot, &self.read)),
        }
    }

    /// Appends the next of the rows that were measured until there are about so many bytes in the output, which may be in the
    /// middle of an object, never of a row; or fewer, even none, where little of much is asked for. False when nothing more will
    /// come. Each field is the number of its bytes as an i32 and the bytes, a null is -1; a time is an i64.
    pub fn write_piece(&mut self, output: &mut Vec<u8>, about: usize) -> bool {
        let Some(walk) = self.walk.as_mut().filter(|_| self.left > 0) else { return false };
        let writer = Writer { fields: &self.fields, left: &mut self.left, output, about };
        let mut gate = Gate::new(writer, self.read.value.as_deref(), STEPS_OF_A_PIECE);
        walk.advance(&self.read, &mut gate) == Flow::Break(Stop::Pause)
    }
}

#[cfg(test)]
mod tests;
