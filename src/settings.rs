//! Settings: the command line, the environment and files behind it.

mod access;
mod broker;
mod conf;
mod cql;
mod database;
mod doors;
mod export;
mod faults;
mod layers;
mod logs;
mod neutron;
mod origin;
mod refusal;
mod settings_file;
mod shared;
mod show;
mod value;

#[cfg(test)]
mod tests;

use crate::{
    authentication::{jwt::JwtSettings, keystone::KeystoneSettings},
    client::{CallerSettings, TlsSettings},
    interface_route::InterfaceRouteSettings,
    manual::{Completions, ManualPages},
    model::Model,
    new_token::TokenCommand,
    replica::Consistency,
    rules::{ProjectAccessLists, QuotaDefaults, TagIdDigits},
    store::Retention,
    watch::WatchSettings,
};
pub use access::AccessSettings;
pub use broker::BrokerSettings;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
pub use conf::Note;
pub use cql::CqlSettings;
pub use database::{DatabaseSettings, Place, SettingsError};
pub use doors::{
    AdminPassword, AdminPort, ClientCertificates, ConnectionSettings, DoorSettings, TcpKeepalive, TlsFiles,
};
pub use export::{DumpFormat, ExportSettings};
pub use faults::Faults;
use layers::{Layer, each_argument};
pub use logs::LogSettings;
pub use neutron::NeutronSettings;
use origin::Origins;
pub use show::{ShownSettings, default_file};
use std::{
    ffi::OsString,
    fmt::Display,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

/// A configuration API server for OpenContrail, Tungsten Fabric and OpenSDN, on PostgreSQL.
#[derive(Parser, Debug)]
#[command(name = "cirrus", version = env!("CIRRUS_VERSION"))]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The longest wait at the start, in seconds.
const A_YEAR: u64 = 365 * 24 * 3600;
/// The longest log, in changes: more than any disk holds.
const MOST_CHANGES: u64 = 1_000_000_000_000;

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve the REST interface
    Serve(Box<ServeSettings>),
    /// Print the settings that `serve` would have, and where each one comes from, as a settings file; or the one of defaults. Status
    /// 2, and all that is wrong, if `serve` would not start with them
    Settings(Box<ShownSettings>),
    /// Add, delete and show static routes of an interface, on any contrail-api
    InterfaceRoute(InterfaceRouteSettings),
    /// Show what changes on a Cirrus, a line a change
    Watch(WatchSettings),
    /// Make tokens for a server that is to know who asks
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look whether a database is sound: its tables, its change log, and the configuration that is made of them
    Check(CheckSettings),
    /// Bring the tables of a database up to date, and end; a server does so, too, when it starts
    Migrate(MigrateSettings),
    /// Tell readers of the change log that the database was put back to an earlier state in a way that no server can notice: a copy of
    /// its files, or of its disk, that was put in their place. They start anew
    NewEpoch(NewEpochSettings),
    /// Write everything into a dump of `db_json_exim`, with which contrail-api can go on
    Export(ExportSettings),
    /// Take in the configuration of a contrail-api, with all that belongs to it: from a dump of `db_json_exim`, or from the running server
    Import(Box<ImportSettings>),
    /// Print the OpenAPI document of the REST interface
    Openapi(OpenApiSettings),
    /// Print what the server does beside storing what it is sent, rule by rule, as Markdown
    Rules,
    /// Print what /metrics tells, metric by metric, as Markdown
    Metrics,
    /// Write the manual pages of the commands into a directory
    #[command(hide = true)]
    Man(ManualPages),
    /// Print what a shell completes commands and options with
    #[command(hide = true)]
    Completions(Completions),
}

/// What `--help` says of how `cirrus check` ends.
const CHECK_ENDS: &str = "Exit status: 0 the database is sound, 1 something was found, 2 it could not be looked at";

/// What to look for. Servers may run on the database meanwhile, and a standby will do.
#[derive(Args, Debug)]
#[command(after_help = CHECK_ENDS)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option that is given or not")]
pub struct CheckSettings {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseSettings,

