//! What a page from elsewhere can make a browser do with a server on the same machine: run no script that the server repeats, and
//! read nothing by making its own name lead here.

use crate::support::{Answer, Api, Checks, Server};
use serde_json::json;

/// As it stands in a query or a path.
const SCRIPT: &str = "%3Cimg%20src=x%20onerror=alert(1)%3E";
const MARKUP: &str = "<img src=x onerror=alert(1)>";

pub async fn pages_from_elsewhere_have_no_power() {
    let server = Server::start();
    let other = server.start_another_with(&["--allowed-hosts", "one.example, Two.Example"]);
    let any = server.start_another_with(&["--allowed-hosts", "*"]);
    let mut checks = Checks::default();
    checks.run("no answer but the pages can run a script", no_script(server.api())).await;
    checks.run("the page of the documentation still can", documentation(server.api())).await;
    checks.run("a foreign name in Host is refused", foreign_names(server.api())).await;
    checks.run("names that the operator gives are answered to", given_names(other.api(), any.api())).await;
    checks.finish();
}

/// Whether a browser that is led to this answer shows it as text at most.
fn is_harmless(answer: &Answer) {
    let header = |name: &str| answer.headers.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox", "{answer}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{answer}");
}

async fn no_script(api: Api) {
    let places = [
        "/virtual-networks?page_marker=SCRIPT",
        "/virtual-networks?page_limit=SCRIPT",
        "/virtual-networks?filters=SCRIPT",
        "/virtual-networks?parent_type=SCRIPT",
        "/virtual-networks?parent_id=SCRIPT",
        "/virtual-networks?obj_uuids=SCRIPT",
        "/virtual-networks?back_ref_id=SCRIPT",
        "/virtual-network/SCRIPT",
        "/SCRIPT",
        "/prop-collection-get?uuid=SCRIPT&fields=SCRIPT",
        "/obj-perms?uuid=SCRIPT",
        "/watch?resource_type=SCRIPT",
        "/watch?resource_type=virtual_network&since=SCRIPT",
        "/changes?since=SCRIPT",
        "/changes?limit=SCRIPT",
        "/changes?resource_type=SCRIPT",
    ];
    let mut echoed = 0;
    for place in places {
        let answer = api.get(&place.replace("SCRIPT", SCRIPT)).await;
        is_harmless(&answer);
        echoed += usize::from(answer.text.contains(MARKUP));
    }
    assert!(echoed > 0, "some text repeats what was sent; otherwise this shows nothing");
    let body = json!({"virtual-network": {"fq_name": ["default-domain", "default-project", "page"], "parent_type": "project",
        "display_name": MARKUP}});
    is_harmless(&api.post("/virtual-networks", &body).await);
    is_harmless(&api.post("/virtual-networks", &body).await);
    is_harmless(&api.post("/fqname-to-id", &json!({"type": MARKUP, "fq_name": [MARKUP]})).await);
    for path in
        ["/", "/virtual-networks", "/virtual-networks?detail=true", "/openapi-not-there", "/healthz", "/changes"]
    {
        is_harmless(&api.get(path).await);
    }
}

async fn documentation(api: Api) {
    let page = api.get("/documentation/").await;
    page.status_is(200);
    let policy = &page.headers["content-security-policy"];
    assert!(policy.contains("default-src 'self'") && !policy.contains("sandbox"), "{page}");
    assert_eq!(page.headers["x-content-type-options"], "nosniff", "{page}");
}

async fn to_host(api: &Api, host: &str) -> Answer {
    api.send("GET", "/virtual-networks", &[("Host", host)], None).await.unwrap()
}

async fn foreign_names(api: Api) {
    for host in ["evil.example", "evil.example:8082", "localhost.evil.example", "127.0.0.1.evil.example:8082"] {
        let answer = to_host(&api, host).await;
        is_harmless(answer.status_is(403));
        assert!(answer.text.contains("--allowed-hosts"), "{answer}");
    }
    let project = json!({"project": {"fq_name": ["default-domain", "rebound"], "parent_type": "domain"}});
    let headers = [("Host", "evil.example"), ("Content-Type", "application/json")];
    let refused = api.send("POST", "/projects", &headers, Some(project.to_string().into_bytes())).await.unwrap();
    refused.status_is(403);
    assert_eq!(api.find("project", &json!(["default-domain", "rebound"])).await, None);
    for host in ["localhost", "LOCALHOST:1", "cirrus.localhost:8082", "127.0.0.1:8082", "10.1.2.3", "[::1]:8082"] {
        to_host(&api, host).await.status_is(200);
    }
}

async fn given_names(some: Api, any: Api) {
    for host in ["one.example", "ONE.example:8082", "two.example."] {
        to_host(&some, host).await.status_is(200);
    }
    to_host(&some, "three.example").await.status_is(403);
    to_host(&any, "three.example").await.status_is(200);
}
