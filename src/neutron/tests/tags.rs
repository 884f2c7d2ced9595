use super::*;

fn tags(cloud: &mut Cloud, operation: &str, body: Value, filters: Value) -> Result<Value, Value> {
    cloud.ask("tags", operation, json!({"resource": body, "filters": filters}))
}

fn replace(cloud: &mut Cloud, parent: &str, names: Value) -> Result<Value, Value> {
    tags(cloud, "CREATE", json!({"resource": {"parent_id": parent, "tags": names}}), json!(null))
}

fn of(cloud: &mut Cloud, parent: &str) -> Value {
    tags(cloud, "READALL", json!({}), json!({"parent_id": parent})).unwrap()
}

#[test]
fn neu_tag_c1_neu_tag_r1_neu_tag_d1_the_tags_of_an_object_are_replaced_and_taken_away() {
    let mut cloud = Cloud::new();
    let net = id(&cloud.network(json!({})).unwrap());
    assert_eq!(replace(&mut cloud, &net, json!(["red", "blue", "red"])), Ok(json!(["blue", "red"])));
    assert_eq!(of(&mut cloud, &net), json!(["blue", "red"]));
    assert_eq!(cloud.of("READ", "network", &json!({"id": net}), json!({})).unwrap()["tags"], json!(["blue", "red"]));
    let kind = model().find("tag").unwrap();
    let red = cloud.graph.find(kind, &["neutron_tag=red"]).unwrap().uuid.to_string();
    let perms2 = cloud.property(&red, "perms2");
    assert_eq!((&perms2["owner"], &perms2["global_access"]), (&json!("cloud-admin"), &json!(5)));
    assert_eq!(cloud.property(&red, "tag_value"), "red");
    assert_eq!(replace(&mut cloud, &net, json!(["green"])), Ok(json!(["green"])));
    assert!(cloud.graph.find(kind, &["neutron_tag=red"]).is_some(), "a tag stays");
    assert_eq!(tags(&mut cloud, "READ", json!({}), json!({"parent_id": net, "tag": "green"})), Ok(json!("green")));
    assert_eq!(class(tags(&mut cloud, "READ", json!({}), json!({"parent_id": net, "tag": "red"}))), "NotFound");
    assert_eq!(class(tags(&mut cloud, "DELETE", json!({"parent_id": net, "tag": "red"}), json!(null))), "NotFound");
    replace(&mut cloud, &net, json!(["a=b", "c", "d"])).unwrap();
    assert_eq!(tags(&mut cloud, "DELETE", json!({"parent_id": net, "tag": "a=b"}), json!(null)), Ok(json!(null)));
    assert_eq!(of(&mut cloud, &net), json!(["c", "d"]));
    assert_eq!(tags(&mut cloud, "DELETEALL", json!({"parent_id": net}), json!(null)), Ok(json!(null)));
    assert_eq!(of(&mut cloud, &net), json!([]));
}

#[test]
fn neu_tag_c1_tags_of_other_types_stay() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    cloud.create("tag", json!({"fq_name": ["tier=web"], "tag_type_name": "tier", "tag_value": "web"}));
    let model = model();
    let kind = model.find("virtual-network").unwrap();
    let tag = cloud.graph.find(model.find("tag").unwrap(), &["tier=web"]).unwrap().uuid;
    let body = json!({"tag_refs": [{"to": ["tier=web"], "uuid": tag.to_string()}]});
    let body = body.as_object().unwrap().clone();
    let document = Document::read_update(&model, model.object_type(kind), body);
    cloud.submit(&Operation::Update(crate::rules::Update { type_id: kind, uuid: id(&net), document })).unwrap();
    replace(&mut cloud, &id(&net), json!(["a"])).unwrap();
    tags(&mut cloud, "DELETEALL", json!({"parent_id": net["id"]}), json!(null)).unwrap();
    assert_eq!(cloud.graph.get(Uuid::try_parse(&id(&net)).unwrap()).unwrap().links[0].target, tag);
    assert_eq!(cloud.of("READ", "network", &net, json!({})).unwrap()["tags"], json!([]));
}

