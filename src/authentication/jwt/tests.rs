//! An issuer whose keys come, change, and go away, in a few milliseconds of its time.

use super::*;
use crate::authentication::SpecialRoles;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::sleep,
};

/// What an issuer does when it is asked.
#[derive(Clone)]
enum Manner {
    Answers(u16, String),
    Hangs,
}

/// An issuer on a port of its own.
struct Issuer {
    url: String,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (manner, asked) = (Arc::new(Mutex::new(manner)), Arc::new(AtomicUsize::new(0)));
        let (at, count) = (Arc::clone(&manner), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let manner = at.lock().unwrap().clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let Manner::Answers(status, body) = manner else { return pending().await };
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                    stream.write_all(head.as_bytes()).await.ok();
                    stream.write_all(body.as_bytes()).await.ok();
                });
            }
        });
        Self { url, manner, asked }
    }

    fn is_now(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// A source with these keys, which is kept current.
    fn source(&self, pace: Pace) -> Arc<Jwt> {
        let jwt = self.quiet_source(pace);
        tokio::spawn(Arc::clone(&jwt).follow());
        jwt
    }

    fn quiet_source(&self, pace: Pace) -> Arc<Jwt> {
        let url = format!("{}/keys", self.url);
        new(&["--jwt-key-set-url", &url], pace).unwrap()
    }
}

fn new(arguments: &[&str], pace: Pace) -> Result<Arc<Jwt>, String> {
    let roles = SpecialRoles { cloud_admin: "admin".to_owned(), global_read_only: None };
    let callers = Arc::new(Callers { roles, default_domain_id: "default".to_owned() });
    let told = |field: &str, value: &dyn Display| format!("{field} {value}");
    let given = ["test", "--jwt-issuer", "https://id.example", "--jwt-audience", "cirrus"];
    Jwt::at_pace(&parsed(&[&given, arguments].concat()), callers, pace, told).map(Option::unwrap)
}

fn parsed(arguments: &[&str]) -> JwtSettings {
    use clap::{Args, Command, FromArgMatches};
    let command = JwtSettings::augment_args(Command::new("test").args_override_self(true));
    JwtSettings::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
}

/// Fast, but for what a test is about.
fn pace() -> Pace {
    Pace {
        answers_within: Duration::from_secs(20),
        pause: Duration::from_millis(5),
        renewed_every: Duration::from_hours(1),
        in_force_for: Duration::from_hours(1),
    }
}

/// A key by its name, which it is made of.
fn pair(name: &str) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&token::digest(name)).unwrap()
}

fn jwk(name: &str) -> Value {
    let x = URL_SAFE_NO_PAD.encode(pair(name).public_key());
    json!({"kty": "OKP", "crv": "Ed25519", "kid": name, "x": x, "use": "sig", "alg": "EdDSA"})
}

fn set(keys: &[Value]) -> Manner {
    Manner::Answers(200, json!({"keys": keys}).to_string())
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "aud": "cirrus", "sub": "7", "exp": now() + 600})
}

