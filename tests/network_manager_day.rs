//! What a Kubernetes network manager does in its day, with fifty pods, on one server process and on two.

use std::time::Duration;

use serde_json::json;

use crate::support::round_robin::RoundRobin;
use crate::support::tokens::{ALICE_PROJECT, Tokens, allow_all_types};
use crate::support::{Checks, Server, python};

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
    python::run(PROGRAM, &[server.url()], LIMIT).await;
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
}
