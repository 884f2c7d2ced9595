//! Forms of the pages: what is saved of what somebody typed, what is refused and how it is told, and what nobody gets to see by them.

use serde_json::{Value, json};

use crate::support::tokens::{ALICE_PROJECT, BOB_PROJECT, Tokens, allow_all_types, make_projects};
use crate::support::{Api, Checks, Server};
use crate::web::{Browser, Page, network};

const MARKUP: &str = "<img src=x onerror=alert(1)>";

pub async fn objects_are_changed_by_forms() {
    let open = Server::start();
    let (closed, tokens) = Tokens::start("rbac", &[]);
    let admin = tokens.api(&closed, "admin");
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    let mut checks = Checks::default();
    checks.run("what is not touched is not sent", untouched(open.api(), Browser::of(&open))).await;
    checks.run("texts stay as they are", texts(open.api(), Browser::of(&open))).await;
    checks.run("what is too large for a form stays", large(open.api(), Browser::of(&open))).await;
    checks.run("forms that were not made here are refused", strange(open.api(), Browser::of(&open))).await;
    checks.run("a form of an old session is shown again", old_token(open.api(), Browser::of(&open))).await;
    checks.run("of what has changed meanwhile both parts stay", meanwhile(open.api(), Browser::of(&open))).await;
    checks.run("every type has a form", every_type(Browser::of(&open))).await;
    let alice = tokens.api(&closed, "alice");
    checks
        .run("a right that has gone is told in the form", no_right(admin.clone(), alice.clone(), Browser::of(&closed)))
        .await;
    checks
        .run("links that a member does not see stay", unseen(admin.clone(), alice.clone(), Browser::of(&closed)))
        .await;
    checks.run("forms tell a member of nothing else", stranger(alice.clone(), Browser::of(&closed))).await;
    checks.finish();
}

/// The controls of the form of a page, as a browser sends them; of choices the one that is chosen.
fn controls(page: &Page) -> Vec<(String, String)> {
    let text = page.text.split("<main").nth(1).unwrap();
    let plain =
        |text: &str| text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
        Some(plain(rest.split('"').next().unwrap()))
    };
    let mut found = Vec::new();
    for part in text.split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        match tag.split(' ').next().unwrap() {
            "input" => {
                found.extend(attribute(tag, "name").map(|name| (name, attribute(tag, "value").unwrap_or_default())));
            }
            "select" => found.extend(attribute(tag, "name").map(|name| (name, String::new()))),
            "textarea" => {
                // The first line is empty, and browsers take it away; others they end as HTTP does.
                let text = plain(part.split_once('>').unwrap().1);
                let text = text.strip_prefix('\n').unwrap_or(&text).replace('\n', "\r\n");
                found.extend(attribute(tag, "name").map(|name| (name, text)));
            }
            "option" if tag.ends_with(" selected") => found.last_mut().unwrap().1 = attribute(tag, "value").unwrap(),
            _ => {}
        }
    }
    found
}

/// Sends the form of a page as it is, but for these controls.
async fn send(browser: &mut Browser, path: &str, page: &Page, other: &[(&str, &str)]) -> Page {
    let mut fields = controls(page);
    for (name, value) in other {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => (*value).clone_into(known),
            None => fields.push(((*name).to_owned(), (*value).to_owned())),
        }
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.submit(path, &fields).await
}

/// What the page says is sent.
fn sent(page: &Page) -> Value {
    let text = page.text.split(" -d &#39;").nth(1).or_else(|| page.text.split(" -d '").nth(1)).expect(&page.text);
    let body = text.split("' '").next().unwrap();
    let body = body
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        .replace("'\\''", "'");
    serde_json::from_str(&body).expect(&body)
}

async fn read(api: &Api, uuid: &str) -> Value {
    api.get(&format!("/virtual-network/{uuid}")).await.ok()["virtual-network"].take()
}

const HOME: [&str; 2] = ["default-domain", "default-project"];

