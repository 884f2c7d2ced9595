//! The keys of an issuer: fetched by one task, now and then, and when a token names one that is not known. While they can't be
//! fetched, those that were stay in force for a time.

use super::settings::{self, JwtSettings};
use crate::authentication::{https, token};
use arc_swap::ArcSwapOption;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use reqwest::{Client, Url};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{sleep, timeout},
};

/// Where issuers say where their keys are, below their own address.
const DISCOVERY: &str = ".well-known/openid-configuration";
/// How long an answer may be, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;
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

/// How the last fetch went.
#[derive(Clone, Copy, Default)]
struct Standing {
    tried_at: Option<Instant>,
    has_failed: bool,
    fetched_at: Option<Instant>,
}

/// The keys of an issuer.
pub struct KeySet {
    http: Client,
    settings: JwtSettings,
    issuer: String,
    /// Where they are, or where it is said where they are.
    place: Url,
    is_discovered: bool,
    pace: Pace,
    keys: ArcSwapOption<Keys>,
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
        let (field, address) = match &settings.jwt_key_set_url {
            Some(url) => ("jwt_key_set_url", url.to_string()),
            None => ("jwt_issuer", issuer.to_owned()),
        };
        let refused = |why: String| format!("{}: {why}", told(field, &address));
        let is_discovered = settings.jwt_key_set_url.is_none();
        let place =
            if is_discovered { format!("{}/{DISCOVERY}", address.trim_end_matches('/')) } else { address.clone() };
        let place = settings::url(&place).map_err(|why| {
            let why =
                if is_discovered { format!("{why}; or say with --jwt-key-set-url where its keys are") } else { why };
            refused(why)
        })?;
        settings.check_place(&place).map_err(refused)?;
        let file = settings.jwt_ca_file.as_deref();
        let http = https::client(file, false).map_err(|error| match file {
            Some(file) => format!("{}: {error}", told("jwt_ca_file", &file.display())),
            None => format!("{}: {error}", told(field, &address)),
        })?;
        Ok(Self {
            http,
            settings: settings.clone(),
            issuer: issuer.to_owned(),
            place,
            is_discovered,
            pace: times,
            keys: ArcSwapOption::empty(),
            standing: watch::Sender::default(),
            wanted: Notify::new(),
            waiting: Semaphore::new(MOST_WAITING),
        })
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
            let has_failed = fetched.is_err();
            self.take(fetched);
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

    async fn fetch(&self) -> Result<Keys, String> {
        let place = if self.is_discovered { self.discover().await? } else { self.place.clone() };
        let answer = self.get(place).await?;
        read(&answer)
    }

    /// Asks the issuer where its keys are.
    async fn discover(&self) -> Result<Url, String> {
        let answer = self.get(self.place.clone()).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| format!("{}: {error}", self.place))?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("issuer") != self.issuer {
            return Err(format!("{} is of another issuer, {:?}", self.place, text("issuer")));
        }
        let place = settings::url(text("jwks_uri")).map_err(|why| format!("{}: jwks_uri: {why}", self.place))?;
        self.settings.check_place(&place).map_err(|why| format!("{}: jwks_uri: {why}", self.place))?;
        Ok(place)
    }

    async fn get(&self, place: Url) -> Result<Vec<u8>, String> {
        let read = async {
            let told = |error| https::told(&error);
            let mut response = self.http.get(place.clone()).send().await.map_err(told)?;
            if response.status().as_u16() != 200 {
                return Err(format!("{place} answers with status {}", response.status().as_u16()));
            }
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(told)? {
                if body.len() + piece.len() > LONGEST_ANSWER {
                    return Err(format!("the answer of {place} has more than {LONGEST_ANSWER} bytes"));
                }
                body.extend_from_slice(&piece);
            }
            Ok(body)
        };
        let late = |_| Err(format!("no answer of {place} within {:?}", self.pace.answers_within));
        timeout(self.pace.answers_within, read).await.unwrap_or_else(late)
    }
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
