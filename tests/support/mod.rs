//! What the integration tests share: the server under test as a real process on a database of its own, a small
//! client, and a list of named checks.
//!
//! A server costs seconds to start, so a test file has one function that starts what it needs and runs
//! its checks on it one after the other. The server belongs to that function and not to a static, which is never
//! dropped: when the function ends, well or badly, the server and its `PostgreSQL` are stopped.
//!
//! Every server that stops compares what it has in memory with what the next one would load, and the tables and the log with
//! each other (`--check-at-end`). A test whose server finds a difference fails, whatever it was about.

pub mod chroot;
pub mod cql;
pub mod dump;
pub mod events;
pub mod generated;
pub mod keystone;
pub mod neutron;
pub mod postgresql;
pub mod proxy;
pub mod python;
pub mod rabbitmq;
pub mod random;
pub mod round_robin;
pub mod samples;
pub mod scrape;
pub mod stand_in;
pub mod tokens;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The first start makes a database cluster, which takes a while on a busy machine.
const START_LIMIT: Duration = Duration::from_mins(2);
const TELLS_WITHIN: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// A directory for one database that the unprivileged user of `PostgreSQL` can enter too: the temporary directory
/// itself is made for its owner only.
pub fn fresh_directory() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("cirrus-test-").tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("chmod of the directory");
    directory
}

/// The program under test, without settings of whoever runs the tests, and of this machine.
pub fn cirrus_program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cirrus"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CIRRUS_")) {
        command.env_remove(name);
    }
    command.env("CIRRUS_SETTINGS_FILE", "none");
    command
}

/// A child process with its output collected, and with an end that can be waited for with a time limit.
pub struct Process {
    pub id: u32,
    /// What only one can wait for at a time is behind a lock, so that checks can share a process.
    ended: Mutex<Receiver<ExitStatus>>,
    status: Option<ExitStatus>,
    first_lines: Mutex<Receiver<String>>,
    /// What it writes on standard error. A file and no pipe, so that what has been written can be read at once.
    errors: File,
}

