//! tags: names that users give to objects (NEU-TAG-*). Each is a tag `neutron_tag=<name>`, to which the object refers. A subnet is no
//! object: its tags are kept with its network, as an annotation.

use super::{
    envelope::uuid_of,
    exception::Exception,
    key_values,
    refused::Answered,
    resource::{Does, Resource, Verb},
    subnet::{self, Subnet},
    turn::Turn,
    view::{TAG_PREFIX, View},
};
use crate::{
    graph::{Graph, Object},
    model::{Model, PropertyId, field_name, type_name},
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/tags",
    meaning: "tags of other resources",
    needs_fwaas: false,
    operations: &[
        (Verb::Create, Does::Writes(replace)),
        (Verb::Read, Does::Reads(read)),
        (Verb::ReadAll, Does::Reads(read_all)),
        (Verb::Delete, Does::Writes(delete)),
        (Verb::DeleteAll, Does::Writes(delete_all)),
    ],
    example: (Verb::ReadAll, r#"{"filters": {"parent_id": "aaaaaaaa-0000-4000-8000-000000000001"}}"#),
};

/// What may have tags, beside subnets (NEU-TAG-G1).
const TAGGED: [&str; 7] = [
    type_name::VIRTUAL_NETWORK,
    type_name::VIRTUAL_MACHINE_INTERFACE,
    type_name::LOGICAL_ROUTER,
    type_name::FLOATING_IP,
    type_name::SECURITY_GROUP,
    type_name::NETWORK_POLICY,
    type_name::VIRTUAL_PORT_GROUP,
];
/// The type of the tags.
const TAG_TYPE: &str = "neutron_tag";
/// So long a name may be.
const MOST_CHARACTERS: usize = 255;
/// The annotation of a network that says which tags its subnets have: JSON, lists of names by uuids.
const OF_SUBNETS: &str = key_values::TAGS_OF_SUBNETS;

/// What has tags.
enum Parent {
    Object(Arc<Object>),
    Subnet(Arc<Object>, Box<Subnet>),
}

impl Parent {
    fn tags(&self, view: &View<'_>) -> Vec<String> {
        match self {
            Self::Object(object) => view.tags(object),
            Self::Subnet(_, subnet) => subnet.tags.clone(),
        }
    }
}

/// NEU-TAG-G1: the object of an id; what is none is taken for a subnet.
fn parent(view: &View<'_>, id: &str) -> Answered<Parent> {
    let object = uuid_of(id).and_then(|uuid| view.graph.get(uuid));
    let type_name = object.map(|object| view.type_of(object).name.as_str()).filter(|name| TAGGED.contains(name));
    if let Some(type_name) = type_name {
        let object = view.find(type_name, id, subnet::missing)?;
        return Ok(Parent::Object(Arc::clone(object)));
    }
    let (network, subnet) = subnet::find(view, id)?;
    Ok(Parent::Subnet(Arc::clone(network), Box::new(subnet)))
}

/// What the filters of a read name.
fn filter<'v>(view: &View<'v>, name: &str) -> Answered<&'v str> {
    let request = view.request;
    let texts = request.filters.texts(name).unwrap_or_default();
    request.required(name, texts.first().copied())
}

/// NEU-TAG-R1
fn read_all(view: &View<'_>) -> Answered<Value> {
    Ok(parent(view, filter(view, "parent_id")?)?.tags(view).into())
}

fn not_there(tag: &str) -> Exception {
    Exception::NotFound { msg: format!("There is no tag {tag}").into() }
}

/// NEU-TAG-R1
fn read(view: &View<'_>) -> Answered<Value> {
    let tag = filter(view, "tag")?;
    let tags = parent(view, filter(view, "parent_id")?)?.tags(view);
    if tags.iter().any(|known| known == tag) { Ok(tag.into()) } else { Err(not_there(tag).into()) }
}

/// A text of the resource, which may be nested (NEU-TAG-C1).
fn member<'r>(turn: &Turn<'r>, name: &str) -> Answered<&'r Value> {
    let request = turn.request;
    let body = request.object("resource")?.unwrap_or(&request.body);
    request.required(name, body.get(name))
}

fn text<'r>(turn: &Turn<'r>, name: &str) -> Answered<&'r str> {
    let value = member(turn, name)?;
    value.as_str().ok_or_else(|| turn.request.bad_request(format!("{name} must be a text, not {value}")))
}

