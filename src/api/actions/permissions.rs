//! Who owns an object and may do what with it, and whether anybody looks at that.

use super::{Access, Action, Body, Effect, given};
use crate::{
    access::{AaaMode, Right},
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
    rules::{Operation, PermissionChange, canonical_uuid, is_share},
};
use actix_web::http::{Method, StatusCode};
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
        handler: |app, call, _| Box::pin(app.own_permissions(call)),
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
        handler: |app, _, _| Box::pin(ready(Ok(mode_answer(app.authenticator.mode())))),
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
        handler: |app, call, _| Box::pin(ready(app.set_aaa_mode(call))),
        arguments: &[],
        description: describe_set_aaa_mode,
    },
];

fn mode_answer(mode: AaaMode) -> Answer {
    Answer::json(&json!({"aaa-mode": mode.name()}))
}

/// Rights as `/obj-perms` tells them: `RWX`, or a part of it (OBJ-1).
fn letters(rights: u8) -> String {
    let all = [(Right::Read, 'R'), (Right::Write, 'W'), (Right::Link, 'X')];
    all.into_iter().filter(|(right, _)| right.is_in(rights)).map(|(_, letter)| letter).collect()
}

impl App {
    /// What the token of a request is, and what its holder may do. A uuid that is unknown is the same as one that is of no use to the
    /// caller (OBJ-1), and roles are the same in any case (OBJ-5).
    async fn own_permissions(&self, call: &Call) -> Answered<Answer> {
        if self.authenticator.mode() == AaaMode::NoAuth {
            // Everybody may do everything.
            return Ok(Answer::json(&json!({
                "token_info": null, "is_cloud_admin_role": false, "is_global_read_only_role": false, "permissions": "RWX"
            })));
        }
        // OBJ-4: who was let in without a token has none to ask about.
        let known = call.known.as_ref().ok_or_else(|| ApiError::bad_request("User token needed for validation"))?;
        let roles = &self.authenticator.callers().roles;
        let caller = &call.identity.caller;
        let reads_all = roles.global_read_only.as_deref().is_some_and(|role| caller.has_role(role));
        let mut answer = Map::new();
        answer.insert("token_info".to_owned(), self.token_info(call, &known.token_info));
        answer.insert("is_cloud_admin_role".to_owned(), caller.has_role(&roles.cloud_admin).into());
        answer.insert("is_global_read_only_role".to_owned(), reads_all.into());
        if let Some(uuid) = call.query.get("uuid") {
            let snapshot = self.snapshot(call).await?;
            let object = canonical_uuid(uuid).and_then(|uuid| snapshot.graph.get(uuid));
            let rights = object.map_or(0, |object| call.identity.rights(&object.permissions));
            answer.insert("permissions".to_owned(), letters(rights).into());
        }
        Ok(Answer::json(&Value::Object(answer)))
    }

    /// What is told of a token. The domain of its project is called as here (OBJ-2); neither the token nor the catalog is in it
    /// (OBJ-3).
    fn token_info(&self, call: &Call, known: &Value) -> Value {
        let mut told = known.clone();
        if let Some(Value::Object(token)) = told.get_mut("token") {
            token.retain(|name, _| name != "auth_token" && name != "catalog");
        }
        if let Some(id) = told.pointer_mut("/token/project/domain/id") {
            let own = match id.as_str() {
                Some(text) if text != self.authenticator.callers().default_domain_id => Uuid::try_parse(text).ok(),
                _ => call.identity.default_domain,
            };
            if let Some(own) = own {
                *id = own.simple().to_string().into();
            }
        }
        told
    }

    /// The mode is a setting: who names another one is told where it is set (MODE-9, MODE-11).
    fn set_aaa_mode(&self, call: &Call) -> Answered<Answer> {
        let body = call.object()?;
        let in_force = self.authenticator.mode();
        let wanted = text_of(body.get("aaa-mode"));
        if wanted == in_force.name() {
            return Ok(mode_answer(in_force));
        }
        if in_force == AaaMode::NoAuth {
            let text = format!(
                "Invalid aaa-mode {wanted}: this server runs without authentication, so only 'no-auth' is possible"
            );
            return Err(ApiError::bad_request(text));
        }
        // MODE-8
        if given(&body, "aaa-mode").is_none() {
            return Err(ApiError::bad_request("Bad Request, aaa-mode is missing"));
        }
        if AaaMode::named(&wanted).is_none() {
            return Err(ApiError::bad_request(format!("Invalid aaa-mode {wanted}")));
        }
        let in_force = in_force.name();
        let text = format!(
            "aaa-mode is {in_force}, and a setting of the server: it is {wanted} when the server is started with --aaa-mode {wanted} \
             (CIRRUS_AAA_MODE)"
        );
        Err(ApiError::new(StatusCode::CONFLICT, text))
    }

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
        .says(
            "Whose the token of the request is, and what its holder may do with an object. Without authentication everybody may do \
             everything.",
        )
        .answers(
            "The rights.",
            object(
                &["token_info", "is_cloud_admin_role", "is_global_read_only_role"],
                [
                    (
                        "token_info",
                        nullable(Type::Object).description(Some("The token, like Keystone tells it, without itself.")).into(),
                    ),
                    ("is_cloud_admin_role", simple(Type::Boolean).into()),
                    ("is_global_read_only_role", simple(Type::Boolean).into()),
                    ("permissions", text("`RWX`, or a part of it; only if the request names an object.")),
                ],
            ),
        )
        .or(&[503])
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
        .says("It is a setting of the server, `--aaa-mode`: a mode that is not in force is refused.")
        .takes_like(Required::True, mode_schema(), json!({"aaa-mode": AaaMode::NoAuth.name()}))
        .answers("The mode.", mode_schema())
        .or(&[409])
}

fn mode_schema() -> ObjectBuilder {
    let mode = simple(Type::String).enum_values(Some(AaaMode::ALL.map(AaaMode::name)));
    object(&["aaa-mode"], [("aaa-mode", mode.into())])
}
