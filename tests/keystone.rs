//! Tokens, projects and domains of the real Keystone.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::keystone::{Keystone, PASSWORD, Scope, with_token};
use crate::support::proxy::{Flow, NewOnes};
use crate::support::{Api, Checks, Server, python};

/// A Keystone with servers on one database: one that believes what it has heard for a while, and one that asks each time.
struct Cloud {
    keystone: Keystone,
    remembering: Server,
    asking: Server,
    admin: Api,
    alice_project: String,
    alice: String,
}

/// An id of Keystone with dashes.
fn uuid(id: &str) -> String {
    Uuid::parse_str(id).unwrap().to_string()
}

impl Cloud {
    async fn start() -> Self {
        let keystone = Keystone::start().await;
        let remembering = keystone.server_with(&["--keystone-token-cache-time", "300"]);
        let options = keystone.options();
        let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
        options.extend(["--keystone-token-cache-time", "0", "--keystone-timeout", "5"]);
        let asking = remembering.start_another_with(&options);
        let admin_project =
            keystone.admin().get("/projects?name=admin").await.ok()["projects"][0]["id"].as_str().unwrap().to_owned();
        let admin = keystone.token("admin", &Scope::Project(&admin_project)).await;
        let admin = with_token(&remembering, &admin);
        let alice_project = keystone.project("alice-proj", "default").await;
        keystone.user("alice", "default", &alice_project, "member").await;
        let alice = keystone.token("alice", &Scope::Project(&alice_project)).await;
        // What members may do with types at all.
        let rule =
            json!({"rule_object": "*", "rule_field": "", "rule_perms": [{"role_name": "member", "role_crud": "CRUD"}]});
        let list = json!({"api-access-list": {
            "fq_name": ["default-global-system-config", "members"],
            "parent_type": "global-system-config",
            "api_access_list_entries": {"rbac_rule": [rule]},
        }});
        admin.post("/api-access-lists", &list).await.status_is(200);
        Self { keystone, remembering, asking, admin, alice_project, alice }
    }

    async fn status(&self, server: &Server, token: &str) -> u16 {
        with_token(server, token).get("/virtual-networks").await.status
    }

    /// A new project that nobody has asked for yet, with a member and a token.
    async fn member(&self, name: &str) -> (String, String) {
        let project = self.keystone.project(&format!("{name}-proj"), "default").await;
        self.keystone.user(name, "default", &project, "member").await;
        let token = self.keystone.token(name, &Scope::Project(&project)).await;
        (project, token)
    }
}

pub async fn tokens_of_the_real_keystone() {
    let cloud = Arc::new(Cloud::start().await);
    let mut checks = Checks::default();
    let of = || Arc::clone(&cloud);
    checks.run("the Python client logs in by itself", the_python_client(of())).await;
    checks.run("who has no token is told where to get one", no_token(of())).await;
    checks.run("ks_4: tokens of every scope", every_scope(of())).await;
    checks.run("ks_2: a token of another domain", another_domain(of())).await;
    checks.run("ks_6 ks_7: revoked tokens and disabled projects", revoked(of())).await;
    checks.run("tokens that have ended, and services that forward them", ended(of())).await;
    checks.run("sync_1 sync_4: projects and domains that only Keystone has", on_demand(of())).await;
    checks.run("sync_2: a name that is used already", used_name(of())).await;
    checks.run("ks_8: Keystone goes away and comes back", goes_away(of())).await;
    checks.run("Keystone is away at the start", away_at_the_start(of())).await;
    checks.finish();
    let cloud = Arc::into_inner(cloud).unwrap();
    for log in [cloud.remembering.log(), cloud.asking.log()] {
        assert!(!log.contains(&cloud.alice) && !log.contains(PASSWORD), "no token and no password is logged");
    }
}

async fn the_python_client(cloud: Arc<Cloud>) {
    let (server, keystone) = (cloud.remembering.url(), cloud.keystone.url());
    let arguments = [server, &keystone, "Default", PASSWORD, &cloud.alice_project];
    python::run("keystone_login.py", &arguments, Duration::from_mins(2)).await;
}

async fn no_token(cloud: Arc<Cloud>) {
    let challenge = format!("Keystone uri=\"{}\"", cloud.keystone.url());
    let nobody = cloud.remembering.api();
    for headers in
        [vec![], vec![("X-Auth-Token", "")], vec![("X-Auth-Token", "made-up")], vec![("X-Auth-Token", "gAAAAA==")]]
    {
        let answer = nobody.send("GET", "/virtual-networks", &headers, None).await.unwrap();
        answer.status_is(401);
        assert_eq!(answer.headers["www-authenticate"], challenge);
        assert_eq!(answer.json()["error"]["code"], 401);
    }
    nobody.get("/").await.status_is(200);
}

