//! floatingip: a floating-ip below the pool of an external network (NEU-FIP-*).

use super::{
    exception::Exception,
    port::{self, addresses},
    refused::{Answered, Refused},
    resource::{Answers, List, Resource, Verb, usual},
    router, tags,
    turn::Turn,
    view::View,
};
use crate::{
    graph::Object,
    ipam,
    model::{field_name, type_name},
    rules::Kind,
};
use serde_json::{Map, Value, json};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/floatingip",
    meaning: "floating ips",
    needs_fwaas: false,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"status": ["ACTIVE"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

const FIELDS: &[&str] = &[
    "id",
    "tenant_id",
    "floating_ip_address",
    "floating_network_id",
    "router_id",
    "port_id",
    "fixed_ip_address",
    "status",
    "description",
    "tags",
];

const PORTS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;

/// NEU-FIP-R1: that there is no such floating ip.
fn missing(floatingip_id: Value) -> Exception {
    Exception::FloatingIPNotFound { floatingip_id }
}

/// The routers of tenants by the networks that they have interfaces on. They are looked up once for a tenant, so that a list costs
/// what is in it.
#[derive(Default)]
struct Routers {
    of_tenants: HashMap<Uuid, HashMap<Uuid, Uuid>>,
}

impl Routers {
    /// NEU-FIP-R2: a router of the tenant with an interface on this network.
    fn on(&mut self, view: &View<'_>, tenant: Uuid, network: Uuid) -> Answered<Option<Uuid>> {
        let routers = match self.of_tenants.entry(tenant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(routers_of(view, tenant)?),
        };
        Ok(routers.get(&network).copied())
    }
}

/// The routers of a tenant, by the networks that they have interfaces on.
fn routers_of(view: &View<'_>, tenant: Uuid) -> Answered<HashMap<Uuid, Uuid>> {
    let mut routers = HashMap::new();
    for router in view.graph.children_of(tenant, view.type_id(type_name::LOGICAL_ROUTER)?) {
        for network in inside(view, router) {
            routers.entry(network).or_insert(router.uuid);
        }
    }
    Ok(routers)
}

/// The networks that a router has interfaces on.
fn inside<'v>(view: &View<'v>, router: &'v Object) -> impl Iterator<Item = Uuid> + use<'v> {
    let view = *view;
    let ports = view.links(router, PORTS).iter().filter_map(move |link| view.graph.get(link.target));
    ports.filter_map(move |port| port::network_of(&view, port)).map(|network| network.uuid)
}

/// Whose a floating ip is: of the project that it names, else of its owner.
fn tenant_of(view: &View<'_>, floating_ip: &Object) -> Option<Uuid> {
    let project = view.links(floating_ip, field_name::PROJECT_REFS).first().map(|link| link.target);
    project.or_else(|| {
        let perms2 = view.property(floating_ip, field_name::PERMS2)?;
        super::envelope::uuid_of(perms2.get("owner")?.as_str()?)
    })
}

/// The external network that it is of.
fn network_of<'v>(view: &View<'v>, floating_ip: &Object) -> Option<&'v Arc<Object>> {
    let pool = view.graph.get(floating_ip.parent?)?;
    view.graph.get(pool.parent?)
}

fn text(view: &View<'_>, object: &Object, name: &str) -> Option<String> {
    let value = view.property(object, name)?;
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whether a port is the outer side of a service, which translates by itself.
fn is_right(view: &View<'_>, port: &Object) -> bool {
    let properties = view.property(port, field_name::VIRTUAL_MACHINE_INTERFACE_PROPERTIES).unwrap_or_default();
    properties.get(field_name::SERVICE_INTERFACE_TYPE) == Some(&"right".into())
}

fn is_of_compute(view: &View<'_>, port: &Object) -> bool {
    text(view, port, field_name::VIRTUAL_MACHINE_INTERFACE_DEVICE_OWNER)
        .is_some_and(|owner| owner.starts_with("compute:"))
}

/// The ports that share an address with a port.
fn sharing<'v>(view: &View<'v>, port: &Object, address: Option<&str>) -> Answered<Vec<&'v Arc<Object>>> {
    let mut ports = Vec::new();
    for instance_ip in view.graph.referrers(port.uuid, view.type_id(type_name::INSTANCE_IP)?) {
        if address.is_none() || text(view, instance_ip, field_name::INSTANCE_IP_ADDRESS).as_deref() == address {
            let others = view.links(instance_ip, PORTS).iter().filter(|link| link.target != port.uuid);
            ports.extend(others.filter_map(|link| view.graph.get(link.target)));
        }
    }
    Ok(ports)
}

