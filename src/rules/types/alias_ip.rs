//! alias-ip (contrail-api R21: AIP-*, address management ADM-S11).
//!
//! An address in use is refused (AIP-C1). The peer knows IPv4 only (AIP-C2); here IPv6 may be asked for, and is given
//! where no IPv4 is left. The address is free with the object that holds it (AIP-D1).

use crate::rules::{
    engine::{Decision, Draft, Rules, Work},
    shared::addresses::Version,
    types::floating_ip::{exchange_address, pool_of, take_from_pool},
};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const ADDRESS: &str = "alias_ip_address";
/// What is asked for where the client names no address.
const VERSIONS: [Option<Version>; 2] = [Some(Version::Four), Some(Version::Six)];

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(pool) = pool_of(work, draft, "alias-ip-pool") else { return Ok(()) };
    let found = take_from_pool(work, draft, &pool, ADDRESS, &[], &VERSIONS)?;
    draft.set(ADDRESS, found.address.to_string().into());
    draft.hold = found.hold;
    Ok(())
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(pool) = pool_of(work, draft, "alias-ip-pool") else { return Ok(()) };
    exchange_address(work, draft, &pool, ADDRESS, &[])
}