/// Names that are to become tags.
fn names(turn: &Turn<'_>, given: &[Value]) -> Answered<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for given in given {
        let is_name = |name: &&str| !name.is_empty() && name.chars().count() <= MOST_CHARACTERS && !name.contains(':');
        let name = given.as_str().filter(is_name).ok_or_else(|| {
            let expected = format!("texts of 1 to {MOST_CHARACTERS} characters, without ':'");
            turn.request.bad_request(format!("tags must be {expected}, not {given}"))
        })?;
        names.insert(name.to_owned());
    }
    Ok(names)
}

/// The tags of these names, which are made where they are missing: they are everybody's.
fn ensure(turn: &mut Turn<'_>, names: &BTreeSet<String>) -> Answered<Vec<Arc<Object>>> {
    let mut tags = Vec::with_capacity(names.len());
    for name in names {
        let full_name = format!("{TAG_PREFIX}{name}");
        let view = turn.view();
        let known = view.graph.find_joined(view.type_id(type_name::TAG)?, &full_name).cloned();
        if let Some(tag) = known {
            tags.push(tag);
            continue;
        }
        let body = json!({
            "fq_name": [full_name],
            (field_name::TAG_TYPE_NAME): TAG_TYPE,
            (field_name::TAG_VALUE): name,
            (field_name::PERMS2): {"owner": "cloud-admin", "owner_access": 7, "global_access": 5, "share": []},
        });
        tags.push(turn.create_for_all(type_name::TAG, body)?);
    }
    Ok(tags)
}

/// Gives an object these tags, beside those of other types, and in the place of its own of this one.
fn set(turn: &mut Turn<'_>, parent: &Parent, names: &BTreeSet<String>) -> Answered<Arc<Object>> {
    let tags = ensure(turn, names)?;
    match parent {
        Parent::Subnet(network, subnet) => set_of_subnet(turn, network, subnet.uuid(), names),
        Parent::Object(object) => {
            let view = turn.view();
            let present =
                view.links(object, field_name::TAG_REFS).iter().filter_map(|link| view.graph.get(link.target));
            let others = present.filter(|tag| !tag.fq_name.name().starts_with(TAG_PREFIX));
            let reference = |tag: &Arc<Object>| json!({"uuid": tag.uuid.to_string(), "to": tag.fq_name.elements()});
            let references: Vec<Value> = others.chain(&tags).map(reference).collect();
            turn.update(object, json!({ (field_name::TAG_REFS): references }))
        }
    }
}

/// NEU-TAG-C1: the tags of a request in the place of those that are there.
fn replace(turn: &mut Turn<'_>) -> Answered<Value> {
    let given = member(turn, "tags")?;
    let given = given.as_array().ok_or_else(|| turn.request.bad_request("tags must be a list of texts"))?;
    let names = names(turn, given)?;
    let parent = parent(&turn.view(), text(turn, "parent_id")?)?;
    set(turn, &parent, &names)?;
    Ok(names.into_iter().collect())
}

/// NEU-TAG-D1
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let tag = text(turn, "tag")?;
    let parent = parent(&turn.view(), text(turn, "parent_id")?)?;
    let mut names: BTreeSet<String> = parent.tags(&turn.view()).into_iter().collect();
    if !names.remove(tag) {
        return Err(not_there(tag).into());
    }
    set(turn, &parent, &names)?;
    Ok(Value::Null)
}

/// NEU-TAG-D1
fn delete_all(turn: &mut Turn<'_>) -> Answered<Value> {
    let parent = parent(&turn.view(), text(turn, "parent_id")?)?;
    set(turn, &parent, &BTreeSet::new())?;
    Ok(Value::Null)
}

/// NEU-TAG-U1: the tags that a create or an update of another resource names, beside those that are there.
fn add(turn: &mut Turn<'_>, parent: &Parent, object: &Arc<Object>) -> Answered<Arc<Object>> {
    let given = turn.request.list("tags")?.filter(|tags| !tags.is_empty());
    let Some(given) = given else { return Ok(Arc::clone(object)) };
    let mut names = names(turn, given)?;
    names.extend(parent.tags(&turn.view()));
    set(turn, parent, &names)
}

