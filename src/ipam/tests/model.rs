use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use serde_json::json;

use super::completed;
use crate::ipam::{Subnet, check_entry};

/// The rules, address by address.
struct Model {
    v4: bool,
    unit: u128,
    from_start: bool,
    first: u128,
    last: u128,
    reserved: BTreeSet<u128>,
    pools: Vec<(u128, u128, bool)>,
    /// First addresses of held units.
    held: BTreeSet<u128>,
}

impl Model {
    fn address(&self, number: u128) -> IpAddr {
        if self.v4 {
            Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into()
        } else {
            Ipv6Addr::from_bits(number).into()
        }
    }

    fn number(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn unit(&self, number: u128) -> u128 {
        number - number % self.unit
    }

    /// The pool of a unit, by whether it is for virtual routers.
    fn pool(&self, unit: u128) -> Option<bool> {
        self.pools.iter().find(|pool| pool.0 <= unit && unit + (self.unit - 1) <= pool.1).map(|pool| pool.2)
    }

    fn units(&self) -> impl Iterator<Item = u128> {
        (0..=(self.last - self.first) / self.unit).map(|index| self.first + index * self.unit)
    }

    fn is_reserved(&self, unit: u128) -> bool {
        (0..self.unit).any(|offset| self.reserved.contains(&(unit + offset)))
    }

    fn is_free(&self, unit: u128) -> bool {
        self.pool(unit).is_some() && !self.is_reserved(unit) && !self.held.contains(&unit)
    }

    fn choose(&self, mut units: impl DoubleEndedIterator<Item = u128>) -> Option<IpAddr> {
        let unit = if self.from_start { units.next() } else { units.next_back() };
        unit.map(|unit| self.address(unit))
    }

    fn first_free(&self) -> Option<IpAddr> {
        let free: Vec<u128> =
            self.units().filter(|unit| self.is_free(*unit) && self.pool(*unit) == Some(false)).collect();
        self.choose(free.into_iter())
    }

    fn first_free_within(&self, ranges: &[(IpAddr, IpAddr)]) -> Option<IpAddr> {
        let inside = |unit: u128| {
            ranges
                .iter()
                .any(|(first, last)| Self::number(*first) <= unit && unit + (self.unit - 1) <= Self::number(*last))
        };
        let free: Vec<u128> = self.units().filter(|unit| self.is_free(*unit) && inside(*unit)).collect();
        self.choose(free.into_iter())
    }

    fn free_count(&self) -> u128 {
        self.units().filter(|unit| self.is_free(*unit)).count() as u128
    }
}

/// Where the prefix lies: in the middle or at an end of either family, and how many addresses it has.
fn place() -> impl Strategy<Value = (bool, u128, u128)> {
    (any::<bool>(), 0..3u8, 4..8u32).prop_map(|(v4, place, bits)| {
        let size = 1u128 << bits;
        let top = if v4 { u128::from(u32::MAX) } else { u128::MAX };
        let first = match place {
            0 => 0,
            1 => top - (size - 1),
            _ => top / 2 + 1 + size * 5,
        };
        (v4, first, size)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn allocates_like_the_model(
        (v4, first, size) in place(),
        unit in prop::sample::select(vec![1u128, 2, 4]),
        from_start in any::<bool>(),
        gateway in prop::option::of(1u128..15),
        service in prop::option::of(0u128..16),
        cuts in prop::collection::vec((0u128..128, any::<bool>()), 0..6),
        steps in prop::collection::vec((0u8..5, 0u128..128, 0u128..40), 1..120),
    ) {
        let last = first + (size - 1);
        let mut model = Model {
            v4, unit, from_start, first, last,
            reserved: BTreeSet::from([first, last]),
            pools: Vec::new(),
            held: BTreeSet::new(),
        };
        // Every second piece between the cuts is a pool.
        let mut units: Vec<(u128, bool)> =
            cuts.into_iter().map(|(cut, routers)| (cut % (size / unit), routers)).collect();
        units.sort_unstable();
        units.dedup_by_key(|cut| cut.0);
        for pair in units.chunks_exact(2) {
            let (low, high) = (pair[0], pair[1]);
            model.pools.push((first + low.0 * unit, first + (high.0 * unit + (unit - 1)), low.1));
        }
        let mut members = json!({
            "alloc_unit": u64::try_from(unit).unwrap(),
            "addr_from_start": from_start,
            "allocation_pools": model.pools.iter().rev().map(|pool| json!({
                "start": model.address(pool.0).to_string(),
                "end": model.address(pool.1).to_string(),
                "vrouter_specific_pool": pool.2,
            })).collect::<Vec<_>>(),
        });
        let near = |default: u128| if from_start { first + default } else { last - default };
        let gateway_number = gateway.map_or(near(1), |offset| first + offset % (size - 1));
        let service_number = service.map_or(near(2), |offset| first + offset);
        if gateway.is_some() {
            // One at zero means none.
            prop_assume!(gateway_number != first);
            members["default_gateway"] = json!(model.address(gateway_number).to_string());
        }
        if service.is_some() {
            prop_assume!(service_number != 0);
            members["dns_server_address"] = json!(model.address(service_number).to_string());
        }
        model.reserved.extend([gateway_number, service_number]);
        if model.pools.is_empty() {
            model.pools.push((first, last, false));
        }
        let length = (if v4 { 32 } else { 128 }) - size.trailing_zeros();
        let prefix = format!("{}/{length}", model.address(first));
        // A pool of the network's or the broadcast unit alone is refused; both have no more to give than a full one.
        let usable = model.pools.iter().all(|pool| {
            (pool.0..=pool.1).any(|number| {
                let number = model.unit(number);
                number != model.unit(first) && number != model.unit(last)
            })
        });
        prop_assume!(usable);
        let entry = completed(&prefix, &members, true);
        prop_assert_eq!(check_entry(&entry), Ok(()));
        let mut subnet = Subnet::read(&entry).unwrap();
        let fresh = (subnet.used_count(), subnet.free_count());

        for (step, offset, length) in steps {
            let number = first + offset % size;
            let address = model.address(number);
            let end = model.address(number + length.min(last - number));
            match step {
                0 => {
                    subnet.take(address);
                    model.held.insert(model.unit(number));
                }
                1 => {
                    subnet.give(address);
                    model.held.remove(&model.unit(number));
                }
                2 => {
                    let next = subnet.first_free();
                    prop_assert_eq!(next, model.first_free());
                    if let Some(next) = next {
                        subnet.take(next);
                        model.held.insert(Model::number(next));
                    }
                }
                3 => {
                    let ranges = [(end, end), (address, end)];
                    prop_assert_eq!(subnet.first_free_within(&ranges), model.first_free_within(&ranges));
                }
                _ => {
                    let unit = model.unit(number);
                    prop_assert_eq!(subnet.is_free_in_pools(address), model.is_free(unit));
                    prop_assert_eq!(subnet.reserved(address).is_some(), model.is_reserved(unit));
                }
            }
            prop_assert_eq!(subnet.first_free(), model.first_free());
            prop_assert_eq!(subnet.free_count(), model.free_count());
            if subnet.free_count() > 0 {
                prop_assert_eq!(subnet.used_count(), fresh.0 + fresh.1 - subnet.free_count());
            }
        }
    }
}
