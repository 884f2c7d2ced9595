//! The names of all objects, kept together by type, so that who searches for a part of one looks through a text and not at each object: a
//! hundred times faster. Who opens a page has it brought up to date, beside all requests, and so does who searches; writes do nothing
//! for it. What is found has to be looked up in the
//! graph: objects that are gone, or are called otherwise now, stay in here until there are too many of them.

use super::Replica;
use crate::{
    change_log::LogOperation,
    graph::{Graph, Object, Position},
    model::TypeId,
    pace::Pace,
};
use memchr::memmem::Finder;
use std::{
    iter,
    ops::RangeInclusive,
    sync::{Arc, atomic::Ordering},
};
use tokio::sync::MutexGuard;
use uuid::Uuid;

/// How much memory they may take, in bytes: a million names and more. Objects beyond that are found by other ways only.
const MOST: usize = 128 << 20;
/// More changes than this since the last search are not followed one by one.
const MOST_FOLLOWED: u64 = 20_000;
/// How many are taken at a time.
const AT_A_TIME: usize = 1000;
/// So many names of what is gone are never too many.
const FEW: usize = 1000;
/// What stands before each name and after the last one.
const END: u8 = b'\n';

/// Where in a name a text has to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// It is the name.
    All,
    /// The name begins with it.
    Beginning,
    /// The name has it in it.
    Any,
}

impl Part {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 3] = [Self::All, Self::Beginning, Self::Any];
}

/// A name as it is compared: without regard to case.
pub fn comparable(name: &str) -> String {
    if name.is_ascii() { name.to_ascii_lowercase() } else { name.to_lowercase() }
}

/// The own names of all objects, as of a position.
#[derive(Default)]
pub struct Names {
    position: Position,
    /// By type.
    types: Vec<NamesOfType>,
    count: usize,
    weight: usize,
    is_whole: bool,
}

/// Those of one type.
#[derive(Clone, Default)]
struct NamesOfType {
    /// `END` and a name, for each, and `END`.
    text: Vec<u8>,
    /// Where names begin, and whose they are.
    starts: Vec<u32>,
    owners: Vec<Uuid>,
}

impl NamesOfType {
    fn push(&mut self, object: &Object) {
        if self.text.is_empty() {
            self.text.push(END);
        }
        // There is room for less than that.
        self.starts.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        self.owners.push(object.uuid);
        let name = comparable(object.fq_name.name());
        self.text.extend(name.bytes().map(|byte| if byte == END { b' ' } else { byte }));
        self.text.push(END);
    }

    fn weight_of(object: &Object) -> usize {
        object.fq_name.name().len() + 1 + size_of::<u32>() + size_of::<Uuid>()
    }

    /// Whose names have a text at a place, each once.
    fn find(&self, text: &str, part: Part) -> impl Iterator<Item = Uuid> + use<'_> {
        let text: Vec<u8> = text.bytes().map(|byte| if byte == END { b' ' } else { byte }).collect();
        let (before, after): (&[u8], &[u8]) = match part {
            Part::All => (&[END], &[END]),
            Part::Beginning => (&[END], &[]),
            Part::Any => (&[], &[]),
        };
        let wanted = [before, &text, after].concat();
        let offset = before.len();
        let finder = Finder::new(&wanted).into_owned();
        let mut from = 0;
        iter::from_fn(move || {
            let found = from + finder.find(self.text.get(from..)?)?;
            let index = self.starts.partition_point(|start| *start as usize <= found + offset).checked_sub(1)?;
            // The end of a name is the begin of the next one.
            from = self.starts.get(index + 1).map_or(self.text.len(), |next| *next as usize - 1);
            self.owners.get(index).copied()
        })
    }
}

impl Names {
    /// Of all that is in a graph.
    async fn of(graph: &Graph) -> Self {
        let types = vec![NamesOfType::default(); graph.model().types().len()];
        let mut names = Self { position: graph.position(), types, is_whole: true, ..Self::default() };
        let mut pace = Pace::new();
        for kind in graph.model().types() {
            for object in graph.objects_of(kind.id) {
                pace.step().await;
                names.push(object);
            }
        }
        names
    }

    fn push(&mut self, object: &Object) {
        let weight = NamesOfType::weight_of(object);
        if self.weight + weight > MOST {
            self.is_whole = false;
            return;
        }
        if let Some(names) = self.types.get_mut(usize::from(object.type_id.0)) {
            names.push(object);
            self.weight += weight;
            self.count += 1;
        }
    }

