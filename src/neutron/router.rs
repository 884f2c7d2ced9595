//! router: a logical-router (NEU-RTR-*). What routes and translates behind it is others' work.

use super::{
    envelope::uuid_of,
    exception::Exception,
    network,
    port::{self, addresses, addresses::Site},
    refused::{Answered, Refused},
    resource::{Answers, Does, List, Resource, Verb},
    subnet::{self, Subnet},
    tags,
    turn::Turn,
    view::{View, tenant_of},
};
use crate::{
    graph::{Link, Object},
    model::{field_name, type_name},
};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/router",
    meaning: "routers, and their interfaces",
    needs_fwaas: false,
    operations: &[
        (Verb::Create, Does::Writes(create)),
        (Verb::Read, Does::Reads(read)),
        (Verb::Update, Does::Writes(update)),
        (Verb::Delete, Does::Writes(delete)),
        (Verb::ReadAll, Does::Lists(&LIST)),
        (Verb::ReadCount, Does::Counts(&LIST)),
        (Verb::AddInterface, Does::Writes(add_interface)),
        (Verb::DelInterface, Does::Writes(del_interface)),
    ],
    example: (Verb::ReadAll, r#"{"filters": {"name": ["edge"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

/// `shared` is one of them, and never true (NEU-RTR-L1).
const FIELDS: &[&str] =
    &["id", "name", "tenant_id", "admin_state_up", "status", "shared", "gw_port_id", "description", "tags", "fq_name"];

const NETWORKS: &str = field_name::VIRTUAL_NETWORK_REFS;
const PORTS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;
/// Whose a port is that a router has.
const DEVICE_OWNER: &str = "network:router_interface";

fn missing(router_id: Value) -> Exception {
    Exception::RouterNotFound { router_id }
}

/// NEU-RTR-R2: the network that a router goes out through; not the one in which a router over VXLAN connects its own.
pub fn gateway(view: &View<'_>, router: &Object) -> Option<Uuid> {
    let is_internal =
        |link: &&Link| link.attribute.as_deref().is_some_and(|text| text.contains("\"InternalVirtualNetwork\""));
    view.links(router, NETWORKS).iter().find(|link| !is_internal(link)).map(|link| link.target)
}

/// A router in an answer (NEU-RTR-R1).
fn answer(view: &View<'_>, router: &Object) -> Value {
    let gateway = gateway(view, router).map(|network| json!({"network_id": network.to_string(), "enable_snat": true}));
    let mut answer = Map::from_iter(
        [
            ("id", router.uuid.to_string().into()),
            ("name", view.shown_name(router).into()),
            ("tenant_id", tenant_of(router).into()),
            ("admin_state_up", view.is_enabled(router).into()),
            ("shared", false.into()),
            ("status", "ACTIVE".into()),
            ("gw_port_id", Value::Null),
            ("external_gateway_info", gateway.unwrap_or_default()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    );
    view.add_common(&mut answer, router);
    if view.options.contrail_extensions {
        answer.insert("fq_name".to_owned(), router.fq_name.elements().into());
    }
    answer.into()
}

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let routers = view.own(type_name::LOGICAL_ROUTER)?;
    let view = *view;
    Ok(Box::new(routers.map(move |router| answer(&view, router))))
}

fn find<'v>(view: &View<'v>) -> Answered<&'v Arc<Object>> {
    view.find(type_name::LOGICAL_ROUTER, view.request.id(), missing)
}

fn read(view: &View<'_>) -> Answered<Value> {
    Ok(answer(view, find(view)?))
}

/// What a request says of the gateway.
enum Gateway {
    Stays,
    Goes,
    Is(Arc<Object>),
}

