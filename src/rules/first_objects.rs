//! The objects that exist from the first start on (contrail-api R21, wire contract 8), past the rules of their types
//! (GEN-14). What is missing is made, in one request: all or nothing.

use crate::{
    graph::{NumberPool, Object},
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Work},
        types::{project, tag, virtual_network::add_routing_instance},
    },
};
use serde_json::{Value, json};
use std::sync::Arc;

/// TGT-1: name of a tag type, its id.
const TAG_TYPES: [(&str, &str); 7] = [
    ("label", "0x0000"),
    ("application", "0x0001"),
    ("tier", "0x0002"),
    ("deployment", "0x0003"),
    ("site", "0x0004"),
    ("neutron_fwaas", "0x0005"),
    ("neutron_tag", "0x0006"),
];

/// RBAC-12, RBAC-13: what everybody may do from the start: object, field, letters. Whoever narrows it later finds it so after the next start,
/// for the list is made once.
const DEFAULT_ROLE_RULES: [(&str, &str, &str); 7] = [
    ("fqname-to-id", "", "CRUD"),
    ("id-to-fqname", "", "CRUD"),
    ("useragent-kv", "", "CRUD"),
    ("documentation", "", "R"),
    ("/", "", "R"),
    ("watch", "", "R"),
    ("logical-router", "logical_router_gateway_external", "R"),
];

fn default_role_rules() -> Value {
    let rules = DEFAULT_ROLE_RULES.map(|(object, field, letters)| {
        json!({
            "rule_object": object, "rule_field": field, "rule_perms": [{"role_name": "*", "role_crud": letters}],
        })
    });
    json!({"rbac_rule": rules})
}

