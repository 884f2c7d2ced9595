//! Lists of any type, with the arguments in the body. The lists themselves are in `list.rs`.

use super::{Access, Action, Effect};
use crate::api::{
    App,
    answer::Answer,
    call::Call,
    error::Answered,
    list::ListRequest,
    openapi::{
        operation::{Described, NAMES, about, type_name},
        vocabulary::{any_of, anything, list, nullable_text, object, simple},
    },
};
use actix_web::http::Method;
use serde_json::json;
use utoipa::openapi::{Required, Type, path::OperationBuilder};

/// Lists for which an address is too short.
pub static ACTIONS: &[Action] = &[Action {
    link: Some("list-bulk-collection"),
    path: "/list-bulk-collection",
    method: Method::POST,
    access: Access::Reader,
    effect: Effect::Reads,
    takes_a_place: true,
    handler: |app, call, _| Box::pin(app.list_bulk(call)),
    arguments: &[],
    description: describe_list_bulk,
}];

impl App {
    async fn list_bulk(&self, call: &Call) -> Answered<Answer> {
        let request = ListRequest::from_body(&self.model, &call.object()?, self.requests.paginate_count)?;
        self.list(request, call).await
    }
}

fn describe_list_bulk() -> OperationBuilder {
    let many = || {
        any_of(
            [
                simple(Type::String).into(),
                list(any_of([simple(Type::String).into(), list(simple(Type::String).into()).into()], "")).into(),
                simple(Type::Null).into(),
            ],
            "Joined by commas, or as a list.",
        )
    };
    let flag = || anything("False values do not count.");
    let members = [
        ("type", type_name()),
        ("parent_id", many()),
        ("parent_fq_name_str", nullable_text("")),
        ("parent_type", nullable_text("")),
        ("back_ref_id", many()),
        ("obj_uuids", many()),
        ("fq_names", many()),
        ("filters", nullable_text("")),
        ("detail", flag()),
        ("fields", many()),
        ("count", flag()),
        ("shared", flag()),
        ("exclude_hrefs", flag()),
        ("page_marker", any_of([simple(Type::String).into(), simple(Type::Null).into()], "")),
        (
            "page_limit",
            any_of(
                [simple(Type::Integer).minimum(Some(1)).into(), simple(Type::String).into(), simple(Type::Null).into()],
                "",
            ),
        ),
    ];
    about(NAMES, "list_bulk_collection", "Lists objects, with the arguments in the body")
        .says(
            "The arguments are those of the lists of each type; there may be 50,000 uuids or names, 1,000 fields and 10,000 \
             filters, each counted once.",
        )
        .takes_like(
            Required::True,
            object(&["type"], members),
            json!({"type": "virtual-network", "fields": ["display_name"]}),
        )
        .answers("As from the list of the type.", simple(Type::Object).additional_properties(Some(anything(""))))
        .or(&[404, 503])
}
