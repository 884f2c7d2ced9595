//! alias-ip (contrail-api R21: AIP-*, address management 7).

use super::{
    Decision, Draft, Rules, Work,
    floating_ip::{exchange_address, pool_of, take_from_pool},
};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const ADDRESS: &str = "alias_ip_address";

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(pool) = pool_of(work, draft, "alias-ip-pool") else { return Ok(()) };
    let found = take_from_pool(work, draft, &pool, ADDRESS, &[])?;
    draft.set(ADDRESS, found.address.to_string().into());
    draft.hold = found.hold;
    Ok(())
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(pool) = pool_of(work, draft, "alias-ip-pool") else { return Ok(()) };
    exchange_address(work, draft, &pool, ADDRESS, &[])
}
