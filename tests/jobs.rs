//! Jobs and messages of clients, over a real broker to consumers on the library of contrail's daemons.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, block_in_place},
};

use crate::support::rabbitmq::{Consumer, RabbitMq};
use crate::support::{Answer, Api, Checks, Server, python, send_signal};
use crate::tls::{Client, Files};

/// As many requests may wait for their replies.
const MOST_WAITING: usize = 50;
const JOBS: [&str; 4] = ["job_request_exchange", "direct", "job.request", "job.abort"];

pub async fn jobs_and_messages() {
    let mut checks = Checks::default();
    let broker = Arc::new(block_in_place(RabbitMq::start));
    checks.run("without a message bus nothing is promised", without_a_bus()).await;
    checks.run("jobs reach those who run them", jobs(Arc::clone(&broker))).await;
    checks.run("messages are sent as they are", messages(Arc::clone(&broker))).await;
    checks.run("a request has its reply, or an end", requests(Arc::clone(&broker))).await;
    checks.run("a client that leaves waits no more", leaving(Arc::clone(&broker))).await;
    drop(broker);
    checks.run("a broker that is away or hangs is told", outages()).await;
    checks.finish();
}

fn refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, answer.text.as_str()), (status, text), "{answer}");
}

/// A template for jobs, by uuid.
async fn template(api: &Api) -> String {
    let body = json!({"job-template": {
        "fq_name": ["default-global-system-config", "upgrade"], "parent_type": "global-system-config",
    }});
    api.post("/job-templates", &body).await.ok()["job-template"]["uuid"].as_str().unwrap().to_owned()
}

async fn config_node(api: &Api, name: &str, address: Option<&str>) {
    let body = json!({"config-node": {
        "fq_name": ["default-global-system-config", name], "parent_type": "global-system-config",
        "config_node_ip_address": address,
    }});
    api.post("/config-nodes", &body).await.status_is(200);
}

async fn without_a_bus() {
    let server = Server::start();
    let api = server.api();
    let missing = "No message bus is configured; the server needs --amqp-url for it";
    let job = json!({"job_template_id": template(&api).await, "input": {}});
    refused(&api.post("/execute-job", &job).await, 404, "Config-Node list empty");
    config_node(&api, "one", Some("10.0.0.1")).await;
    let failed = format!("Failed to send job request via RabbitMQ: {missing}");
    refused(&api.post("/execute-job", &job).await, 503, &failed);
    let failed = format!("Failed to send job abort request via RabbitMQ: {missing}");
    refused(&api.post("/abort-job", &json!({"input": {}})).await, 503, &failed);
    for path in ["/amqp-publish", "/amqp-request"] {
        refused(&api.post(path, &json!({"exchange": "e"})).await, 503, missing);
    }
}

