//! The table of metrics as a page, `docs/metrics.md`.

use super::{
    counted::Limit,
    table::{Metric, TABLE},
};

/// What stands above the table.
const HEAD: &str = include_str!("head.md");
/// What stands below it.
const TAIL: &str = include_str!("tail.md");

/// All metrics as Markdown.
pub fn page() -> String {
    let rows: String = TABLE.iter().copied().map(row).collect();
    let limits: Vec<String> = Limit::NAMES.iter().map(|name| format!("`{name}`")).collect();
    let limits = limits.join(", ");
    format!("{HEAD}\n| metric | type | labels | what it says |\n|---|---|---|---|\n{rows}\nLimits: {limits}.\n\n{TAIL}")
}

fn row(metric: &Metric) -> String {
    let Metric { kind, labels, help, .. } = metric;
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    format!("| `{}` | {} | {} | {help} |\n", metric.sample_name(), kind.name(), labels.join(", "))
}
