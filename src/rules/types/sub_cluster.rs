//! sub-cluster (contrail-api R21: SUBC-*).

use crate::{
    graph::NumberPool,
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        types::route_target::AutonomousSystem,
    },
};
use serde_json::Value;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, is_for_all: true, ..Rules::NONE };

const ID: &str = field_name::SUB_CLUSTER_ID;

/// The last id: it shares its bytes with the number of the autonomous system.
fn last(work: &Work) -> u64 {
    if AutonomousSystem::global(work).number > 0xffff { 0xffff } else { 0xffff_ffff }
}

/// SUBC-C1: the id asked for, or the next.
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if let Some(id) = draft.value(ID) {
        return check_id(work, &id);
    }
    let id = work.graph.numbers().next_free(NumberPool::SubCluster).filter(|id| *id <= last(work));
    let id = id.ok_or_else(|| Rejection::bad_request("No sub-cluster ID is free").by(rule::SUBC_C1).about(ID))?;
    draft.set(ID, id.into());
    Ok(())
}

fn check_id(work: &Work, id: &Value) -> Decision<()> {
    let number = id.as_u64().filter(|number| (1..=last(work)).contains(number)).ok_or_else(|| {
        Rejection::bad_request(format!(
            "Requested ID {id} is out of the range. Two bytes if global ASN uses four bytes, four bytes if global ASN uses two bytes. IDs start from 1"
        )).by(rule::SUBC_C1).about(ID)
    })?;
    if work.graph.numbers().is_free(NumberPool::SubCluster, number) {
        return Ok(());
    }
    Err(Rejection::bad_request(format!("Sub-cluster ID '{number}' is already used, choose another one"))
        .by(rule::SUBC_C1)
        .about(ID))
}

/// SUBC-U1
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given(field_name::SUB_CLUSTER_ASN).is_some() {
        return Err(Rejection::bad_request("Sub cluster ASN can not be modified")
            .by(rule::SUBC_U1)
            .about(field_name::SUB_CLUSTER_ASN));
    }
    match draft.given(ID).cloned() {
        // It has to have one.
        Some(Value::Null) => draft.unset(ID),
        Some(id) if Some(&id) != draft.stored_value(ID).as_ref() => check_id(work, &id)?,
        _ => {}
    }
    Ok(())
}
