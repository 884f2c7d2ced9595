//! policy: a network-policy (NEU-POL-G1).

use super::{
    exception::Exception,
    refused::Answered,
    resource::{Answers, List, Resource, Verb, usual},
    turn::Turn,
    view::View,
    whole::{FIELDS, Whole},
};
use crate::model::{field_name, type_name};
use serde_json::{Map, Value};

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/policy",
    meaning: "network policies",
    needs_fwaas: false,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"name": ["allow-all"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

/// NEU-POL-G1
const WHOLE: Whole = Whole {
    type_name: type_name::NETWORK_POLICY,
    content: ("entries", field_name::NETWORK_POLICY_ENTRIES),
    shows_uuid: false,
    missing: |id| Exception::NotFound { msg: format!("There is no policy {id}").into() },
};

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    WHOLE.list(view, |view, object| WHOLE.answer_with_networks(view, object))
}

fn read(view: &View<'_>) -> Answered<Value> {
    WHOLE.answer_with_networks(view, WHOLE.find(view)?)
}

fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let content = WHOLE.given(turn)?;
    let object = WHOLE.create(turn, content, Map::new())?;
    WHOLE.answer_with_networks(&turn.view(), &object)
}

fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let content = WHOLE.given(turn)?;
    let object = WHOLE.update(turn, content)?;
    WHOLE.answer_with_networks(&turn.view(), &object)
}

fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    WHOLE.delete(turn)
}
