//! Settings that can't work: told at once, by name, with what is expected, before anything is made; and with an exit status
//! that says that trying again is of no use.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::support::{Checks, Process, Server, fresh_directory};

const LIMIT: Duration = Duration::from_mins(1);

pub async fn wrong_settings_are_told() {
    let mut checks = Checks::default();
    checks.run("by name, before anything is made", async { by_name() }).await;
    checks.run("empty variables count as not set", async { empty_variables() }).await;
    checks.run("each has its place in the documents", async { in_documents() }).await;
    checks.run("a database that can't be used", unusable_databases()).await;
    checks.finish();
}

/// A server's program without settings from the environment of whoever runs the tests.
fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cirrus"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CIRRUS_")) {
        command.env_remove(name);
    }
    command.env("CIRRUS_LOG_FORMAT", "text");
    command.args(arguments).envs(variables.iter().copied());
    command
}

/// Runs it to its end, which has to say that it is of no use to try again; gives what it says.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut process = Process::spawn(&mut program(arguments, variables));
    let status = process.wait(LIMIT);
    let errors = process.last_errors(Duration::from_secs(5));
    let code = status.and_then(|status| status.code());
    assert_eq!(code, Some(2), "{arguments:?} {variables:?}: {status:?}; it says:\n{errors}");
    assert!(!errors.contains(" at line ") && !errors.contains("panicked"), "{errors}");
    errors
}

/// What is wrong as arguments and variables, and what has to be in the answer.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);

