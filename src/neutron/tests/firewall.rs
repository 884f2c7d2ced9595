use super::*;

const NIL: &str = "00000000-0000-0000-0000-00000000dead";

fn cloud() -> Cloud {
    Cloud::with(NeutronOptions { fwaas: true, ..NeutronOptions::default() })
}

/// A new one with these members.
fn make(cloud: &mut Cloud, resource: &str, members: Value) -> Result<Value, Value> {
    let mut body = json!({"tenant_id": cloud.tenant.simple().to_string(), "name": "web", "description": ""});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    cloud.ask(resource, "CREATE", json!({"resource": body}))
}

fn group(cloud: &mut Cloud, members: Value) -> Result<Value, Value> {
    make(cloud, "firewall_group", members)
}

fn policy(cloud: &mut Cloud, rules: &[&Value]) -> Value {
    let rules: Vec<&Value> = rules.iter().map(|rule| &rule["id"]).collect();
    make(cloud, "firewall_policy", json!({"firewall_rules": rules, "audited": true})).unwrap()
}

fn rule(cloud: &mut Cloud, members: Value) -> Result<Value, Value> {
    let mut body = json!({
        "shared": false, "enabled": true, "protocol": "tcp", "ip_version": 4, "source_ip_address": null,
        "destination_ip_address": null, "source_port": null, "destination_port": null, "action": "deny",
    });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    make(cloud, "firewall_rule", body)
}

/// A port of the tenant, on a network of its own.
fn port(cloud: &mut Cloud) -> Value {
    let net = cloud.network(json!({})).unwrap();
    cloud.port(&net, json!({})).unwrap()
}

fn find_named(cloud: &Cloud, type_name: &str, name: &str) -> Option<Value> {
    let kind = model().find(type_name).unwrap();
    let found = cloud.graph.find(kind, &["default-domain", "blue", name]);
    found.map(|object| json!({"id": object.uuid.to_string()}))
}

/// The names of the tags of an object.
fn tags(cloud: &Cloud, of: &Value) -> Vec<String> {
    let object = cloud.graph.get(Uuid::try_parse(&id(of)).unwrap()).unwrap();
    let kind = model();
    let (reference, _) = kind.object_type(object.type_id).reference("tag_refs").unwrap();
    let tags = object.links_of(reference).iter().map(|link| cloud.graph.get(link.target).unwrap());
    tags.map(|tag| tag.fq_name.name().to_owned()).collect()
}

#[test]
fn neu_fw_1_a_group_is_a_set_with_a_tag_that_its_ports_have() {
    let mut cloud = cloud();
    let tenant = cloud.tenant.simple().to_string();
    let ports = [port(&mut cloud), port(&mut cloud)];
    let lets_in = policy(&mut cloud, &[]);
    let members = json!({"ports": [ports[0]["id"], ports[0]["id"]], "ingress_firewall_policy_id": lets_in["id"]});
    let web = group(&mut cloud, members).unwrap();
    let expected = json!({
        "id": web["id"], "name": "web", "description": "", "admin_state_up": true, "project_id": tenant,
        "tenant_id": tenant, "shared": false, "ports": [ports[0]["id"]], "ingress_firewall_policy_id": lets_in["id"],
        "egress_firewall_policy_id": lets_in["id"], "status": "ACTIVE",
    });
    assert_eq!(web, expected);
    let tag = format!("neutron_fwaas={}", id(&web));
    for of in [&web, &ports[0]] {
        assert_eq!(tags(&cloud, of), [tag.as_str()]);
    }
    assert!(tags(&cloud, &ports[1]).is_empty());
    let owned = json!({"owner": cloud.tenant.to_string(), "owner_access": 7, "global_access": 0, "share": []});
    assert_eq!(cloud.property(&id(&web), "perms2"), owned);

    let update = |cloud: &mut Cloud, body: Value| cloud.of("UPDATE", "firewall_group", &web, body).unwrap();
    let changed = update(&mut cloud, json!({"ports": [ports[1]["id"]], "name": "www", "shared": true}));
    assert_eq!(changed["ports"], json!([ports[1]["id"]]));
    assert_eq!((&changed["name"], &changed["shared"]), (&json!("www"), &json!(true)));
    assert!(tags(&cloud, &ports[0]).is_empty());
    assert_eq!(cloud.property(&id(&web), "perms2")["global_access"], 7);
    // What an update does not name stays.
    let changed = update(&mut cloud, json!({"description": "d", "shared": false, "ports": null}));
    assert_eq!((&changed["ports"], &changed["status"]), (&json!([ports[1]["id"]]), &json!("ACTIVE")));
    assert_eq!((&changed["description"], &changed["shared"]), (&json!("d"), &json!(false)));
    assert_eq!(update(&mut cloud, json!({"ports": []}))["status"], "INACTIVE");
    assert_eq!(update(&mut cloud, json!({"ports": [ports[0]["id"]]}))["status"], "ACTIVE");
    let without = update(&mut cloud, json!({"egress_firewall_policy_id": null}));
    assert_eq!((without.get("ingress_firewall_policy_id"), &without["status"]), (None, &json!("INACTIVE")));
    assert_eq!(update(&mut cloud, json!({"admin_state_up": false}))["status"], "DOWN");
    let other = id(&group(&mut cloud, json!({"name": "web", "ports": [ports[0]["id"]]})).unwrap());
    assert_eq!(tags(&cloud, &ports[0]).len(), 2);
    let mut both = vec![id(&web), other.clone()];
    both.sort();
    assert_eq!(cloud.ids("firewall_group", json!({"ports": [ports[0]["id"]]})), both);
    assert_eq!(cloud.ids("firewall_group", json!({"name": ["web"]})), [other]);
    // A set of REST is no group.
    let set = cloud.create(
        "application-policy-set",
        json!({"fq_name": ["default-domain", "blue", "set"], "parent_type": "project"}),
    );
    assert_eq!(cloud.ids("firewall_group", json!({})).len(), 3);
    let set = json!({"id": set.to_string()});
    assert_eq!(class(cloud.of("READ", "firewall_group", &set, json!({}))), "FirewallGroupNotFound");
}

