//! The signals that stop a server, and those that have it say more. The former are heard from its first moment on, so that what it has started by then (a
//! PostgreSQL of its own) is stopped with it.

use crate::logs::LogFilter;
use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Hears the signals from now on, and gives what becomes true with the first of them.
///
/// # Errors
/// When the system does not allow it.
pub fn listen() -> io::Result<watch::Receiver<bool>> {
    // From a terminal: Ctrl-C, Ctrl-\ and its end; from everybody else SIGTERM.
    let kinds = [
        (SignalKind::terminate(), "SIGTERM"),
        (SignalKind::interrupt(), "SIGINT"),
        (SignalKind::quit(), "SIGQUIT"),
        (SignalKind::hangup(), "SIGHUP"),
    ];
    let (stopping, stop) = watch::channel(false);
    let stopping = Arc::new(stopping);
    for (kind, name) in kinds {
        // `nohup` has it ignored, so that a server outlives its terminal.
        if kind == SignalKind::hangup() && is_ignored(kind) {
            continue;
        }
        // The library hears a signal a moment before it has somebody to tell it to, and forgets one that comes in between.
        let has_come = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(kind.as_raw_value(), Arc::clone(&has_come))?;
        let mut signals = signal(kind)?;
        let stopping = Arc::clone(&stopping);
        let stop = move || {
            tracing::info!(signal = name, "stopping: what is under way is finished");
            stopping.send_replace(true);
        };
        if has_come.load(Ordering::SeqCst) {
            stop();
        }
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                stop();
            }
        });
    }
    Ok(stop)
}

/// Lets SIGUSR1 have everything logged that the server does, and SIGUSR2 what it was started with: for whoever can't ask it, or has
/// no token.
///
/// # Errors
/// When the system does not allow it.
pub fn change_filter(filter: &Arc<LogFilter>) -> io::Result<()> {
    let more = format!("{},cirrus=debug", filter.started_with());
    let changes = [
        (SignalKind::user_defined1(), "SIGUSR1", more.trim_start_matches(',').to_owned()),
        (SignalKind::user_defined2(), "SIGUSR2", filter.started_with().to_owned()),
    ];
    for (kind, name, text) in changes {
        let (mut signals, filter) = (signal(kind)?, Arc::clone(filter));
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if let Err(error) = filter.change(&text, name) {
                    tracing::warn!(signal = name, error, "the filter of the log stays as it is");
                }
            }
        });
    }
    Ok(())
}

/// Waits until it is time to stop. Nobody left who could say so means the same.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Whether whoever started this process has had a signal ignored; the standard library does not tell, /proc does.
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_in_mask(&status, kind.as_raw_value())
}

fn is_in_mask(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ignored_signals() {
        let status = "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000004002\n";
        assert!(is_in_mask(status, 1) && is_in_mask(status, 13));
        assert!(!is_in_mask(status, 2) && !is_in_mask("", 1));
    }
}
