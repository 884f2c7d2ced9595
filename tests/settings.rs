//! Settings that can't work: told at once, by name, with what is expected, before anything is made; and with an exit status
//! that says that trying again is of no use.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::support::rabbitmq::free_port;
use crate::support::{Checks, Process, Server, children_of, cirrus_program, fresh_directory};
use crate::tls::Files;

const LIMIT: Duration = Duration::from_mins(1);

pub async fn wrong_settings_are_told() {
    let mut checks = Checks::default();
    checks.run("by name, before anything is made", async { by_name() }).await;
    checks.run("all at once, from wherever they are", async { all_at_once() }).await;
    checks.run("contrail-api's files with every key", files_of_contrail()).await;
    checks.run("each place is shown without passwords", async { all_places() }).await;
    checks.run("empty variables count as not set", async { empty_variables() }).await;
    checks.run("each has its place in the documents", async { in_documents() }).await;
    checks.run("a database that can't be used", unusable_databases()).await;
    checks.run("the private PostgreSQL knows none of them", async { no_secrets_below() }).await;
    checks.finish();
}

/// A server's program without settings from the environment of whoever runs the tests.
fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = cirrus_program();
    command.env("CIRRUS_LOG_FORMAT", "text");
    command.args(arguments).envs(variables.iter().copied());
    command
}

