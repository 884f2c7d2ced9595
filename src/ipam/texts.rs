//! Texts of refusals that clients of contrail-api know.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Subnet;

/// The text for an address that is held or reserved, with 409.
pub const ADDRESS_IN_USE: &str = "IP address already in use";

/// No subnet of the network has a free address. `prefixes` are the ones tried in the last stage of the search.
pub fn exhausted(fq_name: &[impl AsRef<str>], prefixes: &[impl AsRef<str>]) -> String {
    format!(
        "Virtual-Network({}) has exhausted subnet({})",
        python_list(fq_name),
        python_list(prefixes)
    )
}

/// The network has no subnet of its own.
pub fn no_defined_subnets(fq_name: &[impl AsRef<str>]) -> String {
    format!(
        "Virtual-Network({}) has no defined subnets",
        python_list(fq_name)
    )
}

/// The network has no subnet with this UUID.
pub fn unknown_subnet(fq_name: &[impl AsRef<str>], subnet_uuid: &str) -> String {
    format!(
        "Virtual-Network({}) has invalid subnet({subnet_uuid})",
        python_list(fq_name)
    )
}

/// An address was asked for that is not the first of its unit; `owner` is the name of the network or ipam joined by
/// colons.
pub fn misaligned(owner: &str, subnet: &Subnet, address: IpAddr) -> String {
    invalid_unit(
        owner,
        &subnet.name(),
        subnet.unit,
        &format!("Requested IP address {address} not aligned"),
    )
}

/// Something is wrong with an allocation unit.
pub(super) fn invalid_unit(
    owner: &str,
    prefix: &str,
    unit: impl std::fmt::Display,
    reason: &str,
) -> String {
    format!(
        "Virtual-Network({owner}:{prefix}) has invalid alloc_unit({unit}) in subnet({prefix}) reason: {reason}"
    )
}

/// Something is wrong with a subnet; `what` is the prefix, with a colon and the reason when there is one to give.
pub(super) fn invalid_subnet(owner: &str, what: &str) -> String {
    format!("Virtual-Network({owner}) has invalid subnet({what})")
}

/// A list of strings as Python prints it, which is how names appear in texts.
pub fn python_list(items: &[impl AsRef<str>]) -> String {
    let mut text = String::from("[");
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            text.push_str(", ");
        }
        push_quoted(&mut text, item.as_ref());
    }
    text.push(']');
    text
}

fn push_quoted(text: &mut String, item: &str) {
    let quote = if item.contains('\'') && !item.contains('"') {
        '"'
    } else {
        '\''
    };
    text.push(quote);
    for character in item.chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            control if control.is_ascii_control() => {
                // Writing to a String does not fail.
                let _ = write!(text, "\\x{:02x}", u32::from(control));
            }
            plain => {
                if plain == quote {
                    text.push('\\');
                }
                text.push(plain);
            }
        }
    }
    text.push(quote);
}

#[cfg(test)]
mod tests {
    use super::{exhausted, no_defined_subnets, python_list, unknown_subnet};

    #[test]
    fn lists_look_like_python() {
        assert_eq!(python_list(&[] as &[&str]), "[]");
        assert_eq!(
            python_list(&["a", "it's", "\"", "'\""]),
            r#"['a', "it's", '"', '\'"']"#
        );
        assert_eq!(python_list(&["a\\b\n\u{1}"]), r"['a\\b\n\x01']");
    }

    #[test]
    fn names_and_prefixes_are_lists() {
        let network = ["default-domain", "p", "vn"];
        assert_eq!(
            exhausted(&network, &[] as &[&str]),
            "Virtual-Network(['default-domain', 'p', 'vn']) has exhausted subnet([])"
        );
        assert_eq!(
            exhausted(&network, &["11.1.1.0/28", "12.1.1.0/28"]),
            "Virtual-Network(['default-domain', 'p', 'vn']) has exhausted subnet(['11.1.1.0/28', '12.1.1.0/28'])"
        );
        assert_eq!(
            no_defined_subnets(&network),
            "Virtual-Network(['default-domain', 'p', 'vn']) has no defined subnets"
        );
        assert_eq!(
            unknown_subnet(&["n"], "u"),
            "Virtual-Network(['n']) has invalid subnet(u)"
        );
    }
}
