//! One subnet: which addresses it has, which are reserved, which is handed out next (ADM-S2, ADM-S3, ADM-S4, ADM-S8).
//!
//! Addresses come in units: aligned blocks of a power of two, of one address unless the subnet says otherwise. What
//! is free is kept by the number of the unit, which is the number of its first address divided by the size.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde_json::Value;
use uuid::Uuid;

use super::address::{address_of, bounds, number_of, parse_address, parse_prefix, prefix_name};
use super::free_ranges::FreeRanges;
use super::request;

/// The allocator of contrail-api knows this many units of a subnet, counted from the end it starts at. Ours knows all
/// of them; only the count of used units shows where its view ends.
const COUNTED_UNITS: u128 = 65_536;

/// A range of addresses that automatic allocation stays inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address.
    pub last: IpAddr,
    /// Whether it is set aside for virtual routers.
    pub for_routers: bool,
}

/// Why an address is never handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The first address of the prefix.
    Network,
    /// The last address of the prefix, IPv6 too.
    Broadcast,
    /// The default gateway, which instance-ips may share.
    Gateway,
    /// The address of the DHCP, DNS and metadata services.
    Service,
    /// None of these itself, but in one unit with one of them.
    Neighbour,
}

/// One subnet of a network or of a flat ipam, with its free units. Cheap to clone.
#[derive(Clone, PartialEq, Debug)]
pub struct Subnet {
    /// The prefix, without host bits.
    pub prefix: IpNetwork,
    /// The UUID by which allocations name it; subnets of flat ipams have none.
    pub subnet_uuid: Option<Uuid>,
    /// How many addresses are handed out at once.
    pub unit: u128,
    /// Whether the lowest address comes first; else the highest.
    pub from_start: bool,
    /// The gateway, when there is one.
    pub gateway: Option<IpAddr>,
    /// The service address, when there is one; it may lie outside.
    pub service: Option<IpAddr>,
    /// Whole units in pools for networks.
    network_units: FreeRanges,
    /// Whole units in pools for virtual routers.
    router_units: FreeRanges,
    /// What is free of `network_units`.
    network_free: FreeRanges,
    /// What is free of `router_units`.
    router_free: FreeRanges,
    /// What `used_count` starts from.
    counted: u128,
    /// One when the last address counts only once nothing is free, see `used_count`.
    counted_when_full: u128,
}

impl Subnet {
    /// Reads the stored form of a subnet. None without a readable prefix; a flat handle has none. A stored entry that
    /// was never completed, like those of the ipam for service chains, is a subnet without gateway.
    pub fn read(entry: &Value) -> Option<Self> {
        let prefix = parse_prefix(entry)?;
        let v4 = prefix.is_ipv4();
        let (first, last) = bounds(prefix);
        let unit = request::stored_unit(entry);
        let explicit = request::list(entry.get("allocation_pools"));
        let mut pools: Vec<Pool> =
            explicit.iter().filter_map(request::read_pool).filter(|pool| lies_in(prefix, pool)).collect();
        pools.sort_by_key(|pool| pool.first);

        let mut network_units = FreeRanges::new();
        let mut router_units = FreeRanges::new();
        if explicit.is_empty() {
            add_units(&mut network_units, first, last, unit);
        }
        for pool in &pools {
            let units = if pool.for_routers { &mut router_units } else { &mut network_units };
            add_units(units, number_of(pool.first), number_of(pool.last), unit);
        }

        let mut subnet = Self {
            prefix,
            subnet_uuid: member(entry, "subnet_uuid").and_then(|text| Uuid::parse_str(text).ok()),
            unit,
            from_start: request::is_true(entry.get("addr_from_start")),
            gateway: reserved_address(entry, "default_gateway"),
            service: reserved_address(entry, "dns_server_address"),
            network_free: network_units.clone(),
            router_free: router_units.clone(),
            network_units,
            router_units,
            counted: 0,
            counted_when_full: 0,
        };
        for number in subnet.reserved_numbers().into_iter().flatten() {
            subnet.take(address_of(v4, number));
        }
        // A pool nobody asked for ends one before the last address.
        let pooled = if explicit.is_empty() {
            FreeRanges::of(first / unit, last.saturating_sub(1) / unit)
        } else {
            let mut all = subnet.network_units.clone();
            subnet.router_units.iter().for_each(|(low, high)| all.insert(low, high));
            all
        };
        subnet.counted = pooled.count().saturating_sub(subnet.beyond_count(&pooled));
        let usable = !subnet.network_free.is_empty();
        subnet.counted_when_full = u128::from(explicit.is_empty() && unit == 1 && usable);
        Some(subnet)
    }

