//! The keys of an issuer: fetched by one task, now and then, and when a token names one that is not known. While they can't be
//! fetched, those that were stay in force for a time. Where people sign in there, the same task asks where.

use super::{
    questions::Questions,
    settings::{self, JwtSettings},
};
use crate::authentication::{https, token};
use arc_swap::ArcSwapOption;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use reqwest::Url;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{sleep, timeout},
};

/// Where issuers say where their keys are, below their own address.
const DISCOVERY: &str = ".well-known/openid-configuration";
/// How many may wait for keys to be fetched; more are told to come again.
const MOST_WAITING: usize = 32;

/// How often keys are fetched, and how long things may take.
#[derive(Clone, Copy)]
pub struct Pace {
    /// For one answer.
    pub answers_within: Duration,
    /// From the end of one fetch to the next, whatever tokens say, and where it did not succeed.
    pub pause: Duration,
    /// How often they are fetched if nothing is asked for.
    pub renewed_every: Duration,
    /// For how long they are in force since they were fetched.
    pub in_force_for: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            answers_within: Duration::from_secs(5),
            pause: Duration::from_secs(5),
            renewed_every: Duration::from_mins(5),
            in_force_for: Duration::from_hours(24),
        }
    }
}

/// The keys can't be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Away;

/// Keys by their name and by what they are for.
pub struct Keys {
    keys: HashMap<(String, Algorithm), Arc<DecodingKey>>,
    /// What tells them from others: of what they were read from.
    pub digest: token::Digest,
}

/// Where people sign in, and where what they bring back from there is exchanged for tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoints {
    /// For browsers.
    pub authorization: Url,
    /// For this server.
    pub token: Url,
}

/// What was fetched, or why not.
struct Fetched {
    keys: Result<Keys, String>,
    /// Where people sign in there.
    endpoints: Option<Result<Endpoints, String>>,
}

impl Fetched {
    fn has_failed(&self) -> bool {
        self.keys.is_err() || self.endpoints.as_ref().is_some_and(Result::is_err)
    }
}

/// How the last fetch went.
#[derive(Clone, Copy, Default)]
struct Standing {
    tried_at: Option<Instant>,
    has_failed: bool,
    fetched_at: Option<Instant>,
}

/// The keys of an issuer.
pub struct KeySet {
    pub(super) questions: Questions,
    settings: JwtSettings,
    issuer: String,
    /// Where they are, if that is set; otherwise the issuer says it.
    place: Option<Url>,
    /// Where the issuer says where all else is, if it is asked.
    discovery: Option<Url>,
    pace: Pace,
    keys: ArcSwapOption<Keys>,
    endpoints: ArcSwapOption<Endpoints>,
    /// Whether it was told that nobody can sign in.
    lacks_endpoints: AtomicBool,
    standing: watch::Sender<Standing>,
    wanted: Notify,
    waiting: Semaphore,
}

impl KeySet {
    /// As it is set. Nothing is fetched yet: a server starts also while keys can't be had.
    ///
    /// # Errors
    /// Names the setting that is wrong; `told` is a setting as its user knows it.
    pub fn new(
        settings: &JwtSettings,
        issuer: &str,
        times: Pace,
        told: impl Fn(&str, &dyn Display) -> String,
    ) -> Result<Self, String> {
        let place = settings.jwt_key_set_url.clone();
        let field = if place.is_some() { "jwt_key_set_url" } else { "jwt_issuer" };
        let address = place.as_ref().map_or_else(|| issuer.to_owned(), Url::to_string);
        if let Some(place) = &place {
            settings.check_place(place).map_err(|why| format!("{}: {why}", told(field, &address)))?;
        }
        let is_asked = place.is_none() || settings.oidc_client_id.is_some();
        let discovery = is_asked.then(|| discovery(settings, issuer)).transpose();
        let discovery = discovery.map_err(|why| format!("{}: {why}", told("jwt_issuer", &issuer)))?;
        let file = settings.jwt_ca_file.as_deref();
        let http = https::client(file, false).map_err(|error| match file {
            Some(file) => format!("{}: {error}", told("jwt_ca_file", &file.display())),
            None => format!("{}: {error}", told(field, &address)),
        })?;
        Ok(Self {
            questions: Questions::new(http, times.answers_within),
            settings: settings.clone(),
            issuer: issuer.to_owned(),
            place,
            discovery,
            pace: times,
            keys: ArcSwapOption::empty(),
            endpoints: ArcSwapOption::empty(),
            lacks_endpoints: AtomicBool::new(false),
            standing: watch::Sender::default(),
            wanted: Notify::new(),
            waiting: Semaphore::new(MOST_WAITING),
        })
    }

