//! Who may touch what others have stored as texts, what the log says of refusals, and what refusals say of others.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::tokens::{Tokens, allow_all_types, make_projects};
use crate::support::{Answer, Api, Checks, Server, wait_until};

pub async fn who_did_what() {
    let (server, tokens) = Tokens::start("rbac", &["--log", "trace"]);
    let api = |name: &str| tokens.api(&server, name);
    make_projects(&api("admin")).await;
    allow_all_types(&api("admin")).await;
    let mut checks = Checks::default();
    checks
        .run("kv_1 texts have owners", texts_have_owners([api("admin"), api("reader"), api("alice"), api("bob")]))
        .await;
    checks
        .run("neu_hook_3 texts of subnets", texts_of_subnets([api("admin"), api("reader"), api("alice"), api("bob")]))
        .await;
    checks.run("members get short texts", short_texts(api("alice"), api("admin"))).await;
    let refusals = refused(&server, api("alice"), api("bob")).await;
    checks
        .run("refused_1 each refusal is one line", async move {
            let last = refusals.last().map(|(id, ..)| format!(" request_id={id:?}")).unwrap();
            let is_last = |line: &str| line.contains(" refused status=") && line.ends_with(&last);
            wait_until("the log is read", Duration::from_mins(1), || server.log().lines().any(is_last));
            one_line_each(&refusals, &server.log());
        })
        .await;
    checks.finish();
}

async fn key_value(api: &Api, operation: &str, key: Value, value: Option<&str>) -> Answer {
    api.post("/useragent-kv", &json!({"operation": operation, "key": key, "value": value})).await
}

async fn texts_have_owners([admin, reader, alice, bob]: [Api; 4]) {
    let store = async |api: &Api, key: &str, value: &str| key_value(api, "STORE", json!(key), Some(value)).await.status;
    let delete = async |api: &Api, key: &str| key_value(api, "DELETE", json!(key), None).await.status;
    let read = async |api: &Api, key: &str| {
        let answer = key_value(api, "RETRIEVE", json!(key), None).await;
        (answer.status == 200).then(|| answer.json()["value"].as_str().unwrap().to_owned())
    };
    assert_eq!(store(&alice, "alices", "1").await, 200);
    assert_eq!(store(&alice, "alices", "2").await, 200, "her own");
    assert_eq!((store(&bob, "alices", "3").await, delete(&bob, "alices").await), (403, 403));
    assert_eq!(
        (read(&alice, "alices").await, read(&bob, "alices").await),
        (Some("2".to_owned()), Some("2".to_owned()))
    );
    let several = key_value(&bob, "RETRIEVE", json!(["alices", "no"]), None).await.ok();
    assert_eq!(several, json!({"value": ["2"]}));
    // Whoever may do everything writes it, and it stays hers.
    assert_eq!(store(&admin, "alices", "4").await, 200);
    assert_eq!((store(&bob, "alices", "5").await, store(&alice, "alices", "6").await), (403, 200));
    // What nobody's project has stored is everybody's, until somebody writes it.
    let nobodys = tokens_without_project(&admin).await;
    assert_eq!(store(&nobodys, "nobodys", "1").await, 200);
    assert_eq!((store(&bob, "nobodys", "2").await, store(&alice, "nobodys", "3").await), (200, 403));
    assert_eq!((delete(&alice, "nobodys").await, delete(&bob, "nobodys").await), (403, 200));
    assert_eq!((delete(&bob, "nobodys").await, delete(&bob, "unknown").await), (200, 200), "there is none");
    for all in [json!(null), json!(""), json!([])] {
        for (api, status) in [(&alice, 403), (&bob, 403), (&admin, 200), (&reader, 200)] {
            assert_eq!(key_value(api, "RETRIEVE", all.clone(), None).await.status, status, "{all}");
        }
    }
    assert_eq!(delete(&admin, "alices").await, 200);
    assert_eq!(read(&alice, "alices").await, None);
    let refused = store(&alice, "alices", "again").await;
    assert_eq!((refused, key_value(&bob, "DELETE", json!("alices"), None).await.status), (200, 403));
}

