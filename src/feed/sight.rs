//! What somebody gets to know of a change. Nothing but the change decides it, so that it is the same whenever it is told; but for
//! addresses, which have no owner of their own.

use crate::{
    access::{Identity, Right},
    change_log::LogEntry,
    graph::Graph,
};

/// How a change looks to somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// It can't be seen.
    Nothing,
    /// As it was.
    Whole,
    /// The object may be read since this change, and could not before: for who sees it this way it was created.
    Appears,
    /// The object could be read until this change, and may not any more: it was deleted.
    Disappears,
}

impl Sight {
    /// What somebody sees of a change. What happens to addresses is seen with the network that they are of, as this graph has it.
    pub fn of(entry: &LogEntry, identity: &Identity, graph: &Graph) -> Self {
        if identity.sees_everything() {
            return Self::Whole;
        }
        let Some(object) = entry.object() else {
            let seen = graph.get(entry.uuid).is_some_and(|network| identity.may_read(network));
            return if seen { Self::Whole } else { Self::Nothing };
        };
        let after = identity.may_read(object);
        // Whether an object is hidden is said when it is created, and stays so.
        let before = entry.former_permissions.as_ref().map_or(after, |former| {
            !object.hidden && Right::Read.is_in(identity.rights(&former.permissions))
        });
        match (before, after) {
            (false, false) => Self::Nothing,
            (true, true) => Self::Whole,
            (false, true) => Self::Appears,
            (true, false) => Self::Disappears,
        }
    }

    /// Whether somebody gets to know who made a change, and in which request: what is shared must not tell a stranger whose hands it
    /// went through.
    pub fn shows_caller(entry: &LogEntry, identity: &Identity) -> bool {
        let project = entry.caller.as_ref().and_then(|caller| caller.project);
        identity.reads_everything() || project.is_some() && project == identity.caller.project_uuid()
    }
}
