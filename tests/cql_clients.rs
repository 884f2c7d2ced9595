//! Real clients of Cassandra: the driver of the Python daemons, with their settings and statements, and the shell. What they read is
//! held against what REST tells, made into columns by a program that knows the contract and not the server.

use crate::support::rabbitmq::free_port;
use crate::support::{Api, Checks, Server, cql, fresh_directory, python, wait_until};
use crate::tls::Files;
use crate::write_back;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::task::block_in_place;
use tokio::time::timeout;

/// Far more than any of it takes.
const LIMIT: Duration = Duration::from_mins(3);

/// One server as daemons find it, and the same for those who are asked who they are, over TLS.
pub async fn daemons_read_the_configuration() {
    let mut checks = Checks::default();
    let with_names = tokio::spawn(reads_with_names());
    checks.run("everybody is let in", reads(&[])).await;
    checks.run("with names, over TLS", async { with_names.await.unwrap() }).await;
    checks.finish();
}

async fn reads(options: &'static [&'static str]) {
    let (server, address) = block_in_place(|| cql::start(options));
    read(&server, address, &[]).await;
}

async fn reads_with_names() {
    let files = Files::new();
    let directory = fresh_directory();
    let users = directory.path().join("users");
    fs::write(&users, "someone:else\ncontrol:it's a s\u{e9}cret\n").unwrap();
    let (certificate, key, authority) = (files.text("server.pem"), files.text("server.key"), files.text("ca.pem"));
    let (server, address) = block_in_place(|| {
        let server = Server::start();
        let listen = format!("127.0.0.1:{}", free_port());
        // REST has no TLS here only because the programs ask it over plain HTTP: through another process.
        let options = ["--cql-listen", &listen, "--cql-tls", "--cql-users-file", users.to_str().unwrap()];
        let tls = ["--tls-certificate", &certificate, "--tls-key", &key];
        let another = server.start_another_with(&[&options[..], &tls[..]].concat());
        let address = cql::address(&another);
        ((server, another), address)
    });
    read(&server.0, address, &["control", "it's a s\u{e9}cret", &authority]).await;
}

async fn read(server: &Server, address: SocketAddr, more: &[&str]) {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let arguments = [&[server.url(), &host, &port], more].concat();
    python::run("cql_reader.py", &arguments, LIMIT).await;
}

/// Two processes on one database, at two addresses and one port, and what is kept between two looks.
struct Pair {
    /// Ends before the first, which has the database.
    second: Server,
    first: Server,
    addresses: [SocketAddr; 2],
    directory: tempfile::TempDir,
}

const OPTIONS: [&str; 2] = ["--tag-id-digits", "12"];

impl Pair {
    fn start() -> Self {
        // Not one that the system gives to whoever asks: the second one has to have it, too, and so has the next one in its place.
        let port = free_port();
        let addresses: [SocketAddr; 2] =
            [1, 2].map(|number: u8| (std::net::Ipv4Addr::new(127, 0, 0, number), port).into());
        let listen = addresses.map(|address| address.to_string());
        let first = Server::start_with(&[&["--cql-listen", &listen[0]], &OPTIONS[..]].concat());
        let second = first.start_another_with(&[&["--cql-listen", &listen[1]], &OPTIONS[..]].concat());
        for server in [&first, &second] {
            cql::address(server);
            wait_until_two(server, 1);
        }
        Self { second, first, addresses, directory: fresh_directory() }
    }

    fn kill_second(&mut self) {
        self.second.kill();
    }

    fn start_second(&mut self) {
        let listen = self.addresses[1].to_string();
        self.second = self.first.start_another_with(&[&["--cql-listen", &listen], &OPTIONS[..]].concat());
        cql::address(&self.second);
        wait_until_two(&self.second, 1);
    }

    /// Compares all that both tell with what REST tells, and with what they told before.
    async fn compare(&self, when: &str) {
        let [first, second] = self.addresses.map(|address| address.to_string());
        let kept = self.directory.path().join("times.json");
        let arguments = [self.first.url(), &first, &second, kept.to_str().unwrap()];
        let printed = python::run("cql_oracle.py", &arguments, LIMIT).await;
        println!("{when}:\n{printed}");
    }
}

/// Waits until a server knows of another one, for so many times.
fn wait_until_two(server: &Server, times: usize) {
    wait_until("it knows the other one", LIMIT, || {
        server.log().matches("CQL: another process is there").count() >= times
    });
}

