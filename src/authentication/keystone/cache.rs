//! What Keystone has said of tokens, for a while. The key is the digest of the token (KS-8): who reads the memory of this process, or
//! a copy of it, has no tokens. Time is handed in.

use crate::authentication::token::Digest;
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

/// How much is held of what was accepted, by estimate.
const MOST_BYTES: usize = 64 << 20;
/// How many refusals are held. They have room of their own: whoever makes up tokens pushes no good ones out.
const MOST_REFUSALS: usize = 20_000;
/// For how long a refusal is good: a token may be new, and known to one Keystone before the other (KS-7).
const REFUSALS_LAST: Duration = Duration::from_secs(5);

/// What is known of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<V> {
    /// It was accepted, a short time ago.
    Accepted(V),
    /// It was refused, a short time ago.
    Refused,
    /// It was accepted, and Keystone has to be asked anew, if it can be.
    Old(V),
    /// Nothing.
    Nothing,
}

/// Until when an acceptance is good.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// Nobody needs to ask.
    pub good: Instant,
    /// It may still be used where nobody can be asked.
    pub usable: Instant,
}

struct Accepted<V> {
    value: V,
    until: Until,
    weight: usize,
    turn: u64,
}

struct Refused {
    until: Instant,
    turn: u64,
}

/// What was answered, by keys.
pub struct Cache<V> {
    most_bytes: usize,
    most_refusals: usize,
    accepted: HashMap<Digest, Accepted<V>>,
    refused: HashMap<Digest, Refused>,
    /// The keys of both by when they came: the oldest goes first.
    accepted_in_turn: BTreeMap<u64, Digest>,
    refused_in_turn: BTreeMap<u64, Digest>,
    bytes: usize,
    turn: u64,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self::with(MOST_BYTES, MOST_REFUSALS)
    }
}

impl<V> Cache<V> {
    /// With room for so many bytes of what was accepted, and for so many refusals.
    pub fn with(most_bytes: usize, most_refusals: usize) -> Self {
        Self {
            most_bytes,
            most_refusals,
            accepted: HashMap::new(),
            refused: HashMap::new(),
            accepted_in_turn: BTreeMap::new(),
            refused_in_turn: BTreeMap::new(),
            bytes: 0,
            turn: 0,
        }
    }