#[test]
fn neu_tag_g1_each_resource_has_tags_and_names_are_short_texts() {
    let mut cloud = Cloud::new();
    let tenant = cloud.tenant.simple().to_string();
    let net = cloud.network(json!({"router:external": true})).unwrap();
    let subnet = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24"})).unwrap();
    let of_tenant = |mut body: Value| {
        body["tenant_id"] = json!(tenant);
        json!({"resource": body})
    };
    let mut tagged = vec![id(&net), id(&subnet)];
    for (resource, body) in [
        ("router", json!({"name": "r"})),
        ("security_group", json!({"name": "g"})),
        ("floatingip", json!({"floating_network_id": net["id"]})),
        ("policy", json!({"name": "p", "entries": null})),
    ] {
        tagged.push(id(&cloud.ask(resource, "CREATE", of_tenant(body)).unwrap()));
    }
    let body = json!({"fq_name": ["default-domain", "blue", "port"], "parent_type": "project", "virtual_network_refs": [{"to": net["fq_name"]}]});
    tagged.push(cloud.create("virtual-machine-interface", body).to_string());
    for parent in tagged {
        assert_eq!(replace(&mut cloud, &parent, json!(["a"])), Ok(json!(["a"])), "{parent}");
        assert_eq!(of(&mut cloud, &parent), json!(["a"]));
    }
    for unknown in [Uuid::new_v4().to_string(), "x".to_owned(), tenant] {
        let refused = replace(&mut cloud, &unknown, json!(["a"])).unwrap_err();
        assert_eq!(refused, json!({"exception": "SubnetNotFound", "subnet_id": unknown}));
    }
    let longest = "x".repeat(255);
    assert!(replace(&mut cloud, &id(&net), json!([longest])).is_ok());
    for bad in [json!(["x".repeat(256)]), json!([""]), json!(["a:b"]), json!([5]), json!("a"), json!(null)] {
        assert_eq!(class(replace(&mut cloud, &id(&net), bad.clone())), "BadRequest", "{bad}");
    }
    assert_eq!(of(&mut cloud, &id(&net)), json!([longest]));
    assert_eq!(class(tags(&mut cloud, "READALL", json!({}), json!({}))), "BadRequest");
    assert_eq!(class(tags(&mut cloud, "DELETE", json!({"parent_id": net["id"]}), json!(null))), "BadRequest");
}

#[test]
fn neu_tag_g2_the_tags_of_a_subnet_are_with_its_network_and_go_with_it() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let one = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24", "tags": ["a"]})).unwrap();
    let two = cloud.subnet(&net, json!({"cidr": "10.0.1.0/24"})).unwrap();
    assert_eq!((&one["tags"], &two["tags"]), (&json!(["a"]), &json!([])));
    replace(&mut cloud, &id(&two), json!(["b", "c"])).unwrap();
    assert_eq!(cloud.of("READ", "subnet", &one, json!({})).unwrap()["tags"], json!(["a"]));
    assert_eq!(cloud.of("READ", "subnet", &two, json!({})).unwrap()["tags"], json!(["b", "c"]));
    assert_eq!(cloud.ids("subnet", json!({"tags": ["b"]})), [id(&two)]);
    assert!(cloud.of("READ", "network", &net, json!({})).unwrap().get("tags").is_none());
    let annotations = cloud.property(&id(&net), "annotations")["key_value_pair"].clone();
    assert_eq!((annotations.as_array().unwrap().len(), &annotations[0]["key"]), (1, &json!("subnet_to_neutron_tags")));
    tags(&mut cloud, "DELETE", json!({"parent_id": two["id"], "tag": "b"}), json!(null)).unwrap();
    assert_eq!(of(&mut cloud, &id(&two)), json!(["c"]));
    let kept = |cloud: &Cloud, key: &str| {
        let texts = KeyValues { graph: &cloud.graph, may_read: |_: &Object| true };
        texts.get(key).map(|text| serde_json::from_str::<Value>(&text).unwrap())
    };
    tags(&mut cloud, "CREATE", json!({"resource": {"parent_id": two["id"], "tags": ["a", "c"]}}), json!(null)).unwrap();
    let of_subnets = json!({(id(&one)): ["neutron_tag=a"], (id(&two)): ["neutron_tag=a", "neutron_tag=c"]});
    assert_eq!(kept(&cloud, "subnet_to_neutron_tags"), Some(of_subnets));
    let of_tags = kept(&cloud, "neutron_tag_to_subnets").unwrap();
    assert_eq!(
        (of_tags["neutron_tag=a"].as_array().unwrap().len(), &of_tags["neutron_tag=c"]),
        (2, &json!([id(&two)]))
    );
    cloud.of("DELETE", "subnet", &two, json!({})).unwrap();
    tags(&mut cloud, "DELETEALL", json!({"parent_id": one["id"]}), json!(null)).unwrap();
    assert_eq!(cloud.property(&id(&net), "annotations"), json!(null));
    assert_eq!((kept(&cloud, "subnet_to_neutron_tags"), kept(&cloud, "neutron_tag_to_subnets")), (None, None));
}

