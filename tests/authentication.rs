//! Who is let in: a server that knows tokens by a file, as clients see it, and the starts that are refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::tokens::{
    ADMIN_PROJECT, ALICE_PROJECT, OTHER_DOMAIN, PEOPLE, Tokens, allow_all_types, make_projects,
};
use crate::support::{Answer, Api, Checks, Process, Server, fresh_directory};

const LIMIT: Duration = Duration::from_mins(1);

pub async fn who_is_let_in() {
    let (server, tokens) = Tokens::start("rbac", &["--failed-authentications", "1000000"]);
    make_projects(&tokens.api(&server, "admin")).await;
    allow_all_types(&tokens.api(&server, "admin")).await;
    let (url, api) = (server.url().to_owned(), server.api());
    let of = |name: &str| tokens.api(&server, name);
    let (admin, other_admin, alice) = (of("admin"), of("ADMIN"), of("alice"));
    let (carol, reader, nobody) = (of("carol"), of("reader"), of("nobody"));
    let mut checks = Checks::default();
    checks.run("obj-4 no token, and tokens that are nobody's", bad_tokens(api.clone())).await;
    checks.run("the places of a token", places(api.clone())).await;
    checks.run("what needs no token", open_paths(api.clone(), alice.clone())).await;
    checks.run("role-5 role-6 forged headers in every spelling", forged(url, alice.clone())).await;
    checks
        .run("role-1 role-3 role-4 role-9 administrators in both spellings", administrators(other_admin, alice.clone()))
        .await;
    let people = (admin.clone(), alice.clone(), carol, reader, nobody);
    checks.run("obj-1 obj-2 obj-3 obj-5 ks-2 ks-4 what a token is worth", own_permissions(people)).await;
    checks.run("mode-7 mode-8 mode-9 mode-11 the mode is a setting", mode(api, admin, alice)).await;
    reload(&server, &tokens).await;
    checks.finish();
    let log = server.log();
    for (name, _) in PEOPLE {
        assert!(!log.contains(&Tokens::of(name)), "a token is in the log:\n{log}");
    }
    assert!(!log.contains("cirrus_"), "a part of a token is in the log");
}

fn unauthorized(answer: &Answer) {
    answer.status_is(401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"cirrus\"", "{answer}");
    assert_eq!(answer.headers["content-type"], "application/json");
    let message = "The request you have made requires authentication.";
    assert_eq!(answer.json(), json!({"error": {"code": 401, "title": "Unauthorized", "message": message}}));
}

async fn bad_tokens(api: Api) {
    let paths =
        ["/virtual-networks", "/no-such-thing", "/obj-perms", "/aaa-mode", "/watch", "/fqname-to-id", "/project/x"];
    for path in paths {
        unauthorized(&api.get(path).await);
    }
    unauthorized(&api.post("/virtual-networks", &json!({})).await);
    unauthorized(&api.delete("/virtual-networks").await);
    let long = format!("cirrus_{}", "x".repeat(100_000));
    let expired = Tokens::of("expired");
    for token in ["", " ", "nonsense", "cirrus_", &Tokens::of("mallory"), &expired, &long, "{\"X-Role\": \"admin\"}"] {
        for name in ["X-Auth-Token", "X-Storage-Token"] {
            unauthorized(&api.send("GET", "/virtual-networks", &[(name, token)], None).await.unwrap());
        }
        let bearer = format!("Bearer {token}");
        unauthorized(&api.send("GET", "/virtual-networks", &[("Authorization", &bearer)], None).await.unwrap());
    }
    // A token of a service alone is not enough, and one that comes along has to be good.
    let alice = Tokens::of("alice");
    unauthorized(&api.send("GET", "/virtual-networks", &[("X-Service-Token", &alice)], None).await.unwrap());
    let both = [("X-Auth-Token", alice.as_str()), ("X-Service-Token", "nonsense")];
    unauthorized(&api.send("GET", "/virtual-networks", &both, None).await.unwrap());
    let problem = [("Accept", "application/problem+json")];
    let answer = api.send("GET", "/virtual-networks", &problem, None).await.unwrap();
    assert_eq!(answer.status_is(401).json()["detail"], "The request you have made requires authentication.");
}

