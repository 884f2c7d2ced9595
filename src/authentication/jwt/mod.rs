//! Tokens that an issuer has signed (JWT), as of `OpenID` Connect: whose they are stands in them. They are checked here, with the
//! issuer's public keys; nobody is asked about a token. People may sign in at the issuer to get one.

mod attempt;
mod claims;
mod key_set;
mod questions;
mod settings;
mod sign_in;
mod signature;
mod verified;

#[cfg(test)]
mod tests;

use super::{
    Callers, Known, Unknown,
    token::{self, Digest},
    token_file::token_info,
};
use crate::access::kept;
use claims::Claims;
use jsonwebtoken::{Algorithm, Header, Validation, dangerous, decode, decode_header, errors::ErrorKind};
use key_set::{Away, KeySet, Pace};
use serde::Deserialize;
use serde_json::Value;
use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use time::OffsetDateTime;
use verified::Verified;

pub use attempt::Attempt;
pub use settings::JwtSettings;
pub use sign_in::{Failed, SignIn};

/// By how much the clocks of issuers may differ from the one here.
const LEEWAY: Duration = Duration::from_secs(30);
/// What clients are told while the keys of the issuer can't be had.
const UNAVAILABLE: &str = "The keys of the issuer of tokens are temporarily unavailable.";
/// What a token may say that it is; there are other things that issuers sign, like logouts.
const KINDS: [&str; 2] = ["JWT", "at+jwt"];

/// Why a token is not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Refused {
    /// It is of another issuer: somebody else may know it.
    OfAnother,
    /// It is nobody's; why, for the log.
    Nobody(String),
    /// Nobody knows without the keys.
    Away,
}

impl Refused {
    fn nobody(why: impl Into<String>) -> Self {
        Self::Nobody(why.into())
    }
}

/// An issuer, and what its tokens say.
pub struct Jwt {
    issuer: String,
    audience: String,
    claims: Claims,
    callers: Arc<Callers>,
    keys: Arc<KeySet>,
    verified: Mutex<Verified>,
    /// As what this server is known there, if people may sign in there.
    client: Option<sign_in::Client>,
}

/// Of the claims of a token, what says whether it is for this source. Who signed it is not known yet.
#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

impl Jwt {
    /// With these settings; none if they name no issuer. Nothing is fetched yet.
    ///
    /// # Errors
    /// Names the setting that is wrong; `told` is a setting as its user knows it.
    pub fn new(
        settings: &JwtSettings,
        callers: Arc<Callers>,
        told: impl Fn(&str, &dyn Display) -> String,
    ) -> Result<Option<Arc<Self>>, String> {
        Self::at_pace(settings, callers, Pace::default(), told)
    }

    fn at_pace(
        settings: &JwtSettings,
        callers: Arc<Callers>,
        pace: Pace,
        told: impl Fn(&str, &dyn Display) -> String,
    ) -> Result<Option<Arc<Self>>, String> {
        let (Some(issuer), Some(audience)) = (&settings.jwt_issuer, &settings.jwt_audience) else { return Ok(None) };
        signature::install();
        Ok(Some(Arc::new(Self {
            issuer: issuer.clone(),
            audience: audience.clone(),
            claims: Claims::new(settings),
            callers,
            keys: Arc::new(KeySet::new(settings, issuer, pace, &told)?),
            verified: Mutex::default(),
            client: sign_in::Client::new(settings, issuer, told)?,
        })))
    }

