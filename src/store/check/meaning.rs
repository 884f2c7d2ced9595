//! What objects have to say for themselves, as the rules leave it: parents, addresses, subnets, and ids.

use crate::{
    finding::{Finding, Findings, Kind, Place},
    graph::{Graph, Hold, Holder, IDS, IdForm, Object, Owner, describe},
    ipam::{self, Subnet},
    model::{Parent, TypeId, field_name, type_name},
    rules::shared::gateway_address::is_unmanaged,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::IpAddr,
};
use uuid::Uuid;

/// The types of objects that have an address, with the property that shows it.
const ADDRESSES: [(&str, &str); 3] = [
    (type_name::INSTANCE_IP, field_name::INSTANCE_IP_ADDRESS),
    (type_name::FLOATING_IP, field_name::FLOATING_IP_ADDRESS),
    (type_name::ALIAS_IP, field_name::ALIAS_IP_ADDRESS),
];

/// Looks at each object. Of those that hold several addresses it is not known which one counts.
pub fn check(graph: &Graph, several: &HashSet<Uuid>, findings: &mut Findings) {
    let model = graph.model();
    let id = |name: &str| model.find(name);
    let addresses: Vec<(TypeId, &str)> = ADDRESSES.iter().filter_map(|(name, show)| Some((id(name)?, *show))).collect();
    let numbers: Vec<(TypeId, &str, IdForm)> =
        IDS.iter().filter_map(|(name, property, form)| Some((id(name)?, *property, *form))).collect();
    let (mut strangers, mut missing) = (BTreeSet::new(), Vec::new());
    for object in graph.all() {
        check_parent(graph, object, findings);
        check_uuid(graph, object, findings);
        let of_type = addresses.iter().filter(|(kind, _)| *kind == object.type_id);
        for (_, property) in of_type.filter(|_| !several.contains(&object.uuid)) {
            check_address(graph, object, property, &mut missing, findings);
        }
        for (_, property, form) in numbers.iter().filter(|(kind, ..)| *kind == object.type_id) {
            check_number(graph, object, property, *form, findings);
        }
        if let Owner::Project(owner) = object.permissions.owner
            && graph.get(owner).is_none()
            && strangers.insert(owner)
        {
            let text = format!("{} is owned by {owner}, which is not here", describe(model, object));
            findings.push(Finding::new(Kind::OwnerWithoutProject, Place::Object(object.uuid), text));
        }
    }
    tell_missing(missing, findings);
    for (scope, subnets) in graph.pools().all_subnets() {
        check_overlaps(graph, scope, &subnets, findings);
    }
    for (hold, holder) in graph.pools().all_held() {
        let subnet = graph.pools().subnet_of(hold.scope, hold.address);
        if let Some(reserved) = subnet.and_then(|subnet| why_nobody_has(subnet, hold.address)) {
            let holder = Holder::told(Some(holder));
            let text = format!("{} of {} is held by {holder}, and is {reserved}", hold.address, hold.scope);
            let place = Place::Address { scope: hold.scope, address: hold.address };
            findings.push(Finding::new(Kind::HoldOfReserved, place, text));
        }
    }
}

fn value_of(graph: &Graph, object: &Object, name: &str) -> Option<Value> {
    object.property(graph.model().object_type(object.type_id).property(name)?.0)
}

/// The parent is of a type that may have such children.
fn check_parent(graph: &Graph, object: &Object, findings: &mut Findings) {
    let model = graph.model();
    let parents = &model.object_type(object.type_id).parents;
    let text = match object.parent.map(|uuid| graph.get(uuid)) {
        Some(Some(parent)) if !parents.contains(&Parent::Type(parent.type_id)) => {
            format!("{} is below {}", describe(model, object), describe(model, parent))
        }
        None if !parents.is_empty() && !parents.contains(&Parent::ConfigRoot) => {
            format!("{} is below nothing", describe(model, object))
        }
        // What does not exist is told of by another.
        _ => return,
    };
    findings.push(Finding::new(Kind::WrongParent, Place::Object(object.uuid), text));
}

