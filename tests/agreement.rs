//! What the tables say, the log tells and a server knows agrees: when a uuid is used again in one batch, when the database is
//! put back to an earlier state, and when somebody reads in the log for long.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::block_in_place;

use crate::support::{Api, Checks, Server, cirrus_program, fresh_directory, postgresql, revision};

/// No request waits for longer, whoever else uses the database.
const LIMIT: Duration = Duration::from_secs(10);

pub async fn tables_log_and_memory_agree() {
    let mut checks = Checks::default();
    checks.run("a uuid is used again in one batch", used_again()).await;
    checks.run("a copy of the data directory is put back", put_back(PutBack::DataDirectory)).await;
    checks.run("a copy of the cluster is put back", put_back(PutBack::Cluster)).await;
    checks.run("a server that is started again goes on", started_again()).await;
    checks.run("a dump is restored under a running server", restored_while_it_runs()).await;
    checks.run("a dump is restored while no server runs", restored_while_nothing_runs()).await;
    checks.run("a database is looked at while a server runs", checked()).await;
    checks.finish();
}

pub async fn a_long_reader_stops_no_writes() {
    let server = Server::start_with(&["--keep-changes", "1000", "--keep-changes-hours", "0"]);
    let api = server.api();
    let mut reader = PgConnection::connect(&server.database_url()).await.unwrap();
    let mut other = PgConnection::connect(&server.database_url()).await.unwrap();
    let policy = create_policy(&api, "written").await;
    write(&api, &policy, 300).await;
    sqlx::raw_sql("begin isolation level repeatable read; select count(*) from change")
        .execute(&mut reader)
        .await
        .unwrap();
    // As a server leaves it that dies when it removes a partition: that is begun and not finished, and has to wait for every
    // reader that was there before it.
    let floor = "update feed_sequence set floor = 100";
    let limit = "set lock_timeout = '50ms'";
    let removal = "alter table change detach partition change_1 concurrently";
    for statement in [floor, limit, removal] {
        // The last one ends with the limit, half done.
        sqlx::raw_sql(statement).execute(&mut other).await.ok();
    }
    assert!(is_half_done(&mut other).await, "the reader is waited for");
    let mut partitions = partition_count(&mut other).await;
    let (mut turned, begin) = (0, Instant::now());
    // For longer than the server needs to look after the log.
    while turned < 20 || begin.elapsed() < Duration::from_secs(12) {
        write(&api, &policy, 100).await;
        let now = partition_count(&mut other).await;
        turned += now.saturating_sub(partitions);
        partitions = now;
    }
    assert!(is_half_done(&mut other).await, "the reader is still waited for");
    sqlx::raw_sql("commit").execute(&mut reader).await.unwrap();
    let mut trimmed = false;
    while !trimmed {
        assert!(begin.elapsed() < Duration::from_mins(2), "what is not needed goes when the reader has gone");
        write(&api, &policy, 100).await;
        let query = "select to_regclass('change_1') is null";
        trimmed = sqlx::query_scalar(query).fetch_one(&mut other).await.unwrap();
    }
}

async fn is_half_done(connection: &mut PgConnection) -> bool {
    let query =
        "select coalesce(bool_or(inhdetachpending), false) from pg_inherits where inhparent = 'change'::regclass";
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}

async fn partition_count(connection: &mut PgConnection) -> i64 {
    let query = "select (max(partitioned_until) / 100)::bigint from feed_sequence";
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}

