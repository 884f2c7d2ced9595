//! What several types do alike: each file knows one subject, as addresses, subnets, or ports on bare metal.

pub mod addresses;
pub mod aggregate;
pub mod bgpvpn;
pub mod default_firewall;
pub mod default_group;
mod default_object;
pub mod domain_name;
pub mod firewall_scope;
pub mod gateway_address;
pub mod interface_bindings;
pub mod policy_rule;
pub mod protocol;
pub mod routed_network;
pub mod single_reference;
pub mod subnets;
pub mod subscriber;
pub mod vxlan;
