//! The log: lines of JSON that say which request they are of, whatever clients send; what PostgreSQL says among them; more of it,
//! or less, while the server runs.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::scrape::Scraped;
use crate::support::tokens::Tokens;
use crate::support::{Api, Checks, Process, Server, fresh_directory, send_signal, wait_until};

const LIMIT: Duration = Duration::from_mins(1);
const IN_JSON: [&str; 2] = ["--log-format", "json"];

pub async fn lines() {
    let mut checks = Checks::default();
    checks.run("each line is JSON, and of one request", each_is_json()).await;
    checks.run("what PostgreSQL says is among them", of_postgresql()).await;
    checks.run("text is for people", text()).await;
    checks.run("the last word is a line, too", async { last_word() }).await;
    checks.run("more or less is logged at run time", filter_changes()).await;
    checks.run("nobody waits for who reads it", nobody_waits()).await;
    checks.run("what is no request is no error", no_requests()).await;
    checks.finish();
}

/// The lines of a server that speaks JSON, each of which has to be that.
fn lines_of(log: &str) -> Vec<Value> {
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for name in ["time", "level", "target", "message"] {
            assert!(line[name].is_string(), "{name}: {line}");
        }
        line
    };
    // What is still being written has no end.
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    whole.lines().map(line).collect()
}

fn until_logged(server: &Server, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    wait_until(what, LIMIT, || lines_of(&server.log()).iter().any(&is_wanted));
    lines_of(&server.log()).into_iter().filter(is_wanted).collect()
}

async fn each_is_json() {
    let server = Server::start_with(&[&IN_JSON[..], &["--log", "trace"]].concat());
    let api = server.api();
    let long = "x".repeat(1000);
    let ids = ["plain", "a\" level=\"ERROR", "{\"level\":\"ERROR\"}", "tab\there \\n \\", "%0A%1B[31m", &long];
    for (number, id) in ids.into_iter().enumerate() {
        let body = json!({"domain": {"fq_name": [format!("domain {number}")], "display_name": "\u{1b}[31m\nred"}})
            .to_string()
            .into_bytes();
        let headers = [("Content-Type", "application/json"), ("X-Request-Id", id)];
        let made = api.send("POST", "/domains", &headers, Some(body)).await.unwrap();
        let kept: String = id.chars().take(256).collect();
        assert_eq!(made.status_is(200).headers["x-request-id"], kept);
        let answered = |line: &Value| line["message"] == "request" && line["request_id"] == kept.as_str();
        assert_eq!(until_logged(&server, "the request is told", answered).len(), 1, "{id}");
        // Where it is decided together with others its lines are its own, too.
        let decided = until_logged(&server, "it is decided", |line| {
            line["message"] == "decided" && line["request_id"] == kept.as_str()
        });
        assert_eq!(
            (decided.len(), decided[0]["is_refused"].as_bool(), decided[0]["level"].as_str()),
            (1, Some(false), Some("DEBUG"))
        );
    }
    // A list is made while it goes out, which is of its request, too; a read asks the database.
    let none = api.get("/domains").await;
    let own = none.headers["x-request-id"].clone();
    assert!(own.starts_with("req-"), "{own}");
    let told = until_logged(&server, "the read is told", |line| {
        line["message"] == "request" && line["request_id"] == own.as_str()
    });
    assert_eq!((told[0]["method"].as_str(), told[0]["path"].as_str()), (Some("GET"), Some("/domains")));
    assert_eq!((told[0]["status"].as_u64(), told[0]["level"].as_str()), (Some(200), Some("INFO")));
    // Bytes that are no text are no id.
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: \xff\xfe\r\n\r\n").unwrap();
    until_logged(&server, "it is told", |line| {
        line["path"] == "/healthz" && line["request_id"].as_str().unwrap().starts_with("req-")
    });
}

