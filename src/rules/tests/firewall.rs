//! The firewall policy family.

use super::*;

const RULE: &str = "firewall-rule";

/// A rule for TCP between anything, with other members.
fn rule(members: Value) -> Value {
    let mut body = json!({"service": {"protocol": "tcp"}, "endpoint_1": {"any": true}, "endpoint_2": {"any": true}});
    extend(&mut body, members);
    body
}

fn global_policies(configuration: &Configuration) -> Arc<Object> {
    configuration.find("policy-management", "default-policy-management").unwrap()
}

fn tag(configuration: &mut Configuration, kind: &str, value: &str) -> Arc<Object> {
    let members = json!({"tag_type_name": kind, "tag_value": value});
    configuration.in_project("tag", &format!("{kind}={value}"), members).unwrap()
}

fn refs(field: &str, target: &Object, attribute: Value) -> Value {
    json!({field: [{"to": target.fq_name.elements(), "attr": attribute}]})
}

#[test]
fn fw_g1_what_is_global_does_not_depend_on_a_project() {
    let mut configuration = Configuration::new();
    let policies = global_policies(&configuration);
    let scoped = configuration.in_project(RULE, "scoped", rule(json!({}))).unwrap();
    let uuid = Uuid::new_v4();
    let mut body = refs("firewall_rule_refs", &scoped, json!({"sequence": "1"}));
    extend(&mut body, json!({"uuid": uuid.to_string()}));
    let text = format!(
        "400 Global Firewall Policy default-policy-management:p ({uuid}) cannot reference a scoped Firewall Rule default-domain:default-project:scoped ({})",
        scoped.uuid
    );
    assert_eq!(refusal(configuration.below(&policies, "firewall-policy", "p", body)), text);
    let policy = configuration.below(&policies, "firewall-policy", "p", json!({})).unwrap();
    assert!(refusal(configuration.refer(&policy, &scoped, json!({"sequence": "1"}))).starts_with("400 Global"));
    let scoped_policy = configuration.in_project("firewall-policy", "p", json!({})).unwrap();
    let set = configuration.below(&policies, "application-policy-set", "s", json!({})).unwrap();
    assert!(refusal(configuration.refer(&set, &scoped_policy, json!({"sequence": "1"}))).starts_with("400 Global"));
    let group = json!({"service_group_refs": [{"to": below_project("g")}], "service": null});
    configuration.in_project("service-group", "g", json!({})).unwrap();
    let global_rule = configuration.below(&policies, RULE, "r", rule(group));
    assert!(refusal(global_rule).starts_with("400 Global Firewall Rule"));
    let global_rule = configuration.below(&policies, RULE, "r", rule(json!({}))).unwrap();
    configuration.refer(&scoped_policy, &global_rule, json!({"sequence": "1"})).unwrap();
}

#[test]
fn fw_g2_fw_g3_deletes_and_sequences() {
    let mut configuration = Configuration::new();
    let one = configuration.in_project(RULE, "one", rule(json!({}))).unwrap();
    let two = configuration.in_project(RULE, "two", rule(json!({}))).unwrap();
    let policy = configuration.in_project("firewall-policy", "p", json!({})).unwrap();
    for rule in [&one, &two] {
        configuration.refer(&policy, rule, json!({"sequence": "not unique"})).unwrap();
    }
    assert!(refusal(configuration.delete(&one)).starts_with("409 Delete when resource still referred"));
    configuration.unrefer(&policy, &one).unwrap();
    configuration.delete(&one).unwrap();
}

#[test]
fn aps_c1_aps_d1_the_set_for_all_applications() {
    let mut configuration = Configuration::new();
    let text = "400 Application policy set 'all-applications' flag is read-only";
    let all = json!({"all_applications": true});
    assert_eq!(refusal(configuration.in_project("application-policy-set", "s", all.clone())), text);
    let set = configuration.in_project("application-policy-set", "s", json!({})).unwrap();
    assert_eq!(refusal(configuration.update(&set, all.clone())), text);
    let default = configuration
        .find("application-policy-set", "default-policy-management:default-application-policy-set")
        .unwrap();
    configuration.update(&default, all).unwrap();
    let text = "400 Application Policy Set defined on all applications cannot be deleted";
    assert_eq!(refusal(configuration.delete(&default)), text);
}

