//! logical-router, and the numbers that networks, routers and service instances share.

use super::*;

const KIND: &str = "logical-router";
const VXLAN: &str = "vxlan-routing";

fn port(port: &Object) -> Value {
    json!({"virtual_machine_interface_refs": [{"to": port.fq_name.elements()}]})
}

fn gateway(network: &Object) -> Value {
    json!({"virtual_network_refs": [{"to": network.fq_name.elements(), "attr": null}]})
}

fn numbered(number: &str) -> Value {
    json!({"logical_router_type": VXLAN, "vxlan_network_identifier": number})
}

fn vxlan(number: u64) -> Value {
    json!({"virtual_network_properties": {"vxlan_network_identifier": number}})
}

fn network(configuration: &mut Configuration, name: &str, members: Value) -> Decision<Arc<Object>> {
    configuration.in_project("virtual-network", name, members)
}

/// The hidden network of a router.
fn internal(configuration: &Configuration, router: &Object) -> Option<Arc<Object>> {
    let name = format!("default-domain:default-project:__contrail_lr_internal_vn_{}__", router.uuid);
    configuration.find("virtual-network", &name)
}

fn taken(number: u64) -> String {
    format!("400 Cannot set VXLAN_ID: {number}, it has already been set")
}

#[test]
fn lr_c1_lr_u6_a_connected_router_stays_in_one_fabric() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let mut below = |kind: &str, name: &str, members: Value| configuration.below(&global, kind, name, members).unwrap();
    let fabrics = [below("fabric", "one", json!({})), below("fabric", "two", json!({}))];
    let mut device = |name: &str, fabric: Option<&Object>| {
        let refs: Vec<Value> = fabric.iter().map(|fabric| json!({"to": fabric.fq_name.elements()})).collect();
        below("physical-router", name, json!({"fabric_refs": refs}))
    };
    let devices = [device("a", Some(&fabrics[0])), device("b", Some(&fabrics[1])), device("c", None)];
    let router = configuration.in_project(KIND, "r", json!({})).unwrap();
    let refs = |devices: &[&Object]| {
        let refs: Vec<Value> = devices.iter().map(|device| json!({"uuid": device.uuid.to_string()})).collect();
        json!({"physical_router_refs": refs})
    };
    configuration.update(&router, refs(&[&devices[0], &devices[1], &devices[2]])).unwrap();
    configuration.update(&router, refs(&[&devices[0]])).unwrap();
    let to_router = json!({"logical_router_refs": [{"to": router.fq_name.elements(), "attr": null}]});
    configuration.below(&global, "data-center-interconnect", "dci", to_router).unwrap();
    configuration.update(&router, refs(&[&devices[0]])).unwrap();
    let different = configuration.update(&router, refs(&[&devices[0], &devices[1]]));
    let text = "400 LR can not associate with PRs from different Fabrics, if DCI is enabled";
    assert_eq!(refusal(different), text);
    let none = configuration.refer(&router, &devices[2], Value::Null);
    let text = "400 DCI LR can not associate to PRs which are not part of any Fabrics";
    assert_eq!(refusal(none), text);
}

#[test]
fn lr_c2_lr_u2_lr_g1_no_network_is_on_both_sides() {
    let mut configuration = Configuration::new();
    let (inside, outside) =
        (configuration.network("inside", "10.1.1.0", 24), configuration.network("outside", "10.1.2.0", 24));
    let (one, other) = (configuration.interface("one", &inside), configuration.interface("other", &outside));
    let mut both = port(&one);
    extend(&mut both, gateway(&inside));
    let text = |network: &Object| format!("400 Logical router interface and gateway cannot be inVN({})", network.uuid);
    assert_eq!(refusal(configuration.in_project(KIND, "r", both)), text(&inside));
    let router = configuration.in_project(KIND, "r", port(&one)).unwrap();
    configuration.refer(&router, &outside, Value::Null).unwrap();
    assert_eq!(refusal(configuration.refer(&router, &other, Value::Null)), text(&outside));
    assert_eq!(refusal(configuration.update(&router, gateway(&inside))), text(&inside));
}

