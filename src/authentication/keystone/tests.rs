//! Against a stand-in for Keystone that answers whatever a test wants.

use super::*;
use crate::{access::Level, authentication::SpecialRoles};
use clap::Parser;
use futures_util::future::join_all;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use std::{path::Path, process::Command};
use time::{
    OffsetDateTime,
    format_description::well_known::{Rfc2822, Rfc3339},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

const PROJECT: &str = "cccccccccccc4ccc8ccccccccccccccc";

/// A question as it came in.
#[derive(Clone, Debug)]
struct Asked {
    /// The method and the path.
    what: String,
    head: String,
}

impl Asked {
    fn header(&self, name: &str) -> String {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
    }

    fn subject(&self) -> String {
        self.header("x-subject-token")
    }
}

/// What the stand-in does with a question.
enum Reaction {
    Answers(u16, Value),
    /// These bytes, and the end of the connection.
    Says(String),
    /// Closes the connection.
    Leaves,
    /// Says nothing.
    Hangs,
}

type Behaviour = Box<dyn FnMut(&Asked) -> Reaction + Send>;
type Bad = Box<dyn Fn() -> Reaction + Send + Sync>;

/// One that answers as Keystone would, unless it is told otherwise.
struct StandIn {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    behaviour: Arc<Mutex<Behaviour>>,
    /// Answers wait until this is true.
    is_open: watch::Sender<bool>,
    listening: JoinHandle<()>,
    /// Its clock, in seconds from ours.
    clock: Arc<Mutex<i64>>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn at(clock: i64, seconds: i64) -> String {
    (OffsetDateTime::now_utc() + time::Duration::seconds(clock + seconds)).format(&Rfc3339).unwrap()
}

/// The body for a token of alice, which lasts so many seconds.
fn alice(clock: i64, lasts: i64) -> Value {
    json!({"token": {
        "user": {"id": "u1", "name": "alice", "domain": {"id": "default", "name": "Default"}},
        "project": {"id": PROJECT, "name": "p", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r", "name": "member"}],
        "expires_at": at(clock, lasts),
    }})
}

impl StandIn {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With TLS, if it is said how.
    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/v3", listener.local_addr().unwrap());
        let (asked, clock) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<Mutex<i64>>::default());
        let is_open = watch::Sender::new(true);
        let (in_time, own_url) = (Arc::clone(&clock), url.clone());
        let behaviour: Behaviour = Box::new(move |asked| usual(asked, &own_url, *in_time.lock().unwrap()));
        let behaviour = Arc::new(Mutex::new(behaviour));
        let state = (Arc::clone(&asked), Arc::clone(&behaviour), is_open.subscribe(), Arc::clone(&clock));
        let listening = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let ((asked, behaviour, is_open, clock), tls) = (state.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(connection, &asked, &behaviour, is_open, &clock).await,
                        Some(tls) => {
                            let connection = tls.accept(connection).await.ok()?;
                            serve(connection, &asked, &behaviour, is_open, &clock).await
                        }
                    }
                });
            }
        });
        Self { url, asked, behaviour, is_open, listening, clock }
    }

    /// What is asked, from now on, is answered so; what this leaves is answered as usual.
    fn behaves(&self, mut behaviour: impl FnMut(&Asked) -> Option<Reaction> + Send + 'static) {
        let (url, clock) = (self.url.clone(), Arc::clone(&self.clock));
        *self.behaviour.lock().unwrap() =
            Box::new(move |asked| behaviour(asked).unwrap_or_else(|| usual(asked, &url, *clock.lock().unwrap())));
    }

    fn behaves_as_usual(&self) {
        self.behaves(|_| None);
    }

    /// How many questions of this kind there were.
    fn count(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.what.starts_with(what)).count()
    }

    fn last(&self) -> Asked {
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    fn keystone_with(&self, options: &[&str]) -> Arc<Keystone> {
        let keystone = keystone(&[&["--keystone-url", &self.url], options].concat()).unwrap().unwrap();
        Arc::into_inner(keystone).map(with_no_pauses).unwrap()
    }

    fn keystone(&self) -> Arc<Keystone> {
        self.keystone_with(&[])
    }

    /// With nothing remembered for longer than it has to be.
    fn forgetful_keystone(&self) -> Arc<Keystone> {
        self.keystone_with(&["--keystone-token-cache-time", "0"])
    }
}

