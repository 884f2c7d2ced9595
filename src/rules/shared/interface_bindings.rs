//! `virtual_machine_interface_bindings`: how a port is plugged in, a list of keys and values that the server completes
//! for Nova (contrail-api R21: VMI-C6, VMI-U5, VMI-U6, VMI-U7, VMI-D2).

use crate::{
    access::Right,
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, NewLink, Rejection, Work, rule},
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The property.
pub const BINDINGS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_BINDINGS;
const MACHINES: &str = field_name::VIRTUAL_MACHINE_REFS;

const NORMAL: &str = "normal";
const DIRECT: &str = "direct";
const VIRTIO_FORWARDER: &str = "virtio-forwarder";
const BAREMETAL: &str = "baremetal";
/// As a host: the port is not bound.
const NO_HOST: &str = "null";

/// The keys and values, in the order of the request.
#[derive(Clone, Default)]
pub struct Bindings(Vec<(String, Value)>);

impl Bindings {
    /// Those in the value of the property.
    pub fn of(value: Option<&Value>) -> Self {
        let pairs = value.and_then(|value| value.get(field_name::KEY_VALUE_PAIR)).and_then(Value::as_array);
        let pair = |pair: &Value| Some((pair.get("key")?.as_str()?.to_owned(), pair.get("value")?.clone()));
        Self(pairs.map(|pairs| pairs.iter().filter_map(pair).collect()).unwrap_or_default())
    }

    /// The value of a key; an empty one says nothing.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        value.as_str().filter(|text| !text.is_empty())
    }

    fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, slot)) => *slot = value.into(),
            None => self.0.push((key.to_owned(), value.into())),
        }
    }

    fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| name != key);
    }

    fn value(self) -> Value {
        let pairs: Vec<Value> = self.0.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        json!({ "key_value_pair": pairs })
    }

    /// Plugged into the vrouter through a socket of the host.
    fn plug_socket(&mut self, kind: &str, interface: Uuid, vrouter_plugs: bool) {
        let name: String = interface.to_string().chars().take(11).collect();
        let plug = if vrouter_plugs { ", \"vhostuser_vrouter_plug\": true" } else { "" };
        self.set("vif_type", kind);
        self.set(
            "vif_details",
            &format!(
                "{{\"vhostuser_mode\": \"server\", \"vhostuser_socket\": \"/var/run/vrouter/uvh_vif_tap{name}\"{plug}}}"
            ),
        );
    }
}

/// VMI-C6: completes the bindings of a new port.
pub fn complete(work: &Work, draft: &mut Draft, network: &Object) {
    let Some(given) = draft.given(BINDINGS).filter(|value| !value.is_null()) else { return };
    let mut bindings = Bindings::of(Some(given));
    let segment = work.property(network, field_name::PROVIDER_PROPERTIES);
    let segment = segment.as_ref().and_then(|value| value.get(field_name::SEGMENTATION_ID)).and_then(Value::as_i64);
    match (bindings.get("vnic_type"), segment) {
        (Some(DIRECT | VIRTIO_FORWARDER), Some(segment)) => {
            bindings.set("vif_type", "hw_veb");
            bindings.set("vif_details", &format!("{{\"port_filter\": true, \"vlan\": \"{segment}\"}}"));
        }
        (Some(VIRTIO_FORWARDER), None) => bindings.plug_socket("vrouter", draft.uuid, false),
        _ => {}
    }
    if bindings.get("vif_type").is_none() {
        bindings.set("vif_type", "vrouter");
    }
    if bindings.get("vnic_type").is_none() {
        bindings.set("vnic_type", NORMAL);
    }
    if bindings.get("vnic_type") == Some(NORMAL) {
        if host(work, &bindings).is_some_and(|host| uses_dpdk(work, &host)) {
            bindings.plug_socket("vhostuser", draft.uuid, true);
        } else {
            bindings.remove("vif_type");
        }
    }
    draft.set(BINDINGS, bindings.value());
}

