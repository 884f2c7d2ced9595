//! global-system-config (contrail-api R21: GSC-*): there is exactly one.

use super::{Decision, Draft, Rejection, Rules, Work};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, ..Rules::NONE };

/// GSC-C1
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    match work.graph.objects_of(draft.type_id).next() {
        Some(existing) => Err(Rejection::bad_request(format!(
            "Global System Config already exists with name {} ({})",
            existing.fq_name.joined(),
            existing.uuid
        ))),
        None => Ok(()),
    }
}