fn signed(name: &str, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = URL_SAFE_NO_PAD.encode(pair(name).sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn of_key(name: &str) -> String {
    signed(name, &json!({"alg": "EdDSA", "kid": name}), &claims())
}

fn away() -> Unknown {
    Unknown::Unavailable(UNAVAILABLE.to_owned())
}

async fn becomes(jwt: &Jwt, token: &str, expected: Option<Unknown>) {
    let begin = Instant::now();
    while jwt.ask(token, None).await.err() != expected {
        assert!(begin.elapsed() < Duration::from_secs(20), "not {expected:?}");
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_token_has_a_shape() {
    for good in [&of_key("a"), "eyJ.eyJ.", "a.b.c", "-.-._"] {
        assert!(has_shape(good), "{good}");
    }
    for bad in ["", "a", "a.b", "a.b.c.d", ".b.c", "a..c", "..", "a.b.c=", "a.b+.c", "a.b.ü", "a b.c.d", "cirrus_abc"]
    {
        assert!(!has_shape(bad), "{bad}");
    }
}

#[test]
fn keys_come_by_https_or_from_this_machine() {
    for good in [
        &["--jwt-key-set-url", "https://id.example/keys"][..],
        &["--jwt-key-set-url", "http://127.0.0.1:1/keys"],
        &["--jwt-key-set-url", "http://[::1]/keys"],
        &["--jwt-key-set-url", "http://localhost/keys"],
        &["--jwt-key-set-url", "http://id.example/keys", "--jwt-allow-http"],
        &[],
    ] {
        assert!(new(good, pace()).is_ok(), "{good:?}");
    }
    for (bad, why) in [
        (&["--jwt-key-set-url", "http://id.example/keys"][..], "jwt_key_set_url http://id.example/keys: https is"),
        (&["--jwt-key-set-url", "http://localhost.example/"], "--jwt-allow-http"),
        (&["--jwt-issuer", "cloud"], "jwt_issuer cloud: relative URL without a base"),
        (&["--jwt-issuer", "http://id.example"], "jwt_issuer http://id.example: https is expected"),
        (&["--jwt-ca-file", "/nowhere"], "jwt_ca_file /nowhere: No such file"),
    ] {
        let refused = new(bad, pace()).err().unwrap_or_else(|| panic!("{bad:?}"));
        assert!(refused.contains(why), "{bad:?}: {refused}");
    }
    for bad in ["", "id.example/keys", "ftp://id.example/keys", "https://me:secret@id.example/keys"] {
        let refused = settings::url(bad).unwrap_err();
        assert!(refused.contains("https://id.example/keys") && !refused.contains("secret"), "{refused}");
    }
}

#[tokio::test]
async fn a_set_has_keys_for_other_things_too() {
    let with = |name: &str, member: &str, value: Value| {
        let mut key = jwk(name);
        key[member] = value;
        key
    };
    let keys = [
        json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}),
        json!({"kty": "unheard of", "kid": "new"}),
        json!(7),
        json!({"kty": "EC", "crv": "P-521", "kid": "large", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": jwk("nameless")["x"]}),
        with("encryption", "use", json!("enc")),
        with("operations", "key_ops", json!(["encrypt"])),
        with("other", "alg", json!("RS256")),
        with("odd", "alg", json!("XY1")),
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "bare", "x": jwk("bare")["x"]}),
        with("verify", "key_ops", json!(["verify"])),
        jwk("good"),
    ];
    let issuer = Issuer::start(set(&keys)).await;
    let jwt = issuer.source(pace());
    for good in ["good", "bare", "verify"] {
        assert!(jwt.ask(&of_key(good), None).await.is_ok(), "{good}");
    }
    for bad in ["nameless", "encryption", "operations", "other", "odd", "secret", "new", "large"] {
        becomes(&jwt, &of_key(bad), Some(Unknown::Nobody)).await;
    }
}

#[tokio::test]
async fn what_is_not_as_it_has_to_be_is_nobodys() {
    let issuer = Issuer::start(set(&[jwk("a"), jwk("b")])).await;
    let jwt = issuer.source(pace());
    becomes(&jwt, &of_key("a"), None).await;
    let with = |changes: Value| {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let header = json!({"alg": "EdDSA", "kid": "a"});
    for (good, claim) in [
        ("a list of audiences", json!({"aud": ["other", "cirrus"]})),
        ("an end with a fraction", json!({"exp": 4_000_000_000.5})),
        ("the last second of all", json!({"exp": 253_402_300_799_i64})),
        ("a clock that is behind", json!({"exp": now() - 20})),
        ("a clock that is ahead", json!({"nbf": now() + 20})),
    ] {
        assert!(jwt.ask(&signed("a", &header, &with(claim)), None).await.is_ok(), "{good}");
    }
    for (bad, claim) in [
        ("ended", json!({"exp": now() - 40})),
        ("no end", json!({"exp": null})),
        ("an end that is a text", json!({"exp": "4000000000"})),
        ("an end after all time", json!({"exp": 1e300})),
        ("an end that no calendar has", json!({"exp": 1e14})),
        ("an end before all time", json!({"exp": -1})),
        ("not yet", json!({"nbf": now() + 60})),
        ("a begin that is a text", json!({"nbf": "0"})),
        ("another audience", json!({"aud": "other"})),
        ("no audience", json!({"aud": []})),
        ("an audience that is none", json!({"aud": {"cirrus": true}})),
        ("another issuer", json!({"iss": "https://id.example/"})),
        ("several issuers", json!({"iss": ["https://id.example"]})),
        ("nobody", json!({"sub": ""})),
    ] {
        let refused = jwt.ask(&signed("a", &header, &with(claim)), None).await.err();
        assert_eq!(refused, Some(Unknown::Nobody), "{bad}");
    }
    let why = |claim: Value| jwt.why_foreign(&signed("a", &header, &with(claim)));
    assert_eq!(why(json!({})), None);
    assert_eq!(jwt.why_foreign("nonsense"), None);
    let long = format!("\u{1b}[2J\n{}", "x".repeat(10_000));
    let told = why(json!({ "iss": long })).unwrap();
    assert!(told.starts_with(r#"it is of another issuer, "\u{1b}[2J\nxxx"#) && told.len() < 400, "{told}");
    assert!(why(json!({"iss": 7})).unwrap().contains("`iss`"));
    for (bad, header) in [
        ("another key", json!({"alg": "EdDSA", "kid": "b"})),
        ("no key", json!({"alg": "EdDSA"})),
        ("another algorithm", json!({"alg": "ES256", "kid": "a"})),
        ("none", json!({"alg": "none", "kid": "a"})),
        ("a secret", json!({"alg": "HS256", "kid": "a"})),
        ("unknown", json!({"alg": "eddsa", "kid": "a"})),
        ("a logout", json!({"alg": "EdDSA", "kid": "a", "typ": "logout+jwt"})),
        ("more than is understood", json!({"alg": "EdDSA", "kid": "a", "crit": ["exp"]})),
        ("no header", json!("EdDSA")),
    ] {
        becomes(&jwt, &signed("a", &header, &claims()), Some(Unknown::Nobody)).await;
        assert!(jwt.ask(&signed("a", &header, &claims()), None).await.is_err(), "{bad}");
    }
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        let header = json!({"alg": "EdDSA", "kid": "a", "typ": kind});
        assert!(jwt.ask(&signed("a", &header, &claims()), None).await.is_ok(), "{kind}");
    }
    // What is said twice has no meaning.
    let twice = claims().to_string().replace("\"sub\"", "\"exp\":1,\"sub\"");
    let message = format!("{}.{}", encoded(&header), URL_SAFE_NO_PAD.encode(twice));
    let signature = URL_SAFE_NO_PAD.encode(pair("a").sign(message.as_bytes()));
    assert_eq!(jwt.ask(&format!("{message}.{signature}"), None).await.err(), Some(Unknown::Nobody));
    // A token of a service has to be good, too.
    assert!(jwt.ask(&of_key("a"), Some(&of_key("b"))).await.is_ok());
    assert_eq!(jwt.ask(&of_key("a"), Some("nonsense")).await.err(), Some(Unknown::Nobody));
}

#[tokio::test]
async fn one_that_was_checked_is_good_until_its_end_or_until_keys_change() {
    let issuer = Issuer::start(set(&[jwk("a")])).await;
    let jwt = issuer.source(pace());
    let token = of_key("a");
    becomes(&jwt, &token, None).await;
    let first = jwt.ask(&token, None).await.unwrap();
    assert!(Arc::ptr_eq(&first, &jwt.ask(&token, None).await.unwrap()), "it was checked twice");
    issuer.is_now(set(&[jwk("b")]));
    becomes(&jwt, &of_key("b"), None).await;
    assert_eq!(jwt.ask(&token, None).await.err(), Some(Unknown::Nobody), "its key is gone");
    // It ends in the cache, too, with the leeway.
    let header = json!({"alg": "EdDSA", "kid": "b"});
    let mut short = claims();
    short["exp"] = json!(now() - 28);
    let token = signed("b", &header, &short);
    jwt.ask(&token, None).await.ok();
    becomes(&jwt, &token, Some(Unknown::Nobody)).await;
}

#[tokio::test]
async fn nobody_is_known_without_keys_and_old_ones_count_for_a_time() {
    let issuer = Issuer::start(Manner::Answers(500, String::new())).await;
    let jwt = issuer.source(Pace { in_force_for: Duration::from_millis(500), ..pace() });
    assert_eq!(jwt.ask(&of_key("a"), None).await.err(), Some(away()));
    for nonsense in ["", "no JSON", "{}", "[]", "{\"keys\": 7}"] {
        issuer.is_now(Manner::Answers(200, nonsense.to_owned()));
        assert_eq!(jwt.ask(&of_key("a"), None).await.err(), Some(away()), "{nonsense}");
    }
    // What is of another issuer is not its affair, and does not wait for its keys.
    let mut foreign = claims();
    foreign["iss"] = json!("https://other.example");
    let foreign = signed("a", &json!({"alg": "EdDSA", "kid": "a"}), &foreign);
    assert_eq!(jwt.ask(&foreign, None).await.err(), Some(Unknown::Nobody));
    let padding = " ".repeat(1 << 20);
    issuer.is_now(Manner::Answers(200, format!("{}{padding}", json!({"keys": [jwk("a")]}))));
    let asked = issuer.asked.load(Ordering::SeqCst);
    while issuer.asked.load(Ordering::SeqCst) < asked + 3 {
        assert_eq!(jwt.ask(&of_key("a"), None).await.err(), Some(away()), "a set without bounds");
    }
    issuer.is_now(set(&[jwk("a")]));
    becomes(&jwt, &of_key("a"), None).await;
    issuer.is_now(Manner::Answers(503, String::new()));
    // A new key makes it be asked, and then it is away.
    becomes(&jwt, &of_key("b"), Some(away())).await;
    becomes(&jwt, &of_key("a"), Some(away())).await;
    issuer.is_now(set(&[]));
    becomes(&jwt, &of_key("a"), Some(Unknown::Nobody)).await;
}

#[tokio::test]
async fn old_keys_count_while_the_issuer_is_away() {
    let issuer = Issuer::start(set(&[jwk("a")])).await;
    let jwt = issuer.source(pace());
    becomes(&jwt, &of_key("a"), None).await;
    issuer.is_now(Manner::Answers(503, String::new()));
    becomes(&jwt, &of_key("b"), Some(away())).await;
    assert!(jwt.ask(&of_key("a"), None).await.is_ok());
}

#[tokio::test]
async fn unknown_keys_make_it_be_asked_now_and_then_only() {
    let issuer = Issuer::start(set(&[jwk("a")])).await;
    let jwt = issuer.source(Pace { pause: Duration::from_hours(1), ..pace() });
    // The first ones wait for the keys.
    let token = of_key("a");
    let asked = (0..20).map(|_| jwt.ask(&token, None));
    assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_ok));
    for number in 0..200 {
        assert_eq!(jwt.ask(&of_key(&number.to_string()), None).await.err(), Some(Unknown::Nobody));
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_issuer_that_hangs_is_waited_for_by_few_and_not_for_long() {
    let issuer = Issuer::start(Manner::Hangs).await;
    let jwt = issuer.source(Pace { answers_within: Duration::from_millis(300), ..pace() });
    let token = of_key("a");
    let all = (0..200).map(|_| jwt.ask(&token, None));
    assert!(futures_util::future::join_all(all).await.into_iter().all(|asked| asked.err() == Some(away())));
    issuer.is_now(set(&[jwk("a")]));
    becomes(&jwt, &token, None).await;
}

#[tokio::test]
async fn who_waits_is_bounded() {
    let issuer = Issuer::start(Manner::Hangs).await;
    // Nobody fetches, so who waits waits.
    let jwt = issuer.quiet_source(Pace { answers_within: Duration::from_hours(1), ..pace() });
    let waiting: Vec<_> = (0..32)
        .map(|_| {
            let jwt = Arc::clone(&jwt);
            tokio::spawn(async move { jwt.ask(&of_key("a"), None).await.err() })
        })
        .collect();
    while jwt.keys.waiting_places() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(jwt.ask(&of_key("a"), None).await.err(), Some(away()));
    assert!(waiting.iter().all(|task| !task.is_finished()));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn where_people_sign_in_is_what_the_issuer_says() {
    let issuer = Issuer::start(Manner::Answers(503, String::new())).await;
    let key_set = format!("{}/keys", issuer.url);
    let given = ["--jwt-issuer", &issuer.url, "--jwt-key-set-url", &key_set, "--oidc-client-id", "the page"];
    let jwt = new(&given, Pace { renewed_every: Duration::from_millis(5), ..pace() }).unwrap();
    let sign_in = jwt.sign_in().unwrap();
    let attempt = Attempt::new("").unwrap();
    let place = || sign_in.place(&attempt, "http://here.example:8082", "/back").map(String::from);
    let follows = tokio::spawn(Arc::clone(&jwt).follow());
    let document = json!({
        "issuer": issuer.url, "authorization_endpoint": "https://id.example/a?b=c", "token_endpoint": "https://id.example/t",
        "keys": [jwk("a")],
    });
    let becomes = async |document: &Value, is_known: bool| {
        issuer.is_now(Manner::Answers(200, document.to_string()));
        let begin = Instant::now();
        while place().is_some() != is_known || jwt.keys.current().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(20), "{document}");
            sleep(Duration::from_millis(1)).await;
        }
    };
    assert_eq!(place(), None);
    becomes(&document, true).await;
    let arguments = format!(
        "response_type=code&client_id=the+page&redirect_uri=http%3A%2F%2Fhere.example%3A8082%2Fback&scope=openid+profile&\
         state={}&nonce={}&code_challenge={}&code_challenge_method=S256",
        attempt.cookie().split('.').next().unwrap(),
        attempt.nonce,
        attempt.challenge()
    );
    assert_eq!(place(), Some(format!("https://id.example/a?b=c&{arguments}")));
    assert_eq!(sign_in.host(), "127.0.0.1");
    for (name, bad) in [
        ("issuer", json!("https://id.example")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!("http://id.example/a")),
        ("token_endpoint", json!("http://id.example/t")),
        ("token_endpoint", Value::Null),
    ] {
        let mut changed = document.clone();
        changed[name] = bad;
        becomes(&changed, false).await;
        becomes(&document, true).await;
    }
    follows.abort();
    // Where browsers reach the server may be said.
    let jwt = new(&[&given[..], &["--public-url", "https://page.example/"]].concat(), pace()).unwrap();
    assert_eq!(jwt.client.as_ref().unwrap().redirect_uri("http://here.example", "/back"), "https://page.example/back");
    assert!(new(&[], pace()).unwrap().sign_in().is_none());
}

#[test]
fn what_is_wrong_with_a_client_is_told() {
    let with = |arguments: &[&str]| new(&[&["--oidc-client-id", "page"], arguments].concat(), pace()).err();
    assert_eq!(with(&[]), None);
    let refused = with(&["--oidc-client-secret-file", "/nowhere"]).unwrap();
    assert!(refused.starts_with("oidc_client_secret_file /nowhere: No such file"), "{refused}");
    // The issuer has to be somewhere, also where its keys are elsewhere.
    let refused = with(&["--jwt-issuer", "cloud", "--jwt-key-set-url", "https://id.example/keys"]).unwrap();
    assert_eq!(
        refused,
        "jwt_issuer cloud: relative URL without a base; an address is expected, like https://id.example/keys"
    );
}
