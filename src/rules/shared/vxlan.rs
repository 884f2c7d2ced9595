//! VXLAN ids that users configure: numbers of the same space as those of networks, each had once.

use crate::{
    graph::NumberPool,
    rules::engine::{Decision, Rejection, Work},
};

/// Refuses a number that another network has, as its own or as VXLAN id (VN-C4, VN-U5, LR-C6, LR-U3).
///
/// # Errors
/// 400 with the number.
pub fn check_free(work: &Work, number: u64) -> Decision<()> {
    if work.graph.numbers().is_free(NumberPool::VirtualNetwork, number) {
        return Ok(());
    }
    Err(Rejection::bad_request(format!("Cannot set VXLAN_ID: {number}, it has already been set")))
}
