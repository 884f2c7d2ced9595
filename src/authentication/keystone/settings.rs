//! What is said of Keystone on the command line (access contract 7.2, `KEYSTONE`).

use crate::authentication::read_password;
use clap::{ArgAction, Args, ValueEnum};
use reqwest::Url;
use serde_json::{Value, json};
use std::{fmt::Display, path::PathBuf, time::Duration};

/// Which of the addresses of Keystone in its catalog.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Interface {
    /// For those who run the cloud.
    Admin,
    /// For other services.
    Internal,
    /// For everybody.
    Public,
}

impl Interface {
    /// As in catalogs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Internal => "internal",
            Self::Public => "public",
        }
    }
}

/// Where Keystone is, and how the server is known there.
#[derive(Args, Debug, Clone)]
pub struct KeystoneSettings {
    /// Keystone, which knows whose tokens are, as <http://host:5000/v3>
    #[arg(long, env = "CIRRUS_KEYSTONE_URL", value_name = "URL", hide_env_values = true, value_parser = url)]
    pub keystone_url: Option<Url>,

    /// The server's own account there, which may look at tokens of others, projects and domains
    #[arg(long, env = "CIRRUS_KEYSTONE_USER", value_name = "NAME", requires = "keystone_url")]
    pub keystone_user: Option<String>,

    /// The file with the password of that account; without it, it is in the environment variable `CIRRUS_KEYSTONE_PASSWORD`
    #[arg(long, env = "CIRRUS_KEYSTONE_PASSWORD_FILE", value_name = "FILE", requires = "keystone_url")]
    pub keystone_password_file: Option<PathBuf>,

    /// The password of that account, where there is no file with it
    #[arg(long, env = "CIRRUS_KEYSTONE_PASSWORD", value_name = "PASSWORD", hide = true, hide_env_values = true)]
    pub keystone_password: Option<String>,

    /// The name of the domain that the account is of
    #[arg(long, env = "CIRRUS_KEYSTONE_USER_DOMAIN", value_name = "NAME", default_value = "Default")]
    pub keystone_user_domain: String,

    /// The id of that domain, instead of its name
    #[arg(long, env = "CIRRUS_KEYSTONE_USER_DOMAIN_ID", value_name = "ID", requires = "keystone_url")]
    pub keystone_user_domain_id: Option<String>,

    /// The project in which the account has its role; without it, it has it in a domain
    #[arg(long, env = "CIRRUS_KEYSTONE_PROJECT", value_name = "NAME", requires = "keystone_url")]
    pub keystone_project: Option<String>,

    /// The name of the domain of that project
    #[arg(long, env = "CIRRUS_KEYSTONE_PROJECT_DOMAIN", value_name = "NAME", default_value = "Default")]
    pub keystone_project_domain: String,

    /// The id of that domain, instead of its name
    #[arg(long, env = "CIRRUS_KEYSTONE_PROJECT_DOMAIN_ID", value_name = "ID", requires = "keystone_project")]
    pub keystone_project_domain_id: Option<String>,

    /// The name of the domain in which the account has its role, if it is not in a project
    #[arg(
        long,
        env = "CIRRUS_KEYSTONE_DOMAIN",
        value_name = "NAME",
        requires = "keystone_url",
        conflicts_with = "keystone_project"
    )]
    pub keystone_domain: Option<String>,

    /// The id of that domain, instead of its name
    #[arg(long, env = "CIRRUS_KEYSTONE_DOMAIN_ID", value_name = "ID", default_value = "default")]
    pub keystone_domain_id: String,

    /// The region whose Keystone is asked, as in the catalog
    #[arg(long, env = "CIRRUS_KEYSTONE_REGION", value_name = "NAME", default_value = "RegionOne")]
    pub keystone_region: String,

    /// Which of Keystone's addresses in the catalog is asked
    #[arg(long, env = "CIRRUS_KEYSTONE_INTERFACE", value_name = "INTERFACE", value_enum, default_value_t = Interface::Admin)]
    pub keystone_interface: Interface,

    /// The certificates of authorities that Keystone's is of, as PEM, instead of the public ones
    #[arg(long, env = "CIRRUS_KEYSTONE_CA_FILE", value_name = "FILE", requires = "keystone_url")]
    pub keystone_ca_file: Option<PathBuf>,

    /// Believe whoever answers as Keystone: its certificate is not looked at
    #[arg(long, env = "CIRRUS_KEYSTONE_INSECURE", requires = "keystone_url", conflicts_with = "keystone_ca_file")]
    pub keystone_insecure: bool,

    /// How many seconds Keystone has for an answer
    #[arg(long, env = "CIRRUS_KEYSTONE_TIMEOUT", value_name = "SECONDS", default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..=60))]
    pub keystone_timeout: u32,

    /// For how many seconds a token is believed before Keystone is asked again; for as long one that was revoked is good
    #[arg(long, env = "CIRRUS_KEYSTONE_TOKEN_CACHE_TIME", value_name = "SECONDS", default_value = "60",
        value_parser = clap::value_parser!(u32).range(0..=300))]
    pub keystone_token_cache_time: u32,

    /// For how many seconds a token is believed while Keystone can't be asked, if it lasts for so long
    #[arg(long, env = "CIRRUS_KEYSTONE_AWAY_TIME", value_name = "SECONDS", default_value = "3600",
        value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub keystone_away_time: u32,

    /// Whether projects and domains that only Keystone knows are made here when somebody asks for them
    #[arg(long, env = "CIRRUS_KEYSTONE_SYNC_ON_DEMAND", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub keystone_sync_on_demand: bool,
}

