//! The actions: what each takes and answers. The match is exhaustive, so an action without a description does not compile.

use super::{
    arguments::{self, required, uuid_in_path},
    object_types::{pending, refused, refused_once},
    refusals,
    vocabulary::{
        AnySchema, JSON, any_of, anything, empty_answer, json_answer, list, nullable, nullable_list, nullable_text,
        object, simple, text, texts, uuid,
    },
};
use crate::{
    api::{
        jobs::{MOST_PATIENCE, USUAL_PATIENCE},
        routes::{Action, NetworkAction},
    },
    rules::{DRAFTED_TYPES, budget},
};
use serde_json::{Value, json};
use utoipa::openapi::{
    Content, ContentBuilder, ObjectBuilder, Required, ResponseBuilder, Type,
    path::{Operation, OperationBuilder},
    request_body::RequestBodyBuilder,
};

/// The groups of actions, with what they are about.
pub const GROUPS: [(&str, &str); 6] = [
    (NAMES, "Names, uuids, and lists of any type."),
    (PARTS, "Changes of a part of an object, and of what belongs to several."),
    (ADDRESSES, "Addresses of networks that no object holds."),
    (FEEDS, "What changes, in order and without gaps."),
    (SERVER, "The server itself."),
    (JOBS, "Jobs and the message bus."),
];
const NAMES: &str = "names and lists";
const PARTS: &str = "parts of objects";
const ADDRESSES: &str = "addresses";
const FEEDS: &str = "feeds";
const SERVER: &str = "server";
const JOBS: &str = "jobs";

const PLAIN_TEXT: &str = "text/plain";

/// What may be asked beside a change of one object.
const CHANGE: [&str; 2] = ["IfMatch", "DryRun"];

/// What every action with a body may refuse.
const BODY: [u16; 4] = [400, 408, 413, 503];
/// The same, where nobody looks what the body is.
const UNREAD_BODY: [u16; 3] = [408, 413, 503];

/// The answer to requests that succeed and have nothing to say.
fn nothing() -> ObjectBuilder {
    simple(Type::Object)
}

fn about(group: &str, id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(group).operation_id(Some(id)).summary(Some(summary))
}

trait Described {
    /// A longer word.
    fn says(self, description: &str) -> Self;
    /// A body of JSON.
    fn takes(self, needed: Required, body: ObjectBuilder) -> Self;
    /// The same, with an example that can be sent as it is.
    fn takes_like(self, needed: Required, body: ObjectBuilder, example: Value) -> Self;
    /// Arguments, by their names in the document.
    fn asks(self, keys: &[&str]) -> Self;
    /// 200 with JSON.
    fn answers(self, meaning: &str, schema: impl Into<AnySchema>) -> Self;
    /// Refusals of these status codes.
    fn or(self, statuses: &[u16]) -> Operation;
    /// The same, of a write that may have a key.
    fn or_once(self, statuses: &[u16]) -> Operation;
}

impl Described for OperationBuilder {
    fn says(self, description: &str) -> Self {
        self.description(Some(description))
    }

    fn takes(self, needed: Required, body: ObjectBuilder) -> Self {
        with_body(self, needed, Content::new(Some(body)))
    }

    fn takes_like(self, needed: Required, body: ObjectBuilder, example: Value) -> Self {
        with_body(self, needed, ContentBuilder::new().schema(Some(body)).example(Some(example)).build())
    }

    fn asks(self, keys: &[&str]) -> Self {
        keys.iter().fold(self, |builder, key| builder.parameter_ref(arguments::named(key)))
    }

    fn answers(self, meaning: &str, schema: impl Into<AnySchema>) -> Self {
        self.response("200", json_answer(meaning, schema))
    }

    fn or(self, statuses: &[u16]) -> Operation {
        refused(self, statuses)
    }

    fn or_once(self, statuses: &[u16]) -> Operation {
        refused_once(self, statuses)
    }
}

fn with_body(operation: OperationBuilder, needed: Required, content: Content) -> OperationBuilder {
    let body = RequestBodyBuilder::new().required(Some(needed)).content(JSON, content).build();
    let refusals = refusals::of(&BODY);
    refusals
        .fold(operation.request_body(Some(body)), |operation, (status, refusal)| operation.response(status, refusal))
}

