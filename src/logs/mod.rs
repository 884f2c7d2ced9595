//! What the server says of itself on standard error: text for people, lines of JSON for programs. Every line that is made while a
//! request is served says which one. Beside that, traces: where the time of a request goes, for a collector of OpenTelemetry.

mod collector;
mod filter;
mod line;
mod malformed;
mod request;
mod trace;
mod waiting;

pub use collector::Traces;
pub use filter::{LogFilter, parse_filter};
pub use request::{Served, trace};
pub use trace::Trace;

use line::{JsonLine, TextLine};
use malformed::Malformed;
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Display,
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    panic::{self, PanicHookInfo},
    sync::Arc,
    thread,
    time::Duration,
};
use tracing_subscriber::{Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};
use waiting::WaitingLines;

/// How long the last lines may take to be written.
const WRITES_WITHIN: Duration = Duration::from_secs(3);
/// How long somebody who is served waits for the line of a panic, after which there may be nothing more.
const TELLS_PANIC_WITHIN: Duration = Duration::from_millis(100);

/// In which form lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// Text where standard error is a terminal, JSON otherwise
    #[default]
    Auto,
    /// For people
    Text,
    /// A line of JSON each
    Json,
}

impl LogFormat {
    fn is_json(self) -> bool {
        match self {
            Self::Auto => !io::stderr().is_terminal(),
            Self::Text => false,
            Self::Json => true,
        }
    }
}

/// The log of this process.
pub struct Logs {
    /// What is written.
    pub filter: Arc<LogFilter>,
    is_json: bool,
    lines: WaitingLines,
}

impl Logs {
    /// Writes from now on what the filter lets through. Panics are lines, too.
    ///
    /// # Errors
    /// What is wrong with the filter.
    pub fn start(filter: &str, format: LogFormat) -> Result<Self, String> {
        let is_json = format.is_json();
        let (level, handle) = reload::Layer::new(parse_filter(filter)?);
        let lines = WaitingLines::start(standard_error(), is_json).map_err(|error| error.to_string())?;
        let registry = Registry::default().with(level).with(Malformed);
        let put = lines.clone();
        let written = fmt::layer().with_writer(move || put.clone()).log_internal_errors(false);
        let started = if is_json {
            registry.with(written.event_format(JsonLine)).try_init()
        } else {
            registry.with(written.event_format(TextLine::new(io::stderr().is_terminal()))).try_init()
        };
        started.map_err(|error| error.to_string())?;
        let put = lines.clone();
        panic::set_hook(Box::new(move |info| tell_panic(info, &put)));
        Ok(Self { filter: Arc::new(LogFilter::new(filter, handle)), is_json, lines })
    }

    /// Waits until all lines are written, if somebody takes them: what comes on another way is not told before them.
    pub fn flush(&self) {
        self.lines.flush(WRITES_WITHIN);
    }

    /// Why the process ends. It is told whatever the filter says.
    pub fn last_word(&self, error: &impl Display) {
        let text = error.to_string();
        self.last_line(&if self.is_json { line::last_word(&text) } else { line::of_person(&text) });
    }

    /// The same of what a person has to change.
    pub fn last_word_to_person(&self, text: &str) {
        self.last_line(&line::of_person(text));
    }

    fn last_line(&self, line: &str) {
        // There is room for it then.
        self.flush();
        self.lines.put(line.as_bytes());
    }
}

/// Standard error, without the lock of the process: nobody else waits for who is held up here.
fn standard_error() -> Box<dyn Write + Send> {
    match io::stderr().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        Err(_) => Box::new(io::stderr()),
    }
}

fn tell_panic(info: &PanicHookInfo<'_>, lines: &WaitingLines) {
    let thread = thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(target: "cirrus", thread = thread.name(), backtrace, "{info}");
    // The process ends with that of its first thread.
    lines.flush(if thread.name() == Some("main") { WRITES_WITHIN } else { TELLS_PANIC_WITHIN });
}