    /// Where people sign in; unknown while the issuer is away.
    pub fn endpoints(&self) -> Option<Arc<Endpoints>> {
        self.endpoints.load_full()
    }

    /// The keys that are in force.
    pub fn current(&self) -> Option<Arc<Keys>> {
        let fetched_at = self.standing.borrow().fetched_at?;
        if fetched_at.elapsed() < self.pace.in_force_for { self.keys.load_full() } else { None }
    }

    /// A key, and those that it is one of; none if the issuer has none of this name for this algorithm. It waits for the issuer where
    /// that was not asked a moment ago.
    ///
    /// # Errors
    /// When it can't be known.
    pub async fn find(&self, name: &str, algorithm: Algorithm) -> Result<Option<(Arc<DecodingKey>, Arc<Keys>)>, Away> {
        let wanted = (name.to_owned(), algorithm);
        let look = || {
            let keys = self.current()?;
            let key = Arc::clone(keys.keys.get(&wanted)?);
            Some((key, keys))
        };
        // Before the first look: what comes between that and the second is not missed.
        let mut standing = self.standing.subscribe();
        if let Some(found) = look() {
            return Ok(Some(found));
        }
        let tried_at = standing.borrow_and_update().tried_at;
        if tried_at.is_none_or(|at| at.elapsed() >= self.pace.pause) {
            let _place = self.waiting.try_acquire().map_err(|_| Away)?;
            self.wanted.notify_one();
            // Both answers, of which the first says where to ask for the second, and a moment.
            let longest = 2 * self.pace.answers_within + self.pace.pause;
            let _ = timeout(longest, standing.changed()).await;
        }
        match look() {
            Some(found) => Ok(Some(found)),
            None if self.standing.borrow().has_failed || self.current().is_none() => Err(Away),
            None => Ok(None),
        }
    }

    /// Fetches the keys again and again, for as long as the server runs. Nobody else does, so there is one fetch at a time.
    pub async fn follow(self: Arc<Self>) {
        loop {
            let fetched = self.fetch().await;
            let has_failed = fetched.has_failed();
            if let Some(endpoints) = fetched.endpoints {
                self.take_endpoints(endpoints);
            }
            self.take(fetched.keys);
            sleep(self.pace.pause).await;
            if !has_failed {
                let _ = timeout(self.pace.renewed_every, self.wanted.notified()).await;
            }
        }
    }

    #[cfg(test)]
    pub fn waiting_places(&self) -> usize {
        self.waiting.available_permits()
    }

    /// Puts in force what was fetched. What is wrong is told once.
    fn take(&self, fetched: Result<Keys, String>) {
        let now = Instant::now();
        let before = *self.standing.borrow();
        let has_failed = fetched.is_err();
        match fetched {
            Ok(keys) => {
                let is_new = self.keys.load().as_ref().is_none_or(|known| known.digest != keys.digest);
                if is_new || before.has_failed {
                    tracing::info!(issuer = self.issuer, keys = keys.keys.len(), "fetched the keys of signed tokens");
                }
                if is_new {
                    self.keys.store(Some(Arc::new(keys)));
                }
            }
            Err(why) if !before.has_failed => {
                tracing::warn!(issuer = self.issuer, why, "the keys of signed tokens can't be fetched");
            }
            Err(_) => {}
        }
        let fetched_at = if has_failed { before.fetched_at } else { Some(now) };
        self.standing.send_replace(Standing { tried_at: Some(now), has_failed, fetched_at });
    }

    /// Takes over where people sign in. That nobody can is told once.
    fn take_endpoints(&self, endpoints: Result<Endpoints, String>) {
        let had_none = self.lacks_endpoints.swap(endpoints.is_err(), Ordering::Relaxed);
        if let Err(why) = &endpoints
            && !had_none
        {
            tracing::warn!(issuer = self.issuer, why, "nobody can sign in at the issuer");
        }
        self.endpoints.store(endpoints.ok().map(Arc::new));
    }

