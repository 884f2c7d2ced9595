//! What holds for all types.

use super::*;
use crate::{
    access::{Caller, Level},
    rules::RelaxReference,
};

fn relax(configuration: &mut Configuration, holder: &Object, target: &Object) {
    let relax = RelaxReference { uuid: holder.uuid.to_string(), target: target.uuid.to_string() };
    configuration.submit(Operation::RelaxReference(relax)).unwrap();
}

#[test]
fn gen_1_nothing_of_a_refused_request_remains() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 29);
    let project = configuration.project();
    configuration.update(&project, json!({"quota": {"virtual_network": 6}})).unwrap();
    let before = contents(&configuration.graph);
    let revision = configuration.graph.revision();
    // The quota is asked after the network's number and subnets have been chosen.
    configuration.network_with("red", json!([subnet("10.1.2.0", 24)]), json!({})).unwrap();
    let over = configuration.network_with("green", json!([subnet("10.1.3.0", 24)]), json!({}));
    assert!(refusal(over).starts_with("412"));
    let red = configuration.find("virtual-network", "default-domain:default-project:red").unwrap();
    configuration.delete(&red).unwrap();
    assert_eq!(contents(&configuration.graph), before);
    assert!(configuration.graph.revision() > revision);
    let members = json!({"virtual_machine_interface_refs": [{"to": below_project("nobody")}]});
    assert!(refusal(configuration.address("a", &network, &members)).starts_with("400 Unknown reference"));
    let address = configuration.address("a", &network, &json!({})).unwrap();
    assert_eq!(configuration.get(&address, "instance_ip_address"), "10.1.1.4", "no address was lost");
}

#[test]
fn gen_2_gen_3_what_was_an_internal_error_is_a_bad_request() {
    let mut configuration = Configuration::new();
    let targets = json!({"route_target_list": {"route_target": ["no target"]}});
    let refused = refusal(configuration.network_with("blue", json!([]), targets));
    assert!(refused.starts_with("400 Route target must be of the format"), "{refused}");
    let policy = json!({"network_policy_entries": {"policy_rule": [{"action_list": {}}]}});
    assert!(refusal(configuration.in_project("network-policy", "p", policy)).starts_with("400 "));
    let interface = configuration.in_project("virtual-machine-interface", "p", json!({}));
    assert!(refusal(interface).starts_with("400 "));
}

#[test]
fn gen_4_order_of_the_checks_of_an_update() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let id = json!(99);
    let bad_property = json!({"perms2": {"global_access": 7}, "is_shared": "perhaps",
        "network_policy_refs": [{"to": below_project("nothing"), "attr": null}], "virtual_network_network_id": id});
    assert!(refusal(configuration.update(&network, bad_property)).starts_with("400 Bad property in http_put"));
    let bad_reference =
        json!({"network_policy_refs": [{"to": below_project("nothing")}], "virtual_network_network_id": id});
    assert!(refusal(configuration.update(&network, bad_reference)).starts_with("400 Bad reference in http_put"));
    let unknown = json!({"network_policy_refs": [{"to": below_project("nothing"), "attr": null}], "virtual_network_network_id": id});
    assert!(
        refusal(configuration.update(&network, unknown))
            .starts_with("400 Unknown reference in resource update virtual_network")
    );
    let ownerless = json!({"perms2": {"global_access": 7}});
    assert_eq!(refusal(configuration.update(&network, ownerless)), "400 owner in perms2 must be present");
    let hook = json!({"virtual_network_network_id": id});
    assert_eq!(refusal(configuration.update(&network, hook)), "403 Cannot update the virtual network ID");
    configuration.delete(&network).unwrap();
    let gone = configuration.update(&network, json!({"is_shared": "perhaps"}));
    assert_eq!(refusal(gone), format!("404 Unknown id: {}", network.uuid));
}

#[test]
fn gen_5_absent_null_and_lists() {
    let mut configuration = Configuration::new();
    let network = configuration.network_with("blue", json!([]), json!({"external_ipam": true})).unwrap();
    let policy = |configuration: &mut Configuration, name: &str| {
        configuration.in_project("network-policy", name, json!({})).unwrap()
    };
    let (one, two) = (policy(&mut configuration, "one"), policy(&mut configuration, "two"));
    configuration.refer(&network, &one, Value::Null).unwrap();
    configuration.update(&network, json!({"display_name": "x"})).unwrap();
    assert_eq!(configuration.get(&network, "external_ipam"), true);
    assert_eq!(configuration.links(&network, "network_policy_refs").len(), 1);
    let list = json!([{"uuid": two.uuid.to_string(), "attr": null}]);
    configuration.update(&network, json!({"external_ipam": null, "network_policy_refs": list})).unwrap();
    assert_eq!(configuration.get(&network, "external_ipam"), Value::Null);
    let names: Vec<String> =
        configuration.links(&network, "network_policy_refs").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["default-domain:default-project:two"]);
}

