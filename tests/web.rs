//! The pages at `/ui/`, as they are answered: who sees what, cookies, what other sites can't do, and what is shown of texts that
//! clients have sent.

use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

use crate::support::keystone::{Keystone, PASSWORD};
use crate::support::scrape::Scraped;
use crate::support::tokens::{ALICE_PROJECT, Tokens, allow_all_types, make_projects};
use crate::support::{Api, Checks, Server};

/// How long what happens beside requests may take.
const LIMIT: Duration = Duration::from_secs(30);
const MARKUP: &str = "<img src=x onerror=alert(1)>";
/// A name of somebody else's, in each of which it is.
const SECRET: &str = "secret";

/// A browser, as far as servers can tell.
#[derive(Clone)]
pub struct Browser {
    base: String,
    http: Client,
    cookies: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

/// What it gets.
pub struct Page {
    pub status: StatusCode,
    headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub fn status_is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// What a form of this page has in it.
    #[track_caller]
    pub fn form_token(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"form_token\" value=\"").expect("the page has a form");
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub fn of(server: &Server) -> Self {
        let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { base: server.url().to_owned(), http, cookies: Vec::new(), headers: Vec::new() }
    }

    /// The same, behind a proxy or from elsewhere.
    pub fn with(&self, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { headers: self.headers.iter().cloned().chain(headers).collect(), ..self.clone() }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let mut request = request.header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("Cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        Page { status, headers, text: answer.text().await.unwrap() }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        let request = self.http.get(format!("{}{path}", self.base));
        self.send(request).await
    }

    /// Sends a form as a page of this origin does.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let origin = self.base.clone();
        self.submit_from(&[("Origin", &origin)], path, fields).await
    }

