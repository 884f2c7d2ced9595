//! The programs of PostgreSQL: where they are, which version they have, and as whom they are run.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::{Child, Command};

use super::PrivateError;

/// The oldest version the server works with.
const OLDEST_MAJOR: u32 = 14;

/// What has to be in a directory for it to be one of PostgreSQL's.
const NEEDED: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// Where systems install PostgreSQL without putting it on PATH: a directory, the beginning of a name in it, and the
/// rest of the path.
const KNOWN_PLACES: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/local", "pgsql", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/usr/libexec", "postgresql", ""),
];

/// The command that installs PostgreSQL, by the package manager that is there.
const INSTALL_COMMANDS: [(&str, &str); 6] = [
    ("/usr/bin/apt-get", "apt-get install postgresql"),
    ("/usr/bin/dnf", "dnf install postgresql-server"),
    ("/usr/bin/zypper", "zypper install postgresql-server"),
    ("/usr/bin/pacman", "pacman -S postgresql"),
    ("/sbin/apk", "apk add postgresql"),
    ("/opt/homebrew/bin/brew", "brew install postgresql"),
];

/// The user that PostgreSQL's programs run as.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) user: u32,
    pub(super) group: u32,
    /// Whether this is another user than the one our own process runs as (which then is root).
    pub(super) switched: bool,
}

impl Account {
    /// Finds out who runs PostgreSQL: ourselves, unless we are root, which PostgreSQL refuses to be. As root it is the
    /// owner of the cluster that is there already, else the user `postgres`, else `nobody`.
    pub(super) async fn find(cluster: &Path) -> Result<Account, PrivateError> {
        let user = own_id("-u").await?;
        let owner = match fs::metadata(cluster) {
            Ok(metadata) => Some((metadata.uid(), metadata.gid())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(PrivateError::directory(cluster, source)),
        };
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        if user != 0 {
            let group = own_id("-g").await?;
            if let Some((owner, _)) = owner.filter(|(owner, _)| *owner != user) {
                return Err(PrivateError::WrongOwner { directory: cluster.to_owned(), owner: name_of(&passwd, owner) });
            }
            return Ok(Account { name: name_of(&passwd, user), user, group, switched: false });
        }
        let (name, user, group) = match owner.filter(|(owner, _)| *owner != 0) {
            Some((owner, group)) => (name_of(&passwd, owner), owner, group),
            None => ["postgres", "nobody"]
                .into_iter()
                .find_map(|name| {
                    entries(&passwd)
                        .find(|entry| entry.0 == name && entry.1 != 0)
                        .map(|(_, user, group)| (name.to_owned(), user, group))
                })
                .ok_or(PrivateError::NoUnprivilegedUser)?,
        };
        Ok(Account { name, user, group, switched: true })
    }

    /// A command that runs as this user, and knows nothing of our secrets.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = command(program);
        command.env("LC_ALL", "C").stdin(Stdio::null());
        // The current directory may be one that the other user must not enter.
        command.current_dir("/");
        // What comes from a terminal, as Ctrl-C, is for us alone.
        command.process_group(0);
        if self.switched {
            command.uid(self.user).gid(self.group);
        }
        command
    }

    /// Hands a file or a directory over to this user.
    pub(super) fn own(&self, path: &Path) -> Result<(), PrivateError> {
        if self.switched {
            chown(path, Some(self.user), Some(self.group)).map_err(|source| PrivateError::directory(path, source))?;
        }
        Ok(())
    }

    /// Makes sure that this user can get into the directory. It is tried, not computed, so that access lists and
    /// security modules count too.
    pub(super) async fn check_way_to(&self, directory: &Path) -> Result<(), PrivateError> {
        if !self.switched {
            return Ok(());
        }
        let mut parents: Vec<&Path> = directory.ancestors().collect();
        parents.reverse();
        for parent in parents {
            let passable = self
                .command("/bin/sh")
                .args(["-c", "test -x \"$1\"", "sh"])
                .arg(parent)
                .kill_on_drop(true)
                .status()
                .await
                .map_err(|source| PrivateError::program(Path::new("/bin/sh"), source))?;
            if !passable.success() {
                return Err(PrivateError::NotTraversable {
                    user: self.name.clone(),
                    directory: directory.to_owned(),
                    blocked: parent.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// What programs of others get of our environment, which has passwords in it. Not PGDATA, PGPORT and their like, which are meant for other
/// servers; nor NOTIFY_SOCKET: Debian's PostgreSQL would tell systemd that it is ready, which we have to say for ourselves.
const HANDED_ON: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TZDIR",
    "TMPDIR",
    // How libraries are found where they are in unusual places, and users who are in no file of the system.
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "NSS_WRAPPER_PASSWD",
    "NSS_WRAPPER_GROUP",
    "ICU_DATA",
    "OPENSSL_CONF",
];

/// A program with no more of our environment than it needs.
pub(super) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let is_handed_on =
        |name: &OsString| name.to_str().is_some_and(|name| HANDED_ON.contains(&name) || name.starts_with("LC_"));
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| is_handed_on(name)));
    command
}

/// Asks for our own user or group id: the standard library has no way to say it.
async fn own_id(flag: &str) -> Result<u32, PrivateError> {
    let output = command("id")
        .arg(flag)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| PrivateError::program(Path::new("id"), source))?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| {
        PrivateError::program(Path::new("id"), io::Error::other("it printed no number; is it the usual one?"))
    })
}

