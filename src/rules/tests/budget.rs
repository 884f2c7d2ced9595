//! Large requests are decided in time that grows with their size alone: with each held against each, a test here would take
//! minutes. What is larger than the budget is refused, and leaves nothing.

use super::*;
use crate::{
    graph::{FqName, Link},
    rules::{SetTag, budget},
};

/// The text of a refusal.
fn too_much(count: usize, limit: &budget::Limit) -> String {
    let (what, most) = (limit.what, limit.most);
    format!("400 Bad Request, too much for one request: {count} {what}, the limit is {most}")
}

/// So many subnets of this length, one after the other.
fn subnets(count: usize, length: u8) -> Vec<Value> {
    let step = 1 << (32 - length);
    let first = u32::from_be_bytes([10, 0, 0, 0]);
    let prefix = |number: usize| std::net::Ipv4Addr::from(first + u32::try_from(number * step).unwrap()).to_string();
    (0..count).map(|number| subnet(&prefix(number), length)).collect()
}

impl Configuration {
    /// Objects that somebody has made before, without the time that it takes to decide each.
    fn put_many(&mut self, kind: &str, count: usize, name: impl Fn(usize) -> FqName, properties: &Value) -> Vec<Uuid> {
        let type_id = model().find(kind).unwrap();
        let mut uuids = Vec::new();
        for number in 0..count {
            let mut object = Object::new(Uuid::new_v4(), type_id, name(number), self.graph.next_creation());
            for (name, value) in properties.as_object().unwrap() {
                let (id, _) = model().object_type(type_id).property(name).unwrap();
                object.set_property(id, Some(value.to_string().into()));
            }
            uuids.push(object.uuid);
            let object = Arc::new(object);
            self.graph.put(&object);
            self.follower.put(&object);
        }
        uuids.sort_unstable();
        uuids
    }

    fn put_policies(&mut self, count: usize) -> Vec<Uuid> {
        let name = |number| FqName::new(&["default-domain", "default-project", &format!("policy-{number}")]);
        self.put_many("network-policy", count, name, &json!({}))
    }

    fn update_elements(&mut self, object: &Object, updates: Vec<ElementUpdate>) -> Decision<Arc<Object>> {
        let update = CollectionUpdate { uuid: object.uuid.to_string(), updates };
        self.submit_for_object(Operation::CollectionUpdate(update))
    }
}

fn references(targets: &[Uuid], attribute: &Value) -> Value {
    targets.iter().map(|uuid| json!({"uuid": uuid.to_string(), "attr": attribute})).collect()
}

#[test]
fn addresses_of_very_many_subnets() {
    let mut configuration = Configuration::new();
    // In a /30 nothing is free, so all of them are looked at before the one that has room.
    let mut all = subnets(10_000, 30);
    all.push(subnet("11.0.0.0", 8));
    let network = configuration.network_with("n", json!(all), json!({})).unwrap();
    let most = budget::ADDRESSES.most;
    let taken = configuration.allocate(&network, most, None).unwrap();
    assert_eq!((taken.len(), &*taken[0], &*taken[most - 1]), (most, "11.255.255.252", "11.254.255.253"));
    let before = contents(&configuration.graph);
    assert_eq!(refusal(configuration.allocate(&network, most + 1, None)), too_much(most + 1, &budget::ADDRESSES));
    for number in 0..500 {
        // An instance-ip finds its subnet as quickly.
        let asked = json!({"instance_ip_address": format!("11.0.{}.{}", number / 200, 1 + number % 200)});
        configuration.take(&network, asked).unwrap();
    }
    let freed = configuration.give_back(&network, &taken);
    assert!(matches!(&freed[..], [Change { effect: crate::rules::Effect::Free(holds), .. }] if holds.len() == most));
    assert_eq!(configuration.allocate(&network, 1, None).unwrap(), ["11.255.255.252"]);
    assert_eq!(contents(&configuration.graph).len(), before.len() + 500);
}

