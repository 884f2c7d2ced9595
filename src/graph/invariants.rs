//! What holds of every graph, whatever has happened: it is the same however it came about (from the tables, or change by
//! change), and all that it keeps beside the objects follows from them.

use super::{Column, Graph, Hold, Holder, Object, Permissions, Position, Written, elements, object::is_same_json};
use crate::{
    finding::{Finding, Kind, Place},
    model::{Model, PropertyId, TypeId, field_name},
};
use serde::de::IgnoredAny;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
};
use uuid::Uuid;

/// The differences of two graphs that should be the same, which are called by these names.
pub fn differences(one: (&str, &Graph), other: (&str, &Graph)) -> Vec<String> {
    let (graph, others) = (one.1, other.1);
    let mut found = Vec::new();
    let mut compare = Comparison { names: (one.0, other.0), found: &mut found };
    let position = |graph: &Graph| BTreeMap::from([("the position", graph.position())]);
    compare.maps("", &position(graph), &position(others), |one: &Position, other| one == other);
    compare.objects(graph, others);
    let names = |graph: &Graph| -> BTreeMap<String, Uuid> {
        let named = graph.names.iter().enumerate().flat_map(|(type_id, names)| {
            let kind = u16::try_from(type_id).map(|id| type_name(&graph.model, TypeId(id))).unwrap_or_default();
            names.iter().map(move |(name, object)| (format!("{kind} {name}"), object.uuid)).collect::<Vec<_>>()
        });
        named.collect()
    };
    compare.equal("the name", &names(graph), &names(others));
    let children = |graph: &Graph| -> BTreeMap<(Uuid, TypeId, u64, Uuid), bool> {
        graph.children.iter().map(|child| (*child, true)).collect()
    };
    compare.equal("the child", &children(graph), &children(others));
    let referrers = |graph: &Graph| -> BTreeMap<(Uuid, TypeId, Uuid), bool> {
        graph.back_references.iter().map(|referrer| (*referrer, true)).collect()
    };
    compare.equal("the back reference", &referrers(graph), &referrers(others));
    let numbers = |graph: &Graph| -> BTreeMap<String, Vec<(u128, u128)>> {
        let taken = graph.numbers.taken().filter(|(_, taken)| !taken.is_empty());
        taken.map(|(pool, taken)| (format!("{pool:?}"), taken)).collect()
    };
    compare.equal("numbers taken of", &numbers(graph), &numbers(others));
    let holds = |graph: &Graph| -> BTreeMap<(Uuid, std::net::IpAddr), Holder> {
        graph.pools.all_held().map(|(hold, holder)| ((hold.scope, hold.address), holder)).collect()
    };
    compare.equal("the holder of", &holds(graph), &holds(others));
    let sharing = |graph: &Graph| -> BTreeMap<(Uuid, std::net::IpAddr, Uuid), bool> {
        graph.pools.all_sharing().map(|shared| (*shared, true)).collect()
    };
    compare.equal("the shared address", &sharing(graph), &sharing(others));
    let inner_keys = |graph: &Graph| -> BTreeMap<String, bool> {
        graph.inner_keys.all().map(|key| (format!("{key:?}"), true)).collect()
    };
    compare.equal("the inner key", &inner_keys(graph), &inner_keys(others));
    let subnets = |graph: &Graph| -> BTreeMap<Uuid, Vec<crate::ipam::Subnet>> {
        let all = graph.pools.all_subnets();
        all.map(|(scope, subnets)| (scope, subnets.into_iter().cloned().collect())).collect()
    };
    compare.equal("the subnets of", &subnets(graph), &subnets(others));
    let counts = |graph: &Graph| -> BTreeMap<(&'static str, Uuid, TypeId), usize> {
        graph.counts.all().map(|(what, holder, type_id, count)| ((what, holder, type_id), count)).collect()
    };
    compare.equal("the count of", &counts(graph), &counts(others));
    let grants = |graph: &Graph| -> BTreeMap<String, bool> {
        graph.grants.all().map(|grant| (format!("{grant:?}"), true)).collect()
    };
    compare.equal("the grant", &grants(graph), &grants(others));
    let time_bases = |graph: &Graph| -> BTreeMap<u64, i64> { graph.time_bases.iter().copied().collect() };
    compare.equal("the base of times after", &time_bases(graph), &time_bases(others));
    found
}

