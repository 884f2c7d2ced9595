//! Quota of projects (contrail-api R21: QTA-*): counted, not kept, so it can't drift.

use super::{Decision, Draft, Rejection, Work};
use crate::graph::Object;
use serde_json::Value;
use std::sync::Arc;

/// Refuses a new object over the limit of its project. Hidden objects neither count nor are refused.
///
/// # Errors
/// 412 with the limit.
pub fn check_create(work: &Work, draft: &Draft) -> Decision<()> {
    let kind = draft.object_type();
    let Some(project) = project_of(work, draft) else { return Ok(()) };
    let hidden = draft.value("id_perms").is_some_and(|perms| perms.get("user_visible") == Some(&Value::Bool(false)));
    let quota = work.property(&project, "quota");
    let set = quota.as_ref().and_then(|quota| quota.get(&kind.field)).and_then(Value::as_i64);
    let limit = match (kind.name.as_str(), set) {
        // QTA-3: only an explicit 1 allows one.
        ("host-based-service", set) => i64::from(set == Some(1)),
        (_, set) => set.unwrap_or(-1),
    };
    let Some(limit) = usize::try_from(limit).ok().filter(|_| !hidden) else { return Ok(()) };
    let counted = match kind.name.as_str() {
        "floating-ip" => visible(work.graph.referrers(project.uuid, draft.type_id), limit),
        "floating-ip-pool" | "loadbalancer-member" => {
            let Some(parent) = &draft.parent else { return Ok(()) };
            let parents = work.graph.children_of(project.uuid, parent.type_id);
            visible(parents.flat_map(|parent| work.graph.children_of(parent.uuid, draft.type_id)), limit)
        }
        _ => visible(work.graph.children_of(project.uuid, draft.type_id), limit),
    };
    if counted >= limit {
        return Err(Rejection::over_quota(format!("quota limit ({limit}) exceeded for resource {}", kind.field)));
    }
    Ok(())
}

/// How many are visible, as far as it matters.
fn visible<'a>(objects: impl Iterator<Item = &'a Arc<Object>>, limit: usize) -> usize {
    objects.filter(|object| !object.hidden).take(limit).count()
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
