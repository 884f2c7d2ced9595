//! A request that has a key is done once, however often it is sent: after a crash between commit and answer, to another server, and
//! to two at the same time. For a day each gets the answer that the first one got.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, raw_sql};
use tokio::task::{JoinHandle, JoinSet, block_in_place};

use crate::support::proxy::{Behind, Flow};
use crate::support::{Answer, Api, Checks, Server};

pub async fn a_request_with_a_key_is_done_once() {
    let mut checks = Checks::default();
    checks.run("the first answer is given again", the_first_answer_is_given_again()).await;
    checks.run("bad keys and reused ones are refused", bad_keys_are_refused()).await;
    checks.run("two servers, each request to both at the same time", two_servers()).await;
    checks.run("the server is killed between commit and answer", killed_before_it_answers()).await;
    checks.run("the connection breaks around a batch that changes nothing", the_connection_breaks()).await;
    checks.run("an answer that was not kept is not given again", refused_by_the_database()).await;
    checks.finish();
}

fn name_of(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

fn policy(name: &str) -> Value {
    json!({"network-policy": {"fq_name": name_of(name), "parent_type": "project"}})
}

async fn send(api: &Api, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
    let headers = [headers, &[("Content-Type", "application/json")]].concat();
    let body = body.map(|body| serde_json::to_vec(body).unwrap());
    let answer = api.send(method, path, &headers, body).await;
    answer.unwrap_or_else(|error| panic!("{method} {path}: no answer: {error:?}"))
}

async fn keyed(api: &Api, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    send(api, method, path, &[("Idempotency-Key", key)], body).await
}

async fn create(api: &Api, key: &str, name: &str) -> Answer {
    keyed(api, key, "POST", "/network-policys", Some(&policy(name))).await
}

fn is_repeated(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// The second answer is the first one.
fn assert_same(first: &Answer, again: &Answer) {
    first.status_is(200);
    assert!(!is_repeated(first) && is_repeated(again), "{first}\n{again}: {:?}", again.headers);
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    for header in ["x-cirrus-revision", "content-type"] {
        assert_eq!(first.headers[header], again.headers[header], "{header} of {again}");
    }
}

/// What has happened since a position: operations with names.
async fn changes(api: &Api, since: &str) -> Vec<(String, String)> {
    let answer = api.get(&format!("/changes?since={since}&limit=10000")).await.ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let last = |change: &Value| text(change["fq_name"].as_array().unwrap().last().unwrap());
    answer["changes"].as_array().unwrap().iter().map(|change| (text(&change["operation"]), last(change))).collect()
}

async fn the_first_answer_is_given_again() {
    let server = Server::start();
    let (api, other) = (server.api(), block_in_place(|| server.start_another()));
    let other_api = other.api();
    let begin = api.position().await;
    let first = create(&api, "create", "once").await;
    let uuid = first.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned();
    assert!(first.json()["network-policy"]["parent_uuid"].is_string(), "{first}");
    let href = format!("{}/network-policy/{uuid}", api.base());
    assert_eq!(first.json()["network-policy"]["href"], href.as_str());
    assert_same(&first, &create(&api, "create", "once").await);
    assert_eq!(changes(&api, &begin).await, [("create".to_owned(), "once".to_owned())]);

    // The other one says where it is itself, and all else is the same.
    assert_same(&first, &create(&other_api, "create", "once").await.at(&other_api, &api));

    // A success that changes nothing is one all the same, and undoes nothing later.
    let path = format!("/network-policy/{uuid}");
    let renamed = |name: &str| json!({"network-policy": {"display_name": name}});
    api.put(&path, &renamed("mine")).await.status_is(200);
    let before = api.position().await;
    let unchanged = keyed(&api, "update", "PUT", &path, Some(&renamed("mine"))).await;
    assert_eq!(api.position().await, before, "no revision, no event");
    other_api.put(&path, &renamed("another's")).await.status_is(200);
    assert_same(&unchanged, &keyed(&api, "update", "PUT", &path, Some(&renamed("mine"))).await);
    assert_eq!(api.get(&path).await.ok()["network-policy"]["display_name"], "another's");

    // What was deleted is gone, and that is no error the second time.
    let deleted = keyed(&api, "delete", "DELETE", &path, None).await;
    assert_same(&deleted, &keyed(&other_api, "delete", "DELETE", &path, None).await);
    api.delete(&path).await.status_is(404);
    // Nor does its create make it anew.
    assert_same(&first, &create(&api, "create", "once").await);
    assert_eq!(api.find("network-policy", &name_of("once")).await, None);

    // A refusal is not kept.
    create(&api, "later", "taken").await.status_is(200);
    create(&api, "refused-at-first", "taken").await.status_is(409);
    let taken = api.find("network-policy", &name_of("taken")).await.unwrap();
    api.delete(&format!("/network-policy/{taken}")).await.status_is(200);
    let created = create(&api, "refused-at-first", "taken").await;
    assert!(!is_repeated(created.status_is(200)));

    // After a day it is a new request, also while the row is still there.
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let age = "update idempotency_key set at = at - interval '1 day' where key = 'create'";
    assert_eq!(raw_sql(age).execute(&mut database).await.unwrap().rows_affected(), 1);
    let anew = create(&api, "create", "once").await;
    assert!(!is_repeated(anew.status_is(200)) && anew.text != first.text, "{anew}");
    assert_same(&anew, &create(&other_api, "create", "once").await.at(&other_api, &api));
}

trait At {
    /// As if another server had answered.
    fn at(self, here: &Api, there: &Api) -> Self;
}

impl At for Answer {
    fn at(mut self, here: &Api, there: &Api) -> Self {
        self.text = self.text.replace(here.base(), there.base());
        self
    }
}

async fn bad_keys_are_refused() {
    let server = Server::start();
    let api = server.api();
    let position = api.position().await;
    for bad in ["", "with space", &"k".repeat(256), "k\u{fc}"] {
        let refused = create(&api, bad, "bad").await;
        assert!(refused.status_is(400).text.contains("Idempotency-Key must be 1 to 255"), "{refused}");
    }
    let twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")];
    send(&api, "POST", "/network-policys", &twice, Some(&policy("bad"))).await.status_is(400);
    // Where nothing is written it means nothing.
    send(&api, "GET", "/network-policys", &twice, None).await.status_is(200);
    let name = json!({"type": "project", "fq_name": ["default-domain", "default-project"]});
    let found = keyed(&api, "", "POST", "/fqname-to-id", Some(&name)).await;
    assert!(!is_repeated(found.status_is(200)));
    // Where it can't be kept it is refused.
    let store = json!({"operation": "STORE", "key": "k", "value": "v"});
    let refused = keyed(&api, "k", "POST", "/useragent-kv", Some(&store)).await;
    assert!(refused.status_is(400).text.contains("Idempotency-Key: what /useragent-kv does is not kept"), "{refused}");
    for action in ["execute-job", "abort-job", "amqp-publish", "amqp-request"] {
        keyed(&api, "k", "POST", &format!("/{action}"), Some(&json!({}))).await.status_is(400);
    }
    assert_eq!(api.position().await, position);

    let longest = "k".repeat(255);
    create(&api, &longest, "good").await.status_is(200);
    for (method, path, body) in [
        ("POST", "/network-policys", policy("other")),
        ("POST", "/network-policys?strict=true", policy("good")),
        ("POST", "/virtual-networks", json!({"virtual-network": {"fq_name": name_of("n"), "parent_type": "project"}})),
        ("POST", "/set-tag", json!({"obj_type": "project", "obj_uuid": "8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10"})),
    ] {
        let refused = keyed(&api, &longest, method, path, Some(&body)).await;
        assert!(refused.status_is(422).text.starts_with("Idempotency-Key: this key was used"), "{refused}");
    }
    // What is only tried is not kept: it may be tried again, and then done.
    for _ in 0..2 {
        let tried = keyed(&api, "tried", "POST", "/network-policys?dry_run=true", Some(&policy("tried"))).await;
        assert!(!is_repeated(tried.status_is(200)));
    }
    assert!(!is_repeated(create(&api, "tried", "tried").await.status_is(200)));
    // Several things as one are one.
    let one = |name: &str| json!({"create": "network-policy", "body": policy(name)["network-policy"]});
    let both = json!({"operations": [one("one"), one("another")]});
    let first = keyed(&api, "both", "POST", "/transaction", Some(&both)).await;
    assert_same(&first, &keyed(&api, "both", "POST", "/transaction", Some(&both)).await);
    // Somebody else's key is another one.
    for (number, who) in [[("X-User", "anna")], [("X-Project-Id", "anna")]].iter().enumerate() {
        let headers = [&who[..], &[("Idempotency-Key", &longest)]].concat();
        let body = policy(&format!("theirs-{number}"));
        let first = send(&api, "POST", "/network-policys", &headers, Some(&body)).await;
        assert_same(&first, &send(&api, "POST", "/network-policys", &headers, Some(&body)).await);
    }
}

const CLIENTS: usize = 16;
const REQUESTS: usize = 12;

/// Each request goes to both at the same time. Addresses are what is most easily taken twice.
async fn two_servers() {
    let server = Server::start();
    let other = block_in_place(|| server.start_another());
    let (api, other_api) = (server.api(), other.api());
    let subnets = json!({"ipam_subnets": [{"subnet": {"ip_prefix": "10.48.0.0", "ip_prefix_len": 16}}]});
    let ipam = json!({"to": ["default-domain", "default-project", "default-network-ipam"], "attr": subnets});
    let network = json!({"virtual-network": {
        "fq_name": name_of("shared"), "parent_type": "project", "network_ipam_refs": [ipam]}});
    let network = api.post("/virtual-networks", &network).await.ok();
    let path = format!("/virtual-network/{}/ip-alloc", network["virtual-network"]["uuid"].as_str().unwrap());
    let begin = api.position().await;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (api, other_api, path) = (api.clone(), other_api.clone(), path.clone());
        clients.spawn(async move {
            let mut addresses = Vec::new();
            for number in 0..REQUESTS {
                let name = format!("p-{client}-{number}");
                let (one, another) = tokio::join!(create(&api, &name, &name), create(&other_api, &name, &name));
                let another = another.at(&other_api, &api);
                if is_repeated(&one) {
                    assert_same(&another, &one);
                } else {
                    assert_same(&one, &another);
                }
                let key = format!("a-{client}-{number}");
                let alloc = |api: Api| {
                    let (key, path) = (key.clone(), path.clone());
                    async move { keyed(&api, &key, "POST", &path, Some(&json!({"count": 1}))).await }
                };
                let answers = tokio::join!(alloc(api.clone()), alloc(other_api.clone()), alloc(api.clone()));
                let answers = [answers.0, answers.1, answers.2];
                assert_eq!(answers.iter().filter(|answer| !is_repeated(answer)).count(), 1, "{answers:?}");
                assert!(answers.iter().all(|answer| answer.ok() == answers[0].ok()), "{answers:?}");
                addresses.push(answers[0].json()["ip_addr"][0].as_str().unwrap().to_owned());
            }
            addresses
        });
    }
    let addresses = clients.join_all().await.concat();
    let all = CLIENTS * REQUESTS;
    assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), all, "each its own address");
    let changes = changes(&other_api, &begin).await;
    let count = |wanted: &str| changes.iter().filter(|(operation, _)| operation == wanted).count();
    assert_eq!((count("create"), count("reserve-addresses"), changes.len()), (all, all, 2 * all));
    let listed = api.get("/network-policys?count=true").await.ok();
    assert_eq!(listed["network-policys"]["count"], all);
}

