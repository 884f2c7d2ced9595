//! Times become revisions: the first time is revision 1, the next one 2, and so on, and the bases of revisions say which time each is.

use super::{Objects, Staged, in_order};
use crate::graph::{Object, TimeBases};
use uuid::Uuid;

/// All times at which something was written, each once, in order.
pub struct Times(Vec<i64>);

/// The times, and the objects in the order in which they were made.
pub fn in_order_of(objects: &Objects) -> (Times, Vec<Uuid>) {
    let mut times: Vec<i64> =
        objects.values().flat_map(|staged| staged.times.iter().map(|(_, time)| *time).chain([staged.made])).collect();
    times.sort_unstable();
    times.dedup();
    times.shrink_to_fit();
    (Times(times), in_order(objects))
}

impl Times {
    /// The revision that is the time.
    fn revision(&self, time: i64) -> u64 {
        self.0.partition_point(|known| *known < time) as u64 + 1
    }

    /// The last revision.
    pub fn last(&self) -> u64 {
        self.0.len() as u64
    }

    /// The object with its times.
    pub fn stamped(&self, staged: Staged) -> Object {
        let Staged { mut object, made, times, .. } = staged;
        object.created = self.revision(made);
        object.set_written(times.into_iter().map(|(column, time)| (column, self.revision(time))).collect());
        object
    }

    /// From which revision on they count from where: a new base wherever a time does not follow the one before at once.
    pub fn bases(&self) -> TimeBases {
        let mut bases: Vec<(u64, i64)> = Vec::new();
        for (before, time) in (0_u64..).zip(&self.0) {
            let base = time.saturating_sub_unsigned(before + 1);
            if bases.last().is_none_or(|(_, last)| *last != base) {
                bases.push((before, base));
            }
        }
        bases.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::Graph, model::Model};
    use std::sync::Arc;

    #[test]
    fn each_time_is_the_one_of_its_revision() {
        let times = Times(vec![1000, 1001, 1005, 2000, 2001]);
        assert_eq!(*times.bases(), [(0, 999), (2, 1002), (3, 1996)]);
        let mut graph = Graph::new(Arc::new(Model::embedded().unwrap()));
        graph.set_time_bases(times.bases());
        for time in &times.0 {
            assert_eq!(graph.write_time(times.revision(*time)), *time);
        }
        assert_eq!(times.last(), 5);
        assert!(Times(Vec::new()).bases().is_empty());
    }
}
