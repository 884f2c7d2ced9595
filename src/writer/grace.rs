//! How long to wait for whoever may still answer as the only server, by the own clock.

use super::replica::now;
use crate::store::sequence::{self, Sequence};
use std::time::Duration;
use uuid::Uuid;

/// What is to be waited for before a commit, and since when that is known; with the history that it is of.
#[derive(Default)]
pub struct Grace(Option<(Uuid, Uuid, Duration)>);

impl Grace {
    /// Takes note of what the row of the sequence says, whose answer is there: the time to wait begins when it is first seen
    /// that a name was taken away.
    pub fn observe(&mut self, state: &Sequence) {
        let at = now();
        self.0 = match (self.0, state.freed) {
            (Some((epoch, freed, since)), Some(now_freed)) if (epoch, freed) == (state.epoch, now_freed) => {
                Some((epoch, freed, since))
            }
            (_, Some(freed)) => Some((state.epoch, freed, at)),
            (_, None) => None,
        };
    }

    /// How long to wait before something may be committed on a row that says this, and was observed.
    pub fn left(&self, state: &Sequence) -> Duration {
        let Some(freed) = state.freed else { return Duration::ZERO };
        match self.0.filter(|(epoch, known, _)| (*epoch, *known) == (state.epoch, freed)) {
            Some((_, _, since)) => sequence::GRACE.saturating_sub(now().saturating_sub(since)),
            None => sequence::GRACE,
        }
    }
}
