//! What routes are exchanged with: route targets, routing instances, BGP, and the global number behind them.

use super::*;

const TARGET_FORM: &str = "400 Route target must be of the format 'target:<asn>:<number>' or 'target:<ip>:<number>'";
const AUTOMATIC: &str = "400 Configured route target must use ASN that is different from global ASN or route target value must be less than";

fn target(configuration: &mut Configuration, name: &str) -> Decision<Arc<Object>> {
    configuration.at_top("route-target", name, json!({}))
}

fn listed(target: &str) -> Value {
    json!({"import_route_target_list": {"route_target": [target]}})
}

fn routing_instance(configuration: &Configuration) -> Arc<Object> {
    configuration.find("routing-instance", "default-domain:default-project:ip-fabric:__default__").unwrap()
}

#[test]
fn rt_c1_rt_c2_rt_g1_names_of_route_targets() {
    let mut configuration = Configuration::new();
    for good in ["target:64512:8000001", "target:1.2.3.4:5", "target:70000L:65535"] {
        target(&mut configuration, good).unwrap();
    }
    for bad in [
        "target",
        "target:1",
        "target:1:x",
        "target:1.2.3:4",
        "to:1:2",
        "target:1:2:3",
        "target:x:2",
        "target:1.2.3.04:4",
    ] {
        assert_eq!(refusal(target(&mut configuration, bad)), TARGET_FORM, "{bad}");
    }
    let text = "400 Route Target index value must be less than 0xFFFF in case of 4 byte ASN";
    assert_eq!(refusal(target(&mut configuration, "target:70000L:65536")), text);
}

#[test]
fn rt_g0_a_route_target_is_found_by_its_whole_name() {
    let mut configuration = Configuration::new();
    target(&mut configuration, "target:64800:5").unwrap();
    for part in ["target", "target:64800"] {
        assert!(configuration.find("route-target", part).is_none());
        assert_eq!(refusal(target(&mut configuration, part)), TARGET_FORM);
    }
    assert!(refusal(target(&mut configuration, "target:64800:5")).starts_with("409 "));
}

#[test]
fn rt_g2_rt_g3_rt_g4_vn_c7_what_users_may_list() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    let two = "8000000 and greater than 16777216";
    let four = "8000 and greater than 32768";
    let out = |highest: &str| format!("400 ASN out of range, should be between 1-{highest}");
    let global = configuration.global();
    let mut check = |cases: &[(&str, Result<&str, String>)]| {
        for (given, expected) in cases {
            match (configuration.update(&network, listed(given)), expected) {
                (Ok(_), Ok(normal)) => {
                    let stored = configuration.get(&network, "import_route_target_list");
                    assert_eq!(stored["route_target"][0], *normal);
                }
                (refused, expected) => assert_eq!(refusal(refused), *expected.as_ref().unwrap_err(), "{given}"),
            }
        }
    };
    check(&[
        ("target:64512:7999999", Ok("target:64512:7999999")),
        ("target:64512:8000000", Err(format!("{AUTOMATIC} {two}"))),
        ("target:64512:16777216", Err(format!("{AUTOMATIC} {two}"))),
        ("target:64512:16777217", Ok("target:64512:16777217")),
        ("target:64513:8000000", Ok("target:64513:8000000")),
        ("target:9.9.9.9:8000000", Ok("target:9.9.9.9:8000000")),
        ("target:0:5", Err(out("0xFFFF"))),
        ("target:65536:5", Err(out("0xFFFF"))),
        ("nonsense", Err(TARGET_FORM.to_owned())),
    ]);
    configuration.update(&global, json!({"enable_4byte_as": true, "autonomous_system": 70000})).unwrap();
    let mut check = |given: &str| configuration.update(&network, listed(given));
    check("target:64512L:5").unwrap();
    check("target:70000:7999").unwrap();
    assert_eq!(refusal(check("target:70000:8000")), format!("{AUTOMATIC} {four}"));
    assert_eq!(refusal(check("target:70000:65536")), format!("{AUTOMATIC} {four}"));
    assert_eq!(refusal(check("target:4294967296:5")), out("0xFFFFFFFF"));
}

