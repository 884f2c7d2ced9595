//! The clock of leases: the time since the machine was started, also while it slept.

use std::time::Duration;

/// What it says now: no lease outlasts a sleep of the machine.
pub fn now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// A moment in microseconds, to be kept in an atomic.
pub fn micros(moment: Duration) -> u64 {
    u64::try_from(moment.as_micros()).unwrap_or(u64::MAX)
}
