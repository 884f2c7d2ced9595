//! virtual-machine: at the top, and once also below projects.

use crate::rules::engine::Rules;

/// The rules of the type. Release 1.2 of the Kubernetes network manager creates virtual machines below projects, as contrail-api
/// allowed before R3.2, and does not survive a refusal.
pub const RULES: Rules = Rules { former_parent: Some("project"), ..Rules::NONE };