    async fn fetch(&self) -> Fetched {
        let document = match &self.discovery {
            Some(place) => self.discover(place).await,
            None => Ok(Value::Null),
        };
        let endpoints = self.settings.oidc_client_id.as_ref().map(|_| self.find_endpoints(&document));
        let place = self.place.clone().map_or_else(|| self.find_place(&document, "jwks_uri"), Ok);
        let keys = async { read(&self.questions.get(&place?).await?) };
        Fetched { keys: keys.await, endpoints }
    }

    /// Asks the issuer where its keys are, and what else it says of itself.
    async fn discover(&self, place: &Url) -> Result<Value, String> {
        let answer = self.questions.get(place).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| format!("{place}: {error}"))?;
        let issuer = answer.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if issuer != self.issuer {
            return Err(format!("{place} is of another issuer, {issuer:?}"));
        }
        Ok(answer)
    }

    fn find_endpoints(&self, document: &Result<Value, String>) -> Result<Endpoints, String> {
        Ok(Endpoints {
            authorization: self.find_place(document, "authorization_endpoint")?,
            token: self.find_place(document, "token_endpoint")?,
        })
    }

    /// An address that the issuer names.
    fn find_place(&self, document: &Result<Value, String>, name: &str) -> Result<Url, String> {
        let text = document.as_ref().map_err(Clone::clone)?.get(name).and_then(Value::as_str).unwrap_or_default();
        let place = settings::url(text).and_then(|place| self.settings.check_place(&place).map(|()| place));
        place.map_err(|why| format!("{}/{DISCOVERY}: {name}: {why}", self.issuer.trim_end_matches('/')))
    }
}

/// Where an issuer says where all else is.
fn discovery(settings: &JwtSettings, issuer: &str) -> Result<Url, String> {
    let place = settings::url(&format!("{}/{DISCOVERY}", issuer.trim_end_matches('/'))).map_err(|why| {
        if settings.jwt_key_set_url.is_some() || settings.oidc_client_id.is_some() {
            return why;
        }
        format!("{why}; or say with --jwt-key-set-url where its keys are")
    })?;
    settings.check_place(&place)?;
    Ok(place)
}

/// What is in a set of keys. Those that are for something else, or that can't be used, are left out.
fn read(answer: &[u8]) -> Result<Keys, String> {
    let set: Value =
        serde_json::from_slice(answer).map_err(|error| format!("what is fetched is no set of keys: {error}"))?;
    let list = set.get("keys").and_then(Value::as_array);
    let list = list.ok_or("what is fetched is no set of keys: a member `keys` with a list is expected")?;
    let mut keys = HashMap::new();
    for key in list {
        let Some((name, algorithms, key)) = serde_json::from_value(key.clone()).ok().and_then(|jwk| usable(&jwk))
        else {
            continue;
        };
        for algorithm in algorithms {
            keys.entry((name.clone(), algorithm)).or_insert_with(|| Arc::clone(&key));
        }
    }
    if keys.is_empty() {
        tracing::warn!(
            keys = list.len(),
            "no key of the issuer can be used for signed tokens: each needs a `kid`, and to be of RSA, P-256, P-384 or Ed25519"
        );
    }
    Ok(Keys { keys, digest: Sha256::digest(answer).into() })
}

/// The name of a key, and the algorithms that it is for.
fn usable(jwk: &Jwk) -> Option<(String, Vec<Algorithm>, Arc<DecodingKey>)> {
    let common = &jwk.common;
    let is_for_signatures = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let name = common.key_id.clone().filter(|_| is_for_signatures)?;
    let curve = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(parameters) => Some(&parameters.curve),
        AlgorithmParameters::OctetKeyPair(parameters) => Some(&parameters.curve),
        _ => None,
    };
    let algorithms: &[Algorithm] = match (&jwk.algorithm, curve) {
        (AlgorithmParameters::RSA(_), _) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        (AlgorithmParameters::EllipticCurve(_), Some(EllipticCurve::P256)) => &[Algorithm::ES256],
        (AlgorithmParameters::EllipticCurve(_), Some(EllipticCurve::P384)) => &[Algorithm::ES384],
        (AlgorithmParameters::OctetKeyPair(_), Some(EllipticCurve::Ed25519)) => &[Algorithm::EdDSA],
        // Also secrets that both sides would have to know.
        _ => return None,
    };
    let mut algorithms = algorithms.to_vec();
    if let Some(only) = common.key_algorithm {
        let only = Algorithm::try_from(only).ok()?;
        algorithms.retain(|algorithm| *algorithm == only);
    }
    Some((name, algorithms, Arc::new(DecodingKey::from_jwk(jwk).ok()?)))
}