#[test]
fn neu_fw_1_what_is_wrong_with_a_group_is_said_and_leaves_nothing() {
    let mut cloud = cloud();
    let [one, other] = [(); 2].map(|()| policy(&mut cloud, &[]));
    let port = port(&mut cloud);
    let blue = std::mem::take(&mut cloud.tenant);
    cloud.tenant = cloud.project("red");
    let net = cloud.network(json!({})).unwrap();
    let foreign = cloud.port(&net, json!({})).unwrap();
    cloud.tenant = blue;
    let before = cloud.graph.clone();
    let cases = [
        (json!({"name": "default"}), "FirewallGroupDefaultAlreadyExists"),
        (json!({"name": 1}), "BadRequest"),
        (json!({"ports": "x"}), "BadRequest"),
        (json!({"ports": [1]}), "BadRequest"),
        (json!({"ports": [port["id"], "x"]}), "PortNotFound"),
        (json!({"ports": [port["id"], NIL]}), "PortNotFound"),
        (json!({"ports": [foreign["id"]]}), "PortNotFound"),
        (json!({"admin_state_up": "yes"}), "BadRequest"),
        (json!({"shared": "yes"}), "BadRequest"),
        (json!({"egress_firewall_policy_id": {}}), "BadRequest"),
        (json!({"egress_firewall_policy_id": NIL}), "FirewallPolicyNotFound"),
        (json!({"egress_firewall_policy_id": ""}), "FirewallPolicyNotFound"),
        (json!({"egress_firewall_policy_id": one["id"], "ingress_firewall_policy_id": other["id"]}), "BadRequest"),
        (json!({"tenant_id": "x"}), "BadRequest"),
        (json!({"tenant_id": NIL}), "NotFound"),
    ];
    for (members, expected) in cases {
        assert_eq!(class(group(&mut cloud, members.clone())), expected, "{members}");
    }
    let named_as_tenants = one["id"].as_str().unwrap().replace('-', "");
    let both = json!({"egress_firewall_policy_id": one["id"], "ingress_firewall_policy_id": named_as_tenants});
    assert_eq!(cloud.graph.len(), before.len());
    let web = group(&mut cloud, both).unwrap();
    cloud.is_admin = true;
    let refused = cloud.of("UPDATE", "firewall_group", &web, json!({"ports": [foreign["id"]]})).unwrap_err();
    assert_eq!(refused["exception"], "BadRequest");
    assert!(refused["msg"].as_str().unwrap().contains(&id(&foreign)), "{refused}");
    for unknown in [json!({"id": NIL}), json!({"id": "x"}), json!({"id": null}), json!({"id": one["id"]})] {
        for operation in ["READ", "UPDATE", "DELETE"] {
            let refused = cloud.of(operation, "firewall_group", &unknown, json!({})).unwrap_err();
            let firewall_id = unknown["id"].as_str().unwrap_or_default();
            assert_eq!(refused, json!({"exception": "FirewallGroupNotFound", "firewall_id": firewall_id}));
        }
    }
}

#[test]
fn neu_fw_1_neu_fw_5_neu_hook_1_each_project_has_a_default_group_which_is_the_servers() {
    let mut cloud = cloud();
    let default = find_named(&cloud, "application-policy-set", "default").unwrap();
    let its_policy = find_named(&cloud, "firewall-policy", "default").unwrap();
    let group = cloud.of("READ", "firewall_group", &default, json!({})).unwrap();
    assert_eq!((&group["name"], &group["ports"]), (&json!("default"), &json!([])));
    assert_eq!(group["egress_firewall_policy_id"], its_policy["id"]);
    let policy = cloud.of("READ", "firewall_policy", &its_policy, json!({})).unwrap();
    let rules = [("default ipv4", "0.0.0.0/0", 4), ("default ipv6", "::/0", 6)].map(|(name, prefix, version)| {
        let rule = find_named(&cloud, "firewall-rule", name).unwrap();
        let rule = cloud.of("READ", "firewall_rule", &rule, json!({})).unwrap();
        assert_eq!((&rule["name"], &rule["action"], &rule["protocol"]), (&json!(name), &json!("allow"), &json!("any")));
        assert_eq!((&rule["source_firewall_group_id"], &rule["source_ip_address"]), (&default["id"], &json!(null)));
        assert_eq!((&rule["destination_ip_address"], &rule["ip_version"]), (&json!(prefix), &json!(version)));
        rule["id"].clone()
    });
    assert_eq!((&policy["firewall_rules"], &policy["audited"]), (&json!(rules), &json!(true)));
    assert_eq!(policy["tenant_id"], cloud.tenant.simple().to_string());

    let port = port(&mut cloud);
    let update = |cloud: &mut Cloud, body: Value| cloud.of("UPDATE", "firewall_group", &default, body);
    for (name, value) in [
        ("name", json!("x")),
        ("description", json!("x")),
        ("admin_state_up", json!(false)),
        ("ingress_firewall_policy_id", json!(null)),
        ("egress_firewall_policy_id", json!(null)),
    ] {
        for is_admin in [false, true] {
            cloud.is_admin = is_admin;
            let answer = update(&mut cloud, json!({ name: value }));
            if is_admin && name != "name" {
                answer.unwrap();
            } else {
                assert_eq!(class(answer), "FirewallGroupCannotUpdateDefault");
            }
        }
    }
    cloud.is_admin = false;
    let changed = update(&mut cloud, json!({"ports": [port["id"]], "shared": true})).unwrap();
    assert_eq!((&changed["ports"], &changed["shared"]), (&json!([port["id"]]), &json!(true)));
    let delete = |cloud: &mut Cloud| cloud.of("DELETE", "firewall_group", &default, json!({}));
    assert_eq!(class(delete(&mut cloud)), "FirewallGroupCannotRemoveDefault");
    cloud.is_admin = true;
    assert_eq!(delete(&mut cloud), Ok(json!(null)));
    assert_eq!(find_named(&cloud, "application-policy-set", "default"), None);
    cloud.is_admin = false;
    // A list makes it again, of the rules and the policy that are left.
    let listed = cloud.ids("firewall_rule", json!({}));
    assert_eq!(listed.len(), 2);
    let again = find_named(&cloud, "application-policy-set", "default").unwrap();
    let rule = find_named(&cloud, "firewall-rule", "default ipv4").unwrap();
    let rule = cloud.of("READ", "firewall_rule", &rule, json!({})).unwrap();
    assert_eq!(
        (&rule["source_firewall_group_id"], &rule["firewall_policy_id"]),
        (&again["id"], &json!([its_policy["id"]]))
    );
    let group = cloud.of("READ", "firewall_group", &again, json!({})).unwrap();
    assert_eq!(group["ingress_firewall_policy_id"], its_policy["id"]);
}