/// Runs it to its end, which has to say that it is of no use to try again; gives what it says.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut process = Process::spawn(&mut program(arguments, variables));
    let status = process.wait(LIMIT);
    let errors = process.errors();
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
    let long = "x".repeat(100_000);
    let long = long.as_str();
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
        (&[], &[("CIRRUS_BATCH_LIMIT", "many")], &["CIRRUS_BATCH_LIMIT=many: a whole number from 1 on"]),
        (&["--batch-limit", "0"], &[("CIRRUS_BATCH_LIMIT", "many")], &["--batch-limit 0: a whole number from 1 on"]),
        (&[], &[("CIRRUS_LISTEN", "nowhere")], &["CIRRUS_LISTEN", "like 127.0.0.1:8082"]),
        (&["--quota", "foo=1"], &[], &["--quota foo=1: 'foo' is not in the quota", "virtual_network", "defaults"]),
        (&[], &[("CIRRUS_QUOTA", "foo=1")], &["CIRRUS_QUOTA=foo=1: 'foo'"]),
        (&["--quota", "subnet=few"], &[], &["--quota", "virtual_network=100"]),
        (&["--schema-dir", "/nowhere"], &[], &["--schema-dir /nowhere: there is no such directory"]),
        (&[], &[("CIRRUS_SCHEMA_DIR", "/")], &["CIRRUS_SCHEMA_DIR=/: common.toml:1: "]),
        (&["--database-url", "x"], &[], &["--database-url ...: ", "postgresql://user:password@host/name is expected"]),
        (
            &["--database-url", "host=h password=secret-word user=u"],
            &[],
            &["--database-url ...: ", "postgresql://user:password@host/name is expected"],
        ),
        (&[], &[("CIRRUS_DATABASE_URL", "postgresql://u:secret-word h/x")], &["CIRRUS_DATABASE_URL=...: "]),
        (&[], &[("CIRRUS_DATABASE_URL", "postgresql://u:secret-word")], &["CIRRUS_DATABASE_URL=...: "]),
        // As where somebody has forgotten the quotes.
        (&["--database-wait", "1", "password=secret-word"], &[], &["...: only options are expected"]),
        (&["postgresql://u:secret-word@h/x"], &[], &["...: only options are expected"]),
        (
            &["--introspect-listen", "0.0.0.0:7", "--cql-listen", "127.0.0.1:7", "--quota", "x"],
            &[("CIRRUS_LISTEN", "127.0.0.1:7")],
            &[
                "--introspect-listen 0.0.0.0:7: that is the port of CIRRUS_LISTEN=127.0.0.1:7, too; each needs one of its own",
                "--cql-listen 127.0.0.1:7: that is the port of CIRRUS_LISTEN=127.0.0.1:7, too",
                "--cql-listen 127.0.0.1:7: that is the port of --introspect-listen 0.0.0.0:7, too",
                "--quota x: ",
            ],
        ),
        (&["--log", "\u{1b}31m"], &[], &["--log \\u{1b}31m: '\\u{1b}31m' is no level"]),
        (&["--read-consistency", long], &[], &["--read-consistency xxx", "xxx...: ", "linearizable, local"]),
        (&["--quota", long], &[], &["--quota xxx", "xxx...: "]),
        (
            &[],
            &[("CIRRUS_DATABASE_URL", "mysql://me:secret-word@db/x")],
            &["CIRRUS_DATABASE_URL=...@db/x: ", "postgresql://user:password@host/name"],
        ),
        (
            &["--keystone-url", "http://me:secret-word@keystone/v3"],
            &[],
            &["--keystone-url ...@keystone/v3: ", "--keystone-user"],
        ),
        (
            &[],
            &[("CIRRUS_KEYSTONE_URL", "http://keystone/v3?secret-word")],
            &["CIRRUS_KEYSTONE_URL=http://keystone/v3?...: nothing may follow the path"],
        ),
        (
            &["--jwt-issuer", "https://id", "--jwt-audience", "a", "--jwt-key-set-url", "https://me:secret-word@id/"],
            &[],
            &["--jwt-key-set-url ...@id/: "],
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
        (
            &["--oidc-client-id", "page"],
            &[],
            &["--oidc-client-id page: --jwt-audience <AUDIENCE> and --jwt-issuer <ISSUER> are needed, too"],
        ),
        (&["--oidc-client-secret-file", "/s"], &[], &["and --oidc-client-id <ID> are needed, too"]),
        (
            &["--jwt-issuer", "https://id", "--jwt-audience", "a", "--aaa-mode", "rbac", "--oidc-client-id", "page"],
            &[("CIRRUS_OIDC_CLIENT_SECRET_FILE", "/nowhere")],
            &["CIRRUS_OIDC_CLIENT_SECRET_FILE=/nowhere: No such file"],
        ),
        (&["--oidc-scopes", "profile"], &[], &["--oidc-scopes profile: `openid` is expected"]),
        (
            &[],
            &[("CIRRUS_PUBLIC_URL", "https://me:secret-word@page.example/")],
            &["CIRRUS_PUBLIC_URL=...@page.example/: ", "like https://api.example"],
        ),
        (
            &["--public-url", "https://page.example/here"],
            &[],
            &["--public-url https://page.example/here: scheme, host"],
        ),
        (&["--database-wait", "99999999999999999999"], &[], &["--database-wait", "from 0 to 31536000"]),
        (
            &["--amqp-url", "http://me:secret-word@broker/"],
            &[],
            &["--amqp-url ...@broker/: ", "amqp://user:password@host"],
        ),
        (&["--tcp-keepalive", "7200,75"], &[], &["--tcp-keepalive 7200,75: off is expected", "like 7200,75,9"]),
        (&["--amqp-ca-file", "a"], &[], &["--amqp-ca-file a: --amqp-url <URL,..> is needed, too"]),
        (
            &["--amqp-url", "amqps://broker/", "--amqp-ca-file", file],
            &[],
            &["--amqp-ca-file ", "certificates in PEM are expected"],
        ),
        (&[], &[("CIRRUS_ADMIN_PASSWORD", "secret-word")], &["CIRRUS_ADMIN_PASSWORD=...: --admin-listen is needed"]),
        (&["--keystone-password", "secret-word"], &[], &["CIRRUS_KEYSTONE_PASSWORD, or in the settings file"]),
        (&["--settings-file", "/nowhere"], &[], &["--settings-file /nowhere: No such file"]),
        (&[], &[("CIRRUS_SETTINGS_FILE", "/")], &["CIRRUS_SETTINGS_FILE=/: Is a directory"]),
        (&["--conf-file", "/nowhere"], &[], &["--conf-file /nowhere: No such file"]),
        (&["--log", "nosuchlevel"], &[], &["'nosuchlevel' is no level", "error, warn, info"]),
        (&[], &[("CIRRUS_LOG", "cirrus=loud")], &["CIRRUS_LOG", "error, warn, info"]),
        (&["--log-format", "xml"], &[], &["auto, text, json"]),
        (&["--otlp-endpoint", "collector:4317"], &[], &["--otlp-endpoint ...: ", "http://host:4318"]),
        (
            &[],
            &[("CIRRUS_OTLP_ENDPOINT", "http://me:secret-word@collector:4318")],
            &["CIRRUS_OTLP_ENDPOINT=...@collector:4318: ", "OTEL_EXPORTER_OTLP_HEADERS"],
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
            &["CIRRUS_TRUSTED_PROXIES=10.0.0.1,haproxy: ", "10.0.0.0/24"],
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
        assert!(!errors.contains("<class") && !errors.contains('\u{1b}'), "{errors}");
        assert!(errors.len() < 10_000, "{} bytes for {arguments:?}", errors.len());
        assert!(!data.exists(), "{arguments:?} {variables:?}: something was made");
    }
    for arguments in [
        &["check", "--database-url", "host=h password=secret-word"] as &[&str],
        &["check", "--database-url", "postgresql://u:secret-word h/x"],
        &["export", "--database-url", "postgresql://u:secret-word"],
        &["check", "postgresql://u:secret-word@h/x"],
        &["postgresql://u:secret-word@h/x"],
        &["check", "--database-urk=postgresql://u:secret-word@h/x"],
        &["check", "--database-url", "postgresql://h/x", "password=secret-word"],
    ] {
        let errors = refused(arguments, &[]);
        assert!(!errors.contains("secret-word"), "{arguments:?}: {errors}");
    }
    let errors = refused(&["openapi", "--schema-dir", "/nowhere"], &[]);
    assert!(errors.contains("--schema-dir /nowhere: there is no such directory"), "{errors}");
}