impl Process {
    /// Starts the server's program; settings in the environment of whoever runs the tests do not reach it.
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(&mut Self::command(arguments))
    }

    /// What starts it.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cirrus"));
        command.args(arguments);
        for name in ["LISTEN", "DATA_DIR", "DATABASE_URL", "AAA_MODE", "OPEN", "TOKEN_FILE"]
            .map(|name| format!("CIRRUS_{name}"))
        {
            command.env_remove(name);
        }
        command.env("CIRRUS_CHECK_AT_END", "true");
        // Tests read what people would; those of the log say otherwise.
        command.env("CIRRUS_LOG_FORMAT", "text");
        // Where servers have one by default is not for tests.
        command.env("CIRRUS_ADMIN_SOCKET", "none");
        command.env("CIRRUS_SETTINGS_FILE", "none");
        command
    }

    /// Starts any program.
    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_into(command, tempfile::tempfile().unwrap())
    }

    /// The same, which has this for standard error.
    pub fn spawn_into(command: &mut Command, errors: File) -> Self {
        let mut child: Child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let id = child.id();
        let stdout = child.stdout.take().unwrap();
        let (line_sender, first_lines) = mpsc::channel();
        thread::spawn(move || {
            // Reads to the end, also when nobody listens any more: a full pipe would stop the server.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                line_sender.send(line).ok();
            }
        });
        let (end_sender, ended) = mpsc::channel();
        thread::spawn(move || {
            if let Ok(status) = child.wait() {
                end_sender.send(status).ok();
            }
        });
        Self { id, ended: Mutex::new(ended), status: None, first_lines: Mutex::new(first_lines), errors }
    }

    /// The next line on standard output; `None` when the process closed it.
    pub fn next_line(&self, limit: Duration) -> Option<String> {
        let line = self.first_lines.lock().unwrap().recv_timeout(limit);
        match line {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("nothing on standard output within {limit:?}; standard error:\n{}", self.errors())
            }
        }
    }

    /// What it has written on standard error until now.
    pub fn errors(&self) -> String {
        let mut errors = vec![0; usize::try_from(self.errors.metadata().unwrap().len()).unwrap()];
        // The process writes where the file ends: its place is not to be moved by reading.
        self.errors.read_exact_at(&mut errors, 0).unwrap();
        String::from_utf8_lossy(&errors).into_owned()
    }

    /// Waits for the end; `None` when it still runs after the limit.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.ended.lock().unwrap().recv_timeout(limit).ok();
        }
        self.status
    }

    /// Sends a signal, unless the process is known to have ended: its number may belong to another one then.
    pub fn signal(&mut self, name: &str) {
        if self.wait(Duration::ZERO).is_none() {
            send_signal(name, &[self.id]);
        }
    }

    /// Ends it whatever it does: asked first, so that a server can stop its `PostgreSQL`, and killed after a time.
    fn end(&mut self) {
        self.signal("TERM");
        // It compares what it knows with what is stored, which may be very much, beside others that do.
        if self.wait(Duration::from_mins(4)).is_none() {
            self.signal("KILL");
            self.wait(Duration::from_secs(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// How long a process may take to stop that was told to.
const STANDS_STILL_WITHIN: Duration = Duration::from_secs(30);

/// Unsafe code is forbidden here, so the shell's own `kill` sends signals. Processes that are gone are no error. Those that are to stop
/// have done so when this returns, with all their threads: one that goes on for a moment may still do what it is asked.
pub fn send_signal(name: &str, processes: &[u32]) {
    let mut line = format!("kill -{name}");
    for process in processes {
        write!(line, " {process}").unwrap();
    }
    Command::new("sh").args(["-c", &line]).stderr(Stdio::null()).status().expect("sh");
    if name == "STOP" {
        wait_until("processes stand still", STANDS_STILL_WITHIN, || {
            processes.iter().all(|process| stands_still(*process))
        });
    }
}

/// Whether no thread of a process runs.
fn stands_still(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().filter_map(Result::ok);
    let mut states = threads.filter_map(|thread| state_in(&thread.path().join("stat")));
    states.all(|(state, _)| matches!(state, 'T' | 't' | 'Z' | 'X'))
}

/// `(state, parent)` of a process.
fn process_state(process: u32) -> Option<(char, u32)> {
    state_in(Path::new(&format!("/proc/{process}/stat")))
}

/// The same of a process or a thread, from the line that the kernel keeps about it; the name in the middle of that line may hold
/// anything, so what counts is what comes after its last bracket.
fn state_in(stat: &Path) -> Option<(char, u32)> {
    let line = fs::read_to_string(stat).ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Whether a process runs; one that ended and was not collected by its parent (a zombie) does not.
pub fn is_running(process: u32) -> bool {
    process_state(process).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

pub fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|process| process_state(*process).is_some_and(|(_, of)| of == parent)).collect()
}

/// Waits for something that nobody announces; only for what happens outside of the server under test.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < limit, "{what}: not within {limit:?}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// One running server process.
pub struct Server {
    process: Process,
    directory: PathBuf,
    owns_database: bool,
    url: String,
    /// Held to be removed at the end, when this server made it.
    temporary: Option<tempfile::TempDir>,
}

impl Server {
    /// A server with a new, empty database of its own.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more options.
    pub fn start_with(options: &[&str]) -> Self {
        let temporary = fresh_directory();
        let directory = temporary.path().join("data");
        postgresql::put_new_cluster(&directory);
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", directory.to_str().unwrap()];
        arguments.extend(options);
        let mut server = Self::ready(Process::start(&arguments), &directory, true);
        server.temporary = Some(temporary);
        server
    }

    /// A server on this data directory, which may be there or not: then the server makes a cluster by itself.
    pub fn start_in(directory: &Path) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", directory.to_str().unwrap()];
        Self::ready(Process::start(&arguments), directory, true)
    }

    /// One more process on the same database.
    pub fn start_another(&self) -> Self {
        self.start_another_with(&[])
    }

    /// The same, with more options.
    pub fn start_another_with(&self, options: &[&str]) -> Self {
        let url = self.database_url();
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--database-url", &url];
        arguments.extend(options);
        Self::ready(Process::start(&arguments), &self.directory, false)
    }

    /// A server on a database that somebody else runs.
    pub fn start_on(database_url: &str) -> Self {
        Self::start_on_with(database_url, &[])
    }

    /// The same, with more options.
    pub fn start_on_with(database_url: &str, options: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--database-url", database_url];
        arguments.extend(options);
        Self::ready(Process::start(&arguments), Path::new(""), false)
    }

    /// One that was started in another way, with its data in this directory.
    pub fn of(process: Process, directory: &Path) -> Self {
        Self::ready(process, directory, true)
    }

    fn ready(process: Process, directory: &Path, owns_database: bool) -> Self {
        // Made before the line is looked at, so that a server that says something else is stopped all the same.
        let mut server =
            Self { process, directory: directory.to_owned(), owns_database, url: String::new(), temporary: None };
        let line = server.process.next_line(START_LIMIT);
        let url = line.as_deref().and_then(|line| line.strip_prefix("cirrus is ready at "));
        let Some(url) = url.filter(|url| url.contains("://127.0.0.1:")) else {
            // The end of its output comes a moment before the last of its messages.
            server.process.wait(Duration::from_secs(5));
            panic!("the server did not say that it is ready but {line:?}; standard error:\n{}", server.log());
        };
        url.clone_into(&mut server.url);
        server
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn address(&self) -> SocketAddr {
        self.url.split_once("://").unwrap().1.parse().expect("host and port")
    }

    pub fn process_id(&self) -> u32 {
        self.process.id
    }

    pub fn data_directory(&self) -> &Path {
        &self.directory
    }

    /// What the server writes for other processes that are to use its database.
    pub fn database_url(&self) -> String {
        let file = self.directory.join("database-url");
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).trim().to_owned()
    }

    pub fn api(&self) -> Api {
        Api::new(&self.url)
    }

    pub fn log(&self) -> String {
        self.process.errors()
    }

    /// Waits until its log says something: lines are written by a thread of their own, and none is late for an answer.
    pub fn tells(&self, what: &str) {
        wait_until(&format!("the log says '{what}'"), TELLS_WITHIN, || self.log().contains(what));
    }

    /// Lines on standard output after the one that says where it listens.
    pub fn further_lines(&self) -> Vec<String> {
        self.process.first_lines.lock().unwrap().try_iter().collect()
    }

    /// The main process of the private `PostgreSQL`, if it runs.
    pub fn postgresql(&self) -> Option<u32> {
        postmaster(&self.directory)
    }

    /// The end that comes by itself, with all that it has said.
    pub fn end(&mut self) -> (ExitStatus, String) {
        let status = self.process.wait(STOP_LIMIT);
        let status = status.unwrap_or_else(|| panic!("still running; standard error:\n{}", self.log()));
        (status, self.process.errors())
    }

    /// SIGTERM, and the end that follows.
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        let status = self.process.wait(STOP_LIMIT);
        status.unwrap_or_else(|| panic!("still running {STOP_LIMIT:?} after SIGTERM; standard error:\n{}", self.log()))
    }

    /// The end at once of the server alone.
    pub fn kill(&mut self) {
        self.process.signal("KILL");
        assert!(self.process.wait(STOP_LIMIT).is_some(), "a killed server is gone");
    }

    /// The power cut: nobody gets to do anything any more, neither the server nor its `PostgreSQL`.
    pub fn kill_with_database(&mut self) {
        let database = self.postgresql().map(stopped_with_descendants).unwrap_or_default();
        let mut all = vec![self.process.id];
        all.extend(&database);
        send_signal("KILL", &all);
        assert!(self.process.wait(STOP_LIMIT).is_some(), "a killed server is gone");
        for process in database {
            wait_until("a killed PostgreSQL process is gone", STOP_LIMIT, || !is_running(process));
        }
    }

    /// Kills `PostgreSQL` with all its processes and leaves the server alone.
    pub fn kill_database(&self) {
        let database = stopped_with_descendants(self.postgresql().expect("PostgreSQL runs"));
        send_signal("KILL", &database);
        for process in database {
            wait_until("a killed PostgreSQL process is gone", STOP_LIMIT, || !is_running(process));
        }
    }

    /// Kills one process that serves a connection: `PostgreSQL` then ends all others and recovers by itself.
    pub fn kill_one_database_connection(&self) {
        let postmaster = self.postgresql().expect("PostgreSQL runs");
        let connection = children_of(postmaster).into_iter().find(|process| {
            let title = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            // Connections show what they do ('idle', 'COMMIT', ...) after 'postgres: user database [local]'.
            let title = String::from_utf8_lossy(&title).replace('\0', " ");
            title.contains("[local]") || title.contains("127.0.0.1")
        });
        send_signal("KILL", &[connection.expect("a connection of the server")]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let failing = thread::panicking();
        let killed = self.process.wait(Duration::ZERO).is_some_and(|status| status.signal().is_some());
        self.process.end();
        if let Some(postmaster) = self.postgresql().filter(|_| self.owns_database) {
            send_signal("KILL", &stopped_with_descendants(postmaster));
        }
        if failing {
            print_last_lines(&self.url, &self.log());
        } else if !killed {
            self.check_end();
        }
    }
}

impl Server {
    /// What it had in memory is what the next one loads. The database of a server that does not own it may be gone by now, or
    /// be another one: then nothing could be compared.
    fn check_end(&mut self) {
        let status = self.process.wait(STOP_LIMIT);
        let errors = self.process.errors();
        let sound = status.is_some_and(|status| status.success());
        let could_compare = self.owns_database || errors.contains(" findings; the first: ");
        assert!(sound || !could_compare, "at the end of {} ({status:?}):\n{errors}", self.url);
    }
}

/// What a failing test shows of a log.
fn print_last_lines(of: &str, log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    println!("the last lines of the log of {of}:");
    println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
}

/// The main process of the `PostgreSQL` in a data directory, if it runs. Its file stays behind after a crash, and its
/// number may belong to a process of somebody else by then.
pub fn postmaster(data_directory: &Path) -> Option<u32> {
    let file = fs::read_to_string(data_directory.join("cluster/postmaster.pid")).ok()?;
    let process: u32 = file.lines().next()?.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    (is_running(process) && name.starts_with("postgres")).then_some(process)
}

/// A process with all that it started. It is stopped first, so that no child is born after the count.
fn stopped_with_descendants(process: u32) -> Vec<u32> {
    send_signal("STOP", &[process]);
    let mut all = vec![process];
    for child in children_of(process) {
        all.extend(stopped_with_descendants(child));
    }
    all
}

/// The number in a position.
pub fn revision(position: &str) -> u64 {
    position.rsplit('-').next().unwrap().parse().unwrap()
}

/// A client of one server. Clones share their connections.
#[derive(Clone)]
pub struct Api {
    base: String,
    http: reqwest::Client,
    /// Sent with every request, before those of the request.
    headers: Vec<(String, String)>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
    asked: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{self}: not JSON: {error}"))
    }

    /// The JSON of an answer that has to be 200.
    pub fn ok(&self) -> Value {
        self.status_is(200).json()
    }

    pub fn status_is(&self, status: u16) -> &Self {
        assert!(self.status == status, "{self}: should be {status}");
        self
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} -> {} {}", self.asked, self.status, shortened(&self.text))
    }
}

/// Keeps messages readable when a body is long.
pub fn shortened(text: &str) -> String {
    const LIMIT: usize = 400;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

impl Api {
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_mins(2))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { base: base.to_owned(), http, headers: Vec::new() }
    }

    /// One that sends these headers with every request.
    pub fn with_headers(base: &str, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { headers, ..Self::new(base) }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// What it sends with each request.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Sends any request; an error means that there was no answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, reqwest::Error> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let asked = match &body {
            Some(body) => format!("{method} {path} {}", shortened(&String::from_utf8_lossy(body))),
            None => format!("{method} {path}"),
        };
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text_of = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text_of(value))).collect();
        let text = String::from_utf8_lossy(&answer.bytes().await?).into_owned();
        Ok(Answer { status, headers, text, asked })
    }

    /// Sends a request with a JSON body; an error means that there was no answer.
    pub async fn try_json(&self, method: &str, path: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        let body = serde_json::to_vec(body).unwrap();
        self.send(method, path, &[("Content-Type", "application/json")], Some(body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        let answer = self.send("GET", path, &[], None).await;
        answer.unwrap_or_else(|error| panic!("GET {path}: no answer: {error:?}"))
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let answer = self.try_json("POST", path, body).await;
        answer.unwrap_or_else(|error| panic!("POST {path}: no answer: {error:?}"))
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        let answer = self.try_json("PUT", path, body).await;
        answer.unwrap_or_else(|error| panic!("PUT {path}: no answer: {error:?}"))
    }

    pub async fn delete(&self, path: &str) -> Answer {
        let answer = self.send("DELETE", path, &[], None).await;
        answer.unwrap_or_else(|error| panic!("DELETE {path}: no answer: {error:?}"))
    }

    /// Up to where changes are committed.
    pub async fn position(&self) -> String {
        self.send("HEAD", "/changes", &[], None).await.unwrap().headers["x-cirrus-revision"].clone()
    }

    /// The uuid of an object by its name; `None` when there is none.
    pub async fn find(&self, kind: &str, fq_name: &Value) -> Option<String> {
        let answer = self.post("/fqname-to-id", &serde_json::json!({"type": kind, "fq_name": fq_name})).await;
        if answer.status == 404 {
            return None;
        }
        Some(answer.ok()["uuid"].as_str().unwrap().to_owned())
    }
}

/// The checks of a test file: each one is run even when others fail, and at the end all failures are shown.
#[derive(Default)]
pub struct Checks {
    failed: Vec<String>,
    passed: usize,
}

impl Checks {
    /// Runs a check as a task of its own, so that its panic does not end the others.
    pub async fn run<F>(&mut self, name: &str, check: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let begin = Instant::now();
        match tokio::spawn(check).await {
            Ok(()) => {
                self.passed += 1;
                println!("ok      {name} ({:.1} s)", begin.elapsed().as_secs_f64());
            }
            Err(error) => {
                let message = match error.try_into_panic() {
                    Ok(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
                        (Some(text), _) => text.clone(),
                        (_, Some(text)) => (*text).to_owned(),
                        _ => "panic".to_owned(),
                    },
                    Err(error) => error.to_string(),
                };
                println!("FAILED  {name}: {message}");
                self.failed.push(format!("{name}: {message}"));
            }
        }
    }

    /// Those that others have run meanwhile.
    pub fn add(&mut self, others: Self) {
        self.failed.extend(others.failed);
        self.passed += others.passed;
    }

    pub fn finish(self) {
        let total = self.failed.len() + self.passed;
        assert!(
            self.failed.is_empty(),
            "{} of {total} checks failed:\n\n{}",
            self.failed.len(),
            self.failed.join("\n\n")
        );
    }
}
