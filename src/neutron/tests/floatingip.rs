use super::*;

/// An external network with so many addresses to give, and a network inside.
fn networks(cloud: &mut Cloud, addresses: u8) -> (Value, Value) {
    let outside = cloud.network(json!({"router:external": true, "name": "ext"})).unwrap();
    let pools = json!([{"start": "198.18.0.10", "end": format!("198.18.0.{}", 9 + addresses)}]);
    cloud.subnet(&outside, json!({"cidr": "198.18.0.0/24", "allocation_pools": pools})).unwrap();
    let inside = cloud.network(json!({"name": "inside"})).unwrap();
    cloud.subnet(&inside, json!({"cidr": "10.1.0.0/24"})).unwrap();
    (outside, inside)
}

fn floating_ip(cloud: &mut Cloud, network: &Value, resource: Value) -> Result<Value, Value> {
    let mut body = json!({
        "tenant_id": cloud.tenant.simple().to_string(), "floating_network_id": network["id"], "port_id": null,
        "fixed_ip_address": null, "subnet_id": null, "description": "",
    });
    body.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
    cloud.ask("floatingip", "CREATE", json!({"resource": body}))
}

/// A port with these addresses, as REST makes it.
fn port(cloud: &mut Cloud, network: &Value, name: &str, addresses: &[&str]) -> String {
    let networks = json!([{"to": network["fq_name"]}]);
    let project = cloud.graph.get(cloud.tenant).unwrap().fq_name.name().to_owned();
    let fq_name = json!(["default-domain", project, name]);
    let body = json!({"fq_name": fq_name, "parent_type": "project", "virtual_network_refs": networks});
    let port = cloud.create("virtual-machine-interface", body);
    for address in addresses {
        let body = json!({
            "fq_name": [format!("{name}-{address}")], "virtual_network_refs": networks, "instance_ip_address": address,
            "virtual_machine_interface_refs": [{"to": fq_name}],
        });
        cloud.create("instance-ip", body);
    }
    port.to_string()
}

fn set(cloud: &mut Cloud, floating_ip: &Value, body: Value) -> Result<Value, Value> {
    cloud.of("UPDATE", "floatingip", floating_ip, body)
}

#[test]
fn neu_fip_c1_neu_fip_r1_a_floating_ip_is_of_the_pool_of_its_network() {
    let mut cloud = Cloud::new();
    let (outside, inside) = networks(&mut cloud, 5);
    let made = floating_ip(&mut cloud, &outside, json!({"description": "first"})).unwrap();
    let tenant = cloud.tenant;
    let expected = json!({
        "id": made["id"], "tenant_id": tenant.simple().to_string(), "floating_ip_address": "198.18.0.10",
        "floating_network_id": outside["id"], "router_id": null, "port_id": null, "fixed_ip_address": null,
        "status": "DOWN", "created_at": made["created_at"], "updated_at": made["created_at"], "description": "first",
    });
    assert_eq!(made, expected);
    assert_eq!(cloud.of("READ", "floatingip", &made, json!({})).unwrap(), made);
    assert_eq!(cloud.property(&id(&made), "perms2")["owner"], tenant.to_string());
    let given = Uuid::new_v4().to_string();
    let chosen = floating_ip(&mut cloud, &outside, json!({"floating_ip_address": "198.18.0.14", "id": given})).unwrap();
    assert_eq!((&chosen["id"], &chosen["floating_ip_address"]), (&json!(given), &json!("198.18.0.14")));
    assert_eq!(class(floating_ip(&mut cloud, &outside, json!({"id": given}))), "Conflict");
    for network in [&inside, &json!({"id": Uuid::new_v4().to_string()})] {
        let refused = floating_ip(&mut cloud, network, json!({})).unwrap_err();
        let text = format!("Network {} doesn't provide a floatingip pool", id(network));
        assert_eq!(refused, json!({"exception": "BadRequest", "resource": "floatingip", "msg": text}));
    }
    let refused = floating_ip(&mut cloud, &outside, json!({"fixed_ip_address": "10.1.0.5"})).unwrap_err();
    assert_eq!(refused["msg"], "fixed_ip_address cannot be specified without a port_id");
    for unknown in [json!({"id": Uuid::new_v4()}), json!({"id": "x"})] {
        for operation in ["READ", "UPDATE", "DELETE"] {
            let refused = cloud.of(operation, "floatingip", &unknown, json!({})).unwrap_err();
            assert_eq!(refused, json!({"exception": "FloatingIPNotFound", "floatingip_id": unknown["id"]}));
        }
    }
}

