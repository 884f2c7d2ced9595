//! What the benches share: a server on a database of its own, and a client that costs little.

#![allow(dead_code, unreachable_pub)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
};

pub struct Server {
    process: Child,
    pub address: String,
    _directory: tempfile::TempDir,
}

impl Server {
    pub fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The private PostgreSQL of root runs as another user.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_cirrus"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(directory.path().join("data"))
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self { process, address, _directory: directory }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { reader: BufReader::new(stream.try_clone().unwrap()), stream, host: self.address.clone() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().ok();
        self.process.wait().ok();
    }
}

pub struct Connection {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    /// Sends a request; gives status, revision and body of the answer.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> (u16, String, Vec<u8>) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        let mut revision = String::new();
        loop {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().unwrap(),
                Some(("x-cirrus-revision", value)) => value.trim().clone_into(&mut revision),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        (status, revision, body)
    }
}
