//! The subnets of a virtual network or a flat ipam on their way in: checked, completed, and compared with those
//! that are there (contrail-api R21: VN-S1 to S10, VN-U8 to U11, IPAM-C3, IPAM-U4 and U5).

use super::{Decision, Draft, NewLink, Rejection, Work, addresses::is_flat};
use crate::{
    graph::{Holder, Object},
    ipam,
};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// The reference that carries the subnets of a network.
const IPAM_REFERENCES: &str = "network_ipam_refs";

/// Checks and completes the ipam references of a network.
///
/// # Errors
/// The contract's refusals, in its order.
pub fn complete_network(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_forwarding(work, draft)?;
    let Some(given) = draft.given_links(IPAM_REFERENCES).map(<[NewLink]>::to_vec) else { return Ok(()) };
    let stored = draft.stored_links(IPAM_REFERENCES);
    let mut own = Vec::new();
    let mut flat = Vec::new();
    for link in &given {
        let Some(ipam) = work.graph.get(link.target).cloned() else { continue };
        if is_flat(work, &ipam) {
            flat.extend(work.graph.pools().subnets(ipam.uuid).map(|subnet| subnet.prefix));
            continue;
        }
        for entry in entries(link)? {
            ipam::check_entry(entry)?;
            own.push(prefix_of(entry)?);
        }
    }
    check_subnet_quota(work, draft, own.len())?;
    flat.extend(&own);
    ipam::check_overlap(&flat)?;
    check_removed(work, draft, &stored, &given, &own)?;

    let routed = draft.value("virtual_network_category") == Some(Value::from("routed"));
    let mut completed = Vec::new();
    for mut link in given {
        let is_flat = work.graph.get(link.target).is_some_and(|ipam| is_flat(work, ipam));
        if is_flat {
            link.attribute = flat_handle(work, &stored, &link);
        } else if let Some(Value::Array(entries)) = link.attribute.get_mut("ipam_subnets") {
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                let known = find_stored(&stored, entry);
                complete_entry(work, draft.uuid, &draft.fq_name.joined().clone(), entry, known.as_ref(), !routed)?;
                if !is_present(entry.get("subnet_uuid")) {
                    entry.insert("subnet_uuid".to_owned(), work.new_uuid().to_string().into());
                }
            }
        }
        completed.push(link);
    }
    draft.set_links(IPAM_REFERENCES, completed);
    Ok(())
}

/// VN-S1 and S2: a flat ipam wants an l3 network without subnets of its own.
fn check_forwarding(work: &Work, draft: &Draft) -> Decision<()> {
    let flat = |link: &NewLink| work.graph.get(link.target).is_some_and(|ipam| is_flat(work, ipam));
    let links = draft.links(IPAM_REFERENCES);
    for link in links.iter().filter(|link| flat(link)) {
        let entries = link.attribute.get("ipam_subnets").and_then(Value::as_array);
        let has_prefix = |entry: &Value| entry.pointer("/subnet/ip_prefix").is_some_and(|prefix| !prefix.is_null());
        if entries.is_some_and(|entries| entries.iter().any(has_prefix)) {
            let text = "with flat-subnet, network can not have user-defined subnet";
            return Err(Rejection::bad_request(text));
        }
    }
    let touched = draft.given_links(IPAM_REFERENCES).is_some() || draft.given("virtual_network_properties").is_some();
    let properties = draft.value("virtual_network_properties");
    let mode = properties.as_ref().and_then(|value| value.get("forwarding_mode")).and_then(Value::as_str);
    if touched && mode != Some("l3") && links.iter().any(flat) {
        return Err(Rejection::bad_request("flat-subnet is allowed only with l3 network"));
    }
    Ok(())
}

/// The entries of a reference to an ipam with user-defined subnets.
fn entries(link: &NewLink) -> Decision<&Vec<Value>> {
    let entries = link.attribute.get("ipam_subnets").and_then(Value::as_array);
    let missing = || {
        let text = "Bad reference: network_ipam_refs attr must have ipam_subnets, a list of subnets (may be empty)";
        Rejection::bad_request(text)
    };
    entries.ok_or_else(missing)
}

