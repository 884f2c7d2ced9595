//! The subnets of a virtual network or a flat ipam on their way in: checked, completed, and compared with those that
//! are there (contrail-api R21, address management ADM-S1, ADM-S5 and ADM-S7; OpenSDN for changed prefixes).
//!
//! What one entry may say, and what is filled in, is in `ipam`: VN-S3, VN-S8, VN-S9, VN-S10, VN-U9 (but see OSD-17),
//! VN-U10 (any change of pools is allowed: no address depends on its pool), VN-U11. Prefixes come normalised from the
//! check against the model (VN-S7). Whatever way a change comes, `/ref-update` and `/prop-collection-update` too, it
//! passes here.
//!
//! Subnets are told apart by their prefixes. One whose prefix changes is a new one (OSD-17), but the addresses in use
//! stay, as long as they lie in one of the subnets that there will be (OSD-16). What the peer makes of it is not kept
//! (OSD-18): every address stays held, and none becomes a gateway or service address. Neutron's change of allocation
//! pools is such a change of a network (OSD-19).

use crate::{
    graph::{Hold, Holder, Object},
    ipam::{self, AddressRanges, Subnet},
    model::{field_name, type_name},
    python_literal,
    rules::{
        engine::{
            Decision, Draft, Kind, NewLink, Rejection, Work, budget,
            quota::{self, Parts},
            rule,
        },
        shared::addresses::{is_flat, recorded_subnet},
        shared::gateway_address::shares_gateway,
    },
};
use indexmap::IndexMap;
use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};
use uuid::Uuid;

/// The reference that carries the subnets of a network.
const IPAM_REFERENCES: &str = field_name::NETWORK_IPAM_REFS;

/// Checks and completes the ipam references of a network.
///
/// # Errors
/// The contract's refusals, in its order.
pub fn complete_network(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_forwarding(work, draft)?;
    let Some(given) = draft.given_links(IPAM_REFERENCES).map(one_of_each) else { return Ok(()) };
    let stored = draft.stored_links(IPAM_REFERENCES);
    let mut own = Vec::new();
    let mut flat = Vec::new();
    for link in &given {
        let Some(ipam) = work.graph.get(link.target).cloned() else { continue };
        if is_flat(work, &ipam) {
            flat.extend(work.graph.pools().subnets(ipam.uuid).map(|subnet| subnet.prefix));
            continue;
        }
        for entry in entries(link)? {
            ipam::check_entry(entry).map_err(|fault| about_subnets(fault.into()))?;
            own.push(prefix_of(entry)?);
        }
    }
    budget::check_growth(&budget::SUBNETS, work.graph.pools().count_of_subnets(draft.uuid), own.len())?;
    check_quota(work, draft, own.len())?;
    // VN-S6
    flat.extend(&own);
    ipam::check_overlap(&flat).map_err(|fault| about_subnets(fault.into()).by(rule::VN_S6))?;
    check_flat_removed(work, draft.uuid, &stored, &given)?;
    let sharing = Sharing::of(work, draft.uuid, &own);
    check_removed_of_network(work, draft.uuid, &given, &own, &sharing)?;

    let routed = draft.value(field_name::VIRTUAL_NETWORK_CATEGORY) == Some(Value::from("routed"));
    let known = by_prefix(&stored);
    let handles = handles(&stored);
    let mut completed = Vec::new();
    for mut link in given {
        let is_flat = work.graph.get(link.target).is_some_and(|ipam| is_flat(work, ipam));
        if is_flat {
            link.attribute = flat_handle(work, &handles, &link)?;
        } else if let Some(Value::Array(entries)) = link.attribute.get_mut(field_name::IPAM_SUBNETS) {
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                let known = known.get(&ipam::parse_prefix(&json!({ "subnet": entry.get("subnet") })));
                complete_entry(work, draft, &sharing, entry, known.copied(), !routed).map_err(about_subnets)?;
                // VN-S4
                if !is_present(entry.get(field_name::SUBNET_UUID)) {
                    entry.insert(field_name::SUBNET_UUID.to_owned(), work.new_uuid().to_string().into());
                }
            }
        }
        completed.push(link);
    }
    draft.set_links(IPAM_REFERENCES, completed);
    Ok(())
}

