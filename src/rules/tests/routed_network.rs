//! Routed networks.

use super::*;

const ROUTER: &str = "aaaaaaaa-1111-4111-8111-111111111111";
const LOGICAL: &str = "bbbbbbbb-2222-4222-8222-222222222222";

fn routed(configuration: &mut Configuration, name: &str) -> Arc<Object> {
    let members = json!({"virtual_network_category": "routed"});
    configuration.network_with(name, json!([subnet("10.1.1.0", 24)]), members).unwrap()
}

fn entries(entries: &[Value]) -> Value {
    json!({"virtual_network_routed_properties": {"routed_properties": entries}})
}

/// An entry for both routers, with more members.
fn entry(members: Value) -> Value {
    let mut entry = json!({"physical_router_uuid": ROUTER, "logical_router_uuid": LOGICAL});
    extend(&mut entry, members);
    entry
}

#[test]
fn vn_u13_what_devices_need() {
    let mut configuration = Configuration::new();
    let network = routed(&mut configuration, "blue");
    let own = |members: Value| {
        let mut members = members;
        extend(&mut members, json!({"routed_interface_ip_address": "10.1.1.5"}));
        entry(members)
    };
    for (entry, text) in [
        (json!({"logical_router_uuid": LOGICAL}), "Physical router Id not present for routed VN"),
        (json!({"physical_router_uuid": ROUTER}), "Logical Router Id not present for routed VN"),
        (entry(json!({})), "routed-interface-ip-address is required"),
        (entry(json!({"routed_interface_ip_address": "10.2.1.5"})), "IP 10.2.1.5 does not belong to any subnet"),
        (own(json!({"bgp_params": {"peer_ip_address_list": ["10.1.1.9", "fd00::1"]}})), "fd00::1"),
        (own(json!({"pim_params": {"rp_ip_address": ["fd00::2"]}})), "fd00::2"),
        (own(json!({"pim_params": {"rp_ip_address": ["10.1.1.9", null]}})), "None"),
        (
            own(json!({"bgp_params": {"peer_ip_address": "10.1.1.010"}})),
            "10.1.1.010 (is 010 octal or decimal? Write octets without leading zeros)",
        ),
        (
            own(json!({"pim_params": {"rp_ip_address": ["10.1.1.9"], "mode": "dense"}})),
            "PIM mode only sparse-dense supported",
        ),
        (
            own(json!({"ospf_params": {"area_id": "0.0.0.0", "area_type": "stub"}})),
            "Area id zero should have area type as backbone",
        ),
    ] {
        assert_eq!(refusal(configuration.update(&network, entries(&[entry]))), format!("409 {text}"));
    }
    let good = own(json!({"pim_params": {"rp_ip_address": ["10.1.1.9"], "mode": "sparse-dense"},
        "ospf_params": {"area_id": "0.0.0.0", "area_type": "backbone"}}));
    configuration.update(&network, entries(&[good])).unwrap();
    let padded = entry(json!({"routed_interface_ip_address": "10.1.1.05", "loopback_ip_address": "10.1.1.06",
        "bgp_params": {"peer_ip_address": "10.1.1.07", "peer_ip_address_list": ["10.1.01.7"]},
        "pim_params": {"rp_ip_address": ["10.01.1.7"]}}));
    let usual = entry(json!({"routed_interface_ip_address": "10.1.1.5", "loopback_ip_address": "10.1.1.6",
        "bgp_params": {"peer_ip_address": "10.1.1.7", "peer_ip_address_list": ["10.1.1.7"]},
        "pim_params": {"rp_ip_address": ["10.1.1.7"]}}));
    configuration.update(&network, entries(&[padded])).unwrap();
    assert_eq!(
        configuration.get(&network, "virtual_network_routed_properties"),
        entries(&[usual])["virtual_network_routed_properties"]
    );
    let tenant = configuration.network("tenant", "10.1.1.0", 24);
    configuration.update(&tenant, entries(&[json!({})])).unwrap();
}

#[test]
fn vn_u13_loopbacks_of_a_fabric_are_addresses() {
    let mut configuration = Configuration::new();
    let network = routed(&mut configuration, "f-overlay-loopback-network");
    let global = configuration.global();
    let tag = json!({"network_type": "overlay-loopback"});
    let refs = json!({"virtual_network_refs": [{"to": network.fq_name.elements(), "attr": tag}]});
    configuration.below(&global, "fabric", "f", refs).unwrap();
    let loopbacks = |configuration: &Configuration| -> Vec<Value> {
        let stored = configuration.get(&network, "virtual_network_routed_properties");
        let stored = stored["routed_properties"].as_array().cloned().unwrap_or_default();
        stored.iter().map(|entry| entry["loopback_ip_address"].clone()).collect()
    };
    let mut other = entry(json!({"loopback_ip_address": "10.1.1.77"}));
    other["physical_router_uuid"] = json!("cccccccc-3333-4333-8333-333333333333");
    configuration.update(&network, entries(&[entry(json!({})), other.clone()])).unwrap();
    assert_eq!(loopbacks(&configuration), ["10.1.1.254", "10.1.1.77"]);
    let generated = configuration.find("instance-ip", "111111111111222222222222").unwrap();
    assert!(configuration.find("instance-ip", "10.1.1.77").is_some());
    // What was read and is sent back changes nothing.
    configuration
        .update(&network, entries(&[entry(json!({"loopback_ip_address": "10.1.1.254"})), other.clone()]))
        .unwrap();
    assert!(configuration.current(&generated).is_some());
    configuration.update(&network, entries(&[other])).unwrap();
    assert!(configuration.current(&generated).is_none());
    configuration.update(&network, entries(&[])).unwrap();
    assert!(configuration.find("instance-ip", "10.1.1.77").is_none());
}
