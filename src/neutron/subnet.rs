//! subnet: an element of what a network says of its ipams (NEU-SUB-*).

use super::{
    exception::Exception,
    network, port,
    refused::{Answered, Refused, bad_request},
    resource::{Answers, List, Resource, Verb, usual},
    tags,
    turn::Turn,
    view::{View, tenant_of},
};
use crate::{
    graph::{Graph, Object},
    ipam,
    model::{field_name, type_name},
    rules::{Kind, Rejection},
};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/subnet",
    meaning: "subnets of networks",
    needs_fwaas: false,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"cidr": ["10.0.0.0/24"]}, "fields": []}"#),
};

/// NEU-SUB-L1, NEU-SUB-N1
static LIST: List = List { fields: FIELDS, candidates, first: None };

const FIELDS: &[&str] = &[
    "id",
    "name",
    "tenant_id",
    "network_id",
    "cidr",
    "ip_version",
    "gateway_ip",
    "enable_dhcp",
    "dns_nameservers",
    "shared",
    "ipv6_ra_mode",
    "ipv6_address_mode",
    "tags",
];

/// The option of DHCP that names servers of DNS.
const DNS_SERVERS: &str = "6";
/// A subnet without prefix is that of a flat ipam.
pub const EVERYTHING: &str = "0.0.0.0/0";

/// NEU-SUB-R1: that there is no such subnet.
pub fn missing(subnet_id: Value) -> Exception {
    Exception::SubnetNotFound { subnet_id }
}

/// A subnet of a network.
#[derive(Clone)]
pub struct Subnet {
    /// The ipam that it is of.
    pub ipam: Uuid,
    /// The name of that.
    pub ipam_name: Value,
    /// What the network says of it.
    pub entry: Map<String, Value>,
    /// Its tags.
    pub tags: Vec<String>,
}

impl Subnet {
    /// Its uuid, as a text.
    pub fn uuid(&self) -> &str {
        self.text(field_name::SUBNET_UUID)
    }

    /// Whether this is its uuid.
    pub fn is(&self, uuid: Uuid) -> bool {
        Uuid::try_parse(self.uuid()).ok() == Some(uuid)
    }

    fn text(&self, name: &str) -> &str {
        self.entry.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its prefix; none if it is that of a flat ipam.
    pub fn prefix(&self) -> Option<IpNetwork> {
        ipam::parse_prefix(&json!({"subnet": self.entry.get("subnet")}))
    }

    /// The same as a text.
    pub fn cidr(&self) -> String {
        self.prefix().map_or_else(|| EVERYTHING.to_owned(), |prefix| prefix.to_string())
    }

    /// Its gateway, if it has one.
    pub fn gateway(&self) -> Option<IpAddr> {
        let gateway = ipam::parse_address(self.text(field_name::DEFAULT_GATEWAY))?;
        (!gateway.is_unspecified()).then_some(gateway)
    }

    fn members<'e>(&'e self, name: &str, list: &str) -> impl Iterator<Item = &'e Value> {
        let items = self.entry.get(name).and_then(|value| value.get(list)).and_then(Value::as_array);
        items.into_iter().flatten()
    }

    /// Its host routes: prefix and next hop, of those that have an address as next hop.
    pub fn host_routes(&self) -> impl Iterator<Item = (&str, IpAddr)> {
        self.members(field_name::HOST_ROUTES, field_name::ROUTE).filter_map(|route| {
            let next_hop = ipam::parse_address(route.get(field_name::NEXT_HOP)?.as_str()?)?;
            Some((route.get("prefix")?.as_str()?, next_hop))
        })
    }

    /// The servers of DNS.
    fn dns_servers(&self) -> Vec<&str> {
        let mut options = self.members(field_name::DHCP_OPTION_LIST, field_name::DHCP_OPTION);
        let option = options.find(|option| option.get(field_name::DHCP_OPTION_NAME) == Some(&DNS_SERVERS.into()));
        let servers = option.and_then(|option| option.get(field_name::DHCP_OPTION_VALUE)).and_then(Value::as_str);
        servers.map(|servers| servers.split_whitespace().collect()).unwrap_or_default()
    }

    fn pools(&self) -> Vec<Value> {
        let stored = self.entry.get(field_name::ALLOCATION_POOLS).and_then(Value::as_array);
        let stored: Vec<Value> = stored
            .into_iter()
            .flatten()
            .map(|pool| json!({"start": pool.get("start"), "end": pool.get("end")}))
            .collect();
        match self.prefix() {
            Some(prefix) if stored.is_empty() => vec![whole_pool(prefix, self.gateway())],
            _ => stored,
        }
    }
}

