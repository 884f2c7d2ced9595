//! virtual-network (contrail-api R21: VN-*).
//!
//! Its subnets (VN-C6) are in `subnets.rs`; the network itself counts in the quota as all types do (VN-C12). What it is
//! part of, or refers to it, stops its delete; routing instances and access control lists do not, they are derived
//! (VN-D1). With the object go its subnets, what `ip-alloc` has taken of them, and its id: there is no other book of
//! them (VN-D2, VN-D4, ADM-S6).

use crate::{
    access::Right,
    graph::{Graph, Hold, NumberPool, Object},
    model::{field_name, type_name},
    python_literal,
    rules::{
        engine::{
            Decision, Draft, Kind, NewLink, Rejection, RuleId, Rules, Work, access, budget, document::canonical_uuid,
            rule,
        },
        shared::{
            addresses::{self, Version, Wish},
            bgpvpn, routed_network, subnets, vxlan,
        },
        types::route_target,
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
    sync::Arc,
};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules =
    Rules { before_create, after_create, before_update, after_update, before_delete, ..Rules::NONE };

const NETWORK_ID: &str = field_name::VIRTUAL_NETWORK_NETWORK_ID;
const ROUTE_TARGET_LISTS: [&str; 3] =
    [field_name::ROUTE_TARGET_LIST, field_name::IMPORT_ROUTE_TARGET_LIST, field_name::EXPORT_ROUTE_TARGET_LIST];

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_service_chains(draft)?;
    // VN-C2: sharing and global access say the same.
    if global_access(draft.given(field_name::PERMS2)) == Some(7) {
        draft.set(field_name::IS_SHARED, true.into());
    } else if draft.given(field_name::IS_SHARED) == Some(&Value::Bool(true)) {
        set_global_access(draft, 7);
    } else {
        draft.set(field_name::IS_SHARED, false.into());
    }
    // VN-C3
    if draft.given(NETWORK_ID).is_some_and(|id| !id.is_null()) {
        return Err(Rejection::forbidden("Cannot set the virtual network ID").by(rule::VN_C3).about(NETWORK_ID));
    }
    route_target::check_lists(work, draft, &ROUTE_TARGET_LISTS)?;
    check_provider_properties(draft, Kind::BadRequest, rule::VN_C8, "create")?;
    check_provider_network(work, draft)?;
    bgpvpn::check_network(work, draft)?;
    subnets::complete_network(work, draft)?;
    let vxlan = check_vxlan_id(work, draft)?;
    // VN-C5
    let numbers = work.graph.numbers();
    let mut id = numbers.next_free(NumberPool::VirtualNetwork);
    if let Some(vxlan) = vxlan.filter(|vxlan| id == Some(*vxlan)) {
        id = numbers.next_free_after(NumberPool::VirtualNetwork, vxlan);
    }
    let id = id.ok_or_else(|| Rejection::conflict("No virtual network ID is free").by(rule::VN_C5))?;
    draft.set(NETWORK_ID, id.into());
    Ok(())
}

/// VN-C4, VN-U5: a VXLAN id is the network's own number, or one that nobody has. It is taken as long as it is stored.
fn check_vxlan_id(work: &Work, draft: &Draft) -> Decision<Option<u64>> {
    let identifier = |value: Option<&Value>| value?.get(field_name::VXLAN_NETWORK_IDENTIFIER)?.as_u64();
    let Some(given) = identifier(draft.given(field_name::VIRTUAL_NETWORK_PROPERTIES)) else { return Ok(None) };
    let stored = identifier(draft.stored_value(field_name::VIRTUAL_NETWORK_PROPERTIES).as_ref());
    let own = draft.stored_value(NETWORK_ID).as_ref().and_then(Value::as_u64);
    if Some(given) != stored && Some(given) != own {
        let rule = if draft.stored.is_none() { rule::VN_C4 } else { rule::VN_U5 };
        let field = "virtual_network_properties.vxlan_network_identifier";
        vxlan::check_free(work, given).map_err(|refusal| refusal.by(rule).about(field))?;
    }
    Ok(Some(given))
}

