//! What contrail-api keeps in `ZooKeeper` beside the objects (feeds contract 4.3): names, ids and addresses. It should say the same as
//! the objects; what only it has are addresses that were reserved.

use crate::{
    graph::{Graph, Hold, Holder, Object},
    import::{
        collect::Named,
        findings::{self, Report},
    },
    ipam::parse_prefix_address,
    model::{field_name, type_name},
};
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};
use uuid::Uuid;

/// What the names of networks end with where a number is that of their VXLAN.
const VXLAN: &str = "_vxlan";
const ADDRESSES: &str = "api-server/subnets/";
const NAMES: &str = "fq-name-to-uuid/";
/// Paths of ids: with the type, the property, and the id that the first node is.
const IDS: [(&str, &str, &str, u64); 2] = [
    ("id/virtual-networks/", type_name::VIRTUAL_NETWORK, field_name::VIRTUAL_NETWORK_NETWORK_ID, 1),
    ("id/security-groups/id/", type_name::SECURITY_GROUP, field_name::SECURITY_GROUP_ID, 8_000_000),
];

/// Whether a node says something of the configuration.
pub fn is_compared(path: &str) -> bool {
    [ADDRESSES, NAMES].into_iter().chain(IDS.map(|(beginning, ..)| beginning)).any(|of| below(path, of).is_some())
}

/// The ids that are said to be an object's, by its type and its joined name.
pub fn ids(nodes: &[(String, Option<String>)]) -> HashMap<(&'static str, &str), u64> {
    let id = |path: &str| {
        let (kind, rest, first) =
            IDS.iter().find_map(|(beginning, kind, _, first)| Some((*kind, below(path, beginning)?, *first)))?;
        Some((kind, rest.parse::<u64>().ok()?.checked_add(first)?))
    };
    let known = nodes.iter().filter_map(|(path, value)| {
        let (kind, number) = id(path)?;
        Some(((kind, value.as_deref()?), number))
    });
    known.collect()
}

/// Compares the nodes with the graph, and reserves what only they have.
pub fn compare(graph: &mut Graph, nodes: &[(String, Option<String>)], report: &mut Report) {
    let mut known: HashSet<Hold> = HashSet::new();
    let mut has_addresses = false;
    for (path, value) in nodes {
        let value = value.as_deref().unwrap_or_default();
        if let Some(rest) = below(path, ADDRESSES) {
            has_addresses = true;
            known.extend(address(graph, path, rest, value, report));
        } else if let Some(rest) = below(path, NAMES) {
            name(graph, path, rest, value, report);
        } else {
            for (beginning, kind, property, first) in IDS {
                if let Some(rest) = below(path, beginning) {
                    id(graph, (path, rest, value), (kind, property, first), report);
                }
            }
        }
    }
    if !has_addresses {
        return;
    }
    let mut lacking: Vec<(Hold, Uuid)> = graph
        .pools()
        .all_held()
        .filter(|(hold, _)| !known.contains(hold))
        .filter_map(|(hold, holder)| Some((hold, holder.object()?)))
        .collect();
    lacking.sort_unstable();
    for (hold, uuid) in lacking {
        if let Some(object) = graph.get(uuid) {
            let whom = Named { model: graph.model(), object };
            report.add(findings::ADDRESS_NOT_RESERVED, whom, format_args!("{} in {}", hold.address, hold.scope));
        }
    }
}

/// The rest of a path that is below another one, which may stand below the id of a cluster.
fn below<'p>(path: &'p str, beginning: &str) -> Option<&'p str> {
    let path = path.trim_matches('/');
    path.strip_prefix(beginning).or_else(|| path.split_once('/')?.1.strip_prefix(beginning))
}

fn name(graph: &Graph, path: &str, rest: &str, value: &str, report: &mut Report) {
    let Some((kind, joined)) = rest.split_once(':') else { return };
    let object = graph.model().find(kind).and_then(|kind| graph.find_joined(kind, joined));
    match object {
        Some(object) if Uuid::try_parse(value).ok() == Some(object.uuid) => {}
        Some(object) => report.add(
            findings::NODE_NAME_DIFFERS,
            path,
            format_args!("it has {value}, and the object is {}", object.uuid),
        ),
        None => {
            report.add(findings::NODE_NAME_DIFFERS, path, format_args!("it has {value}, and there is no such object"));
        }
    }
}

