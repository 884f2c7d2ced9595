//! The database cluster in the data directory: making it, starting PostgreSQL on it, and clearing away what a killed
//! server has left.

use std::{
    fmt::Write as _,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    process::Child,
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    PrivateError,
    programs::{Account, Programs, command},
};
use crate::{
    signals::stopped,
    store::{
        Database, StoreError,
        private::{READER, make_database, make_reader},
    },
};

/// The name of the superuser and of the database.
const NAME: &str = "cirrus";

/// The port is only a part of the socket's file name.
const PORT: u16 = 5432;

/// What each line of its log begins with: when, and which process.
pub(super) const LINE_PREFIX: &str = "%m [%p] ";

/// How PostgreSQL is set up, on top of its defaults; these win over the cluster's postgresql.conf.
const SETTINGS: [(&str, &str); 19] = [
    // Only the Unix socket, and only for its owner.
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    // An answered write is durable.
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    // When one of its processes dies it recovers by itself, without a restart of the whole.
    ("restart_after_crash", "on"),
    ("max_connections", "100"),
    ("wal_compression", "on"),
    ("max_wal_size", "2GB"),
    // Files of its log that are used again. A new one is filled with zeros first, while all writes wait.
    ("min_wal_size", "512MB"),
    // Our statements are short; compiling them takes longer than running them.
    ("jit", "off"),
    // Everything is written to our log, in English, because we read it too.
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_line_prefix", LINE_PREFIX),
    ("log_checkpoints", "off"),
    ("lc_messages", "C"),
    // Shown by ps.
    ("cluster_name", NAME),
    ("update_process_title", "off"),
];

/// Takes less time than the default way, where PostgreSQL has it: a tenth more writes.
const LZ4: &str = "wal_compression=lz4";

/// How much of the tables PostgreSQL keeps in its own memory, in MiB: an eighth of the machine's memory, within limits. At
/// 300,000 objects, whose indexes are written all over, it writes a quarter faster with 1 GiB than with 256 MiB.
fn shared_buffers() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    (total.unwrap_or(0_u64) / 1024 / 8).clamp(128, 1024)
}

/// The longest path of a Unix socket: 108 bytes on Linux and 104 elsewhere, with a zero at the end.
const LONGEST_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// A log longer than this is put aside when PostgreSQL is started.
const LONGEST_LOG: u64 = 16 << 20;

/// How long PostgreSQL may take to answer at all.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// How long it may say that it is recovering: after a crash under load it reads up to `max_wal_size` and more.
const RECOVERY_TIME: Duration = Duration::from_mins(30);

/// How long a fast shutdown may take before it is made an immediate one, and that before the process is killed.
const SHUTDOWN_TIME: Duration = Duration::from_secs(20);

/// How long processes of a dead PostgreSQL get to notice that it is gone.
const LEFTOVER_TIME: Duration = Duration::from_secs(3);

/// A private cluster: where it is, and who runs it with what.
#[derive(Debug)]
pub(super) struct Cluster {
    account: Account,
    programs: Programs,
    /// The cluster itself (PGDATA).
    directory: PathBuf,
    socket: PathBuf,
    log: PathBuf,
}

impl Cluster {
    /// Finds the cluster of a data directory, or makes it. The directory is locked by the caller.
    pub(super) async fn open(data_directory: &Path, stop: &mut watch::Receiver<bool>) -> Result<Cluster, PrivateError> {
        let directory = data_directory.join("cluster");
        let account = Account::find(&directory).await?;
        account.check_way_to(data_directory).await?;
        let wanted = existing_version(&directory)?;
        let programs = Programs::find(&account, wanted, &directory).await?;
        if wanted.is_none() {
            create(data_directory, &directory, &account, &programs, stop).await?;
        }
        let socket = socket_directory(data_directory, &account)?;
        Ok(Cluster { account, programs, directory, socket, log: data_directory.join("postgresql.log") })
    }

    /// The URL under which the database is reached. The port and the TLS mode are said so that PGPORT and PGSSLMODE
    /// in somebody's environment do not lead elsewhere.
    pub(super) fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// The same for people.
    pub(super) fn reader_url(&self) -> String {
        self.url_of(READER)
    }

