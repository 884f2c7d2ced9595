use super::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::embedded().unwrap());

fn object_type(name: &str) -> &'static ObjectType {
    MODEL.object_type(MODEL.find(name).unwrap())
}

fn property(type_name: &str, name: &str, value: Value) -> Result<Value, String> {
    let (_, property) = object_type(type_name).property(name).unwrap();
    MODEL.check_property(property, value)
}

fn item(type_name: &str, name: &str, value: Value) -> Result<Value, String> {
    let (_, property) = object_type(type_name).property(name).unwrap();
    MODEL.check_item(property, value)
}

fn attribute(type_name: &str, field: &str, entry: &Value) -> Result<Value, String> {
    let (_, reference) = object_type(type_name).reference(field).unwrap();
    MODEL.check_attribute(reference, entry)
}

fn error(result: Result<Value, String>) -> String {
    result.unwrap_err()
}

#[test]
fn false_values_are_not_checked() {
    for value in [json!(null), json!(""), json!(0), json!(false), json!([])] {
        let category = property("virtual-network", "virtual_network_category", value.clone());
        assert_eq!(category.unwrap(), value);
    }
    let nested = json!({"forwarding_mode": "", "rpf": null, "vxlan_network_identifier": 0});
    let stored = property("virtual-network", "virtual_network_properties", nested.clone());
    assert_eq!(stored.unwrap(), nested);
}

#[test]
fn integers_are_converted() {
    let aging = |value| property("virtual-network", "mac_aging_time", value);
    assert_eq!(aging(json!("250")).unwrap(), json!(250));
    assert_eq!(aging(json!(" +250 ")).unwrap(), json!(250));
    assert_eq!(aging(json!(300.5)).unwrap(), json!(300));
    assert_eq!(aging(json!(true)).unwrap(), json!(true));
    let text = "Error validating property mac_aging_time: value must be between 0 and 86400";
    for value in [json!(-1), json!(86401), json!("86401"), json!(86401.5)] {
        assert_eq!(error(aging(value)), text);
    }
    for (value, printed) in
        [(json!("abc"), "abc"), (json!("1.5"), "1.5"), (json!(1e300), "1e+300"), (json!([1]), "[1]")]
    {
        assert_eq!(
            error(aging(value)),
            format!("Error validating property mac_aging_time: integer value expected instead of {printed}")
        );
    }
    let hash = property("access-control-list", "access_control_list_hash", json!(u64::MAX));
    assert_eq!(hash.unwrap(), json!(u64::MAX));
}

#[test]
fn simple_values_of_the_wrong_kind_are_refused() {
    for (name, value, reason) in [
        ("is_shared", json!("true"), "true/false expected instead of true"),
        ("is_shared", json!(1), "true/false expected instead of 1"),
        ("display_name", json!(7), "string value expected instead of 7"),
        ("display_name", json!(["x"]), "string value expected instead of ['x']"),
        ("virtual_network_category", json!("other"), "value must be one of ['infra', 'tenant', 'internal', 'routed']"),
    ] {
        assert_eq!(
            error(property("virtual-network", name, value)),
            format!("Error validating property {name}: {reason}")
        );
    }
}

#[test]
fn complex_values_are_checked_field_by_field() {
    let check = |value| error(property("virtual-network", "virtual_network_properties", value));
    let class = "<class 'VirtualNetworkType'>";
    assert_eq!(check(json!("foo")), format!("Error in property virtual_network_properties type {class} value of foo "));
    let prefix = "Error validating property virtual_network_properties value";
    assert_eq!(check(json!({"foo": 1})), format!("{prefix} {{'foo': 1}} class {class} does not have field foo"));
    for (field, value, printed, reason) in [
        ("vxlan_network_identifier", json!("abc"), "'abc'", "integer value expected instead of abc"),
        ("vxlan_network_identifier", json!(16_777_216), "16777216", "value must be between 1 and 16777215"),
        ("forwarding_mode", json!("l4"), "'l4'", "value must be one of ['l2_l3', 'l2', 'l3']"),
        ("rpf", json!(5), "5", "string value expected instead of 5"),
    ] {
        assert_eq!(check(json!({field: value})), format!("{prefix} {{'{field}': {printed}}} {field}: {reason}"));
    }
}

#[test]
fn lists_and_objects_are_not_mixed_up() {
    assert_eq!(
        error(property("virtual-network", "route_target_list", json!({"route_target": "target:1:1"}))),
        "Error validating property route_target_list value {'route_target': 'target:1:1'} \
         Field route_target must be a list. Received value: target:1:1"
    );
    let rules = json!({"policy_rule": [{"action_list": "pass"}]});
    assert!(
        error(property("network-policy", "network_policy_entries", rules))
            .ends_with("action_list: <class 'ActionListType'> expected instead of pass")
    );
}