#[test]
fn gen_6_a_reference_update_is_an_update() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    let ipam = configuration.find("network-ipam", "default-domain:default-project:default-network-ipam").unwrap();
    let attribute = json!({"ipam_subnets": [subnet("10.1.1.0", 24)]});
    configuration.refer(&network, &ipam, attribute).unwrap();
    let [(_, stored)] = &configuration.links(&network, "network_ipam_refs")[..] else { panic!("one reference") };
    assert_eq!(stored["ipam_subnets"][0]["default_gateway"], "10.1.1.254");
    assert!(stored["ipam_subnets"][0]["subnet_uuid"].is_string());
    configuration.address("a", &network, &json!({})).unwrap();
    let text = "409 Cannot Delete IP Block, IP(10.1.1.252) is in use";
    assert_eq!(refusal(configuration.unrefer(&network, &ipam)), text);
}

#[test]
fn gen_7_a_change_of_an_element_is_an_update() {
    let mut configuration = Configuration::new();
    let instance =
        configuration.find("routing-instance", "default-domain:default-project:ip-fabric:__default__").unwrap();
    let router = configuration.below(&instance, "bgp-router", "control", json!({})).unwrap();
    let note = json!({"key": "rack", "value": "7"});
    configuration.put_element(&router, "annotations", "set", note.clone()).unwrap();
    assert_eq!(configuration.get(&router, "annotations"), json!({"key_value_pair": [note]}));
    let ipam = configuration.in_project("network-ipam", "plain", json!({})).unwrap();
    let added = configuration.put_element(&ipam, "ipam_subnets", "add", subnet("10.1.1.0", 24));
    assert_eq!(refusal(added), "400 ipam-subnets are allowed only with flat-subnet");
}

#[test]
fn gen_8_order_of_the_checks_of_a_delete() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let pool = configuration.below(&network, "floating-ip-pool", "pool", json!({})).unwrap();
    let interface = configuration.interface("p", &network);
    let children =
        format!("409 Delete when children still present: ['http://api:8082/floating-ip-pool/{}']", pool.uuid);
    assert_eq!(refusal(configuration.delete(&network)), children);
    configuration.delete(&pool).unwrap();
    let referred = format!(
        "409 Delete when resource still referred: ['http://api:8082/virtual-machine-interface/{}']",
        interface.uuid
    );
    assert_eq!(refusal(configuration.delete(&network)), referred);
    configuration.delete(&interface).unwrap();
    configuration.delete(&network).unwrap();
    assert_eq!(refusal(configuration.delete(&network)), format!("404 ID {} does not exist", network.uuid));
}

#[test]
fn gen_9_default_children_go_with_their_parent() {
    let mut configuration = Configuration::new();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let project = configuration.below(&domain, "project", "p", json!({})).unwrap();
    let ipam = configuration.below(&project, "network-ipam", "default-network-ipam", json!({})).unwrap();
    let group = configuration.below(&project, "security-group", "default-security-group", json!({})).unwrap();
    configuration.delete(&project).unwrap();
    for orphan in [&ipam, &group] {
        assert!(configuration.current(orphan).is_none());
    }
}

#[test]
fn gen_10_what_does_not_stop_a_delete() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let policy = configuration.in_project("network-policy", "p", json!({})).unwrap();
    configuration.refer(&network, &policy, Value::Null).unwrap();
    assert!(refusal(configuration.delete(&policy)).starts_with("409 "));
    relax(&mut configuration, &network, &policy);
    configuration.delete(&policy).unwrap();
    assert!(configuration.links(&network, "network_policy_refs").is_empty());
    configuration.below(&network, "access-control-list", "acl", json!({})).unwrap();
    configuration.below(&network, "routing-instance", "more", json!({})).unwrap();
    configuration.delete(&network).unwrap();
    let service = configuration.in_project("service-instance", "s", json!({})).unwrap();
    configuration.below(&service, "port-tuple", "t", json!({})).unwrap();
    let table = configuration.in_project("interface-route-table", "t", json!({})).unwrap();
    configuration.refer(&table, &service, json!({"interface_type": "left"})).unwrap();
    configuration.delete(&service).unwrap();
}

