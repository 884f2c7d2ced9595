//! Commands that work on a database: which one they take when nobody says, and what they say when it can't be used.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::block_in_place;

use crate::support::postgresql::{Cluster, put_new_cluster};
use crate::support::{Checks, Server, cirrus_program, fresh_directory, wait_until};

const LIMIT: Duration = Duration::from_mins(1);

pub async fn tools_find_their_database() {
    let server = Arc::new(Server::start());
    let with_server = |check: fn(&Server)| {
        let server = Arc::clone(&server);
        async move { check(&server) }
    };
    let mut checks = Checks::default();
    checks.run("wherever it is said", with_server(wherever_it_is_said)).await;
    checks.run("what is nearer wins", with_server(what_is_nearer_wins)).await;
    checks.run("what else the file says", with_server(what_else_the_file_says)).await;
    checks.run("nowhere", async { nowhere() }).await;
    checks.run("a file that is wrong", with_server(wrong_files)).await;
    checks.run("an import into a directory", async { into_a_directory() }).await;
    let cluster = Arc::new(block_in_place(|| Cluster::start("tools", &[])));
    block_in_place(|| cluster.create_database());
    let with_cluster = |check: fn(&Cluster)| {
        let cluster = Arc::clone(&cluster);
        async move { block_in_place(|| check(&cluster)) }
    };
    checks.run("databases that can't be used", with_cluster(told_in_words)).await;
    checks.run("an import looks first", with_cluster(import_looks_first)).await;
    checks.finish();
}

/// How a command ends, and what it says on standard error.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = block_in_place(|| cirrus_program().args(arguments).envs(variables.iter().copied()).output().unwrap());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    (output.status.code(), errors)
}

#[track_caller]
fn succeeds(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let (status, errors) = run(arguments, variables);
    assert_eq!(status, Some(0), "{arguments:?} {variables:?}: {errors}");
    errors
}

#[track_caller]
fn refused(arguments: &[&str], variables: &[(&str, &str)], status: i32) -> String {
    let (ended, errors) = run(arguments, variables);
    assert_eq!(ended, Some(status), "{arguments:?} {variables:?}: {errors}");
    assert!(!errors.contains("secret"), "{errors}");
    errors
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A URL with a password, of which a private `PostgreSQL` does not ask; and what of it may be shown.
fn with_password(url: &str) -> (String, String) {
    let url = url.replace("//cirrus@", "//cirrus:secret@");
    let shown = format!("...@{}?...", url.split_once('@').unwrap().1.split_once('?').unwrap().0);
    (url, shown)
}

fn wherever_it_is_said(server: &Server) {
    let directory = fresh_directory();
    let (file, dump, data) =
        (directory.path().join("cirrus.toml"), directory.path().join("dump"), server.data_directory());
    let (url, shown) = with_password(&server.database_url());
    fs::write(&file, format!("# of the server\ndatabase-url = \"{url}\"\nquota = [\"subnet=5\"]\n")).unwrap();
    let (file, dump) = (text(&file), text(&dump));
    let by_data = directory.path().join("data.toml");
    fs::write(&by_data, format!("data-dir = \"{}\"\n", data.display())).unwrap();
    let (by_data, data) = (text(&by_data), text(data));
    for tool in [
        &["export", dump][..],
        &["import", "--dry-run", dump],
        &["check"],
        &["migrate", "--dry-run"],
        // The last one: the server notices, and loads everything anew.
        &["new-epoch"],
    ] {
        let with = |more: &[&'static str], value: &str| {
            let more =
                more.iter().map(|argument| if *argument == "X" { value.to_owned() } else { (*argument).to_owned() });
            tool.iter().map(|argument| (*argument).to_owned()).chain(more).collect::<Vec<_>>()
        };
        let told = |arguments: Vec<String>, variables: &[(&str, &str)]| {
            succeeds(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), variables)
        };
        // Who says it is not told.
        assert_eq!(told(with(&["--database-url", "X"], &url), &[]), "");
        assert_eq!(told(with(&["--data-dir", "X"], data), &[]), "");
        let taken = |from: &str| format!("cirrus: the database is that of {from}\n");
        let variable = told(with(&[], ""), &[("CIRRUS_DATABASE_URL", &url)]);
        assert_eq!(variable, taken(&format!("CIRRUS_DATABASE_URL={shown}")));
        let in_file = taken(&format!("{file}:2: database-url = {shown}"));
        assert_eq!(told(with(&["--settings-file", "X"], file), &[]), in_file);
        assert_eq!(told(with(&[], ""), &[("CIRRUS_SETTINGS_FILE", file)]), in_file);
        let runs_on = |from: &str| taken(&format!("the server that runs on {from}"));
        let variable = told(with(&[], ""), &[("CIRRUS_DATA_DIR", data), ("CIRRUS_DATABASE_URL", "")]);
        assert_eq!(variable, runs_on(&format!("CIRRUS_DATA_DIR={data}")));
        let in_file = told(with(&["--settings-file", "X"], by_data), &[]);
        assert_eq!(in_file, runs_on(&format!("{by_data}:1: data-dir = {data}")));
        let by_default = told(with(&[], ""), &[("STATE_DIRECTORY", data)]);
        assert_eq!(by_default, runs_on(&format!("the data directory {data}")));
    }
}

