use super::*;

#[test]
fn neu_sub_c1_neu_sub_r1_a_subnet_is_what_was_asked_for() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let subnet = cloud.subnet(&net, json!({"name": "s", "cidr": "10.0.1.9/24"})).unwrap();
    let expected = json!({
        "id": subnet["id"], "name": "s", "tenant_id": cloud.tenant.simple().to_string(), "network_id": net["id"],
        "ip_version": 4, "cidr": "10.0.1.0/24", "gateway_ip": "10.0.1.1", "enable_dhcp": true, "dns_nameservers": [],
        "allocation_pools": [{"start": "10.0.1.2", "end": "10.0.1.254"}], "host_routes": [], "shared": false,
        "ipv6_ra_mode": null, "ipv6_address_mode": null, "tags": [], "created_at": subnet["created_at"],
        "updated_at": subnet["created_at"], "dns_server_address": "10.0.1.2",
    });
    assert_eq!(subnet, expected);
    assert_eq!(cloud.of("READ", "subnet", &subnet, json!({})).unwrap(), subnet);
    let full = json!({
        "cidr": "2001:db8::/64", "ip_version": "6", "gateway_ip": "::", "enable_dhcp": false,
        "dns_nameservers": ["2001:db8::53", "8.8.8.8"],
        "host_routes": [{"destination": "2001:db8:1::/64", "nexthop": "2001:db8::9"}],
        "allocation_pools": [{"start": "2001:db8::10", "end": "2001:db8::20"}],
    });
    let six = cloud.subnet(&net, full.clone()).unwrap();
    for name in ["cidr", "dns_nameservers", "host_routes", "allocation_pools", "enable_dhcp"] {
        assert_eq!(six[name], full[name], "{name}");
    }
    assert!(six["gateway_ip"].is_null() && six.get("dns_server_address").is_none());
    for operation in ["READ", "UPDATE", "DELETE"] {
        for unknown in [json!({"id": Uuid::new_v4()}), json!({"id": "x"})] {
            assert_eq!(class(cloud.of(operation, "subnet", &unknown, json!({}))), "SubnetNotFound");
        }
    }
    let net = cloud.of("READ", "network", &net, json!({})).unwrap();
    let mut ids = [id(&subnet), id(&six)];
    ids.sort();
    let mut shown: Vec<String> =
        net["subnets"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().into()).collect();
    shown.sort();
    assert_eq!(shown, ids);
    assert_eq!(net["subnet_ipam"][0]["ipam_fq_name"][2], "default-network-ipam");
}

#[test]
fn neu_sub_c2_the_ipam_is_that_of_the_request_or_of_the_project_or_the_default_one() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let ipam = |cloud: &mut Cloud, cidr: &str, members: Value| {
        let mut body = json!({"cidr": cidr});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        cloud.subnet(&net, body).unwrap();
        let net = cloud.of("READ", "network", &net, json!({})).unwrap();
        let of = net["subnet_ipam"].as_array().unwrap().iter().find(|of| of["subnet_cidr"] == cidr).unwrap().clone();
        of["ipam_fq_name"].clone()
    };
    assert_eq!(ipam(&mut cloud, "10.0.0.0/24", json!({}))[1], "default-project");
    let own = json!(["default-domain", "blue", "default-network-ipam"]);
    cloud.create("network-ipam", json!({"fq_name": own, "parent_type": "project"}));
    assert_eq!(ipam(&mut cloud, "10.0.1.0/24", json!({})), own);
    let named = json!(["default-domain", "blue", "mine"]);
    cloud.create("network-ipam", json!({"fq_name": named, "parent_type": "project"}));
    assert_eq!(ipam(&mut cloud, "10.0.2.0/24", json!({"ipam_fq_name": named})), named);
    let unknown = json!({"cidr": "10.0.3.0/24", "ipam_fq_name": ["default-domain", "blue", "none"]});
    assert_eq!(class(cloud.subnet(&net, unknown)), "BadRequest");
}

