//! service-template (contrail-api R21: ST-*): it is for all projects of its domain.

use crate::rules::engine::{Rules, rulebook::DomainAccess};

/// The rules of the type (ST-C1).
pub const RULES: Rules = Rules { domain_access: Some(DomainAccess { itself: false, access: 5 }), ..Rules::NONE };
