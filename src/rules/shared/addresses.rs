//! Where an address comes from: which subnets are asked, in which order, and what is refused with which text
//! (contrail-api R21, address management ADM-S8). All types that hold addresses share one name space a subnet.
//!
//! What is kept of the peer, and what is mended, follows a list (ADM-S16): 409 for an address in use, 400 for bad input
//! and where an instance-ip finds nothing, 409 where a floating-ip or alias-ip does; an answer is never an address that
//! is none.
//!
//! `tests/addresses.rs` shows the peer's measured behaviour, and where more is required:
//!
//! | what | which |
//! |---|---|
//! | gateway, service address, order | ADM-1, ADM-2, ADM-3, ADM-4, ADM-5, ADM-6, ADM-7 |
//! | small, routed and several subnets | ADM-8, ADM-9, ADM-10, ADM-18 |
//! | units, pools | ADM-11, ADM-12, ADM-13, ADM-14, ADM-15 |
//! | IPv6, both versions | ADM-16, ADM-17 |
//! | asked for; gateways; what is in use | ADM-19, ADM-20, ADM-21 |
//! | flat ipams, of networks, first or last, themselves, of virtual routers, lent | ADM-22, ADM-23, ADM-24, ADM-25, ADM-26 |
//! | floating-ips, `ip-alloc` | ADM-27, ADM-28, ADM-29 |
//! | networks that are not managed | ADM-30 |
//! | many clients | ADM-31, ADM-32, ADM-42 |
//! | never an address of null | ADM-33 |
//! | freed with whatever held it; only by that | ADM-34, ADM-38 |
//! | what an update leaves out stays | ADM-35, ADM-36 |
//! | all or nothing, one at a time | ADM-37, ADM-39, ADM-40 |
//! | large subnets | ADM-41 |

use crate::{
    graph::{Hold, Object},
    ipam::{self, Subnet},
    model::field_name,
    rules::{
        engine::{Decision, Rejection, Work, rule},
        shared::subscriber,
    },
};
use ipnetwork::IpNetwork;
use serde_json::Value;
use std::{collections::HashSet, net::IpAddr, sync::Arc};
use uuid::Uuid;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// This very address.
    pub address: Option<IpAddr>,
    /// One of this subnet, or of the flat ipam that this is the handle of.
    pub subnet: Option<Uuid>,
    /// One of this version.
    pub version: Option<Version>,
    /// For this subscriber: which subnet of a subnetted ipam.
    pub subscriber: Option<String>,
    /// Whether the address of a gateway may be had, shared and not held.
    pub may_share_gateway: bool,
}

/// The version of the internet protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// IPv4.
    Four,
    /// IPv6.
    Six,
}

impl Version {
    /// From `v4` or `v6`; anything else asks for nothing.
    pub fn of(value: Option<&Value>) -> Option<Self> {
        match value.and_then(Value::as_str) {
            Some("v4") => Some(Self::Four),
            Some("v6") => Some(Self::Six),
            _ => None,
        }
    }

    fn of_address(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Four } else { Self::Six }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The address.
    pub address: IpAddr,
    /// None for a gateway's address: it is shared.
    pub hold: Option<Hold>,
    /// The subnet, or the handle of the flat ipam, that it is of.
    pub subnet: Option<Uuid>,
}

/// An address as clients write it; the empty text asks for none.
///
/// # Errors
/// 400 for what is no address.
pub fn parse_wish(property: &str, value: Option<&Value>) -> Decision<Option<IpAddr>> {
    let Some(text) = value.and_then(Value::as_str).filter(|text| !text.is_empty()) else { return Ok(None) };
    let refuse = || {
        let why = ipam::why_refused(text);
        Rejection::bad_request(format!("{property}: '{text}' is not an IP address{why}")).about(property)
    };
    ipam::parse_address(text).ok_or_else(refuse).map(Some)
}

/// Subnets that are sought together: those of a network, or of a flat ipam.
struct Pool {
    scope: Uuid,
    /// What objects record for a flat ipam: the network's handle of it.
    handle: Option<Uuid>,
    /// Those that may be asked; none stands for all.
    lent: Option<HashSet<IpNetwork>>,
}

