//! Numbers that objects occupy, each pool lowest free number first. A number is taken as long as an object has it.

use super::Object;
use crate::{
    ipam::FreeRanges,
    model::{Model, PropertyId, TypeId},
};
use imbl::OrdMap;
use serde_json::Value;
use std::fmt;

/// A space of numbers. A number belongs to one object at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NumberPool {
    /// From 1: `virtual_network_network_id`, VXLAN ids that users configure, and the units of physical service instances
    /// (contrail-api R21: one space). A network may use its own number for both.
    VirtualNetwork,
    /// `security_group_id`, from 8000001; lower numbers are configured by users and not tracked.
    SecurityGroup,
    /// `sub_cluster_id`, from 1.
    SubCluster,
    /// `tag_type_id`, given from 0x00ff on; lower ones are built in or left to tools that choose.
    TagType,
    /// What follows the type in `tag_id`, a pool for each tag type.
    TagValue(u16),
}

impl NumberPool {
    /// The first and the last number.
    fn range(self) -> (u128, u128) {
        match self {
            Self::VirtualNetwork => (1, 1 << 24),
            Self::SecurityGroup => (8_000_001, (1 << 32) - 1),
            Self::SubCluster => (1, (1 << 32) - 1),
            Self::TagType => (0x10, 0xffff),
            Self::TagValue(_) => (0, 0xffff_fffe),
        }
    }

    /// Where the numbers begin that are given to those who do not choose.
    fn first_given(self) -> u128 {
        if self == Self::TagType { 0xff } else { self.range().0 }
    }
}

/// What a number of it is called, before the number.
impl fmt::Display for NumberPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VirtualNetwork => formatter.write_str("the network or VXLAN id"),
            Self::SecurityGroup => formatter.write_str("the security group id"),
            Self::SubCluster => formatter.write_str("the sub-cluster id"),
            Self::TagType => formatter.write_str("the tag type id"),
            Self::TagValue(kind) => write!(formatter, "of tag type 0x{kind:04x} the value"),
        }
    }
}

/// How numbers are read from the property.
#[derive(Clone, Copy)]
enum Form {
    Decimal(NumberPool),
    Hexadecimal(NumberPool),
    /// Type and value in one.
    Tag,
    /// A member of an object.
    Member(NumberPool, &'static str),
    /// The values of these keys.
    KeyValues(NumberPool, &'static [&'static str]),
}

/// What a service instance on a physical device calls its two units.
pub const SERVICE_UNITS: [&str; 2] = ["left-svc-unit", "right-svc-unit"];

/// Type, property that holds numbers, form. The VXLAN id of a logical router is that of its internal network.
const PLACES: [(&str, &str, Form); 7] = [
    ("virtual-network", "virtual_network_network_id", Form::Decimal(NumberPool::VirtualNetwork)),
    (
        "virtual-network",
        "virtual_network_properties",
        Form::Member(NumberPool::VirtualNetwork, "vxlan_network_identifier"),
    ),
    ("service-instance", "service_instance_bindings", Form::KeyValues(NumberPool::VirtualNetwork, &SERVICE_UNITS)),
    ("sub-cluster", "sub_cluster_id", Form::Decimal(NumberPool::SubCluster)),
    ("security-group", "security_group_id", Form::Decimal(NumberPool::SecurityGroup)),
    ("tag-type", "tag_type_id", Form::Hexadecimal(NumberPool::TagType)),
    ("tag", "tag_id", Form::Tag),
];

/// What an id is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdForm {
    /// A number within these bounds.
    Decimal(u64, u64),
    /// Hexadecimal digits of a number of 16 bits.
    Hexadecimal,
    /// Hexadecimal digits of type and value of a tag.
    Tag,
}

impl IdForm {
    /// Whether the text of a property is such an id.
    pub fn is_one(self, text: &str) -> bool {
        let bare = text.trim_matches('"');
        match self {
            Self::Decimal(first, last) => bare.parse().is_ok_and(|number: u64| (first..=last).contains(&number)),
            Self::Hexadecimal => hexadecimal(bare).is_some_and(|number| u16::try_from(number).is_ok()),
            Self::Tag => tag_number(bare).is_some(),
        }
    }
}

/// The types whose objects always have an id, the property that has it, and what it is like.
pub const IDS: [(&str, &str, IdForm); 4] = [
    ("virtual-network", "virtual_network_network_id", IdForm::Decimal(1, 1 << 24)),
    ("security-group", "security_group_id", IdForm::Decimal(1, (1 << 32) - 1)),
    ("tag-type", "tag_type_id", IdForm::Hexadecimal),
    ("tag", "tag_id", IdForm::Tag),
];

/// The free numbers of all pools.
#[derive(Clone)]
pub struct Numbers {
    places: Vec<(TypeId, PropertyId, Form)>,
    /// Of pools in which a number was ever taken.
    free: OrdMap<NumberPool, FreeRanges>,
    /// By how many objects beyond the first a number is taken. Rules give a number to one object at a time, but whoever
    /// follows changes may learn of the new one before it learns that the old one has let go.
    shared: OrdMap<(NumberPool, u128), u32>,
}

impl Numbers {
    /// All numbers free.
    pub fn new(model: &Model) -> Self {
        let place = |(kind, property, form): &(&str, &str, Form)| {
            let kind = model.find(kind)?;
            Some((kind, model.object_type(kind).property(property)?.0, *form))
        };
        Self { places: PLACES.iter().filter_map(place).collect(), free: OrdMap::new(), shared: OrdMap::new() }
    }

