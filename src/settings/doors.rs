//! Doors: by which ways requests come in, who is believed on them, and how much of the connections one may take.

use super::{Faults, ServeSettings, is_root, value};
use crate::access::AaaMode;
use clap::{Args, ValueEnum};
use ipnetwork::IpNetwork;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

/// Ways in, and their limits.
#[derive(Args, Debug, Clone)]
pub struct DoorSettings {
    /// The certificate of the server, followed by those that lead to an authority (PEM). With it, and `--tls-key`, the server
    /// speaks TLS (1.2 and 1.3) where it listens. The files are read again when they change
    #[arg(long, env = "CIRRUS_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// The private key of that certificate (PEM, not encrypted)
    #[arg(long, env = "CIRRUS_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Authorities whose certificates clients may show (PEM)
    #[arg(long, env = "CIRRUS_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,

    /// Whether clients have to show a certificate of `--tls-client-ca`, or may [default: required, with `--tls-client-ca`]
    #[arg(long, env = "CIRRUS_TLS_CLIENT_CERTIFICATES", value_name = "WHETHER", value_enum)]
    pub tls_client_certificates: Option<ClientCertificates>,

    /// Where to listen for administrators, by a Unix socket on which root and the server's own user need no token; `none` for
    /// nowhere. Only where callers have to say who they are [default: cirrus/admin-PORT.socket in /run for root, else in
    /// `$XDG_RUNTIME_DIR`; admin-PORT.socket in `$RUNTIME_DIRECTORY` where that is set]
    #[arg(long, env = "CIRRUS_ADMIN_SOCKET", value_name = "FILE")]
    pub admin_socket: Option<PathBuf>,

    /// Where to listen for administrators with user and password (Basic), on loopback, without TLS; usually 127.0.0.1:8095
    #[arg(long, env = "CIRRUS_ADMIN_LISTEN", value_name = "ADDRESS:PORT", value_parser = value::loopback_address)]
    pub admin_listen: Option<SocketAddr>,

    /// The user's name there
    #[arg(long, env = "CIRRUS_ADMIN_USER", value_name = "NAME")]
    pub admin_user: Option<String>,

    /// A file with the password there
    #[arg(long, env = "CIRRUS_ADMIN_PASSWORD_FILE", value_name = "FILE")]
    pub admin_password_file: Option<PathBuf>,

    /// The password there, where there is no file with it
    #[arg(long, env = "CIRRUS_ADMIN_PASSWORD", value_name = "PASSWORD", hide = true, hide_env_values = true)]
    pub admin_password: Option<String>,

    /// From where `X-Forwarded-For`, `-Proto`, `-Host` and `X-Requestor-IP` are believed: addresses or networks, joined by
    /// commas. Without it from everywhere as long as there is no authentication, and from nowhere otherwise
    #[arg(long, env = "CIRRUS_TRUSTED_PROXIES", value_name = "CIDR,..", value_delimiter = ',', value_parser = value::network)]
    pub trusted_proxies: Vec<IpNetwork>,

    /// When it is found out that a client has gone without a word: after how many seconds of silence it is asked, every how many
    /// seconds again, and how often in vain; `off` for never
    #[arg(long, env = "CIRRUS_TCP_KEEPALIVE", value_name = "IDLE,INTERVAL,PROBES", default_value = "7200,75,9")]
    pub tcp_keepalive: TcpKeepalive,

    /// Limits of connections.
    #[command(flatten)]
    pub connections: ConnectionSettings,
}

/// When it is found out that a client has gone without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpKeepalive {
    /// Never.
    Off,
    /// By asking.
    Asks {
        /// After how much silence.
        idle: Duration,
        /// How often after that.
        interval: Duration,
        /// How often in vain.
        probes: u32,
    },
}

impl FromStr for TcpKeepalive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "off" {
            return Ok(Self::Off);
        }
        // What the system takes.
        let number = |part: &str, most: u32| part.trim().parse().ok().filter(|number| (1..=most).contains(number));
        let seconds = |part: &str| number(part, 32_767).map(|seconds| Duration::from_secs(seconds.into()));
        let parts: Vec<&str> = text.split(',').collect();
        let read = match parts.as_slice() {
            [idle, interval, probes] => seconds(idle).zip(seconds(interval)).zip(number(probes, 127)),
            _ => None,
        };
        let expected =
            "off is expected, or two numbers of seconds from 1 to 32767, and one from 1 to 127, like 7200,75,9";
        read.map(|((idle, interval), probes)| Self::Asks { idle, interval, probes }).ok_or_else(|| expected.to_owned())
    }
}

