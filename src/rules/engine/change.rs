//! What a decided request changes: the unit that is stored and logged.

use crate::graph::{Hold, Object};
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
