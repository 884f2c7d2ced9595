//! Plain lists of all objects of a type, kept while nothing of that type changes: programs ask for the same ones again and again.

use crate::{
    graph::{Graph, Names},
    model::TypeId,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How much memory they may take, in bytes.
const MOST: usize = 32 << 20;

/// Which list it is, whoever asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListKey {
    /// Of what.
    pub type_id: TypeId,
    /// What hrefs start with; none without hrefs.
    pub base: Option<String>,
}

struct KeptList {
    key: ListKey,
    /// What it was made from; another one of the same type is another list.
    names: Names,
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
        let names = graph.names_of(key.type_id)?;
        let lists = self.lists();
        let kept = lists.iter().find(|kept| kept.key == *key)?;
        kept.names.ptr_eq(names).then(|| Arc::clone(&kept.pieces))
    }

    /// Keeps a list of this graph, in the place of the one before; the oldest ones go where there is too much.
    pub fn keep(&self, key: ListKey, graph: &Graph, pieces: Vec<Bytes>) {
        let Some(names) = graph.names_of(key.type_id).cloned() else { return };
        let mut lists = self.lists();
        lists.retain(|kept| kept.key != key);
        lists.push_back(KeptList { key, names, pieces: pieces.into() });
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
    use crate::model::Model;

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
        let key = |base: usize| ListKey { type_id: TypeId(0), base: Some(base.to_string()) };
        let lists = KeptLists::default();
        for base in 0..3 {
            lists.keep(key(base), &graph, collected(&[MOST / 2]).unwrap());
        }
        let found: Vec<bool> = (0..3).map(|base| lists.find(&key(base), &graph).is_some()).collect();
        assert_eq!(found, [false, true, true]);
    }
}