fn what_is_nearer_wins(server: &Server) {
    let directory = fresh_directory();
    let file = directory.path().join("cirrus.toml");
    fs::write(&file, "database-url = \"postgresql://me:secret@127.0.0.1:1/other\"\n").unwrap();
    let (file, data, url) = (text(&file), text(server.data_directory()), server.database_url());
    let in_file = ("CIRRUS_SETTINGS_FILE", file);
    assert_eq!(succeeds(&["check", "--database-url", &url], &[in_file]), "");
    assert_eq!(succeeds(&["check", "--data-dir", data], &[in_file]), "");
    let variable = succeeds(&["check"], &[in_file, ("CIRRUS_DATABASE_URL", &url)]);
    assert!(variable.contains("that of CIRRUS_DATABASE_URL="), "{variable}");
    // As for a server: the directory of a private one does not count where there is another one.
    let errors = refused(&["check"], &[in_file, ("CIRRUS_DATA_DIR", data)], 2);
    assert!(errors.contains(&format!("{file}:1: database-url = ...@127.0.0.1:1/other\n")), "{errors}");
    let errors =
        refused(&["check", "--data-dir", data], &[in_file, ("CIRRUS_DATABASE_URL", "postgresql://127.0.0.1:1/x")], 2);
    assert!(errors.contains("database x at 127.0.0.1:1: "), "{errors}");
}