fn by_name() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let file = directory.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let file = file.to_str().unwrap();
    let cases: &[Case] = &[
        (
            &["--keep-changes", "5", "--keep-changes-at-most", "4"],
            &[],
            &["--keep-changes-at-most 4 is less than --keep-changes 5"],
        ),
        (
            &[],
            &[("CIRRUS_KEEP_CHANGES_AT_MOST", "4")],
            &["CIRRUS_KEEP_CHANGES_AT_MOST=4 is less than --keep-changes 1000000 (the default)"],
        ),
        (&[], &[("CIRRUS_BATCH_LIMIT", "many")], &["'many' for 'CIRRUS_BATCH_LIMIT (environment", "from 1 on"]),
        (
            &["--batch-limit", "0"],
            &[("CIRRUS_BATCH_LIMIT", "many")],
            &["'0' for '--batch-limit <REQUESTS>': a whole number from 1 on"],
        ),
        (&[], &[("CIRRUS_LISTEN", "nowhere")], &["CIRRUS_LISTEN", "like 127.0.0.1:8082"]),
        (&["--quota", "foo=1"], &[], &["--quota foo=1: 'foo' is not in the quota", "virtual_network", "defaults"]),
        (&[], &[("CIRRUS_QUOTA", "foo=1")], &["CIRRUS_QUOTA=foo=1: 'foo'"]),
        (&["--quota", "subnet=few"], &[], &["--quota", "virtual_network=100"]),
        (&["--schema-dir", "/nowhere"], &[], &["--schema-dir /nowhere: there is no such directory"]),
        (&[], &[("CIRRUS_SCHEMA_DIR", "/")], &["CIRRUS_SCHEMA_DIR=/: common.toml:1: "]),
        (&["--database-url", "x"], &[], &["'x' for '--database-url <URL>': postgresql://user:password@host/name"]),
        (
            &[],
            &[("CIRRUS_DATABASE_URL", "mysql://me:secret-word@db/x")],
            &["'...@db/x' for 'CIRRUS_DATABASE_URL (environment", "postgresql://user:password@host/name"],
        ),
        (
            &["--keystone-url", "http://me:secret-word@keystone/v3"],
            &[],
            &["'...@keystone/v3' for '--keystone-url", "--keystone-user"],
        ),
        (
            &[],
            &[("CIRRUS_KEYSTONE_URL", "http://keystone/v3?secret-word")],
            &["'http://keystone/v3?...' for 'CIRRUS_KEYSTONE_URL (environment", "nothing may follow the path"],
        ),
        (
            &["--jwt-issuer", "https://id", "--jwt-audience", "a", "--jwt-key-set-url", "https://me:secret-word@id/"],
            &[],
            &["'...@id/' for '--jwt-key-set-url"],
        ),
        (
            &["--jwt-issuer", "https://id", "--jwt-audience", "a", "--aaa-mode", "rbac"],
            &[("CIRRUS_JWT_KEY_SET_URL", "http://id/keys?key=secret-word")],
            &["CIRRUS_JWT_KEY_SET_URL=http://id/keys?...: https is expected"],
        ),
        (
            &["--jwt-issuer", "https://me:secret-word@id/", "--jwt-audience", "a", "--aaa-mode", "rbac"],
            &[],
            &["--jwt-issuer ...@id/: no user and no password may stand in it"],
        ),
        (
            &["--jwt-audience", "a"],
            &[("CIRRUS_JWT_ISSUER", "https://me:secret-word@id/")],
            &["CIRRUS_JWT_ISSUER=...@id/ is of no use"],
        ),
        (&["--database-wait", "99999999999999999999"], &[], &["--database-wait", "from 0 to 31536000"]),
        (
            &["--amqp-url", "http://me:secret-word@broker/"],
            &[],
            &["'...@broker/' for '--amqp-url", "amqp://user:password@host"],
        ),
        (&["--log", "nosuchlevel"], &[], &["'nosuchlevel' is no level", "error, warn, info"]),
        (&[], &[("CIRRUS_LOG", "cirrus=loud")], &["CIRRUS_LOG", "error, warn, info"]),
        (&["--log-format", "xml"], &[], &["auto, text, json"]),
        (&["--otlp-endpoint", "collector:4317"], &[], &["'collector:4317' for '--otlp-endpoint", "http://host:4318"]),
        (
            &[],
            &[("CIRRUS_OTLP_ENDPOINT", "http://me:secret-word@collector:4318")],
            &["'...@collector:4318' for 'CIRRUS_OTLP_ENDPOINT (environment", "OTEL_EXPORTER_OTLP_HEADERS"],
        ),
        (&["--introspect-listen", "8084"], &[], &["--introspect-listen", "like 127.0.0.1:8082"]),
        (&["--read-consistency", "perhaps"], &[], &["linearizable, local"]),
        (&["--tls-key", "k"], &[], &["--tls-key k: --tls-certificate is needed"]),
        (&[], &[("CIRRUS_TLS_CERTIFICATE", "c")], &["CIRRUS_TLS_CERTIFICATE=c: --tls-key is needed"]),
        (&["--tls-client-ca", "a"], &[], &["--tls-client-ca a: --tls-certificate is needed"]),
        (&["--tls-client-certificates", "perhaps"], &[], &["optional, required"]),
        (
            &["--admin-listen", "0.0.0.0:8095"],
            &[],
            &["an address of loopback with a port is expected, like 127.0.0.1:8095"],
        ),
        (&["--admin-listen", "127.0.0.1:0"], &[], &["--admin-user and --admin-password-file are needed"]),
        (&["--admin-user", "a"], &[], &["--admin-user a: --admin-listen is needed"]),
        (&["--admin-password-file", "p"], &[], &["--admin-password-file p: --admin-listen is needed"]),
        (
            &[],
            &[("CIRRUS_TRUSTED_PROXIES", "10.0.0.1,haproxy")],
            &["'haproxy' for 'CIRRUS_TRUSTED_PROXIES", "10.0.0.0/24"],
        ),
        (&["--max-connections", "0"], &[], &["--max-connections", "1..=1000000"]),
        (&["--max-connections-per-address", "0"], &[], &["1..=1000000"]),
        (&["--head-timeout", "0"], &[], &["from 1 to 3600"]),
        (&["--body-timeout", "0"], &[], &["from 1 to 86400"]),
        (&["--least-body-rate", "many"], &[], &["--least-body-rate", "from 0 to 1073741824"]),
        (&["--watch-keepalive-interval", "0"], &[], &["from 1 to 86400"]),
        (&["--data-dir", file], &[], &["--data-dir ", "that is not a directory"]),
        (&[], &[("CIRRUS_POSTGRESQL_BIN", "/nowhere")], &["CIRRUS_POSTGRESQL_BIN is /nowhere"]),
    ];
    for (arguments, variables, texts) in cases {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        if variables.iter().any(|(name, _)| *name == "CIRRUS_LISTEN") {
            all.truncate(1);
        }
        let given = [("CIRRUS_DATA_DIR", data.to_str().unwrap())];
        all.extend(*arguments);
        let errors = refused(&all, &[&given, *variables].concat());
        for text in *texts {
            assert!(errors.contains(text), "{arguments:?} {variables:?}: '{text}' is expected in\n{errors}");
        }
        assert!(!errors.contains("secret-word"), "{errors}");
        assert!(!errors.contains("<class"), "{errors}");
        assert!(!data.exists(), "{arguments:?} {variables:?}: something was made");
    }
    let errors = refused(&["openapi", "--schema-dir", "/nowhere"], &[]);
    assert!(errors.contains("--schema-dir /nowhere: there is no such directory"), "{errors}");
}

