//! Devices of the fabric, and virtual routers.

use super::*;

fn device(configuration: &mut Configuration, name: &str, members: Value) -> Arc<Object> {
    let global = configuration.global();
    configuration.below(&global, "physical-router", name, members).unwrap()
}

#[test]
fn pr_c1_a_device_begins_as_it_should() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    for state in ["rma", "activating"] {
        let refused =
            configuration.below(&global, "physical-router", "r", json!({"physical_router_managed_state": state}));
        assert_eq!(
            refusal(refused),
            format!("400 Managed state cannot be {state} for router ['default-global-system-config', 'r']")
        );
    }
    let router = device(&mut configuration, "r", json!({"physical_router_managed_state": "active"}));
    configuration.update(&router, json!({"physical_router_managed_state": "rma"})).unwrap();
}

#[test]
fn pr_c2_passwords_are_stored_encrypted() {
    let mut configuration = Configuration::new();
    let uuid = "11111111-1111-4111-8111-111111111111";
    let credentials =
        |password: &str| json!({"physical_router_user_credentials": {"username": "root", "password": password}});
    let mut body = credentials("secret");
    extend(&mut body, json!({"uuid": uuid}));
    let router = device(&mut configuration, "r", body);
    let stored = |configuration: &Configuration| {
        configuration.get(&router, "physical_router_user_credentials")["password"].as_str().unwrap().to_owned()
    };
    let first = stored(&configuration);
    assert_eq!(first, "fRBM8vyR+Bt2VKBuZMXynA==");
    assert_eq!(configuration.get(&router, "physical_router_encryption_type"), "local");
    configuration.update(&router, credentials(&first)).unwrap();
    assert_eq!(stored(&configuration), first, "what was read is not encrypted again");
    configuration.update(&router, credentials("other")).unwrap();
    assert_ne!(stored(&configuration), "other");
    let mut already = credentials("encrypted by the client");
    extend(&mut already, json!({"physical_router_encryption_type": "local"}));
    configuration.update(&router, already).unwrap();
    assert_eq!(stored(&configuration), "encrypted by the client");
}

#[test]
fn pr_c3_one_telemetry_profile() {
    let mut configuration = Configuration::new();
    let mut profile = |name: &str| configuration.in_project("telemetry-profile", name, json!({})).unwrap();
    let (one, two) = (profile("one"), profile("two"));
    let router = device(&mut configuration, "r", json!({}));
    configuration.refer(&router, &one, Value::Null).unwrap();
    let text = "400 Physical router ['default-global-system-config', 'r'] has more than one telemetry profile refs [";
    assert!(refusal(configuration.refer(&router, &two, Value::Null)).starts_with(text));
}

#[test]
fn pi_c1_pi_u1_names_of_interfaces_stay() {
    let mut configuration = Configuration::new();
    let (router, other) = (device(&mut configuration, "r", json!({})), device(&mut configuration, "s", json!({})));
    let one = configuration.below(&router, "physical-interface", "one", json!({"display_name": "xe-0"})).unwrap();
    let twice = configuration.below(&router, "physical-interface", "two", json!({"display_name": "xe-0"}));
    assert_eq!(refusal(twice), format!("403 Display name already used in another interface: {}", one.uuid));
    configuration.below(&other, "physical-interface", "two", json!({"display_name": "xe-0"})).unwrap();
    assert_eq!(
        refusal(configuration.update(&one, json!({"display_name": "xe-1"}))),
        "403 Cannot change display name !"
    );
    configuration.update(&one, json!({"display_name": "xe-0", "physical_interface_type": "access"})).unwrap();
    let changed = configuration.update(&one, json!({"physical_interface_type": "fabric"}));
    assert_eq!(
        refusal(changed),
        "400 Cannot set physical interface type: fabric on already existing access type interface "
    );
}