#[test]
fn collections_come_back_with_their_wrapper() {
    let annotations = |value| property("virtual-network", "annotations", value);
    let empty = json!({"key_value_pair": []});
    assert_eq!(annotations(json!(null)).unwrap(), json!(null));
    assert_eq!(annotations(json!([])).unwrap(), json!(null));
    assert_eq!(annotations(json!({})).unwrap(), empty);
    assert_eq!(annotations(json!({"key_value_pair": null})).unwrap(), empty);
    assert_eq!(
        annotations(json!({"key_value_pair": [
            {"key": "a", "value": "1"}, {"key": "b", "value": "2"}, {"key": "a", "value": "3"}]}))
        .unwrap(),
        json!({"key_value_pair": [{"key": "a", "value": "3"}, {"key": "b", "value": "2"}]})
    );
    let entries = json!({"qos_id_forwarding_class_pair": [
        {"key": "1", "forwarding_class_id": 1}, {"key": 1, "forwarding_class_id": 2}]});
    assert_eq!(
        property("qos-config", "dscp_entries", entries).unwrap(),
        json!({"qos_id_forwarding_class_pair": [{"key": 1, "forwarding_class_id": 2}]})
    );
}

#[test]
fn faults_in_collections() {
    let annotations = |value| error(property("virtual-network", "annotations", value));
    let expect_end = |text: String, end: &str| assert!(text.ends_with(end), "{text}");
    expect_end(
        annotations(json!({"key_value_pair": [{"key": "a", "valu": "b"}]})),
        "} class <class 'KeyValuePair'> does not have field valu",
    );
    expect_end(
        annotations(json!({"key_value_pair": [{"value": "b"}]})),
        "} class <class 'KeyValuePair'> needs field key",
    );
    expect_end(annotations(json!({"key_value_pair": [{"key": {}}]})), "} key: key value expected instead of {}");
    expect_end(
        annotations(json!({"key_value_pair": [null]})),
        "} annotations: <class 'KeyValuePair'> expected instead of None",
    );
    expect_end(annotations(json!({"key_value_pair": "x"})), "} Field key_value_pair must be a list. Received value: x");
    expect_end(annotations(json!({"a": "b"})), "} class <class 'KeyValuePairs'> does not have field a");
    assert_eq!(annotations(json!([1])), "Error in property annotations type <class 'KeyValuePairs'> value of [1] ");
}

#[test]
fn single_elements_are_checked_without_prefix() {
    let pair = json!({"key": "a", "value": "1"});
    let stored = item("virtual-network", "annotations", pair.clone()).unwrap();
    assert_eq!(stored, pair);
    let (_, annotations) = object_type("virtual-network").property("annotations").unwrap();
    assert_eq!(annotations.item_key(&stored), Some("a".to_owned()));
    assert_eq!(
        error(item("virtual-network", "annotations", json!({"bogus": 1}))),
        "class <class 'KeyValuePair'> does not have field bogus"
    );
    assert_eq!(
        error(item("virtual-network", "annotations", json!({"value": "1"}))),
        "class <class 'KeyValuePair'> needs field key"
    );
    assert_eq!(
        item("virtual-network", "virtual_network_fat_flow_protocols", json!({"protocol": "tcp", "port": "1"})).unwrap(),
        json!({"protocol": "tcp", "port": 1})
    );
    assert_eq!(error(item("firewall-rule", "match_tags", json!(5))), "match_tags: string value expected instead of 5");
}

#[test]
fn nul_is_refused_everywhere() {
    assert_eq!(
        error(property("virtual-network", "display_name", json!("a\0"))),
        "Error validating property display_name: NUL characters are not allowed"
    );
    for value in [json!({"a\0": 1}), json!({"key_value_pair": [{"key": "\0"}]})] {
        assert_eq!(
            error(property("virtual-network", "annotations", value)),
            "Error validating property annotations: NUL characters are not allowed"
        );
    }
    assert_eq!(
        error(item("virtual-network", "annotations", json!({"key": "\0"}))),
        "annotations: NUL characters are not allowed"
    );
    let entry = json!({"to": ["n"], "attr": {"timer": {"start_time": "\0"}}});
    assert_eq!(
        error(attribute("virtual-network", "network_policy_refs", &entry)),
        "Error validating reference network_policy_refs: NUL characters are not allowed"
    );
}

