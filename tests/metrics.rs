//! What servers tell at `/metrics`: that it is true and can be read, and that alerts and dashboard name what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::support::postgresql::Cluster;
use crate::support::scrape::Scraped;
use crate::support::tokens::Tokens;
use crate::support::{Checks, Server, python};

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_mins(1);

pub async fn metrics_and_what_is_made_of_them() {
    let mut checks = Checks::default();
    checks.run("the page is that of the program, and has each alert", async { the_page() }).await;
    checks.run("alert rules are right and come when they should", async { alert_rules() }).await;
    checks.run("the containers have what they name", async { containers() }).await;
    checks.run("a server under work", a_server_under_work()).await;
    checks.run("administrators only", administrators_only()).await;
    checks.run("scrapers that read nothing", scrapers_that_read_nothing()).await;
    checks.run("a database that is away", a_database_that_is_away()).await;
    checks.finish();
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn packaged(name: &str) -> PathBuf {
    here().join("packaging/prometheus").join(name)
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Gives `promtool` something to say; it has to find nothing wrong.
fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command
        .args(arguments)
        .current_dir(packaged(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running =
        command.spawn().unwrap_or_else(|error| panic!("promtool: {error}: run ./check, which installs it"));
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
    // What it would rather have is on a line for each metric, and no reason for another status.
    assert!(!input.is_empty() || said.contains("SUCCESS"), "promtool {arguments:?}:\n{said}");
    assert!(input.is_empty() || said.is_empty(), "promtool {arguments:?}:\n{said}");
}

/// A file of YAML.
fn yaml(path: &Path) -> Value {
    let output = python::program("yaml_as_json.py").arg(path).output().unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("no list {name} in {value}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

/// The alerts: name and expression.
fn alerts() -> Vec<(String, String)> {
    let rules = yaml(&packaged("cirrus.rules.yml"));
    let groups = list(&rules, "groups").iter();
    let rules = groups.flat_map(|group| list(group, "rules"));
    rules.map(|rule| (text(rule, "alert").to_owned(), text(rule, "expr").to_owned())).collect()
}

/// The expressions of the dashboard.
fn panels() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text_of(&packaged("cirrus-dashboard.json"))).unwrap();
    let targets = list(&dashboard, "panels").iter().filter(|panel| panel["type"] != "row");
    targets.flat_map(|panel| list(panel, "targets")).map(|target| text(target, "expr").to_owned()).collect()
}

fn the_page() {
    let printed = Command::new(env!("CARGO_BIN_EXE_cirrus")).arg("metrics").output().unwrap();
    let page = String::from_utf8(printed.stdout).unwrap();
    assert!(page == text_of(&here().join("docs/metrics.md")), "cirrus metrics > docs/metrics.md");
    let told: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| Cirrus")?.split(' ').next()).collect();
    let alerts = alerts();
    let there: BTreeSet<&str> = alerts.iter().filter_map(|(name, _)| name.strip_prefix("Cirrus")).collect();
    assert_eq!(told, there);
}

fn alert_rules() {
    promtool(&["check", "rules", "cirrus.rules.yml"], "");
    promtool(&["test", "rules", "cirrus.rules.test.yml"], "");
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"], "");
    promtool(&["check", "config", "--syntax-only", "prometheus-compose.yml"], "");
    let tests = yaml(&packaged("cirrus.rules.test.yml"));
    let mut tried: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    for test in list(&tests, "tests").iter().flat_map(|test| list(test, "alert_rule_test")) {
        tried.entry(text(test, "alertname")).or_default().insert(list(test, "exp_alerts").is_empty());
    }
    let alerts = alerts();
    let both = BTreeSet::from([false, true]);
    let wanted: BTreeMap<&str, BTreeSet<bool>> = alerts.iter().map(|(name, _)| (name.as_str(), both.clone())).collect();
    assert_eq!(tried, wanted, "each alert is tried where it has to come, and where it must not");
    // Grafana asks Prometheus, so what it asks has to be something that Prometheus can read.
    let directory = tempfile::tempdir().unwrap();
    let rules: Vec<Value> = panels()
        .iter()
        .enumerate()
        .map(|(number, expression)| {
            let expression =
                expression.replace("$__rate_interval", "5m").replace("$job", "cirrus").replace("$instance", ".*");
            assert!(!expression.contains('$'), "{expression}");
            json!({"record": format!("panel_{number}"), "expr": expression})
        })
        .collect();
    assert!(rules.len() > 50);
    let file = directory.path().join("dashboard.rules.yml");
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()], "");
}

/// Of the profile `monitoring`: what is mounted is there, and Prometheus is asked by its name.
fn containers() {
    let compose = yaml(&here().join("docker-compose.yml"));
    for name in ["prometheus", "grafana"] {
        let service = &compose["services"][name];
        assert_eq!(service["profiles"], json!(["monitoring"]), "{name}");
        let mounts = list(service, "volumes").iter().map(|mount| mount.as_str().unwrap().split(':').next().unwrap());
        for mount in mounts {
            let is_there = match mount.strip_prefix("./") {
                // Made by whoever starts it.
                Some("access") => true,
                Some(path) => here().join(path).exists(),
                None => compose["volumes"].as_object().unwrap().contains_key(mount),
            };
            assert!(is_there, "{name}: {mount}");
        }
    }
    let sources = yaml(&packaged("grafana/datasources.yml"));
    assert_eq!(text(&list(&sources, "datasources")[0], "url"), "http://prometheus:9090");
    let of_dashboards = yaml(&packaged("grafana/dashboards.yml"));
    let place = text(&list(&of_dashboards, "providers")[0]["options"], "path").to_owned();
    let mounts = list(&compose["services"]["grafana"], "volumes");
    assert!(mounts.iter().any(|mount| mount.as_str().unwrap().contains(&format!("cirrus-dashboard.json:{place}/"))));
    let scraped = yaml(&packaged("prometheus-compose.yml"));
    assert_eq!(scraped["scrape_configs"][0]["static_configs"][0]["targets"], json!(["server:8082"]));
    let command = compose["services"]["prometheus"]["command"].to_string();
    assert!(command.contains("/etc/prometheus/cirrus/prometheus-compose.yml"), "{command}");
}

/// Names of metrics in an expression, each with the labels that are looked at there.
fn named(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        let end = rest[start..].find(|letter| !is_name(letter)).map_or(rest.len(), |length| start + length);
        let name = &rest[start..end];
        rest = &rest[end..];
        let labels = rest.strip_prefix('{').and_then(|labels| Some(labels.split_once('}')?.0));
        if ["cirrus_", "process_"].iter().any(|begin| name.starts_with(begin)) {
            let looked_at = labels.unwrap_or_default().split("\",").filter(|pair| !pair.is_empty());
            let looked_at = looked_at.map(|pair| pair.split(['=', '!', '~']).next().unwrap().to_owned());
            found.push((name.to_owned(), looked_at.collect()));
        }
        if let Some(labels) = labels {
            rest = &rest[labels.len() + 1..];
        }
    }
    found
}

