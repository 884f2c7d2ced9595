//! Who owns an object and may do what with it, and whether anybody looks at that.

use super::{Access, Action, Body, Effect, given};
use crate::{
    access::AaaMode,
    api::{
        App,
        answer::Answer,
        call::{Call, text_of},
        error::{Answered, ApiError},
        openapi::{
            arguments::{DRY_RUN, IF_MATCH},
            operation::{Described, PARTS, SERVER, about, nothing},
            vocabulary::{nullable, nullable_list, nullable_text, object, simple, text, uuid},
        },
    },
    rules::{Operation, PermissionChange, is_share},
};
use actix_web::http::Method;
use serde_json::{Map, Value, json};
use std::future::ready;
use utoipa::openapi::{ObjectBuilder, Required, Type, path::OperationBuilder};
use uuid::Uuid;

/// Rights of objects, and the mode of the server.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("obj-perms"),
        path: "/obj-perms",
        method: Method::GET,
        access: Access::Reader,
        effect: Effect::Reads,
        takes_a_place: false,
        handler: |_, _, _| Box::pin(ready(Ok(permissions()))),
        arguments: &[],
        description: describe_permissions,
    },
    Action {
        link: Some("chown"),
        path: "/chown",
        method: Method::POST,
        access: Access::Writer,
        effect: Effect::Writes,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.change_owner(call)),
        arguments: &[IF_MATCH, DRY_RUN],
        description: describe_change_owner,
    },
    Action {
        link: Some("chmod"),
        path: "/chmod",
        method: Method::POST,
        access: Access::Writer,
        effect: Effect::Writes,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.change_mode(call)),
        arguments: &[IF_MATCH, DRY_RUN],
        description: describe_change_mode,
    },
    Action {
        link: None,
        path: "/aaa-mode",
        method: Method::GET,
        access: Access::Reader,
        effect: Effect::Reads,
        takes_a_place: false,
        handler: |_, _, _| Box::pin(ready(Ok(aaa_mode()))),
        arguments: &[],
        description: describe_aaa_mode,
    },
    Action {
        link: Some("aaa-mode"),
        path: "/aaa-mode",
        method: Method::PUT,
        access: Access::Administrator,
        effect: Effect::Acts,
        takes_a_place: true,
        handler: |_, call, _| Box::pin(ready(set_aaa_mode(call))),
        arguments: &[],
        description: describe_set_aaa_mode,
    },
];

/// Without authentication everybody may do everything.
fn permissions() -> Answer {
    Answer::json(&json!({
        "token_info": null, "is_cloud_admin_role": false, "is_global_read_only_role": false, "permissions": "RWX"
    }))
}

fn aaa_mode() -> Answer {
    Answer::json(&json!({"aaa-mode": AaaMode::NoAuth.name()}))
}

fn set_aaa_mode(call: &Call) -> Answered<Answer> {
    let wanted = text_of(call.object()?.get("aaa-mode"));
    if wanted == AaaMode::NoAuth.name() {
        return Ok(Answer::json(&json!({"aaa-mode": wanted})));
    }
    let text =
        format!("Invalid aaa-mode {wanted}: this server runs without authentication, so only 'no-auth' is possible");
    Err(ApiError::bad_request(text))
}

impl App {
    async fn change_owner(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let member = |name: &str, what: &str| {
            let missing = || ApiError::bad_request(format!("Bad Request, no {what} UUID provided to chown"));
            let value = given(body, name).ok_or_else(missing)?;
            let uuid = value.as_str().filter(|text| Uuid::try_parse(text).is_ok());
            uuid.ok_or_else(|| ApiError::bad_request(format!("Bad Request, invalid {what} UUID")))
        };
        for (name, what) in [("uuid", "resource"), ("owner", "owner")] {
            if given(body, name).is_none() {
                return Err(ApiError::bad_request(format!("Bad Request, no {what} UUID provided to chown")));
            }
        }
        let (uuid, owner) = (member("uuid", "resource")?, member("owner", "owner")?);
        let mut members = Map::new();
        members.insert("owner".to_owned(), owner.into());
        self.change_permissions(call, uuid, members).await
    }

