//! `PostgreSQL` clusters of a test's own, when the private one of a server is not enough: a primary, and a standby that
//! follows it. They have Unix sockets only, so that no port can be taken already.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{
    Process, fresh_directory, is_running, print_last_lines, send_signal, stopped_with_descendants, wait_until,
};

/// A second or two is usual.
const START_LIMIT: Duration = Duration::from_mins(1);
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// The name of the superuser and of the database.
const NAME: &str = "cirrus";

/// What all of them have, on top of the defaults. On the command line, so that no copy of a cluster brings along what is
/// meant for the one that was copied. What is killed are processes and not the machine, so nothing has to reach a disk.
const SETTINGS: [&str; 5] =
    ["listen_addresses=", "fsync=off", "shared_buffers=32MB", "log_line_prefix=%m [%p] ", "lc_messages=C"];

/// A running cluster. It ends with this value, and its directory with it.
pub struct Cluster {
    name: &'static str,
    process: Process,
    directory: tempfile::TempDir,
}

impl Cluster {
    /// A new cluster, ready for connections, but without the database.
    pub fn start(name: &'static str, settings: &[&str]) -> Self {
        let directory = owned_directory();
        let data = data_in(directory.path());
        let arguments = ["--username", NAME, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"];
        run("initdb", directory.path(), arguments.map(OsStr::new).into_iter().chain([data.as_os_str()]));
        let mut cluster = Self { name, process: spawn(name, directory.path(), settings), directory };
        cluster.wait_until_ready();
        cluster
    }

    /// A standby of this one, which follows it, under its name in `synchronous_standby_names`.
    pub fn start_standby(&self, name: &'static str, settings: &[&str]) -> Self {
        Self::start_from(name, self.back_up(&["--write-recovery-conf"]), settings)
    }

    /// A copy of its files, made while it runs.
    pub fn back_up(&self, options: &[&str]) -> tempfile::TempDir {
        let directory = owned_directory();
        let data = data_in(directory.path());
        let arguments =
            ["--checkpoint=fast", "--no-sync", "--pgdata"].map(OsStr::new).into_iter().chain([data.as_os_str()]);
        // As the user of the one, into the directory of the other, which are the same.
        run("pg_basebackup", self.directory.path(), options.iter().map(OsStr::new).chain(arguments));
        directory
    }

    /// A cluster of such a copy.
    pub fn start_from(name: &'static str, directory: tempfile::TempDir, settings: &[&str]) -> Self {
        let mut cluster = Self { name, process: spawn(name, directory.path(), settings), directory };
        cluster.wait_until_ready();
        cluster
    }

    /// One that goes on from a copy with what was archived since, up to a point that has a name.
    pub fn start_recovery(name: &'static str, directory: tempfile::TempDir, archive: &Path, until: &str) -> Self {
        fs::write(data_in(directory.path()).join("recovery.signal"), "").expect("recovery.signal");
        let restore = format!("restore_command=cp '{}/%f' '%p'", archive.display());
        let target = format!("recovery_target_name={until}");
        let cluster = Self::start_from(name, directory, &[&restore, &target, "recovery_target_action=promote"]);
        let promoted = "select 1 where not pg_is_in_recovery()";
        wait_until("it is recovered", START_LIMIT, || !cluster.processes(promoted).is_empty());
        cluster
    }

    /// Makes the database. With a synchronous standby this ends when that one has it, too.
    pub fn create_database(&self) {
        self.create_database_called(NAME);
    }

    /// Makes one more, and gives its URL.
    pub fn create_database_called(&self, name: &str) -> String {
        run("createdb", self.directory.path(), [name]);
        self.url_of(name)
    }

    /// Makes one that is a copy of another one, in which nobody is, and gives its URL.
    pub fn copy_database(&self, name: &str, of: &str) -> String {
        run("createdb", self.directory.path(), ["--template", of, name]);
        self.url_of(name)
    }

    /// Where it is connected to.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join(".s.PGSQL.5432")
    }

