//! Several operations as one request, and what has to hold for them to be done. After each, the follower, who sees nothing but
//! the changes, has to have the same graph: what one operation frees and another takes comes to it in the order of the changes.

use super::*;
use crate::{
    change_log::LogOperation,
    graph::{differences, violations},
    rules::{
        AllocateAddresses, Asked, Condition, Effect, FreeAddresses, Precondition, RelaxReference, Step, Tags,
        Transaction, budget, etag,
    },
};

impl Configuration {
    pub fn many(&mut self, operations: Vec<Operation>) -> Decision<(Vec<Outcome>, Vec<Change>)> {
        let steps = operations
            .into_iter()
            .map(|operation| Step { operation, precondition: None, asked: Questions::default() })
            .collect();
        match self.submit(Operation::Many(Transaction { steps }))? {
            (Outcome::Many(outcomes), changes) => Ok((outcomes, changes)),
            (other, _) => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn check_follower(&self) {
        assert_eq!(differences(("it", &self.graph), ("the follower", &self.follower)), Vec::<String>::new());
        assert_eq!(violations(&self.graph), []);
    }
}

pub fn creation(kind: &str, body: Value) -> Operation {
    let model = model();
    let type_id = model.find(kind).unwrap();
    let Value::Object(body) = body else { panic!("an object") };
    let fq_name = super::super::string_list(&body["fq_name"]).unwrap();
    let document = Document::read(&model, model.object_type(type_id), body, Purpose::Create).unwrap();
    Operation::Create(Create { type_id, fq_name, document, chosen: None })
}

pub fn chosen(kind: &str, uuid: Uuid, body: Value) -> Operation {
    let Operation::Create(create) = creation(kind, body) else { panic!("a create") };
    Operation::Create(Create { chosen: Some(uuid), ..create })
}

fn policy(name: &str, members: Value) -> Value {
    let mut body = json!({"fq_name": below_project(name), "parent_type": "project"});
    extend(&mut body, members);
    body
}

pub fn change(object: &Object, body: Value) -> Operation {
    let Value::Object(body) = body else { panic!("an object") };
    let document = Document::read_update(&model(), model().object_type(object.type_id), body);
    Operation::Update(Update { type_id: object.type_id, uuid: object.uuid.to_string(), document })
}

pub fn deletion(object: &Object) -> Operation {
    Operation::Delete(Delete { type_id: object.type_id, uuid: object.uuid.to_string() })
}

/// Letters of the log.
fn operations(changes: &[Change], graph: &Graph) -> Vec<(LogOperation, Uuid)> {
    let origin = Origin { at: Timestamp(0), request_id: None, who: None, caller: None };
    LogEntry::of_request(changes, graph, &origin).map(|entry| (entry.operation, entry.uuid)).collect()
}

#[test]
fn later_operations_see_what_earlier_ones_did_and_all_is_one_request() {
    let mut configuration = Configuration::new();
    let before = configuration.graph.revision();
    let uuid = Uuid::new_v4();
    let network = chosen("virtual-network", uuid, policy("front", json!({})));
    let refs = json!({"virtual_network_refs": [{"uuid": uuid.to_string()}]});
    let port = creation("virtual-machine-interface", policy("port", refs));
    let (outcomes, changes) = configuration.many(vec![network, port]).unwrap();
    let Outcome::Object(told) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!((told.uuid, told.parent.unwrap().1), (uuid, configuration.project().uuid));
    assert_eq!(outcomes.len(), 2);
    let end = configuration.graph.revision();
    assert_eq!(end, before + changes.len() as u64);
    assert!(changes.iter().all(|change| change.request == end), "{changes:?}");
    configuration.check_follower();
}

#[test]
fn a_uuid_that_the_server_chose_is_not_given_by_the_client() {
    let mut configuration = Configuration::new();
    let uuid = Uuid::new_v4();
    let project = |name: &str| json!({"fq_name": ["default-domain", name]});
    configuration.submit(chosen("project", uuid, project("chosen"))).unwrap();
    let chosen_one = configuration.find("project", "default-domain:chosen").unwrap();
    let given = configuration
        .create("project", json!({"fq_name": ["default-domain", "given"], "uuid": Uuid::new_v4()}))
        .unwrap();
    let plain = configuration.create("project", project("plain")).unwrap();
    let owner = |object: &Object| configuration.get(object, "perms2")["owner"].clone();
    assert_eq!(chosen_one.uuid, uuid);
    assert_eq!(owner(&chosen_one), owner(&plain));
    assert_eq!(owner(&given), given.uuid.simple().to_string());
}

#[test]
fn a_refusal_says_which_operation_and_leaves_nothing() {
    let mut configuration = Configuration::new();
    let (contents_before, revision) = (contents(&configuration.graph), configuration.graph.revision());
    let missing =
        Object::new(Uuid::new_v4(), model().find("network-policy").unwrap(), crate::graph::FqName::new(&["x"]), 0);
    let refused =
        configuration.many(vec![creation("network-policy", policy("p", json!({}))), deletion(&missing)]).unwrap_err();
    assert_eq!(refused.operation, Some(1));
    assert_eq!(refusal::<()>(Err(refused)), format!("404 ID {} does not exist", missing.uuid));
    assert_eq!((contents(&configuration.graph), configuration.graph.revision()), (contents_before, revision));
}

#[test]
fn what_is_created_and_deleted_at_once_leaves_no_change() {
    let mut configuration = Configuration::new();
    let uuid = Uuid::new_v4();
    let create = || chosen("network-policy", uuid, policy("p", json!({})));
    let type_id = model().find("network-policy").unwrap();
    let delete = || Operation::Delete(Delete { type_id, uuid: uuid.to_string() });
    let (outcomes, changes) = configuration.many(vec![create(), delete()]).unwrap();
    assert_eq!((outcomes.len(), changes.len()), (2, 0));
    let (_, changes) = configuration.many(vec![create(), delete(), create()]).unwrap();
    let told = operations(&changes, &configuration.graph);
    assert_eq!(told.iter().filter(|(_, of)| *of == uuid).collect::<Vec<_>>(), [&(LogOperation::Create, uuid)]);
    configuration.check_follower();
}

#[test]
fn an_object_that_goes_and_comes_again_is_another_one() {
    let mut configuration = Configuration::new();
    let old = configuration.in_project("network-policy", "p", json!({"display_name": "old"})).unwrap();
    let other = configuration.in_project("network-policy", "q", json!({})).unwrap();
    let anew = chosen("network-policy", old.uuid, policy("q", json!({})));
    // The name of one that goes, too, for a uuid that was changed before: whoever follows must not mix them up.
    let all = vec![change(&old, json!({"display_name": "x"})), deletion(&old), deletion(&other), anew];
    let (_, changes) = configuration.many(all).unwrap();
    let told = operations(&changes, &configuration.graph);
    let wanted =
        [(LogOperation::Delete, old.uuid), (LogOperation::Delete, other.uuid), (LogOperation::Create, old.uuid)];
    assert_eq!(told, wanted);
    let Effect::Delete(last) = &changes[0].effect else { panic!("{changes:?}") };
    assert_eq!(last.fq_name, old.fq_name);
    assert_eq!(configuration.find("network-policy", "default-domain:default-project:q").unwrap().uuid, old.uuid);
    configuration.check_follower();
}

#[test]
fn children_that_are_made_anew_have_an_order_of_their_own() {
    let mut configuration = Configuration::new();
    let uuids: Vec<Uuid> = (0..3).map(|_| Uuid::new_v4()).collect();
    let type_id = model().find("network-policy").unwrap();
    let create = |index: usize| chosen("network-policy", uuids[index], policy(&format!("p{index}"), json!({})));
    let delete = |index: usize| Operation::Delete(Delete { type_id, uuid: uuids[index].to_string() });
    configuration.many(vec![create(0), create(1), delete(0), create(0), create(2)]).unwrap();
    let children = configuration.graph.children_of(configuration.project().uuid, type_id).map(|child| child.uuid);
    let children: Vec<Uuid> = children.filter(|uuid| uuids.contains(uuid)).collect();
    assert_eq!(children, [uuids[1], uuids[0], uuids[2]]);
    let created: std::collections::BTreeSet<u64> =
        children.iter().map(|uuid| configuration.graph.get(*uuid).unwrap().created).collect();
    assert_eq!(created.len(), 3, "no two have one number");
    configuration.check_follower();
}

#[test]
fn an_address_comes_to_an_object_before_the_other_one_lets_it_go() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "10.1.1.0", 28);
    let pool = configuration.below(&network, "floating-ip-pool", "pool", json!({})).unwrap();
    let float = |configuration: &mut Configuration, name: &str, address: &str| {
        configuration.below(&pool, "floating-ip", name, json!({"floating_ip_address": address})).unwrap()
    };
    let (one, other) = (float(&mut configuration, "one", "10.1.1.4"), float(&mut configuration, "other", "10.1.1.5"));
    let to = |object: &Object, address: &str| change(object, json!({"floating_ip_address": address}));
    // One is touched first, and ends with what the other one, touched later, has let go.
    configuration.many(vec![to(&one, "10.1.1.6"), deletion(&other), to(&one, "10.1.1.5")]).unwrap();
    assert_eq!(configuration.get(&one, "floating_ip_address"), "10.1.1.5");
    configuration.check_follower();
    // They change places.
    let other = float(&mut configuration, "other", "10.1.1.4");
    configuration.many(vec![to(&one, "10.1.1.7"), to(&other, "10.1.1.5"), to(&one, "10.1.1.4")]).unwrap();
    configuration.check_follower();
    // What an object had is reserved, and what was reserved an object has.
    let reserve = |count| AllocateAddresses { network: network.uuid.to_string(), count, subnet: None, version: None };
    let free =
        |address: &str| FreeAddresses { network: network.uuid.to_string(), addresses: vec![address.parse().unwrap()] };
    configuration.many(vec![deletion(&one), deletion(&other), Operation::AllocateAddresses(reserve(13))]).unwrap_err();
    let (outcomes, _) =
        configuration.many(vec![deletion(&one), deletion(&other), Operation::AllocateAddresses(reserve(4))]).unwrap();
    let Outcome::Addresses(addresses) = &outcomes[2] else { panic!("{outcomes:?}") };
    configuration.check_follower();
    let address = addresses[0].as_str();
    let body =
        json!({"fq_name": ["i"], "virtual_network_refs": [{"uuid": network.uuid}], "instance_ip_address": address});
    let taking = creation("instance-ip", body);
    configuration.many(vec![Operation::FreeAddresses(free(address)), taking]).unwrap();
    configuration.check_follower();
}

