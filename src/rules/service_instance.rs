//! service-instance (contrail-api R21: SI-*). Those that are machines have no rules; those on a physical device have two units
//! there, numbered from the space of network ids.
//!
//! A port-tuple has no rules here: what is made for those of physical devices is made by the device manager (PT-C1, PT-D1).

use super::{Decision, Draft, Rejection, Rules, Work};
use crate::graph::{NumberPool, SERVICE_UNITS};
use serde_json::{Value, json};

/// The rules of the type. With a deleted one its port tuples go, as its children, and its numbers are free (SI-D1).
pub const RULES: Rules = Rules { before_create, ..Rules::NONE };

/// What a service on a device has to say about itself, with the peer's (cut off) complaints.
const ANNOTATIONS: [(&str, &str); 4] = [
    ("left-svc-vlan", "Left svc vlan should be defined in svc "),
    ("right-svc-vlan", "Right svc vlan should be defined in svc "),
    ("left-svc-asns", "Left svc asn should be defined in svc "),
    ("right-svc-asns", "Right svc asn should be defined in svc "),
];

/// SI-C1
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let properties = draft.value("service_instance_properties").unwrap_or_default();
    if properties.get("service_virtualization_type") != Some(&Value::from("physical-device")) {
        return Ok(());
    }
    let annotations = draft.value("annotations").unwrap_or_default();
    let Some(pairs) = annotations.get("key_value_pair").and_then(Value::as_array) else {
        return Err(Rejection::bad_request("svc attributes should be defined as key_value_pairs"));
    };
    for (key, complaint) in ANNOTATIONS {
        if !pairs.iter().any(|pair| pair.get("key") == Some(&Value::from(key))) {
            return Err(Rejection::bad_request(complaint));
        }
    }
    let mut bindings = draft.value("service_instance_bindings").unwrap_or_default();
    let mut bound =
        bindings.get_mut("key_value_pair").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    bound.retain(|pair| SERVICE_UNITS.iter().all(|unit| pair.get("key") != Some(&Value::from(*unit))));
    let numbers = work.graph.numbers();
    let mut next = numbers.next_free(NumberPool::VirtualNetwork);
    for unit in SERVICE_UNITS {
        let number = next.ok_or_else(|| Rejection::conflict("No unit number is free"))?;
        bound.push(json!({"key": unit, "value": number.to_string()}));
        next = numbers.next_free_after(NumberPool::VirtualNetwork, number);
    }
    draft.set("service_instance_bindings", json!({ "key_value_pair": bound }));
    Ok(())
}