async fn of_postgresql() {
    let mut server = Server::start_with(&IN_JSON);
    let of_it = |line: &Value| line["source"] == "postgresql";
    let ready = until_logged(&server, "it is ready", |line| {
        of_it(line) && line["message"] == "database system is ready to accept connections"
    });
    assert_eq!((ready[0]["level"].as_str(), ready[0]["severity"].as_str()), (Some("INFO"), Some("LOG")));
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let statement = "select 'a text of two\nlines and \"more\"'\n\t::integer";
    sqlx::raw_sql(statement).execute(&mut database).await.unwrap_err();
    let refused = until_logged(&server, "the error is told", |line| of_it(line) && line["severity"] == "ERROR");
    assert_eq!(refused.len(), 1, "{refused:?}");
    let line = &refused[0];
    assert_eq!((line["level"].as_str(), line["target"].as_str()), (Some("WARN"), Some("postgresql")));
    assert!(
        line["message"].as_str().unwrap().starts_with("invalid input syntax for type integer: \"a text of two\nlines")
    );
    assert_eq!(line["statement"], statement);
    assert!(line["process"].is_u64() && line["at"].is_string(), "{line}");
    // One of its processes dies, so that it begins anew, and says a lot.
    server.kill_one_database_connection();
    let ready = "database system is ready to accept connections";
    wait_until("it is ready again", LIMIT, || {
        lines_of(&server.log()).iter().filter(|line| line["message"] == ready).count() == 2
    });
    let killed = |line: &Value| of_it(line) && line["message"].as_str().unwrap().contains("terminated by signal 9");
    assert!(lines_of(&server.log()).iter().any(killed));
    let ready = async { while server.api().get("/readyz").await.status != 200 {} };
    tokio::time::timeout(LIMIT, ready).await.expect("it is ready again");
    server.terminate();
    let (_, log) = server.end();
    let last = lines_of(&log).into_iter().rfind(of_it).unwrap();
    assert_eq!(last["message"], "database system is shut down", "what it says at its end is told, too");
}

async fn text() {
    let server = Server::start();
    let api = Api::with_headers(server.url(), &[("X-Request-Id", "an id\" level=ERROR")]);
    api.get("/domains").await.ok();
    let ended = " request_id=\"an id\\\" level=ERROR\"";
    wait_until("it is told", LIMIT, || server.log().lines().any(|line| line.ends_with(ended)));
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    sqlx::raw_sql("select 'x\n2026-11-27T09:15:00Z ERROR cirrus: forged'::integer")
        .execute(&mut database)
        .await
        .unwrap_err();
    wait_until("the error is told", LIMIT, || server.log().contains("invalid input syntax"));
    let log = server.log();
    assert!(!log.lines().any(|line| line.starts_with("2026-11-27T09:15:00Z ERROR")), "{log}");
    assert!(log.contains("source=\"postgresql\""), "{log}");
}

/// Why a server ends is a line like the others, unless it is about settings, which a person has written.
fn last_word() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let url = "postgresql://nobody@127.0.0.1:1/none";
    let ended = |address: &str, more: &[&str]| {
        let arguments = ["serve", "--listen", address, "--database-url", url, "--log-format", "json", "--log", "off"];
        let mut process = Process::start(&[&arguments, more].concat());
        assert!(process.wait(LIMIT).is_some_and(|status| !status.success()));
        process.errors()
    };
    let said = ended(&address, &[]);
    let lines = lines_of(&said);
    assert_eq!(lines.len(), 1, "{said}");
    assert!(
        lines[0]["message"].as_str().unwrap().contains(&format!("--listen {address}: can't listen there")),
        "{said}"
    );
    let said = ended("127.0.0.1:0", &["--keep-changes", "5", "--keep-changes-at-most", "4"]);
    assert!(said.starts_with("cirrus: --keep-changes-at-most 4 is less than"), "{said}");
}