#[test]
fn ri_c1_ri_u1_ri_d1_the_default_instance_is_the_system_s() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    let default = configuration.find("routing-instance", "default-domain:default-project:blue:blue").unwrap();
    let text = |instance: &str| {
        format!("409 Cannot modify system resource Routing Instance default-domain:default-project:blue:{instance}(")
    };
    let another = configuration.below(&network, "routing-instance", "x", json!({"routing_instance_is_default": true}));
    assert!(refusal(another).starts_with(&text("x")));
    let changed = configuration.update(&default, json!({"routing_instance_is_default": false}));
    assert!(refusal(changed).starts_with(&text("blue")));
    configuration.update(&default, json!({"routing_instance_is_default": true})).unwrap();
    assert!(refusal(configuration.delete(&default)).starts_with(&text("blue")));
    let own = configuration.below(&network, "routing-instance", "x", json!({})).unwrap();
    configuration.delete(&own).unwrap();
}

#[test]
fn ri_g1_instances_refer_to_targets_and_to_each_other() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    let mut instance = |name: &str| configuration.below(&network, "routing-instance", name, json!({})).unwrap();
    let (one, other) = (instance("one"), instance("other"));
    let target = target(&mut configuration, "target:1:1").unwrap();
    configuration.refer(&one, &target, json!({"import_export": "import"})).unwrap();
    configuration.refer(&one, &other, Value::Null).unwrap();
    let name = one.fq_name.joined().to_string();
    assert_eq!(configuration.links(&other, "routing_instance_refs"), [(name, Value::Null)]);
    configuration.delete(&one).unwrap();
    assert!(configuration.links(&other, "routing_instance_refs").is_empty());
}

fn parameters(members: Value) -> Value {
    json!({ "bgp_router_parameters": members })
}

#[test]
fn bgpr_c1_bgpr_c2_bgpr_u1_sessions_of_a_router() {
    let mut configuration = Configuration::new();
    let instance = routing_instance(&configuration);
    let mut number = 0;
    let mut create = |members: Value| {
        number += 1;
        configuration.below(&instance, "bgp-router", &number.to_string(), parameters(members))
    };
    let hold = "400 BGPaaS: Hold Time MUST be either zero or at least three seconds";
    let asn = "400 ASN out of range, should be between 1-0xFFFF";
    for seconds in [0, 3, 65535] {
        create(json!({"hold_time": seconds})).unwrap();
    }
    for seconds in [1, 2] {
        assert_eq!(refusal(create(json!({"hold_time": seconds}))), hold);
    }
    for number in [0, 65536, -1] {
        assert_eq!(refusal(create(json!({"autonomous_system": number}))), asn);
    }
    for number in [65536, -1] {
        assert_eq!(refusal(create(json!({"local_autonomous_system": number}))), asn);
    }
    create(json!({"local_autonomous_system": 0})).unwrap();
    let router = create(json!({"autonomous_system": 64512, "local_autonomous_system": 65535})).unwrap();
    assert_eq!(refusal(configuration.update(&router, parameters(json!({"hold_time": 1})))), hold);
    assert_eq!(refusal(configuration.update(&router, parameters(json!({"autonomous_system": 70000})))), asn);
}

#[test]
fn bgpr_c3_subc_c1_subc_u1_sub_clusters() {
    let mut configuration = Configuration::new();
    let instance = routing_instance(&configuration);
    let one = configuration.at_top("sub-cluster", "one", json!({"sub_cluster_asn": 64600})).unwrap();
    assert_eq!(configuration.get(&one, "sub_cluster_id"), 1);
    let used = configuration.at_top("sub-cluster", "two", json!({"sub_cluster_id": 1}));
    assert_eq!(refusal(used), "400 Sub-cluster ID '1' is already used, choose another one");
    let two = configuration.at_top("sub-cluster", "two", json!({"sub_cluster_id": 7})).unwrap();
    assert!(refusal(configuration.update(&two, json!({"sub_cluster_id": 1}))).contains("already used"));
    configuration.update(&two, json!({"sub_cluster_id": 2})).unwrap();
    let asn = configuration.update(&one, json!({"sub_cluster_asn": 64601}));
    assert_eq!(refusal(asn), "400 Sub cluster ASN can not be modified");
    configuration.delete(&one).unwrap();
    let again = configuration.at_top("sub-cluster", "one", json!({"sub_cluster_asn": 64600})).unwrap();
    assert_eq!(configuration.get(&again, "sub_cluster_id"), 1);
    let mut body = parameters(json!({"autonomous_system": 64512}));
    extend(&mut body, json!({"sub_cluster_refs": [{"to": ["one"]}]}));
    let different = configuration.below(&instance, "bgp-router", "r", body.clone());
    assert_eq!(refusal(different), "400 Subcluster asn and bgp asn should be same");
    body["bgp_router_parameters"]["autonomous_system"] = json!(64600);
    let router = configuration.below(&instance, "bgp-router", "r", body).unwrap();
    let changed = configuration.update(&router, parameters(json!({"autonomous_system": 64512})));
    assert_eq!(refusal(changed), "400 Subcluster asn and bgp asn should be same");
}

