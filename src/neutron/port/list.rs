//! Lists of ports (NEU-PORT-L1 to NEU-PORT-L6).

use super::{
    addresses,
    answer::{self, answer},
    network_of, referrers, tenant_of,
};
use crate::{
    access::role_rules::Letter,
    graph::{InnerKey, Object},
    ipam,
    model::{field_name, type_name},
    neutron::{
        envelope::uuid_of,
        refused::Answered,
        resource::{Answers, List},
        subnet,
        view::View,
    },
};
use serde_json::Value;
use std::{collections::HashSet, net::IpAddr, sync::Arc};
use uuid::Uuid;

/// The list.
pub static LIST: List = List { fields: FIELDS, candidates, first: None };

/// MAC addresses are compared before, whatever case they are in.
const FIELDS: &[&str] = &[
    "id",
    "name",
    "tenant_id",
    "network_id",
    "security_groups",
    "admin_state_up",
    "device_id",
    "device_owner",
    "status",
    "port_security_enabled",
    "description",
    "tags",
    "fq_name",
    "binding:host_id",
    "binding:vnic_type",
    "binding:vif_type",
];

type Ports<'v> = Box<dyn Iterator<Item = &'v Arc<Object>> + 'v>;

/// What filters say that is not compared with a field of the answer.
struct Wanted {
    addresses: Option<HashSet<IpAddr>>,
    subnets: Option<HashSet<Uuid>>,
    macs: Option<HashSet<String>>,
    projects: Option<Vec<Uuid>>,
}

impl Wanted {
    fn read(view: &View<'_>) -> Self {
        let filters = &view.request.filters;
        let texts = |name: &str| -> Option<Vec<&str>> {
            let list = filters.object("fixed_ips")?.get(name)?;
            let texts = match list {
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().into_iter().collect(),
            };
            Some(texts)
        };
        let macs = filters.texts("mac_address");
        Self {
            addresses: texts("ip_address").map(|texts| texts.into_iter().filter_map(ipam::parse_address).collect()),
            subnets: texts("subnet_id").map(|texts| texts.into_iter().filter_map(uuid_of).collect()),
            macs: macs.map(|macs| macs.into_iter().map(str::to_ascii_lowercase).collect()),
            projects: filters.uuids("project_id"),
        }
    }

    /// NEU-PORT-L4: one address of the port is one of those, and of one of those subnets.
    fn match_addresses(&self, view: &View<'_>, port: &Object) -> bool {
        if self.addresses.is_none() && self.subnets.is_none() {
            return true;
        }
        addresses::fixed(view, port.uuid).any(|address| {
            let value = || addresses::value(view, address);
            let subnet = || addresses::subnet_of(view, address);
            self.addresses.as_ref().is_none_or(|wanted| value().is_some_and(|value| wanted.contains(&value)))
                && self.subnets.as_ref().is_none_or(|wanted| subnet().is_some_and(|subnet| wanted.contains(&subnet)))
        })
    }

    fn matches(&self, view: &View<'_>, port: &Object) -> bool {
        let mac = || answer::mac_address(view, port).to_ascii_lowercase();
        let tenant = || tenant_of(view, port);
        self.macs.as_ref().is_none_or(|wanted| wanted.contains(&mac()))
            && self.projects.as_ref().is_none_or(|wanted| tenant().is_some_and(|tenant| wanted.contains(&tenant)))
            && self.match_addresses(view, port)
    }
}

/// NEU-PORT-L2, NEU-PORT-L5: whether lists of the context show a port: an admin sees all, a member its own and those on networks of
/// its own; a gateway is for who owns its network.
fn is_visible(view: &View<'_>, port: &Object, member: Option<Uuid>) -> bool {
    let Some(member) = member else { return true };
    let owns_network = network_of(view, port).is_some_and(|network| network.parent == Some(member));
    owns_network || tenant_of(view, port) == Some(member) && answer::gateway_router(view, port).is_none()
}

/// NEU-PORT-L3: the ports of devices: of machines by their names, and of routers.
fn of_devices<'v>(view: &View<'v>, devices: &[&str]) -> Answered<Vec<&'v Arc<Object>>> {
    let (machines, routers) = (view.type_id(type_name::VIRTUAL_MACHINE)?, view.type_id(type_name::LOGICAL_ROUTER)?);
    let mut ports = Vec::new();
    for device in devices {
        let uuid = uuid_of(device);
        let machine = uuid.and_then(|uuid| view.graph.get_of_type(machines, uuid));
        for machine in machine.into_iter().chain(view.graph.find_joined(machines, device)) {
            ports.extend(referrers(view, machine.uuid, type_name::VIRTUAL_MACHINE_INTERFACE));
        }
        if let Some(router) = uuid.and_then(|uuid| view.graph.get_of_type(routers, uuid)) {
            let links = view.links(router, field_name::VIRTUAL_MACHINE_INTERFACE_REFS).iter();
            ports.extend(links.filter_map(|link| view.graph.get(link.target)));
            ports.extend(answer::gateway_port(view, router));
        }
    }
    Ok(ports)
}

