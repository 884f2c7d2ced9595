//! Types that check little: services and appliances, alarms, classes of traffic, route tables, settings.

use super::*;

#[test]
fn alm_c1_alm_c2_conditions_of_alarms() {
    let mut configuration = Configuration::new();
    let rules = |operation: &str, operand: Value| {
        let condition = json!({"operation": operation, "operand1": "A.b", "operand2": operand});
        json!({"alarm_rules": {"or_list": [{"and_list": [condition]}]}})
    };
    let mut create = |members: Value| configuration.in_project("alarm", "a", members);
    for (members, text) in [
        (json!({}), "alarm_rules not specified or null"),
        (json!({"alarm_rules": {}}), "alarm_rules not specified or null"),
        (json!({"alarm_rules": {"or_list": [{}]}}), "Invalid alarm_rules"),
        (rules("==", json!({})), "operand2 should have 'uve_attribute' or 'json_value'"),
        (
            rules("==", json!({"json_value": "1", "uve_attribute": "A.c"})),
            "operand2 should have either 'uve_attribute' or 'json_value', not both",
        ),
        (rules("==", json!({"json_value": "x"})), "Invalid json_value 'x' specified in alarm_rules"),
        (rules("range", json!({"uve_attribute": "A.c"})), "json_value not specified for 'range' operation"),
        (
            rules("range", json!({"json_value": "[5, 1]"})),
            "Invalid json_value [5, 1] for 'range' operation. json_value should be specified as '[x, y]', where x < y",
        ),
    ] {
        assert_eq!(refusal(create(members)), format!("400 {text}"));
    }
    let alarm = create(rules("range", json!({"json_value": "[1, 5]"}))).unwrap();
    configuration.update(&alarm, rules("==", json!({"uve_attribute": "A.c"}))).unwrap();
    assert_eq!(
        refusal(configuration.update(&alarm, json!({"alarm_rules": null}))),
        "400 alarm_rules cannot be removed"
    );
}

#[test]
fn qos_c1_keys_of_traffic_marks() {
    let mut configuration = Configuration::new();
    let entries = |field: &str, key: i64| json!({field: {"qos_id_forwarding_class_pair": [{"key": key, "forwarding_class_id": 1}]}});
    for (field, title, last) in
        [("dscp_entries", "DSCP", 63), ("vlan_priority_entries", "802.1p", 7), ("mpls_exp_entries", "MPLS EXP", 7)]
    {
        let good = configuration.in_project("qos-config", field, entries(field, last)).unwrap();
        assert_eq!(configuration.links(&good, "global_system_config_refs").len(), 1);
        let text = format!("400 Invalid {title} value {}", last + 1);
        assert_eq!(refusal(configuration.in_project("qos-config", "q", entries(field, last + 1))), text);
        assert_eq!(refusal(configuration.update(&good, entries(field, last + 1))), text);
    }
    let keyless = json!({"dscp_entries": {"qos_id_forwarding_class_pair": [{"forwarding_class_id": 1}]}});
    let refused = configuration.in_project("qos-config", "q", keyless);
    assert!(refusal(refused).ends_with("needs field key"));
}

#[test]
fn fc_c1_forwarding_classes_have_ids_of_their_own() {
    let mut configuration = Configuration::new();
    let parent =
        configuration.find("global-qos-config", "default-global-system-config:default-global-qos-config").unwrap();
    let mut create = |name: &str, members: Value| configuration.below(&parent, "forwarding-class", name, members);
    let one = create("one", json!({})).unwrap();
    assert_eq!(refusal(create("two", json!({}))), "400 Forwarding class one is configured with a id 0");
    let two = create("two", json!({"forwarding_class_id": 5})).unwrap();
    let changed = configuration.update(&two, json!({"forwarding_class_id": 0}));
    assert_eq!(refusal(changed), "400 Forwarding class one is configured with a id 0");
    configuration.update(&one, json!({"forwarding_class_id": 0})).unwrap();
}