/// VN-C11: the default routing instance is part of the network.
fn after_create(work: &mut Work, network: &Arc<Object>) -> Decision<()> {
    let snat = work.property(network, field_name::FABRIC_SNAT) == Some(Value::Bool(true));
    add_routing_instance(work, network, network.fq_name.name(), true, snat)?;
    Ok(())
}

/// Adds a routing instance below a network.
///
/// # Errors
/// Internal, if the model lacks the type.
pub fn add_routing_instance(
    work: &mut Work,
    network: &Arc<Object>,
    name: &str,
    is_default: bool,
    snat: bool,
) -> Decision<Arc<Object>> {
    let mut draft = Draft::child(work, network, type_name::ROUTING_INSTANCE, name)?;
    draft.set(field_name::ROUTING_INSTANCE_IS_DEFAULT, is_default.into());
    draft.set(field_name::ROUTING_INSTANCE_FABRIC_SNAT, snat.into());
    Ok(work.save(&draft))
}

/// The default routing instance of a network.
pub fn default_routing_instance(work: &Work, network: &Object) -> Option<Arc<Object>> {
    let kind = work.graph.model().find(type_name::ROUTING_INSTANCE)?;
    let joined = network.fq_name.child(network.fq_name.name());
    work.graph.find_joined(kind, joined.joined()).cloned()
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // VN-U1
    if draft.fq_name.joined().as_ref() == "default-domain:default-project:__link_local__" {
        return Ok(());
    }
    check_sharing(draft)?;
    // VN-U3
    route_target::check_lists(work, draft, &ROUTE_TARGET_LISTS)?;
    check_provider_update(draft)?;
    // VN-U4: clients send back what they read.
    if draft.given(NETWORK_ID).is_some() && draft.value(NETWORK_ID) != draft.stored_value(NETWORK_ID) {
        return Err(Rejection::forbidden("Cannot update the virtual network ID").by(rule::VN_U4).about(NETWORK_ID));
    }
    // VN-U6
    let is_provider = |value: Option<Value>| value == Some(Value::Bool(true));
    if is_provider(draft.stored_value(field_name::IS_PROVIDER_NETWORK))
        && !is_provider(draft.value(field_name::IS_PROVIDER_NETWORK))
    {
        let text =
            format!("Update is_provider_network propertyfrom True to False of VN ({}) is not allowed", draft.uuid);
        return Err(Rejection::bad_request(text).by(rule::VN_U6).about(field_name::IS_PROVIDER_NETWORK));
    }
    check_provider_network(work, draft)?;
    check_service_chains(draft)?;
    // VN-C10, VN-U7
    bgpvpn::check_network(work, draft)?;
    check_vxlan_id(work, draft)?;
    subnets::complete_network(work, draft)?;
    routed_network::update(work, draft)
}

/// VN-U12: source NAT is set on the routing instance, too.
fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    subnets::record_subnets(work, before, after);
    let (old, new) = (work.property(before, field_name::FABRIC_SNAT), work.property(after, field_name::FABRIC_SNAT));
    if old == new {
        return Ok(());
    }
    if let Some(instance) = default_routing_instance(work, after) {
        let mut draft = Draft::update(work, &instance);
        draft.set(field_name::ROUTING_INSTANCE_FABRIC_SNAT, new.unwrap_or(Value::Bool(false)));
        work.save(&draft);
    }
    Ok(())
}

/// VN-D5: the networks of the system stay. Those of others go with all their routing instances, and what refers to
/// these loses that (VN-D3).
fn before_delete(_work: &mut Work, network: &Arc<Object>) -> Decision<()> {
    let system = ["default-domain:default-project:ip-fabric", "default-domain:default-project:__link_local__"];
    if system.contains(&network.fq_name.joined().as_ref()) {
        let text = format!("Can not delete system created default virtual-network {}", network.uuid);
        return Err(Rejection::conflict(text).by(rule::VN_D5));
    }
    Ok(())
}