fn with_no_pauses(mut keystone: Keystone) -> Arc<Keystone> {
    keystone.client.pauses = (Duration::ZERO, Duration::ZERO);
    Arc::new(keystone)
}

const LOGIN: &str = "POST /v3/auth/tokens";
const WHOSE: &str = "GET /v3/auth/tokens";

fn usual(asked: &Asked, url: &str, clock: i64) -> Reaction {
    if asked.what == LOGIN {
        let catalog =
            json!([{"type": "identity", "endpoints": [{"interface": "admin", "region": "RegionOne", "url": url}]}]);
        return Reaction::Answers(201, json!({"token": {"expires_at": at(clock, 3600), "catalog": catalog}}));
    }
    let may_have_ended = asked.what.contains("allow_expired=1");
    match asked.subject().as_str() {
        subject if subject.starts_with("good") => Reaction::Answers(200, alice(clock, 3600)),
        "ended" if may_have_ended => Reaction::Answers(200, alice(clock, -3600)),
        "service" => {
            let mut body = alice(clock, 1800);
            body["token"]["roles"] = json!([{"name": "Service"}]);
            Reaction::Answers(200, body)
        }
        _ => Reaction::Answers(404, json!({"error": {"code": 404}})),
    }
}

async fn serve(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    asked: &Mutex<Vec<Asked>>,
    behaviour: &Mutex<Behaviour>,
    mut is_open: watch::Receiver<bool>,
    clock: &Mutex<i64>,
) -> Option<()> {
    let mut read = String::new();
    loop {
        let end = loop {
            if let Some(end) = read.find("\r\n\r\n") {
                break end + 4;
            }
            let mut piece = [0; 4096];
            let length @ 1.. = connection.read(&mut piece).await.ok()? else { return None };
            read.push_str(std::str::from_utf8(&piece[..length]).ok()?);
        };
        let head: String = read.drain(..end).collect();
        let what = head.split(" HTTP/").next()?.to_owned();
        let question = Asked { what, head };
        let mut body = question.header("content-length").parse::<usize>().unwrap_or_default();
        body = body.saturating_sub(read.drain(..body.min(read.len())).count());
        connection.read_exact(&mut vec![0; body]).await.ok()?;
        let reaction = behaviour.lock().unwrap()(&question);
        asked.lock().unwrap().push(question);
        is_open.wait_for(|is_open| *is_open).await.ok()?;
        let now = OffsetDateTime::now_utc() + time::Duration::seconds(*clock.lock().unwrap());
        let date = now.format(&Rfc2822).unwrap().replace("+0000", "GMT");
        match reaction {
            Reaction::Answers(status, body) => {
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} x\r\nDate: {date}\r\nX-Subject-Token: own\r\nLocation: /elsewhere\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                connection.write_all((head + &body).as_bytes()).await.ok()?;
            }
            Reaction::Says(text) => return connection.write_all(text.as_bytes()).await.ok(),
            Reaction::Leaves => return None,
            Reaction::Hangs => return std::future::pending().await,
        }
    }
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    settings: KeystoneSettings,
}

/// With these settings and an account.
fn keystone(options: &[&str]) -> Result<Option<Arc<Keystone>>, String> {
    // Any file will do.
    let password = concat!(env!("CARGO_MANIFEST_DIR"), "/rustfmt.toml");
    let account = ["cirrus", "--keystone-user", "cirrus", "--keystone-password-file", password];
    let line = Line::try_parse_from([&account, options].concat()).map_err(|error| error.to_string())?;
    let roles = SpecialRoles { cloud_admin: "admin".to_owned(), global_read_only: None };
    let callers = Arc::new(Callers { roles, default_domain_id: "default".to_owned() });
    Keystone::new(&line.settings, callers, |field, value| format!("--{field} {value}"))
}

fn is_unavailable(answer: &Result<Arc<Known>, Unknown>) -> bool {
    matches!(answer, Err(Unknown::Unavailable(_)))
}

