//! Where message brokers are, and connections to them.

use lapin::{
    Channel, Connection, ConnectionBuilder, ConnectionProperties,
    tcp::{OwnedIdentity, OwnedTLSConfig},
    uri::AMQPUri,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{str::FromStr, time::Duration};
use tokio::time::timeout;

/// How long a broker may take to be ready for messages: one that is about to start takes connections before.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A message broker.
#[derive(Clone, Debug)]
pub struct AmqpServer {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
}

/// Message brokers, to be tried one after the other.
#[derive(Clone, Debug)]
pub struct AmqpServers(Vec<AmqpServer>);

impl FromStr for AmqpServers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let server = |url: &str| {
            let expected = "amqp://user:password@host:5672/%2F is expected, several joined by commas";
            let uri = url.trim().parse().map_err(|error| format!("{error}; {expected}"))?;
            Ok(AmqpServer { uri, tls: OwnedTLSConfig::default() })
        };
        text.split(',').map(server).collect::<Result<_, String>>().map(Self)
    }
}

impl AmqpServers {
    /// In the order in which they are tried; there is at least one.
    pub fn all(&self) -> &[AmqpServer] {
        &self.0
    }

    /// Where they are, without what is secret: `host:port` each.
    pub fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|server| format!("{}:{}", server.uri.authority.host, server.uri.authority.port)).collect()
    }

    /// The same, with what TLS with them is made of.
    pub fn with_tls(mut self, tls: &BrokerTls) -> Self {
        for server in &mut self.0 {
            server.tls = tls.config();
        }
        self
    }
}

/// What TLS with brokers is made of, all as PEM.
#[derive(Default)]
pub struct BrokerTls {
    /// Authorities beside the public ones.
    pub authorities: Option<String>,
    /// What the server shows of itself.
    pub certificate: Option<String>,
    /// The key of that.
    pub key: Option<String>,
}

/// A part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerTlsPart {
    /// The authorities.
    Authorities,
    /// The certificate.
    Certificate,
    /// The key.
    Key,
}

impl BrokerTls {
    /// Looks whether each part is what it is to be.
    ///
    /// # Errors
    /// Which one is not, and what is expected.
    pub fn check(&self) -> Result<(), (BrokerTlsPart, &'static str)> {
        let has_certificate = |text: &Option<String>| {
            text.as_ref().is_none_or(|text| {
                let mut read = CertificateDer::pem_slice_iter(text.as_bytes()).peekable();
                read.peek().is_some() && read.all(|certificate| certificate.is_ok())
            })
        };
        let expected = "certificates in PEM are expected";
        if !has_certificate(&self.authorities) {
            return Err((BrokerTlsPart::Authorities, expected));
        }
        if !has_certificate(&self.certificate) {
            return Err((BrokerTlsPart::Certificate, expected));
        }
        if self.key.as_ref().is_some_and(|text| PrivateKeyDer::from_pem_slice(text.as_bytes()).is_err()) {
            return Err((BrokerTlsPart::Key, "a private key in PEM is expected, not encrypted"));
        }
        Ok(())
    }

    fn config(&self) -> OwnedTLSConfig {
        let bytes = |text: &String| text.clone().into_bytes();
        let identity = self.certificate.as_ref().zip(self.key.as_ref());
        let identity = identity.map(|(pem, key)| OwnedIdentity::PKCS8 { pem: bytes(pem), key: bytes(key) });
        OwnedTLSConfig { identity, cert_chain: self.authorities.clone() }
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
pub async fn connect(server: &AmqpServer) -> Result<(Connection, Channel), ConnectError> {
    let connect = async {
        let properties = ConnectionProperties::default().with_connection_name("cirrus".into());
        let builder = ConnectionBuilder::new()?.with_uri(server.uri.clone()).with_properties(properties);
        let connection = builder.with_tls_config(server.tls.clone()).connect().await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    };
    timeout(CONNECT_WITHIN, connect).await.map_err(|_| ConnectError::Silent)?
}
