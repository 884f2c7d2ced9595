//! The rules on graphs in memory: no database, no clock, no randomness but that of the properties.

use super::{
    Change, Create, Decision, Delete, Document, Operation, Outcome, Purpose, Rejection, Request, Update, Work,
    update::ReferenceUpdate,
};
use crate::{
    access::Identity,
    graph::{Graph, Object},
    model::Model,
    timestamp::Timestamp,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};
use uuid::Uuid;

fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    Arc::clone(MODEL.get_or_init(|| Arc::new(Model::embedded().unwrap())))
}

/// A configuration, and a follower that only sees the changes.
struct Configuration {
    graph: Graph,
    follower: Graph,
    now: i64,
}

impl Configuration {
    fn new() -> Self {
        let mut new = Self { graph: Graph::new(model()), follower: Graph::new(model()), now: 0 };
        new.submit(Operation::Provision).unwrap();
        new
    }

    fn submit(&mut self, operation: Operation) -> Decision<(Outcome, Vec<Change>)> {
        self.now += 1;
        let base = "http://api:8082".to_owned();
        let request = Request { operation, identity: Identity::default(), base: base.clone() };
        let identity = Identity::default();
        let mut work = Work::new(self.graph.clone(), identity, base, Timestamp(self.now), Uuid::new_v4);
        let outcome = request.decide(&mut work)?;
        let (graph, changes) = work.finish();
        self.graph = graph;
        for change in &changes {
            change.apply(&mut self.follower);
        }
        Ok((outcome, changes))
    }

    fn create(&mut self, kind: &str, body: Value) -> Decision<Arc<Object>> {
        let model = model();
        let type_id = model.find(kind).unwrap();
        let Value::Object(body) = body else { panic!("an object") };
        let fq_name = super::string_list(&body["fq_name"]).unwrap();
        let document = Document::read(&model, model.object_type(type_id), body, Purpose::Create)?;
        match self.submit(Operation::Create(Create { type_id, fq_name, document }))? {
            (Outcome::Object(object), _) => Ok(object),
            (other, _) => panic!("{other:?}"),
        }
    }

    fn update(&mut self, object: &Object, body: Value) -> Decision<()> {
        let Value::Object(body) = body else { panic!("an object") };
        let document = Document::read(&model(), model().object_type(object.type_id), body, Purpose::Update);
        let update = Update { type_id: object.type_id, uuid: object.uuid.to_string(), document };
        self.submit(Operation::Update(update)).map(|_| ())
    }

    fn delete(&mut self, object: &Object) -> Decision<()> {
        let delete = Delete { type_id: object.type_id, uuid: object.uuid.to_string() };
        self.submit(Operation::Delete(delete)).map(|_| ())
    }

