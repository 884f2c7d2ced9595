//! host-based-service (contrail-api R21: HBS-*).

use super::{Decision, Draft, Rejection, Rules, Work};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const TYPE: &str = "host_based_service_type";

/// HBS-C1
fn before_create(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.value(TYPE).is_none() {
        draft.set(TYPE, "firewall".into());
    }
    Ok(())
}

fn before_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given(TYPE).is_some() && draft.value(TYPE) != draft.stored_value(TYPE) {
        return Err(Rejection::bad_request("Cannot change the Host Based Service type"));
    }
    Ok(())
}
