//! Questions to Keystone's interface of version 3 (access contract 2.2). Each has a deadline, few are asked at the same time, and
//! answers are read up to a length only.

use super::{
    answer::{self, Place},
    settings::{Account, KeystoneSettings},
};
use crate::authentication::https;
use reqwest::{
    RequestBuilder, Response,
    header::{CONTENT_TYPE, DATE, HeaderValue},
};
use serde_json::{Value, json};
use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use time::OffsetDateTime;
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};
use uuid::Uuid;

/// How many questions are asked at the same time.
const AT_THE_SAME_TIME: usize = 32;
/// How long an answer may be, in bytes; the catalog of a large cloud is in one of them.
const LONGEST_ANSWER: usize = 4 << 20;
/// The server's own token is renewed so long before it ends, or after three quarters of its time.
const RENEWED_BEFORE: Duration = Duration::from_mins(5);
/// How long to wait before asking for an own token again where Keystone could not be asked.
const PAUSE: Duration = Duration::from_secs(1);
/// And where it refused the account: Keystone may shut out who tries too often.
const PAUSE_WHEN_REFUSED: Duration = Duration::from_secs(15);

/// Keystone could not say it; why, for the log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);

/// What Keystone says of a good token.
#[derive(Debug)]
pub struct Good {
    /// The body.
    pub body: Value,
    /// Its length, in bytes.
    pub length: usize,
    /// Before it was asked.
    pub asked_at: Instant,
    /// For how long the token is good from then on; nothing for one that has ended.
    pub lasts: Duration,
}

/// What was answered to one question.
struct Reply {
    status: u16,
    body: Vec<u8>,
    subject_token: Option<HeaderValue>,
    asked_at: Instant,
    /// What the clock of Keystone said.
    date: OffsetDateTime,
}

impl Reply {
    fn json(&self) -> Result<Value, Away> {
        serde_json::from_slice(&self.body).map_err(|error| Away(format!("what Keystone answers is no JSON: {error}")))
    }

    fn unexpected(&self, question: &str) -> Away {
        Away(format!("Keystone answers {question} with status {}", self.status))
    }

    /// For how long something is good from when it was asked. `expires_at` is of Keystone's clock, so it is held against what that
    /// said in the same answer, and never against the clock of this machine.
    fn lasts_until(&self, expires_at: OffsetDateTime) -> Duration {
        Duration::try_from(expires_at - self.date).unwrap_or_default()
    }
}

/// Somebody who wants a token.
pub struct Person<'p> {
    /// The name of the user.
    pub user: &'p str,
    /// Its password.
    pub password: &'p str,
    /// The name of its domain, or the id `default`.
    pub user_domain: &'p str,
    /// The name of the project that it wants to speak for; empty for the one that Keystone knows.
    pub project: &'p str,
    /// The name of the domain of that.
    pub project_domain: &'p str,
}

impl Person<'_> {
    fn question(&self) -> Value {
        // What Keystone has without any doing has this id, and a name that may be changed.
        let domain = |name: &str| if name == "default" { json!({"id": name}) } else { json!({"name": name}) };
        let user = json!({"name": self.user, "domain": domain(self.user_domain), "password": self.password});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        if self.project.is_empty() {
            return json!({"auth": {"identity": identity}});
        }
        let project = json!({"name": self.project, "domain": domain(self.project_domain)});
        json!({"auth": {"identity": identity, "scope": {"project": project}}})
    }
}

/// The server's own token, and where it is good for.
struct Service {
    token: HeaderValue,
    endpoint: String,
    renew_at: Instant,
    ends_at: Instant,
}

/// How far the server has got with a token of its own.
#[derive(Default)]
struct Login {
    service: Option<Arc<Service>>,
    /// Why there is no new one, and until when nobody tries again.
    failed: Option<(Instant, Away)>,
}

/// Asks Keystone.
pub struct Client {
    http: reqwest::Client,
    url: String,
    account: Account,
    interface: &'static str,
    region: String,
    pub(super) answers_within: Duration,
    places: Semaphore,
    login: Mutex<Login>,
    /// How long to wait before asking for an own token again where Keystone could not be asked, and where it refused the account.
    pub(super) pauses: (Duration, Duration),
}

