//! What members are told of changes: of their own objects and of those that are shared with them, and of no others; and for how
//! long.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::support::events::{Event, Events};
use crate::support::tokens::{ALICE_PROJECT, BOB_PROJECT, PEOPLE, Tokens, allow_all_types, make_projects};
use crate::support::{Api, Checks, Server};

const LIMIT: Duration = Duration::from_mins(1);

/// Who there is, on a server.
#[derive(Clone)]
struct People {
    admin: Api,
    alice: Api,
    bob: Api,
    reader: Api,
}

impl People {
    fn of(server: &Server, tokens: &Tokens) -> Self {
        let api = |name: &str| tokens.api(server, name);
        Self { admin: api("admin"), alice: api("alice"), bob: api("bob"), reader: api("reader") }
    }
}

pub async fn what_members_are_told() {
    let (server, tokens) = Tokens::start("rbac", &[]);
    let other = server.start_another_with(&tokens.options("rbac"));
    let (here, there) = (People::of(&server, &tokens), People::of(&other, &tokens));
    make_projects(&here.admin).await;
    allow_all_types(&here.admin).await;
    let mut checks = Checks::default();
    checks.run("feed_1 members are told of what they may read", own_and_foreign(here.clone(), there.clone())).await;
    checks.run("feed_1 what an object referred to stays unknown", references(here.clone(), there.clone())).await;
    checks.run("feed_2 what is shared comes, and what is not any more goes", shares(here.clone(), there.clone())).await;
    checks.run("feed_3 strangers do not learn who it was", who_it_was(here.clone(), there.clone())).await;
    checks.run("the log answers in SQL who did what", in_sql(here.clone(), server.database_url())).await;
    checks.run("feed_4 a stream ends with its token", ends_with_its_token(here, tokens)).await;
    checks.finish();
}

async fn create(api: &Api, project: &str, name: &str) -> String {
    let body = json!({"network-policy": {"fq_name": ["default-domain", project, name], "parent_type": "project"}});
    api.post("/network-policys", &body).await.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned()
}

async fn display(api: &Api, uuid: &str, name: &str) {
    let body = json!({"network-policy": {"display_name": name}});
    api.put(&format!("/network-policy/{uuid}"), &body).await.status_is(200);
}

async fn share(api: &Api, uuid: &str, with: &[(&str, u8)]) {
    let entry =
        |(project, access): &(&str, u8)| json!({"tenant": format!("tenant:{project}"), "tenant_access": access});
    let body = json!({"uuid": uuid, "share": with.iter().map(entry).collect::<Vec<_>>()});
    api.post("/chmod", &body).await.status_is(200);
}

async fn watch(api: &Api, query: &str) -> Events {
    Events::open(api, query, None).await.expect("an answer").expect("200")
}

/// The next event, as its name and the uuid that it is about.
async fn next(events: &mut Events) -> (String, String, Value) {
    let Event { name, data, .. } =
        tokio::time::timeout(LIMIT, events.next()).await.expect("in time").expect("an event");
    let object = data["network-policy"].clone();
    (name, object["uuid"].as_str().unwrap_or_default().to_owned(), object)
}

async fn changes(api: &Api, since: &str) -> Vec<Value> {
    let path = format!("/changes?since={since}&resource_type=network_policy");
    api.get(&path).await.ok()["changes"].as_array().unwrap().clone()
}

fn operations(changes: &[Value]) -> Vec<(&str, &str)> {
    changes.iter().map(|change| (change["operation"].as_str().unwrap(), change["uuid"].as_str().unwrap())).collect()
}

