//! virtual-machine-interface (contrail-api R21: VMI-*).

use super::{
    Decision, Draft, NewLink, Rejection, Rules, Work,
    instance_ip::interface_has_gateway,
    virtual_network::{default_routing_instance, first_network},
};
use crate::graph::Object;
use serde_json::{Value, json};
use std::sync::Arc;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, before_delete, ..Rules::NONE };

const MAC_ADDRESSES: &str = "virtual_machine_interface_mac_addresses";
const PROPERTIES: &str = "virtual_machine_interface_properties";
const INTERFACES: &str = "virtual_machine_interface_refs";
const ADDRESS_PAIRS: &str = "virtual_machine_interface_allowed_address_pairs";

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // VMI-C1
    let network = first_network(work, draft.given_links("virtual_network_refs").unwrap_or_default());
    let network = network.ok_or_else(|| {
        Rejection::bad_request("Virtual Machine Interface must have valide Virtual Network reference")
    })?;
    check_sub_interface(work, draft)?;
    check_address_pairs(draft)?;
    complete_mac_addresses(draft);
    add_routing_instance(work, draft, &network);
    Ok(())
}

/// The VLAN tag of a sub-interface.
fn vlan_tag(properties: Option<&Value>) -> Option<i64> {
    properties?.get("sub_interface_vlan_tag")?.as_i64()
}

/// VMI-C2 and C3
fn check_sub_interface(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(tag) = vlan_tag(draft.given(PROPERTIES)) else { return Ok(()) };
    if !(0..=4094).contains(&tag) {
        return Err(Rejection::bad_request(format!("Invalid sub-interface VLAN tag ID: {tag}")));
    }
    let primary = draft.given_links(INTERFACES).and_then(|links| links.first());
    let Some(primary) = primary.and_then(|link| work.graph.get(link.target)).filter(|_| tag > 0) else {
        return Ok(());
    };
    let tag_of = |interface: &Object| vlan_tag(work.property(interface, PROPERTIES).as_ref());
    if tag_of(primary).is_some_and(|tag| tag > 0) {
        return Err(Rejection::bad_request("sub interface can't have another sub interface as it's primary port"));
    }
    let siblings = work.links(primary, INTERFACES).iter().filter(|link| link.target != draft.uuid);
    if siblings.filter_map(|link| work.graph.get(link.target)).any(|sibling| tag_of(sibling) == Some(tag)) {
        let text = "Two sub interfaces under same primary port can't have same Vlan tag";
        return Err(Rejection::bad_request(text));
    }
    Ok(())
}

/// VMI-C7: pairs need port security.
fn check_address_pairs(draft: &Draft) -> Decision<()> {
    let secured = draft.value("port_security_enabled") != Some(Value::Bool(false));
    let pairs = draft.value(ADDRESS_PAIRS);
    let pairs = pairs.as_ref().and_then(|value| value.get("allowed_address_pair")).and_then(Value::as_array);
    if !secured && pairs.is_some_and(|pairs| !pairs.is_empty()) {
        let text = "Allowed address pairs are not allowed when port security is disabled";
        return Err(Rejection::bad_request(text));
    }
    Ok(())
}

/// VMI-C5: one spelling for those given; none given: made from the uuid, so stable and practically unique.
fn complete_mac_addresses(draft: &mut Draft) {
    let given = draft.given(MAC_ADDRESSES).and_then(|value| value.get("mac_address")).and_then(Value::as_array);
    let addresses: Vec<String> = match given {
        Some(given) if !given.is_empty() => {
            given.iter().filter_map(Value::as_str).map(|address| address.replace('-', ":")).collect()
        }
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
    let mut links = draft.links("routing_instance_refs");
    links.retain(|link| link.target != instance.uuid);
    links.push(NewLink { target: instance.uuid, attribute });
    draft.set_links("routing_instance_refs", links);
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // VMI-U3
    let gains_machine = draft.given_links("virtual_machine_refs").is_some_and(|links| !links.is_empty());
    if gains_machine && interface_has_gateway(work, draft.uuid) {
        return Err(Rejection::bad_request("Gateway IP cannot be used by VM port"));
    }
    // VMI-U4
    let (old, new) = (vlan_tag(draft.stored_value(PROPERTIES).as_ref()), vlan_tag(draft.given(PROPERTIES)));
    if draft.given(PROPERTIES).is_some()
        && old.unwrap_or(0) != new.unwrap_or(0)
        && !draft.stored_links(INTERFACES).is_empty()
    {
        return Err(Rejection::bad_request("Cannot change sub-interface VLAN tag ID"));
    }
    check_sub_interface(work, draft)?;
    if draft.given(MAC_ADDRESSES).is_some() {
        complete_mac_addresses(draft);
    }
    check_address_pairs(draft)
}

/// VMI-D1: a primary port does not go while it has sub-interfaces.
fn before_delete(work: &mut Work, interface: &Arc<Object>) -> Decision<()> {
    let properties = work.property(interface, PROPERTIES);
    let is_primary = properties.is_some() && vlan_tag(properties.as_ref()).unwrap_or(0) == 0;
    if is_primary && !work.links(interface, INTERFACES).is_empty() {
        return Err(Rejection::conflict("Cannot delete vmi with existing ref to sub interface"));
    }
    Ok(())
}