/// The networks that filters name, by themselves or by their subnets.
fn named_networks<'v>(view: &View<'v>, wanted: &Wanted) -> Answered<Option<Vec<&'v Arc<Object>>>> {
    let kind = view.type_id(type_name::VIRTUAL_NETWORK)?;
    if let Some(networks) = view.request.filters.uuids("network_id") {
        return Ok(Some(networks.into_iter().filter_map(|uuid| view.graph.get_of_type(kind, uuid)).collect()));
    }
    let Some(subnets) = &wanted.subnets else { return Ok(None) };
    let mut networks = Vec::new();
    for subnet in subnets {
        networks.extend(subnet::networks_of(view, *subnet)?);
    }
    Ok(Some(networks))
}

/// So many addresses are looked for in each network; for more of them it is cheaper to look at all ports.
const MOST_LOOKED_UP: usize = 16;

/// The ports that a list has to look at, by the index that leaves the fewest.
fn narrowed<'v>(view: &View<'v>, wanted: &Wanted) -> Answered<Ports<'v>> {
    let filters = &view.request.filters;
    if let Some(ports) = view.of_ids(type_name::VIRTUAL_MACHINE_INTERFACE)? {
        return Ok(Box::new(ports.into_iter()));
    }
    // A port without a device is in no index of devices.
    if let Some(devices) = filters.texts("device_id").filter(|devices| devices.iter().all(|device| !device.is_empty()))
    {
        return Ok(Box::new(of_devices(view, &devices)?.into_iter()));
    }
    if let Some(macs) = &wanted.macs {
        let graph = view.graph;
        let ports: Vec<_> = macs.iter().flat_map(|mac| graph.with_inner_key(InnerKey::MacAddress, mac)).collect();
        return Ok(Box::new(ports.into_iter()));
    }
    let networks = match named_networks(view, wanted)? {
        Some(networks) => networks,
        None if view.is_admin() && wanted.addresses.as_ref().is_some_and(|all| all.len() <= MOST_LOOKED_UP) => {
            view.graph.objects_of(view.type_id(type_name::VIRTUAL_NETWORK)?).collect()
        }
        None => return of_tenants(view),
    };
    let view = *view;
    let few = |addresses: &&HashSet<IpAddr>| addresses.len() <= MOST_LOOKED_UP;
    if let Some(addresses) = wanted.addresses.as_ref().filter(few) {
        let addresses: Vec<IpAddr> = addresses.iter().copied().collect();
        return Ok(Box::new(networks.into_iter().flat_map(move |network| {
            let with = |address: &IpAddr| addresses::ports_with(&view, network, *address);
            addresses.iter().flat_map(with).collect::<Vec<_>>()
        })));
    }
    let ports = move |network: &'v Arc<Object>| referrers(&view, network.uuid, type_name::VIRTUAL_MACHINE_INTERFACE);
    let tenant = if view.is_admin() { None } else { Some(view.request.tenant()?) };
    if tenant.is_none_or(|tenant| networks.iter().all(|network| network.parent == Some(tenant))) {
        return Ok(Box::new(networks.into_iter().flat_map(ports)));
    }
    // On the networks of others there may be very many, of which a member sees its own.
    let named: HashSet<Uuid> = networks.iter().map(|network| network.uuid).collect();
    let own = view.of_tenants(type_name::VIRTUAL_MACHINE_INTERFACE)?;
    let on_named = move |port: &&'v Arc<Object>| network_of(&view, port).is_some_and(|of| named.contains(&of.uuid));
    let of_own = networks.into_iter().filter(move |network| network.parent == tenant).flat_map(ports);
    Ok(Box::new(of_own.chain(own.filter(on_named))))
}

/// The ports of the tenants, and those on networks of the tenant that asks.
fn of_tenants<'v>(view: &View<'v>) -> Answered<Ports<'v>> {
    let own = view.of_tenants(type_name::VIRTUAL_MACHINE_INTERFACE)?;
    if view.is_admin() {
        return Ok(own);
    }
    let networks = view.type_id(type_name::VIRTUAL_NETWORK)?;
    let networks = view.graph.children_of(view.request.tenant()?, networks);
    let view = *view;
    let of_network = move |network: &Arc<Object>| referrers(&view, network.uuid, type_name::VIRTUAL_MACHINE_INTERFACE);
    Ok(Box::new(own.chain(networks.flat_map(of_network))))
}

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let owners = view.request.filters.texts("device_owner");
    // NEU-PORT-L1: nova asks for these all the time.
    if owners.is_some_and(|owners| owners.iter().all(|owner| *owner == "network:dhcp")) {
        return Ok(Box::new(std::iter::empty()));
    }
    view.ask(view.type_id(type_name::VIRTUAL_MACHINE_INTERFACE)?, Letter::Read, Vec::new())?;
    let member = if view.is_admin() { None } else { Some(view.request.tenant()?) };
    let wanted = Wanted::read(view);
    let ports = narrowed(view, &wanted)?;
    let view = *view;
    let is_meant = move |port: &&'v Arc<Object>| {
        view.identity.may_read(port) && is_visible(&view, port, member) && wanted.matches(&view, port)
    };
    Ok(Box::new(View::each_once(ports.filter(is_meant)).map(move |port| answer(&view, port))))
}
