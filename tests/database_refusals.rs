//! The database refuses for reasons of its own: that is told at once, by kind, and nothing was stored.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use tokio::task::block_in_place;

use crate::support::postgresql::Cluster;
use crate::support::{Answer, Api, Checks, Server};

/// What is refused at once takes no longer, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(4);

pub async fn what_the_database_refuses_is_told() {
    let cluster = block_in_place(|| {
        let cluster = Cluster::start("database", &[]);
        cluster.create_database();
        cluster
    });
    let mut database = PgConnection::connect(&cluster.url()).await.unwrap();
    // Limits do not hold for a superuser.
    let role = "create role ordinary login; grant all on database cirrus to ordinary; grant create on schema public to ordinary";
    raw_sql(role).execute(&mut database).await.unwrap();
    let server = block_in_place(|| Server::start_on(&cluster.url().replace("//cirrus@", "//ordinary@")));
    let setup = |database| Setup { api: server.api(), database };
    let connect = || async { PgConnection::connect(&cluster.url()).await.unwrap() };
    let mut checks = Checks::default();
    checks.run("a read-only database", read_only(setup(connect().await))).await;
    checks.run("a session that has become read-only", session_read_only(setup(connect().await))).await;
    checks.run("no connection left", no_connection_left(setup(connect().await))).await;
    checks.run("what a statement is refused with", statement_refused(setup(connect().await))).await;
    checks.run("a statement that takes too long", takes_too_long(setup(connect().await))).await;
    checks.run("what is worth another try gets one", another_try(setup(connect().await))).await;
    checks.finish();
}

struct Setup {
    api: Api,
    database: PgConnection,
}

impl Setup {
    async fn sql(&mut self, sql: &str) {
        raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.database).await.unwrap();
    }

    /// The server has to connect anew.
    async fn end_sessions(&mut self) {
        self.sql("select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = 'ordinary'").await;
    }

    /// A create that is refused at once with a text that says why, and leaves nothing.
    async fn is_refused(&mut self, name: &str, why: &str) {
        let begin = Instant::now();
        let answer = create(&self.api, name).await;
        assert!(begin.elapsed() < AT_ONCE, "{answer}: after {:?}", begin.elapsed());
        self.is_told(name, why, &answer).await;
    }

    async fn is_told(&mut self, name: &str, why: &str, answer: &Answer) {
        assert!(answer.status_is(503).text.contains(why), "{answer}: should say '{why}'");
        assert!(answer.text.ends_with("nothing was stored"), "{answer}");
        let query = "select count(*) from object where fq_name[3] = $1";
        let stored: i64 = sqlx::query_scalar(query).bind(name).fetch_one(&mut self.database).await.unwrap();
        assert_eq!(stored, 0, "{name} is stored");
    }

    async fn is_served_again(&mut self, name: &str) {
        create(&self.api, name).await.status_is(200);
        let begin = Instant::now();
        while self.api.get("/readyz").await.status != 200 {
            assert!(begin.elapsed() < Duration::from_secs(10), "not ready again");
        }
    }
}

fn name_of(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

async fn create(api: &Api, name: &str) -> Answer {
    let body = json!({"network-policy": {"fq_name": name_of(name), "parent_type": "project"}});
    api.post("/network-policys", &body).await
}

async fn read_only(mut setup: Setup) {
    create(&setup.api, "before").await.status_is(200);
    setup.sql("alter database cirrus set default_transaction_read_only = on").await;
    setup.end_sessions().await;
    setup.is_refused("read-only", "The database is read-only").await;
    setup.is_refused("read-only", "The database is read-only").await;
    setup.api.get("/network-policys").await.status_is(200);
    let ready = setup.api.get("/readyz?verbose").await;
    assert!(ready.status_is(503).text.contains("[-] writer: "), "{}", ready.text);
    assert!(ready.text.contains("read-only"), "{}", ready.text);
    // Nothing of the server is left that would be read-only for good.
    setup.sql("alter database cirrus reset default_transaction_read_only").await;
    setup.is_served_again("read-only").await;
}

/// What is set for all sessions is seen by those that are there.
async fn session_read_only(mut setup: Setup) {
    for name in ["alone-1", "alone-2"] {
        create(&setup.api, name).await.status_is(200);
    }
    setup.sql("alter system set default_transaction_read_only = on").await;
    setup.sql("select pg_reload_conf()").await;
    let begin = Instant::now();
    loop {
        let name = format!("reloaded-{}", begin.elapsed().as_micros());
        let answer = create(&setup.api, &name).await;
        if answer.status != 200 {
            setup.is_told(&name, "The database is read-only", &answer).await;
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "the setting is not seen");
    }
    setup.sql("set default_transaction_read_only = off").await;
    setup.sql("alter system reset default_transaction_read_only").await;
    setup.sql("select pg_reload_conf()").await;
    setup.end_sessions().await;
    setup.is_served_again("reloaded").await;
}

async fn no_connection_left(mut setup: Setup) {
    setup.sql("alter role ordinary connection limit 0").await;
    setup.end_sessions().await;
    // One may be sent before it is seen that its session has ended, and then nobody can be asked what became of it.
    let answer = create(&setup.api, "on its way").await;
    answer.status_is(503);
    setup.is_refused("left out", "The database has no connection left").await;
    setup.sql("alter role ordinary connection limit -1").await;
    setup.is_served_again("left out").await;
}

async fn statement_refused(mut setup: Setup) {
    setup
        .sql(
            "create function refuse() returns trigger language plpgsql as
                $$ begin raise exception 'refused' using errcode = tg_argv[0]; end $$",
        )
        .await;
    for (code, why) in [
        ("53100", "no room left on its disk"),
        ("53200", "no memory left"),
        ("53400", "a limit of its resources"),
        ("57014", "took too long, or was told to give up"),
        ("40001", "could not put it in order"),
        ("42501", "does not allow it"),
        ("P0001", "The database refuses: refused"),
    ] {
        let name = format!("refused-{code}");
        let trigger = format!("create trigger refuse before insert on object execute function refuse('{code}')");
        setup.sql(&trigger).await;
        setup.is_refused(&name, why).await;
        setup.sql("drop trigger refuse on object").await;
        // At the commit, when everything has been written.
        let deferred = format!(
            "create constraint trigger refuse after insert on object deferrable initially deferred
                for each row execute function refuse('{code}')"
        );
        setup.sql(&deferred).await;
        setup.is_refused(&name, why).await;
        setup.sql("drop trigger refuse on object").await;
        setup.is_served_again(&name).await;
    }
}

async fn takes_too_long(mut setup: Setup) {
    setup
        .sql(
            "create function stall() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return null; end $$;
             create trigger stall before insert on object execute function stall()",
        )
        .await;
    let begin = Instant::now();
    let answer = create(&setup.api, "slow").await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{answer}: after {:?}", begin.elapsed());
    setup.is_told("slow", "took too long", &answer).await;
    setup.sql("drop trigger stall on object").await;
    setup.is_served_again("slow").await;
}

async fn another_try(mut setup: Setup) {
    setup
        .sql(
            "create sequence tries;
             grant usage on sequence tries to ordinary;
             create function sometimes() returns trigger language plpgsql as $$ begin
                if nextval('tries') % 2 = 1 then raise exception 'not now' using errcode = '40001'; end if;
                return null;
             end $$;
             create trigger sometimes before insert on object execute function sometimes()",
        )
        .await;
    for name in ["once", "again"] {
        create(&setup.api, name).await.status_is(200);
    }
    setup.sql("drop trigger sometimes on object").await;
}
