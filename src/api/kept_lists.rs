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
/// How many there may be: clients choose what hrefs start with.
const MOST_LISTS: usize = 256;

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
    /// The versions of all that is in the list: the names of the objects, or where their fields are shown the objects, and the names of
    /// those that they refer to.
    fn sources(&self, graph: &Graph) -> Vec<u64> {
        if !self.detail {
            return graph.names_version_of(self.type_id).into_iter().collect();
        }
        let references = graph.model().object_type(self.type_id).references.iter();
        let names = references.map(|reference| graph.names_version_of(reference.target));
        iter::once(graph.version_of(self.type_id)).chain(names).flatten().collect()
    }
}

/// A list as a graph has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListOf {
    key: ListKey,
    /// The versions that it is made from: where one of these is another one, so is the list. They grow.
    sources: Vec<u64>,
}

impl ListOf {
    /// As this graph has it.
    pub fn new(key: ListKey, graph: &Graph) -> Self {
        Self { sources: key.sources(graph), key }
    }
}

/// A part of a list. A list of the same objects always has the same parts.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What goes out.
    pub bytes: Bytes,
    /// The name after which the next one begins; none in the last one.
    pub next_after: Option<Arc<str>>,
}

struct KeptList {
    of: ListOf,
    /// As far as somebody has come.
    pieces: Vec<Piece>,
    /// In bytes; more than there is room for when it is not kept any more.
    size: usize,
}

/// The lists, the one that was begun last at the end. Readers hold no more than the piece that they are at, and make those
/// that are not here: however many there are, and wherever they stop, a list takes its room once.
#[derive(Default)]
pub struct KeptLists {
    lists: Mutex<VecDeque<KeptList>>,
}

impl KeptLists {
    fn lists(&self) -> MutexGuard<'_, VecDeque<KeptList>> {
        // Nothing in there is ever half done.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much memory they take, in bytes.
    pub fn size(&self) -> usize {
        self.lists().iter().flat_map(|kept| &kept.pieces).map(|piece| piece.bytes.len()).sum()
    }

    /// The piece of a list with this number, counted from 0.
    pub fn piece(&self, of: &ListOf, number: usize) -> Option<Piece> {
        self.lists().iter().find(|kept| kept.of == *of)?.pieces.get(number).cloned()
    }