    /// Whether it is an IPv4 subnet.
    pub fn is_v4(&self) -> bool {
        self.prefix.is_ipv4()
    }

    /// Whether the address belongs to the prefix, in or out of pools.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.prefix.contains(address)
    }

    /// The prefix as contrail-api writes it: `11.1.1.0/24`.
    pub fn name(&self) -> String {
        prefix_name(self.prefix)
    }

    /// The first address of the first free unit: from the end, the last pool first and downwards in it; from the
    /// start the other way round. Pools for virtual routers are left out.
    pub fn first_free(&self) -> Option<IpAddr> {
        let unit = if self.from_start { self.network_free.first() } else { self.network_free.last() };
        unit.map(|unit| self.address_of_unit(unit))
    }

    /// The same inside these inclusive ranges only, whichever pools they are in: those of a virtual router.
    pub fn first_free_within(&self, ranges: &[(IpAddr, IpAddr)]) -> Option<IpAddr> {
        let candidates = ranges.iter().filter_map(|&(first, last)| self.first_free_in_range(first, last));
        let unit = if self.from_start { candidates.min() } else { candidates.max() };
        unit.map(|unit| self.address_of_unit(unit))
    }

    /// The first and the last address of the unit that holds this address.
    pub fn unit_of(&self, address: IpAddr) -> (IpAddr, IpAddr) {
        let start = number_of(address) & !(self.unit - 1);
        (address_of(address.is_ipv4(), start), address_of(address.is_ipv4(), start | (self.unit - 1)))
    }

    /// The number of the unit that holds this address, counted from the address zero.
    pub fn unit_number(&self, address: IpAddr) -> u128 {
        number_of(address) / self.unit
    }

    /// Whether the address is the first of its unit: only such a one can be asked for.
    #[cfg(test)]
    pub fn is_aligned(&self, address: IpAddr) -> bool {
        number_of(address) & (self.unit - 1) == 0
    }

    /// Why the address can't be handed out. Gateway and service address are reserved wherever the pools are, unlike
    /// on contrail-api, which forgets them outside of pools. Where both are one address, it is the gateway.
    pub fn reserved(&self, address: IpAddr) -> Option<Reserved> {
        if !self.contains(address) {
            return None;
        }
        let number = number_of(address);
        let reserved = self.reserved_numbers();
        let kinds = [Reserved::Network, Reserved::Broadcast, Reserved::Gateway, Reserved::Service];
        let itself = kinds.into_iter().zip(reserved).find(|(_, reserved)| *reserved == Some(number));
        let neighbour = || {
            let unit = number / self.unit;
            let shared = reserved.into_iter().flatten().any(|reserved| reserved / self.unit == unit);
            shared.then_some(Reserved::Neighbour)
        };
        itself.map(|(kind, _)| kind).or_else(neighbour)
    }

    /// Takes the unit of an address that is held, in or out of pools. It may be taken already.
    pub fn take(&mut self, address: IpAddr) {
        if self.contains(address) {
            let unit = number_of(address) / self.unit;
            self.network_free.remove(unit, unit);
            self.router_free.remove(unit, unit);
        }
    }

    /// Gives the unit of an address back, if it lies in a pool and is not reserved.
    pub fn give(&mut self, address: IpAddr) {
        if !self.contains(address) || self.reserved(address).is_some() {
            return;
        }
        let unit = number_of(address) / self.unit;
        if self.network_units.contains(unit, unit) {
            self.network_free.insert(unit, unit);
        }
        if self.router_units.contains(unit, unit) {
            self.router_free.insert(unit, unit);
        }
    }

    /// Whether the address lies in a pool, of either sort, and its unit is free.
    #[cfg(test)]
    pub fn is_free_in_pools(&self, address: IpAddr) -> bool {
        let unit = number_of(address) / self.unit;
        self.contains(address) && (self.network_free.contains(unit, unit) || self.router_free.contains(unit, unit))
    }

    /// How many units of the pools are free, those for virtual routers included.
    pub fn free_count(&self) -> u128 {
        self.network_free.count().saturating_add(self.router_free.count())
    }

    /// How many units of the pools are in use, reserved ones included: the answer to `subnet-ip-count`.
    ///
    /// Two traits of contrail-api R21 are kept because clients see them in fresh and in full subnets: what is reserved
    /// beyond the part of a large subnet that its allocator knows does not count; and the last address of a subnet
    /// without pools counts only when all others are used.
    pub fn used_count(&self) -> u128 {
        let free = self.free_count();
        let used = self.counted.saturating_sub(free);
        if free == 0 { used.saturating_add(self.counted_when_full) } else { used }
    }

    /// Network, broadcast, gateway and service address, as far as they are in the prefix.
    fn reserved_numbers(&self) -> [Option<u128>; 4] {
        let (first, last) = bounds(self.prefix);
        let inside = |address: Option<IpAddr>| address.filter(|address| self.contains(*address)).map(number_of);
        [Some(first), Some(last), inside(self.gateway), inside(self.service)]
    }

    /// How many reserved units lie beyond the counted part of the pools, in the order of allocation.
    fn beyond_count(&self, pooled: &FreeRanges) -> u128 {
        let mut units: Vec<u128> =
            self.reserved_numbers().into_iter().flatten().map(|number| number / self.unit).collect();
        units.sort_unstable();
        units.dedup();
        let beyond = units.into_iter().filter(|unit| {
            let mut before = pooled.clone();
            if self.from_start {
                before.remove(*unit, u128::MAX);
            } else {
                before.remove(0, *unit);
            }
            pooled.contains(*unit, *unit) && before.count() >= COUNTED_UNITS
        });
        beyond.fold(0, |count, _| count + 1)
    }

    /// The first free unit that lies in the range as a whole.
    fn first_free_in_range(&self, first: IpAddr, last: IpAddr) -> Option<u128> {
        if first.is_ipv4() != self.is_v4() || last.is_ipv4() != self.is_v4() {
            return None;
        }
        let (low, high) = whole_units(number_of(first), number_of(last), self.unit)?;
        let free = [&self.network_free, &self.router_free];
        if self.from_start {
            free.into_iter().filter_map(|free| free.first_at_or_after(low)).filter(|unit| *unit <= high).min()
        } else {
            free.into_iter().filter_map(|free| free.last_at_or_before(high)).filter(|unit| *unit >= low).max()
        }
    }

    fn address_of_unit(&self, unit: u128) -> IpAddr {
        // A unit in the free ranges came from an address, so this does not overflow.
        address_of(self.is_v4(), unit.saturating_mul(self.unit))
    }
}

