//! Signing in to the page at an issuer (`OpenID` Connect): the whole way by HTTP, with an issuer that looks at what it is sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, redirect::Policy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::jwt::{Issuer, Pair, in_seconds};
use crate::support::tokens::{Tokens, allow_all_types, make_projects};
use crate::support::{Checks, Server, fresh_directory};
use crate::web::{Browser, Page};

const LIMIT: Duration = Duration::from_mins(1);
const CALLBACK: &str = "/ui/sign-in/callback";
const CLIENT: &str = "the page/1";
/// With what a header, a form or the two of them could take for something else.
const SECRET: &str = "se:cret&+ %/ü";
const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// What is given for a code, by the nonce of who has asked for it.
type Given = Box<dyn Fn(&str) -> Value + Send>;

/// What an issuer does for people: it sends them back with a code, and exchanges the code for tokens.
pub struct Desk {
    secret: Option<String>,
    /// Where people may be led back to.
    redirect_uri: String,
    /// What was said when each code was asked for.
    codes: HashMap<String, HashMap<String, String>>,
    /// None while it hangs.
    given: Option<Given>,
    /// How often somebody has come with a code.
    exchanges: usize,
}

fn fields(text: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

impl Desk {
    /// The page with which somebody says yes or no; the status is 400 for what a server of ours must not ask.
    pub fn authorize(&mut self, issuer: &str, query: &str) -> (u16, String) {
        let asked = fields(query.as_bytes());
        let has = |name: &str, expected: &str| asked.get(name).is_some_and(|value| value == expected);
        let challenge = asked.get("code_challenge").map(String::len);
        let is_good = has("response_type", "code")
            && has("client_id", CLIENT)
            && has("redirect_uri", &self.redirect_uri)
            && has("scope", "openid profile")
            && has("code_challenge_method", "S256")
            && challenge == Some(43)
            && asked.get("nonce").is_some_and(|nonce| nonce.len() == 43);
        if !is_good {
            return (400, format!("{asked:?}"));
        }
        let code = format!("code-{}", self.codes.len());
        let back = |arguments: &[(&str, &str)]| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(arguments).append_pair("state", &asked["state"]).append_pair("iss", issuer);
            let query = query.finish();
            format!("{}?{}", self.redirect_uri, query.replace('&', "&amp;"))
        };
        let (yes, no) = (back(&[("code", &code)]), back(&[("error", "access_denied")]));
        self.codes.insert(code, asked);
        (200, format!("<a href=\"{yes}\">Continue as alice</a> <a href=\"{no}\">Refuse</a>"))
    }

    /// What is given for a code, with its status; nothing while it hangs.
    pub fn exchange(&mut self, head: &[String], form: &[u8]) -> Option<(u16, Value)> {
        self.exchanges += 1;
        let form = fields(form);
        let said = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let authorization = head.iter().find(|line| line.to_lowercase().starts_with("authorization:"));
        let is_client = match (&self.secret, authorization) {
            (Some(secret), Some(line)) => {
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", encoded(CLIENT), encoded(secret)));
                line.ends_with(&format!(" Basic {pair}")) && !form.contains_key("client_id")
            }
            (None, None) => said("client_id") == CLIENT,
            _ => false,
        };
        if !is_client {
            return Some((401, json!({"error": "invalid_client"})));
        }
        let refused =
            (400, json!({"error": "invalid_grant", "error_description": format!("No such code: {}", said("code"))}));
        // A code is good once, whatever comes of it.
        let Some(asked) = self.codes.remove(said("code")) else { return Some(refused) };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(said("code_verifier")));
        let is_good = said("grant_type") == "authorization_code"
            && said("redirect_uri") == self.redirect_uri
            && asked["code_challenge"] == challenge;
        if !is_good {
            return Some(refused);
        }
        Some((200, self.given.as_ref()?(&asked["nonce"])))
    }
}

/// An issuer where people sign in.
pub struct Realm {
    pub issuer: Issuer,
    desk: Arc<Mutex<Desk>>,
    pair: Arc<Pair>,
    directory: tempfile::TempDir,
}

