//! What a browser keeps while somebody signs in at an issuer. Servers behind a balancer share nothing, so all of it is in a
//! cookie.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A longer place to go to afterwards, in bytes, is forgotten: the cookie has to be one that browsers keep.
const LONGEST_PLACE: usize = 2000;

/// Secrets of one attempt to sign in. They are not shown anywhere, so it is not `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What the issuer's answer has to repeat: it is to this attempt, and of this browser.
    state: String,
    /// What the token has to repeat.
    pub(super) nonce: String,
    /// What only who has begun can show when the code is exchanged (PKCE, RFC 7636).
    pub(super) verifier: String,
    /// Where to go when all is well; empty if that was too long.
    pub to: String,
}

impl Attempt {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(to: &str) -> Result<Self, getrandom::Error> {
        let to = if to.len() > LONGEST_PLACE { "" } else { to };
        Ok(Self { state: random()?, nonce: random()?, verifier: random()?, to: to.to_owned() })
    }

    /// As it stands in a cookie.
    pub fn cookie(&self) -> String {
        let to = URL_SAFE_NO_PAD.encode(&self.to);
        [self.state.as_str(), &self.nonce, &self.verifier, &to].join(".")
    }

    /// From a cookie; none if it is not one that was made here.
    pub fn read(cookie: &str) -> Option<Self> {
        let mut parts = cookie.split('.');
        let mut secret = || parts.next().filter(|part| part.len() == LENGTH).map(str::to_owned);
        let (state, nonce, verifier) = (secret()?, secret()?, secret()?);
        let to = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
        parts.next().is_none().then_some(Self { state, nonce, verifier, to })
    }

    /// Whether an answer with this state is to it.
    pub fn is_answered_by(&self, state: &str) -> bool {
        self.state.as_bytes().ct_eq(state.as_bytes()).into()
    }

    /// What the issuer is told at first of the verifier: its digest (`S256`).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }

    /// The arguments with which somebody is sent to the issuer, beside those that are the same for all.
    pub(super) fn arguments(&self) -> [(&'static str, String); 4] {
        [
            ("state", self.state.clone()),
            ("nonce", self.nonce.clone()),
            ("code_challenge", self.challenge()),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }
}

/// How many characters each secret has.
const LENGTH: usize = 43;

/// 256 bits that nobody can guess, as text.
fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_has_all_of_it() {
        let attempt = Attempt::new("/ui/type/virtual-network?parent=a;b").unwrap();
        let cookie = attempt.cookie();
        assert!(cookie.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{cookie}");
        assert!(Attempt::read(&cookie) == Some(attempt.clone()));
        let secrets = [&attempt.state, &attempt.nonce, &attempt.verifier];
        assert!(secrets.iter().all(|secret| secret.len() == LENGTH));
        assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2] && secrets[0] != secrets[2]);
        assert!(Attempt::new("").unwrap() != Attempt::new("").unwrap());
        let long = Attempt::new(&"/".repeat(LONGEST_PLACE + 1)).unwrap();
        assert!(long.to.is_empty() && long.cookie().len() < 4000);
        let longest = Attempt::new(&"/".repeat(LONGEST_PLACE)).unwrap();
        assert!(!longest.to.is_empty() && longest.cookie().len() < 4000);
    }

    #[test]
    fn what_was_not_made_here_is_no_attempt() {
        let cookie = Attempt::new("/ui/").unwrap().cookie();
        for bad in ["", "...", "a.b.c.d", &format!("{cookie}.x"), &cookie[1..], &format!("{cookie}!")] {
            assert!(Attempt::read(bad).is_none(), "{bad}");
        }
        let (secrets, _) = cookie.rsplit_once('.').unwrap();
        assert!(Attempt::read(secrets).is_none());
    }

    #[test]
    fn only_its_own_state_is_an_answer() {
        let (one, other) = (Attempt::new("").unwrap(), Attempt::new("").unwrap());
        assert!(one.is_answered_by(&one.state));
        for state in ["", &other.state, &one.nonce, &one.state[1..], &format!("{}x", one.state)] {
            assert!(!one.is_answered_by(state));
        }
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let attempt = Attempt { verifier, ..Attempt::new("").unwrap() };
        assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
