//! `nat_instance`: a service-instance that translates between two networks (NEU-NAT-G1).

use super::{
    exception::Exception,
    network,
    refused::Answered,
    resource::{Answers, Does, List, Resource, Verb},
    turn::Turn,
    view::View,
    whole::{FIELDS, Whole},
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
};
use serde_json::{Map, Value, json};

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/nat_instance",
    meaning: "services that translate addresses",
    needs_fwaas: false,
    operations: &[
        (Verb::Create, Does::Writes(create)),
        (Verb::Read, Does::Reads(read)),
        (Verb::Delete, Does::Writes(delete)),
        (Verb::ReadAll, Does::Lists(&LIST)),
        (Verb::ReadCount, Does::Counts(&LIST)),
    ],
    example: (Verb::ReadAll, r#"{"filters": {"name": ["nat"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

const PROPERTIES: &str = field_name::SERVICE_INSTANCE_PROPERTIES;
/// The template of all of them, which has to be there.
const TEMPLATE: [&str; 2] = ["default-domain", "nat-template"];

const WHOLE: Whole = Whole {
    type_name: type_name::SERVICE_INSTANCE,
    content: (PROPERTIES, PROPERTIES),
    shows_uuid: true,
    missing: |net_id| Exception::NetworkNotFound { net_id },
};

/// A network that the properties name, as uuid and name.
fn network_in(view: &View<'_>, properties: &Value, name: &str) -> Answered<String> {
    let named = properties.get(name).and_then(Value::as_str).unwrap_or_default();
    let network = view.graph.find_joined(view.type_id(type_name::VIRTUAL_NETWORK)?, named);
    let network = network.filter(|network| view.identity.may_read(network));
    Ok(network.map(|network| format!("{} {}", network.uuid, network.fq_name.name())).unwrap_or_default())
}

fn answer(view: &View<'_>, instance: &Object) -> Answered<Value> {
    let mut answer = WHOLE.answer(view, instance);
    let properties = view.property(instance, PROPERTIES).unwrap_or_default();
    for (shown, name) in
        [("external_net", field_name::RIGHT_VIRTUAL_NETWORK), ("internal_net", field_name::LEFT_VIRTUAL_NETWORK)]
    {
        answer.insert(shown.to_owned(), network_in(view, &properties, name)?.into());
    }
    answer.entry(field_name::SERVICE_INSTANCE_BGP_ENABLED).or_insert(true.into());
    Ok(answer.into())
}

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    WHOLE.list(view, answer)
}

fn read(view: &View<'_>) -> Answered<Value> {
    answer(view, WHOLE.find(view)?)
}

/// The name of a network that a request names by its id, joined by `:`.
fn network_name(turn: &Turn<'_>, name: &str) -> Answered<Option<String>> {
    let Some(id) = turn.request.text(name)?.filter(|id| !id.is_empty()) else { return Ok(None) };
    let view = turn.view();
    let network = view.find(type_name::VIRTUAL_NETWORK, id, network::missing)?;
    Ok(Some(network.fq_name.joined().to_string()))
}

fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let external = turn.request.required("external_net", network_name(turn, "external_net")?)?;
    let internal = network_name(turn, "internal_net")?.unwrap_or_default();
    let view = turn.view();
    if view.graph.find(view.type_id(type_name::SERVICE_TEMPLATE)?, &TEMPLATE).is_none() {
        return Err(
            Exception::NotFound { msg: format!("There is no service template {}", TEMPLATE.join(":")).into() }.into()
        );
    }
    let properties = json!({
        (field_name::AUTO_POLICY): true,
        (field_name::RIGHT_VIRTUAL_NETWORK): external,
        (field_name::LEFT_VIRTUAL_NETWORK): internal,
        (field_name::SCALE_OUT): {(field_name::MAX_INSTANCES): 1, (field_name::AUTO_SCALE): false},
    });
    let properties = WHOLE.completed(turn, PROPERTIES, properties)?;
    let template = Map::from_iter([(field_name::SERVICE_TEMPLATE_REFS.to_owned(), json!([{"to": TEMPLATE}]))]);
    let instance = WHOLE.create(turn, Some(properties), template)?;
    answer(&turn.view(), &instance)
}

fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    WHOLE.delete(turn)
}
