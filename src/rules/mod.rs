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
use types::*;

/// The types with behaviour of their own.
static RULES: [(&str, &Rules); 58] = [
    ("alarm", &alarm::RULES),
    ("alias-ip", &alias_ip::RULES),
    ("application-policy-set", &application_policy_set::RULES),
    ("bgp-as-a-service", &bgp_as_a_service::RULES),
    ("bgp-router", &bgp_router::RULES),
    ("bridge-domain", &bridge_domain::RULES),
    ("data-center-interconnect", &data_center_interconnect::RULES),
    ("domain", &domain::RULES),
    ("fabric", &fabric::RULES),
    ("fabric-namespace", &fabric_namespace::RULES),
    ("firewall-policy", &firewall_policy::RULES),
    ("firewall-rule", &firewall_rule::RULES),
    ("floating-ip", &floating_ip::RULES),
    ("floating-ip-pool", &floating_ip_pool::RULES),
    ("forwarding-class", &forwarding_class::RULES),
    ("global-system-config", &global_system_config::RULES),
    ("grpc-profile", &telemetry_profile::PART_RULES),
    ("host-based-service", &host_based_service::RULES),
    ("instance-ip", &instance_ip::RULES),
    ("interface-route-table", &route_table::INTERFACE_RULES),
    ("logical-interface", &logical_interface::RULES),
    ("logical-router", &logical_router::RULES),
    ("netconf-profile", &telemetry_profile::PART_RULES),
    ("network-ipam", &network_ipam::RULES),
    ("network-policy", &network_policy::RULES),
    ("node", &node::RULES),
    ("physical-interface", &physical_interface::RULES),
    ("physical-router", &physical_router::RULES),
    ("port", &port::RULES),
    ("port-profile", &port_profile::RULES),
    ("port-tuple", &port_tuple::RULES),
    ("project", &project::RULES),
    ("qos-config", &qos_config::RULES),
    ("route-aggregate", &route_aggregate::RULES),
    ("route-table", &route_table::RULES),
    ("route-target", &route_target::RULES),
    ("routing-instance", &routing_instance::RULES),
    ("routing-policy", &routing_policy::RULES),
    ("security-group", &security_group::RULES),
    ("service-appliance", &service_appliance::RULES),
    ("service-appliance-set", &service_appliance::SET_RULES),
    ("service-group", &service_group::RULES),
    ("service-instance", &service_instance::RULES),
    ("service-template", &service_template::RULES),
    ("sflow-profile", &telemetry_profile::SFLOW_RULES),
    ("snmp-profile", &telemetry_profile::PART_RULES),
    ("storm-control-profile", &storm_control_profile::RULES),
    ("sub-cluster", &sub_cluster::RULES),
    ("tag", &tag::RULES),
    ("tag-type", &tag_type::RULES),
    ("telemetry-profile", &telemetry_profile::RULES),
    ("virtual-DNS", &virtual_dns::RULES),
    ("virtual-DNS-record", &virtual_dns_record::RULES),
    ("virtual-machine", &virtual_machine::RULES),
    ("virtual-machine-interface", &virtual_machine_interface::RULES),
    ("virtual-network", &virtual_network::RULES),
    ("virtual-port-group", &virtual_port_group::RULES),
    ("virtual-router", &virtual_router::RULES),
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
