//! storm-control-profile (contrail-api R21: SCP-*).

use crate::{
    model::field_name,
    python_literal,
    rules::engine::{Decision, Draft, Rejection, Rules, Work, rule},
};
use serde_json::Value;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: check, before_update: check, ..Rules::NONE };

const MULTICAST: [&str; 3] =
    [field_name::NO_MULTICAST, field_name::NO_REGISTERED_MULTICAST, field_name::NO_UNREGISTERED_MULTICAST];

/// SCP-C1
fn check(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let parameters = draft.given(field_name::STORM_CONTROL_PARAMETERS).and_then(Value::as_object);
    let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) else { return Ok(()) };
    let refuse =
        |text: String| Err(Rejection::bad_request(text).by(rule::SCP_C1).about(field_name::STORM_CONTROL_PARAMETERS));
    let percentage = parameters.get(field_name::BANDWIDTH_PERCENT).unwrap_or(&Value::Null);
    if !percentage.as_i64().is_some_and(|percentage| (1..=100).contains(&percentage)) {
        return refuse(format!("Invalid bandwidth percentage {}", python_literal::value(percentage)));
    }
    let timeout = parameters.get(field_name::RECOVERY_TIMEOUT).and_then(Value::as_i64);
    if let Some(timeout) = timeout.filter(|timeout| !(10..=3600).contains(timeout)) {
        return refuse(format!("Invalid recovery timeout {timeout}"));
    }
    if MULTICAST.iter().filter(|name| parameters.get(**name) == Some(&Value::Bool(true))).count() > 1 {
        return refuse("Cannot select more than one multicast traffic option.".to_owned());
    }
    Ok(())
}
