//! The command line of the tool.

use super::InterfaceRouteError;
use clap::{Args, Subcommand};
use ipnetwork::IpNetwork;
use uuid::Uuid;

/// Static routes of interfaces, on this or any other contrail-api.
#[derive(Args, Debug, Clone)]
pub struct InterfaceRouteSettings {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// Which server, and who asks.
    #[command(flatten)]
    pub server: ServerSettings,
}

/// What to do.
#[derive(Subcommand, Debug, Clone)]
pub enum Action {
    /// Add a static route to an interface
    Add {
        /// The uuid of the virtual-machine-interface
        uuid: String,
        /// The destination, like 10.1.0.0/16 or `2001:db8::/32`
        prefix: String,
    },
    /// Delete a static route of an interface, or all of them
    Delete {
        /// The uuid of the virtual-machine-interface
        uuid: String,
        /// The destination; without it, all static routes
        prefix: Option<String>,
    },
    /// Show the static routes of an interface
    Show {
        /// The uuid of the virtual-machine-interface
        uuid: String,
        /// As JSON, with all fields of the routes
        #[arg(long)]
        json: bool,
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

/// A uuid in the form that servers store.
///
/// # Errors
/// Says what is expected.
pub fn uuid(text: &str) -> Result<String, InterfaceRouteError> {
    let refuse = |_| InterfaceRouteError::Argument(format!("'{text}' is not the uuid of an interface"));
    Uuid::try_parse(text).map(|uuid| uuid.to_string()).map_err(refuse)
}

/// A destination in its normal form.
///
/// # Errors
/// Says what is expected.
pub fn prefix(text: &str) -> Result<String, InterfaceRouteError> {
    let refuse = |why: String| Err(InterfaceRouteError::Argument(format!("'{text}' is not a prefix: {why}")));
    let Some(network) = text.parse::<IpNetwork>().ok().filter(|_| text.contains('/')) else {
        return refuse("an address and a length are expected, like 10.1.0.0/16".to_owned());
    };
    if network.ip() != network.network() {
        return refuse(format!("bits are set beyond its length; {}/{} has none", network.network(), network.prefix()));
    }
    Ok(network.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_one_form() {
        assert_eq!(prefix("10.1.0.0/16").unwrap(), "10.1.0.0/16");
        assert_eq!(prefix("0.0.0.0/0").unwrap(), "0.0.0.0/0");
        assert_eq!(prefix("2001:DB8:0::/32").unwrap(), "2001:db8::/32");
        for bad in ["", "10.1.0.0", "10.1.0.0/33", "10.1/16", "ten/8", "10.1.0.0/-1", "10.1.0.0/16 "] {
            let refused = prefix(bad).unwrap_err().to_string();
            assert!(refused.contains(&format!("'{bad}'")) && refused.contains("like 10.1.0.0/16"), "{refused}");
        }
        assert!(prefix("10.1.2.3/16").unwrap_err().to_string().contains("10.1.0.0/16 has none"));
    }
}