/// `id_perms` says the uuid in two halves.
fn check_uuid(graph: &Graph, object: &Object, findings: &mut Findings) {
    let said = value_of(graph, object, field_name::ID_PERMS).unwrap_or_default();
    let half = |name: &str| said.pointer("/uuid")?.get(name)?.as_u64();
    let Some((most, least)) = half("uuid_mslong").zip(half("uuid_lslong")) else { return };
    let said = Uuid::from_u64_pair(most, least);
    if said != object.uuid {
        let text = format!("{} says of itself that it is {said}", describe(graph.model(), object));
        findings.push(Finding::new(Kind::ForeignUuid, Place::Object(object.uuid), text));
    }
}

fn why_nobody_has(subnet: &Subnet, address: IpAddr) -> Option<&'static str> {
    if subnet.gateway == Some(address) {
        Some("that of the gateway")
    } else if subnet.service == Some(address) {
        Some("that of the services")
    } else if address == subnet.prefix.network() {
        Some("the first one of its subnet")
    } else if address == subnet.prefix.broadcast() {
        Some("the last one of its subnet")
    } else {
        None
    }
}

/// What an object shows is what it holds.
fn check_address(graph: &Graph, object: &Object, property: &str, missing: &mut Vec<Missing>, findings: &mut Findings) {
    let shown = value_of(graph, object, property);
    let shown = shown.as_ref().and_then(Value::as_str).and_then(ipam::parse_address);
    let described = || describe(graph.model(), object);
    let place = Place::Object(object.uuid);
    match (shown, object.hold) {
        (Some(shown), Some(hold)) if shown != hold.address => {
            let text = format!("{} shows {shown} and holds {}", described(), hold.address);
            findings.push(Finding::new(Kind::WrongHold, place, text));
        }
        (None, Some(hold)) => {
            let text = format!("{} shows no address and holds {}", described(), hold.address);
            findings.push(Finding::new(Kind::WrongHold, place, text));
        }
        (Some(shown), None) => missing.extend(find_missing(graph, object, shown)),
        (Some(shown), Some(hold)) => check_pool(graph, object, shown, hold, findings),
        (None, None) => {}
    }
}

