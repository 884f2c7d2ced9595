//! A refusal is a bare text, as it always was; a client that asks for `application/problem+json` gets an object with that text
//! in it, and with what else is known.

use crate::support::{Answer, Api, Server};
use serde_json::{Value, json};
use tokio::task::block_in_place;

const PROBLEM: &str = "application/problem+json";

async fn ask(api: &Api, method: &str, path: &str, accept: Option<&str>, body: Option<&Value>) -> Answer {
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(accept.map(|accept| ("Accept", accept)));
    let body = body.map(|body| body.to_string().into_bytes());
    api.send(method, path, &headers, body).await.unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(String::as_str)
}

pub async fn refusals_are_texts_or_problems() {
    let server = block_in_place(|| Server::start_with(&["--quota", "network_policy=0"]));
    let api = server.api();
    let named = |fq_name: Value| json!({"project": {"fq_name": fq_name, "parent_type": "domain"}});
    let there = named(json!(["default-domain", "default-project"]));
    let limited = named(json!(["default-domain", "limited"]));
    api.post("/projects", &limited).await.ok();
    let policy = json!({"network-policy": {"fq_name": ["default-domain", "limited", "p"], "parent_type": "project"}});
    let project = api.find("project", &json!(["default-domain", "default-project"])).await.unwrap();
    let exists = format!("['default-domain', 'default-project'] already exists with uuid: {project}");
    let unnamed = json!({"project": {}});
    // The request, and the status, the title and the text of its refusal.
    let cases = [
        ("GET", "/project/b3f6", None, 404, "Not Found", "Unknown id: b3f6"),
        ("GET", "/nowhere", None, 404, "Not Found", "Not found: '/nowhere'"),
        ("DELETE", "/projects", None, 405, "Method Not Allowed", "Method not allowed."),
        ("POST", "/projects", Some(&unnamed), 400, "Bad Request", "Bad Request, no fq_name in POST body"),
        ("POST", "/projects", Some(&there), 409, "Conflict", &exists),
        (
            "POST",
            "/network-policys",
            Some(&policy),
            412,
            "Precondition Failed",
            "quota limit (0) exceeded for resource network_policy",
        ),
    ];
    for (method, path, body, status, title, text) in cases {
        let mut plain = Vec::new();
        for accept in [None, Some("*/*"), Some("application/json"), Some("application/problem+json;q=0, */*")] {
            let answer = ask(&api, method, path, accept, body).await;
            assert_eq!((answer.status, answer.text.as_str()), (status, text), "{accept:?}: {answer}");
            assert_eq!(header(&answer, "content-type"), Some("text/html; charset=UTF-8"), "{accept:?}: {answer}");
            assert_eq!(header(&answer, "vary"), None, "{accept:?}: {answer}");
            plain.push(answer);
        }
        let answer = ask(&api, method, path, Some("application/json, application/problem+json"), body).await;
        assert_eq!((answer.status, header(&answer, "content-type")), (status, Some(PROBLEM)), "{answer}");
        assert_eq!(header(&answer, "vary"), Some("Accept"), "{answer}");
        // What is said beside the body is the same.
        for name in ["allow", "retry-after", "content-security-policy", "x-content-type-options", "x-cirrus-revision"] {
            assert_eq!(header(&answer, name), header(&plain[0], name), "{name}: {answer}");
        }
        let problem = answer.json();
        let members = ["type", "title", "status", "detail"].map(|name| &problem[name]);
        let rule = problem["rule"].as_str();
        let kind = rule.map_or("about:blank".to_owned(), |rule| format!("urn:cirrus:rule:{rule}"));
        let title = rule.map_or(title.to_owned(), |rule| format!("Refused by rule {rule}"));
        assert_eq!(members, [&json!(kind), &json!(title), &json!(status), &json!(text)], "{answer}");
    }
    gone(&api).await;
    // What is no refusal is what it was.
    let answer = ask(&api, "GET", "/projects", Some(PROBLEM), None).await;
    assert_eq!((answer.status, header(&answer, "content-type")), (200, Some("application/json")), "{answer}");
}

/// The refusal that is JSON by itself.
async fn gone(api: &Api) {
    let path = "/changes?since=00000000-0000-4000-8000-000000000000-1";
    let plain = ask(api, "GET", path, None, None).await;
    assert_eq!((plain.status, header(&plain, "content-type")), (410, Some("application/json")), "{plain}");
    let (plain, problem) = (plain.json(), ask(api, "GET", path, Some(PROBLEM), None).await);
    assert_eq!((problem.status, header(&problem, "content-type")), (410, Some(PROBLEM)), "{problem}");
    let problem = problem.json();
    assert_eq!([&problem["type"], &problem["title"]], ["about:blank", "Gone"]);
    for (name, member) in [("error", "detail"), ("oldest", "oldest"), ("current", "current")] {
        assert!(plain[name].is_string() && plain[name] == problem[member], "{plain} {problem}");
    }
}
