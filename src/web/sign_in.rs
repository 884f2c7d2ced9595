//! `/ui/sign-in`: with a token, with user and password where Keystone is, or at an issuer (`sign_in_at_issuer.rs`).

use super::{form, layout::Layout, link, session, sign_in_at_issuer};
use crate::{
    api::{
        Answer, Answered, ApiError,
        pages::{Asked, session_of},
    },
    authentication::{Presented, Refused, keystone::Person},
};
use actix_web::http::StatusCode;
use maud::{Markup, html};
use std::time::Duration;

/// What a project or a user is of where nothing is said.
const DEFAULT_DOMAIN: &str = "default";

/// What was typed, to be shown again; never secrets.
#[derive(Default)]
pub struct Typed<'t> {
    to: &'t str,
    user: &'t str,
    domain: &'t str,
    project: &'t str,
}

impl<'t> Typed<'t> {
    /// By who wants to go there.
    pub fn by_who_goes(to: &'t str) -> Self {
        Self { to, ..Self::default() }
    }
}

/// `GET /ui/sign-in`
pub fn page(asked: &Asked<'_>) -> Answer {
    if !session::is_needed(asked) {
        return session::see("/ui/");
    }
    let ended = asked.argument("ended").map(|_| "Your session has ended. Sign in again to go on.");
    let typed = Typed::by_who_goes(asked.argument("to").unwrap_or("/ui/"));
    show(asked, layout(asked), ended, &typed)
}

/// The page in the making.
pub fn layout<'a>(asked: &'a Asked<'a>) -> Layout<'a> {
    Layout::new(asked, "Sign in").script("sign_in.js")
}

/// The page with all ways to sign in, and what is to be said about the last attempt.
pub fn show(asked: &Asked<'_>, layout: Layout<'_>, note: Option<&str>, typed: &Typed<'_>) -> Answer {
    let has_keystone = asked.app.authenticator.keystone().is_some();
    let to = html! { input type="hidden" name="to" value=(typed.to); };
    layout.show(&html! {
        div .sign-in {
            h1 { "Sign in" }
            @if let Some(note) = note { p .note role="alert" { (note) } }
            @if let Some(issuer) = asked.app.authenticator.sign_in() {
                section aria-labelledby="by-issuer" {
                    h2 #by-issuer { "With an account elsewhere" }
                    @let begin = link::with_arguments(sign_in_at_issuer::BEGIN, &[("to", typed.to)]);
                    a .button href=(begin) { "Sign in with " (issuer.host()) }
                }
            }
            @if has_keystone {
                section aria-labelledby="by-password" {
                    h2 #by-password { "With user and password" }
                    (form::post(asked, "/ui/sign-in", &by_password(typed, &to)))
                }
            }
            section aria-labelledby="by-token" {
                h2 #by-token { "With a token" }
                (form::post(asked, "/ui/sign-in", &html! {
                    (to)
                    (form::text_field("token", "Token", "password", "", "As it stands in X-Auth-Token or after Bearer: one that was made here, of Keystone, or of the issuer that this server trusts."))
                    button type="submit" { "Sign in" }
                }))
            }
        }
    })
}

fn by_password(typed: &Typed<'_>, to: &Markup) -> Markup {
    html! {
        (to)
        (form::text_field("user", "User", "text", typed.user, ""))
        (form::text_field("password", "Password", "password", "", ""))
        (form::text_field("project", "Project", "text", typed.project, "Empty: the project that Keystone takes by itself, if any."))
        (form::text_field("domain", "Domain", "text", if typed.domain.is_empty() { DEFAULT_DOMAIN } else { typed.domain }, "Of user and project, by name."))
        button type="submit" { "Sign in" }
    }
}

/// `POST /ui/sign-in`
///
/// # Errors
/// 403 for a form that is not ours, 400 for a token that no cookie can hold.
pub async fn sign_in(asked: Asked<'_>) -> Answered<Answer> {
    let fields = form::read(&asked)?;
    let typed = Typed {
        to: fields.text("to"),
        user: fields.text("user"),
        domain: fields.text("domain"),
        project: fields.text("project"),
    };
    let again = |status, note: &str| Ok(show(&asked, layout(&asked).status(status), Some(note), &typed));
    let (token, is_own) = if fields.text("token").is_empty() {
        let Some(keystone) = asked.app.authenticator.keystone().filter(|_| !typed.user.is_empty()) else {
            return again(StatusCode::BAD_REQUEST, "Nothing was given to sign in with.");
        };
        let domain = if typed.domain.is_empty() { DEFAULT_DOMAIN } else { typed.domain };
        let (user, project) = (typed.user, typed.project);
        let password = fields.as_given("password");
        match keystone.sign_in(&Person { user, password, user_domain: domain, project, project_domain: domain }).await {
            Ok(Some(token)) => (token, true),
            Ok(None) => {
                if let Refused::TooMany(pause) = asked.app.authenticator.failed(asked.call.from) {
                    return Err(too_many(pause));
                }
                let note = "Keystone does not know this user with this password, or not for this project and domain.";
                return again(StatusCode::UNAUTHORIZED, note);
            }
            Err(why) => {
                tracing::warn!(%why, "nobody can sign in by Keystone");
                return again(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Keystone can't be asked at the moment. Try again in a moment.",
                );
            }
        }
    } else {
        (fields.text("token").to_owned(), false)
    };
    let presented = Presented { token: Some(token.clone()), service_token: None };
    match asked.app.authenticator.authenticate(&presented, asked.call.from).await {
        Ok(_) => Ok(session::see_with(destination(typed.to), session::begin(asked.call, &token, is_own)?)),
        Err(Refused::Unknown) => again(StatusCode::UNAUTHORIZED, "This token is nobody's, or has ended."),
        Err(Refused::TooMany(pause)) => Err(too_many(pause)),
        Err(Refused::Unavailable(_)) => again(
            StatusCode::SERVICE_UNAVAILABLE,
            "Who knows tokens can't be asked at the moment. Try again in a moment.",
        ),
    }
}

/// What is said to who has failed too often, to come again after a time.
pub fn too_many(pause: Duration) -> ApiError {
    let text = "Too many attempts from your address have failed. Try again later.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, text).again_after(pause)
}

/// Where to go then: a page of ours, whatever the form says.
pub fn destination(to: &str) -> &str {
    let is_page =
        to.starts_with("/ui/") && !to.starts_with("/ui/sign-") && to.bytes().all(|byte| byte.is_ascii_graphic());
    if is_page { to } else { "/ui/" }
}

/// `POST /ui/sign-out`
///
/// # Errors
/// 403 for a form that is not ours.
pub async fn sign_out(asked: Asked<'_>) -> Answered<Answer> {
    form::read(&asked)?;
    if let (Some(keystone), Some(token), true) =
        (asked.app.authenticator.keystone(), session_of(asked.call), session::has_own_token(asked.call))
        && let Err(why) = keystone.revoke(&token).await
    {
        // It ends by itself; the browser has it no longer.
        tracing::warn!(%why, "the token of a session could not be ended");
    }
    Ok(session::see_with("/ui/sign-in", session::end(asked.call)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_ours_only() {
        for (to, expected) in [
            ("/ui/types?a=b", "/ui/types?a=b"),
            ("/ui/sign-out", "/ui/"),
            ("//elsewhere.example/", "/ui/"),
            ("https://elsewhere.example/ui/", "/ui/"),
            ("/ui/\r\nSet-Cookie: a=b", "/ui/"),
            ("", "/ui/"),
        ] {
            assert_eq!(destination(to), expected, "{to}");
        }
    }
}