/// Where Keystone is. One of another version is told what to write instead (access contract 2.3).
fn url(text: &str) -> Result<Url, String> {
    let expected = "Keystone's version 3 is expected, as http://host:5000/v3";
    let mut url = Url::parse(text.trim()).map_err(|error| format!("{error}; {expected}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("it begins with neither http:// nor https://; {expected}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("the account does not stand in it, but in --keystone-user; {expected}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("nothing may follow the path; {expected}"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let of_version_2 = path.split('/').any(|part| part == "v2" || part.starts_with("v2."));
    let kept: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && !part.starts_with("v2")).collect();
    let is_whole = kept.last().is_some_and(|last| *last == "v3");
    let path = if is_whole { kept.join("/") } else { [kept, vec!["v3"]].concat().join("/") };
    url.set_path(&path);
    match (of_version_2, is_whole) {
        (true, _) => Err(format!("Keystone has no version 2 since 2018: write {url}")),
        (false, false) => Err(format!("the version is missing: write {url}")),
        (false, true) => Ok(url),
    }
}

/// Where the password is.
#[derive(Clone)]
pub enum Password {
    /// Here.
    Given(String),
    /// In a file, which is read each time, since it may change.
    InFile(PathBuf),
}

impl Password {
    /// What it is, without the end of its line.
    ///
    /// # Errors
    /// Names the file that can't be read, or that has none.
    pub fn read(&self) -> Result<String, String> {
        match self {
            Self::Given(password) => Ok(password.clone()),
            Self::InFile(file) => read_password(file).map_err(|error| format!("{}: {error}", file.display())),
        }
    }
}

/// How the server is known to Keystone.
#[derive(Clone)]
pub struct Account {
    user: String,
    user_domain: Value,
    scope: Value,
    password: Password,
}

impl Account {
    /// The body that asks for a token of its own.
    ///
    /// # Errors
    /// As for the password.
    pub fn question(&self) -> Result<Value, String> {
        let user = json!({"name": self.user, "domain": self.user_domain, "password": self.password.read()?});
        Ok(json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": self.scope,
        }}))
    }
}

fn id_or_name(id: Option<&String>, name: &str) -> Value {
    id.map_or_else(|| json!({ "name": name }), |id| json!({ "id": id }))
}

impl KeystoneSettings {
    /// How the server is known to Keystone.
    ///
    /// # Errors
    /// Names what is missing, or the file that can't be read; `told` is a setting as its user knows it.
    pub fn account(&self, told: impl Fn(&str, &dyn Display) -> String) -> Result<Account, String> {
        let given = self.keystone_url.as_ref().map(|url| told("keystone_url", url)).unwrap_or_default();
        let user = self.keystone_user.clone().filter(|user| !user.is_empty());
        let user = user.ok_or_else(|| format!("{given}: it needs the server's own account, with --keystone-user"))?;
        let password = match &self.keystone_password_file {
            Some(file) => Password::InFile(file.clone()),
            None => Password::Given(self.keystone_password.clone().unwrap_or_default()),
        };
        if matches!(&password, Password::Given(password) if password.is_empty()) {
            return Err(format!(
                "{given}: it needs the password of the server's own account, in CIRRUS_KEYSTONE_PASSWORD or --keystone-password-file"
            ));
        }
        if let (Err(error), Some(file)) = (password.read(), &self.keystone_password_file) {
            return Err(format!("{}: {error}", told("keystone_password_file", &file.display())));
        }
        let domain_of_project = id_or_name(self.keystone_project_domain_id.as_ref(), &self.keystone_project_domain);
        let scope = match (&self.keystone_project, &self.keystone_domain) {
            (Some(project), _) => json!({"project": {"name": project, "domain": domain_of_project}}),
            (None, Some(domain)) => json!({"domain": {"name": domain}}),
            (None, None) => json!({"domain": {"id": self.keystone_domain_id}}),
        };
        let user_domain = id_or_name(self.keystone_user_domain_id.as_ref(), &self.keystone_user_domain);
        Ok(Account { user, user_domain, scope, password })
    }

    /// How long an answer may take.
    pub fn answers_within(&self) -> Duration {
        Duration::from_secs(self.keystone_timeout.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_version_3() {
        for good in ["http://keystone:5000/v3", "https://keystone/identity/v3/", " http://[::1]:5000//v3"] {
            assert!(url(good).unwrap().as_str().ends_with("/v3"), "{good}");
        }
        for (bad, why) in [
            ("http://keystone:5000/v2.0", "no version 2 since 2018: write http://keystone:5000/v3"),
            ("http://keystone:35357/v2.0/", "no version 2 since 2018: write http://keystone:35357/v3"),
            ("https://cloud/identity/v2.0", "write https://cloud/identity/v3"),
            ("https://cloud/identity", "the version is missing: write https://cloud/identity/v3"),
            ("http://keystone:5000", "the version is missing: write http://keystone:5000/v3"),
            ("keystone:5000", "neither http:// nor https://"),
            ("", "http://host:5000/v3"),
            ("http://admin:secret@keystone/v3", "--keystone-user"),
            ("http://keystone/v3?x=1", "nothing may follow the path"),
        ] {
            let refused = url(bad).unwrap_err();
            assert!(refused.contains(why), "{bad}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