/// A refusal of what a network says of its subnets. Those of address management name no rule: 409 is VN-S3, 400 is VN-U9 for the
/// gateway of a subnet that there is, else VN-S9.
fn about_subnets(refusal: Rejection) -> Rejection {
    let rule = match refusal.rule {
        Some(rule) => rule,
        None if refusal.kind == Kind::Conflict => rule::VN_S3,
        None if refusal.is_about(field_name::DEFAULT_GATEWAY) => rule::VN_U9,
        None => rule::VN_S9,
    };
    refusal.by(rule).within(IPAM_REFERENCES)
}

/// VN-S1, VN-S2: a flat ipam wants an l3 network without subnets of its own. Ipams of other methods don't (OSD-22).
fn check_forwarding(work: &Work, draft: &Draft) -> Decision<()> {
    let flat = |link: &NewLink| work.graph.get(link.target).is_some_and(|ipam| is_flat(work, ipam));
    let links = draft.links(IPAM_REFERENCES);
    for link in links.iter().filter(|link| flat(link)) {
        let entries = link.attribute.get(field_name::IPAM_SUBNETS).and_then(Value::as_array);
        let has_prefix = |entry: &Value| entry.pointer("/subnet/ip_prefix").is_some_and(|prefix| !prefix.is_null());
        if entries.is_some_and(|entries| entries.iter().any(has_prefix)) {
            let text = "with flat-subnet, network can not have user-defined subnet";
            return Err(Rejection::bad_request(text).by(rule::VN_S1).about(IPAM_REFERENCES).because_of([link.target]));
        }
    }
    let touched =
        draft.given_links(IPAM_REFERENCES).is_some() || draft.given(field_name::VIRTUAL_NETWORK_PROPERTIES).is_some();
    let properties = draft.value(field_name::VIRTUAL_NETWORK_PROPERTIES);
    let mode = properties.as_ref().and_then(|value| value.get(field_name::FORWARDING_MODE)).and_then(Value::as_str);
    if touched && mode != Some("l3") && links.iter().any(flat) {
        return Err(Rejection::bad_request("flat-subnet is allowed only with l3 network")
            .by(rule::VN_S2)
            .about("virtual_network_properties.forwarding_mode"));
    }
    Ok(())
}

/// The entries of a reference to an ipam with user-defined subnets.
fn entries(link: &NewLink) -> Decision<&Vec<Value>> {
    let entries = link.attribute.get(field_name::IPAM_SUBNETS).and_then(Value::as_array);
    let missing = || {
        let text = "Bad reference: network_ipam_refs attr must have ipam_subnets, a list of subnets (may be empty)";
        Rejection::bad_request(text).by(rule::VN_S3).about(IPAM_REFERENCES)
    };
    entries.ok_or_else(missing)
}

fn prefix_of(entry: &Value) -> Decision<IpNetwork> {
    let missing = || {
        Rejection::bad_request("Bad reference: an entry of ipam_subnets lacks subnet")
            .by(rule::VN_S3)
            .about(IPAM_REFERENCES)
    };
    ipam::parse_prefix(entry).ok_or_else(missing)
}

fn is_present(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| !text.is_empty())
}

/// The references that will be stored: several to one ipam are one, with the subnets of all.
fn one_of_each(links: &[NewLink]) -> Vec<NewLink> {
    let mut joined: IndexMap<Uuid, NewLink> = IndexMap::new();
    for link in links {
        match joined.get_mut(&link.target) {
            Some(known) => join(known, link),
            None => {
                joined.insert(link.target, link.clone());
            }
        }
    }
    joined.into_values().collect()
}

/// Adds what a further reference says; what it says of the same prefix stands in place of what was said before.
fn join(known: &mut NewLink, further: &NewLink) {
    let subnets = |link: &NewLink| link.attribute.get(field_name::IPAM_SUBNETS).and_then(Value::as_array).cloned();
    let (Some(mut all), Some(more)) = (subnets(known), subnets(further)) else {
        // One of them can't be read. It is what is looked at, and refused.
        if subnets(known).is_some() {
            known.attribute = further.attribute.clone();
        }
        return;
    };
    let more_prefixes: HashSet<Option<IpNetwork>> = more.iter().map(ipam::parse_prefix).collect();
    all.retain(|entry| !more_prefixes.contains(&ipam::parse_prefix(entry)));
    all.extend(more);
    let members = further.attribute.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    for (name, value) in members {
        known.attribute[name] = value.clone();
    }
    known.attribute[field_name::IPAM_SUBNETS] = all.into();
}