#[test]
fn bd_c1_one_bridge_domain_in_a_network() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let first = configuration.below(&network, "bridge-domain", "one", json!({})).unwrap();
    assert_eq!(
        refusal(configuration.below(&network, "bridge-domain", "two", json!({}))),
        format!(
            "400 Virtual network({}) can have only one bridge domain. Bridge domain({}) is already created under this virtual network",
            network.uuid, first.uuid
        )
    );
}

#[test]
fn sas_u1_a_set_in_use_stays_as_it_is() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let set = configuration.below(&global, "service-appliance-set", "s", json!({})).unwrap();
    configuration.update(&set, json!({"service_appliance_driver": "a"})).unwrap();
    let pool = configuration.in_project("loadbalancer-pool", "p", json!({})).unwrap();
    configuration.refer(&pool, &set, Value::Null).unwrap();
    let text = "409 Service appliance set can not be updated as loadbalancer pools are using it";
    assert_eq!(refusal(configuration.update(&set, json!({"service_appliance_driver": "b"}))), text);
}

#[test]
fn sa_c1_appliances_are_attached_on_both_sides() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let set = configuration.below(&global, "service-appliance-set", "s", json!({})).unwrap();
    let mut port = |router: &str, members: Value| {
        let router = configuration.below(&global, "physical-router", router, members).unwrap();
        configuration.below(&router, "physical-interface", "xe-0", json!({})).unwrap()
    };
    let (own, spine) = (
        port("firewall", json!({"physical_router_role": "pnf"})),
        port("spine", json!({"physical_router_role": "spine"})),
    );
    let appliance = |interface: &Object, keys: &[&str]| {
        let point = spine.fq_name.joined().to_string();
        let pairs: Vec<Value> = keys.iter().map(|key| json!({"key": key, "value": point})).collect();
        json!({"service_appliance_properties": {"key_value_pair": pairs},
            "physical_interface_refs": [{"to": interface.fq_name.elements(), "attr": {"interface_type": "left"}}]})
    };
    let both = ["left-attachment-point", "right-attachment-point"];
    let mut create = |name: &str, members: Value| configuration.below(&set, "service-appliance", name, members);
    let text = format!("400 Referenced physical interface({}) does not belong to PNF device", spine.uuid);
    assert_eq!(refusal(create("a", appliance(&spine, &both))), text);
    let text = "400 There should be atleast one left/right attachment point defined";
    assert_eq!(refusal(create("a", appliance(&own, &both[..1]))), text);
    let stored = create("a", appliance(&own, &both)).unwrap();
    create("virtual", json!({})).unwrap();
    let name = spine.fq_name.joined().to_string();
    assert_eq!(configuration.links(&own, "physical_interface_refs"), [(name, Value::Null)]);
    assert_eq!(configuration.get(&spine, "physical_interface_type"), "service");
    configuration.delete(&stored).unwrap();
    assert!(configuration.links(&own, "physical_interface_refs").is_empty());
    assert_eq!(configuration.get(&spine, "physical_interface_type"), Value::Null);
}

#[test]
fn pt_c1_pt_d1_port_tuples_of_machines_are_plain() {
    let mut configuration = Configuration::new();
    let service = configuration.in_project("service-instance", "s", json!({})).unwrap();
    let before = configuration.graph.len();
    let tuple = configuration.below(&service, "port-tuple", "t", json!({})).unwrap();
    assert_eq!(configuration.graph.len(), before + 1, "nothing else is made");
    configuration.delete(&tuple).unwrap();
}