/// NEU-RTR-C2, NEU-RTR-U1
fn wanted_gateway(turn: &Turn<'_>) -> Answered<Gateway> {
    let request = turn.request;
    if !request.body.contains_key("external_gateway_info") {
        return Ok(Gateway::Stays);
    }
    let network = request.object("external_gateway_info")?.and_then(|info| info.get("network_id"));
    let id = match network {
        None | Some(Value::Null) => return Ok(Gateway::Goes),
        Some(Value::String(id)) => id,
        Some(other) => {
            return Err(request.bad_request(format!("network_id of external_gateway_info must be a uuid, not {other}")));
        }
    };
    let view = turn.view();
    let network = view.find(type_name::VIRTUAL_NETWORK, id, network::missing)?;
    if !view.flag(network, field_name::ROUTER_EXTERNAL) {
        return Err(request.bad_request(format!("Network {} is not a valid external network", network.uuid)));
    }
    Ok(Gateway::Is(Arc::clone(network)))
}

/// NEU-RTR-C1
fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let project = Arc::clone(turn.view().project(turn.request.tenant_of_body()?)?);
    let mut body = Map::new();
    if let Some(id_perms) = turn.id_perms()? {
        body.insert(field_name::ID_PERMS.to_owned(), id_perms);
    }
    if let Gateway::Is(network) = wanted_gateway(turn)? {
        let reference = json!([{"uuid": network.uuid.to_string(), "to": network.fq_name.elements()}]);
        body.insert(NETWORKS.to_owned(), reference);
    }
    let router = turn.create_named(type_name::LOGICAL_ROUTER, &project, body.into())?;
    let router = tags::add_given(turn, &router)?;
    Ok(answer(&turn.view(), &router))
}

/// NEU-RTR-U1: a gateway that is not named stays, so that who renames a router cuts nobody off.
fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let router = Arc::clone(find(&turn.view())?);
    let wanted = wanted_gateway(turn)?;
    let mut router = turn.update(&router, turn.common_changes()?.into())?;
    let present = gateway(&turn.view(), &router);
    let wanted = match wanted {
        Gateway::Stays => present,
        Gateway::Goes => None,
        Gateway::Is(network) => Some(network.uuid),
    };
    if wanted != present {
        if let Some(present) = present {
            router = turn.change_reference(&router, NETWORKS, present, None)?;
        }
        if let Some(wanted) = wanted {
            router = turn.change_reference(&router, NETWORKS, wanted, Some(Value::Null))?;
        }
    }
    let router = tags::add_given(turn, &router)?;
    Ok(answer(&turn.view(), &router))
}

/// NEU-RTR-D1
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let router = Arc::clone(find(&turn.view())?);
    if !turn.view().links(&router, PORTS).is_empty() {
        return Err(Exception::RouterInUse { router_id: router.uuid.to_string().into() }.into());
    }
    turn.delete(&router)?;
    Ok(Value::Null)
}

/// Subnets by their uuids, of networks that were asked for.
#[derive(Default)]
struct Subnets {
    networks: HashSet<Uuid>,
    by_uuid: HashMap<Uuid, Subnet>,
}

impl Subnets {
    fn get(&mut self, view: &View<'_>, network: &Object, uuid: Uuid) -> Option<&Subnet> {
        if self.networks.insert(network.uuid) {
            let subnets = subnet::of_network(view, network).into_iter();
            self.by_uuid.extend(subnets.filter_map(|subnet| Some((Uuid::try_parse(subnet.uuid()).ok()?, subnet))));
        }
        self.by_uuid.get(&uuid)
    }
}

fn overlaps(one: IpNetwork, other: IpNetwork) -> bool {
    one.contains(other.network()) || other.contains(one.network())
}

/// NEU-RTR-I3: what a router has already has nothing to do with a new subnet.
fn check_subnet(turn: &Turn<'_>, router: &Object, new: &Subnet) -> Answered<()> {
    let view = turn.view();
    let mut subnets = Subnets::default();
    for port in view.links(router, PORTS).iter().filter_map(|link| view.graph.get(link.target)) {
        let Some(network) = port::network_of(&view, port) else { continue };
        for uuid in addresses::fixed(&view, port.uuid).filter_map(|address| addresses::subnet_of(&view, address)) {
            if new.is(uuid) {
                let text = format!("Router {} already has a port on subnet {uuid}", router.uuid);
                return Err(turn.request.bad_request(text));
            }
            let Some(known) = subnets.get(&view, network, uuid) else { continue };
            if known.prefix().zip(new.prefix()).is_some_and(|(known, new)| overlaps(known, new)) {
                let (new_cidr, cidr) = (new.cidr(), known.cidr());
                let text =
                    format!("Cidr {new_cidr} of subnet {} overlaps with cidr {cidr} of subnet {uuid}", new.uuid());
                return Err(turn.request.bad_request(text));
            }
        }
    }
    Ok(())
}

