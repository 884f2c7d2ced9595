//! Values of settings, each with a refusal that says what is expected.

use crate::{logs::parse_filter, store::Database};
use ipnetwork::IpNetwork;
use std::{
    net::{SocketAddr, ToSocketAddrs},
    num::NonZeroUsize,
    ops::RangeInclusive,
};

/// A whole number within limits.
pub fn number(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| {
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("a whole number from {} to {} is expected", range.start(), range.end()))
    }
}

/// A whole number of things of which there has to be one.
pub fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.trim().parse().map_err(|_| "a whole number from 1 on is expected".to_owned())
}

/// A whole number of watchers.
pub fn watchers(text: &str) -> Result<usize, String> {
    text.trim().parse().map_err(|_| "a whole number is expected".to_owned())
}

/// A name, which is not empty.
pub fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() { Err("a name is expected".to_owned()) } else { Ok(name.to_owned()) }
}

/// Where to listen.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let refuse = |why: String| format!("{why}; an address with a port is expected, like 127.0.0.1:8082");
    let mut found = text.to_socket_addrs().map_err(|error| refuse(error.to_string()))?;
    found.next().ok_or_else(|| refuse("the name has no address".to_owned()))
}

/// Where to listen for who is on this machine.
pub fn loopback_address(text: &str) -> Result<SocketAddr, String> {
    let refused = || "an address of loopback with a port is expected, like 127.0.0.1:8095".to_owned();
    address(text).ok().filter(|address| address.ip().is_loopback()).ok_or_else(refused)
}

/// A network, or one address of it.
pub fn network(text: &str) -> Result<IpNetwork, String> {
    text.trim().parse().map_err(|_| "an address or a network is expected, like 10.0.0.7 or 10.0.0.0/24".to_owned())
}

/// The address of a database, unchanged.
pub fn database_url(text: &str) -> Result<String, String> {
    Database::new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// What is logged, unchanged.
pub fn log_filter(text: &str) -> Result<String, String> {
    parse_filter(text).map(|_| text.to_owned())
}

/// Where a collector of traces is, unchanged.
pub fn collector(text: &str) -> Result<String, String> {
    let expected = "http://host:4318 or https://host:4318 is expected";
    let url = reqwest::Url::parse(text).map_err(|error| format!("{error}; {expected}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(expected.to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("nothing may follow the path; {expected}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "no user and no password may stand in it (OTEL_EXPORTER_OTLP_HEADERS may say who sends it); {expected}"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_refused_with_their_limits() {
        let number = number(1..=60);
        assert_eq!((number("1"), number(" 60 ")), (Ok(1), Ok(60)));
        for bad in ["", "0", "61", "-1", "1.5", "ten", "99999999999999999999"] {
            assert_eq!(number(bad), Err("a whole number from 1 to 60 is expected".to_owned()), "{bad}");
        }
        assert!(count("0").is_err() && count("x").is_err() && count("7").is_ok());
    }

    #[test]
    fn collectors_are_looked_at() {
        for good in ["http://127.0.0.1:4318", "https://otlp.example/collect/"] {
            assert_eq!(collector(good), Ok(good.to_owned()));
        }
        for bad in ["x", "grpc://host:4317", "http://", "http://me:secret@host", "http://host/?a=b", "http://host#a"] {
            let refused = collector(bad).unwrap_err();
            assert!(refused.contains("http://host:4318 or https://host:4318 is expected"), "{bad}: {refused}");
        }
    }

    #[test]
    fn addresses_of_databases_are_looked_at() {
        assert!(database_url("postgresql://cirrus:secret@db.example/cirrus").is_ok());
        for bad in ["x", "http://db/cirrus", "postgresql://db:port/cirrus", "postgresql://db/cirrus?sslmode=perhaps"] {
            let refused = database_url(bad).unwrap_err();
            assert!(refused.contains("postgresql://user:password@host/name is expected"), "{bad}: {refused}");
        }
    }
}