fn what_else_the_file_says(server: &Server) {
    let directory = fresh_directory();
    let [file, dump] = ["cirrus.toml", "dump"].map(|name| directory.path().join(name));
    let url = server.database_url();
    fs::write(&file, format!("database-url = \"{url}\"\nschema-dir = \"/nowhere\"\n")).unwrap();
    for tool in [&["check"][..], &["migrate"], &["export", text(&dump)], &["import", "dump"]] {
        let errors = refused(tool, &[("CIRRUS_SETTINGS_FILE", text(&file))], 2);
        assert_eq!(errors, format!("cirrus: {}:2: schema-dir = /nowhere: there is no such directory\n", text(&file)));
    }
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    fs::write(
        &file,
        format!("database-url = \"{url}\"\nschema-dir = \"{}\"\ncql-cluster-id = \"east\"\n", text(&schema)),
    )
    .unwrap();
    let keyspaces = "insert into wide_keyspace (name, replication) values ('east_dm_keyspace', '{}'), ('other', '{}')";
    let made = crate::support::postgresql::program("psql").args([&url, "--command", keyspaces]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let told = succeeds(&["export", text(&dump)], &[("CIRRUS_SETTINGS_FILE", text(&file))]);
    let says = |line: &str| told.contains(&format!("cirrus: {}:{line} counts\n", text(&file)));
    assert!(says(&format!("2: schema-dir = {}", text(&schema))) && says("3: cql-cluster-id = east"), "{told}");
    let exported = fs::read_to_string(&dump).unwrap();
    assert!(exported.contains("\"dm_keyspace\"") && !exported.contains("\"other\""), "without the id, and only these");
    succeeds(&["export", "--cluster-id", "west", text(&dump)], &[("CIRRUS_SETTINGS_FILE", text(&file))]);
    assert!(!fs::read_to_string(&dump).unwrap().contains("dm_keyspace"));
}

fn nowhere() {
    let directory = fresh_directory();
    let [file, empty, missing] = ["cirrus.toml", "empty", "missing"].map(|name| directory.path().join(name));
    fs::write(&file, "quota = [\"subnet=5\"]\n").unwrap();
    fs::create_dir(&empty).unwrap();
    let (file, empty, missing) = (text(&file), text(&empty), text(&missing));
    let dump = format!("{missing}/dump");
    for tool in [&["check"][..], &["migrate"], &["new-epoch"], &["export", &dump]] {
        let errors = refused(tool, &[("STATE_DIRECTORY", empty)], 2);
        assert_eq!(
            errors,
            format!(
                "cirrus: it is not known where the database is:\n  --database-url, CIRRUS_DATABASE_URL: not given\n  \
                 CIRRUS_SETTINGS_FILE=none: no settings file is read\n  the data directory {empty}: no server has ever run there\n"
            )
        );
        let errors = refused(&[tool, &["--settings-file", file]].concat(), &[("CIRRUS_DATA_DIR", missing)], 2);
        assert!(errors.contains(&format!("\n  --settings-file {file}: it says no database-url\n")), "{errors}");
        assert!(errors.ends_with(&format!("\n  CIRRUS_DATA_DIR={missing}: there is no such directory\n")), "{errors}");
    }
    // One that has stopped leaves the file.
    fs::write(format!("{empty}/lock"), "").unwrap();
    fs::write(format!("{empty}/database-url"), "postgresql://cirrus@127.0.0.1:1/cirrus\n").unwrap();
    let errors = refused(&["check", "--data-dir", empty], &[], 2);
    assert!(errors.ends_with(&format!("\n  --data-dir {empty}: no server runs there\n")), "{errors}");
    let lock = fs::File::open(format!("{empty}/lock")).unwrap();
    lock.lock().unwrap();
    let errors = refused(&["check", "--data-dir", empty], &[], 2);
    assert!(errors.contains("database cirrus at 127.0.0.1:1: no PostgreSQL listens there: "), "{errors}");
    fs::remove_file(format!("{empty}/database-url")).unwrap();
    let errors = refused(&["check", "--data-dir", empty], &[], 2);
    assert!(errors.contains("a server runs there, but has not said where its database is"), "{errors}");
}

fn wrong_files(server: &Server) {
    let directory = fresh_directory();
    let file = directory.path().join("cirrus.toml");
    for (says, expected) in [
        (
            "databse-url = \"postgresql://me:secret@db/x\"",
            ":1: databse-url: there is no such setting; is database-url meant?",
        ),
        (
            "database-url = \"mysql://me:secret@db/x\"",
            ":1: database-url = ...@db/x: postgresql://user:password@host/name is expected",
        ),
        ("\ndatabase-url = 5", ":2: database-url = ...: postgresql://user:password@host/name is expected"),
        ("database-url = \"postgresql://me:secret@db/x", ":1: "),
        ("cql-cluster-id = \"a b\"", ":1: cql-cluster-id = a b: 1 to 32 letters"),
    ] {
        fs::write(&file, says).unwrap();
        for tool in [&["check"][..], &["migrate"], &["new-epoch"], &["export", "dump"], &["import", "dump"]] {
            let errors =
                refused(tool, &[("CIRRUS_SETTINGS_FILE", text(&file)), ("STATE_DIRECTORY", text(directory.path()))], 2);
            assert!(errors.starts_with(&format!("cirrus: {}{expected}", text(&file))), "{says}: {errors}");
        }
    }
    for (unreadable, why) in [(text(directory.path()), "Is a directory"), ("/nowhere", "No such file")] {
        let errors =
            refused(&["check", "--settings-file", unreadable, "--data-dir", text(server.data_directory())], &[], 2);
        assert!(errors.starts_with(&format!("cirrus: --settings-file {unreadable}: {why}")), "{errors}");
    }
    // What needs no database needs no file.
    assert_eq!(succeeds(&["check", "--list"], &[("CIRRUS_SETTINGS_FILE", text(&file))]), "");
}

/// Without a server an import starts the private `PostgreSQL` of the directory that the file says.
fn into_a_directory() {
    let directory = fresh_directory();
    let [file, data, dump] = ["cirrus.toml", "data", "dump"].map(|name| directory.path().join(name));
    fs::write(&file, format!("data-dir = \"{}\"\n", data.display())).unwrap();
    fs::write(&dump, "{\"cassandra\": {\"config_db_uuid\": {}}}").unwrap();
    put_new_cluster(&data);
    let arguments = ["import", "--keyspaces-only", text(&dump)];
    let errors = refused(&arguments, &[("CIRRUS_SETTINGS_FILE", text(&file))], 1);
    let taken = format!("cirrus: the database is a private one in {}:1: data-dir = {}\n", text(&file), text(&data));
    assert!(errors.starts_with(&taken) && errors.contains("there are none: `cirrus migrate`"), "{errors}");
    assert!(data.join("database-url").exists(), "it has run");
}

fn told_in_words(cluster: &Cluster) {
    let directory = fresh_directory();
    let dump = directory.path().join("dump");
    let url = cluster.url();
    let place = |name: &str| format!("database {name} at {}: ", cluster.socket().parent().unwrap().display());
    cluster.execute("create role locked login password 'right'; create role outsider login; create role poor login");
    cluster.execute("revoke create on schema public from public");
    cluster.create_database_called("standing");
    cluster.execute("alter database standing set default_transaction_read_only = on");
    cluster.execute(
        "do $$ begin execute format(
            'copy (values (''local all locked scram-sha-256''), (''local all outsider reject''), (''local all all trust'')) to %L',
            current_setting('hba_file')); end $$",
    );
    cluster.execute("select pg_reload_conf()");
    let of = |role: &str, name: &str| {
        url.replace("//cirrus@", &format!("//{role}@")).replace("/cirrus?", &format!("/{name}?"))
    };
    let locked = of("locked:secret", "cirrus");
    wait_until("it asks for passwords", LIMIT, || {
        run(&["check", "--database-url", &locked], &[]).1.contains("password")
    });
    for (url, at, what) in [
        (
            of("cirrus", "killed"),
            place("killed"),
            "there is no database of this name there: database \"killed\" does not exist",
        ),
        (of("nobody", "cirrus"), place("cirrus"), "it does not let this role in: role \"nobody\" does not exist"),
        (of("outsider", "cirrus"), place("cirrus"), "it does not let this role in: pg_hba.conf rejects connection"),
        (
            locked.clone(),
            place("cirrus"),
            "it refuses the password: password authentication failed for user \"locked\"",
        ),
        (
            "postgresql://me:secret@127.0.0.1:1/nothing".to_owned(),
            "database nothing at 127.0.0.1:1: ".to_owned(),
            "no PostgreSQL listens there: Connection refused (os error 111)",
        ),
        (
            format!("postgresql://cirrus@localhost/cirrus?host={}", text(directory.path())),
            format!("database cirrus at {}: ", text(directory.path())),
            "there is no socket of a PostgreSQL there: No such file or directory (os error 2)",
        ),
    ] {
        for tool in [&["check"][..], &["migrate"], &["new-epoch"], &["export", text(&dump)], &["import", "dump"]] {
            // An import waits for these: they may be about to start.
            if tool[0] == "import" && what.contains("os error") {
                continue;
            }
            let (status, errors) = run(&[tool, &["--database-url", &url]].concat(), &[]);
            let errors = errors.lines().last().unwrap_or_default();
            assert!(matches!(status, Some(1 | 2)), "{tool:?}: {errors}");
            // What nobody but who has called it can change.
            let is_lasting =
                ["there is no database", "it does not let", "it refuses"].iter().any(|begin| what.starts_with(begin));
            assert!(!is_lasting || tool[0] == "export" || status == Some(2), "{tool:?}: {errors}");
            assert!(
                errors.starts_with(&format!("cirrus: {at}{what}")) && !errors.contains("secret"),
                "{tool:?}: {errors}"
            );
            assert!(!errors.contains(": arrival") && !errors.contains(": applied"), "{errors}");
        }
    }
    let errors = refused(&["migrate", "--database-url", &of("poor", "cirrus")], &[], 1);
    let expected = "migration: its role lacks a permission: permission denied for schema public";
    assert!(errors.starts_with(&format!("cirrus: {}{expected}", place("cirrus"))), "{errors}");
    let errors = refused(&["migrate", "--database-url", &of("cirrus", "standing")], &[], 1);
    let expected = "migration: it is read-only, or a standby: cannot execute CREATE TABLE in a read-only transaction";
    assert!(errors.starts_with(&format!("cirrus: {}{expected}", place("standing"))), "{errors}");
}