/// Wrong values of all layers and sorts, and what they say of each other.
fn all_at_once() {
    let directory = fresh_directory();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, conf, data) = (path("cirrus.toml"), path("contrail-api.conf"), path("data"));
    let toml = "listen-adress = \"x\"\nmax-requests = 0\nopen = \"yes\"\ntoken-file = \"/nowhere\"\naaa-mode = \"rbac\"\n\
                keystone-password = [\"secret-word\"]\nquota = [\"networks=1\"]\n";
    std::fs::write(&file, toml).unwrap();
    std::fs::write(&conf, "[DEFAULTS]\nreset_config = true\nwatch_keepalive_interval = 0\npaginate_count = 5%\n")
        .unwrap();
    let arguments = ["serve", "--settings-file", &file, "--conf-file", &conf, "--data-dir", &data];
    let more = ["--batch-limit", "0", "--nonsense", "--listen", "127.0.0.1:0", "--tls-key", "/nowhere"];
    let variables = [
        ("CIRRUS_DATABASE_WAIT", "long"),
        ("CIRRUS_KEEP_CHANGES_AT_MOST", "4"),
        ("CIRRUS_AMQP_URL", "http://me:secret-word@broker/"),
    ];
    let errors = refused(&[&arguments[..], &more].concat(), &variables);
    let expected = [
        "--nonsense: there is no such option".to_owned(),
        "--batch-limit 0: a whole number from 1 on is expected".to_owned(),
        "--tls-key /nowhere: --tls-certificate is needed, too".to_owned(),
        "CIRRUS_DATABASE_WAIT=long: a whole number from 0 to 31536000 is expected".to_owned(),
        "CIRRUS_KEEP_CHANGES_AT_MOST=4 is less than --keep-changes 1000000 (the default)".to_owned(),
        "CIRRUS_AMQP_URL=...@broker/: ".to_owned(),
        format!("{file}:1: listen-adress: there is no such setting; is listen meant?"),
        format!("{file}:2: max-requests = 0: a whole number in 1..=1000000 is expected"),
        format!("{file}:3: open = \"yes\": true or false is expected"),
        format!("{file}:4: token-file = /nowhere: can't be read: No such file"),
        format!("{file}:6: keystone-password = ...: one value is expected, not several"),
        format!("{file}:7: quota = networks=1: 'networks' is not in the quota of a project"),
        format!("{conf}:2: reset_config = true: it would delete the whole configuration"),
        format!("{conf}:3: watch_keepalive_interval (--watch-keepalive-interval 0): a whole number from 1 to 86400"),
        format!("{conf}:4: paginate_count: a % that is meant is written %%"),
    ];
    for text in &expected {
        assert!(errors.contains(text.as_str()), "'{text}' is expected in\n{errors}");
    }
    assert!(errors.contains(&format!("{} settings are wrong", expected.len())), "{errors}");
    assert!(!errors.contains("secret-word"), "{errors}");
    assert!(!Path::new(&data).exists(), "something was made");
    // The same is said by who only looks.
    let seen = refused(&[&["settings"], &arguments[1..], &more].concat(), &variables);
    assert_eq!(seen.lines().skip(1).collect::<Vec<_>>(), errors.lines().skip(1).collect::<Vec<_>>());
}

