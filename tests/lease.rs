//! The only server answers reads from its memory. When another one writes, its permission has run out before that is
//! answered, however long the database takes to take it away, and whoever did.
//!
//! `CIRRUS_LEASE_ROUNDS` is how many times the permission is taken away, 6 by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection, raw_sql};
use tokio::task::{JoinSet, block_in_place};

use crate::support::postgresql::Cluster;
use crate::support::{Api, Server};

/// How long the commit takes that takes the name away: longer than anybody waits when it was fast.
const STALL: &str = "
    create function stall() returns trigger language plpgsql as $$ begin perform pg_sleep(1.2); return null; end $$;
    create constraint trigger stall after update on feed_sequence deferrable initially deferred
        for each row when (old.sole is not null and new.sole is null) execute function stall();";

/// A read of the first server that asks the database shows in its session for that, which is not the one with the lock that
/// says that a server runs.
const LAST_QUESTION: &str = "select coalesce(max(query_start)::text, '') from pg_stat_activity asked
    where usename = 'cirrus' and application_name = 'cirrus' and query like 'select last_rev%'
          and not exists (select from pg_locks where pid = asked.pid and locktype = 'advisory')";

struct Value {
    path: String,
    first: Api,
    /// The last one that was written and answered.
    answered: AtomicU64,
    done: AtomicBool,
}

impl Value {
    /// Reads it on the first server, which has to know what was answered before.
    async fn read(&self) {
        let known = self.answered.load(Ordering::SeqCst);
        let policy = self.first.get(&self.path).await.ok();
        let read: u64 = policy["network-policy"]["display_name"].as_str().unwrap().parse().unwrap();
        assert!(read >= known, "{read} was read when {known} was written and answered");
    }
}

pub async fn no_read_is_stale_when_another_server_takes_over() {
    let rounds: u64 = std::env::var("CIRRUS_LEASE_ROUNDS").map_or(6, |text| text.parse().expect("CIRRUS_LEASE_ROUNDS"));
    let cluster = block_in_place(|| {
        let cluster = Cluster::start("database", &[]);
        cluster.create_database();
        cluster
    });
    let mut connection = PgConnection::connect(&cluster.url()).await.unwrap();
    raw_sql("create role other superuser login").execute(&mut connection).await.unwrap();
    let first = block_in_place(|| Server::start_on(&cluster.url()));
    let name = loop {
        let named: Option<uuid::Uuid> =
            sqlx::query_scalar("select sole from feed_sequence").fetch_one(&mut connection).await.unwrap();
        if let Some(name) = named {
            break name;
        }
    };
    // As another role, so that the sessions of the two can be told apart.
    let second = block_in_place(|| Server::start_on(&cluster.url().replace("//cirrus@", "//other@")));
    let fq_name = json!(["default-domain", "default-project", "lease"]);
    let body = json!({"network-policy": {"fq_name": fq_name, "parent_type": "project", "display_name": "0"}});
    let made = second.api().post("/network-policys", &body).await.ok();
    let path = format!("/network-policy/{}", made["network-policy"]["uuid"].as_str().unwrap());
    let value = Arc::new(Value { path, first: first.api(), answered: AtomicU64::new(0), done: AtomicBool::new(false) });
    raw_sql(STALL).execute(&mut connection).await.unwrap();

    for round in 1..=rounds {
        // As the first server does when it is alone.
        let claim = format!("update feed_sequence set sole = '{name}', freed = null");
        raw_sql(sqlx::AssertSqlSafe(claim)).execute(&mut connection).await.unwrap();
        wait_for_the_lease(&value, &mut connection).await;
        let mut readers = JoinSet::new();
        value.done.store(false, Ordering::SeqCst);
        for _ in 0..2 {
            let value = Arc::clone(&value);
            readers.spawn(async move {
                while !value.done.load(Ordering::SeqCst) {
                    value.read().await;
                }
            });
        }
        if round % 2 == 0 {
            // A server that takes the name away and dies.
            let free = "update feed_sequence set sole = null, freed = gen_random_uuid()";
            raw_sql(free).execute(&mut connection).await.unwrap();
        }
        let body = json!({"network-policy": {"display_name": round.to_string()}});
        second.api().put(&value.path, &body).await.ok();
        value.answered.store(round, Ordering::SeqCst);
        for _ in 0..20 {
            value.read().await;
        }
        value.done.store(true, Ordering::SeqCst);
        readers.join_all().await;
    }
}

/// Until the first server answers without asking.
async fn wait_for_the_lease(value: &Value, connection: &mut PgConnection) {
    for _ in 0..2000 {
        let before: String = sqlx::query_scalar(LAST_QUESTION).fetch_one(&mut *connection).await.unwrap();
        value.read().await;
        let after: String = sqlx::query_scalar(LAST_QUESTION).fetch_one(&mut *connection).await.unwrap();
        if before == after {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the first server asks the database for each read, though it has the name");
}
