//! service-appliance and service-appliance-set (contrail-api R21: SA-*, SAS-*). service-template has no rules but the share of
//! its domain in it (ST-C1, `permissions.rs`).

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, NewLink, Rejection, Rules, Work, rule, value_of_key},
};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// The rules of service-appliance.
pub const RULES: Rules = Rules { before_create, after_create, after_delete, ..Rules::NONE };
/// The rules of service-appliance-set.
pub const SET_RULES: Rules = Rules { before_update: check_set_unused, ..Rules::NONE };

const INTERFACES: &str = field_name::PHYSICAL_INTERFACE_REFS;
/// Where an appliance is attached, by the side of the interface there.
const ATTACHMENTS: [(&str, &str); 2] = [("left", "left-attachment-point"), ("right", "right-attachment-point")];

/// SAS-U1
fn check_set_unused(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let pools = work.type_id(type_name::LOADBALANCER_POOL)?;
    let users: Vec<Uuid> = work.graph.referrers(draft.uuid, pools).map(|pool| pool.uuid).collect();
    if !users.is_empty() {
        let text = "Service appliance set can not be updated as loadbalancer pools are using it";
        return Err(Rejection::conflict(text).by(rule::SAS_U1).because_of(users));
    }
    Ok(())
}

/// SA-C1: the interfaces of an appliance are those of a device for network functions, attached on both sides.
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let interfaces = draft.links(INTERFACES);
    for interface in interfaces.iter().filter_map(|link| work.graph.get(link.target)) {
        let router = interface.parent.and_then(|parent| work.graph.get(parent));
        if router.and_then(|router| work.property(router, field_name::PHYSICAL_ROUTER_ROLE)) != Some(Value::from("pnf"))
        {
            let text = format!("Referenced physical interface({}) does not belong to PNF device", interface.uuid);
            return Err(Rejection::bad_request(text).by(rule::SA_C1).about(INTERFACES).because_of([interface.uuid]));
        }
    }
    let properties = draft.value(field_name::SERVICE_APPLIANCE_PROPERTIES).unwrap_or_default();
    let is_attached = ATTACHMENTS.iter().all(|(_, key)| value_of_key(&properties, key).is_some());
    if !interfaces.is_empty() && !is_attached {
        let text = "There should be atleast one left/right attachment point defined";
        return Err(Rejection::bad_request(text).by(rule::SA_C1).about(field_name::SERVICE_APPLIANCE_PROPERTIES));
    }
    Ok(())
}

/// A link of an appliance to another device.
pub struct Connection {
    /// Of the service: left or right.
    pub side: String,
    /// The interface of the appliance.
    pub interface: Arc<Object>,
    /// The interface of the other device.
    pub point: Arc<Object>,
}

/// The interfaces of an appliance, each with the interface of another device that it is connected to.
///
/// # Errors
/// Internal, if the model lacks interfaces.
pub fn connections(work: &Work, appliance: &Object) -> Decision<Vec<Connection>> {
    let kind = work.type_id(type_name::PHYSICAL_INTERFACE)?;
    let properties = work.property(appliance, field_name::SERVICE_APPLIANCE_PROPERTIES).unwrap_or_default();
    let mut found = Vec::new();
    for link in work.links(appliance, INTERFACES) {
        let attribute: Value =
            link.attribute.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let side = attribute.get(field_name::INTERFACE_TYPE).and_then(Value::as_str);
        let Some((side, key)) = ATTACHMENTS.iter().find(|(name, _)| Some(*name) == side) else { continue };
        let point = value_of_key(&properties, key).and_then(|point| work.graph.find_joined(kind, point)).cloned();
        let ends = work.graph.get(link.target).cloned().zip(point);
        found.extend(ends.map(|(interface, point)| Connection { side: (*side).to_owned(), interface, point }));
    }
    Ok(found)
}

/// SA-C1: connected interfaces refer to each other, and serve the appliance.
fn after_create(work: &mut Work, appliance: &Arc<Object>) -> Decision<()> {
    for Connection { interface, point, .. } in connections(work, appliance)? {
        let mut draft = Draft::update(work, &point);
        let mut links = draft.stored_links(INTERFACES);
        links.retain(|link| link.target != interface.uuid);
        links.push(NewLink { target: interface.uuid, attribute: Value::Null });
        draft.set_links(INTERFACES, links);
        draft.set(field_name::PHYSICAL_INTERFACE_TYPE, "service".into());
        work.save(&draft);
    }
    Ok(())
}

fn after_delete(work: &mut Work, appliance: &Arc<Object>) -> Decision<()> {
    for Connection { interface, point, .. } in connections(work, appliance)? {
        let mut draft = Draft::update(work, &point);
        let mut links = draft.stored_links(INTERFACES);
        links.retain(|link| link.target != interface.uuid);
        draft.set_links(INTERFACES, links);
        draft.set(field_name::PHYSICAL_INTERFACE_TYPE, Value::Null);
        work.save(&draft);
    }
    Ok(())
}