#[test]
fn gen_10_a_mark_counts_for_references_that_come_later() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let uuid = json!({"uuid": "7c1a9e52-3f64-4d0b-9a27-5b8e6d1f0c21"});
    let policy = configuration.in_project("network-policy", "p", uuid.clone()).unwrap();
    let references = json!({"network_policy_refs": [{"uuid": policy.uuid, "attr": null}]});
    relax(&mut configuration, &network, &policy);
    configuration.update(&network, references.clone()).unwrap();
    configuration.unrefer(&network, &policy).unwrap();
    configuration.update(&network, references.clone()).unwrap();
    configuration.delete(&policy).unwrap();
    assert!(configuration.links(&network, "network_policy_refs").is_empty());
    // The mark goes with its target, whether there is a reference at the time or not.
    for _ in 0..2 {
        let policy = configuration.in_project("network-policy", "p", uuid.clone()).unwrap();
        configuration.update(&network, references.clone()).unwrap();
        assert!(refusal(configuration.delete(&policy)).starts_with("409 Delete when resource still referred"));
        configuration.unrefer(&network, &policy).unwrap();
        relax(&mut configuration, &network, &policy);
        configuration.delete(&policy).unwrap();
    }
    let other = configuration.network("red", "10.1.2.0", 24);
    relax(&mut configuration, &network, &other);
    configuration.delete(&network).unwrap();
    assert!(configuration.graph.relaxing(other.uuid).next().is_none());
    assert_eq!(contents(&configuration.follower), contents(&configuration.graph));
}

#[test]
fn gen_6_a_reference_update_names_what_is_wrong() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let policy = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let group = configuration.in_project("security-group", "g", json!({})).unwrap();
    let nobody = "7c1a9e52-3f64-4d0b-9a27-5b8e6d1f0c22".to_owned();
    let kind = network.type_id;
    let reference = model().object_type(kind).reference("network_policy_refs").map(|(id, _)| id).unwrap();
    let mut update = |holder: &str, target: &str, attribute: Value| {
        let update = ReferenceUpdate {
            type_id: kind,
            uuid: holder.to_owned(),
            reference,
            target_uuid: Some(target.to_owned()),
            target_name: None,
            add: true,
            attribute,
            relax: false,
        };
        refusal(configuration.submit(Operation::ReferenceUpdate(update)))
    };
    let [network, policy, group] = [network, policy, group].map(|object| object.uuid.to_string());
    for (holder, target, named) in [
        (&group, &nobody, &nobody),
        (&group, &network, &group),
        (&nobody, &policy, &nobody),
        (&network, &group, &group),
    ] {
        assert_eq!(update(holder, target, Value::Null), format!("404 Unknown id: {named}"));
    }
    let expected = format!(
        "400 Bad reference in ref-update: Error validating reference network_policy_refs value {{'to': \
         ['default-domain', 'default-project', 'p'], 'uuid': '{policy}', 'attr': {{'bogus': 1}}}} class <class \
         'VirtualNetworkPolicyType'> does not have field bogus"
    );
    assert_eq!(update(&network, &policy, json!({"bogus": 1})), expected);
}

#[test]
fn gen_12_requests_of_the_server_may_do_more() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let instance = configuration.find("routing-instance", "default-domain:default-project:blue:blue").unwrap();
    assert!(refusal(configuration.delete(&instance)).starts_with("409 Cannot modify system resource"));
    configuration.delete(&network).unwrap();
    assert!(configuration.current(&instance).is_none());
}

#[test]
fn gen_13_who_follows_knows_what_is_taken() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 29);
    configuration.address("a", &network, &json!({})).unwrap();
    // The other server decides on the graph that it got from the changes alone.
    std::mem::swap(&mut configuration.graph, &mut configuration.follower);
    let address = configuration.address("b", &network, &json!({})).unwrap();
    assert_eq!(configuration.get(&address, "instance_ip_address"), "10.1.1.3");
    let other = configuration.network("red", "10.1.1.0", 29);
    assert_eq!(configuration.get(&other, "virtual_network_network_id"), 6);
}

#[test]
fn gen_15_references_by_name_or_uuid() {
    let mut configuration = Configuration::new();
    let policy = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let by = |reference: Value| json!({"network_policy_refs": [reference]});
    configuration
        .in_project("virtual-network", "a", by(json!({"uuid": policy.uuid.to_string(), "attr": null})))
        .unwrap();
    configuration.in_project("virtual-network", "b", by(json!({"to": below_project("p"), "attr": null}))).unwrap();
    for (reference, text) in [
        (
            json!({"to": below_project("p")}),
            "400 Bad reference in create: Error validating reference network_policy_refs",
        ),
        (json!({"to": below_project("q"), "attr": null}), "400 Unknown reference in resource create"),
        (json!({"uuid": Uuid::new_v4().to_string(), "attr": null}), "400 Unknown reference in resource create"),
    ] {
        let refused = refusal(configuration.in_project("virtual-network", "c", by(reference)));
        assert!(refused.starts_with(text), "{refused}");
    }
}

