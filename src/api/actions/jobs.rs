//! Jobs, and messages of clients on the message bus (contrail-api R21, wire contract 7.13).

use super::{Access, Action, Body, Effect, given, text_member};
use crate::{
    api::{
        App,
        answer::Answer,
        call::{Call, text_of},
        error::{Answered, ApiError},
        openapi::{
            operation::{Described, JOBS, PLAIN_TEXT, about, names_or_null, nothing},
            vocabulary::{
                AnySchema, anything, empty_answer, json_answer, nullable, nullable_text, object, simple, text,
            },
        },
    },
    bus::{Bus, BusError, Exchange, JSON, Message, Reach, TEXT, exchange_kind, headers, short},
    feed::CHANGES_EXCHANGE,
    graph::{Graph, Object},
    json_text,
    rules::{canonical_uuid, string_list},
    timestamp::Timestamp,
};
use actix_web::http::{Method, StatusCode};
use lapin::types::{FieldTable, ShortString};
use serde_json::{Value, json};
use std::{future::pending, sync::Arc, time::Duration};
use utoipa::openapi::{Content, Required, Type, path::OperationBuilder};
use uuid::Uuid;

/// Jobs are messages, too.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("execute-job"),
        path: "/execute-job",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Acts,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.execute_job(call)),
        arguments: &[],
        description: describe_execute_job,
    },
    Action {
        link: Some("abort-job"),
        path: "/abort-job",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Acts,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.abort_job(call)),
        arguments: &[],
        description: describe_abort_job,
    },
    Action {
        link: Some("amqp-publish"),
        path: "/amqp-publish",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Acts,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.publish(call)),
        arguments: &[],
        description: describe_publish,
    },
    Action {
        link: Some("amqp-request"),
        path: "/amqp-request",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Acts,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.request_over_bus(call)),
        arguments: &[],
        description: describe_request,
    },
];

/// Through where jobs reach those who run them.
const JOBS_EXCHANGE: &str = "job_request_exchange";
/// What a start of a job is sent to.
const START_KEY: &str = "job.request";
/// What an end of jobs is sent to.
const ABORT_KEY: &str = "job.abort";
/// For how many seconds at most.
const MOST_PATIENCE: f64 = 3600.0;

impl App {
    /// `POST /execute-job`
    ///
    /// # Errors
    /// 404 for an unknown template, or without config nodes; 503 without a message bus, or when nobody takes the job.
    async fn execute_job(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let snapshot = self.snapshot(call).await?;
        let template = self.job_template(&snapshot.graph, body)?;
        check_devices(body)?;
        let execution = format!("{}_{}", Timestamp::now().0 / 1000, Uuid::new_v4());
        let mut message = self.job_message(&snapshot.graph, call, body)?;
        message.insert("job_template_id".to_owned(), template.uuid.to_string().into());
        message.insert("job_template_fq_name".to_owned(), json!(template.fq_name.elements()));
        message.insert("job_execution_id".to_owned(), execution.clone().into());
        self.send_job("Failed to send job request via RabbitMQ", START_KEY, &message).await?;
        Ok(Answer::json(&json!({"job_execution_id": execution})))
    }

    /// `POST /abort-job`
    ///
    /// # Errors
    /// 404 without config nodes; 503 without a message bus, or when nobody runs jobs.
    async fn abort_job(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let snapshot = self.snapshot(call).await?;
        let message = self.job_message(&snapshot.graph, call, body)?;
        self.send_job("Failed to send job abort request via RabbitMQ", ABORT_KEY, &message).await?;
        Ok(Answer::json(&json!({})))
    }

    fn job_template(&self, graph: &Graph, body: &Body) -> Answered<Arc<Object>> {
        let kind = self.model.find("job-template");
        if let Some(id) = given(body, "job_template_id") {
            let printed = text_of(Some(id));
            let uuid = id.as_str().and_then(canonical_uuid).ok_or_else(|| {
                ApiError::bad_request(format!("Invalid job-template uuid type {printed}. uuid type required"))
            })?;
            let found = kind.and_then(|kind| graph.get_of_type(kind, uuid)).cloned();
            found.ok_or_else(|| ApiError::not_found(format!("Unknown id: {printed}")))
        } else if let Some(name) = given(body, "job_template_fq_name") {
            let name = string_list(name)
                .ok_or_else(|| ApiError::bad_request("job_template_fq_name must be a list of strings"))?;
            let found = kind.and_then(|kind| graph.find(kind, &name)).cloned();
            found.ok_or_else(|| ApiError::not_found(format!("Unknown id: job_template {}", name.join(":"))))
        } else {
            Err(ApiError::bad_request("Either job_template_id or job_template_fq_name required in request"))
        }
    }

