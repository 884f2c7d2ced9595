//! service-instance (contrail-api R21: SI-*). Those that are machines have no rules; those on a physical device have two units
//! there, numbered from the space of network ids.

use crate::{
    graph::{NumberPool, SERVICE_UNITS},
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        types::port_tuple,
    },
};
use serde_json::{Value, json};

/// The rules of the type. With a deleted one its port tuples go, as its children, with what was made for them, and its numbers
/// are free (SI-D1).
pub const RULES: Rules = Rules {
    before_create,
    before_update,
    before_delete: |work, service| port_tuple::take_away(work, service),
    ..Rules::NONE
};

const BINDINGS: &str = field_name::SERVICE_INSTANCE_BINDINGS;

/// What a service on a device has to say about itself, with the peer's (cut off) complaints.
const ANNOTATIONS: [(&str, &str); 4] = [
    ("left-svc-vlan", "Left svc vlan should be defined in svc "),
    ("right-svc-vlan", "Right svc vlan should be defined in svc "),
    ("left-svc-asns", "Left svc asn should be defined in svc "),
    ("right-svc-asns", "Right svc asn should be defined in svc "),
];

/// Whether a service with these properties is on a physical device.
pub fn is_on_device(properties: Option<&Value>) -> bool {
    let kind = properties.and_then(|properties| properties.get(field_name::SERVICE_VIRTUALIZATION_TYPE));
    kind.is_some_and(|kind| kind == "physical-device")
}

/// SI-C1
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    set_units(draft, Vec::new());
    if !is_on_device(draft.value(field_name::SERVICE_INSTANCE_PROPERTIES).as_ref()) {
        return Ok(());
    }
    let annotations = draft.value(field_name::ANNOTATIONS).unwrap_or_default();
    let Some(pairs) = annotations.get(field_name::KEY_VALUE_PAIR).and_then(Value::as_array) else {
        return Err(Rejection::bad_request("svc attributes should be defined as key_value_pairs")
            .by(rule::SI_C1)
            .about("annotations"));
    };
    for (key, complaint) in ANNOTATIONS {
        if !pairs.iter().any(|pair| pair.get("key") == Some(&Value::from(key))) {
            return Err(Rejection::bad_request(complaint).by(rule::SI_C1).about("annotations"));
        }
    }
    let numbers = work.graph.numbers();
    let mut next = numbers.next_free(NumberPool::VirtualNetwork);
    let mut units = Vec::new();
    for unit in SERVICE_UNITS {
        let number = next.ok_or_else(|| Rejection::conflict("No unit number is free").by(rule::SI_C1))?;
        units.push(json!({"key": unit, "value": number.to_string()}));
        next = numbers.next_free_after(NumberPool::VirtualNetwork, number);
    }
    set_units(draft, units);
    Ok(())
}

/// The units stay, whatever a client sends as bindings.
fn before_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given(BINDINGS).is_some() {
        let stored = pairs(draft.stored_value(BINDINGS));
        set_units(draft, stored.into_iter().filter(is_unit).collect());
    }
    Ok(())
}

fn pairs(bindings: Option<Value>) -> Vec<Value> {
    let pairs = bindings.and_then(|mut value| value.get_mut(field_name::KEY_VALUE_PAIR).map(Value::take));
    pairs.and_then(|pairs| pairs.as_array().cloned()).unwrap_or_default()
}

fn is_unit(pair: &Value) -> bool {
    SERVICE_UNITS.iter().any(|unit| pair.get("key") == Some(&Value::from(*unit)))
}

/// Puts these units in the place of those that a client may have sent: the numbers are the server's to give.
fn set_units(draft: &mut Draft, units: Vec<Value>) {
    let mut bindings = pairs(draft.value(BINDINGS));
    let count = bindings.len();
    bindings.retain(|pair| !is_unit(pair));
    if bindings.len() < count || !units.is_empty() {
        bindings.extend(units);
        draft.set(BINDINGS, json!({ "key_value_pair": bindings }));
    }
}
