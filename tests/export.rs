//! `cirrus export`: a database with some of everything, in both forms, as of one moment; and what becomes of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::block_in_place;

use crate::support::{Api, Checks, Process, Server, cirrus_program, fresh_directory, wait_until};
use crate::{cql_clients, write_back};

const LIMIT: Duration = Duration::from_mins(1);

pub async fn everything_is_exported() {
    let server = block_in_place(|| Server::start_with(&["--tag-id-digits", "12"]));
    make_everything(&server.api(), &server.database_url()).await;
    let directory = fresh_directory();
    let (file, url, api) = (directory.path().to_owned(), server.database_url(), server.api());
    let mut checks = Checks::default();
    checks.run("both forms say what REST says", forms(file.clone(), url.clone(), api.clone())).await;
    checks.run("what contrail-api has in ZooKeeper", nodes(file.clone(), url.clone(), api.clone())).await;
    checks
        .run("clusters with an id", {
            let (file, url) = (file.clone(), url.clone());
            async move { clusters(&file, &url) }
        })
        .await;
    checks.run("as of one moment", moment(file.clone(), url.clone(), api)).await;
    checks
        .run("files that can't be written", {
            let (file, url) = (file.clone(), url.clone());
            async move { files(&file, &url) }
        })
        .await;
    checks.run("nothing is left of one that was stopped", stopped(file, url)).await;
    checks.finish();
}

/// Samples of all types, drafts, objects that are shared and hidden, addresses that are reserved, key-values, and keyspaces of daemons.
pub async fn make_everything(api: &Api, url: &str) {
    write_back::make_examples(api).await;
    write_back::make_what_was_refused(api).await;
    write_back::make_drafts(api).await;
    let (network, port) = cql_clients::make_unusual(api).await;
    cql_clients::change(api, api, &network, &port).await;
    let external = json!(["default-domain", "default-project", "external"]);
    let external = api.find("virtual-network", &external).await.unwrap();
    api.post(&format!("/virtual-network/{external}/ip-alloc"), &json!({"count": 3})).await.ok();
    for (key, value) in [("a", "b"), ("k\u{fc}: \"\\", "{\"json\": [1]}\n"), ("empty", "")] {
        let body = json!({"operation": "STORE", "key": key, "value": value});
        api.post("/useragent-kv", &body).await.status_is(200);
    }
    let mut database = PgConnection::connect(url).await.unwrap();
    let statement = "
        insert into wide_keyspace (name, replication) values ('some_keyspace', '{}'), ('east_dm_keyspace', '{}');
        insert into wide_table (keyspace, name) values ('some_keyspace', 'some_table'), ('some_keyspace', 'empty_table'),
            ('east_dm_keyspace', 'dm_pr_asn_table');
        insert into wide_row (wide_table, key, column1, value, written)
            select id, convert_to('key ' || row, 'UTF8'), convert_to('column ' || number, 'UTF8'),
                   convert_to(E'value \\u00fc\"\\\\' || number, 'UTF8'), 1526923797559916 + number
            from wide_table, generate_series(1, 5) as row, generate_series(1, 20) as number
            where keyspace in ('some_keyspace', 'east_dm_keyspace') and name <> 'empty_table';
        insert into wide_row (wide_table, key, column1, value, written)
            select id, convert_to('default-domain:p:n:n', 'UTF8'), convert_to('rtgt_num', 'UTF8'), convert_to('8000004', 'UTF8'), 7
            from wide_table where name = 'route_target_table'";
    sqlx::raw_sql(statement).execute(&mut database).await.unwrap();
}

pub fn export(url: &str, file: &Path, more: &[&str]) -> Output {
    let mut command = cirrus_program();
    command.args(["export", "--database-url", url]).args(more).arg(file);
    block_in_place(|| command.output().unwrap())
}