/// The stored entries by prefix, wherever in the network they are.
fn by_prefix(stored: &[NewLink]) -> BTreeMap<Option<IpNetwork>, &Map<String, Value>> {
    let entries = stored.iter().filter_map(|link| link.attribute.get(field_name::IPAM_SUBNETS)?.as_array()).flatten();
    entries.filter_map(|entry| Some((Some(ipam::parse_prefix(entry)?), entry.as_object()?))).collect()
}

/// The uuid in the data of a reference to a flat ipam.
fn handle_in(attribute: &Value) -> Option<&Value> {
    attribute.pointer("/ipam_subnets/0/subnet_uuid").filter(|uuid| is_present(Some(uuid)))
}

/// The uuids that references have of it, by ipam.
fn handles(links: &[NewLink]) -> HashMap<Uuid, &Value> {
    links.iter().filter_map(|link| Some((link.target, handle_in(&link.attribute)?))).collect()
}

/// VN-S4: one entry stands for "this flat ipam, as seen from this network"; its uuid stays.
fn flat_handle(work: &Work, stored: &HashMap<Uuid, &Value>, link: &NewLink) -> Decision<Value> {
    let uuid = handle_in(&link.attribute).or_else(|| stored.get(&link.target).copied()).cloned();
    let uuid = uuid.unwrap_or_else(|| work.new_uuid().to_string().into());
    if let Some(text) = uuid.as_str().filter(|text| Uuid::try_parse(text).is_err()) {
        let text = format!("Invalid subnet-uuid {text}: the handle of a flat-subnet ipam must be a uuid");
        return Err(Rejection::conflict(text).by(rule::VN_S4).about(IPAM_REFERENCES));
    }
    let mut attribute = link.attribute.clone();
    if !attribute.is_object() {
        attribute = json!({});
    }
    if let Some(fields) = attribute.as_object_mut() {
        fields.insert(field_name::IPAM_SUBNETS.to_owned(), json!([{ "subnet_uuid": uuid }]));
    }
    Ok(attribute)
}

/// Completes one entry, against the stored one of the same prefix if there is one.
///
/// # Errors
/// The contract's refusals.
pub fn complete_entry(
    work: &Work,
    draft: &Draft,
    sharing: &Sharing,
    entry: &mut Map<String, Value>,
    stored: Option<&Map<String, Value>>,
    reserve: bool,
) -> Decision<()> {
    let (scope, owner) = (draft.uuid, draft.fq_name.joined());
    let Some(stored) = stored else {
        keep_shared_gateway(sharing, entry);
        ipam::complete_entry(entry, reserve, owner)?;
        return check_addresses_fit(work, scope, sharing, entry);
    };
    let pools = work.graph.pools();
    let held = |address: IpAddr| pools.holder(scope, address).is_some();
    let prefix = ipam::parse_prefix(&json!({ "subnet": stored.get("subnet") }));
    let any_held = prefix.is_some_and(|prefix| pools.first_held(scope, prefix.network(), prefix.broadcast()).is_some());
    Ok(ipam::update_entry(entry, stored, reserve, owner, &held, any_held)?)
}

/// A new prefix around a gateway that instance-ips have keeps that gateway, unless the client asks for another one.
fn keep_shared_gateway(sharing: &Sharing, entry: &mut Map<String, Value>) {
    let Some(prefix) = ipam::parse_prefix(&json!({ "subnet": entry.get("subnet") })) else { return };
    let asked = entry
        .get(field_name::DEFAULT_GATEWAY)
        .and_then(Value::as_str)
        .is_some_and(|text| !["", "None"].contains(&text));
    if let Some((address, _)) = sharing.gateways_in(prefix).next().filter(|_| !asked) {
        entry.insert(field_name::DEFAULT_GATEWAY.to_owned(), address.to_string().into());
    }
}