#[test]
fn aps_c2_qta_1_sets_are_firewall_groups() {
    let mut configuration = Configuration::new();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let limited = json!({"quota": {"firewall_group": 1}});
    let project = configuration.below(&domain, "project", "limited", limited).unwrap();
    let mut create = |name: &str| configuration.below(&project, "application-policy-set", name, json!({}));
    let first = create("one").unwrap();
    assert_eq!(refusal(create("two")), "412 quota limit (1) exceeded for resource firewall_group");
    configuration.delete(&first).unwrap();
    configuration.below(&project, "application-policy-set", "two", json!({})).unwrap();
}

#[test]
fn fr_c1_fr_u1_one_kind_of_service() {
    let mut configuration = Configuration::new();
    configuration.in_project("service-group", "g", json!({})).unwrap();
    let groups = json!({"service_group_refs": [{"to": below_project("g")}]});
    let neither = "400 Firewall Rule requires at least 'service' property or Service Group references(s)";
    let both = "400 Firewall Rule cannot have both defined 'service' property and Service Group reference(s)";
    for nothing in [json!({"service": null}), json!({"service": {}})] {
        assert_eq!(refusal(configuration.in_project(RULE, "r", rule(nothing))), neither);
    }
    assert_eq!(refusal(configuration.in_project(RULE, "r", rule(groups.clone()))), both);
    let stored = configuration.in_project(RULE, "r", rule(json!({}))).unwrap();
    assert_eq!(refusal(configuration.update(&stored, groups.clone())), both);
    assert_eq!(refusal(configuration.update(&stored, json!({"service": null}))), neither);
    let mut change = groups;
    extend(&mut change, json!({"service": null}));
    configuration.update(&stored, change).unwrap();
    configuration.update(&stored, json!({"display_name": "x"})).unwrap();
}

#[test]
fn fr_c2_svcg_c1_osd_24_protocols_of_services() {
    let mut configuration = Configuration::new();
    for (protocol, number) in [("tcp", 6), ("UDP", 17), ("any", 0), ("icmpv6", 58), ("6", 6), ("255", 255)] {
        let body = rule(json!({"service": {"protocol": protocol}}));
        let stored = configuration.in_project(RULE, protocol, body).unwrap();
        assert_eq!(configuration.get(&stored, "service"), json!({"protocol": protocol, "protocol_id": number}));
    }
    let services = |protocol: &str| json!({"service_group_firewall_service_list": {"firewall_service": [{"protocol": protocol}, {}]}});
    let group = configuration.in_project("service-group", "g", services("tcp")).unwrap();
    let stored = configuration.get(&group, "service_group_firewall_service_list");
    assert_eq!(stored, json!({"firewall_service": [{"protocol": "tcp", "protocol_id": 6}, {}]}));
    // A service may do without a protocol, and is stored as it was sent.
    let ports = json!({"dst_ports": {"start_port": 80, "end_port": 81}});
    for (name, protocol) in
        [("null", json!({"protocol": null})), ("empty", json!({"protocol": ""})), ("none", json!({}))]
    {
        let mut service = ports.clone();
        extend(&mut service, protocol);
        let stored = configuration.in_project(RULE, name, rule(json!({ "service": service }))).unwrap();
        assert_eq!(configuration.get(&stored, "service"), service);
        let of_group = json!({"firewall_service": [service]});
        configuration.update(&group, json!({"service_group_firewall_service_list": of_group})).unwrap();
        assert_eq!(configuration.get(&group, "service_group_firewall_service_list"), of_group);
        configuration.update(&stored, json!({"service": {"protocol": "tcp"}})).unwrap();
        configuration.update(&stored, json!({ "service": service })).unwrap();
        assert_eq!(configuration.get(&stored, "service"), service);
    }
    for protocol in ["x", "256"] {
        let text = format!("400 Invalid protocol: {protocol}");
        assert_eq!(refusal(configuration.update(&group, services(protocol))), text);
        let body = rule(json!({"service": {"protocol": protocol}}));
        assert_eq!(refusal(configuration.in_project(RULE, "r", body)), text);
    }
}