async fn jobs(broker: Arc<RabbitMq>) {
    let server = Server::start_with(&["--amqp-url", &broker.url()]);
    let api = server.api();
    let template = template(&api).await;
    let name = json!(["default-global-system-config", "upgrade"]);
    let job = json!({"job_template_id": template, "input": {"a": "\u{fc}"}, "params": {"device_list": [template]}});
    for (path, body) in [("/execute-job", &job), ("/abort-job", &json!({}))] {
        refused(&api.post(path, body).await, 404, "Config-Node list empty");
    }
    // One whose address is not known is of no use to a job.
    config_node(&api, "none", None).await;
    refused(&api.post("/execute-job", &job).await, 404, "Config-Node list empty");
    config_node(&api, "one", Some("10.0.0.1")).await;
    config_node(&api, "two", Some("10.0.0.2")).await;
    let nobody = api.post("/execute-job", &job).await;
    nobody.status_is(503);
    assert!(nobody.text.starts_with("Failed to send job request via RabbitMQ: nobody receives it"), "{nobody}");

    let mut devices = Consumer::of(&broker, "device_manager.jobs", &JOBS);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Cluster-ID", "cluster-7"),
        ("X-Auth-Token", "a-secret-token"),
        ("X-Request-Id", "req-job"),
    ];
    let mut with_token = job.clone();
    with_token["auth_token"] = "another-secret".into();
    let body = serde_json::to_vec(&with_token).unwrap();
    let started = api.send("POST", "/execute-job", &headers, Some(body)).await.unwrap().ok();
    let message = devices.message();
    let id = started["job_execution_id"].as_str().unwrap();
    let (milliseconds, uuid) = id.split_once('_').unwrap();
    assert!(milliseconds.len() == 13 && milliseconds.parse::<u64>().is_ok() && uuid.len() == 36, "{id}");
    let wanted = json!({
        "job_template_id": template, "job_template_fq_name": name, "input": {"a": "\u{fc}"},
        "params": {"device_list": [template]}, "auth_token": null, "contrail_cluster_id": "cluster-7",
        "api_server_host": ["10.0.0.1", "10.0.0.2"], "job_execution_id": id,
    });
    assert_eq!((&message["body"], &message["key"]), (&wanted, &json!("job.request")));
    let properties = json!({
        "content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2, "priority": 0, "headers": {},
    });
    assert_eq!((&message["properties"], &message["decoded"]), (&properties, &json!(true)));
    // W21: what everybody on the bus can read has no token, whichever way it came.
    assert!(!message.to_string().contains("secret"), "{message}");

    let started = api.post("/execute-job", &json!({"job_template_fq_name": name, "input": {}})).await.ok();
    let message = devices.message()["body"].clone();
    assert_eq!((&message["job_template_id"], &message["job_template_fq_name"]), (&json!(template), &name));
    assert_eq!(message["job_execution_id"], started["job_execution_id"]);
    assert_eq!(message["contrail_cluster_id"], Value::Null);
    assert_ne!(started["job_execution_id"], id, "each run has a name of its own");

    let abort = json!({"input": {"job_execution_ids": [id], "abort_mode": "force"}});
    assert_eq!(api.post("/abort-job", &abort).await.ok(), json!({}));
    let message = devices.message();
    assert_eq!((&message["body"]["input"], &message["key"]), (&abort["input"], &json!("job.abort")));
    assert_eq!(message["body"]["api_server_host"], json!(["10.0.0.1", "10.0.0.2"]));

    // The same through the library that clients use.
    let mut requests = Consumer::of(&broker, "requests", &["requests", "direct", "ask"]);
    python::run("jobs.py", &[server.url()], Duration::from_mins(1)).await;
    assert_eq!(devices.message()["body"]["input"], json!({"from": "library"}));
    assert_eq!(devices.message()["key"], "job.abort");
    assert_eq!(requests.message()["body"], "published");
    assert_eq!(requests.message()["body"]["reply_key"], "answer");
}

async fn messages(broker: Arc<RabbitMq>) {
    let server = Server::start_with(&["--amqp-url", &broker.url()]);
    let api = server.api();
    let bad = |text: &str| format!("Bad Request, {text}");
    let long = "x".repeat(256);
    let types = "exchange_type must be direct, fanout, topic or headers, not x-delayed";
    let changes = "exchange vnc_config.object-update is for changes of the configuration alone";
    for (body, text) in [
        (json!({}), bad("exchange is missing")),
        (json!({"exchange": ""}), bad("exchange is missing")),
        (json!({"exchange": 1}), bad("exchange must be a text, not 1")),
        (json!({ "exchange": long }), bad(&format!("exchange has more than 255 bytes: {long}"))),
        (json!({"exchange": "vnc_config.object-update"}), bad(changes)),
        (json!({"exchange": "e", "exchange_type": "x-delayed"}), bad(types)),
        (json!({"exchange": "e", "routing_key": long}), bad("routing_key has more than 255 bytes")),
        (json!({"exchange": "e", "headers": []}), bad("headers must be an object")),
    ] {
        for path in ["/amqp-publish", "/amqp-request"] {
            refused(&api.post(path, &body).await, 400, &text);
        }
    }
    // Names of this kind are the broker's.
    let answer = api.post("/amqp-publish", &json!({"exchange": "amq.mine"})).await;
    assert!(answer.status == 400 && answer.text.starts_with("the message broker refuses: ACCESS_REFUSED"), "{answer}");

    let publish = async |body: Value| refused(&api.post("/amqp-publish", &body).await, 202, "");
    publish(json!({"exchange": "news", "exchange_type": "fanout", "payload": "to nobody"})).await;
    let mut listener = Consumer::of(&broker, "listener", &["news", "fanout", ""]);
    let headers = json!({"text": "a", "number": 5, "flag": true, "list": [1, "b"], "in": {"c": null}});
    // Whatever type is named, an exchange that is there is used as it is.
    let body = json!({"exchange": "news", "exchange_type": "topic", "headers": headers, "payload": {"a": ["\u{fc}"]}});
    publish(body).await;
    let message = listener.message();
    assert_eq!((&message["body"], &message["properties"]["headers"]), (&json!({"a": ["\u{fc}"]}), &headers));
    assert_eq!(message["properties"]["content_type"], "application/json");
    publish(json!({"exchange": "news", "payload": "words"})).await;
    let message = listener.message();
    assert_eq!((&message["body"], &message["properties"]["content_type"]), (&json!("words"), &json!("text/plain")));
    publish(json!({"exchange": "news"})).await;
    assert_eq!(listener.message()["properties"]["content_type"], "application/json");

    let mut chosen = Consumer::of(&broker, "chosen", &["topics", "topic", "a.*"]);
    for key in ["b.c", "a.b"] {
        let body = json!({"exchange": "topics", "exchange_type": "topic", "routing_key": key, "payload": {"k": key}});
        publish(body).await;
    }
    assert_eq!(chosen.message()["key"], "a.b");
}

