//! The OpenAPI document, its page, and the clients that generators make of it.

use crate::support::{Server, python};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::Read,
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
            let expected = if page { (StatusCode::SEE_OTHER, "ui/") } else { (StatusCode::OK, "") };
            assert_eq!((home.status(), header(&home, "location")), expected, "{accept}");
        }
    }
    assert_eq!(browser.get("/").await.json::<Value>().await.unwrap()["href"], *server.url());

    let redirected = browser.get("/documentation").await;
    assert_eq!((redirected.status(), header(&redirected, "location")), (StatusCode::SEE_OTHER, "documentation/"));
    the_pages_are_whole(&browser, &document).await;
    compressed(&browser).await;
    for path in [
        "/documentation/nothing.html",
        "/documentation/a/b",
        "/documentation/virtual-network/other.json",
        "/documentation/nothing/",
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

/// Everything that the pages load is on this server, and there; each type and each group of actions has one.
async fn the_pages_are_whole(browser: &Browser, document: &Value) {
    let index = loads_what_is_there(browser, "/documentation/", 3).await;
    for tag in document["tags"].as_array().unwrap() {
        let directory = tag["name"].as_str().unwrap().replace(' ', "-");
        assert!(index.contains(&format!("<a href=\"{directory}/\">")), "{directory} is in the index");
        let answer = browser.get(&format!("/documentation/{directory}/openapi.json")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{directory}");
        let part = answer.text().await.unwrap();
        assert!(part.len() < 150_000, "{directory}: {} bytes, which a browser shows at once", part.len());
        the_part_is_that_of_the_whole(document, &tag["name"], &serde_json::from_str(&part).unwrap());
    }
    loads_what_is_there(browser, "/documentation/virtual-network/", 4).await;
    let redirected = browser.get("/documentation/virtual-network").await;
    assert_eq!((redirected.status(), header(&redirected, "location")), (StatusCode::SEE_OTHER, "virtual-network/"));
}

/// The operations of the tag as they are in the whole, with all that they refer to, and nothing else.
fn the_part_is_that_of_the_whole(document: &Value, tag: &Value, part: &Value) {
    let has_tag = |operation: &&Value| operation["tags"].as_array().unwrap().contains(tag);
    let operations = |document: &Value| -> Vec<Value> {
        let paths = document["paths"].as_object().unwrap().values();
        paths.flat_map(|path| path.as_object().unwrap().values()).filter(has_tag).cloned().collect()
    };
    assert_eq!(operations(part), operations(document), "{tag}");
    let references = |text: &str| -> BTreeSet<String> {
        let begin = "\"#/components/";
        text.match_indices(begin)
            .filter_map(|(at, _)| text[at + begin.len()..].split('"').next())
            .map(str::to_owned)
            .collect()
    };
    let referred = references(&part.to_string());
    let kinds = part["components"].as_object().unwrap();
    let there =
        kinds.iter().flat_map(|(kind, of)| of.as_object().unwrap().keys().map(move |name| format!("{kind}/{name}")));
    assert_eq!(there.collect::<BTreeSet<_>>(), referred, "{tag}");
}

async fn loads_what_is_there(browser: &Browser, path: &str, least: usize) -> String {
    let page = browser.get(path).await;
    assert!(header(&page, "content-type").starts_with("text/html"));
    let html = page.text().await.unwrap();
    let quoted = html.split(['"', '\'']).skip(1).step_by(2);
    let is_file = |text: &&str| [".js", ".css", ".png"].iter().any(|end| text.ends_with(end));
    let files: Vec<&str> = quoted.filter(is_file).collect();
    assert!(files.len() >= least, "{html}");
    assert!(!html.contains("://"), "the page needs the internet: {html}");
    for file in files {
        let part = browser.get(&format!("{path}{file}")).await;
        assert_eq!(part.status(), StatusCode::OK, "{file}");
    }
    html
}

/// Who takes gzip gets it, and the same in it.
async fn compressed(browser: &Browser) {
    let plain = browser.get("/openapi.json").await.bytes().await.unwrap();
    for (accepted, encoding) in [("gzip, deflate", "gzip"), ("gzip;q=0", ""), ("br", ""), ("identity", "")] {
        let answer =
            browser.request(Method::GET, "/openapi.json").header("Accept-Encoding", accepted).send().await.unwrap();
        assert_eq!(
            (header(&answer, "content-encoding"), header(&answer, "vary")),
            (encoding, "Accept-Encoding"),
            "{accepted}"
        );
        let bytes = answer.bytes().await.unwrap();
        if encoding.is_empty() {
            assert!(bytes == plain, "{accepted}");
        } else {
            assert!(bytes.len() < plain.len() / 8, "{} of {}", bytes.len(), plain.len());
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
            assert!(text == plain, "{accepted}");
        }
    }
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
    let server = Server::start_with(&["--neutron-fwaas", "true"]);
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
    let neutron = &document["paths"]["/neutron/{resource}"]["post"]["requestBody"]["content"]["application/json"];
    let examples = neutron["examples"].as_object().unwrap();
    assert!(examples.len() > 1);
    for (resource, example) in examples {
        // What has tags is there by an id that nobody knows before.
        let expected = if resource == "tags" { 400 } else { 200 };
        api.post(&format!("/neutron/{resource}"), &example["value"]).await.status_is(expected);
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