/// Whether clients show certificates.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Those that have one may; one of another authority is refused.
    Optional,
    /// All have to.
    Required,
}

/// How much of the connections one may take, and for how long.
#[derive(Args, Debug, Clone, Copy)]
pub struct ConnectionSettings {
    /// How many connections there may be; more get 503, or are closed where TLS is spoken
    #[arg(long, env = "CIRRUS_MAX_CONNECTIONS", value_name = "CONNECTIONS", default_value = "10000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// How many of them may come from one address, or one /64 of IPv6; loopback and `--trusted-proxies` are not counted
    #[arg(long, env = "CIRRUS_MAX_CONNECTIONS_PER_ADDRESS", value_name = "CONNECTIONS", default_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections_per_address: u32,

    /// For how many seconds the head of a request may take, with the handshake where it is the first one
    #[arg(long, env = "CIRRUS_HEAD_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = value::number(1..=3600))]
    pub head_timeout: u64,

    /// For how many seconds the body of a request may take
    #[arg(long, env = "CIRRUS_BODY_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = value::number(1..=86_400))]
    pub body_timeout: u64,

    /// How many bytes of a body have to come in a second, over each ten seconds; 0 for no such limit
    #[arg(long, env = "CIRRUS_LEAST_BODY_RATE", value_name = "BYTES", default_value = "1024", value_parser = value::number(0..=1 << 30))]
    pub least_body_rate: u64,
}

impl ConnectionSettings {
    /// Within which time a head has to be there.
    pub fn head_timeout(&self) -> Duration {
        Duration::from_secs(self.head_timeout)
    }

    /// Within which time a body has to be there.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout)
    }
}

/// The files that TLS is made of.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those that lead to an authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of clients, and whether those have to show a certificate.
    pub clients: Option<(PathBuf, ClientCertificates)>,
}

/// The port for administrators.
#[derive(Debug, Clone)]
pub struct AdminPort {
    /// Where it is.
    pub listen: SocketAddr,
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: AdminPassword,
}

/// The password of the port for administrators.
#[derive(Clone)]
pub enum AdminPassword {
    /// In a file.
    File(PathBuf),
    /// Here.
    Given(String),
}

impl fmt::Debug for AdminPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(formatter, "{}", file.display()),
            Self::Given(_) => formatter.write_str("..."),
        }
    }
}

/// Whether who listens at one of these addresses is in the way of who does at the other one.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let [first, second] = [one, other].map(|address| address.ip().to_canonical());
    let is_all = |address: IpAddr, of: IpAddr| {
        address.is_unspecified() && (address.is_ipv4() == of.is_ipv4() || address.is_ipv6() && has_both_versions())
    };
    one.port() == other.port() && one.port() != 0 && (first == second || is_all(first, second) || is_all(second, first))
}

/// Whether `::` stands for all addresses of IPv4, too.
fn has_both_versions() -> bool {
    std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|only| only.trim() == "0")
}

impl ServeSettings {
    /// The Unix socket for administrators of a server on this port; none where there is to be none, or no place is known.
    pub fn admin_socket(&self, port: u16) -> Option<PathBuf> {
        let directory = || {
            let of = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
            // Of systemd; there may be several.
            let of_unit = of("RUNTIME_DIRECTORY").and_then(|paths| std::env::split_paths(&paths).next());
            let of_user = || if is_root() { Some(PathBuf::from("/run")) } else { of("XDG_RUNTIME_DIR") };
            of_unit.or_else(|| of_user().map(|directory| directory.join("cirrus")))
        };
        match &self.doors.admin_socket {
            Some(path) if path.as_os_str() == "none" => None,
            Some(path) => Some(path.clone()),
            None => directory().map(|directory| directory.join(format!("admin-{port}.socket"))),
        }
    }

