//! virtual-network.

use super::*;

#[test]
fn vn_c5_vn_c11_vn_d4_a_network_has_its_id_and_routing_instance_in_the_same_request() {
    let mut configuration = Configuration::new();
    let start = configuration.graph.revision();
    let network = configuration.network("blue", "10.1.1.0", 24);
    assert_eq!(configuration.graph.revision(), start + 2);
    assert_eq!(configuration.get(&network, "virtual_network_network_id"), 5);
    let kind = model().find("routing-instance").unwrap();
    let instance = configuration.graph.children_of(network.uuid, kind).next().unwrap();
    assert_eq!(&**instance.fq_name.joined(), "default-domain:default-project:blue:blue");
    configuration.delete(&network).unwrap();
    assert_eq!(configuration.graph.children_of(network.uuid, kind).count(), 0);
    let next = configuration.network("red", "10.1.1.0", 24);
    assert_eq!(configuration.get(&next, "virtual_network_network_id"), 5, "freed ids are used again");
}

#[test]
fn vn_u8_a_subnet_in_use_stays() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    configuration.address("a", &network, &json!({})).unwrap();
    let before = contents(&configuration.graph);
    let refused = configuration.update(&network, json!({"network_ipam_refs": []}));
    assert_eq!(refusal(refused), "409 Cannot Delete IP Block, IP(10.1.1.252) is in use");
    assert_eq!(contents(&configuration.graph), before);
}

/// The members of a network with route targets.
fn targets(name: &str, targets: &[&str]) -> Value {
    json!({ name: {"route_target": targets} })
}

#[test]
fn vn_c1_vn_u7_service_chains_over_several_policies_exclude_targets_both_ways() {
    let text = "409 Multi policy service chains are not supported, with both import export external route targets";
    let chains = json!({"multi_policy_service_chains_enabled": true});
    let both = targets("route_target_list", &["target:1:1"]);
    let mut apart = targets("import_route_target_list", &["target:1:1"]);
    extend(&mut apart, targets("export_route_target_list", &["target:1:2", "target:1:1"]));
    let mut configuration = Configuration::new();
    for members in [both, apart] {
        let mut body = chains.clone();
        extend(&mut body, members.clone());
        assert_eq!(refusal(configuration.in_project("virtual-network", "x", body)), text);
        // What is stored counts with what is sent, either way round.
        for (stored, sent) in [(&chains, &members), (&members, &chains)] {
            let network = configuration.in_project("virtual-network", "x", stored.clone()).unwrap();
            assert_eq!(refusal(configuration.update(&network, sent.clone())), text);
            configuration.delete(&network).unwrap();
        }
    }
    let mut one_way = chains;
    extend(&mut one_way, targets("import_route_target_list", &["target:1:1"]));
    configuration.in_project("virtual-network", "x", one_way).unwrap();
}

#[test]
fn vn_c2_sharing_and_global_access_agree() {
    let mut configuration = Configuration::new();
    for (index, (members, shared, access)) in [
        (json!({}), false, 0),
        (json!({"is_shared": true}), true, 7),
        (json!({"perms2": {"owner": "cloud-admin", "global_access": 7}}), true, 7),
        (json!({"is_shared": false, "perms2": {"owner": "cloud-admin", "global_access": 7}}), true, 7),
        (json!({"perms2": {"owner": "cloud-admin", "global_access": 5}}), false, 5),
    ]
    .into_iter()
    .enumerate()
    {
        let network = configuration.in_project("virtual-network", &index.to_string(), members).unwrap();
        assert_eq!(configuration.get(&network, "is_shared"), shared);
        assert_eq!(configuration.get(&network, "perms2")["global_access"], access);
    }
}

#[test]
fn vn_u2_sharing_external_routing_and_global_access_agree() {
    let perms2 = |access: i64| json!({"owner": "cloud-admin", "global_access": access});
    let inconsistent =
        |name: &str, flag: &str, access: i64| format!("400 Inconsistent {name} ({flag}) and global_access ({access})");
    for (members, text) in [
        (json!({"is_shared": true, "perms2": perms2(0)}), inconsistent("is_shared", "True", 0)),
        (json!({"is_shared": false, "perms2": perms2(7)}), inconsistent("is_shared", "False", 7)),
        (json!({"router_external": true, "perms2": perms2(7)}), inconsistent("router_external", "True", 7)),
        (json!({"router_external": false, "perms2": perms2(5)}), inconsistent("router_external", "False", 5)),
    ] {
        let mut configuration = Configuration::new();
        let network = configuration.in_project("virtual-network", "n", json!({})).unwrap();
        assert_eq!(refusal(configuration.update(&network, members)), text);
    }
    for (members, shared, access) in [
        (json!({"perms2": perms2(7)}), json!(true), 7),
        (json!({"perms2": perms2(5)}), json!(true), 5),
        (json!({"perms2": perms2(0)}), json!(false), 0),
        (json!({"is_shared": true}), json!(true), 7),
        (json!({"router_external": true}), json!(false), 5),
        (json!({"is_shared": true, "router_external": true}), json!(true), 7),
        (json!({"is_shared": false}), json!(false), 0),
        (json!({"router_external": true, "is_shared": false, "perms2": perms2(5)}), json!(false), 5),
    ] {
        let mut configuration = Configuration::new();
        let network = configuration.in_project("virtual-network", "n", json!({})).unwrap();
        configuration.update(&network, members.clone()).unwrap();
        assert_eq!(configuration.get(&network, "is_shared"), shared, "{members}");
        assert_eq!(configuration.get(&network, "perms2")["global_access"], access, "{members}");
    }
}

