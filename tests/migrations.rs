//! Databases of earlier releases: a server of this one brings the tables up to date, and goes on with what is in them.
//!
//! `tests/data/migrations/000N.sql` is what a server had stored when step N of `migrations/` was the last one. A step without
//! such a file is tried on what the last one that has it becomes. A new step needs nothing here to be tried.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::support::postgresql::Cluster;
use crate::support::{Api, Checks, Process, Server, cirrus_program, revision};

const LIMIT: Duration = Duration::from_mins(1);

/// The names that the files use.
const PROJECT: [&str; 2] = ["default-domain", "default-project"];
const ADDRESS: &str = "10.1.0.3";
const RESERVED: &str = "10.1.0.252";

pub async fn databases_of_earlier_releases() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let steps = Arc::new(Migrator::new(directory.as_path()).await.expect("the steps"));
    let cluster = block_in_place(|| Cluster::start("upgrades", &[]));
    let mut checks = Checks::default();
    for step in steps.iter() {
        let url = block_in_place(|| cluster.create_database_called(&format!("step_{}", step.version)));
        let name = format!("step {} ({}) and what follows", step.version, step.description);
        checks.run(&name, goes_on(url, Arc::clone(&steps), step.version)).await;
    }
    let url = block_in_place(|| cluster.create_database_called("by_command"));
    checks.run("cirrus migrate", is_done_by_command(url, Arc::clone(&steps))).await;
    let url = block_in_place(|| cluster.create_database_called("later"));
    checks.run("a step of a later release", is_told_of_a_later_step(url, steps)).await;
    checks.finish();
}

/// Makes the tables as they were when this was the last step, with what was in them then.
async fn make(url: &str, steps: &Migrator, last: i64) {
    let mut database = PgConnection::connect(url).await.unwrap();
    let file = |step: i64| format!("{}/tests/data/migrations/{step:04}.sql", env!("CARGO_MANIFEST_DIR"));
    let data = (1..=last).rev().find_map(|step| Some((step, std::fs::read_to_string(file(step)).ok()?)));
    let (of, data) = data.expect("data of the first step at least");
    steps.run_to(of, &mut database).await.unwrap();
    raw_sql(AssertSqlSafe(data)).execute(&mut database).await.unwrap_or_else(|error| panic!("{}: {error}", file(of)));
    steps.run_to(last, &mut database).await.unwrap();
}

/// What is in the tables, in the terms of all steps.
async fn ask(database: &mut PgConnection, query: &'static str) -> Vec<Value> {
    sqlx::query_scalar(query).fetch_all(database).await.unwrap()
}

const OBJECTS: &str = "select to_jsonb(object) from object order by created";
const REFERENCES: &str =
    "select jsonb_build_object('type', type, 'source', source, 'name', name, 'target', target, 'attr', attr)
    from reference join object on uuid = source";

async fn goes_on(url: String, steps: Arc<Migrator>, last: i64) {
    block_in_place(|| Handle::current().block_on(make(&url, &steps, last)));
    let mut database = PgConnection::connect(&url).await.unwrap();
    let (objects, references) = (ask(&mut database, OBJECTS).await, ask(&mut database, REFERENCES).await);
    assert!(objects.len() > 8 && references.len() > 4, "{} objects, {} references", objects.len(), references.len());
    let last_change: i64 =
        sqlx::query_scalar("select last_rev from feed_sequence").fetch_one(&mut database).await.unwrap();

    let mut server = block_in_place(|| Server::start_on(&url));
    let api = server.api();
    for object in &objects {
        is_served(&api, object).await;
    }
    for reference in &references {
        has_reference(&api, reference).await;
    }
    let kept = api.post("/useragent-kv", &json!({"operation": "RETRIEVE", "key": "kept"})).await.ok();
    assert_eq!(kept, json!({"value": "for long"}));
    the_log_is_told(&api, &mut database, last_change).await;
    what_was_held_is_held(&api).await;
    takes_writes(&api).await;
    let (done, all): (i64, i64) = (
        sqlx::query_scalar("select count(*) from _sqlx_migrations where success")
            .fetch_one(&mut database)
            .await
            .unwrap(),
        steps.iter().count().try_into().unwrap(),
    );
    assert_eq!(done, all, "all steps are done");

    let output = block_in_place(|| check(&url));
    assert!(output.status.success(), "cirrus check: {output:?}");
    let status = block_in_place(|| server.terminate());
    assert!(status.success(), "it ends with what is stored: {status}; log:\n{}", server.log());
}