#[test]
fn lr_c3_lr_u5_ports_of_machines_are_refused() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    let refs = json!({"virtual_network_refs": [{"to": network.fq_name.elements()}]});
    let below = configuration.below(&machine, "virtual-machine-interface", "below", refs).unwrap();
    let used = configuration.interface("used", &network);
    configuration.refer(&used, &machine, Value::Null).unwrap();
    for interface in [&below, &used] {
        let parent = interface.parent.unwrap();
        let text = format!("409 Port({}) already in use by virtual-machine({parent})", interface.uuid);
        assert_eq!(refusal(configuration.in_project(KIND, "r", port(interface))), text);
    }
    let router = configuration.in_project(KIND, "r", json!({})).unwrap();
    assert!(refusal(configuration.refer(&router, &used, Value::Null)).starts_with("409 Port("));
    configuration.update(&router, json!({"display_name": "without ports"})).unwrap();
}

#[test]
fn vmi_u2_the_port_of_a_router_gets_no_machine() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let interface = configuration.interface("p", &network);
    let router = configuration.in_project(KIND, "r", port(&interface)).unwrap();
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    let text = "400 Logical router interface cannot be used by VM";
    assert_eq!(refusal(configuration.refer(&interface, &machine, Value::Null)), text);
    configuration.delete(&router).unwrap();
    configuration.refer(&interface, &machine, Value::Null).unwrap();
}

#[test]
fn lr_c4_route_targets_keep_out_of_the_automatic_range() {
    let mut configuration = Configuration::new();
    let targets = |target: &str| json!({"configured_route_target_list": {"route_target": [target]}});
    let text = "400 Configured route target must use ASN that is different from global ASN or route target value must be less than 8000000 and greater than 16777216";
    assert_eq!(refusal(configuration.in_project(KIND, "r", targets("target:64512:8500000"))), text);
    let router = configuration.in_project(KIND, "r", targets("target:64600L:5")).unwrap();
    assert_eq!(configuration.get(&router, "configured_route_target_list"), json!({"route_target": ["target:64600:5"]}));
    assert_eq!(refusal(configuration.update(&router, targets("target:64512:8000000"))), text);
}

#[test]
fn lr_c5_lr_u1_the_type_is_chosen_once() {
    let mut configuration = Configuration::new();
    let router = configuration.in_project(KIND, "r", json!({})).unwrap();
    assert_eq!(configuration.get(&router, "logical_router_type"), "snat-routing");
    configuration.update(&router, json!({"logical_router_type": "snat-routing"})).unwrap();
    let changed = configuration.update(&router, json!({"logical_router_type": VXLAN}));
    assert_eq!(refusal(changed), "400 Cannot update logical_router_type for a Logical Router");
}

#[test]
fn lr_c6_vn_c4_numbers_are_had_once() {
    let mut configuration = Configuration::new();
    let blue = network(&mut configuration, "blue", vxlan(100)).unwrap();
    let own = configuration.get(&blue, "virtual_network_network_id").as_u64().unwrap();
    for (name, number) in [("vxlan", 100), ("own", own)] {
        assert_eq!(refusal(network(&mut configuration, name, vxlan(number))), taken(number));
        let router = configuration.in_project(KIND, "r", numbered(&number.to_string()));
        assert_eq!(refusal(router), taken(number));
    }
    let router = configuration.in_project(KIND, "r", numbered("200")).unwrap();
    assert_eq!(refusal(network(&mut configuration, "red", vxlan(200))), taken(200));
    for unset in ["", "None"] {
        configuration.in_project(KIND, &format!("unset{unset}"), numbered(unset)).unwrap();
    }
    assert!(refusal(configuration.in_project(KIND, "x", numbered("many"))).contains("'many' is not a number"));
    // Without VXLAN the number is only a text.
    configuration.in_project(KIND, "nat", json!({"vxlan_network_identifier": "100"})).unwrap();
    configuration.delete(&router).unwrap();
    configuration.delete(&blue).unwrap();
    let next = network(&mut configuration, "both", vxlan(own)).unwrap();
    assert_ne!(configuration.get(&next, "virtual_network_network_id"), own, "chosen as VXLAN id first");
    network(&mut configuration, "red", vxlan(200)).unwrap();
}