/// The files of `tests/data/contrail`, for a place of their own.
fn sample_of_contrail(files: &Files, admin_port: u16) -> [String; 2] {
    ["contrail-api.conf", "contrail-keystone-auth.conf"].map(|name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/contrail").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        let directory = Path::new(&files.text("")).to_owned();
        let text = text.replace("@DIR@", directory.to_str().unwrap().trim_end_matches('/'));
        std::fs::write(directory.join(name), text.replace("@ADMIN_PORT@", &admin_port.to_string())).unwrap();
        directory.join(name).to_str().unwrap().to_owned()
    })
}

/// What is in the environment of the server is not in that of the database, which others may look at.
fn no_secrets_below() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let variables = [
        ("CIRRUS_DATA_DIR", data.to_str().unwrap()),
        ("CIRRUS_ADMIN_PASSWORD", "secret-word"),
        ("CIRRUS_ADMIN_USER", "somebody"),
        ("CIRRUS_ADMIN_LISTEN", "127.0.0.1:0"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret-word"),
        ("ANOTHER", "secret-word"),
        ("TZ", "UTC"),
    ];
    let process =
        Process::spawn(&mut program(&["serve", "--listen", "127.0.0.1:0", "--settings-file", "none"], &variables));
    assert!(process.next_line(Duration::from_mins(2)).is_some(), "{}", process.errors());
    let (mut below, mut looked_at) = (children_of(process.id), 0);
    while let Some(child) = below.pop() {
        below.extend(children_of(child));
        // One that has just ended has none.
        let Ok(environment) = std::fs::read(format!("/proc/{child}/environ")) else { continue };
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(!environment.contains("secret-word") && !environment.contains("CIRRUS_"), "{environment}");
        looked_at += usize::from(environment.contains("TZ=UTC"));
    }
    // Its first process; what others were given stands no more where they write what they do.
    assert!(looked_at > 0, "the database has processes");
}

