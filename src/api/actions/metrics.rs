//! `/metrics`: how the server is, in numbers, for who collects them (`src/metrics/`). What is not counted all the time is asked for here;
//! nothing of it waits for anybody, and the database is not asked.

use super::{Access, Action, Effect, health::HANGS_AFTER};
use crate::{
    api::{
        App,
        answer::Answer,
        call::Call,
        openapi::operation::{SERVER, about, plain_answer},
        shares::share_of,
    },
    metrics::{AMQP, Format, Scrape, table},
};
use actix_web::http::Method;
use bytes::Bytes;
use std::{
    collections::HashMap,
    future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use utoipa::openapi::path::OperationBuilder;

/// How many scrapes have a text of their own. Each holds it until it is taken, which may be for as long as a connection lives whose client
/// takes nothing.
const MOST_TEXTS: usize = 64;
/// How old a text may be that is shared by those for whom there is none.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// The texts of scrapes that are under way.
pub struct Scrapes {
    places: Arc<Semaphore>,
    /// The last one of each format that was made for several.
    shared: Mutex<HashMap<Format, (Instant, Bytes)>>,
}

impl Default for Scrapes {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_TEXTS)), shared: Mutex::default() }
    }
}

impl Scrapes {
    /// One that is shared, made where there is none that is young enough.
    fn shared(&self, format: Format, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.get(&format) {
            Some((since, text)) if since.elapsed() < SHARED_FOR => text.clone(),
            _ => {
                let text = make();
                shared.insert(format, (Instant::now(), text.clone()));
                text
            }
        }
    }
}

/// Whoever asks how the server is must be told, so it has places of its own.
pub static ACTIONS: &[Action] = &[Action {
    link: None,
    path: "/metrics",
    method: Method::GET,
    access: Access::Administrator,
    effect: Effect::Reads,
    takes_a_place: false,
    handler: |app, call, _| Box::pin(future::ready(Ok(app.metrics(call)))),
    arguments: &[],
    description: describe_metrics,
}];

impl App {
    /// `GET /metrics`. Nobody is refused, and what is held for those who take nothing has a bound: where many are under way, the others
    /// share what is made once a second.
    fn metrics(&self, call: &Call) -> Answer {
        let format = if call.takes_open_metrics { Format::OpenMetrics } else { Format::Prometheus };
        let make = || Bytes::from(self.scrape().text(format));
        let text = match Arc::clone(&self.scrapes.places).try_acquire_owned() {
            Ok(place) => {
                call.place.set(Some(place));
                make()
            }
            Err(_) => self.scrapes.shared(format, make),
        };
        Answer::Metrics { format, text }
    }

    fn scrape(&self) -> Scrape {
        let mut scrape = Scrape::default();
        let types: Vec<&str> = self.model.types().iter().map(|kind| kind.name.as_str()).collect();
        scrape.put_counted(&types);
        scrape.put_process();
        self.put_server(&mut scrape);
        self.put_configuration(&mut scrape);
        self.put_readers(&mut scrape);
        self.put_memory(&mut scrape);
        for tell in &self.told_at_scrape {
            tell(&mut scrape);
        }
        scrape
    }

    fn put_server(&self, scrape: &mut Scrape) {
        scrape.number(&table::BUILD, &[env!("CIRRUS_VERSION")], 1_u64);
        let silence = self.replica.lease.silence();
        let progress = self.writer.progress();
        let waits = progress.waits();
        for (part, is_ready) in [
            ("server", !self.feed.is_stopped() && self.supervision.not_well().is_empty()),
            ("database", silence <= HANGS_AFTER),
            ("writer", waits <= HANGS_AFTER && !progress.has_failed()),
        ] {
            scrape.number(&table::READY, &[part], u64::from(is_ready));
        }
        scrape.seconds(&table::DATABASE_SILENCE, &[], silence.as_secs_f64());
        scrape.seconds(&table::BATCH_AGE, &[], waits.as_secs_f64());
        scrape.number(&table::WAITING, &[], self.writer.waiting());
        scrape.number(&table::REQUESTS_AT_WORK, &[], self.admission.requests_at_work());
        scrape.number(&table::LIMIT, &["max-requests"], self.requests.max_requests);
    }

    fn put_configuration(&self, scrape: &mut Scrape) {
        let graph = self.replica.current();
        let (last, floor) = self.replica.lease.seen();
        scrape.number(&table::REVISION, &[], graph.revision());
        scrape.number(&table::REPLICA_LAG, &[], last.saturating_sub(graph.revision()));
        scrape.number(&table::SOLE, &[], u64::from(self.replica.lease.is_sole()));
        scrape.number(&table::LOG_CHANGES, &[], last.max(graph.revision()).saturating_sub(floor));
        let retention = self.feed.retention();
        scrape.number(&table::LIMIT, &["keep-changes"], retention.changes);
        scrape.number(&table::LIMIT, &["keep-changes-at-most"], retention.at_most);
        for kind in self.model.types() {
            let objects = graph.count_of(kind.id);
            if objects > 0 {
                scrape.number(&table::OBJECTS, &[&kind.name], objects);
            }
        }
    }

    fn put_readers(&self, scrape: &mut Scrape) {
        scrape.number(&table::FEED_READERS, &[], self.feed.reader_count());
        scrape.number(&table::FEED_LAG, &[], self.feed.lag());
        let (parties, largest) = self.shares.parties();
        scrape.number(&table::WATCH_PARTIES, &[], parties);
        scrape.number(&table::WATCH_LARGEST_SHARE, &[], largest);
        scrape.number(&table::LIMIT, &["watch-limit"], self.watch.limit);
        scrape.number(&table::LIMIT, &["watch-limit-of-project"], share_of(self.watch.limit));
        scrape.number(&table::AMQP_CONFIGURED, &[], u64::from(self.bus.is_some()));
        if AMQP.turn.get() == 1 {
            let revision = self.replica.current().revision();
            scrape.number(&table::AMQP_LAG, &[], revision.saturating_sub(AMQP.confirmed.get()));
        }
    }

    fn put_memory(&self, scrape: &mut Scrape) {
        let held = [
            ("kept-lists", self.kept_lists.size()),
            ("recent-changes", self.replica.weight_of_recent()),
            ("names-for-search", self.replica.weight_of_names()),
            ("rendered-events", self.feed.rendered.size()),
        ];
        for (holder, bytes) in held {
            scrape.number(&table::MEMORY, &[holder], bytes);
        }
        for (holder, bytes) in self.admission.held() {
            scrape.number(&table::MEMORY, &[holder], bytes);
        }
    }
}

fn describe_metrics() -> OperationBuilder {
    about(SERVER, "metrics", "How the server is, in numbers").response(
        "200",
        plain_answer(
            "In the text format of Prometheus, or as OpenMetrics for who asks for `application/openmetrics-text`.",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_for_whom_there_is_no_place_share_a_text() {
        let scrapes = Scrapes::default();
        let first = scrapes.shared(Format::Prometheus, || Bytes::from_static(b"first"));
        let again = scrapes.shared(Format::Prometheus, || panic!("it is there"));
        assert_eq!(first.as_ptr(), again.as_ptr());
        assert_eq!(scrapes.shared(Format::OpenMetrics, || Bytes::from_static(b"other")), "other");
        let (since, _) = scrapes.shared.lock().unwrap()[&Format::Prometheus].clone();
        let old = (since.checked_sub(SHARED_FOR).unwrap(), first);
        scrapes.shared.lock().unwrap().insert(Format::Prometheus, old);
        assert_eq!(scrapes.shared(Format::Prometheus, || Bytes::from_static(b"anew")), "anew");
    }
}