async fn untouched(api: Api, mut browser: Browser) {
    let ipam = ["default-domain", "default-project", "default-network-ipam"];
    let subnet = json!({"subnet": {"ip_prefix": "10.1.0.0", "ip_prefix_len": 24}, "dns_nameservers": ["10.1.0.9"],
        "allocation_pools": [{"start": "10.1.0.10", "end": "10.1.0.20"}], "enable_dhcp": false});
    let more = json!({
        "network_ipam_refs": [{"to": ipam, "attr": {"ipam_subnets": [subnet]}}],
        "virtual_network_properties": {"rpf": "disable", "allow_transit": false},
        "annotations": {"key_value_pair": [{"key": "a", "value": "b"}]},
        "route_target_list": {"route_target": ["target:64512:1", "target:64512:2"]},
    });
    let uuid = network(&api, &[HOME[0], HOME[1], "untouched"], more).await;
    let path = format!("/ui/edit/virtual-network/{uuid}");
    let form = browser.get(&path).await;
    for name in ["f/id_perms", "f/virtual_network_network_id", "f/is_provider_network", "f/uuid"] {
        assert!(!form.text.contains(name), "{name} is the server's");
    }
    let before = read(&api, &uuid).await;
    let same = send(&mut browser, &path, &form, &[("do", "review")]).await;
    assert!(same.status_is(200).text.contains("nothing to save"), "{}", same.text);
    // A row comes, is filled in, and is all that is sent.
    let list = "f/route_target_list/route_target";
    let longer = send(&mut browser, &path, &form, &[("do", &format!("add:{list}"))]).await;
    assert!(longer.text.contains(&format!("name=\"{list}/2\"")), "{}", longer.text);
    let row = format!("{list}/2");
    let review = send(&mut browser, &path, &longer, &[(&row, "target:64512:3"), ("do", "review")]).await;
    let expected = ["target:64512:1", "target:64512:2", "target:64512:3"];
    assert_eq!(sent(&review), json!({"virtual-network": {"route_target_list": {"route_target": expected}}}));
    assert_eq!(read(&api, &uuid).await, before, "nothing is saved yet");
    let saved = send(&mut browser, &path, &review, &[("do", "save")]).await;
    assert_eq!(saved.status_is(303).header("location"), format!("/ui/object/virtual-network/{uuid}"));
    // Rows that go, and one that nobody has filled in.
    let form = browser.get(&path).await;
    let shorter = send(&mut browser, &path, &form, &[("do", &format!("remove:{list}/0"))]).await;
    let shorter = send(&mut browser, &path, &shorter, &[("do", &format!("add:{list}"))]).await;
    let review = send(&mut browser, &path, &shorter, &[("do", "review")]).await;
    assert_eq!(sent(&review)["virtual-network"]["route_target_list"]["route_target"], json!(expected[1..]));
    let again = send(&mut browser, &path, &review, &[("do", "back")]).await;
    assert!(again.text.contains(&format!("name=\"{list}/1\"")) && !again.text.contains(&format!("name=\"{list}/2\"")));
    send(&mut browser, &path, &review, &[("do", "save")]).await.status_is(303);
    let after = read(&api, &uuid).await;
    assert_eq!(after["route_target_list"]["route_target"], json!(expected[1..]));
    for field in ["network_ipam_refs", "virtual_network_properties", "annotations", "perms2"] {
        assert_eq!(after[field], before[field], "{field}");
    }
}

async fn texts(api: Api, mut browser: Browser) {
    let long = format!("\n{MARKUP}\nline's \"end\"\\{}", "x".repeat(10_000));
    let more = json!({"display_name": long, "annotations": {"key_value_pair": [{"key": MARKUP, "value": MARKUP}]}});
    let uuid = network(&api, &[HOME[0], HOME[1], MARKUP], more).await;
    let path = format!("/ui/edit/virtual-network/{uuid}");
    let form = browser.get(&path).await;
    let same = send(&mut browser, &path, &form, &[("do", "review")]).await;
    assert!(same.text.contains("nothing to save"), "{}", same.text);
    let name = format!("it's {MARKUP}");
    let review = send(&mut browser, &path, &form, &[("f/display_name", &name), ("do", "review")]).await;
    assert_eq!(sent(&review), json!({"virtual-network": {"display_name": name}}));
    let delete = browser.get(&format!("/ui/delete/virtual-network/{uuid}")).await;
    let create = format!("/ui/create/virtual-network?parent={MARKUP}");
    for page in [&form, &same, &review, &delete, &browser.get(&create).await] {
        assert!(!page.text.contains("<img") && page.text.contains("&lt;img"), "{}", page.text);
    }
    send(&mut browser, &path, &review, &[("do", "save")]).await.status_is(303);
    assert_eq!(read(&api, &uuid).await["display_name"], json!(name));
}

