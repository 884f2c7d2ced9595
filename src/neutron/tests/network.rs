use super::*;

fn target(cloud: &Cloud) -> String {
    cloud.tenant.simple().to_string()
}

#[test]
fn neu_net_c1_neu_net_r1_a_network_is_what_was_asked_for() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({
        "admin_state_up": false, "description": "d", "mtu": 1400, "port_security_enabled": false, "qos_policy": 1,
        "provider:physical_network": "phys", "provider:segmentation_id": 5, "provider:network_type": "vlan",
    }));
    let net = net.unwrap();
    let tenant = target(&cloud);
    let (created, updated) = (net["created_at"].clone(), net["updated_at"].clone());
    let expected = json!({
        "id": net["id"], "name": "net", "tenant_id": tenant, "project_id": tenant, "admin_state_up": false,
        "status": "DOWN", "shared": false, "router:external": false, "mtu": 1400, "provider:physical_network": "phys",
        "provider:segmentation_id": 5, "subnets": [], "port_security_enabled": false, "description": "d",
        "created_at": created, "updated_at": updated, "fq_name": ["default-domain", "blue", "net"],
    });
    assert_eq!(net, expected);
    assert_eq!(cloud.of("READ", "network", &net, json!({})).unwrap(), net);
    for unknown in [json!({"id": Uuid::new_v4()}), json!({"id": "x"}), json!({"id": null})] {
        assert_eq!(class(cloud.of("READ", "network", &unknown, json!({}))), "NetworkNotFound", "{unknown}");
    }
}

#[test]
fn neu_gen_1_neu_gen_2_neu_gen_3_ids_and_names() {
    let mut cloud = Cloud::new();
    let first = cloud.network(json!({"id": "11111111111142228333000000000001"})).unwrap();
    assert_eq!(first["id"], "11111111-1111-4222-8333-000000000001");
    assert_eq!(class(cloud.network(json!({"id": first["id"]}))), "Conflict");
    let twin = cloud.network(json!({})).unwrap();
    assert_eq!(twin["name"], "net");
    assert_eq!(twin["fq_name"], json!(["default-domain", "blue", format!("net-{}", id(&twin))]));
    for empty in [json!({"name": ""}), json!({"name": null})] {
        let unnamed = cloud.network(empty).unwrap();
        assert_eq!((&unnamed["name"], &unnamed["fq_name"][2]), (&unnamed["id"], &unnamed["id"]));
    }
    let renamed = cloud.of("UPDATE", "network", &first, json!({"name": "other"})).unwrap();
    assert_eq!((&renamed["name"], &renamed["fq_name"]), (&json!("other"), &first["fq_name"]));
    assert_eq!(cloud.of("UPDATE", "network", &first, json!({"name": ""})).unwrap()["name"], "other");
}

#[test]
fn neu_gen_4_neu_gen_5_a_network_is_below_the_project_of_its_tenant() {
    let mut cloud = Cloud::new();
    assert_eq!(class(cloud.network(json!({"tenant_id": Uuid::new_v4()}))), "NotFound");
    // Whose it is to be Neutron has decided; the token decides whether that may be.
    let other = cloud.project("red");
    assert_eq!(cloud.network(json!({"tenant_id": other})).unwrap()["tenant_id"], other.simple().to_string());
}

#[test]
fn neu_gen_6_neu_gen_7_times_description_and_tags_are_told_as_they_are() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    assert!(net.get("description").is_none() && net.get("tags").is_none() && net["created_at"].is_string());
    let id_perms = cloud.property(&id(&net), "id_perms");
    assert_eq!((&net["created_at"], &net["updated_at"]), (&id_perms["created"], &id_perms["last_modified"]));
    let updated = cloud.of("UPDATE", "network", &net, json!({"description": ""})).unwrap();
    assert_eq!((&updated["description"], &updated["created_at"]), (&json!(""), &net["created_at"]));
    assert!(updated["updated_at"].as_str() > net["updated_at"].as_str());
}

