//! What a Kubernetes network manager does in its day, with fifty pods, on one server process and on two.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection, Row};

use crate::support::round_robin::RoundRobin;
use crate::support::scrape::Scraped;
use crate::support::tokens::{ALICE_PROJECT, Tokens, allow_all_types};
use crate::support::{Checks, Server, python, revision};

const PROGRAM: &str = "network_manager_day.py";
/// Far more than it takes, also on a machine that is busy with something else.
const LIMIT: Duration = Duration::from_mins(10);

pub async fn a_day_of_the_network_manager() {
    let mut checks = Checks::default();
    checks.run("one process", one_process()).await;
    checks.run("a member of a project", a_member()).await;
    checks.run("each request goes to the other one of two processes", two_processes()).await;
    checks.finish();
}

async fn one_process() {
    let server = Server::start();
    let printed = python::run(PROGRAM, &[server.url()], LIMIT).await;
    let scraped = Scraped::of(&server.api()).await;
    requests_are_those_that_were_sent(&scraped, printed.lines().last().unwrap());
    changes_are_those_of_the_log(&scraped, &server).await;
}

/// What the server has counted is what the program says that it has asked, and how that ended.
fn requests_are_those_that_were_sent(scraped: &Scraped, printed: &str) {
    let sent: BTreeMap<String, u64> = serde_json::from_str(printed).unwrap();
    let (mut requests, mut refusals) = (BTreeMap::new(), BTreeMap::new());
    for (asked, number) in sent {
        let [method, path, status]: [&str; 3] = asked.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let path = path.trim_start_matches('/');
        let (kind, operation) = match (method, path.strip_suffix("/*"), path.strip_suffix('s')) {
            ("GET", Some(kind), _) => (kind, "read"),
            ("PUT", Some(kind), _) => (kind, "update"),
            ("DELETE", Some(kind), _) => (kind, "delete"),
            ("GET", None, _) if path.is_empty() => ("", "page"),
            ("POST", None, Some(kind)) => (kind, "create"),
            ("GET", None, Some(kind)) if !path.ends_with("-perms") => (kind, "list"),
            // Of an object, too.
            _ => ("", path.rsplit('/').next().unwrap()),
        };
        let key = vec![kind.to_owned(), operation.to_owned(), format!("{}xx", &status[..1])];
        *requests.entry(key).or_default() += number;
        if status >= "400" {
            *refusals.entry(vec![status.to_owned()]).or_default() += number;
        }
    }
    assert!(requests.len() > 30 && refusals.len() > 2, "{requests:?}\n{refusals:?}");
    assert_eq!(scraped.by("cirrus_requests_total", &["type", "operation", "status"]), requests);
    assert_eq!(scraped.by("cirrus_refusals_total", &["status"]), refusals);
    let all: u64 = requests.values().sum();
    #[allow(clippy::cast_precision_loss)] // There are some thousands.
    let all = all as f64;
    assert!((scraped.sum("cirrus_request_seconds_count", &[]) - all).abs() < 0.5);
    assert!((scraped.sum("cirrus_limit_refusals_total", &[])).abs() < 0.5);
}

/// What the server has committed is what the change log has, from the first objects on; and nothing was in the way.
async fn changes_are_those_of_the_log(scraped: &Scraped, server: &Server) {
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let query = "select type, op, count(*) from change group by type, op";
    let rows = sqlx::query(query).fetch_all(&mut database).await.unwrap();
    let names: BTreeMap<&str, &str> = [
        ("c", "create"),
        ("u", "update"),
        ("i", "update-implicit"),
        ("m", "rename"),
        ("d", "delete"),
        ("r", "reserve-addresses"),
        ("f", "free-addresses"),
    ]
    .into();
    let logged: BTreeMap<Vec<String>, u64> = rows
        .iter()
        .map(|row| {
            let (kind, operation): (String, String) = (row.get(0), row.get(1));
            let number = u64::try_from(row.get::<i64, _>(2)).unwrap();
            (vec![kind, names[operation.as_str()].to_owned()], number)
        })
        .collect();
    assert_eq!(scraped.by("cirrus_changes_total", &["type", "operation"]), logged);
    let known = revision(&server.api().position().await);
    assert_eq!(logged.values().sum::<u64>(), known);
    assert_eq!(scraped.by("cirrus_revision", &[]), BTreeMap::from([(Vec::new(), known)]));
    for quiet in ["cirrus_replica_lag_revisions", "cirrus_failed_batches_total"] {
        assert_eq!(scraped.by(quiet, &[]), BTreeMap::new(), "{quiet}");
    }
}

/// It is a member of a project, to which the cluster's project belongs, too, and has the rule that deployments give to members.
async fn a_member() {
    let (server, tokens) = Tokens::start("rbac", &[]);
    let admin = tokens.api(&server, "admin");
    allow_all_types(&admin).await;
    let cluster = admin.find("project", &json!(["default-domain", "default-project"])).await.unwrap();
    admin.post("/chown", &json!({"uuid": cluster, "owner": ALICE_PROJECT})).await.status_is(200);
    python::run(PROGRAM, &[server.url(), &Tokens::of("alice"), ALICE_PROJECT], LIMIT).await;
}

async fn two_processes() {
    let server = Server::start();
    let other = server.start_another();
    let proxy = RoundRobin::start(vec![server.address(), other.address()]).await;
    python::run(PROGRAM, &[&proxy.url()], LIMIT).await;
    let requests = proxy.requests();
    assert!(requests > 1_000, "only {requests} requests went through the proxy");
    let mut counted = 0;
    for server in [&server, &other] {
        let scraped = Scraped::of(&server.api()).await;
        counted += scraped.by("cirrus_requests_total", &[]).values().sum::<u64>();
    }
    assert_eq!(counted, u64::try_from(requests).unwrap());
}
