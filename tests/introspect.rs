//! The page that `contrail-status` asks for: whether it is what such scripts read, and true to `/readyz`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::postgresql::Cluster;
use crate::support::proxy::{NewOnes, Proxy};
use crate::support::{Api, Checks, Process, Server, fresh_directory, python, wait_until};

const LIMIT: Duration = Duration::from_mins(1);
const PAGE: &str = "/Snh_SandeshUVECacheReq?x=NodeStatus";

pub async fn contrail_status() {
    let mut checks = Checks::default();
    checks.run("a server that is well", functional()).await;
    checks.run("a server that starts", starting()).await;
    checks.run("a server without its database", without_database()).await;
    checks.run("one that asks badly", async { bad_requests() }).await;
    checks.finish();
}

/// An address that is free now.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What is sent back, to the end.
fn exchange(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut answer = Vec::new();
    // Who is refused may find the connection closed.
    let _ = stream.write_all(sent);
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = exchange(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// What the page says of the process, as scripts read it.
async fn status(address: SocketAddr) -> Value {
    let (status, page) = tokio::task::block_in_place(|| ask(address, PAGE));
    assert_eq!(status, 200, "{page}");
    assert!(!page.contains("secret-word"), "{page}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(page.as_bytes()).unwrap();
    let printed = python::run("node_status.py", &[file.path().to_str().unwrap()], LIMIT).await;
    let node: Value = serde_json::from_str(&printed).unwrap();
    let [process] = node["process_status"].as_array().unwrap().as_slice() else { panic!("{node}") };
    assert!(!node["name"].as_str().unwrap().is_empty(), "{node}");
    assert_eq!((process["module_id"].as_str(), process["instance_id"].as_str()), (Some("contrail-api"), Some("0")));
    process.clone()
}

async fn until_state(address: SocketAddr, state: &str) -> Value {
    let asked = async {
        loop {
            let process = status(address).await;
            if process["state"] == state {
                return process;
            }
        }
    };
    tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(|_| panic!("it does not become {state}"))
}

async fn functional() {
    let address = free();
    let server = Server::start_with(&["--introspect-listen", &address.to_string()]);
    let socket = server.data_directory().join("socket");
    let expected = json!({"module_id": "contrail-api", "instance_id": "0", "state": "Functional", "description": "",
        "connection_infos": [{"type": "Database", "name": "PostgreSQL", "server_addrs": [socket.to_str().unwrap()],
            "status": "Up", "description": ""}]});
    assert_eq!(status(address).await, expected);
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

async fn starting() {
    let address = free();
    let listen = address.to_string();
    let url = "postgresql://nobody@127.0.0.1:1/none";
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database-url", url, "--introspect-listen", &listen];
    let process = Process::start(&arguments);
    wait_until("it waits", LIMIT, || process.errors().contains("not there yet"));
    let expected = json!({"module_id": "contrail-api", "instance_id": "0", "state": "Non-Functional",
        "description": "it starts", "connection_infos": []});
    assert_eq!(status(address).await, expected);
}

async fn without_database() {
    let (address, directory) = (free(), fresh_directory());
    let password = directory.path().join("password");
    std::fs::write(&password, "secret-word").unwrap();
    let (cluster, proxy) = tokio::task::block_in_place(|| {
        let cluster = Cluster::start("database", &[]);
        cluster.create_database();
        let proxy = Proxy::start(&cluster.socket());
        (cluster, proxy)
    });
    let options = [
        "--introspect-listen",
        &address.to_string(),
        "--amqp-url",
        "amqp://me:secret-word@127.0.0.1:1/%2F,amqp://me:secret-word@localhost:2/%2F",
        "--aaa-mode",
        "rbac",
        "--keystone-url",
        "http://127.0.0.1:1/v3",
        "--keystone-user",
        "me",
        "--keystone-password-file",
        password.to_str().unwrap(),
    ];
    let server = Server::start_on_with(&proxy.database_url(), &options);
    let asked = Api::with_headers(server.url(), &[("X-Auth-Token", "a-token")]);
    asked.get("/domains").await.status_is(503);
    wait_until("the bus is missed", LIMIT, || server.log().contains("AMQP: changes are not sent"));
    let process = status(address).await;
    assert_eq!(process["state"], "Functional", "brokers and Keystone may be away: {process}");
    let connections = process["connection_infos"].as_array().unwrap();
    let places = |name: &str| {
        let found = connections.iter().find(|connection| connection["name"] == name).unwrap();
        (found["type"].clone(), found["server_addrs"].clone(), found["status"].clone())
    };
    let database = json!([format!("127.0.0.1:{}", proxy.port())]);
    assert_eq!(places("PostgreSQL"), (json!("Database"), database, json!("Up")));
    assert_eq!(places("RabbitMQ"), (json!("Database"), json!(["127.0.0.1:1", "localhost:2"]), json!("Down")));
    let keystone = json!(["http://127.0.0.1:1/v3"]);
    assert_eq!(places("Keystone"), (json!("Generic Connection"), keystone, json!("Down")));

    proxy.new_connections(NewOnes::Refused);
    proxy.cut();
    let gone = until_state(address, "Non-Functional").await;
    assert!(gone["description"].as_str().unwrap().contains("database: "), "{gone}");
    assert_eq!(
        (&gone["connection_infos"][0]["name"], &gone["connection_infos"][0]["status"]),
        (&json!("PostgreSQL"), &json!("Down"))
    );
    asked.get("/readyz").await.status_is(503);
    proxy.let_go();
    let back = until_state(address, "Functional").await;
    assert_eq!((&back["description"], &back["connection_infos"][0]["status"]), (&json!(""), &json!("Up")));
    // In this order.
    drop((server, proxy, cluster));
}

fn bad_requests() {
    let address = free();
    let server = Server::start_with(&["--introspect-listen", &address.to_string()]);
    tokio::task::block_in_place(|| {
        for path in [
            "/",
            "/Snh_SandeshUVECacheReq",
            "/Snh_SandeshUVECacheReq?x=Other",
            "/Snh_PageReq?x=begin:-1",
            "/readyz",
            "/%00",
        ] {
            assert_eq!(ask(address, path).0, 404, "{path}");
        }
        let post =
            exchange(address, format!("POST {PAGE} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").as_bytes());
        assert!(post.starts_with("HTTP/1.1 404"), "{post}");
        let garbage = exchange(address, b"\x16\x03\x01\x00 no request\r\n\r\n");
        assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
        let long = exchange(address, format!("GET /{} HTTP/1.1\r\n", "x".repeat(1 << 20)).as_bytes());
        assert!(long.is_empty() || long.starts_with("HTTP/1.1 4"), "{}", &long[..50]);
        // More than may be there, each with half a request: they are closed, and others have their turn.
        let held: Vec<TcpStream> = (0..40)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(b"GET /Snh").unwrap();
                stream
            })
            .collect();
        assert_eq!(ask(address, PAGE).0, 200);
        drop(held);
    });
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    // A port that is taken is told before anything is made.
    let taken = address.to_string();
    let mut process =
        Process::start(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "/nowhere", "--introspect-listen", &taken]);
    let code = process.wait(LIMIT).and_then(|status| status.code());
    let said = process.errors();
    assert!(
        code == Some(1) && said.contains(&format!("--introspect-listen {taken}: can't listen there")),
        "{code:?} {said}"
    );
}
