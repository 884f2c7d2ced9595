//! Ports, as routers and floating ips have to do with them.

use super::{refused::Answered, subnet, turn::Turn, view::View};
use crate::{
    graph::Object,
    model::{field_name, type_name},
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// An address of a port.
#[derive(Clone)]
pub struct FixedIp {
    /// The address.
    pub address: String,
    /// The uuid of its subnet, if it is of one.
    pub subnet: Option<String>,
}

/// The network of a port.
pub fn network_of<'v>(view: &View<'v>, port: &Object) -> Option<&'v Arc<Object>> {
    view.graph.get(view.links(port, field_name::VIRTUAL_NETWORK_REFS).first()?.target)
}

/// Whose a port is: of the project that it is below; a port below a machine is its network's.
pub fn tenant_of(view: &View<'_>, port: &Object) -> Option<Uuid> {
    let is_project = |parent: &&Arc<Object>| view.type_of(parent).name == type_name::PROJECT;
    match port.parent.and_then(|parent| view.graph.get(parent)).filter(is_project) {
        Some(project) => Some(project.uuid),
        None => network_of(view, port)?.parent,
    }
}

fn instance_ips<'v>(view: &View<'v>, port: &Object) -> Answered<Vec<&'v Arc<Object>>> {
    Ok(view.graph.referrers(port.uuid, view.type_id(type_name::INSTANCE_IP)?).collect())
}

/// Whether an address is one of those that users see as the port's own.
fn is_fixed(view: &View<'_>, address: &Object) -> Answered<bool> {
    if view.flag(address, field_name::INSTANCE_IP_SECONDARY) || view.flag(address, field_name::SERVICE_HEALTH_CHECK_IP)
    {
        return Ok(false);
    }
    let instance = view.type_id(type_name::SERVICE_INSTANCE)?;
    let serves = view.flag(address, field_name::SERVICE_INSTANCE_IP);
    Ok(!(serves && view.graph.referrers(address.uuid, instance).next().is_some()))
}

/// The addresses of a port.
///
/// # Errors
/// Internal, if the model lacks a type.
pub fn fixed_ips(view: &View<'_>, port: &Object) -> Answered<Vec<FixedIp>> {
    let mut fixed_ips = Vec::new();
    for instance_ip in instance_ips(view, port)? {
        if !is_fixed(view, instance_ip)? {
            continue;
        }
        let text = |name: &str| {
            let value = view.property(instance_ip, name).unwrap_or_default();
            value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        if let Some(address) = text(field_name::INSTANCE_IP_ADDRESS) {
            let subnet = text(field_name::SUBNET_UUID).or_else(|| subnet_of(view, instance_ip, &address));
            fixed_ips.push(FixedIp { address, subnet });
        }
    }
    Ok(fixed_ips)
}

/// The subnet of an address that does not say it.
fn subnet_of(view: &View<'_>, instance_ip: &Object, address: &str) -> Option<String> {
    let network = network_of(view, instance_ip)?;
    let address = crate::ipam::parse_address(address)?;
    let subnets = subnet::of_network(view, network).into_iter();
    let mut subnets = subnets.filter(|subnet| subnet.prefix().is_some_and(|prefix| prefix.contains(address)));
    subnets.next().map(|subnet| subnet.uuid().to_owned())
}

/// Whether an object of a network has this address already. The gateway is held by nobody, so all have to be looked at.
///
/// # Errors
/// Internal, if the model lacks a type.
pub fn has_address(view: &View<'_>, network: &Object, address: &str) -> Answered<bool> {
    let kind = view.type_id(type_name::INSTANCE_IP)?;
    let Some((property, _)) = view.graph.model().object_type(kind).property(field_name::INSTANCE_IP_ADDRESS) else {
        return Ok(false);
    };
    let wanted = Value::from(address).to_string();
    let mut addresses = view.graph.referrers(network.uuid, kind);
    Ok(addresses.any(|known| known.property_text(property).is_some_and(|text| **text == *wanted)))
}

/// What a floating ip says that is on no port.
pub fn unassociated() -> Value {
    json!({
        (field_name::FLOATING_IP_FIXED_IP_ADDRESS): null,
        (field_name::VIRTUAL_MACHINE_INTERFACE_REFS): [],
    })
}

/// Takes a port away, with its addresses; floating ips are set free (NEU-PORT-D1).
///
/// # Errors
/// The refusals of the rules.
pub fn delete(turn: &mut Turn<'_>, port: &Object) -> Answered<()> {
    let instance_ips: Vec<Arc<Object>> = instance_ips(&turn.view(), port)?.into_iter().cloned().collect();
    for instance_ip in instance_ips {
        if turn.view().links(&instance_ip, field_name::VIRTUAL_MACHINE_INTERFACE_REFS).len() > 1 {
            turn.change_reference(&instance_ip, field_name::VIRTUAL_MACHINE_INTERFACE_REFS, port.uuid, None)?;
        } else {
            turn.delete(&instance_ip)?;
        }
    }
    let kind = turn.view().type_id(type_name::FLOATING_IP)?;
    let floating_ips: Vec<Arc<Object>> = turn.view().graph.referrers(port.uuid, kind).cloned().collect();
    for floating_ip in floating_ips {
        turn.update(&floating_ip, unassociated())?;
    }
    turn.delete(port)
}
