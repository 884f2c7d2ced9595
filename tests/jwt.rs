//! Signed tokens (JWT): a server that believes an issuer, whose keys the test serves over HTTP, as clients see it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    self as signatures, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::sign_in_at_issuer::Desk;
use crate::support::tokens::{ALICE_PROJECT, Tokens, allow_all_types, make_projects};
use crate::support::{Answer, Api, Checks, Server, fresh_directory};
use crate::tls::Files;

const LIMIT: Duration = Duration::from_mins(1);

/// A pair of keys.
pub enum Pair {
    Rsa(Box<RsaKeyPair>),
    Curve(Box<EcdsaKeyPair>),
    Edwards(Ed25519KeyPair),
}

impl Pair {
    fn rsa() -> Self {
        let directory = fresh_directory();
        let file = directory.path().join("key.der");
        let mut command = Command::new("openssl");
        command.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER", "-out"]);
        let output = command.arg(&file).output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let key = std::fs::read(file).unwrap();
        // One or the other, by the version of openssl.
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&key).or_else(|_| RsaKeyPair::from_der(&key)).unwrap()))
    }

    fn curve(algorithm: &'static signatures::EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Curve(Box::new(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap()))
    }

    pub fn edwards() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Edwards(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    /// The public one, as its bytes are.
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Self::Curve(pair) => pair.public_key().as_ref().to_vec(),
            Self::Edwards(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The public one, as in a set.
    pub fn jwk(&self, name: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public = self.public();
        match self {
            Self::Rsa(pair) => {
                let parts: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                let (n, e) = (text(&parts.n), text(&parts.e));
                json!({"kty": "RSA", "kid": name, "use": "sig", "n": n, "e": e})
            }
            Self::Curve(_) => {
                let (x, y) = public[1..].split_at(public.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "kid": name, "use": "sig", "x": text(x), "y": text(y)})
            }
            Self::Edwards(_) => json!({"kty": "OKP", "crv": "Ed25519", "kid": name, "use": "sig", "x": text(&public)}),
        }
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &dyn RsaEncoding = match algorithm {
                    "RS256" => &signatures::RSA_PKCS1_SHA256,
                    "RS384" => &signatures::RSA_PKCS1_SHA384,
                    "RS512" => &signatures::RSA_PKCS1_SHA512,
                    "PS256" => &signatures::RSA_PSS_SHA256,
                    "PS384" => &signatures::RSA_PSS_SHA384,
                    "PS512" => &signatures::RSA_PSS_SHA512,
                    other => panic!("{other}"),
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Curve(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    pub fn token(&self, name: &str, algorithm: &str, claims: &Value) -> String {
        self.with_header(&json!({"alg": algorithm, "typ": "JWT", "kid": name}), claims)
    }

    fn with_header(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.sign(header["alg"].as_str().unwrap(), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}")
}

/// Where an issuer says where its keys are, and its keys.
pub struct Issuer {
    pub url: String,
    /// None while it is away.
    keys: Arc<Mutex<Option<Vec<Value>>>>,
    /// How often keys were asked for.
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn start(keys: Option<Vec<Value>>, tls: Option<Arc<ServerConfig>>) -> Self {
        Self::start_at("127.0.0.1", keys, tls, None)
    }

    /// One that people know by this name, which leads to this machine, and where they sign in if there is a desk.
    pub fn start_at(
        host: &str,
        keys: Option<Vec<Value>>,
        tls: Option<Arc<ServerConfig>>,
        desk: Option<Arc<Mutex<Desk>>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{host}:{}/realm", listener.local_addr().unwrap().port());
        let issuer = Self { url: url.clone(), keys: Arc::new(Mutex::new(keys)), asked: Arc::default() };
        let (keys, asked) = (Arc::clone(&issuer.keys), Arc::clone(&issuer.asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let keys = keys.lock().unwrap().clone();
                let (url, tls, asked, desk) = (url.clone(), tls.clone(), Arc::clone(&asked), desk.clone());
                let stream = stream.unwrap();
                // One that hangs holds up nobody else.
                thread::spawn(move || match tls {
                    None => answer(stream, &url, keys.as_deref(), &asked, desk.as_deref()),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        answer(StreamOwned::new(connection, stream), &url, keys.as_deref(), &asked, desk.as_deref());
                    }
                });
            }
        });
        issuer
    }

    pub fn has_now(&self, keys: Option<Vec<Value>>) {
        *self.keys.lock().unwrap() = keys;
    }

    pub fn claims(&self) -> Value {
        json!({
            "iss": self.url, "aud": ["account", "cirrus"], "sub": "id-of-alice", "preferred_username": "alice",
            "exp": in_seconds(600), "realm_access": {"roles": ["member"]},
            "project": {"id": ALICE_PROJECT.replace('-', ""), "name": "alice-proj"},
        })
    }

    pub fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    pub fn options(&self) -> Vec<String> {
        let text = "--jwt-audience cirrus --jwt-roles-claim realm_access.roles --jwt-project-claim project.id \
                    --jwt-project-name-claim project.name --failed-authentications 1000000";
        ["--jwt-issuer", &self.url].into_iter().chain(text.split_whitespace()).map(str::to_owned).collect()
    }
}

/// Answers one question. Whoever does not go on with a handshake asks nothing.
fn answer(
    stream: impl Read + Write,
    url: &str,
    keys: Option<&[Value]>,
    asked: &AtomicUsize,
    desk: Option<&Mutex<Desk>>,
) {
    let mut stream = BufReader::new(stream);
    let lines = stream.by_ref().lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some(first) = head.first() else { return };
    let target = first.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match (target, desk) {
        _ if keys.is_none() => (503, String::new()),
        ("/realm/.well-known/openid-configuration", _) => {
            let places = [("jwks_uri", "certs"), ("authorization_endpoint", "authorize"), ("token_endpoint", "token")];
            let mut document = json!({ "issuer": url });
            for (name, path) in &places[..if desk.is_some() { 3 } else { 1 }] {
                document[*name] = json!(format!("{url}/{path}"));
            }
            (200, document.to_string())
        }
        ("/realm/certs", _) => {
            asked.fetch_add(1, Ordering::SeqCst);
            (200, json!({ "keys": keys }).to_string())
        }
        ("/realm/token", Some(desk)) => {
            let length =
                head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut form = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut form).unwrap();
            let exchanged = desk.lock().unwrap().exchange(&head, &form);
            match exchanged {
                Some((status, answer)) => (status, answer.to_string()),
                // It hangs until nobody waits any more.
                None => return drop(stream.read(&mut [0])),
            }
        }
        (target, Some(desk)) if target.starts_with("/realm/authorize?") => {
            desk.lock().unwrap().authorize(url, target.split_once('?').unwrap().1)
        }
        _ => (404, String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(format!("{head}{body}").as_bytes()).ok();
}

pub fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

fn start(issuer: &Issuer, tokens: &Tokens, more: &[&str]) -> Server {
    let options = issuer.options();
    let options = options.iter().map(String::as_str).chain(more.iter().copied());
    Server::start_with(&tokens.options("rbac").into_iter().chain(options).collect::<Vec<&str>>())
}

async fn get(api: &Api, token: &str) -> Answer {
    api.send("GET", "/virtual-networks", &[("X-Auth-Token", token)], None).await.unwrap()
}

async fn bearer(api: &Api, path: &str, token: &str) -> Answer {
    let value = format!("Bearer {token}");
    api.send("GET", path, &[("Authorization", &value)], None).await.unwrap()
}

async fn becomes(api: &Api, token: &str, status: u16) {
    let begin = Instant::now();
    while get(api, token).await.status != status {
        assert!(begin.elapsed() < LIMIT, "not {status} within {LIMIT:?}");
    }
}

/// It is not said why.
fn unauthorized(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {answer}");
    assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"cirrus\"", "{what}");
    let message = "The request you have made requires authentication.";
    assert_eq!(answer.json(), json!({"error": {"code": 401, "title": "Unauthorized", "message": message}}), "{what}");
}

struct Pairs {
    rsa: Pair,
    p256: Pair,
    p384: Pair,
    edwards: Pair,
    /// It is not in the set.
    unknown: Pair,
}

impl Pairs {
    fn make() -> Self {
        Self {
            rsa: Pair::rsa(),
            p256: Pair::curve(&signatures::ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: Pair::curve(&signatures::ECDSA_P384_SHA384_FIXED_SIGNING),
            edwards: Pair::edwards(),
            unknown: Pair::edwards(),
        }
    }

    fn set(&self) -> Vec<Value> {
        let named = [(&self.rsa, "rsa"), (&self.p256, "p256"), (&self.p384, "p384"), (&self.edwards, "edwards")];
        named.into_iter().map(|(pair, name)| pair.jwk(name)).collect()
    }
}

pub async fn tokens_that_an_issuer_has_signed() {
    let pairs = Arc::new(Pairs::make());
    let issuer = Arc::new(Issuer::start(None, None));
    let tokens = Tokens::new();
    let server = start(&issuer, &tokens, &[]);
    let (api, admin) = (server.api(), tokens.api(&server, "admin"));
    make_projects(&admin).await;
    allow_all_types(&admin).await;
    keys_that_are_away_at_the_start(&api, &issuer, &pairs).await;
    let mut checks = Checks::default();
    let with = || (api.clone(), Arc::clone(&issuer), Arc::clone(&pairs));
    checks.run("all algorithms with public keys", algorithms(with())).await;
    checks.run("tokens that are nobody's", bad_tokens(with())).await;
    checks.run("what claims say of their holder", mapping(with())).await;
    checks.run("a token has an end", an_end(with())).await;
    checks.run("unknown keys make the issuer be asked now and then", unknown_keys(with())).await;
    checks.run("other keys", rotation(with())).await;
    // The other source is not in the way.
    admin.get("/virtual-networks").await.ok();
    checks.finish();
    for why in [
        "it is of another issuer",
        "it has ended",
        "it is for another audience",
        "its signature is not of this key",
        "(`kid`)",
    ] {
        server.tells(why);
    }
    let log = server.log();
    assert!(!log.contains("eyJ"), "a part of a token is in the log:\n{log}");
}

async fn keys_that_are_away_at_the_start(api: &Api, issuer: &Issuer, pairs: &Pairs) {
    let good = pairs.edwards.token("edwards", "EdDSA", &issuer.claims());
    get(api, &good).await.status_is(503);
    // What does not need them is known.
    unauthorized(&get(api, "nonsense").await, "nonsense");
    issuer.has_now(Some(pairs.set()));
    becomes(api, &good, 200).await;
    bearer(api, "/virtual-networks", &good).await.ok();
}

async fn algorithms((api, issuer, pairs): (Api, Arc<Issuer>, Arc<Pairs>)) {
    for (pair, name, algorithms) in [
        (&pairs.rsa, "rsa", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        (&pairs.p256, "p256", &["ES256"]),
        (&pairs.p384, "p384", &["ES384"]),
        (&pairs.edwards, "edwards", &["EdDSA"]),
    ] {
        for algorithm in algorithms {
            let token = pair.token(name, algorithm, &issuer.claims());
            bearer(&api, "/virtual-networks", &token).await.ok();
            get(&api, &token).await.ok();
            // One bit of the signature, and one of what is signed.
            for at in [token.len() - 10, token.find('.').unwrap() + 20] {
                let mut bytes = token.clone().into_bytes();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                unauthorized(&get(&api, &String::from_utf8(bytes).unwrap()).await, algorithm);
            }
        }
    }
}

async fn bad_tokens((api, issuer, pairs): (Api, Arc<Issuer>, Arc<Pairs>)) {
    let claims = issuer.claims();
    let signed = |name: &str, value: Value| pairs.edwards.token("edwards", "EdDSA", &issuer.claims_with(name, value));
    let header = |algorithm: &str, key: &str| json!({"alg": algorithm, "typ": "JWT", "kid": key});
    let mut bad = vec![
        ("another key", pairs.unknown.token("edwards", "EdDSA", &claims)),
        ("another key's name", pairs.edwards.token("p256", "EdDSA", &claims)),
        ("an unknown key", pairs.unknown.token("unknown", "EdDSA", &claims)),
        ("no name of a key", pairs.edwards.with_header(&json!({"alg": "EdDSA"}), &claims)),
        ("another issuer", signed("iss", json!("http://127.0.0.1:1/realm"))),
        ("no issuer", signed("iss", Value::Null)),
        ("another audience", signed("aud", json!(["account"]))),
        ("no audience", signed("aud", Value::Null)),
        ("expired", signed("exp", json!(in_seconds(-60)))),
        ("without an end", signed("exp", Value::Null)),
        ("not yet valid", signed("nbf", json!(in_seconds(60)))),
        ("100 kB", signed("groups", json!("x".repeat(100_000)))),
        ("no claims", pairs.edwards.token("edwards", "EdDSA", &json!("cirrus"))),
    ];
    for name in ["none", "None", "NONE", "nOnE"] {
        bad.push((name, format!("{}.", message(&header(name, "edwards"), &claims))));
        bad.push((name, format!("{}.AAAA", message(&header(name, "edwards"), &claims))));
    }
    // The public key, which everybody knows, as a secret.
    for (name, pair) in [("rsa", &pairs.rsa), ("p256", &pairs.p256), ("edwards", &pairs.edwards)] {
        for secret in [pair.public(), pair.jwk(name).to_string().into_bytes()] {
            for (algorithm, kind) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512)] {
                let message = message(&header(algorithm, name), &claims);
                let signature = hmac::sign(&hmac::Key::new(kind, &secret), message.as_bytes());
                bad.push((algorithm, format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))));
            }
        }
    }
    for (what, token) in bad {
        unauthorized(&get(&api, &token).await, what);
        unauthorized(&bearer(&api, "/virtual-networks", &token).await, what);
    }
    let good = pairs.edwards.token("edwards", "EdDSA", &claims);
    let service = |token: &str| [("X-Auth-Token", good.clone()), ("X-Service-Token", token.to_owned())];
    for (token, status) in [(good.clone(), 200), (pairs.unknown.token("edwards", "EdDSA", &claims), 401)] {
        let headers = service(&token);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        api.send("GET", "/virtual-networks", &headers, None).await.unwrap().status_is(status);
    }
}