/// A question that is answered with this.
fn question(reply: &Value) -> Value {
    json!({
        "exchange": "questions", "exchange_type": "direct", "routing_key": "ask", "response_key": "answer",
        "payload": {"reply_key": "answer", "reply": reply}, "amqp_timeout": 60,
    })
}

async fn requests(broker: Arc<RabbitMq>) {
    let mut server = Server::start_with(&["--amqp-url", &broker.url()]);
    let api = server.api();
    for timeout in [json!(0), json!(-1), json!(3601), json!("60"), json!([])] {
        let mut body = question(&json!(1));
        body["amqp_timeout"] = timeout;
        let text = "Bad Request, amqp_timeout must be a number of seconds, more than 0 and at most 3600";
        refused(&api.post("/amqp-request", &body).await, 400, text);
    }
    let nobody = api.post("/amqp-request", &question(&json!(1))).await;
    let text = "nobody receives it: no queue is bound to exchange questions for routing key 'ask'";
    refused(&nobody, 503, text);

    let _answering = Consumer::of(&broker, "answering", &["questions", "direct", "ask"]);
    let answer = api.post("/amqp-request", &question(&json!({"a": ["\u{fc}"]}))).await;
    assert_eq!(
        (&answer.ok(), answer.headers["content-type"].as_str()),
        (&json!({"a": ["\u{fc}"]}), "application/json")
    );
    let answer = api.post("/amqp-request", &question(&json!("<words>"))).await;
    refused(&answer, 200, "<words>");
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    let mut large = question(&json!(1));
    large["payload"]["reply_size"] = (5 << 20).into();
    refused(
        &api.post("/amqp-request", &large).await,
        500,
        "the reply has 5242880 bytes, and 4194304 at most are handed on",
    );
    // All at once, each its own: a key of a reply belongs to who asks for it.
    let mut all = JoinSet::new();
    for number in 0..20 {
        let api = api.clone();
        all.spawn(async move {
            let mut body = question(&json!({ "number": number }));
            body["response_key"] = format!("answer-{number}").into();
            body["payload"]["reply_key"] = body["response_key"].clone();
            assert_eq!(api.post("/amqp-request", &body).await.ok(), json!({ "number": number }));
        });
    }
    all.join_all().await;

    // The question itself is no reply to it, though it comes back where everybody gets everything.
    let silent = json!({"exchange": "all", "exchange_type": "fanout", "payload": "anybody?", "amqp_timeout": 0.5});
    refused(&api.post("/amqp-request", &silent).await, 500, "");

    // Who waits does not hold up the end of the server.
    let mut listener = Consumer::of(&broker, "listener", &["all", "fanout", ""]);
    let mut waiting = silent.clone();
    waiting["amqp_timeout"] = 600.into();
    let request = {
        let api = api.clone();
        tokio::spawn(async move { api.post("/amqp-request", &waiting).await })
    };
    next_message(&mut listener);
    let begin = Instant::now();
    assert!(server.terminate().success());
    assert!(begin.elapsed() < Duration::from_secs(20), "the end takes {:?}", begin.elapsed());
    refused(&request.await.unwrap(), 500, "the server stops");
}

/// The next message, while requests are under way in this program: they need a thread.
fn next_message(consumer: &mut Consumer) -> Value {
    block_in_place(|| consumer.message())
}

/// A request on a connection of its own.
async fn ask(address: SocketAddr, body: &Value) -> TcpStream {
    ask_on(TcpStream::connect(address).await.unwrap(), body).await
}

async fn ask_on<T: AsyncWrite + Unpin>(mut connection: T, body: &Value) -> T {
    let text = body.to_string();
    let head = "POST /amqp-request HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ";
    connection.write_all(format!("{head}{}\r\n\r\n{text}", text.len()).as_bytes()).await.unwrap();
    connection
}