/// The answer for an object says what its row says.
async fn is_served(api: &Api, object: &Value) {
    let kind = object["type"].as_str().unwrap();
    let path = format!("/{kind}/{}", object["uuid"].as_str().unwrap());
    let answer = api.get(&path).await.ok();
    let answer = &answer[kind];
    assert_eq!(answer["fq_name"], object["fq_name"], "{path}");
    assert_eq!(answer["parent_uuid"], object["parent"], "{path}");
    for (name, value) in object["properties"].as_object().unwrap() {
        assert_eq!(&answer[name], value, "{path}: {name}");
    }
}

async fn has_reference(api: &Api, reference: &Value) {
    let kind = reference["type"].as_str().unwrap();
    let path = format!("/{kind}/{}", reference["source"].as_str().unwrap());
    let answer = api.get(&path).await.ok();
    let links = answer[kind][reference["name"].as_str().unwrap()].as_array().cloned().unwrap_or_default();
    let link = links.iter().find(|link| link["uuid"] == reference["target"]);
    assert_eq!(link.unwrap_or_else(|| panic!("{reference}: not in {answer}"))["attr"], reference["attr"], "{path}");
}

/// What the log still has comes out of it whole, in its order.
async fn the_log_is_told(api: &Api, database: &mut PgConnection, last: i64) {
    let floor: i64 = sqlx::query_scalar("select floor from feed_sequence").fetch_one(database).await.unwrap();
    let page = api.get("/changes?since=oldest&limit=1000").await.ok();
    let told = page["changes"].as_array().unwrap();
    let told: Vec<u64> = told.iter().map(|change| revision(change["revision"].as_str().unwrap())).collect();
    let there: Vec<u64> = (floor.unsigned_abs() + 1..=last.unsigned_abs()).collect();
    assert_eq!(told[..there.len()], there, "{page}");
}

fn name(of: &str) -> Value {
    json!([PROJECT[0], PROJECT[1], of])
}

async fn what_was_held_is_held(api: &Api) {
    let taken = json!({"instance-ip": {"fq_name": ["another"], "instance_ip_address": ADDRESS,
        "virtual_network_refs": [{"to": name("net")}]}});
    api.post("/instance-ips", &taken).await.status_is(409);
    let reserved = json!({"instance-ip": {"fq_name": ["another"], "instance_ip_address": RESERVED,
        "virtual_network_refs": [{"to": name("net")}]}});
    api.post("/instance-ips", &reserved).await.status_is(409);
    let number = json!({"virtual-network": {"fq_name": name("numbered"), "parent_type": "project"}});
    api.post("/virtual-networks", &number).await.ok();
    let net = api.find("virtual-network", &name("net")).await.unwrap();
    let numbers = |answer: Value| answer["virtual-network"]["virtual_network_network_id"].as_u64().unwrap();
    let numbered = api.find("virtual-network", &name("numbered")).await.unwrap();
    let (old, new) = (
        numbers(api.get(&format!("/virtual-network/{net}")).await.ok()),
        numbers(api.get(&format!("/virtual-network/{numbered}")).await.ok()),
    );
    assert!(old != new, "a number is given once");
}

/// Creates, updates and deletes; the last one gives back what an object of then holds.
async fn takes_writes(api: &Api) {
    let policy = json!({"network-policy": {"fq_name": name("new"), "parent_type": "project"}});
    api.post("/network-policys", &policy).await.ok();
    let old = api.find("network-policy", &name("policy")).await.unwrap();
    let update = json!({"network-policy": {"display_name": "of now"}});
    api.put(&format!("/network-policy/{old}"), &update).await.ok();
    let ip = api.find("instance-ip", &json!(["ip"])).await.unwrap();
    api.delete(&format!("/instance-ip/{ip}")).await.status_is(200);
    let free = json!({"instance-ip": {"fq_name": ["another"], "instance_ip_address": ADDRESS,
        "virtual_network_refs": [{"to": name("net")}]}});
    api.post("/instance-ips", &free).await.ok();
    // The reference from the network was marked as one that does not stop this.
    api.delete(&format!("/network-policy/{old}")).await.status_is(200);
}

fn check(url: &str) -> Output {
    cirrus(&["check", "--database-url", url])
}

fn cirrus(arguments: &[&str]) -> Output {
    cirrus_program().args(arguments).output().expect("cirrus")
}

async fn steps_done(database: &mut PgConnection) -> Vec<i64> {
    let query = "select version from _sqlx_migrations where success order by version";
    sqlx::query_scalar(query).fetch_all(database).await.unwrap()
}

