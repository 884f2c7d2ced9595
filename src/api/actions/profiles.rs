//! Profiles of the running server, which there are none of: `perf` makes better ones.

use super::{Access, Action, Effect};
use crate::api::{
    answer::Answer,
    openapi::{
        operation::{Described, SERVER, UNREAD_BODY, about},
        vocabulary::empty_answer,
    },
};
use actix_web::http::Method;
use std::future::ready;
use utoipa::openapi::path::OperationBuilder;

/// Answered, so that clients of contrail-api go on.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("start-profile"),
        path: "/start-profile",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Acts,
        takes_a_place: true,
        handler: |_, _, _| Box::pin(ready(Ok(Answer::Empty))),
        arguments: &[],
        description: || describe("start_profile"),
    },
    Action {
        link: Some("stop-profile"),
        path: "/stop-profile",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Acts,
        takes_a_place: true,
        handler: |_, _, _| Box::pin(ready(Ok(Answer::Empty))),
        arguments: &[],
        description: || describe("stop_profile"),
    },
];

fn describe(id: &str) -> OperationBuilder {
    about(SERVER, id, "Does nothing; clients of contrail-api may call it")
        .response("200", empty_answer("Nothing was done."))
        .or(&UNREAD_BODY)
}