pub fn done(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A dump, unpacked if it has to be.
fn read(file: &Path) -> Value {
    let mut text = Vec::new();
    let mut opened = File::open(file).unwrap();
    if file.extension().is_some_and(|ending| ending == "gz") {
        MultiGzDecoder::new(opened).read_to_end(&mut text).unwrap();
    } else {
        opened.read_to_end(&mut text).unwrap();
    }
    assert!(text.is_ascii());
    serde_json::from_slice(&text).unwrap()
}

/// Rows with lists of columns, as rows with columns by their names.
fn by_name(row: &Value) -> Map<String, Value> {
    let columns = row.as_array().unwrap().iter();
    let columns: Map<String, Value> =
        columns.map(|column| (column[0].as_str().unwrap().to_owned(), json!([column[1], column[2]]))).collect();
    assert_eq!(columns.len(), row.as_array().unwrap().len(), "each once");
    columns
}

async fn forms(directory: PathBuf, url: String, api: Api) {
    let [thrift, cql, packed] = ["thrift.json", "cql.json", "cql.json.gz"].map(|name| directory.join(name));
    let told = done(&export(&url, &thrift, &["--format", "thrift"]));
    // With those that follow from networks.
    let all = api.post("/useragent-kv", &json!({"operation": "RETRIEVE", "key": null})).await.ok();
    let pairs = all["value"].as_array().unwrap().iter();
    let wanted: Map<String, Value> =
        pairs.map(|pair| (pair["key"].as_str().unwrap().to_owned(), json!({"value": [pair["value"], 1]}))).collect();
    let counted = format!(" objects, {} key-values, 201 columns of daemons, ", wanted.len());
    assert!(told.contains(&counted) && told.contains("up to Tungsten"), "{told}");
    done(&export(&url, &cql, &[]));
    done(&export(&url, &packed, &["--format", "cql"]));
    let (thrift, cql) = (read(&thrift), read(&cql));
    assert_eq!(read(&packed), cql);
    assert!(fs::metadata(&packed).unwrap().len() * 5 < fs::metadata(directory.join("cql.json")).unwrap().len());
    let mut converted = cql.clone();
    for tables in converted["cassandra"].as_object_mut().unwrap().values_mut() {
        for rows in tables.as_object_mut().unwrap().values_mut() {
            for row in rows.as_object_mut().unwrap().values_mut() {
                *row = by_name(row).into();
            }
        }
    }
    assert_eq!(converted, thrift);
    // Standard output has nothing but the dump.
    let output = export(&url, Path::new("-"), &["--format", "thrift"]);
    assert_eq!(serde_json::from_str::<Value>(&done(&output)).unwrap(), thrift);
    assert!(String::from_utf8_lossy(&output.stderr).contains(" objects, "));

    let pairs = &thrift["cassandra"]["useragent"]["useragent_keyval_table"];
    assert_eq!(pairs, &Value::from(wanted));
    let stored = json!({"a": {"value": ["b", 1]}, "empty": {"value": ["", 1]},
        "k\u{fc}: \"\\": {"value": ["{\"json\": [1]}\n", 1]}});
    assert!(stored.as_object().unwrap().iter().all(|(key, row)| pairs.get(key) == Some(row)), "{pairs}");
    assert!(pairs.as_object().unwrap().len() > stored.as_object().unwrap().len(), "subnets are told of: {pairs}");
    let keyspaces: BTreeSet<&str> = thrift["cassandra"].as_object().unwrap().keys().map(String::as_str).collect();
    let own =
        ["config_db_uuid", "dm_keyspace", "some_keyspace", "svc_monitor_keyspace", "to_bgp_keyspace", "useragent"];
    assert!(keyspaces.iter().copied().filter(|name| *name != "east_dm_keyspace").eq(own), "{keyspaces:?}");
    assert_eq!(thrift["cassandra"]["some_keyspace"]["empty_table"], json!({}));
    let column = &thrift["cassandra"]["some_keyspace"]["some_table"]["key 3"]["column 7"];
    assert_eq!(column, &json!(["value \u{fc}\"\\7", 1_526_923_797_559_923_u64]));
    rows_are_objects(&thrift["cassandra"]["config_db_uuid"], &api).await;
}

/// Each object has a row and a name, each link a column at both ends, and what is in columns is what REST says.
async fn rows_are_objects(tables: &Value, api: &Api) {
    let rows = tables["obj_uuid_table"].as_object().unwrap();
    let mut seen = 0;
    let mut links = BTreeMap::new();
    let mut expected_links = BTreeMap::new();
    for (uuid, row) in rows {
        let value = |column: &str| serde_json::from_str::<Value>(row[column][0].as_str().unwrap()).unwrap();
        let kind = value("type").as_str().unwrap().to_owned();
        let answer = api.get(&format!("/{}/{uuid}", kind.replace('_', "-"))).await.ok();
        let object = &answer[kind.replace('_', "-")];
        assert_eq!(value("fq_name"), object["fq_name"]);
        let joined: Vec<&str> =
            object["fq_name"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        let name = format!("{}:{uuid}", joined.join(":"));
        assert_eq!(tables["obj_fq_name_table"][&kind][&name][0], "null", "{name}");
        if object["parent_uuid"].is_string() {
            let parent = object["parent_uuid"].as_str().unwrap();
            let parent_type = object["parent_type"].as_str().unwrap().replace('-', "_");
            assert_eq!(value("parent_type"), object["parent_type"]);
            assert!(row[format!("parent:{parent_type}:{parent}")].is_array(), "{row}");
            expected_links.insert((parent.to_owned(), format!("children:{kind}:{uuid}")), json!("null"));
        }
        for (column, written) in row.as_object().unwrap() {
            assert!(written[1].as_i64().unwrap() > 0, "{column}: {written}");
            let (section, rest) = column.split_once(':').unwrap_or((column, ""));
            let text = &written[0];
            match section {
                "prop" => assert_eq!(value(column), object[rest], "{column}"),
                "ref" => {
                    let (target_type, target) = rest.split_once(':').unwrap();
                    let references = object[format!("{target_type}_refs")].as_array().unwrap();
                    let reference = references.iter().find(|reference| reference["uuid"] == *target).unwrap();
                    assert_eq!(value(column)["attr"], reference["attr"]);
                    if target_type != kind {
                        expected_links.insert((target.to_owned(), format!("backref:{kind}:{uuid}")), text.clone());
                    }
                }
                "backref" | "children" => {
                    links.insert((uuid.clone(), column.clone()), text.clone());
                }
                "propl" | "propm" => {
                    let (property, _) = rest.split_once(':').unwrap();
                    let elements = object[property].as_object().unwrap().values().next().unwrap().as_array().unwrap();
                    assert!(elements.contains(&value(column)), "{column} {elements:?}");
                }
                "type" | "fq_name" | "parent_type" | "parent" | "relaxbackref" | "META" => {}
                other => panic!("{other}"),
            }
        }
        assert!(row["META:latest_col_ts"].is_array());
        seen += 1;
    }
    assert_eq!(links, expected_links);
    assert!(seen > 300 && links.len() > seen, "{seen} objects, {} links", links.len());
    let names: usize =
        tables["obj_fq_name_table"].as_object().unwrap().values().map(|row| row.as_object().unwrap().len()).sum();
    assert_eq!(names, seen);
    // As contrail-api writes them, however daemons in Python take that.
    let with_colons = "propl:virtual_network_fat_flow_protocols:2:with:colons";
    assert!(rows.values().any(|row| row[with_colons].is_array()));
    let shares = tables["obj_shared_table"]["virtual_network"].as_object().unwrap();
    assert!(shares.keys().any(|share| share.starts_with("tenant:11111111-1111-4111-8111-111111111111:")), "{shares:?}");
}

/// Paths and values.
fn leaves(dump: &Value) -> BTreeMap<String, String> {
    let nodes: Value = serde_json::from_str(dump["zookeeper"].as_str().unwrap()).unwrap();
    let leaves: BTreeMap<String, String> = nodes
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let (path, value) = (node[0].as_str().unwrap(), node[1][0].as_str().unwrap());
            let stat = node[1][1].as_array().unwrap();
            assert!(stat.len() == 11 && stat[2].as_i64().unwrap() > 1_000_000_000_000, "{node}");
            assert_eq!(stat[8], value.len());
            (path.to_owned(), value.to_owned())
        })
        .collect();
    assert_eq!(leaves.len(), nodes.as_array().unwrap().len(), "each path once");
    leaves
}

