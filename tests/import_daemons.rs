//! `cirrus import --keyspaces-only`: dumps of each form, packed and not, broken ones, and one that is large.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::{Checks, Server, cirrus_program, fresh_directory, postgresql::Cluster};

pub async fn keyspaces_are_imported() {
    let directory = fresh_directory();
    let cluster = tokio::task::block_in_place(|| Cluster::start("imports", &[]));
    let url = tokio::task::block_in_place(|| {
        let url = cluster.create_database_called("imports");
        // Makes the tables.
        drop(Server::start_on(&url));
        url
    });
    let mut checks = Checks::default();
    checks.run("dumps of each form", each_form(directory.path().to_owned(), url.clone())).await;
    checks
        .run("ids of daemons", {
            let (directory, url) = (directory.path().to_owned(), url.clone());
            async move { ids(&directory, &url) }
        })
        .await;
    checks.run("broken dumps", broken(directory.path().to_owned(), url.clone())).await;
    checks
        .run("a large dump takes little memory", {
            let (directory, url) = (directory.path().to_owned(), url.clone());
            async move { large(&directory, &url) }
        })
        .await;
    checks.finish();
}

fn import(url: &str, file: &Path, more: &[&str]) -> Output {
    let mut command = cirrus_program();
    command.args(["import", "--keyspaces-only", "--database-url", url]).args(more).arg(file);
    tokio::task::block_in_place(|| command.output().unwrap())
}

fn done(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Everything that is stored in a keyspace, without times that were not given.
async fn stored(url: &str, keyspace: &str) -> Value {
    let mut database = PgConnection::connect(url).await.unwrap();
    let query =
        "select coalesce(jsonb_agg(jsonb_build_array(name, convert_from(key, 'UTF8'), convert_from(column1, 'UTF8'),
            convert_from(value, 'UTF8'), case when written < 1000000 then written end)
            order by name, key, column1), '[]')
        from wide_row join wide_table on id = wide_table where keyspace = $1";
    sqlx::query_scalar(query).bind(keyspace).fetch_one(&mut database).await.unwrap()
}

async fn each_form(directory: PathBuf, url: String) {
    let (directory, url) = (directory.as_path(), url.as_str());
    let configuration = json!({"obj_uuid_table": {"5720afd0": {"type": ["\"virtual_network\"", 7]}}});
    let file = directory.join("dump");
    let write = |dump: &Value| fs::write(&file, dump.to_string()).unwrap();
    let targets = json!([["route_target_table", "d:p:n:n", "rtgt_num", "8000004", 5]]);

    write(&json!({"cassandra": {
        "config_db_uuid": configuration, "useragent": null,
        "to_bgp_keyspace": {"route_target_table": {"d:p:n:n": {"rtgt_num": ["8000004", 5]}}, "service_chain_table": {}},
    }}));
    let told = done(&import(url, &file, &["--dry-run"]));
    assert!(told.contains("to_bgp_keyspace.route_target_table: 1 rows with 1 columns would be stored"), "{told}");
    assert_eq!(stored(url, "to_bgp_keyspace").await, json!([]));
    let told = done(&import(url, &file, &[]));
    assert!(told.contains("to_bgp_keyspace.route_target_table: 1 rows with 1 columns stored"), "{told}");
    assert!(told.contains("service_chain_table: 0 rows"), "{told}");
    assert_eq!(stored(url, "to_bgp_keyspace").await, targets);

    // Lists of columns, packed; what was written later stays, and so does what comes without a time.
    let dump = json!({"cassandra": {
        "to_bgp_keyspace": {"route_target_table": {"d:p:n:n": [["rtgt_num", "8000005", 4]]}},
        "new_keyspace": {"new_table": {"k\u{fc}": [["b", "later", 9], ["a", "", 8], ["c", null, 7]]}},
    }});
    let mut packed = GzEncoder::new(File::create(&file).unwrap(), Compression::fast());
    packed.write_all(dump.to_string().as_bytes()).unwrap();
    packed.finish().unwrap();
    done(&import(url, &file, &[]));
    assert_eq!(stored(url, "to_bgp_keyspace").await, targets);
    let new = json!([["new_table", "k\u{fc}", "a", "", 8], ["new_table", "k\u{fc}", "b", "later", 9]]);
    assert_eq!(stored(url, "new_keyspace").await, new);

    // Without keyspaces, and with the id of a cluster.
    write(&json!({"cassandra": {
        "obj_uuid_table": {"5720afd0": {"type": ["\"virtual_network\"", 7]}},
        "dm_pr_asn_table": {"router": {"asn": ["64512"]}},
    }}));
    done(&import(url, &file, &[]));
    assert_eq!(stored(url, "dm_keyspace").await, json!([["dm_pr_asn_table", "router", "asn", "64512", null]]));
    done(&import(url, &file, &["--cluster-id", "east"]));
    assert_eq!(stored(url, "east_dm_keyspace").await, json!([["dm_pr_asn_table", "router", "asn", "64512", null]]));
    assert_eq!(stored(url, "config_db_uuid").await, json!([]));
}

