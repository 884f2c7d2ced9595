use super::*;

fn make(cloud: &mut Cloud, resource: &str, members: Value) -> Result<Value, Value> {
    let mut body = json!({"tenant_id": cloud.tenant.simple().to_string(), "name": "n"});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    cloud.ask(resource, "CREATE", json!({"resource": body}))
}

#[test]
fn neu_pol_g1_a_policy_shows_its_entries_and_the_networks_that_use_it() {
    let mut cloud = Cloud::new();
    let address = json!([{"virtual_network": "any"}]);
    let rule = json!({
        "direction": "<>", "protocol": "tcp", "src_addresses": address, "dst_addresses": address,
        "src_ports": [{"start_port": -1, "end_port": -1}], "dst_ports": [{"start_port": -1, "end_port": -1}],
        "action_list": {"simple_action": "pass"},
    });
    let made = make(&mut cloud, "policy", json!({"entries": {"policy_rule": [rule]}})).unwrap();
    let tenant = cloud.tenant;
    for (name, expected) in [
        ("name", json!("n")),
        ("tenant_id", json!(tenant.simple().to_string())),
        ("fq_name", json!(["default-domain", "blue", "n"])),
        ("parent_type", json!("project")),
        ("parent_uuid", json!(tenant.to_string())),
    ] {
        assert_eq!(made[name], expected, "{name}");
    }
    let shown = &made["entries"]["policy_rule"][0];
    assert_eq!((&shown["rule_sequence"], &shown["application"]), (&json!(null), &json!([])));
    assert_eq!((&shown["src_addresses"][0]["subnet_list"], &shown["action_list"]["log"]), (&json!([]), &json!(false)));
    assert_eq!(cloud.of("READ", "policy", &made, json!({})).unwrap(), made);
    assert!(made.get("nets_using").is_none());
    let net = cloud.network(json!({"policys": [made["fq_name"]]})).unwrap();
    assert_eq!(cloud.of("READ", "policy", &made, json!({})).unwrap()["nets_using"], json!([net["fq_name"]]));
    assert_eq!(class(cloud.of("DELETE", "policy", &made, json!({}))), "Conflict");
    let emptied =
        cloud.of("UPDATE", "policy", &made, json!({"entries": {"policy_rule": []}, "name": "other"})).unwrap();
    assert_eq!((&emptied["entries"], &emptied["name"]), (&json!({"policy_rule": []}), &json!("n")));
    for none in [json!(""), json!(null)] {
        let empty = make(&mut cloud, "policy", json!({"entries": none})).unwrap();
        assert!(empty["entries"].is_null());
        assert_eq!(empty["name"], format!("n-{}", id(&empty)));
    }
    let refused = make(&mut cloud, "policy", json!({"entries": "text"})).unwrap_err();
    assert_eq!(refused, json!({"exception": "BadRequest", "resource": "policy", "msg": "entries must be a dict"}));
    assert_eq!(class(make(&mut cloud, "policy", json!({"name": null}))), "BadRequest");
    assert_eq!(class(cloud.of("READ", "policy", &json!({"id": "x"}), json!({}))), "NotFound");
    cloud.of("DELETE", "network", &net, json!({})).unwrap();
    assert_eq!(cloud.of("DELETE", "policy", &made, json!({})), Ok(json!(null)));
}

#[test]
fn neu_ipm_g1_an_ipam_shows_how_it_is_managed() {
    let mut cloud = Cloud::new();
    let made = make(&mut cloud, "ipam", json!({"mgmt": {"ipam_method": "dhcp"}})).unwrap();
    let expected = json!({
        "ipam_method": "dhcp", "ipam_dns_method": null, "ipam_dns_server": null, "dhcp_option_list": null,
        "cidr_block": null, "host_routes": null,
    });
    assert_eq!(made["mgmt"], expected);
    let plain = make(&mut cloud, "ipam", json!({"mgmt": null, "name": "plain"})).unwrap();
    assert!(plain["mgmt"].is_null());
    let changed = cloud.of("UPDATE", "ipam", &plain, json!({"mgmt": {"ipam_dns_method": "none"}})).unwrap();
    assert_eq!(changed["mgmt"]["ipam_dns_method"], "none");
    let net = cloud.network(json!({})).unwrap();
    cloud.subnet(&net, json!({"cidr": "10.0.0.0/24", "ipam_fq_name": made["fq_name"]})).unwrap();
    assert_eq!(class(cloud.of("DELETE", "ipam", &made, json!({}))), "Conflict");
    assert_eq!(class(make(&mut cloud, "ipam", json!({"mgmt": {"ipam_method": "nonsense"}}))), "BadRequest");
    let unknown = json!({"id": Uuid::new_v4().to_string()});
    for operation in ["READ", "UPDATE", "DELETE"] {
        let refused = cloud.of(operation, "ipam", &unknown, json!({})).unwrap_err();
        assert_eq!(refused, json!({"exception": "NetworkNotFound", "net_id": unknown["id"]}));
    }
}

