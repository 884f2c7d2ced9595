//! Where answers are written to.

use bytes::BytesMut;
use std::net::{IpAddr, SocketAddr};

/// Takes bytes. The same code writes an answer and, into a [`Length`], measures it.
pub trait Output {
    /// Appends these.
    fn put(&mut self, bytes: &[u8]);

    /// Appends a `[byte]`.
    fn byte(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Appends a `[short]`.
    fn short(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Appends an `[int]`.
    fn int(&mut self, value: i32) {
        self.put(&value.to_be_bytes());
    }

    /// Appends a `[string]`: what does not fit into 65,535 bytes is cut off, at a character.
    fn string(&mut self, value: &str) {
        let mut end = value.len().min(usize::from(u16::MAX));
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let (value, _) = value.split_at(end);
        self.short(u16::try_from(value.len()).unwrap_or(u16::MAX));
        self.put(value.as_bytes());
    }

    /// Appends a number of things, as an `[int]`.
    fn count(&mut self, count: usize) {
        self.int(i32::try_from(count).unwrap_or(i32::MAX));
    }

    /// Appends a `[bytes]` of this value: a blob, or a text. Values have far fewer than two GiB.
    fn value(&mut self, value: &[u8]) {
        self.count(value.len());
        self.put(value);
    }

    /// Appends a `[bytes]` of this value or of none.
    fn optional(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.value(value),
            None => self.null(),
        }
    }

    /// Appends a `[bytes]` that is null.
    fn null(&mut self) {
        self.int(-1);
    }

    /// Appends a `[bytes]` of a number of 64 bits.
    fn bigint(&mut self, value: i64) {
        self.int(8);
        self.put(&value.to_be_bytes());
    }

    /// Appends an `[inet]`.
    fn inet(&mut self, address: SocketAddr) {
        match address.ip() {
            IpAddr::V4(address) => {
                self.byte(4);
                self.put(&address.octets());
            }
            IpAddr::V6(address) => {
                self.byte(16);
                self.put(&address.octets());
            }
        }
        self.int(i32::from(address.port()));
    }
}

impl Output for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Output for BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Only counts what is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Length(pub u64);

impl Output for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}
