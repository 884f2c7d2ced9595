//! A contrail-api somewhere: requests, and who asks.

use super::{
    ANSWER_WITHIN, ClientError, ServerSettings,
    caller::{Caller, Credential, not_accepted},
    connection::Connection,
    environment, on_one_line,
};
use serde_json::Value;
use std::{cell::RefCell, time::Duration};
use ureq::http;

/// Where a contrail-api listens.
const DEFAULT_PORT: u16 = 8082;

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

/// The name of a host as it is in a URL, and its port where it has one; nothing where that is none.
fn split_port(name: &str) -> Option<(String, Option<u16>)> {
    // The address of IPv6 is in brackets in a URL.
    if name.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some((format!("[{name}]"), None));
    }
    match name.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => {
            Some((host.to_owned(), Some(port.parse().ok()?)))
        }
        _ => Some((name.to_owned(), None)),
    }
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

/// The server. A token that somebody has is told to it at once, user and password only when it answers 401 (clients of
/// contrail-api do the same).
pub struct ApiServer {
    connection: Connection,
    base: String,
    caller: Caller,
    /// What says who asks, once that is known: a token that somebody has, or what the server has accepted.
    credential: RefCell<Option<Credential>>,
}

impl ApiServer {
    /// Knows where the server is; does not talk to it yet. The name of the tool, and whose it is, are told to the server, which
    /// may write down who changed what.
    ///
    /// # Errors
    /// When the name of the server is none, or it is contradictory who asks.
    pub fn new(settings: &ServerSettings, tool: &str) -> Result<Self, ClientError> {
        Self::with_deadline(settings, tool, ANSWER_WITHIN)
    }

    /// The same, and each answer has so much time, to its end.
    ///
    /// # Errors
    /// As [`ApiServer::new`].
    pub fn with_deadline(settings: &ServerSettings, tool: &str, answer_within: Duration) -> Result<Self, ClientError> {
        let (scheme, name) = settings.server.split_once("://").unwrap_or(("http", &settings.server));
        let name = name.trim_end_matches('/');
        if name.contains('@') {
            let text = "--server has user or password in it; they are given with -u and -w (OS_USERNAME, OS_PASSWORD)";
            return Err(ClientError::Argument(text.to_owned()));
        }
        let refuse = || ClientError::Argument(format!("--server '{}' is not the name of a host", settings.server));
        let (host, port) = split_port(name).ok_or_else(refuse)?;
        let port = match (port, settings.port) {
            (Some(named), Some(given)) if named != given && !settings.port_yields(&environment) => {
                let text = format!("--server '{}' and --port {given} contradict each other", settings.server);
                return Err(ClientError::Argument(text));
            }
            (named, given) => named.or(given).unwrap_or(DEFAULT_PORT),
        };
        let base = format!("{scheme}://{host}:{port}");
        let url: http::Uri = base.parse().map_err(|_| refuse())?;
        if host.is_empty() || host.contains('/') || !matches!(url.scheme_str(), Some("http" | "https")) {
            return Err(refuse());
        }
        let caller = Caller::new(&settings.caller)?;
        let credential = RefCell::new(caller.at_once()?);
        let connection = Connection::new(settings, user_agent(tool), answer_within)?;
        Ok(Self { connection, base, caller, credential })
    }

    /// Makes a request; null for an empty answer.
    ///
    /// # Errors
    /// The server's refusal, or why there is no answer.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let (status, text) = self.exchange(method, path, body)?;
        if status != 200 {
            let path = path.split('?').next().unwrap_or_default();
            let text = format!("{} ({} {path})", on_one_line(&text), method.name());
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

    fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, String), ClientError> {
        let url = format!("{}{path}", self.base);
        let known = self.credential.borrow().clone();
        let answer = self.send(&url, method, body, known.as_ref())?;
        if answer.0 != 401 {
            return Ok(answer);
        }
        let next = self.caller.asked(&self.base, known.as_ref(), &self.connection)?;
        let answer = self.send(&url, method, body, Some(&next))?;
        if answer.0 == 401 {
            return Err(not_accepted(&self.base, Some(&next)));
        }
        self.credential.replace(Some(next));
        Ok(answer)
    }

    fn send(
        &self,
        url: &str,
        method: Method,
        body: Option<&Value>,
        credential: Option<&Credential>,
    ) -> Result<(u16, String), ClientError> {
        let mut request = http::Request::builder().method(method.name()).uri(url);
        request = request.header("Content-Type", "application/json; charset=UTF-8");
        if let Some(credential) = credential {
            request = request.header(credential.header, &credential.value);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(body).map_err(|error| ClientError::Argument(error.to_string()))?;
        let (head, text) = self.connection.run(request)?;
        Ok((head.status.as_u16(), text))
    }
}

#[cfg(test)]
mod tests {
    use super::split_port;

    #[test]
    fn a_server_is_named_with_or_without_its_port() {
        for (name, host, port) in [
            ("localhost", "localhost", None),
            ("127.0.0.1:8082", "127.0.0.1", Some(8082)),
            ("::1", "[::1]", None),
            ("[::1]", "[::1]", None),
            ("[::1]:80", "[::1]", Some(80)),
        ] {
            assert_eq!(split_port(name), Some((host.to_owned(), port)), "{name}");
        }
        for bad in ["localhost:", "localhost:x", "localhost:65536", "[::1]:x"] {
            assert_eq!(split_port(bad), None, "{bad}");
        }
    }
}
