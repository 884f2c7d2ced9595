//! What the writer is asked for, one at a time.

use crate::{
    access::Identity,
    graph::Object,
    rules::{
        engine::{
            Create, Decision, Delete, PermissionChange, ReferenceUpdate, RelaxReference, ReviewDrafts, Update, Work,
            collection::CollectionUpdate,
        },
        first_objects,
        outcome::{Outcome, Told},
        set_tag::SetTag,
        types::{virtual_network::AllocateAddresses, virtual_network::FreeAddresses},
    },
};
use std::sync::Arc;

/// A request that may change something.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// Who asks.
    pub identity: Identity,
    /// What hrefs in texts start with: scheme and host.
    pub base: String,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Make the objects of the first start, where they are missing.
    Provision,
    /// `POST` of a collection.
    Create(Create),
    /// `PUT`.
    Update(Update),
    /// `DELETE`.
    Delete(Delete),
    /// `/ref-update`.
    ReferenceUpdate(ReferenceUpdate),
    /// `/ref-relax-for-delete`.
    RelaxReference(RelaxReference),
    /// `/prop-collection-update`.
    CollectionUpdate(CollectionUpdate),
    /// `/chown`, `/chmod`.
    PermissionChange(PermissionChange),
    /// `/set-tag`.
    SetTag(SetTag),
    /// `/security-policy-draft`.
    ReviewDrafts(ReviewDrafts),
    /// `ip-alloc`.
    AllocateAddresses(AllocateAddresses),
    /// `ip-free`.
    FreeAddresses(FreeAddresses),
}

impl Request {
    /// Decides the request on a fork of the graph, which must be dropped when it is refused.
    ///
    /// # Errors
    /// The refusal that the client gets.
    pub fn decide(&self, work: &mut Work) -> Decision<Outcome> {
        let outcome = self.outcome(work);
        // What was refused because something was not written any more has this cause.
        work.check_budget()?;
        work.check_readable()?;
        Ok(match outcome? {
            Outcome::Object(object) if work.pending => Outcome::Pending(Some(object)),
            Outcome::Done if work.pending => Outcome::Pending(None),
            outcome => outcome,
        })
    }

    fn outcome(&self, work: &mut Work) -> Decision<Outcome> {
        let object = match &self.operation {
            Operation::Provision => return first_objects::provision(work).map(|()| Outcome::Done),
            Operation::Delete(delete) => return delete.decide(work).map(|()| Outcome::Done),
            Operation::ReviewDrafts(review) => return review.decide(work).map(|()| Outcome::Done),
            Operation::AllocateAddresses(allocate) => return allocate.decide(work).map(Outcome::Addresses),
            Operation::FreeAddresses(free) => return free.decide(work).map(|()| Outcome::Done),
            Operation::Create(create) => create.decide(work),
            Operation::Update(update) => update.decide(work),
            Operation::ReferenceUpdate(update) => update.decide(work),
            Operation::RelaxReference(relax) => relax.decide(work),
            Operation::CollectionUpdate(update) => update.decide(work),
            Operation::PermissionChange(change) => change.decide(work),
            Operation::SetTag(set) => set.decide(work),
        };
        object.map(|object: Arc<Object>| Outcome::Object(Told::new(work, &object)))
    }
}
