//! Names and uuids of objects of any type.

use super::{Access, Action, Effect, given};
use crate::{
    api::{
        App,
        answer::Answer,
        call::{Call, text_of},
        error::{Answered, ApiError},
        list::find_type,
        objects::check_readable,
        openapi::{
            operation::{Described, NAMES, about, type_name},
            vocabulary::{object, text, texts, uuid},
        },
    },
    python_literal,
    rules::{canonical_uuid, string_list},
};
use actix_web::http::Method;
use serde_json::json;
use utoipa::openapi::{Required, path::OperationBuilder};

/// Names to uuids, and back.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("name-to-id"),
        path: "/fqname-to-id",
        method: Method::POST,
        access: Access::Reader,
        effect: Effect::Reads,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.name_to_id(call)),
        arguments: &[],
        description: describe_name_to_id,
    },
    Action {
        link: Some("id-to-name"),
        path: "/id-to-fqname",
        method: Method::POST,
        access: Access::Reader,
        effect: Effect::Reads,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.id_to_name(call)),
        arguments: &[],
        description: describe_id_to_name,
    },
];

impl App {
    async fn name_to_id(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let type_id = find_type(&self.model, &text_of(body.get("type")))?;
        let name = given(body, "fq_name").ok_or_else(|| ApiError::bad_request("Bad Request, fq_name is missing"))?;
        let not_found = |printed: String| ApiError::not_found(format!("Name {printed} not found"));
        let elements = string_list(name).ok_or_else(|| not_found(python_literal::value(name)))?;
        let mut snapshot = self.snapshot(call).await?;
        if snapshot.graph.find(type_id, &elements).is_none() && self.bring_named(type_id, &elements).await? {
            snapshot = self.snapshot(call).await?;
        }
        let object = snapshot.graph.find(type_id, &elements);
        let object = object.ok_or_else(|| not_found(python_literal::list(&elements)))?;
        check_readable(call, object, || not_found(python_literal::list(&elements)))?;
        Ok(Answer::json(&json!({"uuid": object.uuid.to_string()})))
    }

    async fn id_to_name(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let uuid = given(body, "uuid").ok_or_else(|| ApiError::bad_request("Bad Request, uuid is missing"))?;
        let snapshot = self.snapshot(call).await?;
        let object = uuid.as_str().and_then(canonical_uuid).and_then(|uuid| snapshot.graph.get(uuid));
        let unknown = || ApiError::not_found(format!("UUID {} not found", text_of(Some(uuid))));
        let object = object.ok_or_else(unknown)?;
        check_readable(call, object, unknown)?;
        let kind = &self.model.object_type(object.type_id).name;
        Ok(Answer::json(&json!({"fq_name": object.fq_name.elements(), "type": kind})))
    }
}

fn describe_name_to_id() -> OperationBuilder {
    about(NAMES, "fqname_to_id", "The uuid of the object of a name")
        .takes_like(
            Required::True,
            object(&["type", "fq_name"], [("type", type_name()), ("fq_name", texts("Its name."))]),
            json!({"type": "project", "fq_name": ["default-domain", "default-project"]}),
        )
        .answers("It exists.", object(&["uuid"], [("uuid", uuid(""))]))
        .or(&[404, 503])
}

fn describe_id_to_name() -> OperationBuilder {
    about(NAMES, "id_to_fqname", "The name and type of the object of a uuid")
        .takes(Required::True, object(&["uuid"], [("uuid", uuid("In lower case and with dashes."))]))
        .answers("It exists.", object(&["fq_name", "type"], [("fq_name", texts("")), ("type", text("With dashes."))]))
        .or(&[404, 503])
}