/// NEU-FIP-R2: the port that is shown. Where that of a machine shares its address with a load balancer, it is the latter's.
fn port_of<'v>(view: &View<'v>, floating_ip: &Object, fixed: Option<&str>) -> Answered<Option<&'v Arc<Object>>> {
    let ports = view.links(floating_ip, PORTS).iter().filter_map(|link| view.graph.get(link.target));
    let Some(port) = ports.into_iter().find(|port| !is_right(view, port)) else { return Ok(None) };
    if fixed.is_some() && is_of_compute(view, port) {
        let balancer = sharing(view, port, fixed)?.into_iter().find(|port| !is_of_compute(view, port));
        return Ok(Some(balancer.unwrap_or(port)));
    }
    Ok(Some(port))
}

/// A floating ip in an answer (NEU-FIP-R1).
fn answer(view: &View<'_>, floating_ip: &Object, routers: &mut Routers) -> Answered<Value> {
    let tenant = tenant_of(view, floating_ip);
    let fixed = text(view, floating_ip, field_name::FLOATING_IP_FIXED_IP_ADDRESS);
    let port = port_of(view, floating_ip, fixed.as_deref())?;
    let inside = port.and_then(|port| port::network_of(view, port));
    let router = match tenant.zip(inside) {
        Some((tenant, network)) => routers.on(view, tenant, network.uuid)?,
        None => None,
    };
    let mut answer = Map::from_iter(
        [
            ("id", floating_ip.uuid.to_string().into()),
            ("tenant_id", tenant.map(|tenant| tenant.simple().to_string()).into()),
            ("floating_ip_address", text(view, floating_ip, field_name::FLOATING_IP_ADDRESS).into()),
            ("floating_network_id", network_of(view, floating_ip).map(|network| network.uuid.to_string()).into()),
            ("router_id", router.map(|router| router.to_string()).into()),
            ("port_id", port.map(|port| port.uuid.to_string()).into()),
            ("fixed_ip_address", fixed.into()),
            ("status", if port.is_some() { "ACTIVE" } else { "DOWN" }.into()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    );
    view.add_common(&mut answer, floating_ip);
    Ok(answer.into())
}

/// NEU-FIP-L1: of a member those of its project; of an admin those of the tenants named, or all.
fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let kind = view.type_id(type_name::FLOATING_IP)?;
    view.ask(kind, crate::access::role_rules::Letter::Read, Vec::new())?;
    let filters = &view.request.filters;
    let tenants = if view.is_admin() {
        filters.uuids("tenant_id").or_else(|| filters.uuids("project_id"))
    } else {
        Some(vec![view.request.tenant()?])
    };
    let view = *view;
    let found: Box<dyn Iterator<Item = &'v Arc<Object>> + 'v> =
        match (view.of_ids(type_name::FLOATING_IP)?, filters.uuids("port_id"), &tenants) {
            (Some(named), _, _) => Box::new(named.into_iter()),
            (None, Some(ports), _) => Box::new(of_ports(&view, ports)?.into_iter()),
            (None, None, Some(tenants)) => {
                let of = move |tenant: Uuid| view.graph.referrers(tenant, kind);
                Box::new(tenants.clone().into_iter().flat_map(of))
            }
            (None, None, None) => view.identity.readable(view.graph, kind, &std::ops::Bound::Unbounded),
        };
    let is_meant = move |floating_ip: &&'v Arc<Object>| {
        let is_of = |tenants: &Vec<Uuid>| tenant_of(&view, floating_ip).is_some_and(|tenant| tenants.contains(&tenant));
        view.identity.may_read(floating_ip) && (view.is_admin() || tenants.as_ref().is_none_or(is_of))
    };
    let mut routers = Routers::default();
    let answers = View::each_once(found).filter(is_meant);
    Ok(Box::new(answers.filter_map(move |floating_ip| answer(&view, floating_ip, &mut routers).ok())))
}

/// The floating ips of ports, and of those that share an address with them, of which a load balancer's is shown.
fn of_ports<'v>(view: &View<'v>, ports: Vec<Uuid>) -> Answered<Vec<&'v Arc<Object>>> {
    let kind = view.type_id(type_name::FLOATING_IP)?;
    let mut found = Vec::new();
    for port in ports.into_iter().filter_map(|port| view.graph.get(port)) {
        found.extend(view.graph.referrers(port.uuid, kind));
        for other in sharing(view, port, None)? {
            found.extend(view.graph.referrers(other.uuid, kind));
        }
    }
    Ok(found)
}

fn find<'v>(view: &View<'v>) -> Answered<&'v Arc<Object>> {
    view.find(type_name::FLOATING_IP, view.request.id(), missing)
}

fn read(view: &View<'_>) -> Answered<Value> {
    answer(view, find(view)?, &mut Routers::default())
}