/// VN-C1: a chain over several policies and one target both ways exclude each other.
fn check_service_chains(draft: &Draft) -> Decision<()> {
    if draft.value(field_name::MULTI_POLICY_SERVICE_CHAINS_ENABLED) != Some(Value::Bool(true)) {
        return Ok(());
    }
    let targets = |name: &str| -> Vec<Value> {
        let value = draft.value(name);
        value.as_ref().and_then(|value| value.get(field_name::ROUTE_TARGET)?.as_array().cloned()).unwrap_or_default()
    };
    let [both, import, export] = ROUTE_TARGET_LISTS.map(targets);
    let export: HashSet<&str> = export.iter().filter_map(Value::as_str).collect();
    if !both.is_empty() || import.iter().filter_map(Value::as_str).any(|target| export.contains(target)) {
        let text = "Multi policy service chains are not supported, with both import export external route targets";
        return Err(Rejection::conflict(text).by(rule::VN_C1).about(field_name::MULTI_POLICY_SERVICE_CHAINS_ENABLED));
    }
    Ok(())
}

/// VN-C8, VN-U3.
fn check_provider_properties(draft: &Draft, kind: Kind, rule: RuleId, operation: &str) -> Decision<()> {
    let Some(properties) = draft.given(field_name::PROVIDER_PROPERTIES).and_then(Value::as_object) else {
        return Ok(());
    };
    for (name, title) in
        [(field_name::SEGMENTATION_ID, "Segmenation ID"), (field_name::PHYSICAL_NETWORK, "Physical Network")]
    {
        if properties.get(name).is_none_or(Value::is_null) {
            let text = format!("{title} must be configured to {operation}");
            return Err(Rejection::new(kind, text).by(rule).about(format!("provider_properties.{name}")));
        }
    }
    Ok(())
}

