//! What a project has by default: its security group, and its firewall. Whoever asks for the project, the server makes them.

use crate::{
    access::CLOUD_ADMIN,
    graph::Object,
    model::field_name,
    rules::engine::{Decision, Draft, Work},
};
use serde_json::json;
use std::sync::Arc;

/// Such an object, to be made below the project. It belongs to the project.
///
/// # Errors
/// Internal, if the model lacks the type.
pub fn draft(
    work: &Work,
    project: &Arc<Object>,
    type_name: &str,
    name: &str,
    description: Option<&str>,
) -> Decision<Draft> {
    let mut draft = Draft::child(work, project, type_name, name)?;
    let mut id_perms = draft.value(field_name::ID_PERMS).unwrap_or_default();
    id_perms["description"] = description.into();
    // As of what a cloud administrator makes, which the plug-in is in contrail-api.
    id_perms["permissions"]["owner"] = CLOUD_ADMIN.into();
    id_perms["permissions"]["group"] = format!("{CLOUD_ADMIN}-group").into();
    draft.set(field_name::ID_PERMS, id_perms);
    let owner = project.uuid.to_string();
    draft.set(field_name::PERMS2, json!({"owner": owner, "owner_access": 7, "global_access": 0, "share": []}));
    Ok(draft)
}
