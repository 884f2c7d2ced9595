//! Until when this server goes by what it knows, and what has to be waited for before a commit. Why that is enough is said at
//! the top of `store/sequence.rs`.

use super::clock::{micros, now};
use crate::store::sequence::{GRACE, LEASE, Sequence};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

/// A name that was taken away, and since when that is known here.
#[derive(Clone, Copy)]
struct Freed {
    /// The history that the row was of.
    epoch: Uuid,
    /// The mark that it left.
    mark: Uuid,
    since: Duration,
}

/// The lease of this process.
pub struct Lease {
    /// This process, to the others.
    server: Uuid,
    /// Until when reads need not ask the database, in microseconds of [`now`].
    sole_until: AtomicU64,
    /// The last revision in the database, and the last that its log does not keep, when the row of the sequence was last read.
    last_revision: AtomicU64,
    floor: AtomicU64,
    /// When the heartbeat had its last answer, in microseconds of [`now`].
    heard_at: AtomicU64,
    /// What is to be waited for before a commit.
    freed: Mutex<Option<Freed>>,
}

impl Lease {
    /// None yet, of a process that has just heard of the database.
    pub fn none() -> Self {
        Self {
            server: Uuid::new_v4(),
            sole_until: AtomicU64::new(0),
            last_revision: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            heard_at: AtomicU64::new(micros(now())),
            freed: Mutex::default(),
        }
    }

    /// This process, to the others.
    pub fn server(&self) -> Uuid {
        self.server
    }

    /// Whether nothing can have been committed that this process has not.
    pub fn is_sole(&self) -> bool {
        micros(now()) < self.sole_until.load(Ordering::Acquire)
    }

    /// The row had the own name when it was asked, which was at this moment.
    pub fn extend(&self, asked: Duration) {
        self.sole_until.store(micros(asked + LEASE), Ordering::Release);
    }

    /// Reads have to ask the database again, until it has said anew that this is the only server.
    pub fn end(&self) {
        self.sole_until.store(0, Ordering::Release);
    }

    /// The heartbeat has an answer.
    pub fn hear(&self) {
        self.heard_at.store(micros(now()), Ordering::Relaxed);
    }

    /// For how long the heartbeat has had no answer from the database.
    pub fn silence(&self) -> Duration {
        now().saturating_sub(Duration::from_micros(self.heard_at.load(Ordering::Relaxed)))
    }

    /// The last revision that was seen in the database, and the last one that its log does not keep any more.
    pub fn seen(&self) -> (u64, u64) {
        (self.last_revision.load(Ordering::Relaxed), self.floor.load(Ordering::Relaxed))
    }

    /// Takes note of what the row of the sequence says: the lease is over when the own name is gone, and the time to wait for
    /// another one begins when it is first seen that it was taken away. To be told of the row whenever it was read.
    pub fn observe(&self, state: &Sequence) {
        let at = now();
        self.last_revision.store(state.last_revision, Ordering::Relaxed);
        self.floor.store(state.floor, Ordering::Relaxed);
        if state.sole != Some(self.server) {
            self.end();
        }
        let mut known = self.freed.lock().unwrap_or_else(PoisonError::into_inner);
        *known = state.freed.map(|mark| {
            let same = known.filter(|known| (known.epoch, known.mark) == (state.epoch, mark));
            same.unwrap_or(Freed { epoch: state.epoch, mark, since: at })
        });
    }

    /// How long to wait before something may be committed on a row that says this, and was observed.
    pub fn has_to_wait(&self, state: &Sequence) -> Duration {
        let Some(mark) = state.freed else { return Duration::ZERO };
        let known = *self.freed.lock().unwrap_or_else(PoisonError::into_inner);
        match known.filter(|known| (known.epoch, known.mark) == (state.epoch, mark)) {
            Some(known) => GRACE.saturating_sub(now().saturating_sub(known.since)),
            None => GRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sole: Option<Uuid>, freed: Option<Uuid>, epoch: Uuid) -> Sequence {
        Sequence { last_revision: 0, epoch, floor: 0, partitioned_until: 0, sole, freed, fence: Uuid::nil() }
    }

    #[test]
    fn a_lease_ends_when_the_own_name_is_gone() {
        let lease = Lease::none();
        assert!(!lease.is_sole());
        lease.extend(now());
        lease.observe(&row(Some(lease.server()), None, Uuid::nil()));
        assert!(lease.is_sole());
        lease.observe(&row(Some(Uuid::from_u128(1)), None, Uuid::nil()));
        assert!(!lease.is_sole(), "another one has its name there");
        lease.extend(now().saturating_sub(LEASE));
        assert!(!lease.is_sole(), "it was asked too long ago");
    }

    /// The wait is for one mark of one history, from when this process saw it first.
    #[test]
    fn another_mark_is_waited_for_anew() {
        let lease = Lease::none();
        let (mark, other) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        let (epoch, next_epoch) = (Uuid::from_u128(3), Uuid::from_u128(4));
        assert_eq!(lease.has_to_wait(&row(None, None, epoch)), Duration::ZERO);
        assert_eq!(lease.has_to_wait(&row(None, mark, epoch)), GRACE, "nobody has told of it");
        let seen_at = now().saturating_sub(GRACE);
        *lease.freed.lock().unwrap() = Some(Freed { epoch, mark: Uuid::from_u128(1), since: seen_at });
        lease.observe(&row(None, mark, epoch));
        assert_eq!(lease.has_to_wait(&row(None, mark, epoch)), Duration::ZERO, "it was seen a long time ago");
        assert_eq!(lease.has_to_wait(&row(None, other, epoch)), GRACE);
        assert_eq!(lease.has_to_wait(&row(None, mark, next_epoch)), GRACE);
        lease.observe(&row(None, other, epoch));
        assert!(!lease.has_to_wait(&row(None, other, epoch)).is_zero());
        lease.observe(&row(None, None, epoch));
        assert_eq!(lease.has_to_wait(&row(None, mark, epoch)), GRACE, "it is forgotten with the mark");
    }
}