#[tokio::test]
async fn a_token_is_asked_for_once() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.keystone();
    for _ in 0..3 {
        let known = keystone.ask("good", None).await.unwrap();
        assert_eq!((known.caller.user.as_deref(), known.caller.level), (Some("alice"), Level::Member));
        assert_eq!(known.token_info.pointer("/token/project/id"), Some(&json!(PROJECT)));
    }
    assert_eq!((stand_in.count(LOGIN), stand_in.count(WHOSE)), (1, 1));
    let asked = stand_in.last();
    assert_eq!((asked.header("x-auth-token").as_str(), asked.subject().as_str()), ("own", "good"));
    // A refusal is remembered, too, for a moment.
    for _ in 0..3 {
        assert_eq!(keystone.ask("bad", None).await.unwrap_err(), Unknown::Nobody);
    }
    assert_eq!((stand_in.count(LOGIN), stand_in.count(WHOSE)), (1, 2));
    // What can't be sent is nobody's.
    for odd in ["good\r\nX-Auth-Token: x", "\0", "\u{7f}"] {
        assert_eq!(keystone.ask(odd, None).await.unwrap_err(), Unknown::Nobody);
    }
    assert_eq!(stand_in.count(WHOSE), 2);
}

#[tokio::test]
async fn ks_8_one_question_is_on_its_way_for_a_token() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.forgetful_keystone();
    stand_in.is_open.send_replace(false);
    let many = join_all((0..20).map(|_| keystone.ask("good", None)));
    // Whoever asked first may leave: the others get their answer all the same.
    let mut first = Box::pin(keystone.ask("good", None));
    assert!((&mut first).now_or_never().is_none());
    drop(first);
    let (answers, ()) = tokio::join!(many, async {
        stand_in.is_open.send_replace(true);
    });
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(stand_in.count(WHOSE), 1);
    assert!(keystone.state().questions.is_empty());
}

#[tokio::test]
async fn questions_that_wait_have_a_bound() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.keystone();
    stand_in.is_open.send_replace(false);
    let mut asked: Vec<_> = (0..MOST_QUESTIONS)
        .map(|number| {
            Box::pin({
                let keystone = Arc::clone(&keystone);
                async move { keystone.ask(&format!("good{number}"), None).await }
            })
        })
        .collect();
    for one in &mut asked {
        assert!(one.now_or_never().is_none());
    }
    assert!(is_unavailable(&keystone.ask("good", None).await));
    stand_in.is_open.send_replace(true);
    assert!(join_all(asked).await.iter().all(Result::is_ok));
    keystone.ask("good", None).await.unwrap();
}

#[tokio::test]
async fn an_own_token_that_is_refused_is_made_anew_once() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.forgetful_keystone();
    keystone.ask("good", None).await.unwrap();
    let mut refusals = 1;
    stand_in.behaves(move |asked| {
        let is_refused = asked.what.starts_with(WHOSE) && refusals > 0;
        refusals -= i32::from(is_refused);
        is_refused.then(|| Reaction::Answers(401, json!({})))
    });
    keystone.ask("good", None).await.unwrap();
    assert_eq!((stand_in.count(LOGIN), stand_in.count(WHOSE)), (2, 3));
    stand_in.behaves(|asked| asked.what.starts_with(WHOSE).then(|| Reaction::Answers(401, json!({}))));
    assert!(is_unavailable(&keystone.ask("other", None).await));
    assert_eq!((stand_in.count(LOGIN), stand_in.count(WHOSE)), (3, 5));
    stand_in.behaves_as_usual();
    keystone.ask("good", None).await.unwrap();
}

#[tokio::test]
async fn an_own_token_that_ends_at_once_is_none() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.forgetful_keystone();
    let url = stand_in.url.clone();
    stand_in.behaves(move |asked| {
        let catalog =
            json!([{"type": "identity", "endpoints": [{"interface": "admin", "region": "RegionOne", "url": url}]}]);
        let body = json!({"token": {"expires_at": at(0, 0), "catalog": catalog}});
        (asked.what == LOGIN).then(|| Reaction::Answers(201, body))
    });
    assert!(is_unavailable(&keystone.ask("good", None).await));
    stand_in.behaves_as_usual();
    keystone.ask("good", None).await.unwrap();
}

#[tokio::test]
async fn an_account_that_is_refused_is_not_tried_at_once() {
    let stand_in = StandIn::start().await;
    let keystone = Arc::into_inner(stand_in.keystone()).map(|mut keystone| {
        keystone.client.pauses = (Duration::ZERO, Duration::from_mins(10));
        Arc::new(keystone)
    });
    let keystone = keystone.unwrap();
    stand_in.behaves(|asked| (asked.what == LOGIN).then(|| Reaction::Answers(401, json!({}))));
    for _ in 0..5 {
        assert!(is_unavailable(&keystone.ask("good", None).await));
    }
    assert_eq!((stand_in.count(LOGIN), stand_in.count(WHOSE)), (1, 0));
}

