//! service-group (contrail-api R21: SVCG-C1), and what its services have in common with that of a firewall rule.

use crate::{
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        shared::protocol,
    },
};
use serde_json::{Map, Value};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: complete, before_update: complete, ..Rules::NONE };

const SERVICES: &str = field_name::SERVICE_GROUP_FIREWALL_SERVICE_LIST;

/// SVCG-C1
fn complete(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(mut value) = draft.given(SERVICES).cloned() else { return Ok(()) };
    let services = value.get_mut(field_name::FIREWALL_SERVICE).and_then(Value::as_array_mut);
    for service in services.into_iter().flatten().filter_map(Value::as_object_mut) {
        number_protocol(service).map_err(|refusal| refusal.by(rule::SVCG_C1).within(SERVICES))?;
    }
    draft.set(SERVICES, value);
    Ok(())
}

/// FR-C2, SVCG-C1: fills the number of a protocol in. A service may have none, and stays as it is then.
///
/// # Errors
/// 400 for what is neither a name nor a number from 0 to 255.
pub fn number_protocol(service: &mut Map<String, Value>) -> Decision<()> {
    let Some(given) = service.get("protocol").and_then(Value::as_str).filter(|text| !text.is_empty()) else {
        return Ok(());
    };
    let number = protocol::number(&given.to_lowercase());
    let number = number.ok_or_else(|| {
        Rejection::bad_request(format!("Invalid protocol: {given}")).by(rule::FR_C2).about("protocol")
    })?;
    service.insert(field_name::PROTOCOL_ID.to_owned(), number.into());
    Ok(())
}