/// What an action is about.
pub fn describe(action: Action) -> Operation {
    match action {
        Action::PropertyCollectionGet => collection_get(),
        Action::PropertyCollectionUpdate => collection_update(),
        Action::ReferenceUpdate => reference_update(),
        Action::RelaxReference => relax_reference(),
        Action::NameToId => about(NAMES, "fqname_to_id", "The uuid of the object of a name")
            .takes_like(
                Required::True,
                object(&["type", "fq_name"], [("type", type_name()), ("fq_name", texts("Its name."))]),
                json!({"type": "project", "fq_name": ["default-domain", "default-project"]}),
            )
            .answers("It exists.", object(&["uuid"], [("uuid", uuid(""))]))
            .or(&[404, 503]),
        Action::IdToName => about(NAMES, "id_to_fqname", "The name and type of the object of a uuid")
            .takes(Required::True, object(&["uuid"], [("uuid", uuid("In lower case and with dashes."))]))
            .answers(
                "It exists.",
                object(&["fq_name", "type"], [("fq_name", texts("")), ("type", text("With dashes."))]),
            )
            .or(&[404, 503]),
        Action::KeyValue => key_value(),
        Action::DatabaseCheck => about(SERVER, "db_check", "Looks for contradictions in the configuration")
            .says("There should be none: the database does not allow any.")
            .answers("What was found.", object(&["results"], [("results", list(anything("")).into())]))
            .or(&[408, 413, 503]),
        Action::FetchRecords => about(SERVER, "fetch_records", "All objects, a list for each type")
            .answers("All of them.", object(&["results"], [("results", list(list(anything("")).into()).into())]))
            .or(&[408, 413, 503]),
        Action::StartProfile => about(SERVER, "start_profile", "Does nothing; clients of contrail-api may call it")
            .response("200", empty_answer("Nothing was done."))
            .or(&UNREAD_BODY),
        Action::StopProfile => about(SERVER, "stop_profile", "Does nothing; clients of contrail-api may call it")
            .response("200", empty_answer("Nothing was done."))
            .or(&UNREAD_BODY),
        Action::ListBulk => list_bulk(),
        Action::ObjectPermissions => about(SERVER, "obj_perms", "What the caller may do")
            .says("Without authentication everybody may do everything.")
            .answers("The rights.", object(&["permissions"], [("permissions", text("`RWX`, or a part of it."))]))
            .or(&[]),
        Action::ChangeOwner => about(PARTS, "chown", "Gives an object to another project")
            .asks(&CHANGE)
            .takes(
                Required::True,
                object(&["uuid", "owner"], [("uuid", uuid("The object.")), ("owner", uuid("The project."))]),
            )
            .answers("It has another owner.", nothing())
            .or_once(&[404, 409, 412, 503]),
        Action::ChangeMode => change_mode(),
        Action::AaaModeGet => {
            about(SERVER, "aaa_mode_read", "Whether callers are authenticated").answers("The mode.", aaa_mode()).or(&[])
        }
        Action::AaaModePut => about(SERVER, "aaa_mode_update", "Sets whether callers are authenticated")
            .says("Only `no-auth` is possible so far.")
            .takes_like(Required::True, aaa_mode(), json!({"aaa-mode": "no-auth"}))
            .answers("The mode.", aaa_mode())
            .or(&[]),
        Action::ObjectCacheGet => about(SERVER, "obj_cache_read", "Some objects, as a cache would hold them")
            .says("All objects are in memory; the answer has ten of them.")
            .answers("The objects, numbered.", simple(Type::Object).additional_properties(Some(anything(""))))
            .or(&[503]),
        Action::ObjectCachePost => about(SERVER, "obj_cache", "Objects, as a cache would hold them")
            .says("All objects are in memory; the answer has `count` of them, or those with these uuids.")
            .takes(
                Required::False,
                object(&[], [("uuids", nullable_list(simple(Type::String).into()).into()), ("count", count(10))]),
            )
            .answers("The objects, numbered.", simple(Type::Object).additional_properties(Some(anything(""))))
            .or(&[503]),
        Action::ExecuteJob => about(JOBS, "execute_job", "Starts a job")
            .says(
                "Hands it to whoever runs jobs, over the message bus that `--amqp-url` names; 503 without one, and when \
                 nobody is there. The answer says nothing of how the job goes on.",
            )
            .takes(Required::True, job())
            .answers(
                "It is handed on.",
                object(&["job_execution_id"], [("job_execution_id", text("`MILLISECONDS_UUID`; names the run."))]),
            )
            .or(&[404, 500, 503]),
        Action::AbortJob => about(JOBS, "abort_job", "Stops jobs")
            .says("Told to whoever runs jobs, as `execute-job`.")
            .takes(Required::False, abort())
            .answers("It is handed on.", nothing())
            .or(&[404, 500, 503]),
        Action::Publish => about(JOBS, "amqp_publish", "Sends a message to the message bus")
            .says("An exchange that is not there is made, not durable; one that is there is used as it is.")
            .takes(Required::True, object(&["exchange"], bus_message()))
            .response("202", empty_answer("The broker has the message."))
            .or(&[500, 503]),
        Action::RequestOverBus => about(JOBS, "amqp_request", "Asks a question over the message bus")
            .says("Waits for a message to `response_key` of the same exchange. 500 with an empty text means: none in time.")
            .takes(Required::True, object(&["exchange"], bus_message().into_iter().chain(bus_reply())))
            .response(
                "200",
                json_answer("The content of the reply, as JSON if the reply says that it is.", anything("Anything."))
                    .content(PLAIN_TEXT, Content::new(Some(simple(Type::String)))),
            )
            .or(&[500, 503]),
        Action::HostBasedServiceGet => about(JOBS, "hbs_get", "How a host based service is deployed")
            .says(
                "Manifests for Kubernetes: network attachments for its left and right network, and a daemon set. Put the \
                 image in place of `FIREWALL_IMAGE`.",
            )
            .takes(
                Required::True,
                object(&[], [("hbs_fq_name", names_or_null("Its name.")), ("hbs_uuid", nullable_text("Or its uuid."))]),
            )
            .answers("The manifests.", object(&["hbs"], [("hbs", list(anything("A manifest.")).into())]))
            .or(&[404, 503]),
        Action::Watch => watch(),
        Action::Changes => changes(),
        Action::Health => {
            about(SERVER, "healthz", "Whether the process lives").response("200", plain_answer("It does.")).or(&[])
        }
        Action::Ready => about(SERVER, "readyz", "Whether requests can be expected to succeed")
            .asks(&["Verbose"])
            .response(
                "200",
                plain_answer("They can: `ok`, or with `verbose` a line for each thing that was looked at."),
            )
            .or(&[503]),
        Action::SetTag => about(PARTS, "set_tag", "Sets and takes away tags of an object")
            .asks(&CHANGE)
            .says(
                "The other members are types of tags, as `application` or `label`, each with what happens to its tags.",
            )
            .takes(Required::True, set_tag())
            .answers("The tags are set.", nothing())
            .or_once(&[404, 409, 412, 503]),
        Action::Transaction => transaction(),
        Action::SecurityPolicyDraft => {
            about(PARTS, "security_policy_draft", "Puts the drafts of a scope in force, or drops them")
                .says(&format!(
                    "Drafts are made of creates, updates and deletes of {} while the scope is in draft mode.",
                    DRAFTED_TYPES.join(", ")
                ))
                .asks(&["DryRun"])
                .takes(Required::True, draft_review())
                .answers("It is done.", nothing())
                .or_once(&[404, 409, 503])
        }
    }
}

