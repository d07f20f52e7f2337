use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use jiff::Timestamp;
use uuid::Uuid;

use crate::recovery::{Began, Kind};

/// Who does something.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For the log")]
pub(crate) struct Author {
    /// Who does this
    #[arg(long, value_name = "NAME", default_value_t = me(), value_parser = words)]
    pub(crate) by: String,
}

/// Text with something in it: what is noted is to tell somebody something.
pub(crate) fn words(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it must not be empty".to_owned()),
        words => Ok(words.to_owned()),
    }
}

/// `user@machine`.
fn me() -> String {
    let user = env::var("USER").or_else(|_| env::var("LOGNAME")).ok();
    let machine = fs::read_to_string("/proc/sys/kernel/hostname");
    let number = || fs::metadata("/proc/self").map(|own| format!("user {}", own.uid()));
    let user = user.filter(|name| !name.is_empty()).or_else(|| number().ok());
    let user = user.unwrap_or_else(|| "somebody".to_owned());
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
