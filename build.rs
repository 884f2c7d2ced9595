//! Makes cargo notice new files of what is built in, and says which commit it is built from.

use std::process::Command;

#[allow(clippy::print_stdout)] // Cargo listens there.
fn main() {
    println!("cargo:rerun-if-changed=schema");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-env-changed=CIRRUS_COMMIT");
    // A new commit writes there. Where there is no repository (an archive, an image) nobody is asked.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    let given = std::env::var("CIRRUS_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let commit = commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo:rustc-env=CIRRUS_VERSION={}{commit}", env!("CARGO_PKG_VERSION"));
}

/// What git says of this directory, if it is there and knows it.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
