//! trunk: a virtual-port-group with the port that carries the others, which are told apart by VLANs (NEU-TRK-*).

use super::{
    envelope::{Request, uuid_of},
    exception::Exception,
    port,
    refused::Answered,
    resource::{Answers, Does, List, Resource, Verb},
    tags,
    turn::Turn,
    view::{View, tenant_of},
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/trunk",
    meaning: "trunks: ports that carry others",
    needs_fwaas: false,
    operations: &[
        (Verb::Create, Does::Writes(create)),
        (Verb::Read, Does::Reads(read)),
        (Verb::Update, Does::Writes(update)),
        (Verb::Delete, Does::Writes(delete)),
        (Verb::ReadAll, Does::Lists(&LIST)),
        (Verb::ReadCount, Does::Counts(&LIST)),
        (Verb::AddSubports, Does::Writes(add_sub_ports)),
        (Verb::RemoveSubports, Does::Writes(remove_sub_ports)),
    ],
    example: (Verb::ReadAll, r#"{"filters": {"name": ["uplink"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

const FIELDS: &[&str] =
    &["id", "name", "tenant_id", "project_id", "description", "admin_state_up", "port_id", "status", "tags"];

const PARENT: &str = field_name::VIRTUAL_PORT_GROUP_TRUNK_PORT_ID;
const PORTS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;
const PROPERTIES: &str = field_name::VIRTUAL_MACHINE_INTERFACE_PROPERTIES;
/// The only way in which ports are told apart.
const VLAN: &str = "vlan";

fn missing(trunk_id: Value) -> Exception {
    Exception::TrunkNotFound { trunk_id }
}

/// The port that carries the others, of a group that is a trunk.
fn parent_of(view: &View<'_>, trunk: &Object) -> Option<Uuid> {
    Uuid::try_parse(view.property(trunk, PARENT)?.as_str()?).ok()
}

/// A trunk by the id of the request.
fn find<'v>(view: &View<'v>) -> Answered<&'v Arc<Object>> {
    let id = view.request.id();
    let group = view.find(type_name::VIRTUAL_PORT_GROUP, id, missing)?;
    Ok(Some(group).filter(|group| parent_of(view, group).is_some()).ok_or_else(|| missing(id.into()))?)
}

/// The ports that a trunk carries, each with its VLAN.
fn sub_ports<'v>(view: &View<'v>, trunk: &Object) -> Vec<(&'v Arc<Object>, Option<i64>)> {
    let parent = parent_of(view, trunk);
    let links = view.links(trunk, PORTS).iter().filter(|link| Some(link.target) != parent);
    let ports = links.filter_map(|link| view.graph.get(link.target));
    ports.map(|sub_port| (sub_port, port::vlan_tag(view, sub_port))).collect()
}

fn sub_port(sub_port: &Object, vlan: Option<i64>) -> Value {
    json!({"port_id": sub_port.uuid.to_string(), "segmentation_id": vlan, "segmentation_type": VLAN})
}

/// What a port that carries others says of them: nova asks for it.
pub fn details(view: &View<'_>, parent: &Object) -> Option<Value> {
    let kind = view.graph.model().find(type_name::VIRTUAL_PORT_GROUP)?;
    let mut groups = view.graph.referrers(parent.uuid, kind);
    let trunk = groups.find(|group| parent_of(view, group) == Some(parent.uuid))?;
    let told = |(port, vlan): (&Arc<Object>, Option<i64>)| {
        let mut told = sub_port(port, vlan);
        told["mac_address"] = port::mac_address(view, port).into();
        told
    };
    let sub_ports: Vec<Value> = sub_ports(view, trunk).into_iter().map(told).collect();
    Some(json!({"trunk_id": trunk.uuid.to_string(), "sub_ports": sub_ports}))
}

