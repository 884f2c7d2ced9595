use super::*;

fn router(cloud: &mut Cloud, resource: Value) -> Result<Value, Value> {
    let mut body = json!({"tenant_id": cloud.tenant.simple().to_string(), "name": "edge"});
    body.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
    cloud.ask("router", "CREATE", json!({"resource": body}))
}

fn interface(cloud: &mut Cloud, operation: &str, router: &Value, body: Value) -> Result<Value, Value> {
    cloud.of(operation, "router", router, body)
}

/// A network with a subnet.
fn inside(cloud: &mut Cloud, cidr: &str) -> (Value, Value) {
    let net = cloud.network(json!({})).unwrap();
    let subnet = cloud.subnet(&net, json!({"cidr": cidr})).unwrap();
    (net, subnet)
}

fn info(network: &Value) -> Value {
    json!({"external_gateway_info": {"network_id": network["id"]}})
}

fn of_type(cloud: &Cloud, type_name: &str) -> usize {
    cloud.graph.objects_of(model().find(type_name).unwrap()).count()
}

#[test]
fn neu_rtr_c1_neu_rtr_r1_a_router_is_what_was_asked_for() {
    let mut cloud = Cloud::new();
    let edge =
        router(&mut cloud, json!({"description": "d", "admin_state_up": false, "routes": [], "ha": true})).unwrap();
    let expected = json!({
        "id": edge["id"], "name": "edge", "tenant_id": cloud.tenant.simple().to_string(), "admin_state_up": false,
        "shared": false, "status": "ACTIVE", "gw_port_id": null, "external_gateway_info": null, "description": "d",
        "created_at": edge["created_at"], "updated_at": edge["created_at"], "fq_name": ["default-domain", "blue", "edge"],
    });
    assert_eq!(edge, expected);
    assert_eq!(cloud.of("READ", "router", &edge, json!({})).unwrap(), edge);
    let given = Uuid::new_v4().to_string();
    let twin = router(&mut cloud, json!({"id": given})).unwrap();
    assert_eq!(twin["fq_name"][2], format!("edge-{given}"));
    for unknown in [json!({"id": Uuid::new_v4()}), json!({"id": "x"})] {
        for operation in ["READ", "UPDATE", "DELETE", "ADDINTERFACE", "DELINTERFACE"] {
            let refused = cloud.of(operation, "router", &unknown, json!({})).unwrap_err();
            assert_eq!(refused, json!({"exception": "RouterNotFound", "router_id": unknown["id"]}));
        }
    }
}

#[test]
fn neu_rtr_c2_neu_rtr_u1_a_gateway_is_an_external_network_and_stays_until_it_is_taken_away() {
    let mut cloud = Cloud::new();
    let outside = cloud.network(json!({"router:external": true})).unwrap();
    let other = cloud.network(json!({"router:external": true, "name": "other"})).unwrap();
    let plain = cloud.network(json!({"name": "plain"})).unwrap();
    let unknown = json!({"id": Uuid::new_v4().to_string()});
    assert_eq!(class(router(&mut cloud, info(&unknown))), "NetworkNotFound");
    let refused = router(&mut cloud, info(&plain)).unwrap_err();
    let text = format!("Network {} is not a valid external network", id(&plain));
    assert_eq!(refused, json!({"exception": "BadRequest", "resource": "router", "msg": text}));
    for bad in [json!("x"), json!([]), json!({"network_id": 5})] {
        assert_eq!(class(router(&mut cloud, json!({"external_gateway_info": bad}))), "BadRequest");
    }
    assert_eq!(of_type(&cloud, "logical-router"), 0);

    let edge = router(&mut cloud, info(&outside)).unwrap();
    let of = |network: &Value| json!({"network_id": network["id"], "enable_snat": true});
    assert_eq!(edge["external_gateway_info"], of(&outside));
    let renamed = cloud.of("UPDATE", "router", &edge, json!({"name": "r", "description": "d"})).unwrap();
    assert_eq!((&renamed["name"], &renamed["external_gateway_info"]), (&json!("r"), &of(&outside)));
    assert_eq!(cloud.of("UPDATE", "router", &edge, info(&outside)).unwrap()["external_gateway_info"], of(&outside));
    assert_eq!(cloud.of("UPDATE", "router", &edge, info(&other)).unwrap()["external_gateway_info"], of(&other));
    assert_eq!(class(cloud.of("UPDATE", "router", &edge, info(&plain))), "BadRequest");
    assert_eq!(class(cloud.of("DELETE", "network", &other, json!({}))), "NetworkInUse");
    for none in [json!({}), json!(null), json!({"network_id": null})] {
        cloud.of("UPDATE", "router", &edge, info(&outside)).unwrap();
        let cleared = cloud.of("UPDATE", "router", &edge, json!({"external_gateway_info": none})).unwrap();
        assert!(cleared["external_gateway_info"].is_null());
    }
    assert!(cloud.of("READ", "router", &edge, json!({})).unwrap()["external_gateway_info"].is_null());
}