#[test]
fn neu_fip_c2_an_address_that_is_not_free_is_a_failure() {
    let mut cloud = Cloud::new();
    let (outside, _) = networks(&mut cloud, 2);
    floating_ip(&mut cloud, &outside, json!({"floating_ip_address": "198.18.0.10"})).unwrap();
    let failure = json!({"exception": "IpAddressGenerationFailure", "net_id": outside["id"]});
    for address in ["198.18.0.10", "10.9.9.9"] {
        let body = json!({"floating_ip_address": address});
        assert_eq!(floating_ip(&mut cloud, &outside, body).unwrap_err(), failure, "{address}");
    }
    assert_eq!(class(floating_ip(&mut cloud, &outside, json!({"floating_ip_address": "x"}))), "BadRequest");
    floating_ip(&mut cloud, &outside, json!({})).unwrap();
    assert_eq!(floating_ip(&mut cloud, &outside, json!({})).unwrap_err(), failure);
}

#[test]
fn neu_fip_u1_neu_fip_u2_neu_fip_r2_a_port_gets_it_at_one_of_its_addresses_and_gives_it_back() {
    let mut cloud = Cloud::new();
    let (outside, inside) = networks(&mut cloud, 5);
    let router = json!({
        "tenant_id": cloud.tenant.simple().to_string(), "external_gateway_info": {"network_id": outside["id"]},
    });
    let router = cloud.ask("router", "CREATE", json!({"resource": router})).unwrap();
    let subnet = cloud.of("READ", "network", &inside, json!({})).unwrap()["subnets"][0].clone();
    cloud.of("ADDINTERFACE", "router", &router, json!({"subnet_id": subnet})).unwrap();
    let one = port(&mut cloud, &inside, "one", &["10.1.0.30"]);
    let two = port(&mut cloud, &inside, "two", &["10.1.0.31", "10.1.0.32"]);
    let none = port(&mut cloud, &inside, "none", &[]);
    let made = floating_ip(&mut cloud, &outside, json!({"port_id": one})).unwrap();
    assert_eq!((&made["port_id"], &made["fixed_ip_address"]), (&json!(one), &json!("10.1.0.30")));
    assert_eq!((&made["status"], &made["router_id"]), (&json!("ACTIVE"), &router["id"]));
    let refused = set(&mut cloud, &made, json!({"port_id": two})).unwrap_err();
    let text = "has multiple fixed IP addresses.  Must provide a specific IP address when assigning a floating IP";
    assert_eq!(refused["msg"], format!("Port {two} {text}"));
    for bad in
        [json!({"port_id": none}), json!({"port_id": two, "fixed_ip_address": "10.1.0.30"}), json!({"port_id": 5})]
    {
        assert_eq!(class(set(&mut cloud, &made, bad)), "BadRequest");
    }
    let moved = set(&mut cloud, &made, json!({"port_id": two, "fixed_ip_address": "10.1.0.32"})).unwrap();
    assert_eq!((&moved["port_id"], &moved["fixed_ip_address"]), (&json!(two), &json!("10.1.0.32")));
    let refused = set(&mut cloud, &made, json!({"fixed_ip_address": "10.1.0.31"})).unwrap_err();
    assert_eq!(refused["msg"], "fixed_ip_address cannot be specified without a port_id");
    for free in [json!({"port_id": null}), json!({"port_id": ""}), json!({"port_id": []}), json!({})] {
        set(&mut cloud, &made, json!({"port_id": one})).unwrap();
        let freed = set(&mut cloud, &made, free.clone()).unwrap();
        for name in ["port_id", "fixed_ip_address", "router_id"] {
            assert!(freed[name].is_null(), "{free} {name}");
        }
        assert_eq!(freed["status"], "DOWN");
    }
}