/// A field that is too large for a form stays as it is.
async fn large(api: Api, mut browser: Browser) {
    let targets: Vec<String> = (0..600).map(|number| format!("target:64512:{number}")).collect();
    let more = json!({"route_target_list": {"route_target": targets}});
    let uuid = network(&api, &[HOME[0], HOME[1], "large"], more).await;
    let path = format!("/ui/edit/virtual-network/{uuid}");
    let form = browser.get(&path).await;
    assert!(form.text.contains("stay as they are: route target list") && !form.text.contains("f/route_target_list"));
    let list = "f/import_route_target_list/route_target";
    let longer = send(&mut browser, &path, &form, &[("do", &format!("add:{list}"))]).await;
    assert!(!longer.text.contains("f/route_target_list"), "{}", longer.text);
    let row = format!("{list}/0");
    let review = send(&mut browser, &path, &longer, &[(&row, "target:64512:1"), ("do", "review")]).await;
    send(&mut browser, &path, &review, &[("do", "save")]).await.status_is(303);
    let network = read(&api, &uuid).await;
    assert_eq!(network["route_target_list"]["route_target"], json!(targets));
    assert_eq!(network["import_route_target_list"]["route_target"], json!(["target:64512:1"]));
}

async fn strange(api: Api, mut browser: Browser) {
    let uuid = network(&api, &[HOME[0], HOME[1], "strange"], json!({})).await;
    let path = format!("/ui/edit/virtual-network/{uuid}");
    let form = browser.get(&path).await;
    let before = read(&api, &uuid).await;
    for (name, value) in [
        ("f/nothing", "1"),
        ("f/uuid", "1"),
        ("f/id_perms/enable", "false"),
        ("f/virtual_network_properties/nothing", "1"),
        ("f/network_ipam_refs/0/nothing", "1"),
        ("other", "1"),
        ("do", "add:f/nothing"),
        ("do", "remove:f/network_ipam_refs/0"),
        ("do", "explode"),
        ("base", "no JSON"),
        ("changes", r#"{"id_perms": {}}"#),
    ] {
        let refused = send(&mut browser, &path, &form, &[("f/display_name", "x"), (name, value)]).await;
        assert!(refused.status_is(400).text.contains("Nothing was done"), "{name}: {}", refused.text);
    }
    let many = json!({"route_target_list": {"route_target": vec!["target:1:1"; 2000]}}).to_string();
    let refused = send(&mut browser, &path, &form, &[("changes", &many), ("do", "back")]).await;
    assert!(refused.status_is(400).text.contains("Nothing was done"), "{}", refused.text);
    // What can't be read stands there again.
    let unread = [("f/mtu", "many"), ("f/network_policy_refs/0/to", "nothing:there")];
    let wrong = send(&mut browser, &path, &form, &unread).await;
    assert!(wrong.status_is(400).text.contains("There is no network policy of this name"), "{}", wrong.text);
    assert!(wrong.text.contains("value=\"many\"") && wrong.text.contains("value=\"nothing:there\""), "{}", wrong.text);
    let wrong = send(&mut browser, &path, &form, &unread[..1]).await;
    assert!(wrong.status_is(400).text.contains("href=\"#f/mtu\""), "{}", wrong.text);
    assert_eq!(read(&api, &uuid).await, before);
    browser.get("/ui/create/nothing").await.status_is(404);
    browser.get("/ui/edit/virtual-network/nothing").await.status_is(404);
    let nobody = uuid::Uuid::new_v4();
    browser.get(&format!("/ui/edit/virtual-network/{nobody}")).await.status_is(404);
    browser.get(&format!("/ui/delete/virtual-network/{nobody}")).await.status_is(404);
    // Of a new object name and place are asked for.
    let create = "/ui/create/virtual-network";
    let form = browser.get(create).await;
    let refused = send(&mut browser, create, &form, &[("parent", "nothing"), ("do", "review")]).await;
    assert!(refused.status_is(400).text.contains("href=\"#name\"") && refused.text.contains("href=\"#parent\""));
    let taken = [("name", "strange"), ("parent", "default-domain:default-project"), ("do", "review")];
    let refused = send(&mut browser, create, &form, &taken).await;
    assert!(refused.status_is(409).text.contains("already exists"), "{}", refused.text);
}

async fn old_token(api: Api, mut browser: Browser) {
    let uuid = network(&api, &[HOME[0], HOME[1], "old"], json!({"display_name": "before"})).await;
    let path = format!("/ui/edit/virtual-network/{uuid}");
    let form = browser.get(&path).await;
    for wish in ["review", "save"] {
        let again =
            send(&mut browser, &path, &form, &[("form_token", "old"), ("f/display_name", "after"), ("do", wish)]).await;
        assert!(again.status_is(403).text.contains("value=\"after\""), "{}", again.text);
        assert_ne!(again.form_token(), "old");
    }
    let path = format!("/ui/delete/virtual-network/{uuid}");
    let page = browser.get(&path).await;
    send(&mut browser, &path, &page, &[("form_token", "old")]).await.status_is(403);
    send(&mut browser, &path, &page, &[("etag", "")]).await.status_is(400);
    assert_eq!(read(&api, &uuid).await["display_name"], json!("before"));
}

async fn meanwhile(api: Api, mut browser: Browser) {
    let uuid = network(&api, &[HOME[0], HOME[1], "meanwhile"], json!({"display_name": "one"})).await;
    let path = format!("/ui/edit/virtual-network/{uuid}");
    let form = browser.get(&path).await;
    let change = |fields: Value| {
        let (api, path) = (&api, format!("/virtual-network/{uuid}"));
        async move { api.put(&path, &json!({"virtual-network": fields})).await.ok() }
    };
    change(json!({"mtu": 1400, "display_name": "two"})).await;
    let told = send(&mut browser, &path, &form, &[("f/is_shared", "true"), ("do", "review")]).await;
    assert!(told.text.contains("both can stand") && told.text.contains("<ins>1400</ins>"), "{}", told.text);
    assert_eq!(sent(&told), json!({"virtual-network": {"is_shared": true}}));
    // And once more, before it is saved.
    change(json!({"mtu": 1300})).await;
    let told = send(&mut browser, &path, &told, &[("do", "save")]).await;
    assert!(told.status_is(200).text.contains("<ins>1300</ins>"), "{}", told.text);
    send(&mut browser, &path, &told, &[("do", "save")]).await.status_is(303);
    let network = read(&api, &uuid).await;
    assert_eq!(
        [&network["mtu"], &network["display_name"], &network["is_shared"]],
        [&json!(1300), &json!("two"), &json!(true)]
    );
}

async fn every_type(mut browser: Browser) {
    let list = browser.get("/ui/types").await.text;
    let types: Vec<&str> = list.split("href=\"/ui/type/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(types.len() > 100, "{types:?}");
    for kind in types {
        let page = browser.get(&format!("/ui/create/{kind}")).await;
        assert!(page.status_is(200).text.contains("name=\"f/"), "{kind}");
        let wrong = send(&mut browser, &format!("/ui/create/{kind}"), &page, &[("do", "review")]).await;
        assert!(wrong.status_is(400).text.contains("It needs a name"), "{kind}: {}", wrong.text);
    }
}

async fn no_right(admin: Api, alice: Api, mut browser: Browser) {
    let uuid = network(&alice, &["default-domain", "alice-proj", "given-away"], json!({})).await;
    browser.sign_in(&Tokens::of("alice")).await.status_is(303);
    let path = format!("/ui/edit/virtual-network/{uuid}");
    let form = browser.get(&path).await;
    let review = send(&mut browser, &path, &form, &[("f/display_name", "too late"), ("do", "review")]).await;
    let given = json!({"owner": BOB_PROJECT, "owner_access": 7, "global_access": 0, "share": []});
    admin.put(&format!("/virtual-network/{uuid}"), &json!({"virtual-network": {"perms2": given}})).await.status_is(200);
    for (page, wish) in [(&form, "review"), (&review, "save")] {
        let refused = send(&mut browser, &path, page, &[("f/display_name", "too late"), ("do", wish)]).await;
        assert!(
            refused.status_is(403).text.contains("Nothing was saved") && refused.text.contains("too late"),
            "{}",
            refused.text
        );
    }
    browser.get(&path).await.status_is(403);
    browser.get(&format!("/ui/delete/virtual-network/{uuid}")).await.status_is(403);
}

async fn unseen(admin: Api, alice: Api, mut browser: Browser) {
    let policy = |project: &'static str, name: &'static str| {
        let name = json!(["default-domain", project, name]);
        let body = json!({"network-policy": {"fq_name": name, "parent_type": "project"}});
        let admin = &admin;
        async move {
            admin.post("/network-policys", &body).await.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned()
        }
    };
    let (hidden, mut own) = (policy("bob-proj", "hidden-policy").await, Vec::new());
    for name in ["first-policy", "second-policy"] {
        let uuid = policy("alice-proj", name).await;
        let given = json!({"owner": ALICE_PROJECT, "owner_access": 7, "global_access": 0, "share": []});
        admin
            .put(&format!("/network-policy/{uuid}"), &json!({"network-policy": {"perms2": given}}))
            .await
            .status_is(200);
        own.push(uuid);
    }
    let uuid = network(&alice, &["default-domain", "alice-proj", "linked"], json!({})).await;
    let sequence = |major: u32| json!({"sequence": {"major": major, "minor": 0}});
    for (major, policy) in [(7, &hidden), (1, &own[0])] {
        let link = json!({"type": "virtual-network", "uuid": uuid, "ref-type": "network-policy", "ref-uuid": policy,
            "operation": "ADD", "attr": sequence(major)});
        admin.post("/ref-update", &link).await.status_is(200);
    }
    browser.sign_in(&Tokens::of("alice")).await.status_is(303);
    let path = format!("/ui/edit/virtual-network/{uuid}");
    let form = browser.get(&path).await;
    assert!(form.text.contains("first-policy") && !form.text.contains("hidden-policy"), "{}", form.text);
    // One goes, another one comes, and its own properties with them.
    let other = [
        ("f/network_policy_refs/0/to", "second-policy"),
        ("f/network_policy_refs/0/attr/sequence/major", "3"),
        ("f/mtu", "1400"),
    ];
    let review = send(&mut browser, &path, &form, &[&other[..], &[("do", "review")]].concat()).await;
    assert!(!review.text.contains("hidden-policy") && !review.text.contains(&hidden), "{}", review.text);
    send(&mut browser, &path, &review, &[("do", "save")]).await.status_is(303);
    let network = read(&admin, &uuid).await;
    let mut links: Vec<(String, u64)> = network["network_policy_refs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| (link["to"][2].as_str().unwrap().to_owned(), link["attr"]["sequence"]["major"].as_u64().unwrap()))
        .collect();
    links.sort();
    assert_eq!(links, [("hidden-policy".to_owned(), 7), ("second-policy".to_owned(), 3)]);
    assert_eq!(network["mtu"], json!(1400));
}

async fn stranger(alice: Api, mut browser: Browser) {
    let uuid = network(&alice, &["default-domain", "alice-proj", "secret-net"], json!({})).await;
    browser.sign_in(&Tokens::of("bob")).await.status_is(303);
    for page in ["edit", "delete"] {
        let refused = browser.get(&format!("/ui/{page}/virtual-network/{uuid}")).await;
        assert!(!refused.status_is(403).text.contains("secret"), "{}", refused.text);
    }
    // Neither names that are offered nor names that are tried tell whether there is one.
    let path = "/ui/create/virtual-machine-interface";
    let form = browser.get(path).await;
    assert!(form.text.contains("default-domain:bob-proj") && !form.text.contains("alice"), "{}", form.text);
    let longer = send(&mut browser, path, &form, &[("do", "add:f/virtual_network_refs")]).await;
    assert!(longer.text.contains("f/virtual_network_refs/0/to") && !longer.text.contains("secret"), "{}", longer.text);
    let mut told = Vec::new();
    for name in ["default-domain:alice-proj:secret-net", "default-domain:alice-proj:nothing-net", uuid.as_str()] {
        let wrong = send(
            &mut browser,
            path,
            &longer,
            &[("f/virtual_network_refs/0/to", name), ("name", "port"), ("do", "review")],
        )
        .await;
        told.push(wrong.status_is(400).text.replace(name, "").replace(&wrong.form_token(), ""));
    }
    assert!(told[0] == told[1] && told[0] == told[2] && told[0].contains("that you may see"), "{}", told[0]);
}
