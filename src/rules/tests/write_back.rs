//! What is as it is stored is no change: no rule speaks of it, and nothing is written.

use super::*;
use crate::rules::{PermissionChange, SetTag};

/// What a GET says of an object, as far as a PUT takes notice of it.
fn body_of(configuration: &Configuration, object: &Object) -> Value {
    let object = configuration.current(object).unwrap();
    let model = model();
    let kind = model.object_type(object.type_id);
    let mut body = json!({"uuid": object.uuid.to_string(), "fq_name": object.fq_name.elements()});
    for property in &kind.properties {
        if let Some(value) = object.property(property.id) {
            body[&property.name] = value;
        }
    }
    for reference in &kind.references {
        let links = object.links_of(reference.id).iter().map(|link| {
            let name = configuration.graph.get(link.target).unwrap().fq_name.elements();
            let attribute: Value = serde_json::from_str(link.attribute.as_deref().unwrap_or("null")).unwrap();
            json!({"to": name, "uuid": link.target.to_string(), "attr": attribute})
        });
        let links: Vec<Value> = links.collect();
        if !links.is_empty() {
            body[&reference.field] = links.into();
        }
    }
    body
}

/// Writes back what is stored: nothing happens.
#[track_caller]
fn write_back(configuration: &mut Configuration, object: &Object) {
    let (before, revision) = (configuration.current(object).unwrap(), configuration.graph.revision());
    let body = body_of(configuration, object);
    let answered = configuration.update(object, body).unwrap();
    assert_eq!((&answered, configuration.graph.revision()), (&before, revision));
}

/// Writes back what is stored, with this in place of what is there.
fn with(configuration: &mut Configuration, object: &Object, members: Value) -> Decision<Arc<Object>> {
    let mut body = body_of(configuration, object);
    extend(&mut body, members);
    configuration.update(object, body)
}

#[test]
fn gen_5_what_was_read_can_be_written_back() {
    let mut configuration = Configuration::new();
    let first: Vec<Arc<Object>> = configuration.graph.all().cloned().collect();
    assert!(first.len() > 30);
    for object in first {
        write_back(&mut configuration, &object);
    }
    let external =
        configuration.network_with("external", json!([subnet("10.1.1.0", 24)]), json!({"router_external": true}));
    let external = external.unwrap();
    write_back(&mut configuration, &external);
    with(&mut configuration, &external, json!({"display_name": "x"})).unwrap();
    let cluster = configuration.at_top("sub-cluster", "one", json!({"sub_cluster_asn": 64600})).unwrap();
    write_back(&mut configuration, &cluster);
    let tag = json!({"tag_type_name": "tier", "tag_value": "web"});
    let tag = configuration.in_project("tag", "tier=web", tag).unwrap();
    write_back(&mut configuration, &tag);
    let note = json!({"annotations": {"key_value_pair": [{"key": "a", "value": "b"}]}});
    with(&mut configuration, &tag, note).unwrap();
    let rule =
        json!({"service": {"protocol": "tcp"}, "endpoint_1": {"tags": ["tier=web"]}, "endpoint_2": {"any": true}});
    let rule = configuration.in_project("firewall-rule", "r", rule).unwrap();
    write_back(&mut configuration, &rule);
    // The references follow from the endpoints, also where the client sends those that it read.
    with(&mut configuration, &rule, json!({"endpoint_1": {"any": true}})).unwrap();
    assert!(configuration.links(&rule, "tag_refs").is_empty());
}

#[test]
fn what_must_agree_is_compared_as_it_was_sent() {
    let mut configuration = Configuration::new();
    let network = configuration.network_with("n", json!([]), json!({"is_shared": true})).unwrap();
    let mut perms2 = configuration.get(&network, "perms2");
    perms2["global_access"] = json!(0);
    let text = "400 Inconsistent is_shared (True) and global_access (0)";
    assert_eq!(refusal(with(&mut configuration, &network, json!({ "perms2": perms2 }))), text);
    with(&mut configuration, &network, json!({"perms2": perms2, "is_shared": false})).unwrap();
    assert_eq!(configuration.get(&network, "is_shared"), false);
}