#[test]
fn neu_fip_r2_a_load_balancer_that_shares_the_address_of_a_machine_is_shown() {
    let mut cloud = Cloud::new();
    let (outside, inside) = networks(&mut cloud, 5);
    let networks = json!([{"to": inside["fq_name"]}]);
    let name = |name: &str| json!(["default-domain", "blue", name]);
    for (port, owner) in [("vip", "neutron:LOADBALANCER"), ("amphora", "compute:nova")] {
        let body = json!({
            "fq_name": name(port), "parent_type": "project", "virtual_network_refs": networks,
            "virtual_machine_interface_device_owner": owner,
        });
        cloud.create("virtual-machine-interface", body);
    }
    let body = json!({
        "fq_name": ["shared"], "virtual_network_refs": networks, "instance_ip_address": "10.1.0.40",
        "virtual_machine_interface_refs": [{"to": name("vip")}, {"to": name("amphora")}],
    });
    cloud.create("instance-ip", body);
    let find = |cloud: &Cloud, port: &str| {
        let kind = model().find("virtual-machine-interface").unwrap();
        cloud.graph.find(kind, &["default-domain", "blue", port]).unwrap().uuid.to_string()
    };
    let (vip, amphora) = (find(&cloud, "vip"), find(&cloud, "amphora"));
    let made = floating_ip(&mut cloud, &outside, json!({"port_id": amphora})).unwrap();
    assert_eq!(made["port_id"], json!(vip));
    assert_eq!(cloud.ids("floatingip", json!({"port_id": [vip]})), [id(&made)]);
    assert!(cloud.ids("floatingip", json!({"port_id": [amphora]})).is_empty());
}

#[test]
fn neu_fip_u3_another_one_at_the_same_address_is_refused() {
    let mut cloud = Cloud::new();
    let (outside, inside) = networks(&mut cloud, 5);
    let one = port(&mut cloud, &inside, "one", &["10.1.0.30"]);
    floating_ip(&mut cloud, &outside, json!({"port_id": one})).unwrap();
    let other = floating_ip(&mut cloud, &outside, json!({})).unwrap();
    let refused = set(&mut cloud, &other, json!({"port_id": one})).unwrap_err();
    let expected = json!({
        "exception": "FloatingIPPortAlreadyAssociated", "floating_ip_address": other["floating_ip_address"],
        "fip_id": other["id"], "port_id": one, "fixed_ip": "10.1.0.30", "net_id": outside["id"],
    });
    assert_eq!(refused, expected);
    // In a create nothing is left.
    let before = cloud.ids("floatingip", json!({}));
    assert_eq!(class(floating_ip(&mut cloud, &outside, json!({"port_id": one}))), "FloatingIPPortAlreadyAssociated");
    assert_eq!(cloud.ids("floatingip", json!({})), before);
}

#[test]
fn neu_fip_u4_a_port_is_of_the_project_of_the_floating_ip() {
    let mut cloud = Cloud::new();
    let (outside, inside) = networks(&mut cloud, 5);
    let one = port(&mut cloud, &inside, "one", &["10.1.0.30"]);
    let unknown = Uuid::new_v4().to_string();
    let blue = floating_ip(&mut cloud, &outside, json!({})).unwrap();
    assert_eq!(
        set(&mut cloud, &blue, json!({"port_id": unknown})).unwrap_err(),
        json!({"exception": "PortNotFound", "port_id": unknown})
    );
    cloud.tenant = cloud.project("red");
    let red = floating_ip(&mut cloud, &outside, json!({})).unwrap();
    let refused = set(&mut cloud, &red, json!({"port_id": one})).unwrap_err();
    assert_eq!(refused["msg"], format!("Port {one} is from another project"));
    cloud.is_admin = true;
    let refused = set(&mut cloud, &red, json!({"port_id": one})).unwrap_err();
    assert_eq!(refused["msg"], "port can't be associated with this fip as they both belong to different tenants");
    assert!(set(&mut cloud, &blue, json!({"port_id": one})).is_ok());
}