#[test]
fn neu_fw_5_a_list_that_names_a_tenant_makes_what_it_lacks() {
    // No hook has made it.
    let mut cloud = Cloud::new();
    let blue = cloud.tenant.simple().to_string();
    cloud.tenant = cloud.project("red");
    let made = |cloud: &Cloud| find_named(cloud, "application-policy-set", "default").is_some();
    cloud.is_admin = true;
    for filters in [json!({}), json!({"tenant_id": ["x"]}), json!({"tenant_id": [NIL]}), json!({"name": ["default"]})] {
        assert!(cloud.ids("firewall_group", filters).is_empty());
    }
    assert!(!made(&cloud));
    assert_eq!(cloud.ids("firewall_group", json!({"tenant_id": [blue]})).len(), 1);
    assert!(made(&cloud));
    cloud.is_admin = false;
    for (resource, count) in [("firewall_policy", 1), ("firewall_rule", 2), ("firewall_group", 1)] {
        assert_eq!(cloud.ids(resource, json!({})).len(), count, "{resource}");
    }
    assert!(cloud.ids("firewall_group", json!({"tenant_id": [blue]})).is_empty());
    cloud.tenant = Uuid::new_v4();
    assert!(cloud.ids("firewall_group", json!({})).is_empty());
    // A set of that name that is somebody's own stays as it is.
    cloud.tenant = cloud.project("green");
    let set = json!({"fq_name": ["default-domain", "green", "default"], "parent_type": "project"});
    cloud.create("application-policy-set", set);
    assert!(cloud.ids("firewall_group", json!({})).is_empty());
}

#[test]
fn neu_fw_5_where_no_number_is_left_for_a_tag_there_are_projects_without_a_default_group() {
    let mut cloud = cloud();
    let web = group(&mut cloud, json!({})).unwrap();
    let kind = model().find("tag").unwrap();
    let tag = find_named(&cloud, "tag", &format!("neutron_fwaas={}", id(&web))).unwrap();
    let tag = Arc::clone(cloud.graph.get(Uuid::try_parse(&id(&tag)).unwrap()).unwrap());
    let property = model().object_type(kind).property("tag_id").map(|(id, _)| id).unwrap();
    for value in 0..0x8000_u32 {
        let mut other = Object::clone(&tag);
        other.uuid = Uuid::from_u128(u128::from(value) + 1);
        other.fq_name = crate::graph::FqName::new(&[format!("neutron_fwaas={value}")]);
        other.set_property(property, Some(format!("\"0x0005{value:04x}\"").into()));
        cloud.graph.put(&Arc::new(other));
    }
    let refused = group(&mut cloud, json!({})).unwrap_err();
    assert_eq!(
        (&refused["exception"], &refused["msg"]),
        (&json!("BadRequest"), &json!("No tag id of type neutron_fwaas is free"))
    );
    cloud.tenant = cloud.project("red");
    for resource in ["firewall_group", "firewall_policy", "firewall_rule"] {
        assert!(cloud.ids(resource, json!({})).is_empty());
    }
    rule(&mut cloud, json!({})).unwrap();
}

#[test]
fn neu_fw_5_what_a_project_has_by_default_is_named_in_the_order_in_which_it_can_be_deleted() {
    let mut cloud = cloud();
    let project = Arc::clone(cloud.graph.get(cloud.tenant).unwrap());
    let parts = crate::rules::default_firewall::of_project(&cloud.graph, &project);
    assert_eq!(parts.len(), 5);
    for part in parts {
        let delete = crate::rules::Delete { type_id: part.type_id, uuid: part.uuid.to_string() };
        cloud.submit(&Operation::Delete(delete)).unwrap();
    }
    // One that is not the server's is not named.
    let set = json!({"fq_name": ["default-domain", "blue", "default"], "parent_type": "project"});
    cloud.create("application-policy-set", set);
    assert!(crate::rules::default_firewall::of_project(&cloud.graph, &project).is_empty());
}

