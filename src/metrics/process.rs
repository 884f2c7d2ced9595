//! What the system says of the process.

use super::{scrape::Scrape, table};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};
use std::{
    fs,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

static BEGUN: OnceLock<SystemTime> = OnceLock::new();

/// The process begins now.
pub fn begin() {
    BEGUN.get_or_init(SystemTime::now);
}

impl Scrape {
    /// What the system says of the process. What it does not say, as outside of Linux, is left out.
    pub fn put_process(&mut self) {
        if let Some(memory) = resident_memory() {
            self.number(&table::PROCESS_MEMORY, &[], memory);
        }
        let used = clock_gettime(ClockId::ProcessCPUTime);
        if let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(used.tv_sec), u32::try_from(used.tv_nsec)) {
            self.count_of_seconds(&table::PROCESS_CPU, &[], Duration::new(seconds, nanoseconds).as_secs_f64());
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            self.number(&table::PROCESS_FILES, &[], files.count());
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            self.number(&table::PROCESS_MOST_FILES, &[], most);
        }
        if let Some(begun) = BEGUN.get().and_then(|begun| begun.duration_since(SystemTime::UNIX_EPOCH).ok()) {
            self.seconds(&table::PROCESS_START, &[], begun.as_secs_f64());
        }
    }
}

/// In bytes.
fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
