//! Who may read the configuration over CQL. Daemons say who they are with a name and a password when a connection begins (CQL contract
//! 1.2); whoever is let in may read everything, and write what daemons keep for themselves.

use crate::authentication::Failures;
use std::{
    net::IpAddr,
    path::PathBuf,
    time::{Duration, Instant},
};
use subtle::ConstantTimeEq;
use tokio::{fs, time::timeout};

/// How long the file may take to be read: it may be somewhere on the network.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// What a client is told, whatever was wrong.
const BAD: &str = "Provided username and/or password are incorrect";

/// Those who may, and who failed to be one of them too often.
pub struct Users {
    /// With a line `name:password` for each; without it everybody may.
    file: Option<PathBuf>,
    failures: Failures,
}

impl Users {
    /// Those of a file; so many a minute may fail from one address.
    pub fn of(file: Option<PathBuf>, failures_per_minute: u32) -> Self {
        Self { file, failures: Failures::limited_to(failures_per_minute) }
    }

    /// Whether anybody is asked.
    pub fn are_asked(&self) -> bool {
        self.file.is_some()
    }

    /// Lets in who answers with a token of SASL's PLAIN, as drivers do: `\0name\0password`. The file is read each time: that is
    /// once for a connection, and who is taken out of it is out.
    ///
    /// # Errors
    /// The text for who is not let in.
    pub async fn let_in(&self, token: &[u8], address: IpAddr) -> Result<String, String> {
        let Some(file) = &self.file else { return Ok(String::new()) };
        let too_many =
            |wait: Duration| format!("too many wrong passwords came from there; wait {} s", wait.as_secs() + 1);
        let mut parts = token.splitn(3, |byte| *byte == 0);
        let given = (parts.next(), parts.next(), parts.next());
        let (Some(_), Some(name), Some(password)) = given else {
            return Err("a name and a password are expected, as the mechanism PLAIN has them".to_owned());
        };
        let read =
            timeout(READ_WITHIN, fs::read(file)).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let known = read.map_err(|error| {
            tracing::error!(file = %file.display(), %error, "CQL: nobody is let in, as the file of users can't be read");
            "the server can't read who its users are".to_owned()
        })?;
        let is_known = known.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).any(|line| {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let is_comment = line.starts_with(b"#");
            let is_this = |part: Option<&[u8]>, given: &[u8]| part.is_some_and(|part| bool::from(part.ct_eq(given)));
            !is_comment && is_this(parts.next(), name) && is_this(parts.next(), password)
        });
        if is_known && !password.is_empty() {
            return Ok(String::from_utf8_lossy(name).into_owned());
        }
        self.failures.count(Some(address), Instant::now()).map_err(too_many)?;
        Err(BAD.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_stands_in_the_file_is_let_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# daemons\ncontrol:secret:with:colons\r\nempty:\n\nother:word\n").unwrap();
        let users = Users::of(Some(file.path().to_owned()), 3);
        let address = "192.0.2.1".parse().unwrap();
        assert!(users.are_asked());
        for (token, expected) in [
            (&b"\0control\0secret:with:colons"[..], Ok("control")),
            (b"anything\0other\0word", Ok("other")),
            (b"\0control\0secret", Err(BAD)),
            (b"\0empty\0", Err(BAD)),
            (b"\0# daemons\0", Err(BAD)),
            (b"control", Err("a name and a password are expected, as the mechanism PLAIN has them")),
            (b"\0other\0wrong", Err("too many wrong passwords came from there; wait 20 s")),
            (b"\0other\0word", Ok("other")),
        ] {
            let told = users.let_in(token, address).await;
            assert_eq!(told.as_deref().map_err(String::as_str), expected, "{}", token.escape_ascii());
        }
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(
            users.let_in(b"\0other\0word", address).await.unwrap_err(),
            "the server can't read who its users are"
        );
        assert_eq!(Users::of(None, 1).let_in(b"", address).await, Ok(String::new()));
    }
}
