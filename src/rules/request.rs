//! What the writer is asked for, one at a time.

use crate::{
    access::{Identity, role_rules::Questions},
    graph::Object,
    model::TypeId,
    rules::{
        asked,
        condition::{Condition, Precondition},
        engine::{
            Create, Decision, Delete, PermissionChange, ReferenceUpdate, RelaxReference, ReviewDrafts, Update, Work,
            access, collection::CollectionUpdate, update,
        },
        first_objects,
        outcome::{Outcome, Told},
        set_tag::SetTag,
        transaction::Transaction,
        types::{virtual_network::AllocateAddresses, virtual_network::FreeAddresses},
    },
};
use std::{fmt::Debug, sync::Arc};

/// A request that may change something.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// What has to hold of the object that it is about.
    pub precondition: Option<Precondition>,
    /// Whether it is only tried: decided, answered, and forgotten.
    pub dry_run: bool,
    /// Who asks.
    pub identity: Identity,
    /// What the roles of who asks have to allow.
    pub asked: Questions,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Make the objects of the first start, where they are missing.
    Provision {
        /// Whether rules say what roles may do: then there are some from the start.
        role_rules: bool,
    },
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
    /// One of `/transaction` that changes nothing.
    Condition(Condition),
    /// `/transaction`.
    Many(Transaction),
    /// Made of others, by somebody who knows what it is to be.
    Composed(Arc<dyn Compose>),
}

/// A request that becomes operations only where it is decided: what it reads in order to know which, and what they do, is on one
/// fork, so it is all or nothing, and nobody comes in between. Each operation meets the rules that it would meet alone.
pub trait Compose: Debug + Send + Sync {
    /// Decides it, by deciding operations.
    ///
    /// # Errors
    /// The refusal that the client gets; what was done by then must be dropped.
    fn decide(&self, work: &mut Work) -> Decision<Outcome>;
}

impl Request {
    /// Decides the request on a fork of the graph, which must not be used any more when it is refused, unless it is untouched.
    ///
    /// # Errors
    /// The refusal that the client gets.
    pub fn decide(&self, work: &mut Work) -> Decision<Outcome> {
        asked::check(work.role_rules(), &work.graph, &work.identity, &self.asked)?;
        self.operation.decide(self.precondition.as_ref(), work)
    }
}

impl Operation {
    /// Decides it, if the precondition holds.
    ///
    /// # Errors
    /// 412 if it does not, and the refusals of the operation.
    pub fn decide(&self, precondition: Option<&Precondition>, work: &mut Work) -> Decision<Outcome> {
        // What the request names itself may be said again.
        self.decide_unseen(precondition, work).map_err(|refusal| access::seen(work, refusal, || format!("{self:?}")))
    }

    fn decide_unseen(&self, precondition: Option<&Precondition>, work: &mut Work) -> Decision<Outcome> {
        if let Some(precondition) = precondition {
            // The state of what may not be read is told to nobody; the operation itself refuses then.
            let target = self.target(work).filter(|target| work.identity.may_read(target));
            precondition.check(work, target.as_deref())?;
        }
        work.pending = false;
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

    /// The one object that it is about, if it is about one, and that is there: of a create, the one in its way.
    pub fn target(&self, work: &Work) -> Option<Arc<Object>> {
        let of_type = |type_id: TypeId, uuid: &str| update::find(work, type_id, uuid).ok();
        let of_any = |uuid: &str| update::find_any(work, uuid, "").ok();
        match self {
            Self::Create(create) => create.in_the_way(work),
            Self::Update(update) => of_type(update.type_id, &update.uuid),
            Self::Delete(delete) => of_type(delete.type_id, &delete.uuid),
            Self::ReferenceUpdate(update) => of_type(update.type_id, &update.uuid),
            Self::CollectionUpdate(update) => of_any(&update.uuid),
            Self::PermissionChange(change) => of_any(&change.uuid),
            Self::SetTag(set) => of_type(set.type_id, &set.uuid),
            Self::Condition(condition) => condition.object(work),
            Self::Provision { .. }
            | Self::RelaxReference(_)
            | Self::ReviewDrafts(_)
            | Self::AllocateAddresses(_)
            | Self::FreeAddresses(_)
            | Self::Many(_)
            | Self::Composed(_) => None,
        }
    }

    fn outcome(&self, work: &mut Work) -> Decision<Outcome> {
        let object = match self {
            Self::Provision { role_rules } => {
                return first_objects::provision(work, *role_rules).map(|()| Outcome::Done);
            }
            Self::Delete(delete) => return delete.decide(work).map(|()| Outcome::Done),
            Self::ReviewDrafts(review) => return review.decide(work).map(|()| Outcome::Done),
            Self::AllocateAddresses(allocate) => return allocate.decide(work).map(Outcome::Addresses),
            Self::FreeAddresses(free) => return free.decide(work).map(|()| Outcome::Done),
            Self::Condition(condition) => return condition.decide(work).map(|()| Outcome::Done),
            Self::Many(transaction) => return transaction.decide(work).map(Outcome::Many),
            Self::Composed(composed) => return composed.decide(work),
            Self::Create(create) => create.decide(work),
            Self::Update(update) => update.decide(work),
            Self::ReferenceUpdate(update) => update.decide(work),
            Self::RelaxReference(relax) => relax.decide(work),
            Self::CollectionUpdate(update) => update.decide(work),
            Self::PermissionChange(change) => change.decide(work),
            Self::SetTag(set) => set.decide(work),
        };
        object.map(|object: Arc<Object>| Outcome::Object(Told::new(work, &object)))
    }
}
