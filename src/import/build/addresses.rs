//! Addresses: which object holds which. An address is of the network, or the flat ipam, that its object leads to.

use crate::{
    access::Identity,
    graph::{Graph, Hold, Object},
    import::{
        collect::Named,
        findings::{self, Report},
    },
    ipam::{overlapping, parse_address},
    model::{field_name, type_name},
    rules::{Rulebook, Work, is_unmanaged, scope_of},
    timestamp::Timestamp,
};
use serde_json::Value;
use std::{collections::HashMap, net::IpAddr, sync::Arc};
use uuid::Uuid;

/// Types whose objects have addresses: with the property, and the type of the pools that they are below, if they are below any.
const TYPES: [(&str, &str, Option<&str>); 3] = [
    (type_name::INSTANCE_IP, field_name::INSTANCE_IP_ADDRESS, None),
    (type_name::FLOATING_IP, field_name::FLOATING_IP_ADDRESS, Some(type_name::FLOATING_IP_POOL)),
    (type_name::ALIAS_IP, field_name::ALIAS_IP_ADDRESS, Some(type_name::ALIAS_IP_POOL)),
];

/// Where the address of an object is from.
enum Home {
    /// Its network's pools.
    Network(Arc<Object>),
    /// These flat ipams.
    Ipams(Vec<Uuid>),
    /// Nobody looks after it: there is nothing to hold.
    Unmanaged,
    Unknown,
}

/// Has each object hold its address.
pub fn hold(graph: &mut Graph, rulebook: &Arc<Rulebook>, report: &mut Report) {
    let work = Work::new(graph.clone(), Identity::server("import"), rulebook, Timestamp::default(), Uuid::new_v4);
    let mut taken: HashMap<Hold, Uuid> = HashMap::new();
    for (kind, property, pool_type) in TYPES {
        let Some(type_id) = graph.model().find(kind) else { continue };
        let mut objects: Vec<&Arc<Object>> = work.graph.objects_of(type_id).collect();
        objects.sort_by_key(|object| (object.created, object.uuid));
        for object in objects {
            let whom = Named { model: graph.model(), object };
            let value = work.property(object, property);
            let Some(text) = value.as_ref().and_then(Value::as_str).filter(|text| !text.is_empty()) else {
                report.add(findings::WITHOUT_ADDRESS, whom, property);
                continue;
            };
            let Some(address) = parse_address(text) else {
                report.add(findings::ADDRESS_OUTSIDE, whom, format_args!("{text} is no address"));
                continue;
            };
            let home = match pool_type {
                None => home_of_instance(&work, object),
                Some(pool_type) => home_in_pool(&work, object, pool_type),
            };
            match place(&work, &home, address) {
                Place::Held(hold) => {
                    if let Some(other) = taken.get(&hold) {
                        let what = format_args!("{other} has {} in {}, too", hold.address, hold.scope);
                        report.add(findings::ADDRESS_TWICE, whom, what);
                    } else {
                        taken.insert(hold, object.uuid);
                    }
                }
                Place::NotHeld => {}
                Place::Outside => report.add(findings::ADDRESS_OUTSIDE, whom, address),
                Place::Unknown => report.add(findings::ADDRESS_OF_NOTHING, whom, address),
            }
        }
    }
    drop(work);
    for (hold, uuid) in taken {
        if let Some(object) = graph.get(uuid) {
            let object = Object { hold: Some(hold), ..Object::clone(object) };
            graph.put(&Arc::new(object));
        }
    }
}

/// Tells of subnets that overlap: an address may be of either.
pub fn compare_subnets(graph: &Graph, report: &mut Report) {
    for (scope, subnets) in graph.pools().all_subnets() {
        let Some(object) = graph.get(scope) else { continue };
        for (one, other) in overlapping(&subnets) {
            let whom = Named { model: graph.model(), object };
            report.add(findings::SUBNETS_OVERLAP, whom, format_args!("{} and {}", one.name(), other.name()));
        }
    }
}

/// What becomes of an address.
enum Place {
    Held(Hold),
    /// It is a gateway's, which several may have, or nobody looks after it.
    NotHeld,
    Outside,
    Unknown,
}

fn place(work: &Work, home: &Home, address: IpAddr) -> Place {
    let scope = match home {
        Home::Network(network) => scope_of(work, network, address),
        Home::Ipams(ipams) => {
            ipams.iter().copied().find(|scope| work.graph.pools().subnet_of(*scope, address).is_some())
        }
        Home::Unmanaged => return Place::NotHeld,
        Home::Unknown => return Place::Unknown,
    };
    let Some((scope, subnet)) = scope.and_then(|scope| Some((scope, work.graph.pools().subnet_of(scope, address)?)))
    else {
        return Place::Outside;
    };
    if subnet.gateway == Some(address) {
        return Place::NotHeld;
    }
    // Of a unit of several addresses the first one is given, for all of them.
    if subnet.reserved(address).is_some() || subnet.unit_of(address).0 != address {
        return Place::Outside;
    }
    Place::Held(Hold { scope, address })
}

fn home_of_instance(work: &Work, object: &Object) -> Home {
    let first = |field: &str| work.links(object, field).first().and_then(|link| work.graph.get(link.target));
    if let Some(network) = first(field_name::VIRTUAL_NETWORK_REFS) {
        return if is_unmanaged(network) { Home::Unmanaged } else { Home::Network(Arc::clone(network)) };
    }
    let targets = |object: &Object| {
        work.links(object, field_name::NETWORK_IPAM_REFS).iter().map(|link| link.target).collect::<Vec<Uuid>>()
    };
    let ipams = first(field_name::VIRTUAL_ROUTER_REFS).map_or_else(|| targets(object), |router| targets(router));
    if ipams.is_empty() { Home::Unknown } else { Home::Ipams(ipams) }
}

fn home_in_pool(work: &Work, object: &Object, pool_type: &str) -> Home {
    let parent = object.parent.and_then(|parent| work.graph.get(parent));
    let pool = parent.filter(|parent| work.graph.model().object_type(parent.type_id).name == pool_type);
    // Below an instance-ip the address is what a client has said.
    let Some(pool) = pool else { return Home::Unmanaged };
    match pool.parent.and_then(|network| work.graph.get(network)) {
        Some(network) => Home::Network(Arc::clone(network)),
        None => Home::Unknown,
    }
}