impl Client {
    /// With these settings. Nothing is asked yet.
    ///
    /// # Errors
    /// Names the setting that is wrong; `told` is a setting as its user knows it.
    pub fn new(
        url: &reqwest::Url,
        settings: &KeystoneSettings,
        told: impl Fn(&str, &dyn Display) -> String,
    ) -> Result<Self, String> {
        let account = settings.account(&told)?;
        Ok(Self {
            http: http(settings, told)?,
            url: url.to_string(),
            account,
            interface: settings.keystone_interface.name(),
            region: settings.keystone_region.clone(),
            answers_within: settings.answers_within(),
            places: Semaphore::new(AT_THE_SAME_TIME),
            login: Mutex::default(),
            pauses: (PAUSE, PAUSE_WHEN_REFUSED),
        })
    }

    /// Where Keystone is, as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What Keystone says of a token: nothing of one that it does not know. One that has ended is known if it may be.
    pub async fn whose(&self, token: &str, may_have_ended: bool) -> Result<Option<Good>, Away> {
        // What can't be sent can't be known.
        let Ok(mut subject) = HeaderValue::from_str(token) else { return Ok(None) };
        subject.set_sensitive(true);
        let path = if may_have_ended { "/auth/tokens?nocatalog&allow_expired=1" } else { "/auth/tokens?nocatalog" };
        let reply = self.ask(path, Some(&subject)).await?;
        match reply.status {
            200 => {
                let body = reply.json()?;
                let expires_at = answer::expires_at(&body);
                let expires_at =
                    expires_at.ok_or_else(|| Away("Keystone does not say when a token ends".to_owned()))?;
                let lasts = reply.lasts_until(expires_at);
                Ok(Some(Good { body, length: reply.body.len(), asked_at: reply.asked_at, lasts }))
            }
            404 => Ok(None),
            _ => Err(reply.unexpected("whose a token is")),
        }
    }

    /// The project with this id.
    pub async fn project(&self, id: Uuid) -> Result<Option<Place>, Away> {
        self.one(&format!("/projects/{}", id.simple()), "/project").await
    }

    /// The domain with this id.
    pub async fn domain(&self, id: Uuid) -> Result<Option<Place>, Away> {
        self.one(&format!("/domains/{}", id.simple()), "/domain").await
    }

    /// The project of this name in a domain.
    pub async fn project_named(&self, name: &str, domain_id: &str) -> Result<Option<Place>, Away> {
        self.named("projects", name, Some(domain_id)).await
    }

    /// The domain of this name.
    pub async fn domain_named(&self, name: &str) -> Result<Option<Place>, Away> {
        self.named("domains", name, None).await
    }

    async fn one(&self, path: &str, pointer: &str) -> Result<Option<Place>, Away> {
        let reply = self.ask(path, None).await?;
        match reply.status {
            200 => {
                let place = reply.json()?.pointer(pointer).and_then(Place::read);
                place.map(Some).ok_or_else(|| Away(format!("what Keystone answers to {path} is none")))
            }
            404 => Ok(None),
            _ => Err(reply.unexpected(path)),
        }
    }

