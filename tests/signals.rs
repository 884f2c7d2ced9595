//! Signals that stop a server, at all moments of its life: nothing of it stays behind, its `PostgreSQL` least of all, and the
//! next start on the directory works.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{Api, Checks, Process, Server, fresh_directory, is_running, wait_until};

const SIGNALS: [&str; 4] = ["TERM", "INT", "HUP", "QUIT"];
const LIMIT: Duration = Duration::from_mins(1);

pub async fn signals_stop_everything() {
    let mut checks = Checks::default();
    checks.run("while the cluster is made", async { while_the_cluster_is_made() }).await;
    checks.run("while PostgreSQL starts", async { while_postgresql_starts() }).await;
    checks.run("at once when ready", async { at_once_when_ready() }).await;
    checks.run("while it waits for a database", async { while_it_waits_for_a_database() }).await;
    checks.run("nohup", nohup()).await;
    checks.finish();
}

/// The signals that reach a child from its first moment on: whoever runs the tests with `nohup` has the hangup ignored for all below, and
/// who runs them in the background of a script those of a terminal. Such a one is heard only once the server listens for it.
fn signals() -> Vec<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    let is_ignored = |name: &str| {
        let number = match name {
            "HUP" => 1,
            "INT" => 2,
            "QUIT" => 3,
            "TERM" => 15,
            other => panic!("{other}"),
        };
        ignored >> (number - 1) & 1 == 1
    };
    SIGNALS.into_iter().filter(|name| !is_ignored(name)).collect()
}

fn start_in(data: &Path) -> Process {
    Process::start(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()])
}

/// Processes that have to do with a directory: it is where they are, or in their command line.
fn left_behind(directory: &Path) -> Vec<String> {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let about = |process: u32| {
        let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let is_there =
            fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|current| current.starts_with(directory));
        let is_about = is_there || command.contains(directory.to_str().unwrap());
        (is_about && is_running(process)).then(|| format!("{process} {command}"))
    };
    numbers.filter_map(about).collect()
}

/// Sends the signal, waits for the end, and looks what is left.
fn stop(process: &mut Process, signal: &str, data: &Path, moment: &str) {
    process.signal(signal);
    let status = process.wait(LIMIT);
    let left = left_behind(data);
    let log = process.errors();
    let Some(status) = status else { panic!("SIG{signal} {moment}: still running after {LIMIT:?}\n{log}") };
    assert_eq!(left, Vec::<String>::new(), "SIG{signal} {moment}: left behind after {status}\n{log}");
    // A process that is only about to begin does not know of signals yet, and has started nothing.
    assert!(status.success() || log.is_empty(), "SIG{signal} {moment}: {status}\n{log}");
    assert!(!log.contains("panicked") && !log.contains(" ERROR "), "SIG{signal} {moment}: {log}");
}

fn starts_again(data: &Path) {
    let mut server = Server::start_in(data);
    assert!(server.terminate().success());
}

fn while_the_cluster_is_made() {
    const MAKING: &str = "making a new PostgreSQL cluster";
    for (number, delay) in [0, 60, 300, 700, 1200].into_iter().enumerate() {
        let signals = signals();
        let signal = signals[number % signals.len()];
        let directory = fresh_directory();
        let data = directory.path().join("data");
        let mut process = start_in(&data);
        wait_until("it makes a cluster", LIMIT, || process.errors().contains(MAKING));
        thread::sleep(Duration::from_millis(delay));
        stop(&mut process, signal, &data, &format!("{delay} ms after it began to make the cluster"));
        let remains = fs::read_dir(&data).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
        let remains: Vec<String> = remains.filter(|name| name.starts_with("cluster.making")).collect();
        assert_eq!(remains, Vec::<String>::new(), "half a cluster, {delay} ms after it was begun");
        if number % 2 == 0 {
            starts_again(&data);
        }
    }
}

fn while_postgresql_starts() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    starts_again(&data);
    // Spread over what a start takes, on slow machines and fast ones.
    let delays = [0, 3, 8, 15, 25, 40, 60, 85, 115, 150, 200, 260, 330, 420, 550, 700];
    for (number, delay) in delays.into_iter().enumerate() {
        let signals = signals();
        let mut process = start_in(&data);
        thread::sleep(Duration::from_millis(delay));
        stop(&mut process, signals[number % signals.len()], &data, &format!("{delay} ms after the start"));
    }
    starts_again(&data);
}

fn at_once_when_ready() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    for signal in signals() {
        let mut process = start_in(&data);
        assert!(process.next_line(LIMIT).unwrap().starts_with("cirrus is ready at "));
        stop(&mut process, signal, &data, "with the ready line");
    }
    starts_again(&data);
}

fn while_it_waits_for_a_database() {
    let nowhere = "postgresql://nobody@127.0.0.1:1/nothing";
    for signal in signals() {
        let mut process = Process::start(&["serve", "--listen", "127.0.0.1:0", "--database-url", nowhere]);
        wait_until("it waits", LIMIT, || process.errors().contains("not there yet"));
        stop(&mut process, signal, Path::new("/nothing/mentions/this"), "while it waits");
    }
}

/// A server that is to outlive its terminal does not stop with it.
async fn nohup() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_cirrus"), "serve"]);
    command.args(["--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()]);
    let mut process = Process::spawn(command.env("CIRRUS_SETTINGS_FILE", "none"));
    let line = process.next_line(LIMIT).unwrap();
    process.signal("HUP");
    let api = Api::new(line.strip_prefix("cirrus is ready at ").unwrap());
    assert_eq!(api.get("/healthz").await.status_is(200).text, "ok\n");
    assert!(!process.errors().contains("stopping"), "{}", process.errors());
    stop(&mut process, "TERM", &data, "after a hangup that is ignored");
}