/// An appliance on both sides of a spine, a template for it, and the fabric's network for chains; then a service on it.
fn service_on_a_device(configuration: &mut Configuration, with_network: bool) -> Arc<Object> {
    let global = configuration.global();
    let fabric = configuration.below(&global, "fabric", "f", json!({})).unwrap();
    if with_network {
        let network = configuration.network("f-pnf-servicechain-network", "10.99.0.0", 24);
        configuration.refer(&fabric, &network, json!({"network_type": "pnf-servicechain"})).unwrap();
    }
    let in_fabric = json!([{"to": fabric.fq_name.elements()}]);
    let mut interfaces = |router: &str, role: &str| {
        let members = json!({"physical_router_role": role, "fabric_refs": in_fabric});
        let router = configuration.below(&global, "physical-router", router, members).unwrap();
        ["xe-0", "xe-1"].map(|name| configuration.below(&router, "physical-interface", name, json!({})).unwrap())
    };
    let (own, spine) = (interfaces("firewall", "pnf"), interfaces("spine", "spine"));
    let set = configuration.below(&global, "service-appliance-set", "set", json!({})).unwrap();
    let ends = ["left", "right"].into_iter().zip(own.iter().zip(&spine));
    let (points, links): (Vec<Value>, Vec<Value>) = ends
        .map(|(side, (own, spine))| {
            let point = json!({"key": format!("{side}-attachment-point"), "value": spine.fq_name.joined().to_string()});
            (point, json!({"to": own.fq_name.elements(), "attr": {"interface_type": side}}))
        })
        .unzip();
    let members = json!({"service_appliance_properties": {"key_value_pair": points}, "physical_interface_refs": links});
    configuration.below(&set, "service-appliance", "a", members).unwrap();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let template = configuration.below(&domain, "service-template", "t", json!({})).unwrap();
    configuration.refer(&template, &set, Value::Null).unwrap();
    let pairs = [("left-svc-vlan", "100"), ("right-svc-vlan", "200"), ("left-svc-asns", "1"), ("right-svc-asns", "2")];
    let pairs: Vec<Value> = pairs.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let members = json!({
        "service_instance_properties": {"service_virtualization_type": "physical-device"},
        "annotations": {"key_value_pair": pairs}, "service_template_refs": [{"to": template.fq_name.elements()}],
    });
    configuration.in_project("service-instance", "s", members).unwrap()
}

#[test]
fn pt_c1_pt_d1_si_d1_a_service_on_a_device_is_reached_through_interfaces_with_addresses() {
    let mut configuration = Configuration::new();
    let service = service_on_a_device(&mut configuration, true);
    let bindings = configuration.get(&service, "service_instance_bindings");
    let units = [0, 1].map(|side| bindings["key_value_pair"][side]["value"].as_str().unwrap().to_owned());
    let before = configuration.graph.len();
    let first = configuration.below(&service, "port-tuple", "one", json!({})).unwrap();
    assert_eq!(configuration.graph.len(), before + 1 + 8, "an interface and an address for each of four ends");
    let mut addresses = Vec::new();
    let mut tags = Vec::new();
    for (port, unit, vlan) in [("xe-0", &units[0], 100), ("xe-1", &units[1], 200)] {
        for device in ["firewall", "spine"] {
            let name = format!("default-global-system-config:{device}:{port}:{port}.{unit}");
            let interface = configuration.find("logical-interface", &name).unwrap();
            assert_eq!(configuration.get(&interface, "logical_interface_vlan_tag"), vlan);
            assert_eq!(configuration.get(&interface, "logical_interface_type"), "l3");
            let address = configuration.find("instance-ip", &format!("{device}.{port}.{vlan}")).unwrap();
            assert_eq!(configuration.links(&address, "logical_interface_refs"), [(name, Value::Null)]);
            let network = "default-domain:default-project:f-pnf-servicechain-network".to_owned();
            assert_eq!(configuration.links(&address, "virtual_network_refs"), [(network, Value::Null)]);
            addresses.push(configuration.get(&address, "instance_ip_address").to_string());
            tags.push(configuration.get(&address, "instance_ip_subscriber_tag").to_string());
        }
    }
    assert!(addresses.iter().all(|address| address.starts_with("\"10.99.0.")), "{addresses:?}");
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 4);
    assert!(
        tags[0] == tags[1] && tags[2] == tags[3] && tags[0] != tags[2],
        "one tag for both ends of a link: {tags:?}"
    );
    // They are of the service: another tuple needs no others, and they go with the last one.
    let second = configuration.below(&service, "port-tuple", "two", json!({})).unwrap();
    assert_eq!(configuration.graph.len(), before + 2 + 8);
    configuration.delete(&first).unwrap();
    assert_eq!(configuration.graph.len(), before + 1 + 8);
    configuration.delete(&second).unwrap();
    assert_eq!(configuration.graph.len(), before);
    configuration.below(&service, "port-tuple", "one", json!({})).unwrap();
    configuration.delete(&service).unwrap();
    assert_eq!(configuration.graph.len(), before - 1, "and with the service");
}

