//! network-ipam.

use super::{addresses::subnet_with, *};

fn subnets(subnets: Value) -> Value {
    json!({"ipam_subnets": {"subnets": subnets}})
}

#[test]
fn ipam_c1_ipam_c2_ipam_u3_osd_20_only_a_flat_ipam_has_subnets() {
    let mut configuration = Configuration::new();
    for method in [json!(null), json!("user-defined-subnet"), json!("auto-subnet")] {
        for (members, text) in [
            (subnets(json!([subnet("11.1.1.0", 24)])), "400 ipam-subnets are allowed only with flat-subnet"),
            (json!({"ipam_subnetting": true}), "400 subnetting is allowed only with flat-subnet"),
        ] {
            let mut body = json!({ "ipam_subnet_method": method });
            extend(&mut body, members.clone());
            assert_eq!(refusal(configuration.in_project("network-ipam", "x", body)), text);
        }
        let plain = configuration.in_project("network-ipam", "x", json!({ "ipam_subnet_method": method })).unwrap();
        let refused = configuration.update(&plain, subnets(json!([subnet("11.1.1.0", 24)])));
        assert_eq!(refusal(refused), "400 ipam-subnets are allowed only with flat-subnet");
        let refused = configuration.update(&plain, json!({"ipam_subnetting": true}));
        assert_eq!(refusal(refused), "400 ipam_subnetting can not be changed");
        configuration.update(&plain, json!({"ipam_subnetting": false})).unwrap();
        configuration.delete(&plain).unwrap();
    }
    let flat = configuration.flat_ipam("flat", json!([]), json!({"ipam_subnetting": true})).unwrap();
    let refused = configuration.update(&flat, json!({"ipam_subnetting": false}));
    assert_eq!(refusal(refused), "400 ipam_subnetting can not be changed");
}

#[test]
fn adm_s7_ipam_c3_subnets_of_a_flat_ipam_are_checked_and_completed() {
    let mut configuration = Configuration::new();
    let given = json!([subnet("11.1.1.9", 24), subnet_with("11.1.2.0/24", json!({"addr_from_start": true}))]);
    let ipam = configuration.flat_ipam("flat", given, json!({})).unwrap();
    let stored = configuration.get(&ipam, "ipam_subnets");
    let first = &stored["subnets"][0];
    assert_eq!(first["subnet"], json!({"ip_prefix": "11.1.1.0", "ip_prefix_len": 24}));
    assert_eq!((&first["default_gateway"], &first["dns_server_address"]), (&json!("11.1.1.254"), &json!("11.1.1.253")));
    assert_eq!(first["subnet_uuid"], Value::Null);
    assert_eq!(stored["subnets"][1]["default_gateway"], "11.1.2.1");
    let name = "default-domain:default-project:x";
    for (given, text) in [
        (
            json!([subnet("11.1.1.0", 24), subnet("11.1.1.0", 25)]),
            "400 Overlapping addresses: [IPNetwork('11.1.1.0/24'), IPNetwork('11.1.1.0/25')]".to_owned(),
        ),
        (
            json!([subnet_with("11.1.1.0/24", json!({"default_gateway": "1.1.1.1"}))]),
            "409 gateway Ip 1.1.1.1 out of cidr: 11.1.1.0/24".to_owned(),
        ),
        (
            json!([subnet_with("11.1.1.0/24", json!({"alloc_unit": 3}))]),
            format!(
                "400 Virtual-Network({name}:11.1.1.0/24) has invalid alloc_unit(3) in subnet(11.1.1.0/24) reason: \
                 Not power of 2"
            ),
        ),
    ] {
        assert_eq!(refusal(configuration.flat_ipam("x", given, json!({}))), text);
    }
}

