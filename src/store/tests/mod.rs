//! On a real PostgreSQL.

mod plans;
mod queue;
mod wide_rows;

use super::{Database, Failure, Session, StoreError, append::name_digest, make_until, operation::*};
use crate::{graph::FqName, model::Model, private_postgresql::PrivatePostgres};
use sqlx::raw_sql;
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};
use uuid::Uuid;

/// A database with all tables, for a test.
struct Place {
    database: Database,
    postgresql: PrivatePostgres,
    _directory: tempfile::TempDir,
}

impl Place {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (_never, stop) = tokio::sync::watch::channel(false);
        let postgresql = PrivatePostgres::start(directory.path(), stop).await.unwrap();
        let database = Database::new(&postgresql.database_url()).unwrap();
        database.migrate(&Model::embedded().unwrap()).await.unwrap();
        let mut session = database.connect(PARTITIONS).await.unwrap();
        make_until(&mut session, 100_000, 100_000, Duration::from_secs(3)).await.unwrap();
        Self { database, postgresql, _directory: directory }
    }

    async fn session(&self) -> Session {
        self.database.connect_patiently(CHECK).await.unwrap()
    }
}

#[test]
fn an_answer_that_does_not_come_is_told_with_its_question() {
    let late = |operation: Operation| StoreError::late(operation, operation.answer_within);
    assert_eq!(late(HEARTBEAT).to_string(), "the database did not answer within 3 s: heartbeat");
    assert_eq!(late(TURN).to_string(), "the database did not answer within 4.5 s: turn to write");
    for (operation, again) in
        [(FRESHNESS, true), (TURN, true), (BATCH, true), (COMMIT, false), (KEY_VALUES_WRITE, false), (HEARTBEAT, false)]
    {
        assert_eq!(late(operation).failure(), Failure::Connection);
        assert_eq!(late(operation).is_worth_another_try(), again, "{}", operation.name);
    }
}

/// The server and the step that made the column agree on what is in it.
#[tokio::test]
async fn names_have_the_digest_that_the_tables_make() {
    let place = Place::start().await;
    let mut session = place.session().await;
    let model = Model::embedded().unwrap();
    let names: [&[&str]; 6] = [
        &["a"],
        &["target:64512:1"],
        &["a", "b", "c"],
        &["", ""],
        &["it's \"\\{}\",", "b"],
        &["Zürich \u{1f310}", "網路"],
    ];
    for kind in model.types().iter().take(3) {
        for elements in names {
            let made: Uuid = session
                .value(sqlx::query("select object_name_digest($1, $2)").bind(&kind.name).bind(elements))
                .await
                .unwrap();
            assert_eq!(name_digest(kind, &FqName::new(elements)), made, "{} {elements:?}", kind.name);
        }
    }
    place.postgresql.stop().await.unwrap();
}

/// An operation, what it waits for in vain, and what a client is told.
const HELD_UP: [(Operation, &str, &str); 3] = [
    (TURN, "select from feed_sequence for update", "another session has the turn to write and does not end it"),
    (PARTITIONS, "select from change", "another session has locked the parts of the log"),
    (LOAD, "select from object", "another session has locked what this needs"),
];

#[tokio::test]
async fn who_holds_up_a_question_is_told_by_what_it_needs() {
    let place = Place::start().await;
    let mut other = place.session().await;
    let mut held = other.begin().await.unwrap();
    held.execute(raw_sql("lock table feed_sequence, change, object in access exclusive mode")).await.unwrap();
    for (operation, question, told) in HELD_UP {
        let mut session = place.database.connect(operation).await.unwrap();
        session.execute(raw_sql("set lock_timeout = '10ms'")).await.unwrap();
        let error = session.execute(raw_sql(question)).await.unwrap_err();
        assert_eq!(error.failure(), Failure::Refused);
        assert!(error.told().contains(told), "{}", error.told());
        assert!(error.to_string().ends_with(operation.name), "{error}");
    }
    held.roll_back().await.unwrap();
    place.postgresql.stop().await.unwrap();
}
