//! What is known of a connection.

use super::frame::Version;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// How many requests of one connection are read for at the same time.
const MOST_READS: usize = 4;

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The client's.
    pub peer: SocketAddr,
    /// The server's, as the client has reached it.
    pub local: SocketAddr,
}

/// What is known of a connection.
pub struct Session {
    /// Where it leads.
    pub ends: Ends,
    version: OnceLock<Version>,
    hears_events: OnceLock<()>,
    reads: Arc<Semaphore>,
    keyspace: Mutex<Option<Arc<str>>>,
}

impl Session {
    /// Of a new one.
    pub fn new(ends: Ends) -> Self {
        Self {
            ends,
            version: OnceLock::new(),
            hears_events: OnceLock::new(),
            reads: Arc::new(Semaphore::new(MOST_READS)),
            keyspace: Mutex::default(),
        }
    }

    /// The version that is spoken: the first that was.
    pub fn version_or(&self, version: Version) -> Version {
        *self.version.get_or_init(|| version)
    }

    /// The same, of events, which nobody has asked for in a version.
    pub fn version(&self) -> Version {
        self.version.get().copied().unwrap_or(Version::NEWEST)
    }

    /// A turn to read, until the answer is sent. Who asks for much at once has a few answers in hand, and nothing is done for the
    /// others before these are taken.
    ///
    /// # Errors
    /// Never.
    pub async fn turn_to_read(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.reads).acquire_owned().await
    }

    /// Whether it is one on which a driver hears of what happens, and finds out what kind of server this is.
    pub fn hears_events(&self) -> bool {
        self.hears_events.get().is_some()
    }

    /// It is such a one from now on.
    pub fn hear_events(&self) {
        self.hears_events.get_or_init(|| ());
    }

    /// The keyspace of tables that are named without one.
    pub fn keyspace(&self) -> Option<Arc<str>> {
        self.keyspace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another one.
    pub fn set_keyspace(&self, keyspace: &str) {
        *self.keyspace.lock().unwrap_or_else(PoisonError::into_inner) = Some(keyspace.into());
    }
}