/// What an action on a network is about.
pub fn describe_on_network(action: NetworkAction) -> Operation {
    match action {
        NetworkAction::Allocate => about(ADDRESSES, "virtual_network_ip_alloc", "Reserves addresses")
            .parameter(uuid_in_path())
            .asks(&["DryRun"])
            .takes_like(
                Required::False,
                object(
                    &[],
                    [
                        (
                            "count",
                            nullable(Type::Integer)
                                .minimum(Some(0))
                                .maximum(Some(budget::ADDRESSES.most))
                                .description(Some("How many; one if not given."))
                                .into(),
                        ),
                        ("subnet", nullable_text("The uuid of the subnet; any if not given.")),
                        ("family", version()),
                    ],
                ),
                json!({"count": 1}),
            )
            .answers("They are reserved.", object(&[], [("ip_addr", texts("The addresses."))]))
            .or_once(&[404, 409, 503]),
        NetworkAction::Free => about(ADDRESSES, "virtual_network_ip_free", "Gives reserved addresses back")
            .parameter(uuid_in_path())
            .asks(&["DryRun"])
            .takes(Required::False, object(&[], [("ip_addr", names_or_null("The addresses."))]))
            .response("200", empty_answer("They are free."))
            .or_once(&[404, 409, 503]),
        NetworkAction::Count => {
            about(ADDRESSES, "virtual_network_subnet_ip_count", "Counts the addresses that are taken")
                .parameter(uuid_in_path())
                .takes(Required::False, object(&[], [("subnet_list", names_or_null("Uuids of subnets."))]))
                .answers(
                    "A number for each of the subnets.",
                    object(&["ip_count_list"], [("ip_count_list", list(simple(Type::Integer).into()).into())]),
                )
                .or(&[404, 503])
        }
    }
}