#[test]
fn vn_c3_vn_u4_the_network_id_is_the_servers() {
    let mut configuration = Configuration::new();
    let id = |id: i64| json!({ "virtual_network_network_id": id });
    let given = configuration.in_project("virtual-network", "n", id(77));
    assert_eq!(refusal(given), "403 Cannot set the virtual network ID");
    let network = configuration.in_project("virtual-network", "n", json!({})).unwrap();
    assert_eq!(refusal(configuration.update(&network, id(77))), "403 Cannot update the virtual network ID");
    let removed = configuration.update(&network, json!({"virtual_network_network_id": null}));
    assert_eq!(refusal(removed), "403 Cannot update the virtual network ID");
    configuration.update(&network, id(5)).unwrap();
}

#[test]
fn vn_c7_vn_u3_listed_route_targets_keep_out_of_the_automatic_range() {
    let automatic = "400 Configured route target must use ASN that is different from global ASN or route target \
                     value must be less than 8000000 and greater than 16777216";
    let form = "400 Route target must be of the format 'target:<asn>:<number>' or 'target:<ip>:<number>'";
    let range = "400 ASN out of range, should be between 1-0xFFFF";
    let mut configuration = Configuration::new();
    for list in ["route_target_list", "import_route_target_list", "export_route_target_list"] {
        let network = configuration.in_project("virtual-network", list, targets(list, &["target:64512L:7"])).unwrap();
        assert_eq!(configuration.get(&network, list), json!({"route_target": ["target:64512:7"]}));
        for (target, text) in [
            ("target:64512:8000000", automatic),
            ("target:64512:16777216", automatic),
            ("target:70000:1", range),
            ("target:0:1", range),
            ("nonsense", form),
            ("", form),
        ] {
            let members = targets(list, &["target:1:1", target]);
            assert_eq!(refusal(configuration.in_project("virtual-network", "x", members.clone())), text);
            assert_eq!(refusal(configuration.update(&network, members)), text);
        }
        let null = json!({list: {"route_target": ["target:1:1", null]}});
        assert_eq!(refusal(configuration.update(&network, null)), form);
        let refused = refusal(configuration.update(&network, targets(list, &["target:1.2.3.010:5"])));
        assert!(refused.starts_with(form) && refused.contains("(is 010 octal or decimal?"), "{refused}");
        configuration.update(&network, targets(list, &["target:1.2.3.04:5"])).unwrap();
        assert_eq!(configuration.get(&network, list), json!({"route_target": ["target:1.2.3.4:5"]}));
        for target in ["target:64511:8000000", "target:64512:7999999", "target:1.2.3.4:8000000"] {
            configuration.update(&network, targets(list, &[target])).unwrap();
            assert_eq!(configuration.get(&network, list), json!({"route_target": [target]}));
        }
    }
}

fn provider(segmentation: Value, physical: Value) -> Value {
    json!({"provider_properties": {"segmentation_id": segmentation, "physical_network": physical}})
}

#[test]
fn vn_c8_vn_u3_a_provider_network_has_both_properties_and_keeps_them() {
    let mut configuration = Configuration::new();
    let plain = configuration.in_project("virtual-network", "plain", json!({})).unwrap();
    for (members, what) in
        [(provider(json!(null), json!("p")), "Segmenation ID"), (provider(json!(5), json!(null)), "Physical Network")]
    {
        let created = configuration.in_project("virtual-network", "x", members.clone());
        assert_eq!(refusal(created), format!("400 {what} must be configured to create"));
        let updated = configuration.update(&plain, members);
        assert_eq!(refusal(updated), format!("409 {what} must be configured to update"));
    }
    configuration.update(&plain, provider(json!(5), json!("p"))).unwrap();
    configuration.update(&plain, provider(json!(6), json!("q"))).unwrap();
    let mut members = provider(json!(5), json!("p"));
    extend(&mut members, json!({"is_provider_network": true}));
    let network = configuration.in_project("virtual-network", "provider", members).unwrap();
    let text = format!("409 Update provider_details propertyof provider VN ({}) is not allowed", network.uuid);
    for members in [provider(json!(6), json!("p")), json!({"provider_properties": {"segmentation_id": 6}})] {
        assert_eq!(refusal(configuration.update(&network, members)), text);
    }
    for members in [provider(json!(5), json!("p")), json!({"provider_properties": {"physical_network": "p"}})] {
        configuration.update(&network, members).unwrap();
    }
    assert_eq!(configuration.get(&network, "provider_properties")["segmentation_id"], 5);
}