/// What is kept as the text that goes out is JSON.
fn check_texts(model: &Model, object: &Object, described: &str, found: &mut dyn FnMut(Finding)) {
    let is_json = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    let kind = model.object_type(object.type_id);
    for (id, _) in object.properties.iter().filter(|(_, text)| !is_json(&text.text())) {
        let name = kind.properties.get(usize::from(id.0)).map_or("?", |property| &property.name);
        found(in_memory(format!("{described} has a property {name} that is no JSON")));
    }
    for link in object.links.iter().filter(|link| link.attribute.as_deref().is_some_and(|text| !is_json(text))) {
        found(in_memory(format!("{described} has a link to {} with data that is no JSON", link.target)));
    }
}

/// What is kept beside `perms2` is what that says.
fn check_permissions(model: &Model, object: &Object, described: &str, found: &mut dyn FnMut(Finding)) {
    let perms2 = model.object_type(object.type_id).property(field_name::PERMS2);
    if *object.permissions != Permissions::read(perms2.and_then(|(id, _)| object.plain_text(id)).map(|text| &**text)) {
        found(in_memory(format!("{described} has other permissions than its perms2")));
    }
}

/// Times are those of columns that are there, and of revisions that were.
fn check_written(graph: &Graph, object: &Object, described: &str, found: &mut dyn FnMut(Finding)) {
    if object.written().is_empty() {
        return;
    }
    if !object.written().is_sorted_by(|(one, _), (other, _)| one < other) {
        found(in_memory(format!("{described} has the times of its columns in disorder")));
    }
    let place = Place::Object(object.uuid);
    let stray = stray_columns(&graph.model, object);
    if !stray.is_empty() {
        let text = format!("{described} has a time of {stray:?}, which it does not have");
        found(Finding::new(Kind::StrayWriteTime, place, text));
    }
    for (column, revision) in object.written().iter().filter(|(_, revision)| *revision > graph.revision()) {
        let text = format!("{described} has {column:?} of {revision}, which is still to come");
        found(Finding::new(Kind::WriteTimeAhead, place, text));
    }
}

/// The columns that an object has a time of, and does not have itself.
pub fn stray_columns<'o>(model: &Model, object: &'o Object) -> Vec<&'o Column> {
    if object.written().is_empty() {
        return Vec::new();
    }
    let kind = model.object_type(object.type_id);
    let of = |property| elements(object, property).into_iter().map(move |element| (property.id, element.key));
    let elements: BTreeSet<(PropertyId, String)> = kind.properties.iter().flat_map(of).collect();
    let targets: BTreeSet<Uuid> = object.links.iter().map(|link| link.target).collect();
    let is_there = |column: &Column| match column {
        Column::Name => true,
        Column::Parent => object.parent.is_some(),
        Column::Property(id) => object.property_text(*id).is_some(),
        Column::Element(id, key) => elements.contains(&(*id, key.to_string())),
        Column::Link(target) => targets.contains(target),
    };
    object.written().iter().map(|(column, _)| column).filter(|column| !is_there(column)).collect()
}

/// What does not hold of a graph.
#[cfg(test)]
pub fn violations(graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    find_violations(graph, &mut |finding| found.push(finding));
    found
}