#[test]
fn neu_fw_2_a_policy_has_its_rules_in_an_order() {
    let mut cloud = cloud();
    let tenant = cloud.tenant.simple().to_string();
    let rules = [(); 3].map(|()| rule(&mut cloud, json!({})).unwrap());
    let [a, b, c] = rules.each_ref().map(|rule| &rule["id"]);
    let plain = make(&mut cloud, "firewall_policy", json!({})).unwrap();
    let expected = json!({
        "id": plain["id"], "name": "web", "description": "", "project_id": tenant, "tenant_id": tenant, "shared": false,
        "audited": false, "firewall_rules": [],
    });
    assert_eq!(plain, expected);
    let policy = policy(&mut cloud, &[&rules[2], &rules[0]]);
    assert_eq!((&policy["firewall_rules"], &policy["audited"]), (&json!([c, a]), &json!(true)));
    let ask = |cloud: &mut Cloud, operation: &str, body: Value| cloud.of(operation, "firewall_policy", &policy, body);
    // Where it comes in, and what comes of it.
    for (place, expected) in [
        (json!({"firewall_rule_id": b}), [b, c, a].as_slice()),
        (json!({"firewall_rule_id": b, "insert_after": a}), &[c, a, b]),
        (json!({"firewall_rule_id": c, "insert_before": b, "insert_after": a}), &[a, c, b]),
        (json!({"firewall_rule_id": a, "insert_after": c, "insert_before": ""}), &[c, a, b]),
        (json!({"firewall_rule_id": b, "insert_before": null}), &[b, c, a]),
    ] {
        let audited = ask(&mut cloud, "UPDATE", json!({"audited": true})).unwrap();
        assert_eq!(audited["audited"], true);
        let changed = ask(&mut cloud, "INSERT_RULE", place.clone()).unwrap();
        assert_eq!((&changed["firewall_rules"], &changed["audited"]), (&json!(expected), &json!(false)), "{place}");
    }
    // What changes nothing leaves the audit.
    ask(&mut cloud, "UPDATE", json!({"audited": true})).unwrap();
    for place in [json!({"firewall_rule_id": b}), json!({"firewall_rule_id": b, "insert_after": b})] {
        let same = ask(&mut cloud, "INSERT_RULE", place).unwrap();
        assert_eq!((&same["firewall_rules"], &same["audited"]), (&json!([b, c, a]), &json!(true)));
    }
    let removed = ask(&mut cloud, "REMOVE_RULE", json!({"firewall_rule_id": c})).unwrap();
    assert_eq!((&removed["firewall_rules"], &removed["audited"]), (&json!([b, a]), &json!(false)));
    for rule in [c, &json!(NIL), &json!("x")] {
        let refused = ask(&mut cloud, "REMOVE_RULE", json!({"firewall_rule_id": rule})).unwrap_err();
        let expected = json!({
            "exception": "FirewallRuleNotAssociatedWithPolicy", "firewall_rule_id": rule, "firewall_policy_id": policy["id"],
        });
        assert_eq!(refused, expected);
    }
    for (place, expected) in [
        (json!({}), "BadRequest"),
        (json!({"firewall_rule_id": 1}), "BadRequest"),
        (json!({"firewall_rule_id": NIL}), "FirewallRuleNotFound"),
        (json!({"firewall_rule_id": c, "insert_before": c}), "FirewallRuleNotFound"),
        (json!({"firewall_rule_id": c, "insert_after": "x"}), "FirewallRuleNotFound"),
        (json!({"firewall_rule_id": c, "insert_after": [a]}), "BadRequest"),
    ] {
        assert_eq!(class(ask(&mut cloud, "INSERT_RULE", place.clone())), expected, "{place}");
    }
    // An update of something else takes the audit away, one of a rule as well.
    ask(&mut cloud, "UPDATE", json!({"audited": true})).unwrap();
    let changed = ask(&mut cloud, "UPDATE", json!({"name": "p", "description": "d"})).unwrap();
    assert_eq!(
        (&changed["name"], &changed["description"], &changed["audited"]),
        (&json!("p"), &json!("d"), &json!(false))
    );
    ask(&mut cloud, "UPDATE", json!({"audited": true})).unwrap();
    cloud.of("UPDATE", "firewall_rule", &json!({"id": a}), json!({"description": "other"})).unwrap();
    assert_eq!(ask(&mut cloud, "READ", json!({})).unwrap()["audited"], false);
    let emptied = ask(&mut cloud, "UPDATE", json!({"firewall_rules": []})).unwrap();
    assert_eq!(emptied["firewall_rules"], json!([]));
    for (members, expected) in [
        (json!({"name": "default"}), "BadRequest"),
        (json!({"firewall_rules": [a, NIL]}), "FirewallRuleNotFound"),
        (json!({"firewall_rules": [a, "x"]}), "FirewallRuleNotFound"),
        (json!({"firewall_rules": [a, a]}), "BadRequest"),
        (json!({"firewall_rules": {}}), "BadRequest"),
        (json!({"audited": "yes"}), "BadRequest"),
        (json!({"description": []}), "BadRequest"),
    ] {
        assert_eq!(class(make(&mut cloud, "firewall_policy", members.clone())), expected, "{members}");
        assert_eq!(class(ask(&mut cloud, "UPDATE", members.clone())), expected, "{members}");
    }
}

#[test]
fn neu_fw_2_an_order_that_rest_has_written_is_read_as_numbers() {
    let mut cloud = cloud();
    let [a, b, c] = ["a", "b", "c"].map(|name| rule(&mut cloud, json!({"name": name})).unwrap());
    let place =
        |name: &str, sequence: &str| json!({"to": ["default-domain", "blue", name], "attr": {"sequence": sequence}});
    let policy = cloud.create(
        "firewall-policy",
        json!({
            "fq_name": ["default-domain", "blue", "p"], "parent_type": "project",
            "firewall_rule_refs": [place("a", "10.5"), place("b", "9.0"), place("c", "last")],
        }),
    );
    let policy = json!({"id": policy.to_string()});
    let read = cloud.of("READ", "firewall_policy", &policy, json!({})).unwrap();
    assert_eq!(read["firewall_rules"], json!([b["id"], a["id"], c["id"]]));
    let body = json!({"firewall_rule_id": c["id"], "insert_before": a["id"]});
    let changed = cloud.of("INSERT_RULE", "firewall_policy", &policy, body).unwrap();
    assert_eq!(changed["firewall_rules"], json!([b["id"], c["id"], a["id"]]));
}

