//! virtual-machine-interface.

use super::*;

const KIND: &str = "virtual-machine-interface";

/// The body of an interface on a network, with more members.
fn on(network: &Object, members: Value) -> Value {
    let mut body = json!({"virtual_network_refs": [{"uuid": network.uuid.to_string()}]});
    extend(&mut body, members);
    body
}

fn tagged(tag: i64) -> Value {
    json!({"sub_interface_vlan_tag": tag})
}

fn bindings(pairs: &[(&str, &str)]) -> Value {
    let pairs: Vec<Value> = pairs.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({"key_value_pair": pairs})
}

/// The bindings of an interface, as `key=value`, sorted.
fn plugged(configuration: &Configuration, interface: &Object) -> Vec<String> {
    let value = configuration.get(interface, "virtual_machine_interface_bindings");
    let pairs = value["key_value_pair"].as_array().cloned().unwrap_or_default();
    let text = |pair: &Value| format!("{}={}", pair["key"].as_str().unwrap(), pair["value"].as_str().unwrap());
    let mut texts: Vec<String> = pairs.iter().map(text).collect();
    texts.sort();
    texts
}

fn virtual_router(configuration: &mut Configuration, name: &str, dpdk: bool) -> Arc<Object> {
    let global = configuration.global();
    configuration.below(&global, "virtual-router", name, json!({"virtual_router_dpdk_enabled": dpdk})).unwrap()
}

#[test]
fn vmi_c1_a_network_is_needed() {
    let mut configuration = Configuration::new();
    let text = "400 Virtual Machine Interface must have valide Virtual Network reference";
    for members in [json!({}), json!({"virtual_network_refs": []})] {
        assert_eq!(refusal(configuration.in_project(KIND, "p", members)), text);
    }
}

#[test]
fn vmi_c2_tags_have_twelve_bits() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    for (tag, accepted) in [(0, true), (4094, true), (4095, false), (-1, false)] {
        let body = on(&network, json!({"virtual_machine_interface_properties": tagged(tag)}));
        let answer = configuration.in_project(KIND, &format!("p{tag}"), body);
        if accepted {
            answer.unwrap();
        } else {
            assert!(refusal(answer).contains(&tag.to_string()));
        }
    }
}

#[test]
fn vmi_c3_sub_interfaces_of_one_port_have_tags_of_their_own() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let primary = configuration.interface("primary", &network);
    let mut sub = |name: &str, tag: i64, of: &Object| {
        let body = on(
            &network,
            json!({"virtual_machine_interface_properties": tagged(tag),
                "virtual_machine_interface_refs": [{"uuid": of.uuid.to_string()}]}),
        );
        configuration.in_project(KIND, name, body)
    };
    let one = sub("one", 100, &primary).unwrap();
    sub("two", 101, &primary).unwrap();
    let twice = "400 Two sub interfaces under same primary port can't have same Vlan tag";
    assert_eq!(refusal(sub("three", 100, &primary)), twice);
    let nested = "400 sub interface can't have another sub interface as it's primary port";
    assert_eq!(refusal(sub("four", 102, &one)), nested);
    let body = on(&network, json!({"virtual_machine_interface_properties": tagged(101)}));
    let late = configuration.in_project(KIND, "late", body).unwrap();
    assert_eq!(refusal(configuration.refer(&late, &primary, Value::Null)), twice, "added from the sub-interface");
    assert_eq!(refusal(configuration.refer(&primary, &late, Value::Null)), twice, "added from the primary port");
}

