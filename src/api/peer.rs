//! Whether the client that asked is still there, for answers that may take minutes. The web server goes on with a request
//! whose client has left: it could have closed its side of the connection only.

use actix_web::{HttpRequest, dev::Extensions};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv},
};
use std::{
    os::fd::{AsRawFd, RawFd},
    time::Duration,
};
use tokio::time::interval;

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The connection of a client. It stays open as long as a request on it is being answered.
#[derive(Clone, Copy)]
pub struct Peer(RawFd);

impl Peer {
    /// Notes which connection it is, for the requests on it.
    pub fn note(stream: &impl AsRawFd, connection: &mut Extensions) {
        connection.insert(Self(stream.as_raw_fd()));
    }

    /// Of a request.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.conn_data::<Self>().copied()
    }

    /// Waits until the client has closed its side. One that asks and closes at once waits for no answer.
    pub async fn left(self) {
        let mut looks = interval(LOOK_EVERY);
        while !self.is_gone() {
            looks.tick().await;
        }
    }

    fn is_gone(self) -> bool {
        match recv(self.0, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
            Ok(length) => length == 0,
            Err(error) => !matches!(error, Errno::EAGAIN | Errno::EINTR),
        }
    }
}