/// The networks and ipams that the address of an object may be of.
fn scopes(graph: &Graph, object: &Object) -> Vec<Uuid> {
    let targets = |object: &Object, field: &str| -> Vec<Uuid> {
        let reference = graph.model().object_type(object.type_id).reference(field);
        reference.map(|(id, _)| object.links_of(id).iter().map(|link| link.target).collect()).unwrap_or_default()
    };
    let pool = object.parent.and_then(|parent| graph.get(parent));
    let of_pool = pool.and_then(|pool| pool.parent).into_iter();
    let networks = targets(object, field_name::VIRTUAL_NETWORK_REFS).into_iter().chain(of_pool);
    let networks = networks.filter_map(|uuid| graph.get(uuid)).filter(|network| !is_unmanaged(network));
    let mut scopes: Vec<Uuid> = targets(object, field_name::NETWORK_IPAM_REFS);
    for network in networks {
        scopes.push(network.uuid);
        scopes.extend(targets(network, field_name::NETWORK_IPAM_REFS));
    }
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// An object that shows an address and does not hold it, with the hold that it should have, if that is evident.
type Missing = (Finding, Option<(Uuid, Hold)>);

/// An address that is shown and not held: fine, if it is shared, or of a network where none is held.
fn find_missing(graph: &Graph, object: &Object, shown: IpAddr) -> Option<Missing> {
    let pools = graph.pools();
    let of = |scope: Uuid| pools.subnet_of(scope, shown).map(|subnet| (scope, subnet));
    let subnets: Vec<(Uuid, &Subnet)> = scopes(graph, object).into_iter().filter_map(of).collect();
    if subnets.is_empty() || subnets.iter().any(|(_, subnet)| subnet.gateway == Some(shown)) {
        return None;
    }
    let described = describe(graph.model(), object);
    let finding = |text: String| Finding::new(Kind::MissingHold, Place::Object(object.uuid), text);
    let [(scope, subnet)] = subnets.as_slice() else {
        let count = subnets.len();
        let text = format!("{described} shows {shown}, which is of {count} networks and ipams, and does not hold it");
        return Some((finding(text), None));
    };
    let (first, last) = subnet.unit_of(shown);
    let is_evident =
        first == shown && pools.first_held(*scope, first, last).is_none() && why_nobody_has(subnet, shown).is_none();
    let hold = Hold { scope: *scope, address: shown };
    let text = format!("{described} shows {shown} of {scope}, and does not hold it");
    Some((finding(text), is_evident.then_some((object.uuid, hold))))
}

/// Of several objects that show one address it is not evident whose it is.
fn tell_missing(missing: Vec<Missing>, findings: &mut Findings) {
    let mut claims: BTreeMap<Hold, usize> = BTreeMap::new();
    for (_, hold) in missing.iter().filter_map(|(_, evident)| *evident) {
        *claims.entry(hold).or_default() += 1;
    }
    for (finding, evident) in missing {
        let alone = evident.filter(|(_, hold)| claims.get(hold) == Some(&1));
        let statement = alone.map(|(owner, Hold { scope, address })| {
            format!("insert into address_hold (scope, address, owner) values ('{scope}', '{address}', '{owner}')")
        });
        findings.push(finding.repaired_by(statement));
    }
}

/// Whether the address of a floating-ip is of the subnets that its pool has now.
fn check_pool(graph: &Graph, object: &Object, shown: IpAddr, hold: Hold, findings: &mut Findings) {
    let Some(pool) = object.parent.and_then(|parent| graph.get(parent)) else { return };
    let restricted = value_of(graph, pool, field_name::FLOATING_IP_POOL_SUBNETS).unwrap_or_default();
    let restricted: Vec<&str> = restricted
        .get(field_name::SUBNET_UUID)
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let subnet = graph.pools().subnet_of(hold.scope, shown).and_then(|subnet| subnet.subnet_uuid);
    // Subnets of a flat ipam are named by the handle that the network has of it.
    let Some(subnet) = subnet.filter(|_| !restricted.is_empty()) else { return };
    if !restricted.iter().any(|named| Uuid::try_parse(named).is_ok_and(|named| named == subnet)) {
        let (object_told, pool_told) = (describe(graph.model(), object), describe(graph.model(), pool));
        let text = format!("{object_told} has {shown} of the subnet {subnet}, which {pool_told} does not have");
        findings.push(Finding::new(Kind::FloatingIpOutsidePool, Place::Object(object.uuid), text));
    }
}

fn check_overlaps(graph: &Graph, scope: Uuid, subnets: &[&Subnet], findings: &mut Findings) {
    for (widest, subnet) in ipam::overlapping(subnets) {
        let described = graph.get(scope).map_or_else(|| scope.to_string(), |object| describe(graph.model(), object));
        let text = format!("{} and {} of {described} overlap", widest.name(), subnet.name());
        findings.push(Finding::new(Kind::OverlappingSubnets, Place::Object(scope), text));
    }
}

fn check_number(graph: &Graph, object: &Object, property: &str, form: IdForm, findings: &mut Findings) {
    let id = graph.model().object_type(object.type_id).property(property).map(|(id, _)| id);
    let text = id.and_then(|id| object.plain_text(id));
    let place = Place::Object(object.uuid);
    let Some(text) = text.filter(|text| &***text != "null") else {
        let text = format!("{} has no {property}", describe(graph.model(), object));
        findings.push(Finding::new(Kind::MissingNumber, place, text));
        return;
    };
    if !form.is_one(text) {
        let text = format!("{} has {property} {text}", describe(graph.model(), object));
        findings.push(Finding::new(Kind::NumberOutOfRange, place, text));
    }
}
