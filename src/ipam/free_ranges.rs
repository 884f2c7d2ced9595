//! Disjoint ranges of numbers: what is free of a pool.
//!
//! The numbers are addresses, units of addresses or identifiers. The ranges live in a persistent map from first to
//! last number, so that a clone costs nothing and every operation is logarithmic in the number of ranges, not of
//! numbers: a /8 or a /48 is one entry while nothing is taken from it.

use imbl::OrdMap;

/// A set of numbers, kept as disjoint inclusive ranges that never touch each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FreeRanges {
    /// First number of each range to its last.
    ranges: OrdMap<u128, u128>,
    /// How many numbers there are, modulo 2^128: zero with a range in the map means all of them.
    total: u128,
}

impl FreeRanges {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The numbers from `first` to `last`, both included; nothing when they are the wrong way round.
    pub fn of(first: u128, last: u128) -> Self {
        let mut ranges = Self::new();
        ranges.insert(first, last);
        ranges
    }

    /// Adds the numbers from `first` to `last`. Some or all of them may be there already.
    pub fn insert(&mut self, first: u128, last: u128) {
        if first > last {
            return;
        }
        let mut low = first;
        let mut high = last;
        // The range before joins when it overlaps or ends right below.
        if let Some((start, end)) = self.range_at_or_before(first)
            && end >= first.saturating_sub(1)
        {
            low = start;
            high = high.max(end);
            self.drop_range(start, end);
        }
        // So do all that start inside, or right above the end.
        while let Some((start, end)) = self.range_at_or_after(low) {
            if start > high.saturating_add(1) {
                break;
            }
            high = high.max(end);
            self.drop_range(start, end);
        }
        self.put_range(low, high);
    }

    /// Takes the numbers from `first` to `last` out. Some or all of them may be missing already.
    pub fn remove(&mut self, first: u128, last: u128) {
        if first > last {
            return;
        }
        if let Some((start, end)) = self.range_at_or_before(first)
            && end >= first
        {
            self.drop_range(start, end);
            if start < first {
                self.put_range(start, first - 1);
            }
            if end > last {
                self.put_range(last + 1, end);
                return;
            }
        }
        while let Some((start, end)) = self.range_at_or_after(first) {
            if start > last {
                return;
            }
            self.drop_range(start, end);
            if end > last {
                self.put_range(last + 1, end);
                return;
            }
        }
    }

    /// Whether all the numbers from `first` to `last` are there.
    pub fn contains(&self, first: u128, last: u128) -> bool {
        first <= last && self.range_at_or_before(first).is_some_and(|(_, end)| end >= last)
    }

    /// The lowest number.
    pub fn first(&self) -> Option<u128> {
        self.ranges.get_min().map(|(start, _)| *start)
    }

    /// The highest number.
    pub fn last(&self) -> Option<u128> {
        self.ranges.get_max().map(|(_, end)| *end)
    }

    /// The lowest number that is not below `number`.
    pub fn first_at_or_after(&self, number: u128) -> Option<u128> {
        if self.contains(number, number) {
            return Some(number);
        }
        self.range_at_or_after(number).map(|(start, _)| start)
    }

    /// The highest number that is not above `number`.
    pub fn last_at_or_before(&self, number: u128) -> Option<u128> {
        self.range_at_or_before(number).map(|(_, end)| end.min(number))
    }

    /// How many numbers there are; all 2^128 of them count one less.
    pub fn count(&self) -> u128 {
        if self.total == 0 && !self.ranges.is_empty() {
            return u128::MAX;
        }
        self.total
    }

    /// Whether there is no number at all.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges in ascending order, as first and last number.
    pub fn iter(&self) -> impl Iterator<Item = (u128, u128)> {
        self.ranges.iter().map(|(start, end)| (*start, *end))
    }

    fn range_at_or_before(&self, number: u128) -> Option<(u128, u128)> {
        self.ranges.get_prev(&number).map(|(start, end)| (*start, *end))
    }

    fn range_at_or_after(&self, number: u128) -> Option<(u128, u128)> {
        self.ranges.get_next(&number).map(|(start, end)| (*start, *end))
    }

    fn put_range(&mut self, start: u128, end: u128) {
        self.ranges.insert(start, end);
        self.total = self.total.wrapping_add((end - start).wrapping_add(1));
    }

    fn drop_range(&mut self, start: u128, end: u128) {
        self.ranges.remove(&start);
        self.total = self.total.wrapping_sub((end - start).wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::FreeRanges;

    /// What the set should be: its numbers one by one, as ranges.
    fn ranges_of(model: &BTreeSet<u128>) -> Vec<(u128, u128)> {
        let mut ranges: Vec<(u128, u128)> = Vec::new();
        for &number in model {
            match ranges.last_mut() {
                Some(range) if range.1 + 1 == number => range.1 = number,
                _ => ranges.push((number, number)),
            }
        }
        ranges
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(
            steps in prop::collection::vec((any::<bool>(), 0u128..120, 0u128..30), 1..80),
            at_the_end in any::<bool>(),
        ) {
            // The same numbers at either end of the number space.
            let base = if at_the_end { u128::MAX - 148 } else { 0 };
            let mut ranges = FreeRanges::new();
            let mut model = BTreeSet::new();
            for (add, first, length) in steps {
                let last = first + length;
                if add {
                    ranges.insert(base + first, base + last);
                    model.extend(base + first..=base + last);
                } else {
                    ranges.remove(base + first, base + last);
                    model.retain(|number| *number < base + first || *number > base + last);
                }
                prop_assert_eq!(ranges.iter().collect::<Vec<_>>(), ranges_of(&model));
                prop_assert_eq!(ranges.count(), model.len() as u128);
                prop_assert_eq!(ranges.first(), model.first().copied());
                prop_assert_eq!(ranges.last(), model.last().copied());
                let number = base + first;
                prop_assert_eq!(ranges.first_at_or_after(number), model.range(number..).next().copied());
                prop_assert_eq!(ranges.last_at_or_before(number), model.range(..=number).next_back().copied());
                prop_assert_eq!(
                    ranges.contains(number, base + last),
                    (number..=base + last).all(|wanted| model.contains(&wanted))
                );
            }
        }
    }

    #[test]
    fn holds_the_whole_number_space() {
        let mut ranges = FreeRanges::of(0, u128::MAX);
        assert_eq!(ranges.count(), u128::MAX);
        ranges.remove(0, 0);
        ranges.remove(u128::MAX, u128::MAX);
        assert_eq!(ranges.count(), u128::MAX - 1);
        assert_eq!((ranges.first(), ranges.last()), (Some(1), Some(u128::MAX - 1)));
        ranges.insert(u128::MAX, u128::MAX);
        ranges.insert(0, 5);
        assert_eq!(ranges, FreeRanges::of(0, u128::MAX));
        ranges.remove(0, u128::MAX);
        assert_eq!(ranges, FreeRanges::new());
        assert_eq!(ranges.count(), 0);
    }

    #[test]
    fn a_reversed_range_is_nothing() {
        let mut ranges = FreeRanges::of(9, 3);
        assert!(ranges.is_empty());
        ranges.insert(1, 9);
        ranges.remove(7, 2);
        assert_eq!(ranges.count(), 9);
        assert!(!ranges.contains(7, 2));
    }
}
