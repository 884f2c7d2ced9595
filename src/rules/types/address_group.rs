//! address-group (contrail-api R21: TGR-2): what it is, its labels say.

use crate::rules::engine::{Rules, rulebook::Tags};

/// The rules of the type.
pub const RULES: Rules = Rules { tags: Tags::Labels, ..Rules::NONE };
