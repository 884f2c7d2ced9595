//! The embedded default: a private PostgreSQL that is started, watched and stopped by our own process.
//!
//! It belongs to a data directory of the user's:
//!
//! | in the directory | what it is |
//! | --- | --- |
//! | `lock` | held for as long as a server uses the directory |
//! | `cluster/` | PostgreSQL's own data |
//! | `socket/` | its Unix socket; there is no port and no password, the directory's mode keeps others out |
//! | `postgresql.log` | what it says; our log has it, too |
//! | `database-url` | its URL, for servers |
//! | `database-url-read-only` | its URL for people: `psql "$(cat DIRECTORY/database-url-read-only)"` |

#![allow(clippy::doc_markdown, reason = "PostgreSQL is a name here, not code")]

mod cluster;
mod error;
mod lines;
mod mark;
mod programs;

pub use error::PrivateError;
pub use mark::{Mark, MarkError};

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
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
use lines::Lines;

/// The first and the longest pause before PostgreSQL is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A PostgreSQL that has run for this long was well: the pauses begin anew.
const WELL_AFTER: Duration = Duration::from_secs(30);

/// How long a server that was killed may take to let go of the lock.
const LOCK_TIME: Duration = Duration::from_secs(2);

/// How often and how long apart the first start is tried while PostgreSQL says that somebody still uses the cluster.
const IN_USE_TRIES: u32 = 20;
const IN_USE_PAUSE: Duration = Duration::from_millis(500);

/// A private PostgreSQL of this process. It comes back by itself when it is killed, and is stopped by
/// [`PrivatePostgres::stop`]; when the value is merely dropped, it is asked to stop, but not waited for.
#[derive(Debug)]
pub struct PrivatePostgres {
    running: Running,
    lines: Lines,
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
        let lines = Lines::follow(cluster.log().to_owned());
        let mut postmaster = start_first(&cluster, &mut stop).await?;
        if let Err(error) = open_to_people(&data_directory, &cluster).await {
            cluster.shut_down(&mut postmaster).await?;
            return Err(error);
        }
        // From here on, whoever drops us leaves no PostgreSQL behind.
        let running = Running { cluster: Arc::clone(&cluster), stopped: AtomicBool::new(false) };
        let (stopping, stop) = watch::channel(false);
        let supervisor = Mutex::new(Some(tokio::spawn(supervise(cluster, postmaster, stop))));
        Ok(PrivatePostgres { running, lines, stopping, supervisor, _lock: lock })
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
        self.lines.stop().await;
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

/// The URL of the database of the server that runs on this data directory.
///
/// # Errors
/// What is found there instead, in words.
pub fn url_of_running(data_directory: &Path) -> Result<String, String> {
    let path = data_directory.join("lock");
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let what =
                if data_directory.is_dir() { "no server has ever run there" } else { "there is no such directory" };
            return Err(what.to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    // For a moment only: who starts there meanwhile tries it again.
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error.to_string()),
        Ok(()) => return Err("no server runs there".to_owned()),
    }
    let url = fs::read_to_string(data_directory.join("database-url"));
    url.map(|url| url.trim().to_owned())
        .map_err(|error| format!("a server runs there, but has not said where its database is (database-url: {error})"))
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
