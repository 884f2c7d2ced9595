//! Addresses of gateways, which several may have at once, and the networks in which no address is the server's business.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::Work,
};
use std::sync::Arc;
use uuid::Uuid;

/// In these networks nothing is allocated: what is sent is stored (IIP-C2).
const UNMANAGED: [&str; 2] =
    ["default-domain:default-project:ip-fabric", "default-domain:default-project:__link_local__"];

/// Whether addresses of this network are not the server's business.
pub fn is_unmanaged(network: &Object) -> bool {
    UNMANAGED.contains(&network.fq_name.joined().as_ref())
}

/// Whether one of the addresses of an interface is that of a gateway.
pub fn interface_has_gateway(work: &Work, interface: Uuid) -> bool {
    let Some(kind) = work.graph.model().find(type_name::INSTANCE_IP) else { return false };
    work.graph.referrers(interface, kind).any(|address| shares_gateway(work, address))
}

/// Whether an instance-ip has the address of a gateway: it holds none, though its network is managed.
pub fn shares_gateway(work: &Work, address: &Arc<Object>) -> bool {
    let network =
        work.links(address, field_name::VIRTUAL_NETWORK_REFS).first().and_then(|link| work.graph.get(link.target));
    address.hold.is_none() && network.is_some_and(|network| !is_unmanaged(network))
}