impl Pool {
    /// The subnets that a wish may be about: where there can be only one, it is not searched for.
    fn candidates<'w>(&'w self, work: &'w Work, wish: &Wish) -> impl Iterator<Item = &'w Subnet> {
        let pools = work.graph.pools();
        let (one, all) = match (wish.subnet, self.handle) {
            (Some(wanted), Some(handle)) => (None, wanted == handle),
            (Some(wanted), None) => (pools.subnet_with_uuid(self.scope, wanted), false),
            (None, _) => match wish.address {
                Some(address) => (pools.subnet_of(self.scope, address), false),
                None => (None, true),
            },
        };
        let all = all.then(|| pools.subnets(self.scope)).into_iter().flatten();
        one.into_iter().chain(all).filter(|subnet| self.lent.as_ref().is_none_or(|lent| lent.contains(&subnet.prefix)))
    }

    /// What objects record as the subnet of an address.
    fn recorded(&self, subnet: &Subnet) -> Option<Uuid> {
        self.handle.or(subnet.subnet_uuid)
    }
}

/// The pools of one stage of the search.
struct Stage {
    pools: Vec<Pool>,
    flat: bool,
}

fn user_defined(network: &Object) -> Stage {
    Stage { pools: vec![Pool { scope: network.uuid, handle: None, lent: None }], flat: false }
}

fn flat(work: &Work, network: &Object, lent: impl Fn(&Object) -> Option<HashSet<IpNetwork>>) -> Stage {
    let mut pools = Vec::new();
    for link in work.links(network, field_name::NETWORK_IPAM_REFS) {
        let Some(ipam) = work.graph.get(link.target).filter(|ipam| is_flat(work, ipam)) else { continue };
        let handle = link.attribute.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let handle = handle.as_ref().and_then(|value| value.pointer("/ipam_subnets/0/subnet_uuid"));
        let handle = handle.and_then(Value::as_str).and_then(|text| Uuid::try_parse(text).ok());
        pools.push(Pool { scope: ipam.uuid, handle, lent: lent(ipam) });
    }
    Stage { pools, flat: true }
}

/// The subnets of all flat ipams, whoever they are lent to.
fn all_flat(work: &Work, network: &Object) -> Stage {
    flat(work, network, |_| None)
}

/// What an instance-ip records as the subnet of its address: the subnet's uuid, or the network's handle of a flat
/// ipam. `scope` is where the address is held; without one it is that of a gateway.
pub fn recorded_subnet(work: &Work, network: &Object, address: IpAddr, scope: Option<Uuid>) -> Option<Uuid> {
    let pools = [user_defined(network), all_flat(work, network)].into_iter().flat_map(|stage| stage.pools);
    let mut pools = pools.filter(|pool| scope.is_none_or(|scope| scope == pool.scope));
    pools.find_map(|pool| pool.recorded(work.graph.pools().subnet_of(pool.scope, address)?))
}

/// Where an address of a network is held, if it is one of the network's subnets or of those of its flat ipams: what is asked for
/// by address comes from these first.
pub fn scope_of(work: &Work, network: &Object, address: IpAddr) -> Option<Uuid> {
    let pools = [all_flat(work, network), user_defined(network)].into_iter().flat_map(|stage| stage.pools);
    pools.map(|pool| pool.scope).find(|scope| work.graph.pools().subnet_of(*scope, address).is_some())
}

/// Whether the subnets of an ipam are its own, shared by all networks that use it.
pub fn is_flat(work: &Work, ipam: &Object) -> bool {
    work.property(ipam, field_name::IPAM_SUBNET_METHOD) == Some(Value::from("flat-subnet"))
}

/// Seeks an address for an object of a network: IIP-C6 (version, also that of an address asked for), IIP-C7 (subnet),
/// IIP-C8 (which subnets first), IIP-C9 (nothing found).
///
/// # Errors
/// 409 for an address in use, 400 where there is none to be had; the caller may answer another status.
pub fn find(work: &Work, network: &Arc<Object>, wish: &Wish) -> Decision<Found> {
    if let Some((address, version)) = wish.address.zip(wish.version)
        && Version::of_address(address) != version
    {
        return Err(exhausted(network, &[]));
    }
    if let Some(address) = wish.address.filter(|_| wish.may_share_gateway)
        && let Some(found) = shared_gateway(work, network, address)
    {
        return Ok(found);
    }
    let mut found = None;
    search(work, network, wish, |pool, subnet| {
        found = take(work, pool.scope, subnet, wish)?.map(|found| Found { subnet: pool.recorded(subnet), ..found });
        Ok(found.is_some())
    })?;
    found.ok_or_else(|| Rejection::internal("an address that was found is not there"))
}