#[test]
fn vmi_c4_vmi_u1_bridge_domains_are_of_the_network() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let other = configuration.network("red", "10.1.1.0", 24);
    let own = configuration.below(&network, "bridge-domain", "own", json!({})).unwrap();
    let foreign = configuration.below(&other, "bridge-domain", "foreign", json!({})).unwrap();
    let refer = |domain: &Object, tag: i64| json!({"uuid": domain.uuid.to_string(), "to": domain.fq_name.elements(), "attr": {"vlan_tag": tag}});
    let uuid = Uuid::new_v4();
    let body = on(&network, json!({"uuid": uuid.to_string(), "bridge_domain_refs": [refer(&foreign, 0)]}));
    assert_eq!(
        refusal(configuration.in_project(KIND, "p", body)),
        format!(
            "400 Virtual machine interface({uuid}) can only refer to bridge domain belonging to virtual network({})",
            network.uuid
        )
    );
    let body = on(&network, json!({"uuid": uuid.to_string(), "bridge_domain_refs": [refer(&own, 0)]}));
    let interface = configuration.in_project(KIND, "p", body).unwrap();
    assert_eq!(
        refusal(configuration.update(&interface, json!({"virtual_network_refs": []}))),
        format!(
            "400 Virtual network can not be removed on virtual machine interface({uuid}) while it refers a bridge domain"
        )
    );
    let moved = configuration.update(&interface, json!({"virtual_network_refs": [{"uuid": other.uuid.to_string()}]}));
    assert!(refusal(moved).contains("can only refer to bridge domain"));
}

#[test]
fn vmi_c4_one_bridge_domain_for_each_vlan() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    // A second domain of a network is refused by a rule of its own type: the graph gets it from another one.
    let first = configuration.below(&network, "bridge-domain", "first", json!({})).unwrap();
    let mut second = Object::clone(&first);
    second.uuid = Uuid::new_v4();
    second.fq_name = network.fq_name.child("second");
    configuration.graph.put(&Arc::new(second.clone()));
    let refer = |domain: &Object, tag: i64| json!({"uuid": domain.uuid.to_string(), "to": domain.fq_name.elements(), "attr": {"vlan_tag": tag}});
    let uuid = Uuid::new_v4();
    let twice = json!({"uuid": uuid.to_string(), "bridge_domain_refs": [refer(&first, 7), refer(&second, 7)]});
    assert_eq!(
        refusal(configuration.in_project(KIND, "p", on(&network, twice))),
        format!("400 Virtual machine interface({uuid}) already refers to bridge domain({}) for vlan tag 7", first.uuid)
    );
    let each = json!({"bridge_domain_refs": [refer(&first, 7), refer(&second, 8)]});
    configuration.in_project(KIND, "p", on(&network, each)).unwrap();
}

#[test]
fn vmi_c5_vmi_u10_hardware_addresses() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let property = "virtual_machine_interface_mac_addresses";
    let addresses = |addresses: &[&str]| json!({property: {"mac_address": addresses}});
    let uuid = "3d9c1a77-0e00-4000-8000-000000000001";
    let body = on(&network, json!({"uuid": uuid}));
    let interface = configuration.in_project(KIND, "p", body).unwrap();
    assert_eq!(configuration.get(&interface, property), json!({"mac_address": ["02:3d:9c:1a:77:0e"]}));
    for name in ["q", "r"] {
        let body = on(&network, addresses(&["00-11-22-33-44-55", "not checked"]));
        let interface = configuration.in_project(KIND, name, body).unwrap();
        assert_eq!(
            configuration.get(&interface, property),
            json!({"mac_address": ["00:11:22:33:44:55", "not checked"]}),
            "nor unique"
        );
    }
    configuration.update(&interface, addresses(&["00-11-22-33-44-66"])).unwrap();
    assert_eq!(configuration.get(&interface, property), json!({"mac_address": ["00:11:22:33:44:66"]}));
    configuration.update(&interface, addresses(&[])).unwrap();
    assert_eq!(configuration.get(&interface, property), json!({"mac_address": ["02:3d:9c:1a:77:0e"]}));
}