    /// Keeps a piece, if it is the next one of its list. The first of a list that is newer takes the place of the one before; the
    /// oldest lists go where there is too much.
    pub fn keep(&self, of: &ListOf, number: usize, piece: Piece) {
        let mut lists = self.lists();
        match lists.iter().position(|kept| kept.of.key == of.key) {
            Some(index) => {
                // Who reads an older one reads it alone.
                if number == 0 && lists.get(index).is_some_and(|kept| kept.of.sources < of.sources) {
                    lists.remove(index);
                    lists.push_back(KeptList { of: of.clone(), pieces: Vec::new(), size: 0 });
                }
            }
            None if number == 0 => lists.push_back(KeptList { of: of.clone(), pieces: Vec::new(), size: 0 }),
            None => return,
        }
        let Some(kept) = lists.iter_mut().find(|kept| kept.of == *of) else { return };
        if kept.pieces.len() != number || kept.size > MOST {
            return;
        }
        kept.size += piece.bytes.len();
        kept.pieces.push(piece);
        if kept.size > MOST {
            kept.pieces = Vec::new();
        }
        let held = |kept: &KeptList| if kept.size > MOST { 0 } else { kept.size };
        while lists.iter().map(held).sum::<usize>() > MOST || lists.len() > MOST_LISTS {
            let oldest = lists.iter().position(|kept| kept.of != *of);
            let Some(oldest) = oldest else { return };
            lists.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::{FqName, Object},
        model::Model,
    };
    use uuid::Uuid;

    fn graph() -> Graph {
        Graph::new(Arc::new(Model::read(None).unwrap()))
    }

    fn piece(size: usize) -> Piece {
        Piece { bytes: Bytes::from(vec![0; size]), next_after: None }
    }

    fn held(lists: &KeptLists) -> usize {
        lists.lists().iter().flat_map(|kept| &kept.pieces).map(|piece| piece.bytes.len()).sum()
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let graph = graph();
        let list = |base: usize| {
            ListOf::new(ListKey { type_id: TypeId(0), detail: true, base: Some(base.to_string()) }, &graph)
        };
        let lists = KeptLists::default();
        for base in 0..3 {
            lists.keep(&list(base), 0, piece(MOST / 4));
            lists.keep(&list(base), 1, piece(MOST / 4));
            assert!(held(&lists) <= MOST);
        }
        let found: Vec<bool> = (0..3).map(|base| lists.piece(&list(base), 1).is_some()).collect();
        assert_eq!(found, [false, true, true]);
        // One that is larger than all the room takes none of it, however often it is read.
        for _ in 0..2 {
            for number in 0..5 {
                lists.keep(&list(3), number, piece(MOST / 4));
                assert!(held(&lists) <= MOST);
            }
        }
        assert!(lists.piece(&list(3), 0).is_none());
    }

    #[test]
    fn readers_of_one_list_make_each_piece_once_and_those_of_an_older_one_keep_nothing() {
        let mut graph = graph();
        let network = graph.model().find("virtual-network").unwrap();
        let list = |graph: &Graph| ListOf::new(ListKey { type_id: network, detail: false, base: None }, graph);
        let lists = KeptLists::default();
        let old = list(&graph);
        lists.keep(&old, 0, piece(1));
        lists.keep(&old, 0, piece(2));
        lists.keep(&old, 2, piece(2));
        assert_eq!((lists.piece(&old, 0).unwrap().bytes.len(), held(&lists)), (1, 1), "neither twice, nor with gaps");
        graph.put(&Arc::new(Object::new(Uuid::new_v4(), network, FqName::new(&["new"]), 1)));
        let new = list(&graph);
        assert!(lists.piece(&new, 0).is_none());
        lists.keep(&new, 0, piece(3));
        lists.keep(&old, 0, piece(1));
        lists.keep(&old, 1, piece(1));
        assert_eq!((lists.piece(&old, 0).is_some(), held(&lists)), (false, 3));
    }

    #[test]
    fn a_list_with_fields_is_another_one_when_something_that_it_may_name_changes() {
        let mut graph = graph();
        let find = |name| graph.model().find(name).unwrap();
        let (network, policy, other) = (find("virtual-network"), find("network-policy"), find("fabric-namespace"));
        let list = |detail, graph: &Graph| ListOf::new(ListKey { type_id: network, detail, base: None }, graph);
        let lists = KeptLists::default();
        lists.keep(&list(false, &graph), 0, piece(1));
        lists.keep(&list(true, &graph), 0, piece(1));
        let kept = |graph: &Graph| [false, true].map(|detail| lists.piece(&list(detail, graph), 0).is_some());
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

    #[test]
    fn a_list_stays_when_what_it_does_not_show_changes() {
        let mut graph = graph();
        let find = |name| graph.model().find(name).unwrap();
        let (network, policy) = (find("virtual-network"), find("network-policy"));
        let objects = [network, policy].map(|kind| Object::new(Uuid::new_v4(), kind, FqName::new(&["a"]), 1));
        let [of_network, of_policy] = objects.map(Arc::new);
        graph.put(&of_network);
        graph.put(&of_policy);
        let list = |detail, graph: &Graph| ListOf::new(ListKey { type_id: network, detail, base: None }, graph);
        let before = [false, true].map(|detail| list(detail, &graph));
        let is_same = |graph: &Graph| [false, true].map(|detail| list(detail, graph) == before[usize::from(detail)]);
        // Another state of the same policy, whose name alone is shown.
        graph.put(&Arc::new(Object::clone(&of_policy)));
        assert_eq!(is_same(&graph), [true, true]);
        graph.put(&Arc::new(Object::clone(&of_network)));
        assert_eq!(is_same(&graph), [true, false]);
        graph.remove(of_network.uuid).unwrap();
        graph.put(&of_network);
        assert_eq!(is_same(&graph), [false, false]);
    }
}
