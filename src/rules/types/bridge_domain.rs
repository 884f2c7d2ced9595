//! bridge-domain (contrail-api R21: BD-C1).

use crate::rules::engine::{Decision, Draft, Rejection, Rules, Work, rule};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, ..Rules::NONE };

/// BD-C1: one in a network.
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(network) = &draft.parent else { return Ok(()) };
    match work.graph.children_of(network.uuid, draft.type_id).next() {
        None => Ok(()),
        Some(existing) => Err(Rejection::bad_request(format!(
            "Virtual network({}) can have only one bridge domain. Bridge domain({}) is already created under this virtual network",
            network.uuid, existing.uuid
        )).by(rule::BD_C1).because_of([existing.uuid])),
    }
}