#[test]
fn very_many_subnets_are_changed_at_once() {
    let mut configuration = Configuration::new();
    let most = budget::SUBNETS.most;
    let mut all = subnets(most, 28);
    let network = configuration.network_with("n", json!(all), json!({})).unwrap();
    // Router ports have the gateways, which nobody holds.
    for number in 0..100 {
        let gateway = format!("10.{}.{}.14", number / 25, 10 * (number % 25));
        configuration.take(&network, json!({"instance_ip_address": gateway})).unwrap();
    }
    let stored = configuration.subnets(&network);
    let unchanged =
        configuration.update(&network, json!({"network_ipam_refs": ipam_references(json!(stored))})).unwrap();
    assert_eq!(configuration.subnets(&unchanged), stored);
    // Other prefixes around all of them: each a new subnet, with the gateway that is in use.
    let wide = subnets(most / 2, 27);
    configuration.update(&network, json!({"network_ipam_refs": ipam_references(json!(wide))})).unwrap();
    assert_eq!(configuration.subnets(&network)[0]["default_gateway"], "10.0.0.14");
    let one_more: Vec<Value> = subnets(most + 1, 28);
    let refused = configuration.update(&network, json!({"network_ipam_refs": ipam_references(json!(one_more))}));
    assert_eq!(refusal(refused), too_much(most + 1, &budget::SUBNETS));
    all[most - 1] = subnet("10.3.255.224", 28);
    let refused = configuration.update(&network, json!({"network_ipam_refs": ipam_references(json!(all))}));
    let text = "400 Overlapping addresses: [IPNetwork('10.3.255.224/28'), IPNetwork('10.3.255.224/28')]";
    assert_eq!(refusal(refused), text);
    let in_use = configuration.update(&network, json!({"network_ipam_refs": ipam_references(json!([]))}));
    assert_eq!(refusal(in_use), "409 Cannot Delete IP Block, IP(10.0.0.14) is in use");
}

#[test]
fn very_many_subnets_of_a_flat_ipam() {
    let mut configuration = Configuration::new();
    let most = budget::SUBNETS.most;
    let body = |subnets: &[Value]| json!({"ipam_subnet_method": "flat-subnet", "ipam_subnets": {"subnets": subnets}});
    let all = subnets(most, 28);
    let ipam = configuration.in_project("network-ipam", "flat", body(&all)).unwrap();
    let stored = configuration.get(&ipam, "ipam_subnets");
    configuration.update(&ipam, json!({ "ipam_subnets": stored })).unwrap();
    assert_eq!(configuration.get(&ipam, "ipam_subnets"), stored);
    let half: Vec<Value> = stored["subnets"].as_array().unwrap().iter().step_by(2).cloned().collect();
    configuration.update(&ipam, body(&half)).unwrap();
    assert_eq!(configuration.graph.pools().count_of_subnets(ipam.uuid), most / 2);
    let refused = configuration.in_project("network-ipam", "larger", body(&subnets(most + 1, 28)));
    assert_eq!(refusal(refused), too_much(most + 1, &budget::SUBNETS));
}