#[test]
fn a_network_that_is_made_anew_keeps_the_reservations_that_are_made_anew() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "10.1.1.0", 28);
    let reserve = || {
        let network = network.uuid.to_string();
        Operation::AllocateAddresses(AllocateAddresses { network, count: 2, subnet: None, version: None })
    };
    let (reserved, _) = configuration.submit(reserve()).unwrap();
    let body = policy("n", json!({"network_ipam_refs": ipam_references(json!([subnet("10.1.1.0", 28)]))}));
    let (outcomes, _) =
        configuration.many(vec![deletion(&network), chosen("virtual-network", network.uuid, body), reserve()]).unwrap();
    assert_eq!(outcomes[2], reserved, "the same addresses");
    configuration.check_follower();
    let Outcome::Addresses(addresses) = reserved else { panic!("{reserved:?}") };
    let free = FreeAddresses {
        network: network.uuid.to_string(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    configuration.many(vec![Operation::FreeAddresses(free), reserve()]).unwrap();
    configuration.check_follower();
}

#[test]
fn numbers_and_links_follow() {
    let mut configuration = Configuration::new();
    let vxlan = |id: u32| json!({"virtual_network_properties": {"vxlan_network_identifier": id}});
    let one = configuration.in_project("virtual-network", "one", vxlan(77)).unwrap();
    let other = configuration.in_project("virtual-network", "other", vxlan(78)).unwrap();
    configuration.many(vec![change(&one, vxlan(79)), change(&other, vxlan(77)), change(&one, vxlan(78))]).unwrap();
    configuration.check_follower();
    // A target that goes and comes again, while who referred to it did so before and does so after.
    let target = configuration.in_project("network-policy", "target", json!({})).unwrap();
    let refs =
        || json!({"network_policy_refs": [{"uuid": target.uuid, "attr": {"sequence": {"major": 0, "minor": 0}}}]});
    configuration.update(&one, refs()).unwrap();
    let relax = RelaxReference { uuid: one.uuid.to_string(), target: target.uuid.to_string() };
    configuration.submit(Operation::RelaxReference(relax)).unwrap();
    let anew = chosen("network-policy", target.uuid, policy("renamed", json!({})));
    configuration.many(vec![deletion(&target), anew, change(&one, refs())]).unwrap();
    assert_eq!(configuration.links(&one, "network_policy_refs")[0].0, "default-domain:default-project:renamed");
    configuration.check_follower();
}

#[test]
fn each_operation_says_for_itself_whether_it_was_kept_aside() {
    let mut configuration = Configuration::new();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let project = configuration.below(&domain, "project", "p", json!({"enable_security_policy_draft": true})).unwrap();
    let of = |kind: &str| {
        let name = project.fq_name.child(kind);
        creation(kind, json!({"fq_name": name.elements(), "parent_type": "project"}))
    };
    let (outcomes, _) = configuration.many(vec![of("address-group"), of("network-policy")]).unwrap();
    assert!(matches!(outcomes[..], [Outcome::Pending(Some(_)), Outcome::Object(_)]), "{outcomes:?}");
    configuration.check_follower();
}

#[test]
fn the_budget_is_one_for_all() {
    let mut configuration = Configuration::new();
    let object = configuration.in_project("network-policy", "p", json!({"display_name": "x".repeat(1 << 20)})).unwrap();
    // Nothing is written; that it has to be read each time is enough.
    let most = budget::BYTES.most >> 20;
    let same = |count: usize| (0..count).map(|_| change(&object, json!({"display_name": "x".repeat(1 << 20)})));
    let refused = configuration.many(same(most + 1).collect()).unwrap_err();
    assert!(refused.text.to_string().contains("bytes of objects changed"), "{refused:?}");
    configuration.many(same(most / 2).collect()).unwrap();
}

#[test]
fn a_precondition_is_about_the_state_right_before_the_operation() {
    let mut configuration = Configuration::new();
    let object = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let matches = |tag: String| Some(Precondition::Matches(Tags::Of(vec!["\"other\"".to_owned(), tag])));
    let rename = |name: &str| change(&object, json!({ "display_name": name }));
    let tag = etag(&object);
    let steps = |second: Option<Precondition>| {
        let first = Step { operation: rename("a"), precondition: matches(tag.clone()), asked: Questions::default() };
        Transaction {
            steps: vec![first, Step { operation: rename("b"), precondition: second, asked: Questions::default() }],
        }
    };
    let refused = configuration.submit(Operation::Many(steps(matches(tag.clone())))).unwrap_err();
    assert_eq!((refused.kind, refused.operation), (Kind::Unmet, Some(1)));
    assert!(
        refused.text.to_string().starts_with(&format!("If-Match: network-policy {} has the ETag \"", object.uuid)),
        "{}",
        refused.text
    );
    assert_eq!(configuration.current(&object).unwrap(), object, "nothing is done");
    configuration.submit(Operation::Many(steps(Some(Precondition::Matches(Tags::Any))))).unwrap();
    let now = configuration.current(&object).unwrap();
    assert_ne!(etag(&now), tag);
    let (text, present) =
        (configuration.submit(Operation::Many(steps(None))).unwrap_err().text.to_string(), etag(&now));
    assert!(text.ends_with(&format!("has the ETag {present} now")), "{text}");
}

#[test]
fn every_way_to_change_an_object_changes_its_tag() {
    let mut configuration = Configuration::new();
    let object = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let network = configuration.in_project("virtual-network", "n", json!({})).unwrap();
    let mut tags = vec![etag(&network)];
    let attribute = json!({"sequence": {"major": 0, "minor": 0}});
    configuration.refer(&network, &object, attribute).unwrap();
    tags.push(etag(&configuration.current(&network).unwrap()));
    configuration.put_element(&network, "annotations", "set", json!({"key": "a", "value": "b"})).unwrap();
    tags.push(etag(&configuration.current(&network).unwrap()));
    configuration.update(&network, json!({"display_name": "x"})).unwrap();
    tags.push(etag(&configuration.current(&network).unwrap()));
    configuration.unrefer(&network, &object).unwrap();
    tags.push(etag(&configuration.current(&network).unwrap()));
    let distinct: std::collections::BTreeSet<&String> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len(), "{tags:?}");
}