async fn nodes(directory: PathBuf, url: String, api: Api) {
    let file = directory.join("nodes.json");
    done(&export(&url, &file, &["--format", "thrift"]));
    let dump = read(&file);
    let leaves = leaves(&dump);
    let named = |prefix: &str| leaves.iter().filter(|(path, _)| path.starts_with(prefix)).count();
    let objects = dump["cassandra"]["config_db_uuid"]["obj_uuid_table"].as_object().unwrap();
    assert_eq!(named("/fq-name-to-uuid/"), objects.len());
    let external =
        api.find("virtual-network", &json!(["default-domain", "default-project", "external"])).await.unwrap();
    assert_eq!(leaves["/fq-name-to-uuid/virtual_network:default-domain:default-project:external/"], external);
    // An instance-ip and three that nobody holds, the highest of the pool first: 10.71.0.20 is 172425236.
    let held: Vec<(&str, &str)> = leaves
        .iter()
        .filter_map(|(path, value)| {
            Some((
                path.strip_prefix("/api-server/subnets/default-domain:default-project:external:10.71.0.0/24/")?,
                &**value,
            ))
        })
        .collect();
    let address = api.find("instance-ip", &json!(["address"])).await.unwrap();
    let nobody = "00000000-0000-0000-0000-000000000000";
    let wanted =
        [("0172425233/", nobody), ("0172425234/", nobody), ("0172425235/", nobody), ("0172425236/", &*address)];
    assert_eq!(held, wanted);
    let network = api.get(&format!("/virtual-network/{external}")).await.ok();
    let id = network["virtual-network"]["virtual_network_network_id"].as_u64().unwrap();
    assert_eq!(leaves[&format!("/id/virtual-networks/{:010}/", id - 1)], "default-domain:default-project:external");
    for pool in ["/id/security-groups/id/", "/id/tags/types", "/id/tags/values", "/id/sub-clusters/id/"] {
        assert!(named(pool) > 0, "{pool}");
    }
    // Those that tag types and tags have, by their names.
    assert_eq!(leaves["/id/tags/values/tier/0000000000/"], "default-domain:default-project:tier=web");
}