async fn places(api: Api) {
    let alice = Tokens::of("alice");
    let bearer = format!("Bearer {alice}");
    let blanks = format!("  {alice} ");
    let places: [&[(&str, &str)]; 8] = [
        &[("X-Auth-Token", &alice)],
        &[("x-auth-token", &blanks)],
        &[("X-Storage-Token", &alice)],
        &[("Authorization", &bearer)],
        &[("X-Auth-Token", &alice), ("Authorization", "Bearer nonsense")],
        &[("X-Auth-Token", " "), ("X-Storage-Token", &alice)],
        &[("X-Storage-Token", "nonsense"), ("X-Auth-Token", &alice)],
        &[("X-Auth-Token", &alice), ("X-Service-Token", &alice)],
    ];
    for headers in places {
        api.send("GET", "/virtual-networks", headers, None).await.unwrap().ok();
    }
    let hidden = [("X-Auth-Token", "nonsense"), ("Authorization", bearer.as_str())];
    unauthorized(&api.send("GET", "/virtual-networks", &hidden, None).await.unwrap());
}

async fn open_paths(api: Api, alice: Api) {
    for path in ["/", "/openapi.json", "/documentation/", "/healthz", "/readyz"] {
        api.get(path).await.status_is(200);
        api.send("GET", path, &[("X-Auth-Token", "nonsense")], None).await.unwrap().status_is(200);
    }
    // Who is known is told what there is not.
    alice.get("/no-such-thing").await.status_is(404);
    alice.delete("/virtual-networks").await.status_is(405);
}

/// Headers are sent as they are written here: libraries would change them, or leave them out.
fn send_raw(url: &str, head: &str) -> u16 {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "{head}Host: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
}

async fn forged(url: String, alice: Api) {
    let mut names = Vec::new();
    for base in ["X-Role", "X-Roles", "X-Api-Role", "X-User-Role"] {
        for name in
            [base.to_owned(), base.to_uppercase(), base.replace('-', "_"), base.to_uppercase().replace('-', "_")]
        {
            names.push(format!("{name}: admin"));
        }
    }
    names.push("X-Is-Admin-Project: True".to_owned());
    names.push("X-Identity-Status: Confirmed".to_owned());
    names.push(format!("X-Project-Id: {ADMIN_PROJECT}"));
    names.push("X-User: admin".to_owned());
    let all = names.join("\r\n");
    let token = format!("X-Auth-Token: {}", Tokens::of("alice"));
    for forged in names.iter().chain([&all]) {
        let without = format!("GET /virtual-networks HTTP/1.1\r\n{forged}\r\n");
        assert_eq!(send_raw(&url, &without), 401, "{forged}");
        let with = format!("POST /fetch-records HTTP/1.1\r\n{token}\r\n{forged}\r\nContent-Length: 0\r\n");
        assert_eq!(send_raw(&url, &with), 403, "{forged}");
        let before = format!("PUT /aaa-mode HTTP/1.1\r\n{forged}\r\n{token}\r\nContent-Length: 0\r\n");
        assert_eq!(send_raw(&url, &before), 403, "{forged}");
    }
    // Nor does one of them change whose an object is.
    let name = json!(["default-domain", "alice-proj", "forged"]);
    let network = json!({"virtual-network": {"fq_name": name, "parent_type": "project"}});
    let headers = [("Content-Type", "application/json"), ("X-Project-Id", ADMIN_PROJECT), ("X-User", "admin")];
    let body = Some(network.to_string().into_bytes());
    let made = alice.send("POST", "/virtual-networks", &headers, body).await.unwrap().ok();
    let uuid = made["virtual-network"]["uuid"].as_str().unwrap().to_owned();
    let read = alice.get(&format!("/virtual-network/{uuid}")).await.ok();
    let network = &read["virtual-network"];
    assert_eq!(network["id_perms"]["permissions"]["owner"], "alice", "{network}");
    assert!(
        network["perms2"]["owner"].as_str().unwrap().replace('-', "") != ADMIN_PROJECT.replace('-', ""),
        "{network}"
    );
}

async fn administrators(other_admin: Api, alice: Api) {
    other_admin.get("/obj-perms").await.ok();
    other_admin.post("/db-check", &json!({})).await.status_is(200);
    let refused = alice.post("/db-check", &json!({})).await;
    let text = "Permission Denied for alice as ['member'] to C db-check in alice-proj";
    assert_eq!((refused.status, refused.text.as_str()), (403, text));
    for (method, path) in
        [("GET", "/obj-cache"), ("POST", "/fetch-records"), ("POST", "/execute-job"), ("POST", "/start-profile")]
    {
        alice.send(method, path, &[], None).await.unwrap().status_is(403);
    }
    alice.post("/useragent-kv", &json!({"operation": "RETRIEVE", "key": "a"})).await.status_is(404);
}