#[test]
fn neu_tag_u1_tags_of_a_create_or_an_update_are_added() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({"tags": ["a"]})).unwrap();
    assert_eq!(net["tags"], json!(["a"]));
    assert_eq!(cloud.of("UPDATE", "network", &net, json!({"tags": ["b"]})).unwrap()["tags"], json!(["a", "b"]));
    assert_eq!(cloud.of("UPDATE", "network", &net, json!({"tags": []})).unwrap()["tags"], json!(["a", "b"]));
    assert_eq!(class(cloud.of("UPDATE", "network", &net, json!({"tags": "x"}))), "BadRequest");
    let subnet = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24", "tags": ["a"]})).unwrap();
    assert_eq!(cloud.of("UPDATE", "subnet", &subnet, json!({"tags": ["b"]})).unwrap()["tags"], json!(["a", "b"]));
    let tenant = cloud.tenant.simple().to_string();
    for (resource, body) in
        [("router", json!({"name": "r"})), ("security_group", json!({"name": "g"})), ("policy", json!({"name": "p"}))]
    {
        let mut body = body;
        body["tenant_id"] = json!(tenant);
        body["tags"] = json!(["a"]);
        let made = cloud.ask(resource, "CREATE", json!({"resource": body})).unwrap();
        assert_eq!(made["tags"], json!(["a"]), "{resource}");
        let changed = cloud.of("UPDATE", resource, &made, json!({"tags": ["b"]})).unwrap();
        assert_eq!(changed["tags"], json!(["a", "b"]), "{resource}");
    }
}

#[test]
fn neu_tag_l1_filters_by_tags_hold_beside_all_others() {
    let mut cloud = Cloud::new();
    let net = |cloud: &mut Cloud, tags: Value| id(&cloud.network(json!({"tags": tags})).unwrap());
    let (none, a, ab) = (net(&mut cloud, json!([])), net(&mut cloud, json!(["a"])), net(&mut cloud, json!(["a", "b"])));
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    for (filters, expected) in [
        (json!({"tags": ["a"]}), vec![a.clone(), ab.clone()]),
        (json!({"tags": "a,b"}), vec![ab.clone()]),
        (json!({"tags-any": ["b", "c"]}), vec![ab.clone()]),
        (json!({"not-tags": ["a", "b"]}), vec![none.clone(), a.clone()]),
        (json!({"not-tags-any": ["a", "b"]}), vec![none.clone()]),
        (json!({"tags": ["a"], "not-tags": ["b"]}), vec![a.clone()]),
        (json!({"tags": ["a"], "id": [none, ab]}), vec![ab.clone()]),
    ] {
        assert_eq!(cloud.ids("network", filters.clone()), sorted(expected), "{filters}");
    }
    cloud.tenant = cloud.project("red");
    assert!(cloud.ids("network", json!({"tags": ["a"]})).is_empty());
}

#[test]
fn neu_tag_c1_a_member_makes_tags_that_are_everybodys() {
    let mut cloud = Cloud::new();
    cloud.log_in(cloud.tenant);
    let network = cloud.network(json!({"tags": ["red"]})).unwrap();
    assert_eq!(network["tags"], json!(["red"]));
    let other = cloud.with_server(|cloud| cloud.project("green"));
    cloud.tenant = other;
    cloud.log_in(other);
    let network = cloud.network(json!({"name": "other"})).unwrap();
    assert_eq!(replace(&mut cloud, &id(&network), json!(["red", "blue"])).unwrap(), json!(["blue", "red"]));
}
