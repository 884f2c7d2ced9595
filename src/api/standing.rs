//! Whether who asked may still be told: what is told for long goes on for as long as the token is good that it was asked for
//! with (FEED-4).

use crate::authentication::{Authenticator, Known, Presented, Unknown};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// How often it is asked again whose a token is. Sources answer from memory, as for requests, for as long as they do for these.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// The token of a request, for as long as the request lasts.
#[derive(Clone)]
pub struct Standing {
    presented: Presented,
    known: Arc<Known>,
    ask_at: Instant,
}

impl Standing {
    /// Of a request that was just let in.
    pub fn new(presented: Presented, known: Arc<Known>) -> Self {
        let ask_at = next_look(&known);
        Self { presented, known, ask_at }
    }

    /// When it is to be looked at again.
    pub fn ask_at(&self) -> Instant {
        self.ask_at
    }

    /// Whether the token is still that of the same caller, with the same rights. Where nobody can be asked, it is until it ends.
    pub async fn holds(&mut self, authenticator: &Authenticator) -> bool {
        match authenticator.recognise(&self.presented).await {
            Ok(known) if known.caller == self.known.caller => self.known = known,
            Err(Unknown::Unavailable(_)) if !self.known.has_ended(SystemTime::now()) => {}
            Ok(_) | Err(_) => return false,
        }
        self.ask_at = next_look(&self.known);
        true
    }
}

fn next_look(known: &Known) -> Instant {
    let left = known.expires_at.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
    Instant::now() + left.map_or(ASK_EVERY, |left| left.min(ASK_EVERY))
}