/// Seeks so many addresses of a network, which [`find`] would give one after the other.
///
/// # Errors
/// As of `find`, where there are not as many.
pub fn find_many(work: &Work, network: &Arc<Object>, wish: &Wish, count: usize) -> Decision<Vec<Hold>> {
    let mut holds = Vec::new();
    if count == 0 {
        return Ok(holds);
    }
    search(work, network, wish, |pool, subnet| {
        // A copy costs nothing, and knows what is taken before the graph does.
        let mut left = subnet.clone();
        while holds.len() < count
            && let Some(address) = left.first_free().filter(|_| is_of_wanted_version(subnet, wish))
        {
            left.take(address);
            holds.push(Hold { scope: pool.scope, address });
        }
        Ok(holds.len() == count)
    })?;
    Ok(holds)
}

/// Goes through the subnets of a network in the order in which addresses are sought, until there is enough.
fn search(
    work: &Work,
    network: &Arc<Object>,
    wish: &Wish,
    mut is_enough: impl FnMut(&Pool, &Subnet) -> Decision<bool>,
) -> Decision<()> {
    let flat = |work: &Work, network: &Object| {
        flat(work, network, |ipam| subscriber::lent(work, ipam, wish.subscriber.as_deref()))
    };
    let mode = work.property(network, field_name::ADDRESS_ALLOCATION_MODE);
    let stages = match mode.as_ref().and_then(Value::as_str) {
        _ if wish.address.is_some() || wish.subnet.is_some() => vec![flat(work, network), user_defined(network)],
        Some("user-defined-subnet-only") => vec![user_defined(network)],
        Some("flat-subnet-only") => vec![flat(work, network)],
        Some("flat-subnet-preferred") => vec![flat(work, network), user_defined(network)],
        _ => vec![user_defined(network), flat(work, network)],
    };
    let mut tried: Vec<&Subnet> = Vec::new();
    let mut subnet_known = false;
    for stage in &stages {
        tried.clear();
        for pool in &stage.pools {
            if stage.flat {
                // The text names the prefixes of the last flat ipam only.
                tried.clear();
            }
            for subnet in pool.candidates(work, wish) {
                subnet_known = true;
                if wish.address.is_none() && is_of_wanted_version(subnet, wish) {
                    tried.push(subnet);
                }
                if is_enough(pool, subnet)? {
                    return Ok(());
                }
            }
        }
    }
    let name = network.fq_name.elements();
    if let Some(subnet) = wish.subnet.filter(|_| !subnet_known) {
        return Err(Rejection::bad_request(ipam::unknown_subnet(&name, &subnet.to_string()))
            .by(rule::IIP_C7)
            .about(field_name::SUBNET_UUID));
    }
    let has_none = |stage: &Stage| {
        !stage.flat && stage.pools.iter().all(|pool| work.graph.pools().count_of_subnets(pool.scope) == 0)
    };
    if stages.last().is_some_and(has_none) && wish.address.is_none() {
        return Err(Rejection::bad_request(ipam::no_defined_subnets(&name)).by(rule::IIP_C9));
    }
    Err(exhausted(network, &tried))
}

/// Nothing left.
fn exhausted(object: &Object, tried: &[&Subnet]) -> Rejection {
    let prefixes: Vec<String> = tried.iter().map(|subnet| subnet.name()).collect();
    Rejection::bad_request(ipam::exhausted(&object.fq_name.elements(), &prefixes)).by(rule::IIP_C9)
}