#[test]
fn pi_c2_pi_c4_segments_and_ports() {
    let mut configuration = Configuration::new();
    let router = device(&mut configuration, "r", json!({}));
    let mut create = |members: Value| configuration.below(&router, "physical-interface", "i", members);
    for segment in ["00:01", "00:11:22:33:44:55:66:77:88:9", "00-11-22-33-44-55-66-77-88-99"] {
        assert_eq!(refusal(create(json!({"ethernet_segment_identifier": segment}))), "400 Invalid ESI string format");
    }
    for mtu in [255, 9217] {
        let refused = refusal(create(json!({"physical_interface_port_params": {"port_mtu": mtu}})));
        assert!(refused.starts_with("400 "), "{refused}");
    }
    let access = "400 Cannot set mtu or flow_controlon access type interfaces";
    let with_mtu = json!({"physical_interface_type": "access", "physical_interface_port_params": {"port_mtu": 1500}});
    assert_eq!(refusal(create(with_mtu)), access);
    let with_control = json!({"physical_interface_type": "access", "physical_interface_flow_control": true});
    assert_eq!(refusal(create(with_control)), access);
    let force = json!({"physical_interface_lacp_force_up": true});
    assert_eq!(refusal(create(force)), "400 Cannot set LACP Force-Up on an interface that is not of the access type");
    let segment = json!({"ethernet_segment_identifier": "00:11:22:33:44:55:66:77:88:99"});
    let interface = create(segment).unwrap();
    let params = json!({"physical_interface_port_params": {"port_mtu": 9216}});
    configuration.update(&interface, params).unwrap();
    assert_eq!(refusal(configuration.update(&interface, json!({"physical_interface_type": "access"}))), access);
}

#[test]
fn pi_c3_the_number_of_an_aggregate_is_had_once() {
    let mut configuration = Configuration::new();
    let router = device(&mut configuration, "r", json!({}));
    let port = configuration.below(&router, "physical-interface", "xe-0", json!({})).unwrap();
    let global = configuration.global();
    let fabric = configuration.below(&global, "fabric", "f", json!({})).unwrap();
    let group = configuration.below(&fabric, "virtual-port-group", "g", json!({})).unwrap();
    // Into the graph as it is: which number a group gets is a matter of its own rules.
    let reference = model().object_type(group.type_id).reference("physical_interface_refs").map(|(id, _)| id).unwrap();
    let mut holder = Object::clone(&group);
    let link = crate::graph::Link { reference, target: port.uuid, attribute: Some("{\"ae_num\":3}".into()) };
    holder.set_links(reference, vec![link]);
    configuration.graph.put(&Arc::new(holder));
    let mut create = |name: &str| configuration.below(&router, "physical-interface", name, json!({}));
    let text = "403 Interface ae3 can't get AE-ID 3 because it is already occupied on r physical router.";
    assert_eq!(refusal(create("ae3")), text);
    for free in ["ae4", "ae128", "aex", "xe3"] {
        create(free).unwrap();
    }
}

#[test]
fn li_c1_li_u1_vlans_of_an_interface() {
    let mut configuration = Configuration::new();
    let router = device(&mut configuration, "r", json!({"physical_router_product_name": "qfx5110-48s"}));
    let port = configuration.below(&router, "physical-interface", "xe-0", json!({})).unwrap();
    let mut create = |name: &str, tag: i64, kind: &str| {
        let members = json!({"logical_interface_vlan_tag": tag, "logical_interface_type": kind, "display_name": name});
        configuration.below(&port, "logical-interface", &format!("{name}-{tag}"), members)
    };
    for tag in [-1, 4095] {
        assert_eq!(refusal(create("a", tag, "l3")), "403 Invalid Vlan id");
    }
    let one = create("a", 10, "l2").unwrap();
    assert_eq!(
        refusal(create("b", 10, "l2")),
        format!("403 Vlan tag  10  already used in another interface : {}", one.uuid)
    );
    assert_eq!(
        refusal(create("a", 11, "l2")),
        format!("403 Display name already used in another interface: {}", one.uuid)
    );
    let text = "400 Vlan ids 1, 2, 4094 are not allowed on QFX logical interface type: l2";
    for tag in [1, 2, 4094] {
        assert_eq!(refusal(create("b", tag, "l2")), text);
    }
    create("b", 1, "l3").unwrap();
    assert_eq!(refusal(configuration.update(&one, json!({"display_name": "x"}))), "403 Cannot change display name !");
    assert_eq!(
        refusal(configuration.update(&one, json!({"logical_interface_vlan_tag": 12}))),
        "403 Cannot change Vlan id"
    );
    configuration.update(&one, json!({"logical_interface_vlan_tag": 10, "display_name": "a"})).unwrap();
    assert_eq!(
        refusal(configuration.update(&one, json!({"logical_interface_vlan_tag": null}))),
        "403 Cannot change Vlan id"
    );
}

