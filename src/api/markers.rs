//! The order of pages of all objects of a type: by `<name>:<uuid>`, which is what markers are (contrail-api R21, wire contract
//! 6.4). That is nearly the order of names, in which the graph has them, so a page starts at its marker and costs what is on it.

use crate::{
    access::Identity,
    graph::{Graph, Object},
    model::TypeId,
};
use std::{collections::BTreeMap, iter::Peekable, ops::Bound, sync::Arc};

/// The marker of an object.
pub fn marker_of(object: &Object) -> String {
    format!("{}:{}", object.fq_name.joined(), object.uuid)
}

/// The objects of a type that may be read and whose markers come after this one, by marker.
pub fn objects_after<'g>(
    graph: &'g Graph,
    identity: &Identity,
    type_id: TypeId,
    marker: &str,
) -> InOrderOfMarkers<'g, impl Iterator<Item = &'g Arc<Object>> + use<'g>> {
    // Names before the marker, with markers after it, are where it starts with the name: `net` is before `net-1`, and
    // `net:...` after `net-1:...`.
    let ends = (0..=marker.len()).filter(|end| marker.as_bytes().get(*end).is_none_or(|next| *next <= b':'));
    let starts = ends.filter_map(|end| graph.find_joined(type_id, marker.get(..end)?));
    let starts = starts.filter(|object| identity.may_read(object));
    let before = starts.filter(|object| object.fq_name.joined().as_ref() < marker);
    let after = before.map(|object| (marker_of(object), object)).filter(|(found, _)| found.as_str() > marker);
    let by_name = identity.readable(graph, type_id, &Bound::Included(Arc::from(marker)));
    InOrderOfMarkers { waiting: after.collect(), by_name: by_name.peekable() }
}

/// Brings objects from the order of names into that of markers.
pub struct InOrderOfMarkers<'g, I: Iterator<Item = &'g Arc<Object>>> {
    /// By marker, those that one whose name comes later may have to go before.
    waiting: BTreeMap<String, &'g Arc<Object>>,
    by_name: Peekable<I>,
}

impl<'g, I: Iterator<Item = &'g Arc<Object>>> Iterator for InOrderOfMarkers<'g, I> {
    type Item = &'g Arc<Object>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = self.waiting.first_key_value().map(|(marker, _)| marker.as_str());
            // A marker is more than the name that it begins with, and so are those of all names that follow.
            let may_go_before =
                |object: &&Arc<Object>| first.is_none_or(|first| object.fq_name.joined().as_ref() < first);
            match self.by_name.next_if(may_go_before) {
                Some(object) => self.waiting.insert(marker_of(object), object),
                None => return self.waiting.pop_first().map(|(_, object)| object),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::FqName, model::Model};
    use proptest::prelude::*;
    use std::sync::LazyLock;
    use uuid::Uuid;

    static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| Arc::new(Model::read(None).unwrap()));

    proptest! {
        #[test]
        fn pages_follow_each_other_by_marker(
            names in prop::collection::btree_map("[a\\-:z0ü]{0,5}", any::<u128>(), 0..40),
            other in "[a\\-:z0ü]{0,6}",
        ) {
            let type_id = MODEL.find("route-target").unwrap();
            let mut graph = Graph::new(Arc::clone(&MODEL));
            for (name, uuid) in &names {
                graph.put(&Arc::new(Object::new(Uuid::from_u128(*uuid), type_id, FqName::new(&[name]), 0)));
            }
            let mut sorted: Vec<String> = graph.objects_of(type_id).map(|object| marker_of(object)).collect();
            sorted.sort();
            let after = |marker: &str| -> Vec<String> {
                objects_after(&graph, &Identity::server("test"), type_id, marker).map(|object| marker_of(object)).collect()
            };
            prop_assert_eq!(&after(""), &sorted);
            for (index, marker) in sorted.iter().enumerate() {
                prop_assert_eq!(&after(marker), &sorted[index + 1..].to_vec());
            }
            // Of an object that is gone, and one that never was.
            let gone = format!("{other}:{}", Uuid::from_u128(1 << 127));
            for marker in [gone, other] {
                let expected: Vec<String> = sorted.iter().filter(|known| **known > marker).cloned().collect();
                prop_assert_eq!(after(&marker), expected);
            }
        }
    }
    #[test]
    fn a_page_costs_what_is_on_it() {
        let type_id = MODEL.find("route-target").unwrap();
        let mut graph = Graph::new(Arc::clone(&MODEL));
        for number in 0..1000 {
            let name = format!("target:{number:04}");
            graph.put(&Arc::new(Object::new(Uuid::from_u128(number), type_id, FqName::new(&[name]), 0)));
        }
        let looked_at = std::cell::Cell::new(0);
        let by_name = graph
            .objects_in(type_id, &Bound::Included("target:0500".into()))
            .inspect(|_| looked_at.set(looked_at.get() + 1));
        let page = InOrderOfMarkers { waiting: BTreeMap::new(), by_name: by_name.peekable() };
        assert_eq!(page.take(10).last().unwrap().fq_name.name(), "target:0509");
        assert_eq!(looked_at.get(), 11);
    }
}
