//! Whether what clients saw of one object can be explained: by an order in which each operation happened at once, at some moment
//! between its call and its answer. Found by trying, as Wing and Gong do it, with what was tried already remembered.

use std::collections::HashSet;

/// What a client asks of an object. Values are unique, so that each tells who wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    Create(u32),
    Update(u32),
    Delete,
    Read,
}

/// What a client was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// 200 to a write.
    Done,
    /// 200 to a read: the value.
    Found(u32),
    /// 404
    Absent,
    /// 409 to a create.
    Present,
    /// It may have happened, may still happen, or never.
    Unknown,
}

/// One operation on one object. What was refused without effect is none.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Moments of one clock, all different.
    pub called: u64,
    pub answered: u64,
    pub action: Action,
    pub outcome: Outcome,
    /// Where the answer says that it is true.
    pub revision: Option<u64>,
}

/// The value of the object; none while it does not exist.
pub type State = Option<u32>;

impl Operation {
    /// The state after it, if it can have happened in this one and been answered so.
    pub fn apply(&self, state: State) -> Option<State> {
        match (self.action, self.outcome, state) {
            (Action::Create(value), Outcome::Done | Outcome::Unknown, None)
            | (Action::Update(value), Outcome::Done | Outcome::Unknown, Some(_)) => Some(Some(value)),
            (Action::Delete, Outcome::Done | Outcome::Unknown, Some(_))
            | (Action::Update(_) | Action::Delete | Action::Read, Outcome::Absent, None) => Some(None),
            (Action::Create(_), Outcome::Present, Some(_)) => Some(state),
            (Action::Read, Outcome::Found(value), Some(stored)) if value == stored => Some(state),
            _ => None,
        }
    }

    /// When it must have happened, at the latest.
    fn end(&self) -> u64 {
        if self.outcome == Outcome::Unknown { u64::MAX } else { self.answered }
    }
}

/// Looks for an order that explains the operations on one object, which does not exist at first.
///
/// # Errors
/// The operations around the one that no order explains.
pub fn check(operations: &[Operation]) -> Result<(), String> {
    let mut operations = operations.to_vec();
    // A read that was not answered says nothing.
    operations.retain(|operation| !(operation.action == Action::Read && operation.outcome == Outcome::Unknown));
    operations.sort_by_key(|operation| operation.called);
    let mut search = Search { tried: HashSet::new(), farthest: 0, operations: &operations };
    let mut done = vec![0_u64; operations.len().div_ceil(64)];
    if search.explains(&mut done, None) {
        return Ok(());
    }
    let around = search.farthest.saturating_sub(8)..operations.len().min(search.farthest + 12);
    let lines: Vec<String> = operations[around].iter().map(|operation| format!("{operation:?}")).collect();
    Err(format!("no order explains these operations:\n{}", lines.join("\n")))
}

struct Search<'o> {
    operations: &'o [Operation],
    /// Which were done, and the state after them.
    tried: HashSet<(Vec<u64>, State)>,
    /// The first that was not done where most were.
    farthest: usize,
}

impl Search<'_> {
    fn explains(&mut self, done: &mut [u64], state: State) -> bool {
        let is_done = |done: &[u64], index: usize| done[index / 64] & (1 << (index % 64)) != 0;
        let open: Vec<usize> = (0..self.operations.len()).filter(|index| !is_done(done, *index)).collect();
        let earliest_end = open.iter().map(|index| self.operations[*index].end()).min();
        // Those without an answer need not have happened.
        let Some(earliest_end) = earliest_end.filter(|end| *end < u64::MAX) else { return true };
        if !self.tried.insert((done.to_vec(), state)) {
            return false;
        }
        self.farthest = self.farthest.max(open[0]);
        let mut candidates: Vec<usize> =
            open.into_iter().take_while(|index| self.operations[*index].called < earliest_end).collect();
        // Those that have to be done soon are likelier to be next than those that may wait for ever.
        candidates.sort_by_key(|index| self.operations[*index].end());
        for index in candidates {
            let Some(next) = self.operations[index].apply(state) else { continue };
            done[index / 64] |= 1 << (index % 64);
            if self.explains(done, next) {
                return true;
            }
            done[index / 64] &= !(1 << (index % 64));
        }
        false
    }
}
