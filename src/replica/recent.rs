//! The last changes, in memory: what nearly all readers of the log are served from.

use crate::{change_log::LogEntry, store::PAGE_WEIGHT};
use std::{collections::VecDeque, sync::Arc};

/// How many changes are kept at most ...
const MOST_ENTRIES: usize = 32_768;
/// ... and how much memory they may take, in bytes.
const MOST_WEIGHT: usize = 64 << 20;

/// Changes without gaps, up to the last one.
#[derive(Default)]
pub struct Recent {
    /// With what each weighs.
    entries: VecDeque<(Arc<LogEntry>, usize)>,
    weight: usize,
}

impl Recent {
    /// Adds the next ones, and lets go of the oldest.
    pub fn push(&mut self, entries: Vec<Arc<LogEntry>>) {
        for entry in entries {
            if self.entries.back().is_some_and(|(last, _)| last.revision + 1 != entry.revision) {
                self.clear();
            }
            let weight = entry.weight();
            self.weight += weight;
            self.entries.push_back((entry, weight));
        }
        while self.entries.len() > MOST_ENTRIES || self.weight > MOST_WEIGHT {
            let Some((_, oldest)) = self.entries.pop_front() else { break };
            self.weight = self.weight.saturating_sub(oldest);
        }
    }

    /// How much memory they take, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Forgets all: what follows is another history.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.weight = 0;
    }

    /// The changes that follow a revision: at most this many and about [`PAGE_WEIGHT`], but whole requests, so at times a
    /// few more. None, if the first of them is not here any more.
    pub fn after(&self, revision: u64, limit: usize) -> Option<Vec<Arc<LogEntry>>> {
        let oldest = self.entries.front()?.0.revision;
        let skipped = usize::try_from((revision + 1).checked_sub(oldest)?).ok()?;
        let mut found: Vec<Arc<LogEntry>> = Vec::new();
        let mut weight = 0;
        for (entry, own) in self.entries.iter().skip(skipped) {
            let enough = found.len() >= limit || weight >= PAGE_WEIGHT;
            if enough && found.last().is_some_and(|last| last.request == last.revision) {
                break;
            }
            weight += own;
            found.push(Arc::clone(entry));
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        change_log::{LogOperation, Subject},
        graph::{FqName, Hold, Object},
        model::{PropertyId, TypeId},
        timestamp::Timestamp,
    };
    use proptest::prelude::*;
    use uuid::Uuid;

    fn entry(revision: u64, request: u64) -> Arc<LogEntry> {
        Arc::new(LogEntry {
            revision,
            request,
            at: Timestamp(0),
            operation: LogOperation::Reserve,
            uuid: Uuid::nil(),
            type_id: TypeId(0),
            fq_name: FqName::new(&["a"]),
            former_name: None,
            changed: None,
            former_permissions: None,
            subject: Subject::Addresses(Vec::new()),
            parent_type: None,
            target_names: Vec::new(),
            request_id: None,
            who: None,
            caller: None,
        })
    }

    /// Requests of these sizes, numbered from 1.
    fn log(sizes: &[u64]) -> Vec<Arc<LogEntry>> {
        let mut revision = 0;
        let mut entries = Vec::new();
        for size in sizes {
            let request = revision + size;
            entries.extend((revision + 1..=request).map(|number| entry(number, request)));
            revision = request;
        }
        entries
    }

    proptest! {
        /// A reader that starts anywhere and takes pages of any size sees every change once, in order, requests whole.
        #[test]
        fn pages_cover_the_log(sizes in prop::collection::vec(1_u64..6, 1..40), start in 0_usize..40, limit in 1_usize..9) {
            let entries = log(&sizes);
            let mut recent = Recent::default();
            recent.push(entries.clone());
            let start: u64 = sizes.iter().take(start).sum();
            let (mut position, mut seen) = (start, Vec::new());
            loop {
                let page = recent.after(position, limit).unwrap();
                let Some(last) = page.last() else { break };
                prop_assert_eq!(last.request, last.revision);
                position = last.revision;
                seen.extend(page.iter().map(|entry| entry.revision));
            }
            let wanted: Vec<u64> = (start + 1..=entries.len() as u64).collect();
            prop_assert_eq!(seen, wanted);
        }
    }

    #[test]
    fn what_is_gone_is_not_passed_over() {
        let mut recent = Recent::default();
        assert!(recent.after(0, 10).is_none(), "nothing is known yet");
        recent.push(log(&vec![1; MOST_ENTRIES + 10]));
        assert!(recent.after(9, 10).is_none());
        assert_eq!(recent.after(10, 3).unwrap().iter().map(|entry| entry.revision).collect::<Vec<_>>(), [11, 12, 13]);
    }

    #[test]
    fn a_gap_starts_anew() {
        let mut recent = Recent::default();
        recent.push(vec![entry(1, 1), entry(3, 3)]);
        assert!(recent.after(0, 10).is_none());
        assert_eq!(recent.after(2, 10).unwrap().len(), 1);
    }

    /// Makes a change large with one of these.
    type Enlarge = fn(&mut LogEntry, &Arc<str>, &FqName, &Object, &[Hold]);

    /// What is held beside the change itself counts, each kind of it.
    #[test]
    fn large_changes_are_few() {
        let large = 1 << 20;
        let text: Arc<str> = "x".repeat(large).into();
        let name = FqName::new(&["x".repeat(large)]);
        let mut object = Object::new(Uuid::nil(), TypeId(0), FqName::new(&["a"]), 0);
        object.set_positions(PropertyId(0), Some(vec!["x".repeat(large)]));
        let hold = Hold { scope: Uuid::nil(), address: [0; 4].into() };
        let addresses = vec![hold; large / size_of::<Hold>() + 1];
        let kinds: [Enlarge; 6] = [
            |entry, text, _, _, _| entry.who = Some(Arc::clone(text)),
            |entry, text, _, _, _| entry.request_id = Some(Arc::clone(text)),
            |entry, _, name, _, _| entry.former_name = Some(name.clone()),
            |entry, _, name, _, _| entry.target_names = vec![Some(name.clone())],
            |entry, _, _, object, _| entry.subject = Subject::Object(Arc::new(object.clone())),
            |entry, _, _, _, holds| entry.subject = Subject::Addresses(holds.to_vec()),
        ];
        for make in kinds {
            let mut recent = Recent::default();
            recent.push(
                log(&[1; 100])
                    .into_iter()
                    .map(|entry| {
                        let mut entry = Arc::into_inner(entry).unwrap();
                        make(&mut entry, &text, &name, &object, &addresses);
                        Arc::new(entry)
                    })
                    .collect(),
            );
            assert_eq!(recent.entries.len(), MOST_WEIGHT / large - 1);
            assert!(recent.weight <= MOST_WEIGHT);
        }
    }
}