    /// Read the data model from this directory, not from the one that is built in
    #[arg(long, env = "CIRRUS_SCHEMA_DIR", value_name = "DIR")]
    pub schema_dir: Option<PathBuf>,

    /// How many findings of each kind to print
    #[arg(long, value_name = "LINES", default_value_t = 20)]
    pub lines: usize,

    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,

    /// Print what can be found, and what is done about it; look at no database
    #[arg(long, conflicts_with_all = ["json", "repair"])]
    pub list: bool,

    /// Print what would be done about what was found, too; change nothing
    #[arg(long)]
    pub repair: bool,

    /// Do it: all of it, in one transaction, or nothing. Servers wait with what they write, then load everything anew, and feeds begin
    /// another epoch
    #[arg(long, requires = "repair")]
    pub apply: bool,
}

/// Which database to bring up to date. Servers of earlier releases may run on it meanwhile: they write nothing any more from then on.
#[derive(Args, Debug)]
pub struct MigrateSettings {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseSettings,

    /// Read the data model from this directory, not from the one that is built in
    #[arg(long, env = "CIRRUS_SCHEMA_DIR", value_name = "DIR")]
    pub schema_dir: Option<PathBuf>,

    /// Tell which steps there are to do, and what waits for them; change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Which database was put back.
#[derive(Args, Debug)]
pub struct NewEpochSettings {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

/// What to import, and where: all of it, in one transaction, or nothing. The database may be empty, or have what a server makes at its
/// first start, and nothing else. Where none is said, and no server runs on the data directory, it is a private PostgreSQL there. Exit status 0: it is there; 1: nothing was stored, which
/// another try may change; 2: nothing was stored, and a setting has to be changed; 3: nothing was stored because of --strict.
#[derive(Args, Debug)]
pub struct ImportSettings {
    /// A dump (JSON, which gzip may have packed), or the address of a contrail-api, as <http://old:8082>
    #[arg(value_name = "DUMP|URL")]
    pub source: String,

    /// The database.
    #[command(flatten)]
    pub database: DatabaseSettings,

    /// Read the data model from this directory, not from the one that is built in
    #[arg(long, env = "CIRRUS_SCHEMA_DIR", value_name = "DIR")]
    pub schema_dir: Option<PathBuf>,

    /// Read everything, tell what is wrong with it and what would be done about that; store and write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Store nothing if anything is wrong with it
    #[arg(long)]
    pub strict: bool,

    /// Store only what daemons have in keyspaces of their own, whatever is in the database. What is stored already stays where it was
    /// written later, so that this may be repeated. Servers may run meanwhile
    #[arg(long)]
    pub keyspaces_only: bool,

    /// The id of the cluster, where daemons have one: it stands before the names of their keyspaces, but not in dumps
    #[arg(long, value_name = "ID")]
    pub cluster_id: Option<String>,

    /// Write the ids that daemons keep in `ZooKeeper` to this file, as commands for its client: `zkCli.sh < FILE`
    #[arg(long, value_name = "FILE")]
    pub zookeeper_out: Option<PathBuf>,

    /// How many seconds a contrail-api has for each answer
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = value::number(1..=3600))]
    pub answer_within: u64,

    /// How a contrail-api is trusted.
    #[command(flatten)]
    pub tls: TlsSettings,

    /// Who asks it.
    #[command(flatten)]
    pub caller: CallerSettings,
}

/// Which interface to describe.
#[derive(Args, Debug)]
pub struct OpenApiSettings {
    /// Read the data model from this directory, not from the one that is built in
    #[arg(long, env = "CIRRUS_SCHEMA_DIR", value_name = "DIR")]
    pub schema_dir: Option<PathBuf>,

    /// Where the settings came from.
    #[arg(skip)]
    origins: Origins,
}