fn fq_name(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

async fn create_policy(api: &Api, name: &str) -> String {
    let body = json!({"network-policy": {"fq_name": fq_name(name), "parent_type": "project"}});
    api.post("/network-policys", &body).await.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned()
}

async fn has_policy(api: &Api, name: &str) -> bool {
    api.find("network-policy", &fq_name(name)).await.is_some()
}

/// Changes a policy so many times, each in time.
async fn write(api: &Api, policy: &str, times: usize) {
    for number in 0..times {
        let begin = Instant::now();
        let body = json!({"network-policy": {"display_name": number.to_string()}});
        api.put(&format!("/network-policy/{policy}"), &body).await.status_is(200);
        assert!(begin.elapsed() < LIMIT, "a write took {:?}", begin.elapsed());
    }
}

fn network(uuid: &str) -> Value {
    let subnets = json!({"ipam_subnets": [{"subnet": {"ip_prefix": "10.7.0.0", "ip_prefix_len": 28}}]});
    let ipam = json!({"to": ["default-domain", "default-project", "default-network-ipam"], "attr": subnets});
    json!({"virtual-network": {
        "uuid": uuid, "fq_name": fq_name("again"), "parent_type": "project", "network_ipam_refs": [ipam],
    }})
}

const USED_AGAIN: &str = "8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10";

/// A network with reserved addresses is deleted and created again in one batch: all of its addresses are free.
async fn used_again() {
    // All but network, broadcast, gateway and service address.
    const ADDRESSES: usize = 12;
    let server = Server::start();
    let api = server.api();
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let policy = create_policy(&api, "busy").await;
    api.post("/virtual-networks", &network(USED_AGAIN)).await.ok();
    let allocate = format!("/virtual-network/{USED_AGAIN}/ip-alloc");
    let (mut together, begin) = (false, Instant::now());
    while !together {
        assert!(begin.elapsed() < Duration::from_mins(1), "the two requests never share a batch");
        api.post(&allocate, &json!({"count": ADDRESSES})).await.ok();
        let since = api.position().await;
        // A batch waits for the row of the sequence; what comes meanwhile is decided together. Which of the two requests
        // comes first is left to chance, so there may be several rounds.
        sqlx::raw_sql("begin; select 1 from feed_sequence for update").execute(&mut database).await.unwrap();
        let busy = {
            let (api, policy) = (api.clone(), policy.clone());
            tokio::spawn(async move { write(&api, &policy, 1).await })
        };
        let deleted = {
            let api = api.clone();
            tokio::spawn(async move { api.delete(&format!("/virtual-network/{USED_AGAIN}")).await.status })
        };
        let created = {
            let api = api.clone();
            tokio::spawn(async move { api.post("/virtual-networks", &network(USED_AGAIN)).await.status })
        };
        sqlx::raw_sql("select pg_sleep(0.05); commit").execute(&mut database).await.unwrap();
        busy.await.unwrap();
        assert_eq!(deleted.await.unwrap(), 200);
        if created.await.unwrap() != 200 {
            api.post("/virtual-networks", &network(USED_AGAIN)).await.ok();
        }
        let query = "select count(distinct batch) from change where uuid = $1::uuid and rev > $2";
        let since = i64::try_from(revision(&since)).unwrap();
        let batches: i64 =
            sqlx::query_scalar(query).bind(USED_AGAIN).bind(since).fetch_one(&mut database).await.unwrap();
        together = batches == 1;
    }
    let held: i64 = sqlx::query_scalar("select count(*) from address_hold").fetch_one(&mut database).await.unwrap();
    assert_eq!(held, 0, "addresses of the network that was deleted");
    let taken = api.post(&allocate, &json!({"count": ADDRESSES})).await.ok();
    assert_eq!(taken["ip_addr"].as_array().unwrap().len(), ADDRESSES);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PutBack {
    DataDirectory,
    Cluster,
}

/// As `cp -a` makes it.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").args(["-a", "--"]).args([from, to]).status().expect("cp");
    assert!(status.success(), "cp {} {}", from.display(), to.display());
}

async fn put_back(what: PutBack) {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let (part, kept) = match what {
        PutBack::DataDirectory => (data.clone(), directory.path().join("kept")),
        PutBack::Cluster => (data.join("cluster"), directory.path().join("kept")),
    };
    let mut server = block_in_place(|| Server::start_in(&data));
    create_policy(&server.api(), "before").await;
    let before = server.api().position().await;
    assert!(block_in_place(|| server.terminate()).success());
    block_in_place(|| drop(server));
    copy(&part, &kept);

    let mut server = block_in_place(|| Server::start_in(&data));
    for number in 0..5 {
        create_policy(&server.api(), &format!("lost-{number}")).await;
    }
    let lost = server.api().position().await;
    assert_eq!(lost.rsplit_once('-').unwrap().0, before.rsplit_once('-').unwrap().0, "one history until now");
    assert!(block_in_place(|| server.terminate()).success());
    block_in_place(|| drop(server));
    fs::remove_dir_all(&part).unwrap();
    copy(&kept, &part);

    let server = block_in_place(|| Server::start_in(&data));
    let api = server.api();
    for number in 0..8 {
        create_policy(&api, &format!("other-{number}")).await;
    }
    assert!(has_policy(&api, "before").await && !has_policy(&api, "lost-0").await);
    for position in [&lost, &before] {
        let answer = api.get(&format!("/changes?since={position}")).await;
        let gone = answer.status_is(410).json();
        assert_eq!(gone["current"], api.position().await.as_str(), "{answer}");
    }
}

async fn started_again() {
    let directory = fresh_directory();
    let (data, moved) = (directory.path().join("data"), directory.path().join("moved"));
    let mut server = block_in_place(|| Server::start_in(&data));
    create_policy(&server.api(), "kept").await;
    let before = server.api().position().await;
    // However it ends.
    block_in_place(|| server.kill_with_database());
    block_in_place(|| drop(server));
    let mut server = block_in_place(|| Server::start_in(&data));
    assert_eq!(server.api().position().await, before);
    assert!(block_in_place(|| server.terminate()).success());
    block_in_place(|| drop(server));
    // Under another name, too.
    fs::rename(&data, &moved).unwrap();
    let server = block_in_place(|| Server::start_in(&moved));
    assert_eq!(server.api().position().await, before);
}

fn dump(url: &str, file: &Path) {
    let file = file.to_str().unwrap();
    let output =
        postgresql::program("pg_dump").args(["--format=custom", "--file", file, url]).output().expect("pg_dump");
    assert!(output.status.success(), "{output:?}");
}

/// In the place of all that is there.
async fn restore(url: &str, file: &Path) {
    let mut database = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("drop schema public cascade; create schema public").execute(&mut database).await.unwrap();
    let arguments = ["--single-transaction", "--dbname", url, file.to_str().unwrap()];
    let output = block_in_place(|| postgresql::program("pg_restore").args(arguments).output().expect("pg_restore"));
    assert!(output.status.success(), "{output:?}");
}

async fn restored_while_it_runs() {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    let server = Server::start();
    let api = server.api();
    create_policy(&api, "before").await;
    block_in_place(|| dump(&server.database_url(), &file));
    for number in 0..5 {
        create_policy(&api, &format!("lost-{number}")).await;
    }
    let lost = api.position().await;
    restore(&server.database_url(), &file).await;
    // Without any write.
    let begin = Instant::now();
    let name = json!({"type": "network-policy", "fq_name": fq_name("lost-0")});
    // While there are no tables, the database is as good as away.
    while api.post("/fqname-to-id", &name).await.status != 404 {
        assert!(begin.elapsed() < LIMIT, "what the database has lost is still answered");
    }
    assert!(has_policy(&api, "before").await);
    for number in 0..8 {
        create_policy(&api, &format!("other-{number}")).await;
    }
    api.get(&format!("/changes?since={lost}")).await.status_is(410);
}

async fn restored_while_nothing_runs() {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    let owner = Server::start();
    let url = owner.database_url();
    // The cluster has a server that runs all the time, so it is another database of it that is restored.
    let mut database = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("create database other").execute(&mut database).await.unwrap();
    let url = url.replacen("/cirrus?", "/other?", 1);
    let server = block_in_place(|| Server::start_on(&url));
    create_policy(&server.api(), "before").await;
    block_in_place(|| dump(&url, &file));
    for number in 0..5 {
        create_policy(&server.api(), &format!("lost-{number}")).await;
    }
    let lost = server.api().position().await;
    block_in_place(|| drop(server));
    restore(&url, &file).await;
    let server = block_in_place(|| Server::start_on(&url));
    for number in 0..8 {
        create_policy(&server.api(), &format!("other-{number}")).await;
    }
    server.api().get(&format!("/changes?since={lost}")).await.status_is(410);
}

/// `cirrus check`, while the server runs.
async fn checked() {
    let server = Server::start();
    let api = server.api();
    let uuid = create_policy(&api, "sound").await;
    api.post("/virtual-networks", &network(USED_AGAIN)).await.ok();
    api.post(&format!("/virtual-network/{USED_AGAIN}/ip-alloc"), &json!({"count": 1})).await.ok();
    let url = server.database_url();
    let check = || {
        let mut command = cirrus_program();
        let output = block_in_place(|| command.args(["check", "--database-url", &url]).output().unwrap());
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, printed, errors) = check();
    assert_eq!((status, errors.as_str()), (Some(0), ""), "{printed}");
    assert!(printed.contains(" objects, 1 addresses, ") && printed.lines().count() == 1, "{printed}");

    let mut database = PgConnection::connect(&url).await.unwrap();
    let damage = "update object set revision = revision + 1 where uuid = $1::uuid";
    sqlx::query(damage).bind(&uuid).execute(&mut database).await.unwrap();
    let (status, printed, errors) = check();
    assert_eq!((status, errors.as_str()), (Some(1), "cirrus: 1 findings\n"), "{printed}");
    assert!(printed.starts_with(&format!("log-revision: {uuid} was changed last by ")), "{printed}");
    let repair = "update object set revision = revision - 1 where uuid = $1::uuid";
    sqlx::query(repair).bind(&uuid).execute(&mut database).await.unwrap();
}
