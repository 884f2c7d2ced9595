//! Starting and stopping: what an operator sees.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{Api, Checks, Process, Server, fresh_directory, is_running, send_signal, wait_until};

const LIMIT: Duration = Duration::from_mins(1);

pub async fn starting_and_stopping() {
    let mut checks = Checks::default();
    checks.run("stop and start again", stop_and_start_again()).await;
    checks.run("stop in the middle of requests", stop_in_the_middle()).await;
    checks.run("port taken", async { port_taken() }).await;
    checks.run("malformed --listen", async { malformed_listen() }).await;
    checks.run("unreachable database", async { unreachable_database() }).await;
    checks.run("a database that starts later", database_starts_later()).await;
    checks.run("alive and ready", health()).await;
    checks.run("malformed database address", async { malformed_database_url() }).await;
    checks.run("data directory that is a file", async { data_directory_is_a_file() }).await;
    checks.finish();
}

async fn create_policy(api: &Api, name: &str) -> String {
    let fq_name = json!(["default-domain", "default-project", name]);
    let body = json!({"network-policy": {"fq_name": fq_name, "parent_type": "project"}});
    api.post("/network-policys", &body).await.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned()
}

fn is_open(address: std::net::SocketAddr) -> bool {
    std::net::TcpStream::connect(address).is_ok()
}

async fn stop_and_start_again() {
    let directory = fresh_directory();
    // It makes the directory that it is given.
    let data = directory.path().join("data");
    let mut server = Server::start_in(&data);
    let api = server.api();
    let uuid = create_policy(&api, "kept").await;
    let before = api.get(&format!("/network-policy/{uuid}?exclude_hrefs=true")).await.ok();
    let project = api.find("project", &json!(["default-domain", "default-project"])).await.unwrap();
    api.post("/useragent-kv", &json!({"operation": "STORE", "key": "k", "value": "v"})).await.status_is(200);
    let removed = create_policy(&api, "removed").await;
    api.delete(&format!("/network-policy/{removed}")).await.status_is(200);

    let postgresql = server.postgresql().expect("it runs a PostgreSQL of its own in its data directory");
    let address = server.address();
    let status = server.terminate();
    assert_eq!(status.code(), Some(0), "exit status after SIGTERM: {status}; log:\n{}", server.log());
    assert!(!is_open(address), "nobody listens there any more");
    wait_until("PostgreSQL stops with the server", Duration::from_secs(10), || !is_running(postgresql));
    assert_eq!(server.further_lines(), Vec::<String>::new(), "one line on standard output, no more");
    let log = server.log();
    assert!(log.contains("database system is shut down"), "{log}");
    for alarming in ["panicked", "WARN", "ERROR", "FATAL"] {
        assert!(!log.contains(alarming), "a first start or its end looks like a fault: {log}");
    }
    drop(server);

    let mut server = Server::start_in(&data);
    let api = server.api();
    assert_eq!(api.get(&format!("/network-policy/{uuid}?exclude_hrefs=true")).await.ok(), before);
    assert_eq!(api.find("project", &json!(["default-domain", "default-project"])).await.unwrap(), project);
    let kept = api.post("/useragent-kv", &json!({"operation": "RETRIEVE", "key": "k"})).await.ok();
    assert_eq!(kept, json!({"value": "v"}));
    api.get(&format!("/network-policy/{removed}")).await.status_is(404);
    create_policy(&api, "made after the second start").await;
    let fq_name = json!(["default-domain", "default-project", "kept"]);
    let again = json!({"network-policy": {"fq_name": fq_name, "parent_type": "project"}});
    api.post("/network-policys", &again).await.status_is(409);
    assert_eq!(server.terminate().code(), Some(0));
}

/// What was answered before the stop is there after it; what was not is wholly there or not at all.
async fn stop_in_the_middle() {
    const CLIENTS: usize = 16;
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let mut server = Server::start_in(&data);
    let (answered, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (api, answered, enough) = (server.api(), Arc::clone(&answered), Arc::clone(&enough));
        clients.spawn(async move {
            let mut created = Vec::new();
            for number in 0.. {
                let fq_name = json!(["default-domain", "default-project", format!("stop-{client}-{number}")]);
                let body = json!({"network-policy": {"fq_name": fq_name, "parent_type": "project"}});
                match api.try_json("POST", "/network-policys", &body).await {
                    Ok(answer) if answer.status == 200 => {
                        created.push(answer.json()["network-policy"]["uuid"].as_str().unwrap().to_owned());
                        if answered.fetch_add(1, Ordering::Relaxed) == 300 {
                            enough.add_permits(1);
                        }
                    }
                    // Not taken any more.
                    Ok(answer) => {
                        answer.status_is(503);
                        break;
                    }
                    Err(_) => break,
                }
            }
            created
        });
    }
    drop(enough.acquire().await.unwrap());
    let status = tokio::task::block_in_place(|| server.terminate());
    assert_eq!(status.code(), Some(0), "exit status after SIGTERM: {status}; log:\n{}", server.log());
    let created = clients.join_all().await.concat();
    drop(server);

    let server = Server::start_in(&data);
    for uuid in created {
        server.api().get(&format!("/network-policy/{uuid}")).await.ok();
    }
}

