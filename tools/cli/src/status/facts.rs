use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::gaps::Gap;
use crate::outcomes::Outcomes;
use crate::retries::Queue;
use crate::sessions::Session;

/// What could be seen, or why it could not.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Seen<T> {
    /// This was seen.
    Known(T),
    /// It could not be.
    Unknown {
        /// Why.
        unknown: String,
    },
    /// Nobody has said where it is.
    NotAsked,
}

impl<T> Seen<T> {
    /// What was seen, if it was.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(it) => Some(it),
            _ => None,
        }
    }

    /// Why it is not known.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Unknown { unknown } => Some(unknown),
            _ => None,
        }
    }

    /// The same, with something else made of what was seen.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Known(it) => Seen::Known(change(it)),
            Self::Unknown { unknown } => Seen::Unknown { unknown },
            Self::NotAsked => Seen::NotAsked,
        }
    }

    /// That it could not be seen, and why.
    pub fn unknown(reason: &impl ToString) -> Self {
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
pub struct Facts {
    /// Each service.
    pub services: Vec<Service>,
    /// How orders have ended lately.
    pub orders: Seen<Outcomes>,
    /// Dead letters that are open, by service and cause.
    pub dead_letters: Seen<Vec<Letters>>,
    /// How many bytes a second Kafka lets a service produce, of those that it holds back.
    pub quotas: Seen<BTreeMap<&'static str, f64>>,
    /// Databases of which nobody has said where they are.
    pub databases_not_given: Vec<&'static str>,
}

/// A service.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Where it listens.
    pub url: String,
    /// What it says when it is asked whether it is ready.
    pub health: Health,
    /// Its consumer group.
    pub group: Seen<Group>,
    /// Its database.
    pub database: Seen<Database>,
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Health {
    /// It is.
    Ready {
        /// What else it tells, by name.
        details: BTreeMap<String, Value>,
    },
    /// It is not.
    NotReady {
        /// By component.
        reasons: BTreeMap<String, String>,
        /// What else it tells, by name.
        details: BTreeMap<String, Value>,
    },
    /// A connection was made, and nothing came.
    Silent {
        /// How long it was waited for, in seconds.
        within_s: f64,
    },
    /// No connection can be made.
    Away {
        /// Why.
        reason: String,
    },
    /// Something answers, and not as a service does.
    Odd {
        /// What it does.
        reason: String,
    },
}

/// A consumer group as the brokers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Such as `Stable`.
    pub state: String,
    /// How many instances read.
    pub members: usize,
    /// How many records it has not read.
    pub unread: i64,
    /// When the first of these was written.
    pub unread_since: Option<Timestamp>,
}

/// What a service's database tells.
#[derive(Debug, Clone, Serialize)]
pub struct Database {
    /// How many instances are alive.
    pub instances: Seen<i64>,
    /// What is to be published.
    pub outbox: Seen<Outbox>,
    /// Calls to the outside without a known outcome, by step.
    pub calls: Seen<Vec<Calls>>,
    /// How many calls are not made: `parked` by an operator, or `given_up`.
    pub held: Seen<BTreeMap<String, i64>>,
    /// What is tried again.
    pub retries: Seen<Queue>,
    /// Missing numbers that nobody has seen to.
    pub gaps: Seen<Vec<Gap>>,
    /// Who holds locks that others wait for.
    pub sessions: Seen<Vec<Session>>,
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outbox {
    /// How many events.
    pub events: i64,
    /// Since when the first of them waits.
    pub since: Option<Timestamp>,
}

/// Calls to the outside of one step without a known outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// The step.
    pub step: String,
    /// How many are open.
    pub open: i64,
    /// Those of them that are charges of orders that were cancelled meanwhile: they are followed to
    /// their ends, slowly, and nobody waits for them.
    pub followed: i64,
    /// Since when the oldest of the others is open.
    pub since: Option<Timestamp>,
    /// The latest reason why one of the others had no outcome.
    pub last_error: Option<String>,
}

/// Dead letters that are open, of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letters {
    /// The service that could not process them.
    pub service: String,
    /// Why, without ids and numbers.
    pub cause: String,
    /// How many.
    pub open: usize,
    /// When the newest died.
    pub newest: Timestamp,
}