fn type_name() -> AnySchema {
    text("The type, as `virtual-network`.")
}

fn names_or_null(meaning: &str) -> AnySchema {
    nullable_list(simple(Type::String).into()).description(Some(meaning)).into()
}

fn count(default: u32) -> AnySchema {
    nullable(Type::Integer).minimum(Some(0)).description(Some(format!("How many; {default} if not given."))).into()
}

fn version() -> AnySchema {
    let meaning = "Which addresses; any if not given.";
    simple(Type::String).enum_values(Some(["v4", "v6"])).description(Some(meaning)).into()
}

fn plain_answer(meaning: &str) -> utoipa::openapi::Response {
    ResponseBuilder::new().description(meaning).content(PLAIN_TEXT, Content::new(Some(simple(Type::String)))).build()
}

fn aaa_mode() -> ObjectBuilder {
    object(&["aaa-mode"], [("aaa-mode", simple(Type::String).enum_values(Some(["no-auth"])).into())])
}

fn collection_get() -> Operation {
    let element =
        list(anything("")).min_items(Some(2)).max_items(Some(2)).description(Some("An element and its position."));
    let elements = list(element.into());
    about(PARTS, "prop_collection_get", "Reads the elements of list and map properties")
        .parameter(required("uuid", "The object."))
        .parameter(required("fields", "List and map properties, joined by commas."))
        .asks(&["Position"])
        .answers(
            "The elements, by property.",
            simple(Type::Object).additional_properties(Some(AnySchema::from(elements))),
        )
        .or(&[400, 404, 503])
}

fn collection_update() -> Operation {
    let position = any_of(
        [simple(Type::String).into(), simple(Type::Number).into(), simple(Type::Null).into()],
        "Where it stands, or shall stand; in a map its key. A list finds a place at its end itself.",
    );
    let update = object(
        &["field", "operation"],
        [
            ("field", text("The property.")),
            ("operation", text("A map: `set` or `delete`; a list: `add`, `modify` or `delete`.")),
            ("value", anything("The element.")),
            ("position", position),
        ],
    );
    let updates = nullable_list(update.into()).description(Some("In this order, all or none."));
    about(PARTS, "prop_collection_update", "Changes single elements of list and map properties")
        .asks(&CHANGE)
        .asks(&["Strict"])
        .takes(Required::True, object(&["uuid"], [("uuid", uuid("The object.")), ("updates", updates.into())]))
        .response("200", empty_answer("They are changed."))
        .response("202", pending())
        .or_once(&[403, 404, 409, 412, 503])
}

fn reference_update() -> Operation {
    let members = [
        ("type", type_name()),
        ("uuid", uuid("The object that refers.")),
        ("ref-type", text("The type of the object that is referred to.")),
        ("operation", text("`ADD` or `DELETE`.")),
        ("ref-uuid", nullable_text("The object that is referred to.")),
        ("ref-fq-name", names_or_null("Or its name.")),
        ("attr", anything("The data of the reference, if it has any.")),
        ("relax_ref_for_delete", anything("True: the reference does not keep the target from being deleted.")),
    ];
    about(PARTS, "ref_update", "Adds or takes away one reference")
        .asks(&CHANGE)
        .asks(&["Strict"])
        .takes(Required::True, object(&["type", "uuid", "ref-type", "operation"], members))
        .answers("It is done.", object(&["uuid"], [("uuid", uuid("The object that refers."))]))
        .response("202", pending())
        .or_once(&[403, 404, 409, 412, 503])
}