    async fn submit_from(&mut self, headers: &[(&str, &str)], path: &str, fields: &[(&str, &str)]) -> Page {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = self.http.post(format!("{}{path}", self.base)).body(form);
        request = request.header("Content-Type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    pub async fn sign_in(&mut self, token: &str) -> Page {
        let form = self.get("/ui/sign-in").await.form_token();
        self.submit("/ui/sign-in", &[("form_token", &form), ("token", token), ("to", "/ui/types")]).await
    }

    pub fn forget(&mut self, name: &str) {
        self.cookies.retain(|(known, _)| known != name);
    }

    pub fn has(&mut self, name: &str, value: &str) {
        self.cookies.push((name.to_owned(), value.to_owned()));
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub async fn the_pages() {
    let open = Server::start();
    let (closed, tokens) = Tokens::start("rbac", &[]);
    let admin = tokens.api(&closed, "admin");
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    let (alice, bob) = (Tokens::of("alice"), Tokens::of("bob"));
    let own = network(&tokens.api(&closed, "alice"), &["default-domain", "alice-proj", "secret-net"], json!({})).await;
    let subnets = json!({"virtual-network": subnets(&["10.77.0.0/29"])});
    admin.put(&format!("/virtual-network/{own}"), &subnets).await.status_is(200);
    let browser = || Browser::of(&closed);
    let mut checks = Checks::default();
    checks.run("a browser is led to the pages, and nobody else", start(Browser::of(&open))).await;
    checks.run("pages have neither scripts nor styles in them", policy(Browser::of(&open))).await;
    checks.run("files are kept by what is in them", assets(Browser::of(&open))).await;
    checks.run("texts of clients are shown as texts", markup(open.api(), Browser::of(&open))).await;
    checks.run("lists have pages and filters", lists(open.api(), Browser::of(&open))).await;
    checks.run("an object has its history", history(open.api(), Browser::of(&open))).await;
    checks.run("one field finds names, addresses, uuids and tags", search(open.api(), Browser::of(&open))).await;
    checks.run("addresses lead to their owners", addresses(open.api(), Browser::of(&open))).await;
    checks.run("what happens is told as it is asked for", changes(open.api(), Browser::of(&open))).await;
    checks.run("networks are drawn and told", networks(open.api(), Browser::of(&open))).await;
    checks.run("many networks are folded by project", many_networks(open.api(), Browser::of(&open))).await;
    checks.run("what is not there is told in words", not_there(Browser::of(&open))).await;
    checks.run("forms of other sites are refused", other_sites(browser(), alice.clone())).await;
    checks.run("a session is a cookie for pages alone", cookie(browser(), alice.clone())).await;
    checks.run("members see what is theirs", members(browser(), alice.clone(), bob, own.clone())).await;
    checks.run("what the session ends with", ends(browser(), alice)).await;
    checks.finish();
}

pub async fn network(api: &Api, name: &[&str], mut more: Value) -> String {
    more["fq_name"] = json!(name);
    more["parent_type"] = json!("project");
    let made = api.post("/virtual-networks", &json!({"virtual-network": more})).await.ok();
    made["virtual-network"]["uuid"].as_str().unwrap().to_owned()
}

/// As a network has them.
fn subnets(prefixes: &[&str]) -> Value {
    let subnet = |prefix: &&str| {
        let (address, length) = prefix.split_once('/').unwrap();
        json!({"subnet": {"ip_prefix": address, "ip_prefix_len": length.parse::<u8>().unwrap()}})
    };
    let subnets: Vec<Value> = prefixes.iter().map(subnet).collect();
    let ipam = ["default-domain", "default-project", "default-network-ipam"];
    json!({"network_ipam_refs": [{"to": ipam, "attr": {"ipam_subnets": subnets}}]})
}

/// A port with an address in a network of the default project: their uuids.
async fn port(api: &Api, name: &str, network: &str, address: &str) -> [String; 2] {
    let project = ["default-domain", "default-project"];
    let networks = json!([{"to": [project[0], project[1], network]}]);
    let port = json!({"virtual-machine-interface": {"fq_name": [project[0], project[1], name], "parent_type": "project", "virtual_network_refs": networks}});
    let port = api.post("/virtual-machine-interfaces", &port).await.ok()["virtual-machine-interface"]["uuid"].clone();
    let address = json!({"instance-ip": {"fq_name": [format!("{name}-ip")], "instance_ip_address": address, "virtual_network_refs": networks, "virtual_machine_interface_refs": [{"uuid": port}]}});
    let address = api.post("/instance-ips", &address).await.ok()["instance-ip"]["uuid"].clone();
    [port, address].map(|uuid| uuid.as_str().unwrap().to_owned())
}

async fn start(mut browser: Browser) {
    let led = browser.get("/").await;
    assert_eq!((led.status.as_u16(), led.header("location")), (303, "ui/"));
    assert_eq!(browser.get("/ui").await.header("location"), "/ui/");
    assert!(browser.get("/ui/").await.header("location").starts_with("/ui/"));
    let client = browser.http.get(&browser.base).send().await.unwrap();
    assert!(client.json::<Value>().await.unwrap()["links"].is_array());
}

async fn policy(mut browser: Browser) {
    for path in [
        "/ui/types",
        "/ui/tree",
        "/ui/networks",
        "/ui/type/virtual-network",
        "/ui/search?q=default",
        "/ui/addresses",
        "/ui/changes",
        "/ui/nothing",
        "/ui/type/nothing",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        for word in ["style=", "onclick", "javascript:", "<style"] {
            assert!(!page.text.contains(word), "{path} has {word}");
        }
        let scripts = page.text.matches("<script").count();
        assert_eq!(scripts, page.text.matches("<script type=\"module\" src=\"/ui/assets/").count(), "{path}");
    }
}

async fn assets(mut browser: Browser) {
    let page = browser.get("/ui/types").await.text;
    let hrefs: Vec<&str> = page.split('"').filter(|text| text.starts_with("/ui/assets/")).collect();
    assert!(hrefs.len() >= 3, "{hrefs:?}");
    for href in hrefs {
        let file = browser.get(href).await;
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable", "{href}");
        // Under any other name it may be another one tomorrow.
        let (path, _) = href.split_once('?').unwrap();
        for other in [path.to_owned(), format!("{path}?v=0")] {
            let file = browser.get(&other).await;
            assert_eq!(file.status_is(200).header("cache-control"), "no-cache", "{other}");
            let again = browser.with(&[("If-None-Match", file.header("etag"))]).get(&other).await;
            again.status_is(304);
        }
    }
    browser.get("/ui/assets/..%2fmod.rs").await.status_is(404);
}

async fn markup(api: Api, mut browser: Browser) {
    let long = format!("{MARKUP}{}", "x".repeat(10_000));
    let more = json!({"display_name": long, "annotations": {"key_value_pair": [{"key": MARKUP, "value": MARKUP}]}});
    let uuid = network(&api, &["default-domain", "default-project", MARKUP], more).await;
    let query = "%3Cimg%20src=x%20onerror=alert(1)%3E";
    let places = [
        "/ui/type/virtual-network".to_owned(),
        format!("/ui/object/virtual-network/{uuid}"),
        format!("/ui/history/virtual-network/{uuid}"),
        "/ui/networks?project=default-domain:default-project".to_owned(),
        format!("/ui/networks?around={uuid}&steps=3&open={uuid}"),
        format!("/ui/networks?find={query}"),
        format!("/ui/networks?project={query}"),
        format!("/ui/networks?around={query}"),
        format!("/ui/networks?open={query}&view=networks"),
        format!("/ui/type/{query}"),
        format!("/ui/type/virtual-network?from={query}&equals={query}"),
        format!("/ui/type/virtual-network?after={query}"),
        format!("/ui/object/virtual-network/{query}"),
        format!("/ui/search?q={query}"),
        format!("/ui/changes?who={query}&project={query}"),
        "/ui/changes".to_owned(),
        format!("/ui/addresses?from={query}&after={query}"),
        format!("/ui/addresses/virtual-network/{uuid}?subnet={query}&from={query}&size={query}&skip={query}"),
        format!("/ui/{query}"),
    ];
    let mut shown = 0;
    for path in places {
        let page = browser.get(&path).await;
        assert!(!page.text.contains("<img"), "{path}: {}", page.text);
        assert!(page.status.as_u16() < 500, "{path}");
        shown += usize::from(page.text.contains("&lt;img src=x onerror=alert(1)&gt;"));
    }
    assert!(shown >= 9, "{shown}");
}

async fn lists(api: Api, mut browser: Browser) {
    let project = ["default-domain", "listed"];
    let made = api.post("/projects", &json!({"project": {"fq_name": project, "parent_type": "domain"}})).await.ok();
    let parent = made["project"]["uuid"].as_str().unwrap().to_owned();
    for number in 0..120 {
        let name = format!("net-{number:03}");
        network(&api, &["default-domain", "listed", &name], json!({"is_shared": number == 7})).await;
    }
    // By name from a name on, below a project, and what fits: each page leads to the next one.
    for (first, expected) in [
        (format!("/ui/type/virtual-network?parent={parent}"), 120),
        ("/ui/type/virtual-network?parent=default-domain:listed".to_owned(), 120),
        ("/ui/type/virtual-network?from=default-domain:listed:net-100".to_owned(), 20),
        ("/ui/type/virtual-network?property=is_shared&equals=true&parent=default-domain:listed".to_owned(), 1),
        ("/ui/type/virtual-network?property=display_name&equals=net-011".to_owned(), 1),
    ] {
        let mut next = Some(first.clone());
        let (mut seen, mut pages) = (std::collections::BTreeSet::new(), 0);
        while let Some(path) = next.take() {
            let page = browser.get(&path).await;
            page.status_is(200);
            let names = page.text.split("title=\"default-domain:listed:").skip(1);
            seen.extend(names.map(|name| name.split('"').next().unwrap().to_owned()));
            pages += 1;
            next = page
                .text
                .split("<a rel=\"next\" href=\"")
                .nth(1)
                .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
        }
        assert_eq!(seen.len(), expected, "{first}");
        assert!(pages <= expected / 50 + 1, "{first} has {pages} pages");
    }
    browser.get("/ui/type/virtual-network?after=nothing").await.status_is(400);
}

/// A subnet of the default ipam.
fn subnet(prefix: &str, length: u8) -> Value {
    let subnets = json!({"ipam_subnets": [{"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}}]});
    json!([{"to": ["default-domain", "default-project", "default-network-ipam"], "attr": subnets}])
}

/// What is made, by its uuid.
async fn make(api: &Api, kind: &str, body: Value) -> String {
    let made = api.post(&format!("/{kind}s"), &json!({kind: body})).await.ok();
    made[kind]["uuid"].as_str().unwrap().to_owned()
}

/// How often each text is in a page.
#[track_caller]
fn has(page: &Page, expected: &[(&str, usize)]) {
    for (text, count) in expected {
        assert_eq!(page.text.matches(text).count(), *count, "{text}: {}", page.text);
    }
}

/// Two that talk, one that would if the other had the policy, one that is alone, and the way out; and one of another project.
async fn networks(api: Api, mut browser: Browser) {
    let name = |name: &str| json!(["default-domain", "drawn", name]);
    for project in ["drawn", "elsewhere"] {
        make(&api, "project", json!({"fq_name": ["default-domain", project], "parent_type": "domain"})).await;
    }
    for (own, prefix, length) in
        [("front", "10.0.0.0", 24), ("back", "10.0.1.0", 28), ("half", "10.0.2.0", 24), ("alone", "2001:db8::", 64)]
    {
        network(&api, &["default-domain", "drawn", own], json!({"network_ipam_refs": subnet(prefix, length)})).await;
    }
    let outside = json!({"network_ipam_refs": subnet("192.0.2.0", 24), "router_external": true, "is_shared": true});
    let outside = network(&api, &["default-domain", "elsewhere", "outside"], outside).await;
    let back = api.find("virtual-network", &name("back")).await.unwrap();
    let front = api.find("virtual-network", &name("front")).await.unwrap();
    let port = |own: String, network: &str| json!({"fq_name": name(&own), "parent_type": "project", "virtual_network_refs": [{"to": name(network)}]});
    for number in 0..9 {
        make(&api, "virtual-machine-interface", port(format!("back-{number}"), "back")).await;
        let refs = json!([{"to": name(&format!("back-{number}"))}]);
        let address = json!({"fq_name": [format!("drawn-{number}")], "virtual_network_refs": [{"to": name("back")}], "virtual_machine_interface_refs": refs});
        make(&api, "instance-ip", address).await;
    }
    // Rules: one way to the one, both ways to the other.
    let all = json!([{"start_port": -1, "end_port": -1}]);
    let rule = |direction: &str, target: &str, port: u16| {
        json!({
            "direction": direction, "protocol": "tcp", "action_list": {"simple_action": "pass"}, "src_ports": all,
            "src_addresses": [{"virtual_network": "default-domain:drawn:front"}],
            "dst_addresses": [{"virtual_network": format!("default-domain:drawn:{target}")}],
            "dst_ports": [{"start_port": port, "end_port": port}],
        })
    };
    let rules = json!({"policy_rule": [rule(">", "back", 80), rule("<>", "half", 443)]});
    make(
        &api,
        "network-policy",
        json!({"fq_name": name("talk"), "parent_type": "project", "network_policy_entries": rules}),
    )
    .await;
    for uuid in [&front, &back] {
        let refs = json!([{"to": name("talk"), "attr": {"sequence": {"major": 1, "minor": 0}}}]);
        api.put(&format!("/virtual-network/{uuid}"), &json!({"virtual-network": {"network_policy_refs": refs}}))
            .await
            .ok();
    }
    // A router with the way out, a floating ip from there, and a static route.
    make(&api, "virtual-machine-interface", port("leg".to_owned(), "front")).await;
    let router = json!({
        "fq_name": name("edge"), "parent_type": "project", "virtual_machine_interface_refs": [{"to": name("leg")}],
        "virtual_network_refs": [{"uuid": outside}],
    });
    make(&api, "logical-router", router).await;
    make(
        &api,
        "floating-ip-pool",
        json!({"fq_name": ["default-domain", "elsewhere", "outside", "pool"], "parent_type": "virtual-network"}),
    )
    .await;
    let floating = json!({
        "fq_name": ["default-domain", "elsewhere", "outside", "pool", "one"], "parent_type": "floating-ip-pool",
        "project_refs": [{"to": ["default-domain", "drawn"]}], "virtual_machine_interface_refs": [{"to": name("back-0")}],
        "floating_ip_address": "192.0.2.9",
    });
    make(&api, "floating-ip", floating).await;
    let table = json!({"route": [{"prefix": "10.99.0.0/16", "next_hop": "10.0.1.3", "next_hop_type": "ip-address"}]});
    make(
        &api,
        "interface-route-table",
        json!({"fq_name": name("routes"), "parent_type": "project", "interface_route_table_routes": table}),
    )
    .await;
    let uuid = api.find("virtual-machine-interface", &name("back-1")).await.unwrap();
    let refs = json!({"virtual-machine-interface": {"interface_route_table_refs": [{"to": name("routes")}]}});
    api.put(&format!("/virtual-machine-interface/{uuid}"), &refs).await.ok();

    let page = browser.get("/ui/networks?project=default-domain:drawn").await;
    has(
        page.status_is(200),
        &[
            ("4 networks · 10 ports · and 1 of elsewhere", 1),
            // The picture.
            ("<g class=\"card\"", 3),
            ("<g class=\"card alone\"", 1),
            ("<g class=\"card external\"", 1),
            ("<g class=\"pill router\"", 1),
            ("class=\"line policy\" d=\"M", 2),
            ("marker-end=\"url(#arrow)\"", 1),
            ("class=\"line half\" d=\"M", 2),
            ("class=\"line floating\" d=\"M", 2),
            (">gateway</text>", 1),
            ("9 of 12 addresses taken</text>", 1),
            ("class=\"fill nearly\"", 2),
            ("0 addresses taken</text>", 1),
            // The list.
            (": → tcp 80 ", 1),
            (": ← tcp 80 ", 1),
            (": ↔ tcp 443 ", 2),
            ("which the other one does not have", 1),
            ("which this network does not have", 1),
            ("9 of 12 taken", 1),
            ("gateway 10.0.1.14", 1),
            ("10.99.0.0/16 to 10.0.1.3", 1),
            (": 1 floating ips of it are on ports here", 1),
            ("nothing, as it has no policy", 1),
        ],
    );
    // The same by its uuid, with the ports of one.
    let project = api.find("project", &json!(["default-domain", "drawn"])).await.unwrap();
    let page = browser.get(&format!("/ui/networks?project={project}&open={back}")).await;
    has(
        page.status_is(200),
        &[
            (">192.0.2.9</a>", 1),
            (">10.0.1.12</a>", 1),
            (">10.0.1.12</text>", 1),
            ("data-title=\"Static routes\">10.99.0.0/16<", 1),
        ],
    );
    // Around one is what it is connected with, and so on.
    for (around, steps, expected) in [(&back, 0, 1), (&back, 1, 3), (&back, 2, 4), (&outside, 1, 3), (&front, 1, 4)] {
        let page = browser.get(&format!("/ui/networks?around={around}&steps={steps}")).await;
        assert_eq!(
            page.status_is(200).text.matches("<li data-words=").count(),
            expected,
            "{around} {steps}: {}",
            page.text
        );
    }
    // What is connected, and what is not, are boxes that lead to each of them.
    let folded = browser.get("/ui/networks?project=default-domain:drawn&view=connected").await;
    has(folded.status_is(200), &[("<g class=\"card", 2), (">4 networks</text>", 1), ("connected=nothing\"", 2)]);
    for (with, expected) in [(back.as_str(), 4), (&front, 4), ("nothing", 1)] {
        let page = browser.get(&format!("/ui/networks?project=default-domain:drawn&connected={with}")).await;
        assert_eq!(page.status_is(200).text.matches("<li data-words=").count(), expected, "{with}: {}", page.text);
    }
    let found = browser.get("/ui/networks?project=default-domain:drawn&find=HALF").await;
    has(found.status_is(200), &[("1 network · 0 ports", 1)]);
    for (path, status) in [
        ("around=x".to_owned(), 400),
        (format!("around={front}&steps=9"), 400),
        (format!("around={front}&steps=-1"), 400),
        ("view=x".to_owned(), 400),
        ("project=default-domain:drawn&connected=x".to_owned(), 404),
        ("connected=11111111-1111-4111-8111-111111111111".to_owned(), 404),
        ("around=11111111-1111-4111-8111-111111111111".to_owned(), 404),
        ("project=11111111-1111-4111-8111-111111111111".to_owned(), 404),
        ("project=default-domain:nothing".to_owned(), 404),
        ("open=11111111-1111-4111-8111-111111111111".to_owned(), 200),
        ("open=x".to_owned(), 200),
        ("find=nothing-is-called-so".to_owned(), 200),
    ] {
        browser.get(&format!("/ui/networks?{path}")).await.status_is(status);
    }
}

async fn many_networks(api: Api, mut browser: Browser) {
    for project in ["many-one", "many-other"] {
        make(&api, "project", json!({"fq_name": ["default-domain", project], "parent_type": "domain"})).await;
        for number in 0..101 {
            network(&api, &["default-domain", project, &format!("{project}-{number:03}")], json!({})).await;
        }
    }
    let page = browser.get("/ui/networks").await;
    assert_eq!(
        page.status_is(200).text.matches("<g class=\"card folded\"").count(),
        page.text.matches("<g class=\"card").count()
    );
    assert!(page.text.contains("101 networks") && !page.text.contains(">many-one-000<"), "{}", page.text);
    // What is folded is found all the same.
    assert!(page.text.contains(" many-one-000 "), "{}", page.text);
    let page = browser.get("/ui/networks?view=networks").await;
    assert!(page.status_is(200).text.contains("many-one-000") && page.text.contains("many-other-100"));
    let page = browser.get("/ui/networks?find=many-one-05").await;
    assert_eq!(page.status_is(200).text.matches("<li data-words=").count(), 10, "{}", page.text);
}

async fn history(api: Api, mut browser: Browser) {
    let uuid = network(&api, &["default-domain", "default-project", "changing"], json!({})).await;
    for number in 1..=30 {
        let body = json!({"virtual-network": {"display_name": format!("name {number}")}});
        api.put(&format!("/virtual-network/{uuid}"), &body).await.status_is(200);
    }
    let page = browser.get(&format!("/ui/object/virtual-network/{uuid}")).await;
    assert!(page.text.contains("<del>name 29</del>") && page.text.contains("<ins>name 30</ins>"), "{}", page.text);
    assert!(!page.text.contains("<ins>name 20</ins>"), "not all of it is here");
    let mut path = format!("/ui/history/virtual-network/{uuid}");
    let (mut found, mut pages) = (0, 0);
    loop {
        let page = browser.get(&path).await.text;
        found += page.matches("<strong class=\"update\">").count();
        pages += 1;
        let earlier = page.split("href=\"/ui/history/").find(|rest| rest.contains(">Earlier changes<"));
        let Some(earlier) = earlier else {
            assert_eq!(page.matches("<strong class=\"create\">").count(), 1);
            break;
        };
        path = format!("/ui/history/{}", earlier.split('"').next().unwrap());
    }
    assert_eq!((found, pages), (30, 2));
    // It is told also when it is gone.
    api.delete(&format!("/virtual-network/{uuid}")).await.status_is(200);
    let gone = browser.get(&format!("/ui/object/virtual-network/{uuid}")).await;
    assert!(gone.status_is(404).text.contains(&format!("/ui/history/virtual-network/{uuid}")));
    let page = browser.get(&format!("/ui/history/virtual-network/{uuid}")).await.text;
    assert_eq!(page.matches("<strong class=\"delete\">").count(), 1, "{page}");
    browser.get(&format!("/ui/history/virtual-network/{uuid}?before=x")).await.status_is(400);
}

/// How much memory the names take that are looked through by a search.
async fn weight_of_names(api: &Api) -> f64 {
    Scraped::of(api).await.sum("cirrus_memory_bytes", &[("holder", "names-for-search")])
}

async fn search(api: Api, mut browser: Browser) {
    let before = weight_of_names(&api).await;
    let net = network(&api, &["default-domain", "default-project", "Needle-Net"], subnets(&["10.66.0.0/24"])).await;
    let [port, address] = port(&api, "hay-port", "Needle-Net", "10.66.0.5").await;
    let macs = api.get(&format!("/virtual-machine-interface/{port}")).await.ok();
    let mac = &macs["virtual-machine-interface"]["virtual_machine_interface_mac_addresses"]["mac_address"][0];
    let mac = mac.as_str().unwrap().to_uppercase().replace(':', "-");
    let tag =
        json!({"tag": {"fq_name": ["application=needle"], "tag_type_name": "application", "tag_value": "needle"}});
    api.post("/tags", &tag).await.status_is(200);
    let tagged =
        json!({"obj_type": "virtual-network", "obj_uuid": net, "application": {"value": "needle", "is_global": true}});
    api.post("/set-tag", &tagged).await.status_is(200);
    // A page has the names brought together before anybody searches.
    assert!((weight_of_names(&api).await - before).abs() < 0.5);
    browser.get("/ui/types").await.status_is(200);
    let known = async { while weight_of_names(&api).await <= before {} };
    timeout(LIMIT, known).await.expect("the names of what was made are not taken in");
    let mut find = async |text: &str| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
        let page = browser.get(&format!("/ui/search?{query}")).await.status_is(200).text.clone();
        let found = browser.get(&format!("/ui/search/found?{query}")).await;
        let found: Value = serde_json::from_str(&found.status_is(200).text).unwrap();
        let found: Vec<Value> = found["found"].as_array().unwrap().clone();
        for found in &found {
            assert!(page.contains(found["href"].as_str().unwrap()), "{text}: {page}");
        }
        found
    };
    let uuid = |found: &Value| found["href"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    for (text, wanted) in [
        ("needle-net", &net),
        ("EEDLE-N", &net),
        ("default-project:needle", &net),
        (&net, &net),
        (&net[..9], &net),
        (&net.replace('-', "")[..12], &net),
        ("10.66.0.5", &port),
        (&mac, &port),
        (&mac.replace('-', ""), &port),
        ("hay-port-ip", &address),
        ("10.66.0.0/24", &net),
    ] {
        assert_eq!(find(text).await.first().map(uuid).as_ref(), Some(wanted), "{text}");
    }
    // Who has it, with what, and where; and what is to be said of an address that nobody has.
    let found = find("10.66.0.5").await;
    assert_eq!(found.iter().map(uuid).collect::<Vec<_>>(), [port.as_str(), &address, &net]);
    assert_eq!(found[0]["why"], "has 10.66.0.5 in Needle-Net");
    for (address, state) in
        [("10.66.0.7", "free"), ("10.66.0.254", "the gateway of"), ("10.66.0.0", "the first address of")]
    {
        let found = find(address).await;
        assert!(found[0]["why"].as_str().unwrap().contains(state), "{found:?}");
    }
    let tagged = find("application=needle").await;
    assert_eq!((tagged[0]["kind"].as_str(), uuid(&tagged[1])), (Some("tag"), net.clone()));
    // What comes, goes, or is something else meanwhile is found as it is now.
    let later = network(&api, &["default-domain", "default-project", "needle-later"], json!({})).await;
    assert!(find("needle-l").await.iter().any(|found| uuid(found) == later));
    api.delete(&format!("/virtual-network/{later}")).await.status_is(200);
    assert!(!find("needle-l").await.iter().any(|found| uuid(found) == later));
    for nothing in
        ["", "no such name", "10.66.1.1", "fd99::1", "10.66.0", "\u{0}", &"x".repeat(5000), "needle-net:x", ":"]
    {
        assert_eq!(find(nothing).await.len(), 0, "{nothing}");
    }
}

async fn addresses(api: Api, mut browser: Browser) {
    let prefixes = ["10.67.0.0/24", "10.68.0.0/16", "fd00:67::/64"];
    let net = network(&api, &["default-domain", "default-project", "addressed"], subnets(&prefixes)).await;
    for (number, address) in ["10.67.0.9", "10.68.3.7", "fd00:67::9"].into_iter().enumerate() {
        port(&api, &format!("addressed-{number}"), "addressed", address).await;
    }
    let list = browser.get("/ui/addresses?from=default-domain:default-project:addressed").await;
    let path = format!("/ui/addresses/virtual-network/{net}");
    assert!(list.status_is(200).text.contains(&format!("{path}?subnet=10.67.0.0%2F24")), "{}", list.text);
    assert!(list.text.contains("1 of 252 used") && list.text.contains("1 of about 2^64 used"), "{}", list.text);
    let page = browser.get(&path).await.status_is(200).text.clone();
    let cell = |class: &str| page.matches(&format!("class=\"cell {class}\" title=")).count();
    // Network, broadcast, gateway and services of the small one; the large one is shown by ranges.
    let used = page.matches("class=\"cell used\" href=\"/ui/object/virtual-machine-interface/").count();
    assert_eq!((used, cell("reserved"), cell("free")), (1, 4, 251), "{page}");
    assert!(page.contains("title=\"10.67.0.9: virtual machine interface addressed-0\""), "{page}");
    assert!(page.contains("fd00:67::9") && page.matches("title=\"0 of 256 used\"").count() == 255, "{page}");
    let range = browser.get(&format!("{path}?subnet=10.68.0.0/16&from=10.68.3.0&size=256")).await;
    assert!(range.status_is(200).text.contains("title=\"10.68.3.7: virtual machine interface addressed-1\""));
    assert_eq!(range.text.matches("class=\"cell free\" title=").count(), 255);
    for other in ["10.68.3.0&size=0", "10.68.255.255&size=340282366920938463463374607431768211455", "x&size=x", "::1"] {
        browser.get(&format!("{path}?subnet=10.68.0.0/16&from={other}")).await.status_is(200);
    }
    browser.get(&format!("{path}?subnet=10.69.0.0/16")).await.status_is(404);
    browser.get(&format!("/ui/addresses/virtual-machine-interface/{net}")).await.status_is(404);
    browser.get("/ui/addresses?of=project").await.status_is(404);
    let ipam = json!({"network-ipam": {"fq_name": ["default-domain", "default-project", "flat"], "parent_type": "project",
        "ipam_subnet_method": "flat-subnet",
        "ipam_subnets": {"subnets": [{"subnet": {"ip_prefix": "10.70.0.0", "ip_prefix_len": 28}}]}}});
    api.post("/network-ipams", &ipam).await.status_is(200);
    assert!(browser.get("/ui/addresses?of=network-ipam").await.status_is(200).text.contains("10.70.0.0/28"));
}

async fn changes(api: Api, mut browser: Browser) {
    let project = json!({"project": {"fq_name": ["default-domain", "changing-project"], "parent_type": "domain"}});
    api.post("/projects", &project).await.status_is(200);
    for number in 0..60 {
        network(&api, &["default-domain", "changing-project", &format!("told-{number:02}")], json!({})).await;
    }
    let told = |page: &str| {
        let names = page.split("title=\"default-domain:changing-project:told-").skip(1);
        names.map(|name| name.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // All of them, each once, the last first.
    let mut next = Some("/ui/changes?type=virtual-network&project=default-domain:changing-project".to_owned());
    let (mut seen, mut pages) = (Vec::new(), 0);
    while let Some(path) = next.take() {
        let page = browser.get(&path).await.status_is(200).text.clone();
        seen.extend(told(&page));
        pages += 1;
        let rest = page.split("<a rel=\"next\" href=\"").nth(1);
        next = rest.map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
    }
    let expected: Vec<String> = (0..60).rev().map(|number| format!("{number:02}")).collect();
    assert_eq!(seen, expected);
    assert!((2..=4).contains(&pages), "{pages}");
    assert_eq!(told(&browser.get("/ui/changes?project=default-domain:default-project").await.text), [""; 0]);
    assert_eq!(told(&browser.get("/ui/changes?type=network-policy").await.text), [""; 0]);
    assert_eq!(told(&browser.get("/ui/changes?who=nobody%20of%20that%20name").await.text), [""; 0]);
    assert!(told(&browser.get("/ui/changes?who=127.0.0.1").await.text).len() >= 10);
    // What the script asks for: what has come since.
    let page = browser.get("/ui/changes").await.text;
    let since = page.split("data-since=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    network(&api, &["default-domain", "changing-project", "told-later"], json!({})).await;
    let new = browser.get(&format!("/ui/changes/new?since={since}&type=virtual-network")).await;
    let new: Value = serde_json::from_str(&new.status_is(200).text).unwrap();
    let rows = new["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["name"], &rows[0]["operation"]), (1, &json!("told-later"), &json!("create")));
    let again = browser.get(&format!("/ui/changes/new?since={}", new["to"].as_str().unwrap())).await;
    assert!(again.status_is(200).text.contains("\"rows\":[]"), "{}", again.text);
    for (path, status) in [
        ("/ui/changes?before=x", 400),
        ("/ui/changes?before=0", 200),
        ("/ui/changes?before=18446744073709551615", 200),
        ("/ui/changes?type=nothing", 200),
        ("/ui/changes?project=nothing", 200),
        ("/ui/changes/new", 400),
        ("/ui/changes/new?since=x", 400),
        ("/ui/changes/new?since=11111111-1111-4111-8111-111111111111-1", 410),
    ] {
        browser.get(path).await.status_is(status);
    }
}

async fn not_there(mut browser: Browser) {
    for path in ["/ui/nothing", "/ui/type/nothing", "/ui/object/virtual-network/nothing", "/ui/object/nothing/1"] {
        let page = browser.get(path).await;
        assert!(page.status_is(404).text.contains("<h1>Not there</h1>"), "{path}: {}", page.text);
    }
    let wrong = browser.submit("/ui/types", &[]).await;
    assert_eq!(wrong.status_is(405).header("content-type"), "text/html; charset=utf-8");
}

async fn other_sites(mut browser: Browser, token: String) {
    let form = browser.get("/ui/sign-in").await.form_token();
    let base = browser.base.clone();
    let fields = [("form_token", form.as_str()), ("token", token.as_str())];
    let site = |value: &'static str| ("Sec-Fetch-Site", value);
    for headers in [
        vec![],
        vec![("Origin", "https://evil.example")],
        vec![("Origin", "null")],
        vec![("Origin", base.as_str()), site("cross-site")],
        vec![("Origin", base.as_str()), site("same-site")],
    ] {
        let refused = browser.submit_from(&headers, "/ui/sign-in", &fields).await;
        refused.status_is(403);
        assert_eq!(browser.cookie("cirrus-session"), None, "{headers:?}");
    }
    // From here, but of a form that was made for nobody, or for somebody else.
    let others = Browser { cookies: Vec::new(), ..browser.clone() }.get("/ui/sign-in").await.form_token();
    for form in ["", others.as_str()] {
        let refused = browser.submit("/ui/sign-in", &[("form_token", form), ("token", &token)]).await;
        assert!(refused.status_is(403).text.contains("another session"), "{}", refused.text);
    }
    browser.submit_from(&[site("same-origin")], "/ui/sign-in", &fields).await.status_is(303);
    assert_eq!(browser.cookie("cirrus-session"), Some(token.as_str()));
}

async fn cookie(mut browser: Browser, token: String) {
    let closed = browser.get("/ui/type/virtual-network?parent=a").await;
    assert_eq!(closed.status_is(303).header("location"), "/ui/sign-in?to=%2Fui%2Ftype%2Fvirtual-network%3Fparent%3Da");
    let signed_in = browser.sign_in(&token).await;
    assert_eq!(signed_in.status_is(303).header("location"), "/ui/types");
    let set = signed_in.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    let session = set.into_iter().find(|cookie| cookie.starts_with("cirrus-session=")).unwrap().to_owned();
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/ui"] {
        assert!(session.contains(attribute), "{session}");
    }
    assert!(!session.contains("; Secure"), "{session}");
    browser.get("/ui/types").await.status_is(200);
    let feed = browser.get("/ui/feed/changes?since=now").await;
    assert_eq!(feed.status_is(200).header("content-type"), "application/json");
    // Anywhere else it is as good as nothing.
    for path in ["/virtual-networks", "/changes", "/watch?resource_type=virtual_network", "/uix"] {
        browser.get(path).await.status_is(401);
    }
    // Over TLS, as a proxy says that is believed, it is another one.
    let (trusting, _tokens) = Tokens::start("rbac", &["--trusted-proxies", "127.0.0.0/8"]);
    let host = trusting.url().split("//").nth(1).unwrap().to_owned();
    let mut encrypted = Browser::of(&trusting).with(&[("X-Forwarded-Proto", "https")]);
    let form = encrypted.get("/ui/sign-in").await.form_token();
    let origin = format!("https://{host}");
    let (headers, token) = ([("Origin", origin.as_str())], Tokens::of("admin"));
    let signed_in = encrypted.submit_from(&headers, "/ui/sign-in", &[("form_token", &form), ("token", &token)]).await;
    let set = signed_in.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    let session = set.into_iter().find(|cookie| cookie.starts_with("__Secure-cirrus-session=")).unwrap();
    assert!(session.contains("; Secure"), "{session}");
    encrypted.get("/ui/types").await.status_is(200);
}

async fn members(browser: Browser, alice: String, bob: String, own: String) {
    let (mut owner, mut stranger) = (browser.clone(), browser);
    owner.sign_in(&alice).await.status_is(303);
    stranger.sign_in(&bob).await.status_is(303);
    let types = owner.get("/ui/types").await;
    let (epoch, _) = types.header("x-cirrus-revision").rsplit_once('-').unwrap();
    let pages = [
        "/ui/types".to_owned(),
        "/ui/tree".to_owned(),
        "/ui/networks".to_owned(),
        format!("/ui/networks?project={ALICE_PROJECT}"),
        "/ui/networks?project=default-domain:alice-proj".to_owned(),
        format!("/ui/networks?around={own}"),
        format!("/ui/networks?open={own}&view=projects"),
        "/ui/networks?find=ecret".to_owned(),
        "/ui/type/virtual-network".to_owned(),
        "/ui/type/routing-instance".to_owned(),
        format!("/ui/type/virtual-network?parent={ALICE_PROJECT}"),
        "/ui/type/virtual-network?parent=default-domain:alice-proj".to_owned(),
        format!("/ui/type/routing-instance?refers_to={own}"),
        format!("/ui/object/virtual-network/{own}"),
        format!("/ui/object/project/{ALICE_PROJECT}"),
        format!("/ui/history/virtual-network/{own}"),
        "/ui/feed/changes?since=oldest".to_owned(),
        "/ui/search?q=SECRET-n".to_owned(),
        "/ui/search/found?q=ecret".to_owned(),
        "/ui/search/found?q=10.77.0.6".to_owned(),
        format!("/ui/search?q={}", &own[..8]),
        format!("/ui/search/found?q={own}"),
        "/ui/addresses".to_owned(),
        format!("/ui/addresses/virtual-network/{own}"),
        "/ui/changes".to_owned(),
        "/ui/changes?project=default-domain:alice-proj".to_owned(),
        format!("/ui/changes/new?since={epoch}-0"),
    ];
    let mut seen = 0;
    for path in pages {
        seen += usize::from(owner.get(&path).await.text.contains(SECRET));
        let page = stranger.get(&path).await;
        assert!(!page.text.contains(SECRET), "{path}: {}", page.text);
        assert!(!page.text.contains("alice") || path.contains("alice"), "{path}: {}", page.text);
    }
    assert!(seen >= 15, "{seen}");
    let refused = stranger.get(&format!("/ui/object/virtual-network/{own}")).await;
    assert!(refused.status_is(403).text.contains("<h1>Not allowed</h1>"), "{}", refused.text);
    stranger.get(&format!("/ui/object/network-policy/{own}")).await.status_is(404);
}

async fn ends(mut browser: Browser, token: String) {
    for bad in ["", "nobody's", &"x".repeat(5000)] {
        let refused = browser.sign_in(bad).await;
        assert!([400, 401].contains(&refused.status.as_u16()), "{bad}: {}", refused.text);
        assert!(!refused.text.contains("nobody's\"") && browser.cookie("cirrus-session").is_none());
    }
    // Where there is no issuer nobody is led to one.
    for path in ["/ui/sign-in/oidc", "/ui/sign-in/callback?code=a&state=b"] {
        browser.get(path).await.status_is(404);
    }
    assert!(!browser.get("/ui/sign-in").await.text.contains("/ui/sign-in/oidc"));
    browser.sign_in(&token).await.status_is(303);
    let form = browser.get("/ui/types").await.form_token();
    let out = browser.submit("/ui/sign-out", &[("form_token", &form)]).await;
    assert_eq!(out.status_is(303).header("location"), "/ui/sign-in");
    assert_eq!(browser.cookie("cirrus-session"), None);
    browser.get("/ui/types").await.status_is(303);
    // A token that is good no longer takes its cookie along.
    browser.cookies.push(("cirrus-session".to_owned(), "ended".to_owned()));
    let ended = browser.get("/ui/types").await;
    assert_eq!(ended.status_is(303).header("location"), "/ui/sign-in?to=%2Fui%2Ftypes&ended=yes");
    assert_eq!(browser.cookie("cirrus-session"), None);
}

pub async fn users_of_keystone_sign_in() {
    let keystone = Keystone::start().await;
    let server = keystone.server_with(&["--keystone-token-cache-time", "0"]);
    let project = keystone.project("alice-proj", "default").await;
    keystone.user("alice", "default", &project, "admin").await;
    let mut browser = Browser::of(&server);
    let form = browser.get("/ui/sign-in").await.form_token();
    let with = |password: &'static str, project: &'static str| {
        [
            ("form_token", form.clone()),
            ("user", "alice".to_owned()),
            ("password", password.to_owned()),
            ("project", project.to_owned()),
        ]
    };
    for fields in [with("wrong", "alice-proj"), with(PASSWORD, "no-such-project")] {
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let refused = browser.submit("/ui/sign-in", &fields).await;
        assert!(refused.status_is(401).text.contains("Keystone does not know"), "{}", refused.text);
        assert!(refused.text.contains("value=\"alice\"") && !refused.text.contains(PASSWORD), "{}", refused.text);
    }
    let fields = with(PASSWORD, "alice-proj");
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    browser.submit("/ui/sign-in", &fields).await.status_is(303);
    let page = browser.get("/ui/types").await;
    assert!(page.status_is(200).text.contains("alice · alice-proj"), "{}", page.text);
    let token = browser.cookie("cirrus-session").unwrap().to_owned();
    let client = Api::with_headers(server.url(), &[("X-Auth-Token", &token)]);
    client.get("/virtual-networks").await.status_is(200);
    // Signing out ends the token, for everybody.
    browser.submit("/ui/sign-out", &[("form_token", &page.form_token())]).await.status_is(303);
    client.get("/virtual-networks").await.status_is(401);
    // One that somebody has brought along is not ended.
    let brought = keystone.token("alice", &crate::support::keystone::Scope::Project(&project)).await;
    browser.sign_in(&brought).await.status_is(303);
    let form = browser.get("/ui/types").await.form_token();
    browser.submit("/ui/sign-out", &[("form_token", &form)]).await.status_is(303);
    Api::with_headers(server.url(), &[("X-Auth-Token", &brought)]).get("/virtual-networks").await.status_is(200);
}