    /// The database's URL, for who connects to this very cluster.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    fn url_of(&self, database: &str) -> String {
        let directory = self.directory.path().to_str().unwrap();
        format!("postgresql://{NAME}@localhost:5432/{database}?host={directory}")
    }

    /// The same for who connects to it through a port of this machine.
    pub fn url_through(port: u16) -> String {
        format!("postgresql://{NAME}@127.0.0.1:{port}/{NAME}?sslmode=disable")
    }

    /// The transactions that are committed here and wait for a standby to have them, too, however they were sent.
    pub fn commits_in_waiting(&self) -> usize {
        self.count("pg_stat_activity where wait_event = 'SyncRep'")
    }

    /// Whether a server counts as the only one on the database: what it writes of itself, beside requests, is written then.
    pub fn has_only_server(&self) -> bool {
        self.count("feed_sequence where sole is not null") > 0
    }

    fn count(&self, of: &str) -> usize {
        self.ask(&format!("select count(*) from {of}")).trim().parse().expect("a number")
    }

    /// Executes SQL in the database.
    pub fn execute(&self, sql: &str) {
        self.ask(sql);
    }

    /// The numbers of processes that a query gives.
    pub fn processes(&self, query: &str) -> Vec<u32> {
        self.ask(query).split_whitespace().map(|number| number.parse().expect("a number")).collect()
    }

    fn ask(&self, sql: &str) -> String {
        let arguments = ["--no-psqlrc", "--tuples-only", "--quiet", "--dbname", NAME, "--command", sql];
        run("psql", self.directory.path(), arguments)
    }

    /// Makes a standby a primary; when this returns it takes writes.
    pub fn promote(&self) {
        run("pg_ctl", self.directory.path(), [OsStr::new("promote"), "-D".as_ref(), self.data().as_os_str()]);
    }

    /// The end at once: none of its processes gets to do anything any more.
    pub fn kill(&mut self) {
        if self.process.wait(Duration::ZERO).is_some() {
            return;
        }
        let all = stopped_with_descendants(self.process.id);
        send_signal("KILL", &all);
        assert!(self.process.wait(KILL_LIMIT).is_some(), "a killed PostgreSQL is gone");
        for process in all {
            wait_until("a killed PostgreSQL process is gone", KILL_LIMIT, || !is_running(process));
        }
        self.remove_shared_memory();
    }

    /// Starts it again after a kill, on what it has on disk.
    pub fn restart(&mut self, settings: &[&str]) {
        self.process = spawn(self.name, self.directory.path(), settings);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let mut ended = None;
        wait_until("PostgreSQL takes connections", START_LIMIT, || {
            ended = self.process.wait(Duration::ZERO);
            let mut asked = command("pg_isready", self.directory.path());
            ended.is_some() || asked.stdout(Stdio::null()).status().expect("pg_isready").success()
        });
        assert!(ended.is_none(), "PostgreSQL ended instead of starting: {ended:?}\n{}", self.process.errors());
    }

    fn data(&self) -> PathBuf {
        data_in(self.directory.path())
    }

    /// A killed `PostgreSQL` leaves a little shared memory behind for the next start, which there will not be.
    fn remove_shared_memory(&self) {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        if let Some(segment) = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            // Best effort: not every system has the program.
            Command::new("ipcrm").args(["-m", segment]).stderr(Stdio::null()).status().ok();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            print_last_lines(self.name, &self.process.errors());
        }
        // At once, but with what it has in shared memory given back.
        self.process.signal("QUIT");
        if self.process.wait(KILL_LIMIT).is_none() {
            self.kill();
        }
    }
}

/// A cluster as a server makes it, with nothing in it. Making one takes a second of a processor, and writes through to the
/// disk; copying it takes a tenth of that.
static NEW_CLUSTER: Mutex<Option<tempfile::TempDir>> = Mutex::new(None);