/// VN-U3: what is not sent is completed; on a provider network nothing may change.
fn check_provider_update(draft: &mut Draft) -> Decision<()> {
    let Some(Value::Object(mut given)) = draft.given(field_name::PROVIDER_PROPERTIES).cloned() else { return Ok(()) };
    let stored = draft.stored_value(field_name::PROVIDER_PROPERTIES);
    let is_provider = draft.stored_value(field_name::IS_PROVIDER_NETWORK) == Some(Value::Bool(true));
    if let Some(stored) = stored.as_ref().and_then(Value::as_object).filter(|_| is_provider) {
        for (name, value) in stored {
            given.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if given != *stored {
            let text = format!("Update provider_details propertyof provider VN ({}) is not allowed", draft.uuid);
            return Err(Rejection::conflict(text).by(rule::VN_U3).about(field_name::PROVIDER_PROPERTIES));
        }
        draft.set(field_name::PROVIDER_PROPERTIES, Value::Object(given));
    }
    check_provider_properties(draft, Kind::Conflict, rule::VN_U3, "update")
}

/// VN-C9: references between networks lead from a network to its one provider network. What the request leaves out is
/// as it is stored.
fn check_provider_network(work: &Work, draft: &Draft) -> Decision<()> {
    if draft.given_links(field_name::VIRTUAL_NETWORK_REFS).is_none()
        && draft.given(field_name::IS_PROVIDER_NETWORK).is_none()
    {
        return Ok(());
    }
    let links = draft.links(field_name::VIRTUAL_NETWORK_REFS);
    let is_provider = |uuid: &Uuid| {
        let network = work.graph.get(*uuid);
        network.and_then(|network| work.property(network, field_name::IS_PROVIDER_NETWORK)) == Some(Value::Bool(true))
    };
    let targets: Vec<Uuid> = links.iter().map(|link| link.target).collect();
    let printed = |uuids: &[Uuid]| python_literal::list(uuids.iter().map(Uuid::to_string));
    let uuid = draft.uuid;
    if draft.value(field_name::IS_PROVIDER_NETWORK) == Some(Value::Bool(true)) {
        let providers: Vec<Uuid> = targets.iter().copied().filter(is_provider).collect();
        if !providers.is_empty() {
            let text = format!("Provider VN ({uuid}) can not connect to another provider VN ({})", printed(&providers));
            return Err(Rejection::bad_request(text)
                .by(rule::VN_C9)
                .about(field_name::VIRTUAL_NETWORK_REFS)
                .because_of(providers));
        }
        return Ok(());
    }
    if targets.len() > 1 {
        let text = format!(
            "Non Provider VN ({uuid}) can connect to one provider VN but trying to connect to VN ({})",
            printed(&targets)
        );
        return Err(Rejection::bad_request(text)
            .by(rule::VN_C9)
            .about(field_name::VIRTUAL_NETWORK_REFS)
            .because_of(targets));
    }
    if !targets.iter().all(is_provider) {
        let text =
            format!("Non Provider VN ({uuid}) can connect only to one provider VN but not ({})", printed(&targets));
        return Err(Rejection::bad_request(text)
            .by(rule::VN_C9)
            .about(field_name::VIRTUAL_NETWORK_REFS)
            .because_of(targets));
    }
    Ok(())
}

fn global_access(perms2: Option<&Value>) -> Option<i64> {
    perms2?.get(field_name::GLOBAL_ACCESS)?.as_i64()
}

fn set_global_access(draft: &mut Draft, access: i64) {
    let mut perms2 = draft.value(field_name::PERMS2).unwrap_or_else(|| json!({}));
    if let Some(fields) = perms2.as_object_mut() {
        fields.insert(field_name::GLOBAL_ACCESS.to_owned(), access.into());
    }
    draft.set(field_name::PERMS2, perms2);
}

fn python_bool(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// VN-U2: sharing, external routing and global access follow each other. Where one of them changes, what the request says
/// of the others counts, too; where none does, whatever is stored was good enough before.
fn check_sharing(draft: &mut Draft) -> Decision<()> {
    if ["perms2", field_name::IS_SHARED, field_name::ROUTER_EXTERNAL].iter().all(|name| draft.given(name).is_none()) {
        return Ok(());
    }
    let access = global_access(draft.sent(field_name::PERMS2).as_ref());
    let flag = |name: &str| draft.sent(name).as_ref().and_then(Value::as_bool);
    let (shared, external) = (flag(field_name::IS_SHARED), flag(field_name::ROUTER_EXTERNAL));
    let inconsistent = |name: &str, flag: bool, access: i64| {
        let text = format!("Inconsistent {name} ({}) and global_access ({access})", python_bool(flag));
        Err(Rejection::bad_request(text).by(rule::VN_U2).about(name))
    };
    if let Some(access) = access {
        if let Some(shared) = shared
            && shared != (access == 7)
            && !external.unwrap_or(false)
        {
            return inconsistent(field_name::IS_SHARED, shared, access);
        }
        if let Some(external) = external
            && external != (access == 5)
            && !shared.unwrap_or(false)
        {
            return inconsistent(field_name::ROUTER_EXTERNAL, external, access);
        }
        if shared.is_none() && external.is_none() {
            draft.set(field_name::IS_SHARED, (access != 0).into());
        }
    } else if shared.is_some() || external.is_some() {
        let access = if shared == Some(true) {
            7
        } else if external == Some(true) {
            5
        } else {
            0
        };
        set_global_access(draft, access);
    }
    Ok(())
}

/// `/virtual-network/<uuid>/ip-alloc` (VN-X1, address management ADM-S14).
#[derive(Clone, Debug)]
pub struct AllocateAddresses {
    /// The network.
    pub network: String,
    /// How many; all or none.
    pub count: usize,
    /// Of this subnet.
    pub subnet: Option<Uuid>,
    /// Of this version.
    pub version: Option<Version>,
}

/// The network of a direct call.
///
/// # Errors
/// 404 for an unknown one.
pub fn network_of_call(graph: &Graph, given: &str) -> Decision<Arc<Object>> {
    let kind = graph.model().find(type_name::VIRTUAL_NETWORK);
    let found = kind.zip(canonical_uuid(given)).and_then(|(kind, uuid)| graph.get_of_type(kind, uuid)).cloned();
    found.ok_or_else(|| unknown_network(given))
}

/// The refusal of a direct call to a network that there is not.
pub fn unknown_network(given: &str) -> Rejection {
    Rejection::not_found(format!("Virtual Network {given} not found!"))
}

impl AllocateAddresses {
    /// Takes addresses that no object holds, in the order of allocation.
    ///
    /// # Errors
    /// 404 for an unknown network or subnet, 409 when there are not enough: then none is taken.
    pub fn decide(&self, work: &mut Work) -> Decision<Vec<String>> {
        let network = network_of_call(&work.graph, &self.network)?;
        access::check_right(&work.identity, Right::Write, &network)?;
        let wish = Wish { subnet: self.subnet, version: self.version, ..Wish::default() };
        budget::check(&budget::ADDRESSES, self.count)?;
        let holds = addresses::find_many(work, &network, &wish, self.count).map_err(|refusal| {
            if refusal.rule == Some(rule::IIP_C7) {
                refusal.of_kind(Kind::NotFound).about("subnet")
            } else {
                refusal.of_kind(Kind::Conflict)
            }
        })?;
        for hold in &holds {
            work.reserve(*hold);
        }
        Ok(holds.iter().map(|hold| hold.address.to_string()).collect())
    }
}

/// `/virtual-network/<uuid>/ip-free` (VN-X2).
#[derive(Clone, Debug)]
pub struct FreeAddresses {
    /// The network.
    pub network: String,
    /// The addresses; those that `ip-alloc` did not take are passed over.
    pub addresses: Vec<IpAddr>,
}

impl FreeAddresses {
    /// Gives addresses back that no object holds.
    ///
    /// # Errors
    /// 404 for an unknown network.
    pub fn decide(&self, work: &mut Work) -> Decision<()> {
        let network = network_of_call(&work.graph, &self.network)?;
        access::check_right(&work.identity, Right::Write, &network)?;
        budget::check(&budget::ADDRESSES, self.addresses.len())?;
        let ipams = work.links(&network, field_name::NETWORK_IPAM_REFS).iter().map(|link| link.target);
        // What is held lies in a subnet; there may be as many ipams and subnets as addresses.
        let prefixes = ipams.chain([network.uuid]).flat_map(|scope| {
            let subnets = work.graph.pools().subnets(scope);
            subnets.map(move |subnet| (scope, subnet.prefix))
        });
        let addresses: BTreeSet<IpAddr> = self.addresses.iter().copied().collect();
        let mut holds = Vec::new();
        for (scope, prefix) in prefixes {
            let inside = addresses.range(prefix.network()..=prefix.broadcast());
            holds.extend(inside.map(|address| Hold { scope, address: *address }));
        }
        for hold in holds {
            work.release(hold);
        }
        Ok(())
    }
}

/// `/virtual-network/<uuid>/subnet-ip-count` (VN-X3): how many addresses of each subnet are in use; 0 for unknown ones.
pub fn count_addresses(graph: &Graph, network: &Object, subnets: &[String]) -> Vec<u128> {
    let subnet = |wanted: &String| graph.pools().subnet_with_uuid(network.uuid, Uuid::try_parse(wanted).ok()?);
    let count = |wanted: &String| subnet(wanted).map_or(0, crate::ipam::Subnet::used_count);
    subnets.iter().map(count).collect()
}

/// The network that an object is of: the first that it refers to.
pub fn first_network(work: &Work, links: &[NewLink]) -> Option<Arc<Object>> {
    links.first().and_then(|link| work.graph.get(link.target)).cloned()
}
