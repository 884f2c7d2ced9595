//! The embedded default: a private PostgreSQL that is started, watched and stopped by our own process.
//!
//! It belongs to a data directory of the user's:
//!
//! | in the directory | what it is |
//! | --- | --- |
//! | `lock` | held for as long as a server uses the directory |
//! | `cluster/` | PostgreSQL's own data |
//! | `socket/` | its Unix socket; there is no port and no password, the directory's mode keeps others out |
//! | `postgresql.log` | what it says |
//! | `database-url` | its URL, for servers |
//! | `database-url-read-only` | its URL for people: `psql "$(cat DIRECTORY/database-url-read-only)"` |

#![allow(clippy::doc_markdown, reason = "PostgreSQL is a name here, not code")]

mod cluster;
mod programs;

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::signals::stopped;
use cluster::{Cluster, Postmaster};

/// The first and the longest pause before PostgreSQL is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A PostgreSQL that has run for this long was well: the pauses begin anew.
const WELL_AFTER: Duration = Duration::from_secs(30);

/// How long a server that was killed may take to let go of the lock.
const LOCK_TIME: Duration = Duration::from_secs(2);

/// How often and how long apart the first start is tried while PostgreSQL says that somebody still uses the cluster.
const IN_USE_TRIES: u32 = 20;
const IN_USE_PAUSE: Duration = Duration::from_millis(500);

/// What can go wrong with the private PostgreSQL; the texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// It was time to stop before PostgreSQL was ready; nothing of it is left running.
    #[error("stopped before PostgreSQL was ready")]
    Stopped,
    /// A file or directory cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server holds the lock.
    #[error(
        "the data directory {} is in use by another server{holder}: stop that one, or give this one a data directory of \
         its own", directory.display()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The other's process, if it is known.
        holder: String,
    },
    /// No PostgreSQL anywhere.
    #[error(
        "PostgreSQL is not installed. Install it with: {command}\n(it need not be running: the server starts its own. \
         CIRRUS_POSTGRESQL_BIN names the directory of its programs if they are in an unusual place; a database URL \
         makes the server use a PostgreSQL that runs already)"
    )]
    NotInstalled {
        /// The command that installs it.
        command: String,
    },
    /// Only versions that are too old.
    #[error("the installed PostgreSQL is too old ({found}; needed is {oldest} or newer). Install one with: {command}")]
    TooOld {
        /// The versions that were found.
        found: String,
        /// The oldest that will do.
        oldest: u32,
        /// The command that installs one.
        command: String,
    },
    /// The cluster wants another version.
    #[error(
        "the database in {} was made by PostgreSQL {wanted}, which is not installed (found: {found}). Install it with: \
         {command}\n(or convert the database with pg_upgrade)", cluster.display()
    )]
    WrongVersion {
        /// The cluster.
        cluster: PathBuf,
        /// The version that it wants.
        wanted: u32,
        /// The versions that were found.
        found: String,
        /// The command that installs it.
        command: String,
    },
    /// `CIRRUS_POSTGRESQL_BIN` names a wrong directory.
    #[error(
        "CIRRUS_POSTGRESQL_BIN is {}, but postgres, initdb and pg_ctl are not all there: name the directory they are \
         in, or unset it", directory.display()
    )]
    NotThere {
        /// What it names.
        directory: PathBuf,
    },
    /// We are root, and there is nobody else.
    #[error(
        "PostgreSQL refuses to run as root, and /etc/passwd has neither a user postgres nor a user nobody: run the \
         server as an ordinary user, or make one with: useradd --system postgres"
    )]
    NoUnprivilegedUser,
    /// The unprivileged user cannot get to the data directory.
    #[error(
        "PostgreSQL refuses to run as root, so it runs as the user {user}, who may not enter {}: choose a data directory \
         outside of it instead of {}, or allow it with: chmod o+x {}",
        blocked.display(), directory.display(), blocked.display()
    )]
    NotTraversable {
        /// The user.
        user: String,
        /// The data directory.
        directory: PathBuf,
        /// The directory on the way to it that is closed.
        blocked: PathBuf,
    },
    /// The cluster is somebody else's.
    #[error(
        "{} belongs to {owner}: run the server as that user (or as root), or choose another data directory",
        directory.display()
    )]
    WrongOwner {
        /// The cluster.
        directory: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// Something is in the place of the cluster.
    #[error(
        "{} is not a PostgreSQL cluster (it has no readable PG_VERSION): move it away, or choose another data directory",
        directory.display()
    )]
    NotACluster {
        /// The directory.
        directory: PathBuf,
    },
    /// Something is in the place of the socket directory.
    #[error("{} is not a directory of the user {user}: remove it, or choose another data directory", directory.display())]
    ForeignSocketDirectory {
        /// The socket directory.
        directory: PathBuf,
        /// Who should own it.
        user: String,
    },
    /// A program cannot be run.
    #[error("cannot run {}: {source}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{} failed ({status}):\n{}", program.display(), output.trim())]
    ProgramFailed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// PostgreSQL ended while it was starting.
    #[error("PostgreSQL ended by itself ({status}). The end of {}:\n{lines}", log.display())]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        lines: String,
    },
    /// PostgreSQL does not accept connections.
    #[error("PostgreSQL accepts no connections after {seconds} s. The end of {}:\n{lines}", log.display())]
    TooSlow {
        /// How long we have waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        lines: String,
    },
    /// PostgreSQL refuses us.
    #[error("the private PostgreSQL refuses the connection: {}", super::told(.0))]
    Connection(#[source] sqlx::Error),
    /// Nothing ends a process.
    #[error("process {process} of PostgreSQL does not end, not even when it is killed: look what it waits for")]
    NotStopped {
        /// The process.
        process: u32,
    },
    /// The operating system does not tell us about our child.
    #[error("cannot wait for PostgreSQL: {0}")]
    Wait(#[source] io::Error),
    /// The task that watches PostgreSQL broke.
    #[error("the supervision of PostgreSQL broke off: {0}")]
    Supervision(#[source] tokio::task::JoinError),
}

impl PrivateError {
    fn directory(path: &Path, source: io::Error) -> PrivateError {
        PrivateError::Directory { path: path.to_owned(), source }
    }

    fn program(program: &Path, source: io::Error) -> PrivateError {
        PrivateError::Program { program: program.to_owned(), source }
    }

    /// Whether somebody has to install, move or allow something before it can work.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::NotInstalled { .. }
            | Self::TooOld { .. }
            | Self::WrongVersion { .. }
            | Self::NotThere { .. }
            | Self::NoUnprivilegedUser
            | Self::NotTraversable { .. }
            | Self::WrongOwner { .. }
            | Self::NotACluster { .. }
            | Self::ForeignSocketDirectory { .. } => true,
            Self::Directory { source, .. } => {
                matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory)
            }
            _ => false,
        }
    }

    /// Whether PostgreSQL says that an earlier one still is at work here, which passes.
    fn is_in_use(&self) -> bool {
        matches!(self, PrivateError::Exited { lines, .. }
            if lines.contains("still in use") || lines.contains("already exists"))
    }
}

