//! Texts of refusals that clients of contrail-api know.

use std::net::IpAddr;

use super::Subnet;
use crate::python_literal::list;

/// The text for an address that is held or reserved, with 409.
pub const ADDRESS_IN_USE: &str = "IP address already in use";

/// No subnet of the network has a free address. `prefixes` are the ones tried in the last stage of the search.
pub fn exhausted(fq_name: &[impl AsRef<str>], prefixes: &[impl AsRef<str>]) -> String {
    format!("Virtual-Network({}) has exhausted subnet({})", list(fq_name), list(prefixes))
}

/// The network has no subnet of its own.
pub fn no_defined_subnets(fq_name: &[impl AsRef<str>]) -> String {
    format!("Virtual-Network({}) has no defined subnets", list(fq_name))
}

/// The network has no subnet with this UUID.
pub fn unknown_subnet(fq_name: &[impl AsRef<str>], subnet_uuid: &str) -> String {
    format!("Virtual-Network({}) has invalid subnet({subnet_uuid})", list(fq_name))
}

/// An address was asked for that is not the first of its unit; `owner` is the name of the network or ipam joined by
/// colons.
pub fn misaligned(owner: &str, subnet: &Subnet, address: IpAddr) -> String {
    invalid_unit(owner, &subnet.name(), subnet.unit, &format!("Requested IP address {address} not aligned"))
}

/// Something is wrong with an allocation unit.
pub(super) fn invalid_unit(owner: &str, prefix: &str, unit: impl std::fmt::Display, reason: &str) -> String {
    format!("Virtual-Network({owner}:{prefix}) has invalid alloc_unit({unit}) in subnet({prefix}) reason: {reason}")
}

/// Something is wrong with a subnet; `what` is the prefix, with a colon and the reason when there is one to give.
pub(super) fn invalid_subnet(owner: &str, what: &str) -> String {
    format!("Virtual-Network({owner}) has invalid subnet({what})")
}

#[cfg(test)]
mod tests {
    use super::{exhausted, no_defined_subnets, unknown_subnet};

    #[test]
    fn names_and_prefixes_are_lists() {
        let network = ["default-domain", "p", "vn"];
        assert_eq!(
            exhausted(&network, &[] as &[&str]),
            "Virtual-Network(['default-domain', 'p', 'vn']) has exhausted subnet([])"
        );
        assert_eq!(
            exhausted(&network, &["11.1.1.0/28", "12.1.1.0/28"]),
            "Virtual-Network(['default-domain', 'p', 'vn']) has exhausted subnet(['11.1.1.0/28', '12.1.1.0/28'])"
        );
        assert_eq!(
            no_defined_subnets(&network),
            "Virtual-Network(['default-domain', 'p', 'vn']) has no defined subnets"
        );
        assert_eq!(unknown_subnet(&["n"], "u"), "Virtual-Network(['n']) has invalid subnet(u)");
    }
}