fn clusters(directory: &Path, url: &str) {
    let file = directory.join("cluster.json");
    done(&export(url, &file, &["--format", "thrift", "--cluster-id", "east"]));
    let dump = read(&file);
    let keyspaces: BTreeSet<&str> = dump["cassandra"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keyspaces, BTreeSet::from(["config_db_uuid", "useragent", "dm_keyspace"]));
    assert_eq!(dump["cassandra"]["dm_keyspace"]["dm_pr_asn_table"].as_object().unwrap().len(), 5);
    assert!(leaves(&dump).keys().all(|path| path.starts_with("east/")));
}

/// A writer that goes on all the time changes nothing of what is exported: two numbers are always changed together.
async fn moment(directory: PathBuf, url: String, api: Api) {
    let name = |number: u32| json!(["default-domain", "default-project", format!("pair-{number}")]);
    let mut pair = Vec::new();
    for number in 0..2 {
        let members = json!({"fq_name": name(number), "parent_type": "project", "display_name": "pair"});
        let body = json!({ "network-policy": members });
        let made = api.post("/network-policys", &body).await.ok();
        pair.push(made["network-policy"]["uuid"].as_str().unwrap().to_owned());
    }
    let (stop, mut stopping) = tokio::sync::watch::channel(false);
    let writer = tokio::spawn({
        let (api, pair) = (api.clone(), pair.clone());
        async move {
            let mut rounds = 0;
            while !*stopping.borrow_and_update() {
                let operation = |uuid: &String| {
                    json!({"update": "network-policy", "uuid": uuid,
                    "body": {"display_name": format!("round {rounds}")}})
                };
                let operations: Vec<Value> = pair.iter().map(operation).collect();
                let body = json!({ "operations": operations });
                api.post("/transaction", &body).await.status_is(200);
                rounds += 1;
            }
            rounds
        }
    });
    for _ in 0..3 {
        let file = directory.join("moment.json");
        done(&export(&url, &file, &["--format", "thrift"]));
        let dump = read(&file);
        let rows = &dump["cassandra"]["config_db_uuid"]["obj_uuid_table"];
        let [one, other] = [0, 1].map(|index: usize| &rows[&pair[index]]["prop:display_name"]);
        assert!(one[0].is_string() && one[0] == other[0], "{one} {other}");
    }
    stop.send_replace(true);
    assert!(writer.await.unwrap() > 3);
    for uuid in pair {
        api.delete(&format!("/network-policy/{uuid}")).await.status_is(200);
    }
}