#[test]
fn ipam_u2_osd_20_osd_21_the_method_stays() {
    let mut configuration = Configuration::new();
    let default = configuration.find("network-ipam", "default-domain:default-project:default-network-ipam").unwrap();
    let flat = configuration.flat_ipam("flat", json!([]), json!({})).unwrap();
    let text = "400 ipam_subnet_method can not be changed";
    for (ipam, method, refused) in [
        (&default, json!("user-defined-subnet"), false),
        (&default, json!(null), false),
        (&default, json!("flat-subnet"), true),
        (&default, json!("auto-subnet"), true),
        (&flat, json!("flat-subnet"), false),
        (&flat, json!(null), false),
        (&flat, json!("user-defined-subnet"), true),
    ] {
        let answer = configuration.update(ipam, json!({ "ipam_subnet_method": method }));
        assert_eq!(answer.is_err(), refused, "{method}");
        if refused {
            assert_eq!(refusal(answer), text);
        }
    }
    assert_eq!(configuration.get(&flat, "ipam_subnet_method"), "flat-subnet");
}

#[test]
fn osd_22_vn_s2_only_flat_ipams_want_l3() {
    let mut configuration = Configuration::new();
    let own = json!({"ipam_subnet_method": "user-defined-subnet"});
    let ipam = configuration.in_project("network-ipam", "own", own).unwrap();
    let refs = json!([{"to": ipam.fq_name.elements(), "attr": {"ipam_subnets": [subnet("11.1.1.0", 24)]}}]);
    let network = configuration.in_project("virtual-network", "n", json!({ "network_ipam_refs": refs })).unwrap();
    let bridged = json!({"virtual_network_properties": {"forwarding_mode": "l2_l3"}});
    configuration.update(&network, bridged.clone()).unwrap();
    let flat = configuration.flat_ipam("flat", json!([subnet("12.1.1.0", 24)]), json!({})).unwrap();
    let network = configuration.flat_network("f", &[&flat], json!({}));
    let text = "400 flat-subnet is allowed only with l3 network";
    for members in [bridged, json!({"virtual_network_properties": null})] {
        assert_eq!(refusal(configuration.update(&network, members)), text);
    }
    configuration.update(&network, json!({"virtual_network_properties": {"forwarding_mode": "l3"}})).unwrap();
}

#[test]
fn ipam_u4_no_overlap_with_what_users_have_beside_it() {
    let mut configuration = Configuration::new();
    let flat = configuration.flat_ipam("flat", json!([subnet("21.1.1.0", 24)]), json!({})).unwrap();
    let other = configuration.flat_ipam("other", json!([subnet("23.1.1.0", 24)]), json!({})).unwrap();
    let refs = json!([addresses::flat_reference(&flat), addresses::flat_reference(&other),
        {"to": default_ipam(), "attr": {"ipam_subnets": [subnet("22.1.1.0", 24)]}}]);
    configuration.flat_network("n", &[], json!({ "network_ipam_refs": refs }));
    let first = subnet("21.1.1.0", 24);
    for (added, text) in [
        ("22.1.1.0", "IPNetwork('22.1.1.0/25'), IPNetwork('22.1.1.0/24')"),
        ("23.1.1.128", "IPNetwork('23.1.1.128/25'), IPNetwork('23.1.1.0/24')"),
        ("21.1.1.0", "IPNetwork('21.1.1.0/24'), IPNetwork('21.1.1.0/25')"),
    ] {
        let refused = configuration.update(&flat, subnets(json!([first, subnet(added, 25)])));
        assert_eq!(refusal(refused), format!("400 Overlapping addresses: [{text}]"));
        // The same through the door of single elements.
        let refused = configuration.put_element(&flat, "ipam_subnets", "add", subnet(added, 25));
        assert_eq!(refusal(refused), format!("400 Overlapping addresses: [{text}]"));
    }
    configuration.put_element(&flat, "ipam_subnets", "add", subnet("24.1.1.0", 25)).unwrap();
    let stored = configuration.get(&flat, "ipam_subnets");
    assert_eq!(stored["subnets"][1]["default_gateway"], "24.1.1.126");
}

