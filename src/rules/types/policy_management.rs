//! policy-management: what is below one holds for all projects, unless it is below a project itself.

use crate::rules::engine::{Rules, security_draft};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: security_draft::check_new_holder, is_for_all: true, ..Rules::NONE };
