//! The functional core: decides each request on a fork of the graph. No I/O, no clock and no randomness of its own.
//!
//! What holds for all types is in the files named after operations; a type has a file of its own only where it has
//! behaviour of its own.

mod addresses;
mod aggregate;
mod alarm;
mod alias_ip;
mod application_policy_set;
mod bare_metal_port;
mod bgp_as_a_service;
mod bgp_router;
mod bgpvpn;
mod bridge_domain;
pub mod budget;
pub mod change;
pub mod collection;
mod create;
mod data_center_interconnect;
mod delete;
mod document;
mod domain_name;
mod draft;
mod fabric;
mod fabric_namespace;
mod firewall_policy;
mod firewall_rule;
mod firewall_scope;
mod first_objects;
mod floating_ip;
mod floating_ip_pool;
mod forwarding_class;
mod global_system_config;
mod host_based_service;
mod instance_ip;
mod interface_bindings;
mod internal;
mod log_entry;
mod logical_interface;
mod logical_router;
mod network_ipam;
mod network_policy;
mod node;
mod options;
mod outcome;
mod permissions;
mod physical_interface;
mod physical_router;
mod policy_rule;
mod port;
mod port_profile;
mod port_tuple;
mod project;
mod protocol;
mod qos_config;
mod quota;
mod rejection;
mod request;
mod route_aggregate;
mod route_table;
mod route_target;
mod routed_network;
mod routing_instance;
mod routing_policy;
mod security_draft;
mod security_group;
mod service_appliance;
mod service_group;
mod service_instance;
mod set_tag;
mod single_reference;
mod storm_control_profile;
mod sub_cluster;
mod subnets;
mod subscriber;
mod tag;
mod tag_references;
mod tag_type;
mod telemetry_profile;
#[cfg(test)]
mod tests;
mod update;
mod virtual_dns;
mod virtual_dns_record;
mod virtual_machine_interface;
mod virtual_network;
mod virtual_port_group;
mod virtual_router;
mod vxlan;
mod work;

pub use addresses::Version;
pub use change::{Change, Effect};
pub use create::{Create, check_name};
pub use delete::Delete;
pub use document::{Document, GivenLink, Purpose, canonical_uuid, string_list, value_of_key};
pub use draft::{Draft, NewLink};
pub use log_entry::{LogEntry, LogOperation, Origin, Subject};
pub use options::{Options, QuotaDefaults, TagIdDigits};
pub use outcome::{Outcome, Told};
pub use permissions::is_share;
pub use rejection::{Decision, Kind, Rejection};
pub use request::{Operation, Request};
pub use security_draft::{DRAFTED_TYPES, ReviewDrafts, has_drafts};
pub use set_tag::SetTag;
pub use update::{PermissionChange, ReferenceUpdate, RelaxReference, Update};
pub use virtual_network::{AllocateAddresses, FreeAddresses, count_addresses};
pub use work::Work;

use crate::graph::Object;
use std::sync::Arc;

/// What a type does around the generic operations. Each part may refuse; then nothing of the request remains.
pub struct Rules {
    /// Changes a create before its name is looked at.
    pub before_name: Option<fn(&Work, &Create) -> Decision<Create>>,
    /// Checks and completes a new object.
    pub before_create: fn(&mut Work, &mut Draft) -> Decision<()>,
    /// Makes what belongs to a new object.
    pub after_create: fn(&mut Work, &Arc<Object>) -> Decision<()>,
    /// Checks and completes a changed object, whichever way the change came.
    pub before_update: fn(&mut Work, &mut Draft) -> Decision<()>,
    /// Follows up on a change: before, after.
    pub after_update: fn(&mut Work, &Arc<Object>, &Arc<Object>) -> Decision<()>,
    /// Checks whether the object may go.
    pub before_delete: fn(&mut Work, &Arc<Object>) -> Decision<()>,
    /// Follows up on the delete.
    pub after_delete: fn(&mut Work, &Arc<Object>) -> Decision<()>,
}

impl Rules {
    /// Nothing beyond the generic operations.
    pub const NONE: Self = Self {
        before_name: None,
        before_create: |_, _| Ok(()),
        after_create: |_, _| Ok(()),
        before_update: |_, _| Ok(()),
        after_update: |_, _, _| Ok(()),
        before_delete: |_, _| Ok(()),
        after_delete: |_, _| Ok(()),
    };
}

/// The types with behaviour of their own.
static RULES: [(&str, &Rules); 55] = [
    ("alarm", &alarm::RULES),
    ("alias-ip", &alias_ip::RULES),
    ("application-policy-set", &application_policy_set::RULES),
    ("bgp-as-a-service", &bgp_as_a_service::RULES),
    ("bgp-router", &bgp_router::RULES),
    ("bridge-domain", &bridge_domain::RULES),
    ("data-center-interconnect", &data_center_interconnect::RULES),
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
    ("sflow-profile", &telemetry_profile::SFLOW_RULES),
    ("snmp-profile", &telemetry_profile::PART_RULES),
    ("storm-control-profile", &storm_control_profile::RULES),
    ("sub-cluster", &sub_cluster::RULES),
    ("tag", &tag::RULES),
    ("tag-type", &tag_type::RULES),
    ("telemetry-profile", &telemetry_profile::RULES),
    ("virtual-DNS", &virtual_dns::RULES),
    ("virtual-DNS-record", &virtual_dns_record::RULES),
    ("virtual-machine-interface", &virtual_machine_interface::RULES),
    ("virtual-network", &virtual_network::RULES),
    ("virtual-port-group", &virtual_port_group::RULES),
    ("virtual-router", &virtual_router::RULES),
];

/// The rules of a type.
fn rules_of(type_name: &str) -> &'static Rules {
    RULES.iter().find(|(name, _)| *name == type_name).map_or(&Rules::NONE, |(_, rules)| rules)
}