async fn leaving(broker: Arc<RabbitMq>) {
    let server = Server::start_with(&["--amqp-url", &broker.url()]);
    let files = Arc::new(Files::new());
    let (certificate, key) = (files.text("server.pem"), files.text("server.key"));
    let tls = ["--tls-certificate", &certificate, "--tls-key", &key];
    let secure = server.start_another_with(&[&tls[..], &["--amqp-url", &broker.url()]].concat());
    let client = Client { files, address: secure.address() };
    let api = server.api();
    // Nobody answers, and everybody has ten minutes.
    let mut listener = Consumer::of(&broker, "listener", &["questions", "direct", "ask"]);
    let mut body = question(&json!(1));
    body["payload"] = "anybody?".into();
    body["amqp_timeout"] = 600.into();
    let mut waiting = Vec::new();
    for _ in 0..MOST_WAITING {
        waiting.push(ask(server.address(), &body).await);
    }
    for _ in 0..MOST_WAITING {
        next_message(&mut listener);
    }
    refused(&api.post("/amqp-request", &body).await, 503, "50 requests wait for their replies already");
    // Messages that nobody waits for are sent all the same, and others are answered.
    refused(&api.post("/amqp-publish", &json!({"exchange": "news", "exchange_type": "fanout"})).await, 202, "");
    // Both ways to leave: closing the connection, and closing the own side only.
    let mut last = waiting.pop().unwrap();
    last.shutdown().await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), last.read_to_string(&mut answer));
    read.await.expect("who has left is not waited with").unwrap();
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    drop(waiting);
    // The same where TLS is spoken.
    let mut secret = ask_on(client.connect().await, &body).await;
    next_message(&mut listener);
    secret.shutdown().await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), secret.read_to_string(&mut answer));
    read.await.expect("who has left is not waited with").unwrap();
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    // Then others may wait, and the queues for the replies are gone, too.
    let mut to_replies = body.clone();
    to_replies["routing_key"] = "answer".into();
    to_replies["response_key"] = "other".into();
    to_replies["amqp_timeout"] = 0.1.into();
    let gone = "nobody receives it: no queue is bound to exchange questions for routing key 'answer'";
    let begin = Instant::now();
    loop {
        let answer = api.post("/amqp-request", &to_replies).await;
        if answer.text == gone {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{answer}");
    }
    body["amqp_timeout"] = 0.1.into();
    let mut all = JoinSet::new();
    for _ in 0..MOST_WAITING {
        let (api, body) = (api.clone(), body.clone());
        all.spawn(async move { refused(&api.post("/amqp-request", &body).await, 500, "") });
    }
    all.join_all().await;
}

async fn outages() {
    let mut broker = RabbitMq::start();
    let server = Server::start_with(&["--amqp-url", &broker.url()]);
    let api = server.api();
    let news = json!({"exchange": "news", "exchange_type": "fanout"});
    refused(&api.post("/amqp-publish", &news).await, 202, "");
    // Waits for a reply when the broker goes: whether somebody has the question is not known then.
    let mut listener = Consumer::of(&broker, "listener", &["questions", "direct", "ask"]);
    let mut body = question(&json!(1));
    body["payload"] = "anybody?".into();
    let request = {
        let (api, body) = (api.clone(), body.clone());
        tokio::spawn(async move { api.post("/amqp-request", &body).await })
    };
    next_message(&mut listener);
    broker.kill();
    let lost = request.await.unwrap();
    assert!(lost.status == 500 && lost.text.starts_with("it is not known whether somebody has the message"), "{lost}");
    let away = api.post("/amqp-publish", &news).await;
    assert!(away.status == 503 && away.text.starts_with("the message bus can't be reached: "), "{away}");
    broker.restart();
    refused(&api.post("/amqp-publish", &news).await, 202, "");

    send_signal("STOP", &[broker.process_id()]);
    let begin = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..5 {
        let (api, news) = (api.clone(), news.clone());
        all.spawn(async move { api.post("/amqp-publish", &news).await });
    }
    for hanging in all.join_all().await {
        assert!(hanging.status == 503, "{hanging}");
    }
    assert!(begin.elapsed() < Duration::from_secs(30), "it takes {:?}", begin.elapsed());
    // Everything else goes on.
    api.get("/virtual-networks").await.status_is(200);
    send_signal("CONT", &[broker.process_id()]);
    refused(&api.post("/amqp-publish", &news).await, 202, "");
}