#[test]
fn neu_sub_c3_what_makes_no_sense_is_refused_by_its_class() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let first = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24"})).unwrap();
    let message = json!("cidr '10.0.9.0/24' does not match the ip_version '6'");
    assert_eq!(
        cloud.subnet(&net, json!({"cidr": "10.0.9.0/24", "ip_version": 6})).unwrap_err(),
        json!({"exception": "InvalidInput", "error_message": message})
    );
    let same = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24"})).unwrap_err();
    let text = format!("Cidr 10.0.0.0/24 overlaps with another subnet of subnet {}", id(&first));
    assert_eq!(same, json!({"exception": "BadRequest", "resource": "subnet", "msg": text}));
    for bad in [
        json!({"cidr": "10.0.0.128/25"}),
        json!({"cidr": "10.0.8.0/24", "gateway_ip": "10.99.0.1"}),
        json!({"cidr": "10.0.8.0/24", "allocation_pools": [{"start": "10.0.9.1", "end": "10.0.9.9"}]}),
        json!({"cidr": "10.0.8.0/24", "allocation_pools": [{"start": "10.0.8.1"}]}),
        json!({"cidr": "10.0.8.0/24", "allocation_pools": [5]}),
        json!({"cidr": "10.0.8.0/24", "host_routes": [{}]}),
        json!({"cidr": "10.0.8.0/31"}),
        json!({"cidr": "nonsense"}),
        json!({"cidr": 5}),
        json!({"cidr": "10.0.8.0/24", "id": "x"}),
    ] {
        assert_eq!(class(cloud.subnet(&net, bad.clone())), "BadRequest", "{bad}");
    }
    assert_eq!(class(cloud.subnet(&net, json!({"cidr": "10.0.8.0/24", "id": first["id"]}))), "Conflict");
    let unknown = json!({"id": Uuid::new_v4().to_string()});
    assert_eq!(class(cloud.subnet(&unknown, json!({"cidr": "10.0.0.0/24"}))), "NetworkNotFound");
}

#[test]
fn neu_sub_u1_neu_sub_u2_what_is_given_changes() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let other = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24"})).unwrap();
    let subnet = cloud.subnet(&net, json!({"cidr": "10.0.1.0/24", "dns_nameservers": ["8.8.8.8"]})).unwrap();
    let routes = json!([{"destination": "0.0.0.0/0", "nexthop": "10.0.1.9"}]);
    let body =
        json!({"name": "n", "enable_dhcp": false, "host_routes": routes, "dns_nameservers": ["1.1.1.1", "2.2.2.2"]});
    let changed = cloud.of("UPDATE", "subnet", &subnet, body.clone()).unwrap();
    for name in ["name", "enable_dhcp", "host_routes", "dns_nameservers"] {
        assert_eq!(changed[name], body[name], "{name}");
    }
    assert!(changed["updated_at"] != subnet["updated_at"] && changed["created_at"] == subnet["created_at"]);
    let null = json!({"name": null, "host_routes": null, "dns_nameservers": null, "gateway_ip": null});
    let same = cloud.of("UPDATE", "subnet", &subnet, null).unwrap();
    assert_eq!((&same["host_routes"], &same["name"]), (&routes, &json!("n")));
    let empty = json!({"host_routes": [], "dns_nameservers": [], "enable_dhcp": true});
    let emptied = cloud.of("UPDATE", "subnet", &subnet, empty).unwrap();
    assert_eq!((&emptied["host_routes"], &emptied["dns_nameservers"]), (&json!([]), &json!([])));
    assert_eq!(emptied["dns_server_address"], "10.0.1.2");
    let refused = cloud.of("UPDATE", "subnet", &subnet, json!({"gateway_ip": "10.0.1.7"})).unwrap_err();
    assert_eq!(refused["msg"], "update of gateway is not supported");
    assert!(cloud.of("UPDATE", "subnet", &subnet, json!({"gateway_ip": "10.0.1.1"})).is_ok());
    let pools = json!([{"start": "10.0.1.10", "end": "10.0.1.20"}]);
    let changed = cloud.of("UPDATE", "subnet", &subnet, json!({"allocation_pools": pools})).unwrap();
    assert_eq!(changed["allocation_pools"], pools);
    assert_eq!(cloud.of("READ", "subnet", &other, json!({})).unwrap(), other);
}

#[test]
fn neu_sub_d1_a_subnet_with_addresses_in_use_stays() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let subnet = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24"})).unwrap();
    let address = cloud.create(
        "instance-ip",
        json!({"fq_name": ["a"], "virtual_network_refs": [{"uuid": net["id"], "to": net["fq_name"]}]}),
    );
    let refused = cloud.of("DELETE", "subnet", &subnet, json!({})).unwrap_err();
    assert_eq!(refused, json!({"exception": "SubnetInUse", "subnet_id": subnet["id"]}));
    let type_id = model().find("instance-ip").unwrap();
    cloud.submit(&Operation::Delete(crate::rules::Delete { type_id, uuid: address.to_string() })).unwrap();
    assert_eq!(cloud.of("DELETE", "subnet", &subnet, json!({})), Ok(json!(null)));
    assert_eq!(class(cloud.of("READ", "subnet", &subnet, json!({}))), "SubnetNotFound");
    // The last one takes the reference along.
    assert!(cloud.of("READ", "network", &net, json!({})).unwrap().get("subnet_ipam").is_none());
}

