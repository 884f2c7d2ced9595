//! Where and to whom the configuration is shown over CQL.

use super::{ServeSettings, access::is_loopback, value};
use crate::access::AaaMode;
use clap::Args;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// Where and to whom the configuration is shown over CQL.
#[derive(Args, Debug, Clone)]
pub struct CqlSettings {
    /// Where to listen for control nodes and other daemons that read the configuration over CQL, as from Cassandra; usually
    /// 0.0.0.0:9042, or port 9041 in containers. Without it nowhere. Several servers on a database need the same port
    #[arg(long, env = "CIRRUS_CQL_LISTEN", value_name = "ADDRESS:PORT", value_parser = value::address)]
    pub cql_listen: Option<SocketAddr>,

    /// By which address daemons reach this server, as the other servers tell them [default: that of --cql-listen; where that is
    /// none in particular, the one by which this machine reaches the database]
    #[arg(long, env = "CIRRUS_CQL_ADVERTISE", value_name = "ADDRESS")]
    pub cql_advertise: Option<IpAddr>,

    /// A file with those who may read the configuration over CQL and write what daemons keep there: a line `name:password` for
    /// each. It is read whenever one comes. Without it nobody is asked
    #[arg(long, env = "CIRRUS_CQL_USERS_FILE", value_name = "FILE")]
    pub cql_users_file: Option<PathBuf>,

    /// Speak TLS where CQL is spoken, with `--tls-certificate` and `--tls-key`; clients show no certificates there
    #[arg(long, env = "CIRRUS_CQL_TLS")]
    pub cql_tls: bool,

    /// The cluster id of OpenSDN's daemons, if they have one: they look for the keyspaces under names that begin with it
    #[arg(long, env = "CIRRUS_CQL_CLUSTER_ID", value_name = "ID", value_parser = cluster_id)]
    pub cql_cluster_id: Option<String>,

    /// How many connections of CQL there may be
    #[arg(long, env = "CIRRUS_CQL_MAX_CONNECTIONS", value_name = "CONNECTIONS", default_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub cql_max_connections: u32,
}

/// What may stand before the name of a keyspace.
fn cluster_id(text: &str) -> Result<String, String> {
    let is_good =
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // Keyspaces whose names begin like that are the server's own.
    let is_free = !text.starts_with("system");
    let expected = "1 to 32 letters, digits and _ are expected, and not system at the begin";
    if is_good && is_free { Ok(text.to_owned()) } else { Err(expected.to_owned()) }
}

impl ServeSettings {
    /// Checks that nobody is let in over CQL by oversight, and that nothing is said for nothing.
    ///
    /// # Errors
    /// Names the settings that are in the way of each other.
    pub fn check_cql(&self) -> Result<(), String> {
        let cql = &self.cql;
        let Some(listen) = cql.cql_listen else {
            let users = cql.cql_users_file.as_ref().map(|file| self.told("cql_users_file", file.display()));
            let address = cql.cql_advertise.map(|address| self.told("cql_advertise", address));
            let cluster = cql.cql_cluster_id.as_ref().map(|id| self.told("cql_cluster_id", id));
            let tls = cql.cql_tls.then(|| self.told("cql_tls", "").trim_end().to_owned());
            return match users.or(address).or(cluster).or(tls) {
                Some(setting) => Err(format!("{setting}: --cql-listen is needed, too")),
                None => Ok(()),
            };
        };
        let listen_told = self.told("cql_listen", listen);
        if cql.cql_tls && self.doors.tls_certificate.is_none() {
            let tls = self.told("cql_tls", "").trim_end().to_owned();
            return Err(format!("{tls}: --tls-certificate and --tls-key are needed, too"));
        }
        if cql.cql_advertise.is_some_and(|address| address.is_unspecified()) {
            return Err(format!("{listen_told}: --cql-advertise is an address that nobody can reach"));
        }
        let is_asked = cql.cql_users_file.is_some();
        if self.access.aaa_mode != AaaMode::NoAuth && !is_asked {
            return Err(format!(
                "{listen_told} shows everything to whoever reaches it, while {} lets nobody ask without a token: say with \
                 --cql-users-file (CIRRUS_CQL_USERS_FILE) who may",
                self.told("aaa_mode", self.access.aaa_mode.name())
            ));
        }
        if !is_loopback(listen) && !is_asked && !self.access.open {
            return Err(format!(
                "{listen_told} is reached from other machines, and nobody is asked who it is there. Say with --cql-users-file \
                 (CIRRUS_CQL_USERS_FILE) who may; or say --open (CIRRUS_OPEN=true) if everybody may who reaches it"
            ));
        }
        Ok(())
    }
}
