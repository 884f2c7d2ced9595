//! Keystone (version 3) as a source of tokens, with what it has said for a while in memory (KS-6, KS-8).

mod answer;
mod cache;
mod client;
mod places;
mod settings;

#[cfg(test)]
mod tests;

use super::{
    Callers, Known, Unknown,
    token::{self, Digest},
};
use crate::access::Scope;
use answer::Holder;
use cache::{Cache, Found, Until};
use client::Client;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use places::Places;
use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

pub use answer::Place;
pub use client::{Away, Person};
pub use places::Wanted;
pub use settings::KeystoneSettings;

/// How many tokens are asked for, or wait for their turn, at the same time; more are told to come again.
const MOST_QUESTIONS: usize = 1024;
/// The role of services that may forward a token that has ended since.
const SERVICE: &str = "service";
/// While Keystone is away, it is asked so often at most for those who are believed meanwhile.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How many bytes an answer takes in memory, by a byte of its text.
const WEIGHT_OF_A_BYTE: usize = 8;
/// What clients are told while Keystone is away.
const UNAVAILABLE: &str = "The Keystone service is temporarily unavailable.";

/// A token that was accepted, and until when that counts.
#[derive(Clone)]
struct Accepted {
    known: Arc<Known>,
    until: Until,
    /// The end of the token.
    ends: Instant,
}

type Answer = Result<Accepted, Unknown>;
type Question = Shared<BoxFuture<'static, Answer>>;

/// What is asked of Keystone.
struct Subject {
    key: Digest,
    token: String,
    /// The token of a service that forwards it: then it may have ended, and is good for as long as this one.
    service: Option<Accepted>,
}

#[derive(Default)]
struct State {
    cache: Cache<Accepted>,
    /// The questions that are on their way: one for each token, for whoever wants to know it (KS-8).
    questions: HashMap<Digest, Question>,
    /// While the last question was not answered: when to ask again for those who are believed without.
    away_until: Option<Instant>,
}

/// Keystone, and what it has said.
pub struct Keystone {
    client: Client,
    callers: Arc<Callers>,
    cache_time: Duration,
    away_time: Duration,
    syncs_on_demand: bool,
    places: Places,
    state: Mutex<State>,
}

impl Keystone {
    /// With these settings; none if they name no Keystone. Nothing is asked yet: a server starts while Keystone is away.
    ///
    /// # Errors
    /// Names the setting that is wrong or missing; `told` is a setting as its user knows it.
    pub fn new(
        settings: &KeystoneSettings,
        callers: Arc<Callers>,
        told: impl Fn(&str, &dyn Display) -> String,
    ) -> Result<Option<Arc<Self>>, String> {
        let Some(url) = &settings.keystone_url else { return Ok(None) };
        Ok(Some(Arc::new(Self {
            client: Client::new(url, settings, told)?,
            callers,
            cache_time: Duration::from_secs(settings.keystone_token_cache_time.into()),
            away_time: Duration::from_secs(settings.keystone_away_time.into()),
            syncs_on_demand: settings.keystone_sync_on_demand,
            places: Places::default(),
            state: Mutex::default(),
        })))
    }

    /// Where it is, for clients that are told to go there for a token.
    pub fn url(&self) -> &str {
        self.client.url()
    }

    /// Whether the last question was not answered.
    pub fn is_away(&self) -> bool {
        self.state().away_until.is_some()
    }

    /// Whether projects and domains that only Keystone has are to be made here (SYNC-1).
    pub fn syncs_on_demand(&self) -> bool {
        self.syncs_on_demand
    }

    /// A token for somebody who has a password; none where Keystone does not take it.
    ///
    /// # Errors
    /// Why Keystone can't be asked.
    pub async fn sign_in(&self, person: &Person<'_>) -> Result<Option<String>, Away> {
        self.client.sign_in(person).await
    }

    /// Ends a token that was made so, for everybody, and here at once.
    ///
    /// # Errors
    /// Why Keystone can't be asked.
    pub async fn revoke(&self, token: &str) -> Result<(), Away> {
        self.client.revoke(token).await?;
        self.state().cache.refuse(token::digest(token), Instant::now());
        Ok(())
    }

    /// A project or a domain, if Keystone has it, or had not a moment ago.
    ///
    /// # Errors
    /// Why Keystone can't be asked.
    pub async fn place(&self, wanted: &Wanted) -> Result<Option<Place>, Away> {
        self.places.find(&self.client, wanted).await
    }

    /// Takes one for missing, for a while: it can't be made here.
    pub fn pass_over(&self, wanted: &Wanted) {
        self.places.pass_over(wanted);
    }

    /// Whether a domain of Keystone is the one that is `default-domain` here (KS-2).
    pub fn is_default_domain(&self, id: &str) -> bool {
        self.callers.is_default(&Scope::new(id, None))
    }

    /// What Keystone calls that one.
    pub fn default_domain_id(&self) -> &str {
        &self.callers.default_domain_id
    }

    /// Whose a token is. A token of a service that comes along has to be good, too; if the service has the role `service`, the
    /// other one may have ended (access contract 2.1).
    ///
    /// # Errors
    /// That it is nobody's, or that Keystone can't be asked.
    pub async fn ask(self: &Arc<Self>, token: &str, service_token: Option<&str>) -> Result<Arc<Known>, Unknown> {
        let plain = |token: &str| Subject { key: token::digest(token), token: token.to_owned(), service: None };
        let Some(service_token) = service_token else { return Ok(self.answer(plain(token)).await?.known) };
        let service = self.answer(plain(service_token)).await?;
        match self.answer(plain(token)).await {
            Err(Unknown::Nobody) if service.known.caller.has_role(SERVICE) => {
                // A token has no line break in it, so this is no other's key.
                let key = token::digest(&format!("{token}\n{service_token}"));
                let subject = Subject { key, token: token.to_owned(), service: Some(service) };
                Ok(self.answer(subject).await?.known)
            }
            answer => Ok(answer?.known),
        }
    }