async fn own_and_foreign(here: People, there: People) {
    let (foreign, own) =
        (create(&here.bob, "bob-proj", "before").await, create(&here.alice, "alice-proj", "before").await);
    // One that is hidden, of alice's project.
    let hidden = json!({"network-policy": {"fq_name": ["default-domain", "alice-proj", "hidden"], "parent_type": "project",
        "id_perms": {"enable": true, "user_visible": false}}});
    let hidden = here.admin.post("/network-policys", &hidden).await.ok()["network-policy"]["uuid"].clone();
    let mut whole = watch(&here.alice, "resource_type=network_policy").await;
    let start = whole.next().await.unwrap();
    let listed: Vec<&Value> =
        start.data["network-policys"].as_array().unwrap().iter().map(|item| &item["network-policy"]["uuid"]).collect();
    assert_eq!(listed, [&json!(own)], "alice's own: not {foreign}, which is bob's, and not {hidden}, which is hidden");
    let mut read = watch(&here.reader, "resource_type=network_policy&init=stream").await;
    let mut found = BTreeSet::new();
    loop {
        let event = read.next().await.unwrap();
        if event.name == "bookmark" {
            break;
        }
        found.insert(event.data["network-policy"]["uuid"].to_string());
    }
    assert!(found.contains(&json!(foreign).to_string()) && found.contains(&json!(own).to_string()), "{found:?}");
    assert!(!found.contains(&hidden.to_string()), "hidden from who reads everything, too");

    let since = here.admin.position().await;
    display(&here.bob, &foreign, "of bob").await;
    let policy = format!("/network-policy/{}", hidden.as_str().unwrap());
    here.admin.put(&policy, &json!({"network-policy": {"display_name": "still hidden"}})).await.status_is(200);
    display(&here.alice, &own, "of alice").await;
    let (name, uuid, object) = next(&mut whole).await;
    assert_eq!(
        (name.as_str(), &uuid, &object["display_name"]),
        ("update", &own, &json!("of alice")),
        "the first that she sees"
    );
    here.bob.delete(&format!("/network-policy/{foreign}")).await.status_is(200);
    here.admin.delete(&policy).await.status_is(200);
    here.alice.delete(&format!("/network-policy/{own}")).await.status_is(200);
    let (name, uuid, _) = next(&mut whole).await;
    assert_eq!((name.as_str(), &uuid), ("delete", &own));
    for people in [&here, &there] {
        let told = changes(&people.alice, &since).await;
        assert_eq!(operations(&told), [("update", own.as_str()), ("delete", own.as_str())]);
        assert_eq!(changes(&people.reader, &since).await.len(), 4);
        assert_eq!(changes(&people.admin, &since).await.len(), 6);
    }

    // Addresses go with their network.
    let network = json!({"virtual-network": {"fq_name": ["default-domain", "bob-proj", "net"], "parent_type": "project",
        "network_ipam_refs": [{"to": ["default-domain", "default-project", "default-network-ipam"],
            "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "10.9.0.0", "ip_prefix_len": 24}}]}}]}});
    let network = here.bob.post("/virtual-networks", &network).await.ok()["virtual-network"]["uuid"].clone();
    let since = here.admin.position().await;
    let path = format!("/virtual-network/{}/ip-alloc", network.as_str().unwrap());
    here.bob.post(&path, &json!({"count": 1})).await.status_is(200);
    for (api, expected) in [(&here.bob, 1), (&here.alice, 0), (&here.reader, 1), (&there.bob, 1), (&there.alice, 0)] {
        let told = api.get(&format!("/changes?since={since}")).await.ok();
        assert_eq!(told["changes"].as_array().unwrap().len(), expected, "{told}");
    }
}

/// A network that alice may read, with a policy that she may not, before and after that policy is gone.
async fn references(here: People, there: People) {
    let since = here.admin.position().await;
    let policy = create(&here.bob, "bob-proj", "kept-secret").await;
    let link =
        json!({"to": ["default-domain", "bob-proj", "kept-secret"], "attr": {"sequence": {"major": 0, "minor": 0}}});
    let network = json!({"virtual-network": {"fq_name": ["default-domain", "bob-proj", "refers"], "parent_type": "project",
        "perms2": {"owner": BOB_PROJECT.replace('-', ""), "global_access": 4}, "network_policy_refs": [link]}});
    let network = here.bob.post("/virtual-networks", &network).await.ok()["virtual-network"]["uuid"].clone();
    let told = async |api: &Api| {
        let log = api.get(&format!("/changes?since={since}&resource_type=virtual_network")).await.ok();
        let mut events = watch(api, &format!("resource_type=virtual_network&since={since}")).await;
        let created = events.next().await.unwrap();
        assert_eq!((created.name.as_str(), &created.data["virtual-network"]["uuid"]), ("create", &network));
        format!("{log} {}", created.data)
    };
    for is_gone in [false, true] {
        if is_gone {
            let path = format!("/virtual-network/{}", network.as_str().unwrap());
            here.bob.put(&path, &json!({"virtual-network": {"network_policy_refs": []}})).await.status_is(200);
            here.bob.delete(&format!("/network-policy/{policy}")).await.status_is(200);
        }
        for people in [&here, &there] {
            let seen = told(&people.alice).await;
            assert!(!seen.contains("kept-secret") && !seen.contains(&policy), "gone: {is_gone}: {seen}");
            assert!(told(&people.admin).await.contains("kept-secret"), "gone: {is_gone}");
        }
    }
}

async fn shares(here: People, there: People) {
    let since = here.admin.position().await;
    let mut events = watch(&here.alice, &format!("resource_type=network_policy&since={since}")).await;
    let shared = create(&here.bob, "bob-proj", "shared").await;
    display(&here.bob, &shared, "not yet").await;
    share(&here.bob, &shared, &[(ALICE_PROJECT, 1)]).await;
    share(&here.bob, &shared, &[(ALICE_PROJECT, 5)]).await;
    let (name, uuid, object) = next(&mut events).await;
    assert_eq!(
        (name.as_str(), &uuid, &object["display_name"]),
        ("create", &shared, &json!("not yet")),
        "whole at once"
    );
    assert_eq!(object["fq_name"], json!(["default-domain", "bob-proj", "shared"]));
    display(&here.bob, &shared, "shared").await;
    assert_eq!(next(&mut events).await.0, "update");
    share(&here.bob, &shared, &[(ALICE_PROJECT, 4)]).await;
    assert_eq!(next(&mut events).await.0, "update", "it stays readable");
    share(&here.bob, &shared, &[]).await;
    let (name, uuid, object) = next(&mut events).await;
    assert_eq!(
        (name.as_str(), &uuid, object),
        ("delete", &shared, json!({"uuid": shared})),
        "no more than that it is gone"
    );
    here.bob.delete(&format!("/network-policy/{shared}")).await.status_is(200);
    let own = create(&here.alice, "alice-proj", "after-shares").await;
    assert_eq!(next(&mut events).await.1, own, "nothing of what is not shared any more");
    for people in [&here, &there] {
        let told = changes(&people.alice, &since).await;
        let expected =
            [("create", &shared), ("update", &shared), ("update", &shared), ("delete", &shared), ("create", &own)];
        assert_eq!(operations(&told), expected.map(|(operation, uuid)| (operation, uuid.as_str())));
        assert_eq!(told[0]["object"]["display_name"], "not yet");
        assert_eq!((told[0].get("changed"), told[3].get("object")), (None, None));
        let bobs = changes(&people.bob, &since).await;
        let expected = ["create", "update", "update", "update", "update", "update", "update", "delete"];
        assert_eq!(operations(&bobs).iter().map(|(operation, _)| *operation).collect::<Vec<_>>(), expected);
    }
    // Who goes on from within gets the rest in the same words.
    let middle = changes(&here.alice, &since).await[1]["revision"].as_str().unwrap().to_owned();
    let mut rest = watch(&here.alice, &format!("resource_type=network_policy&since={middle}")).await;
    assert_eq!(
        [next(&mut rest).await.0, next(&mut rest).await.0, next(&mut rest).await.0],
        ["update", "delete", "create"]
    );
}

async fn who_it_was(here: People, there: People) {
    let since = here.admin.position().await;
    let policy = create(&here.bob, "bob-proj", "whose").await;
    share(&here.bob, &policy, &[(ALICE_PROJECT, 7)]).await;
    display(&here.bob, &policy, "by bob").await;
    display(&here.alice, &policy, "by alice").await;
    display(&here.admin, &policy, "by the admin").await;
    for people in [&here, &there] {
        let callers = |changes: &[Value]| -> Vec<Value> {
            for change in changes {
                let told = ["caller", "who", "request_id"].map(|name| change[name].is_null());
                assert!(told == [true; 3] || told == [false; 3], "all or nothing: {change}");
            }
            changes.iter().map(|change| change["caller"]["user"].clone()).collect()
        };
        assert_eq!(
            callers(&changes(&people.alice, &since).await),
            [json!(null), json!(null), json!("alice"), json!(null)]
        );
        let bobs = [json!("bob"), json!("bob"), json!("bob"), json!(null), json!(null)];
        assert_eq!(callers(&changes(&people.bob, &since).await), bobs);
        let all = [json!("bob"), json!("bob"), json!("bob"), json!("alice"), json!("admin")];
        assert_eq!(callers(&changes(&people.reader, &since).await), all);
        let told = changes(&people.admin, &since).await;
        assert_eq!(callers(&told), all);
        let mut caller = told[3]["caller"].clone();
        let project = caller["project"].take();
        assert_eq!(project.as_str().unwrap().replace('-', ""), ALICE_PROJECT.replace('-', ""));
        assert_eq!(caller["user_id"], "id-of-alice");
        assert_eq!((&caller["roles"], &caller["project_name"]), (&json!(["member"]), &json!("alice-proj")));
        assert_eq!(caller["address"], "127.0.0.1");
        assert!(caller["domain"].is_string(), "{caller}");
    }
}

/// The question that docs/changes.md gives to operators.
async fn in_sql(here: People, database: String) {
    let policy = create(&here.bob, "bob-proj", "in-sql").await;
    share(&here.bob, &policy, &[(ALICE_PROJECT, 7)]).await;
    display(&here.alice, &policy, "by alice").await;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/changes.md")).unwrap();
    let query = page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a question in SQL");
    let query = query.replace("$network", &policy).replace(';', "");
    let mut session = <sqlx::PgConnection as sqlx::Connection>::connect(&database).await.unwrap();
    let rows: Vec<Value> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select to_jsonb(answer) from ({query}) answer")))
            .fetch_all(&mut session)
            .await
            .unwrap();
    let told: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row["user"], &row["op"])).collect();
    assert_eq!(told, [(&json!("bob"), &json!("c")), (&json!("bob"), &json!("u")), (&json!("alice"), &json!("u"))]);
    let former: Vec<bool> = rows.iter().map(|row| row["former_perms2"].is_string()).collect();
    assert_eq!(former, [false, true, false], "{rows:?}");
}

async fn ends_with_its_token(here: People, tokens: Tokens) {
    let query = "resource_type=network_policy";
    let mut plain = watch(&here.alice, query).await;
    let mut extended = watch(&here.alice, &format!("{query}&init=stream")).await;
    let mut of_admin = watch(&here.admin, &format!("{query}&since={}", here.admin.position().await)).await;
    let waits = |api: &Api, since: &str| {
        let (api, path) = (api.clone(), format!("/changes?since={since}&wait=60"));
        tokio::spawn(async move { api.get(&path).await })
    };
    let since = here.admin.position().await;
    let waiting = waits(&here.alice, &since);
    // Alice's token is withdrawn, and bob's ends soon.
    let soon = time::UtcDateTime::from(SystemTime::now() + Duration::from_secs(8));
    let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let without_alice: Vec<(&str, &str)> =
        PEOPLE.iter().filter(|(name, _)| !["alice", "bob"].contains(name)).copied().collect();
    let bob =
        format!(r#"project = "{BOB_PROJECT}", project_name = "bob-proj", roles = ["member"], expires = "{soon}""#);
    tokens.write(&(Tokens::lines(&without_alice) + &Tokens::line("bob", &bob)));
    let end = async |events: &mut Events| {
        let all = async {
            let mut last = None;
            while let Some(event) = events.next().await {
                last = Some(event);
            }
            last
        };
        tokio::time::timeout(LIMIT, all).await.expect("it ends").expect("and says so")
    };
    for events in [&mut plain, &mut extended] {
        let last = end(events).await;
        assert_eq!(last.name, "stop");
        assert!(last.data["network-policy"]["error"].as_str().unwrap().contains("token"), "{last:?}");
    }
    here.alice.get("/network-policys").await.status_is(401);
    // There is nothing yet that it could be answered with.
    let answer = tokio::time::timeout(LIMIT / 2, waiting).await.expect("it does not wait on").unwrap();
    answer.status_is(401);
    if let Ok(mut of_bob) = Events::open(&here.bob, query, None).await.unwrap() {
        assert_eq!(end(&mut of_bob).await.name, "stop");
    }
    here.bob.get("/network-policys").await.status_is(401);
    // What happens while an end is not seen yet is not told either.
    tokens.write(&Tokens::lines(PEOPLE));
    is_known(&here.alice, true).await;
    let since = here.admin.position().await;
    let waiting = waits(&here.alice, &since);
    tokens.write(&Tokens::lines(&without_alice));
    is_known(&here.alice, false).await;
    // All others go on.
    let policy = create(&here.admin, "alice-proj", "at-the-end").await;
    assert_eq!(next(&mut of_admin).await.1, policy);
    waiting.await.unwrap().status_is(401);
}

/// Waits until the server has read the file of tokens.
async fn is_known(api: &Api, expected: bool) {
    let read = async {
        while (api.get("/network-policys").await.status == 200) != expected {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("the file is read");
}

/// What happens to one of a few policies.
#[derive(Clone, Debug)]
enum Act {
    Create(usize),
    Delete(usize),
    Display(usize),
    Share(usize, Vec<(usize, u8)>),
    Everybody(usize, u8),
    Owner(usize, usize),
}

const POLICIES: usize = 4;
const PROJECTS: [&str; 2] = [ALICE_PROJECT, BOB_PROJECT];

fn act() -> impl Strategy<Value = Act> {
    let policy = 0..POLICIES;
    let access = prop_oneof![Just(0_u8), Just(1), Just(4), Just(7)];
    prop_oneof![
        2 => policy.clone().prop_map(Act::Create),
        1 => policy.clone().prop_map(Act::Delete),
        1 => policy.clone().prop_map(Act::Display),
        3 => (policy.clone(), prop::collection::vec((0..PROJECTS.len(), access.clone()), 0..3))
            .prop_map(|(policy, shares)| Act::Share(policy, shares)),
        2 => (policy.clone(), access).prop_map(|(policy, access)| Act::Everybody(policy, access)),
        2 => (policy, 0..PROJECTS.len()).prop_map(|(policy, project)| Act::Owner(policy, project)),
    ]
}

/// For random owners and shares: a member's watch, folded, is what it may list at the end, and so is the log, and all that it may
/// read in other ways.
pub fn what_a_member_was_told_is_what_it_may_read() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (server, tokens) = Tokens::start("rbac", &[]);
    let other = server.start_another_with(&tokens.options("rbac"));
    let (here, there) = (People::of(&server, &tokens), People::of(&other, &tokens));
    runtime.block_on(async {
        make_projects(&here.admin).await;
        allow_all_types(&here.admin).await;
        // What all policies are below, and what they refer to, is seen by everybody.
        let tag = json!({"tag": {"fq_name": ["label=all"], "tag_type_name": "label", "tag_value": "all"}});
        let tag = here.admin.post("/tags", &tag).await.ok()["tag"]["uuid"].as_str().unwrap().to_owned();
        for uuid in [&tag, ALICE_PROJECT, BOB_PROJECT] {
            here.admin.post("/chmod", &json!({"uuid": uuid, "global_access": 4})).await.status_is(200);
        }
    });
    let number = Cell::new(0);
    let acts = prop::collection::vec(act(), 1..30);
    let config = Config { cases: 12, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&acts, |acts| {
        number.set(number.get() + 1);
        runtime.block_on(plays(&here, &there, &acts, number.get()))
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

async fn plays(here: &People, there: &People, acts: &[Act], number: u32) -> Result<(), TestCaseError> {
    let since = here.admin.position().await;
    let members = [&here.alice, &here.bob];
    let mut watched = Vec::new();
    for member in members {
        watched.push(watch(member, "resource_type=network_policy&init=stream").await);
    }
    let before = [uuids(&here.alice).await, uuids(&here.bob).await];
    for act in acts {
        plays_one(&here.admin, act, number).await;
    }
    // The last change that both see.
    let last = create(&here.admin, "alice-proj", &format!("last-{number}")).await;
    let tagged = json!({"network-policy": {"tag_refs": [{"to": ["label=all"]}]}});
    here.admin.put(&format!("/network-policy/{last}"), &tagged).await.status_is(200);
    here.admin.post("/chmod", &json!({"uuid": last, "global_access": 4})).await.status_is(200);
    let members = members.into_iter().zip([&there.alice, &there.bob]).zip(before).zip(watched);
    for (((member, elsewhere), mut logged), mut watched) in members {
        let mut seen = BTreeSet::new();
        while !seen.contains(&last) {
            let event = tokio::time::timeout(LIMIT, watched.next()).await.expect("in time").expect("an event");
            let uuid = event.data["network-policy"]["uuid"].as_str().unwrap_or_default();
            fold(&mut seen, &event.name, uuid)?;
        }
        let wanted = uuids(member).await;
        prop_assert_eq!(&seen, &wanted, "the watch");
        for (way, found) in other_ways(&here.admin, member).await {
            prop_assert_eq!(&found, &wanted, "{}", way);
        }
        for change in changes(elsewhere, &since).await {
            let (operation, uuid) = (change["operation"].as_str().unwrap(), change["uuid"].as_str().unwrap());
            fold(&mut logged, operation, uuid)?;
            // The state of what can be read, and nothing of what can't be any more.
            let is_gone = operation == "delete" && change.get("object").is_none();
            let perms2 = &change["object"]["perms2"];
            prop_assert!(is_gone || perms2.is_object(), "{}", change);
        }
        prop_assert_eq!(&logged, &wanted, "the log");
    }
    Ok(())
}

/// The policies that somebody sees, by every way to see them but lists and feeds.
async fn other_ways(admin: &Api, member: &Api) -> Vec<(&'static str, BTreeSet<String>)> {
    let of = |links: &Value| -> BTreeSet<String> {
        links.as_array().into_iter().flatten().map(|link| link["uuid"].as_str().unwrap().to_owned()).collect()
    };
    let mut read = BTreeSet::new();
    for uuid in uuids(admin).await {
        if member.get(&format!("/network-policy/{uuid}")).await.status == 200 {
            read.insert(uuid);
        }
    }
    let mut children = BTreeSet::new();
    for project in PROJECTS {
        let project = member.get(&format!("/project/{project}")).await.ok();
        children.extend(of(&project["project"]["network_policys"]));
    }
    let tag = member.find("tag", &json!(["label=all"])).await.unwrap();
    let seen = member.get(&format!("/tag/{tag}")).await.ok();
    let referring = member.get(&format!("/network-policys?back_ref_id={tag}")).await.ok();
    let below = member.get(&format!("/network-policys?parent_id={}", PROJECTS.join(","))).await.ok();
    let bulk = member.post("/list-bulk-collection", &json!({"type": "network-policy"})).await.ok();
    let mut paged = BTreeSet::new();
    let mut marker = String::from("none");
    loop {
        let page = member.get(&format!("/network-policys?page_limit=2&page_marker={marker}")).await.ok();
        paged.extend(of(&page["network-policys"]));
        match page["marker"].as_str() {
            Some(next) => next.clone_into(&mut marker),
            None => break,
        }
    }
    vec![
        ("reads", read),
        ("children", children),
        ("back references", of(&seen["tag"]["network_policy_back_refs"])),
        ("a list by a reference", of(&referring["network-policys"])),
        ("a list by parents", of(&below["network-policys"])),
        ("the list by its body", of(&bulk["network-policys"])),
        ("pages", paged),
    ]
}

/// Takes an event into account, which has to make sense to who knows no more than the events before it.
fn fold(known: &mut BTreeSet<String>, event: &str, uuid: &str) -> Result<(), TestCaseError> {
    match event {
        "create" => prop_assert!(known.insert(uuid.to_owned()), "{} is created twice", uuid),
        "delete" => prop_assert!(known.remove(uuid), "{} goes, and was not there", uuid),
        "update" => prop_assert!(known.contains(uuid), "{} changes, and was not there", uuid),
        "bookmark" => {}
        other => return Err(TestCaseError::fail(format!("{other} of {uuid}"))),
    }
    Ok(())
}

async fn plays_one(admin: &Api, act: &Act, number: u32) {
    let name = |policy: &usize| {
        let project = ["alice-proj", "bob-proj"][policy % 2];
        json!(["default-domain", project, format!("policy-{number}-{policy}")])
    };
    let policy = match act {
        Act::Create(policy) => {
            let body = json!({"network-policy": {"fq_name": name(policy), "parent_type": "project",
                "tag_refs": [{"to": ["label=all"]}]}});
            admin.post("/network-policys", &body).await;
            return;
        }
        Act::Delete(policy)
        | Act::Display(policy)
        | Act::Share(policy, _)
        | Act::Everybody(policy, _)
        | Act::Owner(policy, _) => policy,
    };
    let Some(uuid) = admin.find("network-policy", &name(policy)).await else { return };
    let chmod = match act {
        Act::Create(_) => return,
        Act::Delete(_) => {
            admin.delete(&format!("/network-policy/{uuid}")).await.status_is(200);
            return;
        }
        Act::Display(_) => return display(admin, &uuid, &uuid::Uuid::new_v4().to_string()).await,
        Act::Share(_, shares) => {
            let shares: Vec<(&str, u8)> =
                shares.iter().map(|(project, access)| (PROJECTS[*project], *access)).collect();
            return share(admin, &uuid, &shares).await;
        }
        Act::Everybody(_, access) => json!({"uuid": uuid, "global_access": access}),
        Act::Owner(_, project) => json!({"uuid": uuid, "owner": PROJECTS[*project]}),
    };
    admin.post("/chmod", &chmod).await.status_is(200);
}

async fn uuids(api: &Api) -> BTreeSet<String> {
    let listed = api.get("/network-policys").await.ok();
    listed["network-policys"].as_array().unwrap().iter().map(|item| item["uuid"].as_str().unwrap().to_owned()).collect()
}
