//! project.

use super::*;

const SET: &str = "default-application-policy-set";

fn project(configuration: &mut Configuration, members: Value) -> Arc<Object> {
    let domain = configuration.find("domain", "default-domain").unwrap();
    configuration.below(&domain, "project", "p", members).unwrap()
}

#[test]
fn prj_c1_prj_r1_a_project_has_a_policy_set_from_the_start() {
    let mut configuration = Configuration::new();
    let project = project(&mut configuration, json!({}));
    let set = configuration.find("application-policy-set", &format!("default-domain:p:{SET}")).unwrap();
    assert_eq!(set.parent, Some(project.uuid));
    assert_eq!(configuration.get(&set, "all_applications"), true);
    assert_eq!(configuration.get(&set, "display_name"), SET);
    let refs = configuration.links(&project, "application_policy_set_refs");
    assert_eq!(refs, [(format!("default-domain:p:{SET}"), Value::Null)]);
    // One that lacks it gets it when the server starts, not when it is read.
    let mut old = Object::clone(&configuration.current(&project).unwrap());
    old.links.clear();
    configuration.graph.put(&Arc::new(old));
    configuration.graph.remove(set.uuid);
    configuration.submit(Operation::Provision { role_rules: false }).unwrap();
    assert!(configuration.find("application-policy-set", &format!("default-domain:p:{SET}")).is_some());
    let (_, changes) = configuration.submit(Operation::Provision { role_rules: false }).unwrap();
    assert!(changes.is_empty());
}

#[test]
fn prj_c3_a_project_owns_itself() {
    for (members, owner) in [
        (json!({"uuid": "11111111-1111-4111-8111-111111111111"}), "11111111111141118111111111111111"),
        (json!({}), "cloud-admin"),
    ] {
        let mut configuration = Configuration::new();
        let project = project(&mut configuration, members);
        assert_eq!(configuration.get(&project, "perms2")["owner"], owner);
    }
}

#[test]
fn prj_c4_prj_u1_limits_hold_at_once() {
    let mut configuration = Configuration::new();
    let project = project(&mut configuration, json!({"quota": {"network_policy": 1}}));
    configuration.below(&project, "network-policy", "a", json!({})).unwrap();
    let over = "412 quota limit (1) exceeded for resource network_policy";
    assert_eq!(refusal(configuration.below(&project, "network-policy", "b", json!({}))), over);
    configuration.update(&project, json!({"quota": {"network_policy": 2}})).unwrap();
    configuration.below(&project, "network-policy", "b", json!({})).unwrap();
}

#[test]
fn prj_u3_vxlan_routing_is_only_stored() {
    let mut configuration = Configuration::new();
    let project = project(&mut configuration, json!({"vxlan_routing": true}));
    configuration.below(&project, "logical-router", "r", json!({})).unwrap();
    configuration.update(&project, json!({"vxlan_routing": false})).unwrap();
    assert_eq!(configuration.get(&project, "vxlan_routing"), false);
}

#[test]
fn prj_d1_prj_d2_prj_d3_what_a_project_takes_with_it() {
    let mut configuration = Configuration::new();
    let project = project(&mut configuration, json!({"quota": {"network_policy": 1}}));
    let policy = configuration.below(&project, "network-policy", "a", json!({})).unwrap();
    let text = format!("409 Delete when children still present: ['http://api:8082/network-policy/{}']", policy.uuid);
    assert_eq!(refusal(configuration.delete(&project)), text);
    configuration.delete(&policy).unwrap();
    configuration.delete(&project).unwrap();
    assert!(configuration.find("application-policy-set", &format!("default-domain:p:{SET}")).is_none());
    // One of the same name starts anew: its limits and counts are its own.
    let domain = configuration.find("domain", "default-domain").unwrap();
    let again = configuration.below(&domain, "project", "p", json!({})).unwrap();
    for name in ["a", "b"] {
        configuration.below(&again, "network-policy", name, json!({})).unwrap();
    }
}