/// An address so far after another one.
fn after(address: IpAddr, by: i8) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(u32::from(address).wrapping_add_signed(by.into()).into()),
        IpAddr::V6(address) => IpAddr::V6(u128::from(address).wrapping_add_signed(by.into()).into()),
    }
}

/// What Neutron shows of a subnet without pools: all but the ends, and the gateway if it is the first address.
fn whole_pool(prefix: IpNetwork, gateway: Option<IpAddr>) -> Value {
    let first = after(prefix.network(), 1);
    let start = if gateway == Some(first) { after(first, 1) } else { first };
    json!({"start": start.to_string(), "end": after(prefix.broadcast(), -1).to_string()})
}

/// The subnets of a network, in the order in which it has them.
pub fn of_network(view: &View<'_>, network: &Object) -> Vec<Subnet> {
    let mut tags = tags::of_subnets(view.graph, network);
    let mut subnets = of_graph(view.graph, network);
    for subnet in &mut subnets {
        subnet.tags = tags.remove(subnet.uuid()).unwrap_or_default();
    }
    subnets
}

/// The same, without their tags.
pub fn of_graph(graph: &Graph, network: &Object) -> Vec<Subnet> {
    let reference = graph.model().object_type(network.type_id).reference(field_name::NETWORK_IPAM_REFS);
    let mut subnets = Vec::new();
    for link in reference.map(|(id, _)| network.links_of(id)).unwrap_or_default() {
        let ipam_name = graph.get(link.target).map(|ipam| Value::from(ipam.fq_name.elements()));
        let ipam_name = ipam_name.unwrap_or_default();
        for entry in entries(link.attribute.as_deref()) {
            if let Value::Object(entry) = entry {
                subnets.push(Subnet { ipam: link.target, ipam_name: ipam_name.clone(), entry, tags: Vec::new() });
            }
        }
    }
    subnets
}

/// The uuids of the subnets of a network.
pub fn uuids(network: &Object) -> impl Iterator<Item = String> {
    let entries = network.links.iter().flat_map(|link| entries(link.attribute.as_deref()));
    entries.filter_map(|entry| Some(entry.get(field_name::SUBNET_UUID)?.as_str()?.to_owned()))
}

/// What a reference to an ipam says of subnets.
fn entries(attribute: Option<&str>) -> Vec<Value> {
    let attribute: Value = attribute.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    match attribute.get(field_name::IPAM_SUBNETS) {
        Some(Value::Array(entries)) => entries.clone(),
        _ => Vec::new(),
    }
}

/// The networks that have a subnet of this uuid, and may be read.
pub fn networks_of<'v>(view: &View<'v>, subnet: Uuid) -> Answered<Vec<&'v Arc<Object>>> {
    let kind = view.type_id(type_name::VIRTUAL_NETWORK)?;
    view.ask(kind, crate::access::role_rules::Letter::Read, Vec::new())?;
    let scopes = view.graph.pools().scopes_of_subnet(subnet);
    Ok(scopes.filter_map(|scope| view.readable(kind, scope)).collect())
}

