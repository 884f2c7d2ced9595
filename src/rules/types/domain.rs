//! domain (contrail-api R21: DOM-*): it may use itself, and owns nothing of what is below it.

use crate::rules::engine::{Decision, Draft, Rejection, Rules, Work, rule, rulebook::DomainAccess};

/// The rules of the type.
pub const RULES: Rules = Rules {
    is_owner_of_children: false,
    is_for_all: true,
    domain_access: Some(DomainAccess { itself: true, access: 6 }),
    before_update,
    ..Rules::NONE
};

/// RBAC-16: all that is in a domain may write it, to create there.
fn before_update(work: &mut Work, _draft: &mut Draft) -> Decision<()> {
    if work.identity.is_admin() {
        return Ok(());
    }
    let text = "Permission Denied: a domain is changed by cloud admins only";
    Err(Rejection::forbidden(text).by(rule::RBAC_16))
}
