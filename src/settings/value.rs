//! Values of settings, each with a refusal that says what is expected.

use crate::store::Database;
use ipnetwork::IpNetwork;
use std::{
    net::{SocketAddr, ToSocketAddrs},
    num::NonZeroUsize,
    ops::RangeInclusive,
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

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

/// What is logged, unchanged. A word that is no level would be taken as the name of a part of the program that says
/// nothing, and everything else would be silent.
pub fn log_filter(text: &str) -> Result<String, String> {
    let expected = "error, warn, info, debug, trace or off is expected, or several like info,cirrus=debug";
    let is_word = |part: &&str| !part.is_empty() && !part.contains(['=', '[']);
    let unknown = text.split(',').map(str::trim).filter(is_word).find(|part| part.parse::<LevelFilter>().is_err());
    match (unknown, EnvFilter::try_new(text)) {
        (Some(word), _) => Err(format!("'{word}' is no level; {expected}")),
        (None, Err(error)) => Err(format!("{error}; {expected}")),
        (None, Ok(_)) => Ok(text.to_owned()),
    }
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
    fn filters_are_levels_or_name_one() {
        for good in
            ["info", "WARN", "off", "info,sqlx=warn,actix_server=warn", "cirrus=debug", "info,cirrus[{a}]=trace", ""]
        {
            assert_eq!(log_filter(good), Ok(good.to_owned()), "{good}");
        }
        for bad in ["nosuchlevel", "info,debugg", "cirrus=loud", "cirrus"] {
            let refused = log_filter(bad).unwrap_err();
            assert!(refused.contains("debug, trace or off is expected"), "{bad}: {refused}");
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
