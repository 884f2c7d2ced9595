//! Drafts of security policies, which are put in force all at once.

use super::{Access, Action, Effect, text_member};
use crate::{
    api::{
        App,
        answer::Answer,
        call::Call,
        error::{Answered, ApiError},
        openapi::{
            arguments::DRY_RUN,
            operation::{Described, PARTS, about, nothing},
            vocabulary::{object, simple, uuid},
        },
    },
    rules::{DRAFTED_TYPES, Operation, ReviewDrafts},
};
use actix_web::http::Method;
use serde_json::json;
use utoipa::openapi::{Required, Type, path::OperationBuilder};

/// What becomes of drafts.
pub static ACTIONS: &[Action] = &[Action {
    link: Some("security-policy-draft"),
    path: "/security-policy-draft",
    method: Method::POST,
    access: Access::Writer,
    effect: Effect::Writes,
    takes_a_place: true,
    handler: |app, call, _| Box::pin(app.security_policy_draft(call)),
    arguments: &[DRY_RUN],
    description: describe_security_policy_draft,
}];

impl App {
    async fn security_policy_draft(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let scope = text_member(body, "scope_uuid")?;
        let scope = scope.ok_or_else(|| ApiError::bad_request("Bad Request, scope_uuid is missing"))?;
        let action = text_member(body, "action")?;
        let commit = match action.as_deref() {
            Some("commit") => Some(true),
            Some("discard") => Some(false),
            _ => None,
        };
        let review = ReviewDrafts { scope, commit };
        self.submit(call, Operation::ReviewDrafts(review)).await?;
        Ok(Answer::json(&json!({})))
    }
}

fn describe_security_policy_draft() -> OperationBuilder {
    let members = [
        ("scope_uuid", uuid("A project, or the global policy-management.")),
        ("action", simple(Type::String).enum_values(Some(["commit", "discard"])).into()),
    ];
    about(PARTS, "security_policy_draft", "Puts the drafts of a scope in force, or drops them")
        .says(&format!(
            "Drafts are made of creates, updates and deletes of {} while the scope is in draft mode.",
            DRAFTED_TYPES.join(", ")
        ))
        .takes(Required::True, object(&["scope_uuid", "action"], members))
        .answers("It is done.", nothing())
        .or(&[404, 409, 503])
}