/// A subnet by its id, with its network.
///
/// # Errors
/// `SubnetNotFound` if there is none that may be read.
pub fn find<'v>(view: &View<'v>, id: &str) -> Answered<(&'v Arc<Object>, Subnet)> {
    let none = || missing(id.into());
    let uuid = super::envelope::uuid_of(id).ok_or_else(none)?;
    let network = networks_of(view, uuid)?.into_iter().next().ok_or_else(none)?;
    let subnet = of_network(view, network).into_iter().find(|subnet| subnet.is(uuid)).ok_or_else(none)?;
    Ok((network, subnet))
}

/// A subnet in an answer.
pub fn answer(view: &View<'_>, network: &Object, subnet: &Subnet) -> Value {
    let member = |name: &str| subnet.entry.get(name).cloned().unwrap_or_default();
    let prefix = subnet.prefix();
    let routes = subnet.members(field_name::HOST_ROUTES, field_name::ROUTE);
    let route = |route: &Value| json!({"destination": route.get("prefix"), "nexthop": route.get(field_name::NEXT_HOP)});
    let dns_servers = subnet.dns_servers();
    let is_shared = view.flag(network, field_name::IS_SHARED) || !network.permissions.shares.is_empty();
    let mut answer = json!({
        "id": subnet.uuid(),
        "name": subnet.text(field_name::SUBNET_NAME),
        "tenant_id": tenant_of(network),
        "network_id": network.uuid.to_string(),
        "ip_version": if prefix.is_some_and(|prefix| prefix.is_ipv6()) { 6 } else { 4 },
        "cidr": subnet.cidr(),
        "gateway_ip": subnet.gateway().map(|gateway| gateway.to_string()),
        "allocation_pools": subnet.pools(),
        "enable_dhcp": member(field_name::ENABLE_DHCP),
        "dns_nameservers": dns_servers,
        "host_routes": routes.map(route).collect::<Vec<_>>(),
        "shared": is_shared,
        "ipv6_ra_mode": null,
        "ipv6_address_mode": null,
        "tags": subnet.tags,
        "created_at": member("created"),
        "updated_at": member(field_name::LAST_MODIFIED),
    });
    let server = subnet.text(field_name::DNS_SERVER_ADDRESS);
    if view.options.contrail_extensions && dns_servers.is_empty() && !server.is_empty() {
        answer["dns_server_address"] = server.into();
    }
    answer
}

fn read(view: &View<'_>) -> Answered<Value> {
    let (network, subnet) = find(view, view.request.id())?;
    Ok(answer(view, network, &subnet))
}

/// NEU-SUB-L1: the subnets of the networks that a list of networks shows.
fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let filters = &view.request.filters;
    let kind = view.type_id(type_name::VIRTUAL_NETWORK)?;
    let named = match (filters.uuids("id"), filters.uuids("network_id")) {
        (Some(subnets), _) => {
            let mut networks = Vec::new();
            for subnet in subnets {
                networks.extend(networks_of(view, subnet)?);
            }
            Some(View::each_once(networks.into_iter()).collect())
        }
        (None, Some(networks)) => {
            view.ask(kind, crate::access::role_rules::Letter::Read, Vec::new())?;
            Some(networks.into_iter().filter_map(|network| view.readable(kind, network)).collect())
        }
        (None, None) => None,
    };
    let external = filters.flag("router:external");
    let networks = network::visible(view, named)?;
    let view = *view;
    let is_meant = move |network: &&Arc<Object>| {
        external.is_none_or(|external| view.flag(network, field_name::ROUTER_EXTERNAL) == external)
    };
    Ok(Box::new(networks.filter(is_meant).flat_map(move |network| {
        of_network(&view, network).into_iter().map(move |subnet| answer(&view, network, &subnet))
    })))
}