    async fn change_mode(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let uuid = given(body, "uuid").ok_or_else(|| ApiError::bad_request("'uuid'"))?;
        let refuse = |what: &str| ApiError::bad_request(format!("Bad Request, invalid {what}"));
        let uuid = uuid.as_str().filter(|text| Uuid::try_parse(text).is_ok()).ok_or_else(|| refuse("object id"))?;
        let mut members = Map::new();
        if let Some(owner) = given(body, "owner").filter(|owner| owner.as_str() != Some("")) {
            let owner = owner.as_str().and_then(|text| Uuid::try_parse(text).ok()).ok_or_else(|| refuse("owner"))?;
            members.insert("owner".to_owned(), owner.simple().to_string().into());
        }
        for name in ["owner_access", "global_access"] {
            if let Some(access) = given(body, name) {
                let access = valid_access(access).ok_or_else(|| refuse(&format!("{name} value")))?;
                members.insert(name.to_owned(), access.into());
            }
        }
        if let Some(share) = given(body, "share") {
            check_share(share)?;
            members.insert("share".to_owned(), share.clone());
        }
        self.change_permissions(call, uuid, members).await
    }

    async fn change_permissions(&self, call: &Call, uuid: &str, members: Body) -> Answered<Answer> {
        // Both spellings of a uuid are one object.
        let uuid = Uuid::try_parse(uuid).map_or_else(|_| uuid.to_owned(), |uuid| uuid.to_string());
        self.submit(call, Operation::PermissionChange(PermissionChange { uuid, members })).await?;
        Ok(Answer::json(&json!({})))
    }
}

/// An access right: 0 to 7.
fn valid_access(value: &Value) -> Option<u64> {
    value.as_u64().filter(|access| *access <= 7)
}

fn check_share(share: &Value) -> Answered<()> {
    let invalid = || ApiError::bad_request("HTTP Status: 400 Content: Bad Request, invalid share list");
    for item in share.as_array().ok_or_else(invalid)? {
        let fields = item.as_object().ok_or_else(invalid)?;
        if let Some(missing) = ["tenant", "tenant_access"].iter().find(|name| !fields.contains_key(**name)) {
            return Err(ApiError::bad_request(format!("'{missing}'")));
        }
        if !is_share(item) {
            return Err(invalid());
        }
    }
    Ok(())
}

fn describe_permissions() -> OperationBuilder {
    about(SERVER, "obj_perms", "What the caller may do")
        .says("Without authentication everybody may do everything.")
        .answers("The rights.", object(&["permissions"], [("permissions", text("`RWX`, or a part of it."))]))
}

fn describe_change_owner() -> OperationBuilder {
    about(PARTS, "chown", "Gives an object to another project")
        .takes(
            Required::True,
            object(&["uuid", "owner"], [("uuid", uuid("The object.")), ("owner", uuid("The project."))]),
        )
        .answers("It has another owner.", nothing())
        .or(&[404, 409, 412, 503])
}

fn describe_change_mode() -> OperationBuilder {
    let access =
        |meaning: &str| nullable(Type::Integer).minimum(Some(0)).maximum(Some(7)).description(Some(meaning)).into();
    let share = object(
        &["tenant", "tenant_access"],
        [
            ("tenant", text("A project or domain: `tenant:UUID`, `domain:UUID`, or a uuid.")),
            ("tenant_access", simple(Type::Integer).minimum(Some(0)).maximum(Some(7)).into()),
        ],
    );
    let members = [
        ("uuid", uuid("The object.")),
        ("owner", nullable_text("The project that owns it.")),
        ("owner_access", access("What that may do: 4 read, 2 write, 1 refer, added.")),
        ("global_access", access("What everybody may do.")),
        ("share", nullable_list(share.into()).description(Some("What others may do.")).into()),
    ];
    about(PARTS, "chmod", "Says who may do what with an object")
        .takes(Required::True, object(&["uuid"], members))
        .answers("It is done.", nothing())
        .or(&[404, 409, 412, 503])
}

fn describe_aaa_mode() -> OperationBuilder {
    about(SERVER, "aaa_mode_read", "Whether callers are authenticated").answers("The mode.", mode_schema())
}

fn describe_set_aaa_mode() -> OperationBuilder {
    about(SERVER, "aaa_mode_update", "Sets whether callers are authenticated")
        .says("Only `no-auth` is possible so far.")
        .takes_like(Required::True, mode_schema(), json!({"aaa-mode": AaaMode::NoAuth.name()}))
        .answers("The mode.", mode_schema())
}

fn mode_schema() -> ObjectBuilder {
    let mode = simple(Type::String).enum_values(Some([AaaMode::NoAuth.name()]));
    object(&["aaa-mode"], [("aaa-mode", mode.into())])
}
