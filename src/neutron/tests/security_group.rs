use super::*;

fn group(cloud: &mut Cloud, resource: Value) -> Result<Value, Value> {
    let mut body = json!({"tenant_id": cloud.tenant.simple().to_string(), "name": "web", "description": ""});
    body.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
    cloud.ask("security_group", "CREATE", json!({"resource": body}))
}

/// What the plug-in says of a rule, with other members than these.
fn rule(cloud: &mut Cloud, group: &Value, members: Value) -> Result<Value, Value> {
    let mut body = json!({
        "security_group_id": group["id"], "direction": "ingress", "protocol": null, "port_range_min": null,
        "port_range_max": null, "ethertype": "IPv4", "remote_ip_prefix": null, "remote_group_id": null, "description": "",
        "tenant_id": cloud.tenant.simple().to_string(),
    });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    cloud.ask("security_group_rule", "CREATE", json!({"resource": body}))
}

fn default_group(cloud: &Cloud) -> Option<String> {
    let kind = model().find("security-group").unwrap();
    let found = cloud.graph.find(kind, &["default-domain", "blue", "default"]);
    found.map(|group| group.uuid.to_string())
}

/// A port with this group, as REST makes it.
fn port(cloud: &mut Cloud, network: &Value, group: &Value) -> Uuid {
    cloud.create(
        "virtual-machine-interface",
        json!({
            "fq_name": ["default-domain", "blue", "port"], "parent_type": "project",
            "virtual_network_refs": [{"to": network["fq_name"]}], "security_group_refs": [{"to": group["fq_name"]}],
        }),
    )
}

#[test]
fn neu_sg_c1_neu_sg_r1_a_new_group_lets_everything_out() {
    let mut cloud = Cloud::new();
    let web = group(&mut cloud, json!({"description": "servers"})).unwrap();
    let tenant = cloud.tenant.simple().to_string();
    let rules = web["security_group_rules"].clone();
    let shown = json!({
        "id": web["id"], "name": "web", "tenant_id": tenant, "description": "servers", "security_group_rules": rules,
        "created_at": web["created_at"], "updated_at": web["created_at"], "fq_name": ["default-domain", "blue", "web"],
    });
    assert_eq!(web, shown);
    for (rule, (ethertype, prefix)) in rules.as_array().unwrap().iter().zip([("IPv4", "0.0.0.0/0"), ("IPv6", "::/0")]) {
        let expected = json!({
            "id": rule["id"], "tenant_id": tenant, "security_group_id": web["id"], "ethertype": ethertype,
            "direction": "egress", "protocol": "any", "port_range_min": 0, "port_range_max": 65535,
            "remote_ip_prefix": prefix, "remote_group_id": null, "created_at": web["created_at"],
            "updated_at": web["created_at"], "description": "",
        });
        assert_eq!(*rule, expected);
    }
    assert_eq!(rules.as_array().unwrap().len(), 2);
    assert_eq!(cloud.of("READ", "security_group", &web, json!({})).unwrap(), web);
    let plain = group(&mut cloud, json!({"description": null})).unwrap();
    assert_eq!((&plain["description"], &plain["name"]), (&json!(""), &json!("web")));
    assert!(plain["fq_name"][2] != "web");
    assert_eq!(class(group(&mut cloud, json!({"name": "default"}))), "SecurityGroupDefaultAlreadyExists");
    assert_eq!(class(group(&mut cloud, json!({"name": null}))), "BadRequest");
    assert_eq!(class(group(&mut cloud, json!({"id": web["id"]}))), "Conflict");
    for unknown in [json!({"id": Uuid::new_v4()}), json!({"id": "x"})] {
        for operation in ["READ", "UPDATE"] {
            let refused = cloud.of(operation, "security_group", &unknown, json!({})).unwrap_err();
            assert_eq!(refused, json!({"exception": "SecurityGroupNotFound", "id": unknown["id"]}));
        }
        assert_eq!(cloud.of("DELETE", "security_group", &unknown, json!({})), Ok(json!(null)));
    }
}

