//! What is shown instead of a page that is refused: what went wrong, in words, and what to do.

use super::{layout::Layout, link, session};
use crate::api::{
    Answer, ApiError, App, Call,
    pages::{Asked, session_of},
};
use actix_web::http::{
    StatusCode,
    header::{self, HeaderValue},
};
use maud::html;
use serde_json::Value;
use std::cell::OnceCell;
use tokio::sync::Mutex;

/// The page of a refusal; of who is not known, that to sign in.
pub fn page(app: &App, call: &Call, error: &ApiError) -> Answer {
    let (fresh, gathered) = (OnceCell::new(), Mutex::default());
    let asked = Asked { app, call, parts: &[], fresh: &fresh, gathered: &gathered };
    if error.status == StatusCode::UNAUTHORIZED {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&call.query);
        let to = [call.path.as_str(), query.finish().as_str()].join("?");
        let had_one = session_of(call).is_some();
        let ended = if had_one { "yes" } else { "" };
        let headers = if had_one { session::end(call) } else { Vec::new() };
        let to = to.trim_end_matches('?');
        return session::see_with(&link::with_arguments("/ui/sign-in", &[("to", to), ("ended", ended)]), headers);
    }
    let (title, advice) = words(error.status);
    let again = error.again_after.and_then(|seconds| HeaderValue::try_from(seconds.to_string()).ok());
    let headers = again.map(|seconds| (header::RETRY_AFTER, seconds)).into_iter().collect();
    let page = Layout::new(&asked, title).status(error.status).headers(headers);
    page.show(&html! {
        h1 { (title) }
        p { (advice) }
        @let text = text(error);
        @if !text.is_empty() { details open { summary { "What the server says" } pre .said { (text) } } }
        p { a href="/ui/" { "To the start" } }
    })
}

/// What a status means for who looks at pages, and what to do.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::FORBIDDEN => {
            ("Not allowed", "You may not do or see this. Who administers your project, or this cloud, can change that.")
        }
        StatusCode::NOT_FOUND => {
            ("Not there", "There is nothing here: it may have been deleted a moment ago, or the link is wrong.")
        }
        StatusCode::METHOD_NOT_ALLOWED => ("Not there", "This page can't be asked for in this way."),
        StatusCode::BAD_REQUEST => {
            ("Not understood", "Something in the address of this page, or in the form, is wrong.")
        }
        StatusCode::TOO_MANY_REQUESTS => ("Too many attempts", "Wait a moment before the next one."),
        StatusCode::SERVICE_UNAVAILABLE => {
            ("Not available", "The server can't answer at the moment. Load this page again in a moment.")
        }
        _ => ("Something went wrong", "The server could not do this."),
    }
}

/// What the error says, without the JSON around it.
pub fn text(error: &ApiError) -> String {
    let json = error.json.then(|| serde_json::from_str::<Value>(&error.text).ok()).flatten();
    let message = json.as_ref().and_then(|json| json["error"]["message"].as_str().or(json["error"].as_str()));
    message.map_or_else(|| error.text.trim().to_owned(), str::to_owned)
}