/// A port that is to become an interface, with its network and its subnet.
struct Interface {
    port: Arc<Object>,
    network: Arc<Object>,
    subnet: Subnet,
}

fn is_foreign(turn: &Turn<'_>, tenant: Option<Uuid>) -> Answered<bool> {
    Ok(!turn.view().is_admin() && tenant != Some(turn.request.tenant()?))
}

/// NEU-RTR-I2: a port that is there.
fn by_port(turn: &mut Turn<'_>, router: &Object, port_id: &str) -> Answered<Interface> {
    let view = turn.view();
    let port = Arc::clone(port::find(&view, port_id)?);
    let port_id = Value::from(port.uuid.to_string());
    if is_foreign(turn, port::tenant_of(&view, &port))? {
        return Err(Exception::RouterInterfaceNotFound { router_id: router.uuid.to_string().into(), port_id }.into());
    }
    let network = port::network_of(&view, &port).cloned();
    let network = network.ok_or_else(|| turn.request.bad_request("Router port must be on a network"))?;
    if let Some(user) = view.graph.referrers(port.uuid, router.type_id).next() {
        let (net_id, device_id) = (network.uuid.to_string().into(), user.uuid.to_string().into());
        return Err(Exception::PortInUse { port_id, net_id, device_id }.into());
    }
    let fixed: Vec<_> = addresses::fixed(&view, port.uuid).collect();
    let [address] = fixed.as_slice() else {
        return Err(turn.request.bad_request("Router port must have exactly one fixed IP"));
    };
    let uuid = addresses::subnet_of(&view, address);
    let subnet =
        subnet::of_network(&view, &network).into_iter().find(|subnet| uuid.is_some_and(|uuid| subnet.is(uuid)));
    let subnet = subnet.ok_or_else(|| turn.request.bad_request("Router port must have an address of a subnet"))?;
    check_subnet(turn, router, &subnet)?;
    let owner = json!({ (field_name::VIRTUAL_MACHINE_INTERFACE_DEVICE_OWNER): DEVICE_OWNER });
    let port = turn.update(&port, owner)?;
    Ok(Interface { port, network, subnet })
}

/// NEU-RTR-I2, NEU-RTR-I4: a new port, at the gateway of a subnet.
fn by_subnet(turn: &mut Turn<'_>, router: &Object, subnet_id: &str) -> Answered<Interface> {
    let (network, subnet) =
        subnet::find(&turn.view(), subnet_id).map(|(network, subnet)| (Arc::clone(network), subnet))?;
    if is_foreign(turn, network.parent)? {
        return Err(not_on_subnet(router, subnet.uuid()));
    }
    let Some(gateway) = subnet.gateway() else {
        return Err(turn.request.bad_request("Subnet for router interface must have a gateway IP"));
    };
    check_subnet(turn, router, &subnet)?;
    let port = make_port(turn, &network)?;
    let site = Site { port: port.uuid, network: Arc::clone(&network), tenant: network.parent };
    addresses::agree(turn, &site, &[json!({"ip_address": gateway.to_string(), "subnet_id": subnet.uuid()})])?;
    Ok(Interface { port, network, subnet })
}

