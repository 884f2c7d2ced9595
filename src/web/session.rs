//! Who looks, from one page to the next: a cookie with the token itself, so that servers behind a balancer share nothing; and what
//! forms have in them so that no other site can send them (docs/decisions/0011-sessions-of-the-page.md).

use crate::{
    access::AaaMode,
    api::{
        Answer, Answered, ApiError, Call,
        pages::{self, Asked},
    },
};
use actix_web::http::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use ring::hmac;

/// Where people sign in.
pub const SIGN_IN: &str = "/ui/sign-in";
/// The cookie that stands for who has not signed in, so that its forms can be told from those of others.
const VISITOR: &str = "cirrus-visitor";
/// The cookie that says that the token was made for this session, and ends with it.
const OWN_TOKEN: &str = "cirrus-own-token";
/// The field of forms that shows that a page of ours has made them.
pub const FORM_TOKEN: &str = "form_token";
/// The cookie of who is on the way to an issuer and back, by way of TLS, and without it.
const ATTEMPT: [&str; 2] = ["__Secure-cirrus-attempt", "cirrus-attempt"];
/// How many seconds somebody may take for that.
const ATTEMPT_SECONDS: u32 = 600;
/// Browsers keep no longer cookie, in bytes, with its name.
const LONGEST_COOKIE: usize = 4000;
/// What can't stand in a cookie (RFC 6265), and what stands for it.
const IN_COOKIES: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

/// A header of an answer.
pub type Header = (HeaderName, HeaderValue);

fn set(call: &Call, name: &str, value: &str, more: &str) -> Option<Header> {
    set_at(call, pages::ROOT, name, value, &format!("; SameSite=Strict{more}"))
}

fn set_at(call: &Call, path: &str, name: &str, value: &str, more: &str) -> Option<Header> {
    let secure = if call.is_encrypted() { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={path}; HttpOnly{secure}{more}");
    Some((header::SET_COOKIE, HeaderValue::try_from(text).ok()?))
}

fn attempt_name(call: &Call) -> &'static str {
    let [encrypted, plain] = ATTEMPT;
    if call.is_encrypted() { encrypted } else { plain }
}

/// Keeps what somebody takes along to an issuer, for as long as that may take. Who is led back from there comes from another
/// site, so the cookie has to come along with such a request.
pub fn keep_attempt(call: &Call, value: &str) -> Option<Header> {
    let more = format!("; SameSite=Lax; Max-Age={ATTEMPT_SECONDS}");
    set_at(call, SIGN_IN, attempt_name(call), value, &more)
}

/// What was kept.
pub fn attempt(call: &Call) -> Option<String> {
    call.cookie(attempt_name(call))
}

/// Forgets it.
pub fn drop_attempt(call: &Call) -> Option<Header> {
    set_at(call, SIGN_IN, attempt_name(call), "", "; SameSite=Lax; Max-Age=0")
}

/// Begins a session with a token; `is_own` if it was made for that.
///
/// # Errors
/// 400 for a token that is too long for a cookie.
pub fn begin(call: &Call, token: &str, is_own: bool) -> Answered<Vec<Header>> {
    let value = utf8_percent_encode(token, IN_COOKIES).to_string();
    if value.len() > LONGEST_COOKIE {
        let text = format!("The token has {} characters; a browser keeps no more than {LONGEST_COOKIE}.", value.len());
        return Err(ApiError::bad_request(text));
    }
    let own = if is_own { set(call, OWN_TOKEN, "1", "") } else { drop_cookie(call, OWN_TOKEN) };
    Ok([set(call, pages::session_name(call), &value, ""), own, drop_cookie(call, VISITOR)]
        .into_iter()
        .flatten()
        .collect())
}

/// Ends it.
pub fn end(call: &Call) -> Vec<Header> {
    [pages::session_name(call), OWN_TOKEN].into_iter().filter_map(|name| drop_cookie(call, name)).collect()
}

fn drop_cookie(call: &Call, name: &str) -> Option<Header> {
    set(call, name, "", "; Max-Age=0")
}

/// Whether the token was made for this session.
pub fn has_own_token(call: &Call) -> bool {
    call.cookie(OWN_TOKEN).is_some_and(|value| !value.is_empty())
}

/// Whether callers have to say who they are.
pub fn is_needed(asked: &Asked<'_>) -> bool {
    asked.app.authenticator.mode() != AaaMode::NoAuth
}

/// What forms are made with: the token, or what stands for who has none.
fn secret(call: &Call) -> Option<String> {
    pages::session_of(call).or_else(|| call.cookie(VISITOR)).filter(|secret| !secret.is_empty())
}

/// What a form has in it: it follows from a cookie that no other site can read, and does not tell it.
pub fn form_token(asked: &Asked<'_>) -> String {
    let secret = secret(asked.call).unwrap_or_else(|| asked.fresh.get_or_init(random).clone());
    made_of(&secret)
}

fn made_of(secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"cirrus form").as_ref())
}

fn random() -> String {
    let mut bytes = [0; 24];
    // Without randomness there is none that fits, and forms are refused.
    if getrandom::fill(&mut bytes).is_err() {
        return String::new();
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The cookie that goes with forms, where one was made for them.
pub fn visitor(asked: &Asked<'_>) -> Option<Header> {
    let fresh = asked.fresh.get().filter(|fresh| !fresh.is_empty())?;
    set(asked.call, VISITOR, fresh, "")
}

/// Whether a form was made for who sends it.
pub fn is_of(call: &Call, given: &str) -> bool {
    use subtle::ConstantTimeEq;
    secret(call).is_some_and(|secret| made_of(&secret).as_bytes().ct_eq(given.as_bytes()).into())
}

/// 303 to another page.
pub fn see(path: &str) -> Answer {
    see_with(path, Vec::new())
}

/// The same, with cookies.
pub fn see_with(path: &str, mut headers: Vec<Header>) -> Answer {
    headers.extend(HeaderValue::try_from(path).ok().map(|path| (header::LOCATION, path)));
    pages::html(StatusCode::SEE_OTHER, String::new(), headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_belongs_to_one_session() {
        assert_eq!(made_of("a"), made_of("a"));
        assert_ne!(made_of("a"), made_of("b"));
        assert_ne!(random(), random());
    }
}
