//! The refusals, with their status codes and examples of their texts (contrail-api R21, wire contract 9).

use super::vocabulary::{AnySchema, BARE_TEXT, JSON, list, object, simple, text, uuid};
use serde_json::json;
use utoipa::openapi::{
    Content, Ref, RefOr, Response, ResponseBuilder, Type, content::ContentBuilder, example::ExampleBuilder,
};

/// One kind of refusal.
struct Refusal {
    status: u16,
    name: &'static str,
    meaning: &'static str,
    texts: &'static [(&'static str, &'static str)],
}

/// What the schema of problems is called. No answer names it: a second type of each refusal would be a choice in every generated
/// client, which gets the first in any case.
const PROBLEM_SCHEMA: &str = "Problem";

/// All that there are. 401, 410 and 429 have a body of JSON, unless problems are asked for; that of 401 and 429 is no part of the
/// document, where it would be one more type of the answer of everything.
const REFUSALS: [Refusal; 13] = [
    Refusal {
        status: 400,
        name: "BadRequest",
        meaning: "The request can't be read, or a rule forbids it. The text names the field and what was expected.",
        texts: &[
            ("no-name", "Bad Request, no fq_name in POST body"),
            (
                "property",
                "Bad property in create: Error validating property port_security_enabled: true/false expected instead of maybe",
            ),
            ("parent", "Missing parent type: None. Allowed types: ['virtual-machine', 'project', 'virtual-router']"),
            ("rule", "Overlapping addresses: [IPNetwork('10.0.0.0/16'), IPNetwork('10.0.1.0/24')]"),
        ],
    },
    Refusal {
        status: 401,
        name: "Unauthorized",
        meaning: "Callers have to say who they are, and the request has no token, or one that is nobody's. `WWW-Authenticate` says what is asked for; the body is JSON.",
        texts: &[],
    },
    Refusal {
        status: 403,
        name: "Forbidden",
        meaning: "A rule of the type forbids it, or the caller may not do it.",
        texts: &[
            ("dns-record", "Record name does not adhere to DNS name requirements"),
            ("role", "Permission Denied for bob as ['member'] to C execute-job in bob-proj"),
            ("mode", "403 Permission Denied"),
        ],
    },
    Refusal {
        status: 404,
        name: "NotFound",
        meaning: "There is no such object, or it is of another type.",
        texts: &[
            ("uuid", "Unknown id: 2ee1f8f0-9c2e-4f3a-8f0e-5d1d1c3a7b11"),
            ("name", "Name ['default-domain', 'default-project', 'blue'] not found"),
            ("type", "Resource type 'virtual-netwerk' not found"),
        ],
    },
    Refusal {
        status: 408,
        name: "RequestTimeout",
        meaning: "The body did not arrive within 30 seconds.",
        texts: &[("late", "The body did not arrive in time")],
    },
    Refusal {
        status: 409,
        name: "Conflict",
        meaning: "Another object is in the way: it has the name, the uuid or the address, or still needs this one.",
        texts: &[
            (
                "exists",
                "['default-domain', 'default-project', 'blue'] already exists with uuid: 2ee1f8f0-9c2e-4f3a-8f0e-5d1d1c3a7b11",
            ),
            (
                "children",
                "Delete when children still present: ['http://localhost:8082/network-policy/99710132-5f2b-4c50-9b8a-3c1d2f0a4e61']",
            ),
            (
                "references",
                "Delete when resource still referred: ['http://localhost:8082/instance-ip/d58b4879-02f7-4b7b-9f06-7c0b6a1d9e42']",
            ),
        ],
    },
    Refusal {
        status: 410,
        name: "Gone",
        meaning: "The position is not in the change log (any more). `oldest` and `current` are.",
        texts: &[],
    },
    Refusal {
        status: 412,
        name: "QuotaExceeded",
        meaning: "The project has as many objects of the type as its quota allows, or what the request has made a condition does not hold.",
        texts: &[
            ("quota", "quota limit (2) exceeded for resource virtual_network"),
            (
                "state",
                "If-Match: virtual-network 2ee1f8f0-9c2e-4f3a-8f0e-5d1d1c3a7b11 has the ETag \"2026-11-26T09:15:00.123456\" now",
            ),
        ],
    },
    Refusal {
        status: 413,
        name: "RequestTooLarge",
        meaning: "The body has more than 1,024,000 bytes, or what the server is told.",
        texts: &[("size", "Request to large: the limit is 1024000 bytes")],
    },
    Refusal {
        status: 422,
        name: "KeyReused",
        meaning: "The `Idempotency-Key` was used for another request within the last day: with another method, path, query or body.",
        texts: &[(
            "reused",
            "Idempotency-Key: this key was used for another request within the last day, with another method, path, query or body. \
             Choose a new key for a new request, and repeat one as it was",
        )],
    },
    Refusal {
        status: 429,
        name: "TooManyRequests",
        meaning: "Too many tokens from the same address were nobody's. `Retry-After` says when one is looked at again; the body is JSON. A good token is let in.",
        texts: &[],
    },
    Refusal {
        status: 500,
        name: "Unanswered",
        meaning: "Nobody answered in time (then the text is empty), or it is not known whether somebody has the message.",
        texts: &[
            ("late", ""),
            ("unknown", "it is not known whether somebody has the message: the message broker does not answer"),
        ],
    },
    Refusal {
        status: 503,
        name: "Unavailable",
        meaning: "What is needed for the answer can't be reached now, or too many others are served. Nothing has changed, unless the text says that this is not known.",
        texts: &[
            ("database", "The database can't be reached. Not able to perform requested action"),
            ("busy", "1024 requests are served already (--max-requests)"),
            ("bus", "No message bus is configured; the server needs --amqp-url for it"),
        ],
    },
];