#[test]
fn vn_u5_the_vxlan_id_of_a_network_changes() {
    let mut configuration = Configuration::new();
    let blue = network(&mut configuration, "blue", vxlan(100)).unwrap();
    let red = network(&mut configuration, "red", json!({})).unwrap();
    let own = configuration.get(&red, "virtual_network_network_id").as_u64().unwrap();
    assert_eq!(refusal(configuration.update(&red, vxlan(100))), taken(100));
    configuration.update(&red, vxlan(own)).unwrap();
    configuration.update(&red, vxlan(own)).unwrap();
    assert_eq!(refusal(configuration.update(&blue, vxlan(own))), taken(own));
    configuration.update(&blue, json!({"virtual_network_properties": {"vxlan_network_identifier": null}})).unwrap();
    configuration.update(&red, vxlan(100)).unwrap();
    configuration.update(&blue, json!({"display_name": "b"})).unwrap();
    let green = network(&mut configuration, "green", json!({})).unwrap();
    assert_ne!(configuration.get(&green, "virtual_network_network_id"), own, "still its own number");
}

#[test]
fn lr_c7_bvpn_g3_bvpn_g4_bgpvpns_of_a_router() {
    let mut configuration = Configuration::new();
    let mut bgpvpn =
        |name: &str, kind: &str| configuration.in_project("bgpvpn", name, json!({"bgpvpn_type": kind})).unwrap();
    let (flat, routed) = (bgpvpn("b2", "l2"), bgpvpn("b3", "l3"));
    let network = configuration.network("blue", "10.1.1.0", 24);
    let interface = configuration.interface("p", &network);
    let router = configuration.in_project(KIND, "r", port(&interface)).unwrap();
    let text = format!(
        "400 Only bgpvpn type 'l3' can be associated to a logical router:\n- bgpvpn b2({}) type is l2\n",
        flat.uuid
    );
    assert_eq!(refusal(configuration.refer(&router, &flat, Value::Null)), text);
    configuration.refer(&network, &routed, Value::Null).unwrap();
    let text = format!(
        "400 Router r ({}) is linked to virtual network(s) which is/are associated to bgpvpn(s):\n- bgpvpn b3 ({}) associated to network blue ({})",
        router.uuid, routed.uuid, network.uuid
    );
    assert_eq!(refusal(configuration.refer(&router, &routed, Value::Null)), text);
}

#[test]
fn vn_c10_vn_u7_bvpn_g1_bvpn_g2_bgpvpns_of_a_network() {
    let mut configuration = Configuration::new();
    let mut bgpvpn =
        |name: &str, kind: &str| configuration.in_project("bgpvpn", name, json!({"bgpvpn_type": kind})).unwrap();
    let (flat, routed) = (bgpvpn("b2", "l2"), bgpvpn("b3", "l3"));
    let refs = |mode: &str, bgpvpns: &[&Object]| {
        let refs: Vec<Value> = bgpvpns.iter().map(|bgpvpn| json!({"to": bgpvpn.fq_name.elements()})).collect();
        json!({"virtual_network_properties": {"forwarding_mode": mode}, "bgpvpn_refs": refs})
    };
    let text = "400 Cannot associate bgpvpn type 'l2' with a virtual network in forwarding mode 'l3'";
    assert_eq!(refusal(network(&mut configuration, "blue", refs("l3", &[&flat]))), text);
    let text = "400 Cannot associate different bgpvpn types '{'l2', 'l3'}' on a virtual network with a forwarding mode different to'l2_l3'";
    assert_eq!(refusal(network(&mut configuration, "blue", refs("l2", &[&flat, &routed]))), text);
    let blue = network(&mut configuration, "blue", refs("l2_l3", &[&flat, &routed])).unwrap();
    let mode = json!({"virtual_network_properties": {"forwarding_mode": "l3"}});
    assert!(refusal(configuration.update(&blue, mode)).starts_with("400 Cannot associate different"));
    configuration.update(&blue, json!({"bgpvpn_refs": []})).unwrap();
    let interface = configuration.interface("p", &blue);
    let router = configuration.in_project(KIND, "r", port(&interface)).unwrap();
    configuration.refer(&router, &routed, Value::Null).unwrap();
    let text = format!(
        "400 Network blue ({}) is linked to a logical router which is associated to bgpvpn(s):\n- bgpvpn b3 ({}) associated to router r ({})",
        blue.uuid, routed.uuid, router.uuid
    );
    assert_eq!(refusal(configuration.refer(&blue, &routed, Value::Null)), text);
}