#[test]
fn neu_net_c2_neu_net_u3_neu_gen_10_an_external_network_has_a_pool() {
    let mut cloud = Cloud::new();
    let before = cloud.graph.revision();
    let net = cloud.network(json!({"router:external": true})).unwrap();
    assert_eq!(net["router:external"], true);
    let tenant = cloud.tenant.to_string();
    let perms2 = |cloud: &Cloud, id: &str| {
        let perms2 = cloud.property(id, "perms2");
        (perms2["owner"].as_str().unwrap().to_owned(), perms2["global_access"].as_u64().unwrap())
    };
    assert_eq!(perms2(&cloud, &id(&net)), (tenant.clone(), 5));
    let pool_type = model().find("floating-ip-pool").unwrap();
    let pools = |cloud: &Cloud, net: &Value| -> Vec<String> {
        let uuid = Uuid::try_parse(&id(net)).unwrap();
        cloud.graph.children_of(uuid, pool_type).map(|pool| pool.uuid.to_string()).collect()
    };
    let pool = pools(&cloud, &net);
    assert_eq!(perms2(&cloud, &pool[0]), (tenant, 7));
    assert!(cloud.graph.revision() > before + 1, "network, routing instance and pool are one request");
    let closed = cloud.of("UPDATE", "network", &net, json!({"router:external": false})).unwrap();
    assert!(closed["router:external"] == false && pools(&cloud, &net).is_empty());
    cloud.of("UPDATE", "network", &net, json!({"router:external": true})).unwrap();
    assert_eq!(pools(&cloud, &net).len(), 1);
    // A refused request leaves nothing.
    let (revision, name) = (cloud.graph.revision(), json!({"name": "half", "router:external": true, "mtu": 10_000}));
    assert_eq!(class(cloud.network(name)), "BadRequest");
    assert_eq!(cloud.graph.revision(), revision);
    assert!(cloud.ids("network", json!({"name": ["half"]})).is_empty());
}

#[test]
fn neu_net_c3_neu_net_c5_neu_net_u4_what_rules_refuse_is_a_bad_request() {
    let mut cloud = Cloud::new();
    assert_eq!(class(cloud.network(json!({"provider:segmentation_id": 5}))), "BadRequest");
    assert_eq!(class(cloud.network(json!({"mtu": 9217}))), "BadRequest");
    let net = cloud.network(json!({"mtu": 1300})).unwrap();
    assert_eq!(class(cloud.of("UPDATE", "network", &net, json!({"provider:segmentation_id": 5}))), "BadRequest");
    assert_eq!(cloud.of("UPDATE", "network", &net, json!({"mtu": null})).unwrap()["mtu"], json!(null));
    let unknown = json!({"id": Uuid::new_v4()});
    assert_eq!(class(cloud.of("UPDATE", "network", &unknown, json!({"name": "x"}))), "NetworkNotFound");
}

#[test]
fn neu_net_c4_neu_net_u1_policies_have_an_order_and_a_list_replaces() {
    let mut cloud = Cloud::new();
    let names: Vec<Value> = ["b", "a"].map(|name| json!(["default-domain", "blue", name])).into();
    for name in &names {
        cloud.create("network-policy", json!({"fq_name": name, "parent_type": "project"}));
    }
    let table = json!(["default-domain", "blue", "routes"]);
    cloud.create("route-table", json!({"fq_name": table, "parent_type": "project"}));
    let net = cloud.network(json!({"policys": names, "route_table": table})).unwrap();
    let tables = json!([table]);
    assert_eq!((&net["policys"], &net["route_table"]), (&json!(names), &tables));
    let same = cloud.of("UPDATE", "network", &net, json!({"route_table": [], "description": "d"})).unwrap();
    assert_eq!((&same["policys"], &same["route_table"]), (&json!(names), &tables));
    let other = cloud.of("UPDATE", "network", &net, json!({"policys": [names[1]]})).unwrap();
    assert_eq!(other["policys"], json!([names[1]]));
    assert!(cloud.of("UPDATE", "network", &net, json!({"policys": []})).unwrap().get("policys").is_none());
    let unknown = json!([["default-domain", "blue", "none"]]);
    assert_eq!(class(cloud.network(json!({"policys": unknown}))), "BadRequest");
    assert_eq!(class(cloud.network(json!({"route_table": unknown[0]}))), "BadRequest");
}

#[test]
fn neu_net_u2_a_network_with_ports_of_others_stays_shared() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({"shared": true})).unwrap();
    cloud.project("red");
    let port = json!({
        "fq_name": ["default-domain", "red", "port"], "parent_type": "project",
        "virtual_network_refs": [{"uuid": net["id"], "to": net["fq_name"]}],
    });
    cloud.create("virtual-machine-interface", port);
    let refused = cloud.of("UPDATE", "network", &net, json!({"shared": false})).unwrap_err();
    assert_eq!(refused, json!({"exception": "InvalidSharedSetting", "network": "net"}));
    assert_eq!(class(cloud.of("DELETE", "network", &net, json!({}))), "NetworkInUse");
    assert_eq!(cloud.of("READ", "network", &net, json!({})).unwrap()["shared"], true);
}