/// A private PostgreSQL of this process. It comes back by itself when it is killed, and is stopped by
/// [`PrivatePostgres::stop`]; when the value is merely dropped, it is asked to stop, but not waited for.
#[derive(Debug)]
pub struct PrivatePostgres {
    running: Running,
    stopping: watch::Sender<bool>,
    supervisor: Mutex<Option<JoinHandle<Result<(), PrivateError>>>>,
    /// Declared last, because it is to be given up last.
    _lock: File,
}

impl PrivatePostgres {
    /// Locks the directory, makes the cluster when there is none, stops an orphan of a killed server, starts
    /// PostgreSQL and waits until it accepts connections. When it is time to stop meanwhile, what was started is stopped.
    pub async fn start(
        data_directory: &Path,
        mut stop: watch::Receiver<bool>,
    ) -> Result<PrivatePostgres, PrivateError> {
        programs::check_there()?;
        let data_directory = prepare(data_directory)?;
        let lock = tokio::select! {
            () = stopped(&mut stop) => return Err(PrivateError::Stopped),
            lock = lock(&data_directory) => lock?,
        };
        let cluster = Arc::new(Cluster::open(&data_directory, &mut stop).await?);
        let mut postmaster = start_first(&cluster, &mut stop).await?;
        if let Err(error) = open_to_people(&data_directory, &cluster).await {
            cluster.shut_down(&mut postmaster).await?;
            return Err(error);
        }
        // From here on, whoever drops us leaves no PostgreSQL behind.
        let running = Running { cluster: Arc::clone(&cluster), stopped: AtomicBool::new(false) };
        let (stopping, stop) = watch::channel(false);
        let supervisor = Mutex::new(Some(tokio::spawn(supervise(cluster, postmaster, stop))));
        Ok(PrivatePostgres { running, stopping, supervisor, _lock: lock })
    }

    /// The URL of the database, for servers.
    pub fn database_url(&self) -> String {
        self.running.cluster.url()
    }

    /// Stops PostgreSQL with a fast shutdown and waits for it. Stopping it again does nothing.
    pub async fn stop(&self) -> Result<(), PrivateError> {
        self.stopping.send_replace(true);
        let mut supervisor = self.supervisor.lock().await;
        let Some(task) = supervisor.as_mut() else {
            return Ok(());
        };
        // Awaited in its place: if our caller gives up, the next one can go on waiting.
        let result = task.await.map_err(PrivateError::Supervision).flatten();
        *supervisor = None;
        if result.is_ok() {
            self.running.stopped.store(true, Ordering::Relaxed);
            self.running.cluster.remove_socket_directory();
        }
        result
    }
}

