//! virtual-machine-interface (contrail-api R21: VMI-*).
//!
//! The model checks the names of service interfaces (VMI-C9) and the addresses of pairs. Nothing is checked about
//! security groups beyond that they exist (VMI-C12). Only ports of a project count for its quota (VMI-C13, `quota.rs`).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Rules, Work, rule},
        shared::{gateway_address::interface_has_gateway, interface_bindings},
        types::{
            bare_metal_port,
            virtual_network::{default_routing_instance, first_network},
        },
    },
};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules {
    before_create,
    after_create: bare_metal_port::after_create,
    before_update,
    after_update,
    before_delete,
    after_delete,
    ..Rules::NONE
};

const MAC_ADDRESSES: &str = field_name::VIRTUAL_MACHINE_INTERFACE_MAC_ADDRESSES;
const PROPERTIES: &str = field_name::VIRTUAL_MACHINE_INTERFACE_PROPERTIES;
const VLAN_TAG: &str = "virtual_machine_interface_properties.sub_interface_vlan_tag";
const INTERFACES: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;
const ADDRESS_PAIRS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_ALLOWED_ADDRESS_PAIRS;

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // VMI-C1
    let network = first_network(work, draft.given_links(field_name::VIRTUAL_NETWORK_REFS).unwrap_or_default());
    let network = network.ok_or_else(|| {
        Rejection::bad_request("Virtual Machine Interface must have valide Virtual Network reference")
            .by(rule::VMI_C1)
            .about(field_name::VIRTUAL_NETWORK_REFS)
    })?;
    check_vlan_tags(work, draft)?;
    check_bridge_domains(work, draft)?;
    check_address_pairs(draft)?;
    check_health_checks(work, draft)?;
    complete_mac_addresses(draft);
    interface_bindings::complete(work, draft, &network);
    add_routing_instance(work, draft, &network);
    Ok(())
}

/// The VLAN tag of a sub-interface.
fn vlan_tag(properties: Option<&Value>) -> Option<i64> {
    properties?.get(field_name::SUB_INTERFACE_VLAN_TAG)?.as_i64()
}

/// The tag of a stored interface; 0 for one that is no sub-interface.
fn tag_of(work: &Work, interface: &Object) -> i64 {
    vlan_tag(work.property(interface, PROPERTIES).as_ref()).unwrap_or(0)
}

/// VMI-C2, VMI-C3: sub-interfaces of one primary port have tags of their own, whichever end the reference is added at.
fn check_vlan_tags(work: &Work, draft: &Draft) -> Decision<()> {
    let given = vlan_tag(draft.given(PROPERTIES));
    if let Some(tag) = given.filter(|tag| !(0..=4094).contains(tag)) {
        return Err(Rejection::bad_request(format!("Invalid sub-interface VLAN tag ID: {tag}"))
            .by(rule::VMI_C2)
            .about(VLAN_TAG));
    }
    let links = draft.links(INTERFACES);
    if links.is_empty() || given.is_none() && draft.given_links(INTERFACES).is_none() {
        return Ok(());
    }
    let twice = || {
        Rejection::bad_request("Two sub interfaces under same primary port can't have same Vlan tag")
            .by(rule::VMI_C3)
            .about(VLAN_TAG)
    };
    let neighbours: Vec<&Arc<Object>> = links.iter().filter_map(|link| work.graph.get(link.target)).collect();
    let tag = vlan_tag(draft.value(PROPERTIES).as_ref()).unwrap_or(0);
    if tag == 0 {
        let mut tags: Vec<i64> = neighbours.iter().map(|sub| tag_of(work, sub)).filter(|tag| *tag > 0).collect();
        let count = tags.len();
        tags.sort_unstable();
        tags.dedup();
        return if tags.len() < count { Err(twice()) } else { Ok(()) };
    }
    for primary in neighbours {
        if tag_of(work, primary) > 0 {
            let text = "sub interface can't have another sub interface as it's primary port";
            return Err(Rejection::bad_request(text).by(rule::VMI_C3).about(INTERFACES).because_of([primary.uuid]));
        }
        let siblings = work.links(primary, INTERFACES).iter().filter(|link| link.target != draft.uuid);
        if siblings.filter_map(|link| work.graph.get(link.target)).any(|sibling| tag_of(work, sibling) == tag) {
            return Err(twice());
        }
    }
    Ok(())
}

