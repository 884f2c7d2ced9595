//! Who may read the configuration over CQL. Daemons say who they are with a name and a password when a connection begins (CQL contract
//! 1.2); whoever is let in may read everything, and write what daemons keep for themselves.

use std::{path::PathBuf, time::Duration};
use subtle::{Choice, ConstantTimeEq};
use tokio::{
    fs,
    time::{sleep, timeout},
};

/// How long the file may take to be read: it may be somewhere on the network.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// How long who was wrong waits to be told so.
const REFUSED_AFTER: Duration = Duration::from_secs(1);
/// What a client is told, whatever was wrong.
const BAD: &str = "Provided username and/or password are incorrect";

/// Those who may.
pub struct Users {
    /// With a line `name:password` for each; without it everybody may.
    file: Option<PathBuf>,
    refused_after: Duration,
}

impl Users {
    /// Those of a file.
    pub fn of(file: Option<PathBuf>) -> Self {
        Self { file, refused_after: REFUSED_AFTER }
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
    pub async fn let_in(&self, token: &[u8]) -> Result<String, String> {
        let Some(file) = &self.file else { return Ok(String::new()) };
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
        // All lines, and of each both parts: how long it takes tells nothing.
        let is_known = known.split(|byte| *byte == b'\n').fold(Choice::from(0), |is_known, line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let is_this = |part: Option<&[u8]>, given: &[u8]| part.map_or(Choice::from(0), |part| part.ct_eq(given));
            let is_user = !Choice::from(u8::from(line.starts_with(b"#")));
            is_known | (is_user & is_this(parts.next(), name) & is_this(parts.next(), password))
        });
        let is_known = bool::from(is_known);
        if is_known && !password.is_empty() && !name.is_empty() {
            return Ok(String::from_utf8_lossy(name).into_owned());
        }
        // Who guesses has one guess a second on each connection; the daemons of a machine share its address, so nobody else is kept out.
        sleep(self.refused_after).await;
        Err(BAD.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_stands_in_the_file_is_let_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# daemons\ncontrol:secret:with:colons\r\nempty:\n\n:nobody\nother: word \n")
            .unwrap();
        let refused_after = Duration::from_millis(20);
        let users = Users { file: Some(file.path().to_owned()), refused_after };
        assert!(users.are_asked());
        for (token, expected) in [
            (&b"\0control\0secret:with:colons"[..], Ok("control")),
            (b"anything\0other\0 word ", Ok("other")),
            (b"\0other\0word", Err(BAD)),
            (b"\0control\0secret", Err(BAD)),
            (b"\0empty\0", Err(BAD)),
            (b"\0\0nobody", Err(BAD)),
            (b"\0# daemons\0", Err(BAD)),
            (b"control", Err("a name and a password are expected, as the mechanism PLAIN has them")),
        ] {
            let begin = tokio::time::Instant::now();
            let told = users.let_in(token).await;
            assert_eq!(told.as_deref().map_err(String::as_str), expected, "{}", token.escape_ascii());
            assert!(expected != Err(BAD) || begin.elapsed() >= refused_after);
        }
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(users.let_in(b"\0other\0 word ").await.unwrap_err(), "the server can't read who its users are");
        assert_eq!(Users::of(None).let_in(b"").await, Ok(String::new()));
    }
}
