//! Where a page has ended, as clients give it back for the next one: on any connection, and to any process (CQL contract 3.5).

use crate::{graph::Position, wide_row::Place};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

/// What it begins with, so that what comes from elsewhere is not taken for it.
const MARK: u32 = 0x6369_7231;

/// The state of a reading in pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PagingState {
    /// Which state of the configuration is read; none for what is stored.
    pub position: Option<Position>,
    /// The last column of the page.
    pub last: Place,
    /// How many columns there were on all pages until now.
    pub read: u64,
}

impl PagingState {
    /// As clients get it.
    pub fn encoded(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_u32(MARK);
        bytes.put_u64(self.position.map_or(u64::MAX, |position| position.revision));
        bytes.put_slice(self.position.map(|position| position.epoch).unwrap_or_default().as_bytes());
        bytes.put_u64(self.read);
        bytes.put_u32(u32::try_from(self.last.key.len()).unwrap_or(u32::MAX));
        bytes.put_slice(&self.last.key);
        bytes.put_slice(&self.last.column);
        bytes.freeze()
    }

    /// From what a client gives back; nothing for what no server like this one has made.
    pub fn read(mut bytes: Bytes) -> Option<Self> {
        let mark = bytes.try_get_u32().ok().filter(|mark| *mark == MARK);
        mark?;
        let revision = bytes.try_get_u64().ok()?;
        let epoch = Uuid::from_u128(bytes.try_get_u128().ok()?);
        let read = bytes.try_get_u64().ok()?;
        let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
        if bytes.len() < length {
            return None;
        }
        let key = bytes.split_to(length);
        let position = (revision != u64::MAX).then_some(Position { epoch, revision });
        Some(Self { position, last: Place { key, column: bytes }, read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_was(revision in 0..u64::MAX, is_stored in any::<bool>(), key in any::<Vec<u8>>(), column in any::<Vec<u8>>(), read in any::<u64>()) {
            let position = (!is_stored).then_some(Position { epoch: Uuid::from_u128(7), revision });
            let state = PagingState { position, last: Place { key: key.into(), column: column.into() }, read };
            prop_assert_eq!(PagingState::read(state.encoded()), Some(state));
        }

        #[test]
        fn anything_else_is_none_or_harmless(bytes in any::<Vec<u8>>(), cut in 0..40_usize) {
            prop_assert_eq!(PagingState::read(Bytes::from(bytes.clone())), None);
            let state = PagingState { position: None, last: Place { key: bytes.clone().into(), column: Bytes::new() }, read: 1 };
            let encoded = state.encoded();
            let cut = cut.min(encoded.len());
            // No panic, whatever comes of it.
            let _ = PagingState::read(encoded.slice(..cut));
        }
    }
}