/// NEU-TRK-R1: a trunk in an answer.
fn answer(view: &View<'_>, trunk: &Object) -> Value {
    let tenant = tenant_of(trunk);
    let sub_ports = sub_ports(view, trunk).into_iter().map(|(port, vlan)| sub_port(port, vlan));
    let mut answer = Map::from_iter(
        [
            ("id", trunk.uuid.to_string().into()),
            ("name", view.shown_name(trunk).into()),
            ("tenant_id", tenant.as_str().into()),
            ("project_id", tenant.as_str().into()),
            ("description", Value::Null),
            ("admin_state_up", view.is_enabled(trunk).into()),
            ("port_id", view.property(trunk, PARENT).unwrap_or_default()),
            ("sub_ports", sub_ports.collect()),
            ("status", "ACTIVE".into()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    );
    view.add_common(&mut answer, trunk);
    answer.into()
}

fn answer_now(turn: &Turn<'_>, trunk: &Object) -> Answered<Value> {
    let trunk = turn.now_of(trunk)?;
    Ok(answer(&turn.view(), &trunk))
}

fn read(view: &View<'_>) -> Answered<Value> {
    Ok(answer(view, find(view)?))
}

/// NEU-TRK-L1: groups of fabrics are no trunks.
fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let tenant = if view.is_admin() { None } else { Some(view.request.tenant()?) };
    let trunks: Box<dyn Iterator<Item = &'v Arc<Object>> + 'v> = match view.of_ids(type_name::VIRTUAL_PORT_GROUP)? {
        Some(trunks) => Box::new(trunks.into_iter()),
        None => view.of_tenants(type_name::VIRTUAL_PORT_GROUP)?,
    };
    let view = *view;
    let is_meant = move |trunk: &&Arc<Object>| {
        parent_of(&view, trunk).is_some() && tenant.is_none_or(|tenant| trunk.parent == Some(tenant))
    };
    Ok(Box::new(trunks.filter(is_meant).map(move |trunk| answer(&view, trunk))))
}

/// The groups that have a port.
fn groups_of(view: &View<'_>, port: Uuid) -> Answered<Vec<Arc<Object>>> {
    let kind = view.type_id(type_name::VIRTUAL_PORT_GROUP)?;
    Ok(view.graph.referrers(port, kind).cloned().collect())
}

/// NEU-TRK-C1
fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let tenant = request.tenant_of_body()?;
    let project = Arc::clone(turn.view().project(tenant)?);
    let port_id = request.required("port_id", request.text("port_id")?)?;
    let parent = port::find(&turn.view(), port_id)?.uuid;
    if !groups_of(&turn.view(), parent)?.is_empty() {
        return Err(Exception::TrunkPortInUse { port_id: port_id.into() }.into());
    }
    let mut body = json!({
        (PARENT): parent.to_string(),
        (PORTS): [{"uuid": parent.to_string()}],
        (field_name::PERMS2): {"owner": tenant.to_string(), "owner_access": 7, "global_access": 0, "share": []},
    });
    if let Some(id_perms) = turn.id_perms()? {
        body[field_name::ID_PERMS] = id_perms;
    }
    let trunk = turn.create_named(type_name::VIRTUAL_PORT_GROUP, &project, body)?;
    add(turn, &trunk)?;
    let trunk = tags::add_given(turn, &turn.now_of(&trunk)?)?;
    answer_now(turn, &trunk)
}

/// An element of `sub_ports`.
struct Wish<'r> {
    port_id: &'r str,
    vlan: i64,
}

/// The elements of `sub_ports`; none without the list.
///
/// # Errors
/// `InvalidInput` for what is no list.
fn given_sub_ports(request: &Request) -> Answered<&[Value]> {
    match request.given("sub_ports") {
        None => Ok(&[]),
        Some(Value::Array(given)) => Ok(given),
        Some(other) => {
            let error_message = format!("sub_ports must be a list, not {other}").into();
            Err(Exception::InvalidInput { error_message }.into())
        }
    }
}

fn port_id_of<'r>(request: &Request, sub_port: &'r Value) -> Answered<&'r str> {
    let port_id = sub_port.get(field_name::PORT_ID).and_then(Value::as_str);
    port_id.ok_or_else(|| request.bad_request("each of sub_ports must have port_id, a text"))
}

/// NEU-TRK-S1: what is asked for.
fn wish<'r>(request: &Request, sub_port: &'r Value) -> Answered<Wish<'r>> {
    let refuse = |why: &str| request.bad_request(format!("each of sub_ports must have {why}"));
    let port_id = port_id_of(request, sub_port)?;
    let kind = sub_port.get("segmentation_type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| refuse("segmentation_type, a text"))?;
    if kind != VLAN {
        return Err(request.bad_request(format!("Segmentation type {kind} is not supported")));
    }
    let given = sub_port.get("segmentation_id");
    let vlan = given.and_then(|given| given.as_i64().or_else(|| given.as_str()?.parse().ok()));
    let vlan = vlan.filter(|vlan| (1..=4094).contains(vlan));
    Ok(Wish { port_id, vlan: vlan.ok_or_else(|| refuse("segmentation_id, a number from 1 to 4094"))? })
}

/// Gives a trunk the ports that the request names.
fn add(turn: &mut Turn<'_>, trunk: &Object) -> Answered<()> {
    let request = turn.request;
    let given = given_sub_ports(request)?;
    let trunk_id = || Value::from(trunk.uuid.to_string());
    let parent = parent_of(&turn.view(), trunk);
    let taken = sub_ports(&turn.view(), trunk).into_iter().filter_map(|(_, vlan)| vlan);
    let mut taken: HashSet<i64> = taken.collect();
    let mut added = HashSet::new();
    for given in given {
        let Wish { port_id, vlan } = wish(request, given)?;
        if parent.is_some() && uuid_of(port_id) == parent {
            let port_id = port_id.into();
            return Err(Exception::PortInUseAsTrunkParent { port_id, trunk_id: trunk_id() }.into());
        }
        if !taken.insert(vlan) {
            let (segmentation_type, segmentation_id) = (VLAN.into(), vlan.into());
            return Err(Exception::DuplicateSubPort { segmentation_type, segmentation_id, trunk_id: trunk_id() }.into());
        }
        let view = turn.view();
        let missing = |port_id: Value| Exception::SubPortNotFound { trunk_id: trunk_id(), port_id };
        let port = Arc::clone(view.find(type_name::VIRTUAL_MACHINE_INTERFACE, port_id, missing)?);
        let groups = groups_of(&view, port.uuid)?;
        if let Some(group) = groups.first().filter(|group| parent_of(&view, group) == Some(port.uuid)) {
            let (port_id, trunk_id) = (port_id.into(), group.uuid.to_string().into());
            return Err(Exception::PortInUseAsTrunkParent { port_id, trunk_id }.into());
        }
        if !added.insert(port.uuid) || !groups.is_empty() {
            return Err(Exception::TrunkPortInUse { port_id: port_id.into() }.into());
        }
        set_vlan(turn, &port, Some(vlan))?;
    }
    change_ports(turn, trunk, |ports| ports.extend(&added))
}

