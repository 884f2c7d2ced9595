//! Signing in at the issuer (`OpenID` Connect, the authorization code flow with PKCE): a browser is sent there, comes back with a
//! code, and the code is exchanged for tokens, one of which says who it is as it would anywhere else.

use super::{Jwt, Refused, attempt::Attempt, key_set::Endpoints, settings::JwtSettings};
use crate::{
    access::kept,
    authentication::{Unknown, read_password},
};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use std::{fmt::Display, path::PathBuf};
use tokio::sync::Semaphore;

/// How many codes are exchanged at the same time; more are told to come again.
const AT_THE_SAME_TIME: usize = 32;

/// As what this server is known to the issuer.
pub struct Client {
    id: String,
    /// The file with its secret, which is read each time, since it may change.
    secret_file: Option<PathBuf>,
    scopes: String,
    /// Where browsers reach the server, if that is said.
    origin: Option<String>,
    /// What people know the issuer by.
    host: String,
    places: Semaphore,
}

impl Client {
    /// As it is set; none if nobody is to sign in there.
    ///
    /// # Errors
    /// Names the setting that is wrong; `told` is a setting as its user knows it.
    pub fn new(
        settings: &JwtSettings,
        issuer: &str,
        told: impl Fn(&str, &dyn Display) -> String,
    ) -> Result<Option<Self>, String> {
        let Some(id) = settings.oidc_client_id.clone() else { return Ok(None) };
        let secret_file = settings.oidc_client_secret_file.clone();
        if let Some(file) = &secret_file {
            read_password(file)
                .map_err(|error| format!("{}: {error}", told("oidc_client_secret_file", &file.display())))?;
        }
        let address = Url::parse(issuer).ok();
        let host = address.as_ref().and_then(Url::host_str).unwrap_or(issuer).to_owned();
        let origin = settings.public_url.as_ref().map(|url| url.origin().ascii_serialization());
        let (scopes, places) = (settings.oidc_scopes.clone(), Semaphore::new(AT_THE_SAME_TIME));
        Ok(Some(Self { id, secret_file, scopes, origin, host, places }))
    }

    /// Where people are led back to who have come to this scheme and host.
    pub(super) fn redirect_uri(&self, base: &str, callback: &str) -> String {
        format!("{}{callback}", self.origin.as_deref().unwrap_or(base))
    }
}

/// Why somebody is not signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failed {
    /// The issuer, or its keys, can't be had at the moment.
    Away,
    /// The issuer refuses to, in its own words, which may be anything: a code, and perhaps a sentence.
    ByIssuer(String, Option<String>),
    /// What the issuer has answered belongs to another attempt, or another client.
    OfAnother,
    /// No token of the issuer is one that this server believes.
    NotBelieved,
}

/// The answer to a code.
#[derive(Deserialize)]
struct Tokens {
    access_token: Option<String>,
    id_token: Option<String>,
}

/// The answer to one that is refused.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

/// Leads people to the issuer and back.
#[derive(Clone, Copy)]
pub struct SignIn<'j> {
    pub(super) issuer: &'j Jwt,
    pub(super) client: &'j Client,
}

impl SignIn<'_> {
    /// What people know the issuer by.
    pub fn host(&self) -> &str {
        &self.client.host
    }

    /// Whether an answer that names its issuer (RFC 9207) is of this one.
    pub fn is_of(&self, issuer: &str) -> bool {
        self.issuer.issuer == issuer
    }

    /// Where to send a browser that has come to this scheme and host, to be led back to `callback`, which is a path; nowhere
    /// while the issuer is away.
    pub fn place(&self, attempt: &Attempt, base: &str, callback: &str) -> Option<Url> {
        let mut place = self.issuer.keys.endpoints()?.authorization.clone();
        place
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client.id)
            .append_pair("redirect_uri", &self.client.redirect_uri(base, callback))
            .append_pair("scope", &self.client.scopes)
            .extend_pairs(attempt.arguments());
        Some(place)
    }

    /// Exchanges the code that an attempt has brought, and gives the token that this server believes. `base` and `callback` are
    /// as they were when it was begun.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn token(&self, attempt: &Attempt, code: &str, base: &str, callback: &str) -> Result<String, Failed> {
        let endpoints = self.issuer.keys.endpoints().ok_or(Failed::Away)?;
        let tokens = {
            let _place = self.client.places.try_acquire().map_err(|_| Failed::Away)?;
            self.exchange(&endpoints, attempt, code, &self.client.redirect_uri(base, callback)).await?
        };
        if let Some(id_token) = &tokens.id_token {
            self.check(id_token, attempt).await?;
        }
        for token in [tokens.access_token, tokens.id_token].into_iter().flatten() {
            match self.issuer.ask(&token, None).await {
                Ok(_) => return Ok(token),
                Err(Unknown::Nobody) => {}
                Err(Unknown::Unavailable(_)) => return Err(Failed::Away),
            }
        }
        tracing::warn!(issuer = self.issuer.issuer, "somebody has signed in, but neither token is for this server");
        Err(Failed::NotBelieved)
    }

    async fn exchange(
        &self,
        endpoints: &Endpoints,
        attempt: &Attempt,
        code: &str,
        redirect_uri: &str,
    ) -> Result<Tokens, Failed> {
        let secret = self.client.secret_file.as_deref().map(read_password).transpose();
        let secret = secret.map_err(|error| self.away(&format!("the secret of the client can't be read: {error}")))?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_verifier", &attempt.verifier);
        if secret.is_none() {
            form.append_pair("client_id", &self.client.id);
        }
        // As a form has them (RFC 6749, 2.3.1): both may have colons.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let answered = self.issuer.keys.questions.post(&endpoints.token, form.finish(), |question| match &secret {
            Some(secret) => question.basic_auth(encoded(&self.client.id), Some(encoded(secret))),
            None => question,
        });
        let (status, body) = answered.await.map_err(|why| self.away(&why))?;
        match status {
            200 => serde_json::from_slice(&body).map_err(|_| self.away("what it gives for a code is no tokens")),
            400 | 401 => {
                let refusal = serde_json::from_slice::<Refusal>(&body);
                let Refusal { error, error_description } =
                    refusal.map_err(|_| self.away(&format!("it answers a code with status {status}")))?;
                // Its sentence may have the code in it.
                let shown = kept(error.clone());
                tracing::warn!(issuer = self.issuer.issuer, error = ?shown, "the issuer does not exchange a code");
                Err(Failed::ByIssuer(error, error_description))
            }
            _ => Err(self.away(&format!("it answers a code with status {status}"))),
        }
    }

    /// Checks what the issuer says of who has signed in: it is for this client, and to this attempt.
    async fn check(&self, id_token: &str, attempt: &Attempt) -> Result<(), Failed> {
        let claims = self.issuer.claims_of(id_token, &self.client.id).await.map(|(claims, _)| claims);
        let why = match claims {
            Ok(claims) if claims.get("nonce").and_then(Value::as_str) == Some(&attempt.nonce) => return Ok(()),
            Ok(_) => "it is of another attempt (`nonce`)".to_owned(),
            Err(Refused::Away) => return Err(Failed::Away),
            Err(Refused::OfAnother) => "it is of another issuer, or no token".to_owned(),
            Err(Refused::Nobody(why)) => why,
        };
        tracing::warn!(issuer = self.issuer.issuer, why, "an ID token is not taken");
        Err(Failed::OfAnother)
    }

    /// Says in the log why the issuer is of no use.
    fn away(&self, why: &str) -> Failed {
        tracing::warn!(issuer = self.issuer.issuer, why, "nobody can sign in at the issuer");
        Failed::Away
    }
}