/// VMI-U5 and VMI-U7: checks changed bindings and completes them for another host.
///
/// # Errors
/// 409 for another kind of port while it is in use.
pub fn update(work: &Work, draft: &mut Draft) -> Decision<()> {
    let Some(given) = draft.given(BINDINGS) else { return Ok(()) };
    let mut new = Bindings::of(Some(given));
    let old = Bindings::of(draft.stored_value(BINDINGS).as_ref());
    let old_kind = old.get("vnic_type").unwrap_or(NORMAL);
    let new_kind = new.get("vnic_type").unwrap_or(old_kind).to_owned();
    if new_kind != old_kind && new_kind != BAREMETAL && is_bound(work, draft, &old)? {
        let text = "Vnic_type can not be modified when port is linked to Vrouter or VM.";
        return Err(Rejection::conflict(text).by(rule::VMI_U5).about(BINDINGS));
    }
    if new.get("host_id") == old.get("host_id") {
        return Ok(());
    }
    match (new_kind.as_str(), new.get("host_id")) {
        (_, Some(NO_HOST)) => unplug(&mut new),
        (_, None) => return Ok(()),
        (VIRTIO_FORWARDER, _) => new.plug_socket("vrouter", draft.uuid, false),
        (NORMAL, _) if host(work, &new).is_some_and(|host| uses_dpdk(work, &host)) => {
            new.plug_socket("vhostuser", draft.uuid, true);
        }
        (NORMAL, _) => unplug(&mut new),
        _ => {}
    }
    draft.set(BINDINGS, new.value());
    Ok(())
}

fn unplug(bindings: &mut Bindings) {
    bindings.remove("vif_type");
    bindings.remove("vif_details");
}

/// Whether something uses the port as it is.
fn is_bound(work: &Work, draft: &Draft, stored: &Bindings) -> Decision<bool> {
    if stored.get("vnic_type") == Some(BAREMETAL) {
        let linked = stored.get("profile").is_some_and(|profile| profile.contains("local_link_information"));
        return Ok(linked && stored.get("host_id").is_some());
    }
    let routers = work.type_id(type_name::LOGICAL_ROUTER)?;
    Ok(!draft.stored_links(MACHINES).is_empty() || work.graph.referrers(draft.uuid, routers).next().is_some())
}

/// The virtual router that the bindings name: by its whole name, else the first that has the host's short name in its
/// own.
fn host(work: &Work, bindings: &Bindings) -> Option<Arc<Object>> {
    let host = bindings.get("host_id").filter(|host| *host != NO_HOST)?;
    let kind = work.graph.model().find(type_name::VIRTUAL_ROUTER)?;
    if let Some(router) = work.graph.find(kind, &["default-global-system-config", host]) {
        return Some(Arc::clone(router));
    }
    let short = host.split('.').next().filter(|short| !short.is_empty())?;
    work.graph.objects_of(kind).find(|router| router.fq_name.joined().replace(':', ".").contains(short)).cloned()
}

fn uses_dpdk(work: &Work, router: &Object) -> bool {
    work.property(router, field_name::VIRTUAL_ROUTER_DPDK_ENABLED) == Some(Value::Bool(true))
}

/// The virtual router of a port, with the machine that the port is of.
fn placement(work: &Work, interface: &Object) -> Option<(Arc<Object>, Uuid)> {
    let bindings = Bindings::of(work.property(interface, BINDINGS).as_ref());
    Some((host(work, &bindings)?, work.links(interface, MACHINES).first()?.target))
}

fn is_direct(work: &Work, interface: &Object) -> bool {
    Bindings::of(work.property(interface, BINDINGS).as_ref()).get("vnic_type") == Some(DIRECT)
}

/// VMI-U6: the virtual router of a port that is passed through refers to the machine.
pub fn follow_machine(work: &mut Work, before: &Object, after: &Object) {
    if !is_direct(work, after) {
        return;
    }
    let (old, new) = (placement(work, before), placement(work, after));
    if old == new {
        return;
    }
    if let Some((router, machine)) = old {
        leave(work, &router, machine);
    }
    // Who may not refer to a router does not write into it by saying its name.
    if let Some((router, machine)) = new.filter(|(router, _)| work.identity.may(Right::Link, router)) {
        let mut draft = Draft::update(work, &work.graph.get(router.uuid).cloned().unwrap_or(router));
        let mut links = draft.stored_links(MACHINES);
        if links.iter().all(|link| link.target != machine) {
            links.push(NewLink { target: machine, attribute: Value::Null });
            draft.set_links(MACHINES, links);
            work.save(&draft);
        }
    }
}

/// VMI-D2: the virtual router of a deleted port no longer refers to the machine.
pub fn leave_machine(work: &mut Work, interface: &Object) {
    if let Some((router, machine)) = placement(work, interface) {
        leave(work, &router, machine);
    }
}

fn leave(work: &mut Work, router: &Arc<Object>, machine: Uuid) {
    let mut draft = Draft::update(work, router);
    let mut links = draft.stored_links(MACHINES);
    let count = links.len();
    links.retain(|link| link.target != machine);
    if links.len() < count {
        draft.set_links(MACHINES, links);
        work.save(&draft);
    }
}
