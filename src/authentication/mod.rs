//! Who it is that asks: tokens, and the sources that know them. All of them lead to one value, made once for a request; after that
//! no header is looked at (access contract 9.4).

mod callers;
mod failures;
mod https;
pub mod jwt;
pub mod keystone;
mod password_file;
pub mod token;
mod token_file;

#[cfg(test)]
mod tests;

use crate::{
    access::{AaaMode, Caller, Level},
    metrics::{self, Limit},
    supervision::Supervision,
};
pub use callers::Callers;
pub use failures::{Failures, source};
pub use https::client as https_client;
use jwt::{Jwt, SignIn};
use keystone::Keystone;
pub use password_file::read_password;
use serde_json::Value;
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
pub use token_file::TokenFile;

/// Longer tokens are nobody's, and not looked at; in bytes.
const LONGEST_TOKEN: usize = 16 << 10;

/// What a source knows of a token.
#[derive(Debug)]
pub struct Known {
    /// Whose it is.
    pub caller: Arc<Caller>,
    /// When it ends, if ever. It is looked at for each request, so a source that lets somebody in beyond the end of a token (for the
    /// sake of a service that forwards it) says another one.
    pub expires_at: Option<SystemTime>,
    /// What is told of it to its holder (OBJ-2, OBJ-3): the body of Keystone's answer, or one like it; without the token itself.
    pub token_info: Value,
}

impl Known {
    /// Whether it is of no use any more.
    pub fn has_ended(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Why it is not known whose a token is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// It is nobody's: 401.
    Nobody,
    /// Who would know it can't be asked, as a text for clients: 503.
    Unavailable(String),
}

/// Which roles mean something to the server itself. One that is empty is none (ROLE-7).
#[derive(Clone, Debug)]
pub struct SpecialRoles {
    /// May do everything (ROLE-1).
    pub cloud_admin: String,
    /// May read everything (ROLE-2).
    pub global_read_only: Option<String>,
}

impl SpecialRoles {
    /// How much somebody is allowed for its roles.
    pub fn level(&self, caller: &Caller) -> Level {
        if caller.has_role(&self.cloud_admin) {
            return Level::Admin;
        }
        let reads_all = self.global_read_only.as_deref().is_some_and(|role| caller.has_role(role));
        if reads_all { Level::ReadAll } else { Level::Member }
    }
}

/// Who knows tokens. They are asked in the order in which they are given, and the first that knows a token decides.
pub enum Source {
    /// A file of tokens.
    File(Arc<TokenFile>),
    /// Keystone.
    Keystone(Arc<Keystone>),
    /// An issuer of signed tokens.
    Jwt(Arc<Jwt>),
}

impl Source {
    /// As metrics call it.
    fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Keystone(_) => "keystone",
            Self::Jwt(_) => "jwt",
        }
    }

    /// Whether a token is of its kind. Nobody else gets to see tokens that were made for the file.
    fn is_for(&self, token: &str) -> bool {
        match self {
            Self::File(_) => true,
            Self::Keystone(_) => !token.starts_with(token::PREFIX),
            Self::Jwt(_) => jwt::has_shape(token),
        }
    }

    /// Whose a token is. A token of a service that comes along has to be good, too.
    async fn ask(&self, token: &str, service_token: Option<&str>) -> Result<Arc<Known>, Unknown> {
        match self {
            Self::File(file) => file.ask(token, service_token),
            Self::Keystone(keystone) => keystone.ask(token, service_token).await,
            Self::Jwt(issuer) => issuer.ask(token, service_token).await,
        }
    }
}

/// What a request brings along to say who sends it. It is not shown anywhere, so it is not `Debug`.
#[derive(Clone, Default)]
pub struct Presented {
    /// The token.
    pub token: Option<String>,
    /// That of a service that forwards the other one.
    pub service_token: Option<String>,
}

/// Why a request is not let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It has no token, or one that is nobody's: 401.
    Unknown,
    /// The same, and there were too many such from where it comes: 429, for this time.
    TooMany(Duration),
    /// Who would know can't be asked, with a text for clients: 503.
    Unavailable(String),
}

/// Whether callers have to say who they are, and who finds it out.
pub struct Authenticator {
    mode: AaaMode,
    callers: Arc<Callers>,
    sources: Vec<Source>,
    failures: Failures,
    challenge: String,
}

impl Authenticator {
    /// With these sources, and where Keystone is, for clients that are to go there for a token.
    pub fn new(
        mode: AaaMode,
        callers: Arc<Callers>,
        sources: Vec<Source>,
        failures: Failures,
        keystone_uri: Option<&str>,
    ) -> Self {
        let challenge = match keystone_uri {
            // What could end the text early is left out of it.
            Some(uri) => format!("Keystone uri=\"{}\"", uri.replace(['"', '\\'], "")),
            None => "Bearer realm=\"cirrus\"".to_owned(),
        };
        Self { mode, callers, sources, failures, challenge }
    }

