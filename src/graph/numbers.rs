//! Numbers that objects occupy, each pool lowest free number first.

use super::Object;
use crate::{
    ipam::FreeRanges,
    model::{Model, PropertyId, TypeId},
};

/// A space of numbers. A number belongs to one object at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumberPool {
    /// `virtual_network_network_id`, from 1 (contrail-api R21: one space with VXLAN ids).
    VirtualNetwork,
    /// `security_group_id`, from 8000001; lower numbers are configured by users and not tracked.
    SecurityGroup,
}

/// Pool, type, property that holds the number, first and last number.
const POOLS: [(NumberPool, &str, &str, u128, u128); 2] = [
    (NumberPool::VirtualNetwork, "virtual-network", "virtual_network_network_id", 1, 1 << 24),
    (NumberPool::SecurityGroup, "security-group", "security_group_id", 8_000_001, (1 << 32) - 1),
];

#[derive(Clone)]
struct Pool {
    pool: NumberPool,
    type_id: Option<TypeId>,
    property: Option<PropertyId>,
    first: u128,
    last: u128,
    free: FreeRanges,
}

/// The free numbers of all pools.
#[derive(Clone)]
pub struct Numbers {
    pools: Vec<Pool>,
}

impl Numbers {
    /// All numbers free.
    pub fn new(model: &Model) -> Self {
        let pools = POOLS
            .iter()
            .map(|(pool, type_name, property, first, last)| {
                let type_id = model.find(type_name);
                let property =
                    type_id.and_then(|id| model.object_type(id).property(property)).map(|(id, _)| id);
                Pool { pool: *pool, type_id, property, first: *first, last: *last, free: FreeRanges::of(*first, *last) }
            })
            .collect();
        Self { pools }
    }

    /// The lowest number that is free.
    pub fn next_free(&self, pool: NumberPool) -> Option<u64> {
        let pool = self.pools.iter().find(|candidate| candidate.pool == pool)?;
        pool.free.first().and_then(|number| u64::try_from(number).ok())
    }

    /// Follows the change of an object.
    pub fn replace(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(type_id) = after.or(before).map(|object| object.type_id) else { return };
        for pool in self.pools.iter_mut().filter(|pool| pool.type_id == Some(type_id)) {
            let number = |object: Option<&Object>| {
                object
                    .and_then(|object| object.property_text(pool.property?)?.parse::<u128>().ok())
                    .filter(|number| (pool.first..=pool.last).contains(number))
            };
            let (old, new) = (number(before), number(after));
            if old == new {
                continue;
            }
            if let Some(old) = old {
                pool.free.insert(old, old);
            }
            if let Some(new) = new {
                pool.free.remove(new, new);
            }
        }
    }
}