    /// The lowest number that is free.
    pub fn next_free(&self, pool: NumberPool) -> Option<u64> {
        self.free_from(pool, pool.first_given())
    }

    /// The lowest free number that is greater than this one.
    pub fn next_free_after(&self, pool: NumberPool, number: u64) -> Option<u64> {
        self.free_from(pool, u128::from(number) + 1)
    }

    fn free_from(&self, pool: NumberPool, first: u128) -> Option<u64> {
        let found = match self.free.get(&pool) {
            Some(free) => free.first_at_or_after(first),
            None => Some(first).filter(|first| *first <= pool.range().1),
        };
        found.and_then(|number| u64::try_from(number).ok())
    }

    /// Whether a number may be taken.
    pub fn is_free(&self, pool: NumberPool, number: u64) -> bool {
        let number = u128::from(number);
        self.free.get(&pool).is_none_or(|free| free.contains(number, number))
    }

    /// Follows the change of an object.
    pub fn replace(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let (old, new) = (self.numbers_of(before), self.numbers_of(after));
        for (pool, number) in old.iter().filter(|number| new.binary_search(number).is_err()) {
            self.give(*pool, *number);
        }
        for (pool, number) in new.iter().filter(|number| old.binary_search(number).is_err()) {
            self.take(*pool, *number);
        }
    }

    /// The numbers that an object has, each once, in order.
    pub fn of(&self, object: &Object) -> Vec<(NumberPool, u128)> {
        self.numbers_of(Some(object))
    }

    fn numbers_of(&self, object: Option<&Object>) -> Vec<(NumberPool, u128)> {
        let Some(object) = object else { return Vec::new() };
        let places = self.places.iter().filter(|(type_id, _, _)| *type_id == object.type_id);
        let mut numbers: Vec<_> = places
            .filter_map(|(_, property, form)| Some(read(object.plain_text(*property)?, *form)))
            .flatten()
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn free_of(&mut self, pool: NumberPool) -> &mut FreeRanges {
        let (first, last) = pool.range();
        self.free.entry(pool).or_insert_with(|| FreeRanges::of(first, last))
    }

    fn take(&mut self, pool: NumberPool, number: u128) {
        let free = self.free_of(pool);
        if free.contains(number, number) {
            free.remove(number, number);
        } else {
            *self.shared.entry((pool, number)).or_insert(0) += 1;
        }
    }

    fn give(&mut self, pool: NumberPool, number: u128) {
        match self.shared.get(&(pool, number)).copied() {
            None => self.free_of(pool).insert(number, number),
            Some(1) => {
                self.shared.remove(&(pool, number));
            }
            Some(others) => {
                self.shared.insert((pool, number), others - 1);
            }
        }
    }

    /// The numbers that are taken in each pool, as ranges, and those that several objects have.
    pub fn taken(&self) -> impl Iterator<Item = (NumberPool, Vec<(u128, u128)>)> {
        self.free.iter().map(|(pool, free)| {
            let (first, last) = pool.range();
            let mut taken = FreeRanges::of(first, last);
            free.iter().for_each(|(first, last)| taken.remove(first, last));
            (*pool, taken.iter().collect())
        })
    }

    /// The numbers that more than one object has.
    pub fn shared(&self) -> impl Iterator<Item = (NumberPool, u128)> {
        self.shared.keys().copied()
    }
}

/// The number in a text like `0x00ff`, of which `0x` may be missing.
pub fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    // The parser of the standard library would take a sign, too.
    u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
}

/// Type and value of a `tag_id`: four digits and four (Tungsten Fabric), or four and eight (OpenSDN 2026).
pub fn tag_number(text: &str) -> Option<(u16, u32)> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let id = hexadecimal(text)?;
    match digits.len() {
        1..=8 => Some((u16::try_from(id >> 16).ok()?, u32::try_from(id & 0xffff).ok()?)),
        9..=12 => Some((u16::try_from(id >> 32).ok()?, u32::try_from(id & 0xffff_ffff).ok()?)),
        _ => None,
    }
}

/// The numbers in the text of a property, as far as they are of the pool.
fn read(text: &str, form: Form) -> Vec<(NumberPool, u128)> {
    let mut numbers: Vec<(NumberPool, u128)> = match form {
        Form::Decimal(pool) => text.parse().ok().map(|number| (pool, number)).into_iter().collect(),
        Form::Hexadecimal(pool) => {
            hexadecimal(text.trim_matches('"')).map(|number| (pool, u128::from(number))).into_iter().collect()
        }
        Form::Tag => {
            let tag = tag_number(text.trim_matches('"'));
            tag.map(|(kind, value)| (NumberPool::TagValue(kind), u128::from(value))).into_iter().collect()
        }
        // Most values do not have the member: those need not be parsed.
        Form::Member(pool, member) if text.contains(member) => {
            let value: Option<Value> = serde_json::from_str(text).ok();
            let number = value.and_then(|value| value.get(member)?.as_u64());
            number.map(|number| (pool, u128::from(number))).into_iter().collect()
        }
        Form::Member(..) => Vec::new(),
        Form::KeyValues(pool, keys) => {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            let pairs = value.get("key_value_pair").and_then(Value::as_array);
            let number = |pair: &Value| {
                let key = pair.get("key")?.as_str().filter(|key| keys.contains(key));
                key.and_then(|_| pair.get("value")?.as_str()?.parse().ok())
            };
            pairs.into_iter().flatten().filter_map(number).map(|number| (pool, number)).collect()
        }
    };
    numbers.retain(|(pool, number)| {
        let (first, last) = pool.range();
        (first..=last).contains(number)
    });
    numbers
}
