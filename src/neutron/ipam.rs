//! ipam: a network-ipam (NEU-IPM-G1).

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
    path: "/neutron/ipam",
    meaning: "ipams of networks",
    needs_fwaas: false,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"name": ["default-network-ipam"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

/// NEU-IPM-G1
const WHOLE: Whole = Whole {
    type_name: type_name::NETWORK_IPAM,
    content: ("mgmt", field_name::NETWORK_IPAM_MGMT),
    shows_uuid: false,
    missing: |net_id| Exception::NetworkNotFound { net_id },
};

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    WHOLE.list(view, |view, object| Ok(WHOLE.answer(view, object).into()))
}

fn read(view: &View<'_>) -> Answered<Value> {
    Ok(WHOLE.answer(view, WHOLE.find(view)?).into())
}

fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let content = WHOLE.given(turn)?;
    let object = WHOLE.create(turn, content, Map::new())?;
    Ok(WHOLE.answer(&turn.view(), &object).into())
}

fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let content = WHOLE.given(turn)?;
    let object = WHOLE.update(turn, content)?;
    Ok(WHOLE.answer(&turn.view(), &object).into())
}

fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    WHOLE.delete(turn)
}