#[test]
fn neu_rtr_r2_the_internal_network_of_a_router_over_vxlan_is_no_gateway() {
    let mut cloud = Cloud::new();
    let outside = cloud.network(json!({"router:external": true})).unwrap();
    let uuid = cloud.create(
        "logical-router",
        json!({"fq_name": ["default-domain", "blue", "vx"], "parent_type": "project", "logical_router_type": "vxlan-routing"}),
    );
    let edge = json!({"id": uuid.to_string()});
    let shown = cloud.of("READ", "router", &edge, json!({})).unwrap();
    assert!(shown["external_gateway_info"].is_null());
    let count = |cloud: &Cloud| cloud.graph.get(uuid).unwrap().links.len();
    let before = count(&cloud);
    let shown = cloud.of("UPDATE", "router", &edge, info(&outside)).unwrap();
    assert_eq!(shown["external_gateway_info"]["network_id"], outside["id"]);
    assert_eq!(count(&cloud), before + 1);
    cloud.of("UPDATE", "router", &edge, json!({"external_gateway_info": null})).unwrap();
    assert_eq!(count(&cloud), before);
}

#[test]
fn neu_rtr_i1_neu_rtr_i4_an_interface_for_a_subnet_is_a_port_at_its_gateway() {
    let mut cloud = Cloud::new();
    let (net, subnet) = inside(&mut cloud, "10.1.0.0/24");
    let edge = router(&mut cloud, json!({})).unwrap();
    let tenant = cloud.tenant.simple().to_string();
    let made = interface(&mut cloud, "ADDINTERFACE", &edge, json!({"subnet_id": subnet["id"]})).unwrap();
    let expected =
        json!({"id": edge["id"], "tenant_id": tenant, "port_id": made["port_id"], "subnet_id": subnet["id"]});
    assert_eq!(made, expected);
    let port = made["port_id"].as_str().unwrap().to_owned();
    assert_eq!(cloud.property(&port, "virtual_machine_interface_device_owner"), "network:router_interface");
    assert_eq!(cloud.property(&port, "port_security_enabled"), false);
    assert_eq!(cloud.property(&port, "display_name"), port);
    assert_eq!(cloud.property(&port, "perms2")["owner"], tenant);
    let kind = model().find("instance-ip").unwrap();
    let address = cloud.graph.referrers(Uuid::try_parse(&port).unwrap(), kind).next().unwrap().uuid.to_string();
    assert_eq!(cloud.property(&address, "instance_ip_address"), "10.1.0.1");
    assert_eq!(cloud.property(&address, "subnet_uuid"), subnet["id"]);
    assert_eq!(cloud.property(&address, "perms2")["owner"], tenant);

    let neither = interface(&mut cloud, "ADDINTERFACE", &edge, json!({})).unwrap_err();
    assert_eq!(neither["msg"], "Either port or subnet must be specified");
    let other = router(&mut cloud, json!({})).unwrap();
    assert_eq!(
        interface(&mut cloud, "ADDINTERFACE", &other, json!({"subnet_id": subnet["id"]})).unwrap_err(),
        json!({"exception": "IpAddressInUse", "net_id": net["id"], "ip_address": "10.1.0.1"})
    );
}

/// A port, as REST makes it, with so many addresses.
fn port(cloud: &mut Cloud, net: &Value, name: &str, addresses: usize) -> Value {
    let network = json!([{"to": net["fq_name"]}]);
    let fq_name = json!(["default-domain", net["fq_name"][1], name]);
    let body = json!({"fq_name": fq_name, "parent_type": "project", "virtual_network_refs": network});
    let port = cloud.create("virtual-machine-interface", body);
    for number in 0..addresses {
        let body = json!({
            "fq_name": [format!("{name}-{number}")], "virtual_network_refs": network,
            "virtual_machine_interface_refs": [{"to": fq_name}],
        });
        cloud.create("instance-ip", body);
    }
    json!({"id": port.to_string()})
}

