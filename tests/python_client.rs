//! The Python library that existing tools use, against the real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use support::Server;

#[tokio::test]
async fn first_day_with_the_python_library() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("CIRRUS_PYTHON").map_or_else(|| here.join(".venv/bin/python"), PathBuf::from);
    assert!(
        python.exists(),
        "there is no {}: run ./check, which installs the Python client library there, or name a Python that has \
         contrail-api-client in CIRRUS_PYTHON",
        python.display()
    );
    let server = Server::start();
    let run = tokio::process::Command::new(&python)
        .arg(here.join("tests/python/first_day.py"))
        .arg(server.url())
        // The library looks for its settings in the home directory and in /etc; a proxy is none of ours either.
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_mins(2), run).await.expect("it ends within two minutes").unwrap();
    assert!(
        output.status.success(),
        "{} {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
