//! What changes, as it happens and page by page. The feeds themselves are in `watch.rs` and `changes.rs`.

use super::{Access, Action, Effect};
use crate::api::openapi::{
    arguments::{Argument, Form, required},
    operation::{Described, FEEDS, about},
    vocabulary::{anything, list, nullable_text, object, simple, text, texts, uuid},
};
use actix_web::http::Method;
use utoipa::openapi::{Content, ResponseBuilder, Type, path::OperationBuilder};

/// Both may wait for long. Watchers have a limit of their own, and who waits for changes counts when these have come.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("watch"),
        path: "/watch",
        method: Method::GET,
        access: Access::Reader,
        effect: Effect::Reads,
        takes_a_place: false,
        handler: |app, call, _| Box::pin(app.watch(call)),
        arguments: &[SINCE, LAST_EVENT_ID, INIT, BOOKMARKS],
        description: describe_watch,
    },
    Action {
        link: None,
        path: "/changes",
        method: Method::GET,
        access: Access::Reader,
        effect: Effect::Reads,
        takes_a_place: false,
        handler: |app, call, _| Box::pin(app.changes(call)),
        arguments: &[CHANGES_SINCE, LIMIT, WAIT, CHANGED_TYPES],
        description: describe_changes,
    },
];

const SINCE: Argument = Argument::query(
    "Since",
    "since",
    Form::Text,
    "A position, `<epoch>-<revision>`: what came after it, and no start.",
);
const LAST_EVENT_ID: Argument =
    Argument::header("LastEventId", "Last-Event-ID", Form::Text, "The same; browsers send it when they come back.");
const INIT: Argument = Argument::query(
    "Init",
    "init",
    Form::OneOf(&["stream"]),
    "The state at the start as an event for each object, then a bookmark, instead of all objects of a type in one event.",
);
const BOOKMARKS: Argument = Argument::query(
    "Bookmarks",
    "bookmarks",
    Form::OneOf(&["true", "false"]),
    "An event with the position at least every 15 seconds, when something else has happened.",
);
const CHANGES_SINCE: Argument = Argument::query(
    "ChangesSince",
    "since",
    Form::Text,
    "A position, `<epoch>-<revision>`; a time with a zone, or how long ago, as `2h`; `oldest` for all that is kept, `now` (if \
     not given) for what comes.",
);
const LIMIT: Argument = Argument::query(
    "Limit",
    "limit",
    Form::Number(1, Some(10_000)),
    "How many changes, about: a request is never split. 1000 if not given.",
);
const WAIT: Argument = Argument::query(
    "Wait",
    "wait",
    Form::Number(0, Some(60)),
    "How many seconds to wait for a change when there is none; 0 if not given.",
);
const CHANGED_TYPES: Argument = Argument::query(
    "ChangedTypes",
    "resource_type",
    Form::Text,
    "Only these types of objects, joined by commas, as `virtual_network`.",
);

fn describe_watch() -> OperationBuilder {
    let types = "The types of objects, joined by commas, as `virtual_network`; `*` for all. `<type>_fields` names the fields that \
                 are shown.";
    let events = "Events in the order of the changes: `init`, `create`, `update` and `delete`, each with an object below the \
                  name of its type; with one of the arguments beside `resource_type` also `bookmark` and `gone`.";
    let answer = ResponseBuilder::new().description(events);
    about(FEEDS, "watch", "Changes as server-sent events")
        .says("Does not end by itself. The position of an event is its id; `since` or `Last-Event-ID` goes on from there.")
        .parameter(required("resource_type", types))
        .response("200", answer.content("text/event-stream", Content::new(Some(simple(Type::String)))))
        .or(&[400, 404, 410, 503])
}

const CALLER: &str = "Who sent it, by its parts: `user`, `user_id`, `project`, `project_name`, `domain`, `roles` and `address`, as \
                      far as known. Null for what the server does by itself, and for members of another project.";

fn describe_changes() -> OperationBuilder {
    let change = object(
        &["revision", "time", "operation", "type", "uuid", "fq_name"],
        [
            ("revision", text("Its position.")),
            ("time", text("When it was decided, in UTC, as `2026-11-25T13:13:46.388337Z`.")),
            (
                "operation",
                text(
                    "`create`, `update`, `update-implicit`, `rename`, `delete`, `reserve-addresses` or `free-addresses`.",
                ),
            ),
            ("type", text("Of the object.")),
            ("uuid", uuid("Of the object.")),
            ("fq_name", texts("Of the object.")),
            ("former_fq_name", texts("Before a `rename`.")),
            (
                "changed",
                texts(
                    "The fields that are others than before, of an object that was there; missing where nobody knows.",
                ),
            ),
            ("addresses", texts("Those that were reserved or freed.")),
            ("request_id", nullable_text("Which request it was; null where who sent it is not told.")),
            ("who", nullable_text("Who sent it: user, program and address, as far as known.")),
            ("caller", anything(CALLER)),
            ("object", anything("The object after the change, without children and back references.")),
        ],
    );
    let answer = object(
        &["from", "to", "changes"],
        [
            ("from", text("The position after which it begins.")),
            ("to", text("The position up to which it goes: `since` of the next request.")),
            ("changes", list(change.into()).into()),
        ],
    );
    about(FEEDS, "changes", "Changes as JSON, a page at a time")
        .says(
            "Who may not read everything gets what it may read: an object that it may read since a change as a `create`, one that it may \
             not read any more as a `delete`, without the object.",
        )
        .answers("What happened.", answer)
        .or(&[400, 404, 410, 503])
}