fn transaction() -> Operation {
    let tags = || nullable_text("As the header `If-Match`: only if the object is in a state with one of these ETags.");
    let local = "A name for its uuid: `$name` stands for it in operations after this one, wherever a uuid may stand.";
    let body = || anything("As in a request of its own, without the name of the type around it.");
    let create = object(&["create", "body"], [("create", type_name()), ("as", text(local)), ("body", body())]);
    let update = object(
        &["update", "uuid", "body"],
        [("update", type_name()), ("uuid", text("The object.")), ("body", body()), ("if_match", tags())],
    );
    let delete =
        object(&["delete", "uuid"], [("delete", type_name()), ("uuid", text("The object.")), ("if_match", tags())]);
    let action = |name: &'static str| {
        let body = anything("The body of such a request.");
        object(&[name], [(name, body), ("if_match", tags())])
    };
    let condition = object(
        &["condition"],
        [
            ("condition", type_name()),
            ("uuid", text("The object.")),
            ("fq_name", texts("Or its name.")),
            ("exists", simple(Type::Boolean).description(Some("Whether it is to exist; true if not given.")).into()),
            ("if_match", tags()),
        ],
    );
    let operations = [create, update, delete, action("ref-update"), action("prop-collection-update"), condition];
    let operations = list(any_of(operations.map(AnySchema::from), "One operation."))
        .max_items(Some(budget::OPERATIONS.most))
        .description(Some("In this order. Each sees what those before it did."));
    let example = json!({"operations": [
        {"condition": "project", "fq_name": ["default-domain", "default-project"], "exists": true},
        {
            "create": "virtual-network",
            "as": "front",
            "body": {
                "fq_name": ["default-domain", "default-project", "example-transaction"],
                "parent_type": "project",
                "display_name": "Example"
            }
        },
        {
            "create": "virtual-machine-interface",
            "body": {
                "fq_name": ["default-domain", "default-project", "example-transaction"],
                "parent_type": "project",
                "virtual_network_refs": [{"uuid": "$front"}]
            }
        }
    ]});
    let result = object(
        &["status", "body"],
        [
            ("status", simple(Type::Integer).description(Some("200, or 202 for a draft.")).into()),
            ("body", anything("What the request of its own would have answered; null for nothing.")),
        ],
    );
    let refusal = || {
        object(
            &["operation", "error"],
            [
                ("operation", simple(Type::Integer).minimum(Some(0)).description(Some("Which one, from 0.")).into()),
                ("as", text("Its local name, if it has one.")),
                ("error", text("What the request of its own would have been refused with.")),
            ],
        )
    };
    let refused_as = |status: &str| {
        let (name, response) =
            (status.to_owned(), json_answer("One of the operations is refused, so nothing is done.", refusal()));
        (name, response.content(super::vocabulary::BARE_TEXT, Content::new(Some(simple(Type::String)))))
    };
    let operation = about(PARTS, "transaction", "Does several things as one, all or nothing")
        .says(
            "The operations are decided one after the other, and nobody comes in between: if one is refused, nothing has \
             happened, and the answer says which one it was. In the change log they are one request.",
        )
        .asks(&["Strict", "DryRun"])
        .takes_like(Required::True, object(&["operations"], [("operations", operations.into())]), example)
        .answers("All are done.", object(&["results"], [("results", list(result.into()).into())]));
    ["400", "403", "404", "409", "412"]
        .into_iter()
        .map(refused_as)
        .fold(operation, |operation, (status, response)| operation.response(status, response))
        .or_once(&[408, 413, 503])
}

fn relax_reference() -> Operation {
    let members = [("uuid", uuid("The object that refers.")), ("ref-uuid", uuid("The object that is referred to."))];
    about(PARTS, "ref_relax_for_delete", "Lets a target be deleted although it is referred to")
        .asks(&["DryRun"])
        .takes(Required::True, object(&["uuid", "ref-uuid"], members))
        .answers("It is done.", object(&["uuid"], [("uuid", uuid("The object that refers."))]))
        .or_once(&[404, 409, 503])
}

fn key_value() -> Operation {
    let key = any_of(
        [simple(Type::String).into(), list(simple(Type::String).into()).into(), simple(Type::Null).into()],
        "The key. `RETRIEVE` takes a list of them, too; null or an empty one for all.",
    );
    let members = [
        ("operation", text("`STORE`, `RETRIEVE` or `DELETE`.")),
        ("key", key),
        ("value", nullable_text("What to store.")),
    ];
    let pair = object(&["key", "value"], [("key", text("")), ("value", text(""))]);
    let value = any_of(
        [simple(Type::String).into(), list(any_of([simple(Type::String).into(), pair.into()], "")).into()],
        "The value of one key, the values of several, or all pairs.",
    );
    about(SERVER, "useragent_kv", "Stores texts for clients")
        .takes_like(
            Required::True,
            object(&["operation", "key"], members),
            json!({"operation": "STORE", "key": "example", "value": "text"}),
        )
        .response(
            "200",
            json_answer(
                "What was asked for; after `STORE` and `DELETE` nothing.",
                object(&["value"], [("value", value)]),
            )
            .content(super::vocabulary::BARE_TEXT, super::vocabulary::empty_content()),
        )
        .or(&[404, 503])
}

