//! Logging in: at Keystone (v3), or at the server itself.

use super::{
    ClientError, Given,
    caller::{CallerSettings, Credential, basic},
    connection::Connection,
    environment,
};
use serde_json::{Value, json};
use ureq::http;

/// What there is to log in with.
pub enum Login {
    /// User and password themselves are told to the server.
    Basic(Credential),
    /// Keystone gives a token for them.
    Keystone {
        /// Where tokens are given.
        url: String,
        /// What it is asked with.
        body: Value,
    },
}

impl Login {
    /// With these settings; nothing where there is not both a user and a password. Talks to nobody yet.
    ///
    /// # Errors
    /// What is contradictory, or can't be.
    pub fn new(settings: &CallerSettings) -> Result<Option<Self>, ClientError> {
        let (Some(user), Some(password)) = (&settings.user, &settings.password) else { return Ok(None) };
        let Some(url) = &settings.auth_url else { return Ok(Some(Self::Basic(basic(user, password)?))) };
        let user_domain = domain(&[
            Given::new("--user-domain-id", "OS_USER_DOMAIN_ID", settings.user_domain_id.as_ref()),
            Given::new("--user-domain-name", "OS_USER_DOMAIN_NAME", settings.user_domain_name.as_ref()),
        ])?;
        let user = json!({"name": user, "password": password, "domain": user_domain});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        let scope = json!({"project": project(settings)?});
        let body = json!({"auth": {"identity": identity, "scope": scope}});
        Ok(Some(Self::Keystone { url: tokens_url(url)?, body }))
    }

    /// Logs in.
    ///
    /// # Errors
    /// Keystone's refusal, or why there is no answer.
    pub fn run(&self, connection: &Connection) -> Result<Credential, ClientError> {
        let (url, body) = match self {
            Self::Basic(credential) => return Ok(credential.clone()),
            Self::Keystone { url, body } => (url, body),
        };
        let refuse = |why: String| ClientError::Authentication(format!("Keystone at {url}: {why}"));
        let request = http::Request::post(url).header("Content-Type", "application/json").body(body.to_string());
        let (head, _) = connection.run(request.map_err(|error| refuse(error.to_string()))?)?;
        let status = head.status.as_u16();
        if status >= 500 {
            let text = "Keystone gives no tokens at the moment".to_owned();
            return Err(ClientError::Refused { server: url.clone(), status, text });
        }
        let token = head.headers.get("X-Subject-Token").filter(|_| head.status.is_success());
        let token = token.and_then(|token| token.to_str().ok());
        let token = token.ok_or_else(|| refuse(format!("no token for this user, status {status}")))?;
        Credential::token(token, format!("the token of Keystone at {url}"))
    }
}

/// Where a Keystone gives tokens.
fn tokens_url(url: &str) -> Result<String, ClientError> {
    let refuse = |why: &str| Err(ClientError::Argument(format!("--auth-url (OS_AUTH_URL) {why}")));
    let base = url.trim_end_matches('/');
    let Ok(parsed) = base.parse::<http::Uri>() else {
        return refuse("is no URL; one like http://keystone:5000/v3 is expected");
    };
    let (Some("http" | "https"), Some(authority)) = (parsed.scheme_str(), parsed.authority()) else {
        return refuse("is no URL; one like http://keystone:5000/v3 is expected");
    };
    // What is in there would be told by every text about it.
    if authority.as_str().contains('@') {
        return refuse("has user or password in it; they are given with -u and -w (OS_USERNAME, OS_PASSWORD)");
    }
    let path = parsed.path();
    let version_2 = ["/v2.0", "/v2"].iter().find_map(|version| path.strip_suffix(version));
    if let Some(before) = version_2 {
        let instead = format!("{}://{authority}{before}/v3", parsed.scheme_str().unwrap_or("http"));
        return refuse(&format!("is of Keystone's version 2, which is gone: write {instead}"));
    }
    if parsed.query().is_some() {
        return refuse("has a question mark in it; one like http://keystone:5000/v3 is expected");
    }
    Ok(if path.ends_with("/v3") { format!("{base}/auth/tokens") } else { format!("{base}/v3/auth/tokens") })
}

/// A domain, as Keystone wants it.
fn domain(ways: &[Given; 2]) -> Result<Value, ClientError> {
    let chosen = Given::chosen(ways, &environment)?;
    Ok(match chosen.map(|way| (way.option.ends_with("-id"), way.value)) {
        Some((true, id)) => json!({"id": id}),
        Some((false, name)) => json!({"name": name}),
        None => json!({"name": "Default"}),
    })
}

/// The project that a token is wanted for, as Keystone wants it.
fn project(settings: &CallerSettings) -> Result<Value, ClientError> {
    let ways = [
        Given::new("--project-id", "OS_PROJECT_ID", settings.project_id.as_ref()),
        Given::new("--tenant", "OS_PROJECT_NAME", settings.tenant.as_ref()),
    ];
    let chosen = Given::chosen(&ways, &environment)?;
    if let Some(id) = chosen.filter(|way| way.option == "--project-id") {
        return Ok(json!({"id": id.value}));
    }
    let domain = domain(&[
        Given::new("--project-domain-id", "OS_PROJECT_DOMAIN_ID", settings.project_domain_id.as_ref()),
        Given::new("--project-domain-name", "OS_PROJECT_DOMAIN_NAME", settings.project_domain_name.as_ref()),
    ])?;
    Ok(json!({"name": chosen.and_then(|way| way.value).unwrap_or("admin"), "domain": domain}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tokens_are_given() {
        let good = |url: &str| tokens_url(url).unwrap();
        for (url, wanted) in [
            ("http://keystone:5000/v3", "http://keystone:5000/v3/auth/tokens"),
            ("http://keystone:5000/v3/", "http://keystone:5000/v3/auth/tokens"),
            ("https://keystone/identity", "https://keystone/identity/v3/auth/tokens"),
            ("http://keystone:5000", "http://keystone:5000/v3/auth/tokens"),
        ] {
            assert_eq!(good(url), wanted);
        }
        for (url, part) in [
            ("http://keystone:5000/v2.0", "which is gone: write http://keystone:5000/v3"),
            ("https://keystone/identity/v2.0/", "write https://keystone/identity/v3"),
            ("keystone", "is no URL; one like http://keystone:5000/v3"),
            ("ftp://keystone/v3", "is no URL"),
            ("http://me:secret-word@keystone/v3", "are given with -u and -w"),
            ("http://keystone/v3?a=b", "has a question mark"),
        ] {
            let refused = tokens_url(url).unwrap_err().to_string();
            assert!(refused.contains(part) && !refused.contains("secret-word"), "{url}: {refused}");
        }
    }
}
