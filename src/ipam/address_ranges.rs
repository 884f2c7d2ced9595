//! Addresses of both families as ranges, to ask whether one of very many lies in one of very many.

use super::{
    FreeRanges,
    address::{bounds, number_of},
};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// A set of addresses.
#[derive(Clone, Debug, Default)]
pub struct AddressRanges {
    four: FreeRanges,
    six: FreeRanges,
}

impl AddressRanges {
    /// The addresses of prefixes.
    pub fn of<'p>(prefixes: impl IntoIterator<Item = &'p IpNetwork>) -> Self {
        let mut ranges = Self::default();
        for prefix in prefixes {
            let (first, last) = bounds(*prefix);
            ranges.family(prefix.is_ipv4()).insert(first, last);
        }
        ranges
    }

    /// Adds the addresses between two, both included; none where they are of two families.
    pub fn insert(&mut self, first: IpAddr, last: IpAddr) {
        if first.is_ipv4() == last.is_ipv4() {
            self.family(first.is_ipv4()).insert(number_of(first), number_of(last));
        }
    }

    /// Whether the address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ranges, number) = (if address.is_ipv4() { &self.four } else { &self.six }, number_of(address));
        ranges.contains(number, number)
    }

    /// Whether any address of the prefix is in the set.
    pub fn overlaps(&self, prefix: IpNetwork) -> bool {
        let ranges = if prefix.is_ipv4() { &self.four } else { &self.six };
        let (first, last) = bounds(prefix);
        ranges.first_at_or_after(first).is_some_and(|found| found <= last)
    }

    fn family(&mut self, four: bool) -> &mut FreeRanges {
        if four { &mut self.four } else { &mut self.six }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_lies_in_a_prefix_is_found(
            prefixes in prop::collection::vec((any::<u8>(), 26_u8..=32), 0..12),
            wanted in (any::<u8>(), 24_u8..=32),
            address in any::<u8>(),
        ) {
            let prefix = |(last, length): (u8, u8)| IpNetwork::new(IpAddr::from([10, 0, 0, last]), length).unwrap();
            let prefixes: Vec<IpNetwork> = prefixes.into_iter().map(prefix).collect();
            let ranges = AddressRanges::of(&prefixes);
            let address = IpAddr::from([10, 0, 0, address]);
            prop_assert_eq!(ranges.contains(address), prefixes.iter().any(|prefix| prefix.contains(address)));
            let wanted = prefix(wanted);
            let overlaps = prefixes.iter().any(|one| super::super::address::overlap(*one, wanted));
            prop_assert_eq!(ranges.overlaps(wanted), overlaps);
            prop_assert!(!ranges.contains("::a00:1".parse().unwrap()));
        }
    }
}
