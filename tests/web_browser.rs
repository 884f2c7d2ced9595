//! What a browser makes of the pages at `/ui/`: Debian's Chromium, led by Playwright; axe-core looks for faults in each page.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::support::Server;
use crate::support::tokens::{Tokens, allow_all_types, make_projects};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_mins(4);

/// Runs a program of `tests/browser` to its end.
async fn run(program: &str, arguments: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let modules = here.join("node_modules");
    assert!(modules.exists(), "there is no {}: run ./check, or npm ci in {}", modules.display(), here.display());
    let mut command = tokio::process::Command::from({
        let mut command = Command::new("node");
        command.arg(here.join(program)).args(arguments);
        command
    });
    let output = timeout(LIMIT, command.kill_on_drop(true).output()).await.expect("the browser is late").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}:\n{out}{err}");
}

pub async fn a_browser_looks_at_the_pages() {
    let server = Server::start();
    run("pages.js", &[server.url()]).await;
}

pub async fn a_member_signs_in_with_a_browser() {
    let (server, tokens) = Tokens::start("rbac", &[]);
    let admin = tokens.api(&server, "admin");
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    let network =
        json!({"virtual-network": {"fq_name": ["default-domain", "alice-proj", "own"], "parent_type": "project"}});
    let made = tokens.api(&server, "alice").post("/virtual-networks", &network).await.ok();
    let uuid = made["virtual-network"]["uuid"].as_str().unwrap().to_owned();
    let (alice, bob) = (Tokens::of("alice"), Tokens::of("bob"));
    run("pages.js", &[server.url(), &alice, &bob, &uuid]).await;
}