/// The table in the page: metrics, each with its labels.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let page = text_of(&here().join("docs/metrics.md"));
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").map(quoted).collect::<Vec<_>>());
    cells.map(|cells| (cells[0][0].clone(), cells[2].iter().cloned().collect())).collect()
}

async fn a_server_under_work() {
    let server = Server::start();
    let api = server.api();
    let before = Scraped::of(&api).await;
    let names: Vec<String> = (0..20).map(|number| format!("never-told-{number}")).collect();
    let mut uuids = Vec::new();
    for name in &names {
        let body = json!({"project": {"fq_name": ["default-domain", name], "parent_type": "domain"}});
        uuids.push(text(&api.post("/projects", &body).await.ok()["project"], "uuid").to_owned());
        api.post("/projects", &body).await.status_is(409);
        // What is nowhere has no name of its own either.
        api.get(&format!("/{name}")).await.status_is(404);
        api.get(&format!("/project/{name}")).await;
        api.post("/fqname-to-id", &json!({"type": name, "fq_name": [name]})).await;
        api.send("GET", "/projects", &[("X-User", name), ("User-Agent", name)], None).await.unwrap().status_is(200);
    }
    let network = json!({"virtual-network": {"fq_name": ["default-domain", "never-told-0", "n"], "parent_type": "project",
        "provider_properties": {"segmentation_id": 1}, "virtual_network_properties": {"forwarding_mode": "l2"},
        "is_shared": true}});
    api.post("/virtual-networks", &network).await;
    api.delete(&format!("/project/{}", uuids[1])).await.status_is(200);
    api.get("/documentation/").await.status_is(200);
    api.post("/transaction", &json!({"operations": vec![0; 501]})).await.status_is(400);
    let after = Scraped::of(&api).await;
    let since = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
    for (name, labels, wanted) in [
        ("cirrus_requests_total", &[("type", "project"), ("operation", "create"), ("status", "2xx")][..], 20.0),
        ("cirrus_requests_total", &[("type", "project"), ("operation", "create"), ("status", "4xx")], 20.0),
        ("cirrus_requests_total", &[("type", "project"), ("operation", "delete")], 1.0),
        ("cirrus_requests_total", &[("operation", "list")], 20.0),
        ("cirrus_requests_total", &[("operation", "none"), ("status", "4xx")], 20.0),
        ("cirrus_requests_total", &[("operation", "page")], 1.0),
        ("cirrus_requests_total", &[("operation", "metrics")], 1.0),
        ("cirrus_request_seconds_count", &[("operation", "create")], 41.0),
        ("cirrus_refusals_total", &[("status", "409")], 20.0),
        ("cirrus_limit_refusals_total", &[("limit", "one-request")], 1.0),
        ("cirrus_changes_total", &[("type", "project"), ("operation", "create")], 20.0),
        ("cirrus_changes_total", &[("type", "project"), ("operation", "delete")], 1.0),
        ("cirrus_objects", &[("type", "project")], 19.0),
    ] {
        assert!(
            (since(name, labels) - wanted).abs() < 0.5,
            "{name} {labels:?}: {} and not {wanted}",
            since(name, labels)
        );
    }
    // Those that were refused were decided, and no batch was larger than all that was asked.
    assert!(since("cirrus_decision_seconds_count", &[]) > 40.5);
    assert!(since("cirrus_batch_requests_sum", &[]) >= since("cirrus_batch_requests_count", &[]));
    assert!(since("cirrus_commit_seconds_count", &[]) >= 1.0);
    assert!(since("cirrus_database_calls_total", &[("call", "commit of a batch")]) >= 1.0);
    // This one, by a client that keeps its connection.
    assert!(after.sum("cirrus_connections", &[("way", "public")]) >= 1.0);
    assert!(after.sum("process_resident_memory_bytes", &[]) > 10e6);
    assert!((after.sum("cirrus_private_postgresql", &[]) - 1.0).abs() < 0.1);
    assert_eq!(after.by("cirrus_ready", &["part"]).len(), 3, "{}", after.text);

    // Nobody's names, and few values.
    for value in after.label_values() {
        assert!(!value.contains("never-told") && !uuids.iter().any(|uuid| value.contains(uuid)), "{value}");
        let digits = value.split('-').map(str::len).collect::<Vec<_>>();
        assert_ne!(digits, [8, 4, 4, 4, 12], "{value} looks like a uuid");
    }
    assert!(after.samples.len() < 1_000, "{} series", after.samples.len());

    promtool(&["check", "metrics"], &after.text);
    let open = [("Accept", "application/openmetrics-text; version=1.0.0")];
    let open = api.send("GET", "/metrics", &open, None).await.unwrap();
    assert_eq!(open.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text.ends_with("# EOF\n") && open.text.contains("# TYPE cirrus_requests counter\n"));
    let head = api.send("HEAD", "/metrics", &[], None).await.unwrap();
    assert_eq!((head.status, head.text.as_str()), (200, ""));

    // What alerts and dashboard name is there, and so are the labels that they look at.
    let table = table();
    assert_eq!(table.keys().collect::<Vec<_>>(), after.types.keys().collect::<Vec<_>>());
    let expressions = alerts().into_iter().map(|(_, expression)| expression).chain(panels());
    let looked_at: Vec<_> = expressions.flat_map(|expression| named(&expression)).collect();
    let all: BTreeSet<&str> = looked_at.iter().map(|(name, _)| name.as_str()).collect();
    assert!(all.len() > 40, "{all:?}");
    for (name, labels) in &looked_at {
        assert!(after.knows(name), "{name} is in no scrape");
        let metric = ["_bucket", "_sum", "_count"].iter().find_map(|end| table.get(name.strip_suffix(end)?));
        let known = table.get(name).or(metric).unwrap();
        for label in labels.iter().filter(|label| !["job", "instance", "le"].contains(&label.as_str())) {
            assert!(known.contains(label), "{name} has no label {label}");
        }
    }
}

