use std::env;
use std::fs;

use jiff::Timestamp;
use uuid::Uuid;

use super::operations::{Began, Kind};

/// Who does something.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For the log")]
pub(crate) struct Author {
    /// Who does this
    #[arg(long, value_name = "NAME", default_value_t = me())]
    pub(crate) by: String,
}

/// `user@machine`.
fn me() -> String {
    let user = env::var("USER").or_else(|_| env::var("LOGNAME"));
    let machine = fs::read_to_string("/proc/sys/kernel/hostname");
    let user = user.unwrap_or_else(|_| "somebody".to_owned());
    format!("{user}@{}", machine.as_deref().unwrap_or("somewhere").trim())
}

impl Author {
    pub(crate) fn begins(
        &self,
        kind: Kind,
        asked_for: String,
        letters: usize,
        reason: Option<&str>,
    ) -> Began {
        Began {
            operation: Uuid::now_v7(),
            kind,
            at: Timestamp::now(),
            by: self.by.clone(),
            reason: reason.map(str::to_owned),
            asked_for,
            letters,
        }
    }
}
