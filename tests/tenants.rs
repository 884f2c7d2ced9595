//! Two tenants of one server, of whom neither may learn anything of the other, whichever way it asks: by name, by uuid, by lists,
//! counts and pages, through what both may see, or by what it is refused with.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::tokens::{ALICE_PROJECT, BOB_PROJECT, Tokens, allow_all_types, make_projects};
use crate::support::{Answer, Api, Checks};

/// In every name that alice gives to something.
const SECRET: &str = "secret";

/// Those who ask, and what is not to be told to bob.
#[derive(Clone)]
struct Cast {
    admin: Api,
    alice: Api,
    bob: Api,
    /// Type and uuid of all that alice has.
    things: Vec<(&'static str, String)>,
}

impl Cast {
    fn uuid(&self, kind: &str) -> &str {
        &self.things.iter().find(|(known, _)| *known == kind).unwrap().1
    }

    /// Fails if an answer to bob says anything of alice that the request, which is given, does not say itself.
    #[track_caller]
    fn tells_nothing(&self, answer: &Answer, request: &str) {
        let uuids = self.things.iter().map(|(_, uuid)| uuid.as_str());
        for word in uuids.chain([SECRET, "alice", ALICE_PROJECT]) {
            let bare = word.replace('-', "");
            let told = answer.text.contains(word) || answer.text.contains(&bare);
            let asked = request.contains(word) || request.contains(&bare);
            assert!(asked || !told, "'{word}' is told: {answer}");
        }
    }

    async fn bob_gets(&self, path: &str) -> Answer {
        let answer = self.bob.get(path).await;
        self.tells_nothing(&answer, path);
        answer
    }