    async fn named(&self, kind: &str, name: &str, domain_id: Option<&str>) -> Result<Option<Place>, Away> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("name", name);
        if let Some(domain_id) = domain_id {
            query.append_pair("domain_id", domain_id);
        }
        let reply = self.ask(&format!("/{kind}?{}", query.finish()), None).await?;
        if reply.status != 200 {
            return Err(reply.unexpected(kind));
        }
        let body = reply.json()?;
        let places = body.get(kind).and_then(Value::as_array);
        let places = places.ok_or_else(|| Away(format!("what Keystone answers has no list of {kind}")))?;
        // Its database may find names that are only alike.
        let is_it =
            |place: &Place| place.name == name && (domain_id.is_none() || place.domain_id.as_deref() == domain_id);
        Ok(places.iter().filter_map(Place::read).find(is_it))
    }

    /// Asks as the server itself; once more with a new token if the one that it had is refused. All of it has an end, too.
    async fn ask(&self, path: &str, subject: Option<&HeaderValue>) -> Result<Reply, Away> {
        let answered = timeout(2 * self.answers_within, async {
            for _ in 0..2 {
                let service = self.service().await?;
                let reply = self.ask_with(&service, path, subject).await?;
                if reply.status != 401 {
                    return Ok(reply);
                }
                self.is_refused(&service).await;
            }
            Err(Away("Keystone refuses the server's own token, also a new one".to_owned()))
        });
        answered.await.unwrap_or_else(|_| Err(self.late()))
    }

    async fn ask_with(&self, service: &Service, path: &str, subject: Option<&HeaderValue>) -> Result<Reply, Away> {
        let mut question = self.http.get(format!("{}{path}", service.endpoint)).header("X-Auth-Token", &service.token);
        if let Some(subject) = subject {
            question = question.header("X-Subject-Token", subject);
        }
        self.send(question).await
    }

    /// The server's own token: the one that there is, or a new one. Who comes while one is being fetched waits for it, and takes
    /// its failure, too.
    async fn service(&self) -> Result<Arc<Service>, Away> {
        let mut login = self.login.lock().await;
        let now = Instant::now();
        let known = login.service.clone().filter(|service| now < service.ends_at);
        if let Some(service) = known.as_ref().filter(|service| now < service.renew_at) {
            return Ok(Arc::clone(service));
        }
        if let Some((again_at, why)) = &login.failed
            && now < *again_at
        {
            return known.ok_or_else(|| why.clone());
        }
        match self.log_in().await {
            Ok(service) => {
                let service = Arc::new(service);
                *login = Login { service: Some(Arc::clone(&service)), failed: None };
                Ok(service)
            }
            Err((pause, why)) => {
                login.failed = Some((Instant::now() + pause, why.clone()));
                known.ok_or(why)
            }
        }
    }

    /// The token was refused: it is not to be used any more, unless there is another one by now.
    async fn is_refused(&self, service: &Arc<Service>) {
        let mut login = self.login.lock().await;
        if login.service.as_ref().is_some_and(|known| Arc::ptr_eq(known, service)) {
            login.service = None;
        }
    }

    /// A token for somebody who says who it is; none for a wrong password, or a project that is not its own.
    pub async fn sign_in(&self, person: &Person<'_>) -> Result<Option<String>, Away> {
        let question = self.http.post(format!("{}/auth/tokens", self.url)).body(person.question().to_string());
        let reply = self.send(question.header(CONTENT_TYPE, "application/json")).await?;
        match reply.status {
            200 | 201 => {
                let token = reply.subject_token.as_ref().and_then(|token| token.to_str().ok());
                let token = token.ok_or_else(|| Away("Keystone's answer lacks the token".to_owned()))?;
                Ok(Some(token.to_owned()))
            }
            400 | 401 | 403 | 404 => Ok(None),
            _ => Err(reply.unexpected("the password of a user")),
        }
    }

    /// Ends a token, as its holder.
    pub async fn revoke(&self, token: &str) -> Result<(), Away> {
        let Ok(mut token) = HeaderValue::from_str(token) else { return Ok(()) };
        token.set_sensitive(true);
        let question = self.http.delete(format!("{}/auth/tokens", self.url)).header("X-Auth-Token", &token);
        let reply = self.send(question.header("X-Subject-Token", &token)).await?;
        match reply.status {
            // It may have ended meanwhile.
            204 | 401 | 404 => Ok(()),
            _ => Err(reply.unexpected("the end of a token")),
        }
    }

    /// Asks for an own token; what becomes of it if not, and how long not to ask again.
    async fn log_in(&self) -> Result<Service, (Duration, Away)> {
        let (pause, pause_when_refused) = self.pauses;
        let soon = |why: Away| (pause, why);
        let question = self.account.question().map_err(|why| soon(Away(why)))?;
        let question = self.http.post(format!("{}/auth/tokens", self.url)).body(question.to_string());
        let reply = self.send(question.header(CONTENT_TYPE, "application/json")).await.map_err(soon)?;
        match reply.status {
            200 | 201 => {}
            401 => {
                let why = "Keystone refuses the server's own account: look at --keystone-user, its password, domain and project";
                return Err((pause_when_refused, Away(why.to_owned())));
            }
            _ => return Err((pause_when_refused, reply.unexpected("the server's own account"))),
        }
        let body = reply.json().map_err(soon)?;
        let incomplete = |what: &str| soon(Away(format!("Keystone's answer to the server's own account lacks {what}")));
        let mut token = reply.subject_token.clone().ok_or_else(|| incomplete("the token"))?;
        token.set_sensitive(true);
        let expires_at = answer::expires_at(&body).ok_or_else(|| incomplete("when the token ends"))?;
        let lasts = reply.lasts_until(expires_at);
        if lasts.is_zero() {
            return Err(soon(Away("the server's own token has ended as soon as it is made".to_owned())));
        }
        let endpoint = answer::endpoint(&body, self.interface, &self.region).map_err(|why| soon(Away(why)))?;
        let (renew_at, ends_at) = (reply.asked_at + renewed_after(lasts), reply.asked_at + lasts);
        Ok(Service { token, endpoint, renew_at, ends_at })
    }

    /// Sends one question, when there is a place, and reads the whole answer.
    async fn send(&self, question: RequestBuilder) -> Result<Reply, Away> {
        timeout(self.answers_within, async {
            let _place = self.places.acquire().await.map_err(|error| Away(error.to_string()))?;
            let (asked_at, asked_at_here) = (Instant::now(), SystemTime::now());
            let mut response = attempt(question).await.map_err(|error| Away(https::told(&error)))?;
            let date = response.headers().get(DATE).and_then(|date| answer::date(date.to_str().ok()?));
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(|error| Away(https::told(&error)))? {
                if body.len() + piece.len() > LONGEST_ANSWER {
                    return Err(Away(format!("an answer of Keystone has more than {LONGEST_ANSWER} bytes")));
                }
                body.extend_from_slice(&piece);
            }
            Ok(Reply {
                status: response.status().as_u16(),
                body,
                subject_token: response.headers().get("X-Subject-Token").cloned(),
                asked_at,
                // Dates have whole seconds, of which the rest is cut off. Where there is none, clocks have to agree.
                date: date.map_or_else(|| asked_at_here.into(), |date| date.saturating_add(time::Duration::SECOND)),
            })
        })
        .await
        .unwrap_or_else(|_| Err(self.late()))
    }

    #[cfg(test)]
    pub(super) async fn forget_own_token(&self) {
        *self.login.lock().await = Login::default();
    }

    fn late(&self) -> Away {
        Away(format!("no answer of Keystone within {:?}", self.answers_within))
    }
}

