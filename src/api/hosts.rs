//! By which names the server may be asked. Where requests are not authenticated a page from elsewhere that lets its own name
//! lead here would otherwise be as good as a client of this machine (DNS rebinding).

use super::error::ApiError;
use actix_web::{
    HttpRequest,
    http::{StatusCode, header, uri::Authority},
};
use std::{net::IpAddr, path::Path};

/// Where the kernel tells what this machine is called.
const OWN_NAME: &str = "/proc/sys/kernel/hostname";

/// The names that are answered to. Addresses are, too: only a name can be made to lead elsewhere.
#[derive(Debug)]
pub struct AllowedHosts {
    /// In lower case.
    names: Vec<String>,
    any: bool,
}

impl AllowedHosts {
    /// The names given, `*` for any, beside `localhost` and the name of this machine.
    pub fn new(given: &[String]) -> Self {
        let own = std::fs::read_to_string(Path::new(OWN_NAME)).unwrap_or_default();
        let names = given.iter().chain([&own]).map(|name| normal(name)).filter(|name| !name.is_empty());
        Self { names: names.collect(), any: given.iter().any(|name| name.trim() == "*") }
    }

    /// Refuses a request that was sent to another name. One without a name is not of a browser.
    ///
    /// # Errors
    /// 403 with what to do about it.
    pub fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let in_line = request.uri().authority().map(Authority::as_str);
        let in_head = request.headers().get_all(header::HOST).map(|host| host.to_str().unwrap_or("?"));
        if self.any || in_head.chain(in_line).all(|host| self.has(host)) {
            return Ok(());
        }
        let text = "This server does not answer to the name in Host. If it is one of its names, say so with --allowed-hosts \
                    (CIRRUS_ALLOWED_HOSTS)";
        Err(ApiError::new(StatusCode::FORBIDDEN, text))
    }

    fn has(&self, host: &str) -> bool {
        let host = normal(without_port(host));
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
        host.is_empty()
            || address.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.names.contains(&host)
    }
}

fn normal(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_addresses_and_the_names_given_are_answered_to() {
        let hosts = AllowedHosts::new(&["Api.Example".to_owned()]);
        for host in [
            "localhost",
            "LOCALHOST:8082",
            "a.localhost:1",
            "127.0.0.1:8082",
            "10.0.0.7",
            "[::1]:8082",
            "api.example.:80",
            "",
        ] {
            assert!(hosts.has(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:8082", "api.example.evil", "127.0.0.1.evil.example", "?"] {
            assert!(!hosts.has(host), "{host}");
        }
    }
}
