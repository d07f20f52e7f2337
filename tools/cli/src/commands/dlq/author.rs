use jiff::Timestamp;
use uuid::Uuid;

use crate::recovery::{Began, Kind, me};

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