/// The addresses that are in use in a new prefix can be used in it: none is reserved now, units are as they were, and
/// the gateway that instance-ips have is still one (OSD-17, OSD-18).
fn check_addresses_fit(work: &Work, scope: Uuid, sharing: &Sharing, entry: &Map<String, Value>) -> Decision<()> {
    let Some(subnet) = Subnet::read(&Value::Object(entry.clone())) else { return Ok(()) };
    let pools = work.graph.pools();
    for (address, holder) in pools.held(scope, subnet.prefix.network(), subnet.prefix.broadcast()) {
        if subnet.reserved(address).is_some() {
            return Err(Rejection::conflict(ipam::ADDRESS_IN_USE).by(rule::OSD_17).because_of(holder.object()));
        }
        let unit_before = pools.subnet_of(scope, address).map(|before| before.unit);
        if unit_before.is_some_and(|unit| unit != subnet.unit) {
            let text =
                format!("alloc_unit change is not allowed while addresses are in use, {address} in {}", subnet.name());
            return Err(Rejection::bad_request(text)
                .by(rule::OSD_17)
                .about(field_name::ALLOC_UNIT)
                .because_of(holder.object()));
        }
    }
    for (address, user) in sharing.gateways_in(subnet.prefix) {
        if subnet.gateway != Some(address) {
            let new = subnet.gateway.map_or_else(|| "None".to_owned(), |gateway| gateway.to_string());
            let text = format!("default gateway change is not allowed orig:{address}, new: {new}");
            return Err(Rejection::bad_request(text)
                .by(rule::OSD_18)
                .about(field_name::DEFAULT_GATEWAY)
                .because_of([user.uuid]));
        }
    }
    Ok(())
}

/// VN-U8 for a whole flat ipam: a network does not let it go while it has an address of it.
fn check_flat_removed(work: &Work, network: Uuid, stored: &[NewLink], given: &[NewLink]) -> Decision<()> {
    let kept: HashSet<Uuid> = given.iter().map(|link| link.target).collect();
    let mut holders: Option<Vec<Arc<Object>>> = None;
    for link in stored.iter().filter(|link| !kept.contains(&link.target)) {
        if !work.graph.get(link.target).is_some_and(|ipam| is_flat(work, ipam)) {
            continue;
        }
        let is_of_ipam = |holder: &&Arc<Object>| match holder.hold {
            Some(hold) => hold.scope == link.target,
            None => address_of(work, holder)
                .is_some_and(|address| work.graph.pools().subnet_of(link.target, address).is_some()),
        };
        let holders = holders.get_or_insert_with(|| holders_of_network(work, network));
        if let Some(holder) = holders.iter().find(is_of_ipam) {
            return Err(in_use(work, holder));
        }
    }
    Ok(())
}

/// VN-U8, OSD-16: every address in use must lie in one of the subnets that the network will have. The texts are those
/// of OpenSDN for a subnet that the client names by its uuid, and so changes; for one that goes those of contrail-api.
fn check_removed_of_network(
    work: &mut Work,
    network: Uuid,
    given: &[NewLink],
    own: &[IpNetwork],
    sharing: &Sharing,
) -> Decision<()> {
    let entries = given.iter().filter_map(|link| link.attribute.get(field_name::IPAM_SUBNETS)?.as_array()).flatten();
    let uuids = entries.filter_map(|entry| Uuid::try_parse(entry.get(field_name::SUBNET_UUID)?.as_str()?).ok());
    let named: Vec<Uuid> = uuids.collect();
    let ranges = AddressRanges::of(own);
    let stays = |address: IpAddr| ranges.contains(address);
    let refuse = |work: &Work, subnet: &Subnet, holder: &Arc<Object>| {
        if subnet.subnet_uuid.is_some_and(|uuid| named.contains(&uuid)) {
            not_in_subnets(work, holder, own)
        } else {
            in_use(work, holder)
        }
    };
    check_removed(work, network, own, sharing, stays, refuse)
}

/// The same for a flat ipam: its prefixes do not change (IPAM-U5).
///
/// # Errors
/// 409 that names an address in use.
pub fn check_removed_of_ipam(work: &mut Work, ipam: Uuid, prefixes: &[IpNetwork], sharing: &Sharing) -> Decision<()> {
    check_removed(
        work,
        ipam,
        prefixes,
        sharing,
        |_| false,
        |work, _, holder| in_use(work, holder).by(rule::IPAM_U5).about(field_name::IPAM_SUBNETS),
    )
}

