//! data-center-interconnect (contrail-api R21: DCI-*): how fabrics, or the routers of one fabric, reach each other.
//!
//! The source of an interconnect inside a fabric is the one logical router whose reference has data, whatever they are:
//! no file of the schema names their type.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, NewLink, Rejection, RuleId, Rules, Work, canonical_uuid, rule},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: check, before_update, ..Rules::NONE };

const MODE: &str = field_name::DATA_CENTER_INTERCONNECT_MODE;
const TYPE: &str = field_name::DATA_CENTER_INTERCONNECT_TYPE;
/// What is chosen once, and what it is when nobody chooses.
const CHOICES: [(&str, &str); 2] = [(MODE, "l3"), (TYPE, "inter_fabric")];
const ROUTERS: &str = field_name::LOGICAL_ROUTER_REFS;
const NETWORKS: &str = field_name::VIRTUAL_NETWORK_REFS;
const POLICIES: &str = field_name::ROUTING_POLICY_REFS;
const FABRICS: &str = field_name::FABRIC_REFS;
const DESTINATIONS: &str = field_name::DESTINATION_PHYSICAL_ROUTER_LIST;
const INTRA_FABRIC: &str = "intra_fabric";
const GATEWAY_ROLE: &str = "DCI-Gateway";

fn choice(value: Option<&Value>, name: &str) -> String {
    let default = CHOICES.iter().find(|(choice, _)| *choice == name).map_or("", |(_, default)| *default);
    let chosen = value.and_then(Value::as_str).filter(|text| !text.is_empty());
    chosen.unwrap_or(default).to_owned()
}

fn is_intra_fabric(value: Option<&Value>) -> bool {
    choice(value, TYPE) == INTRA_FABRIC
}

fn refuse(rule: RuleId, field: &str, text: impl Into<String>) -> Decision<()> {
    Err(Rejection::bad_request(text).by(rule).about(field))
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // DCI-U1
    for (name, _) in CHOICES {
        let old = choice(draft.stored_value(name).as_ref(), name);
        if choice(draft.value(name).as_ref(), name) != old {
            let text = format!("Cannot change {name}. Please specify {name} as '{old}'");
            return Err(Rejection::forbidden(text).by(rule::DCI_U1).about(name));
        }
    }
    if is_intra_fabric(draft.value(TYPE).as_ref()) {
        let (old, new) = (sources(&draft.stored_links(ROUTERS)), sources(&draft.links(ROUTERS)));
        // Without a source, or with several, the text of DCI-C3 says more.
        if new.len() == 1 && !old.is_empty() && old != new {
            let text = "Cannot change Source LR for intra_fabric typedata_center_interconnect.";
            return Err(Rejection::forbidden(text).by(rule::DCI_U1).about(ROUTERS));
        }
    }
    let is_touched = |field: &&str| draft.given_links(field).is_some();
    if draft.given(DESTINATIONS).is_some() || [ROUTERS, NETWORKS, POLICIES, FABRICS].iter().any(is_touched) {
        check(work, draft)?;
    }
    Ok(())
}

fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if is_intra_fabric(draft.value(TYPE).as_ref()) {
        check_intra_fabric(work, draft)
    } else if choice(draft.value(MODE).as_ref(), MODE) == "l2" {
        check_layer_2(work, draft)
    } else {
        check_layer_3(work, draft)
    }
}

fn targets(draft: &Draft, field: &str) -> Vec<Uuid> {
    draft.links(field).iter().map(|link| link.target).collect()
}

/// The physical routers of a logical one.
fn physical_routers(work: &Work, router: &Object) -> BTreeSet<Uuid> {
    work.links(router, field_name::PHYSICAL_ROUTER_REFS).iter().map(|link| link.target).collect()
}

