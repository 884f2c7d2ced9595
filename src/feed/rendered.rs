//! Events as JSON, made once for all who tell of them, and kept as long as there is room: an event of an object with many
//! children is large, however small the object is.

use crate::graph::Position;
use rustc_hash::FxHashMap;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// How many bytes of JSON are kept.
const MOST_BYTES: usize = 16 << 20;

/// The last events that were made.
#[derive(Default)]
pub struct Rendered {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The history that the events are of.
    epoch: Uuid,
    by_revision: FxHashMap<u64, Arc<[u8]>>,
    /// In the order in which they came.
    order: VecDeque<u64>,
    bytes: usize,
}

impl Rendered {
    /// The event of the change at this position, made if it is not there.
    pub fn get_or_make(&self, position: Position, make: impl FnOnce() -> Vec<u8>) -> Arc<[u8]> {
        let known = self.of_history(position.epoch).by_revision.get(&position.revision).map(Arc::clone);
        known.unwrap_or_else(|| {
            // Not while the others wait: what two make at the same time is the same.
            let event: Arc<[u8]> = make().into();
            self.of_history(position.epoch).keep(position.revision, &event);
            event
        })
    }

    /// How many bytes are kept.
    pub fn size(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// The events of a history; those of another one are dropped.
    fn of_history(&self, epoch: Uuid) -> MutexGuard<'_, Kept> {
        // Nothing in there is ever half done.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.epoch != epoch {
            *kept = Kept { epoch, ..Kept::default() };
        }
        kept
    }
}

impl Kept {
    fn keep(&mut self, revision: u64, event: &Arc<[u8]>) {
        if self.by_revision.insert(revision, Arc::clone(event)).is_none() {
            self.order.push_back(revision);
            self.bytes += event.len();
        }
        while self.bytes > MOST_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            let dropped = self.by_revision.remove(&oldest).map_or(0, |event| event.len());
            self.bytes = self.bytes.saturating_sub(dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(epoch: u128, revision: u64) -> Position {
        Position { epoch: Uuid::from_u128(epoch), revision }
    }

    #[test]
    fn an_event_is_made_once_and_of_its_history() {
        let rendered = Rendered::default();
        let first = rendered.get_or_make(position(1, 7), || b"first".to_vec());
        let again = rendered.get_or_make(position(1, 7), || panic!("it is there"));
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(&*rendered.get_or_make(position(2, 7), || b"other".to_vec()), b"other");
        assert_eq!(&*rendered.get_or_make(position(1, 7), || b"anew".to_vec()), b"anew");
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let rendered = Rendered::default();
        for revision in 0..100 {
            let event = rendered.get_or_make(position(1, revision), || vec![0; 1 << 20]);
            assert_eq!(event.len(), 1 << 20);
            let kept = rendered.of_history(Uuid::from_u128(1));
            assert!(kept.bytes <= MOST_BYTES);
            assert_eq!(kept.bytes, kept.by_revision.values().map(|event| event.len()).sum::<usize>());
            assert_eq!(kept.order.len(), kept.by_revision.len());
        }
        assert!(rendered.of_history(Uuid::from_u128(1)).by_revision.contains_key(&99));
        let large = rendered.get_or_make(position(1, 100), || vec![0; MOST_BYTES + 1]);
        assert_eq!(large.len(), MOST_BYTES + 1);
        assert_eq!(rendered.of_history(Uuid::from_u128(1)).bytes, 0);
    }
}
