//! Tokens that the server makes itself: what they look like, and what is kept of them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::fmt::Write;

/// How each token begins that was made here, so that one that got somewhere by mistake is found.
pub const PREFIX: &str = "cirrus_";
/// How the name of a digest begins.
pub const SHA_256: &str = "sha256-";

/// What is kept of a token.
pub type Digest = [u8; 32];

/// The digest of a token. Tokens are only ever compared by it: how long that takes tells nothing of them.
pub fn digest(token: &str) -> Digest {
    Sha256::digest(token.as_bytes()).into()
}

/// `sha256-` and 64 hexadecimal digits.
pub fn digest_name(digest: &Digest) -> String {
    let mut name = SHA_256.to_owned();
    for byte in digest {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// The digest of a name; none if it is none.
pub fn read_digest(name: &str) -> Option<Digest> {
    let digits = name.strip_prefix(SHA_256)?;
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = Digest::default();
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// A new token: 256 bits that nobody can guess.
///
/// # Errors
/// When the system has no random numbers.
pub fn make() -> Result<String, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_none_is_made_twice() {
        let (one, other) = (make().unwrap(), make().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert!(one.starts_with(PREFIX));
    }

    #[test]
    fn digests_have_one_name() {
        let name = digest_name(&digest("abc"));
        assert_eq!(name, "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(read_digest(&name), Some(digest("abc")));
        assert_eq!(read_digest(&name.to_uppercase()), None);
        assert_eq!(read_digest(&name.replace("ad", "AD")), Some(digest("abc")));
        for bad in ["", "sha256-", &name[1..], &name[..70], &format!("{name}0"), "sha256-ü", &name.replace("ad", "xx")]
        {
            assert_eq!(read_digest(bad), None, "{bad}");
        }
    }
}
