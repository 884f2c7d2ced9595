//! What is refused (NEU-ERR-1): the classes of Neutron, each with exactly the arguments that its message has. Whoever gets one
//! raises it with them; the class decides which status an `OpenStack` user sees. A name that is no class of Neutron would be taken
//! for success (NEU-ERR-2), so there are no others than these.

use serde_json::{Map, Value};

macro_rules! exceptions {
    ($($(#[$meaning:meta])* $name:ident { $($argument:ident),* }),* $(,)?) => {
        /// A refusal, by the name of its class (NEU-ERR-4).
        #[derive(Clone, PartialEq, Eq, Debug)]
        #[allow(missing_docs, dead_code)] // Names of arguments are those of Neutron. Not every class is sent yet.
        pub enum Exception {
            $($(#[$meaning])* $name { $($argument: Value),* }),*
        }

        impl Exception {
            /// The name of the class, and its arguments.
            pub fn parts(self) -> (&'static str, Vec<(&'static str, Value)>) {
                match self {
                    $(Self::$name { $($argument),* } => (stringify!($name), vec![$((stringify!($argument), $argument)),*])),*
                }
            }

            /// All classes, each with the names of its arguments.
            #[cfg(test)]
            pub const ALL: &'static [(&'static str, &'static [&'static str])] =
                &[$((stringify!($name), &[$(stringify!($argument)),*])),*];
        }
    };
}

exceptions! {
    /// 404.
    NetworkNotFound { net_id },
    /// 404.
    SubnetNotFound { subnet_id },
    /// 404.
    PortNotFound { port_id },
    /// 404.
    RouterNotFound { router_id },
    /// 404.
    FloatingIPNotFound { floatingip_id },
    /// 404.
    SecurityGroupNotFound { id },
    /// 404.
    SecurityGroupRuleNotFound { id },
    /// 404.
    RouterInterfaceNotFound { router_id, port_id },
    /// 404.
    RouterInterfaceNotFoundForSubnet { router_id, subnet_id },
    /// 404.
    ExternalGatewayForFloatingIPNotFound { subnet_id, external_network_id, port_id },
    /// 404.
    TrunkNotFound { trunk_id },
    /// 404.
    SubPortNotFound { trunk_id, port_id },
    /// 404.
    FirewallGroupNotFound { firewall_id },
    /// 404.
    FirewallPolicyNotFound { firewall_policy_id },
    /// 404.
    FirewallRuleNotFound { firewall_rule_id },
    /// 404: the plug-in makes `BadRequest` of it.
    VirtualRouterNotFound { vrouter_id },
    /// 404.
    NotFound { msg },
    /// 409.
    Conflict { msg },
    /// 409.
    NetworkInUse { net_id },
    /// 409.
    SubnetInUse { subnet_id },
    /// 409.
    RouterInUse { router_id },
    /// 409.
    SecurityGroupInUse { id },
    /// 409.
    TrunkInUse { trunk_id },
    /// 409.
    FirewallPolicyInUse { firewall_policy_id },
    /// 409.
    FirewallRuleInUse { firewall_rule_id },
    /// 409.
    PortInUse { port_id, net_id, device_id },
    /// 409.
    IpAddressInUse { net_id, ip_address },
    /// 409.
    MacAddressInUse { net_id, mac },
    /// 409.
    IpAddressGenerationFailure { net_id },
    /// 409: a list of the one resource.
    OverQuota { overs, msg },
    /// 409: the name of the network.
    InvalidSharedSetting { network },
    /// 409: the rule that is there, twice.
    SecurityGroupRuleExists { rule_id, id, resource },
    /// 409.
    SecurityGroupCannotRemoveDefault {},
    /// 409.
    SecurityGroupCannotUpdateDefault {},
    /// 409.
    SecurityGroupDefaultAlreadyExists {},
    /// 409.
    PortSecurityPortHasSecurityGroup { port_id },
    /// 409.
    AddressPairAndPortSecurityRequired {},
    /// 409.
    FloatingIPPortAlreadyAssociated { floating_ip_address, fip_id, port_id, fixed_ip, net_id },
    /// 409.
    TrunkPortInUse { port_id },
    /// 409.
    PortInUseAsTrunkParent { port_id, trunk_id },
    /// 409.
    DuplicateSubPort { segmentation_type, segmentation_id, trunk_id },
    /// 409.
    FirewallGroupCannotRemoveDefault {},
    /// 409.
    FirewallGroupCannotUpdateDefault {},
    /// 409.
    FirewallGroupDefaultAlreadyExists {},
    /// 400.
    BadRequest { resource, msg },
    /// 400.
    InvalidInput { error_message },
    /// 400.
    SecurityGroupInvalidPortRange {},
    /// 400.
    SecurityGroupProtocolRequiredWithPorts {},
    /// 400: the plug-in makes `BadRequest` of it.
    SecurityGroupRemoteGroupAndRemoteIpPrefix {},
    /// 400.
    SecurityGroupRuleInvalidProtocol { protocol, values },
    /// 400.
    SecurityGroupRuleParameterConflict { ethertype, cidr },
    /// 400.
    SecurityGroupInvalidIcmpValue { field, attr, value },
    /// 400.
    SecurityGroupMissingIcmpType { value },
    /// 400.
    PortSecurityAndIPRequiredForSecurityGroups { port_id },
    /// 400.
    FirewallRuleNotAssociatedWithPolicy { firewall_rule_id, firewall_policy_id },
    /// 400.
    FirewallRuleInvalidPortValue { port },
    /// 400.
    FirewallRuleInvalidAction { action, values },
    /// 400.
    FirewallIpAddressConflict {},
    /// 403.
    NotAuthorized { msg },
    /// 403.
    AdminRequired { reason },
}

impl Exception {
    /// As it goes out.
    pub fn into_json(self) -> Value {
        let (name, arguments) = self.parts();
        let mut members = Map::new();
        members.insert("exception".to_owned(), name.into());
        members.extend(arguments.into_iter().map(|(argument, value)| (argument.to_owned(), value)));
        members.into()
    }
}