fn prefix_of(entry: &Value) -> Decision<IpNetwork> {
    let missing = || Rejection::bad_request("Bad reference: an entry of ipam_subnets lacks subnet");
    ipam::parse_prefix(entry).ok_or_else(missing)
}

fn is_present(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| !text.is_empty())
}

/// The stored entry of the same prefix, wherever in the network it is.
fn find_stored(stored: &[NewLink], entry: &Map<String, Value>) -> Option<Map<String, Value>> {
    let wanted = entry.get("subnet")?;
    let prefix = ipam::parse_prefix(&json!({ "subnet": wanted }))?;
    let all = stored.iter().filter_map(|link| link.attribute.get("ipam_subnets")?.as_array()).flatten();
    all.filter(|entry| ipam::parse_prefix(entry) == Some(prefix)).find_map(Value::as_object).cloned()
}

/// One entry stands for "this flat ipam, as seen from this network"; its uuid stays.
fn flat_handle(work: &Work, stored: &[NewLink], link: &NewLink) -> Value {
    let uuid_in =
        |value: &Value| value.pointer("/ipam_subnets/0/subnet_uuid").filter(|uuid| is_present(Some(uuid))).cloned();
    let known = stored.iter().find(|stored| stored.target == link.target).and_then(|stored| uuid_in(&stored.attribute));
    let uuid = uuid_in(&link.attribute).or(known).unwrap_or_else(|| work.new_uuid().to_string().into());
    let mut attribute = link.attribute.clone();
    if !attribute.is_object() {
        attribute = json!({});
    }
    if let Some(fields) = attribute.as_object_mut() {
        fields.insert("ipam_subnets".to_owned(), json!([{ "subnet_uuid": uuid }]));
    }
    attribute
}

/// Completes one entry, against the stored one of the same prefix if there is one.
///
/// # Errors
/// The contract's refusals.
pub fn complete_entry(
    work: &Work,
    scope: Uuid,
    owner: &str,
    entry: &mut Map<String, Value>,
    stored: Option<&Map<String, Value>>,
    reserve: bool,
) -> Decision<()> {
    let Some(stored) = stored else { return Ok(ipam::complete_entry(entry, reserve, owner)?) };
    let pools = work.graph.pools();
    let held = |address: IpAddr| pools.holder(scope, address).is_some();
    let prefix = ipam::parse_prefix(&Value::Object(stored.clone()));
    let any_held = prefix.is_some_and(|prefix| pools.first_held(scope, prefix.network(), prefix.broadcast()).is_some());
    Ok(ipam::update_entry(entry, stored, reserve, owner, &held, any_held)?)
}

/// VN-U8: a prefix, or a whole flat ipam, does not go while somebody has an address of it. What only `ip-alloc`
/// holds goes with it.
fn check_removed(
    work: &mut Work,
    draft: &Draft,
    stored: &[NewLink],
    given: &[NewLink],
    own: &[IpNetwork],
) -> Decision<()> {
    for link in stored {
        let is_flat = work.graph.get(link.target).is_some_and(|ipam| is_flat(work, ipam));
        if is_flat && given.iter().all(|given| given.target != link.target) {
            let holders = holders_of_network(work, draft.uuid);
            let of_ipam = |holder: &&Arc<Object>| holder.hold.is_some_and(|hold| hold.scope == link.target);
            let first = holders.iter().find(of_ipam);
            refuse_in_use(work, first)?;
        }
    }
    let removed: Vec<IpNetwork> = work
        .graph
        .pools()
        .subnets(draft.uuid)
        .map(|subnet| subnet.prefix)
        .filter(|prefix| !own.contains(prefix))
        .collect();
    for prefix in removed {
        check_prefix_unused(work, draft.uuid, prefix)?;
        let held = work.graph.pools().held(draft.uuid, prefix.network(), prefix.broadcast());
        let reserved: Vec<IpAddr> = held.map(|(address, _)| address).collect();
        for address in reserved {
            work.release(crate::graph::Hold { scope: draft.uuid, address });
        }
    }
    Ok(())
}