impl OpenApiSettings {
    /// The data model.
    ///
    /// # Errors
    /// Names the setting, and what is wrong with the directory.
    pub fn read_model(&self) -> Result<Model, String> {
        read_model(self.schema_dir.as_deref(), &self.origins)
    }
}

/// What `--help` says of the environment that has no option.
const ALONE_IN_THE_ENVIRONMENT: &str = "Environment:
  CIRRUS_POSTGRESQL_BIN  The directory of PostgreSQL's programs (initdb, postgres), for the private one, if they are in an
                         unusual place";

/// How to serve.
#[derive(Args, Debug, Clone)]
#[command(after_help = ALONE_IN_THE_ENVIRONMENT)]
pub struct ServeSettings {
    /// A file with settings (TOML): keys are the names of these options; `cirrus settings --defaults` prints one. Options and variables
    /// win over it. `none` for no file [default: /etc/cirrus/cirrus.toml, where it is there]
    #[arg(long, env = "CIRRUS_SETTINGS_FILE", value_name = "FILE")]
    pub settings_file: Option<PathBuf>,

    /// Files of contrail-api's, contrail-api.conf and contrail-keystone-auth.conf, that count where nothing else is said; joined
    /// by commas, or given several times. Later ones win
    #[arg(long, alias = "conf_file", env = "CIRRUS_CONF_FILE", value_name = "FILE,..", value_delimiter = ',')]
    pub conf_file: Vec<PathBuf>,

    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "CIRRUS_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8082", value_parser = value::address)]
    pub listen: SocketAddr,

    /// Names by which clients reach the server, joined by commas, beside `localhost`, addresses and the name of this machine.
    /// Requests to other names are refused, so that pages of others in a browser have no power; `*` allows all
    #[arg(long, env = "CIRRUS_ALLOWED_HOSTS", value_name = "NAME,..", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,

    /// PostgreSQL 14 or newer, as <postgresql://user:password@host/name>. Several hosts, as in
    /// <postgresql://user:password@a:5432,b:5432/name?target_session_attrs=read-write>, are a primary and its standbys: the one is
    /// found that takes writes. Without it, the server runs a private PostgreSQL in its data directory
    #[arg(long, env = "CIRRUS_DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = value::database_url)]
    pub database_url: Option<String>,

    /// For how many seconds to wait for that PostgreSQL at the start
    #[arg(long, env = "CIRRUS_DATABASE_WAIT", value_name = "SECONDS", default_value = "60", value_parser = value::number(0..=A_YEAR))]
    pub database_wait: u64,

    /// Where the private PostgreSQL keeps its data [default: `$STATE_DIRECTORY` where that is set, else
    /// /var/lib/cirrus for root, else ~/.local/share/cirrus]
    #[arg(long, env = "CIRRUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Read the data model from this directory, not from the one that is built in
    #[arg(long, env = "CIRRUS_SCHEMA_DIR", value_name = "DIR")]
    pub schema_dir: Option<PathBuf>,

    /// How fresh reads are when several servers share a database, or the database is away
    #[arg(long, env = "CIRRUS_READ_CONSISTENCY", value_name = "CONSISTENCY", value_enum, default_value_t = Consistency::Linearizable)]
    pub read_consistency: Consistency,

    /// How many requests are committed together at most
    #[arg(long, env = "CIRRUS_BATCH_LIMIT", value_name = "REQUESTS", default_value = "512", value_parser = value::count)]
    pub batch_limit: NonZeroUsize,

    /// What projects may have that set no limit of their own: keys of a project's quota, like
    /// `virtual_network=100`, several joined by commas; `defaults` is for all others, -1 for no limit. All servers on a
    /// database share it: it is what the first one was started with
    #[arg(long, env = "CIRRUS_QUOTA", value_name = "KEY=LIMIT,..", default_value = "")]
    pub quota: QuotaDefaults,

    /// How wide the ids of tags are: 8 digits for agents up to Tungsten Fabric 2024, 12 for those of OpenSDN 2026.
    /// Shared like the quota
    #[arg(long, env = "CIRRUS_TAG_ID_DIGITS", value_name = "DIGITS", value_enum, default_value_t = TagIdDigits::Eight)]
    pub tag_id_digits: TagIdDigits,

    /// Who may write the rules of a project (`api-access-list`) beside cloud admins: nobody (admin), or the project (owner).
    /// It counts where there are rules, and is shared like the quota
    #[arg(long, env = "CIRRUS_PROJECT_ACCESS_LISTS", value_name = "WHO", value_enum, default_value_t = ProjectAccessLists::Admin)]
    pub project_access_lists: ProjectAccessLists,

    /// Change `--quota`, `--tag-id-digits`, `--project-access-lists` and what begins with `--neutron`, where they are given, for all servers
    /// on the database. Those that run stop;
    /// each takes what the database has when it starts again, unless it is told otherwise
    #[arg(long, env = "CIRRUS_CHANGE_SHARED_SETTINGS")]
    pub change_shared_settings: bool,

    /// Where message brokers are.
    #[command(flatten)]
    pub broker: BrokerSettings,

    /// Who may ask.
    #[command(flatten)]
    pub access: AccessSettings,

    /// Where Keystone is.
    #[command(flatten)]
    pub keystone: KeystoneSettings,
    /// Whose signed tokens are believed.
    #[command(flatten)]
    pub jwt: JwtSettings,

    /// Ways in, and their limits.
    #[command(flatten)]
    pub doors: DoorSettings,

    /// Where the configuration is shown over CQL.
    #[command(flatten)]
    pub cql: CqlSettings,

    /// How `OpenStack`'s networks are.
    #[command(flatten)]
    pub neutron: NeutronSettings,

    /// What requests may cost.
    #[command(flatten)]
    pub requests: RequestSettings,

    /// How watchers are served.
    #[command(flatten)]
    pub watch: WatcherSettings,

    /// How much of the change log is kept.
    #[command(flatten)]
    pub log_retention: LogRetention,

    /// Compare, when the server stops, what it has in memory with what the database says; differences are logged, and
    /// make the exit status 1
    #[arg(long, env = "CIRRUS_CHECK_AT_END")]
    pub check_at_end: bool,

    /// What the server says of itself.
    #[command(flatten)]
    pub logs: LogSettings,

    /// Where the settings came from.
    #[arg(skip)]
    origins: Origins,
    /// What is wrong with them as they were given.
    #[arg(skip)]
    faults: Faults,
    /// What is to be told of files of contrail-api's.
    #[arg(skip)]
    notes: Vec<Note>,
    /// What was given.
    #[arg(skip)]
    given: Layer,
}