#[test]
fn neu_sg_u1_name_and_description_change_but_not_those_of_the_default_group() {
    let mut cloud = Cloud::new();
    let web = group(&mut cloud, json!({})).unwrap();
    let changed = cloud.of("UPDATE", "security_group", &web, json!({"name": "www", "description": "d"})).unwrap();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("www"), &json!("d")));
    assert_eq!(
        (&changed["fq_name"], &changed["security_group_rules"]),
        (&web["fq_name"], &web["security_group_rules"])
    );
    assert_eq!(cloud.of("UPDATE", "security_group", &web, json!({"description": ""})).unwrap()["name"], "www");
    cloud.ids("security_group", json!({}));
    let default = json!({"id": default_group(&cloud).unwrap()});
    assert_eq!(
        class(cloud.of("UPDATE", "security_group", &default, json!({"name": "x"}))),
        "SecurityGroupCannotUpdateDefault"
    );
}

#[test]
fn neu_sg_d1_neu_sg_d2_a_group_that_ports_have_stays_and_so_does_ones_own_default_group() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let web = group(&mut cloud, json!({})).unwrap();
    let other = group(&mut cloud, json!({"name": "other"})).unwrap();
    let port = port(&mut cloud, &net, &web);
    let refused = cloud.of("DELETE", "security_group", &web, json!({})).unwrap_err();
    assert_eq!(refused, json!({"exception": "SecurityGroupInUse", "id": web["id"]}));
    let type_id = model().find("virtual-machine-interface").unwrap();
    cloud.submit(&Operation::Delete(crate::rules::Delete { type_id, uuid: port.to_string() })).unwrap();
    // A rule that names it is no reason to stay.
    rule(&mut cloud, &other, json!({"remote_group_id": web["id"]})).unwrap();
    assert_eq!(cloud.of("DELETE", "security_group", &web, json!({})), Ok(json!(null)));
    assert_eq!(class(cloud.of("READ", "security_group", &web, json!({}))), "SecurityGroupNotFound");
    cloud.ids("security_group", json!({}));
    let default = json!({"id": default_group(&cloud).unwrap()});
    assert_eq!(
        cloud.of("DELETE", "security_group", &default, json!({})).unwrap_err(),
        json!({"exception": "SecurityGroupCannotRemoveDefault"})
    );
    cloud.tenant = cloud.project("red");
    cloud.is_admin = true;
    assert_eq!(cloud.of("DELETE", "security_group", &default, json!({})), Ok(json!(null)));
}

#[test]
fn neu_sg_g1_neu_sg_l1_a_list_has_the_groups_of_the_tenant_and_makes_its_default_one() {
    let mut cloud = Cloud::new();
    let web = id(&group(&mut cloud, json!({})).unwrap());
    let no_rule = cloud.graph.find(model().find("security-group").unwrap(), &super::super::security_group::NO_RULE);
    assert!(no_rule.is_some());
    assert_eq!(default_group(&cloud), None);
    let listed = cloud.ids("security_group", json!({}));
    let default = default_group(&cloud).unwrap();
    let mut both = vec![web.clone(), default.clone()];
    both.sort();
    assert_eq!(listed, both);
    let rules = cloud.of("READ", "security_group", &json!({"id": default}), json!({})).unwrap();
    let rules = rules["security_group_rules"].as_array().unwrap().clone();
    let said = |rule: &Value| {
        (
            rule["direction"].clone(),
            rule["ethertype"].clone(),
            rule["remote_group_id"].clone(),
            rule["remote_ip_prefix"].clone(),
        )
    };
    assert_eq!(
        rules.iter().map(said).collect::<Vec<_>>(),
        [
            (json!("ingress"), json!("IPv4"), json!(default), json!(null)),
            (json!("ingress"), json!("IPv6"), json!(default), json!(null)),
            (json!("egress"), json!("IPv4"), json!(null), json!("0.0.0.0/0")),
            (json!("egress"), json!("IPv6"), json!(null), json!("::/0")),
        ]
    );
    assert_eq!(cloud.ids("security_group", json!({"name": ["web"]})), [web.as_str()]);
    assert_eq!(cloud.ids("security_group", json!({"id": [web]})), [web.as_str()]);
    let blue = cloud.tenant;
    cloud.tenant = cloud.project("red");
    assert!(cloud.ids("security_group", json!({"id": [web]})).is_empty());
    cloud.is_admin = true;
    assert_eq!(cloud.ids("security_group", json!({"id": [web]})), [web.as_str()]);
    assert_eq!(cloud.ids("security_group", json!({"tenant_id": [blue.simple().to_string()]})), both);
    // Three, and the default one of the tenant of the context.
    assert_eq!(cloud.ids("security_group", json!({})).len(), 3);
    cloud.is_admin = false;
    cloud.tenant = Uuid::new_v4();
    assert!(cloud.ids("security_group", json!({})).is_empty());
}