#[test]
fn vmi_c6_bindings_are_completed() {
    let mut configuration = Configuration::new();
    let plain = configuration.network("blue", "10.1.1.0", 24);
    let provider = json!({"provider_properties": {"segmentation_id": 77, "physical_network": "p"}});
    let provider = configuration.network_with("sriov", json!([subnet("10.1.1.0", 24)]), provider).unwrap();
    virtual_router(&mut configuration, "soft.example.org", false);
    virtual_router(&mut configuration, "fast.example.org", true);
    let uuid = "3d9c1a77-0e00-4000-8000-000000000001";
    let socket = "\"vhostuser_mode\": \"server\", \"vhostuser_socket\": \"/var/run/vrouter/uvh_vif_tap3d9c1a77-0e\"";
    let vhost = format!("vif_details={{{socket}}}");
    let dpdk = format!("vif_details={{{socket}, \"vhostuser_vrouter_plug\": true}}");
    let vlan = "vif_details={\"port_filter\": true, \"vlan\": \"77\"}";
    let cases: [(&Object, &[(&str, &str)], &[&str]); 9] = [
        (&plain, &[], &["vnic_type=normal"]),
        (&plain, &[("vnic_type", "normal"), ("host_id", "nowhere")], &["vnic_type=normal", "host_id=nowhere"]),
        (&plain, &[("host_id", "soft.example.org")], &["host_id=soft.example.org", "vnic_type=normal"]),
        (
            &plain,
            &[("host_id", "fast.example.org")],
            &["host_id=fast.example.org", "vif_type=vhostuser", "vnic_type=normal", &dpdk],
        ),
        (
            &plain,
            &[("host_id", "fast.elsewhere")],
            &["host_id=fast.elsewhere", "vif_type=vhostuser", "vnic_type=normal", &dpdk],
        ),
        (&plain, &[("vnic_type", "direct")], &["vnic_type=direct", "vif_type=vrouter"]),
        (&plain, &[("vnic_type", "virtio-forwarder")], &["vnic_type=virtio-forwarder", "vif_type=vrouter", &vhost]),
        (&provider, &[("vnic_type", "virtio-forwarder")], &["vnic_type=virtio-forwarder", "vif_type=hw_veb", vlan]),
        (&provider, &[("vnic_type", "direct")], &["vnic_type=direct", "vif_type=hw_veb", vlan]),
    ];
    for (network, given, expected) in cases {
        let body = on(network, json!({"uuid": uuid, "virtual_machine_interface_bindings": bindings(given)}));
        let interface = configuration.in_project(KIND, "p", body).unwrap();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(plugged(&configuration, &interface), expected, "{given:?}");
        configuration.delete(&interface).unwrap();
    }
    let unsorted = on(
        &plain,
        json!({"virtual_machine_interface_bindings": bindings(&[("host_id", "soft.example.org"), ("a", "b")])}),
    );
    let interface = configuration.in_project(KIND, "p", unsorted).unwrap();
    let completed = configuration.get(&interface, "virtual_machine_interface_bindings");
    let keys: Vec<&str> =
        completed["key_value_pair"].as_array().unwrap().iter().map(|pair| pair["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a", "host_id", "vnic_type"], "in the order of the keys, with what the server adds");
    configuration
        .update(
            &interface,
            json!({"virtual_machine_interface_bindings": bindings(&[("z", "y"), ("host_id", "fast.example.org")])}),
        )
        .unwrap();
    let completed = configuration.get(&interface, "virtual_machine_interface_bindings");
    let keys: Vec<&str> =
        completed["key_value_pair"].as_array().unwrap().iter().map(|pair| pair["key"].as_str().unwrap()).collect();
    assert!(keys.is_sorted() && keys.len() > 2, "{keys:?}");
    let silent = configuration.interface("silent", &plain);
    assert!(plugged(&configuration, &silent).is_empty(), "only completed when given");
}

