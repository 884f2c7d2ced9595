//! host-based-service (contrail-api R21: HBS-*): a firewall of the project's own, between two networks.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{
        Decision, Draft, NewLink, Rejection, Rules, Work, create::create_side_object, delete::delete_side_object, rule,
    },
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The rules of the type. Without an explicit quota there is none in a project (`quota.rs`).
pub const RULES: Rules =
    Rules { before_create, after_create, before_update, before_delete, needs_explicit_quota: true, ..Rules::NONE };

const TYPE: &str = field_name::HOST_BASED_SERVICE_TYPE;
const NETWORKS: &str = field_name::VIRTUAL_NETWORK_REFS;
/// The networks that the server makes, with their prefixes.
const SIDES: [(&str, &str); 2] = [("left", "0.1.0.0"), ("right", "0.2.0.0")];

/// HBS-C1
fn before_create(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.value(TYPE).is_none() {
        draft.set(TYPE, "firewall".into());
    }
    check_kinds(draft)?;
    let links = draft.links(NETWORKS);
    match SIDES.iter().find(|(side, _)| links.iter().any(|link| kind(link) == *side)) {
        None => Ok(()),
        Some((side, _)) => Err(refuse_side(side, "created")),
    }
}

fn kind(link: &NewLink) -> &str {
    link.attribute.get(field_name::VIRTUAL_NETWORK_TYPE).and_then(Value::as_str).unwrap_or_default()
}

fn refuse_side(side: &str, operation: &str) -> Rejection {
    Rejection::bad_request(format!("default hbf-{side} Virtual network  reference cannot be {operation}"))
        .by(rule::HBS_C2)
        .about(NETWORKS)
}

/// HBS-C2: one network of each kind.
fn check_kinds(draft: &Draft) -> Decision<()> {
    let links = draft.links(NETWORKS);
    for (index, link) in links.iter().enumerate() {
        if links.iter().skip(index + 1).any(|other| kind(other) == kind(link)) {
            let kind = kind(link);
            return Err(Rejection::bad_request(format!(
                "Virtual network type {kind} cannot be referenced by more than one virtual network at a time"
            ))
            .by(rule::HBS_C2)
            .about(NETWORKS));
        }
    }
    Ok(())
}

fn before_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given(TYPE).is_some() && draft.value(TYPE) != draft.stored_value(TYPE) {
        return Err(Rejection::bad_request("Cannot change the Host Based Service type").by(rule::HBS_C1).about(TYPE));
    }
    if draft.given_links(NETWORKS).is_none() {
        return Ok(());
    }
    check_kinds(draft)?;
    let (stored, links) = (draft.stored_links(NETWORKS), draft.links(NETWORKS));
    for (side, _) in SIDES {
        let on = |links: &[NewLink]| links.iter().find(|link| kind(link) == side).map(|link| link.target);
        if on(&links) != on(&stored) {
            return Err(refuse_side(side, "updated"));
        }
    }
    Ok(())
}

/// HBS-C3: the networks on both sides.
fn after_create(work: &mut Work, service: &Arc<Object>) -> Decision<()> {
    let Some(project) = service.parent.and_then(|parent| work.graph.get(parent)).cloned() else { return Ok(()) };
    let ipam_name = "default-domain:default-project:default-network-ipam";
    let ipam = work.graph.find_joined(work.type_id(type_name::NETWORK_IPAM)?, ipam_name).map(|ipam| ipam.uuid);
    let mut links = Draft::update(work, service).stored_links(NETWORKS);
    for (side, prefix) in SIDES {
        let name = format!("__{}-hbf-{side}__", service.fq_name.name());
        let mut network = Draft::child(work, &project, type_name::VIRTUAL_NETWORK, &name)?;
        if let Some(target) = ipam {
            let subnet = json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": 16}});
            network.set_links(
                field_name::NETWORK_IPAM_REFS,
                vec![NewLink { target, attribute: json!({"ipam_subnets": [subnet]}) }],
            );
        }
        let network = create_side_object(work, network)?;
        links.push(NewLink { target: network.uuid, attribute: json!({ "virtual_network_type": side }) });
    }
    let mut draft = Draft::update(work, service);
    draft.set_links(NETWORKS, links);
    work.save(&draft);
    Ok(())
}

/// HBS-D1: both networks go with the service, when nothing is connected to them.
fn before_delete(work: &mut Work, service: &Arc<Object>) -> Decision<()> {
    let interface_type = work.type_id(type_name::VIRTUAL_MACHINE_INTERFACE)?;
    let mut draft = Draft::update(work, service);
    let (own, rest): (Vec<NewLink>, Vec<NewLink>) =
        draft.stored_links(NETWORKS).into_iter().partition(|link| SIDES.iter().any(|(side, _)| kind(link) == *side));
    let networks: Vec<Arc<Object>> = own.iter().filter_map(|link| work.graph.get(link.target).cloned()).collect();
    for network in &networks {
        let interfaces: Vec<Uuid> =
            work.graph.referrers(network.uuid, interface_type).map(|interface| interface.uuid).collect();
        if !interfaces.is_empty() {
            return Err(Rejection::bad_request(format!(
                "HBS object ({}, {}), virtual network ({},{}) got interfaces, cannot be removed",
                service.fq_name.joined(),
                service.uuid,
                network.fq_name.joined(),
                network.uuid
            ))
            .by(rule::HBS_D1)
            .because_of(interfaces));
        }
    }
    draft.set_links(NETWORKS, rest);
    work.save(&draft);
    networks.iter().try_for_each(|network| delete_side_object(work, network))
}