#[tokio::test]
async fn an_empty_catalog_is_no_end() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.keystone();
    stand_in.behaves(|asked| {
        let body = json!({"token": {"expires_at": at(0, 3600), "catalog": []}});
        (asked.what == LOGIN).then(|| Reaction::Answers(201, body))
    });
    assert!(is_unavailable(&keystone.ask("good", None).await));
    stand_in.behaves_as_usual();
    keystone.ask("good", None).await.unwrap();
}

#[tokio::test]
async fn answers_that_make_no_sense_decide_nothing() {
    let stand_in = StandIn::start().await;
    let mut keystone = Arc::into_inner(stand_in.keystone()).unwrap();
    keystone.client.answers_within = Duration::from_millis(300);
    let keystone = Arc::new(keystone);
    let mut no_user = alice(0, 3600);
    no_user["token"]["user"] = json!(null);
    let long = json!({ "token": "x".repeat(5 << 20) });
    let whole = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}", alice(0, 3600));
    let bad: Vec<(&str, Bad)> = vec![
        ("500", Box::new(|| Reaction::Answers(500, json!({})))),
        ("403", Box::new(|| Reaction::Answers(403, json!({})))),
        ("redirection", Box::new(|| Reaction::Answers(302, json!({})))),
        ("200 of another", Box::new(|| Reaction::Answers(200, json!({"hello": "you"})))),
        ("nobody", Box::new(move || Reaction::Answers(200, no_user.clone()))),
        ("too long", Box::new(move || Reaction::Answers(200, long.clone()))),
        ("no JSON", Box::new(move || Reaction::Says(whole("<html>")))),
        ("half an answer", Box::new(move || Reaction::Says(half.clone()))),
        ("no HTTP", Box::new(|| Reaction::Says("SSH-2.0\r\n\r\n".to_owned()))),
        ("closed", Box::new(|| Reaction::Leaves)),
        ("silence", Box::new(|| Reaction::Hangs)),
    ];
    for (number, (what, reaction)) in bad.into_iter().enumerate() {
        let (token, reaction) = (format!("good{number}"), Arc::new(reaction));
        for of in [WHOSE, LOGIN] {
            let reaction = Arc::clone(&reaction);
            stand_in.behaves(move |asked| asked.what.starts_with(of).then(|| reaction()));
            keystone.client.forget_own_token().await;
            let answer = keystone.ask(&token, None).await;
            assert!(is_unavailable(&answer), "{what} to {of}: {answer:?}");
        }
        // Nothing was learnt from it.
        stand_in.behaves_as_usual();
        keystone.ask(&token, None).await.unwrap_or_else(|error| panic!("after {what}: {error:?}"));
    }
    assert_eq!(stand_in.count("GET /elsewhere"), 0);
}

#[tokio::test]
async fn while_keystone_is_away_known_tokens_are_believed() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.forgetful_keystone();
    keystone.ask("good", None).await.unwrap();
    stand_in.behaves(|_| Some(Reaction::Leaves));
    for _ in 0..10 {
        keystone.ask("good", None).await.unwrap();
    }
    // It is asked now and then only, and nobody waits for that.
    // (Twice each time, since a connection that was kept may have been closed.)
    assert_eq!(stand_in.count(WHOSE), 3);
    assert!(is_unavailable(&keystone.ask("good and new", None).await));
    // When it is back it decides again.
    stand_in.behaves(|asked| asked.what.starts_with(WHOSE).then(|| Reaction::Answers(404, json!({}))));
    keystone.state().away_until = Some(Instant::now());
    while keystone.ask("good", None).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(keystone.ask("good", None).await.unwrap_err(), Unknown::Nobody);
}

#[tokio::test]
async fn nobody_is_believed_for_longer_than_it_was_said() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.keystone_with(&["--keystone-token-cache-time", "0", "--keystone-away-time", "0"]);
    keystone.ask("good", None).await.unwrap();
    stand_in.behaves(|_| Some(Reaction::Leaves));
    assert!(is_unavailable(&keystone.ask("good", None).await));
}

