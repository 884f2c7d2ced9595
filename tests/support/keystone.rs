//! The real Keystone, as a process of its own with everything in a temporary directory, behind a [`Proxy`]; and servers that ask it.
//!
//! ```ignore
//! let keystone = Keystone::start();                          // some seconds
//! let server = keystone.server_with(&[]);                    // in mode rbac, with a database of its own
//! let project = keystone.project("alice-proj", "default").await;
//! keystone.user("alice", "default", &project, "member").await;
//! let token = keystone.token("alice", &Scope::Project(&project)).await;
//! let alice = with_token(&server, &token);                   // all of `Api`, with this token
//! keystone.proxy.new_connections(NewOnes::Refused);          // Keystone is away
//! ```
//!
//! The server's own account is `cirrus`, an admin in the project `service`. All passwords are [`PASSWORD`].

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::block_in_place;

use super::proxy::Proxy;
use super::python::Python;
use super::{Answer, Api, Process, Server, fresh_directory};

pub const PASSWORD: &str = "secret";
/// To make it and to start it, beside others who start things.
const START_LIMIT: Duration = Duration::from_mins(3);

/// What a token is for.
pub enum Scope<'a> {
    /// The project with this id.
    Project(&'a str),
    /// The domain with this id.
    Domain(&'a str),
    System,
    Nothing,
}

/// A running Keystone; its fields end in their order.
pub struct Keystone {
    _process: Process,
    /// What stands between it and everybody, the test's own questions aside.
    pub proxy: Proxy,
    directory: tempfile::TempDir,
    /// What administers it, without a token yet, past the proxy that may be swallowing everything.
    door: Proxy,
    admin: Api,
}

impl Keystone {
    /// Makes one, with the server's own account.
    pub async fn start() -> Self {
        let (process, proxy, door, directory) = block_in_place(|| {
            let directory = fresh_directory();
            let socket = directory.path().join("socket");
            let (proxy, door) = (Proxy::start(&socket), Proxy::start(&socket));
            let url = url_of(&proxy);
            let mut command = Python::OpenStack.program("real_keystone.py");
            command.arg(directory.path()).arg(&socket).args([&url, PASSWORD]).env("HOME", directory.path());
            let process = Process::spawn(&mut command);
            let line = process.next_line(START_LIMIT);
            assert_eq!(line.as_deref(), Some("ready"), "{}", process.errors());
            fs::write(directory.path().join("password"), PASSWORD).unwrap();
            (process, proxy, door, directory)
        });
        let mut keystone = Self { _process: process, admin: Api::new(&url_of(&door)), proxy, door, directory };
        let scope = json!({"project": {"name": "admin", "domain": {"id": "default"}}});
        let token = keystone.log_in("admin", "default", &scope).await;
        // A connection each: Keystone closes those that wait, at times just when they are used again.
        let headers = [("X-Auth-Token", token.as_str()), ("Connection", "close")];
        keystone.admin = Api::with_headers(&url_of(&keystone.door), &headers);
        let service = keystone.project("service", "default").await;
        keystone.user("cirrus", "default", &service, "admin").await;
        keystone
    }

    /// As clients and servers know it.
    pub fn url(&self) -> String {
        url_of(&self.proxy)
    }

    /// What administers it, by its REST interface.
    pub fn admin(&self) -> &Api {
        &self.admin
    }

    /// What a server is started with that is to ask it.
    pub fn options(&self) -> Vec<String> {
        let (url, file) = (self.url(), self.directory.path().join("password"));
        let words =
            ["--aaa-mode", "rbac", "--keystone-user", "cirrus", "--keystone-project", "service", "--keystone-url"];
        let mut options: Vec<String> = words.map(str::to_owned).into();
        options.extend([url, "--keystone-password-file".to_owned(), file.to_str().unwrap().to_owned()]);
        options
    }

    /// A server that asks it, in mode `rbac`, with a database of its own and these options beside.
    pub fn server_with(&self, more: &[&str]) -> Server {
        let options = self.options();
        let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
        block_in_place(|| Server::start_with(&options))
    }

    async fn create(&self, kind: &str, body: Value) -> String {
        let answer = self.admin.post(&format!("/{kind}s"), &json!({ kind: body })).await;
        let answer = answer.status_is(201).json();
        answer[kind]["id"].as_str().unwrap().to_owned()
    }

    /// Makes a domain; gives its id.
    pub async fn domain(&self, name: &str) -> String {
        self.create("domain", json!({ "name": name })).await
    }

    /// Makes a project in the domain with this id; gives its id.
    pub async fn project(&self, name: &str, domain: &str) -> String {
        self.create("project", json!({"name": name, "domain_id": domain})).await
    }

    /// Makes a user of a domain with a role in a project; gives the user's id.
    pub async fn user(&self, name: &str, domain: &str, project: &str, role: &str) -> String {
        let body = json!({"name": name, "domain_id": domain, "password": PASSWORD});
        let user = self.create("user", body).await;
        self.grant(&format!("/projects/{project}"), &user, role).await;
        user
    }

    /// Gives a user a role in something: `/projects/<id>`, `/domains/<id>` or `/system`.
    pub async fn grant(&self, place: &str, user: &str, role: &str) {
        let path = format!("{place}/users/{user}/roles/{}", self.role(role).await);
        self.admin.send("PUT", &path, &[], None).await.unwrap().status_is(204);
    }

    async fn role(&self, name: &str) -> String {
        let known = self.admin.get(&format!("/roles?name={name}")).await.ok();
        match known["roles"][0]["id"].as_str() {
            Some(id) => id.to_owned(),
            None => self.create("role", json!({ "name": name })).await,
        }
    }

    /// Changes something: `/projects/<id>`.
    pub async fn change(&self, path: &str, body: &Value) -> Answer {
        self.admin.try_json("PATCH", path, body).await.unwrap()
    }

    /// A token of a user of the default domain.
    pub async fn token(&self, user: &str, scope: &Scope<'_>) -> String {
        self.token_of(user, "default", scope).await
    }

    /// A token of a user of the domain with this id.
    pub async fn token_of(&self, user: &str, domain: &str, scope: &Scope<'_>) -> String {
        let scope = match scope {
            Scope::Project(id) => json!({"project": {"id": id}}),
            Scope::Domain(id) => json!({"domain": {"id": id}}),
            Scope::System => json!({"system": {"all": true}}),
            Scope::Nothing => json!("unscoped"),
        };
        self.log_in(user, domain, &scope).await
    }

    async fn log_in(&self, user: &str, domain: &str, scope: &Value) -> String {
        let user = json!({"name": user, "domain": {"id": domain}, "password": PASSWORD});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        let question = json!({"auth": {"identity": identity, "scope": scope}});
        let answer = Api::new(&url_of(&self.door)).post("/auth/tokens", &question).await;
        answer.status_is(201).headers["x-subject-token"].clone()
    }

    /// What a token for a project would be had it ended a minute ago.
    pub fn ended(&self, token: &str) -> String {
        let mut program = Python::OpenStack.program("ended_token.py");
        program.arg(self.directory.path().join("keystone.conf")).arg(token);
        let output = block_in_place(|| program.output()).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Takes a token back.
    pub async fn revoke(&self, token: &str) {
        let answer = self.admin.send("DELETE", "/auth/tokens", &[("X-Subject-Token", token)], None).await;
        answer.unwrap().status_is(204);
    }
}

/// A client with a token.
pub fn with_token(server: &Server, token: &str) -> Api {
    Api::with_headers(server.url(), &[("X-Auth-Token", token)])
}

fn url_of(proxy: &Proxy) -> String {
    format!("http://127.0.0.1:{}/v3", proxy.port())
}