#[test]
fn li_u1_the_first_vlan_comes_later() {
    let mut configuration = Configuration::new();
    let router = device(&mut configuration, "r", json!({"physical_router_product_name": "qfx5110-48s"}));
    let port = configuration.below(&router, "physical-interface", "xe-0", json!({})).unwrap();
    let mut create =
        |name: &str, members: Value| configuration.below(&port, "logical-interface", name, members).unwrap();
    let [with, without] = [("a", json!({"logical_interface_vlan_tag": 10})), ("b", json!({}))]
        .map(|(name, members)| create(name, members));
    let tag = |tag: i64| json!({"logical_interface_vlan_tag": tag});
    assert_eq!(refusal(configuration.update(&without, tag(4095))), "403 Invalid Vlan id");
    assert_eq!(
        refusal(configuration.update(&without, tag(10))),
        format!("403 Vlan tag  10  already used in another interface : {}", with.uuid)
    );
    let flat = json!({"logical_interface_type": "l2"});
    let text = "400 Vlan ids 1, 2, 4094 are not allowed on QFX logical interface type: l2";
    let mut both = tag(1);
    extend(&mut both, flat.clone());
    assert_eq!(refusal(configuration.update(&without, both)), text);
    configuration.update(&without, tag(1)).unwrap();
    assert_eq!(configuration.get(&without, "logical_interface_vlan_tag"), 1);
    assert_eq!(refusal(configuration.update(&without, tag(11))), "403 Cannot change Vlan id");
    assert_eq!(refusal(configuration.update(&without, flat.clone())), text, "what is stored counts, too");
    configuration.update(&with, flat).unwrap();
}

#[test]
fn li_c2_pi_u1_interfaces_of_a_segment_carry_the_same() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let (mine, other) = (configuration.interface("mine", &network), configuration.interface("other", &network));
    let segment = json!({"ethernet_segment_identifier": "00:11:22:33:44:55:66:77:88:99"});
    let router = device(&mut configuration, "r", json!({}));
    let mut port =
        |name: &str, members: Value| configuration.below(&router, "physical-interface", name, members).unwrap();
    let (left, right, late) = (port("left", segment.clone()), port("right", segment.clone()), port("late", json!({})));
    let mut logical = |port: &Object, machine: &Object| {
        let members = json!({"logical_interface_vlan_tag": 5, "display_name": port.fq_name.name(),
            "virtual_machine_interface_refs": [{"to": machine.fq_name.elements()}]});
        configuration.below(port, "logical-interface", &format!("{}.5", port.fq_name.name()), members)
    };
    logical(&left, &mine).unwrap();
    let text = "403 LI should refer to the same set of VMIs as peer LIs belonging to the same ESI";
    assert_eq!(refusal(logical(&right, &other)), text);
    logical(&right, &mine).unwrap();
    logical(&late, &other).unwrap();
    let text = "403 LI associated with the PI should have the same VMIs as LIs (associated with the PIs) of the same ESI family";
    assert_eq!(refusal(configuration.update(&late, segment)), text);
    let mtu = json!({"logical_interface_port_params": {"port_mtu": 100}, "logical_interface_vlan_tag": 6});
    assert!(refusal(configuration.below(&late, "logical-interface", "mtu", mtu)).starts_with("400 "));
}

#[test]
fn li_c2_pi_u1_an_end_of_a_segment_that_carries_nothing_yet_is_no_other() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let (mine, other) = (configuration.interface("mine", &network), configuration.interface("other", &network));
    let segment = json!({"ethernet_segment_identifier": "00:11:22:33:44:55:66:77:88:99"});
    let router = device(&mut configuration, "r", json!({}));
    let mut port =
        |name: &str, members: Value| configuration.below(&router, "physical-interface", name, members).unwrap();
    let (left, right, late) = (port("left", segment.clone()), port("right", segment.clone()), port("late", json!({})));
    let mut logical = |port: &Object, tag: u16, machines: &[&Object]| {
        let machines: Vec<Value> = machines.iter().map(|machine| json!({"uuid": machine.uuid})).collect();
        let name = format!("{}.{tag}", port.fq_name.name());
        let members = json!({"logical_interface_vlan_tag": tag, "display_name": name,
            "virtual_machine_interface_refs": machines});
        configuration.below(port, "logical-interface", &name, members)
    };
    // One without machines beside one with some, and the other way round.
    logical(&left, 5, &[&mine]).unwrap();
    logical(&right, 5, &[]).unwrap();
    logical(&left, 6, &[]).unwrap();
    logical(&right, 6, &[&other]).unwrap();
    let text = "403 LI should refer to the same set of VMIs as peer LIs belonging to the same ESI";
    logical(&left, 7, &[&mine]).unwrap();
    assert_eq!(refusal(logical(&right, 7, &[&other])), text);
    // An interface that comes to the segment: others have logical interfaces and it has none, or on other VLANs.
    logical(&late, 8, &[&other]).unwrap();
    logical(&late, 5, &[&mine]).unwrap();
    configuration.update(&late, segment.clone()).unwrap();
    let empty = configuration.below(&router, "physical-interface", "empty", json!({})).unwrap();
    configuration.update(&empty, segment.clone()).unwrap();
    configuration.update(&left, segment).unwrap();
}

