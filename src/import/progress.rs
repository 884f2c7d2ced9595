//! How far an import has come, on a terminal, and whether it is to stop.

use super::ImportError;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Read};
use tokio::sync::watch;

/// A bar on standard error, where that is a terminal.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
    stop: watch::Receiver<bool>,
}

impl Progress {
    /// Nothing done yet. It is to stop when that becomes true.
    pub fn new(stop: watch::Receiver<bool>) -> Self {
        let target =
            if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bar: ProgressBar::with_draw_target(None, target), stop }
    }

    /// A part begins, which is so long: in bytes, or objects where `of_bytes` is false; none where that is not known.
    pub fn begin(&self, what: &'static str, length: Option<u64>, of_bytes: bool) {
        let template = match (length, of_bytes) {
            (Some(_), true) => "{msg} {wide_bar} {bytes}/{total_bytes} {eta}",
            (Some(_), false) => "{msg} {wide_bar} {pos}/{len} {eta}",
            (None, _) => "{msg} {pos}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.reset();
        match length {
            Some(length) => self.bar.set_length(length),
            None => self.bar.unset_length(),
        }
        self.bar.set_message(what);
    }

    /// So much more of it is done.
    pub fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// Takes the bar away while something is written to the terminal.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// When it is to stop.
    pub fn check(&self) -> Result<(), ImportError> {
        if *self.stop.borrow() { Err(ImportError::Stopped) } else { Ok(()) }
    }

    /// A file of this length, of which what is read counts.
    pub fn reader<R: Read>(&self, input: R, length: u64) -> Counted<R> {
        self.begin("reading", Some(length), true);
        Counted { input, progress: self.clone() }
    }
}

/// Reads, counts, and ends when it is to stop.
pub struct Counted<R> {
    input: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.progress.check().map_err(|_| io::Error::other("stopped"))?;
        let read = self.input.read(buffer)?;
        self.progress.advance(read.try_into().unwrap_or(u64::MAX));
        Ok(read)
    }
}
