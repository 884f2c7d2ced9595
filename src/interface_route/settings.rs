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
        /// The uuid of the virtual-machine-interface, or its name, like default-domain:default-project:port
        interface: String,
        /// The destination, like 10.1.0.0/16 or `2001:db8::/32`
        prefix: String,
    },
    /// Delete a static route of an interface, or all of them
    Delete {
        /// The uuid of the virtual-machine-interface, or its name, like default-domain:default-project:port
        interface: String,
        /// The destination; without it, all static routes
        prefix: Option<String>,
    },
    /// Show the static routes of an interface
    Show {
        /// The uuid of the virtual-machine-interface, or its name, like default-domain:default-project:port
        interface: String,
        /// As JSON, with all fields of the routes
        #[arg(long)]
        json: bool,
    },
}

/// An interface, as its user calls it.
#[derive(Debug, PartialEq, Eq)]
pub enum Interface {
    /// By its uuid, in the form that servers store.
    Uuid(String),
    /// By the elements of its name.
    Name(Vec<String>),
}

/// A uuid, or a name with all its elements joined by colons.
///
/// # Errors
/// Says what is expected.
pub fn interface(text: &str) -> Result<Interface, InterfaceRouteError> {
    if let Ok(uuid) = Uuid::try_parse(text) {
        return Ok(Interface::Uuid(uuid.to_string()));
    }
    let elements: Vec<String> = text.split(':').map(str::to_owned).collect();
    if elements.len() < 2 || elements.iter().any(String::is_empty) {
        let text = format!(
            "'{text}' is neither the uuid of an interface nor its whole name, like default-domain:default-project:port"
        );
        return Err(ClientError::Argument(text).into());
    }
    Ok(Interface::Name(elements))
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
    fn interfaces_are_uuids_or_whole_names() {
        let uuid = "2ee1f8f0-1c2d-4e5f-8a9b-0c1d2e3f4a5b";
        let by_uuid = Interface::Uuid(uuid.to_owned());
        assert_eq!(interface(uuid).unwrap(), by_uuid);
        assert_eq!(interface(&uuid.to_uppercase().replace('-', "")).unwrap(), by_uuid);
        let elements = ["default-domain", "default-project", "a port"].map(str::to_owned).to_vec();
        assert_eq!(interface("default-domain:default-project:a port").unwrap(), Interface::Name(elements));
        for bad in ["", "eth0", ":", "default-domain::port", "default-domain:"] {
            let refused = interface(bad).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("'{bad}' is neither the uuid")), "{refused}");
        }
    }

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
