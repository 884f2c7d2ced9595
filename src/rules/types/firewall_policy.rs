//! firewall-policy (contrail-api R21: FW-G1).

use crate::rules::{engine::Rules, shared::firewall_scope};

/// The rules of the type.
pub const RULES: Rules = Rules {
    before_create: |work, draft| firewall_scope::check(work, draft),
    before_update: |work, draft| firewall_scope::check(work, draft),
    ..Rules::NONE
};
