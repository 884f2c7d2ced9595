//! alias-ip (contrail-api R21: AIP-*, address management ADM-S11).
//!
//! An address in use is refused (AIP-C1). The peer knows IPv4 only (AIP-C2); here IPv6 may be asked for, and is given
//! where no IPv4 is left. The address is free with the object that holds it (AIP-D1).

use crate::{
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        shared::addresses::Version,
        types::floating_ip::{exchange_address, pool_of, take_from_pool},
    },
};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const ADDRESS: &str = field_name::ALIAS_IP_ADDRESS;
/// What is asked for where the client names no address.
const VERSIONS: [Option<Version>; 2] = [Some(Version::Four), Some(Version::Six)];

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(pool) = pool_of(work, draft, type_name::ALIAS_IP_POOL) else { return Ok(()) };
    let found = take_from_pool(work, draft, &pool, ADDRESS, &[], &VERSIONS).map_err(by_own_rule)?;
    draft.set(ADDRESS, found.address.to_string().into());
    draft.hold = found.hold;
    Ok(())
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(pool) = pool_of(work, draft, type_name::ALIAS_IP_POOL) else { return Ok(()) };
    exchange_address(work, draft, &pool, ADDRESS, &[]).map_err(by_own_rule)
}

/// The same refusal by the rule for an alias, where the step that both share names that for a floating-ip.
fn by_own_rule(refusal: Rejection) -> Rejection {
    match refusal.rule {
        Some(rule::FIP_C3) => refusal.by(rule::AIP_C1),
        Some(rule::FIP_C4) => refusal.by(rule::AIP_C2),
        _ => refusal,
    }
}