#[test]
fn neu_sub_l1_neu_sub_n1_subnets_are_listed_as_their_networks_are() {
    let mut cloud = Cloud::new();
    let own = cloud.network(json!({})).unwrap();
    let shared = cloud.network(json!({"shared": true})).unwrap();
    let one = id(&cloud.subnet(&own, json!({"cidr": "10.0.0.0/24", "name": "one"})).unwrap());
    let two = id(&cloud.subnet(&shared, json!({"cidr": "10.0.0.0/24", "name": "two"})).unwrap());
    let mut both = vec![one.clone(), two.clone()];
    both.sort();
    assert_eq!(cloud.ids("subnet", json!({})), both);
    assert_eq!(cloud.ids("subnet", json!({"cidr": ["10.0.0.0/24"], "name": ["one"]})), [one.as_str()]);
    assert_eq!(cloud.ids("subnet", json!({"id": [one, Uuid::new_v4().to_string()]})), [one.as_str()]);
    assert_eq!(cloud.ids("subnet", json!({"network_id": [shared["id"]]})), [two.as_str()]);
    assert_eq!(cloud.ids("subnet", json!({"shared": [true]})), [two.as_str()]);
    assert!(cloud.ids("subnet", json!({"router:external": [true]})).is_empty());
    cloud.tenant = cloud.project("red");
    assert_eq!(cloud.ids("subnet", json!({})), [two.as_str()]);
    assert!(cloud.ids("subnet", json!({"id": [one]})).is_empty());
}

#[test]
fn neu_hook_3_the_store_of_texts_has_the_network_of_a_subnet() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let subnet = id(&cloud.subnet(&net, json!({"cidr": "10.0.0.0/24"})).unwrap());
    let told = |cloud: &Cloud| {
        let texts = KeyValues { graph: &cloud.graph, may_read: |network: &Object| cloud.identity.may_read(network) };
        let one = texts.get(&subnet);
        let all: Vec<(String, String)> = texts.of_subnets(None).map(|(_, key, value)| (key, value)).collect();
        assert_eq!(all, one.iter().map(|one| (subnet.clone(), one.clone())).collect::<Vec<_>>());
        one
    };
    assert_eq!(told(&cloud), Some(format!("{} 10.0.0.0/24", id(&net))));
    let red = cloud.project("red");
    cloud.log_in(red);
    assert_eq!(told(&cloud), None);
    cloud.identity = Identity::server("test");
    cloud.of("DELETE", "network", &net, json!({})).unwrap();
    assert_eq!(told(&cloud), None);
}

#[test]
fn strict_compliance_reserves_nothing_and_extensions_can_be_left_out() {
    let options = NeutronOptions { strict_compliance: true, contrail_extensions: false, ..NeutronOptions::default() };
    let mut cloud = Cloud::with(options);
    let net = cloud.network(json!({})).unwrap();
    assert!(net.get("fq_name").is_none());
    let subnet = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24"})).unwrap();
    assert!(subnet.get("dns_server_address").is_none());
    let object = cloud.graph.get(Uuid::try_parse(&id(&net)).unwrap()).unwrap();
    assert!(object.links[0].attribute.as_deref().unwrap().contains("\"dns_server_address\":\"0.0.0.0\""));
}

#[test]
fn neu_sub_c3_neu_sub_u1_addresses_and_prefixes_are_some() {
    let mut cloud = Cloud::new();
    let (network, subnet) = cloud.network_with("10.0.0.0/24");
    for (member, wrong) in [
        ("gateway_ip", json!("nothing")),
        ("dns_nameservers", json!(["192.0.2.1", "nothing"])),
        ("host_routes", json!([{"destination": "nothing", "nexthop": "10.0.0.7"}])),
        ("host_routes", json!([{"destination": "192.0.2.0/24", "nexthop": "nothing"}])),
        ("host_routes", json!([17])),
        ("allocation_pools", json!([{"start": "10.0.0.5", "end": "nothing"}])),
        ("ipam_fq_name", json!(["nothing"])),
    ] {
        let mut body = json!({"cidr": "10.1.0.0/24"});
        body[member] = wrong.clone();
        let mut refused = vec![cloud.subnet(&network, body).unwrap_err()];
        if !["gateway_ip", "ipam_fq_name"].contains(&member) {
            refused.push(cloud.of("UPDATE", "subnet", &subnet, json!({(member): wrong})).unwrap_err());
        }
        for refused in refused {
            assert!(
                refused["exception"] == "BadRequest" && refused["msg"].as_str().unwrap().contains(member),
                "{refused}"
            );
        }
    }
}
