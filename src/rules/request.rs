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

/// What came of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The object created or changed.
    Object(Arc<Object>),
    /// Kept aside as a draft: the draft of a new object, or the object that stays as it is; none of a delete.
    Pending(Option<Arc<Object>>),
    /// Addresses taken.
    Addresses(Vec<String>),
    /// Nothing to tell.
    Done,
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
        Ok(match outcome? {
            Outcome::Object(object) if work.pending => Outcome::Pending(Some(object)),
            Outcome::Done if work.pending => Outcome::Pending(None),
            outcome => outcome,
        })
    }

    fn outcome(&self, work: &mut Work) -> Decision<Outcome> {
        match &self.operation {
            Operation::Provision => first_objects::provision(work).map(|()| Outcome::Done),
            Operation::Create(create) => create.decide(work).map(Outcome::Object),
            Operation::Update(update) => update.decide(work).map(Outcome::Object),
            Operation::Delete(delete) => delete.decide(work).map(|()| Outcome::Done),
            Operation::ReferenceUpdate(update) => update.decide(work).map(Outcome::Object),
            Operation::RelaxReference(relax) => relax.decide(work).map(Outcome::Object),
            Operation::CollectionUpdate(update) => update.decide(work).map(Outcome::Object),
            Operation::PermissionChange(change) => change.decide(work).map(Outcome::Object),
            Operation::SetTag(set) => set.decide(work).map(Outcome::Object),
            Operation::ReviewDrafts(review) => review.decide(work).map(|()| Outcome::Done),
            Operation::AllocateAddresses(allocate) => allocate.decide(work).map(Outcome::Addresses),
            Operation::FreeAddresses(free) => free.decide(work).map(|()| Outcome::Done),
        }
    }
}