#[test]
fn vmi_c7_vmi_u8_allowed_address_pairs() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let pair = |prefix: &str, length: u8, mode: &str| {
        json!({"virtual_machine_interface_allowed_address_pairs": {"allowed_address_pair":
            [{"ip": {"ip_prefix": prefix, "ip_prefix_len": length}, "address_mode": mode}]}})
    };
    for (prefix, length, mode, text) in [
        ("10.1.1.300", 24, "active-standby", "failed to detect a valid IP address from '10.1.1.300'"),
        ("10.1.1.300", 24, "active-active", "Subnet type '10.1.1.300/24' is invalid"),
        (" 10.1.1.3", 24, "active-standby", "failed to detect a valid IP address from ' 10.1.1.3'"),
        (" 10.1.1.3", 24, "active-active", "Subnet type ' 10.1.1.3/24' is invalid"),
        ("10.1.1.010", 32, "active-standby", "from '10.1.1.010' (is 010 octal or decimal?"),
        ("10.1.0.0", 16, "active-standby", "IPv4 Prefix length lesser than 24"),
        ("fd00::", 64, "active-standby", "IPv6 Prefix length lesser than 120"),
    ] {
        let refused = configuration.in_project(KIND, "p", on(&network, pair(prefix, length, mode)));
        let refused = refusal(refused);
        assert!(refused.starts_with("400 Bad property in create: ") && refused.contains(text), "{refused}");
    }
    let interface = configuration.in_project(KIND, "p", on(&network, pair("10.1.1.7", 24, "active-active"))).unwrap();
    let stored = configuration.get(&interface, "virtual_machine_interface_allowed_address_pairs");
    assert_eq!(stored["allowed_address_pair"][0]["ip"]["ip_prefix"], "10.1.1.0");
    let insecure = "400 Allowed address pairs are not allowed when port security is disabled";
    let mut both = pair("10.1.1.7", 32, "active-active");
    extend(&mut both, json!({"port_security_enabled": false}));
    assert_eq!(refusal(configuration.in_project(KIND, "q", on(&network, both))), insecure);
    assert_eq!(refusal(configuration.update(&interface, json!({"port_security_enabled": false}))), insecure);
}

#[test]
fn vmi_c8_vmi_u8_health_is_checked_locally_but_for_service_ports() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let mut check = |name: &str, kind: &str| {
        let properties =
            json!({"service_health_check_properties": {"health_check_type": kind, "monitor_type": "PING"}});
        configuration.in_project("service-health-check", name, properties).unwrap()
    };
    let (local, far) = (check("local", "link-local"), check("far", "end-to-end"));
    let service = configuration.in_project("service-instance", "service", json!({})).unwrap();
    let tuple = configuration.below(&service, "port-tuple", "tuple", json!({})).unwrap();
    let interface = configuration.interface("p", &network);
    configuration.refer(&interface, &local, Value::Null).unwrap();
    let text = format!(
        "400 Virtual machine interface({}) of non service vm can only refer link-local type service health check",
        interface.uuid
    );
    assert_eq!(refusal(configuration.refer(&interface, &far, Value::Null)), text);
    configuration.refer(&interface, &tuple, Value::Null).unwrap();
    configuration.refer(&interface, &far, Value::Null).unwrap();
    assert_eq!(refusal(configuration.unrefer(&interface, &tuple)), text);
}

#[test]
fn vmi_c9_names_of_service_interfaces() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let kind =
        |kind: &str| on(&network, json!({"virtual_machine_interface_properties": {"service_interface_type": kind}}));
    for (name, good) in [("management", true), ("left", true), ("other12", true), ("up", false), ("otherX", false)] {
        let answer = configuration.in_project(KIND, name, kind(name));
        if good {
            answer.unwrap();
        } else {
            let text =
                format!("Invalid service interface type {name}. Valid values are: management|left|right|other[0-9]*");
            assert!(refusal(answer).contains(&text));
        }
    }
}

#[test]
fn vmi_c11_an_interface_refers_to_the_routing_instance_of_its_network() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let interface = configuration.interface("p", &network);
    let attribute = json!({
        "direction": "both", "protocol": null, "mpls_label": null, "vlan_tag": null, "src_mac": null, "dst_mac": null,
        "service_chain_address": null, "ipv6_service_chain_address": null
    });
    let expected = ("default-domain:default-project:blue:blue".to_owned(), attribute);
    assert_eq!(configuration.links(&interface, "routing_instance_refs"), [expected]);
}