/// Tells what does not hold of a graph, one after the other: nearly all of it may be wrong.
pub fn find_violations(graph: &Graph, found: &mut dyn FnMut(Finding)) {
    let derived = differences(("it", graph), ("what follows from its objects", &rebuilt(graph)));
    derived.into_iter().map(in_memory).for_each(&mut *found);
    let mut names = BTreeSet::new();
    for object in graph.all() {
        let described = describe(&graph.model, object);
        let place = Place::Object(object.uuid);
        if !names.insert((object.type_id, Arc::clone(object.fq_name.joined()))) {
            let text = format!("{described} has its name together with another one");
            found(Finding::new(Kind::DuplicateName, place, text));
        }
        if let Some(parent) = object.parent.filter(|parent| graph.get(*parent).is_none()) {
            let text = format!("{described} has the parent {parent}, which does not exist");
            found(Finding::new(Kind::MissingParent, place, text));
        }
        check_links(graph, object, &described, found);
        check_texts(&graph.model, object, &described, found);
        check_permissions(&graph.model, object, &described, found);
        check_written(graph, object, &described, found);
        if let Some(hold) = object.hold {
            let holder = graph.pools.holder(hold.scope, hold.address);
            if holder != Some(Holder::Object(object.uuid)) {
                let text = format!("{described} has {}, which is held by {}", told(hold), Holder::told(holder));
                found(Finding::new(Kind::DuplicateHold, place, text));
            }
        }
    }
    for (hold, holder) in graph.pools.all_held() {
        let known = match holder {
            Holder::Object(uuid) => graph.get(uuid).and_then(|object| object.hold) == Some(hold),
            Holder::Reservation => true,
        };
        if !known {
            found(in_memory(format!(
                "{} is held by {}, which does not have it",
                told(hold),
                Holder::told(Some(holder))
            )));
        }
        let has_scope = graph.get(hold.scope).is_some();
        if has_scope && !graph.pools.subnets(hold.scope).any(|subnet| subnet.contains(hold.address)) {
            let text = format!("{} is held by {}, and lies in no subnet", told(hold), Holder::told(Some(holder)));
            let place = Place::Address { scope: hold.scope, address: hold.address };
            found(Finding::new(Kind::HoldOutsideSubnets, place, text));
        }
    }
    for (pool, number) in graph.numbers.shared() {
        let text = format!("several objects have {pool} {number}");
        found(Finding::new(Kind::DoubledNumber, Place::Table("object"), text));
    }
}

fn check_links(graph: &Graph, object: &Object, described: &str, found: &mut dyn FnMut(Finding)) {
    let kind = graph.model.object_type(object.type_id);
    let mut targets = BTreeSet::new();
    for link in &object.links {
        let Some(reference) = kind.references.get(usize::from(link.reference.0)) else {
            found(in_memory(format!("{described} has a reference that its type does not know")));
            continue;
        };
        let field = &reference.field;
        let mut add = |kind: Kind, text: String| {
            let place = Place::Reference { source: object.uuid, target: link.target };
            found(Finding::new(kind, place, text));
        };
        if !targets.insert(link.target) {
            add(Kind::DoubledReference, format!("{described} refers to {} more than once", link.target));
        }
        let Some(target) = graph.get(link.target) else {
            let text = format!("{described} refers to {} in {field}, which does not exist", link.target);
            add(Kind::DanglingReference, text);
            continue;
        };
        if target.type_id != reference.target {
            add(Kind::WrongTarget, format!("{described} refers in {field} to {}", describe(&graph.model, target)));
            continue;
        }
        let back = || target.links_of(link.reference).iter().any(|back| back.target == object.uuid);
        if reference.symmetric && !back() {
            let text = format!("{described} refers in {field} to {}, which does not refer to it", link.target);
            add(Kind::OneSidedReference, text);
        }
    }
    if !object.links.is_sorted_by_key(|link| (link.reference, link.target)) {
        found(in_memory(format!("{described} has its references in disorder")));
    }
    if !object.properties.is_sorted_by_key(|(id, _)| *id) {
        found(in_memory(format!("{described} has its properties in disorder")));
    }
}

/// What does not follow from the objects is no fault of theirs.
fn in_memory(text: String) -> Finding {
    Finding::new(Kind::BrokenIndex, Place::Memory, text)
}