// ---- references ----------------------------------------------------------------------------------

#[test]
fn references_that_make_no_sense_without_data_need_the_key() {
    let entry = json!({"to": ["n"]});
    assert_eq!(attribute("logical-router", "virtual_network_refs", &entry).unwrap(), json!(null));
    assert!(error(attribute("virtual-network", "network_ipam_refs", &entry)).ends_with("'attr'"));
    let check = |entry| attribute("virtual-network", "network_policy_refs", &entry);
    assert_eq!(
        error(check(json!({"to": ["p"]}))),
        "Error validating reference network_policy_refs value {'to': ['p']} 'attr'"
    );
    assert_eq!(check(json!({"to": ["p"], "attr": null})).unwrap(), json!(null));
    assert_eq!(
        check(json!({"attr": {"sequence": {"major": "1", "minor": 0}}})).unwrap(),
        json!({"sequence": {"major": 1, "minor": 0}})
    );
    assert_eq!(
        error(check(json!({"attr": {"bogus": 1}}))),
        "Error validating reference network_policy_refs value {'attr': {'bogus': 1}} \
         class <class 'VirtualNetworkPolicyType'> does not have field bogus"
    );
    assert_eq!(
        error(check(json!({"attr": {"sequence": {"major": "x"}}}))),
        "Error validating reference network_policy_refs value {'attr': {'sequence': {'major': 'x'}}} \
         major: integer value expected instead of x"
    );
    assert!(check(json!({"attr": "x"})).is_err());
    assert!(check(json!("x")).is_err());
    let plain = attribute("virtual-network", "qos_config_refs", &json!({"to": ["q"], "attr": {"dropped": 1}}));
    assert_eq!(plain.unwrap(), json!(null));
    let untyped = |entry: Value| attribute("data-center-interconnect", "logical_router_refs", &entry);
    assert_eq!(untyped(json!({"to": ["r"], "attr": {"kept": [1]}})).unwrap(), json!({"kept": [1]}));
    for nothing in [json!({"to": ["r"]}), json!({"to": ["r"], "attr": null}), json!({"to": ["r"], "attr": ""})] {
        assert_eq!(untyped(nothing).unwrap(), json!(null));
    }
    assert!(untyped(json!({"to": ["r"], "attr": {"a": "\0"}})).is_err());
}

// ---- special types -------------------------------------------------------------------------------

#[test]
fn subnets_are_normalised() {
    let check = |prefix: Value, length: Value| {
        let subnet = json!({"ip_prefix": prefix, "ip_prefix_len": length});
        property("instance-ip", "instance_ip_subnet", subnet)
    };
    for (prefix, length, normal, normal_length) in [
        ("10.1.2.77", json!("24"), "10.1.2.0", 24),
        ("0.0.0.0", json!(0), "0.0.0.0", 0),
        ("2001:DB8:0:0:0:0:0:1", json!(64), "2001:db8::", 64),
        ("::1", json!(128.0), "::1", 128),
        ("0", json!(0), "0.0.0.0", 0),
        ("10", json!(8), "10.0.0.0", 8),
        ("1.1", json!(16), "1.1.0.0", 16),
        ("10.9.8", json!("24"), "10.9.8.0", 24),
        ("10.9.8", json!(16), "10.9.0.0", 16),
        ("10.20.00.01", json!(32), "10.20.0.1", 32),
        (" 10.9.8.0 ", json!(24), "10.9.8.0", 24),
    ] {
        assert_eq!(check(json!(prefix), length).unwrap(), json!({"ip_prefix": normal, "ip_prefix_len": normal_length}));
    }
    for (prefix, length, printed) in [
        (json!("haha"), json!(24), "haha/24"),
        (json!("10.1.0.0"), json!(33), "10.1.0.0/33"),
        (json!("10.1.0.0"), json!(-1), "10.1.0.0/-1"),
        (json!("10.1.0.0"), json!(true), "10.1.0.0/True"),
        (json!(null), json!(null), "None/None"),
        (json!(5), json!([]), "5/[]"),
    ] {
        let text = error(check(prefix, length));
        assert!(text.ends_with(&format!("}} Subnet type '{printed}' is invalid")), "{text}");
    }
    let ambiguous = error(check(json!("10.1.010.0"), json!(24)));
    let end = "Subnet type '10.1.010.0/24' is invalid (is 010 octal or decimal? Write octets without leading zeros)";
    assert!(ambiguous.ends_with(end), "{ambiguous}");
    let missing = property("instance-ip", "instance_ip_subnet", json!({"ip_prefix": "10.1.0.0"}));
    assert!(error(missing).ends_with("Subnet type '10.1.0.0/None' is invalid"));
    let unknown = property("instance-ip", "instance_ip_subnet", json!({"prefix": "10.1.0.0"}));
    assert!(error(unknown).ends_with("class <class 'SubnetType'> does not have field prefix"));
}

