//! How much is let in at the same time: requests, and the memory of their bodies. What is too much waits, and is told to come
//! again when it has waited for long.

use super::error::{Answered, ApiError};
use crate::metrics::{self, Limit};
use crate::settings::{ConnectionSettings, RequestSettings};
use actix_web::http::StatusCode;
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
/// What the answers cost that pages are made of, in KiB: the least that is counted of one page, and for all pages.
const LEAST_OF_PAGE: usize = 256;
const PAGES_ROOM: usize = 256 << 10;

/// The room there is.
pub struct Admission {
    settings: RequestSettings,
    connections: ConnectionSettings,
    requests: Arc<Semaphore>,
    arriving: Arc<Semaphore>,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    pages: Arc<Semaphore>,
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
            pages: room(PAGES_ROOM),
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

    /// What bodies hold of the room for them, in bytes: those that arrive, small ones and large ones that are worked on; and answers
    /// that pages are made of.
    pub fn held(&self) -> [(&'static str, u64); 4] {
        let held = |room: &Semaphore, all: usize| (all.saturating_sub(room.available_permits()) as u64) << 10;
        [
            ("arriving-bodies", held(&self.arriving, ARRIVING)),
            ("small-bodies", held(&self.small, SMALL_ROOM)),
            ("large-bodies", held(&self.large, LARGE_ROOM)),
            ("page-answers", held(&self.pages, PAGES_ROOM)),
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

/// How much a page has in memory of answers to requests of its own, and the room that it has for them.
#[derive(Default)]
pub struct Gathered {
    bytes: usize,
    place: Option<Place>,
}

impl Gathered {
    /// Some more of an answer, which will be parsed. What is small on the whole is bounded by how many requests there are. A page that
    /// has room already does not wait for more, as others may do the same.
    ///
    /// # Errors
    /// 413 if it is too much for one page, 503 if there is no room.
    pub async fn add(&mut self, admission: &Admission, piece: &[u8]) -> Answered<()> {
        self.add_in(&admission.pages, piece, ROOM_WITHIN).await
    }

    async fn add_in(&mut self, room: &Arc<Semaphore>, piece: &[u8], within: Duration) -> Answered<()> {
        self.bytes += weight(piece);
        let needed = self.bytes.div_ceil(1 << 10);
        if needed > PAGES_ROOM {
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "This is too much for a page."));
        }
        let more = needed.saturating_sub(self.place.as_ref().map_or(0, Place::num_permits));
        if needed <= LEAST_OF_PAGE || more == 0 {
            return Ok(());
        }
        let taken = match self.place {
            None => take(room, more, within).await,
            Some(_) => Arc::clone(room).try_acquire_many_owned(u32::try_from(more).unwrap_or(u32::MAX)).ok(),
        };
        let Some(taken) = taken else {
            metrics::limit(Limit::PageAnswers);
            return Err(ApiError::unavailable("Too many large pages are made at the same time"));
        };
        match &mut self.place {
            Some(place) => place.merge(taken),
            None => self.place = Some(taken),
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A text takes four times what it is long.
    static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];
    const AT_ONCE: Duration = Duration::ZERO;

    #[tokio::test]
    async fn answers_of_pages_have_a_room_that_is_free_again_with_the_page() {
        let room = Arc::new(Semaphore::new(2048));
        let (mut one, mut other) = (Gathered::default(), Gathered::default());
        // The first piece is small, and costs nothing.
        one.add_in(&room, &PIECE, AT_ONCE).await.unwrap();
        assert_eq!(room.available_permits(), 2048);
        for _ in 0..4 {
            one.add_in(&room, &PIECE, AT_ONCE).await.unwrap();
        }
        assert_eq!(room.available_permits(), 2048 - 5 * 256);
        other.add_in(&room, &PIECE, AT_ONCE).await.unwrap();
        other.add_in(&room, &PIECE, AT_ONCE).await.unwrap();
        // Neither has room for more, and neither waits for the other one.
        one.add_in(&room, &PIECE, ROOM_WITHIN).await.unwrap();
        for page in [&mut one, &mut other] {
            let refused = page.add_in(&room, &PIECE, ROOM_WITHIN).await.unwrap_err();
            assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        }
        drop(one);
        other.add_in(&room, &PIECE, AT_ONCE).await.unwrap();
        drop(other);
        assert_eq!(room.available_permits(), 2048);
    }

    #[tokio::test]
    async fn what_no_page_can_have_is_too_much() {
        let room = Arc::new(Semaphore::new(PAGES_ROOM));
        let mut page = Gathered { bytes: PAGES_ROOM << 10, place: None };
        let refused = page.add_in(&room, b"{}", AT_ONCE).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