/// Runs the server with settings that cannot work; gives what it says about them.
fn refused(arguments: &[&str]) -> String {
    let mut process = Process::start(arguments);
    let status = process.wait(LIMIT);
    let errors = process.errors();
    let Some(status) = status else { panic!("{arguments:?}: still running after {LIMIT:?}; it says:\n{errors}") };
    assert!(!status.success(), "{arguments:?}: {status}; it says:\n{errors}");
    assert!(status.code().is_some(), "{arguments:?}: ends by itself, not by a {status}");
    assert_eq!(process.next_line(Duration::from_secs(5)), None, "it does not say that it is ready");
    assert!(!errors.contains("panicked"), "{arguments:?}: a message for people is expected, not\n{errors}");
    errors
}

fn assert_says(errors: &str, what: &[&str]) {
    for word in what {
        assert!(errors.to_lowercase().contains(&word.to_lowercase()), "'{word}' is expected in the message:\n{errors}");
    }
}

fn port_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let errors = refused(&["serve", "--listen", &address, "--data-dir", data.to_str().unwrap()]);
    assert_says(&errors, &[&address, "another program does already"]);
    assert!(crate::support::postmaster(&data).is_none(), "no PostgreSQL is left behind");
}

fn malformed_listen() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    for listen in ["not an address", "127.0.0.1:99999", ""] {
        let errors = refused(&["serve", "--listen", listen, "--data-dir", data.to_str().unwrap()]);
        assert_says(&errors, &["listen"]);
        assert!(crate::support::postmaster(&data).is_none(), "no PostgreSQL is left behind");
    }
}

fn unreachable_database() {
    // Nobody listens on a port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://nobody:secret-word@127.0.0.1:{port}/nothing");
    let errors = refused(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url, "--database-wait", "1"]);
    assert_says(&errors, &["database", "not there yet", &format!("nothing at 127.0.0.1:{port}: ")]);
    assert!(!errors.contains("secret-word"), "the password is not written to the log:\n{errors}");
}

/// A server that is started before its database waits for it.
async fn database_starts_later() {
    let first = Server::start();
    let data = first.data_directory().to_owned();
    let url = first.database_url();
    let keep = fresh_directory();
    let moved = keep.path().join("data");
    drop(first);
    // The directory of the first server is gone with it; its address would be good again for another one there.
    let waiting = Process::start(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
    wait_until("it says that it waits", LIMIT, || waiting.errors().contains("not there yet"));
    let second = Server::start_in(&moved);
    std::fs::create_dir_all(&data).unwrap();
    std::os::unix::fs::symlink(moved.join("socket"), data.join("socket")).unwrap();
    let line = waiting.next_line(LIMIT).unwrap();
    let address = line.strip_prefix("cirrus is ready at ").unwrap();
    assert_eq!(Api::new(address).get("/healthz").await.status_is(200).text, "ok\n");
    drop(waiting);
    drop(second);
    std::fs::remove_dir_all(&data).unwrap();
}

async fn health() {
    let mut server = Server::start();
    let api = server.api();
    let ready = api.get("/readyz").await;
    assert_eq!((ready.status, ready.text.as_str()), (200, "ok\n"));
    let verbose = api.get("/readyz?verbose").await;
    assert_eq!((verbose.status, verbose.text.as_str()), (200, "[+] server\n[+] database\n[+] replica\n[+] writer\n"));
    assert!(verbose.headers["content-type"].starts_with("text/plain"));
    let database = server.postgresql().unwrap();
    send_signal("STOP", &[database]);
    let away = api.get("/readyz").await;
    send_signal("CONT", &[database]);
    assert!(away.status_is(503).text.contains("[-] database: "), "{away}");
    // The process lives all the time.
    assert_eq!(api.get("/healthz").await.status_is(200).text, "ok\n");
    assert!(server.terminate().success());
}

fn malformed_database_url() {
    for url in ["nonsense", "http://127.0.0.1/x"] {
        let errors = refused(&["serve", "--listen", "127.0.0.1:0", "--database-url", url]);
        assert_says(&errors, &["database"]);
    }
}

fn data_directory_is_a_file() {
    let directory = fresh_directory();
    let file = directory.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let errors = refused(&["serve", "--listen", "127.0.0.1:0", "--data-dir", file.to_str().unwrap()]);
    assert_says(&errors, &[file.to_str().unwrap()]);
}