#[test]
fn allowed_address_pairs() {
    let check = |ip: Value, mode: &str| {
        let pair = json!({"ip": ip, "mac": null, "address_mode": mode});
        property(
            "virtual-machine-interface",
            "virtual_machine_interface_allowed_address_pairs",
            json!({"allowed_address_pair": [pair]}),
        )
    };
    let subnet = |prefix: &str, length: u8| json!({"ip_prefix": prefix, "ip_prefix_len": length});
    for (ip, mode, end) in [
        (subnet("10.0.0.1", 23), "active-standby", "IPv4 Prefix length lesser than 24:it is 23 - is not acceptable"),
        (subnet("fd00::1", 100), "active-standby", "IPv6 Prefix length lesser than 120 is is not acceptable"),
        (subnet("300.0.0.1", 32), "active-standby", "failed to detect a valid IP address from '300.0.0.1'"),
        (json!(null), "active-standby", "failed to detect a valid IP address from 'None'"),
        (subnet("300.0.0.1", 32), "active-active", "Subnet type '300.0.0.1/32' is invalid"),
        (subnet(" 10.0.0.1", 32), "active-active", "Subnet type ' 10.0.0.1/32' is invalid"),
        (subnet(" 10.0.0.1", 32), "active-standby", "failed to detect a valid IP address from ' 10.0.0.1'"),
        (subnet(" 10.0.0.1", 32), "", "Subnet type ' 10.0.0.1/32' is invalid"),
        (json!("10.0.0.1"), "active-standby", "ip: <class 'SubnetType'> expected instead of 10.0.0.1"),
    ] {
        let text = error(check(ip, mode));
        assert!(text.ends_with(&format!("}} {end}")), "{text}");
    }
    let stored = check(subnet("10.0.0.7", 24), "active-standby").unwrap();
    assert_eq!(stored["allowed_address_pair"][0]["ip"], subnet("10.0.0.0", 24));
    assert!(check(subnet("10.0.0.7", 8), "active-active").is_ok());
}

#[test]
fn communities() {
    let check = |community: &str| {
        let route = json!({"prefix": "0.0.0.0/0",
            "community_attributes": {"community_attribute": [community]}});
        property("interface-route-table", "interface_route_table_routes", json!({"route": [route]}))
    };
    for community in ["no-export", "no-reoriginate", "64512:5", "0:0"] {
        assert!(check(community).is_ok());
    }
    for community in ["1:2:3", "x:1", "1", "1:", ":", "no-Export"] {
        let text = error(check(community));
        let end = format!("}} Invalid community format {community}. Change to 'number:number'");
        assert!(text.ends_with(&end), "{text}");
    }
    // Elements of lists are checked also where Python takes them for false.
    let list = |list: Value| {
        let route = json!({"prefix": "0.0.0.0/0", "community_attributes": {"community_attribute": list}});
        property("interface-route-table", "interface_route_table_routes", json!({"route": [route]}))
    };
    for (given, end) in [
        (json!([""]), "Invalid community format . Change to 'number:number'"),
        (json!(["64512:5", ""]), "Invalid community format . Change to 'number:number'"),
        (json!([null]), "Invalid community format None. Change to 'number:number'"),
        (json!([false]), "community_attribute: string value expected instead of False"),
    ] {
        let text = error(list(given));
        assert!(text.ends_with(&format!("}} {end}")), "{text}");
    }
    for nothing in [json!([]), json!(null), json!("")] {
        assert!(list(nothing).is_ok());
    }
    for community in ["99999:1", "99999999999999999999:1"] {
        let text = error(check(community));
        let end = format!("}} Out of range ASN value {community}. ASN values cannot exceed 65535.");
        assert!(text.ends_with(&end), "{text}");
    }
}

#[test]
fn service_interfaces() {
    let check = |name: &str| {
        property(
            "virtual-machine-interface",
            "virtual_machine_interface_properties",
            json!({"service_interface_type": name}),
        )
    };
    for name in ["management", "left", "right", "other", "other12"] {
        assert!(check(name).is_ok());
    }
    for name in ["middle", "leftover", "other1x"] {
        let text = error(check(name));
        let end =
            format!("}} Invalid service interface type {name}. Valid values are: management|left|right|other[0-9]*");
        assert!(text.ends_with(&end), "{text}");
    }
}