async fn every_scope(cloud: Arc<Cloud>) {
    let keystone = &cloud.keystone;
    let (other_project, other) = cloud.member("scopes").await;
    let others = with_token(&cloud.asking, &other);
    others.get(&format!("/project/{}", uuid(&other_project))).await.status_is(200);
    let user = keystone.admin().get("/users?name=scopes").await.ok()["users"][0]["id"].as_str().unwrap().to_owned();
    keystone.grant("/domains/default", &user, "member").await;
    // Those without the role of admins may do what their project may; without a project that is what everybody may.
    for scope in [Scope::Nothing, Scope::Domain("default")] {
        let api = with_token(&cloud.asking, &keystone.token("scopes", &scope).await);
        api.get(&format!("/project/{}", uuid(&other_project))).await.status_is(403);
    }
    with_token(&cloud.asking, &cloud.alice).get(&format!("/project/{}", uuid(&other_project))).await.status_is(403);
    // Admins may do everything in whatever they are admins of.
    keystone.grant("/domains/default", &user, "admin").await;
    keystone.grant("/system", &user, "admin").await;
    for scope in [Scope::Domain("default"), Scope::System] {
        let api = with_token(&cloud.asking, &keystone.token("scopes", &scope).await);
        api.get(&format!("/project/{}", uuid(&cloud.alice_project))).await.status_is(200);
        let body = json!({"virtual-network": {"fq_name": ["default-domain", "default-project", "of-no-project"]}});
        let made = api.post("/virtual-networks", &body).await.ok();
        let path = format!("/virtual-network/{}", made["virtual-network"]["uuid"].as_str().unwrap());
        api.delete(&path).await.status_is(200);
    }
}

async fn another_domain(cloud: Arc<Cloud>) {
    let keystone = &cloud.keystone;
    let domain = keystone.domain("other").await;
    let project = keystone.project("carol-proj", &domain).await;
    keystone.user("carol", &domain, &project, "member").await;
    let token = keystone.token_of("carol", &domain, &Scope::Project(&project)).await;
    let carol = with_token(&cloud.asking, &token);
    // The domain is made with its project, and its members may read it.
    let read = carol.get(&format!("/project/{}", uuid(&project))).await.ok();
    assert_eq!(read["project"]["fq_name"], json!(["other", "carol-proj"]));
    assert_eq!(read["project"]["parent_uuid"], json!(uuid(&domain)));
    let read = carol.get(&format!("/domain/{}", uuid(&domain))).await.ok();
    assert_eq!(read["domain"]["display_name"], "other");
    let alice = with_token(&cloud.asking, &cloud.alice);
    alice.get(&format!("/domain/{}", uuid(&domain))).await.status_is(403);
    alice.get(&format!("/project/{}", uuid(&project))).await.status_is(403);
}

async fn revoked(cloud: Arc<Cloud>) {
    let (project, token) = cloud.member("revoked").await;
    let both =
        async |token: &str| (cloud.status(&cloud.remembering, token).await, cloud.status(&cloud.asking, token).await);
    assert_eq!(both(&token).await, (200, 200));
    cloud.keystone.revoke(&token).await;
    assert_eq!(both(&token).await, (200, 401));
    // What nobody has heard of before is asked for, also by who remembers.
    let token = cloud.keystone.token("revoked", &Scope::Project(&project)).await;
    cloud.keystone.revoke(&token).await;
    assert_eq!(both(&token).await, (401, 401));
    let token = cloud.keystone.token("revoked", &Scope::Project(&project)).await;
    assert_eq!(both(&token).await, (200, 200));
    let disabled =
        cloud.keystone.change(&format!("/projects/{project}"), &json!({"project": {"enabled": false}})).await;
    disabled.status_is(200);
    assert_eq!(both(&token).await, (200, 401));
}

async fn ended(cloud: Arc<Cloud>) {
    let keystone = &cloud.keystone;
    let (project, token) = cloud.member("patient").await;
    keystone.user("nova", "default", &project, "service").await;
    let service = keystone.token("nova", &Scope::Project(&project)).await;
    let ended = keystone.ended(&token);
    let status = async |token: &str, service: &str| {
        let headers = [("X-Auth-Token", token), ("X-Service-Token", service)];
        cloud.asking.api().send("GET", &format!("/project/{}", uuid(&project)), &headers, None).await.unwrap().status
    };
    assert_eq!(cloud.status(&cloud.asking, &ended).await, 401);
    assert_eq!(status(&ended, &service).await, 200);
    assert_eq!(status(&ended, &cloud.alice).await, 401);
    assert_eq!(status(&ended, "made-up").await, 401);
    assert_eq!(status(&token, "made-up").await, 401);
    assert_eq!(status(&token, &service).await, 200);
    assert_eq!(status("made-up", &service).await, 401);
    assert_eq!(status(&ended, &keystone.ended(&service)).await, 401);
    let alone =
        cloud.asking.api().send("GET", "/virtual-networks", &[("X-Service-Token", &service)], None).await.unwrap();
    alone.status_is(401);
}