async fn administrators_only() {
    let (server, tokens) = Tokens::start("rbac", &[]);
    server.api().get("/metrics").await.status_is(401);
    tokens.api(&server, "alice").get("/metrics").await.status_is(403);
    tokens.api(&server, "reader").get("/metrics").await.status_is(403);
    let scraped = Scraped::of(&tokens.api(&server, "admin")).await;
    // Two that are not administrators, and this one.
    let outcomes = scraped.by("cirrus_authentications_total", &["source", "outcome"]);
    assert_eq!(outcomes, BTreeMap::from([(vec!["file".to_owned(), "known".to_owned()], 3)]));
    let statuses = scraped.by("cirrus_refusals_total", &["status"]);
    assert_eq!(statuses, BTreeMap::from([(vec!["401".to_owned()], 1), (vec!["403".to_owned()], 2)]));
    let home = server.api().get("/").await.ok();
    assert!(!home.to_string().contains("metrics"));
}

/// They send what they want to know, and take nothing of it: others are told what is so now, and what is held for them has a bound.
async fn scrapers_that_read_nothing() {
    let server = Server::start();
    let api = server.api();
    let before = Scraped::of(&api).await.sum("process_resident_memory_bytes", &[]);
    let mut silent = Vec::new();
    for _ in 0..100 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // So that what is not taken comes to a halt soon.
        socket.set_recv_buffer_size(4 << 10).unwrap();
        socket.connect(&server.address().into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.write_all(&b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100)).unwrap();
        silent.push(stream);
    }
    for _ in 0..100 {
        api.get("/projects").await.status_is(200);
        let scraped = Scraped::of(&api).await;
        let grown = scraped.sum("process_resident_memory_bytes", &[]) - before;
        assert!(grown < 60e6, "{grown} bytes");
    }
    drop(silent);
}

async fn a_database_that_is_away() {
    let mut cluster = Cluster::start("metrics", &[]);
    cluster.create_database();
    let server = Server::start_on(&cluster.url());
    let api = server.api();
    let scraped = Scraped::of(&api).await;
    assert_eq!(scraped.sum("cirrus_private_postgresql", &[]).to_bits(), 0.0_f64.to_bits());
    let before = scraped.sum("cirrus_database_failures_total", &[]);
    cluster.kill();
    let begin = Instant::now();
    loop {
        let scraped = Scraped::of(&api).await;
        let silence = scraped.sum("cirrus_database_silence_seconds", &[]);
        let ready = scraped.sum("cirrus_ready", &[("part", "database")]);
        if ready < 0.5 {
            assert!(silence >= 3.0 && scraped.sum("cirrus_database_failures_total", &[]) > before, "{}", scraped.text);
            break;
        }
        assert!(begin.elapsed() < LIMIT, "the database is away for {LIMIT:?}, and heard {silence} s ago");
    }
}