#[test]
fn ipam_u5_vn_u8_what_of_a_flat_ipam_is_in_use_stays() {
    let mut configuration = Configuration::new();
    let two = json!([subnet("21.1.1.0", 29), subnet("22.1.1.0", 29)]);
    let flat = configuration.flat_ipam("flat", two.clone(), json!({})).unwrap();
    let network = configuration.flat_network("n", &[&flat], json!({}));
    let left = subnets(json!([subnet("22.1.1.0", 29)]));
    // An address, and a gateway that is only shared.
    for address in ["21.1.1.4", "21.1.1.6"] {
        let object = configuration.address("a", &network, &json!({ "instance_ip_address": address })).unwrap();
        let text = format!("409 Cannot Delete IP Block, IP({address}) is in use");
        assert_eq!(refusal(configuration.update(&flat, left.clone())), text);
        assert_eq!(refusal(configuration.update(&flat, json!({"ipam_subnets": null}))), text);
        assert_eq!(refusal(configuration.unrefer(&network, &flat)), text, "VN-U8 for the whole ipam");
        // A flat ipam can't be resized under its addresses (OSD-17).
        let wider = subnets(json!([subnet("21.1.1.0", 28), subnet("22.1.1.0", 29)]));
        assert_eq!(refusal(configuration.update(&flat, wider)), text);
        configuration.delete(&object).unwrap();
    }
    let moved = json!([subnet_with("21.1.1.0/29", json!({"default_gateway": "21.1.1.1"})), subnet("22.1.1.0", 29)]);
    let refused = configuration.update(&flat, subnets(moved));
    assert_eq!(refusal(refused), "400 default gateway change is not allowed orig:21.1.1.6, new: 21.1.1.1");
    // What only `ip-alloc` has goes with the subnet.
    configuration.allocate(&network, 2, None).unwrap();
    configuration.update(&flat, left).unwrap();
    configuration.update(&flat, subnets(two)).unwrap();
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("21.1.1.4"));
}

#[test]
fn ipam_d1_an_ipam_in_use_stays() {
    let mut configuration = Configuration::new();
    let flat = configuration.flat_ipam("flat", json!([subnet("21.1.1.0", 29)]), json!({})).unwrap();
    let network = configuration.flat_network("n", &[&flat], json!({}));
    let direct = configuration
        .at_top("instance-ip", "a", json!({"network_ipam_refs": [{"to": flat.fq_name.elements()}]}))
        .unwrap();
    let in_the_way = [direct, network];
    for object in in_the_way {
        let kind = model().object_type(object.type_id).name.clone();
        let refused = refusal(configuration.delete(&flat));
        assert!(refused.starts_with("409 Delete when resource still referred: ["), "{refused}");
        assert!(refused.contains(&kind), "{refused}");
        configuration.delete(&object).unwrap();
    }
    configuration.delete(&flat).unwrap();
    let flat = configuration.flat_ipam("flat", json!([subnet("21.1.1.0", 29)]), json!({})).unwrap();
    let network = configuration.flat_network("n", &[&flat], json!({}));
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("21.1.1.4"));
    let (mut configuration, flat, router) = addresses::router();
    assert!(refusal(configuration.delete(&flat)).contains("/virtual-router/"));
    configuration.delete(&router).unwrap();
    configuration.delete(&flat).unwrap();
}

#[test]
fn adm_s7_vn_s4_the_handle_of_a_flat_ipam_is_a_uuid() {
    let mut configuration = Configuration::new();
    let flat = configuration.flat_ipam("flat", json!([subnet("21.1.1.0", 29)]), json!({})).unwrap();
    let network = configuration.flat_network("n", &[&flat], json!({}));
    let address = configuration.address("a", &network, &json!({})).unwrap();
    let handle = |uuid: &str| json!({"network_ipam_refs": [{"to": flat.fq_name.elements(), "attr": {"ipam_subnets": [{"subnet_uuid": uuid}]}}]});
    let refused = configuration.update(&network, handle("zz"));
    assert_eq!(refusal(refused), "409 Invalid subnet-uuid zz: the handle of a flat-subnet ipam must be a uuid");
    // One that the client chooses is recorded by what there is already.
    let chosen = Uuid::from_u128(0x4000_8000_0000_0000_0001).to_string();
    configuration.update(&network, handle(&chosen)).unwrap();
    assert_eq!(configuration.get(&address, "subnet_uuid"), chosen);
}