/// A graph of the same objects and reservations, made anew.
fn rebuilt(graph: &Graph) -> Graph {
    let mut rebuilt = Graph::new(Arc::clone(&graph.model));
    let mut objects: Vec<&Arc<Object>> = graph.all().collect();
    objects.sort_by_key(|object| object.created);
    for object in objects {
        rebuilt.put(object);
    }
    let reserved = graph.pools.all_held().filter(|(_, holder)| *holder == Holder::Reservation);
    reserved.for_each(|(hold, _)| rebuilt.reserve(hold));
    rebuilt.position = graph.position;
    rebuilt.time_bases = Arc::clone(&graph.time_bases);
    rebuilt
}

fn type_name(model: &Model, type_id: TypeId) -> String {
    model.object_type(type_id).name.clone()
}

/// An object as people are told of it: type, uuid and name.
pub fn describe(model: &Model, object: &Object) -> String {
    format!("{} {} ({})", type_name(model, object.type_id), object.uuid, object.fq_name.joined())
}

fn told(hold: Hold) -> String {
    format!("{} of {}", hold.address, hold.scope)
}

struct Comparison<'a> {
    names: (&'a str, &'a str),
    found: &'a mut Vec<String>,
}

impl Comparison<'_> {
    fn equal<K: Ord + Debug, V: PartialEq + Debug>(
        &mut self,
        what: &str,
        one: &BTreeMap<K, V>,
        other: &BTreeMap<K, V>,
    ) {
        self.maps(what, one, other, |one, other| one == other);
    }

    fn maps<K: Ord + Debug, V: Debug>(
        &mut self,
        what: &str,
        one: &BTreeMap<K, V>,
        other: &BTreeMap<K, V>,
        same: impl Fn(&V, &V) -> bool,
    ) {
        let (name, other_name) = self.names;
        for (key, value) in one {
            match other.get(key) {
                None => self.found.push(format!("{what} {key:?} is in {name} ({value:?}) and not in {other_name}")),
                Some(others) if !same(value, others) => {
                    self.found.push(format!("{what} {key:?} is {value:?} in {name} and {others:?} in {other_name}"));
                }
                Some(_) => {}
            }
        }
        for (key, value) in other.iter().filter(|(key, _)| !one.contains_key(key)) {
            self.found.push(format!("{what} {key:?} is in {other_name} ({value:?}) and not in {name}"));
        }
    }

    fn objects(&mut self, one: &Graph, other: &Graph) {
        let (name, other_name) = self.names;
        for object in one.all() {
            match other.get(object.uuid) {
                None => {
                    self.found.push(format!("{} is in {name} and not in {other_name}", describe(&one.model, object)));
                }
                Some(others) => {
                    for difference in object_differences(object, others) {
                        let described = describe(&one.model, object);
                        self.found.push(format!("{described} differs between {name} and {other_name}: {difference}"));
                    }
                    if object.written() != others.written() {
                        let (described, written) = (describe(&one.model, object), (object.written(), others.written()));
                        self.found.push(format!(
                            "{described} was written otherwise in {name} and {other_name}: {:?} and {:?}",
                            written.0, written.1
                        ));
                    }
                }
            }
        }
        for object in other.all().filter(|object| one.get(object.uuid).is_none()) {
            self.found.push(format!("{} is in {other_name} and not in {name}", describe(&other.model, object)));
        }
    }
}