/// A prefix, without the bits of a host.
fn prefix_of(turn: &Turn<'_>, cidr: &str) -> Answered<IpNetwork> {
    let refuse = || turn.request.bad_request(format!("cidr must be a prefix like 10.0.0.0/24, not '{cidr}'"));
    let prefix: IpNetwork = cidr.parse().map_err(|_| refuse())?;
    IpNetwork::new(prefix.network(), prefix.prefix()).map_err(|_| refuse())
}

/// The servers of DNS that are given.
fn dns_nameservers<'r>(turn: &Turn<'r>) -> Answered<Option<Vec<&'r str>>> {
    let Some(servers) = turn.request.texts("dns_nameservers")? else { return Ok(None) };
    match servers.iter().find(|server| !(ADDRESS.1)(server)) {
        Some(wrong) => {
            Err(turn.request.bad_request(format!("each of dns_nameservers must be an address, not '{wrong}'")))
        }
        None => Ok(Some(servers)),
    }
}

/// The servers of DNS as an option of DHCP, beside the other options that there are.
fn dhcp_options(stored: Option<&Value>, servers: &[&str]) -> Value {
    let options = stored.and_then(|list| list.get(field_name::DHCP_OPTION)).and_then(Value::as_array);
    let is_other = |option: &&Value| option.get(field_name::DHCP_OPTION_NAME) != Some(&DNS_SERVERS.into());
    let mut options: Vec<Value> = options.into_iter().flatten().filter(is_other).cloned().collect();
    if !servers.is_empty() {
        options.push(json!({
            (field_name::DHCP_OPTION_NAME): DNS_SERVERS,
            (field_name::DHCP_OPTION_VALUE): servers.join(" "),
            (field_name::DHCP_OPTION_VALUE_BYTES): null,
        }));
    }
    if options.is_empty() { Value::Null } else { json!({ (field_name::DHCP_OPTION): options }) }
}

/// A member of an element of a list that has to be a text of a kind.
fn text_of_kind<'e>(
    turn: &Turn<'_>,
    (list, element): (&str, &'e Value),
    name: &str,
    (kind, is_of_kind): (&str, fn(&str) -> bool),
) -> Answered<&'e str> {
    let text = element.get(name).and_then(Value::as_str).filter(|text| is_of_kind(text));
    text.ok_or_else(|| turn.request.bad_request(format!("each of {list} must have {name}, {kind}, not {element}")))
}

const ADDRESS: (&str, fn(&str) -> bool) = ("an address", |text| ipam::parse_address(text).is_some());
const PREFIX: (&str, fn(&str) -> bool) = ("a prefix like 10.0.0.0/24", |text| text.parse::<IpNetwork>().is_ok());

/// Routes as the network has them.
fn host_routes(turn: &Turn<'_>, routes: &[Value]) -> Answered<Value> {
    let mut stored = Vec::with_capacity(routes.len());
    for route in routes {
        let route = ("host_routes", route);
        stored.push(json!({
            "prefix": text_of_kind(turn, route, "destination", PREFIX)?,
            (field_name::NEXT_HOP): text_of_kind(turn, route, "nexthop", ADDRESS)?,
            (field_name::NEXT_HOP_TYPE): null,
            (field_name::COMMUNITY_ATTRIBUTES): null,
        }));
    }
    Ok(if stored.is_empty() { Value::Null } else { json!({ (field_name::ROUTE): stored }) })
}

/// Pools as the network has them.
fn allocation_pools(turn: &Turn<'_>) -> Answered<Option<Value>> {
    let Some(pools) = turn.request.list("allocation_pools")? else { return Ok(None) };
    let mut stored = Vec::with_capacity(pools.len());
    for pool in pools {
        let pool = ("allocation_pools", pool);
        stored.push(json!({
            "start": text_of_kind(turn, pool, "start", ADDRESS)?,
            "end": text_of_kind(turn, pool, "end", ADDRESS)?,
            (field_name::VROUTER_SPECIFIC_POOL): null,
        }));
    }
    Ok(Some(stored.into()))
}

