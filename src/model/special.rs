//! Checks that go beyond the types of the schema. contrail-api has them beside its schema too.

use crate::{ipam, python_literal};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// The well-known communities that may stand in place of two numbers.
const WELL_KNOWN_COMMUNITIES: [&str; 5] =
    ["no-export", "accept-own", "no-advertise", "no-export-subconfed", "no-reoriginate"];

/// Shortest prefixes that two active-standby ports may share (contrail-api, VMI-C7).
const SHORTEST_STANDBY_PREFIX_V4: i128 = 24;
const SHORTEST_STANDBY_PREFIX_V6: i128 = 120;

/// A BGP community: a well-known name, or two numbers of which the first is a 2 byte AS number.
///
/// contrail-api lets a third number pass (types, section 16); no router can use it, so it is refused.
pub(super) fn check_community(community: &str) -> Result<(), String> {
    if WELL_KNOWN_COMMUNITIES.contains(&community) {
        return Ok(());
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((system, _)) = community.split_once(':').filter(|(system, value)| is_number(system) && is_number(value))
    else {
        return Err(format!("Invalid community format {community}. Change to 'number:number'"));
    };
    // Digits that do not fit are out of range as well.
    if system.parse::<u16>().is_err() {
        return Err(format!("Out of range ASN value {community}. ASN values cannot exceed 65535."));
    }
    Ok(())
}

/// The role of an interface of a service: a fixed name, or `other` and a number (VMI-C9).
pub(super) fn check_service_interface(name: &str) -> Result<(), String> {
    let is_other =
        |name: &str| name.strip_prefix("other").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    if matches!(name, "management" | "left" | "right") || is_other(name) {
        return Ok(());
    }
    Err(format!("Invalid service interface type {name}. Valid values are: management|left|right|other[0-9]*"))
}

/// Brings a subnet to its one spelling: no host bits, IPv6 in short lower case, all octets of IPv4, the length as a
/// number (wire contract 2.6).
pub(super) fn normalise_subnet(subnet: &mut Map<String, Value>) -> Result<(), String> {
    let prefix = subnet.get("ip_prefix").unwrap_or(&Value::Null);
    let length = subnet.get("ip_prefix_len").unwrap_or(&Value::Null);
    let network = parse_network(prefix, length).ok_or_else(|| invalid_subnet(prefix, length))?;
    subnet.insert("ip_prefix".to_owned(), network.network().to_string().into());
    subnet.insert("ip_prefix_len".to_owned(), network.prefix().into());
    Ok(())
}

fn invalid_subnet(prefix: &Value, length: &Value) -> String {
    let [prefix, length] = [prefix, length].map(python_literal::text);
    format!("Subnet type '{prefix}/{length}' is invalid{}", ipam::why_refused(&prefix))
}

fn parse_network(prefix: &Value, length: &Value) -> Option<IpNetwork> {
    if length.is_boolean() {
        return None;
    }
    let address = ipam::parse_prefix_address(prefix.as_str()?.trim())?;
    let length = u8::try_from(to_integer(length)?).ok()?;
    IpNetwork::new(address, length).ok()
}

/// The prefix of an address pair begins with no blanks, unlike that of other subnets. An address that several ports use
/// in turn must not cover many addresses (VMI-C7). Everything else is left to the check of the fields.
pub(super) fn check_allowed_address_pair(pair: &Map<String, Value>) -> Result<(), String> {
    let subnet = match pair.get("ip") {
        Some(Value::Object(subnet)) => Some(subnet),
        None | Some(Value::Null) => None,
        Some(_) => return Ok(()),
    };
    let field = |name: &str| subnet.and_then(|subnet| subnet.get(name)).unwrap_or(&Value::Null);
    let prefix = field("ip_prefix");
    let text = prefix.as_str().filter(|text| !text.starts_with(char::is_whitespace));
    if pair.get("address_mode").and_then(Value::as_str) != Some("active-standby") {
        let is_good = text.is_some() || !prefix.is_string();
        return if is_good { Ok(()) } else { Err(invalid_subnet(prefix, field("ip_prefix_len"))) };
    }
    let Some(address) = text.and_then(|text| ipam::parse_prefix_address(text.trim())) else {
        let text = python_literal::text(prefix);
        let why = ipam::why_refused(&text);
        return Err(format!("failed to detect a valid IP address from {}{why}", python_literal::string(&text)));
    };
    let Some(length) = to_integer(field("ip_prefix_len")) else {
        return Ok(());
    };
    match address {
        IpAddr::V4(_) if length < SHORTEST_STANDBY_PREFIX_V4 => Err(format!(
            "IPv4 Prefix length lesser than {SHORTEST_STANDBY_PREFIX_V4}:it is {length} - is not acceptable"
        )),
        IpAddr::V6(_) if length < SHORTEST_STANDBY_PREFIX_V6 => {
            Err(format!("IPv6 Prefix length lesser than {SHORTEST_STANDBY_PREFIX_V6} is is not acceptable"))
        }
        _ => Ok(()),
    }
}

/// The integer that Python's `int` makes of a value, as far as 64 bits hold it: floats lose their
/// fraction, strings may have blanks around them and a sign, `true` counts as 1.
pub(super) fn to_integer(value: &Value) -> Option<i128> {
    const LOWEST: i128 = i64::MIN as i128;
    const HIGHEST: i128 = u64::MAX as i128;
    let integer = match value {
        Value::Bool(boolean) => i128::from(*boolean),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => i128::from(integer),
            (None, Some(integer)) => i128::from(integer),
            // The limits below refuse what was too large; a number from JSON is never infinite.
            #[expect(clippy::cast_possible_truncation, reason = "the fraction is meant to go")]
            (None, None) => number.as_f64()?.trunc() as i128,
        },
        Value::String(string) => string.trim().parse().ok()?,
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (LOWEST..=HIGHEST).contains(&integer).then_some(integer)
}