#[test]
fn what_is_to_be_absent_is_looked_for_by_name_and_by_uuid() {
    let mut configuration = Configuration::new();
    let object = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let create = |body: Value| Step {
        operation: creation("network-policy", policy("p", body)),
        precondition: Some(Precondition::IsAbsent),
        asked: Questions::default(),
    };
    let mut decide = |step: Step| configuration.submit(Operation::Many(Transaction { steps: vec![step] })).map(|_| ());
    let name = "['default-domain', 'default-project', 'p']";
    let text = format!(
        "412 If-None-Match: network-policy {name} exists with uuid {} and the ETag {}",
        object.uuid,
        etag(&object)
    );
    assert_eq!(refusal(decide(create(json!({})))), text);
    let mut by_uuid = create(json!({"uuid": object.uuid.to_string()}));
    if let Operation::Create(create) = &mut by_uuid.operation {
        create.fq_name = vec!["default-domain".into(), "default-project".into(), "q".into()];
    }
    assert_eq!(refusal(decide(by_uuid)), text);
    // The name of a tag is made of its type and value.
    let tag = || Step {
        operation: creation("tag", json!({"fq_name": ["x"], "tag_type_name": "tier", "tag_value": "web"})),
        precondition: Some(Precondition::IsAbsent),
        asked: Questions::default(),
    };
    decide(tag()).unwrap();
    assert!(refusal(decide(tag())).contains("['tier=web'] exists"));
}

#[test]
fn conditions() {
    let mut configuration = Configuration::new();
    let object = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let type_id = object.type_id;
    let name = |name: &str| Asked::Name(["default-domain", "default-project", name].map(str::to_owned).to_vec());
    let uuid = |uuid: Uuid| Asked::Uuid(uuid.to_string());
    let mut decide = |asked: Asked, exists: bool| {
        configuration.many(vec![Operation::Condition(Condition { type_id, asked, exists })]).map(|_| ())
    };
    decide(name("p"), true).unwrap();
    decide(uuid(object.uuid), true).unwrap();
    decide(name("q"), false).unwrap();
    assert_eq!(
        refusal(decide(name("q"), true)),
        "412 network-policy ['default-domain', 'default-project', 'q'] does not exist"
    );
    let missing = Uuid::new_v4();
    assert_eq!(refusal(decide(uuid(missing), true)), format!("412 network-policy {missing} does not exist"));
    let text = format!("412 network-policy {0} exists with uuid {0}", object.uuid);
    assert_eq!(refusal(decide(uuid(object.uuid), false)), text);
}