#[test]
fn pt_c1_what_a_tuple_on_a_device_can_not_have() {
    let mut configuration = Configuration::new();
    let service = service_on_a_device(&mut configuration, false);
    let before = configuration.graph.len();
    configuration.below(&service, "port-tuple", "t", json!({})).unwrap();
    assert_eq!(configuration.graph.len(), before + 1, "without a network for chains nothing is made");

    let mut configuration = Configuration::new();
    let service = service_on_a_device(&mut configuration, true);
    let vlan = json!({"key": "left-svc-vlan", "value": "blue"});
    configuration.put_element(&service, "annotations", "set", vlan).unwrap();
    let refused = configuration.below(&service, "port-tuple", "t", json!({}));
    let text = "400 left-svc-vlan of the service must be the number of a VLAN, not 'blue'";
    assert_eq!(refusal(refused), text);
    // A VLAN that somebody else has on one of the interfaces.
    let vlan = json!({"key": "left-svc-vlan", "value": "300"});
    configuration.put_element(&service, "annotations", "set", vlan).unwrap();
    let port = configuration.find("physical-interface", "default-global-system-config:spine:xe-0").unwrap();
    configuration.below(&port, "logical-interface", "mine", json!({"logical_interface_vlan_tag": 300})).unwrap();
    let before = configuration.graph.len();
    let refused = refusal(configuration.below(&service, "port-tuple", "t", json!({})));
    assert!(refused.starts_with("403 Vlan tag  300  already used in another interface"), "{refused}");
    assert_eq!(configuration.graph.len(), before);
}

#[test]
fn misc_1_the_only_property_that_is_insisted_on() {
    let mut configuration = Configuration::new();
    let refused = configuration.in_project("loadbalancer-healthmonitor", "h", json!({}));
    let text = "400 Bad property in create: loadbalancer_healthmonitor_properties property is missing";
    assert_eq!(refusal(refused), text);
}

#[test]
fn routes_lead_to_prefixes_each_once() {
    let mut configuration = Configuration::new();
    for (kind, property) in [("interface-route-table", "interface_route_table_routes"), ("route-table", "routes")] {
        let table = |routes: Value| json!({ property: {"route": routes} });
        let good = json!([{"prefix": "10.1.0.0/16"}, {"prefix": "10.2.0.1"}, {"prefix": "fd00::/8"}, {"prefix": "0.0.0.0/0"},
            {"prefix": "10.1.0.0/16", "next_hop": "10.9.9.9", "next_hop_type": "ip-address"}]);
        let stored = configuration.in_project(kind, "t", table(good)).unwrap();
        let refused = |configuration: &mut Configuration, routes: Value| {
            let (created, updated) = (
                configuration.in_project(kind, "u", table(routes.clone())),
                configuration.update(&stored, table(routes)),
            );
            let text = refusal(created);
            assert_eq!(refusal(updated), text);
            text
        };
        for (bad, given) in [
            (json!({"prefix": "10.1.0.0/99"}), "\"10.1.0.0/99\""),
            (json!({"prefix": "abc"}), "\"abc\""),
            (json!({"prefix": ""}), "\"\""),
            (json!({"prefix": null}), "null"),
            (json!({"next_hop": "10.1.1.1"}), "none"),
        ] {
            let text = refused(&mut configuration, json!([{"prefix": "10.1.0.0/16"}, bad]));
            let expected =
                format!("400 {property}: route 1: prefix must be one of IPv4 or IPv6, as 10.1.0.0/16, not {given}");
            assert_eq!(text, expected);
        }
        let twice = json!([{"prefix": "10.1.0.0/16"}, {"prefix": "10.1.2.3/16"}]);
        let text = refused(&mut configuration, twice);
        assert_eq!(text, format!("400 {property}: route 1: prefix 10.1.2.3/16 is there twice"));
        configuration.update(&stored, json!({ property: null })).unwrap();
    }
}