/// Gives an object the `tags` of the request, if it names any (NEU-TAG-U1); gives the object as it is then.
///
/// # Errors
/// `BadRequest` for what is no list of names; the refusals of the rules.
pub fn add_given(turn: &mut Turn<'_>, object: &Arc<Object>) -> Answered<Arc<Object>> {
    add(turn, &Parent::Object(Arc::clone(object)), object)
}

/// The same for a subnet; gives its network.
///
/// # Errors
/// As there.
pub fn add_given_to_subnet(turn: &mut Turn<'_>, network: &Arc<Object>, subnet: &Subnet) -> Answered<Arc<Object>> {
    add(turn, &Parent::Subnet(Arc::clone(network), Box::new(subnet.clone())), network)
}

fn annotations_property(model: &Model, network: &Object) -> Option<PropertyId> {
    let (id, _) = model.object_type(network.type_id).property(field_name::ANNOTATIONS)?;
    Some(id)
}

/// The annotations of a network, without that of the subnets, and that.
fn annotations(model: &Model, network: &Object) -> (Vec<Value>, Map<String, Value>) {
    let annotations = annotations_property(model, network).and_then(|id| network.property(id)).unwrap_or_default();
    let pairs = annotations.get(field_name::KEY_VALUE_PAIR).and_then(Value::as_array).cloned().unwrap_or_default();
    let (ours, others): (Vec<_>, Vec<_>) =
        pairs.into_iter().partition(|pair| pair.get("key") == Some(&OF_SUBNETS.into()));
    let text = ours.first().and_then(|pair| pair.get("value")).and_then(Value::as_str);
    (others, text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
}

/// The tags of the subnets of a network, by their uuids (NEU-TAG-G2).
pub fn of_subnets(graph: &Graph, network: &Object) -> HashMap<String, Vec<String>> {
    let text = annotations_property(graph.model(), network).and_then(|id| network.plain_text(id));
    // Lists look at all networks, of which few say anything.
    if text.is_none_or(|text| !text.contains(OF_SUBNETS)) {
        return HashMap::new();
    }
    let texts = |names: Value| match names {
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    annotations(graph.model(), network).1.into_iter().map(|(uuid, names)| (uuid, texts(names))).collect()
}

/// Writes them for one subnet; none take its entry away.
fn set_of_subnet(turn: &mut Turn<'_>, network: &Object, uuid: &str, names: &BTreeSet<String>) -> Answered<Arc<Object>> {
    let (mut pairs, mut tags) = annotations(turn.view().graph.model(), network);
    if names.is_empty() {
        tags.remove(uuid);
    } else {
        tags.insert(uuid.to_owned(), names.iter().cloned().collect());
    }
    if !tags.is_empty() {
        pairs.push(annotation(tags));
    }
    let annotations = if pairs.is_empty() { Value::Null } else { json!({ (field_name::KEY_VALUE_PAIR): pairs }) };
    turn.update(network, json!({ (field_name::ANNOTATIONS): annotations }))
}

fn annotation(tags: Map<String, Value>) -> Value {
    json!({"key": OF_SUBNETS, "value": Value::from(tags).to_string()})
}

/// The annotations of a network with the tags of its subnets that are said elsewhere; none if there are none, or it says them itself.
pub fn with_tags_of_subnets(
    model: &Model,
    network: &Object,
    names: impl Fn(&str) -> Option<Vec<String>>,
) -> Option<Value> {
    let entry = |uuid: String| names(&uuid).map(|found| (uuid, found.into()));
    let tags: Map<String, Value> = subnet::uuids(network).filter_map(entry).collect();
    let (mut pairs, own) = annotations(model, network);
    if tags.is_empty() || !own.is_empty() {
        return None;
    }
    pairs.push(annotation(tags));
    Some(json!({ (field_name::KEY_VALUE_PAIR): pairs }))
}

/// Takes the tags of a subnet that is gone away.
///
/// # Errors
/// The refusals of the rules.
pub fn forget_subnet(turn: &mut Turn<'_>, network: &Arc<Object>, subnet: &Subnet) -> Answered<()> {
    if subnet.tags.is_empty() {
        return Ok(());
    }
    set_of_subnet(turn, network, subnet.uuid(), &BTreeSet::new()).map(|_| ())
}