#[test]
fn bgpr_c4_bgpr_u1_one_zone_for_control_nodes() {
    let mut configuration = Configuration::new();
    let (instance, global) = (routing_instance(&configuration), configuration.global());
    let mut zone = |name: &str| configuration.below(&global, "control-node-zone", name, json!({})).unwrap();
    let (one, two) = (zone("one"), zone("two"));
    let zones = |zones: &[&Object]| {
        let refs: Vec<Value> = zones.iter().map(|zone| json!({"uuid": zone.uuid.to_string()})).collect();
        json!({"control_node_zone_refs": refs})
    };
    let node = configuration
        .below(&instance, "bgp-router", "node", parameters(json!({"router_type": "control-node"})))
        .unwrap();
    let other =
        configuration.below(&instance, "bgp-router", "other", parameters(json!({"router_type": "router"}))).unwrap();
    let many = "400 BgpRouter should refer only one control-node-zone";
    assert_eq!(refusal(configuration.update(&node, zones(&[&one, &two]))), many);
    assert_eq!(
        refusal(configuration.update(&other, zones(&[&one]))),
        "400 BgpRouter type should be 'control-node' to refer control-node-zone"
    );
    configuration.update(&node, zones(&[&one])).unwrap();
    assert_eq!(refusal(configuration.refer(&node, &two, Value::Null)), many);
    assert_eq!(refusal(configuration.update(&node, zones(&[&two]))), many);
    configuration.update(&node, zones(&[])).unwrap();
    configuration.update(&node, zones(&[&two])).unwrap();
}

#[test]
fn bgaas_c1_bgaas_c2_bgaas_u1_bgp_as_a_service() {
    let mut configuration = Configuration::new();
    let mut create = |members: Value| configuration.in_project("bgp-as-a-service", "b", members);
    let hold = json!({"bgpaas_session_attributes": {"hold_time": 2}});
    assert!(refusal(create(hold)).starts_with("400 BGPaaS: Hold Time"));
    assert!(refusal(create(json!({"autonomous_system": 70000}))).starts_with("400 ASN out of range"));
    let local = json!({"bgpaas_session_attributes": {"local_autonomous_system": 70000}});
    assert!(refusal(create(local)).starts_with("400 ASN out of range"));
    let text = "400 BGPaaS IP Address needs to be configured if BGPaaS is shared";
    assert_eq!(refusal(create(json!({"bgpaas_shared": true}))), text);
    let shared = create(json!({"bgpaas_shared": true, "bgpaas_ip_address": "10.1.1.1"})).unwrap();
    let changed = configuration.update(&shared, json!({"bgpaas_shared": false}));
    assert_eq!(refusal(changed), "400 BGPaaS sharing cannot be modified");
    configuration.update(&shared, json!({"bgpaas_shared": true})).unwrap();
}

#[test]
fn bgaas_c3_one_zone_of_each_kind() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let mut zone = |name: &str| configuration.below(&global, "control-node-zone", name, json!({})).unwrap();
    let (one, two) = (zone("one"), zone("two"));
    let service = configuration.in_project("bgp-as-a-service", "b", json!({})).unwrap();
    let kind = |kind: &str| json!({"bgpaas_control_node_zone_type": kind});
    configuration.refer(&service, &one, kind("primary")).unwrap();
    let text = "400 BGPaaS has configured with more than one primary control-node-zones";
    assert_eq!(refusal(configuration.refer(&service, &two, kind("primary"))), text);
    configuration.refer(&service, &two, kind("secondary")).unwrap();
    configuration.unrefer(&service, &one).unwrap();
}

#[test]
fn gsc_c1_there_is_one_global_configuration() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let text =
        format!("400 Global System Config already exists with name default-global-system-config ({})", global.uuid);
    assert_eq!(refusal(configuration.at_top("global-system-config", "another", json!({}))), text);
}