/// What an import can't go into is told before anybody is asked for anything.
fn import_looks_first(cluster: &Cluster) {
    let source = TcpListener::bind("127.0.0.1:0").unwrap();
    source.set_nonblocking(true).unwrap();
    let address = format!("http://{}", source.local_addr().unwrap());
    let is_asked = || !source.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    let url = |role: &str, name: &str| {
        cluster.url().replace("//cirrus@", &format!("//{role}@")).replace("/cirrus?", &format!("/{name}?"))
    };
    cluster.execute("create role reader login");
    for name in ["made", "earlier", "later"] {
        let url = cluster.create_database_called(name);
        succeeds(&["migrate", "--database-url", &url], &[]);
    }
    let execute = |name: &str, sql: &str| {
        let done = crate::support::postgresql::program("psql")
            .args([&url("cirrus", name), "--command", sql])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    execute("made", "grant select on all tables in schema public to reader; grant insert, delete on object to reader");
    execute("earlier", "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)");
    execute(
        "later",
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, '', true, '', 0)",
    );
    let created = cluster.create_database_called("closed");
    execute("closed", "revoke create on schema public from public");
    for (url, more, status, expected) in [
        (url("cirrus", "killed"), &[][..], 2, "there is no database of this name there"),
        (url("cirrus", "earlier"), &[], 1, "its tables are of an earlier release"),
        (url("cirrus", "earlier"), &["--dry-run"], 1, "its tables are of an earlier release"),
        (url("cirrus", "later"), &[], 2, "it was used by a newer release of Cirrus"),
        (created, &["--keyspaces-only"], 1, "there are none: `cirrus migrate`"),
        (
            url("cirrus", "standing"),
            &[],
            1,
            "it is read-only, or a standby: name the primary: nothing can be imported into it",
        ),
        (
            url("reader", "closed"),
            &[],
            1,
            "its role reader may make no tables there, no permission for schema public: nothing can",
        ),
        (
            url("reader", "made"),
            &[],
            1,
            "its role reader may not write into its tables address_hold, feed_sequence, idempotency_key, key_value, reference, \
             wide_keyspace, wide_row, wide_table, write_time_base: nothing can",
        ),
    ] {
        let errors = refused(&[&["import", "--database-url", &url, &address], more].concat(), &[], status);
        assert!(errors.contains(expected) && errors.lines().count() == 1, "{errors}");
        assert!(!is_asked(), "{expected}: the source was asked");
    }
    // And what it may go into, or would if it were to, is asked for.
    for (url, more) in [
        (url("cirrus", "made"), &[][..]),
        (url("cirrus", "closed"), &[]),
        (url("reader", "made"), &["--dry-run"]),
        (url("cirrus", "killed"), &["--dry-run", "--keyspaces-only"]),
    ] {
        let mut command = cirrus_program();
        command.args(["import", "--database-url", &url, &address]).args(more);
        let mut import = crate::support::Process::spawn(&mut command);
        wait_until("the source is asked", LIMIT, || {
            assert!(import.wait(Duration::ZERO).is_none(), "{}", import.errors());
            is_asked()
        });
        import.signal("KILL");
        import.wait(LIMIT);
    }
}