fn make_port(turn: &mut Turn<'_>, network: &Object) -> Answered<Arc<Object>> {
    let view = turn.view();
    let project = Arc::clone(view.project(network.parent.unwrap_or_default())?);
    let name = turn.new_uuid();
    // NEU-GEN-4
    let owner = project.uuid.simple().to_string();
    let body = json!({
        "fq_name": project.fq_name.child(&name.to_string()).elements(),
        "parent_type": type_name::PROJECT,
        "display_name": name.to_string(),
        (field_name::VIRTUAL_MACHINE_INTERFACE_DEVICE_OWNER): DEVICE_OWNER,
        (field_name::VIRTUAL_MACHINE_INTERFACE_BINDINGS): {(field_name::KEY_VALUE_PAIR): []},
        (field_name::PORT_SECURITY_ENABLED): false,
        (NETWORKS): [{"uuid": network.uuid.to_string(), "to": network.fq_name.elements()}],
        (field_name::PERMS2): {"owner": owner, "owner_access": 7, "global_access": 0, "share": []},
    });
    turn.create(type_name::VIRTUAL_MACHINE_INTERFACE, body, Some(name))
}

fn interface_answer(router: &Object, tenant: Option<Uuid>, port: Uuid, subnet: Option<&str>) -> Value {
    json!({
        "id": router.uuid.to_string(),
        "tenant_id": tenant.map(|tenant| tenant.simple().to_string()),
        "port_id": port.to_string(),
        "subnet_id": subnet,
    })
}

fn neither(turn: &Turn<'_>) -> Refused {
    turn.request.bad_request("Either port or subnet must be specified")
}

/// NEU-RTR-I1
fn add_interface(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let router = Arc::clone(find(&turn.view())?);
    let interface = match (request.text("port_id")?, request.text("subnet_id")?) {
        (Some(port), _) => by_port(turn, &router, port)?,
        (None, Some(subnet)) => by_subnet(turn, &router, subnet)?,
        (None, None) => return Err(neither(turn)),
    };
    let port = interface.port.uuid;
    let router = turn.change_reference(&router, PORTS, port, Some(Value::Null))?;
    Ok(interface_answer(&router, interface.network.parent, port, Some(interface.subnet.uuid())))
}

fn not_on_subnet(router: &Object, subnet_id: &str) -> Refused {
    let router_id = router.uuid.to_string().into();
    Exception::RouterInterfaceNotFoundForSubnet { router_id, subnet_id: subnet_id.into() }.into()
}

/// The interface of a router that is meant.
fn find_interface(turn: &Turn<'_>, router: &Object) -> Answered<Arc<Object>> {
    let (request, view) = (turn.request, turn.view());
    let mut ports = view.links(router, PORTS).iter().filter_map(|link| view.graph.get(link.target));
    if let Some(port_id) = request.text("port_id")? {
        let uuid = uuid_of(port_id);
        return ports.find(|port| Some(port.uuid) == uuid).cloned().ok_or_else(|| {
            let router_id = router.uuid.to_string().into();
            Exception::RouterInterfaceNotFound { router_id, port_id: port_id.into() }.into()
        });
    }
    let subnet_id = request.text("subnet_id")?.ok_or_else(|| neither(turn))?;
    let subnet = uuid_of(subnet_id);
    let is_on = |port: &&Arc<Object>| {
        subnet.is_some()
            && addresses::fixed(&view, port.uuid).any(|address| addresses::subnet_of(&view, address) == subnet)
    };
    ports.find(is_on).cloned().ok_or_else(|| not_on_subnet(router, subnet_id))
}

/// NEU-RTR-I5: the port goes, too, whoever made it.
fn del_interface(turn: &mut Turn<'_>) -> Answered<Value> {
    let router = Arc::clone(find(&turn.view())?);
    let port = find_interface(turn, &router)?;
    let view = turn.view();
    let tenant = port::network_of(&view, &port).and_then(|network| network.parent);
    let subnet = addresses::fixed(&view, port.uuid).find_map(|address| addresses::subnet_of(&view, address));
    let router = turn.change_reference(&router, PORTS, port.uuid, None)?;
    port::remove(turn, &port)?;
    Ok(interface_answer(&router, tenant, port.uuid, subnet.map(|subnet| subnet.to_string()).as_deref()))
}