#[test]
fn what_would_be_refused_today_may_be_written_back_too() {
    let mut configuration = Configuration::new();
    let policy = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let network = configuration.network_with("n", json!([]), json!({})).unwrap();
    configuration.refer(&network, &policy, json!({"sequence": {"major": 1, "minor": 0}})).unwrap();
    // As it may have come from elsewhere.
    let mut odd = Object::clone(&configuration.current(&network).unwrap());
    let property = |name: &str| model().object_type(odd.type_id).property(name).map(|(id, _)| id).unwrap();
    let (age, perms2) = (property("mac_aging_time"), property("perms2"));
    odd.set_property(age, Some("99999999".into()));
    odd.set_property(
        perms2,
        Some(r#"{"owner":"x","owner_access":7,"global_access":0,"share":[{"tenant":"domain:"}]}"#.into()),
    );
    odd.links[0].attribute = Some(r#"{"sequence":{"major":"x"}}"#.into());
    configuration.graph.put(&Arc::new(odd));
    write_back(&mut configuration, &network);
    with(&mut configuration, &network, json!({"display_name": "x"})).unwrap();
    assert_eq!(configuration.get(&network, "mac_aging_time"), 99_999_999);
    assert!(refusal(with(&mut configuration, &network, json!({"mac_aging_time": -1}))).starts_with("400 Bad property"));
    let attribute = json!([{"uuid": policy.uuid.to_string(), "attr": {"sequence": {"major": "y"}}}]);
    let other = with(&mut configuration, &network, json!({ "network_policy_refs": attribute }));
    assert!(refusal(other).starts_with("400 Bad reference"));
    let alone = configuration.update(&network, json!({"mac_aging_time": 99_999_998}));
    assert!(refusal(alone).starts_with("400 Bad property"));
}

#[test]
fn whichever_way_it_comes_the_same_is_no_change() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "10.1.1.0", 24);
    let policy = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let attribute = json!({"sequence": {"major": 1, "minor": 0}});
    configuration.refer(&network, &policy, attribute.clone()).unwrap();
    let note = json!({"key": "a", "value": "b"});
    configuration.put_element(&network, "annotations", "set", note.clone()).unwrap();
    let pair = json!({"protocol": "tcp", "port": 1});
    configuration.put_element(&network, "virtual_network_fat_flow_protocols", "add", pair).unwrap();
    let tag = json!({"tag_type_name": "tier", "tag_value": "web"});
    configuration.at_top("tag", "tier=web", tag).unwrap();
    let set = |configuration: &mut Configuration, network: &Object| {
        let Value::Object(changes) = json!({"tier": {"value": "web", "is_global": true}}) else { panic!("an object") };
        let set = SetTag { type_id: network.type_id, uuid: network.uuid.to_string(), changes };
        configuration.submit(Operation::SetTag(set)).unwrap();
    };
    set(&mut configuration, &network);
    let Value::Object(members) = json!({"global_access": 4}) else { panic!("an object") };
    let change = Operation::PermissionChange(PermissionChange { uuid: network.uuid.to_string(), members });
    configuration.submit(change.clone()).unwrap();

    let (before, revision) = (configuration.current(&network).unwrap(), configuration.graph.revision());
    configuration.refer(&network, &policy, json!({"sequence": {"minor": 0, "major": 1}})).unwrap();
    configuration.put_element(&network, "annotations", "set", note).unwrap();
    set(&mut configuration, &network);
    configuration.submit(change).unwrap();
    // Also what the server completes, and so is the same only after that; positions of elements stay with the elements.
    configuration
        .update(&network, json!({"network_ipam_refs": ipam_references(json!([subnet("10.1.1.77", 24)]))}))
        .unwrap();
    write_back(&mut configuration, &network);
    configuration.update(&network, json!({"display_name": "n", "mtu": null, "routing_policy_refs": []})).unwrap();
    assert_eq!(configuration.current(&network).unwrap(), before);
    assert_eq!(configuration.graph.revision(), revision);
    configuration.refer(&network, &policy, json!({"sequence": {"major": 2, "minor": 0}})).unwrap();
    assert_eq!(configuration.graph.revision(), revision + 1);
}
