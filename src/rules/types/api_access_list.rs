//! api-access-list: which roles may do what (access contract 4.1). Who writes rules gives rights, so members do not, but for
//! those of their own project where the operator says so.

use crate::{
    access::role_rules::Letter,
    graph::Object,
    model::{TypeId, field_name, type_name},
    python_literal,
    rules::engine::{Decision, Draft, ProjectAccessLists, Rejection, Rules, Work, rule},
};
use serde_json::Value;
use std::sync::Arc;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, before_delete, ..Rules::NONE };

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_writer(work, draft.parent.as_ref())?;
    check_letters(draft)
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_writer(work, draft.parent.as_ref())?;
    check_letters(draft)
}

fn before_delete(work: &mut Work, list: &Arc<Object>) -> Decision<()> {
    let parent = list.parent.and_then(|parent| work.graph.get(parent)).cloned();
    check_writer(work, parent.as_ref())
}

/// RBAC-14
fn check_writer(work: &Work, parent: Option<&Arc<Object>>) -> Decision<()> {
    if work.identity.is_admin() {
        return Ok(());
    }
    let project: TypeId = work.type_id(type_name::PROJECT)?;
    let owns =
        |parent: &Arc<Object>| parent.type_id == project && work.identity.caller.project_uuid() == Some(parent.uuid);
    if work.options().project_access_lists == ProjectAccessLists::Owner && parent.is_some_and(owns) {
        return Ok(());
    }
    let text = if parent.is_some_and(|parent| parent.type_id == project) {
        "Permission Denied: rules of a project (api-access-list) are written by cloud admins, and by the project itself with \
         --project-access-lists owner"
    } else {
        "Permission Denied: rules of a domain or of the system (api-access-list) are written by cloud admins only"
    };
    Err(Rejection::forbidden(text).by(rule::RBAC_14))
}

/// The rules in a list.
fn rules_of(entries: Option<Value>) -> Vec<Value> {
    let rules = entries.and_then(|mut entries| entries.get_mut(field_name::RBAC_RULE).map(Value::take));
    match rules {
        Some(Value::Array(rules)) => rules,
        _ => Vec::new(),
    }
}

/// RBAC-15: of the rules that are new, for what is stored may be older than this.
fn check_letters(draft: &Draft) -> Decision<()> {
    let Some(given) = draft.given(field_name::API_ACCESS_LIST_ENTRIES) else { return Ok(()) };
    let stored: std::collections::HashSet<String> =
        rules_of(draft.stored_value(field_name::API_ACCESS_LIST_ENTRIES)).iter().map(Value::to_string).collect();
    for (index, rule) in rules_of(Some(given.clone())).iter().enumerate() {
        if stored.contains(&rule.to_string()) {
            continue;
        }
        let permissions = rule.get(field_name::RULE_PERMS).and_then(Value::as_array);
        for (number, permission) in permissions.into_iter().flatten().enumerate() {
            let letters = permission.get(field_name::ROLE_CRUD).unwrap_or(&Value::Null);
            let is_known = |text: &str| text.chars().all(|letter| Letter::read(letter).is_some());
            if letters.is_null() || letters.as_str().is_some_and(is_known) {
                continue;
            }
            let field = format!(
                "{}.{}[{index}].{}[{number}].{}",
                field_name::API_ACCESS_LIST_ENTRIES,
                field_name::RBAC_RULE,
                field_name::RULE_PERMS,
                field_name::ROLE_CRUD
            );
            let printed = python_literal::value(letters);
            let text = format!("Bad Request, {field} must be letters of C, R, U and D, not {printed}");
            return Err(Rejection::bad_request(text).by(rule::RBAC_15).about(field));
        }
    }
    Ok(())
}