#[test]
fn vn_c9_vn_u6_vn_u7_a_network_has_one_provider_network() {
    let mut configuration = Configuration::new();
    let members = json!({"is_provider_network": true});
    let provider = configuration.in_project("virtual-network", "provider", members.clone()).unwrap();
    let second = configuration.in_project("virtual-network", "second", members).unwrap();
    let plain = configuration.in_project("virtual-network", "plain", json!({})).unwrap();
    let refs = |networks: &[&Object]| -> Value {
        let refs = networks.iter().map(|network| json!({"to": network.fq_name.elements(), "attr": null}));
        json!({"virtual_network_refs": refs.collect::<Vec<_>>()})
    };
    let uuid = Uuid::from_u128(7);
    let create = |configuration: &mut Configuration, provider: bool, networks: &[&Object]| {
        let mut body = json!({"uuid": uuid.to_string(), "is_provider_network": provider});
        extend(&mut body, refs(networks));
        configuration.in_project("virtual-network", "x", body)
    };
    let more = create(&mut configuration, false, &[&provider, &second]);
    let text = format!(
        "400 Non Provider VN ({uuid}) can connect to one provider VN but trying to connect to VN (['{}', '{}'])",
        provider.uuid, second.uuid
    );
    assert_eq!(refusal(more), text);
    let other = create(&mut configuration, false, &[&plain]);
    let text = format!("400 Non Provider VN ({uuid}) can connect only to one provider VN but not (['{}'])", plain.uuid);
    assert_eq!(refusal(other), text);
    let both = create(&mut configuration, true, &[&plain, &second]);
    let between = |uuid: Uuid, other: &Object| {
        format!("400 Provider VN ({uuid}) can not connect to another provider VN (['{}'])", other.uuid)
    };
    assert_eq!(refusal(both), between(uuid, &second));
    // The same in an update, with what is stored.
    let network = create(&mut configuration, false, &[&provider]).unwrap();
    assert_eq!(refusal(configuration.update(&network, refs(&[&plain]))), text);
    assert!(refusal(configuration.refer(&network, &second, Value::Null)).starts_with("400 Non Provider VN"));
    let raised = configuration.update(&network, json!({"is_provider_network": true}));
    assert_eq!(refusal(raised), between(uuid, &provider));
    let lowered = configuration.update(&provider, json!({"is_provider_network": false}));
    let text =
        format!("400 Update is_provider_network propertyfrom True to False of VN ({}) is not allowed", provider.uuid);
    assert_eq!(refusal(lowered), text);
}

#[test]
fn vn_c11_vn_u12_the_default_routing_instance_has_the_networks_source_nat() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "n", json!({"fabric_snat": true})).unwrap();
    let instance = configuration.find("routing-instance", "default-domain:default-project:n:n").unwrap();
    assert_eq!(configuration.get(&instance, "routing_instance_is_default"), true);
    assert_eq!(configuration.get(&instance, "routing_instance_fabric_snat"), true);
    for (sent, expected) in [(json!(false), false), (json!(true), true), (json!(null), false)] {
        configuration.update(&network, json!({ "fabric_snat": sent })).unwrap();
        assert_eq!(configuration.get(&instance, "routing_instance_fabric_snat"), expected);
    }
}

#[test]
fn vn_c6_vn_s4_vn_s8_subnets_are_completed() {
    let mut configuration = Configuration::new();
    let uuid = Uuid::from_u128(0x8000_0000_0000_0000_0001).to_string();
    let given = json!([
        subnet("10.1.1.0", 24),
        addresses::subnet_with("10.1.2.0/24", json!({"addr_from_start": true})),
        addresses::subnet_with("10.1.3.0/24", json!({ "subnet_uuid": uuid }))
    ]);
    let network = configuration.network_with("n", given, json!({})).unwrap();
    let stored = configuration.subnets(&network);
    let of = |index: usize| (&stored[index]["default_gateway"], &stored[index]["dns_server_address"]);
    assert_eq!(of(0), (&json!("10.1.1.254"), &json!("10.1.1.253")));
    assert_eq!(of(1), (&json!("10.1.2.1"), &json!("10.1.2.2")));
    assert_eq!(stored[2]["subnet_uuid"], uuid);
    assert!(Uuid::try_parse(stored[0]["subnet_uuid"].as_str().unwrap()).is_ok());
    assert_eq!(stored[0].get("allocation_pools"), None, "what is not sent stays absent");
}

