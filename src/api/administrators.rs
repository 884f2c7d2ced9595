//! Who comes by a way in for administrators (access contract 1.4): by a Unix socket, of which the system tells whose process is at
//! the other end, or by a port on loopback with user and password. No token is looked at there.

use super::{
    door::Door,
    error::{Answered, ApiError},
};
use crate::{
    authentication::{Failures, read_password},
    metrics::{self, Limit},
};
use actix_web::http::{StatusCode, header::HeaderValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::{
    io,
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};
use subtle::ConstantTimeEq;

/// The user that may do everything on this machine anyway.
const ROOT: u32 = 0;
const CHALLENGE: &str = "Basic realm=\"cirrus\"";

/// User and password of the port. They are kept as digests, which are all of one length: to compare them takes as long whatever
/// is given.
pub struct Account {
    user: [u8; 32],
    password: [u8; 32],
}

impl Account {
    /// With these.
    pub fn new(user: &str, password: &[u8]) -> Self {
        Self { user: Sha256::digest(user).into(), password: Sha256::digest(password).into() }
    }

    /// With the password in a file.
    ///
    /// # Errors
    /// Why there is none.
    pub fn read(user: &str, password_file: &Path) -> io::Result<Self> {
        let password = read_password(password_file)?;
        if std::fs::metadata(password_file)?.permissions().mode() & 0o077 != 0 {
            tracing::warn!(file = %password_file.display(), "others than its owner may read the password of administrators");
        }
        Ok(Self::new(user, password.as_bytes()))
    }

    /// Whether it is this one (W22).
    fn is(&self, other: &Self) -> bool {
        (self.user.ct_eq(&other.user) & self.password.ct_eq(&other.password)).into()
    }

    /// From `Authorization` (ADMIN-3). A password may have colons in it.
    fn of(header: Option<&HeaderValue>) -> Result<Self, &'static str> {
        let header = header.ok_or("HTTP_AUTHORIZATION header missing")?;
        let expected = "Auth Exception: 'Basic' is expected, and user and password, joined by a colon, in base64";
        let mut words = header.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (Some(scheme), Some(encoded), None) = (words.next(), words.next(), words.next()) else {
            return Err(expected);
        };
        if !scheme.eq_ignore_ascii_case(b"Basic") {
            return Err(expected);
        }
        let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| expected)?;
        let colon = memchr::memchr(b':', &decoded).ok_or(expected)?;
        let (user, password) = decoded.split_at_checked(colon).ok_or(expected)?;
        let password = password.get(1..).unwrap_or_default();
        Ok(Self { user: Sha256::digest(user).into(), password: Sha256::digest(password).into() })
    }
}

/// Who is let in by these ways.
pub struct Administrators {
    own_user: u32,
    account: Option<Account>,
    failures: Failures,
}

impl Administrators {
    /// Root and the user of this process; and who knows the account, if there is one. After so many failures in a minute the answer
    /// to more of them is 429.
    pub fn new(account: Option<Account>, failures: Failures) -> Self {
        Self { own_user: geteuid().as_raw(), account, failures }
    }

    /// Whether a request came by a way for administrators, and may (ADMIN-1, ADMIN-2).
    ///
    /// # Errors
    /// 403 for another user on the socket; 401 on the port for who does not know the account, and 429 after too many of these.
    pub fn let_in(&self, door: Door, authorization: Option<&HeaderValue>, from: Option<IpAddr>) -> Answered<bool> {
        let let_in = self.decide(door, authorization, from);
        let source = match door {
            Door::Public => return let_in,
            Door::AdministratorsSocket { .. } => "administrators-socket",
            Door::AdministratorsPort => "administrators-port",
        };
        metrics::authentication(source, if let_in.is_ok() { "known" } else { "unknown" });
        let_in
    }

    fn decide(&self, door: Door, authorization: Option<&HeaderValue>, from: Option<IpAddr>) -> Answered<bool> {
        match door {
            Door::Public => Ok(false),
            Door::AdministratorsSocket { user } if user.is_some_and(|user| user == ROOT || user == self.own_user) => {
                Ok(true)
            }
            Door::AdministratorsSocket { .. } => {
                let text = "This socket is for root and the user of the server";
                Err(ApiError { plain: true, ..ApiError::new(StatusCode::FORBIDDEN, text) })
            }
            Door::AdministratorsPort => match Account::of(authorization) {
                Ok(given) if self.account.as_ref().is_some_and(|account| account.is(&given)) => Ok(true),
                Ok(_) => Err(self.failed(from).map_or_else(too_many, |()| not_known("Authentication check failed"))),
                Err(text) => Err(not_known(text)),
            },
        }
    }