/// Where subnets are stands in their networks (NEU-HOOK-3): it is told as if it were stored, to who may read them.
async fn texts_of_subnets([admin, reader, alice, bob]: [Api; 4]) {
    let mut wanted = BTreeMap::new();
    for number in 0..3 {
        let name = ["default-domain", "default-project", &format!("with-subnets-{number}")];
        let subnet = |third: usize| {
            json!({"subnet": {"ip_prefix": format!("10.{number}.{third}.0"), "ip_prefix_len": 24},
                "subnet_uuid": Uuid::new_v4().to_string()})
        };
        let subnets = [subnet(0), subnet(1)];
        let ipam = json!({"to": ["default-domain", "default-project", "default-network-ipam"],
            "attr": {"ipam_subnets": subnets}});
        let network = json!({"fq_name": name, "parent_type": "project", "network_ipam_refs": [ipam]});
        let made = admin.post("/virtual-networks", &json!({"virtual-network": network})).await.ok();
        let network = made["virtual-network"]["uuid"].as_str().unwrap().to_owned();
        for (third, subnet) in subnets.iter().enumerate() {
            let uuid = subnet["subnet_uuid"].as_str().unwrap().to_owned();
            wanted.insert(uuid, format!("{network} 10.{number}.{third}.0/24"));
        }
    }
    let of_all = async |api: &Api| {
        let answer = key_value(api, "RETRIEVE", json!(null), None).await.ok();
        let pairs = answer["value"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let told: BTreeMap<String, String> =
            pairs.iter().map(|pair| (text(&pair["key"]), text(&pair["value"]))).collect();
        assert_eq!(told.len(), pairs.len(), "each once");
        told
    };
    let (subnet, place) = wanted.first_key_value().map(|(key, value)| (key.clone(), value.clone())).unwrap();
    // What is stored by such a key is of yesterday.
    assert_eq!(key_value(&admin, "STORE", json!(subnet), Some("elsewhere")).await.status, 200);
    assert_eq!(key_value(&admin, "STORE", json!("other"), Some("text")).await.status, 200);
    wanted.insert("other".to_owned(), "text".to_owned());
    for api in [&admin, &reader] {
        let mut told = of_all(api).await;
        told.retain(|key, _| wanted.contains_key(key));
        assert_eq!(told, wanted);
        assert_eq!(key_value(api, "RETRIEVE", json!(subnet), None).await.ok(), json!({"value": place}));
        let several = key_value(api, "RETRIEVE", json!([subnet, "other"]), None).await.ok();
        assert_eq!(several, json!({"value": ["text", place]}));
    }
    for api in [&alice, &bob] {
        let answer = key_value(api, "RETRIEVE", json!([subnet]), None).await.ok();
        assert_eq!(answer, json!({"value": ["elsewhere"]}), "what anybody may read");
    }
}

/// The admin that is of no project.
async fn tokens_without_project(admin: &Api) -> Api {
    let api = Api::with_headers(admin.base(), &[("X-Auth-Token", &Tokens::of("ADMIN"))]);
    api.get("/projects").await.status_is(200);
    api
}

/// What is unknown is named; the body is not repeated (access contract W19).
async fn short_texts(alice: Api, admin: Api) {
    let body = |project: &str| {
        json!({"virtual-network": {"fq_name": ["default-domain", project, "net"], "parent_type": "project",
            "display_name": "a-text-of-the-body", "network_policy_refs": [{"to": ["no", "such", "policy"], "attr": null}]}})
    };
    let answer = alice.post("/virtual-networks", &body("alice-proj")).await;
    assert_eq!(answer.status_is(400).text, "Unknown reference in resource create network_policy_refs.");
    let answer = admin.post("/virtual-networks", &body("alice-proj")).await;
    assert!(answer.status_is(400).text.contains("a-text-of-the-body"), "{answer}");
}

const SECRETS: [&str; 5] =
    ["a-token-of-nobody", "another-of-nobody", "a-basic-password", "a-text-in-a-body", "a-text-in-a-query"];

/// Requests that are refused: under which id, with which status, and what the line has to say beside.
async fn refused(server: &Server, alice: Api, bob: Api) -> Vec<(&'static str, u16, Vec<&'static str>)> {
    let stranger = server.api();
    let body = json!({"network-policy": {"fq_name": ["default-domain", "alice-proj", "a"], "parent_type": "project",
        "display_name": SECRETS[3]}});
    let body = || Some(body.to_string().into_bytes());
    let json_type = ("Content-Type", "application/json");
    let basic = format!("Basic {}", SECRETS[2]);
    let bearer = format!("Bearer {}", SECRETS[1]);
    let query = format!("/network-policys?x={}", SECRETS[4]);
    let made =
        alice.send("POST", "/network-policys", &[json_type, ("X-Request-Id", "not-refused")], body()).await.unwrap();
    let uuid = made.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned();
    let path = format!("/network-policy/{uuid}");
    let mut expected = Vec::new();
    for (id, api, method, path, header, body, status, says) in [
        (
            "no-token",
            &stranger,
            "GET",
            query.as_str(),
            None,
            None,
            401,
            vec!["method=GET", "path=\"/network-policys\""],
        ),
        ("wrong-token", &stranger, "GET", "/", None, None, 200, vec![]),
        (
            "a-token",
            &stranger,
            "GET",
            "/domains",
            Some(("X-Auth-Token", SECRETS[0])),
            None,
            401,
            vec!["address=\"127.0.0.1\""],
        ),
        ("a-bearer", &stranger, "GET", "/domains", Some(("Authorization", bearer.as_str())), None, 401, vec![]),
        ("a-password", &stranger, "GET", "/domains", Some(("Authorization", basic.as_str())), None, 401, vec![]),
        ("a-body", &stranger, "POST", "/network-policys", None, body(), 401, vec!["method=POST"]),
        (
            "of-bob",
            &bob,
            "DELETE",
            path.as_str(),
            None,
            None,
            403,
            vec![
                "user=\"bob\"",
                "user_id=\"id-of-bob\"",
                "project_name=\"bob-proj\"",
                "roles=\"member\"",
                "address=\"127.0.0.1\"",
                "method=DELETE",
            ],
        ),
        ("body-of-bob", &bob, "POST", "/network-policys", None, body(), 403, vec!["user=\"bob\"", "status=403"]),
        ("an id\" status=200 x=\"", &bob, "GET", path.as_str(), None, None, 403, vec!["user=\"bob\""]),
        ("a-strange-path", &stranger, "GET", "/domain/%0Astatus=200%1B[31m\u{9b}31m", None, None, 401, vec![]),
    ] {
        let headers: Vec<(&str, &str)> = [json_type, ("X-Request-Id", id)].into_iter().chain(header).collect();
        api.send(method, path, &headers, body).await.unwrap().status_is(status);
        if status != 200 {
            expected.push((id, status, says));
        }
    }
    expected
}

fn one_line_each(expected: &[(&str, u16, Vec<&str>)], log: &str) {
    let of_ours = |line: &&str| line.contains(" refused status=");
    let lines: Vec<&str> = log.lines().filter(of_ours).collect();
    for (id, status, says) in expected {
        let (begin, end) = (format!(" refused status={status} "), format!(" request_id={id:?}"));
        let is_of = |line: &&&str| line.contains(&begin) && line.ends_with(&end);
        let found: Vec<&&str> = lines.iter().filter(is_of).collect();
        assert_eq!(found.len(), 1, "{id}: {lines:#?}");
        for part in says {
            assert!(found[0].contains(part), "{id}: {part} is missing: {}", found[0]);
        }
    }
    assert!(!lines.iter().any(|line| line.contains("not-refused")));
    for line in log.lines() {
        assert!(!line.starts_with("status=200"), "a path has made a line of its own: {line}");
        assert!(!line.contains(['\u{1b}', '\u{9b}']), "what steers a terminal: {line:?}");
        for name in ["admin", "alice", "bob", "reader"] {
            assert!(!line.contains(&Tokens::of(name)), "the token of {name}: {line}");
        }
        let is_query = |secret: &str| secret == SECRETS[4] && !of_ours(&line);
        for secret in SECRETS {
            // The statement of a batch has what is stored; queries are no secrets, and nothing for the line of a refusal.
            let is_stored = secret == SECRETS[3] && !of_ours(&line);
            assert!(is_stored || is_query(secret) || !line.contains(secret), "{secret}: {line}");
        }
    }
}
