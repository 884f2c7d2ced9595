//! The command line of the tool.

use super::InterfaceRouteError;
use crate::client::{ClientError, ServerSettings};
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

/// A uuid in the form that servers store.
///
/// # Errors
/// Says what is expected.
pub fn uuid(text: &str) -> Result<String, InterfaceRouteError> {
    let refuse = |_| ClientError::Argument(format!("'{text}' is not the uuid of an interface")).into();
    Uuid::try_parse(text).map(|uuid| uuid.to_string()).map_err(refuse)
}

/// A destination in its normal form.
///
/// # Errors
/// Says what is expected.
pub fn prefix(text: &str) -> Result<String, InterfaceRouteError> {
    let refuse = |why: String| Err(ClientError::Argument(format!("'{text}' is not a prefix: {why}")).into());
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
