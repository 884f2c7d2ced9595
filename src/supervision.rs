//! The tasks that a server needs for as long as it runs, and what becomes of it when one of them has a fault. A panic ends a
//! task and nothing else; without somebody who looks, its work would never be done again, and nobody would know.

use crate::metrics;
use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

/// How long to wait before a task that broke is started again.
const PAUSE: Duration = Duration::from_secs(1);
/// A task that has run for this long since it broke is well.
const WELL_AFTER: Duration = Duration::from_secs(10);

/// Who looks after the tasks.
pub struct Supervision {
    pause: Duration,
    well_after: Duration,
    /// When a task broke the last time, by its name.
    broken: Mutex<BTreeMap<&'static str, Instant>>,
    ended: watch::Sender<Option<&'static str>>,
}

impl Default for Supervision {
    fn default() -> Self {
        Self::with(PAUSE, WELL_AFTER)
    }
}

impl Supervision {
    fn with(pause: Duration, well_after: Duration) -> Self {
        Self { pause, well_after, broken: Mutex::default(), ended: watch::Sender::new(None) }
    }

    /// Runs a task that can begin anew at any time: one that breaks is started again. For tasks that keep nothing from one
    /// round to the next but what they can do without.
    pub fn keep<F>(self: &Arc<Self>, name: &'static str, start: impl Fn() -> F + Send + 'static) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        metrics::task(name);
        let supervision = Arc::clone(self);
        tokio::spawn(async move {
            while let Err(fault) = tokio::spawn(start()).await {
                if fault.is_cancelled() {
                    // The runtime ends.
                    return;
                }
                tracing::error!(task = name, %fault, "a task of the server has broken off; it is started again");
                supervision.note(name);
                sleep(supervision.pause).await;
            }
        })
    }

    /// Runs a task that can't begin anew, because it does not leave things as they were when it breaks: then the server has
    /// to end, see [`Supervision::broke`].
    pub fn need<T>(self: &Arc<Self>, name: &'static str, task: T) -> JoinHandle<()>
    where
        T: Future<Output = ()> + Send + 'static,
    {
        metrics::task(name);
        let supervision = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(fault) = tokio::spawn(task).await
                && !fault.is_cancelled()
            {
                tracing::error!(task = name, %fault, "a task of the server has broken off; without it the server ends");
                supervision.note(name);
                supervision.ended.send_replace(Some(name));
            }
        })
    }

    /// Waits until a task has broken off that is needed; gives its name.
    pub async fn broke(&self) -> &'static str {
        let mut ended = self.ended.subscribe();
        loop {
            if let Some(name) = *ended.borrow_and_update() {
                return name;
            }
            if ended.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// The tasks that are not well.
    pub fn not_well(&self) -> Vec<&'static str> {
        let ended = *self.ended.borrow();
        let broken = self.broken();
        let is_ill =
            |(name, since): &(&&'static str, &Instant)| since.elapsed() < self.well_after || ended == Some(**name);
        broken.iter().filter(is_ill).map(|(name, _)| *name).collect()
    }

    /// A task has broken off.
    fn note(&self, name: &'static str) {
        metrics::task_broke(name);
        self.broken().insert(name, Instant::now());
    }

    fn broken(&self) -> MutexGuard<'_, BTreeMap<&'static str, Instant>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    async fn until(mut condition: impl FnMut() -> bool) {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_task_that_breaks_is_started_again() {
        let supervision = Arc::new(Supervision::with(Duration::from_millis(1), Duration::from_millis(500)));
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let kept = supervision.keep("counting", move || {
            let counted = Arc::clone(&counted);
            async move {
                assert!(counted.fetch_add(1, Ordering::Relaxed) >= 2, "breaks twice");
                std::future::pending::<()>().await;
            }
        });
        until(|| runs.load(Ordering::Relaxed) == 3).await;
        assert_eq!(supervision.not_well(), ["counting"]);
        until(|| supervision.not_well().is_empty()).await;
        assert_eq!(runs.load(Ordering::Relaxed), 3);
        assert!(!kept.is_finished());
    }

    #[tokio::test]
    async fn a_task_that_is_needed_is_missed_for_good() {
        let supervision = Arc::new(Supervision::with(Duration::ZERO, Duration::ZERO));
        supervision.need("one that ends", async {}).await.unwrap();
        assert_eq!(supervision.not_well(), Vec::<&str>::new(), "it was at its end");
        let broken = supervision.need("one that breaks", async { panic!("a fault") });
        assert_eq!(supervision.broke().await, "one that breaks");
        broken.await.unwrap();
        assert_eq!(supervision.not_well(), ["one that breaks"]);
    }
}
