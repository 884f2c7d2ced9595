//! Lists that are larger than what the server makes at a time: they are whole, and of one moment.

use crate::support::{Api, Server};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// In plain about 300 KiB, more than two pieces of the server.
const NETWORKS: usize = 1500;
/// Detailed 12 MB, more than the connection holds when its client reads nothing; they come first.
const LARGE: usize = 120;
const DISPLAY_NAME: usize = 100_000;

async fn create(api: &Api, name: &str) -> String {
    let fq_name = ["default-domain", "default-project", name];
    let display_name = if name.starts_with("large") { "x".repeat(DISPLAY_NAME) } else { name.to_owned() };
    let body = json!({"virtual-network": {"fq_name": fq_name, "parent_type": "project", "display_name": display_name}});
    api.post("/virtual-networks", &body).await.ok()["virtual-network"]["uuid"].as_str().unwrap().to_owned()
}

/// The names in a list, each of which stands there once.
fn names(list: &Value) -> BTreeSet<String> {
    let items = list["virtual-networks"].as_array().unwrap();
    let name = |item: &Value| item.get("virtual-network").unwrap_or(item)["fq_name"][2].as_str().unwrap().to_owned();
    let names: BTreeSet<String> = items.iter().map(name).collect();
    assert_eq!(names.len(), items.len());
    names
}

pub async fn large_lists_are_whole_and_of_one_moment() {
    let server = Server::start_with(&["--allowed-hosts", "elsewhere"]);
    let api = server.api();
    let large = (0..LARGE).map(|number| format!("large-{number}"));
    let created: BTreeSet<String> = (0..NETWORKS).map(|number| format!("network-{number}")).chain(large).collect();
    let uuids = stream::iter(&created).map(|name| create(&api, name)).buffered(16).collect::<Vec<_>>().await;

    let plain = api.get("/virtual-networks").await.ok();
    assert!(plain.to_string().len() > 2 << 17);
    let all = names(&plain);
    assert!(all.is_superset(&created));
    // Nothing has changed: this one the server has kept. With other hrefs, or none, it is another one.
    assert_eq!(api.get("/virtual-networks").await.ok(), plain);
    let client = reqwest::Client::new();
    let elsewhere = client.get(format!("{}/virtual-networks", server.url())).header("Host", "elsewhere:1");
    let elsewhere: Value = elsewhere.send().await.unwrap().json().await.unwrap();
    assert_eq!(names(&elsewhere), all);
    let href = |list: &Value| list["virtual-networks"][7]["href"].as_str().map(str::to_owned);
    assert!(href(&elsewhere).unwrap().starts_with("http://elsewhere:1/virtual-network/"));
    assert_eq!(href(&api.get("/virtual-networks?exclude_hrefs=true").await.ok()), None);
    assert_eq!(names(&api.get("/virtual-networks?detail=true").await.ok()), all);
    assert_eq!(api.get("/virtual-networks?count=true").await.ok()["virtual-networks"]["count"], all.len());
    // Some of them, by way of a list of uuids: these are not gone through by name.
    let project = api.find("project", &json!(["default-domain", "default-project"])).await.unwrap();
    assert_eq!(names(&api.get(&format!("/virtual-networks?parent_id={project}")).await.ok()), all);
    let filtered = api.get("/virtual-networks?filters=display_name==\"network-77\"").await.ok();
    assert_eq!(names(&filtered), BTreeSet::from(["network-77".to_owned()]));

    // One is read slowly, and what it shows changes meanwhile.
    let url = format!("{}/virtual-networks?detail=true", server.url());
    let mut slow = client.get(&url).send().await.unwrap();
    let mut body = slow.chunk().await.unwrap().unwrap().to_vec();
    let mut later = all.clone();
    for ((uuid, name), number) in uuids.iter().zip(&created).rev().zip(0..50) {
        api.delete(&format!("/virtual-network/{uuid}")).await.status_is(200);
        let new = format!("with-a-later-name-{number}");
        create(&api, &new).await;
        assert!(later.remove(name) && later.insert(new));
        if number % 10 == 0 {
            // What was kept of it is of before.
            assert_eq!(names(&api.get("/virtual-networks").await.ok()), later);
            assert_eq!(names(&api.get("/virtual-networks?detail=true").await.ok()), later);
        }
    }
    while let Some(chunk) = slow.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    assert_eq!(names(&serde_json::from_slice(&body).unwrap()), all);

    // The head of one, and the connection goes on.
    let head = client.head(&url).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers().get("content-length")), (200, None));
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
}
