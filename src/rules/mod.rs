//! The functional core: decides each request on a fork of the graph. No I/O, no clock and no randomness of its own.
//!
//! `engine` has the steps that are the same for all types, `types` a file for each type with behaviour of its own, `shared` what
//! several types do alike. `types` know `shared` and `engine`, `shared` knows `engine`, and `engine` neither: it asks the table
//! here, which it is handed as a `Rulebook`.

pub mod asked;
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
pub use engine::access::{check_right, check_visible};
pub use engine::security_draft::DRAFTED_TYPES;
pub use engine::{
    Change, Create, Decision, Delete, Document, Effect, Kind, NeutronOptions, Options, PermissionChange,
    ProjectAccessLists, Purpose, QuotaDefaults, ReferenceUpdate, Rejection, RelaxReference, ReviewDrafts, Rulebook,
    Rules, TagIdDigits, Update, Work, budget, canonical_uuid, collection, has_drafts, is_share, normal_collection,
    rule, string_list, value_of_key,
};
pub use outcome::{Outcome, Told};
pub use request::{Compose, Operation, Request};
pub use set_tag::SetTag;
pub use shared::{
    addresses::{Version, scope_of},
    default_firewall, default_group,
    gateway_address::is_unmanaged,
    protocol,
};
pub use transaction::{Step, Transaction};
pub use types::virtual_network::{AllocateAddresses, FreeAddresses, count_addresses, network_of_call, unknown_network};

use crate::model::{Model, ObjectType, type_name};

/// The types with behaviour of their own.
static RULES: [(&str, &Rules); 61] = [
    (type_name::ADDRESS_GROUP, &types::address_group::RULES),
    (type_name::ALARM, &types::alarm::RULES),
    (type_name::ALIAS_IP, &types::alias_ip::RULES),
    (type_name::API_ACCESS_LIST, &types::api_access_list::RULES),
    (type_name::APPLICATION_POLICY_SET, &types::application_policy_set::RULES),
    (type_name::BGP_AS_A_SERVICE, &types::bgp_as_a_service::RULES),
    (type_name::BGP_ROUTER, &types::bgp_router::RULES),
    (type_name::BRIDGE_DOMAIN, &types::bridge_domain::RULES),
    (type_name::DATA_CENTER_INTERCONNECT, &types::data_center_interconnect::RULES),
    (type_name::DOMAIN, &types::domain::RULES),
    (type_name::FABRIC, &types::fabric::RULES),
    (type_name::FABRIC_NAMESPACE, &types::fabric_namespace::RULES),
    (type_name::FIREWALL_POLICY, &types::firewall_policy::RULES),
    (type_name::FIREWALL_RULE, &types::firewall_rule::RULES),
    (type_name::FLOATING_IP, &types::floating_ip::RULES),
    (type_name::FLOATING_IP_POOL, &types::floating_ip_pool::RULES),
    (type_name::FORWARDING_CLASS, &types::forwarding_class::RULES),
    (type_name::GLOBAL_SYSTEM_CONFIG, &types::global_system_config::RULES),
    (type_name::GRPC_PROFILE, &types::telemetry_profile::PART_RULES),
    (type_name::HOST_BASED_SERVICE, &types::host_based_service::RULES),
    (type_name::INSTANCE_IP, &types::instance_ip::RULES),
    (type_name::INTERFACE_ROUTE_TABLE, &types::route_table::INTERFACE_RULES),
    (type_name::LOGICAL_INTERFACE, &types::logical_interface::RULES),
    (type_name::LOGICAL_ROUTER, &types::logical_router::RULES),
    (type_name::NETCONF_PROFILE, &types::telemetry_profile::PART_RULES),
    (type_name::NETWORK_IPAM, &types::network_ipam::RULES),
    (type_name::NETWORK_POLICY, &types::network_policy::RULES),
    (type_name::NODE, &types::node::RULES),
    (type_name::PHYSICAL_INTERFACE, &types::physical_interface::RULES),
    (type_name::PHYSICAL_ROUTER, &types::physical_router::RULES),
    (type_name::POLICY_MANAGEMENT, &types::policy_management::RULES),
    (type_name::PORT, &types::port::RULES),
    (type_name::PORT_PROFILE, &types::port_profile::RULES),
    (type_name::PORT_TUPLE, &types::port_tuple::RULES),
    (type_name::PROJECT, &types::project::RULES),
    (type_name::QOS_CONFIG, &types::qos_config::RULES),
    (type_name::ROUTE_AGGREGATE, &types::route_aggregate::RULES),
    (type_name::ROUTE_TABLE, &types::route_table::RULES),
    (type_name::ROUTE_TARGET, &types::route_target::RULES),
    (type_name::ROUTING_INSTANCE, &types::routing_instance::RULES),
    (type_name::ROUTING_POLICY, &types::routing_policy::RULES),
    (type_name::SECURITY_GROUP, &types::security_group::RULES),
    (type_name::SERVICE_APPLIANCE, &types::service_appliance::RULES),
    (type_name::SERVICE_APPLIANCE_SET, &types::service_appliance::SET_RULES),
    (type_name::SERVICE_GROUP, &types::service_group::RULES),
    (type_name::SERVICE_INSTANCE, &types::service_instance::RULES),
    (type_name::SERVICE_TEMPLATE, &types::service_template::RULES),
    (type_name::SFLOW_PROFILE, &types::telemetry_profile::SFLOW_RULES),
    (type_name::SNMP_PROFILE, &types::telemetry_profile::PART_RULES),
    (type_name::STORM_CONTROL_PROFILE, &types::storm_control_profile::RULES),
    (type_name::SUB_CLUSTER, &types::sub_cluster::RULES),
    (type_name::TAG, &types::tag::RULES),
    (type_name::TAG_TYPE, &types::tag_type::RULES),
    (type_name::TELEMETRY_PROFILE, &types::telemetry_profile::RULES),
    (type_name::VIRTUAL_DNS, &types::virtual_dns::RULES),
    (type_name::VIRTUAL_DNS_RECORD, &types::virtual_dns_record::RULES),
    (type_name::VIRTUAL_MACHINE, &types::virtual_machine::RULES),
    (type_name::VIRTUAL_MACHINE_INTERFACE, &types::virtual_machine_interface::RULES),
    (type_name::VIRTUAL_NETWORK, &types::virtual_network::RULES),
    (type_name::VIRTUAL_PORT_GROUP, &types::virtual_port_group::RULES),
    (type_name::VIRTUAL_ROUTER, &types::virtual_router::RULES),
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
    engine::check_name(Rules::in_table(&RULES, &kind.name), name)
}
