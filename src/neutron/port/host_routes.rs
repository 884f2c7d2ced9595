//! Host routes of subnets as routes of the ports that they lead to, where the operator wants that: a table of its own for each
//! subnet and port.

use super::{addresses, network_of};
use crate::{
    graph::Object,
    model::{field_name, type_name},
    neutron::{
        refused::Answered,
        subnet::{self, Subnet},
        turn::Turn,
        view::View,
    },
};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};
use uuid::Uuid;

const TABLES: &str = field_name::INTERFACE_ROUTE_TABLE_REFS;
const ROUTES: &str = field_name::INTERFACE_ROUTE_TABLE_ROUTES;
/// What names of these tables begin with.
const NAME: &str = "NEUTRON_IFACE_RT_";

/// Routes by their next hops.
type ByNextHop<'s> = BTreeMap<IpAddr, Vec<&'s str>>;

fn by_next_hop(subnet: &Subnet) -> ByNextHop<'_> {
    let mut routes = ByNextHop::new();
    for (prefix, next_hop) in subnet.host_routes() {
        routes.entry(next_hop).or_default().push(prefix);
    }
    routes
}

/// The prefixes that are reached through an address: by themselves, or because their next hop is reached through it.
fn reached<'s>(routes: &ByNextHop<'s>, through: IpAddr) -> BTreeSet<&'s str> {
    let (mut prefixes, mut hops, mut seen) = (BTreeSet::new(), vec![through], BTreeSet::from([through]));
    while let Some(hop) = hops.pop() {
        for prefix in routes.get(&hop).into_iter().flatten() {
            let is_new = prefixes.insert(*prefix);
            let Some(network) = prefix.parse::<IpNetwork>().ok().filter(|_| is_new) else { continue };
            let within = routes.range(network.network()..=network.broadcast()).map(|(hop, _)| *hop);
            hops.extend(within.filter(|hop| seen.insert(*hop)));
        }
    }
    prefixes
}

/// The tables of a port.
pub fn tables(view: &View<'_>, port: &Object) -> Vec<Arc<Object>> {
    let suffix = format!("_{}", port.uuid);
    let tables = view.links(port, TABLES).iter().filter_map(|link| view.graph.get(link.target));
    tables.filter(|table| is_own(table, &suffix)).cloned().collect()
}

fn is_own(table: &Object, suffix: &str) -> bool {
    let name = table.fq_name.name();
    name.starts_with(NAME) && name.ends_with(suffix)
}

/// What tables a port needs: prefixes by the subnet of the address that they are reached through.
fn wanted<'s>(view: &View<'_>, port: &Object, subnets: &'s [Subnet]) -> BTreeMap<Uuid, BTreeSet<&'s str>> {
    let by_uuid: BTreeMap<Option<Uuid>, &Subnet> =
        subnets.iter().map(|subnet| (Uuid::try_parse(subnet.uuid()).ok(), subnet)).collect();
    let mut wanted: BTreeMap<Uuid, BTreeSet<&str>> = BTreeMap::new();
    for address in addresses::fixed(view, port.uuid) {
        let uuid = addresses::subnet_of(view, address);
        let Some(((uuid, subnet), through)) = uuid.zip(by_uuid.get(&uuid)).zip(addresses::value(view, address)) else {
            continue;
        };
        let prefixes = reached(&by_next_hop(subnet), through);
        if !prefixes.is_empty() {
            wanted.entry(uuid).or_default().extend(prefixes);
        }
    }
    wanted
}

/// Gives a port the tables that it needs, and takes those that it does not need any more.
fn follow_with(turn: &mut Turn<'_>, port: &Object, subnets: &[Subnet]) -> Answered<()> {
    let port = turn.now_of(port)?;
    let view = turn.view();
    let mut stored: BTreeMap<String, Arc<Object>> =
        tables(&view, &port).into_iter().map(|table| (table.fq_name.name().to_owned(), table)).collect();
    let project = super::tenant_of(&view, &port).and_then(|project| view.graph.get(project)).cloned();
    let Some(project) = project else { return Ok(()) };
    for (subnet, prefixes) in wanted(&view, &port, subnets) {
        let name = format!("{NAME}{subnet}_{}", port.uuid);
        let route = |prefix: &str| {
            json!({
                "prefix": prefix,
                (field_name::NEXT_HOP): null,
                (field_name::NEXT_HOP_TYPE): null,
                (field_name::COMMUNITY_ATTRIBUTES): null,
            })
        };
        let routes: Vec<Value> = prefixes.into_iter().map(route).collect();
        let mut body = json!({ (ROUTES): { (field_name::ROUTE): routes } });
        if let Some(table) = stored.remove(&name) {
            turn.update(&table, body)?;
            continue;
        }
        body["fq_name"] = project.fq_name.child(&name).elements().into();
        body["parent_type"] = type_name::PROJECT.into();
        let table = turn.create(type_name::INTERFACE_ROUTE_TABLE, body, None)?;
        turn.change_reference(&port, TABLES, table.uuid, Some(Value::Null))?;
    }
    for table in stored.into_values() {
        turn.change_reference(&port, TABLES, table.uuid, None)?;
        turn.delete(&table)?;
    }
    Ok(())
}

/// After the addresses of a port have changed.
pub fn follow(turn: &mut Turn<'_>, port: &Object) -> Answered<()> {
    let view = turn.view();
    let network = network_of(&view, port).filter(|_| view.options.apply_subnet_host_routes);
    let Some(network) = network else { return Ok(()) };
    let subnets = subnet::of_network(&view, network);
    follow_with(turn, port, &subnets)
}

/// After the host routes of a subnet have changed: the ports that they lead to, or have led to.
pub fn follow_subnet(turn: &mut Turn<'_>, network: &Object, before: &Subnet) -> Answered<()> {
    let view = turn.view();
    if !view.options.apply_subnet_host_routes {
        return Ok(());
    }
    let subnets = subnet::of_network(&view, network);
    let after = subnets.iter().find(|subnet| subnet.uuid() == before.uuid());
    let hops = [Some(before), after].into_iter().flatten().flat_map(Subnet::host_routes).map(|(_, next_hop)| next_hop);
    let hops: BTreeSet<IpAddr> = hops.collect();
    let ports = hops.into_iter().flat_map(|hop| addresses::ports_with(&view, network, hop));
    let ports: BTreeMap<Uuid, Arc<Object>> = ports.map(|port| (port.uuid, Arc::clone(port))).collect();
    ports.into_values().try_for_each(|port| follow_with(turn, &port, &subnets))
}