/// Makes what is missing.
///
/// # Errors
/// Internal, if the model lacks one of the types.
pub fn provision(work: &mut Work, role_rules: bool) -> Decision<()> {
    work.begin_first_start();
    let global = first(work, None, type_name::GLOBAL_SYSTEM_CONFIG, "default-global-system-config", |_, draft| {
        draft.set(field_name::AUTONOMOUS_SYSTEM, 64512.into());
        draft.set(field_name::CONFIG_VERSION, "1.0".into());
    })?;
    let vrouter_config =
        first(work, Some(&global), type_name::GLOBAL_VROUTER_CONFIG, "default-global-vrouter-config", |_, _| ())?;
    let domain = first(work, None, "domain", "default-domain", |_, _| ())?;
    first(work, Some(&domain), "namespace", "default-namespace", |_, _| ())?;
    let project = first(work, Some(&domain), "project", "default-project", |work, draft| {
        // QTA-5: only at the first start; limits that are set later stay.
        draft.set(field_name::QUOTA, work.options().quota.value());
    })?;
    let number = |work: &Work, draft: &mut Draft| {
        if let Some(id) = work.graph.numbers().next_free(NumberPool::VirtualNetwork) {
            draft.set(field_name::VIRTUAL_NETWORK_NETWORK_ID, id.into());
        }
        draft.set(field_name::IS_SHARED, false.into());
    };
    // The only one of all that comes without the defaults.
    let bare = Draft::bare_object(work, Some(&project), type_name::VIRTUAL_NETWORK, "default-virtual-network")?;
    let default_network = unless_there(work, bare, number);
    first(work, Some(&project), type_name::NETWORK_IPAM, "default-network-ipam", |_, draft| share(draft, 5))?;
    first(work, Some(&global), "fabric", "default-fabric", |_, _| ())?;
    let policies = first(work, None, type_name::POLICY_MANAGEMENT, "default-policy-management", |_, _| ())?;
    first(work, Some(&policies), type_name::APPLICATION_POLICY_SET, "default-application-policy-set", |_, draft| {
        draft.set(field_name::ALL_APPLICATIONS, true.into());
        let link = NewLink { target: vrouter_config.uuid, attribute: Value::Null };
        draft.set_links(field_name::GLOBAL_VROUTER_CONFIG_REFS, vec![link]);
    })?;
    let network = |work: &mut Work, name: &str, is_provider: bool| {
        first(work, Some(&project), type_name::VIRTUAL_NETWORK, name, |work, draft| {
            number(work, draft);
            draft.set(field_name::IS_PROVIDER_NETWORK, is_provider.into());
        })
    };
    let ip_fabric = network(work, "ip-fabric", true)?;
    let link_local = network(work, "__link_local__", false)?;
    let interconnect = network(work, "dci-network", false)?;
    for (network, name, is_default) in [
        (&ip_fabric, "ip-fabric", true),
        (&ip_fabric, "__default__", false),
        (&link_local, "__link_local__", true),
        (&interconnect, "dci-network", true),
        (&interconnect, "__default__", false),
        (&default_network, "default-virtual-network", true),
    ] {
        let joined = network.fq_name.child(name);
        let kind = work.type_id(type_name::ROUTING_INSTANCE)?;
        if work.graph.find_joined(kind, joined.joined()).is_none() {
            add_routing_instance(work, network, name, is_default, false)?;
        }
    }
    first(work, Some(&global), "alarm", "system-defined-bottle-request-size-limit", |_, draft| {
        draft.set(field_name::ALARM_SEVERITY, 1.into());
        draft.set(field_name::UVE_KEYS, json!({"uve_key": [type_name::CONFIG_NODE]}));
        let condition =
            json!({"operation": "==", "operand1": "UveConfigReq.err_info.*.", "operand2": {"json_value": "True"}});
        draft.set(field_name::ALARM_RULES, json!({"or_list": [{"and_list": [condition]}]}));
        describe(draft, "Bottle request size limit exceeded.");
    })?;
    first(work, Some(&project), type_name::SECURITY_GROUP, "__no_rule__", |work, draft| {
        if let Some(id) = work.graph.numbers().next_free(NumberPool::SecurityGroup) {
            draft.set(field_name::SECURITY_GROUP_ID, id.into());
        }
        draft.set(field_name::SECURITY_GROUP_ENTRIES, json!({"policy_rule": []}));
        describe(draft, "Security group with no rules");
        share(draft, 5);
    })?;
    first(work, None, type_name::DISCOVERY_SERVICE_ASSIGNMENT, "default-discovery-service-assignment", |_, _| ())?;
    first(work, Some(&global), type_name::GLOBAL_QOS_CONFIG, "default-global-qos-config", |_, _| ())?;
    first(work, Some(&project), type_name::NETWORK_IPAM, "service-chain-flat-ipam", |_, draft| {
        draft.set(field_name::IPAM_SUBNET_METHOD, "flat-subnet".into());
        let subnet = |prefix: &str, length: u8| json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}, "alloc_unit": 1, "enable_dhcp": true});
        draft.set(field_name::IPAM_SUBNETS, json!({"subnets": [subnet("0.0.0.0", 8), subnet("::ffff", 104)]}));
    })?;
    for (name, id) in TAG_TYPES {
        first(work, None, type_name::TAG_TYPE, name, |_, draft| {
            draft.set(field_name::TAG_TYPE_ID, id.into());
            draft.set(field_name::DISPLAY_NAME, name.into());
            let mut id_perms = draft.value(field_name::ID_PERMS).unwrap_or_default();
            if let Some(fields) = id_perms.as_object_mut() {
                fields.insert(field_name::USER_VISIBLE.to_owned(), false.into());
            }
            draft.set(field_name::ID_PERMS, id_perms);
        })?;
    }
    if role_rules {
        first(work, Some(&global), type_name::API_ACCESS_LIST, "default-api-access-list", |_, draft| {
            draft.set(field_name::API_ACCESS_LIST_ENTRIES, default_role_rules());
        })?;
    }
    tag::follow_width(work)?;
    // PRJ-C1 also for projects from elsewhere: reads never have to make it.
    let set_type = work.type_id(type_name::APPLICATION_POLICY_SET)?;
    let project_type = work.type_id(type_name::PROJECT)?;
    let projects: Vec<Arc<Object>> = work.graph.objects_of(project_type).cloned().collect();
    for project in projects {
        let set = project.fq_name.child("default-application-policy-set");
        if work.graph.find_joined(set_type, set.joined()).is_none() {
            project::add_default_policy_set(work, &project)?;
        }
    }
    Ok(())
}

/// The object with this name; made, and completed, when it is missing.
fn first(
    work: &mut Work,
    parent: Option<&Arc<Object>>,
    type_name: &str,
    name: &str,
    complete: impl FnOnce(&Work, &mut Draft),
) -> Decision<Arc<Object>> {
    let draft = Draft::first_object(work, parent, type_name, name)?;
    Ok(unless_there(work, draft, complete))
}

fn unless_there(work: &mut Work, mut draft: Draft, complete: impl FnOnce(&Work, &mut Draft)) -> Arc<Object> {
    if let Some(existing) = work.graph.find_joined(draft.type_id, draft.fq_name.joined()) {
        return Arc::clone(existing);
    }
    complete(work, &mut draft);
    work.save(&draft)
}

/// PERM-8: what everybody needs.
fn share(draft: &mut Draft, global_access: i64) {
    let mut perms2 = draft.value(field_name::PERMS2).unwrap_or_default();
    if let Some(fields) = perms2.as_object_mut() {
        fields.insert(field_name::GLOBAL_ACCESS.to_owned(), global_access.into());
    }
    draft.set(field_name::PERMS2, perms2);
}

fn describe(draft: &mut Draft, description: &str) {
    let mut id_perms = draft.value(field_name::ID_PERMS).unwrap_or_default();
    if let Some(fields) = id_perms.as_object_mut() {
        fields.insert("description".to_owned(), description.into());
    }
    draft.set(field_name::ID_PERMS, id_perms);
}