    /// Whether all objects are in here.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Objects of a type whose own names may have a text, which is [`comparable`], at a place.
    pub fn find(&self, type_id: TypeId, text: &str, part: Part) -> impl Iterator<Item = Uuid> + use<'_> {
        let names = self.types.get(usize::from(type_id.0)).filter(|_| !text.is_empty());
        names.into_iter().flat_map({
            let text = text.to_owned();
            move |names| names.find(&text, part)
        })
    }

    /// Objects of a type whose uuids, as numbers, may lie in a range.
    pub fn with_uuids(&self, type_id: TypeId, range: RangeInclusive<u128>) -> impl Iterator<Item = Uuid> + use<'_> {
        let names = self.types.get(usize::from(type_id.0));
        let owners = names.into_iter().flat_map(|names| names.owners.iter().copied());
        owners.filter(move |uuid| range.contains(&uuid.as_u128()))
    }
}

impl Replica {
    /// Somebody may search soon: has the names brought up to date, and does not wait for it.
    pub fn prepare_names(&self) {
        self.names_wanted.notify_one();
    }

    /// Brings the names up to date whenever somebody may want them.
    pub(super) async fn keep_names(self: Arc<Self>) {
        loop {
            self.names_wanted.notified().await;
            drop(self.names(&self.current()).await);
        }
    }

    /// The names of all that is in a graph of this process, and perhaps of more. Whoever has them holds up others who search.
    pub async fn names(&self, graph: &Graph) -> MutexGuard<'_, Names> {
        let mut names = self.names.lock().await;
        if !self.follow_with(&mut names, graph).await {
            *names = Names::of(graph).await;
        }
        self.weight_of_names.store(names.weight, Ordering::Relaxed);
        names
    }

    /// Adds what has come since; false where that is not known, or too much.
    async fn follow_with(&self, names: &mut Names, graph: &Graph) -> bool {
        let behind = graph.revision().saturating_sub(names.position.revision);
        if names.types.is_empty() || names.position.epoch != graph.position().epoch || behind > MOST_FOLLOWED {
            return false;
        }
        let mut pace = Pace::new();
        while names.position.revision < graph.revision() {
            let Some(entries) = self.recent_after(names.position.revision, AT_A_TIME) else { return false };
            let Some(last) = entries.last().map(|last| last.revision) else { return false };
            for entry in &entries {
                pace.step().await;
                let has_new_name = matches!(entry.operation, LogOperation::Create | LogOperation::Rename);
                if let Some(object) = entry.object().filter(|_| has_new_name) {
                    names.push(object);
                }
            }
            names.position.revision = last;
        }
        names.count <= 2 * graph.len() + FEW
    }

    /// How much memory these names take, in bytes.
    pub fn weight_of_names(&self) -> usize {
        self.weight_of_names.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::FqName;

    fn object(number: u128, name: &[&str]) -> Object {
        Object::new(Uuid::from_u128(number), TypeId(0), FqName::new(name), 1)
    }

    fn names(all: &[&str]) -> Names {
        let mut names = Names { types: vec![NamesOfType::default()], is_whole: true, ..Names::default() };
        for (number, name) in (1..).zip(all) {
            names.push(&object(number, &["domain", name]));
        }
        names
    }

    #[test]
    fn names_are_found_by_a_part_each_once() {
        let names = names(&["web", "Web", "webweb", "a\nweb", "wébb", "", "web"]);
        let find = |text: &str, part| names.find(TypeId(0), text, part).map(|uuid| uuid.as_u128()).collect::<Vec<_>>();
        assert_eq!(find("web", Part::All), [1, 2, 7]);
        assert_eq!(find("web", Part::Beginning), [1, 2, 3, 7]);
        assert_eq!(find("web", Part::Any), [1, 2, 3, 4, 7]);
        assert_eq!(find("a\nw", Part::Beginning), [4]);
        assert_eq!(find("é", Part::Any), [5]);
        assert_eq!(find("domain", Part::Any), [0; 0]);
        assert_eq!(find("", Part::Any), [0; 0]);
        // An end of a line stands as a blank, and is never the end of a name.
        assert_eq!(find("\n", Part::Any), [4]);
        assert_eq!(Names::default().find(TypeId(0), "web", Part::Any).count(), 0);
        assert_eq!(names.with_uuids(TypeId(0), 2..=3).count(), 2);
    }

    #[test]
    fn what_has_no_room_is_not_there_and_that_is_known() {
        let mut names = names(&["web"]);
        names.weight = MOST;
        names.push(&object(2, &["web"]));
        assert!(!names.is_whole());
        assert_eq!(names.find(TypeId(0), "web", Part::Any).count(), 1);
    }
}
