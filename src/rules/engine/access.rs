//! Whether who asks may do it: a step of each create, update and delete. Everybody may do everything: who asks is not known to
//! the server, which takes the word of whoever stands in front of it.

use crate::{
    graph::Object,
    model::TypeId,
    rules::engine::{Decision, Work},
};
use std::sync::Arc;

/// Which side of an object a change is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aspect {
    /// What the object says: the rules of its type speak of it, and a draft may keep it aside.
    Content,
    /// Who may do what with it. It holds at once, and no type has a rule about it.
    Permissions,
}

/// Whether an object of this type may be made, below this parent.
///
/// # Errors
/// None.
pub fn check_create(_work: &Work, _type_id: TypeId, _parent: Option<&Arc<Object>>) -> Decision<()> {
    Ok(())
}

/// Whether this object may be changed.
///
/// # Errors
/// None.
pub fn check_update(_work: &Work, _object: &Arc<Object>, _aspect: Aspect) -> Decision<()> {
    Ok(())
}

/// Whether this object may be deleted.
///
/// # Errors
/// None.
pub fn check_delete(_work: &Work, _object: &Arc<Object>) -> Decision<()> {
    Ok(())
}