#[test]
fn neu_rtr_i2_neu_rtr_i3_a_port_or_subnet_that_can_be_none_is_refused_and_leaves_nothing() {
    let mut cloud = Cloud::new();
    let (net, subnet) = inside(&mut cloud, "10.1.0.0/24");
    let edge = router(&mut cloud, json!({})).unwrap();
    let twin = router(&mut cloud, json!({})).unwrap();
    let leg = port(&mut cloud, &net, "leg", 1);
    let (none, two) = (port(&mut cloud, &net, "none", 0), port(&mut cloud, &net, "two", 2));
    let unknown = Uuid::new_v4().to_string();
    let add = |cloud: &mut Cloud, body: Value| interface(cloud, "ADDINTERFACE", &edge, body);

    assert_eq!(class(add(&mut cloud, json!({"port_id": unknown}))), "PortNotFound");
    assert_eq!(class(add(&mut cloud, json!({"subnet_id": unknown}))), "SubnetNotFound");
    for port in [&none, &two] {
        let refused = add(&mut cloud, json!({"port_id": port["id"]})).unwrap_err();
        assert_eq!(refused["msg"], "Router port must have exactly one fixed IP");
    }
    let gateless = cloud.subnet(&net, json!({"cidr": "10.9.0.0/24", "gateway_ip": "0.0.0.0"})).unwrap();
    let refused = add(&mut cloud, json!({"subnet_id": gateless["id"]})).unwrap_err();
    assert_eq!(refused["msg"], "Subnet for router interface must have a gateway IP");

    // Of another project.
    let blue = cloud.tenant;
    cloud.tenant = cloud.project("red");
    assert_eq!(
        add(&mut cloud, json!({"port_id": leg["id"]})).unwrap_err(),
        json!({"exception": "RouterInterfaceNotFound", "router_id": edge["id"], "port_id": leg["id"]})
    );
    assert_eq!(
        add(&mut cloud, json!({"subnet_id": subnet["id"]})).unwrap_err(),
        json!({"exception": "RouterInterfaceNotFoundForSubnet", "router_id": edge["id"], "subnet_id": subnet["id"]})
    );
    cloud.tenant = blue;

    let made = add(&mut cloud, json!({"port_id": leg["id"]})).unwrap();
    assert_eq!((&made["port_id"], &made["subnet_id"]), (&leg["id"], &subnet["id"]));
    assert_eq!(cloud.property(&id(&leg), "virtual_machine_interface_device_owner"), "network:router_interface");
    assert_eq!(
        interface(&mut cloud, "ADDINTERFACE", &twin, json!({"port_id": leg["id"]})).unwrap_err(),
        json!({"exception": "PortInUse", "port_id": leg["id"], "net_id": net["id"], "device_id": edge["id"]})
    );
    let refused = add(&mut cloud, json!({"subnet_id": subnet["id"]})).unwrap_err();
    assert_eq!(refused["msg"], format!("Router {} already has a port on subnet {}", id(&edge), id(&subnet)));
    let (_, overlapping) = inside(&mut cloud, "10.1.0.128/25");
    let ports = of_type(&cloud, "virtual-machine-interface");
    let refused = add(&mut cloud, json!({"subnet_id": overlapping["id"]})).unwrap_err();
    let text = format!(
        "Cidr 10.1.0.128/25 of subnet {} overlaps with cidr 10.1.0.0/24 of subnet {}",
        id(&overlapping),
        id(&subnet)
    );
    assert_eq!(refused["msg"], text);

    // The network of the gateway, and a port of a machine.
    let outside = cloud.network(json!({"router:external": true, "name": "ext"})).unwrap();
    let outer = cloud.subnet(&outside, json!({"cidr": "198.18.0.0/24"})).unwrap();
    cloud.of("UPDATE", "router", &edge, info(&outside)).unwrap();
    assert_eq!(class(add(&mut cloud, json!({"subnet_id": outer["id"]}))), "BadRequest");
    assert_eq!(of_type(&cloud, "virtual-machine-interface"), ports);
    let (elsewhere, _) = inside(&mut cloud, "10.7.0.0/24");
    let busy = port(&mut cloud, &elsewhere, "busy", 1);
    let machine = cloud.create("virtual-machine", json!({"fq_name": ["vm"]}));
    let model = model();
    let kind = model.find("virtual-machine-interface").unwrap();
    let body = json!({"virtual_machine_refs": [{"uuid": machine.to_string(), "to": ["vm"]}]});
    let document = Document::read_update(&model, model.object_type(kind), body.as_object().unwrap().clone());
    let update = crate::rules::Update { type_id: kind, uuid: id(&busy), document };
    cloud.submit(&Operation::Update(update)).unwrap();
    assert_eq!(class(add(&mut cloud, json!({"port_id": busy["id"]}))), "Conflict");
    assert_eq!(cloud.property(&id(&busy), "virtual_machine_interface_device_owner"), json!(null));
}