/// How many requests were sent to be held up: each has a name of its own.
static SENT: AtomicUsize = AtomicUsize::new(0);

impl Behind {
    /// Waits until the server is the only one, and sends a request that waits in the statement that would write it. While the
    /// machine is busy the server may not be the only one for a moment, and then it is another statement, and tried again.
    async fn held_up(&mut self, method: &'static str, path: &str, body: impl Fn(usize) -> Value + Send) -> HeldUp {
        let mut database = self.database().await;
        let alone = "select sole is not null from feed_sequence";
        let waits = "select query like 'with turn as%' from pg_stat_activity
            where application_name = 'cirrus' and wait_event_type = 'Lock'";
        for _ in 0..100 {
            let number = SENT.fetch_add(1, Ordering::Relaxed);
            while !sqlx::query_scalar::<_, bool>(alone).fetch_one(&mut database).await.unwrap() {}
            // What this server has not committed itself it has to read first.
            self.server.api().post("/network-policys", &policy(&format!("before-{number}"))).await.status_is(200);
            let mut holder = self.database().await;
            raw_sql("begin; select from feed_sequence for update").execute(&mut holder).await.unwrap();
            let (key, body) = (format!("held-{number}"), body(number));
            let answer = send_aside(&self.server.api(), &key, method, path, &body);
            let is_alone = loop {
                let found = sqlx::query_scalar::<_, bool>(waits).fetch_optional(&mut database).await.unwrap();
                if let Some(found) = found {
                    break found;
                }
            };
            if is_alone {
                return HeldUp { key, body, holder, answer };
            }
            raw_sql("rollback").execute(&mut holder).await.unwrap();
            answer.await.unwrap().unwrap();
        }
        panic!("the server does not write as the only one");
    }
}

