//! What a browser makes of the pages at `/ui/`: Debian's Chromium, led by Playwright; axe-core looks for faults in each page.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::sign_in_at_issuer::Realm;
use crate::support::rabbitmq::free_port;
use crate::support::tokens::{Tokens, allow_all_types, make_projects};
use crate::support::{Process, Server};
use crate::web::network;

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

/// The page is of a second server, which stops and comes back where it was.
pub async fn a_restart_is_told_on_the_page() {
    let first = Server::start();
    let (listen, database) = (format!("127.0.0.1:{}", free_port()), first.database_url());
    let start = || {
        let process = Process::start(&["serve", "--listen", &listen, "--database-url", &database]);
        let line = process.next_line(LIMIT).unwrap_or_else(|| panic!("{}", process.errors()));
        assert!(line.contains("ready"), "{line}");
        process
    };
    let mut server = start();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let base = format!("http://{listen}");
    let mut browser = Process::spawn(Command::new("node").arg(here.join("restart.js")).arg(&base));
    let says = |browser: &Process, expected: &str| {
        let said = browser.next_line(LIMIT).unwrap_or_else(|| panic!("{}", browser.errors()));
        assert_eq!(said, expected, "{}", browser.errors());
    };
    says(&browser, "live");
    server.signal("TERM");
    assert!(server.wait(LIMIT).unwrap().success());
    says(&browser, "lost");
    server = start();
    let status = browser.wait(LIMIT).expect("the browser is late");
    assert!(status.success(), "{}", browser.errors());
    server.signal("TERM");
    assert!(server.wait(LIMIT).unwrap().success());
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

/// To browsers `localhost`, where the issuer is, is another site than the server's.
pub async fn a_member_signs_in_at_an_issuer_with_a_browser() {
    let realm = Realm::start_at("localhost");
    let (tokens, options) = (Tokens::new(), realm.options());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start_with(&[tokens.options("rbac"), options].concat());
    realm.leads_back_to(server.url());
    let admin = tokens.api(&server, "admin");
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    let mut made = Vec::new();
    for (name, project) in [("alice", "alice-proj"), ("bob", "bob-proj")] {
        let uuid = network(&tokens.api(&server, name), &["default-domain", project, "own"], json!({})).await;
        made.push(uuid);
    }
    run("sign_in_at_issuer.js", &[server.url(), &made[0], &made[1]]).await;
}
