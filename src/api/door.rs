//! By which way a request came in, and who is believed in what it says of others.

use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// A way in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// That for everybody.
    Public,
    /// The Unix socket for administrators, with the user whose process is at the other end.
    AdministratorsSocket {
        /// The system's number; none where it does not tell.
        user: Option<u32>,
    },
    /// The port for administrators, with a password.
    AdministratorsPort,
}

impl Door {
    /// From where a request came, for people.
    pub fn origin(self, peer: Option<IpAddr>) -> Option<String> {
        match self {
            Self::AdministratorsSocket { user: Some(user) } => Some(format!("user {user} of this machine")),
            _ => peer.map(|address| address.to_string()),
        }
    }
}

/// Who is believed about where a request came from: `X-Forwarded-For`, `-Proto`, `-Host`, and `X-Requestor-IP`.
pub enum Proxies {
    /// Whoever says something.
    All,
    /// These, and nobody else.
    These(Vec<IpNetwork>),
}

impl Proxies {
    /// Whether who sends from this address is believed. Without an address it is a Unix socket, which no proxy uses.
    pub fn believe(&self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::All, _) => true,
            (Self::These(proxies), Some(address)) => {
                let address = address.to_canonical();
                proxies.iter().any(|proxy| proxy.contains(address))
            }
            (Self::These(_), None) => false,
        }
    }

    /// The client in `X-Forwarded-For`, to which each proxy adds whom it heard it from: the last one that is not itself a proxy. What
    /// stands before that anybody may have written. Where all are believed the first one is taken.
    pub fn client<'a>(&self, forwarded_for: &'a str) -> Option<&'a str> {
        let mut named = forwarded_for.split(',').map(str::trim).filter(|name| !name.is_empty());
        match self {
            Self::All => named.next(),
            Self::These(_) => {
                let is_proxy = |name: &&str| name.parse().is_ok_and(|address| self.believe(Some(address)));
                named.clone().rfind(|name| !is_proxy(name)).or_else(|| named.next())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_6_only_proxies_are_believed() {
        let proxies = Proxies::These(vec!["10.0.0.0/24".parse().unwrap(), "2001:db8::7".parse().unwrap()]);
        for (address, believed) in [
            ("10.0.0.7", true),
            ("::ffff:10.0.0.7", true),
            ("2001:db8::7", true),
            ("10.0.1.7", false),
            ("2001:db8::8", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(proxies.believe(Some(address.parse().unwrap())), believed, "{address}");
            assert!(Proxies::All.believe(Some(address.parse().unwrap())));
        }
        assert!(!proxies.believe(None));
        for (header, client) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("127.0.0.1, 192.0.2.1, 10.0.0.9", Some("192.0.2.1")),
            ("10.0.0.8, 10.0.0.9", Some("10.0.0.8")),
            ("unknown, 10.0.0.9", Some("unknown")),
            (" , ", None),
        ] {
            assert_eq!(proxies.client(header), client, "{header}");
        }
        assert_eq!(Proxies::All.client("192.0.2.1, 192.0.2.2"), Some("192.0.2.1"));
    }
}