#[test]
fn ks_7_and_ks_8_an_end_of_a_token_is_an_end_everywhere() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let keystone = keystone(&["--keystone-url", "http://127.0.0.1:1/v3"]).unwrap().unwrap();
    let accepted = |lasts: u64, has_ended: bool| {
        let holder = Holder::read(alice(0, 60), &keystone.callers).unwrap();
        let asked_at = Instant::now();
        let accepted = keystone.accepted(holder, asked_at, Duration::from_secs(lasts), has_ended);
        let until = accepted.until;
        ((until.good - asked_at).as_secs(), (until.usable - asked_at).as_secs(), (accepted.ends - asked_at).as_secs())
    };
    assert_eq!(accepted(30, false), (30, 30, 30));
    assert_eq!(accepted(600, false), (60, 600, 600));
    assert_eq!(accepted(86_400, false), (60, 3600, 86_400));
    assert_eq!(accepted(600, true), (60, 60, 600));
    drop(runtime);
}

#[tokio::test]
async fn clocks_need_not_agree() {
    for clock in [-36_000, 36_000] {
        let stand_in = StandIn::start().await;
        *stand_in.clock.lock().unwrap() = clock;
        let keystone = stand_in.keystone();
        let known = keystone.ask("good", None).await.unwrap();
        let lasts = known.expires_at.unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(lasts > Duration::from_secs(3500) && lasts <= Duration::from_hours(1), "{lasts:?}");
        // One that has ended by its own clock is nobody's, whatever the status says.
        stand_in.behaves(move |asked| asked.what.starts_with(WHOSE).then(|| Reaction::Answers(200, alice(clock, -1))));
        assert_eq!(keystone.ask("other", None).await.unwrap_err(), Unknown::Nobody);
    }
}

#[tokio::test]
async fn a_service_may_forward_a_token_that_has_ended() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.keystone();
    assert_eq!(keystone.ask("ended", None).await.unwrap_err(), Unknown::Nobody);
    let known = keystone.ask("ended", Some("service")).await.unwrap();
    assert_eq!(known.caller.user.as_deref(), Some("alice"));
    // It is as good as that of the service.
    let lasts = known.expires_at.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(lasts > Duration::from_secs(1700) && lasts <= Duration::from_mins(30), "{lasts:?}");
    assert!(stand_in.last().what.contains("allow_expired=1"));
    let count = stand_in.count(WHOSE);
    keystone.ask("ended", Some("service")).await.unwrap();
    keystone.ask("good", Some("service")).await.unwrap();
    assert_eq!(stand_in.count(WHOSE), count + 1);
    // But neither alone, nor with one that is no service, or nobody's.
    assert_eq!(keystone.ask("ended", None).await.unwrap_err(), Unknown::Nobody);
    assert_eq!(keystone.ask("ended", Some("good")).await.unwrap_err(), Unknown::Nobody);
    assert_eq!(keystone.ask("ended", Some("bad")).await.unwrap_err(), Unknown::Nobody);
    assert_eq!(keystone.ask("good", Some("bad")).await.unwrap_err(), Unknown::Nobody);
}

#[test]
fn settings_that_lack_something_are_told() {
    let settings = |options: &[&str]| {
        let line = Line::try_parse_from([&["cirrus"], options].concat()).map_err(|error| error.to_string())?;
        let roles = SpecialRoles { cloud_admin: "admin".to_owned(), global_read_only: None };
        let callers = Arc::new(Callers { roles, default_domain_id: "default".to_owned() });
        let keystone = Keystone::new(&line.settings, callers, |field, value| format!("--{field} {value}"));
        keystone.map(|keystone| keystone.is_some())
    };
    let url = ["--keystone-url", "http://127.0.0.1:1/v3"];
    assert_eq!(settings(&[]), Ok(false));
    for (options, why) in [
        (vec![], "--keystone-user"),
        (vec!["--keystone-user", ""], "--keystone-user"),
        (vec!["--keystone-user", "x"], "CIRRUS_KEYSTONE_PASSWORD"),
        (vec!["--keystone-user", "x", "--keystone-password-file", "/nowhere"], "/nowhere: "),
        (vec!["--keystone-user", "x", "--keystone-password-file", "/dev/null"], "no password"),
        (vec!["--keystone-insecure", "--keystone-ca-file", "x"], "cannot be used with"),
    ] {
        let refused = settings(&[&url[..], &options].concat()).unwrap_err();
        assert!(refused.contains(why), "{options:?}: {refused}");
    }
    let refused = settings(&["--keystone-user", "x"]).unwrap_err();
    assert!(refused.contains("--keystone-url"), "{refused}");
    let refused =
        keystone(&["--keystone-url", "https://127.0.0.1:1/v3", "--keystone-ca-file", "/dev/null"]).err().unwrap();
    assert!(refused.contains("certificates are expected"), "{refused}");
}