#[test]
fn vn_c12_vn_s5_vn_u14_qta_12_qta_16_qta_17_subnets_count() {
    let mut configuration = Configuration::new();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let project = configuration.below(&domain, "project", "p", json!({})).unwrap();
    let refs = |prefixes: &[&str]| -> Value {
        json!({"network_ipam_refs": ipam_references(prefixes.iter().map(|prefix| subnet(prefix, 24)).collect())})
    };
    let one = configuration.below(&project, "virtual-network", "one", refs(&["10.1.1.0", "10.1.2.0"])).unwrap();
    let mut hidden = refs(&["10.9.1.0", "10.9.2.0", "10.9.3.0"]);
    extend(&mut hidden, json!({"id_perms": {"user_visible": false}}));
    configuration.below(&project, "virtual-network", "hidden", hidden.clone()).unwrap();
    // A limit that comes later finds what is there.
    configuration.update(&project, json!({"quota": {"subnet": 3}})).unwrap();
    let text = |name: &str| format!("412 ['default-domain', 'p', '{name}'] : 3");
    let two = configuration.below(&project, "virtual-network", "two", refs(&["10.1.1.0", "10.1.2.0"]));
    assert_eq!(refusal(two), text("two"));
    let two = configuration.below(&project, "virtual-network", "two", refs(&["10.1.1.0"])).unwrap();
    // Flat subnets and hidden networks neither count nor are refused.
    let flat = configuration.flat_ipam("flat", json!([subnet("10.8.1.0", 24)]), json!({})).unwrap();
    let members = json!({"virtual_network_properties": {"forwarding_mode": "l3"},
        "network_ipam_refs": [addresses::flat_reference(&flat)]});
    configuration.below(&project, "virtual-network", "flat", members).unwrap();
    configuration.below(&project, "virtual-network", "hidden too", hidden).unwrap();
    // An update counts what it changes, and only then.
    assert_eq!(refusal(configuration.update(&two, refs(&["10.1.1.0", "10.1.2.0"]))), text("two"));
    configuration.update(&two, json!({"display_name": "renamed"})).unwrap();
    configuration.update(&two, refs(&["10.1.3.0"])).unwrap();
    assert_eq!(refusal(configuration.update(&two, refs(&["10.1.1.0", "10.1.2.0"]))), text("two"));
    // Below what there is, everything but more is accepted.
    configuration.update(&project, json!({"quota": {"subnet": 0}})).unwrap();
    configuration.update(&one, refs(&["10.1.1.0", "10.1.5.0"])).unwrap();
    configuration.update(&one, refs(&["10.1.1.0"])).unwrap();
    let refused = configuration.update(&one, refs(&["10.1.1.0", "10.1.2.0"]));
    assert_eq!(refusal(refused), "412 ['default-domain', 'p', 'one'] : 0");
    // The network itself counts as all types do.
    configuration.update(&project, json!({"quota": {"virtual_network": 1}})).unwrap();
    let refused = configuration.below(&project, "virtual-network", "three", json!({}));
    assert_eq!(refusal(refused), "412 quota limit (1) exceeded for resource virtual_network");
}

#[test]
fn vn_s6_own_and_flat_subnets_do_not_overlap() {
    let mut configuration = Configuration::new();
    let flat = configuration.flat_ipam("flat", json!([subnet("10.1.1.0", 24)]), json!({})).unwrap();
    let refs = json!([{"to": default_ipam(), "attr": {"ipam_subnets": [subnet("10.1.1.128", 25)]}},
        addresses::flat_reference(&flat)]);
    let members = json!({"virtual_network_properties": {"forwarding_mode": "l3"}, "network_ipam_refs": refs});
    let refused = configuration.in_project("virtual-network", "n", members);
    assert_eq!(refusal(refused), "400 Overlapping addresses: [IPNetwork('10.1.1.0/24'), IPNetwork('10.1.1.128/25')]");
}

#[test]
fn vn_u1_the_link_local_network_is_not_checked() {
    let mut configuration = Configuration::new();
    let network = configuration.find("virtual-network", "default-domain:default-project:__link_local__").unwrap();
    let chains = json!({"multi_policy_service_chains_enabled": true,
        "route_target_list": {"route_target": ["target:1:1"]}});
    configuration.update(&network, chains.clone()).unwrap();
    let other = configuration.find("virtual-network", "default-domain:default-project:ip-fabric").unwrap();
    configuration.update(&other, chains).unwrap_err();
}

