//! The ways in for administrators: a Unix socket on which the system says who it is, and a port with user and password.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::tokens::{ALICE_PROJECT, Tokens, allow_all_types, make_projects};
use crate::support::{Api, Process, Server, cirrus_program, fresh_directory};

const LIMIT: Duration = Duration::from_mins(1);
const PASSWORD: &str = "with:colons:";
/// Anybody who is neither root nor the user of the server.
const STRANGER: &str = "65534";

/// What curl gets by a Unix socket.
struct Answer {
    status: String,
    body: String,
}

/// Asks by a Unix socket; as another user, if there is one given.
fn ask(socket: &Path, as_user: Option<&str>, arguments: &[&str], path: &str) -> Answer {
    let mut command = match as_user {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--clear-groups", "curl"]);
            command
        }
        None => Command::new("curl"),
    };
    command.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}", "--unix-socket"]);
    let output = command.arg(socket).args(arguments).arg(format!("http://localhost{path}")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap_or_default();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    Answer { status: status.to_owned(), body: body.to_owned() }
}

fn get(socket: &Path, path: &str) -> Value {
    let Answer { status, body } = ask(socket, None, &[], path);
    assert_eq!(status, "200", "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

pub async fn admin_4_ways_in_for_administrators() {
    let directory = fresh_directory();
    let (socket, password) = (directory.path().join("admin.socket"), directory.path().join("password"));
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let tokens = Tokens::new();
    let options = [
        &tokens.options("rbac")[..],
        &["--admin-socket", text(&socket), "--admin-listen", "127.0.0.1:0", "--admin-user", "admin"],
        &["--admin-password-file", text(&password), "--head-timeout", "2"],
    ];
    let mut server = Server::start_with(&options.concat());
    make_projects(&tokens.api(&server, "admin")).await;
    allow_all_types(&tokens.api(&server, "admin")).await;
    println!("by the socket");
    admin_1_and_admin_4_by_the_socket(&server, &tokens, &socket).await;
    println!("by the port");
    admin_2_and_admin_3_by_the_port(&server).await;
    println!("sockets that are there");
    sockets_that_are_there(&server, &tokens, &socket);
    println!("after the end");
    assert!(server.terminate().success());
    assert!(!socket.exists(), "the socket goes with the server");
    let others: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(others, ["password"]);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn admin_1_and_admin_4_by_the_socket(server: &Server, tokens: &Tokens, socket: &Path) {
    server.api().get("/virtual-networks").await.status_is(401);
    // Nobody is believed about others who is not named (TLS-6).
    let forwarded = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "api.example")];
    let home = server.api().send("GET", "/", &forwarded, None).await.unwrap().ok();
    assert_eq!(home["href"], server.url());
    assert_eq!(get(socket, "/")["href"], "http://localhost");
    // Who comes this way is an administrator, whatever else it says.
    let said = ["--header", "X-Auth-Token: nobody's", "--header", "X-User: alice", "--header", "X-Role: member"];
    let project = format!("X-Project-Id: {ALICE_PROJECT}");
    let body = json!({"domain": {"fq_name": ["made-by-an-administrator"]}}).to_string();
    let create = ["--header", &project, "--header", "Content-Type: application/json", "--data", &body];
    let Answer { status, body } = ask(socket, None, &[&said[..], &create[..]].concat(), "/domains");
    assert_eq!(status, "200", "{body}");
    let created: Value = serde_json::from_str(&body).unwrap();
    let path = format!("/domain/{}", created["domain"]["uuid"].as_str().unwrap());
    let domain = get(socket, &path);
    assert_eq!(domain["domain"]["perms2"]["owner"], "cloud-admin", "{domain}");
    assert!(domain["domain"]["href"].as_str().unwrap().starts_with("http://localhost/domain/"), "{domain}");
    // What somebody else owns is no less there.
    let alice = tokens.api(server, "alice");
    let network =
        json!({"virtual-network": {"fq_name": ["default-domain", "alice-proj", "hers"], "parent_type": "project"}});
    alice.post("/virtual-networks", &network).await.ok();
    let listed = get(socket, "/virtual-networks?count=true")["virtual-networks"]["count"].as_u64();
    assert!(listed > alice.get("/virtual-networks?count=true").await.ok()["virtual-networks"]["count"].as_u64());
    assert_eq!(ask(socket, None, &["--request", "DELETE"], &path).status, "200");

    // A head has as much time as elsewhere.
    let mut slow = UnixStream::connect(socket).unwrap();
    slow.set_read_timeout(Some(LIMIT)).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    // Its owner's, and nobody else's.
    assert_eq!(fs::metadata(socket).unwrap().permissions().mode() & 0o777, 0o600);
    if !is_root() {
        println!("not root: nobody can be another user here");
        return;
    }
    let refused = Command::new("setpriv")
        .args([
            "--reuid",
            STRANGER,
            "--clear-groups",
            "curl",
            "--silent",
            "--unix-socket",
            text(socket),
            "http://localhost/",
        ])
        .output()
        .unwrap();
    assert!(!refused.status.success(), "it can't even connect");
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).unwrap();
    for path in ["/", "/virtual-networks", "/healthz", "/nowhere"] {
        let Answer { status, body } = ask(socket, Some(STRANGER), &[], path);
        assert_eq!(status, "403", "{path}");
        assert_eq!(body, "This socket is for root and the user of the server", "{path}");
    }
    let token = format!("X-Auth-Token: {}", Tokens::of("admin"));
    assert_eq!(ask(socket, Some(STRANGER), &["--header", &token], "/domains").status, "403", "no token is looked at");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn port_in(log: &str) -> String {
    let line = log.lines().find(|line| line.contains("administrators may come with a password")).unwrap();
    let address = line.split("address=").nth(1).unwrap();
    format!("http://{}", address.split_whitespace().next().unwrap())
}

async fn admin_2_and_admin_3_by_the_port(server: &Server) {
    let api = Api::new(&port_in(&server.log()));
    let as_user = async |pair: &str, path: &str| {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let header = format!("Basic {}", BASE64_STANDARD.encode(pair));
        api.send("GET", path, &[("Authorization", &header)], None).await.unwrap()
    };
    let right = format!("admin:{PASSWORD}");
    for path in ["/", "/domains", "/aaa-mode"] {
        as_user(&right, path).await.status_is(200);
    }
    for path in ["/", "/domains", "/healthz", "/nowhere"] {
        let answer = api.get(path).await;
        assert_eq!(answer.status_is(401).text, "HTTP_AUTHORIZATION header missing", "{path}");
        assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"cirrus\"");
        assert_eq!(answer.headers["content-type"], "text/plain; charset=UTF-8");
    }
    let token = Tokens::of("admin");
    api.send("GET", "/domains", &[("X-Auth-Token", &token)], None).await.unwrap().status_is(401);
    assert_eq!(as_user("admin:with", "/domains").await.status_is(401).text, "Authentication check failed");
    // Who guesses is slowed down, and who knows is not.
    let mut answers = 0;
    while as_user("admin:guess", "/domains").await.status == 401 {
        answers += 1;
        assert!(answers <= 60, "guesses are slowed down");
    }
    let answer = as_user("admin:guess", "/domains").await;
    assert!(answer.status_is(429).headers.contains_key("retry-after"));
    as_user(&right, "/domains").await.status_is(200);
    // That is no way in at the public door.
    let public = server.api();
    let basic = "Basic YWRtaW46d2l0aDpjb2xvbnM6";
    public.send("GET", "/domains", &[("Authorization", basic)], None).await.unwrap().status_is(401);
    api.send("GET", "/domains", &[("Authorization", basic)], None).await.unwrap().status_is(200);
}

