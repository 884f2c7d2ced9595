//! network-policy (contrail-api R21: POL-*). A network that refers to a policy keeps it (POL-D1).

use crate::{
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        shared::policy_rule,
    },
};
use serde_json::{Map, Value};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: complete, before_update: complete, ..Rules::NONE };

fn complete(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    policy_rule::complete(work, draft, field_name::NETWORK_POLICY_ENTRIES, check_rule)
}

/// POL-C4, POL-C5
fn check_rule(rule: &Map<String, Value>) -> Decision<()> {
    if rule.get(field_name::ACTION_LIST).is_none_or(Value::is_null) {
        return Err(Rejection::bad_request("Action is required").by(rule::POL_C4));
    }
    let addresses = policy_rule::addresses(rule, &[field_name::SRC_ADDRESSES, field_name::DST_ADDRESSES]);
    let names_group =
        |address: &&Map<String, Value>| address.get(field_name::SECURITY_GROUP).is_some_and(|name| !name.is_null());
    if addresses.iter().any(names_group) {
        let text = "Config Error: policy rule refering to security group is not allowed";
        return Err(Rejection::bad_request(text).by(rule::POL_C5));
    }
    Ok(())
}