/// Refuses while an object has an address of this prefix.
///
/// # Errors
/// 409 that names the address.
pub fn check_prefix_unused(work: &Work, scope: Uuid, prefix: IpNetwork) -> Decision<()> {
    let held = work.graph.pools().held(scope, prefix.network(), prefix.broadcast());
    let holder = held.filter_map(|(_, holder)| match holder {
        Holder::Object(uuid) => work.graph.get(uuid).cloned(),
        Holder::Reservation => None,
    });
    // The greatest address first: the one that was given out first.
    let first = holder.last();
    refuse_in_use(work, first.as_ref())?;
    let sharing = holders_of_network(work, scope).into_iter().find(|holder| {
        holder.hold.is_none() && address_of(work, holder).is_some_and(|address| prefix.contains(address))
    });
    refuse_in_use(work, sharing.as_ref())
}

/// The instance-ips, floating-ips and alias-ips of a network.
pub fn holders_of_network(work: &Work, network: Uuid) -> Vec<Arc<Object>> {
    let of_type = |name: &str| work.graph.model().find(name);
    let mut holders = Vec::new();
    if let Some(kind) = of_type("instance-ip") {
        holders.extend(work.graph.referrers(network, kind).cloned());
    }
    for (pool, address) in [("floating-ip-pool", "floating-ip"), ("alias-ip-pool", "alias-ip")] {
        if let (Some(pool), Some(address)) = (of_type(pool), of_type(address)) {
            for pool in work.graph.children_of(network, pool) {
                holders.extend(work.graph.children_of(pool.uuid, address).cloned());
            }
        }
    }
    holders
}

fn address_of(work: &Work, holder: &Object) -> Option<IpAddr> {
    let name = format!("{}_address", work.type_of(holder).field);
    let value = work.property(holder, &name)?;
    ipam::parse_address(value.as_str()?)
}

fn refuse_in_use(work: &Work, holder: Option<&Arc<Object>>) -> Decision<()> {
    let Some(holder) = holder else { return Ok(()) };
    let address = address_of(work, holder).map(|address| address.to_string()).unwrap_or_default();
    let kind = match work.type_of(holder).name.as_str() {
        "floating-ip" => "Floating IP",
        "alias-ip" => "Alias IP",
        _ => "IP",
    };
    Err(Rejection::conflict(format!("Cannot Delete IP Block, {kind}({address}) is in use")))
}

/// VN-S5: the subnets of all networks of the project.
fn check_subnet_quota(work: &Work, draft: &Draft, wanted: usize) -> Decision<()> {
    let Some(project) = draft.parent.as_ref() else { return Ok(()) };
    let quota = work.property(project, "quota");
    let limit =
        quota.as_ref().and_then(|quota| quota.get("subnet")).and_then(Value::as_i64).filter(|limit| *limit >= 0);
    let Some(limit) = limit else { return Ok(()) };
    let pools = work.graph.pools();
    let before = pools.subnets(draft.uuid).count();
    let others = work.graph.children_of(project.uuid, draft.type_id).filter(|network| network.uuid != draft.uuid);
    let others: usize = others.map(|network| pools.subnets(network.uuid).count()).sum();
    let hidden = draft.value("id_perms").is_some_and(|perms| perms.get("user_visible") == Some(&Value::Bool(false)));
    if !hidden && wanted > before && i64::try_from(others + wanted).unwrap_or(i64::MAX) > limit {
        let name = crate::python_literal::list(draft.fq_name.elements());
        return Err(Rejection::over_quota(format!("{name} : {limit}")));
    }
    Ok(())
}