/// Lets those subnets of a network or flat ipam go that are not among these prefixes, unless an object has an address
/// that does not stay. What only `ip-alloc` holds goes with its subnet.
fn check_removed(
    work: &mut Work,
    scope: Uuid,
    prefixes: &[IpNetwork],
    sharing: &Sharing,
    stays: impl Fn(IpAddr) -> bool,
    refuse: impl Fn(&Work, &Subnet, &Arc<Object>) -> Rejection,
) -> Decision<()> {
    let mut reserved = Vec::new();
    let prefixes: HashSet<IpNetwork> = prefixes.iter().copied().collect();
    for subnet in work.graph.pools().subnets(scope).filter(|subnet| !prefixes.contains(&subnet.prefix)) {
        let prefix = subnet.prefix;
        let held = work.graph.pools().held(scope, prefix.network(), prefix.broadcast());
        let mut holder = None;
        for (address, held_by) in held.filter(|(address, _)| !stays(*address)) {
            match held_by {
                // The greatest address is named: the one that was given out first.
                Holder::Object(uuid) => holder = work.graph.get(uuid).cloned(),
                Holder::Reservation => reserved.push(Hold { scope, address }),
            }
        }
        let user =
            || sharing.users_in(prefix).find(|(address, ..)| !stays(*address)).map(|(_, user, _)| Arc::clone(user));
        if let Some(holder) = holder.or_else(user) {
            return Err(refuse(work, subnet, &holder));
        }
    }
    for hold in reserved {
        work.release(hold);
    }
    Ok(())
}

/// The objects that have an address of a network or flat ipam without holding it, as instance-ips do that share that of a
/// gateway. There may be as many as subnets.
#[derive(Default)]
pub struct Sharing {
    /// In the order of the addresses, with whether it is that of a gateway.
    users: Vec<(IpAddr, Arc<Object>, bool)>,
}

impl Sharing {
    /// Those of a network, or of all networks that refer to an ipam. Where the prefixes stay as they are nobody asks for
    /// them, and there are none.
    pub fn of(work: &Work, scope: Uuid, prefixes: &[IpNetwork]) -> Self {
        let pools = work.graph.pools();
        let is_there = |prefix: &IpNetwork| {
            pools.subnet_of(scope, prefix.network()).is_some_and(|subnet| subnet.prefix == *prefix)
        };
        if pools.count_of_subnets(scope) == prefixes.len() && prefixes.iter().all(is_there) {
            return Self::default();
        }
        let users = work.graph.model().find(type_name::VIRTUAL_NETWORK).into_iter();
        let referring = users.flat_map(|kind| work.graph.referrers(scope, kind)).map(|network| network.uuid);
        let holders = referring.chain([scope]).flat_map(|network| {
            // Of the instance-ips, of which there may be many, there is an index.
            let sharing = pools.sharing_in(network).filter_map(|uuid| work.graph.get(uuid)).cloned();
            sharing.chain(floating_ips_of_network(work, network))
        });
        let mut users: Vec<(IpAddr, Arc<Object>, bool)> = holders
            .filter(|holder| holder.hold.is_none())
            .filter_map(|holder| Some((address_of(work, &holder)?, shares_gateway(work, &holder), holder)))
            .map(|(address, is_gateway, holder)| (address, holder, is_gateway))
            .collect();
        users.sort_by_key(|(address, ..)| *address);
        Self { users }
    }

    /// Those whose addresses are of a prefix.
    fn users_in(&self, prefix: IpNetwork) -> impl Iterator<Item = &(IpAddr, Arc<Object>, bool)> {
        let start = self.users.partition_point(|(address, ..)| *address < prefix.network());
        let end = self.users.partition_point(|(address, ..)| *address <= prefix.broadcast());
        self.users.get(start..end).unwrap_or_default().iter()
    }

    /// The instance-ips that share a gateway in a prefix.
    fn gateways_in(&self, prefix: IpNetwork) -> impl Iterator<Item = (IpAddr, &Arc<Object>)> {
        self.users_in(prefix).filter(|(_, _, is_gateway)| *is_gateway).map(|(address, user, _)| (*address, user))
    }
}

/// OSD-17: the instance-ips of a network record the uuid of the subnet, or the handle of the flat ipam, that their
/// addresses are of now.
pub fn record_subnets(work: &mut Work, before: &Object, network: &Arc<Object>) {
    if work.links(before, IPAM_REFERENCES) == work.links(network, IPAM_REFERENCES) {
        return;
    }
    let stays = subnet_uuids(work, network);
    if subnet_uuids(work, before).is_subset(&stays) {
        return;
    }
    let Some(kind) = work.graph.model().find(type_name::INSTANCE_IP) else { return };
    let managed = |address: &&Arc<Object>| address.hold.is_some() || shares_gateway(work, address);
    let addresses: Vec<Arc<Object>> = work.graph.referrers(network.uuid, kind).filter(managed).cloned().collect();
    for address in addresses {
        let recorded = address_of(work, &address)
            .and_then(|number| recorded_subnet(work, network, number, address.hold.map(|hold| hold.scope)));
        let recorded = recorded.map(|uuid| Value::from(uuid.to_string()));
        if recorded.is_some() && recorded != work.property(&address, field_name::SUBNET_UUID) {
            let mut draft = Draft::update(work, &address);
            draft.set(field_name::SUBNET_UUID, recorded.into());
            work.save(&draft);
        }
    }
}