/// The first pool of a network.
fn pool_of(turn: &Turn<'_>, id: &str) -> Answered<Arc<Object>> {
    let view = turn.view();
    let none = || turn.request.bad_request(format!("Network {id} doesn't provide a floatingip pool"));
    let network = match view.find(type_name::VIRTUAL_NETWORK, id, super::network::missing) {
        Err(Refused::Exception(_)) => return Err(none()),
        found => found?,
    };
    let kind = view.type_id(type_name::FLOATING_IP_POOL)?;
    view.graph.children_of(network.uuid, kind).next().cloned().ok_or_else(none)
}

/// NEU-FIP-C1
fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let network_id = request.required("floating_network_id", request.text("floating_network_id")?)?;
    let project = Arc::clone(turn.view().project(request.tenant_of_body()?)?);
    let pool = pool_of(turn, network_id)?;
    let uuid = request.uuid("id")?.unwrap_or_else(|| turn.new_uuid());
    if turn.view().graph.get(uuid).is_some() {
        return Err(Exception::Conflict { msg: format!("There is an object {uuid}").into() }.into());
    }
    let mut body = json!({
        "fq_name": pool.fq_name.child(&uuid.to_string()).elements(),
        "parent_type": type_name::FLOATING_IP_POOL,
        "uuid": uuid.to_string(),
        (field_name::PROJECT_REFS): [{"uuid": project.uuid.to_string(), "to": project.fq_name.elements()}],
        (field_name::PERMS2): {
            "owner": project.uuid.to_string(), "owner_access": 7, "global_access": 0, "share": [],
        },
    });
    if let Some(address) = request.text("floating_ip_address")?.filter(|address| !address.is_empty()) {
        body[field_name::FLOATING_IP_ADDRESS] = address.into();
    }
    if let Some(id_perms) = turn.id_perms()? {
        body[field_name::ID_PERMS] = id_perms;
    }
    // NEU-FIP-C2
    let failure = |_: &_| Exception::IpAddressGenerationFailure { net_id: network_id.into() };
    let created = turn.create(type_name::FLOATING_IP, body, Some(uuid));
    let floating_ip = created.map_err(|refused| refused.or_if(Kind::Conflict, failure))?;
    let floating_ip = match wanted(turn)? {
        Wanted::Port(port, fixed) => associate(turn, &floating_ip, port, fixed)?,
        Wanted::Free | Wanted::Stays => floating_ip,
    };
    finish(turn, &floating_ip)
}

/// What a request says of the port.
enum Wanted<'r> {
    Stays,
    Free,
    /// The id of the port, and the address that is named.
    Port(&'r str, Option<&'r str>),
}

/// NEU-FIP-U1, NEU-FIP-U2
fn wanted<'r>(turn: &Turn<'r>) -> Answered<Wanted<'r>> {
    let request = turn.request;
    let fixed = request.text("fixed_ip_address")?.filter(|address| !address.is_empty());
    let port = match request.body.get("port_id") {
        Some(Value::Array(ports)) if ports.is_empty() => None,
        _ => request.text("port_id")?.filter(|port| !port.is_empty()),
    };
    match (port, fixed) {
        (Some(port), fixed) => Ok(Wanted::Port(port, fixed)),
        (None, Some(_)) => Err(request.bad_request("fixed_ip_address cannot be specified without a port_id")),
        (None, None) if request.body.is_empty() || request.body.contains_key("port_id") => Ok(Wanted::Free),
        // NEU-FIP-U5
        (None, None) => Ok(Wanted::Stays),
    }
}

/// An address of a port.
struct FixedIp {
    address: String,
    subnet: Option<Uuid>,
}

fn fixed_ips(view: &View<'_>, port: &Object) -> Vec<FixedIp> {
    let fixed = addresses::fixed(view, port.uuid).filter_map(|address| {
        let (value, subnet) = (addresses::value(view, address)?, addresses::subnet_of(view, address));
        Some(FixedIp { address: value.to_string(), subnet })
    });
    fixed.collect()
}

/// NEU-FIP-U1: the address of the port that is meant.
fn fixed_ip(turn: &Turn<'_>, port: &Object, given: Option<&str>) -> Answered<FixedIp> {
    let fixed_ips = fixed_ips(&turn.view(), port);
    if let Some(given) = given {
        let wanted = ipam::parse_address(given);
        let found =
            fixed_ips.into_iter().find(|known| wanted.is_some() && ipam::parse_address(&known.address) == wanted);
        return found.ok_or_else(|| {
            turn.request.bad_request(format!("Port {} does not have the fixed IP address {given}", port.uuid))
        });
    }
    let mut fixed_ips = fixed_ips.into_iter();
    match (fixed_ips.next(), fixed_ips.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(turn.request.bad_request(format!("Port {} has no fixed IP address", port.uuid))),
        (Some(_), Some(_)) => Err(turn.request.bad_request(format!(
            "Port {} has multiple fixed IP addresses.  Must provide a specific IP address when assigning a floating IP",
            port.uuid
        ))),
    }
}

