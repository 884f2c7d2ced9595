//! What is told at a moment, as the text that collectors read.

use super::{
    cells::Spread,
    table::{Kind, Metric, TABLE},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Registry,
};
use std::{collections::HashMap, fmt};

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// That of Prometheus, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => OPEN_METRICS,
        }
    }
}

/// The media type of OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

enum Value {
    Count(u64),
    Number(f64),
    Spread(Spread),
}

/// What is told.
#[derive(Default)]
pub struct Scrape {
    /// By the names of the metrics.
    samples: HashMap<&'static str, Vec<(Labels, Value)>>,
}

impl Scrape {
    fn put(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let labels = metric.labels.iter().copied().zip(labels.iter().map(|value| (*value).to_owned())).collect();
        self.samples.entry(metric.name).or_default().push((labels, value));
    }

    /// How often something has happened.
    pub fn count(&mut self, metric: &'static Metric, labels: &[&str], number: u64) {
        self.put(metric, labels, Value::Count(number));
    }

    /// How long something has taken in all.
    pub fn count_of_seconds(&mut self, metric: &'static Metric, labels: &[&str], seconds: f64) {
        self.put(metric, labels, Value::Number(seconds));
    }

    /// How much there is of something.
    #[allow(clippy::cast_precision_loss)] // Numbers that large mean nothing to the last digit.
    pub fn number(&mut self, metric: &'static Metric, labels: &[&str], number: impl TryInto<u64>) {
        self.put(metric, labels, Value::Number(number.try_into().unwrap_or(u64::MAX) as f64));
    }

    /// A time, in seconds.
    pub fn seconds(&mut self, metric: &'static Metric, labels: &[&str], seconds: f64) {
        self.put(metric, labels, Value::Number(seconds));
    }

    /// How values are spread.
    pub(super) fn histogram(&mut self, metric: &'static Metric, labels: &[&str], spread: Spread) {
        self.put(metric, labels, Value::Spread(spread));
    }

    /// All of it, as text; empty where it can't be written, which does not happen in memory.
    pub fn text(self, format: Format) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut output = String::with_capacity(64 << 10);
        let written = match format {
            Format::Prometheus => prometheus_text::encode(&mut output, &registry),
            Format::OpenMetrics => text::encode(&mut output, &registry),
        };
        if written.is_err() {
            output.clear();
        }
        output
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scrape").field("metrics", &self.samples.len()).finish()
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for metric in TABLE {
            let mut described = encoder.encode_descriptor(metric.name, metric.help, None, metric.kind.metric_type())?;
            for (labels, value) in self.samples.get(metric.name).into_iter().flatten() {
                if labels.is_empty() {
                    value.encode(metric.kind, &mut described)?;
                } else {
                    value.encode(metric.kind, &mut described.encode_family(&labels.as_slice())?)?;
                }
            }
        }
        Ok(())
    }
}

impl Kind {
    const fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
        }
    }
}

impl Value {
    fn encode(&self, kind: Kind, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let no_exemplar = None::<&Exemplar<NoLabelSet, f64>>;
        match (self, kind) {
            (Self::Count(number), _) => encoder.encode_counter(number, no_exemplar),
            (Self::Number(number), Kind::Counter) => encoder.encode_counter(number, no_exemplar),
            (Self::Number(number), _) => encoder.encode_gauge(number),
            (Self::Spread(Spread { sum, count, buckets }), _) => {
                // This way of writing has its last bucket without a bound.
                let within: u64 = buckets.iter().map(|(_, number)| number).sum();
                let beyond = (f64::INFINITY, count.saturating_sub(within));
                let buckets: Vec<(f64, u64)> = buckets.iter().copied().chain([beyond]).collect();
                encoder.encode_histogram::<NoLabelSet>(*sum, *count, &buckets, None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::table;

    fn scrape() -> Scrape {
        let mut scrape = Scrape::default();
        scrape.count(&table::REQUESTS, &["virtual-network", "create", "2xx"], 3);
        scrape.number(&table::REVISION, &[], 42_u64);
        scrape.histogram(
            &table::DECISION_SECONDS,
            &[],
            Spread { sum: 1.5, count: 3, buckets: vec![(0.1, 1), (1.0, 1)] },
        );
        scrape
    }

    #[test]
    fn both_ways_of_writing() {
        let (text, open) = (scrape().text(Format::Prometheus), scrape().text(Format::OpenMetrics));
        let shared = [
            "cirrus_requests_total{type=\"virtual-network\",operation=\"create\",status=\"2xx\"} 3\n",
            "# TYPE cirrus_revision gauge\n",
            "cirrus_decision_seconds_bucket{le=\"+Inf\"} 3\n",
            "cirrus_decision_seconds_count 3\n",
        ];
        for (text, more) in [
            (&text, ["# TYPE cirrus_requests_total counter\n", "cirrus_decision_seconds_bucket{le=\"1\"} 2\n"]),
            (&open, ["# TYPE cirrus_requests counter\n", "# EOF\n"]),
        ] {
            for line in shared.iter().chain(&more) {
                assert!(text.contains(line), "{line} is expected in\n{text}");
            }
        }
        // Each metric is there, also where nothing was counted.
        assert_eq!(text.matches("# TYPE ").count(), TABLE.len());
        assert!(open.ends_with("# EOF\n") && !text.contains("EOF"));
    }
}