/// `--dry-run` tells of the steps and does none; without it they are done, once.
async fn is_done_by_command(url: String, steps: Arc<Migrator>) {
    const LAST: i64 = 4;
    block_in_place(|| Handle::current().block_on(make(&url, &steps, LAST)));
    let mut database = PgConnection::connect(&url).await.unwrap();
    let told = |arguments: &[&str]| {
        let output = block_in_place(|| cirrus(&[&["migrate", "--database-url", &url], arguments].concat()));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let to_do = told(&["--dry-run"]);
    let missing: Vec<_> = steps.iter().filter(|step| step.version > LAST).collect();
    assert_eq!(to_do.lines().count(), missing.len(), "{to_do}");
    for (line, step) in to_do.lines().zip(&missing) {
        assert!(line.starts_with(&format!("step {} ({}): ", step.version, step.description)), "{line}");
    }
    assert!(to_do.contains("step 5 (history): reads all references"), "{to_do}");
    let early = block_in_place(|| cirrus(&["new-epoch", "--database-url", &url]));
    let errors = String::from_utf8_lossy(&early.stderr);
    assert!(early.status.code() == Some(2) && errors.contains("its tables are of an earlier release"), "{early:?}");
    assert_eq!(steps_done(&mut database).await.last(), Some(&LAST), "nothing is done");
    let done = told(&[]);
    assert!(done.starts_with(&to_do) && done.contains(&format!("{} steps done in ", missing.len())), "{done}");
    assert_eq!(steps_done(&mut database).await.len(), steps.iter().count());
    assert_eq!(told(&["--dry-run"]), "the tables are up to date\n");
    assert!(block_in_place(|| check(&url)).status.success());
    // A standby takes no writes, and needs none.
    let read_only = "alter database by_command set default_transaction_read_only = on";
    raw_sql(read_only).execute(&mut database).await.unwrap();
    assert_eq!(told(&[]), "the tables are up to date\n");
}

/// A server that was put back to an earlier release says so, and leaves everything as it is.
async fn is_told_of_a_later_step(url: String, steps: Arc<Migrator>) {
    let known = steps.iter().map(|step| step.version).max().unwrap();
    let server = block_in_place(|| Server::start_on(&url));
    let mut database = PgConnection::connect(&url).await.unwrap();
    let net = json!({"virtual-network": {"fq_name": name("net"), "parent_type": "project"}});
    let uuid = server.api().post("/virtual-networks", &net).await.ok()["virtual-network"]["uuid"].clone();
    let path = format!("/virtual-network/{}", uuid.as_str().unwrap());
    let later = format!(
        "begin; alter table object add column of_a_later_release text; insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values ({}, 'of a later release', true, '', 0); commit",
        known + 1
    );
    raw_sql(AssertSqlSafe(later)).execute(&mut database).await.unwrap();
    let expected = format!(
        "it was used by a newer release of Cirrus: its tables have step {}, and this release knows steps up to {known}",
        known + 1
    );
    // One that runs already goes on to answer reads, truly, and stores nothing any more.
    let update = json!({"virtual-network": {"display_name": "of an earlier release"}});
    let refused = server.api().put(&path, &update).await;
    assert!(refused.status_is(503).text.starts_with("A newer release has brought the tables"), "{refused}");
    let read = server.api().get(&path).await.ok();
    assert_eq!(read["virtual-network"]["display_name"], "net", "{read}");
    // It is not sent requests any more by whoever asks for this.
    let ready = server.api().get("/readyz?verbose").await;
    assert!(ready.status_is(503).text.contains(&format!("[-] database: {expected}")), "{ready}");
    drop(server);

    let mut start = Process::start(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
    let status = block_in_place(|| start.wait(LIMIT)).and_then(|status| status.code());
    let errors = start.errors();
    assert_eq!(status, Some(2), "of no use to try again: {errors}");
    assert!(errors.contains(&expected) && !errors.contains("panicked"), "{errors}");

    let epoch = "select epoch::text from feed_sequence";
    let before: String = sqlx::query_scalar(epoch).fetch_one(&mut database).await.unwrap();
    for tool in ["check", "migrate", "new-epoch"] {
        let output = block_in_place(|| cirrus(&[tool, "--database-url", &url]));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "cirrus {tool}: {output:?}");
        assert!(errors.contains(&expected) && !errors.contains("panicked"), "{errors}");
    }
    let after: String = sqlx::query_scalar(epoch).fetch_one(&mut database).await.unwrap();
    assert_eq!(before, after, "nothing was written");
}