/// What requests may cost (contrail-api R21, access contract 7.3).
#[derive(Args, Debug, Clone, Copy)]
pub struct RequestSettings {
    /// How many objects a page of a list has where the client does not say
    #[arg(long, env = "CIRRUS_PAGINATE_COUNT", value_name = "OBJECTS", default_value = "256", value_parser = value::count)]
    pub paginate_count: NonZeroUsize,

    /// How many bytes the body of a request may have; larger ones are refused
    #[arg(long, env = "CIRRUS_MAX_REQUEST_SIZE", value_name = "BYTES", default_value = "1024000",
        value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    pub max_request_size: u32,

    /// How many requests are served at the same time; more of them wait for a moment. Watchers are not counted
    #[arg(long, env = "CIRRUS_MAX_REQUESTS", value_name = "REQUESTS", default_value = "1024",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_requests: u32,
}

/// How watchers are served.
#[derive(Args, Debug, Clone, Copy)]
pub struct WatcherSettings {
    /// After how many seconds of silence watchers get a comment
    #[arg(id = "watch_keepalive_interval", long = "watch-keepalive-interval", env = "CIRRUS_WATCH_KEEPALIVE_INTERVAL", value_name = "SECONDS",
        default_value = "60", value_parser = value::number(1..=86_400))]
    pub keepalive_interval: u64,

    /// How many watchers are served at the same time
    #[arg(id = "watch_limit", long = "watch-limit", env = "CIRRUS_WATCH_LIMIT", value_name = "WATCHERS", default_value = "2000",
        value_parser = value::watchers)]
    pub limit: usize,
}