#[test]
fn vmi_c12_any_security_group_that_exists() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let domain = configuration.find("domain", "default-domain").unwrap();
    let project = configuration.below(&domain, "project", "elsewhere", json!({})).unwrap();
    let group = configuration.below(&project, "security-group", "web", json!({})).unwrap();
    let refs = json!({"security_group_refs": [{"to": group.fq_name.elements()}]});
    configuration.in_project(KIND, "p", on(&network, refs)).unwrap();
    let unknown = json!({"security_group_refs": [{"to": below_project("unknown")}]});
    assert!(refusal(configuration.in_project(KIND, "q", on(&network, unknown))).starts_with("400 Unknown reference"));
}

#[test]
fn vmi_c13_only_ports_of_the_project_count() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let project = configuration.project();
    configuration.update(&project, json!({"quota": {"virtual_machine_interface": 1}})).unwrap();
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    configuration.below(&machine, KIND, "of the machine", on(&network, json!({}))).unwrap();
    configuration.interface("p", &network);
    let refused = refusal(configuration.in_project(KIND, "q", on(&network, json!({}))));
    assert_eq!(refused, "412 quota limit (1) exceeded for resource virtual_machine_interface");
    configuration.below(&machine, KIND, "another", on(&network, json!({}))).unwrap();
}

#[test]
fn vmi_u3_the_port_of_a_gateway_gets_no_machine() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let interface = configuration.interface("p", &network);
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    let members = json!({"instance_ip_address": "10.1.1.254",
        "virtual_machine_interface_refs": [{"uuid": interface.uuid.to_string(), "to": interface.fq_name.elements()}]});
    let address = configuration.address("gateway", &network, &members).unwrap();
    let text = "400 Gateway IP cannot be used by VM port";
    assert_eq!(refusal(configuration.refer(&interface, &machine, Value::Null)), text);
    configuration.delete(&address).unwrap();
    configuration.refer(&interface, &machine, Value::Null).unwrap();
}

#[test]
fn vmi_u4_the_tag_of_a_connected_sub_interface_stays() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let primary = configuration.interface("primary", &network);
    let sub = configuration.interface("sub", &network);
    let tag = |tag: i64| json!({"virtual_machine_interface_properties": tagged(tag)});
    configuration.update(&sub, tag(5)).unwrap();
    configuration.refer(&sub, &primary, Value::Null).unwrap();
    configuration.update(&sub, tag(5)).unwrap();
    assert_eq!(refusal(configuration.update(&sub, tag(6))), "400 Cannot change sub-interface VLAN tag ID");
}

#[test]
fn vmi_u5_the_kind_of_a_port_in_use_stays() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let property = "virtual_machine_interface_bindings";
    let body = on(&network, json!({property: bindings(&[("vnic_type", "normal")])}));
    let interface = configuration.in_project(KIND, "p", body).unwrap();
    let kind = |kind: &str| json!({property: bindings(&[("vnic_type", kind)])});
    configuration.update(&interface, kind("direct")).unwrap();
    configuration.update(&interface, kind("normal")).unwrap();
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    configuration.refer(&interface, &machine, Value::Null).unwrap();
    let text = "409 Vnic_type can not be modified when port is linked to Vrouter or VM.";
    assert_eq!(refusal(configuration.update(&interface, kind("direct"))), text);
    let element = json!({"key": "vnic_type", "value": "direct"});
    assert_eq!(refusal(configuration.put_element(&interface, property, "set", element)), text);
    configuration.update(&interface, kind("normal")).unwrap();
    // A bare-metal port is in use when it is linked and has a host.
    let profile = "{\"local_link_information\": []}";
    let body = on(&network, json!({property: bindings(&[("vnic_type", "baremetal"), ("host_id", "h")])}));
    let bare = configuration.in_project(KIND, "bare", body).unwrap();
    configuration.update(&bare, kind("normal")).unwrap();
    configuration.delete(&bare).unwrap();
    let mut stored = Object::clone(&interface);
    let id = model().object_type(stored.type_id).property(property).map(|(id, _)| id).unwrap();
    let value = bindings(&[("vnic_type", "baremetal"), ("host_id", "h"), ("profile", profile)]);
    stored.set_property(id, Some(value.to_string().into()));
    configuration.graph.put(&Arc::new(stored));
    assert_eq!(refusal(configuration.update(&interface, kind("normal"))), text);
}

