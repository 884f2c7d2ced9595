//! application-policy-set (contrail-api R21: APS-*).

use crate::{
    graph::Object,
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        shared::firewall_scope,
    },
};
use serde_json::Value;
use std::sync::Arc;

/// The rules of the type. Sets count for the quota of firewall groups (APS-C2, `quota.rs`).
pub const RULES: Rules = Rules {
    before_create: check,
    before_update: check,
    before_delete,
    quota_key: Some(field_name::FIREWALL_GROUP),
    ..Rules::NONE
};

const ALL_APPLICATIONS: &str = field_name::ALL_APPLICATIONS;

/// APS-C1: which set is for all applications is the server's to say.
fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let given = draft.given(ALL_APPLICATIONS).filter(|value| !value.is_null());
    if !draft.internal && given.is_some() && given != draft.stored_value(ALL_APPLICATIONS).as_ref() {
        return Err(Rejection::bad_request("Application policy set 'all-applications' flag is read-only")
            .by(rule::APS_C1)
            .about(ALL_APPLICATIONS));
    }
    firewall_scope::check(work, draft)
}

/// APS-D1
fn before_delete(work: &mut Work, set: &Arc<Object>) -> Decision<()> {
    if work.property(set, ALL_APPLICATIONS) == Some(Value::Bool(true)) {
        let text = "Application Policy Set defined on all applications cannot be deleted";
        return Err(Rejection::bad_request(text).by(rule::APS_D1));
    }
    Ok(())
}
