//! Whoever looks while others are at work sees each thing whole: what belongs to it was made with it.

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::Api;
use crate::support::neutron::Plugin;

const INTERFACE: &str = "network:router_interface";

/// Looks once for each call that begins, at another thing each time; gives how often.
pub async fn watch(api: Api, mut begins: watch::Receiver<usize>, number: usize) -> usize {
    let admin = Plugin::admin(&api, "00000000-0000-4000-8000-000000000000");
    let mut looks = number;
    while begins.changed().await.is_ok() {
        match looks % 7 {
            0 => ports(&admin).await,
            1 => floating_ips(&admin).await,
            2 => trunks(&admin).await,
            3 => stored_ports(&api).await,
            4 => stored_addresses(&api).await,
            5 => machines(&api).await,
            _ => stored_networks(&api).await,
        }
        looks += 1;
    }
    looks - number
}

fn has_some(list: &Value) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty())
}

/// Ports that are called so have addresses all the time.
fn needs_address(name: &Value) -> bool {
    name == "port"
}

async fn ports(admin: &Plugin) {
    for port in admin.list("port", json!({})).await {
        let is_interface = port["device_owner"] == INTERFACE;
        assert!(port["network_id"].is_string(), "a port without network: {port}");
        assert!(has_some(&port["fixed_ips"]) || !needs_address(&port["name"]) && !is_interface, "no address: {port}");
        for address in port["fixed_ips"].as_array().unwrap() {
            assert!(address["ip_address"].is_string() && address["subnet_id"].is_string(), "half an address: {port}");
        }
        assert!(!is_interface || port["device_id"] != "", "an interface without router: {port}");
    }
}

async fn floating_ips(admin: &Plugin) {
    for floating_ip in admin.list("floatingip", json!({})).await {
        let has_port = floating_ip["port_id"].is_string();
        let fits = floating_ip["fixed_ip_address"].is_string() == has_port
            && (floating_ip["status"] == "ACTIVE") == has_port
            && floating_ip["floating_ip_address"].is_string()
            && floating_ip["floating_network_id"].is_string()
            && floating_ip["tenant_id"].is_string();
        assert!(fits, "half a floating ip: {floating_ip}");
    }
}

async fn trunks(admin: &Plugin) {
    for trunk in admin.list("trunk", json!({})).await {
        let sub_ports = trunk["sub_ports"].as_array().unwrap();
        assert!(trunk["port_id"].is_string(), "a trunk without port: {trunk}");
        assert!(sub_ports.iter().all(|port| port["segmentation_id"].is_i64()), "a port without VLAN: {trunk}");
    }
}

async fn all(api: &Api, kind: &str, fields: &str) -> Vec<Value> {
    let listed = api.get(&format!("/{kind}s?detail=true&fields={fields}")).await.ok();
    listed[format!("{kind}s")].as_array().unwrap().iter().map(|item| item[kind].clone()).collect()
}

async fn stored_ports(api: &Api) {
    for port in all(api, "virtual-machine-interface", "instance_ip_back_refs,logical_router_back_refs").await {
        let is_interface = port["virtual_machine_interface_device_owner"] == INTERFACE;
        let is_secured = port["port_security_enabled"] != false;
        // Whoever switches it on or off says what it is about in the calls, and groups stay as they are (NEU-PORT-U3).
        let is_changed = port["id_perms"]["description"] == "another";
        let has = |field: &str| has_some(&port[field]);
        let fits = has("virtual_network_refs")
            && (has("instance_ip_back_refs") || !needs_address(&port["display_name"]) && !is_interface)
            && has("logical_router_back_refs") == is_interface
            && (has("security_group_refs") == is_secured || is_changed);
        assert!(fits, "half a port: {port}");
    }
}

async fn stored_addresses(api: &Api) {
    for address in all(api, "instance-ip", "").await {
        let fits = has_some(&address["virtual_machine_interface_refs"])
            && has_some(&address["virtual_network_refs"])
            && address["instance_ip_address"].is_string();
        assert!(fits, "an address of nobody: {address}");
    }
}

async fn machines(api: &Api) {
    for machine in all(api, "virtual-machine", "virtual_machine_interface_back_refs").await {
        assert!(has_some(&machine["virtual_machine_interface_back_refs"]), "a machine without ports: {machine}");
    }
}

async fn stored_networks(api: &Api) {
    for network in all(api, "virtual-network", "floating_ip_pools").await {
        let is_external = network["router_external"] == true;
        assert!(has_some(&network["floating_ip_pools"]) == is_external, "half an external network: {network}");
    }
}