/// NEU-SUB-C2: the ipam of a new subnet.
fn ipam_for(turn: &Turn<'_>, network: &Object) -> Answered<Arc<Object>> {
    let view = turn.view();
    let kind = view.type_id(type_name::NETWORK_IPAM)?;
    if let Some(name) = turn.request.texts("ipam_fq_name")? {
        let ipam = view.graph.find(kind, &name).filter(|ipam| view.identity.may_read(ipam)).cloned();
        let missing = || turn.request.bad_request(format!("ipam_fq_name: there is no ipam {}", name.join(":")));
        return ipam.ok_or_else(missing);
    }
    let default = "default-network-ipam";
    let own = network.parent.and_then(|project| view.graph.get(project)).map(|project| project.fq_name.child(default));
    let own = own.and_then(|name| view.graph.find_joined(kind, name.joined()));
    let ipam = own.or_else(|| view.graph.find(kind, &["default-domain", "default-project", default])).cloned();
    ipam.ok_or_else(|| turn.request.bad_request("there is no default-network-ipam"))
}

/// What is refused of a network that gets, changes or loses a subnet.
fn refused(refused: Refused) -> Refused {
    let of_network = |rejection: &Rejection| Exception::BadRequest {
        resource: network::RESOURCE.name().into(),
        msg: rejection.text.to_string().into(),
    };
    refused.or_if(Kind::BadRequest, of_network).or_if(Kind::Conflict, of_network)
}

/// Writes what a network says of the subnets of one ipam; with none of them the reference goes.
fn write(turn: &mut Turn<'_>, network: &Object, ipam: Uuid, entries: Vec<Value>) -> Answered<Arc<Object>> {
    let view = turn.view();
    let link = view.links(network, field_name::NETWORK_IPAM_REFS).iter().find(|link| link.target == ipam);
    let attribute = link.and_then(|link| link.attribute.as_deref());
    let attribute: Value = attribute
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_else(|| json!({ (field_name::HOST_ROUTES): null }));
    let attribute = (!entries.is_empty()).then(|| {
        let mut members = attribute.as_object().cloned().unwrap_or_default();
        members.insert(field_name::IPAM_SUBNETS.to_owned(), entries.into());
        Value::from(members)
    });
    turn.change_reference(network, field_name::NETWORK_IPAM_REFS, ipam, attribute)
}

/// The entries of one ipam.
fn entries_of(turn: &Turn<'_>, network: &Object, ipam: Uuid) -> Vec<Value> {
    let subnets = of_network(&turn.view(), network).into_iter().filter(|subnet| subnet.ipam == ipam);
    subnets.map(|subnet| subnet.entry.into()).collect()
}

fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let network_id = request.required("network_id", request.text("network_id")?)?;
    let cidr = request.required("cidr", request.text("cidr")?)?;
    let version = request.required("ip_version", request.given("ip_version"))?;
    let network = Arc::clone(turn.view().find(type_name::VIRTUAL_NETWORK, network_id, network::missing)?);
    let prefix = prefix_of(turn, cidr)?;
    let is_version = |number: u64| version.as_u64() == Some(number) || *version == number.to_string().as_str();
    // NEU-SUB-C3
    if !is_version(if prefix.is_ipv4() { 4 } else { 6 }) {
        let version = version.as_str().map_or_else(|| version.to_string(), str::to_owned);
        let error_message = format!("cidr '{cidr}' does not match the ip_version '{version}'").into();
        return Err(Exception::InvalidInput { error_message }.into());
    }
    let ipam = ipam_for(turn, &network)?;
    let same = of_network(&turn.view(), &network).into_iter().find(|subnet| subnet.prefix() == Some(prefix));
    if let Some(same) = same {
        let text = format!("Cidr {prefix} overlaps with another subnet of subnet {}", same.uuid());
        return Err(request.bad_request(text));
    }
    let uuid = request.uuid("id")?.unwrap_or_else(|| turn.new_uuid());
    if turn.view().graph.pools().scopes_of_subnet(uuid).next().is_some() {
        return Err(Exception::Conflict { msg: format!("There is a subnet {uuid}").into() }.into());
    }
    let mut entries = entries_of(turn, &network, ipam.uuid);
    entries.push(new_entry(turn, prefix, uuid)?.into());
    let network = write(turn, &network, ipam.uuid, entries).map_err(refused)?;
    finish(turn, &network, uuid)
}