    /// What those who run jobs get: the request, and where to ask back. Never the token of who asked: on the bus everybody
    /// can read it (access contract W21). The member is there, as they expect it.
    fn job_message(&self, graph: &Graph, call: &Call, body: &Body) -> Answered<Body> {
        let servers = self.config_nodes(graph);
        if servers.is_empty() {
            return Err(ApiError::not_found("Config-Node list empty"));
        }
        let mut message = body.clone();
        message.insert("auth_token".to_owned(), Value::Null);
        message.insert("contrail_cluster_id".to_owned(), json!(call.cluster_id));
        message.insert("api_server_host".to_owned(), servers.into());
        Ok(message)
    }

    /// The addresses of the config nodes that have one.
    fn config_nodes(&self, graph: &Graph) -> Vec<Value> {
        let Some(kind) = self.model.find("config-node") else { return Vec::new() };
        let address = self.model.object_type(kind).property("config_node_ip_address").map(|(id, _)| id);
        let nodes = graph.objects_of(kind);
        nodes.filter_map(|node| node.property(address?)).filter(|address| !text_of(Some(address)).is_empty()).collect()
    }

    async fn send_job(&self, failure: &str, key: &str, message: &Body) -> Answered<()> {
        let message = Message {
            exchange: exchange(JOBS_EXCHANGE, "direct", JOBS_EXCHANGE)?,
            routing_key: ShortString::from(key),
            headers: FieldTable::default(),
            content_type: JSON,
            content: json_bytes(&json!(message)),
        };
        // A job that nobody takes is none.
        let sent = match self.bus() {
            Ok(bus) => bus.publish(&message, Reach::Somebody).await.map_err(ApiError::from),
            Err(error) => Err(error),
        };
        sent.map_err(|error| ApiError { text: format!("{failure}: {}", error.text), ..error })
    }

    /// `POST /amqp-publish`
    ///
    /// # Errors
    /// 400 for what no broker takes; 503 without one.
    async fn publish(&self, call: &Call) -> Answered<Answer> {
        let message = message(&call.object()?)?;
        self.bus()?.publish(&message, Reach::Anybody).await?;
        Ok(Answer::Pending(None))
    }

    /// `POST /amqp-request`
    ///
    /// # Errors
    /// 400 for what no broker takes; 503 without one; 500, empty, without a reply in time.
    async fn request_over_bus(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let message = message(body)?;
        let reply_key = routing_key(body, "response_key")?;
        let patience = patience(body)?;
        let bus = self.bus()?;
        let patience = patience.unwrap_or_else(|| bus.patience());
        let left = async {
            match call.peer {
                Some(peer) => peer.left().await,
                None => pending().await,
            }
        };
        let reply = tokio::select! {
            reply = bus.request(&message, &reply_key, patience) => reply?,
            // Nobody reads this.
            () = left => return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "The client has left")),
        };
        let reply = reply.ok_or_else(|| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, ""))?;
        if reply.is_json && serde_json::from_slice::<serde::de::IgnoredAny>(&reply.content).is_ok() {
            return Ok(Answer::Json { body: reply.content.into(), etag: None, stale: false });
        }
        Ok(Answer::Text(String::from_utf8_lossy(&reply.content).into_owned()))
    }

    fn bus(&self) -> Answered<&Bus> {
        let missing = "No message bus is configured; the server needs --amqp-url for it";
        self.bus.as_deref().ok_or_else(|| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, missing))
    }
}

impl From<BusError> for ApiError {
    fn from(error: BusError) -> Self {
        let status = match error {
            BusError::Forbidden(_) => StatusCode::BAD_REQUEST,
            // Clients repeat what is answered with 502 or 503, and somebody may have the message already.
            BusError::Unsure(_) | BusError::LargeReply(_) | BusError::Stopping => StatusCode::INTERNAL_SERVER_ERROR,
            BusError::Away(_) | BusError::Silent | BusError::Refused | BusError::Unreceived(..) | BusError::Busy => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, error.to_string())
    }
}

fn check_devices(body: &Body) -> Answered<()> {
    let Some(devices) = body.get("params").and_then(|params| params.get("device_list")) else { return Ok(()) };
    let devices = devices
        .as_array()
        .ok_or_else(|| ApiError::bad_request("malformed request param: device_list, expects list"))?;
    match devices.iter().find(|device| device.as_str().and_then(canonical_uuid).is_none()) {
        None => Ok(()),
        Some(bad) => {
            let text = format!("Invalid device uuid type {}. uuid type required", text_of(Some(bad)));
            Err(ApiError::bad_request(text))
        }
    }
}

fn json_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    json_text::write(&mut bytes, value);
    bytes
}

fn exchange(name: &str, kind: &str, printed: &str) -> Answered<Exchange> {
    let name = short(name)
        .ok_or_else(|| ApiError::bad_request(format!("Bad Request, exchange has more than 255 bytes: {printed}")))?;
    let kind = exchange_kind(kind).ok_or_else(|| {
        let text = format!("Bad Request, exchange_type must be direct, fanout, topic or headers, not {kind}");
        ApiError::bad_request(text)
    })?;
    Ok(Exchange { name, kind })
}

