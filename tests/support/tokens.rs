//! Servers that know who asks: in `rbac` mode (or another one), with a file of tokens, and clients that have one of them.
//!
//! ```ignore
//! let (server, tokens) = Tokens::start("rbac", &[]);      // a database of its own, and more options
//! let admin = tokens.api(&server, "admin");               // all of `Api`, with the token of `admin`
//! let alice = tokens.api(&server, "alice");
//! make_projects(&admin).await;                            // alice-proj and others, with the uuids of the tokens
//! allow_all_types(&admin).await;                          // rules that leave it to objects who may do what with them
//! alice.post("/virtual-networks", &body).await.status_is(200);
//! server.api().get("/virtual-networks").await.status_is(401);
//! ```
//!
//! Who there is ([`PEOPLE`]), as in the examples of the access contract:
//!
//! | name | roles | project |
//! |---|---|---|
//! | `admin` | `admin` | [`ADMIN_PROJECT`], `admin` |
//! | `ADMIN` | `ADMIN`: the same in another spelling | none |
//! | `alice` | `member` | [`ALICE_PROJECT`], `alice-proj` |
//! | `bob` | `member` | [`BOB_PROJECT`], `bob-proj` |
//! | `carol` | `member` | [`CAROL_PROJECT`], `carol-proj`, in the domain [`OTHER_DOMAIN`], `other-domain` |
//! | `reader` | `auditor`, which reads everything | [`ADMIN_PROJECT`], `admin` |
//! | `nobody` | none, with a name that is empty | none |
//! | `expired` | `admin`, until yesterday | none |
//!
//! All others are of `default-domain`. The file can be written anew ([`Tokens::write`]); the server reads it within a second or two.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Api, Server};

pub const ADMIN_PROJECT: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub const ALICE_PROJECT: &str = "aaaaaaaa-0000-4000-8000-000000000002";
pub const BOB_PROJECT: &str = "aaaaaaaa-0000-4000-8000-000000000003";
pub const CAROL_PROJECT: &str = "aaaaaaaa-0000-4000-8000-000000000004";
pub const OTHER_DOMAIN: &str = "aaaaaaaa-0000-4000-8000-000000000005";
/// The role of `reader`.
pub const READER_ROLE: &str = "auditor";

/// Who has a token, and what stands behind the name in the line for it.
pub const PEOPLE: &[(&str, &str)] = &[
    ("admin", r#"project = "aaaaaaaa-0000-4000-8000-000000000001", project_name = "admin", roles = ["admin"]"#),
    ("ADMIN", r#"roles = ["ADMIN"]"#),
    ("alice", r#"project = "aaaaaaaa-0000-4000-8000-000000000002", project_name = "alice-proj", roles = ["member"]"#),
    ("bob", r#"project = "aaaaaaaa-0000-4000-8000-000000000003", project_name = "bob-proj", roles = ["member"]"#),
    (
        "carol",
        r#"project = "aaaaaaaa-0000-4000-8000-000000000004", project_name = "carol-proj", domain = "aaaaaaaa-0000-4000-8000-000000000005", domain_name = "other-domain", roles = ["member"]"#,
    ),
    ("reader", r#"project = "aaaaaaaa-0000-4000-8000-000000000001", project_name = "admin", roles = ["auditor"]"#),
    ("nobody", r#"roles = [""]"#),
    ("expired", r#"roles = ["admin"], expires = "2026-01-01T00:00:00Z""#),
];

/// A file of tokens.
pub struct Tokens {
    directory: tempfile::TempDir,
}

impl Tokens {
    /// A file with a line for each of [`PEOPLE`].
    pub fn new() -> Self {
        let tokens = Self { directory: super::fresh_directory() };
        tokens.write(&Self::lines(PEOPLE));
        tokens
    }

    /// A server in this mode, with a database of its own, a file of tokens, and these options beside.
    pub fn start(mode: &str, options: &[&str]) -> (Server, Self) {
        let tokens = Self::new();
        let server = Server::start_with(&[&tokens.options(mode), options].concat());
        (server, tokens)
    }

    /// What a server is started with that is to know these tokens: for [`Server::start_with`] and its like.
    pub fn options<'a>(&'a self, mode: &'a str) -> Vec<&'a str> {
        let file = self.file_name();
        vec!["--aaa-mode", mode, "--token-file", file, "--global-read-only-role", READER_ROLE]
    }

    /// The token of somebody, whether it is in the file or not.
    pub fn of(name: &str) -> String {
        format!("cirrus_token-of-{name}-that-nobody-would-guess-as-it-is-so-long")
    }

    /// A client with the token of somebody.
    #[allow(clippy::unused_self)] // It is read as whose client it is.
    pub fn api(&self, server: &Server, name: &str) -> Api {
        Api::with_headers(server.url(), &[("X-Auth-Token", &Self::of(name))])
    }

    /// The lines for these people: names, and what stands behind the name.
    pub fn lines(people: &[(&str, &str)]) -> String {
        people.iter().map(|(name, rest)| Self::line(name, rest)).collect()
    }

    /// The line for somebody.
    pub fn line(name: &str, rest: &str) -> String {
        let mut digest = String::new();
        for byte in Sha256::digest(Self::of(name)) {
            write!(digest, "{byte:02x}").unwrap();
        }
        format!("sha256-{digest} = {{ user = \"{name}\", user_id = \"id-of-{name}\", {rest} }}\n")
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("tokens.toml")
    }

    fn file_name(&self) -> &'static str {
        // Options are borrowed texts; a test has one or two files.
        Box::leak(self.file().to_str().unwrap().to_owned().into_boxed_str())
    }

    /// Puts another file in its place, whole at once.
    pub fn write(&self, text: &str) {
        let aside = self.directory.path().join("new");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.file()).unwrap();
    }
}

/// Makes the projects of the people, as `admin`.
pub async fn make_projects(admin: &Api) {
    let domain = json!({"domain": {"fq_name": ["other-domain"], "uuid": OTHER_DOMAIN}});
    admin.post("/domains", &domain).await.status_is(200);
    for (domain, name, uuid) in [
        ("default-domain", "alice-proj", ALICE_PROJECT),
        ("default-domain", "bob-proj", BOB_PROJECT),
        ("other-domain", "carol-proj", CAROL_PROJECT),
    ] {
        let project = json!({"project": {"fq_name": [domain, name], "parent_type": "domain", "uuid": uuid}});
        admin.post("/projects", &project).await.status_is(200);
    }
}

/// Makes a rule that lets any role do anything with any type, so that only objects say who may do what with them.
pub async fn allow_all_types(admin: &Api) {
    let rule = json!({"rule_object": "*", "rule_field": "*", "rule_perms": [{"role_name": "*", "role_crud": "CRUD"}]});
    let list = json!({
        "fq_name": ["default-global-system-config", "all-types"],
        "parent_type": "global-system-config",
        "api_access_list_entries": {"rbac_rule": [rule]},
    });
    admin.post("/api-access-lists", &json!({"api-access-list": list})).await.status_is(200);
}