/// After what time an own token is renewed that lasts for so long.
fn renewed_after(lasts: Duration) -> Duration {
    lasts.saturating_sub(RENEWED_BEFORE.min(lasts / 4))
}

/// Sends a question; once more if the connection was of no use any more, which is often known only when it is used again. No
/// question changes anything.
async fn attempt(question: RequestBuilder) -> reqwest::Result<Response> {
    let again = question.try_clone();
    match (question.send().await, again) {
        (Err(error), Some(again)) if error.is_request() && !error.is_connect() => again.send().await,
        (answer, _) => answer,
    }
}

/// What sends the questions: to nobody but who was named, without a proxy, and without following anybody elsewhere, since each has
/// a token in it.
fn http(settings: &KeystoneSettings, told: impl Fn(&str, &dyn Display) -> String) -> Result<reqwest::Client, String> {
    if settings.keystone_insecure {
        tracing::warn!("{}: whoever answers as Keystone is believed", told("keystone_insecure", &"").trim());
    }
    let file = settings.keystone_ca_file.as_deref();
    https::client(file, settings.keystone_insecure).map_err(|error| match file {
        Some(file) => format!("{}: {error}", told("keystone_ca_file", &file.display())),
        None => format!("{}: {error}", told("keystone_url", &"").trim()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tokens_are_renewed_before_they_end() {
        for (lasts, after) in [(0, 0), (4, 3), (1200, 900), (3600, 3300), (86_400, 86_100)] {
            assert_eq!(renewed_after(Duration::from_secs(lasts)), Duration::from_secs(after), "{lasts}");
        }
    }
}
