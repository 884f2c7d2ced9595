//! Numbers that objects occupy, each pool lowest free number first. A number is taken as long as an object has it.

use super::Object;
use crate::{
    ipam::FreeRanges,
    model::{Model, PropertyId, TypeId},
};
use imbl::OrdMap;

/// A space of numbers. A number belongs to one object at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NumberPool {
    /// `virtual_network_network_id`, from 1 (contrail-api R21: one space with VXLAN ids).
    VirtualNetwork,
    /// `security_group_id`, from 8000001; lower numbers are configured by users and not tracked.
    SecurityGroup,
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
            Self::TagType => (0x10, 0xffff),
            Self::TagValue(_) => (0, 0xffff_fffe),
        }
    }

    /// Where the numbers begin that are given to those who do not choose.
    fn first_given(self) -> u128 {
        if self == Self::TagType { 0xff } else { self.range().0 }
    }
}

/// How the number is read from the property.
#[derive(Clone, Copy)]
enum Form {
    Decimal(NumberPool),
    Hexadecimal(NumberPool),
    /// Type and value in one.
    Tag,
}

/// Type, property that holds the number, form.
const PLACES: [(&str, &str, Form); 4] = [
    ("virtual-network", "virtual_network_network_id", Form::Decimal(NumberPool::VirtualNetwork)),
    ("security-group", "security_group_id", Form::Decimal(NumberPool::SecurityGroup)),
    ("tag-type", "tag_type_id", Form::Hexadecimal(NumberPool::TagType)),
    ("tag", "tag_id", Form::Tag),
];

/// The free numbers of all pools.
#[derive(Clone)]
pub struct Numbers {
    places: Vec<(TypeId, PropertyId, Form)>,
    /// Of pools in which a number was ever taken.
    free: OrdMap<NumberPool, FreeRanges>,
}

impl Numbers {
    /// All numbers free.
    pub fn new(model: &Model) -> Self {
        let place = |(kind, property, form): &(&str, &str, Form)| {
            let kind = model.find(kind)?;
            Some((kind, model.object_type(kind).property(property)?.0, *form))
        };
        Self { places: PLACES.iter().filter_map(place).collect(), free: OrdMap::new() }
    }

    /// The lowest number that is free.
    pub fn next_free(&self, pool: NumberPool) -> Option<u64> {
        let first = match self.free.get(&pool) {
            Some(free) => free.first_at_or_after(pool.first_given()),
            None => Some(pool.first_given()),
        };
        first.and_then(|number| u64::try_from(number).ok())
    }

    /// Whether a number may be taken.
    pub fn is_free(&self, pool: NumberPool, number: u64) -> bool {
        let number = u128::from(number);
        self.free.get(&pool).is_none_or(|free| free.contains(number, number))
    }

    /// Follows the change of an object.
    pub fn replace(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(type_id) = after.or(before).map(|object| object.type_id) else { return };
        let Some((_, property, form)) = self.places.iter().copied().find(|(id, _, _)| *id == type_id) else { return };
        let number = |object: Option<&Object>| object.and_then(|object| read(object.property_text(property)?, form));
        let (old, new) = (number(before), number(after));
        if old == new {
            return;
        }
        if let Some((pool, old)) = old {
            self.change(pool, |free| free.insert(old, old));
        }
        if let Some((pool, new)) = new {
            self.change(pool, |free| free.remove(new, new));
        }
    }

    fn change(&mut self, pool: NumberPool, change: impl FnOnce(&mut FreeRanges)) {
        let (first, last) = pool.range();
        change(self.free.entry(pool).or_insert_with(|| FreeRanges::of(first, last)));
    }
}

/// Type and value of a `tag_id`: four digits and four (Tungsten Fabric), or four and eight (OpenSDN 2026).
pub fn tag_number(text: &str) -> Option<(u16, u32)> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let id = u64::from_str_radix(digits, 16).ok()?;
    match digits.len() {
        1..=8 => Some((u16::try_from(id >> 16).ok()?, u32::try_from(id & 0xffff).ok()?)),
        9..=12 => Some((u16::try_from(id >> 32).ok()?, u32::try_from(id & 0xffff_ffff).ok()?)),
        _ => None,
    }
}

/// The number in the text of a property, if it is one of the pool.
fn read(text: &str, form: Form) -> Option<(NumberPool, u128)> {
    let hexadecimal = |text: &str| u128::from_str_radix(text.trim_matches('"').strip_prefix("0x")?, 16).ok();
    let (pool, number) = match form {
        Form::Decimal(pool) => (pool, text.parse().ok()?),
        Form::Hexadecimal(pool) => (pool, hexadecimal(text)?),
        Form::Tag => {
            let (kind, value) = tag_number(text.trim_matches('"'))?;
            (NumberPool::TagValue(kind), u128::from(value))
        }
    };
    let (first, last) = pool.range();
    (first..=last).contains(&number).then_some((pool, number))
}