/// Asks PostgreSQL to stop when nobody has stopped it properly.
#[derive(Debug)]
struct Running {
    cluster: Arc<Cluster>,
    stopped: AtomicBool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.stopped.load(Ordering::Relaxed) {
            self.cluster.request_shut_down();
        }
    }
}

/// Makes the data directory and returns its real path, which is how PostgreSQL's processes are recognised.
fn prepare(data_directory: &Path) -> Result<PathBuf, PrivateError> {
    let failed = |source| PrivateError::directory(data_directory, source);
    if !data_directory.exists() {
        fs::create_dir_all(data_directory).map_err(failed)?;
        // Whatever the umask: nothing secret is directly in it, and the user of PostgreSQL may be another one.
        fs::set_permissions(data_directory, Permissions::from_mode(0o755)).map_err(failed)?;
    }
    fs::canonicalize(data_directory).map_err(failed)
}

/// Takes the lock of the data directory. A server that was killed a moment ago may not be gone altogether, so it is
/// given a moment.
async fn lock(data_directory: &Path) -> Result<File, PrivateError> {
    let path = data_directory.join("lock");
    let failed = |source| PrivateError::directory(&path, source);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    let deadline = Instant::now() + LOCK_TIME;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = holder.trim();
                return Err(PrivateError::InUse {
                    directory: data_directory.to_owned(),
                    holder: if holder.is_empty() { String::new() } else { format!(" (process {holder})") },
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    // Only for people, and for the error above; what counts is the lock.
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

/// Starts PostgreSQL for the first time. Where an earlier one is just ending, it is tried again.
async fn start_first(cluster: &Cluster, stop: &mut watch::Receiver<bool>) -> Result<Postmaster, PrivateError> {
    let mut tries = 0;
    loop {
        cluster.clear_remains().await?;
        // Not between these two: a process that nobody knows of would go on.
        let mut postmaster = cluster.spawn().await?;
        let ready = tokio::select! {
            () = stopped(stop) => Err(PrivateError::Stopped),
            ready = cluster.wait_until_ready(&mut postmaster) => ready,
        };
        match ready {
            Ok(()) => return Ok(postmaster),
            Err(error) if error.is_in_use() && tries < IN_USE_TRIES => tries += 1,
            Err(error) => {
                cluster.shut_down(&mut postmaster).await?;
                return Err(error);
            }
        }
        sleep(IN_USE_PAUSE).await;
    }
}

/// Writes down where the database is, for servers and for people, and makes the role that people use.
async fn open_to_people(data_directory: &Path, cluster: &Cluster) -> Result<(), PrivateError> {
    cluster.make_reader().await?;
    cluster::write_whole(&data_directory.join("database-url"), &format!("{}\n", cluster.url()))?;
    let read_only = data_directory.join("database-url-read-only");
    cluster::write_whole(&read_only, &format!("{}\n", cluster.reader_url()))?;
    tracing::info!(
        directory = %data_directory.display(),
        r#"the private PostgreSQL accepts connections; to look into it: psql "$(cat '{}')""#, read_only.display()
    );
    Ok(())
}

/// Watches PostgreSQL and starts it again when it ends, until it is told to stop.
async fn supervise(
    cluster: Arc<Cluster>,
    mut postmaster: Postmaster,
    mut stop: watch::Receiver<bool>,
) -> Result<(), PrivateError> {
    let mut pause = PAUSES.0;
    loop {
        let started = Instant::now();
        let status = tokio::select! {
            () = stopped(&mut stop) => return cluster.shut_down(&mut postmaster).await,
            status = postmaster.child.wait() => status.map_err(PrivateError::Wait)?,
        };
        tracing::error!(error = %cluster.exited(&postmaster, status), "PostgreSQL has ended: starting it again");
        if started.elapsed() > WELL_AFTER {
            pause = PAUSES.0;
        }
        postmaster = loop {
            tokio::select! {
                () = stopped(&mut stop) => return Ok(()),
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSES.1);
            match restart(&cluster).await {
                Ok(postmaster) => break postmaster,
                Err(error) => tracing::error!(%error, "PostgreSQL cannot be started: trying again"),
            }
        };
        // Recovery can take long, and a stop must not wait for it.
        tokio::select! {
            () = stopped(&mut stop) => {}
            ready = cluster.wait_until_ready(&mut postmaster) => match ready {
                Ok(()) => tracing::info!("PostgreSQL accepts connections again"),
                // If it has ended, the loop sees that; if it is slow, it may still come.
                Err(error) => tracing::error!(%error, "PostgreSQL is not ready"),
            },
        }
    }
}

async fn restart(cluster: &Cluster) -> Result<Postmaster, PrivateError> {
    cluster.clear_remains().await?;
    cluster.spawn().await
}

#[cfg(test)]
mod tests;