/// The numbers of the units that lie between two addresses as a whole.
pub(super) fn whole_units(first: u128, last: u128, unit: u128) -> Option<(u128, u128)> {
    let low = first / unit + u128::from(!first.is_multiple_of(unit));
    let high = if last % unit == unit - 1 { last / unit } else { (last / unit).checked_sub(1)? };
    (low <= high).then_some((low, high))
}

fn add_units(units: &mut FreeRanges, first: u128, last: u128, unit: u128) {
    if let Some((low, high)) = whole_units(first, last, unit) {
        units.insert(low, high);
    }
}

fn lies_in(prefix: IpNetwork, pool: &Pool) -> bool {
    prefix.contains(pool.first) && prefix.contains(pool.last) && pool.first <= pool.last
}

fn member<'a>(entry: &'a Value, key: &str) -> Option<&'a str> {
    entry.get(key)?.as_str()
}

/// A gateway or service address. Zero is the way to say that there is none.
fn reserved_address(entry: &Value, key: &str) -> Option<IpAddr> {
    member(entry, key).and_then(parse_address).filter(|address| !address.is_unspecified())
}

/// Those that overlap, each with one that begins before it: sorted by where they begin, they stand beside each other.
pub fn overlapping<'s>(subnets: &[&'s Subnet]) -> Vec<(&'s Subnet, &'s Subnet)> {
    let mut sorted: Vec<&Subnet> = subnets.to_vec();
    sorted.sort_by_key(|subnet| (subnet.prefix.network(), subnet.prefix.prefix()));
    let mut widest: Option<&Subnet> = None;
    let mut found = Vec::new();
    for subnet in sorted {
        match widest.filter(|widest| widest.contains(subnet.prefix.network())) {
            Some(widest) => found.push((widest, subnet)),
            None => widest = Some(subnet),
        }
    }
    found
}