/// NEU-SUB-C1
fn new_entry(turn: &Turn<'_>, prefix: IpNetwork, uuid: Uuid) -> Answered<Map<String, Value>> {
    let request = turn.request;
    // Whoever reads values by their types finds all members.
    let empty = json!({
        (field_name::ALLOC_UNIT): 1, (field_name::ALLOCATION_POOLS): [], (field_name::DHCP_RELAY_SERVER): [],
        (field_name::DNS_NAMESERVERS): [], (field_name::HOST_ROUTES): null, (field_name::SUBSCRIBER_TAG): null,
        (field_name::VLAN_TAG): null,
    });
    let mut entry = empty.as_object().cloned().unwrap_or_default();
    let mut set = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    set("subnet", json!({"ip_prefix": prefix.network().to_string(), "ip_prefix_len": prefix.prefix()}));
    set(field_name::SUBNET_UUID, uuid.to_string().into());
    set(field_name::SUBNET_NAME, request.text("name")?.unwrap_or_default().into());
    set(field_name::ADDR_FROM_START, true.into());
    if let Some(enable_dhcp) = request.flag("enable_dhcp")? {
        set(field_name::ENABLE_DHCP, enable_dhcp.into());
    }
    // Null leaves it to the rules, which take the first address, too.
    let gateway = match request.text("gateway_ip")? {
        None if request.body.contains_key("gateway_ip") => None,
        None => Some(after(prefix.network(), 1).to_string()),
        Some(gateway) if gateway.is_empty() || (ADDRESS.1)(gateway) => Some(gateway.to_owned()),
        Some(gateway) => return Err(request.bad_request(format!("gateway_ip must be an address, not '{gateway}'"))),
    };
    if let Some(gateway) = gateway {
        set(field_name::DEFAULT_GATEWAY, gateway.into());
    }
    if let Some(pools) = allocation_pools(turn)? {
        set(field_name::ALLOCATION_POOLS, pools);
    }
    let servers = dns_nameservers(turn)?.unwrap_or_default();
    set(field_name::DHCP_OPTION_LIST, dhcp_options(None, &servers));
    if turn.view().options.strict_compliance {
        set(field_name::DNS_SERVER_ADDRESS, "0.0.0.0".into());
    } else if let Some(first) = servers.first() {
        set(field_name::DNS_SERVER_ADDRESS, (*first).into());
    }
    if let Some(routes) = request.list("host_routes")? {
        set(field_name::HOST_ROUTES, host_routes(turn, routes)?);
    }
    let now = turn.now().to_string();
    set("created", now.as_str().into());
    set(field_name::LAST_MODIFIED, now.into());
    Ok(entry)
}

fn written(turn: &Turn<'_>, network: &Object, uuid: Uuid) -> Answered<Subnet> {
    let subnet = of_network(&turn.view(), network).into_iter().find(|subnet| subnet.is(uuid));
    Ok(subnet.ok_or_else(|| Rejection::internal("a subnet has gone within its request"))?)
}

/// What is left to do when a subnet was written: its tags, and the answer, as the rules have completed it.
fn finish(turn: &mut Turn<'_>, network: &Arc<Object>, uuid: Uuid) -> Answered<Value> {
    let subnet = written(turn, network, uuid)?;
    let network = tags::add_given_to_subnet(turn, network, &subnet)?;
    let subnet = written(turn, &network, uuid)?;
    Ok(answer(&turn.view(), &network, &subnet))
}

