//! Names of the domain name system (RFC 1035, 2.3.1; RFC 1123, 2.1).

/// Whether a text is a domain name: labels of letters, digits and inner hyphens, 255 characters, a dot at the end or not.
pub fn is_valid(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    !name.is_empty() && name.len() <= 255 && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let edges_are_plain = !label.starts_with('-') && !label.ends_with('-');
    (1..=63).contains(&label.len())
        && edges_are_plain
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn names_have_labels() {
        let long = "a".repeat(63);
        for good in ["a", "example.org", "example.org.", "1.2", "a-b.c", &long] {
            assert!(is_valid(good), "{good}");
        }
        let longer = "a".repeat(64);
        let longest = vec!["abcdefg"; 33].join(".");
        for bad in ["", ".", "a..b", "-a", "a-", "a_b", "a b", &longer, &longest] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
