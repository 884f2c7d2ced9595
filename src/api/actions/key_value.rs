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
    graph::{Graph, Object},
    json_text,
    neutron::KeyValues,
    replica::Replica,
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
            let of_neutron = of_neutron(&graph, &call.identity);
            let told: HashMap<&String, String> =
                keys.iter().filter_map(|key| Some((key, of_neutron.get(key)?))).collect();
            let stored = self.key_values.retrieve(&keys).await?.into_iter().filter(|(key, _)| !told.contains_key(key));
            let mut values: Vec<String> = stored.map(|(_, value)| value).collect();
            values.extend(keys.iter().filter_map(|key| told.get(key).cloned()));
            return Ok(Answer::json(&json!({"value": values})));
        }
        let Some(text) = key.as_str() else {
            return Err(ApiError::bad_request(
                "Error: Key/value store API needs 'key' to be a text or a list of texts",
            ));
        };
        if let Some(value) = of_neutron(&self.snapshot(call).await?.graph, &call.identity).get(text) {
            return Ok(Answer::json(&json!({"value": value})));
        }
        match self.key_values.retrieve(&[text.to_owned()]).await?.pop() {
            Some((_, value)) => Ok(Answer::json(&json!({"value": value}))),
            None => Err(ApiError::not_found(format!("Unknown User-Agent key {text}"))),
        }
    }

    /// Of callers who may read everything.
    async fn all_key_values(&self, call: &Call) -> Answered<Answer> {
        // Up to the latest change; each piece is then of its own moment.
        self.snapshot(call).await?;
        let (store, replica) = (Arc::clone(&self.key_values), Arc::clone(&self.replica));
        let next = Next::Stored(self.key_values.keys().await?.into_iter());
        let texts = Texts { store, replica, next, before: "{\"value\":[" };
        let pieces = stream::try_unfold(texts, |mut texts| async {
            Ok::<_, StoreError>(texts.next_piece().await?.map(|piece| (piece, texts)))
        });
        Ok(in_pieces(pieces, false, call))
    }
}

/// What follows from the networks that a caller may read.
fn of_neutron<'g>(graph: &'g Graph, identity: &'g Identity) -> KeyValues<'g, impl Fn(&Object) -> bool> {
    KeyValues { graph, may_read: |network: &Object| identity.may_read(network) }
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

/// Which texts go out next.
enum Next {
    /// Those that are stored by these keys; with their sizes in bytes.
    Stored(vec::IntoIter<(String, usize)>),
    /// Those of the subnets of networks after one of this name.
    Subnets(Option<Arc<str>>),
    /// Those of the tags of subnets.
    Tags,
    /// None are left.
    Nothing,
}

/// All texts by key, as far as they have gone out.
struct Texts {
    store: Arc<KeyValueStore>,
    replica: Arc<Replica>,
    next: Next,
    /// What comes before the next one.
    before: &'static str,
}

impl Texts {
    async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        let graph = self.replica.current();
        let of_neutron = KeyValues { graph: &graph, may_read: |_: &Object| true };
        let (pairs, next) = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Stored(keys) => {
                let (mut pairs, next) = self.stored(keys).await?;
                pairs.retain(|(key, _)| of_neutron.get(key).is_none());
                (pairs, next)
            }
            Next::Subnets(after) => of_subnets(&of_neutron, after.as_ref()),
            Next::Tags => (of_neutron.of_tags().collect(), Next::Nothing),
            Next::Nothing => return Ok(None),
        };
        let mut piece = Vec::new();
        for (key, value) in pairs {
            piece.extend_from_slice(std::mem::replace(&mut self.before, ",").as_bytes());
            json_text::write(&mut piece, &json!({"key": key, "value": value}));
        }
        if matches!(next, Next::Nothing) {
            let is_empty = self.before != ",";
            piece.extend_from_slice(if is_empty { b"{\"value\":[]}" } else { b"]}" });
        }
        self.next = next;
        Ok(Some(piece.into()))
    }

    /// Those that were deleted meanwhile are left out.
    async fn stored(
        &self,
        mut keys: vec::IntoIter<(String, usize)>,
    ) -> Result<(Vec<(String, String)>, Next), StoreError> {
        let (mut size, mut wanted) = (0, Vec::new());
        for (key, length) in keys.by_ref() {
            size += key.len() + length;
            wanted.push(key);
            if size >= PIECE {
                break;
            }
        }
        let next = if size < PIECE { Next::Subnets(None) } else { Next::Stored(keys) };
        Ok((self.store.retrieve(&wanted).await?, next))
    }
}

/// Of so many networks that they make a piece.
fn of_subnets(
    of_neutron: &KeyValues<'_, impl Fn(&Object) -> bool>,
    after: Option<&Arc<str>>,
) -> (Vec<(String, String)>, Next) {
    let (mut size, mut last, mut pairs) = (0, None, Vec::new());
    for (network, key, value) in of_neutron.of_subnets(after) {
        let name = network.fq_name.joined();
        if size >= PIECE && last.as_ref() != Some(name) {
            return (pairs, Next::Subnets(last));
        }
        size += key.len() + value.len();
        last = Some(Arc::clone(name));
        pairs.push((key, value));
    }
    (pairs, Next::Tags)
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