#[test]
fn fr_c3_an_endpoint_is_one_thing() {
    let mut configuration = Configuration::new();
    tag(&mut configuration, "tier", "web");
    let text = "400 Endpoint is limited to only one endpoint type at a time";
    let both = rule(json!({"endpoint_1": {"any": true, "tags": ["tier=web"]}}));
    assert_eq!(refusal(configuration.in_project(RULE, "r", both)), text);
    let one = rule(json!({"endpoint_1": {"any": false, "tags": ["tier=web"], "subnet": null}}));
    configuration.in_project(RULE, "r", one).unwrap();
}

#[test]
fn fr_c4_fr_c5_tags_of_endpoints() {
    let mut configuration = Configuration::new();
    let web = tag(&mut configuration, "tier", "web");
    let members = json!({"tag_type_name": "tier", "tag_value": "all"});
    configuration.at_top("tag", "tier=all", members).unwrap();
    let endpoint = |tags: &[&str]| rule(json!({"endpoint_1": {"tags": tags}}));
    let mut create = |name: &str, body: Value| configuration.in_project(RULE, name, body);
    assert_eq!(refusal(create("r", endpoint(&["web"]))), "404 Invalid tag name 'web'");
    for (name, printed) in [(json!(null), "None"), (json!(""), "")] {
        let body = rule(json!({"endpoint_1": {"tags": ["tier=web", name]}}));
        assert_eq!(refusal(create("r", body)), format!("404 Invalid tag name '{printed}'"));
    }
    let unknown = "404 Unknown id: tag default-domain:default-project:tier=all";
    assert_eq!(refusal(create("r", endpoint(&["tier=all"]))), unknown);
    let stored = create("r", endpoint(&["tier=web", "global:tier=all"])).unwrap();
    let text = "400 Cannot directly define Tags reference from a Firewall Rule. Use 'tags' endpoints property in the Firewall Rule";
    assert_eq!(refusal(create("s", rule(refs("tag_refs", &web, Value::Null)))), text);
    assert_eq!(refusal(configuration.update(&stored, json!({"tag_refs": []}))), text);
    assert_eq!(configuration.get(&stored, "endpoint_1")["tag_ids"], json!([0x0002_0000, 0x0002_0001]));
    assert_eq!(configuration.links(&stored, "tag_refs").len(), 2);
    // For the whole system a tag without its scope is global.
    let policies = global_policies(&configuration);
    let body = endpoint(&["tier=all"]);
    configuration.below(&policies, RULE, "global", body).unwrap();
    assert!(refusal(configuration.delete(&web)).starts_with("409 Delete when resource still referred"));
}

#[test]
fn fr_c6_fr_u1_address_groups_of_endpoints() {
    let mut configuration = Configuration::new();
    let group = configuration.in_project("address-group", "g", json!({})).unwrap();
    let web = tag(&mut configuration, "tier", "web");
    let name = "default-domain:default-project:g";
    let body = rule(json!({"endpoint_1": {"tags": ["tier=web"]}, "endpoint_2": {"address_group": name}}));
    let stored = configuration.in_project(RULE, "r", body).unwrap();
    assert_eq!(configuration.links(&stored, "address_group_refs"), [(name.to_owned(), Value::Null)]);
    let unknown = rule(json!({"endpoint_1": {"address_group": "default-domain:x"}}));
    assert_eq!(
        refusal(configuration.in_project(RULE, "s", unknown)),
        "404 No Address Group object found for default-domain:x"
    );
    let text = "400 Cannot directly define Address Group reference from a Firewall Rule. Use 'address_group' endpoints property in the Firewall Rule";
    let other = configuration.in_project("address-group", "h", json!({})).unwrap();
    assert_eq!(refusal(configuration.refer(&stored, &other, Value::Null)), text);
    configuration.refer(&stored, &group, Value::Null).expect("it is there already");
    configuration.update(&stored, json!({"endpoint_2": {"any": true}})).unwrap();
    assert!(configuration.links(&stored, "address_group_refs").is_empty());
    let tags = configuration.links(&stored, "tag_refs");
    assert_eq!(tags, [(web.fq_name.joined().to_string(), Value::Null)], "the other endpoint is as it was");
}