/// Where the service of a subnet is asked whose service address was a server of DNS elsewhere: at one of its first addresses that is
/// free.
fn service_address(turn: &Turn<'_>, network: &Object, subnet: &Subnet) -> Option<IpAddr> {
    let prefix = subnet.prefix()?;
    if ipam::parse_address(subnet.text(field_name::DNS_SERVER_ADDRESS)).is_none_or(|now| prefix.contains(now)) {
        return None;
    }
    let view = turn.view();
    let is_free = |address: &IpAddr| {
        Some(*address) != subnet.gateway() && view.graph.pools().holder(network.uuid, *address).is_none()
    };
    (1..=3).map(|by| after(prefix.network(), by)).find(is_free)
}

/// NEU-SUB-U1, NEU-SUB-U2
fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let (network, subnet) = find(&turn.view(), request.id()).map(|(network, subnet)| (Arc::clone(network), subnet))?;
    let uuid = Uuid::try_parse(subnet.uuid()).unwrap_or_default();
    if let Some(gateway) = request.text("gateway_ip")? {
        let given = ipam::parse_address(gateway).filter(|gateway| !gateway.is_unspecified());
        if given != subnet.gateway() {
            return Err(bad_request(RESOURCE.name(), "update of gateway is not supported"));
        }
    }
    let mut entry = subnet.entry.clone();
    let mut set = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    if let Some(name) = request.text("name")? {
        set(field_name::SUBNET_NAME, name.into());
    }
    if let Some(enable_dhcp) = request.flag("enable_dhcp")? {
        set(field_name::ENABLE_DHCP, enable_dhcp.into());
    }
    if let Some(routes) = request.list("host_routes")? {
        set(field_name::HOST_ROUTES, host_routes(turn, routes)?);
    }
    if let Some(pools) = allocation_pools(turn)? {
        set(field_name::ALLOCATION_POOLS, pools);
    }
    if let Some(servers) = dns_nameservers(turn)? {
        set(field_name::DHCP_OPTION_LIST, dhcp_options(subnet.entry.get(field_name::DHCP_OPTION_LIST), &servers));
        let enables = entry.get(field_name::ENABLE_DHCP) != Some(&Value::Bool(false));
        if let Some(address) = service_address(turn, &network, &subnet).filter(|_| servers.is_empty() && enables) {
            entry.insert(field_name::DNS_SERVER_ADDRESS.to_owned(), address.to_string().into());
        }
    }
    entry.insert(field_name::LAST_MODIFIED.to_owned(), turn.now().to_string().into());
    let entries = entries_of(turn, &network, subnet.ipam).into_iter();
    let is_meant = |known: &Value| known.get(field_name::SUBNET_UUID).and_then(Value::as_str) == Some(subnet.uuid());
    let entries = entries.map(|known| if is_meant(&known) { entry.clone().into() } else { known }).collect();
    let network = write(turn, &network, subnet.ipam, entries).map_err(refused)?;
    if request.given("host_routes").is_some() {
        port::follow_subnet(turn, &network, &subnet)?;
    }
    finish(turn, &network, uuid)
}

/// NEU-SUB-D1
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let (network, subnet) =
        find(&turn.view(), turn.request.id()).map(|(network, subnet)| (Arc::clone(network), subnet))?;
    let mut entries = entries_of(turn, &network, subnet.ipam);
    entries.retain(|known| known.get(field_name::SUBNET_UUID).and_then(Value::as_str) != Some(subnet.uuid()));
    let in_use = |_: &Rejection| Exception::SubnetInUse { subnet_id: subnet.uuid().into() };
    let network = write(turn, &network, subnet.ipam, entries)
        .map_err(|refused| refused.or_if(Kind::Conflict, in_use))
        .map_err(refused)?;
    tags::forget_subnet(turn, &network, &subnet)?;
    Ok(Value::Null)
}
