//! Cells to count in.

use rustc_hash::FxHasher;
use std::{
    hash::{Hash, Hasher},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A number that grows, or one that is what it was set to.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// One less, of what has been added.
    pub fn less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// This, from now on.
    pub fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// What it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// For how many types there are rows.
const TYPES: usize = 512;

/// Numbers for each type of objects, in columns. Types beyond the last row are not counted; no schema is that large.
pub struct ByType<const COLUMNS: usize> {
    rows: [[Number; COLUMNS]; TYPES],
}

impl<const COLUMNS: usize> ByType<COLUMNS> {
    /// All zero.
    pub const fn new() -> Self {
        Self { rows: [const { [const { Number::new() }; COLUMNS] }; TYPES] }
    }

    /// The cell of a type, by its index.
    pub fn of(&self, type_index: u16, column: usize) -> Option<&Number> {
        self.rows.get(usize::from(type_index))?.get(column)
    }

    /// Those cells of some types that are not zero: type, column and number.
    pub fn all(&self, types: usize) -> impl Iterator<Item = (usize, usize, u64)> {
        let cells = |row: &'_ [Number; COLUMNS]| row.each_ref().map(Number::get);
        let rows = self.rows.iter().take(types).map(cells).enumerate();
        let told = rows
            .flat_map(|(row, cells)| cells.into_iter().enumerate().map(move |(column, number)| (row, column, number)));
        told.filter(|(_, _, number)| *number > 0)
    }
}

/// Cells by names of which there are few, all of them written down in the source. Found by their hash; when there are more than there is
/// room for, those that come last have none.
pub struct ByName<T, const SLOTS: usize> {
    slots: [OnceLock<(&'static str, T)>; SLOTS],
}

impl<T: Default, const SLOTS: usize> ByName<T, SLOTS> {
    /// None yet.
    pub const fn new() -> Self {
        Self { slots: [const { OnceLock::new() }; SLOTS] }
    }

    /// The cell of a name.
    pub fn of(&self, name: &'static str) -> Option<&T> {
        let mut hasher = FxHasher::default();
        name.hash(&mut hasher);
        let first = usize::try_from(hasher.finish() % (SLOTS as u64).max(1)).unwrap_or_default();
        // From there on to the end, and from the begin.
        let (before, after) = self.slots.split_at_checked(first)?;
        after.iter().chain(before).find_map(|slot| {
            let (known, cell) = slot.get_or_init(|| (name, T::default()));
            (*known == name).then_some(cell)
        })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &T)> {
        self.slots.iter().filter_map(OnceLock::get).map(|(name, cell)| (*name, cell))
    }
}

/// How values are spread: how many of them were not above each of some bounds.
pub struct Histogram<const BOUNDS: usize> {
    /// In what values are counted in.
    bounds: [u64; BOUNDS],
    /// How many of these are one of the unit that is told.
    in_unit: f64,
    counts: [Number; BOUNDS],
    beyond: Number,
    sum: Number,
}

/// A histogram at a moment.
pub struct Spread {
    /// The sum of all values.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
    /// Bounds, and how many there were up to each and not up to the one before.
    pub buckets: Vec<(f64, u64)>,
}

/// Times, told in seconds.
pub type Times = Histogram<16>;

impl Times {
    /// In microseconds: what a request takes that is decided in memory, up to where clients give up.
    const BOUNDS: [u64; 16] = [
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        5_000_000, 10_000_000,
    ];

    /// None yet.
    pub const fn times() -> Self {
        Self::new(Self::BOUNDS, 1e6)
    }

    /// One more.
    pub fn took(&self, time: Duration) {
        self.observe(micros(time));
    }
}

/// In microseconds.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    /// None yet.
    pub const fn new(bounds: [u64; BOUNDS], in_unit: f64) -> Self {
        let counts = [const { Number::new() }; BOUNDS];
        Self { bounds, in_unit, counts, beyond: Number::new(), sum: Number::new() }
    }

    /// One more.
    pub fn observe(&self, value: u64) {
        let index = self.bounds.partition_point(|bound| *bound < value);
        self.counts.get(index).unwrap_or(&self.beyond).add(1);
        self.sum.add(value);
    }

    /// How they are spread. Whoever is counted meanwhile is in it, or will be the next time.
    #[allow(clippy::cast_precision_loss)] // Bounds are small, and a sum that is off by a rounding is as good.
    pub fn spread(&self) -> Spread {
        let counts = self.counts.iter().map(Number::get);
        let buckets: Vec<(f64, u64)> =
            self.bounds.iter().map(|bound| *bound as f64 / self.in_unit).zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum::<u64>() + self.beyond.get();
        Spread { sum: self.sum.get() as f64 / self.in_unit, count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_cell_however_many_there_are() {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let cells: ByName<Number, 4> = ByName::new();
        for _ in 0..3 {
            for name in NAMES.iter().take(4) {
                cells.of(name).unwrap().add(1);
            }
        }
        let mut all: Vec<_> = cells.all().map(|(name, number)| (name, number.get())).collect();
        all.sort_unstable();
        assert_eq!(all, [("a", 3), ("b", 3), ("c", 3), ("d", 3)]);
        assert!(cells.of("e").is_none(), "there is no room for it");
        assert!(cells.of("d").is_some());
    }

    #[test]
    fn values_are_counted_up_to_their_bound() {
        let sizes = Histogram::new([1, 2, 4], 1.0);
        for value in [0, 1, 2, 3, 4, 5, 100] {
            sizes.observe(value);
        }
        let Spread { sum, count, buckets } = sizes.spread();
        assert_eq!((sum, count), (115.0, 7));
        assert_eq!(buckets, [(1.0, 2), (2.0, 1), (4.0, 2)]);
        let times = Times::times();
        times.took(Duration::from_millis(7));
        let Spread { sum, count, buckets } = times.spread();
        assert_eq!((sum, count), (0.007, 1));
        assert_eq!(buckets.iter().find(|(_, count)| *count > 0), Some(&(0.01, 1)));
    }

    #[test]
    fn types_have_rows_of_their_own() {
        let cells: ByType<3> = ByType::new();
        cells.of(0, 2).unwrap().add(1);
        cells.of(7, 0).unwrap().add(2);
        assert!(cells.of(0, 3).is_none() && cells.of(u16::MAX, 0).is_none());
        assert_eq!(cells.all(126).collect::<Vec<_>>(), [(0, 2, 1), (7, 0, 2)]);
        assert_eq!(cells.all(7).count(), 1);
    }
}
