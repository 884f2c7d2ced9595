//! port (contrail-api R21: PORT-*): a port of a server knows the interface of the switch at the other end.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Rules, Work},
        types::bare_metal_port::interface_name,
    },
};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules {
    after_create: |work, port| connect(work, port, None),
    after_update: |work, before, after| {
        let before = other_end(work, before);
        connect(work, after, before)
    },
    ..Rules::NONE
};

const PORTS: &str = field_name::PORT_REFS;

/// PORT-C1: the interface of the switch refers to the port, and keeps it; a missing interface is passed over.
fn connect(work: &mut Work, port: &Arc<Object>, before: Option<Uuid>) -> Decision<()> {
    let after = other_end(work, port);
    for interface in before.into_iter().filter(|before| Some(*before) != after) {
        change(work, interface, port.uuid, false);
    }
    if let Some(interface) = after {
        change(work, interface, port.uuid, true);
    }
    Ok(())
}

fn other_end(work: &Work, port: &Object) -> Option<Uuid> {
    let information = work.property(port, field_name::BMS_PORT_INFO)?;
    let connection = information.get(field_name::LOCAL_LINK_CONNECTION)?;
    let text = |field: &str| connection.get(field).and_then(Value::as_str);
    let name = interface_name(text(field_name::PORT_ID)?);
    let kind = work.graph.model().find(type_name::PHYSICAL_INTERFACE)?;
    let interface = work.graph.find(kind, &["default-global-system-config", text(field_name::SWITCH_INFO)?, &name]);
    interface.map(|interface| interface.uuid)
}

fn change(work: &mut Work, interface: Uuid, port: Uuid, is_added: bool) {
    let Some(interface) = work.graph.get(interface).cloned() else { return };
    let mut draft = Draft::update(work, &interface);
    let mut links = draft.stored_links(PORTS);
    if links.iter().any(|link| link.target == port) == is_added {
        return;
    }
    links.retain(|link| link.target != port);
    if is_added {
        links.push(NewLink { target: port, attribute: Value::Null });
    }
    draft.set_links(PORTS, links);
    work.save(&draft);
}
