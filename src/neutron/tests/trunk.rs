use super::{Cloud, class, id, model};
use serde_json::{Value, json};

const NIL: &str = "00000000-0000-0000-0000-00000000dead";

/// A trunk without ports, its parent, and two ports that it may carry.
fn trunk(cloud: &mut Cloud) -> (Value, Value, [Value; 2]) {
    let net = cloud.network(json!({})).unwrap();
    let parent = cloud.port(&net, json!({})).unwrap();
    let ports = [(); 2].map(|()| cloud.port(&net, json!({})).unwrap());
    let body =
        json!({"name": "t", "port_id": parent["id"], "sub_ports": [], "tenant_id": cloud.tenant, "description": "d"});
    let trunk = cloud.ask("trunk", "CREATE", json!({"resource": body})).unwrap();
    (trunk, parent, ports)
}

fn sub_port(port: &Value, vlan: u64) -> Value {
    json!({"port_id": port["id"], "segmentation_id": vlan, "segmentation_type": "vlan"})
}

fn add(cloud: &mut Cloud, trunk: &Value, sub_ports: Value) -> Result<Value, Value> {
    cloud.of("ADD_SUBPORTS", "trunk", trunk, json!({"sub_ports": sub_ports}))
}

fn vlan(cloud: &Cloud, port: &Value) -> Value {
    cloud.property(&id(port), "virtual_machine_interface_properties")["sub_interface_vlan_tag"].clone()
}

#[test]
fn neu_trk_c1_neu_trk_r1_a_trunk_is_a_group_with_a_port_that_carries_others() {
    let mut cloud = Cloud::new();
    let (trunk, parent, ports) = trunk(&mut cloud);
    let tenant = cloud.tenant.simple().to_string();
    let expected = json!({
        "id": trunk["id"], "name": "t", "tenant_id": tenant, "project_id": tenant, "description": "d",
        "admin_state_up": true, "port_id": parent["id"], "sub_ports": [], "status": "ACTIVE",
        "created_at": trunk["created_at"], "updated_at": trunk["updated_at"],
    });
    assert_eq!(trunk, expected);
    assert!(trunk["created_at"].is_string());
    assert_eq!(cloud.of("READ", "trunk", &trunk, json!({})).unwrap(), trunk);
    assert_eq!(cloud.property(&id(&trunk), "perms2")["owner"], cloud.tenant.to_string());
    for (port, expected) in
        [(json!(NIL), "PortNotFound"), (parent["id"].clone(), "TrunkPortInUse"), (json!(null), "BadRequest")]
    {
        let body = json!({"name": "u", "port_id": port});
        assert_eq!(class(cloud.ask("trunk", "CREATE", json!({"resource": body}))), expected);
    }
    let body = json!({"name": "u", "port_id": ports[0]["id"], "sub_ports": [sub_port(&ports[1], 5)]});
    let made = cloud.ask("trunk", "CREATE", json!({"resource": body})).unwrap();
    assert_eq!(made["sub_ports"], json!([sub_port(&ports[1], 5)]));
    for operation in ["READ", "UPDATE", "DELETE", "ADD_SUBPORTS", "REMOVE_SUBPORTS"] {
        let refused = cloud.of(operation, "trunk", &json!({"id": NIL}), json!({"name": "x"})).unwrap_err();
        assert_eq!(refused, json!({"exception": "TrunkNotFound", "trunk_id": NIL}), "{operation}");
    }
}

