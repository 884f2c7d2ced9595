//! What a server tells at `/metrics`, read.

use super::Api;
use std::collections::{BTreeMap, BTreeSet};

/// The labels of a sample, by name.
pub type Labels = BTreeMap<String, String>;

/// One scrape.
pub struct Scraped {
    pub text: String,
    /// The metrics that are told, as their samples are called, with what they are.
    pub types: BTreeMap<String, String>,
    pub samples: Vec<(String, Labels, f64)>,
}

impl Scraped {
    /// In the text format of Prometheus.
    pub async fn of(api: &Api) -> Self {
        let answer = api.get("/metrics").await;
        answer.status_is(200);
        assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self::read(&answer.text)
    }

    /// From a text; it is `promtool` that says whether it is as it should be.
    pub fn read(text: &str) -> Self {
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (head, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
            // No value has a comma, a quote or a backslash in it.
            let pairs = labels.strip_suffix('}').unwrap().split(',').filter_map(|pair| pair.split_once("=\""));
            let unquoted = |(name, value): (&str, &str)| (name.to_owned(), value.strip_suffix('"').unwrap().to_owned());
            (name.to_owned(), pairs.map(unquoted).collect(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        });
        Self {
            text: text.to_owned(),
            types: types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect(),
            samples: samples.collect(),
        }
    }

    /// Whether there is a metric whose samples are called so.
    pub fn knows(&self, name: &str) -> bool {
        let of_histogram = ["_bucket", "_sum", "_count"].iter().filter_map(|end| name.strip_suffix(end));
        self.types.contains_key(name)
            || of_histogram.into_iter().any(|name| self.types.get(name).is_some_and(|kind| kind == "histogram"))
    }

    /// The sum of the samples that have these labels, among others.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has =
            |found: &Labels| labels.iter().all(|(label, value)| found.get(*label).is_some_and(|known| known == value));
        self.samples.iter().filter(|(known, found, _)| known == name && has(found)).map(|(_, _, value)| value).sum()
    }

    /// The samples of a metric by the values of some labels, summed up; those that are zero left out.
    pub fn by(&self, name: &str, labels: &[&str]) -> BTreeMap<Vec<String>, u64> {
        let mut sums = BTreeMap::new();
        for (_, found, value) in self.samples.iter().filter(|(known, _, value)| known == name && *value > 0.0) {
            let key = labels.iter().map(|label| found[*label].clone()).collect::<Vec<_>>();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // They are counts.
            let value = *value as u64;
            *sums.entry(key).or_default() += value;
        }
        sums
    }

    /// All values that labels have.
    pub fn label_values(&self) -> BTreeSet<&str> {
        self.samples.iter().flat_map(|(_, labels, _)| labels.values().map(String::as_str)).collect()
    }
}