/// What curl gets: the head, the body, and the status.
fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--include", "--max-time", "60"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn files_of_contrail() {
    let files = Files::new();
    let admin_port = free_port();
    let [one, two] = sample_of_contrail(&files, admin_port);
    let conf = ["--conf_file", one.as_str(), "--conf-file", two.as_str()];

    let shown = program(&[&["settings", "--settings-file", "none"], &conf[..]].concat(), &[]).output().unwrap();
    let (text, errors) = (String::from_utf8(shown.stdout).unwrap(), String::from_utf8(shown.stderr).unwrap());
    assert!(shown.status.success(), "{errors}");
    let directory = Path::new(&one).parent().unwrap().to_str().unwrap();
    let file = |name: &str| format!("\"{directory}/{name}\"");
    for (key, value, from) in [
        ("listen", "\"127.0.0.1:0\"".to_owned(), "listen_ip_addr"),
        ("aaa-mode", "\"rbac\"".to_owned(), "aaa_mode"),
        ("cloud-admin-role", "\"cloud-boss\"".to_owned(), "cloud_admin_role"),
        ("global-read-only-role", "\"auditor\"".to_owned(), "global_read_only_role"),
        ("default-domain-id", "\"first-domain\"".to_owned(), "default_domain_id"),
        ("keystone-url", "\"http://127.0.0.1:1/v3\"".to_owned(), "auth_url"),
        ("keystone-user", "\"contrail\"".to_owned(), "admin_user"),
        ("keystone-password", "\"...\"".to_owned(), "admin_password"),
        ("keystone-user-domain", "\"UserDomain\"".to_owned(), "user_domain_name"),
        ("keystone-user-domain-id", "\"user-domain\"".to_owned(), "user_domain_id"),
        ("keystone-project", "\"services\"".to_owned(), "project_name"),
        ("keystone-project-domain", "\"ProjectDomain\"".to_owned(), "project_domain_name"),
        ("keystone-project-domain-id", "\"project-domain\"".to_owned(), "project_domain_id"),
        ("keystone-region", "\"RegionTwo\"".to_owned(), "region_name"),
        ("keystone-interface", "\"internal\"".to_owned(), "interface"),
        ("keystone-ca-file", file("ca.pem"), "cafile"),
        ("keystone-token-cache-time", "120".to_owned(), "token_cache_time"),
        ("keystone-sync-on-demand", "false".to_owned(), "keystone_sync_on_demand"),
        ("tls-certificate", file("server.pem"), "config_api_ssl_certfile"),
        ("tls-key", file("server.key"), "config_api_ssl_keyfile"),
        ("admin-listen", format!("\"127.0.0.1:{admin_port}\""), "admin_port"),
        ("admin-user", "\"contrail\"".to_owned(), "admin_user"),
        ("admin-password", "\"...\"".to_owned(), "admin_password"),
        ("max-requests", "1000".to_owned(), "max_requests"),
        ("max-request-size", "3000".to_owned(), "max_request_size"),
        ("paginate-count", "100".to_owned(), "paginate_count"),
        ("watch-keepalive-interval", "30".to_owned(), "watch_keepalive_interval"),
        ("tcp-keepalive", "\"600,20,5\"".to_owned(), "tcp_keepalive_enable"),
        ("amqp-url", "\"...@127.0.0.1:1/%2Fcloud,...@localhost:2/%2Fcloud\"".to_owned(), "rabbit_server"),
        ("amqp-ca-file", file("ca.pem"), "kombu_ssl_ca_certs"),
        ("amqp-certificate", file("server.pem"), "kombu_ssl_certfile"),
        ("amqp-key", file("server.key"), "kombu_ssl_keyfile"),
        ("amqp-timeout", "120".to_owned(), "amqp_timeout"),
        ("neutron-strict-compliance", "true".to_owned(), "strict_compliance"),
        ("neutron-contrail-extensions", "false".to_owned(), "contrail_extensions_enabled"),
        ("neutron-fwaas", "true".to_owned(), "fwaas_enabled"),
        ("neutron-apply-subnet-host-routes", "true".to_owned(), "apply_subnet_host_routes"),
        ("quota", "[\"defaults=100\", \"subnet=50\", \"virtual_network=1\"]".to_owned(), "[QUOTA]"),
    ] {
        let begin = format!("{key} = {value}  # {directory}/contrail-");
        let is_it = |line: &&str| line.starts_with(&begin) && line.ends_with(&format!(": {from}"));
        assert_eq!(text.lines().filter(is_it).count(), 1, "'{begin}...: {from}' is expected in\n{text}");
    }
    // All that has a value of its own and is no setting of ours is named, by reason.
    for key in [
        "cassandra_server_list",
        "sandesh_keyfile",
        "worker_id",
        "list_optimization_enabled",
        "signing_dir",
        "kombu_ssl_version",
    ] {
        assert!(text.contains(&format!("{key} (")), "{key} is expected in\n{text}");
    }
    assert!(!text.contains("hidden-word"), "{text}");

    // A database that no other server has given limits to.
    let other = Server::start();
    let mut database = PgConnection::connect(&other.database_url()).await.unwrap();
    let make = "create database contrail encoding 'UTF8' locale 'C' template template0";
    sqlx::raw_sql(make).execute(&mut database).await.unwrap();
    let url = other.database_url().replace("/cirrus?", "/contrail?");
    let socket = files.text("admin.socket");
    let arguments = ["serve", "--database-url", &url, "--admin-socket", &socket, "--settings-file", "none"];
    let mut process = Process::spawn(&mut program(&[&arguments[..], &conf].concat(), &[]));
    let line = process.next_line(Duration::from_mins(2)).unwrap_or_default();
    let server = line.strip_prefix("cirrus is ready at ").unwrap_or_else(|| panic!("{line}\n{}", process.errors()));
    assert!(server.starts_with("https://127.0.0.1:"), "{server}");

    let authority = files.text("ca.pem");
    let networks = format!("{server}/virtual-networks");
    let answer = curl(&["--cacert", &authority, &networks]);
    assert!(
        answer.starts_with("HTTP/1.1 401 ") && answer.contains("Keystone uri=\"http://127.0.0.1:1/v3\""),
        "{answer}"
    );
    let networks = format!("http://127.0.0.1:{admin_port}/virtual-networks");
    let ask = |more: &[&str]| curl(&[&["--user", "contrail:hidden-word%2", &networks], more].concat());
    assert!(ask(&[]).starts_with("HTTP/1.1 200 "));
    assert!(curl(&["--user", "contrail:other", &networks]).starts_with("HTTP/1.1 401 "));
    let make = |name: &str| {
        let name = format!("[\"default-domain\", \"default-project\", \"{name}\"]");
        let body = format!("{{\"virtual-network\": {{\"fq_name\": {name}, \"parent_type\": \"project\"}}}}");
        ask(&["--header", "content-type: application/json", "--data", &body])
    };
    // The first objects have as many networks already.
    let answer = make("one");
    assert!(answer.starts_with("HTTP/1.1 412 ") && answer.contains("quota limit (1) exceeded"), "{answer}");
    let answer = make(&"x".repeat(3000));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    process.signal("TERM");
    assert_eq!(process.wait(LIMIT).and_then(|status| status.code()), Some(0));
    let log = process.errors();
    let told = log.lines().find(|line| line.contains("replaced by --database-url: ")).unwrap_or_default();
    for key in ["cassandra_server_list (", "zk_server_ip (", "cassandra_password ("] {
        assert!(told.contains(key), "'{key}' is expected in\n{log}");
    }
    assert!(!log.contains("hidden-word"), "{log}");
}

