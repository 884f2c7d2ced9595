//! Programs on the Python client library that existing tools use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The Python that has what the tests need.
fn interpreter() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("CIRRUS_PYTHON").map_or_else(|| here.join(".venv/bin/python"), PathBuf::from);
    assert!(
        python.exists(),
        "there is no {}: run ./check, which installs the Python client library there, or name a Python that has \
         contrail-api-client in CIRRUS_PYTHON",
        python.display()
    );
    python
}

/// A command that is installed beside that Python, and finds others there.
pub fn tool(name: &str) -> Command {
    let program = interpreter().with_file_name(name);
    let others = std::env::var_os("PATH").unwrap_or_default();
    let here = program.parent().map(Path::to_owned).into_iter();
    let path = std::env::join_paths(here.chain(std::env::split_paths(&others))).unwrap();
    let mut command = Command::new(program);
    command.env("PATH", path);
    command
}

/// What runs a program of `tests/python`.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(interpreter());
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name))
        // The library looks for its settings in the home directory and in /etc; a proxy is none of ours either.
        .env("NO_PROXY", "127.0.0.1");
    command
}

/// Runs a program of `tests/python` to its end and gives what it printed.
pub async fn run(name: &str, arguments: &[&str], limit: Duration) -> String {
    let mut command = tokio::process::Command::from(program(name));
    let run = command.args(arguments).kill_on_drop(true).output();
    let output = tokio::time::timeout(limit, run).await;
    let output = output.unwrap_or_else(|_| panic!("{name} does not end within {limit:?}")).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}:\n{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}
