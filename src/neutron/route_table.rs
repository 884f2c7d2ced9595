//! `route_table`: a route-table (NEU-RT-G1).

use super::{
    exception::Exception,
    refused::Answered,
    resource::{Answers, List, Resource, Verb, usual},
    turn::Turn,
    view::View,
    whole::{FIELDS, Whole},
};
use crate::{
    model::{field_name, type_name},
    neutron::envelope::uuid_of,
};
use serde_json::{Map, Value};

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/route_table",
    meaning: "route tables",
    needs_fwaas: false,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"name": ["edge"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

const WHOLE: Whole = Whole {
    type_name: type_name::ROUTE_TABLE,
    content: ("routes", field_name::ROUTES),
    shows_uuid: true,
    missing: |net_id| Exception::NetworkNotFound { net_id },
};

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    WHOLE.list(view, |view, object| Ok(WHOLE.answer(view, object).into()))
}

fn read(view: &View<'_>) -> Answered<Value> {
    Ok(WHOLE.answer(view, WHOLE.find(view)?).into())
}

/// The service of a machine that a route names as its next hop.
fn service_of(view: &View<'_>, next_hop: &Value) -> Option<Value> {
    let machine = view.readable(view.type_id(type_name::VIRTUAL_MACHINE).ok()?, uuid_of(next_hop.as_str()?)?)?;
    let services = view.targets(machine, field_name::SERVICE_INSTANCE_REFS);
    services.first().map(|service| service.fq_name.joined().as_ref().into())
}

/// The routes of a request: to a machine of a service as to the service.
fn routes(turn: &Turn<'_>) -> Answered<Option<Value>> {
    let Some(mut routes) = WHOLE.given(turn)? else { return Ok(None) };
    let view = turn.view();
    if let Some(Value::Array(routes)) = routes.get_mut(field_name::ROUTE) {
        for next_hop in routes.iter_mut().filter_map(|route| route.get_mut(field_name::NEXT_HOP)) {
            if let Some(service) = service_of(&view, next_hop) {
                *next_hop = service;
            }
        }
    }
    Ok(Some(routes))
}

fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let routes = routes(turn)?;
    let table = WHOLE.create(turn, routes, Map::new())?;
    Ok(WHOLE.answer(&turn.view(), &table).into())
}

fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let routes = routes(turn)?;
    let table = WHOLE.update(turn, routes)?;
    Ok(WHOLE.answer(&turn.view(), &table).into())
}

fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    WHOLE.delete(turn)
}
