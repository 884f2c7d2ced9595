//! The commands of `docs/access.md`, as they stand there.

use std::path::Path;
use std::process::Command;

use crate::support::{Server, fresh_directory};

const PAGE: &str = include_str!("../docs/access.md");
/// The parts whose commands follow each other on one server.
const PARTS: &[&str] = &["Tokens in a file", "Roles and rules", "Owner and shares"];
/// What is no command but an example of something else begins otherwise.
const PROGRAMS: &[&str] = &["umask", "cirrus", "sed", "rm", "printf", "curl", "red=", "blue=", "network="];

/// Runs a request until the token of it is known, which takes a second or two after its line has come: STATUS ARGUMENTS.
const CHECK: &str = r#"
check() {
    wanted=$1
    shift
    tries=0
    while :; do
        status=$(curl --silent --show-error --output answer --write-out '%{http_code}' "$@")
        [ "$status" != "$wanted" ] || return 0
        tries=$((tries + 1))
        if [ "$status" != 401 ] || [ $tries = 100 ]; then
            echo "$status, not $wanted, for: $*" >&2
            cat answer >&2
            exit 1
        fi
        sleep 0.1
    done
}
"#;

/// The commands of these parts, each on one line or more.
fn commands(page: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut is_wanted = false;
    for line in page.lines() {
        if let Some(part) = line.strip_prefix("## ") {
            is_wanted = PARTS.contains(&part);
        }
        let Some(text) = line.strip_prefix("    ").filter(|_| is_wanted) else { continue };
        if text.starts_with(' ') {
            let command = commands.last_mut().expect("a line that goes on has one before it");
            command.push('\n');
            command.push_str(text);
        } else {
            commands.push(text.to_owned());
        }
    }
    commands.retain(|command| PROGRAMS.iter().any(|program| command.starts_with(program)));
    commands
}

/// The same for a shell that stops at what is not as the page says: the status of an answer, and what is in it, stand behind it as
/// a comment.
fn checked(command: &str, address: &str) -> String {
    let command = command.replace("localhost:8082", address);
    let Some(request) = command.strip_prefix("curl ") else { return command };
    let (request, comment) = request.split_once(" # ").unwrap_or((request, "200"));
    let status = if comment.parse::<u16>().is_ok() { comment } else { "200" };
    let wanted = comment.split('"').skip(1).step_by(2).map(|text| format!("\ngrep --quiet '\"{text}\"' answer"));
    format!("check {status} {}{}", request.replace("-i ", ""), wanted.collect::<String>())
}

fn run(directory: &Path, commands: &[String]) {
    let cirrus = Path::new(env!("CARGO_BIN_EXE_cirrus")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(cirrus.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let script = format!("set -eux\n{CHECK}\n{}", commands.join("\n"));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(directory).env_clear().env("PATH", path.unwrap());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub async fn its_commands_work_as_they_stand_there() {
    let directory = fresh_directory();
    let commands = commands(PAGE);
    let start = commands.iter().position(|command| command.starts_with("cirrus serve ")).unwrap();
    assert_eq!(commands[start], "cirrus serve --aaa-mode rbac --token-file tokens.toml");
    run(directory.path(), &commands[..start]);
    let tokens = directory.path().join("tokens.toml");
    let server = Server::start_with(&["--aaa-mode", "rbac", "--token-file", tokens.to_str().unwrap()]);
    let address = server.address().to_string();
    // What follows changes goes on until it is stopped, and is in tests/who_asks.rs.
    let rest = commands[start + 1..].iter().filter(|command| !command.starts_with("cirrus watch"));
    let rest: Vec<String> = rest.map(|command| checked(command, &address)).collect();
    assert!(rest.iter().filter(|command| command.starts_with("check 403")).count() >= 2, "{rest:?}");
    run(directory.path(), &rest);
}