/// Puts a new cluster into the data directory of a server, which would make the same.
pub fn put_new_cluster(data_directory: &Path) {
    let template = {
        let mut template = NEW_CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        let made = template.get_or_insert_with(|| {
            let directory = owned_directory();
            let data = data_in(directory.path());
            let arguments = ["--username", NAME, "--encoding=UTF8", "--locale=C", "--data-checksums"];
            let arguments =
                arguments.into_iter().chain(["--auth-local=trust", "--auth-host=reject", "--no-sync", "--pgdata"]);
            run("initdb", directory.path(), arguments.map(OsStr::new).chain([data.as_os_str()]));
            directory
        });
        data_in(made.path())
    };
    fs::create_dir_all(data_directory).expect("the data directory");
    // With owner and mode, which PostgreSQL looks at.
    let copied = Command::new("cp").arg("-a").args([template, data_directory.join("cluster")]).status().expect("cp");
    assert!(copied.success(), "cp: {copied}");
}

/// Nobody needs it any more.
pub fn remove_new_cluster() {
    NEW_CLUSTER.lock().unwrap_or_else(PoisonError::into_inner).take();
}

fn data_in(directory: &Path) -> PathBuf {
    directory.join("data")
}

/// A directory of the user that `PostgreSQL` runs as: ourselves, or when we are root, which it refuses to be, the same as a
/// server would take.
pub fn owned_directory() -> tempfile::TempDir {
    let directory = fresh_directory();
    if fs::metadata(directory.path()).expect("the directory").uid() == 0 {
        let (user, group) = user_of_postgresql();
        chown(directory.path(), Some(user), Some(group)).expect("chown of the directory");
    }
    directory
}

/// The user and group that `PostgreSQL` runs as where we are root.
pub fn user_of_postgresql() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let ids = |wanted: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2).map(|field| field.parse().ok());
        Some((fields.next()??, fields.next()??))
    };
    ids("postgres").or_else(|| ids("nobody")).expect("a user postgres or nobody")
}

/// One of `PostgreSQL`'s programs, for the cluster in this directory and as its owner.
fn command(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(programs().join(program));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    let variables = [("LC_ALL", "C"), ("PGPORT", "5432"), ("PGUSER", NAME), ("PGDATABASE", "postgres")];
    command.envs(variables).env("PGHOST", directory).stdin(Stdio::null()).current_dir("/");
    let owner = fs::metadata(directory).expect("the directory");
    if owner.uid() != fs::metadata("/proc/self").expect("/proc").uid() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
}

/// One of `PostgreSQL`'s programs, for a database that is reached by its URL.
pub fn program(name: &str) -> Command {
    Command::new(programs().join(name))
}

/// Runs a program to its end, which has to be a good one, and gives what it printed.
fn run(program: &str, directory: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let output = command(program, directory).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn spawn(name: &str, directory: &Path, settings: &[&str]) -> Process {
    let mut command = command("postgres", directory);
    command.arg("-D").arg(data_in(directory));
    let mut sockets = std::ffi::OsString::from("unix_socket_directories=");
    sockets.push(directory);
    command.arg("-c").arg(sockets).arg("-c").arg(format!("cluster_name={name}"));
    for setting in SETTINGS.iter().chain(settings) {
        command.args(["-c", setting]);
    }
    Process::spawn(&mut command)
}

/// The directory of the programs: the one that is named, one that the path leads to, or the newest of Debian's.
pub fn programs() -> PathBuf {
    // Links on the path may be to some of the programs only; where they lead, there are all.
    let with_all = |directory: PathBuf| {
        let postgres = fs::canonicalize(directory.join("postgres")).ok()?;
        let real = postgres.parent()?;
        let complete = ["initdb", "pg_ctl", "pg_basebackup", "psql"].iter().all(|name| real.join(name).is_file());
        complete.then(|| real.to_owned())
    };
    let named = std::env::var_os("CIRRUS_POSTGRESQL_BIN").map(PathBuf::from);
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).find_map(with_all);
    let newest = || {
        let entries = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
        let versions =
            entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
        let installed = versions.filter_map(|(version, path)| Some((version, with_all(path.join("bin"))?)));
        installed.max().map(|(_, programs)| programs)
    };
    named.or_else(on_path).or_else(newest).expect(
        "PostgreSQL is not installed: run ./check, which installs it, or name the directory of its programs in \
         CIRRUS_POSTGRESQL_BIN",
    )
}
