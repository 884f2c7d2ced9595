//! domain (contrail-api R21: DOM-*): it may use itself, and owns nothing of what is below it.

use crate::rules::engine::{Rules, rulebook::DomainAccess};

/// The rules of the type.
pub const RULES: Rules =
    Rules { is_owner_of_children: false, domain_access: Some(DomainAccess { itself: true, access: 6 }), ..Rules::NONE };
