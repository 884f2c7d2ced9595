//! bgp-as-a-service (contrail-api R21: BGAAS-*). Ports are given by the control plane.

use crate::{
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        types::bgp_router::check_session,
    },
};
use serde_json::Value;
use std::collections::HashSet;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const SHARED: &str = field_name::BGPAAS_SHARED;
const ZONES: &str = field_name::CONTROL_NODE_ZONE_REFS;

/// BGAAS-C2
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check(work, draft)?;
    let has_address = draft.value(field_name::BGPAAS_IP_ADDRESS).is_some_and(|address| address != "");
    if draft.value(SHARED) == Some(Value::Bool(true)) && !has_address {
        return Err(Rejection::bad_request("BGPaaS IP Address needs to be configured if BGPaaS is shared")
            .by(rule::BGAAS_C2)
            .about(field_name::BGPAAS_IP_ADDRESS));
    }
    Ok(())
}

/// BGAAS-U1
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let shared = |value: Option<Value>| value == Some(Value::Bool(true));
    if draft.given(SHARED).is_some() && shared(draft.value(SHARED)) != shared(draft.stored_value(SHARED)) {
        return Err(Rejection::bad_request("BGPaaS sharing cannot be modified").by(rule::BGAAS_U1).about(SHARED));
    }
    check(work, draft)
}

fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let session = draft.value(field_name::BGPAAS_SESSION_ATTRIBUTES).unwrap_or_default();
    let number = serde_json::json!({"autonomous_system": draft.value(field_name::AUTONOMOUS_SYSTEM)});
    check_session(work, &session, &number).map_err(|refusal| {
        // Its own number is a property, what else is wrong a member of one.
        let is_property = refusal.is_about(field_name::AUTONOMOUS_SYSTEM);
        let refusal = refusal.by(rule::BGAAS_C1);
        if is_property { refusal } else { refusal.within(field_name::BGPAAS_SESSION_ATTRIBUTES) }
    })?;
    check_zones(work, draft)
}

/// BGAAS-C3: one zone of each kind; replacing one takes two requests.
fn check_zones(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(given) = draft.given_links(ZONES) else { return Ok(()) };
    let mut all = draft.stored_links(ZONES);
    let named: HashSet<Uuid> = given.iter().map(|link| link.target).collect();
    all.retain(|stored| !named.contains(&stored.target));
    // What the request takes away counts only when it puts something else in its place.
    if given.is_empty() {
        return Ok(());
    }
    all.extend(given.iter().cloned());
    let mut seen: HashSet<&str> = HashSet::new();
    for link in &all {
        let kind =
            link.attribute.get(field_name::BGPAAS_CONTROL_NODE_ZONE_TYPE).and_then(Value::as_str).unwrap_or_default();
        if work.graph.get(link.target).is_some() && !seen.insert(kind) {
            let text = format!("BGPaaS has configured with more than one {kind} control-node-zones");
            return Err(Rejection::bad_request(text).by(rule::BGAAS_C3).about(ZONES));
        }
    }
    Ok(())
}
