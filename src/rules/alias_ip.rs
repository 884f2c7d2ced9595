//! alias-ip (contrail-api R21: AIP-*, address management 7).

use super::{
    Decision, Draft, Rules, Work,
    floating_ip::{pool_of, refuse_new_address, take_from_pool},
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
    refuse_new_address(work, draft, "alias-ip-pool", ADDRESS, "Alias IP Address can not be changed")
}