fn routing_key(body: &Body, name: &str) -> Answered<ShortString> {
    let key = text_member(body, name)?.unwrap_or_default();
    short(&key).ok_or_else(|| ApiError::bad_request(format!("Bad Request, {name} has more than 255 bytes")))
}

/// The message that a body describes.
fn message(body: &Body) -> Answered<Message> {
    let name = text_member(body, "exchange")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ApiError::bad_request("Bad Request, exchange is missing"))?;
    if name == CHANGES_EXCHANGE {
        // Daemons believe what comes from there.
        let text = format!("Bad Request, exchange {CHANGES_EXCHANGE} is for changes of the configuration alone");
        return Err(ApiError::bad_request(text));
    }
    let kind = text_member(body, "exchange_type")?.unwrap_or_else(|| "direct".to_owned());
    let headers = match given(body, "headers") {
        None => FieldTable::default(),
        Some(Value::Object(fields)) => {
            headers(fields).map_err(|error| ApiError::bad_request(format!("Bad Request, {error}")))?
        }
        Some(_) => return Err(ApiError::bad_request("Bad Request, headers must be an object")),
    };
    // As the library of contrail's daemons does: a text is sent as it is, anything else as JSON.
    let (content_type, content) = match body.get("payload") {
        Some(Value::String(text)) => (TEXT, text.clone().into_bytes()),
        payload => (JSON, json_bytes(payload.unwrap_or(&Value::Null))),
    };
    let exchange = exchange(&name, &kind, &name)?;
    Ok(Message { exchange, routing_key: routing_key(body, "routing_key")?, headers, content_type, content })
}

fn patience(body: &Body) -> Answered<Option<Duration>> {
    let Some(seconds) = given(body, "amqp_timeout") else { return Ok(None) };
    let seconds = seconds.as_f64().filter(|seconds| *seconds > 0.0 && *seconds <= MOST_PATIENCE);
    seconds.map(|seconds| Some(Duration::from_secs_f64(seconds))).ok_or_else(|| {
        let text =
            format!("Bad Request, amqp_timeout must be a number of seconds, more than 0 and at most {MOST_PATIENCE}");
        ApiError::bad_request(text)
    })
}

fn describe_execute_job() -> OperationBuilder {
    let members = [
        ("job_template_id", nullable_text("The uuid of a job-template.")),
        ("job_template_fq_name", names_or_null("Or its name.")),
        ("params", anything("`device_list`: uuids of devices.")),
        ("input", anything("What the template takes.")),
    ];
    about(JOBS, "execute_job", "Starts a job")
        .says(
            "Hands it to whoever runs jobs, over the message bus that `--amqp-url` names; 503 without one, and when \
             nobody is there. The answer says nothing of how the job goes on.",
        )
        .takes(Required::True, object(&[], members))
        .answers(
            "It is handed on.",
            object(&["job_execution_id"], [("job_execution_id", text("`MILLISECONDS_UUID`; names the run."))]),
        )
        .or(&[404, 500, 503])
}

fn describe_abort_job() -> OperationBuilder {
    let input = anything("`job_execution_ids`, and `abort_mode`, as `force`.");
    about(JOBS, "abort_job", "Stops jobs")
        .says("Told to whoever runs jobs, as `execute-job`.")
        .takes(Required::False, object(&[], [("input", input)]))
        .answers("It is handed on.", nothing())
        .or(&[404, 500, 503])
}

fn describe_publish() -> OperationBuilder {
    about(JOBS, "amqp_publish", "Sends a message to the message bus")
        .says("An exchange that is not there is made, not durable; one that is there is used as it is.")
        .takes(Required::True, object(&["exchange"], bus_message()))
        .response("202", empty_answer("The broker has the message."))
        .or(&[500, 503])
}

fn describe_request() -> OperationBuilder {
    about(JOBS, "amqp_request", "Asks a question over the message bus")
        .says("Waits for a message to `response_key` of the same exchange. 500 with an empty text means: none in time.")
        .takes(Required::True, object(&["exchange"], bus_message().into_iter().chain(bus_reply())))
        .response(
            "200",
            json_answer("The content of the reply, as JSON if the reply says that it is.", anything("Anything."))
                .content(PLAIN_TEXT, Content::new(Some(simple(Type::String)))),
        )
        .or(&[500, 503])
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
    let patience = nullable(Type::Number).exclusive_minimum(Some(0.0)).maximum(Some(MOST_PATIENCE)).description(Some(
        "For how many seconds a reply is waited for; what `--amqp-timeout` says (660) if not given.",
    ));
    [("response_key", nullable_text("The routing key of the reply.")), ("amqp_timeout", patience.into())]
}