/// The users in the text of /etc/passwd: name, user id, group id.
fn entries(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some((name, user, group))
    })
}

fn name_of(passwd: &str, user: u32) -> String {
    entries(passwd).find(|entry| entry.1 == user).map_or_else(|| format!("user {user}"), |entry| entry.0.to_owned())
}

/// A directory with PostgreSQL's programs in it.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    directory: PathBuf,
    major: u32,
}

impl Programs {
    /// Finds the programs, of version `wanted` where a cluster is there already.
    pub(super) async fn find(account: &Account, wanted: Option<u32>, cluster: &Path) -> Result<Programs, PrivateError> {
        let mut found = Vec::new();
        match chosen() {
            Some(directory) => {
                let directory =
                    with_programs(&directory).ok_or(PrivateError::NotThere { directory: directory.clone() })?;
                found.push(Programs { major: version_of(account, &directory).await?, directory });
            }
            None => {
                for directory in candidates() {
                    match version_of(account, &directory).await {
                        Ok(major) => found.push(Programs { directory, major }),
                        // Programs that cannot be run are as good as none, but someone may wonder.
                        Err(error) => {
                            tracing::debug!(directory = %directory.display(), %error, "not usable");
                        }
                    }
                }
            }
        }
        choose(&found, wanted, cluster)
    }

    /// The path of one of the programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Runs one of the programs to its end and returns what it printed, as an error when it failed.
    pub(super) async fn run<I, S>(&self, account: &Account, name: &str, arguments: I) -> Result<String, PrivateError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        run(account, &self.program(name), arguments).await
    }

    /// Starts one of the programs.
    pub(super) fn spawn<I, S>(
        &self,
        account: &Account,
        name: &str,
        arguments: I,
    ) -> Result<RunningProgram, PrivateError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        spawn(account, &self.program(name), arguments)
    }
}

/// The directory that the environment names, if it does.
fn chosen() -> Option<PathBuf> {
    std::env::var_os("CIRRUS_POSTGRESQL_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Refuses, before anything is made, where there are no programs at all.
pub(super) fn check_there() -> Result<(), PrivateError> {
    match chosen() {
        Some(directory) if with_programs(&directory).is_none() => Err(PrivateError::NotThere { directory }),
        None if candidates().is_empty() => Err(PrivateError::NotInstalled { command: install_command(None) }),
        _ => Ok(()),
    }
}

async fn run<I, S>(account: &Account, program: &Path, arguments: I) -> Result<String, PrivateError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    spawn(account, program, arguments)?.end().await
}

fn spawn<I, S>(account: &Account, program: &Path, arguments: I) -> Result<RunningProgram, PrivateError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = account.command(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|source| PrivateError::program(program, source))?;
    Ok(RunningProgram { program: program.to_owned(), child })
}

/// A program that comes to an end by itself; it is killed when it is dropped.
pub(super) struct RunningProgram {
    program: PathBuf,
    child: Child,
}

impl RunningProgram {
    /// The number of the process, as long as it is there.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the end and gives what it has printed, as an error when it failed.
    pub(super) async fn end(self) -> Result<String, PrivateError> {
        let Self { program, child } = self;
        let output = child.wait_with_output().await.map_err(|source| PrivateError::program(&program, source))?;
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        printed.push_str(&String::from_utf8_lossy(&output.stderr));
        Err(PrivateError::ProgramFailed { program, status: output.status, output: printed })
    }
}

