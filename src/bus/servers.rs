//! Where message brokers are, and connections to them.

use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use std::{str::FromStr, time::Duration};
use tokio::time::timeout;

/// How long a broker may take to be ready for messages: one that is about to start takes connections before.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Message brokers, to be tried one after the other.
#[derive(Clone, Debug)]
pub struct AmqpServers(Vec<AMQPUri>);

impl FromStr for AmqpServers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let server = |url: &str| {
            let expected = "amqp://user:password@host:5672/%2F is expected, several joined by commas";
            url.trim().parse().map_err(|error| format!("{error}; {expected}"))
        };
        text.split(',').map(server).collect::<Result<_, _>>().map(Self)
    }
}

impl AmqpServers {
    /// In the order in which they are tried; there is at least one.
    pub fn all(&self) -> &[AMQPUri] {
        &self.0
    }

    /// Where they are, without what is secret: `host:port` each.
    pub fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|server| format!("{}:{}", server.authority.host, server.authority.port)).collect()
    }
}

/// Why a broker can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It is not there, or it refuses.
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    /// It says nothing.
    #[error("the broker does not answer")]
    Silent,
}

/// Connects to a broker, and opens a first channel.
///
/// # Errors
/// When the broker is away, refuses, or is not ready [in time](CONNECT_WITHIN).
pub async fn connect(server: &AMQPUri) -> Result<(Connection, Channel), ConnectError> {
    let connect = async {
        let properties = ConnectionProperties::default().with_connection_name("cirrus".into());
        let connection = Connection::connect_uri(server.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    };
    timeout(CONNECT_WITHIN, connect).await.map_err(|_| ConnectError::Silent)?
}