    /// The port for administrators, if there is to be one.
    ///
    /// # Errors
    /// Names the setting that lacks another one.
    pub fn admin_port(&self) -> Result<Option<AdminPort>, String> {
        let DoorSettings { admin_listen, admin_user, admin_password_file, admin_password, .. } = &self.doors;
        let in_file = admin_password_file.clone().map(AdminPassword::File);
        let password = in_file.or_else(|| admin_password.clone().map(AdminPassword::Given));
        match (admin_listen, admin_user, password) {
            (None, None, None) => Ok(None),
            (Some(listen), Some(user), Some(password)) => {
                Ok(Some(AdminPort { listen: *listen, user: user.clone(), password }))
            }
            (Some(listen), ..) => {
                self.lacks("admin_listen", listen.to_string(), "--admin-user and --admin-password-file are needed")
            }
            (None, Some(user), _) => self.lacks("admin_user", user.clone(), "--admin-listen is needed"),
            (None, None, Some(AdminPassword::File(file))) => {
                self.lacks("admin_password_file", file.display().to_string(), "--admin-listen is needed")
            }
            (None, None, Some(AdminPassword::Given(password))) => {
                self.lacks("admin_password", password, "--admin-listen is needed")
            }
        }
    }

    /// Finds ways in that can't be open at the same time, as they have one port.
    pub fn check_listeners(&self, faults: &mut Faults) {
        let is_for_administrators = self.access.aaa_mode != AaaMode::NoAuth;
        let all = [
            ("listen", Some(self.listen)),
            ("introspect_listen", self.logs.introspect_listen),
            ("cql_listen", self.cql.cql_listen),
            // ADMIN-1: it is not opened otherwise.
            ("admin_listen", self.doors.admin_listen.filter(|_| is_for_administrators)),
        ];
        let all = all.into_iter().filter_map(|(field, address)| Some((field, address?)));
        let all: Vec<(&str, SocketAddr)> = all.collect();
        for (number, (field, address)) in all.iter().enumerate() {
            for (other, of_other) in all.iter().skip(number + 1).filter(|(_, other)| overlap(*address, *other)) {
                let told = self.told(other, of_other);
                let text = format!(
                    "{told}: that is the port of {}, too; each needs one of its own",
                    self.told(field, address)
                );
                faults.take::<()>(&[field, other], Err(text));
            }
        }
    }

    fn lacks<T>(&self, field: &str, value: String, what: &str) -> Result<T, String> {
        Err(format!("{}: {what}, too", self.told(field, value)))
    }

    /// What TLS is made of; none where it is not spoken (TLS-1).
    ///
    /// # Errors
    /// Names the setting that lacks another one.
    pub fn tls_files(&self) -> Result<Option<TlsFiles>, String> {
        let doors = &self.doors;
        let lacks = |field: &str, value: String, other: &str| self.lacks(field, value, &format!("{other} is needed"));
        let shown = |path: &PathBuf| path.display().to_string();
        let (certificate, key) = match (&doors.tls_certificate, &doors.tls_key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (Some(certificate), None) => return lacks("tls_certificate", shown(certificate), "--tls-key"),
            (None, Some(key)) => return lacks("tls_key", shown(key), "--tls-certificate"),
            (None, None) => {
                return match &doors.tls_client_ca {
                    Some(file) => lacks("tls_client_ca", shown(file), "--tls-certificate"),
                    None => Ok(None),
                };
            }
        };
        let clients = match (&doors.tls_client_ca, doors.tls_client_certificates) {
            (None, Some(whether)) => {
                let whether = whether.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
                return lacks("tls_client_certificates", whether, "--tls-client-ca");
            }
            (file, whether) => file.clone().map(|file| (file, whether.unwrap_or(ClientCertificates::Required))),
        };
        Ok(Some(TlsFiles { certificate, key, clients }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_is_for_one() {
        let are = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|address| address.parse().unwrap());
            assert_eq!(overlap(one, other), overlap(other, one));
            overlap(one, other)
        };
        for (one, other) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::]:1", "[::1]:1"),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1"),
        ] {
            assert!(are(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("127.0.0.1:1", "127.0.0.2:1"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:0", "127.0.0.1:0"),
            ("0.0.0.0:1", "[::1]:1"),
        ] {
            assert!(!are(one, other), "{one} {other}");
        }
        assert_eq!(are("[::]:1", "127.0.0.1:1"), has_both_versions());
    }
}
