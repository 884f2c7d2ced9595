//! forwarding-class (contrail-api R21: FC-C1).

use crate::{
    model::field_name,
    rules::engine::{Decision, Draft, Rejection, Rules, Work, rule},
};
use serde_json::Value;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: check, before_update: check, ..Rules::NONE };

const ID: &str = field_name::FORWARDING_CLASS_ID;

/// FC-C1: ids are had once; there are 256 of them at most, so all are looked at.
fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.stored.is_some() && draft.given(ID).is_none() {
        return Ok(());
    }
    let number = |value: Option<Value>| value.as_ref().and_then(Value::as_i64).unwrap_or(0);
    let id = number(draft.value(ID));
    let mut others = work.graph.objects_of(draft.type_id).filter(|other| other.uuid != draft.uuid);
    match others.find(|other| number(work.property(other, ID)) == id) {
        None => Ok(()),
        Some(other) => {
            let name = other.fq_name.name();
            Err(Rejection::bad_request(format!("Forwarding class {name} is configured with a id {id}"))
                .by(rule::FC_C1)
                .about(ID)
                .because_of([other.uuid]))
        }
    }
}