async fn mapping((api, issuer, pairs): (Api, Arc<Issuer>, Arc<Pairs>)) {
    let asks = async |claims: Value| {
        let token = pairs.p256.token("p256", "ES256", &claims);
        bearer(&api, "/obj-perms", &token).await.ok()
    };
    let alice = asks(issuer.claims()).await;
    assert_eq!(alice["is_cloud_admin_role"], false);
    let token = &alice["token_info"]["token"];
    assert_eq!((&token["user"]["name"], &token["user"]["id"]), (&json!("alice"), &json!("id-of-alice")));
    assert_eq!(token["roles"], json!([{"id": "member", "name": "member"}]));
    assert_eq!(token["project"]["id"], ALICE_PROJECT.replace('-', ""));
    assert_eq!(token["project"]["name"], "alice-proj");
    assert!(token["expires_at"].as_str().unwrap().ends_with(".000000Z"), "{token}");
    let admin = asks(issuer.claims_with("realm_access", json!({"roles": "member Admin"}))).await;
    assert_eq!(admin["is_cloud_admin_role"], true, "{admin}");
    let reader = asks(issuer.claims_with("realm_access", json!({"roles": ["auditor"]}))).await;
    assert_eq!(reader["is_global_read_only_role"], true, "{reader}");
    for none in [Value::Null, json!({"roles": [""]}), json!(["admin"]), json!({"roles": {"admin": 1}}), json!("admin")]
    {
        let mut claims = issuer.claims_with("realm_access", none.clone());
        claims["roles"] = json!(["admin"]);
        let nobody = asks(claims).await;
        assert_eq!(nobody["is_cloud_admin_role"], false, "{none}: {nobody}");
        assert_eq!(nobody["token_info"]["token"]["roles"], json!([]), "{none}: {nobody}");
    }
    // What it makes in its project is the project's.
    let of = |claims: &Value| pairs.p256.token("p256", "ES256", claims);
    let make = async |claims: &Value, name: &str| {
        let fq_name = json!(["default-domain", "alice-proj", name]);
        let body = json!({"virtual-network": {"fq_name": fq_name, "parent_type": "project"}}).to_string();
        let token = of(claims);
        let headers = [("X-Auth-Token", token.as_str()), ("Content-Type", "application/json")];
        api.send("POST", "/virtual-networks", &headers, Some(body.into_bytes())).await.unwrap()
    };
    make(&issuer.claims(), "of alice").await.ok();
    // A project that is no uuid is none that owns anything.
    let elsewhere = issuer.claims_with("project", json!({"id": "alice-proj", "name": "alice-proj"}));
    make(&elsewhere, "of another").await.status_is(403);
    make(&issuer.claims_with("project", Value::Null), "of nobody").await.status_is(403);
    let without = asks(issuer.claims_with("preferred_username", Value::Null)).await;
    assert_eq!(without["token_info"]["token"]["user"]["name"], "id-of-alice");
}

