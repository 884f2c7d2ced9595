//! port-profile (contrail-api R21: PP-*).

use crate::{
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rules, Work, rule},
        shared::single_reference,
        types::physical_interface::check_mtu,
    },
};

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: check, before_update: check, ..Rules::NONE };

/// PP-C1
fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    single_reference::check(
        work,
        draft,
        rule::PP_C1,
        field_name::STORM_CONTROL_PROFILE_REFS,
        "Port profile",
        "storm profile",
    )?;
    let parameters =
        draft.given(field_name::PORT_PROFILE_PARAMS).and_then(|parameters| parameters.get(field_name::PORT_PARAMS));
    check_mtu(parameters).map_err(|refusal| refusal.within("port_profile_params.port_params"))
}
