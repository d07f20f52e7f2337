use std::fmt;

use serde::{Serialize, Serializer};

/// Something about a graph that is not as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Which check has found it.
    pub check: Check,
    /// How bad it is.
    pub verdict: Verdict,
    /// The service that it is about; empty if it is about all of them.
    pub service: String,
    /// The type of the event that it is about; empty if it is about none.
    pub event: String,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What to do, in a sentence.
    pub mend: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is to be mended.
    Wrong,
    /// It is good to know.
    Note,
}

/// The checks, by names that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// One service is to begin the sagas.
    Beginning,
    /// Nobody's events lead back to themselves.
    Cycle,
    /// What is read is emitted, by whom the reader says.
    UnfoundedRead,
    /// What is emitted is read, unless it is declared an end.
    Unread,
    /// What is declared an end is not read.
    ReadEnd,
    /// An event is emitted by one service.
    TwoEmitters,
    /// What an event leads to is emitted by the service that reads it.
    ForeignEffect,
    /// A compensation, and what it undoes, are emitted by the service that declares it.
    ForeignCompensation,
    /// What is emitted follows from something.
    Uncaused,
    /// What a failure leaves to be undone has a compensation.
    NoCompensation,
    /// Every failure leads to the compensations of what was done before.
    UnreachedCompensation,
    /// When a saga has ended, each service's part of it ends, too.
    Unsettled,
    /// What others wait for has a time.
    NoTime,
    /// Every wait has a deadline, or somebody who answers for it.
    EndlessWait,
    /// Every service has a team that answers for it.
    NoOwner,
    /// The statuses speak of the events that the service reads and emits.
    StaleStatus,
    /// What is emitted has a schema.
    NoSchema,
    /// What has a schema is emitted.
    NoEmitter,
}

impl Check {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Cycle => "cycle",
            Self::UnfoundedRead => "unfounded-read",
            Self::Unread => "unread",
            Self::ReadEnd => "read-end",
            Self::TwoEmitters => "two-emitters",
            Self::ForeignEffect => "foreign-effect",
            Self::ForeignCompensation => "foreign-compensation",
            Self::Uncaused => "uncaused",
            Self::NoCompensation => "no-compensation",
            Self::UnreachedCompensation => "unreached-compensation",
            Self::Unsettled => "unsettled",
            Self::NoTime => "no-time",
            Self::EndlessWait => "endless-wait",
            Self::NoOwner => "no-owner",
            Self::StaleStatus => "stale-status",
            Self::NoSchema => "no-schema",
            Self::NoEmitter => "no-emitter",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Finding {
    pub(crate) fn wrong(check: Check, service: &str, event: &str, what: String) -> Self {
        let (service, event) = (service.to_owned(), event.to_owned());
        Self { check, verdict: Verdict::Wrong, service, event, what, mend: String::new() }
    }

    pub(crate) fn note(check: Check, service: &str, event: &str, what: String) -> Self {
        Self { verdict: Verdict::Note, ..Self::wrong(check, service, event, what) }
    }

    /// With what to do.
    #[must_use]
    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }

    /// Whether it is more than good to know.
    pub fn is_wrong(&self) -> bool {
        self.verdict == Verdict::Wrong
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.check, self.what, self.mend)
    }
}
