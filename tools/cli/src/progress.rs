//! How far a long look has come.

use std::time::{Duration, Instant};

use kafka::Window;

use crate::print::remark;

/// How often it is told how much was read.
const REPORT: Duration = Duration::from_secs(5);

/// Tells on standard error how much was read.
pub(crate) struct Progress {
    read: u64,
    told_at: Instant,
    records: i64,
}

impl Progress {
    /// Of what these windows hold.
    pub(crate) fn of(whole: &[Window]) -> Self {
        let records = whole.iter().map(|window| window.to - window.from).sum();
        Self { read: 0, told_at: Instant::now(), records }
    }

    /// Counts a record.
    pub(crate) fn tell(&mut self) {
        self.read += 1;
        // The clock is not asked for each record.
        if self.read.is_multiple_of(1_000) && self.told_at.elapsed() > REPORT {
            self.told_at = Instant::now();
            remark(&format!("read {} records; the topics hold {}", self.read, self.records));
        }
    }
}
