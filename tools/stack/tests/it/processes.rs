//! What runs, as the system tells it.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// All processes at work in the directory or below it.
pub(crate) fn processes_in(directory: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let place = fs::read_link(format!("/proc/{pid}/cwd"));
            place.is_ok_and(|place| place.starts_with(directory))
        })
        .collect()
}

/// A zombie that nobody reaped yet has no working directory any more.
pub(crate) fn lives(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok()
}

pub(crate) fn is_frozen(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the program's name, which is in parentheses.
    stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