/// Seeks an address in the subnets of a flat ipam itself.
///
/// # Errors
/// 400 where there is none to be had.
pub fn find_in_ipam(work: &Work, ipam: &Object, wish: &Wish) -> Decision<Found> {
    let lent = subscriber::lent(work, ipam, wish.subscriber.as_deref());
    let pool = Pool { scope: ipam.uuid, handle: None, lent };
    let (is_flat, mut tried) = (is_flat(work, ipam), Vec::new());
    for subnet in pool.candidates(work, wish).filter(|_| is_flat) {
        if is_of_wanted_version(subnet, wish) {
            tried.push(subnet);
        }
        if let Some(found) = take(work, ipam.uuid, subnet, wish)? {
            return Ok(found);
        }
    }
    Err(exhausted(ipam, &tried))
}

/// The address of a gateway of the network, or of its flat ipams.
fn shared_gateway(work: &Work, network: &Object, address: IpAddr) -> Option<Found> {
    let mut pools = [all_flat(work, network), user_defined(network)].into_iter().flat_map(|stage| stage.pools);
    pools.find_map(|pool| {
        // "None in this subnet" (0.0.0.0) lies in no subnet and so is no gateway.
        let subnet = work.graph.pools().subnet_of(pool.scope, address)?;
        let is_gateway = subnet.gateway == Some(address);
        is_gateway.then(|| Found { address, hold: None, subnet: pool.recorded(subnet) })
    })
}

fn is_of_wanted_version(subnet: &Subnet, wish: &Wish) -> bool {
    let version = if subnet.is_v4() { Version::Four } else { Version::Six };
    wish.address.map(Version::of_address).or(wish.version).is_none_or(|wanted| wanted == version)
}

fn take(work: &Work, scope: Uuid, subnet: &Subnet, wish: &Wish) -> Decision<Option<Found>> {
    if !is_of_wanted_version(subnet, wish) {
        return Ok(None);
    }
    let found = |address| Found { address, hold: Some(Hold { scope, address }), subnet: None };
    // IIP-C5: network, broadcast and service address are never had; that of a gateway was asked for before.
    let Some(address) = wish.address else { return Ok(subnet.first_free().map(found)) };
    if !subnet.contains(address) {
        return Ok(None);
    }
    let in_use = || Rejection::conflict(ipam::ADDRESS_IN_USE).by(rule::IIP_C5);
    let (first, last) = subnet.unit_of(address);
    if let Some((_, holder)) = work.graph.pools().first_held(scope, first, last) {
        return Err(in_use().because_of(holder.object()));
    }
    match subnet.reserved(address) {
        Some(_) => Err(in_use()),
        None if first != address => {
            let owner = work.graph.get(scope).map(|owner| owner.fq_name.joined().to_string()).unwrap_or_default();
            Err(Rejection::bad_request(ipam::misaligned(&owner, subnet, address)))
        }
        None => Ok(Some(found(address))),
    }
}

/// The free addresses of a virtual router's own pools in the flat ipams that it refers to.
///
/// # Errors
/// 400 where there is none to be had.
pub fn find_for_router(work: &Work, router: &Object, version: Option<Version>) -> Decision<Found> {
    for link in work.links(router, field_name::NETWORK_IPAM_REFS) {
        let attribute = link.attribute.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let pools =
            attribute.as_ref().and_then(|value| value.get(field_name::ALLOCATION_POOLS)).and_then(Value::as_array);
        let mut ranges: Vec<(IpAddr, IpAddr)> = pools.into_iter().flatten().filter_map(range).collect();
        ranges.sort_unstable();
        for subnet in work.graph.pools().subnets(link.target) {
            let subnet_version = if subnet.is_v4() { Version::Four } else { Version::Six };
            let start = ranges.partition_point(|(first, _)| *first < subnet.prefix.network());
            let end = ranges.partition_point(|(first, _)| *first <= subnet.prefix.broadcast());
            let inside = ranges.get(start..end).unwrap_or_default();
            if inside.is_empty() || version.is_some_and(|version| version != subnet_version) {
                continue;
            }
            if let Some(address) = subnet.first_free_within(inside) {
                let hold = Some(Hold { scope: link.target, address });
                return Ok(Found { address, hold, subnet: None });
            }
        }
    }
    Err(exhausted(router, &[]))
}

fn range(pool: &Value) -> Option<(IpAddr, IpAddr)> {
    let end = |name: &str| pool.get(name).and_then(Value::as_str).and_then(ipam::parse_address);
    Some((end("start")?, end("end")?))
}