async fn own_permissions((admin, alice, carol, reader, nobody): (Api, Api, Api, Api, Api)) {
    let of = async |api: &Api, query: &str| api.get(&format!("/obj-perms{query}")).await.ok();
    let mine = of(&alice, "").await;
    assert_eq!(mine["is_cloud_admin_role"], false);
    assert_eq!(mine["is_global_read_only_role"], false);
    assert!(mine.get("permissions").is_none(), "{mine}");
    let token = &mine["token_info"]["token"];
    assert_eq!(token["user"]["name"], "alice");
    assert_eq!(token["roles"], json!([{"id": "member", "name": "member"}]));
    assert_eq!(token["project"]["id"], ALICE_PROJECT.replace('-', ""));
    assert!(!mine.to_string().contains("cirrus_") && token.get("catalog").is_none(), "{mine}");
    // The domain as it is called here.
    let default = admin.find("domain", &json!(["default-domain"])).await.unwrap();
    assert_eq!(token["project"]["domain"]["id"], default.replace('-', ""));
    let other = &of(&carol, "").await["token_info"]["token"]["project"]["domain"]["id"];
    assert_eq!(*other, OTHER_DOMAIN.replace('-', ""));
    assert_eq!(of(&admin, "").await["is_cloud_admin_role"], true);
    assert_eq!(of(&reader, "").await["is_global_read_only_role"], true);
    assert!(of(&nobody, "").await["token_info"]["token"].get("project").is_none());
    // Of an object of alice's project; of one that nobody else may read; and of none.
    let name = json!(["default-domain", "alice-proj", "of alice"]);
    let network = json!({"virtual-network": {"fq_name": name, "parent_type": "project"}});
    let made = admin.post("/virtual-networks", &network).await.ok();
    let uuid = made["virtual-network"]["uuid"].as_str().unwrap();
    admin.post("/chown", &json!({"uuid": uuid, "owner": ALICE_PROJECT})).await.status_is(200);
    let query = format!("?uuid={uuid}");
    let people = [(&admin, "RWX"), (&alice, "RWX"), (&carol, ""), (&reader, "R"), (&nobody, "")];
    for (api, expected) in people {
        assert_eq!(of(api, &query).await["permissions"], expected);
        for unknown in ["?uuid=aaaaaaaa-0000-4000-8000-00000000ffff", "?uuid=nonsense", "?uuid="] {
            assert_eq!(of(api, unknown).await["permissions"], "");
        }
    }
    let share = json!({"uuid": uuid, "share": [{"tenant": format!("domain:{OTHER_DOMAIN}"), "tenant_access": 5}], "global_access": 2});
    admin.post("/chmod", &share).await.status_is(200);
    for (api, expected) in [(&carol, "RWX"), (&reader, "RW"), (&nobody, "W")] {
        assert_eq!(of(api, &query).await["permissions"], expected);
    }
}

async fn mode(api: Api, admin: Api, alice: Api) {
    unauthorized(&api.get("/aaa-mode").await);
    for api in [&admin, &alice] {
        assert_eq!(api.get("/aaa-mode").await.ok(), json!({"aaa-mode": "rbac"}));
    }
    unauthorized(&api.put("/aaa-mode", &json!({"aaa-mode": "no-auth"})).await);
    for wanted in ["rbac", "no-auth", "x"] {
        let refused = alice.put("/aaa-mode", &json!({"aaa-mode": wanted})).await;
        assert_eq!((refused.status, refused.text.as_str()), (403, " Permission denied"), "{wanted}");
    }
    assert_eq!(admin.put("/aaa-mode", &json!({"aaa-mode": "rbac"})).await.ok(), json!({"aaa-mode": "rbac"}));
    for wanted in ["no-auth", "cloud-admin"] {
        let refused = admin.put("/aaa-mode", &json!({"aaa-mode": wanted})).await;
        assert!(refused.status_is(409).text.contains(&format!("--aaa-mode {wanted}")), "{refused}");
    }
    for (body, text) in [
        (json!({"aaa-mode": "cloud-admin-only"}), "Invalid aaa-mode cloud-admin-only"),
        (json!({"aaa-mode": 7}), "Invalid aaa-mode 7"),
        (json!({}), "Bad Request, aaa-mode is missing"),
        (json!({"aaa-mode": null}), "Bad Request, aaa-mode is missing"),
    ] {
        assert_eq!(admin.put("/aaa-mode", &body).await.status_is(400).text, text);
    }
    assert_eq!(admin.get("/aaa-mode").await.ok(), json!({"aaa-mode": "rbac"}));
}

