//! security-group.

use super::*;

const KIND: &str = "security-group";

/// A rule from this group to a prefix.
fn rule(protocol: &str, ethertype: &str, prefix: &str, length: u8) -> Value {
    json!({"direction": ">", "protocol": protocol, "ethertype": ethertype,
        "src_addresses": [{"security_group": "local"}], "src_ports": [{"start_port": 0, "end_port": 65535}],
        "dst_addresses": [{"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}}],
        "dst_ports": [{"start_port": 0, "end_port": 65535}]})
}

fn entries(rules: &[Value]) -> Value {
    json!({"security_group_entries": {"policy_rule": rules}})
}

/// Different rules.
fn rules(count: u8) -> Vec<Value> {
    (0..count).map(|number| rule("tcp", "IPv4", &format!("10.{number}.0.0"), 16)).collect()
}

#[test]
fn sg_c1_sg_c2_sg_c3_rules_are_checked() {
    let mut configuration = Configuration::new();
    let mut remote = rule("tcp", "IPv4", "10.0.0.0", 8);
    remote["src_addresses"] = json!([{"security_group": "any"}]);
    let mut nameless = rule("tcp", "IPv4", "10.0.0.0", 8);
    nameless.as_object_mut().unwrap().remove("protocol");
    let any = rule("any", "IPv4", "0.0.0.0", 0);
    for (given, text) in [
        (vec![any.clone(), any.clone()], "409 Rule already exists : None"),
        (vec![rule("carrier-pigeon", "IPv4", "10.0.0.0", 8)], "400 Rule with invalid protocol : carrier-pigeon"),
        (vec![nameless], "400 Rule without protocol: a number from 0 to 255 or a name is expected"),
        (vec![rule("tcp", "IPv6", "10.0.0.0", 8)], "400 Rule subnet 10.0.0.0/8 doesn't match ethertype IPv6"),
        (vec![rule("tcp", "IPv4", "fd00::", 8)], "400 Rule subnet fd00::/8 doesn't match ethertype IPv4"),
        (vec![remote], "400 At least one of source or destination addresses must be 'local'"),
    ] {
        assert_eq!(refusal(configuration.in_project(KIND, "web", entries(&given))), text);
    }
    let group = configuration.in_project(KIND, "web", entries(&[any])).unwrap();
    let stored = configuration.get(&group, "security_group_entries");
    let uuid = stored["policy_rule"][0]["rule_uuid"].as_str().unwrap();
    assert!(Uuid::try_parse(uuid).is_ok());
}

#[test]
fn sg_c4_sg_c5_ids_are_given_by_the_server_or_configured() {
    let mut configuration = Configuration::new();
    let set = configuration.in_project(KIND, "a", json!({"security_group_id": 8_000_005}));
    assert_eq!(refusal(set), "403 Cannot set the security group ID");
    let mut id = |name: &str, members: Value| {
        let group = configuration.in_project(KIND, name, members).unwrap();
        configuration.get(&group, "security_group_id")
    };
    let first = id("a", json!({})).as_u64().unwrap();
    assert!(first > 8_000_000);
    assert_eq!(id("b", json!({})), first + 1);
    assert_eq!(id("c", json!({"configured_security_group_id": 77})), 77);
    assert_eq!(id("d", json!({"configured_security_group_id": 77})), 77, "not unique, not from the pool");
    assert_eq!(id("e", json!({"configured_security_group_id": 0})), first + 2);
    let out_of_range = configuration.in_project(KIND, "f", json!({"configured_security_group_id": 8_000_000}));
    assert!(refusal(out_of_range).starts_with("400 Bad property in create"));
}

#[test]
fn sg_u1_sg_u2_ids_change_only_by_configuration() {
    let mut configuration = Configuration::new();
    let group = configuration.in_project(KIND, "a", json!({})).unwrap();
    let id = |configuration: &Configuration| configuration.get(&group, "security_group_id").as_u64().unwrap();
    let given = id(&configuration);
    configuration.update(&group, json!({"security_group_id": given})).unwrap();
    let changed = configuration.update(&group, json!({"security_group_id": given + 1}));
    assert_eq!(refusal(changed), "403 Cannot update the security group ID");
    configuration.update(&group, json!({"configured_security_group_id": 77})).unwrap();
    assert_eq!(id(&configuration), 77);
    let next = configuration.in_project(KIND, "b", json!({})).unwrap();
    assert_eq!(configuration.get(&next, "security_group_id"), given, "the id was free again");
    configuration.update(&group, json!({"configured_security_group_id": 0})).unwrap();
    assert_eq!(id(&configuration), given + 1);
    configuration.update(&group, json!({"configured_security_group_id": null})).unwrap();
    assert_eq!(id(&configuration), given + 1, "it has an id of the pool already");
}

#[test]
fn sg_c6_sg_u3_qta_16_rules_count_in_the_project() {
    let mut configuration = Configuration::new();
    let project = configuration.project();
    configuration.update(&project, json!({"quota": {"security_group_rule": 3, "security_group": 3}})).unwrap();
    let one = configuration.in_project(KIND, "one", entries(&rules(2))).unwrap();
    let over = "412 security_group_entries: 3";
    assert_eq!(refusal(configuration.in_project(KIND, "two", entries(&rules(2)))), over);
    let two = configuration.in_project(KIND, "two", entries(&rules(1))).unwrap();
    assert_eq!(refusal(configuration.update(&two, entries(&rules(2)))), over);
    configuration.update(&one, json!({"display_name": "renamed"})).unwrap();
    assert_eq!(refusal(configuration.update(&two, entries(&rules(2)))), over, "a rename gives no rules back");
    configuration.update(&one, entries(&rules(1))).unwrap();
    configuration.update(&two, entries(&rules(2))).unwrap();
    configuration.delete(&one).unwrap();
    configuration.in_project(KIND, "three", entries(&rules(1))).unwrap();
    let fourth = configuration.in_project(KIND, "four", json!({}));
    assert_eq!(refusal(fourth), "412 quota limit (3) exceeded for resource security_group", "with __no_rule__");
}

#[test]
fn sg_d1_a_group_in_use_stays() {
    let mut configuration = Configuration::new();
    let group = configuration.in_project(KIND, "web", json!({})).unwrap();
    configuration.below(&group, "access-control-list", "ingress", json!({})).unwrap();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let interface = configuration.interface("p", &network);
    configuration.refer(&interface, &group, Value::Null).unwrap();
    assert!(refusal(configuration.delete(&group)).starts_with("409 Delete when resource still referred"));
    configuration.unrefer(&interface, &group).unwrap();
    configuration.delete(&group).unwrap();
}

#[test]
fn osd_24_osd_25_protocols_of_ipv6() {
    let mut configuration = Configuration::new();
    configuration.in_project(KIND, "six", entries(&[rule("icmpv6", "IPv6", "fd00::", 8)])).unwrap();
    for protocol in ["icmpv6", "ICMP6", "ipv6-route", "58", "41"] {
        let refused = configuration.in_project(KIND, "four", entries(&[rule(protocol, "IPv4", "10.0.0.0", 8)]));
        assert_eq!(refusal(refused), format!("400 IPv4 rule with IPv6 protocol : {protocol}"));
    }
    configuration.in_project(KIND, "mixed", entries(&[rule("icmp", "IPv6", "fd00::", 8)])).unwrap();
    // A rule that is stored from earlier times does not stop changes beside it.
    let group = configuration.in_project(KIND, "old", json!({})).unwrap();
    let mut stored = Object::clone(&group);
    let id = model().object_type(stored.type_id).property("security_group_entries").map(|(id, _)| id).unwrap();
    let old = rule("58", "IPv4", "10.0.0.0", 8);
    stored.set_property(id, Some(json!({"policy_rule": [old.clone()]}).to_string().into()));
    configuration.graph.put(&Arc::new(stored));
    configuration.update(&group, entries(&[old.clone(), rule("tcp", "IPv4", "10.0.0.0", 8)])).unwrap();
    let another = configuration.update(&group, entries(&[old, rule("59", "IPv4", "10.0.0.0", 8)]));
    assert_eq!(refusal(another), "400 IPv4 rule with IPv6 protocol : 59");
}