    fn url_of(&self, role: &str) -> String {
        let socket = encode(&self.socket);
        format!("postgresql://{role}@localhost:{PORT}/{NAME}?host={socket}&sslmode=disable")
    }

    /// Makes the role for people.
    pub(super) async fn make_reader(&self) -> Result<(), PrivateError> {
        make_reader(&self.database(NAME)).await.map_err(PrivateError::Connection)
    }

    /// Where PostgreSQL writes what it says.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    #[cfg(test)]
    pub(super) fn socket_directory(&self) -> &Path {
        &self.socket
    }

    /// Removes everything that would keep PostgreSQL from starting: an orphan, its leftover processes, and process ids
    /// that belong to somebody else by now.
    pub(super) async fn clear_remains(&self) -> Result<(), PrivateError> {
        let pid_file = self.directory.join("postmaster.pid");
        match fs::read(&pid_file).ok().map(|text| first_number(&String::from_utf8_lossy(&text)).unwrap_or_default()) {
            // A machine that lost its power may leave an empty file, which PostgreSQL takes for one that is just starting.
            // No server writes it now, because we hold the lock.
            Some(0) => {
                tracing::warn!(file = %pid_file.display(), "removing a postmaster.pid that names no process");
                remove_file(&pid_file)?;
            }
            Some(process) if is_postmaster(process, &self.directory).await => {
                tracing::warn!(process, "stopping the PostgreSQL that a killed server has left running");
                self.stop_orphan().await?;
            }
            // PostgreSQL only looks whether there is such a process. After a restart of the machine, and in containers as a
            // rule, it is some other program; we know better, because we hold the lock.
            Some(process) if is_alive(process).await => {
                tracing::info!(process, "removing a stale postmaster.pid");
                remove_file(&pid_file)?;
            }
            None | Some(_) => {}
        }
        self.end_leftovers().await?;
        let socket = self.socket.join(format!(".s.PGSQL.{PORT}"));
        remove_file(&socket)?;
        remove_file(&socket.with_extension(format!("{PORT}.lock")))
    }

    async fn stop_orphan(&self) -> Result<(), PrivateError> {
        let seconds = SHUTDOWN_TIME.as_secs().to_string();
        let stop = async |mode: &str| {
            let arguments = ["stop", "-w", "-t", &seconds, "-m", mode, "-D"].map(std::ffi::OsStr::new);
            let arguments = arguments.into_iter().chain([self.directory.as_os_str()]);
            self.programs.run(&self.account, "pg_ctl", arguments).await
        };
        if let Err(error) = stop("fast").await {
            tracing::warn!(%error, "a fast shutdown did not end it: stopping it at once");
            stop("immediate").await?;
        }
        Ok(())
    }

    /// Waits for the processes of a PostgreSQL that was killed, and ends those that do not notice: a long computation
    /// never looks whether its postmaster is alive, and a new PostgreSQL does not start while it goes on.
    async fn end_leftovers(&self) -> Result<(), PrivateError> {
        for signal in ["", "QUIT", "KILL"] {
            for process in self.leftovers() {
                if !signal.is_empty() {
                    tracing::warn!(process, signal, "ending a leftover process of a killed PostgreSQL");
                    self.signal(signal, process).await;
                }
            }
            let deadline = Instant::now() + LEFTOVER_TIME;
            while !self.leftovers().is_empty() && Instant::now() < deadline {
                sleep(Duration::from_millis(20)).await;
            }
        }
        match self.leftovers().first() {
            None => Ok(()),
            Some(process) => Err(PrivateError::NotStopped { process: *process }),
        }
    }