/// What anybody can send at any time does not fill the log with errors; it is counted.
async fn no_requests() {
    let server = Server::start_with(&[&IN_JSON[..], &["--log", "info"]].concat());
    let api = server.api();
    let refused = async || Scraped::of(&api).await.sum("cirrus_refusals_total", &[("rule", ""), ("status", "400")]);
    let before = refused().await;
    let texts: [&[u8]; 3] = [
        b"GET /\xff\x00\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03\r\n\r\n",
    ];
    let ask = |text: &[u8]| {
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        stream.write_all(text).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        String::from_utf8_lossy(&answer).into_owned()
    };
    for text in texts {
        assert!(ask(text).starts_with("HTTP/1.1 400 "), "{text:?}");
    }
    let all = async { while refused().await < before + 2.5 {} };
    tokio::time::timeout(LIMIT, all).await.expect("each is counted");
    // An id of no letters is none.
    let answer = ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: \r\nConnection: close\r\n\r\n");
    assert!(answer.to_lowercase().contains("\nx-request-id: req-"), "{answer}");
    until_logged(&server, "it is told", |line| line["path"] == "/healthz");
    let lines = lines_of(&server.log());
    assert!(!lines.iter().any(|line| line["level"] == "ERROR" || line["request_id"] == ""), "{lines:?}");
    assert!(!lines.iter().any(|line| line["message"] == "what came is no request"), "it is DEBUG");
    assert_eq!(api.put("/log-filter", &json!({"log-filter": "info,cirrus=debug"})).await.status, 200);
    ask(texts[0]);
    let told = until_logged(&server, "it is told", |line| line["message"] == "what came is no request");
    assert_eq!((told[0]["level"].as_str(), told[0]["target"].as_str()), (Some("DEBUG"), Some("cirrus::api")));
}

/// A pipe that nobody reads any more stops nothing: neither what is asked for, nor the end.
async fn nobody_waits() {
    let database = Server::start();
    let directory = fresh_directory();
    let path = directory.path().join("log");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let pipe = || File::options().read(true).write(true).open(&path).unwrap();
    let started = |pipe: File| {
        let url = database.database_url();
        let mut command = Process::command(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
        command.args(["--log-format", "json", "--log", "info,cirrus=trace"]);
        let process = Process::spawn_into(&mut command, pipe);
        let line = process.next_line(LIMIT).unwrap_or_default();
        let url = line.strip_prefix("cirrus is ready at ").unwrap_or_else(|| panic!("{line}")).to_owned();
        (process, Api::with_headers(&url, &[("X-Request-Id", &"x".repeat(256))]))
    };
    let dropped = async |api: &Api| {
        let text = api.get("/metrics").await.status_is(200).text.clone();
        let line = text.lines().find_map(|line| line.strip_prefix("cirrus_log_lines_dropped_total "));
        line.unwrap_or_else(|| panic!("{text}")).parse::<u64>().unwrap()
    };
    let until_dropped = async |api: &Api, more_than: u64| {
        while dropped(api).await <= more_than {
            for _ in 0..500 {
                api.get("/healthz").await.status_is(200);
            }
        }
        api.get("/readyz").await.status_is(200);
    };
    let (mut process, api) = started(pipe());
    tokio::time::timeout(LIMIT * 5, until_dropped(&api, 0)).await.expect("lines are dropped, and it answers");
    let so_far = dropped(&api).await;
    // Somebody reads again: what waited, and how much is missing.
    let (tell, told) = mpsc::channel();
    let reader = BufReader::new(pipe());
    let reading = thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            let line = lines_of(&(line + "\n")).remove(0);
            if let Some(number) = line["dropped"].as_u64() {
                tell.send(number).ok();
                return;
            }
        }
    });
    let missing = told.recv_timeout(LIMIT).expect("it is told how many were dropped");
    assert!(missing >= so_far, "{missing} of {so_far}");
    reading.join().unwrap();
    // And once more nobody; it ends all the same.
    tokio::time::timeout(LIMIT * 5, until_dropped(&api, missing)).await.expect("it answers again");
    process.signal("TERM");
    assert_eq!(process.wait(LIMIT).and_then(|status| status.code()), Some(0));
}

