//! Quota of projects.

use super::*;

fn limited(limits: Value) -> (Configuration, Arc<Object>) {
    let mut configuration = Configuration::new();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let project = configuration.below(&domain, "project", "limited", json!({ "quota": limits })).unwrap();
    (configuration, project)
}

/// How many of so many creates below the project succeed; all refusals say the same.
fn creates(configuration: &mut Configuration, project: &Object, kind: &str, count: usize) -> (usize, Option<String>) {
    let mut refused = None;
    let mut created = 0;
    for number in 0..count {
        let name = format!("{kind}-{number}-{}", configuration.graph.len());
        let members = if kind == "firewall-rule" { json!({"service": {"protocol": "any"}}) } else { json!({}) };
        match configuration.below(project, kind, &name, members) {
            Ok(_) => created += 1,
            Err(refusal) => refused = Some(refusal.text.to_string()),
        }
    }
    (created, refused)
}

#[test]
fn qta_1_each_key_counts_what_is_in_the_project() {
    let keys = [
        "virtual_network",
        "network_ipam",
        "network_policy",
        "security_group",
        "service_instance",
        "logical_router",
        "loadbalancer",
        "loadbalancer_listener",
        "loadbalancer_pool",
        "virtual_ip",
        "route_table",
        "firewall_policy",
        "firewall_rule",
        "security_logging_object",
    ];
    for key in keys {
        let (mut configuration, project) = limited(json!({ key: 0 }));
        let (created, refused) = creates(&mut configuration, &project, &key.replace('_', "-"), 1);
        assert_eq!((created, refused), (0, Some(format!("quota limit (0) exceeded for resource {key}"))));
    }
    let (mut configuration, project) = limited(json!({}));
    let unknown = refusal(configuration.update(&project, json!({"quota": {"networks": 1}})));
    assert!(unknown.starts_with("400 Bad property in http_put: ") && unknown.contains("networks"), "{unknown}");
}

#[test]
fn qta_1_parts_of_other_objects_count_too() {
    let (mut configuration, project) =
        limited(json!({"floating_ip": 1, "floating_ip_pool": 2, "loadbalancer_member": 1}));
    let subnets = json!({"network_ipam_refs": ipam_references(json!([subnet("10.1.1.0", 24)]))});
    let network = configuration.below(&project, "virtual-network", "public", subnets).unwrap();
    let other = configuration.below(&project, "virtual-network", "other", json!({})).unwrap();
    let pool = configuration.below(&network, "floating-ip-pool", "one", json!({})).unwrap();
    configuration.below(&other, "floating-ip-pool", "two", json!({})).unwrap();
    let third = configuration.below(&network, "floating-ip-pool", "three", json!({}));
    assert_eq!(refusal(third), "412 quota limit (2) exceeded for resource floating_ip_pool");
    configuration.below(&pool, "floating-ip", "a", json!({})).unwrap();
    let second = configuration.below(&pool, "floating-ip", "b", json!({}));
    assert_eq!(refusal(second), "412 quota limit (1) exceeded for resource floating_ip");
    let elsewhere = json!({"project_refs": [{"to": ["default-domain", "default-project"]}]});
    configuration.below(&pool, "floating-ip", "b", elsewhere).unwrap();
    let pool = configuration.below(&project, "loadbalancer-pool", "web", json!({})).unwrap();
    configuration.below(&pool, "loadbalancer-member", "a", json!({})).unwrap();
    let second = configuration.below(&pool, "loadbalancer-member", "b", json!({}));
    assert_eq!(refusal(second), "412 quota limit (1) exceeded for resource loadbalancer_member");
}

#[test]
fn qta_1_what_is_in_no_project_never_counts() {
    let (mut configuration, project) = limited(json!({"instance_ip": 0, "defaults": 0}));
    let subnets = json!({"network_ipam_refs": ipam_references(json!([subnet("10.1.1.0", 24)]))});
    let network = configuration.below(&project, "virtual-network", "blue", subnets).unwrap();
    configuration.address("a", &network, &json!({})).unwrap();
}

#[test]
fn qta_2_qta_3_defaults_of_the_server() {
    let quota = "network_policy=1,defaults=2".parse().unwrap();
    let mut configuration = Configuration::with(Options { quota, ..Options::default() });
    let domain = configuration.find("domain", "default-domain").unwrap();
    let mut project =
        |name: &str, quota: Value| configuration.below(&domain, "project", name, json!({ "quota": quota })).unwrap();
    let (plain, own) =
        (project("plain", Value::Null), project("own", json!({"network_policy": 3, "network_ipam": null})));
    let mut creates = |project: &Object, kind: &str| creates(&mut configuration, project, kind, 5).0;
    assert_eq!(creates(&plain, "network-policy"), 1);
    assert_eq!(creates(&plain, "network-ipam"), 2);
    assert_eq!(creates(&own, "network-policy"), 3);
    assert_eq!(creates(&own, "network-ipam"), 2, "null is not set");
}

#[test]
fn qta_3_host_based_services_need_an_explicit_one() {
    for (limits, allowed) in
        [(json!({}), 0), (json!({"host_based_service": 0}), 0), (json!({"host_based_service": 1}), 1)]
    {
        let (mut configuration, project) = limited(limits);
        assert_eq!(creates(&mut configuration, &project, "host-based-service", 2).0, allowed);
    }
}

