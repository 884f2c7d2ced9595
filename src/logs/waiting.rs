//! Lines on their way to standard error. Whoever takes them there may be slow, or take none at all: then they wait here, up to a
//! bound, and those that find no room are dropped and counted. Nobody who has something to say waits for that.

use super::line;
use crate::metrics;
use std::{
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How many bytes wait at most; as many may be on their way.
const MOST_BYTES: usize = 1 << 20;
/// How long lines are gathered that come one after the other: to wake a thread for each of them, and to write it, would cost more than
/// to make it.
const GATHER: Duration = Duration::from_millis(5);
/// When somebody is asked again who takes nothing at the moment, and says so.
const PAUSE: Duration = Duration::from_millis(20);

/// Where lines are put, by anybody, in their order.
#[derive(Clone)]
pub struct WaitingLines(Arc<Shared>);

struct Shared {
    is_json: bool,
    state: Mutex<State>,
    /// There is something to write.
    come: Condvar,
    /// Something was written, or can't be.
    gone: Condvar,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// There was no room for one of them: those that come after it are dropped, too, until all that wait are on their way, so that
    /// there is one gap.
    is_full: bool,
    /// How many were dropped that nobody was told of.
    dropped: u64,
    /// How many lines have come to wait, since the start, and how many of these wait no more and are not on their way.
    come: u64,
    gone: u64,
    /// Whether whoever writes them waits for the first one, and has to be woken.
    is_idle: bool,
    /// Whether nothing more is to be gathered: somebody waits for what has come, or there is much of it.
    is_urgent: bool,
}

impl WaitingLines {
    /// Begins to write what comes.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(output: impl Write + Send + 'static, is_json: bool) -> io::Result<Self> {
        let shared = Shared { is_json, state: Mutex::default(), come: Condvar::default(), gone: Condvar::default() };
        let lines = Self(Arc::new(shared));
        let written = lines.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || written.write_all_to(output))?;
        Ok(lines)
    }

    /// Puts a line, with its end.
    pub fn put(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.is_full || state.waiting.len() + line.len() > MOST_BYTES {
            state.is_full = !state.waiting.is_empty();
            state.dropped += 1;
            metrics::log_lines_dropped(1);
            return;
        }
        state.waiting.extend_from_slice(line);
        state.come += 1;
        state.is_urgent |= state.waiting.len() > MOST_BYTES / 4;
        let wake = mem::take(&mut state.is_idle) || state.is_urgent;
        drop(state);
        if wake {
            self.0.come.notify_one();
        }
    }

    /// Waits until all that was put is written; says whether it is within this time.
    pub fn flush(&self, within: Duration) -> bool {
        let mut state = self.lock();
        let until = state.come;
        state.is_urgent = true;
        self.0.come.notify_one();
        let waited = self.0.gone.wait_timeout_while(state, within, |state| state.gone < until);
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come in a while: at once when the one before is long gone, and otherwise some lines together.
    fn gathered(&self) -> MutexGuard<'_, State> {
        let gathered = self.0.come.wait_timeout_while(self.lock(), GATHER, |state| !state.is_urgent);
        let mut state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        state.is_idle = state.waiting.is_empty();
        let waited = self.0.come.wait_while(state, |state| state.waiting.is_empty());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        (state.is_idle, state.is_urgent) = (false, false);
        state
    }

    /// Writes all that comes, for ever.
    fn write_all_to(&self, mut output: impl Write) {
        let mut is_torn = false;
        loop {
            let mut state = self.gathered();
            let (mut bytes, come, told) = (mem::take(&mut state.waiting), state.come, mem::take(&mut state.dropped));
            state.is_full = false;
            drop(state);
            if told > 0 {
                bytes.extend_from_slice(line::dropped(told, self.0.is_json).as_bytes());
            }
            if is_torn {
                // The line before it has no end.
                bytes.insert(0, b'\n');
            }
            let left = write_to(&mut output, &bytes);
            is_torn = bytes.len().checked_sub(left.len() + 1).map_or(is_torn, |last| bytes.get(last) != Some(&b'\n'));
            let lost = left.iter().fold(0, |lines, byte| lines + u64::from(*byte == b'\n'));
            // The last of them says what was dropped before.
            let untold = if told > 0 && lost > 0 { (told, 1) } else { (0, 0) };
            metrics::log_lines_dropped(lost - untold.1);
            let mut state = self.lock();
            state.dropped += lost + untold.0 - untold.1;
            state.gone = come;
            drop(state);
            self.0.gone.notify_all();
        }
    }
}