/// VMI-C4, VMI-U1: bridge domains are of the interface's network, one for each VLAN.
fn check_bridge_domains(work: &Work, draft: &Draft) -> Decision<()> {
    let links = draft.links(field_name::BRIDGE_DOMAIN_REFS);
    if links.is_empty() {
        return Ok(());
    }
    let uuid = draft.uuid;
    let Some(network) = draft.links(field_name::VIRTUAL_NETWORK_REFS).first().map(|link| link.target) else {
        return Err(Rejection::bad_request(format!(
            "Virtual network can not be removed on virtual machine interface({uuid}) while it refers a bridge domain"
        ))
        .by(rule::VMI_C4)
        .about(field_name::VIRTUAL_NETWORK_REFS));
    };
    let mut seen: HashMap<i64, Uuid> = HashMap::new();
    for link in &links {
        if work.graph.get(link.target).and_then(|domain| domain.parent) != Some(network) {
            return Err(Rejection::bad_request(format!(
                "Virtual machine interface({uuid}) can only refer to bridge domain belonging to virtual network({network})"
            )).by(rule::VMI_C4).about(field_name::BRIDGE_DOMAIN_REFS).because_of([link.target]));
        }
        let tag = link.attribute.get(field_name::VLAN_TAG).and_then(Value::as_i64).unwrap_or(0);
        if let Some(other) = seen.insert(tag, link.target) {
            return Err(Rejection::bad_request(format!(
                "Virtual machine interface({uuid}) already refers to bridge domain({other}) for vlan tag {tag}"
            ))
            .by(rule::VMI_C4)
            .about(field_name::BRIDGE_DOMAIN_REFS)
            .because_of([other]));
        }
    }
    Ok(())
}

/// VMI-C8: only ports of service instances are checked for their health over the network.
fn check_health_checks(work: &Work, draft: &Draft) -> Decision<()> {
    if !draft.links(field_name::PORT_TUPLE_REFS).is_empty() {
        return Ok(());
    }
    let is_link_local = |link: &NewLink| {
        let properties = work
            .graph
            .get(link.target)
            .and_then(|check| work.property(check, field_name::SERVICE_HEALTH_CHECK_PROPERTIES));
        properties
            .is_some_and(|properties| properties.get(field_name::HEALTH_CHECK_TYPE) == Some(&Value::from("link-local")))
    };
    if draft.links(field_name::SERVICE_HEALTH_CHECK_REFS).iter().all(is_link_local) {
        return Ok(());
    }
    Err(Rejection::bad_request(format!(
        "Virtual machine interface({}) of non service vm can only refer link-local type service health check",
        draft.uuid
    ))
    .by(rule::VMI_C8)
    .about(field_name::SERVICE_HEALTH_CHECK_REFS))
}

/// VMI-C7: pairs need port security.
fn check_address_pairs(draft: &Draft) -> Decision<()> {
    let secured = draft.value(field_name::PORT_SECURITY_ENABLED) != Some(Value::Bool(false));
    let pairs = draft.value(ADDRESS_PAIRS);
    let pairs = pairs.as_ref().and_then(|value| value.get(field_name::ALLOWED_ADDRESS_PAIR)).and_then(Value::as_array);
    if !secured && pairs.is_some_and(|pairs| !pairs.is_empty()) {
        let text = "Allowed address pairs are not allowed when port security is disabled";
        return Err(Rejection::bad_request(text).by(rule::VMI_C7).about(ADDRESS_PAIRS));
    }
    Ok(())
}

