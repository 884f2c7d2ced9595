//! The message bus, with a real broker and a consumer on the library and with the settings of the original's daemons:
//! every change arrives, in order, whatever is killed; only repetitions are allowed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use crate::support::rabbitmq::{Consumer, LIMIT, RabbitMq};
use crate::support::scrape::Scraped;
use crate::support::{Api, Checks, Server, cirrus_program, send_signal, wait_until};

pub async fn the_message_bus() {
    let mut checks = Checks::default();
    // It waits for half a minute; the others go on meanwhile.
    let hanging = tokio::spawn(broker_hangs());
    checks.run("messages are those of contrail-api", messages()).await;
    checks.run("writes go on while the broker is away, and arrive later", broker_away()).await;
    checks.run("nothing is lost, whatever is killed", kills()).await;
    checks.run("a bad address is refused at once", async { bad_addresses() }).await;
    checks.run("a broker that hangs does not hang the server", async { hanging.await.unwrap() }).await;
    checks.finish();
}

fn fq_name(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

async fn create(api: &Api, kind: &str, name: &str) -> String {
    let body = json!({ kind: {"fq_name": fq_name(name), "parent_type": "project"} });
    api.post(&format!("/{kind}s"), &body).await.ok()[kind]["uuid"].as_str().unwrap().to_owned()
}

async fn messages() {
    let broker = RabbitMq::start();
    let server = Server::start_with(&["--amqp-url", &broker.url()]);
    let api = server.api();
    let mut consumer = Consumer::start(&broker, "schema_transformer.test");
    wait_until("the server sends", LIMIT, || server.log().contains("AMQP: changes are sent"));

    let body = json!({"virtual-network": {"fq_name": fq_name("bus-\u{fc}"), "parent_type": "project"}}).to_string();
    let headers = [("Content-Type", "application/json"), ("X-Request-Id", "req-bus")];
    let made = api.send("POST", "/virtual-networks", &headers, Some(body.into_bytes())).await.unwrap().ok();
    let uuid = &made["virtual-network"]["uuid"];
    let created = consumer.message();
    let properties = json!({
        "content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2, "priority": 0, "headers": {},
    });
    assert_eq!((&created["properties"], &created["decoded"]), (&properties, &json!(true)));
    let message = created["body"].as_object().unwrap();
    let fields: Vec<&str> = message.keys().map(String::as_str).collect();
    assert_eq!(fields, ["request-id", "oper", "type", "uuid", "fq_name", "obj_dict"]);
    assert_eq!((&message["request-id"], &message["oper"]), (&json!("req-bus"), &json!("CREATE")));
    assert_eq!((&message["type"], &message["uuid"]), (&json!("virtual_network"), uuid));
    assert_eq!(message["fq_name"], fq_name("bus-\u{fc}"));
    assert_eq!(message["obj_dict"]["display_name"], "bus-\u{fc}");
    assert_eq!(message["obj_dict"]["parent_uuid"], made["virtual-network"]["parent_uuid"]);
    assert!(message["obj_dict"].get("routing_instances").is_none(), "as stored");
    let instance = consumer.message()["body"].clone();
    assert_eq!((&instance["type"], &instance["request-id"]), (&json!("routing_instance"), &json!("req-bus")));

    // What is not told on the bus does not hold up what follows.
    let path = format!("/virtual-network/{}", uuid.as_str().unwrap());
    api.post(&format!("{path}/ip-alloc"), &json!({"count": 1})).await;
    api.put(&path, &json!({"virtual-network": {"display_name": "next"}})).await.ok();
    let updated = consumer.message()["body"].clone();
    let wanted = json!({
        "request-id": updated["request-id"], "oper": "UPDATE", "type": "virtual_network", "uuid": uuid,
        "fq_name": fq_name("bus-\u{fc}"),
    });
    assert_eq!(updated, wanted);
    assert!(updated["request-id"].as_str().unwrap().starts_with("req-"));
    api.delete(&path).await.status_is(200);
    let deleted = [consumer.message()["body"].clone(), consumer.message()["body"].clone()];
    let deleted = deleted.iter().find(|message| message["type"] == "virtual_network").unwrap();
    assert_eq!((&deleted["oper"], &deleted["obj_dict"]["display_name"]), (&json!("DELETE"), &json!("next")));
    // The broker has confirmed them, and the position follows within moments; and there is no broker any more.
    metrics_are(&api, &[1, 1, 1, 0], 5, 0).await;
    drop((consumer, broker));
    // What was confirmed a moment before may not be written down yet, and is sent once more then.
    metrics_are(&api, &[1, 1, 0], 5, 1).await;
}

/// Waits until metrics say whether there is a message bus, whether it is this server's turn and it sends, and how much is not confirmed; and at
/// least how many messages and outages there were.
async fn metrics_are(api: &Api, wanted: &[u64], messages: u64, outages: u64) {
    let begin = Instant::now();
    loop {
        let scraped = Scraped::of(api).await;
        let told = |name: &str| scraped.by(&format!("cirrus_amqp_{name}"), &[]).values().sum::<u64>();
        let found = ["configured", "turn", "sending", "lag_revisions"].map(told);
        if found.starts_with(wanted) && told("messages_total") >= messages && told("outages_total") >= outages {
            return;
        }
        assert!(begin.elapsed() < LIMIT, "{found:?} and not {wanted:?}");
    }
}

/// The messages that the log promises, in order.
async fn promised(api: &Api, since: &str) -> Vec<String> {
    let (mut since, mut promised) = (since.to_owned(), Vec::new());
    loop {
        let body = api.get(&format!("/changes?since={since}")).await.ok();
        let changes = body["changes"].as_array().unwrap();
        if changes.is_empty() {
            return promised;
        }
        promised.extend(changes.iter().filter_map(|change| {
            let operation = match change["operation"].as_str().unwrap() {
                "create" => "CREATE",
                "update" => "UPDATE",
                "update-implicit" => "UPDATE-IMPLICIT",
                "delete" => "DELETE",
                _ => return None,
            };
            Some(key(&change["request_id"], operation, &change["uuid"]))
        }));
        body["to"].as_str().unwrap().clone_into(&mut since);
    }
}

/// What makes a message one of its own.
fn key(request: &Value, operation: &str, uuid: &Value) -> String {
    format!("{} {operation} {}", request.as_str().unwrap(), uuid.as_str().unwrap())
}

/// Reads messages until all that are promised have come. Each is the next one, or a repetition; gives how many repeat.
fn all_arrive(consumer: &mut Consumer, promised: &[String]) -> usize {
    let places: HashMap<&String, usize> = promised.iter().enumerate().map(|(place, key)| (key, place)).collect();
    assert_eq!(places.len(), promised.len(), "every message can be told from all others");
    let (mut arrived, mut repeated, mut read) = (0, 0, 0);
    while arrived < promised.len() {
        if read == consumer.messages.len() {
            consumer.message();
        }
        let body = consumer.messages[read]["body"].clone();
        read += 1;
        let key = key(&body["request-id"], body["oper"].as_str().unwrap(), &body["uuid"]);
        // Of another time: before the position that counts.
        let Some(place) = places.get(&key) else { continue };
        assert!(*place <= arrived, "{key} came before {}", promised[arrived]);
        if *place == arrived {
            arrived += 1;
        } else {
            repeated += 1;
        }
    }
    repeated
}

async fn broker_away() {
    let mut broker = RabbitMq::start();
    let mut consumer = Consumer::start(&broker, "svc_monitor.test");
    let mut server = Server::start_with(&["--amqp-url", &broker.url()]);
    let api = server.api();
    wait_until("the server sends", LIMIT, || server.log().contains("AMQP: changes are sent"));
    let since = api.position().await;
    create(&api, "network-policy", "while-there").await;
    consumer.message();
    broker.kill();
    for number in 0..300 {
        create(&api, "network-policy", &format!("while-away-{number}")).await;
    }
    wait_until("the outage is told", LIMIT, || server.log().contains("AMQP: changes are not sent"));
    broker.restart();
    consumer.wait_until_ready();
    all_arrive(&mut consumer, &promised(&api, &since).await);
    // Once that the connection broke, once that there is no other; not every second.
    let told = server.log().matches("AMQP: changes are not sent").count();
    assert!((1..=2).contains(&told), "the outage is told {told} times");
    // What was confirmed, and lost with the broker in the queue of a consumer that was slow, comes again.
    let since = api.position().await;
    send_signal("STOP", &[consumer.process.id]);
    create(&api, "network-policy", "in-the-queue").await;
    let revision: i64 = api.position().await.rsplit('-').next().unwrap().parse().unwrap();
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let query = "select 1 from feed_position where name = 'amqp' and rev >= $1";
    while sqlx::query(query).bind(revision).fetch_optional(&mut database).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    broker.restart();
    // The consumer takes longer to come back than the server waits for it.
    wait_until("nobody listens", LIMIT, || server.log().contains("no consumer has bound its queue again yet"));
    send_signal("CONT", &[consumer.process.id]);
    consumer.wait_until_ready();
    all_arrive(&mut consumer, &promised(&api, &since).await);
    // What is answered before a stop is sent before the end, unless consumers are just being waited for.
    wait_until("changes are sent again after both outages", LIMIT, || {
        server.log().matches("AMQP: changes are sent again").count() == 2
    });
    let since = api.position().await;
    create(&api, "network-policy", "at-the-end").await;
    let promised = promised(&api, &since).await;
    assert!(server.terminate().success());
    all_arrive(&mut consumer, &promised);
}

/// A broker that keeps the connection and confirms nothing.
async fn broker_hangs() {
    let broker = RabbitMq::start();
    let mut consumer = Consumer::start(&broker, "contrail-control.test");
    let server = Server::start_with(&["--amqp-url", &broker.url()]);
    let api = server.api();
    wait_until("the server sends", LIMIT, || server.log().contains("AMQP: changes are sent"));
    let since = api.position().await;
    send_signal("STOP", &[broker.process_id()]);
    create(&api, "network-policy", "unconfirmed").await;
    wait_until("it is noticed", LIMIT, || server.log().contains("a confirmation did not come in time"));
    send_signal("CONT", &[broker.process_id()]);
    create(&api, "network-policy", "confirmed").await;
    all_arrive(&mut consumer, &promised(&api, &since).await);
}

async fn kills() {
    let mut broker = RabbitMq::start();
    let url = broker.url();
    let mut consumer = Consumer::start(&broker, "device_manager.test");
    let first = Server::start();
    let api = first.api();
    let mut sender = first.start_another_with(&["--amqp-url", &url]);
    wait_until("the server sends", LIMIT, || sender.log().contains("AMQP: changes are sent"));
    let mut next = first.start_another_with(&["--amqp-url", &url]);
    let since = api.position().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (api, stop) = (if writer % 2 == 0 { api.clone() } else { next.api() }, Arc::clone(&stop));
        writers.spawn(async move {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return number;
                }
                // The process that this one asks may be killed.
                let body = json!({"network-policy": {
                    "fq_name": fq_name(&format!("killed-{writer}-{number}")), "parent_type": "project",
                }});
                let _ = api.try_json("POST", "/network-policys", &body).await;
            }
            0
        });
    }
    let mut mark = 0;
    for round in 0..6 {
        // Somewhere in the middle of the stream.
        mark += 150 + 40 * round;
        while consumer.messages.len() < mark {
            consumer.message();
        }
        if round == 3 {
            broker.restart();
            consumer.wait_until_ready();
            mark = consumer.messages.len();
            continue;
        }
        send_signal("KILL", &[sender.process_id()]);
        sender = std::mem::replace(&mut next, first.start_another_with(&["--amqp-url", &url]));
    }
    stop.store(true, Ordering::Relaxed);
    let written: u32 = writers.join_all().await.into_iter().sum();
    let promised = promised(&api, &since).await;
    assert!(promised.len() > 500, "{} changes in {written} writes", promised.len());
    let repeated = all_arrive(&mut consumer, &promised);
    // For each kill at most what was not confirmed and written down, for the outage what was sent in two seconds.
    assert!(repeated < promised.len() * 6, "{repeated} of {} messages repeat others", promised.len());
}

fn bad_addresses() {
    for (url, reason) in
        [("http://localhost", "amqp://user:password@host:5672"), ("", "is expected"), ("amqp://a,,", "is expected")]
    {
        let output = cirrus_program().args(["serve", "--amqp-url", url]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("--amqp-url") && text.contains(reason), "{text}");
    }
}