/// Writes it all; gives what can't be written.
fn write_to<'a>(output: &mut impl Write, bytes: &'a [u8]) -> &'a [u8] {
    let mut left = bytes;
    while !left.is_empty() {
        match output.write(left) {
            Ok(written) if written > 0 => left = left.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares it has said that nobody is to wait there.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            // A disk that is full, or somebody who has gone.
            _ => break,
        }
    }
    left
}

impl Write for WaitingLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    const LIMIT: Duration = Duration::from_mins(1);

    /// Takes what it is given when it is asked for it, or refuses it.
    struct Output {
        asked: Receiver<bool>,
        given: SyncSender<String>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.asked.recv() {
                Ok(true) => {
                    self.given.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
                    Ok(bytes.len())
                }
                Ok(false) => Err(ErrorKind::StorageFull.into()),
                Err(_) => Err(ErrorKind::BrokenPipe.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started(is_json: bool) -> (WaitingLines, SyncSender<bool>, Receiver<String>) {
        let ((ask, asked), (given, taken)) = (sync_channel(0), sync_channel(1));
        (WaitingLines::start(Output { asked, given }, is_json).unwrap(), ask, taken)
    }

    #[test]
    fn lines_wait_up_to_a_bound_and_the_rest_is_dropped_and_told() {
        let (lines, ask, taken) = started(true);
        let line = |number: usize| format!("{number:099}\n");
        lines.put(line(0).as_bytes());
        // The first is on its way, and takes no room any more.
        while !lines.lock().waiting.is_empty() {
            thread::yield_now();
        }
        let most = MOST_BYTES / 100;
        let all = 2 * most + 1000;
        for number in 1..all {
            lines.put(line(number).as_bytes());
        }
        assert!(!lines.flush(Duration::ZERO), "nobody takes them");
        let mut said = String::new();
        while !said.contains("dropped") {
            ask.send(true).unwrap();
            said.push_str(&taken.recv_timeout(LIMIT).unwrap());
        }
        let (told, kept): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.contains("dropped"));
        assert_eq!(kept.len(), 1 + most);
        let numbers = kept.iter().map(|line| line.parse::<usize>().unwrap());
        assert!(numbers.eq(0..kept.len()), "they are the first ones, in their order");
        let told: serde_json::Value = serde_json::from_str(told[0]).unwrap();
        assert_eq!(told["dropped"], all - kept.len(), "{told}");
        assert!(lines.flush(LIMIT));
        // There is room again.
        lines.put(b"more\n");
        ask.send(true).unwrap();
        assert_eq!(taken.recv_timeout(LIMIT).unwrap(), "more\n");
        assert!(lines.flush(LIMIT), "all is written");
    }

    #[test]
    fn what_cannot_be_written_is_told_when_it_can() {
        let (lines, ask, taken) = started(false);
        for number in 0..3 {
            lines.put(format!("{number}\n").as_bytes());
            ask.send(false).unwrap();
            assert!(lines.flush(LIMIT), "it waits no more");
        }
        lines.put(&vec![b'x'; MOST_BYTES + 1]);
        lines.put(b"room\n");
        ask.send(true).unwrap();
        let said = taken.recv_timeout(LIMIT).unwrap();
        assert!(said.starts_with("room\n") && said.contains("4 lines of the log were dropped"), "{said}");
    }
}