#[test]
fn neu_fip_u5_neu_fip_d1_a_description_leaves_the_port_alone() {
    let mut cloud = Cloud::new();
    let (outside, inside) = networks(&mut cloud, 5);
    let two = port(&mut cloud, &inside, "two", &["10.1.0.31", "10.1.0.32"]);
    let made = floating_ip(&mut cloud, &outside, json!({"port_id": two, "fixed_ip_address": "10.1.0.31"})).unwrap();
    let body = json!({"description": "new", "floating_ip_address": "198.18.0.14"});
    let changed = set(&mut cloud, &made, body).unwrap();
    assert_eq!(changed["description"], "new");
    for name in ["port_id", "fixed_ip_address", "floating_ip_address", "status"] {
        assert_eq!(changed[name], made[name], "{name}");
    }
    assert_eq!(cloud.of("DELETE", "floatingip", &made, json!({})), Ok(json!(null)));
    assert_eq!(class(cloud.of("READ", "floatingip", &made, json!({}))), "FloatingIPNotFound");
}

#[test]
fn neu_fip_l1_floating_ips_are_listed_by_their_projects() {
    let mut cloud = Cloud::new();
    let (outside, inside) = networks(&mut cloud, 5);
    let one = port(&mut cloud, &inside, "one", &["10.1.0.30"]);
    let first = floating_ip(&mut cloud, &outside, json!({"port_id": one})).unwrap();
    let second = floating_ip(&mut cloud, &outside, json!({})).unwrap();
    let blue = cloud.tenant.simple().to_string();
    cloud.tenant = cloud.project("red");
    let red = floating_ip(&mut cloud, &outside, json!({})).unwrap();
    assert_eq!(cloud.ids("floatingip", json!({})), [id(&red)]);
    assert!(cloud.ids("floatingip", json!({"id": [first["id"], "x"]})).is_empty());
    assert!(cloud.ids("floatingip", json!({"port_id": [one]})).is_empty());
    cloud.is_admin = true;
    assert_eq!(cloud.ids("floatingip", json!({})).len(), 3);
    let mut both = vec![id(&first), id(&second)];
    both.sort();
    assert_eq!(cloud.ids("floatingip", json!({"tenant_id": [blue]})), both);
    assert_eq!(cloud.ids("floatingip", json!({"port_id": [one]})), [id(&first)]);
    let address = json!({"floating_ip_address": [second["floating_ip_address"]], "tenant_id": [blue]});
    assert_eq!(cloud.ids("floatingip", address), [id(&second)]);
    let fixed = json!({"fixed_ip_address": ["10.1.0.30"], "port_id": [one]});
    assert_eq!(cloud.ids("floatingip", fixed), [id(&first)]);
    assert!(cloud.ids("floatingip", json!({"fixed_ip_address": ["10.1.0.31"], "port_id": [one]})).is_empty());
}

#[test]
fn strict_compliance_asks_for_a_router_between_the_networks() {
    let mut cloud = Cloud::with(NeutronOptions { strict_compliance: true, ..NeutronOptions::default() });
    let (outside, inside) = networks(&mut cloud, 5);
    let one = port(&mut cloud, &inside, "one", &["10.1.0.30"]);
    let subnet = cloud.of("READ", "network", &inside, json!({})).unwrap()["subnets"][0].clone();
    let refused = json!({
        "exception": "ExternalGatewayForFloatingIPNotFound", "subnet_id": subnet, "external_network_id": outside["id"],
        "port_id": one,
    });
    assert_eq!(floating_ip(&mut cloud, &outside, json!({"port_id": one})).unwrap_err(), refused);
    let router = json!({
        "tenant_id": cloud.tenant.simple().to_string(), "external_gateway_info": {"network_id": outside["id"]},
    });
    let router = cloud.ask("router", "CREATE", json!({"resource": router})).unwrap();
    assert_eq!(floating_ip(&mut cloud, &outside, json!({"port_id": one})).unwrap_err(), refused);
    cloud.of("ADDINTERFACE", "router", &router, json!({"subnet_id": subnet})).unwrap();
    assert_eq!(floating_ip(&mut cloud, &outside, json!({"port_id": one})).unwrap()["port_id"], json!(one));
}