#[tokio::test]
async fn sync_1_what_is_missing_is_asked_for_once_in_a_while() {
    let stand_in = StandIn::start().await;
    let keystone = stand_in.keystone();
    let id = uuid::Uuid::from_u128(7);
    let path = format!("GET /v3/projects/{}", id.simple());
    for _ in 0..3 {
        assert_eq!(keystone.place(&Wanted::Project(id)).await, Ok(None));
    }
    assert_eq!(stand_in.count(&path), 1);
    // What can't be known is not known to be missing.
    let other = uuid::Uuid::from_u128(8);
    stand_in.behaves(|asked| asked.what.starts_with("GET /v3/projects").then(|| Reaction::Answers(403, json!({}))));
    keystone.place(&Wanted::Project(other)).await.unwrap_err();
    let project = json!({"id": other.simple().to_string(), "name": "p", "domain_id": "default", "enabled": true});
    let body = json!({ "project": project });
    stand_in
        .behaves(move |asked| asked.what.starts_with("GET /v3/projects").then(|| Reaction::Answers(200, body.clone())));
    let found = keystone.place(&Wanted::Project(other)).await.unwrap().unwrap();
    assert_eq!((found.uuid(), found.name.as_str(), found.domain_id.as_deref()), (Some(other), "p", Some("default")));
    // A name is sent as it is, and is to be found exactly.
    let names = ["P", "p"].map(|name| json!({"id": other.simple().to_string(), "name": name, "domain_id": "default"}));
    stand_in.behaves(move |asked| {
        let body = json!({ "projects": names });
        asked.what.starts_with("GET /v3/projects?").then(|| Reaction::Answers(200, body))
    });
    let by_name = |name: &str| Wanted::ProjectNamed(name.to_owned(), "default".to_owned());
    assert_eq!(keystone.place(&by_name("p")).await.unwrap().unwrap().name, "p");
    assert_eq!(keystone.place(&by_name("a&domain_id=b c")).await, Ok(None));
    assert_eq!(stand_in.last().what, "GET /v3/projects?name=a%26domain_id%3Db+c&domain_id=default");
    assert_eq!(keystone.place(&Wanted::ProjectNamed("p".to_owned(), "other".to_owned())).await, Ok(None));
}

/// A key, and a certificate for 127.0.0.1 by itself, made by openssl: `name.key`, `name.pem`.
fn make_certificate(directory: &Path, name: &str) {
    std::fs::write(directory.join("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    let words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3"];
    let more = ["-config", "openssl.cnf", "-subj", "/CN=keystone", "-addext", "subjectAltName=IP:127.0.0.1"];
    let files = ["-keyout", &key, "-out", &certificate];
    let output = Command::new("openssl").current_dir(directory).args(words).args(more).args(files).output();
    let output = output.expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn who_answers_has_to_be_keystone() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    make_certificate(files.path(), "keystone");
    make_certificate(files.path(), "other");
    let certificates = vec![CertificateDer::from_pem_file(path("keystone.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(path("keystone.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_no_client_auth().with_single_cert(certificates, key).unwrap();
    let stand_in = StandIn::start_with(Some(TlsAcceptor::from(Arc::new(tls)))).await;
    // Nobody answers for it, or somebody else does: not even the account is told to it.
    assert!(is_unavailable(&stand_in.keystone().ask("good", None).await));
    assert!(is_unavailable(
        &stand_in.keystone_with(&["--keystone-ca-file", &path("other.pem")]).ask("good", None).await
    ));
    assert_eq!(stand_in.count(""), 0);
    stand_in.keystone_with(&["--keystone-ca-file", &path("keystone.pem")]).ask("good", None).await.unwrap();
    stand_in.keystone_with(&["--keystone-insecure"]).ask("good", None).await.unwrap();
}
