//! The body of a request, read from its begin to its end.

use bytes::Bytes;

/// A frame that is not what the protocol wants: an error of kind [`super::ErrorKind::Protocol`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProtocolError(pub(super) String);

/// What is left of a body.
pub(super) struct Input(pub Bytes);

impl Input {
    /// The next bytes, so many; they are shared with the body.
    fn take(&mut self, length: usize, what: &str) -> Result<Bytes, ProtocolError> {
        if length > self.0.len() {
            let left = self.0.len();
            return Err(ProtocolError(format!("{what} has {length} bytes, but the frame ends after {left}")));
        }
        Ok(self.0.split_to(length))
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ProtocolError> {
        let bytes = self.take(N, what)?;
        bytes.first_chunk().copied().ok_or_else(|| ProtocolError(format!("{what} is too short")))
    }

    /// A `[byte]`.
    pub fn byte(&mut self, what: &str) -> Result<u8, ProtocolError> {
        self.array(what).map(u8::from_be_bytes)
    }

    /// A `[short]`.
    pub fn short(&mut self, what: &str) -> Result<u16, ProtocolError> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// An `[int]`.
    pub fn int(&mut self, what: &str) -> Result<i32, ProtocolError> {
        self.array(what).map(i32::from_be_bytes)
    }

    /// A `[long]`.
    pub fn long(&mut self, what: &str) -> Result<i64, ProtocolError> {
        self.array(what).map(i64::from_be_bytes)
    }

    /// A `[string]`.
    pub fn string(&mut self, what: &str) -> Result<String, ProtocolError> {
        let length = self.short(what)?;
        text(&self.take(usize::from(length), what)?, what)
    }

    /// A `[long string]`.
    pub fn long_string(&mut self, what: &str) -> Result<String, ProtocolError> {
        let length = self.int(what)?;
        let length = usize::try_from(length)
            .map_err(|_| ProtocolError(format!("Length of {what} is {length}, expected 0 or more")))?;
        text(&self.take(length, what)?, what)
    }

    /// A `[short bytes]`.
    pub fn short_bytes(&mut self, what: &str) -> Result<Bytes, ProtocolError> {
        let length = self.short(what)?;
        self.take(usize::from(length), what)
    }

    /// A `[bytes]`, with the length that it says if that is negative.
    pub fn bytes(&mut self, what: &str) -> Result<Result<Bytes, i32>, ProtocolError> {
        let length = self.int(what)?;
        match usize::try_from(length) {
            Ok(length) => self.take(length, what).map(Ok),
            Err(_) => Ok(Err(length)),
        }
    }

    /// Nothing is left.
    pub fn end(&self) -> Result<(), ProtocolError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(ProtocolError(format!("{left} bytes are left at the end of the frame"))),
        }
    }
}

fn text(bytes: &[u8], what: &str) -> Result<String, ProtocolError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ProtocolError(format!("{what} is not UTF-8")))
}