#[test]
fn gsc_u1_patterns_are_regular_expressions() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let statistic = |pattern: &str| json!({"name": "n", "pattern": pattern});
    let all = |pattern: &str| json!({"user_defined_log_statistics": {"statlist": [statistic(pattern)]}});
    configuration.update(&global, all("^a(?!b)[0-9]+$")).unwrap();
    let text = "400 Regex error in user-defined-log-statistics at n: a(b (Error: ";
    assert!(refusal(configuration.update(&global, all("a(b"))).starts_with(text));
    let element = configuration.put_element(&global, "user_defined_log_statistics", "set", statistic("a(b"));
    assert!(refusal(element).starts_with(text));
}

#[test]
fn gsc_u2_gsc_u7_the_autonomous_system() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let two = "400 ASN out of range, should be between 1-0xFFFF";
    for number in [0, 65536] {
        assert_eq!(refusal(configuration.update(&global, json!({"autonomous_system": number}))), two);
    }
    configuration.update(&global, json!({"autonomous_system": 65536, "enable_4byte_as": true})).unwrap();
    configuration.update(&global, json!({"autonomous_system": 64600})).unwrap();
    // It holds for the next request.
    let network = configuration.in_project("virtual-network", "blue", listed("target:64600:8000000"));
    assert!(refusal(network).starts_with(AUTOMATIC));
    configuration.in_project("virtual-network", "blue", listed("target:64512:8000000")).unwrap();
}

#[test]
fn gsc_u3_beside_four_bytes_there_is_less_room() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let big = configuration.at_top("sub-cluster", "big", json!({"sub_cluster_id": 65536})).unwrap();
    let four = json!({"autonomous_system": 70000, "enable_4byte_as": true});
    let text = "400 Cannot reduce Sub-Cluster ID to 2 bytes, some IDs are bigger than 2 bytes";
    assert_eq!(refusal(configuration.update(&global, four.clone())), text);
    configuration.delete(&big).unwrap();
    // Put into the graph as they are: that is what counts here, not how they came.
    let template = target(&mut configuration, "target:64512:8000000").unwrap();
    for number in 8_000_001..=8_000_000 + (1 << 15) {
        let mut target = Object::clone(&template);
        target.uuid = Uuid::from_u128(number);
        target.fq_name = crate::graph::FqName::new(&[format!("target:64512:{number}")]);
        configuration.graph.put(&Arc::new(target));
    }
    assert_eq!(refusal(configuration.update(&global, four.clone())), "400 Not enough space for RTs in 4 bytes ASN");
    configuration.delete(&template).unwrap();
    configuration.update(&global, four).unwrap();
    let beyond = configuration.at_top("sub-cluster", "big", json!({"sub_cluster_id": 65536}));
    assert!(refusal(beyond).starts_with("400 Requested ID 65536 is out of the range."));
}

#[test]
fn gsc_u4_configured_targets_stay_out_of_the_automatic_range() {
    for (kind, title, field) in [
        ("virtual-network", "Virtual network", "export_route_target_list"),
        ("logical-router", "Logical router", "configured_route_target_list"),
    ] {
        let mut configuration = Configuration::new();
        let global = configuration.global();
        let targets = json!({field: {"route_target": ["target:64600:8000005", "target:64600:5"]}});
        let object = configuration.in_project(kind, "x", targets).unwrap();
        let text = format!(
            "400 {title}s are configured with a route target with this ASN 64600 and route target value in the same range as used by automatically allocated route targets:\n\t- default-domain:default-project:x ({}) have route target 64600:8000005 configured in {field}\n",
            object.uuid
        );
        assert_eq!(refusal(configuration.update(&global, json!({"autonomous_system": 64600}))), text);
        configuration.update(&global, json!({"autonomous_system": 64601})).unwrap();
    }
}

#[test]
fn gsc_u5_ports_of_bgp_as_a_service() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let ports = |start: u16, end: u16| json!({"bgpaas_parameters": {"port_start": start, "port_end": end}});
    assert_eq!(refusal(configuration.update(&global, ports(50001, 50000))), "400 Invalid Port range specified");
    configuration.update(&global, ports(50010, 50020)).unwrap();
    configuration.in_project("bgp-as-a-service", "b", json!({})).unwrap();
    for (start, end) in [(50011, 50020), (50010, 50019)] {
        assert_eq!(refusal(configuration.update(&global, ports(start, end))), "400 BGP Port range cannot be shrunk");
    }
    configuration.update(&global, ports(50000, 50020)).unwrap();
}