fn node_ipam(configuration: &mut Configuration) -> Arc<Object> {
    let pool = |start: &str, end: &str, own: bool| json!({"start": start, "end": end, "vrouter_specific_pool": own});
    let pools = [
        pool("13.1.1.8", "13.1.1.9", true),
        pool("13.1.1.12", "13.1.1.13", true),
        pool("13.1.1.16", "13.1.1.17", false),
    ];
    let mut subnet = subnet("13.1.1.0", 24);
    extend(&mut subnet, json!({ "allocation_pools": pools }));
    let members = json!({"ipam_subnet_method": "flat-subnet", "ipam_subnets": {"subnets": [subnet]}});
    configuration.in_project("network-ipam", "nodes", members).unwrap()
}

fn pools(ipam: &Object, pools: &[(&str, &str)]) -> Value {
    let pools: Vec<Value> =
        pools.iter().map(|(start, end)| json!({"start": start, "end": end, "vrouter_specific_pool": true})).collect();
    json!({"network_ipam_refs": [{"to": ipam.fq_name.elements(), "attr": {"allocation_pools": pools}}]})
}

#[test]
fn vr_c1_vr_u2_pools_are_had_by_one_router() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let ipam = node_ipam(&mut configuration);
    let plain = configuration.find("network-ipam", "default-domain:default-project:default-network-ipam").unwrap();
    let mut create = |name: &str, members: Value| configuration.below(&global, "virtual-router", name, members);
    let first = ("13.1.1.8", "13.1.1.9");
    assert_eq!(refusal(create("r", pools(&plain, &[first]))), "400 Only flat-subnet ipam can be attached to vrouter");
    assert_eq!(refusal(create("r", pools(&ipam, &[]))), "400 No allocation-pools for this vrouter");
    for wrong in [("13.1.1.8", "13.1.1.10"), ("13.1.1.16", "13.1.1.17")] {
        let text = format!("400 vrouter allocation-pool start:{}, end:{} not in ipam", wrong.0, wrong.1);
        assert_eq!(refusal(create("r", pools(&ipam, &[wrong]))), text);
    }
    let one = create("one", pools(&ipam, &[first])).unwrap();
    let text =
        format!("400 vrouter allocation-pool start:13.1.1.8, end:13.1.1.9 is used in other vrouter:{}", one.uuid);
    assert_eq!(refusal(create("two", pools(&ipam, &[first]))), text);
    let two = create("two", json!({})).unwrap();
    assert_eq!(refusal(configuration.update(&two, pools(&ipam, &[first]))), text, "in an update, too");
    let stored = configuration.links(&one, "network_ipam_refs");
    assert_eq!(stored[0].1, json!({"allocation_pools": [{"start": "13.1.1.8", "end": "13.1.1.9"}]}));
    let ambiguous = refusal(configuration.update(&two, pools(&ipam, &[("13.1.1.012", "13.1.1.13")])));
    assert!(ambiguous.contains("(is 012 octal or decimal?"), "{ambiguous}");
    configuration.update(&two, pools(&ipam, &[("13.01.1.12", "13.1.01.13")])).unwrap();
    let stored = configuration.links(&two, "network_ipam_refs");
    assert_eq!(stored[0].1, json!({"allocation_pools": [{"start": "13.1.1.12", "end": "13.1.1.13"}]}));
}

#[test]
fn vr_u1_vr_d1_pools_in_use_stay() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let ipam = node_ipam(&mut configuration);
    let (first, second) = (("13.1.1.8", "13.1.1.9"), ("13.1.1.12", "13.1.1.13"));
    let router = configuration.below(&global, "virtual-router", "r", pools(&ipam, &[first, second])).unwrap();
    let refs = json!({"virtual_router_refs": [{"to": router.fq_name.elements()}]});
    let address = configuration.at_top("instance-ip", "a", refs).unwrap();
    assert_eq!(configuration.get(&address, "instance_ip_address"), "13.1.1.13");
    assert_eq!(
        refusal(configuration.update(&router, json!({"network_ipam_refs": []}))),
        "400 Cannot Delete allocation pool, IP address in use"
    );
    assert_eq!(
        refusal(configuration.update(&router, pools(&ipam, &[first]))),
        "400 Cannot Delete allocation pool, 13.1.1.13 in use"
    );
    configuration.update(&router, pools(&ipam, &[second])).unwrap();
    assert!(refusal(configuration.delete(&router)).starts_with("409 Delete when resource still referred"));
    configuration.delete(&address).unwrap();
    configuration.update(&router, json!({"network_ipam_refs": []})).unwrap();
    configuration.delete(&router).unwrap();
}
