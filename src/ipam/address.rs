//! Addresses and prefixes as text, as members of JSON objects and as numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};

/// Reads an address. What the address library of contrail-api takes beyond the usual notation is refused: blanks, a
/// prefix length, integers, fewer octets than four. An octet of IPv4 may begin with zeros where that makes no
/// difference: some read it as octal then, others as decimal. The normal form is what `Display` writes.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| match octets(text)?.as_slice() {
        [a, b, c, d] => Some(IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d))),
        _ => None,
    })
}

/// Reads the address of a prefix. Octets of IPv4 that are left out at the end are zero: `10.9.8` is `10.9.8.0`.
pub fn parse_prefix_address(text: &str) -> Option<IpAddr> {
    parse_address(text).or_else(|| {
        match octets(text)?.as_slice() {
            [a] => Some(Ipv4Addr::new(*a, 0, 0, 0)),
            [a, b] => Some(Ipv4Addr::new(*a, *b, 0, 0)),
            [a, b, c] => Some(Ipv4Addr::new(*a, *b, *c, 0)),
            _ => None,
        }
        .map(IpAddr::V4)
    })
}

/// Writes an IPv4 address in its usual notation; other values stay as they are.
pub fn write_usual_notation(value: &mut Value) {
    if let Some(address) = value.as_str().and_then(parse_address).filter(IpAddr::is_ipv4) {
        *value = address.to_string().into();
    }
}

/// What to say after a text that was refused as an address, if there is more to say than that it is none.
pub fn why_refused(text: &str) -> String {
    let ambiguous = |octet: &&str| is_number(octet) && octet.starts_with('0') && octet_of(octet).is_none();
    match text.trim().split('.').find(ambiguous) {
        None => String::new(),
        Some(octet) => format!(" (is {octet} octal or decimal? Write octets without leading zeros)"),
    }
}

/// The octets of an address of IPv4, or of its beginning.
fn octets(text: &str) -> Option<Vec<u8>> {
    text.split('.').map(octet_of).collect()
}

/// An octet that is the same number in octal and in decimal if it looks like octal.
fn octet_of(text: &str) -> Option<u8> {
    let octet = text.parse().ok().filter(|_| is_number(text))?;
    (text.len() == 1 || !text.starts_with('0') || octet < 8).then_some(octet)
}

