//! Types around services that check little: alarms, classes of traffic, bridge domains.

use super::*;

#[test]
fn alm_c1_alm_c2_conditions_of_alarms() {
    let mut configuration = Configuration::new();
    let rules = |operation: &str, operand: Value| {
        let condition = json!({"operation": operation, "operand1": "A.b", "operand2": operand});
        json!({"alarm_rules": {"or_list": [{"and_list": [condition]}]}})
    };
    let mut create = |members: Value| configuration.in_project("alarm", "a", members);
    for (members, text) in [
        (json!({}), "alarm_rules not specified or null"),
        (json!({"alarm_rules": {}}), "alarm_rules not specified or null"),
        (json!({"alarm_rules": {"or_list": [{}]}}), "Invalid alarm_rules"),
        (rules("==", json!({})), "operand2 should have 'uve_attribute' or 'json_value'"),
        (
            rules("==", json!({"json_value": "1", "uve_attribute": "A.c"})),
            "operand2 should have either 'uve_attribute' or 'json_value', not both",
        ),
        (rules("==", json!({"json_value": "x"})), "Invalid json_value 'x' specified in alarm_rules"),
        (rules("range", json!({"uve_attribute": "A.c"})), "json_value not specified for 'range' operation"),
        (
            rules("range", json!({"json_value": "[5, 1]"})),
            "Invalid json_value [5, 1] for 'range' operation. json_value should be specified as '[x, y]', where x < y",
        ),
    ] {
        assert_eq!(refusal(create(members)), format!("400 {text}"));
    }
    let alarm = create(rules("range", json!({"json_value": "[1, 5]"}))).unwrap();
    configuration.update(&alarm, rules("==", json!({"uve_attribute": "A.c"}))).unwrap();
    assert_eq!(
        refusal(configuration.update(&alarm, json!({"alarm_rules": null}))),
        "400 alarm_rules cannot be removed"
    );
}

#[test]
fn qos_c1_keys_of_traffic_marks() {
    let mut configuration = Configuration::new();
    let entries = |field: &str, key: i64| json!({field: {"qos_id_forwarding_class_pair": [{"key": key, "forwarding_class_id": 1}]}});
    for (field, title, last) in
        [("dscp_entries", "DSCP", 63), ("vlan_priority_entries", "802.1p", 7), ("mpls_exp_entries", "MPLS EXP", 7)]
    {
        let good = configuration.in_project("qos-config", field, entries(field, last)).unwrap();
        assert_eq!(configuration.links(&good, "global_system_config_refs").len(), 1);
        let text = format!("400 Invalid {title} value {}", last + 1);
        assert_eq!(refusal(configuration.in_project("qos-config", "q", entries(field, last + 1))), text);
        assert_eq!(refusal(configuration.update(&good, entries(field, last + 1))), text);
    }
    let keyless = json!({"dscp_entries": {"qos_id_forwarding_class_pair": [{"forwarding_class_id": 1}]}});
    let refused = configuration.in_project("qos-config", "q", keyless);
    assert!(refusal(refused).ends_with("needs field key"));
}

#[test]
fn fc_c1_forwarding_classes_have_ids_of_their_own() {
    let mut configuration = Configuration::new();
    let parent =
        configuration.find("global-qos-config", "default-global-system-config:default-global-qos-config").unwrap();
    let mut create = |name: &str, members: Value| configuration.below(&parent, "forwarding-class", name, members);
    let one = create("one", json!({})).unwrap();
    assert_eq!(refusal(create("two", json!({}))), "400 Forwarding class one is configured with a id 0");
    let two = create("two", json!({"forwarding_class_id": 5})).unwrap();
    let changed = configuration.update(&two, json!({"forwarding_class_id": 0}));
    assert_eq!(refusal(changed), "400 Forwarding class one is configured with a id 0");
    configuration.update(&one, json!({"forwarding_class_id": 0})).unwrap();
}

#[test]
fn bd_c1_one_bridge_domain_in_a_network() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let first = configuration.below(&network, "bridge-domain", "one", json!({})).unwrap();
    assert_eq!(
        refusal(configuration.below(&network, "bridge-domain", "two", json!({}))),
        format!(
            "400 Virtual network({}) can have only one bridge domain. Bridge domain({}) is already created under this virtual network",
            network.uuid, first.uuid
        )
    );
}
