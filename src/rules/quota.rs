//! Quota of projects (contrail-api R21: QTA-*): what is there is counted by the graph as it comes and goes.
//!
//! The counts are a part of the graph and follow from its objects, so nothing can drift (QTA-16): a limit that is set later
//! finds what is there (QTA-12), a lower one stops creates only (QTA-10), and one taken back leaves the server's (QTA-11).
//! Requests are decided one after the other, over all servers, so a limit is never exceeded and always used up (QTA-15). The
//! visibility of an object never changes after its create, so no count does because of it (QTA-13).

use super::{Decision, Draft, Rejection, Work};
use crate::graph::Object;
use serde_json::Value;
use std::sync::Arc;

/// The limit of a project for a key of its quota; none is no limit (QTA-3, QTA-4).
pub fn limit(work: &Work, project: &Object, key: &str) -> Option<usize> {
    let quota = work.property(project, "quota");
    let set = quota.as_ref().and_then(|quota| quota.get(key)).and_then(Value::as_i64);
    let limit = set.unwrap_or_else(|| work.options.quota.limit(key));
    // Only an explicit 1 allows a host-based-service, and only one.
    let limit = if key == "host_based_service" { i64::from(limit == 1) } else { limit };
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
    if is_hidden(draft) {
        return Ok(());
    }
    let key = if kind.name == "application-policy-set" { "firewall_group" } else { &kind.field };
    let Some(limit) = limit(work, &project, key) else { return Ok(()) };
    if work.graph.counts().objects(project.uuid, draft.type_id) >= limit {
        return Err(Rejection::over_quota(format!("quota limit ({limit}) exceeded for resource {key}")));
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
    let Some(project) = draft.parent.as_ref().filter(|_| parts.wanted > before && !is_hidden(draft)) else {
        return Ok(());
    };
    let Some(limit) = limit(work, project, parts.key) else { return Ok(()) };
    let counted_before = if draft.stored.as_ref().is_some_and(|stored| stored.hidden) { 0 } else { before };
    let others = work.graph.counts().parts(project.uuid, draft.type_id).saturating_sub(counted_before);
    if parts.wanted + others > limit {
        return Err(Rejection::over_quota(format!("{}: {limit}", parts.text)));
    }
    Ok(())
}

fn is_hidden(draft: &Draft) -> bool {
    draft.value("id_perms").is_some_and(|perms| perms.get("user_visible") == Some(&Value::Bool(false)))
}

/// The project whose quota counts: the parent, or what the type says.
fn project_of(work: &Work, draft: &Draft) -> Option<Arc<Object>> {
    let is_project = |object: &Arc<Object>| work.type_of(object).name == "project";
    match draft.object_type().name.as_str() {
        "floating-ip" => {
            let project = draft.links("project_refs").first().map(|link| link.target)?;
            work.graph.get(project).cloned()
        }
        "floating-ip-pool" | "loadbalancer-member" => {
            let grandparent = draft.parent.as_ref()?.parent?;
            work.graph.get(grandparent).filter(|object| is_project(object)).cloned()
        }
        _ => draft.parent.clone().filter(is_project),
    }
}