/// Each of several places is shown, and none of their passwords; nothing of what can't be read.
fn all_places() {
    let directory = fresh_directory();
    let file = directory.path().join("cirrus.toml");
    let text = "\u{feff}amqp-url = [\"amqp://u:secret-word@mq1/\", \"amqp://u:secret-word@mq2/\"]\n\
                database-url = \"postgresql://u:secret-word@h1,h2/x\"\n";
    std::fs::write(&file, text).unwrap();
    let conf = directory.path().join("contrail-api.conf");
    let text = "\u{feff}[DEFAULTS]\nlisten_ip_addr = 127.0.0.1 ; here\nlisten_port = 0 ; any\nrabbit_server = a,b,c\n\
                rabbit_password = secret-word ;x\n";
    std::fs::write(&conf, text).unwrap();
    let shown = |name: &str, file: &Path| {
        let output = program(&["settings", name, file.to_str().unwrap()], &[]).output().unwrap();
        let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && !text.contains("secret-word"), "{text}{errors}");
        text
    };
    let text = shown("--settings-file", &file);
    assert!(text.contains("\namqp-url = \"...@mq1/,...@mq2/\"  # "), "{text}");
    assert!(text.contains("\ndatabase-url = \"...@h1,h2/x\"  # "), "{text}");
    let text = shown("--conf-file", &conf);
    assert!(text.contains("\namqp-url = \"...@a:5672/%2F,...@b:5672/%2F,...@c:5672/%2F\"  # "), "{text}");
    assert!(text.contains("\nlisten = \"127.0.0.1:0\"  # "), "{text}");
    assert!(text.contains("contrail-api.conf:5: rabbit_password: what follows ` ;` is a part of the value"), "{text}");
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
