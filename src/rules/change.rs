//! What a decided request changes: the unit that is stored, logged and followed. Who follows the changes has the same graph,
//! and with it knows all numbers and addresses that are taken (GEN-13).

use crate::graph::{Graph, Hold, Object};
use std::sync::Arc;
use uuid::Uuid;

/// What happened.
#[derive(Clone, Debug)]
pub enum Effect {
    /// An object was created, or replaced by another state of it.
    Put {
        /// None for a new object.
        before: Option<Arc<Object>>,
        /// The state after.
        after: Arc<Object>,
        /// Only because the other end of a symmetric reference changed.
        implicit: bool,
    },
    /// An object went; this was its last state.
    Delete(Arc<Object>),
    /// Addresses of a network were taken without an object that holds them.
    Reserve(Vec<Hold>),
    /// Such addresses were given back.
    Free(Vec<Hold>),
}

/// One numbered change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Dense: 1, 2, 3 ...
    pub revision: u64,
    /// The number of the last change of the same request.
    pub request: u64,
    /// The object changed; for addresses, the network they are of.
    pub uuid: Uuid,
    /// What happened to it.
    pub effect: Effect,
}

impl Change {
    /// The letter in the change log.
    pub fn operation(&self) -> &'static str {
        match &self.effect {
            Effect::Put { before: None, .. } => "c",
            Effect::Put { implicit: true, .. } => "i",
            Effect::Put { .. } => "u",
            Effect::Delete(_) => "d",
            Effect::Reserve(_) => "r",
            Effect::Free(_) => "f",
        }
    }

    /// Follows a change that was decided elsewhere.
    pub fn apply(&self, graph: &mut Graph) {
        match &self.effect {
            Effect::Put { after, .. } => graph.put(after),
            Effect::Delete(object) => {
                graph.remove(object.uuid);
            }
            Effect::Reserve(holds) => holds.iter().for_each(|hold| graph.reserve(*hold)),
            Effect::Free(holds) => holds.iter().for_each(|hold| graph.release(*hold)),
        }
        graph.set_revision(self.revision);
    }
}