#[test]
fn neu_rtr_i5_neu_rtr_d1_an_interface_takes_its_port_along() {
    let mut cloud = Cloud::new();
    let (net, subnet) = inside(&mut cloud, "10.1.0.0/24");
    let (other_net, other) = inside(&mut cloud, "10.2.0.0/24");
    let edge = router(&mut cloud, json!({})).unwrap();
    let twin = router(&mut cloud, json!({})).unwrap();
    let leg = port(&mut cloud, &other_net, "leg", 1);
    let made = interface(&mut cloud, "ADDINTERFACE", &edge, json!({"subnet_id": subnet["id"]})).unwrap();
    interface(&mut cloud, "ADDINTERFACE", &edge, json!({"port_id": leg["id"]})).unwrap();
    assert_eq!(
        cloud.of("DELETE", "router", &edge, json!({})).unwrap_err(),
        json!({"exception": "RouterInUse", "router_id": edge["id"]})
    );
    assert_eq!(
        interface(&mut cloud, "DELINTERFACE", &twin, json!({"port_id": leg["id"]})).unwrap_err(),
        json!({"exception": "RouterInterfaceNotFound", "router_id": twin["id"], "port_id": leg["id"]})
    );
    assert_eq!(class(interface(&mut cloud, "DELINTERFACE", &edge, json!({}))), "BadRequest");
    let subnet_id = json!({"subnet_id": subnet["id"]});
    assert_eq!(interface(&mut cloud, "DELINTERFACE", &edge, subnet_id.clone()).unwrap(), made);
    assert_eq!(
        interface(&mut cloud, "DELINTERFACE", &edge, subnet_id).unwrap_err(),
        json!({"exception": "RouterInterfaceNotFoundForSubnet", "router_id": edge["id"], "subnet_id": subnet["id"]})
    );
    let gone = interface(&mut cloud, "DELINTERFACE", &edge, json!({"port_id": leg["id"]})).unwrap();
    assert_eq!((&gone["port_id"], &gone["subnet_id"]), (&leg["id"], &other["id"]));
    assert_eq!((of_type(&cloud, "virtual-machine-interface"), of_type(&cloud, "instance-ip")), (0, 0));
    let outside = cloud.network(json!({"router:external": true})).unwrap();
    cloud.of("UPDATE", "router", &edge, info(&outside)).unwrap();
    for gone in [&edge, &twin] {
        assert_eq!(cloud.of("DELETE", "router", gone, json!({})), Ok(json!(null)));
    }
    for network in [&net, &other_net, &outside] {
        assert_eq!(cloud.of("DELETE", "network", network, json!({})), Ok(json!(null)));
    }
}

#[test]
fn neu_rtr_l1_routers_are_listed_in_their_project() {
    let mut cloud = Cloud::new();
    let one = id(&router(&mut cloud, json!({"name": "one"})).unwrap());
    let two = id(&router(&mut cloud, json!({"name": "two"})).unwrap());
    let mut both = vec![one.clone(), two.clone()];
    both.sort();
    assert_eq!(cloud.ids("router", json!({})), both);
    assert_eq!(cloud.ids("router", json!({"name": ["one"]})), [one.as_str()]);
    assert_eq!(cloud.ids("router", json!({"id": [two, Uuid::new_v4().to_string()]})), [two.as_str()]);
    assert!(cloud.ids("router", json!({"shared": [true]})).is_empty());
    let count = cloud.ask("router", "READCOUNT", json!({"filters": {}})).unwrap();
    assert_eq!(count.as_array().unwrap().len(), 2);
    let blue = cloud.tenant.simple().to_string();
    cloud.tenant = cloud.project("red");
    assert!(cloud.ids("router", json!({})).is_empty());
    assert!(cloud.ids("router", json!({"id": [one]})).is_empty());
    cloud.is_admin = true;
    assert_eq!(cloud.ids("router", json!({})), both);
    assert_eq!(cloud.ids("router", json!({"tenant_id": [blue]})), both);
}