#[test]
fn neu_sgr_r1_neu_sgr_c1_a_rule_is_what_was_asked_for() {
    let mut cloud = Cloud::new();
    let web = group(&mut cloud, json!({})).unwrap();
    let peer = group(&mut cloud, json!({"name": "peer"})).unwrap();
    let tenant = cloud.tenant.simple().to_string();
    let cases = [
        (
            json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 88, "remote_ip_prefix": "192.0.2.1/24"}),
            json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 88, "remote_ip_prefix": "192.0.2.0/24"}),
        ),
        (
            json!({}),
            json!({"protocol": "any", "port_range_min": 0, "port_range_max": 65535, "remote_ip_prefix": "0.0.0.0/0"}),
        ),
        (
            json!({"remote_group_id": peer["id"]}),
            json!({"protocol": "any", "port_range_min": 0, "port_range_max": 65535, "remote_group_id": peer["id"]}),
        ),
        (
            json!({"protocol": "17", "ethertype": "IPv6", "direction": "egress", "description": "games"}),
            json!({
                "protocol": "17", "port_range_min": 0, "port_range_max": 65535, "remote_ip_prefix": "::/0",
                "ethertype": "IPv6", "direction": "egress", "description": "games",
            }),
        ),
        (
            json!({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0}),
            json!({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0, "remote_ip_prefix": "0.0.0.0/0"}),
        ),
    ];
    for (asked, expected) in cases {
        let made = rule(&mut cloud, &web, asked).unwrap();
        let mut shown = json!({
            "id": made["id"], "tenant_id": tenant, "security_group_id": web["id"], "ethertype": "IPv4",
            "direction": "ingress", "remote_ip_prefix": null, "remote_group_id": null, "created_at": made["created_at"],
            "updated_at": made["created_at"], "description": "",
        });
        shown.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        assert_eq!(made, shown);
        assert!(made["created_at"].is_string());
        assert_eq!(cloud.of("READ", "security_group_rule", &made, json!({})).unwrap(), made);
    }
    let given = Uuid::new_v4().to_string();
    let made = rule(&mut cloud, &web, json!({"id": given, "protocol": "sctp"})).unwrap();
    assert_eq!(made["id"], json!(given));
    assert_eq!(class(rule(&mut cloud, &peer, json!({"id": given}))), "Conflict");
    let again = rule(&mut cloud, &web, json!({"protocol": "sctp"})).unwrap_err();
    assert_eq!(
        again,
        json!({"exception": "SecurityGroupRuleExists", "rule_id": given, "id": given, "resource": "security_group_rule"})
    );
}

