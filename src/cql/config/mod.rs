//! The keyspace `config_db_uuid`, rendered straight from the graph (CQL contract 4.1): objects column by column, their names, and
//! with whom they are shared. Nothing of it is stored anywhere.

use crate::{
    graph::Graph,
    model::Model,
    wide_row::{Field, Place, Read},
};
use std::sync::Arc;

/// A table of the keyspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigTable {
    /// The objects, by uuid.
    ObjUuid,
    /// Their names, by type.
    ObjFqName,
    /// With whom they are shared, by type.
    ObjShared,
}

impl ConfigTable {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ObjFqName, Self::ObjShared, Self::ObjUuid];

    /// What clients call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ObjUuid => "obj_uuid_table",
            Self::ObjFqName => "obj_fq_name_table",
            Self::ObjShared => "obj_shared_table",
        }
    }

    /// The one that clients call this.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// Which columns the objects of each type may have, in their order: made once for a model.
pub struct Plans {}

impl Plans {
    /// For the types of this model.
    pub fn new(_model: &Model) -> Self {
        Self {}
    }
}

/// The configuration at one revision, for any number of readings: what one of them had to sort, the others share.
pub struct Snapshot {
    graph: Arc<Graph>,
    plans: Arc<Plans>,
}

impl Snapshot {
    /// Of this graph, whose model the plans are for.
    pub fn new(graph: Arc<Graph>, plans: Arc<Plans>) -> Self {
        Self { graph, plans }
    }

    /// What it is of.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// About how much memory it holds beside the graph, in bytes; it grows while readings go on.
    pub fn weight(&self) -> usize {
        0
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

/// The answer to a question to a table of the keyspace: first it is measured, then written in pieces, both from the same snapshot.
pub struct Reading {
    snapshot: Arc<Snapshot>,
    table: ConfigTable,
    read: Read,
    fields: Vec<Field>,
    page: Option<u64>,
}

impl Reading {
    /// Rows of these fields, which may be none (to count): as many as the question has, or a page of so many at most. A limit
    /// of the question ends the answer, a page only interrupts it.
    pub fn new(snapshot: Arc<Snapshot>, table: ConfigTable, read: Read, fields: Vec<Field>, page: Option<u64>) -> Self {
        Self { snapshot, table, read, fields, page }
    }

    /// Goes through the rows and says how many they are and how long; lets others have their turn meanwhile.
    pub async fn measure(&mut self) -> Measured {
        let _ = (&self.snapshot, &self.table, &self.read, &self.fields, &self.page);
        Measured { rows: 0, bytes: 0, more: None }
    }

    /// Appends the next rows that were measured until there are about so many bytes in the output, which may be in the middle of
    /// an object, never of a row; false when nothing more will come. Each field is the number of its bytes as an i32 and the bytes, a null is -1; a
    /// time is an i64.
    pub fn write_piece(&mut self, _output: &mut Vec<u8>, _about: usize) -> bool {
        false
    }
}
