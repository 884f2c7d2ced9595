//! The database does not answer: its host is gone, the link is down, or a process of it is stopped. Its connections stay open
//! and say nothing. Requests are answered all the same, in time and truly, and as soon as a new connection is to be had all goes on.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, raw_sql};
use tokio::task::block_in_place;

use crate::support::proxy::{Behind, Flow, NewOnes};
use crate::support::{Answer, Api, Checks, Process, Server, send_signal};

/// Within this time each request is answered.
const ANSWERED: Duration = Duration::from_secs(10);
/// Within this time it is done again what is asked for, from when a new connection is to be had.
const SERVED_AGAIN: Duration = Duration::from_secs(5);
/// Within this time a server ends that was told to.
const STOPPED: Duration = Duration::from_secs(10);
/// A moment for what is not the server's: the machine is busy.
const A_MOMENT: Duration = Duration::from_secs(2);
const NOT_KNOWN: &str = "it is not known whether the request was stored";

/// Each check has a database and servers of its own, and waits most of the time: three go side by side.
pub async fn nobody_hangs_with_the_database() {
    let connections = async {
        let mut checks = Checks::default();
        checks.run("connections that are there are swallowed, new ones work", old_connections(Flow::Nothing)).await;
        checks.run("questions arrive, answers do not come back", old_connections(Flow::Questions)).await;
        checks.run("two servers, one of them cut off with the turn to write", one_of_two_is_cut_off()).await;
        checks.run("local reads go on", local_reads_go_on()).await;
        checks
    };
    let all = async {
        let mut checks = Checks::default();
        checks.run("everything is swallowed, and let go", everything(NewOnes::Swallowed)).await;
        checks.run("everything is swallowed, new connections are refused", everything(NewOnes::Refused)).await;
        checks.run("a stop does not wait for it", stops_all_the_same()).await;
        checks
    };
    let sessions = async {
        let mut checks = Checks::default();
        checks.run("the session of the writer is stopped", the_writers_session_is_stopped()).await;
        checks.run("what was said not to be stored is not stored later", nothing_comes_later()).await;
        checks.run("another session does not end its turn", the_turn_is_not_to_be_had()).await;
        checks
    };
    let (mut checks, all, sessions) = tokio::join!(connections, all, sessions);
    checks.add(all);
    checks.add(sessions);
    checks.finish();
}

impl Behind {
    /// Waits until the server is the only one, whose writes are one statement each.
    async fn alone(&mut self) {
        let mut database = self.database().await;
        let query = "select sole is not null from feed_sequence";
        while !sqlx::query_scalar::<_, bool>(query).fetch_one(&mut database).await.unwrap() {}
        for name in ["first", "second"] {
            create(&self.server.api(), name).await.ok();
        }
    }
}

/// The process that serves the session in which the server writes, each batch with one statement.
async fn writing_process(api: &Api, database: &mut PgConnection) -> u32 {
    let query = "select pid from pg_stat_activity where query like 'with turn as%' and application_name = 'cirrus'";
    for number in 0..200 {
        // While the machine is busy it may not be the only server for a moment, and takes its turn as one of several would.
        create(api, &format!("written-{number}")).await.status_is(200);
        if let Some(process) = sqlx::query_scalar::<_, i32>(query).fetch_optional(&mut *database).await.unwrap() {
            return u32::try_from(process).unwrap();
        }
    }
    panic!("the server does not write as the only one");
}