fn id(
    graph: &Graph,
    (path, rest, value): (&str, &str, &str),
    (kind, property, first): (&str, &str, u64),
    report: &mut Report,
) {
    let Ok(index) = rest.parse::<u64>() else { return };
    let wanted = index.saturating_add(first).to_string();
    let model = graph.model();
    let found = |name: &str| model.find(kind).and_then(|kind| graph.find_joined(kind, name));
    // The VXLAN of a network has a number of the same space, which a part of a property says.
    if value.strip_suffix(VXLAN).and_then(found).is_some() {
        return;
    }
    let Some(object) = found(value) else {
        report.add(findings::NODE_ID_DIFFERS, path, format_args!("it is {value}'s, and there is no such object"));
        return;
    };
    let own = model.object_type(object.type_id).property(property).and_then(|(id, _)| object.plain_text(id));
    if own.is_none_or(|own| **own != *wanted) {
        let own = own.map_or("none", |own| own);
        report.add(findings::NODE_ID_DIFFERS, path, format_args!("it is {value}'s, which has {own}"));
    }
}

/// The network or flat ipam whose name the path of an address begins with, and the prefix that follows: both have colons.
fn scope_and_prefix<'g>(graph: &'g Graph, text: &str) -> Option<(&'g Arc<Object>, IpAddr)> {
    let kinds = [type_name::VIRTUAL_NETWORK, type_name::NETWORK_IPAM];
    let kinds: Vec<_> = kinds.iter().filter_map(|kind| graph.model().find(kind)).collect();
    text.match_indices(':').find_map(|(colon, _)| {
        let (name, prefix) = (text.get(..colon)?, parse_prefix_address(text.get(colon + 1..)?)?);
        let mut found = kinds.iter().filter_map(|kind| graph.find_joined(*kind, name));
        let is_there = |object: &&Arc<Object>| graph.pools().subnet_of(object.uuid, prefix).is_some();
        found.find(is_there).map(|object| (object, prefix))
    })
}

/// A node of an address: `<name>:<prefix>/<length>/<number of the unit>`. Gives what is held, by whomever.
fn address(graph: &mut Graph, path: &str, rest: &str, value: &str, report: &mut Report) -> Option<Hold> {
    let parts = rest.rsplit_once('/').and_then(|(above, number)| {
        let (name_and_prefix, length) = above.rsplit_once('/')?;
        Some((name_and_prefix, length.parse::<u8>().ok()?, number.parse::<u128>().ok()?))
    });
    // Nodes above addresses have no number.
    let (name_and_prefix, length, number) = parts?;
    let place = scope_and_prefix(graph, name_and_prefix);
    let place = place.and_then(|(scope, prefix)| {
        let subnet = graph.pools().subnet_of(scope.uuid, prefix)?;
        (subnet.prefix.prefix() == length).then_some((scope.uuid, subnet))
    });
    let Some((scope, subnet)) = place else {
        report.add(findings::NODE_UNUSABLE, path, "there is no such subnet");
        return None;
    };
    let number = number.saturating_mul(subnet.unit);
    let address = if subnet.is_v4() {
        u32::try_from(number).map(|number| IpAddr::V4(Ipv4Addr::from(number))).ok()
    } else {
        Some(IpAddr::V6(Ipv6Addr::from(number)))
    };
    let Some(address) = address.filter(|address| subnet.contains(*address)) else {
        report.add(findings::NODE_UNUSABLE, path, "it is not in its subnet");
        return None;
    };
    let hold = Hold { scope, address };
    match graph.pools().holder(scope, address) {
        Some(Holder::Object(uuid)) => {
            if Uuid::try_parse(value).is_ok_and(|other| other != uuid) {
                report.add(findings::NODE_OF_ANOTHER, path, format_args!("it is {value}'s, and {uuid} has {address}"));
            }
        }
        Some(Holder::Reservation) => {}
        // Gateways and service addresses are nobody's.
        None if subnet.reserved(address).is_some() => {}
        None => {
            report.add(findings::RESERVED, path, format_args!("{address} of {scope} is nobody's (it says {value})"));
            graph.reserve(hold);
        }
    }
    Some(hold)
}
