//! How much is let in at the same time: requests, and the memory of their bodies. What is too much waits, and is told to come
//! again when it has waited for long.

use super::error::{Answered, ApiError};
use crate::metrics::{self, Limit};
use crate::settings::{ConnectionSettings, RequestSettings};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a request waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// How long a body waits for room.
const ROOM_WITHIN: Duration = Duration::from_secs(30);
/// For all large bodies that arrive, in KiB.
const ARRIVING: usize = 64 << 10;
/// What a body costs from the moment at which it is parsed until it is answered, in KiB: the least of a large one, ...
const LARGE_WEIGHT: usize = 1 << 10;
/// ... for all that are smaller, and for all that are not. Small ones do not wait for large ones.
const SMALL_ROOM: usize = 128 << 10;
const LARGE_ROOM: usize = 256 << 10;

/// The room there is.
pub struct Admission {
    settings: RequestSettings,
    connections: ConnectionSettings,
    requests: Arc<Semaphore>,
    arriving: Arc<Semaphore>,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A part of the room, until it is dropped.
pub type Place = OwnedSemaphorePermit;

impl Admission {
    /// Everything is free.
    pub fn new(settings: RequestSettings, connections: ConnectionSettings) -> Self {
        let room = |permits: usize| Arc::new(Semaphore::new(permits));
        let requests = usize::try_from(settings.max_requests).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            settings,
            connections,
            requests: room(requests),
            arriving: room(ARRIVING),
            small: room(SMALL_ROOM),
            large: room(LARGE_ROOM),
        }
    }

    /// The most bytes that a body may have.
    pub fn max_request_size(&self) -> usize {
        usize::try_from(self.settings.max_request_size).unwrap_or(usize::MAX)
    }

    /// Within which time a body has to be there.
    pub fn body_timeout(&self) -> Duration {
        self.connections.body_timeout()
    }

    /// How many bytes of a body have to come within this time.
    pub fn least_of_body(&self, time: Duration) -> usize {
        usize::try_from(self.connections.least_body_rate.saturating_mul(time.as_secs())).unwrap_or(usize::MAX)
    }

    /// A place among the requests that are served at the same time, until the last byte of the answer is on its way.
    ///
    /// # Errors
    /// 503 when there is none in time.
    pub async fn request(&self) -> Answered<Place> {
        let late = || {
            metrics::limit(Limit::Requests);
            let text = format!("{} requests are served already (--max-requests)", self.settings.max_requests);
            ApiError::unavailable(text)
        };
        take(&self.requests, 1, TURN_WITHIN).await.ok_or_else(late)
    }

    /// How many requests have a place.
    pub fn requests_at_work(&self) -> u64 {
        u64::from(self.settings.max_requests).saturating_sub(self.requests.available_permits() as u64)
    }

    /// What bodies hold of the room for them, in bytes: those that arrive, small ones and large ones that are worked on.
    pub fn held(&self) -> [(&'static str, u64); 3] {
        let held = |room: &Semaphore, all: usize| (all.saturating_sub(room.available_permits()) as u64) << 10;
        [
            ("arriving-bodies", held(&self.arriving, ARRIVING)),
            ("small-bodies", held(&self.small, SMALL_ROOM)),
            ("large-bodies", held(&self.large, LARGE_ROOM)),
        ]
    }

    /// Room for a large body of this many bytes that is to arrive.
    ///
    /// # Errors
    /// 503 when there is none in time.
    pub async fn arrival(&self, bytes: usize) -> Answered<Place> {
        let place = take(&self.arriving, bytes.div_ceil(1 << 10).min(ARRIVING), ROOM_WITHIN).await;
        place.ok_or_else(|| {
            metrics::limit(Limit::ArrivingBodies);
            ApiError::unavailable("Too many large bodies arrive at the same time")
        })
    }

    /// Room for a body that is to be parsed and to be worked on.
    ///
    /// # Errors
    /// 503 when there is none in time.
    pub async fn body(&self, body: &[u8]) -> Answered<Place> {
        let weight = weight(body).div_ceil(1 << 10);
        let (room, most, limit) = if weight < LARGE_WEIGHT {
            (&self.small, SMALL_ROOM, Limit::SmallBodies)
        } else {
            (&self.large, LARGE_ROOM, Limit::LargeBodies)
        };
        let place = take(room, weight.min(most), ROOM_WITHIN).await;
        place.ok_or_else(|| {
            metrics::limit(limit);
            ApiError::unavailable("Too many large requests wait to be worked on")
        })
    }
}

async fn take(room: &Arc<Semaphore>, permits: usize, within: Duration) -> Option<Place> {
    let permits = u32::try_from(permits).unwrap_or(u32::MAX);
    timeout(within, Arc::clone(room).acquire_many_owned(permits)).await.ok()?.ok()
}

/// About how many bytes of memory a body takes when it is parsed, and what is made of it: its texts several times, and for
/// each value what a value takes in memory, however short it is written.
fn weight(body: &[u8]) -> usize {
    let values = body.iter().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    4 * body.len() + 200 * values
}