    /// PostgreSQL's processes whose current directory is the cluster, as all of them have. Without /proc there is no
    /// telling; PostgreSQL itself notices them then and refuses, and the start is tried again.
    fn leftovers(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter(|entry| {
                let process = entry.path();
                fs::read_link(process.join("cwd")).is_ok_and(|current| current == self.directory)
                    && fs::read(process.join("comm")).is_ok_and(|name| name.starts_with(b"postgres"))
            })
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    async fn signal(&self, signal: &str, process: u32) {
        let process = process.to_string();
        if let Err(error) = self.programs.run(&self.account, "pg_ctl", ["kill", signal, &process]).await {
            // It may have ended in the meantime; whoever asked looks again.
            tracing::debug!(signal, process, %error, "could not send a signal");
        }
    }

    /// Starts the postmaster. It is stopped by us alone, when the last of our own transactions is done.
    pub(super) async fn spawn(&self) -> Result<Postmaster, PrivateError> {
        if fs::metadata(&self.log).is_ok_and(|metadata| metadata.len() > LONGEST_LOG) {
            let older = self.log.with_extension("log.1");
            fs::rename(&self.log, &older).map_err(|source| PrivateError::directory(&older, source))?;
        }
        let failed = |source| PrivateError::directory(&self.log, source);
        let log = OpenOptions::new().append(true).create(true).open(&self.log).map_err(failed)?;
        self.account.own(&self.log)?;
        let log_start = log.metadata().map_err(failed)?.len();
        let program = self.programs.program("postgres");
        let mut command = self.account.command(&program);
        command.arg("-D").arg(&self.directory);
        for (name, value) in SETTINGS {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.arg("-c").arg(format!("shared_buffers={}MB", shared_buffers()));
        if self.understands(LZ4).await {
            command.arg("-c").arg(LZ4);
        }
        let mut socket = std::ffi::OsString::from("unix_socket_directories=");
        socket.push(&self.socket);
        let child = command
            .arg("-c")
            .arg(socket)
            .stdout(Stdio::from(log.try_clone().map_err(failed)?))
            .stderr(Stdio::from(log))
            .spawn()
            .map_err(|source| PrivateError::program(&program, source))?;
        Ok(Postmaster { child, log_start })
    }

    /// Whether PostgreSQL takes a setting: some depend on how it was built.
    async fn understands(&self, setting: &str) -> bool {
        let name = setting.split('=').next().unwrap_or_default();
        let mut ask = self.account.command(self.programs.program("postgres"));
        ask.arg("-D").arg(&self.directory).args(["-C", name, "-c", setting]);
        ask.stdout(Stdio::null()).stderr(Stdio::null()).status().await.is_ok_and(|status| status.success())
    }

    /// Waits until PostgreSQL accepts connections, and makes the database when it is not there yet.
    pub(super) async fn wait_until_ready(&self, postmaster: &mut Postmaster) -> Result<(), PrivateError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(10);
        loop {
            if let Some(status) = postmaster.child.try_wait().map_err(PrivateError::Wait)? {
                return Err(self.exited(postmaster, status));
            }
            let patience = match timeout(ANSWER_TIME, self.try_connect()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if error.is_starting() => RECOVERY_TIME,
                // No socket yet, or nobody behind it.
                Ok(Err(error)) if error.is_silence() => ANSWER_TIME,
                Ok(Err(error)) => return Err(PrivateError::Connection(error)),
                Err(_) => ANSWER_TIME,
            };
            if started.elapsed() > patience {
                return Err(PrivateError::TooSlow {
                    seconds: started.elapsed().as_secs(),
                    log: self.log.clone(),
                    lines: self.last_lines(postmaster.log_start),
                });
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    fn database(&self, name: &str) -> Database {
        Database::on_socket(&self.socket, PORT, NAME, name)
    }

    async fn try_connect(&self) -> Result<(), StoreError> {
        make_database(&self.database("postgres")).await
    }

    pub(super) fn exited(&self, postmaster: &Postmaster, status: ExitStatus) -> PrivateError {
        let lines = self.last_lines(postmaster.log_start);
        PrivateError::Exited { status, log: self.log.clone(), lines }
    }

    /// The last lines that PostgreSQL has written since it was started.
    fn last_lines(&self, start: u64) -> String {
        let read = || -> io::Result<String> {
            let mut log = File::open(&self.log)?;
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(start.max(length.saturating_sub(4096))))?;
            let mut bytes = Vec::new();
            log.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().rev().take(12).collect();
        lines.reverse();
        lines.join("\n")
    }

    /// Shuts PostgreSQL down: fast, which rolls open transactions back and writes everything out; if that hangs,
    /// without writing (the next start recovers); if that hangs too, by killing it.
    pub(super) async fn shut_down(&self, postmaster: &mut Postmaster) -> Result<(), PrivateError> {
        for signal in ["INT", "QUIT", "KILL"] {
            let Some(process) = postmaster.child.id() else {
                return Ok(());
            };
            if signal != "INT" {
                tracing::warn!(process, signal, "PostgreSQL does not stop: stopping it harder");
            }
            self.signal(signal, process).await;
            if let Ok(status) = timeout(SHUTDOWN_TIME, postmaster.child.wait()).await {
                let status = status.map_err(PrivateError::Wait)?;
                tracing::debug!(%status, "PostgreSQL has stopped");
                return Ok(());
            }
        }
        Err(PrivateError::NotStopped { process: postmaster.child.id().unwrap_or_default() })
    }

    /// Asks for a fast shutdown without waiting for it: for when nobody can wait.
    pub(super) fn request_shut_down(&self) {
        let mut command = self.account.command(self.programs.program("pg_ctl")).into_std();
        let arguments = ["stop", "-W", "-s", "-m", "fast", "-D"];
        let status = command.args(arguments).arg(&self.directory).stdout(Stdio::null()).stderr(Stdio::null()).status();
        tracing::debug!(?status, "asked PostgreSQL to stop");
    }

    /// Removes the socket directory where it is outside of the data directory.
    pub(super) fn remove_socket_directory(&self) {
        if self.socket.parent() != self.directory.parent() {
            // Only when it is empty; if not, the next start uses it again.
            let _ = fs::remove_dir(&self.socket);
        }
    }
}

/// A running PostgreSQL: its first process, and where its part of the log begins.
#[derive(Debug)]
pub(super) struct Postmaster {
    pub(super) child: Child,
    log_start: u64,
}

/// The major version of the cluster that is there, if any. A directory without a version is not ours: a cluster
/// appears under its name only when it is complete.
fn existing_version(cluster: &Path) -> Result<Option<u32>, PrivateError> {
    let file = cluster.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => match first_number(&text) {
            Some(major) => Ok(Some(major)),
            None => Err(PrivateError::NotACluster { directory: cluster.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound && !cluster.exists() => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(PrivateError::NotACluster { directory: cluster.to_owned() })
        }
        Err(source) => Err(PrivateError::directory(&file, source)),
    }
}

/// Makes the cluster under another name and renames it when it is complete.
async fn create(
    data_directory: &Path,
    cluster: &Path,
    account: &Account,
    programs: &Programs,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), PrivateError> {
    const PREFIX: &str = "cluster.making-";
    let failed = |source| PrivateError::directory(data_directory, source);
    for entry in fs::read_dir(data_directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            // Best effort: an initdb whose server was killed may still be writing there.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let making = data_directory.join(format!("{PREFIX}{}-{now}", std::process::id()));
    tracing::info!(directory = %cluster.display(), "making a new PostgreSQL cluster");
    make_directory(&making, 0o700)?;
    account.own(&making)?;
    let options = ["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth-local=trust", "--auth-host=reject"];
    let arguments = ["--username", NAME].into_iter().chain(options).chain(["--pgdata"]).map(std::ffi::OsStr::new);
    let made = initdb(account, programs, arguments.chain([making.as_os_str()]), stop).await;
    if let Err(error) = made {
        let _ = fs::remove_dir_all(&making);
        return Err(error);
    }
    fs::rename(&making, cluster).map_err(|source| PrivateError::directory(cluster, source))?;
    // initdb has synced what is inside; the new name has to be durable as well.
    File::open(data_directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

/// Runs initdb to its end. When it is time to stop, it is asked to end, which it does after the step that it is at, with
/// all that it has started.
async fn initdb<'a>(
    account: &Account,
    programs: &Programs,
    arguments: impl Iterator<Item = &'a std::ffi::OsStr>,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), PrivateError> {
    let running = programs.spawn(account, "initdb", arguments)?;
    let process = running.id();
    let mut end = std::pin::pin!(running.end());
    tokio::select! {
        ended = &mut end => return ended.map(|_| ()),
        () = stopped(stop) => {}
    }
    if let Some(process) = process.map(|process| process.to_string()) {
        programs.run(account, "pg_ctl", ["kill", "TERM", &process]).await?;
    }
    // Whatever comes of it, nobody wants the cluster any more; what does not end is killed when it is dropped.
    let _ = timeout(SHUTDOWN_TIME, end).await;
    Err(PrivateError::Stopped)
}

/// Where the socket is: in the data directory, or if its path is too long or has characters that PostgreSQL's lists
/// cannot carry, in a directory under /tmp that is named after it.
fn socket_directory(data_directory: &Path, account: &Account) -> Result<PathBuf, PrivateError> {
    let preferred = data_directory.join("socket");
    let usable = preferred.to_str().is_some_and(|path| {
        path.len() + format!("/.s.PGSQL.{PORT}").len() <= LONGEST_SOCKET && !path.contains([',', '"', '\n'])
    });
    let socket = if usable { preferred } else { temporary_name(data_directory) };
    match fs::symlink_metadata(&socket) {
        Ok(metadata) => {
            // In /tmp anybody may have been faster; in the data directory it is just the wrong owner.
            if !metadata.is_dir() || metadata.uid() != account.user {
                return Err(PrivateError::ForeignSocketDirectory { directory: socket, user: account.name.clone() });
            }
            fs::set_permissions(&socket, Permissions::from_mode(0o700))
                .map_err(|source| PrivateError::directory(&socket, source))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_directory(&socket, 0o700)?;
            account.own(&socket)?;
        }
        Err(source) => return Err(PrivateError::directory(&socket, source)),
    }
    Ok(socket)
}

/// A name that is always the same for the same directory (FNV-1a of its path).
fn temporary_name(data_directory: &Path) -> PathBuf {
    let bytes = data_directory.as_os_str().as_encoded_bytes();
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    PathBuf::from(format!("/tmp/cirrus-{hash:016x}"))
}

fn make_directory(path: &Path, mode: u32) -> Result<(), PrivateError> {
    DirBuilder::new().mode(mode).create(path).map_err(|source| PrivateError::directory(path, source))
}

fn remove_file(path: &Path) -> Result<(), PrivateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PrivateError::directory(path, error)),
        _ => Ok(()),
    }
}

/// Writes a small file so that its readers see the old or the new text, never half of it.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), PrivateError> {
    let temporary = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| PrivateError::directory(path, source))
}

fn first_number(text: &str) -> Option<u32> {
    text.lines().next()?.trim().parse().ok()
}

/// Whether the process is the postmaster of this cluster, and not one that has its number by chance.
async fn is_postmaster(process: u32, cluster: &Path) -> bool {
    let entry = PathBuf::from(format!("/proc/{process}"));
    if Path::new("/proc/self").exists() {
        return fs::read_link(entry.join("cwd")).is_ok_and(|current| current == cluster)
            && fs::read(entry.join("comm")).is_ok_and(|name| name.starts_with(b"postgres"));
    }
    let command = command_line(process).await;
    command.contains("postgres") && cluster.to_str().is_some_and(|cluster| command.contains(cluster))
}

async fn is_alive(process: u32) -> bool {
    if Path::new("/proc/self").exists() {
        return Path::new(&format!("/proc/{process}")).exists();
    }
    !command_line(process).await.trim().is_empty()
}

/// The command line of a process on systems without /proc; empty when there is no such process.
async fn command_line(process: u32) -> String {
    let output = command("ps").args(["-o", "command=", "-p", &process.to_string()]).output();
    output.await.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// Encodes a path for the query of a URL.
fn encode(path: &Path) -> String {
    let mut encoded = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_every_byte_that_means_something_in_a_url() {
        assert_eq!(encode(Path::new("/a b/+&%ä")), "%2Fa%20b%2F%2B%26%25%C3%A4");
    }

    #[test]
    fn names_the_same_directory_the_same() {
        let name = temporary_name(Path::new("/data"));
        assert_eq!(name, temporary_name(Path::new("/data")));
        assert_ne!(name, temporary_name(Path::new("/data2")));
        assert!(name.starts_with("/tmp"));
    }
}
