//! The table that the bench prints, a row a workload.

use crate::load::Measured;

/// What a workload is held against.
#[derive(Clone, Copy)]
pub enum Against {
    /// Something measured in the same run: what it is, its requests a second.
    Rate(&'static str, f64),
    /// Something measured in the same run: what it is, its time in milliseconds.
    Time(&'static str, f64),
    /// Nothing; it stands for itself.
    Nothing,
}

/// What the ratio should be.
#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    None,
}

/// Prints the head. `server` and `SQL` are the cores that the server and PostgreSQL kept busy.
pub fn head() {
    println!(
        "{:<52} {:>10} {:>9} {:>9} {:>6} {:>6}  {:<34} {:>10} {:>7}  goal",
        "workload", "requests/s", "median ms", "99 % ms", "server", "SQL", "held against", "", "ratio"
    );
}

/// Prints a row as soon as it is known.
pub fn row(workload: &str, measured: Measured, against: Against, goal: Goal) {
    let (name, reference, ratio) = match against {
        Against::Rate(name, rate) => (name, number(rate, 0), measured.rate / rate),
        Against::Time(name, time) => (name, format!("{} ms", number(time, 3)), measured.median / time),
        Against::Nothing => ("", String::new(), f64::NAN),
    };
    println!(
        "{workload:<52} {:>10} {:>9} {:>9} {:>6} {:>6}  {name:<34} {reference:>10} {:>7}  {}",
        number(measured.rate, 0),
        number(measured.median, 3),
        number(measured.p99, 3),
        number(measured.cores.server, 2),
        number(measured.cores.database, 2),
        number(ratio, 2),
        verdict(goal, ratio)
    );
}

/// Prints a value that is not a rate, with what it should be.
pub fn value(what: &str, value: f64, unit: &str, goal: Goal) {
    println!("{what:<52} {:>10} {unit:<28} {:>69}", number(value, 2), verdict(goal, value));
}

fn verdict(goal: Goal, value: f64) -> String {
    let (text, met) = match goal {
        Goal::AtLeast(least) => (format!(">= {least}"), value >= least),
        Goal::AtMost(most) => (format!("<= {most}"), value <= most),
        Goal::None => return String::new(),
    };
    format!("{text} {}", if met { "met" } else { "MISSED" })
}

/// What was not measured is left out.
fn number(value: f64, digits: usize) -> String {
    if value.is_nan() { String::new() } else { format!("{value:.digits$}") }
}
