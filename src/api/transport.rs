//! What a connection is made of: a socket of TCP or of Unix, or TLS on one of TCP.

use crate::settings::TcpKeepalive;
use actix_web::rt::net::{TcpStream, UnixStream};
use socket2::SockRef;
use std::{
    io,
    net::SocketAddr,
    os::fd::{AsRawFd, RawFd},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// Bytes to and from a client.
pub enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

trait Bytes: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Bytes for T {}

impl Transport {
    fn bytes(&mut self) -> Pin<&mut dyn Bytes> {
        match self {
            Self::Tcp(stream) => Pin::new(stream),
            Self::Unix(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }

    /// The server's end, where it has an address.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

impl AsRawFd for Transport {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
            Self::Tls(stream) => stream.get_ref().0.as_raw_fd(),
        }
    }
}

/// Sets up a socket: small pieces go out at once, and who takes nothing for a time is gone, or as good as gone; a watcher may come
/// back and go on where it was. Who says nothing at all is asked whether it is still there.
pub fn set_up(stream: &TcpStream, takes_nothing: Duration, keepalive: TcpKeepalive) {
    let socket = SockRef::from(stream);
    let asks = || match keepalive {
        TcpKeepalive::Off => Ok(()),
        TcpKeepalive::Asks { idle, interval, probes } => {
            let asked = socket2::TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
            socket.set_tcp_keepalive(&asked)
        }
    };
    let set =
        stream.set_nodelay(true).and_then(|()| socket.set_tcp_user_timeout(Some(takes_nothing))).and_then(|()| asks());
    if let Err(error) = set {
        tracing::debug!(%error, "a connection could not be set up");
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().bytes().poll_read(context, buffer) {
            // One who closes the socket without a word of TLS before is gone all the same. What HTTP has not seen to its end is
            // told by HTTP.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().bytes().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().bytes().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().bytes().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_silent_client_is_asked_as_it_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = async || {
            let client = TcpStream::connect(listener.local_addr().unwrap());
            client.await.unwrap()
        };
        let (idle, interval) = (Duration::from_mins(10), Duration::from_secs(20));
        let stream = connect().await;
        set_up(&stream, Duration::from_secs(9), TcpKeepalive::Asks { idle, interval, probes: 5 });
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!((socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap()), (idle, interval));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 5);
        let stream = connect().await;
        set_up(&stream, Duration::from_secs(9), TcpKeepalive::Off);
        assert!(!SockRef::from(&stream).keepalive().unwrap());
    }
}