#[test]
fn elements_of_long_collections() {
    let mut configuration = Configuration::new();
    let pair = |number: usize| json!({"key": format!("key-{number:06}"), "value": "x"});
    let pairs: Vec<Value> = (0..30_000).map(pair).collect();
    let annotations = json!({"annotations": {"key_value_pair": pairs}});
    let network = configuration.in_project("virtual-network", "n", annotations).unwrap();
    let update = |operation: &str, number: usize| ElementUpdate {
        field: "annotations".to_owned(),
        operation: operation.to_owned(),
        value: Some(pair(number)),
        position: Some(format!("key-{number:06}")),
        given: json!({}),
    };
    let most = budget::UPDATES.most;
    // From the end, in the middle, and beyond: new ones and some that are there.
    let updates: Vec<ElementUpdate> = (0..most)
        .map(|number| match number % 3 {
            0 => update("delete", 29_999 - number),
            1 => update("set", number),
            _ => update("set", 40_000 + number),
        })
        .collect();
    let deleted = most.div_ceil(3);
    configuration.update_elements(&network, updates.clone()).unwrap();
    let kept = configuration.get(&network, "annotations");
    assert_eq!(kept["key_value_pair"].as_array().unwrap().len(), 30_000 - deleted + most / 3);
    let refused = configuration.update_elements(&network, [updates, vec![update("set", 1)]].concat());
    assert_eq!(refusal(refused), too_much(most + 1, &budget::UPDATES));
    let mut count = kept["key_value_pair"].as_array().unwrap().len();
    let refused = loop {
        let more: Vec<ElementUpdate> = (0..most).map(|number| update("set", 100_000 + count + number)).collect();
        match configuration.update_elements(&network, more) {
            Ok(_) => count += most,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refusal(Err::<(), _>(refused)), too_much(count + most, &budget::ELEMENTS));
}

#[test]
fn references_to_very_many_objects() {
    let mut configuration = Configuration::new();
    let policies = configuration.put_policies(20_000);
    let network = configuration.in_project("virtual-network", "n", json!({})).unwrap();
    let update = |configuration: &mut Configuration, targets: &[Uuid]| {
        configuration.update(&network, json!({"network_policy_refs": references(targets, &json!({}))}))
    };
    update(&mut configuration, &policies).unwrap();
    assert_eq!(configuration.graph.referrers(policies[77], network.type_id).count(), 1);
    update(&mut configuration, &policies[6_000..]).unwrap();
    assert_eq!(configuration.graph.referrers(policies[77], network.type_id).count(), 0);
    assert_eq!(configuration.graph.referrers(policies[7_777], network.type_id).count(), 1);

    // From here on as if each had been added by a request of its own.
    let others = configuration.put_many("virtual-network", 1, |_| FqName::new(&["other"]), &json!({}));
    let reference = model().object_type(network.type_id).reference("network_policy_refs").unwrap().0;
    let most = budget::LINKS.most;
    let targets: Vec<Uuid> = (0..most).map(|number| Uuid::from_u128(1 + number as u128)).collect();
    let mut full = Object::clone(configuration.graph.get(others[0]).unwrap());
    full.links = targets.iter().map(|target| Link { reference, target: *target, attribute: None }).collect();
    let full = Arc::new(full);
    configuration.graph.put(&full);
    configuration.follower.put(&full);
    let policy = configuration.in_project("network-policy", "one", json!({})).unwrap();
    let refused = configuration.refer(&full, &policy, json!({}));
    assert_eq!(refusal(refused), too_much(most + 1, &budget::LINKS));
    configuration.update(&full, json!({"display_name": "as large as it was"})).unwrap();
}

#[test]
fn both_ends_of_very_many_references() {
    let mut configuration = Configuration::new();
    let most = budget::OBJECTS.most;
    let interfaces = configuration.put_many(
        "virtual-machine-interface",
        most,
        |number| FqName::new(&["default-domain", "default-project", &format!("sub-{number}")]),
        &json!({}),
    );
    let network = configuration.network("n", "10.0.0.0", 24);
    let primary = configuration.interface("primary", &network);
    let field = "virtual_machine_interface_refs";
    let before = contents(&configuration.graph);
    let refused = configuration.update(&primary, json!({ (field): references(&interfaces, &Value::Null) }));
    assert_eq!(refusal(refused), too_much(most + 1, &budget::OBJECTS));
    assert_eq!(contents(&configuration.graph), before, "nothing of it remains");
    configuration.update(&primary, json!({ (field): references(&interfaces[..5_000], &Value::Null) })).unwrap();
    assert_eq!(configuration.links(&primary, field).len(), 5_000);
    configuration.update(&primary, json!({ (field): [] })).unwrap();
    assert_eq!(contents(&configuration.follower), contents(&configuration.graph));
}

#[test]
fn very_many_tags_are_set_at_once() {
    let mut configuration = Configuration::new();
    let count = 20_000;
    configuration.put_many("tag", count, |number| FqName::new(&[format!("label={number}")]), &json!({}));
    let network = configuration.in_project("virtual-network", "n", json!({})).unwrap();
    let values: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let mut set = |member: &str| {
        let changes = json!({"label": {"is_global": true, (member): values}});
        let changes = changes.as_object().cloned().unwrap();
        let set = SetTag { type_id: network.type_id, uuid: network.uuid.to_string(), changes };
        configuration.submit_for_object(Operation::SetTag(set)).unwrap().links.len()
    };
    assert_eq!(set("add_values"), count);
    assert_eq!(set("add_values"), count);
    assert_eq!(set("delete_values"), 0);
}

#[test]
fn very_many_route_targets_and_patterns() {
    let mut configuration = Configuration::new();
    let targets = |first: usize| -> Vec<String> {
        (first..first + 20_000).map(|number| format!("target:65000:{number}")).collect()
    };
    let lists = json!({
        "multi_policy_service_chains_enabled": true,
        "import_route_target_list": {"route_target": targets(1)},
        "export_route_target_list": {"route_target": targets(100_000)},
    });
    configuration.in_project("virtual-network", "n", lists).unwrap();

    let global = configuration.global();
    let statistics = |count: usize, pattern: &str| -> Value {
        let statistic = |number| json!({"name": format!("s{number}"), "pattern": format!("{pattern}{number}")});
        json!({"user_defined_log_statistics": {"statlist": (0..count).map(statistic).collect::<Vec<_>>()}})
    };
    let most = budget::PATTERNS.most;
    let refused = configuration.update(&global, statistics(most + 1, "x"));
    assert_eq!(refusal(refused), too_much(most + 1, &budget::PATTERNS));
    configuration.update(&global, statistics(most, "x")).unwrap();
    // Those that are there count no more.
    configuration.update(&global, statistics(2 * most, "x")).unwrap();
    let huge = refusal(configuration.update(&global, statistics(most, "((a{100}){100}){100}")));
    assert!(huge.starts_with("400 Regex error in user-defined-log-statistics at s0: "), "{huge}");
}
