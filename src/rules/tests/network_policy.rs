//! network-policy.

use super::*;

const KIND: &str = "network-policy";

fn entries(rules: &[Value]) -> Value {
    json!({"network_policy_entries": {"policy_rule": rules}})
}

fn rule(protocol: &str) -> Value {
    json!({"direction": "<>", "protocol": protocol, "src_addresses": [{"virtual_network": "any"}],
        "src_ports": [{"start_port": -1, "end_port": -1}], "dst_addresses": [{"virtual_network": "any"}],
        "dst_ports": [{"start_port": -1, "end_port": -1}], "action_list": {"simple_action": "pass"}})
}

#[test]
fn pol_c1_rules_are_distinct() {
    let mut configuration = Configuration::new();
    let mut named = rule("tcp");
    named["rule_uuid"] = json!("11111111-1111-4111-8111-111111111111");
    let mut later = rule("tcp");
    later["created"] = json!("2026-01-01");
    let twice = configuration.in_project(KIND, "p", entries(&[named, later]));
    assert_eq!(refusal(twice), "409 Rule already exists : 11111111-1111-4111-8111-111111111111");
    let policy = configuration.in_project(KIND, "p", entries(&[rule("tcp"), rule("udp")])).unwrap();
    let twice = configuration.update(&policy, entries(&[rule("udp"), rule("udp")]));
    assert_eq!(refusal(twice), "409 Rule already exists : None");
}

#[test]
fn pol_c2_rules_get_a_uuid_and_keep_theirs() {
    let mut configuration = Configuration::new();
    let mut empty = rule("tcp");
    empty["rule_uuid"] = json!("");
    let mut named = rule("udp");
    named["rule_uuid"] = json!("mine");
    let policy = configuration.in_project(KIND, "p", entries(&[empty, named])).unwrap();
    let stored = configuration.get(&policy, "network_policy_entries");
    assert!(Uuid::try_parse(stored["policy_rule"][0]["rule_uuid"].as_str().unwrap()).is_ok());
    assert_eq!(stored["policy_rule"][1]["rule_uuid"], "mine");
}

#[test]
fn pol_c3_osd_24_protocols_are_names_or_numbers() {
    let mut configuration = Configuration::new();
    for (number, protocol) in ["0", "255", "TCP", "icmp6", "icmpv6", "any", "vrrp"].iter().enumerate() {
        configuration.in_project(KIND, &number.to_string(), entries(&[rule(protocol)])).unwrap();
    }
    for protocol in ["256", "-1", "tcpip", ""] {
        let refused = configuration.in_project(KIND, "p", entries(&[rule(protocol)]));
        assert_eq!(refusal(refused), format!("400 Rule with invalid protocol : {protocol}"));
    }
    let mut without = rule("tcp");
    without.as_object_mut().unwrap().remove("protocol");
    assert!(refusal(configuration.in_project(KIND, "p", entries(&[without]))).starts_with("400 Rule without protocol"));
}

#[test]
fn pol_c4_pol_c5_an_action_and_no_group() {
    let mut configuration = Configuration::new();
    let mut idle = rule("tcp");
    idle.as_object_mut().unwrap().remove("action_list");
    assert_eq!(refusal(configuration.in_project(KIND, "p", entries(&[idle]))), "400 Action is required");
    for side in ["src_addresses", "dst_addresses"] {
        let mut grouped = rule("tcp");
        grouped[side] = json!([{"security_group": "local"}]);
        assert_eq!(
            refusal(configuration.in_project(KIND, "p", entries(&[grouped]))),
            "400 Config Error: policy rule refering to security group is not allowed"
        );
    }
}

#[test]
fn pol_d1_a_policy_in_use_stays() {
    let mut configuration = Configuration::new();
    let policy = configuration.in_project(KIND, "p", json!({})).unwrap();
    let network = configuration.network("blue", "10.1.1.0", 24);
    configuration.refer(&network, &policy, json!({"sequence": {"major": 1, "minor": 0}})).unwrap();
    assert!(refusal(configuration.delete(&policy)).starts_with("409 Delete when resource still referred"));
    configuration.unrefer(&network, &policy).unwrap();
    configuration.delete(&policy).unwrap();
}
