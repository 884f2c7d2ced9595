//! Partitions of the change log, made before a batch needs them, so that no batch waits for one.

use crate::{
    store::{Database, Session, StoreError, make_until, operation::PARTITIONS},
    supervision::Supervision,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// For how many changes there are partitions beyond the last one, at least: about what a batch of the usual limit brings.
const LEAST_AHEAD: u64 = 2_000;
/// How long to wait for others who change partitions, while there are some left ...
const PATIENCE: Duration = Duration::from_millis(500);
/// ... and when there are none: for as long as the database waits for any lock.
const PATIENCE_IN_NEED: Duration = Duration::from_secs(3);
/// When it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What the writer knows of the partitions.
pub struct Partitions {
    size: u64,
    /// The last revision that the log is known to have a partition for.
    until: Arc<AtomicU64>,
    /// The last revision that was written. The task that makes more ends with this.
    used: watch::Sender<u64>,
}

impl Partitions {
    /// Starts to make partitions of this many revisions, ahead of a revision.
    pub fn start(database: Database, size: u64, revision: u64, supervision: &Arc<Supervision>) -> Self {
        let until = Arc::new(AtomicU64::new(0));
        let (used, to_come) = watch::channel(revision);
        let known = Arc::clone(&until);
        // It keeps nothing but a session, and looks anew how far there are some.
        supervision.keep("partitions", move || keep_ahead(database.clone(), size, Arc::clone(&known), to_come.clone()));
        Self { size, until, used }
    }

    /// The last revision that the log is known to have a partition for.
    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Acquire)
    }

    /// What the row of the sequence says.
    pub fn learn(&self, until: u64) {
        self.until.store(until, Ordering::Release);
    }

    /// Tells how far the log is written.
    pub fn used(&self, revision: u64) {
        self.used.send_replace(revision);
    }

    /// Makes those that a batch needs and that there are not. Nothing of the batch is under way on the connection.
    ///
    /// # Errors
    /// When the database is away, or somebody else holds the partitions.
    pub async fn make_now(&self, connection: &mut Session, revision: u64) -> Result<(), StoreError> {
        self.learn(make_until(connection, revision, self.size, PATIENCE_IN_NEED).await?);
        Ok(())
    }
}

async fn keep_ahead(database: Database, size: u64, until: Arc<AtomicU64>, mut used: watch::Receiver<u64>) {
    let mut connection = None;
    loop {
        let wanted = *used.borrow_and_update() + size.max(LEAST_AHEAD);
        if until.load(Ordering::Acquire) < wanted {
            match make(&database, &mut connection, wanted, size).await {
                Ok(made) => until.store(made, Ordering::Release),
                Err(error) => {
                    tracing::debug!(%error, "no partition could be made ahead of need");
                    connection = None;
                    tokio::time::sleep(AGAIN).await;
                    if used.has_changed().is_err() {
                        return;
                    }
                    continue;
                }
            }
        }
        if used.changed().await.is_err() {
            return;
        }
    }
}

async fn make(
    database: &Database,
    connection: &mut Option<Session>,
    revision: u64,
    size: u64,
) -> Result<u64, StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(database.connect(PARTITIONS).await?),
    };
    make_until(connection, revision, size, PATIENCE).await
}