#[test]
fn neu_rt_g1_a_machine_of_a_service_as_next_hop_becomes_the_service() {
    let mut cloud = Cloud::new();
    cloud.create("service-instance", json!({"fq_name": ["default-domain", "blue", "fw"], "parent_type": "project"}));
    let machine = cloud.create(
        "virtual-machine",
        json!({"fq_name": ["vm"], "service_instance_refs": [{"to": ["default-domain", "blue", "fw"]}]}),
    );
    let route =
        |prefix: &str, next_hop: &str| json!({"prefix": prefix, "next_hop": next_hop, "next_hop_type": "ip-address"});
    let routes = json!({"route": [route("10.1.0.0/16", "10.0.0.9"), route("10.2.0.0/16", &machine.to_string())]});
    let made = make(&mut cloud, "route_table", json!({"routes": routes, "fq_name": ""})).unwrap();
    assert_eq!((&made["uuid"], &made["name"]), (&made["id"], &json!("n")));
    let shown = &made["routes"]["route"];
    assert_eq!((&shown[0]["next_hop"], &shown[0]["community_attributes"]), (&json!("10.0.0.9"), &json!(null)));
    assert_eq!(shown[1]["next_hop"], "default-domain:blue:fw");
    let changed = cloud.of("UPDATE", "route_table", &made, json!({"routes": {"route": []}})).unwrap();
    assert_eq!(changed["routes"], json!({"route": []}));
    let plain = make(&mut cloud, "route_table", json!({"routes": "", "name": "plain"})).unwrap();
    assert!(plain["routes"].is_null());
    let net = cloud.network(json!({"route_table": made["fq_name"]})).unwrap();
    assert_eq!(net["route_table"], json!([made["fq_name"]]));
    assert_eq!(class(cloud.of("DELETE", "route_table", &made, json!({}))), "Conflict");
    assert_eq!(cloud.of("DELETE", "route_table", &plain, json!({})), Ok(json!(null)));
    assert_eq!(class(cloud.of("READ", "route_table", &plain, json!({}))), "NetworkNotFound");
}

#[test]
fn neu_nat_g1_a_nat_instance_is_a_service_between_two_networks() {
    let mut cloud = Cloud::new();
    let (outside, inside) =
        (cloud.network(json!({"name": "ext"})).unwrap(), cloud.network(json!({"name": "int"})).unwrap());
    let between = json!({"external_net": outside["id"], "internal_net": inside["id"]});
    assert_eq!(class(make(&mut cloud, "nat_instance", between.clone())), "NotFound");
    let kind = model().find("service-instance").unwrap();
    assert_eq!(cloud.graph.count_of(kind), 0);
    let template = json!({"fq_name": ["default-domain", "nat-template"], "parent_type": "domain"});
    cloud.create("service-template", template);
    let made = make(&mut cloud, "nat_instance", between).unwrap();
    assert_eq!(made["external_net"], format!("{} ext", id(&outside)));
    assert_eq!(made["internal_net"], format!("{} int", id(&inside)));
    let properties = &made["service_instance_properties"];
    assert_eq!(properties["right_virtual_network"], "default-domain:blue:ext");
    assert_eq!((&properties["auto_policy"], &properties["interface_list"]), (&json!(true), &json!([])));
    assert_eq!(properties["scale_out"], json!({"max_instances": 1, "auto_scale": false}));
    assert_eq!(made["service_template_refs"][0]["to"], json!(["default-domain", "nat-template"]));
    assert_eq!(cloud.of("READ", "nat_instance", &made, json!({})).unwrap(), made);
    let unknown = json!({"external_net": Uuid::new_v4().to_string()});
    assert_eq!(class(make(&mut cloud, "nat_instance", unknown)), "NetworkNotFound");
    assert_eq!(class(make(&mut cloud, "nat_instance", json!({}))), "BadRequest");
    assert_eq!(cloud.of("DELETE", "nat_instance", &made, json!({})), Ok(json!(null)));
    assert_eq!(class(cloud.of("READ", "nat_instance", &made, json!({}))), "NetworkNotFound");
}

#[test]
fn neu_vr_g1_a_virtual_router_says_whether_it_uses_dpdk() {
    let mut cloud = Cloud::new();
    for (name, dpdk) in [("plain", false), ("fast", true)] {
        let fq_name = json!(["default-global-system-config", name]);
        let body = json!({
            "fq_name": fq_name, "parent_type": "global-system-config", "virtual_router_ip_address": "192.0.2.1",
            "virtual_router_dpdk_enabled": dpdk,
        });
        cloud.create("virtual-router", body);
        let told = cloud.ask("virtual_router", "READ", json!({"id": fq_name}));
        assert_eq!(told, Ok(json!({"dpdk_enabled": dpdk})));
    }
    for unknown in [json!(["default-global-system-config", "none"]), json!("x"), json!(null)] {
        let refused = cloud.ask("virtual_router", "READ", json!({"id": unknown})).unwrap_err();
        assert_eq!(refused, json!({"exception": "VirtualRouterNotFound", "vrouter_id": unknown}));
    }
}

#[test]
fn neu_ctr_l1_these_are_listed_in_their_project() {
    let mut cloud = Cloud::new();
    cloud.create("service-template", json!({"fq_name": ["default-domain", "nat-template"], "parent_type": "domain"}));
    let net = cloud.network(json!({})).unwrap();
    for resource in ["policy", "ipam", "route_table", "nat_instance"] {
        let blue = cloud.tenant;
        let made = id(&make(&mut cloud, resource, json!({"external_net": net["id"]})).unwrap());
        assert_eq!(cloud.ids(resource, json!({})), [made.as_str()], "{resource}");
        assert_eq!(cloud.ids(resource, json!({"name": ["n"], "id": [made]})), [made.as_str()]);
        assert!(cloud.ids(resource, json!({"name": ["other"]})).is_empty());
        cloud.tenant = cloud.project(&format!("red-{resource}"));
        assert!(cloud.ids(resource, json!({})).is_empty());
        assert!(cloud.ids(resource, json!({"id": [made]})).is_empty());
        cloud.is_admin = true;
        assert_eq!(cloud.ids(resource, json!({"tenant_id": [blue.simple().to_string()]})), [made.as_str()]);
        assert!(cloud.ids(resource, json!({})).contains(&made));
        cloud.is_admin = false;
        cloud.tenant = blue;
    }
}