#[test]
fn communities_of_static_routes_have_two_numbers() {
    let mut configuration = Configuration::new();
    let route = |community: &str| {
        let communities = json!({"community_attribute": [community]});
        let route = json!({"prefix": "10.1.0.0/16", "community_attributes": communities});
        json!({"interface_route_table_routes": {"route": [route]}})
    };
    for (number, good) in ["no-export", "accept-own", "64512:1"].iter().enumerate() {
        configuration.in_project("interface-route-table", &number.to_string(), route(good)).unwrap();
    }
    let mut lists =
        vec![json!([""]), json!(["64512:1", ""]), json!([null]), json!(["64512:1", null]), json!([0]), json!([{}])];
    for list in lists.drain(..) {
        let mut routes = route("64512:1");
        routes["interface_route_table_routes"]["route"][0]["community_attributes"]["community_attribute"] =
            list.clone();
        let refused = refusal(configuration.in_project("interface-route-table", "t", routes));
        assert!(refused.starts_with("400 Bad property in create"), "{list}: {refused}");
        let term = json!({"term": [{"term_action_list": {"update": {"community": {"add": {"community": list}}}}}]});
        let refused = refusal(configuration.in_project("routing-policy", "p", json!({"routing_policy_entries": term})));
        assert!(refused.starts_with("400 Bad property in create"), "{list}: {refused}");
    }
    for (bad, text) in [
        ("x", "Invalid community format x. Change to 'number:number'"),
        ("1:2:3", "Invalid community format 1:2:3. Change to 'number:number'"),
        ("65536:1", "Out of range ASN value 65536:1. ASN values cannot exceed 65535."),
    ] {
        let refused = refusal(configuration.in_project("interface-route-table", "t", route(bad)));
        assert!(refused.starts_with("400 Bad property in create") && refused.contains(text), "{refused}");
    }
}

#[test]
fn osd_26_settings_of_opensdn_are_kept() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    configuration.update(&global, json!({"bgp_all_tags_are_global": true})).unwrap();
    assert_eq!(configuration.get(&global, "bgp_all_tags_are_global"), true);
    let vrouters = configuration
        .find("global-vrouter-config", "default-global-system-config:default-global-vrouter-config")
        .unwrap();
    configuration.update(&vrouters, json!({"global_max_vmi_flows": 5, "max_vm_flows_percent": 10.5})).unwrap();
    let router = configuration.below(&global, "virtual-router", "r", json!({"agent_uve_default_interval": 5})).unwrap();
    let length = json!({"key": "flow", "value": "100"});
    configuration.put_element(&router, "virtual_router_tracebuffer_length", "set", length).unwrap();
    assert_eq!(configuration.get(&router, "agent_uve_default_interval"), 5);
}

#[test]
fn osd_34_operations_on_elements_in_capitals() {
    let mut configuration = Configuration::new();
    let policy = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let note = json!({"key": "a", "value": "b"});
    configuration.put_element(&policy, "annotations", "SET", note.clone()).unwrap();
    assert_eq!(configuration.get(&policy, "annotations"), json!({"key_value_pair": [note]}));
}