#[test]
fn neu_net_d1_a_delete_takes_all_along_or_nothing() {
    let mut cloud = Cloud::new();
    assert_eq!(cloud.of("DELETE", "network", &json!({"id": Uuid::new_v4()}), json!({})), Ok(json!(null)));
    let empty = cloud.graph.len();
    let net = cloud.network(json!({"router:external": true})).unwrap();
    cloud.subnet(&net, json!({"cidr": "10.0.0.0/24"})).unwrap();
    let pool = ["default-domain", "blue", "net", "floating-ip-pool", "f"];
    cloud.create("floating-ip", json!({"fq_name": pool, "parent_type": "floating-ip-pool"}));
    let port = json!({
        "fq_name": ["default-domain", "blue", "port"], "parent_type": "project",
        "virtual_network_refs": [{"uuid": net["id"], "to": net["fq_name"]}],
    });
    let port = cloud.create("virtual-machine-interface", port);
    let before = (cloud.graph.len(), cloud.graph.revision());
    assert_eq!(
        cloud.of("DELETE", "network", &net, json!({})).unwrap_err(),
        json!({"exception": "NetworkInUse", "net_id": net["id"]})
    );
    assert_eq!((cloud.graph.len(), cloud.graph.revision()), before, "the floating ip is still there");
    let delete =
        crate::rules::Delete { type_id: model().find("virtual-machine-interface").unwrap(), uuid: port.to_string() };
    cloud.submit(&Operation::Delete(delete)).unwrap();
    cloud.of("DELETE", "network", &net, json!({})).unwrap();
    assert_eq!(cloud.graph.len(), empty);
}

#[test]
fn neu_net_l1_neu_net_l2_a_member_sees_its_own_and_what_is_for_it() {
    let mut cloud = Cloud::new();
    let mut make = |name: &str, members: Value| {
        let mut members = members;
        members["name"] = name.into();
        id(&cloud.network(members).unwrap())
    };
    let own = make("own", json!({}));
    let shared = make("shared", json!({"shared": true}));
    let external = make("external", json!({"router:external": true}));
    let blue = cloud.tenant;
    let red = cloud.project("red");
    let share = json!([{"tenant": red.to_string(), "tenant_access": 4}]);
    let given = cloud.create(
        "virtual-network",
        json!({
            "fq_name": ["default-domain", "blue", "given"], "parent_type": "project",
            "perms2": {"owner": blue.simple().to_string(), "owner_access": 7, "global_access": 0, "share": share},
        }),
    );
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    let given = given.to_string();
    assert_eq!(cloud.ids("network", json!({})), sorted(&[&own, &shared, &external, &given]));
    cloud.tenant = red;
    assert_eq!(cloud.ids("network", json!({})), sorted(&[&shared, &external, &given]));
    assert_eq!(cloud.ids("network", json!({"id": [own, shared]})), sorted(&[&shared]));
    assert_eq!(cloud.ids("network", json!({"shared": [true]})), sorted(&[&shared, &given]));
    assert_eq!(cloud.ids("network", json!({"router:external": [true], "name": ["shared"]})), sorted(&[]));
    assert_eq!(cloud.ids("network", json!({"tenant_id": [blue.to_string()]})).len(), 3);
    cloud.is_admin = true;
    assert_eq!(cloud.ids("network", json!({"tenant_id": [red.to_string(), "x"]})), sorted(&[]));
    assert_eq!(cloud.ids("network", json!({"tenant_id": ["x"]})), sorted(&[]));
    assert_eq!(cloud.ids("network", json!({"tenant_id": [blue.simple().to_string()]})).len(), 4);
    let all = cloud.ask("network", "READALL", json!({"filters": {}})).unwrap();
    assert!(all.as_array().unwrap().iter().any(|network| network["name"] == "ip-fabric"), "those of the system, too");
    // With a token only what may be read.
    cloud.log_in(red);
    assert_eq!(cloud.ids("network", json!({"name": ["own", "shared", "given"]})), sorted(&[&shared, &given]));
}

#[test]
fn neu_gen_12_what_rest_makes_is_seen() {
    let mut cloud = Cloud::new();
    let uuid =
        cloud.create("virtual-network", json!({"fq_name": ["default-domain", "blue", "n"], "parent_type": "project"}));
    let net = cloud.of("READ", "network", &json!({"id": uuid.to_string()}), json!({})).unwrap();
    assert_eq!((&net["name"], &net["port_security_enabled"]), (&json!("n"), &json!(true)));
}