    /// Forgets a key.
    pub fn forget(&mut self, key: &Digest) {
        if let Some(gone) = self.accepted.remove(key) {
            self.accepted_in_turn.remove(&gone.turn);
            self.bytes -= gone.weight;
        }
        if let Some(gone) = self.refused.remove(key) {
            self.refused_in_turn.remove(&gone.turn);
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Keeps an acceptance that is about `weight` bytes, instead of what was known.
    pub fn accept(&mut self, key: Digest, value: V, weight: usize, until: Until) {
        self.forget(&key);
        if weight > self.most_bytes {
            return;
        }
        while self.bytes + weight > self.most_bytes
            && let Some((_, &oldest)) = self.accepted_in_turn.first_key_value()
        {
            self.forget(&oldest);
        }
        let turn = self.next_turn();
        self.bytes += weight;
        self.accepted_in_turn.insert(turn, key);
        self.accepted.insert(key, Accepted { value, until, weight, turn });
    }

    /// Keeps a refusal, instead of what was known.
    pub fn refuse(&mut self, key: Digest, now: Instant) {
        self.forget(&key);
        while self.refused.len() >= self.most_refusals
            && let Some((_, &oldest)) = self.refused_in_turn.first_key_value()
        {
            self.forget(&oldest);
        }
        let turn = self.next_turn();
        self.refused_in_turn.insert(turn, key);
        self.refused.insert(key, Refused { until: now + REFUSALS_LAST, turn });
    }
}

impl<V: Clone> Cache<V> {
    /// What is known of a token by now.
    pub fn look(&mut self, key: &Digest, now: Instant) -> Found<V> {
        if let Some(known) = self.accepted.get(key) {
            if now < known.until.good {
                return Found::Accepted(known.value.clone());
            }
            if now < known.until.usable {
                return Found::Old(known.value.clone());
            }
        } else if self.refused.get(key).is_some_and(|known| now < known.until) {
            return Found::Refused;
        }
        self.forget(key);
        Found::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(number: u8) -> Digest {
        crate::authentication::token::digest(&number.to_string())
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn until(begin: Instant, good: u64, usable: u64) -> Until {
        Until { good: begin + seconds(good), usable: begin + seconds(usable) }
    }

    #[test]
    fn ks_8_what_was_accepted_is_good_then_old_then_gone() {
        let (mut cache, begin) = (Cache::default(), Instant::now());
        cache.accept(key(1), "alice", 1, until(begin, 60, 100));
        assert_eq!(cache.look(&key(1), begin + seconds(59)), Found::Accepted("alice"));
        assert_eq!(cache.look(&key(1), begin + seconds(60)), Found::Old("alice"));
        assert_eq!(cache.look(&key(1), begin + seconds(99)), Found::Old("alice"));
        assert_eq!(cache.look(&key(1), begin + seconds(100)), Found::Nothing);
        assert_eq!((cache.accepted.len(), cache.accepted_in_turn.len(), cache.bytes), (0, 0, 0));
        assert_eq!(cache.look(&key(2), begin), Found::Nothing);
    }

    #[test]
    fn ks_7_refusals_last_for_seconds_only() {
        let (mut cache, begin) = (Cache::default(), Instant::now());
        cache.accept(key(1), "alice", 1, until(begin, 60, 100));
        cache.refuse(key(1), begin);
        assert_eq!(cache.look(&key(1), begin + seconds(4)), Found::Refused);
        assert_eq!(cache.look(&key(1), begin + seconds(5)), Found::Nothing);
        assert_eq!((cache.refused.len(), cache.refused_in_turn.len()), (0, 0));
    }

    #[test]
    fn refusals_push_no_acceptances_out() {
        let (mut cache, begin) = (Cache::with(10, 3), Instant::now());
        cache.accept(key(200), "alice", 10, until(begin, 60, 60));
        for number in 0..100 {
            cache.refuse(key(number), begin);
        }
        assert_eq!(cache.refused.len(), 3);
        assert_eq!(cache.look(&key(200), begin), Found::Accepted("alice"));
        cache.accept(key(201), "too much", 11, until(begin, 60, 60));
        assert_eq!(cache.look(&key(201), begin), Found::Nothing);
        assert_eq!(cache.look(&key(200), begin), Found::Accepted("alice"));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Accept { key: u8, weight: usize, good: u64, usable: u64 },
        Refuse { key: u8 },
        Wait { seconds: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u8..6, 0_usize..60, 0_u64..20, 0_u64..40).prop_map(|(key, weight, good, usable)| Step::Accept {
                key,
                weight,
                good,
                usable
            }),
            (0_u8..6).prop_map(|key| Step::Refuse { key }),
            (0_u64..10).prop_map(|seconds| Step::Wait { seconds }),
        ]
    }

    proptest! {
        /// It says nothing but what was said last and has not ended, and holds no more than it may.
        #[test]
        fn it_is_a_map_that_forgets(steps in prop::collection::vec(step(), 1..60)) {
            let mut cache = Cache::with(100, 3);
            let mut said: BTreeMap<u8, (Option<usize>, Until)> = BTreeMap::new();
            let mut now = Instant::now();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Accept { key: of, weight, good, usable } => {
                        let until = until(now, good, good.max(usable));
                        cache.accept(key(of), number, weight, until);
                        said.insert(of, (Some(number), until));
                        let found = cache.look(&key(of), now);
                        prop_assert!(until.usable == now || found != Found::Nothing, "just kept");
                    }
                    Step::Refuse { key: of } => {
                        cache.refuse(key(of), now);
                        said.insert(of, (None, Until { good: now + REFUSALS_LAST, usable: now }));
                        prop_assert_eq!(cache.look(&key(of), now), Found::Refused);
                    }
                    Step::Wait { seconds } => now += Duration::from_secs(seconds),
                }
                for of in 0..6 {
                    let expected = match said.get(&of) {
                        Some((Some(value), until)) if now < until.good => Found::Accepted(*value),
                        Some((Some(value), until)) if now < until.usable => Found::Old(*value),
                        Some((None, until)) if now < until.good => Found::Refused,
                        _ => Found::Nothing,
                    };
                    let found = cache.look(&key(of), now);
                    prop_assert!(found == expected || found == Found::Nothing, "{of}: {found:?}, not {expected:?}");
                }
                let weights: usize = cache.accepted.values().map(|accepted| accepted.weight).sum();
                prop_assert!(cache.bytes == weights && weights <= 100);
                prop_assert!(cache.refused.len() <= 3);
                prop_assert_eq!(cache.accepted.len(), cache.accepted_in_turn.len());
                prop_assert_eq!(cache.refused.len(), cache.refused_in_turn.len());
            }
        }
    }
}
