//! Sends traces to a collector. Requests never wait for it: what it does not take in time is dropped, counted, and told when that
//! begins and ends.

use super::Served;
use crate::supervision::Supervision;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use uuid::Uuid;

/// How many requests may wait to be sent, with their spans: about 2 KiB each.
const MOST_WAITING: usize = 4096;
/// How many are sent together, at most.
const TOGETHER: usize = 512;
/// For how long others are waited for, to be sent together.
const COLLECTED_FOR: Duration = Duration::from_millis(500);
/// How long the collector may take for what is sent.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take at the end of the server.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The traces of this process, on their way to a collector.
pub struct Traces {
    queue: mpsc::Sender<Vec<SpanData>>,
    scope: InstrumentationScope,
    /// How many spans were dropped.
    dropped: AtomicU64,
    /// Whether that was told, until the collector takes some again.
    told: AtomicBool,
    ends: watch::Sender<bool>,
    sending: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Traces {
    /// To the collector at this address, by OTLP over HTTP; `server` is what tells this process from others.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn start(
        endpoint: &str,
        client: reqwest::Client,
        server: Uuid,
        supervision: &Arc<Supervision>,
    ) -> Result<Arc<Self>, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(TAKEN_WITHIN);
        let mut exporter = exporter.build().map_err(|error| error.to_string())?;
        let of_this = [
            KeyValue::new("service.version", env!("CIRRUS_VERSION")),
            KeyValue::new("service.instance.id", server.to_string()),
        ];
        exporter.set_resource(&Resource::builder().with_service_name("cirrus").with_attributes(of_this).build());
        let (queue, waiting) = mpsc::channel(MOST_WAITING);
        let traces = Arc::new(Self {
            queue,
            scope: InstrumentationScope::builder("cirrus").with_version(env!("CIRRUS_VERSION")).build(),
            dropped: AtomicU64::new(0),
            told: AtomicBool::new(false),
            ends: watch::Sender::new(false),
            sending: std::sync::Mutex::default(),
        });
        let (exporter, waiting) = (Arc::new(exporter), Arc::new(Mutex::new(waiting)));
        let this = Arc::clone(&traces);
        let sending = supervision.keep("traces", move || {
            let (this, exporter, waiting) = (Arc::clone(&this), Arc::clone(&exporter), Arc::clone(&waiting));
            async move { this.send(&exporter, &mut *waiting.lock().await).await }
        });
        traces.sending.lock().unwrap_or_else(std::sync::PoisonError::into_inner).replace(sending);
        Ok(traces)
    }

    /// A request is answered: it is sent, if it is traced and there is room.
    pub fn end(&self, served: &Served, status: u16) {
        let Some(trace) = &served.trace else { return };
        // What would be dropped is not made either.
        match self.queue.try_reserve() {
            Ok(place) => place.send(trace.spans(&served.id, status, &self.scope)),
            Err(_) => self.drop_spans(1, "too many wait for it"),
        }
    }

    /// How many spans were dropped since the server was started; one of each request of which none was made.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn drop_spans(&self, spans: usize, why: &str) {
        self.dropped.fetch_add(u64::try_from(spans).unwrap_or(u64::MAX), Ordering::Relaxed);
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(why, "traces: the collector does not take them, so they are dropped (--otlp-endpoint)");
        }
    }

    /// Sends what waits until the end, and then what there is.
    async fn send(&self, exporter: &SpanExporter, waiting: &mut mpsc::Receiver<Vec<SpanData>>) {
        let mut ends = self.ends.subscribe();
        let mut requests = Vec::new();
        loop {
            let is_end = *ends.borrow_and_update();
            if is_end {
                // What was never made is not waited for.
                while requests.len() < MOST_WAITING
                    && let Ok(request) = waiting.try_recv()
                {
                    requests.push(request);
                }
            } else {
                tokio::select! {
                    _ = waiting.recv_many(&mut requests, TOGETHER) => {}
                    _ = ends.changed() => continue,
                }
                let more = async {
                    while requests.len() < TOGETHER && waiting.recv_many(&mut requests, TOGETHER).await > 0 {}
                };
                tokio::select! {
                    _ = timeout(COLLECTED_FOR, more) => {}
                    _ = ends.changed() => {}
                }
            }
            let spans: Vec<SpanData> = requests.drain(..).flatten().collect();
            if !spans.is_empty() {
                self.export(exporter, spans).await;
            }
            if is_end {
                return;
            }
        }
    }

    async fn export(&self, exporter: &SpanExporter, spans: Vec<SpanData>) {
        let number = spans.len();
        match timeout(TAKEN_WITHIN, exporter.export(spans)).await {
            Ok(Ok(())) => {
                if self.told.swap(false, Ordering::Relaxed) {
                    tracing::info!(dropped = self.dropped(), "traces: the collector takes them again");
                }
            }
            Ok(Err(error)) => self.drop_spans(number, &error.to_string()),
            Err(_) => self.drop_spans(number, "it does not answer in time"),
        }
    }

    /// Sends what there is, for a moment, and ends.
    pub async fn stop(&self) {
        self.ends.send_replace(true);
        let sending = self.sending.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(sending) = sending
            && timeout(ENDS_WITHIN, sending).await.is_err()
        {
            tracing::warn!("traces: the collector does not answer, so the last ones are dropped");
        }
        if self.dropped() > 0 {
            tracing::warn!(spans = self.dropped(), "traces: so many spans were dropped in all");
        }
    }
}