#[test]
fn neu_fw_2_a_policy_may_have_very_many_rules() {
    let mut cloud = cloud();
    let kind = "firewall-rule";
    let ends = json!({"any": true});
    let rules: Vec<String> = (0..2000)
        .map(|number| {
            let rule = json!({
                "fq_name": ["default-domain", "blue", format!("r{number}")], "parent_type": "project", "endpoint_1": ends,
                "endpoint_2": ends, "service": {"protocol": "tcp"}, "action_list": {"simple_action": "deny"}, "direction": ">",
            });
            cloud.create(kind, rule).to_string()
        })
        .collect();
    let policy = make(&mut cloud, "firewall_policy", json!({"firewall_rules": rules})).unwrap();
    assert_eq!(policy["firewall_rules"], json!(rules));
    let body = json!({"firewall_rule_id": rules[1999], "insert_after": rules[0]});
    let moved = cloud.of("INSERT_RULE", "firewall_policy", &policy, body).unwrap();
    let moved = moved["firewall_rules"].as_array().unwrap();
    assert_eq!((moved.len(), &moved[1], &moved[1999]), (2000, &json!(rules[1999]), &json!(rules[1998])));
}

#[test]
fn neu_fw_3_a_rule_is_what_was_asked_for() {
    let mut cloud = cloud();
    let tenant = cloud.tenant.simple().to_string();
    let web = group(&mut cloud, json!({})).unwrap();
    let any = json!({
        "subnet": null, "virtual_network": null, "address_group": null, "tags": [], "tag_ids": [], "any": true,
    });
    let plain = rule(&mut cloud, json!({"description": "d", "protocol": null, "action": "allow"})).unwrap();
    let expected = json!({
        "id": plain["id"], "name": "web", "description": "d", "enabled": true, "project_id": tenant, "tenant_id": tenant,
        "shared": false, "firewall_policy_id": [], "protocol": "any", "source_port": null, "destination_port": null,
        "ip_version": 4, "source_ip_address": null, "source_firewall_group_id": null, "destination_ip_address": null,
        "destination_firewall_group_id": null, "action": "allow",
    });
    assert_eq!(plain, expected);
    for end in ["endpoint_1", "endpoint_2"] {
        assert_eq!(cloud.property(&id(&plain), end), any);
    }
    assert_eq!(cloud.property(&id(&plain), "direction"), ">");
    assert_eq!(cloud.property(&id(&plain), "action_list")["simple_action"], "pass");
    // What is asked for, what is shown of it beside that, and what is stored.
    let cases = [
        (json!({"source_ip_address": "192.0.2.7/24"}), json!({"source_ip_address": "192.0.2.0/24"})),
        (json!({"destination_ip_address": "192.0.2.7"}), json!({"destination_ip_address": "192.0.2.7/32"})),
        (json!({"source_ip_address": "2001:db8::1", "ip_version": 6}), json!({"source_ip_address": "2001:db8::1/128"})),
        (json!({"source_ip_address": "2001:db8::/32", "ip_version": null}), json!({"ip_version": 6})),
        (json!({"protocol": "icmp", "ip_version": 6}), json!({})),
        (json!({"protocol": "ipv6-icmp"}), json!({"protocol": "icmp"})),
        (json!({"protocol": "icmp", "ip_version": null, "source_ip_address": "::/0"}), json!({"ip_version": 6})),
        (json!({"protocol": "132"}), json!({})),
        (json!({"source_port": "22", "destination_port": "1000:2000"}), json!({})),
        (
            json!({"source_port": "80:80", "destination_port": ""}),
            json!({"source_port": "80", "destination_port": null}),
        ),
        (json!({"source_port": "0:65535"}), json!({})),
        (json!({"action": "pass", "enabled": false}), json!({"action": "allow"})),
        (json!({"source_firewall_group_id": web["id"], "destination_ip_address": "10.0.0.0/8"}), json!({})),
    ];
    for (asked, shown) in cases {
        let made = rule(&mut cloud, asked.clone()).unwrap_or_else(|refused| panic!("{asked}: {refused}"));
        let mut expected = asked.clone();
        expected.as_object_mut().unwrap().extend(shown.as_object().unwrap().clone());
        for (name, value) in expected.as_object().unwrap() {
            assert!(
                made[name] == *value || value.is_null() && name == "ip_version",
                "{asked}: {name} is {}",
                made[name]
            );
        }
        assert_eq!(cloud.of("READ", "firewall_rule", &made, json!({})).unwrap(), made);
    }
    let stored = |cloud: &mut Cloud, asked: Value, property: &str| {
        let made = rule(cloud, asked).unwrap();
        cloud.property(&id(&made), property)
    };
    let service = stored(&mut cloud, json!({"protocol": "icmp", "ip_version": 6}), "service");
    assert_eq!((&service["protocol"], &service["protocol_id"]), (&json!("ipv6-icmp"), &json!(58)));
    let service = stored(&mut cloud, json!({"protocol": "ipv6-icmp", "ip_version": 4}), "service");
    assert_eq!(service["protocol"], "icmp");
    let endpoint = stored(&mut cloud, json!({"destination_firewall_group_id": web["id"]}), "endpoint_2");
    assert_eq!(endpoint["tags"], json!([format!("neutron_fwaas={}", id(&web))]));
    assert!(endpoint["tag_ids"][0].is_u64() && endpoint["any"].is_null(), "{endpoint}");
    // Without an action nothing is allowed.
    assert_eq!(rule(&mut cloud, json!({"action": null})).unwrap()["action"], "deny");
}