/// Asks until the answer has this status: the file is looked at every second.
async fn becomes(api: &Api, status: u16) {
    let begin = Instant::now();
    while api.get("/virtual-networks").await.status != status {
        assert!(begin.elapsed() < LIMIT, "not {status} within {LIMIT:?}");
    }
}

/// A file that is damaged changes nothing, and a good one does.
async fn reload(server: &Server, tokens: &Tokens) {
    let (alice, mallory) = (tokens.api(server, "alice"), tokens.api(server, "mallory"));
    mallory.get("/virtual-networks").await.status_is(401);
    tokens.write(&format!("{}{}what is this?\n", Tokens::lines(PEOPLE), Tokens::line("mallory", "roles = []")));
    let begin = Instant::now();
    while !server.log().contains("the file of tokens has changed and can't be used") {
        assert!(begin.elapsed() < LIMIT, "the damage is not told:\n{}", server.log());
        alice.get("/virtual-networks").await.ok();
    }
    assert!(server.log().contains(&format!("line {}: ", PEOPLE.len() + 2)), "{}", server.log());
    alice.get("/virtual-networks").await.ok();
    mallory.get("/virtual-networks").await.status_is(401);
    tokens.write(&Tokens::line("mallory", "roles = []"));
    becomes(&mallory, 200).await;
    alice.get("/virtual-networks").await.status_is(401);
    std::fs::remove_file(tokens.file()).unwrap();
    let begin = Instant::now();
    while !server.log().contains("can't be read: ") {
        assert!(begin.elapsed() < LIMIT, "it is not told that the file is gone:\n{}", server.log());
        mallory.get("/virtual-networks").await.ok();
    }
    tokens.write(&Tokens::lines(PEOPLE));
    becomes(&alice, 200).await;
    mallory.get("/virtual-networks").await.status_is(401);
}

pub async fn cloud_admins_only() {
    let tokens = Tokens::new();
    let mut options = tokens.options("cloud-admin");
    options.extend(["--cloud-admin-role", "netadmin", "--failed-authentications", "3"]);
    let more = [("net", r#"roles = ["NetAdmin"]"#)];
    tokens.write(&Tokens::lines(&[PEOPLE, &more].concat()));
    let server = Server::start_with(&options);
    let of = |name: &str| tokens.api(&server, name);
    let (url, api) = (server.url().to_owned(), server.api());
    let (net, admin, reader) = (of("net"), of("admin"), of("reader"));
    let mut checks = Checks::default();
    checks.run("mode-5 the role of the setting is what counts", cloud_admins(api, net, [admin, reader])).await;
    checks.run("too many failures from one address", failures(url)).await;
    checks.finish();
}

async fn cloud_admins(api: Api, net: Api, others: [Api; 2]) {
    net.get("/virtual-networks").await.ok();
    net.get("/no-such-thing").await.status_is(404);
    assert_eq!(net.get("/aaa-mode").await.ok(), json!({"aaa-mode": "cloud-admin"}));
    assert_eq!(net.get("/obj-perms").await.ok()["is_cloud_admin_role"], true);
    for other in others {
        for path in ["/virtual-networks", "/no-such-thing", "/aaa-mode", "/obj-perms", "/project/x"] {
            let refused = other.get(path).await;
            assert_eq!((refused.status, refused.text.as_str()), (403, "403 Permission Denied"));
            assert_eq!(refused.headers["content-type"], "text/plain; charset=UTF-8");
        }
        other.get("/").await.ok();
    }
    unauthorized(&api.get("/virtual-networks").await);
}

async fn failures(url: String) {
    let api = Api::new(&url);
    let bad = Api::with_headers(&url, &[("X-Auth-Token", "nonsense")]);
    let good = Api::with_headers(&url, &[("X-Auth-Token", &Tokens::of("net"))]);
    let mut limited = None;
    // Three a minute are counted; one more may be while this runs.
    for _ in 0..20 {
        let answer = bad.get("/virtual-networks").await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
        unauthorized(&answer);
    }
    let limited = limited.expect("a 429");
    assert_eq!(limited.json()["error"]["code"], 429);
    let pause: u64 = limited.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&pause), "{pause}");
    // Neither a good token nor one that is not there is held up.
    good.get("/virtual-networks").await.ok();
    unauthorized(&api.get("/virtual-networks").await);
}

