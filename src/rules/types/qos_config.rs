//! qos-config (contrail-api R21: QOS-C1).

use crate::rules::engine::{Decision, Draft, NewLink, Rejection, Rules, Work, rule};
use serde_json::Value;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update: check, ..Rules::NONE };

/// Entries, what their keys are, and the greatest key.
const ENTRIES: [(&str, &str, i64); 3] =
    [("dscp_entries", "DSCP", 63), ("vlan_priority_entries", "802.1p", 7), ("mpls_exp_entries", "MPLS EXP", 7)];

/// QOS-C1: it is of the whole system, and says so.
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check(work, draft)?;
    let global = work.graph.objects_of(work.type_id("global-system-config")?).next();
    let links = global.map(|global| NewLink { target: global.uuid, attribute: Value::Null });
    draft.set_links("global_system_config_refs", links.into_iter().collect());
    Ok(())
}

fn check(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    for (property, title, last) in ENTRIES {
        let value = draft.given(property).and_then(|value| value.get("qos_id_forwarding_class_pair"));
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
