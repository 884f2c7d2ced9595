//! The addresses of a port: instance-ips that refer to it.

use super::{owned_by, references, referrers};
use crate::{
    graph::Object,
    ipam,
    model::{field_name, type_name},
    neutron::{exception::Exception, refused::Answered, turn::Turn, view::View},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};
use uuid::Uuid;

/// What an address is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// One of those that Neutron knows.
    Fixed,
    /// One more, which several ports may have.
    Secondary,
    /// Where the health of a service is asked for.
    HealthCheck,
    /// That of a service.
    ServiceInstance,
}

fn purpose(view: &View<'_>, address: &Object) -> Purpose {
    if view.flag(address, field_name::SERVICE_HEALTH_CHECK_IP) {
        return Purpose::HealthCheck;
    }
    let has_service = || referrers(view, address.uuid, type_name::SERVICE_INSTANCE).next().is_some();
    if view.flag(address, field_name::SERVICE_INSTANCE_IP) || has_service() {
        return Purpose::ServiceInstance;
    }
    if view.flag(address, field_name::INSTANCE_IP_SECONDARY) { Purpose::Secondary } else { Purpose::Fixed }
}

/// The addresses of a port that may be read, in the order in which it got them, each with what it is for.
pub fn of_port<'v>(view: &View<'v>, port: Uuid) -> impl Iterator<Item = (Purpose, &'v Arc<Object>)> + use<'v> {
    let view = *view;
    let addresses = referrers(&view, port, type_name::INSTANCE_IP);
    let mut addresses: Vec<_> = addresses.filter(|address| view.identity.may_read(address)).collect();
    addresses.sort_by_key(|address| address.created);
    addresses.into_iter().map(move |address| (purpose(&view, address), address))
}

/// Those of them that Neutron knows.
pub fn fixed<'v>(view: &View<'v>, port: Uuid) -> impl Iterator<Item = &'v Arc<Object>> + use<'v> {
    of_port(view, port).filter(|(purpose, _)| *purpose == Purpose::Fixed).map(|(_, address)| address)
}

/// The address that an instance-ip is.
pub fn value(view: &View<'_>, address: &Object) -> Option<IpAddr> {
    ipam::parse_address(view.property(address, field_name::INSTANCE_IP_ADDRESS)?.as_str()?)
}

/// The subnet that it is of.
pub fn subnet_of(view: &View<'_>, address: &Object) -> Option<Uuid> {
    let stored = view.property(address, field_name::SUBNET_UUID);
    let stored = stored.as_ref().and_then(Value::as_str).and_then(|text| Uuid::try_parse(text).ok());
    let of_network = || {
        let network = super::network_of(view, address)?;
        view.graph.pools().subnet_of(network.uuid, value(view, address)?)?.subnet_uuid
    };
    stored.or_else(of_network)
}

/// An address in an answer.
pub fn shown(view: &View<'_>, address: &Object) -> Value {
    json!({
        "ip_address": view.property(address, field_name::INSTANCE_IP_ADDRESS),
        "subnet_id": subnet_of(view, address).map(|subnet| subnet.to_string()),
    })
}

/// Where addresses of a network may be held: by itself, or by its flat ipams.
fn scopes<'o>(view: &View<'_>, network: &'o Object) -> impl Iterator<Item = Uuid> + use<'o> {
    let ipams = view.links(network, field_name::NETWORK_IPAM_REFS).iter().map(|link| link.target);
    std::iter::once(network.uuid).chain(ipams)
}

/// The instance-ips of a network with an address: by the index of what is held, and by that of what is not, as the address of a
/// gateway (NEU-PORT-C5).
pub fn with_value<'v>(view: &View<'v>, network: &Object, wanted: IpAddr) -> Vec<&'v Arc<Object>> {
    let (pools, kind) = (view.graph.pools(), view.graph.model().find(type_name::INSTANCE_IP));
    let holders = scopes(view, network).filter_map(|scope| pools.holder(scope, wanted)?.object());
    let found = holders.chain(pools.sharing(network.uuid, wanted)).filter_map(|uuid| view.graph.get(uuid));
    found.filter(|object| Some(object.type_id) == kind).collect()
}

