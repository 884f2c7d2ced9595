//! qos-config (contrail-api R21: QOS-C1).

use crate::{
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, NewLink, Rejection, Rules, Work, rule},
};
use serde_json::Value;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update: check, ..Rules::NONE };

/// Entries, what their keys are, and the greatest key.
const ENTRIES: [(&str, &str, i64); 3] = [
    (field_name::DSCP_ENTRIES, "DSCP", 63),
    (field_name::VLAN_PRIORITY_ENTRIES, "802.1p", 7),
    (field_name::MPLS_EXP_ENTRIES, "MPLS EXP", 7),
];

/// QOS-C1: it is of the whole system, and says so.
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check(work, draft)?;
    let global = work.graph.objects_of(work.type_id(type_name::GLOBAL_SYSTEM_CONFIG)?).next();
    let links = global.map(|global| NewLink { target: global.uuid, attribute: Value::Null });
    draft.set_links(field_name::GLOBAL_SYSTEM_CONFIG_REFS, links.into_iter().collect());
    Ok(())
}

fn check(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    for (property, title, last) in ENTRIES {
        let value = draft.given(property).and_then(|value| value.get(field_name::QOS_ID_FORWARDING_CLASS_PAIR));
        for entry in value.and_then(Value::as_array).into_iter().flatten() {
            // The model has seen that there is one.
            let key = entry.get("key").and_then(Value::as_i64).unwrap_or_default();
            if !(0..=last).contains(&key) {
                return Err(Rejection::bad_request(format!("Invalid {title} value {key}"))
                    .by(rule::QOS_C1)
                    .about(property));
            }
        }
    }
    Ok(())
}
