//! `virtual_router`: whether that of a host uses DPDK (NEU-VR-G1). Only old plug-ins ask.

use super::{
    exception::Exception,
    refused::Answered,
    resource::{Does, Resource, Verb},
    view::View,
};
use crate::{
    access::role_rules::Letter,
    model::{field_name, type_name},
    rules::string_list,
};
use serde_json::{Value, json};

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/virtual_router",
    meaning: "what virtual routers of hosts can do",
    needs_fwaas: false,
    operations: &[(Verb::Read, Does::Reads(read))],
    example: (Verb::Read, r#"{"id": ["default-global-system-config", "example-virtual-router"]}"#),
};

fn read(view: &View<'_>) -> Answered<Value> {
    let kind = view.type_id(type_name::VIRTUAL_ROUTER)?;
    view.ask(kind, Letter::Read, Vec::new())?;
    let id = view.request.id.clone().unwrap_or_default();
    let router = string_list(&id).and_then(|name| view.graph.find(kind, &name));
    match router.filter(|router| view.identity.may_read(router)) {
        Some(router) => Ok(json!({"dpdk_enabled": view.flag(router, field_name::VIRTUAL_ROUTER_DPDK_ENABLED)})),
        None => Err(Exception::VirtualRouterNotFound { vrouter_id: id }.into()),
    }
}