type Answering = JoinHandle<Result<Answer, reqwest::Error>>;

/// A request that waits for a lock of the database, and who has that.
struct HeldUp {
    key: String,
    body: Value,
    holder: PgConnection,
    answer: Answering,
}

fn send_aside(api: &Api, key: &str, method: &'static str, path: &str, body: &Value) -> Answering {
    let (api, key, path, body) = (api.clone(), key.to_owned(), path.to_owned(), serde_json::to_vec(body).unwrap());
    tokio::spawn(async move {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key.as_str())];
        api.send(method, &path, &headers, Some(body)).await
    })
}

/// Waits until the answer to a key is committed.
async fn committed(database: &mut PgConnection, key: &str) {
    let query = "select exists (select from idempotency_key where key = $1)";
    while !sqlx::query_scalar::<_, bool>(query).bind(key).fetch_one(&mut *database).await.unwrap() {}
}

async fn killed_before_it_answers() {
    let mut setup = Behind::start();
    let mut database = setup.database().await;
    let name = |number: usize| policy(&format!("killed-{number}"));
    let mut held = setup.held_up("POST", "/network-policys", name).await;
    setup.proxy.swallow(Flow::Questions);
    raw_sql("rollback").execute(&mut held.holder).await.unwrap();
    committed(&mut database, &held.key).await;
    block_in_place(|| setup.server.kill());
    assert!(held.answer.await.unwrap().is_err(), "there is no answer");

    let server = block_in_place(|| Server::start_on(&setup.cluster.url()));
    let api = server.api();
    let begin = api.position().await;
    let again = keyed(&api, &held.key, "POST", "/network-policys", Some(&held.body)).await;
    assert!(is_repeated(again.status_is(200)), "{again}");
    let found = api.find("network-policy", &held.body["network-policy"]["fq_name"]).await;
    assert_eq!(again.json()["network-policy"]["uuid"].as_str(), found.as_deref());
    assert_eq!(again.headers["x-cirrus-revision"], begin, "its change was the last one");
    assert!(changes(&api, &begin).await.is_empty());
    // Without the key it is another request.
    api.post("/network-policys", &held.body).await.status_is(409);
}