/// VMI-C5: one spelling for those given; none given: made from the uuid, so stable and practically unique.
fn complete_mac_addresses(draft: &mut Draft) {
    let given =
        draft.given(MAC_ADDRESSES).and_then(|value| value.get(field_name::MAC_ADDRESS)).and_then(Value::as_array);
    let addresses: Vec<String> = match given {
        Some(given) if !given.is_empty() => {
            given.iter().filter_map(Value::as_str).map(|address| address.replace('-', ":")).collect()
        }
        _ if bare_metal_port::is_unattached(draft) => vec!["00:00:00:00:00:00".to_owned()],
        _ => {
            let tail: Vec<String> = draft.uuid.as_bytes().iter().take(5).map(|byte| format!("{byte:02x}")).collect();
            vec![format!("02:{}", tail.join(":"))]
        }
    };
    draft.set(MAC_ADDRESSES, json!({ "mac_address": addresses }));
}

/// VMI-C11: the reference to the default routing instance of the network.
fn add_routing_instance(work: &Work, draft: &mut Draft, network: &Object) {
    let Some(instance) = default_routing_instance(work, network) else { return };
    let attribute = json!({
        "direction": "both", "protocol": null, "mpls_label": null, "vlan_tag": null, "src_mac": null, "dst_mac": null,
        "service_chain_address": null, "ipv6_service_chain_address": null
    });
    let mut links = draft.links(field_name::ROUTING_INSTANCE_REFS);
    links.retain(|link| link.target != instance.uuid);
    links.push(NewLink { target: instance.uuid, attribute });
    draft.set_links(field_name::ROUTING_INSTANCE_REFS, links);
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let gains_machine = draft.given_links(field_name::VIRTUAL_MACHINE_REFS).is_some_and(|links| !links.is_empty());
    // VMI-U2
    let router = work.graph.referrers(draft.uuid, work.type_id(type_name::LOGICAL_ROUTER)?).next();
    if let Some(router) = router.filter(|_| gains_machine) {
        return Err(Rejection::bad_request("Logical router interface cannot be used by VM")
            .by(rule::VMI_U2)
            .about(field_name::VIRTUAL_MACHINE_REFS)
            .because_of([router.uuid]));
    }
    // VMI-U3
    if gains_machine && interface_has_gateway(work, draft.uuid) {
        return Err(Rejection::bad_request("Gateway IP cannot be used by VM port")
            .by(rule::VMI_U3)
            .about(field_name::VIRTUAL_MACHINE_REFS));
    }
    bare_metal_port::check_update(work, draft)?;
    // VMI-U4
    let (old, new) = (vlan_tag(draft.stored_value(PROPERTIES).as_ref()), vlan_tag(draft.given(PROPERTIES)));
    if draft.given(PROPERTIES).is_some()
        && old.unwrap_or(0) != new.unwrap_or(0)
        && !draft.stored_links(INTERFACES).is_empty()
    {
        return Err(Rejection::bad_request("Cannot change sub-interface VLAN tag ID").by(rule::VMI_U4).about(VLAN_TAG));
    }
    check_vlan_tags(work, draft)?;
    check_bridge_domains(work, draft)?;
    // VMI-U10: any address may be given; none means that of the uuid.
    if draft.given(MAC_ADDRESSES).is_some() {
        complete_mac_addresses(draft);
    }
    // VMI-U8: with what is stored where the request says nothing.
    check_address_pairs(draft)?;
    check_health_checks(work, draft)?;
    interface_bindings::update(work, draft)
}

fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    interface_bindings::follow_machine(work, before, after);
    bare_metal_port::after_update(work, before, after)
}

/// VMI-D1: a primary port does not go while it has sub-interfaces.
fn before_delete(work: &mut Work, interface: &Arc<Object>) -> Decision<()> {
    let properties = work.property(interface, PROPERTIES);
    let is_primary = properties.is_some() && vlan_tag(properties.as_ref()).unwrap_or(0) == 0;
    let sub_interfaces = work.links(interface, INTERFACES);
    if is_primary && !sub_interfaces.is_empty() {
        return Err(Rejection::conflict("Cannot delete vmi with existing ref to sub interface")
            .by(rule::VMI_D1)
            .because_of(sub_interfaces.iter().map(|link| link.target)));
    }
    Ok(())
}

/// VMI-D3: what refers to a port stops its delete, as for all types.
fn after_delete(work: &mut Work, interface: &Arc<Object>) -> Decision<()> {
    interface_bindings::leave_machine(work, interface);
    bare_metal_port::after_delete(work, interface)
}
