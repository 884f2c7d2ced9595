//! Long work in short turns: a worker serves many connections, and none of them shall wait for one that asks for a lot.

use std::time::Duration;
use tokio::{task::yield_now, time::Instant};

/// How long a turn is.
const TURN: Duration = Duration::from_millis(2);
/// The same on threads that others are to run before. Linux lets a thread run for some milliseconds before one that wakes up has the
/// processor, however little claim it has on it, unless it gives it up.
const SHORT_TURN: Duration = Duration::from_micros(250);
/// Every how many steps the clock is looked at: most steps are shorter than that look.
const STEPS: u32 = 8;

/// How far a turn has come.
pub struct Pace {
    steps: u32,
    turn: Duration,
    turn_ends: Instant,
}

impl Pace {
    /// At the begin of a turn.
    pub fn new() -> Self {
        Self::of(TURN)
    }

    /// The same, of work that gives up the processor, too.
    pub fn behind_others() -> Self {
        Self::of(SHORT_TURN)
    }

    fn of(turn: Duration) -> Self {
        Self { steps: 0, turn, turn_ends: Instant::now() + turn }
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
            if self.turn == SHORT_TURN {
                std::thread::yield_now();
            }
            self.turn_ends = Instant::now() + self.turn;
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
