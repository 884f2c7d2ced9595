//! When columns were written. Every request of every test here is looked at by a simple book: a column of an object has the first
//! revision of the request that made it what it is, whatever it was within the request.

use super::{transactions::*, *};
use crate::{
    graph::Column,
    model::{Collection, PropertyId},
    rules::Effect,
};
use std::collections::HashMap;

/// What was seen of each object: with which number it was made, and its columns, each with its value and its time.
#[derive(Default)]
pub struct Book {
    objects: HashMap<Uuid, (u64, Columns)>,
}

type Columns = BTreeMap<Column, (Value, u64)>;

/// The columns of an object with their values, taken apart in another way than by the server.
fn columns(object: &Object) -> Vec<(Column, Value)> {
    let parsed = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let mut columns = vec![(Column::Name, json!(object.fq_name.elements()))];
    columns.extend(object.parent.map(|parent| (Column::Parent, json!(parent.to_string()))));
    for (id, text) in &object.properties {
        let property = &model().object_type(object.type_id).properties[usize::from(id.0)].collection.clone();
        let value = parsed(&text.text());
        let items = |wrapper: &str| value[wrapper].as_array().cloned().unwrap_or_default().into_iter().enumerate();
        match property {
            Collection::None => columns.push((Column::Property(*id), value)),
            Collection::Map { wrapper, key } => columns.extend(items(wrapper).map(|(_, item)| {
                let key = item[key].as_str().map_or_else(|| item[key].to_string(), str::to_owned);
                (Column::Element(*id, key.into()), item)
            })),
            Collection::List { wrapper } => {
                let chosen = object.positions().get(id).cloned().unwrap_or_default();
                columns.extend(items(wrapper).map(|(index, item)| {
                    let position = chosen.get(index).cloned().unwrap_or_else(|| index.to_string());
                    (Column::Element(*id, position.into()), item)
                }));
            }
        }
    }
    let attribute = |text: Option<&str>| text.map_or(Value::Null, parsed);
    columns.extend(
        object.links.iter().map(|link| (Column::Link(link.target), json!([attribute(link.attribute.as_deref())]))),
    );
    columns
}

impl Book {
    /// Takes note of a request, and compares what the objects say of themselves.
    pub fn follow(&mut self, before: &Graph, changes: &[Change]) {
        let first = before.revision() + 1;
        for change in changes {
            match &change.effect {
                Effect::Delete(last) => drop(self.objects.remove(&last.uuid)),
                Effect::Put { before, after, .. } => {
                    let seen = |object: &Arc<Object>| {
                        let timed = columns(object).into_iter().map(|(column, value)| {
                            let revision = object.written_at(&column);
                            (column, (value, revision))
                        });
                        (object.created, timed.collect())
                    };
                    // Tests put objects into the graph by hand, too.
                    let is_seen = |known: &Columns| {
                        let known: BTreeMap<_, _> = known.iter().map(|(column, (value, _))| (column, value)).collect();
                        let values = before.as_deref().map(columns).unwrap_or_default();
                        known == values.iter().map(|(column, value)| (column, value)).collect()
                    };
                    let known = self.objects.remove(&after.uuid).filter(|(_, known)| is_seen(known));
                    let known = known.or_else(|| before.as_ref().map(seen));
                    assert_eq!(known.is_some(), before.is_some(), "{after:?}");
                    if known.is_none() {
                        assert!((first..=change.request).contains(&after.created), "{first}: {change:?}");
                    }
                    let known = known.filter(|(created, _)| *created == after.created);
                    let time = |column: &Column, value: &Value| match &known {
                        None => after.created,
                        Some((_, known)) => {
                            known.get(column).filter(|(known, _)| known == value).map_or(first, |(_, time)| *time)
                        }
                    };
                    let expected: Columns = columns(after)
                        .into_iter()
                        .map(|(column, value)| {
                            let time = time(&column, &value);
                            (column, (value, time))
                        })
                        .collect();
                    for (column, (value, time)) in &expected {
                        assert_eq!(after.written_at(column), *time, "{column:?}, which is {value} in {after:?}");
                    }
                    assert!(after.written().iter().all(|(column, _)| expected.contains_key(column)), "{after:?}");
                    self.objects.insert(after.uuid, (after.created, expected));
                }
                Effect::Reserve(_) | Effect::Free(_) => {}
            }
        }
    }
}

fn property(object: &Object, name: &str) -> (PropertyId, Column) {
    let id = model().object_type(object.type_id).property(name).unwrap().0;
    (id, Column::Property(id))
}

fn times(configuration: &Configuration, object: &Object, columns: &[&Column]) -> Vec<u64> {
    let object = configuration.graph.get(object.uuid).unwrap();
    columns.iter().map(|column| object.written_at(column)).collect()
}

