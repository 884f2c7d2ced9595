//! How far a request has come, so that whoever has waited for too long knows what can be said: that nothing was stored, as
//! long as nothing was sent to the database, and after that only that it is not known.

use std::sync::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 0;
const SENT: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Of one request.
#[derive(Debug, Default)]
pub struct Ticket(AtomicU8);

impl Ticket {
    fn pass(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whoever waits goes, and is told that nothing was stored; not if it has been sent.
    pub fn give_up(&self) -> bool {
        self.pass(OPEN, GIVEN_UP)
    }

    /// Whether nobody waits any more, and nothing may be stored.
    pub fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Acquire) == GIVEN_UP
    }

    /// What was sent is known not to be stored.
    pub fn take_back(&self) {
        self.pass(SENT, OPEN);
    }
}

/// Marks requests as sent, all of them or, where one was given up, none.
pub fn send<'t>(tickets: impl Iterator<Item = &'t Ticket> + Clone) -> bool {
    for (count, ticket) in tickets.clone().enumerate() {
        if !ticket.pass(OPEN, SENT) && ticket.is_given_up() {
            tickets.take(count).for_each(Ticket::take_back);
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_not_sent_and_the_other_way_round() {
        let tickets: [Ticket; 3] = Default::default();
        assert!(tickets[2].give_up());
        assert!(!send(tickets.iter()));
        assert!(tickets[2].is_given_up() && !tickets[0].is_given_up());
        assert!(tickets[0].give_up(), "it is open again");
        assert!(send(tickets[1..2].iter()));
        assert!(!tickets[1].give_up(), "it is on its way");
        tickets[1].take_back();
        assert!(tickets[1].give_up());
    }
}