/// What a network calls its subnets: for each prefix, or flat ipam, the uuid.
fn subnet_uuids(work: &Work, network: &Object) -> HashSet<(Uuid, Option<IpNetwork>, Value)> {
    let links = work.links(network, IPAM_REFERENCES).iter();
    let attributes =
        links.filter_map(|link| Some((link, serde_json::from_str::<Value>(link.attribute.as_deref()?).ok()?)));
    let mut uuids = HashSet::new();
    for (link, attribute) in attributes {
        for entry in attribute.get(field_name::IPAM_SUBNETS).and_then(Value::as_array).into_iter().flatten() {
            // A prefix is one subnet whichever ipam it comes with.
            let prefix = ipam::parse_prefix(entry);
            let ipam = if prefix.is_none() { link.target } else { Uuid::nil() };
            uuids.insert((ipam, prefix, entry.get(field_name::SUBNET_UUID).cloned().unwrap_or_default()));
        }
    }
    uuids
}

/// The instance-ips, floating-ips and alias-ips of a network.
pub fn holders_of_network(work: &Work, network: Uuid) -> Vec<Arc<Object>> {
    let mut holders = Vec::new();
    if let Some(kind) = work.graph.model().find(type_name::INSTANCE_IP) {
        holders.extend(work.graph.referrers(network, kind).cloned());
    }
    holders.extend(floating_ips_of_network(work, network));
    holders
}

/// The floating-ips and alias-ips of a network.
fn floating_ips_of_network(work: &Work, network: Uuid) -> Vec<Arc<Object>> {
    let of_type = |name: &str| work.graph.model().find(name);
    let mut holders = Vec::new();
    for (pool, address) in
        [(type_name::FLOATING_IP_POOL, type_name::FLOATING_IP), (type_name::ALIAS_IP_POOL, type_name::ALIAS_IP)]
    {
        if let (Some(pool), Some(address)) = (of_type(pool), of_type(address)) {
            for pool in work.graph.children_of(network, pool) {
                holders.extend(work.graph.children_of(pool.uuid, address).cloned());
            }
        }
    }
    holders
}

fn address_of(work: &Work, holder: &Object) -> Option<IpAddr> {
    let name = format!("{}_address", work.type_of(holder).field);
    let value = work.property(holder, &name)?;
    ipam::parse_address(value.as_str()?)
}

fn in_use(work: &Work, holder: &Object) -> Rejection {
    let kind = if work.type_of(holder).name == type_name::ALIAS_IP { "Alias IP" } else { kind_of(work, holder) };
    let text = format!("Cannot Delete IP Block, {kind}({}) is in use", printed_address(work, holder));
    Rejection::conflict(text).by(rule::VN_U8).about(IPAM_REFERENCES).because_of([holder.uuid])
}

fn not_in_subnets(work: &Work, holder: &Object, prefixes: &[IpNetwork]) -> Rejection {
    let kind =
        if work.type_of(holder).name == type_name::ALIAS_IP { "Floating Alias IP" } else { kind_of(work, holder) };
    let subnets = python_literal::list(prefixes.iter().map(IpNetwork::to_string));
    let text =
        format!("Cannot update IP Block, {kind}({}) is not in subnets ({subnets})", printed_address(work, holder));
    Rejection::conflict(text).by(rule::OSD_16).about(IPAM_REFERENCES).because_of([holder.uuid])
}

fn kind_of(work: &Work, holder: &Object) -> &'static str {
    if work.type_of(holder).name == type_name::FLOATING_IP { "Floating IP" } else { "IP" }
}

fn printed_address(work: &Work, holder: &Object) -> String {
    address_of(work, holder).map(|address| address.to_string()).unwrap_or_default()
}

/// VN-S5, VN-U14: the subnets of all networks of the project; flat ones don't count. Only called when the request has
/// subnets, and asks what is there, so no update can lower a count by what it does not name.
fn check_quota(work: &Work, draft: &Draft, wanted: usize) -> Decision<()> {
    let text = format!("{} ", python_literal::list(draft.fq_name.elements()));
    let count = |work: &Work, network: &Object| work.graph.pools().count_of_subnets(network.uuid);
    quota::check_parts(work, draft, &Parts { key: "subnet", text, wanted, count })
}
