use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::commands::retries::Queue;
use crate::gaps::Gap;
use crate::outcomes::Outcomes;
use crate::sessions::Session;

/// What could be seen, or why it could not.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Seen<T> {
    Known(T),
    Unknown {
        unknown: String,
    },
    /// Nobody has said where it is.
    NotAsked,
}

impl<T> Seen<T> {
    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(it) => Some(it),
            _ => None,
        }
    }

    /// Why it is not known.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Unknown { unknown } => Some(unknown),
            _ => None,
        }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Known(it) => Seen::Known(change(it)),
            Self::Unknown { unknown } => Seen::Unknown { unknown },
            Self::NotAsked => Seen::NotAsked,
        }
    }

    pub(super) fn unknown(reason: &impl ToString) -> Self {
        Self::Unknown { unknown: reason.to_string() }
    }
}

impl<T, E: ToString> From<Result<T, E>> for Seen<T> {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(|error| Self::unknown(&error), Self::Known)
    }
}

/// All that could be seen at a glance.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Facts {
    pub(super) services: Vec<Service>,
    pub(super) orders: Seen<Outcomes>,
    pub(super) dead_letters: Seen<Vec<Letters>>,
    /// How many bytes a second Kafka lets a service produce, of those that it holds back.
    pub(super) quotas: Seen<BTreeMap<&'static str, f64>>,
    /// Databases of which nobody has said where they are.
    pub(super) databases_not_given: Vec<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) url: String,
    pub(super) health: Health,
    pub(super) group: Seen<Group>,
    pub(super) database: Seen<Database>,
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Health {
    Ready {
        details: BTreeMap<String, Value>,
    },
    NotReady {
        /// By component.
        reasons: BTreeMap<String, String>,
        details: BTreeMap<String, Value>,
    },
    /// A connection was made, and nothing came.
    Silent {
        within_s: f64,
    },
    /// No connection can be made.
    Away {
        reason: String,
    },
    /// Something answers, and not as a service does.
    Odd {
        reason: String,
    },
}

/// A consumer group as the brokers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Group {
    pub(super) state: String,
    pub(crate) members: usize,
    pub(crate) unread: i64,
    pub(crate) unread_since: Option<Timestamp>,
}

/// What a service's database tells.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Database {
    /// How many instances are alive.
    pub(super) instances: Seen<i64>,
    pub(super) outbox: Seen<Outbox>,
    pub(super) calls: Seen<Vec<Calls>>,
    /// How many calls are not made: `parked` by an operator, or `given_up`.
    pub(super) held: Seen<BTreeMap<String, i64>>,
    pub(super) retries: Seen<Queue>,
    /// Missing numbers that nobody has seen to.
    pub(super) gaps: Seen<Vec<Gap>>,
    pub(super) sessions: Seen<Vec<Session>>,
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Outbox {
    pub(super) events: i64,
    pub(super) since: Option<Timestamp>,
}

/// Calls to the outside of one step without a known outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Calls {
    pub(super) step: String,
    pub(super) open: i64,
    /// Those of them that are charges of orders that were cancelled meanwhile: they are followed to
    /// their ends, slowly, and nobody waits for them.
    pub(super) followed: i64,
    /// Since when the oldest of the others is open.
    pub(super) since: Option<Timestamp>,
    /// The latest reason why one of the others had no outcome.
    pub(super) last_error: Option<String>,
}

/// Dead letters that are open, of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Letters {
    pub(super) service: String,
    pub(super) cause: String,
    pub(super) open: usize,
    pub(super) newest: Timestamp,
}
