//! What a bench needs around it: a server on a database of its own, and a client that costs little.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    ops::RangeInclusive,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

/// A process that serves HTTP, and is stopped with its handle.
pub struct Server {
    process: Child,
    pub address: String,
    /// What clients send to say who they are.
    pub token: Option<String>,
    /// The last server on it removes it.
    directory: Arc<tempfile::TempDir>,
}

impl Server {
    /// A server on a private database of its own.
    pub fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The private PostgreSQL of root runs as another user.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self::start_in(Arc::new(directory), options)
    }

    fn start_in(directory: Arc<tempfile::TempDir>, options: &[&str]) -> Self {
        let mut command = Self::command(options);
        command.arg("--data-dir").arg(directory.path().join("data"));
        Self::spawn(&mut command, directory)
    }

    /// One more process on the same database.
    pub fn start_another(&self) -> Self {
        let mut command = Self::command(&["--database-url", &self.database_url()]);
        Self::spawn(&mut command, Arc::clone(&self.directory))
    }

    /// Stops it, and starts it again on the same database.
    pub fn restart(self) -> Self {
        let directory = Arc::clone(&self.directory);
        drop(self);
        Self::start_in(directory, &[])
    }

    fn command(options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cirrus"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"]).args(options);
        command
    }

    /// Any program whose first line of output ends with `//HOST:PORT`.
    pub fn spawn(command: &mut Command, directory: Arc<tempfile::TempDir>) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let line = first_line(process.stdout.take().unwrap());
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        assert!(address.contains(':'), "not ready but {line:?}");
        Self { process, address, token: None, directory }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its database is.
    pub fn database_url(&self) -> String {
        fs::read_to_string(self.directory.path().join("data/database-url")).unwrap().trim().to_owned()
    }

    /// The same, to be kept for as long as it is needed.
    pub fn shared_directory(&self) -> Arc<tempfile::TempDir> {
        Arc::clone(&self.directory)
    }

    /// A directory for files that the bench hands to programs.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection {
            reader: BufReader::new(stream.try_clone().unwrap()),
            stream,
            host: self.address.clone(),
            token: self.token.clone(),
        }
    }

    /// The time that the process has computed, in seconds, its database not included.
    pub fn cpu_seconds(&self) -> f64 {
        // User and system time.
        seconds(&Path::new("/proc").join(self.id().to_string()), 11..=12).unwrap()
    }

    /// The time that its private database has computed, in seconds, with sessions that have ended.
    pub fn database_cpu_seconds(&self) -> f64 {
        let cluster = self.directory.path().join("data/cluster");
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let own = processes.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == cluster));
        // The same, and that of children that were waited for.
        own.filter_map(|process| seconds(&process, 11..=14)).sum()
    }

    /// The memory of the process that is its own, in MiB.
    pub fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

/// Times of a process, which the kernel counts in hundredths of a second; none of one that has just ended.
fn seconds(process: &Path, fields: RangeInclusive<usize>) -> Option<f64> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let all: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(all[fields].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0)
}

fn first_line(output: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).unwrap();
    line
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().ok();
        self.process.wait().ok();
    }
}

/// A request as it is sent.
pub fn request_text(host: &str, token: Option<&str>, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let token = token.map(|token| format!("X-Auth-Token: {token}\r\n")).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{token}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// What comes back.
pub struct Answer {
    pub status: u16,
    /// `X-Cirrus-Revision`
    pub revision: String,
    pub body: Vec<u8>,
}

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    host: String,
    token: Option<String>,
}

impl Connection {
    /// Sends a request, and waits for the whole answer.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.stream.write_all(request_text(&self.host, self.token.as_deref(), method, path, body).as_bytes()).unwrap();
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = Some(0);
        let mut revision = String::new();
        loop {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            match line.split_once(':') {
                Some(("content-length", value)) => length = Some(value.trim().parse().unwrap()),
                Some(("transfer-encoding", _)) => length = None,
                Some(("x-cirrus-revision", value)) => value.trim().clone_into(&mut revision),
                _ => {}
            }
        }
        let body = match length {
            _ if method == "HEAD" => Vec::new(),
            Some(length) => self.read(length),
            None => self.read_chunks(),
        };
        Answer { status, revision, body }
    }

    fn read(&mut self, length: usize) -> Vec<u8> {
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        body
    }

    fn read_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let chunk = self.read(length + 2);
            if length == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }
}
