//! Projects and domains of Keystone, for whoever finds that one is missing here (SYNC-1).

use super::{
    answer::Place,
    cache::{Cache, Found},
    client::{Away, Client},
};
use crate::authentication::token::{self, Digest};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::{sync::Semaphore, time::timeout};
use uuid::Uuid;

/// How many are asked for at the same time; tokens have the other places.
const AT_THE_SAME_TIME: usize = 4;
/// How many that Keystone does not have either are held.
const MOST_MISSING: usize = 10_000;

/// A project or a domain that is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The project with this id.
    Project(Uuid),
    /// The domain with this id.
    Domain(Uuid),
    /// A project by its name, in the domain with this id.
    ProjectNamed(String, String),
    /// The domain of this name.
    DomainNamed(String),
}

/// What Keystone knows of them, and what it did not know a moment ago: nobody can make it be asked for ever.
pub struct Places {
    seats: Semaphore,
    missing: Mutex<Cache<()>>,
}

impl Default for Places {
    fn default() -> Self {
        Self { seats: Semaphore::new(AT_THE_SAME_TIME), missing: Mutex::new(Cache::with(0, MOST_MISSING)) }
    }
}

impl Places {
    /// What Keystone says, or has said a moment ago, of one that is looked for.
    pub(super) async fn find(&self, client: &Client, wanted: &Wanted) -> Result<Option<Place>, Away> {
        let is_missing = || self.missing().look(&key_of(wanted), Instant::now()) == Found::Refused;
        if is_missing() {
            return Ok(None);
        }
        let seat = timeout(client.answers_within, self.seats.acquire()).await;
        let _seat = seat.map_err(|_| Away("too many projects and domains are asked for".to_owned()))?;
        // Somebody else may have asked meanwhile.
        if is_missing() {
            return Ok(None);
        }
        let found = match wanted {
            Wanted::Project(id) => client.project(*id).await,
            Wanted::Domain(id) => client.domain(*id).await,
            Wanted::ProjectNamed(name, domain_id) => client.project_named(name, domain_id).await,
            Wanted::DomainNamed(name) => client.domain_named(name).await,
        };
        if found == Ok(None) {
            self.pass_over(wanted);
        }
        found
    }

    /// Takes one for missing, for a while.
    pub(super) fn pass_over(&self, wanted: &Wanted) {
        self.missing().refuse(key_of(wanted), Instant::now());
    }

    fn missing(&self) -> MutexGuard<'_, Cache<()>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(wanted: &Wanted) -> Digest {
    token::digest(&format!("{wanted:?}"))
}