/// The ports of a network that have an address.
pub fn ports_with<'v>(view: &View<'v>, network: &Object, wanted: IpAddr) -> Vec<&'v Arc<Object>> {
    let addresses = with_value(view, network, wanted).into_iter();
    let links = addresses.flat_map(|address| view.links(address, field_name::VIRTUAL_MACHINE_INTERFACE_REFS));
    let ports = links.filter_map(|link| view.graph.get(link.target));
    // A flat ipam is that of other networks, too.
    ports.filter(|port| super::network_of(view, port).is_some_and(|of| of.uuid == network.uuid)).collect()
}

/// Where an address is needed.
pub struct Site {
    /// The port.
    pub port: Uuid,
    /// Its network.
    pub network: Arc<Object>,
    /// Whose it is.
    pub tenant: Option<Uuid>,
}

/// An element of `fixed_ips`.
#[derive(Default)]
struct Wish {
    address: Option<IpAddr>,
    subnet: Option<Uuid>,
    family: Option<&'static str>,
}

/// What is asked for: first those that name an address, so that nobody else of them gets it.
fn wishes(turn: &Turn<'_>, list: &[Value]) -> Answered<Vec<Wish>> {
    let refuse = |why: &str| turn.request.bad_request(format!("each of fixed_ips must have {why}"));
    let text = |item: &Value, name: &str| item.get(name).filter(|value| !value.is_null() && **value != "").cloned();
    let mut wishes = Vec::with_capacity(list.len());
    for item in list {
        let mut wish = Wish::default();
        if let Some(given) = text(item, "ip_address") {
            let address = given.as_str().and_then(ipam::parse_address);
            wish.address =
                Some(address.ok_or_else(|| refuse(&format!("an ip_address that is an address, not {given}")))?);
        }
        if let Some(given) = text(item, "subnet_id") {
            let subnet = given.as_str().and_then(|text| Uuid::try_parse(text).ok());
            wish.subnet = Some(subnet.ok_or_else(|| refuse(&format!("a subnet_id that is a uuid, not {given}")))?);
        }
        if wish.address.is_none() && wish.subnet.is_none() {
            return Err(refuse("ip_address or subnet_id"));
        }
        wishes.push(wish);
    }
    wishes.sort_by_key(|wish| wish.address.is_none());
    Ok(wishes)
}