#[test]
fn gsc_u8_loopbacks_of_connected_data_centers() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let namespace = |prefixes: &[&str]| {
        let subnets: Vec<Value> =
            prefixes.iter().map(|prefix| json!({"ip_prefix": prefix, "ip_prefix_len": 24})).collect();
        json!({"data_center_interconnect_loopback_namespace": {"subnet": subnets}})
    };
    configuration.update(&global, namespace(&["10.9.1.0", "10.9.2.0"])).unwrap();
    let network = configuration.find("virtual-network", "default-domain:default-project:dci-network").unwrap();
    let prefixes = |configuration: &Configuration| -> Vec<Value> {
        let links = configuration.links(&network, "network_ipam_refs");
        assert_eq!(links[0].0, "default-domain:default-project:default-dci-lo0-network-ipam");
        let subnets = links[0].1["ipam_subnets"].as_array().unwrap();
        subnets.iter().map(|entry| entry["subnet"]["ip_prefix"].clone()).collect()
    };
    assert_eq!(prefixes(&configuration), ["10.9.1.0", "10.9.2.0"]);
    configuration.update(&global, namespace(&["10.9.2.0"])).unwrap();
    assert_eq!(prefixes(&configuration), ["10.9.2.0"]);
}

#[test]
fn si_c1_si_d1_units_of_a_service_on_a_device() {
    let mut configuration = Configuration::new();
    let annotations = |keys: &[&str]| {
        let pairs: Vec<Value> = keys.iter().map(|key| json!({"key": key, "value": "1"})).collect();
        json!({"service_instance_properties": {"service_virtualization_type": "physical-device"},
            "annotations": {"key_value_pair": pairs}})
    };
    let keys = ["left-svc-vlan", "right-svc-vlan", "left-svc-asns", "right-svc-asns"];
    let bare = json!({"service_instance_properties": {"service_virtualization_type": "physical-device"}});
    let mut create = |name: &str, members: Value| configuration.in_project("service-instance", name, members);
    assert_eq!(refusal(create("s", bare)), "400 svc attributes should be defined as key_value_pairs");
    for (number, text) in ["Left svc vlan", "Right svc vlan", "Left svc asn", "Right svc asn"].iter().enumerate() {
        let mut keys = keys.to_vec();
        keys.remove(number);
        assert_eq!(refusal(create("s", annotations(&keys))), format!("400 {text} should be defined in svc "));
    }
    create("machine", json!({})).unwrap();
    let service = create("s", annotations(&keys)).unwrap();
    let units = configuration.get(&service, "service_instance_bindings");
    assert_eq!(
        units,
        json!({"key_value_pair": [{"key": "left-svc-unit", "value": "5"}, {"key": "right-svc-unit", "value": "6"}]})
    );
    // Numbers that clients write are nobody's.
    let mine = json!({"key": "left-svc-unit", "value": "7"});
    configuration.put_element(&service, "service_instance_bindings", "set", mine.clone()).unwrap();
    configuration.update(&service, json!({"service_instance_bindings": {"key_value_pair": [mine.clone()]}})).unwrap();
    assert_eq!(configuration.get(&service, "service_instance_bindings"), units);
    let machine = configuration.find("service-instance", "default-domain:default-project:machine").unwrap();
    configuration.put_element(&machine, "service_instance_bindings", "set", mine.clone()).unwrap();
    let bindings = json!({"service_instance_bindings": {"key_value_pair": [mine]}});
    configuration.in_project("service-instance", "another", bindings).unwrap();
    let tuple = configuration.below(&service, "port-tuple", "t", json!({})).unwrap();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    assert_eq!(configuration.get(&network, "virtual_network_network_id"), 7);
    configuration.delete(&service).unwrap();
    assert!(configuration.current(&tuple).is_none());
    let network = configuration.in_project("virtual-network", "red", json!({})).unwrap();
    assert_eq!(configuration.get(&network, "virtual_network_network_id"), 5);
}

/// A policy with one term: what it matches, and what it does.
fn term(matched: Value, done: Value) -> Value {
    json!({"term_match_condition": matched, "term_action_list": done})
}