async fn on_demand(cloud: Arc<Cloud>) {
    let keystone = &cloud.keystone;
    let project = keystone.project("new", "default").await;
    let read = cloud.admin.get(&format!("/project/{}", uuid(&project))).await.ok();
    assert_eq!(read["project"]["fq_name"], json!(["default-domain", "new"]));
    assert_eq!(read["project"]["perms2"]["owner"], json!(project));
    let groups = read["project"]["security_groups"].as_array().unwrap();
    let names: Vec<&Value> = groups.iter().map(|group| &group["to"][2]).collect();
    assert_eq!(names, ["default"]);
    let group = cloud.admin.get(&format!("/security-group/{}", groups[0]["uuid"].as_str().unwrap())).await.ok();
    assert_eq!(group["security-group"]["perms2"]["owner"], json!(project));
    assert_eq!(group["security-group"]["security_group_entries"]["policy_rule"].as_array().unwrap().len(), 4);
    // It goes with its project, unless there is anything else in it, or somebody needs it.
    let path = format!("/project/{}", uuid(&project));
    let network = json!({"virtual-network": {"fq_name": ["default-domain", "new", "n"], "parent_type": "project"}});
    let network = cloud.admin.post("/virtual-networks", &network).await.ok()["virtual-network"]["uuid"].clone();
    cloud.admin.delete(&path).await.status_is(409);
    cloud.admin.delete(&format!("/virtual-network/{}", network.as_str().unwrap())).await.status_is(200);
    cloud.admin.get(&format!("/security-group/{}", groups[0]["uuid"].as_str().unwrap())).await.status_is(200);
    cloud.admin.delete(&path).await.status_is(200);
    cloud.admin.get(&format!("/security-group/{}", groups[0]["uuid"].as_str().unwrap())).await.status_is(404);
    // By name, with its domain, by several at once; and a domain alone.
    let domain = keystone.domain("new-domain").await;
    let project = keystone.project("by-name", &domain).await;
    let names = json!({"type": "project", "fq_name": ["new-domain", "by-name"]});
    let (one, two) = tokio::join!(cloud.admin.post("/fqname-to-id", &names), cloud.admin.post("/fqname-to-id", &names));
    assert_eq!((one.ok()["uuid"].clone(), two.ok()["uuid"].clone()), (json!(uuid(&project)), json!(uuid(&project))));
    let found = cloud.admin.post("/fqname-to-id", &json!({"type": "domain", "fq_name": ["new-domain"]})).await.ok();
    assert_eq!(found["uuid"], json!(uuid(&domain)));
    // What Keystone does not have either.
    cloud.admin.get(&format!("/project/{}", Uuid::new_v4())).await.status_is(404);
    cloud.admin.get(&format!("/domain/{}", uuid(&project))).await.status_is(404);
    for (kind, name) in [
        ("project", json!(["default-domain", "nobody's"])),
        ("project", json!(["nobody's", "by-name"])),
        ("project", json!(["default-domain", "BY-NAME"])),
        ("domain", json!(["nobody's"])),
        // It is default-domain here.
        ("domain", json!(["Default"])),
        ("virtual-network", json!(["new-domain", "by-name", "nobody's"])),
    ] {
        cloud.admin.post("/fqname-to-id", &json!({"type": kind, "fq_name": name})).await.status_is(404);
    }
    // A name that can't be one here.
    let odd = keystone.project("odd:name", "default").await;
    cloud.admin.get(&format!("/project/{}", uuid(&odd))).await.status_is(404);
    // Nobody looks where it is switched off.
    let options = keystone.options();
    let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
    options.extend(["--keystone-sync-on-demand", "false"]);
    let off = cloud.remembering.start_another_with(&options);
    let project = keystone.project("never", "default").await;
    let admin = with_token(&off, &keystone.token("cirrus", &Scope::Project(&service_project(keystone).await)).await);
    admin.get(&format!("/project/{}", uuid(&project))).await.status_is(404);
}