fn refused(output: &Output, texts: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for text in texts {
        assert!(errors.contains(text), "'{text}' is expected in {errors}");
    }
}

fn files(directory: &Path, url: &str) {
    let directory = directory.join("files");
    fs::create_dir(&directory).unwrap();
    refused(&export(url, &directory, &[]), &["that is no file"]);
    refused(&export(url, Path::new("/dev/null"), &[]), &["/dev/null: that is no file"]);
    refused(&export(url, &directory.join("no/dump"), &[]), &["no/dump: No such file"]);
    let nowhere = "postgresql://nobody@127.0.0.1:1/none";
    refused(
        &export(nowhere, &directory.join("dump"), &[]),
        &["database none at 127.0.0.1:1: no PostgreSQL listens there"],
    );
    // A disk that is full.
    let mut command = cirrus_program();
    command.args(["export", "--database-url", url, "-"]).stdout(Stdio::from(File::create("/dev/full").unwrap()));
    refused(&block_in_place(|| command.output().unwrap()), &["standard output: No space left"]);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    // A link stays one, and what it leads to is replaced.
    let (file, link) = (directory.join("dump"), directory.join("link"));
    fs::write(&file, "before").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    done(&export(url, &link, &[]));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && read(&file)["zookeeper"].is_string());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// Somebody stops it in the middle: what it waits for is a lock on the key-values, which are read when the configuration is written.
async fn stopped(directory: PathBuf, url: String) {
    let directory = directory.join("stopped");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("dump");
    fs::write(&file, "before").unwrap();
    let mut database = PgConnection::connect(&url).await.unwrap();
    let mut locked = database.begin().await.unwrap();
    sqlx::raw_sql("lock table key_value in access exclusive mode").execute(&mut *locked).await.unwrap();
    let names = || fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
    let partly = || names().iter().any(|name| name.to_string_lossy().ends_with(".part"));
    for signal in ["TERM", "INT"] {
        let file = file.to_str().unwrap().to_owned();
        let mut process = block_in_place(|| Process::start(&["export", "--database-url", &url, &file]));
        block_in_place(|| wait_until("it has begun", LIMIT, partly));
        process.signal(signal);
        let status = block_in_place(|| process.wait(LIMIT)).expect("it has ended");
        assert_eq!(status.code(), Some(1), "{}", process.errors());
        assert!(process.errors().contains("stopped; nothing was exported"));
        assert!(!partly());
    }
    drop(locked);
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    assert_eq!(names().len(), 1);
}
