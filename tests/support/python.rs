//! Programs on the Python client library that existing tools use, and on what the tests need of `OpenStack`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A Python that has what some tests need.
#[derive(Clone, Copy)]
pub enum Python {
    /// The client library, and tools.
    Client,
    /// Keystone and Neutron.
    OpenStack,
}

impl Python {
    fn interpreter(self) -> PathBuf {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (variable, place, what) = match self {
            Self::Client => ("CIRRUS_PYTHON", ".venv/bin/python", "contrail-api-client"),
            Self::OpenStack => ("CIRRUS_OPENSTACK_PYTHON", ".openstack/bin/python", "Keystone and Neutron"),
        };
        let python = std::env::var_os(variable).map_or_else(|| here.join(place), PathBuf::from);
        assert!(
            python.exists(),
            "there is no {}: run ./check, which makes it, or name a Python that has {what} in {variable}",
            python.display()
        );
        python
    }

    /// What runs a program of `tests/python`.
    pub fn program(self, name: &str) -> Command {
        let mut command = Command::new(self.interpreter());
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name))
            // The library looks for its settings in the home directory and in /etc; a proxy is none of ours either.
            .env("NO_PROXY", "127.0.0.1");
        if matches!(self, Self::OpenStack) {
            command.env("PYTHONWARNINGS", "ignore");
        }
        command
    }

    /// Runs a program of `tests/python` to its end and gives what it printed.
    pub async fn run(self, name: &str, arguments: &[&str], limit: Duration) -> String {
        let mut command = tokio::process::Command::from(self.program(name));
        let run = command.args(arguments).kill_on_drop(true).output();
        let output = tokio::time::timeout(limit, run).await;
        let output = output.unwrap_or_else(|_| panic!("{name} does not end within {limit:?}")).unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name}:\n{printed}\n{}", String::from_utf8_lossy(&output.stderr));
        printed
    }
}

/// A command that is installed beside that Python, and finds others there.
pub fn tool(name: &str) -> Command {
    let program = Python::Client.interpreter().with_file_name(name);
    let others = std::env::var_os("PATH").unwrap_or_default();
    let here = program.parent().map(Path::to_owned).into_iter();
    let path = std::env::join_paths(here.chain(std::env::split_paths(&others))).unwrap();
    let mut command = Command::new(program);
    command.env("PATH", path);
    command
}

/// What runs a program of `tests/python` with the client library.
pub fn program(name: &str) -> Command {
    Python::Client.program(name)
}

/// Runs a program of `tests/python` with the client library to its end and gives what it printed.
pub async fn run(name: &str, arguments: &[&str], limit: Duration) -> String {
    Python::Client.run(name, arguments, limit).await
}
