//! The rows of tables that have one for each type of objects.

use super::plan::Plans;
use crate::{
    model::TypeId,
    wide_row::{Keys, Read},
};
use bytes::Bytes;

/// Where an answer about such a table is.
pub struct Types {
    /// The index of the type.
    next: usize,
    /// The last column of it that was offered.
    pub floor: Option<Bytes>,
}

impl Types {
    /// At its begin.
    pub fn new(plans: &Plans, read: &Read) -> Self {
        let Some(after) = &read.after else { return Self { next: 0, floor: None } };
        let (next, goes_on) = match &read.keys {
            Keys::All => {
                let key = |id: TypeId| plans.of(id).map(|plan| &*plan.key);
                let next = plans.by_key().partition_point(|id| key(*id) < Some(&after.key));
                (next, plans.by_key().get(next).and_then(|id| key(*id)) == Some(&after.key))
            }
            Keys::These(keys) => (keys.iter().position(|key| *key == after.key).unwrap_or(keys.len()), true),
        };
        Self { next, floor: goes_on.then(|| after.column.clone()) }
    }

    /// The type whose row it is in; nothing after the last. Keys that no type has are passed over.
    pub fn current(&mut self, plans: &Plans, read: &Read) -> Option<TypeId> {
        match &read.keys {
            Keys::All => plans.by_key().get(self.next).copied(),
            Keys::These(keys) => loop {
                let key = keys.get(self.next)?;
                if let Some(id) = plans.with_key(key) {
                    return Some(id);
                }
                self.go_on();
            },
        }
    }

    /// To the next one.
    pub fn go_on(&mut self) {
        self.next += 1;
        self.floor = None;
    }
}