/// How much of the change log is kept: by number and by age, whichever is more.
#[derive(Args, Debug, Clone, Copy)]
pub struct LogRetention {
    /// How many changes are kept at least
    #[arg(long, env = "CIRRUS_KEEP_CHANGES", value_name = "CHANGES", default_value = "1000000", value_parser = value::number(0..=MOST_CHANGES))]
    pub keep_changes: u64,

    /// For how many hours changes are kept at least
    #[arg(long, env = "CIRRUS_KEEP_CHANGES_HOURS", value_name = "HOURS", default_value = "24", value_parser = value::number(0..=1_000_000))]
    pub keep_changes_hours: u64,

    /// How many changes are kept at most, whatever their age, and whoever still has to read them
    #[arg(long, env = "CIRRUS_KEEP_CHANGES_AT_MOST", value_name = "CHANGES", default_value = "10000000", value_parser = value::number(0..=MOST_CHANGES))]
    pub keep_changes_at_most: u64,
}

impl CommandLine {
    /// From the arguments and the environment of this process, and files. Ends it where it is not known what to do, with status 2,
    /// or only help was asked for. What is wrong with settings of a server is in [`ServeSettings::faults`].
    pub fn read() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        Self::parsed(&arguments).unwrap_or_else(|error| error.exit())
    }

    /// From these arguments, the program's name first, and the environment; if nothing is wrong with them.
    #[cfg(test)]
    pub fn of(arguments: &[&str]) -> Result<Self, String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let line = Self::parsed(&arguments).map_err(|error| error.to_string())?;
        match &line.command {
            Command::Serve(settings) if !settings.faults.is_empty() => Err(settings.faults.to_string()),
            _ => Ok(line),
        }
    }

    fn parsed(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let command = Self::command();
        if arguments.get(1).is_some_and(|name| name == "serve" || name == "settings") {
            let read = layers::read(&command, arguments)?;
            let mut line = Self::from_arg_matches(&read.matches)?;
            let settings = match &mut line.command {
                Command::Serve(settings) => settings,
                Command::Settings(shown) => &mut shown.serve,
                _ => return Ok(line),
            };
            settings.origins = read.origins;
            settings.faults = read.faults;
            settings.notes = read.notes;
            settings.given = read.given;
            return Ok(line);
        }
        // A variable without a value is none: that is how files of variables leave out a setting.
        let command = each_argument(command, &|argument| {
            let is_empty =
                argument.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()));
            if is_empty { argument.env(clap::builder::Resettable::Reset) } else { argument }
        });
        let refused = |error| refusal::with_origin(error, &command, arguments);
        let matches = command.clone().try_get_matches_from(arguments).map_err(refused)?;
        let mut line = Self::from_arg_matches(&matches)?;
        // As it stands: what is a setting of its file does not depend on variables.
        let whole = Self::command();
        let serve = whole.find_subcommand("serve");
        if let Some((name, matches)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            match &mut line.command {
                Command::Openapi(settings) => settings.origins = Origins::of(command, matches),
                others => {
                    if let (Some(tool), Some(serve)) = (others.tool(), serve) {
                        tool.complete(serve, Origins::of(command, matches));
                    }
                }
            }
        }
        Ok(line)
    }
}

/// A command that works on a database, and what of a server's settings file counts for it.
struct Tool<'c> {
    database: &'c mut DatabaseSettings,
    schema_dir: Option<&'c mut Option<PathBuf>>,
    cluster_id: Option<&'c mut Option<String>>,
}