    fn failed(&self, from: Option<IpAddr>) -> Result<(), Duration> {
        self.failures.count(from, Instant::now())
    }
}

fn not_known(text: &str) -> ApiError {
    let challenge = Some(CHALLENGE.to_owned());
    ApiError { plain: true, challenge, ..ApiError::new(StatusCode::UNAUTHORIZED, text) }
}

fn too_many(pause: Duration) -> ApiError {
    metrics::limit(Limit::FailedAuthentications);
    let text = "Too many passwords were wrong. Try again later.";
    ApiError { plain: true, ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, text) }.again_after(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn administrators() -> Administrators {
        let account = Account::new("admin", b"with:colons:");
        Administrators { own_user: 1000, account: Some(account), failures: Failures::limited_to(3) }
    }

    fn basic(text: &[u8]) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    fn on_port(administrators: &Administrators, header: Option<&str>) -> Answered<bool> {
        let header = header.map(|header| HeaderValue::from_str(header).unwrap());
        administrators.let_in(Door::AdministratorsPort, header.as_ref(), Some([127, 0, 0, 1].into()))
    }

    #[test]
    fn admin_1_the_public_way_in_is_none_for_administrators() {
        let header = HeaderValue::from_str(&basic(b"admin:with:colons:")).unwrap();
        assert_eq!(administrators().let_in(Door::Public, Some(&header), None), Ok(false));
    }

    #[test]
    fn admin_2_on_the_socket_root_and_the_servers_user_need_nothing() {
        for (user, status) in [(Some(0), None), (Some(1000), None), (Some(1001), Some(403)), (None, Some(403))] {
            let let_in = administrators().let_in(Door::AdministratorsSocket { user }, None, None);
            assert_eq!(let_in.map_err(|error| error.status.as_u16()).err(), status, "{user:?}");
        }
    }

    #[test]
    fn admin_3_on_the_port_the_account_is_needed() {
        for given in [basic(b"admin:with:colons:"), basic(b"admin:with:colons:").replacen("Basic", "basic ", 1)] {
            assert_eq!(on_port(&administrators(), Some(&given)), Ok(true), "{given}");
        }
        for (given, text) in [
            (None, "HTTP_AUTHORIZATION header missing"),
            (Some("Basic".to_owned()), "Auth Exception: "),
            (Some(String::new()), "Auth Exception: "),
            (Some("Basic a b".to_owned()), "Auth Exception: "),
            (Some("Basic !".to_owned()), "Auth Exception: "),
            (Some(basic(b"admin")), "Auth Exception: "),
            (Some(basic(b"admin:with:colons:").replacen("Basic", "Bearer", 1)), "Auth Exception: "),
            (Some(basic(b"admin:with")), "Authentication check failed"),
            (Some(basic(b"admin:with:colons:\n")), "Authentication check failed"),
            (Some(basic(b"Admin:with:colons:")), "Authentication check failed"),
            (Some(basic(b":")), "Authentication check failed"),
            (Some(basic(b"\xff:\xff")), "Authentication check failed"),
        ] {
            let refused = on_port(&administrators(), given.as_deref()).unwrap_err();
            assert_eq!(refused.status.as_u16(), 401, "{given:?}");
            assert!(refused.text.starts_with(text) && refused.plain, "{given:?}: {}", refused.text);
            assert_eq!(refused.challenge.as_deref(), Some("Basic realm=\"cirrus\""), "{given:?}");
        }
        let nobody = Administrators { account: None, ..administrators() };
        assert!(on_port(&nobody, Some(&basic(b":"))).is_err());
    }

    #[test]
    fn who_guesses_is_slowed_down() {
        let administrators = administrators();
        let guess = || on_port(&administrators, Some(&basic(b"admin:guess"))).unwrap_err().status.as_u16();
        assert_eq!([guess(), guess(), guess(), guess()], [401, 401, 401, 429]);
        assert_eq!(on_port(&administrators, Some(&basic(b"admin:with:colons:"))), Ok(true));
    }
}
