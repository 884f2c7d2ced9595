//! The command line, and the environment behind it.

use crate::{
    interface_route::InterfaceRouteSettings,
    rules::{QuotaDefaults, TagIdDigits},
    writer::Consistency,
};
use clap::{Args, Parser, Subcommand};
use std::{
    net::{SocketAddr, ToSocketAddrs},
    num::NonZeroUsize,
    path::PathBuf,
};

/// A configuration API server for OpenContrail, Tungsten Fabric and OpenSDN, on PostgreSQL.
#[derive(Parser, Debug)]
#[command(name = "cirrus", version)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve the REST interface
    Serve(Box<ServeSettings>),
    /// Add, delete and show static routes of an interface, on any contrail-api
    InterfaceRoute(InterfaceRouteSettings),
}

/// How to serve.
#[derive(Args, Debug, Clone)]
pub struct ServeSettings {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "CIRRUS_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8082", value_parser = parse_address)]
    pub listen: SocketAddr,

    /// PostgreSQL 14 or newer, as <postgresql://user:password@host/name>. Without it, the server runs a private
    /// PostgreSQL in its data directory
    #[arg(long, env = "CIRRUS_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Where the private PostgreSQL keeps its data [default: /var/lib/cirrus for root, else ~/.local/share/cirrus]
    #[arg(long, env = "CIRRUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Read the data model from this directory, not from the one that is built in
    #[arg(long, env = "CIRRUS_SCHEMA_DIR", value_name = "DIR")]
    pub schema_dir: Option<PathBuf>,

    /// How fresh reads are when several servers share a database, or the database is away
    #[arg(long, env = "CIRRUS_READ_CONSISTENCY", value_name = "CONSISTENCY", value_enum, default_value_t = Consistency::Linearizable)]
    pub read_consistency: Consistency,

    /// How many requests are committed together at most
    #[arg(long, env = "CIRRUS_BATCH_LIMIT", value_name = "REQUESTS", default_value = "512")]
    pub batch_limit: NonZeroUsize,

    /// What projects may have that set no limit of their own: keys of a project's quota, like
    /// `virtual_network=100`, several joined by commas; `defaults` is for all others, -1 for no limit
    #[arg(long, env = "CIRRUS_QUOTA", value_name = "KEY=LIMIT,..", default_value = "")]
    pub quota: QuotaDefaults,

    /// How wide the ids of tags are: 8 digits for agents up to Tungsten Fabric 2024, 12 for those of OpenSDN 2026
    #[arg(long, env = "CIRRUS_TAG_ID_DIGITS", value_name = "DIGITS", value_enum, default_value_t = TagIdDigits::Eight)]
    pub tag_id_digits: TagIdDigits,

    /// What is logged to standard error: error, warn, info, debug, trace, or a filter like info,cirrus=debug
    #[arg(long, env = "CIRRUS_LOG", value_name = "FILTER", default_value = "info,sqlx=warn,actix_server=warn")]
    pub log: String,
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let refuse = |why: String| format!("{why}; an address with a port is expected, like 127.0.0.1:8082");
    let mut found = text.to_socket_addrs().map_err(|error| refuse(error.to_string()))?;
    found.next().ok_or_else(|| refuse("the name has no address".to_owned()))
}

impl ServeSettings {
    /// The data directory, given or by default.
    ///
    /// # Errors
    /// When neither `HOME` nor the option says where.
    pub fn data_directory(&self) -> Result<PathBuf, String> {
        if let Some(directory) = &self.data_dir {
            return Ok(directory.clone());
        }
        if is_root() {
            return Ok(PathBuf::from("/var/lib/cirrus"));
        }
        if let Some(data) = std::env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()) {
            return Ok(PathBuf::from(data).join("cirrus"));
        }
        let home = std::env::var_os("HOME").filter(|path| !path.is_empty());
        let home = home.ok_or("HOME is not set: say with --data-dir where to keep the data")?;
        Ok(PathBuf::from(home).join(".local/share/cirrus"))
    }
}

/// Whether this process runs as root: the owner of its own files in /proc.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