impl Command {
    fn tool(&mut self) -> Option<Tool<'_>> {
        let (database, schema_dir, cluster_id) = match self {
            Self::Check(settings) => (&mut settings.database, Some(&mut settings.schema_dir), None),
            Self::Migrate(settings) => (&mut settings.database, Some(&mut settings.schema_dir), None),
            Self::NewEpoch(settings) => (&mut settings.database, None, None),
            Self::Export(settings) => {
                (&mut settings.database, Some(&mut settings.schema_dir), Some(&mut settings.cluster_id))
            }
            Self::Import(settings) => {
                (&mut settings.database, Some(&mut settings.schema_dir), Some(&mut settings.cluster_id))
            }
            _ => return None,
        };
        Some(Tool { database, schema_dir, cluster_id })
    }
}

impl Tool<'_> {
    /// Takes from the settings file what nobody has said.
    fn complete(self, serve: &clap::Command, origins: Origins) {
        self.database.complete(serve, origins);
        if let Some(directory @ None) = self.schema_dir {
            *directory = self.database.take_from_file("schema_dir").map(PathBuf::from);
        }
        if let Some(id @ None) = self.cluster_id {
            *id = self.database.take_from_file("cql_cluster_id");
        }
    }
}

/// The data model of a directory, or the one that is built in.
fn read_model(directory: Option<&Path>, origins: &Origins) -> Result<Model, String> {
    let setting = directory.map(|directory| origins.told("schema_dir", directory.display())).unwrap_or_default();
    if directory.is_some_and(|directory| !directory.is_dir()) {
        return Err(format!("{setting}: there is no such directory"));
    }
    Model::read(directory).map_err(|error| format!("{setting}: {error}"))
}

impl ServeSettings {
    /// A setting with its value, as its user knows it: as the environment variable or the option that it came from.
    pub fn told(&self, field: &str, value: impl Display) -> String {
        self.origins.told(field, value)
    }

    /// The data model.
    ///
    /// # Errors
    /// Names the setting, and what is wrong with the directory.
    pub fn read_model(&self) -> Result<Model, String> {
        read_model(self.schema_dir.as_deref(), &self.origins)
    }

    /// What is wrong with the settings as they were given, each by itself. Nothing may be done with settings that have any.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// What is to be told of files of contrail-api's at the start.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Checks the limits against the model.
    ///
    /// # Errors
    /// Names the one that projects don't have.
    pub fn check_quota(&self, model: &Model) -> Result<(), String> {
        self.quota.check(model).map_err(|text| format!("{}: {text}", self.told("quota", &self.quota)))
    }

    /// How much of the log is kept.
    ///
    /// # Errors
    /// Names the settings that contradict each other.
    pub fn retention(&self) -> Result<Retention, String> {
        let LogRetention { keep_changes: changes, keep_changes_hours: hours, keep_changes_at_most: at_most } =
            self.log_retention;
        if at_most < changes {
            let (most, least) = (self.told("keep_changes_at_most", at_most), self.told("keep_changes", changes));
            return Err(format!("{most} is less than {least}: at most cannot be below at least"));
        }
        Ok(Retention { changes, age: Duration::from_secs(hours * 3600), at_most })
    }

    /// The data directory, given or by default.
    ///
    /// # Errors
    /// When neither `HOME` nor the option says where, or there is something else.
    pub fn data_directory(&self) -> Result<PathBuf, String> {
        data_directory(self.data_dir.as_deref(), &self.origins)
    }
}

/// The data directory, given or by default.
fn data_directory(given: Option<&Path>, origins: &Origins) -> Result<PathBuf, String> {
    if let Some(directory) = given {
        if directory.exists() && !directory.is_dir() {
            return Err(format!("{}: that is not a directory", origins.told("data_dir", directory.display())));
        }
        return Ok(directory.to_owned());
    }
    // Of systemd; there may be several.
    let of_unit = std::env::var_os("STATE_DIRECTORY").filter(|paths| !paths.is_empty());
    if let Some(directory) = of_unit.and_then(|paths| std::env::split_paths(&paths).next()) {
        return Ok(directory);
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

/// Whether this process runs as root: the owner of its own files in /proc.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