#[test]
fn vmi_u6_vmi_d2_the_router_of_a_direct_port_knows_the_machine() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let router = virtual_router(&mut configuration, "host1", false);
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    let given = bindings(&[("vnic_type", "direct"), ("host_id", "host1")]);
    let body = on(&network, json!({"virtual_machine_interface_bindings": given}));
    let interface = configuration.in_project(KIND, "p", body).unwrap();
    let machines = |configuration: &Configuration| -> Vec<String> {
        configuration.links(&router, "virtual_machine_refs").into_iter().map(|(name, _)| name).collect()
    };
    configuration.refer(&interface, &machine, Value::Null).unwrap();
    assert_eq!(machines(&configuration), ["vm"]);
    configuration.update(&interface, json!({"virtual_machine_refs": []})).unwrap();
    assert!(machines(&configuration).is_empty());
    configuration.refer(&interface, &machine, Value::Null).unwrap();
    assert_eq!(machines(&configuration), ["vm"]);
    configuration.delete(&interface).unwrap();
    assert!(machines(&configuration).is_empty());
}

#[test]
fn vmi_u7_another_host_plugs_the_port_anew() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    virtual_router(&mut configuration, "soft", false);
    virtual_router(&mut configuration, "fast", true);
    let property = "virtual_machine_interface_bindings";
    let body = on(&network, json!({property: bindings(&[("vnic_type", "normal")])}));
    let interface = configuration.in_project(KIND, "p", body).unwrap();
    let mut move_to = |host: &str| {
        configuration.put_element(&interface, property, "set", json!({"key": "host_id", "value": host})).unwrap();
        let mut keys = plugged(&configuration, &interface);
        keys.retain(|pair| pair.starts_with("vif_type"));
        keys
    };
    assert_eq!(move_to("fast"), ["vif_type=vhostuser"]);
    assert!(move_to("soft").is_empty());
    assert_eq!(move_to("fast"), ["vif_type=vhostuser"]);
    assert!(move_to("null").is_empty());
    let body = on(&network, json!({property: bindings(&[("vnic_type", "virtio-forwarder"), ("host_id", "null")])}));
    let forwarder = configuration.in_project(KIND, "q", body).unwrap();
    configuration.put_element(&forwarder, property, "set", json!({"key": "host_id", "value": "soft"})).unwrap();
    assert!(plugged(&configuration, &forwarder).contains(&"vif_type=vrouter".to_owned()));
}

#[test]
fn vmi_d1_a_primary_port_with_properties_stays() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let mut pair = |primary: &str, members: Value| {
        let primary = configuration.in_project(KIND, primary, on(&network, members)).unwrap();
        let sub = on(
            &network,
            json!({"virtual_machine_interface_properties": tagged(5),
                "virtual_machine_interface_refs": [{"uuid": primary.uuid.to_string()}]}),
        );
        let sub = configuration.in_project(KIND, &format!("{}-sub", primary.fq_name.name()), sub).unwrap();
        (primary, sub)
    };
    let (bare, _) = pair("bare", json!({}));
    let (full, sub) = pair("full", json!({"virtual_machine_interface_properties": {"local_preference": 100}}));
    configuration.delete(&bare).unwrap();
    let text = "409 Cannot delete vmi with existing ref to sub interface";
    assert_eq!(refusal(configuration.delete(&full)), text);
    configuration.delete(&sub).unwrap();
    configuration.delete(&full).unwrap();
}

#[test]
fn vmi_d3_what_refers_to_a_port_keeps_it() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let interface = configuration.interface("p", &network);
    let refs = json!({"virtual_machine_interface_refs": [{"to": interface.fq_name.elements()}]});
    let address = configuration.address("a", &network, &refs).unwrap();
    let text = format!("409 Delete when resource still referred: ['http://api:8082/instance-ip/{}']", address.uuid);
    assert_eq!(refusal(configuration.delete(&interface)), text);
    configuration.delete(&address).unwrap();
    configuration.delete(&interface).unwrap();
}
