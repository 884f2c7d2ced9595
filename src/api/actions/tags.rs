//! Tags of an object.

use super::{Access, Action, Effect, text_member};
use crate::{
    api::{
        App,
        answer::Answer,
        call::Call,
        error::{Answered, ApiError},
        openapi::{
            arguments::{DRY_RUN, IF_MATCH},
            operation::{Described, PARTS, about, names_or_null, nothing, type_name},
            vocabulary::{any_of, anything, nullable_text, object, simple, uuid},
        },
    },
    rules::{Operation, SetTag},
};
use actix_web::http::Method;
use serde_json::json;
use utoipa::openapi::{Required, Type, path::OperationBuilder};

/// Several tags at once.
pub static ACTIONS: &[Action] = &[Action {
    link: Some("set-tag"),
    path: "/set-tag",
    method: Method::POST,
    access: Access::Writer,
    effect: Effect::Writes,
    takes_a_place: true,
    handler: |app, call, _| Box::pin(app.set_tag(call)),
    arguments: &[IF_MATCH, DRY_RUN],
    description: describe_set_tag,
}];

impl App {
    async fn set_tag(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let (Some(kind), Some(uuid)) = (text_member(body, "obj_type")?, text_member(body, "obj_uuid")?) else {
            return Err(ApiError::bad_request("Object type and UUID must be specified"));
        };
        let type_id = self.model.find(&kind);
        let unknown = || ApiError::bad_request(format!("Invalid Contrail resource type: {kind}"));
        let type_id = type_id.ok_or_else(unknown)?;
        let mut changes = body.clone();
        changes.retain(|name, _| name != "obj_type" && name != "obj_uuid");
        self.submit(call, Operation::SetTag(SetTag { type_id, uuid, changes })).await?;
        Ok(Answer::json(&json!({})))
    }
}

fn describe_set_tag() -> OperationBuilder {
    let change = object(
        &[],
        [
            ("value", nullable_text("The one tag of the type, where an object has one.")),
            ("add_values", names_or_null("Tags to add, where it has several.")),
            ("delete_values", names_or_null("Tags to take away.")),
            ("is_global", anything("True: a tag of the whole system, not of the project.")),
        ],
    );
    let change = any_of([change.into(), simple(Type::Null).into()], "Null takes all tags of the type away.");
    let body = object(&["obj_type", "obj_uuid"], [("obj_type", type_name()), ("obj_uuid", uuid("The object."))])
        .additional_properties(Some(change));
    about(PARTS, "set_tag", "Sets and takes away tags of an object")
        .says("The other members are types of tags, as `application` or `label`, each with what happens to its tags.")
        .takes(Required::True, body)
        .answers("The tags are set.", nothing())
        .or(&[404, 409, 412, 503])
}
