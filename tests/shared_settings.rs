//! All servers on one database decide by the same settings: who was told otherwise does not start, and who runs while they
//! are changed decides nothing any more.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use tokio::task::block_in_place;

use crate::support::{Api, Checks, Process, Server, cirrus_program, send_signal};

const LIMIT: Duration = Duration::from_secs(40);
const CHANGE: &str = "--change-shared-settings";

pub async fn servers_on_one_database_share_settings() {
    // Its cluster is where the databases of the others are.
    let host = block_in_place(Server::start);
    let url = host.database_url();
    let mut checks = Checks::default();
    checks.run("who was told otherwise does not start", told_otherwise(url.clone())).await;
    checks.run("who was told nothing takes what there is", told_nothing(url.clone())).await;
    checks.run("of two that start at the same time one serves", at_the_same_time(url.clone())).await;
    checks.run("a setting is changed while a server runs", changed_while_one_runs(url.clone())).await;
    checks.run("a server that slept through a change decides nothing", slept_through_a_change(url.clone())).await;
    checks.run("the first server writes what the database lacks", of_an_earlier_release(url)).await;
    checks.finish();
}

/// One more database on the same cluster.
async fn database(url: &str, name: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let make = format!("create database {name} encoding 'UTF8' locale 'C' template template0");
    raw_sql(AssertSqlSafe(make)).execute(&mut connection).await.unwrap();
    url.replace("/cirrus?", &format!("/{name}?"))
}

fn start(url: &str, options: &[&str]) -> Server {
    block_in_place(|| Server::start_on_with(url, options))
}

/// A server's program without settings from the environment of whoever runs the tests.
fn program(url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
    let mut command = cirrus_program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", url]).args(arguments);
    Process::spawn(command.envs(variables.iter().copied()))
}

/// The last line of a server that does not start, and says that trying again is of no use.
fn refused(url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut process = program(url, arguments, variables);
    let code = block_in_place(|| process.wait(LIMIT)).and_then(|status| status.code());
    let errors = process.errors();
    assert_eq!(code, Some(2), "{arguments:?} {variables:?}; it says:\n{errors}");
    errors.lines().last().unwrap_or_default().to_owned()
}

/// What the database has.
async fn stored(url: &str) -> Vec<(String, String)> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let query = "select name, value from shared_setting where set_at is not null order by name";
    sqlx::query_as(query).fetch_all(&mut connection).await.unwrap()
}