async fn an_end((api, issuer, pairs): (Api, Arc<Issuer>, Arc<Pairs>)) {
    // Clocks may differ by half a minute.
    let token = pairs.edwards.token("edwards", "EdDSA", &issuer.claims_with("exp", json!(in_seconds(-15))));
    get(&api, &token).await.ok();
    get(&api, &token).await.ok();
    becomes(&api, &token, 401).await;
}

async fn unknown_keys((api, issuer, pairs): (Api, Arc<Issuer>, Arc<Pairs>)) {
    let (before, begin) = (issuer.asked.load(Ordering::SeqCst), Instant::now());
    for number in 0..300 {
        let token = pairs.unknown.token(&number.to_string(), "EdDSA", &issuer.claims());
        unauthorized(&get(&api, &token).await, "an unknown key");
    }
    let asked = issuer.asked.load(Ordering::SeqCst) - before;
    let most = begin.elapsed().as_secs() / 5 + 2;
    assert!(u64::try_from(asked).unwrap() <= most, "{asked} times in {:?}", begin.elapsed());
}

async fn rotation((api, issuer, pairs): (Api, Arc<Issuer>, Arc<Pairs>)) {
    let old = pairs.edwards.token("edwards", "EdDSA", &issuer.claims());
    get(&api, &old).await.ok();
    let new = pairs.unknown.token("new", "EdDSA", &issuer.claims());
    unauthorized(&get(&api, &new).await, "a key that is not there yet");
    issuer.has_now(Some(vec![pairs.unknown.jwk("new")]));
    becomes(&api, &new, 200).await;
    unauthorized(&get(&api, &old).await, "a key that is gone");
    // Away: those that are known count on, and of others nobody knows.
    issuer.has_now(None);
    becomes(&api, &old, 503).await;
    get(&api, &new).await.ok();
    get(&api, &pairs.unknown.token("new", "EdDSA", &issuer.claims_with("sub", json!("another")))).await.ok();
    issuer.has_now(Some(pairs.set()));
    becomes(&api, &old, 200).await;
    becomes(&api, &new, 401).await;
}

pub async fn an_issuer_whose_certificate_is_looked_at() {
    let files = Files::new();
    let chain = vec![CertificateDer::from_pem_file(files.text("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(files.text("server.key")).unwrap();
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let pair = Pair::edwards();
    let issuer = Issuer::start(Some(vec![pair.jwk("a")]), Some(Arc::new(tls)));
    let token = pair.token("a", "EdDSA", &issuer.claims());
    let (authority, other) = (files.text("ca.pem"), files.text("other.pem"));
    for (options, status) in
        [(&["--jwt-ca-file", authority.as_str()][..], 403), (&["--jwt-ca-file", &other], 503), (&[], 503)]
    {
        let server = start(&issuer, &Tokens::new(), options);
        // Who is known is told that no rule says anything.
        get(&server.api(), &token).await.status_is(status);
        if status == 503 {
            server.tells("invalid peer certificate");
        } else {
            assert!(!server.log().contains("invalid peer certificate"), "{}", server.log());
        }
    }
}
