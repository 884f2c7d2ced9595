//! fabric (contrail-api R21: FAB-*).

use crate::{
    access::Right,
    model::field_name,
    rules::engine::{Decision, Draft, Rejection, Rules, Work, rule},
};
use serde_json::Value;

/// The rules of the type.
/// What is below a fabric only refers to it (access contract 5.3).
pub const RULES: Rules = Rules { before_update, right_to_create_below: Right::Link, ..Rules::NONE };

const STYLE: &str = field_name::FABRIC_ENTERPRISE_STYLE;

/// FAB-U1: the VLANs that ports have were checked in the one style.
fn before_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let old = draft.stored_value(STYLE).as_ref().and_then(Value::as_bool);
    let new = draft.given(STYLE).and_then(Value::as_bool);
    if old.zip(new).is_some_and(|(old, new)| old != new) {
        return Err(Rejection::forbidden("Cannot change from sp-style to enterprise-style or vice-versa")
            .by(rule::FAB_U1)
            .about(STYLE));
    }
    Ok(())
}
