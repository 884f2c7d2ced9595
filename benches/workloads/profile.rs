//! Where time goes under a load: what perf sees on all cores, by thread and by function, into `docs/profiles/`.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// How long perf looks.
const LOOK: Duration = Duration::from_secs(3);
/// How long a load has to last.
pub const LOAD: Duration = Duration::from_secs(8);

/// Puts a load on and writes down where time goes some time after its begin. Without perf, or the right to use it, it says so.
pub fn profile(name: &str, what: &str, after: Duration, load: impl FnOnce() + Send) {
    let samples = tempfile::NamedTempFile::new().unwrap();
    let file = samples.path().to_str().unwrap();
    let recorded = thread::scope(|scope| {
        let load = scope.spawn(load);
        thread::sleep(after);
        let look = LOOK.as_secs().to_string();
        let record = ["record", "--all-cpus", "--event", "cpu-clock", "--freq", "999", "--output", file, "--", "sleep"];
        let recorded = Command::new("perf").args(record).arg(look).stdout(Stdio::null()).stderr(Stdio::null()).status();
        load.join().unwrap();
        recorded
    });
    if !recorded.is_ok_and(|status| status.success()) {
        println!("{name}: no profile, for perf is not installed or may not look at all cores");
        return;
    }
    let report = |sort: &str, least: &str| {
        let arguments = ["report", "--stdio", "--input", file, "--sort", sort, "--percent-limit", least];
        let separated = ["--field-separator", "|"];
        let output = Command::new("perf").args(arguments).args(separated).stderr(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(columns).collect::<Vec<_>>().join("\n")
    };
    let cores = thread::available_parallelism().unwrap();
    let text = format!(
        "{what}\n\nPer cent of the time of all {cores} cores, by thread; swapper is a core that has nothing to do.\n\n{}\n\n\
         The same by function, down to 0.7 %.\n\n{}\n",
        report("comm", "0.3"),
        report("comm,dso,symbol", "0.7")
    );
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/profiles");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(format!("{name}.txt")), &text).unwrap();
    println!("{name}: docs/profiles/{name}.txt");
}

/// A line of a report: the share, the thread, and of a function the program and its name.
fn columns(line: &str) -> String {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let field = |index: usize| fields.get(index).copied().unwrap_or_default();
    // Some releases write the sign, too.
    let share = field(0).trim_end_matches('%');
    let text = format!("{share:>6} %  {:<16} {:<20} {}", field(1), field(2), field(3));
    text.trim_end().to_owned()
}