/// Every type, every reference, drafts, what is hidden and what is shared, after changes, kills and restarts.
pub async fn tables_are_what_rest_tells() {
    let mut pair = block_in_place(Pair::start);
    let api = pair.first.api();
    pair.compare("at the start").await;
    write_back::make_examples(&api).await;
    write_back::make_what_was_refused(&api).await;
    write_back::make_drafts(&api).await;
    let (network, port) = make_unusual(&api).await;
    pair.compare("with everything").await;
    change(&api, &pair.second.api(), &network, &port).await;
    pair.compare("after changes").await;
    block_in_place(|| {
        pair.kill_second();
        pair.start_second();
    });
    pair.compare("after a kill").await;
    change_again(&pair.second.api(), &network, &port).await;
    pair.compare("after more changes").await;
}

/// What samples do not have. Gives the paths of a network and of an interface.
pub async fn make_unusual(api: &Api) -> (String, String) {
    let create = async |kind: &str, name: &str, members: Value| {
        let mut body = json!({"fq_name": ["default-domain", "default-project", name], "parent_type": "project"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let made = api.post(&format!("/{kind}s"), &json!({ kind: body })).await.ok();
        made[kind]["uuid"].as_str().unwrap().to_owned()
    };
    let protocols: Vec<Value> = (1..=12).map(|port| json!({"protocol": "udp", "port": port})).collect();
    let annotations = json!([
        {"key": "a:b:c", "value": "d:e"}, {"key": "", "value": ""}, {"key": "\u{2603} 'x' \"y\" \\", "value": "\u{1f600}\n\t"},
        {"key": "a", "value": null}, {"key": ":", "value": "x"},
    ]);
    let network = create(
        "virtual-network",
        "unusual \u{fc}'%\" +&",
        json!({
            "virtual_network_fat_flow_protocols": {"fat_flow_protocol": protocols},
            "annotations": {"key_value_pair": annotations},
            "display_name": "a 'name' with \"quotes\", \\ and \u{2028}",
        }),
    )
    .await;
    let hidden = json!({"id_perms": {"enable": true, "user_visible": false}});
    create("virtual-network", "hidden", hidden).await;
    let everybody = create("network-policy", "for everybody", json!({})).await;
    let shares = json!([
        {"tenant": "11111111-1111-4111-8111-111111111111", "tenant_access": 5},
        {"tenant": "tenant:22222222-2222-4222-8222-222222222222", "tenant_access": 7},
        {"tenant": "domain:33333333-3333-4333-8333-333333333333", "tenant_access": 4},
    ]);
    for (uuid, global, shares) in [(&network, 0, &shares), (&everybody, 5, &json!([]))] {
        let body = json!({"uuid": uuid, "global_access": global, "share": shares});
        api.post("/chmod", &body).await.status_is(200);
    }
    // A network that refers to a network has no back reference: both refer to the other.
    let reference = json!([{"uuid": network}]);
    let port = json!({
        "virtual_network_refs": reference,
        "virtual_machine_interface_fat_flow_protocols": {"fat_flow_protocol": []},
        "virtual_machine_interface_bindings": {"key_value_pair": [{"key": "host_id", "value": "h:1"}]},
    });
    let port = create("virtual-machine-interface", "unusual", port).await;
    let provider = create("virtual-network", "provider", json!({"is_provider_network": true})).await;
    let reference = json!([{"uuid": provider}]);
    create("virtual-network", "beside", json!({"virtual_network_refs": reference})).await;
    (network, port)
}

async fn update_collection(api: &Api, path: &str, updates: Value) {
    let uuid = path.rsplit('/').next().unwrap();
    api.post("/prop-collection-update", &json!({"uuid": uuid, "updates": updates})).await.status_is(200);
}

pub async fn change(api: &Api, other: &Api, network: &str, port: &str) {
    const PROTOCOLS: &str = "virtual_network_fat_flow_protocols";
    // One element of many is another one, and one is gone at the end.
    let protocols: Vec<Value> =
        (1..=11).map(|port| json!({"protocol": "udp", "port": if port == 5 { 50 } else { port }})).collect();
    let body =
        json!({"virtual-network": {PROTOCOLS: {"fat_flow_protocol": protocols}, "mtu": 1500, "is_shared": true}});
    api.put(&format!("/virtual-network/{network}"), &body).await.ok();
    let element = |port: u16| json!({"protocol": "tcp", "port": port});
    let updates = json!([
        {"field": PROTOCOLS, "operation": "add", "value": element(100), "position": "00.5"},
        {"field": PROTOCOLS, "operation": "modify", "value": element(101), "position": "10"},
        // More than two colons in a column lose daemons the whole object.
        {"field": PROTOCOLS, "operation": "add", "value": element(102), "position": "2:with:colons"},
        {"field": "annotations", "operation": "set", "value": {"key": "a:b:c", "value": "another"}},
        {"field": "annotations", "operation": "delete", "position": "a"},
    ]);
    update_collection(other, network, updates).await;
    let body = json!({"virtual-machine-interface": {"display_name": null, "port_security_enabled": false,
        "virtual_machine_interface_bindings": {"key_value_pair": []}}});
    other.put(&format!("/virtual-machine-interface/{port}"), &body).await.ok();
}

async fn change_again(api: &Api, network: &str, port: &str) {
    // The same again is no change, and something that was there before is one.
    let body = json!({"virtual-machine-interface": {"display_name": "unusual", "port_security_enabled": false}});
    api.put(&format!("/virtual-machine-interface/{port}"), &body).await.ok();
    let body = json!({"virtual-network": {"virtual_network_fat_flow_protocols": {"fat_flow_protocol": []},
        "annotations": {"key_value_pair": [{"key": "a", "value": null}, {"key": ":", "value": "x"}]}, "is_shared": true}});
    api.put(&format!("/virtual-network/{network}"), &body).await.ok();
}

/// The driver reads page by page from two servers, and one of them is killed in the middle.
pub async fn another_server_takes_over() {
    let mut pair = block_in_place(Pair::start);
    let api = pair.first.api();
    for number in 0..100 {
        let policy =
            json!({"fq_name": ["default-domain", "default-project", format!("p{number}")], "parent_type": "project"});
        api.post("/network-policys", &json!({"network-policy": policy})).await.ok();
    }
    let [first, second] = pair.addresses;
    let mut command = tokio::process::Command::from(python::program("cql_failover.py"));
    command.args([first.port().to_string(), first.ip().to_string(), second.ip().to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ended = false;
    for (until, then) in [("halfway", Step::Kill), ("done", Step::Start), ("again", Step::Nothing)] {
        loop {
            let line = timeout(LIMIT, lines.next_line()).await.expect("it goes on").unwrap();
            ended = line.is_none();
            if ended || line.as_deref() == Some(until) {
                break;
            }
        }
        if ended {
            break;
        }
        match then {
            Step::Kill => block_in_place(|| pair.kill_second()),
            Step::Start => block_in_place(|| pair.start_second()),
            Step::Nothing => {}
        }
        input.write_all(b"go on\n").await.unwrap();
    }
    let output = timeout(LIMIT, child.wait_with_output()).await.expect("its end").unwrap();
    assert!(output.status.success() && !ended, "{}", String::from_utf8_lossy(&output.stderr));
}

enum Step {
    Kill,
    Start,
    Nothing,
}

/// What people type into the shell.
pub async fn people_use_the_shell() {
    let (server, address) = block_in_place(|| cql::start(&[]));
    let api = server.api();
    let network = json!({"fq_name": ["default-domain", "default-project", "for the shell"], "parent_type": "project"});
    let made = api.post("/virtual-networks", &json!({"virtual-network": network})).await.ok();
    let uuid = made["virtual-network"]["uuid"].as_str().unwrap();
    let home = fresh_directory();
    let shell = async |statements: &str| shell(home.path(), address, statements).await;
    let has = |(_, printed): &(bool, String), wanted: &[&str]| {
        for wanted in wanted {
            assert!(printed.contains(wanted), "{wanted:?} is expected in\n{printed}");
        }
    };
    let good = |answer: &(bool, String)| assert!(answer.0, "{}", answer.1);

    let version = shell("SHOW VERSION; SHOW HOST; DESCRIBE CLUSTER").await;
    good(&version);
    has(&version, &["cqlsh 6.2.2", "Cassandra 4.0.0", "Native protocol v4", "Murmur3Partitioner"]);
    let keyspaces = shell("DESCRIBE KEYSPACES").await;
    good(&keyspaces);
    has(&keyspaces, &["config_db_uuid", "to_bgp_keyspace", "svc_monitor_keyspace", "dm_keyspace", "system_schema"]);
    let tables = shell("USE config_db_uuid; DESCRIBE TABLES").await;
    good(&tables);
    has(&tables, &["obj_uuid_table", "obj_fq_name_table", "obj_shared_table"]);
    let table = shell("DESCRIBE TABLE config_db_uuid.obj_uuid_table; DESCRIBE KEYSPACE to_bgp_keyspace").await;
    good(&table);
    let wanted = [
        "key blob",
        "column1 blob",
        "value text",
        "PRIMARY KEY (key, column1)",
        "COMPACT STORAGE",
        "CREATE TABLE to_bgp_keyspace.route_target_table",
        "CREATE KEYSPACE to_bgp_keyspace",
    ];
    has(&table, &wanted);
    let select = "SELECT blobAsText(column1), value, WRITETIME(value), TTL(value) FROM config_db_uuid.obj_uuid_table";
    let row = shell(&format!("{select} WHERE key = textAsBlob('{uuid}')")).await;
    good(&row);
    has(&row, &["prop:display_name", "\"for the shell\"", "\"virtual_network\"", " rows)"]);
    let all =
        shell("SELECT * FROM config_db_uuid.obj_uuid_table LIMIT 3; SELECT * FROM config_db_uuid.obj_fq_name_table")
            .await;
    good(&all);
    has(&all, &["(3 rows)", "0x"]);
    let paged =
        shell("PAGING 10; SELECT blobAsText(key), blobAsText(column1) FROM config_db_uuid.obj_uuid_table").await;
    let counted = shell("SELECT COUNT(*) FROM config_db_uuid.obj_uuid_table").await;
    good(&paged);
    good(&counted);
    let number = counted.1.lines().find_map(|line| line.trim().parse::<usize>().ok()).expect("a number");
    assert!(number > 300, "{number} columns");
    has(&paged, &[&format!("({number} rows)")]);
    for statement in [
        format!(
            "INSERT INTO config_db_uuid.obj_uuid_table (key, column1, value) VALUES (textAsBlob('{uuid}'), 0x00, 'x')"
        ),
        format!("DELETE FROM config_db_uuid.obj_uuid_table WHERE key = textAsBlob('{uuid}')"),
        "TRUNCATE config_db_uuid.obj_fq_name_table".to_owned(),
    ] {
        let refused = shell(&statement).await;
        assert!(!refused.0, "{}", refused.1);
        has(&refused, &["Unauthorized", "REST"]);
    }
    let own = "to_bgp_keyspace.route_target_table";
    let written = shell(&format!(
        "INSERT INTO {own} (key, column1, value) VALUES (0x61, 0x62, '8000001') USING TIMESTAMP 1000 AND TTL 0; \
         SELECT value, WRITETIME(value) FROM {own} WHERE key = 0x61; DELETE FROM {own} WHERE key = 0x61; TRUNCATE {own}; \
         CONSISTENCY QUORUM; SELECT COUNT(*) FROM {own}"
    ))
    .await;
    good(&written);
    has(&written, &["8000001", "1000", "Consistency level set to QUORUM"]);
    let wrong = shell("SELECT nothing FROM config_db_uuid.obj_uuid_table").await;
    assert!(!wrong.0, "{}", wrong.1);
    has(&wrong, &["InvalidRequest", "nothing"]);
    // The whole table as a file, by several processes that prepare statements.
    let file = home.path().join("names.csv");
    let copied = shell(&format!("COPY config_db_uuid.obj_fq_name_table TO '{}'", file.display())).await;
    good(&copied);
    let lines = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {}", copied.1)).lines().count();
    let names = shell("SELECT COUNT(*) FROM config_db_uuid.obj_fq_name_table").await;
    has(&names, &[&format!(" {lines}\n")]);
}

/// Whether the shell was content, and what it said.
async fn shell(home: &Path, address: SocketAddr, statements: &str) -> (bool, String) {
    let mut command = tokio::process::Command::from(python::tool("cqlsh"));
    command.args([&address.ip().to_string(), &address.port().to_string(), "--execute", statements]);
    // Its settings and what was typed are kept in the home directory.
    command.env("HOME", home).env("COLUMNS", "200").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.expect("it ends").unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), format!("{statements}\n{said}"))
}
