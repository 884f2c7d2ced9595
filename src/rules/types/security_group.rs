//! security-group (contrail-api R21: SG-*).
//!
//! Rules are checked like those of network policies (SG-C1), and name other groups by text: whether these exist is not
//! checked. An interface that refers to a group keeps it (SG-D1); access control lists do not.

use crate::{
    graph::{NumberPool, Object, rule_count},
    model::field_name,
    rules::{
        engine::{
            Decision, Draft, Rejection, Rules, Work,
            quota::{self, Parts},
            rule,
        },
        shared::policy_rule,
    },
};
use serde_json::{Map, Value};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const ID: &str = field_name::SECURITY_GROUP_ID;
const CONFIGURED: &str = field_name::CONFIGURED_SECURITY_GROUP_ID;
const ENTRIES: &str = field_name::SECURITY_GROUP_ENTRIES;
/// Lower ids are those that users configure.
const FIRST_ALLOCATED: u64 = 8_000_000;
const BOTH_SIDES: [&str; 2] = [field_name::SRC_ADDRESSES, field_name::DST_ADDRESSES];

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // SG-C4
    if draft.given(ID).is_some_and(|id| !id.is_null()) {
        return Err(Rejection::forbidden("Cannot set the security group ID").by(rule::SG_C4).about(ID));
    }
    policy_rule::complete(work, draft, ENTRIES, check_rule)?;
    check_rule_quota(work, draft)?;
    // SG-C5
    let id = match configured(draft) {
        Some(id) => id,
        None => next_id(work)?,
    };
    draft.set(ID, id.into());
    Ok(())
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // SG-U1
    if draft.given(ID).is_some() && draft.value(ID) != draft.stored_value(ID) {
        return Err(Rejection::forbidden("Cannot update the security group ID").by(rule::SG_U1).about(ID));
    }
    // SG-U2
    if draft.given(CONFIGURED).is_some() {
        let stored = draft.stored_value(ID).as_ref().and_then(Value::as_u64);
        let id = match (configured(draft), stored) {
            (Some(id), _) => id,
            (None, Some(stored)) if stored > FIRST_ALLOCATED => stored,
            (None, _) => next_id(work)?,
        };
        draft.set(ID, id.into());
    }
    policy_rule::complete(work, draft, ENTRIES, check_rule)?;
    check_rule_quota(work, draft)
}

/// SG-C6, SG-U3: rules count in the project, whichever group they are in; a request that does not name them adds none.
fn check_rule_quota(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(given) = draft.given(ENTRIES) else { return Ok(()) };
    let parts = Parts {
        key: field_name::SECURITY_GROUP_RULE,
        text: ENTRIES.to_owned(),
        wanted: rule_count(Some(given)),
        count: |work: &Work, group: &Object| rule_count(work.property(group, ENTRIES).as_ref()),
    };
    quota::check_parts(work, draft, &parts)
}

fn configured(draft: &Draft) -> Option<u64> {
    draft.given(CONFIGURED).and_then(Value::as_u64).filter(|id| *id > 0)
}

fn next_id(work: &Work) -> Decision<u64> {
    let id = work.graph.numbers().next_free(NumberPool::SecurityGroup);
    id.ok_or_else(|| Rejection::conflict("No security group ID is free").by(rule::SG_C5))
}

/// SG-C2, SG-C3
fn check_rule(rule: &Map<String, Value>) -> Decision<()> {
    let addresses = policy_rule::addresses(rule, &BOTH_SIDES);
    if let Some(ethertype) = rule.get("ethertype").and_then(Value::as_str) {
        for (cidr, address) in addresses.iter().filter_map(|address| policy_rule::subnet(address)) {
            let version = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            if version != ethertype {
                let text = format!("Rule subnet {cidr} doesn't match ethertype {ethertype}");
                return Err(Rejection::bad_request(text).by(rule::SG_C2));
            }
        }
    }
    let is_local =
        |address: &&Map<String, Value>| address.get(field_name::SECURITY_GROUP) == Some(&Value::from("local"));
    if !addresses.iter().any(is_local) {
        return Err(
            Rejection::bad_request("At least one of source or destination addresses must be 'local'").by(rule::SG_C3)
        );
    }
    Ok(())
}
