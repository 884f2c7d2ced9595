//! When each column of an object was written, as those see it who read the configuration by columns (CQL contract 4.1): the first
//! revision of the request that made it what it is. It follows from the changes in their order, so each process has the same.

use super::{Graph, JsonText, Object, elements, object::is_same_json};
use crate::model::{Collection, ObjectType, Property, PropertyId};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// What has a time of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// The name of the object.
    Name,
    /// The parent, which is another one where a draft is put in force.
    Parent,
    /// A property, as a whole; one that is made of elements has none but theirs.
    Property(PropertyId),
    /// An element of a list or map property, by its position or key.
    Element(PropertyId, Arc<str>),
    /// The link to this object; a type has one reference to another type.
    Link(Uuid),
}

/// Which columns of an object became what they are after it was made, and with which revision, by column.
pub type Written = Vec<(Column, u64)>;

/// From which revision on times count from which base: after a revision, so many microseconds. By revision; both grow.
pub type TimeBases = Arc<[(u64, i64)]>;

impl Object {
    /// The revision at which a column that is there became what it is.
    pub fn written_at(&self, column: &Column) -> u64 {
        self.written_later(column).unwrap_or(self.created)
    }

    fn written_later(&self, column: &Column) -> Option<u64> {
        let written = self.written();
        let index = written.binary_search_by(|(known, _)| known.cmp(column)).ok()?;
        written.get(index).map(|(_, revision)| *revision)
    }

    /// Works out when the columns were written: those that are the same as before when they were then, all others with this
    /// revision, the first one of the request. What was before is the state before the request; an object that took its uuid
    /// since is another one. Values are the same that say the same: what was read from the tables is written in another way.
    pub fn stamp(&mut self, before: Option<&Self>, revision: u64, kind: &ObjectType) {
        let same_object = |before: &&Self| (before.type_id, before.created) == (self.type_id, self.created);
        let Some(before) = before.filter(same_object) else {
            return self.set_written(Written::new());
        };
        let mut written = Written::new();
        let mut add = |column: Column, is_same: bool| {
            let revision = if is_same { before.written_later(&column) } else { Some(revision) };
            written.extend(revision.map(|revision| (column, revision)));
        };
        add(Column::Name, self.fq_name == before.fq_name);
        if self.parent.is_some() {
            add(Column::Parent, self.parent == before.parent);
        }
        for (id, text) in &self.properties {
            let is_same = before.property_text(*id).is_some_and(|before| text.says_the_same(before));
            match kind.properties.get(usize::from(id.0)) {
                Some(property) if property.collection != Collection::None => {
                    let is_same = is_same && self.positions().get(id) == before.positions().get(id);
                    self.add_elements((!is_same).then_some(before), property, &mut add, before.written());
                }
                _ => add(Column::Property(*id), is_same),
            }
        }
        for link in &self.links {
            let is_same = before
                .link(link.reference, link.target)
                .is_some_and(|known| is_same_text(link.attribute.as_ref(), known.attribute.as_ref()));
            add(Column::Link(link.target), is_same);
        }
        written.sort_unstable();
        written.shrink_to_fit();
        self.set_written(written);
    }

    /// The elements of a property, each compared with what it was before; without a look at them, if there is nothing to compare
    /// with because they are all the same.
    fn add_elements(
        &self,
        before: Option<&Self>,
        property: &Property,
        add: &mut impl FnMut(Column, bool),
        known: &Written,
    ) {
        let Some(before) = before else {
            let is_of = |column: &Column| matches!(column, Column::Element(id, _) if *id == property.id);
            known.iter().filter(|(column, _)| is_of(column)).for_each(|(column, _)| add(column.clone(), true));
            return;
        };
        let before: HashMap<String, &str> =
            elements(before, property).into_iter().map(|element| (element.key, element.json)).collect();
        for element in elements(self, property) {
            let is_same = before.get(&element.key).is_some_and(|json| is_same_json(Some(element.json), Some(json)));
            add(Column::Element(property.id, element.key.into()), is_same);
        }
    }
}

/// Whether two values say the same, or neither is there. Most are one and the same text.
fn is_same_text(one: Option<&JsonText>, other: Option<&JsonText>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || is_same_json(Some(one), Some(other)),
        (one, other) => one.is_none() && other.is_none(),
    }
}

impl Graph {
    /// Declares from when on times of revisions count from where, by revision.
    pub fn set_time_bases(&mut self, bases: TimeBases) {
        self.time_bases = bases;
    }

