//! A contrail-api somewhere: requests, and who asks.

use super::{ClientError, ServerSettings};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{cell::RefCell, time::Duration};
use ureq::{Agent, Body, http};

/// How large an answer may be, in bytes.
const LARGEST_ANSWER: u64 = 1 << 30;

/// `cirrus-watch/0.1.0 alice@host`.
fn user_agent(tool: &str) -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| variable("HOSTNAME"));
    let host = host.unwrap_or_else(|| "unknown".to_owned());
    let text = format!("cirrus-{tool}/{} {user}@{}", env!("CARGO_PKG_VERSION"), host.trim());
    // A header holds no more than that.
    text.chars()
        .map(|character| if character == ' ' || character.is_ascii_graphic() { character } else { '?' })
        .collect()
}

/// What requests are made with.
#[derive(Clone, Copy)]
pub enum Method {
    /// Read.
    Get,
    /// Create, or act.
    Post,
    /// Change.
    Put,
    /// Delete.
    Delete,
}

impl Method {
    fn name(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Delete => http::Method::DELETE,
        }
    }
}

/// The server. Who asks is only told when it answers 401 (clients of contrail-api do the same).
pub struct ApiServer {
    agent: Agent,
    base: String,
    settings: ServerSettings,
    /// The header that says who asks, once it was needed.
    credentials: RefCell<Option<(&'static str, String)>>,
}

impl ApiServer {
    /// Knows where the server is; does not talk to it yet. The name of the tool, and whose it is, are told to the server, which
    /// may write down who changed what.
    ///
    /// # Errors
    /// When the name of the server is none.
    pub fn new(settings: &ServerSettings, tool: &str) -> Result<Self, ClientError> {
        let (scheme, name) = settings.server.split_once("://").unwrap_or(("http", &settings.server));
        let name = name.trim_end_matches('/');
        // The address of IPv6 is in brackets in a URL.
        let host = if name.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
        let base = format!("{scheme}://{host}:{}", settings.port);
        let refuse = || ClientError::Argument(format!("--server '{}' is not the name of a host", settings.server));
        let url: http::Uri = base.parse().map_err(|_| refuse())?;
        if host.is_empty() || host.contains('/') || !matches!(url.scheme_str(), Some("http" | "https")) {
            return Err(refuse());
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(user_agent(tool))
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_mins(2)))
            .build()
            .new_agent();
        Ok(Self { agent, base, settings: settings.clone(), credentials: RefCell::new(None) })
    }

    /// Makes a request; null for an empty answer.
    ///
    /// # Errors
    /// The server's refusal, or why there is no answer.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let (status, text) = self.exchange(method, path, body)?;
        if status != 200 {
            let text = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            return Err(ClientError::Refused { server: self.base.clone(), status, text });
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let refuse = |error: serde_json::Error| ClientError::Refused {
            server: self.base.clone(),
            status,
            text: format!("what is no JSON ({error}); is it a contrail-api?"),
        };
        serde_json::from_str(&text).map_err(refuse)
    }

    /// The same, with nothing for what does not exist.
    ///
    /// # Errors
    /// The server's other refusals, or why there is no answer.
    pub fn call_unless_absent(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, ClientError> {
        match self.call(method, path, body) {
            Err(ClientError::Refused { status: 404, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, String), ClientError> {
        let url = format!("{}{path}", self.base);
        let known = self.credentials.borrow().clone();
        let answer = self.send(&url, method, body, known.as_ref())?;
        if answer.0 != 401 || known.is_some() {
            return Ok(answer);
        }
        let credentials = self.authenticate()?;
        let answer = self.send(&url, method, body, Some(&credentials))?;
        if answer.0 == 401 {
            let text = format!("{} does not accept user and password", self.base);
            return Err(ClientError::Authentication(text));
        }
        self.credentials.replace(Some(credentials));
        Ok(answer)
    }

    fn send(
        &self,
        url: &str,
        method: Method,
        body: Option<&Value>,
        credentials: Option<&(&'static str, String)>,
    ) -> Result<(u16, String), ClientError> {
        let mut request = http::Request::builder().method(method.name()).uri(url);
        request = request.header("Content-Type", "application/json; charset=UTF-8");
        if let Some((name, value)) = credentials {
            request = request.header(*name, value);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(body).map_err(|error| ClientError::Argument(error.to_string()))?;
        let (head, text) = self.run(request)?;
        Ok((head.status.as_u16(), text))
    }

    fn run(&self, request: http::Request<String>) -> Result<(http::response::Parts, String), ClientError> {
        let server = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let unreachable = |error: ureq::Error| ClientError::Unreachable(server.clone(), error.to_string());
        let (head, mut body): (_, Body) = self.agent.run(request).map_err(unreachable)?.into_parts();
        let text = body.with_config().limit(LARGEST_ANSWER).read_to_string().map_err(unreachable)?;
        Ok((head, text))
    }

    /// The header for user and password: a token of Keystone, or they themselves.
    fn authenticate(&self) -> Result<(&'static str, String), ClientError> {
        let settings = &self.settings;
        let (Some(user), Some(password)) = (&settings.user, &settings.password) else {
            let text = format!("{} wants to know who asks: give user (-u) and password (-w)", self.base);
            return Err(ClientError::Authentication(text));
        };
        let Some(url) = settings.auth_url.as_deref().map(|url| url.trim_end_matches('/')) else {
            return Ok(("Authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))));
        };
        let (path, body) = if url.ends_with("/v2.0") {
            let credentials = json!({"username": user, "password": password});
            ("/tokens", json!({"auth": {"passwordCredentials": credentials, "tenantName": settings.tenant}}))
        } else {
            let domain = |variable: &str| {
                let name = std::env::var(variable).ok().filter(|name| !name.is_empty());
                json!({"name": name.unwrap_or_else(|| "Default".to_owned())})
            };
            let user = json!({"name": user, "password": password, "domain": domain("OS_USER_DOMAIN_NAME")});
            let identity = json!({"methods": ["password"], "password": {"user": user}});
            let project = json!({"name": settings.tenant, "domain": domain("OS_PROJECT_DOMAIN_NAME")});
            let path = if url.ends_with("/v3") { "/auth/tokens" } else { "/v3/auth/tokens" };
            (path, json!({"auth": {"identity": identity, "scope": {"project": project}}}))
        };
        let request = http::Request::post(format!("{url}{path}")).header("Content-Type", "application/json");
        let refuse = |why: String| ClientError::Authentication(format!("Keystone at {url}: {why}"));
        let request = request.body(body.to_string()).map_err(|error| refuse(error.to_string()))?;
        let (head, text) = self.run(request)?;
        let in_header = head.headers.get("X-Subject-Token").and_then(|token| token.to_str().ok()).map(str::to_owned);
        let in_body = || {
            let body: Value = serde_json::from_str(&text).ok()?;
            body.pointer("/access/token/id")?.as_str().map(str::to_owned)
        };
        let token = in_header.or_else(in_body).filter(|_| head.status.is_success());
        let token = token.ok_or_else(|| refuse(format!("no token for this user, status {}", head.status.as_u16())))?;
        Ok(("X-Auth-Token", token))
    }
}
