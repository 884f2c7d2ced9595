//! How `OpenStack`'s networks are.

use crate::rules::NeutronOptions;
use clap::{ArgAction, Args};

/// How `OpenStack`'s networks are. All servers on a database share these settings, like the quota.
#[derive(Args, Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // They are settings.
pub struct NeutronSettings {
    /// Whether subnets of Neutron reserve no address for a service, and a floating ip needs a router that leads to its port. Shared
    /// like the quota
    #[arg(long, env = "CIRRUS_NEUTRON_STRICT_COMPLIANCE", value_name = "BOOL", default_value = "false",
        action = ArgAction::Set)]
    pub neutron_strict_compliance: bool,

    /// Whether answers to Neutron have fields that only contrail has. Shared like the quota
    #[arg(long, env = "CIRRUS_NEUTRON_CONTRAIL_EXTENSIONS", value_name = "BOOL", default_value = "true",
        action = ArgAction::Set)]
    pub neutron_contrail_extensions: bool,

    /// Whether Neutron's firewall groups, policies and rules are served, and each new project gets a firewall group `default`; they
    /// are answered 404 otherwise. Shared like the quota
    #[arg(long, env = "CIRRUS_NEUTRON_FWAAS", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub neutron_fwaas: bool,

    /// Whether host routes of Neutron's subnets become routes of the ports that they lead to. Shared like the quota
    #[arg(long, env = "CIRRUS_NEUTRON_APPLY_SUBNET_HOST_ROUTES", value_name = "BOOL", default_value = "false",
        action = ArgAction::Set)]
    pub neutron_apply_subnet_host_routes: bool,

    /// Whether each new project gets Neutron's security group `default` at once, however it is made; otherwise it gets it when
    /// Neutron first asks for its groups. Shared like the quota
    #[arg(long, env = "CIRRUS_NEUTRON_DEFAULT_SECURITY_GROUP", value_name = "BOOL", default_value = "false",
        action = ArgAction::Set)]
    pub neutron_default_security_group: bool,
}

impl NeutronSettings {
    /// What it was started with, and defaults where nothing was given.
    pub fn options(&self) -> NeutronOptions {
        NeutronOptions {
            strict_compliance: self.neutron_strict_compliance,
            contrail_extensions: self.neutron_contrail_extensions,
            fwaas: self.neutron_fwaas,
            apply_subnet_host_routes: self.neutron_apply_subnet_host_routes,
            default_security_group: self.neutron_default_security_group,
        }
    }
}