#[test]
fn neu_fw_3_what_is_wrong_with_a_rule_is_said() {
    let mut cloud = cloud();
    let web = group(&mut cloud, json!({})).unwrap();
    let blue = cloud.tenant;
    cloud.tenant = cloud.project("red");
    let red = group(&mut cloud, json!({})).unwrap();
    cloud.tenant = blue;
    let made = rule(&mut cloud, json!({})).unwrap();
    let cases = [
        (json!({"name": "default ipv4"}), "BadRequest"),
        (json!({"name": "default ipv6"}), "BadRequest"),
        (json!({"name": {}}), "BadRequest"),
        (json!({"action": "reject"}), "FirewallRuleInvalidAction"),
        (json!({"action": 1}), "BadRequest"),
        (json!({"protocol": "carrier pigeon"}), "BadRequest"),
        (json!({"protocol": "300"}), "BadRequest"),
        (json!({"protocol": 6}), "BadRequest"),
        (json!({"source_port": "a:b"}), "FirewallRuleInvalidPortValue"),
        (json!({"source_port": "80:"}), "FirewallRuleInvalidPortValue"),
        (json!({"destination_port": "65536"}), "FirewallRuleInvalidPortValue"),
        (json!({"destination_port": "-1"}), "FirewallRuleInvalidPortValue"),
        (json!({"destination_port": "20:10"}), "FirewallRuleInvalidPortValue"),
        (json!({"destination_port": 80}), "BadRequest"),
        (json!({"source_ip_address": "not an address"}), "BadRequest"),
        (json!({"source_ip_address": "192.0.2.0/33"}), "BadRequest"),
        (json!({"source_ip_address": ["192.0.2.0"]}), "BadRequest"),
        (
            json!({"source_ip_address": "192.0.2.1", "destination_ip_address": "2001:db8::1"}),
            "FirewallIpAddressConflict",
        ),
        (json!({"source_ip_address": "192.0.2.1", "ip_version": 6}), "FirewallIpAddressConflict"),
        (json!({"destination_ip_address": "::/0", "ip_version": 4}), "FirewallIpAddressConflict"),
        (json!({"ip_version": 5}), "BadRequest"),
        (json!({"ip_version": -4}), "BadRequest"),
        (json!({"ip_version": "4"}), "BadRequest"),
        (json!({"source_firewall_group_id": NIL}), "FirewallGroupNotFound"),
        (json!({"source_firewall_group_id": "x"}), "FirewallGroupNotFound"),
        (json!({"source_firewall_group_id": 1}), "BadRequest"),
        (json!({"source_firewall_group_id": red["id"]}), "BadRequest"),
        (json!({"source_firewall_group_id": web["id"], "source_ip_address": "192.0.2.1"}), "BadRequest"),
        (json!({"shared": 1}), "BadRequest"),
        (json!({"enabled": "no"}), "BadRequest"),
    ];
    for (members, expected) in cases {
        assert_eq!(class(rule(&mut cloud, members.clone())), expected, "{members}");
        assert_eq!(class(cloud.of("UPDATE", "firewall_rule", &made, members.clone())), expected, "{members}");
    }
    assert_eq!(
        rule(&mut cloud, json!({"source_port": "a:b"})).unwrap_err(),
        json!({"exception": "FirewallRuleInvalidPortValue", "port": "a:b"})
    );
    for unknown in [json!({"id": NIL}), json!({"id": "x"})] {
        for operation in ["READ", "UPDATE", "DELETE"] {
            for (resource, class, argument) in [
                ("firewall_rule", "FirewallRuleNotFound", "firewall_rule_id"),
                ("firewall_policy", "FirewallPolicyNotFound", "firewall_policy_id"),
            ] {
                let refused = cloud.of(operation, resource, &unknown, json!({})).unwrap_err();
                assert_eq!(refused, json!({"exception": class, argument: unknown["id"]}));
            }
        }
    }
}

