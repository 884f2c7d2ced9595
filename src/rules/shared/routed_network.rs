//! `virtual_network_routed_properties`: how routed networks meet the routers of a fabric (contrail-api R21: VN-U13).

use crate::{
    graph::Object,
    ipam::{self, AddressRanges},
    model::{field_name, type_name},
    python_literal,
    rules::engine::{
        Decision, Draft, NewLink, Rejection, Work, create::create_side_object, delete::delete_side_object, rule,
    },
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

const PROPERTIES: &str = field_name::VIRTUAL_NETWORK_ROUTED_PROPERTIES;
const LOOPBACK: &str = field_name::LOOPBACK_IP_ADDRESS;
const ADDRESS: &str = field_name::INSTANCE_IP_ADDRESS;
/// Where addresses are in an entry.
const ADDRESSES: [&str; 5] = [
    "/routed_interface_ip_address",
    "/loopback_ip_address",
    "/bgp_params/peer_ip_address",
    "/bgp_params/peer_ip_address_list",
    "/pim_params/rp_ip_address",
];

/// Checks the routers of a network that is routed, and gives them their loopback addresses.
///
/// # Errors
/// 409 for an entry that lacks something, or that no device can be configured with.
pub fn update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(mut value) = draft.given(PROPERTIES).cloned() else { return Ok(()) };
    if draft.stored_value(field_name::VIRTUAL_NETWORK_CATEGORY) != Some(Value::from("routed")) {
        return Ok(());
    }
    let mut entries: Vec<Value> = value
        .get_mut(field_name::ROUTED_PROPERTIES)
        .and_then(Value::as_array_mut)
        .map(std::mem::take)
        .unwrap_or_default();
    let has_loopbacks = has_loopbacks(work, draft)?;
    let ipams = draft.links(field_name::NETWORK_IPAM_REFS);
    let scopes: Vec<Uuid> = ipams.iter().map(|link| link.target).chain([draft.uuid]).collect();
    let prefixes = scopes.iter().flat_map(|scope| work.graph.pools().subnets(*scope)).map(|subnet| &subnet.prefix);
    let inside = AddressRanges::of(prefixes);
    for entry in &mut entries {
        write_usual_notations(entry);
        let checked = check_entry(entry, (!has_loopbacks).then_some(&inside));
        checked.map_err(|refusal| refusal.by(rule::VN_U13).about(PROPERTIES))?;
    }
    if has_loopbacks {
        give_loopbacks(work, draft, &mut entries)?;
    }
    value[field_name::ROUTED_PROPERTIES] = entries.into();
    draft.set(PROPERTIES, value);
    Ok(())
}

fn text<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    entry.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Checks an entry, and that the address of the device is one of the network: of loopbacks there is none to check.
fn check_entry(entry: &Value, inside: Option<&AddressRanges>) -> Decision<()> {
    let refuse = |text: &str| Err(Rejection::conflict(text));
    if text(entry, field_name::PHYSICAL_ROUTER_UUID).is_none() {
        return refuse("Physical router Id not present for routed VN");
    }
    if text(entry, field_name::LOGICAL_ROUTER_UUID).is_none() {
        return refuse("Logical Router Id not present for routed VN");
    }
    if let Some(inside) = inside {
        let Some(address) = text(entry, field_name::ROUTED_INTERFACE_IP_ADDRESS) else {
            return refuse("routed-interface-ip-address is required");
        };
        if !ipam::parse_address(address).is_some_and(|address| inside.contains(address)) {
            let why = ipam::why_refused(address);
            return Err(Rejection::conflict(format!("IP {address} does not belong to any subnet{why}")));
        }
    }
    check_protocols(entry)
}

/// Writes addresses without leading zeros: devices take these for octal.
fn write_usual_notations(entry: &mut Value) {
    for place in ADDRESSES {
        match entry.pointer_mut(place) {
            Some(Value::Array(addresses)) => addresses.iter_mut().for_each(ipam::write_usual_notation),
            Some(address) => ipam::write_usual_notation(address),
            None => {}
        }
    }
}

