//! Long work in short turns: a worker serves many connections, and none of them shall wait for one that asks for a lot.

use std::time::Duration;
use tokio::{task::yield_now, time::Instant};

/// How long a turn is.
const TURN: Duration = Duration::from_millis(2);
/// Every how many steps the clock is looked at: most steps are shorter than that look.
const STEPS: u32 = 8;

/// How far a turn has come.
pub struct Pace {
    steps: u32,
    turn_ends: Instant,
}

impl Pace {
    /// At the begin of a turn.
    pub fn new() -> Self {
        Self { steps: 0, turn_ends: Instant::now() + TURN }
    }

    /// A step of the work, about an object; lets others go first when the turn is over.
    pub async fn step(&mut self) {
        self.steps += 1;
        if self.steps < STEPS {
            return;
        }
        self.steps = 0;
        if Instant::now() >= self.turn_ends {
            yield_now().await;
            self.turn_ends = Instant::now() + TURN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn long_work_lets_others_go_first() {
        let done = Cell::new(false);
        let long = async {
            let mut pace = Pace::new();
            let begin = Instant::now();
            while !done.get() {
                pace.step().await;
                assert!(begin.elapsed() < Duration::from_secs(30), "nobody else had a turn");
            }
        };
        // Polled after the long one, which therefore has to give way.
        tokio::join!(biased; long, async { done.set(true) });
    }
}