/// Picks the first that fits; the list is in the order of preference.
fn choose(found: &[Programs], wanted: Option<u32>, cluster: &Path) -> Result<Programs, PrivateError> {
    let versions = || {
        let majors: BTreeSet<u32> = found.iter().map(|programs| programs.major).collect();
        majors.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    };
    if found.is_empty() {
        return Err(match wanted {
            Some(major) => PrivateError::WrongVersion {
                cluster: cluster.to_owned(),
                wanted: major,
                found: "none".to_owned(),
                command: install_command(Some(major)),
            },
            None => PrivateError::NotInstalled { command: install_command(None) },
        });
    }
    let fits = |programs: &&Programs| match wanted {
        Some(major) => programs.major == major,
        None => programs.major >= OLDEST_MAJOR,
    };
    match (found.iter().find(fits), wanted) {
        (Some(programs), _) => Ok(programs.clone()),
        (None, Some(major)) => Err(PrivateError::WrongVersion {
            cluster: cluster.to_owned(),
            wanted: major,
            found: versions(),
            command: install_command(Some(major)),
        }),
        (None, None) => {
            Err(PrivateError::TooOld { found: versions(), oldest: OLDEST_MAJOR, command: install_command(None) })
        }
    }
}

/// Every directory with PostgreSQL's programs: those on PATH first, then the known places, newest first.
fn candidates() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).filter_map(|entry| with_programs(&entry)).collect())
        .unwrap_or_default();
    let mut elsewhere = Vec::new();
    for (parent, prefix, rest) in KNOWN_PLACES {
        let Ok(entries) = fs::read_dir(parent) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(version) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else {
                continue;
            };
            if let Some(directory) = with_programs(&entry.path().join(rest)) {
                elsewhere.push((leading_number(version.trim_start_matches(['@', '-'])), directory));
            }
        }
    }
    // A stable sort: among equals, the order of the table holds.
    elsewhere.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    for (_, directory) in elsewhere {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

/// The directory that really holds the programs (Debian and others link to `postgres` from elsewhere), if it has all.
fn with_programs(directory: &Path) -> Option<PathBuf> {
    let postgres = fs::canonicalize(directory.join("postgres")).ok()?;
    let real = postgres.parent()?;
    NEEDED.iter().all(|name| real.join(name).is_file()).then(|| real.to_owned())
}

async fn version_of(account: &Account, directory: &Path) -> Result<u32, PrivateError> {
    let program = directory.join("postgres");
    let printed = run(account, &program, ["--version"]).await?;
    // "postgres (PostgreSQL) 17.2 (Debian 17.2-1)", or "18beta1" in place of the number.
    printed.split_once(") ").and_then(|(_, version)| leading_number(version)).ok_or_else(|| {
        PrivateError::program(&program, io::Error::other(format!("it does not tell its version: {}", printed.trim())))
    })
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The one command that installs what is missing.
fn install_command(major: Option<u32>) -> String {
    let known = INSTALL_COMMANDS.iter().find(|(manager, _)| Path::new(manager).exists());
    let (manager, mut command) = known.map_or_else(
        || ("", "your system's package manager (the package is called postgresql)".to_owned()),
        |(manager, command)| (*manager, (*command).to_owned()),
    );
    if let (Some(major), true) = (major, manager.ends_with("apt-get")) {
        command = format!("apt-get install postgresql-{major}");
    }
    // Whose /proc/self it is tells who we are, where there is one; Homebrew does not want to be run as root.
    let is_root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    if is_root || known.is_none() || manager.ends_with("brew") { command } else { format!("sudo {command}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(majors: &[u32]) -> Vec<Programs> {
        majors.iter().map(|major| Programs { directory: PathBuf::from(format!("/{major}")), major: *major }).collect()
    }

    #[test]
    fn reads_versions() {
        assert_eq!(leading_number("17.2 (Debian)"), Some(17));
        assert_eq!(leading_number("18beta1"), Some(18));
        assert_eq!(leading_number("devel"), None);
    }

    #[test]
    fn reads_users() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\npostgres:x:101:104:,,,:/:/bin/bash\n";
        assert_eq!(entries(passwd).last(), Some(("postgres", 101, 104)));
        assert_eq!(name_of(passwd, 0), "root");
        assert_eq!(name_of(passwd, 7), "user 7");
    }

    #[test]
    fn prefers_the_first_and_keeps_to_the_cluster() {
        let cluster = Path::new("/cluster");
        let major = |found: &[u32], wanted| choose(&programs(found), wanted, cluster).map(|chosen| chosen.major);
        assert!(matches!(major(&[15, 17], None), Ok(15)));
        assert!(matches!(major(&[13, 16], None), Ok(16)));
        assert!(matches!(major(&[15, 17], Some(17)), Ok(17)));
        assert!(matches!(major(&[13], None), Err(PrivateError::TooOld { .. })));
        assert!(matches!(major(&[], None), Err(PrivateError::NotInstalled { .. })));
        let error = major(&[15, 17], Some(16)).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("16") && error.contains("15, 17"), "{error}");
    }
}
