//! What the server says of itself, and to whom.

use super::value;
use crate::logs::LogFormat;
use clap::Args;
use std::net::SocketAddr;

/// What the server says of itself, and to whom.
#[derive(Args, Debug, Clone)]
pub struct LogSettings {
    /// What is logged to standard error: error, warn, info, debug, trace, or a filter like info,cirrus=debug
    #[arg(long, env = "CIRRUS_LOG", value_name = "FILTER", default_value = "info,sqlx=warn,actix_server=warn",
        value_parser = value::log_filter)]
    pub log: String,

    /// In which form
    #[arg(long, env = "CIRRUS_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// Send traces of requests to the collector of OpenTelemetry at this address, by OTLP over HTTP; usually <http://host:4318>.
    /// Without it none are made
    #[arg(long, env = "CIRRUS_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true, value_parser = value::collector)]
    pub otlp_endpoint: Option<String>,

    /// Where to listen for `contrail-status`, which asks there how the server is, and for nothing else; it asks port 8084.
    /// Whoever reaches it is told. Without it nowhere
    #[arg(long, env = "CIRRUS_INTROSPECT_LISTEN", value_name = "ADDRESS:PORT", value_parser = value::address)]
    pub introspect_listen: Option<SocketAddr>,
}