fn settings(quota: &str, digits: &str) -> Vec<(String, String)> {
    [
        ("neutron_apply_subnet_host_routes", "false"),
        ("neutron_contrail_extensions", "true"),
        ("neutron_default_security_group", "false"),
        ("neutron_fwaas", "false"),
        ("neutron_strict_compliance", "false"),
        ("project_access_lists", "admin"),
        ("quota", quota),
        ("tag_id_digits", digits),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into()
}

/// A project without limits of its own.
async fn project(api: &Api) {
    let body = json!({"project": {"fq_name": ["default-domain", "limited"], "parent_type": "domain"}});
    api.post("/projects", &body).await.ok();
}

fn network(name: &str) -> Value {
    json!({"virtual-network": {"fq_name": ["default-domain", "limited", name], "parent_type": "project"}})
}

/// As many networks as the limit allows, and no more.
async fn has_room_for(api: &Api, names: &[&str]) {
    for name in names {
        api.post("/virtual-networks", &network(name)).await.status_is(200);
    }
    assert_eq!(api.post("/virtual-networks", &network("too-many")).await.status, 412);
}

async fn told_otherwise(url: String) {
    let url = database(&url, "told_otherwise").await;
    let _first = start(&url, &["--quota", "virtual_network=1", "--tag-id-digits", "12"]);
    let text = |given: &str, option: &str, text: &str| {
        format!(
            "{given}: all servers on a database share this setting, and this database has {option} {text}. Leave it out \
             to take that, or change it for all of them with --change-shared-settings"
        )
    };
    let limit = "defaults=-1,virtual_network=1";
    assert_eq!(
        refused(&url, &["--quota", "virtual_network=2"], &[]),
        format!("cirrus: {}", text("--quota defaults=-1,virtual_network=2", "--quota", limit))
    );
    assert_eq!(
        refused(&url, &[], &[("CIRRUS_QUOTA", "subnet=3"), ("CIRRUS_TAG_ID_DIGITS", "8")]),
        format!(
            "cirrus: {}; {}",
            text("CIRRUS_QUOTA=defaults=-1,subnet=3", "--quota", limit),
            text("CIRRUS_TAG_ID_DIGITS=8", "--tag-id-digits", "12")
        )
    );
    assert_eq!(stored(&url).await, settings(limit, "12"));
    // The same, written in another way.
    start(&url, &["--quota", "defaults=-1, virtual_network=1", "--tag-id-digits", "12"]);
}

async fn told_nothing(url: String) {
    let url = database(&url, "told_nothing").await;
    let first = start(&url, &["--quota", "virtual_network=1"]);
    project(&first.api()).await;
    let second = start(&url, &[]);
    has_room_for(&second.api(), &["one"]).await;
    let taken = "taken from the database, whose servers share them settings=\"--quota defaults=-1,virtual_network=1\"";
    assert!(second.log().contains(taken), "{}", second.log());
    assert!(!first.log().contains("taken from the database"), "{}", first.log());
}

async fn at_the_same_time(url: String) {
    for round in 0..3 {
        let url = database(&url, &format!("at_the_same_time_{round}")).await;
        let start = |limit: &str| program(&url, &["--quota", &format!("virtual_network={limit}")], &[]);
        let mut both = [("1", start("1")), ("2", start("2"))];
        let mut serving = Vec::new();
        for (limit, process) in &mut both {
            if let Some(line) = block_in_place(|| process.next_line(LIMIT)) {
                assert!(line.starts_with("cirrus is ready at "), "{line}");
                serving.push(settings(&format!("defaults=-1,virtual_network={limit}"), "8"));
            } else {
                let status = block_in_place(|| process.wait(LIMIT));
                assert_eq!(status.and_then(|status| status.code()), Some(2), "{}", process.errors());
            }
        }
        assert_eq!(serving, [stored(&url).await], "one serves, with what the database has");
    }
}

const OVERTAKEN: &str = "cirrus: --quota was changed to defaults=-1,virtual_network=2 for all servers on this database, and \
                         this one decides by defaults=-1,virtual_network=1: start it again. What it is not told, it takes \
                         from the database";

/// The server ends by itself, and says why; it may be started again.
fn is_overtaken(server: &mut Server) {
    let (status, errors) = block_in_place(|| server.end());
    assert_eq!((status.code(), errors.lines().last()), (Some(1), Some(OVERTAKEN)), "{errors}");
}

async fn changed_while_one_runs(url: String) {
    let url = database(&url, "changed").await;
    let mut first = start(&url, &["--quota", "virtual_network=1"]);
    project(&first.api()).await;
    has_room_for(&first.api(), &["one"]).await;
    let mut second = start(&url, &["--quota", "virtual_network=2", CHANGE]);
    is_overtaken(&mut first);
    assert_eq!(stored(&url).await, settings("defaults=-1,virtual_network=2", "8"));
    has_room_for(&second.api(), &["two"]).await;
    let told = refused(&url, &["--quota", "virtual_network=1"], &[]);
    assert!(told.contains("this database has --quota defaults=-1,virtual_network=2. "), "{told}");
    // Started again without the option, and by it only what is given is changed; to no limit at all, too.
    let again = start(&url, &["--tag-id-digits", "8", CHANGE]);
    assert_eq!(again.api().post("/virtual-networks", &network("three")).await.status, 412);
    let last = start(&url, &["--quota", "", CHANGE]);
    block_in_place(|| second.end());
    assert_eq!(stored(&url).await, settings("defaults=-1", "8"));
    last.api().post("/virtual-networks", &network("three")).await.ok();
}

/// Stops a server in a moment in which it has nothing locked, which would hold up others.
async fn stop_at_rest(url: &str, server: u32) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    loop {
        send_signal("STOP", &[server]);
        let states = "select array_agg(state) from pg_stat_activity where datname = current_database()
            and application_name = 'cirrus' and state <> 'idle'";
        loop {
            let busy: Option<Vec<String>> = sqlx::query_scalar(states).fetch_one(&mut connection).await.unwrap();
            match busy {
                None => return,
                // It comes to its end without the server.
                Some(busy) if busy.iter().any(|state| state == "active") => {}
                Some(_) => break,
            }
        }
        send_signal("CONT", &[server]);
    }
}

/// Sends a create to a server that does not run at the moment.
fn send(server: SocketAddr, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let body = network(&format!("n{number}")).to_string();
    let head =
        "POST /virtual-networks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream
}

/// All that comes until the connection is closed, also when that is done the hard way.
fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8(answer).unwrap()
}

/// A server that could not see the change is asked in the moment in which it goes on.
async fn slept_through_a_change(url: String) {
    let url = database(&url, "slept").await;
    let mut first = start(&url, &["--quota", "virtual_network=1"]);
    let api = first.api();
    project(&api).await;
    has_room_for(&api, &["one"]).await;
    stop_at_rest(&url, first.process_id()).await;
    let second = start(&url, &["--quota", "virtual_network=2", CHANGE]);
    // They wait in its socket.
    let mut waiting: Vec<TcpStream> = (0..8).map(|number| send(first.address(), number)).collect();
    send_signal("CONT", &[first.process_id()]);
    let answers = block_in_place(|| waiting.iter_mut().map(answer).collect::<Vec<_>>());
    // One for which there was no time any more is closed.
    let answers: Vec<String> = answers.into_iter().filter(|answer| !answer.is_empty()).collect();
    assert!(!answers.is_empty(), "nothing was answered");
    for answer in answers {
        let is_refused = answer.starts_with("HTTP/1.1 503 ") && answer.contains("nothing was stored");
        assert!(is_refused, "{answer}");
    }
    is_overtaken(&mut first);
    has_room_for(&second.api(), &["two"]).await;
}

async fn of_an_earlier_release(url: String) {
    let url = database(&url, "earlier").await;
    let mut server = start(&url, &[]);
    block_in_place(|| server.terminate());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let earlier = "drop table shared_setting; delete from _sqlx_migrations where version = 7";
    raw_sql(earlier).execute(&mut connection).await.unwrap();
    start(&url, &["--tag-id-digits", "12"]);
    assert_eq!(stored(&url).await, settings("defaults=-1", "12"));
}