#[test]
fn lr_c8_lr_d1_the_internal_network_comes_and_goes_with_the_router() {
    let mut configuration = Configuration::new();
    let mut body = numbered("300");
    extend(&mut body, json!({"configured_route_target_list": {"route_target": ["target:1:1"]}}));
    let router = configuration.in_project(KIND, "r", body).unwrap();
    let network = internal(&configuration, &router).unwrap();
    assert!(network.hidden);
    assert_eq!(configuration.get(&network, "display_name"), "LR::r");
    let properties =
        json!({"forwarding_mode": "l3", "vxlan_network_identifier": 300, "max_flows": 0, "mirror_destination": false});
    assert_eq!(configuration.get(&network, "virtual_network_properties"), properties);
    for (name, default) in [
        ("mac_aging_time", json!(300)),
        ("port_security_enabled", json!(true)),
        ("virtual_network_category", json!("tenant")),
        ("is_provider_network", json!(false)),
        ("igmp_enable", json!(false)),
    ] {
        assert_eq!(configuration.get(&network, name), default, "{name}");
    }
    assert_eq!(configuration.get(&network, "route_target_list"), json!({"route_target": ["target:1:1"]}));
    let attribute = json!({"logical_router_virtual_network_type": "InternalVirtualNetwork"});
    let link = (network.fq_name.joined().to_string(), attribute);
    assert_eq!(configuration.links(&router, "virtual_network_refs"), std::slice::from_ref(&link));
    configuration.update(&router, json!({"virtual_network_refs": []})).unwrap();
    assert_eq!(configuration.links(&router, "virtual_network_refs"), [link], "not the client's to take away");
    let pool = configuration.below(&network, "floating-ip-pool", "pool", json!({})).unwrap();
    assert!(refusal(configuration.delete(&router)).starts_with("409 Delete when children still present"));
    configuration.delete(&pool).unwrap();
    configuration.delete(&router).unwrap();
    assert!(configuration.current(&network).is_none());
    let plain = configuration.in_project(KIND, "plain", json!({})).unwrap();
    assert!(internal(&configuration, &plain).is_none());
}

#[test]
fn lr_c6_an_empty_identifier_is_none() {
    let mut configuration = Configuration::new();
    let router = configuration.in_project(KIND, "r", json!({"vxlan_network_identifier": ""})).unwrap();
    assert_eq!(configuration.get(&router, "vxlan_network_identifier"), Value::Null);
    let numbered = configuration.in_project(KIND, "s", numbered("300")).unwrap();
    configuration.update(&numbered, json!({"vxlan_network_identifier": ""})).unwrap();
    assert_eq!(configuration.get(&numbered, "vxlan_network_identifier"), Value::Null);
    let revision = configuration.graph.revision();
    configuration.update(&numbered, json!({"vxlan_network_identifier": ""})).unwrap();
    assert_eq!(configuration.graph.revision(), revision);
}

#[test]
fn lr_u3_lr_u4_changes_reach_the_internal_network() {
    let mut configuration = Configuration::new();
    let mut body = numbered("300");
    let targets = |target: &str| json!({"configured_route_target_list": {"route_target": [target]}});
    extend(&mut body, targets("target:1:1"));
    let router = configuration.in_project(KIND, "r", body).unwrap();
    configuration.in_project(KIND, "other", numbered("400")).unwrap();
    let number = |number: &str| json!({"vxlan_network_identifier": number});
    assert_eq!(refusal(configuration.update(&router, number("400"))), taken(400));
    configuration.update(&router, number("301")).unwrap();
    let network = internal(&configuration, &router).unwrap();
    let stored = |configuration: &Configuration| {
        let properties = configuration.get(&network, "virtual_network_properties");
        (properties["vxlan_network_identifier"].clone(), configuration.get(&network, "route_target_list"))
    };
    assert_eq!(stored(&configuration), (json!(301), json!({"route_target": ["target:1:1"]})), "targets stay");
    configuration.update(&router, targets("target:2:2")).unwrap();
    assert_eq!(stored(&configuration), (json!(301), json!({"route_target": ["target:2:2"]})));
    configuration.in_project(KIND, "third", numbered("300")).unwrap();
    // One that has lost its network can't have a number.
    let plain = configuration.in_project(KIND, "plain", json!({"logical_router_type": VXLAN})).unwrap();
    let mut lost = Object::clone(&configuration.current(&plain).unwrap());
    lost.links.clear();
    configuration.graph.put(&Arc::new(lost));
    assert_eq!(refusal(configuration.update(&plain, number("500"))), "400 Internal FQ name not found");
}