/// NEU-FIP-U4: the port is of the project of the floating ip, and of a member's own.
fn check_tenants(turn: &Turn<'_>, floating_ip: &Object, port: &Object) -> Answered<()> {
    let view = turn.view();
    let tenant = port::tenant_of(&view, port);
    if !view.is_admin() && tenant != Some(turn.request.tenant()?) {
        return Err(turn.request.bad_request(format!("Port {} is from another project", port.uuid)));
    }
    if tenant != tenant_of(&view, floating_ip) {
        let text = "port can't be associated with this fip as they both belong to different tenants";
        return Err(turn.request.bad_request(text));
    }
    Ok(())
}

/// NEU-FIP-U3: no other floating ip has this address of the port.
fn check_free(view: &View<'_>, floating_ip: &Object, port: &Object, fixed: &FixedIp) -> Answered<()> {
    let others = view.graph.referrers(port.uuid, floating_ip.type_id).filter(|other| other.uuid != floating_ip.uuid);
    for other in others {
        if text(view, other, field_name::FLOATING_IP_FIXED_IP_ADDRESS).as_deref() == Some(&fixed.address) {
            let net_id = network_of(view, floating_ip).map(|network| network.uuid.to_string()).into();
            return Err(Exception::FloatingIPPortAlreadyAssociated {
                floating_ip_address: text(view, floating_ip, field_name::FLOATING_IP_ADDRESS).into(),
                fip_id: floating_ip.uuid.to_string().into(),
                port_id: port.uuid.to_string().into(),
                fixed_ip: fixed.address.as_str().into(),
                net_id,
            }
            .into());
        }
    }
    Ok(())
}

/// `strict_compliance`: the port's network and the external one have to meet in a router.
fn check_reachable(view: &View<'_>, floating_ip: &Object, port: &Object, fixed: &FixedIp) -> Answered<()> {
    if !view.options.strict_compliance {
        return Ok(());
    }
    let (outside, port_network) = (network_of(view, floating_ip), port::network_of(view, port));
    if let (Some(outside), Some(port_network)) = (outside, port_network) {
        let mut routers = view.graph.referrers(outside.uuid, view.type_id(type_name::LOGICAL_ROUTER)?);
        let meets = |router: &Arc<Object>| {
            router::gateway(view, router) == Some(outside.uuid)
                && inside(view, router).any(|network| network == port_network.uuid)
        };
        if routers.any(meets) {
            return Ok(());
        }
    }
    Err(Exception::ExternalGatewayForFloatingIPNotFound {
        subnet_id: fixed.subnet.map(|subnet| subnet.to_string()).into(),
        external_network_id: outside.map(|network| network.uuid.to_string()).into(),
        port_id: port.uuid.to_string().into(),
    }
    .into())
}

/// What a floating ip says that is on no port.
fn unassociated() -> Value {
    json!({ (field_name::FLOATING_IP_FIXED_IP_ADDRESS): null, (PORTS): [] })
}

fn associate(turn: &mut Turn<'_>, floating_ip: &Object, port_id: &str, given: Option<&str>) -> Answered<Arc<Object>> {
    let view = turn.view();
    let port = Arc::clone(port::find(&view, port_id)?);
    check_tenants(turn, floating_ip, &port)?;
    let fixed = fixed_ip(turn, &port, given)?;
    check_free(&view, floating_ip, &port, &fixed)?;
    check_reachable(&view, floating_ip, &port, &fixed)?;
    let body = json!({
        (field_name::FLOATING_IP_FIXED_IP_ADDRESS): fixed.address,
        (PORTS): [{"uuid": port.uuid.to_string(), "to": port.fq_name.elements()}],
    });
    turn.update(floating_ip, body)
}

fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let floating_ip = Arc::clone(find(&turn.view())?);
    let mut floating_ip = match wanted(turn)? {
        Wanted::Port(port, fixed) => associate(turn, &floating_ip, port, fixed)?,
        Wanted::Free => turn.update(&floating_ip, unassociated())?,
        Wanted::Stays => floating_ip,
    };
    if let Some(id_perms) = turn.id_perms()? {
        floating_ip = turn.update(&floating_ip, json!({ (field_name::ID_PERMS): id_perms }))?;
    }
    finish(turn, &floating_ip)
}

fn finish(turn: &mut Turn<'_>, floating_ip: &Arc<Object>) -> Answered<Value> {
    let floating_ip = tags::add_given(turn, floating_ip)?;
    answer(&turn.view(), &floating_ip, &mut Routers::default())
}

/// NEU-FIP-D1
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let floating_ip = Arc::clone(find(&turn.view())?);
    turn.delete(&floating_ip)?;
    Ok(Value::Null)
}
