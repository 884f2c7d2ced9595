//! Several operations as one request: on one fork, in order, all or none. Each sees what those before it did.

use crate::{
    access::role_rules::Questions,
    rules::{
        asked,
        condition::Precondition,
        engine::{Decision, Work},
        outcome::Outcome,
        request::Operation,
    },
};

/// One operation of a transaction.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to do.
    pub operation: Operation,
    /// What has to hold of the object that it is about.
    pub precondition: Option<Precondition>,
    /// What the roles of who asks have to allow.
    pub asked: Questions,
}

/// The whole request.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// In this order.
    pub steps: Vec<Step>,
}

impl Transaction {
    /// Decides one after the other. What they may do is counted together: also what each of them has to look through, so that
    /// hundreds of them at one large object cost no more than one request may.
    ///
    /// # Errors
    /// The first refusal, with the index of its operation.
    pub fn decide(&self, work: &mut Work) -> Decision<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(self.steps.len());
        for (index, Step { operation, precondition, asked }) in self.steps.iter().enumerate() {
            asked::check(work.role_rules(), &work.graph, &work.identity, asked)
                .map_err(|refusal| refusal.of_operation(index))?;
            if let Some(target) = operation.target(work) {
                work.look_through(&target);
            }
            let outcome = operation.decide(precondition.as_ref(), work);
            outcomes.push(outcome.map_err(|refusal| refusal.of_operation(index))?);
        }
        work.pending = false;
        Ok(outcomes)
    }
}