/// DCI-C1: a router is of one fabric, and connected once.
fn check_layer_3(work: &Work, draft: &Draft) -> Decision<()> {
    for uuid in targets(draft, ROUTERS) {
        let Some(router) = work.graph.get(uuid) else { continue };
        let mut others = work.graph.referrers(uuid, draft.type_id).filter(|other| other.uuid != draft.uuid);
        if others.any(|other| !is_intra_fabric(work.property(other, TYPE).as_ref())) {
            return refuse(
                rule::DCI_C1,
                ROUTERS,
                format!("Logical router can not associate with more than one inter_fabric type DCI: {uuid}"),
            );
        }
        let devices = physical_routers(work, router);
        let devices = devices.iter().filter_map(|device| work.graph.get(*device));
        let fabrics = devices.flat_map(|device| work.links(device, FABRICS).iter().map(|link| link.target));
        match fabrics.collect::<BTreeSet<Uuid>>().len() {
            0 => {
                return refuse(
                    rule::DCI_C1,
                    ROUTERS,
                    format!("DCI Logical router is not associated to any fabric: {uuid}"),
                );
            }
            1 => {}
            _ => {
                let text = "Logical router can not associate with PRs belonging to different DCI connected Fabrics";
                return refuse(rule::DCI_C1, ROUTERS, format!("{text}: {uuid}"));
            }
        }
    }
    Ok(())
}

/// DCI-C2: fabrics with gateways, and networks that are not routed.
fn check_layer_2(work: &Work, draft: &Draft) -> Decision<()> {
    let (fabrics, networks) = (targets(draft, FABRICS), targets(draft, NETWORKS));
    if fabrics.len() < 2 {
        return refuse(rule::DCI_C2, FABRICS, "DCI Mode L2 requires minimum two fabric.");
    }
    if networks.is_empty() {
        return refuse(rule::DCI_C2, NETWORKS, "DCI Mode L2 requires minimum one virtual network.");
    }
    let device_type = work.type_id(type_name::PHYSICAL_ROUTER)?;
    for fabric in fabrics.iter().filter_map(|fabric| work.graph.get(*fabric)) {
        if !work.graph.referrers(fabric.uuid, device_type).any(|device| is_gateway(work, device)) {
            let name = fabric.fq_name.name();
            return refuse(
                rule::DCI_C2,
                FABRICS,
                format!(
                    "L2 DCI Mode selected fabric {name} does not have any physical router with rb_roles {GATEWAY_ROLE}. \
                 Please select fabric having at least one physical_router with {GATEWAY_ROLE} rb_roles."
                ),
            );
        }
    }
    for network in networks.iter().filter_map(|network| work.graph.get(*network)) {
        if work.property(network, field_name::VIRTUAL_NETWORK_CATEGORY) == Some(Value::from("routed")) {
            let name = network.fq_name.name();
            return refuse(
                rule::DCI_C2,
                NETWORKS,
                format!(
                    "L2 DCI Mode selected virtual_network {name} is routed VN. routed VN is not allowed for L2 dci mode."
                ),
            );
        }
    }
    Ok(())
}

fn is_gateway(work: &Work, device: &Object) -> bool {
    let roles = work.property(device, field_name::ROUTING_BRIDGING_ROLES);
    let roles = roles.as_ref().and_then(|roles| roles.get(field_name::RB_ROLES)).and_then(Value::as_array);
    roles.is_some_and(|roles| roles.contains(&Value::from(GATEWAY_ROLE)))
}

/// The logical routers listed as destinations, with the physical ones that are named for each.
fn destinations(list: Option<&Value>) -> BTreeMap<String, Vec<String>> {
    let list = list.and_then(|list| list.get(field_name::LOGICAL_ROUTER_LIST)).and_then(Value::as_array);
    let entry = |entry: &Value| {
        let router = entry.get(field_name::LOGICAL_ROUTER_UUID)?.as_str()?.to_owned();
        let devices = entry
            .get(field_name::PHYSICAL_ROUTER_UUID_LIST)
            .and_then(crate::rules::engine::string_list)
            .unwrap_or_default();
        Some((router, devices))
    };
    list.into_iter().flatten().filter_map(entry).collect()
}

/// The routers whose references have data.
fn sources(links: &[NewLink]) -> BTreeSet<Uuid> {
    links.iter().filter(|link| !link.attribute.is_null()).map(|link| link.target).collect()
}