fn list_bulk() -> Operation {
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
        .says("The arguments are those of the lists of each type; there may be 50,000 uuids or names, 1,000 fields and 10,000 filters, each counted once.")
        .takes_like(
            Required::True,
            object(&["type"], members),
            json!({"type": "virtual-network", "fields": ["display_name"]}),
        )
        .answers("As from the list of the type.", simple(Type::Object).additional_properties(Some(anything(""))))
        .or(&[404, 503])
}

fn change_mode() -> Operation {
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
        .asks(&CHANGE)
        .takes(Required::True, object(&["uuid"], members))
        .answers("It is done.", nothing())
        .or_once(&[404, 409, 412, 503])
}

fn job() -> ObjectBuilder {
    object(
        &[],
        [
            ("job_template_id", nullable_text("The uuid of a job-template.")),
            ("job_template_fq_name", names_or_null("Or its name.")),
            ("params", anything("`device_list`: uuids of devices.")),
            ("input", anything("What the template takes.")),
        ],
    )
}

fn abort() -> ObjectBuilder {
    object(&[], [("input", anything("`job_execution_ids`, and `abort_mode`, as `force`."))])
}

fn bus_message() -> [(&'static str, AnySchema); 5] {
    [
        (
            "exchange",
            simple(Type::String)
                .min_length(Some(1))
                .description(Some("Through where; 255 bytes at most. Not `vnc_config.object-update`."))
                .into(),
        ),
        (
            "exchange_type",
            nullable_text(
                "What it is made as, if it is not there: `direct` (if not given), `fanout`, `topic` or `headers`.",
            ),
        ),
        ("routing_key", nullable_text("To whom; 255 bytes at most.")),
        (
            "headers",
            nullable(Type::Object)
                .additional_properties(Some(anything("")))
                .description(Some("Beside the content; 64 KiB at most."))
                .into(),
        ),
        ("payload", anything("The content: a text is sent as it is, anything else as JSON.")),
    ]
}

fn bus_reply() -> [(&'static str, AnySchema); 2] {
    let patience = nullable(Type::Number)
        .exclusive_minimum(Some(0.0))
        .maximum(Some(MOST_PATIENCE))
        .description(Some(format!("For how many seconds a reply is waited for; {USUAL_PATIENCE} if not given.")));
    [("response_key", nullable_text("The routing key of the reply.")), ("amqp_timeout", patience.into())]
}

fn set_tag() -> ObjectBuilder {
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
    object(&["obj_type", "obj_uuid"], [("obj_type", type_name()), ("obj_uuid", uuid("The object."))])
        .additional_properties(Some(change))
}

fn draft_review() -> ObjectBuilder {
    object(
        &["scope_uuid", "action"],
        [
            ("scope_uuid", uuid("A project, or the global policy-management.")),
            ("action", simple(Type::String).enum_values(Some(["commit", "discard"])).into()),
        ],
    )
}

fn watch() -> Operation {
    let events = "Events in the order of the changes: `init`, `create`, `update` and `delete`, each with an object below the name \
                  of its type; with one of the arguments beside `resource_type` also `bookmark` and `gone`.";
    about(FEEDS, "watch", "Changes as server-sent events")
        .says("Does not end by itself. The position of an event is its id; `since` or `Last-Event-ID` goes on from there.")
        .parameter(required("resource_type", "The types of objects, joined by commas, as `virtual_network`; `*` for all. `<type>_fields` names the fields that are shown."))
        .asks(&["Since", "LastEventId", "Init", "Bookmarks"])
        .response("200", ResponseBuilder::new().description(events).content("text/event-stream", Content::new(Some(simple(Type::String)))))
        .or(&[400, 404, 410, 503])
}

fn changes() -> Operation {
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
            ("request_id", nullable_text("Which request it was.")),
            ("who", anything("Who sent it.")),
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
        .asks(&["ChangesSince", "Limit", "Wait", "ChangedTypes"])
        .answers("What happened.", answer)
        .or(&[400, 404, 410, 503])
}
