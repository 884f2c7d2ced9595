//! What was found, for people and for programs.

use super::Checked;
use crate::{
    finding::{Finding, KINDS, Kind, Level, Remedy, Source},
    store::repair::plan,
};
use serde_json::{Map, Value, json};
use std::{
    fmt::Write as _,
    io::{self, Write},
};

/// How to tell it.
pub struct Report {
    /// As JSON.
    pub json: bool,
    /// How many lines of each kind, for people.
    pub lines: usize,
    /// With what would be done about it.
    pub repair: bool,
}

impl Report {
    /// Prints what was found, and then what was looked at.
    pub fn print(&self, output: &mut impl Write, checked: &Checked) -> io::Result<()> {
        if self.json {
            return print_json(output, &as_json(checked));
        }
        self.print_findings(output, checked)?;
        print_summary(output, checked)
    }

    /// Prints what was repaired, and then what is left.
    pub fn print_repaired(
        &self,
        output: &mut impl Write,
        before: &Checked,
        statements: usize,
        after: &Checked,
    ) -> io::Result<()> {
        if self.json {
            let repaired: Vec<Value> = plan(&before.findings).iter().map(|(finding, _)| json!(finding)).collect();
            let mut told = as_json(after);
            told.insert("repaired".to_owned(), Value::Array(repaired));
            return print_json(output, &told);
        }
        for (finding, statement) in plan(&before.findings) {
            writeln!(output, "{}: {}\n    done: {statement}", finding.kind.name(), line(&finding.text))?;
        }
        writeln!(output, "{statements} repaired")?;
        self.print_findings(output, after)?;
        print_summary(output, after)
    }

    fn print_findings(&self, output: &mut impl Write, checked: &Checked) -> io::Result<()> {
        for (kind, count, findings) in checked.findings.by_kind() {
            let name = kind.name();
            for finding in findings.iter().take(self.lines) {
                writeln!(output, "{name}: {}", line(&finding.text))?;
                if let Some(statement) = finding.repair.as_ref().filter(|_| self.repair) {
                    writeln!(output, "    would do: {statement}")?;
                }
            }
            let told = findings.len().min(self.lines);
            if count > told {
                writeln!(output, "{name}: and {} more", count - told)?;
            }
            if self.repair && findings.iter().any(|finding| finding.repair.is_none()) {
                writeln!(output, "    {}", by_hand(kind))?;
            }
        }
        Ok(())
    }
}

/// A text as one line, whatever is in a name.
fn line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// What is done about a finding that has no evident answer.
fn by_hand(kind: Kind) -> String {
    match kind.about().remedy {
        Remedy::Person(what) => format!("by hand: {what}"),
        Remedy::Repair(what) => {
            format!("by hand, where nothing is said above, for that has no evident answer. Else: {what}")
        }
    }
}

fn print_summary(output: &mut impl Write, checked: &Checked) -> io::Result<()> {
    let (graph, addresses) = (&checked.graph, checked.graph.pools().all_held().count());
    let position = graph.position();
    writeln!(output, "{} objects, {addresses} addresses, {} changes, up to {position}", graph.len(), checked.changes)
}

fn as_json(checked: &Checked) -> Map<String, Value> {
    let counts = checked.findings.by_kind().map(|(kind, count, _)| (kind.name().to_owned(), count.into()));
    let findings: Vec<&Finding> = checked.findings.iter().collect();
    let members = [
        ("sound", json!(checked.findings.faults() == 0)),
        ("position", json!(checked.graph.position().to_string())),
        ("objects", json!(checked.graph.len())),
        ("addresses", json!(checked.graph.pools().all_held().count())),
        ("changes", json!(checked.changes)),
        ("counts", Value::Object(counts.collect())),
        ("findings", json!(findings)),
    ];
    members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn print_json(output: &mut impl Write, told: &Map<String, Value>) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *output, told)?;
    writeln!(output)
}

/// The table of kinds, as Markdown.
pub fn kinds() -> String {
    let mut page = String::from("| name | what it is | what is done about it |\n|---|---|---|\n");
    for kind in KINDS {
        let about = kind.about();
        let note = if about.level == Level::Note { " (A note: the database is sound all the same.)" } else { "" };
        let memory =
            if about.source == Source::Memory { " (Found by a server that stops, with `--check-at-end`.)" } else { "" };
        let remedy = match about.remedy {
            Remedy::Repair(what) => format!("`--repair`: {what}"),
            Remedy::Person(what) => what.to_owned(),
        };
        let _ = writeln!(page, "| `{}` | {}{note}{memory} | {remedy} |", about.name, about.sentence);
    }
    page
}
