//! Whether batches get into the database, for those who ask whether this server is well.

use crate::{
    metrics,
    replica::{micros, now},
};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

/// What the writer is at.
#[derive(Debug, Default)]
pub struct Progress {
    /// When the batch that is on its way began it, in microseconds of [`now`]; zero when there is none.
    begun: AtomicU64,
    /// Whether the last one did not arrive.
    has_failed: AtomicBool,
}

impl Progress {
    /// A batch is on its way, or still is.
    pub fn begin(&self) {
        // Whoever began before is still at it.
        let _ = self.begun.compare_exchange(0, micros(now()), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It has arrived, or it is known that it won't.
    pub fn end(&self, arrived: bool) {
        metrics::commit(self.waits(), arrived);
        self.begun.store(0, Ordering::Relaxed);
        self.has_failed.store(!arrived, Ordering::Relaxed);
    }

    /// There was none after all.
    pub fn rest(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }

    /// For how long a batch has been on its way.
    pub fn waits(&self) -> Duration {
        match self.begun.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            begun => now().saturating_sub(Duration::from_micros(begun)),
        }
    }

    /// Whether the last batch did not arrive, and nobody has seen since that another one would.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// It was seen that a batch would arrive now.
    pub fn recover(&self) {
        self.has_failed.store(false, Ordering::Relaxed);
    }
}