/// Nothing of it is in the log, and it is known all the same whether it was committed.
async fn the_connection_breaks() {
    let mut setup = Behind::start();
    let mut database = setup.database().await;
    let api = setup.server.api();
    let created = api.post("/network-policys", &policy("unchanged")).await.ok();
    let path = format!("/network-policy/{}", created["network-policy"]["uuid"].as_str().unwrap());
    let body = json!({"network-policy": {"display_name": "the same"}});
    api.put(&path, &body).await.status_is(200);
    for is_committed in [true, false] {
        let mut held = setup.held_up("PUT", &path, |_| body.clone()).await;
        if is_committed {
            setup.proxy.swallow(Flow::Questions);
            raw_sql("rollback").execute(&mut held.holder).await.unwrap();
            committed(&mut database, &held.key).await;
        } else {
            // It has arrived and waits, and will find that it may not be written any more.
            raw_sql("update feed_sequence set fence = gen_random_uuid(); commit")
                .execute(&mut held.holder)
                .await
                .unwrap();
        }
        setup.proxy.cut();
        let answer = held.answer.await.unwrap().unwrap();
        assert!(!is_repeated(answer.status_is(200)), "it was decided once, and that was found out: {answer}");
        committed(&mut database, &held.key).await;
        assert_same(&answer, &keyed(&api, &held.key, "PUT", &path, Some(&held.body)).await);
    }
}

/// The second request is decided while the first one is on its way, which moves no revision, and is refused.
async fn refused_by_the_database() {
    let mut setup = Behind::start();
    let mut database = setup.database().await;
    let api = setup.server.api();
    let created = api.post("/network-policys", &policy("unchanged")).await.ok();
    let path = format!("/network-policy/{}", created["network-policy"]["uuid"].as_str().unwrap());
    let body = json!({"network-policy": {"display_name": "the same"}});
    api.put(&path, &body).await.status_is(200);
    let refuse = "create function no_room() returns trigger language plpgsql as $$
            begin raise exception 'no room' using errcode = '53100'; end $$;
        create trigger no_room before insert on idempotency_key for each row execute function no_room()";
    raw_sql(refuse).execute(&mut database).await.unwrap();
    let mut held = setup.held_up("PUT", &path, |_| body.clone()).await;
    let looked_up = "select coalesce(max(query_start), '-infinity')::text from pg_stat_activity
        where application_name = 'cirrus' and query like 'select last_rev, epoch, sole, who, key%'";
    let last = async |database: &mut PgConnection| {
        sqlx::query_scalar::<_, String>(looked_up).fetch_one(database).await.unwrap()
    };
    let before = last(&mut database).await;
    let again = send_aside(&api, &held.key, "PUT", &path, &held.body);
    while last(&mut database).await == before {}
    raw_sql("rollback").execute(&mut held.holder).await.unwrap();
    for answer in [held.answer, again] {
        let answer = answer.await.unwrap().unwrap();
        assert!(answer.status_is(503).text.contains("no room left on its disk"), "{answer}");
    }
    raw_sql("drop trigger no_room on idempotency_key").execute(&mut database).await.unwrap();
    let first = keyed(&api, &held.key, "PUT", &path, Some(&held.body)).await;
    assert_same(&first, &keyed(&api, &held.key, "PUT", &path, Some(&held.body)).await);
}