    async fn answer(self: &Arc<Self>, subject: Subject) -> Answer {
        let key = subject.key;
        let (question, old) = {
            let mut state = self.state();
            let now = Instant::now();
            // The machine may have slept, which this clock does not count: then it is asked anew.
            let found = match state.cache.look(&key, now) {
                Found::Accepted(known) | Found::Old(known) if known.known.has_ended(SystemTime::now()) => {
                    Found::Nothing
                }
                found => found,
            };
            let old = match found {
                Found::Accepted(known) => return Ok(known),
                Found::Refused => return Err(Unknown::Nobody),
                Found::Old(known) => Some(known),
                Found::Nothing => None,
            };
            match (&old, state.away_until) {
                // Nobody waits for a Keystone that is away; it is asked all the same, now and then (W25).
                (Some(old), Some(again_at)) => {
                    if again_at <= now {
                        state.away_until = Some(now + ASKED_AGAIN_AFTER);
                        self.question(&mut state, subject);
                    }
                    return Ok(old.clone());
                }
                _ => (self.question(&mut state, subject), old),
            }
        };
        let answer = match question {
            Some(question) => question.await,
            None => Err(Unknown::Unavailable("Too many tokens are unknown at the moment".to_owned())),
        };
        match (answer, old) {
            (Err(Unknown::Unavailable(_)), Some(old)) if Instant::now() < old.until.usable => Ok(old),
            (answer, _) => answer,
        }
    }

    /// The question whose a token is: the one that is on its way, or a new one; none if there are too many. It is asked to its end
    /// also when whoever wanted to know is gone.
    fn question(self: &Arc<Self>, state: &mut State, subject: Subject) -> Option<Question> {
        if let Some(question) = state.questions.get(&subject.key) {
            return Some(question.clone());
        }
        if state.questions.len() >= MOST_QUESTIONS {
            return None;
        }
        let key = subject.key;
        let asked = Asked { keystone: Arc::clone(self), key };
        let answered = tokio::spawn(async move { asked.keystone.put(&subject).await });
        let broken = |_| Err(Unknown::Unavailable(UNAVAILABLE.to_owned()));
        let question = answered.map(move |answer| answer.unwrap_or_else(broken)).boxed().shared();
        state.questions.insert(key, question.clone());
        Some(question)
    }

    /// Puts a question to Keystone, and keeps the answer.
    async fn put(&self, subject: &Subject) -> Answer {
        let replied = self.client.whose(&subject.token, subject.service.is_some()).await;
        let answered = replied.and_then(|good| {
            let Some(good) = good else { return Ok(None) };
            let (length, asked_at, mut lasts) = (good.length, good.asked_at, good.lasts);
            let holder = Holder::read(good.body, &self.callers);
            let holder = holder.ok_or_else(|| Away("Keystone does not say whose a token is".to_owned()))?;
            let outlasts = subject.service.as_ref().map(|service| service.ends);
            if let Some(ends) = outlasts {
                lasts = lasts.max(ends.saturating_duration_since(asked_at));
            }
            Ok((!lasts.is_zero()).then(|| (self.accepted(holder, asked_at, lasts, outlasts.is_some()), length)))
        });
        let mut state = self.state();
        let now = Instant::now();
        match answered {
            Ok(answer) => {
                if state.away_until.take().is_some() {
                    tracing::info!("Keystone answers again");
                }
                let Some((accepted, length)) = answer else {
                    state.cache.refuse(subject.key, now);
                    return Err(Unknown::Nobody);
                };
                let weight = length.saturating_mul(WEIGHT_OF_A_BYTE);
                state.cache.accept(subject.key, accepted.clone(), weight, accepted.until);
                Ok(accepted)
            }
            Err(Away(why)) => {
                if state.away_until.replace(now + ASKED_AGAIN_AFTER).is_none() {
                    tracing::warn!(why, "Keystone can't be asked whose tokens are");
                }
                Err(Unknown::Unavailable(UNAVAILABLE.to_owned()))
            }
        }
    }

    /// A token of this holder, that lasts for a time from when it was asked for. One that has ended, and is good for the sake of a
    /// service, is not believed for longer while Keystone is away.
    fn accepted(&self, holder: Holder, asked_at: Instant, lasts: Duration, has_ended: bool) -> Accepted {
        let ends = asked_at + lasts;
        let good = ends.min(asked_at + self.cache_time);
        let usable = if has_ended { good } else { ends.min(asked_at + self.cache_time.max(self.away_time)) };
        // By the clock of this machine, to which the moment is brought.
        let expires_at =
            SystemTime::now().checked_sub(asked_at.elapsed()).and_then(|asked_at| asked_at.checked_add(lasts));
        let known = Known { caller: Arc::new(holder.caller), expires_at, token_info: holder.body };
        Accepted { known: Arc::new(known), until: Until { good, usable }, ends }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is on its way. However it ends, it is not any more.
struct Asked {
    keystone: Arc<Keystone>,
    key: Digest,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.keystone.state().questions.remove(&self.key);
    }
}
