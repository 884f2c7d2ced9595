//! The delete of an object: the generic part (contrail-api R21, wire contract 5).

use crate::{
    graph::Object,
    model::TypeId,
    rules::engine::{Decision, Rejection, RuleId, Work, access, document::canonical_uuid, rule, security_draft},
};
use std::sync::Arc;
use uuid::Uuid;

/// `DELETE`.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The type in the path.
    pub type_id: TypeId,
    /// The uuid in the path, as given.
    pub uuid: String,
}

impl Delete {
    /// Decides a delete on the fork, with the checks in the peer's order (GEN-8).
    ///
    /// # Errors
    /// 404 for an unknown object, 409 while others are below it or need it, and the type's refusals.
    pub fn decide(&self, work: &mut Work) -> Decision<()> {
        let object = canonical_uuid(&self.uuid).and_then(|uuid| work.graph.get(uuid)).cloned();
        let object =
            object.ok_or_else(|| Rejection::not_found(format!("ID {} does not exist", self.uuid)).by(rule::GEN_8))?;
        if object.type_id != self.type_id {
            let kind = &work.graph.model().object_type(self.type_id).name;
            return Err(Rejection::not_found(format!("No {kind} object found for id {}", self.uuid)).by(rule::GEN_8));
        }
        access::check_delete(work, &object)?;
        if security_draft::divert_delete(work, &object)? {
            return Ok(());
        }
        delete_side_object(work, &object)
    }
}

/// Refuses a delete because these refer to the object, by the rule that says which of them count.
///
/// # Errors
/// 409 if there are any.
pub fn refuse_referred<'a>(referrers: impl Iterator<Item = &'a Arc<Object>>, rule: RuleId) -> Decision<()> {
    refuse("Delete when resource still referred", referrers, rule)
}

/// Deletes an object, or one that belongs to it, if nothing is in the way.
///
/// # Errors
/// 409 while others are below it or need it, and the type's refusals.
pub fn delete_side_object(work: &mut Work, object: &Arc<Object>) -> Decision<()> {
    check_children(work, object)?;
    check_referrers(work, object)?;
    let rules = work.rules_of(object.type_id);
    (rules.before_delete)(work, object)?;
    remove_with_children(work, object);
    (rules.after_delete)(work, object)
}

/// Takes an object out with all that is still below it: by now only what does not count (GEN-9).
pub fn remove_with_children(work: &mut Work, object: &Arc<Object>) {
    for child in children(work, object) {
        remove_with_children(work, &child);
    }
    work.remove(object);
}

/// All children, of all types: also those that the model does not know as children, see `Rules::former_parent`.
pub fn children(work: &Work, object: &Object) -> Vec<Arc<Object>> {
    work.graph.all_children(object.uuid).cloned().collect()
}

/// Names the children of one kind, that of the oldest child: with several kinds in the way each is as good.
fn check_children(work: &Work, object: &Object) -> Decision<()> {
    let parent_kind = work.type_of(object);
    let counts = |child: &&Arc<Object>| {
        let name = child.fq_name.name();
        let derived = parent_kind.child_of_type(child.type_id).is_some_and(|kind| kind.derived);
        !derived && name != format!("default-{}", work.type_of(child).name) && name != "draft-policy-management"
    };
    let in_the_way: Vec<&Arc<Object>> = work.graph.all_children(object.uuid).filter(counts).collect();
    let oldest = in_the_way.iter().min_by_key(|child| child.created).map(|child| child.type_id);
    let named = in_the_way.into_iter().filter(|child| Some(child.type_id) == oldest);
    refuse("Delete when children still present", named, rule::GEN_9)
}

/// References that are relaxed, derived or symmetric are not in the way (GEN-10).
fn check_referrers(work: &Work, object: &Object) -> Decision<()> {
    for kind in work.type_of(object).back_references.iter().filter(|kind| !kind.derived) {
        let needs = |referrer: &&Arc<Object>| referrer.needs(object.uuid) && !goes_with(work, referrer, object);
        refuse_referred(work.graph.referrers(object.uuid, kind.source).filter(needs), rule::GEN_10)?;
    }
    Ok(())
}

/// A referrer that will be deleted with the object (its own default child) is not in the way.
fn goes_with(work: &Work, referrer: &Object, object: &Object) -> bool {
    let mut next = referrer.parent;
    while let Some(parent) = next {
        if parent == object.uuid {
            return true;
        }
        next = work.graph.get(parent).and_then(|parent| parent.parent);
    }
    false
}

fn refuse<'a>(text: &'static str, in_the_way: impl Iterator<Item = &'a Arc<Object>>, rule: RuleId) -> Decision<()> {
    let objects: Vec<(TypeId, Uuid)> = in_the_way.map(|object| (object.type_id, object.uuid)).collect();
    if objects.is_empty() { Ok(()) } else { Err(Rejection::conflict_with(text, objects).by(rule)) }
}