impl Realm {
    /// With a key, and a client that has a secret.
    pub fn start_at(host: &str) -> Self {
        let desk = Desk {
            secret: Some(SECRET.to_owned()),
            redirect_uri: String::new(),
            codes: HashMap::new(),
            given: None,
            exchanges: 0,
        };
        let (desk, pair) = (Arc::new(Mutex::new(desk)), Arc::new(Pair::edwards()));
        let issuer = Issuer::start_at(host, Some(vec![pair.jwk("a")]), None, Some(Arc::clone(&desk)));
        let directory = fresh_directory();
        std::fs::write(directory.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let realm = Self { issuer, desk, pair, directory };
        realm.gives_both();
        realm
    }

    pub fn options(&self) -> Vec<String> {
        let mut options = self.issuer.options();
        options.extend(["--oidc-client-id", CLIENT].map(str::to_owned));
        if self.desk().secret.is_some() {
            let file = self.directory.path().join("secret").to_str().unwrap().to_owned();
            options.extend(["--oidc-client-secret-file".to_owned(), file]);
        }
        options
    }

    pub fn leads_back_to(&self, base: &str) {
        self.desk().redirect_uri = format!("{base}{CALLBACK}");
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }

    fn signed(&self, claims: &Value) -> String {
        self.pair.token("a", "EdDSA", claims)
    }

    /// A token for the client, as it is for who has this nonce.
    fn id_claims(&self, nonce: &str) -> Value {
        let mut claims = self.issuer.claims_with("aud", json!(CLIENT));
        claims["nonce"] = json!(nonce);
        claims
    }

    /// What is given for codes from now on, made by the claims of both tokens.
    fn gives(&self, tokens: impl Fn(Value) -> (Option<Value>, Option<Value>) + Send + 'static) {
        let (pair, claims) = (Arc::clone(&self.pair), self.id_claims(""));
        self.desk().given = Some(Box::new(move |nonce| {
            let mut claims = claims.clone();
            claims["nonce"] = json!(nonce);
            let mut given = json!({"token_type": "Bearer", "expires_in": 600});
            let (access, id) = tokens(claims);
            for (name, token) in [("access_token", access), ("id_token", id)] {
                given[name] = match token {
                    Some(claims @ Value::Object(_)) => json!(pair.token("a", "EdDSA", &claims)),
                    Some(opaque) => opaque,
                    None => continue,
                };
            }
            given
        }));
    }

    fn gives_both(&self) {
        let access = self.issuer.claims();
        self.gives(move |id| (Some(access.clone()), Some(id)));
    }

    fn exchanges(&self) -> usize {
        self.desk().exchanges
    }
}

/// As far as the issuer, with a browser that comes back from there to this address, as a path.
async fn go(browser: &mut Browser, realm: &Realm, to: &str) -> String {
    let begun = browser.get(&format!("/ui/sign-in/oidc{to}")).await;
    let place = begun.status_is(303).header("location").to_owned();
    assert!(place.starts_with(&format!("{}/authorize?", realm.issuer.url)), "{place}");
    let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let answer = http.get(&place).send().await.unwrap();
    let status = answer.status().as_u16();
    let page = answer.text().await.unwrap();
    assert_eq!(status, 200, "{page}");
    let link = page.split('"').nth(1).unwrap().replace("&amp;", "&");
    link[link.find(CALLBACK).unwrap()..].to_owned()
}

/// There and back.
async fn comes_back(browser: &mut Browser, realm: &Realm) -> Page {
    let back = go(browser, realm, "").await;
    browser.get(&back).await
}

#[track_caller]
fn refused(browser: &Browser, page: &Page, status: u16, note: &str) {
    assert!(page.status_is(status).text.contains(note), "'{note}' is expected in {}", page.text);
    assert!(page.text.contains("role=\"alert\"") && page.text.contains("href=\"/ui/sign-in/oidc"), "{}", page.text);
    assert_eq!(browser.cookie("cirrus-session"), None);
}

/// The attempt was used, and is of no more use.
#[track_caller]
fn used(browser: &Browser) {
    assert_eq!(browser.cookie("cirrus-attempt"), None);
}

/// With one argument of a query as it is given.
fn with_argument(path: &str, name: &str, value: &str) -> String {
    let (path, query) = path.split_once('?').unwrap();
    let mut all: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    all.retain(|(known, _)| known != name);
    all.push((name.to_owned(), value.to_owned()));
    format!("{path}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish())
}

fn start(realm: &Realm, tokens: &Tokens, more: &[&str]) -> Server {
    let options = realm.options();
    let options = options.iter().map(String::as_str).chain(more.iter().copied());
    Server::start_with(&tokens.options("rbac").into_iter().chain(options).collect::<Vec<&str>>())
}

/// Waits until the server knows where people sign in.
async fn knows(browser: &mut Browser) {
    let begin = Instant::now();
    while browser.get("/ui/sign-in/oidc").await.status.as_u16() != 303 {
        assert!(begin.elapsed() < LIMIT, "the issuer is still unknown");
    }
}

pub async fn people_sign_in_at_an_issuer() {
    let realm = Arc::new(Realm::start_at("127.0.0.1"));
    let tokens = Tokens::new();
    let server = start(&realm, &tokens, &["--trusted-proxies", "127.0.0.0/8"]);
    realm.leads_back_to(server.url());
    let admin = tokens.api(&server, "admin");
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    let with = || (Browser::of(&server), Arc::clone(&realm));
    knows(&mut with().0).await;
    let mut checks = Checks::default();
    checks.run("the whole way", all_is_well(with())).await;
    checks.run("a code is good once, and for who has asked for it", codes(with())).await;
    checks.run("answers that nobody here has asked for", strange_answers(with())).await;
    checks.run("tokens that are not for this", strange_tokens(with())).await;
    checks.run("an ID token is as good where it is for this server", id_token_only(with())).await;
    checks.run("what the issuer refuses is told, as text", refusals(with())).await;
    checks.run("one goes to pages of ours only", elsewhere(with())).await;
    checks.run("over TLS", encrypted(with())).await;
    // Both wait for some seconds.
    let mut others = Checks::default();
    tokio::join!(
        checks.run("an issuer that is away, and a public client", public_client()),
        others.run("an issuer that hangs, or talks nonsense", out_of_order(with())),
    );
    checks.add(others);
    checks.finish();
    let log = server.log();
    for secret in ["eyJ", "code-", "se:cret", "code_verifier", "state="] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

async fn all_is_well((mut browser, realm): (Browser, Arc<Realm>)) {
    let page = browser.get("/ui/sign-in?to=%2Fui%2Ftree%3Fa%3Db").await;
    assert!(
        page.text.contains("href=\"/ui/sign-in/oidc?to=%2Fui%2Ftree%3Fa%3Db\">Sign in with 127.0.0.1<"),
        "{}",
        page.text
    );
    let begun = browser.get("/ui/sign-in/oidc").await;
    let cookie = begun.header("set-cookie");
    for attribute in ["; HttpOnly", "; SameSite=Lax", "; Path=/ui/sign-in", "; Max-Age=600"] {
        assert!(cookie.starts_with("cirrus-attempt=") && cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let back = go(&mut browser, &realm, "?to=%2Fui%2Ftree%3Fa%3Db").await;
    let page = browser.get(&back).await;
    assert_eq!(page.status_is(200).header("refresh"), "0; url=/ui/tree?a=b");
    assert!(page.text.contains("<a href=\"/ui/tree?a=b\">"), "{}", page.text);
    used(&browser);
    let token = browser.cookie("cirrus-session").unwrap().to_owned();
    assert_eq!(token, realm.signed(&realm.issuer.claims_with("exp", exp_of(&token))));
    let page = browser.get("/ui/tree").await;
    assert!(page.status_is(200).text.contains("alice · alice-proj"), "{}", page.text);
    // Loading the page again does nothing.
    let exchanges = realm.exchanges();
    let again = browser.get(&back).await;
    assert!(again.status_is(400).text.contains("This is no answer to a sign-in"), "{}", again.text);
    assert_eq!(realm.exchanges(), exchanges);
    browser.get("/ui/tree").await.status_is(200);
    let form = browser.get("/ui/types").await.form_token();
    browser.submit("/ui/sign-out", &[("form_token", &form)]).await.status_is(303);
    browser.get("/ui/tree").await.status_is(303);
}

fn exp_of(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["exp"].clone()
}

async fn codes((mut browser, realm): (Browser, Arc<Realm>)) {
    let used_up = go(&mut browser.clone(), &realm, "").await;
    let code = |path: &str| fields(path.split_once('?').unwrap().1.as_bytes())["code"].clone();
    // Of another attempt: its verifier is another one.
    let back = go(&mut browser, &realm, "").await;
    let page = browser.get(&with_argument(&back, "code", &code(&used_up))).await;
    refused(&browser, &page, 401, "127.0.0.1 has refused. It says: invalid_grant: No such code");
    used(&browser);
    let mut first = browser.clone();
    let good = go(&mut first, &realm, "").await;
    first.get(&good).await.status_is(200);
    let back = go(&mut browser, &realm, "").await;
    let page = browser.get(&with_argument(&back, "code", &code(&good))).await;
    refused(&browser, &page, 401, "invalid_grant");
}

async fn strange_answers((mut browser, realm): (Browser, Arc<Realm>)) {
    let exchanges = realm.exchanges();
    let back = go(&mut browser, &realm, "").await;
    let note = "This is no answer to a sign-in that was begun in this browser";
    let others = go(&mut browser.clone(), &realm, "").await;
    for strange in [
        with_argument(&back, "state", "x"),
        with_argument(&back, "state", ""),
        others.clone(),
        CALLBACK.to_owned(),
        format!("{CALLBACK}?error=access_denied&error_description=Call+0900"),
    ] {
        let page = browser.get(&strange).await;
        refused(&browser, &page, 400, note);
        assert!(!page.text.contains("0900"), "{}", page.text);
    }
    let mut another = browser.clone();
    another.forget("cirrus-attempt");
    let page = another.get(&back).await;
    refused(&another, &page, 400, note);
    for bad in ["x", "...", &"x".repeat(3000)] {
        another.forget("cirrus-attempt");
        another.has("cirrus-attempt", bad);
        let page = another.get(&back).await;
        refused(&another, &page, 400, note);
    }
    // Of another issuer than the one that was asked.
    let mut mixed_up = browser.clone();
    let page = mixed_up.get(&with_argument(&back, "iss", "https://other.example")).await;
    refused(&mixed_up, &page, 401, "does not belong to this sign-in");
    used(&mixed_up);
    let page = browser.clone().get(&with_argument(&back, "code", "")).await;
    refused(&browser, &page, 401, "does not belong to this sign-in");
    assert_eq!(realm.exchanges(), exchanges, "nobody was asked");
    // None of it was in the way of who is on the way.
    browser.get(&back).await.status_is(200);
}

async fn strange_tokens((browser, realm): (Browser, Arc<Realm>)) {
    let access = realm.issuer.claims();
    let other = "What 127.0.0.1 has answered does not belong to this sign-in";
    for (name, value) in [
        ("nonce", json!("x".repeat(43))),
        ("nonce", Value::Null),
        ("aud", json!("another client")),
        ("iss", json!("https://other.example")),
        ("exp", json!(in_seconds(-60))),
    ] {
        let access = access.clone();
        realm.gives(move |mut id| {
            id[name] = value.clone();
            (Some(access.clone()), Some(id))
        });
        let mut browser = browser.clone();
        let page = comes_back(&mut browser, &realm).await;
        refused(&browser, &page, 401, other);
        used(&browser);
    }
    realm.gives(move |_| (Some(access.clone()), Some(json!("nonsense"))));
    let mut stranger = browser.clone();
    let page = comes_back(&mut stranger, &realm).await;
    refused(&stranger, &page, 401, other);
    let foreign = realm.issuer.claims_with("aud", json!("another server"));
    realm.gives(move |id| (Some(foreign.clone()), Some(id)));
    let mut stranger = browser.clone();
    let page = comes_back(&mut stranger, &realm).await;
    refused(&stranger, &page, 401, "not for this server (its audience)");
    realm.gives(|_| (None, None));
    let mut stranger = browser;
    let page = comes_back(&mut stranger, &realm).await;
    refused(&stranger, &page, 401, "not for this server (its audience)");
    // One that no cookie can hold.
    let long = realm.issuer.claims_with("groups", json!("x".repeat(4000)));
    realm.gives(move |id| (Some(long.clone()), Some(id)));
    let page = comes_back(&mut stranger, &realm).await;
    refused(&stranger, &page, 400, "a browser keeps no more than 4000");
    realm.gives_both();
}

async fn id_token_only((browser, realm): (Browser, Arc<Realm>)) {
    for access in [None, Some(json!("opaque"))] {
        realm.gives(move |mut id| {
            id["aud"] = json!([CLIENT, "cirrus"]);
            (access.clone(), Some(id))
        });
        let mut browser = browser.clone();
        comes_back(&mut browser, &realm).await.status_is(200);
        let page = browser.get("/ui/types").await;
        assert!(page.status_is(200).text.contains("alice · alice-proj"), "{}", page.text);
    }
    // An access token alone is good, too.
    let access = realm.issuer.claims();
    realm.gives(move |_| (Some(access.clone()), None));
    let mut browser = browser.clone();
    comes_back(&mut browser, &realm).await.status_is(200);
    browser.get("/ui/types").await.status_is(200);
    realm.gives_both();
}

async fn refusals((mut browser, realm): (Browser, Arc<Realm>)) {
    let exchanges = realm.exchanges();
    for (error, description, shown) in [
        ("access_denied", "", "It says: access_denied<"),
        ("access_denied", "You may not.", "It says: access_denied: You may not.<"),
        (MARKUP, MARKUP, "&lt;img src=x onerror=alert(1)&gt;: &lt;img"),
        ("long", &"y".repeat(5000), "yyy…<"),
    ] {
        let back = go(&mut browser, &realm, "").await;
        let path = with_argument(&with_argument(&back, "error", error), "error_description", description);
        let page = browser.get(&path).await;
        refused(&browser, &page, 401, shown);
        used(&browser);
        assert!(!page.text.contains("<img") && page.text.len() < 10_000, "{}", page.text);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'self'") && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(realm.exchanges(), exchanges);
}

async fn elsewhere((mut browser, realm): (Browser, Arc<Realm>)) {
    let long = format!("?to=/ui/types?{}", "x".repeat(3000));
    for to in ["?to=https://evil.example/", "?to=//evil.example/", "?to=/ui/sign-in/callback", "?to=/ui/%0d%0ax", &long]
    {
        let back = go(&mut browser, &realm, to).await;
        let page = browser.get(&back).await;
        assert_eq!(page.status_is(200).header("refresh"), "0; url=/ui/", "{to}");
        assert!(!page.text.contains("evil"), "{}", page.text);
    }
}

async fn encrypted((browser, _): (Browser, Arc<Realm>)) {
    let mut browser = browser.with(&[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "page.example")]);
    let begun = browser.get("/ui/sign-in/oidc").await;
    let cookie = begun.header("set-cookie");
    assert!(cookie.starts_with("__Secure-cirrus-attempt=") && cookie.contains("; Secure"), "{cookie}");
    let place = begun.header("location");
    assert!(place.contains("redirect_uri=https%3A%2F%2Fpage.example%2Fui%2Fsign-in%2Fcallback&"), "{place}");
}

/// A client without a secret, of an issuer that comes only after the server; and somebody who tries codes.
async fn public_client() {
    let realm = Realm::start_at("127.0.0.1");
    realm.desk().secret = None;
    let keys = vec![realm.pair.jwk("a")];
    realm.issuer.has_now(None);
    let key_set = format!("{}/certs", realm.issuer.url);
    let more = ["--public-url", "https://page.example", "--jwt-key-set-url", &key_set, "--failed-authentications", "2"];
    let (tokens, options) = (Tokens::new(), realm.options());
    // The last one counts.
    let options =
        options.iter().map(String::as_str).filter(|option| !["--failed-authentications", "1000000"].contains(option));
    let options: Vec<&str> = tokens.options("rbac").into_iter().chain(options).chain(more).collect();
    let server = Server::start_with(&options);
    let mut browser = Browser::of(&server);
    let page = browser.get("/ui/sign-in/oidc").await;
    refused(&browser, &page, 503, "127.0.0.1 can't be asked at the moment");
    used(&browser);
    server.tells("nobody can sign in at the issuer");
    realm.issuer.has_now(Some(keys));
    knows(&mut browser).await;
    realm.leads_back_to("https://page.example");
    let mut good = browser.clone();
    comes_back(&mut good, &realm).await.status_is(200);
    good.get("/ui/types").await.status_is(200);
    for status in [401, 401, 429] {
        let back = go(&mut browser, &realm, "").await;
        browser.get(&with_argument(&back, "code", "guessed")).await.status_is(status);
        assert_eq!(browser.cookie("cirrus-session"), None);
    }
}

async fn out_of_order((mut browser, realm): (Browser, Arc<Realm>)) {
    let away = "127.0.0.1 can't be asked at the moment";
    realm.desk().given = Some(Box::new(|_| json!(["no tokens"])));
    let page = comes_back(&mut browser, &realm).await;
    refused(&browser, &page, 503, away);
    realm.desk().given = Some(Box::new(|_| json!("x".repeat(2 << 20))));
    let page = comes_back(&mut browser, &realm).await;
    refused(&browser, &page, 503, away);
    realm.desk().given = None;
    let begin = Instant::now();
    let page = comes_back(&mut browser, &realm).await;
    refused(&browser, &page, 503, away);
    used(&browser);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let back = go(&mut browser, &realm, "").await;
    realm.issuer.has_now(None);
    let page = browser.get(&back).await;
    refused(&browser, &page, 503, away);
    realm.issuer.has_now(Some(vec![realm.pair.jwk("a")]));
    realm.gives_both();
    comes_back(&mut browser, &realm).await.status_is(200);
}
