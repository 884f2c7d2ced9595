//! The scopes of the firewall policy family: the whole system, or a project (contrail-api R21: FW-G1). What refers to an
//! object stops its delete, as everywhere (FW-G2); the order of references is free text (FW-G3). An address-group has no rules
//! beside drafts and the kind of its tags (AGRP-C1), a policy-management has none (PM-G1).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, Rejection, Work, rule},
};
use std::sync::Arc;

/// References that stay in their scope, or lead out of a project.
const REFERENCES: [&str; 5] = [
    field_name::FIREWALL_POLICY_REFS,
    field_name::FIREWALL_RULE_REFS,
    field_name::ADDRESS_GROUP_REFS,
    field_name::SERVICE_GROUP_REFS,
    field_name::VIRTUAL_NETWORK_REFS,
];

/// FW-G1: what holds for the whole system does not depend on a project.
///
/// # Errors
/// 400 that names both.
pub fn check(work: &Work, draft: &Draft) -> Decision<()> {
    if project(work, draft.parent.as_ref()).is_some() {
        return Ok(());
    }
    let links =
        |field: &'static str| draft.given_links(field).unwrap_or_default().iter().map(move |link| (field, link));
    for (field, link) in REFERENCES.into_iter().flat_map(links) {
        let Some(target) = work.graph.get(link.target) else { continue };
        let parent = target.parent.and_then(|parent| work.graph.get(parent)).cloned();
        if project(work, parent.as_ref()).is_some() {
            return Err(Rejection::bad_request(format!(
                "Global {} {} ({}) cannot reference a scoped {} {} ({})",
                draft.object_type().title,
                draft.fq_name.joined(),
                draft.uuid,
                work.type_of(target).title,
                target.fq_name.joined(),
                target.uuid
            ))
            .by(rule::FW_G1)
            .about(field)
            .because_of([target.uuid]));
        }
    }
    Ok(())
}

/// The project that an object is in, given its parent: that, or one above it.
pub fn project(work: &Work, parent: Option<&Arc<Object>>) -> Option<Arc<Object>> {
    let mut next = parent.cloned();
    while let Some(object) = next {
        if work.type_of(&object).name == type_name::PROJECT {
            return Some(object);
        }
        next = object.parent.and_then(|parent| work.graph.get(parent)).cloned();
    }
    None
}