/// Changes which ports a trunk has, and which the port refers to that carries them: all at once, as there may be four thousand.
fn change_ports(turn: &mut Turn<'_>, trunk: &Object, change: impl Fn(&mut BTreeSet<Uuid>)) -> Answered<()> {
    let parent = parent_of(&turn.view(), trunk).and_then(|parent| turn.view().graph.get(parent)).cloned();
    for object in [Some(&turn.now_of(trunk)?), parent.as_ref()].into_iter().flatten() {
        let before: BTreeSet<Uuid> = turn.view().links(object, PORTS).iter().map(|link| link.target).collect();
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            let references: Value = after.into_iter().map(|port| json!({"uuid": port.to_string()})).collect();
            turn.update(object, json!({ (PORTS): references }))?;
        }
    }
    Ok(())
}

fn set_vlan(turn: &mut Turn<'_>, port: &Object, vlan: Option<i64>) -> Answered<()> {
    let properties = with_vlan(turn.view().property(port, PROPERTIES), vlan);
    turn.update(port, json!({ (PROPERTIES): properties })).map(|_| ())
}

/// What a port says of itself, with this VLAN or with none; nothing, if nothing is left.
fn with_vlan(stored: Option<Value>, vlan: Option<i64>) -> Value {
    // Whoever reads values by their types finds all members.
    let empty = json!({
        (field_name::SERVICE_INTERFACE_TYPE): null, (field_name::INTERFACE_MIRROR): null,
        (field_name::LOCAL_PREFERENCE): null, (field_name::SUB_INTERFACE_VLAN_TAG): null, (field_name::MAX_FLOWS): 0,
    });
    let mut properties = stored.filter(|stored| !stored.is_null()).unwrap_or_else(|| empty.clone());
    properties[field_name::SUB_INTERFACE_VLAN_TAG] = vlan.into();
    if properties == empty { Value::Null } else { properties }
}

fn add_sub_ports(turn: &mut Turn<'_>) -> Answered<Value> {
    let trunk = Arc::clone(find(&turn.view())?);
    add(turn, &trunk)?;
    answer_now(turn, &trunk)
}

/// Takes ports out of a trunk: they are ones of their own again.
fn release(turn: &mut Turn<'_>, trunk: &Object, gone: &BTreeSet<Uuid>) -> Answered<()> {
    change_ports(turn, trunk, |ports| ports.retain(|port| !gone.contains(port)))?;
    for port in gone {
        if let Some(port) = turn.view().graph.get(*port).cloned() {
            set_vlan(turn, &port, None)?;
        }
    }
    Ok(())
}

/// NEU-TRK-S2
fn remove_sub_ports(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let trunk = Arc::clone(find(&turn.view())?);
    let mut carried: HashSet<Uuid> =
        sub_ports(&turn.view(), &trunk).into_iter().map(|(sub_port, _)| sub_port.uuid).collect();
    let mut gone = BTreeSet::new();
    for given in given_sub_ports(request)? {
        let port_id = port_id_of(request, given)?;
        let Some(port) = uuid_of(port_id).filter(|port| carried.remove(port)) else {
            let (trunk_id, port_id) = (trunk.uuid.to_string().into(), port_id.into());
            return Err(Exception::SubPortNotFound { trunk_id, port_id }.into());
        };
        gone.insert(port);
    }
    release(turn, &trunk, &gone)?;
    answer_now(turn, &trunk)
}

/// NEU-TRK-U1: the plug-in sends what is to change within `trunk`.
fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let mut request = turn.request.clone();
    if let Some(within) = turn.request.object("trunk")? {
        request.body.clone_from(within);
    }
    let mut turn = turn.on(&request);
    let trunk = Arc::clone(find(&turn.view())?);
    let changes = turn.common_changes()?;
    let trunk = turn.update(&trunk, changes.into())?;
    let trunk = tags::add_given(&mut turn, &trunk)?;
    Ok(answer(&turn.view(), &trunk))
}

/// NEU-TRK-D1: the ports that it carries are their own again.
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let trunk = Arc::clone(find(&turn.view())?);
    let carried = sub_ports(&turn.view(), &trunk).into_iter().map(|(sub_port, _)| sub_port.uuid).collect();
    release(turn, &trunk, &carried)?;
    // The port that carried them is in there, too.
    let trunk = turn.update(&trunk, json!({ (PORTS): [] }))?;
    turn.delete(&trunk)?;
    Ok(Value::Null)
}
