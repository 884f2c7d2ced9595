//! What systemd wants to know of a service of `Type=notify`: that it is ready. Whoever starts it, or comes after it, waits for that.

use std::{env, os::unix::net::UnixDatagram};

/// The variable in which it says where it listens: the path of a Unix socket.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// Says that requests are answered from now on, where somebody waits for it.
pub fn ready() {
    let Some(listener) = env::var_os(NOTIFY_SOCKET) else { return };
    let told = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"READY=1\n", &listener));
    if let Err(error) = told {
        tracing::warn!(%error, listener = %listener.display(), "the service manager could not be told that the server is ready");
    }
}