    /// Keeps what the sources know current, for as long as the server runs.
    pub fn follow(&self, supervision: &Arc<Supervision>) {
        for source in &self.sources {
            match source {
                Source::File(file) => {
                    let file = Arc::clone(file);
                    supervision.keep("file of tokens", move || Arc::clone(&file).follow());
                }
                // It is asked when somebody comes.
                Source::Keystone(_) => {}
                Source::Jwt(issuer) => {
                    let issuer = Arc::clone(issuer);
                    supervision.keep("keys of signed tokens", move || Arc::clone(&issuer).follow());
                }
            }
        }
    }

    /// Which mode is in force.
    pub fn mode(&self) -> AaaMode {
        self.mode
    }

    /// What roles and domains mean.
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Keystone, if it is one of those who know tokens.
    pub fn keystone(&self) -> Option<&Arc<Keystone>> {
        self.sources.iter().find_map(|source| match source {
            Source::Keystone(keystone) => Some(keystone),
            Source::File(_) | Source::Jwt(_) => None,
        })
    }

    /// Signing in at the issuer of signed tokens, if people may.
    pub fn sign_in(&self) -> Option<SignIn<'_>> {
        self.sources.iter().find_map(|source| match source {
            Source::Jwt(issuer) => issuer.sign_in(),
            Source::File(_) | Source::Keystone(_) => None,
        })
    }

    /// What a client is told that has to say who it is: `WWW-Authenticate`.
    pub fn challenge(&self) -> &str {
        &self.challenge
    }

    /// Who sends what is presented, from this address. Failures are counted by address; a good token is let in however many there
    /// were. Only an attempt counts: clients ask without a token first, to learn whether they need one.
    ///
    /// # Errors
    /// Why it is not let in.
    pub async fn authenticate(&self, presented: &Presented, address: Option<IpAddr>) -> Result<Arc<Known>, Refused> {
        let Some(token) = presented.token.as_deref() else { return Err(Refused::Unknown) };
        match self.ask(token, presented.service_token.as_deref()).await {
            Ok(known) => Ok(known),
            Err(Unknown::Unavailable(text)) => Err(Refused::Unavailable(text)),
            Err(Unknown::Nobody) => Err(self.failed(address)),
        }
    }

    /// What is said to who has tried and failed, with a token or a password; attempts are counted by address.
    pub fn failed(&self, address: Option<IpAddr>) -> Refused {
        match self.failures.count(address, Instant::now()) {
            Ok(()) => Refused::Unknown,
            Err(pause) => {
                metrics::limit(Limit::FailedAuthentications);
                Refused::TooMany(pause)
            }
        }
    }

    /// Whose this is, that was let in before. Unlike [`Authenticator::authenticate`] it is no attempt, and does not count as one.
    ///
    /// # Errors
    /// When it is nobody's any more, or who would know can't be asked.
    pub async fn recognise(&self, presented: &Presented) -> Result<Arc<Known>, Unknown> {
        let token = presented.token.as_deref().ok_or(Unknown::Nobody)?;
        self.ask(token, presented.service_token.as_deref()).await
    }

    /// Asks one source after the other. One that can't be asked matters only where no other knows the token.
    async fn ask(&self, token: &str, service_token: Option<&str>) -> Result<Arc<Known>, Unknown> {
        let is_too_long = |token: &str| token.len() > LONGEST_TOKEN;
        let mut unknown = Unknown::Nobody;
        if is_too_long(token) || service_token.is_some_and(is_too_long) {
            return Err(unknown);
        }
        for source in self.sources.iter().filter(|source| source.is_for(token)) {
            let count = |outcome| metrics::authentication(source.name(), outcome);
            match source.ask(token, service_token).await {
                Ok(known) if !known.has_ended(SystemTime::now()) => {
                    count("known");
                    return Ok(known);
                }
                Ok(_) | Err(Unknown::Nobody) => count("unknown"),
                Err(unavailable) => {
                    count("unavailable");
                    unknown = unavailable;
                }
            }
        }
        if unknown == Unknown::Nobody {
            self.log_foreign([Some(token), service_token]);
        }
        Err(unknown)
    }

    /// Tells why a signed token that no source has taken was not for the one that takes signed tokens: its issuer may be
    /// misspelt in the settings.
    fn log_foreign(&self, tokens: [Option<&str>; 2]) {
        let issuers = self.sources.iter().filter_map(|source| match source {
            Source::Jwt(issuer) => Some(issuer),
            Source::File(_) | Source::Keystone(_) => None,
        });
        for why in issuers.flat_map(|issuer| tokens.into_iter().flatten().filter_map(|token| issuer.why_foreign(token)))
        {
            tracing::info!(why, "a signed token is nobody's");
        }
    }
}