fn is_number(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The prefix of a subnet entry, from its member `subnet`, without host bits. None for a flat handle, which has no
/// such member, and for one that is malformed.
pub fn parse_prefix(entry: &Value) -> Option<IpNetwork> {
    prefix_of(entry.as_object()?)
}

/// The same for the members of an entry.
pub(super) fn prefix_of(entry: &Map<String, Value>) -> Option<IpNetwork> {
    let subnet = entry.get("subnet")?.as_object()?;
    let address = parse_prefix_address(subnet.get("ip_prefix")?.as_str()?)?;
    let length = match subnet.get("ip_prefix_len")? {
        Value::Number(number) => u8::try_from(number.as_u64()?).ok()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    normal(IpNetwork::new(address, length).ok()?)
}

/// A prefix as contrail-api writes it: `11.1.1.0/24`.
pub fn prefix_name(prefix: IpNetwork) -> String {
    format!("{}/{}", prefix.network(), prefix.prefix())
}

/// Whether two prefixes have an address in common.
pub fn overlap(one: IpNetwork, other: IpNetwork) -> bool {
    let (one_first, one_last) = bounds(one);
    let (other_first, other_last) = bounds(other);
    one.is_ipv4() == other.is_ipv4() && one_first <= other_last && other_first <= one_last
}

fn normal(prefix: IpNetwork) -> Option<IpNetwork> {
    IpNetwork::new(prefix.network(), prefix.prefix()).ok()
}

/// The first and the last address of a prefix, as numbers.
pub(super) fn bounds(prefix: IpNetwork) -> (u128, u128) {
    let width: u8 = if prefix.is_ipv4() { 32 } else { 128 };
    let host_bits = u32::from(width.saturating_sub(prefix.prefix()));
    // A shift by all 128 bits is no shift to Rust: it stands for a prefix of one address.
    let host_mask = u128::MAX.checked_shr(128 - host_bits).unwrap_or(0);
    let first = number_of(prefix.ip()) & !host_mask;
    (first, first | host_mask)
}

/// An address as a number; the family is not part of it.
pub(super) fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of a family with this number. What lies beyond the end of IPv4 is its last address.
pub(super) fn address_of(v4: bool, number: u128) -> IpAddr {
    if v4 {
        IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(number))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{bounds, overlap, parse_address, parse_prefix, parse_prefix_address, prefix_name};
    use super::{why_refused, write_usual_notation};

    #[test]
    fn takes_only_the_usual_notation() {
        for text in [
            "",
            " 11.1.1.1",
            "11.1.1.1/32",
            "184615169",
            "11.1.1",
            "11.1.1.",
            "11.1.1.1.1",
            "11.1.1.+1",
            "11.1.1.0001",
            "fe80::1%eth0",
            "300.0.0.1",
            "::ffff:11.1.1.01",
        ] {
            assert_eq!(parse_address(text), None, "{text}");
            assert_eq!(why_refused(text), "", "{text}");
        }
        let address = parse_address("FD14:0:0:0::00AB").map(|address| address.to_string());
        assert_eq!(address.as_deref(), Some("fd14::ab"));
    }

    #[test]
    fn leading_zeros_are_taken_where_octal_and_decimal_are_the_same() {
        for (text, address) in [("10.20.0.01", "10.20.0.1"), ("00.000.07.007", "0.0.7.7"), ("010.1.1.1", "")] {
            assert_eq!(parse_address(text).map(|address| address.to_string()).unwrap_or_default(), address);
        }
        for (text, octet) in [("10.20.0.010", "010"), ("08.1.1.1", "08"), ("1.099.1.1", "099"), ("010.1", "010")] {
            assert_eq!(parse_prefix_address(text), None);
            let why = format!(" (is {octet} octal or decimal? Write octets without leading zeros)");
            assert_eq!(why_refused(text), why);
        }
        for (value, written) in [("10.20.0.01", "10.20.0.1"), ("10.20.0.010", "10.20.0.010"), ("FD14::1", "FD14::1")] {
            let mut value = json!(value);
            write_usual_notation(&mut value);
            assert_eq!(value, written);
        }
    }

    #[test]
    fn the_address_of_a_prefix_may_be_short() {
        for (text, address) in [
            ("0", "0.0.0.0"),
            ("10", "10.0.0.0"),
            ("1.1", "1.1.0.0"),
            ("10.9.8", "10.9.8.0"),
            ("10.09", ""),
            ("10.", ""),
            (".1", ""),
            ("256", ""),
            ("fd00", ""),
        ] {
            let parsed = parse_prefix_address(text).map(|address| address.to_string()).unwrap_or_default();
            assert_eq!(parsed, address, "{text}");
        }
    }

    #[test]
    fn reads_and_normalises_prefixes() {
        for (prefix, length, name) in [
            ("11.1.1.77", json!(24), Some("11.1.1.0/24")),
            ("11.1.1.77", json!("24"), Some("11.1.1.0/24")),
            ("FD00:1:1:1::7", json!(64), Some("fd00:1:1:1::/64")),
            ("::ffff", json!(104), Some("::/104")),
            ("0.0.0.0", json!(8), Some("0.0.0.0/8")),
            ("11.1.1.0", json!(33), None),
            ("11.1.1.0", json!(null), None),
            ("haha", json!(24), None),
        ] {
            let entry = json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}});
            assert_eq!(parse_prefix(&entry).map(prefix_name).as_deref(), name, "{prefix}/{length}");
        }
        assert_eq!(parse_prefix(&json!({"subnet_uuid": "x"})), None);
        assert_eq!(parse_prefix(&json!({"subnet": null})), None);
    }

    #[test]
    fn bounds_reach_both_ends() {
        assert_eq!(bounds("0.0.0.0/0".parse().unwrap()), (0, u128::from(u32::MAX)));
        assert_eq!(bounds("::/0".parse().unwrap()), (0, u128::MAX));
        assert_eq!(bounds("::1/128".parse().unwrap()), (1, 1));
        assert_eq!(bounds("ffff::/16".parse().unwrap()), (0xffff << 112, u128::MAX));
    }

    #[test]
    fn families_never_overlap() {
        assert!(!overlap("0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()));
        assert!(overlap("11.1.1.0/24".parse().unwrap(), "11.1.1.128/25".parse().unwrap()));
        assert!(!overlap("11.1.1.0/25".parse().unwrap(), "11.1.1.128/25".parse().unwrap()));
    }
}
