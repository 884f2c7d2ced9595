//! routing-instance (contrail-api R21: RI-C1, RI-U1, RI-D1): the default one of a network is the system's. Everything else
//! about them is plain (RI-G1).

use crate::{
    graph::Object,
    model::field_name,
    rules::engine::{Decision, Draft, Rejection, RuleId, Rules, Work, rule},
};
use serde_json::Value;
use std::sync::Arc;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, before_delete, ..Rules::NONE };

const IS_DEFAULT: &str = field_name::ROUTING_INSTANCE_IS_DEFAULT;

fn refuse(name: &str, uuid: uuid::Uuid, rule: RuleId) -> Rejection {
    Rejection::conflict(format!("Cannot modify system resource Routing Instance {name}({uuid})"))
        .by(rule)
        .about(IS_DEFAULT)
}

fn before_create(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given(IS_DEFAULT) == Some(&Value::Bool(true)) {
        return Err(refuse(draft.fq_name.joined(), draft.uuid, rule::RI_C1));
    }
    Ok(())
}

fn before_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let stored = draft.stored_value(IS_DEFAULT).unwrap_or(Value::Bool(false));
    if draft.given(IS_DEFAULT).is_some_and(|given| !given.is_null() && *given != stored) {
        return Err(refuse(draft.fq_name.joined(), draft.uuid, rule::RI_U1));
    }
    Ok(())
}

fn before_delete(work: &mut Work, instance: &Arc<Object>) -> Decision<()> {
    if work.property(instance, IS_DEFAULT) == Some(Value::Bool(true)) {
        return Err(refuse(instance.fq_name.joined(), instance.uuid, rule::RI_D1));
    }
    Ok(())
}