/// A server with these options that does not start, with this status; gives what it says.
fn refused(options: &[&str], expected: i32) -> String {
    let mut process = Process::start(&[&["serve", "--listen", "127.0.0.1:0"], options].concat());
    let status = process.wait(LIMIT).unwrap_or_else(|| panic!("{options:?}: it starts"));
    let errors = process.errors();
    assert_eq!(status.code(), Some(expected), "{options:?}: {errors}");
    errors
}

fn sockets_that_are_there(server: &Server, tokens: &Tokens, socket: &Path) {
    let url = server.database_url();
    let with = |socket: &Path| -> Vec<String> {
        let mut options: Vec<String> = tokens.options("rbac").into_iter().map(str::to_owned).collect();
        options.extend(["--database-url", &url, "--admin-socket", text(socket)].map(str::to_owned));
        options
    };
    let refusal =
        |socket: &Path, status: i32| refused(&with(socket).iter().map(String::as_str).collect::<Vec<_>>(), status);
    // That one may end: it is worth another try.
    let said = refusal(socket, 1);
    assert!(said.contains("choose another file with --admin-socket"), "{said}");
    assert!(said.contains(text(socket)) && said.contains("a server listens there already"), "{said}");
    assert_eq!(get(socket, "/")["href"], "http://localhost", "it is still the first one's");
    let file = socket.with_file_name("password");
    let said = refusal(&file, 2);
    assert!(said.contains("there is something that is no socket"), "{said}");
    let below = socket.with_file_name("below");
    let said = refusal(&below.join("admin.socket"), 2);
    assert!(said.contains("there is no directory") && !below.exists(), "{said}");

    // One that a killed server has left behind is replaced.
    let left = socket.with_file_name("left.socket");
    let options = |socket: &'static str| [&tokens.options("rbac")[..], &["--admin-socket", socket]].concat();
    let leaked: &'static str = Box::leak(text(&left).to_owned().into_boxed_str());
    let mut killed = Server::start_on_with(&url, &options(leaked));
    get(&left, "/");
    killed.kill();
    assert!(left.exists());
    let mut another = Server::start_on_with(&url, &options(leaked));
    get(&left, "/");
    assert!(another.terminate().success());
    assert!(!left.exists());

    // Where it is by default, and where it is not.
    let runtime = fresh_directory();
    let run = |arguments: &[&str]| {
        let mut command = cirrus_program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &url]).args(arguments);
        let process = Process::spawn(command.env("RUNTIME_DIRECTORY", runtime.path()));
        let line = process.next_line(Duration::from_mins(2)).unwrap_or_else(|| panic!("{}", process.errors()));
        let port = line.rsplit_once(':').unwrap().1.to_owned();
        let expected: PathBuf = runtime.path().join(format!("admin-{port}.socket"));
        let is_there = expected.exists();
        if is_there {
            get(&expected, "/");
        }
        (is_there, process.errors())
    };
    assert!(run(&tokens.options("rbac")).0);
    assert!(!run(&[&tokens.options("rbac")[..], &["--admin-socket", "none"]].concat()).0);
    let (is_there, said) =
        run(&["--admin-listen", "127.0.0.1:0", "--admin-user", "a", "--admin-password-file", text(&file)]);
    assert!(!is_there && said.contains("there are no ways in for administrators"), "{said}");
    assert_eq!(fs::read_dir(runtime.path()).unwrap().count(), 0);
    if !is_root() {
        let mut command = cirrus_program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &url]).args(tokens.options("rbac"));
        for variable in ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"] {
            command.env_remove(variable);
        }
        let process = Process::spawn(&mut command);
        assert!(process.next_line(Duration::from_mins(2)).is_some(), "{}", process.errors());
        let said = process.errors();
        assert!(
            said.contains("neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR") && said.contains("--admin-socket"),
            "{said}"
        );
    }
    fs::write(&file, "\n").unwrap();
    let account = ["--admin-listen", "127.0.0.1:0", "--admin-user", "a", "--admin-password-file", text(&file)];
    let said = refused(&[&tokens.options("rbac")[..], &["--database-url", &url], &account].concat(), 2);
    assert!(said.contains("there is no password in it") && said.contains(text(&file)), "{said}");
}