/// All of them, by name.
pub fn responses() -> impl Iterator<Item = (&'static str, Response)> {
    REFUSALS.iter().map(|refusal| {
        let response = ResponseBuilder::new().description(refusal.meaning);
        (
            refusal.name,
            match refusal.status {
                410 => response.content(JSON, gone()),
                401 | 429 => response,
                _ => response.content(BARE_TEXT, bare_text(refusal)),
            }
            .build(),
        )
    })
}

fn bare_text(refusal: &Refusal) -> Content {
    let examples = refusal.texts.iter().map(|(name, text)| {
        let example = ExampleBuilder::new().value(Some(json!(text))).build();
        (*name, RefOr::T(example))
    });
    ContentBuilder::new().schema(Some(simple(Type::String))).examples_from_iter(examples).build()
}

/// The schema of what clients get that ask for problems.
pub fn problem() -> (String, AnySchema) {
    let members = [
        ("type", text("`urn:cirrus:rule:ID` for the rule that refuses, or `about:blank`.")),
        ("title", text("What kind of refusal it is.")),
        ("status", simple(Type::Integer).description(Some("The status code.")).into()),
        ("detail", text("The text that clients get that do not ask for problems.")),
        ("rule", text("The id of the rule that refuses, if it is known.")),
        ("field", text("The field of the request that is at fault, if it is known.")),
        ("objects", list(uuid("")).description(Some("The objects that are in the way, if they are known.")).into()),
        ("oldest", text("With 410: the oldest position in the log.")),
        ("current", text("With 410: the newest.")),
    ];
    (PROBLEM_SCHEMA.to_owned(), object(&["type", "title", "status", "detail"], members).into())
}

fn gone() -> Content {
    let members = [
        ("error", text("`compacted`: it was in the log once; `future`: it never was, in this database")),
        ("oldest", text("The oldest position in the log.")),
        ("current", text("The newest.")),
    ];
    let schema = object(&["error", "oldest", "current"], members);
    let example = json!({"error": "compacted", "oldest": "1-1200", "current": "1-5417"});
    ContentBuilder::new().schema(Some(schema)).example(Some(example)).build()
}

/// Where those with these status codes are.
pub fn of(statuses: &[u16]) -> impl Iterator<Item = (String, RefOr<Response>)> {
    let known = REFUSALS.iter().filter(|refusal| statuses.contains(&refusal.status));
    known.map(|refusal| (refusal.status.to_string(), Ref::from_response_name(refusal.name).into()))
}