#[test]
fn qta_4_minus_one_is_no_limit() {
    let (mut configuration, project) = limited(json!({"network_policy": -1}));
    assert_eq!(creates(&mut configuration, &project, "network-policy", 5), (5, None));
}

#[test]
fn qta_5_limits_of_the_default_project_survive_a_start() {
    let mut configuration = Configuration::new();
    let project = configuration.project();
    assert_eq!(configuration.get(&project, "quota"), json!({"defaults": -1}));
    configuration.update(&project, json!({"quota": {"network_policy": 1}})).unwrap();
    configuration.submit(Operation::Provision { role_rules: false }).unwrap();
    assert_eq!(configuration.get(&project, "quota"), json!({"network_policy": 1}));
}

#[test]
fn qta_6_qta_8_quota_is_checked_last() {
    let (mut configuration, project) = limited(json!({"virtual_network": 0, "security_group": 0}));
    let set = configuration.below(&project, "virtual-network", "n", json!({"virtual_network_network_id": 7}));
    assert_eq!(refusal(set), "403 Cannot set the virtual network ID");
    let refused = configuration.below(&project, "virtual-network", "n", json!({}));
    assert_eq!(refusal(refused), "412 quota limit (0) exceeded for resource virtual_network");
}

#[test]
fn qta_7_hidden_objects_do_not_count() {
    let (mut configuration, project) = limited(json!({"network_policy": 1}));
    let hidden = json!({"id_perms": {"user_visible": false}});
    for name in ["a", "b"] {
        configuration.below(&project, "network-policy", name, hidden.clone()).unwrap();
    }
    assert_eq!(creates(&mut configuration, &project, "network-policy", 2).0, 1);
}

#[test]
fn qta_10_qta_11_qta_12_qta_17_limits_come_and_go() {
    let (mut configuration, project) = limited(json!({}));
    assert_eq!(creates(&mut configuration, &project, "network-policy", 3).0, 3);
    configuration.update(&project, json!({"quota": {"network_policy": 2}})).unwrap();
    assert_eq!(creates(&mut configuration, &project, "network-policy", 1).0, 0);
    let kind = model().find("network-policy").unwrap();
    let stored: Vec<Arc<Object>> = configuration.graph.children_of(project.uuid, kind).cloned().collect();
    configuration.delete(&stored[0]).unwrap();
    assert_eq!(creates(&mut configuration, &project, "network-policy", 1).0, 0, "two are left, two are allowed");
    configuration.delete(&stored[1]).unwrap();
    assert_eq!(creates(&mut configuration, &project, "network-policy", 2).0, 1);
    configuration.update(&project, json!({"quota": {}})).unwrap();
    assert_eq!(creates(&mut configuration, &project, "network-policy", 3).0, 3);
    // Rules of groups: fewer are accepted above a limit that came later.
    let rules = |count: u8| {
        let rule = |number: u8| json!({"protocol": number.to_string(), "src_addresses": [{"security_group": "local"}], "dst_addresses": []});
        json!({"security_group_entries": {"policy_rule": (0..count).map(rule).collect::<Vec<_>>()}})
    };
    let group = configuration.below(&project, "security-group", "g", rules(5)).unwrap();
    configuration.update(&project, json!({"quota": {"security_group_rule": 2}})).unwrap();
    configuration.update(&group, rules(4)).unwrap();
    assert_eq!(refusal(configuration.update(&group, rules(5))), "412 security_group_entries: 2");
}

#[test]
fn qta_13_visibility_does_not_change_in_an_update() {
    let (mut configuration, project) = limited(json!({"network_policy": 1}));
    let policy = configuration.below(&project, "network-policy", "a", json!({})).unwrap();
    configuration.update(&policy, json!({"id_perms": {"user_visible": false}})).unwrap();
    assert_eq!(creates(&mut configuration, &project, "network-policy", 1).0, 0);
}

#[test]
fn qta_14_the_project_has_to_exist() {
    let mut configuration = Configuration::new();
    let body = json!({"fq_name": ["default-domain", "nowhere", "p"], "parent_type": "project"});
    let text = "404 Name['default-domain', 'nowhere'] not found";
    assert_eq!(refusal(configuration.create("network-policy", body)), text);
}

#[test]
fn qta_15_the_limit_is_reached_and_not_exceeded() {
    let (mut configuration, project) = limited(json!({"network_policy": 3}));
    let (created, refused) = creates(&mut configuration, &project, "network-policy", 12);
    assert_eq!((created, refused.as_deref()), (3, Some("quota limit (3) exceeded for resource network_policy")));
}

/// What is stored and can't be read is no reason to go by a default.
#[test]
fn what_cannot_be_read_is_named() {
    let (mut configuration, project) = limited(json!({"virtual_network": 1}));
    let (quota, _) = configuration.graph.model().object_type(project.type_id).property("quota").unwrap();
    let mut damaged = Object::clone(&project);
    damaged.set_property(quota, Some("{".into()));
    configuration.graph.put(&Arc::new(damaged));
    let refusal = configuration.below(&project, "virtual-network", "n", json!({})).unwrap_err();
    assert_eq!(refusal.kind, Kind::Internal);
    assert!(
        refusal.text.to_string().starts_with(&format!("quota of project {} can't be read: ", project.uuid)),
        "{}",
        refusal.text
    );
    let found = crate::graph::violations(&configuration.graph);
    assert!(found.iter().any(|found| found.text.ends_with("has a property quota that is no JSON")), "{found:?}");
}
