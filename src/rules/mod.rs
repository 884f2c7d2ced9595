//! The functional core: decides each request on a fork of the graph. No I/O, no clock and no randomness of its own.
//!
//! `engine` has the steps that are the same for all types, `types` a file for each type with behaviour of its own, `shared` what
//! several types do alike. `types` know `shared` and `engine`, `shared` knows `engine`, and `engine` neither: it asks the table
//! here, which it is handed as a `Rulebook`.

mod condition;
pub mod engine;
mod first_objects;
pub mod listing;
mod outcome;
mod request;
mod set_tag;
pub mod shared;
#[cfg(test)]
mod tests;
mod transaction;
pub mod types;

pub use condition::{Asked, Condition, Precondition, Tags, etag};
pub use engine::permissions::around_modified;
pub use engine::security_draft::DRAFTED_TYPES;
pub use engine::{
    Change, Create, Decision, Delete, Document, Effect, Kind, Options, PermissionChange, Purpose, QuotaDefaults,
    ReferenceUpdate, Rejection, RelaxReference, ReviewDrafts, Rulebook, Rules, TagIdDigits, Update, Work, budget,
    canonical_uuid, collection, has_drafts, is_share, rule, string_list, value_of_key,
};
pub use outcome::{Outcome, Told};
pub use request::{Operation, Request};
pub use set_tag::SetTag;
pub use shared::addresses::Version;
pub use transaction::{Step, Transaction};
pub use types::virtual_network::{AllocateAddresses, FreeAddresses, count_addresses};

use crate::model::{Model, ObjectType};

/// The types with behaviour of their own.
static RULES: [(&str, &Rules); 58] = [
    ("alarm", &types::alarm::RULES),
    ("alias-ip", &types::alias_ip::RULES),
    ("application-policy-set", &types::application_policy_set::RULES),
    ("bgp-as-a-service", &types::bgp_as_a_service::RULES),
    ("bgp-router", &types::bgp_router::RULES),
    ("bridge-domain", &types::bridge_domain::RULES),
    ("data-center-interconnect", &types::data_center_interconnect::RULES),
    ("domain", &types::domain::RULES),
    ("fabric", &types::fabric::RULES),
    ("fabric-namespace", &types::fabric_namespace::RULES),
    ("firewall-policy", &types::firewall_policy::RULES),
    ("firewall-rule", &types::firewall_rule::RULES),
    ("floating-ip", &types::floating_ip::RULES),
    ("floating-ip-pool", &types::floating_ip_pool::RULES),
    ("forwarding-class", &types::forwarding_class::RULES),
    ("global-system-config", &types::global_system_config::RULES),
    ("grpc-profile", &types::telemetry_profile::PART_RULES),
    ("host-based-service", &types::host_based_service::RULES),
    ("instance-ip", &types::instance_ip::RULES),
    ("interface-route-table", &types::route_table::INTERFACE_RULES),
    ("logical-interface", &types::logical_interface::RULES),
    ("logical-router", &types::logical_router::RULES),
    ("netconf-profile", &types::telemetry_profile::PART_RULES),
    ("network-ipam", &types::network_ipam::RULES),
    ("network-policy", &types::network_policy::RULES),
    ("node", &types::node::RULES),
    ("physical-interface", &types::physical_interface::RULES),
    ("physical-router", &types::physical_router::RULES),
    ("port", &types::port::RULES),
    ("port-profile", &types::port_profile::RULES),
    ("port-tuple", &types::port_tuple::RULES),
    ("project", &types::project::RULES),
    ("qos-config", &types::qos_config::RULES),
    ("route-aggregate", &types::route_aggregate::RULES),
    ("route-table", &types::route_table::RULES),
    ("route-target", &types::route_target::RULES),
    ("routing-instance", &types::routing_instance::RULES),
    ("routing-policy", &types::routing_policy::RULES),
    ("security-group", &types::security_group::RULES),
    ("service-appliance", &types::service_appliance::RULES),
    ("service-appliance-set", &types::service_appliance::SET_RULES),
    ("service-group", &types::service_group::RULES),
    ("service-instance", &types::service_instance::RULES),
    ("service-template", &types::service_template::RULES),
    ("sflow-profile", &types::telemetry_profile::SFLOW_RULES),
    ("snmp-profile", &types::telemetry_profile::PART_RULES),
    ("storm-control-profile", &types::storm_control_profile::RULES),
    ("sub-cluster", &types::sub_cluster::RULES),
    ("tag", &types::tag::RULES),
    ("tag-type", &types::tag_type::RULES),
    ("telemetry-profile", &types::telemetry_profile::RULES),
    ("virtual-DNS", &types::virtual_dns::RULES),
    ("virtual-DNS-record", &types::virtual_dns_record::RULES),
    ("virtual-machine", &types::virtual_machine::RULES),
    ("virtual-machine-interface", &types::virtual_machine_interface::RULES),
    ("virtual-network", &types::virtual_network::RULES),
    ("virtual-port-group", &types::virtual_port_group::RULES),
    ("virtual-router", &types::virtual_router::RULES),
];

/// The rules of all types of a model, with what operators set.
pub fn rulebook(model: &Model, options: Options) -> Rulebook {
    Rulebook::new(model, &RULES, options)
}

/// Checks the last element of a name.
///
/// # Errors
/// 400 for a character that names may not have.
pub fn check_name(kind: &ObjectType, name: &str) -> Decision<()> {
    let rules = RULES.iter().find(|(known, _)| *known == kind.name).map_or(&Rules::NONE, |(_, rules)| rules);
    engine::check_name(rules, name)
}