#[test]
fn neu_sgr_c1_neu_sgr_c2_what_makes_no_sense_is_refused_by_its_class() {
    let mut cloud = Cloud::new();
    let web = group(&mut cloud, json!({})).unwrap();
    let before = cloud.property(&id(&web), "security_group_entries");
    let unknown = Uuid::new_v4().to_string();
    let exception = |name: &str, arguments: Value| {
        let mut refused = json!({"exception": name});
        refused.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        refused
    };
    let ports = |protocol: &str, first: Value, last: Value| json!({"protocol": protocol, "port_range_min": first, "port_range_max": last});
    let icmp = |field: &str, attribute: &str, value: i64| {
        exception("SecurityGroupInvalidIcmpValue", json!({"field": field, "attr": attribute, "value": value}))
    };
    for (asked, refused) in [
        (json!({"port_range_min": 80}), exception("SecurityGroupProtocolRequiredWithPorts", json!({}))),
        (ports("tcp", json!(90), json!(80)), exception("SecurityGroupInvalidPortRange", json!({}))),
        (ports("udp", json!(90), json!(null)), exception("SecurityGroupInvalidPortRange", json!({}))),
        (ports("6", json!(null), json!(90)), exception("SecurityGroupInvalidPortRange", json!({}))),
        (ports("icmp", json!(256), json!(0)), icmp("type", "port_range_min", 256)),
        (ports("1", json!(1), json!(300)), icmp("code", "port_range_max", 300)),
        (ports("icmp", json!(null), json!(3)), exception("SecurityGroupMissingIcmpType", json!({"value": 3}))),
        (
            json!({"remote_ip_prefix": "192.0.2.0/24", "remote_group_id": web["id"]}),
            exception("SecurityGroupRemoteGroupAndRemoteIpPrefix", json!({})),
        ),
        (
            json!({"remote_ip_prefix": "192.0.2.0/24", "ethertype": "IPv6"}),
            exception("SecurityGroupRuleParameterConflict", json!({"ethertype": "IPv6", "cidr": "192.0.2.0/24"})),
        ),
        (json!({"remote_group_id": unknown}), exception("SecurityGroupNotFound", json!({"id": unknown}))),
        (json!({"security_group_id": unknown}), exception("SecurityGroupNotFound", json!({"id": unknown}))),
    ] {
        assert_eq!(rule(&mut cloud, &web, asked.clone()).unwrap_err(), refused, "{asked}");
    }
    for protocol in ["UDP", "300", "nonsense"] {
        let refused = rule(&mut cloud, &web, json!({"protocol": protocol})).unwrap_err();
        assert_eq!(
            (&refused["exception"], &refused["protocol"]),
            (&json!("SecurityGroupRuleInvalidProtocol"), &json!(protocol))
        );
        assert!(refused["values"].as_array().unwrap().contains(&json!("icmpv6")));
    }
    for bad in [
        json!({"remote_ip_prefix": "nonsense"}),
        json!({"port_range_min": "x"}),
        json!({"direction": "up"}),
        json!({"direction": null}),
        json!({"security_group_id": null}),
        json!({"ethertype": "ipv4"}),
        json!({"protocol": {}}),
        json!({"protocol": "icmpv6"}),
        json!({"id": "x"}),
    ] {
        assert_eq!(class(rule(&mut cloud, &web, bad.clone())), "BadRequest", "{bad}");
    }
    assert_eq!(cloud.property(&id(&web), "security_group_entries"), before);
    // What was refused elsewhere, and makes sense.
    assert_eq!(
        rule(&mut cloud, &web, json!({"remote_ip_prefix": "10.0.0.1"})).unwrap()["remote_ip_prefix"],
        "10.0.0.1/32"
    );
    assert_eq!(rule(&mut cloud, &web, json!({"protocol": 47})).unwrap()["protocol"], "47");
    let echo = rule(&mut cloud, &web, ports("icmp", json!(8), json!(null))).unwrap();
    assert_eq!((&echo["port_range_min"], &echo["port_range_max"]), (&json!(8), &json!(65535)));
}

