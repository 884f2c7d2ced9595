//! What the server logs, which can be changed while it runs (`--log`). Each process has its own.

use super::{Access, Action, Effect, given};
use crate::{
    access::Caller,
    api::{
        App,
        answer::Answer,
        call::Call,
        error::{Answered, ApiError},
        openapi::{
            operation::{Described, SERVER, about},
            vocabulary::{nullable_text, object, text},
        },
    },
};
use actix_web::http::Method;
use serde_json::{Value, json};
use std::future::ready;
use utoipa::openapi::{Required, path::OperationBuilder};

/// Those who are called at night need it also while all places are taken.
pub static ACTIONS: &[Action] = &[
    Action {
        link: None,
        path: "/log-filter",
        method: Method::GET,
        access: Access::Administrator,
        effect: Effect::Reads,
        takes_a_place: false,
        handler: |app, _, _| Box::pin(ready(Ok(app.log_filter()))),
        arguments: &[],
        description: describe_filter,
    },
    Action {
        link: None,
        path: "/log-filter",
        method: Method::PUT,
        access: Access::Administrator,
        effect: Effect::Acts,
        takes_a_place: false,
        handler: |app, call, _| Box::pin(ready(app.set_log_filter(call))),
        arguments: &[],
        description: describe_set_filter,
    },
];

impl App {
    fn log_filter(&self) -> Answer {
        let filter = &self.log_filter;
        Answer::json(&json!({"log-filter": filter.current(), "started-with": filter.started_with()}))
    }

    fn set_log_filter(&self, call: &Call) -> Answered<Answer> {
        let body = call.object()?;
        if !body.contains_key("log-filter") {
            return Err(ApiError::bad_request("Bad Request, log-filter is missing"));
        }
        let wanted = match given(&body, "log-filter") {
            None => self.log_filter.started_with(),
            Some(Value::String(text)) => text,
            Some(_) => return Err(ApiError::bad_request("Bad Request, log-filter must be a text or null")),
        };
        let changed = self.log_filter.change(wanted, &who(call));
        changed.map_err(|why| ApiError::bad_request(format!("Bad Request, log-filter: {why}")))?;
        Ok(self.log_filter())
    }
}

/// Who asks, as far as that is known: its user, and from where.
fn who(call: &Call) -> String {
    let Caller { user, user_id, .. } = &*call.identity.caller;
    let user = user.as_deref().or(user_id.as_deref()).unwrap_or("an administrator");
    let address = call.identity.address.as_deref().unwrap_or("here");
    format!("{user} from {address}")
}

fn describe_filter() -> OperationBuilder {
    about(SERVER, "log_filter_read", "What this server logs").answers("The filter.", filter())
}

fn describe_set_filter() -> OperationBuilder {
    let wanted = "A level (error, warn, info, debug, trace, off), or several parts like `info,cirrus=debug`; null for what the \
                  server was started with.";
    about(SERVER, "log_filter_update", "Logs more, or less, until the server is started again")
        .says("Of this server alone: others on the same database have their own.")
        .takes_like(
            Required::True,
            object(&["log-filter"], [("log-filter", nullable_text(wanted))]),
            json!({"log-filter": "info,cirrus=debug"}),
        )
        .answers("The filter that is in force from now on.", filter())
}

fn filter() -> utoipa::openapi::ObjectBuilder {
    let told = "What the server was started with (`--log`).";
    object(&["log-filter", "started-with"], [("log-filter", text("What is in force.")), ("started-with", text(told))])
}
