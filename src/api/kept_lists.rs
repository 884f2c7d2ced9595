//! Lists of all objects of a type, kept while nothing that is in them changes: programs ask for the same ones again and again.

use crate::{graph::Graph, model::TypeId};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How much memory they may take, in bytes.
const MOST: usize = 32 << 20;

/// Which list it is, whoever asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListKey {
    /// Of what.
    pub type_id: TypeId,
    /// Whether their own fields are shown.
    pub detail: bool,
    /// What hrefs start with; none without hrefs.
    pub base: Option<String>,
}

impl ListKey {
    /// The versions of all that is in the list: the objects, and where their fields are shown the names of those that they refer
    /// to.
    fn sources(&self, graph: &Graph) -> Vec<u64> {
        let references = graph.model().object_type(self.type_id).references.as_slice();
        let shown = if self.detail { references } else { &[] };
        let types = iter::once(self.type_id).chain(shown.iter().map(|reference| reference.target));
        types.filter_map(|type_id| graph.version_of(type_id)).collect()
    }
}

struct KeptList {
    key: ListKey,
    /// The versions that it was made from: where one of these is another one, so is the list.
    sources: Vec<u64>,
    pieces: Arc<[Bytes]>,
}

impl KeptList {
    fn size(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

/// The lists, the one that was kept last at the end.
#[derive(Default)]
pub struct KeptLists {
    lists: Mutex<VecDeque<KeptList>>,
}

impl KeptLists {
    fn lists(&self) -> MutexGuard<'_, VecDeque<KeptList>> {
        // Nothing in there is ever half done.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pieces of the list as this graph has it.
    pub fn find(&self, key: &ListKey, graph: &Graph) -> Option<Arc<[Bytes]>> {
        let lists = self.lists();
        let kept = lists.iter().find(|kept| kept.key == *key)?;
        (kept.sources == key.sources(graph)).then(|| Arc::clone(&kept.pieces))
    }

    /// Keeps a list of this graph, in the place of the one before; the oldest ones go where there is too much.
    pub fn keep(&self, key: ListKey, graph: &Graph, pieces: Vec<Bytes>) {
        let sources = key.sources(graph);
        let mut lists = self.lists();
        lists.retain(|kept| kept.key != key);
        lists.push_back(KeptList { key, sources, pieces: pieces.into() });
        while lists.iter().map(KeptList::size).sum::<usize>() > MOST {
            lists.pop_front();
        }
    }
}

/// The pieces of a list on its way out, to be kept when the last one has gone.
pub struct Collector {
    pieces: Vec<Bytes>,
    size: usize,
}

impl Collector {
    /// With the first piece.
    pub fn new(first: Bytes) -> Self {
        Self { size: first.len(), pieces: vec![first] }
    }

    /// Takes the next one, while it is not too much.
    pub fn push(&mut self, piece: &Bytes) {
        self.size += piece.len();
        if self.size <= MOST {
            self.pieces.push(piece.clone());
        } else {
            self.pieces.clear();
        }
    }

    /// All of them, if they may be kept.
    pub fn finish(self) -> Option<Vec<Bytes>> {
        (self.size <= MOST).then_some(self.pieces)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        graph::{FqName, Object},
        model::Model,
    };
    use uuid::Uuid;

    fn collected(sizes: &[usize]) -> Option<Vec<Bytes>> {
        let piece = |size: &usize| Bytes::from(vec![0; *size]);
        let mut collector = Collector::new(piece(sizes.first().unwrap()));
        sizes.iter().skip(1).for_each(|size| collector.push(&piece(size)));
        collector.finish()
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        assert!(collected(&[1, MOST]).is_none());
        assert_eq!(collected(&[1, MOST - 1]).unwrap().len(), 2);
        let graph = Graph::new(Arc::new(Model::read(None).unwrap()));
        let key = |base: usize| ListKey { type_id: TypeId(0), detail: true, base: Some(base.to_string()) };
        let lists = KeptLists::default();
        for base in 0..3 {
            lists.keep(key(base), &graph, collected(&[MOST / 2]).unwrap());
        }
        let found: Vec<bool> = (0..3).map(|base| lists.find(&key(base), &graph).is_some()).collect();
        assert_eq!(found, [false, true, true]);
    }

    #[test]
    fn a_list_with_fields_is_another_one_when_something_that_it_may_name_changes() {
        let mut graph = Graph::new(Arc::new(Model::read(None).unwrap()));
        let find = |name| graph.model().find(name).unwrap();
        let (network, policy, other) = (find("virtual-network"), find("network-policy"), find("fabric-namespace"));
        let key = |detail| ListKey { type_id: network, detail, base: None };
        let lists = KeptLists::default();
        lists.keep(key(false), &graph, Vec::new());
        lists.keep(key(true), &graph, Vec::new());
        let kept = |graph: &Graph| [false, true].map(|detail| lists.find(&key(detail), graph).is_some());
        let put = |graph: &mut Graph, type_id| {
            let object = Object::new(Uuid::new_v4(), type_id, FqName::new(&["new"]), 1);
            graph.put(&Arc::new(object));
        };
        put(&mut graph, other);
        assert_eq!(kept(&graph), [true, true]);
        put(&mut graph, policy);
        assert_eq!(kept(&graph), [true, false]);
        put(&mut graph, network);
        assert_eq!(kept(&graph), [false, false]);
    }
}
