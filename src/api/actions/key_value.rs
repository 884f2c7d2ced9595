//! Texts that clients keep here, by key.

use super::{Access, Action, Effect, text_member};
use crate::{
    access::Identity,
    api::{
        App,
        answer::{Answer, PIECE, in_pieces},
        budget::Named,
        call::Call,
        error::{Answered, ApiError},
        openapi::{
            operation::{Described, SERVER, about},
            vocabulary::{BARE_TEXT, any_of, empty_content, json_answer, list, nullable_text, object, simple, text},
        },
    },
    json_text, neutron,
    rules::string_list,
    store::{KeyValueStore, KeyWriter, StoreError},
};
use actix_web::http::{Method, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, vec};
use utoipa::openapi::{Required, Type, path::OperationBuilder};

/// The store of texts.
pub static ACTIONS: &[Action] = &[Action {
    link: Some("useragent-keyvalue"),
    path: "/useragent-kv",
    method: Method::POST,
    access: Access::Writer,
    effect: Effect::Acts,
    takes_a_place: true,
    handler: |app, call, _| Box::pin(app.key_value(call)),
    arguments: &[],
    description: describe_key_value,
}];

impl App {
    async fn key_value(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let operation = text_member(body, "operation")?;
        let operation =
            operation.ok_or_else(|| ApiError::bad_request("Error: Key/value store API needs 'operation' parameter"))?;
        let key = body.get("key");
        let key = key.ok_or_else(|| ApiError::bad_request("Error: Key/value store API needs 'key' parameter"))?;
        let one =
            || key.as_str().ok_or_else(|| ApiError::bad_request("Error: Key/value store API needs 'key' to be a text"));
        match operation.as_str() {
            "STORE" => {
                let value = text_member(body, "value")?.unwrap_or_default();
                let key = one()?;
                written(key, self.key_values.store(key, &value, writer(&call.identity)).await?)
            }
            "DELETE" => {
                let key = one()?;
                written(key, self.key_values.delete(key, writer(&call.identity)).await?)
            }
            "RETRIEVE" => self.retrieve(call, key).await,
            _ => Err(ApiError::not_found(format!("Invalid Operation {operation}"))),
        }
    }

    async fn retrieve(&self, call: &Call, key: &Value) -> Answered<Answer> {
        let everything = match key {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if everything {
            if !call.identity.reads_everything() {
                let text = "Permission Denied: to list all keys is for cloud admins; ask for keys by name";
                return Err(ApiError::new(StatusCode::FORBIDDEN, text));
            }
            return self.all_key_values(call).await;
        }
        if let Some(keys) = string_list(key) {
            let keys = Named::Keys.once(keys)?;
            let graph = self.snapshot(call).await?.graph;
            let subnets = keys.iter().filter_map(|key| Some((key, neutron::key_value(&graph, &call.identity, key)?)));
            let subnets: HashMap<&String, String> = subnets.collect();
            let stored =
                self.key_values.retrieve(&keys).await?.into_iter().filter(|(key, _)| !subnets.contains_key(key));
            let mut values: Vec<String> = stored.map(|(_, value)| value).collect();
            values.extend(keys.iter().filter_map(|key| subnets.get(key).cloned()));
            return Ok(Answer::json(&json!({"value": values})));
        }
        let Some(text) = key.as_str() else {
            return Err(ApiError::bad_request(
                "Error: Key/value store API needs 'key' to be a text or a list of texts",
            ));
        };
        // What Neutron keeps here of subnets follows from their networks (NEU-HOOK-3).
        if let Some(value) = neutron::key_value(&self.snapshot(call).await?.graph, &call.identity, text) {
            return Ok(Answer::json(&json!({"value": value})));
        }
        match self.key_values.retrieve(&[text.to_owned()]).await?.pop() {
            Some((_, value)) => Ok(Answer::json(&json!({"value": value}))),
            None => Err(ApiError::not_found(format!("Unknown User-Agent key {text}"))),
        }
    }

    async fn all_key_values(&self, call: &Call) -> Answered<Answer> {
        let keys = Some(self.key_values.keys().await?.into_iter());
        let texts = Texts { store: Arc::clone(&self.key_values), keys, opening: "{\"value\":[" };
        let pieces = stream::try_unfold(texts, |mut texts| async {
            Ok::<_, StoreError>(texts.next_piece().await?.map(|piece| (piece, texts)))
        });
        Ok(in_pieces(pieces, false, call))
    }
}

/// Projects write their own keys, and nobody's (KV-1; access contract 6.4, W15).
fn writer(identity: &Identity) -> KeyWriter {
    KeyWriter { project: identity.caller.project_uuid(), may_write_all: identity.is_admin() }
}

fn written(key: &str, done: bool) -> Answered<Answer> {
    if done {
        return Ok(Answer::Empty);
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, format!("Permission Denied: the key {key} is another project's")))
}

/// Texts by key, as far as they have gone out.
struct Texts {
    store: Arc<KeyValueStore>,
    /// Those whose texts are still to be read, with their sizes in bytes; none at the end.
    keys: Option<vec::IntoIter<(String, usize)>>,
    /// What comes before the next one.
    opening: &'static str,
}

impl Texts {
    async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(mut keys) = self.keys.take() else { return Ok(None) };
        let (mut size, mut wanted) = (0, Vec::new());
        for (key, length) in keys.by_ref() {
            size += key.len() + length;
            wanted.push(key);
            if size >= PIECE {
                break;
            }
        }
        let mut piece = Vec::new();
        // Those that were deleted meanwhile are left out.
        for (key, value) in self.store.retrieve(&wanted).await? {
            piece.extend_from_slice(std::mem::replace(&mut self.opening, ",").as_bytes());
            json_text::write(&mut piece, &json!({"key": key, "value": value}));
        }
        if size >= PIECE {
            self.keys = Some(keys);
        } else {
            let opened = self.opening == ",";
            piece.extend_from_slice(if opened { b"]}" } else { b"{\"value\":[]}" });
        }
        Ok(Some(piece.into()))
    }
}

fn describe_key_value() -> OperationBuilder {
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
        .says(
            "A key is of the project that stored it: others may read it by its name, and neither write nor delete it.",
        )
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
            .content(BARE_TEXT, empty_content()),
        )
        .or(&[403, 404, 503])
}
