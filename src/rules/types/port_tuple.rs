//! port-tuple (contrail-api R21: PT-*). For a service that is a machine it is plain. For one on a physical device the server
//! makes what traffic to the service needs on both ends of each link between an appliance of the service and the device it is
//! attached to: a logical interface with the unit and the VLAN of that side, and an address for it from the network that the
//! fabric has for chains of services. Without such a network, or such links, there is nothing to be made.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Rejection, Rules, Work, delete::delete_side_object, internal, rule, value_of_key},
        types::{
            service_appliance::{Connection, connections},
            service_instance::is_on_device,
        },
    },
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { after_create, after_delete, ..Rules::NONE };

/// What the fabric's network for chains of services is called in the reference to it.
const CHAINS: &str = "pnf-servicechain";

/// What is made on one end of a link.
struct End {
    /// The physical interface.
    interface: Arc<Object>,
    /// Of the logical one below it.
    name: String,
    vlan: u64,
    /// The device, its interface and the VLAN: the name of the address.
    address_name: String,
    /// The same for both ends of a link: then their addresses are of one subnet where subnets are lent.
    link: String,
    network: Uuid,
}

/// PT-C1
fn after_create(work: &mut Work, tuple: &Arc<Object>) -> Decision<()> {
    let Some(service) = tuple.parent.and_then(|parent| work.graph.get(parent)).cloned() else { return Ok(()) };
    for end in ends(work, &service)? {
        let kind = work.type_id(type_name::LOGICAL_INTERFACE)?;
        let fq_name = end.interface.fq_name.child(&end.name);
        if work.graph.find_joined(kind, fq_name.joined()).is_some() {
            // Another tuple of the service has it.
            continue;
        }
        let body = json!({
            "fq_name": fq_name.elements(), "parent_type": type_name::PHYSICAL_INTERFACE,
            "logical_interface_vlan_tag": end.vlan, "logical_interface_type": "l3",
        });
        let interface = internal::create(work, type_name::LOGICAL_INTERFACE, body)?;
        let body = json!({
            "fq_name": [end.address_name], "instance_ip_subscriber_tag": end.link,
            "virtual_network_refs": [{"uuid": end.network.to_string()}],
            "logical_interface_refs": [{"uuid": interface.uuid.to_string()}],
        });
        internal::create(work, type_name::INSTANCE_IP, body)?;
    }
    Ok(())
}

/// PT-D1: with the last tuple of a service goes what was made for them.
fn after_delete(work: &mut Work, tuple: &Arc<Object>) -> Decision<()> {
    let Some(service) = tuple.parent.and_then(|parent| work.graph.get(parent)).cloned() else { return Ok(()) };
    if work.graph.children_of(service.uuid, tuple.type_id).next().is_some() {
        return Ok(());
    }
    take_away(work, &service)
}

/// Takes away what was made for the tuples of a service.
///
/// # Errors
/// 409 while somebody else uses it.
pub fn take_away(work: &mut Work, service: &Object) -> Decision<()> {
    let (interfaces, addresses) = (work.type_id(type_name::LOGICAL_INTERFACE)?, work.type_id(type_name::INSTANCE_IP)?);
    for end in ends(work, service)? {
        let name = end.interface.fq_name.child(&end.name);
        let Some(interface) = work.graph.find_joined(interfaces, name.joined()).cloned() else { continue };
        // Of this name there may be one of another service: the VLAN is for whoever makes a service to say, the unit is not.
        let is_its = |address: &&Arc<Object>| {
            let links = work.links(address, field_name::LOGICAL_INTERFACE_REFS);
            links.iter().any(|link| link.target == interface.uuid)
        };
        if let Some(address) = work.graph.find(addresses, &[&end.address_name]).filter(is_its).cloned() {
            delete_side_object(work, &address)?;
        }
        delete_side_object(work, &interface)?;
    }
    Ok(())
}

