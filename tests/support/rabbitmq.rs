//! A message broker of a test's own: `RabbitMQ` in a directory and on ports that nobody else uses; and consumers there.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{
    Process, fresh_directory, is_running, print_last_lines, python, send_signal, stopped_with_descendants, wait_until,
};

/// Some seconds are usual: Erlang loads a thousand modules.
const START_LIMIT: Duration = Duration::from_mins(2);
const KILL_LIMIT: Duration = Duration::from_mins(1);

/// Within this time everything has arrived: consumers get some seconds to come back after an outage.
pub const LIMIT: Duration = Duration::from_mins(1);

/// A broker that listens on loopback. It ends with this value, and its directory with it.
pub struct RabbitMq {
    process: Process,
    port: u16,
    /// Where Erlang's nodes talk to each other. The broker insists on one, though it has nobody to talk to.
    node_port: u16,
    directory: tempfile::TempDir,
}

impl RabbitMq {
    /// A new broker, ready to be connected to.
    pub fn start() -> Self {
        let (directory, port, node_port) = (fresh_directory(), free_port(), free_port());
        for (name, content) in [(CONFIGURATION, CONFIGURATION_LINES), (MORE_CONFIGURATION, "[]."), (PLUGINS, "[].")] {
            fs::write(directory.path().join(name), content).expect("a file of the broker's directory");
        }
        let process = Process::spawn(&mut command(directory.path(), port, node_port));
        let mut broker = Self { process, port, node_port, directory };
        broker.wait_until_ready();
        broker
    }

    /// The root virtual host, as the user that every new broker has.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2F", self.address())
    }

    pub fn process_id(&self) -> u32 {
        self.process.id
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The log, whose last moments may be missing while the broker runs, or when it was killed.
    pub fn log(&self) -> String {
        let file = fs::read_to_string(self.directory.path().join(LOG)).unwrap_or_default();
        file + &self.process.errors()
    }

    /// The power cut: the broker and its helpers get to do nothing any more.
    pub fn kill(&mut self) {
        if self.process.wait(Duration::ZERO).is_some() {
            return;
        }
        let all = stopped_with_descendants(self.process.id);
        send_signal("KILL", &all);
        assert!(self.process.wait(KILL_LIMIT).is_some(), "a killed broker is gone");
        for process in all {
            wait_until("a killed process of the broker is gone", KILL_LIMIT, || !is_running(process));
        }
    }

    /// Starts it again on what it has on disk and on the same port, after a kill if it still runs.
    pub fn restart(&mut self) {
        self.kill();
        self.process = Process::spawn(&mut command(self.directory.path(), self.port, self.node_port));
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let address = self.address();
        let mut ended = None;
        wait_until("the broker answers", START_LIMIT, || {
            ended = self.process.wait(Duration::ZERO);
            ended.is_some() || answers(address)
        });
        assert!(ended.is_none(), "the broker ended instead of starting: {ended:?}");
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if thread::panicking() {
            print_last_lines(&self.url(), &self.log());
        }
        self.kill();
    }
}

// The names in the broker's directory.
const CONFIGURATION: &str = "rabbitmq.conf";
const MORE_CONFIGURATION: &str = "advanced.config";
const PLUGINS: &str = "enabled_plugins";
const LOG: &str = "broker.log";

/// No statistics: a test looks at what is sent and not at how much.
const CONFIGURATION_LINES: &str = "collect_statistics = none\n";

/// What runs a broker with everything in this directory, whoever the user is and whatever the system's own broker is
/// set to.
fn command(directory: &Path, port: u16, node_port: u16) -> Command {
    let inside = |name: &str| directory.join(name);
    // What is unique as a port is unique as a name.
    let name = format!("cirrus-test-{port}@localhost");
    let mut command = Command::new(start_script());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        // For the cookie, which has to be its own user's.
        .env("HOME", directory)
        // A settings file that is not there keeps it from those in /etc.
        .env("RABBITMQ_CONF_ENV_FILE", inside("no-settings"))
        .env("RABBITMQ_CONFIG_FILE", inside(CONFIGURATION))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", inside(MORE_CONFIGURATION))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", inside(PLUGINS))
        .env("RABBITMQ_MNESIA_BASE", inside("mnesia"))
        .env("RABBITMQ_LOG_BASE", inside("log"))
        .env("RABBITMQ_LOGS", inside(LOG))
        .env("RABBITMQ_NODENAME", &name)
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", node_port.to_string())
        // The script then becomes the broker instead of waiting for it, so that the process started is the broker.
        .env("RABBITMQ_ALLOW_INPUT", "true")
        .arg("-noinput");
    // A node that says its name and its port itself needs no epmd, the daemon that would outlive it.
    command.args(["-sname", &name, "-start_epmd", "false", "-erl_epmd_port", &node_port.to_string()]);
    command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
    // Few threads, also on large machines.
    command.args(["+S", "2:2", "+SDcpu", "1:1", "+SDio", "1", "+A", "1"]);
    command
}

/// The script that any user may run: Debian's on the path wants root or a user of its own.
fn start_script() -> PathBuf {
    let named = std::env::var_os("CIRRUS_RABBITMQ_SERVER");
    let script = named.map_or_else(|| PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server"), PathBuf::from);
    assert!(
        script.exists(),
        "there is no {}: run ./check, which installs RabbitMQ, or name its rabbitmq-server in CIRRUS_RABBITMQ_SERVER",
        script.display()
    );
    script
}

/// A port below those that the system gives to outgoing connections. One of these could go to a client that tries to
/// reach the killed broker, and the broker could not listen there again.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(16);
    let numbers = (0..20_000).map(|_| first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % 20_000 + 10_000);
    let mut ports = numbers.map(|number| u16::try_from(number).unwrap());
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}

/// Whether a broker greets who connects: a frame of type 1 (a method) follows the header of AMQP 0-9-1.
fn answers(address: SocketAddr) -> bool {
    let greeting = || -> std::io::Result<u8> {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        connection.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut first = [0];
        connection.read_exact(&mut first)?;
        Ok(first[0])
    };
    greeting().is_ok_and(|first| first == 1)
}

/// A consumer, and all that it has got.
pub struct Consumer {
    pub process: Process,
    pub messages: Vec<Value>,
}

impl Consumer {
    /// Of the changes.
    pub fn start(broker: &RabbitMq, queue: &str) -> Self {
        Self::of(broker, queue, &[])
    }

    /// Of another exchange: its name, its type, and the keys that the queue is bound for.
    pub fn of(broker: &RabbitMq, queue: &str, exchange: &[&str]) -> Self {
        let mut consumer = Self {
            process: Process::spawn(python::program("bus_consumer.py").args([&broker.url(), queue]).args(exchange)),
            messages: Vec::new(),
        };
        consumer.wait_until_ready();
        consumer
    }

    /// Waits for the next time that it consumes.
    pub fn wait_until_ready(&mut self) {
        while !self.line().as_object().unwrap().contains_key("ready") {}
    }

    fn line(&mut self) -> Value {
        let line = self.process.next_line(LIMIT).expect("the consumer runs");
        let line: Value = serde_json::from_str(&line).unwrap();
        if line.get("body").is_some() {
            self.messages.push(line.clone());
        }
        line
    }

    /// The next message.
    pub fn message(&mut self) -> Value {
        loop {
            let line = self.line();
            if line.get("body").is_some() {
                return line;
            }
        }
    }
}
