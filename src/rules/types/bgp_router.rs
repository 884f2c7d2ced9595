//! bgp-router (contrail-api R21: BGPR-*). References between two of them are on both ends.

use crate::{
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        types::route_target::AutonomousSystem,
    },
};
use serde_json::Value;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: check, before_update: check, ..Rules::NONE };

const PARAMETERS: &str = field_name::BGP_ROUTER_PARAMETERS;
const ZONES: &str = field_name::CONTROL_NODE_ZONE_REFS;

/// BGPR-U1: what holds for a new one holds for a changed one, with what is stored.
fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let parameters = draft.value(PARAMETERS).unwrap_or_default();
    if draft.given(PARAMETERS).is_some() {
        check_session(work, &parameters, &parameters).map_err(|refusal| refusal.within(PARAMETERS))?;
    }
    check_sub_cluster(work, draft, &parameters)?;
    check_zones(draft, &parameters)
}

/// BGPR-C1, BGPR-C2, BGAAS-C1: hold time and autonomous systems of a session.
///
/// # Errors
/// 400 for one out of range.
pub fn check_session(work: &Work, timed: &Value, numbered: &Value) -> Decision<()> {
    if timed
        .get(field_name::HOLD_TIME)
        .and_then(Value::as_i64)
        .is_some_and(|seconds| seconds != 0 && !(3..=0xffff).contains(&seconds))
    {
        return Err(Rejection::bad_request("BGPaaS: Hold Time MUST be either zero or at least three seconds")
            .by(rule::BGPR_C1)
            .about(field_name::HOLD_TIME));
    }
    let system = AutonomousSystem::global(work);
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_i64);
    // Where the local number is 0 there is none: the global one holds.
    let local = number(timed, field_name::LOCAL_AUTONOMOUS_SYSTEM).filter(|number| *number != 0);
    let numbers = [
        (field_name::AUTONOMOUS_SYSTEM, number(numbered, field_name::AUTONOMOUS_SYSTEM)),
        (field_name::LOCAL_AUTONOMOUS_SYSTEM, local),
    ];
    for (field, number) in numbers.into_iter().filter_map(|(field, number)| Some((field, number?))) {
        let checked = system.check_number(u64::try_from(number).unwrap_or_default());
        checked.map_err(|refusal| refusal.by(rule::BGPR_C2).about(field))?;
    }
    Ok(())
}

/// BGPR-C3
fn check_sub_cluster(work: &Work, draft: &Draft, parameters: &Value) -> Decision<()> {
    let links = draft.links(field_name::SUB_CLUSTER_REFS);
    let cluster = links.first().and_then(|link| work.graph.get(link.target));
    let asn = cluster.and_then(|cluster| work.property(cluster, field_name::SUB_CLUSTER_ASN));
    if asn.is_some_and(|asn| parameters.get(field_name::AUTONOMOUS_SYSTEM) != Some(&asn)) {
        return Err(Rejection::bad_request("Subcluster asn and bgp asn should be same")
            .by(rule::BGPR_C3)
            .about("bgp_router_parameters.autonomous_system"));
    }
    Ok(())
}

/// BGPR-C4
fn check_zones(draft: &Draft, parameters: &Value) -> Decision<()> {
    let zones = draft.links(ZONES);
    let stored = draft.stored_links(ZONES);
    let another = |target| stored.iter().any(|link| link.target != target);
    if zones.len() > 1 || zones.iter().any(|zone| another(zone.target)) {
        return Err(Rejection::bad_request("BgpRouter should refer only one control-node-zone")
            .by(rule::BGPR_C4)
            .about(ZONES));
    }
    if !zones.is_empty() && parameters.get(field_name::ROUTER_TYPE) != Some(&Value::from("control-node")) {
        return Err(Rejection::bad_request("BgpRouter type should be 'control-node' to refer control-node-zone")
            .by(rule::BGPR_C4)
            .about(ZONES));
    }
    Ok(())
}
