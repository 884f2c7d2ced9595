//! Requests of all kinds, made by schemathesis of the whole OpenAPI document: good ones and bad ones, one by one and in chains.
//! The server never breaks, answers with nothing that is not documented, and refuses what is bad.

use crate::support::{Server, python};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// The requests are the same each time; another seed finds other faults: `CIRRUS_FUZZ_SEED=2 CIRRUS_FUZZ_EXAMPLES=50`.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

pub async fn the_server_does_what_its_document_says() {
    let server = Server::start_with(&["--log", "warn"]);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let directory = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let run = tokio::process::Command::from(python::tool("schemathesis"))
        .args(["--config-file", &here.join("schemathesis.toml").to_string_lossy(), "run"])
        .args([&format!("{}/openapi.json", server.url()), "--seed", &setting("CIRRUS_FUZZ_SEED", "1")])
        .args(["--phases", &setting("CIRRUS_FUZZ_PHASES", "examples,fuzzing,stateful"), "--workers", "2"])
        // What is well formed may be refused: rules say more than schemas.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--continue-on-failure", "--no-shrink", "--request-timeout", "10"])
        .current_dir(directory.path())
        .env("SCHEMATHESIS_HOOKS", "openapi_hooks")
        .env("PYTHONPATH", here.join("python"))
        .env("CIRRUS_URL", server.url())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_hours(1), run).await.expect("an end").unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    // What was tried, for who wants to see it.
    println!("{printed}{:.0} s", begin.elapsed().as_secs_f64());
}
