//! network: a virtual-network, and the pool of floating ips of an external one (NEU-NET-*).

use super::{
    exception::Exception,
    refused::{Answered, Refused},
    resource::{Answers, List, Resource, Verb, usual},
    subnet::{self, Subnet},
    tags,
    turn::Turn,
    view::{View, is_shared_with, tenant_of},
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{Kind, string_list},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/network",
    meaning: "networks",
    needs_fwaas: false,
    operations: &usual(create, read, update, delete, &LIST),
    example: (Verb::ReadAll, r#"{"filters": {"name": ["blue"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: None };

const FIELDS: &[&str] = &[
    "id",
    "name",
    "tenant_id",
    "project_id",
    "admin_state_up",
    "status",
    "shared",
    "router:external",
    "mtu",
    "provider:physical_network",
    "provider:segmentation_id",
    "subnets",
    "port_security_enabled",
    "description",
    "tags",
    "fq_name",
];

/// What the pool of an external network is called (NEU-NET-C2).
const POOL: &str = "floating-ip-pool";

/// NEU-NET-R1: that there is no such network.
pub fn missing(net_id: Value) -> Exception {
    Exception::NetworkNotFound { net_id }
}

fn in_use(network: &Object) -> Exception {
    Exception::NetworkInUse { net_id: network.uuid.to_string().into() }
}

/// A network in an answer.
pub fn answer(view: &View<'_>, network: &Object) -> Value {
    let is_enabled = view.is_enabled(network);
    let tenant = tenant_of(network);
    let subnets = subnet::of_network(view, network);
    let port_security = view.property(network, field_name::PORT_SECURITY_ENABLED) != Some(Value::Bool(false));
    let mut answer = Map::from_iter(
        [
            ("id", network.uuid.to_string().into()),
            ("name", view.shown_name(network).into()),
            ("tenant_id", tenant.as_str().into()),
            ("project_id", tenant.as_str().into()),
            ("admin_state_up", is_enabled.into()),
            ("status", if is_enabled { "ACTIVE" } else { "DOWN" }.into()),
            ("shared", is_shared(view, network).into()),
            ("router:external", view.flag(network, field_name::ROUTER_EXTERNAL).into()),
            ("mtu", view.property(network, field_name::MTU).unwrap_or_default()),
            ("subnets", subnets.iter().map(Subnet::uuid).collect()),
            ("port_security_enabled", port_security.into()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    );
    if let Some(provider) = view.property(network, field_name::PROVIDER_PROPERTIES) {
        let member = |name: &str| provider.get(name).cloned().unwrap_or_default();
        answer.insert("provider:physical_network".to_owned(), member(field_name::PHYSICAL_NETWORK));
        answer.insert("provider:segmentation_id".to_owned(), member(field_name::SEGMENTATION_ID));
    }
    view.add_common(&mut answer, network);
    if view.options.contrail_extensions {
        add_extensions(view, network, &subnets, &mut answer);
    }
    answer.into()
}

fn add_extensions(view: &View<'_>, network: &Object, subnets: &[Subnet], answer: &mut Map<String, Value>) {
    answer.insert("fq_name".to_owned(), network.fq_name.elements().into());
    let policies = policies(view, network);
    if !policies.is_empty() {
        answer.insert("policys".to_owned(), policies.into());
    }
    let tables = view.targets(network, field_name::ROUTE_TABLE_REFS).into_iter();
    let tables: Vec<Value> = tables.map(|table| table.fq_name.elements().into()).collect();
    if !tables.is_empty() {
        answer.insert("route_table".to_owned(), tables.into());
    }
    if !view.links(network, field_name::NETWORK_IPAM_REFS).is_empty() {
        let of = |subnet: &Subnet| json!({"subnet_cidr": subnet.cidr(), "ipam_fq_name": subnet.ipam_name});
        answer.insert("subnet_ipam".to_owned(), subnets.iter().map(of).collect());
    }
}

/// The names of policies in the order in which they hold.
fn policies(view: &View<'_>, network: &Object) -> Vec<Value> {
    let sequence = |attribute: Option<&str>| {
        let attribute: Value = attribute.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let number = |name: &str| attribute.pointer(&format!("/sequence/{name}")).and_then(Value::as_i64).unwrap_or(0);
        (number("major"), number("minor"))
    };
    let links = view.links(network, field_name::NETWORK_POLICY_REFS).iter();
    let mut policies: Vec<_> = links
        .filter_map(|link| {
            let policy = view.graph.get(link.target).filter(|policy| view.identity.may_read(policy))?;
            Some((sequence(link.attribute.as_deref()), Value::from(policy.fq_name.elements())))
        })
        .collect();
    policies.sort_by_key(|(sequence, _)| *sequence);
    policies.into_iter().map(|(_, name)| name).collect()
}

/// Whether a network is shared with everybody, or with the tenant of the context.
fn is_shared(view: &View<'_>, network: &Object) -> bool {
    view.flag(network, field_name::IS_SHARED)
        || view.request.tenant().is_ok_and(|tenant| is_shared_with(network, tenant))
}

/// NEU-NET-L2: whether lists of the context show a network.
fn is_visible(view: &View<'_>, network: &Object, tenant: Option<Uuid>) -> bool {
    view.is_admin()
        || network.parent == tenant
        || view.flag(network, field_name::IS_SHARED)
        || view.flag(network, field_name::ROUTER_EXTERNAL)
        || tenant.is_some_and(|tenant| is_shared_with(network, tenant))
}

/// NEU-NET-L1, NEU-NET-L2: the networks that a list looks at: of an admin all, or those of the tenants named; of a member its own,
/// those of everybody, external ones, and those shared with it. With `ids` only these of them.
///
/// # Errors
/// `BadRequest` for a tenant that is no uuid, 403 where roles may not read networks.
pub fn visible<'v>(
    view: &View<'v>,
    ids: Option<Vec<&'v Arc<Object>>>,
) -> Answered<Box<dyn Iterator<Item = &'v Arc<Object>> + 'v>> {
    let view = *view;
    let tenant = if view.is_admin() { None } else { Some(view.request.tenant()?) };
    if let Some(ids) = ids {
        return Ok(Box::new(ids.into_iter().filter(move |network| is_visible(&view, network, tenant))));
    }
    let own = view.of_tenants(type_name::VIRTUAL_NETWORK)?;
    let Some(tenant) = tenant else { return Ok(own) };
    let shared = view.shared_with(view.type_id(type_name::VIRTUAL_NETWORK)?, tenant);
    let shared = shared.filter(move |network| is_visible(&view, network, Some(tenant)));
    Ok(Box::new(View::each_once(own.chain(shared))))
}

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let networks = visible(view, view.of_ids(type_name::VIRTUAL_NETWORK)?)?;
    let view = *view;
    Ok(Box::new(networks.map(move |network| answer(&view, network))))
}

fn read(view: &View<'_>) -> Answered<Value> {
    let network = view.find(type_name::VIRTUAL_NETWORK, view.request.id(), missing)?;
    Ok(answer(view, network))
}

/// What a request says of a network, as the body of an object. Only what is given is in there (NEU-NET-U1).
fn body(turn: &Turn<'_>) -> Answered<Map<String, Value>> {
    let request = turn.request;
    let mut body = Map::new();
    if let Some(id_perms) = turn.id_perms()? {
        body.insert(field_name::ID_PERMS.to_owned(), id_perms);
    }
    for (given, field) in [
        ("shared", field_name::IS_SHARED),
        ("router:external", field_name::ROUTER_EXTERNAL),
        ("port_security_enabled", field_name::PORT_SECURITY_ENABLED),
    ] {
        if let Some(flag) = request.flag(given)? {
            body.insert(field.to_owned(), flag.into());
        }
    }
    // Null takes it away.
    if request.body.contains_key("mtu") {
        body.insert(field_name::MTU.to_owned(), request.integer("mtu")?.into());
    }
    // NEU-NET-C3: what is missing of them the rules say.
    let provider = [
        (field_name::PHYSICAL_NETWORK, request.text("provider:physical_network")?.map(Value::from)),
        (field_name::SEGMENTATION_ID, request.integer("provider:segmentation_id")?.map(Value::from)),
    ];
    let provider: Map<String, Value> =
        provider.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect();
    if !provider.is_empty() {
        body.insert(field_name::PROVIDER_PROPERTIES.to_owned(), provider.into());
    }
    // NEU-NET-C4
    if let Some(policies) = request.list("policys")? {
        if let Some(wrong) = policies.iter().find(|name| string_list(name).is_none_or(|name| name.is_empty())) {
            return Err(request.bad_request(format!("each of policys must be a list of names, not {wrong}")));
        }
        let reference = |(position, name): (usize, &Value)| json!({"to": name, "attr": {"sequence": {"major": position, "minor": 0}, "timer": null}});
        let references = policies.iter().enumerate().map(reference).collect();
        body.insert(field_name::NETWORK_POLICY_REFS.to_owned(), references);
    }
    if let Some(table) = request.texts("route_table")?.filter(|table| !table.is_empty()) {
        body.insert(field_name::ROUTE_TABLE_REFS.to_owned(), json!([{"to": table}]));
    }
    Ok(body)
}

/// Makes the pool of an external network (NEU-NET-C2), which is its tenant's and open to all.
fn make_pool(turn: &mut Turn<'_>, network: &Arc<Object>) -> Answered<()> {
    let owner = network.parent.map(|tenant| tenant.to_string());
    let body = json!({
        "fq_name": network.fq_name.child(POOL).elements(),
        "parent_type": type_name::VIRTUAL_NETWORK,
        "perms2": {"owner": owner, "owner_access": 7, "global_access": 7, "share": []},
    });
    turn.create(type_name::FLOATING_IP_POOL, body, None).map(|_| ())
}

/// The pools of a network.
fn pools(view: &View<'_>, network: &Object) -> Answered<Vec<Arc<Object>>> {
    let kind = view.type_id(type_name::FLOATING_IP_POOL)?;
    Ok(view.graph.children_of(network.uuid, kind).cloned().collect())
}

/// Takes the pools of a network away, with the floating ips that no port has.
///
/// # Errors
/// `NetworkInUse` where a port has one, or a pool is in use otherwise.
fn delete_pools(turn: &mut Turn<'_>, network: &Object) -> Answered<()> {
    for pool in pools(&turn.view(), network)? {
        let view = turn.view();
        let kind = view.type_id(type_name::FLOATING_IP)?;
        let floating_ips: Vec<Arc<Object>> = view.graph.children_of(pool.uuid, kind).cloned().collect();
        let is_used =
            |address: &Arc<Object>| !view.links(address, field_name::VIRTUAL_MACHINE_INTERFACE_REFS).is_empty();
        if floating_ips.iter().any(is_used) {
            return Err(in_use(network).into());
        }
        for floating_ip in floating_ips {
            turn.delete(&floating_ip)?;
        }
        turn.delete(&pool).map_err(|refused| refused.or_if(Kind::Conflict, |_| in_use(network)))?;
    }
    Ok(())
}

/// NEU-NET-C1, NEU-NET-C5. Whether the tenant is that of who asks is not looked at (NEU-GEN-5): what may be made in a project the
/// rules say.
fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let tenant = turn.request.tenant_of_body()?;
    let project = Arc::clone(turn.view().project(tenant)?);
    let mut body = body(turn)?;
    for name in [field_name::IS_SHARED, field_name::ROUTER_EXTERNAL] {
        body.entry(name).or_insert(false.into());
    }
    if body.get(field_name::MTU).is_some_and(Value::is_null) {
        body.shift_remove(field_name::MTU);
    }
    let is_external = body.get(field_name::ROUTER_EXTERNAL) == Some(&Value::Bool(true));
    if is_external {
        let perms2 = json!({"owner": project.uuid.to_string(), "owner_access": 7, "global_access": 5, "share": []});
        body.insert(field_name::PERMS2.to_owned(), perms2);
    }
    let network = turn.create_named(type_name::VIRTUAL_NETWORK, &project, body.into())?;
    if is_external {
        make_pool(turn, &network)?;
    }
    let network = turn.now_of(&network)?;
    let network = tags::add_given(turn, &network)?;
    Ok(answer(&turn.view(), &network))
}

/// NEU-NET-U2: a network that others have ports on stays shared.
fn check_unsharing(view: &View<'_>, network: &Object, body: &Map<String, Value>) -> Answered<()> {
    let ends =
        body.get(field_name::IS_SHARED) == Some(&Value::Bool(false)) && view.flag(network, field_name::IS_SHARED);
    if !ends {
        return Ok(());
    }
    let kind = view.type_id(type_name::VIRTUAL_MACHINE_INTERFACE)?;
    if view.graph.referrers(network.uuid, kind).any(|port| port.parent != network.parent) {
        return Err(Exception::InvalidSharedSetting { network: view.shown_name(network).into() }.into());
    }
    Ok(())
}

fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let network = Arc::clone(turn.view().find(type_name::VIRTUAL_NETWORK, turn.request.id(), missing)?);
    let mut body = body(turn)?;
    // NEU-GEN-2, NEU-GEN-3
    if let Some(name) = turn.request.text("name")?.filter(|name| !name.is_empty()) {
        body.insert(field_name::DISPLAY_NAME.to_owned(), name.into());
    }
    check_unsharing(&turn.view(), &network, &body)?;
    let was_external = turn.view().flag(&network, field_name::ROUTER_EXTERNAL);
    // NEU-NET-U3
    match body.get(field_name::ROUTER_EXTERNAL) {
        Some(Value::Bool(true)) if !was_external && pools(&turn.view(), &network)?.is_empty() => {
            make_pool(turn, &network)?;
        }
        Some(Value::Bool(false)) if was_external => delete_pools(turn, &network)?,
        _ => {}
    }
    // NEU-NET-U4
    let contradicts = |refused: Refused| {
        let bad = |rejection: &crate::rules::Rejection| Exception::BadRequest {
            resource: RESOURCE.name().into(),
            msg: rejection.text.to_string().into(),
        };
        refused.or_if(Kind::Conflict, bad)
    };
    let network = turn.update(&network, body.into()).map_err(contradicts)?;
    let network = tags::add_given(turn, &network)?;
    Ok(answer(&turn.view(), &network))
}

/// NEU-NET-D1
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let found = turn.view().find_if_there(type_name::VIRTUAL_NETWORK, turn.request.id())?.cloned();
    let Some(network) = found else { return Ok(Value::Null) };
    delete_pools(turn, &network)?;
    turn.delete(&network).map_err(|refused| refused.or_if(Kind::Conflict, |_| in_use(&network)))?;
    Ok(Value::Null)
}