/// What is not the same in two states of an object, but for when they were written: the log does not say that. Values are the same if their JSON says the same: what was stored may have
/// its members in another order.
pub fn object_differences(one: &Object, other: &Object) -> Vec<String> {
    let mut found = Vec::new();
    let plain = |object: &Object| {
        let mut plain = Object { properties: Vec::new(), links: Vec::new(), ..object.clone() };
        plain.set_written(Written::new());
        plain
    };
    if plain(one) != plain(other) {
        found.push(format!("{:?} and {:?}", plain(one), plain(other)));
    }
    let ids: BTreeSet<_> = one.properties.iter().chain(&other.properties).map(|(id, _)| *id).collect();
    for id in ids {
        let (text, others) = (one.property_text(id), other.property_text(id));
        if !text.zip(others).is_some_and(|(text, others)| text.says_the_same(others)) {
            found.push(format!("property {}: {text:?} and {others:?}", id.0));
        }
    }
    let targets = |object: &Object| object.links.iter().map(|link| (link.reference, link.target)).collect::<Vec<_>>();
    if targets(one) != targets(other) {
        found.push(format!("references {:?} and {:?}", targets(one), targets(other)));
        return found;
    }
    for (link, others) in one.links.iter().zip(&other.links) {
        if !is_same_json(link.attribute.as_deref(), others.attribute.as_deref()) {
            found.push(format!("the attribute of {}: {:?} and {:?}", link.target, link.attribute, others.attribute));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{FqName, Grantee, Link, Owner};

    /// A project with a network that has a policy.
    fn sound() -> (Graph, [Uuid; 3]) {
        let model = Arc::new(Model::embedded().unwrap());
        let mut graph = Graph::new(Arc::clone(&model));
        let [project, network, policy] = [1, 2, 3].map(Uuid::from_u128);
        let object = |kind: &str, uuid: Uuid, name: &[&str], created: u64| {
            Object::new(uuid, model.find(kind).unwrap(), FqName::new(name), created)
        };
        let reference =
            model.object_type(model.find("virtual-network").unwrap()).reference("network_policy_refs").unwrap().0;
        let link = Link { reference, target: policy, attribute: None };
        graph.put(&Arc::new(object("project", project, &["d", "p"], 1)));
        let below = |object: Object| Object { parent: Some(project), ..object };
        graph.put(&Arc::new(below(object("network-policy", policy, &["d", "p", "policy"], 2))));
        let network_object = below(object("virtual-network", network, &["d", "p", "net"], 3));
        graph.put(&Arc::new(Object { links: vec![link], ..network_object }));
        graph.set_revision(3);
        (graph, [project, network, policy])
    }

    #[test]
    fn what_does_not_follow_from_the_objects_is_found() {
        let (graph, [project, network, policy]) = sound();
        assert_eq!(violations(&graph), []);
        let kind = |uuid: Uuid| graph.get(uuid).unwrap().type_id;
        let tampered = |tamper: &dyn Fn(&mut Graph)| {
            let mut graph = graph.clone();
            tamper(&mut graph);
            let found = violations(&graph);
            assert!(!found.is_empty() && found.iter().all(|found| found.kind == Kind::BrokenIndex), "{found:?}");
            found.into_iter().next().unwrap().text
        };
        let told = tampered(&|graph| assert!(graph.children.remove(&(project, kind(network), 3, network)).is_some()));
        assert!(told.starts_with("the child ") && told.ends_with("and not in it"), "{told}");
        let told =
            tampered(&|graph| assert!(graph.back_references.insert((project, kind(network), network)).is_none()));
        assert!(
            told.starts_with("the back reference ") && told.ends_with("not in what follows from its objects"),
            "{told}"
        );
        let told = tampered(&|graph| graph.names = graph.names.iter().map(|_| imbl::OrdMap::new()).collect());
        assert!(told.starts_with("the name "), "{told}");
        let stray = Object { parent: Some(project), ..Object::clone(graph.get(policy).unwrap()) };
        let told = tampered(&|graph| {
            let uuid = Uuid::from_u128(9);
            let stray = Object { uuid, created: 9, fq_name: FqName::new(&["d", "p", "stray"]), ..stray.clone() };
            graph.counts.replace(&graph.objects.clone(), None, Some((&stray, 0)));
        });
        assert!(told.starts_with("the count of "), "{told}");
        let told = tampered(&|graph| {
            let mut shared = Object::clone(graph.get(policy).unwrap());
            let with_all = [(Grantee::Everybody, 7)].into();
            shared.permissions =
                Arc::new(Permissions { owner: Owner::Nobody, shares: with_all, ..Permissions::default() });
            graph.grants.replace(None, Some(&shared));
        });
        assert!(told.starts_with("the grant "), "{told}");
    }
}