#[test]
fn neu_sgr_c3_a_rule_for_all_of_icmp_is_shown_without_ports() {
    let mut cloud = Cloud::new();
    let web = group(&mut cloud, json!({})).unwrap();
    for (protocol, ethertype) in [("icmp", "IPv4"), ("ipv6-icmp", "IPv6"), ("58", "IPv6")] {
        let made = rule(&mut cloud, &web, json!({"protocol": protocol, "ethertype": ethertype})).unwrap();
        assert!(made["port_range_min"].is_null() && made["port_range_max"].is_null(), "{made}");
        let stored = cloud.property(&id(&web), "security_group_entries");
        let stored = stored["policy_rule"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(stored["dst_ports"], json!([{"start_port": 0, "end_port": 65535}]));
    }
}

#[test]
fn neu_sgr_r2_a_rule_that_names_a_group_that_is_gone_is_shown_nowhere() {
    let mut cloud = Cloud::new();
    let web = group(&mut cloud, json!({})).unwrap();
    let peer = group(&mut cloud, json!({"name": "peer"})).unwrap();
    let made = rule(&mut cloud, &web, json!({"remote_group_id": peer["id"]})).unwrap();
    assert_eq!(cloud.ids("security_group_rule", json!({"id": [made["id"]]})), [id(&made)]);
    cloud.of("DELETE", "security_group", &peer, json!({})).unwrap();
    assert!(cloud.ids("security_group_rule", json!({"id": [made["id"]]})).is_empty());
    assert_eq!(class(cloud.of("READ", "security_group_rule", &made, json!({}))), "SecurityGroupRuleNotFound");
    let shown = cloud.of("READ", "security_group", &web, json!({})).unwrap();
    assert_eq!(shown["security_group_rules"].as_array().unwrap().len(), 2);
    // It can be taken away all the same.
    assert_eq!(cloud.of("DELETE", "security_group_rule", &made, json!({})), Ok(json!(null)));
}

#[test]
fn neu_sgr_r3_neu_sgr_l1_rules_are_found_in_ones_own_project() {
    let mut cloud = Cloud::new();
    let web = group(&mut cloud, json!({})).unwrap();
    let made = rule(&mut cloud, &web, json!({"protocol": "tcp", "port_range_min": 1, "port_range_max": 2})).unwrap();
    let blue = cloud.tenant;
    assert_eq!(cloud.ids("security_group_rule", json!({"security_group_id": [web["id"]]})).len(), 3);
    assert_eq!(cloud.ids("security_group_rule", json!({"direction": ["ingress"]})), [id(&made)]);
    assert_eq!(cloud.ids("security_group_rule", json!({"id": [made["id"]], "protocol": ["tcp"]})), [id(&made)]);
    assert!(cloud.ids("security_group_rule", json!({"id": [made["id"]], "protocol": ["udp"]})).is_empty());
    cloud.tenant = cloud.project("red");
    for operation in ["READ", "DELETE"] {
        let refused = cloud.of(operation, "security_group_rule", &made, json!({})).unwrap_err();
        assert_eq!(refused, json!({"exception": "SecurityGroupRuleNotFound", "id": made["id"]}));
    }
    for filters in [json!({"id": [made["id"]]}), json!({"security_group_id": [web["id"]]}), json!({})] {
        assert!(cloud.ids("security_group_rule", filters).is_empty());
    }
    cloud.is_admin = true;
    assert_eq!(cloud.of("READ", "security_group_rule", &made, json!({})).unwrap(), made);
    let of_blue = json!({"tenant_id": [blue.simple().to_string()], "protocol": ["tcp"]});
    assert_eq!(cloud.ids("security_group_rule", of_blue), [id(&made)]);
    assert_eq!(cloud.of("DELETE", "security_group_rule", &made, json!({})), Ok(json!(null)));
    assert_eq!(class(cloud.of("DELETE", "security_group_rule", &made, json!({}))), "SecurityGroupRuleNotFound");
    assert_eq!(
        class(cloud.of("READ", "security_group_rule", &json!({"id": "x"}), json!({}))),
        "SecurityGroupRuleNotFound"
    );
}

#[test]
fn neu_sgr_c1_ports_are_from_0_to_65535() {
    let mut cloud = Cloud::new();
    let group = group(&mut cloud, json!({"name": "web"})).unwrap();
    for (protocol, first, last, member) in [
        ("tcp", -1, 80, "port_range_min"),
        ("udp", 80, 70_000, "port_range_max"),
        ("sctp", 70_000, 70_001, "port_range_min"),
    ] {
        let range = json!({"protocol": protocol, "port_range_min": first, "port_range_max": last});
        let refused = rule(&mut cloud, &group, range).unwrap_err();
        assert!(refused["exception"] == "BadRequest" && refused["msg"].as_str().unwrap().contains(member), "{refused}");
    }
}