/// Of which family an address is to be (NEU-PORT-C3): its own, or the one of its subnet.
fn family(turn: &Turn<'_>, network: &Object, wish: &Wish) -> Option<&'static str> {
    let name = |is_ipv4: bool| if is_ipv4 { "v4" } else { "v6" };
    let of_subnet = || {
        let subnet = turn.view().graph.pools().subnet_with_uuid(network.uuid, wish.subnet?)?;
        Some(name(subnet.is_v4()))
    };
    wish.family.or_else(|| wish.address.map(|address| name(address.is_ipv4()))).or_else(of_subnet)
}

/// Gives a port an address.
///
/// # Errors
/// NEU-PORT-C4: `IpAddressInUse` for one that another port has, `Conflict` for one that is taken otherwise, `BadRequest` where
/// there is none to be had.
fn give(turn: &mut Turn<'_>, site: &Site, wish: &Wish) -> Answered<()> {
    if let Some(address) = wish.address
        && !with_value(&turn.view(), &site.network, address).is_empty()
    {
        let net_id = site.network.uuid.to_string().into();
        return Err(Exception::IpAddressInUse { net_id, ip_address: address.to_string().into() }.into());
    }
    let uuid = turn.new_uuid();
    let mut body = json!({
        "fq_name": [uuid.to_string()],
        (field_name::VIRTUAL_NETWORK_REFS): references([site.network.uuid]),
        (field_name::VIRTUAL_MACHINE_INTERFACE_REFS): references([site.port]),
    });
    if let Some(family) = family(turn, &site.network, wish) {
        body[field_name::INSTANCE_IP_FAMILY] = family.into();
    }
    if let Some(address) = wish.address {
        body[field_name::INSTANCE_IP_ADDRESS] = address.to_string().into();
    }
    if let Some(subnet) = wish.subnet {
        body[field_name::SUBNET_UUID] = subnet.to_string().into();
    }
    if let Some(tenant) = site.tenant {
        body[field_name::PERMS2] = owned_by(&tenant.simple().to_string());
    }
    turn.create(type_name::INSTANCE_IP, body, Some(uuid)).map(|_| ())
}

/// NEU-PORT-C3: the addresses of a new port. Where none are asked for it gets one of each family that has one left.
pub fn give_new(turn: &mut Turn<'_>, site: &Site) -> Answered<()> {
    let request = turn.request;
    if request.body.contains_key("fixed_ips") {
        let wanted = request.list("fixed_ips")?.map(Vec::as_slice).unwrap_or_default();
        return wishes(turn, wanted)?.iter().try_for_each(|wish| give(turn, site, wish));
    }
    if let Some(subnet) = request.uuid("subnet_id")? {
        return give(turn, site, &Wish { subnet: Some(subnet), ..Wish::default() });
    }
    automatic_families(turn, &site.network)
        .into_iter()
        .try_for_each(|family| give(turn, site, &Wish { family: Some(family), ..Wish::default() }))
}

/// The families of which a network has an address left; if it has subnets and none left, one of which it has a subnet, whose rules
/// then say so.
fn automatic_families(turn: &Turn<'_>, network: &Object) -> Vec<&'static str> {
    let view = turn.view();
    let mode = view.property(network, field_name::ADDRESS_ALLOCATION_MODE);
    let mode = mode.as_ref().and_then(Value::as_str).unwrap_or_default();
    let scopes = scopes(&view, network).filter(|scope| match mode {
        "user-defined-subnet-only" => *scope == network.uuid,
        "flat-subnet-only" => *scope != network.uuid,
        _ => true,
    });
    let (mut left, mut known) = (BTreeSet::new(), BTreeSet::new());
    for subnet in scopes.flat_map(|scope| view.graph.pools().subnets(scope)) {
        let family = if subnet.is_v4() { "v4" } else { "v6" };
        known.insert(family);
        if !left.contains(family) && subnet.first_free().is_some() {
            left.insert(family);
        }
    }
    if left.is_empty() { known.pop_last().into_iter().collect() } else { left.into_iter().collect() }
}

/// Takes an address from a port; one that only this port has goes.
fn release(turn: &mut Turn<'_>, port: Uuid, address: &Object) -> Answered<()> {
    let links = turn.view().links(address, field_name::VIRTUAL_MACHINE_INTERFACE_REFS);
    if links.iter().all(|link| link.target == port) {
        return turn.delete(address);
    }
    turn.change_reference(address, field_name::VIRTUAL_MACHINE_INTERFACE_REFS, port, None).map(|_| ())
}

/// Takes all addresses from a port, whatever they are for.
pub fn release_all(turn: &mut Turn<'_>, port: &Object) -> Answered<()> {
    let addresses: Vec<Arc<Object>> = referrers(&turn.view(), port.uuid, type_name::INSTANCE_IP).cloned().collect();
    addresses.iter().try_for_each(|address| release(turn, port.uuid, address))
}

/// NEU-PORT-U4: a port has the addresses of a list, and no others: those that it has already stay.
pub fn agree(turn: &mut Turn<'_>, site: &Site, wanted: &[Value]) -> Answered<()> {
    let wishes = wishes(turn, wanted)?;
    let view = turn.view();
    let stored = fixed(&view, site.port);
    let mut held: HashMap<Option<IpAddr>, Arc<Object>> =
        stored.map(|address| (value(&view, address), Arc::clone(address))).collect();
    let is_of = |address: &Object, subnet: Option<Uuid>| subnet.is_none() || subnet_of(&view, address) == subnet;
    let (named, of_subnets): (Vec<Wish>, Vec<Wish>) = wishes.into_iter().partition(|wish| wish.address.is_some());
    let mut missing = Vec::new();
    for wish in named {
        if held.get(&wish.address).is_some_and(|address| is_of(address, wish.subnet)) {
            held.remove(&wish.address);
        } else {
            missing.push(wish);
        }
    }
    let mut rest: BTreeMap<Option<Uuid>, Vec<Arc<Object>>> = BTreeMap::new();
    for address in held.into_values() {
        rest.entry(subnet_of(&view, &address)).or_default().push(address);
    }
    for wish in of_subnets {
        if rest.get_mut(&wish.subnet).and_then(Vec::pop).is_none() {
            missing.push(wish);
        }
    }
    rest.into_values().flatten().try_for_each(|address| release(turn, site.port, &address))?;
    missing.iter().try_for_each(|wish| give(turn, site, wish))
}