/// Both ends of each link of a service on a device.
fn ends(work: &Work, service: &Object) -> Decision<Vec<End>> {
    if !is_on_device(work.property(service, field_name::SERVICE_INSTANCE_PROPERTIES).as_ref()) {
        return Ok(Vec::new());
    }
    let appliance_type = work.type_id(type_name::SERVICE_APPLIANCE)?;
    let mut found = Vec::new();
    for appliance in appliances(work, service, appliance_type) {
        for Connection { side, interface, point } in connections(work, &appliance)? {
            let Some(network) = chain_network(work, &[&point, &interface]) else { continue };
            let (vlan, unit) = (vlan(work, service, &side)?, unit(work, service, &side)?);
            let link = format!("{}.{vlan}", point.fq_name.joined());
            for interface in [interface, point] {
                let (device, port) = (device(work, &interface), interface.fq_name.name());
                let address_name = format!("{device}.{port}.{vlan}");
                let name = format!("{port}.{unit}");
                found.push(End { name, vlan, address_name, link: link.clone(), network, interface });
            }
        }
    }
    Ok(found)
}

/// Those of the sets that the template of a service names.
fn appliances(work: &Work, service: &Object, appliance_type: crate::model::TypeId) -> Vec<Arc<Object>> {
    let targets = |object: &Object, field: &str| -> Vec<Arc<Object>> {
        work.links(object, field).iter().filter_map(|link| work.graph.get(link.target).cloned()).collect()
    };
    let templates = targets(service, field_name::SERVICE_TEMPLATE_REFS);
    let sets = templates.iter().flat_map(|template| targets(template, field_name::SERVICE_APPLIANCE_SET_REFS));
    sets.flat_map(|set| work.graph.children_of(set.uuid, appliance_type).cloned().collect::<Vec<_>>()).collect()
}

/// The network for chains of services in the fabric of these interfaces.
fn chain_network(work: &Work, interfaces: &[&Arc<Object>]) -> Option<Uuid> {
    let routers = interfaces.iter().filter_map(|interface| work.graph.get(interface.parent?));
    let fabrics = routers
        .flat_map(|router| work.links(router, field_name::FABRIC_REFS))
        .filter_map(|link| work.graph.get(link.target));
    let is_for_chains = |link: &&crate::graph::Link| {
        let attribute = link.attribute.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        attribute.is_some_and(|attribute| attribute[field_name::NETWORK_TYPE] == CHAINS)
    };
    fabrics
        .flat_map(|fabric| work.links(fabric, field_name::VIRTUAL_NETWORK_REFS))
        .find(is_for_chains)
        .map(|link| link.target)
}

fn device(work: &Work, interface: &Object) -> String {
    let router = interface.parent.and_then(|parent| work.graph.get(parent));
    router.map(|router| router.fq_name.name().to_owned()).unwrap_or_default()
}

/// The VLAN of one side, which the service says about itself (SI-C1).
fn vlan(work: &Work, service: &Object, side: &str) -> Decision<u64> {
    let key = format!("{side}-svc-vlan");
    let annotations = work.property(service, field_name::ANNOTATIONS);
    let value = annotations.as_ref().and_then(|annotations| value_of_key(annotations, &key)).unwrap_or_default();
    value.trim().parse().map_err(|_| {
        Rejection::bad_request(format!("{key} of the service must be the number of a VLAN, not '{value}'"))
            .by(rule::SI_C1)
            .because_of([service.uuid])
    })
}

/// The number of one side, which the server gave (SI-C1).
fn unit(work: &Work, service: &Object, side: &str) -> Decision<String> {
    let key = format!("{side}-svc-unit");
    let bindings = work.property(service, field_name::SERVICE_INSTANCE_BINDINGS);
    let unit = bindings.as_ref().and_then(|bindings| value_of_key(bindings, &key)).map(str::to_owned);
    unit.ok_or_else(|| Rejection::internal(format!("a service on a device without {key}")))
}