#[test]
fn vn_u9_the_gateway_stays_while_the_prefix_does() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "13.1.1.0", 24);
    let update = |configuration: &mut Configuration, gateway: Value| {
        let entry = addresses::subnet_with("13.1.1.0/24", json!({ "default_gateway": gateway }));
        configuration.update(&network, json!({"network_ipam_refs": ipam_references(json!([entry]))}))
    };
    for same in [json!(null), json!(""), json!("None"), json!("13.1.1.254")] {
        update(&mut configuration, same).unwrap();
    }
    for other in ["13.1.1.1", "0.0.0.0"] {
        let refused = update(&mut configuration, json!(other));
        let text = format!("400 default gateway change is not allowed orig:13.1.1.254, new: {other}");
        assert_eq!(refusal(refused), text);
    }
    // In a routed network one may come, but not be taken away from those that share it, nor from a holder.
    let routed = json!({"virtual_network_category": "routed"});
    let network = configuration.network_with("r", json!([subnet("13.1.1.0", 24)]), routed).unwrap();
    configuration.take(&network, json!({"instance_ip_address": "13.1.1.9"})).unwrap();
    let update = |configuration: &mut Configuration, gateway: &str| {
        let entry = addresses::subnet_with("13.1.1.0/24", json!({ "default_gateway": gateway }));
        configuration.update(&network, json!({"network_ipam_refs": ipam_references(json!([entry]))}))
    };
    let held = update(&mut configuration, "13.1.1.9");
    assert_eq!(refusal(held), "400 Virtual-Network(default-domain:default-project:r) has invalid subnet(13.1.1.0/24)");
    update(&mut configuration, "13.1.1.1").unwrap();
    let refused = update(&mut configuration, "13.1.1.2");
    assert_eq!(refusal(refused), "400 default gateway change is not allowed orig:13.1.1.1, new: 13.1.1.2");
}

#[test]
fn vn_u8_whatever_has_an_address_keeps_its_subnet() {
    for (pool, kind, members, text) in [
        (None, "instance-ip", json!({}), "IP(13.1.1.252)"),
        (None, "instance-ip", json!({"instance_ip_address": "13.1.1.254"}), "IP(13.1.1.254)"),
        (Some("floating-ip-pool"), "floating-ip", json!({}), "Floating IP(13.1.1.252)"),
        (Some("alias-ip-pool"), "alias-ip", json!({}), "Alias IP(13.1.1.252)"),
    ] {
        let mut configuration = Configuration::new();
        let network = configuration.network("n", "13.1.1.0", 24);
        let ipam = configuration.find("network-ipam", "default-domain:default-project:default-network-ipam").unwrap();
        let pool = pool.map(|pool| configuration.below(&network, pool, "p", json!({})).unwrap());
        let holder = match pool {
            Some(pool) => configuration.below(&pool, kind, "f", members).unwrap(),
            None => configuration.address("a", &network, &members).unwrap(),
        };
        let expected = format!("409 Cannot Delete IP Block, {text} is in use");
        let replaced = ipam_references(json!([subnet("14.1.1.0", 24)]));
        for refs in [json!([]), ipam_references(json!([])), replaced] {
            assert_eq!(refusal(configuration.update(&network, json!({ "network_ipam_refs": refs }))), expected);
        }
        assert_eq!(refusal(configuration.unrefer(&network, &ipam)), expected);
        configuration.delete(&holder).unwrap();
        // What only `ip-alloc` has does not count.
        configuration.allocate(&network, 3, None).unwrap();
        configuration.unrefer(&network, &ipam).unwrap();
    }
}

#[test]
fn vn_u8_two_references_to_one_ipam_are_one_with_the_subnets_of_both() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "13.1.1.0", 24);
    configuration.take(&network, json!({})).unwrap();
    let refs = |subnets: Value| json!({"to": default_ipam(), "attr": {"ipam_subnets": subnets}});
    let (with, without) = (refs(json!([subnet("13.1.1.0", 24)])), refs(json!([])));
    for both in [json!([with, without]), json!([without, with]), json!([with, with])] {
        configuration.update(&network, json!({ "network_ipam_refs": both })).unwrap();
        assert_eq!(prefixes(&configuration, &network), ["13.1.1.0"]);
    }
    let other = refs(json!([subnet("13.1.2.0", 24), subnet("13.1.3.0", 24)]));
    configuration.update(&network, json!({"network_ipam_refs": [with, other]})).unwrap();
    assert_eq!(prefixes(&configuration, &network), ["13.1.1.0", "13.1.2.0", "13.1.3.0"]);
    // What is stored is one of them, and not all that is asked for.
    let further = refs(json!([subnet("13.1.4.0", 24)]));
    let stored = configuration.links(&network, "network_ipam_refs").remove(0).1;
    let stored = json!({"to": default_ipam(), "attr": stored});
    configuration.update(&network, json!({"network_ipam_refs": [further, stored]})).unwrap();
    assert_eq!(prefixes(&configuration, &network), ["13.1.4.0", "13.1.1.0", "13.1.2.0", "13.1.3.0"]);
    let overlap = json!([with, refs(json!([subnet("13.1.1.128", 25)]))]);
    let refused = configuration.in_project("virtual-network", "m", json!({ "network_ipam_refs": overlap }));
    assert!(refusal(refused).starts_with("400 Overlapping addresses"));
    let new = json!({"network_ipam_refs": [with, refs(json!([subnet("13.1.9.0", 24)]))]});
    let new = configuration.in_project("virtual-network", "m", new).unwrap();
    assert_eq!(prefixes(&configuration, &new), ["13.1.1.0", "13.1.9.0"]);
    let unreadable = json!({"to": default_ipam(), "attr": null});
    for both in [json!([with, unreadable]), json!([unreadable, with])] {
        let refused = configuration.in_project("virtual-network", "l", json!({ "network_ipam_refs": both }));
        assert!(refusal(refused).starts_with("400 Bad reference: network_ipam_refs attr must have ipam_subnets"));
    }
}

