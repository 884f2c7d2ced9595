//! Where message brokers are.

use super::ServeSettings;
use crate::bus::{AmqpServers, BrokerTls, BrokerTlsPart};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Where message brokers are (access contract 7.3, `rabbit_*`).
#[derive(Args, Debug, Clone)]
pub struct BrokerSettings {
    /// The message brokers to send changes to, and jobs and messages of clients, as
    /// <amqp://user:password@host:5672/%2F>, several joined by commas; they are tried one after the other. Without it
    /// nothing is sent
    #[arg(long, env = "CIRRUS_AMQP_URL", value_name = "URL,..", hide_env_values = true)]
    pub amqp_url: Option<AmqpServers>,

    /// The certificates of authorities that those of brokers are of (PEM), beside the public ones, where TLS is spoken with them
    /// (amqps)
    #[arg(long, env = "CIRRUS_AMQP_CA_FILE", value_name = "FILE", requires = "amqp_url")]
    pub amqp_ca_file: Option<PathBuf>,

    /// The certificate that is shown to brokers, followed by those that lead to an authority (PEM)
    #[arg(long, env = "CIRRUS_AMQP_CERTIFICATE", value_name = "FILE", requires = "amqp_url", requires = "amqp_key")]
    pub amqp_certificate: Option<PathBuf>,

    /// The private key of that certificate (PEM, not encrypted)
    #[arg(long, env = "CIRRUS_AMQP_KEY", value_name = "FILE", requires = "amqp_certificate")]
    pub amqp_key: Option<PathBuf>,

    /// For how many seconds a reply is waited for that a client wants over a broker, unless it says so
    #[arg(long, env = "CIRRUS_AMQP_TIMEOUT", value_name = "SECONDS", default_value = "660",
        value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub amqp_timeout: u32,
}

impl BrokerSettings {
    /// How long a reply is waited for.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.amqp_timeout.into())
    }
}

impl ServeSettings {
    /// The message brokers, with what TLS with them is made of; none where nothing is sent.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub fn brokers(&self) -> Result<Option<AmqpServers>, String> {
        let BrokerSettings { amqp_url, amqp_ca_file, amqp_certificate, amqp_key, .. } = &self.broker;
        let Some(servers) = amqp_url else { return Ok(None) };
        let read = |field: &str, file: &Option<PathBuf>| {
            let read = |file: &PathBuf| {
                std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", self.told(field, file.display())))
            };
            file.as_ref().map(read).transpose()
        };
        let tls = BrokerTls {
            authorities: read("amqp_ca_file", amqp_ca_file)?,
            certificate: read("amqp_certificate", amqp_certificate)?,
            key: read("amqp_key", amqp_key)?,
        };
        let named =
            |field: &str, file: &Option<PathBuf>| self.told(field, file.as_deref().unwrap_or(Path::new("")).display());
        tls.check().map_err(|(part, why)| {
            let setting = match part {
                BrokerTlsPart::Authorities => named("amqp_ca_file", amqp_ca_file),
                BrokerTlsPart::Certificate => named("amqp_certificate", amqp_certificate),
                BrokerTlsPart::Key => named("amqp_key", amqp_key),
            };
            format!("{setting}: {why}")
        })?;
        Ok(Some(servers.clone().with_tls(&tls)))
    }
}
