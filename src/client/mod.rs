//! What the tools of the command line have in common: a contrail-api somewhere, and what goes wrong with it.

mod api_server;

pub use api_server::{ApiServer, Method};

use clap::Args;

/// Why a request has no answer, or not the one asked for: one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An argument is not what it should be.
    #[error("{0}")]
    Argument(String),
    /// The server can't be asked.
    #[error("{0} can't be reached: {1}")]
    Unreachable(String, String),
    /// The server wants to know who asks, or does not like who does.
    #[error("{0}")]
    Authentication(String),
    /// The server refused.
    #[error("{server} answers {status}: {text}")]
    Refused {
        /// Its address.
        server: String,
        /// The status code.
        status: u16,
        /// What it says.
        text: String,
    },
}

/// Which server, and who asks. A user is only told to a server that asks for one.
#[derive(Args, Debug, Clone)]
pub struct ServerSettings {
    /// Name or address of the server; `https://NAME` if it speaks TLS
    #[arg(short, long, global = true, env = "CIRRUS_API_SERVER", default_value = "localhost")]
    pub server: String,
    /// Its port
    #[arg(short, long, global = true, env = "CIRRUS_API_PORT", default_value_t = 8082)]
    pub port: u16,
    /// User
    #[arg(short, long, global = true, env = "OS_USERNAME")]
    pub user: Option<String>,
    /// Tenant (project) of the user
    #[arg(short, long, global = true, env = "OS_PROJECT_NAME", default_value = "admin")]
    pub tenant: String,
    /// Password of the user
    #[arg(short = 'w', long, global = true, env = "OS_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Where Keystone is, like `http://keystone:5000/v3`; without it the user is told to the server itself (HTTP Basic)
    #[arg(long, global = true, env = "OS_AUTH_URL", value_name = "URL")]
    pub auth_url: Option<String>,
}
