//! Random histories leave a sound graph, and a follower with the same.

use super::*;
use proptest::prelude::*;

/// Step of a random history: what to do, with which of a few names.
#[derive(Clone, Debug)]
enum Step {
    Network(u8),
    Address(u8, u8),
    Policy(u8),
    Refer(u8, u8),
    Delete(&'static str, u8),
    Rename(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = prop::sample::select(vec!["virtual-network", "instance-ip", "network-policy"]);
    prop_oneof![
        (0..4u8).prop_map(Step::Network),
        (0..12u8, 0..4u8).prop_map(|(name, network)| Step::Address(name, network)),
        (0..4u8).prop_map(Step::Policy),
        (0..4u8, 0..4u8).prop_map(|(network, policy)| Step::Refer(network, policy)),
        (kinds, 0..12u8).prop_map(|(kind, name)| Step::Delete(kind, name)),
        (0..4u8, any::<u8>()).prop_map(|(network, name)| Step::Rename(network, name)),
    ]
}

fn name_of(name: u8) -> Vec<String> {
    vec!["default-domain".into(), "default-project".into(), format!("n{name}")]
}

fn perform(configuration: &mut Configuration, step: &Step) {
    let find = |configuration: &Configuration, kind: &str, name: &[String]| {
        configuration.graph.find(model().find(kind).unwrap(), name).cloned()
    };
    match step {
        Step::Network(name) => {
            let _ = configuration.create(
                "virtual-network",
                json!({"fq_name": name_of(*name), "parent_type": "project",
                    "network_ipam_refs": [{"to": ["default-domain", "default-project", "default-network-ipam"],
                        "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "10.1.1.0", "ip_prefix_len": 29}}]}}]}),
            );
        }
        Step::Address(name, network) => {
            if let Some(network) = find(configuration, "virtual-network", &name_of(*network)) {
                let _ = configuration.address(&format!("a{name}"), &network, &json!({}));
            }
        }
        Step::Policy(name) => {
            let _ =
                configuration.create("network-policy", json!({"fq_name": name_of(*name), "parent_type": "project"}));
        }
        Step::Refer(network, policy) => {
            if let Some(network) = find(configuration, "virtual-network", &name_of(*network)) {
                let to = json!([{"to": name_of(*policy), "attr": null}]);
                let _ = configuration.update(&network, json!({"network_policy_refs": to}));
            }
        }
        Step::Delete(kind, name) => {
            let name = if *kind == "instance-ip" { vec![format!("a{name}")] } else { name_of(*name % 4) };
            if let Some(object) = find(configuration, kind, &name) {
                let _ = configuration.delete(&object);
            }
        }
        Step::Rename(network, name) => {
            if let Some(network) = find(configuration, "virtual-network", &name_of(*network)) {
                configuration.update(&network, json!({"display_name": name.to_string()})).unwrap();
            }
        }
    }
}

/// Everything that a graph keeps beside the objects follows from the objects.
fn check_indexes(graph: &Graph) {
    let mut rebuilt = Graph::new(model());
    for object in graph.all() {
        rebuilt.put(object);
    }
    for object in graph.all() {
        let kind = model();
        let kind = kind.object_type(object.type_id);
        for child in &kind.children {
            let uuids = |graph: &Graph| -> Vec<Uuid> {
                graph.children_of(object.uuid, child.child).map(|child| child.uuid).collect()
            };
            assert_eq!(uuids(graph), uuids(&rebuilt));
        }
        let referrers =
            |graph: &Graph| -> Vec<Uuid> { graph.all_referrers(object.uuid).map(|object| object.uuid).collect() };
        assert_eq!(referrers(graph), referrers(&rebuilt));
        let named = graph.find(object.type_id, &object.fq_name.elements()).map(|object| object.uuid);
        assert_eq!(named, Some(object.uuid));
        for link in &object.links {
            assert!(graph.get(link.target).is_some(), "a dangling reference");
        }
        let free = |graph: &Graph| -> Vec<_> {
            graph.pools().subnets(object.uuid).map(|subnet| (subnet.first_free(), subnet.used_count())).collect()
        };
        assert_eq!(free(graph), free(&rebuilt));
    }
    for pool in [crate::graph::NumberPool::VirtualNetwork, crate::graph::NumberPool::SecurityGroup] {
        assert_eq!(graph.numbers().next_free(pool), rebuilt.numbers().next_free(pool));
    }
    assert_eq!(graph.len(), rebuilt.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: the indexes agree with the objects, no address or id is had twice, and who follows the
    /// changes has the same graph at the same revision.
    #[test]
    fn any_history_leaves_a_sound_graph(steps in prop::collection::vec(step(), 1..60)) {
        let mut configuration = Configuration::new();
        for step in &steps {
            perform(&mut configuration, step);
        }
        check_indexes(&configuration.graph);
        prop_assert_eq!(contents(&configuration.follower), contents(&configuration.graph));
        prop_assert_eq!(configuration.follower.revision(), configuration.graph.revision());
        check_indexes(&configuration.follower);
        let mut holds: Vec<_> = configuration.graph.all().filter_map(|object| object.hold).map(|hold| (hold.scope, hold.address)).collect();
        let count = holds.len();
        holds.sort_unstable();
        holds.dedup();
        prop_assert_eq!(holds.len(), count);
    }
}