    /// Signing in there, if people may.
    pub fn sign_in(&self) -> Option<SignIn<'_>> {
        self.client.as_ref().map(|client| SignIn { issuer: self, client })
    }

    /// Keeps the keys current, for as long as the server runs.
    pub async fn follow(self: Arc<Self>) {
        Arc::clone(&self.keys).follow().await;
    }

    /// Whose a token is. One of a service that comes along has to be good, too.
    ///
    /// # Errors
    /// That it is nobody's, or that the keys can't be had.
    pub async fn ask(&self, token: &str, service_token: Option<&str>) -> Result<Arc<Known>, Unknown> {
        if let Some(service_token) = service_token {
            self.whose(service_token).await?;
        }
        self.whose(token).await
    }

    /// Why a token that is a signed one is not for this source; nothing where it is.
    pub fn why_foreign(&self, token: &str) -> Option<String> {
        if !has_shape(token) {
            return None;
        }
        match dangerous::insecure_decode_claims::<Issuer>(token) {
            Ok(Issuer { iss }) if iss == self.issuer => None,
            // Whoever sends it writes what it likes there.
            Ok(Issuer { iss }) => Some(format!("it is of another issuer, {:?}", kept(iss))),
            Err(_) => Some("it does not name its issuer (`iss`)".to_owned()),
        }
    }

    async fn whose(&self, token: &str) -> Result<Arc<Known>, Unknown> {
        let digest = token::digest(token);
        let known = self.keys.current().and_then(|keys| self.verified().find(&digest, &keys.digest));
        let known = match known {
            Some(known) => known,
            None => self.verify(token, digest).await.map_err(|refused| match refused {
                Refused::OfAnother => Unknown::Nobody,
                Refused::Nobody(why) => {
                    tracing::info!(why, "a signed token is nobody's");
                    Unknown::Nobody
                }
                Refused::Away => Unknown::Unavailable(UNAVAILABLE.to_owned()),
            })?,
        };
        if known.has_ended(SystemTime::now()) { Err(Unknown::Nobody) } else { Ok(known) }
    }

    /// Checks a token, and keeps whose it is.
    async fn verify(&self, token: &str, digest: Digest) -> Result<Arc<Known>, Refused> {
        let (claims, keys) = self.claims_of(token, &self.audience).await?;
        let known = Arc::new(self.known(&claims)?);
        self.verified().keep(digest, token.len(), Arc::clone(&known), &keys);
        Ok(known)
    }

    /// What a token says that the issuer has signed for this audience, and the digest of the keys that it was checked with.
    async fn claims_of(&self, token: &str, audience: &str) -> Result<(Value, Digest), Refused> {
        if !has_shape(token) || self.why_foreign(token).is_some() {
            return Err(Refused::OfAnother);
        }
        let (algorithm, name) = read_header(token)?;
        let found = self.keys.find(&name, algorithm).await.map_err(|Away| Refused::Away)?;
        let unknown = || Refused::Nobody(format!("the issuer has no key {:?} for {algorithm:?}", kept(name.clone())));
        let (key, keys) = found.ok_or_else(unknown)?;
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[audience]);
        let claims = decode::<Value>(token, &key, &validation).map_err(|error| Refused::nobody(why(error.kind())))?;
        Ok((claims.claims, keys.digest))
    }

    /// Whose a token is whose claims are true.
    fn known(&self, claims: &Value) -> Result<Known, Refused> {
        let caller = self.claims.caller(claims);
        let caller = caller.ok_or_else(|| Refused::nobody("it does not say who it is"))?;
        let caller = self.callers.complete(caller);
        let end = claims.get("exp").and_then(end).ok_or_else(|| Refused::nobody("its end is no time"))?;
        let token_info = token_info(&caller, Some(end));
        Ok(Known { caller: Arc::new(caller), expires_at: SystemTime::from(end).checked_add(LEEWAY), token_info })
    }

    fn verified(&self) -> MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a text may be such a token: three parts, of which the last one may be empty.
pub fn has_shape(token: &str) -> bool {
    let is_part = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    !header.is_empty() && !claims.is_empty() && [header, claims, signature].into_iter().all(is_part)
}

/// The algorithm of a token, which is one with a public key, and the name of the key.
fn read_header(token: &str) -> Result<(Algorithm, String), Refused> {
    let header =
        decode_header(token).map_err(|_| Refused::nobody("its header is none, or has an unknown algorithm"))?;
    let Header { typ, alg, kid, crit, .. } = header;
    let kind = typ.as_deref().map(|kind| kind.rsplit_once('/').map_or(kind, |(_, kind)| kind));
    if kind.is_some_and(|kind| !KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind))) {
        return Err(Refused::nobody("it is a thing of another kind than a token"));
    }
    if crit.is_some() {
        return Err(Refused::nobody("it is only for who understands more than is understood here (`crit`)"));
    }
    if matches!(alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
        return Err(Refused::nobody("it has an algorithm with a secret, and the issuer has public keys only"));
    }
    let name = kid.ok_or_else(|| Refused::nobody("it does not name its key (`kid`)"))?;
    Ok((alg, name))
}

/// Why the library refuses a token. What is in that has no place in the log.
fn why(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::InvalidSignature => "its signature is not of this key",
        ErrorKind::ExpiredSignature => "it has ended",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "it lacks `exp` or `aud`",
        _ => "it is damaged",
    }
}

/// A claim that is a time: seconds, also parts of them.
fn end(claim: &Value) -> Option<OffsetDateTime> {
    let seconds = claim.as_i64().or_else(|| {
        let seconds = claim.as_f64()?.round();
        // Later than any time that there is.
        #[allow(clippy::cast_possible_truncation)]
        (seconds.abs() < 1e15).then_some(seconds as i64)
    })?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}