#[test]
fn gen_16_a_parent_type_that_is_not_given() {
    let mut configuration = Configuration::new();
    for kind in ["network-ipam", "virtual-network", "security-group"] {
        let object = configuration.create(kind, json!({"fq_name": below_project("p")})).unwrap();
        assert_eq!(object.parent, Some(configuration.project().uuid), "the only one that it can have");
    }
    let interface = configuration.create("virtual-machine-interface", json!({"fq_name": below_project("p")}));
    assert!(refusal(interface).starts_with("400 Missing parent type: None. Allowed types: ["));
}

#[test]
fn gen_17_parts_of_id_perms_stay_as_created() {
    let mut configuration = Configuration::new();
    let given = json!({"id_perms": {"creator": "me", "enable": true, "description": "one"}});
    let policy = configuration.in_project("network-policy", "p", given).unwrap();
    let changed = json!({"id_perms": {"creator": "you", "user_visible": false, "enable": false, "description": "two"}});
    configuration.update(&policy, changed).unwrap();
    let id_perms = configuration.get(&policy, "id_perms");
    let seen = ["creator", "user_visible", "enable", "description"].map(|name| id_perms[name].clone());
    assert_eq!(seen, [json!("me"), json!(true), json!(false), json!("two")]);
}

/// Whoever makes it, and whether anything else is said of it or not; of long names, too, with which it is kept in another way, and of longer
/// ones, which are not remembered.
#[test]
fn id_perms_of_a_new_object_say_who_made_it_and_when() {
    let (long, longer) = ("n".repeat(128), "n".repeat(256));
    for (user, role) in
        [("alice", "member"), ("bob", "member"), ("a \"quoted\" \u{e4} name", "r"), (&long, &long), (&longer, &longer)]
    {
        let mut configuration = Configuration::new();
        let caller =
            Caller { user: Some(user.to_owned()), roles: vec![role.to_owned()], ..Caller::of_level(Level::Admin) };
        configuration.identity = Identity { caller: Arc::new(caller), ..Identity::server("test") };
        for (name, given) in [("a", json!({})), ("b", json!({})), ("c", json!({"id_perms": {"description": null}}))] {
            let network = configuration.in_project("virtual-network", name, given).unwrap();
            let time = Timestamp(configuration.now).to_string();
            let instance = Arc::clone(configuration.graph.all_children(network.uuid).next().unwrap());
            for (object, owner, group) in [(&network, user, role), (&instance, "contrail-api", "admin")] {
                let (high, low) = object.uuid.as_u64_pair();
                let expected = json!({
                    "enable": true, "description": null, "user_visible": true, "creator": null,
                    "permissions": {
                        "owner": owner, "owner_access": 7, "group": group, "group_access": 7, "other_access": 7,
                    },
                    "uuid": {"uuid_mslong": high, "uuid_lslong": low},
                    "created": time, "last_modified": time,
                });
                assert_eq!(configuration.get(object, "id_perms").to_string(), expected.to_string());
                assert_eq!((object.modified, object.hidden), (Timestamp(configuration.now), false));
            }
        }
    }
}

#[test]
fn gen_11_symmetric_references_are_on_both_ends() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let mut interface = |name: &str| {
        configuration
            .create(
                "virtual-machine-interface",
                json!({"fq_name": ["default-domain", "default-project", name], "parent_type": "project",
                    "virtual_network_refs": [{"uuid": network.uuid.to_string()}]}),
            )
            .unwrap()
    };
    let (one, other) = (interface("one"), interface("other"));
    let kind = one.type_id;
    let model = model();
    let reference = model.object_type(kind).reference("virtual_machine_interface_refs").map(|(id, _)| id).unwrap();
    let add = ReferenceUpdate {
        type_id: kind,
        uuid: one.uuid.to_string(),
        reference,
        target_uuid: Some(other.uuid.to_string()),
        target_name: None,
        add: true,
        attribute: Value::Null,
        relax: false,
    };
    let (_, changes) = configuration.submit(Operation::ReferenceUpdate(add)).unwrap();
    let mut implicit: Vec<bool> = changes
        .iter()
        .map(|change| matches!(change.effect, crate::rules::Effect::Put { implicit: true, .. }))
        .collect();
    implicit.sort_unstable();
    assert_eq!(implicit, [false, true]);
    let targets = |configuration: &Configuration, object: &Object| -> Vec<Uuid> {
        configuration.graph.get(object.uuid).unwrap().links_of(reference).iter().map(|link| link.target).collect()
    };
    assert_eq!(targets(&configuration, &other), [one.uuid]);
    configuration.delete(&one).unwrap();
    assert!(targets(&configuration, &other).is_empty());
}