fn ids(directory: &Path, url: &str) {
    let (file, commands) = (directory.join("dump"), directory.join("commands"));
    let stat = json!([1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1]);
    let nodes = json!([
        ["/fq-name-to-uuid/virtual_network:d:p:n/", ["5720afd0", stat]],
        ["/id/bgp/route-targets/type0/0008000004/", ["d:p:n\u{fc} \u{1f600}:n", stat]],
        ["/id/pnf/network_id/0000000001/", [null, stat]],
        ["/id/bgpaas/port/0000050000/", ["both ' and \"", stat]],
    ]);
    let dump = json!({"cassandra": {}, "zookeeper": nodes.to_string()});
    fs::write(&file, dump.to_string()).unwrap();
    let out = ["--zookeeper-out", commands.to_str().unwrap()];
    assert!(done(&import(url, &file, &[&out[..], &["--dry-run"]].concat())).contains("2 ids"));
    assert!(!commands.exists());
    let told = done(&import(url, &file, &out));
    assert!(told.contains("commands for 2 ids") && told.contains("/id/bgpaas/port/0000050000: its client"), "{told}");
    let written = fs::read_to_string(&commands).unwrap();
    assert!(
        written.contains("create /id/bgp/route-targets/type0/0008000004 \"d:p:n\u{fc} \u{1f600}:n\"\n"),
        "{written}"
    );
    assert!(written.contains("create /id/pnf/network_id/0000000001 \"\"\n"), "{written}");
}

async fn broken(directory: PathBuf, url: String) {
    let (directory, url) = (directory.as_path(), url.as_str());
    let file = directory.join("dump");
    let before = stored(url, "to_bgp_keyspace").await;
    let begin = r#"{"cassandra": {"to_bgp_keyspace": {"route_target_table": {"a": {"c": ["v", 999]}, "b": "#;
    for (end, texts) in [
        ("", vec!["at byte", "in cassandra/to_bgp_keyspace/route_target_table/b"]),
        ("5}}}}", vec!["a row", "route_target_table/b"]),
        ("{\"c\": 5}}}}}", vec!["route_target_table/b"]),
        ("{}}}}, \"zookeeper\": \"[[1]]\"}", vec!["in zookeeper"]),
        ("{}}}}, \"zookeeper\": \"[\\\"", vec!["in zookeeper"]),
        ("{}}}} x", vec!["at byte"]),
    ] {
        fs::write(&file, format!("{begin}{end}")).unwrap();
        let output = import(url, &file, &[]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{end}");
        for text in texts {
            assert!(errors.contains(text), "{end}: '{text}' is expected in {errors}");
        }
        assert!(!errors.contains(" line ") && errors.lines().count() == 1, "{errors}");
    }
    assert_eq!(stored(url, "to_bgp_keyspace").await, before);
    let errors = String::from_utf8(import(url, &directory.join("no"), &[]).stderr).unwrap();
    assert!(errors.contains("No such file"), "{errors}");
}

/// 70 MB, most of it in one string and in what is left out, with no more than 60 MB of memory to be had.
fn large(directory: &Path, url: &str) {
    let file = directory.join("large");
    let mut output = BufWriter::new(File::create(&file).unwrap());
    let long = "x".repeat(1000);
    write!(output, r#"{{"cassandra": {{"config_db_uuid": {{"obj_uuid_table": {{"k": {{"a": ["", 1]"#).unwrap();
    for number in 0..30_000 {
        write!(output, r#", "prop:{number}": ["{long}", 1]"#).unwrap();
    }
    write!(output, r#"}}}}}}, "to_bgp_keyspace": {{"service_chain_uuid_table": {{"k": {{"a": ["", 1]"#).unwrap();
    for number in 0..10_000 {
        write!(output, r#", "{number}": ["{long}", 1]"#).unwrap();
    }
    write!(output, r#"}}}}}}}}, "zookeeper": "[[\"/a/\", [\"\", []]]"#).unwrap();
    for number in 0..30_000 {
        let mut node = String::new();
        write!(node, r#", [\"/id/pnf/network_id/{number:010}/\", [\"{long}\", []]]"#).unwrap();
        output.write_all(node.as_bytes()).unwrap();
    }
    write!(output, r#"]"}}"#).unwrap();
    drop(output);
    let size = fs::metadata(&file).unwrap().len();
    assert!(size > 70_000_000, "{size}");
    // The database is a process of its own. GNU time is not everywhere; the limit is on data, so that code does not count.
    let script = format!(
        "ulimit -d 60000; exec \"$0\" import --keyspaces-only --database-url \"$1\" --zookeeper-out {0}.out {0}",
        file.display()
    );
    let mut command = Command::new("sh");
    command.env("CIRRUS_SETTINGS_FILE", "none").args(["-c", &script, env!("CARGO_BIN_EXE_cirrus"), url]);
    let told = done(&tokio::task::block_in_place(|| command.output().unwrap()));
    assert!(told.contains("service_chain_uuid_table: 1 rows with 10001 columns stored"), "{told}");
    assert!(told.contains("commands for 30000 ids"), "{told}");
}