#[test]
fn neu_trk_s1_ports_are_told_apart_by_vlans() {
    let mut cloud = Cloud::new();
    let (trunk, parent, ports) = trunk(&mut cloud);
    let one = add(&mut cloud, &trunk, json!([sub_port(&ports[0], 101)])).unwrap();
    assert_eq!(one["sub_ports"], json!([sub_port(&ports[0], 101)]));
    assert_eq!(vlan(&cloud, &ports[0]), 101);
    let details = cloud.of("READ", "port", &parent, json!({})).unwrap()["trunk_details"].clone();
    let mut told = sub_port(&ports[0], 101);
    told["mac_address"] = ports[0]["mac_address"].clone();
    assert_eq!(details, json!({"trunk_id": trunk["id"], "sub_ports": [told]}));
    // A port that is carried works as soon as the other does.
    let status = |cloud: &mut Cloud| cloud.of("READ", "port", &ports[0], json!({})).unwrap()["status"].clone();
    assert_eq!(status(&mut cloud), "DOWN");
    cloud.of("UPDATE", "port", &parent, json!({"device_id": "vm"})).unwrap();
    assert_eq!(status(&mut cloud), "ACTIVE");
    let before = cloud.graph.revision();
    let with = |members: Value| {
        let mut given = sub_port(&ports[1], 102);
        given.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!([sub_port(&ports[1], 103), given])
    };
    for (wrong, expected) in [
        (json!([sub_port(&ports[1], 101)]), "DuplicateSubPort"),
        (json!([sub_port(&parent, 104)]), "PortInUseAsTrunkParent"),
        (json!([sub_port(&ports[0], 104)]), "TrunkPortInUse"),
        (json!([sub_port(&ports[1], 0)]), "BadRequest"),
        (json!([sub_port(&ports[1], 4095)]), "BadRequest"),
        (with(json!({"segmentation_type": "inherit"})), "BadRequest"),
        (with(json!({"segmentation_type": null})), "BadRequest"),
        (with(json!({"segmentation_id": null})), "BadRequest"),
        (with(json!({"port_id": NIL})), "SubPortNotFound"),
        (with(json!({"port_id": 5})), "BadRequest"),
        (json!("x"), "InvalidInput"),
    ] {
        assert_eq!(class(add(&mut cloud, &trunk, wrong.clone())), expected, "{wrong}");
        assert_eq!(cloud.graph.revision(), before, "{wrong}: all or nothing");
    }
}

#[test]
fn neu_trk_s2_a_port_that_leaves_is_one_of_its_own() {
    let mut cloud = Cloud::new();
    let (trunk, _, ports) = trunk(&mut cloud);
    add(&mut cloud, &trunk, json!([sub_port(&ports[0], 101), sub_port(&ports[1], 102)])).unwrap();
    let remove = |cloud: &mut Cloud, port: &Value| {
        cloud.of("REMOVE_SUBPORTS", "trunk", &trunk, json!({"sub_ports": [{"port_id": port}]}))
    };
    let left = remove(&mut cloud, &ports[0]["id"]).unwrap();
    assert_eq!(left["sub_ports"], json!([sub_port(&ports[1], 102)]));
    assert_eq!(vlan(&cloud, &ports[0]), json!(null));
    for other in [&ports[0]["id"], &json!(NIL)] {
        let refused = remove(&mut cloud, other).unwrap_err();
        assert_eq!(refused, json!({"exception": "SubPortNotFound", "trunk_id": trunk["id"], "port_id": other}));
    }
    cloud.of("DELETE", "port", &ports[0], json!({})).unwrap();
}

#[test]
fn neu_trk_u1_neu_trk_d1_what_changes_is_within_trunk() {
    let mut cloud = Cloud::new();
    let (trunk, parent, ports) = trunk(&mut cloud);
    add(&mut cloud, &trunk, json!([sub_port(&ports[0], 101)])).unwrap();
    let nested = json!({"trunk": {"name": "u", "admin_state_up": false, "description": "e"}});
    let changed = cloud.of("UPDATE", "trunk", &trunk, nested).unwrap();
    assert_eq!(
        (&changed["name"], &changed["admin_state_up"], &changed["description"]),
        (&json!("u"), &json!(false), &json!("e"))
    );
    assert_eq!(cloud.of("UPDATE", "trunk", &trunk, json!({"name": "v"})).unwrap()["name"], "v");
    assert_eq!(class(cloud.of("UPDATE", "trunk", &trunk, json!({"trunk": {"name": 5}}))), "BadRequest");
    assert_eq!(cloud.of("DELETE", "trunk", &trunk, json!({})), Ok(json!(null)));
    assert_eq!(vlan(&cloud, &ports[0]), json!(null));
    for port in [&parent, &ports[0]] {
        assert!(cloud.of("READ", "port", port, json!({})).unwrap().get("trunk_details").is_none());
        cloud.of("DELETE", "port", port, json!({})).unwrap();
    }
}