#[test]
fn fr_c7_match_tags_are_numbers_of_types() {
    let mut configuration = Configuration::new();
    let numbers =
        |configuration: &Configuration, rule: &Object| configuration.get(rule, "match_tag_types")["tag_type"].clone();
    let stored = configuration.in_project(RULE, "r", rule(json!({}))).unwrap();
    assert_eq!(numbers(&configuration, &stored), json!([1]));
    let matching = |names: &[&str]| json!({"match_tags": {"tag_list": names}});
    configuration.update(&stored, matching(&["Site", "deployment"])).unwrap();
    assert_eq!(numbers(&configuration, &stored), json!([4, 3]));
    assert_eq!(refusal(configuration.update(&stored, matching(&["Label"]))), "400 labels not allowed as match-tags");
    assert_eq!(refusal(configuration.update(&stored, matching(&["colour"]))), "404 Unknown id: tag_type colour");
    configuration.update(&stored, json!({"display_name": "x"})).unwrap();
    assert_eq!(numbers(&configuration, &stored), json!([4, 3]));
}

#[test]
fn fr_c8_a_host_based_service_has_to_be_there() {
    let mut configuration = Configuration::new();
    let inspect = || rule(json!({"action_list": {"host_based_service": true}}));
    let policies = global_policies(&configuration);
    let global = configuration.below(&policies, RULE, "r", inspect());
    assert_eq!(refusal(global), "400 host-based-service rule action can only be use in a project scope");
    let project = configuration.project();
    let none = format!(
        "400 Cannot use Host Based Service firewall rule action: Project default-domain:default-project({}) have no host based service instantiated",
        project.uuid
    );
    assert_eq!(refusal(configuration.in_project(RULE, "r", inspect())), none);
}

#[test]
fn agrp_c1_pm_g1_groups_and_their_parents_are_plain() {
    let mut configuration = Configuration::new();
    configuration.at_top("policy-management", "mine", json!({})).unwrap();
    let prefix = json!({"address_group_prefix": {"subnet": [{"ip_prefix": "10.1.0.0", "ip_prefix_len": 16}]}});
    configuration.in_project("address-group", "g", prefix).unwrap();
}

#[test]
fn hbs_c1_hbs_c2_hbs_c3_hbs_d1_fr_c8_a_host_based_service_has_two_networks() {
    let mut configuration = Configuration::new();
    let project = configuration.project();
    configuration.update(&project, json!({"quota": {"host_based_service": 1}})).unwrap();
    let network = configuration.network("mine", "10.1.1.0", 24);
    let refs = |kind: &str| refs("virtual_network_refs", &network, json!({"virtual_network_type": kind}));
    let mut create = |members: Value| configuration.in_project("host-based-service", "hbs", members);
    for side in ["left", "right"] {
        let text = format!("400 default hbf-{side} Virtual network  reference cannot be created");
        assert_eq!(refusal(create(refs(side))), text);
    }
    let service = create(refs("management")).unwrap();
    assert_eq!(configuration.get(&service, "host_based_service_type"), "firewall");
    let links = configuration.links(&service, "virtual_network_refs");
    assert_eq!(links.len(), 3);
    let left = configuration.find("virtual-network", "default-domain:default-project:__hbs-hbf-left__").unwrap();
    assert!(configuration.find("virtual-network", "default-domain:default-project:__hbs-hbf-right__").is_some());
    let lost = configuration.update(&service, refs("management"));
    assert_eq!(refusal(lost), "400 default hbf-left Virtual network  reference cannot be updated");
    let another = configuration.network("another", "10.1.2.0", 24);
    let twice = configuration.refer(&service, &another, json!({"virtual_network_type": "management"}));
    let text = "400 Virtual network type management cannot be referenced by more than one virtual network at a time";
    assert_eq!(refusal(twice), text);
    let inspect = rule(json!({"action_list": {"host_based_service": true}}));
    configuration.in_project(RULE, "inspect", inspect).unwrap();
    let interface = configuration.interface("p", &left);
    let text = format!(
        "400 HBS object (default-domain:default-project:hbs, {}), virtual network (default-domain:default-project:__hbs-hbf-left__,{}) got interfaces, cannot be removed",
        service.uuid, left.uuid
    );
    assert_eq!(refusal(configuration.delete(&service)), text);
    configuration.delete(&interface).unwrap();
    configuration.delete(&service).unwrap();
    assert!(configuration.current(&left).is_none());
}