#[test]
fn neu_hook_1_neu_sg_g1_each_project_gets_its_default_group_where_that_is_set() {
    let mut cloud = Cloud::with(NeutronOptions { default_security_group: true, ..NeutronOptions::default() });
    let group = model().find("security-group").unwrap();
    let name = ["default-domain", "blue", "default"];
    let found = cloud.graph.find(group, &name).unwrap().uuid.to_string();
    assert_eq!(cloud.property(&found, "perms2")["owner"], cloud.tenant.to_string());
    assert_eq!(cloud.property(&found, "id_perms")["description"], "Default security group");
    let rules = cloud.property(&found, "security_group_entries");
    assert_eq!(rules["policy_rule"].as_array().unwrap().len(), 4);
    cloud = Cloud::new();
    assert!(cloud.graph.find(group, &name).is_none());
}

#[test]
fn neu_env_7_neu_env_8_answers_have_all_fields_and_a_delete_has_none() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let data = json!({"id": net["id"], "fields": ["id"]});
    assert_eq!(cloud.ask("network", "READ", data).unwrap(), net);
    let listed = cloud.ask("network", "READALL", json!({"filters": {"id": [net["id"]]}, "fields": ["project_id"]}));
    assert_eq!(listed.unwrap(), json!([net]));
    assert_eq!(cloud.of("DELETE", "network", &net, json!({})), Ok(json!(null)));
}

#[test]
fn neu_gen_11_neu_sub_c1_each_request_sees_what_those_before_it_did() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    for number in 0..20 {
        cloud.subnet(&net, json!({"cidr": format!("10.0.{number}.0/24")})).unwrap();
    }
    assert_eq!(cloud.of("READ", "network", &net, json!({})).unwrap()["subnets"].as_array().unwrap().len(), 20);
}

#[test]
fn ports_and_groups_are_found_by_what_is_in_them() {
    use crate::graph::InnerKey;
    let mut cloud = Cloud::with(NeutronOptions { default_security_group: true, ..NeutronOptions::default() });
    let net = cloud.network(json!({})).unwrap();
    let port = cloud.create(
        "virtual-machine-interface",
        json!({
            "fq_name": ["default-domain", "blue", "port"], "parent_type": "project",
            "virtual_network_refs": [{"uuid": net["id"], "to": net["fq_name"]}],
            "virtual_machine_interface_mac_addresses": {"mac_address": ["02:0A:00:00:00:01"]},
        }),
    );
    let found = |cloud: &Cloud, key: InnerKey, text: &str| -> Vec<Uuid> {
        cloud.graph.with_inner_key(key, text).map(|object| object.uuid).collect()
    };
    assert_eq!(found(&cloud, InnerKey::MacAddress, "02:0a:00:00:00:01"), [port]);
    assert!(found(&cloud, InnerKey::MacAddress, "02:0a:00:00:00:02").is_empty());
    let group = model().find("security-group").unwrap();
    let group = cloud.graph.find(group, &["default-domain", "blue", "default"]).unwrap().uuid;
    let rules = cloud.property(&group.to_string(), "security_group_entries");
    let rule = rules["policy_rule"][3]["rule_uuid"].as_str().unwrap();
    assert_eq!(found(&cloud, InnerKey::Rule, rule), [group]);
    let type_id = model().find("virtual-machine-interface").unwrap();
    cloud.submit(&Operation::Delete(crate::rules::Delete { type_id, uuid: port.to_string() })).unwrap();
    assert!(found(&cloud, InnerKey::MacAddress, "02:0a:00:00:00:01").is_empty());
}

#[test]
fn neu_gen_2_a_name_is_one_piece() {
    let mut cloud = Cloud::new();
    for resource in ["network", "router", "security_group", "policy", "ipam", "route_table"] {
        let refused = cloud.ask(resource, "CREATE", json!({"resource": {"name": "a:b"}})).unwrap_err();
        let text = "Bad Request, name has one of invalid chars {':'}";
        assert_eq!(refused, json!({"exception": "BadRequest", "resource": resource, "msg": text}));
    }
}

#[test]
fn neu_net_c1_neu_net_c4_what_is_of_another_type_is_refused_by_its_name() {
    let mut cloud = Cloud::new();
    let network = cloud.network(json!({})).unwrap();
    for (member, wrong) in [
        ("mtu", json!(true)),
        ("mtu", json!([])),
        ("mtu", json!(1.5)),
        ("provider:physical_network", json!({})),
        ("provider:segmentation_id", json!([])),
        ("policys", json!([17])),
        ("policys", json!([[]])),
        ("route_table", json!([17])),
    ] {
        for refused in
            [cloud.network(json!({(member): wrong})), cloud.of("UPDATE", "network", &network, json!({(member): wrong}))]
        {
            let refused = refused.unwrap_err();
            assert!(
                refused["exception"] == "BadRequest" && refused["msg"].as_str().unwrap().contains(member),
                "{refused}"
            );
        }
    }
}