fn prefixes(configuration: &Configuration, network: &Object) -> Vec<String> {
    let links = configuration.links(network, "network_ipam_refs");
    let entries = links.iter().flat_map(|(_, attribute)| attribute["ipam_subnets"].as_array().unwrap());
    entries.map(|entry| entry["subnet"]["ip_prefix"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn vn_d1_vn_d3_what_is_derived_goes_with_the_network() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "13.1.1.0", 24);
    let address = configuration.address("a", &network, &json!({})).unwrap();
    let pool = configuration.below(&network, "floating-ip-pool", "p", json!({})).unwrap();
    let port = configuration.interface("port", &network);
    assert!(refusal(configuration.delete(&network)).starts_with("409 Delete when children still present: ["));
    configuration.delete(&pool).unwrap();
    for referrer in [address, port] {
        assert!(refusal(configuration.delete(&network)).starts_with("409 Delete when resource still referred: ["));
        configuration.delete(&referrer).unwrap();
    }
    configuration.below(&network, "access-control-list", "acl", json!({})).unwrap();
    let further = configuration.below(&network, "routing-instance", "further", json!({})).unwrap();
    let instance = configuration.find("routing-instance", "default-domain:default-project:n:n").unwrap();
    let router = configuration.below(&instance, "bgp-router", "b", json!({})).unwrap();
    configuration.delete(&network).unwrap();
    for gone in [&network, &further, &instance, &router] {
        assert_eq!(configuration.current(gone), None);
    }
    assert_eq!(configuration.find("access-control-list", "default-domain:default-project:n:acl"), None);
}

#[test]
fn vn_d5_the_networks_of_the_system_stay() {
    let mut configuration = Configuration::new();
    for name in ["ip-fabric", "__link_local__"] {
        let joined = format!("default-domain:default-project:{name}");
        let network = configuration.find("virtual-network", &joined).unwrap();
        let text = format!("409 Can not delete system created default virtual-network {}", network.uuid);
        assert_eq!(refusal(configuration.delete(&network)), text);
    }
}

/// A network with one subnet, which a PUT then replaces.
struct Resized {
    configuration: Configuration,
    network: Arc<Object>,
    uuid: Value,
}

impl Resized {
    fn new(prefix: &str, members: Value) -> Self {
        let mut configuration = Configuration::new();
        let subnets = json!([addresses::subnet_with(prefix, members)]);
        let network = configuration.network_with("n", subnets, json!({})).unwrap();
        let uuid = configuration.subnets(&network)[0]["subnet_uuid"].clone();
        Self { configuration, network, uuid }
    }

    fn take(&mut self, address: &str) -> Arc<Object> {
        self.configuration.address(address, &self.network, &json!({ "instance_ip_address": address })).unwrap()
    }

    /// The subnet gets this prefix, named by its uuid, as Neutron does.
    fn resize(&mut self, prefix: &str, members: Value) -> Decision<Value> {
        let mut entry = addresses::subnet_with(prefix, members);
        extend(&mut entry, json!({ "subnet_uuid": self.uuid }));
        self.replace(json!([entry]))
    }

    fn replace(&mut self, subnets: Value) -> Decision<Value> {
        let refs = ipam_references(subnets);
        self.configuration.update(&self.network, json!({ "network_ipam_refs": refs }))?;
        Ok(self.configuration.subnets(&self.network)[0].clone())
    }
}

#[test]
fn osd_16_osd_18_a_prefix_changes_while_its_addresses_fit() {
    for (from, address, to, next) in [
        ("10.22.0.0/24", "10.22.0.252", "10.22.0.0/23", "10.22.1.252"),
        ("10.22.0.0/24", "10.22.0.9", "10.22.0.0/28", "10.22.0.12"),
        ("10.26.1.0/24", "10.26.1.252", "10.26.0.0/16", "10.26.255.252"),
        ("fd10::/64", "fd10::9", "fd10::/120", "fd10::fc"),
    ] {
        let mut resized = Resized::new(from, json!({}));
        resized.take(address);
        let pool = resized.configuration.below(&resized.network, "floating-ip-pool", "f", json!({})).unwrap();
        let wanted: std::net::IpAddr = address.parse().unwrap();
        let beside = match wanted {
            std::net::IpAddr::V4(address) => std::net::Ipv4Addr::from_bits(address.to_bits() - 1).to_string(),
            std::net::IpAddr::V6(address) => std::net::Ipv6Addr::from_bits(address.to_bits() - 1).to_string(),
        };
        resized.configuration.below(&pool, "floating-ip", "f", json!({ "floating_ip_address": beside })).unwrap();
        resized.resize(to, json!({})).unwrap();
        // Nothing is given out again, and the new prefix is used in its own order.
        for taken in [address, &beside] {
            let refused = resized.configuration.take(&resized.network, json!({ "instance_ip_address": taken }));
            assert_eq!(refused, Err("409 IP address already in use".to_owned()), "{to}");
        }
        assert_eq!(resized.configuration.take(&resized.network, json!({})).as_deref(), Ok(next));
    }
}

#[test]
fn osd_16_an_address_that_does_not_fit_is_named() {
    let pools =
        [("floating-ip-pool", "floating-ip", "Floating IP"), ("alias-ip-pool", "alias-ip", "Floating Alias IP")];
    let mut resized = Resized::new("10.22.0.0/24", json!({}));
    let address = resized.take("10.22.0.252");
    let refused = refusal(resized.resize("10.22.0.0/28", json!({})));
    assert_eq!(refused, "409 Cannot update IP Block, IP(10.22.0.252) is not in subnets (['10.22.0.0/28'])");
    // The gateway that is shared must be in it, too.
    resized.configuration.delete(&address).unwrap();
    let address = resized.take("10.22.0.254");
    let refused = refusal(resized.resize("10.22.0.0/28", json!({})));
    assert_eq!(refused, "409 Cannot update IP Block, IP(10.22.0.254) is not in subnets (['10.22.0.0/28'])");
    resized.configuration.delete(&address).unwrap();
    for (pool, kind, name) in pools {
        let mut resized = Resized::new("10.22.0.0/24", json!({}));
        let pool = resized.configuration.below(&resized.network, pool, "p", json!({})).unwrap();
        resized.configuration.below(&pool, kind, "f", json!({})).unwrap();
        let refused = refusal(resized.resize("10.22.0.0/28", json!({})));
        let text = format!("409 Cannot update IP Block, {name}(10.22.0.252) is not in subnets (['10.22.0.0/28'])");
        assert_eq!(refused, text);
        // The texts of contrail-api for a subnet that goes: scripts look for them.
        let name = name.replace("Floating Alias", "Alias");
        for subnets in [json!([]), json!([subnet("10.22.0.0", 28)])] {
            let text = format!("409 Cannot Delete IP Block, {name}(10.22.0.252) is in use");
            assert_eq!(refusal(resized.replace(subnets)), text);
        }
    }
    // Two prefixes in the place of one.
    let mut resized = Resized::new("10.22.0.0/24", json!({}));
    resized.take("10.22.0.9");
    resized.take("10.22.0.201");
    resized.replace(json!([subnet("10.22.0.0", 25), subnet("10.22.0.192", 26)])).unwrap();
    assert_eq!(resized.configuration.counts(&resized.network), [4, 4]);
}

#[test]
fn osd_17_osd_18_osd_19_what_a_changed_prefix_has() {
    // Left out, gateway and service address are chosen anew; sent back, they stay; pools are what is sent.
    let mut resized = Resized::new("10.22.0.0/24", json!({}));
    let address = resized.take("10.22.0.9");
    let entry = resized.resize("10.22.0.0/23", json!({})).unwrap();
    assert_eq!(
        (&entry["default_gateway"], &entry["dns_server_address"]),
        (&json!("10.22.1.254"), &json!("10.22.1.253"))
    );
    assert_eq!(entry["subnet_uuid"], resized.uuid);
    let kept = json!({"default_gateway": "10.22.1.254", "dns_server_address": "10.22.1.253",
        "allocation_pools": [{"start": "10.22.2.10", "end": "10.22.2.19"}]});
    let entry = resized.resize("10.22.0.0/22", kept).unwrap();
    assert_eq!(
        (&entry["default_gateway"], &entry["dns_server_address"]),
        (&json!("10.22.1.254"), &json!("10.22.1.253"))
    );
    assert_eq!(resized.configuration.take(&resized.network, json!({})).as_deref(), Ok("10.22.2.19"));
    // Without its uuid it is a new one, which the instance-ips record.
    let entry = resized.replace(json!([subnet("10.22.0.0", 21)])).unwrap();
    assert_ne!(entry["subnet_uuid"], resized.uuid);
    assert_eq!(resized.configuration.get(&address, "subnet_uuid"), entry["subnet_uuid"]);
    // Gateway, service and broadcast address are none that is in use, chosen or given.
    for (taken, members) in [
        ("10.40.0.14", json!({})),
        ("10.40.0.13", json!({})),
        ("10.40.0.15", json!({})),
        ("10.40.0.3", json!({"default_gateway": "10.40.0.3"})),
        ("10.40.0.3", json!({"dns_server_address": "10.40.0.3"})),
    ] {
        let mut resized = Resized::new("10.40.0.0/24", json!({}));
        resized.take(taken);
        let refused = resized.resize("10.40.0.0/28", members.clone());
        assert_eq!(refusal(refused), "409 IP address already in use", "{taken} {members}");
    }
    // A flat ipam beside it does not matter (500 on the peer).
    let mut configuration = Configuration::new();
    let flat = configuration.flat_ipam("flat", json!([subnet("10.50.0.0", 24)]), json!({})).unwrap();
    let refs = |prefix: &str, length: u8| {
        json!({"network_ipam_refs": [addresses::flat_reference(&flat),
            {"to": default_ipam(), "attr": {"ipam_subnets": [subnet(prefix, length)]}}]})
    };
    let network = configuration.flat_network("n", &[], refs("10.51.0.0", 24));
    configuration.take(&network, json!({"instance_ip_address": "10.50.0.7"})).unwrap();
    configuration.take(&network, json!({"instance_ip_address": "10.51.0.7"})).unwrap();
    configuration.update(&network, refs("10.51.0.0", 25)).unwrap();
    // A ref without data is 400.
    let none = json!({"network_ipam_refs": [{"to": default_ipam(), "attr": null}]});
    assert!(refusal(configuration.update(&network, none)).starts_with("400 "));
}

#[test]
fn osd_17_a_gateway_that_is_shared_stays_one() {
    let mut resized = Resized::new("10.22.0.0/24", json!({}));
    let gateway = resized.take("10.22.0.254");
    for other in ["10.22.1.254", "0.0.0.0"] {
        let refused = resized.resize("10.22.0.0/23", json!({ "default_gateway": other }));
        let new = if other == "0.0.0.0" { "None" } else { other };
        let text = format!("400 default gateway change is not allowed orig:10.22.0.254, new: {new}");
        assert_eq!(refusal(refused), text);
    }
    let entry = resized.resize("10.22.0.0/23", json!({})).unwrap();
    assert_eq!(
        (&entry["default_gateway"], &entry["dns_server_address"]),
        (&json!("10.22.0.254"), &json!("10.22.1.253"))
    );
    // Once nobody has it, it moves with the prefix.
    resized.configuration.delete(&gateway).unwrap();
    let entry = resized.resize("10.22.0.0/22", json!({})).unwrap();
    assert_eq!(entry["default_gateway"], "10.22.3.254");
}

#[test]
fn osd_17_order_and_units_are_those_of_the_addresses() {
    let mut resized = Resized::new("10.22.0.0/24", json!({"alloc_unit": 4}));
    resized.take("10.22.0.8");
    let refused = refusal(resized.resize("10.22.0.0/23", json!({})));
    assert!(refused.starts_with("400 alloc_unit change is not allowed while addresses are in use"), "{refused}");
    resized.resize("10.22.0.0/23", json!({"alloc_unit": 4, "addr_from_start": true})).unwrap();
    assert_eq!(resized.configuration.take(&resized.network, json!({})).as_deref(), Ok("10.22.0.4"));
    assert_eq!(resized.configuration.take(&resized.network, json!({})).as_deref(), Ok("10.22.0.12"));
}

#[test]
fn osd_18_reserved_addresses_stay_or_go_with_their_prefix() {
    let mut resized = Resized::new("10.22.0.0/24", json!({}));
    let reserved = resized.configuration.allocate(&resized.network, 2, None).unwrap();
    assert_eq!(reserved, ["10.22.0.252", "10.22.0.251"]);
    resized.resize("10.22.0.0/23", json!({})).unwrap();
    let refused = resized.configuration.take(&resized.network, json!({"instance_ip_address": "10.22.0.252"}));
    assert!(refused.is_err());
    resized.resize("10.22.0.0/25", json!({})).unwrap();
    resized.resize("10.22.0.0/24", json!({})).unwrap();
    assert_eq!(resized.configuration.take(&resized.network, json!({})).as_deref(), Ok("10.22.0.252"));
}
