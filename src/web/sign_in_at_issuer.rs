//! `/ui/sign-in/oidc` and `/ui/sign-in/callback`: to the issuer of signed tokens, where somebody signs in (`OpenID` Connect), and
//! back.

use super::{
    layout::Layout,
    session,
    sign_in::{self, Typed, destination},
};
use crate::{
    api::{Answer, Answered, ApiError, pages::Asked},
    authentication::{
        Refused,
        jwt::{Attempt, Failed, SignIn},
    },
};
use actix_web::http::{
    StatusCode,
    header::{self, HeaderValue},
};
use maud::html;

/// Where it begins.
pub const BEGIN: &str = "/ui/sign-in/oidc";
/// Where the issuer leads people back to.
pub const CALLBACK: &str = "/ui/sign-in/callback";
/// So much is shown of what an issuer says, in characters.
const MOST_SHOWN: usize = 300;

/// Where people sign in, if anywhere.
fn issuer<'a>(asked: &Asked<'a>) -> Answered<SignIn<'a>> {
    let issuer = asked.app.authenticator.sign_in();
    issuer.ok_or_else(|| ApiError::not_found("Nobody signs in at an issuer here (--oidc-client-id)."))
}

/// `GET /ui/sign-in/oidc`: leads to the issuer. It is a link, and no form: browsers do not let forms of ours lead to other sites.
///
/// # Errors
/// 404 where there is none.
pub fn begin(asked: &Asked<'_>) -> Answered<Answer> {
    let issuer = issuer(asked)?;
    let to = destination(asked.argument("to").unwrap_or_default());
    let attempt = Attempt::new(to).map_err(|_| ApiError::unavailable("There are no random numbers."))?;
    let Some(place) = issuer.place(&attempt, &asked.call.base, CALLBACK) else {
        let (status, note) = words(issuer.host(), &Failed::Away);
        return Ok(refuse(asked, sign_in::layout(asked).status(status), &note, to));
    };
    let cookie = session::keep_attempt(asked.call, &attempt.cookie());
    Ok(session::see_with(place.as_str(), cookie.into_iter().collect()))
}

/// `GET /ui/sign-in/callback`: somebody comes back, with a code or with what went wrong.
///
/// # Errors
/// 404 where there is no issuer.
pub async fn callback(asked: Asked<'_>) -> Answered<Answer> {
    let issuer = issuer(&asked)?;
    let attempt = session::attempt(asked.call).and_then(|cookie| Attempt::read(&cookie));
    let state = asked.argument("state").unwrap_or_default();
    // One that somebody else has made up takes nothing away from who is on the way.
    let Some(attempt) = attempt.filter(|attempt| attempt.is_answered_by(state)) else {
        let note =
            "This is no answer to a sign-in that was begun in this browser within the last ten minutes. Begin again.";
        return Ok(refuse(&asked, sign_in::layout(&asked).status(StatusCode::BAD_REQUEST), note, "/ui/"));
    };
    let to = destination(&attempt.to);
    let again = |status| {
        let dropped = session::drop_attempt(asked.call);
        sign_in::layout(&asked).status(status).headers(dropped.into_iter().collect())
    };
    let code = asked.argument("code");
    let answered = match (asked.argument("iss"), asked.argument("error"), code) {
        (Some(other), ..) if !issuer.is_of(other) => Err(Failed::OfAnother),
        (_, Some(error), _) => {
            Err(Failed::ByIssuer(error.to_owned(), asked.argument("error_description").map(str::to_owned)))
        }
        (_, None, Some(code)) => issuer.token(&attempt, code, &asked.call.base, CALLBACK).await,
        (_, None, None) => Err(Failed::OfAnother),
    };
    match answered.map(|token| session::begin(asked.call, &token, false)) {
        Ok(Ok(cookies)) => Ok(lead_on(&asked, cookies, to)),
        Ok(Err(error)) => Ok(refuse(&asked, again(error.status), &error.text, to)),
        Err(failed) => {
            // Codes could be guessed.
            if code.is_some()
                && failed != Failed::Away
                && let Refused::TooMany(pause) = asked.app.authenticator.failed(asked.call.from)
            {
                return Err(sign_in::too_many(pause));
            }
            let (status, note) = words(issuer.host(), &failed);
            Ok(refuse(&asked, again(status), &note, to))
        }
    }
}

/// The page of who has signed in. It leads on by itself: a redirect would still be one from the issuer's site, with which
/// browsers send no cookie of a session.
fn lead_on(asked: &Asked<'_>, cookies: Vec<session::Header>, to: &str) -> Answer {
    let on = HeaderValue::try_from(format!("0; url={to}")).ok().map(|on| (header::REFRESH, on));
    let headers = cookies.into_iter().chain(session::drop_attempt(asked.call)).chain(on).collect();
    Layout::new(asked, "Signed in").headers(headers).show(&html! {
        h1 { "Signed in" }
        p { a href=(to) { "Go on" } }
    })
}

fn refuse(asked: &Asked<'_>, layout: Layout<'_>, note: &str, to: &str) -> Answer {
    sign_in::show(asked, layout, Some(note), &Typed::by_who_goes(to))
}

/// Why somebody is not signed in, for who has tried.
fn words(host: &str, failed: &Failed) -> (StatusCode, String) {
    match failed {
        Failed::Away => {
            let note = format!("{host} can't be asked at the moment. Try again in a moment.");
            (StatusCode::SERVICE_UNAVAILABLE, note)
        }
        Failed::ByIssuer(error, description) => {
            let said = description.as_ref().map_or_else(|| error.clone(), |more| format!("{error}: {more}"));
            let shown: String = said.chars().take(MOST_SHOWN).collect();
            let rest = if shown.len() < said.len() { "…" } else { "" };
            (StatusCode::UNAUTHORIZED, format!("{host} has refused. It says: {shown}{rest}"))
        }
        Failed::OfAnother => {
            let note = format!("What {host} has answered does not belong to this sign-in. Begin again.");
            (StatusCode::UNAUTHORIZED, note)
        }
        Failed::NotBelieved => {
            let note =
                format!("{host} knows you, but the token that it has given is not for this server (its audience).");
            (StatusCode::UNAUTHORIZED, note)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_issuer_says_is_bounded() {
        let said = |error: &str, more: Option<&str>| {
            words("id.example", &Failed::ByIssuer(error.to_owned(), more.map(str::to_owned)))
        };
        let (status, note) = said("access_denied", Some("You may not."));
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(note, "id.example has refused. It says: access_denied: You may not.");
        let (_, note) = said("access_denied", None);
        assert_eq!(note, "id.example has refused. It says: access_denied");
        let (_, note) = said(&"ü".repeat(100_000), Some("more"));
        assert!(note.ends_with("ü…") && note.chars().count() < MOST_SHOWN + 60, "{note}");
        assert_eq!(words("id.example", &Failed::Away).0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
