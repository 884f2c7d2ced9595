//! `Idempotency-Key`: a request that a client may send again, and that is done once. What was answered is kept with what was
//! done, by the writer; what does not go through it can't be kept, and is refused with a key rather than done twice
//! (`conditions.rs`).

use super::error::{Answered, ApiError};
use crate::{
    access::Identity,
    store::idempotency::{Key, Keyed},
};
use actix_web::{HttpRequest, http::header::HeaderName};
use sha2::{Digest, Sha256};

/// What a client names a request by.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// In the answer to a request that was done before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How many characters a key has at most.
pub const LONGEST_KEY: usize = 255;

/// The key of a request, and what it is the key of, as far as that has been read.
pub struct KeyHeader {
    /// None if it is not one.
    text: Option<String>,
    digest: Sha256,
}

impl KeyHeader {
    /// That of a request, if it has one.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        let mut values = request.headers().get_all(KEY);
        let first = values.next()?;
        let only = values.next().is_none().then(|| first.as_bytes());
        let text = only.filter(|text| is_key(text)).map(|text| String::from_utf8_lossy(text).into_owned());
        let mut digest = Sha256::new();
        // None of them has a NUL, so no two requests look the same.
        for part in [request.method().as_str(), request.uri().path(), request.query_string()] {
            digest.update(part);
            digest.update([0]);
        }
        Some(Self { text, digest })
    }

    /// The next piece of the body.
    pub fn read(&mut self, piece: &[u8]) {
        self.digest.update(piece);
    }

    /// What the writer is told, when the body has been read.
    ///
    /// # Errors
    /// 400 for what is no key.
    pub fn keyed(&self, identity: &Identity) -> Answered<Keyed> {
        let text = self.text.clone().ok_or_else(|| {
            let text =
                format!("Bad Request, Idempotency-Key must be 1 to {LONGEST_KEY} visible ASCII characters, given once");
            ApiError::bad_request(text)
        })?;
        Ok(Keyed {
            key: Key { who: identity.owner_of_keys(), text },
            fingerprint: self.digest.clone().finalize().into(),
        })
    }
}

fn is_key(text: &[u8]) -> bool {
    (1..=LONGEST_KEY).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn key(headers: &[(&str, &str)], method: &str, uri: &str, body: &[&str]) -> Keyed {
        let method = method.parse().unwrap();
        let request = TestRequest::with_uri(uri).method(method);
        let request = headers.iter().fold(request, |request, header| request.append_header(*header)).to_http_request();
        let mut key = KeyHeader::of(&request).unwrap();
        for piece in body {
            key.read(piece.as_bytes());
        }
        key.keyed(&Identity::server("test")).unwrap()
    }

    #[test]
    fn a_request_is_told_by_method_path_query_and_body() {
        let headers = [("Idempotency-Key", "k")];
        let first = key(&headers, "POST", "/projects?strict=true", &["ab", "c"]);
        assert_eq!(first, key(&headers, "POST", "/projects?strict=true", &["a", "bc"]), "however it arrives");
        for (method, uri, body) in [
            ("PUT", "/projects?strict=true", "abc"),
            ("POST", "/project?strict=true", "abc"),
            ("POST", "/projects?strict=tru", "abc"),
            ("POST", "/projects", "strict=trueabc"),
            ("POST", "/projects?strict=true", "abd"),
        ] {
            let other = key(&headers, method, uri, &[body]);
            assert_ne!(first.fingerprint, other.fingerprint, "{method} {uri} {body}");
            assert_eq!(first.key, other.key);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let longest = "k".repeat(LONGEST_KEY);
        let too_long = "k".repeat(LONGEST_KEY + 1);
        assert_eq!(key(&[("Idempotency-Key", &longest)], "POST", "/projects", &[]).key.text, longest);
        assert!(KeyHeader::of(&TestRequest::default().to_http_request()).is_none());
        for given in [&[""][..], &["a b"], &["k\u{fc}"], &[&too_long], &["a", "a"], &["a\tb"]] {
            let request = TestRequest::default();
            let request = given.iter().fold(request, |request, text| request.append_header(("Idempotency-Key", *text)));
            let refused =
                KeyHeader::of(&request.to_http_request()).unwrap().keyed(&Identity::server("test")).unwrap_err();
            assert!(refused.status == 400 && refused.text.contains("Idempotency-Key must be 1 to 255"), "{given:?}");
        }
    }
}