#[test]
fn neu_trk_l1_groups_of_fabrics_are_no_trunks() {
    let mut cloud = Cloud::new();
    let (trunk, _, _) = trunk(&mut cloud);
    let fabric = json!({"fq_name": ["default-global-system-config", "f"], "parent_type": "global-system-config"});
    cloud.create("fabric", fabric);
    let group = cloud.create(
        "virtual-port-group",
        json!({"fq_name": ["default-global-system-config", "f", "g"], "parent_type": "fabric"}),
    );
    assert_eq!(class(cloud.of("READ", "trunk", &json!({"id": group.to_string()}), json!({}))), "TrunkNotFound");
    let expected = [id(&trunk)];
    for filters in
        [json!({}), json!({"id": [trunk["id"], group]}), json!({"name": ["t"]}), json!({"port_id": [trunk["port_id"]]})]
    {
        assert_eq!(cloud.ids("trunk", filters.clone()), expected, "{filters}");
    }
    assert!(cloud.ids("trunk", json!({"name": ["x"]})).is_empty());
    let red = cloud.project("red");
    cloud.tenant = red;
    assert!(cloud.ids("trunk", json!({"id": [trunk["id"]]})).is_empty());
    cloud.is_admin = true;
    assert_eq!(cloud.ids("trunk", json!({})), expected);
    assert!(cloud.ids("trunk", json!({"tenant_id": [red]})).is_empty());
    assert_eq!(cloud.graph.count_of(model().find("virtual-port-group").unwrap()), 2);
}

#[test]
fn neu_trk_d1_neu_trk_s1_a_trunk_may_have_as_many_ports_as_there_are_vlans() {
    let mut cloud = Cloud::new();
    let (trunk, parent, _) = trunk(&mut cloud);
    let net = json!({"id": parent["network_id"]});
    let ports: Vec<Value> = (1..=1_000).map(|vlan| sub_port(&cloud.port(&net, json!({})).unwrap(), vlan)).collect();
    let told = add(&mut cloud, &trunk, ports.clone().into()).unwrap();
    assert_eq!(told["sub_ports"].as_array().unwrap().len(), ports.len());
    let half = ports[..500].iter().map(|port| json!({"port_id": port["port_id"]})).collect();
    let told = cloud.of("REMOVE_SUBPORTS", "trunk", &trunk, json!({"sub_ports": Value::Array(half)})).unwrap();
    assert_eq!(told["sub_ports"].as_array().unwrap().len(), 500);
    cloud.of("DELETE", "trunk", &trunk, json!({})).unwrap();
    for port in [&ports[0], &ports[999]] {
        let port = json!({"id": port["port_id"]});
        assert_eq!(vlan(&cloud, &port), json!(null));
        cloud.of("DELETE", "port", &port, json!({})).unwrap();
    }
}

#[test]
fn neu_trk_s1_a_port_is_carried_once() {
    let mut cloud = Cloud::new();
    let (trunk, _, ports) = trunk(&mut cloud);
    let twice = json!([sub_port(&ports[0], 5), sub_port(&ports[0], 6)]);
    let refused = json!({"exception": "TrunkPortInUse", "port_id": ports[0]["id"]});
    assert_eq!(add(&mut cloud, &trunk, twice), Err(refused));
}

#[test]
fn neu_trk_u1_neu_tag_u1_tags_are_within_trunk_too() {
    let mut cloud = Cloud::new();
    let (trunk, ..) = trunk(&mut cloud);
    let told = cloud.of("UPDATE", "trunk", &trunk, json!({"trunk": {"tags": ["red"]}})).unwrap();
    assert_eq!(told["tags"], json!(["red"]));
    assert_eq!(class(cloud.of("UPDATE", "trunk", &trunk, json!({"trunk": {"tags": 17}}))), "BadRequest");
    assert_eq!(class(cloud.of("UPDATE", "trunk", &trunk, json!({"trunk": 17}))), "BadRequest");
}