#[test]
fn what_comes_back_within_a_request_has_not_changed() {
    let mut configuration = Configuration::new();
    let one = configuration.in_project("network-policy", "one", json!({"display_name": "a"})).unwrap();
    let other = configuration.in_project("network-policy", "other", json!({"display_name": "a"})).unwrap();
    let ((_, name), (_, modified)) = (property(&one, "display_name"), property(&one, "id_perms"));
    let renamed = |name: &str| json!({"display_name": name});
    let first = configuration.graph.revision() + 1;
    let there_and_back = vec![change(&other, renamed("b")), change(&one, renamed("b")), change(&one, renamed("a"))];
    configuration.many(there_and_back).unwrap();
    assert_eq!(times(&configuration, &one, &[&name, &modified]), [one.created, first]);
    // One time for all that a request does.
    assert_eq!(times(&configuration, &other, &[&name, &modified]), [first, first]);
    configuration.update(&one, renamed("b")).unwrap();
    configuration.update(&one, renamed("a")).unwrap();
    assert_eq!(times(&configuration, &one, &[&name]), [configuration.graph.revision()]);
    configuration.check_follower();
}

#[test]
fn what_is_made_and_changed_in_one_request_is_as_it_was_made() {
    let mut configuration = Configuration::new();
    let uuid = Uuid::from_u128(7);
    let body = || json!({"fq_name": below_project("new"), "parent_type": "project"});
    let made = |body: Value| chosen("network-policy", uuid, body);
    let named = |object: &Object, name: &str| change(object, json!({"display_name": name}));
    let mut tried = Configuration::new();
    tried.many(vec![made(body())]).unwrap();
    let known = Arc::clone(tried.graph.get(uuid).unwrap());
    configuration.many(vec![made(body()), named(&known, "a")]).unwrap();
    let object = Arc::clone(configuration.graph.get(uuid).unwrap());
    assert!(object.written().is_empty(), "{object:?}");
    configuration.update(&object, json!({"display_name": "b"})).unwrap();
    // Another object under its uuid, although it says the same.
    configuration.many(vec![deletion(&object), made(body()), named(&known, "b")]).unwrap();
    let anew = configuration.graph.get(uuid).unwrap();
    assert!(anew.written().is_empty() && anew.created > object.created, "{anew:?}");
    configuration.check_follower();
}

#[test]
fn an_object_is_made_within_its_request_whatever_went_again() {
    let mut configuration = Configuration::new();
    let body = |name: &str| json!({"fq_name": below_project(name), "parent_type": "project"});
    let uuids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
    let mut steps: Vec<Operation> =
        uuids.iter().map(|uuid| chosen("network-policy", *uuid, body(&format!("n{}", uuid.as_u128())))).collect();
    let type_id = model().find("network-policy").unwrap();
    steps.extend(uuids.iter().take(2).map(|uuid| Operation::Delete(Delete { type_id, uuid: uuid.to_string() })));
    let start = configuration.graph.revision();
    configuration.many(steps).unwrap();
    let created: Vec<u64> = uuids[2..].iter().map(|uuid| configuration.graph.get(*uuid).unwrap().created).collect();
    assert_eq!(created, [start + 1, start + 2]);
    assert_eq!(configuration.graph.revision(), start + 2);
    let last = Arc::clone(configuration.graph.get(uuids[3]).unwrap());
    configuration.update(&last, json!({"display_name": "later"})).unwrap();
    let (_, name) = property(&last, "display_name");
    assert_eq!(times(&configuration, &last, &[&name, &Column::Name]), [start + 3, start + 2]);
    configuration.check_follower();
}

#[test]
fn elements_and_links_have_times_of_their_own() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "n", json!({})).unwrap();
    let policies: Vec<Arc<Object>> =
        ["a", "b"].map(|name| configuration.in_project("network-policy", name, json!({})).unwrap()).into();
    let pair = |key: &str, value: &str| json!({"key": key, "value": value});
    let annotated = |pairs: Vec<Value>| json!({"annotations": {"key_value_pair": pairs}});
    configuration.update(&network, annotated(vec![pair("a", "1"), pair("b:c", "1"), pair("d", "1")])).unwrap();
    let first = configuration.graph.revision();
    configuration.update(&network, annotated(vec![pair("0", "1"), pair("a", "1"), pair("b:c", "2")])).unwrap();
    let (id, _) = property(&network, "annotations");
    let element = |key: &str| Column::Element(id, key.into());
    let found = times(&configuration, &network, &[&element("a"), &element("b:c"), &element("0"), &element("d")]);
    assert_eq!(found, [first, first + 1, first + 1, network.created], "the last one is gone");

    let to =
        |policy: &Object, major: u32| json!({"uuid": policy.uuid, "attr": {"sequence": {"major": major, "minor": 0}}});
    let refer = |links: Vec<Value>| json!({"network_policy_refs": links});
    configuration.update(&network, refer(vec![to(&policies[0], 1), to(&policies[1], 2)])).unwrap();
    let linked = configuration.graph.revision();
    configuration.update(&network, refer(vec![to(&policies[0], 1), to(&policies[1], 3)])).unwrap();
    let links = [&Column::Link(policies[0].uuid), &Column::Link(policies[1].uuid)];
    assert_eq!(times(&configuration, &network, &links), [linked, linked + 1]);
    configuration.delete(&policies[0]).unwrap_err();
    assert_eq!(times(&configuration, &network, &[&element("a"), &element("b:c")]), [first, first + 1]);
    configuration.check_follower();
}
