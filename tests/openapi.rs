//! The OpenAPI document, its page, and the clients that generators make of it.

use crate::support::{Server, python};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The copy that people read without a server.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/cirrus.json")
}

/// Runs a program to its end and gives all that it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}:\n{printed}");
    printed
}

pub fn the_committed_document_is_current() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("made.json");
    let output = Command::new(env!("CARGO_BIN_EXE_cirrus")).arg("openapi").output().unwrap();
    fs::write(&made, output.stdout).unwrap();
    let difference = Command::new("diff").arg("-u").args([&committed(), &made]).output().unwrap();
    assert!(
        difference.status.success(),
        "openapi/cirrus.json is not current: cargo run -- openapi > openapi/cirrus.json\n{}",
        String::from_utf8_lossy(&difference.stdout)
    );
}

/// A browser that shows each answer, also one that leads elsewhere.
struct Browser {
    client: Client,
    url: String,
}

impl Browser {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

pub async fn the_document_and_its_page_are_served() {
    let server = Server::start();
    let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let browser = Browser { client, url: server.url().to_owned() };
    let document: Value = serde_json::from_str(&fs::read_to_string(committed()).unwrap()).unwrap();

    let answer = browser.get("/openapi.json").await;
    assert_eq!(header(&answer, "content-type"), "application/json");
    let etag = header(&answer, "etag").to_owned();
    assert!(answer.json::<Value>().await.unwrap() == document, "the server and `cirrus openapi` differ");

    // Conditional, and without the body.
    for given in [etag.clone(), format!("\"other\", W/{etag}")] {
        let again = browser.request(Method::GET, "/openapi.json").header("If-None-Match", &given).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{given}");
        assert_eq!(header(&again, "etag"), etag);
    }
    let changed =
        browser.request(Method::GET, "/openapi.json").header("If-None-Match", "\"other\"").send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    let head = browser.request(Method::HEAD, "/openapi.json").send().await.unwrap();
    assert_eq!((head.status(), header(&head, "etag")), (StatusCode::OK, etag.as_str()));
    assert_eq!(head.bytes().await.unwrap().len(), 0);

    // Who asks for a page is led to it; everybody else gets the links.
    let accepts = [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
        ("text/html, application/json;q=0.5", true),
        ("application/json, text/html;q=0.5", false),
        ("application/json", false),
        ("*/*", false),
        ("text/*", false),
        ("???", false),
    ];
    for (accept, page) in accepts {
        for method in [Method::GET, Method::HEAD] {
            let home = browser.request(method, "/").header("Accept", accept).send().await.unwrap();
            let expected = if page { (StatusCode::SEE_OTHER, "documentation/") } else { (StatusCode::OK, "") };
            assert_eq!((home.status(), header(&home, "location")), expected, "{accept}");
        }
    }
    assert_eq!(browser.get("/").await.json::<Value>().await.unwrap()["href"], *server.url());

    let redirected = browser.get("/documentation").await;
    assert_eq!((redirected.status(), header(&redirected, "location")), (StatusCode::SEE_OTHER, "documentation/"));
    the_page_is_whole(&browser).await;
    for path in [
        "/documentation/nothing.html",
        "/documentation/a/b",
        "/documentation/..%2f..%2fCargo.toml",
        "/documentation/%ff",
    ] {
        let missing = browser.get(path).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(missing.text().await.unwrap(), "File does not exist.");
    }
    let posted = browser.request(Method::POST, "/documentation/").send().await.unwrap();
    assert_eq!((posted.status(), header(&posted, "allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET"));

    the_served_methods_are_those_documented(&browser, &document).await;
}

/// Everything that the page loads is on this server, and there.
async fn the_page_is_whole(browser: &Browser) {
    let page = browser.get("/documentation/").await;
    assert_eq!(header(&page, "content-type"), "text/html");
    let html = page.text().await.unwrap();
    let quoted = html.split(['"', '\'']).skip(1).step_by(2);
    let is_file = |text: &&str| [".js", ".css", ".png"].iter().any(|end| text.ends_with(end));
    let files: Vec<&str> = quoted.filter(is_file).collect();
    assert!(files.len() >= 5, "{html}");
    assert!(!html.contains("://"), "the page needs the internet: {html}");
    for file in files {
        let part = browser.get(&format!("/documentation/{}", file.trim_start_matches("./"))).await;
        assert_eq!(part.status(), StatusCode::OK, "{file}");
    }
    let settings = browser.get("/documentation/swagger-initializer.js").await.text().await.unwrap();
    assert!(
        settings.contains("\"url\": \"../openapi.json\"") && settings.contains("\"validatorUrl\": \"none\""),
        "{settings}"
    );
}

/// Each path answers with the methods that the document has of it, and the home page names no other path.
async fn the_served_methods_are_those_documented(browser: &Browser, document: &Value) {
    let paths = document["paths"].as_object().unwrap();
    for (path, item) in paths {
        let mut documented: Vec<String> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        documented.sort();
        let patched = browser.request(Method::PATCH, path).send().await.unwrap();
        assert_eq!(patched.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let mut served: Vec<&str> = header(&patched, "allow").split(',').collect();
        served.sort_unstable();
        assert_eq!(served, documented, "{path}");
    }
    let home: Value = browser.get("/").await.json().await.unwrap();
    for link in home["links"].as_array().unwrap() {
        let link = &link["link"];
        let path = link["href"].as_str().unwrap().strip_prefix(&browser.url).unwrap().replace("%s", "{uuid}");
        let path = match link["rel"].as_str().unwrap() {
            "documentation" => "/documentation/{file}".to_owned(),
            "resource-base" | "root" => format!("{path}/{{uuid}}"),
            _ => path,
        };
        assert!(paths.contains_key(&path), "{path} is linked and not documented");
    }
}

pub async fn a_python_client_is_generated_and_works() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let package = directory.path().join("cirrus_client");
    // Warnings of the generator are failures.
    run(python::tool("openapi-python-client")
        .args(["generate", "--meta", "none", "--fail-on-warning", "--path"])
        .arg(committed())
        .arg("--output-path")
        .arg(&package));
    run(python::program("generated_client.py").arg(server.url()).env("PYTHONPATH", directory.path()));
}

pub async fn a_typescript_client_is_generated_and_works() {
    let server = Server::start();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/typescript");
    let modules = here.join("node_modules");
    assert!(modules.exists(), "there is no {}: run ./check, or npm ci in {}", modules.display(), here.display());
    let directory = tempfile::tempdir().unwrap();
    for file in ["package.json", "tsconfig.json", "network.ts"] {
        fs::copy(here.join(file), directory.path().join(file)).unwrap();
    }
    std::os::unix::fs::symlink(&modules, directory.path().join("node_modules")).unwrap();
    let tool = |name: &str| {
        let mut command = Command::new(modules.join(".bin").join(name));
        command.current_dir(directory.path());
        command
    };
    let printed = run(tool("openapi-typescript").arg(committed()).args(["--output", "cirrus.d.ts"]));
    assert!(!printed.to_lowercase().contains("warn"), "{printed}");
    run(tool("tsc").args(["--project", "."]));
    run(Command::new("node").arg("network.js").arg(server.url()).current_dir(directory.path()));
}

pub async fn each_example_can_be_sent() {
    let server = Server::start();
    let api = server.api();
    let document: Value = serde_json::from_str(&fs::read_to_string(committed()).unwrap()).unwrap();
    let examples = document["paths"].as_object().unwrap().iter().filter_map(|(path, item)| {
        let post = &item["post"];
        let is_create = post["operationId"].as_str().is_some_and(|id| id.ends_with("_create"));
        is_create.then(|| (path.clone(), post["requestBody"]["content"]["application/json"]["example"].clone()))
    });
    // Those above come before those below, and many refer to the network.
    let depth = |body: &Value| body.as_object().unwrap().values().next().unwrap()["fq_name"].as_array().unwrap().len();
    let mut examples: Vec<(String, Value)> = examples.collect();
    examples.sort_by_key(|(path, body)| (path != "/virtual-networks", depth(body)));
    assert!(examples.len() > 100);
    let mut refused = Vec::new();
    for (path, body) in examples {
        let answer = api.post(&path, &body).await;
        let expected = match path.as_str() {
            // There is one already.
            "/global-system-configs" => 400,
            // The quota allows none.
            "/host-based-services" => 412,
            _ => 200,
        };
        if answer.status != expected {
            refused.push(format!("{path}: {answer}"));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