fn policy(kind: &str, terms: &[Value]) -> Value {
    json!({"term_type": kind, "routing_policy_entries": {"term": terms}})
}

#[test]
fn rpol_c1_a_path_does_not_grow_with_the_own_number() {
    let mut configuration = Configuration::new();
    let expand = |number: u64| term(json!({}), json!({"update": {"as_path": {"expand": {"asn_list": [1, number]}}}}));
    let (own, other) = (expand(64512), expand(64513));
    let text = "400 ASN can't be same as global system config asn";
    let mut create = |kind: &str, terms: &[Value]| configuration.in_project("routing-policy", "p", policy(kind, terms));
    for kind in ["vrouter", "network-device"] {
        assert_eq!(refusal(create(kind, std::slice::from_ref(&own))), text);
    }
    assert_eq!(refusal(create("network-device", &[other.clone(), own.clone()])), text);
    let made = create("vrouter", &[other, own.clone()]).unwrap();
    configuration.update(&made, json!({"routing_policy_entries": {"term": [own]}})).unwrap();
    let global = configuration.global();
    configuration.update(&global, json!({"autonomous_system": 64513})).unwrap();
    let again = configuration.in_project("routing-policy", "q", policy("vrouter", &[expand(64513)]));
    assert_eq!(refusal(again), text, "the number is the one of now");
}