    fn network(&mut self, name: &str, prefix: &str, length: u8) -> Arc<Object> {
        self.create(
            "virtual-network",
            json!({"fq_name": ["default-domain", "default-project", name], "parent_type": "project",
                "network_ipam_refs": [{"to": ["default-domain", "default-project", "default-network-ipam"],
                    "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}}]}}]}),
        )
        .unwrap()
    }

    fn address(&mut self, name: &str, network: &Object, members: &Value) -> Decision<Arc<Object>> {
        let mut body = json!({"fq_name": [name], "virtual_network_refs": [{"to": network.fq_name.elements()}]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.create("instance-ip", body)
    }

    fn get(&self, object: &Object, property: &str) -> Value {
        let id = model().object_type(object.type_id).property(property).map(|(id, _)| id).unwrap();
        self.graph.get(object.uuid).and_then(|object| object.property(id)).unwrap_or_default()
    }
}

/// What a graph says about everything, in an order of its own.
fn contents(graph: &Graph) -> BTreeMap<Uuid, Object> {
    graph.all().map(|object| (object.uuid, Object::clone(object))).collect()
}

#[test]
fn the_first_objects_are_made_once() {
    let mut configuration = Configuration::new();
    let (_, changes) = configuration.submit(Operation::Provision).unwrap();
    assert_eq!(changes.len(), 0);
    let kind = model().find("virtual-network").unwrap();
    let ids: Vec<Value> = configuration
        .graph
        .objects_of(kind)
        .map(|network| configuration.get(network, "virtual_network_network_id"))
        .collect();
    assert_eq!(ids, [3, 4, 1, 2], "by name: __link_local__, dci-network, default-virtual-network, ip-fabric");
}

/// VN-C5, VN-C11
#[test]
fn a_network_has_its_id_and_routing_instance_in_the_same_request() {
    let mut configuration = Configuration::new();
    let start = configuration.graph.revision();
    let network = configuration.network("blue", "10.1.1.0", 24);
    assert_eq!(configuration.graph.revision(), start + 2);
    assert_eq!(configuration.get(&network, "virtual_network_network_id"), 5);
    let kind = model().find("routing-instance").unwrap();
    let instance = configuration.graph.children_of(network.uuid, kind).next().unwrap();
    assert_eq!(&**instance.fq_name.joined(), "default-domain:default-project:blue:blue");
    configuration.delete(&network).unwrap();
    assert_eq!(configuration.graph.children_of(network.uuid, kind).count(), 0);
    let next = configuration.network("red", "10.1.1.0", 24);
    assert_eq!(configuration.get(&next, "virtual_network_network_id"), 5, "freed ids are used again");
}

/// IIP-C5, IIP-C9, IIP-D1
#[test]
fn addresses_come_in_order_and_go_back_to_their_place() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 29);
    let none = json!({});
    let addresses: Vec<Arc<Object>> =
        ["a", "b", "c", "d"].iter().map(|name| configuration.address(name, &network, &none).unwrap()).collect();
    let texts: Vec<Value> = addresses.iter().map(|address| configuration.get(address, "instance_ip_address")).collect();
    assert_eq!(texts, ["10.1.1.4", "10.1.1.3", "10.1.1.2", "10.1.1.1"]);
    let full = configuration.address("e", &network, &none).unwrap_err();
    assert_eq!(
        full,
        Rejection::bad_request(
            "Virtual-Network(['default-domain', 'default-project', 'blue']) has exhausted subnet([])"
        )
    );
    configuration.delete(&addresses[1]).unwrap();
    let again = configuration.address("e", &network, &none).unwrap();
    assert_eq!(configuration.get(&again, "instance_ip_address"), "10.1.1.3");
    let taken = configuration.address("f", &network, &json!({"instance_ip_address": "10.1.1.3"})).unwrap_err();
    assert_eq!(taken, Rejection::conflict("IP address already in use"));
    let gateway = json!({"instance_ip_address": "10.1.1.6"});
    configuration.address("g", &network, &gateway).unwrap();
    configuration.address("h", &network, &gateway).unwrap();
}

/// VN-U8: and nothing of a refused request remains.
#[test]
fn a_subnet_in_use_stays() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    configuration.address("a", &network, &json!({})).unwrap();
    let before = contents(&configuration.graph);
    let refused = configuration.update(&network, json!({"network_ipam_refs": []})).unwrap_err();
    assert_eq!(refused, Rejection::conflict("Cannot Delete IP Block, IP(10.1.1.252) is in use"));
    assert_eq!(contents(&configuration.graph), before);
}

/// Each subnet of a subnetted ipam is one subscriber's, until its last address is free.
#[test]
fn subscribers_have_subnets_of_their_own() {
    let mut configuration = Configuration::new();
    let subnet = |prefix: &str| json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": 30}});
    let ipam = configuration
        .create(
            "network-ipam",
            json!({"fq_name": ["default-domain", "default-project", "lent"], "parent_type": "project",
                "ipam_subnet_method": "flat-subnet", "ipam_subnetting": true,
                "ipam_subnets": {"subnets": [subnet("41.1.1.0"), subnet("42.1.1.0")]}}),
        )
        .unwrap();
    let network = configuration
        .create(
            "virtual-network",
            json!({"fq_name": ["default-domain", "default-project", "vn"], "parent_type": "project",
                "virtual_network_properties": {"forwarding_mode": "l3"},
                "network_ipam_refs": [{"to": ipam.fq_name.elements(), "attr": {"ipam_subnets": []}}]}),
        )
        .unwrap();
    let mut addresses = Vec::new();
    for (name, subscriber, expected) in [
        ("1", "a", Ok("41.1.1.2")),
        ("2", "b", Ok("42.1.1.2")),
        ("3", "a", Ok("41.1.1.1")),
        ("4", "a", Err("['41.1.1.0/30']")),
        ("5", "c", Err("[]")),
    ] {
        let answer = configuration.address(name, &network, &json!({"instance_ip_subscriber_tag": subscriber}));
        match (answer, expected) {
            (Ok(address), Ok(expected)) => {
                assert_eq!(configuration.get(&address, "instance_ip_address"), expected);
                addresses.push(address);
            }
            (Err(refusal), Err(tried)) => assert!(refusal.text.ends_with(&format!("exhausted subnet({tried})"))),
            (answer, expected) => panic!("{answer:?} instead of {expected:?}"),
        }
    }
    assert!(configuration.address("6", &network, &json!({})).is_err(), "nobody's");
    for address in &addresses {
        configuration.delete(address).unwrap();
    }
    let tags = configuration.get(&ipam, "ipam_subnets");
    assert!(!tags.to_string().contains("subscriber_tag"), "{tags}");
}

/// GEN-11
#[test]
fn symmetric_references_are_on_both_ends() {
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
        attribute: Ok(Value::Null),
        relax: false,
    };
    let (_, changes) = configuration.submit(Operation::ReferenceUpdate(add)).unwrap();
    let mut operations: Vec<&str> = changes.iter().map(Change::operation).collect();
    operations.sort_unstable();
    assert_eq!(operations, ["i", "u"]);
    let targets = |configuration: &Configuration, object: &Object| -> Vec<Uuid> {
        configuration.graph.get(object.uuid).unwrap().links_of(reference).iter().map(|link| link.target).collect()
    };
    assert_eq!(targets(&configuration, &other), [one.uuid]);
    configuration.delete(&one).unwrap();
    assert!(targets(&configuration, &other).is_empty());
}

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

fn below_project(name: u8) -> Vec<String> {
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
                json!({"fq_name": below_project(*name), "parent_type": "project",
                    "network_ipam_refs": [{"to": ["default-domain", "default-project", "default-network-ipam"],
                        "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "10.1.1.0", "ip_prefix_len": 29}}]}}]}),
            );
        }
        Step::Address(name, network) => {
            if let Some(network) = find(configuration, "virtual-network", &below_project(*network)) {
                let _ = configuration.address(&format!("a{name}"), &network, &json!({}));
            }
        }
        Step::Policy(name) => {
            let _ = configuration
                .create("network-policy", json!({"fq_name": below_project(*name), "parent_type": "project"}));
        }
        Step::Refer(network, policy) => {
            if let Some(network) = find(configuration, "virtual-network", &below_project(*network)) {
                let to = json!([{"to": below_project(*policy), "attr": null}]);
                let _ = configuration.update(&network, json!({"network_policy_refs": to}));
            }
        }
        Step::Delete(kind, name) => {
            let name = if *kind == "instance-ip" { vec![format!("a{name}")] } else { below_project(*name % 4) };
            if let Some(object) = find(configuration, kind, &name) {
                let _ = configuration.delete(&object);
            }
        }
        Step::Rename(network, name) => {
            if let Some(network) = find(configuration, "virtual-network", &below_project(*network)) {
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