/// Runs it to its end, which has to be refused for its settings; gives what it says.
fn refused(arguments: &[&str]) -> String {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let mut process = Process::start(&[&["serve", "--data-dir", data.to_str().unwrap()], arguments].concat());
    let status = process.wait(LIMIT);
    let errors = process.errors();
    assert_eq!(status.and_then(|status| status.code()), Some(2), "{arguments:?}: {errors}");
    assert!(!data.exists(), "{arguments:?}: something was made");
    errors
}

pub fn mode_1_mode_4_starts_that_let_somebody_in_by_oversight() {
    let says = |arguments: &[&str], texts: &[&str]| {
        let errors = refused(arguments);
        for text in texts {
            assert!(errors.contains(text), "{arguments:?}: '{text}' is expected in\n{errors}");
        }
    };
    says(
        &["--listen", "0.0.0.0:0"],
        &["--listen 0.0.0.0:0", "--aaa-mode no-auth (the default)", "--open (CIRRUS_OPEN=true)"],
    );
    says(&["--listen", "[::]:0"], &["--listen [::]:0", "loopback"]);
    says(&["--listen", "127.0.0.1:0", "--aaa-mode", "rbac"], &["--aaa-mode rbac", "--token-file"]);
    says(
        &["--listen", "127.0.0.1:0", "--aaa-mode", "cloud-admin", "--open"],
        &["--aaa-mode cloud-admin", "--token-file"],
    );
    says(&["--listen", "127.0.0.1:0", "--token-file", "/nowhere"], &["--token-file /nowhere", "--aaa-mode no-auth"]);
    let rbac = ["--listen", "127.0.0.1:0", "--aaa-mode", "rbac", "--token-file"];
    says(&[&rbac[..], &["/nowhere"]].concat(), &["--token-file /nowhere: can't be read"]);
    let tokens = Tokens::new();
    tokens.write(&format!("{}\nwhat is this\n", Tokens::lines(PEOPLE)));
    let file = tokens.file();
    let file = file.to_str().unwrap();
    says(
        &[&rbac[..], &[file]].concat(),
        &[&format!("--token-file {file}: line {}: ", PEOPLE.len() + 2), "cirrus token new"],
    );
}

/// What `cirrus token new` prints is a token, and the line that makes it one.
pub async fn a_token_of_ones_own() {
    let temporary = fresh_directory();
    let make = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cirrus"));
        let made = command.args(["token", "new"]).args(arguments).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let text = String::from_utf8(made.stdout).unwrap();
        let (token, line) = text.trim_end().split_once('\n').unwrap();
        (token.to_owned(), line.to_owned())
    };
    let project = format!("{ALICE_PROJECT}=alice-proj");
    let (alice, line) = make(&["--user", "alice", "--project", &project, "--roles", "member,x", "--expires", "90d"]);
    let (other, other_line) = make(&["--user", "a \"quoted\" name", "--roles", "admin", "--domain", OTHER_DOMAIN]);
    assert!(alice.starts_with("cirrus_") && !line.contains(&alice) && alice != other, "{alice} {line}");
    let file = temporary.path().join("tokens");
    std::fs::write(&file, format!("# tokens\n{line}\n{other_line}\n")).unwrap();
    let server = Server::start_with(&["--aaa-mode", "rbac", "--token-file", file.to_str().unwrap()]);
    allow_all_types(&Api::with_headers(server.url(), &[("X-Auth-Token", &other)])).await;
    let of = async |token: &str| {
        Api::with_headers(server.url(), &[("X-Auth-Token", token)]).get("/obj-perms").await.ok()["token_info"]["token"]
            .take()
    };
    let known = of(&alice).await;
    assert_eq!(known["user"]["name"], "alice");
    assert_eq!(known["project"]["name"], "alice-proj");
    assert_eq!(known["roles"].as_array().map(Vec::len), Some(2));
    assert!(known["expires_at"].is_string(), "{known}");
    let known = of(&other).await;
    assert_eq!(known["user"]["name"], "a \"quoted\" name");
    assert_eq!((&known["project"], &known["expires_at"]), (&Value::Null, &Value::Null));
    let log = server.log();
    assert!(!log.contains(&alice) && !log.contains(&other), "{log}");
}
