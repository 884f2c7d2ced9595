//! Pages of lists, as clients walk through them, and empty arguments.

use serde_json::{Value, json};

use crate::support::{Api, Server};

pub async fn pages_of_lists() {
    let server = Server::start();
    let api = server.api();
    let (project, _) = project(&api, "mine", 0).await;
    let (_, shared) = self::project(&api, "theirs", 5).await;
    let mut own = Vec::new();
    for number in 0..5 {
        own.push(policy(&api, "mine", &format!("own-{number}"), 0).await);
    }
    own.sort();

    null_in_a_body_asks_for_the_first_page(&api, &project, &own).await;
    what_others_share_comes_after_what_was_asked_for(&api, &project, &own, &shared).await;
    an_object_that_is_called_shared_ends_no_list(&api).await;
    an_empty_type_of_parents_asks_for_nothing(&api, &project).await;
}

async fn project(api: &Api, name: &str, shared: usize) -> (String, Vec<String>) {
    let body = json!({"project": {"fq_name": ["default-domain", name], "parent_type": "domain"}});
    let uuid = api.post("/projects", &body).await.ok()["project"]["uuid"].as_str().unwrap().to_owned();
    let mut policies = Vec::new();
    for number in 0..shared {
        policies.push(policy(api, name, &format!("shared-{number}"), 7).await);
    }
    policies.sort();
    (uuid, policies)
}

async fn policy(api: &Api, project: &str, name: &str, global_access: u8) -> String {
    let perms2 = json!({ "owner": "somebody", "global_access": global_access });
    let body = json!({"network-policy": {"fq_name": ["default-domain", project, name], "parent_type": "project", "perms2": perms2}});
    api.post("/network-policys", &body).await.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned()
}

fn uuids(answer: &Value) -> Vec<String> {
    let items = answer["network-policys"].as_array().unwrap();
    items.iter().map(|item| item["uuid"].as_str().unwrap().to_owned()).collect()
}

async fn null_in_a_body_asks_for_the_first_page(api: &Api, project: &str, own: &[String]) {
    let mut body = json!({"type": "network-policy", "parent_id": project, "page_marker": null, "page_limit": 3});
    let first = api.post("/list-bulk-collection", &body).await.ok();
    assert_eq!(uuids(&first), own[..3]);
    assert_eq!(first["marker"], own[2]);
    body["page_marker"] = first["marker"].clone();
    let last = api.post("/list-bulk-collection", &body).await.ok();
    assert_eq!(uuids(&last), own[3..]);
    assert_eq!(last["marker"], Value::Null);
    let without = json!({"type": "network-policy", "parent_id": project, "page_limit": 3});
    let all = api.post("/list-bulk-collection", &without).await.ok();
    assert_eq!(uuids(&all).len(), 5, "a limit alone is no page");
    assert!(all.get("marker").is_none());
}

async fn what_others_share_comes_after_what_was_asked_for(api: &Api, project: &str, own: &[String], shared: &[String]) {
    for limit in 1..=11 {
        let (mut seen, mut marker, mut pages) = (Vec::new(), "None".to_owned(), Vec::new());
        loop {
            let path =
                format!("/network-policys?parent_id={project}&shared=True&page_limit={limit}&page_marker={marker}");
            let page = api.get(&path).await.ok();
            seen.extend(uuids(&page));
            pages.push(page["marker"].clone());
            let Some(next) = page["marker"].as_str() else { break };
            let last = seen.last().unwrap();
            let expected = if shared.contains(last) { format!("shared:{last}") } else { last.clone() };
            assert_eq!(next, expected);
            next.clone_into(&mut marker);
        }
        assert_eq!(seen, [own, shared].concat(), "in pages of {limit}, with the markers {pages:?}");
    }
}

async fn an_object_that_is_called_shared_ends_no_list(api: &Api) {
    for name in ["scarce", "shared", "sharp"] {
        let body = json!({"virtual-machine": {"fq_name": [name]}});
        api.post("/virtual-machines", &body).await.ok();
    }
    let (mut seen, mut marker) = (Vec::new(), "None".to_owned());
    loop {
        let page = api.get(&format!("/virtual-machines?shared=True&page_limit=1&page_marker={marker}")).await.ok();
        seen.extend(page["virtual-machines"].as_array().unwrap().iter().map(|item| item["fq_name"][0].clone()));
        let Some(next) = page["marker"].as_str() else { break };
        next.clone_into(&mut marker);
    }
    assert_eq!(seen, ["scarce", "shared", "sharp"]);
}

async fn an_empty_type_of_parents_asks_for_nothing(api: &Api, project: &str) {
    let count = |answer: Value| answer["network-policys"].as_array().unwrap().len();
    assert_eq!(count(api.get(&format!("/network-policys?parent_type=&parent_id={project}")).await.ok()), 5);
    let of_name = "/network-policys?parent_type=&parent_fq_name_str=default-domain:mine";
    assert_eq!(count(api.get(of_name).await.ok()), 5);
    let body = json!({"type": "network-policy", "parent_id": project, "parent_type": ""});
    assert_eq!(count(api.post("/list-bulk-collection", &body).await.ok()), 5);
    api.get("/network-policys?parent_type=nope").await.status_is(404);
}