/// The variables that `cirrus serve --help` names.
fn variables() -> Vec<String> {
    let help = program(&["serve", "--help"], &[]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let names = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next());
    names.map(str::to_owned).collect()
}

fn in_documents() {
    let page = include_str!("../docs/settings.md");
    let words: Vec<&str> = page.split(|letter: char| !letter.is_ascii_alphabetic() && letter != '_').collect();
    // `CIRRUS_A_B` may stand there as `CIRRUS_A`, `.._B`.
    let is_told = |name: &str| {
        let mut parts = name.match_indices('_').map(|(at, _)| name.split_at(at));
        words.contains(&name) || parts.any(|(first, rest)| words.contains(&first) && words.contains(&rest))
    };
    let (service, containers) = (include_str!("../packaging/cirrus.env"), include_str!("../docker-compose.yml"));
    let has_line = |text: &str, begin: &str| text.lines().any(|line| line.starts_with(begin));
    for name in variables() {
        assert!(is_told(&name), "{name} is not in docs/settings.md");
        assert!(has_line(service, &format!("#{name}=")), "{name} is not in packaging/cirrus.env");
        // A container has no use for an address of its own, and for directories outside of it.
        if !matches!(name.as_str(), "CIRRUS_LISTEN" | "CIRRUS_DATA_DIR" | "CIRRUS_SCHEMA_DIR") {
            assert!(has_line(containers, &format!("      {name}:")), "{name} is not in docker-compose.yml");
        }
    }
}

fn empty_variables() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let names = variables();
    let names: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !matches!(*name, "CIRRUS_LISTEN" | "CIRRUS_DATA_DIR")).collect();
    assert!(names.contains(&"CIRRUS_AMQP_URL") && names.contains(&"CIRRUS_QUOTA") && names.len() > 10, "{names:?}");
    let mut variables: Vec<(&str, &str)> = names.into_iter().map(|name| (name, "")).collect();
    variables.push(("CIRRUS_POSTGRESQL_BIN", ""));
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let process = Process::spawn(&mut program(&arguments, &variables));
    let line = process.next_line(Duration::from_mins(2));
    assert!(line.is_some_and(|line| line.starts_with("cirrus is ready at ")), "{}", process.errors());
}

async fn unusable_databases() {
    let server = Server::start();
    let url = server.database_url();
    let mut database = PgConnection::connect(&url).await.unwrap();
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = encoding.to_lowercase();
        let make = format!("create database {name} encoding '{encoding}' locale 'C' template template0");
        sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut database).await.unwrap();
        let errors = refused_on(&url.replace("/cirrus?", &format!("/{name}?")));
        assert!(errors.contains(&format!("in the encoding {encoding}")), "{errors}");
        assert!(errors.contains("create database NAME encoding 'UTF8'"), "{errors}");
        let url = url.replace("/cirrus?", &format!("/{name}?"));
        let mut refused = PgConnection::connect(&url).await.unwrap();
        let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'")
            .fetch_one(&mut refused)
            .await
            .unwrap();
        assert_eq!(tables, 0, "nothing is made in a database that can't be used");
    }
    let errors = refused_on(&url.replace("//cirrus@", "//nobody@"));
    assert!(errors.contains("role \"nobody\" does not exist"), "{errors}");
    let socket = server.data_directory().join("socket");
    assert!(errors.contains(&format!("cirrus at {}", Path::new(&socket).display())), "{errors}");

    let later = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'of a later release', true, '', 0)";
    sqlx::raw_sql(later).execute(&mut database).await.unwrap();
    let errors = refused_on(&url);
    assert!(errors.contains("used by a newer release of Cirrus: its tables have step 9999"), "{errors}");
    assert!(errors.contains("this release knows steps up to "), "{errors}");
}

fn refused_on(url: &str) -> String {
    refused(&["serve", "--listen", "127.0.0.1:0", "--database-url", url], &[])
}