    /// A revision of this history as a time, in microseconds since 1970: later revisions have later ones, also where they are of
    /// other histories.
    pub fn write_time(&self, revision: u64) -> i64 {
        let before = self.time_bases.partition_point(|(after, _)| *after < revision);
        let base = before.checked_sub(1).and_then(|index| self.time_bases.get(index)).map_or(0, |(_, base)| *base);
        base.saturating_add_unsigned(revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::{FqName, Link},
        model::Model,
    };

    const NAME: &str = "display_name";
    const PORTS: &str = "virtual_machine_interface_fat_flow_protocols";

    struct Case {
        model: Model,
        before: Object,
    }

    impl Case {
        /// An interface that was made with change 3 and has changed since.
        fn new() -> Self {
            let model = Model::embedded().unwrap();
            let type_id = model.find("virtual-machine-interface").unwrap();
            let case = Self { before: Object::new(Uuid::nil(), type_id, FqName::new(&["it"]), 3), model };
            let mut before = case.before.clone();
            before.set_property(case.property(NAME), Some(r#"{"a":1,"bc":[1,{"x":"\u00fc","y":null}]}"#.into()));
            before.set_property(
                case.property(PORTS),
                Some(r#"{"fat_flow_protocol":[{"port":1,"x":2},{"port":2}]}"#.into()),
            );
            before.links = vec![case.link(1, Some(r#"{"a":1,"b":2}"#)), case.link(2, None)];
            before.set_written(vec![
                (Column::Property(case.property(NAME)), 5),
                (case.element("0"), 6),
                (Column::Link(Uuid::from_u128(1)), 7),
            ]);
            Self { before, ..case }
        }

        fn kind(&self) -> &ObjectType {
            self.model.object_type(self.before.type_id)
        }

        fn property(&self, name: &str) -> PropertyId {
            self.kind().property(name).unwrap().0
        }

        fn element(&self, key: &str) -> Column {
            Column::Element(self.property(PORTS), key.into())
        }

        fn link(&self, target: u128, attribute: Option<&str>) -> Link {
            let (reference, _) = self.kind().reference("virtual_network_refs").unwrap();
            Link { reference, target: Uuid::from_u128(target), attribute: attribute.map(Into::into) }
        }

        /// What was written, when the object is changed like this by a request that begins with change 9.
        fn after(&self, change: impl FnOnce(&mut Object)) -> Written {
            let mut after = self.before.clone();
            after.set_written(vec![(Column::Name, 8)]);
            change(&mut after);
            after.stamp(Some(&self.before), 9, self.kind());
            assert!(after.written().is_sorted());
            after.written().clone()
        }
    }

    #[test]
    fn what_says_the_same_keeps_its_time_however_it_is_written() {
        let case = Case::new();
        assert_eq!(case.after(|_| {}), *case.before.written());
        let rewritten = case.after(|after| {
            let name = r#"{"bc":[1,{"y":null,"x":"ü"}],"a":1}"#;
            after.set_property(case.property(NAME), Some(name.into()));
            let ports = r#"{"fat_flow_protocol":[{"x":2,"port":1},{"port":2}]}"#;
            after.set_property(case.property(PORTS), Some(ports.into()));
            after.links = vec![case.link(1, Some(r#"{"b":2,"a":1}"#)), case.link(2, None)];
        });
        assert_eq!(rewritten, *case.before.written());
    }

    #[test]
    fn what_has_changed_has_the_time_of_the_request() {
        let case = Case::new();
        let (name, link) = (Column::Property(case.property(NAME)), |target| Column::Link(Uuid::from_u128(target)));
        let renamed = case.after(|after| {
            after.fq_name = FqName::new(&["other"]);
            after.set_property(case.property(NAME), Some("1".into()));
        });
        assert_eq!(renamed, [(Column::Name, 9), (name.clone(), 9), (case.element("0"), 6), (link(1), 7)]);
        let element = case.after(|after| {
            let ports = r#"{"fat_flow_protocol":[{"port":1,"x":2},{"port":3},{"port":4}]}"#;
            after.set_property(case.property(PORTS), Some(ports.into()));
            after.links = vec![case.link(1, Some("null")), case.link(2, None), case.link(4, None)];
        });
        let expected = [
            (name.clone(), 5),
            (case.element("0"), 6),
            (case.element("1"), 9),
            (case.element("2"), 9),
            (link(1), 9),
            (link(4), 9),
        ];
        assert_eq!(element, expected);
        // The same elements, at other positions.
        let moved = case.after(|after| {
            after.set_positions(case.property(PORTS), Some(vec!["a".to_owned(), "0".to_owned()]));
        });
        assert_eq!(moved, [(name, 5), (case.element("0"), 9), (case.element("a"), 9), (link(1), 7)]);
        let gone = case.after(|after| {
            for name in [NAME, PORTS] {
                after.set_property(case.property(name), None);
            }
            after.links.clear();
        });
        assert_eq!(gone, []);
    }

    #[test]
    fn another_object_under_its_uuid_is_as_it_was_made() {
        let case = Case::new();
        for change in [|after: &mut Object| after.created = 9, |after: &mut Object| after.type_id.0 += 1] {
            assert_eq!(case.after(change), []);
        }
        let mut new = case.before.clone();
        new.stamp(None, 9, case.kind());
        assert_eq!((new.written_at(&Column::Name), new.written()), (3, &Written::new()));
    }

    #[test]
    fn revisions_are_times_of_their_history() {
        let mut graph = Graph::new(Arc::new(Model::embedded().unwrap()));
        assert_eq!(graph.write_time(7), 7);
        graph.set_time_bases([(0, 1000), (5, 2000)].into());
        assert_eq!([1, 5, 6, 7].map(|revision| graph.write_time(revision)), [1001, 1005, 2006, 2007]);
    }
}
