//! Whether the log and the answers tell the same: each write that was answered is in the log once, where its answer says; nothing
//! that was refused is; each read shows what the log had come to; and nobody is answered from before what was answered to
//! anybody else.

use super::linearizable::{Action, Operation, Outcome, State};
use std::collections::{BTreeMap, HashMap};

/// What the log has of one object, by revision: the state after the change.
pub type ObjectLog = BTreeMap<u64, State>;

/// Compares one object's operations with its log.
///
/// # Errors
/// The first difference.
pub fn check(operations: &[Operation], log: &ObjectLog) -> Result<(), String> {
    writes_are_logged_once(operations, log)?;
    reads_show_the_log(operations, log)?;
    revisions_follow_time(operations)
}

fn written(operation: &Operation) -> Option<State> {
    match operation.action {
        Action::Create(value) | Action::Update(value) => Some(Some(value)),
        Action::Delete => Some(None),
        Action::Read => None,
    }
}

fn writes_are_logged_once(operations: &[Operation], log: &ObjectLog) -> Result<(), String> {
    let mut answered: HashMap<u64, &Operation> = HashMap::new();
    for operation in operations.iter().filter(|operation| operation.outcome == Outcome::Done) {
        let Some(revision) = operation.revision else { return Err(format!("{operation:?}: without a revision")) };
        if log.get(&revision).copied() != written(operation) {
            return Err(format!("{operation:?}: the log has {:?} there", log.get(&revision)));
        }
        if let Some(other) = answered.insert(revision, operation) {
            return Err(format!("{operation:?} and {other:?}: one change for both"));
        }
    }
    let mut unknown: Vec<State> =
        operations.iter().filter(|operation| operation.outcome == Outcome::Unknown).filter_map(written).collect();
    for (revision, state) in log.iter().filter(|(revision, _)| !answered.contains_key(revision)) {
        let Some(index) = unknown.iter().position(|possible| possible == state) else {
            return Err(format!("the log has {state:?} at {revision}, which nobody was answered"));
        };
        unknown.swap_remove(index);
    }
    Ok(())
}

fn reads_show_the_log(operations: &[Operation], log: &ObjectLog) -> Result<(), String> {
    for operation in operations.iter().filter(|operation| operation.action == Action::Read) {
        let shown = match operation.outcome {
            Outcome::Found(value) => Some(value),
            Outcome::Absent => None,
            _ => continue,
        };
        let Some(revision) = operation.revision else { return Err(format!("{operation:?}: without a revision")) };
        let logged = log.range(..=revision).next_back().and_then(|(_, state)| *state);
        if logged != shown {
            return Err(format!("{operation:?}: the log had come to {logged:?}"));
        }
    }
    Ok(())
}

/// Whoever is asked after an answer was given answers from there or later.
fn revisions_follow_time(operations: &[Operation]) -> Result<(), String> {
    let mut by_call: Vec<&Operation> = operations.iter().collect();
    by_call.sort_by_key(|operation| operation.called);
    let mut by_answer: Vec<(u64, u64)> = operations
        .iter()
        .filter(|operation| operation.outcome != Outcome::Unknown)
        .filter_map(|operation| operation.revision.map(|revision| (operation.answered, revision)))
        .collect();
    by_answer.sort_unstable();
    let mut before = by_answer.into_iter().peekable();
    let mut highest = 0;
    for operation in by_call {
        while let Some((_, revision)) = before.next_if(|(answered, _)| *answered < operation.called) {
            highest = highest.max(revision);
        }
        let known = operation.revision.filter(|_| operation.outcome != Outcome::Unknown);
        if known.is_some_and(|revision| revision < highest) {
            return Err(format!("{operation:?}: {highest} was answered before it was asked"));
        }
    }
    Ok(())
}