#[test]
fn rpol_c2_a_policy_refers_to_the_route_tables_that_it_names() {
    let mut configuration = Configuration::new();
    let mut table = |name: &str| {
        let routes = json!({"interface_route_table_routes": {"route": [{"prefix": "10.1.0.0/16"}]}});
        configuration.in_project("interface-route-table", name, routes).unwrap()
    };
    let (one, two, three) = (table("one"), table("two"), table("three"));
    let lists = |tables: &[&str]| {
        let lists = json!({"prefix_list": [{"interface_route_table_uuid": tables, "prefix_type": "exact"}]});
        json!({"routing_policy_entries": {"term": [term(lists, json!({}))]}})
    };
    let (uuid_one, uuid_two) = (one.uuid.to_string(), two.uuid.to_string());
    let unknown = Uuid::new_v4().to_string();
    let named = lists(&[&uuid_one, &unknown, "no uuid", &uuid_one]);
    let made = configuration.in_project("routing-policy", "p", named).unwrap();
    let tables = |configuration: &Configuration| -> Vec<String> {
        let links = configuration.links(&made, "interface_route_table_refs");
        links.into_iter().map(|(name, _)| name.rsplit(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(tables(&configuration), ["one"]);
    assert!(refusal(configuration.delete(&one)).starts_with("409 "), "what a policy names stays");
    configuration.refer(&made, &three, Value::Null).unwrap();
    configuration.update(&made, lists(&[&uuid_two])).unwrap();
    let mut both = tables(&configuration);
    both.sort();
    assert_eq!(both, ["three", "two"], "what a client added stays, what the entries no longer name goes");
    configuration.update(&made, json!({"display_name": "n"})).unwrap();
    assert_eq!(tables(&configuration).len(), 2);
    configuration.update(&made, json!({"routing_policy_entries": null})).unwrap();
    assert_eq!(tables(&configuration), ["three"]);
}

#[test]
fn rpol_c3_terms_for_devices() {
    let mut configuration = Configuration::new();
    let filter = |filter: Value| term(json!({"route_filter": {"route_filter_properties": [filter]}}), json!({}));
    let typed =
        |kind: &str, value: &str| filter(json!({"route": "10.0.0.0/8", "route_type": kind, "route_type_value": value}));
    let range = "prefix-length-range should be in format '/minlength-/maxlength'";
    let path = "valid format is AS number(s) seperated by spaces";
    let bad = [
        (
            term(json!({"protocol": ["bgp", "xmpp"]}), json!({})),
            "xmpp protocol value is not valid value for network-device term".to_owned(),
        ),
        (
            term(json!({"nlri_route_type": [1, 11]}), json!({})),
            "11 nlri-route-type is not valid value, value should be in range of 1 to 10".to_owned(),
        ),
        (filter(json!({})), "route_filter must have non-empty route value for network-device term".to_owned()),
        (
            filter(json!({"route": "10.0.0.0/8"})),
            "route_filter must have valid route_type for network-device term".to_owned(),
        ),
        (typed("prefix-length-range", "8-16"), format!("route-filter value 8-16 invalid. {range}")),
        (typed("prefix-length-range", "/8"), format!("route-filter value /8 invalid. {range}")),
        (typed("upto", "16"), "route-filter value 16 invalid. upto should be in format '/length'".to_owned()),
        (
            typed("through", "/16"),
            "route-filter value /16 invalid. through should be in format 'prefix/length'".to_owned(),
        ),
        (term(json!({}), json!({"as_path_expand": "1,2"})), format!("as_path_expand has invalid value 1,2. {path}")),
        (term(json!({}), json!({"as_path_prepend": "x"})), format!("as_path_prepend has invalid value x. {path}")),
    ];
    let good = [
        term(json!({"protocol": ["bgp", "ospf3"], "nlri_route_type": [1, 10]}), json!({"as_path_prepend": "1 2"})),
        typed("exact", ""),
        typed("prefix-length-range", "/8-/16"),
        typed("upto", "/16"),
        typed("through", "10.1.0.0/16"),
    ];
    let made = configuration.in_project("routing-policy", "good", policy("network-device", &good)).unwrap();
    for (bad, text) in bad {
        let terms = [good[0].clone(), bad];
        let refused = configuration.in_project("routing-policy", "bad", policy("network-device", &terms));
        assert_eq!(refusal(refused), format!("400 {text}"));
        let changed = configuration.update(&made, json!({"routing_policy_entries": {"term": terms}}));
        assert_eq!(refusal(changed), format!("400 {text}"));
        let name = Uuid::new_v4().to_string();
        configuration.in_project("routing-policy", &name, policy("vrouter", &terms)).unwrap();
    }
}

#[test]
fn rpol_u1_what_terms_are_for_is_chosen_once() {
    let mut configuration = Configuration::new();
    let plain = configuration.in_project("routing-policy", "plain", json!({})).unwrap();
    let device = configuration.in_project("routing-policy", "d", policy("network-device", &[])).unwrap();
    let text = |old: &str| {
        format!(
            "403 Cannot change term_type of routing policy! Please specify '{old}' as a term_type in routing_policy_entries."
        )
    };
    configuration.update(&plain, json!({"term_type": "vrouter"})).unwrap();
    assert_eq!(refusal(configuration.update(&plain, json!({"term_type": "network-device"}))), text("vrouter"));
    configuration.update(&device, json!({"term_type": "network-device"})).unwrap();
    for other in [json!("vrouter"), Value::Null] {
        assert_eq!(refusal(configuration.update(&device, json!({"term_type": other}))), text("network-device"));
    }
}

#[test]
fn ragg_c1_aggregates_are_of_one_family_and_one_service() {
    let mut configuration = Configuration::new();
    let routes = |routes: &[&str]| json!({"aggregate_route_entries": {"route": routes}});
    let mut create = |name: &str, members: Value| configuration.in_project("route-aggregate", name, members);
    let family = "400 All prefixes in a route aggregate object must be of same ip family";
    for (given, text) in [
        (&["10.0.0.0/8", "2001:db8::/32"][..], family),
        (&["2001:db8::/32", "10.0.0.0/8"], family),
        (&["10.0.0.0/33"], "400 Invalid route: 10.0.0.0/33"),
        (&["10.0.0.0/8", ""], "400 Invalid route: "),
        (&["x"], "400 Invalid route: x"),
    ] {
        assert_eq!(refusal(create("bad", routes(given))), text);
    }
    let made = create("good", routes(&["10.0.0.0/8", "192.0.2.1"])).unwrap();
    create("six", routes(&["2001:db8::/32", "2001:db9::/32"])).unwrap();
    create("none", json!({})).unwrap();
    assert_eq!(refusal(configuration.update(&made, routes(&["10.0.0.0/8", "::/0"]))), family);
    let mut service = |name: &str| configuration.in_project("service-instance", name, json!({})).unwrap();
    let (one, two) = (service("one"), service("two"));
    configuration.refer(&made, &one, json!({"interface_type": "left"})).unwrap();
    let second = configuration.refer(&made, &two, json!({"interface_type": "left"}));
    assert_eq!(refusal(second), "400 RouteAggregate objects can refer to only one service instance");
    configuration.unrefer(&made, &one).unwrap();
    configuration.refer(&made, &two, json!({"interface_type": "left"})).unwrap();
}
