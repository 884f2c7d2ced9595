//! A reverse proxy that gives each request to the next server, as load balancers do: what one server answered has to
//! be true on the other one at once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Listens until it is dropped.
pub struct RoundRobin {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

impl RoundRobin {
    pub async fn start(servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let (servers, counted) = (Arc::new(servers), Arc::clone(&requests));
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (servers, counted) = (Arc::clone(&servers), Arc::clone(&counted));
                // An error is a connection that broke: then the client sees it break, too.
                tokio::spawn(async move { serve(client, &servers, &counted).await.ok() });
            }
        });
        Self { address, requests, listening }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have come; each server got its share, more or less one.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for RoundRobin {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Serves one connection of a client. Nothing is changed on the way, so that the server sees the name by which the
/// client called the proxy and builds its links with it.
async fn serve(client: TcpStream, servers: &[SocketAddr], requests: &AtomicUsize) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    while let Some(request) = read_message(&mut client).await? {
        let server = servers[requests.fetch_add(1, Ordering::Relaxed) % servers.len()];
        let mut server = TcpStream::connect(server).await?;
        server.set_nodelay(true)?;
        server.write_all(&request).await?;
        let Some(answer) = read_message(&mut BufReader::new(server)).await? else { break };
        client.get_mut().write_all(&answer).await?;
    }
    Ok(())
}

/// A whole request or answer; `None` at the end of the connection.
async fn read_message(from: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    let mut length = 0;
    loop {
        let begin = message.len();
        if from.read_until(b'\n', &mut message).await? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&message[begin..]).trim().to_ascii_lowercase();
        match line.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().map_err(io::Error::other)?,
            Some(("transfer-encoding", _)) => return Err(io::Error::other("only whole bodies are passed on")),
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let begin = message.len();
    message.resize(begin + length, 0);
    from.read_exact(&mut message[begin..]).await?;
    Ok(Some(message))
}
