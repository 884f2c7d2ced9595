//! What the server asks of itself while it decides a request: through the rules of the types, like any client.

use crate::{
    graph::Object,
    rules::engine::{Create, Decision, Document, Purpose, Rejection, Update, Work, string_list},
};
use serde_json::{Map, Value};
use std::sync::Arc;

fn members(body: Value) -> Decision<Map<String, Value>> {
    match body {
        Value::Object(members) => Ok(members),
        _ => Err(Rejection::internal("a body that is no object")),
    }
}

/// A create, with the defaults of the model where the body says nothing.
///
/// # Errors
/// The refusals of the type's rules.
pub fn create(work: &mut Work, type_name: &str, body: Value) -> Decision<Arc<Object>> {
    let model = Arc::clone(work.graph.model());
    let type_id = work.type_id(type_name)?;
    let body = members(body)?;
    let fq_name = body.get("fq_name").and_then(string_list);
    let fq_name = fq_name.ok_or_else(|| Rejection::internal("a body without a name"))?;
    let kind = model.object_type(type_id);
    let mut document = Document::read(&model, kind, body, Purpose::Create)?;
    for (id, default) in kind.defaults() {
        if document.properties.iter().all(|(given, _)| *given != id) {
            document.properties.push((id, default.clone()));
        }
    }
    Create { type_id, fq_name, document, chosen: None }.decide(work)
}

/// An update.
///
/// # Errors
/// The refusals of the type's rules.
pub fn update(work: &mut Work, object: &Object, body: Value) -> Decision<Arc<Object>> {
    let model = Arc::clone(work.graph.model());
    let document = Document::read_update(&model, model.object_type(object.type_id), members(body)?);
    Update { type_id: object.type_id, uuid: object.uuid.to_string(), document }.decide(work)
}
