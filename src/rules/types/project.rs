//! project (contrail-api R21: PRJ-*).
//!
//! It owns itself (PRJ-C3, `permissions.rs`); its limits hold from the next request on, and nothing is counted beside the
//! objects (PRJ-C4, PRJ-U1, PRJ-D3, `quota.rs`); `vxlan_routing` is only stored (PRJ-U3); its default children do not stop
//! its delete (PRJ-D2). A read of a project changes nothing (PRJ-R1): the set is there from the start.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Rules, Work, rulebook::Owner, security_draft},
        shared::{default_firewall, default_group},
    },
};
use serde_json::Value;
use std::sync::Arc;

/// The rules of the type.
pub const RULES: Rules = Rules {
    before_create: check_quota,
    before_update: check_quota,
    after_create,
    after_update,
    before_delete,
    owner: Owner::Itself,
    ..Rules::NONE
};

/// A limit that who is limited could lift would be none.
fn check_quota(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // Null takes limits away that there are.
    let says_nothing = |quota: &Value| quota.is_null() && draft.stored.is_none();
    if work.identity.is_admin() || draft.given(field_name::QUOTA).is_none_or(says_nothing) {
        return Ok(());
    }
    Err(Rejection::forbidden("Permission Denied: the quota of a project is set by cloud admins only")
        .about(field_name::QUOTA))
}

const DEFAULT_SET: &str = "default-application-policy-set";

fn after_create(work: &mut Work, project: &Arc<Object>) -> Decision<()> {
    add_default_policy_set(work, project)?;
    // NEU-HOOK-1
    if work.options().neutron.default_security_group && !work.provisioning {
        default_group::ensure(work, project)?;
    }
    if work.options().neutron.fwaas && !work.provisioning {
        default_firewall::ensure(work, project)?;
    }
    // PRJ-C2
    security_draft::follow_mode(work, project)
}

/// PRJ-U2
fn after_update(work: &mut Work, _before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    security_draft::follow_mode(work, after)
}

/// PRJ-C1: every project has an application policy set for all applications, and refers to it.
///
/// # Errors
/// Internal, if the model lacks the type.
pub fn add_default_policy_set(work: &mut Work, project: &Arc<Object>) -> Decision<()> {
    let mut draft = Draft::child(work, project, type_name::APPLICATION_POLICY_SET, DEFAULT_SET)?;
    draft.set(field_name::ALL_APPLICATIONS, true.into());
    let set = work.save(&draft);
    let mut draft = Draft::update(work, project);
    draft
        .set_links(field_name::APPLICATION_POLICY_SET_REFS, vec![NewLink { target: set.uuid, attribute: Value::Null }]);
    work.save(&draft);
    Ok(())
}

/// PRJ-D1: the reference to the default set goes first; the set goes as a default child. Drafts stop the delete.
fn before_delete(work: &mut Work, project: &Arc<Object>) -> Decision<()> {
    security_draft::delete_holder(work, project)?;
    let mut draft = Draft::update(work, project);
    draft.set_links(field_name::APPLICATION_POLICY_SET_REFS, Vec::new());
    work.save(&draft);
    Ok(())
}
