//! Random histories leave a sound graph, and a follower with the same.

use super::*;
use crate::{
    graph::{Hold, Holder, differences, violations},
    ipam::parse_address,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The subnets that networks may have: of one, of two, wider, narrower, none.
const SUBNETS: [&[(&str, u8)]; 7] = [
    &[("10.1.1.0", 29)],
    &[("10.1.1.0", 28)],
    &[("10.1.1.8", 29)],
    &[("10.1.1.0", 29), ("10.1.1.8", 29)],
    &[("10.1.1.0", 29), ("10.1.1.32", 27)],
    &[("10.1.0.0", 16)],
    &[],
];
/// Objects with an address: type, and the type of the pool that they are below.
const HOLDERS: [(&str, Option<&str>); 3] =
    [("instance-ip", None), ("floating-ip", Some("floating-ip-pool")), ("alias-ip", Some("alias-ip-pool"))];

/// Step of a random history: what to do, with which of a few names.
#[derive(Clone, Debug)]
enum Step {
    Network(u8),
    /// Other subnets for a network: which, whether a flat ipam too, whether each keeps the uuid of the one before, and
    /// a gateway.
    Subnets(u8, usize, bool, bool, Option<u8>),
    /// An address of a network: of which type, for which name, and which address.
    Address(usize, u8, u8, Option<u8>),
    /// Another address for a floating-ip.
    Exchange(u8, u8),
    Allocate(u8, usize),
    GiveBack(u8, u8),
    Policy(u8),
    Refer(u8, u8),
    Delete(&'static str, u8),
    Rename(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let kinds =
        prop::sample::select(vec!["virtual-network", "network-policy", "instance-ip", "floating-ip", "alias-ip"]);
    let last = || prop::option::of(0..20u8);
    let subnets = (0..2u8, 0..SUBNETS.len(), any::<bool>(), any::<bool>(), last());
    let subnets =
        subnets.prop_map(|(network, which, flat, named, gateway)| Step::Subnets(network, which, flat, named, gateway));
    let address = (0..HOLDERS.len(), 0..12u8, 0..2u8, last());
    prop_oneof![
        2 => (0..2u8).prop_map(Step::Network),
        4 => subnets,
        5 => address.prop_map(|(kind, name, network, address)| Step::Address(kind, name, network, address)),
        1 => (0..12u8, 0..20u8).prop_map(|(name, address)| Step::Exchange(name, address)),
        1 => (0..2u8, 0..3usize).prop_map(|(network, count)| Step::Allocate(network, count)),
        1 => (0..2u8, 0..20u8).prop_map(|(network, address)| Step::GiveBack(network, address)),
        1 => (0..2u8).prop_map(Step::Policy),
        1 => (0..2u8, 0..2u8).prop_map(|(network, policy)| Step::Refer(network, policy)),
        2 => (kinds, 0..12u8).prop_map(|(kind, name)| Step::Delete(kind, name)),
        1 => (0..2u8, any::<u8>()).prop_map(|(network, name)| Step::Rename(network, name)),
    ]
}

fn name_of(name: u8) -> Vec<String> {
    vec!["default-domain".into(), "default-project".into(), format!("n{name}")]
}

fn object(configuration: &Configuration, kind: &str, name: &[String]) -> Option<Arc<Object>> {
    configuration.graph.find(model().find(kind).unwrap(), name).cloned()
}

fn network_of(configuration: &Configuration, name: u8) -> Option<Arc<Object>> {
    object(configuration, "virtual-network", &name_of(name))
}

/// The holder of an address with this name, below whichever network.
fn holder_of(configuration: &Configuration, kind: &str, name: u8) -> Option<Arc<Object>> {
    let wanted = format!("a{name}");
    configuration.graph.objects_of(model().find(kind).unwrap()).find(|object| object.fq_name.name() == wanted).cloned()
}

/// The references of a network to the ipams, with these subnets.
fn references(subnets: &[(&str, u8)], flat: bool, uuids: &[Value], gateway: Option<u8>) -> Value {
    let mut entries = Vec::new();
    for (index, (prefix, length)) in subnets.iter().enumerate() {
        let mut entry = subnet(prefix, *length);
        extend(&mut entry, json!({"subnet_uuid": uuids.get(index)}));
        if let Some(last) = gateway {
            extend(&mut entry, json!({"default_gateway": format!("10.1.1.{last}")}));
        }
        entries.push(entry);
    }
    let mut refs = vec![json!({"to": default_ipam(), "attr": {"ipam_subnets": entries}})];
    if flat {
        refs.push(json!({"to": below_project("flat"), "attr": {"ipam_subnets": []}}));
    }
    Value::Array(refs)
}

fn perform(configuration: &mut Configuration, step: &Step) {
    let asked = |property: &str, last: Option<u8>| match last {
        Some(last) => json!({ property: format!("10.1.1.{last}") }),
        None => json!({}),
    };
    match step {
        Step::Network(name) => {
            let mode = if *name == 0 { "user-defined-subnet-preferred" } else { "flat-subnet-preferred" };
            let body = json!({"virtual_network_properties": {"forwarding_mode": "l3"},
                "address_allocation_mode": mode,
                "network_ipam_refs": references(SUBNETS[0], false, &[], None)});
            let _ = configuration.in_project("virtual-network", &format!("n{name}"), body);
        }
        Step::Subnets(name, which, flat, named, gateway) => {
            if let Some(network) = network_of(configuration, *name) {
                let stored = configuration.subnets(&network);
                let uuids = stored.iter().filter(|entry| entry.get("subnet").is_some());
                let uuids: Vec<Value> = uuids.map(|entry| entry["subnet_uuid"].clone()).filter(|_| *named).collect();
                let refs = references(SUBNETS[*which], *flat, &uuids, *gateway);
                let _ = configuration.update(&network, json!({ "network_ipam_refs": refs }));
            }
        }
        Step::Address(kind, name, network, last) => {
            let (kind, pool) = HOLDERS[*kind];
            let members = asked(&format!("{}_address", kind.replace('-', "_")), *last);
            let Some(network) = network_of(configuration, *network) else { return };
            let Some(pool_kind) = pool else {
                let _ = configuration.address(&format!("a{name}"), &network, &members);
                return;
            };
            let _ = configuration.below(&network, pool_kind, "pool", json!({}));
            let pool = network.fq_name.child("pool");
            let pool = configuration.find(pool_kind, pool.joined()).unwrap();
            let _ = configuration.below(&pool, kind, &format!("a{name}"), members);
        }
        Step::Exchange(name, last) => {
            if let Some(holder) = holder_of(configuration, "floating-ip", *name) {
                let _ = configuration.update(&holder, asked("floating_ip_address", Some(*last)));
            }
        }
        Step::Allocate(network, count) => {
            if let Some(network) = network_of(configuration, *network) {
                let _ = configuration.allocate(&network, *count, None);
            }
        }
        Step::GiveBack(network, last) => {
            if let Some(network) = network_of(configuration, *network) {
                configuration.give_back(&network, &[format!("10.1.1.{last}"), format!("21.1.1.{last}")]);
            }
        }
        Step::Policy(name) => {
            let _ = configuration.in_project("network-policy", &format!("n{name}"), json!({}));
        }
        Step::Refer(network, policy) => {
            if let Some(network) = network_of(configuration, *network) {
                let to = json!([{"to": name_of(*policy), "attr": null}]);
                let _ = configuration.update(&network, json!({"network_policy_refs": to}));
            }
        }
        Step::Delete(kind, name) => {
            let found = match *kind {
                "virtual-network" | "network-policy" => object(configuration, kind, &name_of(*name % 2)),
                holder => holder_of(configuration, holder, *name),
            };
            if let Some(found) = found {
                let _ = configuration.delete(&found);
            }
        }
        Step::Rename(network, name) => {
            if let Some(network) = network_of(configuration, *network) {
                configuration.update(&network, json!({"display_name": name.to_string()})).unwrap();
            }
        }
    }
}

/// No address is had twice, every hold belongs to its object and lies in a subnet, and objects say so.
fn check_addresses(configuration: &Configuration) {
    let graph = &configuration.graph;
    let mut had = BTreeSet::new();
    for (kind, _) in HOLDERS {
        let property = format!("{}_address", kind.replace('-', "_"));
        for object in graph.objects_of(model().find(kind).unwrap()) {
            let address = parse_address(configuration.get(object, &property).as_str().unwrap()).unwrap();
            let network = match object.parent {
                Some(pool) => graph.get(graph.get(pool).unwrap().parent.unwrap()).unwrap(),
                None => graph.get(object.links[0].target).unwrap(),
            };
            let links = configuration.links(network, "network_ipam_refs");
            let flat = links.iter().find(|(name, _)| name.ends_with(":flat"));
            let flat_uuid = configuration.find("network-ipam", "default-domain:default-project:flat").unwrap().uuid;
            let mut subnets: Vec<_> =
                graph.pools().subnets(network.uuid).map(|subnet| (network.uuid, subnet, subnet.subnet_uuid)).collect();
            if let Some((_, attribute)) = flat {
                let handle =
                    attribute["ipam_subnets"][0]["subnet_uuid"].as_str().and_then(|uuid| Uuid::try_parse(uuid).ok());
                subnets.extend(graph.pools().subnets(flat_uuid).map(|subnet| (flat_uuid, subnet, handle)));
            }
            let (scope, subnet, recorded) =
                subnets.into_iter().find(|(_, subnet, _)| subnet.contains(address)).expect("an address in a subnet");
            match object.hold {
                Some(hold) => {
                    assert_eq!(hold, Hold { scope, address });
                    assert_eq!(graph.pools().holder(scope, address), Some(Holder::Object(object.uuid)));
                    assert_eq!(subnet.reserved(address), None, "{address}");
                    assert!(had.insert((scope, address)), "{address} twice");
                }
                None => assert_eq!(subnet.gateway, Some(address)),
            }
            if kind == "instance-ip" {
                assert_eq!(configuration.get(object, "subnet_uuid"), recorded.unwrap().to_string());
            }
        }
    }
}

/// Everything that a graph keeps beside the objects follows from the objects, and no reference leads nowhere.
fn check_indexes(graph: &Graph) {
    assert_eq!(violations(graph), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens: the indexes agree with the objects, no address or id is had twice, and who follows the
    /// changes has the same graph at the same revision.
    #[test]
    fn any_history_leaves_a_sound_graph(steps in prop::collection::vec(step(), 1..60)) {
        let mut configuration = Configuration::new();
        configuration.flat_ipam("flat", json!([subnet("21.1.1.0", 29)]), json!({})).unwrap();
        for step in &steps {
            perform(&mut configuration, step);
            check_addresses(&configuration);
        }
        check_indexes(&configuration.graph);
        let (one, other) = (("the graph", &configuration.graph), ("the follower", &configuration.follower));
        prop_assert_eq!(differences(one, other), Vec::<String>::new());
        check_indexes(&configuration.follower);
    }
}
