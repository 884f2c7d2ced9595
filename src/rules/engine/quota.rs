//! Quota of projects (contrail-api R21: QTA-*): what is there is counted by the graph as it comes and goes.
//!
//! The counts are a part of the graph and follow from its objects, so nothing can drift (QTA-16): a limit that is set later
//! finds what is there (QTA-12), a lower one stops creates only (QTA-10), and one taken back leaves the server's (QTA-11).
//! Requests are decided one after the other, over all servers, so a limit is never exceeded and always used up (QTA-15). The
//! visibility of an object never changes after its create, so no count does because of it (QTA-13).

use crate::{
    graph::{Object, Place},
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, Rejection, Work, rule},
};
use serde_json::Value;
use std::sync::Arc;

/// The limit of a project for a key of its quota; none is no limit (QTA-3, QTA-4).
pub fn limit(work: &Work, project: &Object, key: &str) -> Option<usize> {
    let quota = work.property(project, field_name::QUOTA);
    let set = quota.as_ref().and_then(|quota| quota.get(key)).and_then(Value::as_i64);
    let limit = set.unwrap_or_else(|| work.options().quota.limit(key));
    usize::try_from(limit).ok()
}

/// Refuses a new object over the limit of its project (QTA-6, QTA-8, QTA-9). Hidden objects neither count nor are
/// refused (QTA-7), nor those of types that are in no project (QTA-1).
///
/// # Errors
/// 412 with the limit.
pub fn check_create(work: &Work, draft: &Draft) -> Decision<()> {
    let kind = draft.object_type();
    // The project exists, as all parents and references do (QTA-14).
    let Some(project) = project_of(work, draft) else { return Ok(()) };
    if draft.is_hidden() {
        return Ok(());
    }
    let rules = work.rules_of(draft.type_id);
    let key = rules.quota_key.unwrap_or(&kind.field);
    let limit = match limit(work, &project, key) {
        limit if rules.needs_explicit_quota => usize::from(limit == Some(1)),
        Some(limit) => limit,
        None => return Ok(()),
    };
    if work.graph.counts().objects(project.uuid, draft.type_id) >= limit {
        return Err(Rejection::over_quota(format!("quota limit ({limit}) exceeded for resource {key}"))
            .by(rule::QTA_8)
            .because_of([project.uuid]));
    }
    Ok(())
}

/// Parts of objects that count on their own: subnets of networks, rules of security groups.
pub struct Parts<'a> {
    /// The key of the quota.
    pub key: &'a str,
    /// The text before the limit in a refusal.
    pub text: String,
    /// How many the object of the request will have.
    pub wanted: usize,
    /// How many a stored object has.
    pub count: fn(&Work, &Object) -> usize,
}

/// Refuses more parts than the project of the draft may have in all its objects of this type (QTA-6, QTA-8). What does
/// not add any is accepted whatever the limit is (QTA-17).
///
/// # Errors
/// 412 with the limit.
pub fn check_parts(work: &Work, draft: &Draft, parts: &Parts) -> Decision<()> {
    let before = draft.stored.as_ref().map_or(0, |stored| (parts.count)(work, stored));
    let Some(project) = draft.parent.as_ref().filter(|_| parts.wanted > before && !draft.is_hidden()) else {
        return Ok(());
    };
    let Some(limit) = limit(work, project, parts.key) else { return Ok(()) };
    let counted_before = if draft.stored.as_ref().is_some_and(|stored| stored.hidden) { 0 } else { before };
    let others = work.graph.counts().parts(project.uuid, draft.type_id).saturating_sub(counted_before);
    if parts.wanted + others > limit {
        return Err(Rejection::over_quota(format!("{}: {limit}", parts.text))
            .by(rule::QTA_8)
            .because_of([project.uuid]));
    }
    Ok(())
}

/// The project whose quota counts, if it is one.
fn project_of(work: &Work, draft: &Draft) -> Option<Arc<Object>> {
    let project = match work.graph.counts().place_of(draft.type_id) {
        Place::Parent => draft.parent.as_ref()?.uuid,
        Place::Grandparent => draft.parent.as_ref()?.parent?,
        Place::Reference(field) => draft.links(field).first()?.target,
    };
    work.graph.get(project).filter(|object| work.type_of(object).name == type_name::PROJECT).cloned()
}