    async fn bob_posts(&self, path: &str, body: &Value) -> Answer {
        let answer = self.bob.post(path, body).await;
        self.tells_nothing(&answer, &format!("{path} {body}"));
        answer
    }
}

async fn create(api: &Api, kind: &str, mut body: Value, name: &[&str], parent: &str) -> String {
    body["fq_name"] = json!(name);
    if !parent.is_empty() {
        body["parent_type"] = json!(parent);
    }
    let collection = if kind == "network-policy" { "network-policys".to_owned() } else { format!("{kind}s") };
    let answer = api.post(&format!("/{collection}"), &json!({ kind: body })).await;
    answer.ok()[kind]["uuid"].as_str().unwrap().to_owned()
}

/// What alice has: something of each sort that others may meet.
async fn furnish(admin: Api, alice: Api, bob: Api) -> Cast {
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    let project = ["default-domain", "alice-proj"];
    let name = |name: &'static str| [project[0], project[1], name];
    let ipam = json!([{"to": ["default-domain", "default-project", "default-network-ipam"],
        "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "10.7.0.0", "ip_prefix_len": 24}}]}}]);
    let mut things = vec![("project", ALICE_PROJECT.to_owned())];
    let policy = create(&alice, "network-policy", json!({}), &name("secret-policy"), "project").await;
    let refs = json!({"network_ipam_refs": ipam, "network_policy_refs":
        [{"uuid": policy, "attr": {"sequence": {"major": 0, "minor": 0}}}]});
    let network = create(&alice, "virtual-network", refs, &name("secret-net"), "project").await;
    let machine = create(&alice, "virtual-machine", json!({}), &["secret-machine"], "").await;
    let refs = json!({"virtual_network_refs": [{"uuid": network}], "virtual_machine_refs": [{"uuid": machine}]});
    let port = create(&alice, "virtual-machine-interface", refs, &name("secret-port"), "project").await;
    let refs = json!({"virtual_network_refs": [{"uuid": network}], "virtual_machine_interface_refs": [{"uuid": port}]});
    let address = create(&alice, "instance-ip", refs, &["secret-address"], "").await;
    let table = create(&alice, "interface-route-table", json!({}), &name("secret-table"), "project").await;
    let pool = ["default-domain", "alice-proj", "secret-net", "secret-pool"];
    let pool_uuid = create(&alice, "floating-ip-pool", json!({}), &pool, "virtual-network").await;
    things.extend([
        ("virtual-network", network),
        ("network-policy", policy),
        ("virtual-machine", machine),
        ("virtual-machine-interface", port),
        ("instance-ip", address),
        ("interface-route-table", table),
        ("floating-ip-pool", pool_uuid),
    ]);
    Cast { admin, alice, bob, things }
}

/// All collections of the home page.
async fn collections(api: &Api) -> Vec<(String, String)> {
    let page = api.get("/").await.ok();
    let links = page["links"].as_array().unwrap().iter().map(|link| &link["link"]);
    let collections = links.filter(|link| link["rel"] == "collection");
    let last = |href: &Value| href.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    collections.map(|link| (link["name"].as_str().unwrap().to_owned(), last(&link["href"]))).collect()
}

async fn by_uuid_and_name(cast: Cast) {
    for (kind, uuid) in &cast.things {
        let path = format!("/{kind}/{uuid}");
        cast.bob_gets(&path).await.status_is(403);
        assert_eq!(cast.bob.send("HEAD", &path, &[], None).await.unwrap().status, 403);
        for body in [json!({"display_name": "mine"}), json!({"display_name": SECRET})] {
            let answer = cast.bob.put(&path, &json!({ *kind: body })).await;
            cast.tells_nothing(&answer, &path);
            answer.status_is(403);
        }
        let answer = cast.bob.delete(&path).await;
        cast.tells_nothing(&answer, &path);
        answer.status_is(403);
        cast.bob_posts("/id-to-fqname", &json!({ "uuid": uuid })).await.status_is(403);
        let object = cast.admin.get(&path).await.ok();
        let name = &object[*kind]["fq_name"];
        cast.bob_posts("/fqname-to-id", &json!({"type": kind, "fq_name": name})).await.status_is(403);
        cast.bob_posts("/chown", &json!({"uuid": uuid, "owner": BOB_PROJECT})).await.status_is(403);
        cast.bob_posts("/chmod", &json!({"uuid": uuid, "global_access": 7})).await.status_is(403);
        let set = json!({"obj_type": kind, "obj_uuid": uuid, "label": {"add_values": ["a"]}});
        assert!(cast.bob_posts("/set-tag", &set).await.status >= 400);
        let update = json!({"uuid": uuid, "updates": []});
        cast.bob_posts("/prop-collection-update", &update).await.status_is(403);
        let relax = json!({"uuid": uuid, "ref-uuid": BOB_PROJECT});
        cast.bob_posts("/ref-relax-for-delete", &relax).await.status_is(403);
        let rights = cast.bob_gets(&format!("/obj-perms?uuid={uuid}")).await;
        assert_eq!(rights.ok()["permissions"], "");
        for exists in [true, false] {
            let steps = json!([{"condition": kind, "uuid": uuid, "exists": exists}]);
            cast.bob_posts("/transaction", &json!({ "operations": steps })).await.status_is(403);
        }
    }
    let network = cast.uuid("virtual-network");
    let path = format!("/prop-collection-get?uuid={network}&fields=annotations");
    cast.bob_gets(&path).await.status_is(403);
    for action in ["ip-alloc", "ip-free", "subnet-ip-count"] {
        cast.bob_posts(&format!("/virtual-network/{network}/{action}"), &json!({})).await.status_is(403);
    }
}

/// What bob is told of an object of alice by all lists there are: nothing.
async fn by_lists(cast: Cast) {
    let network = cast.uuid("virtual-network").to_owned();
    for (kind, collection) in collections(&cast.bob).await {
        let whole = cast.bob_gets(&format!("/{collection}?detail=true")).await.ok();
        let count = cast.bob_gets(&format!("/{collection}?count=true")).await.ok();
        let listed = whole[&collection].as_array().unwrap().len();
        assert_eq!(count[&collection]["count"], listed, "{collection}");
        cast.bob_gets(&format!("/{collection}?fields=display_name,perms2")).await.status_is(200);
        let bulk = cast.bob_posts("/list-bulk-collection", &json!({"type": kind, "detail": true})).await.ok();
        assert_eq!(bulk[&collection].as_array().unwrap().len(), listed, "{collection}");
        // LIST-5: each page is full but the last, and markers lead through all that may be read.
        let mut paged = 0;
        let mut marker = String::new();
        loop {
            let page = cast.bob_gets(&format!("/{collection}?page_limit=1&page_marker={marker}")).await.ok();
            paged += page[&collection].as_array().unwrap().len();
            match page["marker"].as_str() {
                Some(next) => next.clone_into(&mut marker),
                None => break,
            }
        }
        assert_eq!(paged, listed, "{collection} in pages");
        for anchor in [
            format!("parent_id={ALICE_PROJECT}"),
            format!("parent_id={network}"),
            "parent_fq_name_str=default-domain:alice-proj&parent_type=project".to_owned(),
            format!("back_ref_id={network}"),
            format!("back_ref_id={}", cast.uuid("virtual-machine")),
            format!("obj_uuids={}", cast.things.iter().map(|(_, uuid)| uuid.as_str()).collect::<Vec<_>>().join(",")),
            "fq_names=default-domain:alice-proj:secret-net,default-domain:alice-proj".to_owned(),
            "filters=display_name==\"secret-net\"".to_owned(),
        ] {
            for more in ["", "&shared=true", "&detail=true", "&count=true", "&page_limit=2&page_marker=none"] {
                let path = format!("/{collection}?{anchor}{more}");
                let answer = cast.bob_gets(&path).await.ok();
                let found = answer[&collection].as_array().map_or_else(
                    || answer[&collection]["count"] != 0,
                    |items| items.iter().any(|item| item.to_string().contains(SECRET)),
                );
                // LIST-4: a count is one, also where nothing is left to count.
                assert!(!found || more == "&shared=true", "{path}: {answer}");
            }
        }
    }
    // For alice all of it is there.
    let mine = cast.alice.get(&format!("/virtual-networks?parent_id={ALICE_PROJECT}&count=true")).await.ok();
    assert_eq!(mine["virtual-networks"]["count"], 1);
    let by_reference = cast.alice.get(&format!("/virtual-machine-interfaces?back_ref_id={network}")).await.ok();
    assert_eq!(by_reference["virtual-machine-interfaces"].as_array().unwrap().len(), 1);
}

/// Through what both may see: the default ipam, the domain, and what the server made.
async fn by_links(cast: Cast) {
    for (kind, collection) in collections(&cast.bob).await {
        let listed = cast.bob_gets(&format!("/{collection}")).await.ok();
        for item in listed[&collection].as_array().unwrap() {
            let uuid = item["uuid"].as_str().unwrap();
            let object = cast.bob_gets(&format!("/{kind}/{uuid}")).await.ok();
            assert_eq!(object[&kind]["uuid"], uuid);
        }
    }
    let ipam = json!(["default-domain", "default-project", "default-network-ipam"]);
    let uuid = cast.alice.find("network-ipam", &ipam).await.unwrap();
    let seen = cast.alice.get(&format!("/network-ipam/{uuid}")).await.ok();
    let back = seen["network-ipam"]["virtual_network_back_refs"].as_array().unwrap();
    assert!(back.iter().any(|link| link["uuid"] == cast.uuid("virtual-network")), "alice sees her own: {back:?}");
}

/// By what bob is refused with, and by what he may do to what is his.
async fn by_refusals(cast: Cast) {
    let below = |name: &str| json!({"fq_name": ["default-domain", "alice-proj", name], "parent_type": "project"});
    for name in ["secret-net", "something-else"] {
        let body = json!({"virtual-network": below(name)});
        cast.bob_posts("/virtual-networks", &body).await.status_is(403);
    }
    let body = json!({"virtual-machine": {"fq_name": ["secret-machine"]}});
    cast.bob_posts("/virtual-machines", &body).await.status_is(409);
    let body = json!({"virtual-machine": {"fq_name": ["m"], "uuid": cast.uuid("virtual-network")}});
    cast.bob_posts("/virtual-machines", &body).await.status_is(409);
    // What bob shares, alice may use; of what she uses it for he learns nothing, but that it is used.
    let own = ["default-domain", "bob-proj", "bobs-net"];
    let network = create(&cast.bob, "virtual-network", json!({}), &own, "project").await;
    let share = json!([{"tenant": format!("tenant:{ALICE_PROJECT}"), "tenant_access": 5}]);
    cast.bob.post("/chmod", &json!({"uuid": network, "share": share})).await.status_is(200);
    let refs = json!({"virtual_network_refs": [{"uuid": network}]});
    let name = ["default-domain", "alice-proj", "secret-guest"];
    let guest = create(&cast.alice, "virtual-machine-interface", refs, &name, "project").await;
    let told = cast.bob.get(&format!("/virtual-network/{network}")).await;
    assert!(!told.text.contains(&guest) && !told.text.contains(SECRET), "{told}");
    let refused = cast.bob.delete(&format!("/virtual-network/{network}")).await;
    refused.status_is(409);
    assert!(!refused.text.contains(&guest) && !refused.text.contains(SECRET), "{refused}");
    let problem = [("Accept", "application/problem+json")];
    let refused = cast.bob.send("DELETE", &format!("/virtual-network/{network}"), &problem, None).await.unwrap();
    assert!(!refused.text.contains(&guest), "{refused}");
    // 5.8: who may use a network, and not see it, sees that there is a reference, and not to what.
    let share = json!([{"tenant": format!("tenant:{ALICE_PROJECT}"), "tenant_access": 1}]);
    cast.bob.post("/chmod", &json!({"uuid": network, "share": share})).await.status_is(200);
    let port = cast.alice.get(&format!("/virtual-machine-interface/{guest}")).await.ok();
    assert_eq!(port["virtual-machine-interface"]["virtual_network_refs"], json!([]));
    let whole = cast.admin.get(&format!("/virtual-machine-interface/{guest}")).await.ok();
    assert_eq!(whole["virtual-machine-interface"]["virtual_network_refs"][0]["uuid"], json!(network));
    cast.alice.delete(&format!("/virtual-machine-interface/{guest}")).await.status_is(200);
    cast.bob.delete(&format!("/virtual-network/{network}")).await.status_is(200);
}

/// With a share bob sees the one thing, and nothing around it.
async fn by_shares(cast: Cast) {
    let network = cast.uuid("virtual-network").to_owned();
    let share =
        |tenant: String, access: u8| json!({"uuid": network, "share": [{"tenant": tenant, "tenant_access": access}]});
    let listed = |api: Api| async move {
        let list = api.get("/virtual-networks").await.ok();
        let uuids = list["virtual-networks"].as_array().unwrap().iter();
        uuids.map(|item| item["uuid"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    for tenant in [BOB_PROJECT.to_owned(), format!("tenant:{BOB_PROJECT}"), BOB_PROJECT.replace('-', "")] {
        cast.alice.post("/chmod", &share(tenant, 4)).await.status_is(200);
        assert!(listed(cast.bob.clone()).await.contains(&network));
        let object = cast.bob.get(&format!("/virtual-network/{network}")).await.ok();
        let object = &object["virtual-network"];
        assert_eq!(object["network_policy_refs"], json!([]), "what it refers to is not shared");
        for absent in ["virtual_machine_interface_back_refs", "floating_ip_pools", "instance_ip_back_refs"] {
            assert!(object.get(absent).is_none(), "{absent}: {object}");
        }
        // LIST-2: below the project, which may not be read, there is nothing.
        let below = cast.bob.get(&format!("/virtual-networks?parent_id={ALICE_PROJECT}")).await.ok();
        assert_eq!(below["virtual-networks"], json!([]));
        let body = json!({"virtual-network": {"display_name": "mine"}});
        cast.bob.put(&format!("/virtual-network/{network}"), &body).await.status_is(403);
    }
    // LIST-3: to link is not to be listed.
    cast.alice.post("/chmod", &share(BOB_PROJECT.to_owned(), 1)).await.status_is(200);
    assert!(!listed(cast.bob.clone()).await.contains(&network));
    cast.bob.get(&format!("/virtual-network/{network}")).await.status_is(403);
    // With the domain, and with everybody.
    let domain = cast.alice.find("domain", &json!(["default-domain"])).await.unwrap();
    cast.alice.post("/chmod", &share(format!("domain:{domain}"), 4)).await.status_is(200);
    assert!(listed(cast.bob.clone()).await.contains(&network));
    cast.alice.post("/chmod", &json!({"uuid": network, "share": [], "global_access": 4})).await.status_is(200);
    assert!(listed(cast.bob.clone()).await.contains(&network));
    let own = json!({"type": "virtual-network", "parent_id": BOB_PROJECT});
    let below = cast.bob.post("/list-bulk-collection", &own).await.ok();
    assert_eq!(below["virtual-networks"], json!([]));
    let shared = json!({"type": "virtual-network", "parent_id": BOB_PROJECT, "shared": true});
    let below = cast.bob.post("/list-bulk-collection", &shared).await.ok();
    assert!(below["virtual-networks"].to_string().contains(&network), "{below}");
    cast.alice.post("/chmod", &json!({"uuid": network, "global_access": 0})).await.status_is(200);
    assert!(!listed(cast.bob.clone()).await.contains(&network));
}

/// LIST-6, 5.9: what is hidden is there for cloud admins alone.
async fn hidden(cast: Cast) {
    let body = json!({"id_perms": {"enable": true, "user_visible": false}});
    let name = ["default-domain", "alice-proj", "hidden-net"];
    let uuid = create(&cast.admin, "virtual-network", body, &name, "project").await;
    let path = format!("/virtual-network/{uuid}");
    for api in [&cast.alice, &cast.bob] {
        let gone = [
            api.get(&path).await,
            api.put(&path, &json!({"virtual-network": {"display_name": "x"}})).await,
            api.put(&path, &json!({"virtual-network": {}})).await,
            api.delete(&path).await,
            api.post("/id-to-fqname", &json!({ "uuid": uuid })).await,
            api.post("/fqname-to-id", &json!({"type": "virtual-network", "fq_name": name})).await,
            api.get(&format!("/prop-collection-get?uuid={uuid}&fields=annotations")).await,
        ];
        for answer in &gone {
            answer.status_is(404);
            assert!(!answer.text.contains("hidden-net"), "{answer}");
        }
        for path in ["/virtual-networks", &format!("/project/{ALICE_PROJECT}"), "/virtual-networks?count=true"] {
            let answer = api.get(path).await;
            assert!(!answer.text.contains("hidden-net"), "{answer}");
        }
    }
    assert!(cast.admin.get("/virtual-networks").await.text.contains("hidden-net"));
    cast.admin.delete(&path).await.status_is(200);
}

/// W18: where the operator says so, what may not be read is as if it was not there.
async fn as_if_it_was_not_there(cast: Cast) {
    let unknown = "00000000-0000-4000-8000-00000000dead";
    for (kind, uuid) in &cast.things {
        let found = cast.bob.get(&format!("/{kind}/{uuid}")).await;
        let none = cast.bob.get(&format!("/{kind}/{unknown}")).await;
        assert_eq!((found.status, found.text.replace(uuid, unknown)), (404, none.text), "{kind}");
        let other = if *kind == "project" { "domain" } else { "project" };
        let found = cast.bob.get(&format!("/{other}/{uuid}")).await;
        let none = cast.bob.get(&format!("/{other}/{unknown}")).await;
        assert_eq!((found.status, found.text.replace(uuid, unknown)), (404, none.text), "{kind} as {other}");
        let found = cast.bob.post("/id-to-fqname", &json!({ "uuid": uuid })).await;
        let none = cast.bob.post("/id-to-fqname", &json!({ "uuid": unknown })).await;
        assert_eq!((found.status, found.text.replace(uuid, unknown)), (404, none.text), "{kind}");
    }
    let ask = |name: &str| json!({"type": "virtual-network", "fq_name": ["default-domain", "alice-proj", name]});
    let found = cast.bob.post("/fqname-to-id", &ask("secret-net")).await;
    let none = cast.bob.post("/fqname-to-id", &ask("nothing")).await;
    assert_eq!((found.status, found.text.replace("secret-net", "nothing")), (404, none.text));
    let network = cast.uuid("virtual-network");
    let count = |uuid: &str| format!("/virtual-network/{uuid}/subnet-ip-count");
    let found = cast.bob.post(&count(network), &json!({})).await;
    let none = cast.bob.post(&count(unknown), &json!({})).await;
    assert_eq!((found.status, found.text.replace(network, unknown)), (404, none.text));
    cast.alice.get(&format!("/virtual-network/{network}")).await.status_is(200);
}

pub async fn what_is_forbidden_can_be_hidden() {
    let (server, tokens) = Tokens::start("rbac", &["--hide-forbidden"]);
    let api = |name: &str| tokens.api(&server, name);
    as_if_it_was_not_there(furnish(api("admin"), api("alice"), api("bob")).await).await;
}

pub async fn tenants_know_nothing_of_each_other() {
    let (server, tokens) = Tokens::start("rbac", &[]);
    let api = |name: &str| tokens.api(&server, name);
    let cast = furnish(api("admin"), api("alice"), api("bob")).await;
    let mut checks = Checks::default();
    checks.run("by uuid and name", by_uuid_and_name(cast.clone())).await;
    checks.run("list_1, list_4, list_5, list_8: by lists", by_lists(cast.clone())).await;
    checks.run("list_7: by links", by_links(cast.clone())).await;
    checks.run("by refusals", by_refusals(cast.clone())).await;
    checks.run("list_2, list_3: by shares", by_shares(cast.clone())).await;
    checks.run("list_6: what is hidden", hidden(cast.clone())).await;
    checks.finish();
}