/// DCI-C3: one router gives what it has to others, which are all listed.
fn check_intra_fabric(work: &Work, draft: &Draft) -> Decision<()> {
    let kind = "intra_fabric type data_center_interconnect";
    let routers = targets(draft, ROUTERS);
    let mut seen = BTreeSet::new();
    for router in &routers {
        if !seen.insert(*router) {
            return refuse(
                rule::DCI_C3,
                ROUTERS,
                format!("{router} logical router entry exists more than one in {ROUTERS}."),
            );
        }
    }
    let sources = sources(&draft.links(ROUTERS));
    let Some(source) = sources.first().copied() else {
        return refuse(rule::DCI_C3, ROUTERS, format!("No Source LR specified in {ROUTERS} for {kind}."));
    };
    if sources.len() > 1 {
        return refuse(rule::DCI_C3, ROUTERS, format!("More than one Source LR not allowed for {kind}."));
    }
    if routers.len() == 1 {
        return refuse(rule::DCI_C3, ROUTERS, format!("No Destination LR specified in {ROUTERS} for {kind}."));
    }
    let destinations = destinations(draft.value(DESTINATIONS).as_ref());
    if destinations.is_empty() {
        return refuse(rule::DCI_C3, DESTINATIONS, format!("No destination LR exist in {DESTINATIONS}"));
    }
    let both = "Provide either routing_policy_refs or virtual_network_refs.";
    match (targets(draft, POLICIES).is_empty(), targets(draft, NETWORKS).is_empty()) {
        (false, false) => return refuse(rule::DCI_C3, POLICIES, format!("{both} Both has been provided for {kind}")),
        (true, true) => return refuse(rule::DCI_C3, POLICIES, format!("{both} None of them provided for {kind}")),
        _ => {}
    }
    if destinations.contains_key(&source.to_string()) {
        return refuse(
            rule::DCI_C3,
            DESTINATIONS,
            format!("{DESTINATIONS}: logical router {source} is the source in {ROUTERS}"),
        );
    }
    let is_unlisted = |router: &&Uuid| **router != source && !destinations.contains_key(&router.to_string());
    if let Some(router) = routers.iter().find(is_unlisted) {
        return refuse(
            rule::DCI_C3,
            DESTINATIONS,
            format!("{ROUTERS}: logical router {router} is not in {DESTINATIONS}"),
        );
    }
    check_source(work, draft, source)?;
    destinations.iter().try_for_each(|(router, devices)| check_destination(work, &seen, router, devices))
}

/// DCI-C3: a router is the source of one.
fn check_source(work: &Work, draft: &Draft, source: Uuid) -> Decision<()> {
    for other in work.graph.referrers(source, draft.type_id).filter(|other| other.uuid != draft.uuid) {
        let links = work.links(other, ROUTERS).iter();
        let is_source = links.filter(|link| link.target == source).any(|link| link.attribute.is_some());
        if is_source && is_intra_fabric(work.property(other, TYPE).as_ref()) {
            let router = work.graph.get(source).map(|router| router.fq_name.name()).unwrap_or_default();
            return refuse(
                rule::DCI_C3,
                ROUTERS,
                format!(
                    "Source Logical router {router} already associated with DCI {}, Same source LR can not associate with \
                 more than one intra_fabric type DCI.",
                    other.fq_name.name()
                ),
            );
        }
    }
    Ok(())
}

/// DCI-C3: what is listed is referred to, with physical routers of its own.
fn check_destination(work: &Work, routers: &BTreeSet<Uuid>, destination: &str, devices: &[String]) -> Decision<()> {
    let uuid = canonical_uuid(destination).filter(|router| routers.contains(router));
    let Some(router) = uuid.and_then(|uuid| work.graph.get(uuid)) else {
        return refuse(
            rule::DCI_C3,
            DESTINATIONS,
            format!("{DESTINATIONS}: logical router {destination} is not in {ROUTERS}"),
        );
    };
    let own = physical_routers(work, router);
    for device in devices {
        if canonical_uuid(device).is_none_or(|device| !own.contains(&device)) {
            let name = router.fq_name.name();
            return refuse(
                rule::DCI_C3,
                DESTINATIONS,
                format!("physical_router uuid {device} does not exist in destination LR {name}"),
            );
        }
    }
    Ok(())
}