async fn filter_changes() {
    let filter = "info,sqlx=warn";
    let (server, tokens) = Tokens::start("rbac", &[&IN_JSON[..], &["--log", filter]].concat());
    let (admin, alice) = (tokens.api(&server, "admin"), tokens.api(&server, "alice"));
    let is = |filter: &str| json!({"log-filter": filter, "started-with": "info,sqlx=warn"});
    assert_eq!(admin.get("/log-filter").await.ok(), is(filter));
    for api in [&server.api(), &alice] {
        let status = api.put("/log-filter", &json!({"log-filter": "off"})).await.status;
        assert!([401, 403].contains(&status) && [401, 403].contains(&api.get("/log-filter").await.status), "{status}");
    }
    // Programs can look for who was refused what.
    let told = until_logged(&server, "it is told", |line| line["message"] == "refused" && line["roles"] == "member");
    assert!(told.iter().all(|line| line["path"] == "/log-filter"), "{told:?}");
    let long = "cirrus=debug,".repeat(100);
    for (body, says) in [
        (json!({}), "log-filter is missing"),
        (json!([]), "must be a JSON object"),
        (json!({"log-filter": 7}), "log-filter must be a text or null"),
        (json!({"log-filter": "loud"}), "'loud' is no level; error, warn, info, debug, trace or off is expected"),
        (json!({"log-filter": "cirrus=loud"}), "error, warn, info, debug, trace or off is expected"),
        (json!({"log-filter": "info\nERROR"}), "is no level"),
        (json!({"log-filter": "cirru=debug"}), "'cirru' is no part of the program: cirrus, "),
        (json!({"log-filter": "info,cirrus::apii=debug"}), "'cirrus::apii' is no part of the program"),
        (json!({ "log-filter": long }), "more than 1000 bytes"),
    ] {
        let refused = admin.put("/log-filter", &body).await;
        assert!(refused.status_is(400).text.contains(says), "{refused}");
    }
    assert_eq!(admin.get("/log-filter").await.ok(), is(filter), "nothing was changed");

    // Silence, which is told all the same, with who wanted it.
    let silent =
        Api::with_headers(server.url(), &[("X-Auth-Token", &Tokens::of("admin")), ("X-Request-Id", "silence")]);
    assert_eq!(silent.put("/log-filter", &json!({"log-filter": "off"})).await.ok(), is("off"));
    let told = until_logged(&server, "it is told", |line| line["to"] == "off");
    assert_eq!((told[0]["from"].as_str(), told[0]["request_id"].as_str()), (Some(filter), Some("silence")));
    assert_eq!(told[0]["by"], "admin from 127.0.0.1");
    silent.get("/domains").await.ok();
    // By signals, also where nobody can ask.
    send_signal("USR1", &[server.process_id()]);
    let more = "info,sqlx=warn,cirrus=debug";
    until_logged(&server, "more is logged", |line| line["by"] == "SIGUSR1" && line["to"] == more);
    assert_eq!(admin.get("/log-filter").await.ok(), is(more));
    send_signal("USR2", &[server.process_id()]);
    until_logged(&server, "as before", |line| line["by"] == "SIGUSR2" && line["to"] == filter);
    admin.put("/log-filter", &json!({"log-filter": "trace"})).await.ok();
    let traced = until_logged(&server, "everything is logged", |line| line["level"] == "TRACE");
    assert!(!traced.is_empty());
    assert_eq!(admin.put("/log-filter", &json!({"log-filter": null})).await.ok(), is(filter));
    let requests = |id: &str| {
        lines_of(&server.log()).iter().filter(|line| line["message"] == "request" && line["request_id"] == id).count()
    };
    silent.get("/healthz").await;
    wait_until("requests are told again", LIMIT, || requests("silence") == 1);
    // The token of who has done this is nowhere, also where everything is logged.
    assert!(!server.log().contains(&Tokens::of("admin")));
}
