//! What the server says of itself on standard error: text for people, lines of JSON for programs. Every line that is made while a
//! request is served says which one. Beside that, traces: where the time of a request goes, for a collector of OpenTelemetry.

mod collector;
mod filter;
mod line;
mod request;
mod trace;

pub use collector::Traces;
pub use filter::{LogFilter, parse_filter};
pub use request::{Served, trace};
pub use trace::Trace;

use line::{JsonLine, TextLine};
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Display,
    io::{IsTerminal, Write},
    panic::{self, PanicHookInfo},
    sync::Arc,
};
use tracing_subscriber::{Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

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
            Self::Auto => !std::io::stderr().is_terminal(),
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
}

impl Logs {
    /// Writes from now on what the filter lets through. Panics are lines, too.
    ///
    /// # Errors
    /// What is wrong with the filter.
    pub fn start(filter: &str, format: LogFormat) -> Result<Self, String> {
        let is_json = format.is_json();
        let (level, handle) = reload::Layer::new(parse_filter(filter)?);
        let lines = Registry::default().with(level);
        // Where nobody takes lines there is nobody to tell that, either.
        let written = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
        let started = if is_json {
            lines.with(written.event_format(JsonLine)).try_init()
        } else {
            lines.with(written.event_format(TextLine::new(std::io::stderr().is_terminal()))).try_init()
        };
        started.map_err(|error| error.to_string())?;
        panic::set_hook(Box::new(tell_panic));
        Ok(Self { filter: Arc::new(LogFilter::new(filter, handle)), is_json })
    }

    /// Why the process ends. It is told whatever the filter says.
    pub fn last_word(&self, error: &impl Display) {
        let text = error.to_string();
        let line = if self.is_json { line::last_word(&text) } else { format!("cirrus: {text}\n") };
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

fn tell_panic(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(target: "cirrus", thread = thread.name(), backtrace, "{info}");
}
