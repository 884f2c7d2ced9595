#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what runs is asked as anybody may")]

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    time::Duration,
};

use sqlx::{Connection, Executor, PgConnection, Row};
use tempfile::TempDir;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{PrivateError, PrivatePostgres};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A directory that the user postgres may enter too, for when the tests run as root.
fn temporary_directory() -> std::io::Result<TempDir> {
    let directory = TempDir::new()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

/// Starts it where nobody wants to stop.
async fn start(directory: &Path) -> Result<PrivatePostgres, PrivateError> {
    let (_stopping, stop) = watch::channel(false);
    PrivatePostgres::start(directory, stop).await
}

async fn query(server: &PrivatePostgres, text: &'static str) -> Result<String, sqlx::Error> {
    let mut connection = PgConnection::connect(&server.database_url()).await?;
    let value = connection.fetch_one(text).await?.try_get(0)?;
    connection.close().await?;
    Ok(value)
}

/// Asks until there is an answer.
async fn query_until_answered(server: &PrivatePostgres, text: &'static str) -> Result<String, sqlx::Error> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match query(server, text).await {
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
            result => return result,
        }
    }
}

fn postmaster(directory: &Path) -> std::io::Result<String> {
    let text = fs::read_to_string(directory.join("cluster/postmaster.pid"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn kill(process: &str) -> std::io::Result<bool> {
    let status = std::process::Command::new("/bin/sh").args(["-c", "kill -9 \"$1\"", "sh", process]).status()?;
    Ok(status.success())
}

/// Leaves a server in the state that a SIGKILL of our process leaves it in: PostgreSQL goes on, nobody watches it,
/// the lock is free.
async fn abandon(server: PrivatePostgres) {
    if let Some(task) = server.supervisor.lock().await.take() {
        task.abort();
        let _ = task.await;
    }
    server.running.stopped.store(true, std::sync::atomic::Ordering::Relaxed);
}

#[tokio::test]
async fn keeps_what_is_written_over_a_restart() -> TestResult {
    let parent = temporary_directory()?;
    let directory = parent.path().join("a directory/of mine");
    let server = start(&directory).await?;
    assert_eq!(query(&server, "select 1::text").await?, "1");
    assert_eq!(query(&server, "show data_checksums").await?, "on");
    assert_eq!(query(&server, "show server_encoding").await?, "UTF8");
    assert_eq!(query(&server, "select datcollate from pg_database where datname = 'cirrus'").await?, "C");
    assert_eq!(query(&server, "show fsync").await?, "on");
    assert_eq!(query(&server, "show listen_addresses").await?, "");
    assert_eq!(query(&server, "select current_user || current_database()").await?, "cirruscirrus");
    let mut connection = PgConnection::connect(&server.database_url()).await?;
    connection.execute("create table kept as select 'here'::text as value").await?;
    connection.close().await?;
    let url = fs::read_to_string(directory.join("database-url"))?;
    assert_eq!(url, format!("{}\n", server.database_url()));
    assert!(server.database_url().starts_with("postgresql://cirrus@localhost:5432/cirrus?host=%2F"));
    people_may_read_and_no_more(&directory).await?;
    server.stop().await?;
    server.stop().await?;
    assert!(query(&server, "select 1::text").await.is_err());
    assert!(postmaster(&directory).is_err(), "PostgreSQL is gone");
    drop(server);

    let server = start(&directory).await?;
    assert_eq!(query(&server, "select value from kept").await?, "here");
    server.stop().await?;
    Ok(())
}

/// With the URL that is for people: reads everything, also what is made later; changes nothing, also if it wants to.
async fn people_may_read_and_no_more(directory: &Path) -> TestResult {
    let url = fs::read_to_string(directory.join("database-url-read-only"))?;
    let mut reader = PgConnection::connect(url.trim()).await?;
    let value: String = reader.fetch_one("select value from kept").await?.try_get(0)?;
    assert_eq!(value, "here");
    for change in ["update kept set value = 'gone'", "create table mine ()", "set role cirrus", "delete from kept"] {
        let refused = reader.execute(change).await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("read-only") || refused.contains("permission denied"), "{change}: {refused}");
        reader.execute("set default_transaction_read_only = off").await?;
    }
    reader.close().await?;
    Ok(())
}

#[tokio::test]
async fn an_empty_postmaster_pid_is_no_obstacle() -> TestResult {
    let parent = temporary_directory()?;
    start(parent.path()).await?.stop().await?;
    for text in ["", "\n", "0\n", "nobody\n"] {
        fs::write(parent.path().join("cluster/postmaster.pid"), text)?;
        let server = start(parent.path()).await?;
        assert_eq!(query(&server, "select 1::text").await?, "1");
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn comes_back_when_it_is_killed() -> TestResult {
    let parent = temporary_directory()?;
    let server = start(parent.path()).await?;
    let directory = fs::canonicalize(parent.path())?;
    for _ in 0..2 {
        let before = postmaster(&directory)?;
        assert!(kill(&before)?);
        // A pooled client may still be answered by a leftover process; a new connection is not.
        assert_eq!(query_until_answered(&server, "select 1::text").await?, "1");
        assert_ne!(postmaster(&directory)?, before);
    }
    server.stop().await?;
    Ok(())
}

#[tokio::test]
async fn one_server_a_directory() -> TestResult {
    let parent = temporary_directory()?;
    let server = start(parent.path()).await?;
    let directory = fs::canonicalize(parent.path())?;
    let refused = start(parent.path()).await;
    let Err(error @ PrivateError::InUse { .. }) = refused else {
        return Err("a second server was let in".into());
    };
    let text = error.to_string();
    assert!(text.contains(&directory.display().to_string()), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert_eq!(query(&server, "select 1::text").await?, "1");
    server.stop().await?;
    drop(server);
    start(parent.path()).await?.stop().await?;
    Ok(())
}

#[tokio::test]
async fn stops_the_orphan_of_a_killed_server() -> TestResult {
    let parent = temporary_directory()?;
    let server = start(parent.path()).await?;
    let directory = fs::canonicalize(parent.path())?;
    let orphan = postmaster(&directory)?;
    abandon(server).await;
    assert_eq!(postmaster(&directory)?, orphan, "it goes on");

    let server = start(parent.path()).await?;
    assert_ne!(postmaster(&directory)?, orphan);
    assert_eq!(query(&server, "select 1::text").await?, "1");
    server.stop().await?;
    Ok(())
}

#[tokio::test]
async fn ends_what_a_killed_postmaster_leaves_at_work() -> TestResult {
    let parent = temporary_directory()?;
    let server = start(parent.path()).await?;
    let directory = fs::canonicalize(parent.path())?;
    let mut busy = PgConnection::connect(&server.database_url()).await?;
    // A computation that never waits does not notice that the postmaster is gone.
    let busy = tokio::spawn(async move { busy.execute("select count(*) from generate_series(1, 1e11)").await });
    let active = "select count(*)::text from pg_stat_activity where state = 'active' and query like '%1e11%'
         and pid <> pg_backend_pid()";
    let deadline = Instant::now() + Duration::from_secs(20);
    while query(&server, active).await? == "0" && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    let process = postmaster(&directory)?;
    abandon(server).await;
    assert!(kill(&process)?);

    let server = start(parent.path()).await?;
    assert_eq!(query(&server, "select 1::text").await?, "1");
    assert!(busy.await?.is_err());
    server.stop().await?;
    Ok(())
}

#[tokio::test]
async fn is_not_confused_by_the_number_of_another_process() -> TestResult {
    let parent = temporary_directory()?;
    start(parent.path()).await?.stop().await?;
    let cluster = fs::canonicalize(parent.path())?.join("cluster");
    // Some other process, running as the same user as PostgreSQL, that has got the number of the old postmaster.
    let uid = fs::metadata(&cluster)?.uid();
    let mut command = std::process::Command::new("sleep");
    command.arg("600").current_dir("/");
    if fs::metadata(parent.path())?.uid() != uid {
        command.uid(uid);
    }
    let mut other = command.spawn()?;
    let text = format!("{}\n{}\n1700000000\n5432\n/nowhere\n\n  1234  5678\nready\n", other.id(), cluster.display());
    fs::write(cluster.join("postmaster.pid"), text)?;

    let server = start(parent.path()).await?;
    assert_eq!(query(&server, "select 1::text").await?, "1");
    assert!(other.try_wait()?.is_none(), "the other process was left alone");
    server.stop().await?;
    other.kill()?;
    other.wait()?;
    Ok(())
}

#[tokio::test]
async fn long_paths_have_their_socket_elsewhere() -> TestResult {
    let parent = temporary_directory()?;
    let directory = parent.path().join("long".repeat(30));
    let server = start(&directory).await?;
    assert!(server.database_url().contains("?host=%2Ftmp%2Fcirrus-"), "{}", server.database_url());
    assert_eq!(query(&server, "select 1::text").await?, "1");
    let socket = server.running.cluster.socket_directory().to_owned();
    server.stop().await?;
    assert!(!socket.exists());
    Ok(())
}

#[tokio::test]
async fn says_what_is_wrong_with_a_directory() -> TestResult {
    let parent = temporary_directory()?;
    let cluster = parent.path().join("cluster");
    fs::create_dir(&cluster)?;
    let error = start(parent.path()).await.err();
    assert!(matches!(error, Some(PrivateError::NotACluster { .. })), "{error:?}");

    fs::write(cluster.join("PG_VERSION"), "9\n")?;
    let error = start(parent.path()).await.err().map(|error| error.to_string());
    let error = error.unwrap_or_default();
    assert!(error.contains("made by PostgreSQL 9") && error.contains("nstall"), "{error}");
    Ok(())
}

#[tokio::test]
async fn shows_the_log_when_it_does_not_start() -> TestResult {
    let parent = temporary_directory()?;
    start(parent.path()).await?.stop().await?;
    fs::write(parent.path().join("cluster/postgresql.conf"), "no_such_setting = 1\n")?;
    let error = start(parent.path()).await.err().map(|error| error.to_string());
    let error = error.unwrap_or_default();
    assert!(error.contains("no_such_setting"), "{error}");
    assert!(error.contains("postgresql.log"), "{error}");
    Ok(())
}

#[tokio::test]
async fn stops_when_it_is_dropped() -> TestResult {
    let parent = temporary_directory()?;
    let server = start(parent.path()).await?;
    let directory = fs::canonicalize(parent.path())?;
    drop(server);
    let deadline = Instant::now() + Duration::from_secs(20);
    while postmaster(&directory).is_ok() && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(postmaster(&directory).is_err());
    Ok(())
}