fn name_of(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

fn policy(name: &str) -> Value {
    json!({"network-policy": {"fq_name": name_of(name), "parent_type": "project"}})
}

async fn create(api: &Api, name: &str) -> Answer {
    in_time(&format!("the create of {name}"), api.post("/network-policys", &policy(name))).await
}

async fn read(api: &Api) -> Answer {
    in_time("a read", api.get("/network-policys")).await
}

async fn in_time(what: &str, answer: impl Future<Output = Answer>) -> Answer {
    let begin = Instant::now();
    let answer = answer.await;
    assert!(begin.elapsed() < ANSWERED + A_MOMENT, "{what} took {:?}: {answer}", begin.elapsed());
    answer
}

/// Asks again and again until it is done, which has to be soon.
async fn served_again(api: &Api, name: &str) {
    let begin = Instant::now();
    loop {
        let (read, written) = tokio::join!(read(api), create(api, name));
        if written.status == 200 && read.status == 200 {
            break;
        }
        if written.text.contains(NOT_KNOWN) && api.find("network-policy", &name_of(name)).await.is_some() {
            break;
        }
        assert!(begin.elapsed() < SERVED_AGAIN + A_MOMENT, "still: {read}; {written}");
    }
    let took = begin.elapsed();
    assert!(took < SERVED_AGAIN + A_MOMENT, "served again after {took:?}");
}

async fn ready(api: &Api) -> Answer {
    api.get("/readyz?verbose").await
}

async fn ready_again(api: &Api) {
    let begin = Instant::now();
    loop {
        let answer = ready(api).await;
        if answer.status == 200 {
            return;
        }
        assert!(begin.elapsed() < ANSWERED, "still not ready: {}", answer.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn old_connections(flow: Flow) {
    let mut setup = Behind::start();
    let api = setup.server.api();
    setup.alone().await;
    api.post("/useragent-kv", &json!({"operation": "STORE", "key": "k", "value": "1"})).await.status_is(200);
    setup.proxy.swallow(flow);
    let store = json!({"operation": "STORE", "key": "k", "value": "2"});
    let (read, written, kept) =
        tokio::join!(read(&api), create(&api, "swallowed"), in_time("a store", api.post("/useragent-kv", &store)));
    read.status_is(200);
    written.status_is(200);
    kept.status_is(200);
    create(&api, "swallowed").await.status_is(409);
    ready_again(&api).await;
    create(&api, "after").await.status_is(200);
    setup.proxy.let_go();
    create(&api, "at last").await.status_is(200);
}

/// The one that is cut off gets the lock of the row in that very moment, and its session stays there: the database does not notice.
async fn one_of_two_is_cut_off() {
    let mut setup = Behind::start();
    let other = block_in_place(|| Server::start_on(&setup.cluster.url()));
    let (api, other_api) = (setup.server.api(), other.api());
    create(&other_api, "before").await.status_is(200);
    create(&api, "before that, too").await.status_is(200);
    let (mut holder, mut database) = (setup.database().await, setup.database().await);
    let mut transaction = holder.begin().await.unwrap();
    raw_sql("select from feed_sequence for update").execute(&mut *transaction).await.unwrap();
    let cut_off = {
        let api = api.clone();
        tokio::spawn(async move { create(&api, "cut off").await })
    };
    let waits = "select exists (select from pg_stat_activity
        where application_name = 'cirrus' and wait_event_type = 'Lock' and query like '%for update')";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut database).await.unwrap() {}
    setup.proxy.swallow(Flow::Nothing);
    transaction.rollback().await.unwrap();
    cut_off.await.unwrap().status_is(200);
    create(&other_api, "cut off").await.status_is(409);
    create(&other_api, "at last").await.status_is(200);
    read(&api).await.status_is(200);
}

async fn everything(new_ones: NewOnes) {
    let mut setup = Behind::start();
    let api = setup.server.api();
    setup.alone().await;
    setup.proxy.new_connections(new_ones);
    setup.proxy.swallow(Flow::Nothing);
    let write = create(&api, "swallowed").await;
    let store = json!({"operation": "STORE", "key": "k", "value": "v"});
    let (read, written, kept, changes) = tokio::join!(
        read(&api),
        create(&api, "later"),
        in_time("a store", api.post("/useragent-kv", &store)),
        in_time("changes", api.get("/changes?since=oldest")),
    );
    // On a busy machine the server may have noticed before it sent anything.
    let is_unknown = write.status_is(503).text.contains(NOT_KNOWN);
    // By then nothing is sent any more.
    assert!(!written.status_is(503).text.contains(NOT_KNOWN), "{written}");
    for answer in [&read, &kept, &changes] {
        answer.status_is(503);
    }
    let not_ready = ready(&api).await;
    assert!(not_ready.status_is(503).text.contains("[-] replica: the heartbeat has missed"), "{}", not_ready.text);
    api.get("/healthz").await.status_is(200);

    setup.proxy.new_connections(NewOnes::Work);
    served_again(&api, "served again").await;
    ready_again(&api).await;
    assert_eq!(api.find("network-policy", &name_of("later")).await, None, "nothing was stored, it said");
    let before = api.find("network-policy", &name_of("swallowed")).await;
    assert!(is_unknown || before.is_none(), "{write}: it said that nothing was stored");
    // The old connections say what they had to say.
    setup.proxy.let_go();
    create(&api, "at last").await.status_is(200);
    assert_eq!(api.find("network-policy", &name_of("swallowed")).await, before);
}

async fn local_reads_go_on() {
    let setup = Behind::start();
    let url = setup.proxy.database_url();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database-url", &url, "--read-consistency", "local"];
    let local = Process::start(&arguments);
    let line = local.next_line(Duration::from_mins(1)).unwrap();
    let api = Api::new(line.strip_prefix("cirrus is ready at ").unwrap());
    let fresh = read(&api).await;
    assert!(!fresh.headers.contains_key("x-cirrus-stale"), "{fresh}");
    setup.proxy.new_connections(NewOnes::Swallowed);
    setup.proxy.swallow(Flow::Nothing);
    for _ in 0..5 {
        let begin = Instant::now();
        let stale = read(&api).await;
        stale.status_is(200);
        assert_eq!(stale.headers["x-cirrus-stale"], "true", "{stale}");
        assert!(begin.elapsed() < SERVED_AGAIN, "{:?}", begin.elapsed());
    }
    setup.proxy.let_go();
    served_again(&api, "served again").await;
    assert!(!read(&api).await.headers.contains_key("x-cirrus-stale"));
    drop(local);
}

async fn stops_all_the_same() {
    let mut setup = Behind::start();
    let api = setup.server.api();
    setup.alone().await;
    setup.proxy.new_connections(NewOnes::Swallowed);
    setup.proxy.swallow(Flow::Nothing);
    // One that is on its way for a while, and others that have just begun.
    let early = {
        let api = api.clone();
        tokio::spawn(async move { create(&api, "early").await })
    };
    while ready(&api).await.status == 200 {}
    let late = {
        let api = api.clone();
        tokio::spawn(async move {
            let body = policy("late");
            tokio::join!(
                api.send("GET", "/network-policys", &[], None),
                api.try_json("POST", "/network-policys", &body)
            )
        })
    };
    let watcher = tokio::spawn(async move { api.send("GET", "/changes?since=now&wait=60", &[], None).await });
    let begin = Instant::now();
    let status = block_in_place(|| setup.server.terminate());
    assert!(begin.elapsed() < STOPPED, "it took {:?}; log:\n{}", begin.elapsed(), setup.server.log());
    assert_eq!(status.code(), Some(0), "log:\n{}", setup.server.log());
    early.await.unwrap().status_is(503);
    // What came too late may get no answer at all.
    drop((late.await.unwrap(), watcher.await.unwrap()));
}

async fn the_writers_session_is_stopped() {
    let mut setup = Behind::start();
    let api = setup.server.api();
    setup.alone().await;
    let mut database = setup.database().await;
    let process = writing_process(&api, &mut database).await;
    send_signal("STOP", &[process]);
    let begin = Instant::now();
    let write = {
        let api = api.clone();
        tokio::spawn(async move { create(&api, "while it is stopped").await })
    };
    let mut was_not_ready = false;
    while !write.is_finished() {
        let answer = ready(&api).await;
        if answer.status == 503 {
            was_not_ready = true;
            assert!(answer.text.contains("[-] writer: a batch has been on its way"), "{}", answer.text);
        }
    }
    write.await.unwrap().status_is(200);
    assert!(was_not_ready, "it was ready all the time; the write took {:?}", begin.elapsed());
    create(&api, "while it is stopped").await.status_is(409);
    create(&api, "meanwhile").await.status_is(200);
    ready_again(&api).await;
    let position = api.position().await;
    send_signal("CONT", &[process]);
    create(&api, "when it goes on").await.status_is(200);
    let answer = api.get(&format!("/changes?since={position}")).await.ok();
    assert_eq!(answer["changes"].as_array().unwrap().len(), 1, "{answer}");
}

/// A statement waits in a stopped process; whoever sent it is told that nothing was stored, because what came after it was
/// refused. When the process goes on it finds its turn over.
async fn nothing_comes_later() {
    let mut setup = Behind::start();
    let api = setup.server.api();
    setup.alone().await;
    let mut database = setup.database().await;
    let process = writing_process(&api, &mut database).await;
    send_signal("STOP", &[process]);
    raw_sql(
        "create function refuse() returns trigger language plpgsql as
            $$ begin raise exception 'no' using errcode = '53100'; end $$;
         create trigger refuse before insert on object execute function refuse()",
    )
    .execute(&mut database)
    .await
    .unwrap();
    let refused = create(&api, "never").await;
    assert!(refused.status_is(503).text.contains("nothing was stored"), "{refused}");
    raw_sql("drop trigger refuse on object").execute(&mut database).await.unwrap();
    send_signal("CONT", &[process]);
    // It has read what waited for it when it is gone.
    while Path::new(&format!("/proc/{process}")).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stored: i64 = sqlx::query_scalar("select count(*) from object where fq_name[3] = 'never'")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(stored, 0, "it was said that nothing was stored");
    create(&api, "never").await.status_is(200);
}

async fn the_turn_is_not_to_be_had() {
    let mut setup = Behind::start();
    let api = setup.server.api();
    setup.alone().await;
    let mut database = setup.database().await;
    let mut transaction = database.begin().await.unwrap();
    raw_sql("select from feed_sequence for update").execute(&mut *transaction).await.unwrap();
    let mut told = Vec::new();
    // On a busy machine the time that a request may take can be over before the database says why.
    while !told.iter().any(|text: &String| text.contains("another session has the turn to write")) {
        assert!(told.len() < 5, "nobody says why: {told:?}");
        let refused = create(&api, "held up").await;
        assert!(refused.status_is(503).text.contains("nothing was stored"), "{refused}");
        told.push(refused.text);
    }
    read(&api).await.status_is(200);
    let not_ready = ready(&api).await;
    assert!(not_ready.status_is(503).text.contains("[-] writer: "), "{}", not_ready.text);
    transaction.rollback().await.unwrap();
    ready_again(&api).await;
    create(&api, "held up").await.status_is(200);
}