async fn service_project(keystone: &Keystone) -> String {
    keystone.admin().get("/projects?name=service").await.ok()["projects"][0]["id"].as_str().unwrap().to_owned()
}

async fn used_name(cloud: Arc<Cloud>) {
    let keystone = &cloud.keystone;
    let make_again = async |old: &str, name: &str| {
        keystone.admin().delete(&format!("/projects/{old}")).await.status_is(204);
        keystone.project(name, "default").await
    };
    // One that is empty makes room.
    let first = keystone.project("again", "default").await;
    cloud.admin.get(&format!("/project/{}", uuid(&first))).await.status_is(200);
    let second = make_again(&first, "again").await;
    let read = cloud.admin.get(&format!("/project/{}", uuid(&second))).await.ok();
    assert_eq!(read["project"]["fq_name"], json!(["default-domain", "again"]));
    cloud.admin.get(&format!("/project/{}", uuid(&first))).await.status_is(404);
    // One that is not stays, and the other one gets another name.
    let network = json!({"virtual-network": {"fq_name": ["default-domain", "again", "n"], "parent_type": "project"}});
    cloud.admin.post("/virtual-networks", &network).await.status_is(200);
    let third = make_again(&second, "again").await;
    let read = cloud.admin.get(&format!("/project/{}", uuid(&third))).await.ok();
    let name = read["project"]["name"].as_str().unwrap();
    assert!(name.starts_with("again-") && name.len() == "again-".len() + 36, "{name}");
    assert_eq!(read["project"]["display_name"], "again");
    cloud.admin.get(&format!("/project/{}", uuid(&second))).await.status_is(200);
    // So does one that only has another name in Keystone by now.
    let renamed = keystone.project("renamed", "default").await;
    cloud.admin.get(&format!("/project/{}", uuid(&renamed))).await.status_is(200);
    keystone.change(&format!("/projects/{renamed}"), &json!({"project": {"name": "other-name"}})).await.status_is(200);
    let namesake = keystone.project("renamed", "default").await;
    let read = cloud.admin.get(&format!("/project/{}", uuid(&namesake))).await.ok();
    assert!(read["project"]["name"].as_str().unwrap().starts_with("renamed-"), "{read}");
    cloud.admin.get(&format!("/project/{}", uuid(&renamed))).await.status_is(200);
    // And the first project of all.
    let first_of_all = keystone.project("default-project", "default").await;
    let read = cloud.admin.get(&format!("/project/{}", uuid(&first_of_all))).await.ok();
    assert!(read["project"]["name"].as_str().unwrap().starts_with("default-project-"), "{read}");
}

async fn goes_away(cloud: Arc<Cloud>) {
    let (project, known) = cloud.member("faithful").await;
    let both =
        async |token: &str| (cloud.status(&cloud.remembering, token).await, cloud.status(&cloud.asking, token).await);
    assert_eq!(both(&known).await, (200, 200));
    let missing = format!("/project/{}", Uuid::new_v4());
    for how in [NewOnes::Refused, NewOnes::Swallowed] {
        let unknown = cloud.keystone.token("faithful", &Scope::Project(&project)).await;
        let proxy = &cloud.keystone.proxy;
        proxy.new_connections(how);
        match how {
            NewOnes::Swallowed => proxy.swallow(Flow::Nothing),
            _ => proxy.cut(),
        }
        // Those who were known are believed, and all others are told to come again.
        for _ in 0..3 {
            assert_eq!(both(&known).await, (200, 200), "{how:?}");
        }
        let answer = with_token(&cloud.asking, &unknown).get("/virtual-networks").await;
        answer.status_is(503);
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(answer.text.contains("Keystone service is temporarily unavailable"), "{answer}");
        with_token(&cloud.asking, &known).get(&missing).await.status_is(503);
        proxy.let_go();
        // When it is back, it is asked again; the first ones may still be told what was so a moment ago.
        let mut status = 503;
        while status == 503 {
            status = cloud.status(&cloud.asking, &unknown).await;
        }
        assert_eq!(status, 200, "{how:?}");
    }
}

async fn away_at_the_start(cloud: Arc<Cloud>) {
    let keystone = &cloud.keystone;
    keystone.proxy.new_connections(NewOnes::Refused);
    keystone.proxy.cut();
    let options = keystone.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = cloud.remembering.start_another_with(&options);
    assert_eq!(cloud.status(&server, &cloud.alice).await, 503);
    server.api().get("/").await.status_is(200);
    keystone.proxy.let_go();
    let mut status = 503;
    while status == 503 {
        status = cloud.status(&server, &cloud.alice).await;
    }
    assert_eq!(status, 200);
}