#[test]
fn neu_fw_3_what_an_update_of_a_rule_does_not_name_stays() {
    let mut cloud = cloud();
    let web = group(&mut cloud, json!({})).unwrap();
    let made = rule(
        &mut cloud,
        json!({"source_ip_address": "192.0.2.0/24", "source_port": "1:2", "destination_firewall_group_id": web["id"]}),
    )
    .unwrap();
    let mut expected = made.clone();
    let steps = [
        (json!({"description": "d", "enabled": false, "name": "w", "shared": true}), json!({})),
        (json!({"destination_port": "80"}), json!({})),
        (json!({"protocol": "udp"}), json!({})),
        (json!({"action": "allow"}), json!({})),
        (json!({"source_port": null}), json!({})),
        // What it is not is not what is taken away.
        (json!({"source_firewall_group_id": null, "destination_ip_address": null}), json!({})),
        (json!({"source_firewall_group_id": web["id"]}), json!({"source_ip_address": null})),
        (
            json!({"source_ip_address": "10.0.0.1"}),
            json!({"source_ip_address": "10.0.0.1/32", "source_firewall_group_id": null}),
        ),
        (json!({"source_ip_address": null}), json!({})),
        (json!({"destination_firewall_group_id": null}), json!({})),
        (json!({"source_ip_address": "::/0"}), json!({"ip_version": 6})),
        (json!({"protocol": "icmp"}), json!({})),
        (json!({"source_ip_address": null}), json!({"ip_version": 6})),
        (json!({"ip_version": 4}), json!({})),
    ];
    for (asked, shown) in steps {
        let changed = cloud.of("UPDATE", "firewall_rule", &made, asked.clone()).unwrap();
        for change in [&asked, &shown] {
            expected.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        }
        assert_eq!(changed, expected, "{asked}");
    }
    assert_eq!(cloud.property(&id(&made), "service")["protocol"], "icmp");
    // Against an end that stays.
    cloud.of("UPDATE", "firewall_rule", &made, json!({"destination_ip_address": "10.0.0.0/8"})).unwrap();
    let refused = cloud.of("UPDATE", "firewall_rule", &made, json!({"source_ip_address": "::/0"}));
    assert_eq!(class(refused), "FirewallIpAddressConflict");
    // What Neutron does not know stays as it is.
    let net = cloud.network(json!({"name": "n"})).unwrap();
    let ends = json!({"virtual_network": net["fq_name"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(":")});
    let own = cloud.create(
        "firewall-rule",
        json!({
            "fq_name": ["default-domain", "blue", "own"], "parent_type": "project", "endpoint_1": ends,
            "endpoint_2": {"any": true}, "service": {"protocol": "tcp"}, "direction": "<>",
            "action_list": {"simple_action": "pass", "log": true},
        }),
    );
    let own = json!({"id": own.to_string()});
    let body = json!({"source_ip_address": null, "source_firewall_group_id": null, "action": "deny"});
    cloud.of("UPDATE", "firewall_rule", &own, body).unwrap();
    assert_eq!(cloud.property(&id(&own), "endpoint_1")["virtual_network"], ends["virtual_network"]);
    assert_eq!(cloud.property(&id(&own), "direction"), "<>");
    let action = cloud.property(&id(&own), "action_list");
    assert_eq!((&action["simple_action"], &action["log"]), (&json!("deny"), &json!(true)));
}

#[test]
fn neu_fw_4_a_group_that_goes_is_named_nowhere_and_what_is_in_use_stays() {
    let mut cloud = cloud();
    let port = port(&mut cloud);
    let web = group(&mut cloud, json!({"ports": [port["id"]]})).unwrap();
    let other = group(&mut cloud, json!({})).unwrap();
    let named =
        rule(&mut cloud, json!({"source_firewall_group_id": web["id"], "destination_firewall_group_id": other["id"]}))
            .unwrap();
    let policy = policy(&mut cloud, &[&named]);
    cloud.of("UPDATE", "firewall_group", &web, json!({"egress_firewall_policy_id": policy["id"]})).unwrap();
    assert_eq!(policy["audited"], true);
    assert_eq!(
        cloud.of("DELETE", "firewall_rule", &named, json!({})).unwrap_err(),
        json!({"exception": "FirewallRuleInUse", "firewall_rule_id": named["id"]})
    );
    assert_eq!(
        cloud.of("DELETE", "firewall_policy", &policy, json!({})).unwrap_err(),
        json!({"exception": "FirewallPolicyInUse", "firewall_policy_id": policy["id"]})
    );
    let tag = find_named(&cloud, "tag", &format!("neutron_fwaas={}", id(&web)));
    assert!(tag.is_some());
    assert_eq!(cloud.of("DELETE", "firewall_group", &web, json!({})), Ok(json!(null)));
    assert_eq!(find_named(&cloud, "tag", &format!("neutron_fwaas={}", id(&web))), None);
    assert!(tags(&cloud, &port).is_empty());
    let left = cloud.of("READ", "firewall_rule", &named, json!({})).unwrap();
    assert_eq!(left["source_firewall_group_id"], json!(null));
    assert_eq!(left["destination_firewall_group_id"], other["id"]);
    let audited =
        |cloud: &mut Cloud| cloud.of("READ", "firewall_policy", &policy, json!({})).unwrap()["audited"].clone();
    assert_eq!(audited(&mut cloud), false);
    for (resource, object) in [("firewall_policy", &policy), ("firewall_rule", &named), ("firewall_group", &other)] {
        assert_eq!(cloud.of("DELETE", resource, object, json!({})), Ok(json!(null)));
    }
    let refused = cloud.of("DELETE", "firewall_policy", &policy, json!({})).unwrap_err();
    assert_eq!(refused, json!({"exception": "FirewallPolicyNotFound", "firewall_policy_id": policy["id"]}));
}

#[test]
fn neu_fw_1_neu_fw_2_members_see_their_own_and_what_is_shared() {
    let mut cloud = cloud();
    let blue = cloud.tenant;
    let red = cloud.project("red");
    let hidden = rule(&mut cloud, json!({"name": "hidden"})).unwrap();
    let shared = rule(&mut cloud, json!({"name": "shared", "shared": true})).unwrap();
    assert_eq!(shared["shared"], true);
    let own_group = group(&mut cloud, json!({})).unwrap();
    let server = cloud.identity.clone();
    cloud.tenant = red;
    // Whatever the token may do.
    let named = json!({"id": [hidden["id"], shared["id"]]});
    assert_eq!(cloud.ids("firewall_rule", named.clone()), [id(&shared)]);
    cloud.log_in(red);
    let listed = cloud.ids("firewall_rule", json!({}));
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(listed.contains(&id(&shared)));
    assert_eq!(cloud.ids("firewall_rule", json!({"shared": [true]})), [id(&shared)]);
    assert_eq!(cloud.ids("firewall_rule", named), [id(&shared)]);
    assert_eq!(cloud.ids("firewall_rule", json!({"name": ["hidden"]})), Vec::<String>::new());
    // The context is no right.
    cloud.is_admin = true;
    assert!(!cloud.ids("firewall_rule", json!({})).contains(&id(&hidden)));
    cloud.is_admin = false;
    for (operation, body) in [("READ", json!({})), ("UPDATE", json!({"action": "allow"})), ("DELETE", json!({}))] {
        assert_eq!(class(cloud.of(operation, "firewall_rule", &hidden, body.clone())), "NotAuthorized");
        assert_eq!(class(cloud.of(operation, "firewall_group", &own_group, body)), "NotAuthorized");
    }
    cloud.hides_forbidden = true;
    assert_eq!(class(cloud.of("READ", "firewall_rule", &hidden, json!({}))), "FirewallRuleNotFound");
    assert_eq!(
        class(make(&mut cloud, "firewall_policy", json!({"firewall_rules": [hidden["id"]]}))),
        "FirewallRuleNotFound"
    );
    cloud.hides_forbidden = false;
    assert_eq!(class(make(&mut cloud, "firewall_policy", json!({"firewall_rules": [hidden["id"]]}))), "NotAuthorized");
    let policy = policy(&mut cloud, &[&shared]);
    assert_eq!(class(make(&mut cloud, "firewall_rule", json!({"tenant_id": blue}))), "NotAuthorized");
    // Members make groups, with their tags and ports.
    let port = port(&mut cloud);
    let members = json!({"ports": [port["id"]], "ingress_firewall_policy_id": policy["id"]});
    let group = group(&mut cloud, members).unwrap();
    assert_eq!(group["status"], "ACTIVE");
    // Whose rule it is changes it, and the audit of a policy that is none of its business is over.
    cloud.tenant = blue;
    cloud.log_in(blue);
    assert_eq!(class(cloud.of("READ", "firewall_policy", &policy, json!({}))), "NotAuthorized");
    let changed = cloud.of("UPDATE", "firewall_rule", &shared, json!({"action": "allow"})).unwrap();
    assert_eq!((&changed["action"], &changed["firewall_policy_id"]), (&json!("allow"), &json!([])));
    cloud.tenant = red;
    cloud.log_in(red);
    let seen = cloud.of("READ", "firewall_policy", &policy, json!({})).unwrap();
    assert_eq!((&seen["audited"], &seen["firewall_rules"]), (&json!(false), &json!([shared["id"]])));
    // What is no longer shared is not shown, and stays where it is.
    cloud.tenant = blue;
    cloud.log_in(blue);
    cloud.of("UPDATE", "firewall_rule", &shared, json!({"shared": false})).unwrap();
    cloud.tenant = red;
    cloud.log_in(red);
    assert_eq!(cloud.of("READ", "firewall_policy", &policy, json!({})).unwrap()["firewall_rules"], json!([]));
    let own = rule(&mut cloud, json!({})).unwrap();
    cloud.of("INSERT_RULE", "firewall_policy", &policy, json!({"firewall_rule_id": own["id"]})).unwrap();
    cloud.identity = server;
    let all = cloud.of("READ", "firewall_policy", &policy, json!({})).unwrap();
    assert_eq!(all["firewall_rules"], json!([own["id"], shared["id"]]));
}

#[test]
fn neu_fw_1_neu_fw_3_what_is_kept_aside_as_a_draft_is_refused() {
    let mut cloud = cloud();
    let web = group(&mut cloud, json!({})).unwrap();
    let made = rule(&mut cloud, json!({})).unwrap();
    let project = Arc::clone(cloud.graph.get(cloud.tenant).unwrap());
    let Value::Object(body) = json!({"enable_security_policy_draft": true}) else { panic!() };
    let document = Document::read_update(&model(), model().object_type(project.type_id), body);
    let update = crate::rules::Update { type_id: project.type_id, uuid: project.uuid.to_string(), document };
    cloud.submit(&Operation::Update(update)).unwrap();
    let before = cloud.graph.len();
    assert_eq!(class(rule(&mut cloud, json!({}))), "BadRequest");
    assert_eq!(class(group(&mut cloud, json!({}))), "BadRequest");
    assert_eq!(class(cloud.of("UPDATE", "firewall_rule", &made, json!({"action": "allow"}))), "BadRequest");
    for (resource, object) in [("firewall_rule", &made), ("firewall_group", &web)] {
        assert_eq!(class(cloud.of("DELETE", resource, object, json!({}))), "BadRequest");
        cloud.of("READ", resource, object, json!({})).unwrap();
    }
    assert_eq!(cloud.graph.len(), before);
    // A draft of REST is not shown.
    let ends = json!({"any": true});
    cloud
        .submit(&{
            let type_id = model().find("firewall-rule").unwrap();
            let body = json!({
                "fq_name": ["default-domain", "blue", "draft"], "parent_type": "project", "endpoint_1": ends,
                "endpoint_2": ends, "service": {"protocol": "tcp"}, "action_list": {"simple_action": "deny"},
            });
            let fq_name = string_list(&body["fq_name"]).unwrap();
            let Value::Object(body) = body else { panic!() };
            let document = Document::read(&model(), model().object_type(type_id), body, Purpose::Create).unwrap();
            Operation::Create(Create { type_id, fq_name, document, chosen: None })
        })
        .unwrap();
    let draft = find_draft(&cloud);
    cloud.is_admin = true;
    assert_eq!(cloud.ids("firewall_rule", json!({})).len(), 3);
    assert!(cloud.ids("firewall_rule", json!({"id": [draft]})).is_empty());
    assert_eq!(class(cloud.of("READ", "firewall_rule", &json!({"id": draft}), json!({}))), "FirewallRuleNotFound");
}

fn find_draft(cloud: &Cloud) -> String {
    let kind = model().find("firewall-rule").unwrap();
    let name = ["default-domain", "blue", "draft-policy-management", "draft"];
    cloud.graph.find(kind, &name).unwrap().uuid.to_string()
}