/// What the devices of a fabric can do: neighbours of IPv4, one mode of PIM, OSPF's backbone as number zero.
fn check_protocols(entry: &Value) -> Decision<()> {
    let part = |name: &str| entry.get(name).cloned().unwrap_or_default();
    let (bgp, pim, ospf) = (part(field_name::BGP_PARAMS), part(field_name::PIM_PARAMS), part(field_name::OSPF_PARAMS));
    let lists = [bgp.get(field_name::PEER_IP_ADDRESS_LIST), pim.get(field_name::RP_IP_ADDRESS)];
    let listed = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
    let neighbours = listed.map(python_literal::text).chain(text(&bgp, field_name::PEER_IP_ADDRESS).map(str::to_owned));
    for neighbour in neighbours {
        if !ipam::parse_address(&neighbour).is_some_and(|address| address.is_ipv4()) {
            return Err(Rejection::conflict(format!("{neighbour}{}", ipam::why_refused(&neighbour))));
        }
    }
    if text(&pim, "mode").is_some_and(|mode| mode != "sparse-dense") {
        return Err(Rejection::conflict("PIM mode only sparse-dense supported"));
    }
    let is_zero = text(&ospf, field_name::AREA_ID).is_some_and(|area| matches!(area, "0" | "0.0.0.0"));
    if is_zero && text(&ospf, field_name::AREA_TYPE) != Some("backbone") {
        return Err(Rejection::conflict("Area id zero should have area type as backbone"));
    }
    Ok(())
}

/// Whether this is the network of a fabric's loopback addresses.
fn has_loopbacks(work: &Work, draft: &Draft) -> Decision<bool> {
    const KIND: &str = "overlay-loopback";
    if !draft.fq_name.name().contains(KIND) {
        return Ok(false);
    }
    let refers = |fabric: &Arc<Object>| {
        work.links(fabric, field_name::VIRTUAL_NETWORK_REFS).iter().filter(|link| link.target == draft.uuid).any(
            |link| {
                let attribute: Option<Value> =
                    link.attribute.as_deref().and_then(|text| serde_json::from_str(text).ok());
                attribute.is_some_and(|attribute| attribute.get(field_name::NETWORK_TYPE) == Some(&Value::from(KIND)))
            },
        )
    };
    Ok(work.graph.referrers(draft.uuid, work.type_id(type_name::FABRIC)?).any(refers))
}

/// The name of the instance-ip of an entry whose address the server chooses: the ends of both routers' uuids.
fn generated_name(entry: &Value) -> String {
    let end = |name: &str| text(entry, name).and_then(|uuid| uuid.rsplit('-').next()).unwrap_or_default();
    format!("{}{}", end(field_name::PHYSICAL_ROUTER_UUID), end(field_name::LOGICAL_ROUTER_UUID))
}

/// Each entry has an instance-ip, which holds its address; those of entries that are gone go.
fn give_loopbacks(work: &mut Work, draft: &Draft, entries: &mut [Value]) -> Decision<()> {
    let kind = work.type_id(type_name::INSTANCE_IP)?;
    let mut kept: BTreeSet<Uuid> = BTreeSet::new();
    for entry in &mut *entries {
        let given = text(entry, LOOPBACK).map(str::to_owned);
        let names = [Some(generated_name(entry)), given.clone()];
        let found = names.into_iter().flatten().find_map(|name| {
            let address = work.graph.find(kind, &[name])?;
            let has_it = given.is_none() || work.property(address, ADDRESS) == given.clone().map(Value::from);
            has_it.then(|| Arc::clone(address))
        });
        let address = match found {
            Some(address) => address,
            None => create_loopback(work, draft, entry, given.as_deref())?,
        };
        kept.insert(address.uuid);
        entry[LOOPBACK] = work.property(&address, ADDRESS).unwrap_or_default();
    }
    let gone: Vec<Arc<Object>> =
        work.graph.referrers(draft.uuid, kind).filter(|address| !kept.contains(&address.uuid)).cloned().collect();
    gone.iter().try_for_each(|address| delete_side_object(work, address))
}

fn create_loopback(work: &mut Work, draft: &Draft, entry: &Value, given: Option<&str>) -> Decision<Arc<Object>> {
    let name = given.map_or_else(|| generated_name(entry), str::to_owned);
    let mut address = Draft::first_object(work, None, type_name::INSTANCE_IP, &name)?;
    address.set(field_name::DISPLAY_NAME, name.into());
    address.set_server_permissions(work);
    address.set_links(field_name::VIRTUAL_NETWORK_REFS, vec![NewLink { target: draft.uuid, attribute: Value::Null }]);
    if let Some(given) = given {
        address.set(ADDRESS, given.into());
    }
    create_side_object(work, address)
}
