//! What is no HTTP: a binary path, a hello of TLS. The library that reads requests tells each as an ERROR, without a word of who it was, so that
//! anybody could fill the log with these. Here it is DEBUG, and counted.

use crate::metrics;
use std::fmt::{Debug, Write};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// Who tells it, and what that begins with.
const TARGET: &str = "actix_http::h1::dispatcher";
const BEGIN: &str = "stream error: ";
/// What such a request is answered with.
const BAD_REQUEST: u16 = 400;

/// Makes less of it.
pub struct Malformed;

impl<S: Subscriber> Layer<S> for Malformed {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || metadata.target() != TARGET {
            return true;
        }
        let mut message = Message::default();
        event.record(&mut message);
        let Some(why) = message.0.strip_prefix(BEGIN) else { return true };
        metrics::refusal(None, BAD_REQUEST);
        tracing::debug!(target: "cirrus::api", why, "what came is no request");
        false
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Memory takes everything.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
