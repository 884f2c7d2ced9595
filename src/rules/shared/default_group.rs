//! The security group `default` of a project (NEU-SG-G1): what a project lets in and out unless it says otherwise. Whoever makes one
//! makes the same: who brings projects from Keystone (SYNC-4), the create of a project where that is set (NEU-HOOK-1), and Neutron.

use super::default_object;
use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{Decision, Work, create},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// What it is called.
pub const NAME: &str = "default";

/// The body of its create, below a project of this name: it lets in what comes from itself, and out everything.
pub fn body(project: &[String]) -> Value {
    let fq_name = [project, &[NAME.to_owned()]].concat();
    let entries = entries(&fq_name.join(":"));
    json!({
        "fq_name": fq_name,
        "parent_type": type_name::PROJECT,
        "id_perms": {"enable": true, "user_visible": true, "description": DESCRIPTION},
        "security_group_entries": entries,
    })
}

const DESCRIPTION: &str = "Default security group";

fn entries(own_name: &str) -> Value {
    // Whoever reads values by their types finds all members.
    let address = |group: Option<&str>, subnet: Value| {
        json!([{
            "subnet": subnet, "virtual_network": null, "security_group": group, "network_policy": null, "subnet_list": [],
        }])
    };
    let (own, local) = (address(Some(own_name), Value::Null), address(Some("local"), Value::Null));
    let everywhere = |prefix: &str| address(None, json!({"ip_prefix": prefix, "ip_prefix_len": 0}));
    let ports = json!([{"start_port": 0, "end_port": 65535}]);
    let rule = |ethertype: &str, from: &Value, to: &Value| {
        json!({
            "rule_sequence": null, "direction": ">", "protocol": "any", "src_addresses": from, "src_ports": ports,
            "application": [], "dst_addresses": to, "dst_ports": ports, "action_list": null, "ethertype": ethertype,
            "created": null, "last_modified": null, "description": null,
        })
    };
    let rules = [
        rule("IPv4", &own, &local),
        rule("IPv6", &own, &local),
        rule("IPv4", &local, &everywhere("0.0.0.0")),
        rule("IPv6", &local, &everywhere("::")),
    ];
    json!({"policy_rule": rules})
}

/// That of a project, if it has one.
pub fn of_project(work: &Work, project: &Object) -> Option<Arc<Object>> {
    let kind = work.graph.model().find(type_name::SECURITY_GROUP)?;
    work.graph.find_joined(kind, project.fq_name.child(NAME).joined()).cloned()
}

/// Makes it, unless it is there. It belongs to the project, whoever asks.
///
/// # Errors
/// Internal, if the model lacks the type; 409 where no id is free.
pub fn ensure(work: &mut Work, project: &Arc<Object>) -> Decision<Arc<Object>> {
    if let Some(group) = of_project(work, project) {
        return Ok(group);
    }
    let mut draft = default_object::draft(work, project, type_name::SECURITY_GROUP, NAME, Some(DESCRIPTION))?;
    draft.set(field_name::SECURITY_GROUP_ENTRIES, entries(draft.fq_name.joined()));
    create::create_side_object(work, draft)
}
