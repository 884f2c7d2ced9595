//! States of the configuration that somebody reads in pages. Each page is of the same one, as long as it is kept here: for a minute
//! after its last page, and while it is not too many changes old, since what has changed meanwhile is in memory for its sake.

use super::config::Snapshot;
use crate::graph::Position;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many are kept at most.
const MOST: usize = 8;
/// How long after the last page.
const KEPT_FOR: Duration = Duration::from_mins(1);
/// How many changes old: each may hold some kilobytes.
const MOST_CHANGES: u64 = 20_000;

/// How much memory they may take beside the objects, in bytes.
const MOST_WEIGHT: usize = 64 << 20;

struct Kept {
    snapshot: Arc<Snapshot>,
    used: Instant,
}

/// What is kept.
#[derive(Default)]
pub struct Snapshots {
    kept: Mutex<Vec<Kept>>,
}

impl Snapshots {
    /// The one that a page was of, if it is still here.
    pub fn find(&self, position: Position) -> Option<Arc<Snapshot>> {
        let mut kept = self.kept();
        let found = kept.iter_mut().find(|kept| kept.snapshot.graph().position() == position)?;
        found.used = Instant::now();
        Some(Arc::clone(&found.snapshot))
    }

    /// Keeps one for the next page; of several that are too many the one goes that was not used for the longest time.
    pub fn keep(&self, snapshot: &Arc<Snapshot>) {
        if self.find(snapshot.graph().position()).is_some() {
            return;
        }
        let mut kept = self.kept();
        if kept.len() >= MOST {
            drop_oldest(&mut kept);
        }
        kept.push(Kept { snapshot: Arc::clone(snapshot), used: Instant::now() });
    }

    /// How many are kept, the revision of the oldest, and how much memory they take beside the objects, in bytes.
    pub fn size(&self) -> (usize, Option<u64>, usize) {
        let kept = self.kept();
        let oldest = kept.iter().map(|kept| kept.snapshot.graph().revision()).min();
        (kept.len(), oldest, kept.iter().map(|kept| kept.snapshot.weight()).sum())
    }

    /// Lets go of what nobody reads any more, or what has become too old.
    pub fn tidy(&self, current: Position) {
        self.kept().retain(|kept| {
            let position = kept.snapshot.graph().position();
            let is_young =
                position.epoch == current.epoch && current.revision.saturating_sub(position.revision) <= MOST_CHANGES;
            is_young && kept.used.elapsed() < KEPT_FOR
        });
        let mut kept = self.kept();
        while kept.iter().map(|kept| kept.snapshot.weight()).sum::<usize>() > MOST_WEIGHT {
            drop_oldest(&mut kept);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_oldest(kept: &mut Vec<Kept>) {
    if let Some(oldest) = (0..kept.len()).min_by_key(|index| kept.get(*index).map(|kept| kept.used)) {
        kept.swap_remove(oldest);
    }
}
