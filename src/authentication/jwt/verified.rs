//! Tokens whose signature was checked before, by their digest: none is checked for each request.

use crate::authentication::{Known, token::Digest};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// How many are kept.
const MOST: usize = 10_000;
/// How many bytes all of them may have, as tokens; what is known of one takes a few times as much.
const MOST_BYTES: usize = 8 << 20;

/// Whose tokens are that were checked with the keys of this digest. When there are others, all are checked anew; when there are
/// too many, the oldest go.
#[derive(Default)]
pub struct Verified {
    keys: Digest,
    known: HashMap<Digest, Arc<Known>>,
    in_turn: VecDeque<(Digest, usize)>,
    bytes: usize,
}

impl Verified {
    /// Whose a token is, if it was checked with these keys.
    pub fn find(&self, token: &Digest, keys: &Digest) -> Option<Arc<Known>> {
        if self.keys == *keys { self.known.get(token).map(Arc::clone) } else { None }
    }

    /// Keeps whose a token of so many bytes is, which was checked with these keys.
    pub fn keep(&mut self, token: Digest, length: usize, known: Arc<Known>, keys: &Digest) {
        if self.keys != *keys {
            *self = Self { keys: *keys, ..Self::default() };
        }
        if self.known.insert(token, known).is_some() {
            return;
        }
        self.in_turn.push_back((token, length));
        self.bytes += length;
        while self.in_turn.len() > MOST || self.bytes > MOST_BYTES {
            let Some((oldest, length)) = self.in_turn.pop_front() else { return };
            self.known.remove(&oldest);
            self.bytes -= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Caller, Level};
    use serde_json::Value;

    fn known() -> Arc<Known> {
        let caller = Arc::new(Caller::of_level(Level::Member));
        Arc::new(Known { caller, expires_at: None, token_info: Value::Null })
    }

    fn digest(number: usize) -> Digest {
        crate::authentication::token::digest(&number.to_string())
    }

    #[test]
    fn other_keys_let_all_be_checked_anew() {
        let (one, other) = (digest(1), digest(2));
        let mut verified = Verified::default();
        verified.keep(digest(7), 100, known(), &one);
        assert!(verified.find(&digest(7), &one).is_some() && verified.find(&digest(8), &one).is_none());
        assert!(verified.find(&digest(7), &other).is_none());
        verified.keep(digest(8), 100, known(), &other);
        assert!(verified.find(&digest(7), &one).is_none() && verified.find(&digest(7), &other).is_none());
        assert_eq!((verified.known.len(), verified.in_turn.len(), verified.bytes), (1, 1, 100));
    }

    #[test]
    fn the_oldest_go() {
        let keys = digest(0);
        let mut verified = Verified::default();
        for number in 0..=MOST {
            verified.keep(digest(number), 100, known(), &keys);
            verified.keep(digest(number), 100, known(), &keys);
        }
        assert!(verified.find(&digest(0), &keys).is_none() && verified.find(&digest(1), &keys).is_some());
        assert_eq!((verified.known.len(), verified.in_turn.len(), verified.bytes), (MOST, MOST, MOST * 100));
        verified.keep(digest(MOST + 1), MOST_BYTES, known(), &keys);
        assert_eq!((verified.known.len(), verified.bytes), (1, MOST_BYTES));
    }
}
